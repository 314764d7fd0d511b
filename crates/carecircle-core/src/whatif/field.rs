//! One search from all facilities, kept up to date over the ground that some weights lead over.

use crate::doors::Door;
use crate::layout::Layout;
use crate::network::Snap;
use crate::search::{Arrival, NEVER, Origin, Search, along_edge, beginnings, ends, later, settle};
use crate::study::Study;
use crate::time::WalkTime;
use crate::weights::Weights;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where walks by some weights lead over, and where they begin.
#[derive(Debug)]
pub(super) struct Terrain {
    layout: Arc<Layout>,
    /// The same arcs the other way round.
    ahead: Arc<Layout>,
    /// By demand point: the states by which its walks leave, and the milliseconds until there.
    exits: Lists<(u32, u32)>,
    /// By state: the points whose walks leave by it.
    points: Lists<u32>,
    /// Where the walks of points begin, by edge.
    starts: Vec<(Snap, u32)>,
}

impl Terrain {
    pub(super) fn new(study: &Study, weights: &Weights) -> Self {
        let network = study.network();
        let (layout, ahead) = rayon::join(|| weights.layout(network), || weights.layout_ahead(network));
        let (layout, ahead) = (Arc::clone(layout), Arc::clone(ahead));
        let doors: Vec<Cow<'_, [Door]>> =
            study.demand().points.par_iter().map(|point| study.doors_of_point(point, weights)).collect();
        let (mut exits, mut starts) = (Lists::default(), Vec::with_capacity(doors.len()));
        for (doors, point) in doors.iter().zip(0..) {
            for Door { snap, .. } in doors.iter() {
                starts.push((*snap, point));
                let ends = beginnings(network, weights, &layout, snap).map(|end| (end.state, end.time().millis()));
                exits.items.extend(ends.filter(|(_, millis)| *millis != u32::MAX));
            }
            exits.end();
        }
        starts.sort_by_key(|(snap, _)| snap.edge);
        let points = exits.inverted(layout.len());
        Self { layout, ahead, exits, points, starts }
    }

    /// The points whose walks leave by a state.
    pub(super) fn points_at(&self, state: u32) -> &[u32] {
        self.points.of(state)
    }

    /// The walks within a limit to what offers this: from which points, ascending, and how long.
    pub(super) fn walks_to(&self, search: &mut Search, offers: &Offers, limit: WalkTime) -> Vec<(u32, WalkTime)> {
        search.run_seeded(&self.layout, offers.at_states.iter().copied(), limit);
        let reached = search.states().flat_map(|(state, _)| self.points.of(state));
        let mut points: Vec<u32> = reached.chain(offers.at_points.iter().map(|(point, _)| point)).copied().collect();
        points.sort_unstable();
        points.dedup();
        let by_exits = |point: u32| {
            let exits = self.exits.of(point).iter();
            exits.map(|&(state, millis)| search.time(state) + WalkTime::from_millis(millis)).min()
        };
        let mut straight = offers.at_points.clone();
        straight.sort_unstable();
        let walk = |point: u32| {
            let first = straight.partition_point(|(other, _)| *other < point);
            let straight = straight.get(first).filter(|(other, _)| *other == point);
            let straight = straight.map(|(_, key)| Arrival::of_key(*key).time);
            by_exits(point).into_iter().chain(straight).min().filter(|time| *time <= limit && *time != WalkTime::NEVER)
        };
        points.into_iter().filter_map(|point| Some((point, walk(point)?))).collect()
    }

    /// What a facility with these doors offers.
    pub(super) fn offers(&self, study: &Study, weights: &Weights, doors: &[Door], label: u32) -> Offers {
        let network = study.network();
        let mut out = Offers::default();
        for Door { snap, .. } in doors {
            let ends = ends(network, weights, &self.layout, &Origin { snap: *snap, label });
            out.at_states.extend(ends.map(|end| (end.state, end.key)).filter(|(_, key)| *key != NEVER));
            let here = Arrival { time: weights.speed().walk(snap.offset_m), label };
            let first = self.starts.partition_point(|(start, _)| start.edge < snap.edge);
            for (start, point) in self.starts[first..].iter().take_while(|(start, _)| start.edge == snap.edge) {
                let along = along_edge(network, weights, start, snap);
                let key = here.after(along).after(weights.speed().walk(start.offset_m)).key();
                if key != NEVER {
                    out.at_points.push((*point, key));
                }
            }
        }
        out
    }
}

