//! Isochrones of random towns: valid, nested, with their origin inside, and true to the nearest street in sight.

use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone::{Circle, Drawing, Isochrone, Source, Split, circles, isochrones};
use carecircle_core::network::{EdgeId, Network, Snap};
use carecircle_core::place::Places;
use carecircle_core::polygon::{contains, even_sample};
use carecircle_core::profile::{Climb, Profile};
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::street::Streets;
use carecircle_core::study::{Door, Study};
use carecircle_core::time::{Speed, WalkTime};
use carecircle_core::weights::Weights;
use geo::{Area, Coord, Distance, Euclidean, Line, MultiPolygon, Point, Validation, Winding};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// The lattice's side: nothing smaller is told apart.
const SIDE_M: f64 = 30.0;
/// Where an outline crosses a side is found to a part of it; and it keeps a little off the corners.
const CUT_M: f64 = SIDE_M / 32.0;
const FULL: Drawing = Drawing { depth_m: 40.0, tolerance_m: 0.0 };

fn source(network: &Network, at: Coord<f64>) -> Option<Source> {
    let snap = network.snap(at, 250.0)?;
    Some(Source { at, doors: vec![Door { at, beyond_m: 0.0, snap }], plain_doors: Vec::new() })
}

fn is_sound(shape: &MultiPolygon<f64>) -> Result<(), TestCaseError> {
    prop_assert!(shape.is_valid(), "{:?}", shape.check_validation());
    for polygon in shape {
        prop_assert!(polygon.exterior().is_ccw());
        prop_assert!(polygon.interiors().iter().all(Winding::is_cw));
    }
    Ok(())
}

/// Whether all corners of one shape lie in another, or on its outline.
fn lies_in(inner: &MultiPolygon<f64>, outer: &MultiPolygon<f64>) -> bool {
    let is_in = |c: &Coord<f64>| contains(outer, *c) || Euclidean.distance(&Point(*c), outer) <= 1e-6;
    inner.iter().all(|polygon| polygon.exterior().0.iter().all(is_in))
        && inner.unsigned_area() <= outer.unsigned_area() + 1e-6
}

/// Streets whose bends are passed over when drawing, as they lie within 25 cm of a straight line, may change places with
/// others as near, metres. In these towns such bends are those of the plan's projection alone, a few millimetres.
const BEND_M: f64 = 1e-2;
/// Rounding of times and of places.
const HAIR: WalkTime = WalkTime::from_millis(5);

#[derive(Debug)]
enum Verdict {
    Reached(WalkTime),
    /// None within the depth.
    NoStreet,
    /// Near the line from the origin to its street; at the end of a one-way street, where another may go on, or of streets
    /// that end in one place without meeting; as near to another street or strand of it, but for [`BEND_M`]; just within the
    /// depth; or another part of a street is in sight than the nearest.
    Unsure,
}

