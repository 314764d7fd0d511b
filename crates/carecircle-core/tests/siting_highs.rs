//! Siting plans against those of HiGHS, on towns too large to look at every pick.

use carecircle_core::siting::{
    Assigned, Home, Instance, Obstacle, Pick, Plan, Question, Search, Site, SitingError, Solver, Standing, Walks,
};
use carecircle_core::time::WalkTime;
use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// From nothing to 1.
    fn part(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}

/// A town of 3 km by 3 km in four areas: 30 to 60 sites and a hundred to 300 homes, in villages and between them, and walks
/// of so many metres at most.
fn town(seed: u64, within_m: f64) -> Instance {
    let mut dice = Dice(seed);
    let (sites, homes) = (30 + dice.below(31), 100 + dice.below(201));
    let villages: Vec<(f64, f64)> = (0..8).map(|_| (3_000.0 * dice.part(), 3_000.0 * dice.part())).collect();
    let mut place = || match dice.below(11) as usize {
        village @ 0..8 => {
            let (x, y) = villages[village];
            (x + 500.0 * (dice.part() - 0.5), y + 500.0 * (dice.part() - 0.5))
        }
        _ => (3_000.0 * dice.part(), 3_000.0 * dice.part()),
    };
    let site_places: Vec<(f64, f64)> = (0..sites).map(|_| place()).collect();
    let home_places: Vec<(f64, f64)> = (0..homes).map(|_| place()).collect();
    // Whole numbers in every other town.
    let unit = if seed.is_multiple_of(2) { 1.0 } else { 0.37 };
    let standings = [Standing::Existing, Standing::Existing, Standing::Required, Standing::Forbidden];
    let sites = site_places.iter().map(|_| Site {
        standing: *standings.get(dice.below(30) as usize).unwrap_or(&Standing::Candidate),
        cost: unit * (1 + dice.below(5)) as f64,
        places: (dice.below(6) > 0).then(|| (20 + dice.below(120)) as f64),
    });
    let sites = sites.collect();
    let homes = home_places.iter().map(|(x, y)| Home {
        children: unit * dice.below(20) as f64,
        area: (dice.below(20) > 0).then_some(u32::from(*x > 1_500.0) + 2 * u32::from(*y > 1_500.0)),
    });
    let homes = homes.collect();
    let mut walks = Walks::default();
    for site in site_places {
        let metres = home_places.iter().map(|home| 1.3 * (home.0 - site.0).hypot(home.1 - site.1));
        let near = metres.zip(0..).filter(|(metres, _)| *metres <= within_m);
        walks.push(near.map(|(metres, home)| (home, WalkTime::from_millis((750.0 * metres) as u32))));
    }
    Instance::new(sites, homes, walks).expect("a town")
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + b.abs())
}

/// Who is assigned can walk to where it is open, no home sends more children than it has, no site takes more than it has places.
fn check_assignment(instance: &Instance, plan: &Plan) {
    let (mut sent, mut taken) = (vec![0.0; instance.homes().len()], vec![0.0; instance.sites().len()]);
    for Assigned { home, site, children } in &plan.assignment {
        assert!(instance.sites()[*site].standing == Standing::Existing || plan.sites.contains(site));
        assert!(instance.walks().of(*site).any(|(from, _)| from == *home));
        sent[*home] += children;
        taken[*site] += children;
    }
    assert!(sent.iter().zip(instance.homes()).all(|(sent, home)| *sent <= home.children + 1e-6));
    assert!(
        taken.iter().zip(instance.sites()).all(|(taken, site)| site.places.is_none_or(|most| *taken <= most + 1e-6))
    );
}

/// Both prove the same objective: whether there is one.
fn agree(instance: &Instance, question: &Question) -> bool {
    let ours = instance.solve(question, &Search::default());
    let theirs = instance.solve(question, &Search { solver: Solver::Highs, ..Search::default() });
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            if let Question::Close { count } = question {
                assert_eq!((ours.sites.len(), theirs.sites.len()), (*count, *count));
            }
            assert!(ours.optimal && theirs.optimal, "{question:?}: {ours:?}, HiGHS {theirs:?}");
            assert!(near(ours.objective, theirs.objective), "{question:?}: {ours:?}, HiGHS {theirs:?}");
            assert!(near(ours.bound, theirs.objective), "{question:?}: {ours:?}, HiGHS {theirs:?}");
            check_assignment(instance, &ours);
            check_assignment(instance, &theirs);
            true
        }
        (Err(SitingError::Impossible(_)), Err(SitingError::Impossible(_))) => false,
        (ours, theirs) => panic!("{question:?}: {ours:?}, HiGHS {theirs:?}"),
    }
}

