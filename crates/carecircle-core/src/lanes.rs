//! Searches from eight nearby origins at a time, side by side.
//!
//! What one reaches the others reach a little earlier or later by the same streets, so that each state is looked up and each
//! arc followed for all of them at once. Worth it only where origins are near each other.

use crate::layout::Layout;
use crate::queue::Buckets;
use crate::time::WalkTime;
use std::sync::Arc;

/// So many origins are searched side by side.
pub(crate) const LANES: usize = 8;

type Times = [i32; LANES];

/// Later than any limit that lanes are used for, and far enough from an overflow to be added to.
const NEVER: i32 = i32::MAX / 2;

/// Scratch for such searches.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// By state.
    best: Vec<Times>,
    /// By state: when it is due in the queue, [`NEVER`] while it isn't in it.
    due: Vec<i32>,
    reached: Vec<u32>,
    /// Buckets of half a minute: a state waits for all lanes that come soon.
    queue: Buckets<15>,
}

impl Lanes {
    /// Limits from this on are too long.
    pub(crate) const TOO_LONG: WalkTime = WalkTime::from_millis(1 << 29);

    /// Searches from starts, each a lane, a state and a time.
    pub(crate) fn run(&mut self, layout: &Arc<Layout>, starts: &[(usize, u32, WalkTime)], limit: WalkTime) {
        for state in self.reached.drain(..) {
            self.best[state as usize] = [NEVER; LANES];
        }
        if self.best.len() < layout.len() {
            self.best.resize(layout.len(), [NEVER; LANES]);
            self.due.resize(layout.len(), NEVER);
        }
        self.queue.reset();
        let most = limit.millis() as i32;
        for &(lane, state, time) in starts.iter().filter(|start| start.2 <= limit) {
            let mut times = [NEVER; LANES];
            times[lane] = time.millis() as i32;
            if let Some(due) = self.improve(state, &times) {
                self.enter(state, due);
            }
        }
        while let Some((time, state)) = self.queue.pop() {
            let due = &mut self.due[state as usize];
            if *due != time as i32 {
                continue;
            }
            *due = NEVER;
            let here = self.best[state as usize];
            for arc in layout.arcs(state) {
                // An arc longer than any limit leads beyond it.
                let step = (arc.time as i32).clamp(0, NEVER);
                let there = here.map(|time| if time + step <= most { time + step } else { NEVER });
                if let Some(due) = self.improve(arc.to(), &there)
                    && !arc.is_dead_end()
                {
                    self.enter(arc.to(), due);
                }
            }
        }
    }

    /// The earliest time that got better.
    #[inline]
    fn improve(&mut self, state: u32, times: &Times) -> Option<i32> {
        let best = &mut self.best[state as usize];
        let mut better = [NEVER; LANES];
        for lane in 0..LANES {
            better[lane] = if times[lane] < best[lane] { times[lane] } else { NEVER };
        }
        let earliest = better.into_iter().fold(NEVER, i32::min);
        if earliest == NEVER {
            return None;
        }
        if *best == [NEVER; LANES] {
            self.reached.push(state);
        }
        for lane in 0..LANES {
            best[lane] = best[lane].min(better[lane]);
        }
        Some(earliest)
    }

    #[inline]
    fn enter(&mut self, state: u32, time: i32) {
        let due = &mut self.due[state as usize];
        if time < *due {
            *due = time;
            self.queue.push(time as u32, state);
        }
    }

    /// The states that a lane reached, each with its time, in no particular order.
    pub(crate) fn states(&self, lane: usize) -> impl Iterator<Item = (u32, WalkTime)> + '_ {
        let times = self.reached.iter().map(move |&state| (state, self.best[state as usize][lane]));
        times.filter(|(_, time)| *time < NEVER).map(|(state, time)| (state, WalkTime::from_millis(time as u32)))
    }
}
