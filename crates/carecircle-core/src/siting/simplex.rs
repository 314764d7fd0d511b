//! A small linear programme that is asked again and again, each time with a few rows, columns or bounds more.
//!
//! Maximises `cost · x` over `row · x ≤ most` and `lower ≤ x ≤ upper`, with finite bounds for every variable, by the dual
//! simplex method with bound flipping on a dense dictionary: the basic variables as functions of the others. Since every
//! variable is boxed, any basis can be made dual feasible by moving variables to their other bound, so that a change of
//! bounds, a row and a column more all go on from where the last solve ended.
//!
//! No proof rests on the dictionary: [`Simplex::bound`] reckons from the rows as they were given, with whatever multipliers
//! the dictionary suggests, and rounds outward (Neumaier and Shcherbina, *Safe bounds in linear and mixed-integer linear
//! programming*, 2004).

use std::ops::ControlFlow;

/// Below this a basic variable is within its bounds.
const FEASIBLE: f64 = 1e-9;
/// No smaller number is divided by.
const PIVOT: f64 = 1e-7;
/// What is smaller is taken for nothing.
const TINY: f64 = 1e-12;
/// The dictionary is made anew after so many pivots.
const PIVOTS_TO_REFRESH: usize = 400;
/// Sums of floating-point numbers are wrong by less than this part of the sum of their absolute values.
const ROUNDING: f64 = 1e-10;

/// A variable, or the slack of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Variable(usize),
    Slack(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Basic(usize),
    Column(usize),
    /// Dropped for good: a variable fixed at nothing, or a row that held nothing.
    Gone,
}

#[derive(Clone, Debug)]
struct Row {
    entries: Vec<(usize, f64)>,
    most: f64,
}

/// How a solve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// At the optimum.
    Solved,
    /// No point satisfies the rows, by the dictionary's word.
    Infeasible,
    /// Too many pivots; the multipliers are as good as they are.
    Stopped,
}

/// The programme and where its last solve ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Simplex {
    cost: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    rows: Vec<Row>,
    variable_at: Vec<Place>,
    slack_at: Vec<Place>,
    basic: Vec<Name>,
    /// Values of the basic variables.
    value: Vec<f64>,
    columns: Vec<Name>,
    at_upper: Vec<bool>,
    /// By column; the last of `table`'s conceptual rows.
    reduced: Vec<f64>,
    /// By basic variable, by column: basic = constant − Σ table · column.
    table: Vec<Vec<f64>>,
    /// Where the last solve found no feasible point: the combination of rows that shows it.
    ray: Vec<(usize, f64)>,
    pivots: usize,
}

impl Simplex {
    /// Adds a variable that occurs in rows already there, and tells its number.
    pub(super) fn add_variable(&mut self, cost: f64, lower: f64, upper: f64, entries: &[(usize, f64)]) -> usize {
        let number = self.cost.len();
        self.cost.push(cost);
        self.lower.push(lower);
        self.upper.push(upper);
        let mut column = vec![0.0; self.basic.len()];
        let mut reduced = cost;
        for &(row, factor) in entries {
            self.rows[row].entries.push((number, factor));
            match self.slack_at[row] {
                Place::Basic(at) => column[at] += factor,
                Place::Column(at) => {
                    reduced += factor * self.reduced[at];
                    for (entry, of_row) in column.iter_mut().zip(&self.table) {
                        *entry += factor * of_row[at];
                    }
                }
                Place::Gone => {}
            }
        }
        let at_upper = reduced > 0.0;
        let start = if at_upper { upper } else { lower };
        for ((of_row, entry), value) in self.table.iter_mut().zip(column).zip(&mut self.value) {
            of_row.push(entry);
            *value -= entry * start;
        }
        self.variable_at.push(Place::Column(self.columns.len()));
        self.columns.push(Name::Variable(number));
        self.at_upper.push(at_upper);
        self.reduced.push(reduced);
        number
    }

