//! Streets as a reader hands them over, before they become a network.
//!
//! Owns the vocabulary between a map format and [`crate::network::Network`]; it knows no tags.

use crate::geometry::LonLat;
use std::ops::Range;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// What kind of way a street is, as far as walking cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum StreetClass {
    /// A way for people on foot: footway, path, pedestrian street, corridor, platform.
    Footway,
    /// Steps.
    Steps,
    /// A lift.
    Elevator,
    /// A street or road that people walk along.
    Street,
    /// A ferry line: ridden, never snapped to.
    Ferry,
}

impl StreetClass {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Footway => "footway",
            Self::Steps => "steps",
            Self::Elevator => "elevator",
            Self::Street => "street",
            Self::Ferry => "ferry",
        }
    }
}

/// How much of a road a street is: maps show the large ones from afar. No walk depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Rank {
    /// The roads that lead through a city and out of it.
    Primary,
    /// The roads between its districts.
    Secondary,
    /// The roads that gather the traffic of a quarter.
    Tertiary,
    /// Ramps and slip roads.
    Link,
    /// Streets that people live along, and the pedestrian ones of a centre.
    Street,
    /// Driveways, alleys, tracks.
    Service,
    /// Ways without cars.
    Path,
    /// A ferry line.
    Ferry,
}

impl Rank {
    /// Every rank, in order.
    pub const ALL: [Self; 8] = [
        Self::Primary,
        Self::Secondary,
        Self::Tertiary,
        Self::Link,
        Self::Street,
        Self::Service,
        Self::Path,
        Self::Ferry,
    ];

    /// The rank of a street of which no more than its class is known.
    pub fn of(class: StreetClass) -> Self {
        match class {
            StreetClass::Street => Self::Street,
            StreetClass::Footway | StreetClass::Steps | StreetClass::Elevator => Self::Path,
            StreetClass::Ferry => Self::Ferry,
        }
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Tertiary => "tertiary",
            Self::Link => "link",
            Self::Street => "street",
            Self::Service => "service",
            Self::Path => "path",
            Self::Ferry => "ferry",
        }
    }
}

/// Who may walk on a street, or pass a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Access {
    /// Anybody.
    Public,
    /// Only those who live or have business there: the first or last leg of a walk.
    Destination,
    /// Nobody. Streets that are closed are not read; a barrier may be closed.
    Closed,
}

/// What one walks on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(u8)]
pub enum Surface {
    /// Paved, or not known to be otherwise.
    #[default]
    Firm,
    /// Cobbles and setts.
    Cobbled,
    /// Gravel, earth, fine or coarse.
    Loose,
    /// Sand, mud, grass, or a surface that the map calls horrible.
    Soft,
}

impl Surface {
    /// Every surface, in order.
    pub const ALL: [Self; 4] = [Self::Firm, Self::Cobbled, Self::Loose, Self::Soft];
}

/// What a street is like underfoot, as far as the map tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ground {
    /// What one walks on.
    pub surface: Surface,
    /// How much it rises from its first place to its last, percent; 0 where the map doesn't tell. Of steps only the
    /// sign is of use.
    pub incline_percent: i8,
    /// Steps with a ramp for wheels beside them.
    pub ramp: bool,
    /// It moves: an escalator or a moving walkway.
    pub conveyor: bool,
    /// Marked as not for strollers.
    pub no_stroller: bool,
}

/// A way of the map that may be walked, as a run of places.
#[derive(Clone, Debug, PartialEq)]
pub struct StreetWay {
    /// The way's id on the map. Several runs may carry the same id: a way with missing places comes in pieces.
    pub id: i64,
    /// Which of [`Streets::refs`] are its places, in order.
    pub refs: Range<u32>,
    /// What kind of way it is.
    pub class: StreetClass,
    /// Who may walk on it.
    pub access: Access,
    /// Whether it may be walked from its first place to its last.
    pub forward: bool,
    /// Whether it may be walked from its last place to its first.
    pub backward: bool,
    /// Seconds for the whole run where they don't depend on walking: a ferry's timetable.
    pub duration_s: Option<f64>,
    /// What it is like underfoot.
    pub ground: Ground,
}

/// A square: an area that people cross on foot.
#[derive(Clone, Debug, PartialEq)]
pub struct StreetArea {
    /// The id of its way on the map, or minus the id of its relation.
    pub id: i64,
    /// Its rings, outer and inner alike, as ranges of [`Streets::refs`]; the first place is not repeated at the end.
    pub rings: Vec<Range<u32>>,
    /// What kind of way it is.
    pub class: StreetClass,
    /// Who may walk on it.
    pub access: Access,
    /// What it is like underfoot.
    pub ground: Ground,
}

/// A place on a street that not everybody may pass: a gate, most often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Its index into [`Streets::points`].
    pub point: u32,
    /// The id of its node on the map.
    pub node: i64,
    /// Who may pass; never [`Access::Public`].
    pub access: Access,
    /// Whether it could be opened: a gate and its like, not a wall.
    pub gate: bool,
}

/// What costs time at a place on a street.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// A raised kerb.
    RaisedKerb,
    /// Traffic lights to cross a street by.
    Signals,
    /// A lift that joins storeys.
    Lift,
}

/// All walkable ways of an extract. Two ways meet where they share an index into [`Streets::points`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streets {
    /// The places that ways run through.
    pub points: Vec<LonLat>,
    /// Indices into `points`, way after way.
    pub refs: Vec<u32>,
    /// The ways, by ascending id.
    pub ways: Vec<StreetWay>,
    /// The squares; their outlines are walked too, and are not among `ways`.
    pub areas: Vec<StreetArea>,
    /// Where not everybody passes, by point, each point once.
    pub barriers: Vec<Barrier>,
    /// What costs time, and at which of `points`.
    pub delays: Vec<(u32, Delay)>,
    /// The ranks of ways and squares whose class does not tell them ([`Rank::of`]), by ascending id.
    pub ranks: Vec<(i64, Rank)>,
}
