//! Isochrones: from where a place is reached on foot, or what is reached from it; of one place or of many.
//!
//! Those of one place are drawn once for each question, and kept as long as there is room: the GeoJSON and every tile of
//! them are made of the same outlines.

use crate::analysis::{Features, Layer, Snapshot, joined, kept};
use crate::app::App;
use crate::body;
use crate::circles::MOST_KM2;
use crate::collections::{Collection, Column, ColumnType, link, write_features};
use crate::mvt;
use crate::problem::{ApiError, shortened};
use crate::query::Query;
use crate::reply::{Media, Reply};
use crate::systems::System;
use crate::tiles::{self, Sheet};
use crate::work::Workers;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::isochrone::{self, Drawing, Isochrone, Source};
use carecircle_core::profile::Profile;
use carecircle_core::time::WalkTime;
use carecircle_formats::geojson;
use carecircle_formats::geojson::walks::point_band_feature;
use geo::CoordsIter;
use serde_json::{Map, Value, json};
use std::iter;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The bands drawn unless the client names others, minutes.
pub(crate) const BANDS: [f64; 3] = [5.0, 10.0, 15.0];

/// Which way is walked: to the place, as parents do, unless the client asks for the way from it.
pub(crate) const DIRECTIONS: [&str; 2] = ["to", "from"];

/// The parameters that say around where.
const PLACE_NAMES: [&str; 4] = ["lon", "lat", "facility", "scenario"];

/// What isochrones are drawn with, wherever.
#[derive(Clone, Debug)]
struct Manner {
    bands: Vec<f64>,
    /// From the place, not to it.
    is_from: bool,
    drawing: Drawing,
    profile: Profile,
}

impl Manner {
    const NAMES: [&str; 7] = ["minutes", "direction", "depth", "tolerance", "profile", "speed_kmh", "signal_delay_s"];

    fn read(query: &mut Query, default: &Profile) -> Result<Self, ApiError> {
        Ok(Self {
            bands: query.bands(&BANDS)?,
            is_from: query.word("direction", &DIRECTIONS)? == Some("from"),
            drawing: query.drawing()?,
            profile: query.profile(default)?,
        })
    }

    /// The outlines around a place, the shortest limit first.
    fn draw(&self, snapshot: &Snapshot, source: &Source) -> Vec<Isochrone> {
        let study = &snapshot.served.study;
        let walkers = snapshot.walkers(&self.profile);
        let weights = if self.is_from { walkers.weights().reversed() } else { walkers.weights() };
        let limits: Vec<WalkTime> = self.bands.iter().map(|&m| WalkTime::from_minutes(m)).collect();
        snapshot.with_search(|search| isochrone::isochrones(search, study, weights, source, &limits, &self.drawing))
    }

    /// What an answer says of itself.
    fn about(&self, snapshot: &Snapshot, system: &System) -> Map<String, Value> {
        let served = &snapshot.served;
        let mut members = Map::new();
        let own = [
            ("attribution", json!(geojson::ATTRIBUTION)),
            ("extract_date", json!(served.extract_date)),
            (
                "parameters",
                json!({
                    "minutes": self.bands,
                    "direction": DIRECTIONS[usize::from(self.is_from)],
                    "profile": self.profile.name,
                    "speed_kmh": self.profile.speed.kmh(),
                    "signal_delay_s": self.profile.signal_s,
                    "snap_m": served.study.snap_m(),
                    "depth_m": self.drawing.depth_m,
                    "tolerance_m": self.drawing.tolerance_m,
                }),
            ),
        ];
        members.extend(own.map(|(name, value)| (name.to_owned(), value)));
        members.extend(system.about());
        members
    }
}

/// What isochrones around one place depend on.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    around: Around,
    manner: Manner,
}

#[derive(Clone, Copy, Debug)]
enum Around {
    Place(LonLat),
    Facility(usize),
}

