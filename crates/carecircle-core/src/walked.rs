//! The times along the streets that are reached.
//!
//! A search ends at places on edges from which the time is known. Between two of these an edge is walked by way of either,
//! and so is every segment of it: two times that grow evenly, of which the earlier counts.

use crate::frontage::{Cutter, Segment, Straight, cut};
use crate::geometry::Point;
use crate::lattice::NONE;
use crate::network::{Edge, EdgeId, Network, Snap, Stops};
use crate::search::{Origin, Reach, Search, Sweep};
use crate::study::Door;
use crate::time::WalkTime;
use crate::weights::{Direction, Weights};

/// The ways over a straight line, by its start and by its end: seconds at its start and at its end, and whose they are.
type Ways = [(f32, f32, u32); 2];

/// A straight line with the times along it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) line: Straight,
    /// The order that pieces come in: one street may be there several times, but for its order.
    pub(crate) order: (u32, u32),
    ways: Ways,
    /// Where a walk begins or ends inside of it, its further parts, each with the fraction of the line that it starts at.
    further: Vec<(f32, Ways)>,
}

impl Piece {
    /// A segment, with the ways over its parts, the first of which starts where it does; without any it is never reached.
    fn of(segment: &Segment, mut parts: impl Iterator<Item = (f32, Ways)>) -> Self {
        let ways = parts.next().map_or([(f32::INFINITY, f32::INFINITY, NONE); 2], |(_, ways)| ways);
        Self { line: segment.line, order: (segment.id.0.0, segment.id.1), ways, further: parts.collect() }
    }

    /// A straight line of a way in, which comes after all streets: from and to places that are so many seconds off.
    fn way_in(nth: usize, (from, to): (Point, Point), seconds: (f64, f64), label: u32) -> Self {
        let way = (seconds.0 as f32, seconds.1 as f32, label);
        Self { line: Straight::new(from, to), order: (NONE, nth as u32), ways: [way; 2], further: Vec::new() }
    }

    /// The time at a fraction of its length, and whose it is.
    pub(crate) fn time(&self, t: f32) -> (f32, u32) {
        let (mut ways, mut t) = (&self.ways, t);
        if !self.further.is_empty() {
            let part = self.further.partition_point(|(start, _)| *start < t);
            let mut start = 0.0;
            if part > 0 {
                (start, ways) = (self.further[part - 1].0, &self.further[part - 1].1);
            }
            let end = self.further.get(part).map_or(1.0, |(start, _)| *start);
            t = if end > start { (t - start) / (end - start) } else { 0.0 };
        }
        let [a, b] = ways.map(|way| (between(way, t), way.2));
        if b.0 < a.0 || (b.0 <= a.0 && b.1 < a.1) { b } else { a }
    }

    /// The earliest time on it.
    fn earliest(&self) -> f32 {
        let all = std::iter::once(&self.ways).chain(self.further.iter().map(|(_, ways)| ways));
        all.flatten().map(|(start, end, _)| start.min(*end)).fold(f32::INFINITY, f32::min)
    }
}

/// The time at a fraction of a piece. Against its direction a street leads nowhere but from its end.
fn between((start, end, _): (f32, f32, u32), t: f32) -> f32 {
    let later = end - start;
    if later.is_finite() {
        start + later * t
    } else if t <= 0.0 {
        start
    } else if t >= 1.0 {
        end
    } else {
        f32::INFINITY
    }
}

/// The reached streets of one walker, with the times along them.
pub(crate) struct Walked<'a> {
    pub(crate) weights: &'a Weights,
    /// The reached edges that points snap to, in order, each with the end of its parts.
    edges: Vec<(EdgeId, usize)>,
    parts: Vec<Part>,
    /// From the streets to what is walked to.
    pub(crate) ways_in: Vec<Piece>,
    /// The places walked to, each with the first of its ways in.
    pub(crate) centres: Vec<(Point, usize)>,
}

/// A part of an edge between places from which the time is known.
struct Part {
    start_m: f64,
    end_m: f64,
    /// The ways by its start and by its end, there.
    ways: [Way; 2],
    /// Seconds for each metre towards its start and towards its end.
    paces: [f64; 2],
}

impl Part {
    /// The ways over some metres of it.
    fn over(&self, from_m: f64, to_m: f64) -> Ways {
        let [by_start, by_end] = self.ways;
        let early = |m: f64| (by_start.0 + taken(m - self.start_m, self.paces[0])) as f32;
        let late = |m: f64| (by_end.0 + taken(self.end_m - m, self.paces[1])) as f32;
        [(early(from_m), early(to_m), by_start.1), (late(from_m), late(to_m), by_end.1)]
    }
}

/// The seconds that some metres take; none take none, also where nobody may walk.
fn taken(metres: f64, seconds_per_metre: f64) -> f64 {
    if metres > 0.0 { metres * seconds_per_metre } else { 0.0 }
}

