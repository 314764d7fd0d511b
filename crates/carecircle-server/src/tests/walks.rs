//! Walks, the nearest facilities, and why a block has its verdict.

use super::town::{BASE, BLOCKS, Got, answer_of, app, ask, at, features, ids, town};
use crate::ServerOptions;
use crate::app::router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use carecircle_core::policy::Policy;
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

async fn post(query: &str, media: &str, body: String) -> Got {
    let request =
        Request::builder().method(Method::POST).uri(format!("/isochrones{query}")).header("host", "localhost");
    answer_of(&town(), request.header("content-type", media).body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn isochrones_of_several_points_are_those_of_each() {
    let app = town();
    let places = [(3.3, 4.0), (6.0, 6.5)].map(|(x, y)| at(x, y));
    let positions = places.map(|at| json!([at.lon(), at.lat()]));
    let feature = |id: Value, position: &Value| json!({ "type": "Feature", "id": id, "properties": null, "geometry": { "type": "Point", "coordinates": position } });
    let bodies = [
        (json!({ "points": positions }), ["0", "1"]),
        (
            json!({ "points": places.map(|at| json!({ "id": at.lon().to_string(), "lon": at.lon(), "lat": at.lat() })) }),
            ["", ""],
        ),
        (json!({ "type": "MultiPoint", "coordinates": positions }), ["0", "1"]),
        (
            json!({ "type": "FeatureCollection", "features": [feature(json!("家"), &positions[0]), feature(json!(7), &positions[1])] }),
            ["家", "7"],
        ),
    ];
    for direction in ["to", "from"] {
        for (body, names) in &bodies {
            let query = format!("?minutes=9,4&direction={direction}&depth=40");
            let got = post(&query, "application/geo+json", body.to_string()).await;
            assert_eq!(got.status, StatusCode::OK, "{}", String::from_utf8_lossy(&got.body));
            let answer = got.json();
            assert_eq!((&answer["numberReturned"], &answer["left_out"]), (&json!(4), &json!([])));
            assert_eq!(answer["parameters"]["direction"], direction);
            let bands = answer["features"].as_array().unwrap();
            for (n, at) in places.iter().enumerate() {
                let alone = format!("/isochrones{query}&lon={}&lat={}", at.lon(), at.lat());
                let alone = features(&app, &alone).await;
                for (band, alone) in bands[2 * n..].iter().zip(&alone) {
                    assert_eq!(band["geometry"].to_string(), alone["geometry"].to_string());
                    assert_eq!(band["properties"]["minutes"], alone["properties"]["minutes"]);
                    if !names[n].is_empty() {
                        assert_eq!(band["properties"]["point"], names[n]);
                    }
                }
            }
            assert_eq!(ids(bands).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        }
    }
    let away = json!({ "points": [positions[0], [117.0, 40.5]] });
    let answer = post("", "application/json", away.to_string()).await.json();
    assert_eq!((&answer["numberReturned"], &answer["left_out"][0]["point"]), (&json!(3), &json!("1")));
}

#[tokio::test]
async fn bodies_that_hold_no_points_are_refused() {
    let many = |count: usize| json!({ "points": vec![[116.31, 39.91]; count] }).to_string();
    for bad in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        many(0),
        many(101),
        format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        json!({ "points": [[181, 0]] }).to_string(),
        json!({ "points": [["1", "2"]] }).to_string(),
        json!({ "points": [[1]] }).to_string(),
        json!({ "points": [null] }).to_string(),
        json!({ "points": [{ "id": {}, "lon": 1, "lat": 2 }] }).to_string(),
        json!({ "points": [{ "id": "0", "lon": 1, "lat": 2 }, { "id": 0, "lon": 1, "lat": 2 }] }).to_string(),
        json!({ "type": "FeatureCollection" }).to_string(),
        json!({ "type": "LineString", "coordinates": [[1, 2], [3, 4]] }).to_string(),
        json!({ "type": "Feature", "geometry": { "type": "LineString", "coordinates": [1, 2] } }).to_string(),
    ] {
        post("", "application/json", bad).await.problem(400);
    }
    post("?lon=1&lat=2", "application/json", many(1)).await.problem(400);
    post("", "text/plain", many(1)).await.problem(415);
    post("?minutes=120", "application/json", many(100)).await.problem(422);
    assert!(post("", "application/json", "x".repeat(2 << 20)).await.problem(413).contains("body"));
}

#[tokio::test]
async fn walks_come_in_the_coordinate_system_asked_for() {
    let (app, home) = (town(), place(4.0, 3.1));
    let (lon, lat) = home.split_once(',').unwrap();
    for crs in
        ["gcj02", "bd09", "http://www.opengis.net/def/crs/EPSG/0/3857", "http://www.opengis.net/def/crs/EPSG/0/4326"]
    {
        let item = |path: &str| {
            let (app, path) = (app.clone(), format!("/collections/{path}?crs={crs}"));
            async move { ask(&app, &path).await.json()["geometry"].clone() }
        };
        let (facility, block) = (item("facilities/items/n1").await, item("blocks/items/b1").await);
        let ask_in = |path: &str| {
            let (app, path) = (app.clone(), format!("{path}crs={crs}"));
            async move {
                let got = ask(&app, &path).await;
                assert_eq!(got.header("content-crs"), format!("<{crs}>"), "{path}");
                assert_eq!(got.json()["coordinate_system"], crs);
                got.json()
            }
        };
        let walk = ask_in(&format!("/routes?from={home}&to_facility=n1&")).await;
        let degrees = route(&format!("/routes?from={home}&to_facility=n1")).await;
        assert_eq!(walk["properties"], degrees["properties"]);
        let positions = walk["geometry"]["coordinates"].as_array().unwrap();
        assert_eq!(positions.len(), degrees["geometry"]["coordinates"].as_array().unwrap().len());
        let apart = |axis: usize| {
            (number(&positions[positions.len() - 1][axis]) - number(&facility["coordinates"][axis])).abs()
        };
        assert!(apart(0).max(apart(1)) < if crs.ends_with("3857") { 0.1 } else { 1e-6 }, "{crs}");
        let nearest = ask_in(&format!("/nearest?lon={lon}&lat={lat}&")).await;
        let n1 = nearest["features"].as_array().unwrap().iter().find(|f| f["id"] == "n1").unwrap();
        assert_eq!(n1["geometry"], facility);
        let explained = ask_in("/blocks/b1/explain?").await;
        assert_eq!(explained["features"][0]["geometry"], block);
        let of = |what: &str| explained["features"].as_array().unwrap().iter().find(|f| f["id"] == what).unwrap();
        assert_eq!(of("facility-n1")["geometry"], facility);
    }
    for path in [
        format!("/routes?from={home}&to_facility=n1&"),
        format!("/nearest?lon={lon}&lat={lat}&"),
        "/blocks/b1/explain?".to_owned(),
    ] {
        for bad in ["crs=EPSG:99", "crs=mars", "f=csv"] {
            ask(&app, &format!("{path}{bad}")).await.problem(400);
        }
    }
}

#[tokio::test]
async fn answers_lead_on_to_what_they_are_about() {
    let app = town();
    let links = |of: &Value, rel: &str| -> Vec<String> {
        let links = of["links"].as_array().unwrap().iter().filter(|link| link["rel"] == rel);
        links.map(|link| link["href"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()).collect()
    };
    let follow = |path: String| {
        let app = app.clone();
        async move {
            let got = ask(&app, &path).await;
            assert_eq!(got.status, StatusCode::OK, "{path}");
            got
        }
    };
    let (home, served) = (place(4.0, 3.1), Policy::default());
    let (lon, lat) = home.split_once(',').unwrap();
    for who in ["", "&profile=toddler&speed_kmh=3", "&policy=national", "&crs=gcj02"] {
        let path = format!("/nearest?lon={lon}&lat={lat}{who}");
        let answer = follow(path).await.json();
        assert_eq!(follow(links(&answer, "self").remove(0)).await.json(), answer);
        assert!(follow(links(&answer, "alternate").remove(0)).await.header("content-type").starts_with("text/html"));
        for found in answer["features"].as_array().unwrap() {
            let facility = follow(links(found, "item").remove(0)).await.json();
            assert_eq!(
                (&facility["id"], &facility["properties"]["name"]),
                (&found["id"], &found["properties"]["name"])
            );
            let walk = follow(links(found, "related").remove(0)).await.json();
            assert_eq!(walk["properties"]["to_facility"], found["id"]);
            assert_eq!(walk["properties"]["minutes"], found["properties"]["minutes"], "{who}");
            assert_eq!(walk["coordinate_system"], answer["coordinate_system"]);
            assert_eq!(follow(links(&walk, "item").remove(0)).await.json()["id"], found["id"]);
        }
    }
    let answer = follow("/blocks/b40/explain?minutes=4&profile=stroller&point=0".to_owned()).await.json();
    assert_eq!(follow(links(&answer, "self").remove(0)).await.json(), answer);
    let page = String::from_utf8(follow(links(&answer, "alternate").remove(0)).await.body).unwrap();
    assert!(page.contains("<html") && page.contains("b40"));
    let block = follow(links(&answer, "item").remove(0)).await.json();
    assert_eq!((&block["id"], &block["properties"]["status"]), (&"b40".into(), &answer["block"]["status"]));
    assert_ne!(block["parameters"]["minutes"], served.minutes);
}

#[tokio::test]
async fn whoever_asks_for_walks_waits_for_those_who_compute() {
    let app = app(ServerOptions { workers: 1, queue: 0, ..ServerOptions::default() });
    let routes = router(&app);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = tokio::spawn({
        let workers = app.workers.clone();
        async move { workers.run(move || wait.recv().is_ok()).await }
    });
    while app.workers.load().running == 0 {
        tokio::task::yield_now().await;
    }
    // Not even whether a street is near is found out on the side.
    let nowhere = ["/nearest?lon=117&lat=40.5", "/routes?from=117,40.5&to_facility=n1", "/isochrones?lon=117&lat=40.5"];
    for path in nowhere {
        ask(&routes, path).await.problem(503);
    }
    go.send(()).unwrap();
    assert!(held.await.unwrap().unwrap());
    for (path, status) in nowhere.into_iter().zip([422, 404, 422]) {
        ask(&routes, path).await.problem(status);
    }
}
