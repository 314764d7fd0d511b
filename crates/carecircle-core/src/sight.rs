//! Sight lines, and the obstacles that stand in their way.

use crate::geometry::Point;
use crate::lattice::{CORNERS, Lattice, NONE, SIDE, round_down};
use crate::obstacle::Obstacles;
use geo::Coord;

/// Rounding must not keep two lines that cross from a common cell, metres.
const HAIR_M: f64 = 1e-6;
/// A sight line ends this far before the street, metres: a street drawn along an obstacle is in sight of both sides.
const ON_STREET_M: f64 = 0.05;

/// What stands in the way of sight lines, by the lattice's cells.
#[derive(Debug)]
pub(crate) struct Sight {
    lines: Vec<(Point, Point)>,
    /// Cells in a metre.
    per_metre: f64,
    low: [i64; 2],
    size: [usize; 2],
    /// Slots by block of cells, [`NONE`] where nothing stands.
    slots: Vec<u32>,
    /// By slot and cell, the first of its `entries`, and the end of the last.
    first: Vec<u32>,
    /// Indices into `lines`.
    entries: Vec<u32>,
}

impl Sight {
    /// What stands between corners of the lattice and streets up to a depth away.
    pub(crate) fn over(lattice: &Lattice, obstacles: &Obstacles, depth: f64) -> Option<Self> {
        if obstacles.is_empty() {
            return None;
        }
        let [low, high] = lattice.bounds();
        // The lattice has a rim of empty blocks; beyond it nothing is looked at.
        let beyond = (depth / (lattice.pitch * SIDE as f64)).ceil() as i64;
        let beyond_m = beyond as f64 * lattice.pitch * SIDE as f64;
        let lines: Vec<(Point, Point)> = obstacles
            .near(
                Coord { x: low.x - beyond_m, y: low.y - beyond_m },
                Coord { x: high.x + beyond_m, y: high.y + beyond_m },
            )
            .collect();
        let mut sight = Self {
            lines,
            per_metre: 1.0 / lattice.pitch,
            low: lattice.low.map(|i| i - beyond),
            size: lattice.size.map(|n| n + 2 * beyond as usize),
            slots: Vec::new(),
            first: Vec::new(),
            entries: Vec::new(),
        };
        sight.slots = vec![NONE; sight.size[0] * sight.size[1]];
        let is_near = |x: i64, y: i64| {
            (-beyond..=beyond).any(|dy| (-beyond..=beyond).any(|dx| lattice.slot([x + dx, y + dy]) != NONE))
        };
        let mut found: Vec<(u32, u32)> = Vec::new();
        let mut slots = 0;
        for i in 0..sight.lines.len() {
            cells(sight.lines[i], lattice.pitch, |x, y| {
                let side = SIDE as i64;
                let (bx, by) = (x.div_euclid(side), y.div_euclid(side));
                let Some(block) = sight.block(bx, by) else { return false };
                if sight.slots[block] == NONE && is_near(bx, by) {
                    sight.slots[block] = slots;
                    slots += 1;
                }
                if sight.slots[block] != NONE {
                    let local = (y.rem_euclid(side) * side + x.rem_euclid(side)) as u32;
                    found.push((sight.slots[block] * CORNERS as u32 + local, i as u32));
                }
                false
            });
        }
        if found.is_empty() {
            return None;
        }
        sight.first = vec![0; slots as usize * CORNERS + 1];
        for (cell, _) in &found {
            sight.first[*cell as usize + 1] += 1;
        }
        for i in 1..sight.first.len() {
            sight.first[i] += sight.first[i - 1];
        }
        let mut next = sight.first.clone();
        sight.entries = vec![0; found.len()];
        for (cell, line) in found {
            sight.entries[next[cell as usize] as usize] = line;
            next[cell as usize] += 1;
        }
        Some(sight)
    }

    fn block(&self, x: i64, y: i64) -> Option<usize> {
        let (x, y) = (x - self.low[0], y - self.low[1]);
        let is_there = x >= 0 && y >= 0 && x < self.size[0] as i64 && y < self.size[1] as i64;
        is_there.then(|| y as usize * self.size[0] + x as usize)
    }

