//! Streets made into a network: squares crossed, ways cut where they meet, gates set, islands set aside, trees built.

use super::curve::Curve;
use super::tree::{EdgeBox, EdgeTree};
use super::{
    Edge, EdgeId, Gate, Island, Kind, Network, NetworkOptions, NetworkReport, NodeId, Stops, Vertex, bounds_of,
    vertices_of,
};
use crate::geometry::{LonLat, Point, Projection, geodesic_m};
use crate::plaza::{most_comparisons, sight_lines};
use crate::street::{Access, Barrier, Delay, Ground, StreetClass, StreetWay, Streets};
use crate::time::WalkTime;
use crate::weights::{Classes, Components, Opened};
use petgraph::unionfind::UnionFind;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Network {
    /// Builds the network of some streets.
    pub fn build(streets: &Streets, options: NetworkOptions) -> (Self, NetworkReport) {
        let projection = Projection::new(centre(&streets.points));
        let mut plan: Vec<Point> = streets.points.par_iter().map(|&p| projection.project(p)).collect();
        let mut marks = marks(streets);
        let squares = Squares::lay(streets, &plan, &mut marks);
        let cut = |ways: &[StreetWay], refs: &[u32]| Pieces::cut(ways, refs, &streets.points, &plan, &marks);
        let mut pieces: Vec<Pieces> = streets.ways.par_chunks(2_048).map(|ways| cut(ways, &streets.refs)).collect();
        pieces.push(cut(&squares.outlines, &squares.refs));
        let mut lines = cut(&squares.lines, &squares.refs);
        lines.edges.iter_mut().for_each(|line| line.kind = Kind::Across);
        pieces.push(lines);
        let (gates, walls) = set_gates(&streets.barriers, &mut pieces, &mut plan, &marks);

        let mut report = NetworkReport {
            degenerate_ways: pieces.iter().map(|p| p.degenerate_ways).sum(),
            squares: streets.areas.len(),
            gates: gates.iter().filter(|g| g.access == Access::Destination).count(),
            closed: streets.barriers.iter().filter(|b| b.access == Access::Closed).count(),
            ..NetworkReport::default()
        };
        let kept = kept_edges(&pieces, &plan, options, &mut report);

        let Numbered { nodes, edges, vertices, fixed } = Numbered::new(pieces, &kept, &plan);
        drop((plan, kept));
        let (tree, ((first_at_node, at_nodes), (classes, components))) = rayon::join(
            || edge_tree(&edges, &vertices),
            || {
                let at_nodes = edges_at_nodes(nodes.len(), &edges);
                (at_nodes, Classes::new(&edges, nodes.len(), options.island_m, Opened::None, |_| true))
            },
        );
        report.nodes = nodes.len();
        report.edges = edges.len();
        components_told(&edges, &vertices, &components, &mut report);
        report.islands.sort_by(|a, b| b.length_m.total_cmp(&a.length_m).then(a.way.cmp(&b.way)));
        let classes = Arc::new(classes);
        let network = Self {
            projection,
            bounds: bounds_of(&vertices),
            nodes: nodes.iter().map(|at| [at.x, at.y]).collect(),
            edges: edges.into(),
            vertices: vertices.into(),
            fixed,
            first_at_node: first_at_node.into(),
            at_nodes: at_nodes.into(),
            tree,
            gates,
            walls,
            ranked_ways: streets.ranks.iter().map(|(way, _)| *way).collect(),
            ranks: streets.ranks.iter().map(|(_, rank)| *rank).collect(),
            classes,
            options,
        };
        (network, report)
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
fn places<'a>(way: &StreetWay, refs: &'a [u32]) -> impl Iterator<Item = u32> + use<'a> {
    let mut last = u32::MAX;
    refs[way.refs.start as usize..way.refs.end as usize]
        .iter()
        .copied()
        .filter(move |&p| std::mem::replace(&mut last, p) != p)
}

/// What stands at a place.
#[derive(Clone, Copy, Default)]
struct Marks(u8);

