//! Where the town is drawn: collects lines, rings and points of the plan, joins lines where they meet, and gives out ids.
//!
//! It knows no town, only how plan geometry becomes OSM entities.

use std::collections::BTreeMap;

use super::geometry::{Pt, pliant};
use crate::pbf::{Member, Node, OsmFile, Relation, Tags, Way, tags};

/// What may share a node: a house never shares one with a street, nor a boundary with either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Ground,
    Roof,
    Border,
}

/// A street, rail or wall that meets others of its level.
struct Line {
    level: i8,
    points: Vec<Pt>,
    tags: Tags,
}

/// One straight piece of a line, with its bounding box.
struct Piece {
    line: usize,
    index: usize,
    a: Pt,
    b: Pt,
    low: Pt,
    high: Pt,
}

#[derive(Default)]
pub(super) struct Canvas {
    file: OsmFile,
    node_at: BTreeMap<(Layer, Pt), usize>,
    lines: Vec<Line>,
    relation_count: i64,
}

impl Canvas {
    fn push_node(&mut self, p: Pt, node_tags: Tags) -> usize {
        let (lon_e7, lat_e7) = p.to_e7();
        let id = self.file.nodes.len() as i64 + 1;
        self.file.nodes.push(Node { id, lon_e7, lat_e7, tags: node_tags });
        self.file.nodes.len() - 1
    }

    fn vertex(&mut self, layer: Layer, p: Pt) -> usize {
        if let Some(&index) = self.node_at.get(&(layer, p)) {
            return index;
        }
        let index = self.push_node(p, Tags::new());
        self.node_at.insert((layer, p), index);
        index
    }

    fn refs(&mut self, layer: Layer, points: &[Pt]) -> Vec<i64> {
        points.iter().map(|&p| self.vertex(layer, p) as i64 + 1).collect()
    }

    /// Tags the vertex of the streets or outlines at this point: a gate, a crossing.
    pub(super) fn mark(&mut self, p: Pt, pairs: &[(&str, &str)]) {
        let index = self.vertex(Layer::Ground, p);
        for tag in tags(pairs) {
            if !self.file.nodes[index].tags.iter().any(|(key, _)| *key == tag.0) {
                self.file.nodes[index].tags.push(tag);
            }
        }
    }

    /// A node that nothing runs through: a shop, a tree.
    pub(super) fn spot(&mut self, p: Pt, node_tags: Tags) {
        self.push_node(p, node_tags);
    }

    /// A way as drawn, joined to nothing but equal points of its layer.
    pub(super) fn way(&mut self, layer: Layer, points: &[Pt], way_tags: Tags) -> i64 {
        let refs = self.refs(layer, points);
        let id = self.file.ways.len() as i64 + 1;
        self.file.ways.push(Way { id, refs, tags: way_tags });
        id
    }

    /// A closed way; the first point is not repeated in `ring`.
    pub(super) fn ring(&mut self, layer: Layer, ring: &[Pt], way_tags: Tags) -> i64 {
        let mut points = ring.to_vec();
        points.extend(ring.first());
        self.way(layer, &pliant(&points), way_tags)
    }

    pub(super) fn relation(&mut self, members: Vec<Member>, relation_tags: Tags) {
        self.relation_count += 1;
        self.file.relations.push(Relation { id: self.relation_count, members, tags: relation_tags });
    }

    /// A polygon with holes, as a multipolygon relation of untagged rings.
    pub(super) fn multipolygon(&mut self, layer: Layer, outer: &[Pt], holes: &[Vec<Pt>], mut area_tags: Tags) {
        let mut members = vec![Member::way(self.ring(layer, outer, Tags::new()), "outer")];
        for hole in holes {
            members.push(Member::way(self.ring(layer, hole, Tags::new()), "inner"));
        }
        area_tags.insert(0, ("type".to_owned(), "multipolygon".to_owned()));
        self.relation(members, area_tags);
    }

    /// A line that will share a vertex with every line of its level that it meets or crosses.
    pub(super) fn line(&mut self, level: i8, points: &[Pt], pairs: &[(&str, &str)]) {
        self.tagged_line(level, points, tags(pairs));
    }

