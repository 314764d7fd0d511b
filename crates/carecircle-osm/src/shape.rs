//! Rings and outlines in the fixed-point degrees of the map: exact predicates, areas, points inside, mending.
//!
//! A [`Ring`] does not repeat its first place at its end. Predicates are exact (whole numbers); only areas, centroids
//! and mending leave them.

use carecircle_core::geometry::{LonLat, LonLatShape, geodesic_m, round7};
use geo::{BooleanOps, Coord, InteriorPoint, LineString, MapCoords, MultiPolygon, Polygon};

/// The places of a closed line, the first not repeated at the end.
pub(crate) type Ring = Vec<LonLat>;

/// A ring with its holes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outline {
    pub(crate) outer: Ring,
    pub(crate) holes: Vec<Ring>,
}

/// Where a place lies as seen from a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Inside,
    On,
    Outside,
}

/// The corners of the box around some places, south-west then north-east.
pub(crate) fn bounds(ring: &[LonLat]) -> ([i32; 2], [i32; 2]) {
    ring.iter().fold(([i32::MAX; 2], [i32::MIN; 2]), |(low, high), p| {
        ([low[0].min(p.lon_e7), low[1].min(p.lat_e7)], [high[0].max(p.lon_e7), high[1].max(p.lat_e7)])
    })
}

/// On which side of the line from `a` to `b` a place lies: positive to the left, zero on it.
fn turn(a: LonLat, b: LonLat, p: LonLat) -> i128 {
    let difference = |x: i32, y: i32| i128::from(x) - i128::from(y);
    difference(b.lon_e7, a.lon_e7) * difference(p.lat_e7, a.lat_e7)
        - difference(b.lat_e7, a.lat_e7) * difference(p.lon_e7, a.lon_e7)
}

/// Whether a place on the line through `a` and `b` lies between them.
fn between(a: LonLat, b: LonLat, p: LonLat) -> bool {
    (a.lon_e7.min(b.lon_e7)..=a.lon_e7.max(b.lon_e7)).contains(&p.lon_e7)
        && (a.lat_e7.min(b.lat_e7)..=a.lat_e7.max(b.lat_e7)).contains(&p.lat_e7)
}

fn edges(ring: &[LonLat]) -> impl Iterator<Item = (LonLat, LonLat)> + Clone + '_ {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// Where a place lies as seen from a ring; inside means enclosed an odd number of times.
pub(crate) fn side(ring: &[LonLat], p: LonLat) -> Side {
    let mut inside = false;
    for (a, b) in edges(ring) {
        let straddles = (a.lat_e7 > p.lat_e7) != (b.lat_e7 > p.lat_e7);
        if !straddles && a.lat_e7 != p.lat_e7 && b.lat_e7 != p.lat_e7 {
            continue;
        }
        let turn = turn(a, b, p);
        if turn == 0 && between(a, b, p) {
            return Side::On;
        }
        inside ^= straddles && ((turn > 0) == (b.lat_e7 > a.lat_e7));
    }
    if inside { Side::Inside } else { Side::Outside }
}

/// Whether a place lies in or on a shape, and not inside a hole.
pub(crate) fn covers(shape: &[Outline], p: LonLat) -> bool {
    shape.iter().any(|outline| {
        side(&outline.outer, p) != Side::Outside && outline.holes.iter().all(|hole| side(hole, p) != Side::Inside)
    })
}

/// Twice the signed area and the first moments of a ring around `origin`, in steps of 1e-7 degrees.
fn moments(ring: &[LonLat], origin: LonLat) -> [f64; 3] {
    let local =
        |p: LonLat| (f64::from(p.lon_e7) - f64::from(origin.lon_e7), f64::from(p.lat_e7) - f64::from(origin.lat_e7));
    edges(ring).fold([0.0; 3], |sum, (a, b)| {
        let ((ax, ay), (bx, by)) = (local(a), local(b));
        let cross = ax * by - bx * ay;
        [sum[0] + cross, sum[1] + (ax + bx) * cross, sum[2] + (ay + by) * cross]
    })
}

/// Whether a ring encloses anything; a bow tie does, even where its halves cancel out.
pub(crate) fn has_area(ring: &[LonLat]) -> bool {
    let [Some(&a), Some(&b)] = [ring.first(), ring.get(1)] else { return false };
    ring.len() >= 3 && ring[2..].iter().any(|&p| turn(a, b, p) != 0)
}

