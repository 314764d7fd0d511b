//! Laws of the allocation of children, whatever the town: totals are preserved at every level, nobody is lost, and no
//! order of rows changes anything.

use carecircle_core::coverage::Coverage;
use carecircle_core::demand::{
    BlockPlace, BlockRow, ChildrenFrom, FLOOR_M2_PER_RESIDENT, LAND_M2_PER_RESIDENT, UNDER3_PER_RESIDENT,
};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Building, Home, Places, ResidentialArea};
use carecircle_core::policy::Policy;
use carecircle_core::population::{CellPlace, PopulationCell};
use carecircle_core::study::Study;
use geo::{Coord, MultiPolygon, Rect};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

/// About ten metres a step.
fn place((x, y): (i32, i32)) -> LonLat {
    LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 1_000 }
}

fn rectangle(low: (i32, i32), high: (i32, i32)) -> LonLatShape {
    let corner = |at| Coord { x: place(at).lon(), y: place(at).lat() };
    MultiPolygon(vec![Rect::new(corner(low), corner(high)).to_polygon()])
}

fn square(at: (i32, i32), size: i32) -> LonLatShape {
    rectangle(at, (at.0 + size, at.1 + size))
}

fn area(id: &str, level: AreaLevel, parent: Option<&str>, shape: LonLatShape) -> Area {
    Area { parent: parent.map(str::to_owned), ..Area::new(id, level, shape) }
}

/// A city of two districts; streets that overlap each other, one of them named to the district that it doesn't lie in; one
/// known by name alone; one where nobody lives.
fn areas(totals: &[Option<f64>], residents: Option<f64>) -> Vec<Area> {
    let mut areas = vec![
        area("city", AreaLevel::City, None, rectangle((-40, -40), (70, 70))),
        area("east", AreaLevel::District, None, rectangle((20, -40), (70, 70))),
        area("west", AreaLevel::District, None, rectangle((-40, -40), (20, 70))),
        area("north", AreaLevel::Street, None, rectangle((-40, 20), (14, 70))),
        area("south", AreaLevel::Street, Some("east"), rectangle((-40, -40), (12, 26))),
        area("list", AreaLevel::Street, Some("east"), MultiPolygon(Vec::new())),
        area("desert", AreaLevel::Street, None, rectangle((500, 500), (510, 510))),
    ];
    for (area, total) in areas.iter_mut().zip(totals) {
        area.under3 = *total;
    }
    areas[1].population = residents;
    areas
}

#[derive(Clone, Debug)]
struct Town {
    places: Places,
    rows: Option<Vec<BlockRow>>,
}

impl Town {
    fn study(&self) -> Study {
        let streets = town::streets(&[(0, 0), (5, 0)], &[(vec![0, 1], true, true)]);
        Study::new(town::network(&streets), self.places.clone(), self.rows.clone(), 250.0)
    }
}

fn any_at() -> impl Strategy<Value = (i32, i32)> {
    (-45..75, -45..75)
}

fn any_building() -> impl Strategy<Value = Building> {
    (any_at(), 0..400_u32, prop::option::of(1..12_u8)).prop_map(|(at, m2, levels)| Building {
        at: place(at),
        footprint_m2: m2 as f32,
        levels: levels.map(f32::from),
        home: Home::Certain,
    })
}

fn any_number() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(prop_oneof![Just(0.0), 0.0..300.0])
}

fn any_row() -> impl Strategy<Value = BlockRow> {
    let named = prop::option::weighted(0.3, prop::sample::select(vec!["list", "south", "nowhere"]));
    (any_at(), 0..12, any_number(), any_number(), named).prop_map(|(at, size, under3, population, area)| BlockRow {
        id: String::new(),
        name: None,
        place: if size < 3 { BlockPlace::Point(place(at)) } else { BlockPlace::Shape(square(at, size)) },
        population,
        under3,
        area: area.map(str::to_owned),
        other: OtherColumns::default(),
    })
}

