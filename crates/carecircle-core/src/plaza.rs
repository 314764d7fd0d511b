//! Squares: the straight lines by which people cross them.
//!
//! Between the entries of a square and the corners that stand in the way (those of holes, and those where its outline
//! bends inwards) runs a line wherever one can see from one to the other; the shortest way across is made of such lines
//! (Lozano-Pérez and Wesley 1979, the visibility graph). The work for one square is bounded.

use crate::geometry::Point;

/// Where there are more lines than this, those are left out beside which others make a way that is hardly longer. It takes
/// 65 entries that all see each other; most squares have a few dozen lines, the largest of Helsinki's 1,600.
const MOST_LINES: usize = 2_000;
/// Hardly longer: by one percent.
const STRETCH: f64 = 1.01;
/// Comparisons of a line with a side of the outline that one square may cost: those of 180 entries and corners. Of more,
/// some are passed over.
const MOST_COMPARISONS: usize = 3_000_000;

/// No fewer comparisons than the lines across a square take.
pub(crate) fn most_comparisons(rings: &[&[u32]], is_entry: impl Fn(u32) -> bool) -> usize {
    let sides: usize = rings.iter().map(|ring| ring.len()).sum();
    // At most every other place is a corner that pokes in; a triangle has none.
    let entries = rings.iter().copied().flatten().filter(|place| is_entry(**place)).count();
    let corners = sides.min(entries + sides / 2);
    (corners * corners / 2).saturating_mul(sides).min(MOST_COMPARISONS) + rings.len() * sides
}

/// The lines across a square, as pairs of the indices that `rings` hold. Sides of the outline are not among them.
///
/// `rings` are closed, the first place not repeated; what is enclosed an odd number of times is inside.
pub(crate) fn sight_lines(rings: &[&[u32]], plan: &[Point], is_entry: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
    let sides: Vec<Side> = rings.iter().enumerate().flat_map(|(i, ring)| sides(i, ring, plan)).collect();
    if rings.len() * sides.len() > MOST_COMPARISONS {
        return Vec::new();
    }
    let corners = corners(rings, &sides, plan, is_entry);
    let mut lines = Vec::new();
    for (i, a) in corners.iter().enumerate() {
        for (j, b) in corners.iter().enumerate().skip(i + 1) {
            if a.place != b.place
                && a.is_rounded_by(b, plan)
                && b.is_rounded_by(a, plan)
                && is_visible((a.place, b.place), &sides, plan)
            {
                lines.push((i, j));
            }
        }
    }
    if lines.len() > MOST_LINES {
        lines = thinned(lines, &corners, plan);
    }
    lines.into_iter().map(|(i, j)| (corners[i].place, corners[j].place)).collect()
}

/// An entry, or a corner that pokes into the square.
struct Corner {
    place: u32,
    /// The corners of the outline before and after it; none for an entry.
    beside: Option<[u32; 2]>,
    /// How sharply it bends, negative.
    bend: f64,
}

impl Corner {
    /// Whether a shortest way may come from `other` and go on around this corner: both sides of the outline that meet here
    /// lie on one side of the line. At an entry every way may end.
    fn is_rounded_by(&self, other: &Self, plan: &[Point]) -> bool {
        self.beside.is_none_or(|[before, after]| {
            let side = |p: u32| turn(plan[other.place as usize], plan[self.place as usize], plan[p as usize]);
            side(before) * side(after) >= 0.0
        })
    }
}

/// One straight side of an outline.
struct Side {
    ring: usize,
    a: u32,
    b: u32,
    from: Point,
    to: Point,
}

fn sides<'a>(number: usize, ring: &'a [u32], plan: &'a [Point]) -> impl Iterator<Item = Side> + 'a {
    let following = ring.iter().cycle().skip(1);
    ring.iter().zip(following).filter(|(a, b)| a != b).map(move |(&a, &b)| Side {
        ring: number,
        a,
        b,
        from: plan[a as usize],
        to: plan[b as usize],
    })
}

