//! Indicators: a city's are those of its parts put together, and what lacks something has no value.

use carecircle_core::coverage::Known;
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::LonLat;
use carecircle_core::indicators::{
    Figure, Figures, INDICATORS, Indicator, Input, Lack, Mark, OTHER_MINUTES, OTHER_SPEEDS_KMH, ScoreCard,
};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Places};
use carecircle_core::policy::{Goal, Policy, Target};
use carecircle_core::profile::Profile;
use carecircle_core::study::Study;
use carecircle_core::time::Speed;
use geo::{Coord, MultiPolygon, Rect};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// Places are told in hundreds of 1e-5 degrees; the town lies between 0 and 60.
fn place((x, y): (i32, i32)) -> LonLat {
    LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 1_000 }
}

fn rectangle(low: (i32, i32), high: (i32, i32)) -> MultiPolygon<f64> {
    let corner = |at: (i32, i32)| Coord { x: place(at).lon(), y: place(at).lat() };
    MultiPolygon(vec![Rect::new(corner(low), corner(high)).to_polygon()])
}

fn block(id: usize, at: (i32, i32), under3: f64, population: Option<f64>) -> BlockRow {
    BlockRow {
        id: format!("b{id}"),
        name: None,
        place: BlockPlace::Point(place(at)),
        population,
        under3: Some(under3),
        area: None,
        other: OtherColumns::default(),
    }
}

/// A spot in town, on no border.
fn any_spot() -> impl Strategy<Value = (i32, i32)> {
    (-4..29, -4..26).prop_map(|(x, y)| (2 * x, 2 * y))
}

/// Anything that a register may tell or not tell.
fn any_facility() -> impl Strategy<Value = Facility> {
    let number = || prop::option::weighted(0.9, 0..40_u32);
    let numbers = [(); 7].map(|()| number());
    let flags = [(); 2].map(|()| prop::option::weighted(0.9, any::<bool>()));
    (any_spot(), 0..8_usize, 0..4_usize, numbers, flags).prop_map(|(at, kind, status, numbers, flags)| {
        let [places, places_infant, places_toddler, places_senior, enrolled, staff, staff_certified] = numbers;
        Facility {
            status: Status::ALL[status],
            inclusive: flags[0],
            health_manager: flags[1],
            places,
            places_infant,
            places_toddler,
            places_senior,
            enrolled,
            staff,
            staff_certified,
            ..Facility::new("", place(at), Kind::ALL[kind])
        }
    })
}

/// A town of four communities in two districts that leave nothing out.
fn town_of(
    streets: &carecircle_core::street::Streets,
    facilities: &[Facility],
    homes: &[((i32, i32), f64, Option<f64>)],
    told: &[(Option<f64>, Option<u32>)],
) -> Study {
    let quarters = [((-10, -10), (25, 25)), ((-10, 25), (25, 60)), ((25, -10), (65, 25)), ((25, 25), (65, 60))];
    let mut areas: Vec<Area> = quarters
        .iter()
        .zip(told)
        .enumerate()
        .map(|(i, (&(low, high), &(population, kindergartens)))| Area {
            population,
            kindergartens,
            ..Area::new(format!("c{i}"), AreaLevel::Community, rectangle(low, high))
        })
        .collect();
    areas.push(Area::new("west", AreaLevel::District, rectangle((-10, -10), (25, 60))));
    areas.push(Area::new("east", AreaLevel::District, rectangle((25, -10), (65, 60))));
    areas.push(Area::new("city", AreaLevel::City, rectangle((-10, -10), (65, 60))));
    let facilities =
        facilities.iter().enumerate().map(|(i, f)| Facility { id: format!("f{i:03}"), ..f.clone() }).collect();
    let rows = homes.iter().enumerate().map(|(i, &(at, under3, population))| block(i, at, under3, population));
    let rows = rows.collect();
    Study::new(town::network(streets), Places { facilities, areas, ..Places::default() }, Some(rows), 250.0)
}

