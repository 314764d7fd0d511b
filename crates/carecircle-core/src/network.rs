//! The walkable network: where streets meet, what lies between, and where a point meets it.
//!
//! A [`Node`](NodeId) is where streets meet or end; an [`Edge`] is the street between two of them, its bends are
//! geometry. The petgraph graph holds one arc for each direction an edge may be walked in; beside it stand the frozen
//! arrays that a search streams through (incoming arcs, grouped by node) and an rstar tree over the edges. The network
//! is immutable and knows no profile: weights are [`Weights`], made per profile in one pass.

use crate::geometry::{LonLat, Point, Projection, geodesic_m};
use crate::profile::Profile;
use crate::street::{Access, StreetClass, StreetWay, Streets};
use crate::time::{Speed, WalkTime};
use petgraph::graph::DiGraph;
use petgraph::unionfind::UnionFind;
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::collections::BTreeMap;
use std::ops::Range;

/// Index of a node of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Index of an edge of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The map's way that it is part of.
    pub way: i64,
    /// The node that its geometry starts at.
    pub from: NodeId,
    /// The node that its geometry ends at.
    pub to: NodeId,
    /// Geodesic length in metres.
    pub length_m: f64,
    /// What kind of way it is.
    pub class: StreetClass,
    /// Who may walk on it.
    pub access: Access,
    /// Whether it may be walked from `from` to `to`.
    pub forward: bool,
    /// Whether it may be walked from `to` to `from`.
    pub backward: bool,
    /// Its time where that doesn't depend on walking (ferries).
    pub fixed: Option<WalkTime>,
    /// Which of the network's vertices are its geometry.
    vertices: Range<u32>,
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

/// What building a network found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkReport {
    /// Nodes kept.
    pub nodes: usize,
    /// Edges kept.
    pub edges: usize,
    /// Metres of street kept, ferries not counted.
    pub length_m: f64,
    /// Connected components kept.
    pub components: usize,
    /// Components set aside, the longest first.
    pub islands: Vec<Island>,
    /// Ways with fewer than two different places.
    pub degenerate_ways: usize,
}

impl NetworkReport {
    /// Metres of street on all islands.
    pub fn islands_m(&self) -> f64 {
        self.islands.iter().map(|i| i.length_m).sum()
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
#[derive(Clone, Copy, Debug, PartialEq)]
struct Vertex {
    at: Point,
    along_m: f64,
}

/// An arc against the walking direction: from the node that owns it back to `tail`, over `edge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) tail: NodeId,
    pub(crate) edge: EdgeId,
}

type EdgeBox = GeomWithData<Rectangle<[f64; 2]>, EdgeId>;

/// The walkable streets of an extract, in local metres.
#[derive(Debug)]
pub struct Network {
    projection: Projection,
    graph: DiGraph<Point, EdgeId, u32>,
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
    first_incoming: Vec<u32>,
    incoming: Vec<Incoming>,
    tree: RTree<EdgeBox>,
    options: NetworkOptions,
}

impl Network {
    /// Builds the network: streets are cut where they meet, islands set aside, trees built.
    pub fn build(streets: &Streets, options: NetworkOptions) -> (Self, NetworkReport) {
        let projection = Projection::new(centre(&streets.points));
        let plan: Vec<Point> = streets.points.par_iter().map(|&p| projection.project(p)).collect();
        let meetings = meetings(streets);
        let pieces: Vec<Pieces> =
            streets.ways.par_chunks(2_048).map(|ways| Pieces::cut(ways, streets, &plan, &meetings)).collect();

        let mut report = NetworkReport {
            degenerate_ways: pieces.iter().map(|p| p.degenerate_ways).sum(),
            ..NetworkReport::default()
        };
        let kept = kept_edges(&pieces, &plan, options, &mut report);

        // The tree needs no node ids: it grows while the rest is put together.
        let (tree, (nodes, edges, vertices, graph, (first_incoming, incoming))) = rayon::join(
            || edge_tree(&pieces, &kept),
            || {
                let (nodes, edges, vertices) = number(&pieces, &kept, &plan);
                let graph = arcs(&nodes, &edges);
                let incoming = incoming_arcs(nodes.len(), &edges);
                (nodes, edges, vertices, graph, incoming)
            },
        );
        report.nodes = nodes.len();
        report.edges = edges.len();
        (Self { projection, graph, edges, vertices, first_incoming, incoming, tree, options }, report)
    }

