//! The slow, obvious truth about walking times, to hold the product against.
//!
//! 1. [`Extract`] reads a `.osm.pbf` whole, or a test makes one by hand.
//! 2. Walkable ways and the lines across pedestrian areas become segments from node to node, as long as the geodesic on
//!    the WGS84 ellipsoid; each is public or private, which is to say that it may only be the first or the last leg.
//! 3. Facilities and demand points are snapped, and each snap becomes a place of its own: its segment is cut there.
//! 4. A petgraph graph has every place three times, once for each leg: on private streets, on public ones, and on private
//!    ones again. A segment joins its places within the legs that may use it, one edge for each direction that may be
//!    walked; from one leg to the next it takes no time.
//! 5. petgraph's Dijkstra does the rest.
//!
//! It shares no code with the product and must not: what both would get wrong, neither would show. It refuses to be
//! fast: the graph is built anew for each question.

mod areas;
mod extract;
mod footing;
mod nearest;
mod streets;

use crate::dice::Dice;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};

use nearest::{Grid, Hit, Plane, micrometres};
use streets::{Segment, Streets};

pub use extract::{Extract, Member, Node, Relation, Tags, Way};

/// Facilities whose times differ by no more than this many seconds are equally near.
const TIE_S: f64 = 0.001;

/// The numbers behind an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Walking speed in km/h, on the streets and off them.
    pub speed_kmh: f64,
    /// The greatest distance in metres between a point and the street that it snaps to.
    pub snap_m: f64,
    /// Nothing snaps to streets that hang together over less than this many metres in all.
    pub island_m: f64,
    /// What a lift takes, in seconds.
    pub lift_s: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { speed_kmh: 4.8, snap_m: 250.0, island_m: 1000.0, lift_s: 90.0 }
    }
}

impl Rules {
    fn metres_per_second(&self) -> f64 {
        self.speed_kmh / 3.6
    }
}

/// The walk from a demand point to the nearest facility.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Seconds, off-network legs at both ends included.
    pub seconds: f64,
    /// Index of the facility in the question; of several within a millisecond the smallest.
    pub facility: usize,
}

/// Where a point meets the streets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snap {
    /// The OSM way, or minus the relation.
    pub way: i64,
    /// The place of the segment's first node in the way's list of references; lines across an area come after it.
    pub segment: usize,
    /// Metres from the segment's first node.
    pub along_m: f64,
    /// Metres between the point and the street.
    pub offset_m: f64,
}

/// What the streets amount to, for a comparison at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Nodes that walkable ways use.
    pub nodes: usize,
    /// Segments, ferries and lines across areas included.
    pub segments: usize,
    /// Lines across areas.
    pub lines_across: usize,
    /// Metres of street, ferries excluded.
    pub street_m: f64,
    /// Metres of street on islands, where nothing snaps.
    pub island_m: f64,
    /// Metres of street that may only be the first or the last leg of a walk.
    pub private_m: f64,
}

/// Streets that answer walking times, slowly.
#[derive(Clone, Debug)]
pub struct Oracle {
    rules: Rules,
    streets: Streets,
    grid: Grid,
}

impl Oracle {
    /// Streets from a `.osm.pbf` file.
    pub fn read(path: impl AsRef<Path>, rules: Rules) -> osmpbf::Result<Self> {
        Ok(Self::new(&Extract::open(path)?, rules))
    }

    /// Streets from nodes, ways and relations in memory.
    pub fn new(extract: &Extract, rules: Rules) -> Self {
        let streets = Streets::new(extract, &rules);
        let grid = Grid::new(&streets);
        Self { rules, streets, grid }
    }

    /// How much street there is.
    pub fn extent(&self) -> Extent {
        let streets = self.streets.segments.iter().filter(|segment| !segment.ferry);
        let metres = |counts: fn(&Segment) -> bool| -> f64 {
            streets.clone().filter(|segment| counts(segment)).map(|segment| segment.length_m).sum()
        };
        Extent {
            nodes: self.streets.nodes,
            segments: self.streets.segments.len(),
            lines_across: streets.clone().filter(|segment| segment.across).count(),
            street_m: metres(|_| true),
            island_m: metres(|segment| !segment.snappable),
            private_m: metres(|segment| segment.private),
        }
    }

    /// Where a point, (lon, lat) in degrees, meets the streets; `None` when no street is within reach.
    pub fn snap(&self, point: (f64, f64)) -> Option<Snap> {
        self.hit(point).map(|hit| self.snap_of(hit))
    }

    /// The same as [`Oracle::snap`] by looking at every segment.
    pub fn snap_by_brute_force(&self, point: (f64, f64)) -> Option<Snap> {
        nearest::nearest_of_all(&self.streets, point, self.rules.snap_m).map(|hit| self.snap_of(hit))
    }