fn sum(parts: &[&Figure], side: fn(&Figure) -> Known) -> Known {
    let mut sum = Known::default();
    for figure in parts {
        sum += side(figure);
    }
    sum
}

/// The same sums and the same number that don't tell; how many told it may differ, where one told for all.
fn agree(whole: Known, parts: Known) -> bool {
    (whole.sum - parts.sum).abs() <= 1e-9 * parts.sum.abs().max(1.0) && whole.missing == parts.missing
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_citys_indicators_are_those_of_its_parts_put_together(
        streets in town::any_streets(),
        facilities in prop::collection::vec(any_facility(), 0..12),
        homes in prop::collection::vec((any_spot(), 0.0..20.0f64, prop::option::weighted(0.8, 1.0..900.0f64)), 1..9),
        told in prop::collection::vec((prop::option::weighted(0.8, 1.0..5_000.0f64), prop::option::weighted(0.8, 0..9_u32)), 4),
        minutes in 1.0..20.0f64,
    ) {
        let study = town_of(&streets, &facilities, &homes, &told);
        let coverage = study.check(&Policy { minutes, ..Policy::default() });
        let Figures { total, areas } = Figures::new(&study, &coverage);
        for (whole, parts) in [(&total, &[0, 1, 2, 3][..]), (&total, &[4, 5]), (&areas[6], &[4, 5]), (&areas[4], &[0, 1])] {
            for (i, figure) in whole.iter().enumerate() {
                let parts: Vec<&Figure> = parts.iter().map(|&part| &areas[part][i]).collect();
                let (numerator, denominator) = (sum(&parts, |f| f.numerator), sum(&parts, |f| f.denominator));
                match figure.indicator {
                    // Sub-areas of a city are districts, those of a district communities.
                    Indicator::AreaShare => continue,
                    // An area whose blocks all tell their residents needs not tell its own, whatever others do.
                    Indicator::PlacesPer1000 if figure.denominator.missing < denominator.missing => {
                        prop_assert!(agree(figure.numerator, numerator));
                        continue;
                    }
                    _ => {}
                }
                prop_assert!(agree(figure.numerator, numerator), "{figure:?} {parts:?}");
                prop_assert!(agree(figure.denominator, denominator), "{figure:?} {parts:?}");
                let together = numerator.sum * figure.indicator.factor() / denominator.sum;
                if let Some(value) = figure.value() {
                    prop_assert!((value - together).abs() <= 1e-9 * together.abs());
                    prop_assert!(parts.iter().all(|part| part.lacks.iter().all(|lack| {
                        matches!(lack, Lack::NoDenominator | Lack::Exceeds)
                    })), "{figure:?} {parts:?}");
                }
            }
        }
        let with_facility = |parts: [usize; 2]| parts.into_iter().filter(|&part| coverage.areas[part].eligible > 0).count();
        for (area, parts) in [(6, [4, 5]), (4, [0, 1])] {
            let share = figure(&areas[area], Indicator::AreaShare);
            prop_assert_eq!(share.value(), Some(with_facility(parts) as f64 / 2.0));
        }
        for figure in areas.iter().flatten().chain(&total) {
            let untold = figure.numerator.missing + figure.denominator.missing;
            prop_assert!(untold == 0 || figure.value().is_none(), "{figure:?}");
            prop_assert_eq!(figure.value().is_none(), !figure.lacks.is_empty());
            prop_assert!(figure.value().is_none_or(f64::is_finite), "{figure:?}");
            let counts = figure.lacks.iter().all(|lack| match *lack {
                Lack::Untold { missing, of, .. } | Lack::Outside { missing, of } => (1..=of).contains(&missing),
                Lack::NoDenominator | Lack::Exceeds => true,
            });
            prop_assert!(counts, "{figure:?}");
        }
    }

    #[test]
    fn what_is_taken_from_a_register_never_makes_a_value(
        streets in town::any_streets(),
        facilities in prop::collection::vec(any_facility(), 1..8),
        which in any::<prop::sample::Index>(),
    ) {
        let homes = [((0, 0), 10.0, None), ((30, 30), 5.0, None)];
        let told = [(Some(1_000.0), Some(9)); 4];
        let complete = |f: &Facility| Facility {
            status: Status::Filed,
            inclusive: f.inclusive.or(Some(true)),
            health_manager: Some(true),
            places: Some(100),
            places_infant: Some(10),
            places_toddler: Some(20),
            enrolled: f.enrolled.or(Some(1)),
            staff: Some(50),
            staff_certified: f.staff_certified.or(Some(1)),
            kind: Kind::Nursery,
            ..f.clone()
        };
        let whole: Vec<Facility> = facilities.iter().map(complete).collect();
        let figures = |facilities: &[Facility]| {
            let study = town_of(&streets, facilities, &homes, &told);
            let coverage = study.check(&Policy::default());
            Figures::new(&study, &coverage).total
        };
        let all = figures(&whole);
        prop_assert!(all.iter().all(|figure| figure.value().is_some()), "{all:?}");
        let one = which.index(whole.len());
        let without = |change: fn(&mut Facility)| {
            let mut register = whole.clone();
            change(&mut register[one]);
            figures(&register)
        };
        let lost = |figures: [Figure; INDICATORS]| -> Vec<&'static str> {
            figures.iter().filter(|f| f.value().is_none()).map(|f| f.indicator.name()).collect()
        };
        prop_assert_eq!(
            lost(without(|f| f.places = None)),
            ["places_per_1000", "inclusive_share", "vacancy_rate", "under_two_share"]
        );
        prop_assert_eq!(lost(without(|f| f.inclusive = None)), ["inclusive_share"]);
        prop_assert_eq!(lost(without(|f| f.enrolled = None)), ["enrolment_rate", "vacancy_rate"]);
        prop_assert_eq!(lost(without(|f| f.staff = None)), ["certified_staff_share"]);
        prop_assert_eq!(lost(without(|f| f.staff_certified = None)), ["certified_staff_share"]);
        prop_assert_eq!(lost(without(|f| f.health_manager = None)), ["health_manager_share"]);
        prop_assert_eq!(lost(without(|f| f.places_infant = None)), ["under_two_share"]);
        let far = figures(&[whole.clone(), vec![Facility { at: place((500, 500)), ..whole[one].clone() }]].concat());
        prop_assert_eq!(lost(far), ["places_per_1000", "community_share", "kindergarten_share"]);
    }
}

