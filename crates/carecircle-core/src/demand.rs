//! Demand: the blocks that get a verdict, and the points inside them where children live.
//!
//! A block comes from the user's table, else from a residential polygon (cut where it is large), else from a cell over
//! homes that no polygon holds. Its demand points are its residential buildings, weighted by floor area, else an even
//! sample. Children under three are given, shared out from areas, or estimated, and the block says which.

use crate::area::Areas;
use crate::geometry::{LonLat, LonLatShape, Point, Projection, Shape};
use crate::network::Snap;
use crate::place::{Building, Home, Places, ResidentialArea};
use crate::polygon::{self, ShapeIndex, Tile, TileGrid};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// No block is larger than this: about 20 hectares, the size of a large compound.
pub const LARGEST_BLOCK_M2: f64 = 200_000.0;

/// Children under three per resident: births in China 2021 to 2023 (10.62 + 9.56 + 9.02 million) over the population at
/// the end of 2023 (1,409.67 million), National Bureau of Statistics communiqués.
pub const UNDER3_PER_RESIDENT: f64 = 0.0207;

/// Dwelling floor area per resident in square metres: 41.76 in China's census of 2020.
pub const FLOOR_M2_PER_RESIDENT: f64 = 41.76;

/// Residential land per resident in square metres where no buildings are mapped: the middle of the planning standard
/// GB 50137-2011 (23 to 38, by climate).
pub const LAND_M2_PER_RESIDENT: f64 = 30.5;

/// Storeys of a building whose map entry doesn't tell: low, so that a mapped tower weighs more than a guess.
pub const UNKNOWN_LEVELS: f64 = 2.0;

/// Points of an even sample.
const SAMPLE_POINTS: usize = 16;
/// Points of an even sample stand no closer than this.
const SAMPLE_STEP_M: f64 = 30.0;
/// A piece of a cut polygon smaller than this and without a home is a sliver of the cut.
const SLIVER_M2: f64 = 2_500.0;
/// From this many homes per hectare on, a polygon's buildings are mapped well enough that a piece of it without any is
/// no home: a wood, a lake, a factory inside the city's one large polygon.
const MAPPED_HOMES_PER_HA: f64 = 1.0;

/// A block as a table gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockRow {
    /// Stable id.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// Where it is.
    pub place: BlockPlace,
    /// Residents.
    pub population: Option<f64>,
    /// Children under three.
    pub under3: Option<f64>,
    /// The id of its area, where the table tells.
    pub area: Option<String>,
    /// Columns that pass through as they came.
    pub other: BTreeMap<String, String>,
}

/// Where a block of a table is, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockPlace {
    /// A point: everybody lives there.
    Point(LonLat),
    /// A polygon.
    Shape(LonLatShape),
}

/// The drawing of a block, on the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// A point.
    Point(Point),
    /// A polygon or several.
    Shape(Shape),
}

/// Where the number of a block's children comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChildrenFrom {
    /// The user's block table.
    Given,
    /// An area's total, shared out over its blocks by floor area.
    Shared,
    /// An estimate by the assumptions of this module.
    Estimated,
}

impl ChildrenFrom {
    /// The value of the property `demand`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Shared => "shared",
            Self::Estimated => "estimated",
        }
    }
}

/// The unit that gets a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Stable id.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// Its drawing.
    pub outline: Outline,
    /// Residents, where known.
    pub population: Option<f64>,
    /// Children under three.
    pub children: f64,
    /// Where that number comes from.
    pub children_from: ChildrenFrom,
    /// Which area it lies in: the smallest that contains it, an index into the study's areas.
    pub area: Option<usize>,
    /// Which demand points are its own.
    pub points: Range<u32>,
    /// Columns of the user's table that pass through.
    pub other: BTreeMap<String, String>,
}

