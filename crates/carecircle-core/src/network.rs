//! The walkable network: where streets meet, what lies between, and where a point meets it.
//!
//! A [`Node`](NodeId) is where streets meet or end; an [`Edge`] is the street between two of them, its bends are
//! geometry. Nodes are numbered along a Hilbert curve, so that neighbours are near each other in memory too. petgraph's
//! algorithms run on the network itself, see [`graph`]; the arrays that searches stream through are made of it for each
//! profile. Beside it stands a packed R-tree over the edges. The network is immutable and knows no profile: what a profile
//! makes of it are [`Weights`]. A gate that not everybody may pass is a [`Gate`]: streets end at it, each on its own, and
//! links without length lead through.

mod build;
mod curve;
pub mod graph;
pub mod stored;
mod tree;

use crate::array::Array;
use crate::geometry::{Point, Projection};
use crate::profile::Profile;
use crate::street::{Access, Ground, Rank, StreetClass};
use crate::time::WalkTime;
use crate::weights::{Classes, Opened, Passage, Weights};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tree::{EdgeBox, EdgeTree};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Index of a node of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct NodeId(pub u32);

/// Index of an edge of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct EdgeId(pub u32);

impl NodeId {
    /// The index as an array position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl EdgeId {
    /// The index as an array position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A street between two nodes.
#[derive(Clone, Debug, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Edge {
    /// The way, or the gate where it leads through one.
    source: i64,
    /// Geodesic length in metres.
    pub length_m: f64,
    /// The node that its geometry starts at.
    pub from: NodeId,
    /// The node that its geometry ends at.
    pub to: NodeId,
    /// The first of the network's vertices that are its geometry; those of the next edge follow.
    first_vertex: u32,
    kind: Kind,
    /// What kind of way it is.
    pub class: StreetClass,
    /// Who may walk on it.
    pub access: Access,
    /// Whether it may be walked from `from` to `to`.
    pub forward: bool,
    /// Whether it may be walked from `to` to `from`.
    pub backward: bool,
    /// What it is like underfoot.
    pub ground: Ground,
    /// What costs time at its `from` and at its `to`.
    pub stops: [Stops; 2],
}

// A city has hundreds of thousands of them.
const _: () = assert!(size_of::<Edge>() == 40);

/// What sets few edges apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
enum Kind {
    /// Nothing.
    Plain,
    /// A line across a square.
    Across,
    /// Its time doesn't depend on walking: [`Network::fixed`].
    Fixed,
    /// A link through a gate.
    Gate,
}

impl Edge {
    /// The map's way that it is part of; minus the relation's id for a square drawn as a relation, 0 for a link through a
    /// gate.
    pub fn way(&self) -> i64 {
        if self.kind == Kind::Gate { 0 } else { self.source }
    }

    /// The gate that it leads through, an index into [`Network::gates`]: a link without length.
    pub fn gate(&self) -> Option<u32> {
        (self.kind == Kind::Gate).then_some(self.source as u32)
    }

    /// Whether it is a line across a square: a way to walk, but no street to measure.
    pub fn is_across(&self) -> bool {
        self.kind == Kind::Across
    }

    /// Whether its time doesn't depend on walking, see [`Network::fixed`].
    pub fn is_fixed(&self) -> bool {
        self.kind == Kind::Fixed
    }

    /// Metres of street: none for a ferry or a line across a square.
    pub fn street_m(&self) -> f64 {
        if self.is_across() || self.class == StreetClass::Ferry { 0.0 } else { self.length_m }
    }

    /// Whether points may snap to it: neither a ferry nor a lift nor the link through a gate.
    pub fn is_street(&self) -> bool {
        !matches!(self.class, StreetClass::Ferry | StreetClass::Elevator) && self.kind != Kind::Gate
    }

    /// The passage that it is part of, where not everybody may use it.
    pub fn passage(&self) -> Option<Passage> {
        match (self.gate(), self.access) {
            (Some(gate), _) => Some(Passage::Gate(gate)),
            (None, Access::Destination) => Some(Passage::Way(self.source)),
            (None, _) => None,
        }
    }
}

/// What costs time at an end of an edge: half of it, the other half belongs to the next edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Stops(u8);

impl Stops {
    const RAISED_KERB: u8 = 1;
    const SIGNALS: u8 = 1 << 1;
    const LIFT: u8 = 1 << 2;

