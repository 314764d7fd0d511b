//! The public streets on the lines of the plan, the railway with its crossings, the river with its bridges and banks.

use super::canvas::{Canvas, Layer};
use super::geometry::{Pt, metres, pt};
use super::plan::{
    BRIDGES, COLUMNS, Edge, ISLET, LEVEL_CROSSINGS, ROW_M, ROWS, Street, UNDERPASS, X, corner, river_half_width,
    river_x, street_on,
};
use crate::pbf::{Tags, tags};

/// How far beyond the district's edge the river and the railway run on, in metres.
const BEYOND_M: i32 = 150;
/// Where the two tracks lie, in metres.
const TRACKS_M: [i32; 2] = [1468, 1473];

/// Draws every street on the grid.
pub(super) fn draw_streets(canvas: &mut Canvas) {
    for edge in Edge::all() {
        let Some(street) = street_on(edge) else { continue };
        let course = edge.course();
        if !edge.upright && edge.i == 3 && edge.j == UNDERPASS {
            let y = course[0].y;
            let (down, up) = (pt(14_400, y), pt(15_000, y));
            canvas.tagged_line(0, &[course[0], down], street_tags(street, &[]));
            canvas.tagged_line(-1, &[down, up], street_tags(street, &[("tunnel", "yes"), ("layer", "-1")]));
            canvas.tagged_line(0, &[up, course[3]], street_tags(street, &[]));
        } else if !edge.upright && edge.i == 10 && BRIDGES.contains(&edge.j) {
            let (from, to) = (course[0], corner(12, edge.j));
            let reach = river_half_width(from.y) + 300;
            let (west, east) = (pt(river_x(from.y) - reach, from.y), pt(river_x(from.y) + reach, from.y));
            canvas.tagged_line(0, &[from, west], street_tags(street, &[]));
            let bridge = [("bridge", "yes"), ("layer", "1"), ("sidewalk", "both")];
            canvas.tagged_line(1, &[west, east], street_tags(street, &bridge));
            canvas.tagged_line(0, &[east, to], street_tags(street, &[]));
        } else if edge.upright || edge.i != 11 {
            canvas.tagged_line(0, &course, street_tags(street, &[]));
        }
    }
    // Traffic lights where two large streets cross, zebras on every other corner of the avenue.
    for (i, j) in (0..=COLUMNS).flat_map(|i| (0..=ROWS).map(move |j| (i, j))) {
        let meets = |highway: &str| {
            let upright = j < ROWS && street_on(Edge { i, j, upright: true }).is_some_and(|s| s.highway == highway);
            let level = i < COLUMNS && street_on(Edge { i, j, upright: false }).is_some_and(|s| s.highway == highway);
            (upright, level)
        };
        match (meets("primary"), meets("secondary")) {
            ((true, true), _) | ((true, _), (_, true)) | ((_, true), (true, _)) => {
                canvas.mark(corner(i, j), &[("highway", "traffic_signals"), ("crossing", "traffic_signals")]);
            }
            ((true, _), _) => canvas.mark(corner(i, j), &[("highway", "crossing"), ("crossing", "marked")]),
            _ => {}
        }
    }
}

fn street_tags(street: Street, more: &[(&str, &str)]) -> Tags {
    let mut all = tags(&[("highway", street.highway)]);
    if let Some((zh, en)) = street.name {
        all.extend(tags(&[("name", zh), ("name:en", en), ("name:zh", zh)]));
    }
    all.extend(tags(more));
    all
}

