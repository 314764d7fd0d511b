//! A city put together: the extract and the tables read, what they say against each other told, and the study made of them.

use super::joined::{self, Joined};
use super::{Fnv, Inputs, check_island_m, fingerprint, refuse_unknown_columns, remarks};
use crate::lang::Lang;
use crate::timings::Timings;
use crate::{bad_input, bad_input_for, children, output, placement};
use anyhow::{Context, Result};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions, NetworkReport};
use carecircle_core::place::{Area, Places};
use carecircle_core::polygon;
use carecircle_core::population::PopulationCell;
use carecircle_core::study::Study;
use carecircle_formats::columns::{self, Candidate, Declared, Reject, Sorted};
use carecircle_formats::extent::check_inside;
use carecircle_formats::raster::{self, Layer};
use carecircle_formats::remark;
use carecircle_formats::scenario::Scenario;
use carecircle_formats::table::{Remark, Table, TableError, file_name};
use carecircle_osm::prepared::{About, Prepared, Source as Origin};
use carecircle_osm::{Bounds, Extract, ExtractHeader, ImportReport, Progress, ReadOptions};
use geo::Coord;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The demo town: drawn by the generator in the `tests` package, see `fixtures/demo/README.md`.
pub(super) const DEMO_PBF: &[u8] = include_bytes!("../../../../fixtures/demo/town.osm.pbf");
const DEMO_FACILITIES: &[u8] = include_bytes!("../../../../fixtures/demo/facilities.csv");
const DEMO_BLOCKS: &[u8] = include_bytes!("../../../../fixtures/demo/blocks.geojson");
const DEMO_AREAS: &[u8] = include_bytes!("../../../../fixtures/demo/areas.geojson");

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
    /// Facilities of a table and of the map that are perhaps one, which the remarks tell.
    pub(crate) perhaps_same: BTreeSet<[String; 2]>,
    /// Whether the map's own boundaries are among the areas.
    pub(crate) map_areas: bool,
    pub(crate) network: NetworkReport,
    pub(crate) rejected: Vec<Rejected>,
    /// Where facilities could stand, where a table tells.
    pub(crate) candidates: Vec<Candidate>,
    /// What its facilities are those after, where a scenario is given.
    pub(crate) scenario: Option<Scenario>,
    /// What else a reader of the tables should know.
    pub(crate) remarks: Vec<Remark>,
    /// The map's places and what its header says, where the city is to be prepared.
    pub(crate) made_of: Option<Box<(Places, ExtractHeader)>>,
}

/// The map that tables are laid on.
pub(super) struct Map {
    pub(super) network: Network,
    report: NetworkReport,
    pub(super) title: String,
    pub(super) header: ExtractHeader,
    rest: Rest,
}