    /// Whether there is a raised kerb.
    pub fn raised_kerb(self) -> bool {
        self.0 & Self::RAISED_KERB != 0
    }

    /// Whether it is a crossing with traffic lights.
    pub fn signals(self) -> bool {
        self.0 & Self::SIGNALS != 0
    }

    /// Whether there is a lift.
    pub fn lift(self) -> bool {
        self.0 & Self::LIFT != 0
    }

    /// Seconds that half of it costs a profile.
    pub(crate) fn half_s(self, profile: &Profile) -> f64 {
        let cost = |stands: bool, seconds: f64| if stands { seconds } else { 0.0 };
        (cost(self.raised_kerb(), profile.raised_kerb_s)
            + cost(self.signals(), profile.signal_s)
            + cost(self.lift(), profile.lift_s))
            / 2.0
    }
}

/// A gate that not everybody may pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The id of its node on the map.
    pub node: i64,
    /// Where it is.
    pub at: Point,
    /// Who may pass: [`Access::Destination`] or [`Access::Closed`].
    pub access: Access,
}

/// Where a point meets the network. The partial edge is kept, never rounded to a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snap {
    /// The edge met.
    pub edge: EdgeId,
    /// Geodesic metres from the edge's `from` to the meeting point.
    pub along_m: f64,
    /// Metres from the point to the edge as the crow flies.
    pub offset_m: f64,
    /// The meeting point itself.
    pub at: Point,
}

/// What decides which streets become part of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkOptions {
    /// Connected components with less street than this, in metres, are set aside; the largest always stays. A thousand
    /// metres: a footpath drawn without its link to the street is shorter, a village longer.
    pub island_m: f64,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self { island_m: 1_000.0 }
    }
}

/// What building a network found. Islands behind closed gates are edges of the network all the same, for the gate could be
/// opened; nothing snaps to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkReport {
    /// Nodes, those where gates stand and squares are crossed among them.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
    /// Metres of street kept; ferries and lines across squares are not counted.
    pub length_m: f64,
    /// Connected components kept.
    pub components: usize,
    /// Components set aside, the longest first.
    pub islands: Vec<Island>,
    /// Ways with fewer than two different places.
    pub degenerate_ways: usize,
    /// Squares, crossed on foot.
    pub squares: usize,
    /// Gates for those who live or have business behind them.
    pub gates: usize,
    /// Places on streets where nobody passes.
    pub closed: usize,
}

impl NetworkReport {
    /// Metres of street on all islands.
    pub fn islands_m(&self) -> f64 {
        self.islands.iter().fold(0.0, |sum, island| sum + island.length_m)
    }
}

/// Streets that hang together but with no others, and are too short to be snapped to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Island {
    /// A place on it.
    pub at: Point,
    /// Its length in metres, ferries not counted.
    pub length_m: f64,
    /// The way with the smallest id on it.
    pub way: i64,
}

/// A bend or end of an edge: its place and how far along the edge it is.
#[derive(Clone, Copy, Debug, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Vertex {
    at: [f64; 2],
    along_m: f64,
}

impl Vertex {
    fn new(at: Point, along_m: f64) -> Self {
        Self { at: [at.x, at.y], along_m }
    }

    fn at(&self) -> Point {
        point(self.at)
    }
}

fn point([x, y]: [f64; 2]) -> Point {
    Point { x, y }
}

/// The corners of the box around vertices.
fn bounds_of(vertices: &[Vertex]) -> Option<(Point, Point)> {
    let joined = |a: [f64; 4], b: [f64; 4]| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])];
    let corners = |&Vertex { at: [x, y], .. }: &Vertex| [x, y, x, y];
    let [west, south, east, north] = vertices.par_iter().map(corners).reduce_with(joined)?;
    Some((Point { x: west, y: south }, Point { x: east, y: north }))
}

/// The vertices of one of `edges`, which lie one after another.
fn vertices_of<'a>(edges: &[Edge], vertices: &'a [Vertex], i: usize) -> &'a [Vertex] {
    let end = edges.get(i + 1).map_or(vertices.len(), |next| next.first_vertex as usize);
    &vertices[edges[i].first_vertex as usize..end]
}

