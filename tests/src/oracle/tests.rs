mod rules;

use super::*;

/// Kilometres per hour that make one metre per second, so that metres read as seconds.
const METRE_PER_SECOND: Rules = Rules { speed_kmh: 3.6, snap_m: 250.0, island_m: 1000.0, lift_s: 90.0 };

/// Degrees of a point given in metres east and north of a corner of the drawing board.
fn at(east_m: f64, north_m: f64) -> (f64, f64) {
    Plane::at((28.83, 47.02)).degrees((east_m, north_m))
}

type Tags<'a> = &'a [(&'a str, &'a str)];

fn tags(pairs: Tags) -> super::Tags {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A map drawn in metres: nodes as (id, east, north), ways as (id, references, tags).
fn map(nodes: &[(i64, f64, f64)], ways: &[(i64, &[i64], Tags)]) -> Extract {
    let node = |&(id, east_m, north_m): &(i64, f64, f64)| {
        let (lon, lat) = at(east_m, north_m);
        Node { id, lon, lat, tags: vec![] }
    };
    let way = |&(id, refs, pairs): &(i64, &[i64], Tags)| Way { id, refs: refs.to_vec(), tags: tags(pairs) };
    Extract { nodes: nodes.iter().map(node).collect(), ways: ways.iter().map(way).collect(), relations: vec![] }
}

/// The streets of a map that is only nodes without tags, and ways.
fn draw(nodes: &[(i64, f64, f64)], ways: &[(i64, &[i64], Tags)]) -> Oracle {
    map(nodes, ways).streets()
}

impl Extract {
    fn with_node_tags(mut self, id: i64, pairs: Tags) -> Self {
        self.nodes.iter_mut().find(|node| node.id == id).unwrap().tags = tags(pairs);
        self
    }

    fn with_relation(mut self, id: i64, members: &[(i64, &str)], pairs: Tags) -> Self {
        let member = |&(way, role): &(i64, &str)| Member { way, role: role.to_owned() };
        self.relations.push(Relation { id, members: members.iter().map(member).collect(), tags: tags(pairs) });
        self
    }

    fn streets(&self) -> Oracle {
        Oracle::new(self, METRE_PER_SECOND)
    }
}

/// The answers of both ways to compute them, rounded to a tenth of a second.
fn ask(oracle: &Oracle, facilities: &[(f64, f64)], demand: &[(f64, f64)]) -> Vec<Option<(f64, usize)>> {
    let answers = oracle.seconds(facilities, demand);
    assert_same(&answers, &oracle.seconds_one_by_one(facilities, demand));
    answers.iter().map(|answer| answer.map(|a| ((a.seconds * 10.0).round() / 10.0, a.facility))).collect()
}

fn assert_same(left: &[Option<Answer>], right: &[Option<Answer>]) {
    assert_eq!(left.len(), right.len());
    for (number, pair) in left.iter().zip(right).enumerate() {
        match pair {
            (None, None) => {}
            (Some(l), Some(r)) => {
                assert!((l.seconds - r.seconds).abs() < 1e-6, "point {number}: {l:?} or {r:?}");
                assert_eq!(l.facility, r.facility, "point {number}");
            }
            _ => panic!("point {number}: {pair:?}"),
        }
    }
}

const ROAD: Tags = &[("highway", "residential")];
const ONE_WAY: Tags = &[("highway", "footway"), ("oneway:foot", "yes")];

#[test]
fn a_walk_is_the_street_between_the_snaps_and_both_ways_off_it() {
    let oracle = draw(&[(1, 0.0, 0.0), (2, 600.0, 0.0), (3, 1200.0, 0.0)], &[(10, &[1, 2, 3], ROAD)]);
    let answers = ask(&oracle, &[at(100.0, 20.0)], &[at(900.0, -30.0), at(-40.0, 30.0), at(600.0, 251.0)]);
    assert_eq!(answers, [Some((850.0, 0)), Some((170.0, 0)), None]);
    let snap = oracle.snap(at(900.0, -30.0)).unwrap();
    assert_eq!((snap.way, snap.segment), (10, 1));
    // The drawing board's east is a parallel, which bends 8 mm away from a straight 600 m.
    assert!((snap.along_m - 300.0).abs() < 0.01 && (snap.offset_m - 30.0).abs() < 0.01, "{snap:?}");
}

#[test]
fn the_default_speed_is_four_fifths_of_a_kilometre_in_ten_minutes() {
    let extract = Extract {
        nodes: [at(0.0, 0.0), at(1200.0, 0.0)]
            .iter()
            .zip(1..)
            .map(|(&(lon, lat), id)| Node { id, lon, lat, tags: vec![] })
            .collect(),
        ways: vec![Way { id: 10, refs: vec![1, 2], tags: vec![("highway".into(), "path".into())] }],
        relations: vec![],
    };
    let walked = Oracle::new(&extract, Rules::default());
    assert_eq!(ask(&walked, &[at(0.0, 0.0)], &[at(800.0, 0.0)]), [Some((600.0, 0))]);
}

#[test]
fn parents_walk_to_the_facility_and_so_round_a_one_way_street() {
    let corners = [(1, 0.0, 0.0), (2, 400.0, 0.0), (3, 400.0, 300.0), (4, 0.0, 300.0)];
    let oracle = draw(&corners, &[(10, &[1, 2], ONE_WAY), (11, &[2, 3, 4, 1], ROAD)]);
    let (west, east) = (at(0.0, -10.0), at(400.0, -10.0));
    assert_eq!(ask(&oracle, &[east], &[west]), [Some((420.0, 0))]);
    assert_eq!(ask(&oracle, &[west], &[east]), [Some((1020.0, 0))]);
}

#[test]
fn on_one_segment_the_piece_between_counts_where_its_direction_allows() {
    let corners = [(1, 0.0, 0.0), (2, 400.0, 0.0), (3, 400.0, 300.0), (4, 0.0, 300.0)];
    let (near, far) = (at(100.0, 0.0), at(300.0, 0.0));
    let both = draw(&corners, &[(10, &[1, 2, 3, 4, 1], ROAD)]);
    assert_eq!(
        ask(&both, &[near, far], &[far, near, at(150.0, 0.0)]),
        [Some((0.0, 1)), Some((0.0, 0)), Some((50.0, 0))]
    );
    let one = draw(&corners, &[(10, &[1, 2], ONE_WAY), (11, &[2, 3, 4, 1], ROAD)]);
    assert_eq!(ask(&one, &[far], &[near]), [Some((200.0, 0))]);
    assert_eq!(ask(&one, &[near], &[far]), [Some((1200.0, 0))]);
}

#[test]
fn a_place_at_the_end_of_a_one_way_street_is_at_its_node() {
    let nodes = [(1, 0.0, 0.0), (2, 600.0, 0.0), (3, 600.0, 600.0), (4, -600.0, 0.0)];
    // Way 9 has the smaller id and so takes the snap at node 2, from which it only leads back to node 2.
    let oracle = draw(&nodes, &[(9, &[2, 3], ONE_WAY), (10, &[4, 1, 2], ROAD)]);
    assert_eq!(oracle.snap(at(600.0, -5.0)).unwrap().way, 9);
    assert_eq!(ask(&oracle, &[at(0.0, 0.0)], &[at(605.0, -12.0)]), [Some((613.0, 0))]);
    assert_eq!(ask(&oracle, &[at(605.0, -12.0)], &[at(0.0, 0.0)]), [Some((613.0, 0))]);
    assert_eq!(ask(&oracle, &[at(0.0, 0.0)], &[at(600.0, 10.0)]), [None], "into the one-way street and no way out");
}

#[test]
fn nothing_snaps_to_an_island_but_the_largest_part_always_stays() {
    let nodes = [(1, 0.0, 0.0), (2, 900.0, 0.0), (3, 0.0, 50.0), (4, 800.0, 50.0), (5, 0.0, 400.0), (6, 1100.0, 400.0)];
    let (long, short, longest) =
        ((10, &[1, 2][..], ROAD), (11, &[3, 4][..], ROAD), (12, &[5, 6][..], &[("highway", "path")][..]));
    let two = draw(&nodes, &[long, short]);
    assert_eq!(two.snap(at(100.0, 49.0)).unwrap().way, 10);
    assert!((two.extent().island_m - 800.0).abs() < 0.1);
    let three = draw(&nodes, &[long, short, longest]);
    assert_eq!(three.snap(at(100.0, 0.0)), None);
    assert_eq!(three.snap(at(100.0, 399.0)).unwrap().way, 12);
}

#[test]
fn a_ferry_takes_its_duration_and_nobody_boards_it_midway() {
    let nodes = [(1, 0.0, 0.0), (2, 600.0, 0.0), (3, 800.0, 0.0), (4, 1200.0, 0.0), (5, 1900.0, 0.0)];
    let ferry = (11, &[2, 3, 4][..], &[("route", "ferry"), ("duration", "10")][..]);
    let oracle = draw(&nodes, &[(10, &[1, 2], ROAD), ferry, (12, &[4, 5], ROAD)]);
    assert_eq!(ask(&oracle, &[at(500.0, 0.0)], &[at(1300.0, 0.0)]), [Some((800.0, 0))]);
    assert_eq!(oracle.snap(at(790.0, 0.0)).unwrap().way, 10);
    assert_eq!(oracle.snap(at(900.0, 0.0)), None);
    let unjoined = draw(&nodes, &[(10, &[1, 2], ROAD), (12, &[4, 5], ROAD)]);
    assert_eq!(unjoined.snap(at(500.0, 0.0)), None, "without the ferry the shorter bank is an island");
}

#[test]
fn broken_references_cut_a_way_and_the_first_of_equal_ids_counts() {
    let nodes = [(1, 0.0, 0.0), (2, 700.0, 0.0), (3, 800.0, 0.0), (4, 2100.0, 0.0), (2, 0.0, 9000.0), (6, 1e9, 0.0)];
    let cut = draw(&nodes, &[(10, &[1, 2, 2, 99, 3, 6, 3, 4], ROAD), (10, &[2, 3], ROAD)]);
    let extent = cut.extent();
    assert_eq!((extent.nodes, extent.segments), (4, 2));
    assert!((extent.street_m - 2000.0).abs() < 0.1, "{extent:?}");
    assert_eq!(cut.snap(at(800.0, 3.0)).unwrap().segment, 6);
    let joined = draw(&nodes, &[(10, &[1, 2, 2, 99, 3, 6, 3, 4], ROAD), (11, &[2, 3], ROAD)]);
    assert_eq!(ask(&joined, &[at(600.0, 0.0)], &[at(900.0, 0.0)]), [Some((300.0, 0))]);
}

#[test]
fn of_facilities_within_a_millisecond_the_first_counts() {
    let oracle = draw(&[(1, 0.0, 0.0), (2, 600.0, 0.0), (3, 1200.0, 0.0)], &[(10, &[1, 2, 3], ROAD)]);
    let home = [at(600.0, 0.0)];
    let (later, sooner) = (at(1100.0, 0.0), at(100.000_6, 0.0));
    assert_eq!(ask(&oracle, &[later, sooner], &home), [Some((500.0, 0))]);
    assert_eq!(ask(&oracle, &[sooner, later], &home), [Some((500.0, 0))]);
    assert_eq!(ask(&oracle, &[later, at(100.01, 0.0)], &home), [Some((500.0, 1))]);
    assert_eq!(ask(&oracle, &[later, later], &[later]), [Some((0.0, 0))]);
}

#[test]
fn no_facility_no_street_and_no_place_are_no_answer() {
    let oracle = draw(&[(1, 0.0, 0.0), (2, 600.0, 0.0)], &[(10, &[1, 2], ROAD)]);
    assert_eq!(ask(&oracle, &[], &[at(0.0, 0.0)]), [None]);
    assert_eq!(ask(&oracle, &[at(0.0, 5000.0)], &[at(0.0, 0.0)]), [None]);
    assert_eq!(ask(&oracle, &[at(0.0, 0.0)], &[(f64::NAN, 47.0), (28.0, f64::INFINITY), (28.0, 91.0)]), [None; 3]);
    let empty = draw(&[], &[]);
    assert_eq!(ask(&empty, &[at(0.0, 0.0)], &[at(0.0, 0.0)]), [None]);
    assert!(empty.random_points_near(3, 1).is_empty());
}

/// A town of `side` × `side` crossings some 90 m apart, uneven, with some one-way streets and some missing.
fn uneven_town(side: i64, seed: u64) -> Oracle {
    let mut dice = Dice(seed);
    let mut below = |bound: u64| dice.below(bound as usize) as u64;
    let mut nodes = Vec::new();
    for id in 0..side * side {
        let jitter_m = (below(40) as f64, below(40) as f64);
        nodes.push((id, (id % side) as f64 * 90.0 + jitter_m.0, (id / side) as f64 * 90.0 + jitter_m.1));
    }
    let mut refs = Vec::new();
    for id in 0..side * side {
        for next in [(id % side < side - 1).then_some(id + 1), (id / side < side - 1).then_some(id + side)] {
            let Some(next) = next else { continue };
            let tags = match below(10) {
                0 | 1 => ONE_WAY,
                2 => &[("highway", "path"), ("oneway:foot", "-1")],
                3 => continue,
                _ => ROAD,
            };
            refs.push(([id, next], tags));
        }
    }
    let ways: Vec<_> = refs.iter().zip(1..).map(|((pair, tags), id)| (id, &pair[..], *tags)).collect();
    draw(&nodes, &ways)
}

#[test]
fn one_search_for_all_agrees_with_one_search_for_each() {
    for seed in 0..4 {
        let town = uneven_town(12, seed);
        let points = town.random_points_near(220, seed);
        let (facilities, demand) = points.split_at(20);
        let answers = ask(&town, facilities, demand);
        assert!(answers.iter().flatten().count() > 150, "most people can walk somewhere");
    }
}

#[test]
fn the_grid_finds_what_brute_force_finds() {
    let town = uneven_town(12, 7);
    for point in town.random_points_near(500, 7) {
        assert_eq!(town.snap(point), town.snap_by_brute_force(point), "{point:?}");
    }
    for (east_m, north_m) in [(-249.0, 10.0), (-260.0, 0.0), (300.0, -200.0), (4000.0, 4000.0)] {
        let point = at(east_m, north_m);
        assert_eq!(town.snap(point), town.snap_by_brute_force(point), "{point:?}");
    }
}

#[test]
fn a_street_across_the_antimeridian_is_as_short_as_it_is() {
    let extract = Extract {
        nodes: vec![
            Node { id: 1, lon: 179.99, lat: -17.0, tags: vec![] },
            Node { id: 2, lon: -179.99, lat: -17.0, tags: vec![] },
        ],
        ways: vec![Way { id: 5, refs: vec![1, 2], tags: vec![("highway".into(), "track".into())] }],
        relations: vec![],
    };
    let oracle = Oracle::new(&extract, METRE_PER_SECOND);
    assert!((oracle.extent().street_m - 2129.7).abs() < 0.2, "{:?}", oracle.extent());
    assert_eq!(ask(&oracle, &[(179.995, -17.0)], &[(-179.995, -17.0)]), [Some((1064.9, 0))]);
}

#[test]
fn random_points_repeat_with_their_seed() {
    let town = uneven_town(5, 1);
    assert_eq!(town.random_points_near(50, 3), town.random_points_near(50, 3));
    assert_ne!(town.random_points_near(50, 3), town.random_points_near(50, 4));
    assert!(town.random_points_near(50, 3).iter().all(|&point| town.snap(point).is_some_and(|s| s.offset_m < 80.1)));
}
