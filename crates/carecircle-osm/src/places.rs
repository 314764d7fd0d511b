//! Places out of closed ways and relations: outlines assembled, mended and put to their uses.

use crate::merge::{Candidate, Source, merge};
use crate::report::{Clipped, ImportReport, Lost, PolygonCounts};
use crate::rings::{join, nest};
use crate::shape::{Outline, Ring, area_m2, has_area, mended, point_inside, to_shape};
use crate::stages::{Drawn, Harvest, MISSING, RelationFound, Role, SpotFound};
use crate::tags::Uses;
use carecircle_core::facility::Facility;
use carecircle_core::geometry::{LonLat, LonLatShape};
use carecircle_core::place::{Area, Building, Door, Places, Polylines, Premises, ResidentialArea};
use carecircle_core::street::Access;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

/// All places of an extract.
pub(crate) fn places(drawn: Drawn, harvest: &Harvest, report: &mut ImportReport) -> Places {
    let Drawn { relations, polygons: mut ways, mut facilities, mut premises } = drawn;
    let from_relations: Vec<Found> = relations
        .into_par_iter()
        .map(|relation| {
            let mut found = Found::default();
            from_relation(relation, harvest, &mut found);
            found
        })
        .collect();
    let mut outlines: Vec<(i64, Purposes)> =
        from_relations.iter().flat_map(|found| found.outer_ways.iter().copied()).collect();
    outlines.sort_by_key(|(way, _)| *way);
    let from_ways: Vec<Found> = ways
        .par_chunks_mut(CHUNK)
        .map(|ways| {
            let mut found = Found::default();
            for way in ways {
                let mut uses = std::mem::take(&mut way.uses);
                let first = outlines.partition_point(|(id, _)| *id < way.id);
                let mut repeated = false;
                for (_, purposes) in outlines[first..].iter().take_while(|(id, _)| *id == way.id) {
                    repeated |= purposes.take_from(&mut uses);
                }
                found.counts.repeated += u64::from(repeated);
                from_way(way.id, uses, way.refs.clone(), harvest, &mut found);
            }
            found
        })
        .collect();
    drop(ways);

    let mut places = Places::default();
    for found in from_ways.into_iter().chain(from_relations) {
        report.polygons.add(found.counts);
        report.clipped.extend(found.clipped);
        report.lost.extend(found.lost);
        report.premises.lost += found.premises_lost;
        facilities.extend(found.facilities);
        premises.extend(found.premises);
        places.residential.extend(found.residential);
        places.other_use.extend(found.other_use);
        places.uninhabited.extend(found.uninhabited);
        places.buildings.extend(found.buildings);
        places.areas.extend(found.areas);
    }
    places.doors = doors(harvest);
    places.obstacles = obstacles(harvest);
    let drawn = facilities.iter().filter(|candidate| !candidate.shape.is_empty());
    places.grounds = drawn.map(|candidate| (candidate.source.id(), to_shape(&candidate.shape))).collect();
    places.facilities = merge(facilities, &mut report.merged);
    let mut merged = Vec::new();
    places.premises = merge(premises, &mut merged);
    report.premises.merged = merged.len() as u64;
    places
}

/// Gates and entrances, in the order of their nodes' ids.
fn doors(harvest: &Harvest) -> Vec<Door> {
    let door = |found: &SpotFound| {
        let at = harvest.places.get(found.position as usize).filter(|at| **at != MISSING)?;
        let is_closed = matches!(found.spot.barrier, Some((Access::Closed, _)));
        Some(Door { at: *at, is_gate: found.spot.door?, is_closed })
    };
    harvest.spots.iter().filter_map(door).collect()
}

/// Lines that nobody crosses. Missing nodes cut a line; what is left of it still stands in the way.
fn obstacles(harvest: &Harvest) -> Polylines {
    let mut lines = Polylines::default();
    for refs in &harvest.obstacles {
        let refs = &harvest.refs[refs.start as usize..refs.end as usize];
        let places = refs.iter().map(|&p| harvest.places.get(p as usize).copied().unwrap_or(MISSING));
        for piece in places.collect::<Vec<_>>().split(|&place| place == MISSING) {
            lines.push(piece);
        }
    }
    lines.shrink_to_fit();
    lines
}

/// Ways that one thread takes at a time.
const CHUNK: usize = 1_024;

