//! Coordinate systems that tables come in and answers go out in: WGS 84, the two shifted systems of Chinese web maps, and
//! what the EPSG register defines.
//!
//! East comes first, north second, whatever order an authority prefers: tables name their columns.

use crate::remark;
use crate::remark::Remark;
use proj4rs::Proj;
use proj4rs::transform::transform;
use std::f64::consts::PI;
use std::sync::Arc;

/// A coordinate system that tables come in, or go out in.
#[derive(Clone, Debug)]
pub struct Crs {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Wgs84,
    Gcj02,
    Bd09,
    /// What a definition for PROJ computes; the code is its number in the EPSG register.
    Proj {
        code: Option<u16>,
        definition: String,
        from: Arc<Proj>,
        wgs84: Arc<Proj>,
    },
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        // A file may call its system anything.
        self.name == other.name && self.definition() == other.definition()
    }
}

/// Names under which people know the systems that have no number, and those whose number nobody remembers.
const NAMES: [(&str, &[&str]); 5] = [
    ("wgs84", &["wgs84", "wgs-84", "wgs_84", "crs84", "ogc:crs84", "wgs84经纬度", "gps"]),
    ("gcj02", &["gcj02", "gcj-02", "gcj_02", "火星坐标", "火星坐标系", "国测局", "高德", "腾讯", "amap"]),
    ("bd09", &["bd09", "bd-09", "bd_09", "bd09ll", "百度", "百度坐标", "百度坐标系", "baidu"]),
    ("EPSG:4490", &["cgcs2000", "国家2000", "国家大地2000", "2000国家大地坐标系", "大地2000"]),
    ("EPSG:3857", &["web mercator", "webmercator", "web墨卡托"]),
];

impl Crs {
    /// Degrees of longitude and latitude in WGS 84, which all coordinates inside are.
    pub fn wgs84() -> Self {
        Self { name: "wgs84".to_owned(), kind: Kind::Wgs84 }
    }

    /// The system of Chinese web maps (火星坐标), shifted by some hundred metres inside China.
    pub fn gcj02() -> Self {
        Self { name: "gcj02".to_owned(), kind: Kind::Gcj02 }
    }

    /// Baidu's system, shifted once more.
    pub fn bd09() -> Self {
        Self { name: "bd09".to_owned(), kind: Kind::Bd09 }
    }

    /// The system of that name: `wgs84`, `gcj02`, `bd09`, `EPSG:…`, or what people and other formats call them. The error
    /// says what would be accepted.
    pub fn named(name: &str) -> Result<Self, Remark> {
        let given = name.trim();
        let lower = given.to_lowercase();
        let known =
            NAMES.iter().find(|(_, names)| names.contains(&lower.as_str())).map_or(&*lower, |(known, _)| *known);
        match known {
            "wgs84" => return Ok(Self::wgs84()),
            "gcj02" => return Ok(Self::gcj02()),
            "bd09" => return Ok(Self::bd09()),
            _ => {}
        }
        // EPSG:4547, urn:ogc:def:crs:EPSG::4547, http://www.opengis.net/def/crs/EPSG/0/4547
        let is_epsg = known.to_lowercase().contains("epsg");
        let code = known.rsplit([':', '/']).next().and_then(|code| code.parse::<u16>().ok()).filter(|_| is_epsg);
        match code {
            Some(code) => Self::of_epsg(code),
            None if lower.ends_with("crs84") => Ok(Self::wgs84()),
            None => Err(remark!(
                "{given}: there is wgs84, gcj02, bd09, or a code as in EPSG:4547",
                "{given}：可用 wgs84、gcj02、bd09，或 EPSG:4547 这样的代号"
            )),
        }
    }

