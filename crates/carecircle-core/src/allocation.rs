//! Allocation: whose number of children holds where, from the block's own over its areas' totals and a population grid
//! down to an estimate; and what doesn't add up.
//!
//! Everything goes by spot, the demand point in the making, so that a block across a border has its children from both
//! sides. It is done twice, by floor area and by footprint: how far the two differ tells how sure the places are.

use crate::area::Areas;
use crate::demand::{Block, ChildrenFrom, DemandPoint, UNDER3_PER_RESIDENT};
use crate::geometry::Point;
use crate::population::GridBalance;
use crate::study::Study;
use std::collections::BTreeMap;

/// What may be wrong by rounding alone, as a part of the whole.
const ROUNDING: f64 = 1e-9;

/// What a spot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpotKind {
    /// A residential building.
    Home,
    /// A part of a block's land, where no home is mapped.
    Land,
    /// A block that is a point.
    Whole,
}

/// A demand point in the making. Pairs are by floor area and by footprint.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) at: Point,
    pub(crate) block: u32,
    /// The area that its block names, else the smallest that it lies in.
    pub(crate) area: Option<usize>,
    pub(crate) kind: SpotKind,
    /// Square metres of floor, or of footprint; of land either way.
    pub(crate) m2: [f64; 2],
    /// Its part of the block.
    pub(crate) weights: [f64; 2],
    pub(crate) children: [f64; 2],
    pub(crate) from: ChildrenFrom,
    /// The area whose total its children are a share of.
    pub(crate) total_of: Option<usize>,
    /// Whether a grid put its children here, rather than its block's estimate.
    pub(crate) in_grid: bool,
}

/// What an area was given, and what of it has no place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    /// Children under three that the area was given: its own number, else its residents times
    /// [`UNDER3_PER_RESIDENT`].
    pub given: Option<f64>,
    /// Whether that is from its residents.
    pub from_residents: bool,
    /// Children who live where no block is: nothing of the area is left to place them in. Those of areas inside are theirs.
    pub unplaced: f64,
    /// By how much what is known of the areas and blocks inside exceeds what was given; the finer figures stand.
    pub excess: f64,
    /// The share of the area's children whom footprints in place of floor areas would put into another block; `None`
    /// without children.
    pub moved_share: Option<f64>,
}

/// How the children of a study were placed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// By area, in the order of the study's areas.
    pub areas: Vec<Balance>,
    /// Children placed, by where their number comes from, in the order of [`ChildrenFrom::ALL`].
    pub by_source: [f64; 4],
    /// Children of areas who are in no block.
    pub unplaced: f64,
    /// As [`Balance::moved_share`], of all children.
    pub moved_share: Option<f64>,
    /// What became of a population grid.
    pub grid: Option<GridBalance>,
}

/// Gives each area that has a total exactly that total. A spot follows the smallest of its areas that has one; what
/// smaller areas inside were given, and what a table gave to blocks, is taken off before the rest is shared out in
/// proportion to what is known or estimated. Where nothing tells spots apart their blocks get equal parts.
pub(crate) fn share_out(areas: &Areas, spots: &mut [Spot]) -> Vec<Balance> {
    let mut balances: Vec<Balance> = areas
        .all()
        .iter()
        .map(|area| {
            let by_residents = area.population.map(|p| p * UNDER3_PER_RESIDENT);
            Balance {
                given: area.under3.or(by_residents),
                from_residents: area.under3.is_none() && by_residents.is_some(),
                ..Balance::default()
            }
        })
        .collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); balances.len()];
    let mut known = vec![0.0; balances.len()];
    for (i, spot) in spots.iter_mut().enumerate() {
        if spot.from == ChildrenFrom::Given {
            areas.chain(spot.area).for_each(|a| known[a] += spot.children[0]);
        } else {
            spot.total_of = areas.chain(spot.area).find(|&a| balances[a].given.is_some());
            spot.total_of.into_iter().for_each(|a| waiting[a].push(i));
        }
    }
    let mut deepest_first: Vec<usize> = (0..balances.len()).filter(|&a| balances[a].given.is_some()).collect();
    deepest_first.sort_by_key(|&a| std::cmp::Reverse(areas.chain(Some(a)).count()));
    for area in deepest_first {
        let given = balances[area].given.unwrap_or(0.0);
        let (rest, rounding) = (given - known[area], ROUNDING * given.max(known[area]));
        balances[area].excess = if rest < -rounding { -rest } else { 0.0 };
        let rest = if rest > rounding { rest } else { 0.0 };
        if waiting[area].is_empty() {
            balances[area].unplaced = rest;
        }
        for by in 0..2 {
            let sum = |of: fn(&Spot, usize) -> f64| waiting[area].iter().map(|&i| of(&spots[i], by)).sum::<f64>();
            let (guessed, blocks) = (sum(|s, by| s.children[by]), sum(|s, by| s.weights[by]));
            for &i in &waiting[area] {
                let spot = &mut spots[i];
                let part = if guessed > 0.0 { spot.children[by] / guessed } else { spot.weights[by] / blocks };
                spot.children[by] = rest * part;
                spot.from = ChildrenFrom::Shared;
            }
        }
        areas.chain(Some(area)).for_each(|a| known[a] += rest);
    }
    balances
}

