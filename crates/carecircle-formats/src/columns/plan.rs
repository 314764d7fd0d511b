//! How a table is read as a layer: which of its columns are read, which pass through, and in which coordinate system.

use super::marks::Shown;
use super::{Declared, Layer, REJECT_COLUMNS};
use crate::crs::Crs;
use crate::headers::{Column, Meaning, meanings};
use crate::remark;
use crate::table::{Remark, Row, Table, TableError};
use crate::values::{Marks, quoted};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// What becomes of a column's cells.
pub(super) enum Use {
    /// The layer reads them.
    Read(Column),
    /// They pass through under the name of this number in [`Plan::passing`].
    Pass(usize),
    /// They are dropped: what an earlier run said of rows that have been mended since.
    Drop,
}

/// How a table is read as a layer: settled once, for all rows.
pub(super) struct Plan<'a> {
    pub(super) table: &'a Table,
    pub(super) layer: Layer,
    pub(super) uses: Vec<Use>,
    /// The names under which columns pass through, in order.
    pub(super) passing: Vec<String>,
    /// For each of our columns that the layer reads, the table's own.
    pub(super) at: [Option<usize>; Column::ALL.len()],
    pub(super) crs: Crs,
    /// The coordinate systems that rows state, by what stands in the cell.
    pub(super) stated: HashMap<&'a str, Result<Crs, Remark>>,
    pub(super) has_geometries: bool,
    /// Which sign stands before decimals, once that is asked.
    shown: OnceLock<Shown>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        table: &'a Table,
        declared: &Declared,
        layer: Layer,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, TableError> {
        let meanings = meanings(table, &declared.mapping);
        remarks.extend(table.remarks.iter().cloned());
        remarks.extend(remarks_on(table, &meanings, layer));
        let mut at = [None; Column::ALL.len()];
        let mut names = BTreeMap::new();
        let mut uses = Vec::with_capacity(meanings.len());
        for (i, (meaning, header)) in meanings.iter().zip(&table.columns).enumerate() {
            let column = meaning.column();
            uses.push(match column.filter(|column| layer.columns().contains(column)) {
                Some(column) => {
                    at[column as usize] = Some(i);
                    Use::Read(column)
                }
                None if REJECT_COLUMNS.contains(&header.as_str()) => Use::Drop,
                None => {
                    let name = match column {
                        // What the output says of a thing itself is not the table's to say.
                        Some(column) if layer.properties().contains(&column.name()) => format!("{header}_in_table"),
                        None if layer.properties().contains(&header.as_str()) => format!("{header}_in_table"),
                        Some(column) => column.name().to_owned(),
                        // A name of ours would stand for what it isn't.
                        None if Column::named(header).is_some() => format!("{header}_in_table"),
                        None => header.clone(),
                    };
                    let others = (2..).map(|n| format!("{name}_{n}"));
                    let mut free = std::iter::once(name.clone()).chain(others);
                    names.insert(free.find(|name| !names.contains_key(name)).unwrap_or(name), i);
                    Use::Drop
                }
            });
        }
        for (rank, at) in names.values().enumerate() {
            uses[*at] = Use::Pass(rank);
        }
        let passing = names.into_keys().collect();
        let crs = table.crs_or_stated(declared.crs.as_ref())?;
        let mut stated = HashMap::new();
        if let Some(column) = at[Column::Crs as usize] {
            for row in table.rows() {
                for (_, cell) in row.cells().filter(|(at, _)| *at == column) {
                    stated.entry(cell).or_insert_with(|| crs_named(cell));
                }
            }
        }
        let has_geometries = table.has_geometries();
        Ok(Self { table, layer, uses, passing, at, crs, stated, has_geometries, shown: OnceLock::new() })
    }

    /// Which sign stands before a column's decimals. The first to ask goes through the whole table.
    pub(super) fn marks(&self, column: Column) -> Marks {
        self.shown.get_or_init(|| Shown::of(self)).marks(column)
    }

    /// What is to be said of decimals, where anybody asked.
    pub(super) fn remark_on_marks(&self) -> Option<&Remark> {
        self.shown.get()?.remark.as_ref()
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.at[column as usize].is_some()
    }

    /// What the table calls a column.
    pub(super) fn header(&self, column: Column) -> &str {
        self.at[column as usize].map_or(column.name(), |at| &self.table.columns[at])
    }

    /// A table without a way to say where its rows are is no table of ours; one with addresses can be mended.
    pub(super) fn require_place(&self) -> Result<(), TableError> {
        let placed =
            self.has(Column::Lon) && self.has(Column::Lat) || self.has(Column::Geometry) || self.has_geometries;
        let addressed = self.passing.iter().any(|name| name == Column::Address.name());
        if placed || addressed && !self.has(Column::Lon) && !self.has(Column::Lat) || self.table.rows().len() == 0 {
            return Ok(());
        }
        let path = self.table.path.clone();
        if let [only] = self.table.columns.as_slice() {
            return Err(TableError::OneColumn { path, header: quoted(only) });
        }
        let wanted = if self.has(Column::Lon) { "lat" } else { "lon" };
        Err(TableError::MissingColumn { path, wanted, found: self.table.columns.join(", "), example: "lon=X,lat=Y" })
    }

    /// A row that is no thing at all: the table's totals, or its header again.
    pub(super) fn no_thing(&self, row: Row<'a>) -> Option<(usize, Remark)> {
        const TOTALS: [&str; 10] =
            ["合计", "总计", "小计", "共计", "总和", "total", "totals", "grand total", "subtotal", "sum"];
        let (at, first) = row.cells().next()?;
        if first == self.table.columns[at] && row.cells().all(|(at, cell)| self.table.columns[at] == cell) {
            return Some((at, remark!("the header stands there again", "重复的表头")));
        }
        // The longest of them, and a colon.
        if first.len() > 14 {
            return None;
        }
        let bare = first.trim_end_matches([':', '：']);
        let is_total = TOTALS.iter().any(|total| total.eq_ignore_ascii_case(bare));
        is_total.then(|| {
            let first = quoted(first);
            (at, remark!("{first} makes it a row of totals", "{first} 表明这是合计行"))
        })
    }
}