    /// The system of that number in the EPSG register.
    pub fn of_epsg(code: u16) -> Result<Self, Remark> {
        if code == 4326 {
            return Ok(Self::wgs84());
        }
        let name = format!("EPSG:{code}");
        let unknown = || {
            remark!(
                "{name}: no such system of longitude and latitude, or of metres east and north, is known",
                "{name}：没有这样的经纬度或平面（米）坐标系"
            )
        };
        // The register's list gives Beijing 54 one shift for all of China, which holds nowhere better than some tens of metres.
        let is_beijing_54 = matches!(code, 4214 | 2401..=2442 | 21413..=21423 | 21453..=21463 | 21473..=21483);
        if is_beijing_54 {
            return Err(unrelated(&name));
        }
        let definition = crs_definitions::from_code(code).ok_or_else(unknown)?.proj4;
        let has = |part: &str| definition.contains(part);
        // CGCS2000 and its like differ from WGS 84 by less than a metre, NAD83 by two. Of other datums the shift must be told: Beijing 54
        // and Xi'an 80 lie up to 150 m beside it, and nobody may publish by how much where.
        let related = ["+datum=WGS84", "+datum=NAD83", "+ellps=GRS80", "+ellps=WGS84", "+towgs84=", "+nadgrids=@null"]
            .iter()
            .any(|p| has(p));
        if !related || definition.contains("+nadgrids=") && !has("+nadgrids=@null") {
            return Err(unrelated(&name));
        }
        // Web Mercator's note that no datum shift is meant says nothing to the library but costs it a lookup.
        let kind = Kind::of_proj(Some(code), definition.replace("+nadgrids=@null", "")).ok_or_else(unknown)?;
        Ok(Self { name, kind })
    }

    /// The system of a definition as PROJ writes it, by the name that a file gives it; `None` where it can't be computed.
    pub(crate) fn of_proj(name: &str, definition: &str) -> Option<Self> {
        Some(Self { name: name.to_owned(), kind: Kind::of_proj(None, definition.to_owned())? })
    }

    fn definition(&self) -> Option<&str> {
        match &self.kind {
            Kind::Proj { definition, .. } => Some(definition),
            Kind::Wgs84 | Kind::Gcj02 | Kind::Bd09 => None,
        }
    }

    /// Its name: as `--crs` takes it, or as the file calls it that defines it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number in the EPSG register, where it has one.
    pub fn epsg(&self) -> Option<u16> {
        match &self.kind {
            Kind::Wgs84 => Some(4326),
            Kind::Gcj02 | Kind::Bd09 => None,
            Kind::Proj { code, .. } => *code,
        }
    }

    /// Whether its coordinates are degrees (longitude, latitude) rather than metres (east, north).
    pub fn is_degrees(&self) -> bool {
        match &self.kind {
            Kind::Proj { from, .. } => from.is_latlong(),
            _ => true,
        }
    }

    /// Whether whoever defines it puts north before east: latitude before longitude in the register's systems of degrees,
    /// northing before easting in the zones of CGCS2000 and many others. `None` where its axes run west or south.
    pub fn is_north_first(&self) -> Option<bool> {
        let holds = |ranges: &[(u16, u16)], code: u16| ranges.iter().any(|&(low, high)| (low..=high).contains(&code));
        match &self.kind {
            Kind::Wgs84 => Some(true),
            Kind::Gcj02 | Kind::Bd09 | Kind::Proj { code: None, .. } => Some(false),
            Kind::Proj { code: Some(code), .. } if holds(&WEST_OR_SOUTH, *code) => None,
            Kind::Proj { code: Some(code), .. } if self.is_degrees() => Some(!LONGITUDE_FIRST.contains(code)),
            Kind::Proj { code: Some(code), .. } => Some(holds(&NORTHING_FIRST, *code)),
        }
    }

    /// Longitude and latitude in WGS 84 of a place; `None` where the system knows no such place.
    pub fn to_wgs84(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        if !self.may_be(x, y) {
            return None;
        }
        match &self.kind {
            Kind::Wgs84 => Some((x, y)),
            Kind::Gcj02 => Some(invert(gcj02_of, (x, y))),
            Kind::Bd09 => Some(invert(|at| bd09_of_gcj02(gcj02_of(at)), (x, y))),
            Kind::Proj { from, wgs84, .. } => {
                let at = convert(from, wgs84, (x, y))?;
                // Far outside its zone a projection makes places of anything: what doesn't lead back is none.
                let (back_x, back_y) = convert(wgs84, from, at)?;
                let apart = (back_x - x).hypot(back_y - y);
                let accepted = if self.is_degrees() { 1e-8 } else { 1e-3 };
                (apart <= accepted).then_some(at)
            }
        }
    }

    /// A place given by longitude and latitude in WGS 84; `None` where the system doesn't reach.
    pub fn from_wgs84(&self, lon: f64, lat: f64) -> Option<(f64, f64)> {
        if !(lon.abs() <= 180.0 && lat.abs() <= 90.0) {
            return None;
        }
        match &self.kind {
            Kind::Wgs84 => Some((lon, lat)),
            Kind::Gcj02 => Some(gcj02_of((lon, lat))),
            Kind::Bd09 => Some(bd09_of_gcj02(gcj02_of((lon, lat)))),
            Kind::Proj { from, wgs84, .. } => convert(wgs84, from, (lon, lat)),
        }
    }

