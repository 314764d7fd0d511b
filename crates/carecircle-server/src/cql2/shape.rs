//! Geometries of filters, and how they lie to those of features: all in degrees, as clients see them.

use super::{Coordinates, write_number};
use carecircle_formats::crs::Crs;
use carecircle_formats::geojson::Drawing;
use geo::{
    BoundingRect, Coord, Geometry, GeometryCollection, Intersects, Line, LineString, MultiLineString, MultiPoint,
    MultiPolygon, Point, Polygon, Rect, Relate, Validation,
};
use rayon::prelude::*;

/// How one geometry may lie to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spatial {
    Intersects,
    Disjoint,
    Within,
    Contains,
    Equals,
    Touches,
    Crosses,
    Overlaps,
}

impl Spatial {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Intersects, "S_INTERSECTS"),
        (Self::Disjoint, "S_DISJOINT"),
        (Self::Within, "S_WITHIN"),
        (Self::Contains, "S_CONTAINS"),
        (Self::Equals, "S_EQUALS"),
        (Self::Touches, "S_TOUCHES"),
        (Self::Crosses, "S_CROSSES"),
        (Self::Overlaps, "S_OVERLAPS"),
    ];

    /// Whether it holds. Boxes decide where they can.
    pub(super) fn holds(self, one: &Site, other: &Site) -> bool {
        let (a, b) = (one.bbox, other.bbox);
        if a[0] > b[2] || b[0] > a[2] || a[1] > b[3] || b[1] > a[3] {
            return self == Self::Disjoint;
        }
        match self {
            Self::Within if !lies_in(a, b) => return false,
            Self::Contains if !lies_in(b, a) => return false,
            _ => {}
        }
        let is_in_box =
            |inner: &Site, outer: &Site| matches!(outer.geometry, Geometry::Rect(_)) && lies_in(inner.bbox, outer.bbox);
        if matches!(self, Self::Intersects | Self::Disjoint) {
            let meet = is_in_box(one, other) || is_in_box(other, one) || one.geometry.intersects(other.geometry);
            return meet == (self == Self::Intersects);
        }
        let matrix = one.geometry.relate(other.geometry);
        match self {
            Self::Intersects => matrix.is_intersects(),
            Self::Disjoint => matrix.is_disjoint(),
            Self::Within => matrix.is_within(),
            Self::Contains => matrix.is_contains(),
            Self::Equals => matrix.is_equal_topo(),
            Self::Touches => matrix.is_touches(),
            Self::Crosses => matrix.is_crosses(),
            Self::Overlaps => matrix.is_overlaps(),
        }
    }
}

fn lies_in(inner: [f64; 4], outer: [f64; 4]) -> bool {
    inner[0] >= outer[0] && inner[1] >= outer[1] && inner[2] <= outer[2] && inner[3] <= outer[3]
}

/// A geometry and its box: west, south, east, north.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    geometry: &'a Geometry<f64>,
    bbox: [f64; 4],
}

/// A feature's geometry, read from its drawing.
pub(crate) struct Place {
    geometry: Geometry<f64>,
    bbox: [f64; 4],
}

impl Place {
    /// The places of features; `None` of one without a geometry.
    pub(crate) fn all(drawings: &[Drawing]) -> Vec<Option<Self>> {
        drawings.par_iter().map(|drawing| Some(Self { geometry: drawn(&drawing.json)?, bbox: drawing.bbox? })).collect()
    }

    pub(super) fn site(&self) -> Site<'_> {
        Site { geometry: &self.geometry, bbox: self.bbox }
    }
}

