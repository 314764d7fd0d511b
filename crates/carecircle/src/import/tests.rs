//! The judgement on towns of which the truth is known.

use super::cells::{Cells, LEAST_CELLS, Standing};
use super::trust::{Mark, Scale, percent};
use crate::paper::escape;
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::{Building, Home, Places};
use carecircle_core::polygon::{Tile, TileGrid};
use carecircle_core::street::{Access, Ground, StreetClass, StreetWay, Streets};
use carecircle_core::study::Study;

/// The upper left tile of every town here, near Wuhan: 1.05 km wide.
const CORNER: Tile = Tile { x: 26_780, y: 13_420 };
const GRID: TileGrid = TileGrid { zoom: 15 };

/// What a tile of a town holds.
#[derive(Clone, Copy)]
struct Quarter {
    homes: u32,
    /// Of five streets across it, so many have a footway beside them.
    footways: u32,
}

/// A town of so many tiles each way.
fn town(side: u32, quarter: impl Fn(u32, u32) -> Quarter) -> Study {
    let (mut streets, mut places) = (Streets::default(), Places::default());
    for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
        let bounds = GRID.bounds(Tile { x: CORNER.x + x, y: CORNER.y + y });
        let at = |right: f64, up: f64| {
            let (lon, lat) = (bounds.min().x + right * bounds.width(), bounds.min().y + up * bounds.height());
            LonLat::from_degrees(lon, lat).unwrap()
        };
        let Quarter { homes, footways } = quarter(x, y);
        let mut way = |class, up: f64| {
            let first = streets.refs.len() as u32;
            for right in [0.1, 0.9] {
                streets.refs.push(streets.points.len() as u32);
                streets.points.push(at(right, up));
            }
            let (id, refs) = (streets.ways.len() as i64 + 1, first..first + 2);
            let (access, both) = (Access::Public, true);
            let (forward, backward, duration_s, ground) = (both, both, None, Ground::default());
            streets.ways.push(StreetWay { id, refs, class, access, forward, backward, duration_s, ground });
        };
        for row in 0..5 {
            let up = 0.1 + 0.2 * f64::from(row);
            way(StreetClass::Street, up);
            if row < footways {
                way(StreetClass::Footway, up + 0.02);
            }
        }
        for home in 0..homes {
            let at = at(0.2 + 0.6 * f64::from(home) / f64::from(homes), 0.52);
            places.buildings.push(Building { at, footprint_m2: 400.0, levels: Some(6.0), home: Home::Certain });
        }
    }
    let (network, _) = Network::build(&streets, NetworkOptions { island_m: 0.0 });
    Study::new(network, places, None, 250.0)
}

fn standing_at(cells: &Cells, x: u32, y: u32) -> Standing {
    let tile = Tile { x: CORNER.x + x, y: CORNER.y + y };
    cells.all.iter().find(|c| c.tile == tile).expect("a cell with homes").standing
}

#[test]
fn the_quarter_without_footways_is_marked_and_nothing_else() {
    let lacks = |x: u32, y: u32| x < 3 && y < 3;
    let cells = Cells::measure(&town(6, |x, y| Quarter { homes: 20, footways: if lacks(x, y) { 0 } else { 4 } }));
    assert_eq!((cells.all.len(), cells.compared), (36, 36));
    for (x, y) in (0..6).flat_map(|y| (0..6).map(move |x| (x, y))) {
        let expected = if lacks(x, y) { Standing::Marked } else { Standing::Usual };
        assert_eq!(standing_at(&cells, x, y), expected, "{x}, {y}");
    }
    let (n, children) = cells.standing(Standing::Marked);
    let all: f64 = cells.all.iter().map(|c| c.children).sum();
    assert_eq!(n, 9);
    assert!((children / all - 0.25).abs() < 1e-9, "{children} of {all}");
    assert!((cells.spread.expect("a spread").median - 0.8).abs() < 0.01);
}

#[test]
fn lengths_go_to_the_cell_that_they_lie_in() {
    let study = town(4, |_, _| Quarter { homes: 5, footways: 2 });
    let cells = Cells::measure(&study);
    for cell in &cells.all {
        assert!((cell.footway_m / cell.street_m - 0.4).abs() < 0.001, "{cell:?}");
    }
    let all: f64 = cells.all.iter().map(|c| c.footway_m + c.street_m).sum();
    let truth: f64 = study.network().edges().iter().map(|e| e.length_m).sum();
    assert!((all - truth).abs() < 1e-6 * truth, "{all} is not {truth}");
}

#[test]
fn villages_are_held_against_villages() {
    // Two rows of estates in the north, the rest villages that nobody has drawn paths in.
    let study = town(10, |x, y| match (x, y) {
        (4, 1) => Quarter { homes: 40, footways: 0 },
        (_, 0..=3) => Quarter { homes: 40, footways: 3 },
        _ => Quarter { homes: 1, footways: 0 },
    });
    let cells = Cells::measure(&study);
    assert_eq!(standing_at(&cells, 4, 1), Standing::Marked);
    assert_eq!(standing_at(&cells, 5, 1), Standing::Usual);
    assert_eq!(standing_at(&cells, 5, 8), Standing::NoneAround);
    assert_eq!(cells.standing(Standing::Marked).0, 1);
}

#[test]
fn too_few_cells_are_not_compared() {
    let cells = Cells::measure(&town(3, |x, _| Quarter { homes: 5, footways: x }));
    assert!(cells.compared < LEAST_CELLS);
    assert_eq!(cells.standing(Standing::FewCells).0, 9);
    assert!(cells.spread.is_some(), "the spread is told all the same");
    let nobody = Cells::measure(&town(2, |_, _| Quarter { homes: 0, footways: 1 }));
    assert_eq!((nobody.all.len(), nobody.spread), (0, None));
    assert_eq!(nobody.footways_per_street(), None);
}

#[test]
fn a_city_without_footways_marks_no_cell() {
    let cells = Cells::measure(&town(5, |_, _| Quarter { homes: 5, footways: 0 }));
    assert_eq!(cells.standing(Standing::NoneAround).0, 25);
}

#[test]
fn marks_follow_their_thresholds() {
    let less = Scale::LessIsBetter(0.01, 0.05);
    let marks = [0.0, 0.01, 0.02, 0.05, 0.051].map(|v| less.mark(Some(v)));
    assert_eq!(marks, [Mark::Good, Mark::Good, Mark::Fair, Mark::Fair, Mark::Poor]);
    let more = Scale::MoreIsBetter(0.6, 0.2);
    let marks = [1.0, 0.6, 0.59, 0.2, 0.19].map(|v| more.mark(Some(v)));
    assert_eq!(marks, [Mark::Good, Mark::Good, Mark::Fair, Mark::Fair, Mark::Poor]);
    assert_eq!(less.mark(None), Mark::Unknown);
}

#[test]
fn shares_are_not_rounded_into_lies() {
    assert_eq!(percent(0.0), "0 %");
    assert_eq!(percent(0.000_01), "< 0.1 %");
    assert_eq!(percent(0.374), "37.4 %");
    assert_eq!(percent(0.37), "37 %");
    assert_eq!(percent(0.999_9), "> 99.9 %");
    assert_eq!(percent(1.0), "100 %");
}

#[test]
fn names_are_text_and_nothing_else() {
    assert_eq!(
        escape("<script>alert('x')</script> & \"y\"\u{0}\n"),
        "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;  "
    );
    assert_eq!(escape("苗苗幼儿园"), "苗苗幼儿园");
}
