//! What is kept across a restart: databases in the state directory, or in memory where there is none.
//!
//! Every change is one statement of SQLite: a process that dies leaves nothing half-written.

use crate::problem::ApiError;
use rusqlite::{Connection, ErrorCode};
use std::error::Error;
use std::io;
use std::path::Path;

/// The version of every database, as `user_version` has it.
const VERSION: i64 = 1;

/// Now, as SQLite writes RFC 3339.
macro_rules! now {
    () => {
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
    };
}
pub(crate) use now;

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

/// A database that fails.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(crate) fn broken(error: rusqlite::Error) -> ApiError {
    ApiError::internal(format!("state: {error}"))
}
