//! Tables in: CSV in the dialects that spreadsheets write, and GeoJSON; rows with cells by column name.
//!
//! Owns files, encodings, delimiters and where a row came from. What the columns mean is [`crate::columns`]' business.

use crate::crs::Crs;
use carecircle_core::geometry::LonLatShape;
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tables with more columns than this are refused: they are no registers.
pub const MOST_COLUMNS: usize = 1_000;

/// Tables larger than this are refused: they are no registers.
pub const LARGEST_FILE: u64 = 1 << 30;

/// Why a table can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file can't be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{} has {bytes} bytes; a table may have {LARGEST_FILE} at most", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The ending of the file's name is none that is read.
    #[error("{}: tables are read from .csv, .tsv, .txt, .geojson and .json", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Text that is neither UTF-8 nor GB18030.
    #[error("{}: the text is neither UTF-8, UTF-16 nor GB18030; save it as \"CSV UTF-8\"", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
    /// The table has too many columns.
    #[error("{}: more than {MOST_COLUMNS} columns", path.display())]
    TooManyColumns {
        /// The file.
        path: PathBuf,
    },
    /// There is no header row.
    #[error("{}: the table is empty; its first row must name the columns", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There are no rows where some are needed.
    #[error("{}: the table has no row; one for each {wanted}, with id, lon and lat, was expected", path.display())]
    NoRow {
        /// The file.
        path: PathBuf,
        /// What each row stands for.
        wanted: &'static str,
    },
    /// CSV that can't be split into rows.
    #[error("{}: not a CSV table", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// GeoJSON that is none.
    #[error("{}: not GeoJSON: {why}", path.display())]
    GeoJson {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A column that every row needs is missing.
    #[error("{}: no column {wanted}; found {found}. Name it with --columns {example}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        wanted: &'static str,
        /// The columns that there are.
        found: String,
        /// A mapping that would help.
        example: &'static str,
    },
}

/// Where a row is, as its table gives it, in the table's coordinate system.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// East and north; in degrees longitude and latitude.
    Point(f64, f64),
    /// One polygon or several.
    Shape(LonLatShape),
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    table: &'a Table,
    index: usize,
}

impl<'a> Row<'a> {
    /// Its number as a person counts: the line in a spreadsheet (the header is 1), or the feature's place from 1.
    pub fn number(self) -> usize {
        self.table.rows[self.index].number
    }

    /// Its cells that aren't empty, each with its column: a table may have more columns than a row has cells.
    pub fn cells(self) -> impl Iterator<Item = (usize, &'a str)> {
        let Table { rows, cells, text, .. } = self.table;
        let end = rows.get(self.index + 1).map_or(cells.len(), |next| next.first_cell);
        let first = rows[self.index].first_cell;
        (first..end).map(move |i| {
            let start = if i == 0 { 0 } else { cells[i - 1].text_end };
            (cells[i].column as usize, &text[start..cells[i].text_end])
        })
    }

    /// Its geometry, where the format has one; the error where there is one that is no point or polygon.
    pub fn geometry(self) -> Option<&'a Result<Geometry, String>> {
        self.table.rows[self.index].geometry.as_ref()
    }
}

/// Where a row's cells begin.
#[derive(Clone, Debug, PartialEq)]
struct RowHead {
    number: usize,
    first_cell: usize,
    geometry: Option<Result<Geometry, String>>,
}

/// A cell that isn't empty; its text begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    column: u32,
    text_end: usize,
}

/// A table as read. All cells stand in one text: a register of a million rows is four allocations.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The coordinate system that the file itself states.
    pub crs: Option<Crs>,
    rows: Vec<RowHead>,
    cells: Vec<Cell>,
    text: String,
}

/// A table in the making, column by column and row by row, as a file gives them.
pub struct Builder {
    table: Table,
    known: BTreeMap<String, usize>,
}

impl Builder {
    /// A table without a column; `path` is for messages.
    pub fn new(path: &Path) -> Self {
        let (columns, rows, cells, text) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        let table = Table { path: path.to_owned(), columns, crs: None, rows, cells, text };
        Self { table, known: BTreeMap::new() }
    }

    /// The coordinate system that the file states.
    pub fn crs(&mut self, crs: Crs) {
        self.table.crs = Some(crs);
    }

    /// The column of that name, a new one where there was none.
    pub fn column(&mut self, name: &str) -> Result<usize, TableError> {
        if let Some(&at) = self.known.get(name) {
            return Ok(at);
        }
        let at = self.add_column(name)?;
        self.known.insert(name.to_owned(), at);
        Ok(at)
    }

    /// A column behind the others, whatever its name.
    pub fn add_column(&mut self, name: &str) -> Result<usize, TableError> {
        if self.table.columns.len() == MOST_COLUMNS {
            return Err(TableError::TooManyColumns { path: self.table.path.clone() });
        }
        self.table.columns.push(name.trim().to_owned());
        Ok(self.table.columns.len() - 1)
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.table.columns.len()
    }

