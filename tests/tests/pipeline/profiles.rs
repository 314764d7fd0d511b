//! Other walkers than an adult: whoever is slower, or may walk fewer streets, never gets farther.

use super::{demo, real_city};
use carecircle_core::isochrone::{Drawing, isochrones};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::polygon::contains;
use carecircle_core::search::Search;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::{Speed, WalkTime};
use carecircle_core::weights::Way;
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use geo::{Area, Coord};
use std::io::Cursor;
use std::path::Path;

/// So many facilities of a city are drawn around.
const DRAWN: usize = 60;

fn study(extract: carecircle_osm::Extract) -> Study {
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    Study::new(network, extract.places, None, SNAP_WITHIN_M)
}

fn read(path: &Path) -> Study {
    study(carecircle_osm::read(path, &ReadOptions::default()).expect("a sound extract"))
}

/// Times and circles of a profile against those of `walk`, at the same speed.
fn never_gets_farther(study: &Study, name: &str) {
    let network = study.network();
    let by = |name: &str| {
        let mut profile = profile::named(name).expect("a known profile");
        profile.speed = Speed::POLICY;
        Policy { profile, ..Policy::default() }
    };
    let (walk, other) = (by("walk"), by(name));
    let (on_foot, with) = (study.check(&walk), study.check(&other));
    for (point, (walk, other)) in on_foot.walks.iter().zip(&with.walks).enumerate() {
        let later = match (walk, other) {
            (Some(walk), Some(other)) => other.time >= walk.time,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        assert!(later, "point {point}: {name} takes {other:?}, on foot {walk:?}");
    }
    assert!(with.total.covered <= on_foot.total.covered + 1e-9);

    let (on_foot, with) = (network.weigh(&walk.profile), network.weigh(&other.profile));
    let limits = [8.0, 15.0].map(WalkTime::from_minutes);
    let drawing = Drawing { tolerance_m: 0.0, ..Drawing::default() };
    let step = (study.facilities().len() / DRAWN).max(1);
    for i in (0..study.facilities().len()).step_by(step) {
        let Some(small) = study.facility_source(i, &with) else { continue };
        let large = study.facility_source(i, &on_foot).expect("what has a street with a stroller has one without");
        let small = isochrones(&mut Search::new(), study, &with, &small, &limits, &drawing);
        let large = isochrones(&mut Search::new(), study, &on_foot, &large, &limits, &drawing);
        for (small, large) in small.iter().zip(&large) {
            let id = &study.facilities()[i].facility.id;
            let (inner, outer) = (small.shape.unsigned_area(), large.shape.unsigned_area());
            assert!(inner <= outer * (1.0 + 1e-9), "{id}: the {name} circle of {inner} m² is larger than {outer} m²");
            let hairs = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
            let is_in = |c: &Coord<f64>| {
                let near = |(x, y): (f64, f64)| Coord { x: c.x + x * 1e-4, y: c.y + y * 1e-4 };
                hairs.into_iter().any(|hair| contains(&large.shape, near(hair)))
            };
            let corners = small.shape.iter().flat_map(|polygon| &polygon.exterior().0);
            let strays = corners.filter(|corner| !is_in(corner)).count();
            assert_eq!(strays, 0, "{id}: the {name} circle leaves that on foot");
        }
    }
}

#[test]
fn with_a_stroller_nobody_gets_farther_than_without() {
    let town = read(&demo());
    for name in ["stroller", "toddler"] {
        never_gets_farther(&town, name);
    }
    for seed in 200..206 {
        let town = Cursor::new(random_gated_town(seed).to_pbf(Compression::Raw));
        let town = carecircle_osm::read_from(town, &ReadOptions::default()).expect("a sound town");
        never_gets_farther(&study(town), "stroller");
    }
    for name in ["andorra_2026", "monaco_osrm", "chisinau"] {
        let Some(path) = real_city(name) else { continue };
        eprintln!("{name}");
        never_gets_farther(&read(&path), "stroller");
    }
}

#[test]
fn one_network_serves_every_profile() {
    let town = read(&demo());
    let network = town.network();
    let open = |name: &str| {
        let weights = network.weigh(&profile::named(name).expect("a known profile"));
        let ids = (0..network.edges().len() as u32).map(carecircle_core::network::EdgeId);
        ids.filter(|&edge| weights.way(edge) != Way::Closed).count()
    };
    assert_eq!(open("walk"), network.edges().len());
    assert_eq!(open("toddler"), network.edges().len());
    assert!(open("stroller") < network.edges().len(), "the town has steps");
}
