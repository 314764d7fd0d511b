//! `carecircle isochrone`: from where a place is reached within some minutes.

use crate::inputs::{Inputs, Walker};
use crate::lang::Lang;
use crate::output::write_whole;
use crate::timings::Timings;
use crate::{bad_input, bad_parameter};
use anyhow::Result;
use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone::{Drawing, isochrones};
use carecircle_core::polygon::area_m2;
use carecircle_core::profile::Profile;
use carecircle_core::search::Search;
use carecircle_core::time::WalkTime;
use carecircle_formats::{geojson, policy};
use clap::Args;
use serde_json::{Map, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct DrawIsochrone {
    /// An OpenStreetMap extract (.osm.pbf); without it the demo town
    city: Option<PathBuf>,
    /// The place, in degrees
    #[arg(long, value_name = "LON,LAT", allow_hyphen_values = true)]
    at: String,
    /// One polygon for each number of minutes
    #[arg(long, value_name = "M,…", default_value = "5,10,15")]
    minutes: String,
    #[command(flatten)]
    walker: Walker,
    /// Where the polygons go: .geojson; `-` streams to standard output
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// Language of messages [default: the environment's]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

impl DrawIsochrone {
    pub(crate) fn run(&self) -> Result<()> {
        let at = parse_place(&self.at)?;
        let mut minutes = Vec::new();
        for part in self.minutes.split(',') {
            let number = part.trim().parse().map_err(|_| bad_input(format!("--minutes {part}: no number")))?;
            minutes.push(policy::minutes(number).map_err(bad_parameter)?);
        }
        minutes.sort_by(f64::total_cmp);
        minutes.dedup();
        let profile = self.walker.profile(Profile::walk())?;
        let is_file = self.output != Path::new("-");
        if is_file && self.output.extension().is_none_or(|e| e != "geojson" && e != "json") {
            return Err(bad_input(format!("-o {}: the name must end in .geojson", self.output.display())));
        }

        let city = Inputs::of_city(self.city.clone()).load(&mut Timings::start())?;
        let network = city.study.network();
        let origin = network.projection().project(at);
        let snap_m = city.study.snap_m();
        let weights = network.weigh(&profile);
        let source = city.study.place_source(origin, &weights);
        let source =
            source.ok_or_else(|| bad_input(format!("--at {}: no walkable street within {snap_m} m", self.at)))?;
        let limits: Vec<WalkTime> = minutes.iter().map(|m| WalkTime::from_minutes(*m)).collect();
        let drawn = isochrones(&mut Search::new(), &city.study, &weights, &source, &limits, &Drawing::default());

        let features: Vec<Vec<u8>> = drawn
            .iter()
            .zip(&minutes)
            .map(|(isochrone, m)| {
                let mut feature = Vec::new();
                let id = geojson::isochrone_id(*m);
                geojson::isochrone_feature(&mut feature, network.projection(), isochrone, &id, profile.speed.kmh());
                feature
            })
            .collect();
        let mut about = Map::new();
        about.insert("attribution".to_owned(), json!(geojson::ATTRIBUTION));
        about.insert("extract_date".to_owned(), json!(city.extract_date));
        about.insert(
            "parameters".to_owned(),
            json!({
                "lon": at.lon(), "lat": at.lat(), "minutes": minutes, "profile": profile.name,
                "speed_kmh": profile.speed.kmh(), "signal_delay_s": profile.signal_s, "snap_m": snap_m, "snapped_off_m": (source.metres_to_street() * 10.0).round() / 10.0,
            }),
        );
        let parts = || features.iter().map(Vec::as_slice);
        if !is_file {
            geojson::write_collection(&mut io::stdout().lock(), &about, parts())?;
            return Ok(());
        }
        write_whole(&self.output, |out| Ok(geojson::write_collection(out, &about, parts())?))?;
        let lang = self.lang.unwrap_or_else(Lang::of_environment);
        let mut out = io::stdout().lock();
        for (isochrone, m) in drawn.iter().zip(&minutes) {
            let km2 = area_m2(&isochrone.shape) / 1e6;
            match lang {
                Lang::En => writeln!(out, "{m} minutes: {km2:.2} km²")?,
                Lang::Zh => writeln!(out, "{m} 分钟：{km2:.2} 平方公里")?,
            }
        }
        Ok(())
    }
}

fn parse_place(text: &str) -> Result<LonLat> {
    let place = text
        .split_once(',')
        .and_then(|(lon, lat)| LonLat::from_degrees(lon.trim().parse().ok()?, lat.trim().parse().ok()?));
    place.ok_or_else(|| {
        bad_input(format!("--at {text}: longitude and latitude in degrees are wanted, as in 28.83,47.02"))
    })
}
