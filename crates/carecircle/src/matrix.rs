//! `carecircle matrix`: the walks between two tables of points, as a table.

use crate::check::thousands;
use crate::inputs::{
    Reading, Rejected, StreetsOnly, describe, refuse_timings, refuse_to_overwrite, refuse_unknown_columns,
    tell_rejects, write_rejects,
};
use crate::lang::Lang;
use crate::output::{beside, complain, write_whole};
use crate::timings::Timings;
use crate::{bad_input, bad_parameter};
use anyhow::Result;
use carecircle_core::isochrone::Source;
use carecircle_core::matrix::matrix;
use carecircle_core::network::Network;
use carecircle_core::place::Places;
use carecircle_core::profile::Profile;
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::weights::Weights;
use carecircle_formats::columns;
use carecircle_formats::out::csv_cell;
use carecircle_formats::remark;
use carecircle_formats::table::Table;
use carecircle_formats::{geojson, policy};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// More pairs than this are not meant: without a limit every one of them is a row.
const MOST_PAIRS: usize = 50_000_000;

#[derive(Args)]
pub(crate) struct WalkMatrix {
    #[command(flatten)]
    pub(crate) streets: StreetsOnly,
    /// Where walks begin: a table (.csv, .geojson) with id, lon, lat
    #[arg(long, value_name = "POINTS")]
    from: PathBuf,
    /// Where walks end, likewise; may be the same table
    #[arg(long, value_name = "POINTS")]
    to: PathBuf,
    /// Only walks of so many minutes; without it every pair that a walk joins
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    minutes: Option<f64>,
    #[command(flatten)]
    reading: Reading,
    /// Where the walks go: .csv with from_id, to_id, minutes, metres; `-` streams to standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// The points of a table, in its order.
struct Points {
    ids: Vec<String>,
    places: Vec<Source>,
}

impl WalkMatrix {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.streets.lang();
        let file = Some(self.output.as_path()).filter(|path| *path != Path::new("-"));
        self.refuse_outputs(file)?;
        let minutes = self.minutes.map(policy::minutes).transpose().map_err(bad_parameter)?;
        let mapping = self.reading.declared("from")?.mapping;

        // A wrong name, or a table too long, should not cost the reading of a city.
        let is_one = self.from == self.to;
        let mut tables = vec![Table::read(&self.from)?];
        if !is_one {
            tables.push(Table::read(&self.to)?);
        }
        for table in &tables {
            table.require_rows("point")?;
        }
        refuse_unknown_columns(&mapping, |header| tables.iter().any(|table| table.columns.contains(header)))?;
        let pairs = tables[0].rows().len().saturating_mul(tables[tables.len() - 1].rows().len());
        if minutes.is_none() && pairs > MOST_PAIRS {
            let (pairs, most) = (thousands(pairs as f64), thousands(MOST_PAIRS as f64));
            return Err(bad_input(remark!(
                "{pairs} pairs without a limit; give --minutes, or tables of at most {most} pairs",
                "{pairs} 对起讫点而未限时间；请用 --minutes，或将两表减至 {most} 对以内"
            )));
        }
        let walked = self.streets.load(&mut timings)?;
        let (weights, profile) = (walked.weights, walked.profile);
        let study = Study::new(walked.network, Places::default(), Some(Vec::new()), self.reading.snap_m);
        let mut rejected = Vec::new();
        let mut points = Vec::new();
        for (layer, table) in ["from", "to"].into_iter().zip(tables) {
            points.push(self.place(layer, table, &study, &weights, &mut rejected)?);
        }
        let from = &points[0];
        let to = points.last().unwrap_or(from);
        timings.stage("points");
        tell_rejects(&rejected, lang);

        let limit = minutes.map_or(WalkTime::NEVER, WalkTime::from_minutes);
        let walks = Walks { network: study.network(), weights: &weights, from, to, limit };
        let Some(path) = file else {
            walks.write(&mut io::BufWriter::new(io::stdout().lock()))?;
            return self.write_timings(&mut timings);
        };
        let mut found = Found::default();
        write_whole(path, |out| {
            // The mark lets Excel read Chinese.
            if from.ids.iter().chain(&to.ids).any(|id| !id.is_ascii()) {
                out.write_all("\u{feff}".as_bytes())?;
            }
            found = walks.write(out)?;
            Ok(())
        })?;
        write_rejects(path, &rejected, lang)?;
        let mut about = geojson::about_walks(study.network(), &profile, walked.extract_date.as_deref());
        about["parameters"]["minutes"] = json!(minutes);
        about["parameters"]["snap_m"] = json!(self.reading.snap_m);
        let about = Value::Object(about);
        write_whole(&beside(path, ".about.json"), |out| Ok(writeln!(out, "{about:#}")?))?;
        let summary = summary(&walks, &found, &profile, minutes, &walked.title, &rejected, lang);
        io::stdout().lock().write_all(summary.as_bytes())?;
        self.write_timings(&mut timings)
    }

