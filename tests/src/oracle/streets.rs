//! Streets out of an extract, by the plainest reading of the walking rules.
//!
//! Owns what may be walked, in which direction, how long it is, which streets hang together, and which of them are
//! private. Knows nothing of facilities, snaps or searches.
//!
//! 1. Ways become segments from node to node, areas their outlines and the lines across them.
//! 2. A node that stops or delays walkers is taken apart: each segment ends at a place of its own, and links lead from
//!    there to the node's middle, if it can be passed at all.
//! 3. Streets that hang together over too few metres are set aside.
//! 4. What only private streets join to the rest becomes private itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use geo::{Distance, Geodesic, Point};
use petgraph::unionfind::UnionFind;

use super::Rules;
use super::areas::{Ring, area_footing, ring_of, rings_of, sight_lines};
use super::extract::{Extract, Way};
use super::footing::{Footing, Passage, footing, is_lift, passage};
use super::nearest::micrometres;

/// A straight piece of street between two places.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The OSM way, or minus the relation.
    pub(super) way: i64,
    /// The place of the first node in the way's list of references; lines across an area are counted on from there.
    pub(super) index: usize,
    /// Indexes into [`Streets::places`].
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) length_m: f64,
    /// From one end to the other.
    pub(super) seconds: f64,
    pub(super) forward: bool,
    pub(super) backward: bool,
    pub(super) ferry: bool,
    /// Whether it crosses an area.
    pub(super) across: bool,
    /// Whether it may only be the first or the last leg of a walk.
    pub(super) private: bool,
    /// Whether points may snap here: no ferry, no island.
    pub(super) snappable: bool,
}

/// The step between the end of a segment and the middle of a gate or a lift, both ways, without any length.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Indexes into [`Streets::places`].
    pub(super) end: usize,
    pub(super) middle: usize,
    pub(super) seconds: f64,
    pub(super) private: bool,
}

/// Every walkable segment of an extract.
#[derive(Clone, Debug, Default)]
pub(super) struct Streets {
    /// (lon, lat) in degrees of every node that a walkable way uses; several for a node that is taken apart.
    pub(super) places: Vec<(f64, f64)>,
    pub(super) segments: Vec<Segment>,
    pub(super) links: Vec<Link>,
    /// How many OSM nodes the places stand for.
    pub(super) nodes: usize,
}

/// An area of which the outline is drawn and the lines across are not.
struct Area {
    owner: i64,
    footing: Footing,
    rings: Vec<Ring>,
    /// The number of the first line across.
    next_index: usize,
}

/// Streets as they are drawn.
struct Draft<'a> {
    rules: &'a Rules,
    /// Where the nodes are, of several with one id the first.
    positions: HashMap<i64, (f64, f64)>,
    /// The nodes that are not simply passed, and whether each is a lift.
    obstacles: HashMap<i64, (Passage, bool)>,
    /// The place at which every segment ends at a node, or the middle of a node that is taken apart.
    place_of: HashMap<i64, usize>,
    /// The ways and relations whose segments end at a node.
    users: HashMap<i64, BTreeSet<i64>>,
    streets: Streets,
}

impl Streets {
    pub(super) fn new(extract: &Extract, rules: &Rules) -> Self {
        let mut draft = Draft::new(extract, rules);
        let mut areas = Vec::new();
        let mut ways: HashMap<i64, &Way> = HashMap::new();
        for way in &extract.ways {
            if ways.contains_key(&way.id) {
                continue;
            }
            ways.insert(way.id, way);
            let Some(mut footing) = footing(&way.tags) else { continue };
            let complete = way.refs.iter().all(|id| draft.positions.contains_key(id));
            let ring = ring_of(way).filter(|_| complete && footing.ferry_s.is_none());
            if ring.is_some() {
                (footing.forward, footing.backward) = (true, true);
            }
            draft.line(way.id, 0, &way.refs, footing, ring.is_some());
            let area = |ring| Area { owner: way.id, footing, rings: vec![ring], next_index: way.refs.len() };
            areas.extend(ring.map(area));
        }
        let mut seen = HashSet::new();
        for relation in &extract.relations {
            if !seen.insert(relation.id) {
                continue;
            }
            let Some(mut footing) = area_footing(&relation.tags) else { continue };
            (footing.forward, footing.backward) = (true, true);
            let rings = rings_of(relation, &ways, &draft.positions);
            let mut next_index = 0;
            for ring in &rings {
                draft.line(-relation.id, next_index, &ring.refs, footing, true);
                next_index += ring.refs.len();
            }
            areas.push(Area { owner: -relation.id, footing, rings, next_index });
        }
        for area in &areas {
            let is_entry = |id: i64| draft.users.get(&id).is_some_and(|users| users.iter().any(|&u| u != area.owner));
            for ((from, to), index) in
                sight_lines(&area.rings, &draft.positions, is_entry).into_iter().zip(area.next_index..)
            {
                let mut segment = draft.segment(area.owner, index, (from, to), area.footing, true);
                segment.across = true;
                draft.streets.segments.push(segment);
            }
        }

        let mut streets = draft.streets;
        streets.nodes = draft.users.len();
        streets.set_islands_aside(rules.island_m);
        streets.close_pockets();
        streets
    }

    fn parts(&self, public_alone: bool) -> Vec<usize> {
        let mut parts = UnionFind::<usize>::new(self.places.len());
        for segment in self.segments.iter().filter(|segment| !(public_alone && segment.private)) {
            parts.union(segment.from, segment.to);
        }
        for link in self.links.iter().filter(|link| !(public_alone && link.private)) {
            parts.union(link.end, link.middle);
        }
        parts.into_labeling()
    }

