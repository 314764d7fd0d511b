//! Questions made into models, and what is found made into plans.

use super::branch;
use super::lagrange;
use super::local::{Dice, Local};
use super::model::{Link, Lists, Model, Term, exact};
use super::task::{Floor, Goal, Task};
use super::{Assigned, Clock, Instance, Obstacle, Pick, Plan, Question, SitingError, Standing};
use crate::time::WalkTime;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Steps of prices before branching.
const STEPS: usize = 400;
/// Among so many sites branching finds the best plan soon enough by itself.
const FEW: usize = 100;
/// Plans shaken before branching.
const SHAKEN: usize = 8;

pub(super) fn solve(instance: &Instance, question: &Question, clock: &Clock<'_>) -> Result<Plan, SitingError> {
    check(instance, question)?;
    #[cfg(feature = "highs")]
    if clock.search.solver == super::Solver::Highs {
        return super::highs::solve(instance, question, clock);
    }
    match *question {
        Question::MaxCoverage { pick, backup, least_share, limited } => {
            instance.most(pick, backup, least_share, limited, clock)
        }
        Question::SetCover { share, least_share, by_cost } => instance.cheapest(share, least_share, by_cost, clock),
        Question::Median { pick, beyond, limited } => instance.median(pick, beyond, limited, clock),
        Question::Center { count } => instance.center(count, clock),
        Question::Close { count } => instance.closing(count, clock),
    }
}

/// Whether a question can be asked of an instance at all.
fn check(instance: &Instance, question: &Question) -> Result<(), SitingError> {
    let is_part = |part: f64| (0.0..=1.0).contains(&part);
    let existing = instance.with_standing(Standing::Existing).len();
    let needs = |what: &str| Err(SitingError::Question(what.to_owned()));
    match *question {
        Question::MaxCoverage { backup, least_share, .. } if !is_part(backup) || !is_part(least_share) => {
            needs("what a backup counts and the least share are parts from 0 to 1")
        }
        Question::MaxCoverage { backup, least_share, limited, .. }
            if usize::from(backup > 0.0) + usize::from(least_share > 0.0) + usize::from(limited) > 1 =>
        {
            needs("backup, a least share of every area, and limited places can't be asked for together")
        }
        Question::SetCover { share, least_share, .. } if !is_part(share) || !is_part(least_share) => {
            needs("shares of children are parts from 0 to 1")
        }
        Question::MaxCoverage { pick: Pick::Budget(budget), .. }
        | Question::Median { pick: Pick::Budget(budget), .. }
            if !budget.is_finite() || budget < 0.0 =>
        {
            needs("a budget is a number of at least 0")
        }
        Question::MaxCoverage { pick: Pick::Count(0), .. }
        | Question::Median { pick: Pick::Count(0), .. }
        | Question::Center { count: 0 }
        | Question::Close { count: 0 } => needs("the number of sites is at least 1"),
        Question::MaxCoverage { .. } | Question::Median { .. } | Question::Center { .. }
            if instance.with_standing(Standing::Candidate).is_empty()
                && instance.with_standing(Standing::Required).is_empty() =>
        {
            Err(Obstacle::NoCandidate.into())
        }
        Question::Close { count } if count > existing => Err(Obstacle::TooManyClose { count, existing }.into()),
        _ => Ok(()),
    }
}

/// A model of an instance, and the sites that its numbers stand for.
struct Posed {
    model: Model,
    sites: Vec<usize>,
    /// What is worth something whatever is picked, by group.
    base: Vec<f64>,
    /// By home: its term, if it has one.
    term_of: Vec<Option<u32>>,
}

impl Posed {
    fn base(&self) -> f64 {
        self.base.iter().sum()
    }

    /// The sites of a pick, with those required.
    fn named(&self, instance: &Instance, picked: &[usize]) -> Vec<usize> {
        let mut sites: Vec<usize> = picked.iter().map(|site| self.sites[*site]).collect();
        sites.extend(instance.with_standing(Standing::Required));
        sites.sort_unstable();
        sites.dedup();
        sites
    }
}

impl Instance {
    pub(super) fn with_standing(&self, standing: Standing) -> Vec<usize> {
        (0..self.sites.len()).filter(|site| self.sites[*site].standing == standing).collect()
    }