    /// The way between degrees and this network's plan.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// What decided which streets are part of it.
    pub fn options(&self) -> NetworkOptions {
        self.options
    }

    /// The petgraph graph: a node's weight is its place, an arc's weight the edge it walks, in walking direction.
    pub fn graph(&self) -> &DiGraph<Point, EdgeId, u32> {
        &self.graph
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.first_incoming.len() - 1
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
        let range = self.edges[id.index()].vertices.clone();
        self.vertices[range.start as usize..range.end as usize].iter().map(|v| (v.at, v.along_m))
    }

    /// Arcs that lead to `node`, each as the node it comes from and the edge it walks.
    pub(crate) fn incoming(&self, node: NodeId) -> &[Incoming] {
        let i = node.index();
        &self.incoming[self.first_incoming[i] as usize..self.first_incoming[i + 1] as usize]
    }

    /// The nearest point of a street within `within_m` metres of `at`; of equally near ones (to a micrometre)
    /// the first along the way with the smallest id. Ferries are not snapped to.
    pub fn snap(&self, at: Point, within_m: f64) -> Option<Snap> {
        let scale = self.projection.scale_at(at);
        // Most points stand close to a street: a small box first, the whole circle only when that finds nothing.
        let (near, within) = (40.0_f64.min(within_m) * scale, within_m * scale);
        let found = match self.snap_in_box(at, near) {
            Some(snap) if snap.offset_m <= near => Some(snap),
            _ => self.snap_in_box(at, within).filter(|s| s.offset_m <= within),
        };
        found.map(|snap| Snap { offset_m: snap.offset_m / scale, ..snap })
    }

    /// Metres from `at` to the nearest street, however far; `None` when there is no street. For reports: it looks ever
    /// farther.
    pub fn nearest_m(&self, at: Point) -> Option<f64> {
        (0..18).find_map(|doubled| self.snap(at, 250.0 * f64::from(1 << doubled))).map(|snap| snap.offset_m)
    }

    /// The nearest point in a box on the plan; its offset is still that on the plan.
    fn snap_in_box(&self, at: Point, half_m: f64) -> Option<Snap> {
        let envelope = AABB::from_corners([at.x - half_m, at.y - half_m], [at.x + half_m, at.y + half_m]);
        let mut best: Option<(i64, Snap)> = None;
        let mut nearest = half_m;
        for candidate in self.tree.locate_in_envelope_intersecting(envelope) {
            let rectangle = candidate.geom();
            let (low, high) = (rectangle.lower(), rectangle.upper());
            let dx = (low[0] - at.x).max(at.x - high[0]).max(0.0);
            let dy = (low[1] - at.y).max(at.y - high[1]).max(0.0);
            if dx.hypot(dy) > nearest + TIE_M {
                continue;
            }
            let snap = self.nearest_on_edge(candidate.data, at);
            let key = tie_key(snap.offset_m);
            if best.is_none_or(|(k, b)| (key, snap.edge) < (k, b.edge)) {
                nearest = nearest.min(snap.offset_m);
                best = Some((key, snap));
            }
        }
        best.map(|(_, snap)| snap)
    }

