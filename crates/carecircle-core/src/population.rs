//! Population grids: children counted by cells, laid on the homes of a study.
//!
//! A cell's children go to the residential buildings inside it, else to the land of blocks in it, else to blocks that are
//! points in it; a cell that holds none of these is counted as unplaced. What a cell says is never lost: what is placed,
//! unplaced and beyond the extract adds up to what was given.

use crate::allocation::{Spot, SpotKind};
use crate::demand::Outline;
use crate::geometry::{LonLat, LonLatShape, Point, Projection, Shape};
use crate::polygon;
use geo::convex_hull::graham_hull;
use geo::{Area, BooleanOps, Coord, LineString, MultiPolygon, Polygon, Rect};
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::collections::BTreeMap;

/// A place belongs to the nearest point of a grid of points within this part of their spacing: the corner of a square cell
/// is 0.71 of it away, that of a hexagon 0.58.
const REACH_OF_POINT: f64 = 0.75;

/// Where a cell is, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub enum CellPlace {
    /// A point that stands for what lies nearest to it.
    Point(LonLat),
    /// The corners of a pixel, in order around it.
    Pixel([LonLat; 4]),
    /// A polygon.
    Shape(LonLatShape),
}

/// Children counted on a piece of ground.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationCell {
    /// Which ground.
    pub place: CellPlace,
    /// Children under three on it; nobody is an answer too.
    pub children: f64,
}

/// What became of a grid's children; the other three add up to what was given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GridBalance {
    /// Children in all cells.
    pub given: f64,
    /// Of them, on the ground of cells beyond the extract.
    pub beyond: f64,
    /// Placed on homes or blocks.
    pub placed: f64,
    /// In cells inside the extract that hold neither a home nor a block.
    pub unplaced: f64,
    /// Of those placed, in blocks whose own numbers, or areas whose totals, stand instead.
    pub overruled: f64,
    /// What the estimate would have said of the homes and the land in cells: far less than `placed` where a grid counts
    /// residents, not children.
    pub estimated: f64,
    /// What it would have said of those between cells, where a grid that leaves out empty cells says that nobody lives.
    pub between: f64,
}

/// A grid laid on spots.
pub(crate) struct Laid {
    /// By spot: its children by either weighting; `None` beyond the grid.
    pub(crate) children: Vec<Option<[f64; 2]>>,
    /// By spot, whether a cell holds it: between the cells of a grid nobody lives.
    pub(crate) in_cell: Vec<bool>,
    pub(crate) balance: GridBalance,
}

/// A cell on the plan.
struct Cell {
    /// A point has none.
    shape: Option<Shape>,
    middle: Point,
    /// Inside the extract.
    children: f64,
}

/// What a cell finds, by number of spot.
struct Share {
    /// The cell's children inside the extract.
    children: f64,
    reached: Vec<u32>,
    given: Vec<(u32, [f64; 2])>,
}

/// Whether a place inside a block, by its number, is its own and no smaller block's.
pub(crate) type IsOwn<'a> = dyn Fn(usize, Point) -> bool + Sync + 'a;

/// Points by which the ground in a cell is measured that blocks share.
const OWN_POINTS: usize = 64;

/// So many cells are laid at once.
const AT_ONCE: usize = 1 << 16;

