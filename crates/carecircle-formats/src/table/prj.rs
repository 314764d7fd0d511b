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
    found.ok_or(name)
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
