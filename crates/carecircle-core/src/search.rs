//! Bounded search over the network, against the walking direction.
//!
//! Parents walk from home *to* the facility, so a search starts at facilities and runs along arcs backwards. It starts
//! and ends inside edges. [`Search`] is the reusable scratch; what it leaves is a [`Sweep`] (from many snaps: time and
//! nearest origin for every node) or a [`Reach`] (from one place: the fractions of edges within a limit).
//!
//! It runs over states rather than nodes, see [`crate::layout`], and corrects times until none gets better: what is left
//! is the least of all walks, by time and then by label, in whatever order they were tried.

use crate::layout::{LAST, Layout, PUBLIC, legs};
use crate::network::{EdgeId, Network, NodeId, Snap};
use crate::queue::Buckets;
use crate::time::WalkTime;
use crate::weights::{Direction, Way, Weights};
use std::hint::black_box;
use std::sync::Arc;

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

    pub(crate) fn after(self, time: WalkTime) -> Self {
        let time = self.time + time;
        if time == WalkTime::NEVER { Self::NEVER } else { Self { time, label: self.label } }
    }

    /// Both in one number, ordered as they are.
    pub(crate) fn key(self) -> u64 {
        u64::from(self.time.millis()) << 32 | u64::from(self.label)
    }

    pub(crate) fn of_key(key: u64) -> Self {
        Self { time: WalkTime::from_millis((key >> 32) as u32), label: key as u32 }
    }
}

/// No walk at all, as a key.
pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) fn later(key: u64, millis: u32) -> u64 {
    key.saturating_add(u64::from(millis) << 32)
}

/// The key of the last arrival within a limit; never is beyond every limit.
pub(crate) fn last_within(limit: WalkTime) -> u64 {
    Arrival { time: limit.min(WalkTime::from_millis(u32::MAX - 1)), label: u32::MAX }.key()
}

/// A sweep from many origins settles one part of a large network after the other, unless its limit is over half an hour:
/// then walks would lead through many parts.
const LONGEST_BY_PARTS: WalkTime = WalkTime::from_millis(30 * 60_000);
/// 16,384 states, with what is known of them and their arcs, take half a megabyte and stay in a core's own cache.
const PART_BITS: u32 = 14;
/// Fewer starts for each part are not worth the reading of it.
const STARTS_PER_PART: usize = 16;

/// Scratch for searches: kept between them so that each costs only what it touches.
#[derive(Debug, Default)]
pub struct Search {
    layout: Option<Arc<Layout>>,
    /// By state.
    best: Vec<u64>,
    /// The states with a time, in no order.
    reached: Vec<u32>,
    starts: Vec<(u32, u64)>,
    pub(crate) queue: Buckets,
    /// By state, where the last run was traced: the state that its time came from.
    before: Vec<u32>,
}

const NO_STATE: u32 = u32::MAX;

impl Search {
    /// Fresh scratch; it grows to the network that it is used on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds for every node the nearest origin that is reached from it within `limit`.
    pub fn run(&mut self, network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) {
        let layout = weights.layout(network);
        let ends = origins.iter().flat_map(|origin| ends(network, weights, layout, origin));
        self.run_seeded(layout, ends.map(|end| (end.state, end.key)), limit);
    }

    /// As [`Search::run`], from states with keys.
    pub(crate) fn run_seeded(
        &mut self,
        layout: &Arc<Layout>,
        seeds: impl Iterator<Item = (u32, u64)>,
        limit: WalkTime,
    ) {
        self.starts.clear();
        self.starts.extend(seeds);
        self.settle::<false>(layout, limit);
    }

    /// Finds for every node how soon it is reached by a walk from `start`, and by which state before.
    pub(crate) fn run_ahead(&mut self, network: &Network, weights: &Weights, starts: &[Snap], limit: WalkTime) {
        let layout = weights.layout_ahead(network);
        self.starts.clear();
        let ends = starts.iter().flat_map(|start| beginnings(network, weights, layout, start));
        self.starts.extend(ends.map(|end| (end.state, end.key)));
        self.settle::<true>(layout, limit);
    }

    /// As [`Search::run_seeded`], bettering the keys by state that are known already. What it leaves stands there alone.
    pub(crate) fn better(
        &mut self,
        layout: &Arc<Layout>,
        best: &mut Vec<u64>,
        seeds: impl Iterator<Item = (u32, u64)>,
        limit: WalkTime,
    ) {
        self.forget();
        std::mem::swap(&mut self.best, best);
        self.run_seeded(layout, seeds, limit);
        std::mem::swap(&mut self.best, best);
        self.reached.clear();
    }

