//! All rows of a table turned into things and rejects, and what the rows tell together.

use super::cells::{Bad, Cells};
use super::plan::Plan;
use super::{Reject, Sorted};
use crate::headers::Column;
use crate::remark;
use crate::table::{Remark, Row};
use crate::values::{self, Marks, quoted};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What is to be said of a row, besides what it became.
enum Fault {
    Reject(Reject),
    Doubts(Vec<Bad>),
}

/// Turns every row into a thing or a reject. The rows are read on all threads; which of them has an id first is settled in
/// the table's order, and only rows that are used take one.
pub(super) fn sort_rows<'a, T: Send>(
    plan: &'a Plan<'a>,
    remarks: Vec<Remark>,
    make: impl Fn(&Cells<'a>, String) -> Result<T, Bad> + Sync,
) -> Sorted<T> {
    let table = plan.table;
    // The column is blamed by the name that the table has for it.
    let reject = |row: Row<'a>, column: &str, why: Remark| {
        let cells = row.cells().map(|(at, cell)| (at, cell.to_owned())).collect();
        Reject { row: row.number(), column: column.to_owned(), why, cells }
    };
    let faults: Mutex<Vec<(usize, Fault)>> = Mutex::default();
    let blame = |i: usize, fault: Fault| faults.lock().unwrap_or_else(PoisonError::into_inner).push((i, fault));
    let read = |cells: &mut Cells<'a>, (i, print): (usize, &mut u64)| {
        let row = table.row(i);
        if let Some((at, why)) = plan.no_thing(row) {
            blame(i, Fault::Reject(reject(row, &table.columns[at], why)));
            return None;
        }
        cells.turn_to(row);
        match cells.id().and_then(|id| make(cells, id)) {
            Ok(thing) => {
                if !cells.doubts.get_mut().is_empty() {
                    blame(i, Fault::Doubts(cells.doubts.take()));
                }
                *print = cells.text(Column::Id).map_or(0, fingerprint);
                Some(thing)
            }
            Err((column, why)) => {
                blame(i, Fault::Reject(reject(row, plan.header(column), why)));
                None
            }
        }
    };
    let (mut made, mut fingerprints) = (Vec::new(), vec![0; table.rows().len()]);
    let rows = fingerprints.par_iter_mut().enumerate().with_min_len(1_024);
    rows.map_init(|| Cells::new(plan), |cells, (i, print)| read(cells, (i, print))).collect_into_vec(&mut made);
    let mut faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !all_differ(&fingerprints) {
        let mut seen: HashSet<&str> = HashSet::new();
        for (i, made) in made.iter_mut().enumerate() {
            let row = table.row(i);
            let id = plan.at[Column::Id as usize].and_then(|at| row.cells().find(|(i, _)| *i == at));
            if let Some((_, id)) = id.filter(|(_, id)| made.is_some() && !seen.insert(id)) {
                *made = None;
                let id = quoted(id);
                let why = remark!("{id} stands in an earlier row too", "{id} 与前面的行重复");
                faults.push((i, Fault::Reject(reject(row, plan.header(Column::Id), why))));
            }
        }
    }
    // A row that is rejected after all is told of once.
    faults.sort_by_key(|(i, fault)| (*i, matches!(fault, Fault::Doubts(_))));
    faults.dedup_by_key(|(i, _)| *i);
    let (mut rejects, mut doubts) = (Vec::new(), Vec::new());
    for (i, fault) in faults {
        match fault {
            Fault::Reject(reject) => rejects.push(reject),
            Fault::Doubts(bad) => doubts.extend(bad.into_iter().map(|(column, why)| {
                let column = plan.header(column).to_owned();
                Reject { row: table.row(i).number(), column, why, cells: Vec::new() }
            })),
        }
    }
    #[expect(
        clippy::filter_map_identity,
        reason = "in place, which `flatten` is not: a second copy costs a third of all time"
    )]
    let used = made.into_iter().filter_map(|made| made).collect();
    let mut out = Sorted { used, rejects, doubts, remarks };
    out.remarks.extend(remarks_on_rows(plan, &out.rejects));
    out
}

