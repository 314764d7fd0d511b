//! The indicators that cities report by: per area and in total, each with its numerator, its denominator and what is
//! missing of them. What is missing leaves an indicator without a value, so that a gap in a table never makes a good mark.
//!
//! Facilities are those that the policy counts. Numbers of areas (residents, communities, kindergartens) are an area's own,
//! else the sum of the areas inside it, else, for residents, of its blocks.

use crate::coverage::{self, Coverage, Known, Tally};
use crate::facility::named;
use crate::place::AreaLevel;
use crate::policy::{Policy, Target};
use crate::profile::Profile;
use crate::study::Study;
use crate::time::{Speed, WalkTime};

named! {
    /// What is reported.
    Indicator {
        /// Children within the circle.
        CoveredShare = "covered_share",
        /// Places per 1,000 residents (千人口托位数).
        PlacesPer1000 = "places_per_1000",
        /// Inclusive places (普惠托位占比).
        InclusiveShare = "inclusive_share",
        /// Certified staff.
        CertifiedStaffShare = "certified_staff_share",
        /// Communities that have a facility.
        CommunityShare = "community_share",
        /// Kindergartens with a class for children under three.
        KindergartenShare = "kindergarten_share",
        /// Filed facilities with a health manager.
        HealthManagerShare = "health_manager_share",
        /// Facilities filed, or past that.
        FiledShare = "filed_share",
        /// Facilities registered, or past that.
        RegisteredShare = "registered_share",
        /// Children enrolled (入托率).
        EnrolmentRate = "enrolment_rate",
        /// Places that nobody has taken.
        VacancyRate = "vacancy_rate",
        /// Places for children under two.
        UnderTwoShare = "under_two_share",
        /// Areas inside that have a facility.
        AreaShare = "area_share",
    }
}

/// So many indicators there are.
pub const INDICATORS: usize = Indicator::ALL.len();

impl Indicator {
    /// Numerator and denominator in words.
    pub fn formula(self) -> &'static str {
        match self {
            Self::CoveredShare => "children within the circle / children",
            Self::PlacesPer1000 => "places / residents × 1,000",
            Self::InclusiveShare => "places in inclusive facilities / places",
            Self::CertifiedStaffShare => "certified staff / staff",
            Self::CommunityShare => "communities with a facility / communities",
            Self::KindergartenShare => "kindergartens with a nursery class / kindergartens",
            Self::HealthManagerShare => "filed facilities with a health manager / filed facilities",
            Self::FiledShare => "facilities filed or past that / facilities",
            Self::RegisteredShare => "facilities registered or past that / facilities",
            Self::EnrolmentRate => "enrolled / children",
            Self::VacancyRate => "(places - enrolled) / places",
            Self::UnderTwoShare => "infant and toddler places / places",
            Self::AreaShare => "sub-areas with a facility / sub-areas",
        }
    }

    /// What the quotient is multiplied by.
    pub fn factor(self) -> f64 {
        if self == Self::PlacesPer1000 { 1_000.0 } else { 1.0 }
    }

    /// Whether the numerator is a part of the denominator, so that it can't be larger.
    fn is_part(self) -> bool {
        !matches!(self, Self::PlacesPer1000 | Self::EnrolmentRate)
    }
}

named! {
    /// What facilities and areas have to tell for an indicator.
    Input {
        /// Places of a facility.
        Places = "places",
        /// Places, and whether they are inclusive.
        InclusivePlaces = "inclusive places",
        /// Places for infants and for toddlers.
        UnderTwoPlaces = "infant and toddler places",
        /// Places and how many are taken.
        VacantPlaces = "places and enrolled",
        /// Children enrolled.
        Enrolled = "enrolled",
        /// Staff.
        Staff = "staff",
        /// Certified staff.
        CertifiedStaff = "certified staff",
        /// Whether there is a health manager.
        HealthManager = "health manager",
        /// The step reached; missing only where no facility at all tells one.
        Status = "status",
        /// Residents of an area.
        Population = "population",
        /// How many communities an area has.
        Communities = "communities",
        /// How many kindergartens an area has.
        Kindergartens = "kindergartens",
        /// Areas inside an area.
        SubAreas = "sub-areas",
        /// Where an area is, without which nobody knows what stands in it.
        Outline = "outline",
    }
}

