//! What the benchmarks run on: the demo town, towns of any size, and real extracts where `CARECIRCLE_DATA` names a folder
//! that has them.

pub mod towns;

use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_osm::{Extract, ReadOptions};
use std::path::{Path, PathBuf};

/// The extracts to run on, each with the name that its figures go under.
pub fn extracts() -> Vec<(String, PathBuf)> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/demo/town.osm.pbf");
    let mut found = vec![("demo".to_owned(), demo)];
    if let Some(folder) = std::env::var_os("CARECIRCLE_DATA") {
        let real = ["chisinau", "porto"].map(|n| (n.to_owned(), Path::new(&folder).join(format!("{n}.osm.pbf"))));
        found.extend(real.into_iter().filter(|(_, path)| path.exists()));
    }
    found
}

/// Reads an extract.
///
/// # Panics
/// When the file can't be read: there is nothing to measure then.
pub fn read(path: &Path) -> Extract {
    carecircle_osm::read(path, &ReadOptions::default()).expect("an extract to measure on")
}

/// A study of an extract with its own facilities, or a facility at every fiftieth street place where it has none.
pub fn study(path: &Path) -> Study {
    use carecircle_core::facility::{Facility, Kind};
    let mut extract = read(path);
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    if extract.places.facilities.is_empty() {
        let every = extract.streets.points.len() / 100 + 1;
        let places = extract.streets.points.iter().step_by(every).enumerate();
        extract.places.facilities = places.map(|(i, &at)| Facility::new(format!("f{i}"), at, Kind::Nursery)).collect();
    }
    Study::new(network, extract.places, None, SNAP_WITHIN_M)
}
