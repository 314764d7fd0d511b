//! A packed R-tree over the boxes of edges.
//!
//! The boxes stand along a Hilbert curve, so that any sixteen in a row lie near each other: these have a box around them,
//! sixteen such boxes one more, and so on up. Where a box stands says which ones it is around, so that there is nothing to
//! keep but boxes, 21 bytes for each edge with its id, and a walk through the tree needs no memory of its own.

use super::EdgeId;
use super::curve::Curve;
use crate::array::Array;
use crate::geometry::Point;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// How many boxes have one around them.
const GROUP: usize = 16;

/// A box in half the bytes, rounded outwards: half a metre at most on the largest of plans.
#[derive(Clone, Copy, Debug, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct EdgeBox {
    low: [f32; 2],
    high: [f32; 2],
}

impl EdgeBox {
    /// The smallest around some places.
    pub(super) fn around(places: impl IntoIterator<Item = Point>) -> Self {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for at in places {
            low = [low[0].min(at.x), low[1].min(at.y)];
            high = [high[0].max(at.x), high[1].max(at.y)];
        }
        Self { low: low.map(|x| (x as f32).next_down()), high: high.map(|x| (x as f32).next_up()) }
    }

    fn around_all(boxes: &[Self]) -> Self {
        let with = |a: Self, b: &Self| Self {
            low: [a.low[0].min(b.low[0]), a.low[1].min(b.low[1])],
            high: [a.high[0].max(b.high[0]), a.high[1].max(b.high[1])],
        };
        boxes[1..].iter().fold(boxes[0], with)
    }

    fn meets(&self, other: &Self) -> bool {
        self.low[0] <= other.high[0]
            && self.low[1] <= other.high[1]
            && self.high[0] >= other.low[0]
            && self.high[1] >= other.low[1]
    }

    fn middle(&self) -> Point {
        let middle = |axis: usize| f64::midpoint(f64::from(self.low[axis]), f64::from(self.high[axis]));
        Point { x: middle(0), y: middle(1) }
    }

    /// Metres from a place; 0 inside.
    pub(super) fn distance_m(&self, at: Point) -> f64 {
        let beyond = |axis: usize, x: f64| (f64::from(self.low[axis]) - x).max(x - f64::from(self.high[axis])).max(0.0);
        beyond(0, at.x).hypot(beyond(1, at.y))
    }
}

/// Where each level of a tree over so many edges ends.
fn ends(count: usize) -> Vec<usize> {
    let (mut ends, mut level) = (vec![count], count);
    while level > GROUP {
        level = level.div_ceil(GROUP);
        ends.push(ends[ends.len() - 1] + level);
    }
    ends
}

/// Edges by their boxes.
#[derive(Debug)]
pub(super) struct EdgeTree {
    /// Those of edges, then those around groups of these, and so on.
    boxes: Array<EdgeBox>,
    /// Where each level ends in `boxes`, the last with a group at most.
    ends: Vec<usize>,
    /// By box of the first level.
    edges: Array<EdgeId>,
}

impl EdgeTree {
    pub(super) fn new(mut of_edges: Vec<(EdgeBox, EdgeId)>) -> Self {
        let curve = Curve::around(of_edges.iter().map(|(around, _)| around.middle()));
        of_edges.par_sort_by_cached_key(|(around, _)| curve.position(around.middle()));
        let count = of_edges.len();
        let mut boxes = Vec::with_capacity(count + count / (GROUP - 1) + GROUP);
        boxes.extend(of_edges.iter().map(|(around, _)| around));
        let edges = of_edges.iter().map(|(_, edge)| *edge).collect();
        let ends = ends(count);
        for level in 1..ends.len() {
            let start = if level > 1 { ends[level - 2] } else { 0 };
            let above: Vec<EdgeBox> = boxes[start..].chunks(GROUP).map(EdgeBox::around_all).collect();
            boxes.extend(above);
        }
        boxes.shrink_to_fit();
        Self { boxes: boxes.into(), ends, edges }
    }

    /// A tree of its arrays; `None` where they are none of one over so many edges.
    pub(super) fn of_arrays(boxes: Array<EdgeBox>, edges: Array<EdgeId>, all_edges: usize) -> Option<Self> {
        let ends = ends(edges.len());
        let is_whole = ends.last() == Some(&boxes.len()) && edges.iter().all(|edge| edge.index() < all_edges);
        is_whole.then_some(Self { boxes, ends, edges })
    }

    /// Its boxes, and its edges.
    pub(super) fn arrays(&self) -> (&Array<EdgeBox>, &Array<EdgeId>) {
        (&self.boxes, &self.edges)
    }

