//! Mapbox Vector Tiles, read as the specification has them and not a bit more kindly: whatever breaks a rule of version
//! 2.1 panics, and says which.

use geo::{Area, Contains, Coord, Intersects, Line, LineString, MultiPolygon, Polygon};
use std::collections::{BTreeMap, BTreeSet};

/// A layer of a tile.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Units along the side of the tile.
    pub extent: u64,
    /// Its features.
    pub features: Vec<Feature>,
}

/// A feature of a layer.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its number.
    pub id: Option<u64>,
    /// Its properties.
    pub properties: BTreeMap<String, Value>,
    /// Its geometry on the grid of the tile: to the right and down.
    pub geometry: Geometry,
}

/// The geometry of a feature.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// Places.
    Points(Vec<Coord<i32>>),
    /// Lines.
    Lines(Vec<Vec<Coord<i32>>>),
    /// Areas.
    Polygons(MultiPolygon<f64>),
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A double.
    Number(f64),
    /// A whole number, of whatever encoding.
    Integer(i64),
    /// A boolean.
    Truth(bool),
}

impl Feature {
    /// The text of a property; empty without it.
    pub fn text(&self, name: &str) -> &str {
        match self.properties.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

/// A field of a message: a number, or bytes.
enum Field<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => panic!("the field is not made of bytes"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            _ => panic!("the field is no number"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("texts are UTF-8")
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a number ends");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number of more than 64 bits");
}

fn varints(mut bytes: &[u8]) -> Vec<u64> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        out.push(varint(&mut bytes));
    }
    out
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (double, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Double(f64::from_le_bytes(double.try_into().expect("eight bytes")))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (own, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(own)
            }
            other => panic!("no field here is of wire type {other}"),
        };
        out.push((key >> 3, field));
    }
    out
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn value(bytes: &[u8]) -> Value {
    let fields = fields(bytes);
    let [(number, field)] = &fields[..] else { panic!("a value is one") };
    match number {
        1 => Value::Text(field.text()),
        3 => match field {
            Field::Double(double) => Value::Number(*double),
            _ => panic!("no double"),
        },
        4 => Value::Integer(field.number() as i64),
        5 => Value::Integer(i64::try_from(field.number()).expect("it fits")),
        6 => Value::Integer(unzigzag(field.number())),
        7 => Value::Truth(field.number() == 1),
        other => panic!("no value is of type {other} here"),
    }
}

/// Reads a tile.
///
/// # Panics
/// Where it breaks a rule of the specification.
pub fn read(tile: &[u8]) -> Vec<Layer> {
    let layers: Vec<Layer> = fields(tile)
        .iter()
        .map(|(number, field)| {
            assert_eq!(*number, 3, "a tile holds layers alone");
            layer(field.bytes())
        })
        .collect();
    let names: BTreeSet<&String> = layers.iter().map(|layer| &layer.name).collect();
    assert_eq!(names.len(), layers.len(), "layers differ in name");
    layers
}

fn layer(bytes: &[u8]) -> Layer {
    let fields = fields(bytes);
    let all = |wanted: u64| fields.iter().filter(move |(number, _)| *number == wanted).map(|(_, field)| field);
    let one = |wanted: u64| {
        assert_eq!(all(wanted).count(), 1, "field {wanted} stands once");
        all(wanted).next().expect("it is there")
    };
    assert_eq!(one(15).number(), 2, "the version");
    let keys: Vec<String> = all(3).map(Field::text).collect();
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "each key stands once");
    let encoded: Vec<&[u8]> = all(4).map(Field::bytes).collect();
    let distinct: BTreeSet<&&[u8]> = encoded.iter().collect();
    assert_eq!(distinct.len(), encoded.len(), "each value stands once");
    let values: Vec<Value> = encoded.into_iter().map(value).collect();
    let features: Vec<Feature> = all(2).map(|field| feature(field.bytes(), &keys, &values)).collect();
    assert!(!features.is_empty(), "a layer has features");
    Layer { name: one(1).text(), extent: one(5).number(), features }
}

