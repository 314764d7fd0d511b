//! What a tile shows, by an independent decoder and the predicates of the geo crate.

use super::*;
use crate::mvt::{Columns, Layer};
use carecircle_tests::mvt::{self, Feature, Geometry};
use geo::{Area, BooleanOps, Contains, Coord, Distance, Euclidean, Intersects, MultiPolygon, Rect, unary_union};
use proptest::prelude::*;

const PIXEL_F: f64 = PIXEL as f64;

fn cut(sheet: &Sheet, tile: TileId, count: usize) -> Vec<Feature> {
    let ids: Vec<_> = (0..count).map(|i| [i.to_string().into()]).collect();
    let columns = Columns::of_text(&["id"], &ids);
    let mut layer = Layer::new("layer", &columns);
    sheet.cut(tile, |_| true, |i, kind, pen| layer.push(i, kind, pen));
    let mut bytes = Vec::new();
    layer.finish(&mut bytes);
    mvt::read(&bytes).into_iter().flat_map(|layer| layer.features).collect()
}

fn shape(feature: &Feature) -> MultiPolygon<f64> {
    match &feature.geometry {
        Geometry::Polygons(shape) => shape.clone(),
        other => panic!("{other:?} is no area"),
    }
}

/// A polygon of the world on the grid of a tile, not rounded.
fn seen(rings: &[Vec<Place>], tile: TileId) -> Polygon<f64> {
    let scale = f64::from(EXTENT) * f64::from(1 << tile.zoom) / f64::from(1 << WORLD_BITS);
    let mut rings = rings.iter().map(|ring| -> LineString<f64> {
        let place = |p: &Place| {
            let off = |v: i32, tile: u32| f64::from(v) * scale - f64::from(tile) * f64::from(EXTENT);
            Coord { x: off(p[0], tile.x), y: off(p[1], tile.y) }
        };
        ring.iter().map(place).collect()
    });
    Polygon::new(rings.next().unwrap(), rings.collect())
}

fn drawn() -> Rect<f64> {
    let (low, high) = (f64::from(-BUFFER), f64::from(EXTENT + BUFFER));
    Rect::new(Coord { x: low, y: low }, Coord { x: high, y: high })
}

/// The tile that a place of the world lies in.
fn tile_at(at: Place, zoom: u8) -> TileId {
    let [x, y] = at.map(|v| v as u32 >> (WORLD_BITS - u32::from(zoom)));
    TileId { zoom, x, y }
}

/// A star around a centre: a ring of corners at any distances.
fn star(centre: Place, distances: &[f64]) -> Vec<Place> {
    let corner = |(i, distance): (usize, &f64)| {
        let (sin, cos) = (std::f64::consts::TAU * i as f64 / distances.len() as f64).sin_cos();
        [centre[0] + (distance * cos).round() as i32, centre[1] + (distance * sin).round() as i32]
    };
    distances.iter().enumerate().map(corner).collect()
}

/// A polygon with a hole in it, somewhere in the north-east of the world, from 3 m to 300 km wide.
fn polygon() -> impl Strategy<Value = Vec<Vec<Place>>> {
    let corners = prop::collection::vec(0.3..1.0_f64, 3..60);
    let hole = prop::collection::vec(0.05..0.25_f64, 3..12);
    (corners, hole, 6.0..22.0_f64, (0.55..0.95_f64, 0.1..0.6_f64), any::<bool>()).prop_map(
        |(corners, hole, size, (x, y), has_hole)| {
            let size = size.exp2();
            let centre = [x, y].map(|v| (v * f64::from(1 << WORLD_BITS)) as i32);
            let ring = |distances: Vec<f64>| star(centre, &distances.iter().map(|d| d * size).collect::<Vec<_>>());
            // Between fewer corners a side may pass through the hole.
            let has_room = corners.len() >= 6;
            let mut rings = vec![ring(corners)];
            if has_hole && has_room {
                rings.push(ring(hole));
            }
            rings
        },
    )
}

