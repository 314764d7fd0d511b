//! HTTP as its RFCs have it, the same on every route: validators, encodings, methods, errors, other origins.

use crate::client::{Answer, ids};
use crate::town::town;
use carecircle_tests::dice::Dice;
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::io::Read;

/// Every route that is cached.
fn cached() -> Vec<String> {
    let mut out: Vec<String> = ["/", "/?f=html", "/conformance", "/api", "/collections", "/summary", "/summary?f=csv"]
        .map(str::to_owned)
        .into();
    for collection in ["blocks", "gaps", "facilities", "areas", "circles"] {
        let items = format!("/collections/{collection}/items");
        let id = ids(&town().get(&items).features())[0].clone();
        out.extend([format!("/collections/{collection}"), format!("{items}/{id}"), items + "?limit=20"]);
        if collection == "facilities" {
            out.push(format!("/isochrones?facility={id}"));
            out.push("/collections/circles/items?split=nearest".to_owned());
        }
    }
    out
}

/// Every route.
fn routes() -> Vec<String> {
    let mut out = cached();
    out.extend(["/healthz", "/readyz"].map(str::to_owned));
    out
}

/// What the service cannot answer, on every route.
fn refused() -> Vec<(String, u16)> {
    let with = |path: &str, more: &str| format!("{path}{}{more}", if path.contains('?') { '&' } else { '?' });
    let mut out: Vec<(String, u16)> = routes().iter().map(|path| (with(path, "no=1"), 400)).collect();
    out.extend(routes().iter().filter(|p| !p.contains('?') && *p != "/").map(|path| (format!("{path}/no/no"), 404)));
    for path in ["/no", "//", "/collections/", "/collections/no", "/collections/no/items", "/collections/no/items/1"] {
        out.push((path.to_owned(), 404));
    }
    for path in ["/collections/blocks/items/", "/collections/blocks/items/no", "/collections/blocks/items/%2e%2e%2f"] {
        out.push((path.to_owned(), 404));
    }
    out.push(("/collections/blocks/items/%ff".to_owned(), 400));
    out.push((format!("/collections/blocks/items?id={}", "x".repeat(9_000)), 414));
    out
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    town().ask(method, path, headers)
}

#[test]
fn whoever_has_the_answer_gets_304() {
    for path in cached() {
        let first = town().get(&path);
        assert_eq!(first.status, 200, "{path}");
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{path}: a strong tag");
        let kept = first.header("cache-control").to_owned();
        assert!(kept.starts_with("public, max-age=") && kept.ends_with(", must-revalidate"), "{path}: {kept}");
        for value in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let again = ask(method, &path, &[("If-None-Match", &value)]);
                assert_eq!((again.status, again.body.len()), (304, 0), "{method} {path} {value}");
                assert_eq!(again.header("etag"), etag);
                assert_eq!(again.header("cache-control"), kept);
                assert_eq!(again.header("vary"), first.header("vary"));
            }
        }
        for value in ["\"other\"", "other", ""] {
            let other = ask("GET", &path, &[("If-None-Match", value)]);
            assert_eq!((other.status, &other.body), (200, &first.body), "{path} {value}");
        }
    }
}

#[test]
fn different_answers_have_different_tags() {
    let paths = cached();
    let mut tags = BTreeSet::new();
    for path in &paths {
        for headers in [&[][..], &[("Accept-Encoding", "gzip")], &[("Host", "care.example")]] {
            tags.insert(ask("GET", path, headers).header("etag").to_owned());
        }
    }
    assert_eq!(tags.len(), 3 * paths.len());
}

