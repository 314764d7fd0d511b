//! Matrices against the oracle, pair by pair, in towns full of gates.

use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone::Source;
use carecircle_core::matrix::{Walk, matrix};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::Places;
use carecircle_core::profile::Profile;
use carecircle_core::route::{LegKind, Route, route};
use carecircle_core::search::Search;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::oracle::{Oracle, Rules};
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use std::convert::Infallible;

/// Times must agree to this.
const TOLERANCE_S: f64 = 0.1;

#[test]
fn every_pair_of_a_gated_town_agrees() {
    let path = std::env::temp_dir().join(format!("carecircle-matrix-{}.osm.pbf", std::process::id()));
    let (mut joined, mut apart) = (0, 0);
    for seed in 200..212 {
        std::fs::write(&path, random_gated_town(seed).to_pbf(Compression::Raw)).expect("a town on disk");
        let oracle = Oracle::read(&path, Rules::default()).expect("the oracle reads the town");
        let streets = carecircle_osm::read(&path, &ReadOptions::default()).expect("a sound town").streets;
        let (network, _) = Network::build(&streets, NetworkOptions::default());
        let weights = network.weigh(&Profile::walk());
        let study = Study::new(network, Places::default(), Some(Vec::new()), SNAP_WITHIN_M);
        let network = study.network();
        let meets = |&(lon, lat): &(f64, f64)| {
            let at = LonLat::from_degrees(lon, lat).expect("a place on earth");
            study.place_source(network.projection().project(at), &weights)
        };
        let points = |count: usize, seed: u64| {
            let near = oracle.random_points_near(count, seed);
            let met: Vec<(Source, (f64, f64))> = near.into_iter().filter_map(|p| Some((meets(&p)?, p))).collect();
            met.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let ((from, from_at), (to, to_at)) = (points(60, seed), points(40, seed + 1_000));
        let truth = oracle.table(&to_at, &from_at);
        let mut walks: Vec<Vec<Walk>> = Vec::new();
        let rows = |limit: WalkTime, rows: &mut Vec<Vec<Walk>>| {
            rows.clear();
            let row = |number: usize, walks: &[Walk]| {
                assert_eq!(number, rows.len(), "a row for each start, in order");
                rows.push(walks.to_vec());
                Ok::<(), Infallible>(())
            };
            matrix(network, &weights, &from, &to, limit, row).expect("no row fails");
        };
        rows(WalkTime::NEVER, &mut walks);
        for (i, row) in walks.iter().enumerate() {
            assert!(row.is_sorted_by(|a, b| a.to < b.to), "by end");
            for (j, truth) in truth.iter().map(|row| row[i]).enumerate() {
                let found = row.iter().find(|walk| walk.to == j).map(|walk| walk.time.seconds());
                let agrees = match (found, truth) {
                    (Some(found), Some(truth)) => (found - truth).abs() <= TOLERANCE_S,
                    (found, truth) => found.is_none() && truth.is_none(),
                };
                let (here, there) = (from_at[i], to_at[j]);
                assert!(agrees, "town {seed}, {here:?} to {there:?}: {found:?}, the oracle says {truth:?}");
                joined += usize::from(found.is_some());
                apart += usize::from(found.is_none());
            }
        }
        let limit = WalkTime::from_minutes(5.0);
        let mut short = Vec::new();
        rows(limit, &mut short);
        for row in &mut walks {
            row.retain(|walk| walk.time <= limit);
        }
        let times = |rows: &[Vec<Walk>]| {
            rows.iter().map(|row| row.iter().map(|w| (w.to, w.time)).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(times(&short), times(&walks), "town {seed}: a limit leaves the long walks out and changes no other");
    }
    std::fs::remove_file(&path).expect("the town is ours");
    eprintln!("{joined} pairs joined, {apart} apart");
    assert!(joined > 10_000, "too few walks to prove anything");
}

/// Walks out of compounds and through gates, on foot and with a stroller, drawn: their legs add up to what the matrix tells.
#[test]
fn the_legs_of_every_walk_of_a_gated_town_add_up() {
    let path = std::env::temp_dir().join(format!("carecircle-routes-{}.osm.pbf", std::process::id()));
    let mut over = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 300..304 {
        std::fs::write(&path, random_gated_town(seed).to_pbf(Compression::Raw)).expect("a town on disk");
        let oracle = Oracle::read(&path, Rules::default()).expect("the oracle reads the town");
        let extract = carecircle_osm::read(&path, &ReadOptions::default()).expect("a sound town");
        let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
        let study = Study::new(network, extract.places, None, SNAP_WITHIN_M);
        let network = study.network();
        for profile in [Profile::walk(), profile::named("stroller").expect("a profile that comes along")] {
            let weights = network.weigh(&profile);
            let near = oracle.random_points_near(40, seed).into_iter();
            let from: Vec<Source> = near
                .filter_map(|(lon, lat)| {
                    let at = LonLat::from_degrees(lon, lat).expect("a place on earth");
                    study.home_source(network.projection().project(at), &weights)
                })
                .collect();
            let facilities = 0..study.facilities().len();
            let to: Vec<Source> = facilities.filter_map(|i| study.facility_source(i, &weights)).collect();
            let mut search = Search::new();
            let row = |i: usize, walks: &[Walk]| {
                for (j, end) in to.iter().enumerate() {
                    let found = route(&mut search, network, &weights, &from[i], end);
                    let walk = walks.iter().find(|walk| walk.to == j);
                    let (name, here) = (&profile.name, from[i].at);
                    assert_eq!(
                        found.as_ref().map(Route::time),
                        walk.map(|walk| walk.time),
                        "town {seed}, {name}, {here:?} to {j}"
                    );
                    let Some((found, walk)) = found.zip(walk) else { continue };
                    let (told, drawn) = (walk.metres, found.metres());
                    assert!((told - drawn).abs() < 1e-6, "town {seed}, {name}: {told} m, drawn {drawn} m");
                    for leg in &found.legs {
                        *over.entry(leg.kind.name()).or_default() += 1;
                    }
                }
                Ok::<(), Infallible>(())
            };
            matrix(network, &weights, &from, &to, WalkTime::NEVER, row).expect("no row fails");
        }
    }
    std::fs::remove_file(&path).expect("the town is ours");
    eprintln!("legs: {over:?}");
    for kind in [LegKind::OffStreet, LegKind::Gate, LegKind::Square] {
        assert!(over.get(kind.name()).is_some_and(|legs| *legs > 10), "{}: {over:?}", kind.name());
    }
}