proptest! {
    #[test]
    fn a_tile_shows_what_the_polygon_and_it_have_in_common(
        rings in polygon(),
        zoom in 0..=MAX_ZOOM,
        corner in any::<prop::sample::Index>(),
        places in prop::collection::vec((-70..4_170, -70..4_170), 200),
    ) {
        let tile = tile_at(*corner.get(&rings[0]), zoom);
        let draft = Draft { feature: 0, kind: Kind::Polygon, rings: rings.clone() };
        let features = cut(&Sheet::new(vec![draft]), tile, 1);
        let whole = seen(&rings, tile);
        // A corner of it lies in the tile, so that something is seen.
        let shown = shape(&features[0]);
        let (width, height) = {
            let around = geo::BoundingRect::bounding_rect(&whole).unwrap();
            (around.width(), around.height())
        };
        if width < PIXEL_F && height < PIXEL_F {
            prop_assert!((shown.unsigned_area() - PIXEL_F * PIXEL_F).abs() < 1e-9, "a dot");
            prop_assert!(Euclidean.distance(&shown, &whole) < PIXEL_F);
            return Ok(());
        }
        for ring in shown.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors())) {
            for corner in ring.coords() {
                prop_assert!(drawn().intersects(corner), "{:?} is cut off", corner);
            }
        }
        for (x, y) in places {
            let at = geo::Point::new(f64::from(x), f64::from(y));
            if !drawn().contains(&at) {
                continue;
            }
            let off = std::iter::once(whole.exterior())
                .chain(whole.interiors())
                .map(|ring| Euclidean.distance(&at, ring))
                .fold(f64::INFINITY, f64::min);
            if off > PIXEL_F {
                prop_assert_eq!(shown.intersects(&at), whole.intersects(&at), "{:?}, {} units inside or outside", at, off);
            }
        }
        if zoom == MAX_ZOOM {
            // Rounding alone moves a corner: half a unit each way, and half a unit more where it is cut.
            let around = shown.xor(&whole.intersection(&drawn().to_polygon()));
            let outline: f64 = std::iter::once(whole.exterior()).chain(whole.interiors())
                .map(|ring| geo::Length::length(&Euclidean, ring)).sum();
            prop_assert!(around.unsigned_area() <= 2.0 * (outline.min(600_000.0) + 4.0 * f64::from(EXTENT)));
        }
    }

    #[test]
    fn a_line_is_shown_where_it_runs(
        line in prop::collection::vec((-30_000..30_000_i32, -30_000..30_000_i32), 2..20),
        zoom in 8..=MAX_ZOOM,
        corner in any::<prop::sample::Index>(),
    ) {
        let line: Vec<Place> = line.into_iter().map(|(x, y)| [800_000_000 + x, 400_000_000 + y]).collect();
        let tile = tile_at(*corner.get(&line), zoom);
        let draft = Draft { feature: 0, kind: Kind::Line, rings: vec![line.clone()] };
        let features = cut(&Sheet::new(vec![draft]), tile, 1);
        let whole = seen(std::slice::from_ref(&line), tile);
        let whole = LineString(whole.exterior().0[..line.len()].to_vec());
        let pieces: Vec<LineString<f64>> = features.iter().flat_map(|feature| match &feature.geometry {
            Geometry::Lines(lines) => lines.clone(),
            other => panic!("{other:?} is no line"),
        }).map(|line| line.iter().map(|c| Coord { x: f64::from(c.x), y: f64::from(c.y) }).collect()).collect();
        for at in pieces.iter().flat_map(LineString::points) {
            prop_assert!(drawn().intersects(&at));
            prop_assert!(Euclidean.distance(&at, &whole) < PIXEL_F);
        }
        let around = geo::BoundingRect::bounding_rect(&whole).unwrap();
        if around.width() < PIXEL_F && around.height() < PIXEL_F {
            // Less than a pixel of street is not drawn.
            return Ok(());
        }
        // Along the line, what is well inside is shown.
        let inside = Rect::new(Coord { x: 10.0, y: 10.0 }, Coord { x: 4_086.0, y: 4_086.0 });
        for side in whole.lines() {
            for step in 0..=20 {
                let at = geo::Point(side.start + side.delta() * (f64::from(step) / 20.0));
                if inside.contains(&at) {
                    let off = pieces.iter().map(|piece| Euclidean.distance(&at, piece)).fold(f64::INFINITY, f64::min);
                    prop_assert!(off < PIXEL_F, "{} off at {:?}", off, at);
                }
            }
        }
    }

    #[test]
    fn neighbours_keep_their_border_at_every_zoom(
        jitter in prop::collection::vec((-90..90_i32, -90..90_i32), 1_000),
        zoom in 11..=MAX_ZOOM,
        turn in 0..24_usize,
    ) {
        // Five by five cells of four wavy sides each, 2,000 units wide.
        let wave = |key: usize| jitter[key % jitter.len()];
        let corner = |x: usize, y: usize| [500_000_000 + 2_000 * x as i32, 300_000_000 + 2_000 * y as i32];
        let side = |x: usize, y: usize, down: bool| -> Vec<Place> {
            let at = corner(x, y);
            (0..6).map(|step| {
                let key = ((x * 7 + y) * 2 + usize::from(down)) * 6 + step;
                let (dx, dy) = if step == 0 { (0, 0) } else { wave(key) };
                let along = 2_000 * step as i32 / 6;
                if down { [at[0] + dx, at[1] + along + dy] } else { [at[0] + along + dx, at[1] + dy] }
            }).collect()
        };
        let cell = |x: usize, y: usize| {
            let reversed = |mut side: Vec<Place>, end: Place| { side.push(end); side.reverse(); side.pop(); side };
            let mut ring = side(x, y, false);
            ring.extend(side(x + 1, y, true));
            ring.extend(reversed(side(x, y + 1, false), corner(x + 1, y + 1)));
            ring.extend(reversed(side(x, y, true), corner(x, y + 1)));
            // Neighbours begin and run as they like.
            ring.rotate_left((turn * (x + 3 * y)) % 24);
            if (x + y).is_multiple_of(2) { ring.reverse(); }
            ring
        };
        let cells: Vec<Vec<Place>> = (0..25).map(|i| cell(i % 5, i / 5)).collect();
        let drafts = cells.iter().zip(0..).map(|(ring, feature)| Draft {
            feature, kind: Kind::Polygon, rings: vec![ring.clone()],
        });
        let sheet = Sheet::new(drafts.collect());
        let tile = tile_at(corner(2, 2), zoom);
        let shapes: Vec<MultiPolygon<f64>> = cut(&sheet, tile, 25).iter().map(shape).collect();
        let sum: f64 = shapes.iter().map(Area::unsigned_area).sum();
        let union = unary_union(&shapes);
        prop_assert!(union.iter().all(|p| p.interiors().is_empty()), "no border tears");
        prop_assert!((sum - union.unsigned_area()).abs() < 1e-6 * sum, "{} and {}", sum, union.unsigned_area());
        prop_assert_eq!(union.0.len(), 1);
    }
}

