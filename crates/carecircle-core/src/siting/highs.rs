//! Questions as textbooks state them, answered by HiGHS: a second opinion on our own plans.
//!
//! Each is a mixed-integer model made straight of the instance. Nothing is reduced, merged or bounded beforehand, and nothing
//! of [`super::model`] comes into it, so that the two solvers share no mistake. It takes a variable and a row for every home
//! (covering), or for every walk (medians, centres and limited places): far slower than our own search.

use super::answer::Found;
use super::{Assigned, Clock, Home, Instance, Obstacle, Pick, Plan, Question, Site, SitingError, Standing};
use highs::{Col, HighsModelStatus, HighsSolutionStatus, RowProblem, Sense};
use std::num::NonZeroU32;

/// Whole numbers, and sides of rows, are met to this; HiGHS knows nothing finer than 1e-10.
const TOLERANCE: f64 = 1e-9;
/// Decimals do not add up to the last bit: a limit is passed, or a part missed, by this much of it.
const SLACK: f64 = 1e-9;
/// In milliseconds.
const MINUTE: f64 = 60_000.0;

/// Answers a question; the clock's watch is asked once, for HiGHS looks at nothing but the time limit while it works.
pub(super) fn solve(instance: &Instance, question: &Question, clock: &Clock<'_>) -> Result<Plan, SitingError> {
    let entries = 5 * (instance.walks.0.links() + instance.sites.len() + instance.homes.len());
    if i32::try_from(entries).is_err() {
        return Err(SitingError::Instance("the instance is too large for HiGHS".to_owned()));
    }
    let stated = Stated::new(instance, question)?;
    if !clock.keep_on(None, None, 0) {
        return Err(Obstacle::OutOfTime.into());
    }
    let broken = |what: String| SitingError::Instance(format!("HiGHS: {what}"));
    let is_most = matches!(question, Question::MaxCoverage { .. } | Question::Close { .. });
    let sense = if is_most { Sense::Maximise } else { Sense::Minimise };
    let mut model = stated.problem.try_optimise(sense).map_err(|why| broken(format!("{why:?}")))?;
    // One thread, so that the same question has the same answer.
    model.set_threads(NonZeroU32::MIN);
    let mut set =
        |name: &str, value: f64| model.try_set_option(name, value).map_err(|why| broken(format!("{name}: {why}")));
    set("mip_rel_gap", 0.0)?;
    set("mip_abs_gap", TOLERANCE)?;
    set("mip_feasibility_tolerance", TOLERANCE)?;
    set("primal_feasibility_tolerance", TOLERANCE)?;
    if let Some(limit) = clock.search.time_limit {
        set("time_limit", limit.saturating_sub(clock.start.elapsed()).as_secs_f64())?;
    }
    let seed = (clock.search.seed & 0x7fff_ffff) as i32;
    model.try_set_option("random_seed", seed).map_err(|why| broken(format!("random_seed: {why}")))?;
    let solved = model.try_solve().map_err(|why| broken(format!("{why:?}")))?;
    let optimal = match solved.status() {
        HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => true,
        HighsModelStatus::ReachedTimeLimit if solved.primal_solution_status() == HighsSolutionStatus::Feasible => false,
        HighsModelStatus::ReachedTimeLimit => return Err(Obstacle::OutOfTime.into()),
        HighsModelStatus::Infeasible | HighsModelStatus::UnboundedOrInfeasible => return Err(Obstacle::NoPick.into()),
        other => return Err(broken(format!("{other:?}"))),
    };
    let solution = solved.get_solution();
    let is_answer = |site: &usize| {
        let is_open = stated.open[*site].is_some_and(|open| solution[open] > 0.5);
        match question {
            Question::Close { .. } => instance.sites[*site].standing == Standing::Existing && !is_open,
            _ => instance.sites[*site].standing != Standing::Existing && is_open,
        }
    };
    let objective = solved.objective_value();
    let bound = if optimal { objective } else { solved.double_info_value(c"mip_dual_bound").unwrap_or(f64::NAN) };
    let found =
        Found { sites: (0..instance.sites.len()).filter(is_answer).collect(), objective, bound, optimal, nodes: 0 };
    let children = |&Sent { home, site, part, .. }: &Sent| Assigned {
        home,
        site,
        children: solution[part] * instance.homes[home].children,
    };
    let assigned = stated.assigned.iter().map(children).filter(|assigned| assigned.children > TOLERANCE);
    Ok(Plan { assignment: assigned.collect(), ..clock.plan(found.sites.clone(), &found) })
}

