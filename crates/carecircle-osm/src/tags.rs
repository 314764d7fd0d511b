//! Every rule on OpenStreetMap tags: what may be walked, by whom and which way; what is a facility, a home, an area.
//!
//! This module and those below it are the only place that knows tags. They see one element's tags at a time, no geometry
//! and no file.

mod facility;
mod obstacle;
mod premises;
mod spot;
mod street;
mod uses;

pub(crate) use facility::{facility, is_facility_value};
pub(crate) use obstacle::{is_obstacle, is_obstacle_relation};
pub(crate) use premises::{is_premises_value, premises};
pub(crate) use spot::{Spot, spot};
pub(crate) use street::{Walk, Walkable, walkable, walkable_relation};
pub(crate) use uses::{Uses, relation_uses, uses};

macro_rules! keys {
    ($($name:ident = $text:literal,)+) => {
        /// A key that some rule reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Key { $($name,)+ }

        impl Key {
            const ALL: &'static [Self] = &[$(Self::$name),+];

            fn of(text: &[u8]) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

keys! {
    Highway = b"highway",
    Route = b"route",
    Building = b"building",
    Landuse = b"landuse",
    Amenity = b"amenity",
    Boundary = b"boundary",
    Aeroway = b"aeroway",
    Type = b"type",
    Foot = b"foot",
    Access = b"access",
    FootConditional = b"foot:conditional",
    AccessConditional = b"access:conditional",
    Motorroad = b"motorroad",
    OnewayFoot = b"oneway:foot",
    Conveying = b"conveying",
    Duration = b"duration",
    BuildingLevels = b"building:levels",
    BuildingUse = b"building:use",
    Shop = b"shop",
    Office = b"office",
    Tourism = b"tourism",
    Leisure = b"leisure",
    ManMade = b"man_made",
    Industrial = b"industrial",
    Craft = b"craft",
    PublicTransport = b"public_transport",
    Railway = b"railway",
    Power = b"power",
    Healthcare = b"healthcare",
    Military = b"military",
    Religion = b"religion",
    Historic = b"historic",
    Abandoned = b"abandoned",
    Disused = b"disused",
    Ruins = b"ruins",
    Name = b"name",
    NameZh = b"name:zh",
    NameEn = b"name:en",
    Capacity = b"capacity",
    MinAge = b"min_age",
    MaxAge = b"max_age",
    IscedLevel = b"isced:level",
    Nursery = b"nursery",
    Operator = b"operator",
    OperatorType = b"operator:type",
    OpeningHours = b"opening_hours",
    Fee = b"fee",
    Website = b"website",
    AddrFull = b"addr:full",
    AddrCity = b"addr:city",
    AddrStreet = b"addr:street",
    AddrHousenumber = b"addr:housenumber",
    AdminLevel = b"admin_level",
    DisusedAmenity = b"disused:amenity",
    Government = b"government",
    Population = b"population",
    Area = b"area",
    Barrier = b"barrier",
    Crossing = b"crossing",
    CrossingSignals = b"crossing:signals",
    Entrance = b"entrance",
    Incline = b"incline",
    Kerb = b"kerb",
    Locked = b"locked",
    Natural = b"natural",
    Ramp = b"ramp",
    RampStroller = b"ramp:stroller",
    RampWheelchair = b"ramp:wheelchair",
    Sidewalk = b"sidewalk",
    SidewalkBoth = b"sidewalk:both",
    Smoothness = b"smoothness",
    Stroller = b"stroller",
    Surface = b"surface",
    Waterway = b"waterway",
    Bridge = b"bridge",
    Covered = b"covered",
    Intermittent = b"intermittent",
    Location = b"location",
    Tunnel = b"tunnel",
}

/// Which strings of a block's table are keys that some rule reads, found once per block.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    codes: Vec<u8>,
}

impl KeyTable {
    pub(crate) fn new(strings: &[Vec<u8>]) -> Self {
        Self { codes: strings.iter().map(|s| Key::of(s).map_or(u8::MAX, |key| key as u8)).collect() }
    }

    pub(crate) fn key(&self, index: usize) -> Option<Key> {
        self.codes.get(index).and_then(|&code| Key::ALL.get(usize::from(code))).copied()
    }
}

/// The tags of an element that some rule reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags<'a> {
    tags: Vec<(Key, &'a str)>,
    present: u128,
}

impl<'a> Tags<'a> {
    pub(crate) fn clear(&mut self) {
        self.tags.clear();
        self.present = 0;
    }

    /// Adds a tag; one that isn't text is passed over, and of a repeated key the first counts.
    pub(crate) fn push(&mut self, key: Key, value: &'a [u8]) {
        if let Ok(value) = std::str::from_utf8(value) {
            self.tags.push((key, value));
            self.present |= 1 << key as u8;
        }
    }

    /// Whether no rule reads any tag of the element.
    pub(crate) fn is_empty(&self) -> bool {
        self.present == 0
    }

    fn get(&self, key: Key) -> Option<&'a str> {
        if self.present & (1 << key as u8) == 0 {
            return None;
        }
        self.tags.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// The value unless it is `no`.
    fn set(&self, key: Key) -> Option<&'a str> {
        self.get(key).filter(|value| *value != "no")
    }

    fn is(&self, key: Key, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    /// Whether any rule can have something to say of this element.
    pub(crate) fn may_matter(&self) -> bool {
        const PRIMARY: u128 = (1 << Key::Highway as u8)
            | (1 << Key::Route as u8)
            | (1 << Key::Building as u8)
            | (1 << Key::Landuse as u8)
            | (1 << Key::Amenity as u8)
            | (1 << Key::DisusedAmenity as u8)
            | (1 << Key::Office as u8)
            | (1 << Key::Boundary as u8)
            | (1 << Key::Aeroway as u8)
            | (1 << Key::Railway as u8)
            | (1 << Key::Barrier as u8)
            | uses::LAND;
        self.present & PRIMARY != 0
    }

    fn names(&self) -> [Option<String>; 3] {
        let text = |key| self.get(key).map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
        let (zh, en) = (text(Key::NameZh), text(Key::NameEn));
        [text(Key::Name).or_else(|| zh.clone()).or_else(|| en.clone()), zh, en]
    }
}

#[cfg(test)]
mod tests;
