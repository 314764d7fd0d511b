//! Searches around thousands of origins, from cell to cell.
//!
//! States are cut into *cells* of a few dozen, with few arcs between them, and the times within each cell are found
//! beforehand, from each of its states to the others. A search goes over whole cells: where arcs have come in, rows of times are
//! added and compared, many at once, without a queue and without branches; then it goes on by the arcs that lead out. Times
//! are corrected until none gets better, so that they are those of [`crate::search`].
//!
//! That is the overlay of customizable route planning (Delling, Goldberg, Pajor, Werneck: SEA 2011) with one level, asked for
//! whole neighbourhoods as in GRASP (Efentakis, Pfoser: ESA 2014). docs/decisions/0004 has what it costs and gains.

use crate::layout::Layout;
use crate::queue::Buckets;
use crate::time::WalkTime;
use rayon::prelude::*;

/// So many times are added and compared at once.
const LANES: usize = 8;
/// Whole milliseconds, exact below [`TOO_LONG`]: every processor adds and compares these several at a time.
type Block = [f32; LANES];

/// Limits from this on are too long: up to here every whole number is one of single precision.
pub(crate) const TOO_LONG: WalkTime = WalkTime::from_millis(1 << 24);

/// So many states are in a cell at most; each has a bit in a word, and so has [`VISITED`].
const MOST: u32 = 48;
const VISITED: u64 = 1 << 63;

/// A layout cut into cells.
#[derive(Debug)]
pub(crate) struct Cells {
    /// One more at the end.
    all: Vec<Cell>,
    /// By cell and by state of it: the times to the states of the cell by ways within it, infinite where there is none.
    rows: Vec<Block>,
    exits: Vec<Exit>,
    /// By state.
    places: Vec<Place>,
    /// By cell, as the times are: the states, then [`NO_STATE`] up to a whole block.
    states: Vec<u32>,
}

const NO_STATE: u32 = u32::MAX;

/// Where the blocks, the rows and the exits of a cell begin.
#[derive(Clone, Copy, Debug)]
struct Cell {
    block: u32,
    row: u32,
    exit: u32,
}

/// Where a state stands: which one of a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    cell: u32,
    at: u32,
}

/// An arc from one cell into another.
#[derive(Debug)]
struct Exit {
    /// Among the times of all cells.
    from: u32,
    to: u32,
    place: Place,
    time: f32,
}

impl Cells {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self::of(layout, MOST)
    }

    fn of(layout: &Layout, most: u32) -> Self {
        let cell_of = cut(layout, most);
        let mut order: Vec<u32> = (0..layout.len() as u32).collect();
        order.sort_by_key(|&state| cell_of[state as usize]);
        let members: Vec<&[u32]> = order.chunk_by(|&a, &b| cell_of[a as usize] == cell_of[b as usize]).collect();
        let mut places = vec![Place::default(); layout.len()];
        for (states, cell) in members.iter().zip(0..) {
            for (&state, at) in states.iter().zip(0..) {
                places[state as usize] = Place { cell, at };
            }
        }
        let rows: Vec<Vec<Block>> = members.par_iter().map(|states| rows(layout, &places, states)).collect();

        let (mut all, mut states, mut row) = (Vec::with_capacity(members.len() + 1), Vec::new(), 0);
        for (own, rows) in members.iter().zip(&rows) {
            all.push(Cell { block: (states.len() / LANES) as u32, row, exit: 0 });
            row += rows.len() as u32;
            states.extend_from_slice(own);
            states.resize(states.len().next_multiple_of(LANES), NO_STATE);
        }
        all.push(Cell { block: (states.len() / LANES) as u32, row, exit: 0 });

        let time_of = |all: &[Cell], place: Place| all[place.cell as usize].block * LANES as u32 + place.at;
        let mut exits = Vec::new();
        for (cell, own) in members.iter().enumerate() {
            all[cell].exit = exits.len() as u32;
            for &state in *own {
                let from = time_of(&all, places[state as usize]);
                for arc in layout.arcs(state) {
                    let place = places[arc.to() as usize];
                    if place.cell as usize != cell {
                        exits.push(Exit { from, to: time_of(&all, place), place, time: arc.time as f32 });
                    }
                }
            }
        }
        all[members.len()].exit = exits.len() as u32;
        Self { all, rows: rows.concat(), exits, places, states }
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.all)
            + size_of_val(&*self.rows)
            + size_of_val(&*self.exits)
            + size_of_val(&*self.places)
            + size_of_val(&*self.states)
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.all.len() - 1
    }
}