    /// Adds a row `entries · x ≤ most`, and tells its number.
    pub(super) fn add_row(&mut self, entries: Vec<(usize, f64)>, most: f64) -> usize {
        let number = self.rows.len();
        let entries: Vec<(usize, f64)> =
            entries.into_iter().filter(|(variable, _)| self.variable_at[*variable] != Place::Gone).collect();
        self.rows.push(Row { entries, most });
        self.slack_at.push(Place::Basic(self.basic.len()));
        self.enter(number);
        number
    }

    /// Writes a row into the dictionary, its slack basic.
    fn enter(&mut self, number: usize) {
        let row = &self.rows[number];
        let mut of_row = vec![0.0; self.columns.len()];
        let mut value = row.most;
        for &(variable, factor) in &row.entries {
            value -= factor * self.value_of(variable);
            match self.variable_at[variable] {
                Place::Column(at) => of_row[at] += factor,
                Place::Basic(at) => add(&mut of_row, &self.table[at], -factor),
                Place::Gone => {}
            }
        }
        self.table.push(of_row);
        self.value.push(value);
        self.basic.push(Name::Slack(number));
    }

    /// Changes the bounds of a variable.
    pub(super) fn set_bounds(&mut self, variable: usize, lower: f64, upper: f64) {
        let before = self.value_of(variable);
        (self.lower[variable], self.upper[variable]) = (lower, upper);
        if let Place::Column(at) = self.variable_at[variable] {
            let after = if self.at_upper[at] { upper } else { lower };
            self.shift(at, after - before);
        }
    }

    /// The bounds of a variable.
    pub(super) fn bounds(&self, variable: usize) -> (f64, f64) {
        (self.lower[variable], self.upper[variable])
    }

    /// The value of a variable where the last solve ended.
    pub(super) fn value_of(&self, variable: usize) -> f64 {
        match self.variable_at[variable] {
            Place::Basic(at) => self.value[at],
            Place::Column(at) if self.at_upper[at] => self.upper[variable],
            Place::Column(_) => self.lower[variable],
            Place::Gone => 0.0,
        }
    }

    /// How many rows are in the dictionary.
    pub(super) fn row_count(&self) -> usize {
        self.basic.len()
    }

    /// What a row leaves open where the last solve ended; infinite for one that was dropped.
    pub(super) fn slack(&self, row: usize) -> f64 {
        match self.slack_at[row] {
            Place::Basic(at) => self.value[at],
            Place::Column(_) => 0.0,
            Place::Gone => f64::INFINITY,
        }
    }

    /// Drops a row for good; only one that does not hold the last solve.
    pub(super) fn drop_row(&mut self, row: usize) {
        if let Place::Basic(at) = self.slack_at[row] {
            self.basic.swap_remove(at);
            self.value.swap_remove(at);
            self.table.swap_remove(at);
            self.slack_at[row] = Place::Gone;
            self.rows[row] = Row { entries: Vec::new(), most: 0.0 };
            if let Some(&moved) = self.basic.get(at) {
                self.set_place(moved, Place::Basic(at));
            }
        }
    }

    /// Drops a variable for good that is fixed at nothing and not basic.
    pub(super) fn drop_variable(&mut self, variable: usize) {
        if let Place::Column(at) = self.variable_at[variable] {
            self.columns.swap_remove(at);
            self.at_upper.swap_remove(at);
            self.reduced.swap_remove(at);
            self.table.iter_mut().for_each(|row| {
                row.swap_remove(at);
            });
            self.variable_at[variable] = Place::Gone;
            (self.lower[variable], self.upper[variable]) = (0.0, 0.0);
            if let Some(&moved) = self.columns.get(at) {
                self.set_place(moved, Place::Column(at));
            }
        }
    }

    fn set_place(&mut self, name: Name, place: Place) {
        match name {
            Name::Variable(number) => self.variable_at[number] = place,
            Name::Slack(number) => self.slack_at[number] = place,
        }
    }