/// Lays cells on the spots of blocks: their outlines, each with whether smaller blocks own some of it. Of cells that the extract's edge cuts, the part inside counts.
///
/// Grids leave out where nobody lives: a spot between cells has no children. Beyond the hull of all cells the grid says
/// nothing.
pub(crate) fn lay(
    cells: &[PopulationCell],
    (projection, extent): (&Projection, Option<(LonLat, LonLat)>),
    (outlines, is_own): (&[(&Outline, bool)], &IsOwn<'_>),
    spots: &[Spot],
) -> Laid {
    let hull = projection.project_shape(&hull(cells));
    let within = |spot: &Spot| polygon::contains(&hull, spot.at).then_some([0.0; 2]);
    let mut out = Laid {
        children: spots.par_iter().map(within).collect(),
        in_cell: vec![false; spots.len()],
        balance: GridBalance { given: cells.iter().map(|cell| cell.children).sum(), ..GridBalance::default() },
    };
    let ground = Ground::new(outlines, is_own, spots);
    for some in cells.chunks(AT_ONCE) {
        let drawn = some.par_iter().filter_map(|cell| drawn(cell, projection, extent));
        let shares: Vec<Share> = drawn.map(|cell| ground.share(&cell, ground.spots_in(&cell))).collect();
        out.take(shares);
    }
    let mut points: BTreeMap<LonLat, f64> = BTreeMap::new();
    for cell in cells {
        if let CellPlace::Point(at) = cell.place {
            *points.entry(at).or_default() += if is_inside(extent, at) { cell.children } else { 0.0 };
        }
    }
    let point = |(at, children)| Cell { shape: None, middle: projection.project(at), children };
    let points: Vec<Cell> = points.into_iter().map(point).collect();
    let nearest = nearest_spots(&points, spots);
    let shares: Vec<Share> =
        points.par_iter().zip(nearest).map(|(cell, reached)| ground.share(cell, reached)).collect();
    out.take(shares);
    let inside = out.balance.placed + out.balance.unplaced;
    out.balance.beyond = (out.balance.given - inside).max(0.0);
    out
}

impl Laid {
    fn take(&mut self, shares: Vec<Share>) {
        for share in shares {
            let balance = &mut self.balance;
            *(if share.given.is_empty() { &mut balance.unplaced } else { &mut balance.placed }) += share.children;
            for spot in share.reached {
                self.in_cell[spot as usize] = true;
                self.children[spot as usize].get_or_insert_default();
            }
            for (spot, given) in share.given {
                self.in_cell[spot as usize] = true;
                let sum = self.children[spot as usize].get_or_insert_default();
                *sum = [sum[0] + given[0], sum[1] + given[1]];
            }
        }
    }
}

/// What surrounds all cells.
fn hull(cells: &[PopulationCell]) -> LonLatShape {
    let corner = |at: &LonLat| Coord { x: at.lon(), y: at.lat() };
    let around = |cells: &[PopulationCell]| -> Vec<Coord<f64>> {
        let mut corners = Vec::new();
        for cell in cells {
            match &cell.place {
                CellPlace::Point(at) => corners.push(corner(at)),
                CellPlace::Pixel(around) => corners.extend(around.iter().map(corner)),
                CellPlace::Shape(shape) => corners.extend(shape.0.iter().flat_map(|p| p.exterior().0.iter().copied())),
            }
        }
        graham_hull(&mut corners, false).0
    };
    let hulls: Vec<Vec<Coord<f64>>> = cells.par_chunks(4_096).map(around).collect();
    MultiPolygon(vec![Polygon::new(graham_hull(&mut hulls.concat(), false), Vec::new())])
}

/// A cell that is no point, on the plan.
fn drawn(cell: &PopulationCell, projection: &Projection, extent: Option<(LonLat, LonLat)>) -> Option<Cell> {
    let degrees = match &cell.place {
        CellPlace::Point(_) => return None,
        CellPlace::Pixel(corners) => {
            let ring: LineString<f64> = corners.iter().map(|c| Coord { x: c.lon(), y: c.lat() }).collect();
            &MultiPolygon(vec![Polygon::new(ring, Vec::new())])
        }
        CellPlace::Shape(shape) => shape,
    };
    let shape = projection.project_shape(degrees);
    let middle = polygon::bounds(&shape).map_or(Point::default(), |b| (b.min() + b.max()) / 2.0);
    let children = cell.children * part_inside(degrees, extent);
    Some(Cell { shape: Some(shape), middle, children })
}

fn is_inside(extent: Option<(LonLat, LonLat)>, at: LonLat) -> bool {
    extent.is_none_or(|(low, high)| {
        (low.lon_e7..=high.lon_e7).contains(&at.lon_e7) && (low.lat_e7..=high.lat_e7).contains(&at.lat_e7)
    })
}

/// The part of a shape's ground that lies in the extract.
fn part_inside(shape: &LonLatShape, extent: Option<(LonLat, LonLat)>) -> f64 {
    let (Some((low, high)), Some(own)) = (extent, polygon::bounds(shape)) else { return 1.0 };
    let all = Rect::new(Coord { x: low.lon(), y: low.lat() }, Coord { x: high.lon(), y: high.lat() });
    let (own_low, own_high, all_low, all_high) = (own.min(), own.max(), all.min(), all.max());
    if own_low.x >= all_low.x && own_high.x <= all_high.x && own_low.y >= all_low.y && own_high.y <= all_high.y {
        return 1.0;
    }
    if own_low.x > all_high.x || own_high.x < all_low.x || own_low.y > all_high.y || own_high.y < all_low.y {
        return 0.0;
    }
    let whole = shape.unsigned_area();
    let inside = shape.intersection(&polygon::rectangle(all)).unsigned_area();
    if whole > 0.0 { (inside / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// For each point of a grid, the spots that are nearest to it, ascending.
fn nearest_spots(points: &[Cell], spots: &[Spot]) -> Vec<Vec<u32>> {
    let mut out = vec![Vec::new(); points.len()];
    let placed = points.iter().enumerate().map(|(i, p)| GeomWithData::new([p.middle.x, p.middle.y], i));
    let tree: RTree<GeomWithData<[f64; 2], usize>> = RTree::bulk_load(placed.collect());
    let to_next = |p: &Cell| {
        let mut near = tree.nearest_neighbor_iter_with_distance_2([p.middle.x, p.middle.y]);
        near.nth(1).map(|(_, d2)| d2)
    };
    let mut gaps: Vec<f64> = points.par_iter().filter_map(to_next).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let reach2 = gaps.get(gaps.len() / 2).map_or(f64::INFINITY, |d2| d2 * REACH_OF_POINT * REACH_OF_POINT);
    // Of equally near ones the first, which is the most western.
    let nearest = |spot: &Spot| {
        let mut near = tree.nearest_neighbor_iter_with_distance_2([spot.at.x, spot.at.y]);
        let (first, d2) = near.next().filter(|(_, d2)| *d2 <= reach2)?;
        near.take_while(|(_, other)| *other <= d2 + 1e-6).map(|(p, _)| p.data).chain([first.data]).min()
    };
    let owners: Vec<Option<usize>> = spots.par_iter().map(nearest).collect();
    for (owner, spot) in owners.into_iter().zip(0..) {
        if let Some(owner) = owner {
            out[owner].push(spot);
        }
    }
    out
}

/// Spots and blocks, to be asked what lies in a cell.
struct Ground<'a> {
    spots: &'a [Spot],
    tree: RTree<GeomWithData<[f64; 2], u32>>,
    shapes: Vec<Option<&'a Shape>>,
    /// By block, whether smaller ones own some of its shape.
    shares: Vec<bool>,
    is_own: &'a IsOwn<'a>,
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    /// By block, where its spots begin.
    first: Vec<usize>,
}

impl<'a> Ground<'a> {
    fn new(outlines: &[(&'a Outline, bool)], is_own: &'a IsOwn<'a>, spots: &'a [Spot]) -> Self {
        let shape = |(outline, _): &(&'a Outline, bool)| match outline {
            Outline::Shape(shape) => Some(shape),
            Outline::Point(_) => None,
        };
        let shapes: Vec<Option<&Shape>> = outlines.iter().map(shape).collect();
        let shares = outlines.iter().map(|(_, shares)| *shares).collect();
        let boxed = |(i, shape): (usize, Option<&Shape>)| {
            let b = polygon::bounds(shape?)?;
            Some(GeomWithData::new(Rectangle::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]), i))
        };
        let boxes = RTree::bulk_load(shapes.iter().copied().enumerate().filter_map(boxed).collect());
        let placed = spots.iter().zip(0..).map(|(spot, i)| GeomWithData::new([spot.at.x, spot.at.y], i));
        let first = (0..=shapes.len()).map(|block| spots.partition_point(|s| (s.block as usize) < block)).collect();
        Self { spots, tree: RTree::bulk_load(placed.collect()), shapes, shares, is_own, boxes, first }
    }

    /// Ascending.
    fn spots_in(&self, cell: &Cell) -> Vec<u32> {
        let Some(shape) = &cell.shape else { return Vec::new() };
        let Some(b) = polygon::bounds(shape) else { return Vec::new() };
        let envelope = AABB::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]);
        let near = self.tree.locate_in_envelope(envelope).map(|s| s.data);
        let mut inside: Vec<u32> = near.filter(|&s| polygon::contains(shape, self.spots[s as usize].at)).collect();
        inside.sort_unstable();
        inside
    }

    /// Shares a cell's children out.
    fn share(&self, cell: &Cell, reached: Vec<u32>) -> Share {
        let of_kind = |kind: SpotKind| -> Vec<u32> {
            reached.iter().copied().filter(|&s| self.spots[s as usize].kind == kind).collect()
        };
        let homes = of_kind(SpotKind::Home);
        let by_m2 = |spots: &[u32]| spots.iter().map(|&s| (s, self.spots[s as usize].m2)).collect::<Vec<_>>();
        let mut parts = by_m2(&homes);
        if parts.is_empty() {
            parts = match &cell.shape {
                Some(shape) => self.land_in(shape, cell.middle, &reached),
                None => by_m2(&of_kind(SpotKind::Land)),
            };
        }
        if parts.is_empty() {
            parts = of_kind(SpotKind::Whole).into_iter().map(|s| (s, [1.0; 2])).collect();
        }
        if parts.is_empty() && cell.shape.is_none() {
            parts.extend(self.block_around(cell.middle).map(|s| (s, [1.0; 2])));
        }
        let mut sums = [0.0; 2];
        for (_, m2) in &parts {
            sums = [sums[0] + m2[0], sums[1] + m2[1]];
        }
        let equal = 1.0 / parts.len() as f64;
        let share = |m2: f64, sum: f64| cell.children * if sum > 0.0 { m2 / sum } else { equal };
        let given = parts.into_iter().map(|(s, m2)| (s, [share(m2[0], sums[0]), share(m2[1], sums[1])])).collect();
        Share { children: cell.children, reached, given }
    }

    /// The land of blocks in a cell, square metres, each at the block's spots in it or else at the nearest.
    fn land_in(&self, shape: &Shape, middle: Point, reached: &[u32]) -> Vec<(u32, [f64; 2])> {
        let Some(b) = polygon::bounds(shape) else { return Vec::new() };
        let envelope = AABB::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]);
        let mut near: Vec<usize> = self.boxes.locate_in_envelope_intersecting(envelope).map(|b| b.data).collect();
        near.sort_unstable();
        let mut out = Vec::new();
        for block in near {
            let Some(outline) = self.shapes[block] else { continue };
            let both = outline.intersection(shape);
            let mut m2 = both.unsigned_area();
            if self.shares[block] {
                let all = polygon::scatter(&both, OWN_POINTS);
                let own = all.iter().filter(|&&at| (self.is_own)(block, at)).count();
                m2 *= own as f64 / all.len().max(1) as f64;
            }
            if m2 <= 0.0 {
                continue;
            }
            let own: Vec<u32> =
                reached.iter().copied().filter(|&s| self.spots[s as usize].block as usize == block).collect();
            let own = if own.is_empty() { self.nearest_of(block, middle).into_iter().collect() } else { own };
            let each = m2 / own.len().max(1) as f64;
            out.extend(own.into_iter().map(|s| (s, [each; 2])));
        }
        out
    }

    fn nearest_of(&self, block: usize, at: Point) -> Option<u32> {
        let away = |s: usize| (self.spots[s].at.x - at.x).powi(2) + (self.spots[s].at.y - at.y).powi(2);
        let own = self.first[block]..self.first[block + 1];
        own.min_by(|&a, &b| away(a).total_cmp(&away(b))).map(|s| s as u32)
    }

    /// The spot nearest to a point of the block on whose ground it lies.
    fn block_around(&self, at: Point) -> Option<u32> {
        let near = self.boxes.locate_in_envelope_intersecting(AABB::from_point([at.x, at.y])).map(|b| b.data);
        let mut around = near.filter(|&b| self.shapes[b].is_some_and(|shape| polygon::contains(shape, at)));
        around.find(|&block| (self.is_own)(block, at)).and_then(|block| self.nearest_of(block, at))
    }
}