#[test]
fn what_is_smaller_than_a_pixel_is_a_dot_and_one_to_a_pixel_where_it_is_far() {
    // A hundred squares of 4 m, 4 m apart.
    let at = |i: u32| [800_000_000 + 200 * (i % 10) as i32, 400_000_000 + 200 * (i / 10) as i32];
    let square = |i: u32| {
        let [x, y] = at(i);
        Draft {
            feature: i,
            kind: Kind::Polygon,
            rings: vec![vec![[x, y], [x + 100, y], [x + 100, y + 100], [x, y + 100], [x, y]]],
        }
    };
    let sheet = Sheet::new((0..100).map(square).collect());
    let shown = |zoom: u8| cut(&sheet, tile_at(at(0), zoom), 100);
    for zoom in THIN_BELOW..14 {
        assert_eq!(shown(zoom).len(), 100, "{zoom}");
        assert!(shown(zoom).iter().all(|f| shape(f).unsigned_area() >= PIXEL_F * PIXEL_F), "{zoom}");
    }
    assert_eq!(shown(MAX_ZOOM).len(), 100);
    let counts: Vec<usize> = (0..THIN_BELOW).map(|zoom| shown(zoom).len()).collect();
    assert!(counts.is_sorted() && counts[0] == 1 && counts[11] < 30, "{counts:?}");
    assert_eq!(shown(0)[0].text("id"), "0", "the first stays");
}

