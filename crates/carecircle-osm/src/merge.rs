//! Facilities that the map holds twice: as a node and as the grounds around it, as a relation and as its outline.

use crate::report::Merged;
use crate::shape::{Outline, bounds, covers};
use carecircle_core::facility::{Facility, Kind};
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

/// A facility with its grounds; none for a node, and for what could only be placed at a point.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) source: Source,
    pub(crate) facility: Box<Facility>,
    pub(crate) shape: Vec<Outline>,
}

impl Candidate {
    pub(crate) fn point(source: Source, facility: Box<Facility>) -> Self {
        Self { source, facility, shape: Vec::new() }
    }

    fn covers(&self, other: &Self) -> bool {
        covers(&self.shape, other.facility.at)
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

/// One facility for each on the ground, points before grounds, each in the order of their ids. Grounds stay and take
/// over what only the node tells; of two grounds the larger stays, the relation rather than its outline, unless they go
/// by different names: two kindergartens may share their grounds.
pub(crate) fn merge(mut candidates: Vec<Candidate>, merged: &mut Vec<Merged>) -> Vec<Facility> {
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
    let mut names: Vec<Option<&str>> = candidates.iter().map(|c| c.facility.name.as_deref()).collect();
    for (place, i) in largest_first.into_iter().chain(0..nodes).enumerate() {
        let candidate = &candidates[i];
        let (low, high) = if i < nodes {
            let at = [candidate.facility.at.lon_e7, candidate.facility.at.lat_e7];
            (at, at)
        } else {
            candidate.corners()
        };
        into[i] = tree
            .locate_in_envelope_intersecting(AABB::from_corners(low, high))
            .map(|near| near.data)
            .filter(|&j| rank[j] != usize::MAX && is_same_kind(candidate.facility.kind, candidates[j].facility.kind))
            .filter(|&j| candidates[j].covers(candidate) || candidate.covers(&candidates[j]))
            .filter(|&j| i < nodes || !names_differ(names[j], &candidate.facility))
            .min_by_key(|&j| rank[j]);
        if let Some(kept) = into[i] {
            names[kept] = names[kept].or(candidate.facility.name.as_deref());
        }
        if into[i].is_none() {
            rank[i] = place;
        }
    }

    let mut facilities: Vec<Option<Box<Facility>>> = Vec::with_capacity(candidates.len());
    let sources: Vec<Source> = candidates.iter().map(|c| c.source).collect();
    facilities.extend(candidates.into_iter().map(|c| Some(c.facility)));
    for (i, target) in into.iter().enumerate() {
        let Some(target) = *target else { continue };
        if let (Some(dropped), Some(kept)) = (facilities[i].take(), facilities[target].as_mut()) {
            merged.push(Merged {
                kept: sources[target].id(),
                dropped: sources[i].id(),
                name: dropped.name.clone(),
                reason: if i < nodes { NODE_INSIDE } else { POLYGON_INSIDE },
            });
            fill(kept, *dropped);
        }
    }
    facilities
        .into_iter()
        .zip(sources)
        .filter_map(|(facility, source)| facility.map(|f| Facility { id: source.id(), ..*f }))
        .collect()
}

/// Why two facilities may be one.
pub(crate) const REASONS: [&str; 2] = [NODE_INSIDE, POLYGON_INSIDE];
const NODE_INSIDE: &str = "node inside polygon of the same kind";
const POLYGON_INSIDE: &str = "polygon inside polygon of the same kind";

/// Whether both have a name, and not the same.
fn names_differ(name: Option<&str>, other: &Facility) -> bool {
    matches!((name, other.name.as_deref()), (Some(a), Some(b)) if a != b)
}

/// Whether two facilities may be one: kindergartens are, whether or not one of them tells of a class for under-threes.
fn is_same_kind(a: Kind, b: Kind) -> bool {
    let plain = |kind| if kind == Kind::KindergartenClass { Kind::Kindergarten } else { kind };
    plain(a) == plain(b)
}

/// Takes over what only the other tells.
fn fill(kept: &mut Facility, other: Facility) {
    if other.kind == Kind::KindergartenClass {
        kept.kind = Kind::KindergartenClass;
    }
    kept.name = kept.name.take().or(other.name);
    kept.name_zh = kept.name_zh.take().or(other.name_zh);
    kept.name_en = kept.name_en.take().or(other.name_en);
    kept.places = kept.places.or(other.places);
    kept.min_months = kept.min_months.or(other.min_months);
    kept.max_months = kept.max_months.or(other.max_months);
    kept.other = other.other.iter().chain(kept.other.iter()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::geometry::LonLat;

    fn at(x: i32, y: i32) -> LonLat {
        LonLat { lon_e7: x, lat_e7: y }
    }

    fn square(source: Source, x: i32, half: i32) -> Candidate {
        let outer = [(-1, -1), (1, -1), (1, 1), (-1, 1)].map(|(dx, dy)| at(x + dx * half, dy * half)).to_vec();
        let facility = Box::new(Facility::new("", at(x, 0), Kind::Kindergarten));
        Candidate { source, facility, shape: vec![Outline { outer, holes: Vec::new() }] }
    }

    fn node(id: i64, x: i32, kind: Kind) -> Candidate {
        Candidate::point(Source::Node(id), Box::new(Facility::new("", at(x, 0), kind)))
    }

    #[test]
    fn a_node_in_its_grounds_is_no_second_facility() {
        let mut named = node(1, 100, Kind::KindergartenClass);
        named.facility.name = Some("Sunshine".to_owned());
        named.facility.places = Some(40);
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
            grounds.facility.name = Some(name.to_owned());
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
