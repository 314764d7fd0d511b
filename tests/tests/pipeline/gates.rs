//! Towns full of gates: walks against the oracle, and what opening a gate does against opening it on the map.

use carecircle_core::coverage::{Coverage, Reason};
use carecircle_core::network::{Edge, Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::weights::Passage;
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::pbf::{Compression, OsmFile, Tags};
use carecircle_tests::towns::random_gated_town;
use std::collections::BTreeSet;
use std::io::Cursor;

fn study(town: &OsmFile) -> Study {
    let bytes = Cursor::new(town.to_pbf(Compression::Raw));
    let extract = carecircle_osm::read_from(bytes, &ReadOptions::default()).expect("a sound town");
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    Study::new(network, extract.places, None, SNAP_WITHIN_M)
}

fn open(tags: &mut Tags) {
    tags.retain(|(key, _)| !["access", "foot", "locked"].contains(&key.as_str()));
    tags.push(("foot".to_owned(), "yes".to_owned()));
}

/// The town with one passage open to the public on the map itself.
fn opened(town: &OsmFile, network: &Network, passage: Passage) -> OsmFile {
    let mut town = town.clone();
    match passage {
        Passage::Gate(gate) => {
            let id = network.gates()[gate as usize].node;
            town.nodes.iter_mut().filter(|node| node.id == id).for_each(|node| open(&mut node.tags));
        }
        Passage::Way(id) if id > 0 => {
            town.ways.iter_mut().filter(|way| way.id == id).for_each(|way| open(&mut way.tags));
        }
        Passage::Way(id) => {
            town.relations.iter_mut().filter(|r| r.id == -id).for_each(|relation| open(&mut relation.tags));
        }
    }
    town
}

fn shares(coverage: &Coverage) -> Vec<f64> {
    coverage.verdicts.iter().map(|v| v.covered_share).collect()
}

/// Opens every passage of a town in turn, on the map, and judges it anew.
fn what_if_is_the_truth(seed: u64, policy: &Policy) -> (usize, usize) {
    let town = random_gated_town(seed);
    let study = study(&town);
    let network = study.network();
    let coverage = study.check(policy);
    let before = shares(&coverage);
    let passages: BTreeSet<Passage> = network.edges().iter().filter_map(Edge::passage).collect();
    let mut best = before.clone();
    for passage in &passages {
        let truth = self::study(&opened(&town, network, *passage)).check(policy);
        let after = shares(&truth);
        let gained: f64 =
            study.demand().blocks.iter().zip(before.iter().zip(&after)).map(|(b, (x, y))| b.children * (y - x)).sum();
        let told = coverage.openings.passages.iter().find(|o| o.passage == *passage);
        let helps = before.iter().zip(&after).any(|(before, after)| *after > before + 1e-9);
        let name = network.passage_id(*passage);
        assert_eq!(told.is_some(), helps, "town {seed}: {name} helps: {helps}, {gained} children");
        if let Some(told) = told {
            assert!((told.children - gained).abs() < 1e-6, "town {seed}: {name}: {} is not {gained}", told.children);
            for (i, (x, y)) in before.iter().zip(&after).enumerate() {
                let share = told.share_of(i).unwrap_or(*x);
                assert!((share - y).abs() < 1e-9, "town {seed}, {name}: {} is {y}", study.demand().blocks[i].id);
            }
        }
        for (best, after) in best.iter_mut().zip(&after) {
            *best = best.max(*after);
        }
    }
    let mut decided = 0;
    for (i, verdict) in coverage.verdicts.iter().enumerate().filter(|(_, v)| v.reason.is_some()) {
        let told = coverage.openings.best[i].and_then(|best| coverage.openings.passages[best].share_of(i));
        let told = told.unwrap_or(verdict.covered_share);
        assert!(
            (told - best[i]).abs() < 1e-9,
            "town {seed}, gap {}: {told} is not {}",
            study.demand().blocks[i].id,
            best[i]
        );
        decided += usize::from(verdict.reason == Some(Reason::Gate) && best[i] > before[i]);
    }
    (passages.len(), decided)
}

#[test]
fn opening_a_gate_does_what_opening_it_on_the_map_does() {
    let (mut passages, mut decided) = (0, 0);
    for seed in 0..20 {
        for (name, minutes) in [("walk", 5.0), ("stroller", 6.0)] {
            let profile = profile::named(name).expect("a known profile");
            let policy = Policy { minutes, profile, what_if_gates: true, ..Policy::default() };
            let (these, gaps) = what_if_is_the_truth(seed, &policy);
            passages += these;
            decided += gaps;
        }
    }
    eprintln!("{passages} passages opened; {decided} gaps that one of them helps");
    assert!(passages > 400 && decided > 40, "too few gates to prove anything");
}
