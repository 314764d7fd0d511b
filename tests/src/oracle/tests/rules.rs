//! Private streets, gates, pockets, lifts and areas, each in a town of a few nodes.

use super::*;

const PRIVATE: Tags = &[("highway", "service"), ("access", "private")];
const PRIVATE_GATE: Tags = &[("barrier", "gate"), ("access", "private")];
const LOCKED_GATE: Tags = &[("barrier", "gate"), ("locked", "yes")];

/// Seconds from one point to another.
fn walk(oracle: &Oracle, from: (f64, f64), to: (f64, f64)) -> Option<f64> {
    ask(oracle, &[to], &[from])[0].map(|(seconds, _)| seconds)
}

/// A road that leads round three sides of a square of 400 m, and a path on the fourth side, from node 1 to node 2 by way
/// of node 5 in the middle.
fn round_and_straight(path: Tags) -> Extract {
    let corners = [(1, 0.0, 0.0), (2, 400.0, 0.0), (3, 400.0, 400.0), (4, 0.0, 400.0), (5, 200.0, 0.0)];
    map(&corners, &[(10, &[1, 4, 3, 2], ROAD), (11, &[1, 5, 2], path)])
}

#[test]
fn a_private_street_is_the_first_or_the_last_leg_and_never_a_shortcut() {
    let town = round_and_straight(PRIVATE).streets();
    let (west, east, inside) = (at(0.0, 100.0), at(400.0, 100.0), at(150.0, -5.0));
    assert_eq!(walk(&town, west, east), Some(1000.0), "all the way round");
    assert_eq!(walk(&town, inside, east), Some(355.0));
    assert_eq!(walk(&town, inside, west), Some(255.0));
    assert_eq!(walk(&town, east, inside), Some(355.0));
    assert_eq!(walk(&town, inside, at(350.0, 10.0)), Some(215.0));
    assert!((town.extent().private_m - 400.0).abs() < 0.1);
    assert_eq!(walk(&round_and_straight(ROAD).streets(), west, east), Some(600.0));
}

#[test]
fn from_a_private_street_over_public_ones_to_another_private_street() {
    let nodes = [(1, 0.0, 0.0), (2, 300.0, 0.0), (3, 700.0, 0.0), (4, 1000.0, 0.0), (5, 300.0, 900.0)];
    let ways: [(i64, &[i64], Tags); 4] =
        [(10, &[1, 2], PRIVATE), (11, &[2, 3], ROAD), (12, &[3, 4], PRIVATE), (13, &[2, 5], ROAD)];
    assert_eq!(walk(&draw(&nodes, &ways), at(0.0, 0.0), at(1000.0, 0.0)), Some(1000.0));
    assert_eq!(walk(&draw(&nodes, &ways), at(1000.0, 0.0), at(0.0, 0.0)), Some(1000.0));
    // Over three of them there is no way: the one in the middle is neither first nor last.
    let more = [&nodes[..], &[(6, 1400.0, 0.0), (7, 1800.0, 0.0)]].concat();
    let (road, private): ((_, &[i64], _), (_, &[i64], _)) = ((14, &[4, 6], ROAD), (15, &[6, 7], PRIVATE));
    let three = draw(&more, &[&ways[..], &[road, private]].concat());
    assert_eq!(walk(&three, at(500.0, 0.0), at(1000.0, 0.0)), Some(500.0));
    assert_eq!(walk(&three, at(500.0, 0.0), at(1100.0, 0.0)), Some(600.0), "the road behind is a pocket");
    assert_eq!(walk(&three, at(0.0, 0.0), at(1800.0, 0.0)), Some(1800.0), "and counts as private");
}

