//! Walks, the nearest facilities, and why a block has its verdict.

use super::town::{BLOCKS, Got, ask, at, features, ids, town};
use axum::http::StatusCode;
use serde_json::{Value, json};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

async fn route(path: &str) -> Value {
    let Got { status, body, .. } = ask(&town(), path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

fn place(x: f64, y: f64) -> String {
    let at = at(x, y);
    format!("{},{}", at.lon(), at.lat())
}

#[tokio::test]
async fn a_walk_is_told_leg_by_leg() {
    let answer = route(&format!("/routes?from={}&to_facility=n1", place(4.0, 3.1))).await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("Feature"), &json!("route")));
    assert_eq!(answer["parameters"]["profile"], "walk");
    assert!(answer["attribution"].is_string() && answer["links"].is_array());
    let properties = &answer["properties"];
    assert_eq!(properties["to_facility"], "n1");
    let positions = answer["geometry"]["coordinates"].as_array().unwrap();
    assert_eq!(answer["geometry"]["type"], "LineString");
    assert_eq!(positions[0], json!([at(4.0, 3.1).lon(), at(4.0, 3.1).lat()]));
    let legs = properties["legs"].as_array().unwrap();
    let sum = |name: &str| legs.iter().map(|leg| number(&leg[name])).sum::<f64>();
    assert!((sum("seconds") - number(&properties["seconds"])).abs() < 1e-9);
    assert!((sum("metres") - number(&properties["metres"])).abs() < 0.01 * legs.len() as f64);
    assert!((number(&properties["minutes"]) * 60.0 - number(&properties["seconds"])).abs() < 0.01);
    // Two and a half blocks west and two south, some 200 m each.
    assert!((880.0..960.0).contains(&number(&properties["metres"])), "{properties}");
    let kinds: Vec<&str> = legs.iter().map(|leg| leg["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("off_street", "off_street"));
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "street"), "{kinds:?}");
    let mut here = 0;
    for leg in legs {
        assert_eq!(leg["first"], here);
        here = leg["last"].as_u64().unwrap();
    }
    assert_eq!(here as usize, positions.len() - 1);
    let slower = route(&format!("/routes?from={}&to_facility=n1&speed_kmh=2.4", place(4.0, 3.1))).await;
    let ratio = number(&slower["properties"]["seconds"]) / number(&properties["seconds"]);
    assert!((ratio - 2.0).abs() < 1e-3, "{ratio}");
}

#[tokio::test]
async fn a_walk_that_cannot_be_is_told_why() {
    let app = town();
    let here = place(4.0, 3.0);
    let detail = ask(&app, &format!("/routes?from={here}&to_facility=far")).await.problem(404);
    assert!(detail.contains("no street within 250 m"), "{detail}");
    let detail = ask(&app, &format!("/routes?from=117,40.5&to={here}")).await.problem(404);
    assert!(detail.contains("no street within 250 m of 117,40.5"), "{detail}");
    assert!(ask(&app, &format!("/routes?from={here}&to_facility=x")).await.problem(404).contains("\"x\""));
    for bad in [
        String::new(),
        format!("?from={here}"),
        format!("?to={here}"),
        format!("?from={here}&to={here}&to_facility=n1"),
        format!("?from=1&to={here}"),
        format!("?from=1,2,3&to={here}"),
        format!("?from=181,2&to={here}"),
        format!("?from=nan,2&to={here}"),
        format!("?from={here}&to={here}&minutes=5"),
        format!("?from={here}&to={here}&speed_kmh=99"),
    ] {
        ask(&app, &format!("/routes{bad}")).await.problem(400);
    }
    // From a place to itself is a walk too.
    let still = route(&format!("/routes?from={here}&to={here}")).await;
    assert_eq!(still["geometry"]["coordinates"].as_array().unwrap().len(), 2);
    assert_eq!(still["properties"]["seconds"], 0.0);
}

#[tokio::test]
async fn the_nearest_are_as_far_as_the_walks_to_them() {
    let app = town();
    let here = at(2.0, 2.0);
    let query = format!("lon={}&lat={}", here.lon(), here.lat());
    let found = features(&app, &format!("/nearest?{query}")).await;
    assert_eq!(ids(&found).len(), 2, "one is too far from any street");
    assert!(number(&found[0]["properties"]["minutes"]) <= number(&found[1]["properties"]["minutes"]));
    for facility in &found {
        let properties = &facility["properties"];
        let id = facility["id"].as_str().unwrap();
        let walk = route(&format!("/routes?from={}&to_facility={id}", place(2.0, 2.0))).await;
        assert_eq!(walk["properties"]["minutes"], properties["minutes"]);
        assert_eq!(walk["properties"]["metres"], properties["metres"]);
        assert_eq!(properties["within"], true);
    }
    let by_id = |id: &str| found.iter().find(|f| f["id"] == id).unwrap()["properties"].clone();
    assert_eq!(by_id("n2")["places_free"], 1.0);
    assert_eq!((&by_id("n1")["places_free"], &by_id("n1")["places"]), (&Value::Null, &json!(60)));
    assert_eq!(ids(&features(&app, &format!("/nearest?{query}&limit=1")).await), ids(&found[..1]));

    let answer = ask(&app, &format!("/nearest?{query}&child_months=10&minutes=1")).await.json();
    assert_eq!(ids(answer["features"].as_array().unwrap()), ["n1"]);
    assert_eq!(answer["features"][0]["properties"]["within"], false);
    assert_eq!(answer["left_out"], json!({ "not_eligible": 1, "because": { "age": 1 }, "out_of_reach": 1 }));
    assert_eq!(answer["parameters"]["max_minutes"], 120.0);
    let free = ask(&app, &format!("/nearest?{query}&with_vacancy=true&kinds=nursery")).await.json();
    assert_eq!(
        (&free["numberMatched"], &free["left_out"]["because"]),
        (&json!(0), &json!({ "kind": 1, "vacancy": 1 }))
    );
    ask(&app, "/nearest?lon=117&lat=40.5").await.problem(422);
    for bad in ["", "?lon=1", "?lon=181&lat=0", "?lon=1&lat=2&child_months=99", "?lon=1&lat=2&from=3"] {
        ask(&app, &format!("/nearest{bad}")).await.problem(400);
    }
}

