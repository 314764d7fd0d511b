//! The judgement: topic by topic, how far the extract can be trusted, by which threshold, and what it does to the gaps.

use super::cells::{LEAST_CELLS, Standing};
use super::findings::{Findings, Layer};
use crate::check::thousands;
use crate::lang::Lang;
use carecircle_core::demand::ChildrenFrom;
use std::fmt::Write as _;

/// A text in both languages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) en: String,
    pub(super) zh: String,
}

impl Text {
    pub(super) fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    pub(super) fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Good,
    Fair,
    Poor,
    /// The extract doesn't tell.
    Unknown,
}

impl Mark {
    pub(super) const ALL: [Self; 4] = [Self::Poor, Self::Fair, Self::Unknown, Self::Good];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn called(self, lang: Lang) -> &'static str {
        let zh = match self {
            Self::Good => "好",
            Self::Fair => "一般",
            Self::Poor => "差",
            Self::Unknown => "无法判断",
        };
        lang.pick(self.name(), zh)
    }
}

/// Where good ends and where poor begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Good up to the first, poor above the second.
    LessIsBetter(f64, f64),
    /// Good from the first on, poor under the second.
    MoreIsBetter(f64, f64),
}

impl Scale {
    pub(super) fn mark(self, value: Option<f64>) -> Mark {
        let Some(value) = value else { return Mark::Unknown };
        let (good, poor) = match self {
            Self::LessIsBetter(good, poor) => (value <= good, value > poor),
            Self::MoreIsBetter(good, poor) => (value >= good, value < poor),
        };
        match (good, poor) {
            (true, _) => Mark::Good,
            (_, true) => Mark::Poor,
            _ => Mark::Fair,
        }
    }
}

/// Streets on islands. A walk that needs one of them is missing: a hundredth is the stray footpath everywhere, from a
/// thirtieth on whole compounds are adrift.
const ISLANDS: Scale = Scale::LessIsBetter(0.01, 0.03);
/// Facilities off the streets. Each is a circle that is missing whole, so that few are too many.
const FACILITIES_OFF: Scale = Scale::LessIsBetter(0.01, 0.05);
/// Children off the streets. Their blocks are gaps with the reason `no_street`, whatever stands beside them.
const CHILDREN_OFF: Scale = Scale::LessIsBetter(0.01, 0.05);
/// Walkable ways that miss nodes. A cut of the extract leaves them along its edge, some hundred in a city of ten
/// thousand ways; more means that the file itself is not whole.
const CUT_WAYS: Scale = Scale::LessIsBetter(0.01, 0.05);
/// Metres of footway for each metre of street, around homes. Extracts at hand: Helsinki 1.6, Karlsruhe 0.5, Monaco and
/// Liechtenstein 0.4 are mapped with their footpaths; Chișinău has 0.2, Porto Alegre 0.10, Nanjing's centre 0.08 and
/// Beijing's Wangjing 0.03 are not.
const FOOTWAYS: Scale = Scale::MoreIsBetter(0.3, 0.1);
/// Children in cells whose footpaths are probably unmapped. A twentieth doesn't move the city's total by more than other
/// errors do; from 15 % on a district's rank may rest on it.
const MARKED_CELLS: Scale = Scale::LessIsBetter(0.05, 0.15);
/// Children in blocks of which only the size of the land is known: there neither their number nor their place is.
const FROM_LAND: Scale = Scale::LessIsBetter(0.1, 0.3);
/// With fewer homes than this for each km of street most homes are missing. Chișinău has 9, Andorra 8, Nanjing's centre 12;
/// an extract of streets alone has next to none.
const LEAST_HOMES_PER_KM: f64 = 1.0;
/// Homes with levels. With most of them the floor area is known, with a fifth the towers at least.
const LEVELS: Scale = Scale::MoreIsBetter(0.6, 0.2);
/// Children in no area: they are in the city's total and in no district's.
const NO_AREA: Scale = Scale::LessIsBetter(0.05, 0.25);
/// Children nearer to the extract's edge than the walk is long. What stands beyond is not in the extract.
const NEAR_EDGE: Scale = Scale::LessIsBetter(0.05, 0.2);

/// What is said on one topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    /// Its stable name.
    pub(super) topic: &'static str,
    pub(super) title: Text,
    pub(super) mark: Mark,
    /// The figure judged: a share from 0 to 1, for `footways` metres per metre.
    pub(super) value: Option<f64>,
    pub(super) scale: Scale,
    /// The figure in words.
    pub(super) figure: Text,
    /// What it does to the gaps.
    pub(super) why: Text,
}

