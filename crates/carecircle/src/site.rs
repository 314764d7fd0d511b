//! `carecircle site`: where the next facilities should stand, and how far from the best possible the answer can be.

use crate::bad_input;
use crate::check::{align, thousands};
use crate::inputs::{City, Inputs, tell_rejects, write_rejects};
use crate::lang::Lang;
use crate::output::{complain, write_whole};
use crate::timings::Timings;
use anyhow::Result;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::NodeId;
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::Policy;
use carecircle_core::siting::{
    NewSite, Pick, Plan, Progress, Question, Search, SitingError, Standing, StudyInstance, bytes_needed,
};
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use carecircle_core::whatif::Basis;
use carecircle_formats::columns::Candidate;
use carecircle_formats::geojson;
use carecircle_formats::remark;
use carecircle_formats::siting::{SitePlan, as_facility, proof};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Objective {
    /// The most children within the limit (maximal covering)
    #[default]
    MaxCoverage,
    /// The fewest or cheapest sites for a share of the children (set covering)
    SetCover,
    /// The shortest walks, all added up (p-median)
    PMedian,
    /// The shortest longest walk (p-center)
    PCenter,
    /// Which facilities would be missed least if they closed
    Close,
}

#[derive(Args)]
pub(crate) struct SiteStudy {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// What is asked for
    #[arg(long, value_enum, default_value_t)]
    objective: Objective,
    /// So many sites; or so many facilities that close
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Sites that cost no more than this together, in the unit of the candidates' costs
    #[arg(long, value_name = "COST", conflicts_with = "count")]
    budget: Option<f64>,
    /// With set-cover: the part of all children who shall be within the limit, from 0 to 1
    #[arg(long, value_name = "PART")]
    share: Option<f64>,
    /// At least this part of the children of every area, from 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    least_share: f64,
    /// Which areas that is asked of: city, district, street or community
    #[arg(long, value_name = "LEVEL", default_value = "district")]
    level: String,
    /// With max-coverage: how much more a child counts who is within the limit of a second site, from 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    backup: f64,
    /// Sites take no more children than they have places
    #[arg(long)]
    limited: bool,
    /// With p-median: whoever walks longer, or gets nowhere, counts as if it took so many minutes [default: twice the limit]
    #[arg(long, value_name = "MINUTES")]
    beyond: Option<f64>,
    /// Where facilities could stand: a table with id, lon, lat and perhaps name, places, cost, choice (free, required,
    /// forbidden); `blocks` for every residential block, `streets` for street corners, `anywhere` for both
    #[arg(long, value_name = "F", default_value = "anywhere")]
    candidates: String,
    /// How far apart street corners are taken, metres
    #[arg(long, value_name = "METRES", default_value_t = 200.0)]
    spacing_m: f64,
    /// Seconds of search after which the best plan so far is the answer, for each number of sites
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    time_limit: f64,
    /// Megabytes that walks may take
    #[arg(long, value_name = "MB", default_value_t = 2_000)]
    memory_mb: usize,
    /// Draws where to look for plans
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the plan as a scenario, which check, report and serve take with --scenario
    #[arg(long, value_name = "S.json")]
    write_scenario: Option<PathBuf>,
    /// Where the plan goes: .geojson, a feature for each site; `-` for standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The most candidates that are made of a map.
const MOST_CANDIDATES: usize = 200_000;

impl SiteStudy {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        let mut inputs = self.inputs.clone();
        let is_made = ["blocks", "streets", "anywhere"].contains(&&*self.candidates);
        inputs.candidates = (!is_made && self.objective != Objective::Close).then(|| PathBuf::from(&self.candidates));
        let files: Vec<PathBuf> = self.output.iter().chain(&self.write_scenario).cloned().collect();
        for (option, path) in [("-o", &self.output), ("--write-scenario", &self.write_scenario)] {
            if let Some(path) = path.as_deref().filter(|path| *path != Path::new("-")) {
                inputs.refuse_to_overwrite(option, path)?;
            }
        }
        inputs.refuse_timings(&files)?;
        self.check_output()?;
        let policy = inputs.policy()?;
        let question = self.question(&policy)?;
        let level = AreaLevel::named(&self.level).filter(|_| self.least_share > 0.0);
        let city = inputs.load(&mut timings)?;
        tell_rejects(&city.rejected, lang);
        let candidates = self.places(&city, &policy)?;
        let sited = self.sited(&city.study, &policy, &candidates, level)?;
        timings.stage("walks");

