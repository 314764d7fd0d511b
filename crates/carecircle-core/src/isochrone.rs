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
//! The `field` module finds the times on a `lattice`, by lines of `sight`; `contour` draws the outlines, `simplify` takes corners out of them.
//! Outlines are exact along the lattice's sides: a street cut off by its neighbours within less than a side may be
//! missed. Of streets within some centimetres of each other either may count. With a tolerance of 0 bands nest to the
//! last digit, and a band is the same whichever others are drawn with it.

use crate::contour::{self, Outline, Ring};
use crate::doors::Door;
use crate::field::{Around, Ground, Piece};
use crate::geometry::{Point, Shape};
use crate::lattice::{Lattice, PITCH_M};
use crate::network::{Edge, EdgeId, Network, Snap, Stops, fraction_along};
use crate::search::{Origin, Reach, Search, Sweep};
use crate::sight::Sight;
use crate::simplify::simplify;
use crate::study::Study;
use crate::time::WalkTime;
use crate::weights::{Direction, Weights};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use rayon::prelude::*;

/// How far from a reached street a place still counts as reached, metres.
pub const OFF_STREET_M: f64 = 50.0;
/// How far a simplified outline may lie from the full one, metres.
pub const TOLERANCE_M: f64 = 3.0;
/// Bends of a street that lie no farther than this from the straight line, metres, are not followed.
const STRAIGHT_M: f64 = 0.25;
/// So many bends in a row at most.
const MOST_SKIPPED: usize = 8;
/// A side of the lattice takes no longer than this to walk, seconds: a slow walker's minute is some sides wide.
const LONGEST_SIDE_S: f64 = 36.0;

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
    let network = study.network();
    let longest = longest(limits);
    let mut anchors = |weights: &Weights, doors: &[Door]| {
        let snaps: Vec<Snap> = doors.iter().map(|door| door.snap).collect();
        anchors_of(&Reach::new(search, network, weights, &snaps, longest), weights)
    };
    let streets =
        Streets { weights, anchors: anchors(weights, &origin.doors), sources: vec![(origin.at, &origin.doors, 0)] };
    let floor = weights.floor().map(|weights| Streets {
        weights,
        anchors: anchors(weights, &origin.plain_doors),
        sources: vec![(origin.at, &origin.plain_doors, 0)],
    });
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
    let (network, longest) = (study.network(), longest(limits));
    let sweep = |weights, doors: fn(&Source) -> &[Door]| {
        let sources: Vec<_> =
            sources.iter().map(|(facility, source)| (source.at, doors(source), *facility as u32)).collect();
        Streets { weights, anchors: anchors_around(network, weights, &sources, longest), sources }
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

/// The streets of one walker, as far as they are reached.
struct Streets<'a> {
    weights: &'a Weights,
    /// By edge.
    anchors: Vec<Anchor>,
    /// What is walked to: its place, its doors and its label.
    sources: Vec<(Point, &'a [Door], u32)>,
}

/// A place on an edge from which the time is known.
#[derive(Clone, Copy)]
struct Anchor {
    edge: EdgeId,
    at_m: f64,
    seconds: f64,
    label: u32,
}

fn anchors_of(reach: &Reach, weights: &Weights) -> Vec<Anchor> {
    let mut anchors = Vec::with_capacity(reach.stretches.len() * 2 + reach.origins.len());
    for stretch in &reach.stretches {
        let ends = [(stretch.start_m, stretch.start_time), (stretch.end_m, stretch.end_time)];
        for (at_m, time) in ends.into_iter().filter(|(_, time)| *time != WalkTime::NEVER) {
            anchors.push(Anchor { edge: stretch.edge, at_m, seconds: time.seconds(), label: 0 });
        }
    }
    // Also where no limit gets as far as the street: it is cut in the same pieces for every limit.
    anchors.extend(reach.origins.iter().map(|snap| {
        let seconds = weights.speed().walk(snap.offset_m).seconds();
        Anchor { edge: snap.edge, at_m: snap.along_m, seconds, label: 0 }
    }));
    anchors.sort_by_key(|anchor| anchor.edge);
    anchors
}

/// The anchors around many sources at once, each by the nearest of them.
fn anchors_around(
    network: &Network,
    weights: &Weights,
    sources: &[(Point, &[Door], u32)],
    longest: WalkTime,
) -> Vec<Anchor> {
    let doors = sources.iter().flat_map(|(_, doors, label)| doors.iter().map(|door| (door.snap, *label)));
    let mut origins: Vec<Origin> = doors.map(|(snap, label)| Origin { snap, label }).collect();
    let sweep = Sweep::new(network, weights, &origins, longest);
    origins.sort_by_key(|origin| (origin.snap.edge, origin.label));
    let mut origins = origins.into_iter().peekable();
    let mut anchors = Vec::new();
    for (edge, i) in network.edges().iter().zip(0..) {
        let id = EdgeId(i);
        let ends = [(edge.from, 0.0, Direction::Backward), (edge.to, edge.length_m, Direction::Forward)];
        for (node, at_m, walked) in ends {
            // Of a street that leads away nothing is reached.
            let is_open = weights.edge(id, walked) != WalkTime::NEVER;
            let arrival = sweep.at_node(node, weights.way(id)).filter(|arrival| is_open && arrival.time <= longest);
            anchors.extend(arrival.map(|arrival| {
                let seconds = arrival.time.seconds();
                Anchor { edge: id, at_m, seconds, label: arrival.label }
            }));
        }
        while let Some(Origin { snap, label }) = origins.next_if(|origin| origin.snap.edge == id) {
            let seconds = weights.speed().walk(snap.offset_m).seconds();
            anchors.push(Anchor { edge: id, at_m: snap.along_m, seconds, label });
        }
    }
    anchors
}

/// The ground around all streets near those that are reached.
fn ground(
    study: &Study,
    streets: &Streets,
    floor: Option<&Streets>,
    longest: WalkTime,
    is_shared: bool,
    drawing: &Drawing,
) -> Ground {
    let network = study.network();
    let depth = drawing.depth_m;
    let seconds_per_metre = 3.6 / streets.weights.speed().kmh();
    let mut pitch = PITCH_M;
    while pitch * seconds_per_metre > LONGEST_SIDE_S {
        pitch /= 2.0;
    }
    let streets = streets.draw(network);
    let floor = floor.map(|floor| floor.draw(network));
    let drawn = || std::iter::once(&streets).chain(&floor);
    let mut boxes: Vec<[Point; 2]> = Vec::new();
    for piece in drawn().flat_map(|drawn| drawn.pieces.iter().chain(&drawn.ways_in)) {
        if f64::from(piece.earliest()) <= longest.seconds() {
            boxes.push(piece.bounds(depth));
        }
    }
    let centres: Vec<Point> = streets.centres.iter().map(|(at, _)| *at).collect();
    let lattice = Lattice::over(&boxes, &centres, pitch);
    let sight = Sight::over(&lattice, study.obstacles(), depth);
    // Whatever a place on a lattice side next to a reached corner may belong to.
    let beyond = Coord { x: depth + 2.0 * lattice.pitch, y: depth + 2.0 * lattice.pitch };
    let low = boxes.iter().flatten().fold(centres[0], |a, b| Coord { x: a.x.min(b.x), y: a.y.min(b.y) }) - beyond;
    let high = boxes.iter().flatten().fold(centres[0], |a, b| Coord { x: a.x.max(b.x), y: a.y.max(b.y) }) + beyond;
    let around = |drawn: Drawn| {
        let (pieces, centres) = drawn.among_all(network, low, high);
        Around { pieces, centres, depth, seconds_per_metre }
    };
    let (streets, floor) = (around(streets), floor.map(around));
    let mut ground = Ground::new(lattice, sight, streets, floor, is_shared);
    // Behind a bent wall an origin may be cut off from the corners of its cell that it sees.
    let hidden = ground.hidden_centres();
    if !hidden.is_empty() {
        let seen = contour::outline(&ground, 0.0);
        let is_cut_off = |centre: &(Point, u32)| !seen.contains(centre.0);
        ground.settle(&hidden.into_iter().filter(is_cut_off).collect::<Vec<_>>());
    }
    ground
}

/// The reached streets in pieces.
struct Drawn<'a> {
    weights: &'a Weights,
    pieces: Vec<Piece>,
    /// The streets by edge, each with the end of its pieces.
    edges: Vec<(EdgeId, usize)>,
    /// From the streets to what is walked to.
    ways_in: Vec<Piece>,
    /// The places walked to, each with the first of its ways in.
    centres: Vec<(Point, usize)>,
}

