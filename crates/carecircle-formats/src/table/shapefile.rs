//! Shapefile: outlines in `.shp`, columns in `.dbf`, what system in `.prj`, what encoding in `.cpg`.
//!
//! Rows are read here rather than by a dBase reader, for one that passes over deleted rows gives shapes to their neighbours.

use super::csv::decode;
use super::shapes::{Bytes, flag_text, other_kind, point, points, polygon, ring, shape};
use super::{Builder, Form, Geometry, Remark, Table, TableError, prj};
use crate::remark;
use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_8, WINDOWS_1252};
use geo::{Contains, Coord, LineString, Point, Polygon};
use shapefile::record::polygon::{GenericPolygon, PolygonRing};
use shapefile::record::traits::HasXY;
use shapefile::{Shape, ShapeReader};
use std::io::Cursor;
use std::path::Path;

/// Holes are not looked up among more outer rings than make so many pairs.
const MOST_PAIRS: usize = 10_000_000;

/// Reads a shapefile; `bytes` are those of the `.shp`.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
    let fail = |why: String| TableError::Broken { path: path.to_owned(), what: "a shapefile", why };
    let mut table = Builder::new(path);
    table.form(Form { format: "Shapefile", ..Form::default() });
    if let Some(prj) = sibling(path, "prj")? {
        let text = decode(path, &prj).map(|(text, _)| text).unwrap_or_default();
        table.stated_crs(prj::crs(&text).map(Some));
    }
    let rows = match sibling(path, "dbf")? {
        Some(dbf) => {
            let label = sibling(path, "cpg")?;
            let label = label.as_ref().map(|label| String::from_utf8_lossy(label).trim().to_owned());
            Some(Rows::of(dbf, label.as_deref()).map_err(|why| fail(format!("its .dbf {why}")))?)
        }
        None => None,
    };
    let columns = rows.iter().flat_map(|rows| &rows.fields).map(|field| table.add_column(&field.name));
    columns.collect::<Result<Vec<_>, _>>()?;
    let mut shapes = ShapeReader::new(Cursor::new(bytes)).map_err(|e| fail(e.to_string()))?;
    let mut number = 0;
    for found in shapes.iter_shapes() {
        number += 1;
        let found = found.map_err(|e| fail(format!("shape {number}: {e}")))?;
        let geometry = geometry(found);
        table.row(number);
        if let Some(rows) = &rows {
            if number > rows.count {
                return Err(fail(format!("it has more shapes than its .dbf has rows, {}", rows.count)));
            }
            if !rows.cells(number - 1, &mut table) {
                table.drop_row_if_empty();
                continue;
            }
        }
        if let Some(geometry) = geometry.transpose() {
            table.geometry(geometry);
        }
    }
    if let Some(rows) = rows.filter(|rows| rows.count > number) {
        return Err(fail(format!("it has {number} shapes and its .dbf {} rows", rows.count)));
    }
    table.finish()
}

/// A file of the same name beside the `.shp`, its ending in small or capital letters.
fn sibling(path: &Path, ending: &str) -> Result<Option<Vec<u8>>, TableError> {
    let there = [ending.to_owned(), ending.to_uppercase()].map(|ending| path.with_extension(ending));
    let Some(file) = there.into_iter().find(|file| file.is_file()) else { return Ok(None) };
    super::read_bytes(&file).map(Some)
}

fn geometry(found: Shape) -> Result<Option<Geometry>, Remark> {
    fn several<P: HasXY>(places: &[P]) -> Option<Geometry> {
        points(places.iter().map(position).collect())
    }
    match found {
        Shape::NullShape => Ok(None),
        Shape::Point(p) => Ok(point(p.x, p.y)),
        Shape::PointM(p) => Ok(point(p.x, p.y)),
        Shape::PointZ(p) => Ok(point(p.x, p.y)),
        Shape::Multipoint(points) => Ok(several(points.points())),
        Shape::MultipointM(points) => Ok(several(points.points())),
        Shape::MultipointZ(points) => Ok(several(points.points())),
        Shape::Polygon(rings) => polygons(&rings),
        Shape::PolygonM(rings) => polygons(&rings),
        Shape::PolygonZ(rings) => polygons(&rings),
        Shape::Polyline(_) | Shape::PolylineM(_) | Shape::PolylineZ(_) => Err(other_kind("Polyline")),
        Shape::Multipatch(_) => Err(other_kind("MultiPatch")),
    }
}

fn position<P: HasXY>(at: &P) -> Coord<f64> {
    Coord { x: at.x(), y: at.y() }
}

/// Polygons of rings in any order: each hole goes to the first outer ring that holds its first position.
fn polygons<P: HasXY>(rings: &GenericPolygon<P>) -> Result<Option<Geometry>, Remark> {
    let (mut outer, mut holes) = (Vec::new(), Vec::new());
    for part in rings.rings() {
        let (to, places): (&mut Vec<LineString<f64>>, &[P]) = match part {
            PolygonRing::Outer(places) => (&mut outer, places),
            PolygonRing::Inner(places) => (&mut holes, places),
        };
        to.push(ring(places.iter().map(position).collect())?);
    }
    if outer.is_empty() {
        // Some programs turn every ring the wrong way.
        std::mem::swap(&mut outer, &mut holes);
    }
    if outer.len().saturating_mul(holes.len()) > MOST_PAIRS {
        let (holes, rings) = (holes.len(), outer.len());
        return Err(remark!(
            "its {holes} holes are too many to be sorted into {rings} rings",
            "{holes} 个洞过多，无法归入 {rings} 个外环"
        ));
    }
    let mut out: Vec<(Polygon<f64>, Vec<LineString<f64>>)> =
        outer.into_iter().map(|exterior| (Polygon::new(exterior, Vec::new()), Vec::new())).collect();
    for hole in holes {
        let within = |(outer, _): &&mut (Polygon<f64>, _)| hole.0.iter().any(|&at| outer.contains(&Point(at)));
        match out.iter_mut().find(within) {
            Some((_, its)) => its.push(hole),
            None => {
                return Err(remark!("a hole of its polygon lies in none of its rings", "多边形的洞不在任何外环之内"));
            }
        }
    }
    let whole = |(outer, holes): (Polygon<f64>, Vec<LineString<f64>>)| {
        polygon(std::iter::once(outer.into_inner().0).chain(holes).collect())
    };
    Ok(shape(out.into_iter().filter_map(whole).collect()))
}

