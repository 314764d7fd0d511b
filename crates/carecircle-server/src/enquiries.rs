//! The questions that are no collection: isochrones around a place, and indicators per area.

use crate::analysis::{Analysis, Snapshot};
use crate::app::App;
use crate::body;
use crate::circles::MOST_KM2;
use crate::collections::{Collection, write_features};
use crate::problem::{ApiError, shortened};
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, Reply, preferred};
use crate::systems::System;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::geometry::LonLat;
use carecircle_core::indicators::{Figure, Figures, Indicator, Score};
use carecircle_core::isochrone::{self, Drawing, Source};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_core::profile::Profile;
use carecircle_core::time::WalkTime;
use carecircle_formats::geojson::walks::point_band_feature;
use carecircle_formats::out::csv_cell;
use carecircle_formats::{card, geojson};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The bands drawn unless the client names others, minutes.
pub(crate) const BANDS: [f64; 3] = [5.0, 10.0, 15.0];

/// Which way is walked: to the place, as parents do, unless the client asks for the way from it.
pub(crate) const DIRECTIONS: [&str; 2] = ["to", "from"];

/// Where an isochrone is drawn around.
struct Origin {
    at: LonLat,
    facility: Option<String>,
    source: Source,
}

/// What isochrones are drawn with, wherever.
struct Manner {
    bands: Vec<f64>,
    /// From the place, not to it.
    is_from: bool,
    drawing: Drawing,
    profile: Profile,
    system: System,
}

impl Manner {
    const NAMES: [&str; 9] =
        ["minutes", "direction", "depth", "tolerance", "profile", "speed_kmh", "signal_delay_s", "crs", "f"];

    fn read(query: &mut Query, snapshot: &Snapshot) -> Result<Self, ApiError> {
        query.word("f", &["geojson", "json"])?;
        Ok(Self {
            bands: query.bands(&BANDS)?,
            is_from: query.word("direction", &DIRECTIONS)? == Some("from"),
            drawing: query.drawing()?,
            profile: query.profile(&snapshot.served.policy.profile)?,
            system: query.system("crs", snapshot.extent(Collection::Circles))?,
        })
    }

    /// The outlines around a place with their limits, the shortest first.
    fn draw(&self, snapshot: &Snapshot, source: &Source) -> Vec<(geojson::Drawing, WalkTime)> {
        let study = &snapshot.served.study;
        let walkers = snapshot.walkers(&self.profile);
        let weights = if self.is_from { walkers.weights().reversed() } else { walkers.weights() };
        let limits: Vec<WalkTime> = self.bands.iter().map(|&m| WalkTime::from_minutes(m)).collect();
        let draw = |search: &mut _| isochrone::isochrones(search, study, weights, source, &limits, &self.drawing);
        let drawn = snapshot.with_search(draw).into_iter().map(|isochrone| {
            let outline = geojson::Drawing::shape(study.network().projection(), &isochrone.shape);
            let outline = if self.system.is_stored() { outline } else { self.system.draw(&outline) };
            (outline, isochrone.limit)
        });
        drawn.collect()
    }

    /// What an answer says of itself.
    fn about(&self, snapshot: &Snapshot) -> Map<String, Value> {
        let served = &snapshot.served;
        let members = json!({
            "attribution": geojson::ATTRIBUTION,
            "extract_date": served.extract_date,
            "parameters": {
                "minutes": self.bands,
                "direction": DIRECTIONS[usize::from(self.is_from)],
                "profile": self.profile.name,
                "speed_kmh": self.profile.speed.kmh(),
                "signal_delay_s": self.profile.signal_s,
                "snap_m": served.study.snap_m(),
                "depth_m": self.drawing.depth_m,
                "tolerance_m": self.drawing.tolerance_m,
            },
        });
        let mut members = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        members.extend(self.system.about());
        members
    }
}

