//! How it is answered: validators, encodings, methods, errors, caches.

use super::town::{Got, Seed, ask, link, send, study, town};
use crate::{Served, ServerOptions, routes};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use carecircle_core::policy::Policy;
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use tower::ServiceExt;

#[tokio::test]
async fn who_has_the_answer_is_told_so_without_work() {
    let app = town();
    for path in [
        "/",
        "/api",
        "/collections",
        "/collections/gaps/items?minutes=10",
        "/collections/areas/items/city",
        "/collections/circles/items?split=nearest",
        "/collections/circles/items/all",
        "/isochrones?facility=n1",
        "/tiles/isochrones?facility=n1",
        "/tiles/isochrones/12/3371/1552?facility=n1",
        "/summary",
    ] {
        let first = ask(&app, path).await;
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"'), "{path}: a strong tag");
        assert!(first.header("cache-control").ends_with(", must-revalidate"), "{path}");
        assert!(first.header("vary").contains("Accept-Encoding"));
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let again = send(&app, Method::GET, path, &[("if-none-match", &tag)]).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path} {tag}");
            assert_eq!((again.header("etag"), again.body.len()), (etag.as_str(), 0));
            assert_eq!(again.header("access-control-allow-origin"), "*");
        }
        let other = send(&app, Method::GET, path, &[("if-none-match", "\"x\"")]).await;
        assert_eq!((other.status, other.body), (StatusCode::OK, first.body));
        let zipped = send(&app, Method::GET, path, &[("accept-encoding", "gzip"), ("if-none-match", &etag)]).await;
        assert_eq!(zipped.status, StatusCode::OK, "another encoding has another tag");
    }
    // An analysis that nobody has asked for yet is not needed to say that.
    let etag = ask(&app, "/collections/gaps/items?minutes=11").await.header("etag").to_owned();
    let fresh = town();
    let got = send(&fresh, Method::GET, "/collections/gaps/items?minutes=11.0", &[("if-none-match", &etag)]).await;
    assert_eq!(got.status, StatusCode::NOT_MODIFIED);
    assert!(got.header("server-timing").contains("analysis;dur=0.000"), "{}", got.header("server-timing"));
    for bad in [
        "/collections/gaps/items?minutes=0",
        "/collections/blocks/items/none",
        "/collections/gaps/items/b0",
        "/isochrones?lon=1&lat=1",
        "/tiles/isochrones?lon=1&lat=1",
        "/tiles/isochrones/12/3371/1552?lon=1&lat=1",
    ] {
        let got = send(&app, Method::GET, bad, &[("if-none-match", "*")]).await;
        assert!(got.status.is_client_error(), "{bad}");
    }
    let etags: BTreeSet<String> = [
        ask(&app, "/collections/gaps/items").await,
        ask(&app, "/collections/gaps/items?minutes=14").await,
        ask(&app, "/collections/blocks/items").await,
    ]
    .iter()
    .map(|got| got.header("etag").to_owned())
    .collect();
    assert_eq!(etags.len(), 3);
}

#[tokio::test]
async fn gzip_holds_the_same_and_says_so() {
    let app = town();
    let plain = ask(&app, "/collections/blocks/items?limit=1000").await;
    let zipped =
        send(&app, Method::GET, "/collections/blocks/items?limit=1000", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.header("etag").ends_with("-gzip\"") && !plain.header("etag").ends_with("-gzip\""));
    let mut body = Vec::new();
    GzDecoder::new(&zipped.body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);
    assert!(zipped.body.len() * 4 < plain.body.len());
    let unwanted = send(&app, Method::GET, "/collections", &[("accept-encoding", "gzip;q=0")]).await;
    assert_eq!(unwanted.header("content-encoding"), "");
}

