//! Walks drawn on random towns: as long and as quick as the matrix and petgraph's Dijkstra have them, and drawn where they
//! lead.

use carecircle_core::geometry::{LonLat, Point, geodesic_m};
use carecircle_core::isochrone::Source;
use carecircle_core::matrix::{Walk, matrix};
use carecircle_core::network::Network;
use carecircle_core::place::Places;
use carecircle_core::profile::Profile;
use carecircle_core::route::{LegKind, Route, route};
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use proptest::prelude::*;
use std::convert::Infallible;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// Every rounding to a millisecond may differ by one; a walk here has fewer pieces than this.
const TOLERANCE_S: f64 = 0.03;

/// Metres along a line on the plan, on the ground.
fn ground_m(network: &Network, line: &[Point]) -> f64 {
    let places: Vec<LonLat> = line
        .iter()
        .map(|&at| {
            let (lon, lat) = network.projection().unproject(at);
            LonLat::from_degrees(lon, lat).expect("a place on earth")
        })
        .collect();
    places.windows(2).map(|pair| geodesic_m(pair[0], pair[1])).sum()
}

/// Whether the legs follow each other over the whole line, each as long as it is drawn.
fn is_drawn_as_told(network: &Network, route: &Route) -> Result<(), TestCaseError> {
    prop_assert!(route.line.len() >= 2 && route.legs.len() >= 2);
    let ends = [route.legs.first(), route.legs.last()].map(|leg| leg.map(|leg| leg.kind));
    prop_assert_eq!(ends, [Some(LegKind::OffStreet); 2]);
    let mut here = 0;
    for leg in &route.legs {
        let [first, last] = leg.places;
        prop_assert_eq!(first, here, "{:?}", leg);
        here = last;
        let drawn_m = ground_m(network, &route.line[first..=last]);
        // A corner is known to a centimetre, and so is the length of a piece of street between two.
        let may_m = 0.02 * (last - first + 1) as f64 + leg.metres * 1e-3;
        prop_assert!((drawn_m - leg.metres).abs() <= may_m, "{leg:?} is drawn {drawn_m} m long");
    }
    let last = route.line.len() - 1;
    prop_assert!(here == last || (last == 1 && here == 0), "{here} of {last}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_walk_is_as_long_as_the_matrix_has_it(
        streets in town::any_streets(), from in town::any_points(1..6), to in town::any_points(1..6), kmh in 2.0..7.0f64,
    ) {
        let study = Study::new(town::network(&streets), Places::default(), Some(Vec::new()), 250.0);
        let network = study.network();
        let mut profile = Profile::walk();
        profile.speed = carecircle_core::time::Speed::from_kmh(kmh).unwrap();
        let weights = network.weigh(&profile);
        let met = |points: &[Point]| -> Vec<Source> {
            points.iter().filter_map(|&at| study.place_source(at, &weights)).collect()
        };
        let (from, to) = (met(&from), met(&to));
        let mut rows: Vec<Vec<Walk>> = Vec::new();
        matrix(network, &weights, &from, &to, WalkTime::NEVER, |_, row| {
            rows.push(row.to_vec());
            Ok::<(), Infallible>(())
        }).unwrap();
        for (row, start) in rows.iter().zip(&from) {
            // What is reached from a place is what leads to it by the times of the other way.
            let origin = Origin { snap: start.doors[0].snap, label: 0 };
            let sweep = Sweep::new(network, weights.reversed(), &[origin], WalkTime::NEVER);
            for (j, end) in to.iter().enumerate() {
                let walk = row.iter().find(|walk| walk.to == j).map(|walk| walk.time);
                let found = sweep.at(network, weights.reversed(), &end.doors[0].snap);
                prop_assert_eq!(found.map(|arrival| arrival.time), walk);
            }
        }
        let snaps: Vec<_> = to.iter().chain(&from).map(|source| source.doors[0].snap).collect();
        let oracle = town::Oracle::new(network, kmh / 3.6, &snaps);
        let mut search = Search::new();
        for (i, start) in from.iter().enumerate() {
            for (j, end) in to.iter().enumerate() {
                let found = route(&mut search, network, &weights, start, end);
                let walk = rows[i].iter().find(|walk| walk.to == j);
                prop_assert_eq!(found.as_ref().map(Route::time), walk.map(|walk| walk.time));
                let Some((found, walk)) = found.zip(walk) else { continue };
                prop_assert!((found.metres() - walk.metres).abs() < 1e-6, "{} m, {} m", found.metres(), walk.metres);
                is_drawn_as_told(network, &found)?;
                prop_assert_eq!((found.line[0], *found.line.last().unwrap()), (start.at, end.at));
                // A one-way of no length is at both its ends at once, which the oracle cannot say.
                let still = |source: &Source| {
                    let edge = network.edge(source.doors[0].snap.edge);
                    edge.length_m <= 0.0 && edge.forward != edge.backward
                };
                if !still(start) && !still(end) {
                    let off_m = start.doors[0].snap.offset_m + end.doors[0].snap.offset_m;
                    let truth = oracle.to(j)(oracle.snaps[to.len() + i]) + off_m * 3.6 / kmh;
                    let seconds = found.time().seconds();
                    prop_assert!((seconds - truth).abs() <= TOLERANCE_S, "{seconds} s, {truth} s by Dijkstra");
                }
            }
        }
    }
}
