//! What is asked of the process `siting`: its inputs described, and read from a request.

use super::{SEARCH_MAX_S, SMALL};
use crate::analysis::Snapshot;
use crate::app::App;
use crate::jobs::Results;
use crate::openapi::of_analyses;
use crate::problem::ApiError;
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, NEVER_KEPT};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::Policy;
use carecircle_core::siting::Question;
use carecircle_formats::columns::Candidate;
use carecircle_formats::remark::Remark;
use carecircle_formats::scenario::Scenario;
use carecircle_formats::siting::{Ask, Objective, Places};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The inputs as a process description has them.
pub(super) fn inputs(policy: &Policy) -> Value {
    let Ask { objective, least_share, backup, spacing_m, time_limit, seed, level, .. } = Ask::default();
    let objectives = Objective::ALL.map(|objective| format!("{}: {}", objective.name(), objective.title())).join("; ");
    let part = |default: Option<f64>| json!({ "type": "number", "minimum": 0, "maximum": 1, "default": default });
    let number =
        |default: Option<f64>| json!({ "type": "number", "exclusiveMinimum": true, "minimum": 0, "default": default });
    let names = Places::NAMED.map(|(name, _)| name).join("|");
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
            "Where facilities could stand: a GeoJSON FeatureCollection, an array of objects, or what the map has, one name or \
             several between commas: every residential block, street corners, or anywhere for both; kindergartens that the \
             policy does not count, schools, community centres, public buildings, or osm for these four"
                .to_owned(),
            json!({
                "oneOf": [
                    { "type": "string", "pattern": format!("^({names})(,({names}))*$") },
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
pub(super) struct Form {
    plan: bool,
    scenario: bool,
    is_raw: bool,
}

/// A request to execute, read.
pub(super) struct Asked {
    /// The study that it is asked of.
    pub(super) snapshot: Arc<Snapshot>,
    /// What its facilities are those after.
    pub(super) before: Scenario,
    pub(super) ask: Ask,
    pub(super) question: Question,
    pub(super) policy: Policy,
    places: Places,
    /// What the candidates are called.
    pub(super) called: String,
    pub(super) form: Form,
}

impl Asked {
    pub(super) fn read(app: &App, request: &[u8]) -> Result<Self, ApiError> {
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
        let (mut snapshot, mut before) = (app.snapshot(), Scenario::default());
        if let Some(id) = take(&mut given, "scenario", "the id of a scenario", |id| id.as_str().map(str::to_owned))? {
            snapshot = app.after_now(&snapshot, "scenario", &id)?;
            before = app.scenario(&id)?;
        }
        let policy = policy(&snapshot, &mut given)?;
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
        let bad = |why: Remark| ApiError::of_parameter(why.en);
        let (places, called) = match given.remove("candidates").unwrap_or_else(|| "anywhere".into()) {
            Value::String(names) => (Places::named(&names).map_err(bad)?, names),
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
        Ok(Self { snapshot, before, ask, question, policy, places, called, form })
    }

    /// Where facilities could stand.
    pub(super) fn candidates(&mut self) -> Result<Vec<Candidate>, ApiError> {
        let places = std::mem::take(&mut self.places);
        if let Places::Given(given) = &places {
            for Candidate { id, at, .. } in given {
                let outside = |why: Remark| ApiError::bad_parameter("candidates", &format!("{id}: {}", why.en));
                self.snapshot.check_inside(*at).map_err(outside)?;
            }
        }
        let study = &self.snapshot.served.study;
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
    pub(super) fn respond(found: Results) -> Response {
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
    pub(super) fn bits(self) -> u8 {
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
