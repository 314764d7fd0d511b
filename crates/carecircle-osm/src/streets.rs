//! Streets out of ways: missing nodes cut a way into pieces, and only places on pieces are kept. Squares out of closed ways
//! and relations. What stands on streets: gates, kerbs, lifts.

use crate::report::{SpotCounts, StreetCounts};
use crate::rings::join;
use crate::stages::{Harvest, MISSING, RelationFound, Role, StreetFound};
use crate::tags::Walk;
use carecircle_core::geometry::{LonLat, geodesic_m};
use carecircle_core::street::{Access, Barrier, Delay, Rank, StreetArea, StreetClass, StreetWay, Streets};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// A square, its rings as positions of nodes.
pub(crate) struct Square {
    id: i64,
    walk: Walk,
    rings: Vec<Vec<u32>>,
}

impl Square {
    fn refs(&self) -> usize {
        self.rings.iter().map(Vec::len).sum()
    }
}

/// The squares that are drawn as relations, those that are whole in the extract.
/// Also how many are not whole.
pub(crate) fn squares(relations: &[RelationFound], harvest: &Harvest) -> (Vec<Square>, u64) {
    let square = |relation: &RelationFound| {
        let walk = relation.walk?;
        let (mut rings, mut listed) = (Vec::new(), BTreeSet::new());
        for is_hole in [false, true] {
            let (mut ways, mut missing) = (Vec::new(), 0);
            for (way, _) in relation.members.iter().filter(|(_, role)| (*role == Role::Inner) == is_hole) {
                // A way listed twice bounds nothing twice.
                if !listed.insert(*way) {
                    continue;
                }
                match harvest.members.binary_search_by_key(way, |m| m.id) {
                    Ok(member) => ways.push(&harvest.refs[as_indices(&harvest.members[member].refs)]),
                    Err(_) => missing += 1,
                }
            }
            let joined = join(&ways);
            let (whole, broken): (Vec<_>, Vec<_>) =
                joined.rings.into_iter().map(|(ring, _)| ring).partition(|r| r.iter().all(|&p| is_place(p, harvest)));
            // Without all of its outline nobody knows where it is; without a hole it is still crossed.
            if !is_hole && (joined.left_over > 0 || missing > 0 || !broken.is_empty()) {
                return None;
            }
            rings.extend(whole);
        }
        (!rings.is_empty()).then_some(Square { id: -relation.id, walk, rings })
    };
    // Relations may share their ways, and a small file could list large ones very often.
    let mut left = MOST_REFS_AGAIN * harvest.refs.len();
    let mut found = Vec::new();
    let mut lost = 0;
    for relation in relations.iter().filter(|relation| relation.walk.is_some()) {
        match square(relation) {
            Some(square) if square.refs() <= left => {
                left -= square.refs();
                found.push(square);
            }
            _ => lost += 1,
        }
    }
    (found, lost)
}

/// All squares that are relations together run through the places of ways so many times at most.
const MOST_REFS_AGAIN: usize = 4;

fn is_place(position: u32, harvest: &Harvest) -> bool {
    harvest.places.get(position as usize).is_some_and(|place| *place != MISSING)
}

/// The square that a closed way is, where its tags say so and it is whole in the extract.
fn square(found: &StreetFound, harvest: &Harvest) -> Option<Square> {
    let refs = &harvest.refs[as_indices(&found.refs)];
    let (first, ring) = refs.split_last()?;
    let is_square =
        found.walk.area && ring.len() >= 3 && ring[0] == *first && refs.iter().all(|&p| is_place(p, harvest));
    is_square.then(|| Square { id: found.id, walk: found.walk, rings: vec![ring.to_vec()] })
}

