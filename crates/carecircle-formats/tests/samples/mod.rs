//! Files of the formats that tables are read from, made for tests: whole ones, and their parts to be broken.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each suite uses some of them, and fails where a sample can't be made"
)]

use carecircle_formats::crs::Crs;
use carecircle_formats::out::{Column, Feature, Kind, Layer, Value};
use geo::{Geometry, Point, polygon};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("carecircle-formats-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A layer with a value of each kind, a point, a polygon with a hole, and a row without a geometry.
pub(crate) fn layer() -> Layer {
    let columns = [
        ("id", Kind::Text),
        ("名称", Kind::Text),
        ("minutes", Kind::Number),
        ("places", Kind::Whole),
        ("普惠", Kind::Flag),
    ];
    let columns = columns.map(|(name, kind)| Column { name: name.to_owned(), kind });
    let text = |text: &str| Value::Text(text.to_owned());
    let square = polygon!(exterior: [(x: 0.0, y: 0.0), (x: 3.0, y: 0.0), (x: 3.0, y: 3.0), (x: 0.0, y: 3.0)],
        interiors: [[(x: 1.0, y: 1.0), (x: 1.0, y: 2.0), (x: 2.0, y: 2.0), (x: 2.0, y: 1.0)]]);
    let features = vec![
        Feature {
            values: vec![
                text("a"),
                text("苗苗，\"托育\""),
                Value::Number(12.5),
                Value::Whole(1_063),
                Value::Flag(true),
            ],
            geometry: Some(Point::new(116.123_456_7, 39.9).into()),
        },
        Feature {
            values: vec![text("b"), Value::None, Value::None, Value::Whole(-3), Value::Flag(false)],
            geometry: Some(square.into()),
        },
    ];
    Layer { name: "托育".to_owned(), columns: columns.into(), features, crs: Crs::wgs84() }
}

/// A zip archive of parts.
pub(crate) fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default().compression_level(Some(1))).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An XLSX workbook of one sheet: what stands in its `worksheet` element, and the whole part of its strings.
pub(crate) fn xlsx(sheet: &str, strings: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let book = format!(
        "<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets><sheet name=\"表一\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let book_relations = format!(
        "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    let root = format!(
        "<Relationships xmlns=\"{package}\"><Relationship Id=\"r0\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let styles = format!(
        "<styleSheet xmlns=\"{main}\"><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
    );
    let sheet = format!("<worksheet xmlns=\"{main}\">{sheet}</worksheet>");
    zipped(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", book_relations.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// An OpenDocument spreadsheet of one sheet: its rows.
pub(crate) fn ods(rows: &str) -> Vec<u8> {
    ods_of(&format!(
        "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\" xmlns:calcext=\"c\"><office:body>\
         <office:spreadsheet><table:table table:name=\"表一\">{rows}</table:table></office:spreadsheet></office:body>\
         </office:document-content>"
    ))
}

/// An OpenDocument spreadsheet of any content.
pub(crate) fn ods_of(content: &str) -> Vec<u8> {
    let mimetype = b"application/vnd.oasis.opendocument.spreadsheet";
    zipped(&[("mimetype", mimetype), ("META-INF/manifest.xml", b"<m/>"), ("content.xml", content.as_bytes())])
}

/// A cell of an XLS sheet.
pub(crate) enum Xls<'a> {
    Text(&'a str),
    Number(f64),
    Date(f64),
    Flag(bool),
    Error(u8),
}

fn record(out: &mut Vec<u8>, kind: u16, data: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend((data.len() as u16).to_le_bytes());
    out.extend(data);
}

/// The stream of an XLS workbook (BIFF8) of one sheet: cells, and the square that it promises.
pub(crate) fn xls_stream(cells: &[(u16, u16, Xls<'_>)], promised: [u32; 4]) -> Vec<u8> {
    let bof = |kind: u16| [0x0600_u16, kind, 0, 0, 0, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
    let mut globals = Vec::new();
    record(&mut globals, 0x0809, &bof(5));
    for format in [0_u16, 14] {
        let mut xf = [0; 20];
        xf[2..4].copy_from_slice(&format.to_le_bytes());
        record(&mut globals, 0x00E0, &xf);
    }
    // The sheet begins behind the record that names it, and the end of the globals.
    let begins = globals.len() + 4 + 8 + 4 + 4;
    let mut sheet = (begins as u32).to_le_bytes().to_vec();
    sheet.extend([0, 0, 2, 1]);
    sheet.extend("表一".encode_utf16().flat_map(u16::to_le_bytes));
    record(&mut globals, 0x0085, &sheet);
    record(&mut globals, 0x000A, &[]);
    assert_eq!(globals.len(), begins);
    let mut out = globals;
    record(&mut out, 0x0809, &bof(0x10));
    let [top, bottom, left, right] = promised;
    let mut square = [top, bottom].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
    square.extend([left as u16, right as u16, 0].iter().flat_map(|n| n.to_le_bytes()));
    record(&mut out, 0x0200, &square);
    for (row, column, cell) in cells {
        let style = u16::from(matches!(cell, Xls::Date(_)));
        let mut data = [*row, *column, style].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let kind = match cell {
            Xls::Text(text) => {
                data.extend((text.encode_utf16().count() as u16).to_le_bytes());
                data.push(1);
                data.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                0x0204
            }
            Xls::Number(number) | Xls::Date(number) => {
                data.extend(number.to_le_bytes());
                0x0203
            }
            Xls::Flag(flag) => {
                data.extend([u8::from(*flag), 0]);
                0x0205
            }
            Xls::Error(code) => {
                data.extend([*code, 1]);
                0x0205
            }
        };
        record(&mut out, kind, &data);
    }
    record(&mut out, 0x000A, &[]);
    out
}

/// A compound file that holds one stream, `Workbook`: sectors of the stream, then the directory, then the table of chains.
pub(crate) fn compound(stream: &[u8]) -> Vec<u8> {
    let mut body = stream.to_vec();
    body.resize(stream.len().max(4_096).next_multiple_of(512), 0);
    let sectors = body.len() / 512;
    assert!(sectors < 126, "one sector of chains is enough");
    let (directory, chains) = (sectors as u32, sectors as u32 + 1);
    let mut out = vec![0xFF; 512];
    out[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
    out[8..76].fill(0);
    out[26..28].copy_from_slice(&3_u16.to_le_bytes());
    out[28..30].copy_from_slice(&0xFFFE_u16.to_le_bytes());
    out[30..34].copy_from_slice(&[9, 0, 6, 0]);
    out[44..48].copy_from_slice(&1_u32.to_le_bytes());
    out[48..52].copy_from_slice(&directory.to_le_bytes());
    out[56..60].copy_from_slice(&4_096_u32.to_le_bytes());
    out[60..64].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
    out[68..72].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
    out[76..80].copy_from_slice(&chains.to_le_bytes());
    out.extend(&body);
    for (name, kind, first, length) in [("Root Entry", 5, 0xFFFF_FFFE, 0), ("Workbook", 2, 0_u32, body.len() as u64)] {
        let mut entry = vec![0; 128];
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry[..name.len()].copy_from_slice(&name);
        entry[64] = name.len() as u8 + 2;
        entry[66] = kind;
        entry[116..120].copy_from_slice(&first.to_le_bytes());
        entry[120..128].copy_from_slice(&length.to_le_bytes());
        out.extend(entry);
    }
    out.resize(512 + (sectors + 1) * 512, 0);
    let next = (1..=sectors as u32).map(|next| if next == sectors as u32 { 0xFFFF_FFFE } else { next });
    let mut table: Vec<u8> = next.chain([0xFFFF_FFFE, 0xFFFF_FFFD]).flat_map(u32::to_le_bytes).collect();
    table.resize(512, 0xFF);
    out.extend(table);
    out
}

/// A GeoPackage geometry: its header with an envelope of so many numbers, then well-known binary of a point or polygons.
pub(crate) fn blob(geometry: Option<&Geometry<f64>>, little: bool, envelope: u8) -> Vec<u8> {
    let numbers = [0, 4, 6, 6, 8][usize::from(envelope)];
    let empty = u8::from(geometry.is_none());
    let mut out = vec![b'G', b'P', 0, u8::from(little) | envelope << 1 | empty << 4, 0, 0, 0, 0];
    out.extend(vec![0; numbers * 8]);
    let whole = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let place =
        |at: &geo::Coord<f64>| [at.x, at.y].map(|v| if little { v.to_le_bytes() } else { v.to_be_bytes() }).concat();
    let head = |out: &mut Vec<u8>, kind: u32| {
        out.push(u8::from(little));
        out.extend(whole(kind));
    };
    let polygon = |out: &mut Vec<u8>, polygon: &geo::Polygon<f64>| {
        head(out, 3);
        out.extend(whole(polygon.interiors().len() as u32 + 1));
        for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
            out.extend(whole(ring.0.len() as u32));
            ring.0.iter().for_each(|at| out.extend(place(at)));
        }
    };
    match geometry {
        Some(Geometry::Point(at)) => {
            head(&mut out, 1);
            out.extend(place(&at.0));
        }
        Some(Geometry::Polygon(one)) => polygon(&mut out, one),
        Some(Geometry::MultiPolygon(several)) => {
            head(&mut out, 6);
            out.extend(whole(several.0.len() as u32));
            several.iter().for_each(|one| polygon(&mut out, one));
        }
        _ => {
            head(&mut out, 1);
            out.extend(place(&geo::Coord { x: f64::NAN, y: f64::NAN }));
        }
    }
    out
}

/// An empty GeoPackage that knows WGS 84 and a system without an EPSG number.
pub(crate) fn geopackage(path: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT, \
             organization_coordsys_id INTEGER, definition TEXT);
             CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, srs_id INTEGER);
             CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER);
             INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS[\"WGS 84\"]'), \
             ('local', 100001, 'NONE', 100001, 'PROJCS[\"Hangzhou local\"]');",
        )
        .unwrap();
    database
}

/// Lists a table of features in a GeoPackage.
pub(crate) fn list(database: &rusqlite::Connection, table: &str, srs: i32) {
    database.execute("INSERT INTO gpkg_contents VALUES (?1, 'features', ?2)", (table, srs)).unwrap();
    database.execute("INSERT INTO gpkg_geometry_columns VALUES (?1, 'geom', ?2)", (table, srs)).unwrap();
}

/// A whole GeoPackage of the layer.
pub(crate) fn geopackage_of(path: &Path, layer: &Layer) {
    let database = geopackage(path);
    let quoted: Vec<_> = layer.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let kind = |kind| match kind {
        Kind::Text => "TEXT",
        Kind::Number => "DOUBLE",
        Kind::Whole => "INTEGER",
        Kind::Flag => "BOOLEAN",
    };
    let columns: Vec<_> =
        quoted.iter().zip(&layer.columns).map(|(name, c)| format!("{name} {}", kind(c.kind))).collect();
    database
        .execute_batch(&format!("CREATE TABLE t (fid INTEGER PRIMARY KEY, geom BLOB, {})", columns.join(", ")))
        .unwrap();
    list(&database, "t", 4_326);
    let marks = vec!["?"; quoted.len() + 1].join(", ");
    database.execute_batch("BEGIN").unwrap();
    let insert = format!("INSERT INTO t (geom, {}) VALUES ({marks})", quoted.join(", "));
    for (i, feature) in layer.features.iter().enumerate() {
        use rusqlite::types::Value as Sql;
        let geometry = blob(feature.geometry.as_ref(), i % 2 == 0, (i % 5) as u8);
        let values = feature.values.iter().map(|value| match value {
            Value::None => Sql::Null,
            Value::Text(text) => Sql::Text(text.clone()),
            Value::Number(number) => Sql::Real(*number),
            Value::Whole(whole) => Sql::Integer(*whole),
            Value::Flag(flag) => Sql::Integer(i64::from(*flag)),
        });
        let values: Vec<Sql> = std::iter::once(Sql::Blob(geometry)).chain(values).collect();
        database.execute(&insert, rusqlite::params_from_iter(values)).unwrap();
    }
    database.execute_batch("COMMIT").unwrap();
}
