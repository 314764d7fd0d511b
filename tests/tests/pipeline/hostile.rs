//! Extracts that no honest program writes: each is read or refused with a place in the file, quickly, without a panic and
//! within bounded memory.

use super::demo;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_osm::ReadOptions;
use carecircle_tests::mutate::mutations;
use std::io::Cursor;
use std::time::{Duration, Instant};

/// What reading one small file may take at most, whatever it says. Bombs are cut off at 32 MiB a blob.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_TIME: Duration = Duration::from_secs(20);

/// The most memory this process has held so far, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn no_file_panics_hangs_or_swells() {
    let original = std::fs::read(demo()).expect("the demo town");
    let (mut read, mut refused) = (0, 0);
    for (what, bytes) in mutations(&original, 200, 20_251) {
        let start = Instant::now();
        match carecircle_osm::read_from(Cursor::new(&bytes), &ReadOptions::default()) {
            Ok(extract) => {
                read += 1;
                let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
                let coverage = Study::new(network, extract.places, None, SNAP_WITHIN_M).check(&Policy::default());
                assert!(coverage.verdicts.iter().all(|v| (0.0..=1.0).contains(&v.covered_share)), "{what}");
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains("byte") || text.contains("OSMHeader"), "{what}: no place in the file: {text}");
            }
        }
        assert!(start.elapsed() < MOST_TIME, "{what}: took {:?}", start.elapsed());
        if let Some(bytes) = peak_memory() {
            assert!(bytes < MOST_MEMORY, "{what}: {} MiB", bytes >> 20);
        }
    }
    assert!(read >= 20 && refused >= 60, "{read} read, {refused} refused: the mutations prove nothing");
}

#[test]
fn a_damaged_file_is_refused_at_its_damage() {
    let original = std::fs::read(demo()).expect("the demo town");
    let error = |bytes: &[u8]| {
        carecircle_osm::read_from(Cursor::new(bytes), &ReadOptions::default()).expect_err("damaged").to_string()
    };
    assert!(error(b"").contains("OSMHeader"));
    assert!(error(b"<?xml version='1.0'?><osm></osm>").contains("OSMHeader"));
    let cut = error(&original[..original.len() - 100]);
    assert!(cut.contains("ends inside the blob at byte"), "{cut}");
}
