//! Walks: the way from a place to another, the facilities that can be walked to, and what a block's verdict rests on.

use crate::analysis::{Layer, Snapshot};
use crate::app::{App, bad_path};
use crate::collections::{Collection, add_members, as_page, in_path_encoded, link, write_features};
use crate::isochrones::no_street;
use crate::openapi::{content, forms, in_query, operation, parameter, with_page};
use crate::problem::{ApiError, shortened};
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, Reply, preferred};
use crate::systems::System;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use carecircle_core::explain::walks_from;
use carecircle_core::facility::Refusal;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::isochrone::Source;
use carecircle_core::matrix::Walk;
use carecircle_core::policy::Policy;
use carecircle_core::route::route;
use carecircle_core::search::Search;
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::weights::Weights;
use carecircle_formats::geojson;
use carecircle_formats::geojson::walks::{
    about_policy, explained_block, explained_block_feature, explained_facility_feature, explained_point_feature,
    explained_route_feature, nearest_feature, route_feature,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Facilities told unless the client asks for another number, and at most.
const NEAREST_DEFAULT: usize = 10;
const NEAREST_MAX: usize = 100;
/// Nobody walks longer to childcare, minutes: [`Policy::MINUTES`].
const NEAREST_WITHIN: f64 = *Policy::MINUTES.end();
/// Around a block so many facilities are told that count, and so many that don't.
const COUNTED_TOLD: usize = 10;
const NOT_COUNTED_TOLD: usize = 20;

/// What answers come as: `f`.
const FORMS: [&str; 3] = ["geojson", "json", "html"];

/// The parameters that say who walks.
const WHO: [&str; 4] = ["scenario", "profile", "speed_kmh", "signal_delay_s"];

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/routes", get(|State(app), parts: Parts| walk(app, parts)))
        .route("/nearest", get(|State(app), parts: Parts| nearest(app, parts)))
        .route(
            "/blocks/{id}/explain",
            get(|State(app), path: Result<Path<String>, PathRejection>, parts: Parts| async {
                let Path(id) = path.map_err(bad_path)?;
                explain(app, parts, id).await
            }),
        )
}

/// Their part of the OpenAPI document.
pub(crate) fn paths(add: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let place = |name: &str, what: &str| {
        let numbers = json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": "number" } });
        in_query(name, &format!("{what}: longitude and latitude in degrees"), &numbers)
    };
    let required = |mut parameter: Value| {
        parameter["required"] = json!(true);
        parameter
    };
    let from = required(place("from", "Where the walk begins, as from a home"));
    let facility = in_query(
        "to_facility",
        "The id of a facility that the walk leads to, instead of to",
        &json!({ "type": "string", "minLength": 1 }),
    );
    let mut walk = vec![from, place("to", "Where the walk ends"), facility];
    walk.extend(WHO.into_iter().chain(["crs"]).map(parameter));
    walk.push(forms(&FORMS));
    let feature = with_page(content("application/geo+json", "Feature"));
    add(
        "/routes",
        operation(
            "getRoute",
            "enquiries",
            "The walk from a place to another, or to a facility, leg by leg; 404 where there is none, and why",
            &walk,
            &feature,
            &["400", "404"],
        ),
    );
    let number = |name: &str, what: &str, most: f64| {
        required(in_query(name, what, &json!({ "type": "number", "minimum": -most, "maximum": most })))
    };
    let limit = in_query(
        "limit",
        "Facilities told, the nearest first; a larger number is taken for the maximum",
        &json!({ "type": "integer", "minimum": 1, "maximum": NEAREST_MAX, "default": NEAREST_DEFAULT }),
    );
    let mut home =
        vec![number("lon", "Longitude in degrees", 180.0), number("lat", "Latitude in degrees", 90.0), limit];
    home.extend(POLICY_NAMES.into_iter().chain(["crs"]).map(parameter));
    home.push(forms(&FORMS));
    let features = with_page(content("application/geo+json", "FeatureCollection"));
    let title = format!(
        "The facilities that count (that take the child, that have a place free), the nearest by walking time first, as far \
         as they are within {NEAREST_WITHIN} minutes"
    );
    add("/nearest", operation("getNearest", "enquiries", &title, &home, &features, &["400", "422"]));
    let block = json!({
        "name": "blockId", "in": "path", "required": true, "style": "simple", "schema": { "type": "string" },
    });
    let point = in_query(
        "point",
        "The demand point whose surroundings and walk are shown; the one at the middle of the demand unless given",
        &json!({ "type": "integer", "minimum": 0 }),
    );
    let mut why = vec![block, point];
    why.extend(POLICY_NAMES.into_iter().chain(["crs"]).map(parameter));
    why.push(forms(&FORMS));
    add(
        "/blocks/{blockId}/explain",
        operation(
            "explainBlock",
            "enquiries",
            "Why a block has its verdict: its demand points and where they meet streets, the facilities around, and the walk",
            &why,
            &features,
            &["400", "404"],
        ),
    );
}

