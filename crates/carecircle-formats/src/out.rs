//! Tables out: layers of typed columns with geometry, and the formats that hold them.
//!
//! A [`Layer`] is made of GeoJSON features, so that what a thing's properties are is said once, in [`crate::geojson`]. Its
//! coordinates are those of the layer's [`Crs`]. The same layer gives the same bytes.

mod cell;
mod flatgeobuf;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod projjson;
mod wkb;
mod workbook;

pub(crate) use cell::unguarded;
pub use cell::{csv_cell, guarded};
pub use workbook::{Cell, Sheet, write_workbook};

use crate::crs::Crs;
use geo::{Coord, Geometry, LineString, MultiPolygon, Point, Polygon};
use serde_json::Value as Json;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Numbers of any sort.
    Number,
    /// Whole numbers.
    Whole,
    /// Yes or no.
    Flag,
}

/// A value; a column holds those of its kind, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is known.
    None,
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// Yes or no.
    Flag(bool),
}

/// A column of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A row of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// A value for each column.
    pub values: Vec<Value>,
    /// Its geometry, a point or polygons.
    pub geometry: Option<Geometry<f64>>,
}

impl Feature {
    /// The row of a GeoJSON feature.
    pub fn of_json(feature: &Json, columns: &[Column]) -> Self {
        let values = columns.iter().map(|c| value_of(&feature["properties"][&c.name], c.kind)).collect();
        Self { values, geometry: geometry_of(&feature["geometry"]) }
    }
}

/// Things of one sort on their way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What they are.
    pub name: String,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows, in order.
    pub features: Vec<Feature>,
    /// The system of the geometries' coordinates.
    pub crs: Crs,
}

/// Columns that hold numbers even where all are whole, or none is known.
const NUMBERS: [&str; 15] = [
    "children",
    "covered_children",
    "covered_share",
    "gap_children",
    "lat",
    "lon",
    "minutes",
    "minutes_limit",
    "open_gate_children",
    "population",
    "price",
    "snap_m",
    "under3",
    "x",
    "y",
];

/// Columns that hold whole numbers even where none is known.
const WHOLE: [&str; 14] = [
    "blocks",
    "covered",
    "enrolled",
    "entrances",
    "facilities",
    "max_months",
    "min_months",
    "partial",
    "places",
    "places_infant",
    "places_senior",
    "places_toddler",
    "staff",
    "staff_certified",
];

impl Layer {
    /// A layer of GeoJSON features. The columns are those of `own`, in that order, then all others by name.
    pub fn of_features(name: &str, own: &[&str], features: &[Json], crs: Crs) -> Self {
        let mut found: BTreeMap<&str, Option<Kind>> = own.iter().map(|&name| (name, None)).collect();
        for (name, value) in features.iter().filter_map(|f| f["properties"].as_object()).flatten() {
            let kind = found.entry(name).or_default();
            *kind = together(*kind, kind_of(value));
        }
        let others = found.keys().copied().filter(|name| !own.contains(name));
        let columns = own.iter().copied().chain(others);
        let columns: Vec<Column> =
            columns.map(|name| Column { name: name.to_owned(), kind: kind_known(name, found[name]) }).collect();
        let features = features.iter().map(|feature| Feature::of_json(feature, &columns)).collect();
        Self { name: name.to_owned(), features, columns, crs }
    }

    /// Writes FlatGeobuf, with an index where every row has a geometry.
    pub fn write_flatgeobuf(&self, out: impl Write) -> io::Result<()> {
        let shapes =
            Shapes::of(self.features.iter().map(|f| f.geometry.as_ref().map(|g| matches!(g, Geometry::Point(_)))));
        write_flatgeobuf(&self.name, &self.columns, &self.crs, shapes, &self.features, out)
    }

    /// Writes GeoParquet 1.1.
    #[cfg(feature = "parquet")]
    pub fn write_parquet(&self, out: impl Write + Send) -> io::Result<()> {
        parquet::write(self, out)
    }

    /// Writes CSV with a byte order mark, by which Excel reads Chinese; text that it would run is guarded.
    pub fn write_csv(&self, out: impl Write) -> io::Result<()> {
        write_csv(&self.columns, &self.features, out)
    }
}

/// Writes rows as [`Layer::write_csv`] does, one after the other as they come.
pub fn write_csv(
    columns: &[Column],
    features: impl IntoIterator<Item: Borrow<Feature>>,
    mut out: impl Write,
) -> io::Result<()> {
    out.write_all("\u{feff}".as_bytes())?;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(columns.iter().map(|c| guarded(&c.name).into_owned()))?;
    for feature in features {
        writer.write_record(feature.borrow().values.iter().map(|value| match value {
            Value::Text(text) => guarded(text).into_owned(),
            other => other.to_text(),
        }))?;
    }
    writer.flush()
}

/// Which geometries a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shapes {
    points: bool,
    polygons: bool,
    /// Whether every row has one.
    all: bool,
}

impl Shapes {
    /// Those of rows whose geometry is a point, is polygons, or is not there.
    pub fn of(is_point: impl Iterator<Item = Option<bool>>) -> Self {
        let none = Self { points: true, polygons: true, all: true };
        is_point.fold(none, |shapes, is_point| Self {
            points: shapes.points && is_point != Some(false),
            polygons: shapes.polygons && is_point != Some(true),
            all: shapes.all && is_point.is_some(),
        })
    }
}

