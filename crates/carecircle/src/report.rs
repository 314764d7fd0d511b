//! `carecircle report`: one page about a city for those who decide, to be read on a screen or printed.

mod map;

use crate::check::{area_rows, reason_name, thousands};
use crate::import::write_trust;
use crate::inputs::{City, Inputs, Rejected, describe, tell_rejects};
use crate::lang::Lang;
use crate::output::write_whole;
use crate::paper::{Paper, escape, name};
use crate::timings::Timings;
use crate::{bad_input, card, output};
use anyhow::Result;
use carecircle_core::coverage::{BlockStatus, Coverage};
use carecircle_core::demand::{Block, ChildrenFrom, Outline};
use carecircle_core::geometry::Point;
use carecircle_core::indicators::ScoreCard;
use carecircle_core::polygon;
use carecircle_core::time::WalkTime;
use carecircle_formats::geojson::ATTRIBUTION;
use carecircle_formats::remark;
use carecircle_formats::table::Remark;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Where the page goes (.html)
    #[arg(short, long, value_name = "OUT.html")]
    output: PathBuf,
}

impl Report {
    pub(crate) fn run(&self) -> Result<()> {
        let mut timings = Timings::start();
        let lang = self.inputs.lang();
        let out = self.output.as_path();
        let ending = out.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        if !["html", "htm"].contains(&ending.as_str()) {
            let out = out.display();
            return Err(bad_input(remark!("-o {out}: the name must end in .html", "-o {out}：文件名应以 .html 结尾")));
        }
        self.inputs.refuse_to_overwrite("-o", out)?;
        self.inputs.refuse_timings(std::slice::from_ref(&self.output))?;
        let policy = self.inputs.policy()?;
        let city = self.inputs.load(&mut timings)?;
        let coverage = city.study.check(&policy);
        timings.stage("check");
        tell_rejects(&city.rejected, lang);
        let gaps = Gap::all(&city, &coverage);
        let (n, page) = (gaps.len(), page(&city, &coverage, gaps, lang));
        write_whole(out, |file| Ok(file.write_all(page.as_bytes())?))?;
        timings.stage("write");
        let children = coverage.total.children - coverage.total.covered;
        let (lost, name) = (thousands(children), out.display());
        writeln!(
            io::stdout().lock(),
            "{}",
            match lang {
                Lang::En => format!("{name}: {n} gaps, {lost} children outside the circle"),
                Lang::Zh => format!("{name}：缺口 {n} 处，圈外儿童 {lost} 人"),
            }
        )?;
        if let Some(path) = &self.inputs.timings {
            output::write_whole(path, |out| Ok(writeln!(out, "{:#}", timings.to_json())?))?;
        }
        Ok(())
    }
}

/// So many gaps are listed, and so many of them bear their number on the map.
const LISTED: usize = 50;

/// A block that is not covered.
struct Gap<'a> {
    index: usize,
    block: &'a Block,
    /// Its children outside the circle.
    children: f64,
    /// A point inside, on the plan.
    at: Option<Point>,
}

impl<'a> Gap<'a> {
    /// All gaps, those of most children first.
    fn all(city: &'a City, coverage: &Coverage) -> Vec<Self> {
        let blocks = city.study.demand().blocks.iter().zip(&coverage.verdicts).enumerate();
        let gaps = blocks.filter(|(_, (_, verdict))| verdict.status != BlockStatus::Covered);
        let mut out: Vec<Self> = gaps
            .map(|(index, (block, verdict))| {
                let at = match &block.outline {
                    Outline::Point(at) => Some(*at),
                    Outline::Shape(shape) => polygon::point_inside(shape),
                };
                Self { index, block, children: block.children * (1.0 - verdict.covered_share), at }
            })
            .collect();
        out.sort_by(|a, b| b.children.total_cmp(&a.children).then(a.index.cmp(&b.index)));
        out
    }
}

