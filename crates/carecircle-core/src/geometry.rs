//! Places on the earth and on the plan.
//!
//! Owns the two coordinate systems and the way between them: [`LonLat`] (degrees, fixed point, as OpenStreetMap stores
//! them) at the edge, [`Point`] (local metres) inside. It knows nothing of streets.

use geo::{Coord, MapCoords, MultiPolygon};

/// A place on the plan: metres east and north of the projection's centre.
pub type Point = Coord<f64>;

/// A polygon or several, in local metres.
pub type Shape = MultiPolygon<f64>;

/// A polygon or several, in degrees (WGS 84): as it came in, or as it goes out.
pub type LonLatShape = MultiPolygon<f64>;

/// Steps of [`LonLat`] in one degree.
const STEPS_PER_DEGREE: f64 = 1e7;

/// A place on the earth (WGS 84) in steps of 1e-7 degrees, about a centimetre: the precision of OpenStreetMap and of
/// every output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LonLat {
    /// Longitude in 1e-7 degrees, east positive.
    pub lon_e7: i32,
    /// Latitude in 1e-7 degrees, north positive.
    pub lat_e7: i32,
}

impl LonLat {
    /// The place at a longitude and latitude in degrees, rounded to 1e-7; `None` when not finite or outside ±180, ±90.
    pub fn from_degrees(lon: f64, lat: f64) -> Option<Self> {
        let inside = (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
        inside.then(|| Self { lon_e7: rounded(lon * STEPS_PER_DEGREE), lat_e7: rounded(lat * STEPS_PER_DEGREE) })
    }

    /// Longitude in degrees.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / STEPS_PER_DEGREE
    }

    /// Latitude in degrees.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / STEPS_PER_DEGREE
    }
}

/// A number within ±2³¹ − 1 rounded, halves away from zero: what `round` does, in a third of the time.
fn rounded(value: f64) -> i32 {
    let whole = value as i32;
    let rest = value - f64::from(whole);
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

/// The WGS 84 ellipsoid: semi-major axis in metres and first eccentricity squared (NIMA TR8350.2).
const A: f64 = 6_378_137.0;
const F: f64 = 1.0 / 298.257_223_563;
const E2: f64 = F * (2.0 - F);

/// Length in metres of the geodesic between two near places.
///
/// The chord in the plane of the two radii of curvature at the mean latitude (Gauss's mid-latitude formula, Torge and
/// Müller, *Geodesy*, 4th ed., §6.2, first term): within 1e-7 of Karney's solution up to 20 km, a street segment is far
/// shorter.
pub fn geodesic_m(a: LonLat, b: LonLat) -> f64 {
    let mean = (f64::from(a.lat_e7) + f64::from(b.lat_e7)) * (0.5 / STEPS_PER_DEGREE);
    let cos = mean.to_radians().cos();
    let w2 = 1.0 - E2 * (1.0 - cos * cos);
    let n = A / w2.sqrt();
    let m = n * (1.0 - E2) / w2;
    let dlon = short_way(f64::from(b.lon_e7) - f64::from(a.lon_e7), STEPS_PER_DEGREE)
        * (std::f64::consts::PI / (180.0 * STEPS_PER_DEGREE));
    let dlat = (f64::from(b.lat_e7) - f64::from(a.lat_e7)) * (std::f64::consts::PI / (180.0 * STEPS_PER_DEGREE));
    let (east, north) = (n * cos * dlon, m * dlat);
    // Not `hypot`: nothing here can overflow, and an import measures half a million of these.
    (east * east + north * north).sqrt()
}

/// Transverse Mercator with scale 1 on a central meridian: the one way between degrees and local metres.
///
/// Snyder, *Map Projections: A Working Manual* (USGS PP 1395, 1987), equations 3-21, 3-26 and 8-9 to 8-18; good to a
/// millimetre within three degrees of the centre. Shapes are drawn and snaps are measured in this plane; lengths of
/// streets are not (see [`geodesic_m`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    centre: LonLat,
    lon0: f64,
    meridian0: f64,
}

impl Projection {
    /// The projection whose origin is `centre`.
    pub fn new(centre: LonLat) -> Self {
        let (sin, cos) = clamp_lat(centre.lat()).to_radians().sin_cos();
        let meridian0 = meridian_arc(clamp_lat(centre.lat()).to_radians(), sin, cos);
        Self { centre, lon0: centre.lon(), meridian0 }
    }

    /// Where the plane's origin lies.
    pub fn centre(&self) -> LonLat {
        self.centre
    }

