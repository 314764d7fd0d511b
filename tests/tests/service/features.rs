//! OGC API Features, Part 1: Core, as its executable test suite (ets-ogcapi-features10) asserts it. One test per
//! assertion; the numbers order them by the requirements classes of the suite: landing page, API, conformance,
//! collections, items, limit, unknown parameters, bbox, datetime, single features.

use crate::client::{Answer, geometry, ids, link};
use crate::town::{sizes, town};
use geo::{Coord, CoordsIter, Intersects, Rect};
use serde_json::Value;
use std::collections::BTreeSet;

const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
const GEOJSON: &str = "application/geo+json";
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

fn get(path: &str, accept: &str) -> Answer {
    town().ask("GET", path, &[("Accept", accept)])
}

fn json(path: &str) -> Value {
    get(path, "application/json").ok()
}

fn has_link(document: &Value, rel: &str) -> bool {
    document["links"].as_array().unwrap().iter().any(|l| l["rel"] == rel && l["type"].is_string())
}

fn service_desc() -> String {
    link(&json("/"), "service-desc").expect("the landing page names the API document")
}

fn api() -> Value {
    get(town().path(&service_desc()), OPENAPI).ok()
}

fn collections() -> Vec<Value> {
    json("/collections")["collections"].as_array().unwrap().clone()
}

/// Where the features of each collection are, as its links say.
fn items() -> Vec<String> {
    let of = |collection: &Value| {
        assert!(matches!(collection["itemType"].as_str(), None | Some("feature")));
        let links = collection["links"].as_array().unwrap();
        let items = links.iter().find(|l| l["rel"] == "items").expect("a collection leads to its features");
        assert_eq!(items["type"], GEOJSON, "the suite skips any other type");
        let href = items["href"].as_str().unwrap();
        assert!(!href.contains('?'), "GDAL appends /ID to the whole link");
        town().path(href).to_owned()
    };
    collections().iter().map(of).collect()
}

/// The operation at a path of the API document, its parameters resolved.
fn parameter(api: &Value, path: &str, name: &str) -> Value {
    let parameters = api["paths"][path]["get"]["parameters"].as_array().unwrap_or_else(|| panic!("{path}"));
    let resolved = parameters.iter().map(|p| match p["$ref"].as_str() {
        Some(reference) => api.pointer(reference.strip_prefix('#').unwrap()).expect("a reference resolves"),
        None => p,
    });
    let mut found = resolved.filter(|p| p["name"] == name);
    let parameter = found.next().unwrap_or_else(|| panic!("{path} declares {name}")).clone();
    assert!(found.next().is_none(), "{path} declares {name} once");
    parameter
}

/// What holds of every page: F17 to F23.
fn check_page(answer: &Answer) -> Value {
    let page = answer.ok();
    assert_eq!(answer.header("content-type"), GEOJSON);
    assert_eq!(page["type"], "FeatureCollection");
    let features = page["features"].as_array().expect("features are there");
    assert!(has_link(&page, "self"));
    assert!(page.get("timeStamp").is_none(), "it would change the bytes of an answer that has not changed");
    assert_eq!(page["numberReturned"], features.len());
    assert!(page["numberMatched"].as_u64().unwrap() >= features.len() as u64);
    for feature in features {
        assert!(feature["id"].is_string() && feature["type"] == "Feature");
        for Coord { x, y } in geometry(feature).coords_iter() {
            assert!((-180.0..=180.0).contains(&x) && (-90.0..=90.0).contains(&y));
        }
    }
    page
}

/// Follows `next` from a page to the end: every feature once, as many as were promised.
fn walk(start: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut path = start.to_owned();
    loop {
        let page = check_page(&get(&path, GEOJSON));
        let features = page["features"].as_array().unwrap();
        seen.extend(ids(features));
        let Some(next) = link(&page, "next") else {
            assert_eq!(page["numberMatched"], seen.len(), "{start}");
            break;
        };
        assert!(!features.is_empty(), "{start}: a page that leads on has features");
        let (_, query) = next.split_once('?').expect("the suite wants a query");
        assert!(query.split('&').all(|pair| pair.contains('=')), "{next}");
        town().path(&next).clone_into(&mut path);
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "{start}: each feature once");
    seen
}

#[test]
fn f01_the_landing_page_comes_by_http_1_1() {
    assert_eq!(get("/", "application/json").version, "HTTP/1.1");
}

#[test]
fn f02_the_landing_page_is_json() {
    let answer = get("/", "application/json");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.ok().is_object());
}