    fn forget(&mut self) {
        for state in self.reached.drain(..) {
            self.best[state as usize] = NEVER;
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
        let layout = weights.layout(network);
        let start = |&(node, time): &_| Some((layout.state(node, PUBLIC)?, Arrival { time, label: 0 }.key()));
        self.run_seeded(layout, ends.iter().filter_map(start), limit);
    }

    fn settle<const TRACED: bool>(&mut self, layout: &Arc<Layout>, limit: WalkTime) {
        self.forget();
        if self.best.len() < layout.len() {
            self.best.resize(layout.len(), NEVER);
        }
        if TRACED {
            self.before.resize(self.best.len(), NO_STATE);
        }
        if !self.layout.as_ref().is_some_and(|known| Arc::ptr_eq(known, layout)) {
            self.layout = Some(Arc::clone(layout));
        }
        let most = last_within(limit);
        let mut starts = std::mem::take(&mut self.starts);
        let is_dense = starts.len() / STARTS_PER_PART > layout.len() >> PART_BITS;
        let by_parts = is_dense && limit <= LONGEST_BY_PARTS;
        if by_parts {
            starts.sort_unstable();
        }
        let Self { best, reached, queue, before, .. } = self;
        let best = &mut best[..layout.len()];
        let part = |state: u32| if by_parts { state >> PART_BITS } else { 0 };
        for starts in starts.chunk_by(|a, b| part(a.0) == part(b.0)) {
            if by_parts {
                // A search jumps; what it will need comes faster in order.
                let first = part(starts[0].0) << PART_BITS;
                let states = first..(first + (1 << PART_BITS)).min(layout.len() as u32);
                let best = &best[states.start as usize..states.end as usize];
                black_box((
                    layout.fetch(states),
                    best.iter().step_by(8).fold(0, |sum: u64, key| sum.wrapping_add(*key)),
                ));
            }
            settle(queue, layout, best, most, starts.iter().copied(), |state, from, is_first| {
                if is_first {
                    reached.push(state);
                }
                if TRACED {
                    before[state as usize] = from;
                }
            });
        }
        self.starts = starts;
    }

    /// The states that the last run reached, each with its time, in no particular order.
    pub(crate) fn states(&self) -> impl ExactSizeIterator<Item = (u32, WalkTime)> + '_ {
        self.reached.iter().map(|&state| (state, Arrival::of_key(self.best[state as usize]).time))
    }

    /// How soon the last run reached a state.
    pub(crate) fn time(&self, state: u32) -> WalkTime {
        Arrival::of_key(self.best[state as usize]).time
    }

    /// The state that a state was reached from by the last run, which was traced; none for where it began.
    pub(crate) fn before(&self, state: u32) -> Option<u32> {
        Some(self.before[state as usize]).filter(|&before| before != NO_STATE)
    }

    /// The time from a snap to the nearest end of the last run.
    pub(crate) fn at(&self, network: &Network, weights: &Weights, start: &Snap) -> Option<WalkTime> {
        let (edge, way) = (network.edge(start.edge), weights.way(start.edge));
        let (to_from, to_to) = end_times(network, weights, start, Leg::First);
        let from = |node: NodeId, time: WalkTime| Some(self.arrival(node, way)?.time + time);
        let nearest = from(edge.from, to_from).into_iter().chain(from(edge.to, to_to)).min()?;
        Some(nearest + weights.speed().walk(start.offset_m))
    }

    /// The nodes that the last run reached, in no particular order; one that is passed on several legs comes several
    /// times.
    pub fn settled(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        let layout = self.layout.as_deref();
        self.reached.iter().map(move |&state| layout.map_or(NodeId(0), |layout| layout.node(state)))
    }

    /// What the last run found for a walk that starts from a node along an edge of this kind.
    pub fn arrival(&self, node: NodeId, way: Way) -> Option<Arrival> {
        let least = least(self.layout.as_deref()?, &self.best, node, way);
        (least != NEVER).then(|| Arrival::of_key(least))
    }
}

/// Lets keys spread from starts along arcs, none beyond `most`, until no state's gets better. `improved` is told each state
/// whose key did, the one that it came from, and whether it is the state's first.
pub(crate) fn settle(
    queue: &mut Buckets,
    layout: &Layout,
    best: &mut [u64],
    most: u64,
    starts: impl Iterator<Item = (u32, u64)>,
    mut improved: impl FnMut(u32, u32, bool),
) {
    let mut improve = |slot: &mut u64, state: u32, key: u64, from: u32| {
        let is_better = key < *slot && key <= most;
        if is_better {
            improved(state, from, *slot == NEVER);
            *slot = key;
        }
        is_better
    };
    queue.reset();
    for (state, key) in starts {
        if improve(&mut best[state as usize], state, key, NO_STATE) {
            queue.push((key >> 32) as u32, state);
        }
    }
    while let Some((time, state)) = queue.pop() {
        let key = best[state as usize];
        // Only the last entry of a state counts.
        if (key >> 32) as u32 != time {
            continue;
        }
        for arc in layout.arcs(state) {
            let (to, key) = (arc.to(), later(key, arc.time));
            if improve(&mut best[to as usize], to, key, state) && !arc.is_dead_end() {
                queue.push((key >> 32) as u32, to);
            }
        }
    }
}

