//! Scenarios: facilities opened, closed and changed in thought, kept under ids that what they say decides; and the study
//! with their facilities, which every analysis takes by `scenario=ID`.

use crate::analysis::Snapshot;
use crate::app::{App, bad_path};
use crate::body;
use crate::collections::link;
use crate::openapi::{content, forms, in_path, in_query, json_answer, method};
use crate::problem::{ApiError, shortened};
use crate::query::{Query, named};
use crate::reply::{Media, NEVER_KEPT, as_json, fnv1a};
use crate::store::{self, broken, forget_oldest, now, page};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use carecircle_core::facility::Facility;
use carecircle_core::profile::Profile;
use carecircle_core::study::Study;
use carecircle_formats::remark::Remark;
use carecircle_formats::scenario::{MOST_EDITS, Scenario};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Scenarios that are kept, and what they may take together: beyond that the oldest go.
const KEPT: usize = 1_000;
const KEPT_BYTES: usize = 64 << 20;
/// Scenarios on a page unless the client asks for another number.
const LISTED: usize = 100;

/// The file of a state directory.
const FILE: &str = "scenarios.sqlite";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS scenarios (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        name TEXT,
        open INTEGER NOT NULL,
        close INTEGER NOT NULL,
        change INTEGER NOT NULL,
        text TEXT NOT NULL
    ) STRICT;";

/// All scenarios.
pub(crate) struct Scenarios(Mutex<Connection>);

/// What is told of a scenario.
struct Kept {
    id: String,
    name: Option<String>,
    created: String,
    /// How many facilities it opens, closes and changes.
    edits: [usize; 3],
}

impl Scenarios {
    /// Those of a state directory, or none yet and in memory alone.
    ///
    /// # Errors
    /// Whatever [`store::open`] says.
    pub(crate) fn open(state_dir: Option<&std::path::Path>) -> io::Result<Self> {
        store::open(state_dir, FILE, TABLES).map(Mutex::new).map(Self)
    }

    fn store(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no scenario of that id yet; one that says something else is an error.
    fn is_new(&self, id: &str, text: &str) -> Result<bool, ApiError> {
        match self.text(id)? {
            Some(there) if there != text => {
                Err(ApiError::conflict(format!("another scenario has the id {id}: give this one another name")))
            }
            there => Ok(there.is_none()),
        }
    }

    /// Keeps a scenario as the newest, and lets the oldest go where there are too many.
    fn keep(&self, id: String, scenario: &Scenario, text: &str) -> Result<Kept, ApiError> {
        const KEEP: &str = concat!(
            "INSERT INTO scenarios (id, created, name, open, close, change, text) VALUES (?1, ",
            now!(),
            ", ?2, ?3, ?4, ?5, ?6) RETURNING created"
        );
        const TOO_MANY: &str = forget_oldest!("scenarios", "scenarios", "octet_length(text)");
        let [open, close, change] = scenario.edits().map(|edits| edits as i64);
        let mut store = self.store();
        let mut keep = || {
            let transaction = store.transaction()?;
            transaction.execute("DELETE FROM scenarios WHERE id = ?1", [&id])?;
            let row = params![id, scenario.name, open, close, change, text];
            let created = transaction.query_row(KEEP, row, |row| row.get(0))?;
            transaction.execute(TOO_MANY, params![KEPT as i64, KEPT_BYTES as i64])?;
            transaction.commit().map(|()| created)
        };
        let created = keep().map_err(broken)?;
        Ok(Kept { id, name: scenario.name.clone(), created, edits: scenario.edits() })
    }

    /// The text of the scenario of that id.
    fn text(&self, id: &str) -> Result<Option<String>, ApiError> {
        let text = "SELECT text FROM scenarios WHERE id = ?1";
        self.store().query_row(text, [id], |row| row.get(0)).optional().map_err(broken)
    }

    /// The scenarios after so many, the newest first.
    fn list(&self, limit: usize, offset: usize) -> Result<Vec<Kept>, ApiError> {
        let store = self.store();
        let all =
            "SELECT id, name, created, open, close, change FROM scenarios ORDER BY number DESC LIMIT ?1 OFFSET ?2";
        let kept = |row: &Row<'_>| {
            let edits = |column: usize| row.get::<_, i64>(column).map(|edits| edits as usize);
            let edits = [edits(3)?, edits(4)?, edits(5)?];
            Ok(Kept { id: row.get(0)?, name: row.get(1)?, created: row.get(2)?, edits })
        };
        let mut statement = store.prepare(all).map_err(broken)?;
        let rows = statement.query_map(params![limit as i64, offset as i64], kept);
        rows.and_then(Iterator::collect).map_err(broken)
    }

