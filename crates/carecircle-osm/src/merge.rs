//! What the map holds twice: as a node and as the grounds around it, as a relation and as its outline.

use crate::report::Merged;
use crate::shape::{Outline, bounds, covers};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::place::Premises;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::cmp::Reverse;

/// What the map calls a thing; in the order in which places are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Node(i64),
    Way(i64),
    Relation(i64),
}

impl Source {
    /// The id in tables and answers.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Node(id) => format!("n{id}"),
            Self::Way(id) => format!("w{id}"),
            Self::Relation(id) => format!("r{id}"),
        }
    }
}

/// A sort of thing that the map may hold twice.
pub(crate) trait Thing {
    fn name(&self) -> Option<&str>;
    /// Whether the two may be one.
    fn is_like(&self, other: &Self) -> bool;
    /// Takes over what only the other tells.
    fn fill(&mut self, other: Self);
    fn put(&mut self, id: String, at: LonLat);
}

impl Thing for Facility {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Kindergartens are alike, whether or not one of them tells of a class for under-threes.
    fn is_like(&self, other: &Self) -> bool {
        let plain = |kind| if kind == Kind::KindergartenClass { Kind::Kindergarten } else { kind };
        plain(self.kind) == plain(other.kind)
    }

    fn fill(&mut self, other: Self) {
        if other.kind == Kind::KindergartenClass {
            self.kind = Kind::KindergartenClass;
        }
        self.name = self.name.take().or(other.name);
        self.name_zh = self.name_zh.take().or(other.name_zh);
        self.name_en = self.name_en.take().or(other.name_en);
        self.places = self.places.or(other.places);
        self.min_months = self.min_months.or(other.min_months);
        self.max_months = self.max_months.or(other.max_months);
        self.other = other.other.iter().chain(self.other.iter()).collect();
    }

    fn put(&mut self, id: String, at: LonLat) {
        (self.id, self.at) = (id, at);
    }
}

impl Thing for Premises {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
    }

    fn fill(&mut self, other: Self) {
        self.name = self.name.take().or(other.name);
    }

    fn put(&mut self, id: String, at: LonLat) {
        (self.id, self.at) = (id, at);
    }
}

/// A thing as the map has it, with its grounds; none for a node, and for what could only be placed at a point.
#[derive(Debug)]
pub(crate) struct Candidate<T> {
    pub(crate) source: Source,
    pub(crate) at: LonLat,
    pub(crate) thing: Box<T>,
    pub(crate) shape: Vec<Outline>,
}

impl<T: Thing> Candidate<T> {
    pub(crate) fn new(source: Source, at: LonLat, mut thing: Box<T>, shape: Vec<Outline>) -> Self {
        thing.put(source.id(), at);
        Self { source, at, thing, shape }
    }

    fn covers(&self, other: &Self) -> bool {
        covers(&self.shape, other.at)
    }

    fn corners(&self) -> ([i32; 2], [i32; 2]) {
        self.shape.iter().map(|o| bounds(&o.outer)).fold(([i32::MAX; 2], [i32::MIN; 2]), |all, b| {
            ([all.0[0].min(b.0[0]), all.0[1].min(b.0[1])], [all.1[0].max(b.1[0]), all.1[1].max(b.1[1])])
        })
    }

    /// The size of the box around its grounds, the same for an outline and the relation made of it.
    fn size(&self) -> i128 {
        let (low, high) = self.corners();
        let length = |i: usize| i128::from(high[i]) - i128::from(low[i]);
        length(0) * length(1)
    }
}

