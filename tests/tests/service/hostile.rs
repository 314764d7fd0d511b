//! Whatever stands where a value is expected, the client gets an answer that is no fault of ours, on a connection that
//! stays open.

use crate::client::{Answer, Connection, ids};
use crate::town::town;
use carecircle_tests::dice::Dice;
use std::fmt::Write as _;

const PATHS: [&str; 25] = [
    "/",
    "/api",
    "/conformance",
    "/collections",
    "/collections/gaps",
    "/collections/blocks/items",
    "/collections/gaps/items",
    "/collections/facilities/items",
    "/collections/areas/items",
    "/collections/gaps/items/{id}",
    "/collections/circles/items",
    "/collections/circles/items/all",
    "/isochrones",
    "/summary",
    "/routes",
    "/nearest",
    "/blocks/{id}/explain",
    "/tiles",
    "/tiles/blocks,streets",
    "/tiles/blocks,circles/0/0/0",
    "/collections/gaps/tiles",
    "/collections/gaps/tiles/WebMercatorQuad",
    "/tileMatrixSets/WebMercatorQuad",
    "/healthz",
    "/readyz",
];

const NAMES: [&str; 41] = [
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
    "name",
    "status",
    "children",
    "covered_share",
    "population",
    "places",
    "counted",
    "level",
    "lon",
    "lat",
    "facility",
    "from",
    "to",
    "to_facility",
    "point",
    "direction",
    "by",
    "split",
    "depth",
    "tolerance",
    "crs",
    "bbox-crs",
    "filter",
    "unknown",
    "",
];

/// Values with a meaning somewhere, and values that broke somebody once.
const VALUES: [&str; 72] = [
    "",
    "0",
    "-0",
    "1",
    "-1",
    "5",
    "15",
    "15.0",
    "120",
    "120.0000001",
    "0.5",
    ".5",
    "5.",
    "+5",
    "%2B5",
    "1e1",
    "1e308",
    "-1e308",
    "1e309",
    "1e-320",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "0x10",
    "1_000",
    "%D9%A1%D9%A5",
    "99999999999999999999",
    "-99999999999999999999",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "1,2,3,4",
    "-180,-90,180,90",
    "180,-90,-180,90",
    "1e308,1e308,1e308,1e308",
    "-1e308,-1e308,1e308,1e308",
    "1,2,3,4,5,6",
    "0,0,0,0",
    ",,,",
    "5,10,15",
    "1,2,3,4,5,6,7,8,9,10,11",
    "walk",
    "stroller",
    "all",
    "nursery,kindergarten",
    "covered",
    "true",
    "TRUE",
    "district",
    "geojson",
    "json",
    "html",
    "csv",
    "2025-06-01T00:00:00Z",
    "../..",
    "2025-06-01T00:00:00Z/../..",
    "..%2F..%2Fetc%2Fpasswd",
    "%00",
    "a%00b",
    "%0D%0ASet-Cookie:%20a=b",
    "%E4%B8%AD%E6%96%87",
    "%F0%9F%8D%BC",
    "%E2%80%AE",
    "%EF%BB%BF1",
    "'%20OR%20'1'='1",
    "%3Cscript%3E",
    "$%7Bjndi:ldap://a%7D",
    "{{7*7}}",
];

/// Not what a client may send: broken escapes and bytes that are no UTF-8.
const BROKEN: [&str; 8] = ["%", "%f", "%zz", "%FF%FE", "%C3%28", "%ED%A0%80", "%u0031", "%%%"];

/// A value as only chance writes it; sometimes one of kilobytes.
fn value(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..=4 => dice.pick(&VALUES).to_owned(),
        5 => dice.pick(&BROKEN).to_owned(),
        6 => {
            let mut out = String::new();
            for _ in 0..dice.below(24) {
                _ = write!(out, "%{:02X}", dice.below(256));
            }
            out
        }
        7 => (0..dice.below(20)).map(|_| char::from(b"0123456789.,-+eE:/TZ~*"[dice.below(22)])).collect(),
        8 => format!("{}{}{}", dice.pick(&VALUES), dice.pick(&[",", "%20", "/", ";", "%00", "."]), dice.pick(&VALUES)),
        _ => {
            let unit = dice.pick(&["9", "1,", "%41", "a", "(", "%E4%B8%AD", "-", "0.", "%00", ".."]);
            unit.repeat((1 << dice.below(14)) / unit.len() + 1)
        }
    }
}

fn check(target: &str, answer: &Answer) {
    let start: String = target.chars().take(300).collect();
    match answer.status {
        200 => assert!(!answer.body.is_empty(), "{start}"),
        status @ (400 | 404 | 414 | 422) => {
            assert!(!answer.problem(status).is_empty(), "{start}");
            assert!(answer.body.len() < 2 * target.len() + 1_500, "{start}: what was sent is not sent back at length");
        }
        status => panic!("{status} for {start}: {}", answer.text()),
    }
}

