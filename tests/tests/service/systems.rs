//! OGC API Features, Part 2: coordinate systems by reference, as its executable test suite (ets-ogcapi-features10) asserts it,
//! one test per assertion; then what the suite does not look at: the coordinates themselves.

use crate::client::{Answer, geometry, ids};
use crate::town::town;
use carecircle_formats::crs::Crs;
use geo::CoordsIter;
use serde_json::Value;

const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
const UNSUPPORTED: &str = "http://www.opengis.net/def/crs/0/unsupported";

fn epsg(code: u16) -> String {
    format!("http://www.opengis.net/def/crs/EPSG/0/{code}")
}

fn collections() -> Vec<Value> {
    town().get("/collections").ok()["collections"].as_array().unwrap().clone()
}

fn systems(collection: &Value) -> Vec<String> {
    collection["crs"].as_array().unwrap().iter().map(|uri| uri.as_str().unwrap().to_owned()).collect()
}

fn items(collection: &Value) -> String {
    format!("/collections/{}/items", collection["id"].as_str().unwrap())
}

/// A page of each collection's features, and the first of them alone.
fn pages_and_items() -> Vec<(Value, String)> {
    let both = collections().into_iter().flat_map(|collection| {
        let page = items(&collection);
        let first = ids(&town().get(&format!("{page}?limit=1")).features())[0].clone();
        [(collection.clone(), format!("{page}?limit=10")), (collection, format!("{page}/{first}?"))]
    });
    both.collect()
}

fn content_crs(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("content-crs")
}

fn extent(collection: &Value) -> [f64; 4] {
    let bbox = &collection["extent"]["spatial"]["bbox"][0];
    std::array::from_fn(|i| bbox[i].as_f64().unwrap())
}

/// Every position of a feature.
fn positions(feature: &Value) -> Vec<(f64, f64)> {
    geometry(feature).coords_iter().map(|c| (c.x, c.y)).collect()
}

#[test]
fn c01_the_class_is_declared() {
    let classes = town().get("/conformance").ok()["conformsTo"].clone();
    let class = "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs";
    assert!(classes.as_array().unwrap().contains(&Value::from(class)));
}

#[test]
fn c02_every_system_goes_by_a_uri() {
    for collection in collections() {
        let alone = town().get(&format!("/collections/{}", collection["id"].as_str().unwrap())).ok();
        assert_eq!((&alone["crs"], &alone["storageCrs"]), (&collection["crs"], &collection["storageCrs"]));
        for uri in systems(&collection) {
            let parts: Vec<&str> = uri.strip_prefix("http://www.opengis.net/def/crs/").unwrap().split('/').collect();
            assert!(matches!(parts[..], ["OGC", "1.3", "CRS84"] | ["EPSG", "0", _]), "{uri}");
        }
    }
}

#[test]
fn c03_whoever_has_an_extent_has_crs84() {
    for collection in collections() {
        assert!(systems(&collection).contains(&CRS84.to_owned()));
        // The demo town lies at 114.3° E.
        for code in [4326, 3857, 4490, 4547, 4526] {
            assert!(systems(&collection).contains(&epsg(code)), "{code}");
        }
    }
}

#[test]
fn c04_the_system_of_storage_is_one_of_them() {
    for collection in collections() {
        assert_eq!(collection["storageCrs"], CRS84);
        assert!(systems(&collection).contains(&CRS84.to_owned()));
    }
}

#[test]
fn c05_without_a_system_named_features_come_in_crs84() {
    for (_, path) in pages_and_items() {
        let answer = town().get(&path);
        assert_eq!(content_crs(&answer), format!("<{CRS84}>"), "{path}");
        let again = town().ask("GET", &path, &[("If-None-Match", answer.header("etag"))]);
        assert_eq!((again.status, again.header("content-crs")), (304, answer.header("content-crs")));
    }
}

#[test]
fn c06_features_come_in_every_system_named() {
    for (collection, path) in pages_and_items() {
        let mut tags = Vec::new();
        for uri in systems(&collection) {
            let answer = town().get(&format!("{path}&crs={uri}"));
            assert_eq!(content_crs(&answer), format!("<{uri}>"), "{path}");
            let body = answer.ok();
            assert_eq!(body.get("coordinate_system").and_then(Value::as_str), (uri != CRS84).then_some(&*uri));
            tags.push(answer.header("etag").to_owned());
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), systems(&collection).len(), "{path}: each answer has its own tag");
    }
}

