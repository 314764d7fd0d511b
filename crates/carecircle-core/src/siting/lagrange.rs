//! Bounds by prices: the inequality of [`super::model`], with prices that are bettered step by step.
//!
//! The volume algorithm (Barahona and Anbil, *The volume algorithm: producing primal solutions with a subgradient method*,
//! 2000): prices move from the best ones known along an average of the directions met so far.

use super::model::Model;
use std::ops::ControlFlow;

/// Sums of floating-point numbers are wrong by less than this part of the sum of their absolute values.
const ROUNDING: f64 = 1e-10;

/// Prices, and what they say.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    /// By term.
    pub(super) prices: Vec<f64>,
    /// No pick is worth more, what is always open included.
    pub(super) bound: f64,
    /// By site: what it can make of the prices.
    pub(super) scores: Vec<f64>,
}

/// Where prices start: a greedy guess, from how many sites serve each term in the average of a plan.
pub(super) fn first_prices(model: &Model, plan: &[usize]) -> Vec<f64> {
    let mut served: Vec<(u32, f64)> = vec![(0, 0.0); model.terms.len()];
    for &site in plan {
        for link in model.by_site.of(site) {
            let entry = &mut served[link.to as usize];
            entry.0 += 1;
            entry.1 = entry.1.max(f64::from(link.gain));
        }
    }
    let price = |(term, (count, best)): (usize, (u32, f64))| {
        let most = model.by_term.of(term).first().map_or(0.0, |link| f64::from(link.gain));
        if count > model.terms[term].need {
            0.0
        } else {
            (best * 0.5).min(most) + if count == 0 { most * 0.9 } else { 0.0 }
        }
    };
    served.into_iter().enumerate().map(price).collect()
}

/// Betters prices in so many steps at most. Picks met on the way are handed to `met` with the bound so far, which tells the
/// value of the best plan known, or to end it here.
pub(super) fn better(
    model: &Model,
    start: Vec<f64>,
    steps: usize,
    mut met: impl FnMut(usize, &[u32], f64) -> ControlFlow<(), f64>,
) -> Priced {
    let sites = model.sites();
    let mut best = Priced { prices: start, bound: f64::INFINITY, scores: Vec::new() };
    let mut prices = best.prices.clone();
    let mut scores = Vec::new();
    let mut order = Vec::new();
    // The average of Σ taken − need, by term.
    let mut average: Vec<f64> = vec![0.0; model.terms.len()];
    let mut taken: Vec<f64> = vec![0.0; model.terms.len()];
    let (mut agility, mut since_better, mut lower) = (0.3, 0, 0.0_f64);
    let mut smoothing = 0.3;
    for step in 0..steps {
        let paid = model.priced(&prices, &mut scores);
        let made = model.best_pick(&scores, &mut order);
        let bound = (paid + made) + ROUNDING * (paid + made).abs();
        taken.fill(0.0);
        let always = (0..sites).filter(|site| model.always[*site]).map(|site| site as u32);
        for site in order.iter().copied().chain(always) {
            take(model, site as usize, &prices, &mut taken);
        }
        let alpha = if step == 0 { 1.0 } else { smoothing };
        for (average, (taken, term)) in average.iter_mut().zip(taken.iter().zip(&model.terms)) {
            *average = alpha * (taken - f64::from(term.need)) + (1.0 - alpha) * *average;
        }
        let goes_on = met(step, &order, bound.min(best.bound));
        if bound < best.bound {
            let is_much = best.bound.is_infinite() || best.bound - bound > 1e-4 * (best.bound - lower);
            since_better = if is_much { 0 } else { since_better + 1 };
            agility = if is_much { f64::min(agility * 1.05, 1.5) } else { agility };
            best.bound = bound;
            best.prices.clone_from(&prices);
            best.scores.clone_from(&scores);
        } else {
            since_better += 1;
        }
        let ControlFlow::Continue(known) = goes_on else { break };
        lower = lower.max(known);
        if since_better >= 12 {
            agility *= 0.7;
            since_better = 0;
            smoothing = (smoothing * 0.85_f64).max(0.03);
        }
        if agility < 1e-4 {
            break;
        }
        let weigh = |(average, term): (&f64, &super::model::Term)| term.weight * average * average;
        let norm: f64 = average.iter().zip(&model.terms).map(weigh).sum();
        if norm <= 0.0 {
            break;
        }
        let length = agility * (best.bound - lower).max(1e-6 * best.bound) / norm;
        for (term, (price, average)) in prices.iter_mut().zip(&average).enumerate() {
            let most = model.by_term.of(term).first().map_or(0.0, |link| f64::from(link.gain));
            *price = (best.prices[term] + length * average).clamp(0.0, most);
        }
    }
    best
}

/// Counts what a site takes of each term at these prices.
fn take(model: &Model, site: usize, prices: &[f64], taken: &mut [f64]) {
    let links = model.by_site.of(site);
    let Some(places) = &model.places else {
        for link in links.iter().filter(|link| f64::from(link.gain) > prices[link.to as usize]) {
            taken[link.to as usize] += 1.0;
        }
        return;
    };
    let mut offers: Vec<(f64, u32)> = links
        .iter()
        .map(|link| (f64::from(link.gain) - prices[link.to as usize], link.to))
        .filter(|(left, _)| *left > 0.0)
        .collect();
    offers.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut places = places[site];
    for (_, term) in offers {
        let weight = model.terms[term as usize].weight;
        let part = weight.min(places);
        taken[term as usize] += if weight > 0.0 { part / weight } else { 0.0 };
        places -= part;
    }
}
