//! Walking time and walking speed.

use std::fmt;
use std::ops::Add;

/// A walking time in whole milliseconds: ordered, exact, saturating. [`WalkTime::NEVER`] is later than every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalkTime(u32);

impl WalkTime {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// No route: later than any walk.
    pub const NEVER: Self = Self(u32::MAX);

    /// A time in milliseconds.
    pub const fn from_millis(ms: u32) -> Self {
        Self(ms)
    }

    /// The nearest whole millisecond to a number of seconds; negative becomes zero, too long becomes never.
    pub fn from_seconds(seconds: f64) -> Self {
        // A cast truncates and saturates; `round` is a call into the mathematics library for each edge.
        Self((seconds * 1000.0 + 0.5) as u32)
    }

    /// The nearest whole millisecond to a number of minutes.
    pub fn from_minutes(minutes: f64) -> Self {
        Self::from_seconds(minutes * 60.0)
    }

    /// Milliseconds.
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// Seconds.
    pub fn seconds(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// Minutes, or `None` for never.
    pub fn minutes(self) -> Option<f64> {
        (self != Self::NEVER).then(|| f64::from(self.0) / 60_000.0)
    }
}

impl Add for WalkTime {
    type Output = Self;

    /// Saturating: what is never stays never.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Walking speed, metres per second inside.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Speed {
    kmh: f64,
}

impl Speed {
    /// The slowest and fastest walk accepted, km/h. Naismith to race walking: anything else is a slip of the pen.
    pub const RANGE_KMH: std::ops::RangeInclusive<f64> = 0.5..=15.0;

    /// The speed that the policy's limits assume, 4.8 km/h: 80 m a minute.
    pub const POLICY: Self = Self { kmh: 4.8 };

    /// A speed in km/h, or `None` outside [`Speed::RANGE_KMH`].
    pub fn from_kmh(kmh: f64) -> Option<Self> {
        Self::RANGE_KMH.contains(&kmh).then_some(Self { kmh })
    }

    /// Kilometres per hour.
    pub fn kmh(self) -> f64 {
        self.kmh
    }

    /// The time that a number of metres takes.
    pub fn walk(self, metres: f64) -> WalkTime {
        WalkTime::from_seconds(metres * 3.6 / self.kmh)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} km/h", self.kmh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_absorbs_every_other_time() {
        assert_eq!(WalkTime::NEVER + WalkTime::from_seconds(1.0), WalkTime::NEVER);
        assert_eq!(WalkTime::from_seconds(f64::INFINITY), WalkTime::NEVER);
        assert_eq!(WalkTime::NEVER.minutes(), None);
    }

    #[test]
    fn eighty_metres_take_a_minute_at_the_policy_speed() {
        let speed = Speed::from_kmh(4.8).unwrap();
        assert_eq!(speed.walk(80.0), WalkTime::from_minutes(1.0));
        assert_eq!(Speed::from_kmh(0.0), None);
    }
}
