//! Walks over a socket, in the demo town with its gates and one-ways: what one answer says, the others say too.

use crate::client::Connection;
use crate::town::{Service, town};
use carecircle_server::ServerOptions;
use serde_json::{Value, json};
use std::time::Duration;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn blocks(query: &str) -> Vec<Value> {
    town().get(&format!("/collections/blocks/items?limit=10000{query}")).features()
}

#[test]
fn every_verdict_of_the_demo_town_is_explained_as_it_was_made() {
    let mut explained = 0;
    for query in ["", "&minutes=6&profile=stroller", "&kinds=nursery&child_months=8", "&min_places=60&speed_kmh=3"] {
        for block in blocks(query).iter().step_by(7) {
            let id = block["id"].as_str().unwrap();
            let answer = town().get(&format!("/blocks/{id}/explain?f=geojson{query}")).ok();
            let told = &answer["block"];
            for name in ["status", "covered_share", "minutes", "nearest_facility", "reason", "children", "demand"] {
                assert_eq!(told[name], block["properties"][name], "{query} {id} {name}");
            }
            let features = answer["features"].as_array().unwrap();
            assert_eq!(answer["numberReturned"], features.len());
            let route = features.iter().find(|f| f["id"] == "route").map(|f| &f["properties"]);
            assert_eq!(route.map_or(&Value::Null, |r| &r["minutes"]), &told["minutes"], "{query} {id}");
            if let Some(route) = route {
                let seconds = |leg: &Value| (number(&leg["seconds"]) * 1e3).round() as u64;
                let legs = route["legs"].as_array().unwrap();
                assert_eq!(legs.iter().map(seconds).sum::<u64>(), seconds(route), "{query} {id}");
            }
            explained += 1;
        }
    }
    assert!(explained > 40, "{explained}");
}

#[test]
fn the_nearest_and_the_walks_to_them_agree() {
    let (mut walked, mut private) = (0, 0);
    for block in blocks("").iter().step_by(11) {
        let id = block["id"].as_str().unwrap();
        let explained = town().get(&format!("/blocks/{id}/explain")).features();
        let home = &explained.iter().find(|f| f["properties"]["shown"] == true).unwrap()["geometry"]["coordinates"];
        let (lon, lat) = (&home[0], &home[1]);
        for profile in ["walk", "stroller"] {
            let near = town().get(&format!("/nearest?lon={lon}&lat={lat}&limit=3&profile={profile}")).features();
            let minutes: Vec<f64> = near.iter().map(|f| number(&f["properties"]["minutes"])).collect();
            assert!(minutes.is_sorted(), "{minutes:?}");
            for facility in &near {
                let to = facility["id"].as_str().unwrap();
                let path = format!("/routes?from={lon},{lat}&to_facility={to}&profile={profile}");
                let walk = town().get(&path).ok();
                for name in ["minutes", "metres"] {
                    assert_eq!(walk["properties"][name], facility["properties"][name], "{path}");
                }
                let legs = walk["properties"]["legs"].as_array().unwrap();
                walked += 1;
                private += usize::from(legs.iter().any(|leg| leg["private"] == true || leg["kind"] == "gate"));
            }
        }
    }
    assert!(walked > 30 && private > 0, "{walked} walks, {private} by private ways or gates");
}

fn post(connection: &mut Connection, query: &str, body: &str) -> crate::client::Answer {
    let head = format!(
        "POST /isochrones{query} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head + body).unwrap();
    connection.answer(false).unwrap()
}

#[test]
fn isochrones_of_points_sent_are_those_of_each() {
    let homes: Vec<Value> = blocks("")
        .iter()
        .step_by(17)
        .map(|block| {
            let id = block["id"].as_str().unwrap();
            let explained = town().get(&format!("/blocks/{id}/explain")).features();
            let home = explained.iter().find(|f| f["properties"]["shown"] == true).unwrap();
            json!({ "id": id, "lon": home["geometry"]["coordinates"][0], "lat": home["geometry"]["coordinates"][1] })
        })
        .collect();
    assert!(homes.len() > 3, "{}", homes.len());
    let mut connection = town().connect();
    for direction in ["to", "from"] {
        let query = format!("?minutes=5,10&direction={direction}");
        let bands = post(&mut connection, &query, &json!({ "points": homes }).to_string()).features();
        assert_eq!(bands.len(), 2 * homes.len());
        for (home, bands) in homes.iter().zip(bands.chunks(2)) {
            let alone = town().get(&format!("/isochrones{query}&lon={}&lat={}", home["lon"], home["lat"])).features();
            for (band, alone) in bands.iter().zip(&alone) {
                assert_eq!(band["properties"]["point"], home["id"]);
                assert_eq!(band["geometry"], alone["geometry"], "{direction} {home}");
            }
        }
    }
    for bad in ["", "{}", "{\"points\":[[200,0]]}", "nonsense"] {
        post(&mut connection, "", bad).problem(400);
    }
}

#[test]
fn a_body_that_does_not_come_or_does_not_end_is_not_waited_for() {
    let options =
        ServerOptions { body_max: 1_000, body_timeout: Duration::from_millis(200), ..ServerOptions::default() };
    let service = Service::start(options);
    let head = "POST /isochrones HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let mut late = service.connect();
    late.send(format!("{head}Content-Length: 100\r\n\r\n{{")).unwrap();
    late.answer(false).unwrap().problem(408);
    let mut large = service.connect();
    large.send(format!("{head}Content-Length: 1000000\r\n\r\n{{")).unwrap();
    large.answer(false).unwrap().problem(413);
    service.get("/healthz");
    service.stop_quietly().unwrap();
}
