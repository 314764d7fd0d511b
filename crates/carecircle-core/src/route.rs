//! A walk itself: by which streets it leads, to look at a verdict with one's own eyes.
//!
//! Found by the search, the doors and the times that verdicts rest on, in walking direction, and taken apart into legs:
//! their times are whole milliseconds that add up to that of the walk, as [`crate::matrix`] tells it.

use crate::geometry::Point;
use crate::isochrone::Source;
use crate::layout::PUBLIC;
use crate::network::{Edge, EdgeId, Network, Snap};
use crate::search::{Origin, Search, along_edge, beginnings, ends};
use crate::street::{Access, StreetClass};
use crate::study::Door;
use crate::time::WalkTime;
use crate::weights::{Direction, Way, Weights};

/// A walk is looked for within this time first; few are longer.
const FIRST_LOOK: WalkTime = WalkTime::from_millis(30 * 60_000);
/// Places of a walk this near each other, metres, are drawn as one.
const SAME_PLACE_M: f64 = 1e-6;

/// What a leg of a walk leads over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegKind {
    /// Between a place and the street, as the crow flies.
    OffStreet,
    /// A way of that class.
    Way(StreetClass),
    /// Straight across a square.
    Square,
    /// Through a gate that not everybody may pass.
    Gate,
    /// Nowhere: the time that a plain walk takes longer. A stroller that may not enter the nearest street meets another one
    /// off the network, and is taken to be no quicker for it.
    Allowance,
}

impl LegKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::OffStreet,
        Self::Way(StreetClass::Footway),
        Self::Way(StreetClass::Steps),
        Self::Way(StreetClass::Elevator),
        Self::Way(StreetClass::Street),
        Self::Way(StreetClass::Ferry),
        Self::Square,
        Self::Gate,
        Self::Allowance,
    ];

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::OffStreet => "off_street",
            Self::Way(class) => class.name(),
            Self::Square => "square",
            Self::Gate => "gate",
            Self::Allowance => "allowance",
        }
    }

    /// That of an edge.
    pub fn of(edge: &Edge) -> Self {
        match edge {
            edge if edge.gate().is_some() => Self::Gate,
            edge if edge.is_across() => Self::Square,
            edge => Self::Way(edge.class),
        }
    }
}

/// A part of a walk of one kind, along one way of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// What it leads over.
    pub kind: LegKind,
    /// The map's way, minus a relation's id for a square drawn as one; `None` off the streets and through gates.
    pub way: Option<i64>,
    /// The gate that it leads through, an index into [`Network::gates`].
    pub gate: Option<u32>,
    /// Whether the map has it for those alone who live or have business there.
    pub is_private: bool,
    /// Its length in metres.
    pub metres: f64,
    /// How long it takes, delays at its crossings included.
    pub time: WalkTime,
    /// The first and the last of the walk's places that it leads over.
    pub places: [usize; 2],
}

/// A walk from one place to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The places that it leads over, two or more, on the plan.
    pub line: Vec<Point>,
    /// Its legs in order. The first and the last lead between the places and the streets.
    pub legs: Vec<Leg>,
}

impl Route {
    /// How long it takes: the sum of its legs.
    pub fn time(&self) -> WalkTime {
        self.legs.iter().fold(WalkTime::ZERO, |sum, leg| sum + leg.time)
    }

    /// Its length in metres: the sum of its legs.
    pub fn metres(&self) -> f64 {
        self.legs.iter().map(|leg| leg.metres).sum()
    }

    /// Makes it take no less than `time`.
    pub(crate) fn slowed_to(mut self, time: WalkTime) -> Self {
        let lacking = time.millis().saturating_sub(self.time().millis());
        if lacking > 0 {
            let leg = Leg { time: WalkTime::from_millis(lacking), ..self.leg(LegKind::Allowance) };
            self.legs.push(leg);
        }
        self
    }

    /// A leg without length that begins where the walk has got to.
    fn leg(&self, kind: LegKind) -> Leg {
        let here = self.line.len().saturating_sub(1);
        let places = [here, here];
        Leg { kind, way: None, gate: None, is_private: false, metres: 0.0, time: WalkTime::ZERO, places }
    }

    fn go(&mut self, mut leg: Leg, over: impl IntoIterator<Item = Point>) {
        for at in over {
            let is_there = |last: &Point| (at.x - last.x).hypot(at.y - last.y) <= SAME_PLACE_M;
            if !self.line.last().is_some_and(is_there) {
                self.line.push(at);
            }
        }
        let end = self.line.len().saturating_sub(1);
        let kind = |leg: &Leg| (leg.kind, leg.way, leg.gate, leg.is_private);
        match self.legs.last_mut() {
            Some(last) if kind(last) == kind(&leg) => {
                last.metres += leg.metres;
                last.time = last.time + leg.time;
                last.places[1] = end;
            }
            _ => {
                leg.places[1] = end;
                self.legs.push(leg);
            }
        }
    }
}

