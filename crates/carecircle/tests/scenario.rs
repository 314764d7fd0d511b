//! Scenarios on the command line: what becomes of a city when facilities open, close and change.

mod program;

use program::{Folder, carecircle, refuse, succeed};
use serde_json::Value;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo");

fn checked(folder: &Folder, arguments: &[&str]) -> Value {
    let out = folder.file("out.geojson");
    succeed(&[&["check"], arguments, &["-o", &out]].concat());
    serde_json::from_slice(&std::fs::read(out).expect("what was written")).expect("JSON")
}

#[test]
fn a_scenario_is_as_good_as_the_table_that_it_makes() {
    let folder = Folder::new("scenario");
    let register = std::fs::read_to_string(format!("{DEMO}/facilities.csv")).expect("the demo's register");
    let mut rows: Vec<&str> = register.lines().collect();
    let closed = rows.remove(1).split(',').next().expect("an id");
    let header = rows[0].split(',').map(|name| if ["id", "lon", "lat"].contains(&name) { name } else { "" });
    let new: Vec<&str> = header
        .map(|name| match name {
            "id" => "new",
            "lon" => "114.3",
            "lat" => "30.9",
            _ => "",
        })
        .collect();
    let new = new.join(",");
    rows.push(&new);
    let table = folder.write("after.csv", rows.join("\n"));
    let scenario = folder.write(
        "more.json",
        format!(r#"{{"open": [{{"id": "new", "lon": 114.3, "lat": 30.9}}], "close": ["{closed}"]}}"#),
    );
    let (mut thought, mut done) =
        (checked(&folder, &["--scenario", &scenario]), checked(&folder, &["--facilities", &table]));
    assert_eq!(thought["parameters"]["scenario"].take(), "more.json");
    thought["parameters"].as_object_mut().expect("an object").remove("scenario");
    assert!(thought["features"].as_array().is_some_and(|blocks| blocks.len() > 100));
    for answer in [&mut thought, &mut done] {
        answer["features"].as_array_mut().expect("features").sort_by_key(|block| block["id"].to_string());
    }
    assert_eq!(thought, done);
    let told = carecircle(&["check", "--scenario", &scenario]);
    let told = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.contains("scenario more.json: facilities opened: 1, closed: 1, changed: 0"), "{told}");
}

#[test]
fn a_prepared_city_takes_scenarios_too() {
    let folder = Folder::new("scenario-prepared");
    let (map, city) = (format!("{DEMO}/town.osm.pbf"), folder.file("town.carecircle"));
    succeed(&["import", &map, "-o", &city]);
    let scenario =
        folder.write("s.json", r#"{"name": "one more", "open": [{"id": "new", "lon": 114.3, "lat": 30.9}]}"#);
    let after = checked(&folder, &[&map, "--scenario", &scenario]);
    assert_eq!(after["parameters"]["scenario"], "one more");
    assert_eq!(after, checked(&folder, &[&city, "--scenario", &scenario]));
    assert_ne!(after["features"], checked(&folder, &[&city])["features"]);
}

#[test]
fn what_does_not_fit_the_city_is_refused() {
    let folder = Folder::new("scenario-refused");
    for (json, says) in [
        ("{", "is {\"open\""),
        (r#"{"close": ["none"]}"#, "close[0]: there is no facility \"none\""),
        (
            r#"{"open": [{"id": "n", "lon": 2.35, "lat": 48.85}]}"#,
            "open[0], lon: 2.35000, 48.85000 lies outside the map",
        ),
    ] {
        let scenario = folder.write("s.json", json);
        let told = refuse(&["check", "--scenario", &scenario]);
        assert!(told.contains(says), "{told}");
    }
    assert!(refuse(&["check", "--scenario", &folder.file("none.json")]).contains("none.json"));
    let scenario = folder.write("s.json", "{}");
    let told = refuse(&["check", "--scenario", &scenario, "-o", &scenario]);
    assert!(told.contains("is one of the inputs"), "{told}");
}
