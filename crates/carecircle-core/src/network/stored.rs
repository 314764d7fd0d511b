//! A network taken apart, so that it can be kept in a file, and put together again.
//!
//! What is large are arrays, kept as they lie in memory; what is small is a [`Frame`]. Whoever brings them back may have
//! been given anything: nothing is taken that could lead a search or a snap astray.

use super::tree::EdgeTree;
use super::{Edge, EdgeId, Gate, Kind, Network, NetworkOptions, Vertex, bounds_of, point, vertices_of};
use crate::array::{Array, Part, Plain};
use crate::geometry::{LonLat, Point, Projection};
use crate::time::WalkTime;
use crate::weights::Classes;
use rayon::prelude::*;
use std::sync::Arc;

/// The arrays of a network, by name, in the order in which they are kept.
pub const ARRAYS: [&str; 11] = [
    "nodes",
    "edges",
    "vertices",
    "first edges at nodes",
    "edges at nodes",
    "boxes of edges",
    "edges in boxes",
    "ways",
    "snappable edges",
    "ranked ways",
    "ranks of ways",
];

/// What a network holds besides arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Where the plan's origin lies.
    pub centre: LonLat,
    /// What decided which streets are part of it.
    pub options: NetworkOptions,
    /// The times of edges where they don't depend on walking.
    pub fixed: Vec<(EdgeId, WalkTime)>,
    /// Gates that not everybody may pass.
    pub gates: Vec<Gate>,
    /// Places on streets where nobody passes.
    pub walls: Vec<Point>,
}

impl Network {
    /// What it holds besides arrays.
    pub fn frame(&self) -> Frame {
        Frame {
            centre: self.projection.centre(),
            options: self.options,
            fixed: self.fixed.iter().map(|(&edge, &time)| (edge, time)).collect(),
            gates: self.gates.clone(),
            walls: self.walls.clone(),
        }
    }

    /// Its [`ARRAYS`] as bytes.
    pub fn arrays(&self) -> [&[u8]; ARRAYS.len()] {
        let (boxes, edges) = self.tree.arrays();
        let (ways, snappable) = self.classes.arrays();
        [
            self.nodes.bytes(),
            self.edges.bytes(),
            self.vertices.bytes(),
            self.first_at_node.bytes(),
            self.at_nodes.bytes(),
            boxes.bytes(),
            edges.bytes(),
            ways.bytes(),
            snappable.bytes(),
            self.ranked_ways.bytes(),
            self.ranks.bytes(),
        ]
    }

    /// Puts a network together again.
    ///
    /// # Errors
    /// What is wrong with one of the [`ARRAYS`], or with the frame, so that they are of no network.
    pub fn of_arrays(frame: Frame, arrays: &[Part; ARRAYS.len()]) -> Result<Self, String> {
        fn read<T: Plain>(arrays: &[Part; ARRAYS.len()], i: usize) -> Result<Array<T>, String> {
            Array::of(&arrays[i]).ok_or_else(|| format!("{} hold bytes that mean nothing", ARRAYS[i]))
        }
        let Frame { centre, options, fixed, gates, walls } = frame;
        let (nodes, edges, vertices) = (read(arrays, 0)?, read::<Edge>(arrays, 1)?, read(arrays, 2)?);
        let (first_at_node, at_nodes) = (read(arrays, 3)?, read(arrays, 4)?);
        let tree = EdgeTree::of_arrays(read(arrays, 5)?, read(arrays, 6)?, edges.len());
        let (ways, snappable) = (read(arrays, 7)?, read(arrays, 8)?);
        if ways.len() != edges.len() || snappable.len() != edges.len() {
            return Err("ways are not as many as edges".to_owned());
        }
        let (ranked_ways, ranks) = (read::<i64>(arrays, 9)?, read(arrays, 10)?);
        if ranked_ways.len() != ranks.len() {
            return Err("ranks are not as many as their ways".to_owned());
        }
        if !fixed.iter().all(|(edge, _)| edge.index() < edges.len()) {
            return Err("an edge that isn't there takes a fixed time".to_owned());
        }
        check_edges(&edges, &nodes, &vertices, gates.len())?;
        check_ends(&edges, nodes.len(), &first_at_node, &at_nodes)?;
        Ok(Self {
            projection: Projection::new(centre),
            bounds: bounds_of(&vertices),
            nodes,
            edges,
            vertices,
            fixed: fixed.into_iter().collect(),
            first_at_node,
            at_nodes,
            tree: tree.ok_or("the boxes around edges are not as many as they should be")?,
            gates,
            walls,
            ranked_ways,
            ranks,
            classes: Arc::new(Classes::of_arrays(ways, snappable)),
            options,
        })
    }
}

