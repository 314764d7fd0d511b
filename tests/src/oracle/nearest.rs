//! Where a point meets the streets: a uniform grid, and brute force to hold it against.

use std::collections::HashMap;

use super::streets::Streets;

/// Side of a grid cell in degrees, some 400 m of latitude.
const CELL_DEG: f64 = 0.004;
const COLUMNS: i64 = 90_000;
/// A segment over more cells than this is kept outside the grid; a query over more looks at everything.
const MANY_CELLS: i64 = 4096;
/// Distances and positions closer than this many parts of a metre are one.
const PARTS_PER_METRE: f64 = 1e6;

/// Metres as a whole number of micrometres, the grain in which distances are compared.
pub(super) fn micrometres(metres: f64) -> i64 {
    (metres * PARTS_PER_METRE).round() as i64
}

/// A plane in metres that touches the WGS84 ellipsoid at one point: good to millimetres over a few hundred metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    origin: (f64, f64),
    pub(super) east_m_per_deg: f64,
    pub(super) north_m_per_deg: f64,
}

impl Plane {
    /// The plane at a point given as (lon, lat) in degrees.
    pub(super) fn at(origin: (f64, f64)) -> Self {
        const SEMI_MAJOR_M: f64 = 6_378_137.0;
        const FLATTENING: f64 = 1.0 / 298.257_223_563;
        let squared_eccentricity = FLATTENING * (2.0 - FLATTENING);
        let (sin, cos) = origin.1.to_radians().sin_cos();
        let w = 1.0 - squared_eccentricity * sin * sin;
        let prime_vertical_m = SEMI_MAJOR_M / w.sqrt();
        let meridian_m = SEMI_MAJOR_M * (1.0 - squared_eccentricity) / (w * w.sqrt());
        Self { origin, east_m_per_deg: (prime_vertical_m * cos).to_radians(), north_m_per_deg: meridian_m.to_radians() }
    }

    /// Metres east and north of the origin, by Gauss's mid-latitude formula: distance and azimuth from halfway, the
    /// azimuth then turned back to the origin by half the convergence of the meridians. Without it, the legs of a hairpin
    /// bend 30 m away would change places by a tenth of a millimetre.
    pub(super) fn metres(&self, (lon, lat): (f64, f64)) -> (f64, f64) {
        let mut east_deg = lon - self.origin.0;
        if east_deg.abs() > 180.0 {
            east_deg -= 360.0_f64.copysign(east_deg);
        }
        let halfway_rad = (0.5 * (self.origin.1 + lat)).to_radians();
        let narrower = halfway_rad.cos() / self.origin.1.to_radians().cos();
        let (east, north) = (east_deg * self.east_m_per_deg * narrower, (lat - self.origin.1) * self.north_m_per_deg);
        let (sin, cos) = (0.5 * east_deg.to_radians() * halfway_rad.sin()).sin_cos();
        (east * cos - north * sin, north * cos + east * sin)
    }

    /// Degrees of a point given in metres east and north of the origin.
    pub(super) fn degrees(&self, (east_m, north_m): (f64, f64)) -> (f64, f64) {
        (self.origin.0 + east_m / self.east_m_per_deg, self.origin.1 + north_m / self.north_m_per_deg)
    }
}

/// A place on a segment, by the segment's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) segment: usize,
    pub(super) along_m: f64,
    pub(super) offset_m: f64,
}

/// The snappable segments by the cells that their bounding boxes touch.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    cells: HashMap<(i64, i64), Vec<usize>>,
    everywhere: Vec<usize>,
}

/// The inclusive range of cell numbers between two coordinates counted from the south-west corner of the globe.
fn cells_between(low_deg: f64, high_deg: f64) -> std::ops::RangeInclusive<i64> {
    (low_deg / CELL_DEG).floor() as i64..=(high_deg / CELL_DEG).floor() as i64
}

fn size(columns: &std::ops::RangeInclusive<i64>, rows: &std::ops::RangeInclusive<i64>) -> i64 {
    let count = |range: &std::ops::RangeInclusive<i64>| range.end().saturating_sub(*range.start()).saturating_add(1);
    count(columns).saturating_mul(count(rows))
}

impl Grid {
    pub(super) fn new(streets: &Streets) -> Self {
        let mut grid = Self { cells: HashMap::new(), everywhere: Vec::new() };
        for (number, segment) in streets.segments.iter().enumerate().filter(|(_, segment)| segment.snappable) {
            let (from, to) = (streets.places[segment.from], streets.places[segment.to]);
            let columns = cells_between(from.0.min(to.0) + 180.0, from.0.max(to.0) + 180.0);
            let rows = cells_between(from.1.min(to.1) + 90.0, from.1.max(to.1) + 90.0);
            // Also where a street that crosses the antimeridian ends up.
            if size(&columns, &rows) > MANY_CELLS {
                grid.everywhere.push(number);
                continue;
            }
            for column in columns {
                for row in rows.clone() {
                    grid.cells.entry((column.rem_euclid(COLUMNS), row)).or_default().push(number);
                }
            }
        }
        grid
    }

    pub(super) fn nearest(&self, streets: &Streets, point: (f64, f64), snap_m: f64) -> Option<Hit> {
        let plane = Plane::at(point);
        // A little more than the radius: what lies exactly on it must not fall to rounding.
        let reach_m = snap_m * 1.01 + 1.0;
        let (reach_lon, reach_lat) = (reach_m / plane.east_m_per_deg, reach_m / plane.north_m_per_deg);
        let columns = cells_between(point.0 - reach_lon + 180.0, point.0 + reach_lon + 180.0);
        let rows = cells_between(point.1 - reach_lat + 90.0, point.1 + reach_lat + 90.0);
        if size(&columns, &rows) > MANY_CELLS {
            return nearest_of_all(streets, point, snap_m);
        }
        let near = columns
            .flat_map(|column| rows.clone().map(move |row| (column.rem_euclid(COLUMNS), row)))
            .filter_map(|cell| self.cells.get(&cell))
            .flatten();
        nearest_among(near.chain(&self.everywhere).copied(), streets, point, snap_m)
    }
}

/// The nearest place over all snappable segments, found by looking at each.
pub(super) fn nearest_of_all(streets: &Streets, point: (f64, f64), snap_m: f64) -> Option<Hit> {
    let all = (0..streets.segments.len()).filter(|&number| streets.segments[number].snappable);
    nearest_among(all, streets, point, snap_m)
}

fn nearest_among(
    numbers: impl Iterator<Item = usize>,
    streets: &Streets,
    point: (f64, f64),
    snap_m: f64,
) -> Option<Hit> {
    if !(point.0.abs() <= 180.0 && point.1.abs() <= 90.0) {
        return None;
    }
    let plane = Plane::at(point);
    let hit = |number: usize| {
        let segment = &streets.segments[number];
        let (from, to) = (plane.metres(streets.places[segment.from]), plane.metres(streets.places[segment.to]));
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let squared_m2 = dx * dx + dy * dy;
        let fraction = if squared_m2 > 0.0 { (-(from.0 * dx + from.1 * dy) / squared_m2).clamp(0.0, 1.0) } else { 0.0 };
        let offset_m = (from.0 + fraction * dx).hypot(from.1 + fraction * dy);
        Hit { segment: number, along_m: fraction * segment.length_m, offset_m }
    };
    numbers.map(hit).filter(|hit| micrometres(hit.offset_m) <= micrometres(snap_m)).min_by_key(|hit| {
        let segment = &streets.segments[hit.segment];
        (micrometres(hit.offset_m), segment.way, segment.index)
    })
}
