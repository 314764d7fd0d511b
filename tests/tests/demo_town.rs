//! The demo town is what its README says, and the committed files are what the code draws.

use std::collections::{BTreeMap, BTreeSet};

use carecircle_core::geometry::LonLat;
use carecircle_osm::ReadOptions;
use carecircle_tests::demo::{self, DemoTown};
use carecircle_tests::pbf::{MemberKind, Tags, Way};
use serde_json::Value;

fn value<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
}

fn features(geojson: &str) -> Vec<Value> {
    let collection: Value = serde_json::from_str(geojson).expect("the table is JSON");
    collection["features"].as_array().expect("the table is a feature collection").clone()
}

fn properties(geojson: &str) -> Vec<Value> {
    features(geojson).into_iter().map(|feature| feature["properties"].clone()).collect()
}

fn register(town: &DemoTown) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(town.facilities_csv.as_bytes());
    reader.deserialize().map(|row| row.expect("every row has every column")).collect()
}

fn ways_with<'a>(town: &'a DemoTown, key: &'a str, tag: &'a str) -> impl Iterator<Item = &'a Way> {
    town.osm.ways.iter().filter(move |way| value(&way.tags, key) == Some(tag))
}

#[test]
fn drawing_it_again_gives_the_committed_files() {
    for (name, bytes) in demo::draw().files() {
        let committed = std::fs::read(demo::fixtures().join(name)).expect("the town is committed");
        // Not `assert_eq`: nobody wants to read two hundred thousand bytes.
        assert!(bytes == committed, "{name} differs: run `cargo run -p carecircle-tests --example draw-demo-town`");
    }
}

#[test]
fn the_whole_folder_stays_below_one_megabyte() {
    let entries = std::fs::read_dir(demo::fixtures()).expect("the town is committed");
    let sizes = entries.map(|entry| entry.and_then(|entry| entry.metadata()).expect("a readable file").len());
    assert!(sizes.sum::<u64>() < 1_000_000);
}

#[test]
fn the_numbers_are_those_of_a_small_district() {
    let town = demo::draw();
    let blocks = features(&town.blocks_geojson).len();
    assert!((235..=275).contains(&blocks), "{blocks} blocks");
    assert_eq!(register(&town).len(), 40);
    let areas = properties(&town.areas_geojson);
    let of_level = |level: &str| areas.iter().filter(|area| area["level"] == level).count();
    assert_eq!([of_level("district"), of_level("street"), of_level("community")], [1, 8, 40]);
    let buildings = town.osm.ways.iter().filter(|way| value(&way.tags, "building").is_some()).count();
    assert!((3_000..=5_200).contains(&buildings), "{buildings} buildings");
}

#[test]
fn every_column_of_the_register_is_used_and_every_kind_and_status_occurs() {
    let town = demo::draw();
    let rows = register(&town);
    for column in [
        "id,name,lon,lat,kind,status,inclusive,places,places_infant,places_toddler,places_senior,enrolled,staff",
        "staff_certified,health_manager,hub,modes,opened,closed,min_months,max_months,price,address",
    ]
    .join(",")
    .split(',')
    {
        assert!(rows.iter().any(|row| !row[column].is_empty()), "column {column} is empty");
    }
    let seen = |column: &str| rows.iter().map(|row| row[column].as_str()).collect::<BTreeSet<_>>();
    let kinds = [
        "community",
        "employer",
        "family",
        "growth_station",
        "kindergarten",
        "kindergarten_class",
        "nursery",
        "service_centre",
    ];
    assert_eq!(seen("kind"), BTreeSet::from(kinds));
    assert_eq!(seen("status"), BTreeSet::from(["filed", "licensed", "registered", "unknown"]));
    assert_eq!(rows.iter().filter(|row| !row["closed"].is_empty()).count(), 1);
    assert_eq!(seen("id").len(), rows.len());
}

#[test]
fn the_register_adds_up() {
    for row in register(&demo::draw()) {
        let number = |column: &str| row[column].parse::<u32>().unwrap_or(0);
        if !row["places_senior"].is_empty() {
            let by_age = number("places_infant") + number("places_toddler") + number("places_senior");
            assert_eq!(by_age, number("places"), "{}", row["id"]);
        }
        assert!(number("enrolled") <= number("places"), "{}", row["id"]);
        assert!(number("staff_certified") <= number("staff"), "{}", row["id"]);
        assert!(number("min_months") < number("max_months"), "{}", row["id"]);
    }
}

