//! Isochrones: the polygon of a reach for one band.
//!
//! A drawing, never the source of a verdict. Times are known along the reached streets; the field around them is sampled
//! on a square grid (time at the nearest street plus the walk off it, out to [`OFF_STREET_M`]), and each band is the
//! contour of that one field at its limit. Bands nest, and a band is the same whichever others are drawn with it: the
//! grid hangs on the origin, and no value beyond a band's own limit by more than half a grid side shapes it. Every
//! contour crosses each grid side at most once and stays clear of its ends, so that rings neither touch nor cross
//! themselves or each other, also after rounding.

use crate::doors::Door;
use crate::geometry::{Point, Shape};
use crate::network::{Network, Snap, fraction_along};
use crate::search::{Reach, Search, Stretch};
use crate::study::Study;
use crate::time::WalkTime;
use crate::weights::Weights;
use geo::{Area, Coord, LineString, MultiPolygon, Polygon};
use std::collections::BTreeMap;

/// How far from a reached street a place still counts as reached, metres.
pub const OFF_STREET_M: f64 = 40.0;
/// The side of the grid: the corners around any origin lie within [`OFF_STREET_M`].
const SIDE_M: f64 = 25.0;
/// Contours keep this share of a grid side away from its ends.
const CLEARANCE: f64 = 0.02;
/// More grid corners than this are never laid: two hours at 15 km/h stay below, a ferry may not.
const MOST_CORNERS: f64 = 8_000_000.0;

/// How isochrones are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// How far off a reached street a place still counts as reached, metres: 30 to 50.
    pub depth_m: f64,
    /// How far a simplified outline may lie from the full one, metres; 0 keeps every corner.
    pub tolerance_m: f64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { depth_m: OFF_STREET_M, tolerance_m: 0.0 }
    }
}

impl Drawing {
    /// The depths that make sense, metres: how far from the middle of a street its houses and yards lie.
    pub const DEPTH_M: std::ops::RangeInclusive<f64> = 30.0..=50.0;
    /// The tolerances that make sense, metres.
    pub const TOLERANCE_M: std::ops::RangeInclusive<f64> = 0.0..=100.0;
}

/// How the circles of many facilities are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// As one: from where any of them is reached.
    None,
    /// Each by itself, over each other.
    Facility,
    /// As one, divided by which facility is nearest.
    Nearest,
}

impl Split {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::None, Self::Facility, Self::Nearest];

    /// The name in queries and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Facility => "facility",
            Self::Nearest => "nearest",
        }
    }

    /// The way of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.name() == name)
    }
}

/// A band of the circle around facilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Circle {
    /// Whose it is, an index into the study's facilities; `None` for all together.
    pub facility: Option<usize>,
    /// Its limit and polygons.
    pub isochrone: Isochrone,
}

/// Draws the circles of the facilities that count, by facility and limit, in the order given.
pub fn circles(
    study: &Study,
    weights: &Weights,
    counts: &(dyn Fn(usize) -> bool + Sync),
    limits: &[WalkTime],
    split: Split,
    drawing: &Drawing,
) -> Vec<Circle> {
    let mut out = Vec::new();
    let mut search = Search::new();
    if split == Split::Facility {
        for facility in (0..study.facilities().len()).filter(|&f| counts(f)) {
            let Some(source) = study.facility_source(facility, weights) else { continue };
            let drawn = isochrones(&mut search, study, weights, &source, limits, drawing);
            out.extend(drawn.into_iter().map(|isochrone| Circle { facility: Some(facility), isochrone }));
        }
    }
    out
}

/// The polygon of a reach for one band.
#[derive(Clone, Debug, PartialEq)]
pub struct Isochrone {
    /// The band's limit.
    pub limit: WalkTime,
    /// Its polygons on the plan: exterior rings counter-clockwise, holes clockwise.
    pub shape: Shape,
}

