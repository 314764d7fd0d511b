//! What is kept across a restart: databases in the state directory, or in memory where there is none.
//!
//! Every change is one statement of SQLite: a process that dies leaves nothing half-written.

use crate::app::App;
use crate::collections::link;
use crate::problem::ApiError;
use crate::query::Query;
use crate::reply::{Media, as_json};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use rusqlite::{Connection, ErrorCode};
use serde_json::{Value, json};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The version of every database, as `user_version` has it.
const VERSION: i64 = 1;

/// Now, as SQLite writes RFC 3339.
macro_rules! now {
    () => {
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
    };
}
pub(crate) use now;

/// Forgets rows of a table, the oldest first: those after `?1`, and those after `?2` bytes but for the latest. Of which rows,
/// and what each takes.
macro_rules! forget_oldest {
    ($table:literal, $rows:literal, $bytes:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE number IN (SELECT number FROM (
                SELECT number, row_number() OVER latest AS n, sum(",
            $bytes,
            ") OVER latest AS bytes
                FROM ",
            $rows,
            " WINDOW latest AS (ORDER BY number DESC)
            ) WHERE n > ?1 OR (n > 1 AND bytes > ?2))"
        )
    };
}
pub(crate) use forget_oldest;

/// A database of a state directory, made where it isn't there; in memory without a directory.
///
/// # Errors
/// A directory that cannot be written to, or a database in use or written by a later version.
pub(crate) fn open(state_dir: Option<&Path>, file: &str, tables: &str) -> io::Result<Connection> {
    let open = || -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let Some(dir) = state_dir else {
            let store = Connection::open_in_memory()?;
            store.execute_batch(tables)?;
            return Ok(store);
        };
        std::fs::create_dir_all(dir)?;
        let store = Connection::open(dir.join(file))?;
        // Nobody else while we have it: two services would do the same jobs.
        store.execute_batch(
            "PRAGMA auto_vacuum = FULL; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE",
        )?;
        let version: i64 = store.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > VERSION {
            return Err(format!("{file} is of version {version}, which a later carecircle has written").into());
        }
        store.execute_batch(tables)?;
        store.execute_batch(&format!("PRAGMA user_version = {VERSION}; COMMIT"))?;
        Ok(store)
    };
    open().map_err(|why| {
        let dir = state_dir.unwrap_or(Path::new("memory")).display();
        let code = why.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        let is_used = code == Some(ErrorCode::DatabaseBusy);
        let why = if is_used { "another carecircle uses it".to_owned() } else { why.to_string() };
        io::Error::other(format!("cannot keep anything in {dir}: {why}"))
    })
}

/// A page of what is kept, the latest first: `limit` and `offset` of the query, `usual` and no more than `most` on it.
pub(crate) async fn page<T: Send + 'static>(
    app: Arc<App>,
    parts: &Parts,
    name: &str,
    [usual, most]: [usize; 2],
    list: fn(&App, usize, usize) -> Result<Vec<T>, ApiError>,
    tell: fn(&str, &T) -> Value,
) -> Result<Response, ApiError> {
    let base = app.base(parts)?;
    let mut query = Query::parse(parts.uri.query(), &["limit", "offset", "f"])?;
    query.word("f", &["json"])?;
    let limit = query.count("limit", 1, most)?.unwrap_or(usual);
    let offset = query.count("offset", 0, u32::MAX as usize)?.unwrap_or(0);
    let work = Arc::clone(&app);
    let mut kept = app.writers.run(move || list(&work, limit + 1, offset)).await??;
    let here = format!("{base}/{name}");
    let mut links = vec![link("self", Media::Json, &format!("These {name}"), format!("{here}{}", query.canonical()))];
    if kept.len() > limit {
        kept.truncate(limit);
        let next = query.with(&[("offset", Some((offset + limit).to_string()))]);
        links.push(link("next", Media::Json, &format!("Older {name}"), format!("{here}{next}")));
    }
    let kept: Vec<Value> = kept.iter().map(|kept| tell(&base, kept)).collect();
    Ok(as_json(StatusCode::OK, &json!({ (name): kept, "links": links })))
}

/// A database that fails.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(crate) fn broken(error: rusqlite::Error) -> ApiError {
    ApiError::internal(format!("state: {error}"))
}
