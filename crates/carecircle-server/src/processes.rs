//! OGC API Processes: the process `siting`, asked by the names that the options of `carecircle site` have, and its jobs.

use crate::analysis::Snapshot;
use crate::app::{App, bad_path};
use crate::body;
use crate::collections::link;
use crate::jobs::{Found, Job, Live, QUEUE, Results, Status};
use crate::openapi::{content, forms, in_path, in_query, of_analyses, with_page};
use crate::problem::{ApiError, shortened};
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, NEVER_KEPT};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::Policy;
use carecircle_core::siting::{Progress, Question, SitingError};
use carecircle_core::study::Study;
use carecircle_formats::columns::Candidate;
use carecircle_formats::siting::{Ask, Objective, Places, SitePlan, refused};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The OGC conformance classes that hold here.
pub(crate) const CONFORMANCE: [&str; 6] = [
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
];

const REL_PROCESSES: &str = "http://www.opengis.net/def/rel/ogc/1.0/processes";
const REL_EXECUTE: &str = "http://www.opengis.net/def/rel/ogc/1.0/execute";
const REL_JOBS: &str = "http://www.opengis.net/def/rel/ogc/1.0/job-list";
const REL_RESULTS: &str = "http://www.opengis.net/def/rel/ogc/1.0/results";
const NO_SUCH_PROCESS: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process";
const NO_SUCH_JOB: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job";
const NOT_READY: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready";

/// The only process.
const SITING: &str = "siting";
/// A study is small, and answered at once, when its candidates times its time limit in seconds are no more than this.
const SMALL: f64 = 100_000.0;
/// Seconds of search that a job may ask for, all its numbers of sites together.
const SEARCH_MAX_S: f64 = 7_200.0;
/// Jobs on a page unless the client asks for another number, and at most.
const JOBS_DEFAULT: usize = 100;
const JOBS_MAX: usize = 1_000;

pub(crate) fn routes() -> Router<Arc<App>> {
    type InPath = Result<Path<String>, PathRejection>;
    let id = |path: InPath| path.map(|Path(id)| id).map_err(bad_path);
    Router::new()
        .route("/processes", get(|State(app): State<Arc<App>>, parts: Parts| async move { processes(&app, &parts) }))
        .route(
            "/processes/{id}",
            get(move |State(app), path: InPath, parts: Parts| async move { process(app, parts, id(path)?).await }),
        )
        .route(
            "/processes/{id}/execution",
            post(
                move |State(app), path: InPath, request: Request| async move { execute(app, request, id(path)?).await },
            ),
        )
        .route("/jobs", get(|State(app), parts: Parts| jobs(app, parts)))
        .route(
            "/jobs/{id}",
            get(move |State(app), path: InPath, parts: Parts| async move { job(app, parts, id(path)?).await }).delete(
                move |State(app), path: InPath, parts: Parts| async move { dismiss(app, parts, id(path)?).await },
            ),
        )
        .route(
            "/jobs/{id}/results",
            get(move |State(app), path: InPath, parts: Parts| async move {
                check_form(&parts)?;
                results(app, id(path)?).await
            }),
        )
}

/// Where the processes are told.
pub(crate) fn link_to_processes(base: &str) -> Value {
    link(REL_PROCESSES, Media::Json, "What can be computed as a job", format!("{base}/processes"))
}

/// Where the jobs are told.
pub(crate) fn link_to_jobs(base: &str) -> Value {
    link(REL_JOBS, Media::Json, "Jobs", format!("{base}/jobs"))
}