impl Input {
    /// Whether areas tell it, rather than facilities.
    pub fn is_of_areas(self) -> bool {
        self >= Self::Population
    }
}

/// Why an indicator has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// Facilities that count, or areas, don't tell.
    Untold {
        /// What they don't tell.
        input: Input,
        /// How many don't.
        missing: usize,
        /// Out of how many.
        of: usize,
    },
    /// Facilities that count stand outside every area whose numbers are added up.
    Outside {
        /// How many do.
        missing: usize,
        /// Out of how many.
        of: usize,
    },
    /// There is nothing to divide by.
    NoDenominator,
    /// The numerator is a part of the denominator and yet larger: one of them is wrong.
    Exceeds,
}

/// An indicator of one area, or of the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Which one.
    pub indicator: Indicator,
    /// What is known of the numerator.
    pub numerator: Known,
    /// What is known of the denominator.
    pub denominator: Known,
    /// What is missing; empty where there is a value.
    pub lacks: Vec<Lack>,
}

/// One side of a fraction.
#[derive(Clone, Copy)]
struct Side {
    known: Known,
    input: Input,
    /// Facilities that it leaves out, and of how many.
    outside: (usize, usize),
}

impl Side {
    fn new(known: Known, input: Input) -> Self {
        Self { known, input, outside: (0, 0) }
    }

    fn count(count: usize) -> Self {
        Self::new(Known { sum: count as f64, told: count, missing: 0 }, Input::Outline)
    }

    fn lacks(self) -> impl Iterator<Item = Lack> {
        let Known { told, missing, .. } = self.known;
        let untold = (missing > 0).then_some(Lack::Untold { input: self.input, missing, of: told + missing });
        let (missing, of) = self.outside;
        untold.into_iter().chain((missing > 0).then_some(Lack::Outside { missing, of }))
    }
}

impl Figure {
    fn new(indicator: Indicator, numerator: Side, denominator: Side) -> Self {
        let mut lacks: Vec<Lack> = numerator.lacks().chain(denominator.lacks()).collect();
        lacks.dedup();
        let (numerator, denominator) = (numerator.known, denominator.known);
        if lacks.is_empty() {
            if denominator.sum <= 0.0 {
                lacks.push(Lack::NoDenominator);
            } else if indicator.is_part() && numerator.sum > denominator.sum * (1.0 + 1e-9) {
                lacks.push(Lack::Exceeds);
            }
        }
        Self { indicator, numerator, denominator, lacks }
    }

    /// The value; `None` as long as anything is missing.
    pub fn value(&self) -> Option<f64> {
        self.lacks.is_empty().then(|| self.numerator.sum * self.indicator.factor() / self.denominator.sum)
    }
}

/// All indicators, in the order of [`Indicator::ALL`].
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Of the whole study.
    pub total: [Figure; INDICATORS],
    /// Per area, in the order of the study's areas.
    pub areas: Vec<[Figure; INDICATORS]>,
}

impl Figures {
    /// The indicators of a study by what its coverage found.
    pub fn new(study: &Study, coverage: &Coverage) -> Self {
        Self::with_scores(study, coverage).0
    }

    /// The indicators, and those that the policy's targets ask for, in its order.
    pub fn with_scores(study: &Study, coverage: &Coverage) -> (Self, Vec<Score>) {
        let accounts = Accounts::new(study, coverage);
        let figures = accounts.figures();
        let score = |target: &Target| {
            let figure = |of: usize| match target.sub_areas {
                Some(level) => accounts.area_share(of, Some(level)),
                None => figures.areas.get(of).unwrap_or(&figures.total)[target.indicator as usize].clone(),
            };
            let areas = (0..accounts.whole()).map(figure).collect();
            Score { target: target.clone(), total: figure(accounts.whole()), areas }
        };
        let scores = coverage.policy.targets.iter().map(score).collect();
        (figures, scores)
    }
}

