//! `carecircle import`: how far an extract can be trusted, as a page, as JSON and as a table for people.
//!
//! Owns the judgement of an import: what is measured ([`findings`], [`cells`]), the thresholds ([`trust`]) and the three
//! forms it is told in. It mends nothing and changes no verdict.

mod cells;
mod findings;
mod json;
mod map;
mod page;
#[cfg(test)]
mod tests;
mod trust;

use crate::bad_input;
use crate::inputs::{City, Inputs, changed, is_prepared, tell_rejects};
use crate::lang::Lang;
use crate::output::write_whole;
use crate::paper::{Paper, escape};
use crate::timings::Timings;
use anyhow::Result;
use carecircle_core::coverage::Coverage;
use carecircle_formats::remark;
use carecircle_osm::prepared::{self, Source};
use clap::Args;
use findings::Findings;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use trust::{Judgement, doubt, headline};
use unicode_width::UnicodeWidthStr;

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Prepare the city for quick starts: a .carecircle file that every command takes in place of the extract
    #[arg(short, long = "out", value_name = "OUT")]
    out: Option<PathBuf>,
    /// Where the report goes: .html for people, .json for programs
    #[arg(long, value_name = "R")]
    report: Option<PathBuf>,
}

/// The formats that a report can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase().as_str() {
            "html" | "htm" => Ok(Self::Html),
            "json" => Ok(Self::Json),
            _ => {
                let path = path.display();
                Err(bad_input(remark!(
                    "--report {path}: the name must end in .html or .json",
                    "--report {path}：文件名应以 .html 或 .json 结尾"
                )))
            }
        }
    }
}

impl Import {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        let format = self.report.as_deref().map(Format::of).transpose()?;
        if let Some(path) = &self.report {
            self.inputs.refuse_to_overwrite("--report", path)?;
        }
        let origin = self.out.as_deref().map(|out| self.origin(out)).transpose()?;
        let outputs: Vec<PathBuf> = self.report.iter().chain(&self.out).cloned().collect();
        self.inputs.refuse_timings(&outputs)?;
        let policy = self.inputs.policy()?;
        let mut inputs = self.inputs.clone();
        inputs.prepares = origin.is_some();
        let city = inputs.load(&mut timings)?;
        let coverage = city.study.check(&policy);
        timings.stage("check");
        tell_rejects(&city.rejected, lang);
        let findings = Findings::of(&city, &coverage);
        let judgements = findings.judge();
        timings.stage("findings");
        if let (Some(path), Some(format)) = (&self.report, format) {
            write_whole(path, |out| {
                match format {
                    Format::Html => out.write_all(page::page(&findings, &judgements, lang).as_bytes())?,
                    Format::Json => writeln!(out, "{:#}", json::report(&findings, &judgements))?,
                }
                Ok(())
            })?;
        }
        if let (Some(out), Some(origin), Some(made_of)) = (&self.out, origin, city.made_of.as_deref()) {
            if self.inputs.origin()? != origin {
                return Err(bad_input(changed()));
            }
            let (places, header) = made_of;
            let City { study, import, network, .. } = &city;
            write_whole(out, |out| Ok(prepared::write(out, &origin, (header, import), places, network, study)?))?;
        }
        timings.stage("write");
        io::stdout().lock().write_all(summary(&findings, &judgements, lang).as_bytes())?;
        if let Some(path) = &self.inputs.timings {
            write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?))?;
        }
        Ok(())
    }

    /// Refuses what can't be prepared, or not under that name; else tells of what it is made.
    fn origin(&self, out: &Path) -> Result<Source> {
        self.inputs.refuse_to_overwrite("-o", out)?;
        let shown = out.display();
        if !is_prepared(out) {
            return Err(bad_input(remark!(
                "-o {shown}: the name must end in .carecircle",
                "-o {shown}：文件名应以 .carecircle 结尾"
            )));
        }
        if self.inputs.has_tables() {
            return Err(bad_input(remark!(
                "-o {shown}: a prepared city holds the map alone; give the tables to the command that reads {shown}",
                "-o {shown}：预处理文件只含地图；表格请在读取 {shown} 的命令中给出"
            )));
        }
        match self.inputs.city() {
            Some(city) if !is_prepared(city) => self.inputs.origin(),
            _ => Err(bad_input(remark!(
                "-o {shown}: an OpenStreetMap extract (.osm.pbf) is wanted to prepare it of",
                "-o {shown}：需要 OpenStreetMap 提取文件（.osm.pbf）"
            ))),
        }
    }
}

/// How far the extract can be trusted, as a part of another page: the judgements, and how many gaps may be the map's fault.
pub(crate) fn write_trust(paper: &mut Paper, city: &City, coverage: &Coverage) {
    let findings = Findings::of(city, coverage);
    let judgements = findings.judge();
    let doubt = doubt(&findings, paper.lang).map(|doubt| escape(&doubt)).unwrap_or_default();
    let headline = headline(&judgements, paper.lang);
    _ = writeln!(paper.out, "<p><strong>{headline}.</strong> {doubt}</p>");
    page::table_of(paper, &judgements);
}

/// The table for people: a line for each topic, and what it does to the gaps.
fn summary(findings: &Findings, judgements: &[Judgement], lang: Lang) -> String {
    let city = findings.city;
    let date = city.extract_date.as_deref().and_then(|d| d.get(..10)).map(|d| format!(" ({d})")).unwrap_or_default();
    // A file's name may hold anything; a terminal obeys some of it.
    let title: String = city.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut out = String::new();
    _ = writeln!(out, "{title}{date}{}{}", lang.pick(": ", "："), headline(judgements, lang));
    out.push('\n');
    let width = |of: fn(&Judgement, Lang) -> &str| judgements.iter().map(|j| of(j, lang).width()).max().unwrap_or(0);
    let (marks, titles) = (width(|j, lang| j.mark.called(lang)), width(|j, lang| j.title.pick(lang)));
    for judgement in judgements {
        let (mark, title) = (judgement.mark.called(lang), judgement.title.pick(lang));
        let (after_mark, after_title) = (" ".repeat(marks - mark.width()), " ".repeat(titles - title.width()));
        _ = writeln!(out, "{mark}{after_mark}  {title}{after_title}  {}", judgement.figure.pick(lang));
    }
    if let Some(doubt) = doubt(findings, lang) {
        _ = writeln!(out, "\n{doubt}");
    }
    out
}