/// The verdict at a place, by the nearest street in sight within the depth.
fn verdict(study: &Study, weights: &Weights, sweep: &Sweep, source: &Source, at: Coord<f64>) -> Verdict {
    let network = study.network();
    let way_in = Line::new(source.at, source.doors[0].snap.at);
    if Euclidean.distance(&Point(at), &way_in) <= FULL.depth_m {
        return Verdict::Unsure;
    }
    let beyond = Coord { x: FULL.depth_m, y: FULL.depth_m };
    let walls: Vec<(Coord<f64>, Coord<f64>)> = study.obstacles().near(at - beyond, at + beyond).collect();
    // A street may run along a wall: its last five centimetres are in sight.
    let is_seen = |foot: Coord<f64>| {
        let away_m = (foot - at).x.hypot((foot - at).y);
        let line = (at, at + (foot - at) * (1.0 - 0.05 / away_m.max(0.05)));
        !walls.iter().any(|&wall| crosses(line, wall))
    };
    let mut near: Vec<Snap> = Vec::new();
    for id in (0..network.edges().len() as u32).map(EdgeId) {
        let bends: Vec<(Coord<f64>, f64)> = network.geometry(id).collect();
        for pair in bends.windows(2) {
            let ((a, from_m), (b, to_m)) = (pair[0], pair[1]);
            let d = b - a;
            let square = d.x * d.x + d.y * d.y;
            let t = if square > 0.0 { (((at - a).x * d.x + (at - a).y * d.y) / square).clamp(0.0, 1.0) } else { 0.0 };
            let foot = a + d * t;
            let offset_m = (at - foot).x.hypot((at - foot).y);
            if offset_m > FULL.depth_m {
                continue;
            }
            if is_seen(foot) {
                near.push(Snap { edge: id, along_m: from_m + (to_m - from_m) * t, offset_m, at: foot });
            } else if (0..=100).any(|i| is_seen(a + d * (f64::from(i) / 100.0))) {
                return Verdict::Unsure;
            }
        }
    }
    let Some(snap) = near.iter().copied().reduce(|a, b| if b.offset_m < a.offset_m - 1e-6 { b } else { a }) else {
        return Verdict::NoStreet;
    };
    let edge = network.edge(snap.edge);
    let is_within = 0.0 < snap.along_m && snap.along_m < edge.length_m;
    let is_other = |other: &Snap| other.edge != snap.edge || (other.along_m - snap.along_m).abs() > 1e-2;
    let is_as_near = |other: &Snap| is_other(other) && other.offset_m.powi(2) < (snap.offset_m + BEND_M).powi(2) + 1e-2;
    let is_tied = near.iter().any(is_as_near);
    // Nodes may stand in one place and be none the nearer to each other.
    let node = |snap: &Snap| {
        let edge = network.edge(snap.edge);
        let ends = [(edge.from, snap.along_m <= 0.0), (edge.to, snap.along_m >= edge.length_m)];
        ends.into_iter().find(|(_, is_here)| *is_here && edge.length_m > 0.0).map(|(node, _)| node)
    };
    let is_apart = node(&snap).is_none() || near.iter().any(|o| is_as_near(o) && node(o) != node(&snap));
    let is_one_way = !(edge.forward && edge.backward);
    let is_at_depth = snap.offset_m > FULL.depth_m - 1e-2;
    if is_at_depth || if is_within { is_tied } else { is_one_way || is_apart } {
        return Verdict::Unsure;
    }
    Verdict::Reached(sweep.at(network, weights, &snap).map_or(WalkTime::NEVER, |arrival| arrival.time))
}

/// Whether two lines cross between their ends.
fn crosses((a, b): (Coord<f64>, Coord<f64>), (c, d): (Coord<f64>, Coord<f64>)) -> bool {
    let turn = |p: Coord<f64>, q: Coord<f64>, r: Coord<f64>| (q - p).x * (r - p).y - (q - p).y * (r - p).x;
    turn(a, b, c) * turn(a, b, d) < 0.0 && turn(c, d, a) * turn(c, d, b) < 0.0
}

/// Streets with obstacles, each line given by places on the plan.
fn study(streets: &Streets, walls: &[Vec<Coord<f64>>]) -> Study {
    let network = town::network(streets);
    let mut places = Places::default();
    for wall in walls {
        let degrees = wall.iter().map(|&at| network.projection().unproject(at));
        let wall: Vec<LonLat> = degrees.filter_map(|(lon, lat)| LonLat::from_degrees(lon, lat)).collect();
        places.obstacles.push(&wall);
    }
    Study::new(network, places, None, 250.0)
}

