//! What blocks and areas need of polygons: containment, size, a point inside, an even sample, a cut along tile lines, an
//! index by boxes.

use crate::geometry::{LonLatShape, Point, Shape};
use geo::{Area, BooleanOps, BoundingRect, Coord, InteriorPoint, LineString, MultiPolygon, Polygon, Rect};
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::f64::consts::PI;

/// Whether a point lies inside a shape, by the even-odd rule over all its rings.
pub fn contains(shape: &MultiPolygon<f64>, p: Coord<f64>) -> bool {
    let sides = rings(shape).flat_map(|ring| ring.0.windows(2));
    sides.filter(|w| crosses_east_of(w[0], w[1], p)).count() % 2 == 1
}

fn rings(shape: &MultiPolygon<f64>) -> impl Iterator<Item = &LineString<f64>> {
    shape.0.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()))
}

/// Whether a side crosses the line that runs from `p` due east.
fn crosses_east_of(a: Coord<f64>, b: Coord<f64>, p: Coord<f64>) -> bool {
    (a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y)
}

/// Square metres of a shape on the plan.
pub fn area_m2(shape: &Shape) -> f64 {
    shape.unsigned_area()
}

/// The box around a shape; `None` for an empty one.
pub fn bounds(shape: &MultiPolygon<f64>) -> Option<Rect<f64>> {
    shape.bounding_rect()
}

/// A point inside a shape, its first vertex when it has no inside, `None` when it is empty.
pub fn point_inside(shape: &Shape) -> Option<Point> {
    let inside = shape.interior_point().map(|p| p.0);
    inside.or_else(|| shape.0.first().and_then(|p| p.exterior().0.first().copied()))
}

/// Points spread evenly over a shape: the centres of a square grid that fall inside, about `wanted` of them, never
/// closer than `least_m`; a point inside when none does.
pub fn even_sample(shape: &Shape, wanted: usize, least_m: f64) -> Vec<Point> {
    let Some(bounds) = bounds(shape) else { return Vec::new() };
    // A thin shape in a large box must not cost more than the box of a fat one.
    let by_area = (area_m2(shape) / wanted as f64).sqrt();
    let by_box = (bounds.width() * bounds.height() / (wanted * 64) as f64).sqrt();
    let by_length = bounds.width().max(bounds.height()) / 256.0;
    let step = by_area.max(by_box).max(by_length).max(least_m);
    let (columns, rows) = ((bounds.width() / step).ceil() as usize, (bounds.height() / step).ceil() as usize);
    let margin_x = (bounds.width() - columns as f64 * step) / 2.0;
    let margin_y = (bounds.height() - rows as f64 * step) / 2.0;
    let points: Vec<Point> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| Coord {
            x: bounds.min().x + margin_x + (column as f64 + 0.5) * step,
            y: bounds.min().y + margin_y + (row as f64 + 0.5) * step,
        })
        .filter(|&p| contains(shape, p))
        .collect();
    if points.is_empty() { point_inside(shape).into_iter().collect() } else { points }
}

/// About `wanted` points scattered over a shape so that the share of them on any part of it is that part's share of the
/// ground, be it a narrow strip along the axes, which a grid misses or counts twice; a point inside when none falls in.
/// The first of them are spread as evenly as all.
///
/// They follow the plastic number (Roberts 2018, *The Unreasonable Effectiveness of Quasirandom Sequences*, R2).
pub(crate) fn scatter(shape: &Shape, wanted: usize) -> Vec<Point> {
    const PLASTIC: f64 = 1.324_717_957_244_746;
    let Some(bounds) = bounds(shape) else { return Vec::new() };
    // A thin shape in a large box must not cost more than the box of a fat one.
    let boxes = (bounds.width() * bounds.height() / area_m2(shape)).clamp(1.0, 64.0);
    let points: Vec<Point> = (1..=(wanted as f64 * boxes).round() as usize)
        .map(|i| Coord {
            x: bounds.min().x + bounds.width() * (i as f64 / PLASTIC).fract(),
            y: bounds.min().y + bounds.height() * (i as f64 / (PLASTIC * PLASTIC)).fract(),
        })
        .filter(|&p| contains(shape, p))
        .collect();
    if points.is_empty() { point_inside(shape).into_iter().collect() } else { points }
}

/// A square of the Web Mercator tile grid (OGC `WebMercatorQuad`), by which large blocks are cut and scattered homes
/// are gathered: the same on every extract of a city, so that ids stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Row, from the north.
    pub y: u32,
    /// Column, from the date line eastwards.
    pub x: u32,
}

