//! What a profile makes of a network: which streets are open to it, who may walk them, and how long each takes.
//!
//! One network, many profiles: making [`Weights`] is one pass over the edges. A walk is *first leg, public streets, last
//! leg*: streets for those who live or have business there, [`Way::Destination`], may begin or end it and are never a
//! shortcut. Public streets that hang together with the rest through such streets alone (the paths inside a compound
//! behind private gates) are taken for such streets themselves.

use crate::array::Array;
use crate::cells::{Cells, TOO_LONG};
use crate::layout::{Layout, Towards};
use crate::network::{Edge, EdgeId, Network, Stops};
use crate::profile::{Pace, Profile};
use crate::street::{Access, Ground, StreetClass};
use crate::time::{Speed, WalkTime};
use petgraph::unionfind::UnionFind;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// How an edge may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Way {
    /// By anybody.
    Public,
    /// At the beginning and the end of a walk.
    Destination,
    /// Not at all.
    Closed,
}

/// Something that only some may pass: a private way or a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passage {
    /// A gate, by its index into [`Network::gates`].
    Gate(u32),
    /// A way of the map, by its id.
    Way(i64),
}

/// Which passages are taken to be open to the public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opened {
    /// None: as the map says.
    #[default]
    None,
    /// One.
    Only(Passage),
    /// Every one.
    All,
}

impl Opened {
    /// Whether a passage is taken to be open.
    pub(crate) fn opens(self, passage: Passage) -> bool {
        match self {
            Self::None => false,
            Self::Only(opened) => opened == passage,
            Self::All => true,
        }
    }

    fn access(self, edge: &Edge) -> Access {
        if edge.passage().is_some_and(|passage| self.opens(passage)) { Access::Public } else { edge.access }
    }
}

/// How the edges of a network may be used, and which of them points snap to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Classes {
    ways: Array<Way>,
    snappable: Array<bool>,
    /// Whether any edge is for the first and last leg only.
    pub(crate) has_destination: bool,
}

impl Classes {
    /// Sorts the edges that `is_open` to somebody, as the passages are opened. Islands are told in the order of edges.
    pub(crate) fn new(
        edges: &[Edge],
        nodes: usize,
        island_m: f64,
        opened: Opened,
        is_open: impl Fn(usize) -> bool,
    ) -> (Self, Components) {
        let access = accesses(edges, opened, is_open);
        let pieces = Pieces::new(edges, nodes, &access);
        let walked = || edges.iter().zip(&access).filter(|(_, access)| **access != Access::Closed);
        let mut length_m = vec![0.0; nodes];
        for (edge, _) in walked() {
            length_m[pieces.whole[edge.from.index()] as usize] += edge.street_m();
        }
        let way = |(edge, access): (&Edge, &Access)| match access {
            Access::Public if pieces.is_main(edge) => Way::Public,
            Access::Public | Access::Destination => Way::Destination,
            Access::Closed => Way::Closed,
        };
        let ways: Vec<Way> = edges.iter().zip(&access).map(way).collect();
        // The first of equally long ones, in the order of edges.
        let mut largest = u32::MAX;
        for (edge, _) in walked() {
            let part = pieces.whole[edge.from.index()];
            if largest == u32::MAX || length_m[part as usize] > length_m[largest as usize] {
                largest = part;
            }
        }
        let is_island = |part: u32| part != largest && length_m[part as usize] < island_m;
        let snappable = |(edge, access): (&Edge, &Access)| {
            *access != Access::Closed && edge.is_street() && !is_island(pieces.whole[edge.from.index()])
        };
        let out = Self {
            snappable: edges.iter().zip(&access).map(snappable).collect(),
            has_destination: ways.contains(&Way::Destination),
            ways: ways.into(),
        };
        let is_island = (0..nodes as u32).map(is_island).collect();
        (out, Components { of_node: pieces.whole, length_m, is_island })
    }

