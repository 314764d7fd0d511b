//! Values as bytes: fields one after another, numbers little-endian, lists and texts behind their length.
//!
//! Reading takes nothing on trust: a length beyond the bytes that are left, a variant that isn't there, or a number that
//! is none ends it.

use crate::report::{
    Bounds, Clipped, ExtractHeader, ImportReport, Lost, Merged, PolygonCounts, PremisesCounts, SpotCounts, StreetCounts,
};
use carecircle_core::allocation::{Allocation, Balance};
use carecircle_core::demand::{Block, ChildrenFrom, Demand, DemandPoint, DemandReport, Outline};
use carecircle_core::facility::{Facility, Kind, Status};
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::stored::Frame;
use carecircle_core::network::{EdgeId, Gate, Island, NetworkOptions, NetworkReport, Snap};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{
    self, Area, AreaLevel, Building, Home, Polylines, Premises, PremisesKind, ResidentialArea,
};
use carecircle_core::population::GridBalance;
use carecircle_core::street::Access;
use carecircle_core::study::{Compound, Door, Entrance, SitedFacility};
use carecircle_core::time::WalkTime;
use geo::{Coord, LineString, MultiPolygon, Polygon};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::ops::Range;

/// What can be kept.
pub(super) trait Stored: Sized {
    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes it off the front of some bytes; `None` where they don't hold one.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

/// The bytes of a value.
pub(super) fn bytes_of(value: &impl Stored) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// The value that some bytes are, all of them.
pub(super) fn value_of<T: Stored>(mut bytes: &[u8]) -> Option<T> {
    T::take(&mut bytes).filter(|_| bytes.is_empty())
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Stored for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )+};
}
numbers!(u8, i8, i16, i32, u32, i64, u64);

macro_rules! finite {
    ($($number:ty: $bits:ty),+) => {$(
        impl Stored for $number {
            fn put(&self, out: &mut Vec<u8>) {
                self.to_bits().put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self::from_bits(<$bits>::take(from)?)).filter(|number| number.is_finite())
            }
        }
    )+};
}
finite!(f32: u32, f64: u64);

impl Stored for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Stored for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = usize::take(from)?;
        let (text, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let count = usize::take(from)?;
        // What a length promises is not made room for beyond what the bytes could hold.
        let mut out = Self::with_capacity(count.min(from.len() / size_of::<T>().max(1)));
        for _ in 0..count {
            out.push(T::take(from)?);
        }
        Some(out)
    }
}

/// As a vector of the same values is kept.
pub(super) fn put_all<T: Stored>(values: &[T], out: &mut Vec<u8>) {
    values.len().put(out);
    for value in values {
        value.put(out);
    }
}

impl<T: Stored + Copy + Default, const N: usize> Stored for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        for value in self {
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let mut out = [T::default(); N];
        for slot in &mut out {
            *slot = T::take(from)?;
        }
        Some(out)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Vec::<(K, V)>::take(from)?.into_iter().collect())
    }
}

impl<T: Stored> Stored for Range<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.start.put(out);
        self.end.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(T::take(from)?..T::take(from)?)
    }
}

impl Stored for MultiPolygon<f64> {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.len().put(out);
        for polygon in self {
            put_all(&polygon.exterior().0, out);
            polygon.interiors().len().put(out);
            polygon.interiors().iter().for_each(|ring| put_all(&ring.0, out));
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let ring = |ring: Vec<Point>| LineString::new(ring);
        let polygons = Vec::<(Vec<Point>, Vec<Vec<Point>>)>::take(from)?.into_iter();
        Some(Self(
            polygons.map(|(outer, inner)| Polygon::new(ring(outer), inner.into_iter().map(ring).collect())).collect(),
        ))
    }
}

impl Stored for OtherColumns {
    fn put(&self, out: &mut Vec<u8>) {
        let columns: Vec<(String, String)> =
            self.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        columns.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let columns = Vec::<(String, String)>::take(from)?;
        Some(columns.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect())
    }
}

impl Stored for Date {
    fn put(&self, out: &mut Vec<u8>) {
        self.year().put(out);
        self.month().put(out);
        self.day().put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Self::new(i16::take(from)?, i8::take(from)?, i8::take(from)?).ok()
    }
}

impl Stored for LonLat {
    fn put(&self, out: &mut Vec<u8>) {
        (self.lon_e7, self.lat_e7).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (lon_e7, lat_e7) = Stored::take(from)?;
        let at = Self { lon_e7, lat_e7 };
        Self::from_degrees(at.lon(), at.lat())
    }
}

