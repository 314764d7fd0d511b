//! Well-known binary, the geometry of GeoPackage: ISO and extended, either byte order, Z and M passed over.

use super::shapes::{Bytes, other_kind, point, points, polygon, ring, shape};
use super::{Geometry, Remark};
use crate::remark;
use geo::{Coord, Polygon};

const KINDS: [&str; 18] = [
    "Geometry",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
    "CircularString",
    "CompoundCurve",
    "CurvePolygon",
    "MultiCurve",
    "MultiSurface",
    "Curve",
    "Surface",
    "PolyhedralSurface",
    "TIN",
    "Triangle",
];

/// Geometry from well-known binary; `None` for an empty one. No count is believed beyond the bytes that are there.
pub(super) fn geometry(bytes: &[u8]) -> Result<Option<Geometry>, Remark> {
    let mut reader = Reader { bytes: Bytes(bytes), little: true, width: 2 };
    reader.geometry().ok_or_else(|| remark!("its geometry is cut off", "几何数据不完整"))?
}

struct Reader<'a> {
    bytes: Bytes<'a>,
    little: bool,
    /// Numbers for each position.
    width: usize,
}

/// `None` where the bytes end too soon; the inner error is what a row is told.
type Read<T> = Option<Result<T, Remark>>;

impl Reader<'_> {
    fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes.array()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn f64(&mut self) -> Option<f64> {
        let bytes = self.bytes.array()?;
        Some(if self.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    /// How many follow, each of at least `bytes` bytes.
    fn count(&mut self, bytes: usize) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= self.bytes.0.len() / bytes).then_some(count)
    }

    /// Byte order and kind.
    fn head(&mut self) -> Option<u32> {
        let [order] = self.bytes.array()?;
        self.little = order == 1;
        let kind = self.u32()?;
        let (iso, flags) = ((kind & 0xFFFF) / 1_000, kind >> 29);
        if flags & 1 == 1 {
            self.u32()?;
        }
        let extra = match iso {
            1 | 2 => 1,
            3 => 2,
            _ => (flags >> 1 & 1) + (flags >> 2 & 1),
        };
        self.width = 2 + extra as usize;
        Some((kind & 0xFFFF) % 1_000)
    }

    fn position(&mut self) -> Option<Coord<f64>> {
        let place = Coord { x: self.f64()?, y: self.f64()? };
        self.bytes.take((self.width - 2) * 8)?;
        Some(place)
    }

    fn polygon(&mut self) -> Read<Option<Polygon<f64>>> {
        let rings = self.count(4)?;
        let mut out = Vec::with_capacity(rings);
        for _ in 0..rings {
            let places = self.count(self.width * 8)?;
            let places = (0..places).map(|_| self.position()).collect::<Option<Vec<_>>>()?;
            match ring(places) {
                Ok(ring) => out.push(ring),
                Err(why) => return Some(Err(why)),
            }
        }
        Some(Ok(polygon(out)))
    }

    fn geometry(&mut self) -> Read<Option<Geometry>> {
        let kind = self.head()?;
        match kind {
            1 => {
                let place = self.position()?;
                Some(Ok(point(place.x, place.y)))
            }
            3 => Some(self.polygon()?.map(|one| shape(one.into_iter().collect()))),
            4 => {
                let count = self.count(5)?;
                let places = (0..count).map(|_| self.head().filter(|&kind| kind == 1).and_then(|_| self.position()));
                Some(Ok(points(places.collect::<Option<_>>()?)))
            }
            6 => {
                let count = self.count(9)?;
                let mut polygons = Vec::with_capacity(count);
                for _ in 0..count {
                    if self.head()? != 3 {
                        return Some(Err(remark!(
                            "a part of its MultiPolygon is no Polygon",
                            "MultiPolygon 的某一部分不是 Polygon"
                        )));
                    }
                    match self.polygon()? {
                        Ok(one) => polygons.extend(one),
                        Err(why) => return Some(Err(why)),
                    }
                }
                Some(Ok(shape(polygons)))
            }
            _ => Some(Err(other_kind(KINDS.get(kind as usize).unwrap_or(&"unknown")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point in either byte order, of any kind of coordinates.
    fn point_bytes(little: bool, kind: u32, numbers: &[f64]) -> Vec<u8> {
        let mut out = vec![u8::from(little)];
        out.extend(if little { kind.to_le_bytes() } else { kind.to_be_bytes() });
        out.extend(numbers.iter().flat_map(|n| if little { n.to_le_bytes() } else { n.to_be_bytes() }));
        out
    }

    #[test]
    fn points_of_every_kind_read_the_same() {
        for (little, kind, numbers) in [
            (true, 1, &[1.5, 2.5][..]),
            (false, 1, &[1.5, 2.5]),
            (true, 1_001, &[1.5, 2.5, 9.0]),
            (false, 3_001, &[1.5, 2.5, 9.0, 9.0]),
            (true, 0x8000_0001, &[1.5, 2.5, 9.0]),
            (true, 0xC000_0001, &[1.5, 2.5, 9.0, 9.0]),
        ] {
            let bytes = point_bytes(little, kind, numbers);
            assert_eq!(geometry(&bytes), Ok(Some(Geometry::Point(1.5, 2.5))), "{kind:#x}");
            for cut in 0..bytes.len() {
                assert!(geometry(&bytes[..cut]).is_err());
            }
        }
        assert_eq!(geometry(&point_bytes(true, 1, &[f64::NAN, f64::NAN])), Ok(None), "POINT EMPTY");
        assert!(geometry(&point_bytes(true, 2, &[])).unwrap_err().en.contains("LineString"));
    }

    #[test]
    fn a_promised_count_is_not_believed() {
        for kind in [3, 4, 6] {
            let mut bytes = point_bytes(true, kind, &[]);
            bytes.extend(u32::MAX.to_le_bytes());
            assert!(geometry(&bytes).unwrap_err().en.contains("cut off"));
        }
    }
}
