//! Siting plans against every pick there is, on small instances drawn by chance.

use carecircle_core::siting::{
    Assigned, Home, Instance, Obstacle, Pick, Plan, Progress, Question, Search, Site, SitingError, Standing, Walks,
};
use carecircle_core::time::WalkTime;
use petgraph::algo::ford_fulkerson;
use petgraph::graph::DiGraph;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Sites, homes and walks by site; each walk of a home in milliseconds, if there is one.
#[derive(Clone, Debug)]
struct City {
    sites: Vec<Site>,
    homes: Vec<Home>,
    walks: Vec<Vec<Option<u32>>>,
}

impl City {
    fn instance(&self) -> Instance {
        let mut walks = Walks::default();
        for row in &self.walks {
            let row = row.iter().zip(0..).filter_map(|(time, home)| Some((home, WalkTime::from_millis((*time)?))));
            walks.push(row);
        }
        Instance::new(self.sites.clone(), self.homes.clone(), walks).expect("an instance")
    }

    fn solve(&self, question: &Question) -> Result<Plan, SitingError> {
        self.instance().solve(question, &Search::default())
    }

    /// Every pick, required sites among them, and with it which sites are open.
    fn picks(&self) -> impl Iterator<Item = (Vec<usize>, Vec<usize>)> + '_ {
        let of =
            move |standing: Standing| (0..self.sites.len()).filter(move |site| self.sites[*site].standing == standing);
        let candidates: Vec<usize> = of(Standing::Candidate).collect();
        (0..1_u32 << candidates.len()).map(move |mask| {
            let chosen = candidates.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, site)| *site);
            let mut picked: Vec<usize> = chosen.chain(of(Standing::Required)).collect();
            picked.sort_unstable();
            let open = picked.iter().copied().chain(of(Standing::Existing)).collect();
            (picked, open)
        })
    }

    fn has_choice(&self) -> bool {
        self.sites.iter().any(|site| matches!(site.standing, Standing::Candidate | Standing::Required))
    }

    fn is_allowed(&self, picked: &[usize], pick: Pick) -> bool {
        match pick {
            _ if !self.has_choice() => false,
            Pick::Count(count) => picked.len() <= count,
            Pick::Budget(budget) => picked.iter().map(|site| self.sites[*site].cost).sum::<f64>() <= budget + 1e-9,
        }
    }

    fn served(&self, open: &[usize], home: usize) -> usize {
        open.iter().filter(|site| self.walks[**site][home].is_some()).count()
    }

    fn covered(&self, open: &[usize], backup: f64) -> f64 {
        let worth = |(at, home): (usize, &Home)| match self.served(open, at) {
            0 => 0.0,
            1 => home.children,
            _ => home.children * (1.0 + backup),
        };
        self.homes.iter().enumerate().map(worth).sum()
    }

    fn share_of_area(&self, open: &[usize], area: u32) -> f64 {
        let here = |home: &(usize, &Home)| home.1.area == Some(area);
        let homes = || self.homes.iter().enumerate();
        let all: f64 = homes().filter(here).map(|(_, home)| home.children).sum();
        let covered = homes().filter(here).filter(|(at, _)| self.served(open, *at) > 0).map(|(_, home)| home.children);
        if all > 0.0 { covered.sum::<f64>() / all } else { 1.0 }
    }

    fn least_share(&self, open: &[usize]) -> f64 {
        (0..3).map(|area| self.share_of_area(open, area)).fold(1.0, f64::min)
    }

    fn minutes(&self, open: &[usize], beyond: u32) -> f64 {
        let walk = |at: usize| open.iter().filter_map(|site| self.walks[*site][at]).min().unwrap_or(beyond).min(beyond);
        self.homes.iter().enumerate().map(|(at, home)| home.children * f64::from(walk(at))).sum::<f64>() / 60_000.0
    }

    fn longest(&self, open: &[usize]) -> Option<u32> {
        let usable = |site: &usize| self.sites[*site].standing != Standing::Forbidden;
        let mut longest = 0;
        for (at, home) in self.homes.iter().enumerate() {
            let is_reached = (0..self.sites.len()).filter(usable).any(|site| self.walks[site][at].is_some());
            if home.children > 0.0 && is_reached {
                longest = longest.max(open.iter().filter_map(|site| self.walks[*site][at]).min()?);
            }
        }
        Some(longest)
    }

    /// The most children that fit into open sites: a flow of whole children.
    fn most_assigned(&self, open: &[usize]) -> f64 {
        let mut graph = DiGraph::<(), u32>::new();
        let (source, sink) = (graph.add_node(()), graph.add_node(()));
        let homes: Vec<_> = self.homes.iter().map(|_| graph.add_node(())).collect();
        for (home, node) in self.homes.iter().zip(&homes) {
            graph.add_edge(source, *node, home.children as u32);
        }
        for &site in open {
            let node = graph.add_node(());
            graph.add_edge(node, sink, self.sites[site].places.map_or(1_000_000, |places| places as u32));
            for (home, _) in self.walks[site].iter().enumerate().filter(|(_, walk)| walk.is_some()) {
                graph.add_edge(homes[home], node, 1_000_000);
            }
        }
        f64::from(ford_fulkerson(&graph, source, sink).0)
    }

    /// The least minutes where places are limited, child by child: the cheapest way to swap again and again.
    fn least_minutes(&self, open: &[usize], beyond: u32) -> f64 {
        let children: Vec<usize> =
            self.homes.iter().enumerate().flat_map(|(at, home)| vec![at; home.children as usize]).collect();
        let mut seats: Vec<Option<usize>> = Vec::new();
        for &site in open {
            let places = self.sites[site].places.map_or(children.len(), |places| (places as usize).min(children.len()));
            seats.extend(vec![Some(site); places]);
        }
        seats.extend(vec![None; children.len()]);
        let cost = |child: usize, seat: usize| match seats[seat] {
            Some(site) => i64::from(self.walks[site][children[child]].unwrap_or(beyond).min(beyond)),
            None => i64::from(beyond),
        };
        hungarian(children.len(), seats.len(), cost) as f64 / 60_000.0
    }

    /// The best of all picks that are allowed, by some objective; less is better.
    fn least_of(
        &self,
        is_allowed: impl Fn(&[usize], &[usize]) -> bool,
        objective: impl Fn(&[usize], &[usize]) -> Option<f64>,
    ) -> Option<f64> {
        let allowed = self.picks().filter(|(picked, open)| is_allowed(picked, open));
        allowed.filter_map(|(picked, open)| objective(&picked, &open)).min_by(f64::total_cmp)
    }

    fn open_in(&self, plan: &Plan) -> Vec<usize> {
        let existing = (0..self.sites.len()).filter(|site| self.sites[*site].standing == Standing::Existing);
        plan.sites.iter().copied().chain(existing).collect()
    }
}