    fn bounds_of(&self, name: Name) -> (f64, f64) {
        match name {
            Name::Variable(number) => (self.lower[number], self.upper[number]),
            Name::Slack(_) => (0.0, f64::INFINITY),
        }
    }

    /// Moves a column's variable by so much.
    fn shift(&mut self, column: usize, by: f64) {
        if by != 0.0 {
            for (value, row) in self.value.iter_mut().zip(&self.table) {
                *value -= row[column] * by;
            }
        }
    }

    /// Goes on to the optimum, in at most so many pivots, unless `keep_on` says otherwise in between.
    pub(super) fn solve(&mut self, most_pivots: usize, keep_on: &dyn Fn() -> bool) -> Outcome {
        if self.pivots > PIVOTS_TO_REFRESH {
            self.refresh();
        }
        self.make_dual_feasible();
        for pivot in 0..most_pivots {
            if pivot % 32 == 31 && !keep_on() {
                return Outcome::Stopped;
            }
            let Some((leaving, is_below)) = self.leaving() else { return Outcome::Solved };
            if let ControlFlow::Break(outcome) = self.step(leaving, is_below) {
                return outcome;
            }
        }
        Outcome::Stopped
    }

    /// Moves variables to the bound that their reduced cost asks for.
    fn make_dual_feasible(&mut self) {
        for column in 0..self.columns.len() {
            let (lower, upper) = self.bounds_of(self.columns[column]);
            let reduced = self.reduced[column];
            if upper.is_infinite() {
                // A slack that would grow: its cost is taken to be as if it did not.
                self.reduced[column] = reduced.min(0.0);
            } else if reduced > 0.0 && !self.at_upper[column] {
                self.at_upper[column] = true;
                self.shift(column, upper - lower);
            } else if reduced < 0.0 && self.at_upper[column] {
                self.at_upper[column] = false;
                self.shift(column, lower - upper);
            }
        }
    }

    /// The basic variable farthest outside its bounds, by the length of its row.
    fn leaving(&self) -> Option<(usize, bool)> {
        let mut best = None;
        let mut best_score = 0.0;
        for (at, (&name, &value)) in self.basic.iter().zip(&self.value).enumerate() {
            let (lower, upper) = self.bounds_of(name);
            let outside = (lower - value).max(value - upper);
            if outside > FEASIBLE {
                let length: f64 = 1.0 + self.table[at].iter().map(|entry| entry * entry).sum::<f64>();
                let score = outside * outside / length;
                if score > best_score {
                    (best, best_score) = (Some((at, value < lower)), score);
                }
            }
        }
        best
    }

    fn step(&mut self, leaving: usize, is_below: bool) -> ControlFlow<Outcome> {
        let (lower, upper) = self.bounds_of(self.basic[leaving]);
        let bound = if is_below { lower } else { upper };
        let mut outside = (bound - self.value[leaving]).abs();
        let row = &self.table[leaving];
        // Columns that bring the leaving variable back, by how much of their reduced cost each unit takes.
        let mut helpful: Vec<(f64, usize)> = Vec::new();
        for (column, &entry) in row.iter().enumerate() {
            let grows = if is_below { -entry } else { entry };
            let helps = if self.at_upper[column] { grows < -PIVOT } else { grows > PIVOT };
            let (lower, upper) = self.bounds_of(self.columns[column]);
            if helps && upper > lower {
                helpful.push((self.reduced[column].abs() / entry.abs(), column));
            }
        }
        helpful.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut entering = None;
        let mut flips = Vec::new();
        for (at, &(ratio, column)) in helpful.iter().enumerate() {
            let (lower, upper) = self.bounds_of(self.columns[column]);
            let gain = row[column].abs() * (upper - lower);
            if gain < outside {
                outside -= gain;
                flips.push(column);
                continue;
            }
            // Of those that are as soon the largest entry is divided by.
            let near = helpful[at..].iter().take_while(|(other, _)| *other <= ratio + 1e-10);
            entering =
                near.map(|(_, column)| *column).max_by(|a, b| row[*a].abs().total_cmp(&row[*b].abs()).then(b.cmp(a)));
            break;
        }
        let Some(entering) = entering else {
            self.ray = self.combination(leaving, is_below);
            return ControlFlow::Break(Outcome::Infeasible);
        };
        for column in flips {
            let (lower, upper) = self.bounds_of(self.columns[column]);
            let by = if self.at_upper[column] { lower - upper } else { upper - lower };
            self.at_upper[column] ^= true;
            self.shift(column, by);
        }
        let by = (self.value[leaving] - bound) / self.table[leaving][entering];
        let name = self.columns[entering];
        let (lower, upper) = self.bounds_of(name);
        let from = if self.at_upper[entering] { upper } else { lower };
        self.shift(entering, by);
        self.value[leaving] = from + by;
        self.exchange(leaving, entering);
        self.at_upper[entering] = !is_below;
        ControlFlow::Continue(())
    }

