//! Walks between many places at once: sparse matrices of walking times, and what lies around thousands of origins.
//!
//! One bounded search for each start, in walking direction, in parallel: each thread has scratch of its own, of a size
//! known beforehand ([`bytes_per_thread`]). Origins are searched in the order of the network's nodes, so that what one search
//! has brought into the cache serves the next, and over whole cells of the network where there are very many.

use crate::cells::CellSearch;
use crate::isochrone::Source;
use crate::layout::Layout;
use crate::network::{Network, NodeId, Snap};
use crate::route::passed;
use crate::search::{Origin, Search, along_edge, beginnings, ends};
use crate::study::Door;
use crate::time::WalkTime;
use crate::weights::Weights;
use rayon::prelude::*;
use std::sync::Mutex;

/// A walk from one place to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    /// Where it ends, an index into the places given.
    pub to: usize,
    /// How long it takes.
    pub time: WalkTime,
    /// Its length in metres, those off the network included.
    pub metres: f64,
}

/// Rows are found so many at a time, and as many walks: what waits to be told stays below some 100 MB.
const ROWS: usize = 1_024;
const MOST_WALKS: usize = 4_000_000;

/// A thread takes no more origins at a time: those of the inner city take several times as long as the others.
const AT_A_TIME: usize = 64;

/// Tells for each place of `from`, in their order, the walks to places of `to` that take no longer than `limit`, by
/// `to`. Stops at the first error of `row`.
pub fn matrix<E>(
    network: &Network,
    weights: &Weights,
    from: &[Source],
    to: &[Source],
    limit: WalkTime,
    mut row: impl FnMut(usize, &[Walk]) -> Result<(), E>,
) -> Result<(), E> {
    let targets = Targets::new(network, weights, to.iter().map(|to| &*to.doors));
    let floor =
        weights.floor().map(|floor| (floor, Targets::new(network, floor, to.iter().map(|to| &*to.plain_doors))));
    let walks = |search: &mut Search, from: &Source| {
        let mut walks = targets.walks(search, network, weights, &from.doors, limit);
        if let Some((floor, targets)) = &floor {
            // Nobody with a stroller is quicker than without.
            let plain = targets.walks(search, network, floor, &from.plain_doors, limit);
            let mut plain = plain.iter().peekable();
            walks.retain_mut(|walk| {
                while plain.next_if(|plain| plain.to < walk.to).is_some() {}
                let same = plain.next_if(|plain| plain.to == walk.to);
                same.is_some_and(|plain| {
                    walk.time = walk.time.max(plain.time);
                    true
                })
            });
        }
        walks
    };
    let searches = PerThread::new(Search::new);
    let rows = (MOST_WALKS / to.len().max(1)).clamp(1, ROWS);
    for (chunk, from) in from.chunks(rows).enumerate() {
        let order = along_the_nodes(network, from, |from| from.doors.first().map(|door| door.snap));
        let row_of = |i: usize| (i, searches.with(|search| walks(search, &from[i])));
        let mut found: Vec<(usize, Vec<Walk>)> = order.into_par_iter().with_max_len(AT_A_TIME).map(row_of).collect();
        found.sort_unstable_by_key(|(i, _)| *i);
        for (i, walks) in found {
            row(chunk * rows + i, &walks)?;
        }
    }
    Ok(())
}

/// Bytes of scratch that each thread takes, at most: what it knows of each state, and every arc waiting to be followed.
pub fn bytes_per_thread(network: &Network, weights: &Weights) -> usize {
    let layout = weights.layout(network);
    layout.len() * (16 + CellSearch::BYTES_PER_STATE) + layout.arc_count() * 8
}

/// What lies within a limit of one of several origins.
#[derive(Debug)]
pub struct Around<'a> {
    layout: &'a Layout,
    search: &'a AroundSearch<'a>,
}

/// What a thread searches with.
#[derive(Debug)]
enum AroundSearch<'a> {
    Plain(Search),
    OverCells(CellSearch<'a>),
}

impl Around<'_> {
    /// The nodes from which the origin is reached, each with its time, in no particular order; a node that is passed on
    /// several legs comes several times.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, WalkTime)> + '_ {
        let (plain, over_cells) = match self.search {
            AroundSearch::Plain(search) => (Some(search.states()), None),
            AroundSearch::OverCells(search) => (None, Some(search.states().iter().copied())),
        };
        let states = plain.into_iter().flatten().chain(over_cells.into_iter().flatten());
        states.map(|(state, time)| (self.layout.node(state), time))
    }
}

/// Prepares [`around_each`] for any number of origins, as it does by itself where they are more than an eighth of the network's
/// nodes: the network is cut into cells, and the times within each are found. In parallel; bytes that are kept with the weights.
pub fn cut_into_cells(network: &Network, weights: &Weights) -> usize {
    weights.cells(network).bytes()
}

/// Searches out from each origin, against the walking direction, and hands over what it found with the origin's index. In
/// parallel, in any order.
pub fn around_each(
    network: &Network,
    weights: &Weights,
    origins: &[Snap],
    limit: WalkTime,
    found: impl Fn(usize, &Around<'_>) + Sync,
) {
    let layout = weights.layout(network);
    let cells = weights.cells_for(network, origins.len(), limit);
    let scratch = PerThread::new(|| match cells {
        Some(cells) => AroundSearch::OverCells(CellSearch::new(cells, limit)),
        None => AroundSearch::Plain(Search::new()),
    });
    let order = along_the_nodes(network, origins, |origin| Some(*origin));
    let around = |search: &mut AroundSearch<'_>, i: usize| {
        let origin = Origin { snap: origins[i], label: 0 };
        match search {
            AroundSearch::Plain(search) => search.run(network, weights, &[origin], limit),
            AroundSearch::OverCells(search) => {
                let ends = ends(network, weights, layout, &origin);
                search.run(ends.map(|end| (end.state, end.time())));
            }
        }
        found(i, &Around { layout, search });
    };
    order.into_par_iter().with_max_len(AT_A_TIME).for_each(|i| scratch.with(|search| around(search, i)));
}

