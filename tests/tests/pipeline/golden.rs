//! The demo town's verdicts as they were when last looked at: a change that moves any of them shows up in review.
//! `BLESS=1 cargo test -p carecircle-tests --test pipeline` accepts what comes out now.

use super::demo;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_osm::ReadOptions;
use std::fmt::Write;
use std::path::Path;

/// One line per block, rounded so that only what a person would notice counts.
fn verdicts() -> String {
    let extract = carecircle_osm::read(&demo(), &ReadOptions::default()).expect("the demo town");
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let study = Study::new(network, extract.places, None, SNAP_WITHIN_M);
    let coverage = study.check(&Policy::default());
    let mut out = String::from("block status share minutes nearest reason children area\n");
    for (block, verdict) in study.demand().blocks.iter().zip(&coverage.verdicts) {
        let minutes = verdict.time.and_then(WalkTime::minutes).map_or("-".to_owned(), |m| format!("{m:.1}"));
        let nearest = verdict.nearest.map_or("-", |f| study.facilities()[f].facility.id.as_str());
        let area = block.area.map_or("-", |a| study.areas().all()[a].id.as_str());
        let (id, status, share) = (&block.id, verdict.status.name(), verdict.covered_share);
        let (reason, children) = (verdict.reason.map_or("-", |r| r.name()), block.children);
        writeln!(out, "{id} {status} {share:.3} {minutes} {nearest} {reason} {children:.1} {area}").expect("a string");
    }
    out
}

#[test]
fn the_demo_towns_verdicts_are_those_last_looked_at() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipeline/golden/town.txt");
    let found = verdicts();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).expect("a golden to write");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differing: Vec<String> = golden
        .lines()
        .zip(found.lines())
        .filter(|(was, is)| was != is)
        .map(|(was, is)| format!("- {was}\n+ {is}"))
        .collect();
    assert!(differing.is_empty(), "verdicts have moved:\n{}", differing.join("\n"));
    assert_eq!(golden.lines().count(), found.lines().count(), "blocks have come or gone");
}