/// One thing for each on the ground, points before grounds, each in the order of their ids. Grounds stay and take
/// over what only the node tells; of two grounds the larger stays, the relation rather than its outline, unless they go
/// by different names: two kindergartens may share their grounds.
pub(crate) fn merge<T: Thing>(mut candidates: Vec<Candidate<T>>, merged: &mut Vec<Merged>) -> Vec<T> {
    candidates.sort_by_key(|c| (!c.shape.is_empty(), c.source));
    let nodes = candidates.partition_point(|c| c.shape.is_empty());
    let boxes = candidates.iter().enumerate().skip(nodes).map(|(i, c)| {
        let (low, high) = c.corners();
        GeomWithData::new(Rectangle::from_corners(low, high), i)
    });
    let tree: RTree<GeomWithData<Rectangle<[i32; 2]>, usize>> = RTree::bulk_load(boxes.collect());

    let mut largest_first: Vec<usize> = (nodes..candidates.len()).collect();
    largest_first
        .sort_by_key(|&i| Reverse((candidates[i].size(), matches!(candidates[i].source, Source::Relation(_)))));
    let mut rank = vec![usize::MAX; candidates.len()];
    let mut into: Vec<Option<usize>> = vec![None; candidates.len()];
    // What each will be called: grounds without a name take that of the first merged into them.
    let mut names: Vec<Option<&str>> = candidates.iter().map(|c| c.thing.name()).collect();
    for (place, i) in largest_first.into_iter().chain(0..nodes).enumerate() {
        let candidate = &candidates[i];
        let (low, high) = if i < nodes {
            let at = [candidate.at.lon_e7, candidate.at.lat_e7];
            (at, at)
        } else {
            candidate.corners()
        };
        into[i] = tree
            .locate_in_envelope_intersecting(AABB::from_corners(low, high))
            .map(|near| near.data)
            .filter(|&j| rank[j] != usize::MAX && candidate.thing.is_like(&candidates[j].thing))
            .filter(|&j| candidates[j].covers(candidate) || candidate.covers(&candidates[j]))
            .filter(|&j| i < nodes || !names_differ(names[j], candidate.thing.name()))
            .min_by_key(|&j| rank[j]);
        if let Some(kept) = into[i] {
            names[kept] = names[kept].or(candidate.thing.name());
        }
        if into[i].is_none() {
            rank[i] = place;
        }
    }

    let mut things: Vec<Option<Box<T>>> = Vec::with_capacity(candidates.len());
    let sources: Vec<Source> = candidates.iter().map(|c| c.source).collect();
    things.extend(candidates.into_iter().map(|c| Some(c.thing)));
    for (i, target) in into.iter().enumerate() {
        let Some(target) = *target else { continue };
        if let (Some(dropped), Some(kept)) = (things[i].take(), things[target].as_mut()) {
            merged.push(Merged {
                kept: sources[target].id(),
                dropped: sources[i].id(),
                name: dropped.name().map(str::to_owned),
                reason: if i < nodes { NODE_INSIDE } else { POLYGON_INSIDE },
            });
            kept.fill(*dropped);
        }
    }
    things.into_iter().flatten().map(|thing| *thing).collect()
}

/// Why two things may be one.
pub(crate) const REASONS: [&str; 2] = [NODE_INSIDE, POLYGON_INSIDE];
const NODE_INSIDE: &str = "node inside polygon of the same kind";
const POLYGON_INSIDE: &str = "polygon inside polygon of the same kind";

/// Whether both have a name, and not the same.
fn names_differ(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: i32, y: i32) -> LonLat {
        LonLat { lon_e7: x, lat_e7: y }
    }

    fn square(source: Source, x: i32, half: i32) -> Candidate<Facility> {
        let outer = [(-1, -1), (1, -1), (1, 1), (-1, 1)].map(|(dx, dy)| at(x + dx * half, dy * half)).to_vec();
        let thing = Box::new(Facility::new("", LonLat::default(), Kind::Kindergarten));
        Candidate::new(source, at(x, 0), thing, vec![Outline { outer, holes: Vec::new() }])
    }

    fn node(id: i64, x: i32, kind: Kind) -> Candidate<Facility> {
        Candidate::new(Source::Node(id), at(x, 0), Box::new(Facility::new("", LonLat::default(), kind)), Vec::new())
    }

    #[test]
    fn a_node_in_its_grounds_is_no_second_facility() {
        let mut named = node(1, 100, Kind::KindergartenClass);
        named.thing.name = Some("Sunshine".to_owned());
        named.thing.places = Some(40);
        let mut merged = Vec::new();
        let all =
            vec![square(Source::Way(2), 0, 100), named, node(3, 0, Kind::Nursery), node(4, 101, Kind::Kindergarten)];
        let facilities = merge(all, &mut merged);
        let ids: Vec<&str> = facilities.iter().map(|f| f.id.as_str()).collect();
        assert_eq!(ids, ["n3", "n4", "w2"], "another kind stays, and so does what lies outside");
        assert_eq!(facilities[2].name.as_deref(), Some("Sunshine"));
        assert_eq!((facilities[2].places, facilities[2].kind), (Some(40), Kind::KindergartenClass));
        assert_eq!(merged.len(), 1);
        assert_eq!((merged[0].kept.as_str(), merged[0].dropped.as_str(), merged[0].reason), ("w2", "n1", NODE_INSIDE));
    }

    #[test]
    fn a_relation_and_its_outline_are_one() {
        let mut merged = Vec::new();
        let all =
            vec![square(Source::Way(1), 0, 100), square(Source::Relation(9), 0, 100), square(Source::Way(2), 50, 10)];
        let facilities = merge(all, &mut merged);
        assert_eq!(facilities.len(), 1);
        assert_eq!(facilities[0].id, "r9");
        assert!(merged.iter().all(|m| m.kept == "r9" && m.reason == POLYGON_INSIDE));
    }

    #[test]
    fn two_named_kindergartens_on_one_ground_stay_two() {
        let named = |source, x, half, name: &str| {
            let mut grounds = square(source, x, half);
            grounds.thing.name = Some(name.to_owned());
            grounds
        };
        let mut merged = Vec::new();
        let all = vec![
            square(Source::Way(1), 0, 100),
            named(Source::Way(2), -50, 20, "North"),
            named(Source::Way(3), 50, 10, "South"),
        ];
        let names: Vec<_> = merge(all, &mut merged).into_iter().map(|f| f.name).collect();
        assert_eq!(names, [Some("North".to_owned()), Some("South".to_owned())]);
    }
}