/// Their part of the OpenAPI document.
pub(crate) fn paths() -> Vec<(String, Value)> {
    let problem = || json!({ "$ref": "#/components/responses/Problem" });
    let answer = |description: &str, schema: &str| json!({ "description": description, "content": content("application/json", schema) });
    let operation = |id: &str, summary: &str, parameters: &[Value], answers: Vec<(&str, Value)>, errors: &[&str]| {
        let mut responses: Map<String, Value> =
            answers.into_iter().map(|(status, answer)| (status.to_owned(), answer)).collect();
        responses.extend(errors.iter().chain(&["default"]).map(|status| ((*status).to_owned(), problem())));
        json!({
            "operationId": id, "tags": ["processes"], "summary": summary, "parameters": parameters, "responses": responses,
        })
    };
    let text = json!({ "type": "string" });
    let (process, job) = (in_path("processID", &text), in_path("jobId", &text));
    let limit = |most: usize, default: usize| {
        let schema = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default });
        in_query("limit", "How many are listed at most; a larger number is taken for the maximum", &schema)
    };
    let offset = in_query("offset", "How many before them are left out", &json!({ "type": "integer", "minimum": 0 }));
    let json_alone = forms(&["json"]);
    let ok = |description: &str, schema: &str| vec![("200", answer(description, schema))];
    let results = || {
        let mut results = answer("The results", "Results");
        results["content"][Media::GeoJson.name()] =
            json!({ "schema": { "$ref": "#/components/schemas/FeatureCollection" } });
        results
    };
    let prefer = json!({
        "name": "Prefer", "in": "header", "required": false, "style": "simple",
        "description": "respond-async: the answer is a job in any case", "schema": text,
    });
    let mut execute = operation(
        "execute",
        &format!("Puts a question; a small one is answered at once, of others {QUEUE} may wait"),
        &[process.clone(), prefer],
        vec![("200", results()), ("201", answer("The job that will answer", "StatusInfo"))],
        &["400", "404", "408", "413", "415", "503"],
    );
    execute["requestBody"] = json!({ "required": true, "content": content("application/json", "Execute") });
    let of_one = [job, json_alone.clone()];
    let of_job = operation("getStatus", "How a job stands", &of_one, ok("The job", "StatusInfo"), &["400", "404"]);
    let dismiss = operation(
        "dismiss",
        "Ends a job, or forgets its results",
        &of_one,
        ok("The job", "StatusInfo"),
        &["400", "404"],
    );
    let list = operation(
        "getProcesses",
        "What can be computed as a job",
        &[limit(1, 1), json_alone.clone()],
        ok("The processes", "ProcessList"),
        &["400"],
    );
    let page = with_page(content("application/json", "Process"));
    let process_or_page = json!({ "description": "The process", "content": page });
    let described = operation(
        "getProcessDescription",
        "A process, its inputs and outputs",
        &[process, forms(&["json", "html"])],
        vec![("200", process_or_page), ("304", json!({ "description": "The client has the answer (If-None-Match)" }))],
        &["400", "404"],
    );
    let jobs = operation(
        "getJobs",
        "The jobs, the newest first",
        &[limit(JOBS_MAX, JOBS_DEFAULT), offset, json_alone],
        ok("The jobs", "JobList"),
        &["400"],
    );
    let result =
        operation("getResult", "The results of a job that is done", &of_one, vec![("200", results())], &["400", "404"]);
    [
        ("/processes", json!({ "get": list })),
        ("/processes/{processID}", json!({ "get": described })),
        ("/processes/{processID}/execution", json!({ "post": execute })),
        ("/jobs", json!({ "get": jobs })),
        ("/jobs/{jobId}", json!({ "get": of_job, "delete": dismiss })),
        ("/jobs/{jobId}/results", json!({ "get": result })),
    ]
    .map(|(path, item)| (path.to_owned(), item))
    .into()
}