    /// Lets a basic variable and a column change places; values are not touched.
    fn exchange(&mut self, leaving: usize, entering: usize) {
        let mut row = std::mem::take(&mut self.table[leaving]);
        let pivot = row[entering];
        row[entering] = 1.0;
        for entry in &mut row {
            *entry /= pivot;
        }
        let update = |other: &mut Vec<f64>| {
            let factor = other[entering];
            other[entering] = 0.0;
            if factor.abs() > TINY {
                add(other, &row, -factor);
            }
        };
        self.table.iter_mut().enumerate().filter(|(at, _)| *at != leaving).for_each(|(_, other)| update(other));
        update(&mut self.reduced);
        self.table[leaving] = row;
        std::mem::swap(&mut self.basic[leaving], &mut self.columns[entering]);
        self.set_place(self.basic[leaving], Place::Basic(leaving));
        self.set_place(self.columns[entering], Place::Column(entering));
        self.pivots += 1;
    }

    /// Makes the dictionary anew from the rows, with the same variables basic as far as the rows tell them apart.
    fn refresh(&mut self) {
        let wanted: Vec<usize> = self
            .basic
            .iter()
            .filter_map(|name| if let Name::Variable(number) = name { Some(*number) } else { None })
            .collect();
        let was_upper: Vec<bool> =
            self.variable_at.iter().map(|place| matches!(place, Place::Column(at) if self.at_upper[*at])).collect();
        let kept: Vec<usize> = (0..self.rows.len()).filter(|row| self.slack_at[*row] != Place::Gone).collect();
        let held: Vec<bool> = self.slack_at.iter().map(|place| matches!(place, Place::Column(_))).collect();
        self.columns.clear();
        self.at_upper.clear();
        self.reduced.clear();
        for (number, was_upper) in was_upper.into_iter().enumerate() {
            if self.variable_at[number] != Place::Gone {
                self.variable_at[number] = Place::Column(self.columns.len());
                self.columns.push(Name::Variable(number));
                self.at_upper.push(was_upper);
                self.reduced.push(self.cost[number]);
            }
        }
        self.basic.clear();
        self.value.clear();
        self.table.clear();
        for row in kept {
            self.slack_at[row] = Place::Basic(self.basic.len());
            self.enter(row);
        }
        for variable in wanted {
            let Place::Column(entering) = self.variable_at[variable] else { continue };
            let may_leave = |at: &usize| matches!(self.basic[*at], Name::Slack(row) if held[row]);
            let size = |at: &usize| self.table[*at][entering].abs();
            let leaving = (0..self.basic.len()).filter(may_leave).max_by(|a, b| size(a).total_cmp(&size(b)));
            if let Some(leaving) = leaving.filter(|at| size(at) > PIVOT) {
                self.exchange(leaving, entering);
                self.at_upper[entering] = false;
            }
        }
        self.pivots = 0;
        // Values from the rows, slacks that left being nothing.
        let constants = self.constants();
        self.value = constants;
    }