/// A number told by areas, and the facilities that stand outside all that it is a sum of.
#[derive(Clone, Copy, Default)]
struct Told {
    known: Known,
    outside: usize,
}

impl Told {
    fn is_whole(self) -> bool {
        self.known.missing == 0 && self.outside == 0
    }
}

/// Areas as a tree, and what is known of each.
struct Accounts<'a> {
    study: &'a Study,
    coverage: &'a Coverage,
    /// For each area those right inside it; the last entry holds those inside none.
    inside: Vec<Vec<usize>>,
    /// All areas, each after those inside it.
    inner_first: Vec<usize>,
    /// Whether it is known where an area is: by its own outline, or by those of all areas inside it.
    is_located: Vec<bool>,
}

impl<'a> Accounts<'a> {
    fn new(study: &'a Study, coverage: &'a Coverage) -> Self {
        let (areas, parents) = (study.areas().all(), study.areas().parents());
        let whole = areas.len();
        let mut inside = vec![Vec::new(); whole + 1];
        for (area, parent) in parents.iter().enumerate() {
            inside[parent.unwrap_or(whole)].push(area);
        }
        let mut inner_first = inside[whole].clone();
        let mut next = 0;
        while next < inner_first.len() {
            inner_first.extend(&inside[inner_first[next]]);
            next += 1;
        }
        inner_first.reverse();
        let mut is_located = vec![false; whole];
        for &area in &inner_first {
            let by_parts = !inside[area].is_empty() && inside[area].iter().all(|&part| is_located[part]);
            is_located[area] = by_parts || !areas[area].shape.0.is_empty();
        }
        Self { study, coverage, inside, inner_first, is_located }
    }

    /// The index of the whole behind those of the areas.
    fn whole(&self) -> usize {
        self.is_located.len()
    }

    fn tally(&self, of: usize) -> &Tally {
        self.coverage.areas.get(of).unwrap_or(&self.coverage.total)
    }

    /// A number for each area and for the whole: what `own` says of an area, else the sum of those inside it if all of them
    /// tell and hold every facility, else what `fallback` says.
    fn added_up(&self, own: impl Fn(usize) -> Option<f64>, fallback: impl Fn(usize) -> Option<f64>) -> Vec<Told> {
        let mut out = vec![Told::default(); self.whole() + 1];
        for &of in self.inner_first.iter().chain([&self.whole()]) {
            let told_once = |number| Told { known: Known::told(number), outside: 0 };
            let stated = (of < self.whole()).then(|| own(of)).flatten().map(told_once);
            out[of] = stated.unwrap_or_else(|| {
                let sum = self.sum(&self.inside[of], self.tally(of).eligible, &out);
                // What holds fewer than some of its parts do is not all of them.
                let instead = fallback(of).filter(|&number| !sum.is_whole() && number >= sum.known.sum);
                instead.map_or(sum, told_once)
            });
        }
        out
    }

    /// What areas tell together, among which `eligible` facilities are looked for. No areas tell nothing.
    fn sum(&self, parts: &[usize], eligible: usize, told: &[Told]) -> Told {
        let mut sum = Told::default();
        if parts.is_empty() {
            sum.known.add(None);
            return sum;
        }
        let mut held = 0;
        for &part in parts {
            sum.known += told[part].known;
            sum.outside += told[part].outside;
            held += self.tally(part).eligible;
        }
        // Areas known by name alone can't hold a facility: it is taken to stand in one of them.
        if parts.iter().any(|&part| self.is_located[part]) {
            sum.outside += eligible.saturating_sub(held);
        }
        sum
    }

    /// Residents by the blocks, where each of them tells.
    fn residents_of_blocks(&self) -> Vec<Option<f64>> {
        let mut sums = vec![Known::default(); self.whole() + 1];
        for block in &self.study.demand().blocks {
            for of in self.study.areas().chain(block.area).chain([self.whole()]) {
                sums[of].add(block.population);
            }
        }
        sums.iter().map(|known| (known.missing == 0 && known.sum > 0.0).then_some(known.sum)).collect()
    }