    fn may_be(&self, x: f64, y: f64) -> bool {
        if self.is_degrees() { x.abs() <= 180.0 && y.abs() <= 90.0 } else { x.is_finite() && y.is_finite() }
    }
}

impl Kind {
    fn of_proj(code: Option<u16>, definition: String) -> Option<Self> {
        let from = Proj::from_proj_string(&definition).ok()?;
        if from.is_geocent() || !from.has_inverse() || !(from.has_forward() || from.is_latlong()) {
            return None;
        }
        let wgs84 = Proj::from_proj_string("+proj=longlat +datum=WGS84 +no_defs").ok()?;
        Some(Self::Proj { code, definition, from: Arc::new(from), wgs84: Arc::new(wgs84) })
    }
}
/// Numbers of the EPSG register (version 10.076), from one to another, between which no projected system known here puts
/// its easting first.
#[rustfmt::skip]
const NORTHING_FIRST: [(u16, u16); 71] = [
    (2036, 2036), (2044, 2045), (2082, 2083), (2091, 2093), (2105, 2132), (2166, 2180), (2193, 2193), (2199, 2199),
    (2206, 2212), (2319, 2549), (2551, 2735), (2738, 2758), (2935, 2941), (2953, 2953), (3006, 3024), (3034, 3035),
    (3038, 3051), (3058, 3059), (3114, 3118), (3120, 3120), (3126, 3140), (3146, 3147), (3150, 3152), (3300, 3301),
    (3328, 3335), (3346, 3346), (3350, 3352), (3386, 3390), (3414, 3414), (3416, 3416), (3764, 3764), (3788, 3793),
    (3833, 3854), (3873, 3885), (3907, 3911), (4026, 4038), (4417, 4417), (4434, 4434), (4491, 4554), (4839, 4880),
    (5048, 5048), (5105, 5188), (5253, 5259), (5269, 5275), (5343, 5349), (5367, 5367), (5479, 5481), (5518, 5519),
    (5562, 5583), (5632, 5639), (5651, 5653), (6362, 6362), (6372, 6387), (6669, 6687), (6707, 6709), (6870, 6876),
    (6962, 6962), (7799, 7801), (7825, 7831), (8441, 8441), (20004, 20092), (21896, 21899), (22171, 22197),
    (25884, 25884), (27391, 27398), (27492, 27492), (28402, 28492), (29702, 29702), (30161, 30179), (31251, 31290),
    (31700, 31700),
];

/// The register's systems of degrees that put longitude first.
const LONGITUDE_FIRST: [u16; 9] = [7035, 7037, 7039, 7041, 7084, 7086, 7088, 7133, 8902];

/// Numbers of systems whose axes run west and south.
const WEST_OR_SOUTH: [(u16, u16); 6] =
    [(2046, 2055), (2065, 2065), (5513, 5513), (8352, 8352), (22275, 22293), (29371, 29385)];

/// Why a system is of no use whose datum is not known to lie where.
fn unrelated(name: &str) -> Remark {
    remark!(
        "{name}: how its datum lies to WGS 84 is not known here; convert the table to EPSG:4490 or WGS 84 first",
        "{name}：其基准面与 WGS 84 的关系未知；请先将表转换到 EPSG:4490 或 WGS 84"
    )
}

/// From one system to another; degrees are radians to the library.
fn convert(from: &Proj, to: &Proj, (x, y): (f64, f64)) -> Option<(f64, f64)> {
    let mut at = if from.is_latlong() { (x.to_radians(), y.to_radians(), 0.0) } else { (x, y, 0.0) };
    transform(from, to, &mut at).ok()?;
    let (x, y) = if to.is_latlong() { (at.0.to_degrees(), at.1.to_degrees()) } else { (at.0, at.1) };
    (x.is_finite() && y.is_finite()).then_some((x, y))
}

/// Where the shift of GCJ-02 holds: boxes of west, south, east, north that together are about mainland China, as web maps
/// apply it, and those to leave out of them.
const SHIFTED: [[f64; 4]; 6] = [
    [79.4462, 42.8899, 96.33, 49.2204],
    [109.6872, 39.3742, 135.0002, 54.1415],
    [73.1246, 29.5297, 124.143_255, 42.8899],
    [82.9684, 26.7186, 97.0352, 29.5297],
    [97.0253, 20.414_096, 124.367_395, 29.5297],
    [107.975_793, 17.871_542, 111.744_104, 20.414_096],
];
const NOT_SHIFTED: [[f64; 4]; 6] = [
    [119.921_265, 21.785_006, 122.497_559, 25.398_623],
    [101.8652, 20.0988, 106.665, 22.284],
    [106.4525, 20.4878, 108.051, 21.5422],
    [109.0323, 50.3257, 119.127, 55.8175],
    [127.4568, 49.5574, 137.0227, 55.8175],
    [131.2662, 42.5692, 137.0227, 44.8922],
];

