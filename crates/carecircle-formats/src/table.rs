//! Tables in: rows with cells by column name, whatever the file's format.
//!
//! Owns where a row came from, which line of a sheet is its header, and how large a table may be. Each format has a file
//! of its own below. What the columns mean is [`crate::columns`]' business.

mod archive;
mod compound;
mod csv;
mod error;
mod flatgeobuf;
pub(crate) mod geojson;
mod geopackage;
mod header;
mod ods;
mod prj;
mod sequence;
mod shapefile;
mod shapes;
mod wkb;
mod workbook;

use crate::crs::Crs;
pub use crate::remark::Remark;
use carecircle_core::geometry::LonLatShape;
pub use error::TableError;
use geo::Coord;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tables with more columns than this are refused: they are no registers.
pub const MOST_COLUMNS: usize = 1_000;

/// Tables with more rows than this are refused.
pub const MOST_ROWS: usize = 10_000_000;

/// Tables with more filled cells than this are refused.
pub const MOST_CELLS: usize = 200_000_000;

/// A cell with more bytes than this is none: the outline of a country takes less.
pub const LONGEST_CELL: usize = 16 << 20;

/// Tables larger than this, in bytes, are refused: they are no registers.
pub const LARGEST_FILE: u64 = 1 << 30;

/// Where a row is, as its table gives it, in the table's coordinate system.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// East and north; in degrees longitude and latitude.
    Point(f64, f64),
    /// Several points, of which the first is taken.
    Points(Vec<Coord<f64>>),
    /// One polygon or several.
    Shape(LonLatShape),
}

/// How a file wrote its table, for people who wonder what was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// The format's name: `CSV`, `GeoJSON`, `XLSX` …
    pub format: &'static str,
    /// The text's encoding, where the format leaves it open.
    pub encoding: Option<&'static str>,
    /// What stands between cells, where the format leaves it open.
    pub delimiter: Option<char>,
    /// Which sheet or layer of the file it is, where there can be several.
    pub part: Option<String>,
    /// The line that names the columns, where lines are counted.
    pub header_row: Option<usize>,
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
        self.table.rows[self.index].number as usize
    }

    /// Its cells that aren't empty, each with its column: a table may have more columns than a row has cells.
    pub fn cells(self) -> impl Iterator<Item = (usize, &'a str)> {
        let head = self.table.rows[self.index];
        let part = &self.table.parts[head.part as usize];
        let next = self.table.rows.get(self.index + 1).filter(|next| next.part == head.part);
        let end = next.map_or(part.codes.len(), |next| next.first_code as usize);
        part.cells(head.first_code as usize..end, head.text as usize)
    }

    /// Its geometry, where the format has one; the error where there is one that is no point or polygon.
    pub fn geometry(self) -> Option<&'a Result<Geometry, Remark>> {
        self.table.geometries.get(self.table.rows[self.index].geometry as usize)
    }
}

/// Where a row's cells and its text begin, and which geometry is its own: beyond the last for none.
#[derive(Clone, Copy, Debug)]
struct RowHead {
    number: u32,
    part: u32,
    first_code: u32,
    text: u32,
    geometry: u32,
}

/// The cells of some rows, all in one text.
///
/// A cell is a code of 15 bits where it stands near the one before it in its row: how many columns were skipped (2 bits),
/// how many bytes of text (3 bits), and how many bytes long it is (10 bits). Any other is five codes: its column with a mark
/// that says so, and the lower and upper halves of where its text begins and of how long it is.
#[derive(Clone, Debug, Default)]
struct Part {
    codes: Vec<u16>,
    cells: usize,
    text: String,
    /// Text of cells that is not the table's text as it stands.
    spilled: String,
    /// Where a cell must begin to be the next one: its column, and its place in the text.
    next: (usize, usize),
}

/// Marks a cell that takes five codes.
const FAR: u16 = 0x8000;

/// Marks one of these whose text is spilled.
const SPILLED: u16 = 0x4000;

impl Part {
    /// Begins a row, whose text begins there.
    fn row(&mut self, text: usize) {
        self.next = (0, text);
    }

    /// Adds a clean cell that isn't empty.
    fn push(&mut self, column: usize, text: &str) {
        let begin = self.text.len();
        self.text.push_str(text);
        self.push_at(column, begin, text.len());
    }

    /// Adds a cell whose text stands in the part's text, or will.
    fn push_at(&mut self, column: usize, begin: usize, length: usize) {
        let skipped = (column.wrapping_sub(self.next.0), begin.wrapping_sub(self.next.1));
        self.next = (column + 1, begin + length);
        if skipped.0 < 4 && skipped.1 < 8 && length < 1024 {
            self.codes.push((skipped.0 << 13 | skipped.1 << 10 | length) as u16);
            self.cells += 1;
        } else {
            self.push_far(column as u16, begin, length);
        }
    }