#[tokio::test]
async fn an_explanation_says_what_the_blocks_say() {
    let app = town();
    let mut reasons = std::collections::BTreeSet::new();
    for query in
        ["", "minutes=4", "minutes=6.5&child_months=10", "kinds=family", "minutes=9&profile=stroller&min_places=50"]
    {
        let blocks = features(&app, &format!("/collections/blocks/items?limit=1000&{query}")).await;
        assert_eq!(blocks.len(), BLOCKS);
        for block in blocks.iter().step_by(29) {
            let id = block["id"].as_str().unwrap();
            let answer = ask(&app, &format!("/blocks/{id}/explain?{query}")).await;
            assert_eq!(answer.status, StatusCode::OK);
            let answer = answer.json();
            let told = &answer["block"];
            for name in ["status", "covered_share", "minutes", "nearest_facility", "reason", "children", "demand"] {
                assert_eq!(told[name], block["properties"][name], "{query} {id} {name}");
            }
            let features = answer["features"].as_array().unwrap();
            let all = |sort: &str| {
                let of_sort = |f: &&Value| f["properties"]["feature"] == sort;
                features.iter().filter(of_sort).map(|f| f["properties"].clone()).collect::<Vec<_>>()
            };
            assert_eq!(features[0]["geometry"], block["geometry"]);
            let points = all("point");
            assert_eq!(told["points"], points.len());
            let inside: f64 = points.iter().filter(|p| p["within"] == true).map(|p| number(&p["weight"])).sum();
            assert!((inside - number(&told["covered_share"])).abs() < 1e-9);
            let shown = &points[answer["point_shown"].as_u64().unwrap() as usize];
            assert_eq!((&shown["shown"], &shown["minutes"]), (&json!(true), &told["minutes"]));
            assert!(!shown["snaps"].as_array().unwrap().is_empty());
            let routes = all("route");
            assert_eq!(routes.len(), usize::from(!told["minutes"].is_null()));
            if let [route] = &routes[..] {
                assert_eq!((&route["minutes"], &route["to_facility"]), (&told["minutes"], &told["nearest_facility"]));
            }
            let (counted, refused): (Vec<Value>, Vec<Value>) =
                all("facility").into_iter().partition(|f| f["counted"] == true);
            assert_eq!(counted.first().map_or(&Value::Null, |f| &f["id"]), &told["nearest_facility"]);
            assert!(counted.iter().all(|f| f["not_counted_because"] == json!([])));
            assert!(refused.iter().all(|f| f["not_counted_because"][0]["zh"].is_string()));
            if let Some(reason) = told["reason"].as_str() {
                reasons.insert(reason.to_owned());
                assert!(told["reason_words"]["en"].is_string() && told["reason_words"]["zh"].is_string());
                if reason == "not_eligible" {
                    assert!(!refused.is_empty(), "{query} {id}");
                }
            }
        }
    }
    assert!(reasons.len() >= 2, "{reasons:?}");
    ask(&app, "/blocks/b0/explain?point=0").await.json();
    ask(&app, "/blocks/b0/explain?point=100000").await.problem(400);
    ask(&app, "/blocks/b0/explain?limit=1").await.problem(400);
    ask(&app, "/blocks/nowhere/explain").await.problem(404);
}

#[tokio::test]
async fn without_one_ways_it_is_as_far_there_as_back() {
    let app = town();
    let query = format!("lon={}&lat={}&minutes=4,9", at(3.3, 4.0).lon(), at(3.3, 4.0).lat());
    let there = features(&app, &format!("/isochrones?{query}")).await;
    assert_eq!(there, features(&app, &format!("/isochrones?{query}&direction=to")).await);
    assert_eq!(there, features(&app, &format!("/isochrones?{query}&direction=from")).await);
    let told = ask(&app, &format!("/isochrones?{query}&direction=from")).await.json();
    assert_eq!(told["parameters"]["direction"], "from");
    ask(&app, &format!("/isochrones?{query}&direction=back")).await.problem(400);
}
