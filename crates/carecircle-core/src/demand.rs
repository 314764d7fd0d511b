//! Demand: the blocks that get a verdict, and the points inside them where children live.
//!
//! A block comes from the user's table, else from a residential polygon (cut where it is large), else from a cell over
//! homes that no polygon holds. Its demand points are its residential buildings, weighted by floor area, else an even
//! sample of the land that people may live on. Children under three are given, shared out from areas, laid from a
//! population grid, or estimated, and the block says which ([`crate::allocation`]).

use crate::allocation::{self, Allocation, Spot, SpotKind};
use crate::area::Areas;
use crate::geometry::{LonLat, LonLatShape, Point, Projection, Shape};
use crate::land::{Habitable, Land, OwnGround, Owners};
use crate::other::OtherColumns;
use crate::place::{Building, Home, Places, ResidentialArea};
use crate::polygon::{self, ShapeIndex, Tile, TileGrid};
use crate::population;
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
    pub other: OtherColumns,
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
    /// An area's total, shared out over its blocks by floor area, or as a population grid spreads them.
    Shared,
    /// A population grid.
    Grid,
    /// An estimate by the assumptions of this module.
    Estimated,
}

impl ChildrenFrom {
    /// Every source, from the one that overrules the others.
    pub const ALL: [Self; 4] = [Self::Given, Self::Shared, Self::Grid, Self::Estimated];

    /// The value of the property `demand`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Shared => "shared",
            Self::Grid => "grid",
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
    /// Where that number comes from, for most of them.
    pub children_from: ChildrenFrom,
    /// Whether it rests on nothing but the size of the land: no table, no area, no grid, no home on the map.
    pub from_land: bool,
    /// Which area it lies in: the one that it names, else the smallest where most of its children live; an index into the
    /// study's areas.
    pub area: Option<usize>,
    /// Which demand points are its own.
    pub points: Range<u32>,
    /// Columns of the user's table that pass through.
    pub other: OtherColumns,
}

/// A place inside a block where people live.
#[derive(Clone, Debug, PartialEq)]
pub struct DemandPoint {
    /// Where.
    pub at: Point,
    /// The part of the block's children that live here; a block's points sum to one.
    pub weight: f64,
    /// Children here if they were shared out by footprint rather than by floor area.
    pub children_by_footprint: f64,
    /// Which area it lies in: the one that its block names, else the smallest around it. Of a block across a border some
    /// points lie on either side.
    pub area: Option<usize>,
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
    /// Blocks of a table that smaller ones are drawn over: what they share is the smallest one's.
    pub overlapping: usize,
    /// Square metres that they give to smaller ones.
    pub overlapping_m2: f64,
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
    /// How the children were placed.
    pub allocation: Allocation,
    /// What making it found.
    pub report: DemandReport,
}

/// A block in the making.
struct Draft {
    id: String,
    name: Option<String>,
    outline: Outline,
    /// What of the outline is no smaller block's, where that is not all of it.
    own: Option<OwnGround>,
    /// What it lies on; nothing for a point.
    ground: Habitable,
    homes: Vec<Residence>,
    row: Option<BlockRow>,
}

