//! What if, in towns full of gates: after edits at random a state is what a study put together anew gives, whoever walks.

use carecircle_core::coverage::Tally;
use carecircle_core::facility::{Facility, Kind};
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::{Area, AreaLevel, Places};
use carecircle_core::policy::Policy;
use carecircle_core::search::Arrival;
use carecircle_core::street::Streets;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::WalkTime;
use carecircle_core::weights::Way;
use carecircle_core::whatif::{Basis, CoverageState};
use carecircle_formats::profile;
use carecircle_osm::ReadOptions;
use carecircle_tests::dice::Dice;
use carecircle_tests::pbf::Compression;
use carecircle_tests::towns::random_gated_town;
use geo::{MultiPolygon, Rect};
use std::io::Cursor;
use std::sync::Arc;

/// A town, and which of its facilities are open.
struct Town {
    streets: Streets,
    places: Places,
    /// By label.
    sites: Vec<(Facility, bool)>,
}

fn area(id: &str, level: AreaLevel, low: Point, high: Point) -> Area {
    Area::new(id, level, MultiPolygon(vec![Rect::new(low, high).to_polygon()]))
}

impl Town {
    fn new(seed: u64) -> Self {
        let bytes = Cursor::new(random_gated_town(seed).to_pbf(Compression::Raw));
        let extract = carecircle_osm::read_from(bytes, &ReadOptions::default()).expect("a sound town");
        let mut places = extract.places;
        places.facilities.sort_by(|a, b| a.id.cmp(&b.id));
        let points = &extract.streets.points;
        let (west, east) = (
            points.iter().map(|p| p.lon()).fold(180.0, f64::min),
            points.iter().map(|p| p.lon()).fold(-180.0, f64::max),
        );
        let (south, north) =
            (points.iter().map(|p| p.lat()).fold(90.0, f64::min), points.iter().map(|p| p.lat()).fold(-90.0, f64::max));
        let (low, high) = (Point { x: west, y: south }, Point { x: east, y: north });
        let middle = Point { x: f64::midpoint(west, east), y: north };
        places.areas = vec![area("d", AreaLevel::District, low, high), area("s", AreaLevel::Street, low, middle)];
        let sites = places.facilities.drain(..).map(|facility| (facility, true)).collect();
        Self { streets: extract.streets, places, sites }
    }

    /// The study of what is open now.
    fn study(&self) -> Study {
        let open = self.sites.iter().filter(|(_, is_open)| *is_open).map(|(facility, _)| facility.clone());
        let places = Places { facilities: open.collect(), ..self.places.clone() };
        let (network, _) = Network::build(&self.streets, NetworkOptions::default());
        Study::new(network, places, None, SNAP_WITHIN_M)
    }

    /// Every number of a state against a state and a check of the town as it is.
    fn compare(&self, state: &CoverageState, policy: &Policy) {
        let study = self.study();
        let (fresh, coverage) = (CoverageState::new(&study, policy), study.check(policy));
        let open: Vec<u32> = (0..).zip(&self.sites).filter(|(_, site)| site.1).map(|(label, _)| label).collect();
        let named = |walk: &Option<Arrival>| walk.map(|a| Arrival { label: open[a.label as usize], ..a });
        let walks: Vec<Option<Arrival>> = coverage.walks.iter().map(named).collect();
        assert_eq!(state.walks_beyond(), walks);
        for (point, walk) in walks.iter().enumerate() {
            assert_eq!(state.walk(point), walk.filter(|a| a.time <= policy.limit()));
        }
        for (block, verdict) in coverage.verdicts.iter().enumerate() {
            assert_eq!((state.status(block), state.covered_share(block)), (verdict.status, verdict.covered_share));
        }
        assert_eq!(state.areas().collect::<Vec<_>>(), fresh.areas().collect::<Vec<_>>());
        assert_eq!(state.total(), fresh.total());
        for (tally, checked) in state.areas().chain([state.total()]).zip(coverage.areas.iter().chain([&coverage.total]))
        {
            assert!((tally.covered - checked.covered).abs() <= 1e-9 * checked.covered);
            assert!((tally.children - checked.children).abs() <= 1e-9 * checked.children);
            assert_eq!(Tally { covered: checked.covered, children: checked.children, ..tally.clone() }, *checked);
        }
    }

