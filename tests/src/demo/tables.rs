//! The district's own tables of areas and blocks, as GeoJSON (RFC 7946): exteriors anticlockwise, seven decimals.

use super::borders::{Area, community_id};
use super::facilities::{Site, degrees};
use super::geometry::{Prng, Pt, pliant};
use super::town::Block;

/// Who lives in the blocks, by the district's count.
const POPULATION: i64 = 120_000;
const UNDER_THREE: i64 = 2_520;

/// Residents and children under three of each block; the totals come out exactly.
pub(super) fn census(blocks: &[Block]) -> Vec<(i64, i64)> {
    let rooms: Vec<i64> = blocks.iter().map(|block| block.floor_m2 * block.crowding).collect();
    let residents = share_out(POPULATION, &rooms);
    let young: Vec<i64> = blocks.iter().zip(&residents).map(|(block, n)| block.under3_rate * n).collect();
    residents.into_iter().zip(share_out(UNDER_THREE, &young)).collect()
}

/// Splits a whole number by weights into whole numbers that add up to it, by largest remainder.
fn share_out(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i64 = weights.iter().sum();
    let mut shares: Vec<i64> = weights.iter().map(|weight| total * weight / sum).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&i| (std::cmp::Reverse(total * weights[i] % sum), i));
    let left = total - shares.iter().sum::<i64>();
    for &i in by_remainder.iter().take(left as usize) {
        shares[i] += 1;
    }
    shares
}

/// `blocks.geojson`
pub(super) fn blocks_geojson(blocks: &[Block], census: &[(i64, i64)]) -> String {
    let features = blocks.iter().zip(census).enumerate().map(|(number, (block, (population, under3)))| {
        let (zh, en) = match &block.name {
            Some((zh, en)) => (quoted(zh), quoted(en)),
            None => ("null".to_owned(), "null".to_owned()),
        };
        let id = format!("b{:03}", number + 1);
        let area = community_id(block.community);
        let properties = format!(
            r#""id":"{id}","name":{zh},"name_en":{en},"population":{population},"under3":{under3},"area":"{area}""#
        );
        let hole = block.hole.as_deref().map(open_pliant);
        feature(&properties, &open_pliant(&block.outline), hole.as_deref())
    });
    collection(features)
}

/// `areas.geojson`
pub(super) fn areas_geojson(areas: &[Area], blocks: &[Block], census: &[(i64, i64)], sites: &[Site]) -> String {
    // Some kindergartens run no nursery class and stand in no register; the district still counts them.
    let unlisted = |letter: u8| i64::from(Prng::new(0x_c1a55, usize::from(letter)).percent(40));
    let features = areas.iter().map(|area| {
        let here = |letter: u8| area.communities.contains(&letter);
        let counted = blocks.iter().zip(census).filter(|(block, _)| here(block.community));
        let (population, under3) = counted.fold((0, 0), |sum, (_, n)| (sum.0 + n.0, sum.1 + n.1));
        let listed = sites.iter().filter(|site| site.is_kindergarten() && here(site.community)).count() as i64;
        let kindergartens = listed + area.communities.iter().map(|&letter| unlisted(letter)).sum::<i64>();
        let properties = format!(
            r#""id":"{}","name":{},"name_en":{},"level":"{}","parent":{},"population":{population},"under3":{under3},"communities":{},"kindergartens":{kindergartens}"#,
            area.id,
            quoted(area.name.0),
            quoted(area.name.1),
            area.level,
            area.parent.as_deref().map_or_else(|| "null".to_owned(), quoted),
            area.communities.len(),
        );
        feature(&properties, &area.outline, None)
    });
    collection(features)
}

fn collection(features: impl Iterator<Item = String>) -> String {
    let features: Vec<String> = features.collect();
    format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}\n", features.join(",\n"))
}

fn feature(properties: &str, outline: &[Pt], hole: Option<&[Pt]>) -> String {
    let mut rings = ring(outline, true);
    if let Some(hole) = hole {
        rings.push(',');
        rings.push_str(&ring(hole, false));
    }
    format!(
        r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":[{rings}]}}}}"#
    )
}

/// A block's ring with the points that the map gives it; the first is not repeated.
fn open_pliant(ring: &[Pt]) -> Vec<Pt> {
    let mut closed = ring.to_vec();
    closed.extend(ring.first());
    let mut dense = pliant(&closed);
    dense.pop();
    dense
}

/// A closed ring of positions, turned the way it has to run.
fn ring(points: &[Pt], anticlockwise: bool) -> String {
    let mut ring: Vec<(i32, i32)> = points.iter().map(|p| p.to_e7()).collect();
    let twice: i128 = (0..ring.len())
        .map(|i| {
            let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
            i128::from(a.0) * i128::from(b.1) - i128::from(b.0) * i128::from(a.1)
        })
        .sum();
    if (twice > 0) != anticlockwise {
        ring.reverse();
    }
    ring.push(ring[0]);
    let positions: Vec<String> =
        ring.into_iter().map(|(lon, lat)| format!("[{},{}]", degrees(lon), degrees(lat))).collect();
    format!("[{}]", positions.join(","))
}

/// A JSON string; none of the town's names needs an escape.
fn quoted(text: &str) -> String {
    assert!(!text.contains(['"', '\\']), "names are plain");
    format!("\"{text}\"")
}