    fn open_anyway(&self) -> impl Iterator<Item = usize> {
        let is_open = |site: &usize| matches!(self.sites[*site].standing, Standing::Existing | Standing::Required);
        (0..self.sites.len()).filter(is_open)
    }

    fn children(&self) -> f64 {
        self.homes.iter().map(|home| home.children).sum()
    }

    /// What is left of a pick when the required sites are taken from it.
    fn left(&self, pick: Pick) -> Result<Pick, SitingError> {
        let required = self.with_standing(Standing::Required);
        match pick {
            Pick::Count(count) => match count.checked_sub(required.len()) {
                Some(left) => Ok(Pick::Count(left)),
                None => Err(Obstacle::Required(pick, required.len() as f64).into()),
            },
            Pick::Budget(budget) => {
                let cost: f64 = required.iter().map(|site| self.sites[*site].cost).sum();
                // Decimals do not add up to the last bit.
                let left = budget * (1.0 + 1e-9) - cost;
                if left < 0.0 { Err(Obstacle::Required(pick, cost).into()) } else { Ok(Pick::Budget(left)) }
            }
        }
    }

    /// The model of coverage by candidates: a term for each home that open sites leave something to gain by, in the group
    /// of its area where `areas` are told apart. A home within the limit of so many sites is worth `worth[0]`, and `worth[1]`
    /// more with a second one.
    fn coverage(&self, candidates: Vec<usize>, pick: Pick, worth: [f64; 2], areas: &[u32]) -> Posed {
        let mut served = vec![0_u32; self.homes.len()];
        let mut is_candidate = vec![false; self.sites.len()];
        for &site in &candidates {
            is_candidate[site] = true;
        }
        for site in self.open_anyway().filter(|site| !is_candidate[*site]) {
            self.walks.0.of(site).iter().for_each(|link| served[link.to as usize] += 1);
        }
        let groups = areas.len() + 1;
        let largest = 4.0 * self.children();
        let mut base = vec![0.0; groups];
        let mut terms = Vec::new();
        let mut term_of: Vec<[Option<u32>; 2]> = vec![[None; 2]; self.homes.len()];
        for ((home, served), slots) in self.homes.iter().zip(&served).zip(&mut term_of) {
            let area = home.area.and_then(|area| areas.binary_search(&area).ok());
            let group = area.unwrap_or(areas.len()) as u32;
            // Best as two that do not fall: at least one site, at most two.
            for (need, worth, slot) in [(1, worth[0] - worth[1], 0), (2, worth[1], 1)] {
                let weight = exact(home.children * worth, largest);
                base[group as usize] += weight * f64::from(need.min(*served));
                if weight > 0.0 && *served < need {
                    slots[slot] = Some(terms.len() as u32);
                    terms.push(Term { weight, need: need - served, group });
                }
            }
        }
        let mut by_site = Lists::default();
        for &site in &candidates {
            let links = self.walks.0.of(site).iter();
            let mut links: Vec<Link> = links
                .flat_map(|link| term_of[link.to as usize].into_iter().flatten())
                .map(|term| Link { to: term, gain: 1 })
                .collect();
            links.sort_unstable();
            by_site.push(links);
        }
        let cost = candidates.iter().map(|site| self.sites[*site].cost).collect();
        let (model, went) = Model::new(terms, groups, by_site, cost, pick);
        let term_of = term_of.into_iter().map(|slots| slots[0].and_then(|term| went[term as usize])).collect();
        Posed { model, sites: candidates, base, term_of }
    }

