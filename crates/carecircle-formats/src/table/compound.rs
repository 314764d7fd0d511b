//! What an XLS workbook promises: chains of sectors (MS-CFB) that end, and sheets (MS-XLS) no larger than what they hold.

use super::shapes::Bytes;

const END_OF_CHAIN: u32 = 0xFFFF_FFFE;

/// Sector numbers from here on are none.
const NO_SECTOR: u32 = 0xFFFF_FFFA;

/// The square around a sheet's cells may hold so many for each that is filled, and always so many in all.
const SPREAD: usize = 64;
const ALWAYS: usize = 1 << 22;

/// Refuses a workbook that would take more memory than its cells need, or that never ends; the error says why.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let file = Compound::of(bytes).ok_or_else(|| "its file system is damaged".to_owned())??;
    let book = file.stream("Workbook").or_else(|| file.stream("Book"));
    records(&book.ok_or_else(|| "it holds no workbook".to_owned())?)
}

/// A compound file: sectors in chains.
struct Compound<'a> {
    sectors: &'a [u8],
    size: usize,
    next: Vec<u32>,
    small: Vec<u8>,
    next_small: Vec<u32>,
    /// Name, first sector and length of each stream.
    streams: Vec<(String, u32, usize)>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Bytes(bytes.get(at..)?).array().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Bytes(bytes.get(at..)?).array().map(u32::from_le_bytes)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).filter_map(|n| u32_at(n, 0)).collect()
}

/// A chain of pieces of `size` bytes; `None` where it leads nowhere or round in a circle.
fn chain(pieces: &[u8], size: usize, next: &[u32], mut at: u32) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while at != END_OF_CHAIN {
        let start = (at as usize).checked_mul(size)?;
        let piece = &pieces[start.min(pieces.len())..start.saturating_add(size).min(pieces.len())];
        if piece.is_empty() || out.len() + piece.len() > pieces.len() {
            return None;
        }
        out.extend_from_slice(piece);
        at = *next.get(at as usize)?;
    }
    Some(out)
}

impl<'a> Compound<'a> {
    /// `None` for damage that has no name.
    fn of(bytes: &'a [u8]) -> Option<Result<Self, String>> {
        if !bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            return Some(Err("it doesn't begin like one; is it a workbook of another kind by that name?".to_owned()));
        }
        let size = match u16_at(bytes, 30)? {
            9 => 512,
            12 => 4_096,
            _ => return None,
        };
        let sectors = bytes.get(size..)?;
        // Where the table of next sectors is: 109 numbers in the header, more in a chain of their own.
        let mut tables = numbers(bytes.get(76..512)?);
        let mut more = u32_at(bytes, 68)?;
        let most = sectors.len() / size + 1;
        while more < NO_SECTOR {
            if tables.len() > 109 + most {
                return None;
            }
            let at = (more as usize).checked_mul(size)?;
            tables.extend(numbers(sectors.get(at..at + size)?));
            more = tables.pop()?;
        }
        tables.retain(|&sector| sector < NO_SECTOR);
        if tables.len() > most {
            return None;
        }
        let mut next = Vec::new();
        for sector in tables {
            let at = (sector as usize).checked_mul(size)?;
            next.extend(numbers(sectors.get(at..(at + size).min(sectors.len()))?));
        }
        let directory = chain(sectors, size, &next, u32_at(bytes, 48)?)?;
        let streams: Vec<_> = directory.chunks_exact(128).filter_map(entry).collect();
        let (small, next_small) = if u32_at(bytes, 64)? > 0 {
            let small = chain(sectors, size, &next, streams.first()?.1)?;
            (small, numbers(&chain(sectors, size, &next, u32_at(bytes, 60)?)?))
        } else {
            (Vec::new(), Vec::new())
        };
        Some(Ok(Self { sectors, size, next, small, next_small, streams }))
    }

    fn stream(&self, name: &str) -> Option<Vec<u8>> {
        let (_, first, length) = self.streams.iter().find(|(n, ..)| n.eq_ignore_ascii_case(name))?;
        let mut bytes = if *length < 4_096 {
            chain(&self.small, 64, &self.next_small, *first)?
        } else {
            chain(self.sectors, self.size, &self.next, *first)?
        };
        bytes.truncate(*length);
        Some(bytes)
    }
}