/// How far from the centre anything may lie on a plan, metres: several times what the far side of the earth does.
pub(crate) const FARTHEST_M: f64 = 1e9;

/// Whether something may lie there on a plan.
pub(crate) fn is_place(at: Point) -> bool {
    at.x.abs() <= FARTHEST_M && at.y.abs() <= FARTHEST_M
}

/// Whether edges lead from node to node along places of their own, the first at no metres and the last at their length.
fn check_edges(edges: &[Edge], nodes: &[[f64; 2]], vertices: &[Vertex], gates: usize) -> Result<(), String> {
    if !nodes.par_iter().all(|&at| is_place(point(at))) || !vertices.par_iter().all(|vertex| is_place(vertex.at())) {
        return Err("a place lies beyond the earth".to_owned());
    }
    if edges.first().is_some_and(|first| first.first_vertex != 0) || edges.is_empty() != vertices.is_empty() {
        return Err("places belong to no edge".to_owned());
    }
    let ends_in_order = |i: usize| {
        let end = edges.get(i + 1).map_or(vertices.len(), |next| next.first_vertex as usize);
        end <= vertices.len() && edges[i].first_vertex as usize + 2 <= end
    };
    let is_sound = |i: usize| {
        let edge = &edges[i];
        let leads = [edge.from, edge.to].iter().all(|node| node.index() < nodes.len());
        let gate = edge.kind != Kind::Gate || usize::try_from(edge.source).is_ok_and(|gate| gate < gates);
        let along = vertices_of(edges, vertices, i);
        let ascends = along.is_sorted_by(|a, b| a.along_m <= b.along_m);
        let ends = along.first().zip(along.last());
        let is_measured = edge.length_m.is_finite()
            && ends.is_some_and(|(first, last)| first.along_m == 0.0 && last.along_m.total_cmp(&edge.length_m).is_eq());
        leads && gate && ascends && is_measured
    };
    // One edge's places begin where those of the one before end: first that, then all else.
    let all = || (0..edges.len()).into_par_iter();
    let are_sound = all().all(ends_in_order) && all().all(is_sound);
    if are_sound { Ok(()) } else { Err("an edge leads nowhere, or not along its places".to_owned()) }
}

