//! What the features of a collection hold, as JSON Schema: whole features (`/schema`, from which GDAL takes the types of
//! its fields), and what they can be chosen by (`/queryables`, OGC API Features, Part 3).

use crate::analysis::Snapshot;
use crate::app::App;
use crate::collections::{Collection, Column, ColumnType};
use crate::problem::ApiError;
use crate::reply::Media;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use carecircle_core::coverage::{BlockStatus, Reason};
use carecircle_core::demand::ChildrenFrom;
use carecircle_core::facility::{Kind, Status};
use carecircle_core::place::AreaLevel;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The relation of queryables, by the standard.
pub(crate) const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

type PathOr = Result<Path<String>, PathRejection>;

/// `GET /collections/{c}/schema` and `/queryables`
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/collections/{c}/schema",
            get(|State(app), path: PathOr, parts: Parts| document(app, path, parts, features)),
        )
        .route(
            "/collections/{c}/queryables",
            get(|State(app), path: PathOr, parts: Parts| document(app, path, parts, queryables)),
        )
}

async fn document(
    app: Arc<App>,
    path: PathOr,
    parts: Parts,
    write: fn(&Snapshot, &str, Collection) -> Value,
) -> Result<Response, ApiError> {
    let Path(id) = path.map_err(crate::app::bad_path)?;
    let collection = Collection::named(&id)?;
    app.document(&parts, Media::Schema, move |snapshot, base| write(snapshot, base, collection)).await
}

/// The links of a collection at `here` to both. GDAL looks for `describedBy`, others for the registered `describedby`.
pub(crate) fn links(here: &str) -> [Value; 3] {
    let link = |rel: &str, title: &str, path: &str| json!({ "rel": rel, "type": Media::Schema.name(), "title": title, "href": format!("{here}/{path}") });
    [
        link("describedBy", "What its features hold", "schema"),
        link("describedby", "What its features hold", "schema"),
        link(QUERYABLES, "What its features can be chosen by", "queryables"),
    ]
}

/// A whole feature. GDAL reads a property's type only where it is a single word and the schema is that of a feature; that any
/// property may be null is said in words. It makes a field of the feature's `id` itself, and would have the property of that
/// name as a second one.
fn features(snapshot: &Snapshot, base: &str, collection: Collection) -> Value {
    let geometry = match collection {
        Collection::Facilities => json!(["Point"]),
        Collection::Blocks | Collection::Gaps => json!(["Point", "Polygon", "MultiPolygon"]),
        Collection::Areas | Collection::Circles => json!(["Polygon", "MultiPolygon"]),
    };
    let columns = snapshot.columns(collection).iter().filter(|column| column.name != "id");
    json!({
        "$schema": DIALECT,
        "$id": format!("{base}/collections/{}/schema", collection.id()),
        "title": collection.title(),
        "description": "A feature. What is not known is null, whatever the type of its property; its id is among the properties too.",
        "type": "object",
        "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": { "type": "string", "enum": ["Feature"] },
            "id": { "type": "string" },
            "geometry": {
                "type": "object",
                "required": ["type", "coordinates"],
                "properties": { "type": { "type": "string", "enum": geometry }, "coordinates": { "type": "array" } },
            },
            "properties": { "type": "object", "properties": properties(collection, columns) },
        },
    })
}

