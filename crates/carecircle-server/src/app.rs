//! The routes, and what is common to every response: CORS, request ids, problem documents, logging.

use crate::analysis::Snapshot;
use crate::gate::Gate;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::problem::{ApiError, METHODS};
use crate::query::{Query, is_well_encoded, named};
use crate::reload::Snapshots;
use crate::reply::{Media, NEVER_KEPT, Reply, Timing, preferred};
use crate::scenarios::Scenarios;
use crate::work::{Workers, panic_text};
use crate::{
    Served, ServerOptions, body, collections, compare, html, isochrones, metrics, openapi, processes, reload,
    scenarios, schema, summary, tiles, walks,
};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

/// An address longer than this is refused.
pub(crate) const URI_MAX: usize = 8_192;

/// Downloads written at once: each holds a thread as long as its client takes.
const DOWNLOADS: usize = 16;

const MAP: &str = include_str!("map.html");

/// The OGC conformance classes that hold here.
const CONFORMANCE: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/case-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions-plus",
    "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
    "http://www.opengis.net/spec/cql2/1.0/conf/arithmetic",
];

/// What every request sees.
pub(crate) struct App {
    pub(crate) snapshots: Snapshots,
    pub(crate) workers: Workers,
    /// For what has been found and only has to be written: it doesn't wait behind what others ask.
    pub(crate) writers: Workers,
    /// A permit for each download that may be written at once.
    pub(crate) downloads: Arc<Semaphore>,
    /// For tiles: each takes little, and a map asks for many at once.
    pub(crate) cutters: Workers,
    pub(crate) gate: Arc<Gate>,
    pub(crate) jobs: Jobs,
    pub(crate) scenarios: Scenarios,
    pub(crate) metrics: Metrics,
    pub(crate) options: ServerOptions,
    /// The base of links where the client names no host.
    local: String,
    /// Set when the server is about to stop.
    pub(crate) draining: AtomicBool,
    started: u64,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(served: Arc<Served>, options: ServerOptions, local: String) -> io::Result<Self> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Ok(Self {
            snapshots: Snapshots::new(Snapshot::new(served, options.cache_bytes)),
            workers: Workers::new(options.workers, options.queue),
            // Writing takes so little that whoever has a connection may wait for it.
            writers: Workers::new(options.workers, options.max_connections),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            cutters: Workers::new(options.workers, options.max_connections),
            gate: Arc::new(Gate::new(options.max_connections)),
            jobs: Jobs::open(options.state_dir.as_deref())?,
            scenarios: Scenarios::open(options.state_dir.as_deref())?,
            metrics: Metrics::default(),
            options,
            local,
            draining: AtomicBool::new(false),
            started,
            requests: AtomicU64::new(0),
        })
    }

    /// The study as it is now. A request asks once and keeps what it got.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.now()
    }

    /// The study that a `next` link goes on in, which may have been replaced; the present one unless it names another.
    /// With the facilities of the scenario that the query names.
    pub(crate) async fn snapshot_asked(self: &Arc<Self>, parts: &Parts) -> Result<Arc<Snapshot>, ApiError> {
        let snapshot = match named(parts.uri.query(), "revision") {
            Some(revision) => self.snapshots.of_revision(&revision)?,
            None => self.snapshot(),
        };
        self.after_named(snapshot, parts).await
    }

    /// What links start with: the configured public address, else what a trusted proxy says, else the host that the client
    /// asked.
    pub(crate) fn base(&self, parts: &Parts) -> Result<String, ApiError> {
        if let Some(url) = &self.options.public_url {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let way = self.options.trusted.way(parts.extensions.get::<Peer>().copied(), &parts.headers);
        let host = match (&way.host, parts.uri.authority(), parts.headers.get(HOST)) {
            (Some(host), ..) => host,
            (None, Some(authority), _) => authority.as_str(),
            (None, None, Some(host)) => host.to_str().unwrap_or_default(),
            (None, None, None) => return Ok(self.local.clone()),
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '[' | ']');
        if host.is_empty() || host.len() > 255 || !host.chars().all(valid) {
            return Err(ApiError::bad_request("the Host header is not a host name with an optional port"));
        }
        let scheme = way.scheme.as_deref().unwrap_or("http");
        let prefix = way.prefix.as_deref().unwrap_or_default().trim_end_matches('/');
        let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | '%');
        let is_path = prefix.is_empty() || (prefix.starts_with('/') && !prefix.starts_with("//"));
        if !matches!(scheme, "http" | "https") || !is_path || prefix.len() > 255 || !prefix.chars().all(in_path) {
            return Err(ApiError::bad_request(
                "the forwarded scheme is neither http nor https, or the prefix is no path",
            ));
        }
        Ok(format!("{scheme}://{host}{prefix}"))
    }

    /// A resource that takes no parameter but `f`, and no analysis; as a page for who prefers HTML.
    pub(crate) async fn document(
        self: &Arc<Self>,
        parts: &Parts,
        media: Media,
        write: impl FnOnce(&Snapshot, &str) -> Value + Send + 'static,
    ) -> Result<Response, ApiError> {
        let begun = Instant::now();
        let base = self.base(parts)?;
        let mut query = Query::parse(parts.uri.query(), &["f"])?;
        let media = match query.word("f", &["json", "html"])? {
            Some("html") => Media::Html,
            Some(_) => media,
            None => preferred(parts, &[media, Media::Html]),
        };
        let snapshot = self.snapshot();
        let question = format!("{}{}", parts.uri.path(), query.canonical());
        let reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question).document();
        if let Some(response) = reply.early(&parts.headers) {
            return Ok(response);
        }
        let write = move || {
            let document = write(&snapshot, &base);
            Ok(if media == Media::Html { html::page(&question, &document) } else { document.to_string().into_bytes() })
        };
        reply.write(self, write).await
    }
}

