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

/// Buckets of half a minute: a state waits for all lanes that come soon.
type Queue = Buckets<15>;

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
    queue: Queue,
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
        let last = limit.millis() as f32;
        let Self { best, due, reached, queue, found, .. } = self;
        let enter = |queue: &mut Queue, due: &mut u32, state: u32, time: u32| {
            if time < *due {
                *due = time;
                queue.push(time, state);
            }
        };
        for &(lane, state, time) in starts.iter().filter(|start| start.2 <= limit) {
            let times = &mut best[state as usize];
            if times.iter().all(|&time| time > last) {
                reached.push(state);
            }
            times[lane] = lesser(times[lane], time.millis() as f32);
            enter(queue, &mut due[state as usize], state, time.millis());
        }
        while let Some((time, state)) = queue.pop() {
            if due[state as usize] != time {
                continue;
            }
            due[state as usize] = NEVER;
            let here = best[state as usize];
            for arc in layout.arcs(state) {
                let step = arc.time as f32;
                let known = best[arc.to() as usize];
                let (mut least, mut better) = (known, known);
                // No branches, and no more than bits to be gathered: so that it compiles to a few instructions for all.
                let (mut changed, mut unknown) = (0, 0);
                for lane in 0..LANES {
                    let time = here[lane] + step;
                    better[lane] = if time < known[lane] { time } else { f32::MAX };
                    least[lane] = lesser(time, known[lane]);
                    changed |= least[lane].to_bits() ^ known[lane].to_bits();
                    unknown |= known[lane].to_bits() ^ beyond.to_bits();
                }
                if changed == 0 {
                    continue;
                }
                if unknown == 0 {
                    reached.push(arc.to());
                }
                best[arc.to() as usize] = least;
                if !arc.is_dead_end() {
                    enter(queue, &mut due[arc.to() as usize], arc.to(), earliest(&better) as u32);
                }
            }
        }
        for state in reached.drain(..) {
            let times = std::mem::replace(&mut best[state as usize], [beyond; LANES]);
            found.push((layout.node(state), times));
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
    let mut half = [0.0; LANES / 2];
    for lane in 0..LANES / 2 {
        half[lane] = lesser(times[lane], times[lane + LANES / 2]);
    }
    lesser(lesser(half[0], half[2]), lesser(half[1], half[3]))
}
