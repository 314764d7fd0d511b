//! GeoJSON as a table: properties are cells.

use super::shapes::{no_number, open_ring, other_kind};
use super::{Builder, Form, Geometry, Remark, Table, TableError};
use crate::crs::Crs;
use crate::remark;
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

impl Table {
    /// Reads a GeoJSON FeatureCollection (or one Feature) from bytes; `path` is for messages.
    pub fn from_geojson(path: &Path, bytes: &[u8]) -> Result<Self, TableError> {
        let fail = |why: Remark| TableError::GeoJson { path: path.to_owned(), why };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.trim_ascii_start().first().is_some_and(|b| *b != b'{') {
            return Err(fail(remark!(
                "a FeatureCollection was expected, found nothing of that kind",
                "应为 FeatureCollection，但不是这类内容"
            )));
        }
        let mut table = Builder::new(path);
        table.form(Form { format: "GeoJSON", ..Form::default() });
        let mut root = Root { table: &mut table, refused: None, features: None, rest: Map::new() };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = (&mut root).deserialize(&mut json).and_then(|()| json.end());
        let Root { refused, features, rest, .. } = root;
        if let Some(refused) = refused {
            return Err(refused);
        }
        read.map_err(|e| fail(Remark::same(e.to_string())))?;
        match rest.get("type").and_then(Value::as_str) {
            Some("FeatureCollection") if features.is_some() => {}
            Some("FeatureCollection") => {
                return Err(fail(remark!(
                    "the FeatureCollection has no array `features`",
                    "FeatureCollection 缺少 `features` 数组"
                )));
            }
            Some("Feature") => add_feature(&mut table, 1, &Value::Object(rest.clone()))?,
            other => {
                let found = other.map_or("nothing of that kind".to_owned(), |t| format!("`{t}`"));
                return Err(fail(remark!(
                    "a FeatureCollection was expected, found {found}",
                    "应为 FeatureCollection，实为 {found}"
                )));
            }
        }
        // From before the standard, and still written where coordinates are no degrees.
        if let Some(name) = rest.get("crs").and_then(|crs| crs.pointer("/properties/name")).and_then(Value::as_str) {
            table.crs(stated_crs(name).map_err(fail)?);
        }
        table.finish()
    }
}

/// A coordinate system as GeoJSON's old member `crs` names it: `urn:ogc:def:crs:EPSG::4547`.
fn stated_crs(name: &str) -> Result<Crs, Remark> {
    if name.ends_with("CRS84") {
        return Ok(Crs::wgs84());
    }
    let code = name.rsplit(':').next().unwrap_or(name);
    Crs::named(&if name.to_uppercase().contains("EPSG") { format!("EPSG:{code}") } else { name.to_owned() })
}

/// The collection as it is read: features go to the table one by one, so that no more than one is held as JSON.
struct Root<'b> {
    table: &'b mut Builder,
    /// Why the table takes no more.
    refused: Option<TableError>,
    /// How many features there were, where there was an array of them.
    features: Option<usize>,
    /// The other members that matter.
    rest: Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for &mut Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a FeatureCollection")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "features" => members.next_value_seed(Features(self))?,
                "type" | "crs" | "id" | "properties" | "geometry" => {
                    let value = members.next_value()?;
                    self.rest.insert(name, value);
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The collection's array of features.
struct Features<'r, 'b>(&'r mut Root<'b>);

impl<'de> DeserializeSeed<'de> for Features<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array `features`")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut features: S) -> Result<(), S::Error> {
        let root = self.0;
        let mut number = root.features.unwrap_or(0);
        while let Some(feature) = features.next_element::<Value>()? {
            number += 1;
            if let Err(refused) = add_feature(root.table, number, &feature) {
                root.refused = Some(refused);
                return Err(S::Error::custom("refused"));
            }
        }
        root.features = Some(number);
        Ok(())
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
pub(crate) fn cell_text(value: &Value) -> String {
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
pub(crate) fn geometry(value: &Value) -> Result<Geometry, Remark> {
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
        other => Err(other_kind(other)),
    }
}

fn items(value: &Value) -> Result<&Vec<Value>, Remark> {
    value.as_array().ok_or_else(|| remark!("its coordinates are no array", "坐标不是数组"))
}

fn position(value: &Value) -> Result<Coord<f64>, Remark> {
    match items(value)?.as_slice() {
        [x, y, ..] => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) => Ok(Coord { x, y }),
            _ => Err(no_number()),
        },
        _ => Err(remark!("a position has fewer than two numbers", "坐标点不足两个数")),
    }
}

fn polygon(value: &Value) -> Result<Polygon<f64>, Remark> {
    let ring = |value: &Value| -> Result<LineString<f64>, Remark> {
        let places: Result<Vec<_>, _> = items(value)?.iter().map(position).collect();
        let places = places?;
        if places.len() < 4 || places.first() != places.last() {
            return Err(open_ring());
        }
        Ok(LineString(places))
    };
    let mut rings: Vec<_> = items(value)?.iter().map(ring).collect::<Result<_, _>>()?;
    if rings.is_empty() {
        return Err(remark!("its polygon has no ring", "多边形没有环"));
    }
    let exterior = rings.remove(0);
    Ok(Polygon::new(exterior, rings))
}
