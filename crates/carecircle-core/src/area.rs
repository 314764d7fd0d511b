//! Administrative areas on the plan, and how they nest.

use crate::geometry::{Point, Projection, Shape};
use crate::place::{Area, AreaLevel};
use crate::polygon::{self, ShapeIndex};
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
            .map(|(i, id)| id.and_then(|id| out.by_id(&id)).or_else(|| out.parent_by_geometry(i)))
            .collect();
        for (i, parent) in parents.into_iter().enumerate() {
            // A parent must be larger in level or size: a table that names a loop must not hang anybody.
            let order = |a: usize| (out.all[a].level, -out.sizes_m2[a]);
            out.all[i].parent = parent.filter(|&p| order(p) < order(i));
        }
        out
    }

    fn parent_by_geometry(&self, child: usize) -> Option<usize> {
        let inside = polygon::point_inside(&self.all[child].shape)?;
        self.containing(inside)
            .filter(|&a| a != child && self.sizes_m2[a] > self.sizes_m2[child])
            .filter(|&a| self.all[a].level <= self.all[child].level)
            .min_by(|&a, &b| self.sizes_m2[a].total_cmp(&self.sizes_m2[b]).then(a.cmp(&b)))
    }

    fn containing(&self, at: Point) -> impl Iterator<Item = usize> + '_ {
        self.index.containing(at, |i| &self.all[i].shape)
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
        self.containing(at).min_by(|&a, &b| self.sizes_m2[a].total_cmp(&self.sizes_m2[b]).then(a.cmp(&b)))
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
