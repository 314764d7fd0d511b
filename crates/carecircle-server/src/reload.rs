//! The next study: read by a closure of the binary's, made ready beside the present one, and put in its place whole.
//!
//! The study before is kept for a while, so that who is paging through it comes to the end of it.

use crate::analysis::Snapshot;
use crate::app::App;
use crate::peer::Peer;
use crate::problem::{ApiError, shortened};
use crate::query::Query;
use crate::work::panic_text;
use crate::{Served, reply};
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedMutexGuard};

type Load = dyn Fn(&str) -> Result<Option<Served>, String> + Send + Sync;

/// How a service comes to its next study.
#[derive(Clone)]
pub struct Reloader {
    load: Arc<Load>,
    asked: Arc<Notify>,
}

impl Reloader {
    /// Takes what reads the inputs anew and checks them. It is given the revision that is served, and returns `None` where
    /// they still make that one, or what is wrong with them.
    pub fn new(load: impl Fn(&str) -> Result<Option<Served>, String> + Send + Sync + 'static) -> Self {
        Self { load: Arc::new(load), asked: Arc::default() }
    }

    /// Asks for a reload. One that is under way is finished first.
    pub fn ask(&self) {
        self.asked.notify_one();
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloader")
    }
}

/// The study that is served, and the one before.
pub(crate) struct Snapshots {
    held: RwLock<Held>,
    reloading: Arc<tokio::sync::Mutex<()>>,
    /// Why the last reload left the older study serving, and when.
    failure: Mutex<Option<(String, Instant)>>,
    pub(crate) counts: Counts,
}

struct Held {
    now: Arc<Snapshot>,
    since: Instant,
    /// Until when it is kept.
    before: Option<(Arc<Snapshot>, Instant)>,
}

/// Reloads by how they ended.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) swapped: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Snapshots {
    pub(crate) fn new(now: Snapshot) -> Self {
        let held = Held { now: Arc::new(now), since: Instant::now(), before: None };
        Self {
            held: RwLock::new(held),
            reloading: Arc::default(),
            failure: Mutex::new(None),
            counts: Counts::default(),
        }
    }

    pub(crate) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner).now)
    }

    /// How long the present study has been served.
    pub(crate) fn age(&self) -> Duration {
        self.held.read().unwrap_or_else(PoisonError::into_inner).since.elapsed()
    }

    /// The study of that revision.
    ///
    /// # Errors
    /// 410 when it is kept no more.
    pub(crate) fn of_revision(&self, revision: &str) -> Result<Arc<Snapshot>, ApiError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let before = held.before.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(snapshot, _)| snapshot);
        let found = std::iter::once(&held.now).chain(before).find(|snapshot| snapshot.served.revision == revision);
        found.map(Arc::clone).ok_or_else(|| {
            ApiError::gone(format!(
                "revision \"{}\" of the data is served no more: begin again at the first page, without revision and offset",
                shortened(revision)
            ))
        })
    }

    /// Puts a study in the place of the present one, which is kept for so long.
    fn swap(&self, next: Snapshot, keep: Duration) {
        let next = Held { now: Arc::new(next), since: Instant::now(), before: None };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *held, next);
        held.before = Some((last.now, Instant::now() + keep));
        drop(held);
        // A city takes a while to let go of; nobody waits for it.
        drop(last.before);
    }

    /// Lets the study before go when its time is over.
    fn forget(&self) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let gone = held.before.take_if(|(_, until)| *until <= Instant::now());
        drop(held);
        drop(gone);
    }

    /// What there is to say of an older study that still serves.
    pub(crate) fn complaint(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let (why, at) = failure.as_ref()?;
        let (revision, seconds) = (&self.now().served.revision, at.elapsed().as_secs());
        Some(format!("still serving revision {revision}: the reload {seconds} s ago failed: {why}"))
    }
}

/// How a reload ended: with another study, with the same, or with what is wrong with the inputs.
type Outcome = Result<bool, String>;

/// Reloads on a thread of its own, whoever waits for it.
fn reload(app: &Arc<App>, reloader: &Reloader, alone: OwnedMutexGuard<()>) -> tokio::task::JoinHandle<Outcome> {
    let (app, load) = (Arc::clone(app), Arc::clone(&reloader.load));
    tokio::spawn(async move {
        let loaded = {
            let app = Arc::clone(&app);
            tokio::task::spawn_blocking(move || {
                let Some(served) = load(&app.snapshot().served.revision)? else { return Ok(false) };
                let next = Snapshot::new(Arc::new(served), app.options.cache_bytes);
                // Who asks first should not have to wait longer than before.
                next.prepare();
                app.snapshots.swap(next, app.options.keep_before);
                Ok(true)
            })
        };
        let outcome = loaded.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Err(panic_text(&*panic)),
            Err(error) => Err(error.to_string()),
        });
        drop(alone);
        let snapshots = &app.snapshots;
        let revision = app.snapshot().served.revision.clone();
        let count = match &outcome {
            Ok(true) => &snapshots.counts.swapped,
            Ok(false) => &snapshots.counts.unchanged,
            Err(_) => &snapshots.counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        match &outcome {
            Ok(true) => tracing::info!(revision, "reloaded"),
            Ok(false) => tracing::info!(revision, "nothing to reload: the inputs are the same"),
            Err(why) => tracing::error!(revision, why, "reload failed, the older study still serves"),
        }
        let failure = outcome.as_ref().err().map(|why| (why.clone(), Instant::now()));
        *snapshots.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        if outcome == Ok(true) {
            tokio::spawn(async move {
                tokio::time::sleep(app.options.keep_before).await;
                _ = tokio::task::spawn_blocking(move || app.snapshots.forget()).await;
            });
        }
        outcome
    })
}

