use super::*;
use crate::{Extract, ReadOptions, read_from};
use carecircle_core::coverage::Coverage;
use carecircle_core::isochrone::{Drawing, Split, circles};
use carecircle_core::network::NetworkOptions;
use carecircle_core::place::{Premises, PremisesKind};
use carecircle_core::policy::Policy;
use carecircle_core::profile::{Climb, Profile};
use carecircle_core::study::SNAP_WITHIN_M;
use carecircle_tests::dice::Dice;
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use std::io::Cursor;
use std::time::{Duration, Instant};

/// A random town read.
fn town(seed: u64) -> Extract {
    let bytes = random_gated_town(seed).to_pbf(Compression::Zlib);
    let mut extract = read_from(Cursor::new(bytes), &ReadOptions::default()).unwrap();
    // What no random town has.
    extract.report.merged.push(crate::Merged {
        kept: "w1".to_owned(),
        dropped: "n1".to_owned(),
        name: Some("托育".to_owned()),
        reason: crate::merge::REASONS[1],
    });
    extract.header.date = Some(1_748_736_000);
    let at = extract.places.facilities.first().map(|f| f.at).unwrap_or_default();
    extract.places.premises = PremisesKind::ALL
        .iter()
        .zip(1..)
        .map(|(&kind, n)| Premises { id: format!("w{n}"), name: (n > 1).then(|| "学校".to_owned()), kind, at })
        .collect();
    extract.report.premises.merged = 2;
    extract
}

fn source() -> Source {
    Source { name: "town.osm.pbf".to_owned(), fingerprint: 0x0123_4567_89ab_cdef }
}

/// A town as a prepared file, and as the study that it was made of.
fn prepared(extract: &Extract) -> (Vec<u8>, Study) {
    let (network, report) = Network::build(&extract.streets, NetworkOptions::default());
    let study = Study::new(network, extract.places.clone(), None, SNAP_WITHIN_M);
    let mut out = Vec::new();
    write(&mut out, &source(), (&extract.header, &extract.report), &extract.places, &report, &study).unwrap();
    (out, study)
}

fn open(bytes: &[u8]) -> Result<Prepared, PreparedError> {
    // Allocators align what is as long as a number.
    Prepared::of(Arc::new(bytes.to_vec()))
}

/// All that is told of a study by some policies.
fn told(study: &Study) -> String {
    // Who may not take steps has streets, doors and a floor of their own.
    let profile = Profile { name: "no steps".to_owned(), steps: Climb::CLOSED, ..Profile::walk() };
    let other = Policy { profile, what_if_gates: true, ..Policy::default() };
    let told = |policy: &Policy| {
        let Coverage { verdicts, walks, areas, total, openings, .. } = study.check(policy);
        format!("{verdicts:?} {walks:?} {areas:?} {total:?} {openings:?}")
    };
    let weights = study.network().weigh(&Profile::walk());
    let limits = [Policy::default().limit()];
    let circles = circles(study, &weights, &|_| true, &limits, Split::Nearest, &Drawing::default());
    let gates: Vec<_> = study.network().gates().iter().map(|gate| (gate.node, gate.at)).collect();
    let premises: Vec<_> = PremisesKind::ALL.iter().flat_map(|&kind| study.premises_of(kind)).collect();
    format!("{} {} {circles:?} {gates:?} {premises:?}", told(&Policy::default()), told(&other))
}

#[test]
fn what_is_read_back_is_what_was_written() {
    for seed in 0..6 {
        let extract = town(seed);
        let (bytes, study) = prepared(&extract);
        let file = open(&bytes).unwrap();
        assert_eq!(file.about().source, source());
        assert_eq!(file.about().extract, extract.header);
        assert_eq!(file.report().unwrap(), extract.report);
        let places = file.places(true).unwrap();
        assert_eq!(places, extract.places);
        let (network, report) = file.network().unwrap();
        let again = file.study(network).unwrap();
        assert_eq!(told(&again), told(&study), "seed {seed}");
        // Written once more it is the same, to the byte.
        let mut out = Vec::new();
        write(&mut out, &source(), (&file.about().extract, &extract.report), &places, &report, &again).unwrap();
        assert!(out == bytes, "seed {seed}");
    }
}

#[test]
fn facilities_are_sited_around_homes_as_in_a_study_made_anew() {
    for seed in 6..10 {
        let extract = town(seed);
        let (bytes, _) = prepared(&extract);
        let file = open(&bytes).unwrap();
        let fewer = |mut places: Places| {
            let mut number = 0;
            places.facilities.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            places
        };
        let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
        let anew = Study::new(network, fewer(extract.places), None, SNAP_WITHIN_M);
        let (network, _) = file.network().unwrap();
        let places = fewer(file.places(false).unwrap());
        assert!(places.buildings.is_empty() && places.residential.is_empty());
        let homes = file.homes(&network, places.areas.len()).unwrap();
        assert_eq!(told(&Study::around_homes(network, places, homes)), told(&anew), "seed {seed}");
        // With another distance of snapping everything is found anew.
        let (network, _) = file.network().unwrap();
        let near = Study::new(network, fewer(file.places(true).unwrap()), None, 20.0);
        assert_ne!(told(&near), told(&anew), "seed {seed}");
    }
}

