//! `carecircle check`: a verdict for every block, as a file and as a table for people.

use crate::bad_input;
use crate::inputs::{City, Inputs, Rejected, describe, tell_rejects};
use crate::lang::Lang;
use crate::output::{self, write_whole};
use crate::timings::Timings;
use anyhow::{Context, Result};
use carecircle_core::coverage::{Coverage, Reason, Tally};
use carecircle_core::demand::{ChildrenFrom, Outline};
use carecircle_core::polygon;
use carecircle_formats::columns;
use carecircle_formats::geojson::{self, BLOCK_PROPERTIES, Drawings};
use clap::Args;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use unicode_width::UnicodeWidthStr;

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    inputs: Inputs,
    /// Where the blocks go: .geojson, .geojsonl or .csv; `-` streams GeoJSON to standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The formats that OUT can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    GeoJson,
    GeoJsonLines,
    Csv,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::GeoJson);
        }
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase().as_str() {
            "geojson" | "json" => Ok(Self::GeoJson),
            "geojsonl" => Ok(Self::GeoJsonLines),
            "csv" => Ok(Self::Csv),
            _ => Err(bad_input(format!("-o {}: the name must end in .geojson, .geojsonl or .csv", path.display()))),
        }
    }
}

impl Check {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        // Before the work: a wrong name or policy should not cost a minute.
        let format = self.output.as_deref().map(Format::of).transpose()?;
        let policy = self.inputs.policy()?;
        let city = self.inputs.load(&mut timings)?;
        let coverage = city.study.check(&policy);
        timings.stage("check");
        tell_rejects(&city.rejected, lang);

        let mut to_stdout = false;
        if let (Some(path), Some(format)) = (&self.output, format) {
            if path == Path::new("-") {
                to_stdout = true;
                write_blocks(&mut io::stdout().lock(), format, &city, &coverage)?;
            } else {
                write_whole(path, |out| write_blocks(out, format, &city, &coverage))?;
                write_rejects(path, &city.rejected)?;
            }
        }
        timings.stage("write");
        if !to_stdout {
            io::stdout().lock().write_all(summary(&city, &coverage, lang).as_bytes())?;
        }
        if let Some(path) = &self.inputs.timings {
            write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?))?;
        }
        Ok(())
    }
}

fn write_blocks(out: &mut impl Write, format: Format, city: &City, coverage: &Coverage) -> Result<()> {
    let drawings = Drawings::new(&city.study);
    let features: Vec<Vec<u8>> = drawings
        .blocks
        .iter()
        .enumerate()
        .map(|(i, drawing)| {
            let mut feature = Vec::with_capacity(drawing.json.len() + 400);
            geojson::block_feature(&mut feature, &city.study, coverage, drawing, i);
            feature
        })
        .collect();
    match format {
        Format::GeoJson => {
            let about = geojson::about(&city.study, coverage, city.extract_date.as_deref());
            geojson::write_collection(out, &about, features.iter().map(Vec::as_slice))?;
        }
        Format::GeoJsonLines => {
            for feature in &features {
                out.write_all(feature)?;
                out.write_all(b"\n")?;
            }
        }
        Format::Csv => write_csv(out, city, coverage, &features)?,
    }
    out.flush()?;
    Ok(())
}

/// The blocks as a table: the same properties, and a point inside. The byte order mark lets Excel read Chinese.
fn write_csv(out: &mut impl Write, city: &City, coverage: &Coverage, features: &[Vec<u8>]) -> Result<()> {
    out.write_all("\u{feff}".as_bytes())?;
    let study = &city.study;
    let mut other: Vec<&str> = study.demand().blocks.iter().flat_map(|b| b.other.keys().map(String::as_str)).collect();
    other.sort_unstable();
    other.dedup();
    other.retain(|name| !BLOCK_PROPERTIES.contains(name) && !["lon", "lat", "minutes_limit"].contains(name));
    let mut writer = csv::Writer::from_writer(out);
    let ours = ["lon", "lat", "minutes_limit"];
    writer.write_record(BLOCK_PROPERTIES.iter().chain(&ours).chain(&other))?;
    for (block, feature) in study.demand().blocks.iter().zip(features) {
        let feature: serde_json::Value = serde_json::from_slice(feature).context("our own feature")?;
        let inside = match &block.outline {
            Outline::Point(at) => Some(*at),
            Outline::Shape(shape) => polygon::point_inside(shape),
        };
        let at = inside.map(|p| study.network().projection().unproject(p));
        let degrees = |value: Option<f64>| value.map(|v| format!("{v:.7}")).unwrap_or_default();
        let cell = |name: &str| match &feature["properties"][name] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let limit = coverage.policy.minutes.to_string();
        let places = [degrees(at.map(|a| a.0)), degrees(at.map(|a| a.1)), limit];
        let own = BLOCK_PROPERTIES.iter().map(|name| cell(name));
        writer.write_record(own.chain(places).chain(other.iter().map(|name| cell(name))))?;
    }
    writer.flush()?;
    Ok(())
}

