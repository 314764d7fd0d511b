//! Where the next nurseries should stand, and how far from the best possible the answer can be at most.
//!
//! An [`Instance`] is made of sites, demand and the walks between them; a [`Question`] about it is answered by a [`Plan`],
//! which carries its objective, a bound that no other plan passes, and so the gap between them. Facilities that exist are
//! sites that stay open. A plan is searched for in the same way each time:
//!
//! 1. What is decided already is taken out: demand that existing facilities serve, demand that no site reaches; demand that
//!    the same sites serve alike is merged, and a site is left out where another does all that it does and costs no more.
//! 2. The greedy plan, bettered by exchanges, is the first answer (`local`).
//! 3. Prices of demand bound what any plan is worth, and close sites that no better plan has (`lagrange`).
//! 4. Branch and cut over the sites that are left closes the gap (`branch`).
//!
//! The same question has the same answer whatever the number of threads, if it is not cut short.

mod answer;
mod branch;
mod flow;
#[cfg(feature = "highs")]
mod highs;
mod lagrange;
mod local;
mod model;
mod reach;
mod simplex;
mod task;

use crate::time::WalkTime;
use model::{Link, Lists};
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

pub use reach::{NewSite, StudyInstance, bytes_needed};

/// What may be done with a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A facility that is there, and stays.
    Existing,
    /// It may be picked.
    Candidate,
    /// It must be picked, and counts.
    Required,
    /// It must not be picked.
    Forbidden,
}

/// A facility, or a place where one could stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// What may be done with it.
    pub standing: Standing,
    /// What it costs, in the unit of budgets; nothing or more.
    pub cost: f64,
    /// How many children it can take; `None` where that is not limited.
    pub places: Option<f64>,
}

/// Where children live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Home {
    /// How many; nothing or more.
    pub children: f64,
    /// Their area, if questions shall be asked by area.
    pub area: Option<u32>,
}

/// Walks from homes to sites, none where it takes longer than the limit.
#[derive(Clone, Debug, Default)]
pub struct Walks(Lists);

impl Walks {
    /// Adds the next site's walks, ascending: from which home, and how long; one that takes for ever is none.
    pub fn push(&mut self, walks: impl IntoIterator<Item = (u32, WalkTime)>) {
        let walks = walks.into_iter().filter(|(_, time)| *time != WalkTime::NEVER);
        self.0.push(walks.map(|(home, time)| Link { to: home, gain: time.millis() }));
    }

    /// The walks to a site.
    pub fn of(&self, site: usize) -> impl ExactSizeIterator<Item = (usize, WalkTime)> + '_ {
        self.0.of(site).iter().map(|link| (link.to as usize, WalkTime::from_millis(link.gain)))
    }
}

/// Sites, homes and the walks between them.
#[derive(Clone, Debug)]
pub struct Instance {
    sites: Vec<Site>,
    homes: Vec<Home>,
    walks: Walks,
}

/// How much may be picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pick {
    /// So many sites, or fewer.
    Count(usize),
    /// Sites that cost no more than this together.
    Budget(f64),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// The most children within the limit of an open site (maximal covering: Church and ReVelle, *The maximal covering
    /// location problem*, 1974). The objective is how many, those of existing facilities among them.
    MaxCoverage {
        /// How much may be picked.
        pick: Pick,
        /// A child within the limit of a second site counts this much more: from nothing to 1 (backup coverage, BACOP2:
        /// Hogan and ReVelle, *Concepts and applications of backup coverage*, 1986).
        backup: f64,
        /// At least this part of the children of every area, from nothing to 1.
        least_share: f64,
        /// Whether sites take no more children than they have places (capacitated maximal covering: Current and Storbeck,
        /// *Capacitated covering models*, 1988), see [`Plan::assignment`].
        limited: bool,
    },
    /// The fewest or cheapest sites for so many children (set covering: Toregas, Swain, ReVelle and Bergman, *The location of
    /// emergency service facilities*, 1971; in part: Daskin and Owen, *Two new location covering problems*, 1999). The
    /// objective is how many sites are picked, or what they cost.
    SetCover {
        /// The part of all children who shall be within the limit of an open site; those whom no site reaches among them.
        share: f64,
        /// The part of the children of every area.
        least_share: f64,
        /// Whether costs are added up, rather than sites.
        by_cost: bool,
    },
    /// The shortest walks, all added up (p-median: Hakimi, *Optimum locations of switching centers*, 1964). The objective is
    /// the minutes of all children to their site.
    Median {
        /// How much may be picked.
        pick: Pick,
        /// Whoever has no place within reach, or a longer walk, counts as if it took this long.
        beyond: WalkTime,
        /// Whether sites take no more children than they have places.
        limited: bool,
    },
    /// The shortest longest walk (p-center: Hakimi, 1964) of children whom any site reaches. The objective is in minutes.
    Center {
        /// How many sites may be picked.
        count: usize,
    },
    /// Which existing facilities would be missed least: so many close, and the plan's sites are those. Candidates do not
    /// come into it. The objective is the children still within the limit of a facility.
    Close {
        /// How many close.
        count: usize,
    },
}

