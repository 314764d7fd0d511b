//! What binary formats have in common: positions into rings, rings into shapes, numbers into text.

use super::{Geometry, Remark};
use crate::remark;
use geo::{Coord, LineString, MultiPolygon, Polygon};

/// Bytes read from the front; every read says whether there was enough.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

/// A point; `None` where a coordinate is no number, which is how formats write an empty one.
pub(super) fn point(x: f64, y: f64) -> Option<Geometry> {
    (x.is_finite() && y.is_finite()).then_some(Geometry::Point(x, y))
}

/// A closed ring of at least four positions.
pub(super) fn ring(places: Vec<Coord<f64>>) -> Result<LineString<f64>, Remark> {
    if places.iter().any(|p| !(p.x.is_finite() && p.y.is_finite())) {
        return Err(no_number());
    }
    if places.len() < 4 || places.first() != places.last() {
        return Err(open_ring());
    }
    Ok(LineString(places))
}

/// Why a position is none.
pub(super) fn no_number() -> Remark {
    remark!("a coordinate is no number", "坐标不是数")
}

/// Why a ring is none.
pub(super) fn open_ring() -> Remark {
    remark!("a ring of its polygon is not closed, or has fewer than four positions", "多边形的环未闭合，或不足四个点")
}

/// A polygon of its rings, the outer one first; `None` for an empty one.
pub(super) fn polygon(mut rings: Vec<LineString<f64>>) -> Option<Polygon<f64>> {
    if rings.is_empty() {
        return None;
    }
    let exterior = rings.remove(0);
    Some(Polygon::new(exterior, rings))
}

/// One shape of several polygons; `None` where there is none.
pub(super) fn shape(polygons: Vec<Polygon<f64>>) -> Option<Geometry> {
    (!polygons.is_empty()).then_some(Geometry::Shape(MultiPolygon(polygons)))
}

/// Why a geometry of another kind can't be used.
pub(super) fn other_kind(kind: &str) -> Remark {
    remark!(
        "its geometry is `{kind}`; a Point, MultiPoint, Polygon or MultiPolygon is wanted",
        "几何类型是 `{kind}`；应为 Point、MultiPoint、Polygon 或 MultiPolygon"
    )
}

/// Several points; one alone is a point. `None` where there is none.
pub(super) fn points(places: Vec<Coord<f64>>) -> Option<Geometry> {
    match places[..] {
        [] => None,
        [only] => point(only.x, only.y),
        _ => Some(Geometry::Points(places)),
    }
}

/// A number as people see it: whole ones without a fraction, others with the 15 digits that a spreadsheet shows.
pub(super) fn number_text(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let shown: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    if shown.abs() < 1e-5 || shown.abs() >= 1e15 { format!("{shown:e}") } else { shown.to_string() }
}

/// Yes or no.
pub(super) fn flag_text(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_spreadsheet_shows_them() {
        let texts =
            [(1_063.0, "1063"), (-0.5, "-0.5"), (0.1 + 0.2, "0.3"), (116.123_456_7, "116.1234567"), (1e300, "1e300")];
        for (value, text) in texts {
            assert_eq!(number_text(value), text);
        }
        assert_eq!(number_text(-0.0), "-0");
    }
}
