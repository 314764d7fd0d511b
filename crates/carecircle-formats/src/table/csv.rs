//! CSV in the dialects that spreadsheets write.
//!
//! Splits text itself rather than through the csv crate: cells are pieces of the text and not copies, rows know their line,
//! and a quotation mark that never closes is told by the line where it stands.

use super::{Builder, Form, LONGEST_CELL, Lot, Table, TableError};
use crate::out::unguarded;
use encoding_rs::{Encoding, GB18030, UTF_8};
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::Path;

impl Table {
    /// Reads CSV from bytes; `path` is for messages.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let (text, encoding) = decode(path, bytes)?;
        if text.len() > u32::MAX as usize {
            return Err(TableError::TooLarge { path: path.to_owned(), bytes: text.len() as u64 });
        }
        // Excel's own hint before the header.
        let stated = text.strip_prefix("sep=").and_then(|rest| rest.bytes().next());
        let delimiter = stated.filter(u8::is_ascii).unwrap_or_else(|| delimiter(&text));
        let mut table = Builder::new(path);
        let form =
            Form { format: "CSV", encoding: Some(encoding), delimiter: Some(delimiter.into()), ..Form::default() };
        table.form(form);
        let mut lines = Lines { text: &text, at: 0, line: 1, delimiter };
        let fail = |broken: Broken| broken.of(path);
        let mut cells = Vec::new();
        if stated.is_some() {
            lines.record(|_, _, _, _| {}).map_err(fail)?;
        }
        while !table.is_headed() {
            cells.clear();
            let Some(number) = lines.record(|_, _, _, cell| cells.push(cell)).map_err(fail)? else { break };
            if cells.iter().any(|cell| cell.as_bytes().contains(&0)) {
                return Err(Broken::Zero(number).of(path));
            }
            table.line(number, cells.iter().map(|cell| unguarded(cell)))?;
        }
        if text.trim().is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        while lines.at < text.len() && !table.is_refused() {
            for (lot, end) in lines.next_lots() {
                // Where a lot didn't begin where the one before it ended, a cell of several lines stands in between.
                if lot.begin == lines.at {
                    let read = lot.read.map_err(|broken| broken.after(lines.line - 1).of(path))?;
                    table.add_lot(read, lines.line - 1)?;
                    lines = Lines { at: end.at, line: lines.line + end.line - 1, ..lines };
                }
            }
        }
        table.finish()
    }
}

/// About so many bytes are read at once by one thread.
const LOT_BYTES: usize = 1 << 20;

/// Why text is no CSV, and the line where it isn't.
#[derive(Clone, Copy)]
enum Broken {
    OpenQuote(usize),
    Zero(usize),
}

impl Broken {
    fn after(self, lines: usize) -> Self {
        match self {
            Self::OpenQuote(line) => Self::OpenQuote(line + lines),
            Self::Zero(line) => Self::Zero(line + lines),
        }
    }

    fn of(self, path: &Path) -> TableError {
        let path = path.to_owned();
        match self {
            Self::OpenQuote(line) => TableError::OpenQuote { path, line },
            Self::Zero(line) => TableError::Binary { path, line },
        }
    }
}

/// A lot of rows, and the byte where it was taken to begin.
struct ReadLot {
    begin: usize,
    read: Result<Lot, Broken>,
}

/// The records of a text, one after the other.
#[derive(Clone, Copy)]
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    delimiter: u8,
}