/// The part of a home that goes to a site, and how long it takes.
struct Sent {
    home: usize,
    site: usize,
    walk: u32,
    part: Col,
}

/// A question as a model.
struct Stated<'a> {
    instance: &'a Instance,
    problem: RowProblem,
    /// By site: whether it is open, if it may be.
    open: Vec<Option<Col>>,
    /// By home: to which sites that may be open there are walks, and how long.
    walks: Vec<Vec<(usize, u32)>>,
    /// Where places are limited.
    assigned: Vec<Sent>,
}

impl<'a> Stated<'a> {
    fn new(instance: &'a Instance, question: &Question) -> Result<Self, SitingError> {
        let mut problem = RowProblem::new();
        let mut walks = vec![Vec::new(); instance.homes.len()];
        let mut open = Vec::with_capacity(instance.sites.len());
        for (number, site) in instance.sites.iter().enumerate() {
            let least = match (site.standing, question) {
                (Standing::Existing, Question::Close { .. }) => Some(0),
                (_, Question::Close { .. }) | (Standing::Forbidden, _) => None,
                (Standing::Existing | Standing::Required, _) => Some(1),
                (Standing::Candidate, _) => Some(0),
            };
            let cost = match question {
                Question::SetCover { .. } if site.standing == Standing::Existing => 0.0,
                Question::SetCover { by_cost: true, .. } => site.cost,
                Question::SetCover { .. } => 1.0,
                _ => 0.0,
            };
            open.push(least.map(|least| problem.add_integer_column(cost, least..=1)));
            for link in instance.walks.0.of(number).iter().filter(|_| least.is_some()) {
                walks[link.to as usize].push((number, link.gain));
            }
        }
        let mut stated = Self { instance, problem, open, walks, assigned: Vec::new() };
        match *question {
            Question::MaxCoverage { pick, limited: true, .. } => {
                stated.limit(pick);
                stated.assigned = stated.send(|home, walk| Some(walk.map_or(0.0, |_| home.children)));
                stated.limit_places();
            }
            Question::MaxCoverage { pick, backup, least_share, .. } => {
                stated.limit(pick);
                let covered = stated.cover(1.0, backup);
                stated.leave_no_area_behind(&covered, least_share);
            }
            Question::SetCover { share, least_share, .. } => {
                let covered = stated.cover(0.0, 0.0);
                stated.at_least(share, &covered, |_| true);
                stated.leave_no_area_behind(&covered, least_share);
            }
            Question::Median { pick, beyond, limited } => {
                stated.limit(pick);
                let worth = |home: &Home, walk: Option<u32>| {
                    let walk = walk.unwrap_or(beyond.millis());
                    (walk <= beyond.millis()).then_some(home.children * f64::from(walk) / MINUTE)
                };
                let sent = stated.send(worth);
                if limited {
                    stated.assigned = sent;
                    stated.limit_places();
                }
            }
            Question::Center { count } => {
                stated.limit(Pick::Count(count));
                if !stated.shorten_the_longest() {
                    return Err(Obstacle::NobodyReached.into());
                }
            }
            Question::Close { count } => {
                let stay: Vec<(Col, f64)> = stated.open.iter().flatten().map(|open| (*open, 1.0)).collect();
                let staying = (stay.len() - count) as f64;
                stated.problem.add_row(staying..=staying, stay);
                stated.cover(1.0, 0.0);
            }
        }
        Ok(stated)
    }

