//! What an edit costs: of each city one line for each kind of edit, all from one run.
//!
//! `cargo run --release -p carecircle-benches --example whatif-figures [CITY…]`, a city being `demo`, `10^6`, or an extract
//! in the folder that `CARECIRCLE_DATA` names. Edits are timed one at a time, the totals of all areas read after each; of
//! the same edit done several times the quickest counts.

use carecircle_benches::{settled, towns};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::Point;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Sweep};
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::whatif::{Basis, CoverageState};
use std::error::Error;
use std::hint::black_box;
use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::time::Instant;

/// 1,200 m at 4.8 km/h.
const LIMIT: WalkTime = WalkTime::from_millis(900_000);
const EDITS: usize = 2_000;
const ROUNDS: usize = 51;
const ROUNDS_OF_EDITS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    if asked.is_empty() {
        asked = ["demo", "porto", "10^6"].map(str::to_owned).to_vec();
    }
    for name in asked {
        let facilities = if name.starts_with("10^") { 1_000 } else { 100 };
        measure(&name, &settled(&name, facilities))?;
    }
    Ok(())
}

fn measure(name: &str, study: &Study) -> Result<(), Box<dyn Error>> {
    let policy = Policy::default();
    let mut out = stdout().lock();
    let (network, demand) = (study.network(), study.demand());
    let basis = Arc::new(Basis::new(study, &policy.profile));
    let slow = Arc::new(Basis::new(study, &Profile { signal_s: 20.0, ..Profile::walk() }));
    let mut state = CoverageState::on(study, Arc::clone(&basis), &policy);
    let (nodes, points, blocks) = (network.node_count(), demand.points.len(), demand.blocks.len());
    let share = state.total().covered_share().unwrap_or_default();
    writeln!(out, "{name}: {nodes} nodes, {points} points, {blocks} blocks, {:.1} % within", share * 100.0)?;

    let origins: Vec<Origin> = (0..study.facilities().len())
        .flat_map(|f| study.doors_of_facility(f, basis.weights()).into_owned().into_iter().map(move |door| (door, f)))
        .map(|(door, f)| Origin { snap: door.snap, label: f as u32 })
        .collect();
    let anew = |_| {
        let sweep = Sweep::new(network, basis.weights(), &origins, LIMIT);
        let walk = |door: &carecircle_core::study::Door| sweep.at(network, basis.weights(), &door.snap);
        let nearest = |p| study.doors_of_point(p, basis.weights()).iter().filter_map(walk).min();
        demand.points.iter().filter_map(nearest).count()
    };
    let sweep =
        timed(ROUNDS, |_| Sweep::new(network, basis.weights(), &origins, LIMIT)).row(&mut out, "a sweep", None)?;
    timed(ROUNDS, anew).row(&mut out, "a sweep and walks from all points", Some(sweep))?;
    for (what, other) in [("a second", 899_000), ("a tenth", 810_000), ("a fifth", 720_000)] {
        let (mut less, mut more) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            less.push(micros(|| state.set_limit(WalkTime::from_millis(other))));
            more.push(micros(|| state.set_limit(LIMIT)));
        }
        Times::of(less).row(&mut out, &format!("a limit {what} less"), Some(sweep))?;
        Times::of(more).row(&mut out, &format!("a limit {what} more"), Some(sweep))?;
    }
    timed(ROUNDS, |i| state.set_basis(Arc::clone([&slow, &basis][i % 2]))).row(
        &mut out,
        "another profile",
        Some(sweep),
    )?;

    let anywhere = places(study, EDITS, 3);
    let count = study.facilities().len();
    let is_odd = |facility: &Facility| facility.id.ends_with(['1', '3', '5', '7', '9']);
    timed(ROUNDS, |i| state.set_counts(|facility| i % 2 == 1 || is_odd(facility))).row(
        &mut out,
        "half of the facilities counted or not",
        Some(sweep),
    )?;
    let fresh = || CoverageState::on(study, Arc::clone(&basis), &policy);
    let mut edits = |what: &str, edit: &dyn Fn(&mut CoverageState, usize)| -> Result<f64, Box<dyn Error>> {
        least_of(ROUNDS_OF_EDITS, fresh, &basis, edit).row(&mut out, what, Some(sweep))
    };
    edits("a candidate opened or closed", &|state, i| {
        if i % 2 == 0 {
            state.open_at(anywhere[i]);
        } else {
            state.close((count + i / 2) as u32);
        }
    })?;
    edits("a facility closed or opened", &|state, i| {
        let label = (i / 2 * 7 % count) as u32;
        if i % 2 == 0 {
            state.close(label)
        } else {
            state.open(label)
        };
    })?;
    edits("a facility dragged 20 m", &|state, i| {
        // Along a circle of 200 m around where it stood.
        let (label, step) = (i / 64 * 7 % count, (i % 64) as f64 / 10.0);
        let off = Point { x: 200.0 * step.cos(), y: 200.0 * step.sin() };
        state.move_to(label as u32, study.facilities()[label].at + off);
    })?;
    edits("a facility moved anywhere", &|state, i| {
        state.move_to((i * 7 % count) as u32, anywhere[i]);
    })?;
    Ok(())
}

/// The same edits several times over; of each the quickest time, so that other processes do not count as much.
fn least_of<'a>(
    rounds: usize,
    fresh: impl Fn() -> CoverageState<'a>,
    basis: &Arc<Basis>,
    edit: &dyn Fn(&mut CoverageState, usize),
) -> Times {
    let mut least = vec![f64::INFINITY; EDITS];
    for _ in 0..rounds {
        let mut state = fresh();
        for (i, least) in least.iter_mut().enumerate() {
            let edited = || {
                edit(&mut state, i);
                read(&state)
            };
            *least = least.min(micros(edited));
        }
        let covered = read(&state);
        state.set_basis(Arc::clone(basis));
        assert!(state.changed().is_empty() && (read(&state) - covered).abs() <= 0.0, "what is found anew differs");
    }
    Times::of(least)
}

/// Places beside streets.
fn places(study: &Study, count: usize, seed: u64) -> Vec<Point> {
    let drawn = towns::facilities(study.network(), count, seed).into_iter();
    drawn.map(|origin| origin.snap.at + Point { x: 6.0, y: -8.0 }).collect()
}

fn read(state: &CoverageState) -> f64 {
    state.areas().map(|tally| tally.covered).sum::<f64>() + state.total().covered
}

/// Microseconds, ascending.
struct Times(Vec<f64>);

fn timed<T>(count: usize, mut edit: impl FnMut(usize) -> T) -> Times {
    Times::of((0..count).map(|i| micros(|| edit(i))).collect())
}

fn micros<T>(edit: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(edit());
    start.elapsed().as_nanos() as f64 / 1e3
}

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// Writes a line, and tells the median.
    fn row(&self, out: &mut impl std::io::Write, what: &str, sweep: Option<f64>) -> Result<f64, Box<dyn Error>> {
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share) as usize];
        let ratio = sweep.map_or(String::new(), |sweep| format!(", {:.4} of a sweep", at(0.5) / sweep));
        writeln!(out, "  {what}: median {:.1} us, 99th percentile {:.1} us{ratio}", at(0.5), at(0.99))?;
        Ok(at(0.5))
    }
}
