//! The collections: what they are, their pages and their single features (OGC API Features, Part 1).

use crate::analysis::{Analysis, Features, Layer, Snapshot};
use crate::app::App;
use crate::circles::{CIRCLE_NAMES, Circles, Question};
use crate::problem::{ApiError, shortened};
use crate::query::{Bbox, PAGE_NAMES, POLICY_NAMES, Page, Query, number, truth};
use crate::reply::{Media, Reply};
use crate::work::Workers;
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::demand::Outline;
use carecircle_core::geometry::Shape;
use carecircle_core::other::OtherColumns;
use carecircle_core::policy::Policy;
use carecircle_formats::geojson::{self, Drawing};
use geo::{Coord, Intersects, Rect};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
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
    Circles,
}

impl Collection {
    pub(crate) const ALL: [Self; 5] = [Self::Blocks, Self::Gaps, Self::Facilities, Self::Areas, Self::Circles];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Gaps => "gaps",
            Self::Facilities => "facilities",
            Self::Areas => "areas",
            Self::Circles => "circles",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Blocks => "Residential blocks 居住地块",
            Self::Gaps => "Gaps: blocks outside the childcare circle 托育服务圈外地块",
            Self::Facilities => "Childcare facilities 托育机构",
            Self::Areas => "Administrative areas 行政区",
            Self::Circles => "Childcare circles 托育服务圈",
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
            Self::Circles => {
                "From where the facilities that count are reached on foot within the limit: as one (split=none), one circle \
                 for each facility (split=facility), or as one divided by which facility is nearest (split=nearest)."
            }
        }
    }

    /// Where its features stand, whatever the question; circles are drawn for each anew.
    pub(crate) fn layer(self) -> Option<Layer> {
        match self {
            Self::Blocks | Self::Gaps => Some(Layer::Blocks),
            Self::Facilities => Some(Layer::Facilities),
            Self::Areas => Some(Layer::Areas),
            Self::Circles => None,
        }
    }

    /// The parameters by which its features are computed.
    pub(crate) fn parameters(self) -> impl Iterator<Item = &'static str> {
        let own = if self == Self::Circles { &CIRCLE_NAMES[..] } else { &[] };
        POLICY_NAMES.into_iter().chain(own.iter().copied())
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
    pub(crate) const FACILITIES: [(&str, ColumnType); 23] = [
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
        ("opened", Text),
        ("closed", Text),
        ("counted", Truth),
        ("snap_m", Number),
        ("entrances", Number),
        ("area", Text),
    ];

    /// What the properties of an area hold, in the order of [`geojson::AREA_PROPERTIES`].
    pub(crate) const AREAS: [(&str, ColumnType); 21] = [
        ("id", Text),
        ("name", Text),
        ("name_zh", Text),
        ("name_en", Text),
        ("level", Text),
        ("parent", Text),
        ("population", Number),
        ("under3", Number),
        ("communities", Integer),
        ("kindergartens", Integer),
        ("blocks", Integer),
        ("covered", Integer),
        ("partial", Integer),
        ("uncovered", Integer),
        ("children", Number),
        ("covered_children", Number),
        ("covered_share", Number),
        ("facilities", Integer),
        ("unplaced_children", Number),
        ("moved_share", Number),
        ("covered_share_by_footprint", Number),
    ];

    /// What the properties of a circle hold, in the order of [`geojson::CIRCLE_PROPERTIES`].
    pub(crate) const CIRCLES: [(&str, ColumnType); 6] = [
        ("id", Text),
        ("minutes", Number),
        ("facility", Text),
        ("facility_name", Text),
        ("profile", Text),
        ("speed_kmh", Number),
    ];

    /// The properties of a collection: our own, then the columns that pass through from tables, as text.
    pub(crate) fn of<'a>(own: &[(&str, ColumnType)], others: impl Iterator<Item = &'a OtherColumns>) -> Vec<Self> {
        let passed: BTreeSet<&str> = others.flat_map(OtherColumns::iter).map(|(name, _)| name).collect();
        let passed = passed.into_iter().filter(|name| !own.iter().any(|(own, _)| own == name));
        let passed = passed.map(|name| Self { name: name.to_owned(), holds: Text });
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
    if let Some(bbox) = snapshot.extent(collection) {
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
    let snapshot = app.snapshot_asked(&parts)?;
    let base = app.base(&parts)?;
    let columns = snapshot.columns(collection);
    let names = columns.iter().filter(|c| c.is_choosable()).map(|c| c.name.as_str());
    let mut known: Vec<&str> = PAGE_NAMES.into_iter().chain(collection.parameters()).collect();
    known.extend(names.filter(|n| *n != "inclusive"));
    let mut query = Query::parse(parts.uri.query(), &known)?;
    query.word("f", &["geojson", "json"])?;
    query.datetime()?;
    let page = query.page()?;
    let bbox = query.bbox()?;
    let asked = Asked::read(&mut query, &snapshot, collection)?;
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
    let (found, hit) = asked.answer(&snapshot, &app.workers).await?;
    reply.analysed(hit);
    let choice = Choice { collection, bbox, conditions };
    reply.write(&app, move || Ok(write_page(&snapshot, &found, &choice, page, &query, &format!("{base}{path}")))).await
}

/// What the features of a collection are computed by.
enum Asked {
    Verdicts { layer: Layer, gaps_only: bool, policy: Policy },
    Circles(Question),
}

impl Asked {
    fn read(query: &mut Query, snapshot: &Snapshot, collection: Collection) -> Result<Self, ApiError> {
        let policy = query.policy(&snapshot.served.policy)?;
        match collection.layer() {
            Some(layer) => Ok(Self::Verdicts { layer, gaps_only: collection == Collection::Gaps, policy }),
            None => Ok(Self::Circles(Question { policy, split: query.split()?, drawing: query.drawing()? })),
        }
    }

    /// Whether the feature of that id stands in the collection; `None` where that takes a computation to tell.
    fn knows(&self, snapshot: &Snapshot, id: &str) -> Option<bool> {
        match self {
            Self::Verdicts { layer, gaps_only, .. } => {
                let is_there = snapshot.index_of(*layer, id).is_some();
                (!(is_there && *gaps_only)).then_some(is_there)
            }
            Self::Circles(_) => None,
        }
    }

    /// The features, and whether they were computed already.
    async fn answer(self, snapshot: &Arc<Snapshot>, workers: &Workers) -> Result<(Found, bool), ApiError> {
        match self {
            Self::Verdicts { layer, gaps_only, policy } => {
                let (analysis, hit) = snapshot.analysis(workers, policy).await?;
                Ok((Found::Verdicts { layer, gaps_only, analysis }, hit))
            }
            Self::Circles(question) => {
                let (circles, hit) = snapshot.circles_of(workers, question).await?;
                Ok((Found::Circles(circles), hit))
            }
        }
    }
}

/// The features of a collection. Gaps are known by the numbers of their blocks.
enum Found {
    Verdicts { layer: Layer, gaps_only: bool, analysis: Arc<Analysis> },
    Circles(Arc<Circles>),
}

impl Found {
    fn features(&self) -> &Features {
        match self {
            Self::Verdicts { layer, analysis, .. } => analysis.features(*layer),
            Self::Circles(circles) => &circles.features,
        }
    }

    fn drawings<'a>(&'a self, snapshot: &'a Snapshot) -> &'a [Drawing] {
        match self {
            Self::Verdicts { layer, .. } => snapshot.drawings_of(*layer),
            Self::Circles(circles) => &circles.drawings,
        }
    }

    /// The shape of a feature on the plan; `None` for a point.
    fn shape<'a>(&'a self, snapshot: &'a Snapshot, i: usize) -> Option<&'a Shape> {
        let study = &snapshot.served.study;
        match self {
            Self::Circles(circles) => Some(&circles.shapes[i]),
            Self::Verdicts { layer: Layer::Areas, .. } => Some(study.areas().shape(i)),
            Self::Verdicts { layer: Layer::Facilities, .. } => None,
            Self::Verdicts { layer: Layer::Blocks, .. } => match &study.demand().blocks[i].outline {
                Outline::Shape(shape) => Some(shape),
                Outline::Point(_) => None,
            },
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Verdicts { gaps_only: true, analysis, .. } => analysis.gaps.len(),
            _ => self.features().len(),
        }
    }

    /// The number of the n-th feature.
    fn nth(&self, n: usize) -> usize {
        match self {
            Self::Verdicts { gaps_only: true, analysis, .. } => analysis.gaps[n],
            _ => n,
        }
    }

    /// The number of the feature of that id.
    fn find(&self, snapshot: &Snapshot, id: &str) -> Result<usize, ApiError> {
        let id_shown = shortened(id);
        match self {
            Self::Circles(circles) => circles.index_of(id).ok_or_else(|| {
                ApiError::not_found(format!(
                    "circles hold no feature \"{id_shown}\" with split={}: with split=none it is \"all\", otherwise the id of \
                     a facility that counts and is near a street",
                    circles.question.split.name()
                ))
            }),
            Self::Verdicts { layer, gaps_only, analysis } => {
                let found = snapshot.index_of(*layer, id);
                let found = found.ok_or_else(|| ApiError::not_found(format!("there is no feature \"{id_shown}\"")))?;
                if *gaps_only && analysis.gaps.binary_search(&found).is_err() {
                    let limit = analysis.coverage.policy.minutes;
                    return Err(ApiError::not_found(format!(
                        "block \"{id_shown}\" is covered within {limit} minutes, so it is no gap: find it under \
                         /collections/blocks/items"
                    )));
                }
                Ok(found)
            }
        }
    }

    fn about(&self, snapshot: &Snapshot) -> Map<String, Value> {
        let served = &snapshot.served;
        match self {
            Self::Verdicts { analysis, .. } => {
                geojson::about(&served.study, &analysis.coverage, served.extract_date.as_deref())
            }
            Self::Circles(circles) => circles.about(served),
        }
    }

    /// Whether a feature's geometry has a point in common with a box. The feature's own box decides, except where the
    /// edge of the box asked for runs through it.
    fn touches(&self, snapshot: &Snapshot, i: usize, bbox: Bbox) -> bool {
        let Some([west, south, east, north]) = self.drawings(snapshot)[i].bbox else { return false };
        bbox.parts().any(|[w, s, e, n]| {
            if west > e || east < w || south > n || north < s {
                return false;
            }
            if west >= w && east <= e && south >= s && north <= n {
                return true;
            }
            let window = Rect::new(Coord { x: w, y: s }, Coord { x: e, y: n });
            let projection = snapshot.served.study.network().projection();
            self.shape(snapshot, i).is_none_or(|shape| projection.unproject_shape(shape).intersects(&window))
        })
    }
}

/// Which features of a collection are asked for.
struct Choice {
    collection: Collection,
    bbox: Option<Bbox>,
    conditions: Vec<Condition>,
}

impl Choice {
    /// How many features match, and which of them are on the page.
    fn page(&self, snapshot: &Snapshot, found: &Found, page: Page) -> (usize, Vec<usize>) {
        let all = found.count();
        if self.bbox.is_none() && self.conditions.is_empty() {
            let end = page.offset.saturating_add(page.limit).min(all);
            return (all, (page.offset.min(end)..end).map(|n| found.nth(n)).collect());
        }
        let matching: Vec<usize> = (0..all)
            .map(|n| found.nth(n))
            .filter(|&i| self.bbox.is_none_or(|bbox| found.touches(snapshot, i, bbox)))
            .filter(|&i| self.conditions.iter().all(|c| c.holds(found.features(), i)))
            .collect();
        let on_page = matching.iter().copied().skip(page.offset).take(page.limit).collect();
        (matching.len(), on_page)
    }
}

fn write_page(snapshot: &Snapshot, found: &Found, choice: &Choice, page: Page, query: &Query, here: &str) -> Vec<u8> {
    let (matched, on_page) = choice.page(snapshot, found, page);
    let collection = choice.collection;
    let parent = here.trim_end_matches("/items").to_owned();
    let mut links = vec![
        link("self", Media::GeoJson, "This page", format!("{here}{}", query.canonical())),
        link("collection", Media::Json, collection.title(), parent),
    ];
    // Never a next page that is empty: some clients would fetch it.
    let end = page.offset.saturating_add(on_page.len());
    if !on_page.is_empty() && end < matched {
        let next = query.with(&[
            ("offset", Some(end.to_string())),
            ("limit", Some(page.limit.to_string())),
            ("revision", Some(snapshot.served.revision.clone())),
        ]);
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
    let mut members = found.about(snapshot);
    members.insert("numberMatched".to_owned(), json!(matched));
    members.insert("numberReturned".to_owned(), json!(on_page.len()));
    members.insert("links".to_owned(), Value::Array(links));
    let (features, drawings) = (found.features(), found.drawings(snapshot));
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
    let known: Vec<&str> = ["f"].into_iter().chain(collection.parameters()).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    query.word("f", &["geojson", "json"])?;
    let asked = Asked::read(&mut query, &snapshot, collection)?;
    let is_known = asked.knows(&snapshot, &feature);
    if is_known == Some(false) {
        let detail = format!("{} hold no feature \"{}\"", collection.id(), shortened(&feature));
        return Err(ApiError::not_found(detail));
    }
    let encoded: String = form_urlencoded::byte_serialize(feature.as_bytes()).collect();
    // In a path a plus is a plus.
    let path = format!("/collections/{}/items/{}", collection.id(), encoded.replace('+', "%20"));
    let question = path.clone() + &query.canonical();
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    // That it is there comes before "you have it already".
    if is_known == Some(true)
        && let Some(response) = reply.early(&parts.headers)
    {
        return Ok(response);
    }
    let (found, hit) = asked.answer(&snapshot, &app.workers).await?;
    let i = found.find(&snapshot, &feature)?;
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(hit);
    let write = move || {
        let mut out = Vec::new();
        found.features().push(&mut out, &found.drawings(&snapshot)[i], i);
        let mut members = found.about(&snapshot);
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
        assert_eq!(Column::CIRCLES.map(|(name, _)| name), geojson::CIRCLE_PROPERTIES);
    }
}