    /// By row of the lattice's corners, those with anything as near as a street may be, a bit each.
    pub(crate) fn shaded(&self, lattice: &Lattice, depth: f64) -> Vec<u8> {
        /// Where the first column of a block stands in a word; there is room for as many beyond its last.
        const MIDDLE: i64 = 28;
        let side = SIDE as i64;
        // A line from a corner meets cells up to so many before it, and one fewer after it.
        let reach = ((depth + 2.0 * HAIR_M) * self.per_metre).floor() as i64 + 1;
        if reach > MIDDLE {
            return vec![u8::MAX; lattice.len() / SIDE];
        }
        let blocks = (reach + side - 1) / side;
        let mut rows = vec![0; lattice.len() / SIDE];
        // Blocks farther off than this cast nothing on the lattice.
        let [across, along] = [0, 1].map(|i| lattice.low[i] - blocks..lattice.low[i] + lattice.size[i] as i64 + blocks);
        for (x, y) in along.flat_map(|y| across.clone().map(move |x| (x, y))) {
            let slot = self.block(x, y).map_or(NONE, |block| self.slots[block]);
            if slot == NONE {
                continue;
            }
            let y = y * side;
            let first = &self.first[slot as usize * CORNERS..=(slot as usize + 1) * CORNERS];
            for (row, first) in (y..y + side).zip(first.windows(SIDE + 1).step_by(SIDE)) {
                let cells = (0..SIDE).fold(0, |cells, i| cells | u64::from(first[i] < first[i + 1]) << i);
                if cells == 0 {
                    continue;
                }
                let corners = (1 - reach..=reach).fold(0, |corners, i| corners | cells << (MIDDLE + i));
                for row in row + 1 - reach..=row + reach {
                    for beside in -blocks..=blocks {
                        let here = match MIDDLE + beside * side {
                            shift @ 0.. => corners >> shift,
                            shift => corners << -shift,
                        };
                        let slot = lattice.slot([x + beside, row.div_euclid(side)]);
                        let bits = here as u8;
                        if slot != NONE && bits != 0 {
                            rows[slot as usize * SIDE + row.rem_euclid(side) as usize] |= bits;
                        }
                    }
                }
            }
        }
        rows
    }

    /// Whether an obstacle crosses a straight line, a short one. Touching its ends is not crossing.
    pub(crate) fn is_blocked(&self, from: Point, to: Point) -> bool {
        self.any_near([from, to], |line| crosses((from, to), line))
    }

    /// Whether nothing stands in the box around some places, a small one, nor in any cell that it meets.
    pub(crate) fn is_clear<const N: usize>(&self, places: [Point; N]) -> bool {
        !self.any_near(places, |_| true)
    }

    /// Whether any of the lines in the cells around some places is like that.
    fn any_near<const N: usize>(&self, places: [Point; N], mut is_such: impl FnMut((Point, Point)) -> bool) -> bool {
        let side = SIDE as i64;
        let index = |m: f64| round_down(m * self.per_metre);
        let [low, high] = [f64::min, f64::max]
            .map(|f| places.into_iter().reduce(|a, b| Coord { x: f(a.x, b.x), y: f(a.y, b.y) }).unwrap_or_default());
        let (left, right) = (index(low.x - HAIR_M), index(high.x + HAIR_M));
        for y in index(low.y - HAIR_M)..=index(high.y + HAIR_M) {
            let mut x = left;
            while x <= right {
                let block_x = x.div_euclid(side);
                let last = right.min(block_x * side + side - 1);
                let slot = self.block(block_x, y.div_euclid(side)).map_or(NONE, |block| self.slots[block]);
                if slot != NONE {
                    let row = slot as usize * CORNERS + (y.rem_euclid(side) * side) as usize;
                    let cells = row + (x - block_x * side) as usize..=row + (last - block_x * side) as usize;
                    let entries = self.first[*cells.start()] as usize..self.first[*cells.end() + 1] as usize;
                    if self.entries[entries].iter().any(|&line| is_such(self.lines[line as usize])) {
                        return true;
                    }
                }
                x = last + 1;
            }
        }
        false
    }

