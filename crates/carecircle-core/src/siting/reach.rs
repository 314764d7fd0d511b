//! The instance of a study: its demand points are the homes, walks come from the same search as every verdict.

use super::{Home, Instance, Progress, Site, SitingError, Standing, Walks, Watch};
use crate::geometry::Point;
use crate::place::AreaLevel;
use crate::policy::Policy;
use crate::search::Search;
use crate::study::Study;
use crate::time::WalkTime;
use crate::whatif::Basis;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Walks are found to so many sites at a time, then counted.
const AT_A_TIME: usize = 1_024;
/// A walk is kept by site and by home, in the instance and in the models made of it; measured on forty million walks.
const BYTES_PER_WALK: usize = 6 * size_of::<super::Link>();

/// Where a facility could stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewSite {
    /// On the plan.
    pub at: Point,
    /// Not [`Standing::Existing`]: facilities come from the study.
    pub standing: Standing,
    /// What it costs.
    pub cost: f64,
    /// How many children it can take; `None` where that is not limited.
    pub places: Option<f64>,
}

/// An instance made of a study.
#[derive(Clone, Debug)]
pub struct StudyInstance {
    /// Its homes are the study's demand points; its sites the facilities that count, then the new ones.
    pub instance: Instance,
    /// The first sites: indices into the study's facilities.
    pub facilities: Vec<usize>,
}

impl StudyInstance {
    /// The walks within the policy's limit from all demand points to the facilities that it counts, and to new sites. Areas
    /// of homes are those of a level. No more than `most_bytes` are taken for them: an error tells how many are needed. The
    /// watch is asked for each site.
    ///
    /// A site serves a demand point when the walk between both is within the limit, so that opening a plan's sites in a
    /// [`crate::whatif::CoverageState`] covers what the plan promised. With a profile that closes streets the state may
    /// cover a little more: it lets one facility answer for the walk as it is, and another for the walk without closures.
    pub fn new(
        study: &Study,
        basis: &Basis,
        policy: &Policy,
        new_sites: &[NewSite],
        level: Option<AreaLevel>,
        most_bytes: usize,
        watch: &Watch<'_>,
    ) -> Result<Self, SitingError> {
        if let Some(at) = new_sites.iter().position(|site| site.standing == Standing::Existing) {
            return Err(SitingError::Instance(format!("new site {at} can't be an existing facility")));
        }
        let own = study.facilities();
        let facilities: Vec<usize> =
            (0..own.len()).filter(|facility| policy.eligibility.admits(&own[*facility].facility)).collect();
        let existing = facilities.iter().map(|&facility| (Some(facility), own[facility].at));
        let places: Vec<(Option<usize>, Point)> =
            existing.chain(new_sites.iter().map(|site| (None, site.at))).collect();
        let walks = walks(study, basis, &places, policy.limit(), most_bytes, watch)?;
        let existing = facilities.iter().map(|&facility| Site {
            standing: Standing::Existing,
            cost: 0.0,
            places: own[facility].facility.places.map(f64::from),
        });
        let new = new_sites.iter().map(|&NewSite { standing, cost, places, .. }| Site { standing, cost, places });
        let instance = Instance::new(existing.chain(new).collect(), homes(study, level), walks)?;
        Ok(Self { instance, facilities })
    }
}

/// Bytes that an instance will take at most, and a question about it: as if everybody walked as the crow flies. Ferries and
/// their like, quicker than that, are not foreseen.
pub fn bytes_needed(study: &Study, policy: &Policy, new_sites: &[NewSite]) -> usize {
    let (points, projection) = (&study.demand().points, study.network().projection());
    let radius_m = policy.limit().seconds() * policy.profile.speed.kmh() / 3.6;
    let own = study.facilities().iter().filter(|sited| policy.eligibility.admits(&sited.facility));
    let places: Vec<Point> = own.map(|sited| sited.at).chain(new_sites.iter().map(|site| site.at)).collect();
    // Squares as wide as the radius: who is near stands in one of nine.
    let Some(scale) = points.iter().map(|point| projection.scale_at(point.at)).reduce(f64::max) else { return 0 };
    let radius = radius_m * scale;
    if !radius.is_finite() {
        return places.len() * points.len() * BYTES_PER_WALK;
    }
    let square = |at: Point| ((at.x / radius).floor() as i64, (at.y / radius).floor() as i64);
    let mut squares: BTreeMap<(i64, i64), Vec<Point>> = BTreeMap::new();
    for point in points {
        squares.entry(square(point.at)).or_default().push(point.at);
    }
    let near = |place: &Point| -> usize {
        let (x, y) = square(*place);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
        let is_near = |at: &&Point| (at.x - place.x).hypot(at.y - place.y) <= radius;
        around.filter_map(|square| squares.get(&square)).map(|points| points.iter().filter(is_near).count()).sum()
    };
    places.par_iter().map(near).sum::<usize>() * BYTES_PER_WALK
}

/// By demand point: how many children, and in which area of a level.
fn homes(study: &Study, level: Option<AreaLevel>) -> Vec<Home> {
    let (demand, areas) = (study.demand(), study.areas());
    let mut homes = Vec::with_capacity(demand.points.len());
    for block in &demand.blocks {
        let points = demand.points_of(block);
        let whole: f64 = points.iter().map(|point| point.weight).sum();
        for point in points {
            let area = level.and_then(|level| areas.chain(point.area).find(|area| areas.all()[*area].level == level));
            let share = if whole > 0.0 { point.weight / whole } else { 0.0 };
            homes.push(Home { children: block.children * share, area: area.map(|area| area as u32) });
        }
    }
    homes
}

fn walks(
    study: &Study,
    basis: &Basis,
    places: &[(Option<usize>, Point)],
    limit: WalkTime,
    most_bytes: usize,
    watch: &Watch<'_>,
) -> Result<Walks, SitingError> {
    let mut walks = Walks::default();
    let mut count = 0;
    let (start, begun) = (Instant::now(), AtomicUsize::new(0));
    let to = |search: &mut Search, place: &(Option<usize>, Point)| {
        let (nodes, seconds) = (begun.fetch_add(1, Relaxed), start.elapsed().as_secs_f64());
        let goes_on = watch(&Progress { objective: None, bound: None, nodes, seconds }).is_continue();
        goes_on.then(|| basis.walks_to(study, search, *place, limit))
    };
    for (done, places_now) in places.chunks(AT_A_TIME).enumerate() {
        let rows: Option<Vec<Vec<(u32, WalkTime)>>> = places_now.par_iter().map_init(Search::new, to).collect();
        for row in rows.ok_or(SitingError::Stopped)? {
            count += row.len();
            walks.push(row);
        }
        if count * BYTES_PER_WALK > most_bytes {
            let found = (done * AT_A_TIME + places_now.len()) as f64;
            let foreseen = (count * BYTES_PER_WALK) as f64 * places.len() as f64 / found;
            let needed = foreseen as usize;
            return Err(SitingError::TooLarge { sites: places.len(), needed, allowed: most_bytes });
        }
    }
    Ok(walks)
}
