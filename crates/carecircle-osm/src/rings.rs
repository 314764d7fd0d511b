//! Joins ways end to end into rings, and rings into outlines with holes.
//!
//! Works on positions of nodes, not on places: two ways meet where they share a node.

use crate::shape::{Outline, Ring, Side, bounds, side};
use crate::stages::Role;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::collections::BTreeMap;

/// What became of some ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Joined {
    /// The rings, each as the node positions it runs through, the first not repeated at the end; and which ways it
    /// is made of.
    pub(crate) rings: Vec<(Vec<u32>, Vec<usize>)>,
    /// How many ways were left over: they belong to rings that don't close.
    pub(crate) left_over: usize,
}

/// Joins ways end to end into rings. Where more than two ways meet at a node, rings are cut off as soon as they close,
/// so that no ring passes a meeting point twice. The same ways in the same order give the same rings.
pub(crate) fn join(ways: &[&[u32]]) -> Joined {
    let mut joined = Joined::default();
    let mut at_node: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut used = vec![false; ways.len()];
    for (i, way) in ways.iter().enumerate() {
        match (way.first(), way.last()) {
            (Some(first), Some(last)) if way.len() >= 2 && first != last => {
                at_node.entry(*first).or_default().push(i);
                at_node.entry(*last).or_default().push(i);
            }
            (Some(_), _) if way.len() >= 4 => {
                used[i] = true;
                joined.rings.push((way[..way.len() - 1].to_vec(), vec![i]));
            }
            // A way of one place, or there and back, is nothing.
            _ => used[i] = true,
        }
    }
    // The next way to try at each node: every way is tried once from either end.
    let mut tried: BTreeMap<u32, usize> = BTreeMap::new();
    for start in 0..ways.len() {
        if used[start] {
            continue;
        }
        let from = ways[start][0];
        // The walk so far: each way with the node it was entered at. `on_walk` tells where a node was entered.
        let mut walk: Vec<(usize, u32)> = Vec::new();
        let mut on_walk: BTreeMap<u32, usize> = BTreeMap::new();
        let mut node = from;
        loop {
            if let Some(&since) = on_walk.get(&node) {
                let ring: Vec<(usize, u32)> = walk.drain(since..).collect();
                for (_, entered) in &ring {
                    on_walk.remove(entered);
                }
                joined.rings.push((places(&ring, ways), ring.iter().map(|(way, _)| *way).collect()));
            }
            let here = at_node.get(&node).map_or(&[][..], Vec::as_slice);
            let next_try = tried.entry(node).or_default();
            while here.get(*next_try).is_some_and(|&way| used[way]) {
                *next_try += 1;
            }
            if let Some(&way) = here.get(*next_try) {
                used[way] = true;
                on_walk.insert(node, walk.len());
                walk.push((way, node));
                node = other_end(ways[way], node);
            } else if let Some((_, entered)) = walk.pop() {
                // A dead end: the last way belongs to no ring.
                joined.left_over += 1;
                on_walk.remove(&entered);
                node = entered;
            } else {
                break;
            }
        }
    }
    joined
}

fn other_end(way: &[u32], end: u32) -> u32 {
    let (first, last) = (way[0], way[way.len() - 1]);
    if first == end { last } else { first }
}

/// The places of a ring in walking order.
fn places(ring: &[(usize, u32)], ways: &[&[u32]]) -> Vec<u32> {
    let mut out = Vec::new();
    for &(way, entered) in ring {
        let way = ways[way];
        let but_last = way.len() - 1;
        if way[0] == entered {
            out.extend_from_slice(&way[..but_last]);
        } else {
            out.extend(way.iter().rev().take(but_last));
        }
    }
    out
}

/// Rings put together, and how many holes lay outside every outer ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Nested {
    pub(crate) outlines: Vec<Outline>,
    pub(crate) stray_holes: usize,
}

/// So many of the rings around one are looked at for the one that it is a hole of.
const NEXT_RINGS: usize = 64;

