//! What a reader should know of how children were placed: what doesn't add up, and how sure the places are.

use crate::check::thousands;
use crate::lang::Lang;
use carecircle_core::allocation::Balance;
use carecircle_core::coverage::Coverage;
use carecircle_core::place::Area;
use carecircle_core::population::GridBalance;
use carecircle_core::study::Study;
use carecircle_formats::table::Remark;
use std::fmt::Write as _;

/// So many areas are told of.
const AREAS_TOLD: usize = 10;

/// A grid that says so many times what homes suggest, or as many times less, counts something else. All residents are
/// fifty times as many as children under three; homes and storeys that no map tells, and another country's flats and
/// births, move the estimate by a few times: our judgement.
const TIMES_OFF: f64 = 10.0;

/// What of areas' totals and of a grid doesn't add up or has no place.
pub(crate) fn remarks(study: &Study) -> Vec<Remark> {
    let allocation = &study.demand().allocation;
    let mut out = Vec::new();
    let balances = || study.areas().all().iter().zip(&allocation.areas);
    list(&mut out, &balances().filter(|(_, b)| b.excess > 0.0).collect::<Vec<_>>(), |area, balance| {
        let (given, parts) = (balance.given.unwrap_or(0.0), balance.given.unwrap_or(0.0) + balance.excess);
        let (by_en, by_zh) =
            if balance.from_residents { (" by its residents", "（按常住人口）") } else { ("", "") };
        Remark {
            en: format!("area {area}: {given:.1} children{by_en}, but its parts have {parts:.1}; the parts stand"),
            zh: format!("区域 {area}：儿童数为 {given:.1}{by_zh}，而其下属合计 {parts:.1}；以下属为准"),
        }
    });
    list(&mut out, &balances().filter(|(_, b)| b.unplaced > 0.0).collect::<Vec<_>>(), |area, balance| {
        let (unplaced, given) = (balance.unplaced, balance.given.unwrap_or(0.0));
        Remark {
            en: format!(
                "area {area}: {unplaced:.1} of {given:.1} children are in no block and in no sum, for none is left there"
            ),
            zh: format!("区域 {area}：{given:.1} 名儿童中 {unplaced:.1} 名没有可归入的地块，未计入任何合计"),
        }
    });
    if let Some(GridBalance { given, beyond, placed, unplaced, overruled, estimated, between }) = allocation.grid {
        out.push(Remark {
            en: format!(
                "population grid: {given:.1} children, {placed:.1} placed, {beyond:.1} beyond the extract, {unplaced:.1} in \
                 cells without a home or block; of those placed, {overruled:.1} give way to numbers of blocks and areas"
            ),
            zh: format!(
                "人口格网：{given:.1} 名儿童，已分配 {placed:.1}，数据范围外 {beyond:.1}，无住宅或地块的格内 {unplaced:.1}；\
                 已分配者中 {overruled:.1} 以地块和区域数据为准"
            ),
        });
        if between > 0.0 {
            out.push(Remark {
                en: format!(
                    "  homes and land between its cells have no children by it; an estimate would say {between:.1}"
                ),
                zh: format!("  格网未覆盖之处按无儿童处理；若估算则为 {between:.1}"),
            });
        }
        if unplaced > placed {
            out.push(Remark {
                en: "warning: most of the grid's children are in cells without a home or block, for the map has few; give \
                     blocks with --blocks, the grid's own cells perhaps"
                    .to_owned(),
                zh: "注意：格网中多数儿童所在的格内没有住宅或地块；请用 --blocks 提供地块，例如格网本身".to_owned(),
            });
        } else if placed > TIMES_OFF * estimated && estimated > 0.0 {
            let times = placed / estimated;
            out.push(Remark {
                en: format!(
                    "warning: the population grid has {times:.0} times as many children as homes suggest; does it count all \
                     residents? Then give it a weight: --population FILE=0.0207"
                ),
                zh: format!(
                    "注意：人口格网的儿童数为按住宅估算的 {times:.0} 倍；是否为全部人口？若是请加权重：--population FILE=0.0207"
                ),
            });
        } else if placed * TIMES_OFF < estimated {
            out.push(Remark {
                en: format!(
                    "warning: the population grid places {placed:.1} children where homes suggest {estimated:.1}; is it of \
                     another year or city, in thousands, or weighed twice?"
                ),
                zh: format!(
                    "注意：人口格网在有住宅处仅有 {placed:.1} 名儿童，按住宅估算为 {estimated:.1}；是否年份或城市不符、以千人计或重复加权？"
                ),
            });
        }
    }
    out
}