/// What became of some polygons.
#[derive(Debug, Default)]
struct Found {
    facilities: Vec<Candidate<Facility>>,
    premises: Vec<Candidate<Premises>>,
    /// Premises of which the extract holds no place.
    premises_lost: u64,
    residential: Vec<ResidentialArea>,
    other_use: Vec<LonLatShape>,
    uninhabited: Vec<LonLatShape>,
    buildings: Vec<Building>,
    areas: Vec<Area>,
    clipped: Vec<Clipped>,
    lost: Vec<Lost>,
    /// The ways that outer rings of relations are made of, and what those were good for.
    outer_ways: Vec<(i64, Purposes)>,
    counts: PolygonCounts,
}

/// What a relation was good for. An outer way tagged alike says the same thing again. Facilities and premises are left
/// out: those that are one are merged, and reported.
#[derive(Clone, Copy, Debug, Default)]
struct Purposes {
    residential: bool,
    other_use: bool,
    uninhabited: bool,
    building: bool,
    area: bool,
}

impl Purposes {
    /// Takes these purposes from a way; whether it had any of them.
    fn take_from(self, uses: &mut Uses) -> bool {
        let mut taken = self.residential && uses.residential.take().is_some();
        taken |= self.building && uses.building.take().is_some();
        taken |= self.area && uses.area.take().is_some();
        // A facility's own outline stays what it is; land of other use drawn twice does no harm.
        if self.other_use && uses.facility.is_none() {
            taken |= std::mem::take(&mut uses.other_use);
        }
        // Without this, a wood drawn by its outline's tags too would cover the clearings that the relation leaves out.
        if self.uninhabited {
            taken |= std::mem::take(&mut uses.uninhabited);
        }
        taken
    }
}

fn from_way(id: i64, uses: Uses, refs: Range<u32>, harvest: &Harvest, found: &mut Found) {
    if uses.is_none() {
        return;
    }
    let positions = &harvest.refs[refs.start as usize..refs.end as usize];
    match ring(positions, harvest) {
        Ok(outer) => {
            put_to_use(Source::Way(id), uses, vec![Outline { outer, holes: Vec::new() }], found);
            return;
        }
        Err(Flaw::MissingNodes) => {
            found.counts.missing_nodes += 1;
            found.clipped.extend(clipped(Source::Way(id), &uses));
        }
        Err(Flaw::NoArea) => found.counts.degenerate += 1,
    }
    place_anywhere(Source::Way(id), uses, positions.iter(), harvest, found);
}

/// Puts a facility, or premises, whose grounds can't be drawn at the middle one of the places that the extract has of them.
fn place_anywhere<'a>(
    source: Source,
    Uses { facility, premises, .. }: Uses,
    positions: impl Iterator<Item = &'a u32>,
    harvest: &Harvest,
    found: &mut Found,
) {
    if facility.is_none() && premises.is_none() {
        return;
    }
    let places: Vec<LonLat> =
        positions.filter_map(|&p| harvest.places.get(p as usize).copied().filter(|p| *p != MISSING)).collect();
    if let Some(at) = places.get(places.len() / 2) {
        found.facilities.extend(facility.map(|facility| Candidate::new(source, *at, facility, Vec::new())));
        found.premises.extend(premises.map(|premises| Candidate::new(source, *at, premises, Vec::new())));
    } else {
        found.lost.extend(facility.map(|facility| Lost { id: source.id(), name: facility.name }));
        found.premises_lost += u64::from(premises.is_some());
    }
}