/// Reloads whenever the [`Reloader`] is asked to; never ends.
pub(crate) async fn listen(app: Arc<App>, reloader: Reloader) {
    loop {
        reloader.asked.notified().await;
        let alone = Arc::clone(&app.snapshots.reloading).lock_owned().await;
        _ = reload(&app, &reloader, alone).await;
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    let reload = |State(app), peer: Option<Extension<Peer>>, parts: Parts| asked(app, peer.map(|p| p.0), parts);
    Router::new().route("/admin/reload", post(reload))
}

/// An answer is given by then, even when the reload goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// `POST /admin/reload`
async fn asked(app: Arc<App>, peer: Option<Peer>, parts: Parts) -> Result<Response, ApiError> {
    check_admin(app.options.admin_token.as_deref(), peer, &parts.headers)?;
    Query::parse(parts.uri.query(), &[])?;
    let Some(reloader) = &app.options.reloader else {
        return Err(ApiError::not_found("this service has no inputs to read anew"));
    };
    let alone = Arc::clone(&app.snapshots.reloading).try_lock_owned();
    let alone = alone.map_err(|_| ApiError::conflict("a reload is under way: look at /readyz, and ask again"))?;
    let patience = PATIENCE.min(app.options.request_timeout / 2);
    let (status, reloaded) = match tokio::time::timeout(patience, reload(&app, reloader, alone)).await {
        Ok(Ok(Ok(is_new))) => (StatusCode::OK, Some(is_new)),
        Ok(Ok(Err(why))) => return Err(ApiError::unanswerable(format!("the older study still serves: {why}"))),
        Ok(Err(error)) => return Err(ApiError::internal(error.to_string())),
        Err(_) => (StatusCode::ACCEPTED, None),
    };
    let told = json!({ "revision": app.snapshot().served.revision, "reloaded": reloaded });
    Ok((status, [reply::NEVER_KEPT, (CONTENT_TYPE, "application/json")], told.to_string()).into_response())
}

/// Lets those through who may tell the service what to do: with a token where there is one, else from this machine, by
/// hand. What comes through a proxy or from a web page is neither.
fn check_admin(token: Option<&str>, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(token) = token else {
        let foreign = ["origin", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
        let is_local = peer.is_some_and(|Peer(ip)| ip.to_canonical().is_loopback());
        if is_local && foreign.iter().all(|name| !headers.contains_key(*name)) {
            return Ok(());
        }
        let detail = "this is for the machine that the service runs on, unless it has an admin token";
        return Err(ApiError::forbidden(detail));
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, given) = given.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && is_same(given.trim().as_bytes(), token.as_bytes()) {
        return Ok(());
    }
    Err(ApiError::unauthorized("send the admin token: Authorization: Bearer TOKEN"))
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// The routes here, as OpenAPI has them.
pub(crate) fn paths() -> [(&'static str, Value); 1] {
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let told = json!({
        "type": "object",
        "required": ["revision", "reloaded"],
        "properties": { "revision": { "type": "string" }, "reloaded": { "type": "boolean", "nullable": true } },
    });
    let answer = |text: &str| json!({ "description": text, "content": { "application/json": { "schema": told } } });
    let operation = json!({
        "operationId": "reload", "tags": ["health"], "parameters": [],
        "summary": "Reads changed inputs and serves them, all at once; with the admin token, or from the same machine",
        "responses": {
            "200": answer("Which revision is served, and whether it is a new one"),
            "202": answer("It takes longer, and goes on"),
            "400": problem, "401": problem, "403": problem, "404": problem, "409": problem, "422": problem,
            "default": problem,
        },
    });
    [("/admin/reload", json!({ "post": operation }))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_a_token_only_this_machine_is_let_through() {
        let status = |ip: Option<&str>, pairs: &[_]| {
            let peer = ip.map(|ip| Peer(ip.parse().unwrap()));
            check_admin(None, peer, &headers(pairs)).map_err(|error| error.status)
        };
        for ip in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status(Some(ip), &[]), Ok(()), "{ip}");
            for header in ["origin", "x-forwarded-for", "forwarded"] {
                assert_eq!(status(Some(ip), &[(header, "a")]), Err(StatusCode::FORBIDDEN), "{ip} {header}");
            }
        }
        for ip in [Some("10.0.0.1"), Some("::2"), None] {
            assert_eq!(status(ip, &[]), Err(StatusCode::FORBIDDEN), "{ip:?}");
            assert_eq!(status(ip, &[("authorization", "Bearer ")]), Err(StatusCode::FORBIDDEN), "{ip:?}");
        }
    }

    #[test]
    fn with_a_token_only_the_token_counts() {
        let status = |pairs: &[_]| {
            let peer = Peer("127.0.0.1".parse().unwrap());
            check_admin(Some("secret"), Some(peer), &headers(pairs)).map_err(|error| error.status)
        };
        for right in ["Bearer secret", "bearer  secret"] {
            assert_eq!(status(&[("authorization", right)]), Ok(()), "{right}");
        }
        for wrong in
            ["", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secret2", "Basic secret", "Bearer Secret"]
        {
            assert_eq!(status(&[("authorization", wrong)]), Err(StatusCode::UNAUTHORIZED), "{wrong}");
        }
        assert_eq!(status(&[]), Err(StatusCode::UNAUTHORIZED));
    }
}
