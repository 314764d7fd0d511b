//! Demand: the blocks that get a verdict, and the points inside them where children live.
//!
//! A block comes from the user's table, else from a residential polygon (cut where it is large), else from a cell over
//! homes that no polygon holds. Its demand points are its residential buildings, weighted by floor area, else an even
//! sample of the land that people may live on. Children under three are given, shared out from areas, or estimated, and
//! the block says which.

use crate::area::Areas;
use crate::geometry::{LonLat, LonLatShape, Point, Projection, Shape};
use crate::land::{Habitable, Land};
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

/// Residential land per resident in square metres where the extract has no homes to go by: the middle of the planning
/// standard GB 50137-2011 (23 to 38, by climate). Where it has, homeless land is taken to be as densely settled as the
/// land with homes beside it, never denser than this.
pub const LAND_M2_PER_RESIDENT: f64 = 30.5;
/// So many blocks with homes tell how densely a city is settled.
const BLOCKS_THAT_TELL: usize = 10;

/// Storeys of a building whose map entry doesn't tell: low, so that a mapped tower weighs more than a guess.
pub const UNKNOWN_LEVELS: f64 = 2.0;

/// A polygon over more tiles than this is no place where people live, but an error of the map.
const MOST_TILES: u64 = 40_000;
/// A piece of a cut polygon without a home is a sliver of the cut where people may live on less than this of it.
const SLIVER_M2: f64 = 2_500.0;
/// A polygon without a home of which so little is habitable is none: what is left are the gaps between its outline and
/// that of the lake or wood inside, which were drawn by different hands.
const LEAST_HABITABLE_SHARE: f64 = 0.05;
/// From this many homes per hectare of habitable land on, a polygon's buildings are mapped well enough that a piece of
/// it without any is no home: a wood, a lake, a factory inside the city's one large polygon.
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
    /// Whether it rests on nothing but the size of the land: no table, no area, no home on the map.
    pub from_land: bool,
    /// Which area it lies in: the smallest that contains it, an index into the study's areas.
    pub area: Option<usize>,
    /// Which demand points are its own.
    pub points: Range<u32>,
    /// Columns of the user's table that pass through.
    pub other: BTreeMap<String, String>,
}

/// A place inside a block where people live.
#[derive(Clone, Debug, PartialEq)]
pub struct DemandPoint {
    /// Where.
    pub at: Point,
    /// The part of the block's children that live here; a block's points sum to one.
    pub weight: f64,
    /// Where walks from it begin, indices into the study's doors; empty when no street is near enough. Set by the study.
    pub doors: Range<u32>,
}

/// What making the demand found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DemandReport {
    /// Buildings that hold homes.
    pub homes: usize,
    /// Of them, those whose storeys the map tells; the others count with [`UNKNOWN_LEVELS`].
    pub homes_with_levels: usize,
    /// Of them, those that the map calls homes; the others are taken for homes because nothing says otherwise.
    pub homes_certain: usize,
    /// Of them, those outside every block polygon, gathered in cells.
    pub homes_in_cells: usize,
    /// Buildings taken for no home because of the land they stand on.
    pub not_homes: usize,
    /// Residential polygons that were cut.
    pub polygons_cut: usize,
    /// Residential polygons and pieces left out because nobody lives there: all homes around are mapped and none is
    /// inside, or another residential polygon covers the same ground.
    pub empty_pieces: usize,
    /// Residential polygons and pieces without a home left out because they lie on water, woods, fields, parks or land
    /// of other use.
    pub uninhabited: usize,
    /// Residential polygons left out because they are larger than any city.
    pub polygons_too_large: usize,
    /// Polygons and pieces left out because they lie beyond the extract's edge, where no street was cut out with them.
    pub beyond_extract: usize,
}

/// All blocks and their points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// The blocks, in stable order.
    pub blocks: Vec<Block>,
    /// Their demand points, block after block. Without doors when made.
    pub points: Vec<DemandPoint>,
    /// Square metres of residential land for each resident that homeless land was estimated with.
    pub land_m2_per_resident: f64,
    /// What making it found.
    pub report: DemandReport,
}

/// A block in the making.
struct Draft {
    id: String,
    name: Option<String>,
    outline: Outline,
    /// What it lies on; nothing for a point.
    ground: Habitable,
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
        let land = Land::new(projection, places, &[]);
        let cut: Vec<Option<Vec<Piece>>> =
            places.residential.par_iter().map(|area| Piece::cut(area, projection, &land)).collect();
        report.polygons_too_large = cut.iter().filter(|pieces| pieces.is_none()).count();
        report.polygons_cut = cut.iter().flatten().filter(|pieces| pieces.len() > 1).count();
        let pieces: Vec<Piece> = cut.into_iter().flatten().flatten().collect();
        let index = ShapeIndex::new(pieces.iter().map(|p| &p.shape));
        // Of polygons drawn over each other the smallest says most about a home.
        let smallest = |at: Point| {
            let by_size = |a: &usize, b: &usize| pieces[*a].area_m2.total_cmp(&pieces[*b].area_m2).then(a.cmp(b));
            index.containing(at).min_by(by_size)
        };
        let homes = homes(projection, places, &mut report);
        let owners: Vec<Option<usize>> = homes.par_iter().map(|(home, _)| smallest(home.at)).collect();