    /// How many of some areas have a facility.
    fn with_a_facility(&self, areas: impl Iterator<Item = usize>) -> Known {
        let mut out = Known::default();
        for area in areas {
            let has = self.tally(area).eligible > 0;
            out.add((has || self.is_located[area]).then_some(f64::from(u8::from(has))));
        }
        out
    }

    /// Which communities have a facility, for each area and for the whole; those whose outline is not there are missing.
    fn communities_with(&self, communities: &[Told]) -> Vec<Known> {
        let mut out = vec![Known::default(); self.whole() + 1];
        for &of in self.inner_first.iter().chain([&self.whole()]) {
            let is_community = self.study.areas().all().get(of).is_some_and(|a| a.level == AreaLevel::Community);
            let mut known = Known::default();
            if is_community {
                known = self.with_a_facility(std::iter::once(of));
            } else {
                self.inside[of].iter().for_each(|&part| known += out[part]);
            }
            let without_outline = communities[of].known.sum as usize;
            known.missing += without_outline.saturating_sub(known.told + known.missing);
            out[of] = known;
        }
        out
    }

    /// The areas that a share of sub-areas is taken over: those right inside, or those of a level.
    fn sub_areas(&self, of: usize, level: Option<AreaLevel>) -> Vec<usize> {
        let all = self.study.areas().all();
        let Some(level) = level else {
            let inside = &self.inside[of];
            return match inside[..] {
                // A city is not its own sub-area.
                [city] if of == self.whole() => self.inside[city].clone(),
                _ => inside.clone(),
            };
        };
        let is_inside =
            |&area: &usize| of == self.whole() || self.study.areas().chain(Some(area)).any(|around| around == of);
        (0..all.len()).filter(|&area| all[area].level == level).filter(is_inside).collect()
    }

    fn area_share(&self, of: usize, level: Option<AreaLevel>) -> Figure {
        let parts = self.sub_areas(of, level);
        let with = self.with_a_facility(parts.iter().copied());
        let missing = usize::from(parts.is_empty());
        let count = Known { sum: parts.len() as f64, told: parts.len(), missing };
        Figure::new(Indicator::AreaShare, Side::new(with, Input::Outline), Side::new(count, Input::SubAreas))
    }

    fn figures(&self) -> Figures {
        let areas = self.study.areas().all();
        let by_blocks = self.residents_of_blocks();
        let residents = self.added_up(|i| areas[i].population, |of| by_blocks[of]);
        let own_communities = |i: usize| {
            let is_one = areas[i].level == AreaLevel::Community;
            areas[i].communities.map(f64::from).or(is_one.then_some(1.0))
        };
        let communities = self.added_up(own_communities, |_| None);
        let kindergartens = self.added_up(|i| areas[i].kindergartens.map(f64::from), |_| None);
        let with = self.communities_with(&communities);
        // Without any step a register has no such column; with some, a facility that tells none has reached none.
        let is_status_told = self.coverage.total.registered > 0;
        let of = |of: usize| -> [Figure; INDICATORS] {
            let tally = self.tally(of);
            let told = |told: Told, input| {
                let side = Side::new(told.known, input);
                Side { outside: (told.outside, tally.eligible), ..side }
            };
            let steps = |count: usize| {
                let (told, missing) = if is_status_told { (tally.eligible, 0) } else { (0, tally.eligible) };
                Side::new(Known { sum: count as f64, told, missing }, Input::Status)
            };
            let children = Side::new(Known::told(tally.children), Input::Outline);
            let places = Side::new(tally.places, Input::Places);
            let figure = |indicator| {
                let (numerator, denominator) = match indicator {
                    Indicator::AreaShare => return self.area_share(of, None),
                    Indicator::CoveredShare => (Side::new(Known::told(tally.covered), Input::Outline), children),
                    Indicator::PlacesPer1000 => (places, told(residents[of], Input::Population)),
                    Indicator::InclusiveShare => (Side::new(tally.inclusive_places, Input::InclusivePlaces), places),
                    Indicator::CertifiedStaffShare => {
                        (Side::new(tally.certified_staff, Input::CertifiedStaff), Side::new(tally.staff, Input::Staff))
                    }
                    Indicator::CommunityShare => {
                        (Side::new(with[of], Input::Outline), told(communities[of], Input::Communities))
                    }
                    Indicator::KindergartenShare => {
                        (Side::count(tally.nursery_classes), told(kindergartens[of], Input::Kindergartens))
                    }
                    Indicator::HealthManagerShare if is_status_told => {
                        (Side::new(tally.health_managers, Input::HealthManager), Side::count(tally.filed))
                    }
                    Indicator::HealthManagerShare => (steps(0), steps(0)),
                    Indicator::FiledShare => (steps(tally.filed), Side::count(tally.eligible)),
                    Indicator::RegisteredShare => (steps(tally.registered), Side::count(tally.eligible)),
                    Indicator::EnrolmentRate => (Side::new(tally.enrolled, Input::Enrolled), children),
                    Indicator::VacancyRate => (Side::new(tally.vacant_places, Input::VacantPlaces), places),
                    Indicator::UnderTwoShare => (Side::new(tally.under_two_places, Input::UnderTwoPlaces), places),
                };
                self.placed(of, Figure::new(indicator, numerator, denominator))
            };
            std::array::from_fn(|i| figure(Indicator::ALL[i]))
        };
        Figures { total: of(self.whole()), areas: (0..areas.len()).map(of).collect() }
    }

