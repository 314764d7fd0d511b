//! Coordinate systems as PROJJSON, which GeoParquet says them in: the register's well-known text, put in other words.

use crate::crs::Crs;
use serde_json::{Value as Json, json};

/// A system of the EPSG register as PROJJSON; `None` for one without a number, or with a projection that is not known here.
pub(super) fn of(crs: &Crs) -> Option<Json> {
    let code = crs.epsg()?;
    let root = Node::read(crs_definitions::from_code(code)?.wkt)?;
    let mut out = if root.keyword == "PROJCS" { projected(&root)? } else { geographic(&root)? };
    // Of a few systems the list holds the text of another.
    if out["id"] != json!({ "authority": "EPSG", "code": code }) {
        return None;
    }
    out["$schema"] = json!("https://proj.org/schemas/v0.7/projjson.schema.json");
    Some(out)
}

/// A part of well-known text: its keyword, and what stands in its brackets, other parts among it.
#[derive(Debug)]
struct Node<'t> {
    keyword: &'t str,
    words: Vec<&'t str>,
    parts: Vec<Self>,
}

impl<'t> Node<'t> {
    /// Reads a text of the register, which nests a few levels deep.
    fn read(text: &'t str) -> Option<Self> {
        let mut rest = text;
        Self::next(&mut rest).filter(|_| rest.is_empty())
    }

    fn next(rest: &mut &'t str) -> Option<Self> {
        let (keyword, mut inner) = rest.split_once('[')?;
        let mut out = Self { keyword, words: Vec::new(), parts: Vec::new() };
        loop {
            let length = inner.find(['"', ',', '[', ']'])?;
            match inner.as_bytes()[length] {
                b'"' => {
                    let (word, after) = inner[1..].split_once('"')?;
                    out.words.push(word);
                    inner = after;
                }
                b'[' => out.parts.push(Self::next(&mut inner)?),
                _ => {
                    out.words.extend(Some(&inner[..length]).filter(|word| !word.is_empty()));
                    inner = &inner[length..];
                }
            }
            let closes = inner.starts_with(']');
            inner = inner.get(1..)?;
            if closes {
                *rest = inner;
                return Some(out);
            }
        }
    }

    fn part(&self, keyword: &str) -> Option<&Self> {
        self.parts.iter().find(|part| part.keyword == keyword)
    }

    fn name(&self) -> Option<&'t str> {
        self.words.first().copied()
    }

    fn number(&self, at: usize) -> Option<f64> {
        self.words.get(at)?.parse().ok()
    }

    /// Its number in the register.
    fn id(&self) -> Option<Json> {
        let authority = self.part("AUTHORITY")?;
        let code: u32 = authority.words.get(1)?.parse().ok()?;
        Some(json!({ "authority": authority.name()?, "code": code }))
    }

    /// A part's member: its name, and its number where there is one.
    fn named(&self, kind: &str) -> Option<Json> {
        let mut out = json!({ "type": kind, "name": self.name()?.replace('_', " ") });
        if let Some(id) = self.id() {
            out["id"] = id;
        }
        Some(out)
    }
}

fn geographic(node: &Node<'_>) -> Option<Json> {
    let (datum, meridian, unit) = (node.part("DATUM")?, node.part("PRIMEM")?, node.part("UNIT")?);
    let spheroid = datum.part("SPHEROID")?;
    let (axis_m, flattening) = (spheroid.number(1)?, spheroid.number(2)?);
    // A sphere has no flattening to tell.
    let second = if flattening == 0.0 { ("semi_minor_axis", axis_m) } else { ("inverse_flattening", flattening) };
    let mut frame = datum.named("GeodeticReferenceFrame")?;
    frame["ellipsoid"] = json!({ "name": spheroid.name()?, "semi_major_axis": axis_m, second.0: second.1 });
    if meridian.number(1)? != 0.0 {
        frame["prime_meridian"] = json!({ "name": meridian.name()?, "longitude": meridian.number(1)? });
    }
    let axis = |name: &str, short: &str, direction: &str| json!({ "name": name, "abbreviation": short, "direction": direction, "unit": "degree" });
    let mut out = node.named("GeographicCRS")?;
    out["name"] = json!(node.name()?);
    out["datum"] = frame;
    out["coordinate_system"] = json!({
        "subtype": "ellipsoidal",
        "axis": [axis("Geodetic latitude", "Lat", "north"), axis("Geodetic longitude", "Lon", "east")],
    });
    (unit.name()? == "degree").then_some(out)
}