    /// [`Canvas::line`] with tags made at run time.
    pub(super) fn tagged_line(&mut self, level: i8, points: &[Pt], line_tags: Tags) {
        let mut points = pliant(points);
        points.dedup();
        self.lines.push(Line { level, points, tags: line_tags });
    }

    /// Joins the lines and hands over the map.
    pub(super) fn finish(mut self) -> OsmFile {
        let meetings = meetings(&self.lines);
        for (number, line) in std::mem::take(&mut self.lines).into_iter().enumerate() {
            let mut points = Vec::with_capacity(line.points.len());
            for (index, &p) in line.points.iter().enumerate() {
                points.push(p);
                if let Some(extra) = meetings.get(&(number, index)) {
                    let mut extra = extra.clone();
                    extra.sort_by_key(|&q| (p.distance2(q), q));
                    points.extend(extra);
                }
            }
            points.dedup();
            self.way(Layer::Ground, &points, line.tags);
        }
        self.file
    }
}

/// For each piece (line, index of its first point) the points where other lines of the level meet it.
fn meetings(lines: &[Line]) -> BTreeMap<(usize, usize), Vec<Pt>> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (line, drawn) in lines.iter().enumerate() {
        for (index, ends) in drawn.points.windows(2).enumerate() {
            let (a, b) = (ends[0], ends[1]);
            let low = Pt { x: a.x.min(b.x), y: a.y.min(b.y) };
            let high = Pt { x: a.x.max(b.x), y: a.y.max(b.y) };
            pieces.push(Piece { line, index, a, b, low, high });
        }
    }
    pieces.sort_by_key(|piece| (piece.low.x, piece.line, piece.index));
    let mut met: BTreeMap<(usize, usize), Vec<Pt>> = BTreeMap::new();
    for (i, p) in pieces.iter().enumerate() {
        for q in pieces[i + 1..].iter().take_while(|q| q.low.x <= p.high.x + 1) {
            let apart = q.low.y > p.high.y + 1 || p.low.y > q.high.y + 1;
            if apart || lines[p.line].level != lines[q.line].level || p.line == q.line {
                continue;
            }
            let mut touched = false;
            for (piece, end) in [(p, q.a), (p, q.b), (q, p.a), (q, p.b)] {
                if end == piece.a || end == piece.b {
                    touched = true;
                } else if lies_on(piece, end) {
                    touched = true;
                    met.entry((piece.line, piece.index)).or_default().push(end);
                }
            }
            if let (false, Some(at)) = (touched, crossing(p, q)) {
                met.entry((p.line, p.index)).or_default().push(at);
                met.entry((q.line, q.index)).or_default().push(at);
            }
        }
    }
    met
}

fn cross(a: Pt, b: Pt, c: Pt) -> i64 {
    i64::from(b.x - a.x) * i64::from(c.y - a.y) - i64::from(b.y - a.y) * i64::from(c.x - a.x)
}

/// Whether a point lies on a piece to within a decimetre and a half: what rounding to the grid may have moved it.
fn lies_on(piece: &Piece, p: Pt) -> bool {
    let length2 = piece.a.distance2(piece.b);
    let along = i64::from(piece.b.x - piece.a.x) * i64::from(p.x - piece.a.x)
        + i64::from(piece.b.y - piece.a.y) * i64::from(p.y - piece.a.y);
    let off = cross(piece.a, piece.b, p);
    along > 0 && along < length2 && 4 * off * off <= 9 * length2
}

/// Where two pieces cross inside both, rounded to the grid.
fn crossing(p: &Piece, q: &Piece) -> Option<Pt> {
    let (from, to) = (cross(q.a, q.b, p.a), cross(q.a, q.b, p.b));
    let opposite = (cross(p.a, p.b, q.a) > 0) != (cross(p.a, p.b, q.b) > 0);
    if from == to || (from > 0) == (to > 0) || !opposite {
        return None;
    }
    let share = from as f64 / (from - to) as f64;
    let x = f64::from(p.a.x) + share * f64::from(p.b.x - p.a.x);
    let y = f64::from(p.a.y) + share * f64::from(p.b.y - p.a.y);
    Some(Pt { x: x.round() as i32, y: y.round() as i32 })
}
