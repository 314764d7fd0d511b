//! Isochrones of random towns: valid, nested, with their origin inside and nothing far beyond the limit.

use carecircle_core::isochrone::{Drawing, OFF_STREET_M, Source, isochrones};
use carecircle_core::network::Network;
use carecircle_core::place::Places;
use carecircle_core::polygon::{contains, even_sample};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Reach, Search, Stretch};
use carecircle_core::study::{Door, Study};
use carecircle_core::time::WalkTime;
use geo::{Area, Distance, Euclidean, Line, Point, Validation, Winding};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// The straight lines of a reached stretch of street.
fn pieces(network: &Network, stretch: &Stretch) -> Vec<Line> {
    let vertices: Vec<_> = network.geometry(stretch.edge).collect();
    let cut = |pair: &[(geo::Coord<f64>, f64)]| {
        let ((a, from), (b, to)) = (pair[0], pair[1]);
        let place = |m: f64| if to > from { a + (b - a) * ((m.clamp(from, to) - from) / (to - from)) } else { a };
        (stretch.start_m <= to && stretch.end_m >= from)
            .then(|| Line::new(place(stretch.start_m), place(stretch.end_m)))
    };
    vertices.windows(2).filter_map(cut).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn bands_are_valid_nested_and_true_to_the_walk(
        streets in town::any_streets(), points in town::any_points(1..2), minutes in 1.0..8.0f64,
    ) {
        let study = Study::new(town::network(&streets), Places::default(), None, 250.0);
        let network = study.network();
        let profile = Profile::walk();
        let weights = network.weigh(&profile);
        let origin = points[0];
        let Some(snap) = network.snap(origin, 250.0) else { return Ok(()) };
        let source = Source { at: origin, doors: vec![Door { at: origin, beyond_m: 0.0, snap }], plain_doors: Vec::new() };
        let limits = [minutes, minutes + 2.0, minutes + 6.0].map(WalkTime::from_minutes);
        let mut search = Search::new();
        let bands = isochrones(&mut search, &study, &weights, &source, &limits, &Drawing::default());
        let alone = isochrones(&mut search, &study, &weights, &source, &limits[..1], &Drawing::default());
        prop_assert_eq!(&alone[0], &bands[0], "a band depends on the others");

        for (band, limit) in bands.iter().zip(limits) {
            prop_assert!(band.shape.is_valid(), "{:?}", band.shape.check_validation());
            prop_assert!(contains(&band.shape, origin), "the origin lies outside its own {limit:?}");
            for polygon in &band.shape {
                prop_assert!(polygon.exterior().is_ccw());
                prop_assert!(polygon.interiors().iter().all(Winding::is_cw));
            }
            // Whoever stands inside is near a street that is reached in time, or by the way from the origin to its
            // street; 500 m past the limit nobody is inside.
            let reach = Reach::new(&mut Search::new(), network, &weights, &[snap], limit);
            let streets: Vec<Line> = reach.stretches.iter().flat_map(|s| pieces(network, s)).collect();
            for at in even_sample(&band.shape, 60, 5.0) {
                let near = |line: &Line| Euclidean.distance(&Point(at), line) <= OFF_STREET_M + 26.0;
                prop_assert!(streets.iter().any(near) || near(&Line::new(origin, snap.at)), "{at:?} is far from any street reached");
                let straight_m = (at.x - origin.x).hypot(at.y - origin.y);
                prop_assert!(straight_m <= limit.seconds() * profile.speed.kmh() / 3.6 + 500.0);
            }
        }
        for pair in bands.windows(2) {
            prop_assert!(pair[0].shape.unsigned_area() <= pair[1].shape.unsigned_area() + 1e-6);
            for polygon in &pair[0].shape {
                let inside = |c: &geo::Coord<f64>| {
                    // Both bands may turn at the same vertex: a hair in one direction or another decides.
                    let hairs = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
                    let near = |(x, y): (f64, f64)| geo::Coord { x: c.x + x * 1e-6, y: c.y + y * 1e-6 };
                    hairs.into_iter().any(|hair| contains(&pair[1].shape, near(hair)))
                };
                prop_assert!(polygon.exterior().0.iter().all(inside), "the smaller band leaves the larger");
            }
        }
    }
}
