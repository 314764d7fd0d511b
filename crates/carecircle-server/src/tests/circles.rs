//! The circles: as one, apart, or divided.

use super::town::{BASE, Got, Seed, ask, at, features, ids, link, polygons, study, town};
use crate::{Served, ServerOptions, routes};
use axum::http::StatusCode;
use carecircle_core::policy::Policy;
use geo::{Area, BooleanOps, Contains, Coord, Intersects, Point, Rect};
use serde_json::Value;
use std::sync::Arc;

#[tokio::test]
async fn circles_are_one_or_apart_or_divided() {
    let app = town();
    let whole = features(&app, "/collections/circles/items").await;
    assert_eq!(whole, features(&app, "/collections/circles/items?split=none&minutes=15.0").await);
    assert_eq!(ids(&whole), ["all"]);
    let properties = &whole[0]["properties"];
    assert!(properties["facility"].is_null() && properties["facility_name"].is_null());
    assert_eq!((&properties["minutes"], &properties["speed_kmh"]), (&Value::from(15.0), &Value::from(4.8)));
    assert_eq!(properties["profile"], "walk");

    let apart = features(&app, "/collections/circles/items?split=facility").await;
    assert_eq!(ids(&apart), ["n1", "n2"], "one is too far from any street");
    for (circle, place) in apart.iter().zip([at(1.5, 1.0), at(3.0, 2.5)]) {
        assert_eq!(circle["properties"]["facility"], circle["id"]);
        assert!(polygons(circle).contains(&Point::new(place.lon(), place.lat())), "{}", circle["id"]);
    }

    let divided = features(&app, "/collections/circles/items?split=nearest").await;
    assert_eq!(ids(&divided), ["n1", "n2"]);
    let area = |circles: &[Value]| circles.iter().map(|c| polygons(c).unsigned_area()).sum::<f64>();
    let [one, parts, sum] = [area(&whole), area(&divided), area(&apart)];
    assert!((parts / one - 1.0).abs() < 0.01, "divided {parts}, as one {one}");
    assert!(sum > 1.2 * one, "the circles lie over each other: {sum}, {one}");
}

