//! The file as a run of blobs: where each lies, and its bytes inflated.
//!
//! osmpbf decodes elements; this module owns what comes before, because a length in the file is only a claim: blobs are
//! found, bounded, inflated and looked through here, and an error names the byte at which the blob begins.

use crate::report::{Bounds, ExtractHeader, ReadError};
use crate::wire::{Fault, Fields, Kinds, Value, push_varint, survey};
use carecircle_core::geometry::LonLat;
use flate2::bufread::ZlibDecoder;
use osmpbf::{BlobReader, PrimitiveBlock};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

/// The format's limits: a header is smaller than 64 KiB, an inflated block smaller than 32 MiB.
const MAX_HEADER: u32 = 64 * 1024;
const MAX_BLOCK: u64 = 32 * 1024 * 1024;
/// What a compressed blob may be larger than the block in it: deflate's own overhead on bytes that don't shrink.
const SLACK: u64 = 64 * 1024;
/// The file's first block names features and a box; a large one is a trap.
const MAX_HEADER_BLOCK: u64 = 1024 * 1024;

const DATA: &str = "OSMData";
const HEADER: &str = "OSMHeader";

/// Where a blob lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Of its frame, for messages.
    offset: u64,
    /// Of its content.
    start: u64,
    length: usize,
}

/// The blobs of a file that hold elements, in order.
#[derive(Debug)]
pub(crate) struct Blobs<S> {
    source: Mutex<S>,
    places: Vec<Place>,
    pub(crate) header: ExtractHeader,
}

impl<S: Read + Seek + Send> Blobs<S> {
    /// Finds all blobs and reads the header; no block of elements is inflated yet.
    pub(crate) fn open(mut source: S) -> Result<Self, ReadError> {
        let io = |offset| move |source| ReadError::Io { offset, source };
        let size = source.seek(SeekFrom::End(0)).map_err(io(0))?;
        let mut blobs = Self { source: Mutex::new(source), places: Vec::new(), header: ExtractHeader::default() };
        let mut offset = 0;
        if size == 0 {
            return Err(ReadError::NotPbf);
        }
        while offset < size {
            let (kind, place) = blobs.frame(offset, size)?;
            match kind.as_slice() {
                kind if kind == HEADER.as_bytes() => {
                    let block = blobs.inflated(place, MAX_HEADER_BLOCK)?;
                    let header = read_header(&block, offset)?;
                    if offset == 0 {
                        blobs.header = header;
                    }
                }
                _ if offset == 0 => return Err(ReadError::NotPbf),
                kind if kind == DATA.as_bytes() => blobs.places.push(place),
                // The format asks readers to pass over what they don't know.
                _ => {}
            }
            offset = place.start + place.length as u64;
        }
        Ok(blobs)
    }

    /// How many blobs hold elements.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where a blob begins in the file.
    pub(crate) fn offset(&self, blob: usize) -> u64 {
        self.places[blob].offset
    }

    /// Bytes of a blob in the file.
    pub(crate) fn bytes(&self, blob: usize) -> u64 {
        self.places[blob].length as u64
    }

    /// The inflated block of a blob, looked through, and the kinds of element in it.
    pub(crate) fn block(&self, blob: usize) -> Result<(Vec<u8>, Kinds), ReadError> {
        let place = self.places[blob];
        let block = self.inflated(place, MAX_BLOCK)?;
        let kinds = survey(&block).map_err(|fault| faulty(place.offset, fault))?;
        Ok((block, kinds))
    }

    /// The frame at `offset`: the blob's type and place.
    fn frame(&self, offset: u64, size: u64) -> Result<(Vec<u8>, Place), ReadError> {
        let not_pbf = |error: ReadError| if offset == 0 { ReadError::NotPbf } else { error };
        let truncated = || ReadError::Truncated { offset };
        if size - offset < 4 {
            return Err(not_pbf(truncated()));
        }
        let mut length = [0; 4];
        self.read_at(offset, &mut length, offset)?;
        let length = u32::from_be_bytes(length);
        if length >= MAX_HEADER {
            return Err(not_pbf(ReadError::TooLarge { offset, what: "blob header", limit: u64::from(MAX_HEADER) }));
        }
        if size - offset - 4 < u64::from(length) {
            return Err(not_pbf(truncated()));
        }
        let mut header = vec![0; length as usize];
        self.read_at(offset + 4, &mut header, offset)?;

        let (mut kind, mut datasize) = (None, None);
        for field in Fields::new(&header) {
            match field.map_err(|fault| not_pbf(faulty(offset, fault)))? {
                (1, Value::Bytes(bytes)) => kind = Some(bytes.to_vec()),
                (3, Value::Varint(value)) => datasize = Some(value),
                _ => {}
            }
        }
        let (Some(kind), Some(datasize)) = (kind, datasize) else {
            return Err(not_pbf(malformed(offset, "a blob header without type or size")));
        };
        if datasize > MAX_BLOCK + SLACK {
            return Err(ReadError::TooLarge { offset, what: "blob", limit: MAX_BLOCK + SLACK });
        }
        let start = offset + 4 + u64::from(length);
        if size - start < datasize {
            return Err(truncated());
        }
        Ok((kind, Place { offset, start, length: datasize as usize }))
    }

