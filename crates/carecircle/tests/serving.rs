//! The service as a process: signals, restarts, what it tells on standard error.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod program;

use program::{Folder, refuse};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo");

/// A serving process, killed when it is let go.
struct Serving {
    child: Child,
    address: SocketAddr,
    told: BufReader<ChildStderr>,
}

impl Serving {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carecircle"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).env_clear().env("LANG", "en_GB.UTF-8");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let told = BufReader::new(child.stderr.take().unwrap());
        let mut serving = Self { child, address: SocketAddr::from(([0; 4], 0)), told };
        while serving.address.port() == 0 {
            let mut line = String::new();
            assert!(serving.told.read_line(&mut line).unwrap() > 0, "it ends before it serves");
            if let Some((_, address)) = line.trim().trim_end_matches('/').split_once(" on http://") {
                serving.address = address.parse().unwrap();
            }
        }
        serving
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn body(&self, path: &str) -> String {
        self.ask("GET", path).split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn gaps(&self) -> u64 {
        serde_json::from_str::<Value>(&self.body("/collections/gaps/items?limit=1")).unwrap()["numberMatched"]
            .as_u64()
            .unwrap()
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for something to become true.
    fn until(&self, what: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !what(self) {
            assert!(begun.elapsed() < Duration::from_mins(1), "it never comes: {}", self.body("/readyz"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it kindly; what it has told since it began to serve.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        let mut told = String::new();
        self.told.read_to_string(&mut told).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{told}");
        told
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// An answer without what differs from one request to the next.
fn lasting(answer: &str) -> String {
    let momentary = ["server-timing:", "x-request-id:", "date:"];
    let lines = answer.lines().filter(|line| !momentary.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_killed_service_gives_the_same_answers_again() {
    let paths = [
        "/",
        "/api",
        "/collections",
        "/collections/blocks/items?limit=1000",
        "/collections/gaps/items?minutes=11&profile=stroller",
        "/collections/areas/items",
        "/collections/circles/items",
        "/summary",
    ];
    let answers = || {
        let service = Serving::start(&["--log", "off"]);
        let answers: Vec<String> = paths.iter().map(|path| lasting(&service.ask("GET", path))).collect();
        service.signal("-KILL");
        answers
    };
    let (first, second) = (answers(), answers());
    for (path, (first, second)) in paths.iter().zip(first.iter().zip(&second)) {
        assert!(first.starts_with("HTTP/1.0 200") && first.contains("etag:"), "{path}: {first}");
        assert_eq!(first, second, "{path}");
    }
}

#[test]
fn a_job_that_was_killed_is_found_failed_and_others_are_done() {
    let folder = Folder::new("killed-jobs");
    let state = folder.file("state");
    let start = || Serving::start(&["--log", "off", "--state-dir", &state]);
    let post = |service: &Serving, inputs: &str| {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let body = format!("{{\"inputs\":{inputs}}}");
        let path = "/processes/siting/execution";
        let head =
            format!("POST {path} HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\nPrefer: respond-async\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let told: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        format!("/jobs/{}", told["jobID"].as_str().unwrap())
    };
    let status = |service: &Serving, job: &str| {
        let told: Value = serde_json::from_str(&service.body(job)).unwrap();
        told["status"].as_str().unwrap().to_owned()
    };
    let service = start();
    let done = post(&service, r#"{"count":2,"time_limit":5}"#);
    service.until(|service| status(service, &done) == "successful");
    let results = service.body(&format!("{done}/results"));
    let running = post(&service, r#"{"objective":"p-median","count":12,"spacing_m":60}"#);
    let waiting = post(&service, r#"{"count":1,"time_limit":5}"#);
    service.until(|service| status(service, &running) == "running");
    service.signal("-KILL");
    drop(service);

    let service = start();
    assert_eq!(status(&service, &running), "failed");
    assert_eq!(service.body(&format!("{done}/results")), results);
    service.until(|service| status(service, &waiting) == "successful");
}

#[test]
fn a_prepared_city_is_served_as_its_extract_and_read_anew() {
    let folder = Folder::new("serve-prepared");
    let (map, city) = (format!("{DEMO}/town.osm.pbf"), folder.file("town.carecircle"));
    let import = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carecircle"));
        assert!(command.args(["import", &map, "-o", &city]).args(more).output().unwrap().status.success());
    };
    import(&[]);
    let paths = [
        "/",
        "/api",
        "/collections",
        "/collections/blocks/items?limit=10",
        "/collections/gaps/items?limit=1000",
        "/collections/facilities/items",
        "/collections/circles/items?profile=stroller",
        "/collections/areas/items",
        "/summary",
        "/collections/blocks/tiles/WebMercatorQuad",
        "/isochrones?lon=114.3&lat=30.9",
    ];
    let answers =
        |service: &Serving| -> Vec<String> { paths.iter().map(|path| lasting(&service.ask("GET", path))).collect() };
    let of_extract = answers(&Serving::start(&[&map, "--log", "off"]));
    let service = Serving::start(&[&city, "--log", "off"]);
    let of_prepared = answers(&service);
    for (path, (ours, theirs)) in paths.iter().zip(of_prepared.iter().zip(&of_extract)) {
        assert!(ours.starts_with("HTTP/1.0 200"), "{path}: {ours}");
        assert_eq!(ours, theirs, "{path}");
    }
    // Prepared once more, it is the same; damaged, the older one serves; mended, all is well.
    import(&[]);
    assert!(service.ask("POST", "/admin/reload").contains("\"reloaded\":false"));
    let whole = std::fs::read(&city).unwrap();
    let beside = folder.write("beside", &whole[..whole.len() - 1]);
    std::fs::rename(&beside, &city).unwrap();
    let refused = service.ask("POST", "/admin/reload");
    assert!(refused.starts_with("HTTP/1.0 422") && refused.contains("interrupted copy"), "{refused}");
    assert_eq!(answers(&service), of_prepared);
    std::fs::remove_file(&city).unwrap();
    folder.write("town.carecircle", &whole);
    assert!(service.ask("POST", "/admin/reload").contains("\"reloaded\":false"));
    assert_eq!(service.body("/readyz"), "ready\n");
}

#[test]
fn a_hangup_reads_changed_inputs_and_bad_ones_change_nothing() {
    let folder = Folder::new("hangup");
    let table = std::fs::read_to_string(format!("{DEMO}/facilities.csv")).unwrap();
    let fewer: String = table.split_inclusive('\n').take(6).collect();
    let facilities = folder.write("facilities.csv", &table);
    let service = Serving::start(&[&format!("{DEMO}/town.osm.pbf"), "--facilities", &facilities, "--log", "json"]);
    let before = service.gaps();
    folder.write("facilities.csv", &fewer);
    service.signal("-HUP");
    service.until(|service| service.gaps() > before);
    let after = service.gaps();

    folder.write("facilities.csv", "nothing,of,use\n1,2,3\n");
    service.signal("-HUP");
    service.until(|service| service.body("/readyz").contains("facilities.csv"));
    let ready = service.ask("GET", "/readyz");
    assert!(ready.starts_with("HTTP/1.0 200") && ready.contains("ready\n"), "{ready}");
    assert_eq!(service.gaps(), after, "the older study serves");
    let refused = service.ask("POST", "/admin/reload");
    assert!(refused.starts_with("HTTP/1.0 422") && refused.contains("facilities.csv"), "{refused}");
    std::fs::remove_file(&facilities).unwrap();
    assert!(service.ask("POST", "/admin/reload").contains("cannot read"));

    folder.write("facilities.csv", &table);
    let reloaded = service.ask("POST", "/admin/reload");
    assert!(reloaded.starts_with("HTTP/1.0 200") && reloaded.contains("\"reloaded\":true"), "{reloaded}");
    assert_eq!((service.gaps(), service.body("/readyz")), (before, "ready\n".to_owned()));

    let told = service.stop();
    // What is told of rows is for people.
    let events: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let requests = events.iter().filter(|event| event["message"] == "request");
    assert!(requests.clone().count() >= 8, "{told}");
    for request in requests {
        assert!(request["status"].is_u64() && request["ms"].is_f64(), "{request}");
        for name in ["time", "id", "method", "uri"] {
            assert!(request[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {request}");
        }
    }
    let failed = events.iter().filter(|event| event["level"] == "ERROR" && event["why"].is_string());
    assert!(
        failed.clone().count() >= 3 && failed.clone().any(|event| event["why"].to_string().contains("facilities.csv"))
    );
}

#[test]
fn other_machines_reach_the_service_only_when_that_is_wanted() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let told = refuse(&["serve", "--listen", address]);
        assert!(told.contains("--public") && told.contains(address), "{told}");
    }
}

#[test]
fn options_that_cannot_be_used_are_refused_by_name() {
    let folder = Folder::new("token");
    let short = folder.write("short", "secret\n");
    let missing = folder.file("missing");
    for (option, value) in [
        ("--admin-token-file", short.as_str()),
        ("--admin-token-file", &missing),
        ("--cache-mb", "0"),
        ("--max-connections", "0"),
        ("--max-connections", "4000000000"),
        ("--log", "xml"),
    ] {
        let told = refuse(&["serve", option, value]);
        assert!(told.contains(option) || told.contains(value), "{option} {value}: {told}");
    }
    let told = refuse(&["serve", "--trust-forwarded=proxy.example"]);
    assert!(told.contains("--trust-forwarded") && told.contains("10.0.0.0/8"), "{told}");
}
