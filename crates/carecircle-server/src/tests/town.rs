//! The town, drawn by hand, and how its service is asked.

use crate::app::App;
use crate::{Served, ServerOptions, routes};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Places};
use carecircle_core::policy::Policy;
use carecircle_core::street::{Access, Ground, Rank, StreetClass, StreetWay, Streets};
use carecircle_core::study::Study;
use geo::{Coord, LineString, MultiPolygon, Polygon, Rect};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

pub(super) const WEST: f64 = 116.30;
pub(super) const SOUTH: f64 = 39.90;
/// About 200 m of longitude and of latitude.
pub(super) const STEP: (f64, f64) = (0.00234, 0.0018);
/// Streets each way.
pub(super) const STREETS: usize = 13;
pub(super) const BLOCKS: usize = (STREETS - 1) * (STREETS - 1);

pub(super) fn at(x: f64, y: f64) -> LonLat {
    LonLat::from_degrees(WEST + x * STEP.0, SOUTH + y * STEP.1).unwrap()
}

pub(super) fn square(low: (f64, f64), high: (f64, f64)) -> LonLatShape {
    let (low, high) = (at(low.0, low.1), at(high.0, high.1));
    let rect = Rect::new(Coord { x: low.lon(), y: low.lat() }, Coord { x: high.lon(), y: high.lat() });
    MultiPolygon(vec![rect.to_polygon()])
}

pub(super) fn streets() -> Streets {
    let mut out = Streets::default();
    for y in 0..STREETS {
        out.points.extend((0..STREETS).map(|x| at(x as f64, y as f64)));
    }
    for i in 0..STREETS {
        for along in [true, false] {
            let start = out.refs.len() as u32;
            out.refs.extend((0..STREETS).map(|j| if along { i * STREETS + j } else { j * STREETS + i } as u32));
            out.ways.push(StreetWay {
                id: out.ways.len() as i64 + 1,
                refs: start..out.refs.len() as u32,
                class: StreetClass::Street,
                access: Access::Public,
                forward: true,
                backward: true,
                duration_s: None,
                ground: Ground::default(),
            });
        }
    }
    // Along the southern edge and up the middle; the street beside that is no more than a driveway.
    let up = 2 * (STREETS as i64 / 2 + 1);
    out.ranks = vec![(1, Rank::Primary), (up, Rank::Secondary), (up + 2, Rank::Service)];
    out
}

pub(super) fn area(id: &str, level: AreaLevel, shape: LonLatShape, population: Option<f64>) -> Area {
    Area { name: Some(format!("{id} \"quoted\", 区")), population, ..Area::new(id, level, shape) }
}

pub(super) fn study() -> Study {
    let (network, _) = Network::build(&streets(), NetworkOptions::default());
    let mut facilities = vec![
        Facility::new("n1", at(1.5, 1.0), Kind::Nursery),
        Facility::new("n2", at(3.0, 2.5), Kind::Kindergarten),
        Facility::new("far", LonLat::from_degrees(117.0, 40.5).unwrap(), Kind::Family),
    ];
    facilities[0].inclusive = Some(true);
    facilities[0].places = Some(60);
    facilities[0].status = Status::Filed;
    facilities[0].min_months = Some(6);
    facilities[0].opened = Some("2020-01-01".parse().unwrap());
    facilities[0].closed = Some("2024-06-30".parse().unwrap());
    facilities[1].places_senior = Some(40);
    facilities[1].enrolled = Some(39);
    facilities[1].inclusive = Some(false);
    facilities[1].places = Some(40);
    facilities[2].name = Some("甲\"乙\\丙,\"status\":\"x".to_owned());
    let last = STREETS as f64;
    let places = Places {
        facilities,
        areas: vec![
            area("city", AreaLevel::City, square((-1.0, -1.0), (last, last)), Some(20_000.0)),
            area("west", AreaLevel::District, square((-1.0, -1.0), (6.0, last)), Some(10_000.0)),
            area("east", AreaLevel::District, square((6.0, -1.0), (last, last)), None),
        ],
        ..Places::default()
    };
    let rows = (0..BLOCKS).map(|i| {
        let (x, y) = ((i % (STREETS - 1)) as f64, (i / (STREETS - 1)) as f64);
        BlockRow {
            id: format!("b{i}"),
            name: None,
            place: BlockPlace::Shape(square((x + 0.1, y + 0.1), (x + 0.9, y + 0.9))),
            population: None,
            under3: Some(10.0),
            area: None,
            other: OtherColumns::from_iter([("街道 no.", &*format!("{}号", i % 3))]),
        }
    });
    Study::new(network, places, Some(rows.collect()), 250.0)
}

pub(crate) fn app_of(served: Arc<Served>, options: ServerOptions) -> Arc<App> {
    Arc::new(App::new(served, options, "http://localhost".to_owned()).unwrap())
}

pub(crate) fn app(options: ServerOptions) -> Arc<App> {
    app_of(Arc::new(served()), options)
}

fn served() -> Served {
    Served {
        study: study(),
        title: "Grid Town".to_owned(),
        extract_date: Some("2026-01-01".to_owned()),
        bounds: None,
        revision: "r1".to_owned(),
        policy: Policy::default(),
    }
}

pub(super) fn town() -> Router {
    town_with(ServerOptions::default())
}

pub(super) fn town_with(options: ServerOptions) -> Router {
    let public_url = Some("https://example.org/care/".to_owned());
    routes(Arc::new(served()), ServerOptions { public_url, ..options })
}

pub(crate) const BASE: &str = "https://example.org/care";

pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// An error as it must be: a problem document that repeats its status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("access-control-allow-origin"), "*");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail", "instance"] {
            assert!(problem[member].is_string(), "{member}");
        }
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn send(app: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer_of(app, request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn answer_of(app: &Router, request: Request<Body>) -> Got {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Got { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
}

pub(super) async fn ask(app: &Router, path: &str) -> Got {
    send(app, Method::GET, path, &[]).await
}

pub(super) async fn features(app: &Router, path: &str) -> Vec<Value> {
    let got = ask(app, path).await;
    assert_eq!(got.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&got.body));
    assert_eq!(got.header("content-type"), "application/geo+json");
    let json = got.json();
    assert_eq!(json["type"], "FeatureCollection");
    let features = json["features"].as_array().unwrap().clone();
    assert_eq!(json["numberReturned"], features.len());
    features
}

pub(super) fn ids(features: &[Value]) -> Vec<String> {
    features.iter().map(|f| f["id"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn polygons(feature: &Value) -> MultiPolygon<f64> {
    let ring = |ring: &Value| -> LineString<f64> {
        let places = ring.as_array().unwrap().iter();
        places.map(|p| (p[0].as_f64().unwrap(), p[1].as_f64().unwrap())).collect()
    };
    let polygon = |rings: &Value| {
        let mut rings = rings.as_array().unwrap().iter().map(ring);
        Polygon::new(rings.next().unwrap(), rings.collect())
    };
    let geometry = &feature["geometry"];
    match geometry["type"].as_str().unwrap() {
        "Polygon" => MultiPolygon(vec![polygon(&geometry["coordinates"])]),
        _ => MultiPolygon(geometry["coordinates"].as_array().unwrap().iter().map(polygon).collect()),
    }
}

pub(super) fn link<'a>(json: &'a Value, rel: &str) -> Option<&'a str> {
    json["links"].as_array()?.iter().find(|l| l["rel"] == rel)?["href"].as_str()
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same hostile strings in every run.
pub(super) struct Seed(pub(super) u64);

impl Seed {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[(self.next() % of.len() as u64) as usize]
    }
}