/// Rejected rows go beside OUT: one table's to `OUT.rejects.csv`, several tables' to one file each.
fn write_rejects(out: &Path, rejected: &[Rejected]) -> Result<()> {
    for Rejected { layer, table, rejects } in rejected {
        let mut name: OsString = out.into();
        name.push(if rejected.len() == 1 { ".rejects.csv".to_owned() } else { format!(".{layer}.rejects.csv") });
        let path = PathBuf::from(name);
        write_whole(&path, |file| Ok(columns::write_rejects(file, table, rejects)?))?;
        output::complain(&format!("{} {}: {}", rejects.len(), layer, path.display()));
    }
    Ok(())
}

/// The table for people.
fn summary(city: &City, coverage: &Coverage, lang: Lang) -> String {
    let mut out = String::new();
    let policy = &coverage.policy;
    let date = city.extract_date.as_deref().and_then(|d| d.get(..10)).map(|d| format!(" ({d})")).unwrap_or_default();
    let speed = policy.profile.speed.kmh();
    let minutes = policy.minutes;
    _ = match lang {
        Lang::En => {
            writeln!(out, "{}{date}: {minutes} minutes' walk at {speed} km/h, policy {}", city.title, policy.name)
        }
        Lang::Zh => writeln!(out, "{}{date}：步行 {minutes} 分钟，{speed} 公里/小时，政策 {}", city.title, policy.name),
    };
    out.push('\n');
    table(&mut out, city, coverage, lang);
    out.push('\n');
    notes(&mut out, city, coverage, lang);
    out
}

/// What a reader should know before trusting the table.
fn notes(out: &mut String, city: &City, coverage: &Coverage, lang: Lang) {
    let (study, total, network) = (&city.study, &coverage.total, &city.network);
    let mut note = |en: String, zh: String| _ = writeln!(out, "{}", lang.pick(&en, &zh));
    let counts = reasons(coverage);
    if !counts.is_empty() {
        note(format!("why not covered: {counts}"), format!("未覆盖原因：{counts}"));
    }
    let unsnapped = study.facilities().iter().filter(|f| f.snap.is_none()).count();
    let (found, eligible, snap_m) = (total.facilities, total.eligible, study.snap_m());
    note(
        format!("facilities: {found} found, {eligible} count, {unsnapped} farther than {snap_m} m from any street"),
        format!("托育机构：共 {found} 家，计入 {eligible} 家，距任何道路超过 {snap_m} 米的 {unsnapped} 家"),
    );
    if total.blocks == 0 {
        note(
            "warning: no blocks, for the extract has neither residential land nor homes; give them with --blocks"
                .to_owned(),
            "注意：没有居住地块，数据中既无居住用地也无住宅；请用 --blocks 提供".to_owned(),
        );
    }
    if eligible == 0 {
        note(
            "warning: no facility counts, so no block is covered".to_owned(),
            "注意：没有计入的托育机构，所有地块均未覆盖".to_owned(),
        );
    }
    for lost in city.import.lost.iter().filter(|_| city.map_facilities) {
        let name = lost.name.as_deref().unwrap_or("-");
        note(
            format!("  facility without any place in the extract, left out: {} ({name})", lost.id),
            format!("  数据中没有位置而未采用的机构：{}（{name}）", lost.id),
        );
    }
    for merged in city.import.merged.iter().filter(|_| city.map_facilities) {
        let name = merged.name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
        let (kept, dropped, reason) = (&merged.kept, &merged.dropped, merged.reason);
        note(
            format!("  one facility drawn twice: {dropped}{name} is {kept}: {reason}"),
            format!("  同一机构重复绘制：{dropped}{name} 即 {kept}：{reason}"),
        );
    }
    let (street_km, islands, islands_km) =
        (thousands(network.length_m / 1_000.0), network.islands, network.islands_m / 1_000.0);
    note(
        format!("streets: {street_km} km walkable; islands set aside: {islands}, {islands_km:.1} km in all"),
        format!("道路：可步行 {street_km} 公里；孤立路网 {islands} 处（共 {islands_km:.1} 公里）不计"),
    );
    let clipped: Vec<&str> = city.import.clipped.iter().map(|c| c.name.as_deref().unwrap_or(&c.id)).collect();
    if city.map_areas && !clipped.is_empty() {
        note(
            format!("boundaries cut off at the extract's edge, left out: {}", clipped.join(", ")),
            format!("被数据范围截断而未采用的行政边界：{}", clipped.join("、")),
        );
    }
    if study.demand().blocks.iter().any(|b| b.children_from == ChildrenFrom::Estimated) {
        note(
            "children are estimated from floor area or residents; the answer states how".to_owned(),
            "儿童数按建筑面积或人口估算，估算方法见结果文件".to_owned(),
        );
    }
    for Rejected { table, rejects, .. } in &city.rejected {
        let (name, n, first) = (table.name(), rejects.len(), describe(table, &rejects[0]));
        note(
            format!("{name}: rows that can't be used: {n}, the first: {first}"),
            format!("{name}：{n} 行无法使用，首行：{first}"),
        );
    }
}

