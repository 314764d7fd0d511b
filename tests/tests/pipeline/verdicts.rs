//! Small drawn situations, from PBF to verdict: what §4 of the rules says, as a few nodes that a person can follow.

use carecircle_core::coverage::{BlockStatus, Coverage, Reason};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_osm::ReadOptions;
use carecircle_tests::pbf::{Compression, Member, Node, OsmFile, Relation, Way};
use std::io::Cursor;

/// A drawing in metres east and north of the origin: nodes by number, ways over them.
#[derive(Default)]
struct Drawing {
    file: OsmFile,
}

impl Drawing {
    fn node(&mut self, id: i64, east: f64, north: f64, tags: &[(&str, &str)]) -> &mut Self {
        self.file.nodes.push(Node::metres(id, east, north, tags));
        self
    }

    fn street(&mut self, id: i64, refs: &[i64], tags: &[(&str, &str)]) -> &mut Self {
        self.file.ways.push(Way::new(id, refs, tags));
        self
    }

    /// A square of a side in metres around a place; its corners take ids from 1000 times its own.
    fn square(&mut self, id: i64, east: f64, north: f64, side: f64, tags: &[(&str, &str)]) -> &mut Self {
        let half = side / 2.0;
        let corners = [(-half, -half), (half, -half), (half, half), (-half, half)];
        let ids: Vec<i64> = (1..=4).map(|k| id * 1_000 + k).collect();
        for (node, (x, y)) in ids.iter().zip(corners) {
            self.node(*node, east + x, north + y, &[]);
        }
        self.file.ways.push(Way::ring(id, &ids, tags));
        self
    }

    fn study(&self) -> Study {
        let bytes = self.file.to_pbf(Compression::Zlib);
        let extract = carecircle_osm::read_from(Cursor::new(bytes), &ReadOptions::default()).expect("a sound drawing");
        let (network, _) = Network::build(&extract.streets, NetworkOptions { island_m: 0.0 });
        Study::new(network, extract.places, None, SNAP_WITHIN_M)
    }

    fn check(&self) -> (Study, Coverage) {
        let study = self.study();
        let coverage = study.check(&Policy::default());
        (study, coverage)
    }
}

/// A straight street of 3 km along the x axis, a nursery at its start, homes where the test wants them.
fn straight_street() -> Drawing {
    let mut drawing = Drawing::default();
    drawing.node(1, 0.0, 0.0, &[]).node(2, 3_000.0, 0.0, &[]);
    drawing.street(1, &[1, 2], &[("highway", "residential")]);
    drawing.node(3, 0.0, 0.0, &[("amenity", "childcare"), ("name", "苗苗托育")]);
    drawing
}

const HOME: &[(&str, &str)] = &[("building", "apartments"), ("building:levels", "6")];
const RESIDENTIAL: &[(&str, &str)] = &[("landuse", "residential")];

#[test]
fn eighty_metres_are_a_minute_and_1200_the_limit() {
    let mut drawing = straight_street();
    drawing.square(10, 1_100.0, 30.0, 20.0, HOME).square(11, 1_100.0, 30.0, 60.0, RESIDENTIAL);
    drawing.square(12, 1_300.0, 30.0, 20.0, HOME).square(13, 1_300.0, 30.0, 60.0, RESIDENTIAL);
    let (study, coverage) = drawing.check();
    let ids: Vec<&str> = study.demand().blocks.iter().map(|b| b.id.as_str()).collect();
    assert_eq!(ids, ["w11", "w13"]);
    // 1,100 m along the street and 30 m to it.
    let minutes = |i: usize| coverage.verdicts[i].time.and_then(WalkTime::minutes).expect("a route");
    assert!((minutes(0) - 1_130.0 / 80.0).abs() < 0.02, "{}", minutes(0));
    assert!((minutes(1) - 1_330.0 / 80.0).abs() < 0.02, "{}", minutes(1));
    assert_eq!(coverage.verdicts[0].status, BlockStatus::Covered);
    assert_eq!(coverage.verdicts[1].status, BlockStatus::Uncovered);
    assert_eq!(coverage.verdicts[1].reason, Some(Reason::TooFar));
}

