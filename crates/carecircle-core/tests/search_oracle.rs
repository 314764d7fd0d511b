//! The search against petgraph's Dijkstra on random towns: every snap becomes a node, every stretch between neighbouring
//! snaps and ends an arc. Slow, obvious, and it shares nothing with the search but the network's edges.

use carecircle_core::network::{EdgeId, Network, Snap};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Arrival, Origin, Reach, Search, Sweep};
use carecircle_core::time::WalkTime;
use carecircle_core::weights::{Way, Weights};
use geo::Coord;
use petgraph::graph::NodeIndex;
use proptest::prelude::*;

mod town;

use town::Oracle;

/// Every rounding to a millisecond may differ by one; a walk here has fewer pieces than this.
const TOLERANCE_S: f64 = 0.03;

fn close(found: Option<WalkTime>, truth: f64) -> bool {
    match found {
        None => truth.is_infinite(),
        Some(time) => (time.seconds() - truth).abs() <= TOLERANCE_S,
    }
}

fn weights(network: &Network) -> (Weights, f64) {
    let profile = Profile::walk();
    (network.weigh(&profile), profile.speed.kmh() / 3.6)
}

/// Where points meet the network, but for one-ways of no length: a snap there is at both ends at once, which the oracle
/// cannot say.
fn snaps(network: &Network, points: &[Coord<f64>]) -> Vec<Snap> {
    let mut snaps = town::snaps(network, points);
    snaps.retain(|s| {
        let edge = network.edge(s.edge);
        edge.length_m > 0.0 || edge.forward == edge.backward
    });
    snaps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_sweep_equals_petgraphs_dijkstra(
        streets in town::any_streets(),
        facilities in town::any_points(1..6),
        homes in town::any_points(1..12),
    ) {
        let network = town::network(&streets);
        let (weights, speed) = weights(&network);
        let facilities = snaps(&network, &facilities);
        let homes = snaps(&network, &homes);
        let origins: Vec<Origin> =
            facilities.iter().zip(0..).map(|(&snap, label)| Origin { snap, label }).collect();
        let sweep = Sweep::new(&network, &weights, &origins, WalkTime::NEVER);

        let all: Vec<Snap> = facilities.iter().chain(&homes).copied().collect();
        let oracle = Oracle::new(&network, speed, &all);
        let times: Vec<_> = (0..facilities.len()).map(|f| oracle.to(f)).collect();
        let nearest = |from: NodeIndex, off_m: f64| {
            let walk = |f: usize| (times[f](from) + (off_m + facilities[f].offset_m) / speed, f);
            (0..facilities.len()).map(walk).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0))
        };
        for (home, &node) in homes.iter().zip(&oracle.snaps[facilities.len()..]) {
            let found = sweep.at(&network, &weights, home);
            let (truth, label) = nearest(node, home.offset_m);
            prop_assert!(close(found.map(|a| a.time), truth), "home {home:?}: {found:?} is not {truth} s");
            if let Some(Arrival { label: found, .. }) = found {
                let by_found = times[found as usize](node) + (home.offset_m + facilities[found as usize].offset_m) / speed;
                prop_assert!((by_found - truth).abs() <= TOLERANCE_S, "facility {found} is not as near as {label}");
            }
        }
        for i in 0..network.node_count() {
            let found = sweep.at_node(carecircle_core::network::NodeId(i as u32), Way::Public);
            prop_assert!(close(found.map(|a| a.time), nearest(oracle.nodes[i], 0.0).0), "node {i}: {found:?}");
        }
    }

    #[test]
    fn a_reach_holds_exactly_what_lies_within_its_limit(
        streets in town::any_streets(),
        origin in town::any_points(1..2),
        minutes in 0.0..12.0f64,
    ) {
        let network = town::network(&streets);
        let (weights, speed) = weights(&network);
        let Some(&snap) = snaps(&network, &origin).first() else { return Ok(()) };
        let limit = WalkTime::from_minutes(minutes);
        let reach = Reach::new(&mut Search::new(), &network, &weights, &[snap], limit);

        // Truth at five places of every edge, each a snap of its own.
        let places: Vec<Snap> = (0..network.edges().len())
            .filter(|&i| network.edges()[i].length_m > 0.0)
            .flat_map(|i| {
                let edge = &network.edges()[i];
                [0.03, 0.31, 0.5, 0.77, 0.96].map(|f| Snap {
                    edge: EdgeId(i as u32), along_m: edge.length_m * f, offset_m: 0.0, at: Coord { x: 0.0, y: 0.0 },
                })
            })
            .collect();
        let all: Vec<Snap> = std::iter::once(snap).chain(places.iter().copied()).collect();
        let oracle = Oracle::new(&network, speed, &all);
        let time = oracle.to(0);
        for (place, &node) in places.iter().zip(&oracle.snaps[1..]) {
            let truth = time(node) + snap.offset_m / speed;
            let inside = reach.stretches.iter().any(|s| {
                s.edge == place.edge && (s.start_m..=s.end_m).contains(&place.along_m)
            });
            let doubtful = (truth - limit.seconds()).abs() <= TOLERANCE_S;
            prop_assert!(doubtful || inside == (truth < limit.seconds()), "{place:?} at {truth} s, limit {limit:?}");
        }
    }

    #[test]
    fn a_bounded_sweep_agrees_with_the_whole_one_up_to_its_limit(
        streets in town::any_streets(),
        facilities in town::any_points(1..6),
        minutes in 0.0..10.0f64,
    ) {
        let network = town::network(&streets);
        let (weights, _) = weights(&network);
        let origins: Vec<Origin> =
            snaps(&network, &facilities).into_iter().zip(0..).map(|(snap, label)| Origin { snap, label }).collect();
        let limit = WalkTime::from_minutes(minutes);
        let mut search = Search::new();
        let whole = Sweep::new(&network, &weights, &origins, WalkTime::NEVER);
        for _ in 0..2 {
            // Twice on the same scratch: what one run leaves must not reach the next.
            search.run(&network, &weights, &origins, limit);
            for i in 0..network.node_count() {
                let node = carecircle_core::network::NodeId(i as u32);
                prop_assert_eq!(search.arrival(node, Way::Public), whole.at_node(node, Way::Public).filter(|a| a.time <= limit));
            }
        }
    }
}
