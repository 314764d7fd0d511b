//! Isochrones: the ground that is reached within a limit, as polygons.
//!
//! A drawing, never the source of a verdict; but drawn by the verdict's rule. A place belongs to the nearest of all
//! streets that points snap to, and is reached when the way from there is: the time at the nearest point of that street
//! and the walk off it. In two ways a drawing is stricter. A place more than [`Drawing::depth_m`] from any street is
//! reached only as part of a *pocket*, the inside of a block say, when all around it is; a pocket that an obstacle
//! borders on (water, a railway, a wall) is never reached. And a place belongs only to a street in sight: the straight
//! line to it crosses no obstacle. Streets themselves cross obstacles freely, and one drawn along an obstacle is seen from
//! both sides. In one way it is kinder: the cell of the lattice that an origin stands in is reached as far as it is seen
//! from there, whatever streets are nearer.
//!
//! `walked` has the times along streets, `frontage` which street the corners of a `lattice` belong to by lines of `sight`,
//! `field` the times there; `contour` draws the outlines, `simplify` takes corners out of them.
//! Outlines are exact along the lattice's sides: a street cut off by its neighbours within less than a side may be
//! missed. Of streets within some centimetres of each other either may count. With a tolerance of 0 bands nest to the
//! last digit, and a band is the same whichever others are drawn with it.

use crate::contour::{self, Outline, Ring};
use crate::doors::Door;
use crate::field::Ground;
use crate::frontage::REACH_M;
use crate::geometry::{Point, Shape};
use crate::lattice::{Lattice, PITCH_M};
use crate::search::Search;
use crate::simplify::simplify;
use crate::study::Study;
use crate::time::WalkTime;
use crate::walked::Walked;
use crate::weights::Weights;
use geo::{LineString, MultiPolygon, Polygon};
use rayon::prelude::*;

/// How far from a reached street a place still counts as reached, metres.
pub const OFF_STREET_M: f64 = 50.0;
/// How far a simplified outline may lie from the full one, metres.
pub const TOLERANCE_M: f64 = 3.0;
/// A side of the lattice takes no longer than this to walk, seconds: a slow walker's minute is some sides wide.
const LONGEST_SIDE_S: f64 = 36.0;