impl Question {
    /// The parameters that it is read from.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        PLACE_NAMES.into_iter().chain(Manner::NAMES)
    }

    pub(crate) fn read(query: &mut Query, snapshot: &Snapshot) -> Result<Self, ApiError> {
        let manner = Manner::read(query, &snapshot.served.policy.profile)?;
        let lon = query.number("lon", &(-180.0..=180.0))?;
        let lat = query.number("lat", &(-90.0..=90.0))?;
        let around = match (lon, lat, query.text("facility")) {
            (None, None, Some(id)) => Around::Facility(snapshot.known_facility(id)?),
            (Some(lon), Some(lat), None) => {
                let wanted = "lon and lat must lie on the earth";
                Around::Place(LonLat::from_degrees(lon, lat).ok_or_else(|| ApiError::bad_request(wanted))?)
            }
            _ => return Err(ApiError::bad_request("say where: either lon and lat (both), or facility")),
        };
        Ok(Self { around, manner })
    }
}

/// Isochrones of one place, drawn.
pub(crate) struct Isochrones {
    question: Question,
    metres_to_street: f64,
    /// On the plan, the shortest limit first.
    outlines: Vec<Isochrone>,
    /// The same in degrees.
    drawings: Vec<geojson::Drawing>,
    /// The same as tiles have them, made when a tile is first asked for.
    in_tiles: OnceLock<(Sheet, mvt::Columns)>,
    /// About what they take in memory.
    pub(crate) bytes: usize,
}

/// What the properties of an isochrone hold.
pub(crate) const PROPERTIES: [(&str, ColumnType); 3] =
    [("id", ColumnType::Text), ("minutes", ColumnType::Number), ("speed_kmh", ColumnType::Number)];

impl Isochrones {
    fn new(snapshot: &Snapshot, question: Question) -> Result<Self, ApiError> {
        let study = &snapshot.served.study;
        let Question { around, manner } = &question;
        let walkers = snapshot.walkers(&manner.profile);
        let projection = study.network().projection();
        let (source, place) = match *around {
            Around::Place(at) => {
                let source = study.place_source(projection.project(at), walkers.weights());
                (source, format!("{},{}", at.lon(), at.lat()))
            }
            Around::Facility(i) => (study.facility_source(i, walkers.weights()), "the facility".to_owned()),
        };
        let source = source.ok_or_else(|| ApiError::unanswerable(no_street(study.snap_m(), &place)))?;
        let outlines = manner.draw(snapshot, &source);
        let drawings: Vec<_> =
            outlines.iter().map(|outline| geojson::Drawing::shape(projection, &outline.shape)).collect();
        let drawn: usize = drawings.iter().map(|drawing| drawing.json.len() + size_of_val(drawing)).sum();
        // On the plan, and in tiles as much once again.
        let corners: usize = outlines.iter().map(|outline| outline.shape.coords_count()).sum();
        let bytes = size_of::<Self>() + drawn + 2 * corners * size_of::<Point>();
        let metres_to_street = source.metres_to_street();
        Ok(Self { question, metres_to_street, outlines, drawings, in_tiles: OnceLock::new(), bytes })
    }

    /// The box around them in degrees; `None` where nothing is reached.
    pub(crate) fn extent(&self) -> Option<[f64; 4]> {
        self.drawings.iter().filter_map(|drawing| drawing.bbox).reduce(joined)
    }

    /// Writes the feature of a band, drawn as given.
    fn push(&self, out: &mut Vec<u8>, drawing: &geojson::Drawing, i: usize) {
        let Manner { bands, profile, .. } = &self.question.manner;
        let id = geojson::isochrone_id(bands[i]);
        geojson::band_feature(out, drawing, self.outlines[i].limit, &id, profile.speed.kmh());
    }

    /// Their shapes and properties, as tiles have them: the longest limit first, so that the shorter are painted over it.
    pub(crate) fn in_tiles(&self, snapshot: &Snapshot) -> &(Sheet, mvt::Columns) {
        self.in_tiles.get_or_init(|| {
            let count = self.outlines.len();
            let columns = Column::of(&PROPERTIES, iter::empty());
            let features = Features::write(count, columns.len(), |out, blank, i| self.push(out, blank, count - 1 - i));
            let shapes = self.outlines.iter().rev().map(|outline| &outline.shape).enumerate();
            let sheet = Sheet::of_shapes(snapshot.served.study.network().projection(), shapes);
            (sheet, mvt::Columns::read(&features, &columns))
        })
    }