/// The tile grid at one zoom level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileGrid {
    /// Zoom level: the earth is 2^zoom tiles wide.
    pub zoom: u32,
}

impl TileGrid {
    /// The grid whose tiles at a latitude are the largest that cover at most `most_m2`.
    pub fn with_tiles_up_to(most_m2: f64, lat: f64) -> Self {
        let equator_m = 40_075_016.686 * lat.clamp(-85.0, 85.0).to_radians().cos();
        let zoom = (equator_m / most_m2.sqrt()).log2().ceil();
        Self { zoom: zoom.clamp(1.0, 24.0) as u32 }
    }

    fn size(self) -> f64 {
        f64::from(1_u32 << self.zoom)
    }

    /// The tile at a longitude and latitude in degrees.
    pub fn tile_at(self, lon: f64, lat: f64) -> Tile {
        let last = self.size() - 1.0;
        let x = ((lon + 180.0) / 360.0 * self.size()).floor().clamp(0.0, last);
        let mercator = lat.clamp(-85.05, 85.05).to_radians().tan().asinh();
        let y = ((1.0 - mercator / PI) / 2.0 * self.size()).floor().clamp(0.0, last);
        Tile { y: y as u32, x: x as u32 }
    }

    fn lon_of(self, x: u32) -> f64 {
        f64::from(x) / self.size() * 360.0 - 180.0
    }

    fn lat_of(self, y: u32) -> f64 {
        (PI * (1.0 - 2.0 * f64::from(y) / self.size())).sinh().atan().to_degrees()
    }

    /// The tile's box in degrees.
    pub fn bounds(self, tile: Tile) -> Rect<f64> {
        self.bounds_of((tile.x, tile.y), (tile.x + 1, tile.y + 1))
    }

    fn bounds_of(self, low: (u32, u32), high: (u32, u32)) -> Rect<f64> {
        Rect::new(
            Coord { x: self.lon_of(low.0), y: self.lat_of(high.1) },
            Coord { x: self.lon_of(high.0), y: self.lat_of(low.1) },
        )
    }

    /// Cuts a shape in degrees along the tile lines, from north to south and west to east; `None` when its box spans more
    /// than `most` tiles: no land that people live on is that large. Halving, not clipping tile by
    /// tile: an outline of ten thousand vertices over a thousand tiles is looked at ten times, not a thousand.
    pub fn cut(self, shape: &LonLatShape, most: u64) -> Option<Vec<(Tile, LonLatShape)>> {
        let Some(bounds) = bounds(shape) else { return Some(Vec::new()) };
        let low = self.tile_at(bounds.min().x, bounds.max().y);
        let high = self.tile_at(bounds.max().x, bounds.min().y);
        if u64::from(high.x - low.x + 1) * u64::from(high.y - low.y + 1) > most {
            return None;
        }
        let mut out = Vec::new();
        self.halve(shape.clone(), (low.x, low.y), (high.x + 1, high.y + 1), &mut out);
        out.sort_by_key(|(tile, _)| *tile);
        Some(out)
    }

    fn halve(self, shape: LonLatShape, low: (u32, u32), high: (u32, u32), out: &mut Vec<(Tile, LonLatShape)>) {
        if shape.0.is_empty() {
            return;
        }
        let (columns, rows) = (high.0 - low.0, high.1 - low.1);
        if columns <= 1 && rows <= 1 {
            out.push((Tile { x: low.0, y: low.1 }, shape));
            return;
        }
        let (first, second) = if columns >= rows {
            let middle = low.0 + columns / 2;
            ((low, (middle, high.1)), ((middle, low.1), high))
        } else {
            let middle = low.1 + rows / 2;
            ((low, (high.0, middle)), ((low.0, middle), high))
        };
        for (low, high) in [first, second] {
            let window = MultiPolygon(vec![self.bounds_of(low, high).to_polygon()]);
            self.halve(shape.intersection(&window), low, high, out);
        }
    }
}

/// A tile's or box's outline as a shape.
pub fn rectangle(rect: Rect<f64>) -> MultiPolygon<f64> {
    MultiPolygon(vec![Polygon::new(rect.to_polygon().exterior().clone(), Vec::new())])
}

/// Shapes to be asked which of them contain a point: an rstar tree over their boxes, and the sides of each sorted into
/// slabs by northing, so that an outline of ten thousand vertices costs no more than one of a hundred.
#[derive(Debug)]
pub(crate) struct ShapeIndex {
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    shapes: Vec<Slabs>,
}

