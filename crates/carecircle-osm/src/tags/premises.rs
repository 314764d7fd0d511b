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

/// An office or a building of the authorities without another purpose, as far as it can be a municipality's: not the
/// nation's or a state's, no ministry, court or tax office.
fn public_building(tags: &Tags) -> Option<PremisesKind> {
    let is_office = tags.is(Key::Office, "government");
    let is_building = matches!(tags.get(Key::Building), Some("public" | "civic" | "government"));
    let is_local =
        tags.get(Key::AdminLevel).and_then(|level| level.trim().parse().ok()).is_none_or(|level: u8| level > 4)
            && matches!(
                tags.get(Key::Government),
                None | Some(
                    "yes"
                        | "administrative"
                        | "local_authority"
                        | "municipal"
                        | "public_service"
                        | "register_office"
                        | "social_services"
                        | "social_welfare"
                        | "education"
                        | "culture"
                )
            );
    let serves_nothing_else = || purposes(tags).all(|key| key == Key::Office && is_office);
    ((is_office || is_building) && is_local && serves_nothing_else()).then_some(PremisesKind::PublicBuilding)
}