    /// The model of sites with limited places: those that are open anyway come along. `gain` of a walk.
    fn with_places(&self, pick: Pick, gain: impl Fn(WalkTime) -> u32) -> Posed {
        // Those first: of sites that gain alike the first is filled first.
        let mut sites: Vec<usize> = self.open_anyway().collect();
        let anyway = sites.len();
        sites.extend(self.with_standing(Standing::Candidate));
        let most = sites.iter().flat_map(|site| self.walks.of(*site)).map(|(_, time)| gain(time)).max().unwrap_or(1);
        let largest = 4.0 * self.children() * f64::from(most);
        let terms = self.homes.iter().map(|home| Term { weight: exact(home.children, largest), need: 1, group: 0 });
        let mut by_site = Lists::default();
        for &site in &sites {
            let links = self.walks.0.of(site).iter();
            let links = links.map(|link| Link { to: link.to, gain: gain(WalkTime::from_millis(link.gain)) });
            by_site.push(links.filter(|link| link.gain > 0));
        }
        let cost = sites.iter().map(|site| self.sites[*site].cost).collect();
        let terms: Vec<Term> = terms.collect();
        let reach = |links: &[Link]| links.iter().map(|link| terms[link.to as usize].weight).sum::<f64>();
        let places = sites.iter().enumerate().map(|(at, site)| {
            let all = reach(by_site.of(at));
            self.sites[*site].places.map_or(all, |places| exact(places, largest).min(all))
        });
        let places = places.collect();
        let (mut model, term_of) = Model::new(terms, 1, by_site, cost, pick);
        model.places = Some(places);
        model.always = (0..sites.len()).map(|at| at < anyway).collect();
        Posed { model, sites, base: vec![0.0], term_of }
    }

    /// The areas of homes, ascending.
    pub(super) fn areas(&self) -> Vec<u32> {
        let mut areas: Vec<u32> = self.homes.iter().filter_map(|home| home.area).collect();
        areas.sort_unstable();
        areas.dedup();
        areas
    }

    /// Floors for the value of each area; what is served anyway is taken off. Impossible where too few are reached.
    fn floors(&self, posed: &Posed, areas: &[u32], least_share: f64) -> Result<Vec<Floor>, SitingError> {
        let mut children = vec![0.0; areas.len()];
        for home in &self.homes {
            if let Some(area) = home.area.and_then(|area| areas.binary_search(&area).ok()) {
                children[area] += home.children;
            }
        }
        let whole = posed.model.whole_value();
        let (mut floors, mut missed) = (Vec::new(), Vec::new());
        for (at, children) in children.into_iter().enumerate() {
            // Decimals do not add up to the last bit.
            let wanted = children * least_share * (1.0 - 1e-9);
            let within_reach = posed.base[at] + whole[at];
            if within_reach < wanted {
                missed.push((areas[at], within_reach / children));
            } else if wanted > posed.base[at] {
                floors.push(Floor { groups: at..at + 1, least: wanted - posed.base[at] });
            }
        }
        if missed.is_empty() { Ok(floors) } else { Err(Obstacle::Areas { wanted: least_share, most: missed }.into()) }
    }

    fn most(
        &self,
        pick: Pick,
        backup: f64,
        least_share: f64,
        limited: bool,
        clock: &Clock<'_>,
    ) -> Result<Plan, SitingError> {
        let left = self.left(pick)?;
        if limited {
            let posed = self.with_places(left, |_| 1);
            let found = best(&Task::most(&posed.model, Vec::new(), 0.0), clock)?;
            let assignment = self.assignment(&posed, &found.sites);
            return Ok(Plan { assignment, ..clock.plan(posed.named_of(self, &found.sites), &found) });
        }
        let areas = if least_share > 0.0 { self.areas() } else { Vec::new() };
        let posed = self.coverage(self.with_standing(Standing::Candidate), left, [1.0, backup], &areas);
        let floors = self.floors(&posed, &areas, least_share)?;
        let found = best(&Task::most(&posed.model, floors, posed.base()), clock).map_err(|why| {
            let instead = (why == Obstacle::NoPick.into()).then(|| self.enough(pick, least_share, clock)).flatten();
            instead.unwrap_or(why)
        })?;
        Ok(clock.plan(posed.named(self, &found.sites), &found))
    }

    /// How much has to be picked for no area to be left behind, where a pick is too little for that.
    fn enough(&self, pick: Pick, least_share: f64, clock: &Clock<'_>) -> Option<SitingError> {
        let by_cost = matches!(pick, Pick::Budget(_));
        let plan = self.cheapest(0.0, least_share, by_cost, clock).ok()?;
        Some(Obstacle::TooFew(pick, plan.objective).into())
    }

