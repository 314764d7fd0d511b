//! Where footpaths are probably missing from the map: every square with homes held against its peers in the same city.
//!
//! Where a map is even, neighbourhoods of one sort have a typical number of metres of footway for each metre of street. A
//! square with far less is more likely not mapped than not walked: blocks there look farther away than they are. The
//! yardstick is the city itself, never another one, for mapping customs differ (pavements drawn as ways of their own, or
//! as tags of the street); and in it those squares where about as many children live, for estates have more footways than
//! villages, whose lanes are walked on.

use carecircle_core::geometry::Point;
use carecircle_core::network::EdgeId;
use carecircle_core::polygon::{Tile, TileGrid};
use carecircle_core::street::StreetClass;
use carecircle_core::study::Study;
use std::collections::BTreeMap;
use std::ops::Range;

/// No cell is larger than this, so its sides are 0.7 to 1.4 km: a neighbourhood, the size that one mapper draws in one go.
pub(super) const CELL_M2: f64 = 2_000_000.0;

/// A cell with less street than this is not compared: one footpath more or less would turn its ratio over.
pub(super) const LEAST_STREET_M: f64 = 1_000.0;

/// A cell is held against the median of so many cells, itself among them: those nearest to it in children. Enough for a
/// median that one odd neighbour doesn't move, few enough to be of one sort. On Chișinău, Andorra and Monaco, 15 and 41
/// mark nearly the same cells.
pub(super) const PEERS: usize = 25;

/// A cell is marked when its ratio is under this part of its peers' median. In the dense parts of those cities the middle
/// half of all cells lies between a half of the median and twice it; three times less is hardly how the ground differs.
pub(super) const MARKED_UNDER: f64 = 1.0 / 3.0;

/// A cell is marked only if it lacks at least so many metres to the median: less is a path or two, and chance.
pub(super) const LEAST_SHORTFALL_M: f64 = 500.0;

/// With fewer cells than this nothing is compared: of twelve values, the 95 % interval of the median reaches from the
/// third to the tenth, over more than the middle half.
pub(super) const LEAST_CELLS: usize = 12;

/// With a median under this, 50 m of footway for a kilometre of street, footways are not mapped among a cell's peers
/// either, and it can't stand out by having fewer.
pub(super) const LEAST_MEDIAN: f64 = 0.05;

/// A piece of street longer than this is counted in parts, each in the cell that its middle lies in.
const STEP_M: f64 = 50.0;

/// How a cell stands against its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not far below them.
    Usual,
    /// So far below that its footpaths are probably not mapped.
    Marked,
    /// Its peers have next to no footways either.
    NoneAround,
    /// Too little street to compare.
    LittleStreet,
    /// Too few cells to compare.
    FewCells,
}

impl Standing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Marked => "paths_probably_unmapped",
            Self::NoneAround => "hardly_any_footways_among_peers",
            Self::LittleStreet => "too_little_street",
            Self::FewCells => "too_few_cells",
        }
    }
}

/// A square of the tile grid where people live.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) tile: Tile,
    pub(super) children: f64,
    /// Places where children live: homes, or the points of an even sample.
    pub(super) points: usize,
    /// Metres of ways for people on foot: footways, paths, steps.
    pub(super) footway_m: f64,
    /// Metres of streets and roads.
    pub(super) street_m: f64,
    /// The median ratio of its peers, where it is compared.
    pub(super) expected: Option<f64>,
    pub(super) standing: Standing,
}

impl Cell {
    /// Metres of footway for each metre of street; `None` without streets.
    pub(super) fn ratio(&self) -> Option<f64> {
        (self.street_m > 0.0).then(|| self.footway_m / self.street_m)
    }

    fn compared(&self) -> Option<f64> {
        self.ratio().filter(|_| self.street_m >= LEAST_STREET_M)
    }
}

/// How the ratios of the compared cells are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) quarter: f64,
    pub(super) median: f64,
    pub(super) three_quarters: f64,
    pub(super) most: f64,
}

/// All cells with homes, and how they compare.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cells {
    pub(super) grid: TileGrid,
    /// From north to south and west to east.
    pub(super) all: Vec<Cell>,
    /// How many have street enough to be compared.
    pub(super) compared: usize,
    /// Of those; `None` when there are none.
    pub(super) spread: Option<Spread>,
}

