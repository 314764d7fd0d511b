//! Facilities: the places that look after children under three, and which of them a policy counts.

use crate::geometry::LonLat;
use jiff::civil::Date;
use std::collections::BTreeMap;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in tables, queries and answers.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}

named! {
    /// What sort of facility it is.
    Kind {
        /// A nursery (托育机构).
        Nursery = "nursery",
        /// A kindergarten's class for children under three (幼儿园托班).
        KindergartenClass = "kindergarten_class",
        /// A community's own (社区托育点).
        Community = "community",
        /// An employer's (用人单位).
        Employer = "employer",
        /// In a family's home (家庭托育点).
        Family = "family",
        /// A growth station (成长驿站).
        GrowthStation = "growth_station",
        /// A childcare service centre (托育综合服务中心).
        ServiceCentre = "service_centre",
        /// A kindergarten not known to take children under three.
        Kindergarten = "kindergarten",
    }
}

named! {
    /// The highest step that a facility has reached. Counts are cumulative: what is filed is registered too.
    Status {
        /// Nothing is known.
        Unknown = "unknown",
        /// Registered (登记).
        Registered = "registered",
        /// Filed (备案).
        Filed = "filed",
        /// Licensed.
        Licensed = "licensed",
    }
}

/// A place that looks after children under three. What a source doesn't tell is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Facility {
    /// Stable id, without dot or slash.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// The Chinese name.
    pub name_zh: Option<String>,
    /// The English name.
    pub name_en: Option<String>,
    /// Where it is: its entrance, or a point inside its polygon.
    pub at: LonLat,
    /// What sort it is.
    pub kind: Kind,
    /// The highest step reached.
    pub status: Status,
    /// Publicly supported and price-capped (普惠).
    pub inclusive: Option<bool>,
    /// How many children it may take.
    pub places: Option<u32>,
    /// Places for 6 to 12 months (乳儿班).
    pub places_infant: Option<u32>,
    /// Places for 12 to 24 months (托小班).
    pub places_toddler: Option<u32>,
    /// Places for 24 to 36 months (托大班).
    pub places_senior: Option<u32>,
    /// Children enrolled.
    pub enrolled: Option<u32>,
    /// Staff.
    pub staff: Option<u32>,
    /// Staff with a junior or higher childcare certificate.
    pub staff_certified: Option<u32>,
    /// Whether it has a health manager.
    pub health_manager: Option<bool>,
    /// Youngest age taken, months.
    pub min_months: Option<u32>,
    /// Oldest age taken, months.
    pub max_months: Option<u32>,
    /// The first day it is open.
    pub opened: Option<Date>,
    /// The first day it is closed again.
    pub closed: Option<Date>,
    /// Columns that pass through as they came: `hub`, `modes`, `price`, `address` and any other.
    pub other: BTreeMap<String, String>,
}

impl Facility {
    /// A facility of which only its id, place and kind are known.
    pub fn new(id: impl Into<String>, at: LonLat, kind: Kind) -> Self {
        Self {
            id: id.into(),
            name: None,
            name_zh: None,
            name_en: None,
            at,
            kind,
            status: Status::Unknown,
            inclusive: None,
            places: None,
            places_infant: None,
            places_toddler: None,
            places_senior: None,
            enrolled: None,
            staff: None,
            staff_certified: None,
            health_manager: None,
            min_months: None,
            max_months: None,
            opened: None,
            closed: None,
            other: BTreeMap::new(),
        }
    }
}

/// Which facilities count. The default counts every one: OpenStreetMap cannot tell who takes children under three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Eligibility {
    /// Only these kinds; empty for all.
    pub kinds: Vec<Kind>,
    /// Only facilities known to be inclusive (`true`) or known not to be (`false`).
    pub inclusive: Option<bool>,
    /// Only facilities at or past this step.
    pub status: Option<Status>,
    /// Only facilities known to have at least so many places.
    pub min_places: Option<u32>,
}

impl Eligibility {
    /// Whether a facility counts. What is not known does not meet a condition.
    pub fn admits(&self, facility: &Facility) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&facility.kind))
            && self.inclusive.is_none_or(|want| facility.inclusive == Some(want))
            && self.status.is_none_or(|least| facility.status >= least)
            && self.min_places.is_none_or(|least| facility.places.is_some_and(|p| p >= least))
    }
}
