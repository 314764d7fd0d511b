//! Prepared cities: whatever a command says of one, it says of the extract, to the byte; what is no good is refused.

mod program;

use program::{Folder, refuse, succeed};
use std::path::Path;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo");

fn demo(name: &str) -> String {
    format!("{DEMO}/{name}")
}

/// The demo town's map, prepared.
fn prepared(folder: &Folder, more: &[&str]) -> String {
    let out = folder.file("town.carecircle");
    succeed(&[&["import", &demo("town.osm.pbf"), "-o", &out], more].concat());
    out
}

#[test]
fn every_command_says_of_a_prepared_city_what_it_says_of_the_extract() {
    let folder = Folder::new("prepared");
    let city = prepared(&folder, &[]);
    let points = folder.write("points.csv", "id,lon,lat\na,114.3,30.9\nb,114.304,30.9\nc,114.31,30.905\n");
    let (facilities, blocks, areas) = (demo("facilities.csv"), demo("blocks.geojson"), demo("areas.geojson"));
    let commands: &[(&[&str], &str)] = &[
        (&["check"], "geojson"),
        (&["check", "--profile", "stroller", "--minutes", "11", "--what-if-gates"], "geojson"),
        (&["check", "--facilities", &facilities], "geojson"),
        (&["check", "--facilities", &facilities, "--add-osm"], "geojson"),
        (&["check", "--areas", &areas], "geojson"),
        (&["check", "--blocks", &blocks, "--areas", &areas, "--facilities", &facilities], "geojson"),
        (&["check", "--snap-m", "60"], "geojson"),
        (&["isochrone", "--at", "114.3,30.9"], "geojson"),
        (&["isochrone", "--split", "nearest", "--facilities", &facilities], "geojson"),
        (&["isochrone", "--split", "none", "--profile", "stroller"], "geojson"),
        (&["matrix", "--from", &points, "--to", &points], "csv"),
        (&["report"], "html"),
        (&["report", "--facilities", &facilities, "--add-osm"], "html"),
        (&["import", "--report"], "json"),
        (&["import", "--report"], "html"),
    ];
    for (command, ending) in commands {
        let said = |city: &str, name: &str| {
            let out = folder.file(&format!("{name}.{ending}"));
            let into: &[&str] = if command.contains(&"--report") { &[&out] } else { &["-o", &out] };
            let printed = succeed(&[&command[..1], &[city], &command[1..], into].concat());
            (printed.replace(&out, "OUT"), std::fs::read(&out).expect("what it wrote"))
        };
        let (of_extract, of_prepared) = (said(&demo("town.osm.pbf"), "extract"), said(&city, "prepared"));
        assert!(of_extract.1.len() > 100, "{command:?}");
        assert_eq!(of_prepared.0, of_extract.0, "{command:?}");
        assert!(of_prepared.1 == of_extract.1, "{command:?}: the files differ");
    }
    for table in ["node.csv", "link.csv"] {
        let said = |city: &str, name: &str| {
            let out = folder.file(name);
            succeed(&["export-network", city, "-o", &out]);
            let text = std::fs::read(Path::new(&out).join(table)).expect("a table");
            std::fs::remove_dir_all(out).expect("the folder");
            text
        };
        assert!(said(&city, "a") == said(&demo("town.osm.pbf"), "b"), "{table}");
    }
}

#[test]
fn a_city_is_prepared_to_the_same_bytes_each_time() {
    let folder = Folder::new("prepared-twice");
    let first = std::fs::read(prepared(&folder, &[])).expect("a file");
    let report = folder.file("r.json");
    let second = std::fs::read(prepared(&folder, &["--report", &report])).expect("a file");
    assert!(first == second && !first.is_empty());
    assert_eq!(folder.names(), ["r.json", "town.carecircle"], "something half-done remains");
}

#[test]
fn what_cannot_be_prepared_is_refused() {
    let folder = Folder::new("prepared-refused");
    let (map, out) = (demo("town.osm.pbf"), folder.file("x.carecircle"));
    let facilities = demo("facilities.csv");
    let city = prepared(&folder, &[]);
    for (arguments, says) in [
        (&["import", &map, "-o", &folder.file("x.osm")][..], "must end in .carecircle"),
        (&["import", "-o", &out], "an OpenStreetMap extract (.osm.pbf) is wanted"),
        (&["import", &city, "-o", &out], "an OpenStreetMap extract (.osm.pbf) is wanted"),
        (&["import", &city, "-o", &city], "is one of the inputs"),
        (&["import", &map, "--facilities", &facilities, "-o", &out], "holds the map alone"),
        (&["import", &map, "-o", &out, "--timings", &out], "is another output"),
        (&["import", &map, "-o", &folder.file("no/x.carecircle")], "there is no folder"),
    ] {
        let told = refuse(arguments);
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
    assert_eq!(folder.names(), ["town.carecircle"]);
}

#[test]
fn what_is_no_prepared_city_is_refused() {
    let folder = Folder::new("prepared-foreign");
    let city = prepared(&folder, &["--island-m", "500"]);
    let whole = std::fs::read(&city).expect("the file");
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty", Vec::new(), "not a prepared file"),
        ("pbf", std::fs::read(demo("town.osm.pbf")).expect("the map"), "not a prepared file"),
        ("half", whole[..whole.len() / 2].to_vec(), "an interrupted copy?"),
        ("format", changed(16), "import the extract anew"),
        ("header", changed(40), "wrong checksum: header"),
        ("network", changed(whole.len() / 2), "the file is damaged"),
    ];
    for (name, bytes, says) in cases {
        let path = folder.write(&format!("{name}.carecircle"), bytes);
        let told = refuse(&["check", &path, "--island-m", "500"]);
        assert!(told.contains(says) && told.contains(&path), "{name}: {told}");
    }
    let told = refuse(&["check", &city]);
    assert!(told.contains("--island-m 1000") && told.contains("--island-m 500"), "{told}");
    succeed(&["check", &city, "--island-m", "500"]);
    assert!(refuse(&["check", &folder.file("none.carecircle")]).contains("none.carecircle"));
    let directory = folder.file("d.carecircle");
    std::fs::create_dir(&directory).expect("a folder");
    assert!(refuse(&["serve", &directory]).contains("not a prepared file"));
}