/// A coordinate system as a cell names it: as on the command line, or by the number alone.
fn crs_named(cell: &str) -> Result<Crs, Remark> {
    if cell.bytes().all(|b| b.is_ascii_digit()) { Crs::named(&format!("EPSG:{cell}")) } else { Crs::named(cell) }
}

/// What headers leave open, as far as the layer would read it.
fn remarks_on(table: &Table, meanings: &[Meaning], layer: Layer) -> Vec<Remark> {
    let (name, mut out) = (table.name(), Vec::new());
    for (meaning, header) in meanings.iter().zip(&table.columns) {
        match *meaning {
            Meaning::Again(column) if layer.columns().contains(&column) => {
                let first = meanings.iter().position(|m| *m == Meaning::Is(column)).map_or("", |i| &table.columns[i]);
                let ours = column.name();
                out.push(Remark {
                    en: format!("{name}: columns {first} and {header} both mean {ours}; {first} counts"),
                    zh: format!("{name}：{first} 与 {header} 两列含义相同（{ours}），以 {first} 为准"),
                });
            }
            Meaning::May(ambiguity) => {
                let Some(first) = ambiguity.may_be.iter().find(|column| layer.columns().contains(column)) else {
                    continue;
                };
                let (question, question_zh, ours) = (&ambiguity.en, &ambiguity.zh, first.name());
                out.push(Remark {
                    en: format!(
                        "{name}: column {header} is not used: {question} If it means {ours}, say --columns {ours}={header}"
                    ),
                    zh: format!("{name}：未采用 {header} 列：{question_zh}如为 {ours}，请用 --columns {ours}={header}"),
                });
            }
            _ => {}
        }
    }
    out
}