    /// As [`Classes::new`] sorted the edges, of its arrays.
    pub(crate) fn of_arrays(ways: Array<Way>, snappable: Array<bool>) -> Self {
        Self { has_destination: ways.contains(&Way::Destination), ways, snappable }
    }

    /// By edge: how it may be used, and whether points snap to it.
    pub(crate) fn arrays(&self) -> (&Array<Way>, &Array<bool>) {
        (&self.ways, &self.snappable)
    }

    pub(crate) fn way(&self, edge: EdgeId) -> Way {
        self.ways[edge.index()]
    }

    /// Whether points snap to an edge that they don't snap to by `other`.
    fn snaps_beyond(&self, other: &Self) -> bool {
        self.snappable.iter().zip(other.snappable.iter()).any(|(here, there)| *here && !there)
    }

    pub(crate) fn is_snappable(&self, edge: EdgeId) -> bool {
        self.snappable[edge.index()]
    }
}

/// Who may use each edge, of those open to somebody.
pub(crate) fn accesses(edges: &[Edge], opened: Opened, is_open: impl Fn(usize) -> bool) -> Vec<Access> {
    let access = |(i, edge)| if is_open(i) { opened.access(edge) } else { Access::Closed };
    edges.iter().enumerate().map(access).collect()
}

/// How streets hang together, as a whole and by those for everybody alone. A piece is called by a number below that of the
/// nodes.
pub(crate) struct Pieces {
    /// The component of each node.
    pub(crate) whole: Vec<u32>,
    /// The public piece of each node.
    pub(crate) public: Vec<u32>,
    /// Metres of each public piece, ferries not counted; below 0 for a node that is on no public street.
    pub(crate) metres: Vec<f64>,
    /// The public network of each component: its public piece with the most metres, the first of equal ones.
    pub(crate) main: Vec<u32>,
}

impl Pieces {
    pub(crate) fn new(edges: &[Edge], nodes: usize, access: &[Access]) -> Self {
        let mut union = UnionFind::<u32>::new(nodes);
        let join = |union: &mut UnionFind<u32>, of: Access| {
            for (edge, _) in edges.iter().zip(access).filter(|(_, access)| **access == of) {
                union.union(edge.from.0, edge.to.0);
            }
        };
        join(&mut union, Access::Public);
        let public = union.clone().into_labeling();
        join(&mut union, Access::Destination);
        let whole = union.into_labeling();
        let open = || edges.iter().zip(access).filter(|(_, access)| **access == Access::Public).map(|(edge, _)| edge);
        let mut metres = vec![-1.0_f64; nodes];
        for edge in open() {
            let sum = &mut metres[public[edge.from.index()] as usize];
            *sum = sum.max(0.0) + edge.street_m();
        }
        let mut main = vec![u32::MAX; nodes];
        for edge in open() {
            let piece = public[edge.from.index()];
            let slot = &mut main[whole[edge.from.index()] as usize];
            if *slot == u32::MAX || metres[piece as usize] > metres[*slot as usize] {
                *slot = piece;
            }
        }
        Self { whole, public, metres, main }
    }

    /// Whether a public edge is part of its component's public network.
    fn is_main(&self, edge: &Edge) -> bool {
        self.main[self.whole[edge.from.index()] as usize] == self.public[edge.from.index()]
    }

    /// Whether opening some edges could make other streets than these the public network somewhere.
    pub(crate) fn may_change(&self, opened: &[&Edge]) -> bool {
        let ends = || opened.iter().flat_map(|edge| [edge.from.index(), edge.to.index()]);
        let whole = opened.first().map_or(u32::MAX, |edge| self.whole[edge.from.index()]);
        if ends().any(|node| self.whole[node] != whole) {
            return true;
        }
        let mut joined: Vec<u32> = ends().map(|node| self.public[node]).collect();
        joined.sort_unstable();
        joined.dedup();
        let main = self.main[whole as usize];
        let opened_m: f64 = opened.iter().map(|edge| edge.street_m()).sum();
        let joined_m: f64 = joined.iter().map(|&piece| self.metres[piece as usize].max(0.0)).sum();
        main == u32::MAX || (!joined.contains(&main) && opened_m + joined_m >= self.metres[main as usize])
    }
}