type Answered = Result<Response, ApiError>;

/// All routes.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let missing = |parts: Parts| async move {
        ApiError::not_found(format!(
            "there is nothing at {}: start at /, or see /api for what there is",
            crate::problem::shortened(parts.uri.path())
        ))
    };
    let routes = Router::new()
        .route("/", get(landing))
        .route("/conformance", get(conformance))
        .route("/api", get(api))
        .route("/collections", get(|State(app), parts: Parts| collections::list(app, parts)))
        .route(
            "/collections/{c}",
            get(|State(app), path: Result<Path<String>, PathRejection>, parts: Parts| async {
                let Path(c) = path.map_err(bad_path)?;
                collections::one(app, parts, c).await
            }),
        )
        .route(
            "/collections/{c}/items",
            get(|State(app), path: Result<Path<String>, PathRejection>, parts: Parts| async {
                let Path(c) = path.map_err(bad_path)?;
                collections::items(app, parts, c).await
            }),
        )
        .route(
            "/collections/{c}/items/{id}",
            get(|State(app), path: Result<Path<(String, String)>, PathRejection>, parts: Parts| async {
                let Path((c, id)) = path.map_err(bad_path)?;
                collections::item(app, parts, c, id).await
            }),
        )
        .route(
            "/isochrones",
            get(|State(app), parts: Parts| isochrones::of_one(app, parts))
                .post(|State(app), request: Request| isochrones::of_many(app, request)),
        )
        .route("/summary", get(|State(app), parts: Parts| summary::summary(app, parts)))
        .merge(tiles::routes())
        .merge(walks::routes())
        .merge(processes::routes())
        .merge(scenarios::routes())
        .route("/compare", get(|State(app), parts: Parts| compare::compare(app, parts)))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(schema::routes())
        .merge(reload::routes())
        .merge(metrics::routes())
        .fallback(missing);
    finished(routes, app)
}

/// Routes with what is common to all of them around.
pub(crate) fn finished(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    let caught = CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
        ApiError::internal(panic_text(&*panic)).into_response()
    });
    // Around the router, not its routes: which methods a route takes is told by the router alone.
    let routes = routes.route_layer(from_fn(metrics::tell_route));
    let routes = Router::new().fallback_service(routes.with_state(Arc::clone(app)));
    routes.layer(caught).layer(from_fn_with_state(Arc::clone(app), around))
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(crate) fn bad_path(rejection: PathRejection) -> ApiError {
    ApiError::bad_request(format!("the path is not percent-encoded UTF-8: {}", rejection.body_text()))
}

