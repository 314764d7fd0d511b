//! The arrays that a search streams through.
//!
//! Where a walk is, is a *state*: a node, and the leg of the walk (see [`crate::weights`]) that it is passed on. Nodes
//! without private streets have one state, the others three. Between states lie arcs that take a time, and nothing else:
//! legs, profiles and directions are settled when a layout is made, so that the search is a plain search.
//!
//! Few states decide. Dead ends, the trees that hang on a street, and the states along a chain without a junction are
//! *satellites*: their times follow from the *core* states that they hang on, of which there are two at most. Core
//! states are linked by arcs over whole chains, come first, and stand in the order of the network's nodes, which is one
//! with locality. A search settles the core and lets the satellites follow in one pass; one that starts among
//! satellites walks their own short arcs until it meets the core.

use crate::network::{Edge, EdgeId, NodeId};
use crate::weights::{Direction, Way, Weights};

/// Where on a walk a node is passed: on public streets, the only leg that most nodes know.
pub(crate) const PUBLIC: usize = 0;
/// On the last leg.
pub(crate) const LAST: usize = 1;
/// On the first leg.
pub(crate) const FIRST: usize = 2;
const LEGS: u32 = 3;

/// The legs that a node may be passed on by a walk that sets out from it along an edge: a walk may go over from the first
/// leg to public streets and from these to the last leg, never back.
pub(crate) fn legs(way: Way) -> &'static [usize] {
    match way {
        Way::Public => &[PUBLIC, LAST],
        Way::Destination => &[PUBLIC, LAST, FIRST],
        Way::Closed => &[],
    }
}

/// An arc to a state, and the milliseconds that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arc {
    pub(crate) to: u32,
    pub(crate) time: u32,
}

/// Later than any walk.
const NEVER: u32 = u32::MAX;

/// Lists of arcs, one for each state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Arcs {
    first: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Arcs {
    /// Groups arcs by the state that they leave, in the order of where they lead, the quickest alone of parallel ones.
    /// `each` calls back with every arc, twice in the same order.
    fn grouped(states: usize, each: impl Fn(&mut dyn FnMut(u32, Arc))) -> Self {
        let mut first = vec![0_u32; states + 1];
        each(&mut |from, _| first[from as usize + 1] += 1);
        for i in 0..states {
            first[i + 1] += first[i];
        }
        let mut next = first.clone();
        let mut arcs = vec![Arc { to: 0, time: 0 }; first[states] as usize];
        each(&mut |from, arc| {
            let slot = &mut next[from as usize];
            arcs[*slot as usize] = arc;
            *slot += 1;
        });
        let (mut kept, mut start) = (0, 0);
        for end in &mut first[1..] {
            let group = start..*end as usize;
            start = group.end;
            arcs[group.clone()].sort_unstable();
            let mut last = u32::MAX;
            for i in group {
                if arcs[i].to != last {
                    last = arcs[i].to;
                    arcs[kept] = arcs[i];
                    kept += 1;
                }
            }
            *end = kept as u32;
        }
        arcs.truncate(kept);
        Self { first, arcs }
    }

    fn reversed(&self) -> Self {
        Self::grouped(self.states(), |put| {
            for state in 0..self.states() as u32 {
                for arc in self.of(state) {
                    put(arc.to, Arc { to: state, time: arc.time });
                }
            }
        })
    }

    fn states(&self) -> usize {
        self.first.len() - 1
    }

    /// The arcs of a state.
    pub(crate) fn of(&self, state: u32) -> &[Arc] {
        let i = state as usize;
        &self.arcs[self.first[i] as usize..self.first[i + 1] as usize]
    }

    /// The time from a state to one next to it.
    fn time(&self, from: u32, to: u32) -> u32 {
        let arcs = self.of(from);
        arcs.binary_search_by_key(&to, |arc| arc.to).map_or(NEVER, |i| arcs[i].time)
    }
}

/// Which states each node has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct States {
    /// By node: its first state; one more at the end.
    first: Vec<u32>,
}

impl States {
    fn new(edges: &[Edge], nodes: usize, way: impl Fn(EdgeId) -> Way) -> Self {
        let mut legs = vec![1_u32; nodes + 1];
        for (i, edge) in edges.iter().enumerate() {
            if way(EdgeId(i as u32)) == Way::Destination {
                legs[edge.from.index()] = LEGS;
                legs[edge.to.index()] = LEGS;
            }
        }
        let mut first = 0;
        for slot in &mut legs {
            first += std::mem::replace(slot, first);
        }
        Self { first: legs }
    }

    fn count(&self) -> usize {
        self.first[self.first.len() - 1] as usize
    }

    /// The state of a node on a leg, where it has one.
    pub(crate) fn of(&self, node: NodeId, leg: usize) -> Option<u32> {
        let state = self.first[node.index()] + leg as u32;
        (state < self.first[node.index() + 1]).then_some(state)
    }

