//! What every question comes down to: sites, terms that they gain by, and how many sites may be opened.
//!
//! A *term* is worth `weight × gain` for a site that serves it, and takes the best `need` of them: the value of some sites is
//! the sum over terms of the best gains among them. Maximal covering has gains of one and a need of one; backup coverage
//! adds terms with a need of two; for the p-median the gain is the walk that a site saves. The value is submodular, and for
//! any prices `u` of terms it is at most
//!
//! > Σ weight · need · u  +  Σ over the sites of Σ weight · max(0, gain − u),
//!
//! with equality for the right prices. Where places are limited, the sum for a site becomes what its places can take of it
//! at most (a knapsack filled by the best). Bounds, cuts and fixings are all made of this one inequality.
//!
//! Weights are multiples of such a power of two that every sum of weights times gains is exact in floating point, in
//! whatever order it is taken.

use super::Pick;
use super::flow::{self, Flow};
use rayon::prelude::*;

/// What a site has to do with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// The other end.
    pub(super) to: u32,
    /// What the site gains by a unit of the term's weight; more than nothing.
    pub(super) gain: u32,
}

/// Lists of links, one for each number.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    first: Vec<usize>,
    links: Vec<Link>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { first: vec![0], links: Vec::new() }
    }
}

impl Lists {
    /// Adds a list.
    pub(super) fn push(&mut self, links: impl IntoIterator<Item = Link>) {
        self.links.extend(links);
        self.first.push(self.links.len());
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.first.len() - 1
    }

    /// How many links there are.
    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    /// The links of a number.
    pub(super) fn of(&self, number: usize) -> &[Link] {
        &self.links[self.first[number]..self.first[number + 1]]
    }

    /// The same links from the other end, in ascending order of this one; `count` is how many ends there are.
    pub(super) fn inverted(&self, count: usize) -> Self {
        let mut first = vec![0; count + 1];
        self.links.iter().for_each(|link| first[link.to as usize + 1] += 1);
        for i in 0..count {
            first[i + 1] += first[i];
        }
        let (mut next, mut links) = (first.clone(), vec![Link { to: 0, gain: 0 }; self.links.len()]);
        for number in 0..self.len() {
            for link in self.of(number) {
                let slot = &mut next[link.to as usize];
                links[*slot] = Link { to: number as u32, gain: link.gain };
                *slot += 1;
            }
        }
        Self { first, links }
    }

    /// The lists of some numbers alone, in their order.
    fn picked(&self, numbers: impl Iterator<Item = usize>) -> Self {
        let mut out = Self::default();
        numbers.for_each(|number| out.push(self.of(number).iter().copied()));
        out
    }
}

/// A term before equal ones are merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) weight: f64,
    pub(super) need: u32,
    /// Which sum it belongs to.
    pub(super) group: u32,
}

/// Sites, terms and a limit.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) terms: Vec<Term>,
    pub(super) groups: usize,
    /// The terms of each site, ascending.
    pub(super) by_site: Lists,
    /// The sites of each term, the best gain first.
    pub(super) by_term: Lists,
    pub(super) cost: Vec<f64>,
    /// How much weight each site can take; none where that is not limited.
    pub(super) places: Option<Vec<f64>>,
    /// Sites that are open whatever is picked, and count for nothing in the limit.
    pub(super) always: Vec<bool>,
    pub(super) pick: Pick,
}

/// A weight as a multiple of such a power of two that sums of weights times gains are exact as long as they are below
/// `largest`: whole numbers stay what they are.
pub(super) fn exact(weight: f64, largest: f64) -> f64 {
    let quantum = (largest.max(1.0).log2().ceil() - 52.0).min(0.0).exp2();
    (weight / quantum).round() * quantum
}

impl Model {
    /// How many sites there are.
    pub(super) fn sites(&self) -> usize {
        self.by_site.len()
    }

    /// Whether every site gains the same by a term, and one is enough.
    pub(super) fn is_flat(&self, term: usize) -> bool {
        let links = self.by_term.of(term);
        self.terms[term].need == 1 && links.first().map(|link| link.gain) == links.last().map(|link| link.gain)
    }

    /// The least step between two values, 1 where all are whole numbers; else nothing is known of it.
    pub(super) fn step(&self) -> f64 {
        let whole = self.terms.iter().all(|term| term.weight.fract() == 0.0);
        if whole { 1.0 } else { 0.0 }
    }

    /// The value if every site were open, by group.
    pub(super) fn whole_value(&self) -> Vec<f64> {
        let all: Vec<usize> = (0..self.sites()).collect();
        self.value(&all)
    }

