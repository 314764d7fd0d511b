//! How siting questions are answered: objective, bound, gap and seconds, a line for each.
//!
//! `cargo run --release -p carecircle-benches --example siting-figures [FOLDER | CITY | tiled]… [--json]`. In FOLDER each
//! `NAME_demand.csv` (id, lon, lat, children), with `NAME_candidates.csv` and `NAME_pairs.csv.gz` (demand, candidate,
//! metres), is an instance. Other questions are about 50,000 sites and 200,000 homes, p = 50, and cut short after two
//! minutes: CITY is an extract in the folder that `CARECIRCLE_DATA` names, repeated in tiles, `tiled` is made up. With
//! `--json` each answer is a line of JSON.

use carecircle_benches::tiled::{in_tiles, tiled_city};
use carecircle_benches::{extracts, settled, study};
use carecircle_core::policy::Policy;
use carecircle_core::siting::{Home, Instance, Pick, Plan, Progress, Question, Search, Site, Standing, Walks};
use carecircle_core::time::{Speed, WalkTime};
use carecircle_formats::siting::{Ask, Places};
use serde_json::json;
use std::error::Error;
use std::fs::File;
use std::io::{Write as _, stdout};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const BEYOND: WalkTime = WalkTime::from_millis(900_000);
/// When a gap is first no wider than these.
const GAPS: [f64; 3] = [0.02, 0.011, 0.01];

/// What questions about tiles are asked of.
const SITES: usize = 50_000;
const HOMES: usize = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let (options, asked): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|asked| asked == "--json");
    let out = Out { is_json: !options.is_empty() };
    for asked in asked {
        if asked == "tiled" {
            out.in_two_minutes("tiled", &tiled_city(SITES, HOMES, 6)?)?;
        } else if let Some((name, path)) = extracts().into_iter().find(|(name, _)| *name == asked) {
            let city = city(&name, &path)?;
            out.in_two_minutes(&name, &in_tiles(&city, SITES, HOMES)?)?;
            out.in_two_minutes(
                &format!("{name} without facilities"),
                &in_tiles(&without_facilities(&city)?, SITES, HOMES)?,
            )?;
        } else {
            out.folder(Path::new(&asked))?;
        }
    }
    Ok(())
}

/// A city as `carecircle site` asks about it, with corners near enough to each other for so many sites in tiles. Where no
/// homes are mapped they stand along the streets.
fn city(name: &str, path: &Path) -> Result<Instance, Box<dyn Error>> {
    let mut study = study(path);
    if study.demand().points.len() < HOMES / 20 {
        study = settled(name, study.facilities().len());
    }
    let (policy, mut ask) = (Policy::default(), Ask::default());
    let on = |_: &Progress| ControlFlow::Continue(());
    let each = SITES * study.demand().points.len() / HOMES;
    loop {
        let candidates = ask.candidates(&study, &policy, Places::default()).map_err(|why| why.en)?;
        if candidates.len() >= each || ask.spacing_m < 25.0 {
            return Ok(ask.instance(&study, &policy, &candidates, usize::MAX, None, &on)?.instance);
        }
        ask.spacing_m *= 0.8;
    }
}

fn without_facilities(city: &Instance) -> Result<Instance, Box<dyn Error>> {
    let (mut sites, mut walks) = (Vec::new(), Walks::default());
    for (number, site) in city.sites().iter().enumerate().filter(|(_, site)| site.standing != Standing::Existing) {
        sites.push(*site);
        walks.push(city.walks().of(number).map(|(home, walk)| (home as u32, walk)));
    }
    Ok(Instance::new(sites, city.homes().to_vec(), walks)?)
}

/// Where answers go.
struct Out {
    is_json: bool,
}

impl Out {
    fn in_two_minutes(&self, name: &str, instance: &Instance) -> Result<(), Box<dyn Error>> {
        let walks: usize = (0..instance.sites().len()).map(|site| instance.walks().of(site).len()).sum();
        let what =
            format!("p = 50 of {} sites × {} homes, {walks} walks", instance.sites().len(), instance.homes().len());
        self.answer(name, &what, instance, &coverage(Pick::Count(50)), Some(120))
    }

    fn folder(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix("_pairs.csv.gz").map(str::to_owned));
        }
        names.sort();
        for name in names {
            let instance = read(folder, &name)?;
            for count in [10, 15, 20] {
                self.answer(&name, &format!("covering p = {count}"), &instance, &coverage(Pick::Count(count)), None)?;
            }
            let median = Question::Median { pick: Pick::Count(10), beyond: BEYOND, limited: false };
            self.answer(&name, "median p = 10", &instance, &median, Some(30))?;
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
                self.answer(&name, &format!("fewest for {part} of those reached"), &instance, &question, Some(60))?;
            }
        }
        Ok(())
    }

    fn answer(
        &self,
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
            let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
            for (slot, _) in reached.iter_mut().zip(GAPS).filter(|(_, least)| gap.is_some_and(|gap| gap <= *least)) {
                slot.get_or_insert(progress.seconds);
            }
            ControlFlow::Continue(())
        };
        let search = Search { time_limit: seconds.map(Duration::from_secs), watch: Some(&watch), ..Search::default() };
        let plan = instance.solve(question, &search)?;
        let Plan { objective, bound, gap, seconds, nodes, optimal, .. } = plan;
        let reached = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        let within = || GAPS.into_iter().zip(reached).filter_map(|(gap, seconds)| Some((gap, seconds?)));
        let mut out = stdout().lock();
        if self.is_json {
            let within: Vec<(f64, f64)> = within().collect();
            let line = json!({
                "instance": name, "question": what, "objective": objective, "bound": bound, "gap": gap, "optimal": optimal,
                "seconds": seconds, "nodes": nodes, "within": within, "peak_mb": peak_mb(),
            });
            writeln!(out, "{line}")?;
            return Ok(());
        }
        write!(
            out,
            "{name}, {what}: {objective} of at most {bound}, gap {:.4} %, {seconds:.3} s, {nodes} nodes",
            gap * 100.0
        )?;
        for (gap, seconds) in within() {
            write!(out, "; within {:.1} % after {seconds:.3} s", gap * 100.0)?;
        }
        writeln!(out, "; {:.0} MB at most so far", peak_mb().unwrap_or(f64::NAN))?;
        Ok(())
    }
}

fn coverage(pick: Pick) -> Question {
    Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: false }
}

/// The most memory that the process has taken so far.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
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