    fn cheapest(&self, share: f64, least_share: f64, by_cost: bool, clock: &Clock<'_>) -> Result<Plan, SitingError> {
        let areas = if least_share > 0.0 { self.areas() } else { Vec::new() };
        let candidates = self.with_standing(Standing::Candidate);
        let required = self.with_standing(Standing::Required);
        let mut posed = self.coverage(candidates, Pick::Budget(f64::INFINITY), [1.0, 0.0], &areas);
        if !by_cost {
            posed.model.cost.fill(1.0);
        }
        let mut floors = self.floors(&posed, &areas, least_share)?;
        let children = self.children();
        let wanted = children * share * (1.0 - 1e-9);
        let within_reach = posed.base() + posed.model.whole_value().iter().sum::<f64>();
        if within_reach < wanted {
            return Err(Obstacle::Share { wanted: share, most: within_reach / children }.into());
        }
        if wanted > posed.base() {
            floors.push(Floor { groups: 0..posed.model.groups, least: wanted - posed.base() });
        }
        let spent = required.iter().map(|site| if by_cost { self.sites[*site].cost } else { 1.0 }).sum::<f64>();
        let task = Task::cheapest(&posed.model, floors, -spent);
        let found = best(&task, clock)?;
        Ok(clock.plan(posed.named(self, &found.sites), &found.turned(1.0)))
    }

    fn median(&self, pick: Pick, beyond: WalkTime, limited: bool, clock: &Clock<'_>) -> Result<Plan, SitingError> {
        const MINUTE: f64 = 60_000.0;
        let left = self.left(pick)?;
        let far = f64::from(beyond.millis());
        if limited {
            let posed = self.with_places(left, |time| beyond.millis().saturating_sub(time.millis()));
            let all = posed.weights(self).iter().sum::<f64>() * far;
            let found =
                best(&Task { told_by: Some(-1.0 / MINUTE), ..Task::most(&posed.model, Vec::new(), -all) }, clock)?;
            let sites = posed.named_of(self, &found.sites);
            let assignment = self.assignment(&posed, &found.sites);
            return Ok(Plan { assignment, ..clock.plan(sites, &found.turned(MINUTE)) });
        }
        // Everybody walks to what is open anyway, or as long as beyond; candidates save what is less.
        let mut walk = vec![beyond.millis(); self.homes.len()];
        for site in self.open_anyway() {
            for link in self.walks.0.of(site) {
                let walk = &mut walk[link.to as usize];
                *walk = link.gain.min(*walk);
            }
        }
        let candidates = self.with_standing(Standing::Candidate);
        let most = walk.iter().copied().max().unwrap_or(1);
        let largest = 4.0 * self.children() * f64::from(most);
        let terms: Vec<Term> =
            self.homes.iter().map(|home| Term { weight: exact(home.children, largest), need: 1, group: 0 }).collect();
        let all: f64 = terms.iter().zip(&walk).map(|(term, walk)| term.weight * f64::from(*walk)).sum();
        let mut by_site = Lists::default();
        for &site in &candidates {
            let links = self.walks.0.of(site).iter();
            let links = links.map(|link| Link { gain: walk[link.to as usize].saturating_sub(link.gain), ..*link });
            by_site.push(links.filter(|link| link.gain > 0));
        }
        let cost = candidates.iter().map(|site| self.sites[*site].cost).collect();
        let (model, term_of) = Model::new(terms, 1, by_site, cost, left);
        let posed = Posed { model, sites: candidates, base: vec![0.0], term_of };
        let found = best(&Task { told_by: Some(-1.0 / MINUTE), ..Task::most(&posed.model, Vec::new(), -all) }, clock)?;
        let sites = posed.named(self, &found.sites);
        Ok(clock.plan(sites, &found.turned(MINUTE)))
    }