#[test]
fn residents_nest_from_blocks_to_the_district() {
    let town = demo::draw();
    let (areas, blocks) = (properties(&town.areas_geojson), properties(&town.blocks_geojson));
    let number = |of: &Value, key: &str| of[key].as_u64().expect("a count");
    for area in &areas {
        for key in ["population", "under3", "kindergartens", "communities"] {
            let parts: u64 = match area["level"].as_str() {
                Some("community") if key == "kindergartens" || key == "communities" => continue,
                Some("community") => {
                    blocks.iter().filter(|block| block["area"] == area["id"]).map(|block| number(block, key)).sum()
                }
                _ => areas.iter().filter(|part| part["parent"] == area["id"]).map(|part| number(part, key)).sum(),
            };
            assert_eq!(number(area, key), parts, "{key} of {}", area["name"]);
        }
        assert!(number(area, "population") > 0, "nobody lives in {}", area["name"]);
    }
    assert_eq!((number(&areas[0], "population"), number(&areas[0], "under3")), (120_000, 2_520));
}

#[test]
fn rings_are_closed_and_run_by_the_right_hand_rule() {
    let town = demo::draw();
    for feature in features(&town.areas_geojson).into_iter().chain(features(&town.blocks_geojson)) {
        let rings = feature["geometry"]["coordinates"].as_array().expect("a polygon");
        for (number, ring) in rings.iter().enumerate() {
            let at = |p: &Value| (p[0].as_f64().expect("a longitude"), p[1].as_f64().expect("a latitude"));
            let points: Vec<(f64, f64)> = ring.as_array().expect("a ring").iter().map(at).collect();
            assert!(points.len() >= 4 && points.first() == points.last());
            let (x, y) = points[0];
            let doubled: f64 =
                points.windows(2).map(|w| (w[0].0 - x) * (w[1].1 - y) - (w[1].0 - x) * (w[0].1 - y)).sum();
            assert_eq!(doubled > 0.0, number == 0, "ring {number} of {}", feature["properties"]["id"]);
        }
    }
}

#[test]
fn nothing_points_nowhere_and_no_id_is_given_twice() {
    let osm = demo::draw().osm;
    let nodes: BTreeMap<i64, (i32, i32)> = osm.nodes.iter().map(|n| (n.id, (n.lon_e7, n.lat_e7))).collect();
    let ways: BTreeSet<i64> = osm.ways.iter().map(|way| way.id).collect();
    let relations: BTreeSet<i64> = osm.relations.iter().map(|relation| relation.id).collect();
    assert_eq!((nodes.len(), ways.len(), relations.len()), (osm.nodes.len(), osm.ways.len(), osm.relations.len()));
    for way in &osm.ways {
        assert!(way.refs.len() >= 2, "way {}", way.id);
        assert!(way.refs.iter().all(|id| nodes.contains_key(id)), "way {}", way.id);
        assert!(way.refs.windows(2).all(|w| nodes[&w[0]] != nodes[&w[1]]), "way {} stands still", way.id);
    }
    for relation in &osm.relations {
        for member in &relation.members {
            let known = match member.kind {
                MemberKind::Node => nodes.contains_key(&member.id),
                MemberKind::Way => ways.contains(&member.id),
                MemberKind::Relation => relations.contains(&member.id),
            };
            assert!(known, "relation {} holds a stranger", relation.id);
        }
    }
}

/// The node that stands for all that hang together with this one.
fn find(root: &mut BTreeMap<i64, i64>, node: i64) -> i64 {
    let up = *root.entry(node).or_insert(node);
    if up == node {
        return node;
    }
    let top = find(root, up);
    root.insert(node, top);
    top
}