/// The corners of the lattice's cell that a place lies in.
fn corners_around(at: Coord<f64>) -> [Coord<f64>; 4] {
    let low = Coord { x: (at.x / SIDE_M).floor() * SIDE_M, y: (at.y / SIDE_M).floor() * SIDE_M };
    [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].map(|(x, y)| low + Coord { x, y } * SIDE_M)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn bands_are_valid_nested_and_agree_with_the_verdict(
        streets in town::any_streets(), points in town::any_points(1..2),
        walls in prop::collection::vec(town::any_points(2..5), 0..4), minutes in 1.0..8.0f64,
        tolerance_m in 0.5..12.0f64,
    ) {
        let study = study(&streets, &walls);
        let network = study.network();
        let weights = network.weigh(&Profile::walk());
        let origin = points[0];
        let Some(source) = source(network, origin) else { return Ok(()) };
        let limits = [minutes, minutes + 2.0, minutes + 6.0].map(WalkTime::from_minutes);
        let mut search = Search::new();
        let mut draw = |limits: &[WalkTime], drawing: &Drawing| isochrones(&mut search, &study, &weights, &source, limits, drawing);
        let bands = draw(&limits, &FULL);
        for (alone, band) in [(draw(&limits[..1], &FULL), &bands[0]), (draw(&limits[1..], &FULL), &bands[1])] {
            prop_assert_eq!(&alone[0].shape, &band.shape, "a band depends on the others");
        }
        let simple = draw(&limits, &Drawing { tolerance_m, ..FULL });
        // Of bands drawn together a corner stays that any of them turns at.
        let lone = draw(&limits[..1], &Drawing { tolerance_m, ..FULL });
        let corners = |band: &Isochrone| band.shape.iter().map(|p| p.exterior().0.len()).sum::<usize>();
        prop_assert!(tolerance_m < 3.0 || corners(&lone[0]) <= corners(&bands[0]));

        let sweep = Sweep::new(network, &weights, &[Origin { snap: source.doors[0].snap, label: 0 }], WalkTime::NEVER);
        for (band, simple) in bands.iter().zip(&simple) {
            is_sound(&band.shape)?;
            is_sound(&simple.shape)?;
            let to_degrees = network.projection().unproject_shape(&simple.shape);
            prop_assert!(to_degrees.is_valid(), "rounded: {:?}", to_degrees.check_validation());
            prop_assert!(contains(&band.shape, origin), "the origin lies outside its own {:?}", band.limit);
            for at in even_sample(&band.shape, 60, 5.0) {
                let verdicts = corners_around(at).map(|corner| verdict(&study, &weights, &sweep, &source, corner));
                let may_be_reached = |verdict: &Verdict| match verdict {
                    Verdict::Reached(time) => *time <= band.limit + HAIR,
                    // Without a street it may be part of a pocket.
                    Verdict::NoStreet | Verdict::Unsure => true,
                };
                prop_assert!(verdicts.iter().any(may_be_reached), "{at:?} is inside, and {verdicts:?} are its cell");
            }
            let low = Coord { x: -400.0, y: -400.0 };
            for at in (0..400).map(|i| low + Coord { x: f64::from(i % 20) * 41.0, y: f64::from(i / 20) * 43.0 }) {
                let verdicts = corners_around(at).map(|corner| verdict(&study, &weights, &sweep, &source, corner));
                let is_reached = |v: &Verdict| matches!(v, Verdict::Reached(time) if *time + HAIR <= band.limit);
                let is_missing = !contains(&band.shape, at) && verdicts.iter().all(is_reached);
                prop_assert!(!is_missing, "{at:?} is outside, and {verdicts:?} are its cell");
            }
        }
        for (pair, simple) in bands.windows(2).zip(simple.windows(2)) {
            prop_assert!(lies_in(&pair[0].shape, &pair[1].shape), "the smaller band leaves the larger");
            prop_assert!(lies_in(&simple[0].shape, &simple[1].shape), "the smaller band leaves the larger when simplified");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Which street places front on is kept from one drawing to the next.
    #[test]
    fn what_was_drawn_before_changes_nothing(
        streets in town::any_streets(), points in town::any_points(2..8),
        walls in prop::collection::vec(town::any_points(2..5), 0..4), minutes in 1.0..12.0f64,
    ) {
        let walkers = [
            Profile::walk(),
            Profile { speed: Speed::from_kmh(1.5).expect("a speed"), ..Profile::walk() },
            Profile { steps: Climb::CLOSED, ..Profile::walk() },
        ];
        let used = study(&streets, &walls);
        for profile in walkers {
            let weights = used.network().weigh(&profile);
            for (&at, depth_m) in points.iter().zip([30.0, 50.0, 41.5].into_iter().cycle()) {
                let fresh = study(&streets, &walls);
                let [after, first] = [(&used, &weights), (&fresh, &fresh.network().weigh(&profile))].map(|(study, weights)| {
                    let source = study.place_source(at, weights)?;
                    let limits = [WalkTime::from_minutes(minutes)];
                    let drawing = Drawing { depth_m, ..FULL };
                    Some(isochrones(&mut Search::new(), study, weights, &source, &limits, &drawing))
                });
                prop_assert_eq!(after, first);
            }
        }
    }
}

/// One band around a place on the plan, in full.
fn band(study: &Study, at: Coord<f64>, minutes: f64) -> MultiPolygon<f64> {
    let weights = study.network().weigh(&Profile::walk());
    let source = source(study.network(), at).expect("a street nearby");
    let limits = [WalkTime::from_minutes(minutes)];
    isochrones(&mut Search::new(), study, &weights, &source, &limits, &FULL).remove(0).shape
}

/// Where a place of the town's grid lies on the plan.
fn on_plan(streets: &Streets, x: f64, y: f64) -> Coord<f64> {
    let degrees = (114.0 + x * 9e-4, 31.0 + y * 8e-4);
    let at = LonLat::from_degrees(degrees.0, degrees.1).expect("a place on earth");
    town::network(streets).projection().project(at)
}

fn ring(at: Coord<f64>, half: f64) -> Vec<Coord<f64>> {
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)];
    corners.map(|(x, y)| at + Coord { x, y } * half).to_vec()
}

