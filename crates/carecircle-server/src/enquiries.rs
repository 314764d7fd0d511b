//! The questions that are no collection: isochrones around a place, and indicators per area.

use crate::analysis::{Analysis, Snapshot};
use crate::app::App;
use crate::collections::{Collection, write_features};
use crate::problem::{ApiError, shortened};
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, Reply, preferred};
use crate::systems::System;
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::geometry::LonLat;
use carecircle_core::indicators::{Figure, Figures, Indicator, Score};
use carecircle_core::isochrone::{self, Drawing, Source};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_core::profile::Profile;
use carecircle_core::time::WalkTime;
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

/// `GET /isochrones`
pub(crate) async fn isochrones(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot();
    let base = app.base(&parts)?;
    let who = ["profile", "speed_kmh", "signal_delay_s"];
    let known =
        ["lon", "lat", "facility", "minutes", "direction", "depth", "tolerance", "crs", "f"].into_iter().chain(who);
    let mut query = Query::parse(parts.uri.query(), &known.collect::<Vec<_>>())?;
    query.word("f", &["geojson", "json"])?;
    let bands = query.bands(&BANDS)?;
    let is_from = query.word("direction", &DIRECTIONS)? == Some("from");
    let drawing = query.drawing()?;
    let profile = query.profile(&snapshot.served.policy.profile)?;
    let system = query.system("crs", snapshot.extent(Collection::Circles))?;
    let origin = origin(&snapshot, &mut query, &profile)?;
    let question = format!("/isochrones{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    let mut reply = reply.in_system(&system);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(false);
    let mut members = isochrone_members(&snapshot, &origin, &profile, (&bands, &drawing), &format!("{base}{question}"));
    members["parameters"]["direction"] = json!(DIRECTIONS[usize::from(is_from)]);
    members.extend(system.about());
    // Drawn and written at once: what has been drawn holds no memory while others are drawn.
    let write = move || {
        let drawn = draw(&snapshot, &profile, (&origin.source, is_from), (&bands, &drawing), &system);
        Ok(write_features(&members, &drawn, |out, feature: &Vec<u8>| out.extend_from_slice(feature)))
    };
    reply.find_and_write(&app, &app.workers, write).await
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

/// The features of the bands around a place, the shortest first; or, where asked for, of what is reached from it.
fn draw(
    snapshot: &Snapshot,
    profile: &Profile,
    (source, is_from): (&Source, bool),
    (bands, drawing): (&[f64], &Drawing),
    system: &System,
) -> Vec<Vec<u8>> {
    let study = &snapshot.served.study;
    let walkers = snapshot.walkers(profile);
    let weights = if is_from { walkers.weights().reversed() } else { walkers.weights() };
    let limits: Vec<WalkTime> = bands.iter().map(|&m| WalkTime::from_minutes(m)).collect();
    let drawn = snapshot.with_search(|search| isochrone::isochrones(search, study, weights, source, &limits, drawing));
    let features = drawn.iter().zip(bands).map(|(isochrone, minutes)| {
        let id = geojson::isochrone_id(*minutes);
        let mut out = Vec::new();
        let outline = geojson::Drawing::shape(study.network().projection(), &isochrone.shape);
        let outline = if system.is_stored() { outline } else { system.draw(&outline) };
        geojson::band_feature(&mut out, &outline, isochrone.limit, &id, profile.speed.kmh());
        out
    });
    features.collect()
}

fn isochrone_members(
    snapshot: &Snapshot,
    origin: &Origin,
    profile: &Profile,
    (bands, drawing): (&[f64], &Drawing),
    here: &str,
) -> Map<String, Value> {
    let served = &snapshot.served;
    let members = json!({
        "attribution": geojson::ATTRIBUTION,
        "extract_date": served.extract_date,
        "parameters": {
            "minutes": bands,
            "profile": profile.name,
            "speed_kmh": profile.speed.kmh(),
            "signal_delay_s": profile.signal_s,
            "snap_m": served.study.snap_m(),
            "depth_m": drawing.depth_m,
            "tolerance_m": drawing.tolerance_m,
        },
        "origin": {
            "lon": origin.at.lon(),
            "lat": origin.at.lat(),
            "facility": origin.facility,
            "metres_to_street": (origin.source.metres_to_street() * 10.0).round() / 10.0,
        },
        "numberReturned": bands.len(),
        "links": [{ "rel": "self", "type": Media::GeoJson.name(), "title": "These isochrones", "href": here }],
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
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