impl<'a> Walked<'a> {
    /// The streets as far as a place with some doors is reached.
    pub(crate) fn to_place(
        search: &mut Search,
        (network, weights): (&Network, &'a Weights),
        (at, doors): (Point, &[Door]),
        longest: WalkTime,
    ) -> Self {
        let snaps: Vec<Snap> = doors.iter().map(|door| door.snap).collect();
        let anchors = anchors_of(&Reach::new(search, network, weights, &snaps, longest), weights);
        Self::new((network, weights), &anchors, &[(at, doors, 0)])
    }

    /// The streets as far as any of some places is reached, each with its doors and label: by the nearest.
    pub(crate) fn to_nearest(
        (network, weights): (&Network, &'a Weights),
        sources: &[(Point, &[Door], u32)],
        longest: WalkTime,
    ) -> Self {
        Self::new((network, weights), &anchors_around(network, weights, sources, longest), sources)
    }

    fn new((network, weights): (&Network, &'a Weights), anchors: &[Anchor], sources: &[(Point, &[Door], u32)]) -> Self {
        let (mut edges, mut parts) = (Vec::new(), Vec::with_capacity(anchors.len()));
        for anchors in anchors.chunk_by(|a, b| a.edge == b.edge) {
            let id = anchors[0].edge;
            if weights.is_snappable(id) {
                add_parts(weights, (id, network.edge(id)), anchors, &mut parts);
                edges.push((id, parts.len()));
            }
        }
        let (mut ways_in, mut centres) = (Vec::new(), Vec::new());
        for &(at, doors, label) in sources {
            centres.push((at, ways_in.len()));
            let mut add = |from: Point, to: Point, seconds: f64| {
                for (start, end) in cut(from, to) {
                    let [a, b] = [start, end].map(|t| if t < 1.0 { from + (to - from) * t } else { to });
                    ways_in.push(Piece::way_in(ways_in.len(), (a, b), (seconds * start, seconds * end), label));
                }
            };
            add(at, at, 0.0);
            for door in doors {
                // Whoever has come in by the door has arrived.
                add(at, door.at, 0.0);
                add(door.at, door.snap.at, weights.speed().walk(door.snap.offset_m - door.beyond_m).seconds());
            }
        }
        Self { weights, edges, parts, ways_in, centres }
    }

    /// The parts of an edge; none where it is not reached.
    fn parts(&self, edge: EdgeId) -> &[Part] {
        match self.edges.binary_search_by_key(&edge, |(edge, _)| *edge) {
            Ok(i) => &self.parts[if i > 0 { self.edges[i - 1].1 } else { 0 }..self.edges[i].1],
            Err(_) => &[],
        }
    }

    /// A segment with the times along it.
    pub(crate) fn piece(&self, segment: &Segment) -> Piece {
        let (from_m, to_m) = segment.metres;
        let ways = self.parts(segment.id.0).iter().filter_map(|part| {
            let (from, to) = (from_m.max(part.start_m), to_m.min(part.end_m));
            // A part that only touches a segment has no place on it, unless the segment is a place itself.
            let is_on_it = from < to || (from <= to && from_m >= to_m);
            let fraction = if to_m > from_m { (from - from_m) / (to_m - from_m) } else { 0.0 };
            is_on_it.then(|| (fraction as f32, part.over(from, to)))
        });
        Piece::of(segment, ways)
    }

    /// Adds boxes around all that is reached, and so far beyond.
    pub(crate) fn add_boxes(&self, network: &Network, longest: WalkTime, depth: f64, out: &mut Vec<[Point; 2]>) {
        let is_reached = |piece: &Piece| f64::from(piece.earliest()) <= longest.seconds();
        let (mut cutter, mut segments) = (Cutter::new(network), Vec::new());
        for (edge, _) in &self.edges {
            segments.clear();
            cutter.cut(*edge, &mut segments);
            let pieces = segments.iter().map(|segment| self.piece(segment));
            out.extend(pieces.filter(is_reached).map(|piece| piece.line.bounds(depth)));
        }
        out.extend(self.ways_in.iter().filter(|piece| is_reached(piece)).map(|piece| piece.line.bounds(depth)));
    }
}

/// Adds the parts of an edge, with the ways at either end.
fn add_parts(weights: &Weights, (id, edge): (EdgeId, &Edge), anchors: &[Anchor], out: &mut Vec<Part>) {
    let [back, forth] = [Direction::Backward, Direction::Forward].map(|walked| Pace::of(weights, (id, edge), walked));
    let length_m = edge.length_m;
    let first = out.len();
    let mut start_m = 0.0;
    let mut part = |end_m: f64| {
        out.push(Part { start_m, end_m, ways: [NEVER; 2], paces: [back.seconds_per_metre, forth.seconds_per_metre] });
        start_m = end_m;
    };
    let mut inner: Vec<f64> = anchors.iter().map(|anchor| anchor.at_m).filter(|&m| 0.0 < m && m < length_m).collect();
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
    for part in &mut out[first..] {
        way = earlier(way, way_at(part.start_m, &back));
        part.ways[0] = way;
        way.0 += taken(part.end_m - part.start_m, back.seconds_per_metre);
    }
    way = NEVER;
    for part in out[first..].iter_mut().rev() {
        way = earlier(way, way_at(part.end_m, &forth));
        part.ways[1] = way;
        way.0 += taken(part.end_m - part.start_m, forth.seconds_per_metre);
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
