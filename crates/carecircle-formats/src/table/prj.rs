//! Coordinate systems told by well-known text, as `.prj` files, GeoPackages and FlatGeobuf hold them.
//!
//! A text that states no number of the EPSG register is read by its own numbers: datum, method, parameters and units. Names
//! decide nothing but which method and which datum is meant, for those have no numbers.

use crate::crs::Crs;
use std::collections::BTreeMap;

/// Longer texts than this, in bytes, and such nested deeper tell no coordinate system.
const LONGEST_TEXT: usize = 1 << 16;
const DEEPEST: usize = 16;

/// The system of a well-known text: of its number in the EPSG register, else by its own numbers; the error is what the text
/// calls a system that can't be computed, or whose datum isn't known to be WGS 84 within a metre or two.
pub(super) fn crs(text: &str) -> Result<Crs, String> {
    let name = text.split('"').nth(1).unwrap_or("an unnamed coordinate system").to_owned();
    let root = (text.len() <= LONGEST_TEXT).then(|| Node::read(text, 0)).flatten();
    let Some(root) = root.as_ref().map(|(root, _)| root.horizontal()) else { return Err(name) };
    let code = root.authority();
    let coded = code.and_then(|code| Crs::of_epsg(code.parse().ok()?).ok());
    coded.or_else(|| of_numbers(root)).ok_or_else(|| code.map_or(name, |code| format!("EPSG:{code}")))
}

/// A node of well-known text: `KEYWORD["text",1.0,EAST,CHILD[…],…]`.
struct Node<'a> {
    keyword: String,
    values: Vec<&'a str>,
    children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// The node that a text begins with, and what follows it.
    fn read(text: &'a str, depth: usize) -> Option<(Self, &'a str)> {
        let (keyword, mut rest) = text.split_once(['[', '('])?;
        if depth == DEEPEST || keyword.contains([',', '"', ']', ')']) {
            return None;
        }
        let mut node = Self { keyword: plain(keyword), values: Vec::new(), children: Vec::new() };
        loop {
            rest = rest.trim_start();
            if let Some(quoted) = rest.strip_prefix('"') {
                let (value, after) = quoted.split_once('"')?;
                node.values.push(value);
                rest = after.trim_start();
            } else {
                let end = rest.find([',', '[', '(', ']', ')'])?;
                if rest[end..].starts_with(['[', '(']) {
                    let (child, after) = Self::read(rest, depth + 1)?;
                    node.children.push(child);
                    rest = after.trim_start();
                } else {
                    node.values.push(rest[..end].trim());
                    rest = &rest[end..];
                }
            }
            match rest.split_at_checked(1)? {
                (",", after) => rest = after,
                ("]" | ")", after) => return Some((node, after)),
                _ => return None,
            }
        }
    }

    fn name(&self) -> &'a str {
        self.values.first().copied().unwrap_or_default()
    }

    fn number(&self, at: usize) -> Option<f64> {
        self.values.get(at)?.parse().ok().filter(|value: &f64| value.is_finite())
    }

    fn all(&self, keywords: &[&str]) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(|child| keywords.contains(&child.keyword.as_str()))
    }

    fn child(&self, keywords: &[&str]) -> Option<&Self> {
        self.all(keywords).next()
    }

    /// The system of the plane where heights or a shift are told besides.
    fn horizontal(&self) -> &Self {
        match self.keyword.as_str() {
            "compdcs" | "compoundcrs" | "boundcrs" | "sourcecrs" => {
                self.children.first().map_or(self, Self::horizontal)
            }
            _ => self,
        }
    }

    /// The EPSG number of the system itself: those of its ellipsoid and units stand deeper.
    fn authority(&self) -> Option<&'a str> {
        let id = self.all(&["authority", "id"]).find(|id| id.name().eq_ignore_ascii_case("EPSG"))?;
        id.values.get(1).copied()
    }

    /// How much a unit is of metres, of radians, or of one.
    fn own_unit(&self) -> Option<f64> {
        self.child(&["unit", "lengthunit", "angleunit", "scaleunit"])?.number(1).filter(|&factor| factor > 0.0)
    }

    /// The unit of a system's coordinates. None where axes have different ones, or run elsewhere than east and north: files
    /// hold east first then, whatever order the text tells.
    fn unit(&self) -> Option<f64> {
        let mut unit = self.own_unit();
        for axis in self.all(&["axis"]) {
            match plain(axis.values.get(1)?).as_str() {
                "up" => continue,
                "east" | "north" => {}
                _ => return None,
            }
            let of_axis = axis.own_unit().or(unit);
            if unit.is_some() && of_axis != unit {
                return None;
            }
            unit = of_axis;
        }
        unit
    }
}

