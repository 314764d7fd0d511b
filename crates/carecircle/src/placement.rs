//! Whether a table's points lie where its coordinate system says: by the streets around them.
//!
//! Nothing is put right here. Coordinates are taken as declared; what another reading of them would give is only said.

use carecircle_core::geometry::{LonLat, Point, geodesic_m};
use carecircle_core::network::Network;
use carecircle_formats::crs::Crs;
use carecircle_formats::table::Remark;
use rstar::RTree;

/// A point farther than this from any street is in the wrong place, or the map is.
const FAR_M: f64 = 300.0;
/// Fewer points don't tell which of two readings fits better.
const LEAST_POINTS: usize = 10;
/// Another reading clearly fits better where the mean of ln(distance) is lower by so many of its own standard errors, and
/// points lie so many times nearer to a street.
const CLEAR_ERRORS: f64 = 4.0;
const CLEAR_TIMES: f64 = 1.25;
/// No distance counts for more.
const MOST_M: f64 = 100_000.0;
/// Distances are compared from this on: whether a point lies 1 m or 4 m off a street tells nothing.
const BLUR_M: f64 = 5.0;

/// Another way to read a table's coordinates.
struct Reading {
    crs: Crs,
    /// North first, east second.
    swapped: bool,
}

impl Reading {
    fn at(&self, declared: &Crs, at: LonLat) -> Option<LonLat> {
        let (x, y) = declared.from_wgs84(at.lon(), at.lat())?;
        let (x, y) = if self.swapped { (y, x) } else { (x, y) };
        self.crs.to_wgs84(x, y).and_then(|(lon, lat)| LonLat::from_degrees(lon, lat))
    }

    /// What to say of it, in English and Chinese, and how to declare it.
    fn told(&self, layer: &str) -> [String; 2] {
        if self.swapped {
            return ["longitude and latitude look swapped".to_owned(), "经度与纬度疑似颠倒".to_owned()];
        }
        let (called, name) = match self.crs.name() {
            "gcj02" => ("GCJ-02", "gcj02"),
            "bd09" => ("BD-09", "bd09"),
            "wgs84" => ("WGS 84", "wgs84"),
            name => (name, name),
        };
        [
            format!("these look like {called}: declare them with --crs {layer}={name}"),
            format!("坐标疑似 {called}：请用 --crs {layer}={name} 声明"),
        ]
    }
}

/// What the map says against a table's coordinates as they were declared, if anything: its streets, and its own things of
/// the same layer (`mapped`), of which a register has many too.
pub(crate) fn doubt(
    network: &Network,
    mapped: &[LonLat],
    (layer, table): (&str, &str),
    declared: &Crs,
    places: &[LonLat],
) -> Option<Remark> {
    let projection = network.projection();
    let mapped = RTree::bulk_load(mapped.iter().map(|&m| projection.project(m)).map(|p| [p.x, p.y]).collect());
    let metres = |m: Option<f64>| m.unwrap_or(MOST_M).min(MOST_M);
    let measure = |places: &[Option<LonLat>]| -> Distances {
        let on_plan = || places.iter().map(|at| at.map(|at| projection.project(at)));
        let to_mapped =
            |p: Point| mapped.nearest_neighbor_iter_with_distance_2([p.x, p.y]).next().map(|(_, m2)| m2.sqrt());
        Distances {
            to_street: on_plan().map(|p| metres(p.and_then(|p| network.nearest_m(p)))).collect(),
            to_mapped: on_plan().map(|p| metres(p.and_then(to_mapped))).collect(),
        }
    };
    let as_declared = measure(&places.iter().copied().map(Some).collect::<Vec<_>>());
    let is_lost = as_declared.far() * 2 > places.len();

    let other = |crs: Crs, swapped: bool| Reading { crs, swapped };
    let mut others = vec![other(declared.clone(), true)];
    others.extend(
        [Crs::wgs84(), Crs::gcj02(), Crs::bd09()].into_iter().filter(|c| c != declared).map(|c| other(c, false)),
    );
    let fits = others.into_iter().filter_map(|reading| {
        let moved: Vec<Option<LonLat>> = places.iter().map(|&at| reading.at(declared, at)).collect();
        // Outside China the systems are one.
        let is_same = places.iter().zip(&moved).all(|(&at, to)| to.is_some_and(|to| geodesic_m(at, to) < 1.0));
        let distances = measure(&moved);
        let gains = [
            Gain::of(&as_declared.to_street, &distances.to_street),
            Gain::of(&as_declared.to_mapped, &distances.to_mapped),
        ];
        let found = is_lost && distances.far() * 2 <= places.len();
        let is_clear =
            places.len() >= LEAST_POINTS && gains.iter().any(Gain::is_clear) && !gains.iter().any(Gain::is_loss);
        (!is_same && (found || is_clear)).then_some((gains[0].times * gains[1].times, reading))
    });
    let fits: Vec<(f64, Reading)> = fits.collect();
    let names: Vec<&str> = fits.iter().filter(|(_, r)| !r.swapped).map(|(_, r)| r.crs.name()).collect();
    let hint = if is_lost && names.len() > 1 {
        // A few hundred metres don't show beside the thousands of kilometres that the wrong system put them away.
        let names = names.join(", ");
        Some([
            format!("these may be in one of {names}: declare which with --crs {layer}=…"),
            format!("坐标可能属于 {names} 之一：请用 --crs {layer}=… 声明"),
        ])
    } else {
        let best = fits.into_iter().reduce(|a, b| if b.0 > a.0 { b } else { a });
        best.map(|(_, reading)| reading.told(layer))
    };
    let (n, lost, crs) = (places.len(), as_declared.far(), declared.name());
    match (is_lost, hint) {
        (true, hint) => {
            let [en, zh] = hint.unwrap_or_else(|| {
                [
                    "another city, or another coordinate system?".to_owned(),
                    "是否属于其他城市或采用其他坐标系？".to_owned(),
                ]
            });
            Some(Remark {
                en: format!(
                    "warning: {table}: {lost} of {n} points, read as {crs}, lie farther than {FAR_M} m from any street; {en}"
                ),
                zh: format!("注意：{table}：按 {crs} 读取时，{n} 个点中有 {lost} 个距任何道路超过 {FAR_M} 米；{zh}"),
            })
        }
        (false, Some([en, zh])) => Some(Remark {
            en: format!("warning: {table}: read as {crs}, its points clearly fit the map worse than they might; {en}"),
            zh: format!("注意：{table}：按 {crs} 读取时，点位与地图明显不符；{zh}"),
        }),
        (false, None) => None,
    }
}