    fn nearest_on_edge(&self, edge: EdgeId, at: Point) -> Snap {
        let range = self.edges[edge.index()].vertices.clone();
        let vertices = &self.vertices[range.start as usize..range.end as usize];
        let mut best = Snap { edge, along_m: 0.0, offset_m: f64::INFINITY, at: vertices[0].at };
        for pair in vertices.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let t = fraction_along(a.at, b.at, at);
            let foot = a.at + (b.at - a.at) * t;
            let offset_m = (at.x - foot.x).hypot(at.y - foot.y);
            if best.offset_m.is_infinite() || tie_key(offset_m) < tie_key(best.offset_m) {
                best = Snap { edge, along_m: a.along_m + (b.along_m - a.along_m) * t, offset_m, at: foot };
            }
        }
        best
    }

    /// The time of every edge for one profile.
    pub fn weigh(&self, profile: &Profile) -> Weights {
        let speed = profile.speed;
        let times = self.edges.iter().map(|e| e.fixed.unwrap_or_else(|| speed.walk(e.length_m))).collect();
        Weights { speed, times }
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

/// The walking time of every edge for one profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    speed: Speed,
    times: Vec<WalkTime>,
}

impl Weights {
    /// The speed off the network and on plain street.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// The time that the whole edge takes.
    pub fn edge(&self, id: EdgeId) -> WalkTime {
        self.times[id.index()]
    }

    /// The time that `metres` of an edge take. A whole edge takes exactly [`Weights::edge`].
    pub fn part(&self, edge: &Edge, metres: f64) -> WalkTime {
        match edge.fixed {
            Some(whole) if edge.length_m > 0.0 => WalkTime::from_seconds(whole.seconds() * metres / edge.length_m),
            Some(whole) => whole,
            None => self.speed.walk(metres),
        }
    }
}

/// The place in the middle of all: half lie east of it, half north. A stray street on another continent moves it by a
/// hair, where it would move the middle of the box around all by half the earth. 0, 0 when there are no places.
fn centre(points: &[LonLat]) -> LonLat {
    if points.is_empty() {
        return LonLat::default();
    }
    let step = points.len() / 10_000 + 1;
    let median = |of: fn(&LonLat) -> i32| {
        let mut all: Vec<i32> = points.iter().step_by(step).map(of).collect();
        let middle = all.len() / 2;
        *all.select_nth_unstable(middle).1
    };
    LonLat { lon_e7: median(|p| p.lon_e7), lat_e7: median(|p| p.lat_e7) }
}

/// The places of a way, without the repetition of one that follows itself.
fn places<'a>(way: &StreetWay, streets: &'a Streets) -> impl Iterator<Item = u32> + use<'a> {
    let mut last = u32::MAX;
    streets.refs[way.refs.start as usize..way.refs.end as usize]
        .iter()
        .copied()
        .filter(move |&p| std::mem::replace(&mut last, p) != p)
}

/// Which places are nodes: those that ways start or end at, or pass more than once.
fn meetings(streets: &Streets) -> Vec<bool> {
    let mut seen = vec![0_u8; streets.points.len()];
    for way in &streets.ways {
        let mut last = None;
        for place in places(way, streets) {
            let first = last.is_none();
            let count = &mut seen[place as usize];
            *count = count.saturating_add(if first { 2 } else { 1 });
            last = Some(place);
        }
        if let Some(last) = last {
            seen[last as usize] = 2;
        }
    }
    seen.into_iter().map(|n| n >= 2).collect()
}

/// The edges of some ways. Their ends are still places, their vertices the piece's own.
#[derive(Default)]
struct Pieces {
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
    degenerate_ways: usize,
}

impl Pieces {
    fn geometry(&self, edge: &Edge) -> &[Vertex] {
        &self.vertices[edge.vertices.start as usize..edge.vertices.end as usize]
    }

