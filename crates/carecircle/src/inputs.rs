//! What the command line says of a city: the extract or the demo, tables and how they are read, a policy, who walks.

mod city;
mod joined;
mod remarks;

pub(crate) use city::{City, Rejected, describe, is_prepared, tell_rejects, write_rejects};

use crate::lang::Lang;
use crate::timings::Timings;
use crate::{bad_input, bad_input_for, bad_parameter, output};
use anyhow::{Context, Result};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::study::SNAP_WITHIN_M;
use carecircle_core::weights::Weights;
use carecircle_formats::columns::{self, Declared, Mapping, Reject};
use carecircle_formats::crs::Crs;
use carecircle_formats::raster::Layer;
use carecircle_formats::remark;
use carecircle_formats::table::{Remark, Table, file_and_part};
use carecircle_formats::{policy as policies, profile as profiles};
use carecircle_osm::prepared::Source;
use city::{Map, rfc3339};
use clap::Args;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

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

    /// `C` holds for every table that no other part names, `facilities=C,areas=C` for those.
    fn crs_of(&self, layer: &str) -> Result<Option<Crs>> {
        let mut said: Vec<(Option<&str>, &str, Crs)> = Vec::new();
        for part in self.crs.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (of, name) = part.split_once('=').map_or((None, part), |(of, name)| (Some(of.trim()), name.trim()));
            if let Some(of) = of.filter(|of| !output::LAYERS.contains(of)) {
                let layers = output::LAYERS.join(", ");
                return Err(bad_input(remark!(
                    "--crs {part}: there is no table {of}, but {layers}",
                    "--crs {part}：没有 {of} 这类表；可用 {layers}"
                )));
            }
            if let Some((_, other, _)) = said.iter().find(|(named, ..)| *named == of) {
                let crs = &self.crs;
                let (en, zh) = (of.unwrap_or("every table"), of.unwrap_or("所有表"));
                return Err(bad_input(Remark {
                    en: format!("--crs {crs}: {other} and {part} are both said of {en}"),
                    zh: format!("--crs {crs}：{other} 与 {part} 都用于 {zh}"),
                }));
            }
            said.push((of, part, Crs::named(name).map_err(|why| bad_input(remark!("--crs {}", "--crs {}"; why)))?));
        }
        let of_all = said.iter().find(|(of, ..)| of.is_none());
        let own = said.iter().find(|(of, ..)| *of == Some(layer));
        Ok(own.or(of_all).map(|(.., crs)| crs.clone()))
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
    child_months: Option<String>,
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
    /// An OpenStreetMap extract (.osm.pbf), or what import made of one (.carecircle); without it the demo town
    city: Option<PathBuf>,
    /// Facilities from a table (.csv, .xlsx, .geojson, .gpkg, .shp …) instead of the map's
    #[arg(long, value_name = "F")]
    facilities: Option<PathBuf>,
    /// Take what the map has besides what tables give
    #[arg(long)]
    add_osm: bool,
    /// What if: facilities opened, closed and changed in thought, as JSON: {"open": [{"id", "lon", "lat", …}], "close": [id, …],
    /// "change": [{"id", …}]}
    #[arg(long, value_name = "S.json")]
    scenario: Option<PathBuf>,
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
            scenario: None,
            policy: None,
            counted: Counted::default(),
            reading: Reading::default(),
            island_m: NetworkOptions::default().island_m,
            lang: None,
        }
    }
}

impl Sources {
    /// Whether the facilities are others than the map's.
    fn edits_facilities(&self) -> bool {
        self.facilities.is_some() || self.scenario.is_some()
    }

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
    /// Whether the city is to be written as a prepared file, for which what tables would replace is kept.
    #[arg(skip)]
    pub(crate) prepares: bool,
    /// A table of places where facilities could stand.
    #[arg(skip)]
    pub(crate) candidates: Option<PathBuf>,
    /// Write seconds per stage and peak memory to a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) timings: Option<PathBuf>,
}

