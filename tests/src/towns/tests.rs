use super::*;
use crate::oracle::{self, Extract, Oracle, Rules};
use crate::pbf::Compression;

const LIMIT_S: f64 = 300.0;
const TOWNS: u64 = 24;

fn extract(town: &OsmFile) -> Extract {
    Extract::read(&town.to_pbf(Compression::Raw)[..]).unwrap()
}

fn tag<'a>(tags: &'a oracle::Tags, key: &str) -> Option<&'a str> {
    tags.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

/// Facilities, and the middles of the homes.
fn places(map: &Extract) -> [Vec<(f64, f64)>; 2] {
    let facilities = map.nodes.iter().filter(|node| tag(&node.tags, "amenity") == Some("childcare"));
    let at = |id: i64| map.nodes.iter().find(|node| node.id == id).map(|node| (node.lon, node.lat)).unwrap();
    let middle = |way: &oracle::Way| {
        let (a, b) = (at(way.refs[0]), at(way.refs[2]));
        (0.5 * (a.0 + b.0), 0.5 * (a.1 + b.1))
    };
    let homes = map.ways.iter().filter(|way| way.tag("building").is_some()).map(middle);
    [facilities.map(|node| (node.lon, node.lat)).collect(), homes.collect()]
}

fn seconds(map: &Extract) -> Vec<f64> {
    let [facilities, homes] = places(map);
    let answers = Oracle::new(map, Rules::default()).seconds(&facilities, &homes);
    answers.iter().map(|answer| answer.map_or(f64::INFINITY, |answer| answer.seconds)).collect()
}

/// Whether tags shut out all walkers, or all who do not live there.
fn shuts(tags: &oracle::Tags) -> Option<Gate> {
    let says = |key, values: &[&str]| tag(tags, key).is_some_and(|value| values.contains(&value));
    if says("foot", &["yes"]) {
        None
    } else if ["access", "foot"].iter().any(|key| says(key, &["private", "residents", "destination", "permit"])) {
        Some(Gate::Private)
    } else {
        (says("access", &["no"]) || says("foot", &["no"]) || says("locked", &["yes"])).then_some(Gate::Closed)
    }
}

fn open(tags: &mut oracle::Tags) {
    tags.retain(|(key, _)| !["access", "foot", "locked"].contains(&&key[..]));
}

#[test]
fn the_same_seed_draws_the_same_town() {
    let (one, other) = (random_gated_town(5), random_gated_town(6));
    assert_eq!(one, random_gated_town(5));
    assert_ne!(one, other);
    assert_eq!(one.to_pbf(Compression::Zlib), random_gated_town(5).to_pbf(Compression::Zlib));
}

#[test]
fn every_town_has_everything_and_the_oracle_walks_in_it() {
    for seed in 0..TOWNS {
        let map = extract(&random_gated_town(seed));
        let nodes = |key: &str, value: &str| map.nodes.iter().filter(|n| tag(&n.tags, key) == Some(value)).count();
        let ways = |key: &str, value: &str| map.ways.iter().filter(|way| way.tag(key) == Some(value)).count();
        assert!(nodes("barrier", "gate") >= 6, "seed {seed}");
        assert!((3..=5).contains(&nodes("amenity", "childcare")), "seed {seed}");
        assert_eq!((nodes("highway", "elevator"), ways("highway", "elevator")), (1, 1), "seed {seed}");
        assert_eq!((ways("highway", "pedestrian"), map.relations.len()), (1, 1), "seed {seed}");
        assert!(ways("oneway:foot", "yes") + ways("oneway:foot", "-1") == 2, "seed {seed}");
        assert!(ways("landuse", "residential") >= 5 && ways("building", "apartments") >= 100, "seed {seed}");
        let walks = seconds(&map);
        let found = walks.iter().filter(|seconds| seconds.is_finite()).count();
        assert!(found * 100 > walks.len() * 95, "seed {seed}: {found} of {} homes have a way", walks.len());
        let extent = Oracle::new(&map, Rules::default()).extent();
        assert!(extent.lines_across >= 8 && extent.private_m > 500.0, "seed {seed}: {extent:?}");
    }
}

#[test]
fn gates_decide_who_is_near() {
    let near = |map: &Extract| seconds(map).iter().filter(|&&seconds| seconds <= LIMIT_S).count();
    let (mut private_gates, mut closed_gates, mut private_ways, mut gained) = (0, 0, 0, 0);
    for seed in 0..TOWNS / 2 {
        let map = extract(&random_gated_town(seed));
        let now = near(&map);
        let mut all_open = map.clone();
        let before = private_gates + closed_gates + private_ways;
        for number in 0..map.nodes.len() {
            let Some(gate) = shuts(&map.nodes[number].tags) else { continue };
            open(&mut all_open.nodes[number].tags);
            let mut one_open = map.clone();
            open(&mut one_open.nodes[number].tags);
            let helps = usize::from(near(&one_open) > now);
            *(if gate == Gate::Private { &mut private_gates } else { &mut closed_gates }) += helps;
        }
        for number in 0..map.ways.len() {
            if shuts(&map.ways[number].tags).is_some() {
                open(&mut all_open.ways[number].tags);
                let mut one_open = map.clone();
                open(&mut one_open.ways[number].tags);
                private_ways += usize::from(near(&one_open) > now);
            }
        }
        let helpful = private_gates + closed_gates + private_ways - before;
        assert!(helpful >= 2, "seed {seed}: {helpful} passages help someone when they alone are opened");
        gained += near(&all_open) - now;
    }
    let helpful = [private_gates, closed_gates, private_ways];
    assert!(private_gates >= 12 && closed_gates >= 12 && private_ways >= 6, "{helpful:?}");
    assert!(gained >= 10 * TOWNS as usize, "{gained} homes are near when all is open and not as it is");
}
