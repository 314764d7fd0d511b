//! Good plans, without proof: the greedy one, bettered by exchanging one site for another, from many starts.
//!
//! The exchange reckons all pairs at once (Resende and Werneck, *A fast swap-based local search procedure for location
//! problems*, 2007): what a site would add, what another's leaving would take, and what both share.

use super::Pick;
use super::model::Model;

/// No term needs more than this.
pub(super) const MOST_NEED: usize = 2;

/// Random numbers, the same for the same seed (Steele, Lea and Flood's SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * count.max(1) as u128) >> 64) as usize
    }
}

/// The best gains of a term among the open sites: one more than it needs.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    gains: [u32; MOST_NEED + 1],
    by: [u32; MOST_NEED + 1],
    count: u8,
}

/// Some open sites, kept with what is known of them. Weights may differ from the model's, to lead the search elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Local<'a> {
    model: &'a Model,
    weights: Vec<f64>,
    served: Vec<Served>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    cost: f64,
    value: f64,
    /// By site: what it would add, or what its leaving would take.
    loss: Vec<f64>,
    /// Scratch: by site, what it shares with the one that is tried.
    shared: Vec<f64>,
    touched: Vec<u32>,
}

impl<'a> Local<'a> {
    /// With nothing open but what always is.
    pub(super) fn new(model: &'a Model, weights: Vec<f64>) -> Self {
        let mut local = Self {
            model,
            weights,
            served: vec![Served::default(); model.terms.len()],
            is_open: vec![false; model.sites()],
            open: Vec::new(),
            cost: 0.0,
            value: 0.0,
            loss: vec![0.0; model.sites()],
            shared: vec![0.0; model.sites()],
            touched: Vec::new(),
        };
        (0..model.sites()).filter(|site| model.always[*site]).for_each(|site| local.open(site));
        local
    }

    /// The sites that were picked, ascending.
    pub(super) fn picked(&self) -> Vec<usize> {
        let mut picked: Vec<usize> = self.open.iter().copied().filter(|site| !self.model.always[*site]).collect();
        picked.sort_unstable();
        picked
    }

    /// The open sites, in the order that they were opened in.
    pub(super) fn opened(&self) -> &[usize] {
        &self.open
    }

    /// The value by the search's own weights.
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    fn need(&self, term: usize) -> usize {
        self.model.terms[term].need as usize
    }

    /// The gain that the next site must better.
    fn last(&self, term: usize) -> u32 {
        self.served[term].gains[self.need(term) - 1]
    }

    /// What a site would add.
    pub(super) fn gain(&self, site: usize) -> f64 {
        let gain = |link: &super::model::Link| {
            let term = link.to as usize;
            self.weights[term] * f64::from(link.gain.saturating_sub(self.last(term)))
        };
        self.model.by_site.of(site).iter().map(gain).sum()
    }

    fn cost_of(&self, site: usize) -> f64 {
        match self.model.pick {
            _ if self.model.always[site] => 0.0,
            Pick::Count(_) => 1.0,
            Pick::Budget(_) => self.model.cost[site],
        }
    }

    /// What may be spent.
    fn most(&self) -> f64 {
        match self.model.pick {
            Pick::Count(count) => count as f64,
            Pick::Budget(budget) => budget,
        }
    }

    /// Opens a site.
    pub(super) fn open(&mut self, site: usize) {
        self.value += self.gain(site);
        self.is_open[site] = true;
        self.open.push(site);
        self.cost += self.cost_of(site);
        self.serve_anew(site);
    }

    /// Closes a site.
    pub(super) fn close(&mut self, site: usize) {
        self.value -= self.loss[site];
        self.is_open[site] = false;
        self.open.retain(|open| *open != site);
        self.cost -= self.cost_of(site);
        self.serve_anew(site);
    }

    /// Finds anew who serves the terms of a site, and what the loss of each open one would be.
    fn serve_anew(&mut self, site: usize) {
        for link in self.model.by_site.of(site) {
            let term = link.to as usize;
            self.account(term, -1.0);
            let mut served = Served::default();
            let open = self.model.by_term.of(term).iter().filter(|link| self.is_open[link.to as usize]);
            for link in open.take(self.need(term) + 1) {
                let at = served.count as usize;
                (served.gains[at], served.by[at]) = (link.gain, link.to);
                served.count += 1;
            }
            self.served[term] = served;
            self.account(term, 1.0);
        }
        if !self.is_open[site] {
            self.loss[site] = 0.0;
        }
    }