#[test]
fn a_block_is_filled_when_all_around_it_is_reached() {
    // 430 m wide and 355 m high.
    let around = [(0, 0), (5, 0), (5, 4), (0, 4), (2, 2), (3, 2)];
    let streets = town::streets(&around, &[(vec![0, 1, 2, 3, 0], true, true)]);
    let (left, middle) = (on_plan(&streets, 0.0, 2.0), on_plan(&streets, 2.5, 2.0));
    let open = study(&streets, &[]);
    assert!(contains(&band(&open, left, 15.0), middle));
    assert!(!contains(&band(&open, left, 8.0), middle), "its far side is not reached");

    let pond = study(&streets, &[ring(middle, 60.0)]);
    assert!(!contains(&band(&pond, left, 15.0), middle), "nobody walks on water");
    // What stands by itself within the block is walked around.
    let fence = study(&streets, &[vec![middle, middle + Coord { x: 30.0, y: 30.0 }]]);
    assert!(contains(&band(&fence, left, 15.0), middle));

    // A street in the middle that leads nowhere, farther from the others than the depth.
    let yard = town::streets(&around, &[(vec![0, 1, 2, 3, 0], true, true), (vec![4, 5], true, true)]);
    let drawn = band(&study(&yard, &[]), on_plan(&yard, 0.0, 2.0), 15.0);
    assert!(!contains(&drawn, on_plan(&yard, 2.5, 2.0)), "a street that is not reached lies in it");
    assert!(drawn.iter().any(|polygon| !polygon.interiors().is_empty()));
}

#[test]
fn nobody_leaps_over_a_wall() {
    // Two streets, 88.7 m apart; the northern one is not reached.
    let streets =
        town::streets(&[(0, 0), (5, 0), (0, 1), (5, 1)], &[(vec![0, 1], true, true), (vec![2, 3], true, true)]);
    let at = on_plan(&streets, 2.5, 0.0);
    let wall_at = |y: f64| vec![at + Coord { x: -400.0, y }, at + Coord { x: 400.0, y }];
    let depth = FULL.depth_m;
    for (wall, north, south) in [(10.0, 10.0, depth), (-10.0, depth, 10.0), (60.0, depth, depth)] {
        let drawn = band(&study(&streets, &[wall_at(wall)]), at, 2.0);
        let farthest = |sign: f64| {
            let corners = drawn.iter().flat_map(|polygon| &polygon.exterior().0);
            corners.map(|c| (c.y - at.y) * sign).fold(f64::NEG_INFINITY, f64::max)
        };
        for (drawn, wanted) in [(farthest(1.0), north), (farthest(-1.0), south)] {
            assert!(
                drawn <= wanted + CUT_M && drawn > wanted - CUT_M,
                "a wall at {wall} m: {drawn} m instead of {wanted}"
            );
        }
    }
    // A wall drawn along the street itself is in nobody's way.
    let drawn = band(&study(&streets, &[wall_at(0.0)]), at, 2.0);
    assert!([-30.0, 30.0].iter().all(|&y| contains(&drawn, at + Coord { x: 50.0, y })));
}

#[test]
fn nobody_is_drawn_farther_off_a_street_than_the_depth() {
    let streets = town::streets(&[(0, 0), (9, 0)], &[(vec![0, 1], true, true)]);
    let study = study(&streets, &[]);
    let weights = study.network().weigh(&Profile::walk());
    for (x, depth_m) in (0..=90).zip((30..=50).map(f64::from).cycle()) {
        let at = on_plan(&streets, f64::from(x) / 10.0, 0.0);
        let source = source(study.network(), at).expect("a street nearby");
        let drawing = Drawing { depth_m, ..FULL };
        let limits = [WalkTime::from_minutes(2.0)];
        let drawn = isochrones(&mut Search::new(), &study, &weights, &source, &limits, &drawing).remove(0).shape;
        let corners = drawn.iter().flat_map(|polygon| &polygon.exterior().0);
        let far = corners.map(|c| (c.y - at.y).abs()).fold(0.0, f64::max);
        assert!(far <= depth_m + CUT_M && far > depth_m - CUT_M, "{far} m at a depth of {depth_m} m");
    }
}

#[test]
fn a_street_folded_back_counts_by_either_strand() {
    // 258 m out by way of a node that lies a third of a millimetre off the straight line, and straight back.
    let streets = town::streets(&[(0, 4), (1, 4), (3, 4), (0, 4)], &[(vec![0, 1, 2, 3], true, true)]);
    let (start, beside) = (on_plan(&streets, 0.0, 4.0), on_plan(&streets, 0.7, 4.0) + Coord { x: 0.0, y: 20.0 });
    let study = study(&streets, &[]);
    let source = source(study.network(), start).expect("a street nearby");
    let weights = study.network().weigh(&Profile::walk());
    let origin = Origin { snap: source.doors[0].snap, label: 0 };
    let sweep = Sweep::new(study.network(), &weights, &[origin], WalkTime::NEVER);
    let found = verdict(&study, &weights, &sweep, &source, beside);
    assert!(matches!(found, Verdict::Unsure), "{found:?}");
    // 60 m along the strand out and 455 m along the one back.
    assert!(contains(&band(&study, start, 3.0), beside) && contains(&band(&study, start, 8.0), beside));
    assert!(!contains(&band(&study, start, 0.5), beside), "neither is reached");
}

