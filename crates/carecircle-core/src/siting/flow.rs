//! Who goes where, when places are limited: the assignment of the most value, and the prices that prove it.
//!
//! Everybody goes to the open site that gains most; what a site cannot take goes on along the cheapest way to one that can,
//! or stays unserved (successive shortest paths, as in Ahuja, Magnanti and Orlin, *Network Flows*, 1993, chapter 9, over
//! sites alone). Amounts are whole numbers: parts of a term's weight.

use super::model::Model;

/// A part of a term that goes to a site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) term: u32,
    pub(super) site: u32,
    pub(super) weight: f64,
}

/// The best assignment.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// What it is worth.
    pub(super) value: f64,
    /// By term, then by site.
    pub(super) shares: Vec<Share>,
    /// For each term the price that proves it.
    pub(super) prices: Vec<f64>,
}

/// A link of an open site: the term, its gain there, and how many parts go.
#[derive(Clone, Copy, Debug)]
struct Going {
    term: u32,
    gain: i64,
    parts: i64,
}

/// How many parts a unit of weight is: a power of two, as many as leave sums exact.
fn parts_per_unit(model: &Model) -> f64 {
    let total: f64 = model.terms.iter().map(|term| term.weight).sum();
    (60.0 - (total + 1.0).log2().ceil()).clamp(0.0, 52.0).exp2()
}

/// The best assignment to sites with so many places each; those without any are closed.
pub(super) fn assign(model: &Model, places: &[(usize, f64)]) -> Flow {
    let per_unit = parts_per_unit(model);
    let weight = |term: usize| (model.terms[term].weight * per_unit).round() as i64;
    let nowhere = places.len();
    let room: Vec<i64> = places.iter().map(|(_, places)| (places * per_unit) as i64).collect();
    let mut goes: Vec<Vec<Going>> = places
        .iter()
        .map(|(site, _)| {
            let links = model.by_site.of(*site).iter();
            links.map(|link| Going { term: link.to, gain: i64::from(link.gain), parts: 0 }).collect()
        })
        .collect();
    // By term: where it can go, as site and place in the site's list.
    let mut ways: Vec<Vec<(u32, u32)>> = vec![Vec::new(); model.terms.len()];
    for (at, links) in goes.iter().enumerate() {
        for (place, going) in links.iter().enumerate() {
            ways[going.term as usize].push((at as u32, place as u32));
        }
    }
    let mut load = vec![0_i64; nowhere];
    for (term, ways) in ways.iter().enumerate() {
        let gain = |way: &&(u32, u32)| goes[way.0 as usize][way.1 as usize].gain;
        if let Some(&(at, place)) = ways.iter().max_by(|a, b| gain(a).cmp(&gain(b)).then(b.cmp(a))) {
            goes[at as usize][place as usize].parts = weight(term);
            load[at as usize] += weight(term);
        }
    }
    // From one site to another, the least that a part loses, by whom.
    let mut losses;
    loop {
        losses = least_losses(&goes, &ways, nowhere);
        let Some(from) = (0..nowhere).find(|at| load[*at] > room[*at]) else { break };
        let way = cheapest_way(&losses, from, |at| at == nowhere || load[at] < room[at]);
        let mut amount = load[from] - room[from];
        let end = way[way.len() - 1];
        if end != nowhere {
            amount = amount.min(room[end] - load[end]);
        }
        for pair in way.windows(2) {
            let (_, place, _) = losses[pair[0]][pair[1]];
            amount = amount.min(goes[pair[0]][place].parts);
        }
        for pair in way.windows(2) {
            let (_, place, to) = losses[pair[0]][pair[1]];
            goes[pair[0]][place].parts -= amount;
            load[pair[0]] -= amount;
            if pair[1] != nowhere {
                goes[pair[1]][to].parts += amount;
                load[pair[1]] += amount;
            }
        }
    }
    // What a place at each site is worth: what one who went on would lose.
    let is_end = |at: usize| at == nowhere || load[at] < room[at];
    let worth: Vec<i64> = distances(&losses, is_end);
    let price = |ways: &Vec<(u32, u32)>| {
        let left = |way: &(u32, u32)| goes[way.0 as usize][way.1 as usize].gain - worth[way.0 as usize];
        ways.iter().map(left).max().unwrap_or(0).max(0) as f64
    };
    let prices = ways.iter().map(price).collect();
    let mut shares = Vec::new();
    let mut value = 0.0;
    for (term, ways) in ways.iter().enumerate() {
        for &(at, place) in ways {
            let going = goes[at as usize][place as usize];
            if going.parts > 0 {
                let weight = going.parts as f64 / per_unit;
                value += weight * going.gain as f64;
                shares.push(Share { term: term as u32, site: places[at as usize].0 as u32, weight });
            }
        }
    }
    Flow { value, shares, prices }
}

/// By site and site: the least loss, by which entry of the one, and which of the other. The last is nowhere.
type Losses = Vec<Vec<(i64, usize, usize)>>;

/// Longer than every way.
const FAR: i64 = i64::MAX / 4;

fn least_losses(goes: &[Vec<Going>], ways: &[Vec<(u32, u32)>], nowhere: usize) -> Losses {
    let mut losses = vec![vec![(FAR, 0, 0); nowhere + 1]; nowhere];
    for (at, links) in goes.iter().enumerate() {
        for (place, going) in links.iter().enumerate().filter(|(_, going)| going.parts > 0) {
            let mut offer = |to: usize, loss: i64, there: usize| {
                if loss < losses[at][to].0 {
                    losses[at][to] = (loss, place, there);
                }
            };
            offer(nowhere, going.gain, 0);
            for &(to, there) in ways[going.term as usize].iter().filter(|way| way.0 as usize != at) {
                offer(to as usize, going.gain - goes[to as usize][there as usize].gain, there as usize);
            }
        }
    }
    losses
}

/// From each site the least loss on the way to an end.
fn distances(losses: &Losses, is_end: impl Fn(usize) -> bool) -> Vec<i64> {
    let nowhere = losses.len();
    let mut distance: Vec<i64> = (0..=nowhere).map(|at| if is_end(at) { 0 } else { FAR }).collect();
    loop {
        let mut is_better = false;
        for at in 0..nowhere {
            let on = (0..=nowhere).map(|to| losses[at][to].0.saturating_add(distance[to])).min().unwrap_or(FAR);
            if on < distance[at] {
                distance[at] = on;
                is_better = true;
            }
        }
        if !is_better {
            return distance;
        }
    }
}

/// The cheapest way from a site to an end.
fn cheapest_way(losses: &Losses, from: usize, is_end: impl Fn(usize) -> bool) -> Vec<usize> {
    let nowhere = losses.len();
    let mut distance = vec![FAR; nowhere + 1];
    let mut before = vec![usize::MAX; nowhere + 1];
    distance[from] = 0;
    loop {
        let mut is_better = false;
        for at in 0..nowhere {
            if distance[at] >= FAR {
                continue;
            }
            for to in 0..=nowhere {
                let there = distance[at].saturating_add(losses[at][to].0);
                if to != from && there < distance[to] {
                    (distance[to], before[to]) = (there, at);
                    is_better = true;
                }
            }
        }
        if !is_better {
            break;
        }
    }
    let end = (0..=nowhere).filter(|at| is_end(*at)).min_by_key(|at| (distance[*at], *at)).unwrap_or(nowhere);
    let mut way = vec![end];
    while let Some(&last) = way.last().filter(|last| **last != from) {
        way.push(before[last]);
    }
    way.reverse();
    way
}
