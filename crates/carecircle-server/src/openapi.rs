//! The API described by itself: an OpenAPI 3.0.3 document, by hand, that holds exactly what exists.
//!
//! GDAL, QGIS and the OGC test suite read version 3.0 only, and read it literally: `style` is written out where it is
//! the default, page sizes come from the schema of `limit`, and a property is filtered by the server only if it is
//! declared as a parameter.

use crate::analysis::Snapshot;
use crate::collections::{CRS84, Collection, Column, FORMS};
use crate::compare;
use crate::cql2::LENGTH_MAX;
use crate::isochrones::{self, BANDS, DIRECTIONS};
use crate::processes;
use crate::query::{
    BANDS_MAX, FILTER_LANGUAGES, FILTER_SYSTEMS, LIMIT_DEFAULT, LIMIT_MAX, POLICY_NAMES, policy_names, profile_names,
};
use crate::reload;
use crate::reply::Media;
use crate::scenarios;
use crate::schema;
use crate::tiles;
use carecircle_core::facility::{Eligibility, Kind, Status};
use carecircle_core::indicators::{Indicator, Mark};
use carecircle_core::isochrone::{Drawing, Split};
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::Policy;
use carecircle_core::time::Speed;
use carecircle_formats::profile::SIGNAL_DELAYS_S;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

/// The whole document.
pub(crate) fn document(snapshot: &Snapshot, base: &str) -> Value {
    let served = &snapshot.served;
    let mut schemas = schemas();
    tiles::add_schemas(&mut schemas);
    processes::add_schemas(&mut schemas);
    scenarios::add_schemas(&mut schemas);
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": served.title,
            "description": "Who can walk to childcare within 15 minutes, and who cannot.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Data: Open Database License 1.0", "url": "https://opendatacommons.org/licenses/odbl/1-0/" },
        },
        "servers": [{ "url": base }],
        "tags": [
            { "name": "about", "description": "What there is" },
            { "name": "features", "description": "OGC API Features" },
            { "name": "tiles", "description": "OGC API Tiles, and TileJSON" },
            { "name": "enquiries", "description": "Isochrones and indicators" },
            { "name": "scenarios", "description": "Facilities opened, closed and changed in thought" },
            { "name": "processes", "description": "OGC API Processes: siting studies as jobs" },
            { "name": "health", "description": "For whoever runs the service" },
        ],
        "paths": paths(snapshot),
        "components": {
            "parameters": parameters(&served.policy),
            "responses": responses(),
            "schemas": schemas,
        },
    })
}

/// A parameter that the document declares.
pub(crate) fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// The parameter `f`, of an answer that there is in these representations.
pub(crate) fn forms(forms: &[&str]) -> Value {
    let description = "The representation; where there are several, by Accept without it";
    in_query("f", description, &json!({ "type": "string", "enum": forms }))
}

/// What may be asked of a path, and what answers.
pub(crate) fn operation(
    id: &str,
    tag: &str,
    summary: &str,
    parameters: &[Value],
    answer: &Value,
    errors: &[&str],
) -> Value {
    let known = json!({ "description": "The client has the answer (If-None-Match)" });
    let answers = vec![("200", json!({ "description": "The answer", "content": answer })), ("304", known)];
    json!({ "get": method(id, tag, summary, parameters, answers, errors) })
}

