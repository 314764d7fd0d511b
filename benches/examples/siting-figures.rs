//! How siting questions are answered: objective, bound, gap and seconds, a line for each.
//!
//! `cargo run --release -p carecircle-benches --example siting-figures [FOLDER] [tiled]`. In FOLDER each
//! `NAME_demand.csv` (id, lon, lat, children), with `NAME_candidates.csv` and `NAME_pairs.csv.gz` (demand, candidate,
//! metres), is an instance; `tiled` is a made-up one of 50,000 sites and 200,000 homes, cut short after two minutes.

use carecircle_benches::tiled::tiled_city;
use carecircle_core::siting::{Home, Instance, Pick, Progress, Question, Search, Site, Standing, Walks};
use carecircle_core::time::{Speed, WalkTime};
use std::error::Error;
use std::fs::File;
use std::io::{Write as _, stdout};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

const BEYOND: WalkTime = WalkTime::from_millis(900_000);
/// When a gap is first no wider than these.
const GAPS: [f64; 3] = [0.02, 0.011, 0.01];

fn main() -> Result<(), Box<dyn Error>> {
    for asked in std::env::args().skip(1) {
        if asked == "tiled" {
            let instance = tiled_city(50_000, 200_000, 6)?;
            answer("tiled", "p = 50", &instance, &coverage(Pick::Count(50)), Some(120))?;
            continue;
        }
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&asked)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix("_pairs.csv.gz").map(str::to_owned));
        }
        names.sort();
        for name in names {
            let instance = read(Path::new(&asked), &name)?;
            for count in [10, 15, 20] {
                answer(&name, &format!("covering p = {count}"), &instance, &coverage(Pick::Count(count)), None)?;
            }
            let median = Question::Median { pick: Pick::Count(10), beyond: BEYOND, limited: false };
            answer(&name, "median p = 10", &instance, &median, Some(30))?;
            // All that can be reached.
            let mut is_reached = vec![false; instance.homes().len()];
            (0..instance.sites().len())
                .flat_map(|site| instance.walks().of(site))
                .for_each(|(home, _)| is_reached[home] = true);
            let reached = instance.homes().iter().zip(is_reached).filter(|(_, is_reached)| *is_reached);
            let reached: f64 = reached.map(|(home, _)| home.children).sum();
            let all: f64 = instance.homes().iter().map(|home| home.children).sum();
            for part in [0.9, 1.0] {
                let question = Question::SetCover { share: part * reached / all, least_share: 0.0, by_cost: false };
                answer(&name, &format!("fewest for {part} of those reached"), &instance, &question, Some(60))?;
            }
        }
    }
    Ok(())
}

fn coverage(pick: Pick) -> Question {
    Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: false }
}

fn answer(
    name: &str,
    what: &str,
    instance: &Instance,
    question: &Question,
    seconds: Option<u64>,
) -> Result<(), Box<dyn Error>> {
    let reached: Mutex<[Option<f64>; GAPS.len()]> = Mutex::default();
    let watch = |progress: &Progress| {
        let gap = progress
            .objective
            .zip(progress.bound)
            .map(|(objective, bound)| (bound - objective).abs() / objective.abs());
        let mut reached = reached.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (slot, _) in reached.iter_mut().zip(GAPS).filter(|(_, least)| gap.is_some_and(|gap| gap <= *least)) {
            slot.get_or_insert(progress.seconds);
        }
        ControlFlow::Continue(())
    };
    let search = Search { time_limit: seconds.map(Duration::from_secs), watch: Some(&watch), ..Search::default() };
    let plan = instance.solve(question, &search)?;
    let mut out = stdout().lock();
    write!(
        out,
        "{name}, {what}: {} of at most {}, gap {:.4} %, {:.3} s, {} nodes",
        plan.objective,
        plan.bound,
        plan.gap * 100.0,
        plan.seconds,
        plan.nodes
    )?;
    let reached = reached.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (seconds, gap) in reached.into_iter().zip(GAPS).filter_map(|(seconds, gap)| Some((seconds?, gap))) {
        write!(out, "; within {:.1} % after {seconds:.3} s", gap * 100.0)?;
    }
    writeln!(out)?;
    Ok(())
}

fn read(folder: &Path, name: &str) -> Result<Instance, Box<dyn Error>> {
    let mut homes = Vec::new();
    for row in csv::Reader::from_path(folder.join(format!("{name}_demand.csv")))?.records() {
        homes.push(Home { children: row?[3].parse()?, area: None });
    }
    let count = csv::Reader::from_path(folder.join(format!("{name}_candidates.csv")))?.records().count();
    let mut rows = vec![Vec::new(); count];
    let pairs = flate2::read::GzDecoder::new(File::open(folder.join(format!("{name}_pairs.csv.gz")))?);
    for row in csv::Reader::from_reader(pairs).records() {
        let row = row?;
        let metres: f64 = row[2].parse()?;
        rows[row[1].parse::<usize>()?].push((row[0].parse()?, Speed::POLICY.walk(metres)));
    }
    let mut walks = Walks::default();
    for mut row in rows {
        row.sort_unstable();
        walks.push(row);
    }
    let site = Site { standing: Standing::Candidate, cost: 1.0, places: None };
    Ok(Instance::new(vec![site; count], homes, walks)?)
}
