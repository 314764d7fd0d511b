//! "Open this gate": which single gate or private way, open to the public, would bring how many children within the limit.
//!
//! The truth is plain: open each in turn and judge the city again. That is what is done, for every passage that can matter to
//! anybody; the others are passed over because nobody who is outside the limit today could reach a facility in time by way
//! of them, even if all were open.

use crate::coverage::{Coverage, Footing, covered_share, origins, walks};
use crate::network::{EdgeId, Snap};
use crate::policy::Policy;
use crate::search::{Search, Sweep};
use crate::study::Study;
use crate::weights::{Opened, Paces, Passage, Pieces, accesses, passages};
use rayon::prelude::*;
use std::cmp::Reverse;

/// What opening one passage does to the city.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The passage.
    pub passage: Passage,
    /// Children within the limit that were outside, less those the other way round, over all blocks.
    pub children: f64,
    /// The share of each block's children within the limit, where that differs from today: the block's index, the share.
    pub shares: Vec<(usize, f64)>,
}

/// So many passages are opened in turn: a city has some dozens that could matter.
pub const MOST_OPENED: usize = 2_000;

/// What opening passages one at a time does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Openings {
    /// Passages that gain a child at least in part, the one with the most first.
    pub passages: Vec<Opening>,
    /// Passages that might help and were not tried: of more than [`MOST_OPENED`] those that the fewest homes could use.
    pub untried: usize,
    /// For each gap, in the order of the study's blocks, the passage that covers most of it, as an index into `passages`.
    pub best: Vec<Option<usize>>,
}

impl Study {
    /// Opens each gate and private way in turn.
    pub(crate) fn open_each(&self, policy: &Policy, coverage: &Coverage) -> Openings {
        let blocks = &self.demand().blocks;
        let mut out = Openings { best: vec![None; blocks.len()], ..Openings::default() };
        let limit = policy.limit();
        let counts = |i: usize| coverage.eligible[i];
        let today: Vec<f64> = coverage.verdicts.iter().map(|v| v.covered_share).collect();
        let open = |passage: Passage| {
            let weights = self.network().weigh_with(&policy.profile, Opened::Only(passage));
            let walks = walks(self, &Footing::new(weights), &counts, limit);
            let mut opening = Opening { passage, children: 0.0, shares: Vec::new() };
            for (i, block) in blocks.iter().enumerate() {
                let share = covered_share(self, block, &walks, limit);
                if (share - today[i]).abs() > 1e-12 {
                    opening.children += block.children * (share - today[i]);
                    opening.shares.push((i, share));
                }
            }
            opening
        };
        let mut promising = self.promising(policy, coverage, &counts);
        out.untried = promising.len().saturating_sub(MOST_OPENED);
        promising.truncate(MOST_OPENED);
        out.passages = promising
            .into_par_iter()
            .map(open)
            .filter(|opening| opening.shares.iter().any(|&(i, share)| share > today[i]))
            .collect();
        out.passages.sort_by(|a, b| b.children.total_cmp(&a.children).then(a.passage.cmp(&b.passage)));
        for (number, opening) in out.passages.iter().enumerate() {
            for &(i, share) in &opening.shares {
                let is_gap = coverage.verdicts[i].reason.is_some();
                let best =
                    out.best[i].map_or(today[i], |best: usize| out.passages[best].share_of(i).unwrap_or(today[i]));
                // Of passages that cover equally much, the one that gains the city most.
                if is_gap && share > best + 1e-12 {
                    out.best[i] = Some(number);
                }
            }
        }
        out
    }

    /// The passages that can matter: those by which a point outside the limit would be within it when all are open, and
    /// those that could change which streets are public elsewhere, join islands, or open doors; first those that the most
    /// homes could use. No other changes where points snap.
    fn promising(&self, policy: &Policy, coverage: &Coverage, counts: &(dyn Fn(usize) -> bool + Sync)) -> Vec<Passage> {
        let (network, limit) = (self.network(), policy.limit());
        let edges = network.edges();
        let paces = Paces::of(&policy.profile);
        let is_open = |i: usize| paces.open(&edges[i]);
        let pieces = Pieces::new(edges, network.node_count(), &accesses(edges, Opened::None, is_open));
        let today = network.weigh(&policy.profile);
        let all = &network.weigh_with(&policy.profile, Opened::All);
        let sweep = Sweep::new(network, all, &origins(self, &today, counts), limit);
        let outside =
            self.demand().points.iter().zip(&coverage.walks).filter(|(_, w)| w.is_none_or(|a| a.time > limit));
        let starts: Vec<Snap> = outside
            .flat_map(|(point, _)| self.doors_of_point(point, &today).into_owned())
            .map(|door| door.snap)
            .filter(|start| sweep.at(network, all, start).is_some_and(|a| a.time <= limit))
            .collect();
        let matters = |search: &mut Search, passage: Passage, ids: &[EdgeId]| {
            let own: Vec<_> = ids.iter().map(|id| network.edge(*id)).collect();
            if pieces.may_change(&own) || self.doors_change_with(passage) {
                return usize::MAX;
            }
            // From the ends of the passage on, as if they were facilities as far away as the facility is from there.
            let nodes = own.iter().flat_map(|edge| [edge.from, edge.to]);
            let ends =
                nodes.filter_map(|node| Some((node, sweep.at_node(node, all.way(ids[0]))?.time))).collect::<Vec<_>>();
            search.run_from(network, all, &ends, limit);
            let on_it = |edge: EdgeId| ids.contains(&edge);
            let is_near =
                |start: &&Snap| on_it(start.edge) || search.at(network, all, start).is_some_and(|time| time <= limit);
            starts.iter().filter(is_near).count()
        };
        let found: Vec<(Passage, Vec<EdgeId>)> = passages(edges).into_iter().collect();
        let mut found: Vec<(usize, Passage)> = found
            .into_par_iter()
            .map_init(Search::new, |search, (passage, ids)| (matters(search, passage, &ids), passage))
            .filter(|(homes, _)| *homes > 0)
            .collect();
        found.sort_by_key(|(homes, passage)| (Reverse(*homes), *passage));
        found.into_iter().map(|(_, passage)| passage).collect()
    }
}

impl Opening {
    /// The share of a block's children within the limit with this passage open, where that differs from today.
    pub fn share_of(&self, block: usize) -> Option<f64> {
        let at = self.shares.binary_search_by_key(&block, |(i, _)| *i).ok()?;
        Some(self.shares[at].1)
    }
}
