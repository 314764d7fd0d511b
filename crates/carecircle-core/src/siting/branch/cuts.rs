//! Cuts: what keeps the values of the programme down.

use super::{MOST_CUTS, MOST_OWN, MOST_ROWS, Tree, WHOLE};
use crate::siting::model::{Link, Term};
use crate::siting::task::Goal;
use std::collections::BTreeMap;

/// A cut on the value of a group: its row, and for each term of a model whether it was taken as served.
#[derive(Debug)]
pub(super) struct Cut {
    row: usize,
    group: usize,
    served: Vec<bool>,
}
impl Tree<'_, '_> {
    /// First cuts and own variables, by the prices that a bound was made of.
    pub(super) fn start_from(&mut self, prices: &[f64]) {
        let model = self.task.model;
        let is_torn = |term: &usize| {
            let most = model.by_term.of(*term).first().map_or(0.0, |link| f64::from(link.gain));
            (0.05 * most..0.95 * most).contains(&prices[*term])
        };
        let mut torn: Vec<usize> = (0..model.terms.len()).filter(is_torn).collect();
        torn.sort_by(|a, b| model.terms[*b].weight.total_cmp(&model.terms[*a].weight).then(a.cmp(b)));
        torn.truncate(150);
        for term in torn {
            self.give_own(term);
        }
        for group in (0..model.groups).filter(|group| !self.is_must[*group]).collect::<Vec<_>>() {
            self.add_cut(group, prices);
        }
    }

    /// Adds the cut on a group's value that prices make. Terms with a variable of their own are not in it.
    fn add_cut(&mut self, group: usize, prices: &[f64]) {
        let model = self.task.model;
        let is_in: Vec<bool> = (0..model.terms.len())
            .map(|term| model.terms[term].group as usize == group && self.own[term].is_none())
            .collect();
        let paid = |(number, term): (usize, &Term)| term.weight * f64::from(term.need) * prices[number];
        let most: f64 = model.terms.iter().enumerate().filter(|(number, _)| is_in[*number]).map(paid).sum();
        let mut entries = vec![(self.value_of[group], 1.0)];
        for site in (0..model.sites()).filter(|site| self.settled[*site] != Some(false)) {
            let score = if model.places.is_some() {
                model.score(site, prices)
            } else {
                let links = model.by_site.of(site).iter().filter(|link| is_in[link.to as usize]);
                let left = |link: &Link| (f64::from(link.gain) - prices[link.to as usize]).max(0.0);
                links.map(|link| model.terms[link.to as usize].weight * left(link)).sum()
            };
            if score > 0.0 {
                entries.push((site, -score / self.value_unit));
            }
        }
        let row = self.lp.add_row(entries, most / self.value_unit);
        let served = prices.iter().map(|price| *price > 0.0).collect();
        self.cuts.push(Cut { row, group, served });
    }

    /// Takes a term out of its group's value and gives it a variable: the part of it that is served.
    fn give_own(&mut self, term: usize) -> Option<usize> {
        let model = self.task.model;
        if self.must[term]
            || self.own[term].is_some()
            || self.owned >= MOST_OWN
            || model.places.is_some()
            || !model.is_flat(term)
        {
            return self.own[term];
        }
        let group = model.terms[term].group as usize;
        let links = model.by_term.of(term);
        let worth = model.terms[term].weight * f64::from(links[0].gain) / self.value_unit;
        let cost = if matches!(self.task.goal, Goal::Most) { worth } else { 0.0 };
        let in_cuts = self.cuts.iter().filter(|cut| cut.group == group).map(|cut| (cut.row, worth));
        let floors = self.task.floors.iter().enumerate().filter(|(_, floor)| floor.groups.contains(&group));
        let in_floors = floors.map(|(at, _)| (self.first_floor + at, -worth));
        let entries: Vec<(usize, f64)> = in_cuts.chain(in_floors).collect();
        let variable = self.lp.add_variable(cost, 0.0, 1.0, &entries);
        self.own[term] = Some(variable);
        self.owned += 1;
        let servers = links.iter().map(|link| (link.to as usize, -1.0));
        self.lp.add_row(servers.chain([(variable, 1.0)]).collect(), 0.0);
        Some(variable)
    }

