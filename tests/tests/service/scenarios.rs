//! Scenarios over a socket: every layer after them, kept, compared, and sited on.

use crate::client::link;
use crate::town::{Service, StateDir, served_with, town};
use carecircle_formats::scenario::Scenario;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Facilities closed, moved and opened, one of them without a street near it.
fn scenario() -> Value {
    json!({
        "name": "north",
        "open": [
            { "id": "new1", "name": "新园", "lon": 114.3005, "lat": 30.9082, "kind": "nursery", "places": 40, "note": "idle hall" },
            { "id": "new2", "lon": 114.2931, "lat": 30.8968, "kind": "community" },
        ],
        "close": ["f02", "f05"],
        "change": [{ "id": "f01", "lon": 114.2961, "lat": 30.9021, "places": 80 }, { "id": "f03", "kind": "family" }],
    })
}

/// Keeps a scenario: its id.
fn kept(service: &Service, scenario: &Value) -> String {
    let answer = service.post("/scenarios", "", scenario);
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A town that has the scenario's facilities and never had others.
fn after() -> &'static Service {
    static AFTER: LazyLock<Service> = LazyLock::new(|| {
        Service::serving(served_with("after", |places| {
            let scenario = Scenario::parse(scenario().to_string().as_bytes()).unwrap();
            scenario.apply(&mut places.facilities, &mut places.grounds, |_| Ok(())).unwrap();
        }))
    });
    &AFTER
}

/// What a document says besides links, which tell the host, the scenario and the revision.
fn told(mut document: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("links");
                members.remove("scenario");
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut document);
    document
}

#[test]
fn every_layer_after_a_scenario_is_that_of_a_town_which_has_these_facilities() {
    let id = kept(town(), &scenario());
    let block = town().get(&format!("/compare?b={id}&minutes=5")).features()[0]["id"].as_str().unwrap().to_owned();
    let home = "lon=114.3001&lat=30.9071";
    for path in [
        "/collections/blocks/items?limit=1000".to_owned(),
        "/collections/blocks/items?limit=1000&profile=stroller&minutes=8".to_owned(),
        "/collections/blocks/items?limit=1000&kinds=nursery&crs=http://www.opengis.net/def/crs/EPSG/0/3857".to_owned(),
        "/collections/gaps/items?limit=1000&minutes=5&filter=children%3E5".to_owned(),
        format!("/collections/blocks/items/{block}?minutes=5"),
        "/collections/facilities/items?limit=1000&crs=http://www.opengis.net/def/crs/EPSG/0/3857".to_owned(),
        "/collections/facilities/items?limit=1000&filter=S_INTERSECTS(geometry,BBOX(114.29,30.89,114.30,30.91))"
            .to_owned(),
        "/collections/facilities/items/new1?f=json".to_owned(),
        "/collections/facilities/items?note=idle%20hall".to_owned(),
        "/collections/areas/items?limit=1000".to_owned(),
        "/collections/circles/items?split=nearest&minutes=5&limit=1000".to_owned(),
        "/summary?by=community".to_owned(),
        "/isochrones?facility=new1&minutes=5,10".to_owned(),
        format!("/nearest?{home}&limit=100"),
        "/routes?from=114.3001,30.9071&to_facility=new1".to_owned(),
        format!("/blocks/{block}/explain?minutes=5"),
    ] {
        let before = town().get(&path.replace("new1", "f04"));
        let mark = if path.contains('?') { '&' } else { '?' };
        let asked = town().get(&format!("{path}{mark}scenario={id}")).ok();
        assert!(told(asked.clone()) == told(after().get(&path).ok()), "{path}");
        if before.status == 200 {
            assert!(told(asked) != told(before.json()), "{path}: nothing changes");
        }
    }
    for path in ["/collections/facilities/items?f=csv", "/collections/gaps/items?f=csv&minutes=7"] {
        let asked = town().get(&format!("{path}&scenario={id}"));
        assert_eq!((asked.status, asked.body), (200, after().get(path).body), "{path}");
    }
    // A tile of the middle of the town, and one of a facility's isochrones.
    for path in [
        "/tiles/blocks,gaps,facilities,areas,circles/12/3348/1678",
        "/isochrones/tiles/WebMercatorQuad/12/1678/3348?facility=new1",
    ] {
        let mark = if path.contains('?') { '&' } else { '?' };
        let there = after().get(path);
        assert_eq!((there.status, there.body.is_empty()), (200, false), "{path}");
        for _ in 0..2 {
            let asked = town().get(&format!("{path}{mark}scenario={id}"));
            assert_eq!((asked.status, &asked.body), (200, &there.body), "{path}");
        }
        assert!(town().get(path).body != there.body, "{path}");
    }
}