/// Entries, and corners that poke into the square: all of the former before the sharpest of the latter, no more than can be
/// afforded.
fn corners(rings: &[&[u32]], sides: &[Side], plan: &[Point], is_entry: impl Fn(u32) -> bool) -> Vec<Corner> {
    let at = |p: u32| plan[p as usize];
    let mut entries = Vec::new();
    let mut bends = Vec::new();
    for (number, ring) in rings.iter().enumerate().filter(|(_, ring)| ring.len() >= 3) {
        let area: f64 = (0..ring.len()).map(|i| cross(at(ring[i]), at(ring[(i + 1) % ring.len()]))).sum();
        let middle = midpoint(at(ring[0]), at(ring[1]));
        let is_hole = is_inside(middle, sides.iter().filter(|s| s.ring != number));
        // The square lies to the left of the ring walked this way.
        let sign = if (area > 0.0) == is_hole { -1.0 } else { 1.0 };
        for (i, &corner) in ring.iter().enumerate() {
            let beside = [ring[(i + ring.len() - 1) % ring.len()], ring[(i + 1) % ring.len()]];
            let (inwards, onwards) = (at(corner) - at(beside[0]), at(beside[1]) - at(corner));
            let turn = sign * (inwards.x * onwards.y - inwards.y * onwards.x);
            if is_entry(corner) {
                entries.push(Corner { place: corner, beside: None, bend: 0.0 });
            } else if turn < 0.0 {
                let bend = turn / (inwards.x.hypot(inwards.y) * onwards.x.hypot(onwards.y)).max(1e-9);
                bends.push(Corner { place: corner, beside: Some(beside), bend });
            }
        }
    }
    let affordable = (2 * MOST_COMPARISONS / sides.len().max(1)).isqrt();
    if entries.len() > affordable {
        let (all, mut number) = (entries.len(), 0);
        entries.retain(|_| {
            number += 1;
            number * affordable / all > (number - 1) * affordable / all
        });
    }
    bends.sort_by(|a, b| a.bend.total_cmp(&b.bend).then(a.place.cmp(&b.place)));
    bends.truncate(affordable - entries.len());
    entries.extend(bends);
    entries
}

/// Whether the open line from `a` to `b` lies inside the square and touches no side but those that end at `a` or `b`.
fn is_visible((a, b): (u32, u32), sides: &[Side], plan: &[Point]) -> bool {
    let (from, to) = (plan[a as usize], plan[b as usize]);
    let ends_at = |s: &Side, p: u32| s.a == p || s.b == p;
    for side in sides {
        match (ends_at(side, a), ends_at(side, b)) {
            (true, true) => return false,
            (false, false) if touch(from, to, side.from, side.to) => return false,
            _ => {}
        }
    }
    is_inside(midpoint(from, to), sides.iter())
}

fn cross(a: Point, b: Point) -> f64 {
    a.x * b.y - a.y * b.x
}

fn midpoint(a: Point, b: Point) -> Point {
    (a + b) * 0.5
}

/// On which side of the line from `a` to `b` a point lies: positive to the left.
fn turn(a: Point, b: Point, p: Point) -> f64 {
    cross(b - a, p - a)
}

/// Whether two lines meet; an end of one on the other counts.
fn touch(a: Point, b: Point, c: Point, d: Point) -> bool {
    let apart = |x: f64, y: f64| (x > 0.0 && y > 0.0) || (x < 0.0 && y < 0.0);
    let boxes_apart = a.x.max(b.x) < c.x.min(d.x)
        || c.x.max(d.x) < a.x.min(b.x)
        || a.y.max(b.y) < c.y.min(d.y)
        || c.y.max(d.y) < a.y.min(b.y);
    !boxes_apart && !apart(turn(a, b, c), turn(a, b, d)) && !apart(turn(c, d, a), turn(c, d, b))
}