#[test]
fn a_stray_street_on_another_continent_changes_nothing() {
    let mut drawing = straight_street();
    drawing.square(10, 1_100.0, 230.0, 20.0, HOME);
    let walks = |drawing: &Drawing| drawing.check().1.walks;
    let before = walks(&drawing);
    drawing.file.nodes.push(Node::degrees(900, -170.0, 10.0, &[]));
    drawing.file.nodes.push(Node::degrees(901, -170.001, 10.0, &[]));
    drawing.street(200, &[900, 901], &[("highway", "path")]);
    // Most places are still in the town.
    drawing.node(5, 1_500.0, 10.0, &[]).node(6, 1_600.0, 10.0, &[]).street(300, &[2, 5, 6], &[("highway", "path")]);
    assert_eq!(walks(&drawing), before);
}

#[test]
fn homes_weigh_by_their_floors() {
    // A tower near and a house far in one block: most children live in the tower.
    let mut drawing = straight_street();
    drawing.square(10, 1_150.0, 10.0, 20.0, &[("building", "apartments"), ("building:levels", "18")]);
    drawing.square(11, 1_250.0, 10.0, 20.0, &[("building", "house"), ("building:levels", "2")]);
    drawing.square(12, 1_200.0, 10.0, 200.0, RESIDENTIAL);
    let (_, coverage) = drawing.check();
    let verdict = &coverage.verdicts[0];
    assert!((verdict.covered_share - 0.9).abs() < 1e-3, "{}", verdict.covered_share);
    assert_eq!(verdict.status, BlockStatus::Covered);
}

#[test]
fn homes_outside_every_polygon_still_get_a_verdict() {
    let mut drawing = straight_street();
    drawing.square(10, 500.0, 20.0, 12.0, &[("building", "yes")]);
    drawing.square(11, 2_500.0, 20.0, 12.0, &[("building", "house")]);
    // A factory hall and a kiosk are no homes.
    drawing.square(12, 900.0, 200.0, 100.0, &[("landuse", "industrial")]);
    drawing.square(13, 900.0, 200.0, 40.0, &[("building", "yes")]);
    drawing.square(14, 1_500.0, 20.0, 5.0, &[("building", "yes"), ("shop", "kiosk")]);
    let (study, coverage) = drawing.check();
    assert_eq!(study.demand().report.homes, 2);
    assert_eq!(study.demand().report.homes_in_cells, 2);
    let statuses: Vec<BlockStatus> = coverage.verdicts.iter().map(|v| v.status).collect();
    assert_eq!(statuses, [BlockStatus::Covered, BlockStatus::Uncovered]);
    assert!(study.demand().blocks.iter().all(|b| !b.id.contains(['.', '/'])));
}

#[test]
fn a_large_polygon_is_cut_and_a_wood_in_it_is_no_home() {
    let mut drawing = straight_street();
    drawing.square(20, 1_000.0, 0.0, 1_600.0, RESIDENTIAL);
    // Houses in the western half only: 300 of them, so that the map counts as complete.
    for i in 0..300 {
        let (column, row) = (f64::from(i % 15), f64::from(i / 15));
        drawing.square(100 + i64::from(i), 230.0 + column * 50.0, -760.0 + row * 78.0, 14.0, HOME);
    }
    let (study, coverage) = drawing.check();
    let blocks = &study.demand().blocks;
    assert!(blocks.len() > 5 && study.demand().report.empty_pieces > 3, "{:?}", study.demand().report);
    assert!(blocks.iter().all(|b| b.id.starts_with("w20-")));
    let homes: usize = blocks.iter().map(|b| study.demand().points_of(b).len()).sum();
    assert_eq!(homes, 300, "a home is lost");
    assert_eq!(coverage.total.blocks, blocks.len());
}