/// How far points are from what is on the map, metres.
struct Distances {
    to_street: Vec<f64>,
    to_mapped: Vec<f64>,
}

impl Distances {
    /// Points far from any street.
    fn far(&self) -> usize {
        self.to_street.iter().filter(|&&m| m > FAR_M).count()
    }
}

/// How much nearer points come.
struct Gain {
    /// So many times, in the geometric mean.
    times: f64,
    /// That mean's logarithm, in its own standard errors.
    errors: f64,
}

impl Gain {
    fn of(before: &[f64], after: &[f64]) -> Self {
        let n = before.len() as f64;
        let gains: Vec<f64> = before.iter().zip(after).map(|(b, a)| ((b + BLUR_M) / (a + BLUR_M)).ln()).collect();
        let mean = gains.iter().sum::<f64>() / n;
        let variance = gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { times: mean.exp(), errors: mean / (variance / n).sqrt().max(f64::MIN_POSITIVE) }
    }

    fn is_clear(&self) -> bool {
        self.errors >= CLEAR_ERRORS && self.times >= CLEAR_TIMES
    }

    fn is_loss(&self) -> bool {
        self.errors <= -CLEAR_ERRORS / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::network::NetworkOptions;
    use carecircle_formats::columns::{self, Declared};
    use carecircle_formats::table::Table;
    use std::path::Path;

    #[test]
    fn another_coordinate_system_shows_in_the_demo_town() {
        let extract = carecircle_osm::read_from(
            std::io::Cursor::new(include_bytes!("../../../fixtures/demo/town.osm.pbf")),
            &carecircle_osm::ReadOptions::default(),
        );
        let extract = extract.unwrap();
        let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
        let mapped: Vec<LonLat> = extract.places.facilities.iter().map(|f| f.at).collect();
        let table = Table::read(Path::new("../../fixtures/demo/facilities.csv")).unwrap();
        let true_places: Vec<LonLat> =
            columns::facilities(&table, &Declared::default()).unwrap().used.iter().map(|f| f.at).collect();
        let read = |written: &Crs, swapped: bool, declared: &Crs| {
            let reading = Reading { crs: declared.clone(), swapped };
            let places: Vec<LonLat> = true_places.iter().filter_map(|&at| reading.at(written, at)).collect();
            doubt(&network, &mapped, ("facilities", "f.csv"), declared, &places).map(|remark| remark.en)
        };
        let (wgs84, gcj02, bd09) = (Crs::wgs84(), Crs::gcj02(), Crs::bd09());
        for crs in [&wgs84, &gcj02, &bd09] {
            assert_eq!(read(crs, false, crs), None, "{}", crs.name());
        }
        for (written, declared, hint) in [
            (&gcj02, &wgs84, "--crs facilities=gcj02"),
            (&bd09, &wgs84, "--crs facilities=bd09"),
            (&wgs84, &gcj02, "--crs facilities=wgs84"),
        ] {
            let said = read(written, false, declared).unwrap();
            assert!(said.contains(hint), "{said}");
        }
        // Degrees taken for metres: any of the three may be meant.
        let metres = Crs::named("EPSG:3857").unwrap();
        let said = {
            let places: Vec<LonLat> = true_places
                .iter()
                .filter_map(|at| metres.to_wgs84(at.lon(), at.lat()).and_then(|(x, y)| LonLat::from_degrees(x, y)))
                .collect();
            doubt(&network, &mapped, ("facilities", "f.csv"), &metres, &places).unwrap().en
        };
        assert!(said.contains("one of wgs84, gcj02, bd09"), "{said}");
        let elsewhere: Vec<LonLat> =
            (0..3).filter_map(|i| LonLat::from_degrees(28.8, 47.0 + f64::from(i) * 0.01)).collect();
        let said = doubt(&network, &mapped, ("facilities", "f.csv"), &wgs84, &elsewhere).unwrap().en;
        assert!(said.contains("3 of 3 points") && said.contains("another city"), "{said}");
    }

    #[test]
    fn swapped_coordinates_show() {
        let extract = carecircle_osm::read_from(
            std::io::Cursor::new(include_bytes!("../../../fixtures/demo/town.osm.pbf")),
            &carecircle_osm::ReadOptions::default(),
        );
        let mut streets = extract.unwrap().streets;
        // The town 75 degrees farther west, where its longitude may be a latitude too.
        for at in &mut streets.points {
            *at = LonLat::from_degrees(at.lon() - 75.0, at.lat()).unwrap();
        }
        let (network, _) = Network::build(&streets, NetworkOptions::default());
        let swapped: Vec<LonLat> =
            streets.points.iter().step_by(50).map(|at| LonLat::from_degrees(at.lat(), at.lon()).unwrap()).collect();
        let said = doubt(&network, &[], ("facilities", "f.csv"), &Crs::wgs84(), &swapped).unwrap().en;
        assert!(said.contains("longitude and latitude look swapped"), "{said}");
    }
}