impl<'a> Streets<'a> {
    fn draw(&self, network: &Network) -> Drawn<'a> {
        let (mut pieces, mut edges) = (Vec::new(), Vec::new());
        let mut cutter = Cutter::new(network, self.weights);
        for anchors in self.anchors.chunk_by(|a, b| a.edge == b.edge) {
            let edge = anchors[0].edge;
            if self.weights.is_snappable(edge) {
                cutter.cut(edge, anchors, &mut pieces);
                edges.push((edge, pieces.len()));
            }
        }
        let (mut ways_in, mut centres) = (Vec::new(), Vec::new());
        for (at, doors, label) in &self.sources {
            centres.push((*at, ways_in.len()));
            ways_in.push(Piece::line(*at, *at, (0.0, 0.0), *label));
            for door in *doors {
                // Whoever has come in by the door has arrived.
                Piece::line(*at, door.at, (0.0, 0.0), *label).cut_into(&mut ways_in);
                let seconds = self.weights.speed().walk(door.snap.offset_m - door.beyond_m).seconds();
                Piece::line(door.at, door.snap.at, (0.0, seconds), *label).cut_into(&mut ways_in);
            }
        }
        Drawn { weights: self.weights, pieces, edges, ways_in, centres }
    }
}

impl Drawn<'_> {
    /// The pieces of all streets in a box that points snap to, in the order of edges (of two in the same place always the
    /// same one counts), then the ways in; and the centres, each with the piece that leads from it.
    fn among_all(self, network: &Network, low: Point, high: Point) -> (Vec<Piece>, Vec<(Point, u32)>) {
        let mut ids: Vec<EdgeId> = network.edges_near(low, high).filter(|id| self.weights.is_snappable(*id)).collect();
        ids.sort_unstable();
        let mut pieces: Vec<Piece> = Vec::with_capacity(2 * self.pieces.len() + self.ways_in.len());
        let (mut reached, mut start) = (self.edges.iter().peekable(), 0);
        let mut cutter = Cutter::new(network, self.weights);
        for id in ids {
            let first = pieces.len();
            match reached.next_if(|(edge, _)| *edge == id) {
                Some(&(_, end)) => {
                    pieces.extend_from_slice(&self.pieces[start..end]);
                    start = end;
                }
                None => cutter.cut(id, &[], &mut pieces),
            }
            if pieces.len() > first + 8 {
                let mut kept = first;
                for i in first..pieces.len() {
                    let [a, b] = pieces[i].bounds(0.0);
                    if b.x >= low.x && b.y >= low.y && a.x <= high.x && a.y <= high.y {
                        pieces[kept] = pieces[i];
                        kept += 1;
                    }
                }
                pieces.truncate(kept);
            }
        }
        let first = pieces.len();
        pieces.extend(self.ways_in);
        let centres = self.centres.into_iter().map(|(at, i)| (at, (first + i) as u32)).collect();
        (pieces, centres)
    }
}