/// Streets that hang together, by the number that each of their nodes has; other numbers mean nothing.
pub(crate) struct Components {
    pub(crate) of_node: Vec<u32>,
    pub(crate) length_m: Vec<f64>,
    pub(crate) is_island: Vec<bool>,
}

/// A direction along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the edge's `from` to its `to`.
    Forward,
    /// Back.
    Backward,
}

/// Cells are made where there are searches enough: on real cities, what a search saves is what 4 to 15 states cost.
const STATES_PER_SEARCH: usize = 8;

/// The walking times of one profile on a network, and the streets that it may use.
#[derive(Clone, Debug)]
pub struct Weights {
    profile: Profile,
    /// Two times for each edge, there and back; never where it can't be walked.
    times: Vec<[WalkTime; 2]>,
    classes: Arc<Classes>,
    floor: Option<Box<Weights>>,
    opened: Opened,
    opens_islands: bool,
    layout: OnceLock<Arc<Layout>>,
    cells: OnceLock<Arc<Cells>>,
    layout_ahead: OnceLock<Arc<Layout>>,
    reversed: OnceLock<Box<Weights>>,
}

impl Weights {
    pub(crate) fn new(network: &Network, profile: &Profile, opened: Opened) -> Self {
        let edges = network.edges();
        let paces = Paces::of(profile);
        let is_open = |i: usize| paces.open(&edges[i]);
        let closes = (0..edges.len()).any(|i| !is_open(i));
        let (classes, floor) = rayon::join(
            || {
                if closes || opened != Opened::None {
                    let island_m = network.options().island_m;
                    Arc::new(Classes::new(edges, network.node_count(), island_m, opened, is_open).0)
                } else {
                    Arc::clone(network.classes())
                }
            },
            || {
                let plain = Profile { lift_s: profile.lift_s, ..Profile::plain(profile.speed) };
                closes.then(|| Box::new(Self::new(network, &plain, opened)))
            },
        );
        let per_metre = 3.6 / profile.speed.kmh();
        let mut times = Vec::with_capacity(edges.len());
        for (edge, id) in edges.iter().zip((0..).map(EdgeId)) {
            let (way, fixed) = (classes.way(id), network.fixed(id));
            let stops_s: f64 = stops_s(edge, profile).iter().sum();
            let lift_s = if edge.class == StreetClass::Elevator { profile.lift_s } else { 0.0 };
            let walk = |pace: Option<f64>, open: bool| match (pace, fixed) {
                _ if !open || way == Way::Closed => WalkTime::NEVER,
                (_, Some(fixed)) => fixed,
                (Some(pace), None) => WalkTime::from_seconds(edge.length_m * pace * per_metre + stops_s + lift_s),
                (None, None) => WalkTime::NEVER,
            };
            let [there, back] = paces.of_edge(edge);
            times.push([walk(there, edge.forward), walk(back, edge.backward)]);
        }
        let opens_islands = opened != Opened::None && classes.snaps_beyond(network.classes());
        Self {
            profile: profile.clone(),
            times,
            classes,
            floor,
            opened,
            opens_islands,
            layout: OnceLock::new(),
            cells: OnceLock::new(),
            layout_ahead: OnceLock::new(),
            reversed: OnceLock::new(),
        }
    }

