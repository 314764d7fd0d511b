//! FlatGeobuf: a header, an index that a table has no use for, and features one behind the other.
//!
//! The flatbuffers crate verifies each buffer; what they say of each other (counts, ends of rings, types of columns) is
//! checked here.

use super::shapes::{Bytes, flag_text, number_text, other_kind, point, points, polygon, ring, shape};
use super::{Builder, Form, Geometry, Remark, Table, TableError, named_crs, prj};
use crate::remark;
use flatgeobuf::{ColumnType, Crs, Feature, GeometryType, Header};
use geo::{Coord, Polygon};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;

/// A header larger than this is none.
const LARGEST_HEADER: u32 = 10 << 20;

/// Reads a FlatGeobuf file.
pub(super) fn read(path: &Path) -> Result<Table, TableError> {
    let io = |source| TableError::Io { path: path.to_owned(), source };
    let fail = |why: String| TableError::Broken { path: path.to_owned(), what: "FlatGeobuf", why };
    let file = File::open(path).map_err(io)?;
    let mut input = Input { left: file.metadata().map_err(io)?.len(), file: BufReader::new(file) };
    let magic = input.take(8).map_err(|_| fail("it has no header".to_owned()))?;
    if &magic[..4] != b"fgb\x03" {
        return Err(fail("it doesn't begin like version 3 of FlatGeobuf".to_owned()));
    }
    let header = input.sized(LARGEST_HEADER).map_err(|why| fail(format!("its header: {why}")))?;
    let header =
        flatgeobuf::size_prefixed_root_as_header(&header).map_err(|_| fail("its header is damaged".to_owned()))?;
    let mut table = Builder::new(path);
    table.form(Form { format: "FlatGeobuf", ..Form::default() });
    let columns = Columns::of(&header, &mut table)?;
    if let Some(crs) = header.crs() {
        table.stated_crs(stated(&crs));
    }
    let (count, node) = (header.features_count(), header.index_node_size());
    let index = index_bytes(count, node).filter(|&bytes| bytes <= input.left);
    let index = index.ok_or_else(|| fail(format!("it promises {count} features and holds fewer")))?;
    input.skip(index).map_err(io)?;
    let mut number = 0;
    while input.left > 0 {
        number += 1;
        let feature = input.sized(u32::MAX).map_err(|why| fail(format!("feature {number}: {why}")))?;
        table.row(number);
        match flatgeobuf::size_prefixed_root_as_feature(&feature) {
            Ok(feature) => {
                let cells = feature.properties().map_or(Some(()), |bytes| columns.cells(bytes.bytes(), &mut table));
                cells.ok_or_else(|| fail(format!("feature {number}: its properties are damaged")))?;
                if let Some(geometry) = geometry(&feature, header.geometry_type()).transpose() {
                    table.geometry(geometry);
                }
            }
            Err(_) => return Err(fail(format!("feature {number} is damaged"))),
        }
    }
    if count > 0 && count != number as u64 {
        return Err(fail(format!("it promises {count} features and holds {number}")));
    }
    table.finish()
}

/// A file and how much of it is left.
struct Input {
    file: BufReader<File>,
    left: u64,
}

impl Input {
    fn take(&mut self, n: u64) -> io::Result<Vec<u8>> {
        if n > self.left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; n as usize];
        self.file.read_exact(&mut bytes)?;
        self.left -= n;
        Ok(bytes)
    }

    fn skip(&mut self, n: u64) -> io::Result<()> {
        self.left -= n;
        self.file.seek_relative(n as i64)
    }

    /// A buffer behind its size, both together.
    fn sized(&mut self, largest: u32) -> Result<Vec<u8>, String> {
        let mut size = [0; 4];
        let read = self.take(4).map_err(|_| "it is cut off".to_owned())?;
        size.copy_from_slice(&read);
        let bytes = u32::from_le_bytes(size);
        if bytes > largest || u64::from(bytes) > self.left {
            return Err(format!("it promises {bytes} bytes, and {} are left", self.left));
        }
        let mut out = read;
        out.extend(self.take(u64::from(bytes)).map_err(|e| e.to_string())?);
        Ok(out)
    }
}

/// The size of the index over so many features; `None` where there can be no such index.
fn index_bytes(features: u64, node: u16) -> Option<u64> {
    if features == 0 || node == 0 {
        return Some(0);
    }
    let (mut level, mut nodes) = (features, features);
    // Even a single feature has a node above it.
    loop {
        level = level.div_ceil(Some(u64::from(node)).filter(|&n| n >= 2)?);
        nodes = nodes.checked_add(level)?;
        if level == 1 {
            break;
        }
    }
    nodes.checked_mul(40)
}

/// What the header says of the coordinate system: none, one, or what it calls one that isn't known.
fn stated(crs: &Crs) -> Result<Option<crate::crs::Crs>, String> {
    let org = crs.org().unwrap_or("EPSG");
    match (crs.code(), crs.wkt()) {
        (code, _) if code > 0 && org.eq_ignore_ascii_case("EPSG") => named_crs(&format!("EPSG:{code}")),
        (_, Some(wkt)) => prj::crs(wkt).map(Some),
        // Our own files name systems without a number here.
        _ => crs.code_string().or(crs.name()).map_or(Ok(None), named_crs),
    }
}