impl Cells {
    /// Measures a study's streets and homes cell by cell.
    pub(super) fn measure(study: &Study) -> Self {
        let projection = study.network().projection();
        let grid = TileGrid::with_tiles_up_to(CELL_M2, projection.centre().lat());
        let tile_at = |at: Point| {
            let (lon, lat) = projection.unproject(at);
            grid.tile_at(lon, lat)
        };
        let mut cells: BTreeMap<Tile, Cell> = BTreeMap::new();
        for block in &study.demand().blocks {
            for point in study.demand().points_of(block) {
                let tile = tile_at(point.at);
                let cell = cells.entry(tile).or_insert_with(|| Cell {
                    tile,
                    children: 0.0,
                    points: 0,
                    footway_m: 0.0,
                    street_m: 0.0,
                    expected: None,
                    standing: Standing::LittleStreet,
                });
                cell.children += block.children * point.weight;
                cell.points += 1;
            }
        }
        let network = study.network();
        for (i, edge) in network.edges().iter().enumerate().filter(|(_, edge)| !edge.is_across()) {
            let on_foot = match edge.class {
                StreetClass::Footway | StreetClass::Steps => true,
                StreetClass::Street => false,
                StreetClass::Elevator | StreetClass::Ferry => continue,
            };
            let mut bends = network.geometry(EdgeId(i as u32));
            let Some(mut last) = bends.next() else { continue };
            for bend in bends {
                let length_m = bend.1 - last.1;
                let parts = (length_m / STEP_M).ceil().max(1.0);
                for part in 0..parts as usize {
                    let middle = last.0 + (bend.0 - last.0) * ((part as f64 + 0.5) / parts);
                    if let Some(cell) = cells.get_mut(&tile_at(middle)) {
                        let sum = if on_foot { &mut cell.footway_m } else { &mut cell.street_m };
                        *sum += length_m / parts;
                    }
                }
                last = bend;
            }
        }
        Self::compare(grid, cells.into_values().collect())
    }

    /// Holds every cell against its peers.
    fn compare(grid: TileGrid, mut cells: Vec<Cell>) -> Self {
        let mut by_children: Vec<(usize, f64)> =
            cells.iter().enumerate().filter_map(|(i, c)| Some((i, c.compared()?))).collect();
        by_children.sort_by(|(a, _), (b, _)| cells[*b].children.total_cmp(&cells[*a].children).then(a.cmp(b)));
        let n = by_children.len();
        let same =
            |a: usize, b: usize| cells[by_children[a].0].children.total_cmp(&cells[by_children[b].0].children).is_eq();
        let peers = |rank: usize| {
            let mut low = rank.saturating_sub(PEERS / 2).min(n.saturating_sub(PEERS));
            let mut high = (low + PEERS).min(n);
            // Of equals all are peers or none: their order is that of the map.
            while low > 0 && same(low - 1, low) {
                low -= 1;
            }
            while high < n && same(high, high - 1) {
                high += 1;
            }
            low..high
        };
        let mut expected: Vec<(Range<usize>, f64)> = Vec::new();
        for rank in (0..n).filter(|_| n >= LEAST_CELLS) {
            let peers = peers(rank);
            let median = match expected.last() {
                Some((same, median)) if *same == peers => *median,
                _ => quantile(&sorted(by_children[peers.clone()].iter().map(|(_, ratio)| *ratio)), 0.5),
            };
            expected.push((peers, median));
        }
        for (rank, &(i, ratio)) in by_children.iter().enumerate() {
            let cell = &mut cells[i];
            cell.expected = expected.get(rank).map(|(_, median)| *median);
            cell.standing = match cell.expected {
                None => Standing::FewCells,
                Some(median) if median < LEAST_MEDIAN => Standing::NoneAround,
                Some(median) => {
                    let missing_m = median * cell.street_m - cell.footway_m;
                    let marked = ratio < MARKED_UNDER * median && missing_m >= LEAST_SHORTFALL_M;
                    if marked { Standing::Marked } else { Standing::Usual }
                }
            };
        }
        let ratios = sorted(by_children.iter().map(|(_, ratio)| *ratio));
        let spread = (n > 0).then(|| Spread {
            least: quantile(&ratios, 0.0),
            quarter: quantile(&ratios, 0.25),
            median: quantile(&ratios, 0.5),
            three_quarters: quantile(&ratios, 0.75),
            most: quantile(&ratios, 1.0),
        });
        Self { grid, all: cells, compared: n, spread }
    }

    /// Metres of footway for each metre of street in all cells together: around people's homes.
    pub(super) fn footways_per_street(&self) -> Option<f64> {
        let street_m: f64 = self.all.iter().map(|c| c.street_m).sum();
        (street_m > 0.0).then(|| self.all.iter().map(|c| c.footway_m).sum::<f64>() / street_m)
    }

    /// How many cells stand so, and how many children live there.
    pub(super) fn standing(&self, standing: Standing) -> (usize, f64) {
        let cells = self.all.iter().filter(|c| c.standing == standing);
        cells.fold((0, 0.0), |(n, children), cell| (n + 1, children + cell.children))
    }

    /// The marked cells, the one with the most children first.
    pub(super) fn marked(&self) -> Vec<&Cell> {
        let mut marked: Vec<&Cell> = self.all.iter().filter(|c| c.standing == Standing::Marked).collect();
        marked.sort_by(|a, b| b.children.total_cmp(&a.children).then(a.tile.cmp(&b.tile)));
        marked
    }

    /// Whether a place on the plan of `study` lies in a marked cell.
    pub(super) fn is_marked(&self, study: &Study, at: Point) -> bool {
        let (lon, lat) = study.network().projection().unproject(at);
        let tile = self.grid.tile_at(lon, lat);
        // The cells are in the order of their tiles.
        let found = self.all.binary_search_by_key(&tile, |c| c.tile);
        found.is_ok_and(|i| self.all[i].standing == Standing::Marked)
    }

    /// A cell's name: the tile's zoom, column and row, the same in every extract of the city.
    pub(super) fn id(&self, cell: &Cell) -> String {
        format!("c{}-{}-{}", self.grid.zoom, cell.tile.x, cell.tile.y)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which a part of a sorted list lies, in a straight line between the two nearest.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}
