//! The score card of `carecircle check`: a file of its own, and a table for people.

use crate::check::align;
use crate::inputs::City;
use crate::lang::Lang;
use crate::paper::{Paper, escape};
use anyhow::Result;
use carecircle_core::coverage::Coverage;
use carecircle_core::indicators::{Mark, OTHER_MINUTES, ScoreCard};
use carecircle_formats::card::{self, Row, Text};
use carecircle_formats::out::{Cell, Sheet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Whether OUT is the score card alone.
pub(crate) fn is_card(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// The score card as JSON.
pub(crate) fn write(out: &mut impl Write, city: &City, coverage: &Coverage, score_card: &ScoreCard) -> Result<()> {
    let json = card::score_card(&city.study, coverage, score_card, city.extract_date.as_deref());
    Ok(writeln!(out, "{json:#}")?)
}

/// The score card as a sheet of a workbook: the targets, then every other indicator.
pub(crate) fn sheet(score_card: &ScoreCard, lang: Lang) -> Sheet {
    let head = match lang {
        Lang::En => ["indicator", "value", "numerator", "denominator", "target", "verdict", "missing", "id", "formula"],
        Lang::Zh => ["指标", "指标值", "分子", "分母", "目标", "结论", "缺失", "编号", "公式"],
    };
    let number = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Number);
    let text = |text: String| if text.is_empty() { Cell::Empty } else { Cell::Text(text) };
    let rows = card::rows(score_card).into_iter().map(|row| {
        let [name, _, goal, mark, missing] = cells(&row, lang);
        let value = if row.is_share { row.value.map_or(Cell::Empty, Cell::Share) } else { number(row.value) };
        let (id, formula) = (row.indicator.name().to_owned(), card::formula_text(row.indicator));
        let formula = lang.pick(formula.en, formula.zh).to_owned();
        vec![
            Cell::Text(name),
            value,
            number(row.numerator),
            number(row.denominator),
            text(goal),
            text(mark),
            text(missing),
            Cell::Text(id),
            Cell::Text(formula),
        ]
    });
    Sheet {
        name: lang.pick("score card", "评分表").to_owned(),
        header: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// The score card as a part of a page.
pub(crate) fn write_part(paper: &mut Paper, score_card: &ScoreCard) {
    let lang = paper.lang;
    let head = match lang {
        Lang::En => ["indicator", "target", "verdict", "missing", "value"],
        Lang::Zh => ["指标", "目标", "结论", "缺失", "指标值"],
    };
    let rows = card::rows(score_card).into_iter().map(|row| {
        let mark = row.mark.map_or("", |mark| match mark {
            Mark::Met => "good",
            Mark::Missed => "poor",
            Mark::Unknown => "unknown",
        });
        let [name, value, goal, verdict, missing] = cells(&row, lang).map(|cell| escape(&cell));
        let verdict =
            if verdict.is_empty() { verdict } else { format!("<span class=\"mark {mark}\">{verdict}</span>") };
        vec![name, goal, verdict, format!("<span class=\"soft\">{missing}</span>"), value]
    });
    paper.table("", &head, 4, rows);
    let mut lines = String::new();
    equality_and_limits(&mut lines, score_card, lang);
    for line in lines.lines() {
        _ = writeln!(paper.out, "<p>{}</p>", escape(line));
    }
}

/// A row per target, then the other indicators that can be told; how equal walks are; what other limits and speeds give.
pub(crate) fn table(out: &mut String, score_card: &ScoreCard, lang: Lang) {
    let head = match lang {
        Lang::En => ["score card", "value", "target", "", "missing"],
        Lang::Zh => ["评分表", "指标值", "目标", "", "缺失"],
    };
    let mut rows = vec![head.map(str::to_owned)];
    let told = card::rows(score_card).into_iter().filter(|row| row.mark.is_some() || row.value.is_some());
    rows.extend(told.map(|row| cells(&row, lang)));
    align(out, &rows, rows[0].len());
    out.push('\n');
    equality_and_limits(out, score_card, lang);
}

/// How equal walks are, and what other limits and speeds give.
fn equality_and_limits(out: &mut String, score_card: &ScoreCard, lang: Lang) {
    if let Some(found) = score_card.inequality {
        let (mean, gini, longest) = (found.mean_minutes, found.gini, found.worst_tenth_minutes);
        let share = 100.0 * found.worst_tenth_share;
        _ = match lang {
            Lang::En => writeln!(
                out,
                "walks of all children: {mean:.1} minutes on average, Gini {gini:.2}; the worst-served tenth walks \
                 {longest:.1} minutes, {share:.0} % of all"
            ),
            Lang::Zh => writeln!(
                out,
                "全部儿童步行：平均 {mean:.1} 分钟，基尼系数 {gini:.2}；最不利的十分之一儿童平均 {longest:.1} 分钟，占总步行时间 {share:.0} %"
            ),
        };
    }
    let limits = OTHER_MINUTES.map(|minutes| minutes.to_string()).join(", ");
    let at = score_card.sensitivity.iter().map(|at| {
        let percent =
            |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        format!("{} km/h {}", at.speed_kmh, at.covered_shares.map(percent).join(", "))
    });
    let at = at.collect::<Vec<_>>().join("; ");
    _ = match lang {
        Lang::En => writeln!(out, "within {limits} minutes: {at}"),
        Lang::Zh => writeln!(out, "{limits} 分钟内的儿童占比：{at}"),
    };
}

fn cells(row: &Row, lang: Lang) -> [String; 5] {
    let pick = |text: Text| match lang {
        Lang::En => text.en,
        Lang::Zh => text.zh,
    };
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| card::value_text(row.indicator, v));
    let mark = row.mark.map(card::mark_name).map(|name| lang.pick(name.en, name.zh));
    [
        lang.pick(row.name.en, row.name.zh).to_owned(),
        number(row.value),
        row.goal.map(|goal| pick(card::goal_text(row.indicator, goal))).unwrap_or_default(),
        mark.unwrap_or_default().to_owned(),
        pick(row.missing.clone()),
    ]
}