/// Letters and digits alone, in lower case: programs differ in the rest.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What a datum is to us.
#[derive(Clone, Copy, PartialEq)]
enum Datum {
    Wgs84,
    Cgcs2000,
    /// Some other that is WGS 84 within a metre or two.
    Like,
}

/// How the names begin of datums that are by definition WGS 84 within a metre or two: realisations of the international
/// terrestrial reference frame that were fixed to their continent at some date since 1983, all on the ellipsoid of WGS 84 or on
/// GRS 80. The names of `.prj` files and those of the EPSG register, which differ.
const DATUMS: [(Datum, &[&str]); 3] = [
    (Datum::Wgs84, &["wgs1984", "wgs84", "worldgeodeticsystem1984"]),
    (Datum::Cgcs2000, &["cgcs2000", "china2000", "chinageodeticcoordinatesystem2000"]),
    (
        Datum::Like,
        &[
            "itrf",
            "internationalterrestrialreferenceframe",
            // North America, Europe with France, Sweden and Ireland.
            "northamerican1983",
            "northamericandatum1983",
            "nad1983",
            "nad83",
            "etrs1989",
            "etrs89",
            "europeanterrestrialreferencesystem1989",
            "rgf1993",
            "rgf93",
            "reseaugeodesiquefrancais1993",
            "sweref99",
            "irenet95",
            // South America and South Africa.
            "sirgas",
            "sistemadereferenciageocentrico",
            "posgar2007",
            "posicionesgeodesicasargentinas2007",
            "magna",
            "marcogeocentriconacional",
            "hartebeesthoek1994",
            "hartebeesthoek94",
            // Australia and New Zealand.
            "gda1994",
            "gda94",
            "gda2020",
            "geocentricdatumofaustralia",
            "nzgd2000",
            "newzealandgeodeticdatum2000",
            // Japan, Korea and Taiwan.
            "jgd2000",
            "jgd2011",
            "japanesegeodeticdatum20",
            "korea2000",
            "geocentricdatumofkorea",
            "twd1997",
            "twd97",
            "taiwandatum1997",
        ],
    ),
];

/// A system of longitude and latitude: its datum, its ellipsoid and how many degrees its unit is.
struct Base {
    datum: Datum,
    /// Half the axis in metres and the inverse flattening; none for the sphere by which ArcGIS once told web maps.
    ellipsoid: Option<(f64, f64)>,
    degrees: f64,
}

impl Base {
    fn of(node: &Node) -> Option<Self> {
        let told = node.child(&["datum", "geodeticdatum", "trf", "ensemble"])?;
        let name = plain(told.name().strip_prefix("D_").unwrap_or(told.name()));
        let (datum, _) = DATUMS.iter().find(|(_, names)| names.iter().any(|known| name.starts_with(known)))?;
        let is_shifted =
            told.child(&["towgs84"]).is_some_and(|shift| shift.values.iter().any(|v| v.parse() != Ok(0.0)));
        let is_greenwich = node.child(&["primem", "primemeridian"]).is_none_or(|prime| prime.number(1) == Some(0.0));
        if is_shifted || !is_greenwich {
            return None;
        }
        let ellipsoid = told.child(&["spheroid", "ellipsoid"])?;
        let (axis_m, inverse_flattening) = (ellipsoid.number(1)?, ellipsoid.number(2)?);
        // WGS 84 has 298.257223563, GRS 80 298.257222101.
        let is_sphere = inverse_flattening == 0.0;
        if (axis_m - 6_378_137.0).abs() > 1e-3 || !is_sphere && (inverse_flattening - 298.257_222).abs() > 1e-3 {
            return None;
        }
        let degrees = node.unit().map_or(1.0, f64::to_degrees);
        // Texts round what a degree is to ten digits or more.
        let degrees = if is_near(degrees, 1.0, 1e-9) { 1.0 } else { degrees };
        Some(Self { datum: *datum, ellipsoid: (!is_sphere).then_some((axis_m, inverse_flattening)), degrees })
    }
}

fn is_near(a: f64, b: f64, slack: f64) -> bool {
    (a - b).abs() <= slack
}

