//! What if: the coverage of a study while facilities open, close and move.
//!
//! A [`CoverageState`] holds what [`Study::check`] would find within the limit, and keeps it so under edits, touching only
//! what an edit changes:
//!
//! 1. What *closes* takes its states (see [`crate::layout`]) along: those whose best walk ends there. They hang together,
//!    and are found from where the search set out. Their times are put together anew from the states around them, for which
//!    the arcs are needed in the other direction too, and from facilities among them.
//! 2. What *opens* is one more place to set out from: the search goes on from there for as long as it betters what is known.
//! 3. Demand points beside a state that changed, or on a street that a facility came to or left, are walked from anew;
//!    blocks with a point that went in or out are judged anew; the sums of their areas are changed by the difference.
//!
//! Sums of children are whole numbers of the 2^48th part of a child, so that they do not drift: after any edits the state is
//! what it would be if the study had been so from the start. What does not depend on facilities at all is a [`Basis`], made
//! once for each profile.

mod field;

use self::field::{Due, Field, Offers, Terrain};
use crate::coverage::{BlockStatus, Tally, judged};
use crate::facility::Facility;
use crate::geometry::Point;
use crate::policy::Policy;
use crate::profile::Profile;
use crate::search::{Arrival, NEVER, Search, last_within};
use crate::study::Study;
use crate::time::WalkTime;
use crate::weights::Weights;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::iter::once;
use std::sync::{Arc, OnceLock};

/// What a profile makes of a study, whichever facilities there are.
#[derive(Debug)]
pub struct Basis {
    weights: Weights,
    /// By the profile's own times, and by those of its floor where it has one: a walk takes the longer of both.
    terrains: Vec<Terrain>,
}

impl Basis {
    /// Prepares a study for a profile: time and memory as for a few searches of the whole network.
    pub fn new(study: &Study, profile: &Profile) -> Self {
        let weights = study.network().weigh(profile);
        let terrains = once(&weights).chain(weights.floor()).map(|weights| Terrain::new(study, weights)).collect();
        Self { weights, terrains }
    }

    /// The times of the profile.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The walks within a limit that end at a facility, or at a place that nothing is known of: from which demand points,
    /// ascending, and how long.
    pub(crate) fn walks_to(
        &self,
        study: &Study,
        search: &mut Search,
        (facility, at): (Option<usize>, Point),
        limit: WalkTime,
    ) -> Vec<(u32, WalkTime)> {
        let label = facility.unwrap_or(study.facilities().len()) as u32;
        let offers = offers(study, self, label, at);
        let by_terrain = self.terrains.iter().zip(offers);
        let walks = by_terrain.map(|(terrain, offers)| terrain.walks_to(search, &offers, limit));
        let longer_of_both = |walks: Vec<(u32, WalkTime)>, plain: Vec<(u32, WalkTime)>| {
            let mut plain = plain.into_iter().peekable();
            let both = |(point, time): (u32, WalkTime)| {
                while plain.next_if(|other| other.0 < point).is_some() {}
                plain.next_if(|other| other.0 == point).map(|(_, plain)| (point, time.max(plain)))
            };
            walks.into_iter().filter_map(both).collect()
        };
        walks.reduce(longer_of_both).unwrap_or_default()
    }

    fn each(&self) -> impl Iterator<Item = (&Weights, &Terrain)> {
        once(&self.weights).chain(self.weights.floor()).zip(&self.terrains)
    }
}

/// A facility or a candidate.
#[derive(Debug)]
struct Site {
    at: Point,
    area: Option<usize>,
    is_open: bool,
    /// Whether the policy counts it.
    counts: bool,
    /// By terrain; none until they are needed.
    offers: Option<Vec<Offers>>,
}

impl Site {
    fn takes_part(&self) -> bool {
        self.is_open && self.counts
    }
}

/// A tally whose sums do not drift.
#[derive(Clone, Debug, Default)]
struct Sum {
    tally: Tally,
    covered: i128,
}

impl Sum {
    fn count(&mut self, from: BlockStatus, to: BlockStatus, children: i128) {
        self.tally.by_status[from as usize] -= 1;
        self.tally.by_status[to as usize] += 1;
        self.covered += children;
        self.tally.covered = whole(self.covered);
    }
}

/// So many parts of a child are counted by.
const PARTS: f64 = (1_u64 << 48) as f64;