#[test]
fn answers_lead_on_in_the_scenario() {
    let id = kept(town(), &scenario());
    let page = town().get(&format!("/collections/blocks/items?limit=3&scenario={id}"));
    let tag = page.header("etag").to_owned();
    assert_ne!(tag, town().get("/collections/blocks/items?limit=3").header("etag"));
    let again =
        town().ask("GET", &format!("/collections/blocks/items?scenario={id}&limit=3"), &[("If-None-Match", &tag)]);
    assert_eq!(again.status, 304);
    let next = link(&page.ok(), "next").unwrap();
    assert!(next.contains(&id), "{next}");
    let next = town().get(town().path(&next));
    let following = after().get("/collections/blocks/items?limit=3&offset=3");
    assert_eq!(told(next.ok()), told(following.ok()));
    let near = town().get(&format!("/nearest?lon=114.3001&lat=30.9071&scenario={id}")).features();
    assert_eq!(near[0]["id"], "new1");
    for rel in ["item", "related"] {
        let there = link(&near[0], rel).unwrap();
        town().get(town().path(&there)).ok();
    }
    let info = town().get("/scenarios").ok();
    let info = info["scenarios"].as_array().unwrap().iter().find(|told| told["id"] == id).unwrap().clone();
    for path in info["links"].as_array().unwrap() {
        town().get(town().path(path["href"].as_str().unwrap())).ok();
    }
}

#[test]
fn a_scenario_is_kept_told_and_forgotten() {
    let service = Service::start(carecircle_server::ServerOptions::default());
    let posted = service.post("/scenarios", "", &scenario());
    assert_eq!(posted.status, 201, "{}", posted.text());
    let info = posted.json();
    assert_eq!(
        (&info["name"], &info["open"], &info["close"], &info["change"]),
        (&json!("north"), &json!(2), &json!(2), &json!(2))
    );
    let here = service.path(posted.header("location")).to_owned();
    assert_eq!(service.get(&here).ok(), scenario());
    // Who says the same in another order is given the same.
    let again = service.post("/scenarios", "", &scenario());
    assert_eq!((again.status, again.header("location")), (200, posted.header("location")));
    kept(&service, &json!({ "close": ["f01"] }));
    let list = service.get("/scenarios?limit=1").ok();
    assert_eq!((&list["scenarios"][0]["close"], list["scenarios"].as_array().unwrap().len()), (&json!(1), 1));
    let older = service.get(service.path(&link(&list, "next").unwrap())).ok();
    assert_eq!((&older["scenarios"][0]["id"], link(&older, "next")), (&info["id"], None));
    let tile = format!("/tiles/blocks/12/3348/1678?scenario={}", info["id"].as_str().unwrap());
    assert_eq!([service.get(&tile).status, service.get(&tile).status], [200; 2]);
    assert_eq!(service.ask("DELETE", &here, &[]).status, 204);
    service.get(&tile).problem(404);
    service.ask("DELETE", &here, &[]).problem(404);
    service.get(&here).problem(404);
    let id = info["id"].as_str().unwrap();
    assert!(service.get(&format!("/summary?scenario={id}")).problem(404).contains("/scenarios"));
    service.stop_quietly().unwrap();
}

#[test]
fn scenarios_outlive_the_service() {
    let dir = StateDir::new("scenarios");
    let service = dir.service();
    let id = kept(&service, &scenario());
    let gaps = format!("/collections/gaps/items?scenario={id}&limit=1000");
    let before = told(service.get(&gaps).ok());
    service.stop_quietly().unwrap();
    let again = dir.service();
    assert_eq!(told(again.get(&gaps).ok()), before);
    again.stop_quietly().unwrap();
}

#[test]
fn what_is_wrong_with_a_scenario_is_said() {
    let far = |id: usize| json!({ "id": format!("n{id}"), "lon": 2.0, "lat": 48.0 });
    for (scenario, says) in [
        (json!({ "opens": [] }), "unknown field"),
        (json!([]), "a scenario is"),
        (json!({ "close": ["nobody"] }), "close[0]: there is no facility"),
        (json!({ "name": "n".repeat(201) }), "name: 200 characters at most"),
        (json!({ "open": [{ "id": "i".repeat(1_000), "lon": 114.3, "lat": 30.9 }] }), "id: 200 characters at most"),
        (json!({ "open": [{ "id": "n" }] }), "open[0]: it has no place"),
        (json!({ "open": [{ "id": "f01", "lon": 114.3, "lat": 30.9 }] }), "there is a facility \"f01\" already"),
        (json!({ "open": (0..3_000).map(far).collect::<Vec<_>>() }), "lies outside the map"),
        (json!({ "change": [{ "id": "f01", "places": -1 }] }), "change[0], places"),
        (json!({ "close": vec!["f01"; 10_001] }), "10000 at most"),
    ] {
        let said = town().post("/scenarios", "", &scenario).problem(400);
        assert!(said.contains(says), "{said}");
    }
    for path in [
        "/collections/gaps/items",
        "/summary",
        "/tiles/blocks/12/3348/1678",
        "/nearest?lon=114.3&lat=30.9",
        "/compare?b=x",
    ] {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = if path.starts_with("/compare") { path.to_owned() } else { format!("{path}{mark}scenario=x") };
        assert!(town().get(&path).problem(400).contains("sixteen digits"), "{path}");
    }
    let unknown = town().get("/collections/gaps/items?scenario=0123456789abcdef").problem(404);
    assert!(unknown.contains("there is no scenario"), "{unknown}");
    town().get("/collections?scenario=0123456789abcdef").problem(400);
}