impl Marks {
    /// A way passes.
    const PASSED: u8 = 1;
    /// Edges end here: ways start, end or meet.
    const NODE: u8 = 1 << 1;
    /// An outline of a square passes; several do.
    const OUTLINE: u8 = 1 << 2;
    const OUTLINES: u8 = 1 << 3;
    const BARRIER: u8 = 1 << 4;
    const KERB: u8 = 1 << 5;
    const SIGNALS: u8 = 1 << 6;
    const LIFT: u8 = 1 << 7;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// A way or an outline passes: where the second comes, edges end.
    fn pass(&mut self, mark: u8) {
        if self.has(mark) {
            self.0 |= if mark == Self::PASSED { Self::NODE } else { Self::OUTLINES };
        }
        self.0 |= mark;
    }
}

/// What stands at each place. Edges end where ways start, end or meet, at barriers, and at what costs time.
fn marks(streets: &Streets) -> Vec<Marks> {
    let mut marks = vec![Marks::default(); streets.points.len()];
    for way in &streets.ways {
        let mut last = None;
        for place in places(way, &streets.refs) {
            if last.is_none() {
                marks[place as usize].0 |= Marks::NODE;
            }
            marks[place as usize].pass(Marks::PASSED);
            last = Some(place);
        }
        if let Some(last) = last {
            marks[last as usize].0 |= Marks::NODE;
        }
    }
    for barrier in &streets.barriers {
        marks[barrier.point as usize].0 |= Marks::BARRIER | Marks::NODE;
    }
    for (point, delay) in &streets.delays {
        marks[*point as usize].0 |= Marks::NODE;
        marks[*point as usize].0 |= match delay {
            Delay::RaisedKerb => Marks::KERB,
            Delay::Signals => Marks::SIGNALS,
            Delay::Lift => Marks::LIFT,
        };
    }
    marks
}

/// Comparisons of lines with sides that all squares together may cost, for each place of a street: those of
/// Helsinki's centre take 350. Small extracts get a tenth of a second's worth.
const MOST_COMPARISONS_PER_REF: usize = 1_000;
const FEWEST_COMPARISONS: usize = 100_000_000;
/// Lines across all squares, for each place of a street: cities have one for ten places at most.
const MOST_LINES_PER_REF: usize = 2;

/// The outlines of squares and the lines across them, as ways.
#[derive(Default)]
struct Squares {
    refs: Vec<u32>,
    outlines: Vec<StreetWay>,
    lines: Vec<StreetWay>,
}

impl Squares {
    fn lay(streets: &Streets, plan: &[Point], marks: &mut [Marks]) -> Self {
        let rings =
            |area: usize| streets.areas[area].rings.iter().map(|r| &streets.refs[r.start as usize..r.end as usize]);
        for place in (0..streets.areas.len()).flat_map(rings).flatten() {
            marks[*place as usize].pass(Marks::OUTLINE);
        }
        let is_entry = |place: u32| {
            let here = marks[place as usize];
            here.has(Marks::PASSED) || here.has(Marks::OUTLINES) || here.has(Marks::BARRIER)
        };
        // Squares that ask for more than all others on earth are walked along their outlines alone, from the one on that
        // exhausts the budget.
        let mut comparisons = 0;
        let affordable = (0..streets.areas.len()).take_while(|&area| {
            comparisons += most_comparisons(&rings(area).collect::<Vec<_>>(), is_entry);
            comparisons <= FEWEST_COMPARISONS.max(MOST_COMPARISONS_PER_REF * streets.refs.len())
        });
        let affordable = affordable.count();
        let mut lines: Vec<Vec<(u32, u32)>> = (0..affordable)
            .into_par_iter()
            .map(|area| sight_lines(&rings(area).collect::<Vec<_>>(), plan, is_entry))
            .collect();
        let mut left = MOST_LINES_PER_REF * streets.refs.len();
        for lines in &mut lines {
            left = left.saturating_sub(lines.len());
            if left == 0 {
                lines.clear();
            }
        }
        lines.resize(streets.areas.len(), Vec::new());
        let mut out = Self::default();
        for (number, (area, lines)) in streets.areas.iter().zip(lines).enumerate() {
            let mut way = |places: &mut dyn Iterator<Item = u32>| {
                let start = out.refs.len() as u32;
                out.refs.extend(places);
                StreetWay {
                    id: area.id,
                    refs: start..out.refs.len() as u32,
                    class: area.class,
                    access: area.access,
                    forward: true,
                    backward: true,
                    duration_s: None,
                    ground: area.ground,
                }
            };
            for ring in rings(number).filter(|ring| !ring.is_empty()) {
                // From a node round to itself.
                let start = ring.iter().position(|&p| is_entry(p)).unwrap_or(0);
                out.outlines.push(way(&mut ring[start..].iter().chain(&ring[..=start]).copied()));
            }
            out.lines.extend(lines.iter().map(|&(a, b)| way(&mut [a, b].into_iter())));
        }
        for way in out.outlines.iter().chain(&out.lines) {
            let ends = [way.refs.start, way.refs.end - 1].map(|i| out.refs[i as usize]);
            for place in ends {
                marks[place as usize].0 |= Marks::NODE;
            }
        }
        for &place in &out.refs {
            let here = &mut marks[place as usize];
            if here.has(Marks::PASSED) || here.has(Marks::OUTLINES) {
                here.0 |= Marks::NODE;
            }
        }
        out
    }
}

