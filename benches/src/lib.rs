//! What the benchmarks run on: the demo town, towns of any size, and real extracts where `CARECIRCLE_DATA` names a folder
//! that has them.

pub mod registers;
pub mod tiled;
pub mod towns;

use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::{Building, Home, Places};
use carecircle_core::profile::Profile;
use carecircle_core::search::Origin;
use carecircle_core::street::Streets;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::Speed;
use carecircle_core::weights::Weights;
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
    let mut extract = read(path);
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    if extract.places.facilities.is_empty() {
        let every = extract.streets.points.len() / 100 + 1;
        let places = extract.streets.points.iter().step_by(every).enumerate();
        extract.places.facilities = places.map(|(i, &at)| Facility::new(format!("f{i}"), at, Kind::Nursery)).collect();
    }
    Study::new(network, extract.places, None, SNAP_WITHIN_M)
}

/// A city with the times of the profile `plain` at 4.8 km/h, and facilities somewhere on its streets.
pub struct City {
    /// What its figures go under.
    pub name: String,
    /// The city.
    pub study: Study,
    /// The profile's times.
    pub weights: Weights,
    /// A hundred on an extract, and equally dense in towns made up.
    pub facilities: Vec<Origin>,
}

impl City {
    /// The names of those to measure on: towns of 10^4 to 10^6 nodes, of 10^7 too where `CARECIRCLE_LARGEST` is set (it
    /// takes minutes and 8 GiB), and the real extracts.
    pub fn names() -> Vec<String> {
        let largest = std::env::var_os("CARECIRCLE_LARGEST").map(|_| "10^7");
        let made_up = ["10^4", "10^5", "10^6"].into_iter().chain(largest).map(str::to_owned);
        made_up.chain(extracts().into_iter().skip(1).map(|(name, _)| name)).collect()
    }

    /// Puts one together.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn named(name: &str) -> Self {
        let (streets, places) = streets_of(name);
        let (network, _) = Network::build(&streets, NetworkOptions::default());
        let weights = network.weigh(&Profile::plain(Speed::POLICY));
        let count = if made_up(name).is_some() { towns::usual_count(&network) } else { 100 };
        let facilities = towns::facilities(&network, count, 1);
        Self { name: name.to_owned(), study: Study::new(network, places, None, SNAP_WITHIN_M), weights, facilities }
    }
}

/// A city with so many facilities somewhere on its streets, and a home for every two nodes where few are mapped.
///
/// # Panics
/// When there is none of that name.
pub fn settled(name: &str, facilities: usize) -> Study {
    let (streets, mut places) = streets_of(name);
    let (network, _) = Network::build(&streets, NetworkOptions::default());
    let degrees = |at| {
        let (lon, lat) = network.projection().unproject(at);
        LonLat::from_degrees(lon, lat).expect("a place in town")
    };
    let drawn = towns::facilities(&network, facilities, 1).into_iter();
    places.facilities =
        drawn.map(|o| Facility::new(format!("f{:06}", o.label), degrees(o.snap.at), Kind::Nursery)).collect();
    if places.buildings.len() < network.node_count() / 4 {
        let beside = |o: Origin| o.snap.at + Point { x: 12.0, y: 9.0 };
        let home = |at| Building { at: degrees(at), footprint_m2: 150.0, levels: Some(4.0), home: Home::Certain };
        let drawn = towns::facilities(&network, network.node_count() / 2, 2).into_iter();
        places.buildings = drawn.map(|o| home(beside(o))).collect();
    }
    Study::new(network, places, None, SNAP_WITHIN_M)
}

/// The streets of a city, and what else is known of it.
///
/// # Panics
/// When there is none of that name.
pub fn streets_of(name: &str) -> (Streets, Places) {
    if let Some(nodes) = made_up(name) {
        return (towns::town(nodes), Places::default());
    }
    let (_, path) = extracts().into_iter().find(|(known, _)| known == name).expect("a city of that name");
    let Extract { streets, places, .. } = read(&path);
    (streets, places)
}

/// The nodes of a town made up, by its name: `10^4`.
fn made_up(name: &str) -> Option<usize> {
    name.strip_prefix("10^")?.parse().ok().map(|power| 10_usize.pow(power))
}
