//! FlatGeobuf out.

use super::{Kind, Layer, Value};
use ::flatgeobuf::{ColumnType, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType};
use geo::{Geometry, MultiPolygon};
use geozero::{ColumnValue, PropertyProcessor};
use std::io::{self, Write};

/// Writes a layer. Rows are sorted along a curve where there is an index, which is where all of them have a geometry.
pub(super) fn write(layer: &Layer, out: impl Write) -> io::Result<()> {
    let geometries = || layer.features.iter().map(|f| &f.geometry);
    let points = geometries().flatten().all(|g| matches!(g, Geometry::Point(_)));
    let shapes = geometries().flatten().all(|g| !matches!(g, Geometry::Point(_)));
    let all = geometries().all(Option::is_some);
    let kind = match (points, shapes) {
        (_, true) => GeometryType::MultiPolygon,
        (true, _) if all => GeometryType::Point,
        // Each row says what it is; one without a geometry is an empty shape.
        _ => GeometryType::Unknown,
    };
    let code = layer.crs.epsg().map_or(0, i32::from);
    let crs = FgbCrs { org: (code > 0).then_some("EPSG"), code, name: Some(layer.crs.name()), ..FgbCrs::default() };
    let options = FgbWriterOptions {
        write_index: all,
        detect_type: false,
        promote_to_multi: shapes,
        crs,
        ..FgbWriterOptions::default()
    };
    let mut writer = FgbWriter::create_with_options(&layer.name, kind, options).map_err(io::Error::other)?;
    for column in &layer.columns {
        let kind = match column.kind {
            Kind::Text => ColumnType::String,
            Kind::Number => ColumnType::Double,
            Kind::Whole => ColumnType::Long,
            Kind::Flag => ColumnType::Bool,
        };
        writer.add_column(&column.name, kind, |_, _| {});
    }
    for feature in &layer.features {
        let mut told = Ok(());
        let geometry = feature.geometry.clone().unwrap_or_else(|| MultiPolygon::new(Vec::new()).into());
        let values = || feature.values.iter().enumerate();
        writer
            .add_feature_geom(geometry, |row| told = values().try_for_each(|(i, value)| property(row, i, value)))
            .map_err(io::Error::other)?;
        told.map_err(io::Error::other)?;
    }
    writer.write(out).map_err(io::Error::other)
}

fn property(row: &mut impl PropertyProcessor, i: usize, value: &Value) -> geozero::error::Result<()> {
    let value = match value {
        Value::None => return Ok(()),
        Value::Text(text) => ColumnValue::String(text),
        Value::Number(number) => ColumnValue::Double(*number),
        Value::Whole(whole) => ColumnValue::Long(*whole),
        Value::Flag(flag) => ColumnValue::Bool(*flag),
    };
    row.property(i, "", &value).map(|_| ())
}
