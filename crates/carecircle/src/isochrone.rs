//! `carecircle isochrone`: from where a place, or facilities, are reached within some minutes.

use crate::inputs::{City, Inputs, Sources, Walker, tell_rejects, write_rejects};
use crate::lang::Lang;
use crate::output::{complain, write_whole};
use crate::timings::Timings;
use crate::{bad_input, bad_parameter};
use anyhow::Result;
use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone::{Circle, Drawing, Split, circles, isochrones};
use carecircle_core::policy::Policy;
use carecircle_core::polygon::area_m2;
use carecircle_core::search::Search;
use carecircle_core::time::WalkTime;
use carecircle_formats::remark;
use carecircle_formats::{geojson, policy as policies};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct DrawIsochrone {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Around this place, in degrees
    #[arg(
        long,
        value_name = "LON,LAT",
        allow_hyphen_values = true,
        required_unless_present_any = ["split", "facilities"],
        conflicts_with_all = ["split", "facilities"]
    )]
    at: Option<String>,
    /// Around the facilities that count instead: all as one, each by itself, or as one divided by which is nearest
    /// [default with --facilities: none]
    #[arg(long, value_name = "HOW", value_parser = splits())]
    split: Option<Split>,
    /// One polygon for each number of minutes [default: 5,10,15 around a place, the policy's limit around facilities]
    #[arg(long, value_name = "M,…", allow_hyphen_values = true)]
    minutes: Option<String>,
    #[command(flatten)]
    walker: Walker,
    /// How far off a reached street a place still counts as reached, metres, 30 to 50
    #[arg(long, value_name = "METRES", allow_hyphen_values = true, default_value_t = Drawing::default().depth_m)]
    depth_m: f64,
    /// How far a simplified outline may lie from the full one, metres, up to 100; 0 keeps every corner
    #[arg(long, value_name = "METRES", allow_hyphen_values = true, default_value_t = Drawing::default().tolerance_m)]
    tolerance_m: f64,
    /// Where the polygons go: .geojson; `-` streams to standard output
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

fn splits() -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(Split::ALL.map(Split::name)).try_map(|name| Split::named(&name).ok_or("no such way"))
}

/// Where each facility has a polygon of its own, so many facilities are drawn around at a time: tens of thousands are
/// not held in memory.
const LOT: usize = 64;

/// What is drawn.
struct Drawn<'a> {
    /// What the polygons say of themselves.
    about: Map<String, Value>,
    /// Drawn as they are taken.
    polygons: Box<dyn Iterator<Item = Polygon> + 'a>,
    /// How many facilities count, if it is they that are drawn around.
    facilities: Option<usize>,
}

/// A polygon as a feature.
struct Polygon {
    json: Vec<u8>,
    km2: f64,
    /// Which of the numbers of minutes.
    limit: usize,
}

impl DrawIsochrone {
    pub(crate) fn run(&self) -> Result<()> {
        let inputs = Inputs::of(self.sources.clone(), self.walker.clone());
        let is_file = self.output != Path::new("-");
        if is_file {
            if self.output.extension().is_none_or(|e| e != "geojson" && e != "json") {
                let out = self.output.display();
                return Err(bad_input(remark!(
                    "-o {out}: the name must end in .geojson",
                    "-o {out}：文件名应以 .geojson 结尾"
                )));
            }
            inputs.refuse_to_overwrite("-o", &self.output)?;
        }
        let at = self.at.as_deref().map(parse_place).transpose()?;
        let policy = inputs.policy()?;
        let minutes =
            self.minutes(if at.is_some() { &[5.0, 10.0, 15.0] } else { std::slice::from_ref(&policy.minutes) })?;
        let drawing = policies::drawing(self.depth_m, self.tolerance_m).map_err(bad_parameter)?;
        let city = inputs.load(&mut Timings::start())?;
        let lang = inputs.lang();
        tell_rejects(&city.rejected, lang);
        let drawn = match at {
            Some(at) => self.around_place(at, &city, &policy, &minutes, &drawing)?,
            None => self.around_facilities(&city, &policy, &minutes, &drawing, lang),
        };
        let Drawn { about, polygons, facilities } = drawn;
        let mut km2 = vec![0.0; minutes.len()];
        let features = polygons.map(|polygon| {
            km2[polygon.limit] += polygon.km2;
            polygon.json
        });
        let write = |out: &mut dyn Write| Ok(geojson::write_collection(&mut { out }, &about, features)?);
        if !is_file {
            return write(&mut io::stdout().lock());
        }
        write_whole(&self.output, |out| write(out))?;
        write_rejects(&self.output, &city.rejected, lang)?;
        let km2 = Some(km2).filter(|_| self.split != Some(Split::Facility));
        Ok(io::stdout().lock().write_all(told(&minutes, facilities, km2.as_deref(), lang).as_bytes())?)
    }