    /// The edges by how far their boxes are from a place, the nearest first, with these metres.
    pub(super) fn nearing(&self, at: Point) -> impl Iterator<Item = (EdgeId, f64)> + '_ {
        let start = |level: usize| if level == 0 { 0 } else { self.ends[level - 1] };
        // The bits of distances, which are never negative, are in their order.
        let found =
            move |level: usize, i: usize| Reverse((self.boxes[start(level) + i].distance_m(at).to_bits(), level, i));
        let top = self.ends.len() - 1;
        let mut ahead: BinaryHeap<_> = (0..self.ends[top] - start(top)).map(|i| found(top, i)).collect();
        std::iter::from_fn(move || {
            loop {
                let Reverse((bits, level, i)) = ahead.pop()?;
                let Some(below) = level.checked_sub(1) else { return Some((self.edges[i], f64::from_bits(bits))) };
                let group = i * GROUP..((i + 1) * GROUP).min(self.ends[below] - start(below));
                ahead.extend(group.map(|i| found(below, i)));
            }
        })
    }

    /// The edges whose boxes meet another box, with these.
    pub(super) fn meeting(&self, area: EdgeBox) -> impl Iterator<Item = (EdgeId, &EdgeBox)> {
        let starts = |level: usize| if level == 0 { 0 } else { self.ends[level - 1] };
        let top = self.ends.len() - 1;
        let (mut level, mut start) = (top, starts(top));
        // The next box to look at, and the end of its group: both counted from the start of the level.
        let (mut next, mut end) = (0, self.ends[top] - start);
        std::iter::from_fn(move || {
            loop {
                if let Some(met) = (next..end).find(|&i| self.boxes[start + i].meets(&area)) {
                    if level == 0 {
                        next = met + 1;
                        return Some((self.edges[met], &self.boxes[met]));
                    }
                    level -= 1;
                    start = starts(level);
                    next = met * GROUP;
                    end = (next + GROUP).min(self.ends[level] - start);
                } else if level == top {
                    next = end;
                    return None;
                } else {
                    // On beside the box around this group.
                    next = end.div_ceil(GROUP);
                    level += 1;
                    start = starts(level);
                    end = next.next_multiple_of(GROUP).min(self.ends[level] - start);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = EdgeBox> {
        let side = || prop_oneof![Just(0.0), 0.0..30.0, 0.0..2_000.0];
        (-1_000.0..1_000.0, -1_000.0..1_000.0, side(), side())
            .prop_map(|(x, y, width, height)| EdgeBox::around([Point { x, y }, Point { x: x + width, y: y + height }]))
    }

    proptest! {
        #[test]
        fn what_meets_a_box_is_found_once(
            boxes in (0_usize..1_200).prop_flat_map(|count| prop::collection::vec(any_box(), count)),
            areas in prop::collection::vec(any_box(), 1..20),
        ) {
            let numbered: Vec<(EdgeBox, EdgeId)> = boxes.into_iter().zip((0..).map(EdgeId)).collect();
            let tree = EdgeTree::new(numbered.clone());
            for area in &areas {
                let at = area.middle();
                let nearing: Vec<(EdgeId, f64)> = tree.nearing(at).collect();
                prop_assert!(nearing.is_sorted_by_key(|(_, metres)| *metres));
                prop_assert!(nearing.iter().all(|(edge, metres)| numbered[edge.index()].0.distance_m(at).total_cmp(metres).is_eq()));
                let mut edges: Vec<u32> = nearing.iter().map(|(edge, _)| edge.0).collect();
                edges.sort_unstable();
                prop_assert!(edges.into_iter().eq(0..numbered.len() as u32));
            }
            for area in areas {
                let mut found: Vec<(EdgeId, EdgeBox)> = tree.meeting(area).map(|(edge, around)| (edge, *around)).collect();
                found.sort_unstable_by_key(|(edge, _)| *edge);
                let truth = numbered.iter().filter(|(b, _)| {
                    let apart = |axis: usize| b.high[axis] < area.low[axis] || area.high[axis] < b.low[axis];
                    !apart(0) && !apart(1)
                });
                prop_assert_eq!(found, truth.map(|(around, edge)| (*edge, *around)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn full_groups_on_every_level_end_where_they_should() {
        for count in [0, 1, 15, 16, 17, 255, 256, 257, 4_095, 4_096, 4_097] {
            let place = |i: u32| Point { x: f64::from(i % 64), y: f64::from(i / 64) };
            let tree = EdgeTree::new((0..count).map(|i| (EdgeBox::around([place(i)]), EdgeId(i))).collect());
            let all = EdgeBox::around([place(0), Point { x: 64.0, y: 65.0 }]);
            let mut found: Vec<u32> = tree.meeting(all).map(|(edge, _)| edge.0).collect();
            found.sort_unstable();
            assert!(found.iter().copied().eq(0..count), "{count} edges");
        }
    }
}
