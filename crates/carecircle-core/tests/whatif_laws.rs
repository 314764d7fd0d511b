//! What if: after any edits a state is what a study put together anew would give, number by number.

use carecircle_core::coverage::Tally;
use carecircle_core::demand::{BlockPlace, BlockRow};
use carecircle_core::facility::{Eligibility, Facility, Kind};
use carecircle_core::geometry::LonLat;
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::other::OtherColumns;
use carecircle_core::place::{Area, AreaLevel, Places};
use carecircle_core::policy::Policy;
use carecircle_core::profile::{Climb, Profile};
use carecircle_core::search::Arrival;
use carecircle_core::street::{Access, StreetClass, Streets};
use carecircle_core::study::Study;
use carecircle_core::time::Speed;
use carecircle_core::whatif::{Basis, CoverageState};
use geo::{Coord, MultiPolygon, Rect};
use proptest::prelude::*;
use std::sync::Arc;

#[expect(dead_code, reason = "each test file uses its part of the town")]
mod town;

fn place((x, y): (i32, i32)) -> LonLat {
    LonLat { lon_e7: 1_140_000_000 + x * 1_000, lat_e7: 310_000_000 + y * 1_000 }
}

fn rectangle(low: (i32, i32), high: (i32, i32)) -> MultiPolygon<f64> {
    let corner = |at: (i32, i32)| Coord { x: place(at).lon(), y: place(at).lat() };
    MultiPolygon(vec![Rect::new(corner(low), corner(high)).to_polygon()])
}

/// Points and squares of about 100 m; to some of them no street is near.
fn blocks(homes: &[(i32, i32)]) -> Vec<BlockRow> {
    let row = |(i, &at): (usize, &(i32, i32))| BlockRow {
        id: format!("b{i:03}"),
        name: None,
        place: match i % 2 {
            0 => BlockPlace::Point(place(at)),
            _ => BlockPlace::Shape(rectangle(at, (at.0 + 10, at.1 + 9))),
        },
        population: None,
        under3: Some(f64::from(at.0.abs() % 3) * 1.7),
        area: None,
        other: OtherColumns::default(),
    };
    homes.iter().enumerate().map(row).collect()
}

/// A city, and two districts of which one leaves some of it out.
fn areas() -> Vec<Area> {
    vec![
        Area::new("city", AreaLevel::City, rectangle((-30, -30), (70, 70))),
        Area::new("east", AreaLevel::District, rectangle((25, -30), (70, 50))),
        Area::new("west", AreaLevel::District, rectangle((-30, -30), (25, 70))),
    ]
}

/// A town whose facilities are edited, told in plain words beside the state.
#[derive(Debug)]
struct Town {
    streets: Streets,
    homes: Vec<(i32, i32)>,
    /// By label: what is known, where it is, and whether it is open.
    sites: Vec<(Facility, bool)>,
    policy: Policy,
}

impl Town {
    fn new(mut streets: Streets, homes: Vec<(i32, i32)>, facilities: &[(i32, i32)], chance: u64) -> Self {
        // Steps, and streets for those who live there.
        for (i, way) in streets.ways.iter_mut().enumerate() {
            match chance >> (i * 3) & 7 {
                0 => way.class = StreetClass::Steps,
                1 => way.access = Access::Destination,
                _ => {}
            }
        }
        let facility = |(i, &at): (usize, &(i32, i32))| Facility {
            places: (i % 3 > 0).then_some(10 * i as u32),
            inclusive: [None, Some(true), Some(false)][i % 3],
            ..Facility::new(format!("f{i:05}"), place(at), Kind::ALL[i % 2])
        };
        let sites = facilities.iter().enumerate().map(|site| (facility(site), true)).collect();
        Self { streets, homes, sites, policy: Policy::default() }
    }

    fn network(&self) -> Network {
        Network::build(&self.streets, NetworkOptions { island_m: 0.0 }).0
    }

    /// The study of what is open now.
    fn study(&self) -> Study {
        let facilities = self.sites.iter().filter(|(_, is_open)| *is_open).map(|(f, _)| f.clone()).collect();
        let places = Places { facilities, areas: areas(), ..Places::default() };
        Study::new(self.network(), places, Some(blocks(&self.homes)), 250.0)
    }

    /// Every number of the state against a state and a check of the same town, made anew. Candidates count, whatever the
    /// policy says of the study's own.
    fn compare(&self, state: &CoverageState) -> Result<(), TestCaseError> {
        let study = self.study();
        let fresh = CoverageState::new(&study, &self.policy);
        let coverage = study.check(&self.policy);
        let open: Vec<u32> = (0..).zip(&self.sites).filter(|(_, (_, is_open))| *is_open).map(|(i, _)| i).collect();
        let named = |walk: &Option<Arrival>| walk.map(|a| Arrival { label: open[a.label as usize], ..a });
        let walks: Vec<Option<Arrival>> = coverage.walks.iter().map(named).collect();
        prop_assert_eq!(state.walks_beyond(), &walks);
        for (point, walk) in walks.iter().enumerate() {
            let within = walk.filter(|a| a.time <= self.policy.limit());
            prop_assert_eq!(state.walk(point), within, "point {}", point);
            prop_assert_eq!(named(&fresh.walk(point)), within);
        }
        for (block, verdict) in coverage.verdicts.iter().enumerate() {
            let expected = (verdict.status, verdict.covered_share);
            prop_assert_eq!((state.status(block), state.covered_share(block)), expected);
            prop_assert_eq!((fresh.status(block), fresh.covered_share(block)), expected);
        }
        let tallies: Vec<&Tally> = state.areas().chain([state.total()]).collect();
        let anew: Vec<&Tally> = fresh.areas().chain([fresh.total()]).collect();
        prop_assert_eq!(&tallies, &anew);
        for (tally, checked) in tallies.into_iter().zip(coverage.areas.iter().chain([&coverage.total])) {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
            prop_assert!(near(tally.covered, checked.covered) && near(tally.children, checked.children));
            let rest = Tally { covered: checked.covered, children: checked.children, ..tally.clone() };
            prop_assert_eq!(&rest, checked);
        }
        Ok(())
    }
}

