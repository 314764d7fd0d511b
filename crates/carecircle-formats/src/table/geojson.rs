//! GeoJSON as a table: properties are cells.

use super::{Builder, Geometry, Table, TableError};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde_json::Value;
use std::path::Path;

impl Table {
    /// Reads a GeoJSON FeatureCollection (or one Feature) from bytes; `path` is for messages.
    pub fn from_geojson(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let fail = |why: String| TableError::GeoJson { path: path.to_owned(), why };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut root: Value = serde_json::from_slice(bytes).map_err(|e| fail(e.to_string()))?;
        let features = match root.get("type").and_then(Value::as_str) {
            Some("FeatureCollection") => match root.get_mut("features").map(Value::take) {
                Some(Value::Array(features)) => features,
                _ => return Err(fail("the FeatureCollection has no array `features`".to_owned())),
            },
            Some("Feature") => vec![root],
            other => {
                let found = other.map_or("nothing of that kind".to_owned(), |t| format!("`{t}`"));
                return Err(fail(format!("a FeatureCollection was expected, found {found}")));
            }
        };
        let mut table = Builder::new(path);
        for (i, feature) in features.iter().enumerate() {
            add_feature(&mut table, i + 1, feature)?;
        }
        table.finish()
    }
}

/// A feature as the table's next row.
pub(crate) fn add_feature(table: &mut Builder, number: usize, feature: &Value) -> Result<(), TableError> {
    table.row(number);
    let properties = feature.get("properties").and_then(Value::as_object);
    // A property `id` says more than the feature's own, which some programs count up.
    let own_id = feature.get("id").filter(|_| properties.is_none_or(|p| p.get("id").is_none_or(Value::is_null)));
    let cells = own_id.map(|id| ("id", id)).into_iter();
    for (name, value) in cells.chain(properties.into_iter().flatten().map(|(name, value)| (name.as_str(), value))) {
        let column = table.column(name)?;
        table.cell(column, &cell_text(value));
    }
    if let Some(given) = feature.get("geometry").filter(|g| !g.is_null()) {
        table.geometry(geometry(given));
    }
    Ok(())
}

/// A JSON value as the text of a cell.
fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            // 7.0 is seven: an id that went through a spreadsheet.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A GeoJSON geometry that a row may have.
pub(crate) fn geometry(value: &Value) -> Result<Geometry, String> {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("none");
    let coordinates = value.get("coordinates").unwrap_or(&Value::Null);
    match kind {
        "Point" => position(coordinates).map(|c| Geometry::Point(c.x, c.y)),
        "MultiPoint" => {
            let points: Vec<_> = items(coordinates)?.iter().map(position).collect::<Result<_, _>>()?;
            Ok(if let [only] = points[..] { Geometry::Point(only.x, only.y) } else { Geometry::Points(points) })
        }
        "Polygon" => polygon(coordinates).map(|p| Geometry::Shape(MultiPolygon(vec![p]))),
        "MultiPolygon" => {
            let polygons: Result<Vec<_>, _> = items(coordinates)?.iter().map(polygon).collect();
            polygons.map(|p| Geometry::Shape(MultiPolygon(p)))
        }
        other => Err(format!("its geometry is `{other}`; a Point, MultiPoint, Polygon or MultiPolygon is wanted")),
    }
}

fn items(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| "its coordinates are no array".to_owned())
}

fn position(value: &Value) -> Result<Coord<f64>, String> {
    match items(value)?.as_slice() {
        [x, y, ..] => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) if (-180.0..=180.0).contains(&x) && (-90.0..=90.0).contains(&y) => Ok(Coord { x, y }),
            (Some(x), Some(y)) => Err(format!("{x}, {y} is no longitude and latitude in degrees")),
            _ => Err("a coordinate is no number".to_owned()),
        },
        _ => Err("a position has fewer than two numbers".to_owned()),
    }
}

fn polygon(value: &Value) -> Result<Polygon<f64>, String> {
    let ring = |value: &Value| -> Result<LineString<f64>, String> {
        let places: Result<Vec<_>, _> = items(value)?.iter().map(position).collect();
        let places = places?;
        if places.len() < 4 || places.first() != places.last() {
            return Err("a ring of its polygon is not closed, or has fewer than four positions".to_owned());
        }
        Ok(LineString(places))
    };
    let mut rings: Vec<_> = items(value)?.iter().map(ring).collect::<Result<_, _>>()?;
    if rings.is_empty() {
        return Err("its polygon has no ring".to_owned());
    }
    let exterior = rings.remove(0);
    Ok(Polygon::new(exterior, rings))
}
