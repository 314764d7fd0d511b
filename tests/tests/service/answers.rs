//! What the clients of this service come for: gaps, isochrones, indicators.

use crate::client::{ids, link, polygons};
use crate::town::{sizes, town};
use geo::{Area, Contains, MultiPolygon, Validation};
use serde_json::Value;

const BLOCK_PROPERTIES: [&str; 10] =
    ["id", "name", "status", "covered_share", "minutes", "nearest_facility", "reason", "children", "demand", "area"];

fn features(path: &str) -> Vec<Value> {
    town().get(path).features()
}

#[test]
fn gaps_are_the_blocks_that_are_not_covered_with_their_ids_and_geometry() {
    for query in ["", "&minutes=5", "&minutes=10&profile=walk&speed_kmh=3.2", "&kinds=nursery,kindergarten"] {
        let blocks = features(&format!("/collections/blocks/items?limit=10000{query}"));
        assert_eq!(blocks.len(), sizes()[0]);
        let open: Vec<Value> = blocks.into_iter().filter(|b| b["properties"]["status"] != "covered").collect();
        let gaps = features(&format!("/collections/gaps/items?limit=10000{query}"));
        assert!(!gaps.is_empty() && gaps.len() < sizes()[0], "{query}: {}", gaps.len());
        assert_eq!(gaps, open, "{query}");
        for gap in &gaps {
            assert!(gap["properties"]["reason"].is_string(), "{query}: a gap says why it is one");
        }
    }
}

#[test]
fn a_page_of_gaps_says_how_many_there_are_and_where_the_next_page_is() {
    let answer = town().get("/collections/gaps/items?minutes=15&limit=5");
    let page = answer.ok();
    assert_eq!(answer.header("content-type"), "application/geo+json");
    assert_eq!(page["numberReturned"], 5);
    assert!(page["numberMatched"].as_u64() > Some(5));
    let next = link(&page, "next").expect("there are more than five");
    let second = town().get(town().path(&next)).ok();
    assert_eq!(second["numberReturned"], 5);
    assert_eq!(second["numberMatched"], page["numberMatched"]);
    assert_eq!(
        town().path(&link(&second, "prev").unwrap()),
        "/collections/gaps/items?limit=5&minutes=15&revision=demo"
    );
    for feature in page["features"].as_array().unwrap() {
        assert_eq!(feature["type"], "Feature");
        assert_eq!(feature["id"], feature["properties"]["id"]);
        assert!(polygons(feature).is_valid());
        for name in BLOCK_PROPERTIES {
            assert!(feature["properties"].get(name).is_some(), "{name}");
        }
        let share = feature["properties"]["covered_share"].as_f64().expect("never null");
        assert!((0.0..0.5).contains(&share));
    }
}

#[test]
fn gaps_in_a_box_are_those_of_all_gaps_that_touch_it() {
    let query = "minutes=10&profile=walk";
    let all = features(&format!("/collections/gaps/items?limit=10000&{query}"));
    let collection = town().get("/collections/gaps").ok();
    let extent: Vec<f64> =
        collection["extent"]["spatial"]["bbox"][0].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    let [west, south, east, north] = extent[..] else { panic!("four numbers") };
    let middle = (f64::midpoint(west, east), f64::midpoint(south, north));
    let quarters = [
        [west, south, middle.0, middle.1],
        [middle.0, south, east, middle.1],
        [west, middle.1, middle.0, north],
        [middle.0, middle.1, east, north],
    ];
    let mut found: Vec<String> = Vec::new();
    for [w, s, e, n] in quarters {
        let answer = town().get(&format!("/collections/gaps/items?{query}&bbox={w},{s},{e},{n}&limit=3"));
        let page = answer.ok();
        assert_eq!(page["parameters"]["minutes"], 10.0);
        assert_eq!(page["parameters"]["profile"], "walk");
        let mut next = Some(answer);
        while let Some(answer) = next {
            let page = answer.ok();
            found.extend(ids(page["features"].as_array().unwrap()));
            next = link(&page, "next").map(|href| town().get(town().path(&href)));
        }
    }
    found.sort();
    found.dedup();
    let mut wanted = ids(&all);
    wanted.sort();
    assert_eq!(found, wanted, "the quarters make up the whole");
}

