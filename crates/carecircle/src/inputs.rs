//! What every command about a city takes: the extract or the demo, tables, a policy; and the study made of them.

use crate::lang::Lang;
use crate::timings::Timings;
use crate::{bad_input, bad_input_for, bad_parameter, children, output, placement};
use anyhow::{Context, Result};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions, NetworkReport};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_core::policy::Policy;
use carecircle_core::polygon;
use carecircle_core::population::PopulationCell;
use carecircle_core::profile::Profile;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::weights::Weights;
use carecircle_formats::columns::{self, Declared, Mapping, Reject, Sorted};
use carecircle_formats::crs::Crs;
use carecircle_formats::raster::{self, Layer};
use carecircle_formats::remark;
use carecircle_formats::table::{Remark, Table, TableError, file_and_part, file_name};
use carecircle_formats::{policy as policies, profile as profiles};
use carecircle_osm::{Bounds, Extract, ImportReport, Progress, ReadOptions};
use clap::Args;
use geo::Coord;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The demo town: drawn by the generator in the `tests` package, see `fixtures/demo/README.md`.
const DEMO_PBF: &[u8] = include_bytes!("../../../fixtures/demo/town.osm.pbf");
const DEMO_FACILITIES: &[u8] = include_bytes!("../../../fixtures/demo/facilities.csv");
const DEMO_BLOCKS: &[u8] = include_bytes!("../../../fixtures/demo/blocks.geojson");
const DEMO_AREAS: &[u8] = include_bytes!("../../../fixtures/demo/areas.geojson");