    /// Around where they are.
    fn origin(&self, snapshot: &Snapshot) -> Value {
        let (at, facility) = match self.question.around {
            Around::Place(at) => (at, None),
            Around::Facility(i) => {
                let facility = &snapshot.served.study.facilities()[i].facility;
                (facility.at, Some(&facility.id))
            }
        };
        json!({
            "lon": at.lon(),
            "lat": at.lat(),
            "facility": facility,
            "metres_to_street": (self.metres_to_street * 10.0).round() / 10.0,
        })
    }
}

impl Snapshot {
    /// The isochrones asked for, and whether they were there already.
    pub(crate) async fn isochrones_of(
        self: &Arc<Self>,
        workers: &Workers,
        question: Question,
    ) -> Result<(Arc<Isochrones>, bool), ApiError> {
        // All numbers as text, each as many digits as tell it from all others.
        let (snapshot, key) = (Arc::clone(self), format!("{:?} {question:?}", self.scenario()));
        kept(&self.isochrones, workers, key, move || Isochrones::new(&snapshot, question)).await
    }

    /// The number of a facility that a query names.
    pub(crate) fn known_facility(&self, id: &str) -> Result<usize, ApiError> {
        self.index_of(Layer::Facilities, id).ok_or_else(|| {
            let detail = format!("there is no facility \"{}\": see /collections/facilities/items", shortened(id));
            ApiError::not_found(detail)
        })
    }
}

/// What a query wants of the representation of isochrones: GeoJSON, in some coordinate system.
fn representation(query: &mut Query, snapshot: &Snapshot) -> Result<System, ApiError> {
    query.word("f", &["geojson", "json"])?;
    query.system("crs", snapshot.extent(Collection::Circles))
}

/// `GET /isochrones`
pub(crate) async fn of_one(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = Question::names().chain(["crs", "f"]).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let system = representation(&mut query, &snapshot)?;
    let asked = Question::read(&mut query, &snapshot)?;
    let question = format!("/isochrones{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, Media::GeoJson, &base, &question);
    let mut reply = reply.in_system(&system);
    if let Some(response) = reply.early_if_answered(&parts.headers) {
        return Ok(response);
    }
    let (found, hit) = snapshot.isochrones_of(&app.workers, asked).await?;
    reply.analysed(hit);
    let write = move || {
        let tiles = format!("{base}/isochrones/tiles{}", query.with(&[("crs", None), ("f", None)]));
        let own = [
            ("origin", found.origin(&snapshot)),
            ("numberReturned", json!(found.outlines.len())),
            (
                "links",
                json!([
                    link("self", Media::GeoJson, "These isochrones", base + &question),
                    tiles::link_to_tilesets(&tiles),
                ]),
            ),
        ];
        let mut members = found.question.manner.about(&snapshot, &system);
        members.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let drawings: Vec<_> = found.drawings.iter().map(|drawing| system.drawn(drawing)).enumerate().collect();
        Ok(write_features(&members, &drawings, |out, (i, drawing)| found.push(out, drawing, *i)))
    };
    reply.write(&app, write).await
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
pub(crate) async fn of_many(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot();
    let known: Vec<&str> = Manner::NAMES.into_iter().chain(["crs", "f"]).collect();
    let mut query = Query::parse(request.uri().query(), &known)?;
    let system = representation(&mut query, &snapshot)?;
    let manner = Manner::read(&mut query, &snapshot.served.policy.profile)?;
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
    let mut reply = reply.in_system(&system);
    reply.analysed(false);
    // Drawn and written at once: what has been drawn holds no memory while others are drawn.
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
            for Isochrone { limit, shape } in manner.draw(&snapshot, &source) {
                let outline = geojson::Drawing::shape(projection, &shape);
                let mut out = Vec::new();
                point_band_feature(&mut out, &system.drawn(&outline), limit, id, manner.profile.speed.kmh());
                features.push(out);
            }
        }
        let mut members = manner.about(&snapshot, &system);
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

/// What is said of a place that no street is near enough to.
pub(crate) fn no_street(snap_m: f64, what: &str) -> String {
    format!("no street within {snap_m} m of {what}: choose a place nearer to a street, inside the extract")
}
