//! CSV in the dialects that spreadsheets write.

use super::{Builder, Table, TableError};
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::path::Path;

impl Table {
    /// Reads CSV from bytes; `path` is for messages.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let text = decode(bytes).ok_or_else(|| TableError::Encoding { path: path.to_owned() })?;
        let fail = |source| TableError::Csv { path: path.to_owned(), source };
        // Excel's own hint before the header.
        let stated = text.strip_prefix("sep=").and_then(|rest| rest.bytes().next());
        let mut skip_hint = stated.is_some();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(stated.unwrap_or_else(|| delimiter(&text)))
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut table = Builder::new(path);
        let mut lines = LineCount::default();
        for record in reader.records() {
            let record = record.map_err(fail)?;
            let number = lines.at(&text, record.position().map_or(0, |p| p.byte() as usize));
            if !std::mem::take(&mut skip_hint) {
                table.line(number, &record)?;
            }
        }
        if text.trim().is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        table.finish()
    }
}

/// Counts lines up to where a record starts: the csv crate counts from where the one before it ended, which blank lines
/// and `\r\n` put off by some.
#[derive(Default)]
struct LineCount {
    byte: usize,
    line: usize,
}

impl LineCount {
    fn at(&mut self, text: &str, byte: usize) -> usize {
        let rest = &text.as_bytes()[byte..];
        let start = byte + rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        // Old Mac files end their lines with a carriage return alone.
        let end = if text.contains('\n') { '\n' } else { '\r' };
        self.line += text[self.byte..start].matches(end).count();
        self.byte = start;
        self.line + 1
    }
}

/// Text from bytes: by its byte order mark, else UTF-8, else GB18030 where every byte fits.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        debug_assert!([UTF_8, UTF_16LE, UTF_16BE].contains(&encoding));
        return encoding.decode_without_bom_handling_and_without_replacement(&bytes[length..]).map(Into::into);
    }
    let as_is = |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes);
    as_is(UTF_8).or_else(|| as_is(GB18030)).map(Into::into)
}

/// The delimiter that the header row holds most of, outside quotes.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if !quoted => counts.iter_mut().filter(|(d, _)| *d == byte).for_each(|(_, n)| *n += 1),
            _ => {}
        }
    }
    counts.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(b',', |(d, _)| d)
}