/// The text of a small file: as much as is looked at, and a byte more.
fn read_small(name: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(name)?.take(policies::LONGEST_FILE as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Who walks.
#[derive(Args, Clone, Default)]
pub(crate) struct Walker {
    /// Who walks: `walk`, `toddler`, `stroller`, `plain`, or a .toml file [default: the policy's, walk]
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// Walking speed, km/h [default: the profile's]
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    speed_kmh: Option<f64>,
    /// What a crossing with traffic lights costs, seconds [default: the profile's, 0]
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    signal_delay_s: Option<f64>,
}

impl Walker {
    /// The profile asked for, else `default`, with what the command line changes of it.
    pub(crate) fn profile(&self, default: Profile) -> Result<Profile> {
        let mut profile = match self.profile.as_deref() {
            Some(name) if Path::new(name).extension().is_some_and(|e| e == "toml") => {
                let text = read_small(name).map_err(|e| {
                    bad_input_for(remark!("cannot read the profile {name}", "无法读取步行方式 {name}"), e)
                })?;
                let read = profiles::parse(&text).map_err(|why| bad_input(format!("{name}: {why}")))?;
                if profiles::named(&read.name).is_some_and(|known| known != read) {
                    let taken = read.name;
                    return Err(bad_input(format!(
                        "{name}: the name {taken} is taken by another profile, choose another name"
                    )));
                }
                read
            }
            Some(name) if name != default.name => {
                policies::profile(name).map_err(|why| bad_parameter(format!("{why}, or a .toml file")))?
            }
            _ => default,
        };
        if let Some(kmh) = self.speed_kmh {
            profile.speed = policies::speed(kmh).map_err(bad_parameter)?;
        }
        if let Some(seconds) = self.signal_delay_s {
            profile.signal_s = profiles::signal_delay_s(seconds).map_err(bad_parameter)?;
        }
        Ok(profile)
    }
}

/// How tables are read, and how their points meet the streets.
#[derive(Args, Clone)]
pub(crate) struct Reading {
    /// Coordinate system of the tables: wgs84, gcj02, bd09 or EPSG:…; or by table: facilities=gcj02,areas=EPSG:4547
    /// [default: what the file states, else wgs84]
    #[arg(long, value_name = "C", default_value = "", hide_default_value = true)]
    crs: String,
    /// Which column means what where the header doesn't tell: ours=theirs,…
    #[arg(long, value_name = "OURS=THEIRS,…", default_value = "", hide_default_value = true)]
    columns: String,
    /// Stop at the first table row that can't be used
    #[arg(long)]
    strict: bool,
    /// Points snap to streets within so many metres
    #[arg(long, value_name = "METRES", allow_hyphen_values = true, default_value_t = SNAP_WITHIN_M)]
    pub(crate) snap_m: f64,
}

impl Default for Reading {
    fn default() -> Self {
        Self { crs: String::new(), columns: String::new(), strict: false, snap_m: SNAP_WITHIN_M }
    }
}

impl Reading {
    /// What two parameters say, all else as it is without any.
    pub(crate) fn new(crs: &str, columns: &str) -> Self {
        Self { crs: crs.to_owned(), columns: columns.to_owned(), ..Self::default() }
    }

    /// What is said of one table, by its layer (one of [`output::LAYERS`]); refuses a parameter that can't be meant.
    pub(crate) fn declared(&self, layer: &str) -> Result<Declared> {
        check_metres("--snap-m", self.snap_m, 1.0..=2_000.0)?;
        let mapping = columns::parse_mapping(&self.columns);
        let mapping = mapping.map_err(|why| bad_input(remark!("--columns: {}", "--columns：{}"; why)))?;
        Ok(Declared { mapping, crs: self.crs_of(layer)? })
    }

    /// `C` holds for every table, `facilities=C,areas=C` for those that it names.
    fn crs_of(&self, layer: &str) -> Result<Option<Crs>> {
        let mut found = None;
        for part in self.crs.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (of, name) = part.split_once('=').map_or((None, part), |(of, name)| (Some(of.trim()), name.trim()));
            if let Some(of) = of.filter(|of| !output::LAYERS.contains(of)) {
                let layers = output::LAYERS.join(", ");
                return Err(bad_input(remark!(
                    "--crs {part}: there is no table {of}, but {layers}",
                    "--crs {part}：没有 {of} 这类表；可用 {layers}"
                )));
            }
            let crs = Crs::named(name).map_err(|why| bad_input(remark!("--crs {}", "--crs {}"; why)))?;
            if of.is_none_or(|of| of == layer) {
                found = Some(crs);
            }
        }
        Ok(found)
    }

    /// The system that is declared for a raster by its layer's name: what holds for every table is said of tables.
    fn crs_of_raster(&self, layer: &str) -> Result<Option<Crs>> {
        let named = self.crs.split(',').any(|part| part.split_once('=').is_some_and(|(of, _)| of.trim() == layer));
        Ok(self.crs_of(layer)?.filter(|_| named))
    }

    /// Stops at a table's first reject where the user is strict.
    pub(crate) fn refuse_rejects(&self, table: &Table, rejects: &[Reject]) -> Result<()> {
        match rejects.first().filter(|_| self.strict) {
            Some(first) => Err(bad_input(describe(table, first))),
            None => Ok(()),
        }
    }
}

/// Refuses a mapping of a column that no table has.
pub(crate) fn refuse_unknown_columns(mapping: &Mapping, is_there: impl Fn(&String) -> bool) -> Result<()> {
    match mapping.iter().find(|(_, theirs)| !is_there(theirs)) {
        Some((ours, theirs)) => Err(bad_input(remark!(
            "--columns {ours}={theirs}: no table has a column `{theirs}`",
            "--columns {ours}={theirs}：没有哪张表有 `{theirs}` 列"
        ))),
        None => Ok(()),
    }
}

/// Which facilities count besides what the policy says.
#[derive(Args, Clone, Default)]
struct Counted {
    /// Count only facilities that take a child of so many months
    #[arg(long, value_name = "MONTHS", allow_hyphen_values = true)]
    child_months: Option<u32>,
    /// Count only facilities known to have a free place
    #[arg(long)]
    with_vacancy: bool,
    /// Count only facilities open on this day, as in 2024-06-30
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
}

/// The city, its facilities and which of them count; how tables are read.
#[derive(Args, Clone)]
pub(crate) struct Sources {
    /// An OpenStreetMap extract (.osm.pbf); without it the demo town
    city: Option<PathBuf>,
    /// Facilities from a table (.csv, .xlsx, .geojson, .gpkg, .shp …) instead of the map's
    #[arg(long, value_name = "F")]
    facilities: Option<PathBuf>,
    /// Take what the map has besides what tables give
    #[arg(long)]
    add_osm: bool,
    /// What counts and what is aimed at: `default`, `national`, a city's (`hangzhou-2024`, …), or a .toml file
    #[arg(long, value_name = "P")]
    policy: Option<String>,
    #[command(flatten)]
    counted: Counted,
    #[command(flatten)]
    reading: Reading,
    /// Connected streets shorter than this in all, metres, are an island and set aside
    #[arg(long, value_name = "METRES", allow_hyphen_values = true, default_value_t = NetworkOptions::default().island_m)]
    island_m: f64,
    /// Language of tables and messages [default: the environment's]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            city: None,
            facilities: None,
            add_osm: false,
            policy: None,
            counted: Counted::default(),
            reading: Reading::default(),
            island_m: NetworkOptions::default().island_m,
            lang: None,
        }
    }
}