    /// Counts what those who serve a term would be missed for.
    fn account(&mut self, term: usize, sign: f64) {
        let (served, need) = (self.served[term], self.need(term));
        for at in 0..need.min(served.count as usize) {
            let missed = f64::from(served.gains[at] - served.gains[need]);
            self.loss[served.by[at] as usize] += sign * self.weights[term] * missed;
        }
    }

    /// Opens what adds most for its cost until nothing more is allowed or adds anything. Gains only shrink, so most of them
    /// need not be reckoned again.
    pub(super) fn fill(&mut self) {
        let rate = |local: &Self, site: usize| local.gain(site) / local.cost_of(site).max(1e-12);
        let mut heap: std::collections::BinaryHeap<Offer> = (0..self.model.sites())
            .filter(|site| !self.is_open[*site])
            .map(|site| Offer { rate: rate(self, site), site })
            .collect();
        while let Some(offer) = heap.pop() {
            if offer.rate <= 0.0 {
                break;
            }
            if self.cost + self.cost_of(offer.site) > self.most() {
                continue;
            }
            let now = Offer { rate: rate(self, offer.site), site: offer.site };
            if heap.peek().is_some_and(|next| *next > now) {
                heap.push(now);
            } else {
                self.open(offer.site);
            }
        }
    }

    /// Exchanges one site for another as long as that adds anything, over some sites to come in.
    pub(super) fn exchange(&mut self, among: &[usize]) {
        let most_rounds = 100;
        for _ in 0..most_rounds {
            let mut is_better = false;
            for &site in among {
                if self.is_open[site] {
                    continue;
                }
                match self.best_exchange(site) {
                    Move::No => continue,
                    Move::For(leaving) => self.close(leaving),
                    Move::Beside => {}
                }
                self.open(site);
                is_better = true;
            }
            if !is_better {
                return;
            }
        }
    }

    /// How a site comes in.
    fn best_exchange(&mut self, site: usize) -> Move {
        let gain = self.gain(site);
        let least = 1e-9 * self.value.abs();
        let left = self.most() - self.cost - self.cost_of(site);
        if gain > least && left >= 0.0 {
            return Move::Beside;
        }
        if gain <= least {
            return Move::No;
        }
        for link in self.model.by_site.of(site) {
            let term = link.to as usize;
            let (served, need) = (self.served[term], self.need(term));
            if served.count == 0 || link.gain <= served.gains[need] {
                continue;
            }
            let twice =
                f64::from(link.gain - served.gains[need]) - f64::from(link.gain.saturating_sub(served.gains[need - 1]));
            for at in 0..need.min(served.count as usize) {
                let by = served.by[at];
                if self.shared[by as usize] == 0.0 {
                    self.touched.push(by);
                }
                self.shared[by as usize] += self.weights[term] * twice;
            }
        }
        let change = |leaving: usize| gain - self.loss[leaving] + self.shared[leaving];
        let may_leave = self.open.iter().copied().filter(|leaving| !self.model.always[*leaving]);
        let leaving = may_leave
            .filter(|leaving| left + self.cost_of(*leaving) >= 0.0)
            .max_by(|a, b| change(*a).total_cmp(&change(*b)).then(b.cmp(a)))
            .filter(|leaving| change(*leaving) > least);
        for site in self.touched.drain(..) {
            self.shared[site as usize] = 0.0;
        }
        leaving.map_or(Move::No, Move::For)
    }

    /// Closes some sites by chance.
    pub(super) fn shake(&mut self, count: usize, dice: &mut Dice) {
        for _ in 0..count {
            let picked = self.picked();
            if let Some(&site) = picked.get(dice.below(picked.len())) {
                self.close(site);
            }
        }
    }
}

/// How a site comes in.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Not at all: it adds nothing.
    No,
    /// Beside the others.
    Beside,
    /// For another.
    For(usize),
}

/// What a site adds for its cost; of equals the smaller number first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offer {
    rate: f64,
    site: usize,
}

impl Eq for Offer {}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rate.total_cmp(&other.rate).then(other.site.cmp(&self.site))
    }
}
