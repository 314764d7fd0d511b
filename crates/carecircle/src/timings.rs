//! Where the time went: seconds per stage and peak memory, for `--timings`.

use serde_json::{Map, Value, json};
use std::time::Instant;

/// A stopwatch over the stages of a command.
pub(crate) struct Timings {
    start: Instant,
    last: Instant,
    stages: Map<String, Value>,
}

impl Timings {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, stages: Map::new() }
    }

    /// Ends the stage that ran since the last call.
    pub(crate) fn stage(&mut self, name: &str) {
        let now = Instant::now();
        self.stages.insert(name.to_owned(), json!((now - self.last).as_secs_f64()));
        self.last = now;
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "stages": self.stages,
            "total": self.start.elapsed().as_secs_f64(),
            "peak_memory_bytes": peak_memory_bytes(),
        })
    }
}

/// The most memory that this process has held, where the system tells (Linux).
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