/// How an enquiry is answered: as what, and in which coordinate system.
struct Form {
    media: Media,
    system: System,
}

impl Form {
    const NAMES: [&str; 2] = ["crs", "f"];

    fn read(query: &mut Query, parts: &Parts, snapshot: &Snapshot) -> Result<Self, ApiError> {
        let media = match query.word("f", &FORMS)? {
            Some("html") => Media::Html,
            Some(_) => Media::GeoJson,
            None => preferred(parts, &[Media::GeoJson, Media::Html]),
        };
        Ok(Self { media, system: query.system("crs", snapshot.extent(Collection::Circles))? })
    }

    fn redraw(&self, drawing: &geojson::Drawing) -> geojson::Drawing {
        self.system.drawn(drawing).into_owned()
    }

    /// The answer as it is sent. `title` is that of a page.
    fn finish(&self, title: &str, json: Vec<u8>) -> Vec<u8> {
        if self.media == Media::Html { as_page(title, &json) } else { json }
    }
}

/// The links of an answer to itself, in both representations.
fn own_links(title: &str, base: &str, path: &str, query: &Query) -> Vec<Value> {
    let html = query.with(&[("f", Some("html".to_owned()))]);
    vec![
        link("self", Media::GeoJson, title, format!("{base}{path}{}", query.with(&[("f", None)]))),
        link("alternate", Media::Html, &format!("{title}, for people"), format!("{base}{path}{html}")),
    ]
}

/// The link to a feature of a collection; `query` has its `?` before it.
fn item_link(title: &str, base: &str, collection: Collection, id: &str, query: &str) -> Value {
    let href = format!("{base}/collections/{}/items/{}{query}", collection.id(), in_path_encoded(id));
    link("item", Media::GeoJson, title, href)
}

