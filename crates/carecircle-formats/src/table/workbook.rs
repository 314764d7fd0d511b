//! Workbooks: XLSX and XLS by calamine, with a look beforehand at what they promise; the sheet that is read, and its cells
//! as people see them.
//!
//! calamine takes a workbook at its word: it reserves memory for as many strings or cells as a file claims to hold, and
//! follows chains of sectors in a circle. What it would believe is checked here and in [`super::compound`] first.

use super::shapes::{flag_text, number_text};
use super::{Builder, Form, Remark, Row, Table, TableError, archive, compound};
use calamine::{Data, DataRef, Dimensions, ExcelDateTime, Reader, SheetType, SheetVisible, Xls, Xlsx};
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The file of a workbook and the sheet that is wanted of it.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// For messages.
    pub(super) path: &'a Path,
    pub(super) file: &'a Path,
    /// The first that holds anything, where none is named.
    pub(super) sheet: Option<&'a str>,
}

impl Wanted<'_> {
    pub(super) fn fail(self, what: &'static str) -> impl Fn(String) -> TableError {
        let path = self.path.to_owned();
        move |why| TableError::Broken { path: path.clone(), what, why }
    }

    fn io(self, source: std::io::Error) -> TableError {
        TableError::Io { path: self.path.to_owned(), source }
    }

    /// The first sheet that reads as a table, or the one that is named; `names` are those that can be seen.
    pub(super) fn choose(
        self,
        names: &[String],
        mut read: impl FnMut(&str) -> Result<Table, TableError>,
    ) -> Result<Table, TableError> {
        if let Some(sheet) = self.sheet {
            let there = names.iter().any(|name| name == sheet);
            let missing = || TableError::Layers { path: self.path.to_owned(), names: names.join(", ") };
            return if there { read(sheet) } else { Err(missing()) };
        }
        for name in names {
            match read(name) {
                Err(TableError::Empty { .. }) => {}
                other => return other,
            }
        }
        Err(TableError::Empty { path: self.path.to_owned() })
    }
}

/// A sheet as it is read, cell by cell.
pub(super) struct Sheet {
    table: Builder,
    row: usize,
    cells: Vec<String>,
}

impl Sheet {
    pub(super) fn new(path: &Path, format: &'static str, name: &str) -> Self {
        let mut table = Builder::new(path);
        table.form(Form { format, part: Some(name.to_owned()), ..Form::default() });
        Self { table, row: 0, cells: Vec::new() }
    }