/// Moments of a whole shape, its holes taken off.
fn shape_moments(shape: &[Outline], origin: LonLat) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for outline in shape {
        let rings = std::iter::once((&outline.outer, 1.0)).chain(outline.holes.iter().map(|hole| (hole, -1.0)));
        for (ring, sign) in rings {
            let m = moments(ring, origin);
            let sign = sign * m[0].signum();
            for (s, m) in sum.iter_mut().zip(m) {
                *s += sign * m;
            }
        }
    }
    sum
}

/// Square metres of a shape no larger than a few kilometres: plane geometry at the scale of its middle.
pub(crate) fn area_m2(shape: &[Outline]) -> f64 {
    let Some(&origin) = shape.first().and_then(|outline| outline.outer.first()) else { return 0.0 };
    let (low, high) = bounds(&shape[0].outer);
    // A hundredth of a degree, in steps, beside the shape's middle.
    let step = 100_000;
    let middle = LonLat {
        lon_e7: 0,
        lat_e7: i64::midpoint(i64::from(low[1]), i64::from(high[1])).clamp(-899_000_000, 899_000_000) as i32,
    };
    let east = geodesic_m(middle, LonLat { lon_e7: step, ..middle }) / f64::from(step);
    let south = LonLat { lat_e7: middle.lat_e7 - step / 2, ..middle };
    let north = LonLat { lat_e7: middle.lat_e7 + step / 2, ..middle };
    let north = geodesic_m(south, north) / f64::from(step);
    shape_moments(shape, origin)[0].abs() / 2.0 * east * north
}

/// A place inside a shape: its centroid where that lies inside, else a place well inside. `None` without any area.
pub(crate) fn point_inside(shape: &[Outline]) -> Option<LonLat> {
    let origin = *shape.first()?.outer.first()?;
    let [area2, x, y] = shape_moments(shape, origin);
    if area2 > 0.0 {
        let at = |origin: i32, moment: f64| f64::from(origin) + moment / (3.0 * area2);
        let (lon, lat) = (at(origin.lon_e7, x), at(origin.lat_e7, y));
        let centroid = LonLat { lon_e7: lon.round() as i32, lat_e7: lat.round() as i32 };
        if covers(shape, centroid) {
            return Some(centroid);
        }
    }
    let inside = to_shape(shape).interior_point()?;
    LonLat::from_degrees(inside.x(), inside.y())
}

/// A shape in degrees.
pub(crate) fn to_shape(shape: &[Outline]) -> LonLatShape {
    let line = |ring: &Ring| {
        // With room for the first place again: the polygon closes its rings.
        let mut line = Vec::with_capacity(ring.len() + 1);
        line.extend(ring.iter().map(|p| Coord { x: p.lon(), y: p.lat() }));
        LineString(line)
    };
    let polygon = |o: &Outline| Polygon::new(line(&o.outer), o.holes.iter().map(line).collect());
    MultiPolygon::new(shape.iter().map(polygon).collect())
}

/// A shape in degrees whose rings cross neither themselves nor each other, and whether they had to be mended: what is
/// enclosed an odd number of times is inside. `None` for a scribble that is past mending, or when nothing is inside.
pub(crate) fn mended(shape: &[Outline]) -> Option<(LonLatShape, bool)> {
    let as_drawn = to_shape(shape);
    match tangle(shape) {
        Tangle::None => Some((as_drawn, false)),
        Tangle::Some => {
            // An overlay with nothing untangles under the even-odd rule.
            let untangled = as_drawn.union(&MultiPolygon::new(Vec::new()));
            let rounded = untangled.map_coords(|c| Coord { x: round7(c.x), y: round7(c.y) });
            (!rounded.0.is_empty()).then_some((rounded, true))
        }
        Tangle::Hopeless => None,
    }
}

/// How much the rings of a shape cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tangle {
    None,
    Some,
    Hopeless,
}

/// Crossings up to which a shape is mended. Every crossing becomes a corner of the result, so that a scribble of a few
/// thousand places would take gigabytes.
const MAX_CROSSINGS: u32 = 10_000;

/// An edge of a ring.
#[derive(Clone, Copy, Debug)]
struct Edge {
    a: LonLat,
    b: LonLat,
    ring: u32,
    number: u32,
    /// How many edges its ring has.
    of: u32,
}

