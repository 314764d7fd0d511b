//! The ground of blocks: whose it is where they are drawn over each other, and what of it is land where nobody lives:
//! water, woods, fields, parks and pitches, and land of other use.
//!
//! It says which ground of a block may hold children of whom no home is mapped. It never says that a mapped home is
//! none: a house in the wood is a house.

use crate::demand::{BlockPlace, BlockRow, LARGEST_BLOCK_M2};
use crate::geometry::{LonLatShape, Point, Projection, Shape};
use crate::place::{Building, Places};
use crate::polygon::{self, ShapeIndex, TileGrid};
use geo::{BooleanOps, BoundingRect, CoordsIter, MultiPolygon, Polygon};
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

/// What two blocks share is noise of their drawing below this.
const SHARED_M2: f64 = 1.0;
/// So many vertices of blocks over each other are cut in all. A city's district, its communities and its compounds handed
/// in as one table are far fewer.
const MOST_VERTICES: usize = 5_000_000;

/// The ground of blocks that are drawn over each other.
pub(crate) struct OwnGround {
    /// By block, what of its shape no smaller one is drawn over; `None` where that is all of it.
    pub(crate) own: Vec<Option<Shape>>,
    /// Square metres that blocks give to smaller ones.
    pub(crate) shared_m2: f64,
    /// Blocks left whole, for those over and under them are too many to cut.
    pub(crate) uncut: usize,
}

impl OwnGround {
    /// Gives all ground to the smallest block that is drawn on it. Every block gives way to what smaller ones have kept,
    /// which no two of them share, so that the pieces neither overlap nor leave anything out.
    pub(crate) fn of(shapes: &[&Shape], index: &ShapeIndex, smallest_first: &[usize]) -> Self {
        Self::within(MOST_VERTICES, shapes, index, smallest_first)
    }

    fn within(mut vertices: usize, shapes: &[&Shape], index: &ShapeIndex, smallest_first: &[usize]) -> Self {
        let mut out = Self { own: vec![None; shapes.len()], shared_m2: 0.0, uncut: 0 };
        let mut done = vec![false; shapes.len()];
        for &block in smallest_first {
            let shape = shapes[block];
            let Some(bounds) = polygon::bounds(shape) else { continue };
            let mut smaller: Vec<usize> = index.meeting(bounds).filter(|&other| done[other]).collect();
            done[block] = true;
            smaller.sort_unstable();
            let kept = smaller.iter().flat_map(|&other| &out.own[other].as_ref().unwrap_or(shapes[other]).0);
            let kept: Vec<&Polygon> = kept
                .filter(|piece| piece.bounding_rect().is_some_and(|own| polygon::shared_m2(own, bounds) >= SHARED_M2))
                .collect();
            if kept.is_empty() {
                continue;
            }
            let all = kept.iter().copied().chain(&shape.0).map(CoordsIter::coords_count).sum();
            let Some(left) = vertices.checked_sub(all) else {
                (vertices, out.uncut) = (0, out.uncut + 1);
                continue;
            };
            vertices = left;
            let own = shape.difference(&MultiPolygon(kept.into_iter().cloned().collect()));
            let shared_m2 = polygon::area_m2(shape) - polygon::area_m2(&own);
            if shared_m2 >= SHARED_M2 {
                out.shared_m2 += shared_m2;
                out.own[block] = Some(own);
            }
        }
        out
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
    use geo::{Coord, LineString, Rect, unary_union};
    use proptest::prelude::*;

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

    /// A star, so that outlines cross often and pieces fall apart.
    fn any_star() -> impl Strategy<Value = Shape> {
        ((-200.0..200.0, -200.0..200.0), 5.0..150.0, 0.3..0.9, 3..9_i32).prop_map(|((x, y), radius, dent, points)| {
            let corner = |i: i32| {
                let (sin, cos) = (f64::from(i) * std::f64::consts::PI / f64::from(points)).sin_cos();
                let r = if i % 2 == 0 { radius } else { radius * dent };
                Coord { x: x + r * cos, y: y + r * sin }
            };
            let ring: LineString<f64> = (0..2 * points).map(corner).collect();
            MultiPolygon(vec![Polygon::new(ring, Vec::new())])
        })
    }

    fn own_ground(shapes: &[Shape], vertices: usize) -> (OwnGround, Vec<usize>) {
        let index = ShapeIndex::new(shapes.iter());
        let mut smallest_first: Vec<usize> = (0..shapes.len()).collect();
        smallest_first.sort_by(|&a, &b| polygon::area_m2(&shapes[a]).total_cmp(&polygon::area_m2(&shapes[b])));
        (OwnGround::within(vertices, &shapes.iter().collect::<Vec<_>>(), &index, &smallest_first), smallest_first)
    }

    proptest! {
        #[test]
        fn ground_is_the_smallest_blocks_and_never_two_blocks(stars in prop::collection::vec(any_star(), 1..9)) {
            let (ground, smallest_first) = own_ground(&stars, MOST_VERTICES);
            let own = |i: usize| ground.own[i].as_ref().unwrap_or(&stars[i]);
            let lattice = (-40..40).flat_map(|x| (-40..40).map(move |y| (f64::from(x) * 9.7, f64::from(y) * 9.3)));
            let is_amiss = |at: &Point| {
                let smallest = smallest_first.iter().copied().find(|&i| polygon::contains(&stars[i], *at));
                !(0..stars.len()).filter(|&i| polygon::contains(own(i), *at)).eq(smallest)
            };
            // A sliver of less than a square metre stays with both.
            let amiss: Vec<Point> = lattice.map(Point::from).filter(is_amiss).collect();
            prop_assert!(amiss.len() <= 1, "{:?}", amiss);
            let all: f64 = (0..stars.len()).map(|i| polygon::area_m2(own(i))).sum();
            let union = polygon::area_m2(&unary_union(&stars));
            let pairs = (stars.len() * stars.len()) as f64;
            prop_assert!((all - union).abs() <= SHARED_M2 * pairs + 1e-6 * union, "{} of {}", all, union);
        }
    }

    #[test]
    fn blocks_over_too_many_others_stay_whole_and_are_told() {
        let nested: Vec<Shape> = (1..=20).map(|i| rectangle((0.0, 0.0), (f64::from(i) * 10.0, 100.0))).collect();
        let (ground, _) = own_ground(&nested, MOST_VERTICES);
        assert_eq!((ground.own.iter().flatten().count(), ground.uncut), (19, 0));
        assert!(ground.own.iter().flatten().all(|own| (polygon::area_m2(own) - 1_000.0).abs() < 0.01));
        let (ground, _) = own_ground(&nested, 100);
        let cut = ground.own.iter().flatten().count();
        assert!(cut > 0 && cut + ground.uncut == 19 && ground.own[19].is_none(), "{cut}");
    }

    #[test]
    fn neighbours_whose_borders_are_drawn_loosely_keep_their_outlines() {
        let (ground, _) =
            own_ground(&[rectangle((0.0, 0.0), (100.0, 100.0)), rectangle((99.995, 0.0), (201.0, 100.0))], 1_000);
        assert!(ground.own.iter().all(Option::is_none) && ground.shared_m2 < 1e-9);
    }
}
