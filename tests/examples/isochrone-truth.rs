//! How true isochrones are: the 15-minute polygons of seeded origins against the walking times of places around them.
//!
//! `isochrone-truth CITY.osm.pbf [ORIGINS [SEED]] [--depth M] [--tolerance M] [--open] [-o FILE]`. Origins lie on
//! streets, places evenly around them; those far from any street are left out. `--open` takes all obstacles away. FILE
//! gets origins and places with their times, so that other engines can be asked for the same.

use carecircle_core::geometry::Point;
use carecircle_core::isochrone::{Drawing, isochrones};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::Polylines;
use carecircle_core::polygon::contains;
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::street::Access;
use carecircle_core::study::{Door, SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_tests::dice::Dice;
use carecircle_tests::public_streets::PublicStreets;
use geo::{Coord, Validation};
use serde_json::{Value, json};
use std::error::Error;
use std::f64::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write as _, stdout};
use std::path::Path;
use std::time::Instant;

/// The limit that is judged.
const MINUTES: f64 = 15.0;
/// Places around an origin, evenly within so many metres.
const PLACES: usize = 2_000;
const AROUND_M: f64 = 1_700.0;
/// Places farther from any street than this are left out, metres.
const FAR_M: f64 = 50.0;
/// Places closer to the limit than this, seconds, are a matter of taste.
const CLOSE_S: f64 = 60.0;

struct Request {
    city: String,
    origins: usize,
    seed: u64,
    drawing: Drawing,
    open: bool,
    output: Option<String>,
}

impl Request {
    fn from_args() -> Result<Self, Box<dyn Error>> {
        let mut request =
            Self { city: String::new(), origins: 200, seed: 1, drawing: Drawing::default(), open: false, output: None };
        let mut places = 0;
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg}: a value is missing"));
            match arg.as_str() {
                "--depth" => request.drawing.depth_m = value()?.parse()?,
                "--tolerance" => request.drawing.tolerance_m = value()?.parse()?,
                "--open" => request.open = true,
                "-o" => request.output = Some(value()?),
                _ => {
                    match places {
                        0 => request.city = arg,
                        1 => request.origins = arg.parse()?,
                        2 => request.seed = arg.parse()?,
                        _ => return Err(format!("{arg}: not understood").into()),
                    }
                    places += 1;
                }
            }
        }
        if places == 0 {
            return Err(
                "usage: isochrone-truth CITY.osm.pbf [ORIGINS [SEED]] [--depth M] [--tolerance M] [--open] [-o FILE]"
                    .into(),
            );
        }
        Ok(request)
    }
}

/// How many places are inside by the polygon and by their time.
#[derive(Clone, Copy, Default)]
struct Tally {
    both: usize,
    polygon_only: usize,
    time_only: usize,
}

impl Tally {
    fn add(&mut self, polygon: bool, time: bool) {
        match (polygon, time) {
            (true, true) => self.both += 1,
            (true, false) => self.polygon_only += 1,
            (false, true) => self.time_only += 1,
            (false, false) => {}
        }
    }

    fn precision(&self) -> f64 {
        self.both as f64 / (self.both + self.polygon_only).max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.both as f64 / (self.both + self.time_only).max(1) as f64
    }