/// A block's demand points in metres east and north of the nursery at the origin.
fn points(study: &Study, id: &str) -> Vec<(f64, f64)> {
    let origin = study.facilities()[0].at;
    let block = study.demand().blocks.iter().find(|b| b.id == id).expect("a block of that id");
    study.demand().points_of(block).iter().map(|p| (p.at.x - origin.x, p.at.y - origin.y)).collect()
}

fn ids(study: &Study) -> Vec<&str> {
    study.demand().blocks.iter().map(|b| b.id.as_str()).collect()
}

#[test]
fn nobody_lives_in_the_lake() {
    let mut dry = straight_street();
    dry.square(20, 500.0, 0.0, 400.0, RESIDENTIAL);
    let mut drawing = straight_street();
    drawing.square(20, 500.0, 0.0, 400.0, RESIDENTIAL);
    // The lake covers the eastern half and reaches beyond it.
    drawing.square(21, 1_000.0, 0.0, 1_000.0, &[("natural", "water")]);
    let (study, coverage) = drawing.check();
    let places = points(&study, "w20");
    assert!(places.len() > 8 && places.iter().all(|(east, _)| *east < 500.5), "{places:?}");
    let children = study.demand().blocks[0].children / dry.study().demand().blocks[0].children;
    assert!((children - 0.5).abs() < 0.1, "half the land, half the children: {children}");
    assert_eq!(coverage.verdicts[0].status, BlockStatus::Covered);
}

#[test]
fn nobody_lives_in_the_wood_but_in_the_house_in_it() {
    let polygon = |wood: bool, house: bool| {
        let mut drawing = straight_street();
        drawing.square(20, 1_000.0, 0.0, 1_600.0, RESIDENTIAL);
        if wood {
            drawing.square(21, 1_000.0, 0.0, 1_300.0, &[("landuse", "forest")]);
        }
        if house {
            drawing.square(22, 1_000.0, 100.0, 12.0, &[("building", "yes")]);
        }
        drawing.study()
    };
    let (bare, wooded, lived_in) = (polygon(false, false), polygon(true, false), polygon(true, true));
    assert_eq!(bare.demand().report.uninhabited, 0);
    let dropped: Vec<&str> = ids(&bare).into_iter().filter(|id| !ids(&wooded).contains(id)).collect();
    assert!(dropped.len() > 3, "pieces in the midst of the wood: {dropped:?}");
    assert_eq!(wooded.demand().report.uninhabited, dropped.len());
    assert!(ids(&wooded).iter().all(|id| ids(&bare).contains(id)), "pieces keep their numbers");
    let homes: Vec<&str> = ids(&lived_in).into_iter().filter(|id| !ids(&wooded).contains(id)).collect();
    let [home] = homes[..] else { panic!("one more block: {homes:?}") };
    assert!(dropped.contains(&home));
    assert_eq!(points(&lived_in, home).len(), 1);
    for id in ids(&wooded) {
        assert!(points(&wooded, id).iter().all(|(x, y)| (x - 1_000.0).abs() > 649.0 || y.abs() > 649.0), "{id}");
    }
}

#[test]
fn people_may_live_on_the_island_in_the_lake() {
    let mut drawing = straight_street();
    drawing.square(20, 500.0, 0.0, 440.0, RESIDENTIAL);
    // The shore is tagged as water too, as it was done in the early days.
    drawing.square(40, 500.0, 0.0, 360.0, &[("natural", "water")]).square(41, 500.0, 0.0, 200.0, &[]);
    drawing.file.relations.push(Relation::new(
        50,
        &[Member::way(40, "outer"), Member::way(41, "inner")],
        &[("type", "multipolygon"), ("natural", "water")],
    ));
    let study = drawing.study();
    let from_middle: Vec<f64> =
        points(&study, "w20").iter().map(|(east, north)| (east - 500.0).abs().max(north.abs())).collect();
    assert!(from_middle.iter().any(|m| *m < 100.0), "on the island: {from_middle:?}");
    assert!(from_middle.iter().any(|m| *m > 180.0), "on the shore: {from_middle:?}");
    assert!(from_middle.iter().all(|m| *m < 100.5 || *m > 179.5), "in the water: {from_middle:?}");
}