impl Judgement {
    /// The thresholds in words.
    pub(super) fn threshold(&self, lang: Lang) -> String {
        let show = |value: f64| if self.topic == "footways" { format!("{value}") } else { percent(value) };
        match (self.scale, lang) {
            (Scale::LessIsBetter(good, poor), Lang::En) => {
                format!("good up to {}, poor above {}", show(good), show(poor))
            }
            (Scale::LessIsBetter(good, poor), Lang::Zh) => {
                format!("不超过 {} 为好，超过 {} 为差", show(good), show(poor))
            }
            (Scale::MoreIsBetter(good, poor), Lang::En) => {
                format!("good from {}, poor under {}", show(good), show(poor))
            }
            (Scale::MoreIsBetter(good, poor), Lang::Zh) => {
                format!("达到 {} 为好，低于 {} 为差", show(good), show(poor))
            }
        }
    }
}

/// A share as people read it: a little is not nothing, and nearly all is not all.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        return "< 0.1 %".to_owned();
    }
    if percent < 100.0 && percent > 99.9 {
        return "> 99.9 %".to_owned();
    }
    let mut text = format!("{percent:.1}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text.push_str(" %");
    text
}

fn or_dash(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), percent)
}

/// Kilometres of so many metres.
pub(super) fn km(metres: f64) -> String {
    // Of no streets at all the sum is -0.
    let km = metres.abs() / 1_000.0;
    if km < 100.0 { format!("{km:.1}") } else { thousands(km) }
}

/// A count of children: fewer than ten with a decimal, for estimates are no whole numbers.
pub(super) fn heads(children: f64) -> String {
    if children < 9.95 { format!("{:.1}", children.abs()) } else { thousands(children) }
}

