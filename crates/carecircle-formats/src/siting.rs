//! Plans of where facilities should stand: as GeoJSON, and as scenarios that every analysis takes.

mod ask;
mod refused;

use crate::columns::Candidate;
use crate::geojson::{Drawing, close_feature, credits, open_feature, parameters, property};
use crate::scenario::Scenario;
use carecircle_core::facility::{Eligibility, Facility, Kind};
use carecircle_core::policy::Policy;
use carecircle_core::siting::{Plan, Standing, StudyInstance};
use carecircle_core::study::Study;
use serde_json::{Map, Value, json};

pub use ask::{Ask, Objective, OnMap, Places};
pub use refused::refused;

/// A plan, and all that it is a plan for.
#[derive(Clone, Copy, Debug)]
pub struct SitePlan<'a> {
    /// The city.
    pub study: &'a Study,
    /// What counts.
    pub policy: &'a Policy,
    /// What was asked about: the facilities that count, then the candidates.
    pub sited: &'a StudyInstance,
    /// Where facilities could stand.
    pub candidates: &'a [Candidate],
    /// The answer.
    pub plan: &'a Plan,
}

/// A site of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number in the instance.
    pub site: usize,
    /// How many more children are within the limit of an open site with it than with those before it; fewer where a facility
    /// closes.
    pub gain: f64,
    /// The gain of those before it and its own.
    pub total: f64,
    /// Blocks with children who gain by it, or lose.
    pub blocks: usize,
    /// Children who go there: those assigned where places are limited, else those to whom no open site is nearer.
    pub load: f64,
}

/// The facility that a candidate would be: of a kind and status that the policy counts, where it counts some only.
pub fn as_facility(candidate: &Candidate, eligibility: &Eligibility) -> Facility {
    let Eligibility { kinds, inclusive, status, min_places, child_months, with_vacancy, .. } = eligibility;
    let known = Facility::new(&candidate.id, candidate.at, kinds.first().copied().unwrap_or(Kind::Nursery));
    let vacant = with_vacancy.then_some(1);
    Facility {
        name: candidate.name.clone(),
        inclusive: *inclusive,
        status: status.unwrap_or(known.status),
        places: candidate.places.or((*min_places).max(vacant)),
        enrolled: with_vacancy.then_some(0),
        min_months: *child_months,
        ..known
    }
}