fn is_inside<'a>(p: Point, sides: impl Iterator<Item = &'a Side>) -> bool {
    let mut inside = false;
    for Side { from, to, .. } in sides {
        if (from.y > p.y) != (to.y > p.y) {
            let left = turn(*from, *to, p) > 0.0;
            inside ^= left == (to.y > from.y);
        }
    }
    inside
}

/// Of many lines those that shorten a way by more than [`STRETCH`], the shortest looked at first: a greedy spanner
/// (Althöfer et al. 1993).
fn thinned(mut lines: Vec<(usize, usize)>, corners: &[Corner], plan: &[Point]) -> Vec<(usize, usize)> {
    let n = corners.len();
    let length = |&(i, j): &(usize, usize)| {
        let way = plan[corners[j].place as usize] - plan[corners[i].place as usize];
        way.x.hypot(way.y)
    };
    lines.sort_by(|a, b| length(a).total_cmp(&length(b)).then(a.cmp(b)));
    let mut shortest = vec![f64::INFINITY; n * n];
    (0..n).for_each(|i| shortest[i * n + i] = 0.0);
    let (mut before, mut beyond) = (Vec::with_capacity(n), Vec::with_capacity(n));
    lines.retain(|line| {
        let (length, &(i, j)) = (length(line), line);
        if shortest[i * n + j] <= STRETCH * length {
            return false;
        }
        // A way gets shorter only from a place that the line brings nearer to `j` to one that it brings nearer to `i`.
        before.clear();
        beyond.clear();
        for u in 0..n {
            let (to_i, to_j) = (shortest[u * n + i], shortest[u * n + j]);
            if to_i + length < to_j {
                before.push((u, to_i + length));
            } else if to_j + length < to_i {
                beyond.push((u, to_j));
            }
        }
        for &(u, to_j) in &before {
            for &(v, from_j) in &beyond {
                let way = shortest[u * n + v].min(to_j + from_j);
                shortest[u * n + v] = way;
                shortest[v * n + u] = way;
            }
        }
        true
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::Coord;

    fn plan(places: &[(f64, f64)]) -> Vec<Point> {
        places.iter().map(|&(x, y)| Coord { x, y }).collect()
    }

    #[test]
    fn a_square_is_crossed_from_corner_to_corner() {
        let plan = plan(&[(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)]);
        assert_eq!(sight_lines(&[&[0, 1, 2, 3]], &plan, |p| p == 0 || p == 2), [(0, 2)]);
        assert_eq!(sight_lines(&[&[3, 2, 1, 0]], &plan, |p| p < 2), [], "a side is no line across");
    }

    #[test]
    fn a_bend_inwards_is_walked_around() {
        let plan = plan(&[(0.0, 0.0), (100.0, 0.0), (100.0, 40.0), (40.0, 40.0), (40.0, 100.0), (0.0, 100.0)]);
        let lines = sight_lines(&[&[0, 1, 2, 3, 4, 5]], &plan, |p| p == 1 || p == 5);
        assert_eq!(lines, [(1, 3), (5, 3)], "by the inner corner, which is no entry");
    }

    #[test]
    fn a_fountain_stands_in_the_way() {
        let plan = plan(&[
            (0.0, 0.0),
            (100.0, 0.0),
            (100.0, 100.0),
            (0.0, 100.0),
            (40.0, 40.0),
            (60.0, 40.0),
            (60.0, 60.0),
            (40.0, 60.0),
        ]);
        for hole in [[4, 5, 6, 7], [7, 6, 5, 4]] {
            let mut lines = sight_lines(&[&[0, 1, 2, 3], &hole], &plan, |p| p == 0 || p == 2);
            for line in &mut lines {
                *line = (line.0.min(line.1), line.0.max(line.1));
            }
            lines.sort_unstable();
            assert_eq!(lines, [(0, 5), (0, 7), (2, 5), (2, 7)], "past its sides, not up to its front");
        }
    }

    /// `n` places on an ellipse.
    fn round(n: u32, half_width: f64, half_height: f64) -> Vec<(f64, f64)> {
        let angle = |i: u32| std::f64::consts::TAU * f64::from(i) / f64::from(n);
        (0..n).map(|i| (half_width * angle(i).cos(), half_height * angle(i).sin())).collect()
    }

    #[test]
    fn a_fountain_of_many_small_bends_is_walked_round() {
        let fountain = 150;
        let mut places = round(fountain, 20.0, 20.0);
        places.extend([(-50.0, -50.0), (50.0, -50.0), (50.0, 50.0), (-50.0, 50.0)]);
        let hole: Vec<u32> = (0..fountain).collect();
        let outer: Vec<u32> = (fountain..fountain + 4).collect();
        let plan = plan(&places);
        let lines = sight_lines(&[&outer, &hole], &plan, |p| p >= fountain);
        let sides = (0..fountain).map(|i| (i, (i + 1) % fountain));
        let way = shortest(lines.into_iter().chain(sides), &plan, fountain, fountain + 2);
        // Two tangents and the arc between them.
        let apart = 5_000.0_f64.sqrt();
        let truth = 2.0 * (apart * apart - 400.0).sqrt() + 20.0 * (std::f64::consts::PI - 2.0 * (20.0 / apart).acos());
        assert!((way / truth - 1.0).abs() < 1e-3, "{way} m, not {truth} m");
    }

    /// Metres along lines from one place to another.
    fn shortest(lines: impl Iterator<Item = (u32, u32)>, plan: &[Point], from: u32, to: u32) -> f64 {
        let mut graph = petgraph::graph::UnGraph::<(), f64>::new_undirected();
        let nodes: Vec<_> = plan.iter().map(|_| graph.add_node(())).collect();
        for (a, b) in lines {
            let way = plan[b as usize] - plan[a as usize];
            graph.add_edge(nodes[a as usize], nodes[b as usize], way.x.hypot(way.y));
        }
        let found = petgraph::algo::dijkstra(&graph, nodes[from as usize], None, |e| *e.weight());
        found[&nodes[to as usize]]
    }

    #[test]
    fn sixty_entries_have_all_their_lines() {
        let n = 60_u32;
        let ring: Vec<u32> = (0..n).collect();
        let lines = sight_lines(&[&ring], &plan(&round(n, 150.0, 90.0)), |_| true);
        assert_eq!(lines.len(), (n * (n - 3) / 2) as usize, "from each to each but its neighbours");
    }

    #[test]
    fn a_hundred_entries_cost_fewer_lines_and_hardly_any_detour() {
        let n = 100_u32;
        let places = round(n, 150.0, 90.0);
        let plan = plan(&places);
        let ring: Vec<u32> = (0..n).collect();
        let lines = sight_lines(&[&ring], &plan, |_| true);
        assert!(lines.len() < 4_000, "{} lines", lines.len());
        let mut graph = petgraph::graph::UnGraph::<(), f64>::new_undirected();
        let nodes: Vec<_> = ring.iter().map(|_| graph.add_node(())).collect();
        let length = |a: u32, b: u32| {
            let way = plan[b as usize] - plan[a as usize];
            way.x.hypot(way.y)
        };
        for (a, b) in lines.into_iter().chain((0..n).map(|i| (i, (i + 1) % n))) {
            graph.add_edge(nodes[a as usize], nodes[b as usize], length(a, b));
        }
        for a in ring.iter().step_by(7) {
            let found = petgraph::algo::dijkstra(&graph, nodes[*a as usize], None, |e| *e.weight());
            for b in &ring {
                assert!(found[&nodes[*b as usize]] <= length(*a, *b) * STRETCH + 1e-9);
            }
        }
    }
}