#[test]
fn a_private_gate_is_a_private_street_without_length() {
    let town = round_and_straight(ROAD).with_node_tags(5, PRIVATE_GATE).streets();
    let (west, east) = (at(150.0, 0.0), at(250.0, 0.0));
    assert_eq!(walk(&town, west, east), Some(1500.0));
    assert_eq!(walk(&town, at(195.0, 1.0), at(205.0, 0.0)), Some(1591.0), "nobody steps over it");
    let home = round_and_straight(PRIVATE).with_node_tags(5, PRIVATE_GATE).streets();
    assert_eq!(walk(&home, west, east), Some(100.0), "from private to private");
    assert_eq!(walk(&home, west, at(400.0, 50.0)), Some(300.0));
    assert_eq!(walk(&home, at(0.0, 50.0), at(400.0, 50.0)), Some(1100.0));
}

#[test]
fn a_closed_node_is_reached_from_each_side_and_passed_from_none() {
    let town = round_and_straight(ROAD).with_node_tags(5, LOCKED_GATE).streets();
    assert_eq!(walk(&town, at(150.0, 0.0), at(250.0, 0.0)), Some(1500.0));
    assert_eq!(walk(&town, at(0.0, 10.0), at(200.0, 0.0)), Some(210.0));
    assert_eq!(walk(&town, at(400.0, 10.0), at(200.0, 0.0)), Some(1390.0), "its western side has the smaller segment");
    let private = round_and_straight(PRIVATE).with_node_tags(5, LOCKED_GATE).streets();
    assert_eq!(walk(&private, at(150.0, 0.0), at(250.0, 0.0)), Some(1500.0), "out in the west, in from the east");
    let wall = round_and_straight(ROAD).with_node_tags(5, &[("barrier", "wall"), ("foot", "yes")]).streets();
    assert_eq!(walk(&wall, at(150.0, 0.0), at(250.0, 0.0)), Some(100.0));
}

#[test]
fn where_three_paths_meet_at_a_gate_none_leads_to_another() {
    let nodes = [(1, 0.0, 0.0), (2, 600.0, 0.0), (3, -600.0, 0.0), (4, 0.0, 600.0)];
    let ways: [(i64, &[i64], Tags); 2] = [(10, &[3, 1, 2], ROAD), (11, &[1, 4], ROAD)];
    let meeting = |gate: Tags| {
        let rules = Rules { island_m: 0.0, ..METRE_PER_SECOND };
        Oracle::new(&map(&nodes, &ways).with_node_tags(1, gate), rules)
    };
    let (west, east, north) = (at(-100.0, 0.0), at(100.0, 0.0), at(0.0, 100.0));
    let all = |oracle: &Oracle| [(west, east), (east, north), (north, west)].map(|(from, to)| walk(oracle, from, to));
    assert_eq!(all(&meeting(&[])), [Some(200.0); 3]);
    assert_eq!(all(&meeting(LOCKED_GATE)), [None; 3]);
    // The western path is the first of three equally long ones, and so the public network.
    assert_eq!(all(&meeting(PRIVATE_GATE)), [Some(200.0); 3]);
    let rules = Rules { island_m: 0.0, ..METRE_PER_SECOND };
    let joined = [&nodes[..], &[(5, 600.0, 600.0), (6, -600.0, 600.0)]].concat();
    let outside: (i64, &[i64], Tags) = (12, &[3, 6, 4, 5, 2], ROAD);
    let gate = map(&joined, &[&ways[..], &[outside]].concat()).with_node_tags(1, PRIVATE_GATE);
    assert_eq!(all(&Oracle::new(&gate, rules)), [Some(3399.9), Some(2199.9), Some(2199.9)]);
}

#[test]
fn closed_gates_part_streets_and_private_ones_do_not() {
    let nodes = [(1, 0.0, 0.0), (2, 900.0, 0.0), (3, 1500.0, 0.0)];
    let ways: [(i64, &[i64], Tags); 1] = [(10, &[1, 2, 3], ROAD)];
    let closed = map(&nodes, &ways).with_node_tags(2, LOCKED_GATE).streets();
    assert!((closed.extent().island_m - 600.0).abs() < 0.1, "{:?}", closed.extent());
    assert_eq!(closed.extent().nodes, 3);
    let private = map(&nodes, &ways).with_node_tags(2, PRIVATE_GATE).streets();
    assert!(private.extent().island_m < 0.1);
    assert!((private.extent().private_m - 600.0).abs() < 0.1, "and the shorter part is a pocket");
}