/// Whether GCJ-02 differs from WGS 84 at a place.
pub fn is_shifted(lon: f64, lat: f64) -> bool {
    let inside =
        |[west, south, east, north]: &[f64; 4]| (*west..=*east).contains(&lon) && (*south..=*north).contains(&lat);
    SHIFTED.iter().any(inside) && !NOT_SHIFTED.iter().any(inside)
}

/// GCJ-02 of a place in WGS 84: the shift as it has been known since 2010 (`eviltransform`), in terms of Krassowsky's
/// ellipsoid.
fn gcj02_of((lon, lat): (f64, f64)) -> (f64, f64) {
    const AXIS_M: f64 = 6_378_245.0;
    const ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;
    if !is_shifted(lon, lat) {
        return (lon, lat);
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |at: f64, size: f64| size * (at * PI).sin();
    let both = (wave(6.0 * x, 20.0) + wave(2.0 * x, 20.0)) * 2.0 / 3.0;
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + both
        + (wave(y, 20.0) + wave(y / 3.0, 40.0)) * 2.0 / 3.0
        + (wave(y / 12.0, 160.0) + wave(y / 30.0, 320.0)) * 2.0 / 3.0;
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + both
        + (wave(x, 20.0) + wave(x / 3.0, 40.0)) * 2.0 / 3.0
        + (wave(x / 12.0, 150.0) + wave(x / 30.0, 300.0)) * 2.0 / 3.0;
    let (sin, cos) = lat.to_radians().sin_cos();
    let magic = 1.0 - ECCENTRICITY_2 * sin * sin;
    let radius_north_m = AXIS_M * (1.0 - ECCENTRICITY_2) / (magic * magic.sqrt());
    let radius_east_m = AXIS_M / magic.sqrt() * cos;
    (lon + (east_m / radius_east_m).to_degrees(), lat + (north_m / radius_north_m).to_degrees())
}

/// BD-09 of a place in GCJ-02.
fn bd09_of_gcj02((lon, lat): (f64, f64)) -> (f64, f64) {
    const TURN: f64 = PI * 3_000.0 / 180.0;
    if !is_shifted(lon, lat) {
        return (lon, lat);
    }
    let length = lon.hypot(lat) + 0.000_02 * (lat * TURN).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * TURN).cos();
    (length * angle.cos() + 0.0065, length * angle.sin() + 0.006)
}