/// A building's place, floor area and footprint.
#[derive(Clone, Copy)]
struct Residence {
    at: Point,
    floor_m2: f64,
    footprint_m2: f64,
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
            drafts.push(Draft { id, name, outline, own: None, ground, homes, row: None });
        }
        let under_cells = land.under_cells();
        let cell = |((zoom, tile), homes): ((u32, Tile), Vec<Residence>)| {
            let shape = projection.project_shape(&polygon::rectangle(TileGrid { zoom }.bounds(tile)));
            let ground = land.ground(&shape, &under_cells);
            let id = format!("c{zoom}-{}-{}", tile.x, tile.y);
            Draft { id, name: None, outline: Outline::Shape(shape), own: None, ground, homes, row: None }
        };
        drafts.par_extend(cells.into_par_iter().map(cell));
        Self::finish(drafts, (projection, places), areas, (&land, None), report)
    }

    /// One block for each row of a table, in its order; the map's residential buildings place its children.
    pub fn from_table(projection: &Projection, rows: Vec<BlockRow>, places: &Places, areas: &Areas) -> Self {
        let mut report = DemandReport::default();
        let land = Land::new(projection, places, &rows);
        let outline = |row: &BlockRow| match &row.place {
            BlockPlace::Point(at) => Outline::Point(projection.project(*at)),
            BlockPlace::Shape(shape) => Outline::Shape(projection.project_shape(shape)),
        };
        let outlines: Vec<Outline> = rows.par_iter().map(outline).collect();
        let empty = Shape::new(Vec::new());
        let shapes = outlines.iter().map(|outline| match outline {
            Outline::Shape(shape) => shape,
            Outline::Point(_) => &empty,
        });
        let shapes: Vec<&Shape> = shapes.collect();
        let owners = Owners::new(&shapes, &rows);
        let grounds: Vec<(Habitable, Option<OwnGround>)> =
            shapes.par_iter().enumerate().map(|(block, shape)| land.own_ground(block, shape, &owners)).collect();
        let given_m2 = grounds.iter().zip(&shapes).filter_map(|((_, own), shape)| Some(own.as_ref()?.given_m2(shape)));
        report.overlapping_m2 = given_m2.fold(0.0, |sum, m2| sum + m2);
        report.overlapping = grounds.iter().filter(|(_, own)| own.is_some()).count();
        let homes = homes(projection, places, &mut report);
        let of_homes: Vec<Option<usize>> = homes.par_iter().map(|(home, _)| owners.of(home.at)).collect();
        let draft = |((row, outline), (ground, own)): ((BlockRow, Outline), (Habitable, Option<OwnGround>))| Draft {
            id: row.id.clone(),
            name: row.name.clone(),
            outline,
            own,
            ground,
            homes: Vec::new(),
            row: Some(row),
        };
        let mut drafts: Vec<Draft> = rows.into_iter().zip(outlines).zip(grounds).map(draft).collect();
        for ((home, _), owner) in homes.iter().zip(of_homes) {
            if let Some(block) = owner {
                drafts[block].homes.push(*home);
            }
        }
        Self::finish(drafts, (projection, places), areas, (&land, Some(&owners)), report)
    }

    fn finish(
        drafts: Vec<Draft>,
        (projection, places): (&Projection, &Places),
        areas: &Areas,
        (land, owners): (&Land, Option<&Owners>),
        report: DemandReport,
    ) -> Self {
        let density = Density::of(&drafts);
        let spots_of = |(draft, block): (&Draft, usize)| {
            let named = draft.row.as_ref().and_then(|r| r.area.as_deref()).and_then(|area| areas.named(area));
            let mut spots = draft.spots(block as u32, land, &density);
            for spot in &mut spots {
                spot.area = areas.holding(spot.at, named);
            }
            spots
        };
        let numbers: Vec<usize> = (0..drafts.len()).collect();
        let by_block: Vec<Vec<Spot>> = drafts.par_iter().zip(numbers).map(spots_of).collect();
        let ends = by_block.iter().scan(0, |end, spots| {
            *end += spots.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let mut spots: Vec<Spot> = by_block.into_iter().flatten().collect();

        let mut allocation = Allocation::default();
        if let Some(cells) = &places.population {
            let is_own = |block: usize, at: Point| owners.is_none_or(|owners| owners.is_own(block, at));
            let grounds: Vec<(&Outline, bool)> = drafts.iter().map(|d| (&d.outline, d.own.is_some())).collect();
            let laid = population::lay(cells, (projection, places.extent), (&grounds, &is_own), &spots);
            let mut balance = laid.balance;
            for ((spot, laid), in_cell) in spots.iter_mut().zip(laid.children).zip(laid.in_cell) {
                let Some(laid) = laid else { continue };
                let estimate = spot.weights[0] * drafts[spot.block as usize].estimate(&density)[0];
                *(if in_cell { &mut balance.estimated } else { &mut balance.between }) += estimate;
                let row = drafts[spot.block as usize].row.as_ref();
                if row.is_some_and(|r| r.under3.is_some() || r.population.is_some()) {
                    balance.overruled += laid[0];
                    continue;
                }
                (spot.children, spot.from, spot.in_grid) = (laid, ChildrenFrom::Grid, true);
            }
            allocation.grid = Some(balance);
        }
        let in_grid: Vec<f64> = spots.iter().map(|s| if s.in_grid { s.children[0] } else { 0.0 }).collect();
        allocation.areas = allocation::share_out(areas, &mut spots);
        allocation.unplaced = allocation.areas.iter().fold(0.0, |sum, balance| sum + balance.unplaced);
        if let Some(grid) = &mut allocation.grid {
            let shared = spots.iter().zip(&in_grid).filter(|(spot, _)| spot.from == ChildrenFrom::Shared);
            grid.overruled += shared.map(|(_, laid)| laid).sum::<f64>();
        }

        let mut out = Self { land_m2_per_resident: density.land_m2_per_resident, report, ..Self::default() };
        for (draft, end) in drafts.into_iter().zip(ends) {
            let first = out.points.len();
            out.add(draft, &spots[first..end], &density, &mut allocation);
        }
        allocation.compare(areas, &out.blocks, &out.points);
        out.allocation = allocation;
        out
    }

    /// Adds a block with its points, now that their children are known.
    fn add(&mut self, draft: Draft, spots: &[Spot], density: &Density, allocation: &mut Allocation) {
        let first = self.points.len() as u32;
        // A number for the whole block is not taken apart and put together again.
        let untouched = spots.iter().all(|spot| spot.total_of.is_none() && !spot.in_grid);
        let alike = spots.iter().all(|spot| spot.total_of == spots[0].total_of && !spot.in_grid);
        let children = if untouched { draft.guess(density)[0] } else { spots.iter().map(|s| s.children[0]).sum() };
        let mut by_source = [0.0; ChildrenFrom::ALL.len()];
        for spot in spots {
            let reweighed = !alike && children > 0.0;
            let weight = if reweighed { spot.children[0] / children } else { spot.weights[0] };
            by_source[spot.from as usize] += weight;
            allocation.by_source[spot.from as usize] += children * weight;
            self.points.push(DemandPoint {
                at: spot.at,
                weight,
                children_by_footprint: spot.children[1],
                area: spot.area,
                doors: 0..0,
            });
        }
        let points = &self.points[first as usize..];
        let most =
            |a: ChildrenFrom, b: ChildrenFrom| if by_source[b as usize] >= by_source[a as usize] { b } else { a };
        let children_from = ChildrenFrom::ALL.into_iter().reduce(most).unwrap_or(ChildrenFrom::Estimated);
        let area = allocation::parts_by_area(points).into_iter().filter(|(area, _)| area.is_some());
        let area = area.reduce(|a, b| if b.1 > a.1 { b } else { a }).and_then(|(area, _)| area);
        let population = draft.row.as_ref().and_then(|r| r.population);
        self.blocks.push(Block {
            id: draft.id,
            name: draft.name,
            outline: draft.outline,
            population,
            children,
            children_from,
            from_land: draft.homes.is_empty() && children_from == ChildrenFrom::Estimated && population.is_none(),
            area,
            points: first..self.points.len() as u32,
            other: draft.row.map(|r| r.other).unwrap_or_default(),
        });
    }

    /// The areas that a block lies in, the smallest at each place, with the part of its children that live in each; those
    /// in none first. They sum to one.
    pub fn parts_by_area(&self, block: &Block) -> Vec<(Option<usize>, f64)> {
        allocation::parts_by_area(self.points_of(block))
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

    /// Children under three, as the table gives them or by its residents, else estimated; by floor area and by footprint.
    fn guess(&self, density: &Density) -> [f64; 2] {
        let row = self.row.as_ref();
        let told = row.and_then(|r| r.under3.or(r.population.map(|p| p * UNDER3_PER_RESIDENT)));
        told.map_or_else(|| self.estimate(density), |children| [children; 2])
    }

    /// As many children as may live there.
    fn estimate(&self, density: &Density) -> [f64; 2] {
        if self.homes.is_empty() {
            return [self.land_m2() / density.land_m2_per_resident * UNDER3_PER_RESIDENT; 2];
        }
        let footprint_m2: f64 = self.homes.iter().map(|h| h.footprint_m2).sum();
        [self.floor_m2(), footprint_m2 * density.storeys].map(|m2| m2 / FLOOR_M2_PER_RESIDENT * UNDER3_PER_RESIDENT)
    }

    /// Homes by size, else an even sample.
    fn spots(&self, block: u32, land: &Land, density: &Density) -> Vec<Spot> {
        let row = self.row.as_ref();
        let from = match row.and_then(|r| r.under3) {
            Some(_) => ChildrenFrom::Given,
            None => ChildrenFrom::Estimated,
        };
        let children = self.guess(density);
        let spot = |at: Point, kind: SpotKind, m2: [f64; 2], weights: [f64; 2]| {
            // What a table gives stands however it is weighed.
            let weights = if from == ChildrenFrom::Given { [weights[0]; 2] } else { weights };
            let children = [children[0] * weights[0], children[1] * weights[1]];
            Spot { at, block, area: None, kind, m2, weights, children, from, total_of: None, in_grid: false }
        };
        let floor_m2 = self.floor_m2();
        if floor_m2 > 0.0 {
            let footprint_m2: f64 = self.homes.iter().map(|h| h.footprint_m2).sum();
            let home = |h: &Residence| {
                let weights = [h.floor_m2 / floor_m2, h.footprint_m2 / footprint_m2];
                spot(h.at, SpotKind::Home, [h.floor_m2, h.footprint_m2], weights)
            };
            return self.homes.iter().map(home).collect();
        }
        let (kind, places) = match &self.outline {
            Outline::Point(at) => (SpotKind::Whole, vec![*at]),
            // Whom a table counts in a block that smaller ones cover must live somewhere in it.
            Outline::Shape(shape) => match self.own.as_ref().filter(|own| !own.places.is_empty()) {
                Some(own) => (SpotKind::Land, own.places.clone()),
                None => (SpotKind::Land, land.even_sample(shape, &self.ground)),
            },
        };
        let weight = 1.0 / places.len() as f64;
        places.into_iter().map(|at| spot(at, kind, [self.land_m2() * weight; 2], [weight; 2])).collect()
    }
}

/// How densely the city is settled.
struct Density {
    /// Square metres of residential land that a resident has where no home is mapped: what the blocks with homes tell, where
    /// there are enough of them.
    land_m2_per_resident: f64,
    /// Floor area over footprint of all homes, so that by either as many people live in the city.
    storeys: f64,
}

impl Density {
    fn of(drafts: &[Draft]) -> Self {
        let homes = || drafts.iter().flat_map(|draft| &draft.homes);
        let footprint_m2: f64 = homes().map(|h| h.footprint_m2).sum();
        let floor_m2: f64 = homes().map(|h| h.floor_m2).sum();
        let storeys = if footprint_m2 > 0.0 { floor_m2 / footprint_m2 } else { UNKNOWN_LEVELS };
        let telling: Vec<&Draft> = drafts.iter().filter(|d| !d.homes.is_empty() && d.land_m2() > 0.0).collect();
        if telling.len() < BLOCKS_THAT_TELL {
            return Self { land_m2_per_resident: LAND_M2_PER_RESIDENT, storeys };
        }
        let land: f64 = telling.iter().map(|d| d.land_m2()).sum();
        let residents: f64 = telling.iter().map(|d| d.floor_m2()).sum::<f64>() / FLOOR_M2_PER_RESIDENT;
        Self { land_m2_per_resident: (land / residents).max(LAND_M2_PER_RESIDENT), storeys }
    }
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
            let footprint_m2 = f64::from(b.footprint_m2);
            // A footprint of nothing still holds a home.
            let (floor_m2, footprint_m2) = ((footprint_m2 * levels).max(1.0), footprint_m2.max(1.0));
            (Residence { at: projection.project(b.at), floor_m2, footprint_m2 }, b.at)
        })
        .collect();
    report.homes = homes.len();
    report.not_homes = places.buildings.len() - homes.len();
    homes
}