/// A road of 2 km from west to east, and a loop of untagged paths north of it that two gates, nodes 6 and 7, join to it.
fn compound(gates: Tags) -> Extract {
    let nodes = [
        (1, -500.0, 0.0),
        (2, 0.0, 0.0),
        (3, 400.0, 0.0),
        (4, 1500.0, 0.0),
        (5, 400.0, 100.0),
        (6, 0.0, 50.0),
        (7, 400.0, 50.0),
        (8, 0.0, 100.0),
    ];
    let ways: [(i64, &[i64], Tags); 3] = [(10, &[1, 2, 3, 4], ROAD), (11, &[2, 6, 8], ROAD), (12, &[8, 5, 7, 3], ROAD)];
    map(&nodes, &ways).with_node_tags(6, gates).with_node_tags(7, gates)
}

#[test]
fn what_only_private_gates_join_to_the_streets_is_private() {
    let open = compound(&[("barrier", "gate")]).streets();
    assert!(open.extent().private_m < 0.1);
    let town = compound(PRIVATE_GATE).streets();
    assert!((town.extent().private_m - 500.0).abs() < 0.1, "the loop within the gates: {:?}", town.extent());
    let inside = at(100.0, 100.0);
    assert_eq!(walk(&town, inside, at(0.0, 0.0)), Some(200.0));
    assert_eq!(walk(&town, inside, at(400.0, 0.0)), Some(400.0));
    assert_eq!(walk(&town, at(0.0, 20.0), inside), Some(180.0));
    assert_eq!(walk(&town, inside, at(300.0, 100.0)), Some(200.0));
    assert_eq!(walk(&town, at(-100.0, 0.0), at(500.0, 0.0)), Some(600.0));
    let locked = compound(LOCKED_GATE).streets();
    assert_eq!(locked.snap(inside).unwrap().way, 10, "what remains inside is an island");
}

#[test]
fn of_two_equal_networks_the_first_in_the_file_is_the_public_one() {
    let nodes = [(1, 0.0, 0.0), (2, 0.0, 500.0), (3, 500.0, 500.0), (4, 500.0, 0.0)];
    let ferry: Tags = &[("route", "ferry"), ("duration", "5")];
    for (ways, pocket) in [
        ([(20, &[1, 2][..], ROAD), (10, &[3, 4], ROAD), (11, &[4, 1], ferry), (12, &[2, 3], PRIVATE)], None),
        ([(20, &[1, 2], ROAD), (10, &[3, 4], ROAD), (11, &[4, 4], ferry), (12, &[2, 3], PRIVATE)], Some(10)),
        ([(10, &[3, 4], ROAD), (20, &[1, 2], ROAD), (11, &[4, 4], ferry), (12, &[2, 3], PRIVATE)], Some(20)),
    ] {
        let town = draw(&nodes, &ways);
        let private = |way| town.streets.segments.iter().find(|segment| segment.way == way).unwrap().private;
        assert_eq!([10, 20].into_iter().find(|&way| private(way)), pocket);
    }
}

const LIFT: Tags = &[("highway", "elevator")];

