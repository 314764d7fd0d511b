//! What takes small children in, and what the map knows of it.

use super::{Key, Tags};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;

/// Whether a value of `amenity` makes a facility.
pub(crate) fn is_facility_value(amenity: &[u8]) -> bool {
    matches!(amenity, b"childcare" | b"kindergarten")
}

/// The facility that the tags describe, without id and place.
pub(crate) fn facility(tags: &Tags) -> Option<Box<Facility>> {
    let min_months = tags.get(Key::MinAge).and_then(age_months);
    let kind = match tags.get(Key::Amenity)? {
        "childcare" => Kind::Nursery,
        "kindergarten" if takes_under_threes(tags, min_months) => Kind::KindergartenClass,
        "kindergarten" => Kind::Kindergarten,
        _ => return None,
    };
    let mut facility = Facility::new(String::new(), LonLat::default(), kind);
    [facility.name, facility.name_zh, facility.name_en] = tags.names();
    facility.places = tags.get(Key::Capacity).and_then(capacity);
    facility.min_months = min_months;
    facility.max_months = tags.get(Key::MaxAge).and_then(age_months);
    let passed = [
        (Key::Operator, "operator"),
        (Key::OperatorType, "operator:type"),
        (Key::OpeningHours, "opening_hours"),
        (Key::Fee, "fee"),
        (Key::Website, "website"),
    ];
    for (key, column) in passed {
        if let Some(value) = tags.get(key) {
            facility.other.insert(column, value);
        }
    }
    if let Some(address) = address(tags) {
        facility.other.insert("address", &address);
    }
    Some(Box::new(facility))
}

/// ISCED 010 is early childhood educational development, for children under three; 020 is pre-primary.
fn takes_under_threes(tags: &Tags, min_months: Option<u32>) -> bool {
    min_months.is_some_and(|months| months < 36)
        || tags.is(Key::Nursery, "yes")
        || tags.get(Key::IscedLevel).is_some_and(|level| {
            level.split([';', ',']).map(str::trim).any(|code| code == "01" || code.contains("010"))
        })
}

fn address(tags: &Tags) -> Option<String> {
    if let Some(full) = tags.get(Key::AddrFull) {
        return Some(full.to_owned());
    }
    let street = tags.get(Key::AddrStreet)?;
    let mut address = street.to_owned();
    if let Some(number) = tags.get(Key::AddrHousenumber) {
        address = format!("{address} {number}");
    }
    if let Some(city) = tags.get(Key::AddrCity) {
        address = format!("{address}, {city}");
    }
    Some(address)
}

/// The first whole number in a text: mappers write `60`, `60 children`, `ca. 60`, `60-80`.
pub(super) fn capacity(text: &str) -> Option<u32> {
    let digits = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// An age in months: years unless the text says months.
pub(super) fn age_months(text: &str) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let age: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim_start();
    let months = unit.starts_with(['m', 'M']) || unit.starts_with("个月");
    let months = if months { age } else { age * 12.0 };
    (months <= 1_200.0).then(|| months.round() as u32)
}
