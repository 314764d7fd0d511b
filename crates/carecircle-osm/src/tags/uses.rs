//! What polygons are used for: homes, other things, land that nobody lives on; and the areas of the administration.

use super::facility::facility;
use super::premises::premises;
use super::{Key, Tags};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::LonLatShape;
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Home, Premises};

/// What a polygon is used for; several at once is common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uses {
    /// All but its id and place.
    pub(crate) facility: Option<Box<Facility>>,
    /// All but their id and place; what is a facility is no premises for one.
    pub(crate) premises: Option<Box<Premises>>,
    /// All but its id and shape.
    pub(crate) area: Option<Box<Area>>,
    /// Land where people live.
    pub(crate) residential: Option<Residential>,
    /// A home, and its storeys.
    pub(crate) building: Option<(Home, Option<f32>)>,
    /// Land put to another use than living.
    pub(crate) other_use: bool,
    /// Land where nobody lives unless a home is mapped.
    pub(crate) uninhabited: bool,
}

/// Land where people live.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Residential {
    pub(crate) name: Option<String>,
}

impl Uses {
    /// Whether it is of no use to anybody here.
    pub(crate) fn is_none(&self) -> bool {
        self.facility.is_none()
            && self.premises.is_none()
            && self.area.is_none()
            && self.residential.is_none()
            && self.building.is_none()
            && !self.other_use
            && !self.uninhabited
    }
}

/// What a closed way is used for.
pub(crate) fn uses(tags: &Tags) -> Uses {
    Uses {
        facility: facility(tags),
        premises: premises(tags),
        area: area(tags),
        residential: tags.is(Key::Landuse, "residential").then(|| {
            let [name, ..] = tags.names();
            Residential { name }
        }),
        building: home(tags).map(|home| (home, tags.get(Key::BuildingLevels).and_then(levels))),
        other_use: other_use(tags),
        uninhabited: uninhabited(tags),
    }
}

/// What a relation is used for: nothing unless it is a multipolygon, or a boundary.
pub(crate) fn relation_uses(tags: &Tags) -> Uses {
    match tags.get(Key::Type) {
        Some("multipolygon") => uses(tags),
        Some("boundary") => Uses { area: area(tags), ..Uses::default() },
        _ => Uses::default(),
    }
}

/// Whether people live in a building.
pub(super) fn home(tags: &Tags) -> Option<Home> {
    match tags.get(Key::Building)? {
        "residential" | "apartments" | "house" | "detached" | "semidetached_house" | "terrace" | "bungalow"
        | "dormitory" | "cabin" | "farm" | "static_caravan" | "houseboat" | "ger" | "stilt_house" | "tree_house"
        | "trullo" => Some(Home::Certain),
        "yes" => match tags.get(Key::BuildingUse) {
            Some("residential" | "apartments") => Some(Home::Certain),
            Some(_) => None,
            None => {
                let is_in_use = tags.set(Key::Disused).is_none() && !is_ruin(tags);
                (is_in_use && purposes(tags).next().is_none()).then_some(Home::Assumed)
            }
        },
        _ => None,
    }
}

/// What a building's own tags say that it is there for, besides living.
pub(super) fn purposes(tags: &Tags) -> impl Iterator<Item = Key> {
    const PURPOSES: [Key; 15] = [
        Key::Amenity,
        Key::Shop,
        Key::Office,
        Key::Leisure,
        Key::ManMade,
        Key::Industrial,
        Key::Craft,
        Key::PublicTransport,
        Key::Railway,
        Key::Power,
        Key::Healthcare,
        Key::Military,
        Key::Aeroway,
        Key::Religion,
        Key::Tourism,
    ];
    PURPOSES.into_iter().filter(|&key| tags.set(key).is_some_and(|v| key != Key::Tourism || v != "apartment"))
}

