//! The verdict: which blocks lie inside the circle, which don't, and why; rolled up per area.
//!
//! Decided by network time at each demand point. Polygons have no say in it.

use crate::allocation;
use crate::demand::Block;
use crate::doors::Door;
use crate::facility::{Facility, Kind, Status};
use crate::isochrone::Source;
use crate::opening::Openings;
use crate::policy::Policy;
use crate::profile::Profile;
use crate::search::{Arrival, Origin, Sweep};
use crate::study::{SitedFacility, Study};
use crate::time::WalkTime;
use crate::weights::{Opened, Weights};
use rayon::prelude::*;
use std::borrow::Cow;
use std::iter::once;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockStatus {
    /// At least the policy's share of its children live within the limit.
    Covered,
    /// Some do.
    Partial,
    /// None does.
    Uncovered,
}

impl BlockStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Covered, Self::Partial, Self::Uncovered];

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Partial => "partial",
            Self::Uncovered => "uncovered",
        }
    }
}

/// Why a block is not covered: what holds for most of its uncovered children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is no facility at all that counts.
    NoFacility,
    /// No street near enough to start from.
    NoStreet,
    /// No connection from its streets to a facility.
    CutOff,
    /// A facility is within the limit, but the policy does not count it.
    NotEligible,
    /// It would be within the limit if every gate and private way were open to the public.
    Gate,
    /// The walk is longer than the limit.
    TooFar,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 6] =
        [Self::NoFacility, Self::NoStreet, Self::CutOff, Self::NotEligible, Self::Gate, Self::TooFar];

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFacility => "no_facility",
            Self::NoStreet => "no_street",
            Self::CutOff => "cut_off",
            Self::NotEligible => "not_eligible",
            Self::Gate => "gate",
            Self::TooFar => "too_far",
        }
    }
}

/// What is said of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where it stands.
    pub status: BlockStatus,
    /// The share of its children who live within the limit, 0 to 1.
    pub covered_share: f64,
    /// Walking time at the middle of its demand (weighted median over the points with a route), beyond the limit too.
    pub time: Option<WalkTime>,
    /// The facility nearest to that middle, an index into the study's facilities.
    pub nearest: Option<usize>,
    /// Why it is not covered.
    pub reason: Option<Reason>,
}

/// Sums over the blocks of an area, or of the whole city.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Blocks.
    pub blocks: usize,
    /// Of them, by status: covered, partial, uncovered.
    pub by_status: [usize; 3],
    /// Children under three.
    pub children: f64,
    /// Of them, within the limit.
    pub covered: f64,
    /// Facilities inside.
    pub facilities: usize,
    /// Of them, those that the policy counts; all that follows is of these.
    pub eligible: usize,
    /// Registered or past that.
    pub registered: usize,
    /// Filed or past that.
    pub filed: usize,
    /// Kindergartens with a class for children under three.
    pub nursery_classes: usize,
    /// Places.
    pub places: Known,
    /// Places in inclusive facilities.
    pub inclusive_places: Known,
    /// Places for children under two.
    pub under_two_places: Known,
    /// Places that nobody has taken.
    pub vacant_places: Known,
    /// Children enrolled.
    pub enrolled: Known,
    /// Staff.
    pub staff: Known,
    /// Staff with a certificate.
    pub certified_staff: Known,
    /// Of those filed, how many have a health manager.
    pub health_managers: Known,
}

/// A sum of what is known, and how many don't tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// The sum of what is known.
    pub sum: f64,
    /// How many tell.
    pub told: usize,
    /// How many don't.
    pub missing: usize,
}

impl Known {
    /// A number that is told once.
    pub fn told(sum: f64) -> Self {
        Self { sum, told: 1, missing: 0 }
    }

    /// Adds a value, or counts one that isn't told.
    pub fn add(&mut self, value: Option<f64>) {
        self.change(value, true);
    }

    /// Adds what [`Known::add`] takes, or takes it away again: whole numbers leave no trace.
    fn change(&mut self, value: Option<f64>, is_in: bool) {
        let number = if value.is_some() { &mut self.told } else { &mut self.missing };
        step(number, is_in);
        let value = value.unwrap_or(0.0);
        self.sum += if is_in { value } else { -value };
    }
}

impl std::ops::AddAssign for Known {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.told += other.told;
        self.missing += other.missing;
    }
}

