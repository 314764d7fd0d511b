//! What the engine finds fast is what slow and obvious ways find: petgraph's Dijkstra on the network itself, one sweep
//! for each origin, one sweep for each pair.

use carecircle_core::matrix::{around_each, cut_into_cells, matrix};
use carecircle_core::nearest::Nearest;
use carecircle_core::network::{EdgeId, Network, NodeId, Snap};
use carecircle_core::place::Places;
use carecircle_core::profile::Profile;
use carecircle_core::search::{Arrival, Origin, Search, Sweep};
use carecircle_core::street::StreetClass;
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::weights::{Direction, Way, Weights};
use petgraph::algo::dijkstra;
use petgraph::visit::{EdgeRef, IntoEdgeReferences, IntoEdges, Reversed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

fn nodes(network: &Network) -> impl Iterator<Item = NodeId> {
    (0..network.node_count() as u32).map(NodeId)
}

/// A grid of streets with every seventh missing, too large to be swept at once.
fn large_town() -> Network {
    const SIDE: i32 = 200;
    let places: Vec<(i32, i32)> = (0..SIDE * SIDE).map(|i| (i % SIDE, i / SIDE)).collect();
    let at = |x: i32, y: i32| (y * SIDE + x) as u32;
    let mut ways: Vec<town::DrawnWay> = Vec::new();
    for (x, y) in &places {
        let ahead = [(x + 1, *y), (*x, y + 1)].into_iter().filter(|(x, y)| *x < SIDE && *y < SIDE);
        ways.extend(ahead.map(|(x2, y2)| (vec![at(*x, *y), at(x2, y2)], true, (x + y) % 11 > 0)));
    }
    let ways: Vec<_> = ways.into_iter().enumerate().filter(|(i, _)| i % 7 > 0).map(|(_, way)| way).collect();
    town::network(&town::streets(&places, &ways))
}

#[test]
fn a_sweep_by_parts_is_the_sweep_as_a_whole() {
    let network = large_town();
    let weights = network.weigh(&Profile::walk());
    let some = nodes(&network).step_by(97);
    let snaps = some.filter_map(|node| at_node(&network, &weights, node));
    let origins: Vec<Origin> = snaps.zip(0..).map(|(snap, label)| Origin { snap, label }).collect();
    assert!(network.node_count() > 30_000 && origins.len() > 300);
    // An unlimited sweep is never made by parts.
    let whole = Sweep::new(&network, &weights, &origins, WalkTime::NEVER);
    let mut search = Search::new();
    for minutes in [3.0, 15.0, 30.0] {
        let limit = WalkTime::from_minutes(minutes);
        search.run(&network, &weights, &origins, limit);
        for node in nodes(&network) {
            let truth = whole.at_node(node, Way::Public).filter(|arrival| arrival.time <= limit);
            assert_eq!(search.arrival(node, Way::Public), truth);
        }
    }
}

#[test]
fn over_cells_of_a_large_town_as_much_lies_around_as_without() {
    let network = large_town();
    let weights = network.weigh(&Profile::walk());
    let origins: Vec<Snap> =
        nodes(&network).step_by(101).filter_map(|node| at_node(&network, &weights, node)).collect();
    let around = |limit: WalkTime, weights: &Weights| {
        let found = Mutex::new(BTreeMap::new());
        around_each(&network, weights, &origins, limit, |i, around| {
            let mut nodes: Vec<(NodeId, WalkTime)> = around.nodes().collect();
            nodes.sort_unstable();
            found.lock().expect("no panic").insert(i, nodes);
        });
        found.into_inner().expect("no panic")
    };
    let over_cells = weights.clone();
    assert!(cut_into_cells(&network, &over_cells) > 0);
    // Limits over four hours and a half are too long for cells.
    for minutes in [0.0, 3.0, 15.0, 300.0] {
        let limit = WalkTime::from_minutes(minutes);
        let found = around(limit, &weights);
        assert!(found.len() == origins.len() && found.values().all(|nodes| !nodes.is_empty()));
        assert!(found == around(limit, &over_cells), "within {minutes} minutes");
    }
}

#[test]
fn a_ferry_of_a_month_leads_beyond_every_limit() {
    let mut streets = town::streets(
        &[(0, 0), (1, 0), (4, 0), (5, 0)],
        &[(vec![0, 1], true, true), (vec![1, 2], true, true), (vec![2, 3], true, true)],
    );
    streets.ways[1].class = StreetClass::Ferry;
    streets.ways[1].duration_s = Some(30.0 * 86_400.0);
    let network = town::network(&streets);
    let weights = network.weigh(&Profile::walk());
    let here = nodes(&network).find_map(|node| at_node(&network, &weights, node)).expect("a street");
    let hours = WalkTime::from_minutes(60.0);
    around_each(&network, &weights, &[here], hours, |_, around| assert_eq!(around.nodes().count(), 2));
    let mut search = Search::new();
    search.run(&network, &weights, &[Origin { snap: here, label: 0 }], WalkTime::NEVER);
    assert_eq!(search.settled().len(), 4);
}

/// A snap at the place of a node, on a public edge of some length: on others one stands at both ends.
fn at_node(network: &Network, weights: &Weights, node: NodeId) -> Option<Snap> {
    let is_public = |edge: &&EdgeId| weights.way(**edge) == Way::Public && network.edge(**edge).length_m > 0.0;
    let edge = network.edges_at(node).iter().find(is_public)?;
    let along_m = if network.edge(*edge).from == node { 0.0 } else { network.edge(*edge).length_m };
    Some(Snap { edge: *edge, along_m, offset_m: 0.0, at: network.node_at(node) })
}

/// The least arrivals, one for each label, by sweeps from each origin alone.
fn few_by_sweeps(network: &Network, weights: &Weights, origins: &[Origin], start: &Snap, few: usize) -> Vec<Arrival> {
    let mut by_label: BTreeMap<u32, WalkTime> = BTreeMap::new();
    for origin in origins {
        let sweep = Sweep::new(network, weights, &[*origin], WalkTime::NEVER);
        if let Some(arrival) = sweep.at(network, weights, start) {
            let known = by_label.entry(origin.label).or_insert(WalkTime::NEVER);
            *known = arrival.time.min(*known);
        }
    }
    let mut found: Vec<Arrival> = by_label.into_iter().map(|(label, time)| Arrival { time, label }).collect();
    found.sort();
    found.truncate(few);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn petgraphs_dijkstra_on_the_network_finds_the_same_milliseconds(
        streets in town::any_streets(), minutes in 0.0..12.0f64,
    ) {
        let network = &town::network(&streets);
        let weights = network.weigh(&Profile::walk());
        let limit = WalkTime::from_minutes(minutes);
        let millis = |edge: EdgeId, direction| u64::from(weights.edge(edge, direction).millis());
        let mut search = Search::new();
        for origin in nodes(network) {
            let Some(snap) = at_node(network, &weights, origin) else { continue };
            search.run(network, &weights, &[Origin { snap, label: 0 }], limit);
            let mut truth = dijkstra(Reversed(network), origin, None, |arc| millis(arc.id().0, arc.id().1));
            truth.retain(|_, time| *time <= u64::from(limit.millis()));
            for node in nodes(network) {
                let found = search.arrival(node, Way::Public).map(|a| u64::from(a.time.millis()));
                prop_assert_eq!(found, truth.get(&node).copied(), "from {:?} to {:?}", node, origin);
            }
            prop_assert_eq!(search.settled().len(), truth.len());
        }
    }

    #[test]
    fn the_graph_has_an_arc_for_each_direction_that_an_edge_is_walked_in(streets in town::any_streets()) {
        let network = &town::network(&streets);
        let mut arcs: Vec<(EdgeId, bool)> =
            network.edge_references().map(|arc| (arc.id().0, arc.id().1 == Direction::Forward)).collect();
        arcs.sort_unstable();
        let expected: Vec<(EdgeId, bool)> = network.edges().iter().zip(0..).flat_map(|(edge, id)| {
            let directions = [(edge.backward, false), (edge.forward, true)];
            directions.into_iter().filter(|(open, _)| *open).map(move |(_, forward)| (EdgeId(id), forward))
        }).collect();
        prop_assert_eq!(arcs, expected);
        for node in nodes(network) {
            prop_assert!(IntoEdges::edges(network, node).all(|arc| arc.source() == node));
        }
    }

    #[test]
    fn the_few_nearest_are_those_that_single_sweeps_find(
        streets in town::any_streets(), facilities in town::any_points(1..9), homes in town::any_points(1..6),
        few in 1..9_usize, labels in 1..9_u32,
    ) {
        let network = town::network(&streets);
        let weights = network.weigh(&Profile::walk());
        // Several doors of one facility are one facility.
        let origins: Vec<Origin> = town::snaps(&network, &facilities)
            .into_iter().zip(0..).map(|(snap, i)| Origin { snap, label: i % labels }).collect();
        let nearest = Nearest::new(&network, &weights, &origins, few, WalkTime::NEVER);
        for home in town::snaps(&network, &homes) {
            let found = nearest.at(&network, &weights, &home);
            prop_assert_eq!(found, few_by_sweeps(&network, &weights, &origins, &home, few));
        }
    }

    #[test]
    fn a_matrix_holds_every_pair_within_the_limit_with_its_length(
        streets in town::any_streets(), from in town::any_points(1..6), to in town::any_points(1..6),
        minutes in 0.0..20.0f64,
    ) {
        let study = Study::new(town::network(&streets), Places::default(), None, 250.0);
        let network = study.network();
        let profile = Profile::walk();
        let weights = network.weigh(&profile);
        let sources = |points: &[_]| points.iter().filter_map(|&p| study.place_source(p, &weights)).collect::<Vec<_>>();
        let (from, to) = (sources(&from), sources(&to));
        let limit = WalkTime::from_minutes(minutes);
        let mut rows = Vec::new();
        matrix(network, &weights, &from, &to, limit, |row, walks| {
            rows.push((row, walks.to_vec()));
            Ok::<(), Infallible>(())
        }).expect("no row fails");
        prop_assert!(rows.iter().map(|(row, _)| *row).eq(0..from.len()));
        for (from, (_, walks)) in from.iter().zip(&rows) {
            let mut walks = walks.iter();
            for (j, to) in to.iter().enumerate() {
                let origin = Origin { snap: to.doors[0].snap, label: 0 };
                let sweep = Sweep::new(network, &weights, &[origin], WalkTime::NEVER);
                let truth = sweep.at(network, &weights, &from.doors[0].snap).map(|a| a.time).filter(|t| *t <= limit);
                let Some(truth) = truth else { continue };
                let walk = walks.next().expect("a walk for every pair within the limit");
                prop_assert_eq!((walk.to, walk.time), (j, truth));
                // Every edge of a walk rounds to a millisecond.
                let by_length = profile.speed.walk(walk.metres).seconds();
                prop_assert!((by_length - truth.seconds()).abs() < 0.05, "{} m in {:?}", walk.metres, truth);
            }
            prop_assert_eq!(walks.next(), None);
        }
    }

    #[test]
    fn around_each_origin_is_what_a_search_of_its_own_finds(
        streets in town::any_streets(), origins in town::any_points(1..30), minutes in 0.0..20.0f64,
    ) {
        let network = town::network(&streets);
        let weights = network.weigh(&Profile::walk());
        let origins = town::snaps(&network, &origins);
        let limit = WalkTime::from_minutes(minutes);
        let found = Mutex::new(BTreeMap::new());
        around_each(&network, &weights, &origins, limit, |i, around| {
            let times: BTreeMap<NodeId, WalkTime> = around.nodes().collect();
            found.lock().expect("no panic").insert(i, times);
        });
        let alone = origins.iter().map(|&snap| {
            let mut search = Search::new();
            search.run(&network, &weights, &[Origin { snap, label: 0 }], limit);
            let time = |node| Some((node, search.arrival(node, Way::Public)?.time));
            nodes(&network).filter_map(time).collect::<BTreeMap<_, _>>()
        });
        prop_assert!(found.into_inner().expect("no panic").into_values().eq(alone));
    }
}
