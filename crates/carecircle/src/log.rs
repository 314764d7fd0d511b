//! What the service tells of itself on standard error: a line for each request and event, written by a thread of its own,
//! so that no request waits for a slow terminal or disk.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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

/// Lines that may wait to be written; more are dropped, and counted.
const WAITING: usize = 1 << 14;

/// The writing thread, which is to be asked for its last lines at the end.
pub(crate) struct Log(SyncSender<Said>);

enum Said {
    Line(Vec<u8>),
    /// Everything before this is to be written now.
    Flush(SyncSender<()>),
}

impl Log {
    /// Begins to tell what happens from now on.
    pub(crate) fn start(format: LogFormat) -> Self {
        let (said, heard) = sync_channel(WAITING);
        let lines = Lines { said: said.clone(), lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        std::thread::spawn(move || write_down(&heard, &lost));
        let most = if format == LogFormat::Off { Level::WARN } else { Level::INFO };
        let subscriber = tracing_subscriber::fmt().with_writer(lines).with_ansi(false).with_max_level(most);
        match format {
            LogFormat::Json => subscriber.event_format(JsonLine).init(),
            LogFormat::Text | LogFormat::Off => subscriber.init(),
        }
        Self(said)
    }

    /// Waits a little until all is written.
    pub(crate) fn end(&self) {
        let (written, done) = sync_channel(1);
        if self.0.try_send(Said::Flush(written)).is_ok() {
            _ = done.recv_timeout(Duration::from_secs(1));
        }
    }
}

fn write_down(heard: &Receiver<Said>, lost: &AtomicU64) {
    let mut out = BufWriter::with_capacity(1 << 16, io::stderr());
    while let Ok(first) = heard.recv() {
        for said in std::iter::once(first).chain(heard.try_iter()) {
            match said {
                Said::Line(line) => _ = out.write_all(&line),
                Said::Flush(done) => {
                    _ = out.flush();
                    _ = done.try_send(());
                }
            }
        }
        _ = out.flush();
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => tracing::warn!(lines, "lines of the log were lost: they came faster than they could be written"),
        }
    }
}

/// Takes lines without waiting.
#[derive(Clone)]
struct Lines {
    said: SyncSender<Said>,
    lost: Arc<AtomicU64>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.said.try_send(Said::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
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