/// Both agree about each question in some towns, and at least half of the questions have an answer.
fn agree_in_towns(within_m: f64, questions: impl Fn(&mut Dice) -> Vec<Question>) {
    let mut dice = Dice(7);
    let (mut asked, mut answered) = (0, 0);
    for seed in 0..8 {
        let instance = town(seed, within_m);
        for question in questions(&mut dice) {
            asked += 1;
            answered += usize::from(agree(&instance, &question));
        }
    }
    assert!(2 * answered >= asked, "{answered} of {asked} questions have an answer");
}

/// From tight to ample, by number and by cost.
fn picks(dice: &mut Dice) -> [Pick; 3] {
    [Pick::Count(4 + dice.below(3) as usize), Pick::Count(10), Pick::Budget(5.0 + 8.0 * dice.part())]
}

#[test]
fn as_many_are_covered_with_and_without_a_backup() {
    agree_in_towns(800.0, |dice| {
        let of = |pick| {
            [0.0, 0.3, 1.0].map(|backup| Question::MaxCoverage { pick, backup, least_share: 0.0, limited: false })
        };
        picks(dice).into_iter().flat_map(of).collect()
    });
}

#[test]
fn as_many_are_covered_where_no_area_is_left_behind() {
    agree_in_towns(800.0, |dice| {
        let least_share = 0.2 + 0.3 * dice.part();
        picks(dice).map(|pick| Question::MaxCoverage { pick, backup: 0.0, least_share, limited: false }).to_vec()
    });
}

#[test]
fn as_many_are_covered_where_places_are_limited() {
    agree_in_towns(600.0, |dice| {
        picks(dice).map(|pick| Question::MaxCoverage { pick, backup: 0.0, least_share: 0.0, limited: true }).to_vec()
    });
}

#[test]
fn as_few_and_as_cheap_sites_are_enough() {
    agree_in_towns(600.0, |dice| {
        let ask = |share, least_share| [false, true].map(|by_cost| Question::SetCover { share, least_share, by_cost });
        let some = ask(0.4 + 0.3 * dice.part(), 0.0);
        let everywhere = ask(0.5, 0.3 + 0.2 * dice.part());
        let nearly_all = ask(0.9, 0.5 * dice.part());
        [some, everywhere, nearly_all].concat()
    });
}

#[test]
fn walks_added_up_are_as_short() {
    let beyond = WalkTime::from_millis(700_000);
    agree_in_towns(800.0, |dice| picks(dice).map(|pick| Question::Median { pick, beyond, limited: false }).to_vec());
}

#[test]
fn walks_added_up_are_as_short_where_places_are_limited() {
    let beyond = WalkTime::from_millis(400_000);
    agree_in_towns(600.0, |dice| picks(dice).map(|pick| Question::Median { pick, beyond, limited: true }).to_vec());
}

#[test]
fn the_longest_walk_is_as_short() {
    agree_in_towns(1_500.0, |dice| [5, 7, 9 + dice.below(8) as usize].map(|count| Question::Center { count }).to_vec());
}

#[test]
fn whoever_closes_is_missed_as_little() {
    for (seed, count) in (0..).zip([2, 4, 8, 12, 16, 20, 24, 28]) {
        let town = town(seed, 800.0);
        let sites = town.sites().iter().map(|site| Site { standing: Standing::Existing, ..*site }).collect();
        let instance = Instance::new(sites, town.homes().to_vec(), town.walks().clone()).expect("a town");
        assert!(agree(&instance, &Question::Close { count }));
    }
}

#[test]
fn cut_short_the_bound_still_holds() {
    let mut is_cut = false;
    for seed in 0..4 {
        let instance = town(seed, 600.0);
        let question = Question::MaxCoverage { pick: Pick::Count(10), backup: 0.0, least_share: 0.0, limited: true };
        let best = instance.solve(&question, &Search::default()).expect("a plan").objective;
        for time_limit in [20, 80, 320].map(|millis| Some(Duration::from_millis(millis))) {
            match instance.solve(&question, &Search { solver: Solver::Highs, time_limit, ..Search::default() }) {
                Ok(plan) => {
                    is_cut |= !plan.optimal;
                    assert!(plan.objective <= best * (1.0 + 1e-6) && plan.bound >= best * (1.0 - 1e-6), "{plan:?}");
                }
                Err(error) => assert_eq!(error, SitingError::Impossible(Obstacle::OutOfTime)),
            }
        }
    }
    assert!(is_cut);
}