fn any_cell() -> impl Strategy<Value = PopulationCell> {
    (any_at(), 0..4, 1..25, prop_oneof![Just(0.0), 0.0..50.0]).prop_map(|(at, kind, size, children)| {
        let far = (at.0 + size, at.1 + size);
        let place = match kind {
            0 => CellPlace::Point(place(at)),
            1 => CellPlace::Shape(square(at, size)),
            _ => CellPlace::Pixel([at, (far.0, at.1), far, (at.0, far.1)].map(place)),
        };
        PopulationCell { place, children }
    })
}

fn any_town() -> impl Strategy<Value = Town> {
    let areas = (prop::collection::vec(any_number(), 7), any_number()).prop_map(|(totals, p)| areas(&totals, p));
    let rows = prop::option::of(prop::collection::vec(any_row(), 0..10));
    let cells = prop::option::of(prop::collection::vec(any_cell(), 0..14));
    let land = prop::collection::vec((any_at(), 4..30), 0..5);
    (areas, rows, cells, prop::collection::vec(any_building(), 0..40), land, any::<bool>()).prop_map(
        |(areas, rows, population, buildings, land, has_edge)| {
            let residential = land.iter().zip(1..).map(|(&(at, size), i)| ResidentialArea {
                id: format!("w{i}"),
                name: None,
                shape: square(at, size),
            });
            let facilities = vec![Facility::new("f".to_owned(), place((2, 1)), Kind::Nursery)];
            let extent = has_edge.then(|| (place((-30, -35)), place((60, 70))));
            let residential = residential.collect();
            let places = Places { areas, buildings, residential, facilities, population, extent, ..Places::default() };
            let numbered = |rows: Vec<BlockRow>| {
                rows.into_iter().enumerate().map(|(i, row)| BlockRow { id: format!("b{i}"), ..row }).collect()
            };
            Town { places, rows: rows.map(numbered) }
        },
    )
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

/// Children of each area by its demand points.
fn placed(study: &Study) -> Vec<f64> {
    let mut sums = vec![0.0; study.areas().all().len()];
    for block in &study.demand().blocks {
        for point in study.demand().points_of(block) {
            study.areas().chain(point.area).for_each(|a| sums[a] += block.children * point.weight);
        }
    }
    sums
}

fn by_block(study: &Study) -> BTreeMap<String, (f64, ChildrenFrom)> {
    study.demand().blocks.iter().map(|b| (b.id.clone(), (b.children, b.children_from))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_area_keeps_its_total_at_every_level(town in any_town()) {
        let study = town.study();
        let (areas, allocation) = (study.areas(), &study.demand().allocation);
        let mut unplaced = vec![0.0; areas.all().len()];
        for (area, balance) in allocation.areas.iter().enumerate() {
            prop_assert!(balance.unplaced >= 0.0 && balance.excess >= 0.0);
            areas.chain(Some(area)).for_each(|a| unplaced[a] += balance.unplaced);
        }
        for (area, placed) in placed(&study).into_iter().enumerate() {
            let balance = &allocation.areas[area];
            let own = &areas.all()[area];
            prop_assert_eq!(balance.given, own.under3.or(own.population.map(|p| p * UNDER3_PER_RESIDENT)));
            if let Some(given) = balance.given {
                prop_assert!(
                    near(placed + unplaced[area], given + balance.excess),
                    "{}: {} placed, {} unplaced of {}, {:?}", own.id, placed, unplaced[area], given, balance
                );
            }
        }
        let children: f64 = study.demand().blocks.iter().map(|b| b.children).sum();
        prop_assert!(near(allocation.by_source.iter().sum(), children));
    }

    #[test]
    fn children_are_never_negative_and_a_blocks_points_make_it_up(town in any_town()) {
        let study = town.study();
        for block in &study.demand().blocks {
            let points = study.demand().points_of(block);
            prop_assert!(block.children >= 0.0 && block.children.is_finite());
            prop_assert!(near(points.iter().map(|p| p.weight).sum(), 1.0));
            prop_assert!(points.iter().all(|p| p.weight >= 0.0 && p.children_by_footprint >= 0.0));
            prop_assert!(near(study.demand().parts_by_area(block).iter().map(|(_, part)| part).sum(), 1.0));
            if let Some(row) = town.rows.iter().flatten().find(|row| row.id == block.id && row.under3.is_some()) {
                prop_assert_eq!((Some(block.children), block.children_from), (row.under3, ChildrenFrom::Given));
            }
        }
        let allocation = &study.demand().allocation;
        let shares = allocation.areas.iter().map(|b| b.moved_share).chain([allocation.moved_share]);
        prop_assert!(shares.flatten().all(|share| (0.0..=1.0 + 1e-9).contains(&share)));
    }

    #[test]
    fn the_order_of_rows_changes_nothing(town in any_town(), turn in 0..40_usize) {
        let mut turned = town.clone();
        let mix = |i: usize, n: usize| (i * 7 + turn) % n.max(1);
        turned.places.buildings.sort_by_key(|b| (b.at.lon_e7, b.footprint_m2.to_bits()));
        turned.places.areas.rotate_left(mix(1, town.places.areas.len()));
        if let Some(cells) = &mut turned.places.population {
            let n = cells.len();
            cells.rotate_left(mix(2, n));
            cells.reverse();
        }
        if let Some(rows) = &mut turned.rows {
            let n = rows.len();
            rows.rotate_left(mix(3, n));
        }
        let (one, two) = (by_block(&town.study()), by_block(&turned.study()));
        prop_assert_eq!(one.len(), two.len());
        for ((id, one), (other, two)) in one.into_iter().zip(two) {
            prop_assert_eq!(&id, &other);
            prop_assert!(near(one.0, two.0), "{}: {:?} and {:?}", id, one, two);
        }
    }

    #[test]
    fn areas_and_what_is_outside_add_up_to_the_total(town in any_town()) {
        let study = town.study();
        let coverage: Coverage = study.check(&Policy { minutes: 5.0, ..Policy::default() });
        let parents = study.areas().parents();
        let roots = (0..parents.len()).filter(|&a| parents[a].is_none()).map(|a| &coverage.areas[a]);
        let (mut children, mut covered, mut blocks, mut facilities) = (0.0, 0.0, 0, 0);
        for tally in roots.chain([&coverage.outside]) {
            children += tally.children;
            covered += tally.covered;
            blocks += tally.blocks;
            facilities += tally.facilities;
        }
        let total = &coverage.total;
        prop_assert!(near(children, total.children) && near(covered, total.covered));
        prop_assert_eq!((blocks, facilities), (total.blocks, total.facilities));
        for (tally, placed) in coverage.areas.iter().zip(placed(&study)) {
            prop_assert!(near(tally.children, placed));
            prop_assert!(tally.covered <= tally.children + 1e-9);
            prop_assert_eq!(tally.by_status.iter().sum::<usize>(), tally.blocks);
        }
        // Whatever lies in one of two parts of an area lies in the area.
        for (area, parent) in parents.iter().enumerate() {
            let inside = parent.is_none_or(|p| coverage.areas[p].children >= coverage.areas[area].children - 1e-9);
            prop_assert!(inside);
        }
    }

    #[test]
    fn a_grid_loses_nobody(mut town in any_town()) {
        town.places.areas.iter_mut().for_each(|area| (area.under3, area.population) = (None, None));
        town.rows.iter_mut().flatten().for_each(|row| (row.under3, row.population) = (None, None));
        let study = town.study();
        let Some(cells) = &town.places.population else { return Ok(()) };
        let given: f64 = cells.iter().map(|cell| cell.children).sum();
        let allocation = &study.demand().allocation;
        let grid = allocation.grid.expect("there is a grid");
        prop_assert!(near(grid.given, given));
        prop_assert!(near(grid.placed + grid.unplaced + grid.beyond, given), "{:?}", grid);
        prop_assert!(near(allocation.by_source[ChildrenFrom::Grid as usize], grid.placed), "{:?}", allocation);
        prop_assert!(town.places.extent.is_some() || near(grid.beyond, 0.0));
        prop_assert!(near(grid.overruled, 0.0));
    }

    #[test]
    fn a_grid_under_totals_spreads_them_and_changes_none(town in any_town()) {
        let without = Town { places: Places { population: None, ..town.places.clone() }, ..town.clone() };
        let (with, without) = (town.study(), without.study());
        let given = |study: &Study| study.demand().allocation.areas.iter().map(|b| (b.given, b.excess, b.unplaced)).collect::<Vec<_>>();
        prop_assert_eq!(given(&with), given(&without));
    }
}

/// A rectangle on the lattice of [`place`]: where it begins and how far it goes.
#[derive(Clone, Copy, Debug)]
struct Patch {
    at: (i32, i32),
    size: (i32, i32),
}

impl Patch {
    fn holds(self, (x, y): (i32, i32)) -> bool {
        (0..self.size.0).contains(&(x - self.at.0)) && (0..self.size.1).contains(&(y - self.at.1))
    }

    fn row(self, id: String) -> BlockRow {
        let shape = rectangle(self.at, (self.at.0 + self.size.0, self.at.1 + self.size.1));
        let place = BlockPlace::Shape(shape);
        BlockRow { id, name: None, place, population: None, under3: None, area: None, other: OtherColumns::default() }
    }
}

/// Patches over and beside each other, no two of one size, so that each piece of ground has a smallest.
fn any_patches() -> impl Strategy<Value = Vec<Patch>> {
    let patch = ((-12..12, -12..12), (1..20, 1..20)).prop_map(|(at, size)| Patch { at, size });
    prop::collection::vec(patch, 1..9).prop_map(|patches| {
        let by_size: BTreeMap<i32, Patch> = patches.into_iter().map(|p| (p.size.0 * p.size.1, p)).collect();
        by_size.into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_home_and_each_piece_of_land_counts_once_for_the_smallest_block_that_holds_it(
        patches in any_patches(),
        homes in prop::collection::vec(((-14..14, -14..14), 50..400_u32), 0..6),
        turn in 0..8_usize,
    ) {
        let smallest = |cell| patches.iter().position(|patch| patch.holds(cell));
        let mut cells = vec![0; patches.len()];
        for cell in (-12..32).flat_map(|x| (-12..32).map(move |y| (x, y))) {
            if let Some(patch) = smallest(cell) {
                cells[patch] += 1;
            }
        }
        let mut floors_m2 = vec![0.0; patches.len()];
        for &(at, m2) in &homes {
            if let Some(patch) = smallest(at) {
                floors_m2[patch] += 2.0 * f64::from(m2);
            }
        }
        let building = |&(at, m2): &((i32, i32), u32)| {
            let LonLat { lon_e7, lat_e7 } = place(at);
            let at = LonLat { lon_e7: lon_e7 + 500, lat_e7: lat_e7 + 500 };
            Building { at, footprint_m2: m2 as f32, levels: Some(2.0), home: Home::Certain }
        };
        let buildings = homes.iter().map(building).collect();
        let mut rows: Vec<BlockRow> = patches.iter().zip(0..).map(|(patch, i)| patch.row(format!("b{i}"))).collect();
        rows.rotate_left(turn % patches.len());
        let study = Town { places: Places { buildings, ..Places::default() }, rows: Some(rows) }.study();
        // A step of the lattice at 31° north, metres.
        let step_m2 = 9.547 * 11.086;
        for (i, (floor_m2, cells)) in floors_m2.into_iter().zip(cells).enumerate() {
            let land_m2 = step_m2 * f64::from(cells);
            let residents = if floor_m2 > 0.0 { floor_m2 / FLOOR_M2_PER_RESIDENT } else { land_m2 / LAND_M2_PER_RESIDENT };
            let expected = residents * UNDER3_PER_RESIDENT;
            // What is shared is measured by points, to half a hundredth of the block.
            let whole_m2 = step_m2 * f64::from(patches[i].size.0 * patches[i].size.1);
            let coarse = 0.01 * whole_m2 / LAND_M2_PER_RESIDENT * UNDER3_PER_RESIDENT;
            let block = study.demand().blocks.iter().find(|b| b.id == format!("b{i}")).unwrap();
            prop_assert!(
                (block.children - expected).abs() <= if floor_m2 > 0.0 { 1e-9 } else { coarse },
                "{:?} has {}, not {}", patches[i], block.children, expected
            );
        }
    }
}

#[test]
fn a_cell_over_two_blocks_weighs_the_ground_that_they_share_once() {
    let patches = [((0, 0), (10, 10)), ((0, 0), (20, 10))].map(|(at, size)| Patch { at, size });
    let rows = patches.iter().zip(["small", "big"]).map(|(patch, id)| patch.row(id.to_owned())).collect();
    let place = CellPlace::Shape(rectangle((0, 0), (20, 10)));
    let population = Some(vec![PopulationCell { place, children: 10.0 }]);
    let study = Town { places: Places { population, ..Places::default() }, rows: Some(rows) }.study();
    let children: Vec<f64> = study.demand().blocks.iter().map(|b| b.children).collect();
    assert!(children.iter().all(|c| (c - 5.0).abs() < 0.1), "{children:?}");
}

fn home(at: (i32, i32), footprint_m2: f32, levels: f32) -> Building {
    Building { at: place(at), footprint_m2, levels: Some(levels), home: Home::Certain }
}

#[test]
fn a_block_across_a_border_is_split_where_its_children_live() {
    // Three homes of equal size west of the border at 20, one east of it; the block's ground lies mostly east.
    let residential = vec![ResidentialArea { id: "w1".to_owned(), name: None, shape: rectangle((14, 0), (54, 4)) }];
    let buildings = vec![
        home((15, 1), 100.0, 2.0),
        home((16, 1), 100.0, 2.0),
        home((17, 1), 100.0, 2.0),
        home((40, 1), 100.0, 2.0),
    ];
    let mut areas = areas(&[], None);
    areas.truncate(3);
    let mut town = Town { places: Places { areas, buildings, residential, ..Places::default() }, rows: None };
    let study = town.study();
    let block = &study.demand().blocks[0];
    assert_eq!(block.area, Some(2), "most of its children live in the west");
    let coverage = study.check(&Policy::default());
    assert!(near(coverage.areas[2].children, 0.75 * block.children));
    assert!(near(coverage.areas[1].children, 0.25 * block.children));
    assert_eq!((coverage.areas[2].blocks, coverage.areas[1].blocks, coverage.areas[0].blocks), (1, 0, 1));
    // Each side gets its own total, and the points weigh as many as live there.
    town.places.areas[1].under3 = Some(30.0);
    town.places.areas[2].under3 = Some(6.0);
    let study = town.study();
    let block = &study.demand().blocks[0];
    assert!(near(block.children, 36.0));
    let weights: Vec<f64> = study.demand().points_of(block).iter().map(|p| p.weight).collect();
    assert!([2.0, 2.0, 2.0, 30.0].iter().zip(&weights).all(|(c, w)| near(c / 36.0, *w)), "{weights:?}");
    assert_eq!(block.area, Some(1), "most of its children live in the east now");
}

#[test]
fn parts_above_the_whole_stand_and_are_told() {
    let rows = ["north", "south", "west"].map(|name| BlockRow {
        id: format!("b-{name}"),
        name: None,
        // Far from them all, so that nothing but the name tells where it lies.
        place: BlockPlace::Point(place((-900, -900))),
        population: None,
        under3: None,
        area: Some(name.to_owned()),
        other: OtherColumns::default(),
    });
    let mut areas = areas(&[None, None, Some(90.0), Some(60.0), Some(40.0)], None);
    areas[4].parent = Some("west".to_owned());
    let town = Town { places: Places { areas, ..Places::default() }, rows: Some(rows.to_vec()) };
    let study = town.study();
    let children: Vec<f64> = study.demand().blocks.iter().map(|b| b.children).collect();
    assert_eq!(children, [60.0, 40.0, 0.0]);
    let balance = study.demand().allocation.areas[2];
    assert_eq!((balance.given, balance.excess, balance.unplaced), (Some(90.0), 10.0, 0.0));
}

#[test]
fn a_block_that_names_an_area_lies_in_the_smallest_inside_it() {
    let block = |id: &str, area: &str| BlockRow {
        id: id.to_owned(),
        name: None,
        place: BlockPlace::Point(place((0, 0))),
        population: None,
        under3: Some(7.0),
        area: Some(area.to_owned()),
        other: OtherColumns::default(),
    };
    let mut areas = areas(&[None; 5], None);
    areas[4].parent = Some("west".to_owned());
    areas[3].name = Some("The North".to_owned());
    let rows = vec![block("by-parent", "west"), block("by-name", "The North")];
    let study = Town { places: Places { areas, ..Places::default() }, rows: Some(rows) }.study();
    let lies = |i: usize| study.demand().blocks[i].area.map(|a| study.areas().all()[a].id.as_str());
    assert_eq!((lies(0), lies(1)), (Some("south"), Some("north")));
}

#[test]
fn whoever_lies_in_two_blocks_counts_for_the_smaller_in_any_order_of_rows() {
    let block = |id: &str, side: i32| BlockRow {
        id: id.to_owned(),
        name: None,
        place: BlockPlace::Shape(square((0, 0), side)),
        population: None,
        under3: None,
        area: None,
        other: OtherColumns::default(),
    };
    let children = |rows: Vec<BlockRow>| -> BTreeMap<String, f64> {
        let buildings = vec![home((1, 1), 100.0, 2.0), home((15, 15), 300.0, 2.0)];
        let study = Town { places: Places { buildings, ..Places::default() }, rows: Some(rows) }.study();
        assert!(study.demand().report.overlapping > 0);
        study.demand().blocks.iter().map(|b| (b.id.clone(), b.children)).collect()
    };
    let found = children(vec![block("big", 20), block("small", 5)]);
    assert_eq!(found, children(vec![block("small", 5), block("big", 20)]));
    assert!(near(found["big"], 3.0 * found["small"]), "{found:?}");
}

#[test]
fn an_area_without_a_home_says_whom_it_could_not_place() {
    let areas = areas(&[Some(100.0), None, None, None, None, None, Some(30.0)], None);
    let town =
        Town { places: Places { areas, buildings: vec![home((1, 1), 50.0, 1.0)], ..Places::default() }, rows: None };
    let study = town.study();
    let allocation = &study.demand().allocation;
    assert!(near(study.demand().blocks[0].children, 100.0), "the desert is no part of the city");
    assert_eq!((allocation.areas[6].unplaced, allocation.unplaced), (30.0, 30.0));
}

#[test]
fn cells_go_to_homes_else_to_land_else_nowhere() {
    let residential = vec![ResidentialArea { id: "w1".to_owned(), name: None, shape: square((0, 0), 20) }];
    let cell = |at, size, children| PopulationCell { place: CellPlace::Shape(square(at, size)), children };
    let population = Some(vec![cell((-1, -1), 8, 12.0), cell((10, 10), 1, 5.0), cell((200, 200), 9, 7.0)]);
    let mut town = Town {
        places: Places {
            residential,
            population,
            buildings: vec![home((1, 1), 100.0, 1.0), home((2, 2), 100.0, 3.0)],
            ..Places::default()
        },
        rows: None,
    };
    let by_point = |town: &Town| -> Vec<f64> {
        let study = town.study();
        let block = &study.demand().blocks[0];
        study.demand().points_of(block).iter().map(|p| p.weight * block.children).collect()
    };
    let study = town.study();
    let grid = study.demand().allocation.grid.unwrap();
    assert_eq!((grid.placed, grid.unplaced), (17.0, 7.0));
    // By floor area; the land of the second cell is the block's, whose nearest home stands for it.
    assert!(by_point(&town).iter().zip([3.0, 14.0]).all(|(a, b)| near(*a, b)), "{:?}", by_point(&town));
    // By footprint both are alike: three of seventeen children in another home, but none in another block.
    assert_eq!(study.demand().allocation.moved_share, Some(0.0));
    town.places.buildings.clear();
    let allocation = town.study().demand().allocation.clone();
    assert!(near(allocation.by_source[ChildrenFrom::Grid as usize], 17.0), "{allocation:?}");
    assert!(allocation.by_source[ChildrenFrom::Estimated as usize] > 0.0, "most of the land is in no cell");
}

#[test]
fn between_the_cells_of_a_grid_nobody_lives_and_beyond_it_is_an_estimate() {
    let cell = |at, children| PopulationCell { place: CellPlace::Shape(square(at, 5)), children };
    let home = |at| home(at, 100.0, 1.0);
    let town = Town {
        places: Places {
            population: Some(vec![cell((0, 0), 3.0), cell((50, 0), 0.0)]),
            buildings: vec![home((1, 1)), home((30, 2)), home((51, 1)), home((90, 2))],
            ..Places::default()
        },
        rows: None,
    };
    let study = town.study();
    let (allocation, estimate) = (&study.demand().allocation, 100.0 / FLOOR_M2_PER_RESIDENT * UNDER3_PER_RESIDENT);
    let [given, shared, grid, estimated] = allocation.by_source;
    assert!(near(given + shared, 0.0) && near(grid, 3.0) && near(estimated, estimate), "{allocation:?}");
    let balance = allocation.grid.unwrap();
    assert!(near(balance.between, estimate) && near(balance.estimated, 2.0 * estimate), "{balance:?}");
}

#[test]
fn towers_make_the_two_weightings_differ() {
    // Two blocks of one home each, of equal footprint, one three times as high.
    let residential = [(0, 0), (30, 0)].iter().zip(1..).map(|(&at, i)| ResidentialArea {
        id: format!("w{i}"),
        name: None,
        shape: square(at, 10),
    });
    let mut town = Town {
        places: Places {
            areas: areas(&[Some(40.0)], None)[..1].to_vec(),
            residential: residential.collect(),
            buildings: vec![home((5, 5), 100.0, 9.0), home((35, 5), 100.0, 3.0)],
            ..Places::default()
        },
        rows: None,
    };
    // Thirty and ten by floor, twenty and twenty by footprint: ten of forty are placed differently.
    let share = |town: &Town| town.study().demand().allocation.areas[0].moved_share.unwrap();
    assert!(near(share(&town), 0.25));
    town.places.buildings[0].levels = Some(3.0);
    assert!(near(share(&town), 0.0));
}

#[test]
fn points_of_a_grid_stand_for_what_is_nearest() {
    let at = |x: i32, children: f64| PopulationCell { place: CellPlace::Point(place((x, 0))), children };
    let homes = [(1, 1), (9, 1), (12, 0), (21, 0), (60, 0)].map(|at| home(at, 100.0, 1.0));
    let town = Town {
        places: Places {
            population: Some(vec![at(0, 4.0), at(10, 6.0), at(20, 8.0), at(30, 3.0)]),
            buildings: homes.to_vec(),
            ..Places::default()
        },
        rows: None,
    };
    let study = town.study();
    let mut children: Vec<(i64, f64)> = Vec::new();
    for block in &study.demand().blocks {
        for point in study.demand().points_of(block) {
            children.push((point.at.x.round() as i64, block.children * point.weight));
        }
    }
    children.sort_by_key(|(x, _)| *x);
    let counted: Vec<f64> = children.iter().map(|(_, c)| *c).collect();
    let estimate = 100.0 / FLOOR_M2_PER_RESIDENT * UNDER3_PER_RESIDENT;
    let expected = [4.0, 3.0, 3.0, 8.0, estimate];
    assert!(counted.iter().zip(expected).all(|(a, b)| near(*a, b)), "{counted:?}");
    assert!(near(study.demand().allocation.grid.unwrap().unplaced, 3.0));
}