/// Arcs between two fragments, either way.
struct Link {
    fragments: (u32, u32),
    arcs: u32,
}

/// The cell of each state, numbered along the states: fragments are merged in pairs, those first that have many arcs between
/// them and are small (the score of PUNCH: Delling, Goldberg, Razenshteyn, Werneck: IPDPS 2011), round by round.
fn cut(layout: &Layout, most: u32) -> Vec<u32> {
    let mut cell_of: Vec<u32> = (0..layout.len() as u32).collect();
    let mut sizes = vec![1_u32; layout.len()];
    let arcs = cell_of.iter().flat_map(|&from| layout.arcs(from).iter().map(move |arc| (from, arc.to())));
    let mut links: Vec<Link> = arcs.map(|(a, b)| Link { fragments: (a.min(b), a.max(b)), arcs: 1 }).collect();
    loop {
        links.par_sort_unstable_by_key(|link| link.fragments);
        links.dedup_by(|link, same| {
            let is_same = link.fragments == same.fragments;
            same.arcs += if is_same { link.arcs } else { 0 };
            is_same
        });
        let score = |link: &Link| {
            let (a, b) = link.fragments;
            let (a, b) = (sizes[a as usize], sizes[b as usize]);
            let score = f64::from(link.arcs) * (f64::from(a).sqrt().recip() + f64::from(b).sqrt().recip());
            (a + b <= most).then_some((score, link.fragments))
        };
        let mut best: Vec<(f64, (u32, u32))> = links.iter().filter_map(score).collect();
        if best.is_empty() {
            return cell_of;
        }
        best.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut partner: Vec<u32> = (0..sizes.len() as u32).collect();
        for &(_, (a, b)) in &best {
            if partner[a as usize] == a && partner[b as usize] == b {
                (partner[a as usize], partner[b as usize]) = (b, a);
            }
        }
        // The first of a pair gives both their number.
        let (mut number, mut merged) = (vec![0; sizes.len()], Vec::with_capacity(sizes.len()));
        for (fragment, &partner) in partner.iter().enumerate() {
            let size = sizes[fragment];
            if (partner as usize) < fragment {
                number[fragment] = number[partner as usize];
                merged[number[fragment] as usize] += size;
            } else {
                number[fragment] = merged.len() as u32;
                merged.push(size);
            }
        }
        sizes = merged;
        for fragment in &mut cell_of {
            *fragment = number[*fragment as usize];
        }
        links.retain_mut(|link| {
            let (a, b) = (number[link.fragments.0 as usize], number[link.fragments.1 as usize]);
            link.fragments = (a.min(b), a.max(b));
            a != b
        });
    }
}

/// The times within a cell, from each of its states (Floyd: Communications of the ACM 5, 1962).
fn rows(layout: &Layout, places: &[Place], states: &[u32]) -> Vec<Block> {
    let blocks = states.len().div_ceil(LANES);
    let mut rows = vec![[f32::INFINITY; LANES]; states.len() * blocks];
    for (row, &state) in rows.chunks_exact_mut(blocks).zip(states) {
        let (row, here) = (row.as_flattened_mut(), places[state as usize]);
        row[here.at as usize] = 0.0;
        for arc in layout.arcs(state) {
            let to = places[arc.to() as usize];
            if to.cell == here.cell {
                row[to.at as usize] = lesser(row[to.at as usize], arc.time as f32);
            }
        }
    }
    let mut beyond = vec![[0.0; LANES]; blocks];
    for over in 0..states.len() {
        beyond.copy_from_slice(&rows[over * blocks..][..blocks]);
        for row in rows.chunks_exact_mut(blocks) {
            let time = row.as_flattened()[over];
            if time < f32::INFINITY {
                shorten(row, time, &beyond);
            }
        }
    }
    rows
}

/// Times by the way that a row goes on from, where that is shorter.
fn shorten(times: &mut [Block], until: f32, row: &[Block]) {
    for (times, row) in times.iter_mut().zip(row) {
        for lane in 0..LANES {
            times[lane] = lesser(until + row[lane], times[lane]);
        }
    }
}