/// Puts all checksums right, as far as sections lie in the file.
fn mended(bytes: &mut [u8], change: impl FnOnce(&mut Header)) {
    let length = u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize;
    let Some(mut header) = value_of::<Header>(&bytes[PREAMBLE..PREAMBLE + length]) else { return };
    change(&mut header);
    for (range, sum) in &mut header.sections {
        if let Some(section) = bytes.get(range.start as usize..range.end as usize) {
            *sum = crc32fast::hash(section);
        }
    }
    let body = bytes_of(&header);
    assert_eq!(body.len(), length);
    bytes[..PREAMBLE].copy_from_slice(&preamble(&body));
    bytes[PREAMBLE..PREAMBLE + length].copy_from_slice(&body);
}

/// Everything that a file can be asked for.
fn read_all(bytes: &[u8]) -> Result<String, PreparedError> {
    let file = open(bytes)?;
    let report = file.report()?;
    let places = file.places(true)?;
    let (network, built) = file.network()?;
    let study = file.study(network)?;
    let told = told(&study);
    // What is only read when a table comes is laid out too.
    let (network, _) = file.network()?;
    let anew = Study::new(network, places, None, 240.0).check(&Policy::default());
    Ok(format!("{:?} {report:?} {built:?} {told} {:?}", file.about(), anew.verdicts))
}

#[test]
fn damage_is_told_and_nothing_else() {
    let (bytes, _) = prepared(&town(1));
    let whole = read_all(&bytes).unwrap();
    let mut dice = Dice(1);
    let mut refused = 0;
    for number in 0..300 {
        let mut damaged = bytes.clone();
        if number % 3 == 0 {
            damaged.truncate(dice.below(bytes.len()));
            assert!(read_all(&damaged).is_err(), "cut to {}", damaged.len());
        }
        if damaged.is_empty() {
            continue;
        }
        let at = dice.below(damaged.len());
        damaged[at] ^= 1 << dice.below(8);
        // Between sections a bit means nothing.
        match read_all(&damaged) {
            Err(_) => refused += 1,
            Ok(told) => assert!(told == whole, "byte {at}"),
        }
    }
    assert!(refused > 290, "{refused}");
}

/// A file that says something else, with checksums that are right.
fn crafted(bytes: &[u8], section: usize, dice: &mut Dice) -> Vec<u8> {
    let mut crafted = bytes.to_vec();
    let sections = open(bytes).unwrap().header.sections;
    let (range, _) = &sections[section];
    match dice.below(8) {
        0 => {
            let (a, b) = (dice.below(bytes.len()) as u64, dice.below(bytes.len()) as u64);
            let elsewhere = match dice.below(4) {
                0 => a / ALIGNMENT * ALIGNMENT..b,
                1 => range.start..range.start + (range.end - range.start) / 2,
                2 => sections[dice.below(ALL_SECTIONS)].0.clone(),
                _ => u64::MAX - a..bytes.len() as u64,
            };
            mended(&mut crafted, |header| header.sections[section].0 = elsewhere);
        }
        1 => mended(&mut crafted, |header| header.about.snap_m = dice.fraction() * 1e300),
        _ => {
            let span = range.start as usize..range.end as usize;
            for _ in 0..=dice.below(3) {
                let at = span.start + dice.below(span.len());
                let (infinite, largest) = (f64::INFINITY.to_bits(), f64::MAX.to_bits());
                let value = dice.pick(&[0, 1, 0xff, u64::MAX, infinite, largest, 1 << 40]);
                let width = dice.pick(&[1_usize, 2, 4, 8]).min(span.end - at);
                crafted[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            }
            mended(&mut crafted, |_| ());
        }
    }
    crafted
}

#[test]
fn whatever_a_file_says_nothing_panics_or_hangs() {
    let demo = std::fs::File::open(carecircle_tests::demo::fixtures().join("town.osm.pbf")).unwrap();
    let demo = read_from(demo, &ReadOptions::default()).unwrap();
    for (extract, rounds) in [(town(2), 1_000), (demo, 150)] {
        let (bytes, _) = prepared(&extract);
        let whole = read_all(&bytes).unwrap();
        let mut dice = Dice(2);
        let (mut refused, mut other) = (0, 0);
        for number in 0..rounds {
            let crafted = crafted(&bytes, number % ALL_SECTIONS, &mut dice);
            let begun = Instant::now();
            match read_all(&crafted) {
                Err(_) => refused += 1,
                Ok(told) => other += usize::from(told != whole),
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{number}: {:?}", begun.elapsed());
        }
        assert!(refused > rounds / 5 && other > rounds / 20, "{refused} refused, {other} other, of {rounds}");
    }
}

#[test]
fn other_files_are_told_from_prepared_ones() {
    let (bytes, _) = prepared(&town(3));
    let why = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    assert!(why(b"").contains("not a prepared file"));
    assert!(why(b"\0\0\0\x0e\x0a\x09OSMHeader").contains("not a prepared file"));
    assert!(why(&bytes[..20]).contains("has 20 bytes"));
    let changed = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        bytes
    };
    assert!(why(&changed(16, 7)).contains("format 7"));
    assert!(why(&changed(20, 4)).contains("little-endian"));
    assert!(why(&changed(PREAMBLE + 9, b'x')).contains("wrong checksum: header"));
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"more");
    assert!(why(&longer).contains("should have"));
    let mut older = bytes.clone();
    mended(&mut older, |header| header.about.program = "0.0.0".to_owned());
    assert!(why(&older).contains("carecircle 0.0.0") && why(&older).contains("import the extract anew"));
}