#[test]
fn all_streets_hang_together_save_the_islet() {
    let osm = demo::draw().osm;
    let mut root: BTreeMap<i64, i64> = BTreeMap::new();
    let mut on_streets = BTreeSet::new();
    for way in osm.ways.iter().filter(|way| value(&way.tags, "highway").is_some()) {
        for pair in way.refs.windows(2) {
            let (a, b) = (find(&mut root, pair[0]), find(&mut root, pair[1]));
            root.insert(a.max(b), a.min(b));
        }
        on_streets.extend(way.refs.iter().copied());
    }
    let mut parts: BTreeMap<i64, usize> = BTreeMap::new();
    for node in on_streets {
        *parts.entry(find(&mut root, node)).or_default() += 1;
    }
    let mut sizes: Vec<usize> = parts.into_values().collect();
    sizes.sort_unstable();
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    assert!(sizes[0] < 10 && sizes[1] > 5_000, "{sizes:?}");
}

#[test]
fn the_sights_are_there() {
    let town = demo::draw();
    assert_eq!(ways_with(&town, "bridge", "yes").count(), 2);
    assert!(ways_with(&town, "bridge", "yes").all(|way| value(&way.tags, "layer") == Some("1")));
    assert_eq!(ways_with(&town, "oneway:foot", "yes").count(), 1);
    assert_eq!(ways_with(&town, "area", "yes").count(), 1);
    assert!(ways_with(&town, "highway", "steps").count() >= 4);
    assert_eq!(ways_with(&town, "railway", "rail").count(), 2);
    let node_tags = |key: &str, tag: &str| town.osm.nodes.iter().filter(|n| value(&n.tags, key) == Some(tag)).count();
    assert_eq!(node_tags("highway", "elevator"), 1);
    assert_eq!(node_tags("railway", "level_crossing"), 4);
    let private_gate = |tags: &Tags| value(tags, "barrier") == Some("gate") && value(tags, "access") == Some("private");
    assert!(town.osm.nodes.iter().filter(|node| private_gate(&node.tags)).count() > 20);

    let relations_with = |key: &str| town.osm.relations.iter().filter(|r| value(&r.tags, key).is_some()).count();
    assert_eq!(relations_with("building"), 2);
    assert_eq!(relations_with("landuse"), 1);
    assert_eq!(relations_with("amenity"), 1);
    assert_eq!(relations_with("admin_level"), 49);
    let mapped = |tags: &Tags| matches!(value(tags, "amenity"), Some("kindergarten" | "childcare"));
    let as_nodes = town.osm.nodes.iter().filter(|node| mapped(&node.tags)).count();
    let as_ways = town.osm.ways.iter().filter(|way| mapped(&way.tags)).count();
    assert!((15..=20).contains(&(as_nodes + as_ways)), "{as_nodes} nodes, {as_ways} ways");
}

#[test]
fn river_islet_lake_and_railway_stand_in_the_way() {
    let town = demo::draw();
    let bytes = std::fs::read(demo::fixtures().join("town.osm.pbf")).expect("the town is committed");
    let read = carecircle_osm::read_from(std::io::Cursor::new(bytes), &ReadOptions::default()).expect("our own file");
    let lines: Vec<&[LonLat]> = read.places.obstacles.iter().collect();
    let nodes: BTreeMap<i64, LonLat> =
        town.osm.nodes.iter().map(|n| (n.id, LonLat { lon_e7: n.lon_e7, lat_e7: n.lat_e7 })).collect();
    let waters = town.osm.relations.iter().filter(|relation| value(&relation.tags, "natural") == Some("water"));
    let shores: BTreeSet<i64> = waters.flat_map(|relation| relation.members.iter().map(|member| member.id)).collect();
    let shores = town.osm.ways.iter().filter(|way| shores.contains(&way.id));
    let lake = ways_with(&town, "natural", "water").chain(ways_with(&town, "waterway", "river"));
    let expected: Vec<&Way> = shores.chain(lake).chain(ways_with(&town, "railway", "rail")).collect();
    assert_eq!(expected.len(), 6, "two banks in one ring, the islet, the lake, the river's course, two tracks");
    for way in expected {
        let line: Vec<LonLat> = way.refs.iter().map(|id| nodes[id]).collect();
        assert!(lines.contains(&line.as_slice()), "way {} is no obstacle", way.id);
    }
    for way in ways_with(&town, "bridge", "yes") {
        let line: Vec<LonLat> = way.refs.iter().map(|id| nodes[id]).collect();
        assert!(!lines.contains(&line.as_slice()), "bridge {} is an obstacle", way.id);
    }
}