    /// The walk from each demand point to its nearest facility, points as (lon, lat) in degrees; `None` where a point
    /// does not snap or no route exists.
    ///
    /// One search from all facilities at once.
    pub fn seconds(&self, facilities: &[(f64, f64)], demand: &[(f64, f64)]) -> Vec<Option<Answer>> {
        let walks = Walks::new(self, facilities, demand);
        let times = walks.times_to(walks.all_facilities);
        let answer = |&start: &Option<(NodeIndex, f64)>| {
            let (node, off_s) = start?;
            let seconds = times[node.index()] + off_s;
            seconds.is_finite().then(|| Answer { seconds, facility: walks.first_of_equals(node, &times) })
        };
        walks.demand.iter().map(answer).collect()
    }

    /// The same as [`Oracle::seconds`] by one search for each facility.
    pub fn seconds_one_by_one(&self, facilities: &[(f64, f64)], demand: &[(f64, f64)]) -> Vec<Option<Answer>> {
        let table = self.table(facilities, demand);
        let answer = |number: usize| {
            let times: Vec<f64> = table.iter().map(|row| row[number].unwrap_or(f64::INFINITY)).collect();
            let seconds = times.iter().copied().fold(f64::INFINITY, f64::min);
            let facility = times.iter().position(|&time| time <= seconds + TIE_S)?;
            seconds.is_finite().then_some(Answer { seconds, facility })
        };
        (0..demand.len()).map(answer).collect()
    }

    /// Seconds on foot for every pair: a row for each facility, in it a cell for each demand point.
    pub fn table(&self, facilities: &[(f64, f64)], demand: &[(f64, f64)]) -> Vec<Vec<Option<f64>>> {
        let walks = Walks::new(self, facilities, demand);
        let row = |&facility: &NodeIndex| {
            let times = walks.times_to(facility);
            let cell = |&start: &Option<(NodeIndex, f64)>| {
                let (node, off_s) = start?;
                Some(times[node.index()] + off_s).filter(|seconds| seconds.is_finite())
            };
            walks.demand.iter().map(cell).collect()
        };
        walks.facilities.iter().map(row).collect()
    }

    /// `count` seeded points, (lon, lat) in degrees, each within 80 m of a street, islands among them; none when there
    /// are no streets. The streets are drawn segment by segment, so that detailed places get more.
    pub fn random_points_near(&self, count: usize, seed: u64) -> Vec<(f64, f64)> {
        const GREATEST_OFFSET_M: f64 = 80.0;
        let streets: Vec<_> =
            self.streets.segments.iter().filter(|segment| !segment.ferry && !segment.across).collect();
        if streets.is_empty() {
            return Vec::new();
        }
        let mut dice = Dice(seed);
        let mut fraction = || dice.fraction();
        let mut point = || {
            let segment = streets[(fraction() * streets.len() as f64) as usize];
            let plane = Plane::at(self.streets.places[segment.from]);
            let (east_m, north_m) = plane.metres(self.streets.places[segment.to]);
            let (along, offset_m) = (fraction(), GREATEST_OFFSET_M * fraction());
            let (sin, cos) = (std::f64::consts::TAU * fraction()).sin_cos();
            plane.degrees((along * east_m + offset_m * cos, along * north_m + offset_m * sin))
        };
        (0..count).map(|_| point()).collect()
    }

    fn hit(&self, point: (f64, f64)) -> Option<Hit> {
        self.grid.nearest(&self.streets, point, self.rules.snap_m)
    }

    fn snap_of(&self, hit: Hit) -> Snap {
        let segment = &self.streets.segments[hit.segment];
        Snap { way: segment.way, segment: segment.index, along_m: hit.along_m, offset_m: hit.offset_m }
    }
}

/// The three legs of a walk, any of which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    FirstPrivate,
    Public,
    LastPrivate,
}

impl Leg {
    const ALL: [Self; 3] = [Self::FirstPrivate, Self::Public, Self::LastPrivate];

    /// Whether a street belongs to this leg.
    fn uses(self, private: bool) -> bool {
        private == (self != Self::Public)
    }

    /// The node of a place on this leg.
    fn node(self, place: usize) -> NodeIndex {
        NodeIndex::new(Self::ALL.len() * place + self as usize)
    }
}

/// The streets with every snap of one question as a place, edges in walking direction, weights in seconds.
struct Walks {
    graph: DiGraph<(), f64>,
    /// One node each, reached from its snap by the off-network leg; consecutive, so that a node tells its facility.
    facilities: Vec<NodeIndex>,
    /// Behind all facilities, at no cost: the goal of a walk to whichever is nearest.
    all_facilities: NodeIndex,
    /// The node of each demand point's snap, and the seconds to get there.
    demand: Vec<Option<(NodeIndex, f64)>>,
}

