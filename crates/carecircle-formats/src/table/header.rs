//! Which line of a sheet names its columns: titles above it are left out and said so, what follows are rows.

use super::{Builder, MOST_COLUMNS, TableError, clean};
use crate::{headers, values};

/// A header stands among so many lines.
pub(super) const MOST_HEAD_LINES: usize = 10;

impl Builder {
    /// The next line of a sheet whose first lines are not yet known to be title, header or rows: the header is found among
    /// them, titles above it are left out and said so, and what follows are rows.
    pub fn line<'c>(&mut self, number: usize, cells: impl IntoIterator<Item = &'c str>) -> Result<(), TableError> {
        self.is_sheet = true;
        if self.table.columns.is_empty() {
            let mut line = Vec::new();
            for (i, cell) in cells.into_iter().map(clean).enumerate().filter(|(_, cell)| !cell.is_empty()) {
                if i >= MOST_COLUMNS {
                    return Err(TableError::TooManyColumns { path: self.table.path.clone() });
                }
                line.resize(i, String::new());
                line.push(cell.to_owned());
            }
            self.head.push((number, line));
            return if self.head.len() < MOST_HEAD_LINES { Ok(()) } else { self.settle_head() };
        }
        self.row(number);
        for (i, cell) in cells.into_iter().enumerate() {
            if i >= self.columns() && !clean(cell).is_empty() {
                self.widen(i + 1)?;
            }
            self.cell(i, cell);
        }
        self.drop_row_if_empty();
        Ok(())
    }

    /// Chooses the header among the first lines; those above it are titles, those below rows.
    pub(super) fn settle_head(&mut self) -> Result<(), TableError> {
        let mut lines = std::mem::take(&mut self.head);
        lines.retain(|(_, cells)| !cells.is_empty());
        let Some(header) = header_among(&lines) else { return Ok(()) };
        let mut rows = lines.split_off(header + 1);
        let Some((number, mut names)) = lines.pop() else { return Ok(()) };
        if let Some((second, parts)) = rows.first().filter(|(_, line)| is_second_header(&names, line)) {
            names.resize(names.len().max(parts.len()), String::new());
            for (name, part) in names.iter_mut().zip(parts).filter(|(_, part)| !part.is_empty()) {
                name.clone_from(part);
            }
            self.remark(
                format!("row {second} names the columns of a merged cell above"),
                format!("第 {second} 行为合并单元格之下的列名"),
            );
            rows.remove(0);
        }
        for (i, name) in names.iter().enumerate() {
            if name.is_empty() {
                self.add_column(&format!("column_{}", i + 1))?
            } else {
                self.add_column(name)?
            };
        }
        self.table.form.header_row = Some(number);
        for (title, cells) in lines {
            let said = cells.concat();
            self.remark(
                format!("row {title}, above the header, is taken for a title: {said}"),
                format!("第 {title} 行位于表头之上，视为标题：{said}"),
            );
        }
        rows.iter().try_for_each(|(number, cells)| self.line(*number, cells.iter().map(String::as_str)))
    }
}

/// Which of the first lines names the columns: the first with two headers that are known, unless the first of all is more
/// than a title; else the first with two names; else the first.
fn header_among(lines: &[(usize, Vec<String>)]) -> Option<usize> {
    let filled = |cells: &[String]| cells.iter().filter(|cell| !cell.is_empty()).count();
    let numbers = |cells: &[String]| cells.iter().filter(|cell| values::number(cell).is_some()).count();
    let known = |cells: &[String]| cells.iter().filter(|cell| headers::is_known(cell)).count();
    let first = &lines.first()?.1;
    let by_names = lines.iter().position(|(_, cells)| known(cells) > 1 && numbers(cells) == 0);
    if filled(first) < 2 {
        let by_shape = || lines.iter().position(|(_, cells)| filled(cells) > 1 && numbers(cells) * 2 < filled(cells));
        by_names.or_else(by_shape).or(Some(0))
    } else {
        by_names.filter(|_| known(first) == 0).or(Some(0))
    }
}

/// Whether a line names the columns of a group whose own name stands above it in a merged cell.
fn is_second_header(above: &[String], line: &[String]) -> bool {
    let filled = || line.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
    let below_blank = filled().any(|(i, _)| above.get(i).is_none_or(String::is_empty));
    below_blank && filled().count() > 1 && filled().all(|(_, cell)| headers::is_known(cell))
}
