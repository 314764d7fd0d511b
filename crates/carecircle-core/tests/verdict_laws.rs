//! Laws that every verdict obeys, whatever the town: what changes when the limit, the facilities or their order change.

use carecircle_core::coverage::{BlockStatus, Coverage, Reason, Walkers};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Eligibility, Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Places};
use carecircle_core::policy::Policy;
use carecircle_core::profile::{Climb, Profile};
use carecircle_core::search::Search;
use carecircle_core::street::Streets;
use carecircle_core::study::Study;
use geo::{MultiPolygon, Rect};
use proptest::prelude::*;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

fn place(x: i32, y: i32) -> LonLat {
    LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 1_000 }
}

fn facility(i: usize, (x, y): (i32, i32), kind: Kind) -> Facility {
    Facility::new(format!("f{i}"), place(x, y), kind)
}

/// Blocks of both sorts: points, and squares of about 100 m with an even sample of demand points.
fn blocks(places: &[(i32, i32)]) -> Vec<BlockRow> {
    let square = |(x, y): (i32, i32)| {
        let (low, high) = (place(x, y), place(x + 10, y + 9));
        let corner = |p: LonLat| geo::Coord { x: p.lon(), y: p.lat() };
        BlockPlace::Shape(MultiPolygon(vec![Rect::new(corner(low), corner(high)).to_polygon()]))
    };
    let row = |(i, &at): (usize, &(i32, i32))| BlockRow {
        id: format!("b{i}"),
        name: None,
        place: if i % 2 == 0 { BlockPlace::Point(place(at.0, at.1)) } else { square(at) },
        population: None,
        under3: Some(f64::from(at.0.abs() % 3)),
        area: None,
        other: OtherColumns::default(),
    };
    places.iter().enumerate().map(row).collect()
}

fn study(streets: &Streets, facilities: Vec<Facility>, homes: &[(i32, i32)]) -> Study {
    let places = Places { facilities, ..Places::default() };
    Study::new(town::network(streets), places, Some(blocks(homes)), 250.0)
}

fn minutes(minutes: f64) -> Policy {
    Policy { minutes, ..Policy::default() }
}

fn any_places(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::vec((-10..60, -10..55), count)
}

