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

use super::Pick;
use super::local::Local;
use super::model::{Link, Model, Term};
use super::simplex::{Outcome, Simplex};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// What is wanted of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// As much of it as the limit allows.
    Most,
    /// So much of it for the least cost.
    Cheapest,
}

/// A least value for some groups together.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    pub(super) groups: std::ops::Range<usize>,
    pub(super) least: f64,
}

/// A question about a model.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) model: &'a Model,
    pub(super) goal: Goal,
    pub(super) floors: Vec<Floor>,
    /// The least step between two objectives, or nothing where that is not known.
    pub(super) step: f64,
    /// What is added to the objective in the end: objectives are the same by their sum.
    pub(super) base: f64,
}

/// What came of it. Objectives are such that more is better: costs are negative.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) best: Option<(f64, Vec<usize>)>,
    pub(super) bound: f64,
    pub(super) nodes: usize,
}

/// Who looks on: told the best objective, the bound and the nodes done; says whether to go on.
pub(super) type Watch<'a> = dyn Fn(Option<f64>, f64, usize) -> bool + 'a;

/// Two objectives this near, in parts of them, are the same where no step between them is known.
pub(super) const SAME: f64 = 1e-7;
/// A value is whole that is this near to a whole number.
const WHOLE: f64 = 1e-6;
/// Rows of the programme at most; beyond, nothing but what is needed for a proof is added.
const MOST_ROWS: usize = 1_200;
const MOST_OWN: usize = 700;

impl Task<'_> {
    /// The objective of some sites, or none where they won't do.
    pub(super) fn objective(&self, sites: &[usize]) -> Option<f64> {
        let value = self.model.worth(sites);
        let met = |floor: &Floor| value[floor.groups.clone()].iter().sum::<f64>() >= floor.least;
        let allowed = self.model.allows(sites) && self.floors.iter().all(met);
        allowed.then(|| match self.goal {
            Goal::Most => value.iter().sum(),
            Goal::Cheapest => -sites.iter().map(|site| self.model.cost[*site]).sum::<f64>(),
        })
    }

    /// The terms that must be served whole: those of floors that ask for all there is of `whole`, by group.
    fn must(&self, whole: &[f64]) -> Vec<bool> {
        let mut must = vec![false; self.model.groups];
        for Floor { groups, least } in &self.floors {
            let all: f64 = whole[groups.clone()].iter().sum();
            let lightest = self.model.terms.iter().filter(|term| groups.contains(&(term.group as usize)));
            let lightest = lightest.map(|term| term.weight).fold(f64::INFINITY, f64::min);
            // Without the lightest term it would be too little.
            if all - lightest < *least {
                must[groups.clone()].fill(true);
            }
        }
        self.model.terms.iter().map(|term| must[term.group as usize]).collect()
    }

    /// The least objective that would be better than this one.
    pub(super) fn better_than(&self, objective: f64) -> f64 {
        let size = (objective + self.base).abs().max(0.01 * objective.abs());
        objective + if self.step > 0.0 { self.step * (1.0 - 1e-6) } else { SAME * size + f64::MIN_POSITIVE }
    }

    /// A bound brought down to an objective that there can be.
    pub(super) fn tightened(&self, bound: f64) -> f64 {
        if self.step > 0.0 { (bound / self.step + 1e-6).floor() * self.step } else { bound }
    }
}

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

