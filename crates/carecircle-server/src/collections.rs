//! The collections: what they are, their pages and their single features (OGC API Features, Part 1).

use crate::analysis::{Analysis, Features, Layer, Snapshot};
use crate::app::{App, URI_MAX};
use crate::circles::{CIRCLE_NAMES, Circles, Question};
use crate::cql2::{Expr, Place, Table};
use crate::download::{Contents, FileFormat};
use crate::html;
use crate::problem::{ApiError, shortened};
use crate::query::{PAGE_NAMES, POLICY_NAMES, Page, Query, Wanted};
use crate::reply::{Media, Reply, preferred};
use crate::schema;
use crate::systems::{Bbox, System, advertised};
use crate::tiles;
use crate::work::Workers;
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::demand::Outline;
use carecircle_core::geometry::Shape;
use carecircle_core::other::OtherColumns;
use carecircle_core::policy::Policy;
use carecircle_formats::geojson::{self, Drawing};
use geo::{Coord, Intersects};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Write;
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

    pub(crate) fn named(id: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.into_iter().find(|c| c.id() == id);
        found.ok_or_else(|| {
            let ids = Self::ALL.map(Self::id).join(", ");
            ApiError::not_found(format!(
                "there is no collection \"{}\" of features: there are {ids}; and {} as tiles",
                shortened(id),
                tiles::STREETS
            ))
        })
    }
}

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    /// As text, `2024-06-30`.
    Day,
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

use ColumnType::{Day, Integer, Number, Text, Truth};

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
        ("opened", Day),
        ("closed", Day),
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

/// An id as a step of a path.
pub(crate) fn in_path_encoded(id: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    // In a path a plus is a plus.
    encoded.replace('+', "%20")
}

/// The links, and what stands beside them, that an answer starts with.
pub(crate) fn link(rel: &str, media: Media, title: &str, href: impl Into<String>) -> Value {
    json!({ "rel": rel, "type": media.name(), "title": title, "href": href.into() })
}

/// A collection's description.
pub(crate) fn metadata(snapshot: &Snapshot, base: &str, collection: Collection) -> Value {
    let here = format!("{base}/collections/{}", collection.id());
    let mut links = vec![
        link("self", Media::Json, "This collection", here.clone()),
        link("alternate", Media::Html, "This collection, as a page", format!("{here}?f=html")),
        link("items", Media::GeoJson, collection.title(), format!("{here}/items")),
        link("enclosure", Media::Csv, "All of it as a table", format!("{here}/items?f=csv")),
        link(
            "enclosure",
            Media::GeoJsonSeq,
            "All of it as a GeoJSON text sequence",
            format!("{here}/items?f=geojsonseq"),
        ),
        link("enclosure", Media::FlatGeobuf, "All of it as FlatGeobuf", format!("{here}/items?f=fgb")),
        license(),
    ];
    links.push(tiles::link_to_tilesets(&format!("{here}/tiles")));
    links.extend(schema::links(&here));
    let mut out = json!({
        "id": collection.id(),
        "title": collection.title(),
        "description": collection.description(),
        "itemType": "feature",
        "crs": advertised(snapshot.extent(collection)),
        "storageCrs": CRS84,
        "attribution": geojson::ATTRIBUTION,
        "links": links,
    });
    if let Some(bbox) = snapshot.extent(collection) {
        out["extent"] = json!({ "spatial": { "bbox": [bbox], "crs": CRS84 } });
    }
    out
}

pub(crate) fn license() -> Value {
    let href = "https://opendatacommons.org/licenses/odbl/1-0/";
    json!({ "rel": "license", "type": "text/html", "title": "Open Database License 1.0", "href": href })
}

/// `GET /collections`
pub(crate) async fn list(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    app.document(&parts, Media::Json, |snapshot, base| {
        let collections: Vec<Value> = Collection::ALL.iter().map(|&c| metadata(snapshot, base, c)).collect();
        // Not among them: GDAL, asked for all layers, asks for the items of each, and gives up where there are none.
        let streets = format!("{base}/collections/{}", tiles::STREETS);
        json!({
            "links": [
                link("self", Media::Json, "The collections", format!("{base}/collections")),
                link("alternate", Media::Html, "The collections, as a page", format!("{base}/collections?f=html")),
                link("related", Media::Json, "The streets, as tiles alone", streets),
                license(),
            ],
            "collections": collections,
        })
    })
    .await
}