/// Draws one polygon for each limit, in the order given: from where `origin` is reached within it.
pub fn isochrones(
    search: &mut Search,
    study: &Study,
    weights: &Weights,
    origin: &Source,
    limits: &[WalkTime],
    _drawing: &Drawing,
) -> Vec<Isochrone> {
    let network = study.network();
    let metres_per_second = weights.speed().kmh() / 3.6;
    // A slow walker's minute must still be some grid sides wide.
    let side = SIDE_M.min(metres_per_second * 30.0).max(1.0);
    let side_seconds = side / metres_per_second;
    let longest = limits.iter().copied().max().unwrap_or(WalkTime::ZERO) + WalkTime::from_seconds(side_seconds);
    let mut reach = |weights: &Weights, doors: &[Door]| {
        let snaps: Vec<Snap> = doors.iter().map(|door| door.snap).collect();
        Reach::new(search, network, weights, &snaps, longest)
    };
    let reached = reach(weights, &origin.doors);
    let mut field = Field::around(network, &reached, origin, side, weights);
    field.sample(network, weights, &reached, origin.at, &origin.doors);
    if let Some(floor) = weights.floor() {
        let mut plain = field.unreached();
        plain.sample(network, floor, &reach(floor, &origin.plain_doors), origin.at, &origin.plain_doors);
        field.no_earlier_than(&plain);
    }
    limits.iter().map(|&limit| Isochrone { limit, shape: field.contour(limit) }).collect()
}

/// A place that isochrones are drawn around, see [`crate::study::Study::place_source`].
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The place.
    pub at: Point,
    /// Where it meets the network.
    pub doors: Vec<Door>,
    /// Where it meets the network for the plain walk, [`Weights::floor`]; not used by profiles to which no street is
    /// closed.
    pub plain_doors: Vec<Door>,
}

impl Source {
    /// Metres from the nearest of its doors to the street.
    pub fn metres_to_street(&self) -> f64 {
        self.doors.iter().map(|door| door.snap.offset_m).fold(f64::INFINITY, f64::min)
    }
}

/// Walking times, in seconds, at the corners of a square grid.
struct Field {
    origin: Point,
    /// Columns west and rows south of the origin's cell.
    before: (f64, f64),
    step: f64,
    /// Seconds that one side of the grid takes to walk.
    step_seconds: f64,
    columns: usize,
    rows: usize,
    seconds: Vec<f32>,
}

impl Field {
    /// A field over all that is reached, with no time in it yet.
    fn around(network: &Network, reach: &Reach, source: &Source, step: f64, weights: &Weights) -> Self {
        let origin = source.at;
        let mut low = origin;
        let mut high = origin;
        let mut widen = |p: Point| {
            low = Coord { x: low.x.min(p.x), y: low.y.min(p.y) };
            high = Coord { x: high.x.max(p.x), y: high.y.max(p.y) };
        };
        source.doors.iter().for_each(|door| widen(door.snap.at));
        for stretch in on_foot(network, reach) {
            pieces(network, stretch).for_each(|(a, b, _, _)| {
                widen(a);
                widen(b);
            });
        }
        // A ring of unreached corners all around closes every contour; the origin lies in the middle of a cell.
        let margin = OFF_STREET_M + 2.0 * step;
        let (width, height) = (high.x - low.x + 2.0 * margin, high.y - low.y + 2.0 * margin);
        let step = step.max((width * height / MOST_CORNERS).sqrt());
        let before = |from: f64, to: f64| ((from - to + margin) / step).ceil();
        let (columns, rows) = ((width / step).ceil() as usize + 3, (height / step).ceil() as usize + 3);
        Self {
            origin,
            before: (before(origin.x, low.x), before(origin.y, low.y)),
            step,
            step_seconds: step * 3.6 / weights.speed().kmh(),
            columns,
            rows,
            seconds: vec![f32::INFINITY; columns * rows],
        }
    }

    /// The same corners without any time.
    fn unreached(&self) -> Self {
        Self { seconds: vec![f32::INFINITY; self.seconds.len()], ..*self }
    }

    /// Puts off every time to that of another field over the same corners.
    fn no_earlier_than(&mut self, other: &Self) {
        for (here, there) in self.seconds.iter_mut().zip(&other.seconds) {
            *here = here.max(*there);
        }
    }