/// The schemas that [`paths`] refers to.
pub(crate) fn add_schemas(schemas: &mut Value) {
    let links = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Link" } });
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let number = json!({ "type": "number" });
    let words = json!({ "type": "array", "items": text });
    schemas["Process"] = json!({
        "type": "object", "required": ["id", "version"],
        "properties": {
            "id": text, "version": text, "title": text, "description": text,
            "jobControlOptions": words, "outputTransmission": words,
            "inputs": { "type": "object" }, "outputs": { "type": "object" }, "links": links,
        },
    });
    schemas["ProcessList"] = json!({
        "type": "object", "required": ["processes", "links"],
        "properties": {
            "processes": { "type": "array", "items": { "$ref": "#/components/schemas/Process" } }, "links": links,
        },
    });
    schemas["Execute"] = json!({
        "type": "object",
        "properties": {
            "inputs": { "type": "object" }, "outputs": { "type": "object" },
            "response": { "type": "string", "enum": ["raw", "document"] },
        },
    });
    schemas["StatusInfo"] = json!({
        "type": "object", "required": ["jobID", "status", "type"],
        "properties": {
            "processID": text, "type": { "type": "string", "enum": ["process"] }, "jobID": text,
            "status": { "type": "string", "enum": Status::ALL.map(Status::name) },
            "message": text, "created": time, "started": time, "finished": time,
            "progress": { "type": "integer", "minimum": 0, "maximum": 100 },
            "incumbent": number, "bound": number, "gap": number, "links": links,
        },
    });
    schemas["JobList"] = json!({
        "type": "object", "required": ["jobs", "links"],
        "properties": {
            "jobs": { "type": "array", "items": { "$ref": "#/components/schemas/StatusInfo" } }, "links": links,
        },
    });
    schemas["Results"] = json!({ "type": "object", "additionalProperties": { "type": "object" } });
}