/// Scratch of each thread's own: it is as long as the network, and what has gone from one core's cache into another's comes
/// back slowly.
struct PerThread<T, F> {
    scratch: Vec<Mutex<Option<T>>>,
    new: F,
}

impl<T, F: Fn() -> T> PerThread<T, F> {
    fn new(new: F) -> Self {
        Self { scratch: (0..rayon::current_num_threads()).map(|_| Mutex::new(None)).collect(), new }
    }

    /// Lends it to a job; anew where the thread has it in use already, further out.
    fn with<R>(&self, job: impl FnOnce(&mut T) -> R) -> R {
        let own = rayon::current_thread_index().and_then(|thread| self.scratch.get(thread)?.try_lock().ok());
        match own {
            Some(mut own) => job(own.get_or_insert_with(&self.new)),
            None => job(&mut (self.new)()),
        }
    }
}

/// Indices of places in the order of the nodes that they are at.
fn along_the_nodes<T>(network: &Network, places: &[T], snap: impl Fn(&T) -> Option<Snap>) -> Vec<usize> {
    let node = |i: &usize| snap(&places[*i]).map(|snap| network.edge(snap.edge).from);
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_cached_key(node);
    order
}

/// Where walks may end, by the states that they come in by and by the edges that they are on.
struct Targets {
    /// By state: the state, the place, what is left in time and metres.
    ends: Vec<(u32, usize, WalkTime, f64)>,
    /// By edge.
    on_edges: Vec<(Snap, usize)>,
}

impl Targets {
    fn new<'a>(network: &Network, weights: &Weights, places: impl Iterator<Item = &'a [Door]>) -> Self {
        let layout = weights.layout_ahead(network);
        let (mut at_states, mut on_edges) = (Vec::new(), Vec::new());
        for (place, doors) in places.enumerate() {
            for &Door { snap, .. } in doors {
                on_edges.push((snap, place));
                let ends = ends(network, weights, layout, &Origin { snap, label: 0 });
                at_states.extend(ends.map(|end| (end.state, place, end.time(), end.metres)));
            }
        }
        at_states.sort_by_key(|&(state, place, time, _)| (state, place, time));
        on_edges.sort_by_key(|&(snap, place)| (snap.edge, place));
        Self { ends: at_states, on_edges }
    }

    /// The walks from a place with these doors, by where they end.
    fn walks(
        &self,
        search: &mut Search,
        network: &Network,
        weights: &Weights,
        doors: &[Door],
        limit: WalkTime,
    ) -> Vec<Walk> {
        let snaps: Vec<Snap> = doors.iter().map(|door| door.snap).collect();
        search.run_ahead(network, weights, &snaps, limit);
        let metres = Metres { network, weights, snaps: &snaps, search };
        let mut out = Vec::new();
        for (state, walked) in search.states() {
            let first = self.ends.partition_point(|end| end.0 < state);
            for &(_, to, left, left_m) in self.ends[first..].iter().take_while(|end| end.0 == state) {
                let time = walked + left;
                if time <= limit && time != WalkTime::NEVER {
                    out.push(Walk { to, time, metres: metres.to(state) + left_m });
                }
            }
        }
        for start in &snaps {
            let first = self.on_edges.partition_point(|(end, _)| end.edge < start.edge);
            for (end, to) in self.on_edges[first..].iter().take_while(|(end, _)| end.edge == start.edge) {
                let off_m = start.offset_m + end.offset_m;
                let off = weights.speed().walk(start.offset_m) + weights.speed().walk(end.offset_m);
                let time = along_edge(network, weights, start, end) + off;
                if time <= limit && time != WalkTime::NEVER {
                    out.push(Walk { to: *to, time, metres: (end.along_m - start.along_m).abs() + off_m });
                }
            }
        }
        out.sort_by(|a, b| (a.to, a.time).cmp(&(b.to, b.time)).then(a.metres.total_cmp(&b.metres)));
        out.dedup_by_key(|walk| walk.to);
        out
    }
}

/// The lengths of the walks that a traced search found.
struct Metres<'a> {
    network: &'a Network,
    weights: &'a Weights,
    snaps: &'a [Snap],
    search: &'a Search,
}

impl Metres<'_> {
    /// Metres walked to a state that was reached, those off the network where the walk began included.
    fn to(&self, mut state: u32) -> f64 {
        let mut metres = 0.0;
        while let Some(before) = self.search.before(state) {
            let edge = passed(self.network, self.weights, self.search, (before, state));
            metres += edge.map_or(f64::INFINITY, |(edge, _)| self.network.edge(edge).length_m);
            state = before;
        }
        metres + self.first_part(state)
    }

    /// Metres from where the walk began to the first state.
    fn first_part(&self, state: u32) -> f64 {
        let layout = self.weights.layout_ahead(self.network);
        let ends = self.snaps.iter().flat_map(|start| beginnings(self.network, self.weights, layout, start));
        let first = ends.filter(|end| end.state == state && end.time() == self.search.time(state));
        first.map(|end| end.metres).fold(f64::INFINITY, f64::min)
    }
}