#[test]
fn a_lift_takes_its_time_once_as_a_node_and_as_a_way() {
    let nodes = [(1, 0.0, 0.0), (2, 600.0, 0.0), (3, 605.0, 0.0), (4, 1200.0, 0.0)];
    let street: [(i64, &[i64], Tags); 1] = [(10, &[1, 2, 3, 4], ROAD)];
    let node = map(&nodes, &street).with_node_tags(2, LIFT).streets();
    assert_eq!(walk(&node, at(100.0, 0.0), at(900.0, 0.0)), Some(890.0));
    assert_eq!(walk(&node, at(100.0, 0.0), at(500.0, 0.0)), Some(400.0));
    assert_eq!(walk(&node, at(590.0, 0.0), at(601.0, 0.0)), Some(101.0));
    let way: [(i64, &[i64], Tags); 3] = [(10, &[1, 2], ROAD), (11, &[2, 3], LIFT), (12, &[3, 4], ROAD)];
    let way = map(&nodes, &way);
    assert_eq!(walk(&way.streets(), at(100.0, 0.0), at(900.0, 0.0)), Some(890.0));
    let plain = Oracle::new(&way, Rules { lift_s: 0.0, ..METRE_PER_SECOND });
    assert_eq!(walk(&plain, at(100.0, 0.0), at(900.0, 0.0)), Some(800.0));
    // A way of several pieces takes the time once, and a dead end at a lift takes none.
    let beyond = [&nodes[..], &[(5, 1400.0, 0.0)]].concat();
    let long = draw(&beyond, &[(10, &[1, 2], ROAD), (11, &[2, 3, 4], LIFT), (12, &[4, 5], ROAD)]);
    assert_eq!(walk(&long, at(600.0, 0.0), at(1300.0, 0.0)), Some(790.0));
    let end = map(&nodes, &street).with_node_tags(4, LIFT).streets();
    assert_eq!(walk(&end, at(100.0, 0.0), at(1200.0, 0.0)), Some(1100.0));
    let closed: Tags = &[("highway", "elevator"), ("barrier", "gate"), ("foot", "no")];
    let closed = map(&nodes, &street).with_node_tags(2, closed);
    assert_eq!(walk(&closed.streets(), at(300.0, 0.0), at(1000.0, 0.0)), None, "one side is an island");
}

/// Roads of 600 m that end at the west and east corners of a square of 100 m by 60 m, drawn from its south-west corner
/// over the entries 1 in the west and 2 in the east.
fn square(area: Tags) -> Extract {
    let nodes = [
        (1, 0.0, 30.0),
        (2, 100.0, 30.0),
        (3, 0.0, 0.0),
        (4, 100.0, 0.0),
        (5, 100.0, 60.0),
        (6, 0.0, 60.0),
        (7, -600.0, 30.0),
        (8, 700.0, 30.0),
        // A fountain in the middle.
        (11, 40.0, 20.0),
        (12, 60.0, 20.0),
        (13, 60.0, 40.0),
        (14, 40.0, 40.0),
    ];
    let ways: [(i64, &[i64], Tags); 3] = [(20, &[7, 1], ROAD), (21, &[2, 8], ROAD), (22, &[3, 4, 2, 5, 6, 1, 3], area)];
    map(&nodes, &ways)
}

const SQUARE: Tags = &[("highway", "pedestrian"), ("area", "yes")];
const MULTIPOLYGON: Tags = &[("type", "multipolygon"), ("highway", "pedestrian")];

#[test]
fn an_area_is_crossed_and_a_ring_is_walked_round() {
    let (west, east) = (at(-100.0, 30.0), at(200.0, 30.0));
    let area = square(SQUARE).streets();
    assert_eq!(walk(&area, west, east), Some(300.0));
    assert_eq!(area.extent().lines_across, 1, "between the two entries");
    let line = area.snap(at(50.0, 31.0)).unwrap();
    assert_eq!((line.way, line.segment), (22, 7), "counted on from the outline");
    assert_eq!(area.snap(at(50.0, 1.0)).unwrap().segment, 0, "the outline is walked too");
    assert_eq!(walk(&area, at(50.0, -5.0), west), Some(185.0));
    let ring = square(&[("highway", "pedestrian")]).streets();
    assert_eq!(walk(&ring, west, east), Some(360.0));
    let lawn = square(&[("highway", "pedestrian"), ("area", "yes"), ("foot", "no")]).streets();
    assert_eq!(walk(&lawn, west, at(500.0, 30.0)), None, "one road is an island");
    let private = square(&[("highway", "pedestrian"), ("area", "yes"), ("access", "customers")]).streets();
    assert!((private.extent().private_m - 320.0 - 100.0 - 600.0).abs() < 0.1, "the eastern road is a pocket");
    assert_eq!(walk(&private, west, east), Some(300.0));
}