fn one_street() -> carecircle_core::street::Streets {
    town::streets(&[(0, 0), (5, 0)], &[(vec![0, 1], true, true)])
}

fn figure(figures: &[Figure; INDICATORS], indicator: Indicator) -> &Figure {
    &figures[indicator as usize]
}

/// One nursery, in a street of a district; the areas are given.
fn study_of(areas: Vec<Area>, facilities: Vec<Facility>) -> Study {
    let rows = vec![block(0, (1, 1), 4.0, Some(300.0)), block(1, (40, 1), 6.0, None)];
    Study::new(town::network(&one_street()), Places { facilities, areas, ..Places::default() }, Some(rows), 250.0)
}

fn nursery(id: &str, at: (i32, i32)) -> Facility {
    Facility { places: Some(20), ..Facility::new(id, place(at), Kind::Nursery) }
}

#[test]
fn counts_are_cumulative_by_status_and_a_register_without_steps_says_so() {
    let at = |status, i: i32| Facility { status, ..nursery(&format!("f{i}"), (i, 1)) };
    let steps = [Status::Unknown, Status::Registered, Status::Filed, Status::Licensed, Status::Filed];
    let facilities = steps.into_iter().zip(0..).map(|(status, i)| at(status, i)).collect();
    let study = study_of(Vec::new(), facilities);
    let total = Figures::new(&study, &study.check(&Policy::default())).total;
    let numbers = |indicator| {
        let found = figure(&total, indicator);
        (found.numerator.sum, found.denominator.sum)
    };
    assert_eq!(numbers(Indicator::RegisteredShare), (4.0, 5.0));
    assert_eq!(numbers(Indicator::FiledShare), (3.0, 5.0));
    assert_eq!(figure(&total, Indicator::FiledShare).value(), Some(0.6));

    let study = study_of(Vec::new(), vec![nursery("a", (0, 0)), nursery("b", (1, 1))]);
    let total = Figures::new(&study, &study.check(&Policy::default())).total;
    for indicator in [Indicator::RegisteredShare, Indicator::FiledShare, Indicator::HealthManagerShare] {
        let lack = figure(&total, indicator).lacks[0];
        assert_eq!(lack, Lack::Untold { input: Input::Status, missing: 2, of: 2 }, "{indicator:?}");
    }
}