    fn cut(ways: &[StreetWay], streets: &Streets, plan: &[Point], meetings: &[bool]) -> Self {
        let mut out = Self::default();
        for way in ways {
            let whole_m: f64 = match way.duration_s {
                Some(_) => {
                    let all: Vec<LonLat> = places(way, streets).map(|p| streets.points[p as usize]).collect();
                    all.windows(2).map(|w| geodesic_m(w[0], w[1])).sum()
                }
                None => 0.0,
            };
            let before = out.edges.len();
            let mut open: Option<(u32, u32, f64)> = None; // first place, first vertex, metres so far
            let mut previous: Option<u32> = None;
            for place in places(way, streets) {
                let at = plan[place as usize];
                if let (Some((start, first, along)), Some(prev)) = (open, previous) {
                    let along = along + geodesic_m(streets.points[prev as usize], streets.points[place as usize]);
                    out.vertices.push(Vertex { at, along_m: along });
                    open = Some((start, first, along));
                    if meetings[place as usize] {
                        let fixed = way
                            .duration_s
                            .map(|s| WalkTime::from_seconds(if whole_m > 0.0 { s * along / whole_m } else { s }));
                        out.edges.push(Edge {
                            way: way.id,
                            from: NodeId(start),
                            to: NodeId(place),
                            length_m: along,
                            class: way.class,
                            access: way.access,
                            forward: way.forward,
                            backward: way.backward,
                            fixed,
                            vertices: first..out.vertices.len() as u32,
                        });
                        open = None;
                    }
                }
                if open.is_none() {
                    open = Some((place, out.vertices.len() as u32, 0.0));
                    out.vertices.push(Vertex { at, along_m: 0.0 });
                }
                previous = Some(place);
            }
            if out.edges.len() == before {
                out.degenerate_ways += 1;
            }
        }
        out
    }
}

/// Which edges belong to components that are large enough, in order.
fn kept_edges(
    pieces: &[Pieces],
    plan: &[Point],
    options: NetworkOptions,
    report: &mut NetworkReport,
) -> Vec<bool> {
    let points = plan.len();
    let all = || pieces.iter().flat_map(|p| &p.edges);
    let mut union = UnionFind::<u32>::new(points);
    for edge in all() {
        union.union(edge.from.0, edge.to.0);
    }
    let roots: Vec<u32> = all().map(|e| union.find_mut(e.from.0)).collect();
    let mut metres = vec![-1.0_f64; points];
    for (edge, &root) in all().zip(&roots) {
        let sum = &mut metres[root as usize];
        *sum = sum.max(0.0) + if edge.class == StreetClass::Ferry { 0.0 } else { edge.length_m };
    }
    // The first of equally long ones: roots depend on the input's order alone.
    let largest = (0..points).fold(None, |best: Option<usize>, i| match best {
        Some(b) if metres[b] >= metres[i] => best,
        _ => Some(i),
    });
    let keep = |i: usize| Some(i) == largest || metres[i] >= options.island_m;
    let mut islands: BTreeMap<u32, Island> = BTreeMap::new();
    for (i, &m) in metres.iter().enumerate().filter(|(_, m)| **m >= 0.0) {
        if keep(i) {
            report.components += 1;
            report.length_m += m;
        } else {
            islands.insert(i as u32, Island { at: Point::default(), length_m: m, way: i64::MAX });
        }
    }
    for (edge, root) in all().zip(&roots) {
        if let Some(island) = islands.get_mut(root).filter(|island| edge.way < island.way) {
            (island.way, island.at) = (edge.way, plan[edge.from.index()]);
        }
    }
    report.islands = islands.into_values().collect();
    report.islands.sort_by(|a, b| b.length_m.total_cmp(&a.length_m).then(a.way.cmp(&b.way)));
    roots.into_iter().map(|root| keep(root as usize)).collect()
}