fn as_json(status: StatusCode, document: &Value) -> Response {
    (status, [NEVER_KEPT, (CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// What is about a job comes as JSON alone.
fn check_form(parts: &Parts) -> Result<(), ApiError> {
    Query::parse(parts.uri.query(), &["f"])?.word("f", &["json"]).map(|_| ())
}

/// The process in short.
fn summary() -> Value {
    json!({
        "id": SITING,
        "version": env!("CARGO_PKG_VERSION"),
        "title": "Where the next nurseries should stand",
        "description": "Which candidates to open (or which facilities would be missed least), what each adds, and how far \
                        from the best possible the answer can be at most.",
        "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
        "outputTransmission": ["value"],
    })
}

/// `GET /processes`
fn processes(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    let base = app.base(parts)?;
    let mut query = Query::parse(parts.uri.query(), &["limit", "f"])?;
    query.word("f", &["json"])?;
    query.count("limit", 1, 1)?;
    let mut process = summary();
    process["links"] = json!([link("self", Media::Json, "Description", format!("{base}/processes/{SITING}"))]);
    let links = [link("self", Media::Json, "This document", format!("{base}/processes"))];
    Ok(as_json(StatusCode::OK, &json!({ "processes": [process], "links": links })))
}

fn check_process(id: &str) -> Result<(), ApiError> {
    if id == SITING {
        return Ok(());
    }
    let detail = format!("there is no process \"{}\": there is {SITING}", shortened(id));
    Err(ApiError::not_found(detail).of_kind(NO_SUCH_PROCESS))
}

/// `GET /processes/{id}`
async fn process(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    check_process(&id)?;
    app.document(&parts, Media::Json, |snapshot, base| {
        let here = format!("{base}/processes/{SITING}");
        let mut process = summary();
        process["inputs"] = inputs(&snapshot.served.policy);
        process["outputs"] = json!({
            "plan": {
                "title": "The plan: a feature for each site, the proof, the coverage and the curve",
                "schema": { "type": "object", "contentMediaType": Media::GeoJson.name() },
            },
            "scenario": {
                "title": "The plan as a scenario, which check, report and serve take with --scenario",
                "schema": { "type": "object", "contentMediaType": Media::Json.name() },
            },
        });
        process["links"] = json!([
            link("self", Media::Json, "This document", here.clone()),
            link(REL_EXECUTE, Media::Json, "Where to send a question", format!("{here}/execution")),
        ]);
        process
    })
    .await
}

/// The inputs as a process description has them.
fn inputs(policy: &Policy) -> Value {
    let Ask { objective, least_share, backup, spacing_m, time_limit, seed, level, .. } = Ask::default();
    let objectives = Objective::ALL.map(|objective| format!("{}: {}", objective.name(), objective.title())).join("; ");
    let part = |default: Option<f64>| json!({ "type": "number", "minimum": 0, "maximum": 1, "default": default });
    let number =
        |default: Option<f64>| json!({ "type": "number", "exclusiveMinimum": true, "minimum": 0, "default": default });
    let candidate = json!({
        "type": "object", "required": ["id", "lon", "lat"],
        "properties": {
            "id": { "type": "string" }, "name": { "type": "string" },
            "lon": { "type": "number" }, "lat": { "type": "number" },
            "places": { "type": "integer" }, "cost": { "type": "number" },
            "choice": { "type": "string", "enum": ["free", "required", "forbidden"] },
        },
    });
    let own = [
        (
            "objective",
            format!("What is asked for. {objectives}"),
            json!({ "type": "string", "enum": Objective::ALL.map(Objective::name), "default": objective.name() }),
        ),
        ("count", "So many sites; or so many facilities that close".to_owned(), json!({ "type": "integer", "minimum": 1 })),
        (
            "budget",
            "Sites that cost no more than this together, in the unit of the candidates' costs".to_owned(),
            number(None),
        ),
        ("share", "With set-cover: the part of all children who shall be within the limit".to_owned(), part(None)),
        (
            "by_cost",
            "With set-cover: the cheapest sites rather than the fewest".to_owned(),
            json!({ "type": "boolean", "default": false }),
        ),
        ("least_share", "At least this part of the children of every area".to_owned(), part(Some(least_share))),
        (
            "level",
            "Which areas that is asked of".to_owned(),
            json!({ "type": "string", "enum": AreaLevel::ALL.map(AreaLevel::name), "default": level.name() }),
        ),
        (
            "backup",
            "With max-coverage: how much more a child counts who is within the limit of a second site".to_owned(),
            part(Some(backup)),
        ),
        (
            "limited",
            "Sites take no more children than they have places".to_owned(),
            json!({ "type": "boolean", "default": false }),
        ),
        (
            "beyond",
            "With p-median: whoever walks longer, or gets nowhere, counts as if it took so many minutes; twice the limit unless \
             given"
                .to_owned(),
            json!({ "type": "number", "minimum": 0, "maximum": 1_440 }),
        ),
        (
            "candidates",
            "Where facilities could stand: a GeoJSON FeatureCollection, an array of objects, every residential block, street \
             corners, or both of these"
                .to_owned(),
            json!({
                "oneOf": [
                    { "type": "string", "enum": Places::MADE },
                    { "type": "array", "items": candidate },
                    { "type": "object", "contentMediaType": Media::GeoJson.name() },
                ],
                "default": "anywhere",
            }),
        ),
        (
            "spacing_m",
            "How far apart street corners are taken, metres".to_owned(),
            json!({ "type": "number", "minimum": 10, "maximum": 10_000, "default": spacing_m }),
        ),
        (
            "time_limit",
            format!(
                "Seconds of search after which the best plan so far is the answer, for each number of sites; {SEARCH_MAX_S} \
                 together at most. Where this times the number of candidates is more than {SMALL}, the answer is a job"
            ),
            number(Some(time_limit)),
        ),
        ("seed", "Draws where to look for plans".to_owned(), json!({ "type": "integer", "minimum": 0, "default": seed })),
    ];
    let own = own.map(|(name, text, mut schema)| {
        if schema["default"].is_null()
            && let Some(schema) = schema.as_object_mut()
        {
            schema.remove("default");
        }
        (name.to_owned(), text, schema)
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_policy = of_analyses(policy)
        .into_iter()
        .map(|mut parameter| (text(&parameter["name"]), text(&parameter["description"]), parameter["schema"].take()));
    let described = own.into_iter().chain(of_policy).map(|(name, text, schema)| {
        let input = json!({ "title": name, "description": text, "schema": schema, "minOccurs": 0, "maxOccurs": 1 });
        (name, input)
    });
    Value::Object(described.collect())
}

/// Which of a job's results its client wants, and whether one of them is sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    plan: bool,
    scenario: bool,
    is_raw: bool,
}

/// A request to execute, read.
struct Asked {
    ask: Ask,
    question: Question,
    policy: Policy,
    places: Places,
    /// What the candidates are called.
    called: String,
    form: Form,
}

impl Asked {
    fn read(snapshot: &Snapshot, request: &[u8]) -> Result<Self, ApiError> {
        let request: Map<String, Value> = serde_json::from_slice(request)
            .map_err(|why| ApiError::bad_request(format!("the body is not {{\"inputs\": {{…}}}}: {why}")))?;
        let form = Form::read(&request)?;
        let mut given = match request.get("inputs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(given)) => given.clone(),
            Some(_) => return Err(ApiError::bad_request("inputs: an object is wanted, each input by its name")),
        };
        for (name, value) in &mut given {
            let Some(members) = value.as_object_mut() else { continue };
            if members.contains_key("href") {
                return Err(ApiError::bad_parameter(name, "nothing is fetched from elsewhere: send the value itself"));
            }
            if let Some(inside) = members.remove("value") {
                *value = inside;
            }
        }
        let policy = policy(snapshot, &mut given)?;
        let default = Ask::default();
        let objective = named(&mut given, "objective", Objective::named, &Objective::ALL.map(Objective::name))?;
        let level = named(&mut given, "level", AreaLevel::named, &AreaLevel::ALL.map(AreaLevel::name))?;
        let whole = |value: &Value| value.as_u64();
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok());
        let part = "a number from 0 to 1";
        let ask = Ask {
            objective: objective.unwrap_or(default.objective),
            level: level.unwrap_or(default.level),
            count: take(&mut given, "count", "a whole number from 1 on", count)?,
            budget: take(&mut given, "budget", "a number above 0", Value::as_f64)?,
            share: take(&mut given, "share", part, Value::as_f64)?,
            by_cost: take(&mut given, "by_cost", "true or false", Value::as_bool)?.unwrap_or(default.by_cost),
            least_share: take(&mut given, "least_share", part, Value::as_f64)?.unwrap_or(default.least_share),
            backup: take(&mut given, "backup", part, Value::as_f64)?.unwrap_or(default.backup),
            limited: take(&mut given, "limited", "true or false", Value::as_bool)?.unwrap_or(default.limited),
            beyond: take(&mut given, "beyond", "a number of minutes", Value::as_f64)?,
            spacing_m: take(&mut given, "spacing_m", "a number of metres", Value::as_f64)?.unwrap_or(default.spacing_m),
            time_limit: take(&mut given, "time_limit", "a number of seconds", Value::as_f64)?
                .unwrap_or(default.time_limit),
            seed: take(&mut given, "seed", "a whole number", whole)?.unwrap_or(default.seed),
            solver: default.solver,
        };
        let bad = |why: carecircle_formats::remark::Remark| ApiError::of_parameter(why.en);
        let (places, called) = match given.remove("candidates").unwrap_or_else(|| "anywhere".into()) {
            Value::String(name) => {
                let made = Places::made(&name).ok_or_else(|| {
                    let wanted = format!("one of {}, a FeatureCollection or an array", Places::MADE.join(", "));
                    ApiError::bad_value("candidates", &name, &wanted)
                })?;
                (made, name)
            }
            given => (Places::from_json(&given).map_err(bad)?, "given".to_owned()),
        };
        if let Some(name) = given.keys().next() {
            let inputs = inputs(&snapshot.served.policy);
            let known: Vec<&str> =
                inputs.as_object().into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
            return Err(ApiError::unknown_parameter(name, &known));
        }
        let question = ask.question(&policy).map_err(bad)?;
        let searches = ask.count.unwrap_or(1);
        if searches as f64 * ask.time_limit > SEARCH_MAX_S {
            let why = format!(
                "{} seconds for each of {searches} numbers of sites: {SEARCH_MAX_S} together are the most",
                ask.time_limit
            );
            return Err(ApiError::bad_parameter("time_limit", &why));
        }
        Ok(Self { ask, question, policy, places, called, form })
    }

    /// Where facilities could stand.
    fn candidates(&mut self, study: &Study) -> Result<Vec<Candidate>, ApiError> {
        let places = std::mem::take(&mut self.places);
        self.ask.candidates(study, &self.policy, places).map_err(|why| ApiError::of_parameter(why.en))
    }
}

impl Form {
    fn read(request: &Map<String, Value>) -> Result<Self, ApiError> {
        let outputs = match request.get("outputs") {
            None | Some(Value::Null) => None,
            Some(Value::Object(outputs)) if outputs.is_empty() => None,
            Some(Value::Object(outputs)) => Some(outputs),
            Some(_) => return Err(ApiError::bad_request("outputs: an object is wanted: plan, scenario or both")),
        };
        for (name, output) in outputs.into_iter().flatten() {
            if !["plan", "scenario"].contains(&name.as_str()) {
                return Err(ApiError::bad_value("outputs", name, "plan or scenario"));
            }
            if output["transmissionMode"] == "reference" {
                return Err(ApiError::bad_value("transmissionMode", "reference", "value"));
            }
        }
        let is_wanted = |name: &str| outputs.is_none_or(|outputs| outputs.contains_key(name));
        let (plan, scenario) = (is_wanted("plan"), is_wanted("scenario"));
        let is_raw = match request.get("response").map(|response| response.as_str().unwrap_or_default()) {
            Some("document") => false,
            Some("raw") if plan && scenario => {
                let why = "raw is for one of the outputs: name it in outputs, or ask for document";
                return Err(ApiError::bad_parameter("response", why));
            }
            None | Some("raw") => plan != scenario,
            Some(other) => return Err(ApiError::bad_value("response", other, "raw or document")),
        };
        Ok(Self { plan, scenario, is_raw })
    }

    /// The results, as they are sent.
    fn respond(found: Results) -> Response {
        let Results { plan, scenario, form } = found;
        let form = Self::of_bits(form);
        let respond = |media: Media, body: Vec<u8>| ([NEVER_KEPT, (CONTENT_TYPE, media.name())], body).into_response();
        if form.is_raw {
            return if form.plan { respond(Media::GeoJson, plan) } else { respond(Media::Json, scenario) };
        }
        let mut out = Vec::new();
        let both = [("plan", form.plan, Media::GeoJson, plan), ("scenario", form.scenario, Media::Json, scenario)];
        for (name, _, media, value) in both.into_iter().filter(|(_, is_wanted, ..)| *is_wanted) {
            out.push(if out.is_empty() { b'{' } else { b',' });
            out.extend(format!("\"{name}\":{{\"mediaType\":\"{}\",\"value\":", media.name()).bytes());
            out.extend(value);
            out.push(b'}');
        }
        out.push(b'}');
        respond(Media::Json, out)
    }

    /// As it is kept with a job.
    fn bits(self) -> u8 {
        u8::from(self.plan) | u8::from(self.scenario) << 1 | u8::from(self.is_raw) << 2
    }

    fn of_bits(bits: u8) -> Self {
        let has = |bit: u8| bits & bit != 0;
        Self { plan: has(1), scenario: has(2), is_raw: has(4) }
    }
}

/// An input by its name, taken out of those given.
fn take<T>(
    given: &mut Map<String, Value>,
    name: &str,
    wanted: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    match given.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(&value).map(Some).ok_or_else(|| ApiError::bad_value(name, &value.to_string(), wanted)),
    }
}

/// An input that is the name of something.
fn named<T>(
    given: &mut Map<String, Value>,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, ApiError> {
    take(given, name, &format!("one of {}", words.join(", ")), |value| value.as_str().and_then(read))
}

/// The policy, by the parameters that every analysis has; they are taken out of those given.
fn policy(snapshot: &Snapshot, given: &mut Map<String, Value>) -> Result<Policy, ApiError> {
    let as_text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut texts = BTreeMap::new();
    for name in POLICY_NAMES {
        match given.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                texts.insert(name.to_owned(), items.iter().map(as_text).collect::<Vec<_>>().join(","));
            }
            Some(value) => _ = texts.insert(name.to_owned(), as_text(&value)),
        }
    }
    Query::of(texts).policy(&snapshot.served.policy)
}

/// Does a job: what is asked of the study as it is now.
pub(crate) fn run(app: &App, request: &[u8], live: &Live) -> Result<Found, ApiError> {
    let snapshot = app.snapshot();
    let served = &snapshot.served;
    let study = &served.study;
    let mut asked = Asked::read(&snapshot, request)?;
    let candidates = asked.candidates(study)?;
    let Asked { ask, question, policy, called, .. } = &asked;
    live.tell(5);
    let refuse = |why: SitingError| ApiError::of_parameter(refused(&why, study).en);
    let goes_on = |_: &Progress| live.goes_on();
    let sited = ask.instance(study, policy, &candidates, app.options.job_bytes, None, &goes_on).map_err(refuse)?;
    live.tell(20);
    let watch = |progress: &Progress| {
        live.tell_search(progress);
        live.tell(20 + (40.0 * (progress.seconds / ask.time_limit).min(1.0)) as u8);
        live.goes_on()
    };
    let plan = ask.plan(&sited, question, &watch).map_err(refuse)?;
    live.tell(60);
    let curve = ask.curve(&sited, question, &plan, &goes_on).map_err(refuse)?;
    let answer = SitePlan { study, policy, sited: &sited, candidates: &candidates, plan: &plan };
    let mut out = Vec::new();
    let written = answer.write(&mut out, ask.asked(called), &curve, served.extract_date.as_deref());
    written.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Found {
        plan: out,
        scenario: answer.scenario(SITING).to_string().into_bytes(),
        objective: plan.objective,
        bound: plan.bound,
    })
}

/// Whether a client would rather be told of a job than wait.
fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|line| line.split([',', ';'])).any(|item| item.trim().eq_ignore_ascii_case("respond-async"))
}