#[test]
fn isochrones_are_nested_valid_polygons_in_ascending_order() {
    let facilities = features("/collections/facilities/items?limit=10000&counted=true");
    let mut queries: Vec<String> =
        facilities.iter().take(8).map(|f| format!("facility={}", f["id"].as_str().unwrap())).collect();
    for facility in facilities.iter().skip(8).take(8) {
        let at = &facility["geometry"]["coordinates"];
        queries.push(format!("lon={}&lat={}", at[0], at[1]));
    }
    for query in queries {
        for extra in ["", "&profile=walk&speed_kmh=6", "&speed_kmh=3.2"] {
            let answer = town().get(&format!("/isochrones?{query}&minutes=5,10,15{extra}"));
            let bands = answer.features();
            let minutes: Vec<f64> = bands.iter().filter_map(|b| b["properties"]["minutes"].as_f64()).collect();
            assert_eq!(minutes, [5.0, 10.0, 15.0], "{query}");
            assert_eq!(answer.json()["parameters"]["minutes"], serde_json::json!([5.0, 10.0, 15.0]));
            assert_eq!(ids(&bands), ["5min", "10min", "15min"], "as on the command line");
            let shapes: Vec<_> = bands.iter().map(polygons).collect();
            for shape in &shapes {
                assert!(shape.is_valid(), "{query}: {:?}", shape.validation_errors());
                assert!(shape.unsigned_area() > 0.0);
            }
            for pair in shapes.windows(2) {
                assert!(pair[1].contains(&pair[0]), "{query}{extra}: the longer walk holds the shorter");
            }
            // In any order, and with one of them twice, it is the same question.
            let other = town().get(&format!("/isochrones?minutes=15.0,5,10,5&{query}{extra}"));
            assert_eq!((other.header("etag"), &other.body), (answer.header("etag"), &answer.body));
        }
    }
    assert_eq!(features(&format!("/isochrones?facility={}", ids(&facilities)[0])).len(), 3, "three bands by default");
}

#[test]
fn circles_are_valid_whether_one_or_apart_or_divided() {
    let drawn = |query: &str| -> Vec<(String, MultiPolygon)> {
        let circles = features(&format!("/collections/circles/items?limit=10000&{query}"));
        circles.iter().map(|circle| (circle["id"].as_str().unwrap().to_owned(), polygons(circle))).collect()
    };
    for more in ["", "&tolerance=10", "&minutes=7&depth=30", "&profile=stroller&kinds=nursery,family"] {
        let [whole, apart, divided] =
            ["none", "facility", "nearest"].map(|split| drawn(&format!("split={split}{more}")));
        for (id, shape) in [&whole, &apart, &divided].into_iter().flatten() {
            assert!(shape.is_valid() && shape.unsigned_area() > 0.0, "{id} {more}: {:?}", shape.validation_errors());
        }
        assert_eq!(whole.len(), 1);
        assert!(apart.len() > 10 && !divided.is_empty() && divided.len() <= apart.len());
        let sum =
            |circles: &[(String, MultiPolygon)]| circles.iter().map(|(_, shape)| shape.unsigned_area()).sum::<f64>();
        let [one, parts, all] = [sum(&whole), sum(&divided), sum(&apart)];
        assert!((parts / one - 1.0).abs() < 0.02, "{more}: the parts are {parts}, the whole {one}");
        assert!(all > parts, "{more}");
        for (id, part) in &divided {
            let own = &apart.iter().find(|(other, _)| other == id).expect("whoever is nearest has a circle").1;
            assert!(part.unsigned_area() <= own.unsigned_area() * 1.02, "{id} {more}");
        }
    }
}

#[test]
fn the_circle_of_a_facility_is_the_isochrone_around_it() {
    for circle in features("/collections/circles/items?split=facility&minutes=11&depth=45&tolerance=3&limit=10") {
        let query = format!("facility={}&minutes=11&depth=45&tolerance=3", circle["id"].as_str().unwrap());
        let bands = features(&format!("/isochrones?{query}"));
        assert_eq!(bands[0]["geometry"], circle["geometry"], "{query}");
    }
}

#[test]
fn circles_beyond_all_patience_are_refused_before_the_work() {
    let path = "/collections/circles/items?minutes=120&speed_kmh=15";
    let detail = town().get(&format!("{path}&split=facility")).problem(422);
    assert!(detail.contains("120 minutes") && detail.contains("split=nearest"), "{detail}");
    assert_eq!(town().get(path).features().len(), 1);
}

#[test]
fn where_no_isochrone_can_be_drawn_the_answer_says_why() {
    town().get("/isochrones?facility=none").problem(404);
    assert!(town().get("/isochrones?lon=0&lat=0").problem(422).contains("250 m"));
    for bad in ["", "?lon=117", "?lat=39", "?lon=117&lat=39&facility=x", "?facility=x&minutes=0", "?lon=200&lat=39"] {
        town().get(&format!("/isochrones{bad}")).problem(400);
    }
}

#[test]
fn the_second_time_an_answer_comes_from_the_cache() {
    let path = "/collections/gaps/items?minutes=17.25&limit=5";
    let first = town().get(path);
    assert!(first.header("server-timing").contains("cache;desc=miss"), "{}", first.header("server-timing"));
    for path in [path, "/collections/gaps/items?limit=5&minutes=17.250"] {
        let again = town().get(path);
        assert!(again.header("server-timing").contains("cache;desc=hit"), "{}", again.header("server-timing"));
        assert!(again.header("server-timing").contains("total;dur="));
        assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    }
    // The analysis is kept as well: no other page of it is computed anew.
    for path in [
        "/collections/gaps/items?minutes=17.25&limit=6",
        "/summary?minutes=17.25",
        "/collections/areas/items?minutes=17.25",
    ] {
        assert!(town().get(path).header("server-timing").contains("cache;desc=hit"), "{path}");
    }
}

