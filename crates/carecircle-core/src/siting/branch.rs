//! Proof: branch and cut over sites alone.
//!
//! A linear programme holds one variable for each site and one for the value of each group of terms, which is kept down by
//! cuts: the inequality of [`super::model`] at the prices that are right for the point that the programme ended at
//! (Benders' cuts; Cordeau, Furini and Ljubić, *Benders decomposition for very large scale partial set covering and maximal
//! covering location problems*, 2019). Terms over which two cuts differ get a variable of their own, which spares many cuts
//! and allows for those that close most of the gap that is left: of three terms with `z ≤ 1` and `z ≤ Σ y`, of which no
//! site serves exactly one or all but few do, no more than two are served by one site less than two,
//!
//! > z₁ + z₂ + z₃ ≤ 1 + Σ over sites of ⌈(how many of the three it serves) / 2⌉ · y
//!
//! (half the sum of the six inequalities, rounded down: Caprara and Fischetti, *{0, ½}-Chvátal-Gomory cuts*, 1996).
//!
//! What the programme says is never trusted: every bound is put together anew from rows and multipliers, rounded outward,
//! and every plan's value comes from the model.

mod cuts;

use super::Pick;
use super::simplex::{Outcome, Simplex};
use super::task::{Goal, Task};
use cuts::Cut;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
/// What came of it. Objectives are such that more is better: costs are negative.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) best: Option<(f64, Vec<usize>)>,
    pub(super) bound: f64,
    pub(super) nodes: usize,
}

/// Who looks on: told the best objective, the bound and the nodes done; says whether to go on.
pub(super) type Watch<'a> = dyn Fn(Option<f64>, f64, usize) -> bool + 'a;

/// A value is whole that is this near to a whole number.
const WHOLE: f64 = 1e-6;
/// So many cuts, and so many rows of a kind, may hold nothing.
const MOST_CUTS: usize = 60;
const MOST_ROWS: usize = 400;
/// So many terms at most get a variable of their own.
const MOST_OWN: usize = 700;

/// A part of the tree: sites opened and closed, and what is known of it.
#[derive(Clone, Debug)]
struct Node {
    bound: f64,
    fixed: Vec<(u32, bool)>,
    number: usize,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(self.number.cmp(&other.number))
    }
}

/// What was found of a node.
struct Examined {
    bound: f64,
    /// The site to branch on; none where the search was stopped.
    branch: Option<usize>,
    /// What is fixed in all that is below.
    fixed: Vec<(u32, bool)>,
}

/// What a site's branches took off the bound so far, by unit of its fraction: sum and count, for closing and for opening.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    closing: (f64, f64),
    opening: (f64, f64),
}

struct Tree<'t, 'm> {
    task: &'t Task<'m>,
    watch: &'t Watch<'t>,
    lp: Simplex,
    /// The programme's objective in units of this is the objective.
    unit: f64,
    /// Values in the programme are in units of this.
    value_unit: f64,
    /// By group: its value's variable.
    value_of: Vec<usize>,
    /// By term: its own variable.
    own: Vec<Option<usize>>,
    owned: usize,
    cuts: Vec<Cut>,
    triples: Vec<([usize; 3], usize)>,
    known_triples: BTreeSet<[usize; 3]>,
    /// Rows of terms that must be served.
    musts: Vec<usize>,
    first_floor: usize,
    /// By term: whether it must be served, for a floor asks for all there is. Rows for those are added where they are missing.
    must: Vec<bool>,
    /// By group: whether its value is of no interest, for all of it must be served.
    is_must: Vec<bool>,
    /// Sites that are closed, or open, in every plan that would be better.
    settled: Vec<Option<bool>>,
    best: Option<(f64, Vec<usize>)>,
    /// Such an objective is known to be reached.
    least: f64,
    seen: Vec<Seen>,
    nodes: usize,
    stopped: bool,
    /// The bound of the root and its reduced costs.
    root: Option<(f64, Vec<f64>)>,
    applied: Vec<(u32, bool)>,
    open_bound: f64,
}

/// Answers a question for good, or as far as `watch` lets it.
///
/// A plan to start from may be known, and an objective that one reaches, whichever it is.
pub(super) fn solve(
    task: &Task<'_>,
    start: Option<Vec<usize>>,
    least: f64,
    prices: Option<&[f64]>,
    watch: &Watch<'_>,
) -> Found {
    let mut tree = Tree::new(task, prices, watch);
    tree.least = least;
    if let Some(sites) = start {
        tree.meet(sites);
    }
    tree.run()
}

