//! The snap against brute force, and the cutting of streets against a count by hand.

use carecircle_core::geometry::geodesic_m;
use carecircle_core::network::{EdgeId, Network, NetworkOptions};
use carecircle_core::street::StreetClass;
use carecircle_core::time::WalkTime;
use geo::{Coord, Distance, Euclidean, Line, Point};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

proptest! {
    #[test]
    fn a_snap_is_the_nearest_point_of_all_segments(streets in town::any_streets(), points in town::any_points(1..20)) {
        let network = town::network(&streets);
        let plan: Vec<Coord<f64>> = streets.points.iter().map(|&p| network.projection().project(p)).collect();
        for at in points {
            let nearest = streets
                .ways
                .iter()
                .flat_map(|w| streets.refs[w.refs.start as usize..w.refs.end as usize].windows(2))
                .filter(|pair| pair[0] != pair[1])
                .map(|pair| Line::new(plan[pair[0] as usize], plan[pair[1] as usize]))
                .map(|line| Euclidean.distance(&Point(at), &line))
                .fold(f64::INFINITY, f64::min);
            match network.nearest_m(at) {
                Some(told) => prop_assert!((told - nearest).abs() < 2e-4, "{told} is not {nearest}"),
                None => prop_assert!(nearest.is_infinite()),
            }
            match network.snap(at, 250.0) {
                Some(snap) => {
                    prop_assert!((snap.offset_m - nearest).abs() < 2e-4, "{} is not {nearest}", snap.offset_m);
                    prop_assert!((0.0..=network.edge(snap.edge).length_m).contains(&snap.along_m));
                }
                None => prop_assert!(nearest > 250.0 - 2e-4, "nothing found, but {nearest} m away there is a street"),
            }
        }
    }

    #[test]
    fn edges_are_as_long_as_the_streets_they_were_cut_from(streets in town::any_streets()) {
        let network = town::network(&streets);
        let drawn: f64 = streets
            .ways
            .iter()
            .flat_map(|w| streets.refs[w.refs.start as usize..w.refs.end as usize].windows(2))
            .map(|pair| geodesic_m(streets.points[pair[0] as usize], streets.points[pair[1] as usize]))
            .sum();
        let cut: f64 = network.edges().iter().map(|e| e.length_m).sum();
        prop_assert!((drawn - cut).abs() < 1e-6 * drawn + 1e-6, "{drawn} m drawn, {cut} m cut");
        prop_assert_eq!(
            petgraph::visit::EdgeCount::edge_count(&network),
            network.edges().iter().map(|e| usize::from(e.forward) + usize::from(e.backward)).sum::<usize>()
        );
    }
}

#[test]
fn bends_are_geometry_and_meetings_are_nodes() {
    // A street with two bends, and one that meets it at its middle place.
    let streets = town::streets(
        &[(0, 0), (1, 0), (2, 1), (3, 1), (2, 3)],
        &[(vec![0, 1, 2, 3], true, true), (vec![2, 4], true, true)],
    );
    let network = town::network(&streets);
    assert_eq!((network.node_count(), network.edges().len()), (4, 3));
    let bends: Vec<usize> = (0..3).map(|i| network.geometry(EdgeId(i)).len()).collect();
    assert_eq!(bends, [3, 2, 2]);
}

#[test]
fn islands_are_set_aside_and_the_largest_stays() {
    let streets =
        town::streets(&[(0, 0), (5, 0), (0, 5), (1, 5)], &[(vec![0, 1], true, true), (vec![2, 3], true, true)]);
    let (network, report) = Network::build(&streets, NetworkOptions { island_m: 100_000.0 });
    assert_eq!((network.edges().len(), report.components, report.islands.len()), (1, 1, 1));
    let (network, report) = Network::build(&streets, NetworkOptions { island_m: 10.0 });
    assert_eq!((network.edges().len(), report.components, report.islands.len()), (2, 2, 0));
}

#[test]
fn a_ferry_keeps_its_own_time_when_another_is_set_aside() {
    let mut streets = town::streets(
        &[(0, 0), (1, 0), (0, 5), (5, 5), (5, 9)],
        &[(vec![0, 1], true, true), (vec![2, 3], true, true), (vec![3, 4], true, true)],
    );
    for (way, seconds) in [(0, 60.0), (2, 120.0)] {
        streets.ways[way].class = StreetClass::Ferry;
        streets.ways[way].duration_s = Some(seconds);
    }
    let (network, _) = Network::build(&streets, NetworkOptions { island_m: 100_000.0 });
    let fixed: Vec<Option<WalkTime>> = (0..network.edges().len() as u32).map(|i| network.fixed(EdgeId(i))).collect();
    assert_eq!(fixed, [None, Some(WalkTime::from_seconds(120.0))]);
}

#[test]
fn no_streets_make_an_empty_network() {
    let (network, report) = Network::build(&carecircle_core::street::Streets::default(), NetworkOptions::default());
    assert_eq!((network.node_count(), report.components), (0, 0));
    assert_eq!(network.snap(Coord { x: 0.0, y: 0.0 }, 250.0), None);
}
