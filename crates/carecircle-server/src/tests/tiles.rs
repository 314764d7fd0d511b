//! Tiles and the documents about them.

use super::town::{
    BASE, BLOCKS, Got, SOUTH, STEP, Seed, WEST, app, ask, features, ids, link, polygons, send, study, town,
};
use crate::app::router;
use crate::routes;
use crate::{Served, ServerOptions};
use axum::Router;
use axum::http::{Method, StatusCode};
use carecircle_core::policy::Policy;
use carecircle_tests::mvt::{self, Feature, Geometry, Layer, Value};
use flate2::read::GzDecoder;
use geo::{Area, BooleanOps, BoundingRect, Coord, GeodesicArea, Rect};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

const MEDIA: &str = "application/vnd.mapbox-vector-tile";

/// The tile of a zoom in which the town begins, as `/{z}/{x}/{y}`.
fn south_west(zoom: u32) -> (u32, u32, u32) {
    let side = f64::from(1_u32 << zoom);
    let y = 0.5 - (SOUTH + STEP.1 / 2.0).to_radians().tan().asinh() / std::f64::consts::TAU;
    (zoom, (((WEST + STEP.0 / 2.0) / 360.0 + 0.5) * side) as u32, (y * side) as u32)
}

fn path(layers: &str, (zoom, x, y): (u32, u32, u32), query: &str) -> String {
    format!("/tiles/{layers}/{zoom}/{x}/{y}{query}")
}

async fn tile(app: &Router, path: &str) -> BTreeMap<String, Layer> {
    let got = ask(app, path).await;
    assert_eq!(got.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&got.body));
    assert_eq!(got.header("content-type"), MEDIA);
    mvt::read(&got.body).into_iter().map(|layer| (layer.name.clone(), layer)).collect()
}

fn names(layer: &Layer) -> BTreeSet<String> {
    layer.features.iter().map(|feature| feature.text("id").to_owned()).collect()
}

/// All tiles of a layer at a zoom, as its tileset says that there are.
async fn all_tiles(app: &Router, layer: &str, zoom: u32, query: &str) -> Vec<Feature> {
    let tileset = ask(app, &format!("/collections/{layer}/tiles/WebMercatorQuad")).await.json();
    let limits = tileset["tileMatrixSetLimits"].as_array().unwrap();
    let matrix = zoom.to_string();
    let limits = limits.iter().find(|l| l["tileMatrix"] == matrix.as_str()).unwrap();
    let range = |min: &str, max: &str| limits[min].as_u64().unwrap()..=limits[max].as_u64().unwrap();
    let mut out = Vec::new();
    for x in range("minTileCol", "maxTileCol") {
        for y in range("minTileRow", "maxTileRow") {
            let layers = tile(app, &format!("/tiles/{layer}/{zoom}/{x}/{y}{query}")).await;
            out.extend(layers.into_values().flat_map(|layer| layer.features));
        }
    }
    out
}

#[tokio::test]
async fn tiles_show_the_features_with_their_properties() {
    let app = town();
    for (layer, query) in [("blocks", ""), ("gaps", ""), ("blocks", "?minutes=3&profile=stroller"), ("areas", "")] {
        let items = features(
            &app,
            &format!("/collections/{layer}/items{query}{}limit=1000", if query.is_empty() { "?" } else { "&" }),
        )
        .await;
        let shown = all_tiles(&app, layer, 14, query).await;
        let found: BTreeSet<&str> = shown.iter().map(|feature| feature.text("id")).collect();
        assert_eq!(found, items.iter().map(|item| item["id"].as_str().unwrap()).collect(), "{layer}{query}");
        for feature in &shown {
            let item = items.iter().find(|item| item["id"] == feature.text("id")).unwrap();
            for (name, wanted) in item["properties"].as_object().unwrap() {
                let same = match feature.properties.get(name) {
                    None => wanted.is_null(),
                    Some(Value::Text(text)) => wanted == text,
                    Some(Value::Truth(truth)) => wanted == truth,
                    Some(Value::Integer(whole)) => wanted.as_i64() == Some(*whole),
                    Some(Value::Number(number)) => wanted.as_f64().unwrap().to_bits() == number.to_bits(),
                };
                assert!(same, "{name}: {wanted} and {:?}", feature.properties.get(name));
            }
        }
        let numbers: BTreeSet<u64> = shown.iter().filter_map(|feature| feature.id).collect();
        assert_eq!(numbers.len(), items.len(), "numbers are there, and distinct");
        assert!(numbers.iter().all(|number| *number < 1 << 53), "JavaScript keeps them");
    }
}