    /// From the earth to the plan.
    pub fn project(&self, at: LonLat) -> Point {
        self.project_degrees(at.lon(), at.lat())
    }

    fn project_degrees(&self, lon: f64, lat: f64) -> Point {
        let phi = clamp_lat(lat).to_radians();
        let (sin, cos) = phi.sin_cos();
        let t = (sin / cos) * (sin / cos);
        let ep2 = E2 / (1.0 - E2);
        let c = ep2 * cos * cos;
        let a = short_way(lon - self.lon0, 1.0).to_radians() * cos;
        let n = A / (1.0 - E2 * sin * sin).sqrt();
        let a2 = a * a;
        let x = n * a * (1.0 + a2 / 6.0 * (1.0 - t + c + a2 / 20.0 * (5.0 - 18.0 * t + t * t + 72.0 * c - 58.0 * ep2)));
        let y = meridian_arc(phi, sin, cos) - self.meridian0
            + n * (sin / cos)
                * a2
                * (0.5
                    + a2 / 24.0
                        * (5.0 - t
                            + 9.0 * c
                            + 4.0 * c * c
                            + a2 / 30.0 * (61.0 - 58.0 * t + t * t + 600.0 * c - 330.0 * ep2)));
        Point { x, y }
    }

    /// From the plan back to degrees, longitude then latitude, not rounded.
    ///
    /// The series of the inverse is a tenth of a millimetre off the forward one; a second look takes that away.
    pub fn unproject(&self, at: Point) -> (f64, f64) {
        let (lon, lat) = self.unproject_once(at);
        let there = self.project_degrees(lon, lat);
        self.unproject_once(at + (at - there))
    }

    fn unproject_once(&self, at: Point) -> (f64, f64) {
        let e1 = (1.0 - (1.0 - E2).sqrt()) / (1.0 + (1.0 - E2).sqrt());
        let mu = (self.meridian0 + at.y) / (A * MERIDIAN[0]);
        let phi1 = mu
            + (1.5 * e1 - 27.0 / 32.0 * e1.powi(3)) * (2.0 * mu).sin()
            + (21.0 / 16.0 * e1 * e1 - 55.0 / 32.0 * e1.powi(4)) * (4.0 * mu).sin()
            + 151.0 / 96.0 * e1.powi(3) * (6.0 * mu).sin()
            + 1097.0 / 512.0 * e1.powi(4) * (8.0 * mu).sin();
        let (sin, cos) = phi1.sin_cos();
        let tan = sin / cos;
        let t = tan * tan;
        let ep2 = E2 / (1.0 - E2);
        let c = ep2 * cos * cos;
        let w2 = 1.0 - E2 * sin * sin;
        let n = A / w2.sqrt();
        let r = n * (1.0 - E2) / w2;
        let d = at.x / n;
        let d2 = d * d;
        let lat = phi1
            - n * tan / r
                * d2
                * (0.5
                    - d2 / 24.0
                        * (5.0 + 3.0 * t + 10.0 * c
                            - 4.0 * c * c
                            - 9.0 * ep2
                            - d2 / 30.0 * (61.0 + 90.0 * t + 298.0 * c + 45.0 * t * t - 252.0 * ep2 - 3.0 * c * c)));
        let lon = d / cos
            * (1.0
                - d2 / 6.0
                    * (1.0 + 2.0 * t + c
                        - d2 / 20.0 * (5.0 - 2.0 * c + 28.0 * t - 3.0 * c * c + 8.0 * ep2 + 24.0 * t * t)));
        (short_way(self.lon0 + lon.to_degrees(), 1.0), lat.to_degrees())
    }

    /// How much longer a metre on the ground is drawn at a place on the plan: 1 on the central meridian, 1.00003 fifty
    /// kilometres off it.
    pub fn scale_at(&self, at: Point) -> f64 {
        (at.x / A).cosh()
    }

    /// A shape from degrees to the plan.
    pub fn project_shape(&self, shape: &LonLatShape) -> Shape {
        shape.map_coords(|c| self.project_degrees(c.x, c.y))
    }

    /// A shape from the plan back to degrees, each coordinate rounded once to seven decimals.
    pub fn unproject_shape(&self, shape: &Shape) -> LonLatShape {
        shape.map_coords(|c| {
            let (lon, lat) = self.unproject(c);
            Coord { x: round7(lon), y: round7(lat) }
        })
    }
}

/// A difference of longitudes, in units of which `per_degree` make a degree, the short way round the earth.
fn short_way(difference: f64, per_degree: f64) -> f64 {
    let half = 180.0 * per_degree;
    if difference > half {
        difference - 2.0 * half
    } else if difference < -half {
        difference + 2.0 * half
    } else {
        difference
    }
}