    fn set_islands_aside(&mut self, island_m: f64) {
        let part_of = self.parts(false);
        let mut part_m = vec![0.0; self.places.len()];
        for segment in self.segments.iter().filter(|segment| !segment.ferry) {
            if !segment.across {
                part_m[part_of[segment.from]] += segment.length_m;
            }
        }
        let mut largest = None;
        for part in self.segments.iter().filter(|segment| !segment.ferry).map(|segment| part_of[segment.from]) {
            if largest.is_none_or(|best: usize| part_m[part] > part_m[best]) {
                largest = Some(part);
            }
        }
        for segment in &mut self.segments {
            let part = part_of[segment.from];
            segment.snappable &= Some(part) == largest || part_m[part] >= island_m;
        }
    }

    /// Of the public streets that hang together when private ones join them, only the longest network is public.
    fn close_pockets(&mut self) {
        let (whole_of, piece_of) = (self.parts(false), self.parts(true));
        let mut piece_m = vec![0.0; self.places.len()];
        for segment in self.segments.iter().filter(|segment| !segment.private && !segment.ferry) {
            if !segment.across {
                piece_m[piece_of[segment.from]] += segment.length_m;
            }
        }
        let mut network: BTreeMap<usize, usize> = BTreeMap::new();
        for segment in self.segments.iter().filter(|segment| !segment.private) {
            let (whole, piece) = (whole_of[segment.from], piece_of[segment.from]);
            let best = network.entry(whole).or_insert(piece);
            if micrometres(piece_m[piece]) > micrometres(piece_m[*best]) {
                *best = piece;
            }
        }
        let in_pocket = |place: usize| network.get(&whole_of[place]) != Some(&piece_of[place]);
        for segment in &mut self.segments {
            segment.private |= in_pocket(segment.from);
        }
        for link in &mut self.links {
            link.private |= in_pocket(link.end);
        }
    }
}

impl<'a> Draft<'a> {
    fn new(extract: &Extract, rules: &'a Rules) -> Self {
        let mut positions = HashMap::with_capacity(extract.nodes.len());
        let mut obstacles = HashMap::new();
        for node in &extract.nodes {
            // A place off the globe, or none at all (NaN), is no place: the file might as well not have the node.
            let on_globe = node.lon.abs() <= 180.0 && node.lat.abs() <= 90.0;
            if !on_globe || positions.contains_key(&node.id) {
                continue;
            }
            positions.insert(node.id, (node.lon, node.lat));
            let (passage, lift) = (passage(&node.tags), is_lift(&node.tags));
            if passage != Passage::Open || lift {
                obstacles.insert(node.id, (passage, lift));
            }
        }
        let (place_of, users, streets) = (HashMap::new(), HashMap::new(), Streets::default());
        Self { rules, positions, obstacles, place_of, users, streets }
    }

    /// Draws the segments of a line of nodes.
    fn line(&mut self, owner: i64, first_index: usize, refs: &[i64], footing: Footing, outline: bool) {
        let first = self.streets.segments.len();
        for (index, pair) in (first_index..).zip(refs.windows(2)) {
            let known = |id: &i64| self.positions.contains_key(id);
            if pair[0] != pair[1] && pair.iter().all(known) {
                let segment = self.segment(owner, index, (pair[0], pair[1]), footing, outline);
                self.streets.segments.push(segment);
            }
        }
        let drawn = &mut self.streets.segments[first..];
        if let Some(crossing_s) = footing.ferry_s {
            share_out(crossing_s, drawn);
        } else if footing.lift && !outline {
            share_out(self.rules.lift_s, drawn);
        }
    }

    /// A segment between two nodes, without what a ferry or a lift takes in all; a lift that is an area takes its time on
    /// each segment.
    fn segment(
        &mut self,
        owner: i64,
        index: usize,
        (from, to): (i64, i64),
        footing: Footing,
        of_area: bool,
    ) -> Segment {
        let (start, end) = (self.positions[&from], self.positions[&to]);
        let length_m = Geodesic.distance(Point::from(start), Point::from(end));
        let walk_s = if footing.ferry_s.is_some() { 0.0 } else { length_m / self.rules.metres_per_second() };
        let lift_s = if footing.lift && of_area { self.rules.lift_s } else { 0.0 };
        Segment {
            way: owner,
            index,
            from: self.place(owner, from),
            to: self.place(owner, to),
            length_m,
            seconds: walk_s + lift_s,
            forward: footing.forward,
            backward: footing.backward,
            ferry: footing.ferry_s.is_some(),
            across: false,
            private: footing.private,
            snappable: footing.ferry_s.is_none() && !footing.lift,
        }
    }

    /// The place at which a segment of `owner` ends at a node.
    fn place(&mut self, owner: i64, id: i64) -> usize {
        self.users.entry(id).or_default().insert(owner);
        let at = self.positions[&id];
        let places = &mut self.streets.places;
        let mut add = || {
            places.push(at);
            places.len() - 1
        };
        match self.obstacles.get(&id) {
            None => *self.place_of.entry(id).or_insert_with(add),
            Some((Passage::Closed, _)) => add(),
            Some(&(passage, lift)) => {
                let end = add();
                let middle = *self.place_of.entry(id).or_insert_with(&mut add);
                let seconds = if lift { self.rules.lift_s / 2.0 } else { 0.0 };
                self.streets.links.push(Link { end, middle, seconds, private: passage == Passage::Private });
                end
            }
        }
    }
}

/// Shares a fixed time out over segments by length, evenly when they have none.
fn share_out(fixed_s: f64, segments: &mut [Segment]) {
    let total_m: f64 = segments.iter().map(|segment| segment.length_m).sum();
    let count = segments.len() as f64;
    for segment in segments {
        segment.seconds += if total_m > 0.0 { fixed_s * segment.length_m / total_m } else { fixed_s / count };
    }
}
