//! Policy files: what counts, as TOML.

use crate::profile as profiles;
use carecircle_core::facility::{Eligibility, Kind, Status};
use carecircle_core::isochrone::Drawing;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::time::Speed;
use serde::Deserialize;

/// A policy file as written; every member may be left out and then is as in the default policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: Option<String>,
    minutes: Option<f64>,
    profile: Option<String>,
    speed_kmh: Option<f64>,
    block_share: Option<f64>,
    kinds: Option<Vec<String>>,
    inclusive: Option<bool>,
    facility_status: Option<String>,
    min_places: Option<u32>,
}

/// The policies known by name: `default` counts every facility, `national` leaves out kindergartens that are not known
/// to take children under three, as the Chinese cities' promises do.
pub const NAMES: [&str; 2] = ["default", "national"];

/// The policy of that name.
pub fn named(name: &str) -> Option<Policy> {
    let policy = Policy { name: name.to_owned(), ..Policy::default() };
    match name {
        "default" => Some(policy),
        "national" => {
            let kinds = Kind::ALL.iter().copied().filter(|k| *k != Kind::Kindergarten).collect();
            Some(Policy { eligibility: Eligibility { kinds, ..Eligibility::default() }, ..policy })
        }
        _ => None,
    }
}

/// Policy and profile files are no longer than this, bytes.
pub const LONGEST_FILE: usize = 1 << 16;

/// Reads a small TOML file. The parser's message quotes the line: no more of it than fits a screen.
pub(crate) fn from_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > LONGEST_FILE {
        return Err(format!("longer than {LONGEST_FILE} bytes"));
    }
    toml::from_str(text).map_err(|e| e.to_string().chars().take(600).collect())
}

/// Reads a policy file; the error names the member and what would be accepted.
pub fn parse(text: &str) -> Result<Policy, String> {
    let file: PolicyFile = from_toml(text)?;
    let mut policy = Policy { name: file.name.unwrap_or_else(|| "file".to_owned()), ..Policy::default() };
    if let Some(name) = file.profile {
        policy.profile = profile(&name)?;
    }
    if let Some(kmh) = file.speed_kmh {
        policy.profile.speed = speed(kmh)?;
    }
    if let Some(value) = file.minutes {
        policy.minutes = minutes(value)?;
    }
    if let Some(share) = file.block_share {
        if !(share > 0.0 && share <= 1.0) {
            return Err(format!("block_share = {share}: a share above 0 and up to 1 is wanted"));
        }
        policy.block_share = share;
    }
    policy.eligibility = Eligibility {
        kinds: file.kinds.unwrap_or_default().iter().map(|k| kind(k)).collect::<Result<_, _>>()?,
        inclusive: file.inclusive,
        status: file.facility_status.as_deref().map(status).transpose()?,
        min_places: file.min_places,
    };
    Ok(policy)
}

/// A limit in minutes, or what would be accepted.
pub fn minutes(value: f64) -> Result<f64, String> {
    let range = Policy::MINUTES;
    let wanted = || format!("minutes = {value}: a number from {} to {} is wanted", range.start(), range.end());
    range.contains(&value).then_some(value).ok_or_else(wanted)
}

/// A walking speed, or what would be accepted.
pub fn speed(kmh: f64) -> Result<Speed, String> {
    let range = Speed::RANGE_KMH;
    let wanted = || format!("speed_kmh = {kmh}: a number from {} to {} is wanted", range.start(), range.end());
    Speed::from_kmh(kmh).ok_or_else(wanted)
}

/// How isochrones are drawn, or what would be accepted.
pub fn drawing(depth_m: f64, tolerance_m: f64) -> Result<Drawing, String> {
    for (name, value, range) in
        [("depth_m", depth_m, Drawing::DEPTH_M), ("tolerance_m", tolerance_m, Drawing::TOLERANCE_M)]
    {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            return Err(format!("{name} = {value}: a number of metres from {low} to {high} is wanted"));
        }
    }
    Ok(Drawing { depth_m, tolerance_m })
}

/// A profile by name, or which there are.
pub fn profile(name: &str) -> Result<Profile, String> {
    profiles::named(name).ok_or_else(|| format!("profile = {name}: there is {}", profiles::NAMES.join(", ")))
}

/// A kind by name, or which there are.
pub fn kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
    Kind::named(name.trim()).ok_or_else(|| format!("kinds = {name}: there is {}", names()))
}

/// A status by name, or which there are.
pub fn status(name: &str) -> Result<Status, String> {
    let names = || Status::ALL.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ");
    Status::named(name.trim()).ok_or_else(|| format!("facility_status = {name}: there is {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_file_says_only_what_differs() {
        let policy = parse("minutes = 10\nkinds = [\"nursery\", \"community\"]\nfacility_status = \"filed\"").unwrap();
        assert_eq!((policy.minutes, policy.block_share), (10.0, 0.5));
        assert_eq!(policy.eligibility.kinds, [Kind::Nursery, Kind::Community]);
        assert_eq!(policy.eligibility.status, Some(Status::Filed));
        assert_eq!(parse("").unwrap().eligibility, Eligibility::default());
    }

    #[test]
    fn a_wrong_member_is_named_with_what_would_do() {
        for (text, hint) in [
            ("minutes = 0", "from 1 to 120"),
            ("speed_kmh = 99", "0.5 to 15"),
            ("kinds = [\"school\"]", "nursery"),
            ("minuets = 15", "unknown field"),
            ("block_share = 0", "above 0"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
