//! Streets as a reader hands them over, before they become a network.
//!
//! Owns the vocabulary between a map format and [`crate::network::Network`]; it knows no tags.

use crate::geometry::LonLat;
use std::ops::Range;

/// What kind of way a street is, as far as walking cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Who may walk on a street.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Anybody.
    Public,
    /// Only those who live or have business there: the first or last leg of a walk.
    Destination,
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
}