/// The key of the nearest origin for a walk that starts from a node along an edge of this kind.
fn least(layout: &Layout, best: &[u64], node: NodeId, way: Way) -> u64 {
    let states = legs(way).iter().filter_map(|&leg| layout.state(node, leg));
    states.map(|state| best[state as usize]).min().unwrap_or(NEVER)
}

/// A state at an end of a snap's edge, and what lies between it and the snap's place.
pub(crate) struct End {
    pub(crate) state: u32,
    pub(crate) key: u64,
    pub(crate) metres: f64,
    /// Where that end is, metres along the edge.
    pub(crate) at_m: f64,
}

impl End {
    pub(crate) fn time(&self) -> WalkTime {
        Arrival::of_key(self.key).time
    }
}

/// The states that a walk to an origin comes in by.
pub(crate) fn ends<'a>(
    network: &Network,
    weights: &Weights,
    layout: &'a Layout,
    origin: &Origin,
) -> impl Iterator<Item = End> + use<'a> {
    let legs: &[usize] = match weights.way(origin.snap.edge) {
        Way::Public => &[PUBLIC],
        Way::Destination => &[LAST],
        Way::Closed => &[],
    };
    ends_on(network, weights, layout, origin, Leg::Last, legs)
}

/// The states that a walk from a snap sets out by.
pub(crate) fn beginnings<'a>(
    network: &Network,
    weights: &Weights,
    layout: &'a Layout,
    start: &Snap,
) -> impl Iterator<Item = End> + use<'a> {
    let origin = Origin { snap: *start, label: 0 };
    ends_on(network, weights, layout, &origin, Leg::First, legs(weights.way(start.edge)))
}

fn ends_on<'a>(
    network: &Network,
    weights: &Weights,
    layout: &'a Layout,
    origin: &Origin,
    leg: Leg,
    legs: &'static [usize],
) -> impl Iterator<Item = End> + use<'a> {
    let snap = origin.snap;
    let edge = network.edge(snap.edge);
    let off = Arrival { time: weights.speed().walk(snap.offset_m), label: origin.label };
    let (at_from, at_to) = end_times(network, weights, &snap, leg);
    let along_m = snap.along_m.min(edge.length_m);
    let ends = [(edge.from, at_from, 0.0), (edge.to, at_to, edge.length_m)];
    ends.into_iter().flat_map(move |(node, time, at_m)| {
        let metres = (at_m - along_m).abs() + snap.offset_m;
        let end = move |state| End { state, key: off.after(time).key(), metres, at_m };
        legs.iter().filter_map(move |&leg| layout.state(node, leg)).map(end)
    })
}

/// Which end of a walk a snap is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    /// The walk starts here: from the snap out to an end of its edge.
    First,
    /// The walk ends here: from an end of the edge in to the snap.
    Last,
}

/// Times between a snap and its edge's `from` and `to`, in the direction that `leg` walks; never where the edge may not
/// be walked that way. Standing at an end takes no time in either direction.
pub(crate) fn end_times(network: &Network, weights: &Weights, snap: &Snap, leg: Leg) -> (WalkTime, WalkTime) {
    let edge = (snap.edge, network.edge(snap.edge));
    let here_m = snap.along_m.min(edge.1.length_m);
    let to = |end_m: f64| match leg {
        Leg::First => weights.part(edge, here_m, end_m),
        Leg::Last => weights.part(edge, end_m, here_m),
    };
    (to(0.0), to(edge.1.length_m))
}

/// The time straight along a shared edge from `start` to `end`, or never where that is against its direction.
pub(crate) fn along_edge(network: &Network, weights: &Weights, start: &Snap, end: &Snap) -> WalkTime {
    let edge = (start.edge, network.edge(start.edge));
    weights.part(edge, start.along_m, end.along_m)
}

/// Time and nearest origin for every node, from many origins at once.
#[derive(Debug)]
pub struct Sweep {
    layout: Arc<Layout>,
    /// By state, as in [`Search`].
    best: Vec<u64>,
    /// Origins by edge: those that share an edge with a start are also reached straight along it.
    origins: Vec<Origin>,
}

impl Sweep {
    /// Sweeps from all origins out to `limit` ([`WalkTime::NEVER`] for the whole network).
    pub fn new(network: &Network, weights: &Weights, origins: &[Origin], limit: WalkTime) -> Self {
        let mut search = Search::new();
        search.run(network, weights, origins, limit);
        let mut origins = origins.to_vec();
        origins.sort_by_key(|o| (o.snap.edge, o.label));
        Self { layout: Arc::clone(weights.layout(network)), best: search.best, origins }
    }

    /// The walk to the nearest origin that starts from a node along an edge of this kind.
    pub fn at_node(&self, node: NodeId, way: Way) -> Option<Arrival> {
        Some(self.walk_from(node, way)).filter(|arrival| *arrival != Arrival::NEVER)
    }

    fn walk_from(&self, node: NodeId, way: Way) -> Arrival {
        Arrival::of_key(least(&self.layout, &self.best, node, way))
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
            .flat_map(|node| network.edges_at(node))
            .copied()
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