/// `GET /collections/{c}`
pub(crate) async fn one(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    if id == tiles::STREETS {
        return app.document(&parts, Media::Json, tiles::streets).await;
    }
    let collection = Collection::named(&id)?;
    app.document(&parts, Media::Json, move |snapshot, base| metadata(snapshot, base, collection)).await
}

/// `GET /collections/{c}/items`
pub(crate) async fn items(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let collection = Collection::named(&id)?;
    let snapshot = app.snapshot_asked(&parts).await?;
    let base = app.base(&parts)?;
    let columns = snapshot.columns(collection);
    let names = columns.iter().filter(|c| c.is_choosable()).map(|c| c.name.as_str());
    let mut known: Vec<&str> = PAGE_NAMES.into_iter().chain(collection.parameters()).collect();
    known.extend(names.filter(|n| *n != "inclusive"));
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let (media, file) = form(&parts, query.word("f", &FORMS)?);
    let Wanted { mut page, system, bbox, filter } = query.wanted(columns, snapshot.extent(collection))?;
    if file.is_some() && query.text("limit").is_none() {
        page.limit = usize::MAX;
    }
    let asked = Asked::read(&mut query, &snapshot, collection)?;
    let path = format!("/collections/{}/items", collection.id());
    let question = path.clone() + &query.canonical();
    // Whoever is given a page must be able to ask for the next.
    let paging = "&offset=4294967295&limit=10000".len();
    if question.len() + paging > URI_MAX {
        return Err(ApiError::uri_too_long(URI_MAX));
    }
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question).in_system(&system);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let (found, hit) = asked.answer(&snapshot, &app.workers).await?;
    reply.analysed(hit);
    let choice = Choice { collection, system, bbox, filter };
    if let Some((format, ending)) = file {
        let write = move |out: &mut dyn Write| {
            let (_, chosen) = choice.page(&snapshot, &found, page);
            let contents = Contents {
                name: collection.id(),
                columns: snapshot.columns(collection),
                crs: choice.system.crs(),
                is_north_first: choice.system.is_north_first(),
                chosen: &chosen,
                is_point: &|i| found.is_point(&snapshot, i),
                push: &|out, i| found.push(out, &snapshot, &choice.system, i),
            };
            contents.write(format, out)
        };
        return reply.stream(&app, &format!("{}.{ending}", collection.id()), write);
    }
    let page_bytes = app.options.page_bytes;
    let write = move || {
        let json = write_page(&snapshot, &found, &choice, page, page_bytes, &query, &format!("{base}{path}"));
        Ok(if media == Media::Html { as_page(&question, &json) } else { json })
    };
    reply.write(&app, write).await
}

/// What a page of features can be asked for as: `f`, and what is said by Accept.
pub(crate) const FORMS: [&str; 6] = ["geojson", "json", "html", "csv", "geojsonseq", "fgb"];

