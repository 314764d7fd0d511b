//! Bounded search over the network, against the walking direction.
//!
//! Parents walk from home *to* the facility, so a search starts at facilities and runs along arcs backwards. It starts
//! and ends inside edges. [`Search`] is the reusable scratch; what it leaves is a [`Sweep`] (from many snaps: time and
//! nearest origin for every node) or a [`Reach`] (from one snap: the nodes and fractions of edges within a limit).
//!
//! A walk is first leg, public streets, last leg, see [`crate::weights`]. So a node is reached in up to three ways, its
//! *legs*: what remains of the walk from there is the last leg alone, begins on public streets, or begins with the first
//! leg. Seen from the facility they come in this order.

use crate::network::{EdgeId, Network, NodeId, Snap};
use crate::time::WalkTime;
use crate::weights::{Classes, Direction, Way, Weights};
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

/// Where on a walk a node is, as the factor of its state: states of public streets come first, for most need no others.
const PUBLIC: usize = 0;
/// On the last leg.
const LAST: usize = 1;
/// On the first leg.
const FIRST: usize = 2;
const LEGS: usize = 3;

/// The legs that a node may be reached in for an edge that starts from it: a walk may go over from the first leg to
/// public streets and from these to the last leg, never back.
fn legs(way: Way) -> &'static [usize] {
    match way {
        Way::Public => &[PUBLIC, LAST],
        Way::Destination => &[PUBLIC, LAST, FIRST],
        Way::Closed => &[],
    }
}

/// How many legs a search has to tell apart.
fn legs_told(classes: &Classes) -> usize {
    if classes.has_destination { LEGS } else { 1 }
}

/// Scratch for searches: kept between them so that each costs only what it touches.
#[derive(Debug, Default)]
pub struct Search {
    /// By state: leg by leg, in each node by node.
    best: Vec<Arrival>,
    epoch: Vec<u32>,
    current: u32,
    nodes: usize,
    queue: BinaryHeap<Reverse<(WalkTime, u32, u32)>>,
    settled: Vec<u32>,
}

impl Search {
    /// Fresh scratch; it grows to the network that it is used on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Settles every node from which an origin is reached within `limit`, in order of time.
    pub fn run(&mut self, network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) {
        self.reset(network.node_count(), legs_told(weights.classes()));
        for origin in origins {
            let leg = match weights.way(origin.snap.edge) {
                Way::Public => PUBLIC,
                Way::Destination => LAST,
                Way::Closed => continue,
            };
            let edge = network.edge(origin.snap.edge);
            let here = Arrival { time: weights.speed().walk(origin.snap.offset_m), label: origin.label };
            let (from_start, from_end) = end_times(network, weights, &origin.snap, Leg::Last);
            self.improve(edge.from, leg, here.after(from_start), limit);
            self.improve(edge.to, leg, here.after(from_end), limit);
        }
        self.settle(network, weights, limit);
    }

    fn settle(&mut self, network: &Network, weights: &Weights, limit: WalkTime) {
        while let Some(Reverse((time, label, state))) = self.queue.pop() {
            let here = Arrival { time, label };
            if self.best[state as usize] != here {
                continue;
            }
            self.settled.push(state);
            let (node, leg) = self.place(state);
            for arc in network.incoming(node) {
                let weight = weights.arc(arc.arc);
                let leg = match (leg, weight.is_destination()) {
                    (PUBLIC | LAST, false) => PUBLIC,
                    (LAST, true) => LAST,
                    (PUBLIC | FIRST, true) => FIRST,
                    _ => continue,
                };
                self.improve(arc.tail, leg, here.after(weight.time()), limit);
            }
        }
    }

    /// As [`Search::run`], from nodes that are so far from where the walk ends.
    pub(crate) fn run_from(
        &mut self,
        network: &Network,
        weights: &Weights,
        ends: &[(NodeId, WalkTime)],
        limit: WalkTime,
    ) {
        self.reset(network.node_count(), legs_told(weights.classes()));
        for &(node, time) in ends {
            self.improve(node, PUBLIC, Arrival { time, label: 0 }, limit);
        }
        self.settle(network, weights, limit);
    }