    /// Whether a street is hidden from a place, its foot on it the nearest.
    pub(crate) fn hides(&self, at: Point, foot: Point) -> bool {
        let way = foot - at;
        // Not `hypot`: nothing here can overflow, and this is asked at every corner.
        let away = (way.x * way.x + way.y * way.y).sqrt();
        away > ON_STREET_M && self.is_blocked(at, at + way * (1.0 - ON_STREET_M / away))
    }
}

/// Tries the cells that a line passes, and some that it only touches, until one is `enough`.
fn cells((a, b): (Point, Point), side: f64, mut enough: impl FnMut(i64, i64) -> bool) -> bool {
    let (a, b) = if a.y <= b.y { (a, b) } else { (b, a) };
    let index = |m: f64| round_down(m / side);
    let at = |y: f64| if b.y > a.y { a.x + (b.x - a.x) * ((y - a.y) / (b.y - a.y)).clamp(0.0, 1.0) } else { a.x };
    for row in index(a.y - HAIR_M)..=index(b.y + HAIR_M) {
        let (low, high) = (row as f64 * side - HAIR_M, (row + 1) as f64 * side + HAIR_M);
        let (p, q) = if b.y > a.y { (at(low), at(high)) } else { (a.x, b.x) };
        for column in index(p.min(q) - HAIR_M)..=index(p.max(q) + HAIR_M) {
            if enough(column, row) {
                return true;
            }
        }
    }
    false
}

/// Whether an obstacle crosses a line between its ends. A bend of the obstacle right on the line is crossed when the
/// sides before and after it lie to either side of the line.
fn crosses((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let turn = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    if (turn(a, b, c) >= 0.0) == (turn(a, b, d) >= 0.0) {
        return false;
    }
    let (from, to) = (turn(c, d, a), turn(c, d, b));
    (from > 0.0 && to < 0.0) || (from < 0.0 && to > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{LonLat, Projection};
    use crate::lattice::PITCH_M;
    use crate::place::Polylines;
    use proptest::prelude::*;

    /// Lines between places in steps of 10 m: many meet each other and the lattice's corners.
    fn any_lines(most: usize) -> impl Strategy<Value = Vec<[(i32, i32); 2]>> {
        let place = || (-30..30, -30..30);
        prop::collection::vec((place(), place()).prop_map(|(a, b)| [a, b]), 1..most)
    }

    proptest! {
        #[test]
        fn a_line_is_blocked_by_what_crosses_it(walls in any_lines(12), lines in any_lines(40)) {
            let projection = Projection::new(LonLat::default());
            let mut drawn = Polylines::default();
            for wall in &walls {
                drawn.push(&wall.map(|(x, y)| LonLat { lon_e7: x * 900, lat_e7: y * 900 }));
            }
            let obstacles = Obstacles::new(&projection, &drawn);
            let far = Coord { x: 400.0, y: 400.0 };
            let lattice = Lattice::over(&[[Point::default() - far, far]], &[], PITCH_M);
            let sight = Sight::over(&lattice, &obstacles, 50.0);
            for line in &lines {
                let [a, b] = line.map(|(x, y)| Coord { x: f64::from(x) * 10.0, y: f64::from(y) * 10.0 });
                let is_crossed = obstacles.near(Point::default() - far, far).any(|wall| crosses((a, b), wall));
                prop_assert_eq!(sight.as_ref().is_some_and(|sight| sight.is_blocked(a, b)), is_crossed);
            }
        }
    }

    #[test]
    fn touching_is_not_crossing_and_a_bend_is() {
        let at = |x: f64, y: f64| Coord { x, y };
        let wall = (at(0.0, -10.0), at(0.0, 10.0));
        assert!(crosses((at(-5.0, 0.0), at(5.0, 0.0)), wall));
        assert!(!crosses((at(-5.0, 0.0), at(0.0, 0.0)), wall), "it ends at the wall");
        assert!(!crosses((at(0.0, -5.0), at(0.0, 5.0)), wall), "it runs along the wall");
        assert!(!crosses((at(-5.0, 11.0), at(5.0, 11.0)), wall));
        // Right through a bend: one of its sides counts.
        let bent = [(at(0.0, -10.0), at(0.0, 0.0)), (at(0.0, 0.0), at(3.0, 10.0))];
        assert_eq!(bent.into_iter().filter(|&side| crosses((at(-5.0, 0.0), at(5.0, 0.0)), side)).count(), 1);
    }
}