#[test]
fn f03_the_landing_page_links_to_api_conformance_and_data() {
    let landing = json("/");
    for rel in ["service-desc", "conformance", "data"] {
        let href = link(&landing, rel).unwrap_or_else(|| panic!("no link {rel}"));
        // QGIS 3.22 crashes on relative ones: path() insists on absolute ones.
        assert_eq!(town().get(town().path(&href)).status, 200, "{href}");
    }
}

#[test]
fn f04_the_api_link_has_exactly_the_openapi_media_type() {
    let landing = json("/");
    let links = landing["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["rel"] == "service-desc" && l["type"] == OPENAPI));
}

#[test]
fn f05_the_api_document_is_there() {
    let answer = get(town().path(&service_desc()), OPENAPI);
    assert_eq!((answer.status, answer.header("content-type")), (200, OPENAPI));
}

#[test]
fn f06_the_api_document_is_valid_openapi_3_0_by_itself() {
    fn schemas(api: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref") {
                    let reference = reference.as_str().unwrap();
                    let pointer = reference.strip_prefix('#').expect("the document needs no other");
                    assert!(api.pointer(pointer).is_some(), "{reference}");
                }
                match members.get("type") {
                    Some(Value::String(name)) if name == "array" => {
                        assert!(members.contains_key("items"), "3.0 wants items in every array: {value}");
                    }
                    Some(Value::Array(_)) => panic!("a list of types is OpenAPI 3.1: {value}"),
                    _ => {}
                }
                members.values().for_each(|v| schemas(api, v));
            }
            Value::Array(values) => values.iter().for_each(|v| schemas(api, v)),
            _ => {}
        }
    }
    let api = api();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.0."));
    assert!(api["info"]["title"].is_string() && api["info"]["version"].is_string());
    schemas(&api, &api);
    let mut operations = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'));
        for operation in item.as_object().unwrap().values() {
            assert!(operations.insert(operation["operationId"].as_str().unwrap()), "{path}: an id of its own");
            for response in operation["responses"].as_object().unwrap().values() {
                assert!(response["description"].is_string() || response["$ref"].is_string(), "{path}");
            }
            let mut names = BTreeSet::new();
            for declared in operation["parameters"].as_array().unwrap() {
                let declared = declared["$ref"].as_str().map_or(declared, |r| api.pointer(&r[1..]).unwrap());
                let (name, place) = (declared["name"].as_str().unwrap(), declared["in"].as_str().unwrap());
                assert!(names.insert((name, place)), "{path}: {name} is declared once");
                assert!(declared["schema"].is_object());
                assert_eq!(place == "path", path.contains(&format!("{{{name}}}")), "{path}: {name}");
                assert!(place != "path" || declared["required"] == true);
            }
            let templated = path.matches('{').count();
            assert_eq!(names.iter().filter(|(_, place)| *place == "path").count(), templated, "{path}");
        }
    }
}

#[test]
fn f07_the_api_document_holds_the_paths_of_the_standard() {
    let api = api();
    assert_eq!(api["servers"][0]["url"], town().base());
    let mut paths = vec!["/".to_owned(), "/conformance".to_owned(), "/collections".to_owned()];
    paths.push("/collections/{collectionId}".to_owned());
    for items in items() {
        paths.push(format!("{items}/{{featureId}}"));
        paths.push(items);
    }
    for path in paths {
        let responses = &api["paths"][&path]["get"]["responses"];
        assert!(responses["200"].is_object() && responses["default"].is_object(), "{path}");
    }
}

#[test]
fn f08_the_conformance_classes_are_declared() {
    let declared = json("/conformance");
    let classes = declared["conformsTo"].as_array().unwrap();
    assert!(classes.iter().all(Value::is_string));
    for class in ["core", "oas30", "geojson", "html"] {
        let uri = format!("http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{class}");
        assert!(classes.contains(&Value::from(uri)), "{class}");
    }
    assert!(!declared["conformsTo"].to_string().contains("conf/gmlsf"));
}

#[test]
fn f09_the_collections_are_there() {
    assert_eq!(get("/collections", "application/json").status, 200);
}

#[test]
fn f10_the_collections_link_to_themselves() {
    assert!(has_link(&json("/collections"), "self"));
}