/// A place inside a block where people live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DemandPoint {
    /// Where.
    pub at: Point,
    /// The part of the block's children that live here; a block's points sum to one.
    pub weight: f64,
    /// Where it meets the network, unless too far from any street.
    pub snap: Option<Snap>,
}

/// What making the demand found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemandReport {
    /// Buildings that hold homes.
    pub homes: usize,
    /// Of them, those outside every block polygon, gathered in cells.
    pub homes_in_cells: usize,
    /// Buildings taken for no home because of the land they stand on.
    pub not_homes: usize,
    /// Residential polygons that were cut.
    pub polygons_cut: usize,
    /// Pieces of cut polygons left out because nobody lives there.
    pub empty_pieces: usize,
}

/// All blocks and their points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// The blocks, in stable order.
    pub blocks: Vec<Block>,
    /// Their demand points, block after block. Not yet snapped when made.
    pub points: Vec<DemandPoint>,
    /// What making it found.
    pub report: DemandReport,
}

/// A block in the making.
struct Draft {
    id: String,
    name: Option<String>,
    outline: Outline,
    homes: Vec<Residence>,
    row: Option<BlockRow>,
}

/// A building's place and floor area.
#[derive(Clone, Copy)]
struct Residence {
    at: Point,
    floor_m2: f64,
}

impl Demand {
    /// Blocks from a map's residential polygons, and cells over the homes outside them.
    pub fn from_places(projection: &Projection, places: &Places, areas: &Areas) -> Self {
        let mut report = DemandReport::default();
        let grid = TileGrid::with_tiles_up_to(LARGEST_BLOCK_M2, projection.centre().lat());
        let pieces: Vec<Vec<Piece>> =
            places.residential.par_iter().map(|area| Piece::cut(area, projection, grid)).collect();
        report.polygons_cut = pieces.iter().filter(|p| p.len() > 1).count();
        let pieces: Vec<Piece> = pieces.into_iter().flatten().collect();
        let homes = homes(projection, places, &mut report);
        let index = ShapeIndex::new(pieces.iter().map(|p| &p.shape));
        let owners: Vec<Option<usize>> =
            homes.par_iter().map(|(home, _)| index.first_containing(home.at, |i| &pieces[i].shape)).collect();

        let mut inside: Vec<Vec<Residence>> = vec![Vec::new(); pieces.len()];
        let mut cells: BTreeMap<Tile, Vec<Residence>> = BTreeMap::new();
        for ((home, at), owner) in homes.iter().zip(owners) {
            match owner {
                Some(piece) => inside[piece].push(*home),
                None => cells.entry(grid.tile_at(at.lon(), at.lat())).or_default().push(*home),
            }
        }
        report.homes_in_cells = cells.values().map(Vec::len).sum();

        let mut homes_of_source: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (piece, homes) in pieces.iter().zip(&inside) {
            let sum = homes_of_source.entry(&piece.source.id).or_default();
            *sum = (sum.0 + homes.len(), sum.1 + piece.area_m2);
        }
        let mut drafts = Vec::new();
        for (piece, homes) in pieces.iter().zip(inside) {
            let (count, whole_m2) = homes_of_source[piece.source.id.as_str()];
            let mapped = count as f64 >= MAPPED_HOMES_PER_HA * whole_m2 / 10_000.0;
            if piece.number.is_some() && homes.is_empty() && (mapped || piece.area_m2 < SLIVER_M2) {
                report.empty_pieces += 1;
                continue;
            }
            let id = match piece.number {
                Some(number) => format!("{}-{number}", piece.source.id),
                None => piece.source.id.clone(),
            };
            let outline = Outline::Shape(piece.shape.clone());
            drafts.push(Draft { id, name: piece.source.name.clone(), outline, homes, row: None });
        }
        for (tile, homes) in cells {
            drafts.push(Draft {
                id: format!("c{}-{}-{}", grid.zoom, tile.x, tile.y),
                name: None,
                outline: Outline::Shape(projection.project_shape(&polygon::rectangle(grid.bounds(tile)))),
                homes,
                row: None,
            });
        }
        Self::finish(drafts, areas, report)
    }

