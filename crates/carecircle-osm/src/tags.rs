//! Every rule on OpenStreetMap tags: what may be walked, by whom and which way; what is a facility, a home, an area.
//!
//! The only place that knows tags. It sees one element's tags at a time, no geometry and no file.

use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::{Area, AreaLevel, Home};
use carecircle_core::street::{Access, Ground, StreetClass, Surface};
use std::collections::BTreeMap;

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
            | (1 << Key::Boundary as u8)
            | (1 << Key::Aeroway as u8)
            | (1 << Key::Railway as u8)
            | (1 << Key::Barrier as u8)
            | LAND;
        self.present & PRIMARY != 0
    }

    fn names(&self) -> [Option<String>; 3] {
        let text = |key| self.get(key).map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
        let (zh, en) = (text(Key::NameZh), text(Key::NameEn));
        [text(Key::Name).or_else(|| zh.clone()).or_else(|| en.clone()), zh, en]
    }
}

/// How a way is walked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Walk {
    pub(crate) class: StreetClass,
    pub(crate) access: Access,
    pub(crate) forward: bool,
    pub(crate) backward: bool,
    pub(crate) duration_s: Option<f64>,
    pub(crate) ground: Ground,
    /// Whether it is crossed rather than walked along, if it is closed.
    pub(crate) area: bool,
    pub(crate) conditional: bool,
    /// Whether sidewalks are drawn beside it.
    pub(crate) sidewalks_apart: bool,
}

/// What the tags of a way say about walking on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Walkable {
    Yes(Walk),
    /// Neither a highway nor a ferry.
    NoStreet,
    ClosedToFoot,
    /// People walk on the path beside it.
    UseSidepath,
    Motorway,
    Motorroad,
    NotBuilt,
    OtherHighway,
    FerryWithoutDuration,
}

/// Whether and how a way is walked.
pub(crate) fn walkable(tags: &Tags) -> Walkable {
    let class = match tags.get(Key::Highway) {
        Some(highway) => highway_class(highway).ok_or(match highway {
            "motorway" | "motorway_link" => Walkable::Motorway,
            "construction" | "proposed" => Walkable::NotBuilt,
            _ => Walkable::OtherHighway,
        }),
        None if tags.is(Key::Railway, "platform") => Ok(StreetClass::Footway),
        None => Err(Walkable::NoStreet),
    };
    let class = match class {
        Ok(class) => class,
        Err(_) if tags.is(Key::Route, "ferry") => StreetClass::Ferry,
        Err(verdict) => return verdict,
    };
    if tags.is(Key::Motorroad, "yes")
        && !matches!(tags.get(Key::Foot), Some("yes" | "designated" | "permissive" | "official"))
    {
        return Walkable::Motorroad;
    }
    let access = match permission(tags) {
        Some(Permission::SidePath) => return Walkable::UseSidepath,
        Some(Permission::Granted(Access::Closed)) => return Walkable::ClosedToFoot,
        Some(Permission::Granted(access)) => access,
        None => Access::Public,
    };
    let duration_s = match class {
        StreetClass::Ferry => match tags.get(Key::Duration).and_then(duration_s) {
            Some(duration) => Some(duration),
            None => return Walkable::FerryWithoutDuration,
        },
        _ => None,
    };
    let (forward, backward) = direction(tags);
    // A lift drawn as its shaft is crossed too: from any door to any other it is one ride.
    let area = match class {
        StreetClass::Elevator => !tags.is(Key::Area, "no"),
        StreetClass::Ferry => false,
        StreetClass::Footway | StreetClass::Street | StreetClass::Steps => tags.is(Key::Area, "yes"),
    };
    let sidewalks_apart = [Key::Sidewalk, Key::SidewalkBoth].into_iter().any(|key| tags.is(key, "separate"));
    let (ground, conditional) = (ground(tags, class), is_conditional(tags));
    Walkable::Yes(Walk { class, access, forward, backward, duration_s, ground, area, conditional, sidewalks_apart })
}

/// Whether a relation is a square that people cross on foot, and how.
pub(crate) fn walkable_relation(tags: &Tags) -> Option<Walk> {
    if !tags.is(Key::Type, "multipolygon") {
        return None;
    }
    match walkable(tags) {
        Walkable::Yes(walk) if walk.class != StreetClass::Ferry => Some(walk),
        _ => None,
    }
}

/// What `foot`, or else `access`, says of people on foot.
enum Permission {
    Granted(Access),
    SidePath,
}

