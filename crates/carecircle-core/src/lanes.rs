//! Searches from eight nearby origins at a time, side by side.
//!
//! What one reaches the others reach a little earlier or later by the same streets, so that each state is looked up and each
//! arc followed for all of them at once. Worth it only where origins are near each other.

use crate::layout::Layout;
use crate::network::NodeId;
use crate::queue::Buckets;
use crate::time::WalkTime;
use std::sync::Arc;

/// So many origins are searched side by side.
pub(crate) const LANES: usize = 8;

/// Whole milliseconds, exact below [`Lanes::TOO_LONG`]: every processor adds and compares these several at a time.
type Times = [f32; LANES];

/// Not in the queue.
const NEVER: u32 = u32::MAX;

/// Scratch for such searches.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// By state; between searches a millisecond after the limit, so that no time has to be held against the limit.
    best: Vec<Times>,
    limit: WalkTime,
    /// By state: when it is due in the queue, [`NEVER`] while it isn't in it.
    due: Vec<u32>,
    reached: Vec<u32>,
    /// What the last run found.
    found: Vec<(NodeId, Times)>,
    /// Buckets of half a minute: a state waits for all lanes that come soon.
    queue: Buckets<15>,
}

impl Lanes {
    /// Limits from this on are too long: up to here every whole number is one of single precision.
    pub(crate) const TOO_LONG: WalkTime = WalkTime::from_millis(1 << 24);

    /// Searches from starts, each a lane, a state and a time.
    pub(crate) fn run(&mut self, layout: &Arc<Layout>, starts: &[(usize, u32, WalkTime)], limit: WalkTime) {
        let beyond = limit.millis() as f32 + 1.0;
        if self.best.len() < layout.len() || self.limit != limit {
            self.limit = limit;
            self.best.clear();
            self.best.resize(layout.len(), [beyond; LANES]);
            self.due.resize(layout.len(), NEVER);
        }
        self.found.clear();
        self.queue.reset();
        for &(lane, state, time) in starts.iter().filter(|start| start.2 <= limit) {
            let mut times = [beyond; LANES];
            times[lane] = time.millis() as f32;
            self.improve(state, &times, true);
        }
        while let Some((time, state)) = self.queue.pop() {
            let due = &mut self.due[state as usize];
            if *due != time {
                continue;
            }
            *due = NEVER;
            let here = self.best[state as usize];
            for arc in layout.arcs(state) {
                let step = arc.time as f32;
                self.improve(arc.to(), &here.map(|time| time + step), !arc.is_dead_end());
            }
        }
        for state in self.reached.drain(..) {
            let times = std::mem::replace(&mut self.best[state as usize], [beyond; LANES]);
            self.found.push((layout.node(state), times));
        }
    }

    /// Takes over times that are better, and puts the state into the queue where others follow from it.
    #[inline]
    fn improve(&mut self, state: u32, times: &Times, leads_on: bool) {
        let best = &mut self.best[state as usize];
        let known = *best;
        let is_better = |lane: usize| times[lane] < known[lane];
        if !(0..LANES).fold(false, |any, lane| any | is_better(lane)) {
            return;
        }
        let last = self.limit.millis() as f32;
        if known.iter().all(|&time| time > last) {
            self.reached.push(state);
        }
        *best = std::array::from_fn(|lane| lesser(times[lane], known[lane]));
        if leads_on {
            let better: Times = std::array::from_fn(|lane| if is_better(lane) { times[lane] } else { f32::MAX });
            let earliest = earliest(&better) as u32;
            let due = &mut self.due[state as usize];
            if earliest < *due {
                *due = earliest;
                self.queue.push(earliest, state);
            }
        }
    }

    /// The nodes that a lane reached, each with its time, in no particular order.
    pub(crate) fn nodes(&self, lane: usize) -> impl Iterator<Item = (NodeId, WalkTime)> + '_ {
        let times = self.found.iter().map(move |(node, times)| (*node, times[lane]));
        let times = times.map(|(node, time)| (node, WalkTime::from_millis(time as u32)));
        times.filter(|(_, time)| *time <= self.limit)
    }
}

/// As [`f32::min`] where nothing is undefined: one instruction for several.
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The least, by halves.
fn earliest(times: &Times) -> f32 {
    let [a, b, c, d, e, f, g, h] = *times;
    let quarters = [lesser(a, e), lesser(b, f), lesser(c, g), lesser(d, h)];
    lesser(lesser(quarters[0], quarters[2]), lesser(quarters[1], quarters[3]))
}