    /// The arcs between states, against the walking direction.
    fn arcs(&self, edges: &[Edge], weights: &Weights) -> Arcs {
        // Nobody stands on public streets where there are none.
        let mut is_public = vec![false; self.first.len() - 1];
        for (_, edge) in edges.iter().enumerate().filter(|(i, _)| weights.way(EdgeId(*i as u32)) == Way::Public) {
            is_public[edge.from.index()] = true;
            is_public[edge.to.index()] = true;
        }
        Arcs::grouped(self.count(), |put| {
            for (i, edge) in edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
                let id = EdgeId(i as u32);
                let legs: &[(usize, usize)] = match weights.way(id) {
                    Way::Public => &[(PUBLIC, PUBLIC), (LAST, PUBLIC)],
                    Way::Destination => &[(PUBLIC, FIRST), (LAST, LAST), (FIRST, FIRST)],
                    Way::Closed => continue,
                };
                let ends = [(Direction::Forward, edge.to, edge.from), (Direction::Backward, edge.from, edge.to)];
                for (direction, head, tail) in ends {
                    let time = weights.edge(id, direction).millis();
                    let legs = legs.iter().filter(|(leg, _)| *leg != PUBLIC || is_public[head.index()]);
                    for &(at_head, at_tail) in legs.filter(|_| time != NEVER) {
                        if let (Some(from), Some(to)) = (self.of(head, at_head), self.of(tail, at_tail)) {
                            put(from, Arc { to, time });
                        }
                    }
                }
            }
        })
    }
}

/// The arrays of one profile on a network, for searches in one direction.
#[derive(Debug, PartialEq)]
pub(crate) struct Layout {
    states: States,
    /// States in the order of nodes, by their numbers here: core first.
    number: Vec<u32>,
    /// The node of each.
    node: Vec<u32>,
    core: u32,
    /// Of core states to core states, of satellites to whatever lies next.
    arcs: Arcs,
    /// From core states to their satellites.
    satellites: Arcs,
}

/// Which way searches run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    /// From where walks end to where they begin.
    Starts,
    /// As one walks.
    Ends,
}

impl Layout {
    pub(crate) fn new(edges: &[Edge], nodes: usize, weights: &Weights, towards: Towards) -> Self {
        let states = States::new(edges, nodes, |id| weights.way(id));
        let against = states.arcs(edges, weights);
        let along = against.reversed();
        match towards {
            Towards::Starts => Self::contracted(states, &against, &along),
            Towards::Ends => Self::contracted(states, &along, &against),
        }
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.number.len()
    }

    /// The number of a node's state on a leg, where it has one.
    pub(crate) fn state(&self, node: NodeId, leg: usize) -> Option<u32> {
        self.states.of(node, leg).map(|state| self.number[state as usize])
    }

    /// The node of a state.
    pub(crate) fn node(&self, state: u32) -> NodeId {
        NodeId(self.node[state as usize])
    }

    /// Whether a state has satellites rather than being one.
    pub(crate) fn is_core(&self, state: u32) -> bool {
        state < self.core
    }

    /// The arcs that a search follows from a state.
    pub(crate) fn arcs(&self, state: u32) -> &[Arc] {
        self.arcs.of(state)
    }

    /// The satellites of a core state, each with its time from there.
    pub(crate) fn satellites(&self, state: u32) -> &[Arc] {
        self.satellites.of(state)
    }

    /// Bytes that the arrays hold.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.states.first.len() + self.number.len() + self.node.len();
        let arcs = |arcs: &Arcs| arcs.first.len() * 4 + arcs.arcs.len() * 8;
        words * 4 + arcs(&self.arcs) + arcs(&self.satellites)
    }

    fn contracted(states: States, ahead: &Arcs, back: &Arcs) -> Self {
        let skeleton = Skeleton::new(ahead, back);
        let count = states.count();
        let cores: Vec<u32> = (0..count as u32).filter(|&state| skeleton.is_core(state)).collect();
        let mut number = vec![u32::MAX; count];
        cores.iter().zip(0..).for_each(|(&state, n)| number[state as usize] = n);
        let mut next = cores.len() as u32;
        let mut arcs = Arcs { first: vec![0], arcs: Vec::new() };
        let mut satellites = Arcs { first: vec![0], arcs: Vec::new() };
        for &core in &cores {
            skeleton.walk_from(core, |found, time| {
                if skeleton.is_core(found) {
                    arcs.arcs.push(Arc { to: number[found as usize], time });
                } else {
                    let slot = &mut number[found as usize];
                    if *slot == u32::MAX {
                        *slot = next;
                        next += 1;
                    }
                    satellites.arcs.push(Arc { to: *slot, time });
                }
            });
            arcs.first.push(arcs.arcs.len() as u32);
            satellites.first.push(satellites.arcs.len() as u32);
        }
        // What no core state leads to comes last.
        for slot in number.iter_mut().filter(|slot| **slot == u32::MAX) {
            *slot = next;
            next += 1;
        }
        let mut order = vec![0; count];
        number.iter().zip(0..).for_each(|(&n, state)| order[n as usize] = state);
        for &state in &order[cores.len()..] {
            let own = ahead.of(state).iter().map(|arc| Arc { to: number[arc.to as usize], time: arc.time });
            arcs.arcs.extend(own);
            arcs.first.push(arcs.arcs.len() as u32);
        }
        let mut node_of = vec![0; count];
        for node in 0..states.first.len() - 1 {
            node_of[states.first[node] as usize..states.first[node + 1] as usize].fill(node as u32);
        }
        let node = order.iter().map(|&state| node_of[state as usize]).collect();
        arcs.arcs.shrink_to_fit();
        satellites.arcs.shrink_to_fit();
        Self { states, number, node, core: cores.len() as u32, arcs, satellites }
    }
}