/// `GET /isochrones`
pub(crate) async fn isochrones(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot();
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["lon", "lat", "facility"].into_iter().chain(Manner::NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let manner = Manner::read(&mut query, &snapshot)?;
    let origin = origin(&snapshot, &mut query, &manner.profile)?;
    let question = format!("/isochrones{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    let mut reply = reply.in_system(&manner.system);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(false);
    let mut members = manner.about(&snapshot);
    let here = format!("{base}{question}");
    let own = [
        (
            "origin",
            json!({
                "lon": origin.at.lon(),
                "lat": origin.at.lat(),
                "facility": origin.facility,
                "metres_to_street": (origin.source.metres_to_street() * 10.0).round() / 10.0,
            }),
        ),
        ("numberReturned", json!(manner.bands.len())),
        ("links", json!([{ "rel": "self", "type": Media::GeoJson.name(), "title": "These isochrones", "href": here }])),
    ];
    members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    // Drawn and written at once: what has been drawn holds no memory while others are drawn.
    let write = move || {
        let drawn = manner.draw(&snapshot, &origin.source);
        let drawn: Vec<_> = drawn.into_iter().zip(&manner.bands).collect();
        let speed_kmh = manner.profile.speed.kmh();
        Ok(write_features(&members, &drawn, |out, ((outline, limit), minutes)| {
            geojson::band_feature(out, outline, *limit, &geojson::isochrone_id(**minutes), speed_kmh);
        }))
    };
    reply.find_and_write(&app, &app.workers, write).await
}

/// Points asked about at once.
pub(crate) const POINTS_MAX: usize = 100;
/// An id of a point has no more characters.
const POINT_ID_MAX: usize = 100;
/// The media types of a body that holds points.
pub(crate) const POINTS_MEDIA: [&str; 2] = ["application/json", "application/geo+json"];

/// What the OpenAPI document says of the body of `POST /isochrones`.
pub(crate) fn points_body() -> Value {
    let schema = json!({
        "type": "object",
        "description": "A GeoJSON FeatureCollection of points, a MultiPoint, a Point, or an object with a list `points`",
        "properties": {
            "type": { "type": "string", "enum": ["FeatureCollection", "Feature", "MultiPoint", "Point"] },
            "features": { "type": "array", "minItems": 1, "maxItems": POINTS_MAX, "items": { "type": "object" } },
            "coordinates": { "type": "array", "minItems": 1, "maxItems": POINTS_MAX, "items": {} },
            "points": { "type": "array", "minItems": 1, "maxItems": POINTS_MAX, "items": {} },
        },
    });
    let content: Map<String, Value> =
        POINTS_MEDIA.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
    json!({ "required": true, "content": content })
}

/// `POST /isochrones`
pub(crate) async fn isochrones_of_points(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot();
    let mut query = Query::parse(request.uri().query(), &Manner::NAMES)?;
    let manner = Manner::read(&mut query, &snapshot)?;
    let (parts, body) = body::read(&app, request, &POINTS_MEDIA).await?;
    let base = app.base(&parts)?;
    let points = points(&body)?;
    let longest = manner.bands.iter().copied().fold(0.0, f64::max);
    let reach_km = longest / 60.0 * manner.profile.speed.kmh();
    if points.len() as f64 * reach_km * reach_km > MOST_KM2 {
        return Err(ApiError::unanswerable(format!(
            "isochrones of {longest} minutes around {} points are too many: ask for fewer minutes or fewer points",
            points.len()
        )));
    }
    let asked: Vec<Value> = points.iter().map(|(id, at)| json!([id, at.lon(), at.lat()])).collect();
    let question = format!("/isochrones{} {}", query.canonical(), Value::from(asked));
    let reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    let mut reply = reply.in_system(&manner.system);
    reply.analysed(false);
    let write = move || {
        let study = &snapshot.served.study;
        let projection = study.network().projection();
        let walkers = snapshot.walkers(&manner.profile);
        let (mut features, mut left_out) = (Vec::new(), Vec::new());
        for (id, at) in &points {
            let Some(source) = study.place_source(projection.project(*at), walkers.weights()) else {
                let why = no_street(study.snap_m(), &format!("{},{}", at.lon(), at.lat()));
                left_out.push(json!({ "point": id, "lon": at.lon(), "lat": at.lat(), "detail": why }));
                continue;
            };
            for (outline, limit) in manner.draw(&snapshot, &source) {
                let mut out = Vec::new();
                point_band_feature(&mut out, &outline, limit, id, manner.profile.speed.kmh());
                features.push(out);
            }
        }
        let mut members = manner.about(&snapshot);
        members.insert("numberReturned".to_owned(), json!(features.len()));
        members.insert("left_out".to_owned(), json!(left_out));
        Ok(write_features(&members, &features, |out, feature| out.extend_from_slice(feature)))
    };
    reply.find_and_write(&app, &app.workers, write).await
}

/// The points of a body with their ids: a GeoJSON Point, MultiPoint, feature of one or collection of features, or
/// `{"points": […]}`. Who has no id is called by its number, from 0.
fn points(body: &[u8]) -> Result<Vec<(String, LonLat)>, ApiError> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))?;
    let listed = document.get("points").and_then(Value::as_array);
    let found: Vec<(Option<&Value>, &Value)> = match (listed, document["type"].as_str()) {
        (Some(points), _) => points.iter().map(|point| (point.get("id"), point)).collect(),
        (None, Some("FeatureCollection")) => {
            let features = document["features"].as_array().map_or(&[][..], Vec::as_slice);
            features.iter().map(|feature| (feature.get("id"), feature)).collect()
        }
        (None, Some("MultiPoint")) => {
            let positions = document["coordinates"].as_array().map_or(&[][..], Vec::as_slice);
            positions.iter().map(|position| (None, position)).collect()
        }
        (None, Some("Point" | "Feature")) => vec![(document.get("id"), &document)],
        _ => {
            return Err(ApiError::bad_request(
                "the body holds no points: send a GeoJSON FeatureCollection of points, a MultiPoint, or \
                 {\"points\": [[lon, lat], {\"id\": \"a\", \"lon\": 1.5, \"lat\": 2.5}]}",
            ));
        }
    };
    if !(1..=POINTS_MAX).contains(&found.len()) {
        let detail = format!("the body holds {} points: send 1 to {POINTS_MAX}", found.len());
        return Err(ApiError::bad_request(detail));
    }
    let mut out: Vec<(String, LonLat)> = Vec::with_capacity(found.len());
    for (n, (id, point)) in found.into_iter().enumerate() {
        let bad = |what: &str| ApiError::bad_request(format!("point {n} of the body, counted from 0: {what}"));
        let id = match id {
            None | Some(Value::Null) => n.to_string(),
            Some(Value::String(id)) if !id.is_empty() && id.chars().count() <= POINT_ID_MAX => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err(bad(&format!("its id is not a number or a text of 1 to {POINT_ID_MAX} characters"))),
        };
        if out.iter().any(|(known, _)| *known == id) {
            return Err(bad(&format!("another has the id \"{}\" too: ids tell points apart", shortened(&id))));
        }
        let at = position(point).ok_or_else(|| {
            bad("it is no point with longitude and latitude in degrees: [lon, lat], lon and lat, or a GeoJSON Point")
        })?;
        out.push((id, at));
    }
    Ok(out)
}