    /// The times of every street walked the other way: what leads to a place by these is reached from it. Made when first
    /// asked for.
    pub fn reversed(&self) -> &Self {
        self.reversed.get_or_init(|| {
            Box::new(Self {
                profile: self.profile.clone(),
                times: self.times.iter().map(|&[there, back]| [back, there]).collect(),
                classes: Arc::clone(&self.classes),
                floor: self.floor().map(|floor| Box::new(floor.reversed().clone())),
                opened: self.opened,
                opens_islands: self.opens_islands,
                layout: OnceLock::new(),
                cells: OnceLock::new(),
                layout_ahead: OnceLock::new(),
                reversed: OnceLock::new(),
            })
        })
    }

    /// The speed off the network and on firm, flat street.
    pub fn speed(&self) -> Speed {
        self.profile.speed
    }

    /// Which streets are open, and which points snap to.
    pub(crate) fn classes(&self) -> &Arc<Classes> {
        &self.classes
    }

    /// How an edge may be used.
    pub fn way(&self, edge: EdgeId) -> Way {
        self.classes.way(edge)
    }

    /// What searches on `network`, which these weights are of, stream through; made when it is first asked for.
    pub(crate) fn layout(&self, network: &Network) -> &Arc<Layout> {
        self.layout.get_or_init(|| Arc::new(Layout::new(network, self, Towards::Starts)))
    }

    /// The layout cut into cells; made when first asked for.
    pub(crate) fn cells(&self, network: &Network) -> &Cells {
        // They are made by many threads, which may ask for them meanwhile: nobody may wait for the first to have finished.
        let made = self.cells.get().map_or_else(|| Arc::new(Cells::new(self.layout(network))), Arc::clone);
        self.cells.get_or_init(|| made)
    }

    /// The cells for so many searches out to a limit: where they were made already, or are worth making.
    pub(crate) fn cells_for(&self, network: &Network, searches: usize, limit: WalkTime) -> Option<&Cells> {
        let is_worth_it = searches >= self.layout(network).len() / STATES_PER_SEARCH;
        let cells = || if is_worth_it { Some(self.cells(network)) } else { self.cells.get().map(|cells| &**cells) };
        if limit < TOO_LONG { cells() } else { None }
    }

    /// As [`Weights::layout`], for searches in walking direction.
    pub(crate) fn layout_ahead(&self, network: &Network) -> &Arc<Layout> {
        self.layout_ahead.get_or_init(|| Arc::new(Layout::new(network, self, Towards::Ends)))
    }

    /// Streams once through the arrays that a search reads: the number of arcs, and a sum over all. No search could be
    /// quicker, for each arc that it passes.
    pub fn scan(&self, network: &Network) -> (usize, u64) {
        let layout = self.layout(network);
        let arcs = (0..layout.len() as u32).flat_map(|state| layout.arcs(state));
        (layout.arc_count(), arcs.fold(0, |sum, arc| sum + u64::from(arc.time) + u64::from(arc.to())))
    }

    /// Whether a walk may start or end on an edge: on a street that is open and no island.
    pub fn is_snappable(&self, edge: EdgeId) -> bool {
        self.classes.is_snappable(edge)
    }

    /// Which passages are taken to be open.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// Whether points may snap to streets that are an island on the map as it is.
    pub(crate) fn opens_islands(&self) -> bool {
        self.opens_islands
    }

    /// The plain walk at the same speed, lifts and all, for a profile to which streets are closed. Where a stroller may
    /// not enter the nearest street, it snaps to another one, and may seem to leap there; nobody with a stroller is
    /// quicker than without, so that a walk takes no less than by these.
    pub fn floor(&self) -> Option<&Self> {
        self.floor.as_deref()
    }

    /// The time that the whole edge takes in a direction; never where it can't be walked that way.
    pub fn edge(&self, id: EdgeId, direction: Direction) -> WalkTime {
        self.times[id.index()][usize::from(direction == Direction::Backward)]
    }

