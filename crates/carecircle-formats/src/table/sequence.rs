//! GeoJSON text sequences: a feature for each line, or for each record behind a record separator (RFC 8142).

use super::geojson::add_feature;
use super::{Builder, Form, Remark, Table, TableError};
use crate::remark;
use serde_json::Value;
use std::path::Path;

/// The record separator.
const SEPARATOR: u8 = 0x1E;

/// Reads a text sequence; rows are numbered by the lines that they begin in.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let end = if bytes.contains(&SEPARATOR) { SEPARATOR } else { b'\n' };
    let mut table = Builder::new(path);
    table.form(Form { format: "GeoJSON text sequence", ..Form::default() });
    let mut line = 1;
    for record in bytes.split(|&byte| byte == end) {
        let blank = record.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let lines = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').count() - 1;
        let number = line + lines(&record[..blank]);
        line += lines(record) + usize::from(end == b'\n');
        if blank == record.len() {
            continue;
        }
        let fail = |why: Remark| TableError::GeoJson {
            path: path.to_owned(),
            why: remark!("line {number}: {}", "第 {number} 行：{}"; why),
        };
        let feature: Value = serde_json::from_slice(record).map_err(|e| fail(Remark::same(e.to_string())))?;
        match feature.get("type").and_then(Value::as_str) {
            Some("Feature") => add_feature(&mut table, number, &feature)?,
            other => {
                let found = other.map_or("nothing of that kind".to_owned(), |t| format!("`{t}`"));
                return Err(fail(remark!("a Feature was expected, found {found}", "应为 Feature，实为 {found}")));
            }
        }
        if table.is_refused() {
            break;
        }
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_records_read_the_same_and_name_the_bad_one() {
        let feature = |id: u32| format!("{{\"type\":\"Feature\",\"properties\":{{\"id\":{id}}},\"geometry\":null}}\n");
        let lines = format!("{}\r\n{}", feature(1), feature(2));
        let records = format!("\x1e{}\x1e\n{}", feature(1), feature(2));
        let [lines, records] = [lines, records].map(|text| read(Path::new("t.geojsonl"), text.as_bytes()).unwrap());
        assert_eq!(lines, records);
        assert_eq!(lines.rows().map(super::super::Row::number).collect::<Vec<_>>(), [1, 3]);
        let bad = format!("{}{{\n", feature(1));
        let error = read(Path::new("t.geojsonl"), bad.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let error = read(Path::new("t.geojsonl"), b"[1]").unwrap_err().to_string();
        assert!(error.contains("a Feature was expected"), "{error}");
    }
}