fn page(city: &City, coverage: &Coverage, gaps: Vec<Gap>, lang: Lang) -> String {
    let mut body = Body { paper: Paper::new(lang), city, coverage, gaps };
    body.head();
    body.card();
    body.areas();
    body.verdicts();
    body.gaps();
    body.method();
    body.quality();
    let title = format!("{} · {}", city.title, lang.pick("childcare within a walk", "托育服务圈"));
    body.paper.page(&title)
}

struct Body<'a> {
    paper: Paper,
    city: &'a City,
    coverage: &'a Coverage,
    gaps: Vec<Gap<'a>>,
}

impl Body<'_> {
    fn head(&mut self) {
        let (city, total, policy) = (self.city, &self.coverage.total, &self.coverage.policy);
        let (minutes, speed) = (policy.minutes, policy.profile.speed.kmh());
        let (profile, policy) = (escape(&policy.profile.name), escape(&policy.name));
        let title = name(Some(&city.title));
        let paper = &mut self.paper;
        _ = writeln!(
            paper.out,
            "<h1>{}</h1>",
            match paper.lang {
                Lang::En => format!("{title}: childcare within {minutes} minutes' walk"),
                Lang::Zh => format!("{title}：{minutes} 分钟托育服务圈"),
            }
        );
        let date = city.extract_date.as_deref().and_then(|d| d.get(..10));
        _ = writeln!(
            paper.out,
            "<p class=\"about\">{}</p>",
            match paper.lang {
                Lang::En => format!(
                    "Map of {}. {ATTRIBUTION}. {minutes} minutes at {speed} km/h, profile {profile}, policy {policy}.",
                    date.unwrap_or("unknown date")
                ),
                Lang::Zh => format!(
                    "地图日期 {}。{ATTRIBUTION}。步行 {minutes} 分钟，{speed} 公里/小时，步行方式 {profile}，政策 {policy}。",
                    date.unwrap_or("不详")
                ),
            }
        );
        let share = total.covered_share().map_or_else(|| "-".to_owned(), |s| format!("{:.1} %", s * 100.0));
        let (inside, all) = (thousands(total.covered), thousands(total.children));
        let outside = thousands(total.children - total.covered);
        let in_gaps = thousands(self.gaps.iter().map(|gap| gap.children).sum());
        let (gaps, blocks, counted, found) = (self.gaps.len(), total.blocks, total.eligible, total.facilities);
        paper.summary(
            format!(
                "<strong>{share} of children under three live inside the circle</strong>: {inside} of {all}. Outside it \
                 live {outside}, {in_gaps} of them in {gaps} of {blocks} residential blocks that are gaps. Facilities that \
                 count: {counted} of {found}."
            ),
            format!(
                "<strong>{share} 的 3 岁以下婴幼儿住在服务圈内</strong>：{all} 人中 {inside} 人。圈外 {outside} 人，其中 {in_gaps} 人住在 \
                 {gaps} 个缺口地块内（共 {blocks} 个居住地块）。计入机构 {counted} 家（共 {found} 家）。"
            ),
        );
    }

    fn card(&mut self) {
        self.paper.heading("Score card", "评分表");
        let source = &self.coverage.policy.source;
        if !source.is_empty() {
            self.paper.paragraph(escape(source), escape(source));
        }
        card::write_part(&mut self.paper, &ScoreCard::new(&self.city.study, self.coverage));
    }

    fn areas(&mut self) {
        self.paper.heading("Area by area", "各区域");
        let mut rows = area_rows(self.city, self.coverage, self.paper.lang).into_iter();
        let Some((_, head)) = rows.next() else { return };
        let rows = rows.map(|(depth, row)| {
            let indent = format!("<span style=\"padding-left:{}em\"></span>", depth * 2);
            let mut cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
            cells[0] = format!("{indent}<bdi>{}</bdi>", cells[0]);
            cells
        });
        self.paper.table("", &head.each_ref().map(String::as_str), 2, rows);
    }

    fn verdicts(&mut self) {
        let Some(maps) = map::Maps::draw(self.city, self.coverage, &self.gaps, self.paper.lang) else { return };
        self.paper.heading("Which blocks lie inside", "地块覆盖情况");
        self.figure(
            &[
                ("covered", "covered", "已覆盖"),
                ("partial", "in part", "部分覆盖"),
                ("uncovered", "outside", "未覆盖"),
                ("facility", "facility that counts", "计入的机构"),
                ("not-counted", "facility that doesn't", "不计入的机构"),
                ("border", "areas", "区域边界"),
            ],
            &maps.verdicts,
            ("North is up.", "上方为北。"),
        );
        self.paper.heading("Where children live outside", "圈外儿童分布");
        self.figure(
            &[("lost", "children outside the circle, by the size of the disc", "圈外儿童（圆面积表示人数）")],
            &maps.children,
            (
                "The numbers are those of the list below. Rest the pointer on a disc to read it.",
                "编号与下表一致。将光标停在圆上可查看说明。",
            ),
        );
    }

    fn figure(
        &mut self,
        legend: &[(&str, &'static str, &'static str)],
        svg: &str,
        caption: (&'static str, &'static str),
    ) {
        let paper = &mut self.paper;
        paper.out.push_str("<figure>\n<ul class=\"legend\">");
        for (class, en, zh) in legend {
            let text = paper.say(en, zh);
            _ = write!(paper.out, "<li><i class=\"{class}\"></i>{text}</li>");
        }
        let caption = paper.say(caption.0, caption.1);
        _ = writeln!(paper.out, "</ul>\n{svg}<figcaption>{caption}</figcaption></figure>");
    }

    fn gaps(&mut self) {
        let (city, coverage, lang) = (self.city, self.coverage, self.paper.lang);
        self.paper.heading("The gaps, by children affected", "缺口（按受影响儿童数排列）");
        if self.gaps.is_empty() {
            self.paper.paragraph("Every block is covered.".to_owned(), "所有地块均已覆盖。".to_owned());
            return;
        }
        let paper = &self.paper;
        let head = [
            paper.say("no.", "序号"),
            paper.say("block", "地块"),
            paper.say("area", "区域"),
            paper.say("why", "原因"),
            paper.say("nearest facility", "最近机构"),
            paper.say("longitude, latitude", "经纬度"),
            paper.say("minutes", "步行分钟"),
            paper.say("children outside", "圈外儿童"),
            paper.say("of", "儿童总数"),
        ];
        let rows: Vec<Vec<String>> = self
            .gaps
            .iter()
            .take(LISTED)
            .enumerate()
            .map(|(i, gap)| {
                let verdict = &coverage.verdicts[gap.index];
                let facility = verdict.nearest.map(|n| &city.study.facilities()[n].facility);
                let area = gap.block.area.map(|a| &city.study.areas().all()[a]);
                let at = gap.at.map(|at| city.study.network().projection().unproject(at));
                let named = |id: &str, own: Option<&str>| match own {
                    Some(own) => format!("{} <span class=\"soft id\">{}</span>", name(Some(own)), escape(id)),
                    None => format!("<span class=\"id\">{}</span>", escape(id)),
                };
                vec![
                    (i + 1).to_string(),
                    named(&gap.block.id, gap.block.name.as_deref()),
                    area.map(|a| name(Some(a.name.as_ref().unwrap_or(&a.id)))).unwrap_or_default(),
                    verdict.reason.map_or("", |reason| reason_name(reason, lang)).replace('_', " "),
                    facility.map(|f| named(&f.id, f.name.as_deref())).unwrap_or_default(),
                    at.map(|(lon, lat)| format!("<span class=\"id\">{lon:.5}, {lat:.5}</span>")).unwrap_or_default(),
                    verdict.time.and_then(WalkTime::minutes).map_or_else(|| "-".to_owned(), |m| format!("{m:.1}")),
                    format!("{:.1}", gap.children),
                    format!("{:.1}", gap.block.children),
                ]
            })
            .collect();
        self.paper.table("", &head, 6, rows.into_iter());
        if self.gaps.len() > LISTED {
            let rest = &self.gaps[LISTED..];
            let (n, children) = (rest.len(), thousands(rest.iter().map(|g| g.children).sum()));
            self.paper.paragraph(
                format!("{n} more gaps with {children} children outside the circle: <code>carecircle check -o gaps.xlsx</code>."),
                format!("另有 {n} 处缺口，圈外儿童 {children} 人：见 <code>carecircle check -o gaps.xlsx</code>。"),
            );
        }
    }

    fn method(&mut self) {
        let (city, policy) = (self.city, &self.coverage.policy);
        self.paper.heading("How it was computed", "计算方法");
        let (minutes, speed, snap_m) = (policy.minutes, policy.profile.speed.kmh(), city.study.snap_m());
        let half = policy.block_share * 100.0;
        let version = env!("CARGO_PKG_VERSION");
        self.paper.paragraph(
            format!(
                "From every facility that counts, walks were searched backwards along the streets of OpenStreetMap, by \
                 network and not by radius, up to {minutes} minutes at {speed} km/h. Private ways and gated compounds can \
                 begin or end a walk and are never a shortcut. Homes and facilities meet the nearest street within {snap_m} \
                 m. A block is covered when at least {half} % of its children live within the limit. The limit is policy; \
                 the speed and the {half} % are assumptions. carecircle {version}."
            ),
            format!(
                "从每家计入的机构出发，沿 OpenStreetMap 道路反向搜索步行路线（按路网而非半径），上限 {minutes} 分钟，步速 {speed} \
                 公里/小时。私有道路与封闭小区只能作为步行的起讫段，不可穿行。住宅与机构接入 {snap_m} 米内最近的道路。地块内至少 {half} % \
                 的儿童在时限内即为覆盖。时限为政策规定，步速与 {half} % 为假设。carecircle {version}。"
            ),
        );
        let mut by_source: Vec<(ChildrenFrom, usize, f64)> = Vec::new();
        for block in &city.study.demand().blocks {
            match by_source.iter_mut().find(|(from, ..)| *from == block.children_from) {
                Some((_, blocks, children)) => {
                    *blocks += 1;
                    *children += block.children;
                }
                None => by_source.push((block.children_from, 1, block.children)),
            }
        }
        by_source.sort_by_key(|(from, ..)| *from);
        let paper = &self.paper;
        let rows: Vec<Vec<String>> = by_source
            .into_iter()
            .map(|(from, blocks, children)| {
                let told = match from {
                    ChildrenFrom::Given => paper.say("given for the block", "地块数据给出"),
                    ChildrenFrom::Shared => paper.say("an area's total, shared out over homes", "区域总数按住宅分摊"),
                    ChildrenFrom::Grid => paper.say("a population grid", "人口网格"),
                    ChildrenFrom::Estimated => paper.say("estimated from homes or land", "按住宅或用地估算"),
                };
                vec![told.to_owned(), thousands(blocks as f64), thousands(children)]
            })
            .collect();
        let head = [
            paper.say("where the number of children comes from", "儿童数来源"),
            paper.say("blocks", "地块"),
            paper.say("children", "儿童"),
        ];
        self.paper.table("narrow", &head, 1, rows.into_iter());
    }

    fn quality(&mut self) {
        self.paper.heading("Can the data be trusted?", "数据质量");
        write_trust(&mut self.paper, self.city, self.coverage);
        for Remark { en, zh } in &self.city.remarks {
            self.paper.paragraph(escape(en), escape(zh));
        }
        for Rejected { table, rejects, .. } in &self.city.rejected {
            let (n, table_name) = (rejects.len(), escape(&table.name()));
            let Some(first) = rejects.first().map(|reject| describe(table, reject)) else { continue };
            self.paper.paragraph(
                format!("{table_name}: {n} rows can't be used, the first: {}", escape(&first.en)),
                format!("{table_name}：{n} 行无法使用，首行：{}", escape(&first.zh)),
            );
        }
    }
}