impl ShapeIndex {
    pub(crate) fn new<'a>(shapes: impl Iterator<Item = &'a MultiPolygon<f64>>) -> Self {
        let shapes: Vec<&MultiPolygon<f64>> = shapes.collect();
        let boxed = |(i, shape): (usize, &&MultiPolygon<f64>)| {
            let b = bounds(shape)?;
            let rectangle = Rectangle::from_corners([b.min().x, b.min().y], [b.max().x, b.max().y]);
            Some(GeomWithData::new(rectangle, i))
        };
        let boxes = shapes.iter().enumerate().filter_map(boxed).collect();
        Self { tree: RTree::bulk_load(boxes), shapes: shapes.into_par_iter().map(Slabs::new).collect() }
    }

    /// Indices of all shapes that contain a point, in no particular order.
    pub(crate) fn containing(&self, at: Coord<f64>) -> impl Iterator<Item = usize> + '_ {
        let boxes = self.tree.locate_in_envelope_intersecting(AABB::from_point([at.x, at.y])).map(|b| b.data);
        boxes.filter(move |&i| self.shapes[i].contains(at))
    }

    /// Whether a shape contains a point.
    pub(crate) fn holds(&self, shape: usize, at: Coord<f64>) -> bool {
        self.shapes[shape].contains(at)
    }

    /// Indices of all shapes whose box meets a box, in no particular order.
    pub(crate) fn meeting(&self, bounds: Rect<f64>) -> impl Iterator<Item = usize> + '_ {
        let envelope = AABB::from_corners([bounds.min().x, bounds.min().y], [bounds.max().x, bounds.max().y]);
        self.tree.locate_in_envelope_intersecting(envelope).map(|b| b.data)
    }
}

/// The sides of a shape, grouped by the slabs of northing that they pass through.
#[derive(Debug)]
struct Slabs {
    low: f64,
    per_unit: f64,
    first: Vec<u32>,
    sides: Vec<[Coord<f64>; 2]>,
}

impl Slabs {
    fn new(shape: &MultiPolygon<f64>) -> Self {
        let sides: Vec<[Coord<f64>; 2]> = rings(shape).flat_map(|r| r.0.windows(2)).map(|w| [w[0], w[1]]).collect();
        let (low, high) = bounds(shape).map_or((0.0, 0.0), |b| (b.min().y, b.max().y));
        let mut out = Self { low, per_unit: 0.0, first: Vec::new(), sides: Vec::new() };
        let mut count = (sides.len() / 4).clamp(1, 4_096);
        let span = |out: &Self, side: &[Coord<f64>; 2], count: usize| {
            let (a, b) = (out.slab(side[0].y, count), out.slab(side[1].y, count));
            a.min(b)..=a.max(b)
        };
        loop {
            out.per_unit = if high > low { count as f64 / (high - low) } else { 0.0 };
            // Sides as tall as the shape stand in every slab: fewer slabs then, rather than a hundred copies of each.
            let copies: usize = sides.iter().map(|side| span(&out, side, count).count()).sum();
            if count == 1 || copies <= 8 * sides.len() {
                break;
            }
            count /= 2;
        }
        // Where each slab ends; filled from behind, it is where each begins.
        let mut ends = vec![0_u32; count + 1];
        for side in &sides {
            ends[span(&out, side, count)].iter_mut().for_each(|slab| *slab += 1);
        }
        for slab in 1..=count {
            ends[slab] += ends[slab - 1];
        }
        let mut filled = vec![[Coord::zero(); 2]; ends[count] as usize];
        for side in sides.into_iter().rev() {
            for slab in &mut ends[span(&out, &side, count)] {
                *slab -= 1;
                filled[*slab as usize] = side;
            }
        }
        Self { first: ends, sides: filled, ..out }
    }

    fn slab(&self, y: f64, count: usize) -> usize {
        (((y - self.low) * self.per_unit) as usize).min(count - 1)
    }