/// Whether and how often a ring crosses or touches itself, or two rings cross or run along each other. Rings may touch
/// at a place that both pass.
pub(crate) fn tangle(shape: &[Outline]) -> Tangle {
    let mut all: Vec<Edge> = Vec::new();
    for (ring, i) in shape.iter().flat_map(|o| std::iter::once(&o.outer).chain(&o.holes)).zip(0..) {
        let of = ring.len() as u32;
        all.extend(edges(ring).zip(0..).map(|((a, b), number)| Edge { a, b, ring: i, number, of }));
    }
    // Edges side by side along the longer way are compared when they overlap on it.
    let (low, high) = shape.iter().map(|o| bounds(&o.outer)).fold(([i32::MAX; 2], [i32::MIN; 2]), |box_, b| {
        ([box_.0[0].min(b.0[0]), box_.0[1].min(b.0[1])], [box_.1[0].max(b.1[0]), box_.1[1].max(b.1[1])])
    });
    let by_lon = i64::from(high[0]) - i64::from(low[0]) >= i64::from(high[1]) - i64::from(low[1]);
    let along = |p: LonLat| if by_lon { p.lon_e7 } else { p.lat_e7 };
    let across = |p: LonLat| if by_lon { p.lat_e7 } else { p.lon_e7 };
    all.sort_by_key(|e| along(e.a).min(along(e.b)));
    // Honest rings need a few comparisons an edge; for one that needs very many, mending costs less than looking on.
    let mut budget = 1_000_000 + 200 * all.len();
    let mut crossings = 0;
    for (i, e) in all.iter().enumerate() {
        let end = along(e.a).max(along(e.b));
        let (low, high) = (across(e.a).min(across(e.b)), across(e.a).max(across(e.b)));
        for f in all[i + 1..].iter().take_while(|f| along(f.a).min(along(f.b)) <= end) {
            if budget == 0 {
                return Tangle::Some;
            }
            budget -= 1;
            let apart = across(f.a).max(across(f.b)) < low || across(f.a).min(across(f.b)) > high;
            crossings += u32::from(!apart && conflict(e, f));
            if crossings > MAX_CROSSINGS {
                return Tangle::Hopeless;
            }
        }
    }
    if crossings > 0 { Tangle::Some } else { Tangle::None }
}

/// Whether two edges meet where edges of a valid shape don't.
fn conflict(e: &Edge, f: &Edge) -> bool {
    let [ea, eb, fa, fb] = [turn(f.a, f.b, e.a), turn(f.a, f.b, e.b), turn(e.a, e.b, f.a), turn(e.a, e.b, f.b)];
    let apart = |x: i128, y: i128| (x > 0 && y > 0) || (x < 0 && y < 0);
    if apart(ea, eb) || apart(fa, fb) {
        return false;
    }
    if ea == 0 && eb == 0 {
        // On one line: do they share more than an end?
        let shared = [e.a, e.b].iter().filter(|p| between(f.a, f.b, **p)).count()
            + [f.a, f.b].iter().filter(|p| between(e.a, e.b, **p)).count();
        return match shared {
            0 => false,
            // One common end is counted from both sides.
            2 => !has_common_end(e, f) || (e.ring == f.ring && !next_to_each_other(e, f)),
            _ => true,
        };
    }
    if e.ring == f.ring { !next_to_each_other(e, f) } else { !has_common_end(e, f) }
}

fn has_common_end(e: &Edge, f: &Edge) -> bool {
    e.a == f.a || e.a == f.b || e.b == f.a || e.b == f.b
}

