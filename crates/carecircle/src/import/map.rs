//! A small map of the findings: streets, islands, points off the streets and doubtful cells, as one inline SVG.

use super::cells::Cell;
use super::findings::{Findings, Layer};
use super::trust::{heads, km};
use crate::lang::Lang;
use crate::paper::escape;
use crate::picture::{Frame, furniture, outline, streets};
use carecircle_core::geometry::{LonLat, Point};
use std::fmt::Write as _;

/// So many points off the streets at most are drawn, the farthest first; a picture doesn't show more.
const MOST_POINTS: usize = 3_000;

/// A drawing and what is off it.
pub(super) struct Map {
    pub(super) svg: String,
    /// Islands and points off the streets that lie outside the frame, or beyond the number that is drawn.
    pub(super) not_shown: usize,
    /// Whether streets are drawn more coarsely than on the raster.
    pub(super) coarse: bool,
}

/// Draws the findings; `None` for an extract without any street.
pub(super) fn draw(findings: &Findings, lang: Lang) -> Option<Map> {
    let extent = findings.extent.filter(|e| e.from_file).map(|e| (e.south_west, e.north_east));
    let frame = Frame::of(findings.city.study.network(), extent)?;
    let network = findings.city.study.network();
    let (width, height) = frame.size();
    let mut svg = String::new();
    let label = lang.pick("Map of the findings", "结果地图");
    _ = writeln!(svg, "<svg class=\"map\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">");

    for cell in findings.cells.marked() {
        svg.push_str("<polygon class=\"cell\" points=\"");
        for corner in cell_outline(findings, cell) {
            let (x, y) = frame.place(corner);
            _ = write!(svg, "{x},{y} ");
        }
        let (id, children) = (findings.cells.id(cell), heads(cell.children));
        let (ratio, expected) = (cell.ratio().unwrap_or(0.0), cell.expected.unwrap_or(0.0));
        let title = match lang {
            Lang::En => {
                format!("{id}: {ratio:.2} km of footway per km of street, its peers {expected:.2}; {children} children")
            }
            Lang::Zh => format!("{id}：每公里道路有步行道 {ratio:.2} 公里，同类网格 {expected:.2}；儿童 {children} 人"),
        };
        _ = writeln!(svg, "\"><title>{}</title></polygon>", escape(&title));
    }

    let (streets, coarse) = streets(network, &frame);
    for (class, path) in ["street", "footway"].into_iter().zip(&streets) {
        _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    if let Some(extent) = &findings.extent {
        svg.push_str("<polygon class=\"extent\" points=\"");
        for corner in outline(network, (extent.south_west, extent.north_east)) {
            let (x, y) = frame.place(corner);
            // Far off the map a point need not be told exactly.
            let far = |v: i64| v.clamp(-100_000, 100_000);
            _ = write!(svg, "{},{} ", far(x), far(y));
        }
        svg.push_str("\"/>\n");
    }
    for sited in findings.city.study.facilities().iter().filter(|f| !f.doors.is_empty()) {
        let (x, y) = frame.place(sited.at);
        if frame.shows((x, y)) {
            _ = writeln!(svg, "<circle class=\"facility\" cx=\"{x}\" cy=\"{y}\" r=\"9\"/>");
        }
    }

    let mut not_shown = 0;
    for island in findings.city.network.islands.iter().rev() {
        let (x, y) = frame.place(island.at);
        if !frame.shows((x, y)) {
            not_shown += 1;
            continue;
        }
        let title = match lang {
            Lang::En => format!("set aside: {} km, way {}", km(island.length_m), island.way),
            Lang::Zh => format!("孤立路网：{} 公里，道路 {}", km(island.length_m), island.way),
        };
        let radius = (9.0 + island.length_m.sqrt() / 3.0).round();
        _ = writeln!(
            svg,
            "<circle class=\"island\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"><title>{title}</title></circle>"
        );
    }
    for layer in [Layer::Demand, Layer::Facility] {
        let points = findings.off_street_of(layer);
        not_shown += points.len().saturating_sub(MOST_POINTS);
        for point in points.into_iter().take(MOST_POINTS) {
            let (x, y) = frame.place(point.at);
            if !frame.shows((x, y)) {
                not_shown += 1;
                continue;
            }
            let metres = point.street_m.map_or_else(|| "∞".to_owned(), |m| format!("{m:.0} m"));
            let title = escape(&format!("{} {}: {metres}", point.id, point.name.unwrap_or_default()));
            _ = match layer {
                Layer::Demand => {
                    writeln!(
                        svg,
                        "<circle class=\"off\" cx=\"{x}\" cy=\"{y}\" r=\"10\"><title>{title}</title></circle>"
                    )
                }
                Layer::Facility => writeln!(
                    svg,
                    "<rect class=\"off facility-off\" x=\"{}\" y=\"{}\" width=\"36\" height=\"36\"><title>{title}</title></rect>",
                    x - 18,
                    y - 18
                ),
            };
        }
    }
    furniture(&mut svg, &frame, lang);
    svg.push_str("</svg>\n");
    Some(Map { svg, not_shown, coarse })
}

fn cell_outline(findings: &Findings, cell: &Cell) -> Vec<Point> {
    let bounds = findings.cells.grid.bounds(cell.tile);
    let corners = [
        (bounds.min().x, bounds.min().y),
        (bounds.max().x, bounds.min().y),
        (bounds.max().x, bounds.max().y),
        (bounds.min().x, bounds.max().y),
    ];
    let places = corners.into_iter().filter_map(|(lon, lat)| LonLat::from_degrees(lon, lat));
    places.map(|at| findings.city.study.network().projection().project(at)).collect()
}