#[test]
fn a_hamlet_in_a_wood_without_a_clearing_is_a_block() {
    let mut drawing = straight_street();
    drawing.square(20, 500.0, 0.0, 200.0, RESIDENTIAL);
    drawing.square(21, 500.0, 0.0, 3_000.0, &[("natural", "wood")]);
    // Another is drawn around a wood of nearly its own size.
    drawing.square(22, 1_000.0, 0.0, 200.0, RESIDENTIAL);
    drawing.square(23, 1_000.0, 0.0, 198.0, &[("natural", "wood")]);
    let study = drawing.study();
    assert_eq!((ids(&study), study.demand().report.uninhabited), (vec!["w20"], 1));
}

#[test]
fn of_polygons_drawn_over_each_other_the_one_with_homes_counts() {
    let mut drawing = straight_street();
    drawing.square(20, 500.0, 0.0, 300.0, RESIDENTIAL).square(21, 500.0, 0.0, 100.0, RESIDENTIAL);
    drawing.square(22, 500.0, 20.0, 12.0, HOME);
    let study = drawing.study();
    let blocks: Vec<(&str, usize)> =
        study.demand().blocks.iter().map(|b| (b.id.as_str(), study.demand().points_of(b).len())).collect();
    assert_eq!(blocks, [("w21", 1)], "the outer polygon has no home of its own");
}

#[test]
fn a_polygon_that_spans_a_country_is_no_block() {
    let mut drawing = straight_street();
    drawing.square(20, 0.0, 0.0, 400_000.0, RESIDENTIAL).square(22, 500.0, 20.0, 12.0, HOME);
    let study = drawing.study();
    assert_eq!(study.demand().report.polygons_too_large, 1);
    assert_eq!(study.demand().report.homes_in_cells, 1, "its homes still get a verdict");
}

#[test]
fn a_node_inside_a_polygon_of_its_kind_is_one_facility() {
    let mut drawing = straight_street();
    drawing.square(30, 600.0, 40.0, 40.0, &[("amenity", "kindergarten")]);
    drawing.node(31, 605.0, 40.0, &[("amenity", "kindergarten"), ("name", "Gr 30"), ("capacity", "60")]);
    drawing.node(32, 610.0, 40.0, &[("amenity", "childcare")]);
    let study = drawing.study();
    let ids: Vec<&str> = study.facilities().iter().map(|f| f.facility.id.as_str()).collect();
    assert_eq!(ids, ["n3", "n32", "w30"]);
    let kept = &study.facilities()[2].facility;
    assert_eq!((kept.name.as_deref(), kept.places), (Some("Gr 30"), Some(60)));
}

#[test]
fn a_one_way_for_walkers_is_walked_one_way() {
    // A ring of two one-ways: towards the nursery the northern way is the long one.
    let mut drawing = Drawing::default();
    drawing.node(1, 0.0, 0.0, &[]).node(2, 500.0, 0.0, &[]).node(3, 500.0, 600.0, &[]).node(4, 0.0, 600.0, &[]);
    drawing.street(1, &[1, 2], &[("highway", "footway"), ("oneway:foot", "yes")]);
    drawing.street(2, &[2, 3, 4, 1], &[("highway", "footway"), ("oneway", "yes")]);
    drawing.node(5, 0.0, 0.0, &[("amenity", "childcare")]);
    drawing.square(10, 500.0, -20.0, 10.0, &[("building", "house")]);
    let (_, coverage) = drawing.check();
    let minutes = coverage.verdicts[0].time.and_then(WalkTime::minutes).expect("a route");
    // From 2 against the arrow is closed: 1,700 m round by the north, where plain `oneway` binds only wheels.
    assert!((minutes - 1_720.0 / 80.0).abs() < 0.05, "{minutes}");
}

