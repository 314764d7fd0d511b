//! Administrative areas on the plan, and how they nest.

use crate::geometry::{Point, Projection, Shape};
use crate::place::{Area, AreaLevel};
use crate::polygon::{self, ShapeIndex};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// An area on the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedArea {
    /// Stable id.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// The Chinese name.
    pub name_zh: Option<String>,
    /// The English name.
    pub name_en: Option<String>,
    /// Which level it is of.
    pub level: AreaLevel,
    /// The area that contains it, an index.
    pub parent: Option<usize>,
    /// Residents.
    pub population: Option<f64>,
    /// Children under three.
    pub under3: Option<f64>,
    /// Its outline on the plan.
    pub shape: Shape,
    /// Columns that pass through.
    pub other: BTreeMap<String, String>,
}

/// All areas of a study and their index.
pub struct Areas {
    all: Vec<PlacedArea>,
    sizes_m2: Vec<f64>,
    ids: BTreeMap<String, usize>,
    index: ShapeIndex,
}

impl Areas {
    /// Places areas on the plan and nests them: by the parent that a table names, else by geometry.
    pub fn new(projection: &Projection, areas: Vec<Area>) -> Self {
        let named: Vec<Option<String>> = areas.iter().map(|a| a.parent.clone()).collect();
        let areas: Vec<PlacedArea> = areas
            .into_iter()
            .map(|a| PlacedArea {
                shape: projection.project_shape(&a.shape),
                id: a.id,
                name: a.name,
                name_zh: a.name_zh,
                name_en: a.name_en,
                level: a.level,
                parent: None,
                population: a.population,
                under3: a.under3,
                other: a.other,
            })
            .collect();
        let sizes_m2 = areas.iter().map(|a| polygon::area_m2(&a.shape)).collect();
        let index = ShapeIndex::new(areas.iter().map(|a| &a.shape));
        let ids = areas.iter().enumerate().map(|(i, a)| (a.id.clone(), i)).collect();
        let mut out = Self { all: areas, sizes_m2, ids, index };
        let parents: Vec<Option<usize>> = named
            .into_iter()
            .enumerate()
            .map(|(i, id)| {
                // A parent that a table names must be of a larger level: a loop must not hang anybody.
                let by_name = id.and_then(|id| out.by_id(&id)).filter(|&p| out.all[p].level < out.all[i].level);
                by_name.or_else(|| out.parent_by_geometry(i))
            })
            .collect();
        for (area, parent) in out.all.iter_mut().zip(parents) {
            area.parent = parent;
        }
        out
    }

    /// The smallest area around another one that is larger than it, or as large and of a larger level.
    fn parent_by_geometry(&self, child: usize) -> Option<usize> {
        let inside = polygon::point_inside(&self.all[child].shape)?;
        let order = |a: usize, b: usize| self.by_size_then_level(a, b);
        self.index
            .containing(inside)
            .filter(|&a| self.all[a].level <= self.all[child].level && order(a, child) == Ordering::Greater)
            .filter(|&a| self.all[a].level < self.all[child].level || self.sizes_m2[a] > self.sizes_m2[child] * 1.001)
            .min_by(|&a, &b| order(a, b))
    }

    /// The smaller first; of equally large ones (a city of one district) the finer level, then the first.
    fn by_size_then_level(&self, a: usize, b: usize) -> Ordering {
        let (m2_a, m2_b) = (self.sizes_m2[a], self.sizes_m2[b]);
        let by_size =
            if (m2_a - m2_b).abs() <= 1e-6 * m2_a.max(m2_b) { Ordering::Equal } else { m2_a.total_cmp(&m2_b) };
        by_size.then(self.all[b].level.cmp(&self.all[a].level)).then(a.cmp(&b))
    }

    /// The areas, in stable order.
    pub fn all(&self) -> &[PlacedArea] {
        &self.all
    }

    /// The index of the area of that id.
    pub fn by_id(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// The index of the smallest area that contains a point.
    pub fn smallest_containing(&self, at: Point) -> Option<usize> {
        self.index.containing(at).min_by(|&a, &b| self.by_size_then_level(a, b))
    }

    /// An area and all that contain it, from the smallest.
    pub fn chain(&self, area: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(area, |&a| self.all[a].parent)
    }
}

impl std::fmt::Debug for Areas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}
