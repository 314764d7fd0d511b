//! What `carecircle check` writes, in every format, read again by the readers of tables.

mod program;

use carecircle_core::facility::Facility;
use carecircle_core::place::Area;
use carecircle_formats::columns::{self, Declared};
use carecircle_formats::crs::Crs;
use carecircle_formats::table::Table;
use program::Folder;
use std::collections::BTreeMap;
use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carecircle"));
    command.arg("check").args(arguments).env_clear().output().expect("the program starts")
}

fn written(arguments: &[&str]) {
    let output = check(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Id and cell of a column, for each row.
fn cells(path: &str, id: &str, column: &str) -> BTreeMap<String, String> {
    let table = Table::read(path.as_ref()).unwrap_or_else(|e| panic!("{e}"));
    let place =
        |name: &str| table.columns.iter().position(|c| c == name).unwrap_or_else(|| panic!("{path}: no {name}"));
    let (id, column) = (place(id), place(column));
    let cell = |row: carecircle_formats::table::Row<'_>, at| {
        row.cells().find(|(i, _)| *i == at).map(|(_, cell)| cell.to_owned()).unwrap_or_default()
    };
    table.rows().map(|row| (cell(row, id), cell(row, column))).collect()
}

#[test]
fn every_format_holds_the_same_verdicts() {
    let folder = Folder::new("out-formats");
    let plain = folder.file("plain.geojson");
    written(&["-o", &plain]);
    let (status, names) = (cells(&plain, "id", "status"), cells(&plain, "id", "name"));
    assert_eq!(status.len(), 261);
    assert!(names.values().any(|name| name == "南塘湾"));
    for name in ["a.geojsonl", "a.geojsons", "a.csv", "a.fgb"] {
        let out = folder.file(name);
        written(&["-o", &out]);
        assert_eq!(cells(&out, "id", "status"), status, "{name}");
        assert_eq!(cells(&out, "id", "name"), names, "{name}");
        let first = std::fs::read(&out).expect("the file");
        written(&["-o", &out]);
        assert_eq!(std::fs::read(&out).expect("the file"), first, "{name}: the same input gives the same bytes");
        let about = std::fs::read_to_string(folder.file(&format!("{name}.about.json"))).expect("a sidecar");
        assert!(about.contains("© OpenStreetMap contributors"), "{name}");
    }
}

#[test]
fn a_workbook_has_its_sheets_in_either_language() {
    let folder = Folder::new("out-workbook");
    let facilities = folder.file("f.csv");
    std::fs::write(&facilities, "id,name,lon,lat,places\na,甲,114.3,30.9,20\nb,乙,,30.9,5\n").expect("a register");
    let out = folder.file("w.xlsx");
    written(&["--lang", "en", "--facilities", &facilities, "-o", &out]);
    let first = std::fs::read(&out).expect("the workbook");
    assert_eq!(cells(&format!("{out}#facilities"), "id", "places"), [("a".to_owned(), "20".to_owned())].into());
    assert_eq!(cells(&format!("{out}#rejects"), "table", "row"), [("f.csv".to_owned(), "3".to_owned())].into());
    let gaps = cells(&format!("{out}#gaps"), "id", "status");
    let zh = |status: &str| if status == "partial" { "部分覆盖" } else { "未覆盖" }.to_owned();
    let gaps_zh: BTreeMap<_, _> = gaps.iter().map(|(id, status)| (id.clone(), zh(status))).collect();
    assert!(!gaps.is_empty() && gaps.values().all(|status| status != "covered"), "{gaps:?}");
    let covered = cells(&format!("{out}#areas"), "id", "covered_share");
    assert!(covered.contains_key("d1"), "{covered:?}");
    written(&["--lang", "en", "--facilities", &facilities, "-o", &out]);
    assert_eq!(std::fs::read(&out).expect("the workbook"), first, "the same input gives the same bytes");
    written(&["--lang", "zh", "--facilities", &facilities, "-o", &out]);
    assert_eq!(cells(&format!("{out}#托育机构"), "编号", "名称"), [("a".to_owned(), "甲".to_owned())].into());
    assert_eq!(cells(&format!("{out}#未覆盖地块"), "编号", "状态"), gaps_zh);
    // A sheet is read as a table of the next run.
    written(&["--blocks", &format!("{out}#未覆盖地块"), "-o", &folder.file("again.geojson")]);
    assert_eq!(cells(&folder.file("again.geojson"), "id", "status").len(), gaps.len());
}

/// A register in which every kind and every step occurs.
const REGISTER: &str =
    "id,name,lon,lat,kind,status,inclusive,places,enrolled,staff,health_manager,min_months,opened,note
a,甲,114.301,30.9,nursery,unknown,yes,20,10,7,yes,6,2024-05-01,=1+1
b,乙,114.302,30.9,kindergarten_class,registered,no,5,,,no,,,
c,丙,114.303,30.9,community,filed,,6,,,,,,
d,丁,114.304,30.9,employer,licensed,,7,,,,,,x
e,戊,114.305,30.9,family,,,,,,,,,
f,己,114.306,30.9,growth_station,,,,,,,,,
g,庚,114.307,30.9,service_centre,,,,,,,,,
h,辛,114.308,30.9,kindergarten,,,,,,,,,
";

#[test]
fn a_chinese_workbook_is_chinese_and_read_again() {
    let folder = Folder::new("out-chinese");
    let register = folder.write("f.csv", REGISTER);
    let out = folder.file("w.xlsx");
    for crs in ["wgs84", "EPSG:4547"] {
        let policy = ["--policy", "hangzhou-2024", "--out-crs", crs];
        written(&[&["--lang", "zh", "--facilities", &register, "-o", &out], &policy[..]].concat());
        for sheet in ["评分表", "区域", "未覆盖地块", "托育机构", "未采用的行"] {
            let table = Table::read(format!("{out}#{sheet}").as_ref()).unwrap_or_else(|e| panic!("{sheet}: {e}"));
            let is_english = |text: &str| text.contains(|c: char| c.is_ascii_alphabetic());
            let english: Vec<&String> =
                table.columns.iter().filter(|c| is_english(c) && *c != "note" && *c != "name_en").collect();
            assert!(english.is_empty(), "{sheet}: {english:?}");
            for (column, cell) in table.rows().flat_map(carecircle_formats::table::Row::cells) {
                let column = &table.columns[column];
                let is_told =
                    ["编号", "名称", "英文名称", "所属区域", "上级", "最近机构", "可开放的大门", "note", "name_en"];
                assert!(is_told.contains(&column.as_str()) || !is_english(cell), "{sheet}, {column}: {cell}");
            }
        }
    }
    let read = |path: &str| {
        let table = Table::read(path.as_ref()).expect("a table");
        let plain = Declared::default();
        let declared = Declared { crs: Some(Crs::named("EPSG:4547").expect("known")), ..Declared::default() };
        columns::facilities(&table, if path == register { &plain } else { &declared }).expect("a register")
    };
    let (theirs, ours) = (read(&register), read(&format!("{out}#托育机构")));
    assert!(theirs.used.len() == 8 && ours.rejects.is_empty(), "{:?}", ours.rejects);
    for (a, b) in theirs.used.iter().zip(&ours.used) {
        let about = |f: &Facility| (f.id.clone(), f.name.clone(), f.kind, f.status, f.inclusive, f.places, f.opened);
        assert_eq!(about(a), about(b));
        assert_eq!(
            (a.health_manager, a.enrolled, a.staff, a.min_months),
            (b.health_manager, b.enrolled, b.staff, b.min_months)
        );
        assert!((a.at.lon() - b.at.lon()).hypot(a.at.lat() - b.at.lat()) < 1e-7, "{}", a.id);
        assert_eq!(a.other.get("note"), b.other.get("note"));
    }
    let english = folder.file("e.xlsx");
    written(&["--lang", "en", "--facilities", &register, "-o", &english]);
    let areas = |path: String| {
        let table = Table::read(path.as_ref()).expect("a table");
        columns::areas(&table, &Declared::default()).expect("areas").used
    };
    let (theirs, ours) = (areas(format!("{english}#areas")), areas(format!("{out}#区域")));
    let about = |area: &Area| (area.id.clone(), area.level, area.parent.clone(), area.population, area.communities);
    assert!(ours.len() > 1);
    assert_eq!(theirs.iter().map(about).collect::<Vec<_>>(), ours.iter().map(about).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let folder = Folder::new("out-refused");
    for (arguments, why) in [
        (vec!["-o", "x.kml"], ".xlsx, .fgb, .parquet"),
        (vec!["--out-crs", "EPSG:0"], "--out-crs"),
        (vec!["--blocks", "/nowhere/b.gpkg"], "cannot read"),
    ] {
        let output = check(&arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(why), "{err}");
    }
    let parquet = folder.file("x.parquet");
    let output = check(&["-o", &parquet]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    if cfg!(feature = "parquet") {
        assert!(std::fs::read(&parquet).expect("the file").starts_with(b"PAR1"), "{err}");
    } else {
        assert!(output.status.code() == Some(2) && err.contains("--features parquet"), "{err}");
    }
}
