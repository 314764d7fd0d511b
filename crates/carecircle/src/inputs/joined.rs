//! `--add-osm`: which facilities of a table are surely those of the map, so that each counts once.
//!
//! The table's row stands and takes over what the map alone tells. What may be one but is not surely so stays two, and is
//! told.

use carecircle_core::facility::Facility;
use carecircle_core::geometry::{LonLat, LonLatShape, geodesic_m};
use carecircle_core::polygon;
use carecircle_formats::table::Remark;
use geo::Coord;
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};
use std::collections::{BTreeMap, BTreeSet};

/// Of one name and so near, two are one: an address is found on its street, the map's point stands in the middle of the
/// house or its garden; two houses of one chain stand farther apart.
const ONE_NAME_M: f64 = 100.0;
/// So near, half of a building's width, two of a kind whose names say nothing against it are one.
const ONE_HOUSE_M: f64 = 15.0;
/// Of one name, but farther apart than this, they are no longer asked about.
const PERHAPS_M: f64 = 500.0;
/// The column that says which of the map's facilities a row was joined with.
const OSM_ID: &str = "osm_id";
/// So many pairs are told of.
const PAIRS_TOLD: usize = 5;

/// What two facilities have in common, from what says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Id,
    Name,
    House,
    /// Not enough to say that they are one.
    Perhaps,
}

/// The map's facilities, joined with a table's.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Those of the map that are in no row.
    pub(super) others: Vec<Facility>,
    /// Pairs counted once: the table's id, the map's.
    pub(super) same: Vec<[String; 2]>,
    /// Pairs that may be one and are counted as two.
    pub(super) perhaps: Vec<[String; 2]>,
}

/// Joins the map's facilities with a table's `rows`, which take over what only the map tells, and its outline where they
/// stand on it. Where a row might be two of the map's, or one of the map's two rows, it is neither.
pub(super) fn join(
    rows: &mut [Facility],
    mapped: Vec<Facility>,
    grounds: &mut BTreeMap<String, LonLatShape>,
) -> Joined {
    let mut bonds = bonds(rows, &mapped, grounds);
    bonds.sort_unstable();
    let mut out = Joined::default();
    let (mut of_row, mut of_mapped) = (vec![None; rows.len()], vec![None; mapped.len()]);
    for some in bonds.chunk_by(|a, b| a.0 == b.0).filter(|some| some[0].0 != Bond::Perhaps) {
        // Whom a stronger bond has joined is no longer asked.
        let free: Vec<(usize, usize)> = some
            .iter()
            .map(|&(_, row, m)| (row, m))
            .filter(|&(row, m)| of_row[row].is_none() && of_mapped[m].is_none())
            .collect();
        let (mut by_row, mut by_mapped) = (BTreeMap::new(), BTreeMap::new());
        for &(row, m) in &free {
            *by_row.entry(row).or_insert(0) += 1;
            *by_mapped.entry(m).or_insert(0) += 1;
        }
        for (row, m) in free.into_iter().filter(|(row, m)| by_row[row] == 1 && by_mapped[m] == 1) {
            (of_row[row], of_mapped[m]) = (Some(m), Some(row));
        }
    }
    let ids = |row: usize, m: usize| [rows[row].id.clone(), mapped[m].id.clone()];
    let undecided: BTreeSet<(usize, usize)> = bonds
        .iter()
        .map(|&(_, row, m)| (row, m))
        .filter(|&(row, m)| of_row[row].is_none() && of_mapped[m].is_none())
        .collect();
    out.perhaps = undecided.into_iter().map(|(row, m)| ids(row, m)).collect();
    out.same = of_row.iter().enumerate().filter_map(|(row, m)| m.map(|m| ids(row, m))).collect();
    for (other, row) in mapped.into_iter().zip(of_mapped) {
        let Some(row) = row.map(|row| &mut rows[row]) else {
            out.others.push(other);
            continue;
        };
        if let Some(outline) = grounds.remove(&other.id)
            && holds(&outline, row.at)
        {
            grounds.insert(row.id.clone(), outline);
        }
        fill(row, other);
    }
    out
}