    /// One block for each row of a table, in its order; the map's residential buildings place its children.
    pub fn from_table(projection: &Projection, rows: Vec<BlockRow>, places: &Places, areas: &Areas) -> Self {
        let mut report = DemandReport::default();
        let mut drafts: Vec<Draft> = rows
            .into_iter()
            .map(|row| {
                let outline = match &row.place {
                    BlockPlace::Point(at) => Outline::Point(projection.project(*at)),
                    BlockPlace::Shape(shape) => Outline::Shape(projection.project_shape(shape)),
                };
                Draft { id: row.id.clone(), name: row.name.clone(), outline, homes: Vec::new(), row: Some(row) }
            })
            .collect();
        let homes = homes(projection, places, &mut report);
        let empty = Shape::new(Vec::new());
        let shape_of = |d: &Draft| match &d.outline {
            Outline::Shape(shape) => shape.clone(),
            Outline::Point(_) => empty.clone(),
        };
        let shapes: Vec<Shape> = drafts.iter().map(shape_of).collect();
        let index = ShapeIndex::new(shapes.iter());
        let owners: Vec<Option<usize>> =
            homes.par_iter().map(|(home, _)| index.first_containing(home.at, |i| &shapes[i])).collect();
        for ((home, _), owner) in homes.iter().zip(owners) {
            if let Some(block) = owner {
                drafts[block].homes.push(*home);
            }
        }
        Self::finish(drafts, areas, report)
    }

    fn finish(drafts: Vec<Draft>, areas: &Areas, report: DemandReport) -> Self {
        let spread: Vec<(Vec<DemandPoint>, f64)> = drafts.par_iter().map(spread).collect();
        let mut out = Self { report, ..Self::default() };
        for (draft, (points, residents)) in drafts.into_iter().zip(spread) {
            let first = out.points.len() as u32;
            // The area is that of the place where most of the block's children live.
            let heaviest = points.iter().reduce(|a, b| if b.weight > a.weight { b } else { a }).map(|p| p.at);
            out.points.extend(points);
            let row = draft.row;
            let population = row.as_ref().and_then(|r| r.population);
            let under3 = row.as_ref().and_then(|r| r.under3);
            let named = row.as_ref().and_then(|r| r.area.as_deref()).and_then(|id| areas.by_id(id));
            out.blocks.push(Block {
                id: draft.id,
                name: draft.name,
                outline: draft.outline,
                population,
                children: under3.unwrap_or_else(|| population.unwrap_or(residents) * UNDER3_PER_RESIDENT),
                children_from: if under3.is_some() { ChildrenFrom::Given } else { ChildrenFrom::Estimated },
                area: named.or_else(|| heaviest.and_then(|at| areas.smallest_containing(at))),
                points: first..out.points.len() as u32,
                other: row.map(|r| r.other).unwrap_or_default(),
            });
        }
        out.share_out(areas);
        out
    }

    /// Scales estimates so that each area with a total gets exactly that total. A block follows the smallest of its
    /// areas that has one; what an area's own sub-areas take, and blocks that a table gave children for, is taken off
    /// before the rest is shared out.
    fn share_out(&mut self, areas: &Areas) {
        let total_of = |area: usize| {
            let area = &areas.all()[area];
            area.under3.or(area.population.map(|p| p * UNDER3_PER_RESIDENT))
        };
        let source = |area: Option<usize>| areas.chain(area).find(|&a| total_of(a).is_some());
        let mut taken = vec![0.0; areas.all().len()];
        let mut estimated = vec![0.0; areas.all().len()];
        let mut inhabited = vec![false; areas.all().len()];
        for block in &self.blocks {
            areas.chain(block.area).for_each(|a| inhabited[a] = true);
            if let Some(area) = source(block.area) {
                let sums = if block.children_from == ChildrenFrom::Given { &mut taken } else { &mut estimated };
                sums[area] += block.children;
            }
        }
        for (i, area) in areas.all().iter().enumerate().filter(|(i, _)| inhabited[*i]) {
            if let (Some(total), Some(above)) = (total_of(i), source(area.parent)) {
                taken[above] += total;
            }
        }
        for block in &mut self.blocks {
            let Some(area) = source(block.area) else { continue };
            if block.children_from != ChildrenFrom::Given && estimated[area] > 0.0 {
                let rest = (total_of(area).unwrap_or(0.0) - taken[area]).max(0.0);
                block.children *= rest / estimated[area];
                block.children_from = ChildrenFrom::Shared;
            }
        }
    }