impl Sources {
    /// The language to speak.
    pub(crate) fn lang(&self) -> Lang {
        self.lang.unwrap_or_else(Lang::of_environment)
    }
}

/// The city, all its tables and the policy.
#[derive(Args, Clone, Default)]
pub(crate) struct Inputs {
    #[command(flatten)]
    sources: Sources,
    /// Blocks from a table (points or polygons) instead of the map's
    #[arg(long, value_name = "F")]
    blocks: Option<PathBuf>,
    /// Areas from a table (polygons, or names and totals) instead of the map's boundaries
    #[arg(long, value_name = "F")]
    areas: Option<PathBuf>,
    /// Children under three from a grid, where neither blocks nor areas tell: a table of points or polygons with under3 or
    /// population, or GeoTIFFs of children (.tif), summed up, with a band or weight where not all of it counts:
    /// f_0.tif,m_0.tif,f_1.tif=0.5,m_1.tif@1=0.5
    #[arg(long, value_name = "F[@BAND][=WEIGHT],…", default_value = "", hide_default_value = true)]
    population: String,
    /// The limit, minutes of walking [default: the policy's, 15]
    #[arg(long, allow_hyphen_values = true)]
    minutes: Option<f64>,
    #[command(flatten)]
    walker: Walker,
    /// Find out which single gate or private way, open to the public, would cover most of each gap
    #[arg(long)]
    what_if_gates: bool,
    /// Whether a table of facilities must have some: where there are none every block is a gap, but nothing is drawn.
    #[arg(skip)]
    needs_facilities: bool,
    /// Write seconds per stage and peak memory to a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) timings: Option<PathBuf>,
}

/// The streets of a city and who walks them, for what asks nothing of homes and facilities.
#[derive(Args)]
pub(crate) struct StreetsOnly {
    /// An OpenStreetMap extract (.osm.pbf); without it the demo town
    pub(crate) city: Option<PathBuf>,
    #[command(flatten)]
    walker: Walker,
    /// Connected streets shorter than this in all, metres, are an island and set aside
    #[arg(long, value_name = "METRES", allow_hyphen_values = true, default_value_t = NetworkOptions::default().island_m)]
    island_m: f64,
    /// Language of tables and messages [default: the environment's]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Write seconds per stage and peak memory to a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) timings: Option<PathBuf>,
}

/// Streets read, and what a profile makes of them.
pub(crate) struct WalkedStreets {
    pub(crate) network: Network,
    pub(crate) profile: Profile,
    pub(crate) weights: Weights,
    /// What to call the city: the file's name, or the demo town's.
    pub(crate) title: String,
    /// The extract's date, where it tells (RFC 3339, UTC).
    pub(crate) extract_date: Option<String>,
}

impl StreetsOnly {
    /// The files that are read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.city.iter().cloned().chain(named_file(self.walker.profile.as_ref())).collect()
    }

    /// The language to speak.
    pub(crate) fn lang(&self) -> Lang {
        self.lang.unwrap_or_else(Lang::of_environment)
    }

    /// Reads the streets and weighs them.
    pub(crate) fn load(&self, timings: &mut Timings) -> Result<WalkedStreets> {
        let profile = self.walker.profile(Profile::walk())?;
        check_island_m(self.island_m)?;
        let inputs = Inputs::of(Sources { city: self.city.clone(), ..Sources::default() }, self.walker.clone());
        let Extract { streets, header, .. } = inputs.extract()?;
        timings.stage("read");
        let (network, _) = Network::build(&streets, NetworkOptions { island_m: self.island_m });
        drop(streets);
        let weights = network.weigh(&profile);
        timings.stage("network");
        Ok(WalkedStreets { network, profile, weights, title: inputs.title(), extract_date: header.date.map(rfc3339) })
    }
}

/// Refuses an output that would take the place of an input, itself or what is written beside it, or that has no folder to
/// be in.
pub(crate) fn refuse_to_overwrite(option: &str, out: &Path, inputs: &[PathBuf]) -> Result<()> {
    let inputs: Vec<PathBuf> = inputs.iter().map(|input| place_of(input)).collect();
    for written in std::iter::once(out.to_owned()).chain(output::companions(out)) {
        if inputs.contains(&place_of(&written)) {
            let (out, written) = (out.display(), written.display());
            return Err(bad_input(remark!(
                "{option} {out}: {written} is one of the inputs",
                "{option} {out}：{written} 是输入文件之一"
            )));
        }
    }
    let folder = out.parent().filter(|f| !f.as_os_str().is_empty());
    match folder.filter(|f| !f.is_dir()) {
        Some(folder) => {
            let (out, folder) = (out.display(), folder.display());
            Err(bad_input(remark!(
                "{option} {out}: there is no folder {folder}",
                "{option} {out}：没有文件夹 {folder}"
            )))
        }
        None => Ok(()),
    }
}

