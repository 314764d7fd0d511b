//! The demo town: a district that does not exist, drawn from a plan and a fixed seed.
//!
//! 和安区 (He'an District) measures about six kilometres by five and has an old town, superblocks of gated compounds, a
//! river with two bridges, a railway that is hard to cross, villages, and forty facilities. [`draw`] makes all of it:
//! the map as OSM entities and the three tables a district would keep. The same code gives the same bytes everywhere;
//! `fixtures/demo/` holds them, and `draw-demo-town` writes them anew.
//!
//! The steps, in order:
//! 1. the plan ([`plan`]) says what stands in each field of a grid and which community it belongs to;
//! 2. streets, railway and river are drawn on its lines, borders around its communities;
//! 3. each field is filled by its kind, around the facilities, which were placed first;
//! 4. lines that meet are joined, and the plan is bent into degrees;
//! 5. residents are shared out over the blocks by floor area, and added up by area.
//!
//! Nothing here reads a real map. Names, numbers and places are invented.

mod borders;
mod canvas;
mod facilities;
mod geometry;
mod names;
mod outskirts;
mod plan;
mod quarters;
mod streets;
mod tables;
mod town;

use std::io;
use std::path::{Path, PathBuf};

use crate::pbf::{Compression, OsmFile};
use quarters::Quarter;
use town::Town;

/// Everything `fixtures/demo/` holds, save its README.
#[derive(Clone, Debug)]
pub struct DemoTown {
    /// The map.
    pub osm: OsmFile,
    /// The register of facilities.
    pub facilities_csv: String,
    /// The district, its streets and communities.
    pub areas_geojson: String,
    /// The blocks with their residents.
    pub blocks_geojson: String,
}

/// Draws the town.
pub fn draw() -> DemoTown {
    let sites = facilities::sites();
    let taken = sites.iter().filter_map(|site| site.ground).collect();
    let mut town = Town { sites, taken, ..Town::default() };
    let areas = borders::draw(&mut town.canvas);
    streets::draw_streets(&mut town.canvas);
    streets::draw_railway(&mut town.canvas);
    streets::draw_river(&mut town.canvas);
    facilities::draw(&mut town);
    fill_fields(&mut town);
    outskirts::place_premises(&mut town);

    let Town { canvas, blocks, sites, .. } = town;
    let census = tables::census(&blocks);
    DemoTown {
        osm: canvas.finish(),
        facilities_csv: facilities::register(&sites),
        areas_geojson: tables::areas_geojson(&areas, &blocks, &census, &sites),
        blocks_geojson: tables::blocks_geojson(&blocks, &census),
    }
}

/// Fills the plan's fields, row by row from the south.
fn fill_fields(town: &mut Town) {
    let mut villages = 0;
    for row in 0..plan::ROWS {
        for column in 0..plan::COLUMNS {
            let mut quarter = Quarter::new(town, column, row);
            let beside_its_like = |column: isize, row: isize| plan::kind(column, row) == Some(quarter.kind);
            match quarter.kind {
                b'O' => quarter.old_town(),
                b'M' => quarter.estates(),
                b'S' => quarter.superblock(),
                b'D' => quarter.compound_around_a_school(),
                b'L' if beside_its_like(column as isize + 1, row as isize) => quarter.great_compound(),
                b'P' if beside_its_like(column as isize, row as isize + 1) => quarter.park(),
                b'C' => quarter.commerce(),
                b'I' => quarter.industry(),
                b'U' => quarter.school(),
                b'Q' => quarter.station_square(),
                b'F' => quarter.farmland(),
                b'V' => {
                    quarter.village(villages);
                    villages += 1;
                }
                // The second halves of the great compound and the park, the railway and the river.
                _ => {}
            }
        }
    }
    let islet = plan::community(10, 2).expect("the islet lies inside the district");
    outskirts::settle_islet(town, islet);
}

impl DemoTown {
    /// The files by name.
    pub fn files(&self) -> [(&'static str, Vec<u8>); 4] {
        [
            ("town.osm.pbf", self.osm.to_pbf(Compression::Zlib)),
            ("facilities.csv", self.facilities_csv.clone().into_bytes()),
            ("areas.geojson", self.areas_geojson.clone().into_bytes()),
            ("blocks.geojson", self.blocks_geojson.clone().into_bytes()),
        ]
    }

    /// Writes the files into a folder, each beside its old version first, so that no half-written file is ever seen.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for (name, bytes) in self.files() {
            let beside = folder.join(format!(".{name}.new"));
            std::fs::write(&beside, bytes)?;
            std::fs::rename(&beside, folder.join(name))?;
        }
        Ok(())
    }
}

/// Where the repository keeps the town.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/demo")
}