fn step(number: &mut usize, is_in: bool) {
    if is_in { *number += 1 } else { *number -= 1 }
}

impl Tally {
    /// Counts a block in.
    pub fn count(&mut self, block: &Block, verdict: &Verdict) {
        self.blocks += 1;
        self.by_status[verdict.status as usize] += 1;
        self.children += block.children;
        self.covered += block.children * verdict.covered_share;
    }

    /// Counts a facility in, or out again where `is_in` is false. Of a candidate nothing is known.
    pub(crate) fn count_facility(&mut self, facility: Option<&Facility>, is_eligible: bool, is_in: bool) {
        step(&mut self.facilities, is_in);
        if !is_eligible {
            return;
        }
        step(&mut self.eligible, is_in);
        let status = facility.map_or(Status::Unknown, |f| f.status);
        if status >= Status::Registered {
            step(&mut self.registered, is_in);
        }
        if status >= Status::Filed {
            step(&mut self.filed, is_in);
            self.health_managers
                .change(facility.and_then(|f| f.health_manager).map(|has| f64::from(u8::from(has))), is_in);
        }
        if facility.is_some_and(|f| f.kind == Kind::KindergartenClass) {
            step(&mut self.nursery_classes, is_in);
        }
        let of = |number: fn(&Facility) -> Option<u32>| facility.and_then(number).map(f64::from);
        let places = of(|f| f.places);
        let inclusive = match facility.and_then(|f| f.inclusive) {
            Some(true) => places,
            Some(false) => Some(0.0),
            None => None,
        };
        let under_two = of(|f| f.places_infant).zip(of(|f| f.places_toddler)).map(|(infant, toddler)| infant + toddler);
        for (known, value) in [
            (&mut self.places, places),
            (&mut self.inclusive_places, inclusive),
            (&mut self.under_two_places, under_two),
            (&mut self.vacant_places, facility.and_then(Facility::vacant)),
            (&mut self.enrolled, of(|f| f.enrolled)),
            (&mut self.staff, of(|f| f.staff)),
            (&mut self.certified_staff, of(|f| f.staff_certified)),
        ] {
            known.change(value, is_in);
        }
    }

    /// Children within the circle over children, or `None` where there are no children.
    pub fn covered_share(&self) -> Option<f64> {
        (self.children > 0.0).then(|| self.covered / self.children)
    }
}

/// A verdict for every block, and their sums.
#[derive(Debug)]
pub struct Coverage {
    /// The rules it was judged by.
    pub policy: Policy,
    /// A verdict per block, in the order of the study's blocks.
    pub verdicts: Vec<Verdict>,
    /// The walk of each demand point to its nearest facility, in the order of the study's points; `None` for no route.
    pub walks: Vec<Option<Arrival>>,
    /// Sums per area, in the order of the study's areas: a block counts in every area that holds its own, its children
    /// where they live.
    pub areas: Vec<Tally>,
    /// Sums of what no area holds: with those of the outermost areas they add up to the total.
    pub outside: Tally,
    /// Per area, and last in all, the share of children within the limit if they were shared out by footprint rather than
    /// by floor area; `None` without children.
    pub shares_by_footprint: Vec<Option<f64>>,
    /// Sums of the whole city.
    pub total: Tally,
    /// Which facilities counted, in the order of the study's facilities.
    pub eligible: Vec<bool>,
    /// What opening single gates would do, where the policy asks for it.
    pub openings: Openings,
}

impl Study {
    /// Judges every block by a policy.
    pub fn check(&self, policy: &Policy) -> Coverage {
        Coverage::new(self, &Walkers::new(self, &policy.profile), policy)
    }

    /// As [`Study::check`], for walkers who are known already: those of the policy's profile.
    pub fn check_for(&self, walkers: &Walkers, policy: &Policy) -> Coverage {
        debug_assert_eq!(walkers.profile, policy.profile);
        Coverage::new(self, walkers, policy)
    }
}

/// Who walks by a profile: their times on every edge, and where their walks begin, whichever facilities count.
#[derive(Debug)]
pub struct Walkers {
    profile: Profile,
    today: Footing,
    /// If every passage were open: found when first asked for; `None` where there is no passage.
    opened: OnceLock<Option<Footing>>,
}