/// A row per area, those inside another indented below it, and the total.
fn table(out: &mut String, city: &City, coverage: &Coverage, lang: Lang) {
    let areas = city.study.areas().all();
    let head = match lang {
        Lang::En => ["area", "level", "blocks", "covered", "partial", "uncovered", "children", "within", "share"],
        Lang::Zh => ["区域", "级别", "地块", "覆盖", "部分", "未覆盖", "儿童", "圈内儿童", "覆盖率"],
    };
    let mut rows = vec![head.map(str::to_owned)];
    let mut nested = Vec::new();
    let parents: Vec<Option<usize>> = areas.iter().map(|a| a.parent).collect();
    nest(&parents, None, 0, &mut nested);
    for (i, depth) in nested {
        let area = &areas[i];
        let named = match lang {
            Lang::En => area.name_en.as_ref().or(area.name.as_ref()),
            Lang::Zh => area.name_zh.as_ref().or(area.name.as_ref()),
        };
        // The name on the map stands beside a translation, so that both can be looked for.
        let own = area.name.as_ref().filter(|own| named.is_some_and(|n| n != *own));
        let own = own.map(|own| format!(" ({own})")).unwrap_or_default();
        let name = format!("{}{}{own}", "  ".repeat(depth), named.unwrap_or(&area.id));
        let level = match (lang, area.level.name()) {
            (Lang::Zh, "city") => "市",
            (Lang::Zh, "district") => "区县",
            (Lang::Zh, "street") => "街镇",
            (Lang::Zh, "community") => "社区",
            (_, level) => level,
        };
        rows.push(cells(name, level.to_owned(), &coverage.areas[i]));
    }
    rows.push(cells(lang.pick("total", "合计").to_owned(), String::new(), &coverage.total));
    let widths: [usize; 9] = std::array::from_fn(|c| rows.iter().map(|r| r[c].width()).max().unwrap_or(0));
    for row in &rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.width());
            // Names to the left, numbers to the right.
            _ = if c < 2 { write!(line, "{cell}{pad}  ") } else { write!(line, "{pad}{cell}  ") };
        }
        _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Areas with their depth, each followed by those inside it.
fn nest(parents: &[Option<usize>], of: Option<usize>, depth: usize, out: &mut Vec<(usize, usize)>) {
    for (i, _) in parents.iter().enumerate().filter(|(_, parent)| **parent == of) {
        out.push((i, depth));
        nest(parents, Some(i), depth + 1, out);
    }
}

fn cells(name: String, level: String, tally: &Tally) -> [String; 9] {
    let [covered, partial, uncovered] = tally.by_status;
    [
        name,
        level,
        tally.blocks.to_string(),
        covered.to_string(),
        partial.to_string(),
        uncovered.to_string(),
        thousands(tally.children),
        thousands(tally.covered),
        tally.covered_share().map_or_else(|| "-".to_owned(), |s| format!("{:.1} %", s * 100.0)),
    ]
}

/// Why blocks are not covered, the most frequent reason first.
fn reasons(coverage: &Coverage) -> String {
    let mut counts: Vec<(Reason, usize)> = Vec::new();
    for reason in coverage.verdicts.iter().filter_map(|v| v.reason) {
        match counts.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, n)) => *n += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts.sort_by_key(|(reason, n)| (std::cmp::Reverse(*n), *reason));
    counts.iter().map(|(r, n)| format!("{} {n}", r.name())).collect::<Vec<_>>().join(", ")
}

/// A whole number with thousands marks.
fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_marked_in_thousands() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_234_567.2), "1,234,567");
    }
}
