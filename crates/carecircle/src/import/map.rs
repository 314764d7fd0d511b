//! A small map of the findings: streets, islands, points off the streets and doubtful cells, as one inline SVG.
//!
//! Drawn on a raster of whole units, and on a coarser one as long as the streets would take too many vertices, so that a
//! page stays small however large the city is. It is a picture, not a source: nothing is measured on it.

use super::cells::Cell;
use super::findings::{Extent, Findings, Layer};
use super::page::escape;
use super::trust::{heads, km};
use crate::lang::Lang;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::{EdgeId, Network};
use carecircle_core::street::StreetClass;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The longer side of the map in units; three of them make a pixel on most screens.
const UNITS: f64 = 3_000.0;

/// So many vertices of streets at most: about 6 bytes each, a megabyte and a half.
const MOST_VERTICES: usize = 250_000;

/// So many points off the streets at most are drawn, the farthest first; a picture doesn't show more.
const MOST_POINTS: usize = 3_000;

/// This part of all street ends on either side may lie off the map: a stray street must not shrink the city to a dot.
const STRAY: f64 = 0.001;

/// A white margin around what is drawn, as a part of it.
const MARGIN: f64 = 0.03;

/// The part of the plan that the map shows.
struct Frame {
    low: Point,
    high: Point,
    units_per_m: f64,
}

impl Frame {
    /// Around the streets, and no farther out than the extract.
    fn of(findings: &Findings) -> Option<Self> {
        let network = findings.city.study.network();
        let mut xs: Vec<f64> = Vec::with_capacity(network.edges().len());
        let mut ys: Vec<f64> = Vec::with_capacity(network.edges().len());
        for i in 0..network.edges().len() {
            let (at, _) = network.geometry(EdgeId(i as u32)).next()?;
            xs.push(at.x);
            ys.push(at.y);
        }
        let (mut low, mut high) = (Point { x: 0.0, y: 0.0 }, Point { x: 0.0, y: 0.0 });
        (low.x, high.x) = middle_of(xs)?;
        (low.y, high.y) = middle_of(ys)?;
        let margin = MARGIN * (high.x - low.x).max(high.y - low.y).max(100.0);
        if let Some(extent) = findings.extent.filter(|e| e.from_file) {
            let corners = outline(network, &extent);
            let side = |pick: fn(&Point) -> f64| {
                corners.iter().map(pick).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
            };
            let (x, y) = (side(|p| p.x), side(|p| p.y));
            // A box elsewhere than the streets is a mistake of the file.
            if x.0 < high.x && x.1 > low.x && y.0 < high.y && y.1 > low.y {
                (low.x, high.x) = (low.x.max(x.0), high.x.min(x.1));
                (low.y, high.y) = (low.y.max(y.0), high.y.min(y.1));
            }
        }
        let low = Point { x: low.x - margin, y: low.y - margin };
        let high = Point { x: high.x + margin, y: high.y + margin };
        Some(Self { low, high, units_per_m: UNITS / (high.x - low.x).max(high.y - low.y) })
    }

    /// In whole units, right and down from the upper left corner.
    fn place(&self, at: Point) -> (i64, i64) {
        let x = (at.x - self.low.x) * self.units_per_m;
        let y = (self.high.y - at.y) * self.units_per_m;
        (x.round() as i64, y.round() as i64)
    }

    fn size(&self) -> (i64, i64) {
        self.place(Point { x: self.high.x, y: self.low.y })
    }

    fn shows(&self, (x, y): (i64, i64)) -> bool {
        let (width, height) = self.size();
        (0..=width).contains(&x) && (0..=height).contains(&y)
    }
}

/// Where all but the strays lie.
fn middle_of(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let stray = (values.len() as f64 * STRAY) as usize;
    let (low, high) = (*values.get(stray)?, *values.get(values.len() - 1 - stray)?);
    // What lies just outside is no stray.
    let near = 0.1 * (high - low);
    let low = values.iter().copied().find(|&v| v >= low - near)?;
    let high = values.iter().rev().copied().find(|&v| v <= high + near)?;
    Some((low, high))
}