#[test]
fn every_answer_names_its_source_its_date_and_its_parameters() {
    for path in
        ["/collections/blocks/items", "/collections/gaps/items?limit=1", "/isochrones?facility=F001", "/summary"]
    {
        let path = if path.contains("facility=") {
            format!("/isochrones?facility={}", ids(&features("/collections/facilities/items?limit=1"))[0])
        } else {
            path.to_owned()
        };
        let answer = town().get(&path).ok();
        assert_eq!(answer["attribution"], "© OpenStreetMap contributors (ODbL)", "{path}");
        assert_eq!(answer["extract_date"], "2025-06-01T00:00:00Z", "{path}");
        assert_eq!(answer["parameters"]["profile"], "walk", "{path}");
        assert_eq!(answer["parameters"]["speed_kmh"], 4.8, "{path}");
    }
}

#[test]
fn properties_choose_features_by_equality() {
    let count =
        |query: &str| town().get(&format!("/collections/{query}")).ok()["numberMatched"].as_u64().unwrap() as usize;
    let covered = count("blocks/items?status=covered");
    assert_eq!(covered + count("gaps/items"), sizes()[0]);
    let [partial, uncovered] = ["partial", "uncovered"].map(|s| count(&format!("gaps/items?status={s}")));
    assert_eq!(partial + uncovered, count("gaps/items"));
    // GDAL writes truth as 0 and 1.
    for yes in ["1", "true"] {
        assert_eq!(
            count(&format!("facilities/items?counted={yes}")),
            features("/collections/facilities/items?limit=10000")
                .iter()
                .filter(|f| f["properties"]["counted"] == true)
                .count()
        );
    }
    for block in features("/collections/blocks/items?limit=20") {
        let id = block["id"].as_str().unwrap();
        assert_eq!(ids(&features(&format!("/collections/blocks/items?id={id}"))), [id]);
        let children = &block["properties"]["children"];
        let same = features(&format!("/collections/blocks/items?limit=10000&children={children}"));
        assert!(ids(&same).contains(&id.to_owned()) && same.iter().all(|b| &b["properties"]["children"] == children));
    }
    // `minutes` is the limit, never the property of that name.
    assert_eq!(count("blocks/items?minutes=15"), sizes()[0]);
}

#[test]
fn the_summary_adds_up_to_the_blocks() {
    let blocks = features("/collections/blocks/items?limit=10000&minutes=10");
    let sum = |value: &dyn Fn(&Value) -> f64| blocks.iter().map(|b| value(&b["properties"])).sum::<f64>();
    let children = sum(&|p| p["children"].as_f64().unwrap());
    let covered = sum(&|p| p["children"].as_f64().unwrap() * p["covered_share"].as_f64().unwrap());
    for (by, areas) in [("city", 0), ("district", 1), ("street", 8), ("community", 40)] {
        let summary = town().get(&format!("/summary?by={by}&minutes=10")).ok();
        assert_eq!((&summary["by"], &summary["minutes"]), (&by.into(), &10.0.into()));
        assert_eq!(summary["areas"].as_array().unwrap().len(), areas, "{by}");
        let total = &summary["total"]["indicators"]["covered_share"];
        assert!((total["denominator"].as_f64().unwrap() - children).abs() < 1e-6);
        assert!((total["numerator"].as_f64().unwrap() - covered).abs() < 1e-6);
        for indicators in summary["areas"].as_array().unwrap().iter().map(|a| &a["indicators"]) {
            for (id, indicator) in indicators.as_object().unwrap() {
                for member in ["value", "numerator", "denominator", "missing", "formula"] {
                    assert!(indicator.get(member).is_some(), "{id}: {member}");
                }
                let missing = !indicator["missing"].as_array().unwrap().is_empty();
                assert_eq!(indicator["value"].is_null(), missing, "{id}: null and why, or a number");
            }
        }
        let sheet = town().get(&format!("/summary?by={by}&minutes=10&f=csv"));
        assert_eq!(sheet.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(sheet.text().lines().count(), areas + 2, "a header, and the total at the end");
        let about = ",10,walk,4.8,2025-06-01T00:00:00Z,© OpenStreetMap contributors (ODbL)";
        assert!(sheet.text().lines().skip(1).all(|row| row.ends_with(about)), "each row says where it is from");
    }
    let largest = town().get("/summary").ok();
    assert_eq!(largest["by"], "district", "the largest level that there is");
}