/// How a search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The best plan's objective so far; a centre tells none.
    pub objective: Option<f64>,
    /// What no plan passes.
    pub bound: Option<f64>,
    /// Parts of the search that are done; of an instance that is made, sites.
    pub nodes: usize,
    /// Since the start.
    pub seconds: f64,
}

/// Told how a search stands; a break ends it.
pub type Watch<'a> = dyn Fn(&Progress) -> ControlFlow<()> + Sync + 'a;

/// Who looks for plans and proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Solver {
    /// Our own branch and cut.
    #[default]
    Own,
    /// HiGHS (Huangfu and Hall, *Parallelizing the dual revised simplex method*, 2018), on the plain model of each question: a
    /// second opinion, in floating point. It is far slower, counts no parts of its search, and ends by the time limit alone.
    #[cfg(feature = "highs")]
    Highs,
}

/// How long to search, by whom, and who looks on.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Who searches.
    pub solver: Solver,
    /// The best plan so far is the answer after this.
    pub time_limit: Option<Duration>,
    /// Draws where to look for plans: the same for the same seed.
    pub seed: u64,
    /// Asked now and then; where it ends the search, the best plan so far is the answer.
    pub watch: Option<&'a Watch<'a>>,
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { solver, time_limit, seed, .. } = self;
        let mut out = f.debug_struct("Search");
        out.field("solver", solver).field("time_limit", time_limit).field("seed", seed).finish_non_exhaustive()
    }
}

impl Default for Search<'_> {
    fn default() -> Self {
        Self { solver: Solver::Own, time_limit: None, seed: 1, watch: None }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The sites picked, ascending, required ones among them.
    pub sites: Vec<usize>,
    /// What the question asks for.
    pub objective: f64,
    /// No plan has a better objective than this.
    pub bound: f64,
    /// The distance between both, as part of the objective.
    pub gap: f64,
    /// Whether no plan is better: but for one part in ten million, where weights are not whole numbers.
    pub optimal: bool,
    /// Parts of the search that were done.
    pub nodes: usize,
    /// How long it took.
    pub seconds: f64,
    /// Where places are limited: who goes where, by home and then by site. Children of one home may go to several sites. All
    /// children are assigned anew, so that the objective is best; where sites do equally well, existing facilities come
    /// first.
    pub assignment: Vec<Assigned>,
}

/// Children of a home who go to a site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assigned {
    /// The home.
    pub home: usize,
    /// The site.
    pub site: usize,
    /// How many.
    pub children: f64,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum SitingError {
    /// The instance does not fit together.
    Instance(String),
    /// The question cannot be asked.
    Question(String),
    /// Walks would take more memory than is allowed, in bytes.
    TooLarge {
        /// To so many sites.
        sites: usize,
        /// What they would take, about.
        needed: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// The watch ended it before there was anything to answer with.
    Stopped,
    /// No plan does what is asked.
    Impossible(Obstacle),
}

/// What stands in the way of every plan, and what is possible instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Obstacle {
    /// There is no candidate to pick from.
    NoCandidate,
    /// Nobody is within reach of any site.
    NobodyReached,
    /// More may not be picked than that, and more is required: so many sites, or so much cost.
    Required(Pick, f64),
    /// All sites together reach that part of the children at most.
    Share {
        /// The part asked for.
        wanted: f64,
        /// The part that can be reached.
        most: f64,
    },
    /// All sites together reach too few in some areas.
    Areas {
        /// The part asked for in every area.
        wanted: f64,
        /// The areas where that is too much, ascending, and the part that can be reached there.
        most: Vec<(u32, f64)>,
    },
    /// More may not be picked than that, and so much is enough.
    TooFew(Pick, f64),
    /// Fewer facilities exist than shall close.
    TooManyClose {
        /// How many shall close.
        count: usize,
        /// How many there are.
        existing: usize,
    },
    /// No pick of sites does all that is asked, and nothing more is known of it.
    NoPick,
    /// None was found in time.
    OutOfTime,
}

