//! What counts, and what is asked of it: data, not code.

use crate::facility::Eligibility;
use crate::profile::Profile;
use crate::time::WalkTime;

/// The rules of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The name it goes by.
    pub name: String,
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
            minutes: 15.0,
            profile: Profile::walk(),
            eligibility: Eligibility::default(),
            block_share: 0.5,
            what_if_gates: false,
        }
    }
}
