//! Shapes on the grid of the world, ready to be cut into tiles.
//!
//! Owns what is pure geometry about tiles: Web Mercator, which corners are drawn from which zoom on, clipping, and rings
//! that are valid on the grid of a tile. It knows no properties and no HTTP.
//!
//! Corners are chosen by Douglas and Peucker (1973), half a pixel off at most. Where several outlines meet stands a corner
//! that always stays, and what lies between is thinned alike whichever way it is run through: neighbours keep their
//! border in common. What is smaller than a pixel becomes a square of one, so that it can be seen; below
//! [`THIN_BELOW`] only the first of those within a pixel.

use crate::mvt::{EXTENT, Kind, Pen, Place};
use carecircle_core::geometry::{Projection, Shape};
use geo::{LineString, Polygon};
use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::{IntOverlayOptions, Overlay, ShapeType};
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::i_float::int::point::IntPoint;
use i_overlay::i_shape::int::shape::IntShapes;
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use std::iter::{once, repeat};
use std::ops::Range;

/// The last zoom with tiles: a unit is 15 cm at most.
pub(crate) const MAX_ZOOM: u8 = 16;

/// Below this zoom, points, and areas smaller than a pixel, are thinned out: the first within a pixel stays.
pub(crate) const THIN_BELOW: u8 = 12;

/// A pixel of a tile that is shown at 512 pixels.
const PIXEL: i32 = EXTENT / 512;

/// So far beyond its edges a tile is drawn, so that outlines don't show there.
const BUFFER: i32 = 8 * PIXEL;

/// The side of the world is 2 to this power of units: 4 cm.
const WORLD_BITS: u32 = 30;

/// The address of a tile: column `x` from the west, row `y` from the north.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TileId {
    pub(crate) zoom: u8,
    pub(crate) x: u32,
    pub(crate) y: u32,
}

/// The columns and rows that hold something at a zoom, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) x: [u32; 2],
    pub(crate) y: [u32; 2],
}

impl Limits {
    /// Of a box in degrees: west, south, east, north.
    pub(crate) fn of([west, south, east, north]: [f64; 4], zoom: u8) -> Self {
        let tile = |lon, lat| {
            on_world(lon, lat).map(|v| (v.min((1 << WORLD_BITS) - 1) >> (WORLD_BITS - u32::from(zoom))) as u32)
        };
        let ([left, top], [right, bottom]) = (tile(west, north), tile(east, south));
        Self { x: [left, right], y: [top, bottom] }
    }

    /// Whether a tile lies within.
    pub(crate) fn hold(self, tile: TileId) -> bool {
        (self.x[0]..=self.x[1]).contains(&tile.x) && (self.y[0]..=self.y[1]).contains(&tile.y)
    }
}

/// A place on the grid of the world: Web Mercator from its north-western corner, longitude and latitude in degrees.
pub(crate) fn on_world(lon: f64, lat: f64) -> Place {
    let side = f64::from(1_u32 << WORLD_BITS);
    let x = lon / 360.0 + 0.5;
    let y = 0.5 - lat.to_radians().tan().asinh() / std::f64::consts::TAU;
    [x, y].map(|v| (v * side).round().clamp(0.0, side) as i32)
}

/// A part of a feature, before it stands on a sheet.
pub(crate) struct Draft {
    /// The number of its feature. Drafts come in the order of these.
    pub(crate) feature: u32,
    pub(crate) kind: Kind,
    /// The rings of a polygon; one line, or one place.
    pub(crate) rings: Vec<Vec<Place>>,
}

#[derive(Clone, Copy)]
struct Vertex {
    at: Place,
    /// From this zoom on it is drawn.
    zoom: u8,
}

struct Part {
    feature: u32,
    kind: Kind,
    rings: Range<u32>,
    low: Place,
    high: Place,
}

/// The shapes of a layer.
pub(crate) struct Sheet {
    vertices: Vec<Vertex>,
    /// Where the vertices of each ring end.
    ends: Vec<u32>,
    parts: Vec<Part>,
    tree: RTree<GeomWithData<Rectangle<[i64; 2]>, u32>>,
}

