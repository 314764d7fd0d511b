//! Small random towns for property tests.

use carecircle_core::geometry::LonLat;
use carecircle_core::network::{EdgeId, Network, NetworkOptions, Snap};
use carecircle_core::street::{Access, Ground, StreetClass, StreetWay, Streets};
use geo::Coord;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};
use proptest::prelude::*;

/// A way as drawn by a test: its places, and whether it may be walked forward and backward.
pub(crate) type DrawnWay = (Vec<u32>, bool, bool);

/// Streets over places on a coarse lattice: some places coincide, so that edges of no length occur.
pub(crate) fn streets(places: &[(i32, i32)], ways: &[DrawnWay]) -> Streets {
    let points = places
        .iter()
        .map(|&(x, y)| LonLat { lon_e7: 1_140_000_000 + x * 9_000, lat_e7: 310_000_000 + y * 8_000 })
        .collect();
    let mut streets = Streets { points, ..Streets::default() };
    for (id, (refs, forward, backward)) in (1..).zip(ways) {
        let start = streets.refs.len() as u32;
        streets.refs.extend(refs);
        streets.ways.push(StreetWay {
            id,
            refs: start..streets.refs.len() as u32,
            class: StreetClass::Street,
            access: Access::Public,
            forward: *forward,
            backward: *backward,
            duration_s: None,
            ground: Ground::default(),
        });
    }
    streets
}

/// Random places and ways: one-ways, parallel edges, loops, islands, edges of no length.
pub(crate) fn any_streets() -> impl Strategy<Value = Streets> {
    (2..24_usize)
        .prop_flat_map(|n| {
            let places = prop::collection::vec((0..6, 0..6), n);
            let way = (prop::collection::vec(0..n as u32, 2..7), 0..4_u8);
            (places, prop::collection::vec(way, 1..14))
        })
        .prop_map(|(places, ways)| {
            let ways: Vec<DrawnWay> = ways.into_iter().map(|(refs, d)| (refs, d != 1, d != 2)).collect();
            streets(&places, &ways)
        })
}

/// The whole network of some streets, islands included.
pub(crate) fn network(streets: &Streets) -> Network {
    Network::build(streets, NetworkOptions { island_m: 0.0 }).0
}

/// Random points around the town of [`any_streets`], on the plan of its network.
pub(crate) fn any_points(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Coord<f64>>> {
    let coordinate = -350.0..350.0f64;
    prop::collection::vec((coordinate.clone(), coordinate).prop_map(|(x, y)| Coord { x, y }), count)
}

/// Where points meet the network; those that don't are left out.
pub(crate) fn snaps(network: &Network, points: &[Coord<f64>]) -> Vec<Snap> {
    points.iter().filter_map(|&p| network.snap(p, 250.0)).collect()
}

/// The network with snaps inserted as nodes of their own; weights in seconds.
pub(crate) struct Oracle {
    graph: DiGraph<(), f64>,
    pub(crate) snaps: Vec<NodeIndex>,
    pub(crate) nodes: Vec<NodeIndex>,
}

impl Oracle {
    pub(crate) fn new(network: &Network, speed_ms: f64, snaps: &[Snap]) -> Self {
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = (0..network.node_count()).map(|_| graph.add_node(())).collect();
        let inserted: Vec<_> = snaps.iter().map(|_| graph.add_node(())).collect();
        for (i, edge) in network.edges().iter().enumerate() {
            let mut stops = vec![(0.0, nodes[edge.from.index()]), (edge.length_m, nodes[edge.to.index()])];
            let here = snaps.iter().zip(&inserted).filter(|(s, _)| s.edge == EdgeId(i as u32));
            stops.extend(here.map(|(s, &node)| (s.along_m.min(edge.length_m), node)));
            stops.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in stops.windows(2) {
                let seconds = (pair[1].0 - pair[0].0) / speed_ms;
                // Standing at an end is being at its node; an edge of no length keeps its direction all the same.
                let still = seconds <= 0.0 && pair.iter().any(|(_, n)| inserted.contains(n));
                if edge.forward || still {
                    graph.add_edge(pair[0].1, pair[1].1, seconds);
                }
                if edge.backward || still {
                    graph.add_edge(pair[1].1, pair[0].1, seconds);
                }
            }
        }
        Self { graph, snaps: inserted, nodes }
    }

    /// Seconds from every node to the snap `to`.
    pub(crate) fn to(&self, to: usize) -> impl Fn(NodeIndex) -> f64 {
        let times = dijkstra(Reversed(&self.graph), self.snaps[to], None, |e| *e.weight());
        move |from| times.get(&from).copied().unwrap_or(f64::INFINITY)
    }
}