/// The edges of some ways. Their ends are still places, their vertices the piece's own.
#[derive(Default)]
struct Pieces {
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
    /// Of each edge whose time doesn't depend on walking, in order.
    fixed: Vec<WalkTime>,
    degenerate_ways: usize,
}

impl Pieces {
    fn cut(ways: &[StreetWay], refs: &[u32], points: &[LonLat], plan: &[Point], marks: &[Marks]) -> Self {
        let mut out = Self::default();
        for way in ways {
            let whole_m: f64 = match way.duration_s {
                Some(_) => {
                    let all: Vec<LonLat> = places(way, refs).map(|p| points[p as usize]).collect();
                    all.windows(2).map(|w| geodesic_m(w[0], w[1])).sum()
                }
                None => 0.0,
            };
            let before = out.edges.len();
            let mut open: Option<(u32, u32, f64)> = None; // first place, first vertex, metres so far
            let mut previous: Option<u32> = None;
            for place in places(way, refs) {
                let (at, here) = (plan[place as usize], marks[place as usize]);
                let is_node = here.has(Marks::NODE);
                if let (Some((start, first, along)), Some(prev)) = (open, previous) {
                    let along = along + geodesic_m(points[prev as usize], points[place as usize]);
                    out.vertices.push(Vertex::new(at, along));
                    open = Some((start, first, along));
                    if is_node {
                        if let Some(whole_s) = way.duration_s {
                            let seconds = if whole_m > 0.0 { whole_s * along / whole_m } else { whole_s };
                            out.fixed.push(WalkTime::from_seconds(seconds));
                        }
                        out.edges.push(Edge {
                            source: way.id,
                            length_m: along,
                            from: NodeId(start),
                            to: NodeId(place),
                            first_vertex: first,
                            kind: if way.duration_s.is_some() { Kind::Fixed } else { Kind::Plain },
                            class: way.class,
                            access: way.access,
                            forward: way.forward,
                            backward: way.backward,
                            ground: way.ground,
                            stops: [marks[start as usize], here].map(|mark| Stops::new(mark, way.class)),
                        });
                        open = None;
                    }
                }
                if open.is_none() {
                    open = Some((place, out.vertices.len() as u32, 0.0));
                    out.vertices.push(Vertex::new(at, 0.0));
                }
                previous = Some(place);
            }
            // A way ends at a node, where no edge starts.
            if let Some((_, first, _)) = open {
                out.vertices.truncate(first as usize);
            }
            if out.edges.len() == before {
                out.degenerate_ways += 1;
            }
        }
        out
    }
}

impl Stops {
    /// What of a place's delays concerns a street of some class.
    fn new(here: Marks, class: StreetClass) -> Self {
        let stop = |stands: bool, stop: u8| if stands { stop } else { 0 };
        // Whoever walks along the street that is crossed waits for no lights.
        let signals = here.has(Marks::SIGNALS) && class == StreetClass::Footway;
        Self(
            stop(here.has(Marks::KERB), Self::RAISED_KERB)
                | stop(signals, Self::SIGNALS)
                | stop(here.has(Marks::LIFT), Self::LIFT),
        )
    }
}