/// Refuses timings that would take the place of an input or of another output.
pub(crate) fn refuse_timings(path: Option<&PathBuf>, inputs: &[PathBuf], outputs: &[PathBuf]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut written = outputs.iter().flat_map(|out| std::iter::once(out.clone()).chain(output::companions(out)));
    if let Some(out) = written.find(|out| place_of(out) == place_of(path)) {
        let (path, out) = (path.display(), out.display());
        return Err(bad_input(remark!(
            "--timings {path}: {out} is another output",
            "--timings {path}：{out} 是另一个输出文件"
        )));
    }
    refuse_to_overwrite("--timings", path, inputs)
}

/// Where a file is, or will be.
fn place_of(path: &Path) -> PathBuf {
    let (path, _) = file_and_part(path);
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}

/// A file that a parameter names, where it is one.
fn named_file(parameter: Option<&String>) -> Option<PathBuf> {
    parameter.map(PathBuf::from).filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
}

fn check_island_m(metres: f64) -> Result<()> {
    check_metres("--island-m", metres, 0.0..=1_000_000.0)
}

fn check_metres(name: &str, value: f64, range: RangeInclusive<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(bad_input(remark!(
        "{name} {value}: a number of metres from {low} to {high} is wanted",
        "{name} {value}：应为 {low} 至 {high} 的米数"
    )))
}

/// Rows of one table that couldn't be used.
pub(crate) struct Rejected {
    /// Which table: one of [`output::LAYERS`].
    pub(crate) layer: &'static str,
    /// The table, for its columns and name.
    pub(crate) table: Table,
    /// The rows.
    pub(crate) rejects: Vec<Reject>,
}

/// A city read and put together.
pub(crate) struct City {
    pub(crate) study: Study,
    /// What to call it: the file's name, or the demo town's.
    pub(crate) title: String,
    /// The extract's date, where it tells (RFC 3339, UTC).
    pub(crate) extract_date: Option<String>,
    /// The box that the extract was cut to, where it tells.
    pub(crate) bounds: Option<Bounds>,
    pub(crate) import: ImportReport,
    /// Whether the map's own facilities are among the study's; a table may have replaced them.
    pub(crate) map_facilities: bool,
    /// Whether the map's own boundaries are among the areas.
    pub(crate) map_areas: bool,
    pub(crate) network: NetworkReport,
    pub(crate) rejected: Vec<Rejected>,
    /// What else a reader of the tables should know.
    pub(crate) remarks: Vec<Remark>,
}

/// What comes of reading tables, besides what they hold.
#[derive(Default)]
struct Findings {
    rejected: Vec<Rejected>,
    remarks: Vec<Remark>,
    /// All headers seen, for mappings that fit none.
    headers: BTreeSet<String>,
}

/// A table, from a file or from the demo's own.
struct Source<'a> {
    path: &'a Path,
    embedded: Option<&'a [u8]>,
}

impl Source<'_> {
    fn table(&self) -> Result<Table, TableError> {
        match self.embedded {
            Some(bytes) if self.path.extension().is_some_and(|e| e == "csv") => Table::from_csv(self.path, bytes),
            Some(bytes) => Table::from_geojson(self.path, bytes),
            None => Table::read(self.path),
        }
    }
}

impl Inputs {
    /// A city with its facilities, at least one where they come from a table, and who walks there; neither blocks nor areas
    /// but the map's.
    pub(crate) fn of(sources: Sources, walker: Walker) -> Self {
        Self { sources, walker, needs_facilities: true, ..Self::default() }
    }

    /// The language to speak.
    pub(crate) fn lang(&self) -> Lang {
        self.sources.lang()
    }

