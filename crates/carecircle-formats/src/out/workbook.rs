//! Workbooks out: sheets of a header and rows of typed cells, as people hand them round.

use super::{Layer, Value};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};
use std::io::{self, Seek, Write};
use unicode_width::UnicodeWidthStr;

/// A cell of a sheet, and how it is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A whole number with thousands marks.
    Count(f64),
    /// A number with a digit or two behind the point.
    Number(f64),
    /// A share, shown in percent.
    Share(f64),
    /// Degrees or metres, with all their digits.
    Place(f64),
    /// Yes or no.
    Flag(bool),
}

/// A sheet: its name, a header, rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What its tab says.
    pub name: String,
    /// What the columns are called.
    pub header: Vec<String>,
    /// The rows, with a cell for each column at most.
    pub rows: Vec<Vec<Cell>>,
}

/// Excel has so many rows.
const MOST_ROWS: usize = 1 << 20;

/// Columns are so many letters wide at most.
const WIDEST: usize = 40;

impl Sheet {
    /// A sheet of a layer, without geometries.
    pub fn of(layer: &Layer, name: &str) -> Self {
        let header = layer.columns.iter().map(|c| c.name.clone()).collect();
        let row = |values: &[Value]| layer.columns.iter().zip(values).map(|(c, v)| Cell::of(&c.name, v)).collect();
        let rows = layer.features.iter().map(|f| row(&f.values)).collect();
        Self { name: name.to_owned(), header, rows }
    }
}

impl Cell {
    /// A value in the column of that name.
    fn of(column: &str, value: &Value) -> Self {
        match value {
            Value::None => Self::Empty,
            Value::Text(text) => Self::Text(text.clone()),
            Value::Flag(flag) => Self::Flag(*flag),
            Value::Whole(whole) => Self::Count(*whole as f64),
            Value::Number(number) => match column {
                "lon" | "lat" | "x" | "y" => Self::Place(*number),
                "population" | "under3" => Self::Count(*number),
                _ if column.ends_with("_share") => Self::Share(*number),
                _ => Self::Number(*number),
            },
        }
    }

    /// How many letters wide it is shown.
    fn width(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Text(text) => text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0),
            Self::Count(number) => format!("{number:.0}").len() * 4 / 3,
            Self::Number(number) => format!("{number:.1}").len() * 4 / 3,
            Self::Share(_) => 7,
            Self::Place(_) => 13,
            Self::Flag(_) => 6,
        }
    }
}

/// How cells are shown.
struct Formats {
    header: Format,
    count: Format,
    number: Format,
    share: Format,
    place: Format,
}

/// Writes an XLSX workbook: each sheet with a frozen header, filters and columns as wide as what they hold.
pub fn write_workbook(sheets: &[Sheet], title: &str, out: impl Write + Seek + Send) -> io::Result<()> {
    if let Some(sheet) = sheets.iter().find(|sheet| sheet.rows.len() >= MOST_ROWS) {
        let (name, rows) = (&sheet.name, sheet.rows.len());
        return Err(io::Error::other(format!(
            "sheet {name} has {rows} rows, more than XLSX holds; write .csv or .fgb"
        )));
    }
    try_write(sheets, title, out).map_err(io::Error::other)
}

fn try_write(sheets: &[Sheet], title: &str, out: impl Write + Seek + Send) -> Result<(), XlsxError> {
    let mut book = Workbook::new();
    // The same sheets give the same bytes on any day.
    let made = ExcelDateTime::from_ymd(2000, 1, 1)?;
    book.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&made));
    let formats = Formats {
        header: Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top),
        count: Format::new().set_num_format("#,##0"),
        number: Format::new().set_num_format("#,##0.0#"),
        share: Format::new().set_num_format("0.0%"),
        place: Format::new().set_num_format("0.0000000"),
    };
    for sheet in sheets {
        write_sheet(book.add_worksheet(), sheet, &formats)?;
    }
    book.save_to_writer(out)
}

fn write_sheet(page: &mut Worksheet, sheet: &Sheet, formats: &Formats) -> Result<(), XlsxError> {
    page.set_name(&sheet.name)?;
    for (at, name) in sheet.header.iter().enumerate() {
        page.write_string_with_format(0, at as u16, name, &formats.header)?;
        let cells = sheet.rows.iter().filter_map(|row| row.get(at)).map(Cell::width);
        let widest = cells.chain([name.width()]).max().unwrap_or(0);
        page.set_column_width(at as u16, (widest.min(WIDEST) + 2) as f64)?;
    }
    for (row, cells) in (1..).zip(&sheet.rows) {
        for (column, cell) in (0..).zip(cells) {
            write_cell(page, row, column, cell, formats)?;
        }
    }
    page.set_freeze_panes(1, 0)?;
    if let (Some(last), false) = (sheet.header.len().checked_sub(1), sheet.rows.is_empty()) {
        page.autofilter(0, 0, sheet.rows.len() as u32, last as u16)?;
    }
    Ok(())
}

fn write_cell(page: &mut Worksheet, row: u32, column: u16, cell: &Cell, formats: &Formats) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            // Excel holds no longer text, and none of these letters.
            let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
            page.write_string(row, column, text.chars().filter(kept).take(32_767).collect::<String>())?;
        }
        Cell::Count(number) => _ = page.write_number_with_format(row, column, *number, &formats.count)?,
        Cell::Number(number) => _ = page.write_number_with_format(row, column, *number, &formats.number)?,
        Cell::Share(number) => _ = page.write_number_with_format(row, column, *number, &formats.share)?,
        Cell::Place(number) => _ = page.write_number_with_format(row, column, *number, &formats.place)?,
        Cell::Flag(flag) => _ = page.write_boolean(row, column, *flag)?,
    }
    Ok(())
}