#[test]
fn a_direction_says_nothing_on_an_area() {
    let area = square(&[("highway", "pedestrian"), ("area", "yes"), ("oneway:foot", "yes")]).streets();
    let (west, east) = (at(-100.0, 30.0), at(200.0, 30.0));
    assert_eq!([walk(&area, west, east), walk(&area, east, west)], [Some(300.0); 2]);
}

#[test]
fn a_multipolygon_is_put_together_and_walked_round_its_holes() {
    let with_hole = |area: Tags| {
        let mut map = square(&[]);
        map.ways.retain(|way| way.id != 22);
        for (id, refs) in [(30, &[3, 4, 2][..]), (31, &[6, 5, 2]), (32, &[6, 1, 3]), (33, &[11, 12, 13, 14, 11])] {
            map.ways.push(Way { id, refs: refs.to_vec(), tags: vec![] });
        }
        map.with_relation(5, &[(31, "outer"), (30, ""), (33, "inner"), (32, "outer")], area)
    };
    let town = with_hole(MULTIPOLYGON).streets();
    let (west, east) = (at(-100.0, 30.0), at(200.0, 30.0));
    let round = 200.0 + 2.0 * 40.0_f64.hypot(10.0) + 20.0;
    assert_eq!(walk(&town, west, east), Some((round * 10.0).round() / 10.0));
    let fountain = town.snap(at(50.0, 21.0)).unwrap();
    assert_eq!(fountain.way, -5);
    assert_eq!(town.extent().lines_across, 4, "each entry sees two corners, opposite corners see nothing");
}

#[test]
fn a_multipolygon_without_its_nodes_or_its_end_is_not_walked() {
    let members = [(30, "outer"), (31, "outer"), (33, "inner")];
    let rings = |pieces: [&[i64]; 3], tags: Tags| {
        let mut map = square(&[]).with_relation(5, &members, tags);
        for (id, refs) in [30, 31, 33].into_iter().zip(pieces) {
            map.ways.push(Way { id, refs: refs.to_vec(), tags: vec![] });
        }
        map.streets().streets.segments.iter().filter(|segment| segment.way == -5 && !segment.across).count()
    };
    let hole = &[11, 12, 13, 14, 11][..];
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 6, 1, 3], hole], MULTIPOLYGON), 10);
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 6, 1, 3], &[11, 12, 99, 11]], MULTIPOLYGON), 6);
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 6, 1], hole], MULTIPOLYGON), 0);
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 99, 1, 3], hole], MULTIPOLYGON), 0);
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 6, 1, 3], hole], &[("highway", "pedestrian")]), 0);
    assert_eq!(rings([&[3, 4, 2], &[2, 5, 6, 1, 3], hole], &[("type", "multipolygon"), ("landuse", "grass")]), 0);
}

#[test]
fn equally_near_the_smallest_way_counts_and_a_relation_before_all() {
    let outline: Tags = &[("highway", "footway")];
    let town = square(outline).with_relation(5, &[(22, "outer")], MULTIPOLYGON).streets();
    assert_eq!(town.snap(at(50.0, -1.0)).unwrap().way, -5);
    assert_eq!(town.snap(at(-10.0, 30.0)).unwrap().way, 20);
    assert_eq!(town.snap(at(0.0, 30.0)).unwrap().way, -5);
    let gate = round_and_straight(ROAD).with_node_tags(5, PRIVATE_GATE).streets();
    let snap = gate.snap(at(200.0, -3.0)).unwrap();
    assert_eq!((snap.way, snap.segment), (11, 0), "the first of the segments that end at the gate");
}

