//! Cells of CSV: quoted as RFC 4180 has it, and text that a spreadsheet would run as a formula put behind an apostrophe.

use crate::values;
use std::borrow::Cow;

/// A spreadsheet takes a cell for a formula that begins with one of these (OWASP, "CSV Injection"); in East Asia with their
/// full-width twins too.
const SIGNS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A text as a cell of CSV says it: one that a spreadsheet would run goes behind an apostrophe, which [`unguarded`] takes
/// off again. Numbers stay as they are, and so do dashes alone.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let bare = text.trim_start_matches('\'');
    // An apostrophe that stood there before must not be taken off instead.
    let is_guarded = || bare.len() < text.len();
    let may_run = || text.chars().any(char::is_alphanumeric) && values::number(text).is_none();
    if bare.starts_with(SIGNS) && (is_guarded() || may_run()) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What a cell of CSV says, without the apostrophe of [`guarded`].
pub(crate) fn unguarded(cell: &str) -> &str {
    let rest = cell.strip_prefix('\'').filter(|rest| rest.trim_start_matches('\'').starts_with(SIGNS));
    rest.unwrap_or(cell)
}

/// A text as a whole cell of a CSV line: guarded, and in quotation marks where it needs them.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let text = guarded(text);
    if text.contains(['"', ',', '\r', '\n']) { Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_guarded_and_numbers_are_not() {
        for text in
            ["=1+1", "+1-416-555-0199", "-2+3", "@SUM(A1)", "\tcmd", "\r=1", "＝1", "=\"a\"", "-a", "-inf", "-5%"]
        {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["-3.5", "+7", "-1,234", "-1e5", "-", "--", "+", "", "a=1", "苗-1", "'quoted'", "1-2", "7"] {
            assert_eq!(guarded(text), text);
        }
        assert_eq!(csv_cell("=HYPERLINK(\"a\",1)"), "\"'=HYPERLINK(\"\"a\"\",1)\"");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@\t\r\n＝a苗0-9.-]{0,8}") {
            let cell = guarded(&text);
            prop_assert_eq!(unguarded(&cell), &*text);
        }

        #[test]
        fn no_cell_runs(text in "['=+@\t\r\n＝a苗0-9.\" ,-]{0,8}") {
            let cell = guarded(&text);
            let runs = cell.starts_with(SIGNS) && cell.chars().any(char::is_alphanumeric);
            prop_assert!(!runs || values::number(&cell).is_some(), "{:?}", cell);
        }
    }
}
