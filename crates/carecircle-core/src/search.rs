//! Bounded search over the network, against the walking direction.
//!
//! Parents walk from home *to* the facility, so a search starts at facilities and runs along arcs backwards. It starts
//! and ends inside edges. [`Search`] is the reusable scratch; what it leaves is a [`Sweep`] (from many snaps: time and
//! nearest origin for every node) or a [`Reach`] (from one snap: the nodes and fractions of edges within a limit).

use crate::network::{EdgeId, Network, NodeId, Snap, Weights};
use crate::time::WalkTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A place that walks end at, with the label that tells it from others. Of two equally near origins the one with the
/// smaller label is the nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Origin {
    /// Where it meets the network.
    pub snap: Snap,
    /// What it is called in the result.
    pub label: u32,
}

/// A walk's end: how long it takes and to which origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Walking time to the origin.
    pub time: WalkTime,
    /// The origin's label.
    pub label: u32,
}

impl Arrival {
    const NEVER: Self = Self { time: WalkTime::NEVER, label: u32::MAX };

    fn after(self, time: WalkTime) -> Self {
        let time = self.time + time;
        if time == WalkTime::NEVER { Self::NEVER } else { Self { time, label: self.label } }
    }
}

/// Scratch for searches: kept between them so that each costs only what it touches.
#[derive(Debug, Default)]
pub struct Search {
    best: Vec<Arrival>,
    epoch: Vec<u32>,
    current: u32,
    queue: BinaryHeap<Reverse<(WalkTime, u32, u32)>>,
    settled: Vec<NodeId>,
}

impl Search {
    /// Fresh scratch; it grows to the network that it is used on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Settles every node from which an origin is reached within `limit`, in order of time.
    pub fn run(&mut self, network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) {
        self.reset(network.node_count());
        for origin in origins {
            let edge = network.edge(origin.snap.edge);
            let here = Arrival { time: weights.speed().walk(origin.snap.offset_m), label: origin.label };
            let (from_start, from_end) = end_times(network, weights, &origin.snap, Leg::Last);
            self.improve(edge.from, here.after(from_start), limit);
            self.improve(edge.to, here.after(from_end), limit);
        }
        while let Some(Reverse((time, label, node))) = self.queue.pop() {
            let node = NodeId(node);
            let here = Arrival { time, label };
            if self.best[node.index()] != here {
                continue;
            }
            self.settled.push(node);
            for arc in network.incoming(node) {
                self.improve(arc.tail, here.after(weights.edge(arc.edge)), limit);
            }
        }
    }

    fn reset(&mut self, nodes: usize) {
        if self.epoch.len() != nodes || self.current == u32::MAX {
            self.best = vec![Arrival::NEVER; nodes];
            self.epoch = vec![0; nodes];
            self.current = 0;
        }
        self.current += 1;
        self.queue.clear();
        self.settled.clear();
    }

    fn improve(&mut self, node: NodeId, arrival: Arrival, limit: WalkTime) {
        if arrival.time > limit || arrival.time == WalkTime::NEVER {
            return;
        }
        let i = node.index();
        if self.epoch[i] != self.current || arrival < self.best[i] {
            self.epoch[i] = self.current;
            self.best[i] = arrival;
            self.queue.push(Reverse((arrival.time, arrival.label, node.0)));
        }
    }

    /// The nodes settled by the last run, nearest first.
    pub fn settled(&self) -> &[NodeId] {
        &self.settled
    }

    /// What the last run found for a node.
    pub fn arrival(&self, node: NodeId) -> Option<Arrival> {
        let i = node.index();
        (self.epoch.get(i) == Some(&self.current)).then(|| self.best[i])
    }
}

/// Which end of a walk a snap is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    /// The walk starts here: from the snap out to an end of its edge.
    First,
    /// The walk ends here: from an end of the edge in to the snap.
    Last,
}

