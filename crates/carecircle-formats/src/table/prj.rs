//! Coordinate systems told by well-known text, as `.prj` files and GeoPackages hold them.

/// The number in the EPSG register of a system given as well-known text: by its authority, else by its name and
/// parameters; the error is what the text calls the system.
pub(super) fn epsg(text: &str) -> Result<u32, String> {
    let name = text.split('"').nth(1).unwrap_or("an unnamed coordinate system").to_owned();
    if let Some(code) = authority(text) {
        return Ok(code);
    }
    let is = plain(&name);
    let base = plain(text);
    let is_cgcs2000 = base.contains("cgcs2000") || base.contains("chinageodeticcoordinatesystem2000");
    let is_wgs84 = base.contains("wgs1984") || base.contains("wgs84");
    let keyword = plain(text.split(['[', '(']).next().unwrap_or_default());
    let found = match keyword.as_str() {
        "geogcs" | "geogcrs" | "geodcrs" if is_cgcs2000 => Some(4_490),
        "geogcs" | "geogcrs" | "geodcrs" if is_wgs84 => Some(4_326),
        "projcs" | "projcrs" if is.contains("webmercator") || is.contains("pseudomercator") => Some(3_857),
        "projcs" | "projcrs" if is_cgcs2000 && is_transverse_mercator(&base) => gauss_kruger(text, &is),
        "projcs" | "projcrs" if is_wgs84 => utm(&is),
        _ => None,
    };
    found.or_else(|| esri(text, &is)).ok_or(name)
}

/// What ArcGIS calls the systems of the register.
const ESRI_NAMES: &str = include_str!("../../data/esri_names.txt");

/// The system that ArcGIS calls by a name, given plain; none where the text has another meridian, scale or easting than that system:
/// somebody changed it and kept its name.
fn esri(text: &str, name: &str) -> Option<u32> {
    let lines = ESRI_NAMES.lines().filter_map(|line| line.split_once(' '));
    let (code, _) = lines.filter(|(code, _)| *code != "#").find(|(_, known)| plain(known) == name)?;
    let system = crs_definitions::from_code(code.parse().ok()?)?;
    let defined = |key: &str| {
        let value = system.proj4.split_whitespace().find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
        value.and_then(|value| value.parse::<f64>().ok())
    };
    let of_utm = |key: &str, value: f64| defined(key).or(system.proj4.contains("+proj=utm").then_some(value));
    let meridian = defined("+zone").map(|zone| zone * 6.0 - 183.0).or(defined("+lon_0"));
    let scale = of_utm("+k", 0.999_6).or(defined("+k_0"));
    let told_m = parameter(text, "falseeasting").zip(last_unit_m(text)).map(|(easting, unit_m)| easting * unit_m);
    let agree = [
        (parameter(text, "centralmeridian"), meridian, 1e-6),
        (parameter(text, "scalefactor"), scale, 1e-8),
        (told_m, of_utm("+x_0", 500_000.0), 0.01),
    ];
    let is_same = agree.iter().all(|(told, known, slack)| match (told, known) {
        (Some(told), Some(known)) => (told - known).abs() <= *slack,
        _ => true,
    });
    code.parse().ok().filter(|_| is_same)
}

/// The last unit, which is that of a projected system's coordinates, in metres.
fn last_unit_m(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split('"').collect();
    let at = parts.iter().rposition(|part| plain(part).ends_with("unit"))?;
    parts.get(at + 2)?.trim_start().strip_prefix(',')?.split([']', ')', ',']).next()?.trim().parse().ok()
}