/// The quickest walk from a place to another, as the matrix of walks has it; of equally quick ones the shortest. `None`
/// where no streets join them.
pub fn route(search: &mut Search, network: &Network, weights: &Weights, from: &Source, to: &Source) -> Option<Route> {
    let found = trace(search, network, weights, (from.at, &from.doors), (to.at, &to.doors))?;
    let Some(floor) = weights.floor() else { return Some(found) };
    let plain = trace(search, network, floor, (from.at, &from.plain_doors), (to.at, &to.plain_doors))?;
    Some(found.slowed_to(plain.time()))
}

/// The quickest walk between the doors of two places by these times alone.
pub(crate) fn trace(
    search: &mut Search,
    network: &Network,
    weights: &Weights,
    from: (Point, &[Door]),
    to: (Point, &[Door]),
) -> Option<Route> {
    let tracer = Tracer { network, weights, from, to };
    [FIRST_LOOK, WalkTime::NEVER].into_iter().find_map(|limit| tracer.quickest(search, limit))
}

struct Tracer<'a> {
    network: &'a Network,
    weights: &'a Weights,
    from: (Point, &'a [Door]),
    to: (Point, &'a [Door]),
}

/// A part of an edge that is walked, from some metres along it to others.
struct Piece {
    edge: EdgeId,
    from_m: f64,
    to_m: f64,
    time: WalkTime,
}

/// A walk between the streets at two doors.
struct Trace<'a> {
    start: &'a Door,
    end: &'a Door,
    pieces: Vec<Piece>,
}

impl Trace<'_> {
    fn metres(&self) -> f64 {
        let off_m = self.start.snap.offset_m + self.end.snap.offset_m;
        off_m + self.pieces.iter().map(|piece| (piece.to_m - piece.from_m).abs()).sum::<f64>()
    }
}

impl<'a> Tracer<'a> {
    fn quickest(&self, search: &mut Search, limit: WalkTime) -> Option<Route> {
        let Self { network, weights, from: (_, starts), to: (_, doors) } = *self;
        let snaps: Vec<Snap> = starts.iter().map(|door| door.snap).collect();
        search.run_ahead(network, weights, &snaps, limit);
        let layout = weights.layout_ahead(network);
        // By the state that they come in by, where the walk doesn't stay on one edge.
        let mut walks = Vec::new();
        for end in doors {
            for last in ends(network, weights, layout, &Origin { snap: end.snap, label: 0 }) {
                walks.push((search.time(last.state) + last.time(), end, None, Some(last)));
            }
            for start in starts.iter().filter(|start| start.snap.edge == end.snap.edge) {
                let off = [start, end].map(|door| weights.speed().walk(door.snap.offset_m));
                let time = along_edge(network, weights, &start.snap, &end.snap) + off[0] + off[1];
                walks.push((time, end, Some(start), None));
            }
        }
        let least = walks.iter().map(|walk| walk.0).min().filter(|&time| time <= limit && time != WalkTime::NEVER)?;
        let traced =
            walks.iter().filter(|walk| walk.0 == least).filter_map(|(_, end, start, last)| match (start, last) {
                (Some(start), _) => Some(self.straight(start, end)),
                (None, Some(last)) => self.back_from(search, end, last.state, last.at_m),
                (None, None) => None,
            });
        let shortest = traced.min_by(|a, b| a.metres().total_cmp(&b.metres()))?;
        Some(self.drawn(&shortest))
    }