impl Findings<'_> {
    /// Every topic, in the order in which a planner meets them.
    pub(super) fn judge(&self) -> Vec<Judgement> {
        let judge = |topic, title: (&str, &str), value, scale: Scale, figure: Text, why: (&str, &str)| Judgement {
            topic,
            title: Text::new(title.0, title.1),
            mark: scale.mark(value),
            value,
            scale,
            figure,
            why: Text::new(why.0, why.1),
        };
        let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let (study, children) = (&self.city.study, &self.children);
        let of_children = |part: f64| children.share(part);
        let (network, streets) = (&self.city.network, &self.city.import.streets);
        let mut out = Vec::new();

        let all_m = network.length_m + network.islands_m();
        let islands = (all_m > 0.0).then(|| network.islands_m() / all_m);
        let (n, island_km) = (network.islands.len(), km(network.islands_m()));
        out.push(judge(
            "islands",
            ("Streets that hang together", "路网连通"),
            islands,
            ISLANDS,
            Text::new(
                format!("{} of all street length lies on islands: {n}, {island_km} km", or_dash(islands)),
                format!("孤立路网占道路总长 {}：{n} 处，{island_km} 公里", or_dash(islands)),
            ),
            (
                "Walks over a set-aside street are missing; homes beside it are tied to the next street farther off.",
                "经过孤立道路的步行路径会缺失，旁边的住宅会改接到更远的道路。",
            ),
        ));

        let cut = (streets.walkable > 0).then(|| streets.cut as f64 / streets.walkable as f64);
        let (cut_ways, missing) = (streets.cut, streets.missing_nodes);
        out.push(judge(
            "cut_ways",
            ("Streets whole in the file", "道路数据完整"),
            cut,
            CUT_WAYS,
            Text::new(
                format!("{} of walkable ways miss nodes: {cut_ways} ways, {missing} nodes", or_dash(cut)),
                format!("{} 的可步行道路缺少节点：{cut_ways} 条，{missing} 个节点", or_dash(cut)),
            ),
            (
                "A way with missing nodes ends or breaks there, and the walk along it with it.",
                "缺少节点的道路在该处中断，步行路径随之中断。",
            ),
        ));

        let (found, off) = (study.facilities().len(), self.off_street_of(Layer::Facility).len());
        let share = ratio(off, found);
        let (snap_m, lost) = (study.snap_m(), if self.city.map_facilities { self.city.import.lost.len() } else { 0 });
        out.push(judge(
            "facilities_off_street",
            ("Facilities on the streets", "机构与道路相接"),
            share,
            FACILITIES_OFF,
            if found + lost == 0 {
                Text::new("there is no facility", "没有托育机构")
            } else {
                Text::new(
                    format!("{off} of {found} facilities stand farther than {snap_m} m from any street; {lost} have no place"),
                    format!("{found} 家机构中 {off} 家距任何道路超过 {snap_m} 米；另有 {lost} 家没有位置"),
                )
            },
            (
                "Nobody reaches such a facility: its whole circle is missing, and the blocks in it look uncovered.",
                "无法步行到达这些机构，其整个服务圈缺失，圈内地块会显示为未覆盖。",
            ),
        ));

        let points = self.off_street_of(Layer::Demand).len();
        let share = of_children(children.off_street);
        out.push(judge(
            "homes_off_street",
            ("Homes on the streets", "住宅与道路相接"),
            share,
            CHILDREN_OFF,
            Text::new(
                format!(
                    "{} of children live farther than {snap_m} m from any street, at {points} points",
                    or_dash(share)
                ),
                format!("{} 的儿童居住在距任何道路超过 {snap_m} 米处：{points} 个点", or_dash(share)),
            ),
            (
                "They count as uncovered (no_street) although a lane may be there that nobody has mapped.",
                "这些儿童计为未覆盖（no_street），但那里可能有尚未绘制的道路。",
            ),
        ));

        let around = self.cells.footways_per_street().or_else(|| self.lengths.footways_per_street());
        let whole = self.lengths.footways_per_street();
        let decimals = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        out.push(judge(
            "footways",
            ("Footpaths on the map", "步行道绘制"),
            around,
            FOOTWAYS,
            Text::new(
                format!(
                    "{} km of footway per km of street around homes ({} in the whole extract)",
                    decimals(around),
                    decimals(whole)
                ),
                format!("住宅周边每公里道路有步行道 {} 公里（全部数据 {}）", decimals(around), decimals(whole)),
            ),
            (
                "Without footpaths walks go round by the road: blocks look farther away than they are, gaps look larger.",
                "缺少步行道时步行路径绕行车道，地块显得更远，缺口偏大。",
            ),
        ));

        out.push(self.judge_cells(judge));

        let edge = self.extent.and(of_children(children.near_edge));
        let walk = self.walk_km();
        out.push(judge(
            "near_edge",
            ("Away from the extract's edge", "远离数据边界"),
            edge,
            NEAR_EDGE,
            Text::new(
                format!("{} of children live within a walk's length ({walk} km) of the edge", or_dash(edge)),
                format!("{} 的儿童居住在距数据边界一次步行距离（{walk} 公里）以内", or_dash(edge)),
            ),
            (
                "Facilities and paths beyond the edge are not in the file; take a larger extract to be sure of gaps there.",
                "边界之外的机构与道路不在数据中；若要确认此处缺口，请使用范围更大的数据。",
            ),
        ));

        let report = &study.demand().report;
        let land = of_children(children.from_land);
        let homes = thousands(report.homes as f64);
        let mut on_the_map = judge(
            "homes",
            ("Homes on the map", "住宅建筑绘制"),
            land,
            FROM_LAND,
            Text::new(
                format!(
                    "{} of children are placed by the size of residential land alone; homes on the map: {homes}",
                    or_dash(land)
                ),
                format!("{} 的儿童仅按居住用地面积推算；地图上住宅 {homes} 栋", or_dash(land)),
            ),
            (
                "Where no home is drawn, walks start from evenly spread points and the number of children is a guess.",
                "未绘制住宅之处，步行从均匀分布的点出发，儿童数只是估计。",
            ),
        );
        let counted =
            study.demand().blocks.iter().any(|b| b.children_from == ChildrenFrom::Given || b.population.is_some());
        if !counted && (report.homes as f64) < LEAST_HOMES_PER_KM * self.lengths.street_m / 1_000.0 {
            on_the_map.mark = Mark::Poor;
            on_the_map.figure.en.push_str(", fewer than one per km of street");
            on_the_map.figure.zh.push_str("，每公里道路不足一栋");
        }
        out.push(on_the_map);

        let levels = ratio(report.homes_with_levels, report.homes);
        out.push(judge(
            "levels",
            ("Storeys of homes", "住宅层数"),
            levels,
            LEVELS,
            Text::new(
                format!("{} of homes tell their storeys; the others count with two", or_dash(levels)),
                format!("{} 的住宅标有层数，其余按两层计", or_dash(levels)),
            ),
            (
                "A tower counted with two storeys holds too few children: gaps among towers look smaller than they are.",
                "高层按两层计则儿童数偏少，高层小区的缺口会被低估。",
            ),
        ));

        let no_area = of_children(children.no_area);
        let clipped = self.city.import.clipped.iter().filter(|_| self.city.map_areas).count();
        let areas = study.areas().all().len();
        out.push(judge(
            "areas",
            ("Boundaries", "行政边界"),
            no_area,
            NO_AREA,
            Text::new(
                format!("{} of children live in no area; areas: {areas}, cut off by the edge: {clipped}", or_dash(no_area)),
                format!("{} 的儿童不属于任何区域；区域 {areas} 个，被边界截断 {clipped} 个", or_dash(no_area)),
            ),
            (
                "They are in the city's total and in no district's; the gaps themselves stay as they are. --areas mends it.",
                "这些儿童计入全市合计而不计入任何区县；缺口本身不受影响，可用 --areas 补充。",
            ),
        ));
        out
    }

    fn judge_cells(
        &self,
        judge: impl Fn(&'static str, (&str, &str), Option<f64>, Scale, Text, (&str, &str)) -> Judgement,
    ) -> Judgement {
        let (marked, children) = self.cells.standing(Standing::Marked);
        let (usual, usual_children) = self.cells.standing(Standing::Usual);
        let (none, none_children) = self.cells.standing(Standing::NoneAround);
        let told = (marked + usual > 0).then_some(children);
        let share = told.and_then(|c| self.children.share(c));
        let figure = if self.cells.compared < LEAST_CELLS {
            let n = self.cells.compared;
            Text::new(
                format!("it can't be told: squares with homes and streets: {n}, at least {LEAST_CELLS} are wanted"),
                format!("无法判断：有住宅和道路的网格仅 {n} 个，至少需要 {LEAST_CELLS} 个"),
            )
        } else if told.is_none() {
            Text::new(
                "it can't be told: hardly any footways in any square".to_owned(),
                "无法判断：各网格几乎都没有步行道".to_owned(),
            )
        } else {
            let (mut en, mut zh) = (
                format!(
                    "paths probably unmapped in {marked} squares with {} children ({})",
                    heads(children),
                    or_dash(share)
                ),
                format!("{marked} 个网格的步行道可能未绘制，涉及儿童 {} 人（{}）", heads(children), or_dash(share)),
            );
            if none > 0 {
                let part = self.children.share(none_children);
                _ = write!(en, "; not told for {none} squares ({}) whose peers have none", or_dash(part));
                _ = write!(zh, "；另有 {none} 个网格（{}）因同类网格也没有而无法判断", or_dash(part));
            }
            Text::new(en, zh)
        };
        // What can't be told for most children is not good.
        let most_told = self.children.all <= 0.0 || children + usual_children >= 0.5 * self.children.all;
        let mut out = judge(
            "footway_cells",
            ("Footpaths evenly mapped", "步行道绘制均匀"),
            share,
            MARKED_CELLS,
            figure,
            (
                "Blocks there may look uncovered though a path exists: look at an aerial photograph before you plan.",
                "这些网格内的地块可能有路却显示为未覆盖：规划前请对照航拍影像。",
            ),
        );
        if out.mark == Mark::Good && !most_told {
            out.mark = Mark::Unknown;
        }
        out
    }

    /// Kilometres of the policy's walk.
    pub(super) fn walk_km(&self) -> String {
        let policy = &self.coverage.policy;
        format!("{:.1}", policy.minutes / 60.0 * policy.profile.speed.kmh())
    }
}