    fn refuse_outputs(&self, file: Option<&Path>) -> Result<()> {
        let mut inputs = self.streets.files();
        inputs.extend([self.from.clone(), self.to.clone()]);
        if let Some(path) = file {
            if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
                let path = path.display();
                return Err(bad_input(remark!(
                    "-o {path}: the name must end in .csv",
                    "-o {path}：文件名应以 .csv 结尾"
                )));
            }
            refuse_to_overwrite("-o", path, &inputs)?;
        }
        let outputs: Vec<PathBuf> = file.into_iter().map(Path::to_owned).collect();
        refuse_timings(self.streets.timings.as_ref(), &inputs, &outputs)
    }

    /// The points that meet the streets; rows without an id or a place, and those far from any street, are set aside.
    fn place(
        &self,
        layer: &'static str,
        table: Table,
        study: &Study,
        weights: &Weights,
        rejected: &mut Vec<Rejected>,
    ) -> Result<Points> {
        let sorted = columns::points(&table, &self.reading.declared(layer)?, |at| {
            let source = study.place_source(study.network().projection().project(at), weights);
            let m = self.reading.snap_m;
            source.ok_or_else(|| remark!("no walkable street within {m} m", "{m} m 内没有可步行的街道"))
        })?;
        self.reading.refuse_rejects(&table, &sorted.rejects)?;
        for remark in &sorted.remarks {
            complain(self.streets.lang().pick(&remark.en, &remark.zh));
        }
        if !sorted.rejects.is_empty() {
            rejected.push(Rejected { layer, table, rejects: sorted.rejects });
        }
        let (ids, places) = sorted.used.into_iter().unzip();
        Ok(Points { ids, places })
    }

    fn write_timings(&self, timings: &mut Timings) -> Result<()> {
        timings.stage("matrix");
        match &self.streets.timings {
            Some(path) => write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?)),
            None => Ok(()),
        }
    }
}

/// The walks asked for.
struct Walks<'a> {
    network: &'a Network,
    weights: &'a Weights,
    from: &'a Points,
    to: &'a Points,
    limit: WalkTime,
}

/// What is told of the walks found.
#[derive(Default)]
struct Found {
    pairs: u64,
    /// Points that no walk begins at.
    without: usize,
    longest: WalkTime,
    /// How many walks take so many whole seconds.
    by_second: Vec<u64>,
}

impl Found {
    fn count(&mut self, time: WalkTime) {
        let second = (time.millis() / 1_000) as usize;
        if self.by_second.len() <= second {
            self.by_second.resize(second + 1, 0);
        }
        self.by_second[second] += 1;
        self.pairs += 1;
        self.longest = self.longest.max(time);
    }

    /// The median, to a second.
    fn median_minutes(&self) -> Option<f64> {
        let mut before = 0;
        let second = self.by_second.iter().position(|count| {
            before += count;
            before * 2 >= self.pairs && before > 0
        })?;
        Some(second as f64 / 60.0)
    }
}

impl Walks<'_> {
    fn write(&self, out: &mut impl Write) -> Result<Found> {
        out.write_all(b"from_id,to_id,minutes,metres\n")?;
        let cells = |points: &'_ Points| points.ids.iter().map(|id| csv_cell(id).into_owned()).collect::<Vec<_>>();
        let (from_cells, to_cells) = (cells(self.from), cells(self.to));
        let mut found = Found::default();
        matrix(self.network, self.weights, &self.from.places, &self.to.places, self.limit, |from, walks| {
            found.without += usize::from(walks.is_empty());
            for walk in walks {
                let Some(minutes) = walk.time.minutes() else { continue };
                found.count(walk.time);
                // A millisecond is more than the last digit.
                let minutes = (minutes * 1e5).round() / 1e5;
                writeln!(out, "{},{},{minutes},{:.1}", from_cells[from], to_cells[walk.to], walk.metres)?;
            }
            io::Result::Ok(())
        })?;
        out.flush()?;
        Ok(found)
    }
}

/// The table for people.
fn summary(
    walks: &Walks<'_>,
    found: &Found,
    profile: &Profile,
    minutes: Option<f64>,
    title: &str,
    rejected: &[Rejected],
    lang: Lang,
) -> String {
    let mut out = String::new();
    let mut say = |en: String, zh: String| _ = writeln!(out, "{}", lang.pick(&en, &zh));
    let (speed, name) = (profile.speed.kmh(), &profile.name);
    say(
        format!("{title}: walks at {speed} km/h, profile {name}"),
        format!("{title}：步行 {speed} 公里/小时，步行方式 {name}"),
    );
    let (from, to) = (walks.from.ids.len(), walks.to.ids.len());
    let [pairs, from_text, to_text, all] =
        [found.pairs as f64, from as f64, to as f64, from as f64 * to as f64].map(thousands);
    let (within_en, within_zh) =
        minutes.map_or_else(Default::default, |m| (format!(" of at most {m} minutes"), format!("（不超过 {m} 分钟）")));
    say(
        format!("from {from_text} points to {to_text}: {pairs} of {all} pairs are joined by a walk{within_en}"),
        format!("起点 {from_text} 个，终点 {to_text} 个：{all} 对中有 {pairs} 对可步行到达{within_zh}"),
    );
    if let (Some(median), Some(longest)) = (found.median_minutes(), found.longest.minutes()) {
        say(
            format!("minutes: median {median:.1}, longest {longest:.1}"),
            format!("分钟数：中位数 {median:.1}，最长 {longest:.1}"),
        );
    }
    if found.without > 0 {
        let without = thousands(found.without as f64);
        say(format!("points that no walk begins at: {without}"), format!("没有任何步行的起点：{without} 个"));
    }
    for Rejected { table, rejects, .. } in rejected {
        let (name, n, first) = (table.name(), rejects.len(), describe(table, &rejects[0]));
        say(
            format!("{name}: rows that can't be used: {n}, the first: {}", first.en),
            format!("{name}：{n} 行无法使用，首行：{}", first.zh),
        );
    }
    out
}