    /// The policy asked for, with what the command line changes of it.
    pub(crate) fn policy(&self) -> Result<Policy> {
        let name = self.sources.policy.as_deref().unwrap_or("default");
        let mut policy = match policies::named(name) {
            Some(policy) => policy,
            None if Path::new(name).extension().is_some_and(|e| e == "toml") => {
                let text = read_small(name).map_err(|e| {
                    bad_input_for(remark!("cannot read the policy {name}", "无法读取政策文件 {name}"), e)
                })?;
                policies::parse(&text).map_err(|why| bad_input(format!("{name}: {why}")))?
            }
            None => {
                let names = policies::NAMES.join(", ");
                return Err(bad_input(remark!(
                    "--policy {name}: there is {names}, or a .toml file",
                    "--policy {name}：可用 {names}，或 .toml 文件"
                )));
            }
        };
        policy.profile = self.walker.profile(policy.profile)?;
        policy.what_if_gates = self.what_if_gates;
        let (counted, counts) = (&self.sources.counted, &mut policy.eligibility);
        if let Some(months) = counted.child_months {
            counts.child_months = Some(policies::child_months(months).map_err(bad_parameter)?);
        }
        counts.with_vacancy |= counted.with_vacancy;
        if let Some(text) = &counted.on {
            counts.on = Some(policies::day(text).map_err(bad_parameter)?);
        }
        if let Some(minutes) = self.minutes {
            policy.minutes = policies::minutes(minutes).map_err(bad_parameter)?;
        }
        Ok(policy)
    }

    /// Refuses an output that would take the place of an input, or that has no folder to be in.
    pub(crate) fn refuse_to_overwrite(&self, option: &str, out: &Path) -> Result<()> {
        refuse_to_overwrite(option, out, &self.files())
    }

    /// Refuses timings that would take the place of an input or of what is written to `out`.
    pub(crate) fn refuse_timings(&self, out: Option<&PathBuf>) -> Result<()> {
        refuse_timings(self.timings.as_ref(), &self.files(), out.map_or(&[], std::slice::from_ref))
    }

    /// The files that are read.
    fn files(&self) -> Vec<PathBuf> {
        let tables = [&self.sources.city, &self.sources.facilities, &self.blocks, &self.areas].into_iter().flatten();
        let grid = self.grid().unwrap_or_default().into_iter().map(|layer| layer.path);
        let named = [self.sources.policy.as_ref(), self.walker.profile.as_ref()].map(named_file);
        tables.cloned().chain(grid).chain(named.into_iter().flatten()).collect()
    }