/// Children in whole parts; so few that no sum of a study's blocks is too large.
fn parts(children: f64) -> i128 {
    (children * PARTS).clamp(0.0, 1e32) as i128
}

/// Where more than one facility of so many changes, everything is found anew: that is quicker then.
const MOST_CHANGED: usize = 3;

/// So many points are walked from, and so many sites looked at, before another thread is worth waking.
const POINTS_AT_ONCE: usize = 1 << 16;
const SITES_AT_ONCE: usize = 1 << 8;

fn whole(parts: i128) -> f64 {
    parts as f64 / PARTS
}

/// The coverage of a study while facilities open, close and move.
///
/// A facility is known by its label: that of the study's own is their index, candidates follow in the order that they were
/// opened in. Of two equally near ones that with the smaller label is the nearest. A facility takes part while it is open
/// and counts: closing is an edit, counting is the policy's word on the study's own. Edits tell whether there was anything
/// to do; closing what is closed, or what nobody knows, is not.
#[derive(Debug)]
pub struct CoverageState<'a> {
    study: &'a Study,
    basis: Arc<Basis>,
    limit: WalkTime,
    block_share: f64,
    sites: Vec<Site>,
    fields: Vec<Field>,
    /// By demand point: the walk within the limit.
    walks: Vec<u64>,
    blocks: Vec<(BlockStatus, f64)>,
    block_of: Vec<u32>,
    /// By area; the last is that of the whole city.
    sums: Vec<Sum>,
    /// For each block that a border cuts, by area: its children within the limit who live there, in parts.
    cut: BTreeMap<usize, BTreeMap<usize, i128>>,
    /// Points and blocks that the edit under way concerns.
    points_due: Due,
    blocks_due: Due,
    changed: Vec<usize>,
    beyond: OnceLock<Vec<Option<Arrival>>>,
}

impl<'a> CoverageState<'a> {
    /// Judges a study by a policy, as a start to edit from.
    pub fn new(study: &'a Study, policy: &Policy) -> Self {
        Self::on(study, Arc::new(Basis::new(study, &policy.profile)), policy)
    }

    /// As [`CoverageState::new`], with what is known of the study for the policy's profile.
    pub fn on(study: &'a Study, basis: Arc<Basis>, policy: &Policy) -> Self {
        let (blocks, areas) = (&study.demand().blocks, study.areas());
        let points = study.demand().points.len();
        let sites = study.facilities().iter().map(|sited| Site {
            at: sited.at,
            area: sited.area,
            is_open: true,
            counts: policy.eligibility.admits(&sited.facility),
            offers: None,
        });
        let mut sums = vec![Sum::default(); areas.all().len() + 1];
        let mut block_of = vec![0; points];
        let mut children = vec![0; sums.len()];
        let mut cut = BTreeMap::new();
        for (block, number) in blocks.iter().zip(0..) {
            block_of[block.points.start as usize..block.points.end as usize].fill(number);
            for area in areas.chain(block.area).chain(once(areas.all().len())) {
                let tally = &mut sums[area].tally;
                tally.blocks += 1;
                tally.by_status[BlockStatus::Uncovered as usize] += 1;
            }
            children[areas.all().len()] += parts(block.children);
            let by_area = study.demand().parts_by_area(block);
            for (area, share) in &by_area {
                areas.chain(*area).for_each(|area| children[area] += parts(block.children * share));
            }
            if by_area.iter().any(|(area, _)| *area != block.area) {
                cut.insert(number as usize, BTreeMap::new());
            }
        }
        for (sum, children) in sums.iter_mut().zip(children) {
            sum.tally.children = whole(children);
        }
        let mut state = Self {
            study,
            basis,
            limit: policy.limit(),
            block_share: policy.block_share,
            sites: sites.collect(),
            fields: Vec::new(),
            walks: vec![NEVER; points],
            blocks: vec![(BlockStatus::Uncovered, 0.0); blocks.len()],
            block_of,
            sums,
            cut,
            points_due: Due::of(points),
            blocks_due: Due::of(blocks.len()),
            changed: Vec::new(),
            beyond: OnceLock::new(),
        };
        (0..state.sites.len() as u32).for_each(|label| state.count(label, true));
        (0..state.blocks.len() as u32).for_each(|block| state.blocks_due.add(block));
        state.lay();
        state.sweep();
        state.changed.clear();
        state
    }