/// Which of PROJ's keys a parameter is.
const PARAMETERS: [(&str, &[&str]); 8] = [
    (
        "lat_0",
        &[
            "latitudeoforigin",
            "latitudeofcenter",
            "latitudeofnaturalorigin",
            "latitudeoffalseorigin",
            "latitudeofprojectioncentre",
        ],
    ),
    (
        "lon_0",
        &[
            "centralmeridian",
            "longitudeofcenter",
            "longitudeofnaturalorigin",
            "longitudeoffalseorigin",
            "longitudeofprojectioncentre",
        ],
    ),
    ("lat_1", &["standardparallel1", "latitudeof1ststandardparallel"]),
    ("lat_2", &["standardparallel2", "latitudeof2ndstandardparallel"]),
    ("k_0", &["scalefactor", "scalefactoratnaturalorigin"]),
    ("x_0", &["falseeasting", "eastingatfalseorigin", "eastingatprojectioncentre"]),
    ("y_0", &["falsenorthing", "northingatfalseorigin", "northingatprojectioncentre"]),
    ("sphere", &["auxiliaryspheretype"]),
];

/// A method of projection.
struct Method {
    /// What PROJ calls it.
    proj: &'static str,
    /// What ArcGIS, GDAL and the EPSG register call it.
    names: &'static [&'static str],
    /// Parameters that must be told besides the meridian, and those that may.
    needs: &'static [&'static str],
    takes: &'static [&'static str],
}

const METHODS: [Method; 10] = [
    Method {
        proj: "tmerc",
        names: &["transversemercator", "gausskruger", "transversemercatorcomplex"],
        needs: &[],
        takes: &["lat_0", "k_0"],
    },
    Method {
        proj: "lcc",
        names: &[
            "lambertconformalconic",
            "lambertconformalconic1sp",
            "lambertconformalconic2sp",
            "lambertconicconformal1sp",
            "lambertconicconformal2sp",
        ],
        needs: &["lat_0"],
        takes: &["lat_1", "lat_2", "k_0"],
    },
    Method {
        proj: "aea",
        names: &["albers", "albersconicequalarea", "albersequalarea"],
        needs: &["lat_0", "lat_1"],
        takes: &["lat_2"],
    },
    Method {
        proj: "merc",
        names: &["mercator", "mercator1sp", "mercator2sp", "mercatorvarianta", "mercatorvariantb"],
        needs: &[],
        takes: &["lat_1", "k_0"],
    },
    Method {
        proj: "webmerc",
        names: &["mercatorauxiliarysphere", "popularvisualisationpseudomercator"],
        needs: &[],
        takes: &[],
    },
    Method {
        proj: "sterea",
        names: &["doublestereographic", "obliquestereographic"],
        needs: &["lat_0"],
        takes: &["k_0"],
    },
    Method { proj: "laea", names: &["lambertazimuthalequalarea"], needs: &["lat_0"], takes: &[] },
    Method { proj: "aeqd", names: &["azimuthalequidistant"], needs: &["lat_0"], takes: &[] },
    Method { proj: "cass", names: &["cassini", "cassinisoldner"], needs: &["lat_0"], takes: &[] },
    Method { proj: "eqdc", names: &["equidistantconic"], needs: &["lat_0", "lat_1", "lat_2"], takes: &[] },
];

/// The system as its numbers tell it; none where anything in them isn't understood.
fn of_numbers(root: &Node) -> Option<Crs> {
    let epsg = |code: u32| Crs::of_epsg(code.try_into().ok()?).ok();
    match root.keyword.as_str() {
        "geogcs" | "geogcrs" | "geodcrs" | "geographiccrs" | "geodeticcrs" => {
            let base = Base::of(root)?;
            let is_plain = is_near(base.degrees, 1.0, 0.0)
                && root.child(&["cs"]).is_none_or(|cs| plain(cs.name()) == "ellipsoidal");
            let ((axis_m, inverse_flattening), true) = (base.ellipsoid?, is_plain) else { return None };
            match base.datum {
                Datum::Wgs84 => Some(Crs::wgs84()),
                Datum::Cgcs2000 => epsg(4_490),
                Datum::Like => {
                    Crs::of_proj(root.name(), &format!("+proj=longlat +a={axis_m} +rf={inverse_flattening}"))
                }
            }
        }
        "projcs" | "projcrs" | "projectedcrs" => {
            let base = Base::of(root.child(&["geogcs", "basegeogcrs", "basegeodcrs"])?)?;
            let unit_m = root.unit()?;
            let (proj, at) = projection(root, &base, unit_m)?;
            let code =
                if is_near(unit_m, 1.0, 1e-12) { register(proj, base.datum, &at, &plain(root.name())) } else { None };
            if code.is_some() {
                return code.and_then(epsg);
            }
            let (axis_m, inverse_flattening) = base.ellipsoid?;
            let parameters = at.iter().map(|(&key, value)| {
                let key = if (proj, key) == ("merc", "lat_1") { "lat_ts" } else { key };
                format!("+{key}={value}")
            });
            let parameters = parameters.collect::<Vec<_>>().join(" ");
            let definition =
                format!("+proj={proj} +a={axis_m} +rf={inverse_flattening} +to_meter={unit_m} {parameters}");
            Crs::of_proj(root.name(), &definition)
        }
        _ => None,
    }
}