/// A method other than a plain `GET`: what answers, by status, and what errors there are.
pub(crate) fn method(
    id: &str,
    tag: &str,
    summary: &str,
    parameters: &[Value],
    answers: Vec<(&str, Value)>,
    errors: &[&str],
) -> Value {
    let mut responses: Map<String, Value> =
        answers.into_iter().map(|(status, answer)| (status.to_owned(), answer)).collect();
    for status in errors.iter().chain(&["default"]) {
        responses.insert((*status).to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    json!({ "operationId": id, "tags": [tag], "summary": summary, "parameters": parameters, "responses": responses })
}

/// An answer in JSON.
pub(crate) fn json_answer(description: &str, schema: &str) -> Value {
    json!({ "description": description, "content": content("application/json", schema) })
}

/// An answer that there is as a page too.
pub(crate) fn with_page(mut content: Value) -> Value {
    content["text/html"] = json!({ "schema": { "type": "string" } });
    content
}

fn essence(media: Media) -> &'static str {
    media.name().split(';').next().unwrap_or_default()
}

pub(crate) fn content(media: &str, schema: &str) -> Value {
    json!({ media: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn paths(snapshot: &Snapshot) -> Value {
    let page = || forms(&["json", "html"]);
    let mut paths = Map::new();
    let mut add = |path: &str, operation: Value| paths.insert(path.to_owned(), operation);
    let landing = with_page(content("application/json", "LandingPage"));
    add(
        "/",
        operation(
            "getLandingPage",
            "about",
            "Landing page, or the map",
            &[page(), parameter("lang"), parameter("scenario")],
            &landing,
            &["400"],
        ),
    );
    add(
        "/conformance",
        operation(
            "getConformance",
            "about",
            "Conformance classes",
            &[page()],
            &with_page(content("application/json", "Conformance")),
            &["400"],
        ),
    );
    add(
        "/api",
        operation(
            "getApi",
            "about",
            "This document",
            &[page()],
            &with_page(json!({ "application/vnd.oai.openapi+json;version=3.0": { "schema": { "type": "object" } } })),
            &["400"],
        ),
    );
    add(
        "/collections",
        operation(
            "getCollections",
            "features",
            "The collections",
            &[page()],
            &with_page(content("application/json", "Collections")),
            &["400"],
        ),
    );
    add(
        "/collections/{collectionId}",
        operation(
            "getCollection",
            "features",
            "A collection",
            &[parameter("collectionId"), page()],
            &with_page(content("application/json", "Collection")),
            &["400", "404"],
        ),
    );
    add(
        "/collections/streets",
        operation(
            "getCollection.streets",
            "tiles",
            "The streets, which are there as tiles alone",
            &[page()],
            &with_page(content("application/json", "Collection")),
            &["400"],
        ),
    );
    let mut page_forms = with_page(content("application/geo+json", "FeatureCollection"));
    for media in [Media::Csv, Media::GeoJsonSeq] {
        page_forms[essence(media)] = json!({ "schema": { "type": "string" } });
    }
    page_forms[essence(Media::FlatGeobuf)] = json!({ "schema": { "type": "string", "format": "binary" } });
    for (path, operation) in schema::paths() {
        add(path, operation);
    }
    for collection in Collection::ALL {
        let (id, path) = (collection.id(), format!("/collections/{}/items", collection.id()));
        let columns = snapshot.columns(collection);
        let mut page: Vec<Value> =
            ["limit", "offset", "revision", "bbox", "datetime", "resultType", "crs", "bbox-crs"].map(parameter).into();
        page.push(forms(&FORMS));
        page.extend(["filter", "filter-lang", "filter-crs"].map(parameter));
        page.extend(collection.parameters().map(parameter));
        // `inclusive` is a parameter of the analysis already; it chooses facilities as well.
        page.extend(columns.iter().filter(|c| c.is_choosable() && c.name != "inclusive").map(equality));
        add(
            &path,
            operation(
                &format!("getFeatures.{id}"),
                "features",
                collection.title(),
                &page,
                &page_forms,
                if collection == Collection::Circles { &["400", "410", "422"] } else { &["400", "410"] },
            ),
        );
        let mut single = vec![parameter("featureId"), forms(&["geojson", "json", "html"]), parameter("crs")];
        single.extend(collection.parameters().map(parameter));
        add(
            &format!("{path}/{{featureId}}"),
            operation(
                &format!("getFeature.{id}"),
                "features",
                collection.title(),
                &single,
                &with_page(content("application/geo+json", "Feature")),
                if collection == Collection::Circles { &["400", "404", "422"] } else { &["400", "404"] },
            ),
        );
    }
    let place = [
        "lon",
        "lat",
        "facility",
        "scenario",
        "bands",
        "direction",
        "depth",
        "tolerance",
        "profile",
        "speed_kmh",
        "signal_delay_s",
        "crs",
    ];
    let mut place: Vec<Value> = place.map(parameter).into();
    place.push(forms(&["geojson", "json"]));
    let bands = content("application/geo+json", "FeatureCollection");
    let mut isochrones = operation(
        "getIsochrones",
        "enquiries",
        "From where a place is reached on foot, one polygon per band: either around lon and lat, or a facility",
        &place,
        &bands,
        &["400", "404", "422"],
    );
    let mut many = operation(
        "postIsochrones",
        "enquiries",
        "From where each of several points is reached on foot, one polygon per point and band",
        &place[4..],
        &bands,
        &["400", "408", "413", "415", "422"],
    );
    many["get"]["requestBody"] = isochrones::points_body();
    isochrones["post"] = many["get"].take();
    add("/isochrones", isochrones);
    let mut summary = vec![parameter("by"), forms(&["json", "csv"])];
    summary.extend(POLICY_NAMES.map(parameter));
    let mut sheet = content("application/json", "Summary");
    sheet["text/csv"] = json!({ "schema": { "type": "string" } });
    add("/summary", operation("getSummary", "enquiries", "Indicators per area", &summary, &sheet, &["400"]));
    crate::walks::paths(&mut add);
    for (path, item) in compare::paths().into_iter().chain(scenarios::paths()) {
        add(path, item);
    }
    for (path, id, text) in [
        ("/healthz", "getHealth", "Whether the process lives"),
        ("/readyz", "getReadiness", "Whether it can answer (503 when not), and whether an older study serves"),
        ("/metrics", "getMetrics", "What the service counts, for Prometheus"),
    ] {
        let answer = json!({ "text/plain": { "schema": { "type": "string" } } });
        add(path, operation(id, "health", text, &[], &answer, &["400"]));
    }
    paths.extend(tiles::paths());
    paths.extend(processes::paths());
    for (path, item) in reload::paths() {
        paths.insert(path.to_owned(), item);
    }
    paths.into()
}

/// `property=value`.
fn equality(column: &Column) -> Value {
    let description = format!("Only features whose {} is this", column.name);
    in_query(&column.name, &description, &column.holds.schema().into())
}

pub(crate) fn in_query(name: &str, description: &str, schema: &Value) -> Value {
    json!({
        "name": name, "in": "query", "required": false, "style": "form", "explode": false,
        "description": description, "schema": schema,
    })
}

pub(crate) fn in_path(name: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "style": "simple", "schema": schema })
}

/// The parameters that operations refer to, by name.
fn parameters(policy: &Policy) -> Value {
    let all = [of_pages(), of_analyses(policy), of_drawings()].concat();
    let named = all.into_iter().map(|parameter| (parameter["name"].as_str().unwrap_or_default().to_owned(), parameter));
    let mut out: Map<String, Value> = named.collect();
    let bands = json!({
        "type": "array", "minItems": 1, "maxItems": BANDS_MAX, "default": BANDS, "items": number(Policy::MINUTES, None),
    });
    // What is one limit elsewhere.
    out.insert("bands".to_owned(), in_query("minutes", "The bands, minutes of walking", &bands));
    out.into()
}

fn number(range: RangeInclusive<f64>, default: Option<f64>) -> Value {
    let mut schema = json!({ "type": "number", "minimum": range.start(), "maximum": range.end() });
    if let Some(default) = default {
        schema["default"] = json!(default);
    }
    schema
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// What chooses features and how they are written.
fn of_pages() -> Vec<Value> {
    vec![
        in_path("collectionId", &words(&Collection::ALL.map(Collection::id))),
        in_path("featureId", &json!({ "type": "string" })),
        in_query(
            "limit",
            "Features on a page; a larger number is taken for the maximum. Without it, csv, geojsonseq and fgb hold all that \
             matches",
            &json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
        ),
        in_query("offset", "Features before the page", &json!({ "type": "integer", "minimum": 0, "default": 0 })),
        in_query(
            "revision",
            "The revision of the data that a next link goes on in; 410 when it is served no more. Best left to links",
            &json!({ "type": "string" }),
        ),
        in_query(
            "bbox",
            "West, south, east, north in degrees (or with heights, six numbers; or in the order of the axes of bbox-crs); west of its \
             east it spans the date line",
            &json!({ "type": "array", "minItems": 4, "maxItems": 6, "items": { "type": "number" } }),
        ),
        in_query(
            "datetime",
            "An RFC 3339 instant or interval; no feature here has a time, so all of them match",
            &json!({ "type": "string", "pattern": datetime_pattern() }),
        ),
        in_query(
            "crs",
            "The coordinate system of the answer, by its URI: those of the collection's crs, or another of the EPSG register; axes \
             run as its definition says (latitude first in EPSG:4326 and 4490, northing first in the zones of CGCS2000). Or gcj02 \
             or bd09, longitude first. A feature that the system doesn't reach has no geometry",
            &json!({ "type": "string", "default": CRS84 }),
        ),
        in_query(
            "bbox-crs",
            "The coordinate system of bbox, as in crs",
            &json!({ "type": "string", "default": CRS84 }),
        ),
        in_query(
            "resultType",
            "results: the page of features; hits: only how many match, as numberMatched",
            &words(&["results", "hits"]),
        ),
        in_query(
            "filter",
            "Only features of which this is true, in CQL2: status <> 'covered' AND children > 25, \
             S_INTERSECTS(geometry, BBOX(116.3,39.9,116.4,40))",
            &json!({ "type": "string", "minLength": 1, "maxLength": LENGTH_MAX }),
        ),
        in_query(
            "filter-lang",
            "How the filter is written; cql-text is taken for cql2-text",
            &json!({ "type": "string", "enum": FILTER_LANGUAGES, "default": FILTER_LANGUAGES[0] }),
        ),
        in_query(
            "filter-crs",
            "The coordinates of the filter's geometries",
            &json!({
                "type": "string", "format": "uri", "enum": FILTER_SYSTEMS.map(|(uri, _)| uri), "default": FILTER_SYSTEMS[0].0,
            }),
        ),
        in_query("lang", "The language of the map; without it the browser's", &words(&["zh", "en"])),
    ]
}

/// What analyses are computed by.
pub(crate) fn of_analyses(policy: &Policy) -> Vec<Value> {
    let kinds: Vec<&str> = std::iter::once("all").chain(Kind::ALL.iter().map(|k| k.name())).collect();
    let steps: Vec<&str> = Status::ALL.iter().map(|s| s.name()).collect();
    vec![
        in_query(
            "scenario",
            "The id of a scenario, by whose facilities all is told; without it by those that there are",
            &json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
        ),
        in_query(
            "policy",
            "By whose rules: limit, walk, facilities that count, share of a block's children, targets. Any other parameter goes \
             before what it says. Those of the service unless given",
            &words(&policy_names(policy)),
        ),
        in_query(
            "minutes",
            "The limit, minutes of walking (always the limit, never the property of that name)",
            &number(Policy::MINUTES, Some(policy.minutes)),
        ),
        in_query("profile", "Who walks", &words(&profile_names(&policy.profile))),
        in_query("speed_kmh", "Walking speed, km/h", &number(Speed::RANGE_KMH, None)),
        in_query(
            "signal_delay_s",
            "Seconds that a crossing with traffic lights costs",
            &number(SIGNAL_DELAYS_S, Some(policy.profile.signal_s)),
        ),
        in_query(
            "kinds",
            "Only facilities of these kinds count",
            &json!({ "type": "array", "minItems": 1, "items": words(&kinds) }),
        ),
        in_query(
            "inclusive",
            "Only facilities known to be inclusive (or known not to be) count; of the facilities only those are given",
            &json!({ "type": "boolean" }),
        ),
        in_query("facility_status", "Only facilities at or past this step count", &words(&steps)),
        in_query(
            "min_places",
            "Only facilities known to have at least so many places count",
            &json!({ "type": "integer", "minimum": 0 }),
        ),
        in_query(
            "child_months",
            "Only facilities that take a child of so many months count: by the ages that they tell and their places for it",
            &json!({
                "type": "integer",
                "minimum": Eligibility::CHILD_MONTHS.start(),
                "maximum": Eligibility::CHILD_MONTHS.end(),
            }),
        ),
        in_query(
            "with_vacancy",
            "Only facilities known to have a place that nobody has taken count",
            &json!({ "type": "boolean" }),
        ),
        in_query(
            "on",
            "Only facilities open on this day count; those that tell no dates are",
            &json!({ "type": "string", "format": "date" }),
        ),
    ]
}

/// Around where something is drawn, and how; and of which areas something is told.
fn of_drawings() -> Vec<Value> {
    vec![
        in_query("lon", "Longitude in degrees", &number(-180.0..=180.0, None)),
        in_query("lat", "Latitude in degrees", &number(-90.0..=90.0, None)),
        in_query("facility", "The id of a facility", &json!({ "type": "string", "minLength": 1 })),
        in_query(
            "direction",
            "Which way is walked: to the place, or from it",
            &json!({ "type": "string", "enum": DIRECTIONS, "default": DIRECTIONS[0] }),
        ),
        in_query(
            "split",
            "All circles as one, each facility's by itself, or as one divided by which facility is nearest",
            &json!({ "type": "string", "enum": Split::ALL.map(Split::name), "default": Split::None.name() }),
        ),
        in_query(
            "depth",
            "How far off a reached street a place still counts as reached, metres",
            &number(Drawing::DEPTH_M, Some(Drawing::default().depth_m)),
        ),
        in_query(
            "tolerance",
            "How far a simplified outline may lie from the full one, metres; 0 keeps every corner",
            &number(Drawing::TOLERANCE_M, Some(Drawing::default().tolerance_m)),
        ),
        in_query(
            "by",
            "The level of areas; the largest that there is unless given",
            &words(&AreaLevel::ALL.map(AreaLevel::name)),
        ),
    ]
}

/// What `datetime` takes, as a regular expression of JSON Schema.
fn datetime_pattern() -> String {
    let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
    let clock = "([01][0-9]|2[0-3]):[0-5][0-9]";
    let instant = format!(r"{date}([Tt]{clock}:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]{clock}))?");
    format!(r"^({instant}|(\.\.)?/{instant}|{instant}/(\.\.)?|{instant}/{instant})$")
}

fn responses() -> Value {
    json!({
        "Problem": {
            "description": "What went wrong and what to change (RFC 9457)",
            "content": content("application/problem+json", "Problem"),
        },
    })
}

fn schemas() -> Value {
    let links = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Link" } });
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number", "nullable": true });
    let indicator = |i: &Indicator| (i.name().to_owned(), json!({ "$ref": "#/components/schemas/Indicator" }));
    let indicators: Map<String, Value> = Indicator::ALL.iter().map(indicator).collect();
    let verdict = json!({ "type": "string", "enum": Mark::ALL.iter().map(|m| m.name()).collect::<Vec<_>>() });
    let missing = json!({ "type": "array", "items": text, "description": "What is missing to tell" });
    let geometry = json!({
        "type": "object", "nullable": true, "required": ["type", "coordinates"],
        "properties": {
            "type": { "type": "string", "enum": ["Point", "LineString", "Polygon", "MultiPolygon"] },
            "coordinates": { "type": "array", "items": {} },
        },
    });
    json!({
        "Link": {
            "type": "object", "required": ["href", "rel"],
            "properties": { "href": text, "rel": text, "type": text, "title": text },
        },
        "LandingPage": {
            "type": "object", "required": ["title", "links"],
            "properties": { "title": text, "description": text, "links": links },
        },
        "Conformance": {
            "type": "object", "required": ["conformsTo"],
            "properties": { "conformsTo": { "type": "array", "items": text } },
        },
        "Collections": {
            "type": "object", "required": ["links", "collections"],
            "properties": {
                "links": links,
                "collections": { "type": "array", "items": { "$ref": "#/components/schemas/Collection" } },
            },
        },
        "Collection": {
            "type": "object", "required": ["id", "links"],
            "properties": {
                "id": text, "title": text, "description": text, "itemType": text,
                "crs": { "type": "array", "items": text }, "storageCrs": text,
                "extent": { "type": "object" },
                "links": links,
            },
        },
        "FeatureCollection": {
            "type": "object", "required": ["type", "features"],
            "properties": {
                "type": { "type": "string", "enum": ["FeatureCollection"] },
                "features": { "type": "array", "items": { "$ref": "#/components/schemas/Feature" } },
                "links": links,
                "numberMatched": { "type": "integer", "minimum": 0 },
                "numberReturned": { "type": "integer", "minimum": 0 },
                "attribution": text,
                "extract_date": { "type": "string", "nullable": true },
                "parameters": { "type": "object", "description": "What the answer was computed with" },
            },
        },
        "Feature": {
            "type": "object", "required": ["type", "id", "geometry", "properties"],
            "properties": {
                "type": { "type": "string", "enum": ["Feature"] },
                "id": text,
                "geometry": geometry,
                "properties": { "type": "object" },
                "links": links,
            },
        },
        "Indicator": {
            "type": "object", "required": ["value", "numerator", "denominator", "missing", "formula"],
            "properties": {
                "value": number, "numerator": number, "denominator": number, "formula": text,
                "missing": { "type": "array", "items": text, "description": "Inputs that are missing; value is null then, and the numbers are what is known" },
            },
        },
        "Indicators": { "type": "object", "properties": indicators },
        "Summary": {
            "type": "object", "required": ["by", "minutes", "profile", "speed_kmh", "areas", "total", "policy", "targets"],
            "properties": {
                "by": text, "minutes": { "type": "number" }, "profile": text, "speed_kmh": { "type": "number" },
                "areas": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["id", "indicators"],
                        "properties": {
                            "id": text, "name": { "type": "string", "nullable": true },
                            "indicators": { "$ref": "#/components/schemas/Indicators" },
                        },
                    },
                },
                "total": {
                    "type": "object", "required": ["indicators"],
                    "properties": { "indicators": { "$ref": "#/components/schemas/Indicators" } },
                },
                "policy": {
                    "type": "object", "required": ["name", "source"],
                    "properties": { "name": text, "source": text },
                },
                "targets": { "type": "array", "items": { "$ref": "#/components/schemas/Target" } },
            },
        },
        "Target": {
            "type": "object",
            "required": ["indicator", "value", "bound", "target", "verdict", "missing", "source", "areas"],
            "properties": {
                "indicator": { "type": "string", "enum": Indicator::ALL.iter().map(|i| i.name()).collect::<Vec<_>>() },
                "value": number, "target": number, "numerator": number, "denominator": number, "formula": text,
                "bound": { "type": "string", "nullable": true, "description": "at_least, over or at_most; null where nobody names a number" },
                "verdict": verdict, "missing": missing,
                "sub_areas": { "type": "string", "nullable": true, "description": "The level of the sub-areas of area_share" },
                "year": { "type": "integer", "nullable": true, "description": "The year by whose end it is aimed at" },
                "source": text,
                "areas": {
                    "type": "array", "description": "The same of each area of the level",
                    "items": {
                        "type": "object", "required": ["id", "value", "verdict", "missing"],
                        "properties": { "id": text, "value": number, "verdict": verdict, "missing": missing },
                    },
                },
            },
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail", "instance"],
            "properties": {
                "type": text, "title": text, "status": { "type": "integer" }, "detail": text, "instance": text,
                "request_id": text, "parameter": text,
            },
        },
    })
}