/// The cheapest assignment of all rows to columns (Kuhn and Munkres, by shortest augmenting paths).
fn hungarian(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> i64) -> i64 {
    let (mut u, mut v) = (vec![0; rows + 1], vec![0; columns + 1]);
    let (mut row_of, mut before) = (vec![0; columns + 1], vec![0; columns + 1]);
    for row in 1..=rows {
        row_of[0] = row;
        let mut at = 0;
        let (mut least, mut seen) = (vec![i64::MAX; columns + 1], vec![false; columns + 1]);
        while row_of[at] != 0 {
            seen[at] = true;
            let (here, mut step, mut next) = (row_of[at], i64::MAX, 0);
            for column in (1..=columns).filter(|column| !seen[*column]).collect::<Vec<_>>() {
                let left = cost(here - 1, column - 1) - u[here] - v[column];
                if left < least[column] {
                    (least[column], before[column]) = (left, at);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            for column in 0..=columns {
                if seen[column] {
                    u[row_of[column]] += step;
                    v[column] -= step;
                } else if column > 0 {
                    least[column] -= step;
                }
            }
            at = next;
        }
        while at != 0 {
            row_of[at] = row_of[before[at]];
            at = before[at];
        }
    }
    (1..=columns).filter(|column| row_of[*column] > 0).map(|column| cost(row_of[column] - 1, column - 1)).sum()
}

fn any_city(most_sites: usize, most_homes: usize) -> impl Strategy<Value = City> {
    let site = (0..12_u8, 1..6_u32, prop::option::weighted(0.8, 0..9_u32));
    let home = (0..7_u32, prop::option::weighted(0.9, 0..3_u32));
    let scales = prop_oneof![Just(1.0), Just(0.1), Just(1.7)];
    let sizes = (1..=most_sites, 1..=most_homes, scales, 0.1..0.7_f64);
    sizes.prop_flat_map(move |(sites, homes, scale, density)| {
        let walk = prop::option::weighted(density, 1..30_u32);
        let rows = prop::collection::vec(prop::collection::vec(walk, homes), sites);
        (prop::collection::vec(site.clone(), sites), prop::collection::vec(home.clone(), homes), rows).prop_map(
            move |(sites, homes, walks)| City {
                sites: sites
                    .into_iter()
                    .map(|(standing, cost, places)| Site {
                        standing: match standing {
                            0 => Standing::Existing,
                            1 => Standing::Required,
                            2 => Standing::Forbidden,
                            _ => Standing::Candidate,
                        },
                        cost: f64::from(cost) * scale,
                        places: places.map(f64::from),
                    })
                    .collect(),
                homes: homes
                    .into_iter()
                    .map(|(children, area)| Home { children: f64::from(children) * scale, area })
                    .collect(),
                walks: walks
                    .into_iter()
                    .map(|row| row.into_iter().map(|walk| walk.map(|walk| walk * 10_000)).collect())
                    .collect(),
            },
        )
    })
}

fn any_pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        (1..8_usize).prop_map(Pick::Count),
        (0..200_u32).prop_map(|tenths| Pick::Budget(f64::from(tenths) / 10.0))
    ]
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + b.abs())
}

