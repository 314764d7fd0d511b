//! Policy files: what counts and what is aimed at, as TOML.
//!
//! ```toml
//! name = "mine"
//! source = "…"                  # where the rules come from
//! kinds = ["nursery"]           # what is left out is as in the default policy
//! [[targets]]
//! indicator = "places_per_1000"
//! at_least = 4.5                # or over, or at_most
//! year = 2025
//! source = "…"
//! ```

use crate::profile as profiles;
use carecircle_core::facility::{Eligibility, Kind, Status};
use carecircle_core::indicators::Indicator;
use carecircle_core::isochrone::Drawing;
use carecircle_core::place::AreaLevel;
use carecircle_core::policy::{Goal, Policy, Target};
use carecircle_core::profile::Profile;
use carecircle_core::time::Speed;
use jiff::civil::Date;
use serde::Deserialize;

/// A policy file as written; every member may be left out and then is as in the default policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: Option<String>,
    source: Option<String>,
    minutes: Option<f64>,
    profile: Option<String>,
    speed_kmh: Option<f64>,
    block_share: Option<f64>,
    kinds: Option<Vec<String>>,
    inclusive: Option<bool>,
    facility_status: Option<String>,
    min_places: Option<u32>,
    child_months: Option<u32>,
    with_vacancy: Option<bool>,
    on: Option<toml::Value>,
    #[serde(default)]
    targets: Vec<TargetTable>,
}

/// A target as written: one bound, or none where the source promises without a number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    indicator: String,
    at_least: Option<f64>,
    over: Option<f64>,
    at_most: Option<f64>,
    sub_areas: Option<String>,
    year: Option<u16>,
    source: String,
}

impl TargetTable {
    fn target(&self) -> Result<Target, String> {
        let indicators = || Indicator::ALL.iter().map(|i| i.name()).collect::<Vec<_>>().join(", ");
        let unknown = || format!("indicator = {}: there is {}", self.indicator, indicators());
        let indicator = Indicator::named(&self.indicator).ok_or_else(unknown)?;
        let bounds = [self.at_least.map(Goal::AtLeast), self.over.map(Goal::Over), self.at_most.map(Goal::AtMost)];
        let mut goals = bounds.into_iter().flatten();
        let goal = goals.next();
        if goals.next().is_some() {
            return Err("one of at_least, over and at_most is wanted".to_owned());
        }
        // Nobody aims at more than a hundred children in a hundred, or at a thousand places for as many residents.
        let most = indicator.factor();
        if let Some(goal) = goal.filter(|goal| !(0.0..=most).contains(&goal.value())) {
            return Err(format!("{} = {}: a number from 0 to {most} is wanted", goal.bound(), goal.value()));
        }
        let levels = || AreaLevel::ALL.map(AreaLevel::name).join(", ");
        let level = |name: &String| {
            let level = AreaLevel::named(name).ok_or_else(|| format!("sub_areas = {name}: there is {}", levels()))?;
            let fits = indicator == Indicator::AreaShare;
            fits.then_some(level).ok_or_else(|| format!("sub_areas is for area_share, not for {}", indicator.name()))
        };
        if let Some(year) = self.year.filter(|year| !(1900..=2200).contains(year)) {
            return Err(format!("year = {year}: a year from 1900 to 2200 is wanted"));
        }
        if self.source.trim().is_empty() {
            return Err("source is empty: say who asks for it".to_owned());
        }
        let sub_areas = self.sub_areas.as_ref().map(level).transpose()?;
        Ok(Target { indicator, goal, sub_areas, year: self.year, source: self.source.clone() })
    }
}

/// The policies known by name: `default` counts every facility, the others leave out kindergartens that are not known to
/// take children under three, as the Chinese cities' promises do.
pub const NAMES: [&str; 6] =
    ["default", "national", "hangzhou-2024", "chengdu-2025", "shijiazhuang-2023", "xiacheng-2025"];

/// The files of [`NAMES`], in their order.
const FILES: [&str; 6] = [
    include_str!("../policies/default.toml"),
    include_str!("../policies/national.toml"),
    include_str!("../policies/hangzhou-2024.toml"),
    include_str!("../policies/chengdu-2025.toml"),
    include_str!("../policies/shijiazhuang-2023.toml"),
    include_str!("../policies/xiacheng-2025.toml"),
];

/// The policy of that name.
pub fn named(name: &str) -> Option<Policy> {
    // A test reads them all.
    parse(FILES[NAMES.iter().position(|known| *known == name)?]).ok()
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
    let (name, source) = (file.name.unwrap_or_else(|| "file".to_owned()), file.source.unwrap_or_default());
    let mut policy = Policy { name, source, ..Policy::default() };
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
    if file.kinds.as_ref().is_some_and(Vec::is_empty) {
        return Err("kinds = []: no facility would count; leave kinds out to count all".to_owned());
    }
    policy.eligibility = Eligibility {
        kinds: file.kinds.unwrap_or_default().iter().map(|k| kind(k)).collect::<Result<_, _>>()?,
        inclusive: file.inclusive,
        status: file.facility_status.as_deref().map(status).transpose()?,
        min_places: file.min_places,
        child_months: file.child_months.map(child_months).transpose()?,
        with_vacancy: file.with_vacancy.unwrap_or(false),
        on: match file.on {
            Some(toml::Value::String(text)) => Some(day(&text)?),
            Some(toml::Value::Datetime(moment)) => Some(day(&moment.to_string())?),
            Some(other) => Some(day(&format!("a {}", other.type_str()))?),
            None => None,
        },
    };
    let targets = file.targets.iter().zip(1..);
    policy.targets = targets
        .map(|(table, number)| table.target().map_err(|why| format!("target {number}: {why}")))
        .collect::<Result<_, _>>()?;
    Ok(policy)
}

