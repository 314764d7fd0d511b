//! Why a block has the verdict that it has: the walks behind it, point by point, and the walk itself.
//!
//! Told by who judges all blocks, from the same walks: what is said here is what [`crate::coverage`] says.

use crate::coverage::{Judge, Reason, Verdict, Walkers};
use crate::isochrone::Source;
use crate::matrix::{Walk, matrix};
use crate::policy::Policy;
use crate::route::{Route, trace};
use crate::search::{Arrival, Search};
use crate::study::{Door, Study};
use crate::time::WalkTime;
use std::convert::Infallible;

/// The verdict of a block, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// The block's demand points, in their order.
    pub points: Vec<ExplainedPoint>,
    /// Which of the points lies at the middle of the demand, and decides the minutes: where none has a route, the heaviest.
    /// `None` for a block without points.
    pub middle: Option<usize>,
    /// Which facilities count, in the order of the study's facilities.
    pub eligible: Vec<bool>,
}

/// What a verdict rests on at one demand point.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedPoint {
    /// An index into the study's demand points.
    pub point: usize,
    /// Where walks from it begin; empty when no street is near enough.
    pub doors: Vec<Door>,
    /// The walk to the nearest facility that counts.
    pub walk: Option<Arrival>,
    /// The walk to the nearest facility of all within the limit, where some don't count.
    pub any: Option<Arrival>,
    /// Why it lies outside; `None` for one that is inside.
    pub reason: Option<Reason>,
}

/// The facilities around a demand point, and the walk to the nearest that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// Walks to facilities, by time, counted or not: as far as the nearest that counts, and as far as the limit.
    pub walks: Vec<Walk>,
    /// The walk to the nearest that counts.
    pub route: Option<Route>,
}

impl Study {
    /// Explains the verdict of a block, an index into the study's blocks.
    pub fn explain(&self, walkers: &Walkers, policy: &Policy, block: usize) -> Explanation {
        let block = &self.demand().blocks[block];
        let range = block.points.start as usize..block.points.end as usize;
        let judge = Judge::new(self, walkers, policy, &range);
        let verdict = judge.verdict(block);
        let is_inside = |walk: Option<Arrival>| walk.is_some_and(|a| a.time <= policy.limit());
        let explained = |point: usize| {
            let walk = judge.walks[point];
            ExplainedPoint {
                point,
                doors: judge.doors(point).to_vec(),
                walk,
                any: judge.any.get(point).copied().flatten(),
                reason: (!is_inside(walk)).then(|| judge.reason(point, walk)),
            }
        };
        let points: Vec<ExplainedPoint> = range.map(explained).collect();
        let median = verdict.time.zip(verdict.nearest);
        let is_median = |p: &ExplainedPoint| p.walk.is_some_and(|a| Some((a.time, a.label as usize)) == median);
        let weight = |i: &usize| self.demand().points[points[*i].point].weight;
        let heaviest = || (0..points.len()).reduce(|a, b| if weight(&b) > weight(&a) { b } else { a });
        let middle = points.iter().position(is_median).or_else(heaviest);
        Explanation { verdict, points, middle, eligible: judge.eligible }
    }

    /// What lies around a demand point that has been explained.
    pub fn surroundings(
        &self,
        search: &mut Search,
        walkers: &Walkers,
        policy: &Policy,
        explained: &ExplainedPoint,
    ) -> Surroundings {
        let (weights, facilities) = (walkers.weights(), walkers.facilities(self));
        let home = walkers.home(self, explained.point);
        let limit = explained.walk.map_or(WalkTime::ZERO, |walk| walk.time).max(policy.limit());
        let mut walks = walks_from(self, walkers, &home, &facilities, limit);
        let nearest = explained.walk.map(|walk| (walk.label as usize, walk.time));
        let route = nearest.and_then(|(nearest, time)| {
            let end = &facilities[nearest];
            let route = trace(search, self.network(), weights, (home.at, &home.doors), (end.at, &end.doors))?;
            Some(route.slowed_to(time))
        });
        if let Some(((to, time), route)) = nearest.zip(route.as_ref()) {
            // The verdict holds a profile against the nearest plain walk, whichever facility that leads to.
            walks.retain(|walk| walk.to != to);
            walks.push(Walk { to, time, metres: route.metres() });
        }
        walks.sort_by_key(|walk| (walk.time, nearest.is_none_or(|nearest| walk.to != nearest.0), walk.to));
        Surroundings { walks, route }
    }
}

/// The walks from a home to facilities that take no longer than `limit`, by facility: `facilities` are those of
/// [`Walkers::facilities`].
pub fn walks_from(
    study: &Study,
    walkers: &Walkers,
    home: &Source,
    facilities: &[Source],
    limit: WalkTime,
) -> Vec<Walk> {
    let mut out = Vec::new();
    let row = |_: usize, walks: &[Walk]| {
        out.extend_from_slice(walks);
        Ok::<(), Infallible>(())
    };
    match matrix(study.network(), walkers.weights(), std::slice::from_ref(home), facilities, limit, row) {
        Ok(()) => out,
        Err(never) => match never {},
    }
}