/// As [`f32::min`] where nothing is undefined: one instruction for several.
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// Scratch for searches over cells out to one limit, and what the last one found.
#[derive(Debug)]
pub(crate) struct CellSearch<'a> {
    cells: &'a Cells,
    limit: WalkTime,
    /// By cell; between searches a millisecond after the limit, so that no time has to be held against the limit.
    times: Vec<Block>,
    /// By cell.
    waiting: Vec<Waiting>,
    queue: Buckets<16>,
    visited: Vec<u32>,
    found: Vec<(u32, WalkTime)>,
}

/// What waits in a cell: the states that were reached from other cells, a bit each, and when the first is due.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    states: u64,
    due: u32,
}

const NEVER: u32 = u32::MAX;

impl Waiting {
    const NOTHING: Self = Self { states: 0, due: NEVER };

    /// Notes that a state of the cell is reached at some time, if it hasn't been sooner.
    #[inline]
    fn reach(&mut self, known: &mut f32, place: Place, time: f32, queue: &mut Buckets<16>) {
        if time < *known {
            *known = time;
            self.states |= 1 << place.at;
            let time = time as u32;
            if time < self.due {
                self.due = time;
                queue.push(time, place.cell);
            }
        }
    }
}

impl<'a> CellSearch<'a> {
    /// Of scratch, at most: where every state has a cell of its own, and all are found.
    pub(crate) const BYTES_PER_STATE: usize =
        size_of::<Block>() + LANES * size_of::<(u32, WalkTime)>() + size_of::<Waiting>() + size_of::<u32>();