    fn read_at(&self, at: u64, out: &mut [u8], offset: u64) -> Result<(), ReadError> {
        // A poisoned lock only means that another thread died between seek and read; this one seeks anew.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(at)).and_then(|_| source.read_exact(out)).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                ReadError::Truncated { offset }
            } else {
                ReadError::Io { offset, source }
            }
        })
    }

    fn inflated(&self, place: Place, limit: u64) -> Result<Vec<u8>, ReadError> {
        let mut blob = vec![0; place.length];
        self.read_at(place.start, &mut blob, place.offset)?;
        inflate(&blob, place.offset, limit)
    }
}

/// The content of a blob; its size must be what the blob declares and stay below `limit`.
fn inflate(blob: &[u8], offset: u64, limit: u64) -> Result<Vec<u8>, ReadError> {
    let too_large = || ReadError::TooLarge { offset, what: "block", limit };
    let (mut content, mut declared) = (None, None);
    for field in Fields::new(blob) {
        let (number, value) = field.map_err(|fault| faulty(offset, fault))?;
        match (number, value) {
            (1 | 3, Value::Bytes(bytes)) => content = Some((number == 3, bytes)),
            (2, Value::Varint(size)) => declared = Some(size),
            (4, Value::Bytes(_)) => return Err(ReadError::UnsupportedCompression { offset, name: "lzma" }),
            (5, Value::Bytes(_)) => return Err(ReadError::UnsupportedCompression { offset, name: "bzip2" }),
            (6, Value::Bytes(_)) => return Err(ReadError::UnsupportedCompression { offset, name: "lz4" }),
            (7, Value::Bytes(_)) => return Err(ReadError::UnsupportedCompression { offset, name: "zstd" }),
            _ => {}
        }
    }
    let Some((compressed, bytes)) = content else { return Err(malformed(offset, "a blob without content")) };
    if declared.is_some_and(|size| size >= limit) {
        return Err(too_large());
    }
    let block = if compressed {
        // The declared size is a claim, but a bounded one.
        let mut block = Vec::with_capacity(declared.unwrap_or(0) as usize);
        ZlibDecoder::new(bytes)
            .take(limit)
            .read_to_end(&mut block)
            .map_err(|_| malformed(offset, "compressed bytes that do not inflate"))?;
        block
    } else {
        bytes.to_vec()
    };
    let actual = block.len() as u64;
    if actual >= limit {
        return Err(too_large());
    }
    match declared {
        Some(declared) if declared != actual => Err(ReadError::WrongSize { offset, declared, actual }),
        _ => Ok(block),
    }
}

/// Decodes the elements of a block that [`survey`] has passed.
pub(crate) fn decode(block: &[u8], offset: u64) -> Result<PrimitiveBlock, ReadError> {
    reframed(DATA, block, offset)?.to_primitiveblock().map_err(|e| undecoded(offset, &e))
}

fn read_header(block: &[u8], offset: u64) -> Result<ExtractHeader, ReadError> {
    let header = reframed(HEADER, block, offset)?.to_headerblock().map_err(|e| undecoded(offset, &e))?;
    let unknown = |feature: &&String| !matches!(feature.as_str(), "OsmSchema-V0.6" | "DenseNodes");
    if let Some(name) = header.required_features().iter().find(unknown) {
        return Err(ReadError::UnsupportedFeature { offset, name: name.clone() });
    }
    let bounds = header.bbox().and_then(|b| {
        Some(Bounds {
            south_west: LonLat::from_degrees(b.left, b.bottom)?,
            north_east: LonLat::from_degrees(b.right, b.top)?,
        })
    });
    Ok(ExtractHeader {
        date: header.osmosis_replication_timestamp(),
        writing_program: header.writing_program().map(str::to_owned),
        bounds,
    })
}

/// A block framed anew as a blob without compression: the one door through which osmpbf takes bytes.
fn reframed(kind: &str, block: &[u8], offset: u64) -> Result<osmpbf::Blob, ReadError> {
    let mut raw = vec![0x0a];
    push_varint(&mut raw, block.len() as u64);
    let mut header = vec![0x0a, kind.len() as u8];
    header.extend_from_slice(kind.as_bytes());
    header.push(0x18);
    push_varint(&mut header, (raw.len() + block.len()) as u64);
    let mut frame = (header.len() as u32).to_be_bytes().to_vec();
    frame.extend(header);
    frame.extend(raw);
    match BlobReader::new(frame.chain(block)).next() {
        Some(Ok(blob)) => Ok(blob),
        Some(Err(e)) => Err(undecoded(offset, &e)),
        None => Err(malformed(offset, "a blob without content")),
    }
}

fn malformed(offset: u64, what: &str) -> ReadError {
    ReadError::Malformed { offset, what: what.to_owned() }
}

fn undecoded(offset: u64, error: &osmpbf::Error) -> ReadError {
    ReadError::Malformed { offset, what: format!("a block that does not decode ({error})") }
}

fn faulty(offset: u64, fault: Fault) -> ReadError {
    match fault {
        Fault::Broken(what) => malformed(offset, what),
        Fault::TooMany { what, limit } => ReadError::TooLarge { offset, what, limit },
    }
}
