//! What the service counts, in the text format 0.0.4 of Prometheus.

use crate::app::App;
use crate::problem::ApiError;
use crate::query::Query;
use crate::reply;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the histogram of latencies, seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Requests counted.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Kind, u64>>,
    latencies: Mutex<BTreeMap<Arc<str>, Latencies>>,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
}

/// Route, method, status.
type Kind = (Arc<str>, &'static str, u16);

#[derive(Default)]
struct Latencies {
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum_s: f64,
}

/// The route that a request took, as its pattern.
#[derive(Clone)]
pub(crate) struct Route(MatchedPath);

/// Tells those further out which route a request took.
pub(crate) async fn tell_route(path: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(path));
    response
}

impl Metrics {
    /// Counts a request that has been answered.
    pub(crate) fn count(
        &self,
        route: Option<&Route>,
        method: &Method,
        status: StatusCode,
        took: Duration,
        hit: Option<bool>,
    ) {
        let route: Arc<str> = route.map_or("none", |route| route.0.as_str()).into();
        // A client may make up methods without end.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
        let method = ["GET", "HEAD", "POST", "OPTIONS"].into_iter().zip(&known).find(|(_, known)| *known == method);
        let key = (Arc::clone(&route), method.map_or("other", |(name, _)| name), status.as_u16());
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let latencies = latencies.entry(route).or_default();
        let seconds = took.as_secs_f64();
        if let Some(count) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            latencies.counts[count] += 1;
        }
        latencies.count += 1;
        latencies.sum_s += seconds;
        match hit {
            Some(true) => _ = self.hits.fetch_add(1, Relaxed),
            Some(false) => _ = self.misses.fetch_add(1, Relaxed),
            None => {}
        }
    }
}

/// A document being written.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value under labels.
    fn value(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0 += name;
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric of one value.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.metric(name, kind, help);
        self.value(name, &[], value);
    }
}

async fn written(app: &App) -> String {
    let mut page = Page::default();
    let metrics = &app.metrics;
    page.metric("carecircle_http_requests_total", "counter", "Requests answered.");
    for ((route, method, status), count) in &*metrics.requests.lock().unwrap_or_else(PoisonError::into_inner) {
        let labels: [(&str, &dyn Display); 3] = [("route", route), ("method", method), ("status", status)];
        page.value("carecircle_http_requests_total", &labels, count);
    }
    let name = "carecircle_http_request_duration_seconds";
    page.metric(name, "histogram", "Time from a request's head to its answer, without sending it.");
    for (route, latencies) in &*metrics.latencies.lock().unwrap_or_else(PoisonError::into_inner) {
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(latencies.counts) {
            below += count;
            page.value(&format!("{name}_bucket"), &[("route", route), ("le", bound)], below);
        }
        page.value(&format!("{name}_bucket"), &[("route", route), ("le", &"+Inf")], latencies.count);
        page.value(&format!("{name}_sum"), &[("route", route)], latencies.sum_s);
        page.value(&format!("{name}_count"), &[("route", route)], latencies.count);
    }

    let snapshot = app.snapshot();
    let name = "carecircle_cache_requests_total";
    page.metric(name, "counter", "Requests for what may be kept, by whether it, or its analysis, was there.");
    page.value(name, &[("result", &"hit")], metrics.hits.load(Relaxed));
    page.value(name, &[("result", &"miss")], metrics.misses.load(Relaxed));
    page.metric("carecircle_cache_bytes", "gauge", "About what is kept of the present study.");
    for (cache, bytes) in snapshot.kept_bytes().await {
        page.value("carecircle_cache_bytes", &[("cache", &cache)], bytes);
    }
    let limit = app.options.cache_bytes;
    page.single("carecircle_cache_limit_bytes", "gauge", "About as much may be kept.", limit);

    let load = app.workers.load();
    page.metric("carecircle_computations", "gauge", "Computations running, and waiting for their turn.");
    page.value("carecircle_computations", &[("state", &"running")], load.running);
    page.value("carecircle_computations", &[("state", &"waiting")], load.waiting);
    let help = "Computations refused with 503, since too many waited.";
    page.single("carecircle_computations_shed_total", "counter", help, load.shed);

    let gate = &app.gate;
    let (open, at_work) = gate.count();
    page.metric("carecircle_connections", "gauge", "Connections open, by whether a request is being answered.");
    page.value("carecircle_connections", &[("state", &"active")], at_work);
    page.value("carecircle_connections", &[("state", &"silent")], open.saturating_sub(at_work));
    let limit = app.options.max_connections;
    page.single("carecircle_connections_limit", "gauge", "Connections that may be open.", limit);
    let name = "carecircle_connections_total";
    page.metric(name, "counter", "Connections that came, and those closed or turned away for want of room.");
    for (what, count) in [("accepted", &gate.accepted), ("shed", &gate.shed), ("refused", &gate.refused)] {
        page.value(name, &[("event", &what)], count.load(Relaxed));
    }

    page.metric("carecircle_snapshot_info", "gauge", "The study that is served.");
    let labels: [(&str, &dyn Display); 2] =
        [("revision", &snapshot.served.revision), ("version", &env!("CARGO_PKG_VERSION"))];
    page.value("carecircle_snapshot_info", &labels, 1);
    let snapshots = &app.snapshots;
    let age = snapshots.age().as_secs_f64();
    page.single("carecircle_snapshot_age_seconds", "gauge", "How long it has been served.", age);
    let is_stale = u8::from(snapshots.complaint().is_some());
    let help = "Whether the last reload failed, so that an older study serves.";
    page.single("carecircle_snapshot_stale", "gauge", help, is_stale);
    page.metric("carecircle_reloads_total", "counter", "Reloads by how they ended.");
    let counts = &snapshots.counts;
    for (result, count) in [("swapped", &counts.swapped), ("unchanged", &counts.unchanged), ("failed", &counts.failed)]
    {
        page.value("carecircle_reloads_total", &[("result", &result)], count.load(Relaxed));
    }
    if let Some(bytes) = resident_bytes() {
        page.single("process_resident_memory_bytes", "gauge", "Resident memory.", bytes);
    }
    page.0
}

/// Where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(metrics))
}

/// `GET /metrics`
async fn metrics(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, ApiError> {
    Query::parse(parts.uri.query(), &[])?;
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), reply::NEVER_KEPT];
    Ok((headers, written(&app).await).into_response())
}
