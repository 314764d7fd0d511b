//! Facilities: the places that look after children under three, and which of them a policy counts.

use crate::geometry::LonLat;
use crate::other::OtherColumns;
use jiff::civil::Date;

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
pub(crate) use named;

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
    pub other: OtherColumns,
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
            other: OtherColumns::default(),
        }
    }
}

impl Facility {
    /// Whether it takes a child of so many months: by the ages that it tells and by its places for that age, and only if
    /// neither says no. What tells neither does not take it. A youngest age without an oldest has no end.
    pub fn takes(&self, months: u32) -> bool {
        let too_old = self.max_months.is_some_and(|oldest| months > oldest);
        let by_age = if too_old { Some(false) } else { self.min_months.map(|youngest| months >= youngest) };
        let by_places = match months {
            6..12 => self.places_infant,
            12..24 => self.places_toddler,
            24..=36 => self.places_senior,
            _ => None,
        };
        let by_places = by_places.map(|places| places > 0);
        by_age.or(by_places).is_some() && by_age != Some(false) && by_places != Some(false)
    }

    /// Places that nobody has taken, below zero where it is overfull.
    pub fn vacant(&self) -> Option<f64> {
        self.places.zip(self.enrolled).map(|(places, enrolled)| f64::from(places) - f64::from(enrolled))
    }

    /// Whether it is open on a day; what tells no dates is.
    pub fn is_open_on(&self, day: Date) -> bool {
        self.opened.is_none_or(|opened| opened <= day) && self.closed.is_none_or(|closed| day < closed)
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
    /// Only facilities that take a child of so many months, see [`Facility::takes`].
    pub child_months: Option<u32>,
    /// Only facilities known to have a place that nobody has taken.
    pub with_vacancy: bool,
    /// Only facilities open on this day, as far as is known.
    pub on: Option<Date>,
}

impl Eligibility {
    /// The ages in months that may be asked for: children under three.
    pub const CHILD_MONTHS: std::ops::RangeInclusive<u32> = 0..=36;

    /// Whether a facility counts. What is not known does not meet a condition.
    pub fn admits(&self, facility: &Facility) -> bool {
        Refusal::ALL.iter().all(|&refusal| !self.refuses(facility, refusal))
    }

    /// Why a facility does not count: every condition that it does not meet, none for one that does.
    pub fn refusals<'a>(&'a self, facility: &'a Facility) -> impl Iterator<Item = Refusal> + 'a {
        Refusal::ALL.iter().copied().filter(|&refusal| self.refuses(facility, refusal))
    }

