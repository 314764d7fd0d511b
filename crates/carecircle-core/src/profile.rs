//! Who walks, and how fast.

use crate::time::Speed;

/// How somebody walks: data, passed explicitly.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name that a query asks for it by.
    pub name: &'static str,
    /// Speed on plain street and off the network.
    pub speed: Speed,
}

impl Profile {
    /// The profiles that there are.
    pub const NAMES: [&'static str; 1] = ["walk"];

    /// An adult's walk at 4.8 km/h, the assumption that every answer states (80 m a minute: 1,200 m in 15 minutes).
    pub fn walk() -> Self {
        Self { name: "walk", speed: Speed::POLICY }
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        (name == "walk").then(Self::walk)
    }
}