impl Walkers {
    /// Those who walk by a profile.
    pub fn new(study: &Study, profile: &Profile) -> Self {
        let today = Footing::new(study.network().weigh(profile));
        Self { profile: profile.clone(), today, opened: OnceLock::new() }
    }

    /// The same, where facilities are others and all else is the same.
    #[must_use]
    pub fn among_other_facilities(&self) -> Self {
        let profile = self.profile.clone();
        Self { profile, today: self.today.among_other_facilities(), opened: OnceLock::new() }
    }

    fn opened(&self, study: &Study) -> Option<&Footing> {
        let network = study.network();
        let weigh = || Footing::new(network.weigh_with(&self.profile, Opened::All));
        self.opened.get_or_init(|| network.has_passages().then(weigh)).as_ref()
    }

    /// Their times on every edge, as the map is.
    pub fn weights(&self) -> &Weights {
        &self.today.weights
    }

    /// The study's facilities, as places that their walks end at; without doors where no street is near enough.
    pub fn facilities(&self, study: &Study) -> Vec<Source> {
        let doors = self.today.doors(study);
        let plain_doors = self.today.floor_doors(study).map(|(_, doors)| doors);
        let source = |(i, sited): (usize, &SitedFacility)| Source {
            at: sited.at,
            doors: doors.of_facility(study, i).to_vec(),
            plain_doors: plain_doors.map_or_else(Vec::new, |doors| doors.of_facility(study, i).to_vec()),
        };
        study.facilities().iter().enumerate().map(source).collect()
    }

    /// A demand point, as a place that their walks begin at; without doors where no street is near enough.
    pub fn home(&self, study: &Study, point: usize) -> Source {
        let doors = self.today.doors(study).of_point(study, point).to_vec();
        let floor = self.today.floor_doors(study);
        let plain_doors = floor.map_or_else(Vec::new, |(_, doors)| doors.of_point(study, point).to_vec());
        Source { at: study.demand().points[point].at, doors, plain_doors }
    }

    /// Finds now what a first [`Study::check_for`] would find.
    pub fn prepare(&self, study: &Study) {
        for footing in once(&self.today).chain(self.opened(study)) {
            footing.doors(study);
            footing.floor_doors(study);
        }
    }
}

/// Times on every edge, and the doors that walks begin and end at by them, and by their floor: found when first asked for.
#[derive(Debug)]
pub(crate) struct Footing {
    weights: Arc<Weights>,
    doors: OnceLock<OwnDoors>,
    floor_doors: OnceLock<OwnDoors>,
    /// Of both of these.
    points: [PointDoors; 2],
}

/// The doors of demand points, by weights and by their floor, which no facility changes.
type PointDoors = Arc<OnceLock<Arc<[Option<Box<[Door]>>]>>>;

impl Footing {
    pub(crate) fn new(weights: Weights) -> Self {
        Self::on(Arc::new(weights), Default::default())
    }

    fn on(weights: Arc<Weights>, points: [PointDoors; 2]) -> Self {
        Self { weights, doors: OnceLock::new(), floor_doors: OnceLock::new(), points }
    }

    fn among_other_facilities(&self) -> Self {
        Self::on(Arc::clone(&self.weights), self.points.clone())
    }

    fn doors(&self, study: &Study) -> &OwnDoors {
        self.doors.get_or_init(|| OwnDoors::new(study, &self.weights, &self.points[0]))
    }

    fn floor_doors(&self, study: &Study) -> Option<(&Weights, &OwnDoors)> {
        let floor = self.weights.floor()?;
        Some((floor, self.floor_doors.get_or_init(|| OwnDoors::new(study, floor, &self.points[1]))))
    }
}

/// The doors that some weights lead to where the study's own don't do, by demand point and by facility.
#[derive(Debug)]
struct OwnDoors {
    points: Arc<[Option<Box<[Door]>>]>,
    facilities: Vec<Option<Box<[Door]>>>,
}