fn well_formed(study: &Study, coverage: &Coverage) -> Result<(), TestCaseError> {
    for verdict in &coverage.verdicts {
        prop_assert!((0.0..=1.0).contains(&verdict.covered_share));
        prop_assert_eq!(verdict.reason.is_none(), verdict.status == BlockStatus::Covered);
        prop_assert_eq!(verdict.status == BlockStatus::Uncovered, verdict.covered_share == 0.0);
        prop_assert_eq!(verdict.time.is_some(), verdict.nearest.is_some());
        if verdict.status == BlockStatus::Covered {
            prop_assert!(verdict.time.is_some(), "covered, but no minutes");
        }
    }
    prop_assert_eq!(coverage.total.blocks, study.demand().blocks.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_longer_limit_never_uncovers(
        streets in town::any_streets(), f in any_places(0..5), homes in any_places(1..8), a in 1.0..12.0f64, b in 1.0..12.0f64,
    ) {
        let facilities = f.iter().enumerate().map(|(i, &at)| facility(i, at, Kind::Nursery)).collect();
        let study = study(&streets, facilities, &homes);
        let (short, long) = (study.check(&minutes(a.min(b))), study.check(&minutes(a.max(b))));
        well_formed(&study, &short)?;
        for (s, l) in short.verdicts.iter().zip(&long.verdicts) {
            prop_assert!(l.covered_share >= s.covered_share && l.status <= s.status);
            prop_assert_eq!(l.time, s.time, "minutes do not depend on the limit");
        }
        prop_assert!(long.total.covered >= short.total.covered);
    }

    #[test]
    fn two_sets_of_facilities_give_the_nearer_of_each(
        streets in town::any_streets(), f in any_places(0..4), g in any_places(0..4), homes in any_places(1..8),
    ) {
        let named = |from: usize, at: &[(i32, i32)]| -> Vec<Facility> {
            at.iter().enumerate().map(|(i, &p)| facility(from + i, p, Kind::Nursery)).collect()
        };
        let (first, second) = (named(0, &f), named(f.len(), &g));
        let both: Vec<Facility> = first.iter().chain(&second).cloned().collect();
        let walks = |facilities| {
            let study = study(&streets, facilities, &homes);
            let coverage = study.check(&Policy::default());
            let shares: Vec<f64> = coverage.verdicts.iter().map(|v| v.covered_share).collect();
            (coverage.walks.iter().map(|w| w.map(|a| a.time)).collect::<Vec<_>>(), shares)
        };
        let (one, one_shares) = walks(first);
        let (two, _) = walks(second);
        let (together, shares) = walks(both);
        for ((a, b), c) in one.into_iter().zip(two).zip(together) {
            prop_assert_eq!(c, [a, b].into_iter().flatten().min());
        }
        prop_assert!(one_shares.iter().zip(&shares).all(|(before, after)| after >= before));
    }

    #[test]
    fn the_order_of_facilities_changes_nothing(
        streets in town::any_streets(), f in any_places(1..6), homes in any_places(1..8), turn in 0..6_usize,
    ) {
        let facilities: Vec<Facility> = f.iter().enumerate().map(|(i, &at)| facility(i, at, Kind::Nursery)).collect();
        let mut turned = facilities.clone();
        turned.rotate_left(turn % facilities.len());
        turned.reverse();
        let verdicts = |facilities| study(&streets, facilities, &homes).check(&Policy::default()).verdicts;
        prop_assert_eq!(verdicts(facilities), verdicts(turned));
    }

    #[test]
    fn a_city_with_other_facilities_is_judged_as_if_it_never_had_any_others(
        streets in town::any_streets(), f in any_places(0..5), g in any_places(0..5), homes in any_places(1..8),
        stroller in any::<bool>(),
    ) {
        let named = |at: &[(i32, i32)]| -> Vec<Facility> {
            at.iter().enumerate().map(|(i, &p)| facility(i, p, Kind::Nursery)).collect()
        };
        let steps = if stroller { Climb::CLOSED } else { Profile::walk().steps };
        let profile = Profile { steps, ..Profile::walk() };
        let policy = Policy { profile, ..Policy::default() };
        let before = study(&streets, named(&f), &homes);
        let walkers = Walkers::new(&before, &policy.profile);
        before.check_for(&walkers, &policy);
        let after = before.with_other_facilities(named(&g), Walkers::new(&before, &Profile::walk()).weights());
        let anew = study(&streets, named(&g), &homes);
        prop_assert_eq!(after.facilities(), anew.facilities());
        let told = |coverage: Coverage| (coverage.verdicts, coverage.walks, coverage.total);
        let with_known_doors = after.check_for(&walkers.among_other_facilities(), &policy);
        prop_assert_eq!(told(with_known_doors), told(anew.check(&policy)));
    }

    #[test]
    fn what_the_policy_does_not_count_is_the_reason_where_it_would_have_covered(
        streets in town::any_streets(), f in any_places(1..4), homes in any_places(1..8),
    ) {
        let facilities: Vec<Facility> = f.iter().enumerate().map(|(i, &at)| facility(i, at, Kind::Kindergarten)).collect();
        let study = study(&streets, facilities, &homes);
        let eligibility = Eligibility { kinds: vec![Kind::Nursery], ..Eligibility::default() };
        let strict = study.check(&Policy { eligibility, ..Policy::default() });
        let lenient = study.check(&Policy::default());
        well_formed(&study, &strict)?;
        for (s, l) in strict.verdicts.iter().zip(&lenient.verdicts) {
            prop_assert!(s.covered_share <= 0.0);
            let expected = if l.covered_share > 0.5 { Some(Reason::NotEligible) } else { None };
            prop_assert!(expected.is_none() || s.reason == expected);
        }
    }
}

#[test]
fn reasons_tell_a_missing_street_from_a_missing_bridge() {
    // Two streets that never meet; one facility on the first; homes at it, on the other street, and far from both.
    let streets =
        town::streets(&[(0, 0), (2, 0), (0, 3), (2, 3)], &[(vec![0, 1], true, true), (vec![2, 3], true, true)]);
    let study = study(&streets, vec![facility(0, (2, 0), Kind::Nursery)], &[(4, 0), (4, 24), (4, 90)]);
    let coverage = study.check(&Policy::default());
    let reasons: Vec<Option<Reason>> = coverage.verdicts.iter().map(|v| v.reason).collect();
    assert_eq!(reasons, [None, Some(Reason::CutOff), Some(Reason::NoStreet)]);
    assert!(coverage.verdicts[0].time.is_some() && coverage.verdicts[1].time.is_none());
}

proptest! {
    #[test]
    fn the_facility_tree_finds_what_looking_at_each_finds(f in any_places(1..40), at in (-10..60, -10..55), half in 1.0..300.0f64) {
        let facilities = f.iter().enumerate().map(|(i, &p)| facility(i, p, Kind::Nursery)).collect();
        let study = study(&one_street(), facilities, &[]);
        let at = study.network().projection().project(place(at.0, at.1));
        let (low, high) = (geo::Coord { x: at.x - half, y: at.y - half }, geo::Coord { x: at.x + half, y: at.y + half });
        let inside = |p: geo::Coord<f64>| (low.x..=high.x).contains(&p.x) && (low.y..=high.y).contains(&p.y);
        let each: Vec<usize> = (0..f.len()).filter(|&i| inside(study.facilities()[i].at)).collect();
        prop_assert_eq!(study.facilities_in(low, high), each);
        let away = |i: usize| (study.facilities()[i].at.x - at.x).hypot(study.facilities()[i].at.y - at.y);
        let near: Vec<f64> = study.facilities_near(at).map(away).collect();
        prop_assert_eq!(near.len(), f.len());
        prop_assert!(near.is_sorted());
    }
}

#[test]
fn no_facility_at_all_is_said_so() {
    let streets = town::streets(&[(0, 0), (2, 0)], &[(vec![0, 1], true, true)]);
    let study = study(&streets, Vec::new(), &[(4, 0)]);
    assert_eq!(study.check(&Policy::default()).verdicts[0].reason, Some(Reason::NoFacility));
}

fn area(id: &str, level: AreaLevel, low: (i32, i32), high: (i32, i32), under3: Option<f64>) -> Area {
    let corner = |(x, y): (i32, i32)| (place(x, y).lon(), place(x, y).lat());
    let shape = MultiPolygon(vec![Rect::new(corner(low), corner(high)).to_polygon()]);
    Area { under3, ..Area::new(id, level, shape) }
}

fn one_street() -> Streets {
    town::streets(&[(0, 0), (5, 0)], &[(vec![0, 1], true, true)])
}

#[test]
fn areas_share_their_children_out_to_the_child() {
    let areas = vec![
        area("d", AreaLevel::District, (-50, -50), (100, 100), Some(90.0)),
        area("c", AreaLevel::Community, (-50, -50), (20, 100), Some(40.0)),
    ];
    // Estimates of blocks without any number: squares of equal size, two in the community, one outside it.
    let rows = [(1, 1), (5, 3), (40, 1)].iter().enumerate().map(|(i, &at)| BlockRow {
        under3: None,
        place: blocks(&[(0, 0), at])[1].place.clone(),
        id: format!("b{i}"),
        ..blocks(&[at])[0].clone()
    });
    let places = Places { areas, ..Places::default() };
    let study = Study::new(town::network(&one_street()), places, Some(rows.collect()), 250.0);
    let children: Vec<f64> = study.demand().blocks.iter().map(|b| b.children).collect();
    assert!((children[0] + children[1] - 40.0).abs() < 1e-9, "{children:?}");
    assert!((children.iter().sum::<f64>() - 90.0).abs() < 1e-9, "{children:?}");
    let coverage = study.check(&Policy::default());
    assert_eq!((coverage.areas[0].blocks, coverage.areas[1].blocks), (3, 2));
}

#[test]
fn a_city_of_one_district_counts_its_blocks_in_both() {
    let areas = vec![
        area("d", AreaLevel::District, (-50, -50), (100, 100), None),
        area("city", AreaLevel::City, (-50, -50), (100, 100), None),
    ];
    let places = Places { areas, ..Places::default() };
    let study = Study::new(town::network(&one_street()), places, Some(blocks(&[(1, 1), (5, 3)])), 250.0);
    assert_eq!(study.areas().parents(), [Some(1), None]);
    let coverage = study.check(&Policy::default());
    assert_eq!((coverage.areas[0].blocks, coverage.areas[1].blocks), (2, 2));
}

#[test]
fn points_without_numbers_share_their_areas_children_equally() {
    let areas = vec![area("d", AreaLevel::District, (-50, -50), (100, 100), Some(30.0))];
    let rows = blocks(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]).into_iter().step_by(2);
    let rows = rows.map(|row| BlockRow { under3: None, ..row }).collect();
    let places = Places { areas, ..Places::default() };
    let study = Study::new(town::network(&one_street()), places, Some(rows), 250.0);
    let children: Vec<f64> = study.demand().blocks.iter().map(|b| b.children).collect();
    assert_eq!(children, [10.0, 10.0, 10.0]);
}