    /// The limits asked for, ascending, each once.
    fn minutes(&self, default: &[f64]) -> Result<Vec<f64>> {
        let Some(text) = &self.minutes else { return Ok(default.to_vec()) };
        let mut minutes = Vec::new();
        for part in text.split(',') {
            let number = part
                .trim()
                .parse()
                .map_err(|_| bad_input(remark!("--minutes {part}: no number", "--minutes {part}：不是数")))?;
            minutes.push(policies::minutes(number).map_err(bad_parameter)?);
        }
        minutes.sort_by(f64::total_cmp);
        minutes.dedup();
        Ok(minutes)
    }

    fn around_place(
        &self,
        at: LonLat,
        city: &City,
        policy: &Policy,
        minutes: &[f64],
        drawing: &Drawing,
    ) -> Result<Drawn<'static>> {
        let (network, profile, snap_m) = (city.study.network(), &policy.profile, city.study.snap_m());
        let weights = network.weigh(profile);
        let source = city.study.place_source(network.projection().project(at), &weights);
        let at_text = self.at.as_deref().unwrap_or_default();
        let source = source.ok_or_else(|| {
            bad_input(remark!(
                "--at {at_text}: no walkable street within {snap_m} m",
                "--at {at_text}：{snap_m} m 内没有可步行的街道"
            ))
        })?;
        let drawn = isochrones(&mut Search::new(), &city.study, &weights, &source, &limits(minutes), drawing);
        let mut polygons = Vec::new();
        for (limit, (isochrone, m)) in drawn.iter().zip(minutes).enumerate() {
            let mut json = Vec::new();
            let id = geojson::isochrone_id(*m);
            geojson::isochrone_feature(&mut json, network.projection(), isochrone, &id, profile.speed.kmh());
            polygons.push(Polygon { json, km2: area_m2(&isochrone.shape) / 1e6, limit });
        }
        let mut about = Map::new();
        about.insert("attribution".to_owned(), json!(geojson::ATTRIBUTION));
        about.insert("extract_date".to_owned(), json!(city.extract_date));
        about.insert(
            "parameters".to_owned(),
            json!({
                "lon": at.lon(), "lat": at.lat(), "minutes": minutes, "profile": profile.name,
                "speed_kmh": profile.speed.kmh(), "signal_delay_s": profile.signal_s,
                "depth_m": drawing.depth_m, "tolerance_m": drawing.tolerance_m, "snap_m": snap_m,
                "snapped_off_m": (source.metres_to_street() * 10.0).round() / 10.0,
            }),
        );
        Ok(Drawn { about, polygons: Box::new(polygons.into_iter()), facilities: None })
    }

    fn around_facilities<'a>(
        &self,
        city: &'a City,
        policy: &'a Policy,
        minutes: &'a [f64],
        drawing: &'a Drawing,
        lang: Lang,
    ) -> Drawn<'a> {
        for remark in &city.remarks {
            complain(lang.pick(&remark.en, &remark.zh));
        }
        let (study, split) = (&city.study, self.split.unwrap_or(Split::None));
        let weights = study.network().weigh(&policy.profile);
        let counts = |f: &usize| policy.eligibility.admits(&study.facilities()[*f].facility);
        let counted: Vec<usize> = (0..study.facilities().len()).filter(counts).collect();
        let unreached = counted.iter().filter(|&&f| study.facility_source(f, &weights).is_none()).count();
        if counted.is_empty() {
            complain(lang.pick("warning: no facility counts", "注意：没有计入的托育机构"));
        } else if unreached > 0 {
            let snap_m = study.snap_m();
            complain(&match lang {
                Lang::En => format!("facilities farther than {snap_m} m from any street: {unreached}"),
                Lang::Zh => format!("距任何道路超过 {snap_m} 米的托育机构：{unreached} 家"),
            });
        }
        let about =
            geojson::about_circles(study, policy, &json!(minutes), split, drawing, city.extract_date.as_deref());
        let facilities = Some(counted.len());
        let lot = if split == Split::Facility { LOT } else { counted.len().max(1) };
        let lots: Vec<Vec<usize>> = counted.chunks(lot).map(<[usize]>::to_vec).collect();
        let limits = limits(minutes);
        let polygon = move |circle: &Circle, limits: &[WalkTime]| {
            let (facility, isochrone) = (circle.facility, &circle.isochrone);
            let limit = limits.iter().position(|limit| *limit == isochrone.limit).unwrap_or_default();
            let id = geojson::circle_id(facility.map(|f| &*study.facilities()[f].facility.id), minutes[limit]);
            let shape = geojson::Drawing::shape(study.network().projection(), &isochrone.shape);
            let mut json = Vec::new();
            geojson::circle_feature(&mut json, study, &policy.profile, &shape, &id, (facility, isochrone.limit));
            Polygon { json, km2: area_m2(&isochrone.shape) / 1e6, limit }
        };
        let polygons = lots.into_iter().flat_map(move |lot| {
            let drawn = circles(study, &weights, &|f| lot.binary_search(&f).is_ok(), &limits, split, drawing);
            drawn.par_iter().map(|circle| polygon(circle, &limits)).collect::<Vec<_>>()
        });
        Drawn { about, polygons: Box::new(polygons), facilities }
    }
}