#[test]
fn c07_an_unknown_system_is_refused() {
    let other = ["", "gcj-02", "4326", "http://www.opengis.net/def/crs/EPSG/0/99999", "EPSG:2343", "crs84", "%00"];
    for (_, path) in pages_and_items() {
        for bad in other.into_iter().chain([UNSUPPORTED]) {
            let answer = town().get(&format!("{path}&crs={bad}"));
            assert!(answer.problem(400).contains("EPSG/0/4547"), "it says what would be accepted");
            assert_eq!(answer.json()["parameter"], "crs");
        }
    }
}

#[test]
fn c08_features_are_the_same_in_every_system() {
    for collection in collections() {
        let path = format!("{}?limit=10000", items(&collection));
        let here = town().get(&path).features();
        for uri in systems(&collection).into_iter().chain(["gcj02".to_owned(), "bd09".to_owned(), epsg(32650)]) {
            let there = town().get(&format!("{path}&crs={uri}")).features();
            assert_eq!(ids(&there), ids(&here), "{uri}");
            let crs = Crs::named(&uri).unwrap();
            let north_first = uri != CRS84 && crs.is_north_first().unwrap();
            let near = if crs.is_degrees() { 0.6e-7 } else { 0.6e-3 };
            let mut alone = town().connect();
            for (i, (here, there)) in here.iter().zip(&there).enumerate() {
                assert_eq!(here["properties"], there["properties"]);
                assert_eq!(here["geometry"]["type"], there["geometry"]["type"]);
                let (here, moved) = (positions(here), positions(there));
                assert_eq!(here.len(), moved.len());
                for ((lon, lat), (a, b)) in here.into_iter().zip(moved) {
                    let (x, y) = crs.from_wgs84(lon, lat).unwrap();
                    let (first, second) = if north_first { (y, x) } else { (x, y) };
                    assert!((first - a).abs() < near && (second - b).abs() < near, "{uri}: {lon} {lat}: {a} {b}");
                }
                if i < 3 {
                    let id = there["id"].as_str().unwrap();
                    let path = format!("{}/{id}?crs={uri}", items(&collection));
                    assert_eq!(alone.ask("GET", &path, &[]).unwrap().ok()["geometry"], there["geometry"]);
                }
            }
        }
    }
}

#[test]
fn c09_a_box_is_the_same_in_every_system() {
    for collection in collections() {
        let path = format!("{}?limit=10000", items(&collection));
        let found = |query: &str| ids(&town().get(&format!("{path}{query}")).features());
        let [west, south, east, north] = extent(&collection);
        let (dx, dy) = ((east - west) / 3.0, (north - south) / 3.0);
        for [w, s, e, n] in [
            [west, south, east, north],
            [west + dx, south + dy, east - dx, north - dy],
            [west, south, west + dx, south + dy],
            [1.0, 1.0, 2.0, 2.0],
        ] {
            let plain = found(&format!("&bbox={w},{s},{e},{n}"));
            assert_eq!(found(&format!("&bbox={w},{s},{e},{n}&bbox-crs={CRS84}")), plain);
            for code in [4326, 4490] {
                let swapped = format!("&bbox={s},{w},{n},{e}&bbox-crs={}", epsg(code));
                assert_eq!(found(&swapped), plain);
                let tall = format!("&bbox={s},{w},-5,{n},{e},9&bbox-crs={}", epsg(code));
                assert_eq!(found(&tall), plain);
            }
        }
        // In metres, by the features' own coordinates in that system.
        for uri in systems(&collection).into_iter().skip(4).chain([epsg(3857), "gcj02".to_owned(), "bd09".to_owned()]) {
            let all = town().get(&format!("{path}&crs={uri}")).features();
            let boxes: Vec<[f64; 4]> = all
                .iter()
                .map(|feature| {
                    let at = positions(feature);
                    let first = |pick: fn(f64, f64) -> f64| at.iter().map(|p| p.0).reduce(pick).unwrap();
                    let second = |pick: fn(f64, f64) -> f64| at.iter().map(|p| p.1).reduce(pick).unwrap();
                    [first(f64::min), second(f64::min), first(f64::max), second(f64::max)]
                })
                .collect();
            for chosen in boxes.iter().step_by(boxes.len().div_ceil(12)) {
                // A box of a point: widened beyond the rounding.
                let near = if uri.contains("EPSG") { 0.01 } else { 1e-6 };
                let [a, b, c, d] = [chosen[0] - near, chosen[1] - near, chosen[2] + near, chosen[3] + near];
                let got = found(&format!("&bbox={a},{b},{c},{d}&bbox-crs={uri}"));
                for (feature, other) in all.iter().zip(&boxes) {
                    let id = feature["id"].as_str().unwrap().to_owned();
                    let apart =
                        other[0] > c + near || other[2] < a - near || other[1] > d + near || other[3] < b - near;
                    assert!(!(apart && got.contains(&id)), "{uri} {chosen:?}: {id} lies elsewhere");
                    let inside =
                        other[0] >= a + near && other[2] <= c - near && other[1] >= b + near && other[3] <= d - near;
                    assert!(!inside || got.contains(&id), "{uri} {chosen:?}: {id} lies in it");
                }
                assert!(!got.is_empty(), "{uri} {chosen:?}");
            }
            assert_eq!(found(&format!("&bbox=-1e300,-1e300,1e300,1e300&bbox-crs={uri}")).len(), all.len(), "{uri}");
            assert_eq!(found(&format!("&bbox=1e300,1e300,1e300,1e300&bbox-crs={uri}")).len(), 0, "{uri}");
            town().get(&format!("{path}&bbox=5,5,4,6&bbox-crs={uri}")).problem(400);
        }
        town().get(&format!("{path}&bbox=1,2,3,4&bbox-crs={UNSUPPORTED}")).problem(400);
        town().get(&format!("{path}&bbox-crs={UNSUPPORTED}")).problem(400);
    }
}