    /// The time from one place of an edge to another, by metres along it: its time by length, and what stops one at an end
    /// that is one of the places. From a place to itself takes no time, whatever the direction.
    pub fn part(&self, (id, edge): (EdgeId, &Edge), from_m: f64, to_m: f64) -> WalkTime {
        let metres = (to_m - from_m).abs();
        if metres <= 0.0 {
            return WalkTime::ZERO;
        }
        let direction = if to_m > from_m { Direction::Forward } else { Direction::Backward };
        match self.edge(id, direction) {
            WalkTime::NEVER => WalkTime::NEVER,
            whole => {
                let [at_from, at_to] = stops_s(edge, &self.profile);
                let walked_s = (whole.seconds() - at_from - at_to).max(0.0) * (metres / edge.length_m);
                let (low_m, high_m) = (from_m.min(to_m), from_m.max(to_m));
                let stop = |is_there: bool, stop_s: f64| if is_there { stop_s } else { 0.0 };
                WalkTime::from_seconds(walked_s + stop(low_m <= 0.0, at_from) + stop(high_m >= edge.length_m, at_to))
            }
        }
    }

    /// How far along an edge from a place, in metres and in a direction, lies the last from which one reaches that place
    /// within a time; below 0 where none does.
    pub(crate) fn metres_within(
        &self,
        (id, edge): (EdgeId, &Edge),
        time: WalkTime,
        to_m: f64,
        walked: Direction,
    ) -> f64 {
        let [at_from, at_to] = stops_s(edge, &self.profile);
        let stop_s = match walked {
            Direction::Backward if to_m <= 0.0 => at_from,
            Direction::Forward if to_m >= edge.length_m => at_to,
            _ => 0.0,
        };
        let (whole, left_s) = (self.edge(id, walked), time.seconds() - stop_s);
        let walked_s = whole.seconds() - at_from - at_to;
        match whole {
            WalkTime::NEVER => -1.0,
            _ if left_s < 0.0 => -1.0,
            _ if walked_s <= 0.0 => edge.length_m,
            _ => edge.length_m * (left_s / walked_s),
        }
    }
}

/// A profile's paces on edges.
pub(crate) struct Paces<'a> {
    profile: &'a Profile,
    is_plain: bool,
}

impl<'a> Paces<'a> {
    pub(crate) fn of(profile: &'a Profile) -> Self {
        let Profile { name, speed, lift_s, raised_kerb_s, signal_s, .. } = profile.clone();
        let plain = Profile { name, raised_kerb_s, lift_s, signal_s, ..Profile::plain(speed) };
        Self { profile, is_plain: *profile == plain }
    }

    /// Whether an edge may be walked at all.
    pub(crate) fn open(&self, edge: &Edge) -> bool {
        self.of_edge(edge).iter().any(Option::is_some)
    }

    /// There and back.
    fn of_edge(&self, edge: &Edge) -> [Pace; 2] {
        match edge.class {
            _ if self.is_plain => [Some(1.0); 2],
            StreetClass::Ferry | StreetClass::Elevator => [Some(1.0); 2],
            StreetClass::Footway | StreetClass::Street if edge.ground == Ground::default() => [Some(1.0); 2],
            class => self.profile.paces(class, edge.ground),
        }
    }
}

/// Seconds that a profile is stopped at an edge's `from` and at its `to`.
fn stops_s(edge: &Edge, profile: &Profile) -> [f64; 2] {
    let half_s = |stops: Stops| if stops == Stops::default() { 0.0 } else { stops.half_s(profile) };
    if edge.is_fixed() { [0.0; 2] } else { edge.stops.map(half_s) }
}

/// Passages by the edges that they consist of.
pub(crate) fn passages(edges: &[Edge]) -> BTreeMap<Passage, Vec<EdgeId>> {
    let mut out: BTreeMap<Passage, Vec<EdgeId>> = BTreeMap::new();
    for (i, edge) in edges.iter().enumerate() {
        if let Some(passage) = edge.passage() {
            out.entry(passage).or_default().push(EdgeId(i as u32));
        }
    }
    out
}
