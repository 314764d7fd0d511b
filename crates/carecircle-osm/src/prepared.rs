//! A city prepared for quick starts: an extract read, its network built, its homes found, kept in a file that is mapped
//! into memory.
//!
//! The file is a header and sections. The header says who made it, of what, and where each section lies, and has a
//! checksum of its own; a section's checksum is looked at when the section is first used. What is large lies in the file
//! as it does in memory and is looked through where it lies, see [`carecircle_core::network::stored`]; the rest are values
//! one after another (`stored`). A checksum proves no more than that nothing was damaged by chance: whatever the file says
//! is checked as a stranger's word.
//!
//! A prepared file is no archive: the program reads what the same version of it wrote, and tells to import the extract
//! anew otherwise.

mod stored;
#[cfg(test)]
mod tests;

use crate::report::{ExtractHeader, ImportReport};
use carecircle_core::array::{Part, Region};
use carecircle_core::demand::Demand;
use carecircle_core::network::stored::{ARRAYS, Frame};
use carecircle_core::network::{Network, NetworkReport};
use carecircle_core::place::{Area, Places};
use carecircle_core::study::{Homes, Study};
use geo::CoordsIter;
use rayon::prelude::*;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use stored::{Stored, bytes_of, fields, put_all, value_of};
use thiserror::Error;

/// What a prepared file begins with.
const MAGIC: &[u8; 16] = b"carecircle city\n";
/// Raised whenever a section changes its form, or what is kept in it is found in another way.
const FORMAT: u32 = 2;
/// Little-endian, as everything in the file; arrays lie there as they do in memory.
const ORDER: u32 = 0x0403_0201;
/// Magic, format, order, the header's length, its checksum.
const PREAMBLE: usize = MAGIC.len() + 16;
/// A header longer than this was written by nobody.
const LONGEST_HEADER: usize = 1 << 20;
/// Sections begin at multiples of this many bytes.
const ALIGNMENT: u64 = 64;

/// Who the map is by, and under which licence.
const ATTRIBUTION: &str = "© OpenStreetMap contributors (ODbL)";

/// Why a prepared file can't be used.
#[derive(Debug, Error)]
pub enum PreparedError {
    /// The file could not be opened or mapped.
    #[error("cannot open the prepared file")]
    Open {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It doesn't begin like one.
    #[error("not a prepared file: carecircle import EXTRACT.osm.pbf -o CITY.carecircle makes one")]
    Foreign,
    /// It was made by another version of the program.
    #[error("prepared by carecircle {by} (format {format}), this is {}: import the extract anew", env!("CARGO_PKG_VERSION"))]
    OtherVersion {
        /// The program's version, where that could be read.
        by: String,
        /// The format's.
        format: u32,
    },
    /// Its numbers, or this machine's, are not little-endian.
    #[error("prepared files are of use on little-endian machines alone: read the extract itself")]
    ByteOrder,
    /// It is shorter or longer than it says.
    #[error("the file has {actual} bytes and should have {expected}: an interrupted copy? Import the extract anew")]
    Length {
        /// The bytes that it should have.
        expected: u64,
        /// The bytes that it has.
        actual: u64,
    },
    /// A checksum is wrong.
    #[error("the file is damaged (wrong checksum: {what}): import the extract anew")]
    Damaged {
        /// What is damaged.
        what: &'static str,
    },
    /// What it holds is of no city, though its checksums are right.
    #[error("the file is not sound: {what}: {why}; import the extract anew")]
    Unsound {
        /// Where.
        what: &'static str,
        /// What was found.
        why: String,
    },
}

/// The sections before the network's arrays, in their order, as they are called in errors.
const SECTIONS: [&str; 11] =
    ["frame", "report", "areas", "facilities", "land", "obstacles", "blocks", "points", "doors", "sites", "premises"];
const FRAME: usize = 0;
const REPORT: usize = 1;
const AREAS: usize = 2;
const FACILITIES: usize = 3;
const LAND: usize = 4;
const OBSTACLES: usize = 5;
const BLOCKS: usize = 6;
const POINTS: usize = 7;
const STARTS: usize = 8;
const SITES: usize = 9;
const PREMISES: usize = 10;
/// How many there are with the arrays.
const ALL_SECTIONS: usize = SECTIONS.len() + ARRAYS.len();

/// What a section is called.
fn called(section: usize) -> &'static str {
    SECTIONS.get(section).or_else(|| ARRAYS.get(section - SECTIONS.len())).copied().unwrap_or_default()
}