/// Whatever a row and one of the map's have in common, by bond, number of row and number in the map.
fn bonds(rows: &[Facility], mapped: &[Facility], grounds: &BTreeMap<String, LonLatShape>) -> Vec<(Bond, usize, usize)> {
    let ids: BTreeMap<&str, usize> = mapped.iter().zip(0..).map(|(f, i)| (f.id.as_str(), i)).collect();
    let names: Vec<BTreeSet<String>> = mapped.iter().map(names).collect();
    let placed = mapped.iter().zip(0..).map(|(f, i)| GeomWithData::new([f.at.lon(), f.at.lat()], i));
    let tree: RTree<GeomWithData<[f64; 2], usize>> = RTree::bulk_load(placed.collect());
    let mut out = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        out.extend(ids.get(row.id.as_str()).map(|&m| (Bond::Id, number, m)));
        let own = self::names(row);
        // A degree of latitude is 110.57 km or more, one of longitude shrinks towards the poles.
        let reach = PERHAPS_M / 110_000.0;
        let (lon, lat) = (row.at.lon(), row.at.lat());
        let wide = reach / lat.to_radians().cos().max(0.01);
        let around = AABB::from_corners([lon - wide, lat - reach], [lon + wide, lat + reach]);
        for m in tree.locate_in_envelope(around).map(|near| near.data) {
            let other = &mapped[m];
            let apart_m = geodesic_m(row.at, other.at);
            let is_one_name = !own.is_disjoint(&names[m]);
            let names_differ = !is_one_name && !own.is_empty() && !names[m].is_empty();
            let is_one_house =
                apart_m <= ONE_HOUSE_M || grounds.get(&other.id).is_some_and(|outline| holds(outline, row.at));
            let bond = if is_one_name && apart_m <= ONE_NAME_M {
                Bond::Name
            } else if is_one_house && !names_differ && is_one_kind(row, other) {
                Bond::House
            } else if is_one_house || is_one_name && apart_m <= PERHAPS_M {
                Bond::Perhaps
            } else {
                continue;
            };
            out.push((bond, number, m));
        }
    }
    out
}

fn holds(outline: &LonLatShape, at: LonLat) -> bool {
    polygon::contains(outline, Coord { x: at.lon(), y: at.lat() })
}

/// Its names in letters and digits alone, small and half as wide.
fn names(facility: &Facility) -> BTreeSet<String> {
    let plain = |name: &String| -> String {
        let narrow = |c: char| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            _ => c,
        };
        name.chars().map(narrow).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let all = [&facility.name, &facility.name_zh, &facility.name_en].into_iter().flatten();
    all.map(plain).filter(|name| !name.is_empty()).collect()
}

/// Whether the map might draw both alike: it knows kindergartens, and childcare of any other kind.
fn is_one_kind(a: &Facility, b: &Facility) -> bool {
    use carecircle_core::facility::Kind;
    let is_kindergarten = |f: &Facility| matches!(f.kind, Kind::Kindergarten | Kind::KindergartenClass);
    is_kindergarten(a) == is_kindergarten(b)
}

/// Takes over what only the map tells. Ages go together, and a number of places that the row's children would not fit
/// into is not the row's.
fn fill(row: &mut Facility, mapped: Facility) {
    row.name = row.name.take().or(mapped.name);
    row.name_zh = row.name_zh.take().or(mapped.name_zh);
    row.name_en = row.name_en.take().or(mapped.name_en);
    let fits = |places: &u32| row.enrolled.is_none_or(|enrolled| enrolled <= *places);
    row.places = row.places.or(mapped.places.filter(fits));
    if row.min_months.is_none() && row.max_months.is_none() {
        (row.min_months, row.max_months) = (mapped.min_months, mapped.max_months);
    }
    row.other = mapped.other.iter().chain([(OSM_ID, &*mapped.id)]).chain(row.other.iter()).collect();
}