/// Times between a snap and its edge's `from` and `to`, in the direction that `leg` walks; never where the edge may not
/// be walked that way. Standing at an end takes no time in either direction.
fn end_times(network: &Network, weights: &Weights, snap: &Snap, leg: Leg) -> (WalkTime, WalkTime) {
    let edge = network.edge(snap.edge);
    let rest_m = (edge.length_m - snap.along_m).max(0.0);
    let (from_open, to_open) = match leg {
        Leg::First => (edge.backward, edge.forward),
        Leg::Last => (edge.forward, edge.backward),
    };
    let time = |open: bool, metres: f64| {
        if open || metres <= 0.0 { weights.part(edge, metres) } else { WalkTime::NEVER }
    };
    (time(from_open, snap.along_m), time(to_open, rest_m))
}

/// The time straight along a shared edge from `start` to `end`, or never where that is against its direction.
fn along_edge(network: &Network, weights: &Weights, start: &Snap, end: &Snap) -> WalkTime {
    let edge = network.edge(start.edge);
    let metres = end.along_m - start.along_m;
    let open = if metres > 0.0 { edge.forward } else { edge.backward || metres == 0.0 };
    if open { weights.part(edge, metres.abs()) } else { WalkTime::NEVER }
}

/// Time and nearest origin for every node, from many origins at once.
#[derive(Debug)]
pub struct Sweep {
    arrivals: Vec<Arrival>,
    /// Origins by edge: those that share an edge with a start are also reached straight along it.
    origins: Vec<Origin>,
}

impl Sweep {
    /// Sweeps from all origins out to `limit` ([`WalkTime::NEVER`] for the whole network).
    pub fn new(network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) -> Self {
        let mut search = Search::new();
        search.run(network, weights, origins, limit);
        let mut arrivals = vec![Arrival::NEVER; network.node_count()];
        for &node in &search.settled {
            arrivals[node.index()] = search.best[node.index()];
        }
        let mut origins = origins.to_vec();
        origins.sort_by_key(|o| (o.snap.edge, o.label));
        Self { arrivals, origins }
    }

    /// The walk to the nearest origin from a node.
    pub fn at_node(&self, node: NodeId) -> Option<Arrival> {
        let arrival = self.arrivals[node.index()];
        (arrival != Arrival::NEVER).then_some(arrival)
    }

    /// The walk to the nearest origin from a snap, the metres off the network included on both sides.
    pub fn at(&self, network: &Network, weights: &Weights, start: &Snap) -> Option<Arrival> {
        let edge = network.edge(start.edge);
        let (to_from, to_to) = end_times(network, weights, start, Leg::First);
        let mut best = self.arrivals[edge.from.index()].after(to_from).min(self.arrivals[edge.to.index()].after(to_to));
        let first = self.origins.partition_point(|o| o.snap.edge < start.edge);
        for origin in self.origins[first..].iter().take_while(|o| o.snap.edge == start.edge) {
            let off = weights.speed().walk(origin.snap.offset_m);
            let straight = Arrival { time: off, label: origin.label };
            best = best.min(straight.after(along_edge(network, weights, start, &origin.snap)));
        }
        let best = best.after(weights.speed().walk(start.offset_m));
        (best != Arrival::NEVER).then_some(best)
    }
}

/// A stretch of an edge from which the origin is reached within the limit, by metres along the edge. The time at a place
/// `x` on it is the least of `start_time` + way from `start_m`, and `end_time` + way from `end_m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// The edge.
    pub edge: EdgeId,
    /// Where the stretch starts, metres from the edge's `from`.
    pub start_m: f64,
    /// Where it ends.
    pub end_m: f64,
    /// Walking time to the origin from the stretch's start, going towards the edge's `from`.
    pub start_time: WalkTime,
    /// Walking time to the origin from the stretch's end, going towards the edge's `to`.
    pub end_time: WalkTime,
}