    /// No more is picked than may be.
    fn limit(&mut self, pick: Pick) {
        let sites = self.instance.sites.iter().zip(&self.open).filter(|(site, _)| site.standing != Standing::Existing);
        let (most, part): (f64, fn(&Site) -> f64) = match pick {
            Pick::Count(count) => (count as f64, |_| 1.0),
            Pick::Budget(budget) => (budget * (1.0 + SLACK), |site| site.cost),
        };
        let picked: Vec<(Col, f64)> = sites.filter_map(|(site, open)| Some(((*open)?, part(site)))).collect();
        self.problem.add_row(..=most, picked);
    }

    /// By home: whether an open site is within reach, and what a child is worth where there is; a second one is worth
    /// `backup` of that.
    fn cover(&mut self, worth: f64, backup: f64) -> Vec<Col> {
        let mut covered = Vec::with_capacity(self.walks.len());
        for (home, walks) in self.instance.homes.iter().zip(&self.walks) {
            let first = self.problem.add_column(worth * home.children, 0..=1);
            let second = self.problem.add_column(worth * backup * home.children, 0..=1);
            let open = walks.iter().filter_map(|(site, _)| Some((self.open[*site]?, -1.0)));
            self.problem.add_row(..=0, [(first, 1.0), (second, 1.0)].into_iter().chain(open).collect::<Vec<_>>());
            covered.push(first);
        }
        covered
    }

    /// At least that part of the children of some homes is covered.
    fn at_least(&mut self, share: f64, covered: &[Col], is_meant: impl Fn(Option<u32>) -> bool) {
        let homes = self.instance.homes.iter().zip(covered).filter(|(home, _)| is_meant(home.area));
        let covered: Vec<(Col, f64)> = homes.map(|(home, covered)| (*covered, home.children)).collect();
        let children: f64 = covered.iter().map(|(_, children)| children).sum();
        self.problem.add_row(children * share * (1.0 - SLACK).., covered);
    }

    fn leave_no_area_behind(&mut self, covered: &[Col], least_share: f64) {
        for area in self.instance.areas() {
            self.at_least(least_share, covered, |of| of == Some(area));
        }
    }

    /// Every home goes to open sites, whole or in parts, or nowhere: what each is `worth`, if it is allowed.
    fn send(&mut self, worth: impl Fn(&Home, Option<u32>) -> Option<f64>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for (number, (home, walks)) in self.instance.homes.iter().zip(&self.walks).enumerate() {
            let mut parts = Vec::with_capacity(walks.len() + 1);
            if let Some(worth) = worth(home, None) {
                parts.push((self.problem.add_column(worth, 0..=1), 1.0));
            }
            for &(site, walk) in walks {
                if let Some((worth, open)) = worth(home, Some(walk)).zip(self.open[site]) {
                    let part = self.problem.add_column(worth, 0..=1);
                    self.problem.add_row(..=0, [(part, 1.0), (open, -1.0)]);
                    parts.push((part, 1.0));
                    sent.push(Sent { home: number, site, walk, part });
                }
            }
            if !parts.is_empty() {
                self.problem.add_row(1..=1, parts);
            }
        }
        sent
    }

    /// No site is sent more children than it has places.
    fn limit_places(&mut self) {
        let mut taken = vec![Vec::new(); self.open.len()];
        for Sent { home, site, part, .. } in &self.assigned {
            taken[*site].push((*part, self.instance.homes[*home].children));
        }
        for ((site, open), mut taken) in self.instance.sites.iter().zip(&self.open).zip(taken) {
            if let Some((places, open)) = site.places.zip(*open) {
                taken.push((open, -places));
                self.problem.add_row(..=0, taken);
            }
        }
    }

    /// The objective is the longest walk of those whom any site reaches: whether there are any.
    fn shorten_the_longest(&mut self) -> bool {
        let longest = self.problem.add_column(1.0, 0..);
        let sent = self.send(|home, walk| walk.filter(|_| home.children > 0.0).map(|_| 0.0));
        for walks in sent.chunk_by(|a, b| a.home == b.home) {
            let minutes = walks.iter().map(|sent| (sent.part, f64::from(sent.walk) / MINUTE));
            self.problem.add_row(..=0, minutes.chain([(longest, -1.0)]).collect::<Vec<_>>());
        }
        !sent.is_empty()
    }
}