    fn f1(&self) -> f64 {
        2.0 * self.precision() * self.recall() / (self.precision() + self.recall())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let request = Request::from_args()?;
    let mut extract = carecircle_osm::read(Path::new(&request.city), &carecircle_osm::ReadOptions::default())?;
    if request.open {
        extract.places.obstacles = Polylines::default();
    }
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let study = Study::new(network, extract.places, None, SNAP_WITHIN_M);
    let network = study.network();
    let weights = network.weigh(&Profile::walk());
    let limit = WalkTime::from_minutes(MINUTES);
    let mut dice = Dice(request.seed);
    let is_public = |edge| weights.is_snappable(edge) && network.edge(edge).access == Access::Public;
    let streets = PublicStreets::of(network, is_public);

    let (mut all, mut clear) = (Tally::default(), Tally::default());
    let (mut millis, mut corners, mut valid) = (Vec::new(), Vec::new(), 0);
    let mut drawn: Vec<Value> = Vec::new();
    let mut search = Search::new();
    for _ in 0..request.origins {
        let origin = streets.draw(network, &mut dice);
        let sources = study.place_source(origin.at, &weights).ok_or("an origin is on no street")?;
        let mut draw = || {
            let start = Instant::now();
            let bands = isochrones(&mut search, &study, &weights, &sources, &[limit], &request.drawing);
            (bands, start.elapsed().as_secs_f64() * 1e3)
        };
        let (bands, _) = draw();
        let mut times = [(); 3].map(|()| draw().1);
        times.sort_by(f64::total_cmp);
        millis.push(times[1]);
        let shape = &bands[0].shape;
        let degrees = network.projection().unproject_shape(shape);
        valid += usize::from(shape.is_valid() && degrees.is_valid());
        let rings = shape.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
        corners.push(rings.map(|ring| ring.0.len() - 1).sum::<usize>());

        let doors: Vec<Origin> =
            sources.doors.iter().map(|Door { snap, .. }| Origin { snap: *snap, label: 0 }).collect();
        let sweep = Sweep::new(network, &weights, &doors, WalkTime::from_minutes(4.0 * MINUTES));
        let mut places = Vec::new();
        for _ in 0..PLACES {
            let (distance, angle) = (AROUND_M * dice.fraction().sqrt(), TAU * dice.fraction());
            let at = origin.at + Coord { x: distance * angle.cos(), y: distance * angle.sin() };
            let Some(snap) = network.snap_for(&weights, at, FAR_M) else { continue };
            let time = sweep.at(network, &weights, &snap).map(|arrival| arrival.time);
            let (in_polygon, in_time) = (contains(shape, at), time.is_some_and(|time| time <= limit));
            all.add(in_polygon, in_time);
            if time.is_none_or(|time| (time.seconds() - limit.seconds()).abs() > CLOSE_S) {
                clear.add(in_polygon, in_time);
            }
            if request.output.is_some() {
                places.push(json!([degrees_of(network, at), time.map(WalkTime::seconds), snap.offset_m]));
            }
        }
        if request.output.is_some() {
            let rings: Vec<Vec<Vec<[f64; 2]>>> = degrees
                .iter()
                .map(|p| {
                    let rings = std::iter::once(p.exterior()).chain(p.interiors());
                    rings.map(|ring| ring.0.iter().map(|c| [c.x, c.y]).collect()).collect()
                })
                .collect();
            drawn.push(json!({ "origin": degrees_of(network, origin.at), "polygons": rings, "places": places }));
        }
    }
    millis.sort_by(f64::total_cmp);
    corners.sort_unstable();
    let mut out = stdout().lock();
    writeln!(
        out,
        "{} origins, depth {} m, tolerance {} m{}",
        request.origins,
        request.drawing.depth_m,
        request.drawing.tolerance_m,
        if request.open { ", without obstacles" } else { "" }
    )?;
    writeln!(
        out,
        "precision {:.4}, recall {:.4}, F1 {:.4}; more than {CLOSE_S} s from the limit: precision {:.4}, recall {:.4}",
        all.precision(),
        all.recall(),
        all.f1(),
        clear.precision(),
        clear.recall(),
    )?;
    writeln!(
        out,
        "median {:.3} ms, slowest {:.3} ms; median {} corners, most {}; {valid} of {} valid",
        millis[millis.len() / 2],
        millis[millis.len() - 1],
        corners[corners.len() / 2],
        corners[corners.len() - 1],
        request.origins,
    )?;
    if let Some(path) = &request.output {
        let mut file = BufWriter::new(File::create(path)?);
        let answer = json!({ "minutes": MINUTES, "speed_kmh": weights.speed().kmh(), "origins": drawn });
        serde_json::to_writer(&mut file, &answer)?;
        file.flush()?;
    }
    Ok(())
}

fn degrees_of(network: &Network, at: Point) -> [f64; 2] {
    let (lon, lat) = network.projection().unproject(at);
    [(lon * 1e7).round() / 1e7, (lat * 1e7).round() / 1e7]
}
