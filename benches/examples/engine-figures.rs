//! Where the engine stands: of each city one line, all from one run.
//!
//! `cargo run --release -p carecircle-benches --example engine-figures [CITY…]`, a city being `10^5`, or an extract in the
//! folder that `CARECIRCLE_DATA` names. With `CARECIRCLE_LARGEST` set also the town of 10^7 nodes.
//!
//! Of a sweep from facilities of equal density, 1,200 m at 4.8 km/h: nodes settled, the median time for each, that of an arc
//! in a bare scan over the same arrays, and their ratio. Bytes are resident memory of a process of its own that holds the
//! network, its times and the scratch of one sweep, less what it held before; geometry is taken off. What an allocator does
//! not give back counts too, so that small cities and extracts seem larger than they are. The budget that they are held
//! against is 100 bytes for each node and 40 for each arc.

use carecircle_benches::{City, streets_of, towns};
use carecircle_core::geometry::Point;
use carecircle_core::network::{EdgeId, Network, NetworkOptions};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Search};
use carecircle_core::time::{Speed, WalkTime};
use carecircle_core::weights::Weights;
use petgraph::visit::EdgeCount;
use std::error::Error;
use std::hint::black_box;
use std::io::{Write as _, stdout};
use std::process::Command;
use std::time::Instant;

/// 1,200 m at 4.8 km/h.
const LIMIT: WalkTime = WalkTime::from_millis(900_000);
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    if let [memory, name] = &asked[..]
        && memory == "--memory"
    {
        return Ok(writeln!(stdout(), "{}", resident_bytes_of(name)?)?);
    }
    if asked.is_empty() {
        asked = City::names();
    }
    let mut out = stdout().lock();
    writeln!(
        out,
        "| city | nodes | arcs | settled | sweep ns each | scan ns each | ratio | bytes per node | per arc | of the budget |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|")?;
    for name in asked {
        let bytes = bytes_in_own_process(&name)? as f64;
        let city = City::named(&name);
        let network = city.study.network();
        let (nodes, arcs) = (network.node_count(), EdgeCount::edge_count(network));
        let (settled, sweep_ns, scan_ns) = measure(network, &city.weights, &city.facilities);
        writeln!(
            out,
            "| {name} | {nodes} | {arcs} | {settled} | {sweep_ns:.1} | {scan_ns:.2} | {:.1} | {:.0} | {:.0} | {:.0} % |",
            sweep_ns / scan_ns,
            bytes / nodes as f64,
            bytes / arcs as f64,
            bytes * 100.0 / (nodes * 100 + arcs * 40) as f64,
        )?;
    }
    Ok(())
}

/// Nodes settled by a sweep, and nanoseconds for each of them and for each arc of a scan: medians of rounds that take turns.
fn measure(network: &Network, weights: &Weights, facilities: &[Origin]) -> (usize, f64, f64) {
    let mut search = Search::new();
    let (mut sweeps, mut scans) = (Vec::new(), Vec::new());
    let mut settled = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        search.run(network, weights, black_box(facilities), LIMIT);
        settled = search.settled().len();
        sweeps.push(start.elapsed().as_nanos() as f64 / settled as f64);
        let start = Instant::now();
        let arcs = black_box(weights.scan(network)).0;
        scans.push(start.elapsed().as_nanos() as f64 / arcs as f64);
    }
    (settled, median(sweeps), median(scans))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What [`resident_bytes_of`] says in a process that has done nothing else, and whose allocator gives freed pages back.
fn bytes_in_own_process(name: &str) -> Result<usize, Box<dyn Error>> {
    let tidy = [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "0")];
    let mut own = Command::new(std::env::current_exe()?);
    let done = own.args(["--memory", name]).envs(tidy).env("RAYON_NUM_THREADS", "1").output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    Ok(String::from_utf8(done.stdout)?.trim().parse()?)
}

/// Bytes that a network, its times and the scratch of one sweep take, less those of its geometry.
fn resident_bytes_of(name: &str) -> Result<usize, Box<dyn Error>> {
    let before = resident_bytes()?;
    let network = {
        let (streets, _) = streets_of(name);
        Network::build(&streets, NetworkOptions::default()).0
    };
    let weights = network.weigh(&Profile::plain(Speed::POLICY));
    let mut search = Search::new();
    let somewhere: Vec<Origin> = towns::facilities(&network, 1, 1);
    search.run(&network, &weights, black_box(&somewhere), WalkTime::NEVER);
    let all = resident_bytes()?.saturating_sub(before);
    black_box((&network, &weights, &search));
    let bends: usize = (0..network.edges().len() as u32).map(|edge| network.geometry(EdgeId(edge)).len()).sum();
    Ok(all.saturating_sub(bends * size_of::<(Point, f64)>()))
}

/// Of this process, by Linux.
fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<usize>()? * 1_024)
}
