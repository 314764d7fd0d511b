//! Well-known binary, little end first: what GeoParquet holds geometries in.
#![cfg(feature = "parquet")]

use geo::{Coord, Geometry, Polygon};

/// A geometry as bytes; `None` for what no layer has.
pub(super) fn bytes(geometry: &Geometry<f64>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match geometry {
        Geometry::Point(at) => {
            head(&mut out, 1);
            place(&mut out, at.0);
        }
        Geometry::Polygon(one) => polygon(&mut out, one),
        Geometry::MultiPolygon(several) => {
            head(&mut out, 6);
            count(&mut out, several.0.len());
            several.iter().for_each(|one| polygon(&mut out, one));
        }
        _ => return None,
    }
    Some(out)
}

fn head(out: &mut Vec<u8>, kind: u32) {
    out.push(1);
    out.extend(kind.to_le_bytes());
}

fn count(out: &mut Vec<u8>, n: usize) {
    out.extend((n as u32).to_le_bytes());
}

fn place(out: &mut Vec<u8>, at: Coord<f64>) {
    out.extend(at.x.to_le_bytes());
    out.extend(at.y.to_le_bytes());
}

fn polygon(out: &mut Vec<u8>, polygon: &Polygon<f64>) {
    head(out, 3);
    count(out, polygon.interiors().len() + 1);
    for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
        count(out, ring.0.len());
        ring.0.iter().for_each(|&at| place(out, at));
    }
}