impl Sheet {
    pub(crate) fn new(mut drafts: Vec<Draft>) -> Self {
        drafts.par_iter_mut().for_each(|draft| {
            for ring in &mut draft.rings {
                ring.dedup();
                if draft.kind == Kind::Polygon && ring.len() > 1 && ring.first() == ring.last() {
                    ring.pop();
                }
            }
            draft.rings.retain(|ring| !ring.is_empty());
        });
        drafts.retain(|draft| !draft.rings.is_empty());
        let rings = || drafts.iter().flat_map(|draft| draft.rings.iter().map(|ring| (draft.kind, ring)));
        let meetings = meetings(rings().filter(|(kind, _)| *kind == Kind::Polygon).map(|(_, ring)| ring));
        let all: Vec<_> = rings().collect();
        let zooms: Vec<Vec<u8>> = all
            .par_iter()
            .map(|(kind, ring)| match kind {
                Kind::Polygon => ring_zooms(ring, &meetings),
                _ => line_zooms(ring),
            })
            .collect();
        let mut out = Self { vertices: Vec::new(), ends: Vec::new(), parts: Vec::new(), tree: RTree::new() };
        let mut zooms = zooms.into_iter();
        for draft in &drafts {
            let first = out.ends.len() as u32;
            let (mut low, mut high) = ([i32::MAX; 2], [i32::MIN; 2]);
            for (ring, zooms) in draft.rings.iter().zip(zooms.by_ref()) {
                for (&at, zoom) in ring.iter().zip(zooms) {
                    for axis in 0..2 {
                        low[axis] = low[axis].min(at[axis]);
                        high[axis] = high[axis].max(at[axis]);
                    }
                    out.vertices.push(Vertex { at, zoom });
                }
                out.ends.push(out.vertices.len() as u32);
            }
            let rings = first..out.ends.len() as u32;
            out.parts.push(Part { feature: draft.feature, kind: draft.kind, rings, low, high });
        }
        let boxes = out.parts.iter().zip(0..).map(|(part, i)| {
            let around = Rectangle::from_corners(part.low.map(i64::from), part.high.map(i64::from));
            GeomWithData::new(around, i)
        });
        out.tree = RTree::bulk_load(boxes.collect());
        out
    }

    /// A sheet of areas on the plan, with the numbers of their features, in order.
    pub(crate) fn of_shapes<'a>(projection: &Projection, shapes: impl Iterator<Item = (usize, &'a Shape)>) -> Self {
        Self::new(shapes.flat_map(|(i, shape)| Self::drafts(projection, i as u32, shape)).collect())
    }

    /// The parts of a feature that is an area.
    pub(crate) fn drafts(projection: &Projection, feature: u32, shape: &Shape) -> Vec<Draft> {
        let ring = |line: &LineString<f64>| {
            line.0.iter().map(|&at| projection.unproject(at)).map(|(lon, lat)| on_world(lon, lat)).collect()
        };
        let rings = |polygon: &Polygon<f64>| once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect();
        shape.iter().map(|polygon| Draft { feature, kind: Kind::Polygon, rings: rings(polygon) }).collect()
    }

    /// Draws what a tile shows of the features that are wanted, in their order.
    pub(crate) fn cut(&self, tile: TileId, wanted: impl Fn(usize) -> bool, mut draw: impl FnMut(usize, Kind, &Pen)) {
        let window = Window::new(tile);
        let mut found: Vec<u32> =
            self.tree.locate_in_envelope_intersecting(window.around()).map(|part| part.data).collect();
        found.sort_unstable();
        let mut knife = Knife::new(tile.zoom);
        let mut pen = Pen::default();
        let feature = |part: u32| self.parts[part as usize].feature;
        for parts in found.chunk_by(|&a, &b| feature(a) == feature(b)) {
            let feature = feature(parts[0]) as usize;
            if !wanted(feature) {
                continue;
            }
            pen.clear();
            for &part in parts {
                let part = &self.parts[part as usize];
                match part.kind {
                    Kind::Point => knife.point(window.place(part.low), &mut pen),
                    Kind::Line => self.line(part, &window, &mut knife, &mut pen),
                    Kind::Polygon => self.polygon(part, &window, &mut knife),
                }
            }
            knife.finish(&mut pen);
            if !pen.is_empty() {
                draw(feature, self.parts[parts[0] as usize].kind, &pen);
            }
        }
    }

    fn rings(&self, part: &Part) -> impl Iterator<Item = &[Vertex]> {
        part.rings.clone().map(|ring| {
            let start = if ring == 0 { 0 } else { self.ends[ring as usize - 1] };
            &self.vertices[start as usize..self.ends[ring as usize] as usize]
        })
    }

    fn line(&self, part: &Part, window: &Window, knife: &mut Knife, pen: &mut Pen) {
        if window.is_dot(part) && window.tile.zoom < MAX_ZOOM {
            return;
        }
        for line in self.rings(part) {
            window.places(line, &mut knife.ring);
            knife.line(pen);
        }
    }

    fn polygon(&self, part: &Part, window: &Window, knife: &mut Knife) {
        if window.is_dot(part) {
            let centre = [0, 1].map(|axis| part.low[axis] + (part.high[axis] - part.low[axis]) / 2);
            knife.dot(window.place(centre));
            return;
        }
        knife.overlay.clear();
        let mut shown = None;
        for ring in self.rings(part) {
            window.places(ring, &mut knife.ring);
            shown = shown.or_else(|| knife.ring.iter().copied().find(|&at| is_near(at)));
            knife.add_ring();
        }
        if !knife.add_shape()
            && let Some(at) = shown
        {
            // Too thin for the grid.
            knife.dot(at);
        }
    }
}

