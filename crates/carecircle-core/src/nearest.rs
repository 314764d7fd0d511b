//! The few nearest facilities, rather than the nearest alone, in one pass.

use crate::coverage::origins;
use crate::layout::{Layout, legs};
use crate::network::{Network, NodeId, Snap};
use crate::queue::Buckets;
use crate::search::{Arrival, Leg, NEVER, Origin, along_edge, end_times, ends, last_within, later};
use crate::study::Study;
use crate::time::WalkTime;
use crate::weights::{Way, Weights};
use rayon::prelude::*;
use std::sync::Arc;

/// So many are told apart at most.
pub const MOST_NEAREST: usize = 8;

/// For every node the few nearest origins, by time and then by label; origins with the same label are one.
#[derive(Debug)]
pub struct Nearest {
    layout: Arc<Layout>,
    /// How many for each state.
    few: usize,
    /// State by state, ascending.
    best: Vec<u64>,
    /// By edge.
    origins: Vec<Origin>,
}

impl Nearest {
    /// Finds the `few` nearest of the origins, 1 to [`MOST_NEAREST`], as far as they are within `limit`.
    pub fn new(network: &Network, weights: &Weights, origins: &[Origin], few: usize, limit: WalkTime) -> Self {
        let few = few.clamp(1, MOST_NEAREST);
        let layout = Arc::clone(weights.layout(network));
        let most = last_within(limit);
        let mut best = vec![NEVER; layout.len() * few];
        let mut queue: Buckets = Buckets::default();
        queue.reset();
        for end in origins.iter().flat_map(|origin| ends(network, weights, &layout, origin)) {
            if end.key <= most && insert(&mut best[end.state as usize * few..][..few], end.key) {
                queue.push(end.time().millis(), end.state);
            }
        }
        while let Some((time, state)) = queue.pop() {
            let mut here = [NEVER; MOST_NEAREST];
            here[..few].copy_from_slice(&best[state as usize * few..][..few]);
            for key in here.into_iter().filter(|key| (key >> 32) as u32 == time && *key != NEVER) {
                for arc in layout.arcs(state) {
                    let key = later(key, arc.time);
                    if key <= most && insert(&mut best[arc.to() as usize * few..][..few], key) && !arc.is_dead_end() {
                        queue.push((key >> 32) as u32, arc.to());
                    }
                }
            }
        }
        let mut origins = origins.to_vec();
        origins.sort_by_key(|o| (o.snap.edge, o.label));
        Self { layout, few, best, origins }
    }

    /// The nearest origins for a walk that starts from a node along an edge of this kind, the nearest first.
    pub fn at_node(&self, node: NodeId, way: Way) -> Vec<Arrival> {
        let mut found = [NEVER; MOST_NEAREST];
        self.merge_node(&mut found[..self.few], node, way, WalkTime::ZERO);
        told(&found)
    }

    /// The nearest origins of a snap, the nearest first, the metres off the network included on both sides.
    pub fn at(&self, network: &Network, weights: &Weights, start: &Snap) -> Vec<Arrival> {
        let mut found = [NEVER; MOST_NEAREST];
        self.merge(&mut found[..self.few], network, weights, start);
        told(&found)
    }

    fn merge(&self, found: &mut [u64], network: &Network, weights: &Weights, start: &Snap) {
        let (edge, way) = (network.edge(start.edge), weights.way(start.edge));
        let off = weights.speed().walk(start.offset_m);
        let (to_from, to_to) = end_times(network, weights, start, Leg::First);
        self.merge_node(found, edge.from, way, to_from + off);
        self.merge_node(found, edge.to, way, to_to + off);
        let first = self.origins.partition_point(|o| o.snap.edge < start.edge);
        for origin in self.origins[first..].iter().take_while(|o| o.snap.edge == start.edge) {
            let there = weights.speed().walk(origin.snap.offset_m);
            let time = along_edge(network, weights, start, &origin.snap) + there + off;
            insert(found, Arrival { time, label: origin.label }.key());
        }
    }

    fn merge_node(&self, found: &mut [u64], node: NodeId, way: Way, time: WalkTime) {
        for state in legs(way).iter().filter_map(|&leg| self.layout.state(node, leg)) {
            for &key in &self.best[state as usize * self.few..][..self.few] {
                insert(found, later(key, time.millis()));
            }
        }
    }
}

/// Puts a key in its place among ascending ones, one for each label, and tells whether it belongs there.
fn insert(best: &mut [u64], key: u64) -> bool {
    let last = best.len() - 1;
    if key >= best[last] || (key >> 32) as u32 == u32::MAX {
        return false;
    }
    let label = key as u32;
    let known = best.iter().position(|&known| known as u32 == label && known != NEVER);
    if known.is_some_and(|i| best[i] <= key) {
        return false;
    }
    let mut at = known.unwrap_or(last);
    while at > 0 && best[at - 1] > key {
        best[at] = best[at - 1];
        at -= 1;
    }
    best[at] = key;
    true
}

fn told(found: &[u64]) -> Vec<Arrival> {
    found.iter().take_while(|key| **key != NEVER).map(|&key| Arrival::of_key(key)).collect()
}

impl Study {
    /// The `few` nearest facilities that count (1 to [`MOST_NEAREST`]) for each demand point, the nearest first, as far
    /// as they are within `limit`.
    pub fn nearest_facilities(
        &self,
        weights: &Weights,
        counts: &(dyn Fn(usize) -> bool + Sync),
        few: usize,
        limit: WalkTime,
    ) -> Vec<Vec<Arrival>> {
        let network = self.network();
        let by = |weights: &Weights| -> Vec<Vec<Arrival>> {
            let nearest = Nearest::new(network, weights, &origins(self, weights, counts), few, limit);
            let walks = |point: &_| {
                let mut found = [NEVER; MOST_NEAREST];
                for door in self.doors_of_point(point, weights).iter() {
                    nearest.merge(&mut found[..nearest.few], network, weights, &door.snap);
                }
                told(&found).into_iter().filter(|arrival| arrival.time <= limit).collect()
            };
            self.demand().points.par_iter().map(walks).collect()
        };
        let mut walks = by(weights);
        if let Some(floor) = weights.floor() {
            // Nobody with a stroller finds the first, the second, ... sooner than without.
            for (walks, plain) in walks.iter_mut().zip(by(floor)) {
                walks.truncate(plain.len());
                walks.iter_mut().zip(plain).for_each(|(walk, plain)| walk.time = walk.time.max(plain.time));
            }
        }
        walks
    }
}