    /// A facility from now on somewhere else, where no entrances are known.
    fn put(&mut self, label: usize, at: LonLat) {
        let (facility, _) = &mut self.sites[label];
        self.places.grounds.remove(&facility.id);
        facility.at = at;
    }
}

/// Edits at random; tells how many demand points begin on private streets.
fn edit(seed: u64, edits: usize) -> usize {
    let mut town = Town::new(seed);
    let study = town.study();
    let network = study.network();
    let bases = ["walk", "stroller", "toddler"].map(|name| {
        let profile = profile::named(name).expect("a known profile");
        (Arc::new(Basis::new(&study, &profile)), profile)
    });
    let mut policy = Policy { minutes: 5.0, profile: bases[0].1.clone(), ..Policy::default() };
    let mut state = CoverageState::new(&study, &policy);
    let mut dice = Dice(seed);
    let mut below = |bound: usize| dice.below(bound);
    for number in 0..edits {
        // At a home, often behind a gate, or at another facility.
        let home = study.demand().points[below(study.demand().points.len())].at;
        let (lon, lat) = network.projection().unproject(home + Point { x: below(60) as f64, y: below(60) as f64 });
        let homes = LonLat::from_degrees(lon, lat).expect("a place in town");
        let to = if below(5) == 0 { town.sites[below(town.sites.len())].0.at } else { homes };
        let at = network.projection().project(to);
        let label = below(town.sites.len());
        match below(12) {
            0..3 => {
                let found = state.open_at(at);
                assert_eq!(found as usize, town.sites.len());
                // After the map's own.
                town.sites.push((Facility::new(format!("z{found:05}"), to, Kind::Nursery), true));
            }
            3..6 => {
                assert_eq!(state.close(label as u32), town.sites[label].1);
                town.sites[label].1 = false;
            }
            6..10 => {
                assert_eq!(state.move_to(label as u32, at), town.sites[label].0.at != to);
                if town.sites[label].0.at != to {
                    town.put(label, to);
                }
            }
            10 => {
                policy.minutes = [0.0, 2.0, 3.5, 5.0, 15.0, f64::INFINITY][below(6)];
                state.set_limit(policy.limit());
            }
            _ => {
                let (basis, profile) = &bases[below(bases.len())];
                policy.profile = profile.clone();
                state.set_basis(Arc::clone(basis));
            }
        }
        if number % 6 == 0 {
            town.compare(&state, &policy);
        }
    }
    town.compare(&state, &policy);
    let weights = bases[0].0.weights();
    let is_private = |point| {
        let doors = study.doors_of_point(point, weights);
        doors.iter().any(|door| weights.way(door.snap.edge) == Way::Destination)
    };
    study.demand().points.iter().filter(|point| is_private(point)).count()
}

#[test]
fn edits_behind_gates_leave_what_a_fresh_study_gives() {
    let private: usize = (0..24).map(|seed| edit(seed, 100)).sum();
    assert!(private > 1_000, "{private} homes on private streets prove little");
}

#[test]
fn without_any_facility_nobody_is_covered_and_the_first_one_covers_its_own() {
    let mut town = Town::new(1);
    town.sites.iter_mut().for_each(|site| site.1 = false);
    let study = town.study();
    let policy = Policy { minutes: 0.0, ..Policy::default() };
    let mut state = CoverageState::new(&study, &policy);
    assert!(state.total().covered <= 0.0);
    assert!(state.walks_beyond().iter().all(Option::is_none) && !state.close(0) && !state.open(0));
    let home = study.demand().points[0].at;
    let (first, second) = (state.open_at(home), state.open_at(home));
    state.set_limit(WalkTime::NEVER);
    assert_eq!((first, second, state.walk(0).map(|walk| walk.label)), (0, 1, Some(first)));
    assert!(state.close(first) && !state.close(first));
    assert_eq!(state.walk(0).map(|walk| walk.label), Some(second));
    assert!(state.open(first) && !state.open(first));
    assert_eq!(state.walk(0).map(|walk| walk.label), Some(first));
}