impl OwnDoors {
    fn new(study: &Study, weights: &Weights, points: &PointDoors) -> Self {
        let own = |doors: Cow<'_, [Door]>| match doors {
            Cow::Borrowed(_) => None,
            Cow::Owned(doors) => Some(doors.into()),
        };
        let points = points.get_or_init(|| {
            let points = study.demand().points.par_iter();
            points.map(|point| own(study.doors_of_point(point, weights))).collect::<Vec<_>>().into()
        });
        let facilities =
            (0..study.facilities().len()).into_par_iter().map(|i| own(study.doors_of_facility(i, weights)));
        Self { points: Arc::clone(points), facilities: facilities.collect() }
    }

    /// Where walks from a demand point begin.
    fn of_point<'a>(&'a self, study: &'a Study, i: usize) -> &'a [Door] {
        self.points[i].as_deref().unwrap_or_else(|| study.known_doors(&study.demand().points[i]))
    }

    /// Where walks to a facility end.
    fn of_facility<'a>(&'a self, study: &'a Study, i: usize) -> &'a [Door] {
        self.facilities[i].as_deref().unwrap_or(&study.facilities()[i].doors)
    }

    /// The facilities that count, as origins at their doors.
    fn origins(&self, study: &Study, counts: impl Fn(usize) -> bool) -> Vec<Origin> {
        let counted = (0..study.facilities().len()).filter(|&i| counts(i));
        let doors = counted.flat_map(|i| self.of_facility(study, i).iter().map(move |door| (i, door)));
        doors.map(|(i, door)| Origin { snap: door.snap, label: i as u32 }).collect()
    }
}

impl Coverage {
    fn new(study: &Study, walkers: &Walkers, policy: &Policy) -> Self {
        let judge = Judge::new(study, walkers, policy, &(0..study.demand().points.len()));
        let verdicts: Vec<Verdict> = study.demand().blocks.par_iter().map(|block| judge.verdict(block)).collect();
        let Judge { walks, eligible, .. } = judge;
        let limit = policy.limit();
        let is_inside = |i: usize| walks[i].is_some_and(|a| a.time <= limit);
        let Tallies { areas, outside, total } = tally(study, &verdicts, &eligible, is_inside);
        let shares_by_footprint = allocation::shares_by_footprint(study, is_inside);
        let openings = Openings::default();
        let mut coverage = Self {
            policy: policy.clone(),
            verdicts,
            walks,
            areas,
            outside,
            shares_by_footprint,
            total,
            eligible,
            openings,
        };
        if policy.what_if_gates {
            coverage.openings = study.open_each(policy, &coverage);
        }
        coverage
    }
}

/// The facilities that count, as origins at their doors.
pub(crate) fn origins(study: &Study, weights: &Weights, counts: impl Fn(usize) -> bool) -> Vec<Origin> {
    let counted = (0..study.facilities().len()).filter(|&i| counts(i));
    let doors = |i: usize| study.doors_of_facility(i, weights).into_owned().into_iter().map(move |door| (door, i));
    counted.flat_map(doors).map(|(door, i)| Origin { snap: door.snap, label: i as u32 }).collect()
}

/// The walk of each demand point to its nearest facility that counts.
pub(crate) fn walks(
    study: &Study,
    footing: &Footing,
    counts: &dyn Fn(usize) -> bool,
    limit: WalkTime,
) -> Vec<Option<Arrival>> {
    walks_of(study, footing, counts, limit, &(0..study.demand().points.len()))
}

/// As [`walks`], of some points alone; nothing is told of the others.
fn walks_of(
    study: &Study,
    footing: &Footing,
    counts: &dyn Fn(usize) -> bool,
    limit: WalkTime,
    points: &Range<usize>,
) -> Vec<Option<Arrival>> {
    let network = study.network();
    let by = |weights: &Weights, doors: &OwnDoors| -> Vec<Option<Arrival>> {
        let sweep = Sweep::new(network, weights, &doors.origins(study, counts), limit);
        let walk = |i| doors.of_point(study, i).iter().filter_map(|door| sweep.at(network, weights, &door.snap)).min();
        let told = |i| points.contains(&i).then(|| walk(i)).flatten();
        (0..study.demand().points.len()).into_par_iter().map(told).collect()
    };
    let mut walks = by(&footing.weights, footing.doors(study));
    if let Some((floor, floor_doors)) = footing.floor_doors(study) {
        // Whoever has a route with a stroller has one without.
        for (walk, plain) in walks.iter_mut().zip(by(floor, floor_doors)) {
            *walk = walk.zip(plain).map(|(walk, plain)| Arrival { time: walk.time.max(plain.time), ..walk });
        }
    }
    walks
}