/// Gives every hole to the smallest outer ring around it. A ring without a role is a hole when it lies inside an odd
/// number of others that are no holes.
pub(crate) fn nest(rings: Vec<(Ring, Role)>) -> Nested {
    if rings.len() == 1 && rings[0].1 != Role::Inner {
        let outlines = rings.into_iter().map(|(outer, _)| Outline { outer, holes: Vec::new() }).collect();
        return Nested { outlines, stray_holes: 0 };
    }
    let boxes: Vec<([i32; 2], [i32; 2])> = rings.iter().map(|(ring, _)| bounds(ring)).collect();
    let around = boxes
        .iter()
        .zip(&rings)
        .enumerate()
        .filter(|(_, (_, (_, role)))| *role != Role::Inner)
        .map(|(i, (b, _))| GeomWithData::new(Rectangle::from_corners(b.0, b.1), i))
        .collect();
    let around: RTree<GeomWithData<Rectangle<[i32; 2]>, usize>> = RTree::bulk_load(around);
    // How many rings are around ring `i`, and the next of them, the smallest box first.
    let around = |i: usize| {
        let (low, high) = boxes[i];
        let mut found: Vec<usize> = around
            .locate_in_envelope_intersecting(AABB::from_corners(low, high))
            .map(|candidate| candidate.data)
            .filter(|&j| {
                let b = boxes[j];
                let within = b.0[0] <= low[0] && b.0[1] <= low[1] && b.1[0] >= high[0] && b.1[1] >= high[1];
                j != i && within && (b != boxes[i] || j < i) && encloses(&rings[j].0, &rings[i].0)
            })
            .collect();
        let size = |j: usize| {
            let (low, high) = boxes[j];
            let length = |axis: usize| i128::from(high[axis]) - i128::from(low[axis]);
            length(0) * length(1)
        };
        found.sort_by_key(|&j| (size(j), j));
        let deep = found.len();
        // A hole belongs to one of the next rings around it; thousands around thousands would fill the memory.
        found.truncate(NEXT_RINGS);
        found.shrink_to_fit();
        (deep, found)
    };
    let enclosing: Vec<(usize, Vec<usize>)> =
        (0..rings.len()).map(|i| if rings[i].1 == Role::Outer { (0, Vec::new()) } else { around(i) }).collect();
    let is_hole: Vec<bool> = rings
        .iter()
        .zip(&enclosing)
        .map(|((_, role), (deep, _))| match role {
            Role::Outer => false,
            Role::Inner => true,
            Role::Open => deep % 2 == 1,
        })
        .collect();
    let mut outlines: Vec<Option<Outline>> = vec![None; rings.len()];
    let mut holes: Vec<(usize, Ring)> = Vec::new();
    let mut stray_holes = 0;
    for (i, (ring, _)) in rings.into_iter().enumerate() {
        if !is_hole[i] {
            outlines[i] = Some(Outline { outer: ring, holes: Vec::new() });
        } else if let Some(&outer) = enclosing[i].1.iter().find(|&&j| !is_hole[j]) {
            holes.push((outer, ring));
        } else {
            stray_holes += 1;
        }
    }
    for (outer, hole) in holes {
        if let Some(outline) = &mut outlines[outer] {
            outline.holes.push(hole);
        }
    }
    Nested { outlines: outlines.into_iter().flatten().collect(), stray_holes }
}

/// Whether a ring lies inside another; rings that touch are told by a place where they don't.
fn encloses(outer: &[carecircle_core::geometry::LonLat], inner: &[carecircle_core::geometry::LonLat]) -> bool {
    inner.iter().map(|&p| side(outer, p)).find(|s| *s != Side::On).is_none_or(|s| s == Side::Inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::geometry::LonLat;

    fn rings(ways: &[&[u32]]) -> (Vec<Vec<u32>>, usize) {
        let joined = join(ways);
        (joined.rings.into_iter().map(|(ring, _)| ring).collect(), joined.left_over)
    }

    fn square(x: i32, y: i32, half: i32) -> Ring {
        [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            .map(|(dx, dy)| LonLat { lon_e7: x + dx * half, lat_e7: y + dy * half })
            .to_vec()
    }

    #[test]
    fn ways_join_in_either_direction() {
        assert_eq!(rings(&[&[1, 2, 3], &[5, 4, 3], &[5, 1]]), (vec![vec![1, 2, 3, 4, 5]], 0));
        assert_eq!(rings(&[&[1, 2, 3, 1]]), (vec![vec![1, 2, 3]], 0));
    }

    #[test]
    fn rings_that_touch_at_a_node_stay_apart() {
        let (found, left_over) = rings(&[&[1, 2, 3], &[3, 4, 5], &[5, 6, 3], &[3, 7, 1]]);
        assert_eq!(left_over, 0);
        assert_eq!(found, [vec![3, 4, 5, 6], vec![1, 2, 3, 7]]);
    }

    #[test]
    fn ways_of_open_rings_are_left_over() {
        assert_eq!(rings(&[&[1, 2, 3], &[3, 4]]), (vec![], 2));
        let (found, left_over) = rings(&[&[9, 1], &[1, 2, 3], &[3, 4, 1]]);
        assert_eq!((found.len(), left_over), (1, 1), "a spur spoils no ring");
        assert_eq!(rings(&[&[1], &[], &[1, 2, 1]]), (vec![], 0));
    }

    #[test]
    fn a_hole_belongs_to_the_smallest_ring_around_it() {
        let nested = nest(vec![
            (square(0, 0, 100), Role::Outer),
            (square(0, 0, 50), Role::Inner),
            (square(0, 0, 40), Role::Outer),
            (square(0, 0, 10), Role::Inner),
            (square(500, 0, 10), Role::Inner),
        ]);
        assert_eq!(nested.stray_holes, 1);
        assert_eq!(nested.outlines.len(), 2);
        assert_eq!(nested.outlines[0].holes, [square(0, 0, 50)]);
        assert_eq!(nested.outlines[1].holes, [square(0, 0, 10)]);
    }

    #[test]
    fn without_roles_containment_decides() {
        let nested = nest(vec![
            (square(0, 0, 10), Role::Open),
            (square(0, 0, 100), Role::Open),
            (square(0, 0, 50), Role::Open),
            (square(300, 0, 50), Role::Open),
        ]);
        assert_eq!(nested.outlines.len(), 3);
        assert_eq!(nested.outlines[1].outer, square(0, 0, 100));
        assert_eq!(nested.outlines[1].holes, [square(0, 0, 50)]);
    }
}