fn permission(tags: &Tags) -> Option<Permission> {
    Some(Permission::Granted(match tags.get(Key::Foot).or(tags.get(Key::Access))? {
        "no" => Access::Closed,
        "private" | "residents" | "destination" | "customers" | "delivery" | "permit" | "agricultural" | "forestry" => {
            Access::Destination
        }
        "use_sidepath" => return Some(Permission::SidePath),
        _ => Access::Public,
    }))
}

fn is_conditional(tags: &Tags) -> bool {
    tags.get(Key::FootConditional).or(tags.get(Key::AccessConditional)).is_some()
}

/// What a street is like underfoot.
fn ground(tags: &Tags, class: StreetClass) -> Ground {
    let rough = match tags.get(Key::Smoothness) {
        Some("horrible" | "very_horrible" | "impassable") => Surface::Soft,
        Some("bad" | "very_bad") => Surface::Loose,
        _ => Surface::Firm,
    };
    let surface = match tags.get(Key::Surface) {
        Some("sett" | "cobblestone" | "cobblestone:flattened" | "unhewn_cobblestone" | "grass_paver") => {
            Surface::Cobbled
        }
        Some(
            "unpaved" | "gravel" | "fine_gravel" | "pebblestone" | "ground" | "dirt" | "earth" | "soil" | "clay"
            | "rock" | "rocks" | "stone" | "woodchips" | "stepping_stones",
        ) => Surface::Loose,
        Some("sand" | "mud" | "grass" | "snow" | "ice" | "salt") => Surface::Soft,
        _ => Surface::Firm,
    };
    let ramps = [Key::Ramp, Key::RampStroller, Key::RampWheelchair];
    Ground {
        surface: surface.max(rough),
        incline_percent: tags.get(Key::Incline).map_or(0, |text| incline_percent(text, class)),
        ramp: class == StreetClass::Steps
            && ramps.into_iter().any(|key| matches!(tags.get(key), Some("yes" | "separate"))),
        conveyor: tags.set(Key::Conveying).is_some(),
        no_stroller: tags.is(Key::Stroller, "no"),
    }
}

/// Percent of rise: `8%`, `-5 %`, `4°`; of steps `up` and `down` tell the direction, of other ways nothing. 0 when it can't
/// be read, or is steeper than any street.
fn incline_percent(text: &str, class: StreetClass) -> i8 {
    let text = text.trim();
    match text {
        "up" => return i8::from(class == StreetClass::Steps),
        "down" => return -i8::from(class == StreetClass::Steps),
        _ => {}
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ','))).unwrap_or(text.len());
    let number: Option<f64> = text[..end].replace(',', ".").parse().ok();
    let percent = match (number, text[end..].trim()) {
        (Some(number), "%" | "") => number,
        (Some(degrees), "°") => degrees.to_radians().tan() * 100.0,
        _ => return 0,
    };
    if percent.abs() <= 100.0 { percent.round() as i8 } else { 0 }
}

/// What the tags of a node on a street or an outline say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Who may pass, where not everybody may, and whether that is a gate rather than a wall.
    pub(crate) barrier: Option<(Access, bool)>,
    /// Where one comes in, if it is on an outline: whether it is a gate in a wall.
    pub(crate) door: Option<bool>,
    pub(crate) raised_kerb: bool,
    pub(crate) signals: bool,
    pub(crate) lift: bool,
    pub(crate) conditional: bool,
}

impl Spot {
    /// The keys and values without which a node is nothing of the kind.
    pub(crate) fn is_word(text: &[u8]) -> bool {
        matches!(text, b"barrier" | b"entrance" | b"kerb" | b"crossing" | b"crossing:signals" | b"elevator")
    }
}

/// What a node is to whoever walks over it.
pub(crate) fn spot(tags: &Tags) -> Spot {
    let barrier = tags.set(Key::Barrier);
    let entrance = tags.set(Key::Entrance);
    let is_wall = barrier.is_some_and(is_wall);
    let is_gate = matches!(
        barrier,
        Some(
            "gate"
                | "lift_gate"
                | "swing_gate"
                | "sliding_gate"
                | "kissing_gate"
                | "wicket_gate"
                | "hampshire_gate"
                | "bump_gate"
                | "turnstile"
                | "full-height_turnstile"
                | "entrance"
                | "sally_port"
                | "stile"
        )
    );
    let permitted = tags.get(Key::Foot).or(tags.get(Key::Access));
    let is_passage = barrier.is_some() || (tags.get(Key::Entrance).is_some() && permitted.is_some());
    let access = match (permission(tags), permitted) {
        _ if !is_passage => Access::Public,
        (Some(Permission::Granted(access @ (Access::Destination | Access::Closed))), _) => access,
        (_, Some("yes" | "permissive" | "designated" | "official" | "public")) => Access::Public,
        _ if is_wall || tags.is(Key::Locked, "yes") => Access::Closed,
        _ => Access::Public,
    };
    let restricted = (access != Access::Public).then_some((access, !is_wall));
    Spot {
        barrier: restricted,
        door: (is_gate || entrance.is_some()).then_some(is_gate),
        raised_kerb: tags.is(Key::Kerb, "raised"),
        signals: tags.is(Key::Crossing, "traffic_signals") || tags.is(Key::CrossingSignals, "yes"),
        lift: tags.is(Key::Highway, "elevator"),
        conditional: is_passage && is_conditional(tags),
    }
}