fn from_relation(mut relation: RelationFound, harvest: &Harvest, found: &mut Found) {
    let source = Source::Relation(relation.id);
    let mut listed: BTreeSet<i64> = BTreeSet::new();
    let mut ways: [Vec<(i64, Role, &[u32])>; 2] = [Vec::new(), Vec::new()];
    let mut outer_whole = true;
    for (way, role) in relation.members {
        // A way listed twice bounds nothing twice.
        if !listed.insert(way) {
            continue;
        }
        if let Ok(at) = harvest.members.binary_search_by_key(&way, |m| m.id) {
            let refs = &harvest.members[at].refs;
            let refs = &harvest.refs[refs.start as usize..refs.end as usize];
            ways[usize::from(role == Role::Inner)].push((way, role, refs));
        } else {
            found.counts.missing_members += 1;
            outer_whole &= role == Role::Inner;
        }
    }
    let mut rings: Vec<(Ring, Role)> = Vec::new();
    let mut outer_ways: Vec<i64> = Vec::new();
    for (ways, is_inner) in ways.iter().zip([false, true]) {
        let joined = join(&ways.iter().map(|(_, _, refs)| *refs).collect::<Vec<_>>());
        found.counts.open_rings += u64::from(joined.left_over > 0);
        outer_whole &= is_inner || joined.left_over == 0;
        for (positions, members) in joined.rings {
            let role = match members.iter().find(|&&m| ways[m].1 != Role::Open) {
                Some(&member) => ways[member].1,
                None => Role::Open,
            };
            match ring(&positions, harvest) {
                Ok(ring) => {
                    if !is_inner {
                        outer_ways.extend(members.iter().map(|&m| ways[m].0));
                    }
                    rings.push((ring, role));
                }
                Err(Flaw::MissingNodes) => {
                    found.counts.missing_nodes += 1;
                    outer_whole &= is_inner;
                }
                Err(Flaw::NoArea) => found.counts.degenerate += 1,
            }
        }
    }
    let nested = nest(rings);
    found.counts.stray_holes += nested.stray_holes as u64;
    if !outer_whole || nested.outlines.is_empty() {
        found.clipped.extend(clipped(source, &relation.uses));
        relation.uses.area = None;
    }
    if nested.outlines.is_empty() {
        found.counts.not_assembled += u64::from(!relation.uses.is_none());
        let positions = ways.iter().flatten().flat_map(|(_, _, refs)| refs.iter());
        place_anywhere(source, relation.uses, positions, harvest, found);
    } else {
        let purposes = put_to_use(source, relation.uses, nested.outlines, found);
        found.outer_ways.extend(outer_ways.into_iter().map(|way| (way, purposes)));
    }
}

fn clipped(source: Source, uses: &Uses) -> Option<Clipped> {
    uses.area.as_ref().map(|area| Clipped { id: source.id(), name: area.name.clone() })
}

/// Why a ring is none.
enum Flaw {
    MissingNodes,
    NoArea,
}

/// The ring through some nodes, whether or not the first is repeated at the end.
fn ring(positions: &[u32], harvest: &Harvest) -> Result<Ring, Flaw> {
    let mut ring: Ring = Vec::with_capacity(positions.len());
    for &position in positions {
        let place = harvest.places.get(position as usize).filter(|p| **p != MISSING).ok_or(Flaw::MissingNodes)?;
        if ring.last() != Some(place) {
            ring.push(*place);
        }
    }
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    if has_area(&ring) { Ok(ring) } else { Err(Flaw::NoArea) }
}

/// Makes of a shape all that it is used for, and tells what that was.
fn put_to_use(source: Source, uses: Uses, shape: Vec<Outline>, found: &mut Found) -> Purposes {
    let mut purposes = Purposes::default();
    if let Some((home, levels)) = uses.building {
        let footprint_m2 = area_m2(&shape) as f32;
        let building = point_inside(&shape).map(|at| Building { at, footprint_m2, levels, home });
        purposes.building = building.is_some();
        found.counts.degenerate += u64::from(building.is_none());
        found.buildings.extend(building);
    }
    if uses.uninhabited {
        purposes.uninhabited = true;
        // Never cut, only asked what it holds, which crossing rings do tell: not worth mending, forests are large.
        found.uninhabited.push(to_shape(&shape));
    }
    if uses.residential.is_some() || uses.other_use || uses.area.is_some() {
        let mended = mended(&shape);
        found.counts.tangled += u64::from(mended.is_none());
        if let Some((shape, was_mended)) = mended {
            found.counts.mended += u64::from(was_mended);
            if let Some(land) = uses.residential {
                purposes.residential = true;
                found.residential.push(ResidentialArea { id: source.id(), name: land.name, shape: shape.clone() });
            }
            if uses.other_use {
                purposes.other_use = true;
                found.other_use.push(shape.clone());
            }
            if let Some(area) = uses.area {
                purposes.area = true;
                found.areas.push(Area { id: source.id(), shape, ..*area });
            }
        }
    }
    if uses.facility.is_some() || uses.premises.is_some() {
        if let Some(at) = point_inside(&shape) {
            found.premises.extend(uses.premises.map(|premises| Candidate::new(source, at, premises, shape.clone())));
            found.facilities.extend(uses.facility.map(|facility| Candidate::new(source, at, facility, shape)));
        } else {
            found.counts.degenerate += 1;
        }
    }
    purposes
}