    /// Where places are limited, adds the cuts of the best assignment and of prices as if they were not. Tells how many.
    fn separate_places(&mut self, y: &[f64], is_whole: bool) -> usize {
        const MOST_LINKS: usize = 20_000;
        let model = self.task.model;
        let mut candidates = vec![self.task.right_prices(y).0];
        let open: Vec<usize> = (0..model.sites()).filter(|site| y[*site] > WHOLE).collect();
        let links: usize = open.iter().map(|site| model.by_site.of(*site).len()).sum();
        if is_whole || links <= MOST_LINKS {
            candidates.push(model.assigned(&open, |site| y[site].min(1.0)).prices);
        }
        let mut added = 0;
        let mut scores = Vec::new();
        for prices in candidates {
            let paid = model.priced(&prices, &mut scores);
            let value: f64 = paid + scores.iter().zip(y).map(|(score, y)| score * y).sum::<f64>();
            let told = self.lp.value_of(self.value_of[0]);
            if told - value / self.value_unit > 1e-8 * (1.0 + told) {
                self.add_cut(0, &prices);
                added += 1;
            }
        }
        added
    }

    /// Adds the cuts that the point violates, and own variables for terms that they differ by. Tells how many.
    pub(super) fn separate(&mut self, y: &[f64], is_whole: bool) -> usize {
        let model = self.task.model;
        if model.places.is_some() {
            return self.separate_places(y, is_whole);
        }
        let mut value = vec![0.0; model.groups];
        let (prices, within) = self.task.right_prices(y);
        for (number, term) in model.terms.iter().enumerate().filter(|(number, _)| self.own[*number].is_none()) {
            value[term.group as usize] += term.weight * within[number];
        }
        let mut added = self.separate_must(y);
        for group in (0..model.groups).filter(|group| !self.is_must[*group]).collect::<Vec<_>>() {
            let told = self.lp.value_of(self.value_of[group]);
            let excess = told - value[group] / self.value_unit;
            if excess <= 1e-8 * (1.0 + told) {
                continue;
            }
            added += 1;
            // The cut that holds the value now, and where it is wrong.
            let tightest = self.cuts.iter().filter(|cut| cut.group == group);
            let tightest = tightest.min_by(|a, b| self.lp.slack(a.row).total_cmp(&self.lp.slack(b.row)));
            let mut wrong: Vec<(f64, usize)> = Vec::new();
            if let Some(cut) = tightest.filter(|_| self.owned < MOST_OWN) {
                for (number, term) in model.terms.iter().enumerate() {
                    let differs = cut.served[number] != (prices[number] > 0.0);
                    if term.group as usize == group && self.own[number].is_none() && differs && model.is_flat(number) {
                        let served: f64 = model.by_term.of(number).iter().map(|link| y[link.to as usize]).sum();
                        wrong.push((term.weight * (served - 1.0).abs(), number));
                    }
                }
            }
            wrong.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut left = 0.9 * excess * self.value_unit;
            for (error, term) in wrong.into_iter().take(60) {
                if left <= 0.0 {
                    break;
                }
                left -= error;
                self.give_own(term);
            }
            self.add_cut(group, &prices);
        }
        added
    }

    /// Adds rows for terms that must be served, those that lack most first. Tells how many.
    fn separate_must(&mut self, y: &[f64]) -> usize {
        const AT_A_TIME: usize = 100;
        let model = self.task.model;
        let lack = |term: usize| {
            let served: f64 = model.by_term.of(term).iter().map(|link| y[link.to as usize]).sum();
            f64::from(model.terms[term].need) - served
        };
        let must = (0..model.terms.len()).filter(|term| self.must[*term]);
        let mut lacking: Vec<(f64, usize)> =
            must.map(|term| (lack(term), term)).filter(|(lack, _)| *lack > WHOLE).collect();
        lacking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        lacking.truncate(AT_A_TIME);
        for &(_, term) in &lacking {
            let servers = model.by_term.of(term).iter().map(|link| (link.to as usize, -1.0));
            let row = self.lp.add_row(servers.collect(), -f64::from(model.terms[term].need));
            self.musts.push(row);
        }
        lacking.len()
    }

