//! OGC API Processes over a socket, assertion by assertion (P01 to P14), with the process `siting` in the demo town.

use crate::client::{Answer, link};
use crate::town::{Service, StateDir, town};
use carecircle_server::ServerOptions;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const EXECUTE: &str = "/processes/siting/execution";
const RESULTS: &str = "http://www.opengis.net/def/rel/ogc/1.0/results";
const EXCEPTIONS: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/";

fn execute(service: &Service, inputs: &Value) -> Answer {
    service.post(EXECUTE, "", &json!({ "inputs": inputs }))
}

/// A job for the question, that nobody waits for: its path.
fn queued(service: &Service, inputs: &Value) -> String {
    let answer = service.post(EXECUTE, "Prefer: respond-async\r\n", &json!({ "inputs": inputs }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    service.path(answer.header("location")).to_owned()
}

/// How the job stands once it has one of these states.
fn once(service: &Service, path: &str, states: &[&str]) -> Value {
    let begun = Instant::now();
    loop {
        let told = service.get(path).ok();
        if states.iter().any(|state| told["status"] == *state) {
            return told;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kind(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().to_owned()
}

/// Takes a while, unless it is stopped.
fn long() -> Value {
    json!({ "objective": "p-median", "count": 12, "time_limit": 30, "spacing_m": 60 })
}

#[test]
fn p01_the_landing_page_leads_to_processes_and_jobs() {
    let landing = town().get("/?f=json").ok();
    for rel in ["service-desc", "conformance"] {
        assert!(link(&landing, rel).is_some(), "{rel}");
    }
    for (rel, path) in [("processes", "/processes"), ("job-list", "/jobs")] {
        let href = link(&landing, &format!("http://www.opengis.net/def/rel/ogc/1.0/{rel}")).unwrap();
        assert_eq!(town().path(&href), path);
        town().get(path).ok();
    }
}

#[test]
fn p02_conformance_names_the_core_and_what_else_there_is() {
    let conformance = town().get("/conformance").ok();
    let classes = conformance["conformsTo"].as_array().unwrap();
    for class in ["core", "ogc-process-description", "json", "oas30", "job-list", "dismiss"] {
        let uri = format!("http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{class}");
        assert!(classes.contains(&json!(uri)), "{uri}");
    }
}

#[test]
fn p03_the_processes_are_listed() {
    for path in ["/processes", "/processes?limit=1", "/processes?limit=1000"] {
        let list = town().get(path).ok();
        let processes = list["processes"].as_array().unwrap();
        assert_eq!(processes.len(), 1);
        assert_eq!((&processes[0]["id"], processes[0]["version"].is_string()), (&json!("siting"), true));
        assert!(link(&list, "self").is_some());
        let description = link(&processes[0], "self").unwrap();
        assert_eq!(town().get(town().path(&description)).ok()["id"], "siting");
    }
    town().get("/processes?limit=0").problem(400);
}

#[test]
fn p04_an_unknown_process_is_an_exception_of_its_type() {
    let missing = [town().get("/processes/none"), town().post("/processes/none/execution", "", &json!({}))];
    for answer in missing {
        assert!(answer.problem(404).contains("siting"));
        assert_eq!(kind(&answer), format!("{EXCEPTIONS}no-such-process"));
    }
}

#[test]
fn p05_the_description_tells_inputs_and_outputs_with_their_schemas() {
    let process = town().get("/processes/siting").ok();
    for side in ["inputs", "outputs"] {
        let described = process[side].as_object().unwrap();
        for (name, one) in described {
            assert!(one["schema"].is_object() && one["title"].is_string(), "{name}: {one}");
        }
    }
    for name in [
        "objective",
        "count",
        "budget",
        "share",
        "by_cost",
        "least_share",
        "level",
        "backup",
        "limited",
        "beyond",
        "candidates",
        "spacing_m",
        "time_limit",
        "seed",
        "minutes",
        "profile",
        "speed_kmh",
        "policy",
        "kinds",
    ] {
        assert!(process["inputs"][name].is_object(), "{name}");
    }
    let modes = process["jobControlOptions"].as_array().unwrap();
    assert!(modes.contains(&json!("sync-execute")) && modes.contains(&json!("async-execute")));
    assert!(link(&process, "http://www.opengis.net/def/rel/ogc/1.0/execute").unwrap().ends_with(EXECUTE));
}

#[test]
fn p06_a_small_question_is_answered_at_once_and_a_job_if_that_is_preferred() {
    let question = json!({ "count": 2, "time_limit": 5 });
    let answer = execute(town(), &question);
    let document = answer.ok();
    let plan = &document["plan"]["value"];
    assert_eq!((&plan["type"], &plan["plan"]["optimal"]), (&json!("FeatureCollection"), &json!(true)));
    assert_eq!(plan["features"].as_array().unwrap().len(), 2);
    assert_eq!(plan["curve"].as_array().unwrap().len(), 2);
    assert_eq!(document["scenario"]["value"]["open"].as_array().unwrap().len(), 2);

    let body = json!({ "inputs": question });
    let job = town().post(EXECUTE, "Prefer: wait=5, respond-async\r\n", &body);
    assert_eq!((job.status, job.header("preference-applied")), (201, "respond-async"));
    let told = job.json();
    let id = told["jobID"].as_str().unwrap();
    assert_eq!(job.header("location"), format!("{}/jobs/{id}", town().base()));
    assert!(["accepted", "running", "successful"].contains(&told["status"].as_str().unwrap()), "{told}");
    // By the rule: candidates times seconds.
    let large = execute(town(), &json!({ "count": 1, "time_limit": 7_000, "spacing_m": 50 }));
    assert_eq!((large.status, large.header("preference-applied")), (201, ""), "{}", large.text());
    once(town(), town().path(large.header("location")), &["successful"]);
}

#[test]
fn p07_a_job_tells_how_it_stands_and_leads_to_its_results() {
    let path = queued(town(), &json!({ "count": 3, "time_limit": 5 }));
    let told = once(town(), &path, &["successful"]);
    assert_eq!(
        (&told["type"], &told["processID"], &told["progress"]),
        (&json!("process"), &json!("siting"), &json!(100))
    );
    for time in ["created", "started", "finished"] {
        assert!(told[time].as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')), "{time}: {told}");
    }
    let results = link(&told, RESULTS).unwrap();
    let document = town().get(town().path(&results)).ok();
    let proof = &document["plan"]["value"]["plan"];
    for (of_job, of_plan) in [("incumbent", "objective"), ("bound", "bound"), ("gap", "gap")] {
        assert_eq!(told[of_job], proof[of_plan], "{of_job}: {told}");
    }
    // The same question at once has the same answer, but for the time it took.
    let mut both = [document, execute(town(), &json!({ "count": 3, "time_limit": 5 })).ok()];
    for document in &mut both {
        let plan = &mut document["plan"]["value"];
        plan["plan"]["seconds"] = Value::Null;
        plan["curve"].as_array_mut().unwrap().iter_mut().for_each(|plan| plan["seconds"] = Value::Null);
    }
    assert_eq!(both[0], both[1]);
}

#[test]
fn p08_before_the_end_there_are_no_results_and_dismissal_ends_it() {
    let service = Service::start(ServerOptions::default());
    let (first, second) = (queued(&service, &long()), queued(&service, &long()));
    once(&service, &first, &["running"]);
    for path in [&first, &second] {
        let early = service.get(&format!("{path}/results"));
        early.problem(404);
        assert_eq!(kind(&early), format!("{EXCEPTIONS}result-not-ready"));
    }
    assert_eq!(service.get(&second).ok()["status"], "accepted");
    for path in [&first, &second] {
        let dismissed = service.ask("DELETE", path, &[]).ok();
        assert_eq!(dismissed["status"], "dismissed");
        service.get(path).problem(404);
        assert_eq!(kind(&service.ask("DELETE", path, &[])), format!("{EXCEPTIONS}no-such-job"));
    }
    // The worker is free again.
    let begun = Instant::now();
    execute(&service, &json!({ "count": 1, "time_limit": 5 })).ok();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    service.stop_quietly().unwrap();
}

#[test]
fn p09_an_unknown_job_is_an_exception_of_its_type() {
    for path in ["/jobs/none", "/jobs/none/results"] {
        let answer = town().get(path);
        answer.problem(404);
        assert_eq!(kind(&answer), format!("{EXCEPTIONS}no-such-job"));
    }
}

#[test]
fn p10_what_is_impossible_is_told_with_what_is_possible() {
    let impossible =
        json!({ "objective": "set-cover", "share": 1, "minutes": 2, "candidates": "streets", "time_limit": 5 });
    let at_once = execute(town(), &impossible).problem(400);
    let path = queued(town(), &impossible);
    let told = once(town(), &path, &["failed"]);
    let later = town().get(&format!("{path}/results")).problem(400);
    assert_eq!((&at_once, &told["message"]), (&later, &json!(later)));
    assert!(at_once.contains('%') || at_once.contains("share"), "{at_once}");
}

#[test]
fn p11_wrong_inputs_are_refused_by_their_names() {
    for (inputs, parameter) in [
        (json!({ "count": { "type": "wrong/type_1" } }), "count"),
        (json!({ "count": 0 }), "count"),
        (json!({ "count": -1 }), "count"),
        (json!({ "count": "three" }), "count"),
        (json!({ "count": 3, "objective": "most" }), "objective"),
        (json!({ "objective": "set-cover" }), "objective"),
        (json!({ "objective": "set-cover", "share": 1.5 }), "share"),
        (json!({ "objective": "set-cover", "share": 0.5, "count": 3 }), "count"),
        (json!({ "objective": "set-cover", "share": 0.5, "by_cost": true }), "by_cost"),
        (json!({ "count": 3, "least_share": "a" }), "least_share"),
        (json!({ "count": 3, "level": "village" }), "level"),
        (json!({ "count": 3, "limited": true }), "limited"),
        (json!({ "budget": 3 }), "budget"),
        (json!({ "budget": 3, "count": 2 }), "budget"),
        (json!({ "count": 3, "spacing_m": 1 }), "spacing_m"),
        (json!({ "count": 3, "time_limit": 0 }), "time_limit"),
        (json!({ "count": 100_000 }), "time_limit"),
        (json!({ "count": 3, "minutes": 0 }), "minutes"),
        (json!({ "count": 3, "profile": "bird" }), "profile"),
        (json!({ "count": 3, "kinds": ["school"] }), "kinds"),
        (json!({ "count": 3, "sites": 4 }), "sites"),
        (json!({ "count": 3, "candidates": "nowhere" }), "candidates"),
        (json!({ "count": 3, "candidates": "schools,nowhere" }), "candidates"),
        (json!({ "count": 3, "candidates": [] }), "candidates"),
        (json!({ "count": 3, "candidates": [{ "id": "a", "lon": 400, "lat": 30.9 }] }), "candidates"),
        (json!({ "count": 3, "candidates": [{ "id": "a" }] }), "candidates"),
        (json!({ "count": 3, "candidates": [{ "id": "a", "lon": 2.0, "lat": 48.0 }] }), "candidates"),
        (json!({ "count": 3, "candidates": [3] }), "candidates"),
        (json!({ "count": 3, "candidates": { "type": "FeatureCollection", "features": [] } }), "candidates"),
        (json!({ "count": 3, "candidates": { "href": "http://127.0.0.1/" } }), "candidates"),
    ] {
        let answer = execute(town(), &inputs);
        answer.problem(400);
        assert_eq!(answer.json()["parameter"], parameter, "{inputs}: {}", answer.text());
    }
    for body in [json!([]), json!({ "inputs": 3 }), json!({ "outputs": { "map": {} } }), json!({ "response": "xml" })] {
        town().post(EXECUTE, "", &body).problem(400);
    }
}

#[test]
fn p12_one_output_raw_is_that_output() {
    let raw = |output: &str| {
        let body = json!({
            "inputs": { "count": 1, "time_limit": 5 }, "outputs": { output: { "transmissionMode": "value" } }, "response": "raw",
        });
        town().post(EXECUTE, "", &body)
    };
    let plan = raw("plan");
    assert_eq!(
        (plan.ok()["type"].as_str(), plan.header("content-type")),
        (Some("FeatureCollection"), "application/geo+json")
    );
    assert_eq!(raw("scenario").ok()["close"], json!([]));
}

#[test]
fn p13_jobs_are_listed_the_newest_first() {
    let service = Service::start(ServerOptions::default());
    assert_eq!(service.get("/jobs").ok()["jobs"], json!([]));
    let paths: Vec<String> = (1..=3).map(|n| queued(&service, &json!({ "count": n, "time_limit": 5 }))).collect();
    let mut found = Vec::new();
    let mut next = Some("/jobs?limit=2".to_owned());
    while let Some(path) = next {
        let page = service.get(&path).ok();
        for job in page["jobs"].as_array().unwrap() {
            assert!(job["status"].is_string() && job["type"] == "process", "{job}");
            found.push(service.path(&link(job, "self").unwrap()).to_owned());
        }
        next = link(&page, "next").map(|href| service.path(&href).to_owned());
    }
    assert!(found.iter().eq(paths.iter().rev()), "{found:?}");
    service.stop_quietly().unwrap();
}

#[test]
fn p14_inputs_come_inline_as_values_and_as_collections() {
    let blocks = town().get("/collections/blocks/items?limit=10000").features();
    let place = |block: &Value| {
        let ring = &block["geometry"]["coordinates"][0];
        let corner = if ring[0][0].is_array() { &ring[0][0] } else { &ring[0] };
        (corner[0].clone(), corner[1].clone())
    };
    let sites: Vec<(Value, (Value, Value))> = blocks
        .iter()
        .step_by(9)
        .map(|block| (json!(format!("site-{}", block["id"].as_str().unwrap())), place(block)))
        .collect();
    let list: Vec<Value> = sites
        .iter()
        .map(|(id, (lon, lat))| json!({ "id": id, "lon": lon, "lat": lat, "cost": 2, "places": 40 }))
        .collect();
    let features: Vec<Value> = sites
        .iter()
        .map(|(id, (lon, lat))| {
            json!({
                "type": "Feature", "properties": { "id": id, "cost": 2, "places": 40 },
                "geometry": { "type": "Point", "coordinates": [lon, lat] },
            })
        })
        .collect();
    let collection = json!({ "type": "FeatureCollection", "features": features });
    let plans: Vec<Value> = [
        json!(list),
        json!({ "value": list }),
        collection.clone(),
        json!({ "value": collection, "mediaType": "application/geo+json" }),
    ]
    .into_iter()
    .map(|candidates| {
        let inputs = json!({ "candidates": candidates, "budget": 4, "limited": true, "minutes": { "value": 10 }, "time_limit": 5 });
        execute(town(), &inputs).ok()["plan"]["value"]["features"].clone()
    })
    .collect();
    assert!(plans[0].as_array().is_some_and(|sites| (1..=2).contains(&sites.len())), "{}", plans[0]);
    assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:#?}");
}

#[test]
fn candidates_are_what_the_map_has_by_names() {
    let names = ["kindergartens,community_centres", "schools", "osm"];
    let kinds = ["nursery", "community"];
    for (names, begin) in
        names.into_iter().zip([&["kindergarten_", "former_", "community_centre_"][..], &["school_"], &[""]])
    {
        let inputs = json!({ "candidates": names, "count": 2, "kinds": kinds, "minutes": 5, "time_limit": 5 });
        let answer = execute(town(), &inputs).ok();
        let plan = &answer["plan"]["value"];
        assert_eq!(plan["parameters"]["question"]["candidates"], names);
        let sites = plan["features"].as_array().unwrap();
        let ids: Vec<&str> = sites.iter().map(|site| site["id"].as_str().unwrap()).collect();
        assert!(
            !ids.is_empty() && ids.iter().all(|id| begin.iter().any(|kind| id.starts_with(kind))),
            "{names}: {ids:?}"
        );
    }
    let wrong = execute(town(), &json!({ "candidates": "school", "count": 2 })).problem(400);
    assert!(wrong.contains("there is no \"school\"; there is blocks, streets"), "{wrong}");
}

#[test]
fn two_hundred_jobs_wait_and_the_service_lives() {
    let service = Service::start(ServerOptions::default());
    let running = queued(&service, &long());
    once(&service, &running, &["running"]);
    let waiting: Vec<String> = (0..200).map(|_| queued(&service, &long())).collect();
    let begun = Instant::now();
    assert_eq!(service.get("/healthz").text(), "ok\n");
    service.get("/nearest?lon=0&lat=0").problem(422);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // There is an end to it.
    let refused = (0..200).find_map(|_| {
        let body = json!({ "inputs": long() });
        Some(service.post(EXECUTE, "Prefer: respond-async\r\n", &body)).filter(|answer| answer.status != 201)
    });
    let refused = refused.expect("the queue is bounded");
    assert!(refused.problem(503).contains("jobs are waiting"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(service.get(&waiting[199]).ok()["status"], "accepted");
    service.ask("DELETE", &waiting[0], &[]).ok();
    queued(&service, &long());
    service.stop_quietly().unwrap();
}

#[test]
fn jobs_and_their_results_outlive_the_service() {
    let dir = StateDir::new("outlived");
    let service = dir.service();
    let done = queued(&service, &json!({ "count": 2, "time_limit": 5 }));
    once(&service, &done, &["successful"]);
    let results = service.get(&format!("{done}/results")).ok();
    let running = queued(&service, &long());
    let waiting = queued(&service, &json!({ "count": 1, "time_limit": 5 }));
    once(&service, &running, &["running"]);

    // What a process leaves that dies here: the file as it is.
    let dead = StateDir::new("dead");
    std::fs::copy(dir.0.join("state.sqlite"), dead.0.join("state.sqlite")).unwrap();
    let after = dead.service();
    assert_eq!(after.get(&format!("{done}/results")).ok(), results);
    let told = after.get(&running).ok();
    assert_eq!(told["status"], "failed");
    assert!(told["message"].as_str().unwrap().contains("ended while the job ran"), "{told}");
    after.get(&format!("{running}/results")).problem(500);
    once(&after, &waiting, &["successful"]);
    after.stop_quietly().unwrap();

    // One that is told to stop leaves its job for the next.
    service.stop_quietly().unwrap();
    let again = dir.service();
    once(&again, &running, &["running"]);
    assert_eq!(again.get(&waiting).ok()["status"], "accepted");
    again.ask("DELETE", &running, &[]).ok();
    once(&again, &waiting, &["successful"]);
    again.stop_quietly().unwrap();
}
