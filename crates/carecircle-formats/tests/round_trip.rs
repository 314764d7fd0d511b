//! What is written is read again: ids, values, Chinese text, and geometry to 1e-7 degrees.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod samples;

use carecircle_formats::columns::{Reject, write_rejects};
use carecircle_formats::crs::Crs;
use carecircle_formats::out::{Column, Feature, Kind, Layer, Sheet, Value, write_workbook};
use carecircle_formats::table::{self, Table};
use geo::{Coord, Geometry, LineString, MultiPolygon, Point, Polygon};
use proptest::prelude::*;
use samples::{Folder, Xls};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Text as people write it, Chinese among it; a table's reader takes blanks at its ends away.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just('苗'),
            Just('育'),
            Just('镇'),
            Just('𠮷'),
            Just('é'),
            Just('"'),
            Just(','),
            Just('&'),
            Just('<'),
            Just('\''),
            Just(' '),
            Just('a'),
            Just('7'),
            Just('-'),
            Just('='),
            Just('+'),
            Just('@')
        ],
        1..12,
    )
    .prop_map(|letters| letters.into_iter().collect::<String>().trim().to_owned())
    .prop_filter("empty", |text| !text.is_empty())
}

fn degrees(most: f64) -> impl Strategy<Value = f64> {
    (-most..most).prop_map(|v| (v * 1e7).round() / 1e7)
}

/// A square with a hole about a place.
fn square(x: f64, y: f64, side: f64) -> Polygon<f64> {
    let ring = |low: f64, high: f64| {
        let corners = [(low, low), (high, low), (high, high), (low, high), (low, low)];
        let at = |v: f64| (v * 1e7).round() / 1e7;
        LineString(corners.iter().map(|(dx, dy)| Coord { x: at(x + dx * side), y: at(y + dy * side) }).collect())
    };
    let mut hole = ring(0.25, 0.75);
    hole.0.reverse();
    Polygon::new(ring(0.0, 1.0), vec![hole])
}

fn shape() -> impl Strategy<Value = Geometry<f64>> {
    (degrees(170.0), degrees(80.0), 0.001..1.0, any::<bool>()).prop_map(|(x, y, side, several)| {
        let one = square(x, y, side);
        if several { MultiPolygon(vec![one, square(x + 2.0, y, side)]).into() } else { one.into() }
    })
}

fn point() -> impl Strategy<Value = Geometry<f64>> {
    (degrees(180.0), degrees(90.0)).prop_map(|(x, y)| Point::new(x, y).into())
}

fn known<T>(of: impl Strategy<Value = T>, make: fn(T) -> Value) -> impl Strategy<Value = Value>
where
    T: std::fmt::Debug,
{
    proptest::option::weighted(0.8, of).prop_map(move |value| value.map_or(Value::None, make))
}

/// A layer whose rows are numbered by `id`.
fn layer(geometry: impl Strategy<Value = Option<Geometry<f64>>>) -> impl Strategy<Value = Layer> {
    let number = (-1e6..1e6).prop_map(|v: f64| (v * 1e4).round() / 1e4);
    let row = (
        known(text(), Value::Text),
        known(number, Value::Number),
        known(-9_999_i64..9_999_999, Value::Whole),
        known(any::<bool>(), Value::Flag),
        geometry,
    );
    proptest::collection::vec(row, 1..20).prop_map(|rows| {
        let columns = [
            ("id", Kind::Text),
            ("名称", Kind::Text),
            ("amount", Kind::Number),
            ("places", Kind::Whole),
            ("普惠", Kind::Flag),
        ];
        let columns = columns.map(|(name, kind)| Column { name: name.to_owned(), kind });
        let feature = |(i, (name, number, whole, flag, geometry))| {
            let values = vec![Value::Text(format!("w{i}-1")), name, number, whole, flag];
            Feature { values, geometry }
        };
        let features = rows.into_iter().enumerate().map(feature).collect();
        Layer { name: "托育".to_owned(), columns: columns.into(), features, crs: Crs::wgs84() }
    })
}