    /// Of an area that nobody knows the place of, nothing is known of the facilities in it.
    fn placed(&self, of: usize, mut figure: Figure) -> Figure {
        let by_facilities = !matches!(figure.indicator, Indicator::CoveredShare | Indicator::CommunityShare);
        if by_facilities && self.is_located.get(of) == Some(&false) {
            figure.lacks.retain(|lack| *lack != Lack::NoDenominator);
            figure.lacks.insert(0, Lack::Untold { input: Input::Outline, missing: 1, of: 1 });
        }
        figure
    }
}

named! {
    /// What a target makes of an indicator.
    Mark {
        /// The target is met.
        Met = "met",
        /// The target is missed.
        Missed = "missed",
        /// It can't be told: something is missing.
        Unknown = "unknown",
    }
}

/// A target beside what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The target.
    pub target: Target,
    /// The indicator of the whole study.
    pub total: Figure,
    /// The indicator of each area, in the order of the study's areas.
    pub areas: Vec<Figure>,
}

impl Score {
    /// Whether the whole study meets the target.
    pub fn mark(&self) -> Mark {
        self.target.mark(&self.total)
    }
}

/// What a check is worth by its policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreCard {
    /// All indicators.
    pub figures: Figures,
    /// The policy's targets, in its order.
    pub scores: Vec<Score>,
    /// How unequal the walks of children are; `None` where there are no children.
    pub inequality: Option<Inequality>,
    /// The covered share at other limits and speeds.
    pub sensitivity: Vec<Sensitivity>,
}

impl ScoreCard {
    /// The score card of a check. It needs the walks of the check, and walks again for other speeds.
    pub fn new(study: &Study, coverage: &Coverage) -> Self {
        let (figures, scores) = Figures::with_scores(study, coverage);
        let (inequality, sensitivity) = (Inequality::new(study, coverage), sensitivity(study, coverage));
        Self { figures, scores, inequality, sensitivity }
    }
}

/// Longer walks, and homes without a route, count as so many minutes: beyond two hours nobody walks to childcare, and a
/// child that can't get there at all must not drop out of a measure of inequality.
pub const LONGEST_MINUTES: f64 = *Policy::MINUTES.end();

