//! The report for people: one page in one language, whole in itself, nothing loaded from anywhere.

use super::cells::{LEAST_CELLS, LEAST_MEDIAN, LEAST_SHORTFALL_M, LEAST_STREET_M, MARKED_UNDER, PEERS, Standing};
use super::findings::{Findings, Layer, OffStreet};
use super::map;
use super::trust::{Judgement, doubt, headline, heads, km, percent};
use crate::check::thousands;
use crate::lang::Lang;
use crate::paper::{Paper, escape, name};
use carecircle_core::geometry::round7;
use carecircle_core::place::PremisesKind;
use carecircle_formats::geojson::ATTRIBUTION;
use std::fmt::{Display, Write as _};

/// So many islands, cells, merged facilities are listed; the JSON report has them all.
const LISTED: usize = 50;

/// So many points off the streets are listed, some 150 bytes each; the JSON report has them all.
const LISTED_POINTS: usize = 5_000;

/// A longer list is folded away.
const FEW: usize = 10;

/// The whole page.
pub(super) fn page(findings: &Findings, judgements: &[Judgement], lang: Lang) -> String {
    Body { paper: Paper::new(lang), findings }.write(judgements).page(&format!("{} · carecircle", findings.city.title))
}

struct Body<'a> {
    paper: Paper,
    findings: &'a Findings<'a>,
}