/// What happens around every request, whatever its route.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let own_id = || format!("{:x}-{:x}", app.started, app.requests.fetch_add(1, Ordering::Relaxed));
    let id = given_id(request.headers()).unwrap_or_else(own_id);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut response = answer(&app, request, next).await;

    let error = response.extensions_mut().remove::<ApiError>();
    let route = response.extensions_mut().remove::<metrics::Route>();
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let of_status = |response: &Response| match response.headers().get(ALLOW).and_then(|taken| taken.to_str().ok()) {
        Some(taken) => ApiError::method_not_allowed(taken),
        None => ApiError::of_status(response.status()),
    };
    // Whatever a layer below answered with, an error leaves here as a problem document.
    if let Some(error) = error.or_else(|| failed.then(|| of_status(&response))) {
        if error.status.is_server_error() {
            let cause = error.cause.as_deref().unwrap_or("overloaded or not ready");
            tracing::error!(%id, %method, %uri, status = error.status.as_u16(), cause, "request failed");
        }
        let taken = response.headers_mut().remove(ALLOW);
        response = error.render(uri.path(), &id);
        if let Some(taken) = taken {
            response.headers_mut().insert(ALLOW, taken);
        }
    }
    if method == Method::HEAD {
        let length = response.body().size_hint().exact();
        *response.body_mut() = Body::empty();
        if let Some(length) = length.filter(|&l| l > 0) {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
    }
    let timing = response.extensions_mut().remove::<Timing>().unwrap_or_default();
    let total = begun.elapsed();
    app.metrics.count(route.as_ref(), &method, response.status(), total, timing.hit());
    mark(response.headers_mut(), &timing.header(total), &id);
    tracing::info!(%id, %method, %uri, status = response.status().as_u16(), ms = total.as_secs_f64() * 1e3, "request");
    response
}

/// The id that a client, or a proxy before it, gave the request, where it is fit to be written down.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let is_sane = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    ((1..=64).contains(&id.len()) && id.bytes().all(is_sane)).then(|| id.to_owned())
}

/// The response before it is finished.
async fn answer(app: &Arc<App>, request: Request, next: Next) -> Response {
    let request = body::received(request, app.options.body_timeout);
    let uri = request.uri();
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112, 3.2: a request that leaves open whom it asks is refused.
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return ApiError::bad_request("name the host asked once, in a Host header").into_response();
    }
    let path_and_query = uri.path().len() + uri.query().map_or(0, |q| q.len() + 1);
    if path_and_query > URI_MAX {
        return ApiError::uri_too_long(URI_MAX).into_response();
    }
    if !is_well_encoded(uri.path()) {
        return ApiError::bad_request("the path is not percent-encoded UTF-8").into_response();
    }
    // It names a host and port instead of a path, which no route would match.
    if request.method() == Method::CONNECT {
        return ([(ALLOW, METHODS)], ApiError::method_not_allowed(METHODS)).into_response();
    }
    if let Some(response) = tiles::kept_tile(app, request.method(), request.uri(), request.headers()).await {
        return response;
    }
    // No route takes OPTIONS: in refusing it, each tells what it takes.
    let asked = (request.method() == Method::OPTIONS).then(|| request.headers().clone());
    let mut response = match tokio::time::timeout(app.options.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable("the answer took too long: ask for less, or again later").into_response(),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let taken = response.headers().get(ALLOW).and_then(|taken| taken.to_str().ok()).unwrap_or_default();
        let taken = format!("{}, OPTIONS", taken.split(',').map(str::trim).collect::<Vec<_>>().join(", "));
        if let Ok(taken) = HeaderValue::try_from(taken) {
            response.headers_mut().insert(ALLOW, taken);
        }
    }
    match asked {
        Some(asked) => allowance(response.headers().get(ALLOW), &asked),
        None => response,
    }
}

/// What may be done with a resource that takes these methods.
fn allowance(taken: Option<&HeaderValue>, asked: &HeaderMap) -> Response {
    let taken = taken.cloned().unwrap_or(HeaderValue::from_static(METHODS));
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert("access-control-allow-methods", taken.clone());
    headers.insert(ALLOW, taken);
    headers.insert("access-control-max-age", HeaderValue::from_static("86400"));
    // No header changes what may be read here, so a page may send any that it names.
    if let Some(names) = asked.get("access-control-request-headers") {
        headers.insert("access-control-allow-headers", names.clone());
    }
    response
}