/// What a prepared file was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The extract's file name.
    pub name: String,
    /// A fingerprint of the extract's bytes.
    pub fingerprint: u64,
}

/// What a header says besides where sections lie.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The version of the program that wrote it.
    pub program: String,
    /// What it was made of.
    pub source: Source,
    /// What the extract says of itself.
    pub extract: ExtractHeader,
    /// Who the map is by.
    pub attribution: String,
    /// Shorter connected streets than this were set aside, metres.
    pub island_m: f64,
    /// Homes snapped to streets within this, metres.
    pub snap_m: f64,
}

struct Header {
    about: About,
    /// Bytes of the whole file.
    length: u64,
    /// Where each section lies, and its checksum.
    sections: Vec<(Range<u64>, u32)>,
}

fields! {
    Source { name, fingerprint }
    About { program, source, extract, attribution, island_m, snap_m }
    Header { about, length, sections }
}

/// Writes a prepared file: of what it was made, what was read, and the network and study without tables that came of it.
///
/// # Errors
/// Those of `out`.
pub fn write(
    mut out: impl Write,
    source: &Source,
    (extract, report): (&ExtractHeader, &ImportReport),
    places: &Places,
    network: &NetworkReport,
    study: &Study,
) -> io::Result<()> {
    let homes = study.homes();
    let demand = homes.demand();
    let put = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        bytes
    };
    let small: [Vec<u8>; SECTIONS.len()] = [
        put(&|out| {
            study.network().frame().put(out);
            network.put(out);
        }),
        bytes_of(report),
        bytes_of(&places.areas),
        put(&|out| {
            places.extent.put(out);
            places.facilities.put(out);
            places.grounds.put(out);
            places.doors.put(out);
        }),
        put(&|out| {
            places.residential.put(out);
            places.other_use.put(out);
            places.uninhabited.put(out);
            places.buildings.put(out);
        }),
        bytes_of(&places.obstacles),
        put(&|out| {
            put_all(homes.compounds(), out);
            demand.blocks.put(out);
            demand.land_m2_per_resident.put(out);
            demand.allocation.put(out);
            demand.report.put(out);
        }),
        bytes_of(&demand.points),
        put(&|out| put_all(homes.starts(), out)),
        put(&|out| put_all(study.facilities(), out)),
        bytes_of(&places.premises),
    ];
    let arrays = study.network().arrays();
    let sections: Vec<&[u8]> = small.iter().map(Vec::as_slice).chain(arrays).collect();
    let about = About {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        source: source.clone(),
        extract: extract.clone(),
        attribution: ATTRIBUTION.to_owned(),
        island_m: study.network().options().island_m,
        snap_m: study.snap_m(),
    };
    let mut header = Header {
        about,
        length: 0,
        sections: sections.iter().map(|bytes| (0..bytes.len() as u64, crc32fast::hash(bytes))).collect(),
    };
    // All fields have a length of their own, whatever they say.
    let mut end = (PREAMBLE + bytes_of(&header).len()) as u64;
    for (range, _) in &mut header.sections {
        let start = end.next_multiple_of(ALIGNMENT);
        end = start + range.end;
        *range = start..end;
    }
    header.length = end;
    let body = bytes_of(&header);
    let preamble = preamble(&body);
    out.write_all(&preamble)?;
    out.write_all(&body)?;
    let mut at = (preamble.len() + body.len()) as u64;
    for (bytes, (range, _)) in sections.iter().zip(&header.sections) {
        out.write_all(&[0; ALIGNMENT as usize][..(range.start - at) as usize])?;
        out.write_all(bytes)?;
        at = range.end;
    }
    out.flush()
}