    /// Values of the basic variables, from those of the columns.
    fn constants(&self) -> Vec<f64> {
        // The dictionary's constants follow from the rows' right-hand sides as its columns of slacks do.
        let mut values: Vec<f64> = vec![0.0; self.basic.len()];
        for (number, row) in self.rows.iter().enumerate() {
            match self.slack_at[number] {
                Place::Basic(at) => values[at] += row.most,
                Place::Column(at) => {
                    for (value, of_row) in values.iter_mut().zip(&self.table) {
                        *value += row.most * of_row[at];
                    }
                }
                Place::Gone => {}
            }
        }
        for (column, name) in self.columns.iter().enumerate() {
            let (lower, upper) = self.bounds_of(*name);
            let at = if self.at_upper[column] { upper } else { lower };
            if at != 0.0 {
                for (value, of_row) in values.iter_mut().zip(&self.table) {
                    *value -= of_row[column] * at;
                }
            }
        }
        values
    }

    /// The multipliers by which the last solve's rows make up a basic variable's row.
    fn combination(&self, basic: usize, is_below: bool) -> Vec<(usize, f64)> {
        let sign = if is_below { -1.0 } else { 1.0 };
        let mut ray = Vec::new();
        for (column, name) in self.columns.iter().enumerate() {
            let factor = -sign * self.table[basic][column];
            if let Name::Slack(row) = name
                && factor > TINY
            {
                ray.push((*row, factor));
            }
        }
        if let Name::Slack(row) = self.basic[basic] {
            ray.push((row, 1.0));
        }
        ray
    }

    /// Whether no point satisfies rows and bounds, for certain: a combination of rows says so.
    pub(super) fn is_surely_infeasible(&self) -> bool {
        let (bound, size) = self.combined(self.ray.iter().copied(), false, |_, _| {});
        bound < -1e-9 * size.max(1.0)
    }

    /// No point that satisfies rows and bounds has a greater objective than this, whatever the last solve did. Tells for each
    /// variable by how much less it is for a unit away from its better bound: negative where that is the lower, positive
    /// where the upper.
    pub(super) fn bound(&self, mut reduced: impl FnMut(usize, f64)) -> f64 {
        let multipliers = self.slack_at.iter().enumerate().filter_map(|(row, place)| match place {
            Place::Column(at) => Some((row, -self.reduced[*at])),
            _ => None,
        });
        let (bound, size) = self.combined(multipliers.filter(|(_, factor)| *factor > 0.0), true, &mut reduced);
        bound + ROUNDING * size
    }

    /// The greatest value of (cost − Σ factor · row) · x + Σ factor · most within the bounds, and the sum of all absolute
    /// values that it is put together of.
    fn combined(
        &self,
        rows: impl Iterator<Item = (usize, f64)>,
        with_cost: bool,
        mut reduced: impl FnMut(usize, f64),
    ) -> (f64, f64) {
        let mut left: Vec<f64> = if with_cost { self.cost.clone() } else { vec![0.0; self.cost.len()] };
        let mut sizes: Vec<f64> = left.iter().map(|cost| cost.abs()).collect();
        let (mut bound, mut size) = (0.0, 0.0);
        for (row, factor) in rows {
            let Row { entries, most } = &self.rows[row];
            bound += factor * most;
            size += (factor * most).abs();
            for (variable, entry) in entries {
                left[*variable] -= factor * entry;
                sizes[*variable] += (factor * entry).abs();
            }
        }
        for (variable, left) in left.into_iter().enumerate() {
            let (lower, upper) = self.bounds(variable);
            bound += (left * lower).max(left * upper);
            size += sizes[variable] * lower.abs().max(upper.abs());
            if self.variable_at[variable] != Place::Gone {
                reduced(variable, left);
            }
        }
        (bound, size)
    }
}

/// `to += factor · from`.
fn add(to: &mut [f64], from: &[f64], factor: f64) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
