//! CSV in the dialects that spreadsheets write.
//!
//! Splits text itself rather than through the csv crate: cells are pieces of the text and not copies, rows know their line,
//! and a quotation mark that never closes is told by the line where it stands.

use super::{Builder, Form, Table, TableError};
use encoding_rs::{Encoding, GB18030};
use std::borrow::Cow;
use std::path::Path;

impl Table {
    /// Reads CSV from bytes; `path` is for messages.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let (text, encoding) = decode(path, bytes)?;
        if let Some(at) = text.bytes().position(|b| b == 0) {
            return Err(TableError::Binary { path: path.to_owned(), line: line_at(text.as_bytes(), at) });
        }
        // Excel's own hint before the header.
        let stated = text.strip_prefix("sep=").and_then(|rest| rest.bytes().next());
        let delimiter = stated.filter(u8::is_ascii).unwrap_or_else(|| delimiter(&text));
        let mut lines = Lines { text: &text, at: 0, line: 1, delimiter };
        let mut table = Builder::new(path);
        let form =
            Form { format: "CSV", encoding: Some(encoding), delimiter: Some(delimiter.into()), ..Form::default() };
        table.form(form);
        table.expect_text(text.len(), text.len() / 8);
        let mut cells = Vec::new();
        let mut skip_hint = stated.is_some();
        while let Some(number) = lines.record(path, &mut cells)? {
            if !std::mem::take(&mut skip_hint) {
                table.line(number, cells.iter().map(|cell| &**cell))?;
            }
            if table.is_refused() {
                break;
            }
        }
        if text.trim().is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        table.finish()
    }
}

/// The records of a text, one after the other.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    delimiter: u8,
}

impl<'t> Lines<'t> {
    /// Puts the next record into `cells` and tells its line; blank lines are none.
    fn record(&mut self, path: &Path, cells: &mut Vec<Cow<'t, str>>) -> Result<Option<usize>, TableError> {
        cells.clear();
        let bytes = self.text.as_bytes();
        while self.line_ends() {}
        if self.at == bytes.len() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            let quoted = bytes.get(self.at) == Some(&b'"');
            let cell = if quoted { self.quoted(path)? } else { Cow::Borrowed(self.plain()) };
            cells.push(cell);
            if bytes.get(self.at) == Some(&self.delimiter) {
                self.at += 1;
            } else {
                self.line_ends();
                return Ok(Some(line));
            }
        }
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

    /// A cell in quotation marks, two of which stand for one; text behind the last belongs to it.
    fn quoted(&mut self, path: &Path) -> Result<Cow<'t, str>, TableError> {
        let opened = self.line;
        let fail = || TableError::OpenQuote { path: path.to_owned(), line: opened };
        let mut out = Cow::Borrowed("");
        loop {
            self.at += 1;
            let rest = &self.text[self.at..];
            let piece = &rest[..rest.find('"').ok_or_else(fail)?];
            out += piece;
            self.at += piece.len() + 1;
            self.line += line_breaks(piece.as_bytes());
            if self.text.as_bytes().get(self.at) != Some(&b'"') {
                break;
            }
            out += "\"";
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
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((Cow::Borrowed(text), "UTF-8"));
    }
    // Nearly every pair of bytes is a character of GB18030, so that a line of UTF-8 in it goes unnoticed unless looked for.
    let gb = |line: &'_ [u8]| GB18030.decode_without_bom_handling_and_without_replacement(line).is_some();
    let (mut first_utf8, mut first_gb) = (None, None);
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        match std::str::from_utf8(line) {
            // Two of three bytes each: no text in GB18030 looks like that by chance.
            Ok(text) if text.chars().filter(|c| *c >= '\u{800}').count() > 1 => first_utf8 = first_utf8.or(Some(i + 1)),
            Ok(_) => {}
            Err(_) if gb(line) => first_gb = first_gb.or(Some(i + 1)),
            Err(_) => return Err(fail(i + 1)),
        }
    }
    if let (Some(utf8), Some(gb)) = (first_utf8, first_gb) {
        return Err(TableError::MixedEncodings { path: path.to_owned(), line: utf8.max(gb), first: utf8.min(gb) });
    }
    let text = GB18030.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(|text| (text, "GB18030")).ok_or_else(|| fail(first_gb.unwrap_or(1)))
}

/// The delimiter that most of the first lines hold, and most often, outside quotes.
fn delimiter(text: &str) -> u8 {
    const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut quoted = false;
    let mut lines = vec![[0_usize; 4]];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => {
                if lines.last().is_some_and(|counts| *counts != [0; 4]) {
                    if lines.len() == super::MOST_HEAD_LINES {
                        break;
                    }
                    lines.push([0; 4]);
                }
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

    fn ours(text: &str) -> Vec<Vec<String>> {
        let mut lines = Lines { text, at: 0, line: 1, delimiter: b',' };
        let (mut cells, mut out) = (Vec::new(), Vec::new());
        while lines.record(Path::new("t.csv"), &mut cells).unwrap().is_some() {
            out.push(cells.iter().map(|cell| cell.to_string()).collect());
        }
        out
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(records in proptest::collection::vec(
            proptest::collection::vec("[a, \"\r\n托']{0,5}", 2..5), 0..6), crlf in any::<bool>()) {
            let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(end).flexible(true).from_writer(Vec::new());
            records.iter().for_each(|record| writer.write_record(record).unwrap());
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