/// What lies within a limit of one snap: the nodes, and the fractions of edges.
#[derive(Debug, PartialEq)]
pub struct Reach {
    /// The origin.
    pub origin: Snap,
    /// The limit.
    pub limit: WalkTime,
    /// Settled nodes with their times, nearest first.
    pub nodes: Vec<(NodeId, WalkTime)>,
    /// Reached fractions of edges, ordered by edge.
    pub stretches: Vec<Stretch>,
}

impl Reach {
    /// Everything from which `origin` is reached within `limit`.
    pub fn new(search: &mut Search, network: &Network, weights: &Weights, origin: Snap, limit: WalkTime) -> Self {
        search.run(network, weights, &[Origin { snap: origin, label: 0 }], limit);
        let nodes: Vec<_> = search.settled.iter().map(|&n| (n, search.best[n.index()].time)).collect();
        let mut edges: Vec<EdgeId> =
            nodes.iter().flat_map(|&(n, _)| network.incoming(n)).map(|arc| arc.edge).chain([origin.edge]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut stretches = Vec::with_capacity(edges.len());
        for id in edges {
            let edge = network.edge(id);
            let time = |node: NodeId| search.arrival(node).map_or(WalkTime::NEVER, |a| a.time);
            // Towards `from` one walks backward along the edge, towards `to` forward.
            let back = if edge.backward { time(edge.from) } else { WalkTime::NEVER };
            let forth = if edge.forward { time(edge.to) } else { WalkTime::NEVER };
            if id == origin.edge {
                let here = weights.speed().walk(origin.offset_m);
                let (upto, beyond) = (
                    if edge.forward { here } else { WalkTime::NEVER },
                    if edge.backward { here } else { WalkTime::NEVER },
                );
                push_reached(
                    &mut stretches,
                    weights,
                    limit,
                    network,
                    Stretch { edge: id, start_m: 0.0, end_m: origin.along_m, start_time: back, end_time: upto },
                );
                push_reached(
                    &mut stretches,
                    weights,
                    limit,
                    network,
                    Stretch {
                        edge: id,
                        start_m: origin.along_m,
                        end_m: edge.length_m,
                        start_time: beyond,
                        end_time: forth,
                    },
                );
            } else {
                push_reached(
                    &mut stretches,
                    weights,
                    limit,
                    network,
                    Stretch { edge: id, start_m: 0.0, end_m: edge.length_m, start_time: back, end_time: forth },
                );
            }
        }
        Self { origin, limit, nodes, stretches }
    }
}

/// Keeps of a stretch what lies within the limit: all of it, or what is reached from either end.
fn push_reached(out: &mut Vec<Stretch>, weights: &Weights, limit: WalkTime, network: &Network, whole: Stretch) {
    let edge = network.edge(whole.edge);
    let length = whole.end_m - whole.start_m;
    // Metres that the time left at an end still covers.
    let left = |time: WalkTime| {
        if time > limit {
            return -1.0;
        }
        let seconds = f64::from(limit.millis() - time.millis()) / 1000.0;
        match edge.fixed {
            Some(whole) if whole > WalkTime::ZERO => edge.length_m * seconds / whole.seconds(),
            Some(_) => edge.length_m,
            None => seconds * weights.speed().kmh() / 3.6,
        }
    };
    let (from_start, from_end) = (left(whole.start_time), left(whole.end_time));
    if from_start < 0.0 && from_end < 0.0 {
        return;
    }
    if from_start.max(0.0) + from_end.max(0.0) >= length || from_start >= length || from_end >= length {
        out.push(whole);
        return;
    }
    if from_start >= 0.0 {
        out.push(Stretch { end_m: whole.start_m + from_start, end_time: WalkTime::NEVER, ..whole });
    }
    if from_end >= 0.0 {
        out.push(Stretch { start_m: whole.end_m - from_end, start_time: WalkTime::NEVER, ..whole });
    }
}