    /// Adds cuts on three terms each that the point violates. Tells how many.
    pub(super) fn separate_triples(&mut self, y: &[f64]) -> usize {
        const MOST_CLASSES: usize = 300;
        let model = self.task.model;
        if model.places.is_some() || self.lp.row_count() > 3 * MOST_ROWS {
            return 0;
        }
        let mut torn: Vec<usize> =
            (0..model.sites()).filter(|site| y[*site] > WHOLE && y[*site] < 1.0 - WHOLE).collect();
        torn.sort_by(|a, b| y[*b].total_cmp(&y[*a]).then(a.cmp(b)));
        torn.truncate(128);
        // Terms by which of the torn sites serve them.
        let mut mask = vec![0_u128; model.terms.len()];
        let mut part = vec![0.0; model.terms.len()];
        for (bit, &site) in torn.iter().enumerate() {
            for link in model.by_site.of(site) {
                mask[link.to as usize] |= 1 << bit;
                part[link.to as usize] += y[site];
            }
        }
        for site in (0..model.sites()).filter(|site| y[*site] >= 1.0 - WHOLE) {
            model.by_site.of(site).iter().for_each(|link| mask[link.to as usize] = 0);
        }
        let mut classes: BTreeMap<u128, (f64, Vec<usize>)> = BTreeMap::new();
        for (number, term) in model.terms.iter().enumerate() {
            if mask[number].count_ones() > 1 && (part[number] - 1.0).abs() < 0.5 && model.is_flat(number) {
                let class = classes.entry(mask[number]).or_default();
                class.0 += term.weight;
                class.1.push(number);
            }
        }
        let mut classes: Vec<(u128, f64, Vec<usize>)> =
            classes.into_iter().map(|(mask, (weight, terms))| (mask, weight, terms)).collect();
        classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        classes.truncate(MOST_CLASSES);
        for (_, _, terms) in &mut classes {
            terms.sort_by(|a, b| model.terms[*b].weight.total_cmp(&model.terms[*a].weight).then(a.cmp(b)));
        }
        let bits = |mut mask: u128| {
            let mut sum = 0.0;
            while mask != 0 {
                sum += y[torn[mask.trailing_zeros() as usize]];
                mask &= mask - 1;
            }
            sum
        };
        let count = classes.len();
        let alone: Vec<f64> = classes.iter().map(|class| bits(class.0)).collect();
        let mut pair = vec![0.0; count * count];
        for a in 0..count {
            for b in 0..a {
                let both = bits(classes[a].0 & classes[b].0);
                (pair[a * count + b], pair[b * count + a]) = (both, both);
            }
        }
        let kink = |a: usize| alone[a].min(1.0);
        let mut found: Vec<(f64, f64, [usize; 3])> = Vec::new();
        for a in 0..count {
            for b in a + 1..count {
                let ab = pair[a * count + b];
                // Each two of them share about half of a site.
                if ab <= 0.05 {
                    continue;
                }
                for c in b + 1..count {
                    let (ac, bc) = (pair[a * count + c], pair[b * count + c]);
                    let all = alone[a] + alone[b] + alone[c];
                    let twice = ab + ac + bc;
                    let served = kink(a) + kink(b) + kink(c);
                    // A site that serves one or two counts once, one that serves all three twice.
                    if served - 1.0 - (all - twice) <= 0.05 {
                        continue;
                    }
                    let thrice = bits(classes[a].0 & classes[b].0 & classes[c].0);
                    let excess = served - 1.0 - (all - twice + 2.0 * thrice);
                    if excess > 0.05 {
                        let weight = classes[a].1.min(classes[b].1).min(classes[c].1);
                        found.push((excess * weight, excess, [a, b, c]));
                    }
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        let mut used = vec![0_u32; model.terms.len()];
        let mut added = 0;
        for (_, _, [a, b, c]) in found {
            let free = |class: usize| classes[class].2.iter().copied().find(|term| used[*term] < 2);
            let (Some(i), Some(j), Some(k)) = (free(a), free(b), free(c)) else { continue };
            let mut three = [i, j, k];
            three.sort_unstable();
            if !self.known_triples.insert(three) {
                continue;
            }
            if !self.add_triple(three) {
                break;
            }
            for term in three {
                used[term] += 1;
            }
            added += 1;
            if added >= 100 {
                break;
            }
        }
        added
    }

    /// No more of three terms is served than one and what sites serve of two.
    fn add_triple(&mut self, three: [usize; 3]) -> bool {
        let (mut entries, mut most) = (Vec::new(), 1.0);
        for term in three {
            match self.give_own(term) {
                Some(variable) => entries.push((variable, 1.0)),
                None if self.must[term] => most -= 1.0,
                None => return false,
            }
        }
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for term in three {
            self.task.model.by_term.of(term).iter().for_each(|link| *counts.entry(link.to).or_default() += 1);
        }
        entries.extend(counts.into_iter().map(|(site, count)| (site as usize, -f64::from(count.div_ceil(2)))));
        let row = self.lp.add_row(entries, most);
        self.triples.push((three, row));
        true
    }

    /// Drops rows that hold nothing, where there are many: they come back when they are missing.
    pub(super) fn tidy(&mut self) {
        let lp = &mut self.lp;
        let mut holds = |row: usize| {
            let holds = lp.slack(row) <= 1e-7;
            if !holds {
                lp.drop_row(row);
            }
            holds
        };
        if self.cuts.len() > MOST_CUTS {
            self.cuts.retain(|cut| holds(cut.row));
        }
        if self.musts.len() > MOST_ROWS {
            self.musts.retain(|row| holds(*row));
        }
        if self.triples.len() > MOST_ROWS {
            self.triples.retain(|(_, row)| holds(*row));
            self.known_triples = self.triples.iter().map(|(three, _)| *three).collect();
        }
    }
}
