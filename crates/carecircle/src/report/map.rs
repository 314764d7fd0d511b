//! The report's pictures: every block by its verdict, and where children live outside the circle.

use super::Gap;
use crate::inputs::City;
use crate::lang::Lang;
use crate::paper::escape;
use crate::picture::{Frame, furniture, streets};
use carecircle_core::coverage::{BlockStatus, Coverage};
use carecircle_core::demand::Outline;
use carecircle_core::geometry::Shape;
use std::fmt::Write as _;

/// Two maps of one frame.
pub(super) struct Maps {
    pub(super) verdicts: String,
    pub(super) children: String,
}

/// So many vertices of blocks at most, some 6 bytes each.
const MOST_VERTICES: usize = 300_000;
/// So many discs at most, those of most children: a picture doesn't show more.
const MOST_DISCS: usize = 3_000;
/// So many gaps bear their number: more would stand over each other.
const NUMBERED: usize = 25;
/// The largest disc's radius, units.
const LARGEST_DISC: f64 = 70.0;

impl Maps {
    /// Draws both; `None` for an extract without any street.
    pub(super) fn draw(city: &City, coverage: &Coverage, gaps: &[Gap], lang: Lang) -> Option<Self> {
        let extent = city.bounds.as_ref().map(|b| (b.south_west, b.north_east));
        let frame = Frame::of(city.study.network(), extent)?;
        let ([street, footway], _) = streets(city.study.network(), &frame);
        let borders = borders(city, &frame);
        let sheet = |label: &str, inside: &str| {
            let (width, height) = frame.size();
            let mut svg = String::new();
            _ = writeln!(
                svg,
                "<svg class=\"map\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">"
            );
            _ = write!(svg, "{inside}");
            furniture(&mut svg, &frame, lang);
            svg.push_str("</svg>\n");
            svg
        };
        let mut verdicts = String::new();
        for (status, path) in BlockStatus::ALL.iter().zip(blocks(city, coverage, &frame)) {
            _ = writeln!(verdicts, "<path class=\"{}\" d=\"{path}\"/>", status.name());
        }
        _ = writeln!(verdicts, "<path class=\"street thin\" d=\"{street}{footway}\"/>{borders}");
        for (sited, counted) in city.study.facilities().iter().zip(&coverage.eligible) {
            let (x, y) = frame.place(sited.at);
            if frame.shows((x, y)) {
                let class = if *counted { "facility" } else { "not-counted" };
                let title = escape(sited.facility.name.as_ref().unwrap_or(&sited.facility.id));
                _ = writeln!(
                    verdicts,
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"14\"><title>{title}</title></circle>"
                );
            }
        }
        let mut children = format!("<path class=\"street thin\" d=\"{street}\"/>{borders}\n");
        discs(&mut children, gaps, &frame, lang);
        Some(Self {
            verdicts: sheet(lang.pick("Map of the verdicts", "覆盖情况图"), &verdicts),
            children: sheet(lang.pick("Map of children outside the circle", "圈外儿童分布图"), &children),
        })
    }
}

/// The blocks of each status as path data, on the finest raster that they fit the limit on.
fn blocks(city: &City, coverage: &Coverage, frame: &Frame) -> [String; 3] {
    let mut step = 1;
    loop {
        let mut paths: [String; 3] = Default::default();
        let mut vertices = 0;
        for (block, verdict) in city.study.demand().blocks.iter().zip(&coverage.verdicts) {
            let path = &mut paths[verdict.status as usize];
            match &block.outline {
                Outline::Point(at) => {
                    let (x, y) = frame.place(*at);
                    _ = write!(path, "M{} {}h12v12h-12z", x - 6, y - 6);
                    vertices += 4;
                }
                Outline::Shape(shape) => vertices += outline(path, shape, frame, step),
            }
        }
        if vertices <= MOST_VERTICES || step > 64 {
            return paths;
        }
        step *= 2;
    }
}

/// Adds a shape's rings to path data and returns how many vertices they took. What falls to a point is drawn as a speck: a
/// small block must not vanish.
fn outline(path: &mut String, shape: &Shape, frame: &Frame, step: i64) -> usize {
    let mut vertices = 0;
    for polygon in &shape.0 {
        for (i, ring) in std::iter::once(polygon.exterior()).chain(polygon.interiors()).enumerate() {
            let places = ring.0.iter().map(|&at| {
                let (x, y) = frame.place(at);
                (x.div_euclid(step) * step, y.div_euclid(step) * step)
            });
            let mut places: Vec<(i64, i64)> = places.collect();
            places.dedup();
            places.pop();
            if !places.iter().any(|&place| frame.shows(place)) {
                continue;
            }
            let first = places[0];
            if places.len() < 3 {
                if i == 0 {
                    _ = write!(path, "M{} {}h3v3h-3z", first.0, first.1);
                    vertices += 4;
                }
                continue;
            }
            _ = write!(path, "M{} {}", first.0, first.1);
            for pair in places.windows(2) {
                let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
                _ = write!(path, "l{dx}{}{dy}", if dy < 0 { "" } else { " " });
            }
            path.push('z');
            vertices += places.len();
        }
    }
    vertices
}

/// The outlines of all areas.
fn borders(city: &City, frame: &Frame) -> String {
    let areas = city.study.areas();
    let mut path = String::new();
    for i in 0..areas.all().len() {
        outline(&mut path, areas.shape(i), frame, 2);
    }
    format!("<path class=\"border\" d=\"{path}\"/>")
}

/// A disc for each gap, its area by the children outside the circle; the listed ones bear their number.
fn discs(svg: &mut String, gaps: &[Gap], frame: &Frame, lang: Lang) {
    let most = gaps.first().map_or(0.0, |gap| gap.children);
    let placed = gaps.iter().take(MOST_DISCS).filter(|gap| gap.children > 0.0);
    let placed: Vec<(&Gap, (i64, i64))> = placed
        .filter_map(|gap| gap.at.map(|at| (gap, frame.place(at))))
        .filter(|(_, place)| frame.shows(*place))
        .collect();
    for (gap, (x, y)) in &placed {
        let radius = (LARGEST_DISC * (gap.children / most).sqrt()).round().max(4.0);
        let (id, children) = (escape(gap.block.name.as_ref().unwrap_or(&gap.block.id)), gap.children);
        let title = match lang {
            Lang::En => format!("{id}: {children:.1} children outside"),
            Lang::Zh => format!("{id}：圈外儿童 {children:.1} 人"),
        };
        _ = writeln!(
            svg,
            "<circle class=\"lost\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"><title>{title}</title></circle>"
        );
    }
    for (i, gap) in gaps.iter().take(NUMBERED).enumerate() {
        if let Some((_, (x, y))) = placed.iter().find(|(placed, _)| placed.index == gap.index) {
            _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\">{}</text>", y + 15, i + 1);
        }
    }
}