fn projected(node: &Node<'_>) -> Option<Json> {
    let unit = node.part("UNIT")?;
    let factor = unit.number(1)?;
    let unit = if (factor - 1.0).abs() < 1e-12 {
        json!("metre")
    } else {
        json!({ "type": "LinearUnit", "name": unit.name()?, "conversion_factor": factor })
    };
    let axis = |name: &str, short: &str, direction: &str| json!({ "name": name, "abbreviation": short, "direction": direction, "unit": unit });
    let mut axes = vec![axis("Easting", "E", "east"), axis("Northing", "N", "north")];
    let told: Vec<&str> =
        node.parts.iter().filter(|p| p.keyword == "AXIS").filter_map(|p| p.words.get(1).copied()).collect();
    match told[..] {
        ["EAST", "NORTH"] => {}
        // The list leaves the axes out where the register puts north first.
        [] | ["NORTH", "EAST"] => axes.reverse(),
        // Around a pole, or counted the other way.
        _ => return None,
    }
    let method = Method::of(node)?;
    let value = |name: &str| {
        let of_name = |part: &&Node<'_>| part.keyword == "PARAMETER" && part.name() == Some(name);
        node.parts.iter().find(of_name).map_or(Some(0.0), |part| part.number(1))
    };
    let parameter = |&(theirs, code, name): &Parameter| {
        let unit = match theirs {
            "false_easting" | "false_northing" => unit.clone(),
            "scale_factor" => json!("unity"),
            _ => json!("degree"),
        };
        Some(
            json!({ "name": name, "value": value(theirs)?, "unit": unit, "id": { "authority": "EPSG", "code": code } }),
        )
    };
    let mut out = node.named("ProjectedCRS")?;
    out["name"] = json!(node.name()?);
    out["base_crs"] = geographic(node.part("GEOGCS")?)?;
    out["conversion"] = json!({
        "name": node.name()?,
        "method": { "name": method.name, "id": { "authority": "EPSG", "code": method.code } },
        "parameters": method.parameters.iter().map(parameter).collect::<Option<Vec<_>>>()?,
    });
    out["coordinate_system"] = json!({ "subtype": "Cartesian", "axis": axes });
    Some(out)
}

/// What well-known text calls a parameter, and its number and name in the register.
type Parameter = (&'static str, u32, &'static str);

/// A way to project, as the register has it.
struct Method {
    code: u32,
    name: &'static str,
    parameters: Vec<Parameter>,
}

const LATITUDE: Parameter = ("latitude_of_origin", 8801, "Latitude of natural origin");
const LONGITUDE: Parameter = ("central_meridian", 8802, "Longitude of natural origin");
const SCALE: Parameter = ("scale_factor", 8805, "Scale factor at natural origin");
const PARALLEL: Parameter = ("standard_parallel_1", 8823, "Latitude of 1st standard parallel");
const PARALLEL_2: Parameter = ("standard_parallel_2", 8824, "Latitude of 2nd standard parallel");
/// How the origin is counted, by what the origin is.
const FALSE: [Parameter; 2] = [("false_easting", 8806, "False easting"), ("false_northing", 8807, "False northing")];
const AT_ORIGIN: [Parameter; 2] =
    [("false_easting", 8826, "Easting at false origin"), ("false_northing", 8827, "Northing at false origin")];
const AT_CENTRE: [Parameter; 2] = [
    ("false_easting", 8816, "Easting at projection centre"),
    ("false_northing", 8817, "Northing at projection centre"),
];
const OBLIQUE: [Parameter; 5] = [
    ("latitude_of_center", 8811, "Latitude of projection centre"),
    ("longitude_of_center", 8812, "Longitude of projection centre"),
    ("azimuth", 8813, "Azimuth at projection centre"),
    ("rectified_grid_angle", 8814, "Angle from Rectified to Skew Grid"),
    ("scale_factor", 8815, "Scale factor at projection centre"),
];