    /// Forgets a scenario; whether there was one.
    fn forget(&self, id: &str) -> Result<bool, ApiError> {
        let gone = self.store().execute("DELETE FROM scenarios WHERE id = ?1", [id]);
        gone.map(|gone| gone > 0).map_err(broken)
    }
}

impl App {
    /// The study as it is now, with the facilities of the scenario that a query names.
    pub(crate) async fn snapshot_for(self: &Arc<Self>, parts: &Parts) -> Result<Arc<Snapshot>, ApiError> {
        self.after_named(self.snapshot(), parts).await
    }

    /// The study with the facilities of the scenario that a query names.
    pub(crate) async fn after_named(
        self: &Arc<Self>,
        snapshot: Arc<Snapshot>,
        parts: &Parts,
    ) -> Result<Arc<Snapshot>, ApiError> {
        match named(parts.uri.query(), "scenario") {
            Some(id) => self.after(&snapshot, "scenario", id).await,
            None => Ok(snapshot),
        }
    }

    /// The study with the facilities of the scenario that a parameter names.
    pub(crate) async fn after(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        parameter: &'static str,
        id: String,
    ) -> Result<Arc<Snapshot>, ApiError> {
        if let Some(kept) = snapshot.after_if_kept(&id) {
            return Ok(kept);
        }
        let (app, snapshot) = (Arc::clone(self), Arc::clone(snapshot));
        self.workers.run(move || app.after_now(&snapshot, parameter, &id)).await?
    }

    /// As [`App::after`], by whoever has a thread to do so.
    pub(crate) fn after_now(&self, snapshot: &Snapshot, parameter: &str, id: &str) -> Result<Arc<Snapshot>, ApiError> {
        snapshot.after(id, |snapshot| {
            let is_id = id.len() == 16 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            if !is_id {
                return Err(ApiError::bad_value(parameter, id, "the id of a scenario: sixteen digits from 0 to f"));
            }
            let unfit =
                |why| ApiError::bad_parameter(parameter, &format!("scenario {id} fits the data no more: {why}"));
            with_facilities_of(snapshot, &self.scenario(id)?, id).map_err(|why| unfit(why.en))
        })
    }

    /// The scenario of that id.
    pub(crate) fn scenario(&self, id: &str) -> Result<Scenario, ApiError> {
        let text = self.scenarios.text(id)?.ok_or_else(|| unknown(id))?;
        Scenario::parse(text.as_bytes()).map_err(|why| ApiError::internal(format!("scenario {id}: {}", why.en)))
    }
}

/// The study with the facilities of a scenario.
fn with_facilities_of(snapshot: &Snapshot, scenario: &Scenario, id: &str) -> Result<Study, Remark> {
    let study = &snapshot.served.study;
    let fit = |facility: &Facility| snapshot.check_inside(facility.at);
    let mut facilities: Vec<Facility> = study.facilities().iter().map(|sited| sited.facility.clone()).collect();
    scenario.apply(&mut facilities, &mut BTreeMap::new(), fit)?;
    let mut after = study.with_other_facilities(facilities, snapshot.walkers(&Profile::walk()).weights());
    let before = study.scenario.as_ref().map(|before| format!("{before}+"));
    after.scenario = Some(before.unwrap_or_default() + id);
    Ok(after)
}

