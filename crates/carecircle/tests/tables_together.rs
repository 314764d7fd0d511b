//! What is told, and counted, where tables don't agree with each other, with themselves or with the map.

mod program;

use program::{Folder, succeed};
use std::path::Path;

fn demo(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo").join(name);
    path.to_str().expect("a plain path").to_owned()
}

/// A ring around a rectangle, as WKT.
fn rectangle(west: f64, south: f64, east: f64, north: f64) -> String {
    format!("\"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))\"")
}

#[test]
fn a_facility_that_the_register_and_the_map_both_have_counts_once() {
    let register = demo("facilities.csv");
    let town = demo("town.osm.pbf");
    let found = |arguments: &[&str]| -> (usize, String) {
        let told = succeed(arguments);
        let line = told.lines().find(|line| line.starts_with("facilities: ")).expect("how many were found");
        (line["facilities: ".len()..].split(' ').next().expect("a number").parse().expect("a number"), told)
    };
    let (of_map, _) = found(&["check", &town]);
    let (of_register, alone) = found(&["check", &town, "--facilities", &register]);
    let (both, told) = found(&["check", &town, "--facilities", &register, "--add-osm"]);
    assert!(!alone.contains("counted once:"), "{alone}");
    let joined = told.lines().find(|line| line.starts_with("facilities that both the table and the map have"));
    let joined = joined.unwrap_or_else(|| panic!("{told}"));
    let n: usize = joined
        .split("once: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("how many")
        .parse()
        .expect("a number");
    assert!(n > 0 && both == of_map + of_register - n, "{both} of {of_map} and {of_register}: {joined}");
    assert!(joined.contains("f02 = n810"), "钟楼托育园 is on both: {joined}");

    // A neighbour by another name in the same house is perhaps the same, and nobody knows.
    let folder = Folder::new("joined");
    let other = folder.write("f.csv", "id,name,lon,lat\nx,别的托育园,114.2949062,30.9008976\n");
    let (both, told) = found(&["check", &town, "--facilities", &other, "--add-osm"]);
    assert_eq!(both, of_map + 1);
    assert!(told.contains("perhaps one facility, counted as two: 1 (x = n810)"), "{told}");
    assert!(!told.contains("perhaps listed twice"), "once is enough: {told}");
}

#[test]
fn areas_over_each_other_are_told_and_neighbours_are_not() {
    let folder = Folder::new("overlaps");
    let row = |id: &str, level: &str, parent: &str, shape: String| format!("{id},{level},{parent},{shape}\n");
    let streets = |east_begins: f64| {
        let city = rectangle(114.27, 30.88, 114.33, 30.92);
        let (west, east) = (rectangle(114.27, 30.88, 114.30, 30.92), rectangle(east_begins, 30.88, 114.33, 30.92));
        let rows = [row("c", "city", "", city), row("w", "street", "c", west), row("e", "street", "c", east)];
        let table = folder.write("a.csv", format!("id,level,parent,geometry\n{}", rows.concat()));
        succeed(&["check", &demo("town.osm.pbf"), "--areas", &table])
    };
    let told = streets(114.29);
    assert!(told.contains("pairs of areas of one level that lie over each other: 1, the first w and e ("), "{told}");
    assert!(!streets(114.2996).contains("lie over each other"), "a strip of 40 m along 3 km is a sliver");
    assert!(!streets(114.30).contains("lie over each other"));
}

#[test]
fn more_children_than_residents_are_told_in_blocks_and_in_areas() {
    let folder = Folder::new("children");
    let blocks = folder.write("b.csv", "id,lon,lat,population,under3\nx,114.30,30.90,20,30\ny,114.301,30.9,9,9\n");
    let areas = folder.write("a.csv", "id,level,population,under3\nc,city,100,\nd,district,60,90\ne,district,4,5\n");
    let told = succeed(&["check", &demo("town.osm.pbf"), "--blocks", &blocks, "--areas", &areas]);
    assert!(
        told.contains("b.csv: rows with more children under three than residents: 1, the first x (30 of 20)"),
        "{told}"
    );
    assert!(
        told.contains("a.csv: rows with more children under three than residents: 2, the first d (90 of 60)"),
        "{told}"
    );
    let told = succeed(&["check", &demo("town.osm.pbf"), "--blocks", &blocks, "--lang", "zh"]);
    assert!(told.contains("b.csv：1 行的3岁以下人数多于常住人口，首个为 x（20 人中 30）"), "{told}");
}

#[test]
fn blocks_over_each_other_say_what_they_share_and_count_it_once() {
    let folder = Folder::new("over");
    let blocks = |rows: &[(&str, String)]| {
        let rows: Vec<String> = rows.iter().map(|(id, shape)| format!("{id},{shape}\n")).collect();
        let table = folder.write("b.csv", format!("id,geometry\n{}", rows.concat()));
        let told = succeed(&["check", &demo("town.osm.pbf"), "--blocks", &table]);
        let total = told.lines().find(|line| line.starts_with("total")).expect("a total").to_owned();
        let cells: Vec<&str> = total.split("  ").filter(|cell| !cell.trim().is_empty()).collect();
        (cells[5].trim().replace(',', "").parse::<f64>().expect("children"), told)
    };
    let whole = ("whole", rectangle(114.28, 30.885, 114.32, 30.915));
    let inside = ("inside", rectangle(114.29, 30.89, 114.31, 30.91));
    let (alone, told) = blocks(std::slice::from_ref(&whole));
    assert!(!told.contains("blocks drawn over smaller ones"), "{told}");
    let (both, told) = blocks(&[whole, inside]);
    // 1.91 by 2.22 km, measured by points.
    assert!(told.contains("blocks drawn over smaller ones: 1; the 4"), "{told}");
    assert!(alone > 100.0 && (both - alone).abs() <= 1.0, "{both} and {alone}");
}

#[test]
fn a_population_table_that_cannot_be_meant_is_told() {
    let folder = Folder::new("grid");
    let check = |rows: &str, weight: &str| {
        let table = folder.write("p.csv", format!("id,lon,lat,under3\n{rows}"));
        succeed(&["check", &demo("town.osm.pbf"), "--population", &format!("{table}{weight}")])
    };
    let cell = |i: i32, under3: &str| {
        let (lon, lat) = (114.27 + f64::from(i % 12) * 0.005, 30.88 + f64::from(i / 12) * 0.005);
        format!("g{i},{lon:.4},{lat:.4},{under3}\n")
    };
    let grid = |under3: &str| (0..96).map(|i| cell(i, under3)).collect::<String>();
    let fair = check(&grid("20"), "");
    assert!(!fair.contains("warning: the population grid") && !fair.contains("can't be used, so"), "{fair}");
    assert!(check(&grid("20"), "=0.0207").contains("weighed twice?"));
    assert!(check(&grid("2000"), "").contains("does it count all residents?"));
    let most: String = (0..96).map(|i| cell(i, if i % 3 == 0 { "20" } else { "many" })).collect();
    let told = check(&most, "");
    assert!(told.contains("warning: p.csv: 64 of its 96 rows can't be used"), "{told}");
}