/// How isochrones are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// How far off a reached street a place still counts as reached, metres: 30 to 50, and no more.
    pub depth_m: f64,
    /// How far a simplified outline may lie from the full one, metres; 0 keeps every corner.
    pub tolerance_m: f64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { depth_m: OFF_STREET_M, tolerance_m: TOLERANCE_M }
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
    drawing: &Drawing,
) -> Vec<Isochrone> {
    let longest = longest(limits);
    let mut walked =
        |weights, doors: &[Door]| Walked::to_place(search, (study.network(), weights), (origin.at, doors), longest);
    let streets = walked(weights, &origin.doors);
    let floor = weights.floor().map(|weights| walked(weights, &origin.plain_doors));
    let ground = ground(study, &streets, floor.as_ref(), longest, false, drawing);
    let bands: Vec<Outline> = limits.iter().map(|limit| contour::outline(&ground, limit.seconds() as f32)).collect();
    let shapes = shapes(bands, drawing.tolerance_m).into_iter();
    let whole = shapes.map(|mut shapes| shapes.pop().map_or_else(|| MultiPolygon(Vec::new()), |(_, shape)| shape));
    limits.iter().zip(whole).map(|(&limit, shape)| Isochrone { limit, shape }).collect()
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
    let counting = (0..study.facilities().len()).into_par_iter().filter(|&facility| counts(facility));
    let sources: Vec<(usize, Source)> =
        counting.filter_map(|facility| Some((facility, study.facility_source(facility, weights)?))).collect();
    if split == Split::Facility {
        let draw = |search: &mut Search, (facility, source): &(usize, Source)| {
            let drawn = isochrones(search, study, weights, source, limits, drawing).into_iter();
            drawn.map(|isochrone| Circle { facility: Some(*facility), isochrone }).collect::<Vec<_>>()
        };
        return sources.par_iter().with_max_len(8).map_init(Search::new, draw).flatten_iter().collect();
    }
    if sources.is_empty() {
        return Vec::new();
    }
    let longest = longest(limits);
    let sweep = |weights, doors: fn(&Source) -> &[Door]| {
        let sources: Vec<_> =
            sources.iter().map(|(facility, source)| (source.at, doors(source), *facility as u32)).collect();
        Walked::to_nearest((study.network(), weights), &sources, longest)
    };
    let (streets, floor) = rayon::join(
        || sweep(weights, |source| &source.doors),
        || weights.floor().map(|floor| sweep(floor, |source| &source.plain_doors)),
    );
    let ground = ground(study, &streets, floor.as_ref(), longest, split == Split::Nearest, drawing);
    let bands = limits.par_iter().map(|limit| contour::outline(&ground, limit.seconds() as f32)).collect();
    let shapes = shapes(bands, drawing.tolerance_m);
    let mut out: Vec<Circle> = Vec::new();
    for (limit, shapes) in limits.iter().zip(shapes) {
        out.extend(shapes.into_iter().map(|(label, shape)| Circle {
            facility: (split == Split::Nearest).then_some(label as usize),
            isochrone: Isochrone { limit: *limit, shape },
        }));
    }
    // Within a facility limits keep their order.
    out.sort_by_key(|circle| circle.facility);
    out
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

/// How far to look for some limits: a little beyond the longest, for what is cut off there is not rounded as the times are.
fn longest(limits: &[WalkTime]) -> WalkTime {
    limits.iter().copied().max().unwrap_or(WalkTime::ZERO) + WalkTime::from_seconds(1.0)
}

/// The ground around all streets near those that are reached.
fn ground(
    study: &Study,
    streets: &Walked,
    floor: Option<&Walked>,
    longest: WalkTime,
    is_shared: bool,
    drawing: &Drawing,
) -> Ground {
    let depth = drawing.depth_m.min(REACH_M);
    let seconds_per_metre = 3.6 / streets.weights.speed().kmh();
    let mut pitch = PITCH_M;
    while pitch * seconds_per_metre > LONGEST_SIDE_S {
        pitch /= 2.0;
    }
    let mut boxes: Vec<[Point; 2]> = Vec::new();
    for walked in std::iter::once(streets).chain(floor) {
        walked.add_boxes(study.network(), longest, depth, &mut boxes);
    }
    let centres: Vec<Point> = streets.centres.iter().map(|(at, _)| *at).collect();
    let lattice = Lattice::over(&boxes, &centres, pitch);
    let mut ground = Ground::new(study, lattice, streets, floor, depth, is_shared);
    // Behind a bent wall an origin may be cut off from the corners of its cell that it sees.
    let hidden = ground.hidden_centres();
    if !hidden.is_empty() {
        let seen = contour::outline(&ground, 0.0);
        let is_cut_off = |centre: &(Point, u32)| !seen.contains(centre.0);
        ground.settle(&hidden.into_iter().filter(is_cut_off).collect::<Vec<_>>());
    }
    ground
}

/// The polygons of outlines, for each the labels in order; corners that the tolerance allows are gone.
fn shapes(mut bands: Vec<Outline>, tolerance_m: f64) -> Vec<Vec<(u32, Shape)>> {
    if tolerance_m > 0.0 && bands.len() > 1 {
        let points = merge(&mut bands);
        let mut rings: Vec<&mut Vec<u32>> =
            bands.iter_mut().flat_map(|band| &mut band.rings).map(|r| &mut r.points).collect();
        simplify(&points, &mut rings, tolerance_m);
        return bands.iter().map(|band| polygons(&points, &band.rings)).collect();
    }
    let draw = |mut band: Outline| {
        let mut rings: Vec<&mut Vec<u32>> = band.rings.iter_mut().map(|ring| &mut ring.points).collect();
        simplify(&band.points, &mut rings, tolerance_m);
        polygons(&band.points, &band.rings)
    };
    bands.into_iter().map(draw).collect()
}

/// Numbers the points of several outlines together, so that those in the same place are the same.
fn merge(bands: &mut [Outline]) -> Vec<Point> {
    let key = |at: &Point| (at.x.to_bits(), at.y.to_bits());
    let mut all: Vec<((u64, u64), usize, usize)> = Vec::new();
    for (band, i) in bands.iter().zip(0..) {
        all.extend(band.points.iter().enumerate().map(|(k, at)| (key(at), i, k)));
    }
    all.sort_unstable();
    let mut points: Vec<Point> = Vec::new();
    let mut numbers: Vec<Vec<u32>> = bands.iter().map(|band| vec![0; band.points.len()]).collect();
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let (_, band, k) = same[0];
        for &(_, band, k) in same {
            numbers[band][k] = points.len() as u32;
        }
        points.push(bands[band].points[k]);
    }
    for (band, numbers) in bands.iter_mut().zip(numbers) {
        for point in band.rings.iter_mut().flat_map(|ring| &mut ring.points) {
            *point = numbers[*point as usize];
        }
    }
    points
}

/// Puts rings together, by label: the largest polygon first.
fn polygons(points: &[Point], rings: &[Ring]) -> Vec<(u32, Shape)> {
    let line = |ring: &Ring| {
        let mut line: Vec<Point> = ring.points.iter().map(|&point| points[point as usize]).collect();
        line.extend(line.first().copied());
        LineString(line)
    };
    let mut holes: Vec<Vec<LineString<f64>>> = vec![Vec::new(); rings.len()];
    for ring in rings {
        if let Some(around) = ring.around {
            holes[around as usize].push(line(ring));
        }
    }
    let outer = rings.iter().zip(holes).filter(|(ring, _)| ring.around.is_none());
    let mut drawn: Vec<(u32, Polygon<f64>)> =
        outer.map(|(ring, holes)| (ring.label, Polygon::new(line(ring), holes))).collect();
    let m2 = |polygon: &Polygon<f64>| {
        let sides = polygon.exterior().0.windows(2);
        sides.map(|side| side[0].x * side[1].y - side[1].x * side[0].y).sum::<f64>()
    };
    drawn.sort_by_cached_key(|(label, polygon)| (*label, (-m2(polygon) * 1e3) as i64));
    let by_label = drawn.chunk_by(|a, b| a.0 == b.0);
    by_label.map(|same| (same[0].0, MultiPolygon(same.iter().map(|(_, polygon)| polygon.clone()).collect()))).collect()
}