    /// For limits before [`TOO_LONG`].
    pub(crate) fn new(cells: &'a Cells, limit: WalkTime) -> Self {
        debug_assert!(limit < TOO_LONG);
        Self {
            cells,
            limit,
            times: vec![[beyond(limit); LANES]; cells.states.len() / LANES],
            waiting: vec![Waiting::NOTHING; cells.len()],
            queue: Buckets::default(),
            visited: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Searches from states that are so far from where walks end.
    pub(crate) fn run(&mut self, starts: impl Iterator<Item = (u32, WalkTime)>) {
        let Self { cells, times, waiting, queue, visited, .. } = self;
        queue.reset();
        for (state, time) in starts.filter(|(_, time)| *time <= self.limit) {
            let place = cells.places[state as usize];
            let cell = &mut times[cells.all[place.cell as usize].block as usize..];
            let known = &mut cell.as_flattened_mut()[place.at as usize];
            waiting[place.cell as usize].reach(known, place, time.millis() as f32, queue);
        }
        while let Some((time, number)) = queue.pop() {
            let here = &mut waiting[number as usize];
            // Only the first entry of a cell counts.
            if here.due != time {
                continue;
            }
            if here.states & VISITED == 0 {
                visited.push(number);
            }
            let mut entered = here.states & !VISITED;
            *here = Waiting { states: VISITED, due: NEVER };
            let (cell, next) = (cells.all[number as usize], cells.all[number as usize + 1]);
            let within = &mut times[cell.block as usize..next.block as usize];
            while entered != 0 {
                let at = entered.trailing_zeros() as usize;
                entered &= entered - 1;
                let row = &cells.rows[cell.row as usize + at * within.len()..][..within.len()];
                shorten(within, within.as_flattened()[at], row);
            }
            let times = times.as_flattened_mut();
            for exit in &cells.exits[cell.exit as usize..next.exit as usize] {
                let time = times[exit.from as usize] + exit.time;
                waiting[exit.place.cell as usize].reach(&mut times[exit.to as usize], exit.place, time, queue);
            }
        }
        self.gather();
    }

    /// Takes what was found out of the scratch, and leaves it as it was.
    fn gather(&mut self) {
        let Self { cells, limit, times, waiting, visited, found, .. } = self;
        let beyond = beyond(*limit);
        let blocks = |cell: u32| {
            let (cell, next) = (cells.all[cell as usize], cells.all[cell as usize + 1]);
            cell.block as usize..next.block as usize
        };
        let most: usize = visited.iter().map(|&cell| blocks(cell).len() * LANES).sum();
        found.resize(most.max(found.len()), (NO_STATE, WalkTime::NEVER));
        // No branch for each: every second one is beyond the limit.
        let mut count = 0;
        for cell in visited.drain(..) {
            waiting[cell as usize] = Waiting::NOTHING;
            let blocks = blocks(cell);
            let states = &cells.states[blocks.start * LANES..blocks.end * LANES];
            for (time, &state) in times[blocks].as_flattened_mut().iter_mut().zip(states) {
                found[count] = (state, WalkTime::from_millis(*time as u32));
                count += usize::from(*time < beyond);
                *time = beyond;
            }
        }
        found.truncate(count);
    }

    /// The states that the last run reached, each with its time, in no particular order.
    pub(crate) fn states(&self) -> &[(u32, WalkTime)] {
        &self.found
    }
}

/// A millisecond after a limit.
fn beyond(limit: WalkTime) -> f32 {
    limit.millis() as f32 + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use petgraph::algo::dijkstra;
    use petgraph::graph::DiGraph;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const STATES: u32 = 80;

    /// Arcs between states with near numbers and a few far away, of no time, of some, and of weeks.
    fn any_arcs() -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
        let time = prop_oneof![1 => Just(0), 8 => 1..90_000_u32, 1 => 1_000_000_000..u32::MAX];
        let to = prop_oneof![6 => 0..6_u32, 1 => 0..STATES];
        let arc = (0..STATES, to, time).prop_map(|(from, step, time)| (from, (from + step) % STATES, time));
        prop::collection::vec(arc.prop_filter("loops are no arcs", |(from, to, _)| from != to), 0..400)
    }

    proptest! {
        #[test]
        fn cells_are_small_and_hang_together(arcs in any_arcs(), most in 1..=MOST) {
            let layout = Layout::of_arcs(STATES, &arcs);
            let cell_of = cut(&layout, most);
            let mut pieces = petgraph::unionfind::UnionFind::new(STATES as usize);
            for &(from, to, _) in arcs.iter().filter(|(a, b, _)| cell_of[*a as usize] == cell_of[*b as usize]) {
                pieces.union(from, to);
            }
            let mut next = 0;
            for state in 0..STATES {
                let cell = cell_of[state as usize];
                prop_assert!(cell <= next, "cells are numbered along the states");
                next = next.max(cell + 1);
                let members = (0..STATES).filter(|other| cell_of[*other as usize] == cell);
                let members: Vec<u32> = members.collect();
                prop_assert!(members.len() <= most as usize);
                prop_assert!(members.iter().all(|&other| pieces.equiv(state, other)));
            }
        }

        #[test]
        fn over_cells_the_times_are_those_of_dijkstra(
            arcs in any_arcs(), most in 1..=MOST, limit in 0..600_000_u32,
            runs in prop::collection::vec(prop::collection::vec((0..STATES, 0..60_000_u32), 1..4), 1..4),
        ) {
            let layout = Layout::of_arcs(STATES, &arcs);
            let cells = Cells::of(&layout, most);
            let graph = DiGraph::<(), u64>::from_edges(arcs.iter().map(|&(from, to, time)| (from, to, u64::from(time))));
            let mut search = CellSearch::new(&cells, WalkTime::from_millis(limit));
            for starts in runs {
                search.run(starts.iter().map(|&(state, time)| (state, WalkTime::from_millis(time))));
                let mut truth = BTreeMap::new();
                for (start, sooner) in starts {
                    let mut times: BTreeMap<u32, u64> = BTreeMap::from([(start, 0)]);
                    if (start as usize) < graph.node_count() {
                        let found = dijkstra(&graph, start.into(), None, |arc| *arc.weight());
                        times.extend(found.into_iter().map(|(node, time)| (node.index() as u32, time)));
                    }
                    for (state, time) in times {
                        let best = truth.entry(state).or_insert(u64::MAX);
                        *best = (time + u64::from(sooner)).min(*best);
                    }
                }
                truth.retain(|_, time| *time <= u64::from(limit));
                let found: BTreeMap<u32, u64> =
                    search.states().iter().map(|&(state, time)| (state, u64::from(time.millis()))).collect();
                prop_assert_eq!(search.states().len(), found.len(), "no state is told twice");
                prop_assert_eq!(found, truth);
            }
        }
    }
}
