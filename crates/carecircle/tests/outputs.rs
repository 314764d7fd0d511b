//! What `carecircle check` writes, in every format, read again by the readers of tables.

mod program;

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
    assert!(!gaps.is_empty() && gaps.values().all(|status| status != "covered"), "{gaps:?}");
    let covered = cells(&format!("{out}#areas"), "id", "covered_share");
    assert!(covered.contains_key("d1"), "{covered:?}");
    written(&["--lang", "en", "--facilities", &facilities, "-o", &out]);
    assert_eq!(std::fs::read(&out).expect("the workbook"), first, "the same input gives the same bytes");
    written(&["--lang", "zh", "--facilities", &facilities, "-o", &out]);
    assert_eq!(cells(&format!("{out}#托育机构"), "编号", "名称"), [("a".to_owned(), "甲".to_owned())].into());
    assert_eq!(cells(&format!("{out}#未覆盖地块"), "编号", "状态"), gaps);
    // A sheet is read as a table of the next run.
    written(&["--blocks", &format!("{out}#未覆盖地块"), "-o", &folder.file("again.geojson")]);
    assert_eq!(cells(&folder.file("again.geojson"), "id", "status").len(), gaps.len());
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