impl Joined {
    /// What was joined, and what perhaps should have been.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let listed = |pairs: &[[String; 2]]| {
            let first: Vec<String> =
                pairs.iter().take(PAIRS_TOLD).map(|[row, mapped]| format!("{row} = {mapped}")).collect();
            first.join(", ") + if pairs.len() > PAIRS_TOLD { ", …" } else { "" }
        };
        let mut out = Vec::new();
        if !self.same.is_empty() {
            let (n, pairs) = (self.same.len(), listed(&self.same));
            out.push(Remark {
                en: format!("facilities that both the table and the map have, counted once: {n} ({pairs})"),
                zh: format!("表格与地图中均有、只计一次的机构：{n} 家（{pairs}）"),
            });
        }
        if !self.perhaps.is_empty() {
            let (n, pairs) = (self.perhaps.len(), listed(&self.perhaps));
            out.push(Remark {
                en: format!(
                    "pairs of the table and the map that are perhaps one facility, counted as two: {n} ({pairs})"
                ),
                zh: format!("表格与地图中可能为同一机构、仍按两家计的：{n} 对（{pairs}）"),
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecircle_core::facility::Kind;
    use geo::{MultiPolygon, Rect};

    /// Metres east and north of a place in Shijiazhuang.
    fn at(east_m: f64, north_m: f64) -> LonLat {
        LonLat::from_degrees(114.5 + east_m / 87_800.0, 38.04 + north_m / 111_000.0).unwrap()
    }

    fn facility(id: &str, name: &str, kind: Kind, east_m: f64) -> Facility {
        Facility { name: (!name.is_empty()).then(|| name.to_owned()), ..Facility::new(id, at(east_m, 0.0), kind) }
    }

    fn joined(rows: &[Facility], mapped: &[Facility]) -> Joined {
        join(&mut rows.to_vec(), mapped.to_vec(), &mut BTreeMap::new())
    }

    #[test]
    fn one_name_near_by_or_one_house_without_another_name_is_one_facility() {
        let (nursery, garden) = (Kind::Nursery, Kind::Kindergarten);
        for (row, mapped, same, perhaps) in [
            (("Ｓunny-Kids", nursery, 0.0), ("SUNNY kids", garden, 95.0), 1, 0),
            (("Sunny Kids", nursery, 0.0), ("Sunny Kids", nursery, 105.0), 0, 1),
            (("Sunny Kids", nursery, 0.0), ("Sunny Kids", nursery, 505.0), 0, 0),
            (("阳光托育", Kind::Community, 0.0), ("", nursery, 14.0), 1, 0),
            (("阳光托育", nursery, 0.0), ("", nursery, 16.0), 0, 0),
            (("阳光托育", nursery, 0.0), ("月亮托育", nursery, 3.0), 0, 1),
            (("", nursery, 0.0), ("", garden, 3.0), 0, 1),
            (("", Kind::KindergartenClass, 0.0), ("", garden, 3.0), 1, 0),
        ] {
            let rows = [facility("t", row.0, row.1, row.2)];
            let found = joined(&rows, &[facility("n1", mapped.0, mapped.1, mapped.2)]);
            assert_eq!((found.same.len(), found.perhaps.len()), (same, perhaps), "{row:?} {mapped:?}");
            assert_eq!(found.others.len(), 1 - same);
        }
    }

    #[test]
    fn who_might_be_two_is_neither_and_a_name_decides_before_a_house() {
        let map = [facility("n1", "", Kind::Nursery, -10.0), facility("n2", "", Kind::Nursery, 10.0)];
        let found = joined(&[facility("t", "A", Kind::Nursery, 0.0)], &map);
        assert_eq!((found.same.len(), found.perhaps.len(), found.others.len()), (0, 2, 2));
        let map = [facility("n1", "", Kind::Nursery, 1.0), facility("n2", "A", Kind::Nursery, 40.0)];
        let rows = [facility("t", "A", Kind::Nursery, 0.0), facility("u", "B", Kind::Nursery, 2.0)];
        assert_eq!(joined(&rows, &map).same, [["t", "n2"], ["u", "n1"]]);
        let found = joined(&[facility("w7", "A", Kind::Nursery, 9_000.0)], &[facility("w7", "", Kind::Nursery, 0.0)]);
        assert_eq!((found.same, found.others), (vec![["w7".to_owned(), "w7".to_owned()]], Vec::new()));
    }

    #[test]
    fn what_the_map_alone_tells_is_kept_and_the_row_stands() {
        let mut rows = [Facility { enrolled: Some(50), ..facility("t", "A", Kind::Community, 0.0) }];
        let mut mapped = Facility { places: Some(40), min_months: Some(6), ..facility("w1", "A", Kind::Nursery, 60.0) };
        mapped.name_en = Some("Alpha".to_owned());
        mapped.other.insert("phone", "1");
        let corners = |far_m: f64| {
            let corner = |p: LonLat| Coord { x: p.lon(), y: p.lat() };
            MultiPolygon(vec![Rect::new(corner(at(-5.0, -5.0)), corner(at(far_m, 5.0))).to_polygon()])
        };
        let mut grounds = BTreeMap::from([("w1".to_owned(), corners(70.0))]);
        let found = join(&mut rows, vec![mapped.clone()], &mut grounds);
        assert!(found.others.is_empty());
        let [row] = rows;
        assert_eq!((row.id.as_str(), row.kind, row.at), ("t", Kind::Community, at(0.0, 0.0)));
        assert_eq!((row.places, row.enrolled, row.min_months), (None, Some(50), Some(6)));
        assert_eq!(row.name_en.as_deref(), Some("Alpha"));
        assert_eq!((&row.other["phone"], &row.other["osm_id"]), ("1", "w1"));
        assert_eq!(grounds.keys().collect::<Vec<_>>(), ["t"]);
    }
}