/// The areas that points of a block lie in, each with its part of the block's children, by index; those in none come
/// first. One, with all, for a block that no border cuts.
pub(crate) fn parts_by_area(points: &[DemandPoint]) -> Vec<(Option<usize>, f64)> {
    let mut parts: BTreeMap<Option<usize>, f64> = BTreeMap::new();
    for point in points {
        *parts.entry(point.area).or_default() += point.weight;
    }
    match parts.len() {
        1 => parts.into_keys().map(|area| (area, 1.0)).collect(),
        _ => parts.into_iter().collect(),
    }
}

impl Allocation {
    /// Measures the share of children that the two weightings place differently, by area and in all.
    pub(crate) fn compare(&mut self, areas: &Areas, blocks: &[Block], points: &[DemandPoint]) {
        let mut sums = vec![(0.0, 0.0); areas.all().len() + 1];
        for block in blocks {
            let mut by_area: BTreeMap<Option<usize>, (f64, f64)> = BTreeMap::new();
            for point in &points[block.points.start as usize..block.points.end as usize] {
                let both = by_area.entry(point.area).or_default();
                *both = (both.0 + block.children * point.weight, both.1 + point.children_by_footprint);
            }
            let mut within: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
            for (area, (by_floor, by_footprint)) in by_area {
                for area in areas.chain(area).chain([areas.all().len()]) {
                    let both = within.entry(area).or_default();
                    *both = (both.0 + by_floor, both.1 + by_footprint);
                }
            }
            for (area, (by_floor, by_footprint)) in within {
                let elsewhere = by_floor - by_footprint;
                let sum = &mut sums[area];
                *sum = (sum.0 + by_floor, sum.1 + if elsewhere > ROUNDING * by_floor { elsewhere } else { 0.0 });
            }
        }
        let share = |(children, moved): (f64, f64)| (children > 0.0).then(|| moved / children);
        self.moved_share = sums.pop().and_then(share);
        for (balance, sum) in self.areas.iter_mut().zip(sums) {
            balance.moved_share = share(sum);
        }
    }
}

/// By area, and last in all, the share of children at points that are inside if they were shared out by footprint; `None`
/// without children.
pub(crate) fn shares_by_footprint(study: &Study, is_inside: impl Fn(usize) -> bool) -> Vec<Option<f64>> {
    let areas = study.areas();
    let mut sums = vec![(0.0, 0.0); areas.all().len() + 1];
    for (i, point) in study.demand().points.iter().enumerate() {
        let children = point.children_by_footprint;
        let covered = if is_inside(i) { children } else { 0.0 };
        for area in areas.chain(point.area).chain([areas.all().len()]) {
            sums[area] = (sums[area].0 + children, sums[area].1 + covered);
        }
    }
    sums.into_iter().map(|(children, covered)| (children > 0.0).then(|| covered / children)).collect()
}
