//! Broken and hostile files of every format: a clear refusal, no panic, no endless reading, little memory.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod samples;

use carecircle_formats::table::Table;
use samples::{Folder, Xls};
use std::path::Path;

/// Tables of a few cells, whole or broken, never take more than this.
const MOST_MEMORY_KB: u64 = 600_000;

/// Peak memory of this process, where the system tells.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Reads what must be refused, and gives why.
fn refusal(path: &Path) -> String {
    let error = Table::read(path).expect_err("it should be refused").to_string();
    assert!(peak_kb() < MOST_MEMORY_KB, "{error}: {} kB", peak_kb());
    error
}

fn refused(name: &str, bytes: impl AsRef<[u8]>, why: &str) {
    let folder = Folder::new();
    let error = refusal(&folder.write(name, bytes));
    assert!(error.contains(name) && error.contains(why), "{error}");
}

const ROW: &str = "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row></sheetData>";

#[test]
fn what_is_no_workbook_is_said_to_be_none() {
    for (name, what) in [
        ("t.xlsx", "XLSX"),
        ("t.xls", "XLS"),
        ("t.ods", "ODS"),
        ("t.gpkg", "GeoPackage"),
        ("t.fgb", "FlatGeobuf"),
        ("t.shp", "shapefile"),
    ] {
        for bytes in [&b""[..], b"id,lon,lat\na,1,2\n", &[0; 4_096]] {
            refused(name, bytes, what);
        }
    }
    refused("t.xls", samples::xlsx(ROW, "<sst/>"), "of another kind");
    refused("t.kml", "<kml/>", ".gpkg");
}

#[test]
fn a_workbook_that_unpacks_to_gigabytes_is_refused_before() {
    let spaces = vec![b' '; (256 << 20) + 10];
    refused("t.xlsx", samples::zipped(&[("xl/styles.xml", &spaces)]), "unpacks to more than");
    // What it declares to be: three gigabytes, in the directory at its end.
    let mut declared = samples::xlsx(ROW, "<sst><si><t>id</t></si></sst>");
    let entry = declared.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    declared[entry + 24..entry + 28].copy_from_slice(&(3_u32 << 30).to_le_bytes());
    refused("t.xlsx", &declared, "unpacks to more than 1073741824 bytes");
}

#[test]
fn promises_of_a_workbook_are_not_believed() {
    let promise = |count: &str| samples::xlsx(ROW, &format!("<sst uniqueCount=\"{count}\"><si><t>id</t></si></sst>"));
    refused("t.xlsx", promise("99999999999"), "promises 99999999999 strings");
    refused("t.xlsx", promise("18446744073709551616"), "strings");
    let folder = Folder::new();
    assert_eq!(Table::read(&folder.write("t.xlsx", promise("7"))).unwrap().columns, ["id"]);
    refused("t.xlsx", samples::xlsx(ROW, "<sst></sst>"), "sheet 表一");
    refused("t.xlsx", samples::xlsx("<sheetData><row r=\"1\"><c r=\"A1\"><v>7</v>", "<sst/>"), "sheet 表一");
    let wide = "<sheetData><row r=\"1\"><c r=\"XFD1\"><v>7</v></c></row></sheetData>";
    refused("t.xlsx", samples::xlsx(wide, "<sst/>"), "more than 1000 columns");
    refused("t.xlsx", samples::xlsx("<dimension ref=\"A1:XFD1048576\"/><sheetData/>", "<sst/>"), "empty");
    let cell = [(0, 0, Xls::Text("id"))];
    for square in [[0, u32::MAX, 0, 9], [9, 2, 0, 9], [0, 9, 0, 60_000]] {
        refused("t.xls", samples::compound(&samples::xls_stream(&cell, square)), "promises more rows or columns");
    }
    let far = [(0, 0, Xls::Text("id")), (65_535, 255, Xls::Number(1.0))];
    refused(
        "t.xls",
        samples::compound(&samples::xls_stream(&far, [0, 65_536, 0, 256])),
        "spread over a square of 16777216",
    );
}

#[test]
fn chains_that_end_nowhere_are_found() {
    let whole = samples::compound(&samples::xls_stream(&[(0, 0, Xls::Text("id"))], [0, 1, 0, 1]));
    let chains = whole.len() - 512;
    for (at, next) in [(0, 0_u32), (3, 1), (0, 90_000), (8, 8), (7, 0xFFFF_FFFF)] {
        let mut bytes = whole.clone();
        bytes[chains + 4 * at..chains + 4 * at + 4].copy_from_slice(&next.to_le_bytes());
        refused("t.xls", bytes, "not an XLS workbook");
    }
    // The table of chains goes on in a circle.
    let mut bytes = whole;
    bytes[68..72].copy_from_slice(&0_u32.to_le_bytes());
    bytes[512..1_024].fill(0);
    refused("t.xls", bytes, "not an XLS workbook");
}

