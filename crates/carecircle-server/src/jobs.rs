//! Jobs: a bounded queue, a worker apart from those of requests, and results kept until there are too many.
//!
//! They stand in a database: what waits when the process dies is found again and done; what ran is found failed.

use crate::app::App;
use crate::problem::ApiError;
use crate::processes;
use crate::store::{self, broken, forget_oldest, now};
use crate::work::panic_text;
use carecircle_core::siting::Progress;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Jobs that may wait or run at once, and what their requests may take together.
pub(crate) const QUEUE: usize = 256;
const QUEUE_BYTES: i64 = 64 << 20;
/// Jobs that are done and kept, and what their results may take together: beyond that the oldest go.
const KEPT: usize = 1_000;
const KEPT_BYTES: usize = 256 << 20;

/// The file of a state directory.
const FILE: &str = "state.sqlite";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        created TEXT NOT NULL,
        started TEXT,
        finished TEXT,
        form INTEGER NOT NULL,
        message TEXT,
        code INTEGER,
        proof TEXT,
        request BLOB,
        plan BLOB,
        scenario BLOB
    ) STRICT;
    CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status);";

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Accepted,
    Running,
    Successful,
    Failed,
    Dismissed,
}

impl Status {
    pub(crate) const ALL: [Self; 5] = [Self::Accepted, Self::Running, Self::Successful, Self::Failed, Self::Dismissed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A job as it stands.
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) created: String,
    pub(crate) started: Option<String>,
    pub(crate) finished: Option<String>,
    /// Why it failed.
    pub(crate) message: Option<String>,
    /// What a request would have been answered with that fails so.
    pub(crate) code: Option<u16>,
    /// Parts of a hundred that are done, about.
    pub(crate) percent: u8,
    /// The best plan's objective so far, and what no plan passes.
    pub(crate) objective: Option<f64>,
    pub(crate) bound: Option<f64>,
}

/// What a job found.
pub(crate) struct Found {
    /// Its plan and scenario, as JSON.
    pub(crate) plan: Vec<u8>,
    pub(crate) scenario: Vec<u8>,
    pub(crate) objective: f64,
    pub(crate) bound: f64,
}

/// What is kept of that, and the form that was asked for.
pub(crate) struct Results {
    pub(crate) plan: Vec<u8>,
    pub(crate) scenario: Vec<u8>,
    pub(crate) form: u8,
}

/// A job that waits or runs.
pub(crate) struct Live {
    is_dismissed: AtomicBool,
    percent: AtomicU8,
    /// The best plan's objective so far, and what no plan passes.
    best: Mutex<(Option<f64>, Option<f64>)>,
    is_done: watch::Sender<bool>,
}

impl Live {
    fn new() -> Arc<Self> {
        let (is_dismissed, percent) = (AtomicBool::new(false), AtomicU8::new(0));
        Arc::new(Self { is_dismissed, percent, best: Mutex::default(), is_done: watch::Sender::new(false) })
    }

    /// Tells how many parts of a hundred are done.
    pub(crate) fn tell(&self, percent: u8) {
        self.percent.store(percent, Relaxed);
    }

    /// Tells how a search stands.
    pub(crate) fn tell_search(&self, progress: &Progress) {
        *self.best.lock().unwrap_or_else(PoisonError::into_inner) = (progress.objective, progress.bound);
    }