impl Stored for WalkTime {
    fn put(&self, out: &mut Vec<u8>) {
        self.millis().put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u32::take(from).map(Self::from_millis)
    }
}

impl Stored for EdgeId {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u32::take(from).map(Self)
    }
}

impl Stored for Polylines {
    fn put(&self, out: &mut Vec<u8>) {
        let (places, ends) = self.parts();
        put_all(places, out);
        put_all(ends, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Self::of_parts(Vec::take(from)?, Vec::take(from)?)
    }
}

impl Stored for Outline {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Point(at) => (0_u8, *at).put(out),
            Self::Shape(shape) => {
                1_u8.put(out);
                shape.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(Self::Point(Stored::take(from)?)),
            1 => Some(Self::Shape(Stored::take(from)?)),
            _ => None,
        }
    }
}

/// Values of which each is one of a list.
macro_rules! one_of {
    ($($type:ty: $all:expr;)+) => {$(
        impl Stored for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let place = $all.iter().position(|one| one == self).and_then(|place| u8::try_from(place).ok());
                place.expect("it is in the list").put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                $all.get(usize::from(u8::take(from)?)).copied()
            }
        }
    )+};
}
one_of! {
    Kind: Kind::ALL;
    Status: Status::ALL;
    AreaLevel: AreaLevel::ALL;
    PremisesKind: PremisesKind::ALL;
    ChildrenFrom: ChildrenFrom::ALL;
    Home: [Home::Certain, Home::Assumed];
    Access: [Access::Public, Access::Destination, Access::Closed];
    &'static str: crate::merge::REASONS;
}

/// Structures by their fields, every one.
macro_rules! fields {
    ($($type:ty { $($field:ident),+ $(,)? })+) => {$(
        impl Stored for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($field.put(out);)+
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Stored::take(from)?),+ })
            }
        }
    )+};
}
pub(super) use fields;

fields! {
    Coord<f64> { x, y }
    NetworkOptions { island_m }
    Gate { node, at, access }
    Frame { centre, options, fixed, gates, walls }
    Island { at, length_m, way }
    NetworkReport { nodes, edges, length_m, components, islands, degenerate_ways, squares, gates, closed }
    Area {
        id, name, name_zh, name_en, level, parent, population, under3, communities, kindergartens, shape, other,
    }
    ResidentialArea { id, name, shape }
    Premises { id, name, kind, at }
    PremisesCounts { merged, lost }
    Building { at, footprint_m2, levels, home }
    place::Door { at, is_gate, is_closed }
    Facility {
        id, name, name_zh, name_en, at, kind, status, inclusive, places, places_infant, places_toddler, places_senior,
        enrolled, staff, staff_certified, health_manager, min_months, max_months, opened, closed, other,
    }
    Snap { edge, along_m, offset_m, at }
    Door { at, beyond_m, snap }
    Entrance { at, closed }
    Compound { shape, gates }
    SitedFacility { facility, at, entrances, doors, area }
    Block { id, name, outline, population, children, children_from, from_land, area, points, other }
    DemandPoint { at, weight, children_by_footprint, area, doors }
    DemandReport {
        homes, homes_with_levels, homes_certain, homes_in_cells, not_homes, overlapping, overlapping_m2, polygons_cut,
        empty_pieces, uninhabited, polygons_too_large, beyond_extract,
    }
    Balance { given, from_residents, unplaced, excess, moved_share }
    GridBalance { given, beyond, placed, unplaced, overruled, estimated, between }
    Allocation { areas, by_source, unplaced, moved_share, grid }
    Demand { blocks, points, land_m2_per_resident, allocation, report }
    Bounds { south_west, north_east }
    ExtractHeader { date, writing_program, bounds }
    Clipped { id, name }
    Lost { id, name }
    Merged { kept, dropped, name, reason }
    PolygonCounts {
        unclosed, missing_nodes, missing_members, open_rings, stray_holes, degenerate, not_assembled, tangled, mended,
        repeated,
    }
    SpotCounts { private_gates, closed_gates, walls, conditional, raised_kerbs, signals, lifts }
    StreetCounts {
        walkable, ferries, destination_only, conditional, one_way, squares, squares_lost, sidewalks_apart, closed_to_foot,
        use_sidepath, motorways, motorroads, not_built, other_highways, ferries_without_duration, too_short, cut,
        missing_nodes,
    }
    ImportReport {
        nodes, ways, relations, unsorted, duplicate_ids, bad_coordinates, streets, spots, polygons, clipped, merged, lost,
        premises,
    }
}