/// The projection: what PROJ calls its method and its parameters, in degrees and metres.
fn projection(root: &Node, base: &Base, unit_m: f64) -> Option<(&'static str, BTreeMap<&'static str, f64>)> {
    let conversion = root.child(&["conversion"]).unwrap_or(root);
    let called = plain(conversion.child(&["projection", "method"])?.name());
    let mut method = METHODS.iter().find(|method| method.names.contains(&called.as_str()))?;
    // Web maps take degrees of the ellipsoid for those of a sphere. Older programs wrote that as Mercator's projection, and told
    // it by the sphere, by the name or by PROJ's definition besides.
    let extension = root.child(&["extension"]).map(|extension| extension.values.join(" "));
    let is_of_sphere = extension.as_ref().is_some_and(|proj| {
        ["+proj=merc", "+a=6378137", "+b=6378137", "+nadgrids=@null"].iter().all(|part| proj.contains(part))
    });
    let name = plain(root.name());
    let is_web =
        is_of_sphere || base.ellipsoid.is_none() || name.contains("webmercator") || name.contains("pseudomercator");
    if method.proj == "merc" && is_web {
        method = METHODS.iter().find(|method| method.proj == "webmerc")?;
    } else if extension.is_some() {
        return None;
    }
    let mut at = BTreeMap::new();
    for parameter in conversion.all(&["parameter"]) {
        let called = plain(parameter.name());
        let (key, _) = PARAMETERS.iter().find(|(_, names)| names.contains(&called.as_str()))?;
        let unit = match (*key, parameter.own_unit()) {
            ("x_0" | "y_0", unit) => unit.unwrap_or(unit_m),
            ("k_0" | "sphere", unit) => unit.unwrap_or(1.0),
            (_, Some(unit)) if is_near(unit.to_degrees(), 1.0, 1e-9) => 1.0,
            (_, unit) => unit.map_or(base.degrees, f64::to_degrees),
        };
        let value = parameter.number(1)? * unit;
        let is_known =
            matches!(*key, "lon_0" | "x_0" | "y_0") || method.needs.contains(key) || method.takes.contains(key);
        let is_neutral = is_near(value, if *key == "k_0" { 1.0 } else { 0.0 }, 1e-12);
        let is_sane = match *key {
            "k_0" => value > 0.0,
            "x_0" | "y_0" => true,
            "lon_0" => value.abs() <= 360.0,
            _ => value.abs() <= 90.0,
        };
        if !is_sane || !is_known && !is_neutral || is_known && at.insert(*key, value).is_some() {
            return None;
        }
    }
    let is_whole = at.contains_key("lon_0") && method.needs.iter().all(|key| at.contains_key(key));
    // A parallel tells the scale on its own.
    let is_scaled_twice =
        method.proj == "merc" && at.contains_key("lat_1") && at.get("k_0").is_some_and(|&k| !is_near(k, 1.0, 1e-12));
    if !is_whole || is_scaled_twice {
        return None;
    }
    if method.proj == "lcc" && !at.contains_key("lat_1") {
        at.insert("lat_1", at["lat_0"]);
    }
    Some((method.proj, at))
}