    fn sample(&mut self, network: &Network, weights: &Weights, reach: &Reach, origin: Point, doors: &[Door]) {
        let off = |metres: f64| metres * 3.6 / weights.speed().kmh();
        for door in doors {
            // Whoever has come in by the door has arrived.
            self.spread(origin, door.at, &off, |_| 0.0);
            let off_m = door.snap.offset_m - door.beyond_m;
            self.spread(door.at, door.snap.at, &off, |t| off(t * off_m));
        }
        for stretch in on_foot(network, reach) {
            let edge = (stretch.edge, network.edge(stretch.edge));
            for (a, b, from_m, to_m) in pieces(network, stretch) {
                self.spread(a, b, &off, |t| {
                    let at = from_m + (to_m - from_m) * t;
                    let back = stretch.start_time + weights.part(edge, at.max(stretch.start_m), stretch.start_m);
                    let forth = stretch.end_time + weights.part(edge, at.min(stretch.end_m), stretch.end_m);
                    back.min(forth).seconds()
                });
            }
        }
    }

    /// Improves the corners around the line from `a` to `b`, on which the time at a fraction of its length is `seconds`.
    fn spread(&mut self, a: Point, b: Point, off: &impl Fn(f64) -> f64, seconds: impl Fn(f64) -> f64) {
        let low = self.corner(0, 0);
        let column = |x: f64| ((x - low.x) / self.step).max(0.0);
        let row = |y: f64| ((y - low.y) / self.step).max(0.0);
        let columns = column(a.x.min(b.x) - OFF_STREET_M).ceil() as usize
            ..=(column(a.x.max(b.x) + OFF_STREET_M) as usize).min(self.columns - 1);
        let rows = row(a.y.min(b.y) - OFF_STREET_M).ceil() as usize
            ..=(row(a.y.max(b.y) + OFF_STREET_M) as usize).min(self.rows - 1);
        for y in rows {
            for x in columns.clone() {
                let corner = self.corner(x, y);
                let t = fraction_along(a, b, corner);
                let foot = a + (b - a) * t;
                let away = (corner.x - foot.x).hypot(corner.y - foot.y);
                if away <= OFF_STREET_M {
                    let slot = &mut self.seconds[y * self.columns + x];
                    *slot = slot.min((seconds(t) + off(away)) as f32);
                }
            }
        }
    }

