//! How long a million rows of a register take from bytes to facilities and to blocks, in multiples of what the csv crate
//! takes to split them and encoding_rs to decode them: turn by turn in one run, the quickest of each.
//!
//! `cargo run --release -p carecircle-benches --example tables-figures [ROUNDS]`

use carecircle_benches::registers::{decode_and_split, register};
use carecircle_formats::columns::{self, Declared};
use carecircle_formats::table::Table;
use encoding_rs::{GB18030, UTF_8};
use std::error::Error;
use std::hint::black_box;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::time::Instant;

/// Seconds that some work takes; throwing away what came of it is not counted.
fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let made = black_box(work());
    let taken = start.elapsed().as_secs_f64();
    drop(made);
    taken
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(10), |rounds| rounds.parse())?;
    let text = register();
    let (path, declared) = (Path::new("register.csv"), Declared::default());
    for encoding in [UTF_8, GB18030] {
        let bytes = encoding.encode(&text).0;
        let mut best = [f64::INFINITY; 4];
        for _ in 0..rounds {
            let round = [
                seconds(|| decode_and_split(encoding, &bytes)),
                seconds(|| Table::from_csv(path, &bytes)),
                seconds(|| Table::from_csv(path, &bytes).map(|table| (columns::facilities(&table, &declared), table))),
                seconds(|| Table::from_csv(path, &bytes).map(|table| (columns::blocks(&table, &declared), table))),
            ];
            best = std::array::from_fn(|i| best[i].min(round[i]));
        }
        let [split, table, facilities, blocks] = best;
        let mut out = stdout().lock();
        writeln!(out, "{} ({} MB), ms and multiples of the first:", encoding.name(), bytes.len() / 1_000_000)?;
        for (what, time) in
            [("decoded and split", split), ("table", table), ("facilities", facilities), ("blocks", blocks)]
        {
            writeln!(out, "  {what:18} {:6.0}  {:.2}", time * 1e3, time / split)?;
        }
    }
    Ok(())
}