    /// Reads everything and puts the study together.
    pub(crate) fn load(&self, timings: &mut Timings) -> Result<City> {
        check_island_m(self.sources.island_m)?;
        let reading = &self.sources.reading;
        let mapping = reading.declared("facilities")?.mapping;
        let extract = self.extract()?;
        timings.stage("read");
        let Extract { streets, mut places, report: import, header } = extract;
        let (network, network_report) = Network::build(&streets, NetworkOptions { island_m: self.sources.island_m });
        drop(streets);
        timings.stage("network");

        let demo = self.sources.city.is_none();
        let source = |given: &'_ Option<PathBuf>, name: &'static str, bytes: &'static [u8]| match given {
            Some(path) => Some((path.clone(), None)),
            None if demo => Some((PathBuf::from(name), Some(bytes))),
            None => None,
        };
        // What is said of tables is said of the user's own.
        let declared = |embedded: Option<&[u8]>, layer| match embedded {
            Some(_) => Ok(Declared::default()),
            None => reading.declared(layer),
        };
        let snap_m = reading.snap_m;
        let mut findings = Findings::default();
        if let Some((path, embedded)) = source(&self.sources.facilities, "facilities.csv", DEMO_FACILITIES) {
            let table = Source { path: &path, embedded }.table()?;
            if self.needs_facilities {
                table.require_rows("facility")?;
            }
            let declared = declared(embedded, "facilities")?;
            let mut sorted = columns::facilities(&table, &declared)?;
            let crs = table.crs_or_stated(declared.crs.as_ref())?;
            let at: Vec<LonLat> = sorted.used.iter().map(|f| f.at).collect();
            let mapped: Vec<LonLat> = places.facilities.iter().map(|f| f.at).collect();
            let of = ("facilities", &*table.name());
            findings.remarks.extend(placement::doubt(&network, &mapped, of, &crs, &at));
            sorted.refuse(&table, &declared, |f| placement::is_in_city(&network, places.extent, snap_m, (f.at, f.at)));
            let used: Vec<Facility> = self.keep("facilities", table, sorted, &mut findings)?;
            let ids: BTreeSet<String> = used.iter().map(|f| f.id.clone()).collect();
            // Of a table's and the map's facility with one id, the table's stands.
            places.facilities.retain(|f| self.sources.add_osm && !ids.contains(&f.id));
            places.facilities.extend(used);
        }
        if let Some((path, embedded)) = source(&self.areas, "areas.geojson", DEMO_AREAS) {
            let table = Source { path: &path, embedded }.table()?;
            let sorted = columns::areas(&table, &declared(embedded, "areas")?)?;
            let mut used: Vec<Area> = self.keep("areas", table, sorted, &mut findings)?;
            for area in used.iter_mut().filter(|a| a.shape.0.is_empty()) {
                // A table of names and totals takes its outlines from the map, by id.
                if let Some(mapped) = places.areas.iter().find(|m| m.id == area.id) {
                    area.shape.clone_from(&mapped.shape);
                }
            }
            let ids: BTreeSet<String> = used.iter().map(|a| a.id.clone()).collect();
            places.areas.retain(|a| self.sources.add_osm && !ids.contains(&a.id));
            places.areas.extend(used);
            findings.remarks.extend(remarks_on_parents(&path, &places.areas));
        }
        let mut rows: Option<Vec<BlockRow>> = None;
        if let Some((path, embedded)) = source(&self.blocks, "blocks.geojson", DEMO_BLOCKS) {
            let table = Source { path: &path, embedded }.table()?;
            let declared = declared(embedded, "blocks")?;
            let mut sorted = columns::blocks(&table, &declared)?;
            sorted.refuse(&table, &declared, |block| match &block.place {
                BlockPlace::Point(at) => placement::is_in_city(&network, places.extent, snap_m, (*at, *at)),
                BlockPlace::Shape(shape) => {
                    let corner = |c: Coord<f64>| LonLat::from_degrees(c.x, c.y);
                    let around = polygon::bounds(shape).and_then(|b| corner(b.min()).zip(corner(b.max())));
                    around.map_or(Ok(()), |around| placement::is_in_city(&network, places.extent, snap_m, around))
                }
            });
            let used: Vec<BlockRow> = self.keep("blocks", table, sorted, &mut findings)?;
            let grid_tells = !self.population.is_empty();
            findings.remarks.extend(remarks_on_blocks(&path, &used, &places.areas, grid_tells));
            rows = Some(used);
        }
        places.population = self.population_cells(places.extent, &mut findings)?;
        refuse_unknown_columns(&mapping, |header| findings.headers.contains(header))?;
        timings.stage("tables");
        let study = Study::new(network, places, rows, self.sources.reading.snap_m);
        timings.stage("study");
        findings.remarks.extend(children::remarks(&study));
        Ok(City {
            study,
            title: self.title(),
            extract_date: header.date.map(rfc3339),
            bounds: header.bounds,
            import,
            map_facilities: self.sources.add_osm || !(demo || self.sources.facilities.is_some()),
            map_areas: self.sources.add_osm || !(demo || self.areas.is_some()),
            network: network_report,
            rejected: findings.rejected,
            remarks: findings.remarks,
        })
    }

    /// The files of the population grid.
    fn grid(&self) -> Result<Vec<Layer>> {
        let parts = self.population.split(',').filter(|part| !part.trim().is_empty());
        parts.map(|part| Layer::parse(part).map_err(|why| bad_input(format!("--population {part}: {why}")))).collect()
    }

    /// The cells of the population grid, where one is given.
    fn population_cells(
        &self,
        extent: Option<(LonLat, LonLat)>,
        findings: &mut Findings,
    ) -> Result<Option<Vec<PopulationCell>>> {
        let (layers, reading) = (self.grid()?, &self.sources.reading);
        let Some(extent) = extent.filter(|_| layers.iter().all(Layer::is_raster)) else {
            return match &layers[..] {
                [] => Ok(None),
                [Layer { path, band: None, weight }] => {
                    let table = Table::read(path)?;
                    let sorted = columns::population(&table, &reading.declared("population")?)?;
                    let mut cells = self.keep("population", table, sorted, findings)?;
                    for cell in &mut cells {
                        cell.children *= weight;
                    }
                    Ok(Some(cells))
                }
                _ => Err(bad_input(remark!(
                    "--population: one table, or one GeoTIFF (.tif) or more, is wanted",
                    "--population：应为一张表，或一个或多个 GeoTIFF（.tif）"
                ))),
            };
        };
        if layers.is_empty() {
            return Ok(None);
        }
        let pixels = raster::read(&layers, reading.crs_of_raster("population")?.as_ref(), extent)?;
        if pixels.odd > 0 {
            let n = pixels.odd;
            findings.remarks.push(Remark {
                en: format!("population grid: pixels whose value is no number of people, taken as unknown: {n}"),
                zh: format!("人口格网：{n} 个像元的值不是人数，按未知处理"),
            });
        }
        Ok(Some(pixels.cells))
    }

    /// Sets a table's rejects aside, or stops at them where the user is strict.
    fn keep<T>(&self, layer: &'static str, table: Table, sorted: Sorted<T>, findings: &mut Findings) -> Result<Vec<T>> {
        findings.headers.extend(table.columns.iter().cloned());
        self.sources.reading.refuse_rejects(&table, &sorted.rejects)?;
        findings.remarks.extend(sorted.remarks);
        if table.rows().len() == 0 {
            let name = table.name();
            let ending = table.path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
            let (mut en, mut zh) = (String::new(), String::new());
            if ["xlsx", "xls", "ods"].contains(&ending.as_str()) {
                en = format!("; another sheet is read as {name}#SHEET");
                zh = format!("；其他工作表写作 {name}#工作表名");
            }
            findings.remarks.push(Remark {
                en: format!("warning: {name}: the table has no row{en}"),
                zh: format!("注意：{name}：表中没有数据行{zh}"),
            });
        }
        if let Some(first) = sorted.doubts.first() {
            let (name, n, first) = (table.name(), sorted.doubts.len(), describe(&table, first));
            findings.remarks.push(remark!(
                "{name}: cells in doubt: {n}, the first: {}",
                "{name}：{n} 个单元格存疑，首个：{}";
                first
            ));
        }
        if !sorted.rejects.is_empty() {
            findings.rejected.push(Rejected { layer, table, rejects: sorted.rejects });
        }
        Ok(sorted.used)
    }

    fn extract(&self) -> Result<Extract> {
        let Some(path) = &self.sources.city else {
            let bytes = std::io::Cursor::new(DEMO_PBF);
            return carecircle_osm::read_from(bytes, &ReadOptions::default()).context("the demo town");
        };
        if path.extension().is_some_and(|e| e == "toml" || e == "carecircle") {
            let name = path.display();
            return Err(bad_input(remark!(
                "{name}: an OpenStreetMap extract (.osm.pbf) is wanted",
                "{name}：应为 OpenStreetMap 提取文件（.osm.pbf）"
            )));
        }
        let bar = progress_bar(path);
        let report = |p: Progress| {
            bar.set_length(p.bytes_total);
            bar.set_position(p.bytes_done);
        };
        let extract = carecircle_osm::read(path, &ReadOptions { progress: Some(&report) });
        bar.finish_and_clear();
        let path = path.display();
        extract.map_err(|e| bad_input_for(remark!("cannot read {path}", "无法读取 {path}"), e))
    }

    fn title(&self) -> String {
        match &self.sources.city {
            None => "He'an demo town 和安区（演示）".to_owned(),
            Some(path) => file_name(path),
        }
    }

    /// A fingerprint of all inputs, of the policy they are judged by, and of this version.
    pub(crate) fn revision(&self, policy: &Policy) -> Result<String> {
        let mut hash = Fnv::new();
        hash.add(env!("CARGO_PKG_VERSION").as_bytes());
        match &self.sources.city {
            None => hash.add(DEMO_PBF),
            Some(path) => hash.add_file(path)?,
        }
        let grid = self.grid()?;
        let tables = [&self.sources.facilities, &self.blocks, &self.areas].into_iter().flatten();
        for path in tables.chain(grid.iter().map(|layer| &layer.path)) {
            hash.add_file(&file_and_part(path).0)?;
            hash.add(path.to_string_lossy().as_bytes());
        }
        let Sources { reading, island_m, add_osm, .. } = &self.sources;
        let options =
            (&reading.columns, &reading.crs, reading.snap_m, island_m, add_osm, &self.population, self.title());
        hash.add(format!("{options:?} {policy:?}").as_bytes());
        Ok(format!("{:016x}", hash.0))
    }
}