fn next_to_each_other(e: &Edge, f: &Edge) -> bool {
    (e.number + 1) % e.of == f.number || (f.number + 1) % f.of == e.number
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Area, Validation};

    fn ring(places: &[(i32, i32)]) -> Ring {
        places.iter().map(|&(x, y)| LonLat { lon_e7: x * 1_000, lat_e7: y * 1_000 }).collect()
    }

    fn crosses(shape: &[Outline]) -> bool {
        tangle(shape) != Tangle::None
    }

    fn plain(places: &[(i32, i32)]) -> Vec<Outline> {
        vec![Outline { outer: ring(places), holes: Vec::new() }]
    }

    #[test]
    fn a_place_is_inside_on_or_outside() {
        let square = ring(&[(0, 0), (10, 0), (10, 10), (0, 10)]);
        let at = |x, y| side(&square, LonLat { lon_e7: x, lat_e7: y });
        assert_eq!(at(5_000, 5_000), Side::Inside);
        assert_eq!(at(10_000, 5_000), Side::On);
        assert_eq!(at(0, 0), Side::On);
        assert_eq!(at(10_001, 5_000), Side::Outside);
        assert_eq!(at(-1, 10_000), Side::Outside);
        assert_eq!(at(-1, 0), Side::Outside);
        let diamond = ring(&[(0, 0), (5, -5), (10, 0), (5, 5)]);
        assert_eq!(side(&diamond, LonLat { lon_e7: 5_000, lat_e7: 0 }), Side::Inside);
        assert_eq!(side(&diamond, LonLat { lon_e7: -5_000, lat_e7: 0 }), Side::Outside);
    }

    #[test]
    fn the_point_of_a_hooked_shape_lies_inside_it() {
        let hook = plain(&[(0, 0), (10, 0), (10, 10), (9, 10), (9, 1), (0, 1)]);
        let point = point_inside(&hook).unwrap();
        assert!(covers(&hook, point));
        let square = plain(&[(0, 0), (10, 0), (10, 10), (0, 10)]);
        assert_eq!(point_inside(&square), Some(LonLat { lon_e7: 5_000, lat_e7: 5_000 }));
        let frame = vec![Outline {
            outer: ring(&[(0, 0), (10, 0), (10, 10), (0, 10)]),
            holes: vec![ring(&[(1, 1), (9, 1), (9, 9), (1, 9)])],
        }];
        assert!(covers(&frame, point_inside(&frame).unwrap()));
    }

    #[test]
    fn areas_agree_with_the_ellipsoid() {
        use geo::GeodesicArea;
        for lat in [0, 470_000_000, -600_000_000] {
            let at = |x: i32, y: i32| LonLat { lon_e7: 288_000_000 + x, lat_e7: lat + y };
            let outer = vec![at(0, 0), at(30_000, 0), at(30_000, 20_000), at(0, 20_000)];
            let shape = [Outline { outer, holes: Vec::new() }];
            let truth = to_shape(&shape).geodesic_area_unsigned();
            assert!((area_m2(&shape) / truth - 1.0).abs() < 1e-5, "{} {truth}", area_m2(&shape));
        }
    }

    #[test]
    fn only_what_crosses_is_mended() {
        assert!(!crosses(&plain(&[(0, 0), (10, 0), (10, 10), (0, 10)])));
        assert!(!crosses(&plain(&[(0, 0), (5, 0), (10, 0), (10, 10), (0, 10)])), "a place on a straight line");
        assert!(crosses(&plain(&[(0, 0), (10, 10), (10, 0), (0, 10)])), "a bow tie");
        assert!(crosses(&plain(&[(0, 0), (10, 0), (20, 0), (10, 0), (10, 10), (0, 10)])), "a spike");
        assert!(crosses(&plain(&[(0, 0), (5, 5), (10, 0), (10, 10), (5, 5), (0, 10)])), "touching itself");
        assert!(crosses(&plain(&[(0, 0), (10, 0), (5, 5), (10, 10), (0, 10), (5, 0)])), "standing on an edge");
    }

    #[test]
    fn rings_may_touch_at_a_corner_but_not_run_along_each_other() {
        let with_hole =
            |hole| vec![Outline { outer: ring(&[(0, 0), (10, 0), (10, 10), (0, 10)]), holes: vec![ring(hole)] }];
        assert!(!crosses(&with_hole(&[(2, 2), (4, 2), (4, 4)])));
        assert!(!crosses(&with_hole(&[(0, 0), (4, 2), (2, 4)])));
        assert!(crosses(&with_hole(&[(0, 2), (4, 2), (4, 4), (0, 4)])));
        assert!(crosses(&with_hole(&[(8, 2), (12, 2), (8, 4)])));
    }

    #[test]
    fn a_mended_bow_tie_is_two_triangles() {
        let (shape, mended) = mended(&plain(&[(0, 0), (10, 10), (10, 0), (0, 10)])).unwrap();
        assert!(mended && shape.is_valid());
        assert_eq!(shape.0.len(), 2);
        assert!((shape.unsigned_area() - 50.0 * 1e-8).abs() < 1e-12);
    }

    #[test]
    fn a_scribble_is_given_up() {
        let places: Vec<(i32, i32)> = (0..2_000).map(|i| (i * 7_919 % 10_007, i * i % 10_009)).collect();
        assert_eq!(mended(&plain(&places)), None);
        let comb: Vec<(i32, i32)> =
            (0..2_000).map(|i| (i, if i % 2 == 0 { 1 } else { 900 })).chain([(1_999, 0), (0, 0)]).collect();
        assert!(!crosses(&plain(&comb)));
    }
}