    fn center(&self, count: usize, clock: &Clock<'_>) -> Result<Plan, SitingError> {
        let required = self.with_standing(Standing::Required).len();
        self.left(Pick::Count(count))?;
        let candidates = self.with_standing(Standing::Candidate);
        let mut anyway = vec![u32::MAX; self.homes.len()];
        for link in self.open_anyway().flat_map(|site| self.walks.0.of(site)) {
            anyway[link.to as usize] = anyway[link.to as usize].min(link.gain);
        }
        let mut nearest = anyway.clone();
        let walks = || candidates.iter().flat_map(|site| self.walks.0.of(*site));
        for link in walks() {
            nearest[link.to as usize] = nearest[link.to as usize].min(link.gain);
        }
        let counted = |home: &usize| self.homes[*home].children > 0.0 && nearest[*home] != u32::MAX;
        let homes: Vec<usize> = (0..self.homes.len()).filter(counted).collect();
        // Nobody's walk is shorter than to the nearest site of all.
        let Some(least) = homes.iter().map(|home| nearest[*home]).max() else {
            return Err(Obstacle::NobodyReached.into());
        };
        let open = homes.iter().map(|home| anyway[*home]).filter(|time| *time != u32::MAX);
        let mut times: Vec<u32> = walks().map(|link| link.gain).chain(open).filter(|time| *time >= least).collect();
        times.sort_unstable();
        times.dedup();
        // So many of the times are too short for any plan; for that at `high` one is known.
        let (mut low, mut high, mut nodes) = (0, times.len(), 0);
        let mut sites = None;
        while low < high {
            // Whether there is a plan at all comes first.
            let middle = if sites.is_none() { high - 1 } else { usize::midpoint(low, high) };
            let posed = self.within(times[middle], &candidates, &homes, &anyway);
            let least = posed.model.whole_value()[0];
            let task = Task::cheapest(&posed.model, vec![Floor { groups: 0..1, least }], 0.0);
            let found = best(&Task { told_by: None, ..task }, clock)?;
            nodes += found.nodes;
            let left = (count - required) as f64;
            if -found.objective <= left {
                sites = Some(posed.named(self, &found.sites));
                high = middle;
            } else if -found.bound > left {
                if sites.is_none() {
                    return Err(Obstacle::TooFew(Pick::Count(count), required as f64 - found.objective).into());
                }
                low = middle + 1;
            } else {
                // Cut short: neither a plan nor a proof.
                break;
            }
        }
        let Some(sites) = sites else {
            return Err(Obstacle::OutOfTime.into());
        };
        let minutes = |at: usize| f64::from(times[at]) / 60_000.0;
        let found = Found { sites, objective: minutes(high), bound: minutes(low), optimal: low == high, nodes };
        Ok(clock.plan(found.sites.clone(), &found))
    }

    /// The covering of some homes by walks no longer than `limit`, which candidates or what is open anyway allow for all.
    fn within(&self, limit: u32, candidates: &[usize], homes: &[usize], anyway: &[u32]) -> Posed {
        let mut terms = Vec::new();
        let mut term_of = vec![None; self.homes.len()];
        for &home in homes.iter().filter(|home| anyway[**home] > limit) {
            term_of[home] = Some(terms.len() as u32);
            terms.push(Term { weight: 1.0, need: 1, group: 0 });
        }
        let mut by_site = Lists::default();
        for &site in candidates {
            let links = self.walks.0.of(site).iter().filter(|link| link.gain <= limit);
            by_site.push(links.filter_map(|link| Some(Link { to: term_of[link.to as usize]?, gain: 1 })));
        }
        let cost = vec![1.0; candidates.len()];
        let (model, term_of) = Model::new(terms, 1, by_site, cost, Pick::Budget(f64::INFINITY));
        Posed { model, sites: candidates.to_vec(), base: vec![0.0], term_of }
    }

    fn closing(&self, count: usize, clock: &Clock<'_>) -> Result<Plan, SitingError> {
        let existing = self.with_standing(Standing::Existing);
        let stay = Pick::Count(existing.len() - count);
        let posed = self.coverage(existing.clone(), stay, [1.0, 0.0], &[]);
        let found = best(&Task::most(&posed.model, Vec::new(), posed.base()), clock)?;
        let mut stays = vec![false; existing.len()];
        found.sites.iter().for_each(|site| stays[*site] = true);
        // Those that nobody would miss may be left out of the pick without need.
        let mut spare = existing.len() - count - found.sites.len();
        for stays in stays.iter_mut().rev().filter(|stays| !**stays) {
            if spare > 0 {
                *stays = true;
                spare -= 1;
            }
        }
        let sites = existing.into_iter().zip(stays).filter(|(_, stays)| !stays).map(|(site, _)| site).collect();
        Ok(clock.plan(sites, &found))
    }

