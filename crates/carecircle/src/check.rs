//! `carecircle check`: a verdict for every block, as a file and as a table for people.

use crate::bad_input;
use crate::card;
use crate::inputs::{City, Inputs, Rejected, Remark, describe, tell_rejects, write_rejects};
use crate::lang::Lang;
use crate::output::{beside, write_whole};
use crate::timings::Timings;
use anyhow::{Context, Result};
use carecircle_core::coverage::{Coverage, Reason, Tally};
use carecircle_core::demand::{ChildrenFrom, Outline};
use carecircle_core::geometry::LonLat;
use carecircle_core::indicators::ScoreCard;
use carecircle_core::polygon;
use carecircle_formats::geojson::{self, BLOCK_PROPERTIES, Drawings};
use carecircle_osm::Merged;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use unicode_width::UnicodeWidthStr;

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    inputs: Inputs,
    /// Where the blocks go: .geojson, .geojsonl or .csv; `-` streams GeoJSON to standard output; .json is the score card
    /// alone
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
            "geojson" => Ok(Self::GeoJson),
            "geojsonl" => Ok(Self::GeoJsonLines),
            "csv" => Ok(Self::Csv),
            _ => Err(bad_input(format!(
                "-o {}: the name must end in .geojson, .geojsonl, .csv or .json",
                path.display()
            ))),
        }
    }
}

impl Check {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        // Before the work: a wrong name or policy should not cost a minute.
        let blocks_to = self.output.as_deref().filter(|path| !card::is_card(path));
        let format = blocks_to.map(Format::of).transpose()?;
        for path in self.output.iter().filter(|p| p.as_path() != Path::new("-")) {
            self.inputs.refuse_to_overwrite("-o", path)?;
        }
        self.inputs.refuse_timings(self.output.as_ref())?;
        let policy = self.inputs.policy()?;
        let city = self.inputs.load(&mut timings)?;
        let coverage = city.study.check(&policy);
        timings.stage("check");
        let needs_card = blocks_to != self.output.as_deref() || !policy.targets.is_empty();
        let card = needs_card.then(|| ScoreCard::new(&city.study, &coverage));
        timings.stage("card");
        tell_rejects(&city.rejected, lang);