/// The number in the EPSG register of a system in metres, for those that are met most: web maps, UTM in WGS 84 and the zones of
/// CGCS2000.
fn register(proj: &str, datum: Datum, at: &BTreeMap<&str, f64>, name: &str) -> Option<u32> {
    let value = |key: &str, neutral: f64| at.get(key).copied().unwrap_or(neutral);
    let is = |key: &str, neutral: f64, wanted: f64| is_near(value(key, neutral), wanted, 1e-9);
    let whole = |value: f64| is_near(value, value.round(), 1e-9).then_some(value.round() as i64);
    let (meridian, easting, northing) =
        (whole(value("lon_0", 0.0))?, whole(value("x_0", 0.0))?, whole(value("y_0", 0.0))?);
    let code = match (proj, datum) {
        ("webmerc", Datum::Wgs84) if (meridian, easting, northing) == (0, 0, 0) => 3_857,
        ("tmerc", Datum::Wgs84) if is("lat_0", 0.0, 0.0) && is("k_0", 1.0, 0.999_6) && easting == 500_000 => {
            let zone = (meridian + 183) / 6;
            if (meridian + 183) % 6 != 0 || !(1..=60).contains(&zone) {
                return None;
            }
            match northing {
                0 => 32_600 + zone,
                10_000_000 => 32_700 + zone,
                _ => return None,
            }
        }
        ("tmerc", Datum::Cgcs2000) if is("lat_0", 0.0, 0.0) && is("k_0", 1.0, 1.0) && northing == 0 => {
            gauss_kruger(meridian, easting, name)?
        }
        _ => return None,
    };
    code.try_into().ok()
}