/// The headers of every response.
fn mark(headers: &mut HeaderMap, timing: &str, id: &str) {
    const FIXED: [(&str, &str); 4] = [
        ("access-control-allow-origin", "*"),
        (
            "access-control-expose-headers",
            "Content-Crs, ETag, Link, Location, Preference-Applied, Server-Timing, X-Request-Id, Retry-After",
        ),
        ("timing-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    for (name, value) in [("server-timing", timing), ("x-request-id", id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// `GET /`: the landing page, or the map for who prefers HTML.
async fn landing(State(app): State<Arc<App>>, parts: Parts) -> Answered {
    let begun = Instant::now();
    let base = app.base(&parts)?;
    let mut query = Query::parse(parts.uri.query(), &["f", "lang", "scenario"])?;
    // The map reads the other two itself.
    query.word("lang", &["zh", "en"])?;
    let media = match query.word("f", &["json", "html"])? {
        Some("html") => Media::Html,
        Some(_) => Media::Json,
        None => preferred(&parts, &[Media::Json, Media::Html]),
    };
    let snapshot = app.snapshot();
    let question = format!("/{}", query.canonical());
    let reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question).document();
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let write = move || {
        if media == Media::Html {
            return Ok(MAP.as_bytes().to_vec());
        }
        let link = |rel: &str, media: Media, title: &str, path: &str| json!({ "rel": rel, "type": media.name(), "title": title, "href": format!("{base}{path}") });
        let served = &snapshot.served;
        let landing = json!({
            "title": served.title,
            "description": "Who can walk to childcare within the limit (15 minutes unless asked otherwise), and who cannot.",
            "attribution": carecircle_formats::geojson::ATTRIBUTION,
            "extract_date": served.extract_date,
            "links": [
                link("self", Media::Json, "This document", "/"),
                link("alternate", Media::Html, "The map", "/?f=html"),
                link("service-desc", Media::OpenApi, "The API, as OpenAPI 3.0", "/api"),
                link("conformance", Media::Json, "Conformance classes", "/conformance"),
                link("data", Media::Json, "The collections", "/collections"),
                link("related", Media::Json, "Indicators per area", "/summary"),
                tiles::link_to_tilesets(&format!("{base}/tiles")),
                tiles::link_to_schemes(&base),
                processes::link_to_processes(&base),
                processes::link_to_jobs(&base),
                scenarios::link_to_scenarios(&base),
            ],
        });
        Ok(landing.to_string().into_bytes())
    };
    reply.write(&app, write).await
}

/// `GET /conformance`
async fn conformance(State(app): State<Arc<App>>, parts: Parts) -> Answered {
    app.document(&parts, Media::Json, |_, base| {
        let links = json!([
            { "rel": "self", "type": "application/json", "title": "This document", "href": format!("{base}/conformance") }
        ]);
        let classes = [CONFORMANCE, &tiles::CONFORMANCE, &processes::CONFORMANCE].concat();
        json!({ "links": links, "conformsTo": classes })
    })
    .await
}

/// `GET /api`
async fn api(State(app): State<Arc<App>>, parts: Parts) -> Answered {
    app.document(&parts, Media::OpenApi, openapi::document).await
}

fn plain(parts: &Parts, text: impl Into<Bytes>) -> Answered {
    Query::parse(parts.uri.query(), &[])?;
    Ok(([NEVER_KEPT, (CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response())
}

/// `GET /healthz`: the process lives.
async fn healthz(parts: Parts) -> Answered {
    plain(&parts, "ok\n")
}

/// `GET /readyz`: the study is loaded, and the server is not about to stop. That an older study serves since the last
/// reload failed is told, and no reason to take the server out of service.
async fn readyz(State(app): State<Arc<App>>, parts: Parts) -> Answered {
    if app.draining.load(Ordering::Relaxed) {
        return Err(ApiError::unavailable("the server is about to stop"));
    }
    let complaint = app.snapshots.complaint().map(|complaint| complaint + "\n");
    plain(&parts, format!("ready\n{}", complaint.unwrap_or_default()))
}