/// The two tracks, their level crossings, the station house, and the passage on foot beneath them.
pub(super) fn draw_railway(canvas: &mut Canvas) {
    for x in TRACKS_M {
        let ends = [-BEYOND_M, ROW_M * ROWS as i32 + BEYOND_M];
        let course: Vec<Pt> = (ends[0]..=ends[1]).step_by(150).map(|y| metres(x, y)).collect();
        canvas.line(0, &course, &[("railway", "rail"), ("usage", "main"), ("electrified", "contact_line")]);
        for j in LEVEL_CROSSINGS {
            canvas.mark(metres(x, ROW_M * j as i32), &[("railway", "level_crossing"), ("crossing:barrier", "full")]);
        }
    }
    let house = [metres(1480, 2830), metres(1510, 2830), metres(1510, 2930), metres(1480, 2930)];
    canvas.ring(
        Layer::Roof,
        &house,
        tags(&[("building", "train_station"), ("name", "和安站"), ("name:en", "He'an Station")]),
    );
    let name = [("railway", "station"), ("name", "和安站"), ("name:en", "He'an Station"), ("name:zh", "和安站")];
    canvas.spot(metres(1474, 2880), tags(&name));

    // On the town's side stairs and a lift lead down, on the far side only stairs: no way through with a pram.
    let (top, foot) = (metres(1536, 2860), metres(1528, 2860));
    let (far_foot, far_top) = (metres(1432, 2860), metres(1425, 2860));
    canvas.line(0, &[top, foot], &[("highway", "steps"), ("incline", "down"), ("handrail", "yes")]);
    let passage = [("highway", "footway"), ("tunnel", "yes"), ("layer", "-1"), ("name", "站前地下通道")];
    canvas.line(-1, &[foot, far_foot], &passage);
    canvas.line(0, &[far_top, far_foot], &[("highway", "steps"), ("incline", "down"), ("step_count", "32")]);
    canvas.line(0, &[metres(X[3], 2860), far_top], &[("highway", "footway")]);
    let lift = metres(1528, 2852);
    canvas.line(0, &[metres(1536, 2852), lift], &[("highway", "footway")]);
    canvas.line(-1, &[lift, foot], &[("highway", "footway"), ("tunnel", "yes"), ("layer", "-1")]);
    canvas.mark(lift, &[("highway", "elevator"), ("wheelchair", "yes")]);
}

/// The water, the islet in it, and a path along either bank.
pub(super) fn draw_river(canvas: &mut Canvas) {
    let bank = |y: i32, side: i32| pt(river_x(y) + side * river_half_width(y), y);
    let heights: Vec<i32> = (-BEYOND_M..=ROW_M * ROWS as i32 + BEYOND_M).step_by(75).map(|m| m * 10).collect();
    let mut water: Vec<Pt> = heights.iter().map(|&y| bank(y, 1)).collect();
    water.extend(heights.iter().rev().map(|&y| bank(y, -1)));
    let river = [("natural", "water"), ("water", "river"), ("name", "澜河"), ("name:en", "Lan River")];
    canvas.multipolygon(Layer::Border, &water, &[islet(1000)], tags(&river));
    let course = heights.iter().rev().map(|&y| {
        // Beside the islet the current runs in the wider, eastern arm.
        let off = f64::from(y - ISLET.y) / 3_400.0;
        pt(river_x(y) + (400.0 * (1.0 - off * off).max(0.0)).round() as i32, y)
    });
    let waterway = [("waterway", "river"), ("name", "澜河"), ("name:en", "Lan River"), ("name:zh", "澜河")];
    canvas.way(Layer::Border, &course.collect::<Vec<_>>(), tags(&waterway));

    // The bridges pass above the paths; stairs or a slope lead down from the embankment street at most of its corners.
    for (side, column, from, to, links) in
        [(-1, 10, 450, 4500, &[1_usize, 3, 4, 6, 7, 9, 10][..]), (1, 12, 1350, 4050, &[3, 4, 6, 7, 9][..])]
    {
        let path_at = |y: i32| bank(y, side).shifted(side * 200, 0);
        let path: Vec<Pt> = (from..=to).step_by(75).map(|m| path_at(m * 10)).collect();
        canvas.line(
            0,
            &path,
            &[("highway", "footway"), ("name", "滨江步道"), ("name:en", "Riverside Walk"), ("lit", "yes")],
        );
        for &j in links {
            let top = corner(column, j);
            let foot = path_at(top.y);
            let turn = top.towards(foot, 1, 2);
            canvas.line(0, &[top, turn], &[("highway", "footway")]);
            match j {
                3 => canvas.line(0, &[turn, foot], &[("highway", "steps"), ("step_count", "24")]),
                6 => canvas.line(0, &[turn, foot], &[("highway", "steps"), ("ramp", "yes"), ("ramp:stroller", "yes")]),
                _ => canvas.line(0, &[turn, foot], &[("highway", "path"), ("surface", "paved")]),
            }
        }
    }
}

/// The islet's shore, shrunk to so many thousandths.
pub(super) fn islet(permille: i32) -> Vec<Pt> {
    // Cosines of the multiples of thirty degrees, in thousandths.
    const COSINES: [i32; 12] = [1000, 866, 500, 0, -500, -866, -1000, -866, -500, 0, 500, 866];
    (0..12)
        .map(|i| {
            let (across, up) = (COSINES[i], COSINES[(i + 9) % 12]);
            ISLET.shifted(320 * across / 1000 * permille / 1000, 1000 * up / 1000 * permille / 1000)
        })
        .collect()
}
