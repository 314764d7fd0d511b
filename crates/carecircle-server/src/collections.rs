//! The four collections: what they are, their pages and their single features (OGC API Features, Part 1).

use crate::analysis::{Analysis, Features, Layer, Snapshot};
use crate::app::App;
use crate::problem::{ApiError, shortened};
use crate::query::{Bbox, PAGE_NAMES, POLICY_NAMES, Page, Query, number, truth};
use crate::reply::{Media, Reply};
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::demand::Outline;
use carecircle_formats::geojson::{self, Drawing};
use geo::{Coord, Intersects, Rect};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// The coordinate system of everything here: longitude, latitude in degrees, WGS 84.
pub(crate) const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// A collection of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Blocks,
    Gaps,
    Facilities,
    Areas,
}

impl Collection {
    pub(crate) const ALL: [Self; 4] = [Self::Blocks, Self::Gaps, Self::Facilities, Self::Areas];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Gaps => "gaps",
            Self::Facilities => "facilities",
            Self::Areas => "areas",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Blocks => "Residential blocks 居住地块",
            Self::Gaps => "Gaps: blocks outside the childcare circle 托育服务圈外地块",
            Self::Facilities => "Childcare facilities 托育机构",
            Self::Areas => "Administrative areas 行政区",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Blocks => {
                "Every residential block with its verdict: whether its children can walk to childcare within the limit, \
                 how long it takes, and why not."
            }
            Self::Gaps => {
                "The blocks whose status is not covered, whole, with the ids and geometry they have in blocks."
            }
            Self::Facilities => "Every childcare facility, with whether the policy asked for counts it.",
            Self::Areas => "Administrative areas with the sums of their blocks and facilities.",
        }
    }

    pub(crate) fn layer(self) -> Layer {
        match self {
            Self::Blocks | Self::Gaps => Layer::Blocks,
            Self::Facilities => Layer::Facilities,
            Self::Areas => Layer::Areas,
        }
    }

    fn named(id: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.into_iter().find(|c| c.id() == id);
        found.ok_or_else(|| {
            let ids = Self::ALL.map(Self::id).join(", ");
            ApiError::not_found(format!("there is no collection \"{}\": there are {ids}", shortened(id)))
        })
    }
}

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    Number,
    Integer,
    Truth,
}

/// A property of a collection's features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) holds: ColumnType,
}

use ColumnType::{Integer, Number, Text, Truth};

impl Column {
    /// What the properties of a block hold, in the order of [`geojson::BLOCK_PROPERTIES`].
    pub(crate) const BLOCKS: [(&str, ColumnType); 14] = [
        ("id", Text),
        ("name", Text),
        ("status", Text),
        ("covered_share", Number),
        ("minutes", Number),
        ("nearest_facility", Text),
        ("reason", Text),
        ("children", Number),
        ("demand", Text),
        ("area", Text),
        ("estimated_from", Text),
        ("population", Number),
        ("open_gate", Text),
        ("open_gate_children", Number),
    ];

    /// What the properties of a facility hold, in the order of [`geojson::FACILITY_PROPERTIES`].
    pub(crate) const FACILITIES: [(&str, ColumnType); 21] = [
        ("id", Text),
        ("name", Text),
        ("name_zh", Text),
        ("name_en", Text),
        ("kind", Text),
        ("status", Text),
        ("inclusive", Truth),
        ("places", Integer),
        ("places_infant", Integer),
        ("places_toddler", Integer),
        ("places_senior", Integer),
        ("enrolled", Integer),
        ("staff", Integer),
        ("staff_certified", Integer),
        ("health_manager", Truth),
        ("min_months", Integer),
        ("max_months", Integer),
        ("counted", Truth),
        ("snap_m", Number),
        ("entrances", Number),
        ("area", Text),
    ];

    /// What the properties of an area hold, in the order of [`geojson::AREA_PROPERTIES`].
    pub(crate) const AREAS: [(&str, ColumnType); 16] = [
        ("id", Text),
        ("name", Text),
        ("name_zh", Text),
        ("name_en", Text),
        ("level", Text),
        ("parent", Text),
        ("population", Number),
        ("under3", Number),
        ("blocks", Integer),
        ("covered", Integer),
        ("partial", Integer),
        ("uncovered", Integer),
        ("children", Number),
        ("covered_children", Number),
        ("covered_share", Number),
        ("facilities", Integer),
    ];