/// FNV-1a, 64 bits: a fingerprint that is the same on every machine.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn stir(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// One input; its length goes in too, so that moving a byte from one input to the next changes the sum.
    fn add(&mut self, bytes: &[u8]) {
        self.stir(bytes);
        self.stir(&bytes.len().to_le_bytes());
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        use std::io::Read;
        let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut buffer = vec![0; 1 << 16];
        let mut length = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    self.stir(&buffer[..n]);
                    length += n;
                }
            }
        }
        self.stir(&length.to_le_bytes());
        Ok(())
    }
}

/// Parents that areas name in vain: nobody of that id, or none of a larger level.
fn remarks_on_parents(path: &Path, areas: &[Area]) -> Option<Remark> {
    let levels: BTreeMap<&str, AreaLevel> = areas.iter().map(|a| (a.id.as_str(), a.level)).collect();
    let named = areas.iter().filter_map(|area| area.parent.as_deref().map(|parent| (area, parent)));
    let in_vain = named.filter(|(area, parent)| levels.get(parent).is_none_or(|&level| level >= area.level));
    let in_vain: Vec<(&Area, &str)> = in_vain.collect();
    let (first, parent) = in_vain.first()?;
    let (name, n, first) = (file_name(path), in_vain.len(), &first.id);
    Some(Remark {
        en: format!(
            "{name}: areas whose parent is not there or of no larger level: {n}, the first {first} in {parent}; they nest by \
             their outlines"
        ),
        zh: format!("{name}：{n} 个区域的上级不存在或级别不更高，首个为 {first}（上级 {parent}）；按边界归属"),
    })
}