impl<'t, 'm> Tree<'t, 'm> {
    fn new(task: &'t Task<'m>, prices: Option<&[f64]>, watch: &'t Watch<'t>) -> Self {
        let model = task.model;
        let whole = model.whole_value();
        let value_unit = (whole.iter().sum::<f64>() / 100.0).max(1e-9);
        let unit = match task.goal {
            Goal::Most => value_unit,
            Goal::Cheapest => (model.cost.iter().sum::<f64>() / 100.0).max(1e-9),
        };
        let mut tree = Self {
            task,
            watch,
            lp: Simplex::default(),
            unit,
            value_unit,
            value_of: Vec::new(),
            own: vec![None; model.terms.len()],
            owned: 0,
            cuts: Vec::new(),
            triples: Vec::new(),
            known_triples: BTreeSet::new(),
            musts: Vec::new(),
            first_floor: 0,
            must: task.must(&whole),
            is_must: vec![false; model.groups],
            settled: vec![None; model.sites()],
            best: None,
            least: f64::NEG_INFINITY,
            seen: vec![Seen::default(); model.sites()],
            nodes: 0,
            stopped: false,
            root: None,
            applied: Vec::new(),
            open_bound: f64::INFINITY,
        };
        for (term, must) in model.terms.iter().zip(&tree.must) {
            tree.is_must[term.group as usize] = *must;
        }
        tree.lay(&whole);
        let none = vec![0.0; model.terms.len()];
        tree.start_from(prices.unwrap_or(&none));
        tree
    }

    /// Sets up variables, the limit and floors.
    fn lay(&mut self, whole: &[f64]) {
        let (task, model) = (self.task, self.task.model);
        for site in 0..model.sites() {
            // Costs that differ a little leave the programme less choice between equals; bounds stay bounds, for it is more.
            let aside = 1e-8 * (site * 7_919 % 1_009) as f64 / 1_009.0;
            let cost = if matches!(task.goal, Goal::Cheapest) { -model.cost[site] / self.unit } else { 0.0 };
            let lower = if model.always[site] { 1.0 } else { 0.0 };
            self.lp.add_variable(cost + aside, lower, 1.0, &[]);
        }
        for (whole, must) in whole.iter().zip(&self.is_must) {
            let cost = if matches!(task.goal, Goal::Most) { 1.0 } else { 0.0 };
            let lower = if *must { whole / self.value_unit } else { 0.0 };
            self.value_of.push(self.lp.add_variable(cost, lower, whole / self.value_unit, &[]));
        }
        let open = (0..model.sites()).filter(|site| !model.always[*site]);
        match model.pick {
            Pick::Count(count) => {
                self.lp.add_row(open.map(|site| (site, 1.0)).collect(), count as f64);
            }
            Pick::Budget(budget) if budget.is_finite() => {
                let scale = model.cost.iter().copied().fold(1e-9, f64::max);
                self.lp.add_row(open.map(|site| (site, model.cost[site] / scale)).collect(), budget / scale);
            }
            Pick::Budget(_) => {}
        }
        self.first_floor = self.lp.row_count();
        for floor in &task.floors {
            let entries = floor.groups.clone().map(|group| (self.value_of[group], -1.0)).collect();
            self.lp.add_row(entries, -floor.least / self.value_unit);
        }
    }

    /// Takes note of a plan, and of what a better one cannot hold.
    fn meet(&mut self, sites: Vec<usize>) {
        let Some(objective) = self.task.objective(&sites) else { return };
        if self.best.as_ref().is_none_or(|(best, _)| objective > *best) {
            self.best = Some((objective, sites));
            self.settle();
        }
    }

    /// The least that a bound must be for a better plan to be there.
    fn wanted(&self) -> f64 {
        let best = self.best.as_ref().map_or(self.least, |(best, _)| best.max(self.least));
        if best.is_finite() { self.task.better_than(best) } else { best }
    }

    /// Closes and opens sites for good by what the root says of a better plan.
    fn settle(&mut self) {
        let wanted = self.wanted();
        let Some((bound, reduced)) = &self.root else { return };
        let bound = *bound;
        let reduced = reduced.clone();
        for (site, left) in reduced.into_iter().enumerate() {
            if self.settled[site].is_some() || self.task.model.always[site] || bound - left.abs() >= wanted {
                continue;
            }
            let is_open = left > 0.0;
            self.settled[site] = Some(is_open);
            let fixed = f64::from(u8::from(is_open));
            self.lp.set_bounds(site, fixed, fixed);
            if !is_open {
                self.lp.drop_variable(site);
            }
        }
    }