/// The plan is the best, its bound is not passed, and it says so; where there is none, there is none at all.
fn judge(answer: &Result<Plan, SitingError>, best: Option<f64>) -> Result<(), TestCaseError> {
    match (answer, best) {
        (Ok(plan), Some(best)) => {
            prop_assert!(near(plan.objective, best), "{:?} where {} is best", plan, best);
            prop_assert!(near(plan.bound, best) && plan.optimal && plan.gap <= 1e-5, "{:?}, {} is best", plan, best);
            Ok(())
        }
        (Err(SitingError::Impossible(_)), None) => Ok(()),
        _ => Err(TestCaseError::fail(format!("{answer:?} where {best:?} is best"))),
    }
}

/// Who is assigned can walk there, no home sends more children than it has, no site takes more than it has places.
fn check_assignment(city: &City, plan: &Plan) -> Result<(), TestCaseError> {
    let open = city.open_in(plan);
    let (mut sent, mut taken) = (vec![0.0; city.homes.len()], vec![0.0; city.sites.len()]);
    for Assigned { home, site, children } in &plan.assignment {
        prop_assert!(*children > 0.0 && open.contains(site) && city.walks[*site][*home].is_some());
        sent[*home] += children;
        taken[*site] += children;
    }
    for (sent, home) in sent.iter().zip(&city.homes) {
        prop_assert!(*sent <= home.children + 1e-9);
    }
    for (taken, site) in taken.iter().zip(&city.sites) {
        prop_assert!(site.places.is_none_or(|places| *taken <= places + 1e-9));
    }
    Ok(())
}

