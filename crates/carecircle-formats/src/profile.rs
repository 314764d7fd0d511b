//! Profile files: who walks, how fast, and over what, as TOML. Each number stands beside its source.
//!
//! ```toml
//! name = "stroller"
//! speed_kmh = { value = 4.8, source = "…" }
//! [steps]                       # times the flat pace, or "closed"
//! up = { value = "closed", source = "…" }
//! ```
//!
//! What a file leaves out is as on firm, flat street.

use carecircle_core::profile::{Climb, Pace, Profile};
use carecircle_core::time::Speed;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The profiles known by name: an adult, a child on its own feet, an adult with a stroller, and one speed without more.
pub const NAMES: [&str; 4] = ["walk", "toddler", "stroller", "plain"];

/// The files of [`NAMES`], in their order.
const FILES: [&str; 4] = [
    include_str!("../profiles/walk.toml"),
    include_str!("../profiles/toddler.toml"),
    include_str!("../profiles/stroller.toml"),
    include_str!("../profiles/plain.toml"),
];

/// Times the flat pace.
const PACES: RangeInclusive<f64> = 1.0..=50.0;
/// Seconds.
const DELAYS_S: RangeInclusive<f64> = 0.0..=600.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    name: String,
    #[serde(default)]
    stroller: bool,
    speed_kmh: Number,
    #[serde(default)]
    steps: StepsTable,
    #[serde(default)]
    surface: SurfaceTable,
    #[serde(default)]
    slope: SlopeTable,
    #[serde(default)]
    delay_s: DelayTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepsTable {
    up: Option<Number>,
    down: Option<Number>,
    ramp_up: Option<Number>,
    ramp_down: Option<Number>,
    escalator: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SurfaceTable {
    cobbled: Option<Number>,
    loose: Option<Number>,
    soft: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlopeTable {
    #[serde(rename = "up_per_percent")]
    up: Option<Number>,
    #[serde(rename = "down_per_percent")]
    down: Option<Number>,
    #[serde(rename = "steepest_percent")]
    steepest: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayTable {
    raised_kerb: Option<Number>,
    lift: Option<Number>,
    signals: Option<Number>,
}

/// A number and where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    value: toml::Value,
    source: String,
}

impl Number {
    fn within(&self, member: &str, range: &RangeInclusive<f64>) -> Result<f64, String> {
        if self.source.trim().is_empty() {
            return Err(format!("{member}: source is empty: say where the number comes from"));
        }
        let value = match &self.value {
            toml::Value::Float(value) => *value,
            toml::Value::Integer(value) => *value as f64,
            other => return Err(format!("{member} is a {}: a number is wanted", other.type_str())),
        };
        let wanted = || format!("{member} = {value}: a number from {} to {} is wanted", range.start(), range.end());
        range.contains(&value).then_some(value).ok_or_else(wanted)
    }

    fn pace(&self, member: &str) -> Result<Pace, String> {
        match &self.value {
            toml::Value::String(word) if word == "closed" => Ok(None),
            toml::Value::String(_) => Err(format!("{member}: a number or \"closed\" is wanted")),
            _ => self.within(member, &PACES).map(Some),
        }
    }
}

/// The profile of that name.
pub fn named(name: &str) -> Option<Profile> {
    // A test reads them all.
    parse(FILES[NAMES.iter().position(|known| *known == name)?]).ok()
}

/// Reads a profile file; the error names the member and what would be accepted.
pub fn parse(text: &str) -> Result<Profile, String> {
    let file: ProfileFile = crate::policy::from_toml(text).map_err(|why| {
        let is_bare = why.contains("expected struct Number");
        let hint = if is_bare { "each number is written { value = 4.0, source = \"…\" }\n" } else { "" };
        format!("{hint}{why}")
    })?;
    let plain_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if file.name.is_empty() || file.name.len() > 40 || !file.name.chars().all(plain_name) {
        let name: String = file.name.chars().take(40).collect();
        return Err(format!("name = {name:?}: 1 to 40 letters, digits, - and _ are wanted"));
    }
    let kmh = file.speed_kmh.within("speed_kmh", &Speed::RANGE_KMH)?;
    let mut profile = Profile::plain(Speed::from_kmh(kmh).ok_or("speed_kmh: no speed")?);
    let pace = |given: &Option<Number>, member: &str, pace: &mut Pace| {
        given.as_ref().map(|number| number.pace(member)).transpose().map(|read| *pace = read.unwrap_or(*pace))
    };
    let seconds = |given: &Option<Number>, member: &str, range: RangeInclusive<f64>, value: &mut f64| {
        given
            .as_ref()
            .map(|number| number.within(member, &range))
            .transpose()
            .map(|read| *value = read.unwrap_or(*value))
    };
    let Climb { up, down } = &mut profile.steps;
    pace(&file.steps.up, "steps.up", up)?;
    pace(&file.steps.down, "steps.down", down)?;
    let Climb { up, down } = &mut profile.steps_with_ramp;
    pace(&file.steps.ramp_up, "steps.ramp_up", up)?;
    pace(&file.steps.ramp_down, "steps.ramp_down", down)?;
    pace(&file.steps.escalator, "steps.escalator", &mut profile.escalator)?;
    let [_, cobbled, loose, soft] = &mut profile.surfaces;
    pace(&file.surface.cobbled, "surface.cobbled", cobbled)?;
    pace(&file.surface.loose, "surface.loose", loose)?;
    pace(&file.surface.soft, "surface.soft", soft)?;
    seconds(&file.slope.up, "slope.up_per_percent", 0.0..=1.0, &mut profile.slope.up_per_percent)?;
    seconds(&file.slope.down, "slope.down_per_percent", 0.0..=1.0, &mut profile.slope.down_per_percent)?;
    if let Some(number) = &file.slope.steepest {
        profile.slope.steepest_percent = Some(number.within("slope.steepest_percent", &(1.0..=100.0))?);
    }
    seconds(&file.delay_s.raised_kerb, "delay_s.raised_kerb", DELAYS_S, &mut profile.raised_kerb_s)?;
    seconds(&file.delay_s.lift, "delay_s.lift", DELAYS_S, &mut profile.lift_s)?;
    seconds(&file.delay_s.signals, "delay_s.signals", DELAYS_S, &mut profile.signal_s)?;
    Ok(Profile { name: file.name, stroller: file.stroller, ..profile })
}

/// A delay at traffic lights, or what would be accepted.
pub fn signal_delay_s(value: f64) -> Result<f64, String> {
    let wanted =
        || format!("signal_delay_s = {value}: a number from {} to {} is wanted", DELAYS_S.start(), DELAYS_S.end());
    DELAYS_S.contains(&value).then_some(value).ok_or_else(wanted)
}

/// The delays at traffic lights that are accepted, seconds.
pub const SIGNAL_DELAYS_S: RangeInclusive<f64> = DELAYS_S;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_sound_and_called_by_its_name() {
        for name in NAMES {
            assert_eq!(named(name).unwrap().name, name);
        }
        assert_eq!(named("bicycle"), None);
        assert_eq!(named("walk"), Some(Profile::walk()), "the core's default is that of the file");
        assert_eq!(named("plain"), Some(Profile::plain(Speed::POLICY)));
    }

    #[test]
    fn every_number_of_every_profile_has_a_source() {
        fn numbers(value: &toml::Value) -> usize {
            let Some(table) = value.as_table() else { return 0 };
            if let Some(number) = table.get("value") {
                let source = table.get("source").and_then(toml::Value::as_str).unwrap_or_default();
                assert!(source.len() >= 5, "{number:?} has no source");
                return 1;
            }
            table.values().map(numbers).sum()
        }
        let counts: Vec<usize> = FILES.iter().map(|file| numbers(&toml::from_str(file).unwrap())).collect();
        assert_eq!(counts, [3, 9, 13, 1]);
    }

    #[test]
    fn what_a_file_leaves_out_is_as_on_flat_street() {
        let profile = parse("name = \"mine\"\nspeed_kmh = { value = 4, source = \"measured\" }").unwrap();
        assert_eq!(profile, Profile { name: "mine".to_owned(), ..Profile::plain(Speed::from_kmh(4.0).unwrap()) });
    }

    #[test]
    fn a_wrong_member_is_named_with_what_would_do() {
        let head = "name = \"mine\"\nspeed_kmh = { value = 4, source = \"me\" }\n";
        for (text, hint) in [
            ("name = \"a b\"\nspeed_kmh = { value = 4, source = \"me\" }", "letters, digits"),
            ("name = \"mine\"\nspeed_kmh = { value = 40, source = \"me\" }", "speed_kmh = 40: a number from 0.5 to 15"),
            ("name = \"mine\"\nspeed_kmh = 4", "written { value = 4.0, source"),
            ("name = \"mine\"\nspeed_kmh = { value = 4, source = \" \" }", "source is empty"),
            ("name = \"mine\"\nspeed_kmh = { value = 4 }", "source"),
            (
                &format!("{head}[steps]\nup = {{ value = 0.5, source = \"me\" }}"),
                "steps.up = 0.5: a number from 1 to 50",
            ),
            (&format!("{head}[steps]\nup = {{ value = \"shut\", source = \"me\" }}"), "a number or \"closed\""),
            (&format!("{head}[steps]\nupp = {{ value = 2, source = \"me\" }}"), "unknown field"),
            (&format!("{head}[delay_s]\nlift = {{ value = -1, source = \"me\" }}"), "delay_s.lift = -1"),
            (&format!("{head}[surface]\nsoft = {{ value = nan, source = \"me\" }}"), "surface.soft"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