    fn keep_on(&self) -> bool {
        (self.watch)(self.best.as_ref().map(|(best, _)| *best), self.open_bound, self.nodes)
    }

    fn run(mut self) -> Found {
        let mut open = BinaryHeap::new();
        let mut next = Some(Node { bound: f64::INFINITY, fixed: Vec::new(), number: 0 });
        let mut left_over = f64::NEG_INFINITY;
        let mut made = 0;
        while let Some(node) = next.take().or_else(|| open.pop()) {
            let others = open.peek().map_or(f64::NEG_INFINITY, |other: &Node| other.bound);
            self.open_bound = node.bound.max(others).max(left_over);
            if node.bound < self.wanted() {
                continue;
            }
            if self.stopped || !self.keep_on() {
                self.stopped = true;
                left_over = left_over.max(node.bound);
                continue;
            }
            self.nodes += 1;
            let Some(Examined { bound, branch, fixed }) = self.examine(&node) else { continue };
            let Some(site) = branch else {
                left_over = left_over.max(bound);
                continue;
            };
            let child = |is_open: bool, number| {
                let fixed = fixed.iter().copied().chain([(site as u32, is_open)]).collect();
                Node { bound, fixed, number }
            };
            open.push(child(false, made + 1));
            next = Some(child(true, made + 2));
            made += 2;
        }
        // What was passed over may be better by less than counts.
        let known = self.best.as_ref().map_or(self.least, |(best, _)| best.max(self.least));
        let bound = left_over.max(if self.task.step > 0.0 { known } else { self.wanted() });
        Found { bound, best: self.best, nodes: self.nodes }
    }

    /// Sets the bounds of sites to those of a node.
    fn apply(&mut self, node: &Node) {
        for (site, _) in std::mem::take(&mut self.applied) {
            if self.settled[site as usize].is_none() {
                self.lp.set_bounds(site as usize, 0.0, 1.0);
            }
        }
        for &(site, is_open) in &node.fixed {
            if self.settled[site as usize].is_none() {
                let fixed = f64::from(u8::from(is_open));
                self.lp.set_bounds(site as usize, fixed, fixed);
            }
        }
        self.applied.clone_from(&node.fixed);
    }

    /// Bounds a node; none where nothing better is there.
    fn examine(&mut self, node: &Node) -> Option<Examined> {
        // What was settled meanwhile may contradict the node: then it holds nothing better.
        if node.fixed.iter().any(|&(site, is_open)| self.settled[site as usize].is_some_and(|is| is != is_open)) {
            return None;
        }
        self.apply(node);
        let is_root = node.fixed.is_empty();
        let model = self.task.model;
        let most_rounds = if is_root { 300 } else { 12 };
        let mut bound = node.bound;
        let mut y = vec![0.0; model.sites()];
        let (mut reduced, mut reduced_of) = (vec![0.0; model.sites()], f64::INFINITY);
        let mut stalled = 0;
        for round in 0..most_rounds {
            let keep_on = || (self.watch)(self.best.as_ref().map(|(best, _)| *best), self.open_bound, self.nodes);
            let outcome = self.lp.solve(5_000, &keep_on);
            if outcome == Outcome::Infeasible && self.lp.is_surely_infeasible() {
                return None;
            }
            let unit = self.unit;
            let lp_bound = self.lp.bound(|variable, left| {
                if let Some(slot) = reduced.get_mut(variable) {
                    *slot = left * unit;
                }
            });
            let before = bound;
            reduced_of = lp_bound * unit;
            bound = bound.min(self.task.tightened(lp_bound * unit));
            if is_root {
                self.open_bound = bound;
                self.root = Some((lp_bound * unit, reduced.clone()));
                self.settle();
            }
            if bound < self.wanted() {
                return None;
            }
            if !self.keep_on() {
                self.stopped = true;
                return Some(Examined { bound, branch: None, fixed: Vec::new() });
            }
            if outcome != Outcome::Solved {
                break;
            }
            for (site, y) in y.iter_mut().enumerate() {
                *y = if self.settled[site] == Some(false) { 0.0 } else { self.lp.value_of(site).clamp(0.0, 1.0) };
            }
            let is_whole = y.iter().all(|y| (y - y.round()).abs() <= WHOLE);
            self.round(&y, is_whole);
            stalled = if before - bound > 1e-4 * (bound - self.wanted()).abs() { 0 } else { stalled + 1 };
            let added = self.separate(&y, is_whole);
            let tripled = if !is_whole && (added == 0 || round % 3 == 2) { self.separate_triples(&y) } else { 0 };
            if added + tripled == 0 || stalled > if is_root { 12 } else { 3 } {
                break;
            }
        }
        self.tidy();
        if bound < self.wanted() {
            return None;
        }
        let mut fixed = node.fixed.clone();
        let wanted = self.wanted();
        let is_free =
            |site: &usize| self.settled[*site].is_none() && !model.always[*site] && self.lp.bounds(*site) == (0.0, 1.0);
        let free: Vec<usize> = (0..model.sites()).filter(is_free).collect();
        let mut branchable = Vec::with_capacity(free.len());
        for site in free {
            if reduced_of - reduced[site].abs() < wanted {
                fixed.push((site as u32, reduced[site] > 0.0));
            } else {
                branchable.push(site);
            }
        }
        if branchable.is_empty() {
            self.leaf(&fixed);
            return None;
        }
        let site = self.branch_site(&branchable, &y, bound);
        Some(Examined { bound, branch: Some(site), fixed })
    }