fn most_coverage(pick: Pick) -> Question {
    Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: false }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pick_covers_more(city in any_city(14, 40), pick in any_pick(), backup in prop_oneof![Just(0.0), 0.0..=1.0_f64]) {
        let question = Question::MaxCoverage { pick, backup, least_share: 0.0, limited: false };
        let best = city.least_of(|picked, _| city.is_allowed(picked, pick), |_, open| Some(-city.covered(open, backup)));
        let answer = city.solve(&question);
        judge(&answer, best.map(|best| -best))?;
        if let Ok(plan) = answer {
            prop_assert!(city.is_allowed(&plan.sites, pick));
            prop_assert!(near(city.covered(&city.open_in(&plan), backup), plan.objective));
        }
    }

    #[test]
    fn no_area_is_left_behind(city in any_city(12, 40), pick in any_pick(), tenths in 1..=10_u32) {
        let least_share = f64::from(tenths) / 10.0;
        let question = Question::MaxCoverage { pick, backup: 0.0, least_share, limited: false };
        let is_allowed = |picked: &[usize], open: &[usize]| {
            city.is_allowed(picked, pick) && city.least_share(open) >= least_share - 1e-9
        };
        let best = city.least_of(is_allowed, |_, open| Some(-city.covered(open, 0.0)));
        let answer = city.solve(&question);
        judge(&answer, best.map(|best| -best))?;
        match answer {
            Ok(plan) => prop_assert!(is_allowed(&plan.sites, &city.open_in(&plan))),
            Err(SitingError::Impossible(Obstacle::TooFew(_, enough))) => {
                let takes = |picked: &[usize], _: &[usize]| match pick {
                    Pick::Count(_) => Some(picked.len() as f64),
                    Pick::Budget(_) => Some(picked.iter().map(|site| city.sites[*site].cost).sum()),
                };
                let least = city.least_of(|_, open| city.least_share(open) >= least_share - 1e-9, takes);
                prop_assert!(least.is_some_and(|least| near(enough, least)), "{} where {:?} is least", enough, least);
            }
            Err(SitingError::Impossible(Obstacle::Areas { most, .. })) => {
                let usable = |site: &usize| city.sites[*site].standing != Standing::Forbidden;
                let all: Vec<usize> = (0..city.sites.len()).filter(usable).collect();
                let lacking = (0..3).map(|area| (area, city.share_of_area(&all, area)));
                let lacking: Vec<_> = lacking.filter(|(_, share)| *share < least_share - 1e-9).collect();
                let is_same = |(told, found): (&(u32, f64), &(u32, f64))| told.0 == found.0 && near(told.1, found.1);
                prop_assert!(most.len() == lacking.len() && most.iter().zip(&lacking).all(is_same), "{:?}", most);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn no_cheaper_sites_cover_so_many(
        city in any_city(14, 40), share in 0..=10_u32, least_share in prop_oneof![Just(0), 0..=10_u32], by_cost: bool,
    ) {
        let (share, least_share) = (f64::from(share) / 10.0, f64::from(least_share) / 10.0);
        let all: f64 = city.homes.iter().map(|home| home.children).sum();
        let is_allowed = |_: &[usize], open: &[usize]| {
            city.covered(open, 0.0) >= all * (share - 1e-9) && city.least_share(open) >= least_share - 1e-9
        };
        let cost = |picked: &[usize]| -> f64 {
            picked.iter().map(|site| if by_cost { city.sites[*site].cost } else { 1.0 }).sum()
        };
        let best = city.least_of(is_allowed, |picked, _| Some(cost(picked)));
        let answer = city.solve(&Question::SetCover { share, least_share, by_cost });
        judge(&answer, best)?;
        if let Ok(plan) = answer {
            prop_assert!(is_allowed(&plan.sites, &city.open_in(&plan)));
            prop_assert!(near(cost(&plan.sites), plan.objective));
        }
    }

    #[test]
    fn no_pick_has_shorter_walks(city in any_city(14, 30), pick in any_pick(), beyond in 1..40_u32) {
        let beyond = beyond * 10_000;
        let question = Question::Median { pick, beyond: WalkTime::from_millis(beyond), limited: false };
        let best = city.least_of(|picked, _| city.is_allowed(picked, pick), |_, open| Some(city.minutes(open, beyond)));
        let answer = city.solve(&question);
        judge(&answer, best)?;
        if let Ok(plan) = answer {
            prop_assert!(near(city.minutes(&city.open_in(&plan), beyond), plan.objective));
        }
    }

    #[test]
    fn no_pick_has_a_shorter_longest_walk(city in any_city(12, 30), count in 1..8_usize) {
        let longest = |_: &[usize], open: &[usize]| city.longest(open).map(|longest| f64::from(longest) / 60_000.0);
        let reached = (0..city.homes.len()).any(|home| {
            let usable = (0..city.sites.len()).filter(|site| city.sites[*site].standing != Standing::Forbidden);
            city.homes[home].children > 0.0 && usable.into_iter().any(|site| city.walks[site][home].is_some())
        });
        let best = city.least_of(|picked, _| city.is_allowed(picked, Pick::Count(count)), longest).filter(|_| reached);
        judge(&city.solve(&Question::Center { count }), best)?;
    }

    #[test]
    fn whoever_closes_is_missed_least(mut city in any_city(12, 30), count in 1..8_usize) {
        city.sites.iter_mut().for_each(|site| site.standing = Standing::Candidate);
        let stay = city.sites.len().checked_sub(count);
        let best = city.least_of(|picked, _| Some(picked.len()) == stay, |_, open| Some(-city.covered(open, 0.0)));
        city.sites.iter_mut().for_each(|site| site.standing = Standing::Existing);
        let answer = city.solve(&Question::Close { count });
        judge(&answer, best.map(|best| -best))?;
        if let Ok(plan) = answer {
            let open: Vec<usize> = (0..city.sites.len()).filter(|site| !plan.sites.contains(site)).collect();
            prop_assert_eq!(plan.sites.len(), count);
            prop_assert!(near(city.covered(&open, 0.0), plan.objective));
        }
    }

    #[test]
    fn without_limits_to_places_limited_questions_are_the_plain_ones(mut city in any_city(10, 30), pick in any_pick()) {
        city.sites.iter_mut().for_each(|site| site.places = None);
        let beyond = WalkTime::from_millis(200_000);
        for (limited, plain) in [
            (Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: true }, most_coverage(pick)),
            (Question::Median { pick, beyond, limited: true }, Question::Median { pick, beyond, limited: false }),
        ] {
            judge(&city.solve(&limited), city.solve(&plain).ok().map(|plan| plan.objective))?;
        }
    }
}

/// So many candidates, a fifth of the homes reached by each.
fn any_open_city(sites: usize, homes: usize) -> impl Strategy<Value = City> {
    let walk = || prop::option::weighted(0.2, 1..60_u32);
    let rows = prop::collection::vec(prop::collection::vec(walk(), homes), sites);
    (rows, prop::collection::vec(0..30_u32, homes)).prop_map(move |(walks, children)| City {
        sites: vec![Site { standing: Standing::Candidate, cost: 1.0, places: None }; sites],
        homes: children.into_iter().map(|children| Home { children: f64::from(children), area: None }).collect(),
        walks: walks
            .into_iter()
            .map(|row| row.into_iter().map(|walk| walk.map(|walk| walk * 10_000)).collect())
            .collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_three_of_forty_are_better(city in any_open_city(40, 150)) {
        let (mut covered, mut minutes) = (0.0, f64::INFINITY);
        for a in 0..40 {
            for b in 0..a {
                for c in 0..b {
                    covered = f64::max(covered, city.covered(&[a, b, c], 0.0));
                    minutes = f64::min(minutes, city.minutes(&[a, b, c], 400_000));
                }
            }
        }
        judge(&city.solve(&most_coverage(Pick::Count(3))), Some(covered))?;
        let median = Question::Median { pick: Pick::Count(3), beyond: WalkTime::from_millis(400_000), limited: false };
        judge(&city.solve(&median), Some(minutes))?;
    }

    #[test]
    fn cut_short_the_bound_still_holds(city in any_open_city(18, 60), calls in 0..60_usize, count in 2..7_usize) {
        let beyond = WalkTime::from_millis(400_000);
        let pick = Pick::Count(count);
        for (question, sign) in [
            (most_coverage(pick), 1.0),
            (Question::Median { pick, beyond, limited: false }, -1.0),
            (Question::SetCover { share: 0.8, least_share: 0.0, by_cost: false }, -1.0),
        ] {
            let whole = city.solve(&question).expect("a plan");
            let left = AtomicUsize::new(calls);
            let watch = |progress: &Progress| {
                let told = |number: Option<f64>, way: f64| {
                    number.is_none_or(|number| (number - whole.objective) * sign * way <= 1e-6)
                };
                assert!(told(progress.objective, 1.0) && told(progress.bound, -1.0), "{progress:?}");
                let before = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                if before.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            let search = Search { watch: Some(&watch), ..Search::default() };
            let plan = city.instance().solve(&question, &search).expect("a plan");
            prop_assert!(plan.objective * sign <= whole.objective * sign + 1e-6);
            prop_assert!(plan.bound * sign >= whole.objective * sign - 1e-6, "{:?} where {:?} is best", plan, whole);
            prop_assert!(whole.optimal && (!plan.optimal || near(plan.objective, whole.objective)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pick_has_places_for_more(mut city in any_city(10, 15), pick in any_pick()) {
        city.homes.iter_mut().for_each(|home| home.children = home.children.round());
        let question = Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: true };
        let best = city.least_of(|picked, _| city.is_allowed(picked, pick), |_, open| Some(-city.most_assigned(open)));
        let answer = city.solve(&question);
        judge(&answer, best.map(|best| -best))?;
        if let Ok(plan) = answer {
            check_assignment(&city, &plan)?;
            let assigned: f64 = plan.assignment.iter().map(|assigned| assigned.children).sum();
            prop_assert!(near(assigned, plan.objective));
        }
    }

    #[test]
    fn no_pick_has_shorter_walks_to_free_places(mut city in any_city(6, 8), pick in any_pick(), beyond in 1..40_u32) {
        city.homes.iter_mut().for_each(|home| home.children = home.children.round());
        let question = Question::Median { pick, beyond: WalkTime::from_millis(beyond * 10_000), limited: true };
        let is_allowed = |picked: &[usize], _: &[usize]| city.is_allowed(picked, pick);
        let best = city.least_of(is_allowed, |_, open| Some(city.least_minutes(open, beyond * 10_000)));
        let answer = city.solve(&question);
        judge(&answer, best)?;
        if let Ok(plan) = answer {
            check_assignment(&city, &plan)?;
        }
    }
}
