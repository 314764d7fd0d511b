//! Pedestrian areas: their rings, and the straight lines on which they are crossed.
//!
//! Positions are whole numbers, so that every question of left, right and between has an exact answer. Each pair of
//! points is tried against each side of the area, and nothing is left out.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::extract::{Relation, Tags, Way, tag};
use super::footing::{Footing, footing};

/// One closed line of an area's outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    /// Node ids in order, the first repeated at the end.
    pub(super) refs: Vec<i64>,
    /// Whether the area lies outside of it.
    pub(super) hole: bool,
}

/// The ring of a walked way that is an area; `None` when it is none.
pub(super) fn ring_of(way: &Way) -> Option<Ring> {
    let lift = way.tag("highway") == Some("elevator") && way.tag("area") != Some("no");
    let area = is_closed(&way.refs) && (lift || way.tag("area") == Some("yes"));
    area.then(|| Ring { refs: way.refs.clone(), hole: false })
}

/// How a relation is walked, when it is a pedestrian area.
pub(super) fn area_footing(tags: &Tags) -> Option<Footing> {
    let footing = footing(tags).filter(|footing| footing.ferry_s.is_none())?;
    (tag(tags, "type") == Some("multipolygon")).then_some(footing)
}

/// The rings of a multipolygon, as far as they close and the file has their nodes; no hole without a ring around it.
pub(super) fn rings_of(
    relation: &Relation,
    ways: &HashMap<i64, &Way>,
    positions: &HashMap<i64, (f64, f64)>,
) -> Vec<Ring> {
    let mut rings = Vec::new();
    for (hole, roles) in [(false, &["outer", ""][..]), (true, &["inner"])] {
        let mut seen = HashSet::new();
        let pieces = relation
            .members
            .iter()
            .filter(|member| roles.contains(&member.role.as_str()) && seen.insert(member.way))
            .filter_map(|member| ways.get(&member.way))
            .map(|way| way.refs.clone())
            .collect();
        rings.extend(join(pieces).into_iter().map(|refs| Ring { refs, hole }));
    }
    rings.retain(|ring| ring.refs.iter().all(|id| positions.contains_key(id)));
    let outers: Vec<Ring> = rings.iter().filter(|ring| !ring.hole).cloned().collect();
    let Some(first) = outers.first() else { return Vec::new() };
    let grid = Grid::around(positions[&first.refs[0]]);
    let land = Shape::new(&outers, positions, &grid);
    rings.retain(|ring| !ring.hole || ring.refs.iter().all(|id| land.contains(grid.point(positions[id]))));
    rings
}

fn is_closed(refs: &[i64]) -> bool {
    refs.len() >= 4 && refs.first() == refs.last()
}

/// Joins pieces end to end into closed lines; what does not close is left out.
fn join(mut pieces: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
    pieces.retain(|piece| piece.len() >= 2);
    let mut rings = Vec::new();
    while !pieces.is_empty() {
        let mut line = pieces.remove(0);
        while line.first() != line.last() {
            let end = line.last().copied();
            let Some(next) =
                pieces.iter().position(|piece| piece.first().copied() == end || piece.last().copied() == end)
            else {
                break;
            };
            let mut piece = pieces.remove(next);
            if piece.first().copied() != end {
                piece.reverse();
            }
            line.extend(&piece[1..]);
        }
        if is_closed(&line) {
            rings.push(line);
        }
    }
    rings
}

/// The pairs of nodes between which one walks straight across the area: of the entries and the corners that poke into the
/// free space, those that see each other; at a corner only where one could walk on around it. Neighbours on a ring, which
/// have the outline between them, are left out.
pub(super) fn sight_lines(
    rings: &[Ring],
    positions: &HashMap<i64, (f64, f64)>,
    is_entry: impl Fn(i64) -> bool,
) -> Vec<(i64, i64)> {
    let Some(first) = rings.first() else { return Vec::new() };
    let grid = Grid::around(positions[&first.refs[0]]);
    let shape = Shape::new(rings, positions, &grid);
    let mut stations = BTreeSet::new();
    let mut neighbours = HashSet::new();
    let mut beside: HashMap<i64, Vec<[i64; 2]>> = HashMap::new();
    for ring in rings {
        stations.extend(ring.refs.iter().copied().filter(|&id| is_entry(id)));
        for [before, corner, after] in corners(ring, |id| grid.point(positions[&id])) {
            stations.insert(corner);
            beside.entry(corner).or_default().push([before, after]);
        }
        neighbours.extend(ring.refs.windows(2).flat_map(|pair| [(pair[0], pair[1]), (pair[1], pair[0])]));
    }
    let stations: Vec<i64> = stations.into_iter().collect();
    let point = |id: &i64| grid.point(positions[id]);
    let goes_on = |at: i64, from: i64| {
        let side = |id: &i64| cross(point(&from), point(&at), point(id)).signum();
        is_entry(at) || beside[&at].iter().any(|[before, after]| side(before) * side(after) >= 0)
    };
    let mut lines = Vec::new();
    for (number, &from) in stations.iter().enumerate() {
        for &to in &stations[number + 1..] {
            let (start, end) = (grid.point(positions[&from]), grid.point(positions[&to]));
            let apart = !neighbours.contains(&(from, to));
            if apart && goes_on(from, to) && goes_on(to, from) && shape.sees(start, end) {
                lines.push((from, to));
            }
        }
    }
    lines
}

