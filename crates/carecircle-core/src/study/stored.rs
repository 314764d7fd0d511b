//! A study without tables taken apart, so that it can be kept in a file, and put together again.
//!
//! As with networks ([`crate::network::stored`]): whoever brings the parts back may have been given anything.

use super::{Compound, Door, Entrance, Ground, Homes, SitedFacility, Study};
use crate::area::Areas;
use crate::demand::{Demand, Outline};
use crate::doors::Doors;
use crate::geometry::Shape;
use crate::network::Network;
use crate::network::stored::{FARTHEST_M, is_place};
use crate::place::{Area, Polylines, Premises};
use geo::CoordsIter;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

impl Homes {
    /// Blocks and demand points.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Where walks from demand points begin, for an adult on foot: [`crate::demand::DemandPoint::doors`] are of these.
    pub fn starts(&self) -> &[Door] {
        &self.starts
    }

    /// Land behind gates.
    pub fn compounds(&self) -> &[Compound] {
        self.doors.compounds()
    }

    /// Puts the homes of a network with so many areas together again.
    ///
    /// # Errors
    /// What is wrong with a part.
    pub fn of_parts(
        network: &Network,
        areas: usize,
        (demand, starts, compounds): (Demand, Vec<Door>, Vec<Compound>),
        snap_m: f64,
    ) -> Result<Self, &'static str> {
        let is_area = |area: Option<usize>| area.is_none_or(|area| area < areas);
        let Demand { blocks, points, allocation, .. } = &demand;
        if !follow(blocks.iter().map(|block| &block.points), points.len())
            || !follow(points.iter().map(|point| &point.doors), starts.len())
        {
            return Err("points are not those of blocks, or doors not those of points");
        }
        if !blocks.iter().all(|block| is_area(block.area)) || !points.par_iter().all(|point| is_area(point.area)) {
            return Err("an area isn't there");
        }
        let outlined = |outline: &Outline| match outline {
            Outline::Point(at) => is_place(*at),
            Outline::Shape(shape) => is_outline(shape),
        };
        let are_places = blocks.par_iter().all(|block| outlined(&block.outline))
            && points.par_iter().all(|point| is_place(point.at))
            && compounds.iter().all(|compound| is_outline(&compound.shape));
        if !are_places {
            return Err("a place lies beyond the earth");
        }
        if !points.par_iter().all(|p| (0.0..=1.0 + 1e-6).contains(&p.weight)) || allocation.areas.len() != areas {
            return Err("children are not shared out");
        }
        let gates = compounds.iter().flat_map(|compound| &compound.gates);
        if !starts.par_iter().all(|door| is_door(network, door)) || !gates.into_iter().all(|e| is_entrance(network, e))
        {
            return Err("a door leads to no street");
        }
        Ok(Self { doors: Doors::of_compounds(compounds, snap_m), demand, starts, snap_m })
    }
}

impl Study {
    /// Where people live.
    pub fn homes(&self) -> &Homes {
        &self.ground.homes
    }

    /// Puts a study together again, of areas in degrees and facilities that know where they meet the network; of the rest
    /// of its places as they came.
    ///
    /// # Errors
    /// What is wrong with a facility.
    pub fn of_parts(
        network: Network,
        areas: Vec<Area>,
        homes: Homes,
        facilities: Vec<SitedFacility>,
        (premises, obstacle_lines): (Vec<Premises>, Polylines),
    ) -> Result<Self, &'static str> {
        let is_sound = |f: &SitedFacility| {
            is_place(f.at)
                && f.area.is_none_or(|area| area < areas.len())
                && f.doors.iter().all(|door| is_door(&network, door))
                && f.entrances.iter().all(|entrance| is_entrance(&network, entrance))
        };
        if !facilities.iter().all(is_sound) {
            return Err("a facility stands nowhere");
        }
        if !facilities.is_sorted_by(|a, b| a.facility.id <= b.facility.id) {
            return Err("facilities are out of order");
        }
        let areas = Areas::new(network.projection(), areas);
        let (obstacles, frontages) = (OnceLock::new(), Mutex::default());
        let ground = Ground { network, areas, homes, premises, obstacle_lines, obstacles, frontages };
        Ok(Self::assembled(Arc::new(ground), facilities))
    }
}

/// Whether ranges follow each other from 0 to a count.
fn follow<'a>(mut all: impl Iterator<Item = &'a Range<u32>>, count: usize) -> bool {
    let end = all.try_fold(0, |end, range| (range.start == end && range.start <= range.end).then_some(range.end));
    end.is_some_and(|end| end as usize == count)
}

fn is_outline(shape: &Shape) -> bool {
    shape.coords_iter().all(is_place)
}

fn is_entrance(network: &Network, entrance: &Entrance) -> bool {
    is_place(entrance.at) && entrance.closed.is_none_or(|gate| (gate as usize) < network.gates().len())
}

fn is_door(network: &Network, door: &Door) -> bool {
    let Door { at, beyond_m, snap } = door;
    let edge = network.edges().get(snap.edge.index());
    edge.is_some_and(|edge| (0.0..=edge.length_m).contains(&snap.along_m))
        && [*at, snap.at].into_iter().all(is_place)
        && [*beyond_m, snap.offset_m].iter().all(|metres| (0.0..=FARTHEST_M).contains(metres))
}