/// How unequal the walks of children to the nearest facility are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inequality {
    /// The Gini coefficient of minutes over children: 0 where all walk the same, towards 1 where few walk nearly all
    /// minutes. Half the mean difference between two children over the mean (C. Gini, Variabilità e mutabilità, 1912).
    pub gini: f64,
    /// The part of all minutes that the tenth of children with the longest walks walks, 0.1 where all walk the same: the
    /// top of the Lorenz curve, 1 - L(0.9) (M. O. Lorenz, 1905; for access to transport A. Delbosc and G. Currie, Using
    /// Lorenz curves to assess public transport equity, Journal of Transport Geography 19, 2011).
    pub worst_tenth_share: f64,
    /// Mean walk of that tenth, minutes.
    pub worst_tenth_minutes: f64,
    /// The part of that tenth within the limit.
    pub worst_tenth_covered: f64,
    /// Mean walk of all children, minutes.
    pub mean_minutes: f64,
    /// Children without a route to any facility that counts, or with a walk longer than [`LONGEST_MINUTES`].
    pub children_beyond: f64,
}

impl Inequality {
    fn new(study: &Study, coverage: &Coverage) -> Option<Self> {
        let demand = study.demand();
        let mut walks: Vec<Cohort> = Vec::with_capacity(demand.points.len());
        for block in &demand.blocks {
            for i in block.points.start as usize..block.points.end as usize {
                let time = coverage.walks.get(i).copied().flatten().map_or(WalkTime::NEVER, |walk| walk.time);
                walks.push(Cohort { time, children: block.children * demand.points[i].weight });
            }
        }
        Self::of(walks, coverage.policy.limit())
    }

    fn of(mut walks: Vec<Cohort>, limit: WalkTime) -> Option<Self> {
        walks.sort_unstable_by(|a, b| a.time.cmp(&b.time).then(a.children.total_cmp(&b.children)));
        let children: f64 = walks.iter().map(|w| w.children).sum();
        let minutes: f64 = walks.iter().map(|w| w.children * w.minutes()).sum();
        let beyond = WalkTime::from_minutes(LONGEST_MINUTES);
        // Where nobody gets anywhere all are equal, which is no good mark.
        if children <= 0.0 || walks.iter().all(|w| w.time > beyond || w.children <= 0.0) {
            return None;
        }
        // Twice the area under the Lorenz curve, by trapezoids.
        let (mut walked, mut twice_area) = (0.0, 0.0);
        for w in &walks {
            let next = walked + w.children * w.minutes();
            twice_area += w.children * (walked + next);
            walked = next;
        }
        let mut left = children / 10.0;
        let (mut worst_minutes, mut worst_covered) = (0.0, 0.0);
        for w in walks.iter().rev() {
            let taken = w.children.min(left);
            worst_minutes += taken * w.minutes();
            worst_covered += if w.time <= limit { taken } else { 0.0 };
            left -= taken;
        }
        let is_equal = minutes <= 0.0;
        Some(Self {
            gini: if is_equal { 0.0 } else { (1.0 - twice_area / (children * minutes)).max(0.0) },
            worst_tenth_share: if is_equal { 0.1 } else { worst_minutes / minutes },
            worst_tenth_minutes: worst_minutes / (children / 10.0),
            worst_tenth_covered: worst_covered / (children / 10.0),
            mean_minutes: minutes / children,
            children_beyond: walks.iter().filter(|w| w.time > beyond).map(|w| w.children).sum(),
        })
    }
}

/// Children who walk equally long.
#[derive(Clone, Copy)]
struct Cohort {
    time: WalkTime,
    children: f64,
}

impl Cohort {
    fn minutes(self) -> f64 {
        self.time.minutes().map_or(LONGEST_MINUTES, |minutes| minutes.min(LONGEST_MINUTES))
    }
}

/// The limits that the covered share is told for besides the policy's, minutes.
pub const OTHER_MINUTES: [f64; 3] = [10.0, 15.0, 20.0];
/// The speeds that it is told for, km/h: 1, 1.17 and 1.33 m/s, from a small child's pace to the policy's.
pub const OTHER_SPEEDS_KMH: [f64; 3] = [3.6, 4.2, 4.8];

/// The covered share at one speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// The speed of the policy's profile instead of its own, km/h.
    pub speed_kmh: f64,
    /// Children within each of [`OTHER_MINUTES`], as a share of all; `None` where there are none.
    pub covered_shares: [Option<f64>; 3],
}

