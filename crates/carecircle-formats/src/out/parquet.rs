//! GeoParquet 1.1 out: plain columns, and the geometry as well-known binary.

use super::{Feature, Kind, Layer, Value, bbox, projjson, wkb};
use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::Type;
use geo::Geometry;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use std::sync::Arc;

/// So many rows lie together.
const ROWS_TOGETHER: usize = 1 << 16;

/// The column of geometries.
const GEOMETRY: &str = "geometry";

/// Writes a layer.
pub(super) fn write(layer: &Layer, out: impl Write + Send) -> io::Result<()> {
    try_write(layer, out).map_err(io::Error::other)
}

fn try_write(layer: &Layer, out: impl Write + Send) -> Result<(), ParquetError> {
    let metadata = vec![KeyValue::new("geo".to_owned(), geo_metadata(layer).to_string())];
    let properties = WriterProperties::builder()
        .set_created_by(concat!("carecircle ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(metadata))
        .build();
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema(layer)?), Arc::new(properties))?;
    for rows in layer.features.chunks(ROWS_TOGETHER) {
        let mut group = writer.next_row_group()?;
        for (i, column) in layer.columns.iter().enumerate() {
            let values = rows.iter().map(|row| &row.values[i]);
            match column.kind {
                Kind::Text => fill::<ByteArrayType>(&mut group, values.map(text))?,
                Kind::Number => fill::<DoubleType>(&mut group, values.map(number))?,
                Kind::Whole => fill::<Int64Type>(&mut group, values.map(whole))?,
                Kind::Flag => fill::<BoolType>(&mut group, values.map(flag))?,
            }
        }
        let geometry = |row: &Feature| row.geometry.as_ref().and_then(wkb::bytes).map(ByteArray::from);
        fill::<ByteArrayType>(&mut group, rows.iter().map(geometry))?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn schema(layer: &Layer) -> Result<Type, ParquetError> {
    let primitive = |name: &str, physical, logical| {
        let column = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        column.with_logical_type(logical).build().map(Arc::new)
    };
    let columns = layer.columns.iter().map(|column| {
        // A column of a user's table that has the geometry's name.
        let name = if column.name == GEOMETRY { "geometry_in_table" } else { &column.name };
        match column.kind {
            Kind::Text => primitive(name, Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Number => primitive(name, Physical::DOUBLE, None),
            Kind::Whole => primitive(name, Physical::INT64, None),
            Kind::Flag => primitive(name, Physical::BOOLEAN, None),
        }
    });
    let geometry = primitive(GEOMETRY, Physical::BYTE_ARRAY, None);
    let fields = columns.chain(std::iter::once(geometry)).collect::<Result<_, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build()
}

/// What GeoParquet says of the geometries. Without a system they are degrees of WGS 84; what has no PROJJSON here is named
/// beside. East comes first, as the standard asks whatever the system's own order.
fn geo_metadata(layer: &Layer) -> Json {
    let kind = |geometry: &Geometry<f64>| match geometry {
        Geometry::Point(_) => "Point",
        Geometry::Polygon(_) => "Polygon",
        _ => "MultiPolygon",
    };
    let mut kinds: Vec<_> = layer.features.iter().filter_map(|f| f.geometry.as_ref().map(kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut column = json!({"encoding": "WKB", "geometry_types": kinds});
    if let Some(bbox) = bbox(&layer.features) {
        column["bbox"] = json!(bbox);
    }
    if layer.crs != crate::crs::Crs::wgs84() {
        let said = projjson::of(&layer.crs);
        if said.is_none() {
            column["crs_name"] = json!(layer.crs.name());
        }
        column["crs"] = json!(said);
    }
    json!({"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}})
}

/// Fills the next column.
fn fill<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut known, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        known.extend(value);
    }
    let missing = || ParquetError::General("a column too many".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(&known, Some(&levels), None)?;
    column.close()
}

fn text(value: &Value) -> Option<ByteArray> {
    (*value != Value::None).then(|| ByteArray::from(value.to_text().into_bytes()))
}

fn number(value: &Value) -> Option<f64> {
    if let Value::Number(number) = value { Some(*number) } else { None }
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::Whole(whole) = value { Some(*whole) } else { None }
}

fn flag(value: &Value) -> Option<bool> {
    if let Value::Flag(flag) = value { Some(*flag) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::out::Column;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::RowAccessor;
    use geo::polygon;

    #[test]
    fn values_and_geometry_come_back() {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = [("id", Kind::Text), ("children", Kind::Number), ("places", Kind::Whole), ("普惠", Kind::Flag)];
        let shape: Geometry<f64> =
            polygon![(x: 1.0, y: 2.0), (x: 3.0, y: 2.0), (x: 3.0, y: 4.5), (x: 1.0, y: 2.0)].into();
        let known = vec![Value::Text("苗".to_owned()), Value::Number(1.5), Value::Whole(7), Value::Flag(true)];
        let features = vec![
            Feature { values: vec![Value::None; 4], geometry: None },
            Feature { values: known, geometry: Some(shape.clone()) },
        ];
        let columns = columns.map(|(name, kind)| column(name, kind)).into();
        let layer = Layer { name: "t".to_owned(), columns, features, crs: Crs::wgs84() };
        let path = std::env::temp_dir().join(format!("carecircle-{}.parquet", std::process::id()));
        layer.write_parquet(std::fs::File::create(&path).unwrap()).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let said = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let geo: Json = serde_json::from_str(said[0].value.as_ref().unwrap()).unwrap();
        assert_eq!(geo["columns"]["geometry"]["bbox"], json!([1.0, 2.0, 3.0, 4.5]));
        assert_eq!(geo["columns"]["geometry"]["geometry_types"], json!(["Polygon"]));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert!(rows[0].get_string(0).is_err() && rows[0].get_bytes(4).is_err());
        assert_eq!(rows[1].get_string(0).unwrap(), "苗");
        assert_eq!((rows[1].get_double(1).unwrap(), rows[1].get_long(2).unwrap()), (1.5, 7));
        assert!(rows[1].get_bool(3).unwrap());
        assert_eq!(rows[1].get_bytes(4).unwrap().data(), wkb::bytes(&shape).unwrap());
    }
}