    /// Opens a candidate at a place, and tells its label. Too far from any street it is open, but nobody gets there.
    pub fn open_at(&mut self, at: Point) -> u32 {
        let label = self.sites.len() as u32;
        let area = self.study.areas().smallest_containing(at);
        self.sites.push(Site { at, area, is_open: false, counts: true, offers: None });
        self.open(label);
        label
    }

    /// Opens a facility that was closed.
    pub fn open(&mut self, label: u32) -> bool {
        self.begin();
        let is_closed = self.sites.get(label as usize).is_some_and(|site| !site.is_open);
        if is_closed {
            self.sites[label as usize].is_open = true;
            self.count(label, true);
            self.join(label);
            self.finish();
        }
        is_closed
    }

    /// Closes a facility.
    pub fn close(&mut self, label: u32) -> bool {
        self.begin();
        let is_open = self.is_open(label);
        if is_open {
            self.leave(label);
            self.count(label, false);
            self.sites[label as usize].is_open = false;
            self.finish();
        }
        is_open
    }

    /// Moves a facility, open or closed. One of the study's own has its entrances where the study has it, and nowhere else.
    pub fn move_to(&mut self, label: u32, at: Point) -> bool {
        self.begin();
        let moves = self.sites.get(label as usize).is_some_and(|site| site.at != at);
        if moves {
            self.leave(label);
            self.count(label, false);
            let own = self.study.facilities().get(label as usize).filter(|sited| sited.at == at);
            let site = &mut self.sites[label as usize];
            site.area = own.map_or_else(|| self.study.areas().smallest_containing(at), |sited| sited.area);
            (site.at, site.offers) = (at, None);
            self.count(label, true);
            self.join(label);
            self.finish();
        }
        moves
    }

    /// Changes which of the study's own facilities count; candidates always do.
    pub fn set_counts(&mut self, counts: impl Fn(&Facility) -> bool) -> bool {
        self.begin();
        let own = self.study.facilities().iter().zip(&self.sites).zip(0..);
        let changes = own.filter(|((sited, site), _)| counts(&sited.facility) != site.counts).map(|(_, label)| label);
        let changes: Vec<u32> = changes.collect();
        let most_stay = changes.len() <= self.sites.len() / MOST_CHANGED;
        for &label in &changes {
            if most_stay {
                self.leave(label);
            }
            self.count(label, false);
            self.sites[label as usize].counts ^= true;
            self.count(label, true);
            if most_stay {
                self.join(label);
            }
        }
        if most_stay {
            self.finish();
        } else {
            self.lay();
            self.sweep();
        }
        !changes.is_empty()
    }

    /// Changes the limit; [`WalkTime::NEVER`] for none.
    pub fn set_limit(&mut self, limit: WalkTime) {
        self.begin();
        let before = last_within(std::mem::replace(&mut self.limit, limit));
        let most = last_within(limit);
        // What was found stays as it is; some is beyond the limit now, or lies between the old one and the new.
        for (field, terrain) in self.fields.iter_mut().zip(&self.basis.terrains) {
            if most < before {
                field.forget_beyond(most);
            } else {
                field.go_on(terrain, before, limit);
            }
        }
        let concerns = |walk: u64| if most < before { walk != NEVER && walk > most } else { walk == NEVER };
        for (&walk, point) in self.walks.iter().zip(0..) {
            if concerns(walk) {
                self.points_due.add(point);
            }
        }
        self.finish();
    }

    /// Changes who walks; see [`CoverageState::set_basis`] for what can be prepared.
    pub fn set_profile(&mut self, profile: &Profile) {
        self.set_basis(Arc::new(Basis::new(self.study, profile)));
    }

    /// Changes who walks, to a profile that the study was prepared for.
    pub fn set_basis(&mut self, basis: Arc<Basis>) {
        self.begin();
        self.basis = basis;
        self.sites.iter_mut().for_each(|site| site.offers = None);
        self.lay();
        self.sweep();
    }

    /// Whether a facility is open, counted or not.
    pub fn is_open(&self, label: u32) -> bool {
        self.sites.get(label as usize).is_some_and(|site| site.is_open)
    }

