//! What is answered.

use super::town::{
    BASE, BLOCKS, Seed, answer_of, ask, at, features, ids, link, polygons, send, study, town, town_with,
};
use crate::ServerOptions;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use carecircle_core::indicators::{Indicator, ScoreCard};
use carecircle_core::policy::Policy;
use carecircle_formats::table::Table;
use geo::{Contains, Coord, Intersects, Rect};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

#[tokio::test]
async fn the_landing_page_leads_everywhere() {
    let app = town();
    let landing = ask(&app, "/").await.json();
    assert_eq!(landing["title"], "Grid Town");
    for rel in ["self", "service-desc", "conformance", "data"] {
        let href = link(&landing, rel).unwrap_or_else(|| panic!("no {rel}"));
        let path = href.strip_prefix(BASE).expect("links are absolute");
        assert_eq!(ask(&app, path).await.status, StatusCode::OK, "{href}");
    }
    let api = ask(&app, "/api").await;
    assert_eq!(api.header("content-type"), "application/vnd.oai.openapi+json;version=3.0");
    let conformance = ask(&app, "/conformance").await.json();
    let core = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core";
    assert!(conformance["conformsTo"].as_array().unwrap().contains(&Value::from(core)));
}

#[tokio::test]
async fn browsers_get_the_map_and_programs_json() {
    let app = town();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let got = send(&app, Method::GET, "/", &[("accept", browser)]).await;
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    assert!(got.header("content-security-policy").contains("default-src 'none'"));
    let page = String::from_utf8(got.body).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("@import"), "the page is self-contained");
    for accept in ["*/*", "application/json"] {
        assert_eq!(
            send(&app, Method::GET, "/", &[("accept", accept)]).await.header("content-type"),
            "application/json"
        );
    }
    assert_eq!(ask(&app, "/?f=html").await.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(ask(&app, "/collections?f=html").await.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn every_path_of_the_api_document_answers_and_every_reference_resolves() {
    let app = town();
    let api = ask(&app, "/api").await.json();
    assert_eq!(api["openapi"], "3.0.3");
    assert_eq!(api["servers"][0]["url"], BASE);
    let home = at(4.0, 3.1);
    let near = format!("?lon={}&lat={}", home.lon(), home.lat());
    let route = format!("?from={},{}&to_facility=n1", home.lon(), home.lat());
    let post = |path: &str, body: &'static str| {
        let request = Request::post(path).header("host", "a").header("content-type", "application/json");
        answer_of(&app, request.body(Body::from(body)).unwrap())
    };
    let question = r#"{"inputs": {"count": 1, "candidates": "blocks"}}"#;
    assert_eq!(post("/processes/siting/execution", question).await.status, StatusCode::OK);
    let scenario = post("/scenarios", r#"{"close": ["n1"]}"#).await.json()["id"].as_str().unwrap().to_owned();
    let job = ask(&app, "/jobs").await.json()["jobs"][0]["jobID"].as_str().unwrap().to_owned();
    let paths = api["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(_, item)| item["get"].is_object()) {
        let feature = if path.contains("/gaps/") {
            "b143"
        } else if path.contains("blocks") {
            "b1"
        } else if path.contains("areas") {
            "city"
        } else if path.contains("circles") {
            "all"
        } else {
            "n1"
        };
        let mut asked = path.replace("{collectionId}", "gaps");
        asked = asked.replace("{featureId}", feature).replace("{blockId}", "b1");
        asked = asked.replace("{processID}", "siting").replace("{jobId}", &job).replace("{scenarioId}", &scenario);
        // The tile in which the town lies.
        asked =
            asked.replace("{tileMatrix}/{tileRow}/{tileCol}", "12/1552/3371").replace("{z}/{x}/{y}", "12/3371/1552");
        asked = asked.replace("{layers}", "streets,circles");
        asked += match path.as_str() {
            path if path.contains("isochrones") => "?facility=n1",
            "/nearest" => &near,
            "/routes" => &route,
            _ => "",
        };
        let got = ask(&app, &asked).await;
        assert_eq!(got.status, StatusCode::OK, "{asked}");
        let media = got.header("content-type").split("; ").next().unwrap().to_owned();
        assert!(item["get"]["responses"]["200"]["content"][&media].is_object(), "{path}: {media}");
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let parameter = match parameter["$ref"].as_str() {
                Some(reference) => api.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
                None => parameter,
            };
            assert!(parameter["style"].is_string() && parameter["schema"].is_object(), "{parameter}");
            // A parameter that is declared is a parameter that is known.
            if parameter["in"] == "query" {
                let name: String =
                    form_urlencoded::byte_serialize(parameter["name"].as_str().unwrap().as_bytes()).collect();
                let mark = if asked.contains('?') { '&' } else { '?' };
                let got = ask(&app, &format!("{asked}{mark}{name}=%01")).await;
                assert!(!String::from_utf8_lossy(&got.body).contains("unknown parameter"), "{path}: {name}");
                let forms = parameter["schema"]["enum"].as_array().filter(|_| name == "f").into_iter().flatten();
                for form in forms.filter_map(Value::as_str) {
                    let got = ask(&app, &format!("{asked}{mark}f={form}")).await;
                    let media = got.header("content-type").split("; ").next().unwrap();
                    assert!(item["get"]["responses"]["200"]["content"][media].is_object(), "{path}, f={form}: {media}");
                }
            }
        }
    }
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|r| r.split('"').next().unwrap()) {
        assert!(api.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn collections_say_what_they_hold() {
    let app = town();
    let list = ask(&app, "/collections").await.json();
    let all = list["collections"].as_array().unwrap();
    assert_eq!(ids(all), ["blocks", "gaps", "facilities", "areas", "circles"]);
    let streets = ask(&app, link(&list, "related").unwrap().strip_prefix(BASE).unwrap()).await.json();
    assert_eq!((&streets["id"], link(&streets, "items")), (&"streets".into(), None));
    let tiles = link(&streets, "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector").unwrap();
    assert_eq!(tiles, format!("{BASE}/collections/streets/tiles"));
    for missing in ["/collections/streets/items", "/collections/streets/items/w1", "/collections/streets/schema"] {
        assert!(ask(&app, missing).await.problem(404).contains("streets as tiles"), "{missing}");
    }
    for collection in all {
        let id = collection["id"].as_str().unwrap();
        assert_eq!(&ask(&app, &format!("/collections/{id}")).await.json(), collection);
        assert_eq!(link(collection, "items").unwrap(), format!("{BASE}/collections/{id}/items"));
        assert_eq!(collection["extent"]["spatial"]["bbox"][0].as_array().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn pages_hold_every_feature_exactly_once() {
    let (app, short) = (town(), town_with(ServerOptions { page_bytes: 1_000, ..ServerOptions::default() }));
    for (app, start, all) in [
        (&app, "blocks/items?limit=7&speed_kmh=4.0", BLOCKS),
        (&app, "facilities/items?limit=1", 3),
        (&app, "areas/items?limit=3", 3),
        (&short, "blocks/items?limit=50", BLOCKS),
    ] {
        let mut seen = Vec::new();
        let mut path = format!("/collections/{start}");
        loop {
            let page = ask(app, &path).await.json();
            let features = page["features"].as_array().unwrap();
            assert!(!features.is_empty(), "no link leads to an empty page");
            assert_eq!(page["numberMatched"], all);
            seen.extend(ids(features));
            let Some(next) = link(&page, "next") else { break };
            assert!(next.starts_with(BASE) && !start.contains("speed") || next.contains("speed_kmh=4"), "{next}");
            path = next.strip_prefix(BASE).unwrap().to_owned();
        }
        assert_eq!(seen.len(), all);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), all);
    }
    let ended = ask(&short, "/collections/blocks/items?limit=50").await.json();
    assert!((1..5).contains(&ended["numberReturned"].as_u64().unwrap()), "a page ends where its bytes do");
    let beyond = ask(&app, "/collections/blocks/items?offset=5000").await.json();
    assert_eq!((beyond["numberReturned"].as_u64(), link(&beyond, "next")), (Some(0), None));
}

#[tokio::test]
async fn gaps_are_the_blocks_that_are_not_covered() {
    let app = town();
    for query in ["limit=1000", "limit=1000&minutes=5", "limit=1000&kinds=kindergarten", "limit=1000&min_places=1000"] {
        let blocks = features(&app, &format!("/collections/blocks/items?{query}")).await;
        let gaps = features(&app, &format!("/collections/gaps/items?{query}")).await;
        let uncovered: Vec<Value> = blocks.into_iter().filter(|b| b["properties"]["status"] != "covered").collect();
        assert!(!gaps.is_empty(), "{query}");
        assert_eq!(gaps, uncovered, "{query}");
    }
    let covered = ask(&app, "/collections/gaps/items/b0").await;
    assert!(covered.problem(404).contains("covered"));
    assert_eq!(ask(&app, "/collections/gaps/items/b0?minutes=1").await.status, StatusCode::OK);
    assert!(!ask(&app, "/collections/gaps/items/nowhere").await.problem(404).contains("covered"));
}

#[tokio::test]
async fn a_feature_is_the_same_alone_and_on_a_page() {
    let app = town();
    for collection in ["blocks", "gaps", "facilities", "areas", "circles"] {
        for feature in features(&app, &format!("/collections/{collection}/items?limit=1000")).await {
            let id = feature["id"].as_str().unwrap();
            let got = ask(&app, &format!("/collections/{collection}/items/{id}")).await;
            assert_eq!(got.header("content-type"), "application/geo+json");
            let alone = got.json();
            for member in ["type", "id", "geometry", "properties"] {
                assert_eq!(alone[member], feature[member], "{id}");
            }
            assert_eq!(link(&alone, "collection").unwrap(), format!("{BASE}/collections/{collection}"));
            assert_eq!(alone["parameters"]["minutes"], 15.0);
        }
    }
}

#[tokio::test]
async fn properties_choose_by_equality() {
    let app = town();
    let count = async |query: &str| features(&app, &format!("/collections/{query}")).await.len();
    let covered = count("blocks/items?limit=1000&status=covered").await;
    assert!(covered > 0 && covered + count("gaps/items?limit=1000").await == BLOCKS);
    assert_eq!(count("blocks/items?id=b7").await, 1);
    assert_eq!(count("blocks/items?id=b").await, 0);
    assert_eq!(count("blocks/items?children=10.0&limit=1000").await, BLOCKS);
    assert_eq!(count("blocks/items?%E8%A1%97%E9%81%93+no.=1%E5%8F%B7&limit=1000").await, BLOCKS / 3);
    assert_eq!(count("facilities/items?inclusive=1").await, 1);
    assert_eq!(count("facilities/items?counted=true&kinds=nursery,kindergarten").await, 2);
    assert_eq!(count("facilities/items?places=60").await, 1);
    assert_eq!(count("facilities/items?status=x").await, 0, "text inside a name is no property");
    assert_eq!(count("areas/items?level=district").await, 2);
    ask(&app, "/collections/facilities/items?counted=maybe").await.problem(400);
    ask(&app, "/collections/facilities/items?places=many").await.problem(400);
    ask(&app, "/collections/facilities/items?places=60.5").await.problem(400);
    assert_eq!(count("facilities/items?places=60.0").await, 1);
    ask(&app, "/collections/areas/items?status=covered").await.problem(400);
}

#[tokio::test]
async fn a_box_holds_what_touches_it() {
    let app = town();
    let blocks = features(&app, "/collections/blocks/items?limit=1000").await;
    let mut seed = Seed(7);
    for _ in 0..200 {
        let (x, y) = (seed.unit() * 14.0 - 1.0, seed.unit() * 14.0 - 1.0);
        let (low, high) = (at(x, y), at(x + seed.unit() * 5.0, y + seed.unit() * 5.0));
        let query = format!("bbox={},{},{},{}&limit=1000", low.lon(), low.lat(), high.lon(), high.lat());
        let window = Rect::new(Coord { x: low.lon(), y: low.lat() }, Coord { x: high.lon(), y: high.lat() });
        let inside: Vec<String> =
            ids(&blocks.iter().filter(|b| polygons(b).intersects(&window)).cloned().collect::<Vec<_>>());
        assert_eq!(ids(&features(&app, &format!("/collections/blocks/items?{query}")).await), inside, "{query}");
    }
    for (bbox, facilities) in [
        ("-180,-90,180,90", 3),
        ("-500,-500,500,500", 3),
        ("116.3,39.9,-100,116.4,40,9000", 2),
        ("177,-90,117.5,90", 3),
        ("177,65,-177,70", 0),
        ("116.9,40.4,117.1,40.6", 1),
    ] {
        let found = features(&app, &format!("/collections/facilities/items?bbox={bbox}")).await;
        assert_eq!(found.len(), facilities, "{bbox}");
    }
}

#[tokio::test]
async fn geometry_keeps_to_rfc_7946() {
    let app = town();
    let mut all = features(&app, "/collections/blocks/items?limit=1000").await;
    all.extend(features(&app, "/collections/areas/items").await);
    all.extend(features(&app, "/isochrones?facility=n1").await);
    all.extend(features(&app, "/collections/circles/items").await);
    all.extend(features(&app, "/collections/circles/items?split=nearest&tolerance=10").await);
    for feature in &all {
        for polygon in polygons(feature) {
            assert!(geo::Winding::is_ccw(polygon.exterior()));
            assert!(polygon.interiors().iter().all(geo::Winding::is_cw));
        }
        let text = feature["geometry"]["coordinates"].to_string();
        let decimals = text.split(['[', ']', ',']).filter_map(|n| n.split_once('.')).map(|(_, d)| d.len()).max();
        assert!(decimals.unwrap_or(0) <= 7, "{text}");
    }
}

#[tokio::test]
async fn isochrones_nest_and_say_what_they_are() {
    let app = town();
    let middle = at(6.0, 6.02);
    for query in [
        format!("lon={}&lat={}&minutes=12,3,7.5", middle.lon(), middle.lat()),
        "facility=n2&minutes=3,12,7.5,3".to_owned(),
    ] {
        let bands = features(&app, &format!("/isochrones?{query}")).await;
        let minutes: Vec<f64> = bands.iter().map(|b| b["properties"]["minutes"].as_f64().unwrap()).collect();
        assert_eq!(minutes, [3.0, 7.5, 12.0]);
        for pair in bands.windows(2) {
            assert!(polygons(&pair[1]).contains(&polygons(&pair[0])), "{query}");
        }
    }
    ask(&app, "/isochrones?lon=10&lat=10").await.problem(422);
    assert!(ask(&app, "/isochrones?facility=far").await.problem(422).contains("250 m"));
    ask(&app, "/isochrones?facility=none").await.problem(404);
    for bad in [
        "",
        "lon=1",
        "lon=1&lat=1&facility=n1",
        "lon=nan&lat=1",
        "lon=181&lat=1",
        "facility=n1&minutes=",
        "facility=n1&minutes=0",
        "facility=n1&minutes=121",
        "facility=n1&minutes=5,,6",
        "facility=n1&minutes=1,2,3,4,5,6,7,8,9,10,11",
        "facility=n1&speed_kmh=0",
        "facility=n1&profile=car",
        "facility=n1&kinds=nursery",
    ] {
        ask(&app, &format!("/isochrones?{bad}")).await.problem(400);
    }
}

#[tokio::test]
async fn the_summary_marks_what_is_missing() {
    let app = town();
    let summary = ask(&app, "/summary").await.json();
    assert_eq!(
        (&summary["by"], &summary["minutes"], &summary["profile"]),
        (&"city".into(), &15.0.into(), &"walk".into())
    );
    let city = &summary["areas"][0];
    assert_eq!(city["id"], "city");
    let share = &city["indicators"]["covered_share"];
    let blocks = features(&app, "/collections/blocks/items?limit=1000").await;
    let covered: f64 = blocks.iter().map(|b| b["properties"]["covered_share"].as_f64().unwrap()).sum();
    assert!((share["value"].as_f64().unwrap() - covered / BLOCKS as f64).abs() < 1e-9);
    assert_eq!(share["denominator"], 10.0 * BLOCKS as f64);
    // n1 and n2 lie in the city, with 100 places for its 20,000 residents, 60 of them inclusive.
    assert_eq!(city["indicators"]["places_per_1000"]["value"], 5.0);
    assert_eq!(city["indicators"]["inclusive_share"]["value"], 0.6);
    // The facility far off tells no places, so that the total cannot tell either.
    let total = &summary["total"]["indicators"]["places_per_1000"];
    assert!(total["value"].is_null() && !total["missing"].as_array().unwrap().is_empty());

    // Every indicator of every row says what it is, and has a value or says why not.
    let names: Vec<&str> = Indicator::ALL.iter().map(|i| i.name()).collect();
    for indicators in [&city["indicators"], &summary["total"]["indicators"]] {
        let found: Vec<&String> = indicators.as_object().unwrap().keys().collect();
        assert_eq!(found.len(), names.len());
        for name in &names {
            let indicator = &indicators[*name];
            assert_eq!(indicator["value"].is_null(), !indicator["missing"].as_array().unwrap().is_empty(), "{name}");
            assert!(indicator["formula"].as_str().unwrap().contains(" / "), "{name}");
        }
    }
    let of_city = |name: &str| &city["indicators"][name];
    assert_eq!(of_city("area_share")["value"], 0.5, "both facilities are in the west");
    assert_eq!((&of_city("filed_share")["value"], &of_city("registered_share")["value"]), (&0.5.into(), &0.5.into()));
    let untold = of_city("enrolment_rate");
    assert_eq!(untold["missing"], serde_json::json!(["enrolled of 1 of 2 facilities"]));
    assert_eq!((&untold["numerator"], &untold["denominator"]), (&39.0.into(), &(10.0 * BLOCKS as f64).into()));
    assert!(of_city("certified_staff_share")["numerator"].is_null(), "nobody tells their staff");
    assert_eq!(of_city("health_manager_share")["missing"][0], "health manager of 1 of 1 facilities");
    assert_eq!(of_city("kindergarten_share")["missing"], serde_json::json!(["kindergartens of 2 of 2 areas"]));
    // What is known of the whole is told, but makes no value.
    assert_eq!((&total["numerator"], &total["denominator"]), (&100.0.into(), &20_000.0.into()));
    assert_eq!(total["missing"][0], "places of 1 of 3 facilities");

    let districts = ask(&app, "/summary?by=district&kinds=nursery").await.json();
    let east = &districts["areas"][1]["indicators"];
    assert!(east["places_per_1000"]["value"].is_null(), "nobody knows how many live there");
    assert!(east["inclusive_share"]["value"].is_null(), "there are no places to be shared");
    assert!(ask(&app, "/summary?by=community").await.json()["areas"].as_array().unwrap().is_empty());
    ask(&app, "/summary?by=planet").await.problem(400);

    let csv = ask(&app, "/summary?by=district&f=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let text = String::from_utf8(csv.body).unwrap();
    assert_eq!(text.lines().count(), 4);
    assert!(text.lines().next().unwrap().contains(",vacancy_rate,vacancy_rate_numerator,"), "{text}");
    assert!(text.lines().skip(1).all(|line| line.contains(",15,walk,4.8,") && line.ends_with("(ODbL)")), "{text}");
    assert!(text.contains("\"west \"\"quoted\"\", 区\""), "{text}");
    assert_eq!(
        send(&app, Method::GET, "/summary", &[("accept", "text/csv")]).await.header("content-type"),
        "text/csv; charset=utf-8"
    );
}

#[tokio::test]
async fn the_summary_says_what_becomes_of_a_policys_targets() {
    let app = town();
    let plain = ask(&app, "/summary").await.json();
    assert_eq!((&plain["policy"]["name"], &plain["targets"]), (&"default".into(), &serde_json::json!([])));
    let asked = ask(&app, "/summary?by=city&policy=hangzhou-2024&minutes=20").await.json();
    assert_eq!((&asked["policy"]["name"], &asked["minutes"]), (&"hangzhou-2024".into(), &20.0.into()));
    assert_eq!(asked["parameters"]["policy"], "hangzhou-2024");
    let targets = asked["targets"].as_array().unwrap();
    let target = |name: &str| targets.iter().find(|target| target["indicator"] == name).unwrap();
    let places = target("places_per_1000");
    assert_eq!((&places["bound"], &places["target"]), (&"at_least".into(), &4.5.into()));
    assert!(places["source"].as_str().unwrap().contains("Hangzhou"), "{places}");
    // n2 is a kindergarten, which doesn't count: n1 has 60 places for 20,000 residents, all inclusive.
    let city = &places["areas"][0];
    assert_eq!((&city["id"], &city["value"], &city["verdict"]), (&"city".into(), &3.0.into(), &"missed".into()));
    let inclusive = &target("inclusive_share")["areas"][0];
    assert_eq!((&inclusive["value"], &inclusive["verdict"]), (&1.0.into(), &"met".into()));
    let untold = target("certified_staff_share");
    assert_eq!((&untold["verdict"], untold["value"].is_null()), (&"unknown".into(), true));
    assert!(untold["missing"][0].as_str().unwrap().contains("staff"), "{untold}");
    assert!(targets.iter().all(|target| target["areas"].as_array().unwrap().len() == 1), "of the level alone");
    // A score card of the same check says the same.
    let policy = Policy { minutes: 20.0, ..carecircle_formats::policy::named("hangzhou-2024").unwrap() };
    let study = study();
    let coverage = study.check(&policy);
    let card = carecircle_formats::card::score_card(&study, &coverage, &ScoreCard::new(&study, &coverage), None);
    for (one, other) in targets.iter().zip(card["targets"].as_array().unwrap()) {
        for member in other.as_object().unwrap().keys().filter(|member| *member != "areas") {
            assert_eq!(one[member], other[member], "{member}");
        }
    }

    let csv = ask(&app, "/summary?policy=hangzhou-2024&f=csv").await;
    let table = Table::from_csv(Path::new("summary.csv"), &csv.body).unwrap();
    let cell = |row: usize, head: &str| {
        let at = table.columns.iter().position(|column| column == head).unwrap();
        let row = table.rows().nth(row).unwrap();
        row.cells().find(|(column, _)| *column == at).map(|(_, cell)| cell.to_owned()).unwrap_or_default()
    };
    assert_eq!(
        (cell(0, "places_per_1000_target"), cell(0, "places_per_1000_verdict")),
        ("4.5".into(), "missed".into())
    );
    assert_eq!((cell(1, "level"), cell(1, "certified_staff_share_verdict")), ("total".into(), "unknown".into()));
    assert!(cell(1, "attribution").contains("OpenStreetMap"), "the columns behind the targets stay in place");
    let why = ask(&app, "/summary?policy=atlantis").await.problem(400);
    assert!(why.contains("hangzhou-2024"), "{why}");
}

#[tokio::test]
async fn age_vacancy_and_date_choose_which_facilities_count() {
    let app = town();
    let counted = async |query: &str| {
        let all = features(&app, &format!("/collections/facilities/items?{query}")).await;
        ids(&all.into_iter().filter(|f| f["properties"]["counted"] == true).collect::<Vec<_>>())
    };
    assert_eq!(counted("").await, ["far", "n1", "n2"]);
    assert_eq!(counted("child_months=10").await, ["n1"]);
    assert_eq!(counted("child_months=30").await, ["n1", "n2"]);
    assert_eq!(counted("with_vacancy=true").await, ["n2"]);
    assert_eq!(counted("with_vacancy=0").await, ["far", "n1", "n2"]);
    assert_eq!(counted("on=2024-06-29").await, ["far", "n1", "n2"]);
    assert_eq!(counted("on=2024-06-30").await, ["far", "n2"]);
    assert_eq!(counted("on=2019-12-31&child_months=30").await, ["n2"]);
    let n1 = ask(&app, "/collections/facilities/items/n1").await.json();
    assert_eq!(
        (&n1["properties"]["opened"], &n1["properties"]["closed"]),
        (&"2020-01-01".into(), &"2024-06-30".into())
    );

    let gaps = ask(&app, "/collections/gaps/items?limit=1000&child_months=10&on=2024-06-30").await.json();
    let parameters = &gaps["parameters"];
    assert_eq!(
        (&parameters["child_months"], &parameters["with_vacancy"], &parameters["on"]),
        (&10.into(), &false.into(), &"2024-06-30".into())
    );
    let reasons: BTreeSet<&str> =
        gaps["features"].as_array().unwrap().iter().map(|f| f["properties"]["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains("not_eligible"), "{reasons:?}");
    for (query, wanted) in [
        ("child_months=37", "whole months from 0 to 36"),
        ("child_months=ten", "whole months"),
        ("child_months=", "whole months"),
        ("with_vacancy=maybe", "true or false"),
        ("on=30.06.2024", "2024-06-30"),
        ("on=2024-02-30", "a day"),
        ("on=2024-06-30T12:00", "a day"),
    ] {
        for path in ["/collections/blocks/items", "/collections/circles/items", "/summary"] {
            let detail = ask(&app, &format!("{path}?{query}")).await.problem(400);
            assert!(detail.contains(wanted), "{path} {query}: {detail}");
        }
    }
    let tag = async |query: &str| ask(&app, &format!("/summary?{query}")).await.header("etag").to_owned();
    assert_eq!(tag("child_months=10&with_vacancy=1").await, tag("with_vacancy=true&child_months=10").await);
    assert_ne!(tag("child_months=10").await, tag("child_months=11").await);
    assert_ne!(tag("on=2024-06-30").await, tag("on=2024-06-29").await);
}
