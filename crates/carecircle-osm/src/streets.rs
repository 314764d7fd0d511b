//! Streets out of ways: missing nodes cut a way into pieces, and only places on pieces are kept.

use crate::report::StreetCounts;
use crate::stages::{Harvest, MISSING, StreetFound};
use carecircle_core::geometry::{LonLat, geodesic_m};
use carecircle_core::street::{Access, StreetClass, StreetWay, Streets};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The streets of an extract, ways by ascending id, places by ascending node id; and what became of ways.
pub(crate) fn streets(harvest: &Harvest) -> (Streets, StreetCounts) {
    let on_street: Vec<AtomicBool> = harvest.places.iter().map(|_| AtomicBool::new(false)).collect();
    let is_whole = !harvest.places.contains(&MISSING);
    let parts: Vec<(Vec<StreetWay>, StreetCounts)> = harvest
        .streets
        .par_chunks(CHUNK)
        .map(|found| {
            let mut ways = Vec::with_capacity(found.len());
            let mut counts = StreetCounts::default();
            for found in found {
                let first = ways.len();
                pieces(found, harvest, is_whole, &mut counts, &mut ways);
                count(found, ways.len() - first, &mut counts);
                for position in ways[first..].iter().flat_map(|piece| &harvest.refs[as_indices(&piece.refs)]) {
                    on_street[*position as usize].store(true, Ordering::Relaxed);
                }
            }
            (ways, counts)
        })
        .collect();

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
    let mut ways: Vec<StreetWay> = Vec::with_capacity(parts.iter().map(|(ways, _)| ways.len()).sum());
    for (part, more) in parts {
        ways.extend(part);
        counts.add(more);
    }
    let refs_of = |ways: &[StreetWay]| -> Vec<u32> {
        let positions = ways.iter().flat_map(|way| &harvest.refs[as_indices(&way.refs)]);
        positions.map(|&position| point_of[position as usize]).collect()
    };
    let refs = ways.par_chunks(CHUNK).map(refs_of).collect::<Vec<_>>().concat();
    let mut start = 0;
    for way in &mut ways {
        let end = start + way.refs.len() as u32;
        way.refs = start..end;
        start = end;
    }
    (Streets { points, refs, ways }, counts)
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

fn count(found: &StreetFound, pieces: usize, counts: &mut StreetCounts) {
    if pieces == 0 {
        counts.too_short += 1;
        return;
    }
    let walk = found.walk;
    counts.walkable += 1;
    counts.ferries += u64::from(walk.class == StreetClass::Ferry);
    counts.destination_only += u64::from(walk.access == Access::Destination);
    counts.conditional += u64::from(walk.conditional);
    counts.one_way += u64::from(!(walk.forward && walk.backward));
}
