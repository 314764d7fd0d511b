//! The HTTP service: one immutable study, answered from over HTTP/1.1.
//!
//! Owns the routes, their parameters and representations, caching, and the accept loop. It reads no files: the binary
//! hands it a study. It refuses to own the formats (`carecircle-formats`) and every computation (`carecircle-core`).

mod analysis;
mod app;
mod body;
mod circles;
mod collections;
mod compare;
mod cql2;
mod download;
mod gate;
mod html;
mod isochrones;
mod jobs;
mod metrics;
mod mvt;
mod openapi;
mod peer;
mod problem;
mod processes;
mod query;
mod reload;
mod reply;
mod scenarios;
mod schema;
mod stall;
mod store;
mod summary;
mod systems;
#[cfg(test)]
mod tests;
mod tiles;
mod walks;
mod work;

use app::App;
use axum::http::Uri;
use carecircle_core::policy::Policy;
use carecircle_core::study::Study;
use carecircle_formats::extent::Extent;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use peer::Peer;
pub use peer::{Net, Trusted};
pub use reload::Reloader;
use stall::Stalling;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What is served.
#[derive(Debug)]
pub struct Served {
    /// Streets, facilities, demand, areas.
    pub study: Study,
    /// The name of the city, for the landing page.
    pub title: String,
    /// The date of the map extract, as answers give it.
    pub extract_date: Option<String>,
    /// The box that the extract was cut to, where it tells.
    pub bounds: Option<Extent>,
    /// What changes whenever an answer could: inputs and their versions. Part of every ETag.
    pub revision: String,
    /// What a query is judged by where it says nothing else.
    pub policy: Policy,
}

/// How the service behaves towards its clients.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address that links start with, `https://example.org/care`; without it the `Host` of each request, by http.
    pub public_url: Option<String>,
    /// A connection whose request head is not complete by then is closed; so is one that stays idle.
    pub header_read_timeout: Duration,
    /// A connection whose client takes no byte of an answer for so long is closed.
    pub stall_timeout: Duration,
    /// A body that is read and not complete by then is no longer waited for (408).
    pub body_timeout: Duration,
    /// Bytes that a body may have where one is read; a longer one is refused (413).
    pub body_max: usize,
    /// A request that isn't answered by then is told to come back (503).
    pub request_timeout: Duration,
    /// After the signal to stop, requests under way have so long to finish.
    pub drain_timeout: Duration,
    /// Connections open at once. For a further one, whoever has been silent longest has to go; where all are at work, it is
    /// told to come back (503).
    pub max_connections: usize,
    /// Computations that run at once.
    pub workers: usize,
    /// Computations that may wait; beyond them a request is told to come back (503).
    pub queue: usize,
    /// About how much memory analyses and answers may keep.
    pub cache_bytes: u64,
    /// A page of features ends after about so many bytes, and the next goes on.
    pub page_bytes: usize,
    /// What reads the inputs anew; without it the study stays.
    pub reloader: Option<Reloader>,
    /// After a reload the study before is kept for so long, for those who are paging through it.
    pub keep_before: Duration,
    /// What `Authorization: Bearer` must hold to reload; without it that is for clients on this machine.
    pub admin_token: Option<String>,
    /// Whose word counts on the address that the client asked.
    pub trusted: Trusted,
    /// Where jobs, their results and scenarios are kept across a restart; without it they are in memory.
    pub state_dir: Option<PathBuf>,
    /// Bytes that the walks of a job may take; there is one job at a time.
    pub job_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            public_url: None,
            header_read_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            body_max: 1 << 20,
            request_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(20),
            max_connections: affordable_connections().unwrap_or(usize::MAX).min(4_096),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            queue: 64,
            cache_bytes: 128 << 20,
            page_bytes: 16 << 20,
            reloader: None,
            keep_before: Duration::from_mins(5),
            admin_token: None,
            trusted: Trusted::Nobody,
            state_dir: None,
            job_bytes: 2_000_000_000,
        }
    }
}

