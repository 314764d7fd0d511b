//! The processes' part of the OpenAPI document.

use super::{JOBS_DEFAULT, JOBS_MAX};
use crate::jobs::{QUEUE, Status};
use crate::openapi::{content, forms, in_path, in_query, json_answer, method, with_page};
use crate::reply::Media;
use serde_json::{Value, json};

/// What may be asked of their paths.
pub(crate) fn paths() -> Vec<(String, Value)> {
    let operation = |id: &str, summary: &str, parameters: &[Value], answers, errors: &[&str]| {
        method(id, "processes", summary, parameters, answers, errors)
    };
    let text = json!({ "type": "string" });
    let (process, job) = (in_path("processID", &text), in_path("jobId", &text));
    let limit = |most: usize, default: usize| {
        let schema = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default });
        in_query("limit", "How many are listed at most; a larger number is taken for the maximum", &schema)
    };
    let offset = in_query("offset", "How many before them are left out", &json!({ "type": "integer", "minimum": 0 }));
    let json_alone = forms(&["json"]);
    let ok = |description: &str, schema: &str| vec![("200", json_answer(description, schema))];
    let results = || {
        let mut results = json_answer("The results", "Results");
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
        vec![("200", results()), ("201", json_answer("The job that will answer", "StatusInfo"))],
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