impl<'t> Lines<'t> {
    /// Hands the cells of the next record to `take`, with its line, their columns and where they begin, and tells the line;
    /// blank lines are none.
    fn record(&mut self, mut take: impl FnMut(usize, usize, usize, Cow<'t, str>)) -> Result<Option<usize>, Broken> {
        let bytes = self.text.as_bytes();
        while self.line_ends() {}
        if self.at == bytes.len() {
            return Ok(None);
        }
        let line = self.line;
        for column in 0.. {
            let begin = self.at;
            let quoted = bytes.get(begin) == Some(&b'"');
            take(line, column, begin, if quoted { self.quoted()? } else { Cow::Borrowed(self.plain()) });
            if bytes.get(self.at) != Some(&self.delimiter) {
                break;
            }
            self.at += 1;
        }
        self.line_ends();
        Ok(Some(line))
    }

    /// The next lots of rows, read on all threads, each with where it ends and its number of lines. The first begins where
    /// these lines stand; the others behind the end of some line, which may lie inside a cell.
    fn next_lots(self) -> Vec<(ReadLot, Self)> {
        let bytes = self.text.as_bytes();
        let mut begins = vec![self.at];
        while begins.len() <= 2 * rayon::current_num_threads() {
            let from = begins[begins.len() - 1] + LOT_BYTES;
            let end = bytes.get(from..).and_then(|rest| rest.iter().position(|b| matches!(b, b'\n' | b'\r')));
            let Some(end) = end else {
                begins.push(bytes.len());
                break;
            };
            begins.push(from + end + 1);
        }
        let read = |range: &[usize]| {
            let mut lines = Lines { at: range[0], line: 1, ..self };
            (ReadLot { begin: range[0], read: lines.lot(range[1]) }, lines)
        };
        begins.par_windows(2).map(read).collect()
    }

    /// The records up to the first that begins at `end` or behind it.
    fn lot(&mut self, end: usize) -> Result<Lot, Broken> {
        let (begin, whole) = (self.at, self.text);
        let text = &whole[begin..];
        let mut lot = Lot::with_room(end - begin);
        // A row is begun with its first cell: its line is known by then.
        while self.at < end {
            let record = self.record(|line, column, at, cell| {
                if column == 0 {
                    lot.row(line, at - begin);
                }
                let within = matches!(cell, Cow::Borrowed(_)).then_some(text);
                lot.cell(column, unguarded(&cell), within);
            })?;
            if record.is_none() {
                break;
            }
        }
        let text = &whole[begin..self.at];
        // Looking for where it is takes longer than whether it is.
        if text.as_bytes().contains(&0) {
            let before = text.split('\0').next().unwrap_or_default();
            return Err(Broken::Zero(line_breaks(before.as_bytes()) + 1));
        }
        text.clone_into(&mut lot.part.text);
        Ok(lot)
    }

    /// Steps over the end of a line, if one is there.
    fn line_ends(&mut self) -> bool {
        let length = match self.text.as_bytes()[self.at..] {
            [b'\r', b'\n', ..] => 2,
            // Old Mac files end their lines with a carriage return alone.
            [b'\n' | b'\r', ..] => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    /// Text up to where the cell ends.
    fn plain(&mut self) -> &'t str {
        let rest = &self.text.as_bytes()[self.at..];
        let delimiter = self.delimiter;
        let length = rest.iter().position(|&b| b == delimiter || b == b'\n' || b == b'\r').unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        &self.text[start..self.at]
    }

    /// A cell in quotation marks, two of which stand for one; text behind the last belongs to it. Borrowed, it is a piece of
    /// the text.
    fn quoted(&mut self) -> Result<Cow<'t, str>, Broken> {
        let (begin, opened) = (self.at, self.line);
        let fail = || Broken::OpenQuote(opened);
        let mut out = Cow::Borrowed("");
        loop {
            self.at += 1;
            let rest = &self.text.as_bytes()[self.at..];
            // Where no cell can end any more, there is no use in looking on.
            let rest = &rest[..rest.len().min((begin + 2 * LONGEST_CELL).saturating_sub(self.at))];
            let piece = &self.text[self.at..][..rest.iter().position(|b| *b == b'"').ok_or_else(fail)?];
            out += piece;
            self.at += piece.len() + 1;
            self.line += line_breaks(piece.as_bytes());
            if self.text.as_bytes().get(self.at) != Some(&b'"') {
                break;
            }
            out += &self.text[self.at..=self.at];
        }
        let behind = self.plain();
        // Where other text follows a cell of several lines, a mark that was meant to open the next cell has closed this one.
        if self.line > opened && !behind.trim().is_empty() {
            return Err(fail());
        }
        out += behind;
        Ok(out)
    }
}

fn line_breaks(text: &[u8]) -> usize {
    let ends = |i: usize| text[i] == b'\n' || text[i] == b'\r' && text.get(i + 1) != Some(&b'\n');
    (0..text.len()).filter(|&i| ends(i)).count()
}

/// The line in which a byte stands.
fn line_at(bytes: &[u8], at: usize) -> usize {
    line_breaks(&bytes[..at]) + 1
}

/// Text from bytes, and its encoding: by its byte order mark, else UTF-8, else GB18030 where every byte fits.
pub(super) fn decode<'b>(path: &Path, bytes: &'b [u8]) -> Result<(Cow<'b, str>, &'static str), TableError> {
    let fail = |line: usize| TableError::Encoding { path: path.to_owned(), line };
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let body = &bytes[length..];
        let text = encoding.decode_without_bom_handling_and_without_replacement(body);
        return text.map(|text| (text, encoding.name())).ok_or_else(|| {
            let (text, _) = encoding.decode_without_bom_handling(body);
            fail(line_at(text.as_bytes(), text.find('\u{fffd}').unwrap_or(0)))
        });
    }
    let as_is = |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes);
    if let Some(text) = as_is(UTF_8) {
        return Ok((text, "UTF-8"));
    }
    // Nearly every pair of bytes is a character of GB18030, so that a line of UTF-8 in it goes unnoticed unless looked for:
    // with two characters of three bytes each, for no text in GB18030 looks like that by chance.
    let lines = || bytes.split(|b| *b == b'\n').enumerate();
    let is_utf8 = |line: &[u8]| {
        !line.is_ascii()
            && std::str::from_utf8(line).is_ok_and(|text| text.chars().filter(|c| *c >= '\u{800}').count() > 1)
    };
    let text = as_is(GB18030);
    let mixed = bytes.par_split(|b| *b == b'\n').any(is_utf8);
    if let Some(text) = text.filter(|_| !mixed) {
        return Ok((text, "GB18030"));
    }
    let gb = |line: &[u8]| GB18030.decode_without_bom_handling_and_without_replacement(line).is_some();
    let (mut first_utf8, mut first_gb) = (None, None);
    for (i, line) in lines() {
        if std::str::from_utf8(line).is_err() {
            if !gb(line) {
                return Err(fail(i + 1));
            }
            first_gb = first_gb.or(Some(i + 1));
        } else if is_utf8(line) {
            first_utf8 = first_utf8.or(Some(i + 1));
        }
    }
    let (utf8, gb) = (first_utf8.unwrap_or(1), first_gb.unwrap_or(1));
    Err(if mixed {
        TableError::MixedEncodings { path: path.to_owned(), line: utf8.max(gb), first: utf8.min(gb) }
    } else {
        fail(gb)
    })
}