/// What `filter` understands: every property, and the geometry. What `name=value` doesn't take is said to be for filters.
fn queryables(snapshot: &Snapshot, base: &str, collection: Collection) -> Value {
    let columns = snapshot.columns(collection);
    let mut properties = properties(collection, columns.iter());
    for column in columns.iter().filter(|column| !column.is_choosable()) {
        let told = &mut properties[&column.name];
        let meaning = told["description"].as_str().map(|meaning| format!("{meaning}. ")).unwrap_or_default();
        told["description"] = json!(meaning + "For filter alone: as a parameter the name means something else");
    }
    let geometry = json!({
        "title": "geometry", "format": "geometry-any", "x-ogc-role": "primary-geometry",
        "description": "Where it is. For filter alone",
    });
    properties.insert("geometry".to_owned(), geometry);
    json!({
        "$schema": DIALECT,
        "$id": format!("{base}/collections/{}/queryables", collection.id()),
        "title": collection.title(),
        "description": "What features can be chosen by",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// Each column with its type, its words where they are a closed list, and what it means.
fn properties<'a>(collection: Collection, columns: impl Iterator<Item = &'a Column>) -> Map<String, Value> {
    let described = columns.map(|column| {
        let mut property = column.holds.schema();
        let enumerated = words(collection, &column.name).map(|words| ("enum", json!(words)));
        let described = meaning(collection, &column.name).map(|meaning| ("description", json!(meaning)));
        let said = [("title", json!(column.name))].into_iter().chain(enumerated).chain(described);
        property.extend(said.map(|(name, value)| (name.to_owned(), value)));
        (column.name.clone(), property.into())
    });
    described.collect()
}

impl ColumnType {
    /// The type in JSON Schema, and in OpenAPI.
    pub(crate) fn schema(self) -> Map<String, Value> {
        let (kind, format) = match self {
            Self::Text => ("string", None),
            Self::Day => ("string", Some("date")),
            Self::Number => ("number", None),
            Self::Integer => ("integer", None),
            Self::Truth => ("boolean", None),
        };
        let members = std::iter::once(("type", kind)).chain(format.map(|format| ("format", format)));
        members.map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// All that a property may say, where that is a closed list.
fn words(collection: Collection, column: &str) -> Option<Vec<&'static str>> {
    Some(match (collection, column) {
        (Collection::Blocks, "status") => BlockStatus::ALL.iter().map(|s| s.name()).collect(),
        (Collection::Gaps, "status") => vec![BlockStatus::Partial.name(), BlockStatus::Uncovered.name()],
        (Collection::Blocks | Collection::Gaps, "reason") => Reason::ALL.iter().map(|r| r.name()).collect(),
        (Collection::Blocks | Collection::Gaps, "demand") => ChildrenFrom::ALL.iter().map(|c| c.name()).collect(),
        (Collection::Blocks | Collection::Gaps, "estimated_from") => vec!["floor", "residents", "land"],
        (Collection::Facilities, "kind") => Kind::ALL.iter().map(|k| k.name()).collect(),
        (Collection::Facilities, "status") => Status::ALL.iter().map(|s| s.name()).collect(),
        (Collection::Areas, "level") => AreaLevel::ALL.iter().map(|l| l.name()).collect(),
        _ => return None,
    })
}

/// What a property of ours means, where its name doesn't say all.
fn meaning(collection: Collection, column: &str) -> Option<&'static str> {
    let of_any = match column {
        "covered_share" => "The share of its children within the limit, 0 to 1",
        "children" => "Children under three",
        "population" => "Residents",
        _ => "",
    };
    let own = match collection {
        Collection::Blocks | Collection::Gaps => match column {
            "status" => "covered: at least the policy's share of its children live within the limit; partial: some do",
            "minutes" => {
                "The walk at the middle of its demand, minutes, beyond the limit too; null where there is none. As a parameter \
                 minutes is the limit"
            }
            "nearest_facility" => "The id of the facility that this walk leads to",
            "reason" => "Why it is not covered: what holds for most of its children outside the limit",
            "demand" => "Where the number of children comes from",
            "estimated_from" => "What an estimate of children rests on",
            "area" => "The id of the smallest area that contains it",
            "open_gate" => "The gate or private way that, open to the public, would cover most of this gap",
            "open_gate_children" => "How many children more would be within the limit then",
            _ => of_any,
        },
        Collection::Facilities => match column {
            "places_infant" | "places_toddler" | "places_senior" => "Places in groups of that age",
            "enrolled" => "Children that have a place",
            "staff_certified" => "Staff with a certificate",
            "health_manager" => "Whether it has somebody for health",
            "min_months" => "The youngest that it takes, months",
            "max_months" => "The oldest that it takes, months",
            "opened" => "The day that it opened",
            "closed" => "The first day that it is closed",
            "counted" => "Whether the policy asked for counts it",
            "snap_m" => "How far it lies off the nearest street, metres",
            "entrances" => "How many entrances are known",
            "area" => "The id of the smallest area that contains it",
            _ => of_any,
        },
        Collection::Areas => match column {
            "parent" => "The id of the area that it lies in",
            "under3" => "Children under three, as the table gives them",
            "blocks" => "Blocks in it",
            "covered" | "partial" | "uncovered" => "Blocks of that status",
            "covered_children" => "Children within the limit",
            "facilities" => "Facilities in it that count",
            "unplaced_children" => "Children of the table whom no block holds",
            "moved_share" => {
                "The share of its children whom footprints in place of floor areas would put into another block"
            }
            "covered_share_by_footprint" => "What the covered share would be then",
            _ => of_any,
        },
        Collection::Circles => match column {
            "minutes" => "The limit, minutes of walking",
            "facility" => "The id of the facility around which it is; null where it is around all",
            "profile" => "Who walks",
            "speed_kmh" => "Walking speed, km/h",
            _ => of_any,
        },
    };
    (!own.is_empty()).then_some(own)
}

/// What the API document says of both.
pub(crate) fn paths() -> [(&'static str, Value); 2] {
    let operation = |id: &str, summary: &str| {
        let parameters = [crate::openapi::parameter("collectionId"), crate::openapi::forms(&["json", "html"])];
        let answer = crate::openapi::with_page(json!({ Media::Schema.name(): { "schema": { "type": "object" } } }));
        crate::openapi::operation(id, "features", summary, &parameters, &answer, &["400", "404"])
    };
    [
        (
            "/collections/{collectionId}/schema",
            operation("getSchema", "What the features of a collection hold, as JSON Schema"),
        ),
        (
            "/collections/{collectionId}/queryables",
            operation("getQueryables", "What the features of a collection can be chosen by, as JSON Schema"),
        ),
    ]
}