    /// Who goes where in a plan of limited places.
    fn assignment(&self, posed: &Posed, picked: &[usize]) -> Vec<Assigned> {
        // Homes that are alike share a term, and its shares one after the other.
        let mut homes_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (home, term) in posed.term_of.iter().enumerate() {
            if let Some(term) = term {
                homes_of.entry(*term).or_default().push(home);
            }
        }
        let mut left: Vec<f64> = posed.weights(self);
        let mut out = Vec::new();
        for share in posed.model.assigned(picked, |_| 1.0).shares {
            let mut weight = share.weight;
            for &home in homes_of.get(&share.term).into_iter().flatten() {
                let children = left[home].min(weight);
                if children > 0.0 {
                    out.push(Assigned { home, site: posed.sites[share.site as usize], children });
                    left[home] -= children;
                    weight -= children;
                }
            }
        }
        out.sort_by_key(|assigned| (assigned.home, assigned.site));
        out
    }
}

impl Posed {
    /// By home, children as the model weighs them.
    fn weights(&self, instance: &Instance) -> Vec<f64> {
        let most = (0..self.model.sites()).flat_map(|site| self.model.by_site.of(site)).map(|link| link.gain).max();
        let largest = 4.0 * instance.children() * f64::from(most.unwrap_or(1));
        instance.homes.iter().map(|home| exact(home.children, largest)).collect()
    }

    /// The sites of a pick where those open anyway are in the model.
    fn named_of(&self, instance: &Instance, picked: &[usize]) -> Vec<usize> {
        let picked: Vec<usize> = picked.iter().copied().filter(|site| !self.model.always[*site]).collect();
        self.named(instance, &picked)
    }
}

/// The best that was found.
pub(super) struct Found {
    pub(super) sites: Vec<usize>,
    pub(super) objective: f64,
    pub(super) bound: f64,
    pub(super) optimal: bool,
    pub(super) nodes: usize,
}

impl Found {
    /// As seen from the other side: less is better, in another unit.
    fn turned(self, unit: f64) -> Self {
        Self { objective: -self.objective / unit, bound: -self.bound / unit, ..self }
    }
}

impl<'a> Task<'a> {
    fn most(model: &'a Model, floors: Vec<Floor>, base: f64) -> Self {
        Self { model, goal: Goal::Most, floors, step: model.step(), base, told_by: Some(1.0) }
    }

    fn cheapest(model: &'a Model, floors: Vec<Floor>, base: f64) -> Self {
        let whole = model.cost.iter().all(|cost| cost.fract() == 0.0);
        let step = if whole { 1.0 } else { 0.0 };
        Self { model, goal: Goal::Cheapest, floors, step, base, told_by: Some(-1.0) }
    }
}

/// The best pick for a task; its base is added to objective and bound.
fn best(task: &Task<'_>, clock: &Clock<'_>) -> Result<Found, SitingError> {
    // What does nothing that another doesn't is left out where neither places nor areas ask for it.
    let kept = task.model.undominated();
    let (model, _) = task.model.narrowed(&kept);
    let task = Task { model: &model, floors: task.floors.clone(), ..*task };
    let mut quest = Quest { task: &task, clock, best: None, bound: f64::INFINITY, nodes: 0 };
    quest.run();
    let optimal = quest.is_done();
    let Some((objective, sites)) = quest.best else {
        // Nothing at all is left of the bound where everything was looked at.
        let was_cut = quest.bound > f64::NEG_INFINITY;
        return Err(if was_cut { Obstacle::OutOfTime } else { Obstacle::NoPick }.into());
    };
    let sites = sites.into_iter().map(|site| kept[site]).collect();
    let (bound, nodes) = (quest.bound.max(objective) + task.base, quest.nodes);
    Ok(Found { sites, objective: objective + task.base, bound, optimal, nodes })
}

/// A search for the best pick.
struct Quest<'a> {
    task: &'a Task<'a>,
    clock: &'a Clock<'a>,
    best: Option<(f64, Vec<usize>)>,
    bound: f64,
    nodes: usize,
}