    /// The value of some sites, by group; places are not looked at.
    pub(super) fn value(&self, sites: &[usize]) -> Vec<f64> {
        let mut is_open = self.always.clone();
        for site in sites {
            is_open[*site] = true;
        }
        let mut out = vec![0.0; self.groups];
        for (number, term) in self.terms.iter().enumerate() {
            let open = self.by_term.of(number).iter().filter(|link| is_open[link.to as usize]);
            let gains: f64 = open.take(term.need as usize).map(|link| f64::from(link.gain)).sum();
            out[term.group as usize] += term.weight * gains;
        }
        out
    }

    /// The value of some sites, by group, places regarded.
    pub(super) fn worth(&self, sites: &[usize]) -> Vec<f64> {
        if self.places.is_none() {
            return self.value(sites);
        }
        vec![self.assigned(sites, |_| 1.0).value]
    }

    /// The best assignment to some sites, and those that are always open, of whose places a part can be had.
    pub(super) fn assigned(&self, sites: &[usize], part: impl Fn(usize) -> f64) -> Flow {
        let always = (0..self.sites()).filter(|site| self.always[*site]);
        let mut open: Vec<usize> = sites.iter().copied().chain(always).collect();
        open.sort_unstable();
        open.dedup();
        let places = |site: usize| self.places.as_ref().map_or(f64::INFINITY, |places| places[site]) * part(site);
        let places: Vec<(usize, f64)> = open.into_iter().map(|site| (site, places(site))).collect();
        flow::assign(self, &places)
    }

    /// What each site can make of prices at most, and the sum of what is paid for all terms.
    pub(super) fn priced(&self, prices: &[f64], scores: &mut Vec<f64>) -> f64 {
        // Other threads are not worth calling for less than a millisecond's work.
        let at_a_time = if self.by_site.links() < 500_000 { self.sites().max(1) } else { 64 };
        (0..self.sites())
            .into_par_iter()
            .with_min_len(at_a_time)
            .map(|site| self.score(site, prices))
            .collect_into_vec(scores);
        self.terms.iter().zip(prices).map(|(term, price)| term.weight * f64::from(term.need) * price).sum()
    }

    /// What a site can make of prices at most.
    pub(super) fn score(&self, site: usize, prices: &[f64]) -> f64 {
        let links = self.by_site.of(site);
        let left = |link: &Link| f64::from(link.gain) - prices[link.to as usize];
        let weight = |link: &Link| self.terms[link.to as usize].weight;
        let Some(places) = &self.places else {
            return links.iter().map(|link| weight(link) * left(link).max(0.0)).sum();
        };
        let mut offers: Vec<(f64, f64)> =
            links.iter().map(|link| (left(link), weight(link))).filter(|(left, _)| *left > 0.0).collect();
        offers.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let mut places = places[site];
        let mut sum = 0.0;
        for (left, weight) in offers {
            let taken = weight.min(places);
            sum += left * taken;
            places -= taken;
        }
        sum
    }

    /// The greatest sum of scores that the limit allows, parts of sites allowed at the last, and which sites it takes whole.
    pub(super) fn best_pick(&self, scores: &[f64], order: &mut Vec<u32>) -> f64 {
        order.clear();
        order.extend(
            (0..self.sites() as u32).filter(|site| scores[*site as usize] > 0.0 && !self.always[*site as usize]),
        );
        let always: f64 = (0..self.sites()).filter(|site| self.always[*site]).map(|site| scores[site]).sum();
        match self.pick {
            Pick::Count(count) => {
                let by_score = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
                if count < order.len() && count > 0 {
                    order.select_nth_unstable_by(count - 1, by_score);
                }
                order.truncate(count);
                order.sort_unstable_by(by_score);
                always + order.iter().map(|site| scores[*site as usize]).sum::<f64>()
            }
            Pick::Budget(budget) => {
                let worth = |site: u32| scores[site as usize] / self.cost[site as usize].max(1e-12);
                order.sort_unstable_by(|a, b| worth(*b).total_cmp(&worth(*a)).then(a.cmp(b)));
                let (mut left, mut sum, mut whole) = (budget, always, 0);
                for &site in order.iter() {
                    let cost = self.cost[site as usize];
                    if cost > left {
                        sum += scores[site as usize] * left / cost;
                        break;
                    }
                    left -= cost;
                    sum += scores[site as usize];
                    whole += 1;
                }
                order.truncate(whole);
                sum
            }
        }
    }

    /// Whether the limit allows these sites.
    pub(super) fn allows(&self, sites: &[usize]) -> bool {
        match self.pick {
            Pick::Count(count) => sites.len() <= count,
            Pick::Budget(budget) => sites.iter().map(|site| self.cost[*site]).sum::<f64>() <= budget,
        }
    }