impl fmt::Display for SitingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(why) | Self::Question(why) => f.write_str(why),
            Self::TooLarge { sites, .. } => write!(f, "walks to {sites} sites take more memory than is allowed"),
            Self::Stopped => f.write_str("ended before there was a plan"),
            Self::Impossible(_) => f.write_str("no plan does what is asked"),
        }
    }
}

impl std::error::Error for SitingError {}

impl From<Obstacle> for SitingError {
    fn from(obstacle: Obstacle) -> Self {
        Self::Impossible(obstacle)
    }
}

/// No home has more children than this, no site costs more or has more places.
const MOST: f64 = 1e9;

impl Instance {
    /// Puts an instance together: a list of walks for each site.
    pub fn new(sites: Vec<Site>, homes: Vec<Home>, walks: Walks) -> Result<Self, SitingError> {
        let wrong = |why: String| Err(SitingError::Instance(why));
        if walks.0.len() != sites.len() {
            return wrong(format!("there are {} sites, but walks to {}", sites.len(), walks.0.len()));
        }
        let is_number = |number: f64| (0.0..=MOST).contains(&number);
        if let Some(at) = homes.iter().position(|home| !is_number(home.children)) {
            return wrong(format!(
                "home {at} has {} children: a number from 0 to {MOST} is needed",
                homes[at].children
            ));
        }
        if let Some(at) = sites.iter().position(|site| !is_number(site.cost) || !site.places.is_none_or(is_number)) {
            return wrong(format!("site {at} has a cost or places that are not a number from 0 to {MOST}"));
        }
        for site in 0..sites.len() {
            let mut seen = None;
            for link in walks.0.of(site) {
                if link.to as usize >= homes.len() {
                    return wrong(format!(
                        "a walk leads from home {} to site {site}: there are {}",
                        link.to,
                        homes.len()
                    ));
                }
                if seen >= Some(link.to) {
                    return wrong(format!("the walks to site {site} are not in ascending order of homes, each once"));
                }
                seen = Some(link.to);
            }
        }
        Ok(Self { sites, homes, walks })
    }

    /// The sites.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The homes.
    pub fn homes(&self) -> &[Home] {
        &self.homes
    }

    /// The walks.
    pub fn walks(&self) -> &Walks {
        &self.walks
    }

    /// Answers a question.
    pub fn solve(&self, question: &Question, search: &Search<'_>) -> Result<Plan, SitingError> {
        answer::solve(self, question, &Clock { start: Instant::now(), search })
    }
}

/// When the search began, and what was said of it.
struct Clock<'a> {
    start: Instant,
    search: &'a Search<'a>,
}

impl Clock<'_> {
    /// Tells how it stands, and whether to go on.
    fn keep_on(&self, objective: Option<f64>, bound: Option<f64>, nodes: usize) -> bool {
        let elapsed = self.start.elapsed();
        let progress = Progress { objective, bound, nodes, seconds: elapsed.as_secs_f64() };
        self.search.time_limit.is_none_or(|limit| elapsed < limit)
            && self.search.watch.is_none_or(|watch| watch(&progress).is_continue())
    }

    fn plan(&self, sites: Vec<usize>, found: &answer::Found) -> Plan {
        let answer::Found { objective, bound, optimal, nodes, .. } = *found;
        let gap = (bound - objective).abs() / objective.abs().max(1e-9);
        let seconds = self.start.elapsed().as_secs_f64();
        Plan { sites, objective, bound, gap, optimal, nodes, seconds, assignment: Vec::new() }
    }
}
