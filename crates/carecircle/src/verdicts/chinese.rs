//! Sheets in Chinese: what our columns and the values in them are called. Ids stay, and so does what passes through. What is
//! an input too bears the name that the readers of tables know.

use crate::check::reason_name;
use crate::lang::Lang;
use carecircle_core::coverage::Reason;
use carecircle_formats::headers::Column;
use carecircle_formats::out::{Cell, Sheet};

/// Turns a sheet into Chinese whose first columns are `own`.
pub(super) fn translate(sheet: &mut Sheet, own: &[&str]) {
    let (ours, others) = sheet.header.split_at_mut(own.len());
    for (header, name) in ours.iter_mut().zip(own) {
        title(name).clone_into(header);
    }
    for header in others.iter_mut().filter(|header| ours.contains(header)) {
        header.push_str("（原表）");
    }
    for row in &mut sheet.rows {
        for (cell, name) in row.iter_mut().zip(own) {
            let said = match cell {
                Cell::Text(text) => value(name, text),
                Cell::Flag(flag) => Some(if *flag { "是" } else { "否" }),
                _ => None,
            };
            if let Some(said) = said {
                *cell = Cell::Text(said.to_owned());
            }
        }
    }
}

/// What a column of ours is called.
fn title(name: &str) -> &str {
    if let Some(column) = Column::named(name) {
        return column.name_zh();
    }
    match name {
        "x" => "横坐标",
        "y" => "纵坐标",
        "covered_share" => "覆盖率",
        "minutes" => "步行分钟",
        "minutes_limit" => "步行时限",
        "nearest_facility" => "最近机构",
        "reason" => "原因",
        "children" => "儿童数",
        "demand" => "儿童数来源",
        "estimated_from" => "估算依据",
        "open_gate" => "可开放的大门",
        "open_gate_children" => "开放大门增加儿童",
        "counted" => "计入",
        "snap_m" => "距道路米数",
        "entrances" => "出入口",
        "blocks" => "地块",
        "covered" => "覆盖地块",
        "partial" => "部分覆盖地块",
        "uncovered" => "未覆盖地块",
        "covered_children" => "圈内儿童",
        "facilities" => "机构数",
        "unplaced_children" => "未落位儿童",
        "moved_share" => "按占地面积分摊的变动",
        "covered_share_by_footprint" => "按占地面积分摊的覆盖率",
        other => other,
    }
}

/// What a value in a column of ours is called; the readers of tables know these words for kinds, steps and levels.
fn value(column: &str, value: &str) -> Option<&'static str> {
    Some(match (column, value) {
        ("kind", "nursery") => "托育机构",
        ("kind", "kindergarten_class") => "幼儿园托班",
        ("kind", "community") => "社区托育点",
        ("kind", "employer") => "用人单位",
        ("kind", "family") => "家庭托育点",
        ("kind", "growth_station") => "成长驿站",
        ("kind", "service_centre") => "托育综合服务中心",
        ("kind", "kindergarten") => "幼儿园",
        ("status", "unknown") => "未知",
        ("status", "registered") => "登记",
        ("status", "filed") => "备案",
        ("status", "licensed") => "许可",
        ("status", "covered") => "覆盖",
        ("status", "partial") => "部分覆盖",
        ("status", "uncovered") => "未覆盖",
        ("level", "city") => "市",
        ("level", "district") => "区县",
        ("level", "street") => "街镇",
        ("level", "community") => "社区",
        ("demand", "given") => "地块数据",
        ("demand", "shared") => "区域总数分摊",
        ("demand", "grid") => "人口格网",
        ("demand", "estimated") => "估算",
        ("estimated_from", "residents") => "常住人口",
        ("estimated_from", "land") => "用地面积",
        ("estimated_from", "floor") => "建筑面积",
        ("reason", name) => {
            return Reason::ALL.into_iter().find(|r| r.name() == name).map(|r| reason_name(r, Lang::Zh));
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::coverage::BlockStatus;
    use carecircle_core::demand::ChildrenFrom;
    use carecircle_core::facility::{Kind, Status};
    use carecircle_core::place::AreaLevel;
    use carecircle_formats::geojson::{AREA_PROPERTIES, BLOCK_PROPERTIES, FACILITY_PROPERTIES};

    #[test]
    fn every_column_and_every_word_has_a_chinese_name() {
        let all = BLOCK_PROPERTIES.iter().chain(&FACILITY_PROPERTIES).chain(&AREA_PROPERTIES);
        for name in all.chain(&["lon", "lat", "x", "y", "minutes_limit"]) {
            assert!(!title(name).contains(|c: char| c.is_ascii_alphabetic()), "{name}");
        }
        let blocks = [BlockStatus::Covered, BlockStatus::Partial, BlockStatus::Uncovered].map(BlockStatus::name);
        let words: [(&str, Vec<&str>); 6] = [
            ("kind", Kind::ALL.iter().map(|v| v.name()).collect()),
            ("status", Status::ALL.iter().map(|v| v.name()).chain(blocks).collect()),
            ("level", AreaLevel::ALL.map(AreaLevel::name).into()),
            ("demand", ChildrenFrom::ALL.map(ChildrenFrom::name).into()),
            ("reason", Reason::ALL.map(Reason::name).into()),
            ("estimated_from", vec!["residents", "land", "floor"]),
        ];
        for (column, name) in words.iter().flat_map(|(column, names)| names.iter().map(move |name| (column, name))) {
            assert!(value(column, name).is_some(), "{column} {name}");
        }
    }
}