impl SitePlan<'_> {
    /// The candidate that a site is; `None` for a facility that there is.
    fn candidate(&self, site: usize) -> Option<&Candidate> {
        self.candidates.get(site.checked_sub(self.sited.facilities.len())?)
    }

    fn facility(&self, site: usize) -> Option<&Facility> {
        self.sited.facilities.get(site).map(|&facility| &self.study.facilities()[facility].facility)
    }

    /// The id of a site, and its name.
    pub fn id(&self, site: usize) -> (&str, Option<&str>) {
        match (self.candidate(site), self.facility(site)) {
            (Some(candidate), _) => (&candidate.id, candidate.name.as_deref()),
            (None, Some(facility)) => (&facility.id, facility.name.as_deref()),
            (None, None) => ("", None),
        }
    }

    /// Children within the limit of a facility that there is, and all children.
    pub fn before(&self) -> (f64, f64) {
        let instance = &self.sited.instance;
        let mut is_served = vec![false; instance.homes().len()];
        for site in 0..self.sited.facilities.len() {
            instance.walks().of(site).for_each(|(home, _)| is_served[home] = true);
        }
        // Not `sum`, which makes minus zero of nothing.
        let mut out = (0.0, 0.0);
        for (home, is_served) in instance.homes().iter().zip(is_served) {
            out.0 += if is_served { home.children } else { 0.0 };
            out.1 += home.children;
        }
        out
    }

    /// The sites of the plan, first that which adds most, then that which adds most to it, and so on; facilities that close
    /// in the order in which fewest lose by it.
    pub fn steps(&self) -> Vec<Step> {
        let (instance, there) = (&self.sited.instance, self.sited.facilities.len());
        let (homes, walks) = (instance.homes(), instance.walks());
        let mut served = vec![0_u32; homes.len()];
        (0..there).for_each(|site| walks.of(site).for_each(|(home, _)| served[home] += 1));
        let loads = self.loads();
        let mut blocks_of = vec![0; homes.len()];
        for (block, number) in self.study.demand().blocks.iter().zip(0..) {
            blocks_of[block.points.start as usize..block.points.end as usize].fill(number);
        }
        let (mut left, mut steps, mut total) = (self.plan.sites.clone(), Vec::new(), 0.0);
        while !left.is_empty() {
            let gains: Vec<f64> = left.iter().map(|&site| self.gain(site, &served)).collect();
            // Of equal ones the first: sites ascend.
            let best = (0..left.len()).rev().max_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap_or(0);
            let (site, gain) = (left.remove(best), gains[best]);
            let touched = self.turning(site, &served).filter(|&home| homes[home].children > 0.0);
            let mut blocks: Vec<u32> = touched.map(|home| blocks_of[home]).collect();
            blocks.dedup();
            total += gain;
            steps.push(Step { site, gain, total, blocks: blocks.len(), load: loads[site] });
            let is_there = self.closes(site);
            walks.of(site).for_each(|(home, _)| if is_there { served[home] -= 1 } else { served[home] += 1 });
        }
        steps
    }

    fn closes(&self, site: usize) -> bool {
        site < self.sited.facilities.len()
    }

    /// The homes that come within the limit with a site, or leave it where the site closes, if so many sites serve each.
    fn turning<'s>(&'s self, site: usize, served: &'s [u32]) -> impl Iterator<Item = usize> + 's {
        let before = u32::from(self.closes(site));
        let homes = self.sited.instance.walks().of(site).map(|(home, _)| home);
        homes.filter(move |&home| served[home] == before)
    }

    fn gain(&self, site: usize, served: &[u32]) -> f64 {
        let homes = self.sited.instance.homes();
        let children = self.turning(site, served).fold(0.0, |sum, home| sum + homes[home].children);
        if self.closes(site) { 0.0 - children } else { children }
    }

    /// By site, how many children go there.
    fn loads(&self) -> Vec<f64> {
        let instance = &self.sited.instance;
        let mut loads = vec![0.0; instance.sites().len()];
        if !self.plan.assignment.is_empty() {
            self.plan.assignment.iter().for_each(|to| loads[to.site] += to.children);
            return loads;
        }
        let mut nearest = vec![None; instance.homes().len()];
        let open = (0..self.sited.facilities.len()).chain(self.plan.sites.iter().copied());
        for site in open {
            for (home, time) in instance.walks().of(site) {
                if nearest[home].is_none_or(|(least, _)| time < least) {
                    nearest[home] = Some((time, site));
                }
            }
        }
        for (home, nearest) in instance.homes().iter().zip(nearest) {
            if let Some((_, site)) = nearest {
                loads[site] += home.children;
            }
        }
        loads
    }

    /// What the collection says of itself: credit, date, parameters, the plan with its proof, and the coverage before its
    /// steps and after them.
    pub fn about(&self, steps: &[Step], question: Value, extract_date: Option<&str>) -> Map<String, Value> {
        let mut about = credits(extract_date);
        let mut parameters = parameters(self.study, self.policy);
        parameters["question"] = question;
        about.insert("parameters".to_owned(), parameters);
        let (before, children) = self.before();
        let after = before + steps.last().map_or(0.0, |last| last.total);
        let coverage = json!({ "children": children, "covered_before": before, "covered_after": after });
        about.insert("plan".to_owned(), proof(self.plan));
        about.insert("coverage".to_owned(), coverage);
        about
    }

    /// The site of a step as a feature.
    pub fn feature(&self, order: usize, step: &Step) -> Vec<u8> {
        let mut out = Vec::new();
        let (candidate, facility) = (self.candidate(step.site), self.facility(step.site));
        let Some(at) = candidate.map(|c| c.at).or(facility.map(|f| f.at)) else { return out };
        let (id, name) = self.id(step.site);
        open_feature(&mut out, id, &Drawing::place(at));
        property(&mut out, "id", &id);
        property(&mut out, "name", &name);
        property(&mut out, "order", &order);
        property(&mut out, "gain", &step.gain);
        property(&mut out, "total", &step.total);
        property(&mut out, "blocks", &step.blocks);
        property(&mut out, "load", &step.load);
        property(&mut out, "places", &candidate.map_or(facility.and_then(|f| f.places), |c| c.places));
        property(&mut out, "cost", &candidate.and_then(|c| c.cost));
        property(&mut out, "required", &candidate.map(|c| c.standing == Standing::Required));
        close_feature(&mut out);
        out
    }

    /// The plan as a scenario of the study: its sites as facilities that the policy counts, and the facilities that close.
    pub fn scenario(&self, name: &str) -> Scenario {
        let mut out = Scenario { name: Some(name.to_owned()), ..Scenario::default() };
        for &site in &self.plan.sites {
            match self.candidate(site) {
                None => out.close.push(self.id(site).0.to_owned()),
                Some(candidate) => {
                    let facility = as_facility(candidate, &self.policy.eligibility);
                    let members = [
                        ("id", json!(facility.id)),
                        ("name", json!(facility.name)),
                        ("lon", json!(facility.at.lon())),
                        ("lat", json!(facility.at.lat())),
                        ("kind", json!(facility.kind.name())),
                        ("status", json!(facility.status.name())),
                        ("inclusive", json!(facility.inclusive)),
                        ("places", json!(facility.places)),
                        ("enrolled", json!(facility.enrolled)),
                        ("min_months", json!(facility.min_months)),
                    ];
                    let known = members.into_iter().filter(|(_, value)| !value.is_null());
                    out.open.push(known.map(|(name, value)| (name.to_owned(), value)).collect());
                }
            }
        }
        out
    }
}

/// What a plan says of how good it is.
fn proof(plan: &Plan) -> Value {
    let Plan { objective, bound, gap, optimal, seconds, .. } = plan;
    json!({ "objective": objective, "bound": bound, "gap": gap, "optimal": optimal, "seconds": seconds, "count": plan.sites.len() })
}