/// The geometry of a drawing: the kinds there are, and their coordinates at the end.
fn drawn(json: &str) -> Option<Geometry<f64>> {
    type Ring = Vec<[f64; 2]>;
    let polygon = |rings: Vec<Ring>| {
        let mut rings = rings.into_iter().map(LineString::from);
        Some(Polygon::new(rings.next()?, rings.collect()))
    };
    let (head, coordinates) = json.split_once(",\"coordinates\":")?;
    let coordinates = coordinates.strip_suffix('}')?;
    Some(match head.strip_prefix("{\"type\":")? {
        "\"Point\"" => Geometry::Point(Point::from(serde_json::from_str::<[f64; 2]>(coordinates).ok()?)),
        "\"Polygon\"" => Geometry::Polygon(polygon(serde_json::from_str(coordinates).ok()?)?),
        "\"MultiPolygon\"" => {
            let polygons: Vec<Vec<Ring>> = serde_json::from_str(coordinates).ok()?;
            Geometry::MultiPolygon(polygons.into_iter().map(polygon).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The kinds of geometries that are made of coordinates alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
}

/// Their names in WKT and, in other case, in GeoJSON.
pub(super) const SHAPES: [(Form, &str); 6] = [
    (Form::Point, "POINT"),
    (Form::LineString, "LINESTRING"),
    (Form::Polygon, "POLYGON"),
    (Form::MultiPoint, "MULTIPOINT"),
    (Form::MultiLineString, "MULTILINESTRING"),
    (Form::MultiPolygon, "MULTIPOLYGON"),
];

/// Coordinates as both languages nest them.
pub(super) enum Nest {
    Place(Vec<f64>),
    List(Vec<Nest>),
}

/// Degrees further out than this are none, even where a map goes round the world more than once.
const DEGREES_MAX: f64 = 1_000.0;

/// A geometry in a filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    geometry: Geometry<f64>,
    bbox: [f64; 4],
    /// West, south, east, north, where it was given so.
    given: Option<[f64; 4]>,
}

impl Literal {
    /// A geometry out of its coordinates.
    pub(super) fn new(form: Form, nest: Nest, coordinates: &Coordinates) -> Result<Self, String> {
        let reader = Reader(coordinates);
        let geometry = match form {
            Form::Point => Geometry::Point(reader.point(nest)?),
            Form::LineString => Geometry::LineString(reader.line(nest)?),
            Form::Polygon => Geometry::Polygon(reader.polygon(nest)?),
            Form::MultiPoint => Geometry::MultiPoint(MultiPoint(reader.each(nest, Reader::point)?)),
            Form::MultiLineString => Geometry::MultiLineString(MultiLineString(reader.each(nest, Reader::line)?)),
            Form::MultiPolygon => Geometry::MultiPolygon(MultiPolygon(reader.each(nest, Reader::polygon)?)),
        };
        geometry.check_validation().map_err(|error| format!("the geometry is not valid: {error}"))?;
        Self::of(geometry, None)
    }

    /// Geometries as one.
    pub(super) fn collection(parts: Vec<Self>) -> Result<Self, String> {
        if parts.iter().any(|part| part.given.is_some()) {
            return Err("a box is no part of a collection: write it as a polygon".to_owned());
        }
        Self::of(Geometry::GeometryCollection(parts.into_iter().map(|part| part.geometry).collect()), None)
    }

    fn of(geometry: Geometry<f64>, given: Option<[f64; 4]>) -> Result<Self, String> {
        let around = geometry.bounding_rect().ok_or("a geometry has at least one place")?;
        let bbox = [around.min().x, around.min().y, around.max().x, around.max().y];
        Ok(Self { geometry, bbox, given })
    }

    /// A box out of four numbers, or six with heights. West of its east it spans the date line.
    pub(super) fn bbox(numbers: &[f64], coordinates: &Coordinates) -> Result<Self, String> {
        let ([x0, y0, x1, y1] | [x0, y0, _, x1, y1, _]) = *numbers else {
            return Err("a box has four numbers (west, south, east, north), or six with heights".to_owned());
        };
        let reader = Reader(coordinates);
        let (low, high) = (reader.place(&[x0, y0])?, reader.place(&[x1, y1])?);
        let (Coord { x: west, y: south }, Coord { x: east, y: north }) = (low, high);
        if south > north {
            return Err("the south of a box lies not above its north".to_owned());
        }
        let rect = |west, east| Rect::new(Coord { x: west, y: south }, Coord { x: east, y: north });
        let geometry = if west > east {
            let sides = [rect(west, west.max(180.0)), rect(east.min(-180.0), east)];
            Geometry::GeometryCollection(sides.map(thinned).into_iter().collect::<GeometryCollection<f64>>())
        } else {
            thinned(rect(west, east))
        };
        Self::of(geometry, Some([west, south, east, north]))
    }

    pub(super) fn site(&self) -> Site<'_> {
        Site { geometry: &self.geometry, bbox: self.bbox }
    }

    /// In canonical form: a box, or WKT.
    pub(super) fn write(&self, out: &mut String) {
        match self.given {
            Some(numbers) => {
                out.push_str("BBOX");
                write_list(out, &numbers, |out, number| write_number(out, *number));
            }
            None => write_geometry(out, &self.geometry),
        }
    }
}

/// A box without height or width is a line, or a point.
fn thinned(rect: Rect<f64>) -> Geometry<f64> {
    match (rect.width() > 0.0, rect.height() > 0.0) {
        (true, true) => Geometry::Rect(rect),
        (false, false) => Geometry::Point(rect.min().into()),
        _ => Geometry::Line(Line::new(rect.min(), rect.max())),
    }
}

/// Takes coordinates out of a nest, and into degrees.
struct Reader<'a>(&'a Coordinates);

type Read<T> = Result<T, String>;

impl Reader<'_> {
    fn place(&self, numbers: &[f64]) -> Read<Coord<f64>> {
        let &[first, second, ref heights @ ..] = numbers else {
            return Err("a place has two numbers, longitude and latitude".to_owned());
        };
        if heights.len() > 2 {
            return Err("a place has two numbers, or up to four with height and measure".to_owned());
        }
        let Coordinates { crs, north_first } = self.0;
        let (x, y) = if *north_first { (second, first) } else { (first, second) };
        let found = if *crs == Crs::wgs84() {
            let degrees = -DEGREES_MAX..=DEGREES_MAX;
            (degrees.contains(&x) && degrees.contains(&y)).then_some((x, y))
        } else {
            crs.to_wgs84(x, y)
        };
        let (x, y) = found.ok_or_else(|| format!("{first} {second} is no place in {}", crs.name()))?;
        Ok(Coord { x, y })
    }

    fn each<T>(&self, nest: Nest, each: impl Fn(&Self, Nest) -> Read<T>) -> Read<Vec<T>> {
        match nest {
            Nest::List(items) if !items.is_empty() => items.into_iter().map(|item| each(self, item)).collect(),
            _ => Err("coordinates nest otherwise in a geometry of this kind".to_owned()),
        }
    }

    fn coord(&self, nest: Nest) -> Read<Coord<f64>> {
        match nest {
            Nest::Place(numbers) => self.place(&numbers),
            Nest::List(_) => Err("a place is expected where there is a list".to_owned()),
        }
    }

    /// WKT has a point's place in parentheses, GeoJSON has not.
    fn point(&self, nest: Nest) -> Read<Point<f64>> {
        match nest {
            Nest::List(mut items) if items.len() == 1 => self.coord(items.remove(0)).map(Point),
            place => self.coord(place).map(Point),
        }
    }

    fn line(&self, nest: Nest) -> Read<LineString<f64>> {
        self.each(nest, Self::coord).map(LineString)
    }

    fn polygon(&self, nest: Nest) -> Read<Polygon<f64>> {
        let mut rings = self.each(nest, Self::line)?;
        if rings.iter().any(|ring| ring.0.len() < 4 || !ring.is_closed()) {
            return Err("a ring has at least four places, the last the same as the first".to_owned());
        }
        let exterior = rings.remove(0);
        Ok(Polygon::new(exterior, rings))
    }
}