        let mut inside: Vec<Vec<Residence>> = vec![Vec::new(); pieces.len()];
        let mut cells: BTreeMap<(u32, Tile), Vec<Residence>> = BTreeMap::new();
        for ((home, at), owner) in homes.iter().zip(owners) {
            if let Some(piece) = owner {
                inside[piece].push(*home);
            } else {
                let grid = TileGrid::with_tiles_up_to(LARGEST_BLOCK_M2, at.lat());
                cells.entry((grid.zoom, grid.tile_at(at.lon(), at.lat()))).or_default().push(*home);
            }
        }
        report.homes_in_cells = cells.values().map(Vec::len).sum();

        let keep = inhabited(&pieces, &inside, &index, projection, places, &mut report);
        let mut drafts = Vec::new();
        for ((piece, homes), keep) in pieces.iter().zip(inside).zip(keep) {
            if !keep {
                continue;
            }
            let id = match piece.number {
                Some(number) => format!("{}-{number}", piece.source.id),
                None => piece.source.id.clone(),
            };
            let name = piece.source.name.clone();
            let (outline, ground) = (Outline::Shape(piece.shape.clone()), piece.ground.clone());
            drafts.push(Draft { id, name, outline, ground, homes, row: None });
        }
        let under_cells = land.under_cells();
        let cell = |((zoom, tile), homes): ((u32, Tile), Vec<Residence>)| {
            let shape = projection.project_shape(&polygon::rectangle(TileGrid { zoom }.bounds(tile)));
            let ground = land.ground(&shape, &under_cells);
            let id = format!("c{zoom}-{}-{}", tile.x, tile.y);
            Draft { id, name: None, outline: Outline::Shape(shape), ground, homes, row: None }
        };
        drafts.par_extend(cells.into_par_iter().map(cell));
        Self::finish(drafts, areas, &land, report)
    }

    /// One block for each row of a table, in its order; the map's residential buildings place its children.
    pub fn from_table(projection: &Projection, rows: Vec<BlockRow>, places: &Places, areas: &Areas) -> Self {
        let mut report = DemandReport::default();
        let land = Land::new(projection, places, &rows);
        let mut drafts: Vec<Draft> = rows
            .into_par_iter()
            .map(|row| {
                let (outline, ground) = match &row.place {
                    BlockPlace::Point(at) => (Outline::Point(projection.project(*at)), Habitable::default()),
                    BlockPlace::Shape(shape) => {
                        let shape = projection.project_shape(shape);
                        let ground = land.ground(&shape, &land.backdrop(&shape));
                        (Outline::Shape(shape), ground)
                    }
                };
                Draft { id: row.id.clone(), name: row.name.clone(), outline, ground, homes: Vec::new(), row: Some(row) }
            })
            .collect();
        let homes = homes(projection, places, &mut report);
        let empty = Shape::new(Vec::new());
        let index = ShapeIndex::new(drafts.iter().map(|d| match &d.outline {
            Outline::Shape(shape) => shape,
            Outline::Point(_) => &empty,
        }));
        let owners: Vec<Option<usize>> = homes.par_iter().map(|(home, _)| index.containing(home.at).min()).collect();
        for ((home, _), owner) in homes.iter().zip(owners) {
            if let Some(block) = owner {
                drafts[block].homes.push(*home);
            }
        }
        Self::finish(drafts, areas, &land, report)
    }

    fn finish(drafts: Vec<Draft>, areas: &Areas, land: &Land, report: DemandReport) -> Self {
        let land_m2_per_resident = land_m2_per_resident(&drafts);
        let points: Vec<Vec<DemandPoint>> = drafts.par_iter().map(|draft| demand_points(draft, land)).collect();
        let area_of: Vec<Option<usize>> = points.par_iter().map(|points| area_of(points, areas)).collect();
        let mut out = Self { land_m2_per_resident, report, ..Self::default() };
        for ((draft, points), area) in drafts.into_iter().zip(points).zip(area_of) {
            let residents = draft.residents(land_m2_per_resident);
            let homeless = draft.homes.is_empty();
            let first = out.points.len() as u32;
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
                from_land: homeless && under3.is_none() && population.is_none(),
                area: named.or(area),
                points: first..out.points.len() as u32,
                other: row.map(|r| r.other).unwrap_or_default(),
            });
        }
        out.share_out(areas);
        out
    }

    /// Scales estimates so that each area with a total gets exactly that total. A block follows the smallest of its
    /// areas that has one; what smaller areas inside it got, and what a table gave to blocks, is taken off before the
    /// rest is shared out. Where nothing tells blocks apart they get equal parts.
    fn share_out(&mut self, areas: &Areas) {
        let total_of = |area: usize| {
            let area = &areas.all()[area];
            area.under3.or(area.population.map(|p| p * UNDER3_PER_RESIDENT))
        };
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); areas.all().len()];
        let mut got = vec![0.0; areas.all().len()];
        for (i, block) in self.blocks.iter().enumerate() {
            let source = areas.chain(block.area).find(|&a| total_of(a).is_some());
            if block.children_from == ChildrenFrom::Given {
                areas.chain(block.area).for_each(|a| got[a] += block.children);
            } else if let Some(source) = source {
                waiting[source].push(i);
            }
        }
        let mut deepest_first: Vec<usize> = (0..waiting.len()).filter(|&a| !waiting[a].is_empty()).collect();
        deepest_first.sort_by_key(|&a| std::cmp::Reverse(areas.chain(Some(a)).count()));
        for area in deepest_first {
            let rest = (total_of(area).unwrap_or(0.0) - got[area]).max(0.0);
            let estimated: f64 = waiting[area].iter().map(|&i| self.blocks[i].children).sum();
            let equal = 1.0 / waiting[area].len() as f64;
            for &i in &waiting[area] {
                let block = &mut self.blocks[i];
                block.children = rest * if estimated > 0.0 { block.children / estimated } else { equal };
                block.children_from = ChildrenFrom::Shared;
                block.from_land = false;
            }
            areas.chain(Some(area)).for_each(|a| got[a] += rest);
        }
    }

    /// A block's demand points.
    pub fn points_of(&self, block: &Block) -> &[DemandPoint] {
        &self.points[block.points.start as usize..block.points.end as usize]
    }
}