    /// Everything is fixed: the plan is known.
    fn leaf(&mut self, fixed: &[(u32, bool)]) {
        let settled = (0..self.settled.len()).filter(|site| self.settled[*site] == Some(true));
        let mut sites: Vec<usize> =
            fixed.iter().filter(|(_, open)| *open).map(|(site, _)| *site as usize).chain(settled).collect();
        sites.sort_unstable();
        sites.dedup();
        self.meet(sites);
    }

    /// Makes a plan of what the programme says.
    fn round(&mut self, y: &[f64], is_whole: bool) {
        let model = self.task.model;
        let mut order: Vec<usize> =
            (0..model.sites()).filter(|site| y[*site] > WHOLE && !model.always[*site]).collect();
        order.sort_by(|a, b| y[*b].total_cmp(&y[*a]).then(a.cmp(b)));
        if is_whole {
            order.retain(|site| y[*site] > 0.5);
            order.sort_unstable();
            self.meet(order);
        } else if let Some(sites) = self.task.plan_from(&order) {
            self.meet(sites);
        }
    }

    /// The site whose branches are thought to bring the bound down most.
    fn branch_site(&mut self, free: &[usize], y: &[f64], bound: f64) -> usize {
        const TRIED: usize = 8;
        const RELIABLE: f64 = 3.0;
        let torn = |site: &usize| (y[*site] - y[*site].round()).abs() > WHOLE;
        let mut candidates: Vec<usize> = free.iter().copied().filter(torn).collect();
        if candidates.is_empty() {
            let most = |a: &usize, b: &usize| y[*a].total_cmp(&y[*b]).then(b.cmp(a));
            return free.iter().copied().max_by(most).unwrap_or(free[0]);
        }
        let score = |seen: &Seen, y: f64, mean: f64| {
            let rate = |(sum, count): (f64, f64)| if count > 0.0 { sum / count } else { mean };
            (rate(seen.closing) * y).max(1e-6) * (rate(seen.opening) * (1.0 - y)).max(1e-6)
        };
        let known: Vec<&Seen> = self.seen.iter().filter(|seen| seen.closing.1 > 0.0).collect();
        let mean = if known.is_empty() {
            1.0
        } else {
            known.iter().map(|seen| (seen.closing.0 + seen.opening.0) / (seen.closing.1 + seen.opening.1)).sum::<f64>()
                / known.len() as f64
        };
        let by_score = |seen: &[Seen], a: &usize, b: &usize| {
            score(&seen[*b], y[*b], mean).total_cmp(&score(&seen[*a], y[*a], mean)).then(a.cmp(b))
        };
        candidates.sort_by(|a, b| by_score(&self.seen, a, b));
        for &site in candidates.iter().take(TRIED) {
            if self.seen[site].closing.1 >= RELIABLE {
                continue;
            }
            for is_open in [false, true] {
                let mut trial = self.lp.clone();
                let fixed = f64::from(u8::from(is_open));
                trial.set_bounds(site, fixed, fixed);
                trial.solve(60, &|| true);
                let less = (bound - trial.bound(|_, _| {}) * self.unit).max(0.0);
                let seen = &mut self.seen[site];
                let (slot, part) =
                    if is_open { (&mut seen.opening, 1.0 - y[site]) } else { (&mut seen.closing, y[site]) };
                *slot = (slot.0 + less / part, slot.1 + 1.0);
            }
        }
        candidates.sort_by(|a, b| by_score(&self.seen, a, b));
        candidates[0]
    }
}