fn feature(bytes: &[u8], keys: &[String], values: &[Value]) -> Feature {
    let (mut id, mut kind) = (None, 0);
    let (mut properties, mut commands) = (BTreeMap::new(), Vec::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => id = Some(field.number()),
            2 => {
                let tags = varints(field.bytes());
                assert_eq!(tags.len() % 2, 0, "tags come in pairs");
                for pair in tags.chunks(2) {
                    let (key, value) = (&keys[pair[0] as usize], &values[pair[1] as usize]);
                    assert!(properties.insert(key.clone(), value.clone()).is_none(), "{key} stands once");
                }
            }
            3 => kind = field.number(),
            4 => commands = varints(field.bytes()),
            other => panic!("a feature has no field {other}"),
        }
    }
    let paths = paths(&commands);
    assert!(!paths.is_empty(), "a feature has a geometry");
    let geometry = match kind {
        1 => {
            let place = |(path, closed): &(Vec<Coord<i32>>, bool)| {
                assert!(path.len() == 1 && !closed, "a point");
                path[0]
            };
            Geometry::Points(paths.iter().map(place).collect())
        }
        2 => {
            let line = |(path, closed): (Vec<Coord<i32>>, bool)| {
                assert!(path.len() > 1 && !closed, "a line");
                assert!(path.windows(2).all(|pair| pair[0] != pair[1]), "no step of a line is without length");
                path
            };
            Geometry::Lines(paths.into_iter().map(line).collect())
        }
        3 => Geometry::Polygons(polygons(paths)),
        other => panic!("no geometry is of type {other} here"),
    };
    Feature { id, properties, geometry }
}

/// The paths that commands draw, and whether each is closed.
fn paths(commands: &[u64]) -> Vec<(Vec<Coord<i32>>, bool)> {
    let mut out: Vec<(Vec<Coord<i32>>, bool)> = Vec::new();
    let mut at = Coord { x: 0_i64, y: 0_i64 };
    let mut commands = commands.iter().copied();
    while let Some(command) = commands.next() {
        let (id, count) = (command & 7, command >> 3);
        assert!(count > 0, "a command without a count");
        if id == 7 {
            assert_eq!(count, 1, "a path is closed once");
            let (path, closed) = out.last_mut().expect("a path to close");
            assert!(path.len() > 2 && !*closed, "a ring has three places");
            *closed = true;
            continue;
        }
        assert!(matches!(id, 1 | 2), "command {id}");
        for _ in 0..count {
            at.x += unzigzag(commands.next().expect("an x"));
            at.y += unzigzag(commands.next().expect("a y"));
            let place = Coord { x: at.x as i32, y: at.y as i32 };
            if id == 1 {
                out.push((vec![place], false));
            } else {
                let (path, closed) = out.last_mut().expect("a path to go on with");
                assert!(!*closed, "a line goes on from a place");
                path.push(place);
            }
        }
    }
    out
}

fn polygons(paths: Vec<(Vec<Coord<i32>>, bool)>) -> MultiPolygon<f64> {
    let mut out: Vec<Polygon<f64>> = Vec::new();
    for (path, closed) in paths {
        assert!(closed, "a ring is closed");
        assert_ne!(path.first(), path.last(), "the first place of a ring is not repeated");
        let next = |i: usize| path[(i + 1) % path.len()];
        let doubled: i64 = (0..path.len())
            .map(|i| {
                let (a, b) = (path[i], next(i));
                i64::from(a.x) * i64::from(b.y) - i64::from(b.x) * i64::from(a.y)
            })
            .sum();
        assert_ne!(doubled, 0, "a ring has an area: {path:?}");
        let ring = LineString(path.iter().map(|c| Coord { x: f64::from(c.x), y: f64::from(c.y) }).collect());
        check_simple(&ring);
        if doubled > 0 {
            out.push(Polygon::new(ring, Vec::new()));
        } else {
            let outer = out.last_mut().expect("a hole follows its outer ring");
            let hole = Polygon::new(ring.clone(), Vec::new());
            let around = Polygon::new(outer.exterior().clone(), Vec::new());
            assert!(around.contains(&hole), "a hole lies in its outer ring");
            for other in outer.interiors() {
                let other = Polygon::new(other.clone(), Vec::new());
                assert!(!overlap(&hole, &other), "holes do not overlap");
            }
            outer.interiors_push(ring);
        }
    }
    for (i, a) in out.iter().enumerate() {
        for b in &out[..i] {
            assert!(!overlap(a, b), "polygons of a feature do not overlap");
        }
    }
    MultiPolygon(out)
}

fn overlap(a: &Polygon<f64>, b: &Polygon<f64>) -> bool {
    use geo::BooleanOps;
    a.intersects(b) && a.intersection(b).unsigned_area() > 1.0
}

/// No two sides of a ring meet but neighbours, in the corner between them.
fn check_simple(ring: &LineString<f64>) {
    let mut ring = ring.clone();
    ring.close();
    let sides: Vec<Line<f64>> = ring.lines().collect();
    for (i, a) in sides.iter().enumerate() {
        assert_ne!(a.start, a.end, "a side without length");
        for (j, b) in sides.iter().enumerate().skip(i + 1) {
            let are_neighbours = j == i + 1 || (i == 0 && j == sides.len() - 1);
            let Some(meet) = geo::line_intersection::line_intersection(*a, *b) else { continue };
            let in_corner = matches!(meet, geo::LineIntersection::SinglePoint { .. });
            assert!(are_neighbours && in_corner, "sides {a:?} and {b:?} meet");
        }
    }
}