/// A line for each number of minutes: how many facilities count, and square kilometres, where these are to be told.
fn told(minutes: &[f64], facilities: Option<usize>, km2: Option<&[f64]>, lang: Lang) -> String {
    let of_facilities = |n| match lang {
        Lang::En => format!("{n} facilities"),
        Lang::Zh => format!("{n} 家托育机构"),
    };
    let of_ground = |km2| match lang {
        Lang::En => format!("{km2:.2} km²"),
        Lang::Zh => format!("{km2:.2} 平方公里"),
    };
    let mut out = String::new();
    for (i, m) in minutes.iter().enumerate() {
        let parts = facilities.map(of_facilities).into_iter().chain(km2.map(|km2| of_ground(km2[i])));
        let parts: Vec<String> = parts.collect();
        _ = match lang {
            Lang::En => writeln!(out, "{m} minutes: {}", parts.join(", ")),
            Lang::Zh => writeln!(out, "{m} 分钟：{}", parts.join("，")),
        };
    }
    out
}

fn limits(minutes: &[f64]) -> Vec<WalkTime> {
    minutes.iter().map(|m| WalkTime::from_minutes(*m)).collect()
}

fn parse_place(text: &str) -> Result<LonLat> {
    let place = text
        .split_once(',')
        .and_then(|(lon, lat)| LonLat::from_degrees(lon.trim().parse().ok()?, lat.trim().parse().ok()?));
    place.ok_or_else(|| {
        bad_input(remark!(
            "--at {text}: longitude and latitude in degrees are wanted, as in 28.83,47.02",
            "--at {text}：应为以度表示的经度和纬度，如 28.83,47.02"
        ))
    })
}
