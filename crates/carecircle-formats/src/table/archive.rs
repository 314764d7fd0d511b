//! What a zipped workbook unpacks to: refused before memory goes, whatever it declares.

use quick_xml::Reader;
use quick_xml::events::Event;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// A workbook may unpack to so many bytes.
const LARGEST: u64 = 1 << 30;

/// What is kept whole in memory (strings, styles, relations) may be so large.
const LARGEST_KEPT: u64 = 1 << 28;

/// A workbook may have so many parts.
const MOST_PARTS: usize = 10_000;

/// Whether a part is read cell by cell.
fn is_streamed(name: &str) -> bool {
    name.contains("worksheets/") || name == "content.xml"
}

/// Opens an archive after a look at what it declares and at what is really in it; the error says what is wrong.
pub(super) fn check(file: &Path) -> Result<ZipArchive<BufReader<File>>, String> {
    let input = File::open(file).map_err(|e| e.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(input)).map_err(|e| e.to_string())?;
    if archive.len() > MOST_PARTS {
        return Err(format!("it has {} parts, more than {MOST_PARTS}", archive.len()));
    }
    let too_large = || format!("it unpacks to more than {LARGEST} bytes");
    if archive.decompressed_size().is_some_and(|bytes| bytes > u128::from(LARGEST)) {
        return Err(too_large());
    }
    let mut left = LARGEST;
    for i in 0..archive.len() {
        let part = archive.by_index(i).map_err(|e| e.to_string())?;
        // calamine finds parts by any case, and a sheet in whichever part the workbook names.
        let name = part.name().map_err(|e| e.to_string())?.to_lowercase();
        let most = if is_streamed(&name) { left } else { left.min(LARGEST_KEPT) };
        let mut part = BufReader::with_capacity(1 << 16, part.take(most + 1));
        if name.contains("sharedstrings") {
            strings(&mut part)?;
        }
        io::copy(&mut part, &mut io::sink()).map_err(|e| format!("its part {name}: {e}"))?;
        let unpacked = most + 1 - part.into_inner().limit();
        if unpacked > most {
            return Err(if most < left {
                format!("its part {name} unpacks to more than {most} bytes")
            } else {
                too_large()
            });
        }
        left -= unpacked;
    }
    Ok(archive)
}

/// Refuses a promise of more strings than there could be.
fn strings(part: &mut impl BufRead) -> Result<(), String> {
    let mut reader = Reader::from_reader(part);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|e| format!("its strings: {e}"))? {
            Event::Start(e) if e.local_name().as_ref() == "sst" => {
                let count = e.try_get_attribute("uniqueCount").map_err(|e| format!("its strings: {e}"))?;
                let count = count.map_or(0, |count| count.value.trim().parse().unwrap_or(u64::MAX));
                // The shortest string takes five bytes.
                let most = LARGEST_KEPT / 5;
                return if count <= most { Ok(()) } else { Err(format!("it promises {count} strings")) };
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}