/// Asks on a connection that is opened once: an answer that closed it would fail the next request.
fn ask(connection: &mut Connection, target: &str) -> Answer {
    let answer = connection.ask("GET", target, &[]);
    let answer = answer.unwrap_or_else(|error| panic!("{error} for {}", target.chars().take(300).collect::<String>()));
    check(target, &answer);
    answer
}

fn paths() -> Vec<String> {
    let id = ids(&town().get("/collections/gaps/items?limit=1").features())[0].clone();
    PATHS.iter().map(|p| p.replace("{id}", &id)).collect()
}

#[test]
fn every_value_of_every_parameter_of_every_route_is_answered() {
    let mut connection = town().connect();
    for path in paths() {
        for name in NAMES {
            for value in VALUES.iter().chain(&BROKEN) {
                // Long pages cost a second each, and are asked for elsewhere.
                if name == "limit" || !path.ends_with("/items") {
                    ask(&mut connection, &format!("{path}?{name}={value}"));
                } else {
                    ask(&mut connection, &format!("{path}?limit=1&{name}={value}"));
                }
            }
        }
    }
}

#[test]
fn chance_finds_no_way_to_bring_the_service_down() {
    let (paths, mut dice) = (paths(), Dice(2_025));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut connection = town().connect();
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let mut target = dice.pick(&paths).to_owned();
        let several = [0, 1, 1, 1, 2, 2, 3, 8][dice.below(8)];
        for i in 0..several {
            target.push(if i == 0 { '?' } else { '&' });
            // Some names twice, some without a value, some of a chance's making.
            match dice.below(12) {
                0 => target += &value(&mut dice),
                1 => target += dice.pick(&NAMES),
                2 if i > 0 => _ = write!(target, "minutes=5&minutes={}", value(&mut dice)),
                _ => _ = write!(target, "{}={}", dice.pick(&NAMES), value(&mut dice)),
            }
        }
        match ask(&mut connection, &target).status {
            200 => answered += 1,
            _ => refused += 1,
        }
    }
    assert!(answered > 300 && refused > 3_000, "{answered} answered, {refused} refused");
}

#[test]
fn chance_finds_nothing_in_paths_either() {
    let mut dice = Dice(7);
    let mut connection = town().connect();
    for _ in 0..1_500 {
        let odd = value(&mut dice);
        // What is no path is a query, and tested there.
        let odd = odd.replace(['?', '#'], "");
        for target in [
            format!("/{odd}"),
            format!("/collections/{odd}"),
            format!("/collections/{odd}/items"),
            format!("/collections/blocks/items/{odd}"),
            format!("/collections/{odd}/items/{odd}"),
            format!("/tiles/{odd}"),
            format!("/tiles/blocks/{odd}/{odd}/{odd}"),
            format!("/collections/blocks/tiles/WebMercatorQuad/{odd}/0/{odd}"),
        ] {
            ask(&mut connection, &target);
        }
    }
}

#[test]
fn headers_of_any_kind_are_borne() {
    let names = [
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "If-None-Match",
        "If-Modified-Since",
        "If-Match",
        "Range",
        "Origin",
        "Access-Control-Request-Headers",
        "X-Forwarded-Host",
        "Cookie",
        "Authorization",
        "User-Agent",
        "TE",
    ];
    let values = [
        "",
        "*",
        "*/*",
        ",",
        ";q=",
        "text/html;q=nan",
        "text/html;q=inf,*/*;q=-inf",
        "application/json;q=1e999",
        "gzip;q=1e-999",
        "gzip;q=0.5;q=0",
        "W/",
        "W/\"",
        "\"\"\"",
        "bytes=0-",
        "bytes=5-1,-",
        "\u{e9}\u{4e2d}",
        "trailers, deflate;q=0.5",
        "a\tb",
    ];
    let mut connection = town().connect();
    let long = "a/b;q=0.1,".repeat(800);
    for path in ["/", "/collections/gaps/items?limit=1", "/summary", "/isochrones", "/no"] {
        for name in names {
            for value in values.iter().copied().chain([long.as_str()]) {
                for method in ["GET", "HEAD", "OPTIONS"] {
                    let answer = connection
                        .ask(method, path, &[(name, value)])
                        .unwrap_or_else(|e| panic!("{name}: {value}: {e}"));
                    assert!(
                        matches!(answer.status, 200 | 204 | 304 | 400 | 404),
                        "{method} {path} {name}: {value}: {}",
                        answer.status
                    );
                }
            }
        }
    }
}

#[test]
fn bytes_that_no_address_may_hold_are_refused_not_dropped() {
    for byte in 0..=255_u8 {
        if matches!(byte, b'\r' | b'\n' | b' ' | b'#') {
            // These end the address, or the line.
            continue;
        }
        for target in ["/collections/gaps/items?limit=1&name=", "/collections/blocks/items/"] {
            let mut connection = town().connect();
            let head = [b"GET ", target.as_bytes(), &[byte], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            connection.send(head).unwrap();
            let answer = connection.answer(false).unwrap_or_else(|error| panic!("byte {byte:#x}: {error}"));
            assert!(matches!(answer.status, 200 | 400 | 404), "byte {byte:#x}: {}", answer.status);
        }
    }
}