/// A town as [`uneven_town`] draws it, with private streets here and there, squares, lifts, and compounds of two by two
/// crossings behind gates and private streets.
fn gated_town(side: i64, seed: u64) -> Extract {
    let mut dice = Dice(seed);
    let mut below = |bound: u64| dice.below(bound as usize) as u64;
    let crossing = |id: i64| (id % side, id / side);
    let compound_of = |id: i64| {
        let (x, y) = crossing(id);
        (x % 4 < 2 && y % 4 < 2).then_some((x / 4, y / 4))
    };
    let mut nodes = Vec::new();
    for id in 0..side * side {
        let (x, y) = crossing(id);
        nodes.push((id, x as f64 * 90.0 + below(40) as f64, y as f64 * 90.0 + below(40) as f64));
    }
    let mut ways: Vec<(Vec<i64>, Tags)> = Vec::new();
    let mut gates = Vec::new();
    for id in 0..side * side {
        let (x, y) = crossing(id);
        if x < side - 1 && y < side - 1 && below(12) == 0 {
            ways.push((vec![id, id + 1, id + side + 1, id + side, id], SQUARE));
        }
        for next in [(x < side - 1).then_some(id + 1), (y < side - 1).then_some(id + side)] {
            let Some(next) = next else { continue };
            let lot = below(20);
            if compound_of(id) == compound_of(next) {
                match lot {
                    0 => ways.push((vec![id, next], PRIVATE)),
                    1 | 2 => ways.push((vec![id, next], ONE_WAY)),
                    3 => ways.push((vec![id, next], LIFT)),
                    4 => {}
                    _ => ways.push((vec![id, next], ROAD)),
                }
                continue;
            }
            let gate = nodes.len() as i64;
            let halfway = |from: f64, to: f64| 0.5 * (from + to);
            let (from, to) = (nodes[id as usize], nodes[next as usize]);
            nodes.push((gate, halfway(from.1, to.1), halfway(from.2, to.2)));
            ways.push((vec![id, gate, next], if lot < 4 { PRIVATE } else { ROAD }));
            gates.push((gate, if lot < 14 { PRIVATE_GATE } else { LOCKED_GATE }));
        }
    }
    let ways: Vec<_> = ways.iter().zip(1..).map(|((refs, tags), id)| (id, &refs[..], *tags)).collect();
    let mut map = map(&nodes, &ways);
    for (id, pairs) in gates {
        map = map.with_node_tags(id, pairs);
    }
    map
}

#[test]
fn one_search_for_all_agrees_with_one_search_for_each_among_gates() {
    for seed in 0..6 {
        let map = gated_town(12, seed);
        let town = map.streets();
        let private = town.streets.segments.iter().filter(|segment| segment.private).count();
        assert!((30..200).contains(&private), "{private} private segments");
        let points = town.random_points_near(220, seed);
        let (facilities, demand) = points.split_at(20);
        let answers = ask(&town, facilities, demand);
        let routes = answers.iter().flatten().count();
        assert!(routes > 120, "most people can walk somewhere: {routes}");

        let mut open = map;
        open.nodes.iter_mut().for_each(|node| node.tags.clear());
        open.ways.iter_mut().for_each(|way| way.tags.retain(|(key, _)| key != "access"));
        let open = open.streets();
        // Only points that meet the same streets as before: what was an island no longer is one.
        let same = |point: &(f64, f64)| open.snap(*point) == town.snap(*point);
        let facilities: Vec<_> = facilities.iter().copied().filter(same).collect();
        let before = town.seconds(&facilities, demand);
        let mut longer = 0;
        for ((point, gated), open) in demand.iter().zip(before).zip(open.seconds(&facilities, demand)) {
            if let (true, Some(gated)) = (same(point), gated) {
                let open = open.unwrap().seconds;
                assert!(open <= gated.seconds + 1e-6, "{point:?}: {open} s, with gates {} s", gated.seconds);
                longer += usize::from(open + 1.0 < gated.seconds);
            }
        }
        assert!(longer > 5, "gates make {longer} walks longer");
    }
}