/// Cuts edges into straight pieces, each with the times by way of both its ends.
struct Cutter<'a> {
    network: &'a Network,
    weights: &'a Weights,
    /// Parts of an edge between anchors: from where to where, and the ways at either end.
    parts: Vec<(f64, f64, [Way; 2])>,
    /// Bends of an edge, each with its metres along.
    bends: Vec<(Point, f64)>,
    /// Those passed over since the last of them.
    skipped: Vec<Point>,
}

impl<'a> Cutter<'a> {
    fn new(network: &'a Network, weights: &'a Weights) -> Self {
        Self { network, weights, parts: Vec::new(), bends: Vec::new(), skipped: Vec::new() }
    }

    fn cut(&mut self, id: EdgeId, anchors: &[Anchor], out: &mut Vec<Piece>) {
        let edge = self.network.edge(id);
        self.find_bends(id);
        if anchors.is_empty() {
            for pair in self.bends.windows(2) {
                Piece::line(pair[0].0, pair[1].0, (NEVER.0, NEVER.0), NEVER.1).cut_into(out);
            }
            return;
        }
        let [back, forth] =
            [Direction::Backward, Direction::Forward].map(|walked| Pace::of(self.weights, (id, edge), walked));
        self.find_parts(edge, anchors, &back, &forth);
        for &(start_m, end_m, [by_start, by_end]) in &self.parts {
            for pair in self.bends.windows(2) {
                let ((a, from_m), (b, to_m)) = (pair[0], pair[1]);
                let (from, to) = (from_m.max(start_m), to_m.min(end_m));
                // A part that only touches a piece has no place on it, unless the piece is a place itself.
                if from > to || (from >= to && from_m < to_m) {
                    continue;
                }
                let place = |m: f64| match m {
                    m if m <= from_m => a,
                    m if m >= to_m => b,
                    m => a + (b - a) * ((m - from_m) / (to_m - from_m)),
                };
                let early = |m: f64| by_start.0 + back.over(m - start_m);
                let late = |m: f64| by_end.0 + forth.over(end_m - m);
                let by = [(early(from), early(to), by_start.1), (late(from), late(to), by_end.1)];
                Piece::new(place(from), place(to), by).cut_into(out);
            }
        }
    }

