//! The immutable whole that a command or a request sees: network, facilities, demand, areas.

mod stored;

use crate::area::Areas;
use crate::demand::{BlockRow, Demand, DemandPoint, Outline};
use crate::doors::{ClosedGates, Doors, MapDoors, entrances};
use crate::facility::Facility;
use crate::frontage::Frontages;
use crate::geometry::{Point, Shape};
use crate::isochrone::Source;
use crate::network::Network;
use crate::obstacle::Obstacles;
use crate::place::{Places, Polylines, Premises, PremisesKind};
use crate::profile::Profile;
use crate::weights::{Classes, Opened, Passage, Weights};
use rayon::prelude::*;
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

pub use crate::doors::{Compound, Door, Entrance};

/// A point snaps to streets within this many metres.
pub const SNAP_WITHIN_M: f64 = 250.0;

/// A facility of the study: what is known of it, and where it meets the network.
#[derive(Clone, Debug, PartialEq)]
pub struct SitedFacility {
    /// What is known of it.
    pub facility: Facility,
    /// Its place on the plan.
    pub at: Point,
    /// Where it is entered, where that is known better than by its place.
    pub entrances: Vec<Entrance>,
    /// Where it meets the network, for an adult on foot; none when too far from any street.
    pub doors: Vec<Door>,
    /// Which area it stands in: the smallest that contains it, an index into the study's areas.
    pub area: Option<usize>,
}

/// The rows of a table of blocks, where one is given.
type Rows = Option<Vec<BlockRow>>;

/// Where people live, and where their walks begin: what of a study no facility changes.
#[derive(Debug)]
pub struct Homes {
    demand: Demand,
    /// Where walks from demand points begin, for an adult on foot.
    starts: Vec<Door>,
    doors: Doors,
    snap_m: f64,
}

/// What no facility changes of a city.
#[derive(Debug)]
struct Ground {
    network: Network,
    areas: Areas,
    homes: Homes,
    premises: Vec<Premises>,
    obstacle_lines: Polylines,
    /// Laid on the plan when first asked for: a verdict never asks.
    obstacles: OnceLock<Obstacles>,
    /// By the streets that points snap to, those of weights in use.
    frontages: Mutex<Vec<(Weak<Classes>, Arc<Frontages>)>>,
}

/// Network, facilities, demand and areas of one city: read once, then only asked.
#[derive(Debug)]
pub struct Study {
    ground: Arc<Ground>,
    facilities: Vec<SitedFacility>,
    facility_tree: RTree<GeomWithData<[f64; 2], usize>>,
    /// Those of compounds and facilities.
    closed: ClosedGates,
    /// What to call the scenario that its facilities are of; none for those that there are.
    pub scenario: Option<String>,
}

impl Homes {
    fn new(
        (network, on_foot): (&Network, &Weights),
        places: &Places,
        areas: &Areas,
        map: &MapDoors,
        rows: Rows,
        snap_m: f64,
    ) -> Self {
        let projection = network.projection();
        let from_table = rows.is_some();
        let mut demand = match rows {
            Some(rows) => Demand::from_table(projection, rows, places, areas),
            None => Demand::from_places(projection, places, areas),
        };
        let doors = if from_table {
            let outlines = demand.blocks.iter().filter_map(|block| match &block.outline {
                Outline::Shape(shape) => Some(shape),
                Outline::Point(_) => None,
            });
            Doors::new(outlines, map, snap_m)
        } else {
            let land = places.residential.par_iter();
            let drawn: Vec<Shape> = land.map(|area| projection.project_shape(&area.shape)).collect();
            Doors::new(drawn.iter(), map, snap_m)
        };
        let starts_of: Vec<Vec<Door>> =
            demand.points.par_iter().map(|p| doors.of_home(network, on_foot, p.at)).collect();
        let mut starts = Vec::with_capacity(demand.points.len());
        for (point, doors) in demand.points.iter_mut().zip(starts_of) {
            let first = starts.len() as u32;
            starts.extend(doors);
            point.doors = first..starts.len() as u32;
        }
        Self { demand, starts, doors, snap_m }
    }
}

impl Study {
    /// Puts a study together. What a table gave is already in `places`, except for blocks: with `rows` each row is a
    /// block, without them blocks come from the residential polygons and buildings of `places`.
    pub fn new(network: Network, mut places: Places, rows: Rows, snap_m: f64) -> Self {
        let areas = Areas::new(network.projection(), std::mem::take(&mut places.areas));
        let map = MapDoors::new(&places, &network);
        let on_foot = network.weigh(&Profile::walk());
        let homes = Homes::new((&network, &on_foot), &places, &areas, &map, rows, snap_m);
        Self::with_facilities((network, &on_foot), places, areas, &map, homes)
    }