#[tokio::test]
async fn head_says_what_get_would() {
    let app = town();
    for path in [
        "/",
        "/collections/blocks/items",
        "/collections/blocks/items/b1",
        "/collections/circles/items?split=facility",
        "/isochrones?facility=n1",
        "/summary",
        "/healthz",
        "/nowhere",
        "/collections/gaps/items?limit=0",
    ] {
        let get = ask(&app, path).await;
        let head = send(&app, Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        if get.status == StatusCode::OK {
            assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    let app = town();
    for path in [
        "/nowhere",
        "/collections/",
        "/collections/x/items",
        "/collections/blocks/items/",
        "/collections/blocks/items/x",
        "/collections/blocks/items/b1/x",
        "//",
        "/collections/blocks/items/%2e%2e%2f",
    ] {
        ask(&app, path).await.problem(404);
    }
    for path in ["/", "/collections/blocks/items", "/healthz"] {
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::TRACE,
            Method::from_bytes(b"BREW").unwrap(),
        ] {
            let got = send(&app, method, path, &[]).await;
            got.problem(405);
            assert_eq!(got.header("allow"), "GET, HEAD, OPTIONS");
        }
    }
    ask(&app, "/collections/blocks/items/%ff").await.problem(400);
    ask(&app, &format!("/collections/blocks/items?id={}", "x".repeat(9_000))).await.problem(414);
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_what_would_do() {
    let app = town();
    let problem = ask(&app, "/collections/blocks/items?minuets=5").await;
    let detail = problem.problem(400);
    assert!(detail.contains("minuets") && detail.contains("minutes"), "{detail}");
    assert_eq!(problem.json()["parameter"], "minuets");
    for (query, wanted) in [
        ("limit=unlimited", "whole number"),
        ("limit=0", "from 1"),
        ("bbox=1,2,3", "west,south,east,north"),
        ("datetime=soon", "RFC 3339"),
        ("minutes=121", "from 1 to 120"),
        ("minutes=nan", "number"),
        ("speed_kmh=99", "from 0.5 to 15"),
        ("profile=car", "walk"),
        ("kinds=school", "nursery"),
        ("inclusive=maybe", "true or false"),
        ("facility_status=great", "licensed"),
        ("min_places=-1", "whole number"),
        ("f=shp", "geojson"),
        ("%zz=1", "percent-encoded"),
    ] {
        for collection in ["blocks", "gaps", "facilities", "areas", "circles"] {
            let detail = ask(&app, &format!("/collections/{collection}/items?{query}")).await.problem(400);
            assert!(detail.contains(wanted), "{query}: {detail}");
        }
    }
    for path in [
        "/?x=1",
        "/api?x=1",
        "/conformance?x=1",
        "/collections?limit=1",
        "/collections/gaps?x=1",
        "/summary?bbox=1,1,2,2",
        "/healthz?x",
        "/readyz?x=1",
        "/collections/blocks/items/b1?limit=1",
    ] {
        ask(&app, path).await.problem(400);
    }
}

#[tokio::test]
async fn other_origins_may_read_everything() {
    let app = town();
    let asked = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "if-none-match"),
    ];
    let preflight = send(&app, Method::OPTIONS, "/collections/gaps/items", &asked).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-headers"), "if-none-match");
    assert!(preflight.header("access-control-allow-methods").contains("GET"));
    let got = ask(&app, "/collections").await;
    assert_eq!(got.header("access-control-allow-origin"), "*");
    for name in ["ETag", "Link", "Content-Crs", "Location", "Server-Timing"] {
        assert!(got.header("access-control-expose-headers").contains(name));
    }
}

#[tokio::test]
async fn links_follow_the_host_that_was_asked() {
    let served = Served {
        study: study(),
        title: "t".to_owned(),
        extract_date: None,
        bounds: None,
        revision: "r".to_owned(),
        policy: Policy::default(),
    };
    let app = routes(Arc::new(served), ServerOptions::default());
    for (host, base) in [("a.example:81", "http://a.example:81/"), ("[::1]:80", "http://[::1]:80/")] {
        let landing = send(&app, Method::GET, "/", &[("host", host)]).await.json();
        assert_eq!(link(&landing, "self"), Some(base));
    }
    for host in ["a\"b", "a/b", "", "a b"] {
        send(&app, Method::GET, "/", &[("host", host)]).await.problem(400);
    }
    assert_eq!(link(&ask(&app, "/").await.json(), "self"), Some("http://localhost/"));
}

#[tokio::test]
async fn the_second_answer_comes_from_the_cache() {
    let app = town();
    let timing = |got: &Got| got.header("server-timing").to_owned();
    let first = timing(&ask(&app, "/collections/gaps/items?minutes=9").await);
    assert!(first.contains("cache;desc=miss") && first.contains("total;dur="), "{first}");
    // Another page of the same analysis, and the same page once more.
    for path in ["/collections/blocks/items?minutes=9.0", "/summary?minutes=9", "/collections/gaps/items?minutes=9"] {
        let again = timing(&ask(&app, path).await);
        assert!(again.contains("cache;desc=hit"), "{path}: {again}");
    }
}

#[tokio::test]
async fn equal_requests_at_once_get_equal_answers() {
    let app = town();
    let asked: Vec<_> = (0..50)
        .map(|i| {
            let app = app.clone();
            tokio::spawn(async move {
                ask(&app, &format!("/collections/gaps/items?minutes=8&limit={}", 1000 + i)).await.json()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in asked {
        answers.push(task.await.unwrap()["features"].clone());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_brings_the_service_down() {
    const PATHS: [&str; 14] = [
        "/",
        "/api",
        "/conformance",
        "/collections",
        "/collections/gaps",
        "/collections/blocks/items",
        "/collections/gaps/items",
        "/collections/facilities/items",
        "/collections/areas/items",
        "/collections/blocks/items/b3",
        "/collections/circles/items",
        "/collections/circles/items/n1",
        "/isochrones",
        "/summary",
    ];
    const NAMES: [&str; 30] = [
        "limit",
        "offset",
        "bbox",
        "datetime",
        "f",
        "minutes",
        "profile",
        "speed_kmh",
        "kinds",
        "inclusive",
        "facility_status",
        "min_places",
        "child_months",
        "with_vacancy",
        "on",
        "id",
        "status",
        "children",
        "lon",
        "lat",
        "facility",
        "by",
        "split",
        "depth",
        "tolerance",
        "x",
        "",
        "%00",
        "limit%00",
        "%E8%A1%97%E9%81%93+no.",
    ];
    const VALUES: [&str; 47] = [
        "",
        "0",
        "1",
        "-1",
        "15",
        "15.0",
        "1e308",
        "-1e308",
        "1e-320",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "+5",
        "%2B5",
        "1,2,3,4",
        "116.3,39.9,116.4,40",
        "-180,-90,180,90",
        "1e308,1e308,1e308,1e308",
        "-1e308,-1e308,1e308,1e308",
        "180,0,-180,1",
        "n1",
        "n2",
        "far",
        "116.31",
        "39.91",
        "walk",
        "facility",
        "nearest",
        "40",
        "nursery,family",
        "all",
        ",",
        ",,,,",
        "true",
        "covered",
        "city",
        "2024-01-01T00:00:00Z",
        "../..",
        "99999999999999999999",
        "%",
        "%f",
        "%FF%FE",
        "%00",
        "'%20OR%201=1--",
        "%E4%B8%AD",
        "\u{202e}",
    ];
    let app = town();
    let mut seed = Seed(42);
    let (mut ok, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let mut path = seed.one_of(&PATHS).to_owned();
        for i in 0..seed.next() % 4 {
            path.push(if i == 0 { '?' } else { '&' });
            path += seed.one_of(&NAMES);
            if !seed.next().is_multiple_of(16) {
                path.push('=');
            }
            path += seed.one_of(&VALUES);
            if seed.next().is_multiple_of(16) {
                path.push(char::from(b'!' + (seed.next() % 94) as u8));
            }
        }
        // What is no address at all doesn't come past hyper.
        let Ok(request) = Request::builder().uri(&path).header("host", "a").body(Body::empty()) else { continue };
        let response = app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let got = Got {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        };
        match got.status.as_u16() {
            200 => ok += 1,
            status @ 400..=499 => {
                got.problem(status);
                refused += 1;
            }
            status => panic!("{status} for {path}: {}", String::from_utf8_lossy(&got.body)),
        }
    }
    assert!(ok > 500 && refused > 500, "{ok} answered, {refused} refused");
}