#[test]
fn a_block_belongs_where_most_of_its_children_live() {
    // A block of 100 m whose south-western corner alone lies in the sliver.
    let areas = vec![
        area("main", AreaLevel::Community, (12, -50), (100, 100), None),
        area("sliver", AreaLevel::Community, (-50, -50), (12, 100), None),
    ];
    let rows = vec![blocks(&[(0, 0), (10, 2)]).remove(1)];
    let places = Places { areas, ..Places::default() };
    let study = Study::new(town::network(&one_street()), places, Some(rows), 250.0);
    assert!(study.demand().points.len() > 4);
    assert_eq!(study.demand().blocks[0].area, Some(0));
}

#[test]
fn exactly_half_is_covered() {
    // Twelve homes of equal size in one block, six of them within the limit: six twelfths don't add up to a half.
    use carecircle_core::place::{Building, Home, ResidentialArea};
    let streets = town::streets(&[(0, 0), (30, 0)], &[(vec![0, 1], true, true)]);
    let home = |x: i32| Building { at: place(x, 1), footprint_m2: 100.0, levels: Some(3.0), home: Home::Certain };
    let near = (0..6).map(|i| home(2 + i));
    let far = (0..6).map(|i| home(200 + i));
    let corner = |(x, y): (i32, i32)| (place(x, y).lon(), place(x, y).lat());
    let shape = MultiPolygon(vec![Rect::new(corner((0, -2)), corner((210, 4))).to_polygon()]);
    let residential = vec![ResidentialArea { id: "w1".to_owned(), name: None, shape }];
    let facilities = vec![facility(0, (0, 0), Kind::Nursery)];
    let places = Places { facilities, residential, buildings: near.chain(far).collect(), ..Places::default() };
    let study = Study::new(town::network(&streets), places, None, 250.0);
    let verdict = &study.check(&Policy::default()).verdicts[0];
    assert_eq!(verdict.status, BlockStatus::Covered, "{verdict:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_explanation_says_what_the_verdict_says(
        streets in town::any_streets(), f in any_places(0..5), homes in any_places(1..8), limit in 1.0..12.0f64,
        kinds in 0..3_usize, share in 0.1..1.0f64,
    ) {
        let kind = |i: usize| if i.is_multiple_of(2) { Kind::Nursery } else { Kind::Kindergarten };
        let facilities = f.iter().enumerate().map(|(i, &at)| facility(i, at, kind(i))).collect();
        let study = study(&streets, facilities, &homes);
        let kinds = [vec![], vec![Kind::Nursery], vec![Kind::Family]][kinds].clone();
        let eligibility = Eligibility { kinds, ..Eligibility::default() };
        let policy = Policy { eligibility, block_share: share, ..minutes(limit) };
        let coverage = study.check(&policy);
        let walkers = Walkers::new(&study, &policy.profile);
        let mut search = Search::new();
        for (i, block) in study.demand().blocks.iter().enumerate() {
            let explained = study.explain(&walkers, &policy, i);
            prop_assert_eq!(&explained.verdict, &coverage.verdicts[i]);
            prop_assert_eq!(&explained.eligible, &coverage.eligible);
            prop_assert_eq!(explained.points.len(), block.points.len());
            let middle = &explained.points[explained.middle.expect("a block has points")];
            prop_assert_eq!(middle.walk.map(|walk| walk.time), explained.verdict.time);
            prop_assert_eq!(middle.walk.map(|walk| walk.label as usize), explained.verdict.nearest);
            let mut inside = 0.0;
            for point in &explained.points {
                prop_assert_eq!(point.walk, coverage.walks[point.point]);
                let is_inside = point.walk.is_some_and(|walk| walk.time <= policy.limit());
                prop_assert_eq!(point.reason.is_none(), is_inside);
                inside += if is_inside { study.demand().points[point.point].weight } else { 0.0 };
                let around = study.surroundings(&mut search, &walkers, &policy, point);
                let counted = around.walks.iter().find(|walk| explained.eligible[walk.to]);
                let nearest = point.walk.map(|walk| (walk.time, walk.label as usize));
                prop_assert_eq!(counted.map(|walk| (walk.time, walk.to)), nearest);
                prop_assert_eq!(around.route.map(|route| route.time()), point.walk.map(|walk| walk.time));
                let refused = around.walks.iter().find(|walk| !explained.eligible[walk.to]);
                if point.reason == Some(Reason::NotEligible) {
                    prop_assert!(refused.is_some_and(|walk| walk.time <= policy.limit()));
                }
            }
            prop_assert!((inside - explained.verdict.covered_share).abs() < 1e-9);
        }
    }
}