/// What a facility offers to searches: keys at the states that it is reached from, and at the points on its own streets.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    at_states: Vec<(u32, u64)>,
    pub(super) at_points: Vec<(u32, u64)>,
}

/// What all facilities offer at states, or at points.
#[derive(Debug, Default)]
struct Offered {
    keys: BTreeSet<(u32, u64)>,
    /// By state or point: whether there is anything, for there seldom is.
    any: Vec<bool>,
}

impl Offered {
    fn lay<'a>(&mut self, places: usize, offers: impl Iterator<Item = &'a (u32, u64)>) {
        self.keys = offers.copied().collect();
        self.any.clear();
        self.any.resize(places, false);
        for (at, _) in &self.keys {
            self.any[*at as usize] = true;
        }
    }

    fn put(&mut self, (at, key): (u32, u64)) {
        self.keys.insert((at, key));
        self.any[at as usize] = true;
    }

    /// Takes away what one facility put here; no two facilities put the same.
    fn take(&mut self, (at, key): (u32, u64)) {
        self.keys.remove(&(at, key));
        self.any[at as usize] = self.keys.range((at, 0)..=(at, NEVER)).next().is_some();
    }

    #[inline]
    fn least(&self, at: u32) -> u64 {
        if !self.any[at as usize] {
            return NEVER;
        }
        self.keys.range((at, 0)..=(at, NEVER)).next().map_or(NEVER, |(_, key)| *key)
    }
}

/// The search by some weights, kept up to date.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// By state, as in [`Search`]; none beyond the limit.
    pub(super) best: Vec<u64>,
    at_states: Offered,
    at_points: Offered,
    /// States that the edit under way changed.
    changed: Due,
    pub(super) starts: Vec<(u32, u64)>,
    search: Search,
}

impl Field {
    /// Offers this and nothing else, over terrain on which nothing was found yet.
    pub(super) fn lay(&mut self, terrain: &Terrain, points: usize, offers: &[&Offers]) {
        let states = terrain.layout.len();
        self.best.clear();
        self.best.resize(states, NEVER);
        self.at_states.lay(states, offers.iter().flat_map(|offers| &offers.at_states));
        self.at_points.lay(points, offers.iter().flat_map(|offers| &offers.at_points));
        self.changed = Due::of(states);
    }

    /// Searches from all facilities at once, where nothing was found yet.
    pub(super) fn sweep(&mut self, terrain: &Terrain, limit: WalkTime) {
        let offered = self.at_states.keys.iter().copied();
        self.search.better(&terrain.layout, &mut self.best, offered, limit);
    }

    /// What a search from all facilities at once would find.
    pub(super) fn swept(&self, terrain: &Terrain, limit: WalkTime) -> Vec<u64> {
        let mut best = Vec::new();
        Search::new().better(&terrain.layout, &mut best, self.at_states.keys.iter().copied(), limit);
        best
    }

    /// Takes away what a facility offers, and clears the states whose best walk ends there: they are found from its offers
    /// on, for the rest of a best walk is a best walk.
    pub(super) fn close(&mut self, terrain: &Terrain, offers: &Offers, label: u32) {
        offers.at_states.iter().for_each(|&offer| self.at_states.take(offer));
        offers.at_points.iter().for_each(|&offer| self.at_points.take(offer));
        let mut next = self.changed.list.len();
        for &(state, _) in &offers.at_states {
            self.clear(state, label);
        }
        while next < self.changed.list.len() {
            for arc in terrain.layout.arcs(self.changed.list[next]) {
                self.clear(arc.to(), label);
            }
            next += 1;
        }
    }

    fn clear(&mut self, state: u32, label: u32) {
        let slot = &mut self.best[state as usize];
        if *slot as u32 == label && *slot != NEVER {
            *slot = NEVER;
            self.changed.add(state);
        }
    }

