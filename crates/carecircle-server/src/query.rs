//! The parameters of a request: a closed list of names per resource, each value checked and brought to one form.
//!
//! The canonical form (names in order, numbers by value) is what links are written with and what the ETag is made of:
//! `minutes=15` and `minutes=15.0` are one question. Of a name given twice the last value counts, since clients add
//! theirs to links that already carry them.

use crate::collections::{CRS84, Column, ColumnType};
use crate::cql2::{self, Coordinates, Expr, Language};
use crate::problem::ApiError;
use crate::systems::{Bbox, System};
use carecircle_core::facility::{Eligibility, Kind, Status};
use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone::{Drawing, Split};
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::time::Speed;
use carecircle_formats::crs::Crs;
use carecircle_formats::{policy as policies, profile};
use std::collections::BTreeMap;

/// Features on a page unless the client asks for another number.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// No page is longer; a larger `limit` is taken for this one.
pub(crate) const LIMIT_MAX: usize = 10_000;
/// Bands of one isochrone.
pub(crate) const BANDS_MAX: usize = 10;

/// The parameters that choose a page of features.
pub(crate) const PAGE_NAMES: [&str; 12] = [
    "limit",
    "offset",
    "bbox",
    "bbox-crs",
    "crs",
    "datetime",
    "f",
    "resultType",
    "revision",
    "filter",
    "filter-lang",
    "filter-crs",
];
/// How filters may be written; the last is what GDAL calls the first.
pub(crate) const FILTER_LANGUAGES: [&str; 3] = ["cql2-text", "cql2-json", "cql-text"];
/// The systems that a filter's geometries may come in, and whether north comes first; the first unless asked otherwise.
pub(crate) const FILTER_SYSTEMS: [(&str, bool); 3] = [
    (CRS84, false),
    ("http://www.opengis.net/def/crs/EPSG/0/4326", true),
    ("http://www.opengis.net/def/crs/EPSG/0/3857", false),
];
/// The parameters of an analysis.
pub(crate) const POLICY_NAMES: [&str; 13] = [
    "scenario",
    "policy",
    "minutes",
    "profile",
    "speed_kmh",
    "signal_delay_s",
    "kinds",
    "inclusive",
    "facility_status",
    "min_places",
    "child_months",
    "with_vacancy",
    "on",
];

/// The profiles that a query may name: those known by name, and that of the service.
pub(crate) fn profile_names(served: &Profile) -> Vec<&str> {
    let mut names = profile::NAMES.to_vec();
    if !names.contains(&served.name.as_str()) {
        names.push(&served.name);
    }
    names
}

/// The policies that a query may name: those known by name, and that of the service.
pub(crate) fn policy_names(served: &Policy) -> Vec<&str> {
    let mut names = policies::NAMES.to_vec();
    if !names.contains(&served.name.as_str()) {
        names.push(&served.name);
    }
    names
}

/// A parameter that decides what a query is asked of, before it is read whole.
pub(crate) fn named(raw: Option<&str>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
    pairs.filter(|(given, _)| given == name).last().map(|(_, value)| value.into_owned())
}

/// The parameters of one request, by name.
#[derive(Debug, Default)]
pub(crate) struct Query {
    given: BTreeMap<String, String>,
}