/// Letters and digits alone, in lower case: programs differ in the rest.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The EPSG number of the system itself: those of its ellipsoid and units stand deeper.
fn authority(text: &str) -> Option<u32> {
    let (mut depth, mut quoted) = (0_u32, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'(' => {
                let before = text[..at].trim_end().to_ascii_uppercase();
                if depth == 1 && (before.ends_with("AUTHORITY") || before.ends_with(",ID")) {
                    let inner = text[at + 1..].split([']', ')']).next()?;
                    let mut parts = inner.split(',').map(|part| part.trim().trim_matches('"'));
                    let is_epsg = parts.next()?.eq_ignore_ascii_case("EPSG");
                    return parts.next()?.parse().ok().filter(|_| is_epsg);
                }
                depth += 1;
            }
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn is_transverse_mercator(base: &str) -> bool {
    base.contains("gausskruger") || base.contains("transversemercator")
}

/// A parameter's value.
fn parameter(text: &str, name: &str) -> Option<f64> {
    let mut parts = text.split('"').skip(1);
    while let Some(part) = parts.next() {
        if plain(part) == name {
            let value = parts.next()?.trim_start().strip_prefix(',')?;
            return value.split([']', ')', ',']).next()?.trim().parse().ok();
        }
    }
    None
}

/// CGCS2000 in Gauss-Krüger zones of three or six degrees, with or without the zone's number before the easting.
fn gauss_kruger(text: &str, name: &str) -> Option<u32> {
    let meridian = parameter(text, "centralmeridian").or_else(|| parameter(text, "longitudeofnaturalorigin"))?;
    let easting = parameter(text, "falseeasting")?;
    let whole = |value: f64| (value.fract() == 0.0 && (0.0..1e8).contains(&value)).then_some(value as u32);
    let (meridian, easting) = (whole(meridian)?, whole(easting)?);
    let is_plain = parameter(text, "scalefactor").is_none_or(|k| (k - 1.0).abs() < 1e-9);
    if easting % 1_000_000 != 500_000 || !is_plain {
        return None;
    }
    let zone = easting / 1_000_000;
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

/// WGS 84 in the zones of the Universal Transverse Mercator system.
fn utm(name: &str) -> Option<u32> {
    let zone = &name[name.find("utmzone")? + "utmzone".len()..];
    let number: u32 = zone.trim_end_matches(['n', 's']).parse().ok().filter(|z| (1..=60).contains(z))?;
    Some(number + if zone.ends_with('s') { 32_700 } else { 32_600 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ArcGIS writes it: no authority.
    fn esri(name: &str, meridian: f64, easting: f64) -> String {
        format!(
            "PROJCS[\"{name}\",GEOGCS[\"GCS_China_Geodetic_Coordinate_System_2000\",DATUM[\"D_China_2000\",SPHEROID[\"CGCS2000\",\
             6378137.0,298.257222101]],PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]],\
             PROJECTION[\"Gauss_Kruger\"],PARAMETER[\"False_Easting\",{easting:.1}],PARAMETER[\"False_Northing\",0.0],\
             PARAMETER[\"Central_Meridian\",{meridian:.1}],PARAMETER[\"Scale_Factor\",1.0],UNIT[\"Meter\",1.0]]"
        )
    }

    #[test]
    fn systems_are_known_by_authority_or_by_parameters() {
        let wgs84 = "GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_WGS_1984\",SPHEROID[\"WGS_1984\",6378137,298.25]]]";
        assert_eq!(epsg(wgs84), Ok(4_326));
        let deeper = "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",AUTHORITY[\"EPSG\",\"6326\"]],AUTHORITY[\"EPSG\",\"4326\"]]";
        assert_eq!(epsg(deeper), Ok(4_326));
        assert_eq!(epsg("PROJCRS[\"ETRS89 / TM35FIN(E,N)\",BASEGEOGCRS[\"ETRS89\"],ID[\"EPSG\",3067]]"), Ok(3_067));
        assert_eq!(epsg("PROJCS[\"WGS_1984_Web_Mercator_Auxiliary_Sphere\",GEOGCS[\"GCS_WGS_1984\"]]"), Ok(3_857));
        assert_eq!(epsg("PROJCS[\"WGS_1984_UTM_Zone_50N\",GEOGCS[\"GCS_WGS_1984\"]]"), Ok(32_650));
        assert_eq!(epsg("GEOGCS[\"GCS_Beijing_1954\",DATUM[\"D_Beijing_1954\"]]"), Err("GCS_Beijing_1954".to_owned()));
        assert_eq!(epsg("garbage"), Err("an unnamed coordinate system".to_owned()));
    }

    #[test]
    fn what_arcgis_calls_a_system_is_known_where_its_numbers_agree() {
        let utm = |name: &str, meridian: i32| {
            format!(
                "PROJCS[\"{name}\",GEOGCS[\"GCS_North_American_1983\",DATUM[\"D_North_American_1983\",SPHEROID[\"GRS_1980\",\
                 6378137.0,298.257222101]],PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]],\
                 PROJECTION[\"Transverse_Mercator\"],PARAMETER[\"False_Easting\",500000.0],PARAMETER[\"False_Northing\",0.0],\
                 PARAMETER[\"Central_Meridian\",{meridian}.0],PARAMETER[\"Scale_Factor\",0.9996],UNIT[\"Meter\",1.0]]"
            )
        };
        assert_eq!(epsg(&utm("NAD_1983_UTM_Zone_17N", -81)), Ok(26_917));
        assert_eq!(epsg(&utm("NAD_1983_UTM_Zone_17N", -87)), Err("NAD_1983_UTM_Zone_17N".to_owned()));
        assert_eq!(epsg(&utm("ETRS_1989_UTM_Zone_33N", 15)), Ok(25_833));
        assert_eq!(epsg(&utm("SIRGAS_2000_UTM_Zone_23S", -45)), Ok(31_983));
        assert_eq!(epsg(&utm("My_UTM_Zone_17N", -81)), Err("My_UTM_Zone_17N".to_owned()));
        assert_eq!(epsg("GEOGCS[\"GCS_ETRS_1989\",DATUM[\"D_ETRS_1989\"]]"), Ok(4_258));
        let feet = "PROJCS[\"NAD_1983_StatePlane_New_York_Long_Island_FIPS_3104_Feet\",GEOGCS[\"GCS_North_American_1983\",\
            UNIT[\"Degree\",0.0174532925199433]],PARAMETER[\"False_Easting\",984250.0],PARAMETER[\"Central_Meridian\",-74.0],\
            UNIT[\"Foot_US\",0.3048006096012192]]";
        assert_eq!(epsg(feet), Ok(2_263));
        assert!(epsg(&feet.replace("984250.0", "1000000.0")).is_err());
    }

    #[test]
    fn every_name_of_arcgis_is_of_a_system_that_can_be_computed() {
        let mut names = std::collections::BTreeSet::new();
        for line in ESRI_NAMES.lines().filter(|line| !line.starts_with('#')) {
            let (code, name) = line.split_once(' ').unwrap();
            let crs = crate::crs::Crs::of_epsg(code.parse().unwrap());
            assert!(crs.is_ok(), "{line}");
            assert!(names.insert(plain(name)), "{name} stands there twice");
        }
    }

    #[test]
    fn the_zones_of_cgcs2000_are_known_by_meridian_and_easting() {
        for (name, meridian, easting, code) in [
            ("CGCS2000_3_Degree_GK_CM_120E", 120.0, 500_000.0, 4_549),
            ("CGCS2000_3_Degree_GK_Zone_40", 120.0, 40_500_000.0, 4_528),
            ("CGCS2000_GK_CM_105E", 105.0, 500_000.0, 4_507),
            ("CGCS2000_GK_Zone_18", 105.0, 18_500_000.0, 4_496),
            ("CGCS2000_3_Degree_GK_CM_117E", 117.0, 500_000.0, 4_548),
        ] {
            assert_eq!(epsg(&esri(name, meridian, easting)), Ok(code), "{name}");
        }
        assert!(epsg(&esri("Hangzhou_local", 120.25, 500_000.0)).is_err());
        assert!(epsg(&esri("shifted", 120.0, 450_000.0)).is_err());
    }
}