/// `GET /routes`
async fn walk(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["from", "to", "to_facility"].into_iter().chain(Form::NAMES).chain(WHO).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let form = Form::read(&mut query, &parts, &snapshot)?;
    let from = query.place("from")?;
    let to = query.place("to")?;
    let facility = query.text("to_facility").map(|id| snapshot.known_facility(id)).transpose()?;
    let profile = query.profile(&snapshot.served.policy.profile)?;
    let (Some(from), true) = (from, to.is_some() != facility.is_some()) else {
        let wanted = "say from where to where: from=lon,lat, and either to=lon,lat or to_facility";
        return Err(ApiError::bad_request(wanted));
    };
    let question = format!("/routes{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, form.media, &base, &question);
    let mut reply = reply.in_system(&form.system);
    if let Some(response) = reply.early_if_answered(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(false);
    let write = move || {
        let served = &snapshot.served;
        let (study, network) = (&served.study, served.study.network());
        let walkers = snapshot.walkers(&profile);
        let start = home(study, from, walkers.weights()).map_err(ApiError::not_found)?;
        let end = match (to, facility) {
            (Some(to), _) => near_street(study, to, |at| study.place_source(at, walkers.weights())),
            (None, facility) => facility
                .and_then(|i| study.facility_source(i, walkers.weights()))
                .ok_or_else(|| no_street(study.snap_m(), "the facility")),
        };
        let end = end.map_err(ApiError::not_found)?;
        let found = snapshot.with_search(|search| route(search, network, walkers.weights(), &start, &end));
        let Some(found) = found else {
            return Err(ApiError::not_found(format!(
                "there is no way from one to the other on streets that profile {} may walk: they are not connected",
                profile.name
            )));
        };
        let mut members = geojson::about_walks(network, &profile, served.extract_date.as_deref());
        members["parameters"]["snap_m"] = json!(study.snap_m());
        members.extend(form.system.about());
        let mut links = own_links("This walk", &base, "/routes", &query);
        links.extend(facility.map(|i| {
            let id = &study.facilities()[i].facility.id;
            item_link("The facility that it leads to", &base, Collection::Facilities, id, &query.only("scenario"))
        }));
        members.insert("links".to_owned(), links.into());
        let mut out = Vec::new();
        route_feature(&mut out, study, &found, facility, &|drawing| form.redraw(drawing));
        add_members(&mut out, &members);
        Ok(form.finish(&question, out))
    };
    reply.find_and_write(&app, &app.workers, write).await
}

/// Where walks begin, or what to say where no street is near enough.
fn home(study: &Study, at: LonLat, weights: &Weights) -> Result<Source, String> {
    near_street(study, at, |at| study.home_source(at, weights))
}

fn near_street(study: &Study, at: LonLat, source: impl Fn(Point) -> Option<Source>) -> Result<Source, String> {
    let source = source(study.network().projection().project(at));
    source.ok_or_else(|| no_street(study.snap_m(), &format!("{},{}", at.lon(), at.lat())))
}

/// The parameters of the walk that a query with a policy asks about: who walks.
fn who_walks(query: &Query, policy: &Policy, served: &Policy) -> Vec<(&'static str, String)> {
    let of_policy = (policy.profile.name != served.profile.name).then(|| policy.profile.name.clone());
    let given = |name: &str| query.text(name).map(str::to_owned);
    let value = |name| given(name).or_else(|| of_policy.clone().filter(|_| name == "profile"));
    WHO.into_iter().filter_map(|name| Some((name, value(name)?))).collect()
}

/// `GET /nearest`
async fn nearest(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["lon", "lat", "limit"].into_iter().chain(Form::NAMES).chain(POLICY_NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let form = Form::read(&mut query, &parts, &snapshot)?;
    let limit = query.count("limit", 1, NEAREST_MAX)?.unwrap_or(NEAREST_DEFAULT);
    let lon = query.number("lon", &(-180.0..=180.0))?;
    let lat = query.number("lat", &(-90.0..=90.0))?;
    let at = lon.zip(lat).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat));
    let at = at.ok_or_else(|| ApiError::bad_request("say where: lon and lat, in degrees"))?;
    let policy = query.policy(&snapshot.served.policy)?;
    let question = format!("/nearest{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, form.media, &base, &question);
    let mut reply = reply.in_system(&form.system);
    if let Some(response) = reply.early_if_answered(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(false);
    let write = move || {
        let served = &snapshot.served;
        let study = &served.study;
        let walkers = snapshot.walkers(&policy.profile);
        let start = home(study, at, walkers.weights()).map_err(ApiError::unanswerable)?;
        let within = WalkTime::from_minutes(NEAREST_WITHIN);
        let all = walks_from(study, &walkers, &start, &walkers.facilities(study), within);
        let out_of_reach = study.facilities().len() - all.len();
        let (mut found, refused): (Vec<Walk>, Vec<Walk>) =
            all.into_iter().partition(|walk| policy.eligibility.admits(&study.facilities()[walk.to].facility));
        found.sort_by_key(|walk| (walk.time, walk.to));
        let counted = found.len();
        found.truncate(limit);
        let because: Map<String, Value> = Refusal::ALL
            .iter()
            .map(|&refusal| {
                let is_why = |walk: &&Walk| {
                    let facility = &study.facilities()[walk.to].facility;
                    policy.eligibility.refusals(facility).any(|why| why == refusal)
                };
                (refusal.name().to_owned(), json!(refused.iter().filter(is_why).count()))
            })
            .filter(|(_, count)| *count != 0)
            .collect();
        let mut members = about_policy(study, &policy, served.extract_date.as_deref());
        members["parameters"]["max_minutes"] = json!(NEAREST_WITHIN);
        let own = [
            (
                "origin",
                json!({
                    "lon": at.lon(),
                    "lat": at.lat(),
                    "metres_to_street": (start.metres_to_street() * 10.0).round() / 10.0,
                }),
            ),
            ("numberMatched", json!(counted)),
            ("numberReturned", json!(found.len())),
            (
                "left_out",
                json!({
                    "not_eligible": refused.len(),
                    "because": because,
                    "out_of_reach": out_of_reach,
                }),
            ),
            ("links", own_links("These facilities", &base, "/nearest", &query).into()),
        ];
        members.extend(own.map(|(name, value)| (name.to_owned(), value)));
        members.extend(form.system.about());
        let who = who_walks(&query, &policy, &served.policy);
        let in_system = query.text("crs").map(|crs| ("crs", crs.to_owned()));
        let links_of = |walk: &Walk| {
            let id = &study.facilities()[walk.to].facility.id;
            let ends = [("from", format!("{},{}", at.lon(), at.lat())), ("to_facility", id.clone())];
            let pairs = ends.into_iter().chain(who.iter().cloned()).chain(in_system.clone());
            let route = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            json!([
                item_link("The facility", &base, Collection::Facilities, id, &query.only("scenario")),
                link("related", Media::GeoJson, "The walk there", format!("{base}/routes?{route}")),
            ])
        };
        let out = write_features(&members, &found, |out, walk| {
            nearest_feature(out, study, walk, &policy, &|drawing| form.redraw(drawing));
            add_links(out, &links_of(walk));
        });
        Ok(form.finish(&question, out))
    };
    reply.find_and_write(&app, &app.workers, write).await
}

/// Adds links to the feature that stands at the end.
fn add_links(out: &mut Vec<u8>, links: &Value) {
    // They go before the brace that closes it.
    out.pop();
    out.extend_from_slice(format!(",\"links\":{links}}}").as_bytes());
}

/// `GET /blocks/{id}/explain`
async fn explain(app: Arc<App>, parts: Parts, id: String) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["point"].into_iter().chain(Form::NAMES).chain(POLICY_NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let form = Form::read(&mut query, &parts, &snapshot)?;
    let point = query.count("point", 0, usize::MAX)?;
    let policy = query.policy(&snapshot.served.policy)?;
    let Some(block) = snapshot.index_of(Layer::Blocks, &id) else {
        let detail = format!("there is no block \"{}\": see /collections/blocks/items", shortened(&id));
        return Err(ApiError::not_found(detail));
    };
    let points = snapshot.served.study.demand().blocks[block].points.len();
    if let Some(point) = point.filter(|point| *point >= points) {
        let wanted = format!("a demand point of this block, which has {points}: they are numbered from 0");
        return Err(ApiError::bad_value("point", &point.to_string(), &wanted));
    }
    let path = format!("/blocks/{}/explain", in_path_encoded(&id));
    let question = format!("{path}{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, form.media, &base, &question);
    let mut reply = reply.in_system(&form.system);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    reply.analysed(false);
    let write = move || {
        let mut links = own_links("This explanation", &base, &path, &query);
        let verdict = query.with(&[("f", None), ("point", None)]);
        links.push(item_link("The block, with its verdict", &base, Collection::Blocks, &id, &verdict));
        let out = snapshot.with_search(|search| explanation(&snapshot, search, &policy, (block, point), &form, links));
        Ok(form.finish(&question, out))
    };
    reply.find_and_write(&app, &app.workers, write).await
}

fn explanation(
    snapshot: &Snapshot,
    search: &mut Search,
    policy: &Policy,
    (block, point): (usize, Option<usize>),
    form: &Form,
    links: Vec<Value>,
) -> Vec<u8> {
    let redraw = |drawing: &_| form.redraw(drawing);
    let served = &snapshot.served;
    let study = &served.study;
    let walkers = snapshot.walkers(&policy.profile);
    let explained = study.explain(&walkers, policy, block);
    let shown = point.or(explained.middle);
    let around = shown.map(|n| study.surroundings(search, &walkers, policy, &explained.points[n]));
    let told = explained_block(study, policy, block, &explained);
    let mut features: Vec<Vec<u8>> = Vec::new();
    let mut feature = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        features.push(out);
    };
    feature(&|out| explained_block_feature(out, study, block, &told, &redraw));
    let children = study.demand().blocks[block].children;
    for (n, point) in explained.points.iter().enumerate() {
        feature(&|out| explained_point_feature(out, study, children, (n, point), Some(n) == shown, &redraw));
    }
    let mut not_counted = 0;
    if let Some((n, around)) = shown.zip(around.as_ref()) {
        let (counted, refused): (Vec<&Walk>, Vec<&Walk>) =
            around.walks.iter().partition(|walk| explained.eligible[walk.to]);
        not_counted = refused.len();
        for walk in counted.into_iter().take(COUNTED_TOLD).chain(refused.into_iter().take(NOT_COUNTED_TOLD)) {
            feature(&|out| explained_facility_feature(out, study, walk, policy, &redraw));
        }
        if let Some((route, walk)) = around.route.as_ref().zip(explained.points[n].walk) {
            feature(&|out| explained_route_feature(out, study, route, (n, walk.label as usize), &redraw));
        }
    }
    let mut members = about_policy(study, policy, served.extract_date.as_deref());
    let own = [
        ("block", told),
        ("point_shown", json!(shown)),
        ("not_counted_around", json!(not_counted)),
        ("numberReturned", json!(features.len())),
        ("links", links.into()),
    ];
    members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    members.extend(form.system.about());
    write_features(&members, &features, |out, feature| out.extend_from_slice(feature))
}