    /// The walk of a demand point to its nearest facility, where it is within the limit.
    pub fn walk(&self, point: usize) -> Option<Arrival> {
        found(self.walks[point])
    }

    /// The walks of all demand points, beyond the limit too: one search of the whole network, kept until the next edit.
    pub fn walks_beyond(&self) -> &[Option<Arrival>] {
        self.beyond.get_or_init(|| {
            let fields = self.fields.iter().zip(&self.basis.terrains);
            let best: Vec<Vec<u64>> = fields.map(|(field, terrain)| field.swept(terrain, WalkTime::NEVER)).collect();
            let most = last_within(WalkTime::NEVER);
            let walk = |point| found(self.walk_by(|k| &best[k], most, point));
            (0..self.walks.len() as u32).into_par_iter().map(walk).collect()
        })
    }

    /// Where a block stands.
    pub fn status(&self, block: usize) -> BlockStatus {
        self.blocks[block].0
    }

    /// The share of a block's children within the limit.
    pub fn covered_share(&self, block: usize) -> f64 {
        self.blocks[block].1
    }

    /// The blocks whose share or status the last edit changed, ascending.
    pub fn changed(&self) -> &[usize] {
        &self.changed
    }

    /// Sums per area, in the order of the study's. The places of candidates are not known.
    pub fn areas(&self) -> impl ExactSizeIterator<Item = &Tally> {
        self.sums[..self.sums.len() - 1].iter().map(|sum| &sum.tally)
    }

    /// Sums of the whole city.
    pub fn total(&self) -> &Tally {
        &self.sums[self.sums.len() - 1].tally
    }

    fn begin(&mut self) {
        self.changed.clear();
        self.beyond.take();
    }

    /// Lets a facility take part, if it is open and counts.
    fn join(&mut self, label: u32) {
        let (study, basis) = (self.study, &self.basis);
        let site = &mut self.sites[label as usize];
        if site.takes_part() {
            let offers = site.offers.get_or_insert_with(|| offers(study, basis, label, site.at));
            for (field, offers) in self.fields.iter_mut().zip(offers) {
                field.open(offers);
                offers.at_points.iter().for_each(|&(point, _)| self.points_due.add(point));
            }
        }
    }

    fn leave(&mut self, label: u32) {
        let site = &self.sites[label as usize];
        if site.takes_part() {
            let fields = self.fields.iter_mut().zip(&self.basis.terrains);
            for ((field, terrain), offers) in fields.zip(site.offers.iter().flatten()) {
                field.close(terrain, offers, label);
                offers.at_points.iter().for_each(|&(point, _)| self.points_due.add(point));
            }
        }
    }

    /// Counts a facility in or out, if it is open.
    fn count(&mut self, label: u32, is_in: bool) {
        let site = &self.sites[label as usize];
        if !site.is_open {
            return;
        }
        let facility = self.study.facilities().get(label as usize).map(|sited| &sited.facility);
        for area in self.study.areas().chain(site.area).chain(once(self.sums.len() - 1)) {
            self.sums[area].tally.count_facility(facility, site.counts, is_in);
        }
    }

    /// Lays out fields with what every facility offers that takes part.
    fn lay(&mut self) {
        let (study, basis) = (self.study, &self.basis);
        let sites = self.sites.par_iter_mut().enumerate().with_min_len(SITES_AT_ONCE);
        sites.filter(|(_, site)| site.takes_part() && site.offers.is_none()).for_each(|(label, site)| {
            site.offers = Some(offers(study, basis, label as u32, site.at));
        });
        self.fields.resize_with(basis.terrains.len(), Field::default);
        for (k, (field, terrain)) in self.fields.iter_mut().zip(&basis.terrains).enumerate() {
            let sites = self.sites.iter().filter(|site| site.takes_part());
            let offers: Vec<&Offers> = sites.filter_map(|site| site.offers.as_ref()?.get(k)).collect();
            field.lay(terrain, self.walks.len(), &offers);
        }
    }

    /// Finds everything anew.
    fn sweep(&mut self) {
        for (field, terrain) in self.fields.iter_mut().zip(&self.basis.terrains) {
            field.sweep(terrain, self.limit);
        }
        let mut walks = std::mem::take(&mut self.walks);
        let turned = |(point, walk): (usize, &mut u64)| {
            let before = std::mem::replace(walk, self.walk_now(point as u32));
            ((before == NEVER) != (*walk == NEVER)).then_some(self.block_of[point])
        };
        let points = walks.par_iter_mut().enumerate().with_min_len(POINTS_AT_ONCE);
        let blocks: Vec<u32> = points.filter_map(turned).collect();
        for block in blocks {
            self.blocks_due.add(block);
        }
        self.walks = walks;
        self.judge_due();
    }

