//! What stands in the columns of a table, whatever they mean.

use crate::table::{Row, Table};
use crate::values;

/// What stands in a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// How many rows have something there.
    pub filled: usize,
    /// The first cell that isn't empty.
    pub example: String,
    /// The least and the largest number, where all that stands there are numbers.
    pub range: Option<(f64, f64)>,
}

/// What stands in each column of a table.
pub fn survey(table: &Table) -> Vec<Survey> {
    let mut out = vec![Survey::default(); table.columns.len()];
    let mut all_numbers = vec![true; table.columns.len()];
    for (at, cell) in table.rows().flat_map(Row::cells) {
        let column = &mut out[at];
        column.filled += 1;
        if column.filled == 1 {
            column.example = cell.chars().take(200).collect();
        }
        if all_numbers[at] && !values::says_nothing(cell) {
            if let Some(v) = values::number(cell) {
                column.range = Some(column.range.map_or((v, v), |(low, high)| (low.min(v), high.max(v))));
            } else {
                (all_numbers[at], column.range) = (false, None);
            }
        }
    }
    out
}