impl Query {
    /// Reads a query string; every name must be among those `known`.
    pub(crate) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let raw = raw.unwrap_or_default();
        if !is_well_encoded(raw) {
            let detail = "the query is not percent-encoded UTF-8: write % as %25, and every other byte above 7F as %XX";
            return Err(ApiError::bad_request(detail));
        }
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(ApiError::unknown_parameter(&name, known));
            }
            given.insert(name.into_owned(), value.into_owned());
        }
        Ok(Self { given })
    }

    /// Parameters that came in another way, by name.
    pub(crate) fn of(given: BTreeMap<String, String>) -> Self {
        Self { given }
    }

    /// The query in canonical form, with `?` before it; empty without parameters.
    pub(crate) fn canonical(&self) -> String {
        self.with(&[])
    }

    /// The canonical query with some parameters set anew, or removed.
    pub(crate) fn with(&self, changes: &[(&str, Option<String>)]) -> String {
        let mut pairs = self.given.clone();
        for (name, value) in changes {
            match value {
                Some(value) => _ = pairs.insert((*name).to_owned(), value.clone()),
                None => _ = pairs.remove(*name),
            }
        }
        if pairs.is_empty() {
            return String::new();
        }
        let pairs = form_urlencoded::Serializer::new("?".to_owned()).extend_pairs(pairs).finish();
        pairs.replacen("?&", "?", 1)
    }

    /// The canonical query without all but one parameter.
    pub(crate) fn only(&self, name: &str) -> String {
        let given = self.given.get_key_value(name).map(|(name, value)| (name.clone(), value.clone()));
        Self::of(given.into_iter().collect()).canonical()
    }

    /// The value of a parameter as it came.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The value of a parameter, read together with its canonical form.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<(T, String)>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.given.get_mut(name) else { return Ok(None) };
        let (value, canonical) = read(text).ok_or_else(|| ApiError::bad_value(name, text, wanted))?;
        *text = canonical;
        Ok(Some(value))
    }

    /// One of some words.
    pub(crate) fn word<'a>(&mut self, name: &str, words: &[&'a str]) -> Result<Option<&'a str>, ApiError> {
        self.take(name, &format!("one of {}", words.join(", ")), |text| {
            let word = words.iter().copied().find(|w| *w == text)?;
            Some((word, word.to_owned()))
        })
    }

    /// A number within a range.
    pub(crate) fn number(
        &mut self,
        name: &str,
        range: &std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, ApiError> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        self.take(name, &wanted, |text| {
            let value = number(text).filter(|v| range.contains(v))?;
            Some((value, value.to_string()))
        })
    }

    /// True or false, also as 1 or 0: that is how GDAL writes it.
    pub(crate) fn truth(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.take(name, "true or false", |text| truth(text).map(|value| (value, value.to_string())))
    }

    /// A whole number; one beyond `most` is taken for that.
    pub(crate) fn count(&mut self, name: &str, least: usize, most: usize) -> Result<Option<usize>, ApiError> {
        let wanted = format!("a whole number from {least} on");
        self.take(name, &wanted, |text| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            // Too many digits for us are too many features as well.
            let value = digits.then(|| text.parse().unwrap_or(usize::MAX))?;
            let value = (value >= least).then_some(value.min(most))?;
            Some((value, value.to_string()))
        })
    }

    /// A place: longitude and latitude in degrees.
    pub(crate) fn place(&mut self, name: &str) -> Result<Option<LonLat>, ApiError> {
        self.take(name, "lon,lat in degrees, as in 28.83,47.02", |text| {
            let (lon, lat) = text.split_once(',')?;
            let (lon, lat) = (number(lon.trim())?, number(lat.trim())?);
            let is_on_earth = (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
            let at = LonLat::from_degrees(lon, lat).filter(|_| is_on_earth)?;
            Some((at, format!("{lon},{lat}")))
        })
    }

    /// `property=value`, of the column of that number.
    fn equality(&self, at: usize, column: &Column) -> Result<Option<Expr>, ApiError> {
        let Some(text) = self.text(&column.name) else { return Ok(None) };
        let bad = |wanted: &str| ApiError::bad_value(&column.name, text, wanted);
        let value = match column.holds {
            ColumnType::Text => Expr::Text(text.to_owned()),
            ColumnType::Day => Expr::Text(policies::day(text).map_err(|_| bad("a day, as in 2024-06-30"))?.to_string()),
            ColumnType::Truth => Expr::Truth(truth(text).ok_or_else(|| bad("true or false"))?),
            ColumnType::Number => Expr::Number(number(text).ok_or_else(|| bad("a number"))?),
            ColumnType::Integer => {
                let whole = number(text).filter(|v| v.fract() == 0.0);
                Expr::Number(whole.ok_or_else(|| bad("a whole number"))?)
            }
        };
        Ok(Some(Expr::equality(at, value)))
    }

    /// Which features of such columns are wanted, and in which coordinate system; they lie in a box in degrees.
    pub(crate) fn wanted(&mut self, columns: &[Column], extent: Option<[f64; 4]>) -> Result<Wanted, ApiError> {
        self.datetime()?;
        let page = self.page()?;
        let system = self.system("crs", extent)?;
        let of_bbox = self.system("bbox-crs", extent)?;
        let bbox = self.bbox(&of_bbox, extent)?;
        let mut filters: Vec<Expr> = self.filter(columns)?.into_iter().collect();
        for (at, column) in columns.iter().enumerate().filter(|(_, c)| c.is_choosable()) {
            filters.extend(self.equality(at, column)?);
        }
        Ok(Wanted { page, system, bbox, filter: Expr::all(filters) })
    }

    /// `limit` and `offset`; with `resultType=hits` the page is empty, and counts alone.
    fn page(&mut self) -> Result<Page, ApiError> {
        let limit = self.count("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let offset = self.count("offset", 0, u32::MAX as usize)?.unwrap_or(0);
        let is_count = self.word("resultType", &["hits", "results"])? == Some("hits");
        Ok(if is_count { Page { limit: 0, offset: 0 } } else { Page { limit, offset } })
    }

    /// `filter` over such columns, as `filter-lang` and `filter-crs` say. In canonical form it needs neither.
    fn filter(&mut self, columns: &[Column]) -> Result<Option<Expr>, ApiError> {
        let language = match self.word("filter-lang", &FILTER_LANGUAGES)? {
            Some("cql2-json") => Language::Json,
            _ => Language::Text,
        };
        let names = FILTER_SYSTEMS.map(|(uri, _)| uri);
        let uri = self.word("filter-crs", &names)?.unwrap_or(names[0]);
        let (_, north_first) = FILTER_SYSTEMS.into_iter().find(|(known, _)| *known == uri).unwrap_or(FILTER_SYSTEMS[0]);
        let crs = Crs::named(uri).map_err(|error| ApiError::internal(error.to_string()))?;
        for name in ["filter-lang", "filter-crs"] {
            self.given.remove(name);
        }
        let Some(text) = self.given.get_mut("filter") else { return Ok(None) };
        let filter = cql2::read(language, text, columns, &Coordinates { crs, north_first })
            .map_err(|why| ApiError::bad_parameter("filter", &why))?;
        *text = filter.print(columns);
        Ok(Some(filter))
    }

    /// `datetime`: an instant or interval by RFC 3339. No feature here has a time, so all of them match.
    fn datetime(&mut self) -> Result<(), ApiError> {
        let wanted = "an RFC 3339 instant (2024-05-01T00:00:00Z) or an interval of two, .. for an open end";
        self.take("datetime", wanted, |text| {
            let open = |end: &str| end.is_empty() || end == ".." || is_rfc3339(end);
            let valid = match text.split_once('/') {
                None => is_rfc3339(text),
                Some((start, end)) => open(start) && open(end) && text.len() > 1,
            };
            valid.then(|| ((), text.to_owned()))
        })?;
        Ok(())
    }

    /// The profile and speed asked for, or those of the policy.
    pub(crate) fn profile(&mut self, default: &Profile) -> Result<Profile, ApiError> {
        let mut profile = default.clone();
        if let Some(name) = self.word("profile", &profile_names(default))?
            && name != default.name
        {
            profile = profile::named(name).unwrap_or(profile);
        }
        if let Some(seconds) = self.number("signal_delay_s", &profile::SIGNAL_DELAYS_S)? {
            profile.signal_s = seconds;
        }
        if let Some(kmh) = self.number("speed_kmh", &Speed::RANGE_KMH)? {
            profile.speed = Speed::from_kmh(kmh).unwrap_or(profile.speed);
        }
        Ok(profile)
    }

    /// The policy asked for: that of the name given, or else of the service, changed by the other parameters of
    /// [`POLICY_NAMES`].
    pub(crate) fn policy(&mut self, served: &Policy) -> Result<Policy, ApiError> {
        let other = self.word("policy", &policy_names(served))?.filter(|name| *name != served.name);
        let mut policy = other.and_then(policies::named).unwrap_or_else(|| served.clone());
        let is_served_profile = self.text("profile") == Some(&*served.profile.name);
        let profile = if is_served_profile { &served.profile } else { &policy.profile };
        policy.profile = self.profile(profile)?;
        if let Some(minutes) = self.number("minutes", &Policy::MINUTES)? {
            policy.minutes = minutes;
        }
        let counts = &mut policy.eligibility;
        if let Some(kinds) = self.take("kinds", &kinds_wanted(), kinds)? {
            counts.kinds = kinds;
        }
        if let Some(inclusive) = self.truth("inclusive")? {
            counts.inclusive = Some(inclusive);
        }
        let names: Vec<&'static str> = Status::ALL.iter().map(|s| s.name()).collect();
        if let Some(name) = self.word("facility_status", &names)? {
            counts.status = Status::named(name);
        }
        if let Some(places) = self.count("min_places", 0, u32::MAX as usize)? {
            counts.min_places = Some(places as u32);
        }
        let ages = Eligibility::CHILD_MONTHS;
        let wanted = format!("whole months from {} to {}", ages.start(), ages.end());
        let months = |text: &str| {
            let months = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            months.filter(|months| ages.contains(months)).map(|months: u32| (months, months.to_string()))
        };
        if let Some(months) = self.take("child_months", &wanted, months)? {
            counts.child_months = Some(months);
        }
        if let Some(vacancy) = self.truth("with_vacancy")? {
            counts.with_vacancy = vacancy;
        }
        let day = |text: &str| policies::day(text).ok().map(|day| (day, day.to_string()));
        if let Some(day) = self.take("on", "a day, as in 2024-06-30", day)? {
            counts.on = Some(day);
        }
        // Opening gates in turn takes long: once for the service's own question, not for any that a client thinks of.
        policy.what_if_gates &= policy == *served;
        Ok(policy)
    }

    /// How circles are drawn, as one unless asked for otherwise.
    pub(crate) fn split(&mut self) -> Result<Split, ApiError> {
        let word = self.word("split", &Split::ALL.map(Split::name))?;
        Ok(word.and_then(Split::named).unwrap_or(Split::None))
    }

    /// The depth and tolerance of outlines, or the default ones.
    pub(crate) fn drawing(&mut self) -> Result<Drawing, ApiError> {
        let default = Drawing::default();
        let depth_m = self.number("depth", &Drawing::DEPTH_M)?.unwrap_or(default.depth_m);
        let tolerance_m = self.number("tolerance", &Drawing::TOLERANCE_M)?.unwrap_or(default.tolerance_m);
        Ok(Drawing { depth_m, tolerance_m })
    }

    /// The bands of an isochrone in minutes, ascending, each once.
    pub(crate) fn bands(&mut self, default: &[f64]) -> Result<Vec<f64>, ApiError> {
        let range = Policy::MINUTES;
        let wanted =
            format!("a list of 1 to {BANDS_MAX} numbers from {} to {}, as in 5,10,15", range.start(), range.end());
        let bands = self.take("minutes", &wanted, |text| {
            let mut bands: Vec<f64> = text.split(',').map(|n| number(n.trim())).collect::<Option<_>>()?;
            let valid = (1..=BANDS_MAX).contains(&bands.len()) && bands.iter().all(|m| range.contains(m));
            bands.sort_by(f64::total_cmp);
            bands.dedup();
            let canonical: Vec<String> = bands.iter().map(f64::to_string).collect();
            valid.then(|| (bands, canonical.join(",")))
        })?;
        Ok(bands.unwrap_or_else(|| default.to_vec()))
    }
}

fn kinds_wanted() -> String {
    let names: Vec<&str> = Kind::ALL.iter().map(|k| k.name()).collect();
    format!("all, or a list of {}", names.join(", "))
}

fn kinds(text: &str) -> Option<(Vec<Kind>, String)> {
    let (all, named): (Vec<&str>, Vec<&str>) = text.split(',').map(str::trim).partition(|name| *name == "all");
    let mut kinds: Vec<Kind> = named.into_iter().map(Kind::named).collect::<Option<_>>()?;
    // Whatever stands beside all is among them.
    if !all.is_empty() {
        return Some((Vec::new(), "all".to_owned()));
    }
    kinds.sort_unstable();
    kinds.dedup();
    let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
    let canonical = names.join(",");
    Some((kinds, canonical))
}

/// What is asked for of a collection, whatever its features are computed by.
pub(crate) struct Wanted {
    pub(crate) page: Page,
    pub(crate) system: System,
    pub(crate) bbox: Option<Bbox>,
    pub(crate) filter: Option<Expr>,
}

/// Which features are on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// A finite number, as the clients write them: `.5`, `-1.5000000`, seventeen digits.
pub(crate) fn number(text: &str) -> Option<f64> {
    // Minus zero is zero: one value, one form.
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| v + 0.0)
}