/// A box's outline on the plan, with points on its sides: a parallel is no straight line there.
fn outline(network: &Network, extent: &Extent) -> Vec<Point> {
    let (low, high) = (extent.south_west, extent.north_east);
    let corners = [
        (low.lon(), low.lat()),
        (high.lon(), low.lat()),
        (high.lon(), high.lat()),
        (low.lon(), high.lat()),
        (low.lon(), low.lat()),
    ];
    let mut out = Vec::new();
    for pair in corners.windows(2) {
        let ((lon, lat), (to_lon, to_lat)) = (pair[0], pair[1]);
        for step in 0..8 {
            let part = f64::from(step) / 8.0;
            let at = LonLat::from_degrees(lon + (to_lon - lon) * part, lat + (to_lat - lat) * part);
            out.extend(at.map(|at| network.projection().project(at)));
        }
    }
    out
}

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
    let frame = Frame::of(findings)?;
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
        for corner in outline(network, extent) {
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

/// The streets and the footways as path data, on the finest raster that they fit the limit on.
fn streets(network: &Network, frame: &Frame) -> ([String; 2], bool) {
    let mut step = 1;
    loop {
        let (paths, vertices) = streets_on(network, frame, step);
        if vertices <= MOST_VERTICES || step > 64 {
            return (paths, step > 1);
        }
        step *= 2;
    }
}

/// Path data on a raster of `step` units, and how many vertices it has. What falls together on the raster is drawn once.
fn streets_on(network: &Network, frame: &Frame, step: i64) -> ([String; 2], usize) {
    let mut paths = [String::new(), String::new()];
    let mut vertices = 0;
    let mut seen: BTreeSet<((i64, i64), (i64, i64))> = BTreeSet::new();
    let mut pens: [Option<(i64, i64)>; 2] = [None, None];
    for (i, edge) in network.edges().iter().enumerate() {
        let class = match edge.class {
            StreetClass::Street => 0,
            StreetClass::Footway | StreetClass::Steps | StreetClass::Elevator => 1,
            StreetClass::Ferry => continue,
        };
        let (path, pen) = (&mut paths[class], &mut pens[class]);
        let mut last: Option<(i64, i64)> = None;
        for (at, _) in network.geometry(EdgeId(i as u32)) {
            let (x, y) = frame.place(at);
            let here = (x.div_euclid(step) * step, y.div_euclid(step) * step);
            let Some(from) = last.replace(here) else { continue };
            let shown = frame.shows(from) || frame.shows(here);
            if from == here || !shown || !seen.insert((from.min(here), from.max(here))) {
                continue;
            }
            if *pen != Some(from) {
                _ = write!(path, "M{} {}", from.0, from.1);
                vertices += 1;
            }
            let (dx, dy) = (here.0 - from.0, here.1 - from.1);
            _ = write!(path, "l{dx}{}{dy}", if dy < 0 { "" } else { " " });
            vertices += 1;
            *pen = Some(here);
        }
    }
    (paths, vertices)
}

/// Scale bar and north.
fn furniture(svg: &mut String, frame: &Frame, lang: Lang) {
    let (width, height) = frame.size();
    let wanted_m = width as f64 / 5.0 / frame.units_per_m;
    let power = 10.0_f64.powf(wanted_m.log10().floor());
    let metres = [5.0, 2.0, 1.0].into_iter().map(|n| n * power).find(|&m| m <= wanted_m).unwrap_or(power);
    let units = (metres * frame.units_per_m).round() as i64;
    let text = if metres >= 1_000.0 { format!("{} km", metres / 1_000.0) } else { format!("{metres} m") };
    let (x, y) = (50, height - 60);
    _ = writeln!(
        svg,
        "<g class=\"furniture\"><rect class=\"paper\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"120\"/>\
         <path d=\"M{x} {}v30h{units}v-30\"/><text x=\"{}\" y=\"{}\">{text}</text>",
        x - 30,
        y - 80,
        units + 60,
        y - 10,
        x + units / 2,
        y - 22
    );
    let north = lang.pick("N", "北");
    let x = width - 90;
    _ = writeln!(
        svg,
        "<rect class=\"paper\" x=\"{}\" y=\"20\" width=\"120\" height=\"190\"/>\
         <path class=\"arrow\" d=\"M{x} 40l34 90l-34 -22l-34 22z\"/><text x=\"{x}\" y=\"196\">{north}</text></g>",
        x - 60
    );
}