/// The representation of a page, and as which file; a page of GeoJSON unless something else is named or preferred.
fn form(parts: &Parts, named: Option<&str>) -> (Media, Option<(FileFormat, &'static str)>) {
    let offered = [Media::GeoJson, Media::Html, Media::Csv, Media::GeoJsonSeq, Media::FlatGeobuf];
    let media = match named {
        Some("html") => Media::Html,
        Some("csv") => Media::Csv,
        Some("geojsonseq") => Media::GeoJsonSeq,
        Some("fgb") => Media::FlatGeobuf,
        Some(_) => Media::GeoJson,
        None => preferred(parts, &offered),
    };
    let file = match media {
        Media::Csv => Some((FileFormat::Csv, "csv")),
        Media::GeoJsonSeq => Some((FileFormat::GeoJsonSeq, "geojsons")),
        Media::FlatGeobuf => Some((FileFormat::FlatGeobuf, "fgb")),
        _ => None,
    };
    (media, file)
}

/// GeoJSON that was written for programs, for people.
pub(crate) fn as_page(title: &str, json: &[u8]) -> Vec<u8> {
    html::page(title, &serde_json::from_slice(json).unwrap_or_default())
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
            None => Ok(Self::Circles(Question::read(query, policy)?)),
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

    fn places<'a>(&'a self, snapshot: &'a Snapshot) -> &'a [Option<Place>] {
        match self {
            Self::Verdicts { layer, .. } => snapshot.places_of(*layer),
            Self::Circles(circles) => circles.places(),
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
    fn touches(&self, snapshot: &Snapshot, i: usize, bbox: &Bbox) -> bool {
        let Some([west, south, east, north]) = self.drawings(snapshot)[i].bbox else { return false };
        bbox.parts.iter().any(|part| {
            let [w, s, e, n] = part.outer;
            if west > e || east < w || south > n || north < s {
                return false;
            }
            let [w, s, e, n] = part.inner;
            if west >= w && east <= e && south >= s && north <= n {
                return true;
            }
            match self.shape(snapshot, i) {
                None => part.outline.intersects(&Coord { x: west, y: south }),
                Some(shape) => {
                    let projection = snapshot.served.study.network().projection();
                    projection.unproject_shape(shape).intersects(&part.outline)
                }
            }
        })
    }

    /// Whether a feature is a point; `None` without a geometry.
    fn is_point(&self, snapshot: &Snapshot, i: usize) -> Option<bool> {
        self.drawings(snapshot)[i].bbox.map(|_| self.shape(snapshot, i).is_none())
    }

    /// Appends a feature, drawn in a system.
    fn push(&self, out: &mut Vec<u8>, snapshot: &Snapshot, system: &System, i: usize) {
        let features = self.features();
        match self {
            _ if system.is_stored() => features.push(out, &self.drawings(snapshot)[i], i),
            Self::Verdicts { layer, .. } => {
                snapshot.with_drawing(*layer, system, i, |drawing| features.push(out, drawing, i));
            }
            Self::Circles(circles) => features.push(out, &system.draw(&circles.drawings[i]), i),
        }
    }
}

/// Which features of a collection are asked for, and in which coordinate system.
struct Choice {
    collection: Collection,
    system: System,
    bbox: Option<Bbox>,
    filter: Option<Expr>,
}

impl Choice {
    /// How many features match, and which of them are on the page.
    fn page(&self, snapshot: &Snapshot, found: &Found, page: Page) -> (usize, Vec<usize>) {
        let all = found.count();
        if self.bbox.is_none() && self.filter.is_none() {
            let end = page.offset.saturating_add(page.limit).min(all);
            return (all, (page.offset.min(end)..end).map(|n| found.nth(n)).collect());
        }
        let columns = snapshot.columns(self.collection);
        let table = |filter| Table::new(filter, found.features(), columns, || found.places(snapshot));
        let filter = self.filter.as_ref().map(|filter| (filter, table(filter)));
        // What is unknown doesn't match.
        let matching: Vec<usize> = (0..all)
            .into_par_iter()
            .with_min_len(1_024)
            .map(|n| found.nth(n))
            .filter(|&i| self.bbox.as_ref().is_none_or(|bbox| found.touches(snapshot, i, bbox)))
            .filter(|&i| filter.as_ref().is_none_or(|(filter, table)| filter.truth(table, i) == Some(true)))
            .collect();
        let on_page = matching.iter().copied().skip(page.offset).take(page.limit).collect();
        (matching.len(), on_page)
    }
}

/// A page, with as many of the features asked for as so many bytes hold: the next page goes on from there.
fn write_page(
    snapshot: &Snapshot,
    found: &Found,
    choice: &Choice,
    page: Page,
    most_bytes: usize,
    query: &Query,
    here: &str,
) -> Vec<u8> {
    let (matched, on_page) = choice.page(snapshot, found, page);
    let (lines, returned) = feature_lines(&on_page, most_bytes, |out, &i| found.push(out, snapshot, &choice.system, i));
    let collection = choice.collection;
    let parent = here.trim_end_matches("/items").to_owned();
    let as_form = |query: &Query, form: &str| {
        let whole = (form != "html").then_some([("limit", None), ("offset", None)]);
        let changes: Vec<_> = whole.into_iter().flatten().chain([("f", Some(form.to_owned()))]).collect();
        format!("{here}{}", query.with(&changes))
    };
    let mut links = vec![
        link("self", Media::GeoJson, "This page", format!("{here}{}", query.with(&[("f", None)]))),
        link("alternate", Media::Html, "This page for people", as_form(query, "html")),
        link("alternate", Media::Csv, "All of it as a table", as_form(query, "csv")),
        link("alternate", Media::GeoJsonSeq, "All of it as a GeoJSON text sequence", as_form(query, "geojsonseq")),
        link("alternate", Media::FlatGeobuf, "All of it as FlatGeobuf", as_form(query, "fgb")),
        link("collection", Media::Json, collection.title(), parent),
    ];
    // Never a next page that is empty: some clients would fetch it.
    let end = page.offset.saturating_add(returned);
    if returned > 0 && end < matched {
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
    members.insert("numberReturned".to_owned(), json!(returned));
    members.insert("links".to_owned(), Value::Array(links));
    members.extend(choice.system.about());
    around_lines(&members, &lines)
}

/// A FeatureCollection: its members, then one feature on each line.
pub(crate) fn write_features<T>(
    members: &Map<String, Value>,
    features: &[T],
    push: impl Fn(&mut Vec<u8>, &T),
) -> Vec<u8> {
    around_lines(members, &feature_lines(features, usize::MAX, push).0)
}

/// Features one on each line, until they take so many bytes; there is always one. And how many they are.
fn feature_lines<T>(features: &[T], most_bytes: usize, push: impl Fn(&mut Vec<u8>, &T)) -> (Vec<u8>, usize) {
    let mut lines = Vec::new();
    for (i, feature) in features.iter().enumerate() {
        if i > 0 && lines.len() >= most_bytes {
            return (lines, i);
        }
        lines.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        push(&mut lines, feature);
    }
    (lines, features.len())
}

fn around_lines(members: &Map<String, Value>, lines: &[u8]) -> Vec<u8> {
    let mut out = b"{\"type\":\"FeatureCollection\"".to_vec();
    push_members(&mut out, members);
    out.reserve_exact(lines.len() + 32);
    out.extend_from_slice(b",\"features\":[");
    out.extend_from_slice(lines);
    out.extend_from_slice(b"\n]}\n");
    out
}

/// Adds members to the feature that stands at the end.
pub(crate) fn add_members(out: &mut Vec<u8>, members: &Map<String, Value>) {
    // They go before the brace that closes it.
    out.pop();
    push_members(out, members);
    out.extend_from_slice(b"}\n");
}

fn push_members(out: &mut Vec<u8>, members: &Map<String, Value>) {
    for (name, value) in members {
        out.extend_from_slice(format!(",{}:{value}", Value::from(name.as_str())).as_bytes());
    }
}

/// `GET /collections/{c}/items/{id}`
pub(crate) async fn item(app: Arc<App>, parts: Parts, id: String, feature: String) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let collection = Collection::named(&id)?;
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["crs", "f"].into_iter().chain(collection.parameters()).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let media = match query.word("f", &["geojson", "json", "html"])? {
        Some("html") => Media::Html,
        Some(_) => Media::GeoJson,
        None => preferred(&parts, &[Media::GeoJson, Media::Html]),
    };
    let system = query.system("crs", snapshot.extent(collection))?;
    let asked = Asked::read(&mut query, &snapshot, collection)?;
    let is_known = asked.knows(&snapshot, &feature);
    if is_known == Some(false) {
        let detail = format!("{} hold no feature \"{}\"", collection.id(), shortened(&feature));
        return Err(ApiError::not_found(detail));
    }
    let path = format!("/collections/{}/items/{}", collection.id(), in_path_encoded(&feature));
    let question = path.clone() + &query.canonical();
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question).in_system(&system);
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
        found.push(&mut out, &snapshot, &system, i);
        let mut members = found.about(&snapshot);
        members.extend(system.about());
        let links = json!([
            link("self", Media::GeoJson, "This feature", format!("{base}{path}{}", query.with(&[("f", None)]))),
            link(
                "alternate",
                Media::Html,
                "This feature for people",
                format!("{base}{path}{}", query.with(&[("f", Some("html".to_owned()))]))
            ),
            link("collection", Media::Json, collection.title(), format!("{base}/collections/{}", collection.id())),
        ]);
        members.insert("links".to_owned(), links);
        add_members(&mut out, &members);
        Ok(if media == Media::Html { as_page(&question, &out) } else { out })
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