/// A cut on the value of a group: its row, and for each term of a model whether it was taken as served.
#[derive(Debug)]
struct Cut {
    row: usize,
    group: usize,
    served: Vec<bool>,
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
    triples: Vec<usize>,
    known_triples: BTreeSet<[usize; 3]>,
    first_floor: usize,
    /// By term: whether it must be served, for a floor asks for all there is. Rows for those are added where they are missing.
    must: Vec<bool>,
    /// By group: whether its value is of no interest, for all of it must be served.
    is_whole: Vec<bool>,
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
            first_floor: 0,
            must: task.must(&whole),
            is_whole: vec![false; model.groups],
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
            tree.is_whole[term.group as usize] = *must;
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
        for (whole, must) in whole.iter().zip(&self.is_whole) {
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

    /// First cuts and own variables, by the prices that a bound was made of.
    fn start_from(&mut self, prices: &[f64]) {
        let model = self.task.model;
        let is_torn = |term: &usize| {
            let most = model.by_term.of(*term).first().map_or(0.0, |link| f64::from(link.gain));
            (0.05 * most..0.95 * most).contains(&prices[*term])
        };
        let mut torn: Vec<usize> = (0..model.terms.len()).filter(is_torn).collect();
        torn.sort_by(|a, b| model.terms[*b].weight.total_cmp(&model.terms[*a].weight).then(a.cmp(b)));
        torn.truncate(150);
        for term in torn {
            self.give_own(term);
        }
        for group in (0..model.groups).filter(|group| !self.is_whole[*group]).collect::<Vec<_>>() {
            self.add_cut(group, prices);
        }
    }

    /// Adds the cut on a group's value that prices make. Terms with a variable of their own are not in it.
    fn add_cut(&mut self, group: usize, prices: &[f64]) {
        let model = self.task.model;
        let is_in: Vec<bool> = (0..model.terms.len())
            .map(|term| model.terms[term].group as usize == group && self.own[term].is_none())
            .collect();
        let paid = |(number, term): (usize, &Term)| term.weight * f64::from(term.need) * prices[number];
        let most: f64 = model.terms.iter().enumerate().filter(|(number, _)| is_in[*number]).map(paid).sum();
        let mut entries = vec![(self.value_of[group], 1.0)];
        for site in (0..model.sites()).filter(|site| self.settled[*site] != Some(false)) {
            let score = if model.places.is_some() {
                model.score(site, prices)
            } else {
                let links = model.by_site.of(site).iter().filter(|link| is_in[link.to as usize]);
                let left = |link: &Link| (f64::from(link.gain) - prices[link.to as usize]).max(0.0);
                links.map(|link| model.terms[link.to as usize].weight * left(link)).sum()
            };
            if score > 0.0 {
                entries.push((site, -score / self.value_unit));
            }
        }
        let row = self.lp.add_row(entries, most / self.value_unit);
        let served = prices.iter().map(|price| *price > 0.0).collect();
        self.cuts.push(Cut { row, group, served });
    }

    /// Takes a term out of its group's value and gives it a variable: the part of it that is served.
    fn give_own(&mut self, term: usize) -> Option<usize> {
        let model = self.task.model;
        if self.must[term]
            || self.own[term].is_some()
            || self.owned >= MOST_OWN
            || model.places.is_some()
            || !model.is_flat(term)
        {
            return self.own[term];
        }
        let group = model.terms[term].group as usize;
        let links = model.by_term.of(term);
        let worth = model.terms[term].weight * f64::from(links[0].gain) / self.value_unit;
        let cost = if matches!(self.task.goal, Goal::Most) { worth } else { 0.0 };
        let in_cuts = self.cuts.iter().filter(|cut| cut.group == group).map(|cut| (cut.row, worth));
        let floors = self.task.floors.iter().enumerate().filter(|(_, floor)| floor.groups.contains(&group));
        let in_floors = floors.map(|(at, _)| (self.first_floor + at, -worth));
        let entries: Vec<(usize, f64)> = in_cuts.chain(in_floors).collect();
        let variable = self.lp.add_variable(cost, 0.0, 1.0, &entries);
        self.own[term] = Some(variable);
        self.owned += 1;
        let servers = links.iter().map(|link| (link.to as usize, -1.0));
        self.lp.add_row(servers.chain([(variable, 1.0)]).collect(), 0.0);
        Some(variable)
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
        let best = self.best.as_ref().map_or(self.least, |(best, _)| best.max(self.least));
        Found { bound: left_over.max(best), best: self.best, nodes: self.nodes }
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

    /// Where places are limited, adds the cuts of the best assignment and of prices as if they were not. Tells how many.
    fn separate_places(&mut self, y: &[f64], is_whole: bool) -> usize {
        const MOST_LINKS: usize = 20_000;
        let model = self.task.model;
        let mut candidates = vec![self.task.right_prices(y).0];
        let open: Vec<usize> = (0..model.sites()).filter(|site| y[*site] > WHOLE).collect();
        let links: usize = open.iter().map(|site| model.by_site.of(*site).len()).sum();
        if is_whole || links <= MOST_LINKS {
            candidates.push(model.assigned(&open, |site| y[site].min(1.0)).prices);
        }
        let mut added = 0;
        let mut scores = Vec::new();
        for prices in candidates {
            let paid = model.priced(&prices, &mut scores);
            let value: f64 = paid + scores.iter().zip(y).map(|(score, y)| score * y).sum::<f64>();
            let told = self.lp.value_of(self.value_of[0]);
            if told - value / self.value_unit > 1e-8 * (1.0 + told) {
                self.add_cut(0, &prices);
                added += 1;
            }
        }
        added
    }

    /// Adds the cuts that the point violates, and own variables for terms that they differ by. Tells how many.
    fn separate(&mut self, y: &[f64], is_whole: bool) -> usize {
        let model = self.task.model;
        if model.places.is_some() {
            return self.separate_places(y, is_whole);
        }
        let mut value = vec![0.0; model.groups];
        let (prices, within) = self.task.right_prices(y);
        for (number, term) in model.terms.iter().enumerate().filter(|(number, _)| self.own[*number].is_none()) {
            value[term.group as usize] += term.weight * within[number];
        }
        let mut added = self.separate_must(y);
        for group in (0..model.groups).filter(|group| !self.is_whole[*group]).collect::<Vec<_>>() {
            let told = self.lp.value_of(self.value_of[group]);
            let excess = told - value[group] / self.value_unit;
            if excess <= 1e-8 * (1.0 + told) {
                continue;
            }
            added += 1;
            // The cut that holds the value now, and where it is wrong.
            let tightest = self.cuts.iter().filter(|cut| cut.group == group);
            let tightest = tightest.min_by(|a, b| self.lp.slack(a.row).total_cmp(&self.lp.slack(b.row)));
            let mut wrong: Vec<(f64, usize)> = Vec::new();
            if let Some(cut) = tightest.filter(|_| self.owned < MOST_OWN) {
                for (number, term) in model.terms.iter().enumerate() {
                    let differs = cut.served[number] != (prices[number] > 0.0);
                    if term.group as usize == group && self.own[number].is_none() && differs && model.is_flat(number) {
                        let served: f64 = model.by_term.of(number).iter().map(|link| y[link.to as usize]).sum();
                        wrong.push((term.weight * (served - 1.0).abs(), number));
                    }
                }
            }
            wrong.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut left = 0.9 * excess * self.value_unit;
            for (error, term) in wrong.into_iter().take(60) {
                if left <= 0.0 {
                    break;
                }
                left -= error;
                self.give_own(term);
            }
            if self.lp.row_count() < MOST_ROWS || self.cuts.len() < MOST_ROWS {
                self.add_cut(group, &prices);
            }
        }
        added
    }

    /// Adds rows for terms that must be served, those that lack most first. Tells how many.
    fn separate_must(&mut self, y: &[f64]) -> usize {
        const AT_A_TIME: usize = 100;
        let model = self.task.model;
        let lack = |term: usize| {
            let served: f64 = model.by_term.of(term).iter().map(|link| y[link.to as usize]).sum();
            f64::from(model.terms[term].need) - served
        };
        let must = (0..model.terms.len()).filter(|term| self.must[*term]);
        let mut lacking: Vec<(f64, usize)> =
            must.map(|term| (lack(term), term)).filter(|(lack, _)| *lack > WHOLE).collect();
        lacking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        lacking.truncate(AT_A_TIME);
        for &(_, term) in &lacking {
            let servers = model.by_term.of(term).iter().map(|link| (link.to as usize, -1.0));
            self.lp.add_row(servers.collect(), -f64::from(model.terms[term].need));
        }
        lacking.len()
    }

    /// Adds cuts on three terms each that the point violates. Tells how many.
    fn separate_triples(&mut self, y: &[f64]) -> usize {
        const MOST_CLASSES: usize = 300;
        let model = self.task.model;
        if model.places.is_some() || self.lp.row_count() > MOST_ROWS {
            return 0;
        }
        let mut torn: Vec<usize> =
            (0..model.sites()).filter(|site| y[*site] > WHOLE && y[*site] < 1.0 - WHOLE).collect();
        torn.sort_by(|a, b| y[*b].total_cmp(&y[*a]).then(a.cmp(b)));
        torn.truncate(128);
        // Terms by which of the torn sites serve them.
        let mut mask = vec![0_u128; model.terms.len()];
        let mut part = vec![0.0; model.terms.len()];
        for (bit, &site) in torn.iter().enumerate() {
            for link in model.by_site.of(site) {
                mask[link.to as usize] |= 1 << bit;
                part[link.to as usize] += y[site];
            }
        }
        for site in (0..model.sites()).filter(|site| y[*site] >= 1.0 - WHOLE) {
            model.by_site.of(site).iter().for_each(|link| mask[link.to as usize] = 0);
        }
        let mut classes: BTreeMap<u128, (f64, Vec<usize>)> = BTreeMap::new();
        for (number, term) in model.terms.iter().enumerate() {
            if mask[number].count_ones() > 1 && (part[number] - 1.0).abs() < 0.5 && model.is_flat(number) {
                let class = classes.entry(mask[number]).or_default();
                class.0 += term.weight;
                class.1.push(number);
            }
        }
        let mut classes: Vec<(u128, f64, Vec<usize>)> =
            classes.into_iter().map(|(mask, (weight, terms))| (mask, weight, terms)).collect();
        classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        classes.truncate(MOST_CLASSES);
        for (_, _, terms) in &mut classes {
            terms.sort_by(|a, b| model.terms[*b].weight.total_cmp(&model.terms[*a].weight).then(a.cmp(b)));
        }
        let bits = |mut mask: u128| {
            let mut sum = 0.0;
            while mask != 0 {
                sum += y[torn[mask.trailing_zeros() as usize]];
                mask &= mask - 1;
            }
            sum
        };
        let count = classes.len();
        let alone: Vec<f64> = classes.iter().map(|class| bits(class.0)).collect();
        let mut pair = vec![0.0; count * count];
        for a in 0..count {
            for b in 0..a {
                let both = bits(classes[a].0 & classes[b].0);
                (pair[a * count + b], pair[b * count + a]) = (both, both);
            }
        }
        let kink = |a: usize| alone[a].min(1.0);
        let mut found: Vec<(f64, f64, [usize; 3])> = Vec::new();
        for a in 0..count {
            for b in a + 1..count {
                let ab = pair[a * count + b];
                // Each two of them share about half of a site.
                if ab <= 0.05 {
                    continue;
                }
                for c in b + 1..count {
                    let (ac, bc) = (pair[a * count + c], pair[b * count + c]);
                    let all = alone[a] + alone[b] + alone[c];
                    let twice = ab + ac + bc;
                    let served = kink(a) + kink(b) + kink(c);
                    // A site that serves one or two counts once, one that serves all three twice.
                    if served - 1.0 - (all - twice) <= 0.05 {
                        continue;
                    }
                    let thrice = bits(classes[a].0 & classes[b].0 & classes[c].0);
                    let excess = served - 1.0 - (all - twice + 2.0 * thrice);
                    if excess > 0.05 {
                        let weight = classes[a].1.min(classes[b].1).min(classes[c].1);
                        found.push((excess * weight, excess, [a, b, c]));
                    }
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        let mut used = vec![0_u32; model.terms.len()];
        let mut added = 0;
        for (_, _, [a, b, c]) in found {
            let free = |class: usize| classes[class].2.iter().copied().find(|term| used[*term] < 2);
            let (Some(i), Some(j), Some(k)) = (free(a), free(b), free(c)) else { continue };
            let mut three = [i, j, k];
            three.sort_unstable();
            if !self.known_triples.insert(three) {
                continue;
            }
            if !self.add_triple(three) {
                break;
            }
            for term in three {
                used[term] += 1;
            }
            added += 1;
            if added >= 100 {
                break;
            }
        }
        added
    }

    /// No more of three terms is served than one and what sites serve of two.
    fn add_triple(&mut self, three: [usize; 3]) -> bool {
        let (mut entries, mut most) = (Vec::new(), 1.0);
        for term in three {
            match self.give_own(term) {
                Some(variable) => entries.push((variable, 1.0)),
                None if self.must[term] => most -= 1.0,
                None => return false,
            }
        }
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for term in three {
            self.task.model.by_term.of(term).iter().for_each(|link| *counts.entry(link.to).or_default() += 1);
        }
        entries.extend(counts.into_iter().map(|(site, count)| (site as usize, -f64::from(count.div_ceil(2)))));
        let row = self.lp.add_row(entries, most);
        self.triples.push(row);
        true
    }

    /// Drops rows that hold nothing, where there are many.
    fn tidy(&mut self) {
        if self.cuts.len() > 60 {
            let (lp, all) = (&mut self.lp, std::mem::take(&mut self.cuts));
            let (kept, dropped): (Vec<Cut>, Vec<Cut>) = all.into_iter().partition(|cut| lp.slack(cut.row) <= 1e-7);
            for cut in dropped {
                lp.drop_row(cut.row);
            }
            self.cuts = kept;
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

impl Task<'_> {
    /// For each term the price that is right where sites are open in part, and how much of it is served then, by unit of
    /// weight.
    fn right_prices(&self, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let price = |term: usize| {
            let need = f64::from(self.model.terms[term].need);
            let (mut open, mut gained) = (0.0, 0.0);
            for link in self.model.by_term.of(term) {
                let (y, gain) = (y[link.to as usize], f64::from(link.gain));
                if open + y >= need - 1e-9 {
                    return (gain, gained + (need - open) * gain);
                }
                open += y;
                gained += y * gain;
            }
            (0.0, gained)
        };
        (0..self.model.terms.len()).map(price).unzip()
    }

    /// A plan out of sites in order of preference, bettered by exchange.
    pub(super) fn plan_from(&self, order: &[usize]) -> Option<Vec<usize>> {
        let model = self.model;
        let weights = model.terms.iter().map(|term| term.weight).collect();
        let mut local = Local::new(model, weights);
        match self.goal {
            Goal::Most => {
                for &site in order {
                    let mut picked = local.picked();
                    picked.push(site);
                    if model.allows(&picked) {
                        local.open(site);
                    }
                }
                local.fill();
                local.exchange(order);
                Some(local.picked())
            }
            Goal::Cheapest => {
                let mut sites = Vec::new();
                for &site in order {
                    sites.push(site);
                    if self.objective(&sites).is_some() {
                        break;
                    }
                }
                self.objective(&sites)?;
                // The dearest that is not needed goes first.
                let mut by_cost = sites.clone();
                by_cost.sort_by(|a, b| model.cost[*b].total_cmp(&model.cost[*a]).then(b.cmp(a)));
                for site in by_cost {
                    let without: Vec<usize> = sites.iter().copied().filter(|other| *other != site).collect();
                    if self.objective(&without).is_some() {
                        sites = without;
                    }
                }
                sites.sort_unstable();
                Some(sites)
            }
        }
    }
}
