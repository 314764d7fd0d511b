//! What counts, and what is asked of it: data, not code.

use crate::facility::Eligibility;
use crate::indicators::{Figure, Indicator, Mark};
use crate::place::AreaLevel;
use crate::profile::Profile;
use crate::time::WalkTime;

/// The rules of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The name it goes by.
    pub name: String,
    /// Where its rules come from; empty where nobody says.
    pub source: String,
    /// The limit, minutes of walking: 15 by the cities' promise of a 15-minute childcare circle.
    pub minutes: f64,
    /// Who walks.
    pub profile: Profile,
    /// Which facilities count.
    pub eligibility: Eligibility,
    /// The share of a block's children from which on the block is covered: half, our assumption.
    pub block_share: f64,
    /// Whether to find out, for gaps that a gate or private way decides, which one to open.
    pub what_if_gates: bool,
    /// What is aimed at.
    pub targets: Vec<Target>,
}

impl Policy {
    /// The limits in minutes that make sense: beyond two hours nobody walks to childcare.
    pub const MINUTES: std::ops::RangeInclusive<f64> = 1.0..=120.0;

    /// The limit as a walking time.
    pub fn limit(&self) -> WalkTime {
        WalkTime::from_minutes(self.minutes)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            source: String::new(),
            minutes: 15.0,
            profile: Profile::walk(),
            eligibility: Eligibility::default(),
            block_share: 0.5,
            what_if_gates: false,
            targets: Vec::new(),
        }
    }
}

/// What is aimed at for one indicator.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Of which indicator.
    pub indicator: Indicator,
    /// What is asked; `None` for a promise without a number, which nobody can tell to be kept.
    pub goal: Option<Goal>,
    /// For [`Indicator::AreaShare`]: the level of the sub-areas, else those right inside.
    pub sub_areas: Option<AreaLevel>,
    /// The year by whose end it is aimed at.
    pub year: Option<u16>,
    /// Who says so.
    pub source: String,
}

impl Target {
    /// What the target makes of a figure.
    pub fn mark(&self, figure: &Figure) -> Mark {
        match (self.goal, figure.value()) {
            (Some(goal), Some(value)) if goal.is_met(value) => Mark::Met,
            (Some(_), Some(_)) => Mark::Missed,
            _ => Mark::Unknown,
        }
    }
}

/// What is asked of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// So much or more.
    AtLeast(f64),
    /// More than that.
    Over(f64),
    /// So much or less.
    AtMost(f64),
}

impl Goal {
    /// The number asked for.
    pub fn value(self) -> f64 {
        match self {
            Self::AtLeast(value) | Self::Over(value) | Self::AtMost(value) => value,
        }
    }

    /// The name of the bound in policy files and answers.
    pub fn bound(self) -> &'static str {
        match self {
            Self::AtLeast(_) => "at_least",
            Self::Over(_) => "over",
            Self::AtMost(_) => "at_most",
        }
    }

    /// Whether a value is as asked. What equals the number but for rounding is the number.
    pub fn is_met(self, value: f64) -> bool {
        let rounding = 1e-9 * self.value().abs();
        match self {
            Self::AtLeast(least) => value >= least - rounding,
            Self::Over(least) => value > least + rounding,
            Self::AtMost(most) => value <= most + rounding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_at_its_number_unless_it_says_over() {
        for (goal, below, at, above) in [
            (Goal::AtLeast(0.75), false, true, true),
            (Goal::Over(0.75), false, false, true),
            (Goal::AtMost(0.75), true, true, false),
        ] {
            let found = [0.74, 0.75 - 1e-15, 0.75 + 1e-15, 0.76].map(|value| goal.is_met(value));
            assert_eq!(found, [below, at, at, above], "{goal:?}");
        }
    }
}