/// A column of a dBase table.
struct Field {
    name: String,
    kind: u8,
    start: usize,
    length: usize,
}

/// The rows of a dBase table.
struct Rows {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    first: usize,
    length: usize,
    count: usize,
    encoding: Option<&'static Encoding>,
}

impl Rows {
    /// Rows from the bytes of a `.dbf`; `label` is what the `.cpg` says.
    fn of(bytes: Vec<u8>, label: Option<&str>) -> Result<Self, String> {
        let cut = || "is cut off".to_owned();
        let mut head = Bytes(&bytes);
        head.take(4).ok_or_else(cut)?;
        let count = u32::from_le_bytes(head.array().ok_or_else(cut)?) as usize;
        let first = usize::from(u16::from_le_bytes(head.array().ok_or_else(cut)?));
        let length = usize::from(u16::from_le_bytes(head.array().ok_or_else(cut)?));
        let rest: [u8; 20] = head.array().ok_or_else(cut)?;
        let encoding = match label {
            Some(label) => named(label),
            None => by_language(rest[17]),
        };
        let (mut fields, mut start) = (Vec::new(), 1);
        while head.0.first().is_some_and(|&byte| byte != 0x0D) && bytes.len() - head.0.len() + 32 <= first {
            let field = head.take(32).ok_or_else(cut)?;
            let name = field[..11].split(|&byte| byte == 0).next().unwrap_or_default();
            let (kind, length) = (field[11], usize::from(field[16]));
            fields.push(Field { name: text(name, encoding).trim().to_owned(), kind, start, length });
            start += length;
        }
        let held = bytes.len().checked_sub(first).ok_or_else(cut)?;
        if start > length || count.checked_mul(length).is_none_or(|needed| needed > held) {
            return Err(format!("promises {count} rows of {length} bytes and holds {held} bytes"));
        }
        Ok(Self { bytes, fields, first, length, count, encoding })
    }

    /// Fills in a row's cells; false where the row is deleted.
    fn cells(&self, row: usize, table: &mut Builder) -> bool {
        let start = self.first + row * self.length;
        let record = &self.bytes[start..start + self.length];
        if record.first() == Some(&b'*') {
            return false;
        }
        for (column, field) in self.fields.iter().enumerate() {
            let bytes = &record[field.start..field.start + field.length];
            if let Some(cell) = cell(field.kind, bytes, self.encoding) {
                table.cell(column, &cell);
            }
        }
        true
    }
}

/// A cell's text; `None` where it is empty or of a kind that holds none.
fn cell(kind: u8, bytes: &[u8], encoding: Option<&'static Encoding>) -> Option<String> {
    match kind {
        b'C' | b'V' => Some(text(bytes, encoding).trim_matches([' ', '\0']).to_owned()),
        b'N' | b'F' => {
            let number = str::from_utf8(bytes).ok()?.trim_matches([' ', '\0']);
            // Stars stand for a number that didn't fit.
            (!number.contains('*')).then(|| number.to_owned())
        }
        b'L' => match bytes.first()? {
            b'T' | b't' | b'Y' | b'y' => Some(flag_text(true).to_owned()),
            b'F' | b'f' | b'N' | b'n' => Some(flag_text(false).to_owned()),
            _ => None,
        },
        b'D' => {
            let digits = str::from_utf8(bytes).ok()?.trim();
            let is_date = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()) && digits != "00000000";
            is_date.then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
        }
        b'I' => Some(i32::from_le_bytes(bytes.try_into().ok()?).to_string()),
        _ => None,
    }
}

/// Text in a stated encoding, else in UTF-8 or GB18030, whichever fits. A field may cut the last letter in two.
fn text(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    let text = match encoding {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(e) if e.error_len().is_none() => String::from_utf8_lossy(bytes).into_owned(),
            Err(_) => GB18030.decode_without_bom_handling(bytes).0.into_owned(),
        },
    };
    text.trim_end_matches(['\u{FFFD}', ' ', '\0']).to_owned()
}

/// The encoding that a `.cpg` names: by a label of the web, a code page's number, or Esri's names.
fn named(label: &str) -> Option<&'static Encoding> {
    let digits = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    match (Encoding::for_label(label.as_bytes()), digits) {
        (Some(encoding), _) => Some(encoding),
        (_, "936" | "54936") => Some(GB18030),
        (_, "65001") => Some(UTF_8),
        (_, "950") => Some(BIG5),
        (_, "949") => Some(EUC_KR),
        (_, "932") => Some(SHIFT_JIS),
        (_, "1252" | "88591") => Some(WINDOWS_1252),
        _ => Encoding::for_label(format!("windows-{digits}").as_bytes()),
    }
}

/// The encoding that a dBase header's language byte stands for.
fn by_language(byte: u8) -> Option<&'static Encoding> {
    match byte {
        0x4D | 0x7A => Some(GB18030),
        0x4F | 0x78 => Some(BIG5),
        0x4E | 0x79 => Some(EUC_KR),
        0x13 | 0x7B => Some(SHIFT_JIS),
        _ => None,
    }
}