    /// Along the edge that both doors are on.
    fn straight(&self, start: &'a Door, end: &'a Door) -> Trace<'a> {
        let time = along_edge(self.network, self.weights, &start.snap, &end.snap);
        let [from_m, to_m] = [start, end].map(|door| door.snap.along_m);
        Trace { start, end, pieces: vec![Piece { edge: start.snap.edge, from_m, to_m, time }] }
    }

    /// The way that the search came to the state which a walk ends by, from `at_m` along the edge of its door.
    fn back_from(&self, search: &Search, end: &'a Door, mut state: u32, at_m: f64) -> Option<Trace<'a>> {
        let Self { network, weights, .. } = *self;
        let mut pieces = vec![self.part(&end.snap, at_m, end.snap.along_m)];
        while let Some(before) = search.before(state) {
            let (edge, direction) = passed(network, weights, search, (before, state))?;
            let length_m = network.edge(edge).length_m;
            let [from_m, to_m] = if direction == Direction::Forward { [0.0, length_m] } else { [length_m, 0.0] };
            pieces.push(Piece { edge, from_m, to_m, time: weights.edge(edge, direction) });
            state = before;
        }
        let layout = weights.layout_ahead(network);
        let firsts = self.from.1.iter().flat_map(|start| {
            let firsts = beginnings(network, weights, layout, &start.snap);
            firsts.filter(|first| first.state == state && first.time() == search.time(state)).map(move |f| (start, f))
        });
        let (start, first) = firsts.min_by(|a, b| a.1.metres.total_cmp(&b.1.metres))?;
        pieces.push(self.part(&start.snap, start.snap.along_m, first.at_m));
        pieces.reverse();
        Some(Trace { start, end, pieces })
    }

    fn part(&self, snap: &Snap, from_m: f64, to_m: f64) -> Piece {
        let edge = self.network.edge(snap.edge);
        let [from_m, to_m] = [from_m, to_m].map(|m| m.min(edge.length_m));
        Piece { edge: snap.edge, from_m, to_m, time: self.weights.part((snap.edge, edge), from_m, to_m) }
    }

    fn drawn(&self, trace: &Trace) -> Route {
        let mut route = Route { line: Vec::new(), legs: Vec::new() };
        let off = |place: Point, door: &Door| {
            // Who enters at a door of the place itself is there.
            let place = if door.beyond_m > 0.0 { place } else { door.at };
            (self.weights.speed().walk(door.snap.offset_m), door.snap.offset_m, [place, door.at, door.snap.at])
        };
        let (time, metres, places) = off(self.from.0, trace.start);
        route.go(Leg { metres, time, ..route.leg(LegKind::OffStreet) }, places);
        for piece in &trace.pieces {
            let edge = self.network.edge(piece.edge);
            let metres = (piece.to_m - piece.from_m).abs();
            let gate = edge.gate();
            if metres <= 0.0 && piece.time == WalkTime::ZERO && gate.is_none() {
                continue;
            }
            let leg = Leg {
                way: gate.is_none().then(|| edge.way()),
                gate,
                is_private: edge.access != Access::Public,
                metres,
                time: piece.time,
                ..route.leg(LegKind::of(edge))
            };
            route.go(leg, stretch(self.network, piece));
        }
        let (time, metres, [place, door, street]) = off(self.to.0, trace.end);
        // A leg of its own, also where no street is between.
        let last = route.leg(LegKind::OffStreet);
        route.legs.push(last.clone());
        route.go(Leg { metres, time, ..last }, [street, door, place]);
        if let [only] = route.line[..] {
            route.line.push(only);
        }
        route
    }
}

/// The places of a part of an edge, in walking direction.
fn stretch(network: &Network, piece: &Piece) -> Vec<Point> {
    let bends = network.geometry(piece.edge);
    let [low, high] = [piece.from_m.min(piece.to_m), piece.from_m.max(piece.to_m)];
    let at = |m: f64| {
        let pairs = bends.clone().zip(bends.clone().skip(1));
        let around = pairs.filter(|((_, from_m), _)| *from_m <= m).last();
        around.map(|((from, from_m), (to, to_m))| {
            let share = if to_m > from_m { ((m - from_m) / (to_m - from_m)).clamp(0.0, 1.0) } else { 0.0 };
            from + (to - from) * share
        })
    };
    let inner = bends.clone().filter(|(_, along_m)| *along_m > low && *along_m < high).map(|(at, _)| at);
    let mut places: Vec<Point> = at(low).into_iter().chain(inner).chain(at(high)).collect();
    if piece.from_m > piece.to_m {
        places.reverse();
    }
    places
}

/// The edge that a traced search went by from a state to the next, and in which direction: of several that take the same
/// time the shortest.
pub(crate) fn passed(
    network: &Network,
    weights: &Weights,
    search: &Search,
    (before, state): (u32, u32),
) -> Option<(EdgeId, Direction)> {
    let layout = weights.layout_ahead(network);
    let (from, to) = (layout.node(before), layout.node(state));
    // A walk leaves a node on its public leg by public streets, and by no others.
    let way = if layout.leg(before) == PUBLIC { Way::Public } else { Way::Destination };
    let millis = search.time(state).millis() - search.time(before).millis();
    let edges = network.edges_at(from).iter().copied().filter(|&id| weights.way(id) == way);
    let directed = edges.flat_map(|id| [(id, Direction::Forward), (id, Direction::Backward)]);
    let is_it = |&(id, direction): &(EdgeId, Direction)| {
        let edge = network.edge(id);
        let ends = if direction == Direction::Forward { (edge.from, edge.to) } else { (edge.to, edge.from) };
        ends == (from, to) && weights.edge(id, direction).millis() == millis
    };
    directed.filter(is_it).min_by(|a, b| network.edge(a.0).length_m.total_cmp(&network.edge(b.0).length_m))
}