    /// The next row; its cells and its geometry follow.
    pub fn row(&mut self, number: usize) {
        self.table.rows.push(RowHead { number, first_cell: self.table.cells.len(), geometry: None });
    }

    /// A cell of the row, each column at most once; blanks around it and empty ones don't count.
    pub fn cell(&mut self, column: usize, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.table.text.push_str(text);
            self.table.cells.push(Cell { column: column as u32, text_end: self.table.text.len() });
        }
    }

    /// The row's geometry, in the table's coordinate system.
    pub fn geometry(&mut self, geometry: Result<Geometry, String>) {
        if let Some(row) = self.table.rows.last_mut() {
            row.geometry = Some(geometry);
        }
    }

    /// Takes the row back where it has neither a cell nor a geometry.
    pub fn drop_row_if_empty(&mut self) {
        let cells = self.table.cells.len();
        if self.table.rows.last().is_some_and(|row| row.first_cell == cells && row.geometry.is_none()) {
            self.table.rows.pop();
        }
    }

    /// The table.
    pub fn finish(self) -> Table {
        self.table
    }
}

impl Table {
    /// Reads a table; the format follows the file's name.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let io = |source| TableError::Io { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > LARGEST_FILE {
            return Err(TableError::TooLarge { path: path.to_owned(), bytes });
        }
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        match ending.as_str() {
            "csv" | "tsv" | "txt" => Self::from_csv(path, &std::fs::read(path).map_err(io)?),
            "geojson" | "json" => Self::from_geojson(path, &std::fs::read(path).map_err(io)?),
            _ => Err(TableError::UnknownFormat { path: path.to_owned() }),
        }
    }

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
            if std::mem::take(&mut skip_hint) {
                continue;
            }
            if table.columns() == 0 {
                record.iter().try_for_each(|name| table.add_column(name).map(|_| ()))?;
                continue;
            }
            // Cells beyond the header are kept, under a name of their own.
            for i in table.columns()..record.len() {
                table.add_column(&format!("column_{}", i + 1))?;
            }
            table.row(number);
            record.iter().enumerate().for_each(|(i, cell)| table.cell(i, cell));
            table.drop_row_if_empty();
        }
        let table = table.finish();
        if table.columns.iter().all(String::is_empty) {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        Ok(table)
    }

    /// Reads a GeoJSON FeatureCollection (or one Feature) from bytes; `path` is for messages.
    pub fn from_geojson(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let fail = |why: String| TableError::GeoJson { path: path.to_owned(), why };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut root: Value = serde_json::from_slice(bytes).map_err(|e| fail(e.to_string()))?;
        let features = match root.get("type").and_then(Value::as_str) {
            Some("FeatureCollection") => match root.get_mut("features").map(Value::take) {
                Some(Value::Array(features)) => features,
                _ => return Err(fail("the FeatureCollection has no array `features`".to_owned())),
            },
            Some("Feature") => vec![root],
            other => {
                let found = other.map_or("nothing of that kind".to_owned(), |t| format!("`{t}`"));
                return Err(fail(format!("a FeatureCollection was expected, found {found}")));
            }
        };
        let mut table = Builder::new(path);
        for (i, feature) in features.iter().enumerate() {
            table.row(i + 1);
            let properties = feature.get("properties").and_then(Value::as_object);
            // A property `id` says more than the feature's own, which some programs count up.
            let own_id =
                feature.get("id").filter(|_| properties.is_none_or(|p| p.get("id").is_none_or(Value::is_null)));
            let cells = own_id.map(|id| ("id", id)).into_iter();
            for (name, value) in
                cells.chain(properties.into_iter().flatten().map(|(name, value)| (name.as_str(), value)))
            {
                let column = table.column(name)?;
                table.cell(column, &cell_text(value));
            }
            if let Some(given) = feature.get("geometry").filter(|g| !g.is_null()) {
                table.geometry(geometry(given));
            }
        }
        Ok(table.finish())
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| Row { table: self, index })
    }

    /// Refuses a table of places without a row; `wanted` is what each row stands for.
    pub fn require_rows(&self, wanted: &'static str) -> Result<(), TableError> {
        if self.rows.is_empty() {
            return Err(TableError::NoRow { path: self.path.clone(), wanted });
        }
        Ok(())
    }

    /// The name that messages call the file by.
    pub fn name(&self) -> String {
        file_name(&self.path)
    }
}

/// What people call a file: its name without the folders.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
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

/// A JSON value as the text of a cell.
fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            // 7.0 is seven: an id that went through a spreadsheet.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Text from bytes: by its byte order mark, else UTF-8, else GB18030 where every byte fits.
fn decode(bytes: &[u8]) -> Option<String> {
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

/// A GeoJSON geometry that a row may have.
fn geometry(value: &Value) -> Result<Geometry, String> {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("none");
    let coordinates = value.get("coordinates").unwrap_or(&Value::Null);
    match kind {
        "Point" => position(coordinates).map(|c| Geometry::Point(c.x, c.y)),
        "Polygon" => polygon(coordinates).map(|p| Geometry::Shape(MultiPolygon(vec![p]))),
        "MultiPolygon" => {
            let polygons: Result<Vec<_>, _> = items(coordinates)?.iter().map(polygon).collect();
            polygons.map(|p| Geometry::Shape(MultiPolygon(p)))
        }
        other => Err(format!("its geometry is `{other}`; a Point, Polygon or MultiPolygon is wanted")),
    }
}

fn items(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| "its coordinates are no array".to_owned())
}