#[test]
fn an_open_document_that_never_ends_is_refused() {
    let rows = |times: &str, columns: &str| {
        samples::ods(&format!(
            "<table:table-row table:number-rows-repeated=\"{times}\"><table:table-cell office:value-type=\"string\" \
             table:number-columns-repeated=\"{columns}\"><text:p>x</text:p></table:table-cell></table:table-row>"
        ))
    };
    refused("t.ods", rows("1048576", "900"), "repeats too many cells");
    refused("t.ods", rows("18446744073709551615", "2"), "repeats too many cells");
    refused("t.ods", rows("2", "18446744073709551615"), "more than 1000 columns");
    refused("t.ods", rows("many", "1"), "no count");
    let whole = "<office:document-content><office:spreadsheet><table:table table:name=\"a\"><table:table-row><table:table-cell>\
                 <text:p>x</text:p></table:table-cell></table:table-row></table:table>";
    for cut in (0..whole.len()).step_by(7).filter(|&cut| whole.is_char_boundary(cut)) {
        refused("t.ods", samples::ods_of(&whole[..cut]), "not an ODS workbook");
    }
}

#[test]
fn a_cut_or_boasting_flatgeobuf_is_refused() {
    let mut whole = Vec::new();
    samples::layer().write_flatgeobuf(&mut whole).unwrap();
    for cut in 0..whole.len() {
        refused("t.fgb", &whole[..cut], "not FlatGeobuf");
    }
    let mut header = whole.clone();
    header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    refused("t.fgb", header, "promises 4294967295 bytes");
    // The number of features stands in the header as eight bytes, wherever that is.
    let with_count = |at: usize, features: u64| {
        let mut bytes = whole.clone();
        bytes[at..at + 8].copy_from_slice(&features.to_le_bytes());
        bytes
    };
    let is_count = |at: &usize| {
        let folder = Folder::new();
        whole[*at..*at + 8] == 2_u64.to_le_bytes()
            && refusal(&folder.write("t.fgb", with_count(*at, 1 << 40))).contains("promises 1099511627776 features")
    };
    let count = (12..whole.len() - 8).find(is_count).unwrap();
    for features in [u64::MAX, 1 << 40] {
        refused("t.fgb", with_count(count, features), "features");
    }
}

#[test]
fn a_damaged_geopackage_is_refused() {
    let folder = Folder::new();
    let path = folder.file("t.gpkg");
    let mut layer = samples::layer();
    layer.features = layer.features.iter().cycle().take(3_000).cloned().collect();
    samples::geopackage_of(&path, &layer);
    let whole = std::fs::read(&path).unwrap();
    for cut in [50, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        refused("t.gpkg", &whole[..cut], "not a GeoPackage");
    }
    let database = rusqlite::Connection::open(folder.file("plain.gpkg")).unwrap();
    database.execute_batch("CREATE TABLE t (id)").unwrap();
    drop(database);
    assert!(refusal(&folder.file("plain.gpkg")).contains("gpkg_contents"));
    samples::geopackage(&folder.file("empty.gpkg"));
    assert!(refusal(&folder.file("empty.gpkg")).contains("no table of features"));
    // A view that never ends.
    let database = samples::geopackage(&folder.file("view.gpkg"));
    let endless = "CREATE VIEW t AS WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r) SELECT id, NULL AS geom FROM r";
    database.execute_batch(endless).unwrap();
    samples::list(&database, "t", 4_326);
    drop(database);
    assert!(refusal(&folder.file("view.gpkg")).contains("is a view"));
    // A column that is computed, a gigabyte for each row.
    let database = samples::geopackage(&folder.file("large.gpkg"));
    let large = "CREATE TABLE t (id INTEGER, geom BLOB); INSERT INTO t VALUES (1, NULL); PRAGMA writable_schema=ON; \
                 UPDATE sqlite_master SET sql = 'CREATE TABLE t (id INTEGER, geom BLOB, c AS (hex(zeroblob(400000000))))' \
                 WHERE name = 't'";
    database.execute_batch(large).unwrap();
    samples::list(&database, "t", 4_326);
    drop(database);
    assert!(refusal(&folder.file("large.gpkg")).contains("memory"));
}

/// A shapefile of one polygon with a hole, and its table.
fn shapefile(folder: &Folder) -> (Vec<u8>, Vec<u8>) {
    use shapefile::dbase;
    let path = folder.file("whole.shp");
    let name = dbase::FieldName::try_from("id").unwrap();
    let table = dbase::TableWriterBuilder::new().add_character_field(name, 8);
    let mut writer = shapefile::Writer::from_path(&path, table).unwrap();
    let ring = |low: f64, high: f64| {
        [(low, low), (low, high), (high, high), (high, low), (low, low)]
            .map(|(x, y)| shapefile::Point::new(x, y))
            .to_vec()
    };
    let rings = vec![shapefile::PolygonRing::Outer(ring(0.0, 3.0)), shapefile::PolygonRing::Inner(ring(1.0, 2.0))];
    let mut row = dbase::Record::default();
    row.insert("id".to_owned(), dbase::FieldValue::Character(Some("a".to_owned())));
    writer.write_shape_and_record(&shapefile::Polygon::with_rings(rings), &row).unwrap();
    drop(writer);
    (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("dbf")).unwrap())
}