        let plan = self.solve(&sited, &question)?;
        timings.stage("plan");
        let curve = self.curve(&sited, &question, &plan)?;
        timings.stage("curve");
        let answer =
            SitePlan { study: &city.study, policy: &policy, sited: &sited, candidates: &candidates, plan: &plan };
        let steps = answer.steps();

        let mut to_stdout = false;
        if let Some(path) = &self.output {
            let mut about = answer.about(self.asked(), city.extract_date.as_deref());
            let points = curve.iter().map(proof).collect();
            about.insert("curve".to_owned(), Value::Array(points));
            let features: Vec<Vec<u8>> =
                steps.iter().zip(1..).map(|(step, order)| answer.feature(order, step)).collect();
            let write = |out: &mut dyn Write| Ok(geojson::write_collection(&mut { out }, &about, features.iter())?);
            to_stdout = path == Path::new("-");
            if to_stdout {
                write(&mut io::stdout().lock())?;
            } else {
                write_whole(path, |out| write(out))?;
                write_rejects(path, &city.rejected, lang)?;
            }
        }
        if let Some(path) = &self.write_scenario {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let scenario = answer.scenario(&name);
            write_whole(path, |out| Ok(writeln!(out, "{scenario:#}")?))?;
        }
        timings.stage("write");
        if !to_stdout {
            for remark in &city.remarks {
                complain(lang.tell(remark));
            }
            io::stdout().lock().write_all(summary(&answer, &curve, &question, lang).as_bytes())?;
        }
        if let Some(path) = &self.inputs.timings {
            write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?))?;
        }
        Ok(())
    }

    fn check_output(&self) -> Result<()> {
        let ends_otherwise = |path: &&PathBuf| path.extension().is_none_or(|e| e != "geojson" && e != "json");
        let file = self.output.iter().filter(|path| path.as_path() != Path::new("-")).find(ends_otherwise);
        if let Some(out) = file.map(|path| path.display()) {
            return Err(bad_input(remark!(
                "-o {out}: the name must end in .geojson",
                "-o {out}：文件名应以 .geojson 结尾"
            )));
        }
        if self.output.is_some() && self.output == self.write_scenario {
            return Err(bad_input(remark!(
                "--write-scenario: the plan goes there",
                "--write-scenario：该文件名已用于方案"
            )));
        }
        if !(self.time_limit.is_finite() && self.time_limit > 0.0 && self.time_limit <= 1e6) {
            let given = self.time_limit;
            return Err(bad_input(remark!(
                "--time-limit {given}: a number of seconds above 0 is wanted",
                "--time-limit {given}：应为大于 0 的秒数"
            )));
        }
        if !(10.0..=10_000.0).contains(&self.spacing_m) {
            let given = self.spacing_m;
            return Err(bad_input(remark!(
                "--spacing-m {given}: a number of metres from 10 to 10000 is wanted",
                "--spacing-m {given}：应为 10 至 10000 的米数"
            )));
        }
        Ok(())
    }

    /// What the options ask, as the answer repeats it.
    fn asked(&self) -> Value {
        json!({
            "objective": self.objective.to_possible_value().map(|value| value.get_name().to_owned()),
            "count": self.count,
            "budget": self.budget,
            "share": self.share,
            "least_share": self.least_share,
            "level": self.level,
            "backup": self.backup,
            "limited": self.limited,
            "beyond": self.beyond,
            "candidates": self.candidates,
            "spacing_m": self.spacing_m,
            "time_limit": self.time_limit,
            "seed": self.seed,
        })
    }

    fn question(&self, policy: &Policy) -> Result<Question> {
        let wanted = |option: &str| {
            let objective =
                self.objective.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            bad_input(remark!(
                "--objective {objective}: {option} is wanted as well",
                "--objective {objective}：还需要 {option}"
            ))
        };
        for (name, part) in
            [("--share", self.share), ("--least-share", Some(self.least_share)), ("--backup", Some(self.backup))]
        {
            if let Some(part) = part.filter(|part| !(0.0..=1.0).contains(part)) {
                return Err(bad_input(remark!(
                    "{name} {part}: a number from 0 to 1 is wanted",
                    "{name} {part}：应为 0 至 1 的数"
                )));
            }
        }
        if AreaLevel::named(&self.level).is_none() {
            let (given, names) = (&self.level, AreaLevel::ALL.map(AreaLevel::name).join(", "));
            return Err(bad_input(remark!("--level {given}: there is {names}", "--level {given}：可用 {names}")));
        }
        if self.count == Some(0) {
            return Err(bad_input(remark!(
                "--count 0: one site at least; check tells what is covered without any",
                "--count 0：至少 1 个；不新增机构的覆盖情况请用 check"
            )));
        }
        if let Some(budget) = self.budget.filter(|budget| !(budget.is_finite() && *budget > 0.0)) {
            return Err(bad_input(remark!(
                "--budget {budget}: a number above 0 is wanted",
                "--budget {budget}：应为大于 0 的数"
            )));
        }
        let count = || self.count.ok_or_else(|| wanted("--count"));
        let pick = || match (self.count, self.budget) {
            (Some(count), _) => Ok(Pick::Count(count)),
            (None, Some(budget)) => Ok(Pick::Budget(budget)),
            (None, None) => Err(wanted("--count / --budget")),
        };
        let Self { least_share, limited, backup, .. } = *self;
        Ok(match self.objective {
            Objective::MaxCoverage => Question::MaxCoverage { pick: pick()?, backup, least_share, limited },
            Objective::SetCover => {
                let share = self.share.ok_or_else(|| wanted("--share"))?;
                Question::SetCover { share, least_share, by_cost: self.budget.is_some() }
            }
            Objective::PMedian => {
                let minutes = self.beyond.unwrap_or(2.0 * policy.minutes);
                if !(0.0..=1_440.0).contains(&minutes) {
                    return Err(bad_input(remark!(
                        "--beyond {minutes}: a number of minutes from 0 to 1440 is wanted",
                        "--beyond {minutes}：应为 0 至 1440 的分钟数"
                    )));
                }
                Question::Median { pick: pick()?, beyond: WalkTime::from_minutes(minutes), limited }
            }
            Objective::PCenter => Question::Center { count: count()? },
            Objective::Close => Question::Close { count: count()? },
        })
    }

    /// Where facilities could stand.
    fn places(&self, city: &City, policy: &Policy) -> Result<Vec<Candidate>> {
        if self.objective == Objective::Close {
            return Ok(Vec::new());
        }
        let study = &city.study;
        let mut out = city.candidates.clone();
        if ["blocks", "anywhere"].contains(&&*self.candidates) {
            out.extend(in_blocks(study));
        }
        if ["streets", "anywhere"].contains(&&*self.candidates) {
            out.extend(at_corners(study, self.spacing_m));
        }
        if out.is_empty() {
            let from = &self.candidates;
            return Err(bad_input(remark!(
                "--candidates {from}: there is no place where a facility could stand",
                "--candidates {from}：没有可选的位置"
            )));
        }
        if out.len() > MOST_CANDIDATES {
            let n = out.len();
            return Err(bad_input(remark!(
                "{n} places where facilities could stand; {MOST_CANDIDATES} at most: a larger --spacing-m takes fewer",
                "共有 {n} 个可选位置；最多 {MOST_CANDIDATES} 个：请增大 --spacing-m"
            )));
        }
        if self.budget.is_some()
            && let Some(free) = out.iter().find(|candidate| candidate.cost.is_none())
        {
            let id = &free.id;
            return Err(bad_input(remark!(
                "--budget: the candidate {id} has no cost; give it in a column cost",
                "--budget：候选点 {id} 没有费用；请在 cost 列给出"
            )));
        }
        if self.limited
            && let Some(endless) = out.iter().find(|candidate| candidate.places.is_none())
        {
            let id = &endless.id;
            return Err(bad_input(remark!(
                "--limited: the candidate {id} has no number of places; give it in a column places",
                "--limited：候选点 {id} 没有托位数；请在 places 列给出"
            )));
        }
        let taken: BTreeSet<&str> = study.facilities().iter().map(|f| f.facility.id.as_str()).collect();
        for candidate in &out {
            let id = &candidate.id;
            if taken.contains(id.as_str()) {
                return Err(bad_input(remark!(
                    "candidate {id}: a facility has that id already",
                    "候选点 {id}：已有机构使用该编号"
                )));
            }
            if !policy.eligibility.admits(&as_facility(candidate, &policy.eligibility)) {
                let name = &policy.name;
                return Err(bad_input(remark!(
                    "candidate {id}: policy {name} would not count it, for it has too few places or is not inclusive",
                    "候选点 {id}：政策 {name} 不会计入该机构（托位数不足或非普惠）"
                )));
            }
        }
        Ok(out)
    }

    fn sited(
        &self,
        study: &Study,
        policy: &Policy,
        candidates: &[Candidate],
        level: Option<AreaLevel>,
    ) -> Result<StudyInstance> {
        let projection = study.network().projection();
        let new_site = |candidate: &Candidate| NewSite {
            at: projection.project(candidate.at),
            standing: candidate.standing,
            cost: candidate.cost.unwrap_or(1.0),
            places: candidate.places.map(f64::from),
        };
        let new_sites: Vec<NewSite> = candidates.iter().map(new_site).collect();
        let most = self.memory_mb.saturating_mul(1_000_000);
        let foreseen = bytes_needed(study, policy, &new_sites);
        if foreseen > most {
            let mb = foreseen / 1_000_000;
            complain(&match self.inputs.lang() {
                Lang::En => format!("walks may take up to {mb} MB, --memory-mb {} are allowed", self.memory_mb),
                Lang::Zh => format!("步行时间表最多可能占用 {mb} MB，--memory-mb 允许 {} MB", self.memory_mb),
            });
        }
        let basis = Basis::new(study, &policy.profile);
        StudyInstance::new(study, &basis, policy, &new_sites, level, most).map_err(|why| refused(&why))
    }

    fn solve(&self, sited: &StudyInstance, question: &Question) -> Result<Plan> {
        let bar = ProgressBar::new_spinner();
        let watch = |progress: &Progress| {
            if let (Some(objective), Some(bound)) = (progress.objective, progress.bound) {
                bar.set_message(format!("{objective:.1} / {bound:.1}  {:.1} s", progress.seconds));
            }
            bar.tick();
            ControlFlow::Continue(())
        };
        let limit = Duration::from_secs_f64(self.time_limit);
        let search = Search { time_limit: Some(limit), seed: self.seed, watch: Some(&watch) };
        let plan = sited.instance.solve(question, &search);
        bar.finish_and_clear();
        plan.map_err(|why| refused(&why))
    }

    /// The best plan for each smaller number of sites, then this one; nothing where sites are not counted.
    fn curve(&self, sited: &StudyInstance, question: &Question, plan: &Plan) -> Result<Vec<Plan>> {
        let with = |n: usize| match question.clone() {
            Question::MaxCoverage { pick: Pick::Count(_), backup, least_share, limited } => {
                Some(Question::MaxCoverage { pick: Pick::Count(n), backup, least_share, limited })
            }
            Question::Median { pick: Pick::Count(_), beyond, limited } => {
                Some(Question::Median { pick: Pick::Count(n), beyond, limited })
            }
            Question::Center { .. } => Some(Question::Center { count: n }),
            Question::Close { .. } => Some(Question::Close { count: n }),
            _ => None,
        };
        let required = sited.instance.sites().iter().filter(|site| site.standing == Standing::Required).count();
        let mut curve = Vec::new();
        for n in required.max(1)..self.count.unwrap_or(0) {
            let Some(question) = with(n) else { return Ok(Vec::new()) };
            match self.solve(sited, &question) {
                Ok(plan) => curve.push(plan),
                // Fewer sites may leave an area behind.
                Err(_) if self.least_share > 0.0 => {}
                Err(error) => return Err(error),
            }
        }
        curve.push(plan.clone());
        Ok(curve)
    }
}