/// Any edit: its kind, which facility, and where to.
type Edit = (u8, u16, (i32, i32));

fn any_edits(count: usize) -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..32_u8, any::<u16>(), (-10..60, -10..55)), count)
}

/// Those who walk: an adult, somebody slow, and one to whom steps are closed.
fn profiles() -> [Profile; 3] {
    let slow = Profile::plain(Speed::from_kmh(3.0).expect("a speed"));
    let stroller = Profile { name: "stroller".to_owned(), steps: Climb::CLOSED, ..Profile::walk() };
    [Profile::walk(), slow, stroller]
}

fn edited(mut town: Town, edits: &[Edit], every: usize) -> Result<(), TestCaseError> {
    let study = town.study();
    let projection = *study.network().projection();
    let bases = profiles().map(|profile| (profile.clone(), Arc::new(Basis::new(&study, &profile))));
    let mut state = CoverageState::new(&study, &town.policy);
    town.compare(&state)?;
    for (number, &(kind, which, at)) in edits.iter().enumerate() {
        let label = usize::from(which) % town.sites.len().max(1);
        let is_open = town.sites.get(label).is_some_and(|(_, is_open)| *is_open);
        let crowded = town.sites.iter().filter(|(_, is_open)| *is_open).count() > 20;
        let shares: Vec<f64> = (0..town.homes.len()).map(|block| state.covered_share(block)).collect();
        match kind {
            0..8 if !crowded => {
                let found = state.open_at(projection.project(place(at)));
                prop_assert_eq!(found as usize, town.sites.len());
                // The policies here count no candidate less: its kind is one that they all count.
                town.sites.push((Facility::new(format!("f{found:05}"), place(at), Kind::ALL[0]), true));
            }
            0..12 => {
                prop_assert_eq!(state.open(label as u32), label < town.sites.len() && !is_open);
                town.sites.iter_mut().skip(label).take(1).for_each(|site| site.1 = true);
            }
            12..20 => {
                prop_assert_eq!(state.close(label as u32), is_open);
                town.sites.iter_mut().skip(label).take(1).for_each(|site| site.1 = false);
            }
            20..29 if label < town.sites.len() => {
                // Every third time onto another one, or where it is.
                let onto = town.sites[(at.0.unsigned_abs() as usize) % town.sites.len()].0.at;
                let to = if which % 3 == 0 { onto } else { place(at) };
                prop_assert_eq!(state.move_to(label as u32, projection.project(to)), town.sites[label].0.at != to);
                town.sites[label].0.at = to;
            }
            29 => {
                // From where one stands, to beyond everything; or a little more or less.
                let minutes = [0.0, 1.0, 2.5, 4.0, 6.0, 15.0, f64::INFINITY];
                let factors = [0.9, 1.02, 1.1];
                town.policy.minutes = match usize::from(which) % 14 {
                    nth @ ..7 => minutes[nth],
                    nth => town.policy.minutes * factors[nth % 3],
                };
                state.set_limit(town.policy.limit());
            }
            30 => {
                let kinds = if which % 2 == 0 { Vec::new() } else { vec![Kind::ALL[0]] };
                town.policy.eligibility = Eligibility { kinds, ..Eligibility::default() };
                state.set_counts(|facility| town.policy.eligibility.admits(facility));
            }
            31 => {
                let (profile, basis) = &bases[usize::from(which) % bases.len()];
                town.policy.profile = profile.clone();
                state.set_basis(Arc::clone(basis));
            }
            _ => continue,
        }
        let changed: Vec<usize> = (0..shares.len())
            .filter(|&block| state.covered_share(block).to_bits() != shares[block].to_bits())
            .collect();
        prop_assert_eq!(state.changed(), &changed);
        if number % every == 0 {
            town.compare(&state)?;
        }
    }
    town.compare(&state)
}

fn any_town() -> impl Strategy<Value = Town> {
    let places = |count| prop::collection::vec((-10..60, -10..55), count);
    (town::any_streets(), places(1..12), places(0..6), any::<u64>())
        .prop_map(|(streets, homes, facilities, chance)| Town::new(streets, homes, &facilities, chance))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn edits_leave_what_a_fresh_study_gives(town in any_town(), edits in any_edits(100)) {
        edited(town, &edits, 4)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 50, ..ProptestConfig::with_cases(1) })]

    #[test]
    fn ten_thousand_edits_do_not_drift(town in any_town(), edits in any_edits(10_000)) {
        edited(town, &edits, 100)?;
    }
}