    /// By the even-odd rule, as [`contains`].
    fn contains(&self, p: Coord<f64>) -> bool {
        let slab = self.slab(p.y, self.first.len() - 1);
        let sides = &self.sides[self.first[slab] as usize..self.first[slab + 1] as usize];
        sides.iter().filter(|s| crosses_east_of(s[0], s[1], p)).count() % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::polygon;

    fn ring_with_hole() -> Shape {
        MultiPolygon(vec![polygon!(
            exterior: [(x: 0.0, y: 0.0), (x: 100.0, y: 0.0), (x: 100.0, y: 100.0), (x: 0.0, y: 100.0)],
            interiors: [[(x: 25.0, y: 25.0), (x: 25.0, y: 75.0), (x: 75.0, y: 75.0), (x: 75.0, y: 25.0)]],
        )])
    }

    #[test]
    fn a_hole_is_outside() {
        let shape = ring_with_hole();
        assert!(contains(&shape, Coord { x: 10.0, y: 50.0 }));
        assert!(!contains(&shape, Coord { x: 50.0, y: 50.0 }));
        assert!(contains(&shape, point_inside(&shape).unwrap()));
    }

    #[test]
    fn an_even_sample_stays_inside_and_near_the_number_wanted() {
        let sample = even_sample(&ring_with_hole(), 30, 1.0);
        assert!((15..=45).contains(&sample.len()), "{}", sample.len());
        assert!(sample.iter().all(|&p| contains(&ring_with_hole(), p)));
        assert_eq!(even_sample(&ring_with_hole(), 1, 500.0).len(), 1);
    }

    #[test]
    fn scattered_points_measure_any_part() {
        let shape = ring_with_hole();
        let all = scatter(&shape, 128);
        assert!((120..=136).contains(&all.len()) && all.iter().all(|&p| contains(&shape, p)), "{}", all.len());
        let share =
            |of: &[Point], part: fn(&Point) -> bool| of.iter().filter(|p| part(p)).count() as f64 / of.len() as f64;
        // Strips of ten metres along the edges are 1,000 of 7,500 square metres, the southern half is a half.
        for strip in [|p: &Point| p.x < 10.0, |p: &Point| p.x > 90.0, |p: &Point| p.y < 10.0, |p: &Point| p.y > 90.0] {
            assert!((share(&all, strip) - 1.0 / 7.5).abs() < 0.03, "{}", share(&all, strip));
        }
        assert!((share(&all[..16], |p| p.y < 50.0) - 0.5).abs() < 0.15);
    }

    #[test]
    fn cut_pieces_fill_the_shape_and_stay_in_their_tiles() {
        let shape: LonLatShape = MultiPolygon(vec![polygon![
            (x: 28.80, y: 46.95), (x: 28.86, y: 46.97), (x: 28.83, y: 46.99), (x: 28.90, y: 47.03), (x: 28.79, y: 47.04),
        ]]);
        let grid = TileGrid::with_tiles_up_to(200_000.0, 47.0);
        let pieces = grid.cut(&shape, 100_000).unwrap();
        assert_eq!(grid.cut(&shape, 100), None);
        assert!(pieces.len() > 100);
        let sum: f64 = pieces.iter().map(|(_, piece)| piece.unsigned_area()).sum();
        assert!((sum / shape.unsigned_area() - 1.0).abs() < 1e-6, "{sum}");
        for (tile, piece) in &pieces {
            let (tile, piece) = (grid.bounds(*tile), bounds(piece).unwrap());
            assert!(piece.min().x > tile.min().x - 1e-7 && piece.max().x < tile.max().x + 1e-7);
            assert!(piece.min().y > tile.min().y - 1e-7 && piece.max().y < tile.max().y + 1e-7);
        }
    }

    #[test]
    fn the_index_contains_what_the_shapes_contain() {
        // A star of 400 vertices around a hole, and a square beside it.
        let star = |radius: f64, dent: f64| -> LineString<f64> {
            let vertex = |i: i32| {
                let (sin, cos) = (f64::from(i) * PI / 200.0).sin_cos();
                let r = if i % 2 == 0 { radius } else { radius * dent };
                (r * cos, r * sin)
            };
            (0..=400).map(vertex).collect()
        };
        let shapes = [MultiPolygon(vec![Polygon::new(star(100.0, 0.7), vec![star(40.0, 0.5)])]), ring_with_hole()];
        let index = ShapeIndex::new(shapes.iter());
        for i in -60..60 {
            for j in -60..60 {
                let p = Coord { x: f64::from(i) * 2.03, y: f64::from(j) * 1.97 };
                let mut found: Vec<usize> = index.containing(p).collect();
                found.sort_unstable();
                let expected: Vec<usize> = (0..2).filter(|&s| contains(&shapes[s], p)).collect();
                assert_eq!(found, expected, "{p:?}");
            }
        }
    }

    #[test]
    fn tiles_are_the_largest_below_the_limit() {
        for lat in [0.0, 22.5, 32.0, 47.0, 60.0_f64] {
            let grid = TileGrid::with_tiles_up_to(200_000.0, lat);
            let side = 40_075_016.686 * lat.to_radians().cos() / f64::from(1 << grid.zoom);
            assert!(side * side <= 200_000.0 && 4.0 * side * side > 200_000.0, "{lat}: {side}");
        }
    }
}