/// Whether a place lies in the tile or its buffer.
fn is_near(at: Place) -> bool {
    at.iter().all(|v| (-BUFFER..=EXTENT + BUFFER).contains(v))
}

/// A tile laid over the world.
struct Window {
    tile: TileId,
    shift: u32,
    origin: Place,
}

impl Window {
    fn new(tile: TileId) -> Self {
        let shift = WORLD_BITS - EXTENT.ilog2() - u32::from(tile.zoom);
        Self { tile, shift, origin: [tile.x, tile.y].map(|v| v as i32 * EXTENT) }
    }

    /// The box on the world that is drawn.
    fn around(&self) -> AABB<[i64; 2]> {
        let at = |from: i32| self.origin.map(|v| (i64::from(v) + i64::from(from)) << self.shift);
        AABB::from_corners(at(-BUFFER - 1), at(EXTENT + BUFFER + 1))
    }

    fn place(&self, at: Place) -> Place {
        let half = 1 << (self.shift - 1);
        [0, 1].map(|axis| ((at[axis] + half) >> self.shift) - self.origin[axis])
    }

    /// The corners that are drawn at this zoom, each once.
    fn places(&self, ring: &[Vertex], out: &mut Vec<Place>) {
        out.clear();
        out.extend(ring.iter().filter(|v| v.zoom <= self.tile.zoom).map(|v| self.place(v.at)));
        out.dedup();
    }

    /// Whether a part is smaller than a pixel.
    fn is_dot(&self, part: &Part) -> bool {
        (0..2).all(|axis| part.high[axis] - part.low[axis] < PIXEL << self.shift)
    }
}

/// Cuts to the size of a tile.
struct Knife {
    overlay: Overlay,
    /// What the feature at hand has come to.
    shapes: IntShapes,
    ring: Vec<Place>,
    spare: Vec<Place>,
    /// A bit for each pixel that has something in it; empty where nothing is thinned out.
    taken: Vec<u64>,
}

/// Pixels along the side of what is drawn.
const PIXELS: i32 = (EXTENT + 2 * BUFFER) / PIXEL + 1;

/// The four sides of what is drawn: axis, where, and whether what lies above stays.
const SIDES: [(usize, i32, bool); 4] =
    [(0, -BUFFER, true), (0, EXTENT + BUFFER, false), (1, -BUFFER, true), (1, EXTENT + BUFFER, false)];

impl Knife {
    fn new(zoom: u8) -> Self {
        let words = if zoom < THIN_BELOW { (PIXELS * PIXELS) as usize / 64 + 1 } else { 0 };
        let mut overlay = Overlay::new(64);
        overlay.options = IntOverlayOptions::ogc();
        Self { overlay, shapes: Vec::new(), ring: Vec::new(), spare: Vec::new(), taken: vec![0; words] }
    }

    /// Whether something small may be drawn here.
    fn takes(&mut self, at: Place) -> bool {
        if !is_near(at) {
            return false;
        }
        if self.taken.is_empty() {
            return true;
        }
        let [x, y] = at.map(|v| (v + BUFFER) / PIXEL);
        let pixel = (y * PIXELS + x) as usize;
        let (word, bit) = (&mut self.taken[pixel / 64], 1 << (pixel % 64));
        let is_free = *word & bit == 0;
        *word |= bit;
        is_free
    }

    fn point(&mut self, at: Place, pen: &mut Pen) {
        if self.takes(at) {
            pen.point(at);
        }
    }