/// Name, first sector and length of an entry of the directory.
fn entry(bytes: &[u8]) -> Option<(String, u32, usize)> {
    let name: Vec<u16> = bytes[..64].chunks_exact(2).filter_map(|c| u16_at(c, 0)).take_while(|&c| c != 0).collect();
    Some((String::from_utf16_lossy(&name), u32_at(bytes, 116)?, u32_at(bytes, 120)? as usize))
}

/// The cells of a sheet: how many, and the box around them.
#[derive(Default)]
struct Extent {
    cells: usize,
    rows: Option<(u16, u16)>,
    columns: Option<(u16, u16)>,
}

impl Extent {
    fn add(&mut self, row: u16, first: u16, last: u16) {
        self.cells += usize::from(last.saturating_sub(first)) + 1;
        let around = |span: Option<(u16, u16)>, low, high| {
            span.map_or(Some((low, high)), |(a, b)| Some((std::cmp::min(a, low), std::cmp::max(b, high))))
        };
        self.rows = around(self.rows, row, row);
        self.columns = around(self.columns, first, last);
    }

    fn check(&self) -> Result<(), String> {
        let span = |span: Option<(u16, u16)>| span.map_or(0, |(a, b)| usize::from(b - a) + 1);
        let square = span(self.rows) * span(self.columns);
        if square > ALWAYS.max(SPREAD * self.cells) {
            return Err(format!(
                "{} cells of a sheet are spread over a square of {square}; save it as XLSX, or delete the far ones",
                self.cells
            ));
        }
        Ok(())
    }
}

/// Goes through the records: type, length, contents.
fn records(book: &[u8]) -> Result<(), String> {
    let mut bytes = Bytes(book);
    let mut extent = Extent::default();
    while let (Some(kind), Some(length)) =
        (bytes.array().map(u16::from_le_bytes), bytes.array().map(u16::from_le_bytes))
    {
        let Some(record) = bytes.take(usize::from(length)) else {
            // What follows the last record may be anything.
            break;
        };
        let (row, column) = (u16_at(record, 0).unwrap_or(0), u16_at(record, 2).unwrap_or(0));
        match kind {
            // A sheet begins.
            0x0809 => std::mem::take(&mut extent).check()?,
            0x0200 => dimensions(record)?,
            0x0203 | 0x0204 | 0x00D6 | 0x0205 | 0x027E | 0x00FD | 0x0006 => extent.add(row, column, column),
            // Several numbers side by side.
            0x00BD => {
                let last = record.len().checked_sub(2).and_then(|at| u16_at(record, at)).unwrap_or(column);
                extent.add(row, column, last.max(column));
            }
            _ => {}
        }
    }
    extent.check()
}

/// The square that a sheet promises: rows and columns, each first and behind the last.
fn dimensions(record: &[u8]) -> Result<(), String> {
    let [top, bottom, left, right] = match record.len() {
        14 => {
            [u32_at(record, 0), u32_at(record, 4), u16_at(record, 8).map(u32::from), u16_at(record, 10).map(u32::from)]
        }
        10 => [0, 2, 4, 6].map(|at| u16_at(record, at).map(u32::from)),
        _ => return Err("a sheet's dimensions are damaged".to_owned()),
    };
    let within = |low: Option<u32>, high: Option<u32>, most| matches!((low, high), (Some(low), Some(high)) if low <= high && high <= most);
    if within(top, bottom, 65_536) && within(left, right, 256) {
        Ok(())
    } else {
        Err("a sheet promises more rows or columns than XLS has".to_owned())
    }
}
