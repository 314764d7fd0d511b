//! Fewer corners for outlines that lie next to and within each other.
//!
//! A corner goes only where the triangle that it spans with its neighbours holds no other corner of any ring: so rings
//! never cross and bands stay nested. Corners that rings share go from all of them, or stay.

use crate::geometry::Point;
use crate::network::fraction_along;
use geo::Coord;

/// No ring gets fewer corners than this.
const FEWEST: usize = 4;
/// New sides keep clear of other corners by so much, metres: rounding must not make them cross.
const CLEAR_M: f64 = 0.05;
/// Corners are looked up in cells of at least this side, metres.
const CELL_M: f64 = 25.0;
/// Corners are tried in so many rounds, those that matter least first.
const ROUNDS: u32 = 4;

const NONE: u32 = u32::MAX;

/// A corner of one ring.
struct Turn {
    point: u32,
    /// The turns before and after it on the ring.
    before: u32,
    after: u32,
    ring: u32,
    /// The turn at the same point on another ring.
    twin: u32,
    /// How far, at most, what has gone lies from the side that follows.
    gone_m: f64,
}

/// Takes corners out of rings, given by indices into `points`, so that none of them lies farther than `tolerance_m` from
/// the new outline. With a tolerance of 0 only those go that lie on the straight line between their neighbours.
pub(crate) fn simplify(points: &[Point], rings: &mut [&mut Vec<u32>], tolerance_m: f64) {
    let mut turns: Vec<Turn> = Vec::with_capacity(points.len());
    let mut last = vec![NONE; points.len()];
    for (ring, i) in rings.iter().zip(0..) {
        let (start, n) = (turns.len() as u32, ring.len() as u32);
        for (&point, k) in ring.iter().zip(0..) {
            let (before, after) = (start + (k + n - 1) % n, start + (k + 1) % n);
            let twin = std::mem::replace(&mut last[point as usize], start + k);
            turns.push(Turn { point, before, after, ring: i, twin, gone_m: 0.0 });
        }
    }
    let mut left: Vec<usize> = rings.iter().map(|ring| ring.len()).collect();
    let mut is_gone = vec![false; points.len()];
    let near = (tolerance_m > 0.0).then(|| Near::new(points));
    let rounds = if tolerance_m > 0.0 { ROUNDS } else { 1 };
    for round in 1..=rounds {
        let most_m = tolerance_m * f64::from(round) / f64::from(rounds);
        for i in 0..turns.len() {
            let point = turns[i].point;
            if is_gone[point as usize] {
                continue;
            }
            let around = |turn: &Turn| [turns[turn.before as usize].point, turns[turn.after as usize].point];
            let ends = around(&turns[i]);
            let [a, b, c] = [ends[0], point, ends[1]].map(|point| points[point as usize]);
            let foot = a + (c - a) * fraction_along(a, c, b);
            let off_m = if near.is_none() && turn(a, b, c) == 0.0 { 0.0 } else { length(b - foot) };
            if off_m > most_m {
                continue;
            }
            let (mut gone_m, mut may_go, mut at) = (0.0_f64, true, last[point as usize]);
            while at != NONE && may_go {
                let here = &turns[at as usize];
                let [before, after] = around(here);
                may_go = ([before, after] == ends || [after, before] == ends) && left[here.ring as usize] > FEWEST;
                gone_m = gone_m.max(here.gone_m).max(turns[here.before as usize].gone_m);
                at = here.twin;
            }
            let is_free = || {
                near.as_ref().is_none_or(|near| {
                    near.is_free([a, b, c], |p| is_gone[p as usize] || p == point || ends.contains(&p))
                })
            };
            if !may_go || gone_m + off_m > most_m || !is_free() {
                continue;
            }
            is_gone[point as usize] = true;
            let mut at = last[point as usize];
            while at != NONE {
                let Turn { before, after, ring, twin, .. } = turns[at as usize];
                turns[before as usize].after = after;
                turns[before as usize].gone_m = gone_m + off_m;
                turns[after as usize].before = before;
                left[ring as usize] -= 1;
                at = twin;
            }
        }
    }
    for ring in rings {
        ring.retain(|&point| !is_gone[point as usize]);
    }
}

fn length(way: Point) -> f64 {
    (way.x * way.x + way.y * way.y).sqrt()
}

/// On which side of the line from `a` to `b` a place lies: above 0 to its left.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Corners by place.
struct Near<'a> {
    points: &'a [Point],
    low: Point,
    cell: f64,
    size: [usize; 2],
    /// By cell, the first of `found`, and the end of the last.
    first: Vec<u32>,
    found: Vec<u32>,
}

impl<'a> Near<'a> {
    fn new(points: &'a [Point]) -> Self {
        let corner = |f: fn(f64, f64) -> f64| {
            points.iter().copied().reduce(|a, b| Coord { x: f(a.x, b.x), y: f(a.y, b.y) }).unwrap_or_default()
        };
        let (low, high) = (corner(f64::min), corner(f64::max));
        let extent = high - low;
        let cell = (extent.x * extent.y / (4.0 * points.len().max(1) as f64)).sqrt().max(CELL_M);
        let size = [extent.x, extent.y].map(|m| (m / cell) as usize + 1);
        let mut near =
            Self { points, low, cell, size, first: vec![0; size[0] * size[1] + 1], found: vec![0; points.len()] };
        for at in points {
            let [x, y] = near.cell(*at);
            near.first[y * size[0] + x + 1] += 1;
        }
        for i in 1..near.first.len() {
            near.first[i] += near.first[i - 1];
        }
        let mut next = near.first.clone();
        for (at, i) in points.iter().zip(0..) {
            let [x, y] = near.cell(*at);
            let next = &mut next[y * size[0] + x];
            near.found[*next as usize] = i;
            *next += 1;
        }
        near
    }

    fn cell(&self, at: Point) -> [usize; 2] {
        let [columns, rows] = self.size;
        [((at.x - self.low.x) / self.cell, columns), ((at.y - self.low.y) / self.cell, rows)]
            .map(|(i, n)| (i.max(0.0) as usize).min(n - 1))
    }

    /// Whether no other corner lies in a triangle or close to its new side, from the first of its corners to the last.
    fn is_free(&self, [a, b, c]: [Point; 3], is_ours: impl Fn(u32) -> bool) -> bool {
        let low = Coord { x: a.x.min(b.x).min(c.x) - CLEAR_M, y: a.y.min(b.y).min(c.y) - CLEAR_M };
        let high = Coord { x: a.x.max(b.x).max(c.x) + CLEAR_M, y: a.y.max(b.y).max(c.y) + CLEAR_M };
        let ([x1, y1], [x2, y2]) = (self.cell(low), self.cell(high));
        let is_in_way = |p: u32| {
            let at = self.points[p as usize];
            if at.x < low.x || at.x > high.x || at.y < low.y || at.y > high.y || is_ours(p) {
                return false;
            }
            let sides = [turn(a, b, at), turn(b, c, at), turn(c, a, at)];
            if sides.iter().all(|side| *side >= 0.0) || sides.iter().all(|side| *side <= 0.0) {
                return true;
            }
            let foot = a + (c - a) * fraction_along(a, c, at);
            length(at - foot) < CLEAR_M
        };
        (y1..=y2).all(|y| {
            let row = y * self.size[0];
            let found = self.first[row + x1] as usize..self.first[row + x2 + 1] as usize;
            !self.found[found].iter().any(|&p| is_in_way(p))
        })
    }
}