/// The columns' types, and their places in the table.
struct Columns(Vec<(ColumnType, usize)>);

impl Columns {
    fn of(header: &Header, table: &mut Builder) -> Result<Self, TableError> {
        let columns = header.columns().into_iter().flatten();
        columns.map(|c| Ok((c.type_(), table.column(c.name())?))).collect::<Result<_, _>>().map(Self)
    }

    /// The cells of a row; `None` where the bytes are no properties.
    fn cells(&self, properties: &[u8], table: &mut Builder) -> Option<()> {
        let mut bytes = Bytes(properties);
        let mut seen = vec![false; self.0.len()];
        while !bytes.0.is_empty() {
            let at = usize::from(u16::from_le_bytes(bytes.array()?));
            let &(kind, column) = self.0.get(at)?;
            if std::mem::replace(&mut seen[at], true) {
                return None;
            }
            let text = match kind {
                ColumnType::Byte => i8::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::UByte => u8::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::Bool => flag_text(bytes.array()? != [0]).to_owned(),
                ColumnType::Short => i16::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::UShort => u16::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::Int => i32::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::UInt => u32::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::Long => i64::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::ULong => u64::from_le_bytes(bytes.array()?).to_string(),
                ColumnType::Float => number_text(f64::from(f32::from_le_bytes(bytes.array()?))),
                ColumnType::Double => number_text(f64::from_le_bytes(bytes.array()?)),
                ColumnType::String | ColumnType::Json | ColumnType::DateTime | ColumnType::Binary => {
                    let length = u32::from_le_bytes(bytes.array()?) as usize;
                    let text = bytes.take(length)?;
                    if kind == ColumnType::Binary { String::new() } else { str::from_utf8(text).ok()?.to_owned() }
                }
                _ => return None,
            };
            table.cell(column, &text);
        }
        Some(())
    }
}

type Buffer<'a> = flatgeobuf::Geometry<'a>;

/// A feature's geometry; `None` where it has none, or an empty one.
fn geometry(feature: &Feature, of_all: GeometryType) -> Result<Option<Geometry>, Remark> {
    let Some(geometry) = feature.geometry() else { return Ok(None) };
    let kind = if of_all == GeometryType::Unknown { geometry.type_() } else { of_all };
    let places = geometry.xy().map_or(0, |xy| xy.len() / 2);
    let at = |i: usize| geometry.xy().and_then(|xy| point(xy.get(2 * i), xy.get(2 * i + 1)));
    match kind {
        _ if places == 0 && geometry.parts().is_none_or(|parts| parts.is_empty()) => Ok(None),
        GeometryType::Point => Ok(at(0)),
        GeometryType::MultiPoint => Ok(points(positions(&geometry, 0..places))),
        GeometryType::Polygon => Ok(shape(polygon_of(&geometry)?.into_iter().collect())),
        GeometryType::MultiPolygon => match geometry.parts() {
            Some(parts) => {
                let polygons: Result<Vec<_>, _> = parts.iter().map(|part| polygon_of(&part)).collect();
                Ok(shape(polygons?.into_iter().flatten().collect()))
            }
            None => Ok(shape(polygon_of(&geometry)?.into_iter().collect())),
        },
        other => Err(other_kind(other.variant_name().unwrap_or("unknown"))),
    }
}

/// Positions in a range that is known to be there.
fn positions(geometry: &Buffer, range: Range<usize>) -> Vec<Coord<f64>> {
    let xy = geometry.xy().into_iter();
    xy.flat_map(|xy| range.clone().map(move |i| Coord { x: xy.get(2 * i), y: xy.get(2 * i + 1) })).collect()
}

fn polygon_of(geometry: &Buffer) -> Result<Option<Polygon<f64>>, Remark> {
    let places = geometry.xy().map_or(0, |xy| xy.len() / 2);
    let ends: Vec<usize> = match geometry.ends() {
        Some(ends) if !ends.is_empty() => ends.iter().map(|end| end as usize).collect(),
        _ if places == 0 => return Ok(None),
        _ => vec![places],
    };
    let mut rings = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        if end < start || end > places {
            return Err(remark!("the rings of its polygon don't fit its coordinates", "多边形的环与其坐标不符"));
        }
        rings.push(ring(positions(geometry, start..end))?);
        start = end;
    }
    Ok(polygon(rings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_as_large_as_its_tree() {
        assert_eq!(index_bytes(0, 16), Some(0));
        assert_eq!(index_bytes(1, 16), Some(2 * 40));
        assert_eq!(index_bytes(17, 16), Some((17 + 2 + 1) * 40));
        assert_eq!(index_bytes(5, 1), None);
        assert_eq!(index_bytes(u64::MAX, 2), None);
    }
}
