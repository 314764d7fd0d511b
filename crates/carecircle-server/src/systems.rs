//! Coordinate systems that features are asked for in, and boxes given in (OGC API Features, Part 2).
//!
//! A system goes by its URI, and its axes run as whoever defines it says: clients that know a system by its URI turn the axes
//! by the same register. So latitude comes first in EPSG:4326 and 4490, northing in the zones of CGCS2000. The words `gcj02`
//! and `bd09` have no URI; their longitude comes first.

use crate::collections::CRS84;
use crate::problem::ApiError;
use crate::query::Query;
use carecircle_formats::crs::Crs;
use carecircle_formats::geojson::Drawing;
use geo::{Coord, Geometry, LineString, Polygon, Rect};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Where CGCS2000 is meant for (EPSG: China, onshore and offshore): west, south, east, north in degrees.
const CGCS2000_AREA: [f64; 4] = [73.62, 16.7, 134.77, 53.56];

/// The zones of three degrees: the first has its middle at 75° E.
const FIRST_ZONE: u16 = 25;
const LAST_ZONE: u16 = 45;
/// The number of the first zone in the EPSG register, with the zone in front of its eastings and without.
const FIRST_ZONE_CODES: [u16; 2] = [4513, 4534];

/// Points along each side of a box, when it is taken to degrees.
const SIDE: usize = 32;

/// A coordinate system by the name that clients know it by.
#[derive(Clone, Debug)]
pub(crate) struct System {
    crs: Crs,
    /// Its URI, or the word of a system that has none.
    name: String,
    north_first: bool,
}

impl System {
    fn crs84() -> Self {
        Self { crs: Crs::wgs84(), name: CRS84.to_owned(), north_first: false }
    }

    /// The system of that URI (or URN, or code) or word.
    fn named(text: &str) -> Option<Self> {
        let word = |crs: Crs| Self { name: crs.name().to_owned(), crs, north_first: false };
        match text {
            "gcj02" => return Some(word(Crs::gcj02())),
            "bd09" => return Some(word(Crs::bd09())),
            _ => {}
        }
        let lower = text.to_ascii_lowercase();
        let uri = ["http://www.opengis.net/def/crs/", "https://www.opengis.net/def/crs/"];
        let (authority, code) = if let Some(rest) = uri.iter().find_map(|start| lower.strip_prefix(start)) {
            rest.split_once('/').and_then(|(authority, rest)| Some((authority, rest.split_once('/')?.1)))?
        } else if let Some(rest) = lower.strip_prefix("urn:ogc:def:crs:") {
            rest.split_once(':').and_then(|(authority, rest)| Some((authority, rest.split_once(':')?.1)))?
        } else {
            lower.trim_start_matches('[').trim_end_matches(']').split_once(':')?
        };
        match (authority, code) {
            ("ogc", "crs84") => Some(Self::crs84()),
            ("epsg", code) => {
                let code: u16 = code.bytes().all(|b| b.is_ascii_digit()).then(|| code.parse().ok())??;
                let crs = Crs::of_epsg(code).ok()?;
                let north_first = crs.is_north_first()?;
                Some(Self { crs, name: uri_of(code), north_first })
            }
            _ => None,
        }
    }

    /// What it is, east first.
    pub(crate) fn crs(&self) -> &Crs {
        &self.crs
    }

    /// Whether its answers have north first.
    pub(crate) fn is_north_first(&self) -> bool {
        self.north_first
    }

    /// Its URI, or the word that it goes by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether features are kept in it.
    pub(crate) fn is_stored(&self) -> bool {
        self.name == CRS84
    }

    /// A drawing in it; `null` where the system doesn't reach.
    pub(crate) fn draw(&self, drawing: &Drawing) -> Drawing {
        let drawn = if self.north_first { drawing.in_crs_north_first(&self.crs) } else { drawing.in_crs(&self.crs) };
        drawn.unwrap_or_else(|| Drawing { json: "null".into(), bbox: None })
    }