    /// The time from a snap to the nearest end of the last run.
    pub(crate) fn at(&self, network: &Network, weights: &Weights, start: &Snap) -> Option<WalkTime> {
        let (edge, way) = (network.edge(start.edge), weights.way(start.edge));
        let (to_from, to_to) = end_times(network, weights, start, Leg::First);
        let from = |node: NodeId, time: WalkTime| Some(self.arrival(node, way)?.time + time);
        let nearest = from(edge.from, to_from).into_iter().chain(from(edge.to, to_to)).min()?;
        Some(nearest + weights.speed().walk(start.offset_m))
    }

    fn reset(&mut self, nodes: usize, legs: usize) {
        if self.nodes != nodes || self.epoch.len() < nodes * legs || self.current == u32::MAX {
            self.best = vec![Arrival::NEVER; nodes * legs];
            self.epoch = vec![0; nodes * legs];
            self.nodes = nodes;
            self.current = 0;
        }
        self.current += 1;
        self.queue.clear();
        self.settled.clear();
    }

    fn place(&self, state: u32) -> (NodeId, usize) {
        let mut node = state as usize;
        let mut leg = 0;
        while node >= self.nodes {
            node -= self.nodes;
            leg += 1;
        }
        (NodeId(node as u32), leg)
    }

    fn improve(&mut self, node: NodeId, leg: usize, arrival: Arrival, limit: WalkTime) {
        if arrival.time > limit || arrival.time == WalkTime::NEVER {
            return;
        }
        let state = leg * self.nodes + node.index();
        if self.epoch[state] != self.current || arrival < self.best[state] {
            self.epoch[state] = self.current;
            self.best[state] = arrival;
            self.queue.push(Reverse((arrival.time, arrival.label, state as u32)));
        }
    }

    /// The nodes settled by the last run, nearest first; one that is passed on several legs comes several times.
    pub fn settled(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.settled.iter().map(|&state| self.place(state).0)
    }

    /// What the last run found for a walk that starts from a node along an edge of this kind.
    pub fn arrival(&self, node: NodeId, way: Way) -> Option<Arrival> {
        let states = legs(way).iter().map(|leg| leg * self.nodes + node.index());
        states.filter(|&state| self.epoch.get(state) == Some(&self.current)).map(|state| self.best[state]).min()
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
    let edge = (snap.edge, network.edge(snap.edge));
    let here_m = snap.along_m.min(edge.1.length_m);
    let to = |end_m: f64| match leg {
        Leg::First => weights.part(edge, here_m, end_m),
        Leg::Last => weights.part(edge, end_m, here_m),
    };
    (to(0.0), to(edge.1.length_m))
}

/// The time straight along a shared edge from `start` to `end`, or never where that is against its direction.
fn along_edge(network: &Network, weights: &Weights, start: &Snap, end: &Snap) -> WalkTime {
    let edge = (start.edge, network.edge(start.edge));
    weights.part(edge, start.along_m, end.along_m)
}

/// Time and nearest origin for every node, from many origins at once.
#[derive(Debug)]
pub struct Sweep {
    /// By state, as in [`Search`].
    arrivals: Vec<Arrival>,
    nodes: usize,
    /// Origins by edge: those that share an edge with a start are also reached straight along it.
    origins: Vec<Origin>,
}

impl Sweep {
    /// Sweeps from all origins out to `limit` ([`WalkTime::NEVER`] for the whole network).
    pub fn new(network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) -> Self {
        let mut search = Search::new();
        search.run(network, weights, origins, limit);
        // What the search never touched is never, as it was made.
        let Search { best: arrivals, nodes, .. } = search;
        let mut origins = origins.to_vec();
        origins.sort_by_key(|o| (o.snap.edge, o.label));
        Self { arrivals, nodes, origins }
    }

    /// The walk to the nearest origin that starts from a node along an edge of this kind.
    pub fn at_node(&self, node: NodeId, way: Way) -> Option<Arrival> {
        Some(self.walk_from(node, way)).filter(|arrival| *arrival != Arrival::NEVER)
    }