    /// Whether to go on.
    pub(crate) fn goes_on(&self) -> ControlFlow<()> {
        if self.is_dismissed.load(Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Waits until it is done, dismissed or failed.
    pub(crate) async fn done(&self) {
        _ = self.is_done.subscribe().wait_for(|is_done| *is_done).await;
    }
}

/// All jobs.
pub(crate) struct Jobs(Mutex<State>);

struct State {
    store: Connection,
    /// Those that wait or run, by id.
    live: BTreeMap<String, Arc<Live>>,
    has_worker: bool,
    is_stopping: bool,
}

impl Jobs {
    /// Those of a state directory, or none yet and in memory alone.
    ///
    /// # Errors
    /// Whatever [`store::open`] says.
    pub(crate) fn open(state_dir: Option<&Path>) -> io::Result<Self> {
        let state = State::of(store::open(state_dir, FILE, TABLES)?);
        state.map(Mutex::new).map(Self).map_err(io::Error::other)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request into the queue: the job's id, and how to follow it. `form` is given back with what is found.
    pub(crate) fn submit(&self, app: &Arc<App>, request: &[u8], form: u8) -> Result<(String, Arc<Live>), ApiError> {
        let mut state = self.state();
        if state.is_stopping {
            return Err(ApiError::unavailable("the server is about to stop"));
        }
        let waiting: i64 = state
            .store
            .query_row("SELECT total(length(request)) FROM jobs WHERE finished IS NULL", [], |row| {
                row.get::<_, f64>(0).map(|bytes| bytes as i64)
            })
            .map_err(broken)?;
        if state.live.len() >= QUEUE || waiting + request.len() as i64 > QUEUE_BYTES {
            let n = state.live.len();
            return Err(ApiError::unavailable(format!("{n} jobs are waiting: ask again when some are done")));
        }
        let id = fresh_id();
        let insert = concat!(
            "INSERT INTO jobs (id, status, created, request, form) VALUES (?1, 'accepted', ",
            now!(),
            ", ?2, ?3)"
        );
        state.store.execute(insert, params![id, request, form]).map_err(broken)?;
        let live = Live::new();
        state.live.insert(id.clone(), Arc::clone(&live));
        start(app, &mut state)?;
        Ok((id, live))
    }

    /// Goes on with what waited when the service ended.
    pub(crate) fn resume(&self, app: &Arc<App>) -> Result<(), ApiError> {
        let mut state = self.state();
        if state.live.is_empty() { Ok(()) } else { start(app, &mut state) }
    }

    /// Ends the worker: what runs waits again, for the next start.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.is_stopping = true;
        let again = "UPDATE jobs SET status = 'accepted', started = NULL WHERE status = 'running'";
        if let Err(error) = state.store.execute(again, []) {
            tracing::error!(%error, "jobs cannot be kept");
        }
        state.live.values().for_each(|live| live.is_dismissed.store(true, Relaxed));
    }

    /// The jobs after so many, the newest first.
    pub(crate) fn list(&self, limit: usize, offset: usize) -> Result<Vec<Job>, ApiError> {
        let state = self.state();
        let select = format!("SELECT {COLUMNS} FROM jobs ORDER BY number DESC LIMIT ?1 OFFSET ?2");
        let mut statement = state.store.prepare(&select).map_err(broken)?;
        let rows = statement.query_map(params![limit as i64, offset as i64], |row| job(row, &state.live));
        rows.and_then(Iterator::collect).map_err(broken)
    }

    /// The job of that id.
    pub(crate) fn get(&self, id: &str) -> Result<Option<Job>, ApiError> {
        let state = self.state();
        let select = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        state.store.query_row(&select, [id], |row| job(row, &state.live)).optional().map_err(broken)
    }

    /// The results of a job that is done.
    pub(crate) fn found(&self, id: &str) -> Result<Option<Results>, ApiError> {
        let select = "SELECT plan, scenario, form FROM jobs WHERE id = ?1 AND status = 'successful'";
        let all = |row: &Row<'_>| Ok(Results { plan: row.get(0)?, scenario: row.get(1)?, form: row.get(2)? });
        self.state().store.query_row(select, [id], all).optional().map_err(broken)
    }

    /// Ends a job, or forgets its result: how it stood.
    pub(crate) fn dismiss(&self, id: &str) -> Result<Option<Job>, ApiError> {
        let job = self.get(id)?;
        let mut state = self.state();
        state.store.execute("DELETE FROM jobs WHERE id = ?1", [id]).map_err(broken)?;
        if let Some(live) = state.live.remove(id) {
            live.is_dismissed.store(true, Relaxed);
            live.is_done.send_replace(true);
        }
        Ok(job.map(|job| Job { status: Status::Dismissed, ..job }))
    }

    /// The job that has waited longest, and its request; nothing where none waits, and the worker ends.
    fn next(&self) -> Option<(String, Vec<u8>, Arc<Live>)> {
        let mut state = self.state();
        let oldest = "SELECT id, request FROM jobs WHERE status = 'accepted' ORDER BY number LIMIT 1";
        let begin = concat!("UPDATE jobs SET status = 'running', started = ", now!(), " WHERE id = ?1");
        let next = || -> rusqlite::Result<Option<(String, Vec<u8>)>> {
            let next = state.store.query_row(oldest, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            if let Some((id, _)) = &next {
                state.store.execute(begin, [id])?;
            }
            Ok(next)
        };
        let next = if state.is_stopping { Ok(None) } else { next() };
        let next = next.unwrap_or_else(|error| {
            tracing::error!(%error, "the queue of jobs cannot be read");
            None
        });
        let next = next.and_then(|(id, request)| state.live.get(&id).cloned().map(|live| (id, request, live)));
        state.has_worker = next.is_some();
        next
    }

    /// Keeps what came of a job, if nobody has dismissed it, and lets the oldest results go.
    fn finish(&self, id: &str, outcome: &Result<Found, ApiError>) {
        const DONE: &str = concat!(
            "UPDATE jobs SET status = ?2, message = ?3, code = ?4, plan = ?5, scenario = ?6, proof = ?7, request = NULL, finished = ",
            now!(),
            " WHERE id = ?1 AND status = 'running'"
        );
        const TOO_MANY: &str = forget_oldest!(
            "jobs",
            "jobs WHERE finished IS NOT NULL",
            "ifnull(length(plan), 0) + ifnull(length(scenario), 0)"
        );
        let mut state = self.state();
        let keep = || match outcome {
            Ok(found) => {
                let proof = serde_json::json!([found.objective, found.bound]).to_string();
                let nothing: (Option<&str>, Option<u16>) = (None, None);
                let Found { plan, scenario, .. } = found;
                state.store.execute(DONE, params![id, "successful", nothing.0, nothing.1, plan, scenario, proof])
            }
            Err(why) => {
                let (message, code) = (why.detail(), why.status.as_u16());
                let nothing: Option<Vec<u8>> = None;
                state.store.execute(DONE, params![id, "failed", message, code, nothing, nothing, None::<&str>])
            }
        };
        let kept = keep().and_then(|_| state.store.execute(TOO_MANY, params![KEPT as i64, KEPT_BYTES as i64]));
        if let Err(error) = kept {
            tracing::error!(id, %error, "the result of a job cannot be kept");
        }
        if let Some(live) = state.live.remove(id) {
            live.is_done.send_replace(true);
        }
    }
}

impl State {
    /// A store with its tables, and what waits in it. What ran is failed.
    fn of(store: Connection) -> rusqlite::Result<Self> {
        const DIED: &str = concat!(
            "UPDATE jobs SET status = 'failed', code = 500, request = NULL, \
             message = 'the service ended while the job ran: ask again', finished = ",
            now!(),
            " WHERE status = 'running'"
        );
        store.execute(DIED, [])?;
        let waiting: Vec<String> = store
            .prepare("SELECT id FROM jobs WHERE status = 'accepted'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let live = waiting.into_iter().map(|id| (id, Live::new())).collect();
        Ok(Self { store, live, has_worker: false, is_stopping: false })
    }
}

/// What [`job`] reads.
const COLUMNS: &str = "id, status, created, started, finished, message, code, proof";

fn job(row: &Row<'_>, live: &BTreeMap<String, Arc<Live>>) -> rusqlite::Result<Job> {
    let (id, status, proof): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(7)?);
    let status = Status::ALL.into_iter().find(|known| known.name() == status).unwrap_or(Status::Failed);
    let is_over = matches!(status, Status::Successful | Status::Failed);
    let live = live.get(&id);
    let proof: Option<(f64, f64)> = proof.and_then(|proof| serde_json::from_str(&proof).ok());
    let best = live.map(|live| *live.best.lock().unwrap_or_else(PoisonError::into_inner));
    let (objective, bound) = best.unwrap_or_else(|| proof.unzip());
    let mut job = Job {
        id,
        status,
        created: row.get(2)?,
        started: row.get(3)?,
        finished: row.get(4)?,
        message: row.get(5)?,
        code: row.get(6)?,
        percent: if is_over { 100 } else { live.map_or(0, |live| live.percent.load(Relaxed)) },
        objective,
        bound,
    };
    if !is_over && live.is_none() {
        job.status = Status::Failed;
        job.code = Some(500);
        job.message = Some("the result could not be kept".to_owned());
    }
    Ok(job)
}

/// An id that nobody guesses.
fn fresh_id() -> String {
    let random = || RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{:016x}{:016x}", random(), random())
}

/// Starts the worker unless it works.
fn start(app: &Arc<App>, state: &mut State) -> Result<(), ApiError> {
    if !state.has_worker {
        let app = Arc::clone(app);
        let worker = std::thread::Builder::new().name("jobs".to_owned()).spawn(move || work(&app));
        worker.map_err(|error| ApiError::internal(error.to_string()))?;
        state.has_worker = true;
    }
    Ok(())
}

/// Does one job after another, on half of the processors: requests go first.
fn work(app: &Arc<App>) {
    let threads = (app.options.workers / 2).max(1);
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool,
        Err(error) => {
            tracing::error!(%error, "no threads for jobs");
            app.jobs.state().has_worker = false;
            return;
        }
    };
    while let Some((id, request, live)) = app.jobs.next() {
        tracing::info!(id, "job begins");
        let run = || pool.install(|| processes::run(app, &request, &live));
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let outcome = outcome.unwrap_or_else(|panic| Err(ApiError::internal(panic_text(&*panic))));
        match &outcome {
            Ok(found) => tracing::info!(id, objective = found.objective, bound = found.bound, "job done"),
            Err(why) => tracing::warn!(id, why = why.cause.as_deref().unwrap_or(why.detail()), "job failed"),
        }
        app.jobs.finish(&id, &outcome);
    }
}