/// Whether a barrier is one that nobody gets over. A grown hedge is no more walked through than a fence is. Guard rails,
/// chains, blocks and kerbs are stepped over, and a ditch is too.
fn is_wall(barrier: &str) -> bool {
    matches!(barrier, "wall" | "fence" | "hedge" | "city_wall" | "retaining_wall")
}

/// Whether nobody on foot crosses the line of a way, or the outline of a multipolygon, but where a street does. A street
/// itself is never an obstacle.
///
/// | line | but for |
/// |---|---|
/// | walls that nobody gets over, also round a building or grounds | |
/// | banks of lakes, basins, docks and broad rivers; coastlines | dry for part of the year; under ground |
/// | rivers and canals drawn as a line (a stream, ditch or drain is stepped over) | dry for part of the year; under ground |
/// | railways of their own (people cross a tram's tracks anywhere; a monorail hangs) | out of use; on a bridge, since people pass below; in a tunnel |
/// | motorways and motorroads | on a bridge; in a tunnel |
/// | cliffs | |
pub(crate) fn is_obstacle(tags: &Tags) -> bool {
    // A layer below zero alone says too little: mappers give it to any water that a bridge crosses.
    let is_below = tags.set(Key::Tunnel).is_some() || tags.is(Key::Location, "underground");
    let is_level = || !is_below && tags.set(Key::Bridge).is_none();
    tags.get(Key::Barrier).is_some_and(is_wall)
        || tags.is(Key::Natural, "cliff")
        || (is_water(tags) && !is_below && tags.set(Key::Covered).is_none() && tags.set(Key::Intermittent).is_none())
        || (is_track(tags) && is_level())
        || (matches!(walkable(tags), Walkable::Motorway | Walkable::Motorroad) && is_level())
}

/// Whether nobody on foot crosses the outline of a relation: what it says holds for all ways that it is drawn with.
pub(crate) fn is_obstacle_relation(tags: &Tags) -> bool {
    tags.is(Key::Type, "multipolygon") && is_obstacle(tags)
}

fn is_water(tags: &Tags) -> bool {
    matches!(tags.get(Key::Natural), Some("water" | "coastline"))
        || matches!(tags.get(Key::Landuse), Some("reservoir" | "basin" | "salt_pond" | "aquaculture"))
        || matches!(tags.get(Key::Waterway), Some("river" | "canal" | "riverbank" | "dock" | "tidal_channel"))
}

fn is_track(tags: &Tags) -> bool {
    let is_in_use = tags.set(Key::Disused).is_none() && tags.set(Key::Abandoned).is_none();
    let kinds = ["rail", "light_rail", "subway", "narrow_gauge", "funicular", "preserved"];
    is_in_use && tags.get(Key::Railway).is_some_and(|railway| kinds.contains(&railway))
}

fn highway_class(highway: &str) -> Option<StreetClass> {
    Some(match highway {
        "steps" => StreetClass::Steps,
        "elevator" => StreetClass::Elevator,
        "footway" | "path" | "pedestrian" | "corridor" | "platform" => StreetClass::Footway,
        "living_street" | "residential" | "service" | "unclassified" | "track" | "tertiary" | "secondary"
        | "primary" | "trunk" | "tertiary_link" | "secondary_link" | "primary_link" | "trunk_link" | "cycleway"
        | "bridleway" | "road" => StreetClass::Street,
        _ => return None,
    })
}

/// Whether a way is walked forward and backward. Plain `oneway` is for vehicles.
fn direction(tags: &Tags) -> (bool, bool) {
    match tags.get(Key::OnewayFoot) {
        Some("yes" | "1" | "true") => return (true, false),
        Some("-1" | "reverse") => return (false, true),
        _ => {}
    }
    match tags.get(Key::Conveying) {
        Some("forward") => (true, false),
        Some("backward") => (false, true),
        _ => (true, true),
    }
}