#[test]
fn a_street_that_only_later_limits_get_to_is_cut_alike() {
    // It is seen in part, past a wall: which part depends on where it is cut.
    let streets = town::streets(&[(5, 2), (0, 3), (3, 1)], &[(vec![2, 0], true, true)]);
    let end = on_plan(&streets, 5.0, 2.0);
    let wall = [(-342.73, 96.67), (143.69, -94.33), (87.88, 392.44)].map(|(x, y)| end + Coord { x, y });
    let study = study(&streets, &[wall.to_vec()]);
    let weights = study.network().weigh(&Profile::walk());
    let at = end + Coord { x: 73.754, y: -157.162 };
    let source = source(study.network(), at).expect("a street nearby");
    let draw = |minutes: &[f64]| {
        let limits: Vec<WalkTime> = minutes.iter().copied().map(WalkTime::from_minutes).collect();
        isochrones(&mut Search::new(), &study, &weights, &source, &limits, &FULL).remove(0)
    };
    assert_eq!(draw(&[1.96906]), draw(&[1.96906, 8.0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn however_circles_are_split_they_cover_the_same(
        streets in town::any_streets(), at in prop::collection::vec((0..50, 0..45), 1..6), minutes in 1.0..6.0f64,
        tolerance_m in prop_oneof![Just(0.0), 1.0..8.0f64],
    ) {
        let facility = |(i, &(x, y)): (usize, &(i32, i32))| {
            let at = LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 900 };
            Facility::new(format!("f{i}"), at, Kind::Nursery)
        };
        let places = Places { facilities: at.iter().enumerate().map(facility).collect(), ..Places::default() };
        let study = Study::new(town::network(&streets), places, None, 250.0);
        let weights = study.network().weigh(&Profile::walk());
        let limits = [minutes, minutes + 3.0].map(WalkTime::from_minutes);
        let drawing = Drawing { tolerance_m, ..FULL };
        let draw = |split| circles(&study, &weights, &|i| i != 1, &limits, split, &drawing);
        let (whole, each, shares) = (draw(Split::None), draw(Split::Facility), draw(Split::Nearest));
        prop_assert!(each.iter().chain(&shares).all(|circle| circle.facility.is_some_and(|f| f != 1)));
        for circle in whole.iter().chain(&each).chain(&shares) {
            is_sound(&circle.isochrone.shape)?;
        }
        prop_assert!(each.is_sorted_by_key(|circle| (circle.facility, circle.isochrone.limit)));
        prop_assert!(shares.is_sorted_by_key(|circle| (circle.facility, circle.isochrone.limit)));
        for (whole, limit) in whole.iter().zip(limits) {
            let of = |circles: &[Circle]| -> Vec<MultiPolygon<f64>> {
                circles.iter().filter(|c| c.isochrone.limit == limit).map(|c| c.isochrone.shape.clone()).collect()
            };
            let (shares, each) = (of(&shares), of(&each));
            let sum: f64 = shares.iter().map(Area::unsigned_area).sum();
            let area = whole.isochrone.shape.unsigned_area();
            let gaps = 6.0 * SIDE_M * SIDE_M + 0.1 * area + 600.0 * tolerance_m;
            prop_assert!((sum - area).abs() <= gaps, "{sum} m² in shares, {area} m² as one");
            for at in even_sample(&whole.isochrone.shape, 100, 5.0) {
                let holders = shares.iter().filter(|shape| contains(shape, at)).count();
                prop_assert!(holders <= 1, "{at:?} is in the shares of {holders}");
                let near = |shape: &MultiPolygon<f64>| Euclidean.distance(&Point(at), shape) <= SIDE_M + 2.0 * tolerance_m;
                prop_assert!(shares.iter().any(near), "{at:?} is in nobody's share");
                // A pocket is filled when all of them together reach around it.
                let has_street = study.network().snap(at, FULL.depth_m - SIDE_M).is_some();
                prop_assert!(!has_street || each.iter().any(near), "{at:?} is in nobody's circle");
            }
        }
    }
}