#[test]
fn residents_are_an_areas_own_else_those_inside_it_else_those_of_its_blocks() {
    let everywhere = || rectangle((-50, -50), (100, 100));
    let west = || rectangle((-50, -50), (20, 100));
    let residents = |areas: Vec<Area>, facilities: Vec<Facility>| {
        let study = study_of(areas, facilities);
        let total = Figures::new(&study, &study.check(&Policy::default())).total;
        let found = figure(&total, Indicator::PlacesPer1000).clone();
        (found.denominator.sum, found.lacks)
    };
    let here = || vec![nursery("a", (0, 0))];
    let city = |population| Area { population, ..Area::new("city", AreaLevel::City, everywhere()) };
    let part = |population| Area { population, ..Area::new("west", AreaLevel::District, west()) };
    assert_eq!(residents(vec![city(Some(9_000.0)), part(Some(400.0))], here()), (9_000.0, vec![]));
    // The nursery stands in the district, which tells.
    assert_eq!(residents(vec![city(None), part(Some(400.0))], here()), (400.0, vec![]));
    // One of two stands outside it.
    let both = vec![nursery("a", (0, 0)), nursery("b", (40, 0))];
    let (_, lacks) = residents(vec![city(None), part(Some(400.0))], both);
    assert_eq!(lacks, [Lack::Outside { missing: 1, of: 2 }]);
    // The only block of the district tells; not all blocks of the city do.
    assert_eq!(residents(vec![part(None)], here()), (300.0, vec![]));
    let (_, lacks) = residents(vec![city(None)], here());
    assert_eq!(lacks, [Lack::Untold { input: Input::Population, missing: 1, of: 1 }]);
    // A table of names and totals has no outlines; the whole is what it adds up to.
    let by_name = || Area { population: Some(7_000.0), ..Area::new("n", AreaLevel::City, MultiPolygon(Vec::new())) };
    assert_eq!(residents(vec![by_name()], here()), (7_000.0, vec![]));
    let study = study_of(vec![by_name()], here());
    let of_area = &Figures::new(&study, &study.check(&Policy::default())).areas[0];
    let unplaced = Lack::Untold { input: Input::Outline, missing: 1, of: 1 };
    assert_eq!(figure(of_area, Indicator::PlacesPer1000).lacks, [unplaced], "no places, for all that is known");
}