    fn walk_from(&self, node: NodeId, way: Way) -> Arrival {
        let states = legs(way).iter().map(|leg| leg * self.nodes + node.index());
        states.filter_map(|state| self.arrivals.get(state)).copied().min().unwrap_or(Arrival::NEVER)
    }

    /// The walk to the nearest origin from a snap, the metres off the network included on both sides.
    pub fn at(&self, network: &Network, weights: &Weights, start: &Snap) -> Option<Arrival> {
        let (edge, way) = (network.edge(start.edge), weights.way(start.edge));
        let (to_from, to_to) = end_times(network, weights, start, Leg::First);
        let from = |node: NodeId| self.walk_from(node, way);
        let mut best = from(edge.from).after(to_from).min(from(edge.to).after(to_to));
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
/// `x` on it is the least of `start_time` + way to `start_m`, and `end_time` + way to `end_m`.
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

/// What lies within a limit of one place: the nodes, and the fractions of edges.
#[derive(Debug, PartialEq)]
pub struct Reach {
    /// Where the place meets the network: at each of its doors.
    pub origins: Vec<Snap>,
    /// The limit.
    pub limit: WalkTime,
    /// Reached fractions of edges, ordered by edge.
    pub stretches: Vec<Stretch>,
}

impl Reach {
    /// Everything from which one of `origins` is reached within `limit`.
    pub fn new(search: &mut Search, network: &Network, weights: &Weights, origins: &[Snap], limit: WalkTime) -> Self {
        let labelled: Vec<Origin> = origins.iter().map(|&snap| Origin { snap, label: 0 }).collect();
        search.run(network, weights, &labelled, limit);
        let mut edges: Vec<EdgeId> = search
            .settled()
            .flat_map(|node| network.incoming(node))
            .map(|arc| arc.edge())
            .chain(origins.iter().map(|origin| origin.edge))
            .filter(|edge| weights.way(*edge) != Way::Closed)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut stretches = Vec::with_capacity(edges.len());
        for id in edges {
            let (edge, way) = (network.edge(id), weights.way(id));
            let time = |node: NodeId| search.arrival(node, way).map_or(WalkTime::NEVER, |a| a.time);
            let mut here: Vec<&Snap> = origins.iter().filter(|origin| origin.edge == id).collect();
            here.sort_by(|a, b| a.along_m.total_cmp(&b.along_m));
            // From one origin on the edge to the next, and to its ends.
            let mut whole = Stretch {
                edge: id,
                start_m: 0.0,
                end_m: edge.length_m,
                start_time: time(edge.from),
                end_time: time(edge.to),
            };
            for origin in here {
                let off = weights.speed().walk(origin.offset_m);
                push_reached(
                    &mut stretches,
                    weights,
                    limit,
                    network,
                    Stretch { end_m: origin.along_m, end_time: off, ..whole },
                );
                whole = Stretch { start_m: origin.along_m, start_time: off, ..whole };
            }
            push_reached(&mut stretches, weights, limit, network, whole);
        }
        Self { origins: origins.to_vec(), limit, stretches }
    }
}

/// Keeps of a stretch what lies within the limit: all of it, or what is reached from either end.
fn push_reached(out: &mut Vec<Stretch>, weights: &Weights, limit: WalkTime, network: &Network, mut whole: Stretch) {
    let edge = (whole.edge, network.edge(whole.edge));
    let length = whole.end_m - whole.start_m;
    // Metres that the time left at an end still covers; towards `from` one walks backward, towards `to` forward.
    let left = |time: &mut WalkTime, at_m: f64, walked: Direction| {
        let metres = match *time {
            time if time > limit => -1.0,
            time => weights.metres_within(edge, WalkTime::from_millis(limit.millis() - time.millis()), at_m, walked),
        };
        if metres < 0.0 {
            *time = WalkTime::NEVER;
        }
        metres
    };
    let from_start = left(&mut whole.start_time, whole.start_m, Direction::Backward);
    let from_end = left(&mut whole.end_time, whole.end_m, Direction::Forward);
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