    /// Adds a cell whose text stands nowhere else.
    fn push_spilled(&mut self, column: usize, text: &str) {
        self.next.0 = column + 1;
        self.push_far(column as u16 | SPILLED, self.spilled.len(), text.len());
        self.spilled.push_str(text);
    }

    fn push_far(&mut self, column: u16, begin: usize, length: usize) {
        let halves = |n: usize| [n as u16, (n >> 16) as u16];
        let ([begin, begin_high], [length, length_high]) = (halves(begin), halves(length));
        self.codes.extend([FAR | column, begin, begin_high, length, length_high]);
        self.cells += 1;
    }

    /// The cells of a row, each with its column.
    fn cells(&self, codes: std::ops::Range<usize>, text: usize) -> impl Iterator<Item = (usize, &str)> {
        let mut codes = self.codes[codes].iter().map(|code| usize::from(*code));
        let (mut column, mut at) = (0, text);
        std::iter::from_fn(move || {
            let code = codes.next()?;
            let (here, text) = if code < usize::from(FAR) {
                let begin = at + (code >> 10 & 7);
                at = begin + (code & 1023);
                (column + (code >> 13), &self.text[begin..at])
            } else {
                let mut half = || codes.next();
                let (begin, length) = (half()? | half()? << 16, half()? | half()? << 16);
                let here = code & usize::from(SPILLED - 1);
                if code & usize::from(SPILLED) == 0 {
                    at = begin + length;
                    (here, &self.text[begin..at])
                } else {
                    (here, &self.spilled[begin..begin + length])
                }
            };
            column = here + 1;
            Some((here, text))
        })
    }

    fn is_full(&self, more: usize) -> bool {
        self.cells >= MOST_CELLS || self.text.len() + more > u32::MAX as usize
    }
}

/// A table as read. Cells stand in a few large texts: a register of a million rows takes as many allocations as a small one.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The coordinate system that the file itself states.
    pub crs: Option<Crs>,
    /// What the file calls its system, where that isn't known.
    unknown_crs: Option<String>,
    /// How the file wrote it.
    pub form: Form,
    /// What was found while it was read.
    pub remarks: Vec<Remark>,
    rows: Vec<RowHead>,
    geometries: Vec<Result<Geometry, Remark>>,
    parts: Vec<Part>,
}

/// Equal tables hold the same; how a file wrote it doesn't count.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (Row<'_>, Row<'_>)| {
            a.number() == b.number() && a.geometry() == b.geometry() && a.cells().eq(b.cells())
        };
        self.columns == other.columns
            && self.crs == other.crs
            && self.rows.len() == other.rows.len()
            && self.rows().zip(other.rows()).all(same)
    }
}

/// Rows that were read apart from the others, for a table whose header is known.
#[derive(Default)]
struct Lot {
    part: Part,
    /// The rows, their numbers counted within the lot.
    rows: Vec<RowHead>,
    /// So many columns have a cell.
    columns: usize,
    /// The row with a cell that is too long.
    long_cell: Option<usize>,
}

impl Lot {
    /// Room for what so many bytes of text usually hold.
    fn with_room(bytes: usize) -> Self {
        let part = Part { codes: Vec::with_capacity(bytes / 8), ..Part::default() };
        Self { part, rows: Vec::with_capacity(bytes / 64), ..Self::default() }
    }

    /// Begins a row, whose text begins there.
    fn row(&mut self, number: usize, text: usize) {
        // A row without a cell is none.
        self.drop_row_if_empty();
        let first_code = self.part.codes.len() as u32;
        let head = RowHead { number: number as u32, part: 0, first_code, text: text as u32, geometry: u32::MAX };
        self.rows.push(head);
        self.part.row(text);
    }

    fn drop_row_if_empty(&mut self) {
        let end = self.part.codes.len() as u32;
        self.rows.pop_if(|row| row.first_code == end);
    }

    /// A cell: a piece of the lot's text, which is `within`, or else one that stands nowhere.
    fn cell(&mut self, column: usize, text: &str, within: Option<&str>) {
        let text = clean(text);
        if text.is_empty() {
            return;
        }
        if text.len() > LONGEST_CELL {
            self.long_cell = self.long_cell.or(self.rows.last().map(|row| row.number as usize));
            return;
        }
        self.columns = self.columns.max(column + 1);
        // Beyond that the table is refused whatever the cell.
        if column < MOST_COLUMNS {
            match within {
                Some(whole) => {
                    let begin = text.as_ptr().addr() - whole.as_ptr().addr();
                    self.part.push_at(column, begin, text.len());
                }
                None => self.part.push_spilled(column, text),
            }
        }
    }
}

