//! The arrays that a search streams through.
//!
//! Where a walk is, is a *state*: a node, and the leg of the walk (see [`crate::weights`]) that it is passed on. Nodes
//! without private streets have one state, the others three. Between states lie arcs that take a time, and nothing else:
//! legs, profiles and directions are settled when a layout is made, so that the search is a plain search. States stand in
//! the order of the network's nodes, which is one with locality.

use crate::network::{Edge, EdgeId, Network, NodeId};
use crate::weights::{Direction, Way, Weights};
use std::ops::Range;

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
    to: u32,
    pub(crate) time: u32,
}

impl Arc {
    const DEAD_END: u32 = 1 << 31;

    /// Where it leads.
    pub(crate) fn to(self) -> u32 {
        self.to & !Self::DEAD_END
    }

    /// Whether there is nothing to be found beyond: all arcs lead back.
    pub(crate) fn is_dead_end(self) -> bool {
        self.to & Self::DEAD_END != 0
    }
}

/// Later than any walk.
const NEVER: u32 = u32::MAX;

/// Lists of arcs, one for each state.
#[derive(Debug, PartialEq)]
struct Arcs {
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

    fn of(&self, state: u32) -> &[Arc] {
        let i = state as usize;
        &self.arcs[self.first[i] as usize..self.first[i + 1] as usize]
    }

    /// Marks the arcs that lead to dead ends.
    fn with_dead_ends(mut self) -> Self {
        for state in 0..self.states() as u32 {
            for i in self.first[state as usize]..self.first[state as usize + 1] {
                let to = self.arcs[i as usize].to;
                if self.of(to).iter().all(|arc| arc.to() == state) {
                    self.arcs[i as usize].to |= Arc::DEAD_END;
                }
            }
        }
        self
    }
}

/// Which states each node has.
#[derive(Debug, PartialEq)]
struct States {
    /// By node: its first state; one more at the end.
    first: Vec<u32>,
}

impl States {
    fn new(edges: &[Edge], nodes: usize, weights: &Weights) -> Self {
        let mut legs = vec![1_u32; nodes + 1];
        for (i, edge) in edges.iter().enumerate() {
            if weights.way(EdgeId(i as u32)) == Way::Destination {
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

    fn of(&self, node: NodeId, leg: usize) -> Option<u32> {
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
    /// By state.
    nodes: Vec<NodeId>,
    arcs: Arcs,
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
    pub(crate) fn new(network: &Network, weights: &Weights, towards: Towards) -> Self {
        let states = States::new(network.edges(), network.node_count(), weights);
        let arcs = states.arcs(network.edges(), weights);
        let arcs = if towards == Towards::Ends { arcs.reversed() } else { arcs };
        let spans = states.first.windows(2).zip(0..);
        let nodes = spans.flat_map(|(span, node)| (span[0]..span[1]).map(move |_| NodeId(node))).collect();
        Self { arcs: arcs.with_dead_ends(), states, nodes }
    }

    /// A layout of arcs alone, each from a state to a state in some milliseconds: every node has one state.
    #[cfg(test)]
    pub(crate) fn of_arcs(states: u32, arcs: &[(u32, u32, u32)]) -> Self {
        let grouped = Arcs::grouped(states as usize, |put| {
            for &(from, to, time) in arcs {
                put(from, Arc { to, time });
            }
        });
        let nodes = (0..states).map(NodeId).collect();
        Self { states: States { first: (0..=states).collect() }, nodes, arcs: grouped.with_dead_ends() }
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.arcs.states()
    }

    /// The state of a node on a leg, where it has one.
    pub(crate) fn state(&self, node: NodeId, leg: usize) -> Option<u32> {
        self.states.of(node, leg)
    }

    /// The node of a state.
    pub(crate) fn node(&self, state: u32) -> NodeId {
        self.nodes[state as usize]
    }

    /// The leg of a walk that a state stands for.
    pub(crate) fn leg(&self, state: u32) -> usize {
        (state - self.states.first[self.node(state).index()]) as usize
    }

    /// The arcs that a search follows from a state.
    pub(crate) fn arcs(&self, state: u32) -> &[Arc] {
        self.arcs.of(state)
    }

    /// Reads the arrays of some states in order, a number of each line of the cache.
    pub(crate) fn fetch(&self, states: Range<u32>) -> u64 {
        let first = &self.arcs.first[states.start as usize..=states.end as usize];
        let arcs = &self.arcs.arcs[first[0] as usize..first[first.len() - 1] as usize];
        let sum = first.iter().step_by(16).fold(0, |sum, &first| sum + u64::from(first));
        arcs.iter().step_by(8).fold(sum, |sum, arc| sum + u64::from(arc.time))
    }

    /// How many arcs there are.
    pub(crate) fn arc_count(&self) -> usize {
        self.arcs.arcs.len()
    }
}