/// The corners of a ring on which the free space takes more than half of the full turn, each between its neighbours.
fn corners(ring: &Ring, point: impl Fn(i64) -> Point) -> Vec<[i64; 3]> {
    let mut refs = ring.refs.clone();
    refs.dedup();
    // The second again at the end, so that the first corner has both neighbours too.
    let Some(&second) = refs.get(1) else { return Vec::new() };
    refs.push(second);
    let origin = point(refs[0]);
    let doubled_area: i128 = ring.refs.windows(2).map(|pair| cross(origin, point(pair[0]), point(pair[1]))).sum();
    let inward = if ring.hole { -doubled_area.signum() } else { doubled_area.signum() };
    let pokes = |three: &&[i64]| cross(point(three[0]), point(three[1]), point(three[2])).signum() * inward < 0;
    refs.windows(3).filter(pokes).map(|three| [three[0], three[1], three[2]]).collect()
}

/// Two billionths of a degree east and north: even numbers, so that halfway between two points is a whole number too.
type Point = (i128, i128);

/// Whole numbers for positions around a place, also across the antimeridian.
struct Grid {
    origin: (f64, f64),
}

impl Grid {
    fn around(origin: (f64, f64)) -> Self {
        Self { origin }
    }

    fn point(&self, (lon, lat): (f64, f64)) -> Point {
        let mut east_deg = lon - self.origin.0;
        if east_deg.abs() > 180.0 {
            east_deg -= 360.0_f64.copysign(east_deg);
        }
        let whole = |degrees: f64| 2 * (degrees * 1e9).round() as i128;
        (whole(east_deg), whole(lat - self.origin.1))
    }
}

/// Twice the area of a triangle, positive when it turns left.
fn cross(a: Point, b: Point, c: Point) -> i128 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

/// Whether `p`, known to lie on the line through `a` and `b`, lies between them or on one of them.
fn between(a: Point, b: Point, p: Point) -> bool {
    (a.0.min(b.0)..=a.0.max(b.0)).contains(&p.0) && (a.1.min(b.1)..=a.1.max(b.1)).contains(&p.1)
}

/// An area by its sides: inside is what an odd number of sides lies east of, or what lies on a side.
struct Shape {
    sides: Vec<(Point, Point)>,
}

impl Shape {
    fn new(rings: &[Ring], positions: &HashMap<i64, (f64, f64)>, grid: &Grid) -> Self {
        let point = |id: i64| grid.point(positions[&id]);
        let sides = rings.iter().flat_map(|ring| ring.refs.windows(2)).map(|pair| (point(pair[0]), point(pair[1])));
        Self { sides: sides.filter(|(p, q)| p != q).collect() }
    }

    fn contains(&self, at: Point) -> bool {
        let mut inside = false;
        for &(p, q) in &self.sides {
            let side = cross(p, q, at);
            if side == 0 && between(p, q, at) {
                return true;
            }
            let upward = p.1 <= at.1 && at.1 < q.1;
            let downward = q.1 <= at.1 && at.1 < p.1;
            inside ^= (upward && side > 0) || (downward && side < 0);
        }
        inside
    }

