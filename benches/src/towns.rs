//! Towns made up for measuring: as large as one likes, and the same every time.
//!
//! A jittered grid of streets some of which are missing, with dead ends off it, bends, one-ways, private ways and gates. Like
//! Porto's network it has about 1.4 edges for each node, and dead ends for a fifth of its nodes. Neighbours in the file are no neighbours in town.

use carecircle_core::geometry::LonLat;
use carecircle_core::network::{EdgeId, Network, NodeId, Snap};
use carecircle_core::search::Origin;
use carecircle_core::street::{Access, Barrier, Ground, StreetClass, StreetWay, Streets};
use carecircle_core::weights::{Way, Weights};

/// Metres between junctions.
const SPACING_M: f64 = 60.0;
/// Metres that a junction lies off the grid, at most.
const JITTER_M: f64 = 15.0;
/// The share of the grid's segments that are streets.
const KEPT: f64 = 0.74;
/// The share of junctions that a dead end starts from.
const DEAD_ENDS: f64 = 0.2;
/// The share of junctions at which a street that goes on is another way.
const CUTS: f64 = 0.3;
/// The share of ways that are one-way or private, each, and of bends with a gate.
const RARE: f64 = 0.01;
/// Nodes of the network for each junction of the grid: dead ends add some, bends without a crossing are none.
const NODES_PER_JUNCTION: f64 = 1.185;
/// Where the middle of town is, and how many steps of degrees make a metre there.
const CENTRE: LonLat = LonLat { lon_e7: 76_800_000, lat_e7: 450_700_000 };
const STEPS_PER_M: [f64; 2] = [127.0, 90.0];

/// Streets whose network has so many nodes, within a percent or two.
///
/// # Panics
/// With more nodes than 32 bits number.
pub fn town(nodes: usize) -> Streets {
    Town { side: (nodes as f64 / NODES_PER_JUNCTION).sqrt().ceil() as u32 }.streets()
}

/// As many facilities as Porto has for its nodes: 100 for 63,000.
pub fn usual_count(network: &Network) -> usize {
    (network.node_count() * 100).div_ceil(63_000)
}

/// Facilities somewhere along public streets, drawn evenly over these; each one's label is its position.
pub fn facilities(network: &Network, count: usize, seed: u64) -> Vec<Origin> {
    let mut dice = Dice(seed);
    let edges = network.edges();
    let mut draw = || loop {
        let edge = EdgeId(dice.below(edges.len()) as u32);
        if is_public(network, edge) {
            return along(network, edge, network.edge(edge).length_m * dice.fraction());
        }
    };
    (0..count as u32).map(|label| Origin { snap: draw(), label }).collect()
}

/// Nodes on public streets, drawn evenly; none twice.
///
/// # Panics
/// When there are not so many.
pub fn scattered(network: &Network, weights: &Weights, count: usize, seed: u64) -> Vec<NodeId> {
    let mut dice = Dice(seed);
    let mut all: Vec<NodeId> = public_nodes(network, weights).collect();
    assert!(count <= all.len(), "{count} nodes of {}", all.len());
    for i in 0..count {
        let other = i + dice.below(all.len() - i);
        all.swap(i, other);
    }
    all.truncate(count);
    all
}

/// Every third of the nodes on public streets around one of them, in order; all of them where `count` is enough.
pub fn every_third(network: &Network, weights: &Weights, count: usize, seed: u64) -> Vec<NodeId> {
    let centre =
        scattered(network, weights, 1, seed).first().map_or_else(Default::default, |&node| network.node_at(node));
    let mut all: Vec<NodeId> = public_nodes(network, weights).collect();
    if count * 3 < all.len() {
        let square = |&node: &NodeId| {
            let off = network.node_at(node) - centre;
            off.x * off.x + off.y * off.y
        };
        all.select_nth_unstable_by(count * 3, |a, b| square(a).total_cmp(&square(b)).then(a.cmp(b)));
        all.truncate(count * 3);
        all.sort_unstable();
    }
    all.into_iter().step_by(3).take(count).collect()
}

/// Where a place that is a node meets the network: at the end of a public street there, `None` where there is none.
pub fn at_node(network: &Network, weights: &Weights, node: NodeId) -> Option<Snap> {
    let is_public = |edge: &EdgeId| weights.way(*edge) == Way::Public && weights.is_snappable(*edge);
    let edge = network.edges_at(node).iter().copied().find(is_public)?;
    let along_m = if network.edge(edge).from == node { 0.0 } else { network.edge(edge).length_m };
    Some(Snap { edge, along_m, offset_m: 0.0, at: network.node_at(node) })
}

