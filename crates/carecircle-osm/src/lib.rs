//! OpenStreetMap extracts (`.osm.pbf`) read into streets and places.
//!
//! The only crate that knows OpenStreetMap: its file format, its tags, its relations. It builds no network and judges
//! nothing; what the map says badly is counted in an [`ImportReport`], and only a file that can't be read is an error.

mod blob;
mod index;
mod merge;
mod places;
pub mod prepared;
mod report;
mod rings;
mod shape;
mod stages;
mod streets;
mod tags;
#[cfg(test)]
mod tests;
mod wire;

pub use report::{
    Bounds, Clipped, ExtractHeader, ImportReport, Lost, Merged, PolygonCounts, PremisesCounts, ReadError, SpotCounts,
    StreetCounts,
};

use blob::Blobs;
use carecircle_core::geometry::LonLat;
use carecircle_core::place::Places;
use carecircle_core::street::Streets;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that have been looked through.
    pub bytes_done: u64,
    /// Bytes to look through in all.
    pub bytes_total: u64,
}

/// How to read an extract.
#[derive(Clone, Copy, Default)]
pub struct ReadOptions<'a> {
    /// Told of every blob read, from several threads at once and not always in order.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl fmt::Debug for ReadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOptions").field("progress", &self.progress.is_some()).finish()
    }
}

/// What an extract holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extract {
    /// What may be walked.
    pub streets: Streets,
    /// Facilities, homes, areas, premises.
    pub places: Places,
    /// What was found while reading.
    pub report: ImportReport,
    /// What the file says of itself.
    pub header: ExtractHeader,
}

/// Reads an extract from a file.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Extract, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Open { source })?;
    read_from(file, options)
}

/// Reads an extract from anything that can be read at a position: bytes in memory, for one.
pub fn read_from<S: Read + Seek + Send>(source: S, options: &ReadOptions) -> Result<Extract, ReadError> {
    let blobs = Blobs::open(source)?;
    let mut report = ImportReport::default();
    let mut harvest = stages::harvest(&blobs, options, &mut report)?;
    let header = blobs.header;
    let drawn = std::mem::take(&mut harvest.drawn);
    let squares = streets::squares(&drawn.relations, &harvest);
    let (mut places, (streets, counts, spots)) =
        rayon::join(|| places::places(drawn, &harvest, &mut report), || streets::streets(&harvest, squares));
    report.streets.add(counts);
    report.spots = spots;
    places.extent = header.bounds.map(|b| (b.south_west, b.north_east)).or_else(|| extent(&streets));
    Ok(Extract { streets, places, report, header })
}

/// The box around all streets.
fn extent(streets: &Streets) -> Option<(LonLat, LonLat)> {
    let lons = || streets.points.iter().map(|p| p.lon_e7);
    let lats = || streets.points.iter().map(|p| p.lat_e7);
    Some((
        LonLat { lon_e7: lons().min()?, lat_e7: lats().min()? },
        LonLat { lon_e7: lons().max()?, lat_e7: lats().max()? },
    ))
}