/// `POST /processes/{id}/execution`
async fn execute(app: Arc<App>, request: Request, id: String) -> Result<Response, ApiError> {
    check_process(&id)?;
    Query::parse(request.uri().query(), &[])?;
    let (parts, request) = body::read(&app, request, &["application/json"]).await?;
    let base = app.base(&parts)?;
    let is_async = prefers_async(&parts.headers);
    let snapshot = app.snapshot();
    let work = Arc::clone(&app);
    let submit = move || {
        let mut asked = Asked::read(&snapshot, &request)?;
        let candidates = asked.candidates(&snapshot.served.study)?;
        let is_small = candidates.len() as f64 * asked.ask.time_limit <= SMALL;
        work.jobs.submit(&work, &request, asked.form.bits()).map(|(id, live)| (id, live, is_small))
    };
    let (id, live, is_small) = app.workers.run(submit).await??;
    if is_small && !is_async {
        // A client who waits too long is told of the job instead.
        let patience = app.options.request_timeout / 2;
        if tokio::time::timeout(patience, live.done()).await.is_ok() {
            return results(app, id).await;
        }
    }
    let told = stored(&app, &id).await?;
    let mut response = as_json(StatusCode::CREATED, &status_info(&base, &told));
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("{base}/jobs/{id}")) {
        headers.insert(LOCATION, location);
    }
    if is_async {
        headers.insert("preference-applied", HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

fn no_such_job(id: &str) -> ApiError {
    let detail = format!("there is no job \"{}\": it was dismissed, or is long done", shortened(id));
    ApiError::not_found(detail).of_kind(NO_SUCH_JOB)
}

async fn stored(app: &Arc<App>, id: &str) -> Result<Job, ApiError> {
    let (work, asked) = (Arc::clone(app), id.to_owned());
    let job = app.writers.run(move || work.jobs.get(&asked)).await??;
    job.ok_or_else(|| no_such_job(id))
}

/// How a job stands, as the standard's `statusInfo`.
fn status_info(base: &str, job: &Job) -> Value {
    let here = format!("{base}/jobs/{}", job.id);
    let mut links = vec![
        link("self", Media::Json, "This job", here.clone()),
        link("up", Media::Json, "All jobs", format!("{base}/jobs")),
    ];
    if matches!(job.status, Status::Successful | Status::Failed) {
        links.push(link(REL_RESULTS, Media::Json, "Its results", format!("{here}/results")));
    }
    let gap =
        job.objective.zip(job.bound).map(|(objective, bound)| (bound - objective).abs() / objective.abs().max(1e-9));
    let members = [
        ("processID", json!(SITING)),
        ("type", json!("process")),
        ("jobID", json!(job.id)),
        ("status", json!(job.status.name())),
        ("message", json!(job.message)),
        ("created", json!(job.created)),
        ("started", json!(job.started)),
        ("finished", json!(job.finished)),
        ("progress", json!(job.percent)),
        ("incumbent", json!(job.objective)),
        ("bound", json!(job.bound)),
        ("gap", json!(gap)),
        ("links", links.into()),
    ];
    let known = members.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// `GET /jobs`
async fn jobs(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let base = app.base(&parts)?;
    let mut query = Query::parse(parts.uri.query(), &["limit", "offset", "f"])?;
    query.word("f", &["json"])?;
    let limit = query.count("limit", 1, JOBS_MAX)?.unwrap_or(JOBS_DEFAULT);
    let offset = query.count("offset", 0, u32::MAX as usize)?.unwrap_or(0);
    let work = Arc::clone(&app);
    let mut jobs = app.writers.run(move || work.jobs.list(limit + 1, offset)).await??;
    let mut links = vec![link("self", Media::Json, "These jobs", format!("{base}/jobs{}", query.canonical()))];
    if jobs.len() > limit {
        jobs.truncate(limit);
        let next = query.with(&[("offset", Some((offset + limit).to_string()))]);
        links.push(link("next", Media::Json, "Older jobs", format!("{base}/jobs{next}")));
    }
    let jobs: Vec<Value> = jobs.iter().map(|job| status_info(&base, job)).collect();
    Ok(as_json(StatusCode::OK, &json!({ "jobs": jobs, "links": links })))
}

/// `GET /jobs/{id}`
async fn job(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    check_form(&parts)?;
    let base = app.base(&parts)?;
    Ok(as_json(StatusCode::OK, &status_info(&base, &stored(&app, &id).await?)))
}

/// `DELETE /jobs/{id}`
async fn dismiss(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    check_form(&parts)?;
    let base = app.base(&parts)?;
    let (work, asked) = (Arc::clone(&app), id.clone());
    let job = app.writers.run(move || work.jobs.dismiss(&asked)).await??;
    let job = job.ok_or_else(|| no_such_job(&id))?;
    Ok(as_json(StatusCode::OK, &status_info(&base, &job)))
}

/// `GET /jobs/{id}/results`
async fn results(app: Arc<App>, id: String) -> Result<Response, ApiError> {
    let job = stored(&app, &id).await?;
    match job.status {
        Status::Failed => return Err(ApiError::of_job(job.code, job.message.unwrap_or_default())),
        Status::Successful => {}
        status => {
            let detail = format!("the job is {}: its results are there when it is done", status.name());
            return Err(ApiError::not_found(detail).of_kind(NOT_READY));
        }
    }
    let (work, asked) = (Arc::clone(&app), id.clone());
    let found = app.writers.run(move || work.jobs.found(&asked)).await??;
    Ok(Form::respond(found.ok_or_else(|| no_such_job(&id))?))
}
