//! Who walks, how fast, and over what: numbers, passed explicitly. Where they come from stands in the profile files.

use crate::street::{Ground, StreetClass};
use crate::time::Speed;

/// How many times as long a metre takes as on firm, flat street; `None` where it can't be walked.
pub type Pace = Option<f64>;

/// Paces up and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Climb {
    /// The pace upwards.
    pub up: Pace,
    /// The pace downwards.
    pub down: Pace,
}

impl Climb {
    /// As on flat street.
    pub const FLAT: Self = Self { up: Some(1.0), down: Some(1.0) };
    /// Not to be walked.
    pub const CLOSED: Self = Self { up: None, down: None };
}

/// What a slope adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Added to the pace for each percent upwards.
    pub up_per_percent: f64,
    /// Added to the pace for each percent downwards.
    pub down_per_percent: f64,
    /// Steeper than this, percent, it can't be walked.
    pub steepest_percent: Option<f64>,
}

/// How somebody walks. No pace is below 1: nobody is quicker than on firm, flat street.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name that a query asks for it by.
    pub name: String,
    /// Speed on firm, flat street and off the network.
    pub speed: Speed,
    /// Steps without a ramp. Where the map doesn't tell which end is up, both ways cost what the slower one does.
    pub steps: Climb,
    /// Steps with a ramp beside them.
    pub steps_with_ramp: Climb,
    /// Escalators.
    pub escalator: Pace,
    /// Surfaces, in the order of [`crate::street::Surface::ALL`]; firm ground is 1.
    pub surfaces: [Pace; 4],
    /// Slopes.
    pub slope: Slope,
    /// Seconds that a raised kerb costs.
    pub raised_kerb_s: f64,
    /// Seconds that a lift costs.
    pub lift_s: f64,
    /// Seconds that a crossing with traffic lights costs.
    pub signal_s: f64,
    /// Whether it has a stroller along, and heeds signs against them.
    pub stroller: bool,
}

impl Profile {
    /// One speed and nothing else: what other engines call the shortest walk.
    pub fn plain(speed: Speed) -> Self {
        Self {
            name: "plain".to_owned(),
            speed,
            steps: Climb::FLAT,
            steps_with_ramp: Climb::FLAT,
            escalator: Some(1.0),
            surfaces: [Some(1.0); 4],
            slope: Slope { up_per_percent: 0.0, down_per_percent: 0.0, steepest_percent: None },
            raised_kerb_s: 0.0,
            lift_s: 0.0,
            signal_s: 0.0,
            stroller: false,
        }
    }

    /// An adult's walk at 4.8 km/h, the assumption that every answer states (80 m a minute: 1,200 m in 15 minutes), and
    /// 90 s for a lift. The same as the profile file `walk`, which names the sources.
    pub fn walk() -> Self {
        Self { name: "walk".to_owned(), lift_s: 90.0, ..Self::plain(Speed::POLICY) }
    }

    /// The pace on some ground from its first place to its last, and back.
    pub fn paces(&self, class: StreetClass, ground: Ground) -> [Pace; 2] {
        if self.stroller && ground.no_stroller {
            return [None; 2];
        }
        if class == StreetClass::Steps {
            let Climb { up, down } = match ground {
                Ground { conveyor: true, .. } => Climb { up: self.escalator, down: self.escalator },
                Ground { ramp: true, .. } => self.steps_with_ramp,
                _ => self.steps,
            };
            return match ground.incline_percent.signum() {
                1 => [up, down],
                -1 => [down, up],
                _ => [up.zip(down).map(|(up, down)| up.max(down)); 2],
            };
        }
        let Some(surface) = self.surfaces[ground.surface as usize] else { return [None; 2] };
        let percent = f64::from(ground.incline_percent);
        if self.slope.steepest_percent.is_some_and(|steepest| percent.abs() > steepest) {
            return [None; 2];
        }
        let along = |percent: f64| {
            let Slope { up_per_percent, down_per_percent, .. } = self.slope;
            Some(surface + percent.max(0.0) * up_per_percent + (-percent).max(0.0) * down_per_percent)
        };
        [along(percent), along(-percent)]
    }
}