/// Who judges blocks, with the walks that the verdicts rest on.
pub(crate) struct Judge<'a> {
    study: &'a Study,
    policy: &'a Policy,
    today: &'a Footing,
    pub(crate) eligible: Vec<bool>,
    pub(crate) walks: Vec<Option<Arrival>>,
    /// Walks to any facility within the limit, counted or not; empty when all count.
    pub(crate) any: Vec<Option<Arrival>>,
    /// Walks within the limit to those that count if every passage were open; empty where there is none.
    opened: Vec<Option<Arrival>>,
    some_eligible: bool,
}

impl<'a> Judge<'a> {
    /// One who knows the walks of some demand points.
    pub(crate) fn new(study: &'a Study, walkers: &'a Walkers, policy: &'a Policy, points: &Range<usize>) -> Self {
        let eligible: Vec<bool> = study.facilities().iter().map(|f| policy.eligibility.admits(&f.facility)).collect();
        let walks_by =
            |footing: &Footing, counts: &dyn Fn(usize) -> bool, limit| walks_of(study, footing, counts, limit, points);
        let walks = walks_by(&walkers.today, &|i| eligible[i], WalkTime::NEVER);
        let limit = policy.limit();
        // A second sweep tells "too far" from "not counted"; without excluded facilities there is nothing to tell. A third
        // one tells it from "behind a gate".
        let excludes = eligible.contains(&false);
        let any = if excludes { walks_by(&walkers.today, &|_| true, limit) } else { Vec::new() };
        let opened = walkers.opened(study).map_or_else(Vec::new, |opened| walks_by(opened, &|i| eligible[i], limit));
        let some_eligible = study.facilities().iter().zip(&eligible).any(|(f, counts)| *counts && !f.doors.is_empty());
        Self { study, policy, today: &walkers.today, eligible, walks, any, opened, some_eligible }
    }

    /// Where walks from a demand point begin.
    pub(crate) fn doors(&self, point: usize) -> &'a [Door] {
        self.today.doors(self.study).of_point(self.study, point)
    }

    pub(crate) fn verdict(&self, block: &Block) -> Verdict {
        let limit = self.policy.limit();
        let range = block.points.start as usize..block.points.end as usize;
        let points = &self.study.demand().points[range.clone()];
        let mut reasons = [0.0; Reason::ALL.len()];
        let mut routes: Vec<(Arrival, f64)> = Vec::with_capacity(points.len());
        let is_inside = |i: usize| self.walks[i].is_some_and(|a| a.time <= limit);
        for (i, point) in range.zip(points) {
            let walk = self.walks[i];
            routes.extend(walk.map(|arrival| (arrival, point.weight)));
            if !is_inside(i) {
                reasons[self.reason(i, walk) as usize] += point.weight;
            }
        }
        let (status, covered_share) = judged(self.study, block, is_inside, self.policy.block_share);
        let reason = (status != BlockStatus::Covered).then(|| {
            let most =
                Reason::ALL.into_iter().reduce(|a, b| if reasons[b as usize] > reasons[a as usize] { b } else { a });
            most.unwrap_or(Reason::TooFar)
        });
        let middle = weighted_median(&mut routes);
        Verdict {
            status,
            covered_share,
            time: middle.map(|a| a.time),
            nearest: middle.map(|a| a.label as usize),
            reason,
        }
    }

    /// Why a demand point lies outside.
    pub(crate) fn reason(&self, i: usize, walk: Option<Arrival>) -> Reason {
        let is_near =
            |walks: &[Option<Arrival>]| walks.get(i).copied().flatten().is_some_and(|a| a.time <= self.policy.limit());
        match walk {
            _ if is_near(&self.any) => Reason::NotEligible,
            _ if !self.some_eligible => Reason::NoFacility,
            _ if is_near(&self.opened) => Reason::Gate,
            _ if self.doors(i).is_empty() => Reason::NoStreet,
            None => Reason::CutOff,
            Some(_) => Reason::TooFar,
        }
    }
}

/// Where a block stands, and the share of its children who live inside, by which points are.
pub(crate) fn judged(
    study: &Study,
    block: &Block,
    is_inside: impl Fn(usize) -> bool,
    block_share: f64,
) -> (BlockStatus, f64) {
    let (share, inside) = share_inside(study, block, is_inside);
    let status = match share {
        // Exactly half is half, however its sum was rounded.
        share if inside > 0 && share >= block_share - 1e-9 => BlockStatus::Covered,
        share if share > 0.0 => BlockStatus::Partial,
        _ => BlockStatus::Uncovered,
    };
    (status, share)
}

