//! The program as its users run it: what it prints, writes and returns.

mod program;

use program::{Folder, carecircle, refuse, succeed};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn demo(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo").join(name);
    path.to_str().expect("a plain path").to_owned()
}

fn features(text: &str) -> Vec<Value> {
    let collection: Value = serde_json::from_str(text).expect("GeoJSON");
    assert_eq!(collection["type"], "FeatureCollection");
    assert_eq!(collection["attribution"], "© OpenStreetMap contributors (ODbL)");
    collection["features"].as_array().expect("features").clone()
}

#[test]
fn the_demo_is_checked_into_a_file_and_a_table() {
    let folder = Folder::new("check");
    let out = folder.file("out.geojson");
    let table = succeed(&["check", "-o", &out, "--timings", &folder.file("t.json")]);
    assert!(table.contains("He'an District (和安区)") && table.contains("total"), "{table}");
    let blocks = features(&std::fs::read_to_string(&out).expect("the file"));
    assert_eq!(blocks.len(), 261);
    for block in &blocks {
        let p = &block["properties"];
        for name in [
            "id",
            "name",
            "status",
            "covered_share",
            "minutes",
            "nearest_facility",
            "reason",
            "children",
            "demand",
            "area",
        ] {
            assert!(p.get(name).is_some(), "{name} is missing: {p}");
        }
        assert_eq!(p["id"], block["id"]);
        assert!(p["covered_share"].is_number());
        assert_eq!(p["reason"].is_null(), p["status"] == "covered");
    }
    assert_eq!(folder.names(), ["out.geojson", "t.json"], "something half-done remains");
    let timings: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.file("t.json")).expect("t.json")).expect("JSON");
    assert!(timings["stages"]["read"].is_number());
}

#[test]
fn the_same_input_gives_the_same_bytes_in_any_order_of_facilities() {
    let folder = Folder::new("order");
    let table = std::fs::read_to_string(demo("facilities.csv")).expect("the demo's register");
    let (head, rows) = table.split_once('\n').expect("a header");
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.reverse();
    let turned = folder.write("turned.csv", format!("{head}\n{}\n", rows.join("\n")));
    let stream = |facilities: &str| succeed(&["check", "--facilities", facilities, "-o", "-"]);
    let first = stream(&demo("facilities.csv"));
    assert_eq!(first, stream(&turned));
    assert_eq!(first, succeed(&["check", "-o", "-"]));
}

#[test]
fn a_stricter_limit_covers_less_and_a_stream_is_nothing_but_geojson() {
    let covered = |minutes: &str| {
        let blocks = features(&succeed(&["check", "-o", "-", "--minutes", minutes]));
        blocks.iter().filter(|b| b["properties"]["status"] == "covered").count()
    };
    assert!(covered("5") < covered("15"));
}

#[test]
fn a_map_without_tables_gives_every_home_a_verdict() {
    let folder = Folder::new("osm");
    let out = folder.file("out.csv");
    let table = succeed(&["check", &demo("town.osm.pbf"), "-o", &out, "--lang", "zh"]);
    assert!(table.contains("和安区") && table.contains("合计"), "{table}");
    let csv = std::fs::read_to_string(&out).expect("the file");
    assert!(csv.starts_with("\u{feff}id,name,status,"), "Excel needs the mark: {}", &csv[..40]);
    assert!(csv.lines().count() > 200);
}

#[test]
fn rows_that_cannot_be_used_come_back_beside_the_output() {
    let folder = Folder::new("rejects");
    let register = folder.write(
        "f.csv",
        "编号,名称,经度,纬度,托位数\na,甲,114.3,30.9,20\nb,乙,,30.9,30\nc,丙,114.31,30.9,-5\nd,丁,114.31,30.9,很多\n",
    );
    let out = folder.file("out.geojson");
    let output = carecircle(&["check", "--facilities", &register, "-o", &out]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("f.csv row 3, column 经度: is empty"), "{err}");
    assert!(err.contains("f.csv row 4, column 托位数: -5 is no whole number"), "{err}");
    let out_text = String::from_utf8_lossy(&output.stdout);
    assert!(out_text.contains("f.csv row 5, column 托位数: `很多` is no"), "{out_text}");
    let rejects = std::fs::read_to_string(folder.file("out.geojson.rejects.csv")).expect("the rejects");
    assert!(rejects.starts_with("\u{feff}编号,名称,经度,纬度,托位数,reject_row"), "{rejects}");
    assert_eq!(rejects.lines().count(), 3);
    let strict = refuse(&["check", "--facilities", &register, "--strict", "-o", &folder.file("strict.geojson")]);
    assert!(strict.contains("row 3"), "{strict}");
    assert!(!folder.names().contains(&"strict.geojson".to_owned()));
    // Whoever reads Chinese is told in Chinese, everywhere.
    let output = carecircle(&["check", "--facilities", &register, "--lang", "zh", "-o", &out]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("f.csv 第 3 行“经度”列：为空：没有坐标"), "{err}");
    assert!(err.contains("f.csv 第 4 行“托位数”列：-5 不是整数（0 至 1,000,000）"), "{err}");
    let out_text = String::from_utf8_lossy(&output.stdout);
    assert!(
        out_text.contains("首个：f.csv 第 5 行“托位数”列：`很多` 不是整数（0 至 1,000,000）；按未知处理"),
        "{out_text}"
    );
    let rejects = std::fs::read_to_string(folder.file("out.geojson.rejects.csv")).expect("the rejects");
    assert!(rejects.contains("3,经度,为空：没有坐标") && !rejects.contains(" is "), "{rejects}");
    let page = folder.file("page.html");
    succeed(&["report", "--facilities", &register, "--lang", "zh", "-o", &page]);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("f.csv 第 3 行“经度”列：为空：没有坐标"));
    assert!(!page.contains("is empty") && !page.contains("taken as unknown"));
    for (arguments, said) in [
        (["--facilities", "none.csv"], "错误：无法读取 none.csv：没有这个文件或文件夹"),
        (["--crs", "mars"], "错误：--crs mars：可用 wgs84、gcj02、bd09，或 EPSG:4547 这样的代号"),
        (["--columns", "places=床位"], "错误：--columns places=床位：没有哪张表有 `床位` 列"),
        (["--policy", "none"], "错误：--policy none：可用 "),
    ] {
        let told = refuse(&["check", arguments[0], arguments[1], "--lang", "zh", "-o", "-"]);
        assert!(told.contains(said), "{told}");
    }
    // Mended, the old rejects are gone.
    let mended = folder.write("m.csv", "编号,经度,纬度\na,114.3,30.9\n");
    succeed(&["check", "--facilities", &mended, "-o", &out]);
    assert!(!folder.names().contains(&"out.geojson.rejects.csv".to_owned()));
    let over = refuse(&["check", "--facilities", &mended, "-o", &mended]);
    assert!(over.contains("one of the inputs"), "{over}");
    let over = refuse(&["check", "--facilities", &mended, "--timings", &mended]);
    assert!(over.contains("--timings") && over.contains("one of the inputs"), "{over}");
}