/// What a block table leaves out, or names that nobody knows.
fn remarks_on_blocks(path: &Path, rows: &[BlockRow], areas: &[Area], grid_tells: bool) -> Vec<Remark> {
    let name = file_name(path);
    let mut out = Vec::new();
    if !grid_tells && !rows.is_empty() && rows.iter().all(|r| r.population.is_none() && r.under3.is_none()) {
        out.push(Remark {
            en: format!("{name}: no column population or under3, so its children are not known"),
            zh: format!("{name}：没有常住人口或3岁以下列，儿童数未知"),
        });
    }
    let unknown =
        rows.iter().filter(|r| matches!(r.place, BlockPlace::Point(_)) && r.population.is_none() && r.under3.is_none());
    let (unknown, all) = (unknown.count(), rows.len());
    if !grid_tells && 0 < unknown && unknown < all {
        out.push(Remark {
            en: format!(
                "{name}: points that tell neither population nor under3, counted as without children: {unknown}"
            ),
            zh: format!("{name}：{unknown} 个点既无常住人口也无3岁以下人数，按无儿童计"),
        });
    }
    let called = |a: &Area| [Some(a.id.clone()), a.name.clone(), a.name_zh.clone(), a.name_en.clone()];
    let known: BTreeSet<String> = areas.iter().flat_map(called).flatten().collect();
    let strays: Vec<&str> =
        rows.iter().filter_map(|r| r.area.as_deref()).filter(|area| !known.contains(*area)).collect();
    if let Some(first) = strays.first() {
        let n = strays.len();
        out.push(Remark {
            en: format!("{name}: blocks that name an area that is not there: {n}, the first names {first}"),
            zh: format!("{name}：{n} 个地块所属区域不存在，首个为 {first}"),
        });
    }
    out
}

/// `FILE row N, column C: why`.
pub(crate) fn describe(table: &Table, Reject { row, column, why, .. }: &Reject) -> Remark {
    let file = table.name();
    remark!("{file} row {row}, column {column}: {}", "{file} 第 {row} 行“{column}”列：{}"; why)
}

/// Tells of rejected rows on standard error: the first few whole, the rest as a number.
pub(crate) fn tell_rejects(rejected: &[Rejected], lang: Lang) {
    for Rejected { table, rejects, .. } in rejected {
        for reject in rejects.iter().take(10) {
            output::complain(lang.tell(&describe(table, reject)));
        }
        if rejects.len() > 10 {
            let more = rejects.len() - 10;
            output::complain(&match lang {
                Lang::En => format!("{}: {more} more rows can't be used", table.name()),
                Lang::Zh => format!("{}：另有 {more} 行无法使用", table.name()),
            });
        }
    }
}

/// Rejected rows go beside OUT: one table's to `OUT.rejects.csv`, several tables' to one file each. Those of an earlier
/// run are gone with what they said.
pub(crate) fn write_rejects(out: &Path, rejected: &[Rejected], lang: Lang) -> Result<()> {
    for old in output::rejects_of(out) {
        match std::fs::remove_file(old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).context("cannot remove old rejects"),
            _ => {}
        }
    }
    for Rejected { layer, table, rejects } in rejected {
        let layer_part = if rejected.len() == 1 { String::new() } else { format!(".{layer}") };
        let path = output::beside(out, &format!("{layer_part}.rejects.csv"));
        output::write_whole(&path, |file| Ok(columns::write_rejects(file, table, rejects, |why| lang.tell(why))?))?;
        let (n, path) = (rejects.len(), path.display());
        output::complain(&match lang {
            Lang::En => format!("{n} {layer}: {path}"),
            Lang::Zh => format!("{n} 行未采用（{layer}）：{path}"),
        });
    }
    Ok(())
}

/// A bar on standard error, when that is a terminal.
fn progress_bar(path: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(file_name(path))
}

/// A moment in seconds since 1970 as RFC 3339 in UTC, by the civil-from-days algorithm (H. Hinnant, 2013).
fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }
}