/// The covered share at the limits of [`OTHER_MINUTES`] and the speeds of [`OTHER_SPEEDS_KMH`].
fn sensitivity(study: &Study, coverage: &Coverage) -> Vec<Sensitivity> {
    let most = OTHER_MINUTES.map(WalkTime::from_minutes).into_iter().max().unwrap_or_default();
    let at = |speed: Speed| {
        let profile = Profile { speed, ..coverage.policy.profile.clone() };
        let is_known = profile == coverage.policy.profile && coverage.walks.len() == study.demand().points.len();
        let walked = (!is_known).then(|| {
            let footing = coverage::Footing::new(study.network().weigh(&profile));
            coverage::walks(study, &footing, &|i| coverage.eligible[i], most)
        });
        let walks = walked.as_ref().unwrap_or(&coverage.walks);
        let covered_shares = OTHER_MINUTES.map(|minutes| {
            let limit = WalkTime::from_minutes(minutes);
            let blocks = study.demand().blocks.iter();
            let covered: f64 =
                blocks.map(|block| block.children * coverage::covered_share(study, block, walks, limit)).sum();
            (coverage.total.children > 0.0).then(|| covered / coverage.total.children)
        });
        Sensitivity { speed_kmh: speed.kmh(), covered_shares }
    };
    OTHER_SPEEDS_KMH.into_iter().filter_map(Speed::from_kmh).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walkers(walks: &[(f64, f64)]) -> Vec<Cohort> {
        let walker = |&(minutes, children): &(f64, f64)| Cohort { time: WalkTime::from_minutes(minutes), children };
        walks.iter().map(walker).collect()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn equal_walks_are_not_unequal() {
        let limit = WalkTime::from_minutes(15.0);
        let found = Inequality::of(walkers(&[(8.0, 3.0), (8.0, 5.0), (8.0, 2.0)]), limit).unwrap();
        assert!(near(found.gini, 0.0) && near(found.worst_tenth_share, 0.1) && near(found.mean_minutes, 8.0));
        assert!(near(found.worst_tenth_covered, 1.0));
        let at_the_door = Inequality::of(walkers(&[(0.0, 3.0)]), limit).unwrap();
        assert!(near(at_the_door.gini, 0.0) && near(at_the_door.worst_tenth_share, 0.1));
        assert_eq!(Inequality::of(walkers(&[(3.0, 0.0)]), limit), None);
    }

    #[test]
    fn gini_is_half_the_mean_difference_over_the_mean() {
        let walks = [(2.0, 1.5), (4.0, 0.5), (30.0, 2.0), (7.5, 3.0), (2.0, 1.0)];
        let found = Inequality::of(walkers(&walks), WalkTime::from_minutes(15.0)).unwrap();
        let children: f64 = walks.iter().map(|w| w.1).sum();
        let mean = walks.iter().map(|w| w.0 * w.1).sum::<f64>() / children;
        let pairs = walks.iter().flat_map(|a| walks.iter().map(move |b| a.1 * b.1 * (a.0 - b.0).abs()));
        assert!(near(found.gini, pairs.sum::<f64>() / (2.0 * children * children * mean)), "{found:?}");
        // The worst eight tenths of a child walk half an hour each.
        assert!(near(found.worst_tenth_minutes, 30.0) && near(found.worst_tenth_covered, 0.0));
        assert!(near(found.worst_tenth_share, 0.8 * 30.0 / (mean * children)));
    }

    #[test]
    fn who_can_not_get_there_walks_longest() {
        let mut walks = walkers(&[(10.0, 9.0), (300.0, 0.5)]);
        walks.push(Cohort { time: WalkTime::NEVER, children: 0.5 });
        let found = Inequality::of(walks, WalkTime::from_minutes(15.0)).unwrap();
        assert!(near(found.worst_tenth_minutes, 120.0) && near(found.children_beyond, 1.0), "{found:?}");
        assert!(found.gini > 0.4);
    }
}