/// That a table holds what the layer does, its geometries too where the format has them.
fn same(layer: &Layer, table: &Table, with_geometry: bool) -> Result<(), TestCaseError> {
    prop_assert_eq!(table.rows().len(), layer.features.len());
    let by_id: BTreeMap<&str, table::Row<'_>> = table
        .rows()
        .map(|row| {
            let id = row.cells().find(|(at, _)| table.columns[*at] == "id").map_or("", |(_, cell)| cell);
            (id, row)
        })
        .collect();
    for feature in &layer.features {
        let Value::Text(id) = &feature.values[0] else { continue };
        let row = by_id.get(id.as_str()).copied();
        prop_assert!(row.is_some(), "no row {}", id);
        let row = row.unwrap();
        let cells: BTreeMap<&str, &str> = row.cells().map(|(at, cell)| (table.columns[at].as_str(), cell)).collect();
        for (column, value) in layer.columns.iter().zip(&feature.values) {
            let cell = cells.get(column.name.as_str()).copied();
            let same = match value {
                Value::None => cell.is_none(),
                Value::Text(text) => cell == Some(text),
                Value::Number(number) => cell.and_then(|c| c.parse().ok()) == Some(*number),
                Value::Whole(whole) => cell == Some(&whole.to_string()),
                Value::Flag(flag) => {
                    cell.is_some_and(|c| matches!((c, flag), ("yes" | "true", true) | ("no" | "false", false)))
                }
            };
            prop_assert!(same, "{} of {}: {:?} became {:?}", column.name, id, value, cell);
        }
        if with_geometry {
            let close = match (&feature.geometry, row.geometry()) {
                (None, None) => true,
                (Some(a), Some(Ok(b))) => distance(a, b).is_some_and(|d| d <= 1e-7),
                _ => false,
            };
            prop_assert!(close, "{}: {:?} became {:?}", id, feature.geometry, row.geometry());
        }
    }
    Ok(())
}

/// The largest difference of coordinates; `None` where the shapes differ. A ring may begin anywhere and run either way.
fn distance(a: &Geometry<f64>, b: &table::Geometry) -> Option<f64> {
    let shape = match a {
        Geometry::Point(p) => {
            let table::Geometry::Point(x, y) = b else { return None };
            return Some((p.x() - x).abs().max((p.y() - y).abs()));
        }
        Geometry::Polygon(one) => MultiPolygon(vec![one.clone()]),
        Geometry::MultiPolygon(several) => several.clone(),
        _ => return None,
    };
    let table::Geometry::Shape(read) = b else { return None };
    let rings = |shape: &MultiPolygon<f64>| -> Vec<Vec<Coord<f64>>> {
        let rings = shape.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        let sorted = rings.map(|ring| {
            let mut places = ring.0[1..].to_vec();
            places.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
            places
        });
        sorted.collect()
    };
    let (a, b) = (rings(&shape), rings(read));
    let fits = shape.0.len() == read.0.len() && a.iter().map(Vec::len).eq(b.iter().map(Vec::len));
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    fits.then(|| pairs.map(|(a, b)| (a.x - b.x).abs().max((a.y - b.y).abs())).fold(0.0, f64::max))
}

fn read(path: &Path) -> Table {
    Table::read(path).unwrap_or_else(|e| panic!("{e}"))
}