fn position(value: &Value) -> Result<Coord<f64>, String> {
    match items(value)?.as_slice() {
        [x, y, ..] => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) if (-180.0..=180.0).contains(&x) && (-90.0..=90.0).contains(&y) => Ok(Coord { x, y }),
            (Some(x), Some(y)) => Err(format!("{x}, {y} is no longitude and latitude in degrees")),
            _ => Err("a coordinate is no number".to_owned()),
        },
        _ => Err("a position has fewer than two numbers".to_owned()),
    }
}

fn polygon(value: &Value) -> Result<Polygon<f64>, String> {
    let ring = |value: &Value| -> Result<LineString<f64>, String> {
        let places: Result<Vec<_>, _> = items(value)?.iter().map(position).collect();
        let places = places?;
        if places.len() < 4 || places.first() != places.last() {
            return Err("a ring of its polygon is not closed, or has fewer than four positions".to_owned());
        }
        Ok(LineString(places))
    };
    let mut rings: Vec<_> = items(value)?.iter().map(ring).collect::<Result<_, _>>()?;
    if rings.is_empty() {
        return Err("its polygon has no ring".to_owned());
    }
    let exterior = rings.remove(0);
    Ok(Polygon::new(exterior, rings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(bytes: &[u8]) -> Table {
        Table::from_csv(Path::new("t.csv"), bytes).unwrap()
    }

    fn cells(table: &Table, row: usize) -> Vec<(usize, &str)> {
        table.rows().nth(row).unwrap().cells().collect()
    }

    #[test]
    fn spreadsheets_dialects_all_read_the_same() {
        let plain = csv("名称,lon\n幼苗,116.3\n".as_bytes());
        let (gb, _, _) = GB18030.encode("名称,lon\n幼苗,116.3\n");
        let utf16: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain("名称;lon\r\n幼苗;116.3\r\n".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(cells(&csv("sep=;\n名称;lon\n幼苗;116.3\n".as_bytes()), 0), cells(&plain, 0));
        for other in [&gb[..], "\u{feff}名称\tlon\r\n幼苗\t116.3\r\n".as_bytes(), &utf16] {
            assert_eq!(csv(other), plain);
        }
        assert_eq!(plain.rows().next().unwrap().number(), 2);
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_numbers_them() {
        let table = csv(b"id,name\n1,\"two\nlines\"\n\n2,short\n3\n");
        assert_eq!(table.rows().map(Row::number).collect::<Vec<_>>(), [2, 5, 6]);
        assert_eq!(cells(&table, 2), [(0, "3")]);
    }

    #[test]
    fn features_give_columns_in_order_of_appearance() {
        let json = br#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":7,"properties":{"b":true,"a":null},"geometry":{"type":"Point","coordinates":[1,2]}},
            {"type":"Feature","properties":{"c":"x"},"geometry":{"type":"LineString","coordinates":[]}}]}"#;
        let table = Table::from_geojson(Path::new("t.geojson"), json).unwrap();
        assert_eq!(table.columns[0], "id");
        let [first, second] = [0, 1].map(|i| table.rows().nth(i).unwrap());
        assert_eq!(first.geometry(), Some(&Ok(Geometry::Point(1.0, 2.0))));
        assert!(matches!(second.geometry(), Some(Err(why)) if why.contains("LineString")));
        assert_eq!(cells(&table, 0)[0], (0, "7"));
    }

    #[test]
    fn a_table_of_ten_thousand_columns_is_refused() {
        let wide = vec!["c"; 10_000].join(",");
        let error = Table::from_csv(Path::new("t.csv"), format!("{wide}\n1\n").as_bytes()).unwrap_err();
        assert!(matches!(error, TableError::TooManyColumns { .. }));
        let long_row = csv(b"a,b\n1,2,3\n");
        assert_eq!(long_row.columns, ["a", "b", "column_3"]);
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let fails = |bytes: &[u8]| Table::from_geojson(Path::new("t.geojson"), bytes).unwrap_err().to_string();
        assert!(fails(b"{").contains("not GeoJSON"));
        assert!(fails(b"[]").contains("FeatureCollection was expected"));
        assert!(fails(br#"{"type":"Topology"}"#).contains("`Topology`"));
        assert!(matches!(Table::from_csv(Path::new("t.csv"), b""), Err(TableError::Empty { .. })));
        assert!(matches!(Table::from_csv(Path::new("t.csv"), b"a,\xff\xff\n"), Err(TableError::Encoding { .. })));
    }
}