    /// Merges terms that the same sites gain the same by, and drops those that nobody gains by. Tells where each went.
    pub(super) fn merge(&mut self) -> Vec<Option<u32>> {
        let key = |term: usize| (self.terms[term].group, self.terms[term].need, self.by_term.of(term));
        let mut order: Vec<usize> = (0..self.terms.len()).filter(|term| !self.by_term.of(*term).is_empty()).collect();
        order.par_sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
        let mut went = vec![None; self.terms.len()];
        let mut heads: Vec<usize> = Vec::new();
        let mut terms: Vec<Term> = Vec::new();
        for term in order {
            match heads.last() {
                Some(&head) if key(head) == key(term) => {
                    let last = terms.len() - 1;
                    terms[last].weight += self.terms[term].weight;
                }
                _ => {
                    heads.push(term);
                    terms.push(self.terms[term]);
                }
            }
            went[term] = Some(heads.len() as u32 - 1);
        }
        self.by_term = self.by_term.picked(heads.into_iter());
        self.terms = terms;
        self.by_site = self.by_term.inverted(self.sites());
        went
    }

    /// The model of some sites alone, terms merged anew; tells where each term went.
    pub(super) fn narrowed(&self, sites: &[usize]) -> (Self, Vec<Option<u32>>) {
        let by_site = self.by_site.picked(sites.iter().copied());
        let mut by_term = by_site.inverted(self.terms.len());
        by_term.sort_by_gain();
        let of = |numbers: &Vec<f64>| sites.iter().map(|site| numbers[*site]).collect::<Vec<f64>>();
        let mut model = Self {
            terms: self.terms.clone(),
            groups: self.groups,
            by_site,
            by_term,
            cost: of(&self.cost),
            places: self.places.as_ref().map(of),
            always: sites.iter().map(|site| self.always[*site]).collect(),
            pick: self.pick,
        };
        let went = model.merge();
        (model, went)
    }
}

impl Lists {
    /// Puts the best gain first in each list, and the smaller number before the larger.
    pub(super) fn sort_by_gain(&mut self) {
        for number in 0..self.len() {
            let range = self.first[number]..self.first[number + 1];
            self.links[range].sort_unstable_by(|a, b| b.gain.cmp(&a.gain).then(a.to.cmp(&b.to)));
        }
    }
}

impl Model {
    /// A model without limits on places, terms merged; tells where each term went.
    pub(super) fn new(
        terms: Vec<Term>,
        groups: usize,
        by_site: Lists,
        cost: Vec<f64>,
        pick: Pick,
    ) -> (Self, Vec<Option<u32>>) {
        let mut by_term = by_site.inverted(terms.len());
        by_term.sort_by_gain();
        let always = vec![false; by_site.len()];
        let mut model = Self { terms, groups, by_site, by_term, cost, places: None, always, pick };
        let went = model.merge();
        (model, went)
    }

    /// The sites that are left where one is left out for another that gains as much by every term and costs no more.
    pub(super) fn undominated(&self) -> Vec<usize> {
        // Twins may both be needed where one is not enough.
        if self.places.is_some() || self.terms.iter().any(|term| term.need > 1) {
            return (0..self.sites()).collect();
        }
        let counts = matches!(self.pick, Pick::Count(_));
        let does_it_all = |site: usize, other: usize| {
            let mut theirs = self.by_site.of(other).iter().peekable();
            self.by_site.of(site).iter().all(|link| {
                while theirs.next_if(|their| their.to < link.to).is_some() {}
                theirs.next().is_some_and(|their| their.to == link.to && their.gain >= link.gain)
            })
        };
        let is_left_out = |site: usize| {
            let links = self.by_site.of(site);
            let Some(rarest) = links.iter().min_by_key(|link| self.by_term.of(link.to as usize).len()) else {
                return true;
            };
            // Who does it all serves this term too.
            self.by_term.of(rarest.to as usize).iter().map(|link| link.to as usize).any(|other| {
                let is_less = self.by_site.of(other).len() > links.len() || other < site;
                other != site
                    && self.by_site.of(other).len() >= links.len()
                    && (counts || self.cost[other] <= self.cost[site])
                    && does_it_all(site, other)
                    && (is_less || !does_it_all(other, site))
            })
        };
        (0..self.sites()).into_par_iter().filter(|site| !is_left_out(*site)).collect()
    }

    /// The sites that plans may have that are worth `wanted` or more, by what prices say.
    pub(super) fn in_better_plans(&self, priced: &super::lagrange::Priced, wanted: f64) -> Vec<usize> {
        let mut order = Vec::new();
        self.best_pick(&priced.scores, &mut order);
        let is_in: std::collections::BTreeSet<u32> = order.iter().copied().collect();
        // With one more site in, the last of the best makes room for it.
        let room = match self.pick {
            Pick::Count(count) if order.len() == count => {
                order.last().map_or(0.0, |last| priced.scores[*last as usize])
            }
            Pick::Count(_) => 0.0,
            Pick::Budget(_) => f64::NAN,
        };
        let may_be_in = |site: &usize| {
            self.always[*site]
                || is_in.contains(&(*site as u32))
                || room.is_nan()
                || priced.bound - room + priced.scores[*site] >= wanted
        };
        (0..self.sites()).filter(may_be_in).collect()
    }
}
