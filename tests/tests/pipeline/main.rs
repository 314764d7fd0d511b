//! The whole path on whole files: what comes out of an extract, and what an extract can do to us.

#![expect(clippy::print_stderr, reason = "a test says what it compared and what it left out")]

mod export;
mod gates;
mod golden;
mod hostile;
mod matrix;
mod profiles;
mod streets;
mod truth;
mod verdicts;
mod whatif;

use std::path::PathBuf;

/// Real extracts to run on besides the demo town, where `CARECIRCLE_DATA` names a folder that has them.
fn real_city(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CARECIRCLE_DATA")?).join(format!("{name}.osm.pbf"));
    if !path.exists() {
        eprintln!("{} is not there: left out", path.display());
    }
    path.exists().then_some(path)
}

fn demo() -> PathBuf {
    carecircle_tests::demo::fixtures().join("town.osm.pbf")
}
