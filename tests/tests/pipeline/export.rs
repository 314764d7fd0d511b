//! The exported tables, read back into petgraph: its Dijkstra on them gives our search's times to the millisecond.

use super::demo;
use carecircle_core::network::{EdgeId, Network, NetworkOptions, NodeId, Snap};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::time::WalkTime;
use carecircle_core::weights::{Way, Weights};
use carecircle_formats::gmns::Tables;
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

/// A table's rows by column name.
fn read(table: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(table).deserialize().map(|row| row.expect("a row as wide as the header")).collect()
}

/// The exported graph as a reader makes it of nothing but the tables.
struct Exported {
    graph: DiGraph<u64, u32>,
    index: BTreeMap<u64, NodeIndex>,
    nodes: BTreeMap<u64, BTreeMap<String, String>>,
    links: Vec<BTreeMap<String, String>>,
}

impl Exported {
    fn new(network: &Network, weights: &Weights, by_leg: bool, access: &[&str]) -> Self {
        let tables = Tables { network, weights, by_leg };
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        tables.nodes(&mut nodes).expect("node.csv");
        tables.links(&mut links).expect("link.csv");
        let (nodes, links) = (read(&nodes), read(&links));
        let id = |row: &BTreeMap<String, String>, name: &str| row[name].parse::<u64>().expect("a number");
        let nodes: BTreeMap<_, _> = nodes.into_iter().map(|row| (id(&row, "node_id"), row)).collect();
        let ids: BTreeSet<u64> = links.iter().map(|row| id(row, "link_id")).collect();
        assert_eq!(ids.len(), links.len(), "a link_id stands twice");
        let mut graph = DiGraph::new();
        let index: BTreeMap<u64, NodeIndex> = nodes.keys().map(|&node| (node, graph.add_node(node))).collect();
        for row in links.iter().filter(|row| access.contains(&row["access"].as_str())) {
            let [from, to] = ["from_node_id", "to_node_id"].map(|end| index[&id(row, end)]);
            graph.add_edge(from, to, id(row, "time_ms") as u32);
        }
        Self { graph, index, nodes, links }
    }

    /// Milliseconds of the shortest path from each node to one.
    fn times_to(&self, node: u64) -> impl Fn(u64) -> Option<u32> {
        let times = dijkstra(Reversed(&self.graph), self.index[&node], None, |link| *link.weight());
        let times: BTreeMap<u64, u32> = times.into_iter().map(|(node, ms)| (self.graph[node], ms)).collect();
        move |from| times.get(&from).copied()
    }

    /// The copy of a node for a leg, or the node itself where the leg passes it on no street.
    fn copy(&self, nodes: usize, leg: u64, node: NodeId) -> u64 {
        let copy = leg * nodes as u64 + u64::from(node.0);
        if self.nodes.contains_key(&copy) { copy } else { u64::from(node.0) }
    }
}

const LAST: u64 = 1;
const FIRST: u64 = 2;