/// Writes rows as [`Layer::write_flatgeobuf`] does. They wait in a file until the index is known.
pub fn write_flatgeobuf(
    name: &str,
    columns: &[Column],
    crs: &Crs,
    shapes: Shapes,
    features: impl IntoIterator<Item: Borrow<Feature>>,
    out: impl Write,
) -> io::Result<()> {
    let mut writer = flatgeobuf::Writer::new(name, columns, crs, shapes)?;
    features.into_iter().try_for_each(|feature| writer.push(feature.borrow()))?;
    writer.write(out)
}

impl Value {
    /// As it stands in a table of text.
    pub fn to_text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => Json::from(*number).to_string(),
            Self::Whole(whole) => whole.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

fn kind_of(value: &Json) -> Option<Kind> {
    match value {
        Json::Null => None,
        Json::Bool(_) => Some(Kind::Flag),
        Json::Number(number) if number.is_i64() => Some(Kind::Whole),
        Json::Number(_) => Some(Kind::Number),
        _ => Some(Kind::Text),
    }
}

/// A kind that holds both.
fn together(a: Option<Kind>, b: Option<Kind>) -> Option<Kind> {
    match (a, b) {
        (one, None) | (None, one) => one,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Kind::Number | Kind::Whole), Some(Kind::Number | Kind::Whole)) => Some(Kind::Number),
        _ => Some(Kind::Text),
    }
}

/// A column's kind: no chance of one city's values makes it another.
fn kind_known(name: &str, found: Option<Kind>) -> Kind {
    match found {
        None | Some(Kind::Whole) if NUMBERS.contains(&name) => Kind::Number,
        None if WHOLE.contains(&name) => Kind::Whole,
        None => Kind::Text,
        Some(kind) => kind,
    }
}

fn value_of(value: &Json, kind: Kind) -> Value {
    match (kind, value) {
        (_, Json::Null) => Value::None,
        (Kind::Flag, Json::Bool(flag)) => Value::Flag(*flag),
        (Kind::Whole, Json::Number(number)) => number.as_i64().map_or(Value::None, Value::Whole),
        (Kind::Number, Json::Number(number)) => number.as_f64().map_or(Value::None, Value::Number),
        (_, Json::String(text)) => Value::Text(text.clone()),
        (_, other) => Value::Text(other.to_string()),
    }
}

/// A geometry of our own features.
fn geometry_of(geometry: &Json) -> Option<Geometry<f64>> {
    let at = |place: &Json| Some(Coord { x: place.get(0)?.as_f64()?, y: place.get(1)?.as_f64()? });
    let ring = |ring: &Json| Some(LineString(ring.as_array()?.iter().map(at).collect::<Option<_>>()?));
    let polygon = |rings: &Json| {
        let mut rings = rings.as_array()?.iter().map(ring).collect::<Option<Vec<_>>>()?.into_iter();
        Some(Polygon::new(rings.next()?, rings.collect()))
    };
    let coordinates = &geometry["coordinates"];
    match geometry["type"].as_str()? {
        "Point" => Some(Point(at(coordinates)?).into()),
        "Polygon" => Some(polygon(coordinates)?.into()),
        "MultiPolygon" => {
            Some(MultiPolygon(coordinates.as_array()?.iter().map(polygon).collect::<Option<_>>()?).into())
        }
        _ => None,
    }
}

/// The box around all geometries: west, south, east, north.
#[cfg(feature = "parquet")]
fn bbox(features: &[Feature]) -> Option<[f64; 4]> {
    use geo::BoundingRect;
    let boxes = features.iter().filter_map(|f| f.geometry.as_ref()?.bounding_rect());
    let boxes = boxes.map(|b| [b.min().x, b.min().y, b.max().x, b.max().y]);
    boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_have_the_kind_that_all_their_values_have() {
        let features = [
            json!({"properties": {"id": "a", "children": 3.0, "n": 1, "flag": true, "mixed": 1, "后": "x"},
                   "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}}),
            json!({"properties": {"id": "b", "children": null, "n": 2, "flag": false, "mixed": "y", "minutes": null},
                   "geometry": null}),
        ];
        let layer = Layer::of_features("l", &["id", "minutes"], &features, Crs::wgs84());
        let kinds: Vec<_> = layer.columns.iter().map(|c| (c.name.as_str(), c.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("id", Kind::Text),
                ("minutes", Kind::Number),
                ("children", Kind::Number),
                ("flag", Kind::Flag),
                ("mixed", Kind::Text),
                ("n", Kind::Whole),
                ("后", Kind::Text)
            ]
        );
        assert_eq!(layer.features[0].geometry, Some(Point::new(1.5, 2.5).into()));
        assert_eq!(layer.features[1].values[2], Value::None);
        let mut csv = Vec::new();
        layer.write_csv(&mut csv).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "\u{feff}id,minutes,children,flag,mixed,n,后\na,,3.0,true,1,1,x\nb,,,false,y,2,\n"
        );
    }
}
