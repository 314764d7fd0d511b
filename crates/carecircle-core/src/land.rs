//! The ground of blocks: whose it is where they are drawn over each other, and what of it is land where nobody lives:
//! water, woods, fields, parks and pitches, and land of other use.
//!
//! It says which ground of a block may hold children of whom no home is mapped. It never says that a mapped home is
//! none: a house in the wood is a house.

use crate::demand::{BlockPlace, BlockRow, LARGEST_BLOCK_M2};
use crate::geometry::{LonLatShape, Point, Projection, Shape};
use crate::place::{Building, Places};
use crate::polygon::{self, ShapeIndex, TileGrid};
use rayon::prelude::*;
use rstar::primitives::Rectangle;
use rstar::{AABB, RTree};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Points of an even sample.
const SAMPLE_POINTS: usize = 16;
/// Points of an even sample stand no closer than this.
const SAMPLE_STEP_M: f64 = 30.0;
/// Points by which ground is measured: a share is then known to about two hundredths.
const MEASURE_POINTS: usize = 128;

/// Points by which the ground is measured that a block shares with smaller ones: to about half a hundredth.
const SHARED_POINTS: usize = 1_024;

/// Beside more smaller blocks than this the ground is measured by fewer points, down to [`MEASURE_POINTS`].
const MANY_BLOCKS: usize = 1_000;

/// Blocks of a table, which may be drawn over each other: of all ground the smallest block that holds it is the owner, as
/// it is of the homes on it. Asked point by point, so that no drawing, however often it crosses itself and others, makes
/// it fail.
pub(crate) struct Owners {
    index: ShapeIndex,
    /// By block, its place among all, the smallest first.
    rank: Vec<usize>,
}

/// What a block owns of its ground, where it shares some with smaller ones.
#[derive(Clone)]
pub(crate) struct OwnGround {
    /// The part of its shape.
    share: f64,
    /// The part of its shape that people may live on, and places spread evenly over it.
    habitable_share: f64,
    pub(crate) places: Vec<Point>,
}

impl Owners {
    /// Blocks that are points have empty shapes; of equally large ones the smaller id comes first.
    pub(crate) fn new(shapes: &[&Shape], rows: &[BlockRow]) -> Self {
        let sizes_m2: Vec<f64> = shapes.iter().map(|shape| polygon::area_m2(shape)).collect();
        let mut smallest_first: Vec<usize> = (0..rows.len()).collect();
        smallest_first.sort_by(|&a, &b| sizes_m2[a].total_cmp(&sizes_m2[b]).then_with(|| rows[a].id.cmp(&rows[b].id)));
        let mut rank = vec![0; rows.len()];
        for (place, block) in smallest_first.into_iter().enumerate() {
            rank[block] = place;
        }
        Self { index: ShapeIndex::new(shapes.iter().copied()), rank }
    }

    /// Whose ground a place is.
    pub(crate) fn of(&self, at: Point) -> Option<usize> {
        self.index.containing(at).min_by_key(|&block| self.rank[block])
    }

    /// Whether a place inside a block is its own.
    pub(crate) fn is_own(&self, block: usize, at: Point) -> bool {
        !self.index.containing(at).any(|other| self.rank[other] < self.rank[block])
    }
}

impl OwnGround {
    /// What of its ground a block owns; `None` where that is all.
    fn of(block: usize, shape: &Shape, owners: &Owners, is_clear: impl Fn(Point) -> bool) -> Option<Self> {
        let near = owners.index.meeting(polygon::bounds(shape)?);
        let smaller = near.filter(|&other| owners.rank[other] < owners.rank[block]).count();
        if smaller == 0 {
            return None;
        }
        // Thousands of blocks around one place are an error of the table, over which nobody should wait.
        let fewer = SHARED_POINTS * MANY_BLOCKS / smaller.max(MANY_BLOCKS);
        let all = polygon::scatter(shape, fewer.max(MEASURE_POINTS));
        let share = |points: &[Point]| points.len() as f64 / all.len().max(1) as f64;
        let mut places: Vec<Point> = all.iter().copied().filter(|&at| owners.is_own(block, at)).collect();
        if places.len() == all.len() {
            return None;
        }
        let own = share(&places);
        places.retain(|&at| is_clear(at));
        let habitable_share = share(&places);
        places.truncate(SAMPLE_POINTS);
        Some(Self { share: own, habitable_share, places })
    }