impl Method {
    /// The method of a projected system; `None` for those that a handful of systems use.
    fn of(node: &Node<'_>) -> Option<Self> {
        // The register's text of Web Mercator is that of a Mercator on the ellipsoid, and a note that it is none.
        let is_web_mercator = node.part("EXTENSION").is_some();
        let (code, name, own, origin): (_, _, &'static [Parameter], &'static [Parameter]) =
            match node.part("PROJECTION")?.name()? {
                "Transverse_Mercator" => (9807, "Transverse Mercator", &[LATITUDE, LONGITUDE, SCALE], &FALSE),
                "Lambert_Conformal_Conic_1SP" => {
                    (9801, "Lambert Conic Conformal (1SP)", &[LATITUDE, LONGITUDE, SCALE], &FALSE)
                }
                "Lambert_Conformal_Conic_2SP" => (
                    9802,
                    "Lambert Conic Conformal (2SP)",
                    &[
                        ("latitude_of_origin", 8821, "Latitude of false origin"),
                        ("central_meridian", 8822, "Longitude of false origin"),
                        PARALLEL,
                        PARALLEL_2,
                    ],
                    &AT_ORIGIN,
                ),
                "Albers_Conic_Equal_Area" => (
                    9822,
                    "Albers Equal Area",
                    &[
                        ("latitude_of_center", 8821, "Latitude of false origin"),
                        ("longitude_of_center", 8822, "Longitude of false origin"),
                        PARALLEL,
                        PARALLEL_2,
                    ],
                    &AT_ORIGIN,
                ),
                "Lambert_Azimuthal_Equal_Area" => (
                    9820,
                    "Lambert Azimuthal Equal Area",
                    &[
                        ("latitude_of_center", 8801, "Latitude of natural origin"),
                        ("longitude_of_center", 8802, "Longitude of natural origin"),
                    ],
                    &FALSE,
                ),
                "Cassini_Soldner" => (9806, "Cassini-Soldner", &[LATITUDE, LONGITUDE], &FALSE),
                "Oblique_Stereographic" => (9809, "Oblique Stereographic", &[LATITUDE, LONGITUDE, SCALE], &FALSE),
                "Mercator_1SP" if is_web_mercator => {
                    (1024, "Popular Visualisation Pseudo Mercator", &[LATITUDE, LONGITUDE], &FALSE)
                }
                "Mercator_1SP" => (9804, "Mercator (variant A)", &[LATITUDE, LONGITUDE, SCALE], &FALSE),
                "Mercator_2SP" => (9805, "Mercator (variant B)", &[PARALLEL, LONGITUDE], &FALSE),
                "Hotine_Oblique_Mercator_Azimuth_Center" => {
                    (9815, "Hotine Oblique Mercator (variant B)", &OBLIQUE, &AT_CENTRE)
                }
                "Hotine_Oblique_Mercator" => (9812, "Hotine Oblique Mercator (variant A)", &OBLIQUE, &FALSE),
                _ => return None,
            };
        Some(Self { code, name, parameters: own.iter().chain(origin).copied().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_every_projected_system_has_its_projjson() {
        let (mut told, mut untold) = (0, 0);
        for code in 1..=u16::MAX {
            let Ok(crs) = Crs::of_epsg(code) else { continue };
            let is_projected = crs_definitions::from_code(code).is_some_and(|def| def.wkt.starts_with("PROJCS"));
            match of(&crs) {
                Some(json) => {
                    let id = json!({ "authority": "EPSG", "code": crs.epsg() });
                    assert_eq!(json["id"], id, "EPSG:{code}");
                    told += usize::from(is_projected);
                }
                None => untold += usize::from(is_projected),
            }
        }
        assert!(told > 4_000 && untold * 40 < told, "{told} told, {untold} not");
    }

    #[test]
    fn a_zone_of_cgcs2000_is_told_in_full() {
        let json = of(&Crs::named("EPSG:4547").unwrap()).unwrap();
        assert_eq!(json["type"], "ProjectedCRS");
        assert_eq!(json["name"], "CGCS2000 / 3-degree Gauss-Kruger CM 114E");
        assert_eq!(json["base_crs"]["id"], json!({ "authority": "EPSG", "code": 4490 }));
        assert_eq!(json["base_crs"]["datum"]["ellipsoid"]["inverse_flattening"], 298.257_222_101);
        assert_eq!(json["conversion"]["method"]["id"]["code"], 9807);
        let parameters = json["conversion"]["parameters"].as_array().unwrap();
        let values: Vec<_> =
            parameters.iter().map(|p| (p["id"]["code"].clone(), p["value"].as_f64().unwrap())).collect();
        let expected = [(8801, 0.0), (8802, 114.0), (8805, 1.0), (8806, 500_000.0), (8807, 0.0)];
        assert_eq!(values, expected.map(|(code, value)| (json!(code), value)));
        assert_eq!(of(&Crs::gcj02()), None);
        let degrees = of(&Crs::named("EPSG:4490").unwrap()).unwrap();
        assert_eq!((&degrees["type"], degrees.get("conversion")), (&json!("GeographicCRS"), None));
    }
}