fn write_list<T>(out: &mut String, items: impl IntoIterator<Item = T>, each: impl Fn(&mut String, T)) {
    out.push('(');
    for (i, item) in items.into_iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        each(out, item);
    }
    out.push(')');
}

fn write_place(out: &mut String, at: Coord<f64>) {
    write_number(out, at.x);
    out.push(' ');
    write_number(out, at.y);
}

fn write_line(out: &mut String, line: &LineString<f64>) {
    write_list(out, &line.0, |out, at| write_place(out, *at));
}

fn write_polygon(out: &mut String, polygon: &Polygon<f64>) {
    write_list(out, std::iter::once(polygon.exterior()).chain(polygon.interiors()), write_line);
}

fn write_geometry(out: &mut String, geometry: &Geometry<f64>) {
    let point = |out: &mut String, point: &Point<f64>| write_list(out, [point.0], write_place);
    match geometry {
        Geometry::Point(at) => {
            out.push_str("POINT");
            point(out, at);
        }
        Geometry::LineString(line) => {
            out.push_str("LINESTRING");
            write_line(out, line);
        }
        Geometry::Polygon(polygon) => {
            out.push_str("POLYGON");
            write_polygon(out, polygon);
        }
        Geometry::MultiPoint(points) => {
            out.push_str("MULTIPOINT");
            write_list(out, points, point);
        }
        Geometry::MultiLineString(lines) => {
            out.push_str("MULTILINESTRING");
            write_list(out, lines, write_line);
        }
        Geometry::MultiPolygon(polygons) => {
            out.push_str("MULTIPOLYGON");
            write_list(out, polygons, write_polygon);
        }
        Geometry::GeometryCollection(parts) => {
            out.push_str("GEOMETRYCOLLECTION");
            write_list(out, parts, write_geometry);
        }
        // These are made of boxes alone, which are written as they were given.
        Geometry::Rect(_) | Geometry::Line(_) | Geometry::Triangle(_) => {}
    }
}