/// A number that is seldom the same for two ids, and never 0.
fn fingerprint(id: &str) -> u64 {
    // Knuth's multiplier for 64 bits.
    let stir = |hash: u64| (hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = id.as_bytes().as_chunks::<8>();
    let words = words.iter().fold(id.len() as u64, |hash, word| stir(hash ^ u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    stir(stir(words ^ rest)) | 1
}

/// Whether no two fingerprints are the same, those of rows without an id aside: then no two ids are.
fn all_differ(fingerprints: &[u64]) -> bool {
    // Each part has a table that a processor's cache can hold.
    let parts = (fingerprints.len() as u64 / 100_000 + 1).next_power_of_two();
    let slots = (2 * fingerprints.len() / parts as usize + 1).next_power_of_two();
    (0..parts).into_par_iter().all(|part| {
        let mine = |fingerprint: &&u64| **fingerprint != 0 && **fingerprint >> 48 & (parts - 1) == part;
        let (mut table, mut crowded) = (vec![0; slots], Vec::new());
        for &fingerprint in fingerprints.iter().filter(mine) {
            match &mut table[fingerprint as usize >> 8 & (slots - 1)] {
                free @ 0 => *free = fingerprint,
                same if *same == fingerprint => return false,
                // The same one again would come here too.
                _ => crowded.push(fingerprint),
            }
        }
        crowded.sort_unstable();
        crowded.is_sorted_by(|a, b| a < b)
    })
}

/// What all rows together tell.
fn remarks_on_rows(plan: &Plan<'_>, rejects: &[Reject]) -> Vec<Remark> {
    let (name, mut out) = (plan.table.name(), Vec::new());
    out.extend(plan.remark_on_marks().cloned());
    if plan.layer.columns().contains(&Column::Id) && !plan.has(Column::Id) && plan.table.rows().len() > 0 {
        out.push(Remark {
            en: format!("{name}: no column id; rows are called by their number, as in row2"),
            zh: format!("{name}：没有编号列，以行号为编号，如 row2"),
        });
    }
    if !rejects.is_empty() && plan.has(Column::Lon) && plan.has(Column::Lat) && plan.crs.is_degrees() {
        let (lon, lat) = (plan.header(Column::Lon), plan.header(Column::Lat));
        let mut cells = Cells::new(plan);
        let looks = plan.table.rows().filter_map(|row| {
            cells.turn_to(row);
            let placed = cells.text(Column::Lon).is_some() && cells.text(Column::Lat).is_some();
            placed.then(|| cells.looks_swapped())
        });
        let (swapped, rest): (Vec<_>, Vec<_>) = looks.partition(|swapped| *swapped);
        if swapped.len() > rest.len() {
            out.push(Remark {
                en: format!("{name}: longitude and latitude look swapped; say --columns lon={lat},lat={lon}"),
                zh: format!("{name}：经纬度似乎颠倒，请用 --columns lon={lat},lat={lon}"),
            });
        }
    }
    let is_metric = |reject: &Reject| {
        let lon = plan.at[Column::Lon as usize].and_then(|at| reject.cells.iter().find(|(column, _)| *column == at));
        lon.and_then(|(_, cell)| values::metres(cell, Marks::Point)).is_some_and(|east| east.abs() > 1_000.0)
    };
    if plan.crs.is_degrees() && rejects.iter().filter(|reject| is_metric(reject)).count() * 2 > plan.table.rows().len()
    {
        let crs = plan.crs.name();
        out.push(Remark {
            en: format!("{name}: coordinates look like metres, not degrees of {crs}; say which system: --crs EPSG:…"),
            zh: format!("{name}：坐标似乎以米为单位，而非 {crs} 的度；请用 --crs EPSG:… 声明坐标系"),
        });
    }
    out
}