/// What is left of a graph of states when trees and chains are taken for satellites.
struct Skeleton<'a> {
    ahead: &'a Arcs,
    back: &'a Arcs,
    /// By state: the state that its tree hangs on, or [`Self::ON_CHAIN`] or [`Self::CORE`].
    role: Vec<u32>,
}

impl<'a> Skeleton<'a> {
    const CORE: u32 = u32::MAX;
    const ON_CHAIN: u32 = u32::MAX - 1;

    fn new(ahead: &'a Arcs, back: &'a Arcs) -> Self {
        let states = ahead.states() as u32;
        let mut out = Self { ahead, back, role: vec![Self::CORE; states as usize] };
        let mut around = Vec::new();
        let mut degrees: Vec<u32> = (0..states)
            .map(|state| {
                out.neighbours(state, &mut around);
                around.len() as u32
            })
            .collect();
        // Leaves fall until none is left; the last state of a tree without a junction stays.
        let mut leaves: Vec<u32> = (0..states).filter(|&state| degrees[state as usize] == 1).collect();
        while let Some(leaf) = leaves.pop() {
            out.neighbours(leaf, &mut around);
            let Some(&parent) = around.iter().find(|&&s| out.role[s as usize] == Self::CORE) else { continue };
            out.role[leaf as usize] = parent;
            let degree = &mut degrees[parent as usize];
            *degree -= 1;
            if *degree == 1 {
                leaves.push(parent);
            }
        }
        // Walked from junctions; a ring without one keeps its first state.
        let is_link = |role: &[u32], s: u32| role[s as usize] == Self::CORE && degrees[s as usize] == 2;
        for start in 0..states {
            if out.role[start as usize] == Self::CORE && degrees[start as usize] > 2 {
                out.neighbours(start, &mut around);
                for mut at in around.clone() {
                    while is_link(&out.role, at) {
                        out.role[at as usize] = Self::ON_CHAIN;
                        out.neighbours(at, &mut around);
                        match around.iter().find(|&&s| is_link(&out.role, s)) {
                            Some(&next) => at = next,
                            None => break,
                        }
                    }
                }
            }
        }
        for start in 0..states {
            if is_link(&out.role, start) {
                let mut at = start;
                while let Some(next) = {
                    out.neighbours(at, &mut around);
                    around.iter().copied().find(|&s| s != start && is_link(&out.role, s))
                } {
                    out.role[next as usize] = Self::ON_CHAIN;
                    at = next;
                }
            }
        }
        out
    }

    fn is_core(&self, state: u32) -> bool {
        self.role[state as usize] == Self::CORE
    }

    fn is_in_tree(&self, state: u32) -> bool {
        self.role[state as usize] < Self::ON_CHAIN
    }

    /// The states next to one in either direction.
    fn neighbours(&self, state: u32, out: &mut Vec<u32>) {
        out.clear();
        out.extend(self.ahead.of(state).iter().chain(self.back.of(state)).map(|arc| arc.to));
        out.sort_unstable();
        out.dedup();
    }

    /// Calls for every satellite of a core state and for every core state at the other end of a chain, each with its time.
    fn walk_from(&self, core: u32, mut found: impl FnMut(u32, u32)) {
        let mut around = Vec::new();
        let mut hanging = Vec::new();
        let mut trees = |root: u32, time: u32, found: &mut dyn FnMut(u32, u32)| {
            hanging.push((root, time));
            while let Some((at, time)) = hanging.pop() {
                for arc in self.ahead.of(at).iter().filter(|arc| self.role[arc.to as usize] == at) {
                    let time = time.saturating_add(arc.time);
                    if time != NEVER {
                        found(arc.to, time);
                        hanging.push((arc.to, time));
                    }
                }
            }
        };
        trees(core, 0, &mut found);
        for arc in self.ahead.of(core).iter().filter(|arc| !self.is_in_tree(arc.to)) {
            let (mut before, mut at, mut time) = (core, arc.to, arc.time);
            while time != NEVER && at != core {
                found(at, time);
                if self.is_core(at) {
                    break;
                }
                trees(at, time, &mut found);
                self.neighbours(at, &mut around);
                let Some(&next) = around.iter().find(|&&s| s != before && !self.is_in_tree(s)) else { break };
                time = time.saturating_add(self.ahead.time(at, next));
                (before, at) = (at, next);
            }
        }
    }
}