/// The layer's rows as GeoJSON features, each on a line.
fn lines(layer: &Layer, before: &str) -> String {
    let place = |c: &Coord<f64>| json!([c.x, c.y]);
    let rings = |p: &Polygon<f64>| -> Json {
        let ring = |r: &LineString<f64>| r.0.iter().map(place).collect::<Json>();
        std::iter::once(p.exterior()).chain(p.interiors()).map(ring).collect()
    };
    let features = layer.features.iter().map(|feature| {
        let geometry = match &feature.geometry {
            Some(Geometry::Point(p)) => json!({"type": "Point", "coordinates": place(&p.0)}),
            Some(Geometry::Polygon(p)) => json!({"type": "Polygon", "coordinates": rings(p)}),
            Some(Geometry::MultiPolygon(s)) => {
                json!({"type": "MultiPolygon", "coordinates": s.iter().map(rings).collect::<Json>()})
            }
            _ => Json::Null,
        };
        let properties: Map<String, Json> = layer
            .columns
            .iter()
            .zip(&feature.values)
            .map(|(column, value)| {
                let value = match value {
                    Value::None => Json::Null,
                    Value::Text(text) => json!(text),
                    Value::Number(number) => json!(number),
                    Value::Whole(whole) => json!(whole),
                    Value::Flag(flag) => json!(flag),
                };
                (column.name.clone(), value)
            })
            .collect();
        format!("{before}{}\n", json!({"type": "Feature", "properties": properties, "geometry": geometry}))
    });
    features.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flatgeobuf_keeps_all(layer in prop_oneof![
        layer(point().prop_map(Some)),
        layer(shape().prop_map(Some)),
        layer(proptest::option::of(prop_oneof![point(), shape()])),
    ]) {
        let folder = Folder::new();
        let mut bytes = Vec::new();
        layer.write_flatgeobuf(&mut bytes).unwrap();
        let mut again = Vec::new();
        layer.write_flatgeobuf(&mut again).unwrap();
        prop_assert_eq!(&bytes, &again, "the same layer gives the same bytes");
        let table = read(&folder.write("t.fgb", bytes));
        prop_assert_eq!(table.crs.clone(), Some(Crs::wgs84()));
        same(&layer, &table, true)?;
    }

    #[test]
    fn sequences_keep_all(layer in layer(proptest::option::of(prop_oneof![point(), shape()]))) {
        let folder = Folder::new();
        same(&layer, &read(&folder.write("t.geojsonl", lines(&layer, ""))), true)?;
        same(&layer, &read(&folder.write("t.geojsons", lines(&layer, "\x1e"))), true)?;
    }

    #[test]
    fn geopackages_keep_all(layer in layer(proptest::option::of(prop_oneof![point(), shape()]))) {
        let folder = Folder::new();
        let path = folder.file("# 100%.gpkg");
        samples::geopackage_of(&path, &layer);
        let table = read(&path);
        prop_assert_eq!(table.crs.clone(), Some(Crs::wgs84()));
        same(&layer, &table, true)?;
    }

    #[test]
    fn workbooks_keep_values(layer in layer(Just(None))) {
        let folder = Folder::new();
        let book = |layer: &Layer| {
            let sheets = [Sheet::of(&Layer { features: Vec::new(), ..layer.clone() }, "空"), Sheet::of(layer, "机构")];
            let mut bytes = std::io::Cursor::new(Vec::new());
            write_workbook(&sheets, "title", &mut bytes).unwrap();
            bytes.into_inner()
        };
        let bytes = book(&layer);
        prop_assert_eq!(&bytes, &book(&layer), "the same sheets give the same bytes");
        let path = folder.write("t.xlsx", bytes);
        same(&layer, &read(&folder.file("t.xlsx#机构")), false)?;
        prop_assert_eq!(read(&path).rows().len(), 0, "the first sheet with a header");
    }

    #[test]
    fn csv_keeps_values(layer in layer(Just(None))) {
        let folder = Folder::new();
        let mut bytes = Vec::new();
        layer.write_csv(&mut bytes).unwrap();
        same(&layer, &read(&folder.write("t.csv", bytes)), false)?;
    }

    #[test]
    fn rejects_keep_cells(cells in proptest::collection::vec(text(), 1..6)) {
        let folder = Folder::new();
        let columns = cells.iter().enumerate().map(|(i, _)| Column { name: format!("={i}"), kind: Kind::Text }).collect();
        let features = vec![Feature { values: cells.iter().cloned().map(Value::Text).collect(), geometry: None }];
        let layer = Layer { name: "t".to_owned(), columns, features, crs: Crs::wgs84() };
        let mut bytes = Vec::new();
        layer.write_csv(&mut bytes).unwrap();
        let table = read(&folder.write("t.csv", bytes));
        let held: Vec<(usize, String)> = cells.iter().cloned().enumerate().collect();
        let reject = Reject { row: 2, column: "id".to_owned(), why: carecircle_formats::remark!("why", "因"), cells: held.clone() };
        let mut bytes = Vec::new();
        write_rejects(&mut bytes, &table, &[reject], |why| &why.en).unwrap();
        let again = read(&folder.write("t.rejects.csv", bytes));
        prop_assert_eq!(&again.columns[..cells.len()], &table.columns[..]);
        for table in [table, again] {
            let found: Vec<_> = table.rows().flat_map(table::Row::cells).map(|(at, cell)| (at, cell.to_owned())).collect();
            prop_assert_eq!(&found[..cells.len()], &held[..]);
        }
    }

    #[test]
    fn old_and_open_workbooks_keep_values(layer in layer(Just(None))) {
        let folder = Folder::new();
        let mut cells = Vec::new();
        let mut rows = String::from("<table:table-row>");
        for (at, column) in (0..).zip(&layer.columns) {
            cells.push((0, at, Xls::Text(&column.name)));
            write!(rows, "<table:table-cell office:value-type=\"string\"><text:p>{}</text:p></table:table-cell>", column.name).unwrap();
        }
        rows += "</table:table-row><table:table-row table:number-rows-repeated=\"3\"><table:table-cell/></table:table-row>";
        for (row, feature) in (1..).zip(&layer.features) {
            rows += "<table:table-row>";
            for (at, value) in (0..).zip(&feature.values) {
                let told = match value {
                    Value::None => "/>".to_owned(),
                    Value::Text(text) => {
                        cells.push((row, at, Xls::Text(text)));
                        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace("  ", " <text:s/>");
                        format!(" office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
                    }
                    Value::Number(number) => {
                        cells.push((row, at, Xls::Number(*number)));
                        format!(" office:value-type=\"float\" office:value=\"{number}\"><text:p>?</text:p></table:table-cell>")
                    }
                    Value::Whole(whole) => {
                        cells.push((row, at, Xls::Number(*whole as f64)));
                        format!(" office:value-type=\"float\" office:value=\"{whole}\"/>")
                    }
                    Value::Flag(flag) => {
                        cells.push((row, at, Xls::Flag(*flag)));
                        format!(" office:value-type=\"boolean\" office:boolean-value=\"{flag}\"/>")
                    }
                };
                write!(rows, "<table:table-cell{told}").unwrap();
            }
            rows += "</table:table-row>";
        }
        let promised = [0, layer.features.len() as u32 + 1, 0, 5];
        let xls = read(&folder.write("t.xls", samples::compound(&samples::xls_stream(&cells, promised))));
        same(&layer, &xls, false)?;
        let ods = read(&folder.write("t.ods", samples::ods(&rows)));
        same(&layer, &ods, false)?;
        prop_assert_eq!(xls.rows().next().map(table::Row::number), Some(2));
        prop_assert_eq!(ods.rows().next().map(table::Row::number), Some(5), "repeated rows count");
    }

    #[test]
    fn shapefiles_keep_all(layer in layer(shape().prop_map(Some)), in_gbk in any::<bool>()) {
        let folder = Folder::new();
        let path = folder.file("t.shp");
        write_shapefile(&path, &layer, in_gbk);
        same(&layer, &read(&path), true)?;
    }
}

/// Writes a shapefile; its text in GB18030, which the language byte tells, or in UTF-8, which the `.cpg` tells.
fn write_shapefile(path: &Path, layer: &Layer, in_gbk: bool) {
    use shapefile::dbase::{self, FieldValue};
    let encoding = if in_gbk { encoding_rs::GB18030 } else { encoding_rs::UTF_8 };
    let mut builder = dbase::TableWriterBuilder::with_encoding(dbase::encoding::EncodingRs::from(encoding));
    for column in &layer.columns {
        let name = dbase::FieldName::try_from(column.name.as_str()).unwrap();
        builder = match column.kind {
            Kind::Text => builder.add_character_field(name, 60),
            Kind::Number => builder.add_numeric_field(name, 16, 4),
            Kind::Whole => builder.add_numeric_field(name, 12, 0),
            Kind::Flag => builder.add_logical_field(name),
        };
    }
    let mut writer = shapefile::Writer::from_path(path, builder).unwrap();
    for feature in &layer.features {
        let polygons: Vec<&Polygon<f64>> = match feature.geometry.as_ref() {
            Some(Geometry::Polygon(one)) => vec![one],
            Some(Geometry::MultiPolygon(several)) => several.iter().collect(),
            _ => Vec::new(),
        };
        let places = |ring: &LineString<f64>| ring.0.iter().map(|c| shapefile::Point::new(c.x, c.y)).collect();
        let rings = polygons.iter().flat_map(|p| {
            let holes = p.interiors().iter().map(|ring| shapefile::PolygonRing::Inner(places(ring)));
            std::iter::once(shapefile::PolygonRing::Outer(places(p.exterior()))).chain(holes).collect::<Vec<_>>()
        });
        let mut record = dbase::Record::default();
        for (column, value) in layer.columns.iter().zip(&feature.values) {
            let value = match (column.kind, value) {
                (Kind::Text, Value::Text(text)) => FieldValue::Character(Some(text.clone())),
                (Kind::Text, _) => FieldValue::Character(None),
                (Kind::Flag, Value::Flag(flag)) => FieldValue::Logical(Some(*flag)),
                (Kind::Flag, _) => FieldValue::Logical(None),
                (_, Value::Number(number)) => FieldValue::Numeric(Some(*number)),
                (_, Value::Whole(whole)) => FieldValue::Numeric(Some(*whole as f64)),
                _ => FieldValue::Numeric(None),
            };
            record.insert(column.name.clone(), value);
        }
        writer.write_shape_and_record(&shapefile::Polygon::with_rings(rings.collect()), &record).unwrap();
    }
    drop(writer);
    if in_gbk {
        let dbf = path.with_extension("dbf");
        let mut bytes = std::fs::read(&dbf).unwrap();
        bytes[29] = 0x4D;
        // The crate writes columns' names in UTF-8 whatever the encoding.
        for (at, column) in (1..).zip(&layer.columns) {
            let mut name = encoding.encode(&column.name).0.into_owned();
            name.resize(11, 0);
            bytes[32 * at..32 * at + 11].copy_from_slice(&name);
        }
        std::fs::write(&dbf, bytes).unwrap();
    } else {
        std::fs::write(path.with_extension("cpg"), "UTF-8\n").unwrap();
    }
}

#[test]
fn cells_are_read_as_people_see_them() {
    let folder = Folder::new();
    let strings = "<sst uniqueCount=\"2\"><si><t>id</t></si><si><r><t>开</t></r><r><t>办</t></r></si></sst>";
    let sheet = "<dimension ref=\"A1:XFD1048576\"/><sheetData>\
        <row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>杭州市托育机构</t></is></c></row>\
        <row r=\"3\"><c r=\"A3\" t=\"s\"><v>0</v></c><c r=\"B3\" t=\"s\"><v>1</v></c><c r=\"C3\" t=\"inlineStr\"><is><t>places</t></is></c>\
        <c r=\"D3\" t=\"inlineStr\"><is><t>open</t></is></c><c r=\"E3\" t=\"inlineStr\"><is><t>sum</t></is></c></row>\
        <row r=\"4\"><c r=\"A4\"><v>1063</v></c><c r=\"B4\" s=\"1\"><v>45292</v></c><c r=\"C4\"><v>0.30000000000000004</v></c>\
        <c r=\"D4\" t=\"b\"><v>1</v></c><c r=\"E4\"><f>C4*2</f><v>0.6</v></c></row>\
        <row r=\"1048576\"><c r=\"A1048576\" t=\"e\"><v>#REF!</v></c><c r=\"B1048576\" s=\"2\"><v>45292.75</v></c></row></sheetData>";
    let table = read(&folder.write("t.xlsx", samples::xlsx(sheet, strings)));
    assert_eq!(table.columns, ["id", "开办", "places", "open", "sum"]);
    let rows: Vec<Vec<&str>> = table.rows().map(|row| row.cells().map(|(_, cell)| cell).collect()).collect();
    assert_eq!(rows, [vec!["1063", "2024-01-01", "0.3", "yes", "0.6"], vec!["#REF!", "2024-01-01T18:00:00"]]);
    assert_eq!(table.rows().map(table::Row::number).collect::<Vec<_>>(), [4, 1_048_576]);
    let cells =
        [(0, 0, Xls::Text("编号")), (0, 1, Xls::Text("日期")), (2, 0, Xls::Error(0x17)), (2, 1, Xls::Date(45_292.0))];
    let old = read(&folder.write("t.xls", samples::compound(&samples::xls_stream(&cells, [0, 3, 0, 2]))));
    assert_eq!(old.rows().next().unwrap().cells().collect::<Vec<_>>(), [(0, "#REF!"), (1, "2024-01-01")]);
    assert_eq!(old.rows().next().unwrap().number(), 3);
    let open = read(&folder.write("t.ods", samples::ods(
        "<table:table-row><table:table-cell office:value-type=\"string\"><office:annotation><text:p>note</text:p></office:annotation>\
         <text:p>编号</text:p></table:table-cell><table:table-cell office:value-type=\"string\"><text:p>日期</text:p></table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"string\" calcext:value-type=\"error\" \
         office:string-value=\"\"><text:p>#REF!</text:p></table:table-cell><table:table-cell office:value-type=\"date\" \
         office:date-value=\"2024-01-01T00:00:00\"/></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048570\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>",
    )));
    assert_eq!(open.rows().map(table::Row::number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(open.rows().next().unwrap().cells().collect::<Vec<_>>(), [(0, "#REF!"), (1, "2024-01-01")]);
}

#[test]
fn a_deleted_row_takes_its_shape_with_it() {
    let folder = Folder::new();
    let path = folder.file("t.shp");
    let polygon = |x| Some(square(x, 30.0, 0.1).into());
    let feature = |id: &str, x| Feature { values: vec![Value::Text(id.to_owned())], geometry: polygon(x) };
    let columns = vec![Column { name: "id".to_owned(), kind: Kind::Text }];
    let features = vec![feature("a", 1.0), feature("gone", 2.0), feature("c", 3.0)];
    let layer = Layer { name: "t".to_owned(), columns, features, crs: Crs::wgs84() };
    write_shapefile(&path, &layer, true);
    let dbf = path.with_extension("dbf");
    let mut bytes = std::fs::read(&dbf).unwrap();
    let first = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let length = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    bytes[first + length] = b'*';
    std::fs::write(&dbf, bytes).unwrap();
    let table = read(&path);
    let kept = Layer { features: vec![layer.features[0].clone(), layer.features[2].clone()], ..layer };
    same(&kept, &table, true).unwrap();
    std::fs::write(path.with_extension("prj"), "PROJCS[\"Hangzhou local\",GEOGCS[\"GCS_Beijing_1954\"]]").unwrap();
    let error = read(&path).crs_or_stated(None).unwrap_err().to_string();
    assert!(error.contains("Hangzhou local") && error.contains("--crs"), "{error}");
    assert_eq!(read(&path).crs_or_stated(Some(&Crs::wgs84())).unwrap(), Crs::wgs84());
}

#[test]
fn a_geopackage_of_several_tables_is_asked_about() {
    let folder = Folder::new();
    let path = folder.file("t.gpkg");
    let database = samples::geopackage(&path);
    for (table, srs) in [("机构", 4_326), ("areas", 100_001)] {
        database
            .execute_batch(&format!("CREATE TABLE \"{table}\" (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT)"))
            .unwrap();
        samples::list(&database, table, srs);
    }
    let point = samples::blob(Some(&Point::new(1.0, 2.0).into()), false, 2);
    database.execute("INSERT INTO \"机构\" VALUES (1, ?1, 'a'), (2, x'00', 'b'), (3, NULL, 'c')", [point]).unwrap();
    drop(database);
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("机构, areas") && error.contains("#NAME"), "{error}");
    let table = read(&folder.file("t.gpkg#机构"));
    let geometries: Vec<_> = table.rows().map(|row| row.geometry().cloned()).collect();
    assert_eq!(geometries[0], Some(Ok(table::Geometry::Point(1.0, 2.0))));
    assert!(matches!(&geometries[1], Some(Err(why)) if why.en.contains("GeoPackage")));
    assert_eq!(geometries[2], None);
    let local = read(&folder.file("t.gpkg#areas")).crs_or_stated(None).unwrap_err().to_string();
    assert!(local.contains("Hangzhou local"), "{local}");
}