    /// A drawing of what is kept, in it.
    pub(crate) fn drawn<'a>(&self, drawing: &'a Drawing) -> Cow<'a, Drawing> {
        if self.is_stored() { Cow::Borrowed(drawing) } else { Cow::Owned(self.draw(drawing)) }
    }

    /// What an answer says of its coordinates. The `crs` of the GeoJSON of 2008 has east first whatever its name says, so it
    /// stands only where that is true.
    pub(crate) fn about(&self) -> Map<String, Value> {
        let mut about = Map::new();
        if self.is_stored() {
            return about;
        }
        let axes = match (self.crs.is_degrees(), self.north_first) {
            (true, true) => "latitude,longitude",
            (true, false) => "longitude,latitude",
            (false, true) => "north,east",
            (false, false) => "east,north",
        };
        about.insert("coordinate_system".to_owned(), json!(self.name));
        about.insert("axes".to_owned(), json!(axes));
        if let (false, Some(code)) = (self.north_first, self.crs.epsg()) {
            let name = format!("urn:ogc:def:crs:EPSG::{code}");
            about.insert("crs".to_owned(), json!({ "type": "name", "properties": { "name": name } }));
        }
        about
    }

    /// Whether its numbers are those of WGS 84 in degrees.
    fn is_wgs84(&self) -> bool {
        matches!(self.crs.epsg(), Some(4326 | 4490))
    }

    /// The box in it around a box in degrees; `None` where it reaches no point of that.
    fn around(&self, [west, south, east, north]: [f64; 4]) -> Option<[f64; 4]> {
        let places = edge([west, south, east, north]);
        let middle = (f64::midpoint(west, east), f64::midpoint(south, north));
        // Far outside its zone a projection makes numbers of anything: what doesn't lead back is not reached.
        let moved = places.into_iter().chain([middle]).filter_map(|(lon, lat)| {
            let (x, y) = self.crs.from_wgs84(lon, lat)?;
            let (back_lon, back_lat) = self.crs.to_wgs84(x, y)?;
            ((back_lon - lon).abs().max((back_lat - lat).abs()) < 1e-6).then_some((x, y))
        });
        moved.map(|(x, y)| [x, y, x, y]).reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
    }

    /// A box of its coordinates, lower numbers first, as far as it comes near a box in degrees.
    fn window(&self, [x0, y0, x1, y1]: [f64; 4], near: Option<[f64; 4]>) -> Option<Bbox> {
        let Some(near) = near else { return Some(Bbox { parts: Vec::new() }) };
        let around = self.around(near)?;
        // No part that is cut off here could have touched anything.
        let least = if self.crs.is_degrees() { 1e-3 } else { 100.0 };
        let margin = least + ((around[2] - around[0]) + (around[3] - around[1])) / 100.0;
        let (x0, y0) = (x0.max(around[0] - margin), y0.max(around[1] - margin));
        let (x1, y1) = (x1.min(around[2] + margin), y1.min(around[3] + margin));
        if x0 > x1 || y0 > y1 {
            return Some(Bbox { parts: Vec::new() });
        }
        let sides = edge([x0, y0, x1, y1]);
        let places: Vec<Coord> =
            sides.iter().map(|&(x, y)| self.crs.to_wgs84(x, y).map(Coord::from)).collect::<Option<_>>()?;
        let extreme = |pick: fn(f64, f64) -> f64, of: fn(&Coord) -> f64, places: &[Coord]| {
            places.iter().map(of).reduce(pick).unwrap_or(f64::NAN)
        };
        let outer = [
            extreme(f64::min, |c| c.x, &places),
            extreme(f64::min, |c| c.y, &places),
            extreme(f64::max, |c| c.x, &places),
            extreme(f64::max, |c| c.y, &places),
        ];
        // South side, east, north, west: whatever lies within the nearest points of all four is inside.
        let mut sides = places.chunks(SIDE).map(<[Coord]>::to_vec).collect::<Vec<_>>();
        for i in 0..sides.len() {
            let corner = sides[(i + 1) % sides.len()][0];
            sides[i].push(corner);
        }
        let inner = [
            extreme(f64::max, |c| c.x, &sides[3]),
            extreme(f64::max, |c| c.y, &sides[0]),
            extreme(f64::min, |c| c.x, &sides[1]),
            extreme(f64::min, |c| c.y, &sides[2]),
        ];
        let outline = Polygon::new(LineString(places), Vec::new());
        Some(Bbox { parts: vec![Part { outer, inner, outline: outline.into() }] })
    }
}

/// Points around a box, counter-clockwise from its lower left corner, the first not again at the end.
fn edge([x0, y0, x1, y1]: [f64; 4]) -> Vec<(f64, f64)> {
    let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
    let sides = corners.windows(2).flat_map(|ends| {
        let [(ax, ay), (bx, by)] = [ends[0], ends[1]];
        (0..SIDE).map(move |i| {
            let part = i as f64 / SIDE as f64;
            (ax + (bx - ax) * part, ay + (by - ay) * part)
        })
    });
    sides.collect()
}

fn uri_of(code: u16) -> String {
    format!("http://www.opengis.net/def/crs/EPSG/0/{code}")
}