#[test]
fn a_comparison_tells_what_changes() {
    let id = kept(town(), &scenario());
    let told_by = |query: &str| town().get(&format!("/compare?{query}&minutes=8")).ok();
    let there = told_by(&format!("b={id}"));
    let back = told_by(&format!("a={id}"));
    assert_eq!((&there["a"], &there["b"]), (&back["b"], &back["a"]));
    assert_eq!(
        (&there["children_gained"], &there["children_lost"]),
        (&back["children_lost"], &back["children_gained"])
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let (gained, lost) = (number(&there["children_gained"]), number(&there["children_lost"]));
    assert!(gained > 0.0 && lost > 0.0, "{gained} {lost}");
    let covered = |side: &str| number(&there[side]["covered_children"]);
    assert!((covered("b") - covered("a") - (gained - lost)).abs() < 1e-6);
    assert_eq!((&there["a"]["scenario"], &there["b"]["scenario"]), (&Value::Null, &json!(id)));

    // Each block as the layers before and after have it; those that are not told are the same in both.
    let layer =
        |scenario: &str| town().get(&format!("/collections/blocks/items?limit=1000&minutes=8{scenario}")).features();
    let (before, after) = (layer(""), layer(&format!("&scenario={id}")));
    let changed = there["features"].as_array().unwrap();
    assert_eq!(there["numberReturned"], changed.len());
    let mut sum = 0.0;
    for (a, b) in before.iter().zip(&after) {
        let Some(told) = changed.iter().find(|told| told["id"] == a["id"]) else {
            assert_eq!(a, b);
            continue;
        };
        assert_ne!(a, b);
        assert_eq!(told["geometry"], a["geometry"]);
        for name in ["status", "covered_share", "minutes", "nearest_facility", "reason"] {
            for (end, block) in [("a", a), ("b", b)] {
                assert_eq!(told["properties"][format!("{name}_{end}")], block["properties"][name], "{name}");
            }
        }
        sum += number(&told["properties"]["children_gained"]);
    }
    assert!((sum - (gained - lost)).abs() < 1e-6);

    let sheet = |scenario: &str| town().get(&format!("/summary?by=street&minutes=8{scenario}")).ok();
    let side_by_side = told_by(&format!("b={id}&by=street"));
    let sheets = [sheet(""), sheet(&format!("&scenario={id}"))];
    for (end, sheet) in ["a", "b"].into_iter().zip(sheets) {
        assert_eq!(side_by_side["total"][end], sheet["total"]["indicators"]);
        let areas = side_by_side["areas"].as_array().unwrap().iter().zip(sheet["areas"].as_array().unwrap());
        assert!(areas.clone().count() > 1);
        areas.for_each(|(told, area)| assert_eq!((&told["id"], &told[end]), (&area["id"], &area["indicators"])));
    }

    let same = told_by(&format!("a={id}&b={id}"));
    assert_eq!(
        (&same["features"], &same["children_gained"], &same["children_lost"]),
        (&json!([]), &json!(0.0), &json!(0.0))
    );
    let page = town().ask("GET", &format!("/compare?b={id}"), &[("Accept", "text/html")]);
    assert!(page.header("content-type").starts_with("text/html"));
}

#[test]
fn a_plan_kept_as_a_scenario_gives_what_it_promised_and_more_is_sited_on_it() {
    let execute = |inputs: Value| town().post("/processes/siting/execution", "", &json!({ "inputs": inputs })).ok();
    let first = execute(json!({ "count": 2, "minutes": 8, "time_limit": 5 }));
    let id = kept(town(), &first["scenario"]["value"]);
    let promised = first["plan"]["value"]["coverage"]["covered_after"].as_f64().unwrap();
    let there = town().get(&format!("/compare?b={id}&minutes=8")).ok();
    assert!((there["b"]["covered_children"].as_f64().unwrap() - promised).abs() < 1e-6);
    let more = execute(json!({ "count": 1, "minutes": 8, "time_limit": 5, "scenario": id }));
    let coverage = &more["plan"]["value"]["coverage"];
    assert!((coverage["covered_before"].as_f64().unwrap() - promised).abs() < 1e-6);
    assert_eq!(more["plan"]["value"]["parameters"]["scenario"], id);
    // What comes of it holds what it was made on top of.
    let both = kept(town(), &more["scenario"]["value"]);
    let there = town().get(&format!("/compare?b={both}&minutes=8")).ok();
    let promised = coverage["covered_after"].as_f64().unwrap();
    assert!((there["b"]["covered_children"].as_f64().unwrap() - promised).abs() < 1e-6);
    let refused = town().post("/processes/siting/execution", "", &json!({ "inputs": { "count": 1, "scenario": "x" } }));
    assert!(refused.problem(400).contains("sixteen digits"));
}