impl Body<'_> {
    fn write(mut self, judgements: &[Judgement]) -> Paper {
        self.head(judgements);
        table_of(&mut self.paper, judgements);
        self.map();
        self.footways();
        self.points();
        self.islands();
        self.streets();
        self.homes();
        self.places();
        self.file();
        self.paper
    }

    /// Counts with their names, those that are not zero; a word for none.
    fn counts(&mut self, title: (&'static str, &'static str), rows: &[(u64, &'static str, &'static str)]) {
        _ = writeln!(self.paper.out, "<div><h3>{}</h3>", self.paper.say(title.0, title.1));
        let rows: Vec<Vec<String>> = rows
            .iter()
            .filter(|(n, ..)| *n > 0)
            .map(|(n, en, zh)| vec![self.paper.say(en, zh).to_owned(), thousands(*n as f64)])
            .collect();
        if rows.is_empty() {
            _ = writeln!(self.paper.out, "<p class=\"soft\">{}</p></div>", self.paper.say("none", "无"));
            return;
        }
        let head = [self.paper.say("what", "项目"), self.paper.say("count", "数量")];
        self.paper.table("narrow", &head, 1, rows.into_iter());
        self.paper.out.push_str("</div>\n");
    }

    /// That a list was cut.
    fn cut(&mut self, all: usize, listed: usize) {
        if all > listed {
            let more = all - listed;
            _ = writeln!(
                self.paper.out,
                "<p class=\"soft\">{}</p>",
                match self.paper.lang {
                    Lang::En => format!("{more} more are in the JSON report (--report R.json)."),
                    Lang::Zh => format!("另有 {more} 项，完整列表见 JSON 报告（--report R.json）。"),
                }
            );
        }
    }

    fn head(&mut self, judgements: &[Judgement]) {
        let findings = self.findings;
        let city = findings.city;
        let title = name(Some(&city.title));
        let policy = &findings.coverage.policy;
        _ = writeln!(
            self.paper.out,
            "<h1>{}</h1>",
            match self.paper.lang {
                Lang::En => format!("{title}: how far can this map be trusted?"),
                Lang::Zh => format!("{title}：这份地图有多可信？"),
            }
        );
        let date = city.extract_date.as_deref().and_then(|d| d.get(..10));
        let date = match (date, self.paper.lang) {
            (Some(date), Lang::En) => format!("Extract of {date}"),
            (Some(date), Lang::Zh) => format!("数据日期 {date}"),
            (None, Lang::En) => "Extract of unknown date".to_owned(),
            (None, Lang::Zh) => "数据日期不详".to_owned(),
        };
        let extent = findings.extent.map(|e| {
            let (low, high) = (e.south_west, e.north_east);
            format!("{:.4}, {:.4} – {:.4}, {:.4}", low.lon(), low.lat(), high.lon(), high.lat())
        });
        let extent = extent.unwrap_or_else(|| "-".to_owned());
        let (snap_m, island_m) = (city.study.snap_m(), city.study.network().options().island_m);
        let (minutes, speed) = (policy.minutes, policy.profile.speed.kmh());
        let (profile, policy) = (escape(&policy.profile.name), escape(&policy.name));
        _ = writeln!(
            self.paper.out,
            "<p class=\"about\">{}<br>{}</p>",
            match self.paper.lang {
                Lang::En => format!("{date}, {extent}. {ATTRIBUTION}."),
                Lang::Zh => format!("{date}，范围 {extent}。{ATTRIBUTION}"),
            },
            match self.paper.lang {
                Lang::En => format!(
                    "Gaps by policy {policy}: {minutes} minutes, profile {profile} at {speed} km/h. Points snap within \
                     {snap_m} m; connected streets under {island_m} m are islands."
                ),
                Lang::Zh => format!(
                    "缺口按政策 {policy} 计算：{minutes} 分钟，步行方式 {profile}，{speed} 公里/小时。点距道路 {snap_m} \
                     米以内相接；总长不足 {island_m} 米的相连道路视为孤立路网。"
                ),
            }
        );
        let headline = headline(judgements, self.paper.lang);
        let doubt = doubt(findings, self.paper.lang);
        let doubt = doubt.unwrap_or_else(|| self.paper.say("There are no gaps.", "没有缺口。").to_owned());
        let doubt = escape(&doubt);
        _ = writeln!(self.paper.out, "<p class=\"doubt\"><strong>{headline}.</strong> {doubt}</p>");
    }

    fn map(&mut self) {
        let Some(map) = map::draw(self.findings, self.paper.lang) else {
            self.paper
                .paragraph("The extract has no walkable street.".to_owned(), "数据中没有可步行的道路。".to_owned());
            return;
        };
        self.paper.heading("Map", "地图");
        let legend = [
            ("street", "streets", "道路"),
            ("footway", "footways, paths, steps", "步行道、小径、台阶"),
            ("extent", "the extract's edge", "数据边界"),
            ("cell", "footpaths probably unmapped", "步行道可能未绘制"),
            ("island", "streets set aside", "孤立路网"),
            ("off", "homes off the streets", "远离道路的住宅"),
            ("facility-off", "facilities off the streets", "远离道路的机构"),
            ("facility", "facilities", "托育机构"),
        ];
        self.paper.out.push_str("<figure>\n<ul class=\"legend\">");
        for (class, en, zh) in legend {
            _ = write!(self.paper.out, "<li><i class=\"{class}\"></i>{}</li>", self.paper.say(en, zh));
        }
        self.paper.out.push_str("</ul>\n");
        self.paper.out.push_str(&map.svg);
        let mut caption = self
            .paper
            .say("North is up. Rest the pointer on a mark to read it.", "上方为北。将光标停在标记上可查看说明。")
            .to_owned();
        if map.coarse {
            caption.push_str(self.paper.say(" Streets are drawn coarsely.", "道路为粗略绘制。"));
        }
        if map.not_shown > 0 {
            _ = match self.paper.lang {
                Lang::En => write!(caption, " Islands and points not on the map: {}.", map.not_shown),
                Lang::Zh => write!(caption, "未绘于图上的孤立路网与点：{} 个。", map.not_shown),
            };
        }
        _ = writeln!(self.paper.out, "<figcaption>{caption}</figcaption></figure>");
    }

    fn footways(&mut self) {
        self.paper.heading("Where footpaths are probably unmapped", "步行道可能未绘制之处");
        let cells = &self.findings.cells;
        let third = (1.0 / MARKED_UNDER).round();
        let per_km = LEAST_MEDIAN * 1_000.0;
        self.paper.paragraph(
            format!(
                "Every square of about 1 km with homes is held against the {} squares where about as many children live. \
                 It is marked when it has less than 1/{third} of their middle (median) of footway per street, and lacks \
                 {LEAST_SHORTFALL_M} m or more to it. Squares with less than {LEAST_STREET_M} m of street are not \
                 compared; nor are those whose peers have under {per_km} m per km either, or fewer than {LEAST_CELLS} \
                 squares in all. A mark is a hint, not a finding: an industrial estate or a new road may have no paths, \
                 and where pavements are tags of the street, not ways of their own, nothing is missing.",
                PEERS - 1
            ),
            format!(
                "每个有住宅的约 1 公里网格，与儿童数最接近的 {} 个网格比较。步行道与道路之比低于其中位数的 1/{third} \
                 且缺少 {LEAST_SHORTFALL_M} 米以上时予以标记。道路不足 {LEAST_STREET_M} 米的网格不参与比较；同类网格每公里道路不足 \
                 {per_km} 米步行道，或可比网格不足 {LEAST_CELLS} 个时，不作判断。标记只是提示：工业区或新建道路可能本无步行道；\
                 若人行道以道路属性而非单独路线绘制，则并无缺失。",
                PEERS - 1
            ),
        );
        if let Some(s) = cells.spread {
            let n = cells.compared;
            let (least, quarter, median) = (s.least, s.quarter, s.median);
            let (three, most) = (s.three_quarters, s.most);
            self.paper.paragraph(
                format!(
                    "Kilometres of footway per km of street over the {n} squares compared: median {median:.2}; the middle \
                     half of them from {quarter:.2} to {three:.2}, all from {least:.2} to {most:.2}."
                ),
                format!(
                    "参与比较的 {n} 个网格，每公里道路的步行道公里数：中位数 {median:.2}，中间一半为 {quarter:.2} 至 \
                     {three:.2}，全部为 {least:.2} 至 {most:.2}。"
                ),
            );
        }
        let standings = [
            (Standing::Marked, "paths probably unmapped", "步行道可能未绘制"),
            (Standing::Usual, "as usual among their peers", "与同类网格相当"),
            (
                Standing::NoneAround,
                "not told: hardly any footways among their peers",
                "无法判断：同类网格几乎没有步行道",
            ),
            (Standing::FewCells, "not told: too few squares", "无法判断：网格过少"),
            (Standing::LittleStreet, "not compared: too little street", "未比较：道路过少"),
        ];
        let rows: Vec<Vec<String>> = standings
            .into_iter()
            .map(|(standing, en, zh)| (cells.standing(standing), self.paper.say(en, zh)))
            .filter(|((n, _), _)| *n > 0)
            .map(|((n, children), what)| vec![what.to_owned(), n.to_string(), heads(children)])
            .collect();
        let head =
            [self.paper.say("squares", "网格"), self.paper.say("count", "数量"), self.paper.say("children", "儿童")];
        self.paper.table("narrow", &head, 1, rows.into_iter());

        let marked = cells.marked();
        if marked.is_empty() {
            return;
        }
        _ = writeln!(
            self.paper.out,
            "<h3>{}</h3>",
            self.paper.say("Marked, most children first", "已标记（按儿童数排列）")
        );
        let head = [
            self.paper.say("square", "网格"),
            self.paper.say("middle: longitude, latitude", "中心经纬度"),
            self.paper.say("children", "儿童"),
            self.paper.say("footways, km", "步行道（公里）"),
            self.paper.say("streets, km", "道路（公里）"),
            self.paper.say("per km", "每公里"),
            self.paper.say("its peers", "同类网格"),
        ];
        let rows = marked.iter().take(LISTED).map(|cell| {
            let b = cells.grid.bounds(cell.tile);
            let middle = (f64::midpoint(b.min().x, b.max().x), f64::midpoint(b.min().y, b.max().y));
            vec![
                cells.id(cell),
                format!("{:.5}, {:.5}", middle.0, middle.1),
                heads(cell.children),
                format!("{:.2}", cell.footway_m / 1_000.0),
                format!("{:.1}", cell.street_m / 1_000.0),
                format!("{:.2}", cell.ratio().unwrap_or(0.0)),
                format!("{:.2}", cell.expected.unwrap_or(0.0)),
            ]
        });
        self.paper.table("", &head, 2, rows);
        self.cut(marked.len(), LISTED);
    }

    fn points(&mut self) {
        self.paper.heading("Points off the streets", "远离道路的点");
        let findings = self.findings;
        let facilities = findings.off_street_of(Layer::Facility);
        let homes = findings.off_street_of(Layer::Demand);
        let (n, m, snap_m) = (facilities.len(), homes.len(), findings.city.study.snap_m());
        let children = heads(findings.children.off_street);
        self.paper.paragraph(
            format!(
                "Farther than {snap_m} m from any street of the network: {n} facilities and {m} points where people live, \
                 with {children} children. A street that was set aside as an island doesn't count."
            ),
            format!(
                "距路网任何道路超过 {snap_m} 米：机构 {n} 家，居住点 {m} 个（儿童 {children} 人）。孤立路网不计入。"
            ),
        );
        let place = |p: &OffStreet| {
            [
                p.street_m.map_or_else(|| "∞".to_owned(), |m| format!("{m:.1}")),
                format!("{:.7}", p.lon),
                format!("{:.7}", p.lat),
            ]
        };
        let to_street = self.paper.say("metres to the nearest street", "距最近道路（米）");
        let (lon, lat) = (self.paper.say("longitude", "经度"), self.paper.say("latitude", "纬度"));
        if n > 0 {
            let head = [self.paper.say("facility", "机构"), self.paper.say("name", "名称"), to_street, lon, lat];
            let rows = facilities.iter().take(LISTED_POINTS);
            let rows = rows.map(|p| [vec![escape(p.id), name(p.name)], place(p).to_vec()].concat());
            self.paper.table("", &head, 2, rows);
            self.cut(n, LISTED_POINTS);
        }
        if m > 0 {
            let head = [
                self.paper.say("block", "地块"),
                self.paper.say("name", "名称"),
                to_street,
                lon,
                lat,
                self.paper.say("children", "儿童"),
            ];
            let rows = homes.iter().take(LISTED_POINTS).map(|p| {
                let children = format!("{:.2}", p.children.unwrap_or(0.0));
                [vec![escape(p.id), name(p.name)], place(p).to_vec(), vec![children]].concat()
            });
            let long = m > FEW;
            if long {
                _ = writeln!(
                    self.paper.out,
                    "<details><summary>{} ({m})</summary>",
                    self.paper.say("The points where people live, farthest first", "居住点（由远及近）")
                );
            }
            self.paper.table("", &head, 2, rows);
            self.cut(m, LISTED_POINTS);
            if long {
                self.paper.out.push_str("</details>\n");
            }
        }
    }

    fn islands(&mut self) {
        self.paper.heading("Streets set aside", "孤立路网");
        let city = self.findings.city;
        let (islands, projection) = (&city.network.islands, city.study.network().projection());
        let (n, all, components) = (islands.len(), km(city.network.islands_m()), city.network.components);
        let island_m = city.study.network().options().island_m;
        self.paper.paragraph(
            format!(
                "{n} groups of streets, {all} km in all, hang together with no others and are shorter than {island_m} m \
                 each: no point snaps to them. Mostly a footpath was drawn without its link to the street. Kept are \
                 {components} groups; between two of them nobody walks."
            ),
            format!(
                "{n} 处道路（共 {all} 公里）与其他道路不相连且每处不足 {island_m} \
                 米，不与任何点相接，多为绘制步行道时未与道路连接。保留 {components} 组路网，各组之间不能步行往来。"
            ),
        );
        if n == 0 {
            return;
        }
        let head = [
            self.paper.say("way (OpenStreetMap)", "道路（OpenStreetMap）"),
            self.paper.say("metres", "长度（米）"),
            self.paper.say("longitude", "经度"),
            self.paper.say("latitude", "纬度"),
        ];
        let rows = islands.iter().take(LISTED).map(|island| {
            let (lon, lat) = projection.unproject(island.at);
            vec![
                island.way.to_string(),
                thousands(island.length_m),
                format!("{:.7}", round7(lon)),
                format!("{:.7}", round7(lat)),
            ]
        });
        let long = n > FEW;
        if long {
            _ = writeln!(self.paper.out, "<details><summary>{}</summary>", self.paper.say("The longest", "最长的"));
        }
        self.paper.table("narrow", &head, 1, rows);
        self.cut(n, LISTED);
        if long {
            self.paper.out.push_str("</details>\n");
        }
    }

    fn streets(&mut self) {
        self.paper.heading("Streets", "道路");
        let lengths = &self.findings.lengths;
        let all_m = lengths.footway_m + lengths.steps_m + lengths.lift_m + lengths.street_m;
        let of_all = |m: f64| if all_m > 0.0 { escape(&percent(m / all_m)) } else { "-".to_owned() };
        let rows: Vec<Vec<String>> = [
            (lengths.footway_m, "footways, paths, pedestrian streets", "步行道、小径、步行街"),
            (lengths.steps_m, "steps", "台阶"),
            (lengths.lift_m, "lifts", "电梯"),
            (lengths.street_m, "streets and roads", "街道与车行道"),
            (all_m, "<strong>all on foot</strong>", "<strong>步行合计</strong>"),
            (lengths.destination_only_m, "of them private, for residents or customers", "其中：私有、仅限居民或顾客"),
            (lengths.one_way_m, "of them one-way on foot", "其中：步行单向"),
        ]
        .into_iter()
        .map(|(m, en, zh)| vec![self.paper.say(en, zh).to_owned(), km(m), of_all(m)])
        .chain([vec![self.paper.say("ferries", "渡轮").to_owned(), km(lengths.ferry_m), String::new()]])
        .collect();
        self.paper.out.push_str("<div class=\"two\"><div>");
        let head =
            [self.paper.say("walkable", "可步行"), self.paper.say("km", "公里"), self.paper.say("share", "占比")];
        self.paper.table("narrow", &head, 1, rows.into_iter());
        self.paper.out.push_str("</div>\n");
        let s = &self.findings.city.import.streets;
        self.counts(
            ("Ways left out, and why", "未采用的道路及原因"),
            &[
                (s.closed_to_foot, "closed to people on foot", "禁止步行"),
                (s.motorways, "motorways", "高速公路"),
                (s.use_sidepath, "with a path beside them to walk on", "须走旁侧步道"),
                (s.squares_lost, "squares that are not whole in the file", "数据中不完整的广场"),
                (s.motorroads, "motorroads", "汽车专用道路"),
                (s.not_built, "under construction or proposed", "在建或规划"),
                (s.other_highways, "other kinds of highway", "其他类型"),
                (s.ferries_without_duration, "ferries without a duration", "没有航行时间的渡轮"),
                (s.too_short, "fewer than two places in the file", "数据中不足两个节点"),
                (self.findings.city.network.degenerate_ways as u64, "one place only", "仅有一个位置"),
            ],
        );
        self.counts(
            ("Ways that are walked, but note", "已采用但需注意的道路"),
            &[
                (s.walkable, "walkable ways in all", "可步行道路总数"),
                (s.ferries, "ferries", "渡轮"),
                (s.destination_only, "private, for residents or customers", "私有、仅限居民或顾客"),
                (s.conditional, "open at times (taken as open)", "限时开放（按开放计）"),
                (s.one_way, "one-way on foot", "步行单向"),
                (s.squares, "squares, crossed straight", "可直接穿行的广场"),
                (s.sidewalks_apart, "with sidewalks drawn beside them", "人行道另行绘制"),
                (s.cut, "cut or shortened by missing nodes", "因缺少节点而截断或缩短"),
                (s.missing_nodes, "missing nodes", "缺少的节点"),
            ],
        );
        let spots = self.findings.city.import.spots;
        self.counts(
            ("What stands on streets", "道路上的设施"),
            &[
                (spots.private_gates, "gates for residents and visitors", "仅限居民或访客的大门"),
                (spots.closed_gates, "closed gates", "关闭的大门"),
                (spots.walls, "walls and fences across a street", "横断道路的围墙或栅栏"),
                (spots.conditional, "open at times (taken as without that)", "限时开放（不计限时）"),
                (spots.raised_kerbs, "raised kerbs", "高路缘"),
                (spots.signals, "crossings with traffic lights", "有信号灯的过街处"),
                (spots.lifts, "lifts", "电梯"),
            ],
        );
        self.paper.out.push_str("</div>\n");
    }

    fn homes(&mut self) {
        self.paper.heading("Homes and residential land", "住宅与居住用地");
        let r = &self.findings.city.study.demand().report;
        self.paper.out.push_str("<div class=\"two\">");
        self.counts(
            ("Buildings", "建筑"),
            &[
                (r.homes as u64, "homes", "住宅"),
                (r.homes_with_levels as u64, "of them with storeys", "其中标有层数"),
                (r.homes_certain as u64, "of them called homes by the map", "其中地图标明为住宅"),
                (
                    (r.homes - r.homes_certain) as u64,
                    "of them taken for homes: nothing says otherwise",
                    "其中推定为住宅",
                ),
                (
                    r.homes_in_cells as u64,
                    "of them outside every block, gathered in cells",
                    "其中不在任何地块内，按网格归并",
                ),
                (r.not_homes as u64, "taken for no homes because of the land they stand on", "因所在用地而不作住宅"),
            ],
        );
        self.counts(
            ("Residential land", "居住用地"),
            &[
                (r.polygons_cut as u64, "polygons cut into blocks", "切分为地块的多边形"),
                (r.empty_pieces as u64, "left out: nobody lives there", "未采用：无人居住"),
                (r.beyond_extract as u64, "left out: beyond the extract", "未采用：超出数据范围"),
                (r.polygons_too_large as u64, "left out: larger than any city", "未采用：面积过大"),
            ],
        );
        self.paper.out.push_str("</div>\n");
    }

    fn places(&mut self) {
        let city = self.findings.city;
        self.paper.heading("Boundaries, facilities, shapes", "边界、机构与图形");
        let clipped: Vec<_> = city.import.clipped.iter().filter(|_| city.map_areas).collect();
        if !clipped.is_empty() {
            let list = clipped.iter().map(|c| format!("{} {}", escape(&c.id), name(c.name.as_deref())));
            let list = list.collect::<Vec<_>>().join(self.paper.say(", ", "、"));
            self.paper.paragraph(
                format!("Boundaries cut off at the extract's edge and left out: {list}."),
                format!("被数据范围截断而未采用的行政边界：{list}。"),
            );
        }
        let lost: Vec<_> = city.import.lost.iter().filter(|_| city.map_facilities).collect();
        if !lost.is_empty() {
            let list = lost.iter().map(|l| format!("{} {}", escape(&l.id), name(l.name.as_deref())));
            let list = list.collect::<Vec<_>>().join(self.paper.say(", ", "、"));
            self.paper.paragraph(
                format!("Facilities without any place in the extract: {list}."),
                format!("数据中没有位置的机构：{list}。"),
            );
        }
        let merged: Vec<_> = city.import.merged.iter().filter(|_| city.map_facilities).collect();
        if !merged.is_empty() {
            let n = merged.len();
            _ = writeln!(
                self.paper.out,
                "<details><summary>{}</summary>",
                match self.paper.lang {
                    Lang::En => format!("Facilities drawn twice and counted once: {n}"),
                    Lang::Zh => format!("重复绘制、只计一次的机构：{n} 处"),
                }
            );
            let head = [
                self.paper.say("left out", "略去"),
                self.paper.say("name", "名称"),
                self.paper.say("kept", "保留"),
                self.paper.say("why", "原因"),
            ];
            let rows = merged
                .iter()
                .map(|m| vec![escape(&m.dropped), name(m.name.as_deref()), escape(&m.kept), escape(m.reason)]);
            self.paper.table("", &head, 4, rows);
            self.paper.out.push_str("</details>\n");
        }
        self.paper.out.push_str("<div class=\"two\">");
        let of_kind = |kind| city.study.premises_of(kind).count() as u64;
        let premises = city.import.premises;
        self.counts(
            ("Premises that a nursery could be put into", "可改建为托育机构的场所"),
            &[
                (of_kind(PremisesKind::FormerKindergarten), "former kindergartens", "停用的幼儿园"),
                (of_kind(PremisesKind::School), "schools", "学校"),
                (of_kind(PremisesKind::CommunityCentre), "community centres", "社区中心"),
                (of_kind(PremisesKind::PublicBuilding), "public buildings", "公共建筑"),
                (premises.merged, "drawn twice, counted once", "重复绘制，只计一次"),
                (premises.lost, "without any place in the extract, not counted", "数据中没有位置，未计入"),
            ],
        );
        let p = &city.import.polygons;
        self.counts(
            ("Shapes of facilities, land, buildings and areas", "机构、用地、建筑与区域的图形"),
            &[
                (p.unclosed, "not closed", "未闭合"),
                (p.missing_nodes, "nodes missing", "缺少节点"),
                (p.missing_members, "member ways missing", "缺少成员道路"),
                (p.open_rings, "rings that don't close", "环未闭合"),
                (p.stray_holes, "holes outside their outline", "洞位于轮廓之外"),
                (p.degenerate, "without any area", "没有面积"),
                (p.not_assembled, "relations without a shape", "未能组成图形的关系"),
                (p.tangled, "too tangled to mend", "交叉过多无法修复"),
                (p.mended, "crossing themselves, mended", "自相交，已修复"),
                (p.repeated, "outline tagged like its relation, counted once", "轮廓与关系重复，只计一次"),
            ],
        );
        self.paper.out.push_str("</div>\n");
    }

    fn file(&mut self) {
        self.paper.heading("The file", "数据文件");
        let city = self.findings.city;
        let i = &city.import;
        self.paper.out.push_str("<div class=\"two\">");
        self.counts(
            ("Elements", "要素"),
            &[(i.nodes, "nodes", "节点"), (i.ways, "ways", "道路与线"), (i.relations, "relations", "关系")],
        );
        self.counts(
            ("Faults", "错误"),
            &[
                (i.duplicate_ids, "ids that stood earlier in the file", "重复的编号"),
                (i.bad_coordinates, "coordinates outside the earth", "坐标超出范围"),
                (u64::from(i.unsorted), "elements out of order", "要素未排序"),
            ],
        );
        self.paper.out.push_str("</div>\n");
        for rejected in &city.rejected {
            let (table, rows): (_, &dyn Display) = (escape(&rejected.table.name()), &rejected.rejects.len());
            self.paper.paragraph(
                format!("{table}: {rows} rows that can't be used."),
                format!("{table}：{rows} 行无法使用。"),
            );
        }
    }
}

/// The judgements, a row for each topic.
pub(super) fn table_of(paper: &mut Paper, judgements: &[Judgement]) {
    let lang = paper.lang;
    let head = [
        paper.say("topic", "项目"),
        paper.say("mark", "评价"),
        paper.say("what was found, and why it matters", "情况与影响"),
    ];
    let rows = judgements.iter().map(|j| {
        vec![
            format!("<span class=\"topic\">{}</span>", j.title.pick(lang)),
            format!("<span class=\"mark {}\">{}</span>", j.mark.name(), j.mark.called(lang)),
            format!(
                "{}<br><span class=\"soft\">{} ({})</span>",
                capital(&escape(j.figure.pick(lang))),
                j.why.pick(lang),
                escape(&j.threshold(lang))
            ),
        ]
    });
    paper.table("judgements", &head, 3, rows);
}

/// A sentence's first letter.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