/// A document links to itself as HTML, and that is what stands there, for whoever follows the link or prefers HTML.
fn comes_as_a_page(document: &Value) {
    let is_html = |l: &&Value| l["rel"] == "alternate" && l["type"].as_str().unwrap().starts_with("text/html");
    let found = document["links"].as_array().unwrap().iter().find(is_html).expect("an alternate in HTML");
    let path = town().path(found["href"].as_str().unwrap()).to_owned();
    let bare = path.replacen("f=html", "", 1);
    for (path, accept) in [(&path, "*/*"), (&bare, "text/html,application/xhtml+xml,*/*;q=0.8")] {
        let page = get(path, accept);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
    }
}

#[test]
fn f11_the_collections_come_in_every_encoding_declared() {
    let document = json("/collections");
    let links = document["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["rel"] == "self" && l["type"] == "application/json"));
    comes_as_a_page(&document);
    for collection in document["collections"].as_array().unwrap() {
        comes_as_a_page(collection);
    }
}

#[test]
fn f12_the_collections_hold_links_and_collections() {
    let document = json("/collections");
    assert!(!document["links"].as_array().unwrap().is_empty());
    assert_eq!(ids(document["collections"].as_array().unwrap()), ["blocks", "gaps", "facilities", "areas", "circles"]);
}

#[test]
fn f13_the_first_coordinate_system_is_crs84() {
    if let Some(global) = json("/collections").get("crs") {
        assert_eq!(global[0], CRS84);
    }
    for collection in collections() {
        assert_eq!(collection["crs"][0], CRS84);
    }
}

#[test]
fn f14_each_collection_is_there() {
    for collection in collections() {
        let path = format!("/collections/{}", collection["id"].as_str().unwrap());
        assert_eq!(get(&path, "application/json").status, 200);
    }
}

#[test]
fn f15_a_collection_says_the_same_alone_and_in_the_list() {
    for collection in collections() {
        let alone = json(&format!("/collections/{}", collection["id"].as_str().unwrap()));
        for member in ["id", "title", "description", "extent"] {
            assert!(!alone[member].is_null(), "{member}");
            assert_eq!(alone[member], collection[member], "{member}");
        }
        assert!(has_link(&alone, "self") && has_link(&alone, "items"));
    }
}

#[test]
fn f16_the_features_are_there() {
    for path in items() {
        let answer = get(&format!("{path}?limit=10"), GEOJSON);
        assert_eq!((answer.status, answer.header("content-type")), (200, GEOJSON));
    }
}

#[test]
fn f17_they_are_a_feature_collection() {
    for path in items() {
        assert_eq!(get(&path, GEOJSON).ok()["type"], "FeatureCollection");
    }
}

#[test]
fn f18_it_has_features() {
    for path in items() {
        assert!(!get(&path, GEOJSON).features().is_empty());
    }
}

#[test]
fn f19_a_page_links_to_itself() {
    for path in items() {
        let page = get(&format!("{path}?limit=3&offset=2"), GEOJSON).ok();
        assert!(has_link(&page, "self"));
        comes_as_a_page(&page);
        let again = get(town().path(&link(&page, "self").unwrap()), GEOJSON).ok();
        assert_eq!(again, page);
    }
}

#[test]
fn f20_no_answer_tells_the_moment_that_it_was_written() {
    for path in items() {
        assert!(get(&path, GEOJSON).ok().get("timeStamp").is_none());
    }
}

#[test]
fn f21_next_leads_through_as_many_features_as_match() {
    let mut counts = Vec::new();
    for path in items() {
        counts.push(walk(&format!("{path}?limit=10")).len());
        let once = walk(&format!("{path}?limit=10000"));
        for odd in ["limit=7", "limit=1&speed_kmh=4.80&limit=23", "offset=0&limit=50&bbox=-180,-90,180,90"] {
            assert_eq!(walk(&format!("{path}?{odd}")), once, "{odd}: the order never changes");
        }
    }
    assert_eq!([counts[0], counts[2], counts[3]], sizes());
    assert!((1..counts[0]).contains(&counts[1]), "some blocks are gaps");
}

#[test]
fn f22_number_returned_counts_the_features() {
    for path in items() {
        for query in ["", "?limit=1", "?offset=3", "?offset=100000", "?bbox=0,0,1,1"] {
            let page = get(&format!("{path}{query}"), GEOJSON).ok();
            assert_eq!(page["numberReturned"], page["features"].as_array().unwrap().len(), "{path}{query}");
        }
    }
}

#[test]
fn f23_geometries_lie_on_the_earth() {
    for path in items() {
        check_page(&get(&format!("{path}?limit=100"), GEOJSON));
    }
}

#[test]
fn f24_limit_is_declared() {
    let api = api();
    for path in items() {
        let limit = parameter(&api, &path, "limit");
        assert_eq!((&limit["in"], &limit["required"]), (&"query".into(), &false.into()));
        assert_eq!((&limit["style"], &limit["explode"]), (&"form".into(), &false.into()));
        assert_eq!(limit["schema"]["type"], "integer");
        for member in ["minimum", "maximum", "default"] {
            assert!(limit["schema"][member].as_u64().is_some(), "{member}");
        }
        // numberMatched is verified by pages of the maximum, four of them at most.
        assert!(limit["schema"]["maximum"].as_u64() >= Some(2_500));
    }
    // QGIS takes its page size from there.
    assert_eq!(api["components"]["parameters"]["limit"]["name"], "limit");
}

#[test]
fn f25_no_page_holds_more_than_its_limit() {
    let schema = parameter(&api(), "/collections/blocks/items", "limit")["schema"].clone();
    let (least, most) = (schema["minimum"].as_u64().unwrap(), schema["maximum"].as_u64().unwrap());
    for path in items() {
        for limit in [least, (least + (most - least) / 2).min(100)] {
            let page = check_page(&get(&format!("{path}?limit={limit}"), GEOJSON));
            assert!(page["features"].as_array().unwrap().len() as u64 <= limit);
        }
        check_page(&get(&format!("{path}?limit={}", most + 1), GEOJSON));
        check_page(&get(&format!("{path}?limit=99999999999999999999999999"), GEOJSON));
    }
}

#[test]
fn f26_a_limit_that_is_none_is_refused() {
    for path in items() {
        for limit in ["unlimited", "0", "-1", "", "1.5", "1e2", "0x10", "10,20", "%2B5", "%20", "NaN"] {
            get(&format!("{path}?limit={limit}"), GEOJSON).problem(400);
        }
    }
}

#[test]
fn f27_an_unknown_parameter_is_refused() {
    for path in items() {
        let answer = get(&format!("{path}?unknownQueryParameter47110=1"), GEOJSON);
        assert!(answer.problem(400).contains("unknownQueryParameter47110"));
        assert_eq!(answer.json()["parameter"], "unknownQueryParameter47110");
        get(&format!("{path}?limit=10&Limit=10"), GEOJSON).problem(400);
        let feature = get(&format!("{path}?limit=1"), GEOJSON).features()[0]["id"].as_str().unwrap().to_owned();
        get(&format!("{path}/{feature}?unknown=1"), GEOJSON).problem(400);
        get(&format!("{}?unknown=1", path.trim_end_matches("/items")), GEOJSON).problem(400);
    }
    for path in ["/", "/api", "/conformance", "/collections", "/isochrones", "/summary", "/healthz", "/readyz"] {
        town().get(&format!("{path}?unknown=1")).problem(400);
    }
}

#[test]
fn f28_bbox_is_declared() {
    let api = api();
    for path in items() {
        let bbox = parameter(&api, &path, "bbox");
        assert_eq!((&bbox["in"], &bbox["required"]), (&"query".into(), &false.into()));
        assert_eq!((&bbox["style"], &bbox["explode"]), (&"form".into(), &false.into()));
        let schema = &bbox["schema"];
        assert_eq!((&schema["type"], &schema["items"]["type"]), (&"array".into(), &"number".into()));
        assert_eq!((&schema["minItems"], &schema["maxItems"]), (&4.into(), &6.into()));
    }
}

/// The boxes of the suite besides the extent, then what clients send beyond the ends of the earth.
const BOXES: [[f64; 4]; 9] = [
    [-1.5, 50.0, 1.5, 53.0],
    [-80.0, -5.0, -70.0, 5.0],
    [177.0, 65.0, -177.0, 70.0],
    [-180.0, 85.0, 180.0, 90.0],
    [-180.0, -90.0, 180.0, -85.0],
    [-180.0, -90.0, 180.0, 90.0],
    [-500.0, -500.0, 500.0, 500.0],
    [39.9, 116.3, 40.0, 116.4],
    [100.0, -90.0, -100.0, 90.0],
];

#[test]
fn f29_a_box_gives_what_it_touches_and_all_of_it() {
    for (path, collection) in items().iter().zip(collections()) {
        let all = get(&format!("{path}?limit=10000"), GEOJSON).features();
        let extent = collection["extent"]["spatial"]["bbox"][0].as_array().unwrap().clone();
        let extent: [f64; 4] = std::array::from_fn(|i| extent[i].as_f64().unwrap());
        let [west, south, east, north] = extent;
        let (dx, dy) = ((east - west) / 3.0, (north - south) / 3.0);
        let mut boxes = vec![
            extent,
            [west + dx, south + dy, east - dx, north - dy],
            [west + dx, south + dy, west + dx, south + dy],
            // All of the earth but a strip through the middle of the town, across the date line.
            [west + 2.0 * dx, -90.0, west + dx, 90.0],
        ];
        boxes.extend(BOXES);
        for bbox in boxes {
            let [w, s, e, n] = bbox;
            let parts = if w > e { vec![[w, s, 180.0, n], [-180.0, s, e, n]] } else { vec![bbox] };
            let windows: Vec<Rect> =
                parts.iter().map(|[w, s, e, n]| Rect::new(Coord { x: *w, y: *s }, Coord { x: *e, y: *n })).collect();
            let touching = |f: &&Value| windows.iter().any(|window| geometry(f).intersects(window));
            let wanted: Vec<Value> = all.iter().filter(touching).cloned().collect();
            let page = check_page(&get(&format!("{path}?limit=10000&bbox={w},{s},{e},{n}"), GEOJSON));
            assert_eq!(ids(page["features"].as_array().unwrap()), ids(&wanted), "{path} {bbox:?}");
            // With heights, and as Java and OWSLib write numbers and commas.
            let tall = format!("{path}?limit=10000&bbox={w:.7}%2C{s:.7}%2C-100%2C{e:.7}%2C{n:.7}%2C9000");
            let tall = get(&tall, GEOJSON).features();
            if bbox[0].to_string().len() < 9 {
                assert_eq!(ids(&tall), ids(&wanted), "{path} {bbox:?} with heights");
            }
        }
        assert_eq!(get(&format!("{path}?limit=10000&bbox={west},{south},{east},{north}"), GEOJSON).features(), all);
    }
    for bad in
        ["", "1", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,4,3,2", "a,b,c,d", "1,2,3,nan", "1,2,inf,4", "1;2;3;4"]
    {
        get(&format!("/collections/blocks/items?bbox={bad}"), GEOJSON).problem(400);
    }
}

#[test]
fn f30_datetime_is_declared_and_read() {
    let api = api();
    for path in items() {
        let datetime = parameter(&api, &path, "datetime");
        assert_eq!((&datetime["in"], &datetime["required"]), (&"query".into(), &false.into()));
        assert_eq!((&datetime["style"], &datetime["explode"]), (&"form".into(), &false.into()));
        assert_eq!(datetime["schema"]["type"], "string");
        let all = get(&path, GEOJSON).features();
        for good in ["2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z/..", "../2025-06-01T00:00:00%2B08:00", "2025-06-01"]
        {
            assert_eq!(get(&format!("{path}?datetime={good}"), GEOJSON).features(), all, "no feature has a time");
        }
        for bad in ["", "now", "2025", "2025-06-01T00:00:00", "2025-06-31T24:00:00Z", "..", "a/b/c"] {
            get(&format!("{path}?datetime={bad}"), GEOJSON).problem(400);
        }
    }
}

#[test]
fn f31_features_have_ids() {
    for path in items() {
        let features = get(&path, GEOJSON).features();
        for id in ids(&features) {
            assert!(!id.is_empty() && !id.contains(['.', '/']), "{id}: QGIS fails on dots");
        }
    }
}

#[test]
fn f32_each_feature_is_there_as_it_is_on_its_page() {
    for path in items() {
        let mut connection = town().connect();
        for feature in get(&format!("{path}?limit=10000"), GEOJSON).features() {
            let path = format!("{path}/{}", feature["id"].as_str().unwrap());
            let answer = connection.ask("GET", &path, &[("Accept", GEOJSON)]).unwrap();
            assert_eq!(answer.header("content-type"), GEOJSON);
            let alone = answer.ok();
            for member in ["type", "id", "geometry", "properties"] {
                assert_eq!(alone[member], feature[member], "{path}");
            }
        }
    }
}

#[test]
fn f33_a_feature_links_to_itself_and_its_collection() {
    for path in items() {
        let id = ids(&get(&path, GEOJSON).features())[0].clone();
        let feature = get(&format!("{path}/{id}"), GEOJSON).ok();
        comes_as_a_page(&feature);
        for rel in ["self", "collection"] {
            assert!(has_link(&feature, rel), "{rel}");
            let href = link(&feature, rel).unwrap();
            assert_eq!(town().get(town().path(&href)).status, 200);
        }
        assert!(town().path(&link(&feature, "collection").unwrap()).eq(path.trim_end_matches("/items")));
    }
}