#[test]
fn pages_lead_on_in_the_system_asked_for() {
    let path = format!("/collections/blocks/items?limit=200&crs={}", epsg(4547));
    let page = town().get(&path).ok();
    let next = crate::client::link(&page, "next").expect("there are more than 200 blocks");
    let second = town().get(town().path(&next));
    assert_eq!(content_crs(&second), format!("<{}>", epsg(4547)));
    let features =
        page["features"].as_array().unwrap().iter().chain(second.features().iter()).cloned().collect::<Vec<_>>();
    let (north, east) = positions(&features[250])[0];
    assert!((3_000_000.0..4_500_000.0).contains(&north) && (300_000.0..700_000.0).contains(&east), "{north} {east}");
}

#[test]
fn answers_say_how_their_coordinates_run() {
    let page = |crs: &str| town().get(&format!("/collections/gaps/items?limit=1&crs={crs}"));
    for (crs, axes, old) in [
        ("gcj02", "longitude,latitude", None),
        ("bd09", "longitude,latitude", None),
        ("EPSG:3857", "east,north", Some("urn:ogc:def:crs:EPSG::3857")),
        ("EPSG:4547", "north,east", None),
        ("EPSG:4326", "latitude,longitude", None),
    ] {
        let answer = page(crs);
        let body = answer.ok();
        assert_eq!(body["axes"], axes);
        assert_eq!(answer.header("content-crs"), format!("<{}>", body["coordinate_system"].as_str().unwrap()));
        assert_eq!(body["crs"]["properties"]["name"].as_str(), old, "{crs}: it has east first whatever it says");
    }
    // One system, whatever it is called: one answer.
    assert_eq!(page("EPSG:4547").header("etag"), page(&epsg(4547)).header("etag"));
    assert_eq!(page("gcj02").header("content-crs"), "<gcj02>");
}

#[test]
fn isochrones_come_in_other_systems_too() {
    let facility = ids(&town().get("/collections/facilities/items?limit=1&counted=true").features())[0].clone();
    let path = format!("/isochrones?facility={facility}&minutes=5,10");
    let plain = town().get(&path);
    assert_eq!(content_crs(&plain), format!("<{CRS84}>"));
    let answer = town().get(&format!("{path}&crs={}", epsg(4326)));
    assert_eq!(content_crs(&answer), format!("<{}>", epsg(4326)));
    for (here, there) in plain.features().iter().zip(&answer.features()) {
        let swapped: Vec<(f64, f64)> = positions(here).into_iter().map(|(lon, lat)| (lat, lon)).collect();
        assert_eq!(positions(there), swapped);
    }
    town().get(&format!("{path}&crs={UNSUPPORTED}")).problem(400);
}