/// What a map holds besides streets.
enum Rest {
    Read(Box<(Places, ImportReport)>),
    Prepared(Prepared),
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
    /// Reads everything and puts the study together.
    pub(crate) fn load(&self, timings: &mut Timings) -> Result<City> {
        check_island_m(self.sources.island_m)?;
        let reading = &self.sources.reading;
        let mapping = reading.declared("facilities")?.mapping;
        let Map { network, report: network_report, title, header, rest } = self.map(timings)?;
        let (mut places, import, prepared) = match rest {
            Rest::Read(read) => (read.0, read.1, None),
            Rest::Prepared(prepared) => {
                let other_homes = self.blocks.is_some() || self.areas.is_some() || !self.population.is_empty();
                let are_known = !other_homes && prepared.about().snap_m.total_cmp(&reading.snap_m).is_eq();
                // A study that no table changes holds what there is of them.
                let places = if are_known && !self.sources.edits_facilities() {
                    Ok(Places::default())
                } else {
                    prepared.places(!are_known)
                };
                let report = prepared.report().map_err(|why| self.cannot_read(why))?;
                (places.map_err(|why| self.cannot_read(why))?, report, Some(prepared).filter(|_| are_known))
            }
        };

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
        let mut perhaps_same = BTreeSet::new();
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
            sorted.refuse(&table, &declared, |f| check_inside(&network, places.extent, snap_m, (f.at, f.at)));
            let mut used: Vec<Facility> = self.keep("facilities", table, sorted, &mut findings)?;
            let mapped = std::mem::take(&mut places.facilities);
            if self.sources.add_osm {
                let joined = joined::join(&mut used, mapped, &mut places.grounds);
                findings.remarks.extend(joined.remarks());
                let Joined { others, perhaps, .. } = joined;
                (places.facilities, perhaps_same) = (others, perhaps.into_iter().collect());
            }
            places.facilities.extend(used);
        }
        let (called, scenario) = self.sources.scenario.as_deref().map(read_scenario).transpose()?.unzip();
        if let Some((name, scenario)) = called.as_ref().zip(scenario.as_ref()) {
            let fit = |f: &Facility| check_inside(&network, places.extent, snap_m, (f.at, f.at));
            let applied = scenario.apply(&mut places.facilities, &mut places.grounds, fit);
            applied.map_err(|why| bad_input(remark!("{name}: {}", "{name}：{}"; why)))?;
            let [open, close, change] = scenario.edits();
            findings.remarks.push(remark!(
                "scenario {name}: facilities opened: {open}, closed: {close}, changed: {change}",
                "情景 {name}：新开 {open} 个机构，关闭 {close} 个，变更 {change} 个"
            ));
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
            findings.remarks.extend(remarks::on_parents(&path, &places.areas));
            let counted = places.areas.iter().map(|a| (a.id.as_str(), a.under3, a.population));
            findings.remarks.extend(remarks::on_children(&path, counted));
        }
        let mut rows: Option<Vec<BlockRow>> = None;
        if let Some((path, embedded)) = source(&self.blocks, "blocks.geojson", DEMO_BLOCKS) {
            let table = Source { path: &path, embedded }.table()?;
            let declared = declared(embedded, "blocks")?;
            let mut sorted = columns::blocks(&table, &declared)?;
            sorted.refuse(&table, &declared, |block| match &block.place {
                BlockPlace::Point(at) => check_inside(&network, places.extent, snap_m, (*at, *at)),
                BlockPlace::Shape(shape) => {
                    let corner = |c: Coord<f64>| LonLat::from_degrees(c.x, c.y);
                    let around = polygon::bounds(shape).and_then(|b| corner(b.min()).zip(corner(b.max())));
                    around.map_or(Ok(()), |around| check_inside(&network, places.extent, snap_m, around))
                }
            });
            let used: Vec<BlockRow> = self.keep("blocks", table, sorted, &mut findings)?;
            let grid_tells = !self.population.is_empty();
            findings.remarks.extend(remarks::on_blocks(&path, &used, &places.areas, grid_tells));
            let counted = used.iter().map(|b| (b.id.as_str(), b.under3, b.population));
            findings.remarks.extend(remarks::on_children(&path, counted));
            rows = Some(used);
        }
        let mut candidates = Vec::new();
        if let Some(path) = &self.candidates {
            let table = Table::read(path)?;
            table.require_rows("candidate")?;
            let declared = reading.declared("candidates")?;
            let mut sorted = columns::candidates(&table, &declared)?;
            sorted.refuse(&table, &declared, |c| check_inside(&network, places.extent, snap_m, (c.at, c.at)));
            candidates = self.keep("candidates", table, sorted, &mut findings)?;
        }
        places.population = self.population_cells(places.extent, &mut findings)?;
        refuse_unknown_columns(&mapping, |header| findings.headers.contains(header))?;
        timings.stage("tables");
        let extract_date = header.date.and_then(rfc3339);
        if let Some(seconds) = header.date.filter(|_| extract_date.is_none()) {
            findings.remarks.push(Remark {
                en: format!("the extract says it is of second {seconds} since 1970, which is no date to tell"),
                zh: format!("数据文件自述的时间为 1970 年起第 {seconds} 秒，不是可用的日期"),
            });
        }
        let made_of = self.prepares.then(|| Box::new((places.clone(), header.clone())));
        let study = match prepared {
            None => Ok(Study::new(network, places, rows, snap_m)),
            Some(prepared) if !self.sources.edits_facilities() => prepared.study(network),
            Some(prepared) => {
                prepared.homes(&network, places.areas.len()).map(|homes| Study::around_homes(network, places, homes))
            }
        };
        let mut study = study.map_err(|why| self.cannot_read(why))?;
        study.scenario = called;
        timings.stage("study");
        if self.areas.is_some() {
            findings.remarks.extend(remarks::on_overlaps(study.areas()));
        }
        findings.remarks.extend(children::remarks(&study));
        Ok(City {
            study,
            title,
            extract_date,
            bounds: header.bounds,
            import,
            map_facilities: self.sources.add_osm || !(demo || self.sources.facilities.is_some()),
            perhaps_same,
            map_areas: self.sources.add_osm || !(demo || self.areas.is_some()),
            network: network_report,
            rejected: findings.rejected,
            candidates,
            scenario,
            remarks: findings.remarks,
            made_of,
        })
    }

    /// Reads the map: its streets, and where the rest of it is to be had.
    pub(super) fn map(&self, timings: &mut Timings) -> Result<Map> {
        let options = NetworkOptions { island_m: self.sources.island_m };
        let Some(prepared) = self.prepared()? else {
            let Extract { streets, places, report: import, header } = self.extract()?;
            timings.stage("read");
            let (network, report) = Network::build(&streets, options);
            drop(streets);
            timings.stage("network");
            return Ok(Map {
                network,
                report,
                title: self.title(),
                header,
                rest: Rest::Read(Box::new((places, import))),
            });
        };
        let About { source, extract: header, island_m, .. } = prepared.about().clone();
        if island_m.total_cmp(&options.island_m).is_ne() {
            let (asked, title) = (options.island_m, source.name);
            return Err(bad_input(remark!(
                "--island-m {asked}: {title} was prepared with --island-m {island_m}; say the same, or import it anew",
                "--island-m {asked}：{title} 是以 --island-m {island_m} 预处理的；请使用相同数值，或重新导入"
            )));
        }
        let (network, report) = prepared.network().map_err(|why| self.cannot_read(why))?;
        timings.stage("network");
        Ok(Map { network, report, title: source.name, header, rest: Rest::Prepared(prepared) })
    }

    /// The city as a prepared file, where it is one; its header is read.
    fn prepared(&self) -> Result<Option<Prepared>> {
        let path = self.sources.city.as_ref().filter(|path| is_prepared(path));
        path.map(|path| Prepared::open(path).map_err(|why| self.cannot_read(why))).transpose()
    }

    /// The extract that the city is of, be it read itself or prepared.
    pub(crate) fn origin(&self) -> Result<Origin> {
        if let Some(prepared) = self.prepared()? {
            return Ok(prepared.about().source.clone());
        }
        let fingerprint = self.sources.city.as_deref().map_or_else(|| Ok(Fnv::of(DEMO_PBF)), fingerprint)?;
        Ok(Origin { name: self.title(), fingerprint })
    }

    /// What to call a city that is read itself.
    fn title(&self) -> String {
        self.sources.city.as_deref().map_or_else(|| "He'an demo town 和安区（演示）".to_owned(), file_name)
    }

    fn cannot_read(&self, why: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        let path = self.sources.city.as_deref().unwrap_or(Path::new("")).display();
        bad_input_for(remark!("cannot read {path}", "无法读取 {path}"), why)
    }

    /// The cells of the population grid, where one is given.
    fn population_cells(
        &self,
        extent: Option<(LonLat, LonLat)>,
        findings: &mut Findings,
    ) -> Result<Option<Vec<PopulationCell>>> {
        let (layers, reading) = (self.grid()?, &self.sources.reading);
        if layers.is_empty() {
            return Ok(None);
        }
        if layers.iter().all(Layer::is_raster) {
            // An extract without a place meets no pixel.
            let Some(extent) = extent else { return Ok(Some(Vec::new())) };
            let pixels = raster::read(&layers, reading.crs_of_raster("population")?.as_ref(), extent)?;
            if pixels.odd > 0 {
                let n = pixels.odd;
                findings.remarks.push(Remark {
                    en: format!("population grid: pixels whose value is no number of people, taken as unknown: {n}"),
                    zh: format!("人口格网：{n} 个像元的值不是人数，按未知处理"),
                });
            }
            return Ok(Some(pixels.cells));
        }
        let [Layer { path, band: None, weight }] = &layers[..] else {
            return Err(bad_input(remark!(
                "--population: one table, or one GeoTIFF (.tif) or more, is wanted",
                "--population：应为一张表，或一个或多个 GeoTIFF（.tif）"
            )));
        };
        let table = Table::read(path)?;
        let sorted = columns::population(&table, &reading.declared("population")?)?;
        let mut cells = self.keep("population", table, sorted, findings)?;
        for cell in &mut cells {
            cell.children *= weight;
        }
        Ok(Some(cells))
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
        let (rows, rejected) = (table.rows().len(), sorted.rejects.len());
        if rejected * 2 > rows {
            let name = table.name();
            findings.remarks.push(Remark {
                en: format!(
                    "warning: {name}: {rejected} of its {rows} rows can't be used, so its sums are far from whole"
                ),
                zh: format!("注意：{name}：{rows} 行中有 {rejected} 行无法使用，合计远不完整"),
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
        if path.extension().is_some_and(|e| e == "toml") {
            let name = path.display();
            return Err(bad_input(remark!(
                "{name}: an OpenStreetMap extract (.osm.pbf) or a prepared city (.carecircle) is wanted",
                "{name}：应为 OpenStreetMap 提取文件（.osm.pbf）或预处理文件（.carecircle）"
            )));
        }
        let bar = progress_bar(path);
        let report = |p: Progress| {
            bar.set_length(p.bytes_total);
            bar.set_position(p.bytes_done);
        };
        let extract = carecircle_osm::read(path, &ReadOptions { progress: Some(&report) });
        bar.finish_and_clear();
        extract.map_err(|why| self.cannot_read(why))
    }
}

/// A scenario, and what to call it: its own name, or the file's.
fn read_scenario(path: &Path) -> Result<(String, Scenario)> {
    const LARGEST: u64 = 64 << 20;
    let shown = path.display();
    let mut json = Vec::new();
    let file = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut json));
    file.map_err(|why| bad_input_for(remark!("cannot read {shown}", "无法读取 {shown}"), why))?;
    if json.len() as u64 > LARGEST {
        return Err(bad_input(remark!(
            "{shown}: a scenario may have {LARGEST} bytes at most",
            "{shown}：情景文件最大 {LARGEST} 字节"
        )));
    }
    let scenario = Scenario::parse(&json).map_err(|why| bad_input(remark!("{shown}: {}", "{shown}：{}"; why)))?;
    Ok((scenario.name.clone().unwrap_or_else(|| file_name(path)), scenario))
}

/// Whether a file's name is that of a prepared city.
pub(crate) fn is_prepared(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "carecircle")
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

/// A moment in seconds since 1970 as RFC 3339 in UTC, which has four digits for a year; `None` before and beyond them.
pub(super) fn rfc3339(seconds: i64) -> Option<String> {
    let moment = Timestamp::from_second(seconds).ok()?.to_string();
    moment.starts_with(|c: char| c.is_ascii_digit()).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096).unwrap(), "2024-02-29T12:34:56Z");
        assert_eq!(rfc3339(-1).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(-62_167_219_200).unwrap(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn moments_without_a_year_of_four_digits_are_not_told() {
        for seconds in [-62_167_219_201, 253_402_300_800, i64::MIN, i64::MAX] {
            assert_eq!(rfc3339(seconds), None, "{seconds}");
        }
    }
}
