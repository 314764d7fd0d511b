//! Which ways are walked, by whom, which way, and on what ground.

use super::{Key, Tags};
use carecircle_core::street::{Access, Ground, Rank, StreetClass, Surface};

/// How a way is walked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Walk {
    pub(crate) class: StreetClass,
    pub(crate) rank: Rank,
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
    let rank = tags.get(Key::Highway).and_then(highway_rank).unwrap_or(Rank::of(class));
    Walkable::Yes(Walk {
        class,
        rank,
        access,
        forward,
        backward,
        duration_s,
        ground,
        area,
        conditional,
        sidewalks_apart,
    })
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

/// The rank of a highway, where its class does not tell it.
fn highway_rank(highway: &str) -> Option<Rank> {
    Some(match highway {
        "trunk" | "primary" => Rank::Primary,
        "secondary" => Rank::Secondary,
        "tertiary" => Rank::Tertiary,
        "trunk_link" | "primary_link" | "secondary_link" | "tertiary_link" => Rank::Link,
        "pedestrian" => Rank::Street,
        "service" | "track" => Rank::Service,
        "cycleway" | "bridleway" => Rank::Path,
        _ => return None,
    })
}

/// What `foot`, or else `access`, says of people on foot.
pub(super) enum Permission {
    Granted(Access),
    SidePath,
}

pub(super) fn permission(tags: &Tags) -> Option<Permission> {
    Some(Permission::Granted(match tags.get(Key::Foot).or(tags.get(Key::Access))? {
        "no" => Access::Closed,
        "private" | "residents" | "destination" | "customers" | "delivery" | "permit" | "agricultural" | "forestry" => {
            Access::Destination
        }
        "use_sidepath" => return Some(Permission::SidePath),
        _ => Access::Public,
    }))
}

pub(super) fn is_conditional(tags: &Tags) -> bool {
    tags.get(Key::FootConditional).or(tags.get(Key::AccessConditional)).is_some()
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

/// Seconds of a `duration`: minutes, `HH:MM`, `HH:MM:SS` or ISO 8601 (`PT1H5M10S`); `None` when it can't be read or
/// isn't positive.
pub(super) fn duration_s(text: &str) -> Option<f64> {
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