pub(crate) fn routes() -> Router<Arc<App>> {
    type InPath = Result<Path<String>, PathRejection>;
    let id = |path: InPath| path.map(|Path(id)| id).map_err(bad_path);
    Router::new()
        .route(
            "/scenarios",
            get(|State(app), parts: Parts| list(app, parts)).post(|State(app), request: Request| add(app, request)),
        )
        .route(
            "/scenarios/{id}",
            get(move |State(app), path: InPath, parts: Parts| async move { one(app, parts, id(path)?).await }).delete(
                move |State(app), path: InPath, parts: Parts| async move { forget(app, parts, id(path)?).await },
            ),
        )
}

/// Where the scenarios are told.
pub(crate) fn link_to_scenarios(base: &str) -> Value {
    link(
        "related",
        Media::Json,
        "Scenarios: facilities opened, closed and changed in thought",
        format!("{base}/scenarios"),
    )
}

/// Their part of the OpenAPI document.
pub(crate) fn paths() -> [(&'static str, Value); 2] {
    let operation = |id: &str, summary: &str, parameters: &[Value], answers, errors: &[&str]| {
        method(id, "scenarios", summary, parameters, answers, errors)
    };
    let id = in_path("scenarioId", &json!({ "type": "string" }));
    let limit = in_query(
        "limit",
        "How many are listed at most; a larger number is taken for the maximum",
        &json!({ "type": "integer", "minimum": 1, "maximum": KEPT, "default": LISTED }),
    );
    let offset = in_query("offset", "How many before them are left out", &json!({ "type": "integer", "minimum": 0 }));
    let list = operation(
        "getScenarios",
        "The scenarios, the newest first",
        &[limit, offset, forms(&["json"])],
        vec![("200", json_answer("The scenarios", "ScenarioList"))],
        &["400"],
    );
    let mut add = operation(
        "postScenario",
        &format!(
            "Keeps a scenario of at most {MOST_EDITS} facilities, which every analysis takes by its id; beyond {KEPT}, or {} MB, \
             the oldest go",
            KEPT_BYTES >> 20
        ),
        &[],
        vec![
            ("200", json_answer("It was there already", "ScenarioInfo")),
            ("201", json_answer("The scenario in short", "ScenarioInfo")),
        ],
        &["400", "408", "409", "413", "415"],
    );
    add["requestBody"] = json!({ "required": true, "content": content("application/json", "Scenario") });
    let one = operation(
        "getScenario",
        "A scenario, as check, report, site and serve take it with --scenario",
        &[id.clone(), forms(&["json"])],
        vec![("200", json_answer("The scenario", "Scenario"))],
        &["400", "404"],
    );
    let gone = json!({ "description": "It is forgotten" });
    let forget = operation("deleteScenario", "Forgets a scenario", &[id], vec![("204", gone)], &["400", "404"]);
    [
        ("/scenarios", json!({ "get": list, "post": add })),
        ("/scenarios/{scenarioId}", json!({ "get": one, "delete": forget })),
    ]
}

/// The schemas that [`paths`] refers to.
pub(crate) fn add_schemas(schemas: &mut Value) {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let links = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Link" } });
    let facility = |required: &[&str]| {
        json!({
            "type": "object", "required": required,
            "properties": { "id": text, "lon": { "type": "number" }, "lat": { "type": "number" } },
        })
    };
    schemas["Scenario"] = json!({
        "type": "object", "additionalProperties": false,
        "description": "Facilities as rows of a table, their columns as members",
        "properties": {
            "name": text,
            "open": { "type": "array", "items": facility(&["id", "lon", "lat"]) },
            "close": { "type": "array", "items": text },
            "change": { "type": "array", "items": facility(&["id"]) },
        },
    });
    schemas["ScenarioInfo"] = json!({
        "type": "object", "required": ["id", "created", "open", "close", "change", "links"],
        "properties": {
            "id": text, "name": text, "created": { "type": "string", "format": "date-time" },
            "open": count, "close": count, "change": count, "links": links,
        },
    });
    schemas["ScenarioList"] = json!({
        "type": "object", "required": ["scenarios", "links"],
        "properties": {
            "scenarios": { "type": "array", "items": { "$ref": "#/components/schemas/ScenarioInfo" } }, "links": links,
        },
    });
}

/// A scenario in short.
fn info(base: &str, kept: &Kept) -> Value {
    let Kept { id, name, created, edits: [open, close, change] } = kept;
    let with = |rel: &str, media: Media, title: &str, path: &str| {
        link(rel, media, title, format!("{base}{path}?{}={id}", if path == "/compare" { "b" } else { "scenario" }))
    };
    let mut out = json!({
        "id": id,
        "created": created,
        "open": open,
        "close": close,
        "change": change,
        "links": [
            link("self", Media::Json, "The scenario", format!("{base}/scenarios/{id}")),
            with("related", Media::GeoJson, "Blocks after it", "/collections/blocks/items"),
            with("related", Media::GeoJson, "Gaps after it", "/collections/gaps/items"),
            with("related", Media::Json, "Indicators after it", "/summary"),
            with("related", Media::GeoJson, "What changes by it", "/compare"),
        ],
    });
    if let Some(name) = name {
        out["name"] = json!(name);
    }
    out
}

/// `GET /scenarios`
async fn list(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let list = |app: &App, limit, offset| app.scenarios.list(limit, offset);
    page(app, &parts, "scenarios", [LISTED, KEPT], list, info).await
}

/// `POST /scenarios`
async fn add(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    Query::parse(request.uri().query(), &[])?;
    let (parts, given) = body::read(&app, request, &["application/json"]).await?;
    let base = app.base(&parts)?;
    let (work, snapshot) = (Arc::clone(&app), app.snapshot());
    let add = move || {
        let bad = |why: Remark| ApiError::bad_request(why.en);
        let scenario = Scenario::parse(&given).map_err(bad)?;
        // Members in order, numbers and signs in one form: who says the same is given the same id.
        let text = serde_json::from_slice::<Value>(given.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&given));
        let text = text.map_err(|why| ApiError::bad_request(why.to_string()))?.to_string();
        let id = format!("{:016x}", fnv1a(text.as_bytes()) >> 64);
        let is_new = work.scenarios.is_new(&id, &text)?;
        snapshot.after(&id, |snapshot| with_facilities_of(snapshot, &scenario, &id).map_err(bad))?;
        work.scenarios.keep(id, &scenario, &text).map(|kept| (kept, is_new))
    };
    let (kept, is_new) = app.workers.run(add).await??;
    let mut response = as_json(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &info(&base, &kept));
    if let Ok(location) = HeaderValue::try_from(format!("{base}/scenarios/{}", kept.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no scenario \"{}\": see /scenarios", shortened(id)))
}

/// `GET /scenarios/{id}`
async fn one(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    Query::parse(parts.uri.query(), &["f"])?.word("f", &["json"])?;
    let (work, asked) = (Arc::clone(&app), id.clone());
    let text = app.writers.run(move || work.scenarios.text(&asked)).await??;
    let text = text.ok_or_else(|| unknown(&id))?;
    Ok(([NEVER_KEPT, (CONTENT_TYPE, "application/json")], text).into_response())
}

/// `DELETE /scenarios/{id}`
async fn forget(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    Query::parse(parts.uri.query(), &[])?;
    let (work, asked) = (Arc::clone(&app), id.clone());
    let was_there = app.writers.run(move || work.scenarios.forget(&asked)).await??;
    app.snapshot().forget(&id);
    if was_there { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(unknown(&id)) }
}