/// The streets of an extract, ways by ascending id, places by ascending node id; and what became of ways and nodes.
pub(crate) fn streets(harvest: &Harvest, (relations, lost): (Vec<Square>, u64)) -> (Streets, StreetCounts, SpotCounts) {
    let on_street: Vec<AtomicBool> = harvest.places.iter().map(|_| AtomicBool::new(false)).collect();
    let mark = |positions: &[u32]| {
        for position in positions {
            on_street[*position as usize].store(true, Ordering::Relaxed);
        }
    };
    let is_whole = !harvest.places.contains(&MISSING);
    let parts: Vec<(Vec<StreetWay>, Vec<Square>, StreetCounts)> = harvest
        .streets
        .par_chunks(CHUNK)
        .map(|found| {
            let (mut ways, mut squares) = (Vec::with_capacity(found.len()), Vec::new());
            let mut counts = StreetCounts::default();
            for found in found {
                if let Some(square) = square(found, harvest) {
                    mark(&square.rings[0]);
                    squares.push(square);
                    count(found.walk, &mut counts);
                    continue;
                }
                let first = ways.len();
                pieces(found, harvest, is_whole, &mut counts, &mut ways);
                if ways.len() == first {
                    counts.too_short += 1;
                } else {
                    count(found.walk, &mut counts);
                }
                ways[first..].iter().for_each(|piece| mark(&harvest.refs[as_indices(&piece.refs)]));
            }
            (ways, squares, counts)
        })
        .collect();
    relations.iter().flat_map(|square| &square.rings).for_each(|ring| mark(ring));

    let mut point_of = vec![u32::MAX; harvest.places.len()];
    let mut points = Vec::with_capacity(harvest.places.len());
    for (position, on_street) in on_street.into_iter().enumerate() {
        if on_street.into_inner() {
            point_of[position] = points.len() as u32;
            points.push(harvest.places[position]);
        }
    }
    points.shrink_to_fit();

    let mut counts = StreetCounts::default();
    let mut ways: Vec<StreetWay> = Vec::with_capacity(parts.iter().map(|(ways, ..)| ways.len()).sum());
    let mut squares = Vec::new();
    for (part, drawn, more) in parts {
        ways.extend(part);
        squares.extend(drawn);
        counts.add(more);
    }
    for square in &relations {
        count(square.walk, &mut counts);
    }
    counts.squares = (squares.len() + relations.len()) as u64;
    counts.squares_lost = lost;
    squares.extend(relations);
    let refs_of = |ways: &[StreetWay]| -> Vec<u32> {
        let positions = ways.iter().flat_map(|way| &harvest.refs[as_indices(&way.refs)]);
        positions.map(|&position| point_of[position as usize]).collect()
    };
    let walks = harvest.streets.iter().map(|found| (found.id, found.walk));
    let walks = walks.chain(squares.iter().map(|square| (square.id, square.walk)));
    let mut ranks: Vec<(i64, Rank)> =
        walks.filter(|(_, walk)| walk.rank != Rank::of(walk.class)).map(|(id, walk)| (id, walk.rank)).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let mut refs = ways.par_chunks(CHUNK).map(refs_of).collect::<Vec<_>>().concat();
    let mut start = 0;
    for way in &mut ways {
        let end = start + way.refs.len() as u32;
        way.refs = start..end;
        start = end;
    }
    refs.reserve_exact(squares.iter().flat_map(|square| &square.rings).map(Vec::len).sum());
    let mut area = |square: Square| {
        let mut ring = |ring: Vec<u32>| {
            let start = refs.len() as u32;
            refs.extend(ring.into_iter().map(|position| point_of[position as usize]));
            start..refs.len() as u32
        };
        let Walk { class, access, ground, .. } = square.walk;
        StreetArea { id: square.id, rings: square.rings.into_iter().map(&mut ring).collect(), class, access, ground }
    };
    let areas = squares.into_iter().map(&mut area).collect();
    let (barriers, delays, spots) = spots(harvest, &point_of);
    (Streets { points, refs, ways, areas, barriers, delays, ranks }, counts, spots)
}