#[tokio::test]
async fn every_feature_is_in_the_tiles_of_the_last_zoom_and_keeps_its_number() {
    let app = town();
    let mut numbers: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (layer, zoom) in [("blocks", 14), ("blocks", 16), ("facilities", 12), ("circles", 13), ("areas", 13)] {
        let wanted = ids(&features(&app, &format!("/collections/{layer}/items?limit=1000")).await);
        // A facility far off makes for many tiles: it is looked for at a middle zoom.
        let shown = all_tiles(&app, layer, zoom, "").await;
        let found: BTreeSet<String> = shown.iter().map(|f| f.text("id").to_owned()).collect();
        assert_eq!(found, wanted.into_iter().collect(), "{layer} at {zoom}");
        for feature in shown {
            let key = (layer.to_owned(), feature.text("id").to_owned());
            assert_eq!(*numbers.entry(key).or_insert(feature.id.unwrap()), feature.id.unwrap());
        }
    }
}

#[tokio::test]
async fn streets_are_shown_by_class_and_as_long_as_they_are() {
    let app = town();
    assert!(!tile(&app, &path("blocks,streets", south_west(5), "")).await.contains_key("streets"));
    ask(&app, &path("streets", south_west(5), "")).await.problem(404);
    for (zoom, wanted) in
        [(6, &["primary"][..]), (7, &["primary"]), (8, &["primary", "secondary"]), (11, &["primary", "secondary"])]
    {
        let streets = all_tiles(&app, "streets", zoom, "").await;
        let ranks: BTreeSet<&str> = streets.iter().map(|f| f.text("rank")).collect();
        assert_eq!(ranks, wanted.iter().copied().collect(), "{zoom}");
        for street in &streets {
            assert_eq!(street.text("id"), street.text("rank"));
            // Twelve edges are one line, and it is straight.
            assert!(matches!(&street.geometry, Geometry::Lines(lines) if lines.len() == 1 && lines[0].len() == 2));
        }
    }
    let nearer = all_tiles(&app, "streets", 13, "").await;
    let ids = |streets: &[Feature]| streets.iter().map(|f| f.text("id").to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&nearer).len(), 26, "thirteen streets each way");
    let streets = all_tiles(&app, "streets", 12, "").await;
    assert_eq!(
        ids(&nearer).difference(&ids(&streets)).collect::<Vec<_>>(),
        ["w16"],
        "the driveway is seen from nearer"
    );
    assert!(streets.iter().all(|f| f.text("class") == "street" && f.text("access") == "public"));
    // At zoom 12 a unit is 2.4 m on the equator, and 1.83 m here.
    let length = |lines: &Vec<Vec<geo::Coord<i32>>>| -> f64 {
        let steps = lines.iter().flat_map(|line| line.windows(2));
        steps.map(|s| f64::from(s[1].x - s[0].x).hypot(f64::from(s[1].y - s[0].y))).sum()
    };
    let longest = streets.iter().map(|f| match &f.geometry {
        Geometry::Lines(lines) => length(lines) * 1.835,
        other => panic!("{other:?}"),
    });
    let longest = longest.fold(0.0, f64::max);
    assert!((2_300.0..2_500.0).contains(&longest), "{longest} m");
    ask(&app, &path("streets", south_west(12), "?minutes=5")).await.problem(400);
}

