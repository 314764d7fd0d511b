//! `carecircle export-network`: the walkable network as GMNS tables in a folder.

use crate::bad_input;
use crate::check::thousands;
use crate::inputs::{StreetsOnly, WalkedStreets, refuse_timings, refuse_to_overwrite};
use crate::lang::Lang;
use crate::output::{Together, write_whole};
use crate::timings::Timings;
use anyhow::{Context, Result};
use carecircle_core::network::EdgeId;
use carecircle_core::time::WalkTime;
use carecircle_core::weights::{Direction, Way};
use carecircle_formats::geojson;
use carecircle_formats::gmns::{self, Tables};
use carecircle_formats::remark;
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// What one has to know to get our times out of the tables.
const HOW_TO_READ: &str = "\
Writes node.csv, link.csv, config.csv and use_definition.csv of the General Modeling Network Specification, and \
about.json with the parameters; other files in DIR are left alone.

A link is one direction that the profile may walk. `length` is geodesic metres; `geometry` is WKT, longitude and \
latitude, in walking direction, empty where there is no length; `way` is the OpenStreetMap way, minus the relation for \
a square drawn as one, empty for the link through a gate. `time_ms` is what our own search adds up, whole \
milliseconds. Of parallel links the quickest counts, and a link without length or time is a link all the same.

A walk is first leg, public streets, last leg: links with access `destination` stand at its beginning and its end \
only, never in the middle. Either search by that rule, or take --by-leg: then every shortest path is a walk. There a \
node N that such links meet at is copied for each leg, as node_id N (public), nodes + N (last leg) and 2 × nodes + N \
(first leg), `nodes` being the number in about.json; links of facility_type `transfer` lead from the first leg to \
public streets and on to the last leg. A walk that begins on a destination link begins at first-leg copies, one that \
ends on such a link ends at last-leg copies; all others begin and end at public copies.

A place on a link costs its share of the link's time, and the metres to it the profile's speed. For a profile to which \
streets are closed (stroller), `check` and `matrix` take the longer of its walk on these links and the plain walk at \
its speed, which --profile walk --speed-kmh S exports.";

/// What is written, in this order.
const FILES: [&str; 5] = ["node.csv", "link.csv", "config.csv", "use_definition.csv", "about.json"];

#[derive(Args)]
#[command(after_long_help = HOW_TO_READ)]
pub(crate) struct ExportNetwork {
    #[command(flatten)]
    pub(crate) streets: StreetsOnly,
    /// The folder that the tables go to; it is made where there is none
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Copy nodes for the first leg, public streets and last leg, so that any shortest path is a walk
    #[arg(long)]
    by_leg: bool,
}

impl ExportNetwork {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let (folder, lang) = (&self.output, self.streets.lang());
        if folder.exists() && !folder.is_dir() {
            let folder = folder.display();
            return Err(bad_input(remark!(
                "-o {folder}: a folder is wanted, that is a file",
                "-o {folder}：应为文件夹，而非文件"
            )));
        }
        let (inputs, outputs) = (self.streets.files(), FILES.map(|name| folder.join(name)));
        for file in outputs.iter().filter(|_| folder.is_dir()) {
            refuse_to_overwrite("-o", file, &inputs)?;
            if file.is_dir() {
                let (folder, file) = (folder.display(), file.display());
                return Err(bad_input(remark!("-o {folder}: {file} is a folder", "-o {folder}：{file} 是文件夹")));
            }
        }
        refuse_timings(self.streets.timings.as_ref(), &inputs, &outputs)?;
        let walked = self.streets.load(&mut timings)?;
        let tables = Tables { network: &walked.network, weights: &walked.weights, by_leg: self.by_leg };
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut files = Together::default();
        files.write(&folder.join("node.csv"), |out| Ok(tables.nodes(out)?))?;
        files.write(&folder.join("link.csv"), |out| Ok(tables.links(out)?))?;
        files.write(&folder.join("config.csv"), |out| Ok(tables.config(out, &walked.title)?))?;
        files.write(&folder.join("use_definition.csv"), |out| Ok(tables.uses(out)?))?;
        let about = self.about(&walked);
        files.write(&folder.join("about.json"), |out| Ok(writeln!(out, "{about:#}")?))?;
        files.appear()?;
        timings.stage("write");
        let counts = Counts::of(&walked);
        let (nodes, links) = (thousands(walked.network.node_count() as f64), thousands(counts.links as f64));
        let (private, name) = (thousands(counts.destination as f64), folder.display());
        let mut out = io::stdout().lock();
        match lang {
            Lang::En => writeln!(
                out,
                "{name}: {nodes} nodes, {links} walkable directions, {private} of them for the first and last leg only"
            )?,
            Lang::Zh => {
                writeln!(out, "{name}：节点 {nodes} 个，可步行方向 {links} 条，其中仅作首末段通行 {private} 条")?;
            }
        }
        if let Some(path) = &self.streets.timings {
            write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?))?;
        }
        Ok(())
    }

    fn about(&self, walked: &WalkedStreets) -> Value {
        let mut about = geojson::about_walks(&walked.network, &walked.profile, walked.extract_date.as_deref());
        about["parameters"]["by_leg"] = json!(self.by_leg);
        about.insert("specification".to_owned(), json!(format!("GMNS {}", gmns::VERSION)));
        about.insert("nodes".to_owned(), json!(walked.network.node_count()));
        about.insert("closes_streets".to_owned(), json!(walked.weights.floor().is_some()));
        Value::Object(about)
    }
}

/// Directions of edges that may be walked.
#[derive(Default)]
struct Counts {
    links: usize,
    /// Those for the first and last leg only.
    destination: usize,
}

impl Counts {
    fn of(walked: &WalkedStreets) -> Self {
        let mut counts = Self::default();
        for id in (0..walked.network.edges().len() as u32).map(EdgeId) {
            let time = |direction: &Direction| walked.weights.edge(id, *direction);
            let directions = [Direction::Forward, Direction::Backward];
            let walkable = directions.iter().filter(|direction| time(direction) != WalkTime::NEVER).count();
            counts.links += walkable;
            counts.destination += if walked.weights.way(id) == Way::Destination { walkable } else { 0 };
        }
        counts
    }
}