/// What stands on streets, by place.
fn spots(harvest: &Harvest, point_of: &[u32]) -> (Vec<Barrier>, Vec<(u32, Delay)>, SpotCounts) {
    let (mut barriers, mut delays) = (Vec::new(), Vec::new());
    let mut counts = SpotCounts::default();
    for found in &harvest.spots {
        let (spot, point) = (found.spot, point_of[found.position as usize]);
        if point == u32::MAX {
            continue;
        }
        if let Some((access, gate)) = spot.barrier {
            match access {
                Access::Closed if gate => counts.closed_gates += 1,
                Access::Closed => counts.walls += 1,
                Access::Public | Access::Destination => counts.private_gates += 1,
            }
            barriers.push(Barrier { point, node: found.id, access, gate });
        }
        counts.conditional += u64::from(spot.conditional);
        let mut delay = |stands: bool, delay: Delay, count: &mut u64| {
            *count += u64::from(stands);
            delays.extend(stands.then_some((point, delay)));
        };
        delay(spot.raised_kerb, Delay::RaisedKerb, &mut counts.raised_kerbs);
        delay(spot.signals, Delay::Signals, &mut counts.signals);
        delay(spot.lift, Delay::Lift, &mut counts.lifts);
    }
    (barriers, delays, counts)
}

/// Ways that one thread takes at a time.
const CHUNK: usize = 2_048;

fn as_indices(refs: &Range<u32>) -> Range<usize> {
    refs.start as usize..refs.end as usize
}

/// Adds the pieces of a way that are whole in the extract; their refs are still the harvest's.
fn pieces(
    found: &StreetFound,
    harvest: &Harvest,
    is_whole: bool,
    counts: &mut StreetCounts,
    ways: &mut Vec<StreetWay>,
) {
    let first = ways.len();
    let refs = &harvest.refs[as_indices(&found.refs)];
    let piece = |refs: Range<u32>| StreetWay {
        id: found.id,
        refs,
        class: found.walk.class,
        access: found.walk.access,
        forward: found.walk.forward,
        backward: found.walk.backward,
        duration_s: found.walk.duration_s,
        ground: found.walk.ground,
    };
    if is_whole {
        ways.extend((refs.len() >= 2).then(|| piece(found.refs.clone())));
        return;
    }
    let is_missing = |position: &u32| harvest.places.get(*position as usize).is_none_or(|p| *p == MISSING);
    let mut start = found.refs.start;
    for run in refs.split(is_missing) {
        let end = start + run.len() as u32;
        if run.len() >= 2 {
            ways.push(piece(start..end));
        }
        start = end + 1;
    }
    let missing = refs.iter().filter(|position| is_missing(position)).count() as u64;
    counts.missing_nodes += missing;
    counts.cut += u64::from(missing > 0 && ways.len() > first);
    if let (Some(whole_s), true) = (found.walk.duration_s, ways.len() > first + 1) {
        share_duration(whole_s, &mut ways[first..], harvest);
    }
}

/// Shares a ferry's time over its pieces by their lengths.
fn share_duration(whole_s: f64, pieces: &mut [StreetWay], harvest: &Harvest) {
    let length_m = |piece: &StreetWay| -> f64 {
        let places: Vec<LonLat> =
            harvest.refs[as_indices(&piece.refs)].iter().map(|&p| harvest.places[p as usize]).collect();
        places.windows(2).map(|pair| geodesic_m(pair[0], pair[1])).sum()
    };
    let lengths: Vec<f64> = pieces.iter().map(length_m).collect();
    let whole_m: f64 = lengths.iter().sum();
    if whole_m > 0.0 {
        for (piece, length_m) in pieces.iter_mut().zip(lengths) {
            piece.duration_s = Some(whole_s * length_m / whole_m);
        }
    }
}

fn count(walk: Walk, counts: &mut StreetCounts) {
    counts.walkable += 1;
    counts.ferries += u64::from(walk.class == StreetClass::Ferry);
    counts.destination_only += u64::from(walk.access == Access::Destination);
    counts.conditional += u64::from(walk.conditional);
    counts.one_way += u64::from(!(walk.forward && walk.backward));
    counts.sidewalks_apart += u64::from(walk.sidewalks_apart);
}