impl Quest<'_> {
    fn run(&mut self) {
        let model = self.task.model;
        if self.task.goal == Goal::Most {
            self.bound = model.whole_value().iter().sum();
        }
        self.meet(self.task.plan_from(&[]));
        if self.task.goal == Goal::Cheapest || !self.task.floors.is_empty() {
            let all: Vec<usize> = (0..model.sites()).collect();
            self.branch(&all, None);
            return;
        }
        if self.is_done() {
            return;
        }
        let priced = self.price();
        if self.is_done() {
            return;
        }
        let mut kept = model.in_better_plans(&priced, self.wanted());
        if kept.len() > FEW {
            self.shake();
            kept = model.in_better_plans(&priced, self.wanted());
        }
        if self.is_done() || !self.keep_on() {
            return;
        }
        self.branch(&kept, Some(&priced.prices));
    }

    fn meet(&mut self, sites: Option<Vec<usize>>) {
        let met = sites.and_then(|sites| Some((self.task.objective(&sites)?, sites)));
        if let Some(met) = met.filter(|met| self.best.as_ref().is_none_or(|best| met.0 > best.0)) {
            self.best = Some(met);
        }
    }

    fn wanted(&self) -> f64 {
        self.best.as_ref().map_or(f64::NEG_INFINITY, |(best, _)| self.task.better_than(*best))
    }

    fn is_done(&self) -> bool {
        self.bound <= self.wanted() && self.best.is_some()
    }

    fn keep_on(&self) -> bool {
        self.tell(self.best.as_ref().map(|(best, _)| *best), self.bound, self.nodes)
    }

    /// Tells how it stands as the question has it, and whether to go on.
    fn tell(&self, objective: Option<f64>, bound: f64, nodes: usize) -> bool {
        let told =
            |number: f64| Some((number + self.task.base) * self.task.told_by?).filter(|number| number.is_finite());
        self.clock.keep_on(objective.and_then(told), told(bound), nodes)
    }

    /// Bounds by prices, and plans from the picks that they suggest.
    fn price(&mut self) -> lagrange::Priced {
        let model = self.task.model;
        let start = lagrange::first_prices(model, self.best.as_ref().map_or(&[], |(_, sites)| sites));
        let mut order = Vec::new();
        let priced = lagrange::better(model, start, STEPS, |step, picked, bound| {
            self.bound = self.bound.min(self.task.tightened(bound));
            if step % 10 == 5 {
                order.clear();
                order.extend(picked.iter().map(|site| *site as usize));
                self.meet(self.task.plan_from(&order));
            }
            if self.is_done() || !self.keep_on() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(self.best.as_ref().map_or(0.0, |(best, _)| *best))
        });
        self.bound = self.bound.min(self.task.tightened(priced.bound));
        priced
    }

    /// Plans from the best one, shaken.
    fn shake(&mut self) {
        let model = self.task.model;
        let mut dice = Dice(self.clock.search.seed);
        let all: Vec<usize> = (0..model.sites()).collect();
        let mut local = Local::new(model, model.terms.iter().map(|term| term.weight).collect());
        self.best.iter().flat_map(|(_, sites)| sites).for_each(|site| local.open(*site));
        for _ in 0..SHAKEN {
            if !self.keep_on() {
                return;
            }
            let mut other = local.clone();
            other.shake(2 + dice.below(3), &mut dice);
            other.fill();
            other.exchange(&all);
            if other.value() > local.value() {
                self.meet(Some(other.picked()));
                local = other;
            }
        }
    }

    /// Branch and cut over some sites: every better plan has no others.
    fn branch(&mut self, sites: &[usize], prices: Option<&[f64]>) {
        let (model, went) = self.task.model.narrowed(sites);
        let prices = prices.map(|prices| {
            let mut out = vec![0.0; model.terms.len()];
            for (to, price) in went.iter().zip(prices) {
                if let Some(to) = to {
                    out[*to as usize] = *price;
                }
            }
            out
        });
        let task = Task { model: &model, floors: self.task.floors.clone(), ..*self.task };
        let place: BTreeMap<usize, usize> = sites.iter().enumerate().map(|(at, site)| (*site, at)).collect();
        let known = self.best.as_ref();
        let start = known.and_then(|(_, best)| best.iter().map(|site| place.get(site).copied()).collect());
        let (least, limit) = (known.map_or(f64::NEG_INFINITY, |(best, _)| *best), self.bound);
        let watch = |objective: Option<f64>, bound: f64, nodes: usize| {
            let objective = objective.map_or(least, |objective| objective.max(least));
            self.tell(Some(objective), bound.min(limit), nodes)
        };
        let found = branch::solve(&task, start, least, prices.as_deref(), &watch);
        self.nodes = found.nodes;
        self.bound = self.bound.min(found.bound.max(least));
        self.meet(found.best.map(|(_, picked)| picked.into_iter().map(|site| sites[site]).collect()));
    }
}
