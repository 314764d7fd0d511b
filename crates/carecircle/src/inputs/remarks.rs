//! What a reader of the tables should know of how they fit together.

use carecircle_core::area::{Areas, Overlap, Overlaps, SLIVER_SHARE};
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_formats::table::{Remark, file_name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Parents that areas name in vain: nobody of that id, or none of a larger level.
pub(super) fn on_parents(path: &Path, areas: &[Area]) -> Option<Remark> {
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

/// Areas of one level that lie over each other, each of which is said to hold what only the smaller one counts.
pub(super) fn on_overlaps(areas: &Areas) -> Option<Remark> {
    let Overlaps { pairs, is_all } = areas.overlaps();
    let Overlap { areas: [one, other], m2 } = pairs.first()?;
    let id = |area: usize| &areas.all()[area].id;
    let (n, one, other, ha) = (pairs.len(), id(*one), id(*other), m2 / 10_000.0);
    let (least, least_zh) = if is_all { ("", "") } else { ("at least ", "至少") };
    let percent = 100.0 * SLIVER_SHARE;
    Some(Remark {
        en: format!(
            "pairs of areas of one level that lie over each other: {least}{n}, the first {one} and {other} ({ha:.1} ha); \
             who lives there counts for the smaller (less than {percent} % of the smaller is taken for a sliver)"
        ),
        zh: format!(
            "同级区域相互重叠：{least_zh}{n} 对，首个为 {one} 与 {other}（{ha:.1} 公顷）；重叠处计入较小者（不足较小者 {percent} % 的视为绘制误差）"
        ),
    })
}

/// Rows that count more children under three than residents: one of the two is wrong.
pub(super) fn on_children<'a>(
    path: &Path,
    rows: impl Iterator<Item = (&'a str, Option<f64>, Option<f64>)>,
) -> Option<Remark> {
    let more = rows.filter_map(|(id, under3, population)| Some((id, under3?, population?)));
    let more: Vec<(&str, f64, f64)> = more.filter(|(_, under3, population)| under3 > population).collect();
    let (id, under3, population) = more.first()?;
    let (name, n) = (file_name(path), more.len());
    Some(Remark {
        en: format!(
            "{name}: rows with more children under three than residents: {n}, the first {id} ({under3} of {population}); both \
             numbers stand as given"
        ),
        zh: format!(
            "{name}：{n} 行的3岁以下人数多于常住人口，首个为 {id}（{population} 人中 {under3}）；两个数字均按原样使用"
        ),
    })
}

/// What a block table leaves out, or names that nobody knows.
pub(super) fn on_blocks(path: &Path, rows: &[BlockRow], areas: &[Area], grid_tells: bool) -> Vec<Remark> {
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