/// Ends every edge that comes to a barrier at a place of its own, and links these places through the gates that there are.
/// The gates, and where there is none.
fn set_gates(
    barriers: &[Barrier],
    pieces: &mut Vec<Pieces>,
    plan: &mut Vec<Point>,
    marks: &[Marks],
) -> (Vec<Gate>, Vec<Point>) {
    if barriers.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut apart: Vec<Point> = Vec::new();
    let mut places_of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for edge in pieces.iter_mut().flat_map(|piece| &mut piece.edges) {
        for end in [&mut edge.from, &mut edge.to] {
            if marks.get(end.index()).is_some_and(|here| here.has(Marks::BARRIER)) {
                let place = (plan.len() + apart.len()) as u32;
                apart.push(plan[end.index()]);
                places_of.entry(end.0).or_default().push(place);
                *end = NodeId(place);
            }
        }
    }
    // Room for these alone: growing by itself the plan would take twice its size.
    plan.reserve_exact(apart.len());
    plan.append(&mut apart);
    let (mut gates, mut walls) = (Vec::new(), Vec::new());
    let mut links = Pieces::default();
    for barrier in barriers {
        let at = plan[barrier.point as usize];
        if barrier.access == Access::Closed && !barrier.gate {
            walls.push(at);
            continue;
        }
        let gate = gates.len() as u32;
        gates.push(Gate { node: barrier.node, at, access: barrier.access });
        for &place in places_of.get(&barrier.point).map_or(&[][..], Vec::as_slice) {
            let first = links.vertices.len() as u32;
            links.vertices.extend([Vertex::new(at, 0.0); 2]);
            links.edges.push(Edge {
                source: i64::from(gate),
                length_m: 0.0,
                from: NodeId(barrier.point),
                to: NodeId(place),
                first_vertex: first,
                kind: Kind::Gate,
                class: StreetClass::Footway,
                access: barrier.access,
                forward: true,
                backward: true,
                ground: Ground::default(),
                stops: [Stops::default(); 2],
            });
        }
    }
    pieces.push(links);
    (gates, walls)
}

/// Tells of the components of a network, island or not.
fn components_told(edges: &[Edge], vertices: &[Vertex], components: &Components, report: &mut NetworkReport) {
    let mut first: BTreeMap<u32, &Edge> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.kind != Kind::Gate) {
        let known = first.entry(components.of_node[edge.from.index()]).or_insert(edge);
        if edge.way() < known.way() {
            *known = edge;
        }
    }
    for (component, edge) in first {
        let length_m = components.length_m[component as usize];
        if components.is_island[component as usize] {
            let at = vertices[edge.first_vertex as usize].at();
            report.islands.push(Island { at, length_m, way: edge.way() });
        } else {
            report.components += 1;
            report.length_m += length_m;
        }
    }
}

/// Which edges stay: those of components that are large enough, or would be if every gate were open. The others are told as
/// islands.
fn kept_edges(pieces: &[Pieces], plan: &[Point], options: NetworkOptions, report: &mut NetworkReport) -> Vec<bool> {
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
        *sum = sum.max(0.0) + edge.street_m();
    }
    // The first of equally long ones: roots depend on the input's order alone.
    let largest = (0..points).fold(None, |best: Option<usize>, i| match best {
        Some(b) if metres[b] >= metres[i] => best,
        _ => Some(i),
    });
    let keep = |i: usize| Some(i) == largest || metres[i] >= options.island_m;
    let mut islands: BTreeMap<u32, Island> = BTreeMap::new();
    for (edge, &root) in all().zip(&roots).filter(|(edge, root)| edge.kind != Kind::Gate && !keep(**root as usize)) {
        let at = plan[edge.from.index()];
        let length_m = metres[root as usize];
        let island = islands.entry(root).or_insert(Island { at, length_m, way: edge.way() });
        if edge.way() < island.way {
            (island.way, island.at) = (edge.way(), at);
        }
    }
    report.islands = islands.into_values().collect();
    roots.into_iter().map(|root| keep(root as usize)).collect()
}