    /// A cell, counted from nought; those of a row come together.
    pub(super) fn cell(&mut self, row: usize, column: usize, text: String) -> Result<(), TableError> {
        if row != self.row {
            self.flush()?;
            self.row = row;
        }
        if !text.trim().is_empty() {
            self.cells.resize(self.cells.len().max(column + 1), String::new());
            self.cells[column] = text;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TableError> {
        let filled = !self.cells.is_empty();
        if filled {
            self.table.line(self.row + 1, self.cells.iter().map(String::as_str))?;
        }
        self.cells.clear();
        Ok(())
    }

    /// Whether reading on is in vain.
    pub(super) fn is_refused(&self) -> bool {
        self.table.is_refused()
    }

    pub(super) fn finish(mut self) -> Result<Table, TableError> {
        self.flush()?;
        if self.table.is_untouched() {
            return Err(self.table.empty());
        }
        self.table.finish()
    }
}

/// Reads an XLSX workbook.
pub(super) fn xlsx(wanted: Wanted<'_>) -> Result<Table, TableError> {
    let fail = wanted.fail("an XLSX workbook");
    archive::check(wanted.file).map_err(&fail)?;
    let file = BufReader::new(File::open(wanted.file).map_err(|e| wanted.io(e))?);
    guarded(&fail, || {
        let mut book = Xlsx::new(file).map_err(|e| fail(e.to_string()))?;
        let names = seen(book.sheets_metadata());
        wanted.choose(&names, |name| {
            let mut cells = book.worksheet_cells_reader(name).map_err(|e| fail(format!("sheet {name}: {e}")))?;
            let mut sheet = Sheet::new(wanted.path, "XLSX", name);
            while let Some(cell) = cells.next_cell().map_err(|e| fail(format!("sheet {name}: {e}")))? {
                let (row, column) = cell.get_position();
                sheet.cell(row as usize, column as usize, text(cell.get_value()))?;
                if sheet.is_refused() {
                    break;
                }
            }
            drop(cells);
            let table = sheet.finish()?;
            let merged = book.merge_cells_by_sheet_name(name).map_err(|e| fail(format!("sheet {name}: {e}")))?;
            Ok(with_merges_told(table, &merged))
        })
    })
}

/// Tells of merged cells among the rows: a value over several of them stands in the first alone, and may be meant for each
/// or for all of them together.
fn with_merges_told(mut table: Table, merged: &[Dimensions]) -> Table {
    let first = table.rows().next().map_or(usize::MAX, Row::number);
    let over_rows = merged.iter().filter(|region| region.end.0 > region.start.0 && region.end.0 as usize + 1 > first);
    let rows: Vec<usize> = over_rows.map(|region| region.start.0 as usize + 1).collect();
    if let Some(row) = rows.iter().min() {
        let (name, n) = (table.name(), rows.len());
        table.remarks.push(Remark {
            en: format!(
                "{name}: cells merged over several rows: {n}, the first in row {row}; their value counts for the first of \
                 these rows alone: undo the merge and fill down what holds for each"
            ),
            zh: format!("{name}：{n} 处跨行合并单元格，首处在第 {row} 行；其值仅计入首行，请取消合并并向下填充"),
        });
    }
    table
}

/// Reads an XLS workbook.
pub(super) fn xls(wanted: Wanted<'_>) -> Result<Table, TableError> {
    let fail = wanted.fail("an XLS workbook");
    let bytes = std::fs::read(wanted.file).map_err(|e| wanted.io(e))?;
    compound::check(&bytes).map_err(&fail)?;
    guarded(&fail, || {
        let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(|e| fail(e.to_string()))?;
        let names = seen(book.sheets_metadata());
        wanted.choose(&names, |name| {
            let range = book.worksheet_range(name).map_err(|e| fail(format!("sheet {name}: {e}")))?;
            let (top, left) = range.start().unwrap_or_default();
            let mut sheet = Sheet::new(wanted.path, "XLS", name);
            for (row, column, value) in range.used_cells() {
                sheet.cell(top as usize + row, left as usize + column, text(&as_ref(value)))?;
            }
            let merged = book.merge_cells_by_sheet_name(name).unwrap_or_default();
            Ok(with_merges_told(sheet.finish()?, &merged))
        })
    })
}

/// calamine stops at some damage by a panic; to a reader of tables that is a broken workbook like any other.
fn guarded(
    fail: &impl Fn(String) -> TableError,
    read: impl FnOnce() -> Result<Table, TableError>,
) -> Result<Table, TableError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(fail("it is damaged".to_owned())))
}

/// The sheets that are tables and can be seen.
fn seen(sheets: &[calamine::Sheet]) -> Vec<String> {
    let is_seen = |s: &&calamine::Sheet| s.typ == SheetType::WorkSheet && s.visible == SheetVisible::Visible;
    sheets.iter().filter(is_seen).map(|s| s.name.clone()).collect()
}

fn as_ref(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(whole) => DataRef::Int(*whole),
        Data::Float(number) => DataRef::Float(*number),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(flag) => DataRef::Bool(*flag),
        Data::DateTime(moment) => DataRef::DateTime(*moment),
        Data::DateTimeIso(text) | Data::DurationIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

/// A cell as people see it: of a formula the value that it had when the file was saved.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(whole) => whole.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(flag) => flag_text(*flag).to_owned(),
        DataRef::DateTime(moment) => moment_text(moment),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => iso_text(text).to_owned(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A date without the time where that is midnight.
pub(super) fn iso_text(text: &str) -> &str {
    text.strip_suffix("T00:00:00").unwrap_or(text)
}

/// A moment by ISO 8601; a day alone, or a time alone, where the other is nought.
fn moment_text(moment: &ExcelDateTime) -> String {
    let days = moment.as_f64();
    // Beyond the year 9999, or before the calendar begins, it is a number that only looks like a date.
    if !(0.0..2_958_466.0).contains(&days) {
        return number_text(days);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    if moment.is_duration() {
        let seconds = (days * 86_400.0).round();
        return format!(
            "{:02.0}:{:02.0}:{:02.0}",
            (seconds / 3_600.0).floor(),
            (seconds / 60.0).floor() % 60.0,
            seconds % 60.0
        );
    }
    match (days < 1.0, days.fract() == 0.0) {
        (true, _) => time,
        (_, true) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{time}"),
    }
}