#[test]
fn a_damaged_shapefile_is_refused() {
    let folder = Folder::new();
    let (shp, dbf) = shapefile(&folder);
    let fails = |shp: &[u8], dbf: &[u8], why: &str| {
        folder.write("t.dbf", dbf);
        let error = refusal(&folder.write("t.shp", shp));
        assert!(error.contains("not a shapefile") && error.contains(why), "{error}");
    };
    for cut in (0..shp.len()).step_by(9) {
        fails(&shp[..cut], &dbf, "");
    }
    for cut in 0..dbf.len() - 2 {
        fails(&shp, &dbf[..cut], "its .dbf");
    }
    let changed = |bytes: &[u8], at: usize, number: u32| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    fails(&shp, &changed(&dbf, 4, u32::MAX), "promises 4294967295 rows");
    fails(&shp, &changed(&dbf, 4, 0), "more shapes than its .dbf has rows");
    // Rings and positions of the first shape: a count each behind its kind and box.
    for at in [100 + 8 + 36, 100 + 8 + 40] {
        for count in [i32::MAX as u32, u32::MAX, 1 << 20] {
            fails(&changed(&shp, at, count), &dbf, "shape 1");
        }
    }
}

#[test]
fn a_bad_line_of_a_sequence_is_named() {
    let good = "{\"type\":\"Feature\",\"properties\":{},\"geometry\":null}\n";
    refused("t.geojsonl", format!("{good}\n{good}{{\"type\":"), "line 4");
    refused("t.ndjson", format!("{good}{{\"type\":\"Polygon\"}}"), "line 2: a Feature was expected");
    refused("t.geojsons", format!("\x1e{good}\x1e{}", "[".repeat(100_000)), "line 2");
}

/// Files with bytes changed by chance, the same ones each time: whatever comes of them, it comes.
#[test]
fn no_change_of_bytes_makes_a_reader_fall_over() {
    let folder = Folder::new();
    let mut fgb = Vec::new();
    samples::layer().write_flatgeobuf(&mut fgb).unwrap();
    samples::geopackage_of(&folder.file("whole.gpkg"), &samples::layer());
    let gpkg = std::fs::read(folder.file("whole.gpkg")).unwrap();
    let (shp, dbf) = shapefile(&folder);
    let cells = [(0, 0, Xls::Text("编号")), (1, 0, Xls::Number(1.5)), (1, 1, Xls::Flag(true)), (2, 0, Xls::Error(7))];
    let xls = samples::compound(&samples::xls_stream(&cells, [0, 3, 0, 2]));
    let xlsx = samples::xlsx(ROW, "<sst uniqueCount=\"1\"><si><t>编号</t></si></sst>");
    let ods =
        samples::ods("<table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row>");
    let mut dice = 88_172_645_463_325_252_u64;
    let mut roll = |below: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % below as u64) as usize
    };
    for (name, whole) in [
        ("t.fgb", &fgb),
        ("t.gpkg", &gpkg),
        ("t.shp", &shp),
        ("t.dbf", &dbf),
        ("t.xls", &xls),
        ("t.xlsx", &xlsx),
        ("t.ods", &ods),
    ] {
        folder.write("t.dbf", &dbf);
        folder.write("t.shp", &shp);
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=roll(4) {
                let at = roll(bytes.len());
                bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, roll(256) as u8][roll(6)];
            }
            folder.write(name, &bytes);
            let read = if name == "t.dbf" { "t.shp" } else { name };
            _ = Table::read(&folder.file(read));
        }
    }
    assert!(peak_kb() < MOST_MEMORY_KB, "{} kB", peak_kb());
}

#[test]
fn cells_merged_over_rows_are_told_of() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let format = rust_xlsxwriter::Format::new();
    sheet.merge_range(0, 0, 0, 2, "名册", &format).unwrap();
    for (column, header) in ["编号", "经度", "机构类型"].into_iter().enumerate() {
        sheet.write(1, column as u16, header).unwrap();
    }
    for row in 2..5 {
        sheet.write(row, 0, format!("f{row}")).unwrap();
        sheet.write(row, 1, 114.3).unwrap();
    }
    sheet.merge_range(2, 2, 4, 2, "幼儿园", &format).unwrap();
    let path = std::env::temp_dir().join(format!("carecircle-merged-{}.xlsx", std::process::id()));
    book.save(&path).unwrap();
    let table = Table::read(&path);
    std::fs::remove_file(&path).unwrap();
    let said: Vec<String> = table.unwrap().remarks.into_iter().map(|remark| remark.en).collect();
    let merged: Vec<&String> = said.iter().filter(|text| text.contains("merged over several rows")).collect();
    assert!(matches!(&merged[..], [one] if one.contains("rows: 1, the first in row 3")), "{said:?}");
}