impl Draft {
    fn floor_m2(&self) -> f64 {
        self.homes.iter().map(|h| h.floor_m2).sum()
    }

    /// Square metres of habitable land; a point has none.
    fn land_m2(&self) -> f64 {
        self.ground.habitable_m2
    }

    /// How many people may live there.
    fn residents(&self, land_m2_per_resident: f64) -> f64 {
        if self.homes.is_empty() {
            self.land_m2() / land_m2_per_resident
        } else {
            self.floor_m2() / FLOOR_M2_PER_RESIDENT
        }
    }
}

/// How much land a resident has: what the blocks with homes tell, where there are enough of them.
fn land_m2_per_resident(drafts: &[Draft]) -> f64 {
    let telling: Vec<&Draft> = drafts.iter().filter(|d| !d.homes.is_empty() && d.land_m2() > 0.0).collect();
    if telling.len() < BLOCKS_THAT_TELL {
        return LAND_M2_PER_RESIDENT;
    }
    let land: f64 = telling.iter().map(|d| d.land_m2()).sum();
    let residents: f64 = telling.iter().map(|d| d.floor_m2()).sum::<f64>() / FLOOR_M2_PER_RESIDENT;
    (land / residents).max(LAND_M2_PER_RESIDENT)
}

/// Homes by floor area, else an even sample.
fn demand_points(draft: &Draft, land: &Land) -> Vec<DemandPoint> {
    let floor = draft.floor_m2();
    if floor > 0.0 {
        let point = |h: &Residence| DemandPoint { at: h.at, weight: h.floor_m2 / floor, doors: 0..0 };
        return draft.homes.iter().map(point).collect();
    }
    let places = match &draft.outline {
        Outline::Point(at) => vec![*at],
        Outline::Shape(shape) => land.even_sample(shape, &draft.ground),
    };
    let weight = 1.0 / places.len() as f64;
    places.into_iter().map(|at| DemandPoint { at, weight, doors: 0..0 }).collect()
}

/// The area where most of a block's children live; of equal ones the first.
fn area_of(points: &[DemandPoint], areas: &Areas) -> Option<usize> {
    let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
    for point in points {
        if let Some(area) = areas.smallest_containing(point.at) {
            *weights.entry(area).or_default() += point.weight;
        }
    }
    weights.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(area, _)| area)
}