    /// Whether the straight line between two points stays in the area; touching a side is staying.
    fn sees(&self, a: Point, b: Point) -> bool {
        let mut stops = vec![a, b];
        for &(p, q) in &self.sides {
            let apart = p.0.max(q.0) < a.0.min(b.0)
                || p.0.min(q.0) > a.0.max(b.0)
                || p.1.max(q.1) < a.1.min(b.1)
                || p.1.min(q.1) > a.1.max(b.1);
            if apart {
                continue;
            }
            let (side_p, side_q) = (cross(a, b, p).signum(), cross(a, b, q).signum());
            if side_p * side_q < 0 && cross(p, q, a).signum() * cross(p, q, b).signum() < 0 {
                return false;
            }
            stops.extend(
                [(p, side_p), (q, side_q)]
                    .iter()
                    .filter(|(end, side)| *side == 0 && between(a, b, *end))
                    .map(|(end, _)| *end),
            );
        }
        // No side crosses the line now, so between two stops it stays on one side of everything.
        stops.sort_unstable_by_key(|stop| (stop.0 - a.0) * (b.0 - a.0) + (stop.1 - a.1) * (b.1 - a.1));
        stops.dedup();
        stops
            .windows(2)
            .all(|pair| self.contains((i128::midpoint(pair[0].0, pair[1].0), i128::midpoint(pair[0].1, pair[1].1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes in thousandths of a degree, numbered from 1.
    fn positions(points: &[(i32, i32)]) -> HashMap<i64, (f64, f64)> {
        (1..).zip(points).map(|(id, &(x, y))| (id, (10.0 + f64::from(x) / 1e3, 40.0 + f64::from(y) / 1e3))).collect()
    }

    fn ring(ids: &[i64], hole: bool) -> Ring {
        let mut refs = ids.to_vec();
        refs.push(ids[0]);
        Ring { refs, hole }
    }

    #[test]
    fn a_square_has_no_corner_in_the_way_and_both_diagonals() {
        let positions = positions(&[(0, 0), (9, 0), (9, 9), (0, 9)]);
        let square = [ring(&[1, 2, 3, 4], false)];
        assert_eq!(sight_lines(&square, &positions, |_| true), [(1, 3), (2, 4)]);
        assert_eq!(sight_lines(&square, &positions, |_| false), []);
    }

    #[test]
    fn round_the_corner_of_an_l_one_walks_by_the_corner_whichever_way_it_was_drawn() {
        let positions = positions(&[(0, 0), (9, 0), (9, 3), (3, 3), (3, 9), (0, 9)]);
        for ids in [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [4, 5, 6, 1, 2, 3]] {
            let lines = sight_lines(&[ring(&ids, false)], &positions, |id| id == 2 || id == 6);
            assert_eq!(lines, [(2, 4), (4, 6)], "{ids:?}");
        }
    }

    #[test]
    fn a_hole_is_walked_round_and_its_dents_are_no_corners() {
        let outer = [(0, 0), (20, 0), (20, 20), (0, 20)];
        // An arrow head that points east: its dent is node 8.
        let hole = [(5, 5), (15, 10), (5, 15), (8, 10)];
        let positions = positions(&[outer, hole].concat());
        for hole in [ring(&[5, 6, 7, 8], true), ring(&[8, 7, 6, 5], true)] {
            let lines = sight_lines(&[ring(&[1, 2, 3, 4], false), hole], &positions, |id| id == 1 || id == 3);
            assert_eq!(lines, [(1, 6), (1, 7), (3, 6), (3, 7), (5, 7)]);
        }
    }

    #[test]
    fn touching_a_side_is_staying_inside_and_leaving_is_not() {
        // A comb: a straight back with two notches; nodes 3 and 6 lie on the line from 2 to 7, and 8 to 1 is the back.
        let points = [(0, 0), (0, 5), (3, 5), (4, 3), (5, 3), (6, 5), (9, 5), (9, 0)];
        let positions = positions(&points);
        let comb = [ring(&[1, 2, 3, 4, 5, 6, 7, 8], false)];
        let lines = sight_lines(&comb, &positions, |_| true);
        for outside in [(2, 7), (3, 6), (2, 6), (3, 7), (3, 5), (4, 6)] {
            assert!(!lines.contains(&outside), "{outside:?}");
        }
        for inside in [(1, 3), (1, 4), (4, 8), (2, 4), (5, 7)] {
            assert!(lines.contains(&inside), "{inside:?}");
        }
        let flat = self::positions(&[(0, 0), (4, 0), (9, 0), (9, 5), (0, 5)]);
        let lines = sight_lines(&[ring(&[1, 2, 3, 4, 5], false)], &flat, |id| id == 1 || id == 3);
        assert_eq!(lines, [(1, 3)], "along its own straight side");
    }

    #[test]
    fn pieces_join_in_any_order_and_direction_and_open_ends_are_left_out() {
        assert_eq!(join(vec![vec![1, 2, 3], vec![5, 4, 3], vec![5, 1]]), [vec![1, 2, 3, 4, 5, 1]]);
        assert_eq!(join(vec![vec![1, 2, 3, 1], vec![4, 5, 6], vec![4, 6]]), [vec![1, 2, 3, 1], vec![4, 5, 6, 4]]);
        assert_eq!(join(vec![vec![1, 2, 3], vec![3, 4], vec![9, 8, 7, 9]]), [vec![9, 8, 7, 9]]);
        assert!(join(vec![vec![], vec![1], vec![1, 2, 1]]).is_empty());
    }
}
