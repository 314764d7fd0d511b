//! What a plan promises is what a study finds when the plan's sites open.

use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::Places;
use carecircle_core::policy::Policy;
use carecircle_core::siting::{
    NewSite, Pick, Progress, Question, Search, SitingError, Standing, StudyInstance, bytes_needed,
};
use carecircle_core::street::{Access, StreetClass};
use carecircle_core::study::Study;
use carecircle_core::whatif::{Basis, CoverageState};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

fn place((x, y): (i32, i32)) -> LonLat {
    LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 1_000 }
}

fn any_places(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::vec((-10..60, -10..55), count)
}

fn any_study() -> impl Strategy<Value = Study> {
    (town::any_streets(), any_places(1..20), any_places(0..4), any::<u64>()).prop_map(
        |(mut streets, homes, facilities, chance)| {
            for (i, way) in streets.ways.iter_mut().enumerate() {
                match chance >> (i * 3) & 7 {
                    0 => way.class = StreetClass::Steps,
                    1 => way.access = Access::Destination,
                    _ => {}
                }
            }
            let block = |(i, at): (usize, &(i32, i32))| BlockRow {
                id: format!("b{i:03}"),
                name: None,
                place: BlockPlace::Point(place(*at)),
                population: None,
                under3: Some(f64::from(at.0.abs() % 7) * 0.7),
                area: None,
                other: OtherColumns::default(),
            };
            let facility = |(i, at): (usize, &(i32, i32))| Facility::new(format!("f{i}"), place(*at), Kind::ALL[i % 2]);
            let facilities = facilities.iter().enumerate().map(facility).collect();
            let places = Places { facilities, ..Places::default() };
            let network = Network::build(&streets, NetworkOptions { island_m: 0.0 }).0;
            Study::new(network, places, Some(homes.iter().enumerate().map(block).collect()), 250.0)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn opening_a_plan_covers_what_it_promised(
        study in any_study(), candidates in any_places(1..12), count in 1..4_usize, minutes in 1..6_u32,
    ) {
        let policy = Policy { minutes: f64::from(minutes), ..Policy::default() };
        let basis = Basis::new(&study, &policy.profile);
        let projection = *study.network().projection();
        let new_site = |at: &(i32, i32)| NewSite {
            at: projection.project(place(*at)), standing: Standing::Candidate, cost: 1.0, places: None,
        };
        let new_sites: Vec<NewSite> = candidates.iter().map(new_site).collect();
        let on = |_: &Progress| ControlFlow::Continue(());
        let sited = StudyInstance::new(&study, &basis, &policy, &new_sites, None, usize::MAX, &on).expect("an instance");
        let mut state = CoverageState::new(&study, &policy);
        // One by one: who is served by each site, and in what time.
        for (at, site) in new_sites.iter().enumerate() {
            let mut alone = CoverageState::new(&study, &policy);
            (0..study.facilities().len() as u32).for_each(|label| { alone.close(label); });
            alone.open_at(site.at);
            let walks: Vec<_> = sited.instance.walks().of(sited.facilities.len() + at).collect();
            let found = (0..study.demand().points.len()).filter_map(|point| Some((point, alone.walk(point)?.time)));
            prop_assert_eq!(walks, found.collect::<Vec<_>>());
        }
        let question = Question::MaxCoverage { pick: Pick::Count(count), backup: 0.0, least_share: 0.0, limited: false };
        let plan = sited.instance.solve(&question, &Search::default()).expect("a plan");
        for site in &plan.sites {
            state.open_at(new_sites[site - sited.facilities.len()].at);
        }
        prop_assert!((state.total().covered - plan.objective).abs() <= 1e-9 * (1.0 + plan.objective));
        let bytes = bytes_needed(&study, &policy, &new_sites);
        let walks: usize = (0..sited.instance.sites().len()).map(|site| sited.instance.walks().of(site).len()).sum();
        prop_assert!(walks * 48 <= bytes, "{} walks, {} bytes foreseen", walks, bytes);
        if walks > 0 {
            let refused = StudyInstance::new(&study, &basis, &policy, &new_sites, None, walks * 48 - 1, &on);
            let is_told = matches!(refused, Err(SitingError::TooLarge { allowed, .. }) if allowed == walks * 48 - 1);
            prop_assert!(is_told, "{:?}", refused);
        }
        // Whoever wants no more is asked again by each thread at most.
        let asked = AtomicUsize::new(0);
        let off = |_: &Progress| { asked.fetch_add(1, Relaxed); ControlFlow::Break(()) };
        let stopped = StudyInstance::new(&study, &basis, &policy, &new_sites, None, usize::MAX, &off);
        prop_assert_eq!(stopped.err(), Some(SitingError::Stopped));
        prop_assert!(asked.into_inner() <= rayon::current_num_threads());
    }
}