/// Which pieces people live on. One without a home stays only if the map may have missed its homes: its polygon has few
/// for its size, no other residential polygon covers the same ground, it has land that people may live on, and it lies
/// inside the extract.
fn inhabited(
    pieces: &[Piece<'_>],
    inside: &[Vec<Residence>],
    index: &ShapeIndex,
    projection: &Projection,
    places: &Places,
    report: &mut DemandReport,
) -> Vec<bool> {
    let mut of_source: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (piece, homes) in pieces.iter().zip(inside) {
        let sum = of_source.entry(&piece.source.id).or_default();
        *sum = (sum.0 + homes.len(), sum.1 + piece.ground.habitable_m2);
    }
    let middles: Vec<Option<Point>> = pieces.par_iter().map(|p| polygon::point_inside(&p.shape)).collect();
    // Of two pieces on the same ground, one without a home gives way to one with homes, else to the larger.
    let mut overlapped = vec![false; pieces.len()];
    let gives_way = |i: usize, other: usize| match (inside[i].is_empty(), inside[other].is_empty()) {
        (true, true) => (pieces[i].area_m2, other) < (pieces[other].area_m2, i),
        (homeless, _) => homeless,
    };
    for (i, middle) in middles.iter().enumerate() {
        for other in middle.iter().flat_map(|&at| index.containing(at)).filter(|&other| other != i) {
            overlapped[i] |= gives_way(i, other);
            overlapped[other] |= gives_way(other, i);
        }
    }
    let beyond = |middle: Option<Point>| {
        let (Some((low, high)), Some(middle)) = (places.extent, middle) else { return false };
        let (lon, lat) = projection.unproject(middle);
        lon < low.lon() || lon > high.lon() || lat < low.lat() || lat > high.lat()
    };
    let stays = |(i, piece): (usize, &Piece<'_>)| {
        if !inside[i].is_empty() {
            return true;
        }
        let (homes, habitable_m2) = of_source[piece.source.id.as_str()];
        let mapped = homes > 0 && homes as f64 >= MAPPED_HOMES_PER_HA * habitable_m2 / 10_000.0;
        let is_cut = piece.number.is_some();
        if overlapped[i] || is_cut && (mapped || piece.area_m2 < SLIVER_M2) {
            report.empty_pieces += 1;
            return false;
        }
        let least_m2 = (LEAST_HABITABLE_SHARE * piece.area_m2).max(if is_cut { SLIVER_M2 } else { 0.0 });
        if piece.ground.habitable_m2 < least_m2 {
            report.uninhabited += 1;
            return false;
        }
        if beyond(middles[i]) {
            report.beyond_extract += 1;
            return false;
        }
        true
    };
    pieces.iter().enumerate().map(stays).collect()
}

/// A residential polygon, or one piece of a large one.
struct Piece<'a> {
    source: &'a ResidentialArea,
    /// Its number among the pieces, from 1; `None` for a polygon left whole.
    number: Option<usize>,
    shape: Shape,
    area_m2: f64,
    ground: Habitable,
}

impl<'a> Piece<'a> {
    /// A polygon whole, or the pieces of a large one; `None` for one that is larger than any city.
    fn cut(source: &'a ResidentialArea, projection: &Projection, land: &Land) -> Option<Vec<Self>> {
        let whole = projection.project_shape(&source.shape);
        let backdrop = land.backdrop(&whole);
        let piece = |number: Option<usize>, shape: Shape| {
            let ground = land.ground(&shape, &backdrop);
            Self { source, number, area_m2: polygon::area_m2(&shape), shape, ground }
        };
        if polygon::area_m2(&whole) <= LARGEST_BLOCK_M2 {
            return Some(vec![piece(None, whole)]);
        }
        // The grid of the polygon's own latitude, so that no other part of the extract changes its pieces.
        let lat = polygon::bounds(&source.shape).map_or(0.0, |b| f64::midpoint(b.min().y, b.max().y));
        let pieces = TileGrid::with_tiles_up_to(LARGEST_BLOCK_M2, lat).cut(&source.shape, MOST_TILES)?;
        let pieces: Vec<(usize, Shape)> =
            pieces.iter().enumerate().map(|(i, (_, shape))| (i + 1, projection.project_shape(shape))).collect();
        Some(pieces.into_par_iter().map(|(number, shape)| piece(Some(number), shape)).collect())
    }
}

/// The buildings that hold homes, with their place on the plan and on the earth.
fn homes(projection: &Projection, places: &Places, report: &mut DemandReport) -> Vec<(Residence, LonLat)> {
    let index = ShapeIndex::new(places.other_use.iter());
    let lives_here = |b: &Building| {
        b.home == Home::Certain || index.containing(Point { x: b.at.lon(), y: b.at.lat() }).next().is_none()
    };
    let lived_in: Vec<&Building> = places.buildings.par_iter().filter(|b| lives_here(b)).collect();
    report.homes_with_levels = lived_in.iter().filter(|b| b.levels.is_some()).count();
    report.homes_certain = lived_in.iter().filter(|b| b.home == Home::Certain).count();
    let homes: Vec<(Residence, LonLat)> = lived_in
        .par_iter()
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