/// Seconds of a `duration`: minutes, `HH:MM`, `HH:MM:SS` or ISO 8601 (`PT1H5M10S`); `None` when it can't be read or
/// isn't positive.
pub(crate) fn duration_s(text: &str) -> Option<f64> {
    let text = text.trim();
    let seconds = if let Some(iso) = text.strip_prefix('P') { iso_duration_s(iso)? } else { clock_s(text)? };
    (seconds > 0.0).then_some(seconds)
}

fn clock_s(text: &str) -> Option<f64> {
    let whole = |part: &str| {
        let digits = !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<f64>().ok()).flatten()
    };
    let mut parts = text.split(':').map(whole);
    let (a, b, c) = (parts.next()??, parts.next(), parts.next());
    match (b, c, parts.next()) {
        (None, None, None) => Some(a * 60.0),
        (Some(b), None, None) => Some(a * 3_600.0 + b? * 60.0),
        (Some(b), Some(c), None) => Some(a * 3_600.0 + b? * 60.0 + c?),
        _ => None,
    }
}

fn iso_duration_s(text: &str) -> Option<f64> {
    let (mut seconds, mut in_time, mut number) = (0.0, false, String::new());
    for c in text.chars() {
        match c {
            '0'..='9' | '.' if number.len() < 12 => number.push(c),
            'T' if !in_time && number.is_empty() => in_time = true,
            'D' | 'H' | 'M' | 'S' => {
                let unit = match (c, in_time) {
                    ('D', false) => 86_400.0,
                    ('H', true) => 3_600.0,
                    ('M', true) => 60.0,
                    ('S', true) => 1.0,
                    // Months have no length.
                    _ => return None,
                };
                seconds += number.parse::<f64>().ok()? * unit;
                number.clear();
            }
            _ => return None,
        }
    }
    number.is_empty().then_some(seconds)
}

/// What a polygon is used for; several at once is common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uses {
    /// All but its id and place.
    pub(crate) facility: Option<Box<Facility>>,
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
            facility.other.insert(column.to_owned(), value.to_owned());
        }
    }
    if let Some(address) = address(tags) {
        facility.other.insert("address".to_owned(), address);
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
fn capacity(text: &str) -> Option<u32> {
    let digits = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// An age in months: years unless the text says months.
fn age_months(text: &str) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let age: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim_start();
    let months = unit.starts_with(['m', 'M']) || unit.starts_with("个月");
    let months = if months { age } else { age * 12.0 };
    (months <= 1_200.0).then(|| months.round() as u32)
}

/// Storeys: the first number of a list, if a building can have so many.
fn levels(text: &str) -> Option<f32> {
    let first = text.split(';').next()?.trim().replace(',', ".");
    first.parse().ok().filter(|levels| (0.5..=200.0).contains(levels))
}

/// Whether people live in a building.
fn home(tags: &Tags) -> Option<Home> {
    match tags.get(Key::Building)? {
        "residential" | "apartments" | "house" | "detached" | "semidetached_house" | "terrace" | "bungalow"
        | "dormitory" | "cabin" | "farm" | "static_caravan" | "houseboat" | "ger" | "stilt_house" | "tree_house"
        | "trullo" => Some(Home::Certain),
        "yes" => match tags.get(Key::BuildingUse) {
            Some("residential" | "apartments") => Some(Home::Certain),
            Some(_) => None,
            None => (!has_other_purpose(tags)).then_some(Home::Assumed),
        },
        _ => None,
    }
}

/// Whether a building's own tags say that it is there for something else than living.
fn has_other_purpose(tags: &Tags) -> bool {
    const PURPOSES: [Key; 18] = [
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
        Key::Abandoned,
        Key::Disused,
        Key::Ruins,
        Key::Tourism,
    ];
    tags.is(Key::Historic, "ruins")
        || PURPOSES.into_iter().any(|key| tags.set(key).is_some_and(|v| key != Key::Tourism || v != "apartment"))
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
const LAND: u128 = (1 << Key::Natural as u8) | (1 << Key::Leisure as u8) | (1 << Key::Waterway as u8);

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
fn area(tags: &Tags) -> Option<Box<Area>> {
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
        id: String::new(),
        name,
        name_zh,
        name_en,
        level,
        parent: None,
        population: tags
            .get(Key::Population)
            .and_then(|p| p.trim().parse().ok())
            .filter(|p: &f64| p.is_finite() && *p >= 0.0),
        under3: None,
        shape: LonLatShape::new(Vec::new()),
        other: BTreeMap::from([("admin_level".to_owned(), admin_level.to_owned())]),
    }))
}

#[cfg(test)]
mod tests;