/// Serves until `shutdown` completes, then lets requests under way finish.
///
/// # Errors
/// A `public_url` that isn't an http or https URL without query, a `state_dir` that nothing can be kept in, or a listener
/// without an address. A connection that fails ends alone.
pub async fn serve(
    listener: TcpListener,
    served: Arc<Served>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    check_public_url(options.public_url.as_deref())?;
    let local = format!("http://{}", listener.local_addr()?);
    // Drawing a whole city takes a while: not on an async thread.
    let app = tokio::task::spawn_blocking(move || App::new(served, options, local).map(Arc::new));
    let app = app.await.map_err(io::Error::other)??;
    let snapshot = app.snapshot();
    tokio::task::spawn_blocking(move || snapshot.prepare());
    let options = &app.options;
    app.jobs.resume(&app).map_err(|why| io::Error::other(why.cause.unwrap_or_default()))?;
    let routes = app::router(&app);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.header_read_timeout).max_buf_size(64 << 10);
    // A client that has closed its own side after the request still waits for the answer.
    http.half_close(true);

    let at_door = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let reloads = options.reloader.clone().map(|reloader| tokio::spawn(reload::listen(Arc::clone(&app), reloader)));
    loop {
        let (stream, from) = tokio::select! {
            () = &mut shutdown => break,
            // Finished connections are let go as they come.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: some connection has to end first.
                    tracing::warn!(%error, "no connection accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for the client's acknowledgement.
        _ = stream.set_nodelay(true);
        let Some(entered) = app.gate.enter() else {
            if let Ok(permit) = Arc::clone(&at_door).try_acquire_owned() {
                connections.spawn(async move {
                    _ = tokio::time::timeout(Duration::from_secs(1), turn_away(stream)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let line = Arc::clone(&entered.line);
        let io = TokioIo::new(Stalling::new(stream, options.stall_timeout, Arc::clone(&line)));
        let routes = TowerToHyperService::new(routes.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let answering = line.answering();
            request.extensions_mut().insert(Peer(from.ip()));
            request.extensions_mut().insert(Arc::clone(&line));
            let answered = routes.call(request);
            async move { answered.await.map(|response| response.map(|body| answering.until_taken(body))) }
        });
        let connection = graceful.watch(http.serve_connection(io, service));
        connections.spawn(async move {
            tokio::select! {
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                },
                () = entered.line.has_to_go() => tracing::debug!("connection closed to make room"),
            }
        });
    }
    if let Some(reloads) = reloads {
        reloads.abort();
    }
    app.draining.store(true, Ordering::Relaxed);
    drop(listener);
    if tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections cut off: they took longer than the drain timeout");
    }
    connections.shutdown().await;
    app.jobs.stop();
    Ok(())
}

/// So many clients at once are told that there is no room; more are not.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// Tells a client that there is no room, and waits for it to go: closed at once, the connection might take the answer along.
async fn turn_away(stream: TcpStream) -> io::Result<()> {
    let text = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"too many connections are at work: ask again in a moment"}"#;
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\nRetry-After: 2\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.writable().await?;
    stream.try_write((head + text).as_bytes())?;
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0; 4 << 10]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// How many connections this process has file handles for, with some left for itself; `None` where nothing bounds them, or
/// the system doesn't tell.
pub fn affordable_connections() -> Option<usize> {
    const OWN: usize = 64;
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    soft.parse::<usize>().ok().map(|files| files.saturating_sub(OWN).max(1))
}

fn check_public_url(url: Option<&str>) -> io::Result<()> {
    let valid = |url: &str| {
        url.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && !url.contains('#')
        })
    };
    match url {
        Some(url) if !valid(url) => {
            let text = format!("the public URL \"{url}\" is not an http or https URL without query");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        _ => Ok(()),
    }
}

/// The service without its sockets, as the tests call it.
#[cfg(test)]
fn routes(served: Arc<Served>, options: ServerOptions) -> axum::Router {
    app::router(&tests::app_of(served, options))
}