/// The systems that a collection names as its own, the one that it is kept in first: of the zones those that its extent
/// touches.
pub(crate) fn advertised(extent: Option<[f64; 4]>) -> Vec<String> {
    let mut all = vec![CRS84.to_owned()];
    all.extend([4326, 3857, 4490].map(uri_of));
    let Some([west, south, east, north]) = extent else { return all };
    let [least_lon, least_lat, most_lon, most_lat] = CGCS2000_AREA;
    let zones = (FIRST_ZONE..=LAST_ZONE).filter(|zone| {
        let middle = f64::from(*zone) * 3.0;
        let (from, to) = ((middle - 1.5).max(least_lon), (middle + 1.5).min(most_lon));
        west <= to && east >= from && south <= most_lat && north >= least_lat
    });
    let zones: Vec<u16> = zones.collect();
    all.extend(
        FIRST_ZONE_CODES.iter().flat_map(|first| zones.iter().map(move |zone| uri_of(first + zone - FIRST_ZONE))),
    );
    all
}

/// A box asked for, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bbox {
    /// One, or the two sides of the date line; none where nothing is near.
    pub(crate) parts: Vec<Part>,
}

/// What is asked for of one side of the date line. Boxes are west, south, east, north.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// Nothing beyond this is asked for.
    pub(crate) outer: [f64; 4],
    /// All of this is.
    pub(crate) inner: [f64; 4],
    pub(crate) outline: Geometry<f64>,
}

impl Bbox {
    /// A box in degrees; west of its east it spans the date line.
    pub(crate) fn of_degrees([west, south, east, north]: [f64; 4]) -> Self {
        let part = |[w, s, e, n]: [f64; 4]| Part {
            outer: [w, s, e, n],
            inner: [w, s, e, n],
            outline: Rect::new(Coord { x: w, y: s }, Coord { x: e, y: n }).into(),
        };
        let parts = if west > east {
            vec![part([west, south, f64::max(west, 180.0), north]), part([f64::min(east, -180.0), south, east, north])]
        } else {
            vec![part([west, south, east, north])]
        };
        Self { parts }
    }
}

impl Query {
    /// `crs` or `bbox-crs`: a system that reaches the box in degrees, CRS84 unless another is named.
    pub(crate) fn system(&mut self, name: &str, extent: Option<[f64; 4]>) -> Result<System, ApiError> {
        if self.text(name).is_none() {
            return Ok(System::crs84());
        }
        let wanted = format!(
            "a coordinate system that is known and reaches here: {}, gcj02, bd09, or another system of the EPSG register by its URI",
            advertised(extent).join(", ")
        );
        let found = self.take(name, &wanted, |text| {
            let system = System::named(text)?;
            let reaches = extent.is_none_or(|extent| system.around(extent).is_some());
            let name = system.name.clone();
            reaches.then_some((system, name))
        })?;
        Ok(found.unwrap_or_else(System::crs84))
    }