/// A table in the making, column by column and row by row, as a file gives them.
pub struct Builder {
    table: Table,
    known: BTreeMap<String, usize>,
    /// The first lines of a sheet, as long as none is known to be the header.
    head: Vec<(usize, Vec<String>)>,
    is_sheet: bool,
    /// Why the table is refused: what comes after that is not kept.
    refused: Option<TableError>,
}

impl Builder {
    /// A table without a column; `path` is for messages.
    pub fn new(path: &Path) -> Self {
        let table = Table {
            path: path.to_owned(),
            columns: Vec::new(),
            crs: None,
            unknown_crs: None,
            form: Form::default(),
            remarks: Vec::new(),
            rows: Vec::new(),
            geometries: Vec::new(),
            parts: vec![Part::default()],
        };
        Self { table, known: BTreeMap::new(), head: Vec::new(), is_sheet: false, refused: None }
    }

    /// The coordinate system that the file states.
    pub fn crs(&mut self, crs: Crs) {
        self.table.crs = Some(crs);
    }

    /// The coordinate system that the file states, if any, or else what it calls one that isn't known.
    fn stated_crs(&mut self, stated: Result<Option<Crs>, String>) {
        match stated {
            Ok(crs) => self.table.crs = crs,
            Err(name) => self.table.unknown_crs = Some(name),
        }
    }

    /// Whether nothing was given yet.
    fn is_untouched(&self) -> bool {
        self.columns() == 0 && self.head.is_empty()
    }

    /// That the table holds nothing.
    fn empty(self) -> TableError {
        TableError::Empty { path: self.table.path }
    }

    /// How the file writes the table.
    pub fn form(&mut self, form: Form) {
        self.table.form = form;
    }

    /// Something that a reader of the table should know.
    pub fn remark(&mut self, en: String, zh: String) {
        self.table.remarks.push(Remark { en, zh });
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
        self.table.columns.push(clean(name).to_owned());
        Ok(self.table.columns.len() - 1)
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.table.columns.len()
    }

    fn widen(&mut self, columns: usize) -> Result<(), TableError> {
        (self.columns()..columns).try_for_each(|at| self.add_column(&format!("column_{}", at + 1)).map(|_| ()))
    }

    /// Whether the header of a sheet is known, so that rows may come in lots.
    fn is_headed(&self) -> bool {
        !self.table.columns.is_empty()
    }

    /// Rows that were read apart, their numbers counted from `before`.
    fn add_lot(&mut self, mut lot: Lot, before: usize) -> Result<(), TableError> {
        self.widen(lot.columns)?;
        lot.drop_row_if_empty();
        if let Some(row) = lot.long_cell {
            self.refuse(|path| TableError::LongCell { path, row: row + before });
        }
        if self.table.rows.len() + lot.rows.len() > MOST_ROWS {
            self.refuse(|path| TableError::TooManyRows { path });
        }
        if self.table.parts.iter().map(|part| part.cells).sum::<usize>() + lot.part.cells > MOST_CELLS {
            self.refuse(|path| TableError::TooManyCells { path });
        }
        if self.refused.is_none() {
            let part = self.table.parts.len() as u32;
            let number = |row: &RowHead| row.number + before as u32;
            self.table.rows.extend(lot.rows.iter().map(|row| RowHead { number: number(row), part, ..*row }));
            self.table.parts.push(lot.part);
        }
        Ok(())
    }

    /// The next row; its cells and its geometry follow.
    pub fn row(&mut self, number: usize) {
        if self.table.rows.len() == MOST_ROWS {
            self.refuse(|path| TableError::TooManyRows { path });
        }
        if self.refused.is_none() {
            let part = self.table.parts.len() as u32 - 1;
            let last = self.last_part();
            last.row(last.text.len());
            let (first_code, text) = (last.codes.len() as u32, last.text.len() as u32);
            self.table.rows.push(RowHead { number: number as u32, part, first_code, text, geometry: u32::MAX });
        }
    }

    fn last_part(&mut self) -> &mut Part {
        self.table.parts.last_mut().expect("a table begins with a part")
    }

    /// A cell of the row, each column at most once; blanks around it and empty ones don't count.
    pub fn cell(&mut self, column: usize, text: &str) {
        let text = clean(text);
        if text.is_empty() || self.refused.is_some() {
            return;
        }
        if text.len() > LONGEST_CELL {
            let row = self.table.rows.last().map_or(0, |row| row.number as usize);
            self.refuse(|path| TableError::LongCell { path, row });
        } else if self.last_part().is_full(text.len()) {
            self.refuse(|path| TableError::TooManyCells { path });
        } else {
            self.last_part().push(column, text);
        }
    }

    /// The row's geometry, in the table's coordinate system.
    pub fn geometry(&mut self, geometry: Result<Geometry, Remark>) {
        if self.refused.is_none()
            && let Some(row) = self.table.rows.last_mut()
        {
            row.geometry = self.table.geometries.len() as u32;
            self.table.geometries.push(geometry);
        }
    }