#[test]
fn a_table_of_points_gets_one_verdict_per_row() {
    let folder = Folder::new("points");
    let row = |i: i32| format!("h{i},{},30.9,{}", 114.28 + f64::from(i) * 0.0008, i * 10);
    let rows = (0..50).map(row).collect::<Vec<_>>().join("\n");
    let blocks = folder.write("b.csv", format!("id,lon,lat,population\n{rows}\n"));
    let judged = features(&succeed(&["check", &demo("town.osm.pbf"), "--blocks", &blocks, "-o", "-"]));
    let ids: Vec<String> = judged.iter().map(|b| b["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, (0..50).map(|i| format!("h{i}")).collect::<Vec<_>>());
}

#[test]
fn areas_without_outlines_count_the_blocks_that_name_them() {
    let folder = Folder::new("areas");
    let areas = folder.write("a.csv", "id,name,level,parent,under3\nd,全区,district,,100\ns,一街,street,d,60\n");
    let blocks = folder.write("b.csv", "id,lon,lat,area\nx,114.30,30.90,s\ny,114.301,30.90,d\n");
    let table = succeed(&["check", &demo("town.osm.pbf"), "--areas", &areas, "--blocks", &blocks]);
    assert!(table.lines().any(|l| l.trim_start().starts_with("一街") && l.contains(" 1 ")), "{table}");
}

#[test]
fn parents_that_are_named_in_vain_are_told_of() {
    let folder = Folder::new("parents");
    let areas = "id,level,parent,population\nc,city,,100\nd,district,c,60\ne,street,nobody,20\nf,district,e,20\n";
    let told = succeed(&["check", "--areas", &folder.write("a.csv", areas)]);
    assert!(
        told.contains("a.csv: areas whose parent is not there or of no larger level: 2, the first e in nobody"),
        "{told}"
    );
}

#[test]
fn wrong_input_is_named_with_what_would_do() {
    let folder = Folder::new("wrong");
    let text = folder.write("no.osm.pbf", "this is no map");
    let cut = folder.write("cut.osm.pbf", &std::fs::read(demo("town.osm.pbf")).expect("the demo")[..50_000]);
    let none = folder.file("none.osm.pbf");
    let no_kinds = folder.write("none.toml", "kinds = []\n");
    let cases: [(&[&str], &str); 25] = [
        (&["check", &text], "not an OpenStreetMap extract"),
        (&["check", &cut], "at byte"),
        (&["check", &none], "none.osm.pbf"),
        (&["check", "--minutes", "0"], "from 1 to 120"),
        (&["check", "--speed-kmh", "nan"], "from 0.5 to 15"),
        (&["check", "--profile", "car"], "there is walk"),
        (&["check", "--policy", "mars"], "there is default, national"),
        (&["check", "--crs", "mars"], "wgs84"),
        (&["check", "--crs", "gcj02,areas=bd09,wgs84"], "gcj02 and wgs84 are both said of every table"),
        (&["check", "--crs", "areas=gcj02, areas=gcj02"], "areas=gcj02 and areas=gcj02 are both said of areas"),
        (&["check", "--policy", &no_kinds], "none.toml: kinds = []"),
        (&["check", "--columns", "x"], "ours=theirs"),
        (&["check", "--columns", "id=nobody"], "no table has a column"),
        (&["check", "-o", "/nowhere/at/all.csv"], "there is no folder"),
        (&["check", "-o", "out.shp"], ".geojson"),
        (&["isochrone", "--at", "east"], "longitude and latitude"),
        (&["isochrone", "--at", "0,0"], "no walkable street within 250 m"),
        (&["isochrone"], "--at <LON,LAT>"),
        (&["isochrone", "--at", "114.3,30.9", "--split", "none"], "cannot be used with"),
        (&["isochrone", "--at", "114.3,30.9", "--facilities", &none], "cannot be used with"),
        (&["isochrone", "--split", "some"], "none, facility, nearest"),
        (&["isochrone", "--split", "none", "--depth-m", "51"], "--depth-m = 51: a number of metres from 30 to 50"),
        (&["isochrone", "--at", "114.3,30.9", "--tolerance-m", "-1"], "from 0 to 100"),
        (&["isochrone", "--facilities", &none], "none.osm.pbf"),
        (&["isochrone", "--facilities", &text, "-o", &text], "must end in .geojson"),
    ];
    for (arguments, hint) in cases {
        let err = refuse(arguments);
        assert!(err.contains(hint), "{arguments:?}: {err}");
    }
    refuse(&["dance"]);
}

#[test]
fn isochrones_nest_and_hold_their_origin() {
    let folder = Folder::new("isochrone");
    let out = folder.file("iso.geojson");
    let told = succeed(&["isochrone", "--at", "114.3,30.9", "--minutes", "15,5,10", "-o", &out]);
    assert_eq!(told.lines().count(), 3, "{told}");
    let bands = features(&std::fs::read_to_string(&out).expect("the file"));
    let minutes: Vec<f64> = bands.iter().map(|b| b["properties"]["minutes"].as_f64().expect("minutes")).collect();
    assert_eq!(minutes, [5.0, 10.0, 15.0]);
}

fn minutes_of(circles: &[Value]) -> Vec<f64> {
    circles.iter().map(|c| c["properties"]["minutes"].as_f64().expect("minutes")).collect()
}

fn ids_of(circles: &[Value]) -> Vec<&str> {
    circles.iter().map(|c| c["id"].as_str().expect("an id")).collect()
}

#[test]
fn circles_of_a_table_are_one_or_apart_or_divided() {
    let folder = Folder::new("circles");
    // Two beside each other, one off every street, one without a place, one in another town.
    let table = folder.write(
        "f.csv",
        "id,name,lon,lat\na,甲,114.3,30.9\nb,,114.304,30.9\nc,,114.2682,30.9261\nd,,,30.9\ne,,115,31\n",
    );
    let out = folder.file("out.geojson");
    let draw = |more: &[&str]| {
        let output = carecircle(&[&["isochrone", "--facilities", &table, "-o", &out], more].concat());
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{err}");
        let text = std::fs::read_to_string(&out).expect("the file");
        let about: Value = serde_json::from_str(&text).expect("GeoJSON");
        (features(&text), about, String::from_utf8_lossy(&output.stdout).into_owned(), err)
    };
    let (whole, about, told, err) = draw(&[]);
    assert_eq!(ids_of(&whole), ["15min"]);
    let properties = &whole[0]["properties"];
    assert!(properties["facility"].is_null() && properties["facility_name"].is_null(), "{properties}");
    assert_eq!((&properties["profile"], &properties["speed_kmh"]), (&"walk".into(), &4.8.into()));
    assert_eq!((&about["parameters"]["split"], &about["parameters"]["depth_m"]), (&"none".into(), &50.0.into()));
    assert_eq!((&about["facilities"], &about["parameters"]["minutes"]), (&3.into(), &serde_json::json!([15.0])));
    assert!(told.starts_with("15 minutes: 3 facilities, "), "{told}");
    assert!(err.contains("f.csv row 5, column lon: is empty"), "{err}");
    assert!(err.contains("f.csv row 6, column lon: 115.00000, 31.00000 lies outside the map, 64.6 km"), "{err}");
    assert!(err.contains("farther than 250 m from any street: 1"), "{err}");
    assert!(std::fs::read_to_string(folder.file("out.geojson.rejects.csv")).expect("the rejects").contains("d,"));

    let (apart, ..) = draw(&["--split", "facility", "--minutes", "10,5"]);
    assert_eq!(ids_of(&apart), ["a-5min", "a-10min", "b-5min", "b-10min"]);
    assert_eq!(minutes_of(&apart), [5.0, 10.0, 5.0, 10.0]);
    assert_eq!(apart[0]["properties"]["facility"], "a");
    assert_eq!(
        (&apart[0]["properties"]["facility_name"], &apart[2]["properties"]["facility_name"]),
        (&"甲".into(), &Value::Null)
    );
    let alone = features(&succeed(&["isochrone", "--at", "114.304,30.9", "--minutes", "5,10"]));
    assert_eq!(alone[0]["geometry"], apart[2]["geometry"], "a facility's circle is the isochrone around it");

    let (divided, ..) = draw(&["--split", "nearest", "--minutes", "5", "--tolerance-m", "5", "--depth-m", "30"]);
    assert_eq!(ids_of(&divided), ["a-5min", "b-5min"]);
    assert!(divided.iter().zip([&apart[0], &apart[2]]).all(|(part, whole)| part["geometry"] != whole["geometry"]));
}

#[test]
fn circles_of_the_city_are_those_of_the_facilities_that_count() {
    let count = |more: &[&str]| features(&succeed(&[&["isochrone", "--split", "facility"], more].concat())).len();
    let all = count(&[]);
    assert!((30..=40).contains(&all), "{all}");
    assert!(count(&["--policy", "national"]) < all);
    let folder = Folder::new("policy");
    let policy = folder.write("p.toml", "minutes = 7.5\nkinds = [\"family\"]\nprofile = \"stroller\"\n");
    let circles = features(&succeed(&["isochrone", "--split", "none", "--policy", &policy]));
    assert_eq!((ids_of(&circles), minutes_of(&circles)), (vec!["7-5min"], vec![7.5]));
    assert_eq!(circles[0]["properties"]["profile"], "stroller");
    let nobody = folder.write("n.toml", "min_places = 100000\n");
    let output = carecircle(&["isochrone", "--split", "none", "--policy", &nobody]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no facility counts"));
    assert!(features(&String::from_utf8_lossy(&output.stdout)).is_empty());
}

#[test]
fn circles_of_many_facilities_are_drawn_lot_by_lot_and_all_come_in_their_order() {
    let folder = Folder::new("lots");
    let row = |i: u32| format!("f{i:03},{},30.9\n", 114.28 + f64::from(i) * 0.0002);
    let table = folder.write("f.csv", format!("id,lon,lat\n{}", (0..150).map(row).collect::<String>()));
    let circles = features(&succeed(&["isochrone", "--facilities", &table, "--split", "facility", "--minutes", "1,2"]));
    let expected: Vec<String> = (0..150).flat_map(|i| [1, 2].map(|m| format!("f{i:03}-{m}min"))).collect();
    assert_eq!(ids_of(&circles), expected);
    let last = features(&succeed(&["isochrone", "--at", "114.3098,30.9", "--minutes", "1,2"]));
    assert_eq!(circles[298]["geometry"], last[0]["geometry"]);
}

#[test]
fn circles_are_drawn_the_same_each_time() {
    for split in ["none", "facility", "nearest"] {
        let draw = || succeed(&["isochrone", "--split", split, "--minutes", "6,12"]);
        assert_eq!(draw(), draw(), "{split}");
    }
}

fn report(arguments: &[&str], folder: &Folder) -> Value {
    let out = folder.file("report.json");
    succeed(&[arguments, &["--report", &out]].concat());
    serde_json::from_str(&std::fs::read_to_string(out).expect("the report")).expect("JSON")
}

#[test]
fn an_import_tells_how_far_the_map_can_be_trusted() {
    let folder = Folder::new("import");
    let table = succeed(&["import"]);
    assert!(table.contains("good") && table.contains("Footpaths evenly mapped"), "{table}");
    let chinese = succeed(&["import", &demo("town.osm.pbf"), "--lang", "zh"]);
    assert!(chinese.contains("步行道绘制均匀"), "{chinese}");
    let told = report(&["import", "--timings", &folder.file("t.json")], &folder);
    assert_eq!(told["attribution"], "© OpenStreetMap contributors (ODbL)");
    assert_eq!(told["parameters"]["snap_m"], 250.0);
    assert_eq!(told["judgements"].as_array().expect("judgements").len(), 10);
    for judgement in told["judgements"].as_array().expect("judgements") {
        let mark = judgement["mark"].as_str().expect("a mark");
        assert!(["good", "fair", "poor", "unknown"].contains(&mark), "{judgement}");
        assert!(judgement["value"].is_number() || mark == "unknown", "{judgement}");
    }
    let check = features(&succeed(&["check", "-o", "-"]));
    let gaps = check.iter().filter(|b| b["properties"]["status"] != "covered").count();
    assert_eq!(told["gaps"]["not_covered"], gaps);
    assert_eq!(folder.names(), ["report.json", "t.json"], "something half-done remains");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_work() {
    let folder = Folder::new("bad-report");
    let err = refuse(&["import", "--report", &folder.file("report.pdf")]);
    assert!(err.contains(".html or .json"), "{err}");
    let err = refuse(&["import", "--report", "/nowhere/at/all.json"]);
    assert!(err.contains("there is no folder"), "{err}");
    let blocks = folder.write("b.json", "{}");
    let err = refuse(&["import", "--blocks", &blocks, "--report", &blocks]);
    assert!(err.contains("--report") && err.contains("one of the inputs"), "{err}");
    assert_eq!(folder.names(), ["b.json"]);
}

#[test]
fn every_unsnapped_point_is_in_the_report_with_its_distance() {
    let folder = Folder::new("unsnapped");
    // One facility in town, two in the corners of its map.
    let register = folder
        .write("f.csv", "id,name,lon,lat\nin,甲,114.30,30.90\nwest,乙 <b>,114.2682,30.9261\neast,丙,114.335,30.8763\n");
    let blocks = folder.write(
        "b.csv",
        "id,name,lon,lat,population\nhere,x,114.30,30.90,10\nthere,\"<i> & \"\"y\"\"\",114.2682,30.8763,50\n",
    );
    let told = report(&["import", &demo("town.osm.pbf"), "--facilities", &register, "--blocks", &blocks], &folder);
    let facilities = told["off_street"]["facilities"].as_array().expect("facilities");
    let ids: Vec<&str> = facilities.iter().map(|f| f["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["west", "east"], "the farthest first");
    assert_eq!(facilities[0]["name"], "乙 <b>");
    assert_eq!((&facilities[0]["lon"], &facilities[0]["lat"]), (&Value::from(114.2682), &Value::from(30.9261)));
    let metres = |i: usize| facilities[i]["street_m"].as_f64().expect("metres");
    assert!((600.0..metres(0)).contains(&metres(1)) && metres(0) < 800.0, "{} and {}", metres(0), metres(1));
    let points = told["off_street"]["demand_points"].as_array().expect("points");
    assert_eq!(points.len(), 1);
    assert_eq!((&points[0]["block"], &points[0]["name"]), (&Value::from("there"), &Value::from("<i> & \"y\"")));
    assert!(points[0]["children"].as_f64().expect("children") > 0.0);

    // What lies farther off than 40 m is what a stricter limit leaves beyond 40 m.
    let town = demo("town.osm.pbf");
    let off = |snap_m: &str| -> Vec<(String, f64)> {
        let told = report(&["import", &town, "--snap-m", snap_m], &folder);
        let points = told["off_street"]["demand_points"].as_array().expect("points").clone();
        let place = |p: &Value| format!("{} {} {}", p["block"], p["lon"], p["lat"]);
        points.iter().map(|p| (place(p), p["street_m"].as_f64().expect("metres"))).collect()
    };
    let (strict, lenient) = (off("20"), off("40"));
    assert!(strict.len() > lenient.len() && !lenient.is_empty(), "{} and {}", strict.len(), lenient.len());
    assert!(strict.iter().all(|(_, m)| *m > 20.0));
    let beyond: Vec<_> = strict.into_iter().filter(|(_, m)| *m > 40.0).collect();
    assert_eq!(beyond, lenient);
}

/// Reads a page as a browser would that forgives nothing: every `<` opens a known tag, every tag is closed in turn.
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        assert!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "no tag: <{tag}>"
        );
        assert_eq!(tag.matches('"').count() % 2, 0, "a quote in an attribute: <{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of turn");
        } else if !tag.ends_with('/') && !["meta", "br"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn a_page_is_whole_in_itself_and_names_are_only_text() {
    let folder = Folder::new("page");
    let evil = "</td><script src=http://x.y/z.js>\"\"&{{body}}";
    let register =
        folder.write("f.csv", format!("id,name,lon,lat\nin,甲,114.30,30.90\n<img>,\"{evil}\",114.2682,30.9261\n"));
    let blocks = folder.write("b.csv", format!("id,name,lon,lat\n<b>,\"{evil}\",114.2682,30.8763\n"));
    let town = folder.file("<em>town{{title}}.osm.pbf");
    std::fs::copy(demo("town.osm.pbf"), &town).expect("a copy");
    for lang in ["en", "zh"] {
        let write = |command: &str, option: &str, name: &str| {
            let out = folder.file(name);
            let tables = ["--facilities", &register, "--blocks", &blocks];
            succeed(&[&[command, &town, "--lang", lang, option, &out], &tables[..]].concat());
            std::fs::read_to_string(out).expect("the page")
        };
        for (command, option) in [("import", "--report"), ("report", "-o")] {
            let page = write(command, option, "a.html");
            assert_well_formed(&page);
            for loads in ["<script", "<img", "<link", "<iframe", "<em>", "src=\"", "href=", "url(", "@import"] {
                assert!(!page.contains(loads), "{loads}");
            }
            assert!(page.contains("&lt;/td&gt;&lt;script src=http://x.y/z.js&gt;"), "the name is there as text");
            assert!(page.contains("<svg") && page.contains("class=\"street"), "a map is drawn");
            assert!(page.len() < 3_000_000);
            assert_eq!(page, write(command, option, "b.html"), "the same input, the same bytes");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_report_is_one_page_that_lists_the_gaps_by_children() {
    let folder = Folder::new("report-page");
    let page = folder.file("report.html");
    for lang in ["en", "zh"] {
        let told = succeed(&["report", "-o", &page, "--lang", lang]);
        let text = std::fs::read_to_string(&page).expect("the page");
        assert_well_formed(&text);
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src="), "nothing is loaded");
        // Every gap that check finds is told of, the one with most children outside first.
        let mut lost: Vec<(f64, String)> = features(&succeed(&["check", "-o", "-"]))
            .iter()
            .map(|f| &f["properties"])
            .filter(|p| p["status"] != "covered")
            .map(|p| {
                let outside = p["children"].as_f64().unwrap() * (1.0 - p["covered_share"].as_f64().unwrap());
                (outside, p["id"].as_str().unwrap().to_owned())
            })
            .collect();
        lost.sort_by(|a, b| b.0.total_cmp(&a.0));
        assert!(told.contains(&lost.len().to_string()), "{told}");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("<tr>")).collect();
        let first = rows.iter().find(|row| row.contains("<td>1</td>")).expect("the list");
        assert!(first.contains(&lost[0].1) && first.contains(&format!("{:.1}", lost[0].0)), "{first}");
        assert!(lost.iter().all(|(_, id)| text.contains(id.as_str())));
        assert!(text.contains(if lang == "zh" { "圈外儿童" } else { "children outside" }));
    }
    assert!(refuse(&["report", "-o", &folder.file("report.pdf")]).contains(".html"));
}

#[test]
fn a_pipe_is_written_into_and_a_link_stays_a_link() {
    use std::os::unix::fs::FileTypeExt;

    let folder = Folder::new("special");
    let pipe = folder.file("pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).expect("what came through the pipe")
    });
    succeed(&["check", "--timings", &pipe, "-o", "-"]);
    assert!(std::fs::metadata(&pipe).expect("the pipe").file_type().is_fifo());
    let timings: Value = serde_json::from_str(&reader.join().expect("the reader")).expect("JSON");
    assert!(timings.is_object());

    let link = folder.file("link.geojson");
    std::os::unix::fs::symlink(folder.write("kept.geojson", "old"), &link).expect("a link");
    succeed(&["check", "-o", &link]);
    assert!(std::fs::symlink_metadata(&link).expect("the link").is_symlink());
    assert!(!features(&std::fs::read_to_string(folder.file("kept.geojson")).expect("the file")).is_empty());
}

#[test]
fn the_network_is_exported_into_a_folder_that_keeps_its_other_files() {
    let folder = Folder::new("export");
    let out = folder.file("city/net");
    let told = succeed(&["export-network", "-o", &out]);
    assert!(told.contains("3,754 nodes") && told.contains("11,143 walkable directions"), "{told}");
    let read = |name: &str| std::fs::read_to_string(folder.file(&format!("city/net/{name}"))).expect("a table");
    let first = (read("node.csv"), read("link.csv"));
    assert_eq!((first.0.lines().count(), first.1.lines().count()), (3_755, 11_144));
    assert!(read("config.csv").contains("EPSG:4326") && read("use_definition.csv").contains("walk"));
    folder.write("city/net/notes.txt", "mine");

    succeed(&["export-network", &demo("town.osm.pbf"), "-o", &out]);
    assert_eq!(first, (read("node.csv"), read("link.csv")), "the same input gives the same bytes");
    assert_eq!(read("notes.txt"), "mine");
    succeed(&["export-network", "-o", &out, "--by-leg", "--profile", "stroller", "--speed-kmh", "4"]);
    assert!(read("node.csv").starts_with("node_id,x_coord,y_coord,node_type,ctrl_type,parent_node_id,leg\n"));
    let about: Value = serde_json::from_str(&read("about.json")).expect("JSON");
    assert_eq!(about["attribution"], "© OpenStreetMap contributors (ODbL)");
    assert_eq!((&about["nodes"], &about["closes_streets"]), (&Value::from(3_754), &Value::from(true)));
    let parameters = &about["parameters"];
    assert_eq!((&parameters["profile"], &parameters["speed_kmh"]), (&Value::from("stroller"), &Value::from(4.0)));
    assert_eq!(parameters["by_leg"], true);

    let said = refuse(&["export-network", "-o", &demo("town.osm.pbf")]);
    assert!(said.contains("a folder is wanted"), "{said}");
    assert!(refuse(&["export-network"]).contains("--output"));
    assert!(refuse(&["export-network", "-o", &out, "--profile", "tank"]).contains("--profile"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_export_that_fails_midway_leaves_the_folder_as_it_was() {
    let folder = Folder::new("export-full");
    let old = folder.write("node.csv", "an earlier table");
    // The disk is full when the last table is written.
    std::os::unix::fs::symlink("/dev/full", folder.file("use_definition.csv")).expect("a link");
    let output = carecircle(&["export-network", "-o", folder.0.to_str().expect("a plain path")]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("use_definition.csv"), "{err}");
    assert_eq!(folder.names(), ["node.csv", "use_definition.csv"]);
    assert_eq!(std::fs::read_to_string(old).expect("the table"), "an earlier table");
}

/// The rows of a CSV table, less its header.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

fn number(cell: &str) -> f64 {
    cell.parse().expect("a number")
}

const HOMES: &str = "编号,经度,纬度\n甲,114.2900,30.9000\nb,114.3000,30.8950\nc,114.2850,30.8900\nd,114.2950,30.9050\n";

#[test]
fn a_matrix_tells_what_check_tells_of_the_same_points() {
    let folder = Folder::new("matrix");
    let homes = folder.write("homes.csv", HOMES);
    let (out, verdicts) = (folder.file("walks.csv"), folder.file("verdicts.csv"));
    let mut compared = 0;
    for profile in ["walk", "toddler", "stroller"] {
        let with = ["--profile", profile];
        let told =
            succeed(&[&["matrix", "--from", &homes, "--to", &demo("facilities.csv"), "-o", &out], &with[..]].concat());
        assert!(told.contains("from 4 points to 40") && told.contains("median"), "{told}");
        let text = std::fs::read_to_string(&out).expect("the file");
        assert!(text.starts_with("\u{feff}from_id,to_id,minutes,metres\n"), "Excel needs the mark for 甲");
        let walks = rows(&text);
        let order: Vec<&str> = walks.iter().map(|walk| walk[0].as_str()).collect();
        assert_eq!(order.chunk_by(|a, b| a == b).map(|c| c[0]).collect::<Vec<_>>(), ["甲", "b", "c", "d"]);
        let header_and_rows = std::fs::read_to_string(demo("facilities.csv")).expect("the register");
        for facility in header_and_rows.lines().skip(1).step_by(5) {
            let id = facility.split(',').next().expect("an id");
            let header = header_and_rows.lines().next().expect("a header");
            let one = folder.write("one.csv", format!("{header}\n{facility}\n"));
            succeed(&[&["check", "--facilities", &one, "--blocks", &homes, "-o", &verdicts], &with[..]].concat());
            for verdict in rows(&std::fs::read_to_string(&verdicts).expect("the verdicts")) {
                let walk = walks.iter().find(|walk| walk[0] == verdict[0] && walk[1] == id);
                let minutes = (walk.map(|walk| number(&walk[2])), verdict[4].parse::<f64>().ok());
                let agree = match minutes {
                    (Some(walk), Some(verdict)) => (walk - verdict).abs() < 1e-4,
                    (walk, verdict) => walk.is_none() && verdict.is_none(),
                };
                assert!(agree, "{profile}, {} to {id}: {minutes:?}", verdict[0]);
                compared += usize::from(walk.is_some_and(|walk| number(&walk[3]) > 0.0));
            }
        }
    }
    assert!(compared > 30, "{compared} walks are too few to prove anything");
    let about: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.file("walks.csv.about.json")).expect("a sidecar"))
            .expect("JSON");
    assert_eq!(about["attribution"], "© OpenStreetMap contributors (ODbL)");
    assert_eq!((&about["parameters"]["profile"], &about["parameters"]["snap_m"]), (&"stroller".into(), &250.0.into()));
}

#[test]
fn a_limit_leaves_out_the_long_walks_and_a_stream_is_nothing_but_rows() {
    let folder = Folder::new("matrix-limit");
    let homes = folder.write("homes.csv", HOMES);
    let stream = |more: &[&str]| {
        rows(&succeed(&[&["matrix", "--from", &homes, "--to", &demo("facilities.csv"), "-o", "-"], more].concat()))
    };
    let all = stream(&[]);
    let short: Vec<_> = all.iter().filter(|walk| number(&walk[2]) <= 15.0).cloned().collect();
    assert!(!short.is_empty() && short.len() < all.len());
    assert_eq!(stream(&["--minutes", "15"]), short);
    let out = folder.file("walks.csv");
    let table = succeed(&["matrix", "--from", &homes, "--to", &homes, "--minutes", "2", "-o", &out, "--lang", "zh"]);
    assert!(table.contains("起点 4 个") && table.contains("不超过 2 分钟"), "{table}");
    assert_eq!(folder.names(), ["homes.csv", "walks.csv", "walks.csv.about.json"]);
}

#[test]
fn a_point_without_a_street_comes_back_beside_the_matrix() {
    let folder = Folder::new("matrix-rejects");
    let text = "id;lon;lat;note\nin;114,29;30,90;x\nin;114,29;30,90;again\nfar;0;0;sea\npole;180;-90;ice\nhuge;1e300;30;\nnone;;;\n\"a,\"\"b\";114,2950;30,9050;\n";
    let from = folder.write("from.csv", text);
    let to = folder.write(
        "to.geojson",
        r#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":"p","properties":{},"geometry":{"type":"Point","coordinates":[114.295,30.905]}},
            {"type":"Feature","id":"q","properties":{},"geometry":{"type":"LineString","coordinates":[[114.295,30.905],[114.3,30.9]]}}]}"#,
    );
    let out = folder.file("out.csv");
    let table = succeed(&["matrix", "--from", &from, "--to", &to, "-o", &out]);
    assert!(table.contains("from 2 points to 1") && table.contains("from.csv: rows that can't be used: 5"), "{table}");
    let walks = rows(&std::fs::read_to_string(&out).expect("the walks"));
    assert_eq!(walks.iter().map(|walk| walk[0].as_str()).collect::<Vec<_>>(), ["in", "a,\"b"]);
    let rejects = rows(&std::fs::read_to_string(folder.file("out.csv.from.rejects.csv")).expect("rejects"));
    let blamed: Vec<_> = rejects.iter().map(|row| (row[0].as_str(), row[4].as_str(), row[5].as_str())).collect();
    assert_eq!(
        blamed,
        [("in", "3", "id"), ("far", "4", "lon"), ("pole", "5", "lon"), ("huge", "6", "lon"), ("none", "7", "lon")]
    );
    assert!(rejects[1][6].contains("no walkable street within 250 m"), "{rejects:?}");
    let strict = refuse(&["matrix", "--from", &from, "--to", &to, "-o", &out, "--strict"]);
    assert!(strict.contains("from.csv row 3, column id"), "{strict}");

    // Mended and read again, they may not be written over.
    let mended = folder.file("out.csv.from.rejects.csv");
    let said = refuse(&["matrix", "--from", &mended, "--to", &to, "-o", &out]);
    assert!(said.contains("is one of the inputs") && Path::new(&mended).exists(), "{said}");
    let once = folder.write("once.csv", "id,lon,lat\na,114.29,30.9\n");
    succeed(&["matrix", "--from", &once, "--to", &once, "-o", &out]);
    assert!(!Path::new(&mended).exists(), "an earlier run's rejects are gone");
}

#[test]
fn tables_and_limits_that_cannot_be_meant_are_refused() {
    let folder = Folder::new("matrix-hostile");
    let homes = folder.write("homes.csv", HOMES);
    let matrix = |from: &str, more: &[&str]| {
        let out = folder.file("out.csv");
        refuse(&[&["matrix", "--from", from, "--to", &homes, "-o", &out], more].concat())
    };
    assert!(matrix(&folder.write("empty.csv", ""), &[]).contains("the table is empty"));
    assert!(matrix(&folder.write("a.csv", "id,street\na,b\n"), &[]).contains("no column lon; found id, street"));
    assert!(matrix(&folder.write("b.csv", "lon,lat\n1,2\n"), &[]).contains("--columns id=CODE"));
    assert!(matrix(&folder.file("not there.csv"), &[]).contains("cannot read"));
    assert!(matrix(&homes, &["--minutes", "-3"]).contains("--minutes"));
    assert!(matrix(&homes, &["--columns", "id=CODE"]).contains("no table has a column `CODE`"));
    assert!(matrix(&homes, &["--crs", "mars"]).contains("--crs mars: there is wgs84, gcj02"));
    assert!(matrix(&homes, &["--snap-m", "nan"]).contains("--snap-m"));
    let many: Vec<String> = (0..7_100).map(|i| format!("p{i},114.29,30.9\n")).collect();
    let many = folder.write("many.csv", format!("id,lon,lat\n{}", many.concat()));
    let (out, city) = (folder.file("out.csv"), folder.write("city.osm.pbf", "never read"));
    let said = refuse(&["matrix", &city, "--from", &many, "--to", &many, "-o", &out]);
    assert!(said.contains("50,410,000 pairs without a limit") && said.contains("--minutes"), "{said}");
    assert!(refuse(&["matrix", "--from", &homes, "--to", &homes, "-o", &homes]).contains("is one of the inputs"));
    assert!(refuse(&["matrix", "--from", &homes, "--to", &homes, "-o", "out.xlsx"]).contains("must end in .csv"));
    assert_eq!(folder.names().iter().filter(|name| name.starts_with("out")).count(), 0, "something half-done remains");
}

#[test]
fn a_table_without_a_row_is_named() {
    let folder = Folder::new("no-rows");
    let homes = folder.write("homes.csv", HOMES);
    // Nothing is read of a city meanwhile.
    let city = folder.write("city.osm.pbf", "this is no map");
    let none = r#"{"type":"FeatureCollection","features":[]}"#;
    let empty = [folder.write("none.csv", "id,lon,lat\n"), folder.write("none.geojson", none)];
    for (table, out) in empty.iter().zip([folder.file("out.csv"), "-".to_owned()]) {
        let hint = format!("{table}: the table has no row; one for each ");
        for (from, to) in [(table, &homes), (&homes, table)] {
            let said = refuse(&["matrix", &city, "--from", from, "--to", to, "-o", &out]);
            assert!(said.contains(&format!("{hint}point, with id, lon and lat")), "{said}");
        }
        let said = refuse(&["isochrone", "--facilities", table, "-o", &folder.file("out.geojson")]);
        assert!(said.contains(&format!("{hint}facility, with id, lon and lat")), "{said}");
        let told = succeed(&["check", "--facilities", table]);
        assert!(told.contains("no facility counts, so no block is covered"), "{told}");
    }
    assert!(folder.names().iter().all(|name| !name.starts_with("out")), "something half-done remains");
}

#[test]
fn no_output_takes_the_place_of_another_or_of_an_input() {
    let folder = Folder::new("places");
    let homes = folder.write("homes.csv", HOMES);
    let (walks, net) = (folder.file("walks.csv"), folder.file("net"));
    let matrix = ["matrix", "--from", &homes, "--to", &homes, "-o", &walks];
    for taken in ["walks.csv", "walks.csv.about.json", "walks.csv.rejects.csv", "homes.csv"] {
        let told = refuse(&[&matrix[..], &["--timings", &folder.file(taken)]].concat());
        assert!(told.contains("--timings") && told.contains(taken), "{told}");
    }
    assert_eq!(folder.names(), ["homes.csv"]);
    let policy = folder.write("policy.toml", "name = \"own\"\n");
    let told = refuse(&["check", "--policy", &policy, "--timings", &policy]);
    assert!(told.contains("is one of the inputs"), "{told}");

    succeed(&["export-network", "-o", &net]);
    let told = refuse(&["export-network", "-o", &net, "--timings", &folder.file("net/link.csv")]);
    assert!(told.contains("link.csv is another output"), "{told}");
    let city = folder.file("net/node.csv");
    std::fs::copy(demo("town.osm.pbf"), &city).expect("a city in the way");
    assert!(refuse(&["export-network", &city, "-o", &net]).contains("node.csv is one of the inputs"));
}

#[test]
fn inspect_tells_what_was_understood_of_a_table_and_what_was_not() {
    let folder = Folder::new("inspect");
    let register = "杭州市托育机构名单,,,,,\n编号,名称,经度,纬度,托位数（个）,持证\n\
        1,苗苗,120.1,30.1,40,6\n2,阳光,120.2,30.2,many,7\n3,蓝天,,,20,8\n合计,,,,60,\n";
    let file = folder.write("register.csv", register);
    let out = folder.file("seen.json");
    let english = succeed(&["inspect", &file, "-o", &out]);
    for said in [
        "header in row 2; rows: 4",
        "read as facilities",
        "facilities: 3 (2 in rows that have a place)",
        "places: 60 (40 in rows that have a place)",
        "bounding box in WGS 84: 120.10000,30.10000 – 120.20000,30.20000",
        "--columns licensed=持证 or --columns staff_certified=持证",
        "row 1, above the header, is taken for a title",
        "register.csv row 5, column 经度: is empty",
        "register.csv row 6, column 编号: `合计` makes it a row of totals",
        "register.csv row 4, column 托位数（个）: `many` is no whole number",
    ] {
        assert!(english.contains(said), "{said}\n{english}");
    }
    let chinese = succeed(&["inspect", &file, "--lang", "zh"]);
    for said in ["表头在第 2 行", "按托育机构读取", "托位数：60（其中有位置的 40）", "是机构取得许可，还是持证人员数？"]
    {
        assert!(chinese.contains(said), "{said}\n{chinese}");
    }
    assert!(chinese.contains("register.csv 第 6 行“编号”列：`合计` 表明这是合计行"), "{chinese}");
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(&out).expect("the file")).expect("JSON");
    assert_eq!(seen["rejects"]["first"][0]["why"]["zh"], "为空：没有坐标");
    assert_eq!(seen["totals"]["places"], serde_json::json!({ "all": 60.0, "used": 40.0 }));
    assert_eq!((&seen["columns"][4]["means"], &seen["rejects"]["count"]), (&"places".into(), &2.into()));
    let answered = succeed(&["inspect", &file, "--columns", "staff_certified=持证"]);
    assert!(answered.contains("staff_certified: 21 (13 in rows that have a place)"), "{answered}");

    assert!(refuse(&["inspect", &file, "-o", &folder.file("seen.csv")]).contains("must end in .json"));
    assert!(refuse(&["inspect", &file, "--columns", "places=床位"]).contains("no column `床位`"));
    assert!(refuse(&["inspect", &folder.file("none.csv")]).contains("cannot read"));
    assert!(refuse(&["inspect", &folder.write("torn.csv", "id,lon,lat\na,\"1,2\n")]).contains("line 2"));
    let blocks = succeed(&["inspect", &demo("blocks.geojson")]);
    assert!(blocks.contains("GeoJSON; rows:") && blocks.contains("read as blocks"), "{blocks}");
    let areas = succeed(&["inspect", &demo("areas.geojson")]);
    assert!(areas.contains("read as areas") && areas.contains("district: "), "{areas}");
}