fn public_nodes(network: &Network, weights: &Weights) -> impl Iterator<Item = NodeId> {
    (0..network.node_count() as u32).map(NodeId).filter(|&node| at_node(network, weights, node).is_some())
}

fn is_public(network: &Network, edge: EdgeId) -> bool {
    let edge = network.edge(edge);
    edge.is_street() && edge.access == Access::Public && !edge.is_across()
}

/// The place so many metres along an edge.
fn along(network: &Network, edge: EdgeId, along_m: f64) -> Snap {
    let mut bends = network.geometry(edge);
    let (mut at, mut start_m) = bends.next().unwrap_or_default();
    for (bend, end_m) in bends {
        if end_m >= along_m && end_m > start_m {
            at = at + (bend - at) * ((along_m - start_m) / (end_m - start_m));
            break;
        }
        (at, start_m) = (bend, end_m);
    }
    Snap { edge, along_m, offset_m: 0.0, at }
}

/// A way before it has places: where it starts, where it leads, and how many junctions farther it ends.
#[derive(Clone, Copy)]
struct Stroke {
    start: u32,
    course: Course,
    segments: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    East,
    North,
    /// Off the grid, to nowhere.
    Off,
}

/// A grid of junctions, row by row.
struct Town {
    side: u32,
}

impl Town {
    fn streets(&self) -> Streets {
        let strokes = self.strokes();
        let segments: usize = strokes.iter().map(|stroke| usize::from(stroke.segments)).sum();
        let mut drawn = Drawn {
            town: self,
            point_of: vec![u32::MAX; (self.side * self.side) as usize],
            out: Streets {
                points: Vec::with_capacity(segments * 2),
                refs: Vec::with_capacity(segments * 2 + strokes.len()),
                ways: Vec::with_capacity(strokes.len()),
                ..Streets::default()
            },
        };
        for (id, stroke) in (1..).zip(strokes) {
            drawn.draw(id, stroke);
        }
        drawn.out
    }

    /// All ways, in an order that has nothing to do with where they are.
    fn strokes(&self) -> Vec<Stroke> {
        let mut out = Vec::with_capacity((self.side * self.side) as usize);
        for course in [Course::East, Course::North] {
            for line in 0..self.side {
                let junction = |i: u32| match course {
                    Course::East => line * self.side + i,
                    _ => i * self.side + line,
                };
                let mut open: Option<Stroke> = None;
                for i in 0..self.side - 1 {
                    let here = junction(i);
                    let mut chance = Dice::of(here, 1 + course as u64);
                    let (kept, cut) = (chance.falls(KEPT), chance.falls(CUTS));
                    if !kept || cut {
                        out.extend(open.take());
                    }
                    if kept {
                        open.get_or_insert(Stroke { start: here, course, segments: 0 }).segments += 1;
                    }
                }
                out.extend(open);
            }
        }
        let dead_end = |&start: &u32| Dice::of(start, 3).falls(DEAD_ENDS);
        let off = |start| Stroke { start, course: Course::Off, segments: 1 };
        out.extend((0..self.side * self.side).filter(dead_end).map(off));
        let mut dice = Dice(4);
        for i in (1..out.len()).rev() {
            out.swap(i, dice.below(i + 1));
        }
        out
    }

    /// Metres east and north of the south-western corner.
    fn place(&self, junction: u32) -> [f64; 2] {
        let mut dice = Dice::of(junction, 5);
        [junction % self.side, junction / self.side].map(|i| f64::from(i) * SPACING_M + dice.about(JITTER_M))
    }

    fn degrees(&self, place: [f64; 2]) -> LonLat {
        let half_m = f64::from(self.side) * SPACING_M / 2.0;
        let steps = |axis: usize| ((place[axis] - half_m) * STEPS_PER_M[axis]).round() as i32;
        LonLat { lon_e7: CENTRE.lon_e7 + steps(0), lat_e7: CENTRE.lat_e7 + steps(1) }
    }
}

/// Streets as far as they are drawn.
struct Drawn<'a> {
    town: &'a Town,
    point_of: Vec<u32>,
    out: Streets,
}