/// The place of a position, of something with `lon` and `lat`, or of a GeoJSON point or feature.
fn position(point: &Value) -> Option<LonLat> {
    if let (Some(lon), Some(lat)) = (point.get("lon"), point.get("lat")) {
        return on_earth(lon, lat);
    }
    let geometry = point.get("geometry").unwrap_or(point);
    let is_point = geometry.get("type").is_some_and(|kind| kind == "Point");
    let position = point.as_array().or_else(|| geometry.get("coordinates")?.as_array().filter(|_| is_point))?;
    match position.as_slice() {
        [lon, lat] | [lon, lat, _] => on_earth(lon, lat),
        _ => None,
    }
}

fn on_earth(lon: &Value, lat: &Value) -> Option<LonLat> {
    let (lon, lat) = (lon.as_f64()?, lat.as_f64()?);
    let is_there = (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
    LonLat::from_degrees(lon, lat).filter(|_| is_there)
}

/// The place asked about, and where it meets a street.
fn origin(snapshot: &Snapshot, query: &mut Query, profile: &Profile) -> Result<Origin, ApiError> {
    let study = &snapshot.served.study;
    let walkers = snapshot.walkers(profile);
    let weights = walkers.weights();
    let lon = query.number("lon", &(-180.0..=180.0))?;
    let lat = query.number("lat", &(-90.0..=90.0))?;
    match (lon, lat, query.text("facility").map(str::to_owned)) {
        (None, None, Some(id)) => {
            let Some(i) = snapshot.index_of(crate::analysis::Layer::Facilities, &id) else {
                let detail = format!("there is no facility \"{}\": see /collections/facilities/items", shortened(&id));
                return Err(ApiError::not_found(detail));
            };
            let sited = &study.facilities()[i];
            let source = study.facility_source(i, weights);
            let source = source.ok_or_else(|| too_far_off(study.snap_m(), "the facility"))?;
            Ok(Origin { at: sited.facility.at, facility: Some(id), source })
        }
        (Some(lon), Some(lat), None) => {
            let wanted = "lon and lat must lie on the earth";
            let at = LonLat::from_degrees(lon, lat).ok_or_else(|| ApiError::bad_request(wanted))?;
            let place = study.network().projection().project(at);
            let source = study.place_source(place, weights);
            let source = source.ok_or_else(|| too_far_off(study.snap_m(), &format!("{lon},{lat}")))?;
            Ok(Origin { at, facility: None, source })
        }
        _ => Err(ApiError::bad_request("say where: either lon and lat (both), or facility")),
    }
}

fn too_far_off(snap_m: f64, what: &str) -> ApiError {
    ApiError::unanswerable(no_street(snap_m, what))
}

/// What is said of a place that no street is near enough to.
pub(crate) fn no_street(snap_m: f64, what: &str) -> String {
    format!("no street within {snap_m} m of {what}: choose a place nearer to a street, inside the extract")
}

/// `GET /summary`
pub(crate) async fn summary(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot();
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["by", "policy", "f"].into_iter().chain(POLICY_NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let media = match query.word("f", &["json", "csv"])? {
        Some("csv") => Media::Csv,
        Some(_) => Media::Json,
        None => preferred(&parts, &[Media::Json, Media::Csv]),
    };
    let level = match query.word("by", &AreaLevel::ALL.map(AreaLevel::name))? {
        Some(name) => AreaLevel::named(name),
        None => snapshot.served.study.areas().all().iter().map(|a| a.level).min(),
    };
    let level = level.unwrap_or(AreaLevel::City);
    let named = query.policy_named(&snapshot.served.policy)?;
    let policy = query.policy(&named)?;
    let question = format!("/summary{}", query.canonical());
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let (analysis, hit) = snapshot.analysis(&app.workers, policy).await?;
    reply.analysed(hit);
    let write = move || {
        let sheet = Sheet::new(&snapshot, &analysis, level);
        Ok(match media {
            Media::Csv => sheet.csv(&snapshot, &analysis).into_bytes(),
            _ => sheet.json(&snapshot, &analysis, &format!("{base}{question}")).to_string().into_bytes(),
        })
    };
    reply.write(&app, write).await
}

struct Sheet {
    level: AreaLevel,
    figures: Figures,
    scores: Vec<Score>,
}

impl Sheet {
    fn new(snapshot: &Snapshot, analysis: &Analysis, level: AreaLevel) -> Self {
        let (figures, scores) = Figures::with_scores(&snapshot.served.study, &analysis.coverage);
        Self { level, figures, scores }
    }

    /// The areas of the level with their indicators, each with its place among all.
    fn rows<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = (usize, &'a Area, &'a [Figure])> {
        let areas = snapshot.served.study.areas().all().iter().zip(&self.figures.areas).enumerate();
        areas.filter(|(_, (area, _))| area.level == self.level).map(|(i, (area, figures))| (i, area, &figures[..]))
    }

    fn json(&self, snapshot: &Snapshot, analysis: &Analysis, here: &str) -> Value {
        let served = &snapshot.served;
        let policy = &analysis.coverage.policy;
        let area = |(_, area, figures): (usize, &Area, &[Figure])| json!({ "id": area.id, "name": area.name, "indicators": card::figures_json(figures) });
        let mut out = geojson::about(&served.study, &analysis.coverage, served.extract_date.as_deref());
        let own = [
            ("by", json!(self.level.name())),
            ("minutes", json!(policy.minutes)),
            ("profile", json!(policy.profile.name)),
            ("speed_kmh", json!(policy.profile.speed.kmh())),
            ("areas", self.rows(snapshot).map(area).collect()),
            ("total", json!({ "indicators": card::figures_json(&self.figures.total) })),
            ("policy", card::policy_json(policy)),
            ("targets", card::targets_json(&served.study, &self.scores, |area| area.level == self.level)),
            ("links", json!([{ "rel": "self", "type": "application/json", "title": "This summary", "href": here }])),
        ];
        out.extend(own.map(|(name, value)| (name.to_owned(), value)));
        out.into()
    }

    /// The columns of the targets: bound, number and verdict of each, called by its indicator and the level of its sub-areas.
    /// Of several that are called the same, for other years, the later bear a number.
    fn target_heads(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for Score { target, .. } in &self.scores {
            let level = target.sub_areas.map(|level| format!("_{}", level.name())).unwrap_or_default();
            let name = format!("{}{level}", target.indicator.name());
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
            names.push(free.unwrap_or(name));
        }
        names.iter().flat_map(|name| ["bound", "target", "verdict"].map(|part| format!("{name}_{part}"))).collect()
    }

    /// One row per area and a last one, `total`; of each indicator value, numerator, denominator and what is missing, and what
    /// the policy's targets make of it.
    /// A table has no place but its rows for what it was computed with and from, so each row tells.
    fn csv(&self, snapshot: &Snapshot, analysis: &Analysis) -> String {
        let cell = |text: &str| csv_cell(text).into_owned();
        let policy = &analysis.coverage.policy;
        let about = [
            policy.minutes.to_string(),
            policy.profile.name.clone(),
            policy.profile.speed.kmh().to_string(),
            cell(snapshot.served.extract_date.as_deref().unwrap_or_default()),
            cell(geojson::ATTRIBUTION),
        ];
        let head =
            |i: &Indicator| ["", "_numerator", "_denominator", "_missing"].map(|part| format!("{}{part}", i.name()));
        let heads = Indicator::ALL.iter().flat_map(head).chain(self.target_heads()).collect::<Vec<_>>().join(",");
        let mut out = format!("level,id,name,{heads},minutes,profile,speed_kmh,extract_date,attribution\r\n");
        let rows = self
            .rows(snapshot)
            .map(|(i, area, figures)| (Some(i), self.level.name(), area.id.as_str(), area.name.as_deref(), figures));
        for (i, level, id, name, figures) in rows.chain([(None, "total", "", None, &self.figures.total[..])]) {
            let mut cells = vec![level.to_owned(), cell(id), cell(name.unwrap_or_default())];
            for figure in figures {
                let numbers = [figure.value(), card::known(figure.numerator), card::known(figure.denominator)];
                cells.extend(numbers.map(|n| n.map(|n| n.to_string()).unwrap_or_default()));
                cells.push(cell(&card::missing(figure).join("; ")));
            }
            for Score { target, total, areas } in &self.scores {
                let figure = i.map_or(total, |i| &areas[i]);
                let (bound, number) = target.goal.map(|goal| (goal.bound(), goal.value().to_string())).unzip();
                cells.extend([bound.unwrap_or_default().to_owned(), number.unwrap_or_default()]);
                cells.push(target.mark(figure).name().to_owned());
            }
            cells.extend_from_slice(&about);
            out += &cells.join(",");
            out += "\r\n";
        }
        out
    }
}