/// The streets of a city and who walks them, for what asks nothing of homes and facilities.
#[derive(Args)]
pub(crate) struct StreetsOnly {
    /// An OpenStreetMap extract (.osm.pbf), or what import made of one (.carecircle); without it the demo town
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
        let sources = Sources { city: self.city.clone(), island_m: self.island_m, ..Sources::default() };
        let Map { network, title, header, .. } = Inputs::of(sources, self.walker.clone()).map(timings)?;
        let weights = network.weigh(&profile);
        timings.stage("weights");
        Ok(WalkedStreets { network, profile, weights, title, extract_date: header.date.and_then(rfc3339) })
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
        if let Some(text) = &counted.child_months {
            // What is no whole number is out of the range as well.
            let months = text.parse().map_err(|_| policies::no_child_months(text));
            counts.child_months = Some(months.and_then(policies::child_months).map_err(bad_parameter)?);
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
    pub(crate) fn refuse_timings(&self, outputs: &[PathBuf]) -> Result<()> {
        refuse_timings(self.timings.as_ref(), &self.files(), outputs)
    }

    /// Whether anything is laid on the map.
    pub(crate) fn has_tables(&self) -> bool {
        let Self { sources, blocks, areas, population, .. } = self;
        sources.edits_facilities() || blocks.is_some() || areas.is_some() || !population.is_empty()
    }

    /// The extract or prepared city; none for the demo town.
    pub(crate) fn city(&self) -> Option<&Path> {
        self.sources.city.as_deref()
    }

    /// The files that are read.
    fn files(&self) -> Vec<PathBuf> {
        let Sources { city, facilities, scenario, .. } = &self.sources;
        let tables = [city, facilities, scenario, &self.blocks, &self.areas, &self.candidates].into_iter().flatten();
        let grid = self.grid().unwrap_or_default().into_iter().map(|layer| layer.path);
        let named = [self.sources.policy.as_ref(), self.walker.profile.as_ref()].map(named_file);
        tables.cloned().chain(grid).chain(named.into_iter().flatten()).collect()
    }

    /// The files of the population grid.
    fn grid(&self) -> Result<Vec<Layer>> {
        let parts = self.population.split(',').filter(|part| !part.trim().is_empty());
        parts.map(|part| Layer::parse(part).map_err(|why| bad_input(format!("--population {part}: {why}")))).collect()
    }

    /// A fingerprint of all inputs, of the policy they are judged by, and of this version.
    pub(crate) fn revision(&self, policy: &Policy) -> Result<String> {
        let mut hash = Fnv::new();
        hash.add(env!("CARGO_PKG_VERSION").as_bytes());
        let Source { name: title, fingerprint } = self.origin()?;
        hash.add(&fingerprint.to_le_bytes());
        let grid = self.grid()?;
        let Sources { facilities, scenario, .. } = &self.sources;
        let tables = [facilities, scenario, &self.blocks, &self.areas].into_iter().flatten();
        for path in tables.chain(grid.iter().map(|layer| &layer.path)) {
            hash.add_file(&file_and_part(path).0)?;
            hash.add(path.to_string_lossy().as_bytes());
        }
        let Sources { reading, island_m, add_osm, .. } = &self.sources;
        let options = (&reading.columns, &reading.crs, reading.snap_m, island_m, add_osm, &self.population, title);
        hash.add(format!("{options:?} {policy:?}").as_bytes());
        Ok(format!("{:016x}", hash.0))
    }
}

/// What there is to say of inputs that are not of one moment.
pub(crate) fn changed() -> Remark {
    remark!(
        "the inputs changed while they were read: try again when they are complete",
        "读取时输入文件发生了变化：请待其完整后重试"
    )
}

/// A fingerprint of a file's bytes.
fn fingerprint(path: &Path) -> Result<u64> {
    let mut hash = Fnv::new();
    hash.add_file(path)?;
    Ok(hash.0)
}

/// FNV-1a, 64 bits: a fingerprint that is the same on every machine.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn of(bytes: &[u8]) -> u64 {
        let mut hash = Self::new();
        hash.add(bytes);
        hash.0
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