    /// As [`Study::new`] without rows, where people's homes are known already.
    pub fn around_homes(network: Network, mut places: Places, homes: Homes) -> Self {
        let areas = Areas::new(network.projection(), std::mem::take(&mut places.areas));
        let map = MapDoors::new(&places, &network);
        let on_foot = network.weigh(&Profile::walk());
        Self::with_facilities((network, &on_foot), places, areas, &map, homes)
    }

    fn with_facilities(
        (network, on_foot): (Network, &Weights),
        places: Places,
        areas: Areas,
        map: &MapDoors,
        homes: Homes,
    ) -> Self {
        let projection = *network.projection();
        let grounds = places.grounds;
        let facilities: Vec<SitedFacility> = places
            .facilities
            .into_par_iter()
            .map(|facility| {
                let at = projection.project(facility.at);
                let entrances = grounds
                    .get(&facility.id)
                    .map_or_else(Vec::new, |grounds| entrances(&network, map, &projection.project_shape(grounds)));
                let doors = homes.doors.of_facility(&network, on_foot, &entrances, at);
                SitedFacility { entrances, doors, area: areas.smallest_containing(at), facility, at }
            })
            .collect();
        let (premises, obstacle_lines) = (places.premises, places.obstacles);
        let (obstacles, frontages) = (OnceLock::new(), Mutex::default());
        let ground = Ground { network, areas, homes, premises, obstacle_lines, obstacles, frontages };
        Self::assembled(Arc::new(ground), facilities)
    }

    fn assembled(ground: Arc<Ground>, mut facilities: Vec<SitedFacility>) -> Self {
        // By id, whatever the order of the source: ties between equally near facilities go to the smaller id.
        facilities.sort_by(|a, b| a.facility.id.cmp(&b.facility.id));
        let entrances = facilities.iter().flat_map(|f| f.entrances.iter().copied());
        let closed = ground.homes.doors.closed().clone().and(entrances);
        let points = facilities.iter().enumerate().map(|(i, f)| GeomWithData::new([f.at.x, f.at.y], i)).collect();
        let facility_tree = RTree::bulk_load(points);
        Self { ground, facilities, facility_tree, closed, scenario: None }
    }

    /// The same city with other facilities; `on_foot` are the weights of an adult on foot. A facility that stands where one
    /// of its id did is entered where that was, another one where it stands.
    #[must_use]
    pub fn with_other_facilities(&self, facilities: Vec<Facility>, on_foot: &Weights) -> Self {
        let Ground { network, areas, homes, .. } = &*self.ground;
        let known: BTreeMap<&str, &SitedFacility> =
            self.facilities.iter().map(|sited| (sited.facility.id.as_str(), sited)).collect();
        let sited = |facility: Facility| match known.get(facility.id.as_str()) {
            Some(known) if known.facility.at == facility.at => SitedFacility { facility, ..(*known).clone() },
            _ => {
                let at = network.projection().project(facility.at);
                let doors = homes.doors.of_facility(network, on_foot, &[], at);
                SitedFacility { facility, at, entrances: Vec::new(), doors, area: areas.smallest_containing(at) }
            }
        };
        let facilities = facilities.into_par_iter().map(sited).collect();
        Self::assembled(Arc::clone(&self.ground), facilities)
    }

    /// The streets.
    pub fn network(&self) -> &Network {
        &self.ground.network
    }

    /// The facilities, by id.
    pub fn facilities(&self) -> &[SitedFacility] {
        &self.facilities
    }

    /// The map's premises of a kind that a nursery could be put into.
    pub fn premises_of(&self, kind: PremisesKind) -> impl Iterator<Item = &Premises> {
        self.ground.premises.iter().filter(move |premises| premises.kind == kind)
    }

    /// The areas.
    pub fn areas(&self) -> &Areas {
        &self.ground.areas
    }

    /// What nobody crosses but where a street does.
    pub fn obstacles(&self) -> &Obstacles {
        let Ground { network, obstacle_lines, obstacles, .. } = &*self.ground;
        obstacles.get_or_init(|| Obstacles::new(network.projection(), obstacle_lines))
    }

    /// Which streets places front on, of those that points snap to by some weights; as far as anybody has asked.
    pub(crate) fn frontages(&self, weights: &Weights) -> Arc<Frontages> {
        let mut kept = self.ground.frontages.lock().unwrap_or_else(PoisonError::into_inner);
        let classes = weights.classes();
        if let Some((_, frontages)) = kept.iter().find(|(of, _)| of.as_ptr() == Arc::as_ptr(classes)) {
            return Arc::clone(frontages);
        }
        // While a weak pointer is kept, no others can stand in its place.
        kept.retain(|(of, _)| of.strong_count() > 0);
        let frontages = Arc::default();
        kept.push((Arc::downgrade(classes), Arc::clone(&frontages)));
        frontages
    }