#[test]
fn parts_of_a_feature_never_lie_on_each_other() {
    // Squares of 5 m, 1 m apart, all of one feature: dots of them overlap at most zooms.
    let part = |i: i32| {
        let [x, y] = [800_000_000 + 160 * (i % 30), 400_000_000 + 160 * (i / 30)];
        let rings = vec![vec![[x, y], [x + 130, y], [x + 130, y + 130], [x, y + 130]]];
        Draft { feature: 0, kind: Kind::Polygon, rings }
    };
    let sheet = Sheet::new((0..900).map(part).collect());
    for zoom in 0..=MAX_ZOOM {
        // The decoder looks at each pair of them.
        let features = cut(&sheet, tile_at([800_000_000, 400_000_000], zoom), 1);
        assert!(!shape(&features[0]).0.is_empty(), "{zoom}");
    }
}

#[test]
fn what_is_too_thin_for_the_grid_can_be_seen() {
    let sliver = vec![[800_000_000, 400_000_000], [800_030_000, 400_000_001], [800_030_000, 400_000_000]];
    let sheet = Sheet::new(vec![Draft { feature: 0, kind: Kind::Polygon, rings: vec![sliver.clone()] }]);
    for zoom in 0..=MAX_ZOOM {
        assert_eq!(cut(&sheet, tile_at(sliver[0], zoom), 1).len(), 1, "{zoom}");
    }
}

#[test]
fn shapes_without_places_are_nowhere() {
    let empty = |kind| Draft { feature: 0, kind, rings: Vec::new() };
    let none = Draft { feature: 1, kind: Kind::Polygon, rings: vec![Vec::new(), Vec::new()] };
    let sheet = Sheet::new(vec![empty(Kind::Polygon), none, empty(Kind::Line)]);
    assert!(cut(&sheet, TileId { zoom: 0, x: 0, y: 0 }, 2).is_empty());
}

#[test]
fn the_world_is_a_square_and_its_tiles_count_from_the_north_west() {
    assert_eq!(on_world(-180.0, 90.0), [0, 0]);
    assert_eq!(on_world(180.0, -90.0), [1 << WORLD_BITS, 1 << WORLD_BITS]);
    assert_eq!(on_world(0.0, 0.0), [1 << (WORLD_BITS - 1); 2]);
    // The registered bound of the scheme.
    assert_eq!(on_world(0.0, 85.051_128_779_806_6)[1], 0);
    let everything = Limits::of([-180.0, -90.0, 180.0, 90.0], 3);
    assert_eq!(everything, Limits { x: [0, 7], y: [0, 7] });
    // The tile of Beijing's centre that OpenStreetMap shows.
    let beijing = Limits::of([116.391, 39.907, 116.391, 39.907], 12);
    assert_eq!(beijing, Limits { x: [3372, 3372], y: [1552, 1552] });
}

#[test]
fn a_hole_that_touches_the_edge_of_what_is_drawn_stays_a_hole() {
    let rings = vec![
        vec![
            [590_558_281, 502_857_382],
            [590_558_378, 502_858_032],
            [590_557_864, 502_857_623],
            [590_557_725, 502_857_382],
            [590_557_864, 502_857_141],
            [590_558_142, 502_857_141],
        ],
        vec![
            [590_558_049, 502_857_382],
            [590_558_003, 502_857_428],
            [590_557_957, 502_857_382],
            [590_558_003, 502_857_216],
        ],
    ];
    let tile = tile_at(rings[0][1], 15);
    // By itself, and where another part of its feature is laid over it.
    for again in [1, 2] {
        let draft = || Draft { feature: 0, kind: Kind::Polygon, rings: rings.clone() };
        let features = cut(&Sheet::new((0..again).map(|_| draft()).collect()), tile, 1);
        let shown = shape(&features[0]);
        assert_eq!((shown.0.len(), shown.0[0].interiors().len()), (1, 1), "{shown:?}");
    }
}