impl Walks {
    fn new(oracle: &Oracle, facilities: &[(f64, f64)], demand: &[(f64, f64)]) -> Self {
        let streets = &oracle.streets;
        let mut cuts = Cuts::new();
        // Whoever begins or ends on a private street begins with the first leg, or ends with the last.
        let mut enter = |point: &(f64, f64), on_private: Leg| {
            let hit = oracle.hit(*point)?;
            let leg = if streets.segments[hit.segment].private { on_private } else { Leg::Public };
            Some((leg.node(cut_at(&mut cuts, streets, hit)), hit.offset_m / oracle.rules.metres_per_second()))
        };
        let doors: Vec<_> = facilities.iter().map(|point| enter(point, Leg::LastPrivate)).collect();
        let demand = demand.iter().map(|point| enter(point, Leg::FirstPrivate)).collect();

        let mut graph = DiGraph::new();
        for place in 0..streets.places.len() + cuts.len() {
            for _ in Leg::ALL {
                graph.add_node(());
            }
            graph.add_edge(Leg::FirstPrivate.node(place), Leg::Public.node(place), 0.0);
            graph.add_edge(Leg::Public.node(place), Leg::LastPrivate.node(place), 0.0);
        }
        let mut join = |from: usize, to: usize, seconds: f64, private: bool| {
            for leg in Leg::ALL.into_iter().filter(|leg| leg.uses(private)) {
                graph.add_edge(leg.node(from), leg.node(to), seconds);
            }
        };
        for link in &streets.links {
            join(link.end, link.middle, link.seconds, link.private);
            join(link.middle, link.end, link.seconds, link.private);
        }
        for (number, segment) in streets.segments.iter().enumerate() {
            let seconds_per_m = if segment.length_m > 0.0 { segment.seconds / segment.length_m } else { 0.0 };
            let mut walk = |from: usize, to: usize, seconds: f64| {
                if segment.forward {
                    join(from, to, seconds, segment.private);
                }
                if segment.backward {
                    join(to, from, seconds, segment.private);
                }
            };
            let (mut place, mut along_m) = (segment.from, 0.0);
            let mut rest_s = segment.seconds;
            for &(cut, cut_m) in cuts.range((number, i64::MIN)..=(number, i64::MAX)).map(|(_, cut)| cut) {
                let seconds = (cut_m - along_m) * seconds_per_m;
                walk(place, cut, seconds);
                (place, along_m) = (cut, cut_m);
                rest_s -= seconds;
            }
            walk(place, segment.to, rest_s.max(0.0));
        }

        let facilities: Vec<NodeIndex> = doors.iter().map(|_| graph.add_node(())).collect();
        let all_facilities = graph.add_node(());
        for (&facility, door) in facilities.iter().zip(doors) {
            graph.add_edge(facility, all_facilities, 0.0);
            if let Some((node, off_s)) = door {
                graph.add_edge(node, facility, off_s);
            }
        }
        Self { graph, facilities, all_facilities, demand }
    }

    /// Seconds from every node to the goal, infinite without a route.
    fn times_to(&self, goal: NodeIndex) -> Vec<f64> {
        let times = dijkstra(Reversed(&self.graph), goal, None, |edge| *edge.weight());
        self.graph.node_indices().map(|node| times.get(&node).copied().unwrap_or(f64::INFINITY)).collect()
    }

    /// The first facility that a walker from `start` can reach within a millisecond of the best time, where `times` are
    /// those to the nearest facility: follows every path that wastes less than that.
    fn first_of_equals(&self, start: NodeIndex, times: &[f64]) -> usize {
        // How much of the millisecond was left when a node was last entered.
        let mut spare_at = HashMap::from([(start, TIE_S)]);
        let mut ahead = vec![(start, TIE_S)];
        let mut first = usize::MAX;
        while let Some((node, spare_s)) = ahead.pop() {
            if let Some(facility) = node.index().checked_sub(self.facilities[0].index()) {
                first = first.min(facility);
                continue;
            }
            for edge in self.graph.edges(node) {
                let wasted_s = edge.weight() + times[edge.target().index()] - times[node.index()];
                let left_s = spare_s - wasted_s;
                // Nothing new on a node that was left with as much time, bar the noise of adding up.
                let known = spare_at.get(&edge.target()).is_some_and(|&known_s| left_s <= known_s + 1e-9);
                if left_s >= 0.0 && !known {
                    spare_at.insert(edge.target(), left_s);
                    ahead.push((edge.target(), left_s));
                }
            }
        }
        first
    }
}

/// Places inside segments, by segment and micrometres, each with its metres along; numbered on from those of the streets.
type Cuts = BTreeMap<(usize, i64), (usize, f64)>;

/// The place where a segment was hit: the segment's end when it was hit there, else one of its own.
fn cut_at(cuts: &mut Cuts, streets: &Streets, hit: Hit) -> usize {
    let segment = &streets.segments[hit.segment];
    let along = micrometres(hit.along_m);
    if along == 0 {
        segment.from
    } else if along >= micrometres(segment.length_m) {
        segment.to
    } else {
        let next = streets.places.len() + cuts.len();
        cuts.entry((hit.segment, along)).or_insert((next, hit.along_m)).0
    }
}

#[cfg(test)]
mod tests;
