//! Maps on paper: a frame around a city's streets on a raster of whole units, the streets as path data, scale and north.
//!
//! Drawn on a coarser raster as long as the streets would take too many vertices, so that a page stays small however large
//! the city is. A picture, not a source: nothing is measured on it.

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

/// This part of all street ends on either side may lie off the map: a stray street must not shrink the city to a dot.
const STRAY: f64 = 0.001;

/// A white margin around what is drawn, as a part of it.
const MARGIN: f64 = 0.03;

/// The part of the plan that the map shows.
pub(crate) struct Frame {
    low: Point,
    high: Point,
    units_per_m: f64,
}

impl Frame {
    /// Around the streets, and no farther out than the extract, where its box is known; `None` without any street.
    pub(crate) fn of(network: &Network, extent: Option<(LonLat, LonLat)>) -> Option<Self> {
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
        if let Some(extent) = extent {
            let corners = outline(network, extent);
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
    pub(crate) fn place(&self, at: Point) -> (i64, i64) {
        let x = (at.x - self.low.x) * self.units_per_m;
        let y = (self.high.y - at.y) * self.units_per_m;
        (x.round() as i64, y.round() as i64)
    }

    pub(crate) fn size(&self) -> (i64, i64) {
        self.place(Point { x: self.high.x, y: self.low.y })
    }

    pub(crate) fn shows(&self, (x, y): (i64, i64)) -> bool {
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
pub(crate) fn outline(network: &Network, (low, high): (LonLat, LonLat)) -> Vec<Point> {
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

/// The streets and the footways as path data, on the finest raster that they fit the limit on.
pub(crate) fn streets(network: &Network, frame: &Frame) -> ([String; 2], bool) {
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
pub(crate) fn furniture(svg: &mut String, frame: &Frame, lang: Lang) {
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