/// The walkable streets of an extract, in local metres.
#[derive(Debug)]
pub struct Network {
    projection: Projection,
    bounds: Option<(Point, Point)>,
    nodes: Array<[f64; 2]>,
    edges: Array<Edge>,
    vertices: Array<Vertex>,
    fixed: BTreeMap<EdgeId, WalkTime>,
    first_at_node: Array<u32>,
    at_nodes: Array<EdgeId>,
    tree: EdgeTree,
    gates: Vec<Gate>,
    walls: Vec<Point>,
    /// The ways whose class does not tell their rank, ascending, and the rank of each.
    ranked_ways: Array<i64>,
    ranks: Array<Rank>,
    classes: Arc<Classes>,
    options: NetworkOptions,
}

impl Network {
    /// The way between degrees and this network's plan.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// What decided which streets are part of it.
    pub fn options(&self) -> NetworkOptions {
        self.options
    }

    /// The south-west and north-east corner of the box around all streets on the plan; `None` when there are none.
    pub fn bounds(&self) -> Option<(Point, Point)> {
        self.bounds
    }

    /// The place of a node.
    pub fn node_at(&self, node: NodeId) -> Point {
        point(self.nodes[node.index()])
    }

    /// How much of a road an edge is.
    pub fn rank(&self, edge: EdgeId) -> Rank {
        let edge = self.edge(edge);
        self.ranked_ways.binary_search(&edge.way()).map_or(Rank::of(edge.class), |at| self.ranks[at])
    }

    /// Gates that not everybody may pass, and which could be opened.
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// What the map calls a passage: `n` and a gate's node, `w` and a way, `r` and a square's relation.
    pub fn passage_id(&self, passage: Passage) -> String {
        match passage {
            Passage::Gate(gate) => format!("n{}", self.gates[gate as usize].node),
            Passage::Way(way) if way < 0 => format!("r{}", -way),
            Passage::Way(way) => format!("w{way}"),
        }
    }

    /// A place on a passage: the gate, or the start of the way's first edge.
    pub fn passage_at(&self, passage: Passage) -> Point {
        let start = |edge: &Edge| self.vertices[edge.first_vertex as usize].at();
        match passage {
            Passage::Gate(gate) => self.gates[gate as usize].at,
            Passage::Way(way) => self.edges.iter().find(|edge| edge.way() == way).map_or(Point::default(), start),
        }
    }

    /// Whether there is a gate or private way that could be opened.
    pub fn has_passages(&self) -> bool {
        !self.gates.is_empty() || self.edges.iter().any(|edge| edge.access == Access::Destination)
    }

    /// Places on streets where nobody passes and no gate could be opened.
    pub fn walls(&self) -> &[Point] {
        &self.walls
    }

    /// How the edges may be used by whom no street is closed to.
    pub(crate) fn classes(&self) -> &Arc<Classes> {
        &self.classes
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// All edges, by id.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// One edge.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.index()]
    }