    /// The properties of a collection: our own, then the columns that pass through from tables, as text.
    pub(crate) fn of<'a>(
        own: &[(&str, ColumnType)],
        others: impl Iterator<Item = &'a BTreeMap<String, String>>,
    ) -> Vec<Self> {
        let passed: BTreeSet<&String> = others.flat_map(BTreeMap::keys).collect();
        let passed = passed.into_iter().filter(|name| !own.iter().any(|(own, _)| own == name));
        let passed = passed.map(|name| Self { name: name.clone(), holds: Text });
        own.iter().map(|(name, holds)| Self { name: (*name).to_owned(), holds: *holds }).chain(passed).collect()
    }

    /// Whether features can be chosen by `name=value`. A parameter of the analysis keeps its own meaning: `minutes` is
    /// the limit. With `inclusive` both meanings agree, so that facilities can be chosen by it.
    pub(crate) fn is_choosable(&self) -> bool {
        let name = self.name.as_str();
        name == "inclusive" || !(PAGE_NAMES.contains(&name) || POLICY_NAMES.contains(&name))
    }
}

/// `property=value`, ready to be compared with a feature's JSON.
struct Condition {
    /// The name as it stands in JSON, from the comma before it to the colon after it.
    key: Vec<u8>,
    wanted: Wanted,
}

enum Wanted {
    /// The JSON text.
    Exactly(Vec<u8>),
    Number(f64),
}

impl Condition {
    fn read(query: &mut Query, column: &Column) -> Result<Option<Self>, ApiError> {
        let Some(text) = query.text(&column.name) else { return Ok(None) };
        let bad = |wanted: &str| ApiError::bad_value(&column.name, text, wanted);
        let wanted = match column.holds {
            Text => Wanted::Exactly(Value::from(text).to_string().into_bytes()),
            Truth => Wanted::Exactly(truth(text).ok_or_else(|| bad("true or false"))?.to_string().into_bytes()),
            Number => Wanted::Number(number(text).ok_or_else(|| bad("a number"))?),
            Integer => {
                let whole = number(text).filter(|v| v.fract() == 0.0);
                Wanted::Number(whole.ok_or_else(|| bad("a whole number"))?)
            }
        };
        Ok(Some(Self { key: format!(",{}:", Value::from(column.name.as_str())).into_bytes(), wanted }))
    }

    fn holds(&self, features: &Features, i: usize) -> bool {
        let Some(value) = features.property(i, &self.key) else { return false };
        match &self.wanted {
            Wanted::Exactly(text) => value == text,
            // Compared by value, as read from the same decimal text that the client saw.
            Wanted::Number(number) => {
                let value: Option<f64> = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                value.is_some_and(|v| {
                    v.to_bits() == number.to_bits() || (v - number).abs() <= f64::EPSILON * number.abs()
                })
            }
        }
    }
}

/// The links, and what stands beside them, that an answer starts with.
fn link(rel: &str, media: Media, title: &str, href: impl Into<String>) -> Value {
    json!({ "rel": rel, "type": media.name(), "title": title, "href": href.into() })
}

/// A collection's description.
pub(crate) fn metadata(snapshot: &Snapshot, base: &str, collection: Collection) -> Value {
    let here = format!("{base}/collections/{}", collection.id());
    let mut out = json!({
        "id": collection.id(),
        "title": collection.title(),
        "description": collection.description(),
        "itemType": "feature",
        "crs": [CRS84],
        "attribution": geojson::ATTRIBUTION,
        "links": [
            link("self", Media::Json, "This collection", here.clone()),
            link("items", Media::GeoJson, collection.title(), format!("{here}/items")),
            license(),
        ],
    });
    if let Some(bbox) = snapshot.extent(collection.layer()) {
        out["extent"] = json!({ "spatial": { "bbox": [bbox], "crs": CRS84 } });
    }
    out
}

fn license() -> Value {
    let href = "https://opendatacommons.org/licenses/odbl/1-0/";
    json!({ "rel": "license", "type": "text/html", "title": "Open Database License 1.0", "href": href })
}

/// `GET /collections`
pub(crate) async fn list(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    app.document(&parts, Media::Json, |snapshot, base| {
        let collections: Vec<Value> = Collection::ALL.iter().map(|&c| metadata(snapshot, base, c)).collect();
        json!({
            "links": [link("self", Media::Json, "The collections", format!("{base}/collections")), license()],
            "collections": collections,
        })
    })
    .await
}

/// `GET /collections/{c}`
pub(crate) async fn one(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    let collection = Collection::named(&id)?;
    app.document(&parts, Media::Json, move |snapshot, base| metadata(snapshot, base, collection)).await
}

