//! What a reader of the tables should know of how they fit together.

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