    /// Bends of less than [`STRAIGHT_M`] are none.
    fn find_bends(&mut self, id: EdgeId) {
        let Self { bends, skipped, .. } = self;
        bends.clear();
        skipped.clear();
        let mut last: Option<(Point, f64)> = None;
        for bend in self.network.geometry(id) {
            let Some(before) = last.replace(bend) else {
                bends.push(bend);
                continue;
            };
            let start = bends[bends.len() - 1].0;
            if before.1 <= 0.0 {
                continue;
            }
            skipped.push(before.0);
            let is_straight = skipped.len() <= MOST_SKIPPED
                && skipped.iter().all(|at| {
                    let foot = start + (bend.0 - start) * fraction_along(start, bend.0, *at);
                    let off = *at - foot;
                    off.x * off.x + off.y * off.y <= STRAIGHT_M * STRAIGHT_M
                });
            if !is_straight {
                bends.push(before);
                skipped.clear();
            }
        }
        bends.extend(last);
    }

    fn find_parts(&mut self, edge: &Edge, anchors: &[Anchor], back: &Pace, forth: &Pace) {
        let length_m = edge.length_m;
        let parts = &mut self.parts;
        parts.clear();
        let mut start_m = 0.0;
        let mut part = |end_m: f64| {
            parts.push((start_m, end_m, [NEVER; 2]));
            start_m = end_m;
        };
        let mut inner: Vec<f64> =
            anchors.iter().map(|anchor| anchor.at_m).filter(|&m| 0.0 < m && m < length_m).collect();
        inner.sort_by(f64::total_cmp);
        inner.dedup();
        inner.into_iter().for_each(&mut part);
        part(length_m);
        let way_at = |at_m: f64, pace: &Pace| {
            let is_here = |anchor: &&Anchor| (anchor.at_m.clamp(0.0, length_m) - at_m).abs() <= 0.0;
            let stop_s = if at_m <= 0.0 || at_m >= length_m { pace.stop_s } else { 0.0 };
            let here = anchors.iter().filter(is_here).map(|anchor| (anchor.seconds + stop_s, anchor.label));
            here.reduce(earlier).unwrap_or(NEVER)
        };
        let mut way = NEVER;
        for (start_m, end_m, ways) in parts.iter_mut() {
            way = earlier(way, way_at(*start_m, back));
            ways[0] = way;
            way.0 += back.over(*end_m - *start_m);
        }
        way = NEVER;
        for (start_m, end_m, ways) in parts.iter_mut().rev() {
            way = earlier(way, way_at(*end_m, forth));
            ways[1] = way;
            way.0 += forth.over(*end_m - *start_m);
        }
    }
}

/// A way to a source: seconds, and to whom.
type Way = (f64, u32);

const NEVER: Way = (f64::INFINITY, u32::MAX);

/// The earlier way; of equally long ones that to the smaller label.
fn earlier(a: Way, b: Way) -> Way {
    if (b.0, b.1) < (a.0, a.1) { b } else { a }
}

/// How long an edge takes in one direction.
struct Pace {
    seconds_per_metre: f64,
    /// What stops one at the end that it leads to.
    stop_s: f64,
}

impl Pace {
    fn of(weights: &Weights, edge: (EdgeId, &Edge), walked: Direction) -> Self {
        let length_m = edge.1.length_m;
        let whole = weights.edge(edge.0, walked);
        let (seconds_per_metre, stop_s) = match whole {
            WalkTime::NEVER => (f64::INFINITY, 0.0),
            _ if length_m <= 0.0 => (0.0, whole.seconds()),
            _ if edge.1.stops == [Stops::default(); 2] => (whole.seconds() / length_m, 0.0),
            _ => {
                let [near, middle, far, end] = match walked {
                    Direction::Forward => [0.25, 0.5, 0.75, 1.0],
                    Direction::Backward => [0.75, 0.5, 0.25, 0.0],
                };
                let part = |a: f64, b: f64| weights.part(edge, a * length_m, b * length_m).seconds();
                let half_s = part(near, far);
                (half_s / (length_m / 2.0), part(middle, end) - half_s)
            }
        };
        Self { seconds_per_metre, stop_s }
    }

    fn over(&self, metres: f64) -> f64 {
        if metres > 0.0 { metres * self.seconds_per_metre } else { 0.0 }
    }
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