/// Degrees rounded to seven decimals, the most that any output carries.
pub fn round7(degrees: f64) -> f64 {
    (degrees * STEPS_PER_DEGREE).round() / STEPS_PER_DEGREE
}

/// The poles have no place on a transverse Mercator plan; nobody walks to childcare there.
fn clamp_lat(lat: f64) -> f64 {
    lat.clamp(-89.5, 89.5)
}

/// Coefficients of Snyder's equation 3-21.
const MERIDIAN: [f64; 4] = [
    1.0 - E2 / 4.0 - 3.0 * E2 * E2 / 64.0 - 5.0 * E2 * E2 * E2 / 256.0,
    3.0 * E2 / 8.0 + 3.0 * E2 * E2 / 32.0 + 45.0 * E2 * E2 * E2 / 1024.0,
    15.0 * E2 * E2 / 256.0 + 45.0 * E2 * E2 * E2 / 1024.0,
    35.0 * E2 * E2 * E2 / 3072.0,
];

/// Metres along the meridian from the equator. Multiples of the angle come from its sine and cosine: this is the inner
/// loop of an import.
fn meridian_arc(phi: f64, sin: f64, cos: f64) -> f64 {
    let sin2 = 2.0 * sin * cos;
    let cos2 = cos * cos - sin * sin;
    let sin4 = 2.0 * sin2 * cos2;
    let sin6 = sin4 * cos2 + (1.0 - 2.0 * sin2 * sin2) * sin2;
    A * (MERIDIAN[0] * phi - MERIDIAN[1] * sin2 + MERIDIAN[2] * sin4 - MERIDIAN[3] * sin6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Distance, Geodesic};
    use proptest::prelude::*;

    fn place(lon: f64, lat: f64) -> LonLat {
        LonLat::from_degrees(lon, lat).unwrap()
    }

    proptest! {
        #[test]
        fn lengths_agree_with_karney(lon in -179.0..179.0f64, lat in -75.0..75.0f64, dx in -0.02..0.02f64, dy in -0.02..0.02f64) {
            let (a, b) = (place(lon, lat), place(lon + dx, lat + dy));
            let truth = Geodesic.distance(geo::Point::new(a.lon(), a.lat()), geo::Point::new(b.lon(), b.lat()));
            prop_assert!((geodesic_m(a, b) - truth).abs() <= 1e-6 * truth + 1e-6, "{} vs {truth}", geodesic_m(a, b));
        }

        #[test]
        fn a_place_survives_the_way_to_the_plan_and_back(lon in -170.0..170.0f64, lat in -70.0..70.0f64, dx in -1.0..1.0f64, dy in -1.0..1.0f64) {
            let projection = Projection::new(place(lon, lat));
            let at = place(lon + dx, lat + dy);
            let (lon, lat) = projection.unproject(projection.project(at));
            prop_assert!((lon - at.lon()).abs() < 1e-11 && (lat - at.lat()).abs() < 1e-11, "{lon}, {lat} is not {at:?}");
        }

        #[test]
        fn the_plan_keeps_lengths_near_its_centre(lon in -170.0..170.0f64, lat in -70.0..70.0f64, dx in -0.01..0.01f64, dy in -0.01..0.01f64) {
            let projection = Projection::new(place(lon, lat));
            let (a, b) = (place(lon, lat), place(lon + dx, lat + dy));
            let (p, q) = (projection.project(a), projection.project(b));
            let plane = (p.x - q.x).hypot(p.y - q.y);
            prop_assert!((plane - geodesic_m(a, b)).abs() <= 2e-6 * plane + 1e-3);
        }
    }

    #[test]
    fn the_date_line_is_no_border() {
        let (east, west) = (place(179.999, 52.0), place(-179.999, 52.0));
        assert!((geodesic_m(east, west) - 137.3).abs() < 0.1, "{}", geodesic_m(east, west));
        let projection = Projection::new(east);
        assert!((projection.project(west).x - 137.3).abs() < 0.1);
        let (lon, lat) = projection.unproject(projection.project(west));
        assert_eq!(LonLat::from_degrees(lon, lat), Some(west));
    }

    #[test]
    fn degrees_outside_the_earth_are_refused() {
        assert_eq!(LonLat::from_degrees(180.1, 0.0), None);
        assert_eq!(LonLat::from_degrees(0.0, f64::NAN), None);
        assert!(LonLat::from_degrees(-180.0, 90.0).is_some());
    }
}