    pub(super) fn open(&mut self, offers: &Offers) {
        offers.at_states.iter().for_each(|&offer| self.at_states.put(offer));
        offers.at_points.iter().for_each(|&offer| self.at_points.put(offer));
        self.starts.extend(&offers.at_states);
    }

    /// Takes back what lies after the last key within a shorter limit.
    pub(super) fn forget_beyond(&mut self, most: u64) {
        for key in self.best.iter_mut().filter(|key| **key > most) {
            *key = NEVER;
        }
    }

    /// Finds what lies after `before`, the last key of a search so far.
    pub(super) fn go_on(&mut self, terrain: &Terrain, before: u64, limit: WalkTime) {
        let best = &self.best;
        let beyond = |state: u32| {
            let arcs = terrain.layout.arcs(state).iter().filter(|arc| best[arc.to() as usize] == NEVER);
            arcs.map(move |arc| (arc.to(), later(best[state as usize], arc.time)))
        };
        let reached = (0..best.len() as u32).filter(|&state| best[state as usize] != NEVER);
        let offered = self.at_states.keys.iter().copied().filter(|(_, key)| *key > before);
        let seeds: Vec<(u32, u64)> = reached.flat_map(beyond).chain(offered).collect();
        self.search.better(&terrain.layout, &mut self.best, seeds.into_iter(), limit);
    }

    /// Goes on from the states around those cleared, and from what opened, until no time gets better.
    pub(super) fn settle(&mut self, terrain: &Terrain, most: u64) {
        for &state in &self.changed.list {
            let around = terrain.ahead.arcs(state).iter().map(|arc| later(self.best[arc.to() as usize], arc.time));
            let key = around.fold(self.at_states.least(state), u64::min);
            if key != NEVER {
                self.starts.push((state, key));
            }
        }
        let Self { best, changed, starts, search, .. } = self;
        settle(&mut search.queue, &terrain.layout, best, most, starts.drain(..), |state, _, _| changed.add(state));
    }

    /// The states that the edit under way changed.
    pub(super) fn take_changed(&mut self) -> Vec<u32> {
        self.changed.take()
    }

    /// The walk from a point, by what a search found for each state.
    #[inline]
    pub(super) fn walk(&self, terrain: &Terrain, best: &[u64], point: u32) -> u64 {
        let by_exits = terrain.exits.of(point).iter().map(|&(state, millis)| later(best[state as usize], millis));
        by_exits.fold(self.at_points.least(point), u64::min)
    }
}

/// What is to be looked at again, each once.
#[derive(Debug, Default)]
pub(super) struct Due {
    list: Vec<u32>,
    is_due: Vec<bool>,
}

impl Due {
    pub(super) fn of(count: usize) -> Self {
        Self { list: Vec::new(), is_due: vec![false; count] }
    }

    pub(super) fn add(&mut self, number: u32) {
        if !std::mem::replace(&mut self.is_due[number as usize], true) {
            self.list.push(number);
        }
    }

    pub(super) fn take(&mut self) -> Vec<u32> {
        let list = std::mem::take(&mut self.list);
        for &number in &list {
            self.is_due[number as usize] = false;
        }
        list
    }
}

/// Lists of items, one for each number.
#[derive(Debug)]
struct Lists<T> {
    first: Vec<u32>,
    items: Vec<T>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { first: vec![0], items: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// Ends the list that items were added to.
    fn end(&mut self) {
        self.first.push(self.items.len() as u32);
    }

    fn of(&self, number: u32) -> &[T] {
        let i = number as usize;
        &self.items[self.first[i] as usize..self.first[i + 1] as usize]
    }
}

impl Lists<(u32, u32)> {
    /// By what stands first in the items, which is below `count`: the numbers of the lists that they are in.
    fn inverted(&self, count: usize) -> Lists<u32> {
        let mut first = vec![0; count + 1];
        self.items.iter().for_each(|(to, _)| first[*to as usize + 1] += 1);
        for i in 0..count {
            first[i + 1] += first[i];
        }
        let (mut next, mut items) = (first.clone(), vec![0; self.items.len()]);
        for number in 0..self.first.len() as u32 - 1 {
            for (to, _) in self.of(number) {
                let slot = &mut next[*to as usize];
                items[*slot as usize] = number;
                *slot += 1;
            }
        }
        Lists { first, items }
    }
}