/// What stays of the pieces.
struct Numbered {
    nodes: Vec<Point>,
    edges: Vec<Edge>,
    vertices: Vec<Vertex>,
    fixed: BTreeMap<EdgeId, WalkTime>,
}

impl Numbered {
    /// Numbers the ends of the kept edges along a Hilbert curve and lays all geometry into one array. Each piece is given
    /// back as soon as it is laid.
    fn new(pieces: Vec<Pieces>, kept: &[bool], plan: &[Point]) -> Self {
        const UNUSED: u32 = u32::MAX;
        let mut node_of_point = vec![UNUSED; plan.len()];
        for (edge, _) in pieces.iter().flat_map(|piece| &piece.edges).zip(kept).filter(|(_, keep)| **keep) {
            node_of_point[edge.from.index()] = 0;
            node_of_point[edge.to.index()] = 0;
        }
        let ends = || (0..plan.len() as u32).filter(|&point| node_of_point[point as usize] != UNUSED);
        let curve = Curve::around(ends().map(|point| plan[point as usize]));
        // Places on top of each other, as at a gate, keep the order of their ways.
        let mut order: Vec<(u32, u32)> = ends().map(|point| (curve.position(plan[point as usize]), point)).collect();
        order.par_sort_unstable();
        order.iter().zip(0..).for_each(|(&(_, point), node)| node_of_point[point as usize] = node);
        let mut out = Self {
            nodes: order.iter().map(|&(_, point)| plan[point as usize]).collect(),
            edges: Vec::with_capacity(kept.iter().filter(|keep| **keep).count()),
            vertices: Vec::with_capacity(pieces.iter().map(|p| p.vertices.len()).sum()),
            fixed: BTreeMap::new(),
        };
        drop(order);
        let node = |point: NodeId| NodeId(node_of_point[point.index()]);
        let mut kept = kept.iter();
        for piece in pieces {
            let mut times = piece.fixed.iter();
            for (i, edge) in piece.edges.iter().enumerate() {
                let time = if edge.is_fixed() { times.next() } else { None };
                if kept.next() != Some(&true) {
                    continue;
                }
                if let Some(time) = time {
                    out.fixed.insert(EdgeId(out.edges.len() as u32), *time);
                }
                let first_vertex = out.vertices.len() as u32;
                out.vertices.extend_from_slice(vertices_of(&piece.edges, &piece.vertices, i));
                out.edges.push(Edge { from: node(edge.from), to: node(edge.to), first_vertex, ..edge.clone() });
            }
        }
        out
    }
}

/// The edges at every node: where each group starts, and the edges, a loop once.
fn edges_at_nodes(nodes: usize, edges: &[Edge]) -> (Vec<u32>, Vec<EdgeId>) {
    let ends = |edge: &Edge| [Some(edge.from), Some(edge.to).filter(|to| *to != edge.from)].into_iter().flatten();
    let mut first = vec![0_u32; nodes + 1];
    edges.iter().flat_map(ends).for_each(|node| first[node.index() + 1] += 1);
    for i in 0..nodes {
        first[i + 1] += first[i];
    }
    let mut next = first.clone();
    let mut at_nodes = vec![EdgeId(0); first[nodes] as usize];
    for (i, edge) in edges.iter().enumerate() {
        for node in ends(edge) {
            let slot = &mut next[node.index()];
            at_nodes[*slot as usize] = EdgeId(i as u32);
            *slot += 1;
        }
    }
    (first, at_nodes)
}

fn edge_tree(edges: &[Edge], vertices: &[Vertex]) -> EdgeTree {
    let around = |i: usize| EdgeBox::around(vertices_of(edges, vertices, i).iter().map(Vertex::at));
    let streets = (0..edges.len()).into_par_iter().filter(|&i| edges[i].is_street());
    EdgeTree::new(streets.map(|i| (around(i), EdgeId(i as u32))).collect())
}