#[test]
fn gzip_goes_to_those_who_take_it_and_holds_the_same() {
    for path in cached() {
        let plain = town().get(&path);
        assert_eq!(plain.header("content-encoding"), "");
        assert!(plain.header("vary").contains("Accept-Encoding") && plain.header("vary").contains("Accept,"), "{path}");
        for accept in ["gzip", "gzip, deflate, br, zstd", "*", "br;q=1, gzip;q=0.5"] {
            let zipped = ask("GET", &path, &[("Accept-Encoding", accept)]);
            assert_eq!((zipped.status, zipped.header("content-encoding")), (200, "gzip"), "{path} {accept}");
            assert_eq!(zipped.header("content-type"), plain.header("content-type"));
            let mut body = Vec::new();
            GzDecoder::new(&zipped.body[..]).read_to_end(&mut body).unwrap();
            assert_eq!(body, plain.body, "{path}");
            let tag = zipped.header("etag").to_owned();
            assert_eq!(ask("GET", &path, &[("Accept-Encoding", accept), ("If-None-Match", &tag)]).status, 304);
        }
        for accept in ["", "identity", "gzip;q=0", "br", "*;q=0", "gzip;q=nan"] {
            let answer = ask("GET", &path, &[("Accept-Encoding", accept)]);
            assert_eq!((answer.header("content-encoding"), &answer.body), ("", &plain.body), "{path} {accept}");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    for path in routes().into_iter().chain(refused().into_iter().map(|(path, _)| path)) {
        for headers in [&[][..], &[("Accept-Encoding", "gzip")]] {
            let mut connection = town().connect();
            let get = connection.ask("GET", &path, headers).unwrap();
            let head = connection.ask("HEAD", &path, headers).unwrap();
            assert_eq!(head.status, get.status, "{path}");
            for name in ["content-type", "content-encoding", "etag", "cache-control", "vary", "allow"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
            if get.status == 200 {
                assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
            }
            // Had there been a body after all, the next answer would begin with it.
            assert_eq!(connection.ask("GET", "/healthz", &[]).unwrap().text(), "ok\n", "{path}");
        }
    }
}

#[test]
fn pages_of_other_origins_may_read_everything() {
    let all = routes().into_iter().chain(refused().into_iter().map(|(path, _)| path));
    for path in all {
        let answer = ask("GET", &path, &[("Origin", "https://map.example")]);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        for name in ["ETag", "Link", "Location", "Content-Crs"] {
            assert!(answer.header("access-control-expose-headers").contains(name), "{path} {name}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

/// What may be done with a resource.
fn allowed(path: &str) -> &'static str {
    if path.starts_with("/isochrones") { "GET, HEAD, POST, OPTIONS" } else { "GET, HEAD, OPTIONS" }
}

#[test]
fn options_says_what_may_be_done() {
    for path in routes() {
        let preflight = [
            ("Origin", "https://map.example"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "if-none-match, x-any"),
        ];
        let answer = ask("OPTIONS", &path, &preflight);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("allow"), allowed(&path), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-methods"), allowed(&path), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), "if-none-match, x-any");
    }
    assert_eq!(ask("OPTIONS", "*", &[]).status, 204);
}

#[test]
fn other_methods_are_not_allowed() {
    for path in routes() {
        let methods = ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW", "get", "G"].into_iter();
        for method in methods.filter(|method| !allowed(&path).split(", ").any(|taken| taken == *method)) {
            let answer = ask(method, &path, &[]);
            answer.problem(405);
            assert_eq!(answer.header("allow"), allowed(&path), "{method} {path}");
        }
    }
    // CONNECT names a host, not a path.
    for target in ["example.org:443", "/"] {
        let answer = ask("CONNECT", target, &[]);
        assert_eq!(answer.status, 405, "CONNECT {target}: {}", answer.text());
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
}

#[test]
fn what_cannot_be_answered_is_a_problem_document() {
    for (path, status) in refused() {
        let answer = town().get(&path);
        answer.problem(status);
        let instance = path.split('?').next().unwrap_or_default();
        assert_eq!(answer.json()["instance"], instance, "{path}");
        assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    }
}

#[test]
fn json_is_the_default_and_html_is_for_browsers() {
    let media = |path: &str, accept: &str| ask("GET", path, &[("Accept", accept)]).header("content-type").to_owned();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    assert_eq!(media("/", browser), "text/html; charset=utf-8");
    for accept in ["*/*", "", "application/json", "image/png", "text/html;q=0.1, application/json"] {
        assert_eq!(media("/", accept), "application/json", "{accept}");
    }
    for path in ["/collections", "/conformance", "/collections/blocks", "/collections/gaps/items?limit=1", "/api"] {
        assert_eq!(media(path, browser), "text/html; charset=utf-8", "{path}");
    }
    for path in ["/collections", "/conformance", "/collections/blocks"] {
        assert_eq!(media(path, "*/*"), "application/json", "{path}");
    }
    // MapLibre asks for GeoJSON by this name; GDAL by both.
    for accept in ["application/json", "application/geo+json, application/json", "*/*", "image/png"] {
        assert_eq!(media("/collections/gaps/items?limit=1", accept), "application/geo+json", "{accept}");
    }
}

#[test]
fn links_lead_back_to_the_host_that_was_asked() {
    for (host, base) in [("care.example", "http://care.example"), ("[::1]:8015", "http://[::1]:8015")] {
        let landing = ask("GET", "/", &[("Host", host)]).ok();
        assert_eq!(landing["links"][0]["href"], format!("{base}/"));
    }
    // The target of a request to a proxy holds the host as well, and counts (RFC 9112, 3.2.2).
    let landing = ask("GET", "http://proxied.example/", &[("Host", "other.example")]).ok();
    assert_eq!(landing["links"][0]["href"], "http://proxied.example/");
    for host in ["a b", "a\"b", "a/b", "", "<script>", "a@b"] {
        ask("GET", "/", &[("Host", host)]).problem(400);
    }
}

#[test]
fn a_host_is_named_once() {
    for head in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"] {
        let mut connection = town().connect();
        connection.send(head).unwrap();
        connection.answer(false).unwrap().problem(400);
    }
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let mut connection = town().connect();
    connection.send("GET /collections/gaps/items?limit=2 HTTP/1.0\r\n\r\n").unwrap();
    let answer = connection.answer(false).unwrap();
    assert_eq!(answer.features().len(), 2);
    assert_eq!(connection.rest(), b"", "without keep-alive the server closes");

    let mut connection = town().connect();
    for _ in 0..3 {
        connection.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert_eq!(connection.answer(false).unwrap().text(), "ok\n");
    }
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let mut connection = town().connect();
    let limits: Vec<usize> = (1..=40).collect();
    let head = |limit: &usize| format!("GET /collections/blocks/items?limit={limit} HTTP/1.1\r\nHost: a\r\n\r\n");
    let heads: Vec<String> = limits.iter().map(head).collect();
    connection.send(heads.concat()).unwrap();
    for limit in limits {
        assert_eq!(connection.answer(false).unwrap().features().len(), limit);
    }
}

#[test]
fn who_has_said_all_is_still_answered() {
    // Some clients close their side right after the request: `nc -N`, scripts.
    for i in 0..10 {
        let mut connection = town().connect();
        let path = format!("/collections/blocks/items?minutes={}.5&limit=3", 20 + i);
        connection.request("GET", &path, &[]).unwrap();
        connection.socket().shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(connection.answer(false).unwrap().features().len(), 3, "{path}");
    }
}

#[test]
fn bodies_are_no_use_and_do_no_harm() {
    let mut connection = town().connect();
    let long = "x".repeat(1_000);
    connection.send(format!("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{long}")).unwrap();
    assert_eq!(connection.answer(false).unwrap().text(), "ok\n");
    for body in [
        "Content-Length: 5\r\n\r\n{\"a\":".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(),
        "Content-Type: application/gzip\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
        "Content-Length: 0\r\n\r\n".to_owned(),
    ] {
        let mut connection = town().connect();
        connection.send(format!("POST /collections/blocks/items HTTP/1.1\r\nHost: a\r\n{body}")).unwrap();
        connection.answer(false).unwrap().problem(405);
    }
    // Who waits to be told to go on is told no.
    let mut connection = town().connect();
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n").unwrap();
    connection.answer(false).unwrap().problem(405);
}

#[test]
fn a_long_body_is_not_cut_off_before_the_answer_is_read() {
    for megabytes in [1, 8] {
        let mut connection = town().connect();
        let length = megabytes << 20;
        connection.send(format!("POST /summary HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).unwrap();
        // As most clients do: first everything is sent, then the answer is read.
        let sent = connection.send(vec![b'x'; length]);
        assert!(sent.is_ok(), "{megabytes} MB: {sent:?}");
        connection.answer(false).unwrap().problem(405);
    }
}

#[test]
fn what_is_no_http_is_refused_and_the_next_client_served() {
    for head in [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{0}\u{1} HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut connection = town().connect();
        connection.send(head).unwrap();
        connection.socket().shutdown(std::net::Shutdown::Write).unwrap();
        let answer = connection.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{head:?}: {}",
            String::from_utf8_lossy(&answer)
        );
        assert_eq!(town().get("/healthz").status, 200);
    }
    // A head without an end, or with too many lines.
    for (line, times) in [("x", 200_000), ("X-A: b\r\n", 20_000)] {
        let mut connection = town().connect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", line.repeat(times));
        // The server may stop listening halfway.
        _ = connection.send(head);
        let answer = connection.rest();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(town().get("/healthz").status, 200);
}

#[test]
fn many_connections_at_once_get_equal_answers() {
    let (first, mut dice) = (town().get("/collections/blocks/items?limit=100&minutes=13"), Dice(3));
    let threads: Vec<_> = (0..24)
        .map(|_| {
            let skip = dice.below(5);
            std::thread::spawn(move || {
                let mut connection = town().connect();
                (0..40 + skip)
                    .map(|_| connection.ask("GET", "/collections/blocks/items?limit=100&minutes=13", &[]).unwrap().body)
                    .collect::<BTreeSet<_>>()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), BTreeSet::from([first.body.clone()]));
    }
}