    fn corner(&self, x: usize, y: usize) -> Point {
        // Counted from the origin: the same corner is the same number whatever else the field covers.
        Coord {
            x: self.origin.x + (x as f64 - self.before.0 - 0.5) * self.step,
            y: self.origin.y + (y as f64 - self.before.1 - 0.5) * self.step,
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.seconds[y * self.columns + x]
    }

    /// The contour at a limit by marching squares: corners at or below it are inside.
    fn contour(&self, limit: WalkTime) -> Shape {
        let limit = limit.seconds() as f32;
        let inside = |x: usize, y: usize| self.at(x, y) <= limit;
        // Each crossed grid side leads to the next, with the inside on the left. Sides are numbered by their lower left
        // corner, the horizontal one first.
        let side = |x: usize, y: usize, vertical: bool| (y * self.columns + x) * 2 + usize::from(vertical);
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        for y in 0..self.rows - 1 {
            for x in 0..self.columns - 1 {
                let case = u8::from(inside(x, y))
                    | u8::from(inside(x + 1, y)) << 1
                    | u8::from(inside(x + 1, y + 1)) << 2
                    | u8::from(inside(x, y + 1)) << 3;
                let (bottom, top) = (side(x, y, false), side(x, y + 1, false));
                let (left, right) = (side(x, y, true), side(x + 1, y, true));
                let mut link = |from: usize, to: usize| next.insert(from, to);
                match case {
                    1 => _ = link(bottom, left),
                    2 => _ = link(right, bottom),
                    3 => _ = link(right, left),
                    4 => _ = link(top, right),
                    // Two inside corners face each other: they stay apart.
                    5 => _ = (link(bottom, left), link(top, right)),
                    6 => _ = link(top, bottom),
                    7 => _ = link(top, left),
                    8 => _ = link(left, top),
                    9 => _ = link(bottom, top),
                    10 => _ = (link(right, bottom), link(left, top)),
                    11 => _ = link(right, top),
                    12 => _ = link(left, right),
                    13 => _ = link(bottom, right),
                    14 => _ = link(left, bottom),
                    _ => {}
                }
            }
        }
        let mut rings = Vec::new();
        while let Some((first, mut to)) = next.pop_first() {
            let mut ring = vec![self.crossing(first, limit)];
            while to != first {
                ring.push(self.crossing(to, limit));
                let Some(following) = next.remove(&to) else { break };
                to = following;
            }
            ring.push(ring[0]);
            rings.push(LineString(ring));
        }
        nest(rings)
    }

    /// Where the limit crosses a grid side.
    fn crossing(&self, side: usize, limit: f32) -> Point {
        let (corner, vertical) = (side / 2, side % 2 == 1);
        let (x, y) = (corner % self.columns, corner / self.columns);
        let (x2, y2) = if vertical { (x, y + 1) } else { (x + 1, y) };
        let (a, b) = (f64::from(self.at(x, y)), f64::from(self.at(x2, y2)));
        let limit = f64::from(limit);
        let (near, far) = (a.min(b), a.max(b));
        // Between two corners that are both about reached, where the time says. Where the far one is later by more than
        // half a side's walk, or not reached at all, as far as the time left goes, half a side at most: the same
        // whatever that corner's time is, and where the two rules meet the second gives no more than the first.
        let from_near = if far <= limit + self.step_seconds / 2.0 {
            (limit - near) / (far - near)
        } else {
            ((limit - near) / self.step_seconds).min(0.5)
        };
        let t = if a <= b { from_near } else { 1.0 - from_near };
        let t = t.clamp(CLEARANCE, 1.0 - CLEARANCE);
        let (from, to) = (self.corner(x, y), self.corner(x2, y2));
        from + (to - from) * t
    }
}

/// What is reached, but for ferries and gates: nobody stands there.
fn on_foot<'a>(network: &'a Network, reach: &'a Reach) -> impl Iterator<Item = &'a Stretch> {
    reach.stretches.iter().filter(|s| network.edge(s.edge).is_street())
}

/// The straight pieces of a stretch: both ends, each with its metres along the edge.
fn pieces<'a>(network: &'a Network, stretch: &'a Stretch) -> impl Iterator<Item = (Point, Point, f64, f64)> + 'a {
    let vertices = network.geometry(stretch.edge);
    let following = vertices.clone().skip(1);
    vertices.zip(following).filter_map(move |((a, from_m), (b, to_m))| {
        let (start, end) = (from_m.max(stretch.start_m), to_m.min(stretch.end_m));
        if start > end {
            return None;
        }
        let length = to_m - from_m;
        let place = |m: f64| if length > 0.0 { a + (b - a) * ((m - from_m) / length) } else { a };
        Some((place(start), place(end), start, end))
    })
}

/// Puts clockwise rings, the holes, into the smallest counter-clockwise ring around each.
fn nest(rings: Vec<LineString<f64>>) -> Shape {
    let (exteriors, holes): (Vec<_>, Vec<_>) =
        rings.into_iter().map(|r| Polygon::new(r, Vec::new())).partition(|p| p.signed_area() > 0.0);
    let mut polygons: Vec<Polygon<f64>> = exteriors;
    polygons.sort_by(|a, b| a.unsigned_area().total_cmp(&b.unsigned_area()));
    let outlines: Vec<Shape> = polygons.iter().map(|p| MultiPolygon(vec![p.clone()])).collect();
    for hole in holes {
        let first = hole.exterior().0[0];
        if let Some(i) = outlines.iter().position(|outline| crate::polygon::contains(outline, first)) {
            polygons[i].interiors_push(hole.into_inner().0);
        }
    }
    polygons.reverse();
    MultiPolygon(polygons)
}