impl Drawn<'_> {
    fn draw(&mut self, id: i64, stroke: Stroke) {
        let mut dice = Dice::of(id as u32, 6);
        let start = self.out.refs.len() as u32;
        let (mut junction, mut here) = (stroke.start, self.town.place(stroke.start));
        self.pass(junction, here);
        for _ in 0..stroke.segments {
            let next = match stroke.course {
                Course::East => Some(junction + 1),
                Course::North => Some(junction + self.town.side),
                Course::Off => None,
            };
            let there = match next {
                Some(next) => self.town.place(next),
                None => here.map(|metres| metres + 25.0 + dice.about(10.0)),
            };
            let bends = dice.below(3) as u32;
            for bend in 1..=bends {
                let t = f64::from(bend) / f64::from(bends + 1);
                self.add([0, 1].map(|axis| here[axis] + (there[axis] - here[axis]) * t + dice.about(5.0)));
                if bend == 1 && dice.falls(RARE) {
                    self.set_gate();
                }
            }
            match next {
                Some(next) => self.pass(next, there),
                None => self.add(there),
            }
            (junction, here) = (next.unwrap_or(junction), there);
        }
        let refs = start..self.out.refs.len() as u32;
        let class = match dice.below(100) {
            0 => StreetClass::Steps,
            1..20 => StreetClass::Footway,
            _ => StreetClass::Street,
        };
        let access = if dice.falls(RARE) { Access::Destination } else { Access::Public };
        let (forward, backward) = (true, !dice.falls(RARE));
        self.out.ways.push(StreetWay {
            id,
            refs,
            class,
            access,
            forward,
            backward,
            duration_s: None,
            ground: Ground::default(),
        });
    }

    /// Leads the way over a junction.
    fn pass(&mut self, junction: u32, place: [f64; 2]) {
        match self.point_of[junction as usize] {
            u32::MAX => {
                self.point_of[junction as usize] = self.out.points.len() as u32;
                self.add(place);
            }
            known => self.out.refs.push(known),
        }
    }

    /// Leads the way over a place of its own.
    fn add(&mut self, place: [f64; 2]) {
        self.out.refs.push(self.out.points.len() as u32);
        self.out.points.push(self.town.degrees(place));
    }

    /// Sets a gate at the place that was added last.
    fn set_gate(&mut self) {
        let point = self.out.points.len() as u32 - 1;
        let node = i64::from(point) + 1;
        self.out.barriers.push(Barrier { point, node, access: Access::Destination, gate: true });
    }
}

/// Chance that falls the same way each time: Steele, Lea and Flood's splitmix64.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Chance of one thing's own, for one purpose.
    fn of(thing: u32, purpose: u64) -> Self {
        let mut dice = Self(u64::from(thing) << 8 | purpose);
        Self(dice.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn falls(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// From minus to plus so much.
    fn about(&mut self, most: f64) -> f64 {
        (self.fraction() * 2.0 - 1.0) * most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::network::NetworkOptions;
    use carecircle_core::profile::Profile;

    #[test]
    fn a_town_is_as_large_as_asked_and_like_a_city() {
        let streets = town(20_000);
        assert_eq!(streets, town(20_000));
        let (network, report) = Network::build(&streets, NetworkOptions::default());
        let per_node = report.edges as f64 / report.nodes as f64;
        assert!((19_600..20_400).contains(&report.nodes), "{} nodes", report.nodes);
        assert!((1.35..1.7).contains(&per_node), "{per_node} edges for each node");
        assert!(
            report.gates > 0 && network.edges().iter().any(|e| e.access == Access::Destination && e.gate().is_none())
        );
        assert!(network.edges().iter().any(|e| !e.backward));
    }

    #[test]
    fn places_drawn_lie_on_public_streets() {
        let (network, _) = Network::build(&town(5_000), NetworkOptions::default());
        let weights = network.weigh(&Profile::walk());
        for origin in facilities(&network, 50, 1) {
            let snap = network.snap(origin.snap.at, 1.0).expect("a street");
            assert!(is_public(&network, origin.snap.edge) && snap.offset_m < 1e-3, "{origin:?}");
        }
        let nodes = scattered(&network, &weights, 500, 2);
        assert!(
            nodes.iter().all(|&n| at_node(&network, &weights, n).is_some_and(|snap| snap.at == network.node_at(n)))
        );
        let mut once = nodes.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), nodes.len());
        let dense = every_third(&network, &weights, 100, 2);
        assert!(dense.len() == 100 && dense.is_sorted());
    }
}