#[tokio::test]
async fn tiles_of_several_layers_are_those_of_each() {
    let app = town();
    let at = south_west(13);
    let whole = tile(&app, &format!("/tiles/WebMercatorQuad/{}/{}/{}", at.0, at.2, at.1)).await;
    let names: Vec<&str> = whole.keys().map(String::as_str).collect();
    assert_eq!(names, ["areas", "blocks", "circles", "facilities", "streets"]);
    let joined = ask(&app, &path("streets,blocks", at, "")).await.body;
    let apart = [ask(&app, &path("blocks", at, "")).await.body, ask(&app, &path("streets", at, "")).await.body];
    assert_eq!(joined, apart.concat());
    assert_eq!(joined, ask(&app, &path("blocks,streets,blocks", at, "")).await.body);
    let by_row = format!("/collections/blocks/tiles/WebMercatorQuad/{}/{}/{}", at.0, at.2, at.1);
    assert_eq!(ask(&app, &by_row).await.body, apart[0]);
    assert_eq!(ask(&app, &path("streets%2Cblocks", at, "")).await.body, joined);
}

#[tokio::test]
async fn a_tile_is_the_same_whoever_asks_and_however_often() {
    let (app, again) = (town(), town());
    for layers in ["blocks,facilities,areas,circles,streets", "circles"] {
        for zoom in [0, 9, 12, 14, 16] {
            let path = path(layers, south_west(zoom), "?split=nearest&minutes=9");
            let first = ask(&app, &path).await.body;
            assert_eq!(first, ask(&app, &path).await.body);
            assert_eq!(first, ask(&again, &path).await.body);
        }
    }
}

#[tokio::test]
async fn circles_are_cut_by_the_question_asked() {
    let app = town();
    let area = |layers: &BTreeMap<String, Layer>| match &layers["circles"].features[0].geometry {
        Geometry::Polygons(shape) => shape.unsigned_area(),
        other => panic!("{other:?}"),
    };
    let few = tile(&app, &path("circles", south_west(11), "?minutes=5")).await;
    let more = tile(&app, &path("circles", south_west(11), "?minutes=10")).await;
    assert!(area(&more) > 1.5 * area(&few));
    let split = tile(&app, &path("circles", south_west(11), "?split=facility")).await;
    assert_eq!(names(&split["circles"]), ["n1", "n2"].map(str::to_owned).into());
}