/// How many topics have each mark, the worst first, in words.
pub(super) fn headline(judgements: &[Judgement], lang: Lang) -> String {
    let count = |mark: Mark| judgements.iter().filter(|j| j.mark == mark).count();
    let parts = Mark::ALL.into_iter().filter(|&mark| count(mark) > 0);
    let parts = parts.map(|mark| match lang {
        Lang::En => format!("{} {}", count(mark), mark.name()),
        Lang::Zh => format!("{} {} 项", mark.called(lang), count(mark)),
    });
    parts.collect::<Vec<_>>().join(lang.pick(", ", "，"))
}

/// What may be wrong with the gaps, in one sentence; `None` without gaps.
pub(super) fn doubt(findings: &Findings, lang: Lang) -> Option<String> {
    let gaps = &findings.gaps;
    if gaps.all == 0 {
        return None;
    }
    let (all, any) = (thousands(gaps.all as f64), thousands(gaps.any as f64));
    let share = percent(gaps.any as f64 / gaps.all as f64);
    let (cells, edge, street, cut) = (gaps.marked_cells, gaps.near_edge, gaps.no_street, gaps.cut_off);
    Some(match lang {
        Lang::En => format!(
            "Blocks that are not covered: {all}. Of them {any} ({share}) may be the map's fault: {cells} where paths are \
             probably unmapped, {edge} near the edge, {street} off every street, {cut} cut off."
        ),
        Lang::Zh => format!(
            "{all} 个未完全覆盖的地块中，{any} 个（{share}）可能源于地图：步行道可能未绘制 {cells} 个，靠近数据边界 {edge} \
             个，附近没有道路 {street} 个，路网不相连 {cut} 个。"
        ),
    })
}