/// CGCS2000 in Gauss-Krüger zones of three or six degrees, with or without the zone's number before the easting.
fn gauss_kruger(meridian: i64, easting: i64, name: &str) -> Option<i64> {
    let zone = (easting % 1_000_000 == 500_000).then_some(easting / 1_000_000)?;
    match zone {
        // Without a prefix a zone of six degrees is the one of three degrees about the same meridian, only wider.
        0 if (75..=135).contains(&meridian) && meridian % 6 == 3 && !name.contains("3degree") => {
            Some(4_502 + (meridian - 75) / 6)
        }
        0 if (75..=135).contains(&meridian) && meridian % 3 == 0 => Some(4_534 + (meridian - 75) / 3),
        13..=23 if meridian == zone * 6 - 3 => Some(4_491 + zone - 13),
        25..=45 if meridian == zone * 3 => Some(4_513 + zone - 25),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEGREE: &str = "PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]";
    const METRE: &str = "\"Meter\",1.0";
    const US_FOOT: &str = "\"Foot_US\",0.304800609601219";

    fn geographic(datum: &str) -> String {
        let flattening = if datum.contains("WGS") { "298.257223563" } else { "298.257222101" };
        format!("GEOGCS[\"GCS\",DATUM[\"{datum}\",SPHEROID[\"ellipsoid\",6378137.0,{flattening}]],{DEGREE}]")
    }

    /// As ArcGIS writes it: no authority. Parameters are given as `Name=value` with blanks between.
    fn esri(name: &str, datum: &str, method: &str, parameters: &str, unit: &str) -> String {
        let told = parameters.split_whitespace().map(|told| told.split_once('=').unwrap());
        let told: Vec<String> = told.map(|(key, value)| format!("PARAMETER[\"{key}\",{value}],")).collect();
        let parameters = told.concat();
        format!("PROJCS[\"{name}\",{},PROJECTION[\"{method}\"],{parameters}UNIT[{unit}]]", geographic(datum))
    }

    fn transverse(name: &str, datum: &str, (meridian, scale): (f64, f64), (easting, northing): (f64, f64)) -> String {
        let told = format!(
            "False_Easting={easting:.1} False_Northing={northing:.1} Central_Meridian={meridian} Scale_Factor={scale} \
             Latitude_Of_Origin=0.0"
        );
        esri(name, datum, "Transverse_Mercator", &told, METRE)
    }

    fn name(text: &str) -> Result<String, String> {
        crs(text).map(|crs| crs.name().to_owned())
    }

    #[test]
    fn numbers_of_the_register_come_first_and_those_most_met_are_found() {
        let is = |text: &str, wanted: &str| assert_eq!(name(text).as_deref(), Ok(wanted), "{text}");
        is("GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",AUTHORITY[\"EPSG\",\"6326\"]],AUTHORITY[\"EPSG\",\"4326\"]]", "wgs84");
        is("PROJCRS[\"ETRS89 / TM35FIN(E,N)\",BASEGEOGCRS[\"ETRS89\"],ID[\"EPSG\",3067]]", "EPSG:3067");
        is("COMPD_CS[\"both\",PROJCS[\"plane\",AUTHORITY[\"EPSG\",\"3067\"]],VERT_CS[\"heights\"]]", "EPSG:3067");
        is(&geographic("D_WGS_1984"), "wgs84");
        is(&geographic("D_China_2000"), "EPSG:4490");
        is(&transverse("named by a person", "D_WGS_1984", (117.0, 0.9996), (500_000.0, 0.0)), "EPSG:32650");
        is(&transverse("named by a person", "D_WGS_1984", (-45.0, 0.9996), (500_000.0, 1e7)), "EPSG:32723");
        let web = "False_Easting=0 False_Northing=0 Central_Meridian=0 Standard_Parallel_1=0 Auxiliary_Sphere_Type=0";
        is(&esri("web", "D_WGS_1984", "Mercator_Auxiliary_Sphere", web, METRE), "EPSG:3857");
        let old = "central_meridian=0 scale_factor=1 false_easting=0 false_northing=0";
        let old = |name: &str| esri(name, "D_WGS_1984", "Mercator", old, METRE);
        is(&old("WGS_84_Pseudo_Mercator"), "EPSG:3857");
        is(&old("WGS_84_World_Mercator"), "WGS_84_World_Mercator");
        is(&old("plane").replace("298.257223563", "0.0"), "EPSG:3857");
        let extension = "UNIT[\"Meter\",1.0],EXTENSION[\"PROJ4\",\"+proj=merc +a=6378137 +b=6378137 +nadgrids=@null\"]";
        is(&old("plane").replace("UNIT[\"Meter\",1.0]", extension), "EPSG:3857");
    }

    #[test]
    fn the_zones_of_cgcs2000_are_known_by_meridian_and_easting() {
        let zone = |name: &str, meridian: f64, easting: f64| {
            let text = transverse(name, "D_China_2000", (meridian, 1.0), (easting, 0.0));
            crs(&text.replace("Transverse_Mercator", "Gauss_Kruger")).unwrap().epsg()
        };
        for (name, meridian, easting, code) in [
            ("CGCS2000_3_Degree_GK_CM_120E", 120.0, 500_000.0, 4_549),
            ("CGCS2000_3_Degree_GK_Zone_40", 120.0, 40_500_000.0, 4_528),
            ("CGCS2000_GK_CM_105E", 105.0, 500_000.0, 4_507),
            ("CGCS2000_GK_Zone_18", 105.0, 18_500_000.0, 4_496),
            ("CGCS2000_3_Degree_GK_CM_117E", 117.0, 500_000.0, 4_548),
        ] {
            assert_eq!(zone(name, meridian, easting), Some(code), "{name}");
        }
        // A town's own meridian has no number.
        assert_eq!(zone("Hangzhou_local", 120.25, 500_000.0), None);
        assert_eq!(zone("shifted", 120.0, 450_000.0), None);
    }

    /// Datum, method, parameters, unit, a place and where it is in the plane.
    type Row = (&'static str, &'static str, &'static str, &'static str, (f64, f64), (f64, f64));

    /// Longitude and latitude in the system's own datum, and where GDAL 3.6.2 (PROJ 9.1.1) puts them: `gdaltransform -output_xy
    /// -s_srs (the datum's EPSG number) -t_srs (the text)`.
    #[test]
    fn places_are_those_of_gdal_to_a_tenth_of_a_millimetre() {
        let long_island = "False_Easting=984250.0 False_Northing=0.0 Central_Meridian=-74.0 \
            Standard_Parallel_1=41.0333333333333 Standard_Parallel_2=40.6666666666667 Latitude_Of_Origin=40.1666666666667";
        let kansas = "False_Easting=17500000.0 False_Northing=400000.0 Central_Meridian=-97.5 \
            Standard_Parallel_1=37.7666666666667 Scale_Factor=1.000059 Latitude_Of_Origin=37.7666666666667";
        let kansas_1sp = "false_easting=17500000 false_northing=400000 central_meridian=-97.5 scale_factor=1.000059 \
            latitude_of_origin=37.7666666666667";
        let new_zealand = "False_Easting=1600000.0 False_Northing=10000000.0 Central_Meridian=173.0 Scale_Factor=0.9996 \
            Latitude_Of_Origin=0.0";
        let new_brunswick = "False_Easting=2500000.0 False_Northing=7500000.0 Central_Meridian=-66.5 \
            Scale_Factor=0.999912 Latitude_Of_Origin=46.5";
        let sao_paulo = "False_Easting=500000.0 False_Northing=10000000.0 Central_Meridian=-45.0 Scale_Factor=0.9996 \
            Latitude_Of_Origin=0.0";
        let australia = "False_Easting=0.0 False_Northing=0.0 Central_Meridian=132.0 Standard_Parallel_1=-18.0 \
            Standard_Parallel_2=-36.0 Latitude_Of_Origin=0.0";
        let europe = "False_Easting=4321000.0 False_Northing=3210000.0 Central_Meridian=10.0 Latitude_Of_Origin=52.0";
        let world = "False_Easting=0.0 False_Northing=0.0 Central_Meridian=0.0 Standard_Parallel_1=0.0";
        let states = "False_Easting=0.0 False_Northing=0.0 Central_Meridian=-96.0 Standard_Parallel_1=33.0 \
            Standard_Parallel_2=45.0 Latitude_Of_Origin=39.0";
        let holstein = "False_Easting=100000.0 False_Northing=50000.0 Central_Meridian=10.0 Latitude_Of_Origin=53.5";
        let penang = "False_Easting=1000.0 False_Northing=2000.0 Central_Meridian=100.34 Scale_Factor=1.0 \
            Latitude_Of_Origin=5.42";
        #[rustfmt::skip]
        let rows: [Row; 13] = [
            ("D_North_American_1983", "Lambert_Conformal_Conic", long_island, US_FOOT, (-73.95, 40.7), (998_114.040_640_665, 194_309.295_698_971)),
            ("D_NAD_1983_2011", "Lambert_Conformal_Conic", kansas, US_FOOT, (-94.8, 39.0), (18_267_475.154_546_4, 860_298.246_896_768)),
            ("NAD83_National_Spatial_Reference_System_2011", "Lambert_Conformal_Conic_1SP", kansas_1sp, US_FOOT, (-94.8, 39.0), (18_267_475.154_546_4, 860_298.246_896_768)),
            ("D_NZGD_2000", "Transverse_Mercator", new_zealand, METRE, (174.77, -41.3), (1_748_185.790_683_87, 5_426_428.285_635_5)),
            ("D_SIRGAS_2000", "Transverse_Mercator", sao_paulo, METRE, (-46.6, -23.5), (336_625.131_856_923, 7_400_218.860_254_81)),
            ("D_North_American_1983_CSRS", "Double_Stereographic", new_brunswick, METRE, (-66.6, 45.95), (2_492_247.200_992_82, 7_438_874.154_946_85)),
            ("D_GDA_1994", "Albers", australia, METRE, (151.2, -33.9), (1_759_614.416_025_31, -3_832_061.664_777_04)),
            ("D_ETRS_1989", "Lambert_Azimuthal_Equal_Area", europe, METRE, (2.35, 48.85), (3_760_536.822_902_32, 2_888_771.020_950_19)),
            ("D_WGS_1984", "Mercator", world, METRE, (103.8, 1.35), (11_554_963.144_341_8, 149_289.271_287_603)),
            ("D_North_American_1983", "Equidistant_Conic", states, METRE, (-90.2, 38.6), (502_177.065_996_682, -28_432.067_597_019_9)),
            ("D_WGS_1984", "Azimuthal_Equidistant", holstein, METRE, (10.7, 53.9), (146_012.614_231_767, 94_746.096_930_599_9)),
            ("D_WGS_1984", "Cassini", penang, METRE, (100.3, 5.3), (-3_433.869_281_890_53, -11_269.932_931_636_4)),
            ("D_WGS_1984", "Cassini", penang, "\"Kilometer\",1000.0", (100.3, 5.3), (995.566_130_718_109, 1_986.730_067_068_364)),
        ];
        for (datum, method, parameters, unit, (lon, lat), (x, y)) in rows {
            let system = crs(&esri("a plane", datum, method, parameters, unit)).unwrap();
            let found = system.from_wgs84(lon, lat).unwrap();
            assert!((found.0 - x).hypot(found.1 - y) < 1e-4, "{method} of {datum}: {found:?}");
            let back = system.to_wgs84(x, y).unwrap();
            assert!((back.0 - lon).hypot(back.1 - lat) < 1e-9, "{method} of {datum}: {back:?}");
            assert_eq!((system.name(), system.epsg()), ("a plane", None));
        }
    }

    #[test]
    fn the_text_of_2019_has_units_by_parameter() {
        let parameter = |name: &str, value: f64, unit: &str| format!("PARAMETER[\"{name}\",{value},{unit}]");
        let degree = "ANGLEUNIT[\"degree\",0.0174532925199433]";
        let metre = "LENGTHUNIT[\"metre\",1]";
        let foot = "LENGTHUNIT[\"US survey foot\",0.304800609601219]";
        let parameters = [
            parameter("Latitude of false origin", 40.166_666_666_666_7, degree),
            parameter("Longitude of false origin", -74.0, degree),
            parameter("Latitude of 1st standard parallel", 41.033_333_333_333_3, degree),
            parameter("Latitude of 2nd standard parallel", 40.666_666_666_666_7, degree),
            parameter("Easting at false origin", 300_000.0, metre),
            parameter("Northing at false origin", 0.0, metre),
        ];
        let text = format!(
            "PROJCRS[\"Long Island\",BASEGEOGCRS[\"NAD83\",DATUM[\"North American Datum 1983\",ELLIPSOID[\"GRS 1980\",6378137,\
             298.257222101,{metre}]],PRIMEM[\"Greenwich\",0,{degree}]],CONVERSION[\"zone\",METHOD[\"Lambert Conic Conformal (2SP)\",\
             ID[\"EPSG\",9802]],{}],CS[Cartesian,2],AXIS[\"northing (Y)\",north,ORDER[1],{foot}],\
             AXIS[\"easting (X)\",east,ORDER[2],{foot}]]",
            parameters.join(",")
        );
        let (x, y) = crs(&text).unwrap().from_wgs84(-73.95, 40.7).unwrap();
        // By GDAL as above, for 300,000 m are 984,250 of these feet.
        assert!((x - 998_114.040_64).hypot(y - 194_309.295_70) < 1e-3, "{x} {y}");
        let mixed = text.replacen(&format!("ORDER[2],{foot}"), &format!("ORDER[2],{metre}"), 1);
        assert_eq!(name(&mixed), Err("Long Island".to_owned()));
        assert!(crs(&text.replace(",east,", ",west,")).is_err());
    }

    #[test]
    fn what_is_not_understood_is_asked_for_by_its_name() {
        let good = transverse("plane", "D_ETRS_1989", (15.0, 0.9996), (500_000.0, 0.0));
        assert_eq!(name(&good), Ok("plane".to_owned()));
        for (part, other) in [
            ("D_ETRS_1989", "D_European_1950"),
            ("D_ETRS_1989", "Unknown based on GRS80 ellipsoid"),
            ("6378137.0", "6378388.0"),
            ("298.257222101", "297.0"),
            ("298.257222101]", "298.257222101],TOWGS84[100,0,0,0,0,0,0]"),
            ("\"Greenwich\",0.0", "\"Paris\",2.33722917"),
            ("Transverse_Mercator", "Krovak"),
            ("Latitude_Of_Origin\",0.0", "Rectified_Grid_Angle\",30.0"),
            ("Latitude_Of_Origin", "Central_Meridian"),
            ("Latitude_Of_Origin\",0.0", "Latitude_Of_Origin\",95.0"),
            ("Central_Meridian\",15", "Central_Meridian\",NaN"),
            ("UNIT[\"Meter\",1.0]", "UNIT[\"Meter\",0.0]"),
            (",UNIT[\"Meter\",1.0]", ""),
            ("UNIT[\"Meter\",1.0]", "UNIT[\"Meter\",1.0],AXIS[\"Y\",WEST],AXIS[\"X\",SOUTH]"),
            ("UNIT[\"Meter\",1.0]]", "UNIT[\"Meter\",1.0"),
        ] {
            assert!(good.contains(part), "{part}");
            assert_eq!(name(&good.replace(part, other)), Err("plane".to_owned()), "{part} as {other}");
        }
        assert_eq!(name("GEOGCS[\"GCS_Beijing_1954\",DATUM[\"D_Beijing_1954\"]]"), Err("GCS_Beijing_1954".to_owned()));
        assert_eq!(name("PROJCS[\"Beijing\",AUTHORITY[\"EPSG\",\"2434\"]]"), Err("EPSG:2434".to_owned()));
        for text in ["", "garbage", "[[[[", &"A[".repeat(30_000), &format!("GEOGCS[{}]", "x".repeat(1 << 17))] {
            assert_eq!(name(text), Err("an unnamed coordinate system".to_owned()));
        }
    }

    #[test]
    fn systems_of_one_name_and_other_numbers_differ() {
        let plane = |meridian| crs(&transverse("plane", "D_ETRS_1989", (meridian, 0.9996), (500_000.0, 0.0))).unwrap();
        assert_eq!(plane(15.0), plane(15.0));
        assert_ne!(plane(15.0), plane(21.0));
    }
}