    /// A square of a pixel.
    fn dot(&mut self, [x, y]: Place) {
        const HALF: i32 = PIXEL / 2;
        if self.takes([x, y]) {
            let corners = [[x - HALF, y - HALF], [x + HALF, y - HALF], [x + HALF, y + HALF], [x - HALF, y + HALF]];
            self.shapes.push(vec![corners.map(|[x, y]| IntPoint::new(x, y)).into()]);
        }
    }

    /// Draws what the tile shows of the line at hand.
    fn line(&mut self, pen: &mut Pen) {
        let mut pieces = vec![std::mem::take(&mut self.ring)];
        for (axis, limit, above) in SIDES {
            let stays = |at: Place| if above { at[axis] >= limit } else { at[axis] <= limit };
            if pieces.iter().flatten().all(|&at| stays(at)) {
                continue;
            }
            let mut cut: Vec<Vec<Place>> = Vec::new();
            for piece in &pieces {
                let mut is_open = false;
                for (i, &at) in piece.iter().enumerate() {
                    let crossed = i > 0 && stays(piece[i - 1]) != stays(at);
                    if !is_open && (crossed || stays(at)) {
                        cut.push(Vec::new());
                    }
                    let open = cut.last_mut().filter(|_| crossed || stays(at));
                    if let Some(open) = open {
                        if crossed {
                            open.push(crossing(piece[i - 1], at, axis, limit));
                        }
                        if stays(at) {
                            open.push(at);
                        }
                    }
                    is_open = stays(at);
                }
            }
            pieces = cut;
        }
        for piece in &mut pieces {
            piece.dedup();
            if piece.len() > 1 {
                pen.line(piece.iter().copied());
            }
        }
        self.ring = pieces.pop().unwrap_or_default();
    }

    /// Adds what the tile shows of the ring at hand to the shape that is being put together: after Sutherland and Hodgman
    /// (1974), whose edges there and back along a side cancel out later.
    fn add_ring(&mut self) {
        for (axis, limit, above) in SIDES {
            let stays = |at: Place| if above { at[axis] >= limit } else { at[axis] <= limit };
            if self.ring.iter().all(|&at| stays(at)) {
                continue;
            }
            self.spare.clear();
            let mut before = self.ring.last().copied();
            for &at in &self.ring {
                if let Some(before) = before.filter(|&before| stays(before) != stays(at)) {
                    self.spare.push(crossing(before, at, axis, limit));
                }
                if stays(at) {
                    self.spare.push(at);
                }
                before = Some(at);
            }
            std::mem::swap(&mut self.ring, &mut self.spare);
        }
        if self.ring.len() > 2 {
            let points = self.ring.iter().map(|&[x, y]| IntPoint::new(x, y));
            self.overlay.add_path_iter(points, ShapeType::Subject);
        }
    }

    /// Takes the shape that the rings make together; says whether anything is left of it.
    fn add_shape(&mut self) -> bool {
        let mut shapes = self.overlay.overlay(OverlayRule::Subject, FillRule::EvenOdd);
        turn(&mut shapes);
        let is_any = !shapes.is_empty();
        self.shapes.append(&mut shapes);
        is_any
    }

    /// Draws the shapes of a feature, outer rings clockwise on the screen, each followed by its holes.
    fn finish(&mut self, pen: &mut Pen) {
        if self.shapes.len() > 1 {
            // On the grid, and as dots, parts may come to lie on each other.
            self.overlay.clear();
            self.overlay.add_shapes(&self.shapes, ShapeType::Subject);
            self.shapes = self.overlay.overlay(OverlayRule::Subject, FillRule::NonZero);
            turn(&mut self.shapes);
        }
        for ring in self.shapes.drain(..).flatten() {
            pen.ring(ring.iter().map(|point| [point.x, point.y]));
        }
    }
}

/// Turns outer rings one way round and holes the other: those that touch their outer ring come either way.
fn turn(shapes: &mut IntShapes) {
    for (ring, is_hole) in shapes.iter_mut().flat_map(|shape| shape.iter_mut().zip(once(false).chain(repeat(true)))) {
        let sides = ring.iter().zip(ring.iter().cycle().skip(1));
        let twice: i64 = sides.map(|(a, b)| i64::from(a.x) * i64::from(b.y) - i64::from(b.x) * i64::from(a.y)).sum();
        if (twice < 0) != is_hole {
            ring.reverse();
        }
    }
}