    /// A block's demand points.
    pub fn points_of(&self, block: &Block) -> &[DemandPoint] {
        &self.points[block.points.start as usize..block.points.end as usize]
    }
}

/// A block's demand points and its estimated residents.
fn spread(draft: &Draft) -> (Vec<DemandPoint>, f64) {
    let floor: f64 = draft.homes.iter().map(|h| h.floor_m2).sum();
    if floor > 0.0 {
        let point = |h: &Residence| DemandPoint { at: h.at, weight: h.floor_m2 / floor, snap: None };
        return (draft.homes.iter().map(point).collect(), floor / FLOOR_M2_PER_RESIDENT);
    }
    let (places, residents) = match &draft.outline {
        Outline::Point(at) => (vec![*at], 0.0),
        Outline::Shape(shape) => {
            (polygon::even_sample(shape, SAMPLE_POINTS, SAMPLE_STEP_M), polygon::area_m2(shape) / LAND_M2_PER_RESIDENT)
        }
    };
    let weight = 1.0 / places.len() as f64;
    (places.into_iter().map(|at| DemandPoint { at, weight, snap: None }).collect(), residents)
}

/// A residential polygon, or one piece of a large one.
struct Piece<'a> {
    source: &'a ResidentialArea,
    /// Its number among the pieces, from 1; `None` for a polygon left whole.
    number: Option<usize>,
    shape: Shape,
    area_m2: f64,
}

impl<'a> Piece<'a> {
    fn cut(source: &'a ResidentialArea, projection: &Projection, grid: TileGrid) -> Vec<Self> {
        let shape = projection.project_shape(&source.shape);
        let area_m2 = polygon::area_m2(&shape);
        if area_m2 <= LARGEST_BLOCK_M2 {
            return vec![Self { source, number: None, shape, area_m2 }];
        }
        let pieces = grid.cut(&source.shape).into_iter().enumerate().map(|(i, (_, piece))| {
            let shape = projection.project_shape(&piece);
            let area_m2 = polygon::area_m2(&shape);
            Self { source, number: Some(i + 1), shape, area_m2 }
        });
        pieces.collect()
    }
}

/// The buildings that hold homes, with their place on the plan and on the earth.
fn homes(projection: &Projection, places: &Places, report: &mut DemandReport) -> Vec<(Residence, LonLat)> {
    let index = ShapeIndex::new(places.other_use.iter());
    let lives_here = |b: &Building| {
        b.home == Home::Certain
            || index.first_containing(Point { x: b.at.lon(), y: b.at.lat() }, |i| &places.other_use[i]).is_none()
    };
    let homes: Vec<(Residence, LonLat)> = places
        .buildings
        .par_iter()
        .filter(|b| lives_here(b))
        .map(|b| {
            let levels = b.levels.map_or(UNKNOWN_LEVELS, f64::from);
            // A footprint of nothing still holds a home.
            let floor_m2 = (f64::from(b.footprint_m2) * levels).max(1.0);
            (Residence { at: projection.project(b.at), floor_m2 }, b.at)
        })
        .collect();
    report.homes = homes.len();
    report.not_homes = places.buildings.len() - homes.len();
    homes
}
