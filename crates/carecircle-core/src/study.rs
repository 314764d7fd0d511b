//! The immutable whole that a command or a request sees: network, facilities, demand, areas.

use crate::area::Areas;
use crate::demand::{BlockRow, Demand};
use crate::facility::Facility;
use crate::geometry::Point;
use crate::network::{Network, Snap};
use crate::place::Places;
use rayon::prelude::*;
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};

/// A point snaps to streets within this many metres.
pub const SNAP_WITHIN_M: f64 = 250.0;

/// A facility of the study: what is known of it, and where it meets the network.
#[derive(Clone, Debug, PartialEq)]
pub struct SitedFacility {
    /// What is known of it.
    pub facility: Facility,
    /// Its place on the plan.
    pub at: Point,
    /// Where it meets the network, unless too far from any street.
    pub snap: Option<Snap>,
    /// Which area it stands in: the smallest that contains it, an index into the study's areas.
    pub area: Option<usize>,
}

/// Network, facilities, demand and areas of one city: read once, then only asked.
#[derive(Debug)]
pub struct Study {
    network: Network,
    facilities: Vec<SitedFacility>,
    facility_tree: RTree<GeomWithData<[f64; 2], usize>>,
    areas: Areas,
    demand: Demand,
    snap_m: f64,
}

impl Study {
    /// Puts a study together. What a table gave is already in `places`, except for blocks: with `rows` each row is a
    /// block, without them blocks come from the residential polygons and buildings of `places`.
    pub fn new(network: Network, mut places: Places, rows: Option<Vec<BlockRow>>, snap_m: f64) -> Self {
        let projection = *network.projection();
        let areas = Areas::new(&projection, std::mem::take(&mut places.areas));
        let mut demand = match rows {
            Some(rows) => Demand::from_table(&projection, rows, &places, &areas),
            None => Demand::from_places(&projection, &places, &areas),
        };
        demand.points.par_iter_mut().for_each(|p| p.snap = network.snap(p.at, snap_m));
        let mut facilities: Vec<SitedFacility> = places
            .facilities
            .into_iter()
            .map(|facility| {
                let at = projection.project(facility.at);
                SitedFacility { snap: network.snap(at, snap_m), area: areas.smallest_containing(at), facility, at }
            })
            .collect();
        // By id, whatever the order of the source: ties between equally near facilities go to the smaller id.
        facilities.sort_by(|a, b| a.facility.id.cmp(&b.facility.id));
        let points = facilities.iter().enumerate().map(|(i, f)| GeomWithData::new([f.at.x, f.at.y], i)).collect();
        Self { network, facilities, facility_tree: RTree::bulk_load(points), areas, demand, snap_m }
    }

    /// The streets.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The facilities, by id.
    pub fn facilities(&self) -> &[SitedFacility] {
        &self.facilities
    }

    /// The areas.
    pub fn areas(&self) -> &Areas {
        &self.areas
    }

    /// Blocks and demand points.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// How far, in metres, a point may be from the street that it snaps to.
    pub fn snap_m(&self) -> f64 {
        self.snap_m
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
