//! `carecircle site`: where the next facilities should stand, and how far from the best possible the answer can be.

use crate::check::{align, thousands};
use crate::inputs::{City, Inputs, tell_rejects, write_rejects};
use crate::lang::Lang;
use crate::output::{complain, write_whole};
use crate::timings::Timings;
use crate::{bad_input, bad_parameter};
use anyhow::Result;
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::Policy;
use carecircle_core::siting::{Plan, Progress, Question, SitingError, Solver, StudyInstance};
use carecircle_formats::columns::Candidate;
use carecircle_formats::remark;
use carecircle_formats::siting::{Ask, Objective, Places, SitePlan, refused};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::ProgressBar;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct SiteStudy {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// What is asked for
    #[arg(long, default_value = Objective::default().name(), value_parser = objectives())]
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
    /// With set-cover: the cheapest sites rather than the fewest
    #[arg(long)]
    by_cost: bool,
    /// At least this part of the children of every area, from 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    least_share: f64,
    /// Which areas that is asked of: city, district, street or community
    #[arg(long, value_name = "LEVEL", default_value = "district", value_parser = level)]
    level: AreaLevel,
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
    /// forbidden); or what the map has, one name or several between commas: `blocks` for every residential block,
    /// `streets` for street corners, `anywhere` for both; `kindergartens` that the policy does not count, `schools`,
    /// `community_centres`, `public_buildings`, `osm` for these four
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
    /// Who looks for plans: own, or highs for a second opinion, in a build with the feature of that name
    #[arg(long, value_name = "NAME", default_value = "own", value_parser = solver)]
    solver: Solver,
    /// Write the plan as a scenario, which check, report and serve take with --scenario
    #[arg(long, value_name = "S.json")]
    write_scenario: Option<PathBuf>,
    /// Where the plan goes: .geojson, a feature for each site; `-` for standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

fn objectives() -> impl TypedValueParser<Value = Objective> {
    let values = Objective::ALL.map(|objective| PossibleValue::new(objective.name()).help(objective.title()));
    PossibleValuesParser::new(values).try_map(|name| Objective::named(&name).ok_or("no objective"))
}

fn level(name: &str) -> Result<AreaLevel, String> {
    AreaLevel::named(name).ok_or_else(|| format!("there is {}", AreaLevel::ALL.map(AreaLevel::name).join(", ")))
}

fn solver(name: &str) -> Result<Solver, &'static str> {
    match name {
        "own" => Ok(Solver::Own),
        #[cfg(feature = "highs")]
        "highs" => Ok(Solver::Highs),
        #[cfg(not(feature = "highs"))]
        "highs" => Err(
            "this build knows own alone: build it with --features highs, which needs cmake, libclang and a C++ compiler",
        ),
        _ => Err("there is own and highs"),
    }
}

impl SiteStudy {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        let mut inputs = self.inputs.clone();
        let is_table = Places::is_path(&self.candidates);
        let on_map = (!is_table).then(|| Places::named(&self.candidates)).transpose().map_err(bad_parameter)?;
        inputs.candidates = (is_table && self.objective != Objective::Close).then(|| PathBuf::from(&self.candidates));
        let files: Vec<PathBuf> = self.output.iter().chain(&self.write_scenario).cloned().collect();
        for (option, path) in [("-o", &self.output), ("--write-scenario", &self.write_scenario)] {
            if let Some(path) = path.as_deref().filter(|path| *path != Path::new("-")) {
                inputs.refuse_to_overwrite(option, path)?;
            }
        }
        inputs.refuse_timings(&files)?;
        self.check_output()?;
        let policy = inputs.policy()?;
        let ask = self.ask();
        let question = ask.question(&policy).map_err(bad_parameter)?;
        let city = inputs.load(&mut timings)?;
        tell_rejects(&city.rejected, lang);
        let places = on_map.unwrap_or_else(|| Places::Given(city.candidates.clone()));
        let candidates = ask.candidates(&city.study, &policy, places).map_err(bad_parameter)?;
        let sited = self.sited(&ask, &city, &policy, &candidates)?;
        timings.stage("walks");

        let bar = ProgressBar::new_spinner();
        let watch = |progress: &Progress| {
            if let (Some(objective), Some(bound)) = (progress.objective, progress.bound) {
                bar.set_message(format!("{objective:.1} / {bound:.1}  {:.1} s", progress.seconds));
            }
            bar.tick();
            ControlFlow::Continue(())
        };
        let refuse = |why: SitingError| bad_parameter(refused(&why, &city.study));
        let plan = ask.plan(&sited, &question, &watch).map_err(refuse)?;
        timings.stage("plan");
        let curve = ask.curve(&sited, &question, &plan, &watch).map_err(refuse)?;
        bar.finish_and_clear();
        timings.stage("curve");
        let answer =
            SitePlan { study: &city.study, policy: &policy, sited: &sited, candidates: &candidates, plan: &plan };

        let mut to_stdout = false;
        if let Some(path) = &self.output {
            let asked = ask.asked(&self.candidates);
            let date = city.extract_date.as_deref();
            let write = |out: &mut dyn Write| Ok(answer.write(&mut { out }, asked, &curve, date)?);
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
            let scenario = city.scenario.clone().unwrap_or_default().then(answer.scenario(&name));
            write_whole(path, |out| Ok(writeln!(out, "{:#}", json!(scenario))?))?;
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
        Ok(())
    }

    fn ask(&self) -> Ask {
        Ask {
            objective: self.objective,
            count: self.count,
            budget: self.budget,
            share: self.share,
            by_cost: self.by_cost,
            least_share: self.least_share,
            level: self.level,
            backup: self.backup,
            limited: self.limited,
            beyond: self.beyond,
            spacing_m: self.spacing_m,
            time_limit: self.time_limit,
            seed: self.seed,
            solver: self.solver,
        }
    }

    fn sited(&self, ask: &Ask, city: &City, policy: &Policy, candidates: &[Candidate]) -> Result<StudyInstance> {
        let most = self.memory_mb.saturating_mul(1_000_000);
        let tell = |foreseen: usize| {
            if foreseen > most {
                let mb = foreseen / 1_000_000;
                complain(&match self.inputs.lang() {
                    Lang::En => format!("walks may take up to {mb} MB, --memory-mb {} are allowed", self.memory_mb),
                    Lang::Zh => format!("步行时间表最多可能占用 {mb} MB，--memory-mb 允许 {} MB", self.memory_mb),
                });
            }
        };
        let on = |_: &Progress| ControlFlow::Continue(());
        let sited = ask.instance(&city.study, policy, candidates, most, Some(&tell), &on);
        sited.map_err(|why| bad_parameter(refused(&why, &city.study)))
    }
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
