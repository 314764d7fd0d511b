//! Administrative areas on the plan, and how they nest.

use crate::geometry::{Point, Projection, Shape};
use crate::place::Area;
use crate::polygon::{self, ShapeIndex};
use geo::CoordsIter;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Areas that share less than this part of the smaller one's ground are neighbours whose border was drawn twice, by
/// different hands: a border five metres off along a side of a community of twenty hectares is a hundredth of it.
pub const SLIVER_SHARE: f64 = 0.02;
/// Points by which shared ground is measured, to about half a hundredth of the smaller area.
const SHARED_POINTS: usize = 1_024;
/// So many vertices of areas are looked at for [`Areas::overlaps`]: ten thousand areas with their neighbours, many times
/// over.
const MOST_VERTICES: usize = 20_000_000;

/// Two areas of one level that lie over each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Which, ascending.
    pub areas: [usize; 2],
    /// Square metres that they share, to about half a hundredth of the smaller one's.
    pub m2: f64,
}

/// All of them, in the order of the areas.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlaps {
    /// The pairs.
    pub pairs: Vec<Overlap>,
    /// Whether every pair was looked at; there were too many otherwise.
    pub is_all: bool,
}

/// All areas of a study: as they were given, on the plan, and how they nest.
pub struct Areas {
    all: Vec<Area>,
    shapes: Vec<Shape>,
    sizes_m2: Vec<f64>,
    parents: Vec<Option<usize>>,
    ids: BTreeMap<String, usize>,
    index: ShapeIndex,
}

impl Areas {
    /// Places areas on the plan and nests them: by the parent that a table names, else by geometry.
    pub fn new(projection: &Projection, all: Vec<Area>) -> Self {
        let shapes: Vec<Shape> = all.iter().map(|a| projection.project_shape(&a.shape)).collect();
        let sizes_m2 = shapes.iter().map(polygon::area_m2).collect();
        let index = ShapeIndex::new(shapes.iter());
        let ids = all.iter().enumerate().map(|(i, a)| (a.id.clone(), i)).collect();
        let mut out = Self { all, shapes, sizes_m2, parents: Vec::new(), ids, index };
        out.parents = (0..out.all.len()).map(|i| out.parent_by_name(i).or_else(|| out.parent_by_geometry(i))).collect();
        out
    }

    /// The parent that a table names. It must be of a larger level: a loop must not hang anybody.
    fn parent_by_name(&self, child: usize) -> Option<usize> {
        let named = self.all[child].parent.as_deref().and_then(|id| self.by_id(id));
        named.filter(|&p| self.all[p].level < self.all[child].level)
    }

    /// The smallest area around another one that is larger than it, or as large and of a larger level.
    fn parent_by_geometry(&self, child: usize) -> Option<usize> {
        let inside = polygon::point_inside(&self.shapes[child])?;
        let order = |a: usize, b: usize| self.by_size_then_level(a, b);
        self.index
            .containing(inside)
            .filter(|&a| self.all[a].level <= self.all[child].level && order(a, child) == Ordering::Greater)
            .filter(|&a| self.all[a].level < self.all[child].level || self.sizes_m2[a] > self.sizes_m2[child] * 1.001)
            .min_by(|&a, &b| order(a, b))
    }

    /// The smaller first; of equally large ones (a city of one district) the finer level, then the smaller id.
    fn by_size_then_level(&self, a: usize, b: usize) -> Ordering {
        let (m2_a, m2_b) = (self.sizes_m2[a], self.sizes_m2[b]);
        let by_size =
            if (m2_a - m2_b).abs() <= 1e-6 * m2_a.max(m2_b) { Ordering::Equal } else { m2_a.total_cmp(&m2_b) };
        by_size.then(self.all[b].level.cmp(&self.all[a].level)).then_with(|| self.all[a].id.cmp(&self.all[b].id))
    }

    /// The areas, in stable order.
    pub fn all(&self) -> &[Area] {
        &self.all
    }

    /// An area's outline on the plan.
    pub fn shape(&self, area: usize) -> &Shape {
        &self.shapes[area]
    }

    /// For each area, the one that contains it.
    pub fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }

    /// The index of the area of that id.
    pub fn by_id(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// The index of the area that a table means: by its id, else by a name that no other area has.
    pub fn named(&self, text: &str) -> Option<usize> {
        let is_called =
            |area: &Area| [&area.name, &area.name_zh, &area.name_en].into_iter().flatten().any(|n| n == text);
        self.by_id(text).or_else(|| {
            let mut called = (0..self.all.len()).filter(|&a| is_called(&self.all[a]));
            called.next().filter(|_| called.next().is_none())
        })
    }

    /// Areas of one level that lie over each other, neither inside the other by name or geometry; slivers left out, see
    /// [`SLIVER_SHARE`].
    pub fn overlaps(&self) -> Overlaps {
        let mut vertices = MOST_VERTICES;
        let mut near: Vec<[usize; 2]> = Vec::new();
        let mut is_all = true;
        'areas: for (area, shape) in self.shapes.iter().enumerate() {
            let Some(bounds) = polygon::bounds(shape) else { continue };
            for other in self.index.meeting(bounds).filter(|&other| other > area) {
                if self.all[other].level != self.all[area].level {
                    continue;
                }
                let all = shape.coords_count() + self.shapes[other].coords_count();
                let Some(left) = vertices.checked_sub(all) else {
                    is_all = false;
                    break 'areas;
                };
                vertices = left;
                near.push([area, other]);
            }
        }
        let shared = |areas: [usize; 2]| {
            let [a, b] = areas;
            if self.chain(Some(a)).any(|c| c == b) || self.chain(Some(b)).any(|c| c == a) {
                return None;
            }
            let (small, large) = if self.sizes_m2[a] <= self.sizes_m2[b] { (a, b) } else { (b, a) };
            let points = polygon::scatter(&self.shapes[small], SHARED_POINTS);
            let inside = points.iter().filter(|&&at| self.index.holds(large, at)).count();
            let share = inside as f64 / points.len().max(1) as f64;
            (share > SLIVER_SHARE).then_some(Overlap { areas, m2: share * self.sizes_m2[small] })
        };
        let mut pairs: Vec<Overlap> = near.into_par_iter().filter_map(shared).collect();
        pairs.sort_by_key(|overlap| overlap.areas);
        Overlaps { pairs, is_all }
    }

    /// The index of the area that counts a place: the smallest that contains it, but none outside the one it is said to
    /// lie in.
    pub fn holding(&self, at: Point, said: Option<usize>) -> Option<usize> {
        let smallest = self.smallest_containing(at);
        match said {
            Some(said) if !self.chain(smallest).any(|a| a == said) => Some(said),
            _ => smallest,
        }
    }

    /// The index of the smallest area that contains a point.
    pub fn smallest_containing(&self, at: Point) -> Option<usize> {
        self.index.containing(at).min_by(|&a, &b| self.by_size_then_level(a, b))
    }

    /// An area and all that contain it, from the smallest.
    pub fn chain(&self, area: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(area, |&a| self.parents[a])
    }
}

impl std::fmt::Debug for Areas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}