/// `GET /collections/{c}/items`
pub(crate) async fn items(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let collection = Collection::named(&id)?;
    let snapshot = app.snapshot();
    let base = app.base(&parts)?;
    let columns = snapshot.columns(collection);
    let names = columns.iter().filter(|c| c.is_choosable()).map(|c| c.name.as_str());
    let mut known: Vec<&str> = PAGE_NAMES.into_iter().chain(POLICY_NAMES).collect();
    known.extend(names.filter(|n| *n != "inclusive"));
    let mut query = Query::parse(parts.uri.query(), &known)?;
    query.word("f", &["geojson", "json"])?;
    query.datetime()?;
    let page = query.page()?;
    let bbox = query.bbox()?;
    let policy = query.policy(&snapshot.served.policy)?;
    let mut conditions = Vec::new();
    for column in columns.iter().filter(|c| c.is_choosable()) {
        conditions.extend(Condition::read(&mut query, column)?);
    }
    let path = format!("/collections/{}/items", collection.id());
    let question = path.clone() + &query.canonical();
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let (analysis, hit) = snapshot.analysis(&app.workers, policy).await?;
    reply.analysed(hit);
    let choice = Choice { collection, bbox, conditions };
    reply
        .write(&app, move || Ok(write_page(&snapshot, &analysis, &choice, page, &query, &format!("{base}{path}"))))
        .await
}

/// Which features of a collection are asked for.
struct Choice {
    collection: Collection,
    bbox: Option<Bbox>,
    conditions: Vec<Condition>,
}

impl Choice {
    /// How many features match, and which of them are on the page.
    fn page(&self, snapshot: &Snapshot, analysis: &Analysis, page: Page) -> (usize, Vec<usize>) {
        let features = analysis.features(self.collection.layer());
        let nth = |n: usize| if self.collection == Collection::Gaps { analysis.gaps[n] } else { n };
        let all = if self.collection == Collection::Gaps { analysis.gaps.len() } else { features.len() };
        if self.bbox.is_none() && self.conditions.is_empty() {
            let end = page.offset.saturating_add(page.limit).min(all);
            return (all, (page.offset.min(end)..end).map(nth).collect());
        }
        let matching: Vec<usize> = (0..all)
            .map(nth)
            .filter(|&i| self.bbox.is_none_or(|bbox| touches(snapshot, self.collection.layer(), i, bbox)))
            .filter(|&i| self.conditions.iter().all(|c| c.holds(features, i)))
            .collect();
        let on_page = matching.iter().copied().skip(page.offset).take(page.limit).collect();
        (matching.len(), on_page)
    }
}

/// Whether a feature's geometry has a point in common with a box. The feature's own box decides, except where the edge
/// of the box asked for runs through it.
fn touches(snapshot: &Snapshot, layer: Layer, i: usize, bbox: Bbox) -> bool {
    let Some([west, south, east, north]) = snapshot.drawings_of(layer)[i].bbox else { return false };
    bbox.parts().any(|[w, s, e, n]| {
        if west > e || east < w || south > n || north < s {
            return false;
        }
        if west >= w && east <= e && south >= s && north <= n {
            return true;
        }
        let study = &snapshot.served.study;
        let shape = match layer {
            Layer::Blocks => match &study.demand().blocks[i].outline {
                Outline::Shape(shape) => shape,
                Outline::Point(_) => return true,
            },
            Layer::Areas => study.areas().shape(i),
            Layer::Facilities => return true,
        };
        let window = Rect::new(Coord { x: w, y: s }, Coord { x: e, y: n });
        study.network().projection().unproject_shape(shape).intersects(&window)
    })
}

fn about(snapshot: &Snapshot, analysis: &Analysis) -> Map<String, Value> {
    let served = &snapshot.served;
    geojson::about(&served.study, &analysis.coverage, served.extract_date.as_deref())
}