/// A question that has no answer is the user's to mend.
fn refused(why: &SitingError) -> anyhow::Error {
    bad_input(why.to_string())
}

/// A place in every residential block: where people live, nearest to the middle of them.
fn in_blocks(study: &Study) -> impl Iterator<Item = Candidate> + '_ {
    let demand = study.demand();
    demand.blocks.iter().filter_map(move |block| {
        let points = &demand.points[block.points.start as usize..block.points.end as usize];
        let whole: f64 = points.iter().map(|point| point.weight).sum();
        let middle =
            points.iter().map(|point| point.at * (point.weight / whole)).fold(Point { x: 0.0, y: 0.0 }, |a, b| a + b);
        let off = |at: Point| (at.x - middle.x).hypot(at.y - middle.y);
        let nearest = points.iter().map(|point| point.at).min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
        let name = block.name.clone();
        Some(Candidate { name, ..made(study, format!("block_{}", block.id), nearest)? })
    })
}

/// Corners of streets, one in each square so wide: the nearest to its middle, named by its place.
fn at_corners(study: &Study, spacing_m: f64) -> Vec<Candidate> {
    let network = study.network();
    let mut squares: BTreeMap<(i64, i64), (f64, NodeId)> = BTreeMap::new();
    for node in (0..network.node_count() as u32).map(NodeId) {
        let at = network.node_at(node);
        let square = ((at.x / spacing_m).floor(), (at.y / spacing_m).floor());
        let off = (at.x / spacing_m - square.0 - 0.5).hypot(at.y / spacing_m - square.1 - 0.5);
        let best = squares.entry((square.0 as i64, square.1 as i64)).or_insert((off, node));
        if off < best.0 {
            *best = (off, node);
        }
    }
    let corner = |(_, node)| {
        let candidate = made(study, String::new(), network.node_at(node))?;
        let LonLat { lon_e7, lat_e7 } = candidate.at;
        Some(Candidate { id: format!("corner_{lon_e7}_{lat_e7}"), ..candidate })
    };
    squares.into_values().filter_map(corner).collect()
}