/// The place that a shift brings to `to`, by correcting a guess until it hits: a few steps come to a tenth of a millimetre.
/// At the border of the shifted land no place may do; the last guess is within the shift then.
fn invert(shift: impl Fn((f64, f64)) -> (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let mut guess = to;
    for _ in 0..20 {
        let (lon, lat) = shift(guess);
        let off = (to.0 - lon, to.1 - lat);
        guess = (guess.0 + off.0, guess.1 + off.1);
        if off.0.abs().max(off.1.abs()) < 1e-10 {
            break;
        }
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metres between two places in degrees, near enough for a few kilometres.
    fn apart_m(a: (f64, f64), b: (f64, f64)) -> f64 {
        ((a.0 - b.0) * a.1.to_radians().cos()).hypot(a.1 - b.1) * 111_195.0
    }

    #[test]
    fn the_shift_of_chinese_maps_is_known_at_landmarks() {
        // Tiananmen, as published with the formula: WGS 84 and what it becomes.
        let tiananmen = (116.391_349, 39.907_375);
        let gcj = Crs::gcj02().from_wgs84(tiananmen.0, tiananmen.1).unwrap();
        assert!(apart_m(gcj, (116.397_59, 39.908_776)) < 1.0, "{gcj:?}");
        let bd = Crs::bd09().from_wgs84(tiananmen.0, tiananmen.1).unwrap();
        assert!(apart_m(bd, (116.403_96, 39.915_12)) < 5.0, "{bd:?}");
    }

    #[test]
    fn a_shift_is_undone_to_a_centimetre_anywhere_in_china() {
        for crs in [Crs::gcj02(), Crs::bd09()] {
            for i in 0..60 {
                for j in 0..40 {
                    let at = (75.0 + f64::from(i) * 0.987, 20.5 + f64::from(j) * 0.733);
                    let (x, y) = crs.from_wgs84(at.0, at.1).unwrap();
                    // A tile at the border of the shifted boxes may lead to the other side.
                    let all_shifted = [-0.02, 0.0, 0.02]
                        .iter()
                        .all(|d| [-0.02, 0.0, 0.02].iter().all(|e| is_shifted(at.0 + d, at.1 + e)));
                    if all_shifted {
                        assert!(apart_m(crs.to_wgs84(x, y).unwrap(), at) < 0.01, "{} {at:?}", crs.name());
                    }
                }
            }
        }
    }

    #[test]
    fn outside_china_nothing_is_shifted() {
        for at in
            [(28.8, 47.0), (-8.6, 41.15), (127.0, 37.5), (139.7, 35.7), (100.5, 13.75), (121.5, 25.0), (-79.4, 43.7)]
        {
            for crs in [Crs::gcj02(), Crs::bd09()] {
                assert_eq!(crs.from_wgs84(at.0, at.1), Some(at));
                assert_eq!(crs.to_wgs84(at.0, at.1), Some(at));
            }
        }
    }

    #[test]
    fn zones_with_and_without_their_number_are_one_place() {
        // Zone 38 of 3 degrees has its middle at 114 E; with prefix the easting begins with it. Of 6 degrees it lies in zone 19.
        let at = (114.3, 30.6);
        let plain = Crs::named("EPSG:4547").unwrap().from_wgs84(at.0, at.1).unwrap();
        let prefixed = Crs::named("EPSG:4526").unwrap().from_wgs84(at.0, at.1).unwrap();
        assert!((prefixed.0 - plain.0 - 38_000_000.0).abs() < 1e-3 && (prefixed.1 - plain.1).abs() < 1e-3);
        assert!((plain.0 - 528_774.0).abs() < 5.0 && (plain.1 - 3_386_700.0).abs() < 500.0, "{plain:?}");
        for code in [4490, 4547, 4526, 4497, 4508, 3857, 32650, 3067, 26917, 2263] {
            let crs = Crs::of_epsg(code).unwrap();
            let at = match code {
                3067 => (25.0, 60.2),
                26917 => (-79.4, 43.7),
                2263 => (-73.98, 40.75),
                _ => at,
            };
            let (x, y) = crs.from_wgs84(at.0, at.1).unwrap();
            assert!(apart_m(crs.to_wgs84(x, y).unwrap(), at) < 0.001, "{code}");
        }
    }

    #[test]
    fn coordinates_of_another_zone_are_no_place() {
        let crs = Crs::named("EPSG:4547").unwrap();
        assert_eq!(crs.to_wgs84(38_528_774.0, 3_386_700.0), None);
        assert_eq!(crs.to_wgs84(f64::NAN, 0.0), None);
        assert_eq!(Crs::wgs84().to_wgs84(528_774.0, 3_386_700.0), None);
    }

    #[test]
    fn north_comes_first_where_the_register_puts_it() {
        let order = |code| Crs::of_epsg(code).unwrap().is_north_first();
        for code in [4326, 4490, 4269, 4491, 4508, 4513, 4526, 4547, 4554, 2193, 3035] {
            assert_eq!(order(code), Some(true), "{code}");
        }
        for code in [3857, 32650, 26917, 2263, 3763, 3067, 7084] {
            assert_eq!(order(code), Some(false), "{code}");
        }
        assert_eq!(order(2053), None);
        assert_eq!(Crs::gcj02().is_north_first(), Some(false));
    }

    #[test]
    fn systems_go_by_many_names_and_unknown_ones_say_what_would_do() {
        for (name, known) in [
            ("WGS84", "wgs84"),
            ("epsg:4326", "wgs84"),
            ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "wgs84"),
            ("GCJ-02", "gcj02"),
            ("百度坐标", "bd09"),
            ("CGCS2000", "EPSG:4490"),
            ("urn:ogc:def:crs:EPSG::4547", "EPSG:4547"),
        ] {
            assert_eq!(Crs::named(name).unwrap().name(), known, "{name}");
        }
        for (name, hint) in [
            ("mars", "gcj02"),
            ("EPSG:1", "no such system"),
            ("EPSG:2343", "not known"),
            ("EPSG:4214", "not known"),
            ("EPSG:4555", "not known"),
        ] {
            let why = Crs::named(name).unwrap_err();
            assert!(why.en.contains(hint), "{name}: {why}");
        }
    }
}