/// What stands before a header.
fn preamble(body: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    FORMAT.put(&mut out);
    ORDER.put(&mut out);
    (body.len() as u32).put(&mut out);
    checksum(&out, body).put(&mut out);
    out
}

fn checksum(before: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(before);
    sum.update(body);
    sum.finalize()
}

/// A prepared file, mapped. Its header is sound; its sections are looked at when they are asked for.
pub struct Prepared {
    region: Region,
    header: Header,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("about", &self.header.about).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Maps a file and checks its header. The file must stay as it is while anything that was read of it is in use: to
    /// replace it, put another one in its place, as `import` does.
    ///
    /// # Errors
    /// A file that can't be opened, is none, or was made by another version.
    pub fn open(path: &Path) -> Result<Self, PreparedError> {
        let failed = |source| PreparedError::Open { source };
        // A pipe would be waited for, a device has no length.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(PreparedError::Foreign);
        }
        let file = std::fs::File::open(path).map_err(failed)?;
        Self::of(Arc::new(map(&file).map_err(failed)?))
    }

    /// As [`Prepared::open`], of bytes in memory, which must stand at a multiple of eight.
    ///
    /// # Errors
    /// As [`Prepared::open`].
    pub fn of(region: Region) -> Result<Self, PreparedError> {
        let bytes = (*region).as_ref();
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(PreparedError::Foreign)?;
        let actual = bytes.len() as u64;
        let [format, order, length, sum] =
            <[u32; 4]>::take(&mut rest).ok_or(PreparedError::Length { expected: PREAMBLE as u64, actual })?;
        if order != ORDER || cfg!(target_endian = "big") {
            return Err(PreparedError::ByteOrder);
        }
        if format != FORMAT {
            return Err(PreparedError::OtherVersion { by: "of another version".to_owned(), format });
        }
        let length = length as usize;
        let expected = (PREAMBLE + length) as u64;
        let body = rest.get(..length.min(LONGEST_HEADER)).ok_or(PreparedError::Length { expected, actual })?;
        if checksum(&bytes[..PREAMBLE - 4], body) != sum {
            return Err(PreparedError::Damaged { what: "header" });
        }
        let unsound = |why: &str| PreparedError::Unsound { what: "header", why: why.to_owned() };
        // Who wrote it comes first, whatever else has changed.
        let by = String::take(&mut &*body).ok_or_else(|| unsound("it holds no version"))?;
        if by != env!("CARGO_PKG_VERSION") {
            return Err(PreparedError::OtherVersion { by, format });
        }
        let header: Header = value_of(body).ok_or_else(|| unsound("it breaks off"))?;
        if header.length != actual {
            return Err(PreparedError::Length { expected: header.length, actual });
        }
        let lies = |range: &Range<u64>| {
            range.start <= range.end && range.end <= actual && range.start.is_multiple_of(ALIGNMENT)
        };
        if header.sections.len() != ALL_SECTIONS || !header.sections.iter().all(|(range, _)| lies(range)) {
            return Err(unsound("a section lies outside the file"));
        }
        Ok(Self { region, header })
    }

    /// What the header says.
    pub fn about(&self) -> &About {
        &self.header.about
    }

    /// A section whose checksum is right.
    fn section(&self, section: usize) -> Result<Part, PreparedError> {
        let (range, sum) = &self.header.sections[section];
        let part = Part { region: Arc::clone(&self.region), range: range.start as usize..range.end as usize };
        match part.bytes() {
            Some(bytes) if crc32fast::hash(bytes) == *sum => Ok(part),
            _ => Err(PreparedError::Damaged { what: called(section) }),
        }
    }

    /// The value that a section is.
    fn value<T: Stored>(&self, section: usize) -> Result<T, PreparedError> {
        let part = self.section(section)?;
        let value = part.bytes().and_then(value_of);
        value.ok_or_else(|| PreparedError::Unsound { what: SECTIONS[section], why: "no such values".to_owned() })
    }

    /// What reading the extract found.
    ///
    /// # Errors
    /// A section that is damaged or not sound; so of all that follow.
    pub fn report(&self) -> Result<ImportReport, PreparedError> {
        self.value(REPORT)
    }

    /// The network, and what building it found.
    pub fn network(&self) -> Result<(Network, NetworkReport), PreparedError> {
        let (frame, report): (Frame, NetworkReport) = self.value(FRAME)?;
        let arrays: Vec<Part> =
            (SECTIONS.len()..ALL_SECTIONS).into_par_iter().map(|i| self.section(i)).collect::<Result<_, _>>()?;
        let unsound = |why| PreparedError::Unsound { what: "network", why };
        let arrays = arrays.try_into().map_err(|_| unsound("arrays are missing".to_owned()))?;
        let network = Network::of_arrays(frame, &arrays).map_err(unsound)?;
        Ok((network, report))
    }

    /// The places of the extract; those that tell where people live only with `land`.
    pub fn places(&self, land: bool) -> Result<Places, PreparedError> {
        let (extent, (facilities, (grounds, doors))) = self.value(FACILITIES)?;
        let mut places = Places {
            facilities,
            premises: self.value(PREMISES)?,
            areas: self.areas()?,
            grounds,
            doors,
            obstacles: self.value(OBSTACLES)?,
            extent,
            ..Places::default()
        };
        if land {
            let (other_use, (uninhabited, buildings));
            (places.residential, (other_use, (uninhabited, buildings))) = self.value(LAND)?;
            (places.other_use, places.uninhabited, places.buildings) = (other_use, uninhabited, buildings);
        }
        let shapes = places.residential.iter().map(|area| &area.shape).chain(&places.other_use);
        let mut shapes = shapes.chain(&places.uninhabited).chain(places.grounds.values());
        if shapes.all(is_on_earth) { Ok(places) } else { Err(beyond_the_earth("places")) }
    }

    fn areas(&self) -> Result<Vec<Area>, PreparedError> {
        let areas: Vec<Area> = self.value(AREAS)?;
        if areas.iter().all(|area| is_on_earth(&area.shape)) {
            Ok(areas)
        } else {
            Err(beyond_the_earth(SECTIONS[AREAS]))
        }
    }

    /// Where people live on the network that the file holds, as long as no table says otherwise.
    pub fn homes(&self, network: &Network, areas: usize) -> Result<Homes, PreparedError> {
        let (points, (starts, of_blocks)) =
            rayon::join(|| self.value(POINTS), || rayon::join(|| self.value(STARTS), || self.value(BLOCKS)));
        let (compounds, (blocks, (land_m2_per_resident, (allocation, report)))) = of_blocks?;
        let demand = Demand { blocks, points: points?, land_m2_per_resident, allocation, report };
        let homes = Homes::of_parts(network, areas, (demand, starts?, compounds), self.header.about.snap_m);
        homes.map_err(|why| PreparedError::Unsound { what: SECTIONS[BLOCKS], why: why.to_owned() })
    }

    /// The study of its network without tables.
    pub fn study(&self, network: Network) -> Result<Study, PreparedError> {
        let areas = self.areas()?;
        let homes = self.homes(&network, areas.len())?;
        let rest = (self.value(PREMISES)?, self.value(OBSTACLES)?);
        let study = Study::of_parts(network, areas, homes, self.value(SITES)?, rest);
        study.map_err(|why| PreparedError::Unsound { what: SECTIONS[SITES], why: why.to_owned() })
    }
}

fn is_on_earth(shape: &geo::MultiPolygon<f64>) -> bool {
    shape.coords_iter().all(|at| at.x.abs() <= 180.0 && at.y.abs() <= 90.0)
}

fn beyond_the_earth(what: &'static str) -> PreparedError {
    PreparedError::Unsound { what, why: "a shape lies beyond the earth".to_owned() }
}

/// Maps a file for reading.
#[expect(unsafe_code, reason = "a map is sound as long as nobody changes the file: import replaces files, and says so")]
fn map(file: &std::fs::File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the map is never written to. Another program that changes the file in place breaks what was promised to
    // `Prepared::open`; lengths and indices were checked before, and are checked again on every access.
    unsafe { memmap2::Mmap::map(file) }
}