    fn refuses(&self, facility: &Facility, refusal: Refusal) -> bool {
        match refusal {
            Refusal::Kind => !self.kinds.is_empty() && !self.kinds.contains(&facility.kind),
            Refusal::Inclusive => self.inclusive.is_some_and(|want| facility.inclusive != Some(want)),
            Refusal::Status => self.status.is_some_and(|least| facility.status < least),
            Refusal::Places => self.min_places.is_some_and(|least| facility.places.is_none_or(|p| p < least)),
            Refusal::Age => self.child_months.is_some_and(|months| !facility.takes(months)),
            Refusal::Vacancy => self.with_vacancy && facility.vacant().is_none_or(|vacant| vacant <= 0.0),
            Refusal::Date => self.on.is_some_and(|day| !facility.is_open_on(day)),
        }
    }
}

named! {
    /// A condition for which a facility does not count.
    Refusal {
        /// It is of another kind.
        Kind = "kind",
        /// It is not known to be inclusive, or known not to be, as asked.
        Inclusive = "inclusive",
        /// It has not reached the step.
        Status = "status",
        /// It is not known to have so many places.
        Places = "places",
        /// It does not take a child of that age.
        Age = "age",
        /// It is not known to have a place that nobody has taken.
        Vacancy = "vacancy",
        /// It is closed on that day.
        Date = "date",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nursery() -> Facility {
        Facility::new("n", LonLat { lon_e7: 0, lat_e7: 0 }, Kind::Nursery)
    }

    #[test]
    fn a_ten_month_old_is_taken_by_whoever_says_so_and_nobody_else() {
        let ages = |min_months, max_months| Facility { min_months, max_months, ..nursery() };
        let classes = |infant, toddler| Facility { places_infant: infant, places_toddler: toddler, ..nursery() };
        for (facility, takes) in [
            (nursery(), false),
            (ages(Some(6), Some(36)), true),
            (ages(Some(6), None), true),
            (ages(Some(12), Some(36)), false),
            (ages(None, Some(36)), false),
            (ages(None, Some(9)), false),
            (ages(Some(10), Some(10)), true),
            (classes(Some(5), None), true),
            (classes(Some(0), Some(9)), false),
            (classes(None, Some(9)), false),
            (Facility { places_infant: Some(0), ..ages(Some(6), Some(36)) }, false),
            (Facility { places_infant: Some(5), ..ages(None, Some(36)) }, true),
            (Facility { places_infant: Some(5), ..ages(Some(12), None) }, false),
        ] {
            let counted = Eligibility { child_months: Some(10), ..Eligibility::default() };
            assert_eq!(counted.admits(&facility), takes, "{facility:?}");
        }
        let every_class =
            Facility { places_infant: Some(1), places_toddler: Some(1), places_senior: Some(1), ..nursery() };
        let taken: Vec<u32> = (0..48).filter(|&months| every_class.takes(months)).collect();
        assert_eq!(taken, (6..=36).collect::<Vec<_>>());
    }

    #[test]
    fn every_condition_that_is_not_met_is_told() {
        let facility = Facility { places: Some(9), opened: Some(Date::constant(2025, 1, 1)), ..nursery() };
        let none = Eligibility::default();
        for (asked, refusal) in [
            (Eligibility { kinds: vec![Kind::Family], ..none.clone() }, Refusal::Kind),
            (Eligibility { inclusive: Some(false), ..none.clone() }, Refusal::Inclusive),
            (Eligibility { status: Some(Status::Filed), ..none.clone() }, Refusal::Status),
            (Eligibility { min_places: Some(10), ..none.clone() }, Refusal::Places),
            (Eligibility { child_months: Some(10), ..none.clone() }, Refusal::Age),
            (Eligibility { with_vacancy: true, ..none.clone() }, Refusal::Vacancy),
            (Eligibility { on: Some(Date::constant(2024, 1, 1)), ..none.clone() }, Refusal::Date),
        ] {
            assert_eq!(asked.refusals(&facility).collect::<Vec<_>>(), [refusal]);
            assert!(!asked.admits(&facility));
        }
        assert!(none.admits(&facility) && none.refusals(&facility).next().is_none());
        let all = Eligibility { kinds: vec![Kind::Family], with_vacancy: true, ..none };
        assert_eq!(all.refusals(&facility).collect::<Vec<_>>(), [Refusal::Kind, Refusal::Vacancy]);
    }

    #[test]
    fn a_free_place_must_be_known() {
        let counted = Eligibility { with_vacancy: true, ..Eligibility::default() };
        let full = |places, enrolled| Facility { places, enrolled, ..nursery() };
        let counts = [
            full(None, Some(1)),
            full(Some(9), None),
            full(Some(9), Some(9)),
            full(Some(9), Some(10)),
            full(Some(9), Some(8)),
        ];
        assert_eq!(counts.map(|facility| counted.admits(&facility)), [false, false, false, false, true]);
    }

    #[test]
    fn a_facility_is_open_from_its_first_day_until_the_day_it_closes() {
        let day = |day| Date::constant(2024, 6, day);
        let run = |opened, closed| Facility { opened, closed, ..nursery() };
        let june = run(Some(day(10)), Some(day(20)));
        let open: Vec<i8> =
            (1..=30).filter(|&d| Eligibility { on: Some(day(d)), ..Eligibility::default() }.admits(&june)).collect();
        assert_eq!(open, (10..20).collect::<Vec<_>>());
        assert!(run(None, None).is_open_on(day(1)) && run(None, Some(day(2))).is_open_on(day(1)));
        assert!(!run(Some(day(2)), None).is_open_on(day(1)));
    }
}