/// The share of a block's children whose walk is within the limit.
pub(crate) fn covered_share(study: &Study, block: &Block, walks: &[Option<Arrival>], limit: WalkTime) -> f64 {
    share_inside(study, block, |i| walks[i].is_some_and(|a| a.time <= limit)).0
}

/// The share of a block's children at points that are inside, and how many points are. Weights sum to one up to rounding:
/// a block without a point outside is covered whole, one with no point inside not at all.
fn share_inside(study: &Study, block: &Block, is_inside: impl Fn(usize) -> bool) -> (f64, usize) {
    let range = block.points.start as usize..block.points.end as usize;
    let (mut covered, mut whole, mut inside) = (0.0, 0.0, 0);
    for (i, point) in range.clone().zip(&study.demand().points[range.clone()]) {
        whole += point.weight;
        if is_inside(i) {
            covered += point.weight;
            inside += 1;
        }
    }
    let share = match inside {
        0 => 0.0,
        n if n == range.len() => 1.0,
        _ => f64::min(covered / whole, 1.0),
    };
    (share, inside)
}

/// The first arrival, by time and label, at which half of the weight has arrived.
fn weighted_median(routes: &mut [(Arrival, f64)]) -> Option<Arrival> {
    routes.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let half = routes.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    for (arrival, weight) in routes.iter() {
        sum += weight;
        // Half, but for the rounding of the sum.
        if sum >= half * (1.0 - 1e-12) {
            return Some(*arrival);
        }
    }
    routes.last().map(|(arrival, _)| *arrival)
}

/// Sums of areas, of what none of them holds, and of all.
struct Tallies {
    areas: Vec<Tally>,
    outside: Tally,
    total: Tally,
}

fn tally(study: &Study, verdicts: &[Verdict], eligible: &[bool], is_inside: impl Fn(usize) -> bool) -> Tallies {
    let areas = study.areas();
    let outside = areas.all().len();
    let holders = |area: Option<usize>| areas.chain(area).chain(area.is_none().then_some(outside));
    let mut tallies = vec![Tally::default(); outside + 1];
    let mut total = Tally::default();
    for (block, verdict) in study.demand().blocks.iter().zip(verdicts) {
        total.count(block, verdict);
        let is_whole = study.demand().points_of(block).iter().all(|point| point.area == block.area);
        for tally in holders(block.area) {
            let tally = &mut tallies[tally];
            if is_whole {
                tally.count(block, verdict);
            } else {
                tally.blocks += 1;
                tally.by_status[verdict.status as usize] += 1;
            }
        }
        // A border cuts it: its children count where they live.
        let range = block.points.start as usize..block.points.end as usize;
        for (i, point) in range.zip(study.demand().points_of(block)).filter(|_| !is_whole) {
            let children = block.children * point.weight;
            for tally in holders(point.area) {
                tallies[tally].children += children;
                tallies[tally].covered += if is_inside(i) { children } else { 0.0 };
            }
        }
    }
    for (sited, &counts) in study.facilities().iter().zip(eligible) {
        let add = |t: &mut Tally| t.count_facility(Some(&sited.facility), counts, true);
        add(&mut total);
        holders(sited.area).for_each(|tally| add(&mut tallies[tally]));
    }
    let outside = tallies.pop().unwrap_or_default();
    Tallies { areas: tallies, outside, total }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(seconds: f64, label: u32) -> Arrival {
        Arrival { time: WalkTime::from_seconds(seconds), label }
    }

    #[test]
    fn the_median_is_where_half_the_children_have_arrived() {
        let mut routes = vec![(arrival(9.0, 1), 0.2), (arrival(1.0, 2), 0.3), (arrival(5.0, 3), 0.5)];
        assert_eq!(weighted_median(&mut routes), Some(arrival(5.0, 3)));
        let mut halves = vec![(arrival(9.0, 1), 0.5), (arrival(1.0, 2), 0.5)];
        assert_eq!(weighted_median(&mut halves), Some(arrival(1.0, 2)));
        assert_eq!(weighted_median(&mut []), None);
    }
}