/// Whether nobody can use it any more.
pub(super) fn is_ruin(tags: &Tags) -> bool {
    tags.is(Key::Historic, "ruins") || tags.set(Key::Abandoned).is_some() || tags.set(Key::Ruins).is_some()
}

/// Storeys: the first number of a list, if a building can have so many.
pub(super) fn levels(text: &str) -> Option<f32> {
    let first = text.split(';').next()?.trim().replace(',', ".");
    first.parse().ok().filter(|levels| (0.5..=200.0).contains(levels))
}

/// Whether land or a site is put to a use that makes its untagged buildings no homes.
fn other_use(tags: &Tags) -> bool {
    matches!(
        tags.get(Key::Landuse),
        Some(
            "industrial"
                | "commercial"
                | "retail"
                | "cemetery"
                | "military"
                | "railway"
                | "port"
                | "quarry"
                | "landfill"
                | "garages"
                | "religious"
                | "education"
                | "institutional"
                | "depot"
                | "brownfield"
                | "construction"
                | "greenhouse_horticulture"
        )
    ) || matches!(
        tags.get(Key::Amenity),
        Some(
            "school"
                | "university"
                | "college"
                | "hospital"
                | "kindergarten"
                | "childcare"
                | "prison"
                | "marketplace"
                | "grave_yard"
        )
    ) || tags.is(Key::Aeroway, "aerodrome")
}

/// Keys besides `landuse` that tell of land where nobody lives.
pub(super) const LAND: u128 = (1 << Key::Natural as u8) | (1 << Key::Leisure as u8) | (1 << Key::Waterway as u8);

/// Whether it is land where nobody lives unless a home is mapped: water, wilderness, woods, fields, and grounds that the
/// public goes to. What belongs to the homes beside it (gardens, lawns, playgrounds, parking, allotments) is part of
/// where they are; a nature reserve says what is protected, not what is there.
fn uninhabited(tags: &Tags) -> bool {
    if tags.is(Key::Landuse, "residential") {
        return false;
    }
    matches!(
        tags.get(Key::Landuse),
        Some(
            "forest"
                | "farmland"
                | "meadow"
                | "orchard"
                | "vineyard"
                | "plant_nursery"
                | "basin"
                | "reservoir"
                | "salt_pond"
                | "aquaculture"
                | "recreation_ground"
        )
    ) || matches!(
        tags.get(Key::Natural),
        Some(
            "water"
                | "wetland"
                | "mud"
                | "wood"
                | "scrub"
                | "heath"
                | "grassland"
                | "fell"
                | "tundra"
                | "bare_rock"
                | "scree"
                | "shingle"
                | "sand"
                | "beach"
                | "glacier"
        )
    ) || matches!(
        tags.get(Key::Leisure),
        Some("park" | "golf_course" | "stadium" | "sports_centre" | "pitch" | "water_park" | "marina")
    ) || matches!(tags.get(Key::Waterway), Some("riverbank" | "dock"))
}

/// The administrative area that the tags describe, without id and shape. Levels
/// 1 and 2, unions of states and states, are left out.
pub(super) fn area(tags: &Tags) -> Option<Box<Area>> {
    if !tags.is(Key::Boundary, "administrative") {
        return None;
    }
    let admin_level = tags.get(Key::AdminLevel)?.trim();
    let level = match admin_level.parse::<u8>().ok()? {
        0..=2 => return None,
        3..=5 => AreaLevel::City,
        6 | 7 => AreaLevel::District,
        8 | 9 => AreaLevel::Street,
        10.. => AreaLevel::Community,
    };
    let [name, name_zh, name_en] = tags.names();
    Some(Box::new(Area {
        name,
        name_zh,
        name_en,
        population: tags
            .get(Key::Population)
            .and_then(|p| p.trim().parse().ok())
            .filter(|p: &f64| p.is_finite() && *p >= 0.0),
        other: OtherColumns::from_iter([("admin_level", admin_level)]),
        ..Area::new("", level, LonLatShape::new(Vec::new()))
    }))
}