/// True or false.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Whether every `%` starts an escape and the decoded bytes are UTF-8.
pub(crate) fn is_well_encoded(raw: &str) -> bool {
    decoded(raw).is_some()
}

/// The text behind percent escapes; `None` where an escape or the bytes are broken.
fn decoded(raw: &str) -> Option<String> {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Whether a text is an RFC 3339 date-time, or a full date.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else { return false };
    let field = |text: &str, range: std::ops::RangeInclusive<u32>| {
        text.bytes().all(|b| b.is_ascii_digit()) && text.parse().is_ok_and(|n| range.contains(&n))
    };
    let fields = |text: &str, mark: char, ranges: &[std::ops::RangeInclusive<u32>], widths: &[usize]| {
        let parts: Vec<&str> = text.split(mark).collect();
        parts.len() == ranges.len()
            && parts.iter().zip(ranges).zip(widths).all(|((p, r), w)| p.len() == *w && field(p, r.clone()))
    };
    if !fields(date, '-', &[0..=9999, 1..=12, 1..=31], &[4, 2, 2]) {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(time) = rest.strip_prefix(['T', 't']) else { return false };
    let Some((clock, tail)) = time.split_at_checked(8) else { return false };
    let zone = match tail.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => tail,
    };
    // Sixty seconds: a leap second.
    fields(clock, ':', &[0..=23, 0..=59, 0..=60], &[2, 2, 2])
        && (zone.eq_ignore_ascii_case("z")
            || zone.strip_prefix(['+', '-']).is_some_and(|offset| fields(offset, ':', &[0..=23, 0..=59], &[2, 2])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(raw: &str) -> Option<Page> {
        Query::parse(Some(raw), &["limit", "offset"]).unwrap().page().ok()
    }

    #[test]
    fn of_a_name_given_twice_the_last_value_counts() {
        assert_eq!(page("limit=5&limit=7"), Some(Page { limit: 7, offset: 0 }));
    }

    #[test]
    fn limits_beyond_the_largest_are_the_largest_and_nonsense_is_refused() {
        assert_eq!(page("limit=99999999999999999999999").unwrap().limit, LIMIT_MAX);
        for bad in ["limit=0", "limit=", "limit=-1", "limit=1.5", "limit=unlimited", "offset=x", "limit=%D9%A3"] {
            assert_eq!(page(bad), None, "{bad}");
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["limit=%", "limit=%4", "limit=%zz", "limit=%ff", "%C3=1"] {
            assert!(Query::parse(Some(bad), &["limit"]).is_err(), "{bad}");
        }
        assert_eq!(decoded("%E6%9D%8E").as_deref(), Some("李"));
    }

    #[test]
    fn one_question_has_one_form() {
        let canonical = |raw| {
            let mut query = Query::parse(Some(raw), &POLICY_NAMES).unwrap();
            query.policy(&Policy::default()).unwrap();
            query.canonical()
        };
        assert_eq!(
            canonical("minutes=15.0&speed_kmh=5&inclusive=1"),
            canonical("inclusive=true&speed_kmh=5.0&minutes=15")
        );
        assert_eq!(canonical("kinds=family,nursery"), canonical("kinds=nursery,family,nursery"));
        assert_eq!(canonical("kinds=nursery,all,all"), canonical("kinds=all"));
        assert_eq!(
            canonical("with_vacancy=1&on=2024-06-30&child_months=010"),
            canonical("child_months=10&with_vacancy=true&on=2024-06-30")
        );
        assert_eq!(canonical(""), "");
    }

    #[test]
    fn datetimes_are_checked() {
        let valid = |raw: &str| {
            let mut query = Query::parse(Some(&format!("datetime={raw}")), &["datetime"]).unwrap();
            query.datetime().is_ok()
        };
        for good in [
            "2024-05-01T00:00:00Z",
            "2024-05-01T00:00:00.25%2B08:00",
            "2024-05-01",
            "../2024-05-01T00:00:00Z",
            "2024-05-01T00:00:00Z/..",
            "2024-05-01T00:00:00Z/",
            "2024-05-01T00:00:00Z/2025-05-01T00:00:00Z",
        ] {
            assert!(valid(good), "{good}");
        }
        for bad in
            ["", "..", "/", "yesterday", "2024-13-01T00:00:00Z", "2024-05-01T00:00:00", "2024-05-01T25:00:00Z", "a/b"]
        {
            assert!(!valid(bad), "{bad}");
        }
    }
}
