//! What the service tells of itself on standard error: a line for each request and event, written by a thread of its own,
//! so that no request waits for a slow terminal or disk.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// How it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text for each request
    #[default]
    Text,
    /// A JSON object for each request
    Json,
    /// No requests; what goes wrong is told as text
    Off,
}

/// Bytes of lines that may wait to be written; more are dropped, and counted.
const WAITING: usize = 4 << 20;

/// How long lines are gathered before they are written together: to wake the writing thread for each would cost a request
/// more than its line.
const GATHERED: Duration = Duration::from_millis(5);

/// What was said and is not written yet. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    lines: Vec<u8>,
    lost: u64,
    /// The writing thread has lines in hand.
    is_writing: bool,
}

impl Log {
    /// Begins to tell what happens from now on.
    pub(crate) fn start(format: LogFormat) -> Self {
        let log = Self::default();
        let writing = log.clone();
        std::thread::spawn(move || writing.write_down());
        let most = if format == LogFormat::Off { Level::WARN } else { Level::INFO };
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_max_level(most);
        match format {
            LogFormat::Json => subscriber.event_format(JsonLine).init(),
            LogFormat::Text | LogFormat::Off => subscriber.init(),
        }
        log
    }

    /// Waits a little until all is written.
    pub(crate) fn end(&self) {
        let is_behind = |said: &mut Said| said.is_writing || !said.lines.is_empty();
        drop(self.changed().wait_timeout_while(self.said(), Duration::from_secs(1), is_behind));
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told when there is a first line to write, and when all are written.
    fn changed(&self) -> &Condvar {
        &self.0.1
    }

    fn write_down(&self) {
        let mut lines = Vec::new();
        loop {
            let heard = self.changed().wait_while(self.said(), |said| said.lines.is_empty());
            drop(heard.unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(GATHERED);
            let lost = {
                let mut said = self.said();
                said.is_writing = true;
                std::mem::swap(&mut lines, &mut said.lines);
                std::mem::take(&mut said.lost)
            };
            _ = io::stderr().write_all(&lines);
            lines.clear();
            if lost > 0 {
                tracing::warn!(lost, "lines of the log were lost: they came faster than they could be written");
            }
            self.said().is_writing = false;
            self.changed().notify_all();
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut said = self.said();
        let is_first = said.lines.is_empty();
        if said.lines.len() + line.len() > WAITING {
            said.lost += 1;
        } else {
            said.lines.extend_from_slice(line);
        }
        drop(said);
        if is_first {
            self.changed().notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// An event as a JSON object on a line.
struct JsonLine;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for JsonLine {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut members = Members(Map::new());
        members.0.insert("time".to_owned(), json!(time));
        members.0.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        event.record(&mut members);
        writeln!(out, "{}", Value::Object(members.0))
    }
}

struct Members(Map<String, Value>);

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}