/// Compares walks to ends of some edges, from every node, in every way that a walk may begin. How many were compared, and
/// how many use streets for the first or last leg.
fn agree(network: &Network, weights: &Weights) -> (usize, usize) {
    let nodes = network.node_count();
    let public = Exported::new(network, weights, false, &["public"]);
    let legs = Exported::new(network, weights, true, &["public", "destination"]);
    assert_eq!(public.nodes.len(), nodes);
    let (mut compared, mut private) = (0, 0);
    let mut search = Search::new();
    let edges = network.edges();
    for id in (0..edges.len()).step_by(edges.len() / 12 + 1).map(|i| EdgeId(i as u32)) {
        let (end, way) = (network.edge(id).from, weights.way(id));
        if way == Way::Closed {
            continue;
        }
        let at = network.node_at(end);
        let origin = Origin { snap: Snap { edge: id, along_m: 0.0, offset_m: 0.0, at }, label: 0 };
        search.run(network, weights, &[origin], WalkTime::NEVER);
        let sweep = Sweep::new(network, weights, &[origin], WalkTime::NEVER);
        let on_public = public.times_to(u64::from(end.0));
        let last = if way == Way::Public { u64::from(end.0) } else { legs.copy(nodes, LAST, end) };
        let by_leg = legs.times_to(last);
        for node in (0..nodes as u32).map(NodeId) {
            for begin in [Way::Public, Way::Destination] {
                let found = search.arrival(node, begin).map(|a| a.time.millis());
                assert_eq!(found, sweep.at_node(node, begin).map(|a| a.time.millis()));
                let leg = if begin == Way::Public { u64::from(node.0) } else { legs.copy(nodes, FIRST, node) };
                assert_eq!(by_leg(leg), found, "{node:?} to {end:?}, {begin:?} to {way:?}");
                compared += usize::from(found.is_some());
                if (begin, way) == (Way::Public, Way::Public) {
                    assert_eq!(on_public(u64::from(node.0)), found, "{node:?} to {end:?} on public streets");
                } else {
                    private += usize::from(found.is_some() && found != on_public(u64::from(node.0)));
                }
            }
        }
    }
    (compared, private)
}

/// What is true of each row by itself.
fn rows_are_sound(network: &Network, weights: &Weights) {
    let exported = Exported::new(network, weights, false, &["public", "destination"]);
    assert_eq!(
        exported.nodes.keys().copied().collect::<Vec<_>>(),
        (0..network.node_count() as u64).collect::<Vec<_>>()
    );
    for row in &exported.links {
        let length: f64 = row["length"].parse().expect("metres");
        let ends = ["from_node_id", "to_node_id"].map(|end| &exported.nodes[&row[end].parse().expect("a node")]);
        let places = ends.map(|node| format!("{} {}", node["x_coord"], node["y_coord"]));
        let line = row["geometry"].strip_prefix("LINESTRING (").and_then(|line| line.strip_suffix(')'));
        let Some(line) = line else {
            assert!(row["geometry"].is_empty() && length == 0.0, "{row:?}");
            continue;
        };
        let bends: Vec<&str> = line.split(", ").collect();
        assert_eq!([bends[0], bends[bends.len() - 1]], [&*places[0], &*places[1]], "in walking direction: {row:?}");
    }
}

fn network_of(town: &carecircle_tests::pbf::OsmFile) -> Network {
    let bytes = Cursor::new(town.to_pbf(Compression::Raw));
    let extract = carecircle_osm::read_from(bytes, &ReadOptions::default()).expect("a sound town");
    Network::build(&extract.streets, NetworkOptions::default()).0
}

#[test]
fn a_shortest_path_on_the_exported_demo_town_is_our_time() {
    let extract = carecircle_osm::read(&demo(), &ReadOptions::default()).expect("the demo town");
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    for name in ["walk", "toddler", "stroller"] {
        let profile = Profile { signal_s: 20.0, ..profile::named(name).expect("a known profile") };
        let weights = network.weigh(&profile);
        rows_are_sound(&network, &weights);
        let (compared, private) = agree(&network, &weights);
        assert!(compared > 10_000 && private > 100, "{name}: {compared} walks, {private} over private streets");
    }
}

#[test]
fn a_shortest_path_on_an_exported_gated_town_is_our_time() {
    let (mut compared, mut private) = (0, 0);
    for seed in 0..30 {
        let network = network_of(&random_gated_town(seed));
        for name in ["walk", "stroller"] {
            let weights = network.weigh(&profile::named(name).expect("a known profile"));
            rows_are_sound(&network, &weights);
            let (these, by_private) = agree(&network, &weights);
            compared += these;
            private += by_private;
        }
    }
    eprintln!("{compared} walks, {private} of them over private streets");
    assert!(compared > 50_000 && private > 5_000, "{compared} walks, {private} over private streets");
}