#[test]
fn communities_without_an_outline_are_missing() {
    let share = |communities: Option<u32>, facilities: Vec<Facility>| {
        let areas = vec![
            Area { communities, ..Area::new("d", AreaLevel::District, rectangle((-50, -50), (100, 100))) },
            Area::new("c1", AreaLevel::Community, rectangle((-50, -50), (20, 100))),
            Area::new("c2", AreaLevel::Community, rectangle((20, -50), (50, 100))),
        ];
        let study = study_of(areas, facilities);
        figure(&Figures::new(&study, &study.check(&Policy::default())).total, Indicator::CommunityShare).clone()
    };
    assert_eq!(share(Some(2), vec![nursery("a", (0, 0))]).value(), Some(0.5));
    assert_eq!(share(None, vec![nursery("a", (0, 0))]).value(), Some(0.5));
    let three = share(Some(5), vec![nursery("a", (0, 0))]);
    assert_eq!(three.lacks, [Lack::Untold { input: Input::Outline, missing: 3, of: 5 }]);
    // Nobody says how many communities there are, and one facility stands in none that is known.
    assert_eq!(share(None, vec![nursery("a", (80, 0))]).lacks, [Lack::Outside { missing: 1, of: 1 }]);
    assert_eq!(share(Some(1), vec![nursery("a", (0, 0)), nursery("b", (30, 0))]).lacks, [Lack::Exceeds]);
}

#[test]
fn targets_are_met_missed_or_not_to_be_told() {
    let target =
        |indicator, goal, sub_areas| Target { indicator, goal, sub_areas, year: None, source: "me".to_owned() };
    let targets = vec![
        target(Indicator::PlacesPer1000, Some(Goal::AtLeast(4.5)), None),
        target(Indicator::PlacesPer1000, Some(Goal::Over(20.0)), None),
        target(Indicator::InclusiveShare, Some(Goal::AtLeast(0.0)), None),
        target(Indicator::CoveredShare, None, None),
        target(Indicator::AreaShare, Some(Goal::AtLeast(1.0)), Some(AreaLevel::Street)),
    ];
    let policy = Policy { targets, ..Policy::default() };
    let street = |id: &str, low, high| Area::new(id, AreaLevel::Street, rectangle(low, high));
    let areas = vec![
        Area { population: Some(1_000.0), ..Area::new("d", AreaLevel::District, rectangle((-50, -50), (100, 100))) },
        street("s1", (-50, -50), (20, 100)),
        street("s2", (20, -50), (100, 100)),
    ];
    let study = study_of(areas, vec![nursery("a", (0, 0))]);
    let card = ScoreCard::new(&study, &study.check(&policy));
    let marks: Vec<Mark> = card.scores.iter().map(carecircle_core::indicators::Score::mark).collect();
    assert_eq!(marks, [Mark::Met, Mark::Missed, Mark::Unknown, Mark::Unknown, Mark::Missed]);
    assert_eq!(card.scores[4].total.value(), Some(0.5), "of streets, though the whole holds one district");
    assert_eq!(card.scores[4].areas[1].value(), Some(1.0));
    assert!(card.scores[3].total.value().is_some(), "a promise without a number has a value all the same");
}

#[test]
fn other_limits_and_speeds_are_what_their_own_check_finds() {
    let study = study_of(Vec::new(), vec![nursery("a", (0, 0))]);
    let policy = Policy { minutes: 2.0, ..Policy::default() };
    let card = ScoreCard::new(&study, &study.check(&policy));
    assert_eq!(card.sensitivity.len(), OTHER_SPEEDS_KMH.len());
    for at in &card.sensitivity {
        for (minutes, share) in OTHER_MINUTES.into_iter().zip(at.covered_shares) {
            let speed = Speed::from_kmh(at.speed_kmh).unwrap();
            let profile = Profile { speed, ..policy.profile.clone() };
            let checked = study.check(&Policy { minutes, profile, ..policy.clone() });
            assert_eq!(share, checked.total.covered_share(), "{} km/h, {minutes} min", at.speed_kmh);
        }
    }
    let inequality = card.inequality.unwrap();
    assert!(inequality.mean_minutes > 0.0 && inequality.children_beyond == 0.0, "{inequality:?}");
    let nobody = study.check(&Policy {
        eligibility: carecircle_core::facility::Eligibility { min_places: Some(99), ..Default::default() },
        ..policy
    });
    assert_eq!(ScoreCard::new(&study, &nobody).inequality, None, "where nobody gets anywhere nobody is equal");
}