fn write_page(
    snapshot: &Snapshot,
    analysis: &Analysis,
    choice: &Choice,
    page: Page,
    query: &Query,
    here: &str,
) -> Vec<u8> {
    let (matched, on_page) = choice.page(snapshot, analysis, page);
    let collection = choice.collection;
    let parent = here.trim_end_matches("/items").to_owned();
    let mut links = vec![
        link("self", Media::GeoJson, "This page", format!("{here}{}", query.canonical())),
        link("collection", Media::Json, collection.title(), parent),
    ];
    // Never a next page that is empty: some clients would fetch it.
    let end = page.offset.saturating_add(on_page.len());
    if !on_page.is_empty() && end < matched {
        let next = query.with(&[("offset", Some(end.to_string())), ("limit", Some(page.limit.to_string()))]);
        links.push(link("next", Media::GeoJson, "Next page", format!("{here}{next}")));
    }
    if page.offset > 0 {
        let before = page.offset.min(matched).saturating_sub(page.limit);
        let offset = (before > 0).then(|| before.to_string());
        links.push(link(
            "prev",
            Media::GeoJson,
            "Previous page",
            format!("{here}{}", query.with(&[("offset", offset)])),
        ));
    }
    let mut members = about(snapshot, analysis);
    members.insert("numberMatched".to_owned(), json!(matched));
    members.insert("numberReturned".to_owned(), json!(on_page.len()));
    members.insert("links".to_owned(), Value::Array(links));
    let (features, drawings) = (analysis.features(collection.layer()), snapshot.drawings_of(collection.layer()));
    write_features(&members, &on_page, |out, &i| features.push(out, &drawings[i], i))
}

/// A FeatureCollection: its members, then one feature on each line.
pub(crate) fn write_features<T>(
    members: &Map<String, Value>,
    features: &[T],
    push: impl Fn(&mut Vec<u8>, &T),
) -> Vec<u8> {
    let mut out = b"{\"type\":\"FeatureCollection\"".to_vec();
    for (name, value) in members {
        out.extend_from_slice(format!(",{}:{value}", Value::from(name.as_str())).as_bytes());
    }
    out.extend_from_slice(b",\"features\":[");
    for (i, feature) in features.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        push(&mut out, feature);
    }
    out.extend_from_slice(b"\n]}\n");
    out
}

/// `GET /collections/{c}/items/{id}`
pub(crate) async fn item(app: Arc<App>, parts: Parts, id: String, feature: String) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let collection = Collection::named(&id)?;
    let snapshot = app.snapshot();
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["f"].into_iter().chain(POLICY_NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    query.word("f", &["geojson", "json"])?;
    let policy = query.policy(&snapshot.served.policy)?;
    let Some(i) = snapshot.index_of(collection.layer(), &feature) else {
        let detail = format!("{} hold no feature \"{}\"", collection.id(), shortened(&feature));
        return Err(ApiError::not_found(detail));
    };
    let encoded: String = form_urlencoded::byte_serialize(feature.as_bytes()).collect();
    // In a path a plus is a plus.
    let path = format!("/collections/{}/items/{}", collection.id(), encoded.replace('+', "%20"));
    let question = path.clone() + &query.canonical();
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    // Whether a block is a gap takes an analysis to tell, and comes before "you have it already".
    if collection != Collection::Gaps
        && let Some(response) = reply.early(&parts.headers)
    {
        return Ok(response);
    }
    let limit = policy.minutes;
    let (analysis, hit) = snapshot.analysis(&app.workers, policy).await?;
    if collection == Collection::Gaps {
        if analysis.gaps.binary_search(&i).is_err() {
            let detail = format!(
                "block \"{}\" is covered within {limit} minutes, so it is no gap: find it under /collections/blocks/items",
                shortened(&feature)
            );
            return Err(ApiError::not_found(detail));
        }
        if let Some(response) = reply.early(&parts.headers) {
            return Ok(response);
        }
    }
    reply.analysed(hit);
    let write = move || {
        let drawing: &Drawing = &snapshot.drawings_of(collection.layer())[i];
        let mut out = Vec::new();
        analysis.features(collection.layer()).push(&mut out, drawing, i);
        let mut members = about(&snapshot, &analysis);
        let links = json!([
            link("self", Media::GeoJson, "This feature", format!("{base}{question}")),
            link("collection", Media::Json, collection.title(), format!("{base}/collections/{}", collection.id())),
        ]);
        members.insert("links".to_owned(), links);
        // The members go before the brace that closes the feature.
        out.pop();
        for (name, value) in &members {
            out.extend_from_slice(format!(",{}:{value}", Value::from(name.as_str())).as_bytes());
        }
        out.extend_from_slice(b"}\n");
        Ok(out)
    };
    reply.write(&app, write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_that_features_carry() {
        assert_eq!(Column::BLOCKS.map(|(name, _)| name), geojson::BLOCK_PROPERTIES);
        assert_eq!(Column::FACILITIES.map(|(name, _)| name), geojson::FACILITY_PROPERTIES);
        assert_eq!(Column::AREAS.map(|(name, _)| name), geojson::AREA_PROPERTIES);
    }
}