fn made(study: &Study, id: String, at: Point) -> Option<Candidate> {
    let (lon, lat) = study.network().projection().unproject(at);
    let at = LonLat::from_degrees(lon, lat)?;
    Some(Candidate { id, name: None, at, places: None, cost: None, standing: Standing::Candidate })
}

/// The plan for people: its sites in order, how good it is, the curve.
fn summary(answer: &SitePlan<'_>, curve: &[Plan], question: &Question, lang: Lang) -> String {
    let mut out = String::new();
    let (before, children) = answer.before();
    let percent = |n: f64| if children > 0.0 { format!("{:.1} %", 100.0 * n / children) } else { "-".to_owned() };
    let minutes = answer.policy.minutes;
    let head = match lang {
        Lang::En => ["", "site", "name", "gain", "within", "share", "blocks", "load"],
        Lang::Zh => ["", "位置", "名称", "新增儿童", "圈内儿童", "占比", "地块", "就近儿童"],
    };
    let mut rows = vec![head.map(str::to_owned)];
    for (step, order) in answer.steps().iter().zip(1..) {
        let (id, name) = answer.id(step.site);
        let within = before + step.total;
        rows.push([
            order.to_string(),
            id.to_owned(),
            name.unwrap_or("-").to_owned(),
            signed(step.gain),
            thousands(within),
            percent(within),
            step.blocks.to_string(),
            thousands(step.load),
        ]);
    }
    let there = (thousands(before), percent(before), thousands(children));
    _ = match lang {
        Lang::En => writeln!(
            out,
            "within {minutes} minutes today: {} of {} children under three ({})\n",
            there.0, there.2, there.1
        ),
        Lang::Zh => {
            writeln!(out, "目前步行 {minutes} 分钟内：{} / {} 名 3 岁以下儿童（{}）\n", there.0, there.2, there.1)
        }
    };
    align(&mut out, &rows, 3);
    let Plan { objective, bound, gap, optimal, seconds, .. } = answer.plan;
    let unit = match question {
        Question::MaxCoverage { .. } | Question::Close { .. } => lang.pick("children", "名儿童"),
        Question::SetCover { by_cost: false, .. } => lang.pick("sites", "个位置"),
        Question::SetCover { .. } => lang.pick("of costs", "费用"),
        Question::Median { .. } => lang.pick("minutes, all children's added up", "分钟（全部儿童合计）"),
        Question::Center { .. } => lang.pick("minutes", "分钟"),
    };
    let proven = if *optimal {
        lang.pick("proven best", "已证明最优")
    } else {
        lang.pick("not proven best", "未证明最优")
    };
    let gap = 100.0 * gap;
    _ = match lang {
        Lang::En => writeln!(
            out,
            "\n{objective:.1} {unit}; no plan can pass {bound:.1}: a gap of {gap:.2} %, {proven}, {seconds:.1} s"
        ),
        Lang::Zh => writeln!(
            out,
            "\n{objective:.1} {unit}；任何方案都不会优于 {bound:.1}：差距 {gap:.2} %，{proven}，{seconds:.1} 秒"
        ),
    };
    if curve.len() > 1 {
        let mut rows = vec![
            match lang {
                Lang::En => ["sites", "objective", "bound", "gap"],
                Lang::Zh => ["数量", "目标值", "界", "差距"],
            }
            .map(str::to_owned),
        ];
        let row = |plan: &Plan| {
            let gap = format!("{:.2} %", 100.0 * plan.gap);
            [plan.sites.len().to_string(), format!("{:.1}", plan.objective), format!("{:.1}", plan.bound), gap]
        };
        rows.extend(curve.iter().map(row));
        out.push('\n');
        align(&mut out, &rows, 0);
    }
    out
}

fn signed(n: f64) -> String {
    format!("{}{}", if n < 0.0 { "-" } else { "+" }, thousands(n))
}