/// The delimiter that most of the first lines hold, and most often, outside quotes.
fn delimiter(text: &str) -> u8 {
    const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut quoted = false;
    let mut lines = vec![[0_usize; 4]];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && lines.last().is_some_and(|counts| *counts != [0; 4]) => {
                if lines.len() == super::header::MOST_HEAD_LINES {
                    break;
                }
                lines.push([0; 4]);
            }
            _ if !quoted => {
                if let (Some(at), Some(line)) = (CANDIDATES.iter().position(|c| *c == byte), lines.last_mut()) {
                    line[at] += 1;
                }
            }
            _ => {}
        }
    }
    let score = |at: usize| {
        let counts = lines.iter().map(|line| line[at]);
        (counts.clone().filter(|n| *n > 0).count(), counts.sum::<usize>())
    };
    let best = (0..4).reduce(|a, b| if score(b) > score(a) { b } else { a });
    CANDIDATES[best.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn ours(text: &str) -> Vec<Vec<String>> {
        let mut lines = Lines { text, at: 0, line: 1, delimiter: b',' };
        let mut out = Vec::new();
        loop {
            let mut cells = Vec::new();
            match lines.record(|_, _, _, cell| cells.push(cell.into_owned())) {
                Ok(Some(_)) => out.push(cells),
                Ok(None) => return out,
                Err(broken) => panic!("{}", broken.of(Path::new("t.csv"))),
            }
        }
    }

    #[test]
    fn lots_of_rows_join_where_cells_have_several_lines() {
        let (mut text, mut line) = ("id,note,lon,lat\n".to_owned(), 2);
        let mut expected = Vec::new();
        while text.len() < 5 * LOT_BYTES {
            expected.push((line, line % 5));
            // Quoted lines that look like rows, up to some way beyond a lot.
            let inner = if line % 997 == 0 { "x,y,1,2\n".repeat(20_000) } else { "a,b\r\n".repeat(line % 5) };
            writeln!(text, "{line},\"{inner}\",1,2\n").unwrap();
            line += inner.matches('\n').count() + 2;
        }
        let table = Table::from_csv(Path::new("t.csv"), text.as_bytes()).unwrap();
        assert_eq!(table.columns, ["id", "note", "lon", "lat"]);
        let found: Vec<usize> = table.rows().map(crate::table::Row::number).collect();
        assert_eq!(found, expected.iter().map(|(line, _)| *line).collect::<Vec<_>>());
        for row in table.rows() {
            assert_eq!(row.cells().next(), Some((0, row.number().to_string().as_str())));
        }
        let torn = text + "9,\"";
        let error = Table::from_csv(Path::new("t.csv"), torn.as_bytes()).unwrap_err();
        assert!(matches!(error, TableError::OpenQuote { line: at, .. } if at == line), "{error} {line}");
    }

    #[test]
    fn cells_come_back_wherever_their_text_stands() {
        let long = [1_023, 1_024, 70_000].map(|length| "托".repeat(length));
        let text = format!(
            "a,b,c,d,e,f,g,h,i\n1,\"\"\"\",\"  x \",,,,,\"a\"\"b\",z\n,,,,,,,,{}\n\"\"q,{},\"\"\"\"\"\",\"{}\",2\n",
            long[0], long[1], long[2]
        );
        let table = Table::from_csv(Path::new("t.csv"), text.as_bytes()).unwrap();
        let rows: Vec<Vec<(usize, &str)>> = table.rows().map(|row| row.cells().collect()).collect();
        assert_eq!(rows[0], [(0, "1"), (1, "\""), (2, "x"), (7, "a\"b"), (8, "z")]);
        assert_eq!(rows[1], [(8, &*long[0])]);
        assert_eq!(rows[2], [(0, "q"), (1, &*long[1]), (2, "\"\""), (3, &*long[2]), (4, "2")]);
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(records in proptest::collection::vec(
            proptest::collection::vec("[a, \"\r\n托']{0,5}", 2..5), 0..6), crlf in any::<bool>()) {
            let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(end).flexible(true).from_writer(Vec::new());
            for record in &records {
                writer.write_record(record).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let theirs: Vec<Vec<String>> = csv::ReaderBuilder::new().has_headers(false).flexible(true)
                .from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect();
            prop_assert_eq!(&ours(&text), &theirs);
            prop_assert_eq!(theirs, records);
        }

        #[test]
        fn no_text_hangs_or_panics(text in "[a,;\"\r\n\t托\u{feff}0-9=-]{0,40}") {
            _ = Table::from_csv(Path::new("t.csv"), text.as_bytes());
        }

        #[test]
        fn no_bytes_hang_or_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            _ = Table::from_csv(Path::new("t.csv"), &bytes);
        }
    }
}
