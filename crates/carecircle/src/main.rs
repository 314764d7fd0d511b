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
mod matrix;
mod output;
mod paper;
mod picture;
mod placement;
mod report;
mod serve;
mod timings;
mod verdicts;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    /// Tell how long the walks between two tables of points are
    Matrix(matrix::WalkMatrix),
    /// Write the walkable network as GMNS tables, so that other tools can do equal work
    ExportNetwork(export::ExportNetwork),
    /// Answer over HTTP: a map, GeoJSON layers, isochrones, summaries
    Serve(serve::Serve),
}

/// What the user gave can't be used: exit code 2.
#[derive(Debug)]
struct BadInput(String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// An error that is the user's to mend.
fn bad_input(why: impl Into<String>) -> anyhow::Error {
    BadInput(why.into()).into()
}

/// A parameter that is out of its range, as `carecircle_formats::policy` says it, by the name it has on the command line.
fn bad_parameter(why: impl AsRef<str>) -> anyhow::Error {
    let why = why.as_ref();
    let (name, rest) = why.split_once(' ').unwrap_or((why, ""));
    bad_input(format!("--{} {rest}", name.replace('_', "-")))
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Some(Command::Check(command)) => command.run(),
        Some(Command::Isochrone(command)) => command.run(),
        Some(Command::Import(command)) => command.run(),
        Some(Command::Report(command)) => command.run(),
        Some(Command::Inspect(command)) => command.run(),
        Some(Command::Matrix(command)) => command.run(),
        Some(Command::ExportNetwork(command)) => command.run(),
        Some(Command::Serve(command)) => command.run(),
        None => serve::Serve::demo().run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output may stop reading: `carecircle check | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::from(if is_bad_input(&error) { 2 } else { 1 })
        }
    }
}

fn is_bad_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<BadInput>()
            || cause.is::<carecircle_osm::ReadError>()
            || cause.is::<carecircle_formats::table::TableError>()
            || cause.is::<carecircle_formats::raster::RasterError>()
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|c| c.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}