    /// The bends of an edge from its `from` to its `to`, each with its metres along the edge.
    pub fn geometry(&self, id: EdgeId) -> impl ExactSizeIterator<Item = (Point, f64)> + Clone + '_ {
        vertices_of(&self.edges, &self.vertices, id.index()).iter().map(|v| (v.at(), v.along_m))
    }

    /// The time of an edge where that doesn't depend on walking (ferries).
    pub fn fixed(&self, id: EdgeId) -> Option<WalkTime> {
        if self.edge(id).is_fixed() { self.fixed.get(&id).copied() } else { None }
    }

    /// The edges that start or end at a node, by id.
    pub fn edges_at(&self, node: NodeId) -> &[EdgeId] {
        let i = node.index();
        &self.at_nodes[self.first_at_node[i] as usize..self.first_at_node[i + 1] as usize]
    }

    /// The nearest point of a street within `within_m` metres of `at`; of equally near ones (to a micrometre) the first
    /// along the way with the smallest id. Ferries, lifts and islands are not snapped to.
    pub fn snap(&self, at: Point, within_m: f64) -> Option<Snap> {
        self.snap_where(at, within_m, |snap| self.classes.is_snappable(snap.edge))
    }

    /// As [`Network::snap`], to where a profile may walk.
    pub fn snap_for(&self, weights: &Weights, at: Point, within_m: f64) -> Option<Snap> {
        self.snap_where(at, within_m, |snap| weights.is_snappable(snap.edge))
    }

    /// The nearest point, of each edge, that is `accepted`.
    pub(crate) fn snap_where(&self, at: Point, within_m: f64, accepted: impl Fn(&Snap) -> bool) -> Option<Snap> {
        let scale = self.projection.scale_at(at);
        // Most points stand close to a street: a small box first, the whole circle only when that finds nothing.
        let (near, within) = (40.0_f64.min(within_m) * scale, within_m * scale);
        let found = match self.snap_in_box(at, near, &accepted) {
            Some(snap) if snap.offset_m <= near => Some(snap),
            _ => self.snap_in_box(at, within, &accepted).filter(|s| s.offset_m <= within),
        };
        found.map(|snap| Snap { offset_m: snap.offset_m / scale, ..snap })
    }

    /// Metres from `at` to the nearest street that points snap to, however far; `None` when there is none.
    pub fn nearest_m(&self, at: Point) -> Option<f64> {
        let mut nearest = f64::INFINITY;
        for (edge, box_m) in self.tree.nearing(at) {
            if box_m >= nearest {
                break;
            }
            if self.classes.is_snappable(edge) {
                nearest = nearest.min(self.nearest_on_edge(edge, at).offset_m);
            }
        }
        nearest.is_finite().then(|| nearest / self.projection.scale_at(at))
    }

    /// The nearest point in a box on the plan; its offset is still that on the plan.
    fn snap_in_box(&self, at: Point, half_m: f64, accepted: impl Fn(&Snap) -> bool) -> Option<Snap> {
        let corner = |half_m: f64| Point { x: at.x + half_m, y: at.y + half_m };
        let mut best: Option<((i64, i64, EdgeId), Snap)> = None;
        let mut nearest = half_m;
        for (edge, around) in self.tree.meeting(EdgeBox::around([corner(-half_m), corner(half_m)])) {
            if around.distance_m(at) > nearest + TIE_M {
                continue;
            }
            let snap = self.nearest_on_edge(edge, at);
            let key = (tie_key(snap.offset_m), self.edge(edge).way(), edge);
            if best.is_none_or(|(k, _)| key < k) && accepted(&snap) {
                nearest = nearest.min(snap.offset_m);
                best = Some((key, snap));
            }
        }
        best.map(|(_, snap)| snap)
    }

    /// The edges that come within a box on the plan.
    pub(crate) fn edges_near(&self, low: Point, high: Point) -> impl Iterator<Item = EdgeId> + '_ {
        self.tree.meeting(EdgeBox::around([low, high])).map(|(edge, _)| edge)
    }

    pub(crate) fn nearest_on_edge(&self, edge: EdgeId, at: Point) -> Snap {
        let vertices = vertices_of(&self.edges, &self.vertices, edge.index());
        let mut best = Snap { edge, along_m: 0.0, offset_m: f64::INFINITY, at: vertices[0].at() };
        for pair in vertices.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let (start, end) = (a.at(), b.at());
            let t = fraction_along(start, end, at);
            let foot = start + (end - start) * t;
            let offset_m = (at.x - foot.x).hypot(at.y - foot.y);
            if best.offset_m.is_infinite() || tie_key(offset_m) < tie_key(best.offset_m) {
                best = Snap { edge, along_m: a.along_m + (b.along_m - a.along_m) * t, offset_m, at: foot };
            }
        }
        best
    }

    /// What a profile makes of it.
    pub fn weigh(&self, profile: &Profile) -> Weights {
        Weights::new(self, profile, Opened::None)
    }

    /// What a profile makes of it if some passages were open to the public.
    pub fn weigh_with(&self, profile: &Profile, opened: Opened) -> Weights {
        Weights::new(self, profile, opened)
    }
}

/// Offsets that differ by less than this are equal: streets drawn on top of each other, a bend's two legs.
const TIE_M: f64 = 1e-6;

fn tie_key(offset_m: f64) -> i64 {
    (offset_m / TIE_M).round() as i64
}

/// How far from `a` to `b`, 0 to 1, the point nearest to `at` lies.
pub(crate) fn fraction_along(a: Point, b: Point, at: Point) -> f64 {
    let (d, v) = (b - a, at - a);
    let square = d.x * d.x + d.y * d.y;
    if square > 0.0 { ((v.x * d.x + v.y * d.y) / square).clamp(0.0, 1.0) } else { 0.0 }
}