    /// `bbox` in a system: four numbers in the order of its axes, or six with heights, which plane features pay no heed to.
    /// `extent` is around all that could be found, in degrees.
    pub(crate) fn bbox(&mut self, system: &System, extent: Option<[f64; 4]>) -> Result<Option<Bbox>, ApiError> {
        let order = if system.north_first { "south,west,north,east" } else { "west,south,east,north" };
        let metres = if system.is_wgs84() { "" } else { ", nor west beyond east" };
        let wanted = format!(
            "{order} in the units of {} (or six numbers with heights), south not above north{metres}",
            system.name
        );
        self.take("bbox", &wanted, |text| {
            let numbers: Vec<f64> = text.split(',').map(|n| crate::query::number(n.trim())).collect::<Option<_>>()?;
            let ([a, b, c, d] | [a, b, _, c, d, _]) = numbers[..] else { return None };
            let [west, south, east, north] = if system.north_first { [b, a, d, c] } else { [a, b, c, d] };
            let canonical: Vec<String> = numbers.iter().map(f64::to_string).collect();
            let bbox = if system.is_wgs84() {
                (south <= north).then(|| Bbox::of_degrees([west, south, east, north]))
            } else {
                let ordered = south <= north && west <= east;
                ordered.then(|| system.window([west, south, east, north], extent)).flatten()
            };
            bbox.map(|bbox| (bbox, canonical.join(",")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::Intersects;

    #[test]
    fn boxes_come_in_many_spellings() {
        let parts = |raw: &str| {
            let mut query = Query::parse(Some(&format!("bbox={raw}")), &["bbox"]).unwrap();
            let bbox = query.bbox(&System::crs84(), None).ok().flatten();
            bbox.map(|bbox| bbox.parts.iter().map(|part| part.outer).collect::<Vec<_>>())
        };
        assert_eq!(parts(".5000000,-1.5000000,1,2"), Some(vec![[0.5, -1.5, 1.0, 2.0]]));
        assert_eq!(parts("1,2,0,3,4,9"), Some(vec![[1.0, 2.0, 3.0, 4.0]]));
        assert_eq!(parts("177,65,-177,70"), Some(vec![[177.0, 65.0, 180.0, 70.0], [-180.0, 65.0, -177.0, 70.0]]));
        assert_eq!(parts("-500,-500,500,500").map(|p| p.len()), Some(1));
        for bad in ["", "1,2,3", "1,2,3,4,5", "1,5,3,4", "nan,0,1,1", "inf,0,1,1", "a,b,c,d", "1,2,3,4,"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn systems_go_by_uri_urn_code_and_word() {
        let name = |text| System::named(text).map(|system| system.name);
        for text in [
            CRS84,
            "https://www.opengis.net/def/crs/OGC/0/CRS84",
            "urn:ogc:def:crs:OGC:1.3:CRS84",
            "OGC:CRS84",
            "[OGC:CRS84]",
        ] {
            assert_eq!(name(text).as_deref(), Some(CRS84), "{text}");
        }
        for text in [
            "http://www.opengis.net/def/crs/EPSG/0/4547",
            "http://www.opengis.net/def/crs/EPSG/9.9.1/4547",
            "urn:ogc:def:crs:EPSG::4547",
            "EPSG:4547",
            "[EPSG:4547]",
        ] {
            assert_eq!(name(text).as_deref(), Some("http://www.opengis.net/def/crs/EPSG/0/4547"), "{text}");
        }
        assert_eq!((name("gcj02").as_deref(), name("bd09").as_deref()), (Some("gcj02"), Some("bd09")));
        for bad in [
            "",
            "4547",
            "CRS84",
            "GCJ02",
            "http://www.opengis.net/def/crs/0/unsupported",
            "http://www.opengis.net/def/crs/EPSG/0/",
            "http://www.opengis.net/def/crs/EPSG/0/1",
            "http://www.opengis.net/def/crs/EPSG/0/+4547",
            "http://www.opengis.net/def/crs/EPSG/0/99999999",
            "http://www.opengis.net/def/crs/EPSG/4547",
            "urn:ogc:def:crs:EPSG:4547",
            "EPSG:2053",
            "EPSG:4214",
            "EPSG:\u{6f22}",
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn zones_are_named_where_the_extent_touches_them() {
        let zones = |extent| {
            let codes = advertised(extent).split_off(4);
            codes.iter().map(|uri| uri.rsplit('/').next().unwrap().parse().unwrap()).collect::<Vec<u16>>()
        };
        assert_eq!(zones(Some([114.0, 30.4, 114.6, 30.8])), [4526, 4547]);
        assert_eq!(zones(Some([115.2, 39.4, 117.5, 41.1])), [4526, 4527, 4547, 4548]);
        assert_eq!(zones(Some([73.7, 39.0, 74.0, 39.5])), [4513, 4534]);
        assert_eq!(zones(Some([134.5, 48.0, 134.7, 48.4])), [4533, 4554]);
        assert_eq!(zones(Some([-180.0, -90.0, 180.0, 90.0])).len(), 42);
        assert_eq!((zones(Some([28.7, 46.9, 28.9, 47.1])), zones(None)), (vec![], vec![]));
    }

    #[test]
    fn a_box_in_a_zone_holds_what_lies_in_it_there() {
        let town = [114.0, 30.4, 114.6, 30.8];
        for code in [4547, 4526, 3857, 32650, 4490] {
            let system = System::named(&uri_of(code)).unwrap();
            let [x0, y0, x1, y1] = system.around(town).unwrap();
            let (dx, dy) = ((x1 - x0) / 3.0, (y1 - y0) / 3.0);
            let asked = [x0 + dx, y0 + dy, x1 - dx, y1 - dy];
            let bbox = system.window(asked, Some(town)).unwrap();
            let part = &bbox.parts[0];
            for i in 0..60 {
                for j in 0..40 {
                    let (lon, lat) = (114.005 + f64::from(i) / 100.0, 30.405 + f64::from(j) / 100.0);
                    let (x, y) = system.crs.from_wgs84(lon, lat).unwrap();
                    let is_in = (asked[0]..=asked[2]).contains(&x) && (asked[1]..=asked[3]).contains(&y);
                    let within = |[w, s, e, n]: [f64; 4]| lon >= w && lon <= e && lat >= s && lat <= n;

                    assert_eq!(part.outline.intersects(&Coord { x: lon, y: lat }), is_in, "{code} {lon},{lat}");
                    assert!(within(part.outer) || !is_in);
                    assert!(is_in || !within(part.inner));
                }
            }
            // Absurd numbers hold everything, or nothing.
            let all = system.window([-1e300, -1e300, 1e300, 1e300], Some(town)).unwrap();
            let [west, south, east, north] = all.parts[0].inner;
            assert!(west <= town[0] && south <= town[1] && east >= town[2] && north >= town[3], "{code}");
            assert_eq!(system.window([1e300, 1e300, 1e300, 1e300], Some(town)).unwrap().parts, []);
        }
    }
}