#[test]
fn a_ferry_takes_its_time_and_nobody_boards_it_midstream() {
    let mut drawing = Drawing::default();
    drawing.node(1, 0.0, 0.0, &[]).node(2, 0.0, 400.0, &[]).node(3, 0.0, 900.0, &[]).node(4, 0.0, 1_000.0, &[]);
    drawing.street(1, &[1, 2], &[("highway", "residential")]);
    drawing.street(2, &[2, 3], &[("route", "ferry"), ("duration", "00:04")]);
    drawing.street(3, &[3, 4], &[("highway", "residential")]);
    drawing.node(5, 0.0, 0.0, &[("amenity", "childcare")]);
    drawing.square(10, 0.0, 1_000.0, 10.0, &[("building", "house")]);
    // A houseboat in the middle of the river, beside the line.
    drawing.square(11, 10.0, 600.0, 8.0, &[("building", "houseboat")]);
    let (study, coverage) = drawing.check();
    let mut walks: Vec<(f64, f64)> = study
        .demand()
        .points
        .iter()
        .zip(&coverage.walks)
        .map(|(p, walk)| (p.at.y, walk.and_then(|a| a.time.minutes()).expect("a route")))
        .collect();
    walks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (boat, house) = (walks[0].1, walks[1].1);
    assert!((house - (400.0 / 80.0 + 4.0 + 100.0 / 80.0)).abs() < 0.1, "{house}");
    assert!((boat - 600.0 / 80.0).abs() < 0.1, "the houseboat goes to a bank first: {boat}");
}

#[test]
fn a_multipolygons_hole_is_no_home_and_areas_hold_their_blocks() {
    let mut drawing = straight_street();
    drawing.square(40, 400.0, 100.0, 160.0, &[]).square(41, 400.0, 100.0, 80.0, &[]);
    drawing.file.relations.push(Relation::new(
        50,
        &[Member::way(40, "outer"), Member::way(41, "inner")],
        &[("type", "multipolygon"), ("landuse", "residential")],
    ));
    drawing.square(42, 1_500.0, 0.0, 4_000.0, &[]);
    drawing.file.relations.push(Relation::new(
        51,
        &[Member::way(42, "outer")],
        &[("type", "boundary"), ("boundary", "administrative"), ("admin_level", "8"), ("name", "和安街道")],
    ));
    let (study, coverage) = drawing.check();
    assert_eq!(study.demand().blocks[0].id, "r50");
    let points = study.demand().points_of(&study.demand().blocks[0]);
    let centre = study.demand().points.iter().fold((0.0, 0.0), |s, p| (s.0 + p.at.x, s.1 + p.at.y));
    let centre = (centre.0 / points.len() as f64, centre.1 / points.len() as f64);
    assert!(points.iter().all(|p| (p.at.x - centre.0).abs() > 39.0 || (p.at.y - centre.1).abs() > 39.0));
    assert_eq!(study.areas().all()[0].name.as_deref(), Some("和安街道"));
    assert_eq!(coverage.areas[0].blocks, 1);
}

#[test]
fn a_city_without_facilities_is_judged_all_the_same() {
    let mut drawing = straight_street();
    drawing.file.nodes.retain(|n| n.tags.is_empty());
    drawing.square(10, 500.0, 20.0, 12.0, &[("building", "house")]);
    let (_, coverage) = drawing.check();
    assert_eq!(coverage.verdicts[0].status, BlockStatus::Uncovered);
    assert_eq!(coverage.verdicts[0].reason, Some(Reason::NoFacility));
    assert_eq!(coverage.verdicts[0].time, None);
}