/// Gives the ends of the kept edges their node ids, in order of appearance, and lays all geometry into one array.
fn number(pieces: &[Pieces], kept: &[bool], plan: &[Point]) -> (Vec<Point>, Vec<Edge>, Vec<Vertex>) {
    let mut node_of_point = vec![u32::MAX; plan.len()];
    let mut nodes: Vec<Point> = Vec::new();
    let mut edges: Vec<Edge> = Vec::with_capacity(kept.len());
    let mut vertices: Vec<Vertex> = Vec::with_capacity(pieces.iter().map(|p| p.vertices.len()).sum());
    let mut node = |point: NodeId| {
        let slot = &mut node_of_point[point.index()];
        if *slot == u32::MAX {
            *slot = nodes.len() as u32;
            nodes.push(plan[point.index()]);
        }
        NodeId(*slot)
    };
    for (piece, edge) in kept_of(pieces, kept) {
        let start = vertices.len() as u32;
        vertices.extend_from_slice(piece.geometry(edge));
        let (from, to) = (node(edge.from), node(edge.to));
        edges.push(Edge { from, to, vertices: start..vertices.len() as u32, ..edge.clone() });
    }
    (nodes, edges, vertices)
}

/// The edges that stay, in the order of their ids, each with the piece that it was cut in.
fn kept_of<'a>(pieces: &'a [Pieces], kept: &'a [bool]) -> impl Iterator<Item = (&'a Pieces, &'a Edge)> {
    let all = pieces.iter().flat_map(|piece| piece.edges.iter().map(move |edge| (piece, edge)));
    all.zip(kept).filter_map(|(edge, keep)| keep.then_some(edge))
}

fn arcs(nodes: &[Point], edges: &[Edge]) -> DiGraph<Point, EdgeId, u32> {
    let mut graph = DiGraph::with_capacity(nodes.len(), edges.len() * 2);
    for &at in nodes {
        graph.add_node(at);
    }
    for (i, e) in edges.iter().enumerate() {
        let id = EdgeId(i as u32);
        if e.forward {
            graph.add_edge(e.from.0.into(), e.to.0.into(), id);
        }
        if e.backward {
            graph.add_edge(e.to.0.into(), e.from.0.into(), id);
        }
    }
    graph
}

/// The arcs of every node against the walking direction, grouped by node: where each group starts, and the arcs.
fn incoming_arcs(nodes: usize, edges: &[Edge]) -> (Vec<u32>, Vec<Incoming>) {
    let mut first = vec![0_u32; nodes + 1];
    for e in edges {
        first[e.to.index() + 1] += u32::from(e.forward);
        first[e.from.index() + 1] += u32::from(e.backward);
    }
    for i in 0..nodes {
        first[i + 1] += first[i];
    }
    let mut next = first.clone();
    let mut incoming = vec![Incoming { tail: NodeId(0), edge: EdgeId(0) }; first[nodes] as usize];
    let mut place = |head: NodeId, arc: Incoming| {
        let slot = &mut next[head.index()];
        incoming[*slot as usize] = arc;
        *slot += 1;
    };
    for (i, e) in edges.iter().enumerate() {
        let edge = EdgeId(i as u32);
        if e.forward {
            place(e.to, Incoming { tail: e.from, edge });
        }
        if e.backward {
            place(e.from, Incoming { tail: e.to, edge });
        }
    }
    (first, incoming)
}

fn edge_tree(pieces: &[Pieces], kept: &[bool]) -> RTree<EdgeBox> {
    let boxes = kept_of(pieces, kept)
        .enumerate()
        .filter(|(_, (_, edge))| edge.class != StreetClass::Ferry)
        .map(|(i, (piece, edge))| {
            let mut low = [f64::INFINITY; 2];
            let mut high = [f64::NEG_INFINITY; 2];
            for v in piece.geometry(edge) {
                low = [low[0].min(v.at.x), low[1].min(v.at.y)];
                high = [high[0].max(v.at.x), high[1].max(v.at.y)];
            }
            GeomWithData::new(Rectangle::from_corners(low, high), EdgeId(i as u32))
        })
        .collect();
    RTree::bulk_load(boxes)
}