    /// Takes the row back where it has neither a cell nor a geometry.
    pub fn drop_row_if_empty(&mut self) {
        let end = self.last_part().codes.len() as u32;
        if self.table.rows.last().is_some_and(|row| row.first_code == end && row.geometry == u32::MAX) {
            self.table.rows.pop();
        }
    }

    /// Whether the table is refused already, and reading on is in vain.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    fn refuse(&mut self, why: impl FnOnce(PathBuf) -> TableError) {
        if self.refused.is_none() {
            self.refused = Some(why(self.table.path.clone()));
        }
    }

    /// The table; or why it is refused: it is too large, or a sheet without a header.
    pub fn finish(mut self) -> Result<Table, TableError> {
        self.settle_head()?;
        if self.is_sheet && self.table.columns.is_empty() {
            self.refuse(|path| TableError::Empty { path });
        }
        self.refused.map_or(Ok(self.table), Err)
    }
}

/// The coordinate system of a name in a file, which is the error where it isn't known. An empty name is none.
fn named_crs(name: &str) -> Result<Option<Crs>, String> {
    match name {
        "" => Ok(None),
        _ => Crs::named(name).map(Some).map_err(|_| name.to_owned()),
    }
}

/// A cell without the blanks around it, and without the byte order mark that joined files have in their middle.
fn clean(text: &str) -> &str {
    // Nearly every cell begins and ends with a letter, a digit or a Chinese character.
    let letter = |bytes: &[u8]| matches!(bytes, [0xe4..=0xe9, _, _]);
    let sign = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    let begins = sign(bytes.first()) || bytes.first_chunk::<3>().is_some_and(|first| letter(first));
    if begins && (sign(bytes.last()) || bytes.last_chunk::<3>().is_some_and(|last| letter(last))) {
        return text;
    }
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

impl Table {
    /// Reads a table; the format follows the file's name. Of a workbook or a GeoPackage with several `FILE#NAME` is the sheet
    /// or layer of that name.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let (file, part) = file_and_part(path);
        let bytes = std::fs::metadata(&file).map_err(|source| TableError::Io { path: path.to_owned(), source })?.len();
        if bytes > LARGEST_FILE {
            return Err(TableError::TooLarge { path: path.to_owned(), bytes });
        }
        let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        let wanted = workbook::Wanted { path, file: &file, sheet: part.as_deref() };
        match ending.as_str() {
            "xlsx" | "xlsm" => workbook::xlsx(wanted),
            "xls" => workbook::xls(wanted),
            "ods" => ods::read(wanted),
            "gpkg" => geopackage::read(path, &file, part.as_deref()),
            _ if part.is_some() => Err(TableError::UnknownFormat { path: path.to_owned() }),
            "csv" | "tsv" | "txt" => Self::from_csv(path, &read_bytes(path)?),
            "geojson" | "json" => Self::from_geojson(path, &read_bytes(path)?),
            "geojsonl" | "geojsons" | "geojsonseq" | "ndjson" => sequence::read(path, &read_bytes(path)?),
            "fgb" => flatgeobuf::read(path),
            "shp" => shapefile::read(path, &read_bytes(path)?),
            _ => Err(TableError::UnknownFormat { path: path.to_owned() }),
        }
    }

    /// The coordinate system of its coordinates: the one declared, else the one that the file states, else WGS 84.
    pub fn crs_or_stated(&self, declared: Option<&Crs>) -> Result<Crs, TableError> {
        match (declared.or(self.crs.as_ref()), &self.unknown_crs) {
            (Some(crs), _) => Ok(crs.clone()),
            (None, Some(name)) => Err(TableError::UnknownCrs { path: self.path.clone(), name: name.clone() }),
            (None, None) => Ok(Crs::wgs84()),
        }
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    /// The row at an index below the number of rows.
    pub(crate) fn row(&self, index: usize) -> Row<'_> {
        Row { table: self, index }
    }

    /// Whether any row has a geometry of the format's own.
    pub fn has_geometries(&self) -> bool {
        !self.geometries.is_empty()
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

/// A file's bytes.
fn read_bytes(path: &Path) -> Result<Vec<u8>, TableError> {
    std::fs::read(path).map_err(|source| TableError::Io { path: path.to_owned(), source })
}

/// The file that a table's path names, and which of its sheets or layers, where the path says so.
pub fn file_and_part(path: &Path) -> (PathBuf, Option<String>) {
    let named = path.to_str().and_then(|text| text.split_once('#')).filter(|_| !path.exists());
    named.map_or_else(|| (path.to_owned(), None), |(file, part)| (file.into(), Some(part.to_owned())))
}

/// What people call a file: its name without the folders.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::GB18030;

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
        assert!(matches!(second.geometry(), Some(Err(why)) if why.en.contains("LineString")));
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