#[tokio::test]
async fn circles_say_what_they_were_drawn_with() {
    let app = town();
    let path = "/collections/circles/items?split=facility&minutes=10&kinds=nursery,family&depth=35&tolerance=5";
    let answer = ask(&app, path).await.json();
    let told = &answer["parameters"];
    for (name, value) in [
        ("minutes", Value::from(10.0)),
        ("split", "facility".into()),
        ("depth_m", 35.0.into()),
        ("tolerance_m", 5.0.into()),
        ("profile", "walk".into()),
        ("kinds", vec!["nursery", "family"].into()),
        ("snap_m", 250.0.into()),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told["profile_numbers"].is_object());
    assert_eq!((&answer["facilities"], &answer["numberMatched"]), (&2.into(), &1.into()));
    assert_eq!(ids(answer["features"].as_array().unwrap()), ["n1"]);
    let none = ask(&app, "/collections/circles/items?min_places=1000&split=facility").await.json();
    assert_eq!((&none["facilities"], &none["numberMatched"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn more_minutes_and_more_depth_make_larger_circles_and_tolerance_fewer_corners() {
    let app = town();
    let shape = async |query: &str| {
        let circles = features(&app, &format!("/collections/circles/items?split=facility&facility=n1{query}")).await;
        assert_eq!(circles.len(), 1);
        polygons(&circles[0])
    };
    let full = shape("").await;
    let near = shape("&minutes=7").await;
    let outside = near.difference(&full).unsigned_area() / near.unsigned_area();
    assert!(outside < 1e-3 && full.unsigned_area() > 2.0 * near.unsigned_area(), "{outside}");
    assert!(shape("&depth=50").await.unsigned_area() > shape("&depth=30").await.unsigned_area());
    let corners = |shape: &geo::MultiPolygon<f64>| shape.0.iter().map(|p| p.exterior().0.len()).sum::<usize>();
    assert!(corners(&shape("&tolerance=20").await) < corners(&full));
}

#[tokio::test]
async fn circles_are_paged_and_chosen_like_other_features() {
    let app = town();
    let first = ask(&app, "/collections/circles/items?split=facility&limit=1").await.json();
    assert_eq!((&first["numberMatched"], &first["numberReturned"]), (&2.into(), &1.into()));
    let next = link(&first, "next").unwrap().strip_prefix(BASE).unwrap().to_owned();
    let second = ask(&app, &next).await.json();
    assert_eq!(ids(second["features"].as_array().unwrap()), ["n2"]);
    assert!(link(&second, "next").is_none() && link(&second, "prev").is_some());

    let all = features(&app, "/collections/circles/items?split=facility&minutes=5").await;
    let mut seed = Seed(11);
    let mut hit = 0;
    for _ in 0..100 {
        let (x, y) = (seed.unit() * 10.0 - 2.0, seed.unit() * 10.0 - 2.0);
        let (low, high) = (at(x, y), at(x + seed.unit() * 2.0, y + seed.unit() * 2.0));
        let bbox = format!("{},{},{},{}", low.lon(), low.lat(), high.lon(), high.lat());
        let window = Rect::new(Coord { x: low.lon(), y: low.lat() }, Coord { x: high.lon(), y: high.lat() });
        let inside: Vec<Value> = all.iter().filter(|c| polygons(c).intersects(&window)).cloned().collect();
        let path = format!("/collections/circles/items?split=facility&minutes=5&bbox={bbox}");
        assert_eq!(ids(&features(&app, &path).await), ids(&inside), "{path}");
        hit += inside.len();
    }
    assert!((10..150).contains(&hit), "{hit}");
}

#[tokio::test]
async fn a_circle_has_an_address_of_its_own() {
    let app = town();
    for (query, id) in [("", "all"), ("?split=facility", "n2"), ("?minutes=10&split=nearest", "n1")] {
        let alone = ask(&app, &format!("/collections/circles/items/{id}{query}")).await.json();
        let page = features(&app, &format!("/collections/circles/items{query}")).await;
        let on_page = page.iter().find(|feature| feature["id"] == id).unwrap();
        for member in ["geometry", "properties"] {
            assert_eq!(alone[member], on_page[member], "{id}");
        }
        assert_eq!(link(&alone, "collection").unwrap(), format!("{BASE}/collections/circles"));
    }
    for missing in ["n1", "all?split=nearest", "far?split=facility", "n2?split=facility&kinds=nursery"] {
        let detail = ask(&app, &format!("/collections/circles/items/{missing}")).await.problem(404);
        assert!(detail.contains("split="), "{detail}");
    }
    // Whether it is there takes a computation to tell, and comes before "you have it already".
    let path = "/collections/circles/items/n1";
    let got = super::town::send(&app, axum::http::Method::GET, path, &[("if-none-match", "*")]).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_circles_do_not_take_is_named() {
    let app = town();
    for (query, parameter, wanted) in [
        ("split=some", "split", "none, facility, nearest"),
        ("split=", "split", "none, facility, nearest"),
        ("depth=29.9", "depth", "from 30 to 50"),
        ("depth=nan", "depth", "from 30 to 50"),
        ("tolerance=-1", "tolerance", "from 0 to 100"),
        ("tolerance=1e9", "tolerance", "from 0 to 100"),
    ] {
        let mut paths =
            vec![format!("/collections/circles/items?{query}"), format!("/collections/circles/items/all?{query}")];
        if parameter != "split" {
            paths.push(format!("/isochrones?facility=n1&{query}"));
        }
        for path in paths {
            let got = ask(&app, &path).await;
            let detail = got.problem(400);
            assert!(detail.contains(wanted), "{detail}");
            assert_eq!(got.json()["parameter"], parameter);
        }
        // Other collections have no such parameter.
        ask(&app, &format!("/collections/blocks/items?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn isochrones_take_depth_and_tolerance() {
    let app = town();
    let answer = ask(&app, "/isochrones?facility=n1&minutes=10&depth=30.0&tolerance=12.5").await.json();
    assert_eq!((&answer["parameters"]["depth_m"], &answer["parameters"]["tolerance_m"]), (&30.0.into(), &12.5.into()));
    let area = async |depth: u32| {
        let bands = features(&app, &format!("/isochrones?facility=n1&minutes=10&depth={depth}")).await;
        polygons(&bands[0]).unsigned_area()
    };
    assert!(area(50).await > area(30).await);
}

#[tokio::test]
async fn circles_that_take_too_much_room_are_refused_with_what_to_ask_for() {
    let served = Served {
        study: study(),
        title: "t".to_owned(),
        extract_date: None,
        bounds: None,
        revision: "r".to_owned(),
        policy: Policy::default(),
    };
    let app = routes(Arc::new(served), ServerOptions { cache_bytes: 4_096, ..ServerOptions::default() });
    let got: Got = ask(&app, "/collections/circles/items?split=facility").await;
    let detail = got.problem(422);
    assert!(detail.contains("fewer minutes") && detail.contains("split=nearest"), "{detail}");
    assert_eq!(ask(&app, "/collections/circles/items?split=none").await.status, StatusCode::OK);
}

#[tokio::test]
async fn circles_are_drawn_once_for_all_their_pages() {
    let app = town();
    let timing = async |path: &str| ask(&app, path).await.header("server-timing").to_owned();
    assert!(timing("/collections/circles/items?split=facility&limit=1").await.contains("cache;desc=miss"));
    for path in
        ["items?split=facility&limit=2", "items/n1?split=facility", "items?split=facility&minutes=15.0&facility=n2"]
    {
        let again = timing(&format!("/collections/circles/{path}")).await;
        assert!(again.contains("cache;desc=hit"), "{path}: {again}");
    }
}
