//! OGC API Processes: the process `siting`, asked by the names that the options of `carecircle site` have, and its jobs.

mod api;
mod asked;

use crate::app::{App, bad_path};
use crate::body;
use crate::collections::link;
use crate::jobs::{Found, Job, Live, Status};
use crate::problem::{ApiError, shortened};
use crate::query::Query;
use crate::reply::{Media, as_json};
use crate::store::page;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{HeaderValue, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use carecircle_core::siting::{Progress, SitingError};
use carecircle_formats::siting::{SitePlan, refused};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(crate) use api::{add_schemas, paths};
use asked::{Asked, Form, inputs};

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

/// Does a job: what is asked of the study as it is now.
pub(crate) fn run(app: &App, request: &[u8], live: &Live) -> Result<Found, ApiError> {
    let mut asked = Asked::read(app, request)?;
    let candidates = asked.candidates()?;
    let Asked { snapshot, before, ask, question, policy, called, .. } = &asked;
    let served = &snapshot.served;
    let study = &served.study;
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
        scenario: json!(before.clone().then(answer.scenario(SITING))).to_string().into_bytes(),
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
    let work = Arc::clone(&app);
    let submit = move || {
        let mut asked = Asked::read(&work, &request)?;
        let candidates = asked.candidates()?;
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
    let list = |app: &App, limit, offset| app.jobs.list(limit, offset);
    page(app, &parts, "jobs", [JOBS_DEFAULT, JOBS_MAX], list, status_info).await
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