/// Where the line between two places crosses another along an axis, whichever way it is run through.
fn crossing(a: Place, b: Place, axis: usize, limit: i32) -> Place {
    let ([a, b], across) = (if a < b { [a, b] } else { [b, a] }.map(|p| p.map(i64::from)), 1 - axis);
    let (rise, run) = (b[across] - a[across], b[axis] - a[axis]);
    let up = rise * (i64::from(limit) - a[axis]);
    let rounded = (2 * up + run.abs() * up.signum()) / (2 * run);
    let mut out = [limit; 2];
    out[across] = (a[across] + rounded) as i32;
    out
}

/// Where outlines meet or part: places whose neighbours differ from one ring to another. Ordered.
fn meetings<'a>(rings: impl Iterator<Item = &'a Vec<Place>>) -> Vec<Place> {
    let mut corners: Vec<(Place, [Place; 2])> = Vec::new();
    for ring in rings {
        let n = ring.len();
        corners.extend((0..n).map(|i| {
            let mut sides = [ring[(i + n - 1) % n], ring[(i + 1) % n]];
            sides.sort_unstable();
            (ring[i], sides)
        }));
    }
    corners.par_sort_unstable();
    corners.dedup();
    corners.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1).map(|alike| alike[0].0).collect()
}

/// From which zoom on each corner of a ring is drawn.
fn ring_zooms(ring: &[Place], meetings: &[Place]) -> Vec<u8> {
    let mut fixed: Vec<usize> = (0..ring.len()).filter(|&i| meetings.binary_search(&ring[i]).is_ok()).collect();
    // Wherever a ring begins, it is thinned alike.
    if fixed.is_empty() {
        fixed.extend((0..ring.len()).min_by_key(|&i| ring[i]));
    }
    if let [only] = fixed[..] {
        let off = |i: usize| [0, 1].map(|axis| i64::from(ring[i][axis]) - i64::from(ring[only][axis]));
        let far = (0..ring.len()).max_by_key(|&i| (off(i).map(|v| v * v).iter().sum::<i64>(), ring[i]));
        fixed.extend(far.filter(|&far| far != only));
        fixed.sort_unstable();
    }
    let mut zooms = vec![0; ring.len()];
    for (k, &from) in fixed.iter().enumerate() {
        let to = fixed[(k + 1) % fixed.len()];
        let steps = (to + ring.len() - from - 1) % ring.len() + 1;
        let arc: Vec<Place> = (from..=from + steps).map(|i| ring[i % ring.len()]).collect();
        let inner = line_zooms(&arc);
        for (step, zoom) in inner[..steps].iter().enumerate().skip(1) {
            zooms[(from + step) % ring.len()] = *zoom;
        }
    }
    zooms
}

/// From which zoom on each corner of a line is drawn: where it would be more than half a pixel off without it. At the last
/// zoom all are.
fn line_zooms(line: &[Place]) -> Vec<u8> {
    let mut zooms = vec![MAX_ZOOM; line.len()];
    let last = line.len() - 1;
    (zooms[0], zooms[last]) = (0, 0);
    let mut open = vec![(0, last, 0)];
    while let Some((from, to, least)) = open.pop() {
        let ends = if line[from] < line[to] { [line[from], line[to]] } else { [line[to], line[from]] };
        let farthest = (from + 1..to)
            .map(|i| (off_squared(ends, line[i]), line[i], i))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some((off, _, far)) = farthest else { continue };
        let half_pixel = |zoom: u8| f64::from(1_u32 << (WORLD_BITS - 10 - u32::from(zoom)));
        let zoom = (least..MAX_ZOOM).find(|&zoom| off > half_pixel(zoom) * half_pixel(zoom)).unwrap_or(MAX_ZOOM);
        zooms[far] = zoom;
        if zoom < MAX_ZOOM {
            open.extend([(from, far, zoom), (far, to, zoom)]);
        }
    }
    zooms
}

/// The square of how far a place lies off the straight line between two ends.
fn off_squared([a, b]: [Place; 2], at: Place) -> f64 {
    let minus = |p: Place, q: Place| [0, 1].map(|axis| f64::from(p[axis]) - f64::from(q[axis]));
    let ([dx, dy], [px, py]) = (minus(b, a), minus(at, a));
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    let (x, y) = (px - along * dx, py - along * dy);
    x * x + y * y
}

#[cfg(test)]
mod tests;