    /// Blocks and demand points.
    pub fn demand(&self) -> &Demand {
        &self.homes().demand
    }

    /// Where walks from a demand point begin, for whom `weights` are. Where the map as it is leads nowhere that they may
    /// walk, another street is looked for.
    pub fn doors_of_point(&self, point: &DemandPoint, weights: &Weights) -> Cow<'_, [Door]> {
        self.doors_for(self.known_doors(point), weights, || {
            self.homes().doors.of_home(self.network(), weights, point.at)
        })
    }

    /// Where walks from a demand point begin by the map as it is, for who walks plainly.
    pub(crate) fn known_doors(&self, point: &DemandPoint) -> &[Door] {
        &self.homes().starts[point.doors.start as usize..point.doors.end as usize]
    }

    /// Where walks to a facility end, for whom `weights` are.
    pub fn doors_of_facility(&self, index: usize, weights: &Weights) -> Cow<'_, [Door]> {
        let SitedFacility { doors, entrances, at, .. } = &self.facilities[index];
        self.doors_for(doors, weights, || self.homes().doors.of_facility(self.network(), weights, entrances, *at))
    }

    /// A facility to draw isochrones around, for whom `weights` are; `None` when it is too far from any street.
    pub fn facility_source(&self, index: usize, weights: &Weights) -> Option<Source> {
        let doors = |weights: &Weights| self.doors_of_facility(index, weights).into_owned();
        Self::source(self.facilities[index].at, weights, doors)
    }

    /// A place to draw isochrones around, for whom `weights` are; `None` when it is too far from any street.
    pub fn place_source(&self, at: Point, weights: &Weights) -> Option<Source> {
        Self::source(at, weights, |weights: &Weights| self.doors_at(at, weights))
    }

    /// A place that walks begin at as from a home: inside a compound on its streets, or at its gates; for whom `weights`
    /// are. `None` when it is too far from any street.
    pub fn home_source(&self, at: Point, weights: &Weights) -> Option<Source> {
        Self::source(at, weights, |weights: &Weights| self.homes().doors.of_home(self.network(), weights, at))
    }

    /// Where walks to a place end that nothing is known of, for whom `weights` are.
    pub(crate) fn doors_at(&self, at: Point, weights: &Weights) -> Vec<Door> {
        self.homes().doors.of_facility(self.network(), weights, &[], at)
    }

    fn source(at: Point, weights: &Weights, doors: impl Fn(&Weights) -> Vec<Door>) -> Option<Source> {
        let plain_doors = weights.floor().map_or_else(Vec::new, &doors);
        Some(Source { at, doors: doors(weights), plain_doors }).filter(|source| !source.doors.is_empty())
    }

    /// Whether opening a passage opens doors too.
    pub(crate) fn doors_change_with(&self, passage: Passage) -> bool {
        self.closed.change_with(Opened::Only(passage))
    }

    /// The streets only close to a profile, or open; where neither concerns a point its doors are known.
    fn doors_for<'a>(
        &self,
        known: &'a [Door],
        weights: &Weights,
        found: impl FnOnce() -> Vec<Door>,
    ) -> Cow<'a, [Door]> {
        let holds = !weights.opens_islands()
            && !self.closed.change_with(weights.opened())
            && known.iter().all(|door| weights.is_snappable(door.snap.edge));
        if holds { Cow::Borrowed(known) } else { Cow::Owned(found()) }
    }

    /// How far, in metres, a point may be from the street that it snaps to.
    pub fn snap_m(&self) -> f64 {
        self.homes().snap_m
    }

    /// Indices of the facilities inside a box on the plan, ascending.
    pub fn facilities_in(&self, low: Point, high: Point) -> Vec<usize> {
        let envelope = AABB::from_corners([low.x, low.y], [high.x, high.y]);
        let mut found: Vec<usize> = self.facility_tree.locate_in_envelope(envelope).map(|f| f.data).collect();
        found.sort_unstable();
        found
    }

    /// Indices of facilities by growing distance as the crow flies: candidates for "nearest", to be checked by network.
    pub fn facilities_near(&self, at: Point) -> impl Iterator<Item = usize> + '_ {
        self.facility_tree.nearest_neighbor_iter([at.x, at.y]).map(|f| f.data)
    }
}