/// The first of many remarks, each of an area by its name, and how many more there are.
fn list(out: &mut Vec<Remark>, of: &[(&Area, &Balance)], remark: impl Fn(&str, &Balance) -> Remark) {
    out.extend(of.iter().take(AREAS_TOLD).map(|(area, balance)| {
        let name = area.name.as_ref().map_or_else(|| area.id.clone(), |name| format!("{name} ({})", area.id));
        remark(&plain(&name), balance)
    }));
    if of.len() > AREAS_TOLD {
        let more = of.len() - AREAS_TOLD;
        out.push(Remark { en: format!("  so {more} more areas"), zh: format!("  另有 {more} 个区域如此") });
    }
}

/// A name may hold anything; a terminal obeys some of it.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Where the numbers come from, and how far they would differ if footprints, not floor areas, told where children live.
pub(crate) fn notes(study: &Study, coverage: &Coverage, lang: Lang) -> Vec<String> {
    let allocation = &study.demand().allocation;
    let mut out = Vec::new();
    let names = ["given by blocks", "shared out from areas", "by the population grid", "estimated"];
    let names_zh = ["地块数据", "区域总数分摊", "人口格网", "估算"];
    let sources: Vec<String> = (names.iter().zip(names_zh).zip(allocation.by_source))
        .filter(|(_, children)| *children > 0.0)
        .map(|((en, zh), children)| format!("{} {}", lang.pick(en, zh), thousands(children)))
        .collect();
    if sources.len() > 1 {
        out.push(lang.pick("children: ", "儿童数来源：").to_owned() + &sources.join(lang.pick(", ", "，")));
    }
    let moved = allocation.moved_share.filter(|share| *share > 0.0);
    let by_footprint = coverage.shares_by_footprint.last().copied().flatten();
    let (Some(moved), Some(by_footprint), Some(share)) = (moved, by_footprint, coverage.total.covered_share()) else {
        return out;
    };
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let (moved, by_footprint, share) = (percent(moved), percent(by_footprint), percent(share));
    let mut text = match lang {
        Lang::En => format!(
            "how sure: weighed by footprint, not floor area, {moved} of the children would live in another block, and \
             {by_footprint} rather than {share} within"
        ),
        Lang::Zh => format!(
            "可靠性：若按占地而非建筑面积分摊，{moved} 的儿童将归入其他地块，覆盖率为 {by_footprint}（现 {share}）"
        ),
    };
    let told: Vec<usize> =
        (0..allocation.areas.len()).filter(|&a| allocation.areas[a].moved_share > Some(0.0)).collect();
    for (i, &area) in told.iter().take(AREAS_TOLD).enumerate() {
        let own = &study.areas().all()[area];
        let named = match lang {
            Lang::En => own.name_en.as_ref().or(own.name.as_ref()),
            Lang::Zh => own.name_zh.as_ref().or(own.name.as_ref()),
        };
        let name = plain(named.unwrap_or(&own.id));
        let moved = percent(allocation.areas[area].moved_share.unwrap_or(0.0));
        let difference = coverage.shares_by_footprint[area].zip(coverage.areas[area].covered_share());
        let difference = difference.map_or(0.0, |(by_footprint, share)| (by_footprint - share) * 100.0);
        let lead = if i == 0 { lang.pick("; by area: ", "；各区域：") } else { lang.pick("; ", "；") };
        _ = write!(text, "{lead}{name} {moved} ({difference:+.1})");
    }
    if told.len() > AREAS_TOLD {
        text.push_str("; …");
    }
    out.push(text);
    out
}