    /// Finds anew what an edit concerns.
    fn finish(&mut self) {
        for (field, terrain) in self.fields.iter_mut().zip(&self.basis.terrains) {
            field.settle(terrain, last_within(self.limit));
            let points = field.take_changed().into_iter().flat_map(|state| terrain.points_at(state));
            points.for_each(|&point| self.points_due.add(point));
        }
        for point in self.points_due.take() {
            self.set_walk(point as usize, self.walk_now(point));
        }
        self.judge_due();
    }

    fn set_walk(&mut self, point: usize, walk: u64) {
        let before = std::mem::replace(&mut self.walks[point], walk);
        if (before == NEVER) != (walk == NEVER) {
            self.blocks_due.add(self.block_of[point]);
        }
    }

    fn judge_due(&mut self) {
        self.blocks_due.take().into_iter().for_each(|block| self.judge(block as usize));
        self.changed.sort_unstable();
    }

    fn judge(&mut self, number: usize) {
        let block = &self.study.demand().blocks[number];
        let (status, share) = judged(self.study, block, |point| self.walks[point] != NEVER, self.block_share);
        let (old_status, old_share) = std::mem::replace(&mut self.blocks[number], (status, share));
        let is_cut = self.cut.contains_key(&number);
        if (status, share) != (old_status, old_share) {
            self.changed.push(number);
            let children = parts(block.children * share) - parts(block.children * old_share);
            for area in self.study.areas().chain(block.area) {
                self.sums[area].count(old_status, status, if is_cut { 0 } else { children });
            }
            let all = self.sums.len() - 1;
            self.sums[all].count(old_status, status, children);
        }
        if is_cut {
            self.count_cut(number);
        }
    }

    /// Counts the children of a block that a border cuts where they live.
    fn count_cut(&mut self, number: usize) {
        let block = &self.study.demand().blocks[number];
        let mut now: BTreeMap<usize, i128> = BTreeMap::new();
        let range = block.points.start as usize..block.points.end as usize;
        for (i, point) in range.zip(self.study.demand().points_of(block)) {
            let children = if self.walks[i] == NEVER { 0 } else { parts(block.children * point.weight) };
            self.study.areas().chain(point.area).for_each(|area| *now.entry(area).or_default() += children);
        }
        let before = self.cut.insert(number, now.clone()).unwrap_or_default();
        for (area, children) in now {
            let sum = &mut self.sums[area];
            sum.covered += children - before.get(&area).copied().unwrap_or(0);
            sum.tally.covered = whole(sum.covered);
        }
    }

    fn walk_now(&self, point: u32) -> u64 {
        self.walk_by(|k| &self.fields[k].best, last_within(self.limit), point)
    }

    /// The walk from a point, no later than `most`, by what was found by each terrain.
    fn walk_by<'b>(&self, best: impl Fn(usize) -> &'b Vec<u64>, most: u64, point: u32) -> u64 {
        const LABEL: u64 = u32::MAX as u64;
        let walk = |k: usize| self.fields[k].walk(&self.basis.terrains[k], best(k), point);
        let later_of_both = |walk: u64, plain: u64| walk.max(plain & !LABEL | walk & LABEL);
        let walk = (1..self.fields.len()).map(walk).fold(walk(0), later_of_both);
        if walk <= most { walk } else { NEVER }
    }
}

fn found(key: u64) -> Option<Arrival> {
    (key != NEVER).then(|| Arrival::of_key(key))
}

/// What a facility offers where it stands, by terrain.
fn offers(study: &Study, basis: &Basis, label: u32, at: Point) -> Vec<Offers> {
    let own = study.facilities().get(label as usize).filter(|sited| sited.at == at);
    let doors = |weights: &Weights| match own {
        Some(_) => study.doors_of_facility(label as usize, weights).into_owned(),
        None => study.doors_at(at, weights),
    };
    basis.each().map(|(weights, terrain)| terrain.offers(study, weights, &doors(weights), label)).collect()
}
