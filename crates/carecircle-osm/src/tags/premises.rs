//! What a nursery could be put into: schools, community centres, buildings of the municipality, and what was a
//! kindergarten.

use super::uses::{is_ruin, purposes};
use super::{Key, Tags};
use carecircle_core::geometry::LonLat;
use carecircle_core::place::{Premises, PremisesKind};

/// Whether a value of some tag can make premises, besides those that make facilities.
pub(crate) fn is_premises_value(value: &[u8]) -> bool {
    matches!(
        value,
        b"school"
            | b"community_centre"
            | b"townhall"
            | b"library"
            | b"public_building"
            | b"government"
            | b"public"
            | b"civic"
    )
}

/// The premises that the tags describe, without id and place.
pub(crate) fn premises(tags: &Tags) -> Option<Box<Premises>> {
    let kind = match tags.set(Key::Amenity) {
        Some(amenity) => serving(amenity),
        None => tags.get(Key::DisusedAmenity).and_then(formerly).or_else(|| public_building(tags)),
    }
    .filter(|_| !is_ruin(tags))?;
    let [name, ..] = tags.names();
    Some(Box::new(Premises { id: String::new(), name, kind, at: LonLat::default() }))
}

/// Clubs (`social_centre`) and homes for those in need (`social_facility`) are not the public's, or taken.
fn serving(amenity: &str) -> Option<PremisesKind> {
    match amenity {
        "school" => Some(PremisesKind::School),
        "community_centre" => Some(PremisesKind::CommunityCentre),
        "townhall" | "library" | "public_building" => Some(PremisesKind::PublicBuilding),
        _ => None,
    }
}

/// What stands empty in good repair; what is `abandoned:` has fallen into disrepair.
fn formerly(amenity: &str) -> Option<PremisesKind> {
    match amenity {
        "kindergarten" | "childcare" => Some(PremisesKind::FormerKindergarten),
        _ => serving(amenity),
    }
}

/// A building of the authorities without another purpose, unless it is the nation's or a state's; or an office that is
/// known to be a municipality's: most offices of a capital are ministries, whether or not the map says so.
fn public_building(tags: &Tags) -> Option<PremisesKind> {
    let is_office = tags.is(Key::Office, "government");
    let is_building = matches!(tags.get(Key::Building), Some("public" | "civic" | "government"));
    let is_local = if is_building { is_local(tags) != Some(false) } else { is_office && is_local(tags) == Some(true) };
    let serves_nothing_else = || purposes(tags).all(|key| key == Key::Office && is_office);
    (is_local && serves_nothing_else()).then_some(PremisesKind::PublicBuilding)
}

/// Whether an office is a municipality's, by its level and by what it does; no ministry, court or tax office is.
fn is_local(tags: &Tags) -> Option<bool> {
    let by_level = tags.get(Key::AdminLevel).and_then(|level| level.trim().parse::<u8>().ok()).map(|level| level > 4);
    let by_duty = tags.get(Key::Government).filter(|duty| *duty != "yes").map(|duty| {
        matches!(
            duty,
            "administrative"
                | "local_authority"
                | "municipal"
                | "public_service"
                | "register_office"
                | "social_services"
                | "social_welfare"
                | "education"
                | "culture"
        )
    });
    by_level.into_iter().chain(by_duty).reduce(|a, b| a && b)
}
