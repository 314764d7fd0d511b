//! A service that is left running: inputs that change under it, load, whoever watches it, and the proxy before it.

use crate::client::{Answer, ids, link};
use crate::town::{Service, served, town};
use carecircle_server::{Reloader, Served, ServerOptions, Trusted};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::Duration;

/// A service that is told in turn what its inputs have become.
fn reloading(next: Vec<Result<Option<Served>, String>>, options: ServerOptions) -> Service {
    let next = Mutex::new(next.into_iter());
    let reloader = Reloader::new(move |_| next.lock().unwrap().next().expect("no more reloads are expected"));
    Service::start(ServerOptions { reloader: Some(reloader), ..options })
}

fn reload(service: &Service) -> Answer {
    service.ask("POST", "/admin/reload", &[])
}

/// The value of a metric that is written like this, labels and all.
fn metric(service: &Service, name: &str) -> usize {
    let text = service.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

/// All pages from the first on, by their `next` links; their features' statuses by id, and what each says matches.
fn walk(service: &Service, first: &str) -> (Vec<(String, Value)>, BTreeSet<u64>) {
    let (mut features, mut matched) = (Vec::new(), BTreeSet::new());
    let mut path = Some(first.to_owned());
    let mut connection = service.connect();
    while let Some(asked) = path {
        let answer = connection.ask("GET", &asked, &[]).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let page = answer.ok();
        let on_page = answer.features();
        features.extend(ids(&on_page).into_iter().zip(on_page.iter().map(|f| f["properties"]["minutes"].clone())));
        matched.insert(page["numberMatched"].as_u64().unwrap());
        path = link(&page, "next").map(|href| service.path(&href).to_owned());
    }
    (features, matched)
}

#[test]
fn swapping_studies_under_load_fails_no_request_and_mixes_no_walk() {
    const FIRST: &str = "/collections/gaps/items?limit=9";
    const SWAPS: usize = 6;
    let next = (1..=SWAPS).map(|i| Ok(Some(served(&format!("r{i}"), 20 * (i % 2))))).collect();
    let service = reloading(next, ServerOptions::default());
    let whole = walk(&service, FIRST);
    let (done, walks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = Mutex::new(Vec::new());
    scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let walked = walk(&service, FIRST);
                    walks.fetch_add(1, Ordering::Relaxed);
                    seen.lock().unwrap().push(walked);
                }
            });
        }
        for i in 1..=SWAPS {
            let told = reload(&service).ok();
            assert_eq!((told["revision"].as_str(), told["reloaded"].as_bool()), (Some(&*format!("r{i}")), Some(true)));
            // One study back is kept: whoever began before has ended by then.
            let enough = walks.load(Ordering::Relaxed) + 12;
            while walks.load(Ordering::Relaxed) < enough {
                sleep(Duration::from_millis(1));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut kinds: Vec<_> = Vec::new();
    for (features, matched) in seen.into_inner().unwrap() {
        assert_eq!(matched, BTreeSet::from([features.len() as u64]), "every page counts the same");
        if !kinds.contains(&features) {
            kinds.push(features);
        }
    }
    assert_eq!(kinds.len(), 2, "each walk is of one study or the other");
    assert!(kinds.contains(&whole.0));
    assert_eq!(metric(&service, "carecircle_reloads_total{result=\"swapped\"}"), SWAPS);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn inputs_that_cannot_be_used_leave_the_older_study_serving() {
    let why = "facilities.csv row 3, column lat: 91 is no latitude";
    let service = reloading(vec![Err(why.to_owned()), Ok(None)], ServerOptions::default());
    let before = service.get("/collections/gaps/items").body;
    let detail = reload(&service).problem(422);
    assert!(detail.contains(why), "{detail}");
    let ready = service.get("/readyz");
    assert_eq!(ready.status, 200);
    let text = ready.text();
    assert!(text.starts_with("ready\n") && text.contains(why) && text.contains("revision demo"), "{text}");
    assert_eq!(metric(&service, "carecircle_snapshot_stale"), 1);
    assert_eq!(service.get("/collections/gaps/items").body, before);
    // Mended by putting back what was there.
    let told = reload(&service).ok();
    assert_eq!((told["revision"].as_str(), told["reloaded"].as_bool()), (Some("demo"), Some(false)));
    assert_eq!(service.get("/readyz").text(), "ready\n");
    assert_eq!(metric(&service, "carecircle_snapshot_stale"), 0);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn a_reader_of_inputs_that_breaks_breaks_nothing_else() {
    let service = Service::start(ServerOptions {
        reloader: Some(Reloader::new(|_| panic!("unreadable"))),
        ..ServerOptions::default()
    });
    for _ in 0..2 {
        assert!(reload(&service).problem(422).contains("unreadable"));
    }
    assert!(service.get("/readyz").text().contains("unreadable"));
    assert_eq!(service.get("/collections/gaps/items").status, 200);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn whoever_asks_while_a_reload_is_under_way_is_told_so() {
    let (begun, wait) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let (at_work, go_on) = (Arc::clone(&begun), Arc::clone(&wait));
    let reloader = Reloader::new(move |_| {
        at_work.wait();
        go_on.wait();
        Ok(None)
    });
    let service = Service::start(ServerOptions { reloader: Some(reloader), ..ServerOptions::default() });
    let mut first = service.connect();
    first.request("POST", "/admin/reload", &[]).unwrap();
    begun.wait();
    reload(&service).problem(409);
    assert_eq!(service.get("/collections/gaps/items").status, 200, "answers go on meanwhile");
    wait.wait();
    first.answer(false).unwrap().ok();
    service.stop().join().unwrap().unwrap();
}

#[test]
fn a_study_that_is_kept_no_more_is_gone() {
    let next = vec![Ok(Some(served("next", 1)))];
    let service = reloading(next, ServerOptions { keep_before: Duration::ZERO, ..ServerOptions::default() });
    let page = service.get("/collections/blocks/items?limit=3").ok();
    let next = link(&page, "next").unwrap();
    assert!(next.contains("revision=demo"), "{next}");
    assert_eq!(service.get(service.path(&next)).features().len(), 3);
    reload(&service).ok();
    let detail = service.get(service.path(&next)).problem(410);
    assert!(detail.contains("first page"), "{detail}");
    assert_eq!(service.get("/collections/blocks/items?revision=next&limit=1").status, 200);
    service.get("/collections/blocks/items?revision=").problem(410);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn reloads_are_for_whoever_runs_the_service() {
    // A service without inputs.
    town().ask("POST", "/admin/reload", &[]).problem(404);
    town().get("/admin/reload").problem(405);
    let service = reloading(vec![Ok(None)], ServerOptions::default());
    for header in ["Origin", "X-Forwarded-For", "Forwarded"] {
        service.ask("POST", "/admin/reload", &[(header, "https://a.example")]).problem(403);
    }
    reload(&service).ok();
    service.stop().join().unwrap().unwrap();

    let options = ServerOptions { admin_token: Some("secret".to_owned()), ..ServerOptions::default() };
    let service = reloading(vec![Ok(None)], options);
    for wrong in ["", "Bearer", "Bearer secre", "Bearer secret2", "Basic secret"] {
        let answer = service.ask("POST", "/admin/reload", &[("Authorization", wrong)]);
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    reload(&service).problem(401);
    service.ask("POST", "/admin/reload", &[("Authorization", "Bearer secret")]).ok();
    service.stop().join().unwrap().unwrap();
}

#[test]
fn pages_that_only_have_to_be_written_are_not_refused() {
    let service = Service::start(ServerOptions { workers: 1, queue: 0, ..ServerOptions::default() });
    service.get("/collections/blocks/items").ok();
    scope(|threads| {
        for client in 0..40 {
            let service = &service;
            threads.spawn(move || {
                let mut connection = service.connect();
                for page in 0..20 {
                    let path = format!("/collections/blocks/items?limit=20&offset={}", client * 20 + page);
                    assert_eq!(connection.ask("GET", &path, &[]).unwrap().status, 200, "{path}");
                }
            });
        }
    });
    assert_eq!(metric(&service, "carecircle_computations_shed_total"), 0);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn what_is_counted_can_be_read_by_prometheus() {
    let service = Service::start(ServerOptions::default());
    for path in ["/collections/gaps/items", "/collections/gaps/items", "/collections/blocks/items/no", "/no"] {
        service.get(path);
    }
    service.ask("BREW", "/summary", &[]);
    let answer = service.get("/metrics");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let (mut typed, mut values) = (BTreeSet::new(), BTreeSet::new());
    for line in answer.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert!(typed.insert(name.to_owned()), "{line}: once");
        } else if !line.starts_with("# HELP ") {
            let (key, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|error| panic!("{line}: {error}"));
            let name = key.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(typed.contains(family), "{line}: after its type");
            assert!(values.insert(key.to_owned()), "{line}: once");
        }
    }
    let requests = |route: &str, method: &str, status: u16| {
        let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        metric(&service, &format!("carecircle_http_requests_total{labels}"))
    };
    assert_eq!(requests("/collections/{c}/items", "GET", 200), 2);
    assert_eq!(requests("/collections/{c}/items/{id}", "GET", 404), 1);
    assert_eq!(requests("none", "GET", 404), 1);
    assert_eq!(requests("/summary", "other", 405), 1);
    let latencies = "carecircle_http_request_duration_seconds";
    assert_eq!(metric(&service, &format!("{latencies}_count{{route=\"/collections/{{c}}/items\"}}")), 2);
    assert_eq!(metric(&service, &format!("{latencies}_bucket{{route=\"/collections/{{c}}/items\",le=\"+Inf\"}}")), 2);
    assert_eq!(metric(&service, "carecircle_cache_requests_total{result=\"hit\"}"), 1);
    // Of the connection before, the server may not have noticed yet that its answer is written.
    let mut active = (0..100).map(|_| metric(&service, "carecircle_connections{state=\"active\"}"));
    assert!(active.any(|count| count == 1), "the one that asks");
    service.stop().join().unwrap().unwrap();
}

#[test]
fn a_request_keeps_the_id_that_it_comes_with() {
    let id = |given: &str| town().ask("GET", "/healthz", &[("X-Request-Id", given)]).header("x-request-id").to_owned();
    for sane in ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "A-b_c.9"] {
        assert_eq!(id(sane), sane);
    }
    for odd in ["", "a b", "a\"b", "<a>", "\u{e9}", &"a".repeat(65)] {
        assert_ne!(id(odd), odd);
    }
    let answer = town().ask("GET", "/no", &[("X-Request-Id", "mine")]);
    assert_eq!(answer.json()["request_id"], "mine");
}

#[test]
fn only_a_trusted_proxy_says_how_the_client_came() {
    let forwarded =
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "care.example"), ("X-Forwarded-Prefix", "/city/")];
    let first = |service: &Service, headers: &[(&str, &str)]| {
        let page = service.ask("GET", "/collections/gaps/items?limit=1", headers).ok();
        link(&page, "self").unwrap()
    };
    assert!(first(town(), &forwarded).starts_with(&town().base()));
    for (trusted, is_trusted) in [
        (Trusted::Everybody, true),
        (Trusted::Proxies(vec!["127.0.0.0/8".parse().unwrap()]), true),
        (Trusted::Proxies(vec!["10.0.0.0/8".parse().unwrap()]), false),
    ] {
        let service = Service::start(ServerOptions { trusted, ..ServerOptions::default() });
        let base = if is_trusted { "https://care.example/city".to_owned() } else { service.base() };
        assert_eq!(first(&service, &forwarded), format!("{base}/collections/gaps/items?limit=1"));
        let by_rfc = first(&service, &[("Forwarded", "for=1.2.3.4;host=care.example;proto=https")]);
        assert_eq!(by_rfc.starts_with("https://care.example/collections/"), is_trusted, "{by_rfc}");
        for odd in [("X-Forwarded-Proto", "ftp"), ("X-Forwarded-Host", "a/b"), ("X-Forwarded-Prefix", "//a<b>")] {
            let status = service.ask("GET", "/collections", &[odd]).status;
            assert_eq!(status, if is_trusted { 400 } else { 200 }, "{odd:?}");
        }
        service.stop().join().unwrap().unwrap();
    }
}
