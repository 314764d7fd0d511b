//! The situations drawn by hand in `fixtures/streets/`: from PBF to verdict, against what each file expects.

use carecircle_core::coverage::Coverage;
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::other::OtherColumns;
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::pbf::{Compression, Node};
use carecircle_tests::streets::{Drawing, Expectation, Home, folder, read_all};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn every_drawing_is_judged_as_it_expects() {
    let drawings = drawings();
    assert!(!drawings.is_empty(), "{} holds no drawing", folder().display());
    let (mut expected, mut objections) = (0, Vec::new());
    for (file, drawing) in drawings {
        let drawing = match drawing {
            Ok(drawing) => drawing,
            Err(why) => {
                objections.push(format!("{file}: {why}"));
                continue;
            }
        };
        expected += drawing.expect.len();
        // A drawing that brings the product down says nothing of the next.
        match catch_unwind(AssertUnwindSafe(|| objections_to(&drawing))) {
            Ok(found) => objections.extend(found.into_iter().map(|objection| format!("{file}: {objection}"))),
            Err(_) => objections.push(format!("{file}: panicked")),
        }
    }
    assert!(
        objections.is_empty(),
        "{expected} expectations, {} objections:\n{}",
        objections.len(),
        objections.join("\n")
    );
}

#[test]
fn the_readme_tells_what_each_drawing_shows() {
    let readme = std::fs::read_to_string(folder().join("README.md")).expect("the folder has a README");
    for (file, drawing) in drawings() {
        let shows = drawing.map(|d| d.shows).unwrap_or_default();
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{file}` |")));
        assert!(row.is_some_and(|row| row.contains(&shows)), "README.md has no row for {file}: {shows}");
    }
}

fn drawings() -> Vec<(String, Result<Drawing, String>)> {
    read_all(&folder()).expect("the drawings can be listed")
}

fn study(drawing: &Drawing) -> Study {
    let bytes = drawing.map().to_pbf(Compression::Raw);
    let extract = carecircle_osm::read_from(Cursor::new(bytes), &ReadOptions::default()).expect("a sound drawing");
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let rows: Vec<BlockRow> = drawing.homes.iter().map(block).collect();
    Study::new(network, extract.places, (!rows.is_empty()).then_some(rows), SNAP_WITHIN_M)
}

fn block(home: &Home) -> BlockRow {
    let [east, north] = home.at;
    let Node { lon_e7, lat_e7, .. } = Node::metres(0, east, north, &[]);
    BlockRow {
        id: home.id.clone(),
        name: None,
        place: BlockPlace::Point(LonLat { lon_e7, lat_e7 }),
        population: None,
        under3: Some(home.children),
        area: None,
        other: OtherColumns::default(),
    }
}

/// The id of the passage whose opening helps the block most, or `none`.
fn open_gate_of(study: &Study, coverage: &Coverage, block: usize) -> String {
    match coverage.openings.best[block] {
        Some(best) => study.network().passage_id(coverage.openings.passages[best].passage),
        None => "none".to_owned(),
    }
}

fn objections_to(drawing: &Drawing) -> Vec<String> {
    let study = study(drawing);
    let object = |expectation: &Expectation| {
        let Expectation { block, profile, limit, .. } = expectation;
        let objections = objections_to_one(&study, expectation);
        let tell = move |objection| format!("block {block}, {profile}, {limit} minutes: {objection}");
        objections.into_iter().map(tell).collect::<Vec<_>>()
    };
    drawing.expect.iter().flat_map(object).collect()
}

fn objections_to_one(study: &Study, expectation: &Expectation) -> Vec<String> {
    let blocks = &study.demand().blocks;
    let Some(block) = blocks.iter().position(|b| b.id == expectation.block) else {
        let ids: Vec<&str> = blocks.iter().map(|b| b.id.as_str()).collect();
        return vec![format!("no such block among {}", ids.join(", "))];
    };
    let Some(profile) = profile::named(&expectation.profile) else { return vec!["no such profile".to_owned()] };
    let coverage =
        study.check(&Policy { minutes: expectation.limit, profile, what_if_gates: true, ..Policy::default() });
    let verdict = &coverage.verdicts[block];
    let mut objections: Vec<String> =
        expectation.objection_to(verdict.time.and_then(WalkTime::minutes)).into_iter().collect();
    let words = [
        ("status", &expectation.status, verdict.status.name().to_owned()),
        ("reason", &expectation.reason, verdict.reason.map_or("none", |r| r.name()).to_owned()),
        ("open_gate", &expectation.open_gate, open_gate_of(study, &coverage, block)),
    ];
    for (what, expected, found) in words {
        if let Some(expected) = expected.as_ref().filter(|expected| **expected != found) {
            objections.push(format!("{what}: expected {expected}, found {found}"));
        }
    }
    objections
}
