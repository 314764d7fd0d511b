//! FlatGeobuf out.

use super::{Column, Feature, Kind, Shapes, Value};
use crate::crs::Crs;
use ::flatgeobuf::{ColumnType, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType};
use geo::MultiPolygon;
use geozero::{ColumnValue, PropertyProcessor};
use std::io::{self, Write};

/// A layer on its way out. Rows are sorted along a curve where there is an index, which is where all of them have a geometry.
pub(super) struct Writer<'a>(FgbWriter<'a>);

impl<'a> Writer<'a> {
    pub(super) fn new(name: &'a str, columns: &[Column], crs: &'a Crs, shapes: Shapes) -> io::Result<Self> {
        let kind = match shapes {
            Shapes { polygons: true, .. } => GeometryType::MultiPolygon,
            Shapes { points: true, all: true, .. } => GeometryType::Point,
            // Each row says what it is; one without a geometry is an empty shape.
            _ => GeometryType::Unknown,
        };
        let code = crs.epsg().map_or(0, i32::from);
        let crs = FgbCrs { org: (code > 0).then_some("EPSG"), code, name: Some(crs.name()), ..FgbCrs::default() };
        let options = FgbWriterOptions {
            write_index: shapes.all,
            detect_type: false,
            promote_to_multi: shapes.polygons,
            crs,
            ..FgbWriterOptions::default()
        };
        let mut writer = FgbWriter::create_with_options(name, kind, options).map_err(io::Error::other)?;
        for column in columns {
            let kind = match column.kind {
                Kind::Text => ColumnType::String,
                Kind::Number => ColumnType::Double,
                Kind::Whole => ColumnType::Long,
                Kind::Flag => ColumnType::Bool,
            };
            writer.add_column(&column.name, kind, |_, _| {});
        }
        Ok(Self(writer))
    }

    pub(super) fn push(&mut self, feature: &Feature) -> io::Result<()> {
        let mut told = Ok(());
        let geometry = feature.geometry.clone().unwrap_or_else(|| MultiPolygon::new(Vec::new()).into());
        let values = || feature.values.iter().enumerate();
        self.0
            .add_feature_geom(geometry, |row| told = values().try_for_each(|(i, value)| property(row, i, value)))
            .map_err(io::Error::other)?;
        told.map_err(io::Error::other)
    }

    pub(super) fn write(self, out: impl Write) -> io::Result<()> {
        self.0.write(out).map_err(io::Error::other)
    }
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