    /// Square metres that a block of this shape gives to smaller ones.
    pub(crate) fn given_m2(&self, shape: &Shape) -> f64 {
        (1.0 - self.share) * polygon::area_m2(shape)
    }
}

/// All land of an extract where nobody lives.
pub(crate) struct Land {
    /// Land of other use, then the rest.
    index: ShapeIndex,
    other_uses: usize,
    /// Square metres of each shape in the index.
    areas_m2: Vec<f64>,
}

/// What a block lies on.
#[derive(Clone, Default)]
pub(crate) struct Habitable {
    /// Square metres that people may live on.
    pub(crate) habitable_m2: f64,
    backdrop: Backdrop,
}

/// The shapes of a [`Land`] that a polygon is drawn on, not around: they take nothing off.
#[derive(Clone, Default)]
pub(crate) struct Backdrop {
    /// Every shape of a lower number.
    below: usize,
    also: Arc<[usize]>,
}

impl Backdrop {
    fn holds(&self, land: usize) -> bool {
        land < self.below || self.also.contains(&land)
    }
}

impl Land {
    /// The land that may lie under a block: under residential land, a cell over homes, or one of the `rows` of a table.
    /// Forests far from any home are most of some extracts.
    pub(crate) fn new(projection: &Projection, places: &Places, rows: &[BlockRow]) -> Self {
        let blocks = places.residential.iter().filter_map(|land| polygon::bounds(&land.shape));
        let rows = rows.iter().filter_map(|row| match &row.place {
            BlockPlace::Shape(shape) => polygon::bounds(shape),
            BlockPlace::Point(_) => None,
        });
        let tile = |home: &Building| {
            let grid = TileGrid::with_tiles_up_to(LARGEST_BLOCK_M2, home.at.lat());
            (grid.zoom, grid.tile_at(home.at.lon(), home.at.lat()))
        };
        let cells: BTreeSet<_> = places.buildings.iter().map(tile).collect();
        let cells = cells.into_iter().map(|(zoom, tile)| TileGrid { zoom }.bounds(tile));
        let boxes = blocks
            .chain(rows)
            .chain(cells)
            .map(|b| Rectangle::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]));
        let blocks: RTree<Rectangle<[f64; 2]>> = RTree::bulk_load(boxes.collect());
        let lies_under = |shape: &&LonLatShape| {
            polygon::bounds(shape).is_some_and(|b| {
                let around = AABB::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]);
                blocks.locate_in_envelope_intersecting(around).next().is_some()
            })
        };
        let mut drawn: Vec<&LonLatShape> = places.other_use.iter().filter(lies_under).collect();
        let other_uses = drawn.len();
        drawn.extend(places.uninhabited.iter().filter(lies_under));
        let shapes: Vec<Shape> = drawn.into_par_iter().map(|shape| projection.project_shape(shape)).collect();
        let areas_m2 = shapes.iter().map(polygon::area_m2).collect();
        Self { index: ShapeIndex::new(shapes.iter()), other_uses, areas_m2 }
    }

    /// What cells over scattered homes lie on. Homes that are certain stand on land of any use, on a campus or above
    /// shops, so that only nature is taken off.
    pub(crate) fn under_cells(&self) -> Backdrop {
        Backdrop { below: self.other_uses, also: Arc::default() }
    }

    /// The land that a polygon is drawn on. Of polygons drawn over each other the smaller one says more about the
    /// ground they share: a hamlet in a forest without a hole for it, dormitories on a campus. So land is a backdrop
    /// where it is no smaller than the polygon and under most of it.
    pub(crate) fn backdrop(&self, outline: &Shape) -> Backdrop {
        let area_m2 = polygon::area_m2(outline);
        let larger: Vec<usize> = self.near(outline).filter(|&land| self.areas_m2[land] >= area_m2).collect();
        if larger.is_empty() {
            return Backdrop::default();
        }
        let sample = polygon::scatter(outline, SAMPLE_POINTS);
        let points_on = |land: usize| sample.iter().filter(|&&at| self.index.holds(land, at)).count();
        Backdrop { below: 0, also: larger.into_iter().filter(|&land| 2 * points_on(land) > sample.len()).collect() }
    }

    /// What a block, or a piece of the polygon that the backdrop was found for, lies on.
    pub(crate) fn ground(&self, shape: &Shape, backdrop: &Backdrop) -> Habitable {
        let mut habitable_m2 = polygon::area_m2(shape);
        let taken_off = self.taken_off(shape, backdrop);
        if !taken_off.is_empty() {
            let all = polygon::scatter(shape, MEASURE_POINTS);
            let habitable = all.iter().filter(|&&at| self.is_clear_of(&taken_off, at)).count();
            habitable_m2 *= habitable as f64 / all.len().max(1) as f64;
        }
        Habitable { habitable_m2, backdrop: backdrop.clone() }
    }

    /// What a block of a table lies on, and what of that is its own where smaller ones are drawn over it.
    pub(crate) fn own_ground(&self, block: usize, shape: &Shape, owners: &Owners) -> (Habitable, Option<OwnGround>) {
        let backdrop = self.backdrop(shape);
        let taken_off = self.taken_off(shape, &backdrop);
        match OwnGround::of(block, shape, owners, |at| self.is_clear_of(&taken_off, at)) {
            None => (self.ground(shape, &backdrop), None),
            Some(own) => {
                let habitable_m2 = own.habitable_share * polygon::area_m2(shape);
                (Habitable { habitable_m2, backdrop }, Some(own))
            }
        }
    }

    /// Points spread evenly over the habitable part of a shape; over the whole where there is no such part.
    pub(crate) fn even_sample(&self, shape: &Shape, ground: &Habitable) -> Vec<Point> {
        let taken_off = self.taken_off(shape, &ground.backdrop);
        let habitable = |points: Vec<Point>| -> Vec<Point> {
            points.into_iter().filter(|&at| self.is_clear_of(&taken_off, at)).collect()
        };
        let share = ground.habitable_m2 / polygon::area_m2(shape);
        let wanted = ((SAMPLE_POINTS as f64 / share).round() as usize).clamp(SAMPLE_POINTS, MEASURE_POINTS);
        let mut points = habitable(polygon::even_sample(shape, wanted, SAMPLE_STEP_M));
        if points.is_empty() {
            // Too narrow for so wide a step.
            points = habitable(polygon::scatter(shape, MEASURE_POINTS));
            points.truncate(SAMPLE_POINTS);
        }
        if points.is_empty() { polygon::even_sample(shape, SAMPLE_POINTS, SAMPLE_STEP_M) } else { points }
    }

    /// The land that may lie on a shape: their boxes meet.
    fn near(&self, shape: &Shape) -> impl Iterator<Item = usize> + '_ {
        polygon::bounds(shape).into_iter().flat_map(|bounds| self.index.meeting(bounds))
    }

    /// The land near a shape that is not its backdrop. Few, so that a point is asked of each and not of the index.
    fn taken_off(&self, shape: &Shape, backdrop: &Backdrop) -> Vec<usize> {
        self.near(shape).filter(|&land| !backdrop.holds(land)).collect()
    }

    fn is_clear_of(&self, taken_off: &[usize], at: Point) -> bool {
        !taken_off.iter().any(|&land| self.index.holds(land, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::LonLat;
    use crate::place::ResidentialArea;
    use geo::{Coord, Rect};

    /// A rectangle in metres around a place at 47° north.
    fn rectangle(low: (f64, f64), high: (f64, f64)) -> Shape {
        polygon::rectangle(Rect::new(Coord::from(low), Coord::from(high)))
    }

    fn plan() -> Projection {
        Projection::new(LonLat { lon_e7: 288_000_000, lat_e7: 470_000_000 })
    }

    fn land(uninhabited: &[Shape], other_use: &[Shape]) -> Land {
        let degrees = |shapes: &[Shape]| shapes.iter().map(|shape| plan().unproject_shape(shape)).collect();
        let (uninhabited, other_use) = (degrees(uninhabited), degrees(other_use));
        // Residential land as wide as the tests.
        let wide = plan().unproject_shape(&rectangle((-9_000.0, -9_000.0), (9_000.0, 9_000.0)));
        let residential = vec![ResidentialArea { id: "w1".to_owned(), name: None, shape: wide }];
        Land::new(&plan(), &Places { residential, other_use, uninhabited, ..Places::default() }, &[])
    }

    fn share(land: &Land, shape: &Shape) -> f64 {
        land.ground(shape, &land.backdrop(shape)).habitable_m2 / polygon::area_m2(shape)
    }

    #[test]
    fn what_lies_on_water_or_a_factory_is_taken_off() {
        let block = rectangle((0.0, 0.0), (300.0, 300.0));
        let lake = rectangle((150.0, -50.0), (400.0, 350.0));
        let works = rectangle((0.0, 0.0), (150.0, 150.0));
        assert!((share(&land(&[], &[]), &block) - 1.0).abs() < 1e-9);
        assert!((share(&land(std::slice::from_ref(&lake), &[]), &block) - 0.5).abs() < 0.03);
        let land = land(std::slice::from_ref(&lake), &[works]);
        assert!((share(&land, &block) - 0.25).abs() < 0.03);
        let sample = land.even_sample(&block, &land.ground(&block, &land.backdrop(&block)));
        assert!((12..=24).contains(&sample.len()), "{}", sample.len());
        assert!(sample.iter().all(|p| p.x < 150.01 && p.y > 149.99));
    }

    #[test]
    fn a_polygon_in_larger_land_is_drawn_on_it_and_one_beside_it_is_not() {
        let hamlet = rectangle((0.0, 0.0), (200.0, 200.0));
        assert!((share(&land(&[rectangle((-900.0, -900.0), (900.0, 900.0))], &[]), &hamlet) - 1.0).abs() < 1e-9);
        // Under most of it.
        assert!((share(&land(&[rectangle((40.0, -900.0), (900.0, 900.0))], &[]), &hamlet) - 1.0).abs() < 1e-9);
        // At its edge.
        assert!((share(&land(&[rectangle((140.0, -900.0), (900.0, 900.0))], &[]), &hamlet) - 0.7).abs() < 0.03);
    }

    #[test]
    fn a_strip_between_shores_is_found() {
        let block = rectangle((0.0, 0.0), (400.0, 400.0));
        let lakes = [rectangle((-10.0, -10.0), (204.0, 410.0)), rectangle((216.0, -10.0), (410.0, 410.0))];
        let land = land(&lakes, &[]);
        let sample = land.even_sample(&block, &land.ground(&block, &land.backdrop(&block)));
        assert!(!sample.is_empty() && sample.iter().all(|p| p.x > 203.99 && p.x < 216.01), "{sample:?}");
    }

    #[test]
    fn a_block_that_a_table_puts_into_the_water_has_points_all_the_same() {
        let block = rectangle((0.0, 0.0), (200.0, 200.0));
        // A lake of the very block would be what it is drawn on.
        let halves = [rectangle((-50.0, 0.0), (100.0, 200.0)), rectangle((100.0, 0.0), (250.0, 200.0))];
        let land = land(&halves, &[]);
        let ground = land.ground(&block, &land.backdrop(&block));
        assert!(ground.habitable_m2 < 1e-9);
        assert_eq!(land.even_sample(&block, &ground), polygon::even_sample(&block, SAMPLE_POINTS, SAMPLE_STEP_M));
    }

    #[test]
    fn cells_keep_the_land_that_homes_may_stand_on() {
        let cell = rectangle((0.0, 0.0), (300.0, 300.0));
        let land = land(&[rectangle((150.0, 0.0), (300.0, 300.0))], &[rectangle((-9.0, -9.0), (309.0, 309.0))]);
        let habitable_m2 = land.ground(&cell, &land.under_cells()).habitable_m2;
        assert!((habitable_m2 / 90_000.0 - 0.5).abs() < 0.03, "{habitable_m2}");
    }
}
