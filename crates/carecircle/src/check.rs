//! `carecircle check`: a verdict for every block, as a file and as a table for people.

use crate::inputs::{City, Inputs, Rejected, describe, tell_rejects, write_rejects};
use crate::lang::Lang;
use crate::output::write_whole;
use crate::timings::Timings;
use crate::verdicts::{Format, Verdicts};
use crate::{bad_input, card, children};
use anyhow::Result;
use carecircle_core::coverage::{Coverage, Reason, Tally};
use carecircle_core::demand::ChildrenFrom;
use carecircle_core::indicators::ScoreCard;
use carecircle_formats::crs::Crs;
use carecircle_formats::remark;
use carecircle_formats::table::Remark;
use carecircle_osm::Merged;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use unicode_width::UnicodeWidthStr;

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Where the blocks go: .geojson, .geojsonl, .geojsons, .csv, .xlsx (with the score card, areas, gaps, facilities and
    /// rejects), .fgb or .parquet; `-` streams GeoJSON to standard output; .json is the score card alone
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Coordinate system of OUT: wgs84, gcj02, bd09 or EPSG:…
    #[arg(long, value_name = "C", default_value = "wgs84")]
    out_crs: String,
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
        self.inputs.refuse_timings(self.output.as_slice())?;
        let crs = Crs::named(&self.out_crs).map_err(|why| bad_input(remark!("--out-crs {}", "--out-crs {}"; why)))?;
        let policy = self.inputs.policy()?;
        let city = self.inputs.load(&mut timings)?;
        let coverage = city.study.check(&policy);
        timings.stage("check");
        let needs_card =
            blocks_to != self.output.as_deref() || !policy.targets.is_empty() || format == Some(Format::Xlsx);
        let card = needs_card.then(|| ScoreCard::new(&city.study, &coverage));
        timings.stage("card");
        tell_rejects(&city.rejected, lang);

        let mut to_stdout = false;
        if let (Some(path), Some(format)) = (&self.output, format) {
            let first_sheets = card.iter().map(|score_card| card::sheet(score_card, lang)).collect();
            let verdicts = Verdicts { city: &city, coverage: &coverage, crs: &crs, lang, first_sheets };
            if path == Path::new("-") {
                to_stdout = true;
                verdicts.write(&mut io::stdout().lock(), format)?;
            } else {
                verdicts.write_to(path, format)?;
                write_rejects(path, &city.rejected, lang)?;
            }
        }
        if let (Some(path), Some(card)) = (self.output.as_deref().filter(|path| card::is_card(path)), &card) {
            write_whole(path, |out| card::write(out, &city, &coverage, card))?;
            write_rejects(path, &city.rejected, lang)?;
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
    if report.overlapping > 0 {
        let (n, ha) = (report.overlapping, report.overlapping_m2 / 10_000.0);
        note(
            format!(
                "blocks drawn over smaller ones: {n}; the {ha:.1} ha that they share, and homes on them, count once, for the \
                 smallest"
            ),
            format!("{n} 个地块与较小的地块重叠；重叠的 {ha:.1} 公顷及其上的住宅只计入最小的地块"),
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
    for line in children::notes(study, coverage, lang) {
        note(line.clone(), line);
    }
    for Remark { en, zh } in &city.remarks {
        note(en.clone(), zh.clone());
    }
    for Rejected { table, rejects, .. } in &city.rejected {
        let (name, n, first) = (table.name(), rejects.len(), describe(table, &rejects[0]));
        note(
            format!("{name}: rows that can't be used: {n}, the first: {}", first.en),
            format!("{name}：{n} 行无法使用，首行：{}", first.zh),
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

/// The head, a row per area with its depth, those inside another below it, and the total.
pub(crate) fn area_rows(city: &City, coverage: &Coverage, lang: Lang) -> Vec<(usize, [String; 9])> {
    let areas = city.study.areas().all();
    let head = match lang {
        Lang::En => ["area", "level", "blocks", "covered", "partial", "uncovered", "children", "within", "share"],
        Lang::Zh => ["区域", "级别", "地块", "覆盖", "部分", "未覆盖", "儿童", "圈内儿童", "覆盖率"],
    };
    let mut rows = vec![(0, head.map(str::to_owned))];
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
        let name = format!("{}{own}", named.unwrap_or(&area.id));
        // A name may hold anything; a terminal obeys some of it.
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let level = match (lang, area.level.name()) {
            (Lang::Zh, "city") => "市",
            (Lang::Zh, "district") => "区县",
            (Lang::Zh, "street") => "街镇",
            (Lang::Zh, "community") => "社区",
            (_, level) => level,
        };
        rows.push((depth, cells(name, level.to_owned(), &coverage.areas[i])));
    }
    let outside = &coverage.outside;
    if !areas.is_empty() && (outside.blocks > 0 || outside.children > 0.0) {
        let name = lang.pick("outside any area", "不属于任何区域").to_owned();
        rows.push((0, cells(name, String::new(), outside)));
    }
    rows.push((0, cells(lang.pick("total", "合计").to_owned(), String::new(), &coverage.total)));
    rows
}

/// The areas as lines of text, each indented by its depth.
fn table(out: &mut String, city: &City, coverage: &Coverage, lang: Lang) {
    let rows: Vec<[String; 9]> = area_rows(city, coverage, lang)
        .into_iter()
        .map(|(depth, mut row)| {
            row[0].insert_str(0, &"  ".repeat(depth));
            row
        })
        .collect();
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
        let [one, two] = [&sited.facility.id, &other.facility.id].map(String::clone);
        let is_told =
            city.perhaps_same.contains(&[one.clone(), two.clone()]) || city.perhaps_same.contains(&[two, one]);
        if i < nearest && apart_m < TWIN_M && other.facility.kind == sited.facility.kind && !is_told {
            out.push(format!("{} = {}", sited.facility.id, other.facility.id));
        }
    }
    out
}

/// An ellipsis where a list of `n` was cut after `shown`.
fn more(n: usize, shown: usize) -> &'static str {
    if n > shown { ", …" } else { "" }
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
    let text = |(reason, n): &(Reason, usize)| format!("{} {n}", reason_name(*reason, lang));
    counts.iter().map(text).collect::<Vec<_>>().join(lang.pick(", ", "，"))
}

/// A reason as people read it: by its name in English, which the files have too.
pub(crate) fn reason_name(reason: Reason, lang: Lang) -> &'static str {
    let zh = match reason {
        Reason::NoFacility => "没有计入的机构",
        Reason::NoStreet => "附近没有道路",
        Reason::CutOff => "路网不相连",
        Reason::NotEligible => "附近的机构不计入",
        Reason::Gate => "受门禁或私有道路阻隔",
        Reason::TooFar => "步行过远",
    };
    lang.pick(reason.name(), zh)
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