/// Whether the edges at every node are those that start or end there, by id.
fn check_ends(edges: &[Edge], nodes: usize, first: &[u32], at_nodes: &[EdgeId]) -> Result<(), String> {
    let is_whole = first.len() == nodes + 1
        && first.first() == Some(&0)
        && first.last().is_some_and(|last| *last as usize == at_nodes.len())
        && first.is_sorted();
    let own = |span: &[u32]| {
        let here = &at_nodes[span[0] as usize..span[1] as usize];
        here.is_sorted_by(|a, b| a < b)
    };
    let touches = |(node, span): (usize, &[u32])| {
        at_nodes[span[0] as usize..span[1] as usize]
            .iter()
            .all(|id| edges.get(id.index()).is_some_and(|edge| edge.from.index() == node || edge.to.index() == node))
    };
    let ends = || edges.par_iter().map(|edge| if edge.from == edge.to { 1 } else { 2 }).sum::<usize>();
    let is_sound = is_whole
        && first.par_windows(2).all(own)
        && first.par_windows(2).enumerate().all(touches)
        && ends() == at_nodes.len();
    if is_sound { Ok(()) } else { Err("the edges at a node are not those that end there".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Region;
    use crate::street::{Access, Barrier, Ground, Rank, StreetClass, StreetWay, Streets};

    /// A ladder of streets with a gate on one rung and a ferry beside it.
    fn network() -> Network {
        let place = |i: u32| LonLat {
            lon_e7: 288_000_000 + (i as i32 % 2) * 20_000,
            lat_e7: 470_000_000 + (i as i32 / 2) * 10_000,
        };
        let ranks = vec![(1, Rank::Primary)];
        let mut streets = Streets { points: (0..40).map(place).collect(), ranks, ..Streets::default() };
        let mut way = |id: i64, places: &[u32], class: StreetClass| {
            let start = streets.refs.len() as u32;
            streets.refs.extend(places);
            let duration_s = (class == StreetClass::Ferry).then_some(600.0);
            let refs = start..streets.refs.len() as u32;
            let (access, ground) = (Access::Public, Ground::default());
            streets.ways.push(StreetWay { id, refs, class, access, forward: true, backward: true, duration_s, ground });
        };
        way(1, &(0..20).map(|i| 2 * i).collect::<Vec<_>>(), StreetClass::Street);
        way(2, &(0..20).map(|i| 2 * i + 1).collect::<Vec<_>>(), StreetClass::Footway);
        for rung in [0_u32, 7, 12, 19] {
            way(10 + i64::from(rung), &[2 * rung, 2 * rung + 1], StreetClass::Footway);
        }
        way(99, &[2, 35], StreetClass::Ferry);
        streets.barriers.push(Barrier { point: 15, node: 5, access: Access::Destination, gate: true });
        Network::build(&streets, NetworkOptions::default()).0
    }

    /// Each array alone in a region; allocators align what is as long as a number.
    fn parts(of: &[Vec<u8>]) -> [Part; ARRAYS.len()] {
        std::array::from_fn(|i| {
            let region: Region = Arc::new(of[i].clone());
            Part { region, range: 0..of[i].len() }
        })
    }

    fn taken_apart(network: &Network) -> Vec<Vec<u8>> {
        network.arrays().iter().map(|bytes| bytes.to_vec()).collect()
    }

    #[test]
    fn a_network_taken_apart_is_put_together_again() {
        let network = network();
        assert!(!network.gates().is_empty() && !network.frame().fixed.is_empty());
        let again = Network::of_arrays(network.frame(), &parts(&taken_apart(&network))).unwrap();
        assert_eq!(again.frame(), network.frame());
        assert_eq!(again.arrays(), network.arrays());
        assert_eq!(again.bounds(), network.bounds());
        let ranks =
            |network: &Network| (0..network.edges().len()).map(|i| network.rank(EdgeId(i as u32))).collect::<Vec<_>>();
        assert!(ranks(&network).contains(&Rank::Primary));
        assert_eq!(ranks(&again), ranks(&network));
        let at = network.node_at(super::super::NodeId(3)) + Point { x: 3.0, y: -7.0 };
        assert!(network.snap(at, 100.0).is_some());
        assert_eq!(again.snap(at, 100.0), network.snap(at, 100.0));
    }

    #[test]
    fn whatever_is_changed_of_it_nothing_panics() {
        let network = network();
        let arrays = taken_apart(&network);
        let mut refused = 0;
        for i in 0..ARRAYS.len() {
            for at in 0..arrays[i].len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut changed = arrays.clone();
                    changed[i][at] = value;
                    match Network::of_arrays(network.frame(), &parts(&changed)) {
                        Err(_) => refused += 1,
                        Ok(network) => {
                            let node = network.node_at(super::super::NodeId(3));
                            network.snap(node, 100.0);
                            network.weigh(&crate::profile::Profile::walk()).scan(&network);
                        }
                    }
                }
            }
            let mut shorter = arrays.clone();
            shorter[i].truncate(arrays[i].len() / 2);
            assert!(Network::of_arrays(network.frame(), &parts(&shorter)).is_err(), "{}", ARRAYS[i]);
        }
        assert!(refused > 1_000, "{refused}");
    }
}
