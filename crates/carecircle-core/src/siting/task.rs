//! What is asked of a model, and plans for it without proof.

use super::local::Local;
use super::model::Model;

/// What is wanted of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// As much of it as the limit allows.
    Most,
    /// So much of it for the least cost.
    Cheapest,
}

/// A least value for some groups together.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    pub(super) groups: std::ops::Range<usize>,
    pub(super) least: f64,
}

/// A question about a model.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) model: &'a Model,
    pub(super) goal: Goal,
    pub(super) floors: Vec<Floor>,
    /// The least step between two objectives, or nothing where that is not known.
    pub(super) step: f64,
    /// What is added to the objective in the end: objectives are the same by their sum.
    pub(super) base: f64,
    /// By what that sum is multiplied to be told; none where it says nothing to who asked.
    pub(super) told_by: Option<f64>,
}
/// Two objectives this near, in parts of them, are the same where no step between them is known.
pub(super) const SAME: f64 = 1e-7;

impl Task<'_> {
    /// The objective of some sites, or none where they won't do.
    pub(super) fn objective(&self, sites: &[usize]) -> Option<f64> {
        let value = self.model.worth(sites);
        let met = |floor: &Floor| value[floor.groups.clone()].iter().sum::<f64>() >= floor.least;
        let allowed = self.model.allows(sites) && self.floors.iter().all(met);
        allowed.then(|| match self.goal {
            Goal::Most => value.iter().sum(),
            Goal::Cheapest => -sites.iter().map(|site| self.model.cost[*site]).sum::<f64>(),
        })
    }

    /// The terms that must be served whole: those of floors that ask for all there is of `whole`, by group.
    pub(super) fn must(&self, whole: &[f64]) -> Vec<bool> {
        let mut must = vec![false; self.model.groups];
        for Floor { groups, least } in &self.floors {
            let all: f64 = whole[groups.clone()].iter().sum();
            let lightest = self.model.terms.iter().filter(|term| groups.contains(&(term.group as usize)));
            let lightest = lightest.map(|term| term.weight).fold(f64::INFINITY, f64::min);
            // Without the lightest term it would be too little.
            if all - lightest < *least {
                must[groups.clone()].fill(true);
            }
        }
        self.model.terms.iter().map(|term| must[term.group as usize]).collect()
    }

    /// The least objective that would be better than this one.
    pub(super) fn better_than(&self, objective: f64) -> f64 {
        let size = (objective + self.base).abs().max(0.01 * objective.abs());
        objective + if self.step > 0.0 { self.step * (1.0 - 1e-6) } else { SAME * size + f64::MIN_POSITIVE }
    }

    /// A bound brought down to an objective that there can be.
    pub(super) fn tightened(&self, bound: f64) -> f64 {
        if self.step > 0.0 { (bound / self.step + 1e-6).floor() * self.step } else { bound }
    }

    /// For each term the price that is right where sites are open in part, and how much of it is served then, by unit of
    /// weight.
    pub(super) fn right_prices(&self, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let price = |term: usize| {
            let need = f64::from(self.model.terms[term].need);
            let (mut open, mut gained) = (0.0, 0.0);
            for link in self.model.by_term.of(term) {
                let (y, gain) = (y[link.to as usize], f64::from(link.gain));
                if open + y >= need - 1e-9 {
                    return (gain, gained + (need - open) * gain);
                }
                open += y;
                gained += y * gain;
            }
            (0.0, gained)
        };
        (0..self.model.terms.len()).map(price).unzip()
    }

    /// A plan out of sites in order of preference, and of others where those are not enough.
    pub(super) fn plan_from(&self, order: &[usize]) -> Option<Vec<usize>> {
        match self.goal {
            Goal::Most => self.most_from(order),
            Goal::Cheapest => self.cheapest_from(order),
        }
    }

    /// Bettered by exchange; where floors are missed, with more weight on what they lack.
    fn most_from(&self, order: &[usize]) -> Option<Vec<usize>> {
        const ROUNDS: usize = 8;
        let model = self.model;
        let mut weights: Vec<f64> = model.terms.iter().map(|term| term.weight).collect();
        let all: Vec<usize> = (0..model.sites()).collect();
        for round in 0..ROUNDS {
            let (order, among) = if round == 0 { (order, order) } else { (&[][..], &all[..]) };
            let mut local = Local::new(model, weights.clone());
            for &site in order {
                let mut picked = local.picked();
                picked.push(site);
                if model.allows(&picked) {
                    local.open(site);
                }
            }
            local.fill();
            local.exchange(among);
            let picked = local.picked();
            let value = if self.floors.is_empty() { Vec::new() } else { model.value(&picked) };
            let mut lacks = vec![false; model.groups];
            for Floor { groups, least } in &self.floors {
                if value[groups.clone()].iter().sum::<f64>() < *least {
                    lacks[groups.clone()].fill(true);
                }
            }
            if !lacks.contains(&true) {
                return Some(picked);
            }
            let lacking = weights.iter_mut().zip(&model.terms).filter(|(_, term)| lacks[term.group as usize]);
            lacking.for_each(|(weight, _)| *weight *= 4.0);
        }
        None
    }

    /// As many as are needed, less those that the others do without.
    fn cheapest_from(&self, order: &[usize]) -> Option<Vec<usize>> {
        /// Looking at more than this is not worth it.
        const MOST_LOOKS: usize = 2_000_000_000;
        let model = self.model;
        let mut local = Local::new(model, model.terms.iter().map(|term| term.weight).collect());
        for site in order {
            local.open(*site);
        }
        local.fill();
        let all = local.opened();
        let (mut low, mut high) = (0, all.len());
        self.objective(all)?;
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.objective(&all[..middle]).is_some() { high = middle } else { low = middle + 1 }
        }
        let mut sites = all[..high].to_vec();
        if model.by_site.links() * sites.len() <= MOST_LOOKS {
            // The dearest that is not needed goes first.
            let mut by_cost = sites.clone();
            by_cost.sort_by(|a, b| model.cost[*b].total_cmp(&model.cost[*a]).then(b.cmp(a)));
            for site in by_cost {
                let without: Vec<usize> = sites.iter().copied().filter(|other| *other != site).collect();
                if self.objective(&without).is_some() {
                    sites = without;
                }
            }
        }
        sites.sort_unstable();
        Some(sites)
    }
}