        let mut to_stdout = false;
        if let (Some(path), Some(format)) = (&self.output, format) {
            if path == Path::new("-") {
                to_stdout = true;
                write_blocks(&mut io::stdout().lock(), format, &city, &coverage)?;
            } else {
                write_whole(path, |out| write_blocks(out, format, &city, &coverage))?;
                write_rejects(path, &city.rejected)?;
                if format != Format::GeoJson {
                    // GeoJSON says of itself how it was made; the others have no place for it.
                    let about = geojson::about(&city.study, &coverage, city.extract_date.as_deref());
                    let about = serde_json::Value::Object(about);
                    write_whole(&beside(path, ".about.json"), |out| Ok(writeln!(out, "{about:#}")?))?;
                }
            }
        }
        if let (Some(path), Some(card)) = (self.output.as_deref().filter(|path| card::is_card(path)), &card) {
            write_whole(path, |out| card::write(out, &city, &coverage, card))?;
            write_rejects(path, &city.rejected)?;
        }
        timings.stage("write");
        if !to_stdout {
            io::stdout().lock().write_all(summary(&city, &coverage, card.as_ref(), lang).as_bytes())?;
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
            geojson::write_collection(out, &about, features.iter())?;
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
        // Far outside the plan there is no way back to degrees.
        let at = inside.map(|p| study.network().projection().unproject(p));
        let at = at.filter(|&(lon, lat)| LonLat::from_degrees(lon, lat).is_some());
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

/// The table for people.
fn summary(city: &City, coverage: &Coverage, score_card: Option<&ScoreCard>, lang: Lang) -> String {
    let mut out = String::new();
    let policy = &coverage.policy;
    let date = city.extract_date.as_deref().and_then(|d| d.get(..10)).map(|d| format!(" ({d})")).unwrap_or_default();
    let speed = policy.profile.speed.kmh();
    let (minutes, profile, signal_s) = (policy.minutes, &policy.profile.name, policy.profile.signal_s);
    let mut who = String::new();
    if profile != "walk" {
        _ = write!(who, "{}{profile}", lang.pick(", profile ", "，步行方式 "));
    }
    if signal_s > 0.0 {
        _ = match lang {
            Lang::En => write!(who, ", {signal_s} s at traffic lights"),
            Lang::Zh => write!(who, "，信号灯等候 {signal_s} 秒"),
        };
    }
    let (title, name) = (&city.title, &policy.name);
    _ = match lang {
        Lang::En => writeln!(out, "{title}{date}: {minutes} minutes' walk at {speed} km/h{who}, policy {name}"),
        Lang::Zh => writeln!(out, "{title}{date}：步行 {minutes} 分钟，{speed} 公里/小时{who}，政策 {name}"),
    };
    out.push('\n');
    table(&mut out, city, coverage, lang);
    out.push('\n');
    if let Some(score_card) = score_card.filter(|_| !policy.targets.is_empty()) {
        card::table(&mut out, score_card, lang);
        out.push('\n');
    }
    notes(&mut out, city, coverage, lang);
    out
}

/// What a reader should know before trusting the table.
fn notes(out: &mut String, city: &City, coverage: &Coverage, lang: Lang) {
    let (study, total, network) = (&city.study, &coverage.total, &city.network);
    let mut note = |en: String, zh: String| _ = writeln!(out, "{}", lang.pick(&en, &zh));
    let counts = reasons(coverage, lang);
    if !counts.is_empty() {
        note(format!("why not covered: {counts}"), format!("未覆盖原因：{counts}"));
    }
    let unsnapped = study.facilities().iter().filter(|f| f.doors.is_empty()).count();
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
    if unsnapped * 2 > found {
        note(
            "warning: most facilities lie off every street; are longitude and latitude swapped, or from another city?"
                .to_owned(),
            "注意：多数机构远离道路；经纬度是否颠倒，或属于其他城市？".to_owned(),
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
    let mut merged: Vec<&Merged> = city.import.merged.iter().filter(|_| city.map_facilities).collect();
    merged.sort_by_key(|m| m.reason);
    for same in merged.chunk_by(|a, b| a.reason == b.reason) {
        let (n, reason) = (same.len(), same[0].reason);
        let pairs = same.iter().map(|m| format!("{} in {}", m.dropped, m.kept)).collect::<Vec<_>>().join(", ");
        note(
            format!("  drawn twice and counted once, {reason}: {n} ({pairs})"),
            format!("  重复绘制、只计一次（{reason}）：{n} 处（{pairs}）"),
        );
    }
    let twins = twins(city);
    if !twins.is_empty() {
        let (n, first) = (twins.len(), twins.iter().take(5).cloned().collect::<Vec<_>>().join(", "));
        note(
            format!("  within {TWIN_M} m of another of its kind, perhaps listed twice: {n} ({first}{})", more(n, 5)),
            format!("  与同类机构相距不足 {TWIN_M} 米、可能重复登记：{n} 家（{first}{}）", more(n, 5)),
        );
    }
    let (street_km, islands, islands_km) =
        (thousands(network.length_m / 1_000.0), network.islands.len(), network.islands_m() / 1_000.0);
    note(
        format!("streets: {street_km} km walkable; islands set aside: {islands}, {islands_km:.1} km in all"),
        format!("道路：可步行 {street_km} 公里；孤立路网 {islands} 处（共 {islands_km:.1} 公里）不计"),
    );
    let spots = city.import.spots;
    let (private_ways, private, closed) =
        (city.import.streets.destination_only, spots.private_gates, spots.closed_gates);
    if private_ways + private + closed > 0 {
        note(
            format!(
                "only as first or last leg: {private_ways} private ways and {private} gates; closed gates: {closed}; walls \
                 across a street: {}",
                spots.walls
            ),
            format!(
                "仅作首末段通行：私有道路 {private_ways} 条，大门 {private} 处；关闭的大门 {closed} 处；横断道路的围墙 {} 处",
                spots.walls
            ),
        );
    }
    openings(&mut note, city, coverage);
    let clipped: Vec<&str> = city.import.clipped.iter().map(|c| c.name.as_deref().unwrap_or(&c.id)).collect();
    if city.map_areas && !clipped.is_empty() {
        note(
            format!("boundaries cut off at the extract's edge, left out: {}", clipped.join(", ")),
            format!("被数据范围截断而未采用的行政边界：{}", clipped.join("、")),
        );
    }
    let demand = study.demand();
    let (homes, in_cells) = (demand.report.homes, demand.report.homes_in_cells);
    note(
        format!("homes on the map: {homes}, {in_cells} of them outside every block and gathered in cells"),
        format!("地图上的住宅建筑：{homes} 栋，其中 {in_cells} 栋不在任何地块内，按网格归并"),
    );
    let report = &demand.report;
    let left_out = report.empty_pieces + report.uninhabited + report.beyond_extract + report.polygons_too_large;
    if left_out > 0 {
        note(
            format!("residential land left out, without homes or beyond the extract: {left_out} polygons or pieces"),
            format!("未采用的居住用地（无住宅或超出数据范围）：{left_out} 块"),
        );
    }
    if demand.blocks.iter().any(|b| b.children_from == ChildrenFrom::Estimated) {
        let from_land: f64 = demand.blocks.iter().filter(|b| b.from_land).map(|b| b.children).sum();
        let percent = (100.0 * from_land / total.children.max(f64::MIN_POSITIVE)).abs();
        note(
            format!("children are estimated, {percent:.0} % of them from the size of residential land alone"),
            format!("儿童数为估算值，其中 {percent:.0} % 仅按居住用地面积估算"),
        );
    }
    for Remark { en, zh } in &city.remarks {
        note(en.clone(), zh.clone());
    }
    for Rejected { table, rejects, .. } in &city.rejected {
        let (name, n, first) = (table.name(), rejects.len(), describe(table, &rejects[0]));
        note(
            format!("{name}: rows that can't be used: {n}, the first: {first}"),
            format!("{name}：{n} 行无法使用，首行：{first}"),
        );
    }
}

/// So many gates are told of.
const OPENINGS_TOLD: usize = 10;

/// Which gates and private ways to open, where that was asked for.
fn openings(note: &mut impl FnMut(String, String), city: &City, coverage: &Coverage) {
    if !coverage.policy.what_if_gates {
        return;
    }
    let network = city.study.network();
    let found = &coverage.openings.passages;
    if found.is_empty() {
        note(
            "opening any single gate or private way would cover nobody more".to_owned(),
            "单独开放任何一处大门或私有道路都不会增加覆盖".to_owned(),
        );
        return;
    }
    let (n, more) = (found.len(), more(found.len(), OPENINGS_TOLD));
    note(
        format!(
            "opened to the public, alone, so many more children would be within the limit ({n} gates or ways{more}):"
        ),
        format!("单独向公众开放后，圈内儿童增加（共 {n} 处{more}）："),
    );
    if coverage.openings.untried > 0 {
        let untried = coverage.openings.untried;
        note(
            format!("  {untried} more that fewer homes could use were not tried"),
            format!("  另有 {untried} 处可惠及住户较少，未作计算"),
        );
    }
    for opening in found.iter().take(OPENINGS_TOLD) {
        let (id, children) = (network.passage_id(opening.passage), opening.children);
        let (lon, lat) = network.projection().unproject(network.passage_at(opening.passage));
        let blocks = opening.shares.len();
        note(
            format!("  {id} at {lon:.5},{lat:.5}: {children:+.1} children, blocks that change: {blocks}"),
            format!("  {id}（{lon:.5},{lat:.5}）：{children:+.1} 名儿童，涉及 {blocks} 个地块"),
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
    nest(city.study.areas().parents(), None, 0, &mut nested);
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
        // A name may hold anything; a terminal obeys some of it.
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let level = match (lang, area.level.name()) {
            (Lang::Zh, "city") => "市",
            (Lang::Zh, "district") => "区县",
            (Lang::Zh, "street") => "街镇",
            (Lang::Zh, "community") => "社区",
            (_, level) => level,
        };
        rows.push(cells(name, level.to_owned(), &coverage.areas[i]));
    }
    let outside = outside_areas(city, coverage);
    if !areas.is_empty() && outside.blocks > 0 {
        rows.push(cells(lang.pick("outside any area", "不属于任何区域").to_owned(), String::new(), &outside));
    }
    rows.push(cells(lang.pick("total", "合计").to_owned(), String::new(), &coverage.total));
    // Names to the left, numbers to the right.
    align(out, &rows, 2);
}

/// Rows with their cells below each other: so many columns to the left, the others to the right.
pub(crate) fn align<const N: usize>(out: &mut String, rows: &[[String; N]], left: usize) {
    let widths: [usize; N] = std::array::from_fn(|c| rows.iter().map(|r| r[c].width()).max().unwrap_or(0));
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.width());
            _ = if c < left { write!(line, "{cell}{pad}  ") } else { write!(line, "{pad}{cell}  ") };
        }
        _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Facilities nearer than this to another of their kind may be one, listed twice.
const TWIN_M: f64 = 5.0;

/// Facilities that stand where another of their kind stands, each as `id = id`.
fn twins(city: &City) -> Vec<String> {
    let facilities = city.study.facilities();
    let mut out = Vec::new();
    for (i, sited) in facilities.iter().enumerate() {
        let Some(nearest) = city.study.facilities_near(sited.at).find(|&other| other != i) else { continue };
        let other = &facilities[nearest];
        let apart_m = (other.at.x - sited.at.x).hypot(other.at.y - sited.at.y);
        if i < nearest && apart_m < TWIN_M && other.facility.kind == sited.facility.kind {
            out.push(format!("{} = {}", sited.facility.id, other.facility.id));
        }
    }
    out
}

/// An ellipsis where a list of `n` was cut after `shown`.
fn more(n: usize, shown: usize) -> &'static str {
    if n > shown { ", …" } else { "" }
}

/// What no area holds: without it the areas would not add up to the total.
fn outside_areas(city: &City, coverage: &Coverage) -> Tally {
    let mut outside = Tally::default();
    for (block, verdict) in city.study.demand().blocks.iter().zip(&coverage.verdicts).filter(|(b, _)| b.area.is_none())
    {
        outside.count(block, verdict);
    }
    outside
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
fn reasons(coverage: &Coverage, lang: Lang) -> String {
    let mut counts: Vec<(Reason, usize)> = Vec::new();
    for reason in coverage.verdicts.iter().filter_map(|v| v.reason) {
        match counts.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, n)) => *n += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts.sort_by_key(|(reason, n)| (std::cmp::Reverse(*n), *reason));
    let name = |reason: Reason| match reason {
        Reason::NoFacility => "没有计入的机构",
        Reason::NoStreet => "附近没有道路",
        Reason::CutOff => "路网不相连",
        Reason::NotEligible => "附近的机构不计入",
        Reason::Gate => "受门禁或私有道路阻隔",
        Reason::TooFar => "步行过远",
    };
    let text = |(reason, n): &(Reason, usize)| format!("{} {n}", lang.pick(reason.name(), name(*reason)));
    counts.iter().map(text).collect::<Vec<_>>().join(lang.pick(", ", "，"))
}

/// A whole number with thousands marks.
pub(crate) fn thousands(value: f64) -> String {
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