/// The age of a child in months, or what would be accepted.
pub fn child_months(months: u32) -> Result<u32, String> {
    Eligibility::CHILD_MONTHS.contains(&months).then_some(months).ok_or_else(|| no_child_months(&months.to_string()))
}

/// Why a text is no age of a child in months.
pub fn no_child_months(text: &str) -> String {
    let (range, shown) = (Eligibility::CHILD_MONTHS, text.chars().take(40).collect::<String>());
    format!("child_months = {shown}: whole months from {} to {} are wanted", range.start(), range.end())
}

/// A day, or what would be accepted.
pub fn day(text: &str) -> Result<Date, String> {
    let parsed = (text.len() == 10).then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("on = {shown}: a day is wanted, as in 2024-06-30")
    })
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
        let bound = parse("child_months = 10\nwith_vacancy = true\non = 2024-06-30").unwrap().eligibility;
        let day = Some(Date::constant(2024, 6, 30));
        assert_eq!((bound.child_months, bound.with_vacancy, bound.on), (Some(10), true, day));
        assert_eq!(parse("on = \"2024-06-30\"").unwrap().eligibility.on, day);
    }

    #[test]
    fn every_policy_is_sound_and_called_by_its_name() {
        for name in NAMES {
            let policy = named(name).unwrap();
            assert_eq!(policy.name, name);
            assert_eq!(
                (policy.minutes, policy.profile.name.as_str(), policy.block_share),
                (15.0, "walk", 0.5),
                "{name}"
            );
            assert!(policy.source.len() > 20, "{name} has no source");
            let without =
                !policy.eligibility.kinds.is_empty() && !policy.eligibility.kinds.contains(&Kind::Kindergarten);
            assert_eq!(without, name != "default", "{name}");
            assert_eq!(
                policy.eligibility,
                Eligibility { kinds: policy.eligibility.kinds.clone(), ..Eligibility::default() }
            );
        }
        let default = named("default").unwrap();
        assert_eq!(default, Policy { source: default.source.clone(), ..Policy::default() }, "the core's is the file's");
        assert_eq!(named("atlantis-2030"), None);
    }

    #[test]
    fn the_cities_targets_are_those_that_they_published() {
        let goals = |name: &str| -> Vec<(&str, Option<(&str, f64)>)> {
            let targets = named(name).unwrap().targets;
            let goal = |t: &Target| (t.indicator.name(), t.goal.map(|goal| (goal.bound(), goal.value())));
            targets.iter().map(goal).collect()
        };
        assert_eq!(goals("default"), []);
        assert_eq!(goals("national"), [("places_per_1000", Some(("at_least", 4.5)))]);
        assert_eq!(
            goals("hangzhou-2024"),
            [
                ("places_per_1000", Some(("at_least", 4.5))),
                ("inclusive_share", Some(("over", 0.75))),
                ("certified_staff_share", Some(("over", 0.95))),
                ("covered_share", None),
                ("under_two_share", None),
            ]
        );
        let chengdu =
            [("places_per_1000", Some(("at_least", 4.74))), ("health_manager_share", Some(("at_least", 1.0)))];
        assert_eq!(goals("chengdu-2025"), chengdu);
        assert_eq!(goals("shijiazhuang-2023"), [("area_share", Some(("at_least", 1.0)))]);
        assert_eq!(named("shijiazhuang-2023").unwrap().targets[0].sub_areas, Some(AreaLevel::District));
        let half = Some(("at_least", 0.5));
        assert_eq!(goals("xiacheng-2025"), [("community_share", half), ("kindergarten_share", half)]);
    }

    #[test]
    fn a_wrong_member_is_named_with_what_would_do() {
        let target = |members: &str| format!("[[targets]]\nindicator = \"area_share\"\nsource = \"me\"\n{members}");
        for (text, hint) in [
            ("minutes = 0", "from 1 to 120"),
            ("speed_kmh = 99", "0.5 to 15"),
            ("kinds = [\"school\"]", "nursery"),
            ("kinds = []", "leave kinds out to count all"),
            ("minuets = 15", "unknown field"),
            ("block_share = 0", "above 0"),
            ("child_months = 40", "child_months = 40: whole months from 0 to 36"),
            ("on = \"30.6.2024\"", "on = 30.6.2024: a day is wanted, as in 2024-06-30"),
            ("on = \"2024-02-30\"", "a day is wanted"),
            ("on = 20240630", "a day is wanted"),
            (
                "[[targets]]\nindicator = \"joy\"\nsource = \"me\"",
                "target 1: indicator = joy: there is covered_share, ",
            ),
            ("[[targets]]\nindicator = \"area_share\"", "missing field `source`"),
            (&target("at_least = 75"), "target 1: at_least = 75: a number from 0 to 1 is wanted"),
            (&target("over = nan"), "from 0 to 1"),
            (&target("over = 0.5\nat_most = 0.7"), "one of at_least, over and at_most"),
            (&target("year = 24"), "year = 24: a year from 1900"),
            (&target("sub_areas = \"province\""), "sub_areas = province: there is city, district"),
            ("[[targets]]\nindicator = \"area_share\"\nsource = \" \"", "source is empty"),
            (
                "[[targets]]\nindicator = \"filed_share\"\nsource = \"me\"\nsub_areas = \"district\"",
                "sub_areas is for area_share, not for filed_share",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
