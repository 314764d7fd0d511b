//! Isochrones of random towns: valid, nested, with their origin inside, and true to the nearest street in sight.

use carecircle_core::isochrone::{Drawing, Source, isochrones};
use carecircle_core::network::{EdgeId, Network};
use carecircle_core::place::Places;
use carecircle_core::polygon::{contains, even_sample};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::study::{Door, Study};
use carecircle_core::time::WalkTime;
use carecircle_core::weights::Weights;
use geo::{Area, Coord, Distance, Euclidean, Line, MultiPolygon, Point, Validation, Winding};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// The lattice's side: nothing smaller is told apart.
const SIDE_M: f64 = 12.5;
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

/// Rounding of times and of places.
const HAIR: WalkTime = WalkTime::from_millis(5);

#[derive(Debug)]
enum Verdict {
    Reached(WalkTime),
    /// None within the depth.
    NoStreet,
    /// Near the line from the origin to its street; at the end of a one-way street, where another may go on; or within a
    /// millimetre as near to another street.
    Unsure,
}

/// The verdict at a place, by the nearest street within the depth.
fn verdict(network: &Network, weights: &Weights, sweep: &Sweep, source: &Source, at: Coord<f64>) -> Verdict {
    let way_in = Line::new(source.at, source.doors[0].snap.at);
    if Euclidean.distance(&Point(at), &way_in) <= FULL.depth_m {
        return Verdict::Unsure;
    }
    let Some(snap) = network.snap(at, FULL.depth_m) else { return Verdict::NoStreet };
    let edge = network.edge(snap.edge);
    let away_m = |id: &u32| {
        let ends: Vec<Coord<f64>> = network.geometry(EdgeId(*id)).map(|(at, _)| at).collect();
        let lines = ends.windows(2).map(|pair| Euclidean.distance(&Point(at), &Line::new(pair[0], pair[1])));
        lines.fold(f64::INFINITY, f64::min)
    };
    let is_within = 0.0 < snap.along_m && snap.along_m < edge.length_m;
    let as_near = (0..network.edges().len() as u32).filter(|id| away_m(id) < snap.offset_m + 1e-3).count();
    if is_within && as_near > 1 {
        return Verdict::Unsure;
    }
    if !(edge.forward && edge.backward) && !is_within {
        return Verdict::Unsure;
    }
    Verdict::Reached(sweep.at(network, weights, &snap).map_or(WalkTime::NEVER, |arrival| arrival.time))
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
        streets in town::any_streets(), points in town::any_points(1..2), minutes in 1.0..8.0f64, tolerance_m in 0.0..12.0f64,
    ) {
        let study = Study::new(town::network(&streets), Places::default(), None, 250.0);
        let network = study.network();
        let weights = network.weigh(&Profile::walk());
        let origin = points[0];
        let Some(source) = source(network, origin) else { return Ok(()) };
        let limits = [minutes, minutes + 2.0, minutes + 6.0].map(WalkTime::from_minutes);
        let mut search = Search::new();
        let mut draw = |limits: &[WalkTime], drawing: &Drawing| isochrones(&mut search, &study, &weights, &source, limits, drawing);
        let bands = draw(&limits, &FULL);
        prop_assert_eq!(&draw(&limits[..1], &FULL)[0], &bands[0], "a band depends on the others");
        prop_assert_eq!(&draw(&limits[1..], &FULL)[0], &bands[1], "a band depends on the others");
        let simple = draw(&limits, &Drawing { tolerance_m, ..FULL });

        let sweep = Sweep::new(network, &weights, &[Origin { snap: source.doors[0].snap, label: 0 }], WalkTime::NEVER);
        for (band, simple) in bands.iter().zip(&simple) {
            is_sound(&band.shape)?;
            is_sound(&simple.shape)?;
            let to_degrees = network.projection().unproject_shape(&simple.shape);
            prop_assert!(to_degrees.is_valid(), "rounded: {:?}", to_degrees.check_validation());
            prop_assert!(contains(&band.shape, origin), "the origin lies outside its own {:?}", band.limit);
            let corners = |shape: &MultiPolygon<f64>| shape.iter().map(|p| p.exterior().0.len()).sum::<usize>();
            prop_assert!(corners(&simple.shape) <= corners(&band.shape));
            for at in even_sample(&band.shape, 60, 5.0) {
                let verdicts = corners_around(at).map(|corner| verdict(network, &weights, &sweep, &source, corner));
                let may_be_reached = |verdict: &Verdict| match verdict {
                    Verdict::Reached(time) => *time <= band.limit + HAIR,
                    // Without a street it may be part of a pocket.
                    Verdict::NoStreet | Verdict::Unsure => true,
                };
                prop_assert!(verdicts.iter().any(may_be_reached), "{at:?} is inside, and {verdicts:?} are its cell");
            }
            let low = Coord { x: -400.0, y: -400.0 };
            for at in (0..400).map(|i| low + Coord { x: f64::from(i % 20) * 41.0, y: f64::from(i / 20) * 43.0 }) {
                let verdicts = corners_around(at).map(|corner| verdict(network, &weights, &sweep, &source, corner));
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