#[tokio::test]
async fn isochrones_are_tiles_of_what_is_asked_for() {
    let app = town();
    let area = |feature: &Feature| match &feature.geometry {
        // What lies beyond the tile is in the next one too. At zoom 13 a unit is 1.194 m on the equator, and 0.916 m here.
        Geometry::Polygons(shape) => {
            let own = Rect::new(Coord { x: 0.0, y: 0.0 }, Coord { x: 4_096.0, y: 4_096.0 }).to_polygon();
            shape.intersection(&own).unsigned_area() * 0.916 * 0.916
        }
        other => panic!("{other:?}"),
    };
    let place = format!("lon={}&lat={}", WEST + 2.5 * STEP.0, SOUTH + 3.1 * STEP.1);
    for query in [
        format!("{place}&minutes=4,8"),
        "facility=n1&minutes=3&direction=from&profile=stroller".to_owned(),
        "facility=n2&minutes=2.5,5&speed_kmh=3&tolerance=0&depth=40".to_owned(),
    ] {
        let json = ask(&app, &format!("/isochrones?{query}")).await.json();
        let tiles = link(&json, "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector").unwrap();
        let set = ask(&app, tiles.strip_prefix(BASE).unwrap()).await.json();
        let template = link(&set["tilesets"][0], "item").unwrap().strip_prefix(BASE).unwrap().to_owned();
        let described = link(&set["tilesets"][0], "describedby").unwrap().strip_prefix(BASE).unwrap().to_owned();
        let tilejson = ask(&app, &described).await.json();
        let bounds: Vec<f64> = tilejson["bounds"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let items = json["features"].as_array().unwrap();
        let own = polygons(items.last().unwrap()).bounding_rect().unwrap();
        for (ours, theirs) in bounds.iter().zip([own.min().x, own.min().y, own.max().x, own.max().y]) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        let (z, west, south) = south_west(13);
        let limits = &set["tilesets"][0]["tileMatrixSetLimits"][13];
        let has = |at: u32, min: &str, max: &str| {
            (limits[min].as_u64().unwrap()..=limits[max].as_u64().unwrap()).contains(&u64::from(at))
        };
        let around = (0..9).map(|n| (west - 1 + n / 3, south - 1 + n % 3));
        let around = around.filter(|(x, y)| has(*x, "minTileCol", "maxTileCol") && has(*y, "minTileRow", "maxTileRow"));
        let mut shown: BTreeMap<String, (Feature, f64)> = BTreeMap::new();
        let mut order = Vec::new();
        for (x, y) in around {
            let path = template.replace("{tileMatrix}", &z.to_string()).replace("{tileRow}", &y.to_string());
            let layers = tile(&app, &path.replace("{tileCol}", &x.to_string())).await;
            let by_column = tilejson["tiles"][0].as_str().unwrap().strip_prefix(BASE).unwrap();
            let by_column = by_column.replace("{z}", &z.to_string()).replace("{y}", &y.to_string());
            let features = tile(&app, &by_column.replace("{x}", &x.to_string())).await;
            assert_eq!(format!("{layers:?}"), format!("{features:?}"));
            for feature in layers.into_values().flat_map(|layer| layer.features) {
                order.push(feature.properties["minutes"].clone());
                let seen = area(&feature);
                shown.entry(feature.text("id").to_owned()).or_insert((feature, 0.0)).1 += seen;
            }
        }
        assert_eq!(shown.len(), items.len(), "{query}");
        for item in items {
            let (feature, seen) = &shown[item["id"].as_str().unwrap()];
            for name in ["minutes", "speed_kmh"] {
                assert_eq!(feature.properties[name], Value::Number(item["properties"][name].as_f64().unwrap()));
            }
            let wanted = polygons(item).geodesic_area_unsigned();
            assert!((seen - wanted).abs() < 0.03 * wanted, "{query}: {seen} of {wanted} m²");
        }
        let longest = items.last().unwrap()["properties"]["minutes"].as_f64().unwrap();
        assert_eq!(order[0], Value::Number(longest), "the longest is painted first");
    }
}

#[tokio::test]
async fn isochrones_are_drawn_once_for_tiles_and_json() {
    let app = town();
    let at = south_west(13);
    let first = ask(&app, &path("isochrones", at, "?facility=n1&minutes=4,2.0")).await;
    assert!(first.header("server-timing").starts_with("cache;desc=miss"));
    for path in [
        path("isochrones", at, "?minutes=2,4&facility=n1&f=mvt"),
        path("isochrones", (at.0 + 1, at.1 * 2, at.2 * 2), "?facility=n1&minutes=2,4"),
        "/isochrones?facility=n1&minutes=2,4".to_owned(),
        "/isochrones?facility=n1&minutes=2,4&crs=gcj02".to_owned(),
    ] {
        let again = ask(&app, &path).await;
        assert!(again.header("server-timing").starts_with("cache;desc=hit"), "{path}");
    }
    let path = path("isochrones", at, "?facility=n1&minutes=2,4");
    let known = send(&app, Method::GET, &path, &[("if-none-match", first.header("etag"))]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn isochrones_in_tiles_are_asked_for_as_isochrones_are() {
    let app = town();
    for (query, status) in [
        ("", 400),
        ("?minutes=5", 400),
        ("?lon=116.3", 400),
        ("?lon=116.3&lat=39.9&facility=n1", 400),
        ("?facility=n1&minutes=0", 400),
        ("?facility=n1&minutes=1,2,3,4,5,6,7,8,9,10,11", 400),
        ("?facility=n1&profile=car", 400),
        ("?facility=n1&crs=gcj02", 400),
        ("?facility=n1&kinds=all", 400),
        ("?facility=n9", 404),
        ("?lon=0&lat=0", 422),
        ("?facility=far", 422),
    ] {
        ask(&app, &path("isochrones", south_west(13), query)).await.problem(status);
        ask(&app, &format!("/tiles/isochrones{query}")).await.problem(status);
        ask(&app, &format!("/isochrones/tiles{query}")).await.problem(status);
    }
    for layers in ["blocks,isochrones", "isochrones,streets"] {
        let detail = ask(&app, &path(layers, south_west(13), "?facility=n1")).await.problem(404);
        assert!(detail.contains("isochrones alone"), "{detail}");
    }
    ask(&app, "/collections/isochrones/tiles").await.problem(404);
    ask(&app, "/isochrones/tiles/WorldCRS84Quad?facility=n1").await.problem(404);
    ask(&app, &path("isochrones", (13, 0, 0), "?facility=n1")).await.problem(404);
}

#[tokio::test]
async fn tiles_are_kept_compressed_and_known_by_their_tag() {
    let app = town();
    let path = path("blocks", south_west(13), "");
    let plain = ask(&app, &path).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "Accept-Encoding"));
    assert_eq!(plain.header("cache-control"), "public, max-age=60, must-revalidate");
    assert_eq!(plain.header("content-length"), plain.body.len().to_string());
    let mut bodies = Vec::new();
    for cache in ["miss", "hit"] {
        let gzip = send(&app, Method::GET, &path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(gzip.header("content-encoding"), "gzip");
        assert!(gzip.header("etag").ends_with("-gzip\"") && gzip.header("etag") != plain.header("etag"));
        if cache == "hit" {
            assert!(gzip.header("server-timing").starts_with("cache;desc=hit"), "{}", gzip.header("server-timing"));
        }
        let mut unpacked = Vec::new();
        GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
        bodies.push(gzip.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    // Kept or not: the tag is enough.
    for app in [app, town()] {
        let known = send(&app, Method::GET, &path, &[("if-none-match", plain.header("etag"))]).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(known.header("etag"), plain.header("etag"));
        assert_eq!((known.header("content-type"), known.header("content-encoding")), ("", ""));
        let head = send(&app, Method::HEAD, &path, &[]).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(head.header("content-length"), plain.body.len().to_string());
    }
}

#[tokio::test]
async fn one_question_is_one_tile_however_it_is_spelt() {
    let app = town();
    let tag = |query| {
        let app = app.clone();
        async move { ask(&app, &path("blocks", south_west(13), query)).await.header("etag").to_owned() }
    };
    assert_eq!(tag("?minutes=15.0&speed_kmh=5").await, tag("?speed_kmh=5.0&f=mvt&minutes=15").await);
    assert_eq!(tag("").await, tag("?").await);
    assert_eq!(tag("").await, tag("?f=mvt").await);
    assert_ne!(tag("").await, tag("?minutes=14").await);
}

#[tokio::test]
async fn an_empty_tile_is_an_empty_body() {
    let app = town();
    // The far facility stretches the layer: between it and the town there is nothing.
    let got = ask(&app, "/collections/facilities/tiles/WebMercatorQuad").await.json();
    let limits = &got["tileMatrixSetLimits"][14];
    let (x, y) = (limits["minTileCol"].as_u64().unwrap(), limits["minTileRow"].as_u64().unwrap());
    for headers in [&[][..], &[("accept-encoding", "gzip")]] {
        for _ in 0..2 {
            let got = send(&app, Method::GET, &format!("/tiles/facilities/14/{x}/{y}"), headers).await;
            assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
            assert_eq!((got.header("content-type"), got.header("content-encoding")), (MEDIA, ""));
        }
    }
}

#[tokio::test]
async fn tilejson_tells_what_a_map_needs() {
    let app = town();
    let got = ask(&app, "/tiles/streets,blocks?minutes=10&profile=toddler").await.json();
    assert_eq!(got["tilejson"], "3.0.0");
    assert_eq!(got["tiles"][0], format!("{BASE}/tiles/blocks,streets/{{z}}/{{x}}/{{y}}?minutes=10&profile=toddler"));
    assert_eq!((&got["minzoom"], &got["maxzoom"]), (&0.into(), &16.into()));
    assert_eq!(got["attribution"], "© OpenStreetMap contributors (ODbL)");
    let bounds: Vec<f64> = got["bounds"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!(bounds[0] < WEST + 0.001 && bounds[1] < SOUTH + 0.001 && bounds[2] > WEST && bounds[3] > SOUTH);
    let fields = &got["vector_layers"][0]["fields"];
    assert_eq!((&fields["id"], &fields["minutes"]), (&"String".into(), &"Number".into()));
    assert_eq!(got["vector_layers"][1]["id"], "streets");
    let tile = got["tiles"][0].as_str().unwrap().strip_prefix(BASE).unwrap();
    let (z, x, y) = south_west(13);
    let tile = tile.replace("{z}", &z.to_string()).replace("{x}", &x.to_string()).replace("{y}", &y.to_string());
    let shown = mvt::read(&ask(&app, &tile).await.body);
    for layer in &shown {
        let described = got["vector_layers"].as_array().unwrap().iter().find(|l| l["id"] == layer.name).unwrap();
        for (name, value) in layer.features.iter().flat_map(|f| &f.properties) {
            let wanted = match value {
                Value::Text(_) => "String",
                Value::Number(_) | Value::Integer(_) => "Number",
                Value::Truth(_) => "Boolean",
            };
            assert_eq!(described["fields"][name], wanted, "{name}");
        }
    }
    ask(&app, "/tiles/streets?minutes=10").await.problem(400);
    assert_eq!(ask(&app, "/tiles/streets").await.json()["minzoom"], 6);
}

#[tokio::test]
async fn what_is_no_tile_is_said_to_be_none() {
    let app = town();
    for path in [
        "/tiles/blocks/17/0/0",
        "/tiles/blocks/16/65536/0",
        "/tiles/blocks/0/1/0",
        "/tiles/blocks/0/0/1",
        "/tiles/blocks/1/0/0",
        "/tiles/blocks/-1/0/0",
        "/tiles/blocks/+0/0/0",
        "/tiles/blocks/0/0/0.0",
        "/tiles/blocks/0/0/",
        "/tiles/blocks/0/0/0/0",
        "/tiles/blocks/255/4294967295/4294967295",
        "/tiles/blocks/256/4294967296/18446744073709551616",
        "/tiles/blocks/99999999999999999999/0/0",
        "/tiles/blocks/%D9%A1/0/0",
        "/tiles/rivers/0/0/0",
        "/tiles/blocks,rivers/0/0/0",
        "/tiles//0/0/0",
        "/tiles/blocks,/0/0/0",
        "/tiles/WebMercatorQuad/16/2147483647/2147483647",
        "/collections/blocks/tiles/WebMercatorQuad/3/2147483647/2147483647",
        "/collections/blocks/tiles/WorldCRS84Quad/0/0/0",
        "/collections/blocks,gaps/tiles/WebMercatorQuad/0/0/0",
        "/collections/blocks/tiles/WorldCRS84Quad",
        "/collections/rivers/tiles",
        "/tileMatrixSets/WorldCRS84Quad",
        "/tiles/rivers",
    ] {
        ask(&app, path).await.problem(404);
    }
    let at = south_west(13);
    for query in ["?minutes=0", "?minutes=x", "?limit=10", "?f=json", "?colour=red", "?split=none", "?minutes=%ff"] {
        ask(&app, &path("blocks", at, query)).await.problem(400);
        // Nor once the tile is there.
        ask(&app, &path("blocks", at, "")).await;
        ask(&app, &path("blocks", at, query)).await.problem(400);
    }
    send(&app, Method::POST, &path("blocks", at, ""), &[]).await.problem(405);
}

#[tokio::test]
async fn chance_finds_no_address_that_brings_it_down() {
    let app = town();
    let mut seed = Seed(11);
    let numbers = [
        "0",
        "1",
        "9",
        "16",
        "17",
        "255",
        "65535",
        "65536",
        "2147483647",
        "4294967295",
        "4294967296",
        "-1",
        "",
        "x",
        "1e3",
        "%00",
        "0x1",
        " 1",
        "١",
    ];
    let layers = ["blocks", "gaps", "streets", "blocks,streets", "isochrones", "", ",", "circles", "%2C", "blocks%00"];
    for _ in 0..2_000 {
        let numbers = [0; 3].map(|_| seed.one_of(&numbers));
        let (layers, [z, x, y]) = (seed.one_of(&layers), numbers);
        let path = match seed.next() % 3 {
            0 => format!("/tiles/{layers}/{z}/{x}/{y}"),
            1 => format!("/collections/{layers}/tiles/WebMercatorQuad/{z}/{x}/{y}"),
            _ => format!("/tiles/{layers}/{z}/{x}/{y}?minutes={x}"),
        };
        let path = path.replace(' ', "%20").replace('١', "%D9%A1");
        let got: Got = ask(&app, &path).await;
        assert!(matches!(got.status.as_u16(), 200 | 400 | 404), "{path}: {}", got.status);
    }
}

#[tokio::test]
async fn a_small_cache_serves_the_same_tiles() {
    let served = Served {
        study: study(),
        title: "Grid Town".to_owned(),
        extract_date: None,
        bounds: None,
        revision: "r1".to_owned(),
        policy: Policy::default(),
    };
    let small = routes(Arc::new(served), ServerOptions { cache_bytes: 1_024, ..ServerOptions::default() });
    let app = town();
    for minutes in 1..20 {
        for zoom in 10..15 {
            let path = path("blocks,streets", south_west(zoom), &format!("?minutes={minutes}"));
            assert_eq!(ask(&small, &path).await.body, ask(&app, &path).await.body);
        }
    }
    let found: BTreeSet<String> =
        all_tiles(&small, "blocks", 12, "").await.iter().map(|f| f.text("id").to_owned()).collect();
    assert_eq!(found.len(), BLOCKS);
}

#[tokio::test]
async fn what_is_kept_is_counted_and_bounded() {
    const CACHE: u64 = 256 << 10;
    let routes = router(&app(ServerOptions { cache_bytes: CACHE, ..ServerOptions::default() }));
    let kept = |cache: &'static str| {
        let routes = routes.clone();
        async move {
            let text = String::from_utf8(ask(&routes, "/metrics").await.body).unwrap();
            let name = format!("carecircle_cache_bytes{{cache=\"{cache}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u64>().unwrap()
        }
    };
    for cache in ["tiles", "drawings", "isochrones"] {
        assert_eq!(kept(cache).await, 0, "{cache}");
    }
    let body = ask(&routes, &path("blocks", south_west(13), "")).await.body.len() as u64;
    assert!((body..body + 1_024).contains(&kept("tiles").await));
    let page = ask(&routes, "/collections/areas/items?crs=gcj02").await.body.len() as u64;
    assert!((1..page).contains(&kept("drawings").await));
    ask(&routes, "/isochrones?facility=n1&minutes=3").await;
    assert!(kept("isochrones").await > 0);
    for minutes in 1..40 {
        ask(&routes, &path("blocks", south_west(13), &format!("?minutes={minutes}"))).await;
        let system = format!("http://www.opengis.net/def/crs/EPSG/0/{}", 4_513 + minutes);
        ask(&routes, &format!("/collections/blocks/items?limit=300&crs={system}")).await;
        ask(&routes, &format!("/isochrones?facility=n1&minutes={minutes}")).await;
    }
    for (cache, parts) in [("tiles", 3), ("isochrones", 1), ("drawings", 2)] {
        let (bytes, most) = (kept(cache).await, CACHE / 16 * parts);
        assert!((1..=most).contains(&bytes), "{cache}: {bytes} of {most}");
    }
}

#[tokio::test]
async fn the_landing_page_and_collections_lead_to_tiles() {
    let app = town();
    let rel = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
    let landing = ask(&app, "/").await.json();
    assert_eq!(link(&landing, rel).unwrap(), format!("{BASE}/tiles"));
    let schemes = link(&landing, "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes").unwrap();
    assert_eq!(ask(&app, schemes.strip_prefix(BASE).unwrap()).await.status, StatusCode::OK);
    let scheme = ask(&app, "/tileMatrixSets/WebMercatorQuad").await.json();
    let first = &scheme["tileMatrices"][0];
    // As registered: http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad.
    assert!((first["scaleDenominator"].as_f64().unwrap() - 559_082_264.028_717).abs() < 1e-3);
    assert!((first["cellSize"].as_f64().unwrap() - 156_543.033_928_041).abs() < 1e-6);
    for collection in ask(&app, "/collections").await.json()["collections"].as_array().unwrap() {
        let href = link(collection, rel).unwrap();
        assert_eq!(ask(&app, href.strip_prefix(BASE).unwrap()).await.status, StatusCode::OK);
    }
}
