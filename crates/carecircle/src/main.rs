//! carecircle: who can walk to childcare within 15 minutes, who cannot, and where should the next nursery stand?

mod card;
mod check;
mod children;
mod export;
mod import;
mod inputs;
mod inspect;
mod isochrone;
mod lang;
mod log;
mod matrix;
mod output;
mod paper;
mod picture;
mod placement;
mod report;
mod serve;
mod site;
mod timings;
mod verdicts;

use carecircle_formats::remark::Remark;
use carecircle_formats::table::TableError;
use clap::{Parser, Subcommand};
use lang::Lang;
use std::error::Error;
use std::process::ExitCode;
use std::{fmt, io};

#[derive(Parser)]
#[command(name = "carecircle", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Judge every residential block of a city: which lie within the walk, which don't, and why
    Check(check::Check),
    /// Draw from where a place is reached within some minutes
    Isochrone(isochrone::DrawIsochrone),
    /// Tell how far an extract can be trusted: what it lacks, what was set aside, and which gaps may be the map's fault
    Import(import::Import),
    /// Write a page about a city: score card, maps, the gaps by children affected, method and data quality
    Report(report::Report),
    /// Tell what was understood of a table: its columns, totals, and the rows that can't be used
    Inspect(inspect::Inspect),
    /// Tell where the next facilities should stand, and how far from the best possible that can be
    Site(site::SiteStudy),
    /// Tell how long the walks between two tables of points are
    Matrix(matrix::WalkMatrix),
    /// Write the walkable network as GMNS tables, so that other tools can do equal work
    ExportNetwork(export::ExportNetwork),
    /// Answer over HTTP: a map, GeoJSON layers, isochrones, summaries
    Serve(serve::Serve),
}

impl Command {
    fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Check(command) => command.run(),
            Self::Isochrone(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Report(command) => command.run(),
            Self::Inspect(command) => command.run(),
            Self::Site(command) => command.run(),
            Self::Matrix(command) => command.run(),
            Self::ExportNetwork(command) => command.run(),
            Self::Serve(command) => command.run(),
        }
    }

    /// The language that its errors are told in.
    fn lang(&self) -> Lang {
        match self {
            Self::Check(check::Check { inputs, .. })
            | Self::Import(import::Import { inputs, .. })
            | Self::Report(report::Report { inputs, .. })
            | Self::Site(site::SiteStudy { inputs, .. })
            | Self::Serve(serve::Serve { inputs, .. }) => inputs.lang(),
            Self::Matrix(matrix::WalkMatrix { streets, .. })
            | Self::ExportNetwork(export::ExportNetwork { streets, .. }) => streets.lang(),
            Self::Isochrone(command) => command.sources.lang(),
            Self::Inspect(command) => command.lang(),
        }
    }
}

/// What the user gave can't be used: exit code 2.
#[derive(Debug)]
struct BadInput {
    why: Remark,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for BadInput {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What is told in one language, whatever the user's.
impl From<String> for BadInput {
    fn from(why: String) -> Self {
        Remark::same(why).into()
    }
}

impl From<Remark> for BadInput {
    fn from(why: Remark) -> Self {
        Self { why, source: None }
    }
}

/// An error that is the user's to mend.
fn bad_input(why: impl Into<BadInput>) -> anyhow::Error {
    why.into().into()
}

/// An error that is the user's to mend, and what lies behind it.
fn bad_input_for(why: Remark, source: impl Error + Send + Sync + 'static) -> anyhow::Error {
    BadInput { why, source: Some(Box::new(source)) }.into()
}

/// A parameter that is out of its range, as `carecircle_formats` says it, by the name it has on the command line.
fn bad_parameter(why: impl Into<Remark>) -> anyhow::Error {
    let by_option = |why: String| {
        let (name, rest) = why.split_once(' ').unwrap_or((&why, ""));
        format!("--{} {rest}", name.replace('_', "-"))
    };
    let Remark { en, zh } = why.into();
    bad_input(Remark { en: by_option(en), zh: by_option(zh) })
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or_else(|| Command::Serve(serve::Serve::demo()));
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output may stop reading: `carecircle check | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let lang = command.lang();
            output::complain(&format!("{}{}", lang.pick("error: ", "错误："), told(&error, lang)));
            ExitCode::from(if is_bad_input(&error) { 2 } else { 1 })
        }
    }
}

/// An error and what lies behind it, in one line.
fn told(error: &anyhow::Error, lang: Lang) -> String {
    let causes = error.chain().map(|cause| match lang {
        Lang::En => cause.to_string(),
        Lang::Zh => in_chinese(cause),
    });
    causes.collect::<Vec<_>>().join(lang.pick(": ", "："))
}

/// A cause in Chinese, where it is known there.
fn in_chinese(cause: &(dyn Error + 'static)) -> String {
    if let Some(bad) = cause.downcast_ref::<BadInput>() {
        return bad.why.zh.clone();
    }
    if let Some(table) = cause.downcast_ref::<TableError>() {
        return table.in_chinese();
    }
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => "没有这个文件或文件夹".to_owned(),
        Some(io::ErrorKind::PermissionDenied) => "没有权限".to_owned(),
        Some(io::ErrorKind::IsADirectory) => "这是文件夹，不是文件".to_owned(),
        _ => cause.to_string(),
    }
}

fn is_bad_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<BadInput>()
            || cause.is::<carecircle_osm::ReadError>()
            || cause.is::<carecircle_osm::prepared::PreparedError>()
            || cause.is::<TableError>()
            || cause.is::<carecircle_formats::raster::RasterError>()
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|c| c.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}
