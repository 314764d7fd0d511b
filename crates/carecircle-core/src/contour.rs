//! Outlines of reached ground, by marching squares.
//!
//! A side of the lattice whose ends are not of one kind is crossed once, where halving it finds the change. Every limit
//! halves the same interval, so that bands nest; and a crossing stays clear of both ends, so that rings neither touch nor
//! cross themselves or each other, also after rounding. Where two reached corners face each other across a cell they
//! stay apart, unless the other two are reached too and are somebody else's.

use crate::field::Ground;
use crate::geometry::Point;
use crate::lattice::{CORNERS, NONE, SIDE};

/// Crossings keep this share of a side away from its ends.
const CLEARANCE: f64 = 0.03;
/// A side is halved so often.
const HALVINGS: u32 = 6;

/// A ring, the inside to its left.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Indices into the outline's points; the first is not repeated.
    pub(crate) points: Vec<u32>,
    /// Whose ground it bounds.
    pub(crate) label: u32,
    /// For a hole the ring around it, an index into the outline's rings.
    pub(crate) around: Option<u32>,
}

/// The rings around all ground that is reached within a limit. Those of neighbours share points.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Where rings turn.
    pub(crate) points: Vec<Point>,
    /// The rings.
    pub(crate) rings: Vec<Ring>,
}

impl Outline {
    /// Whether a place lies inside some ring and none of its holes.
    pub(crate) fn contains(&self, at: Point) -> bool {
        let sides = self.rings.iter().flat_map(|ring| {
            let points = || ring.points.iter().map(|&point| self.points[point as usize]);
            points().zip(points().cycle().skip(1))
        });
        let is_crossed = |(a, b): &(Point, Point)| {
            (a.y > at.y) != (b.y > at.y) && at.x < a.x + (b.x - a.x) * ((at.y - a.y) / (b.y - a.y))
        };
        sides.filter(is_crossed).count() % 2 == 1
    }
}

/// A crossed side. Each of its two halves may be on a ring: the first with the left or lower corner inside.
struct Crossing {
    at: Point,
    /// Whose its ends are.
    labels: [u32; 2],
    /// The column of a level side's left corner.
    column: Option<u32>,
    /// The crossing before it on the same row.
    before: u32,
}

struct Tracer<'a> {
    ground: &'a Ground,
    limit: f32,
    crossings: Vec<Crossing>,
    /// By half, the half that follows on its ring.
    next: Vec<u32>,
}

/// The outline of what is reached within so many seconds, for each label by itself.
pub(crate) fn outline(ground: &Ground, limit: f32) -> Outline {
    let mut tracer = Tracer { ground, limit, crossings: Vec::new(), next: Vec::new() };
    tracer.march();
    tracer.rings()
}

impl Tracer<'_> {
    /// Whose ground a corner is within the limit, from 1; 0 where it is not reached.
    fn kind(&self, corner: u32) -> u32 {
        if corner != NONE && self.ground.seconds()[corner as usize] <= self.limit {
            self.ground.label(corner as usize).wrapping_add(1)
        } else {
            0
        }
    }

    fn march(&mut self) {
        let lattice = &self.ground.lattice;
        let blocks = &lattice.blocks;
        let inside: Vec<u16> = self.ground.seconds().chunks_exact(SIDE).map(|row| bits(row, self.limit)).collect();
        let inside_of = |slot: u32, row: usize| if slot == NONE { 0 } else { inside[slot as usize * SIDE + row] };
        let is_shared = self.ground.is_shared();
        // By column, the crossing on the level side below the cell that is looked at.
        let mut below = vec![NONE; lattice.width() * SIDE + 1];
        let mut start = 0;
        while start < blocks.len() {
            let end = start + blocks[start..].iter().take_while(|block| block[1] == blocks[start][1]).count();
            let beside: Vec<[u32; 3]> = blocks[start..end]
                .iter()
                .map(|&[x, y]| [[x + 1, y], [x, y + 1], [x + 1, y + 1]].map(|b| lattice.slot(b)))
                .collect();
            for row in 0..SIDE {
                let mut last_level = NONE;
                let mut left = NONE;
                for slot in start..end {
                    let [right, above, across] = beside[slot - start];
                    let upper = |here: u32, above: u32| {
                        if row + 1 < SIDE { inside_of(here, row + 1) } else { inside_of(above, 0) }
                    };
                    let a = u32::from(inside_of(slot as u32, row)) | u32::from(inside_of(right, row)) << SIDE;
                    let b = u32::from(upper(slot as u32, above)) | u32::from(upper(right, across)) << SIDE;
                    let (a2, b2) = (a >> 1, b >> 1);
                    let mut cells = if is_shared { a | b | a2 | b2 } else { (a | b | a2 | b2) & !(a & b & a2 & b2) }
                        & ((1 << SIDE) - 1);
                    while cells != 0 {
                        let x = cells.trailing_zeros() as usize;
                        cells &= cells - 1;
                        let corner = |x: usize, up: bool| {
                            let (x, wide) = (x % SIDE, x == SIDE);
                            let slot = match (wide, up && row + 1 == SIDE) {
                                (false, false) => slot as u32,
                                (true, false) => right,
                                (false, true) => above,
                                (true, true) => across,
                            };
                            let row = if up { (row + 1) % SIDE } else { row };
                            if slot == NONE { NONE } else { (slot as usize * CORNERS + row * SIDE + x) as u32 }
                        };
                        let corners = [corner(x, false), corner(x + 1, false), corner(x + 1, true), corner(x, true)];
                        let kinds = if is_shared {
                            corners.map(|corner| self.kind(corner))
                        } else {
                            [a >> x & 1, a2 >> x & 1, b2 >> x & 1, b >> x & 1]
                        };
                        let column = lattice.column(slot) * SIDE + x;
                        if kinds[1..].iter().all(|&kind| kind == kinds[0]) {
                            continue;
                        }
                        let top = if kinds[3] == kinds[2] {
                            NONE
                        } else {
                            let top = self.cross(corners[3], corners[2]);
                            self.crossings[top as usize].column = Some(column as u32);
                            self.crossings[top as usize].before = last_level;
                            last_level = top;
                            top
                        };
                        let right = if kinds[1] == kinds[2] { NONE } else { self.cross(corners[1], corners[2]) };
                        self.link(kinds, [below[column], right, top, left]);
                        below[column] = top;
                        left = right;
                    }
                }
            }
            start = end;
        }
    }

    /// Finds the crossing of a side between two corners.
    fn cross(&mut self, first: u32, second: u32) -> u32 {
        let ground = self.ground;
        // Corners outside the lattice are never next to one that is reached.
        let corners = [first as usize, second as usize];
        let [a, b] = corners.map(|corner| ground.lattice.place(corner));
        let seconds = corners.map(|corner| ground.seconds()[corner]);
        let from_second = seconds[1] < seconds[0];
        let labels = corners.map(|corner| ground.label(corner));
        let label = labels[usize::from(from_second)];
        let (from, to) = if from_second { (b, a) } else { (a, b) };
        let (mut inside, mut outside) = (0.0, 1.0);
        // Both ends reached: it is but a question of whose they are.
        let limit = if seconds[0].max(seconds[1]) <= self.limit { f32::INFINITY } else { self.limit };
        let time_at = ground.along(corners);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            let (time, whose) = time_at(from + (to - from) * middle);
            if time <= limit && whose == label { inside = middle } else { outside = middle }
        }
        let at = from + (to - from) * f64::clamp(inside, CLEARANCE, 1.0 - CLEARANCE);
        self.crossings.push(Crossing { at, labels, column: None, before: NONE });
        self.next.extend([NONE; 2]);
        self.crossings.len() as u32 - 1
    }

    /// Links the crossings on a cell's sides, bottom, right, top and left, around each kind of its corners: lower left,
    /// lower right, upper right and upper left.
    fn link(&mut self, kinds: [u32; 4], sides: [u32; 4]) {
        const BOTTOM: usize = 0;
        const RIGHT: usize = 1;
        const TOP: usize = 2;
        const LEFT: usize = 3;
        for (i, &kind) in kinds.iter().enumerate() {
            if kind == 0 || kinds[..i].contains(&kind) {
                continue;
            }
            let mask = (0..4).filter(|&k| kinds[k] == kind).fold(0_u8, |mask, k| mask | 1 << k);
            // Where all corners are reached nobody's ground lies between those that face each other: one kind has the middle.
            let others: [u32; 2] = if mask == 5 { [kinds[1], kinds[3]] } else { [kinds[0], kinds[2]] };
            let has_middle = !kinds.contains(&0) && (others[0] != others[1] || kind < others[0]);
            let links: &[(usize, usize)] = match mask {
                5 if has_middle => &[(BOTTOM, RIGHT), (TOP, LEFT)],
                10 if has_middle => &[(LEFT, BOTTOM), (RIGHT, TOP)],
                1 => &[(BOTTOM, LEFT)],
                2 => &[(RIGHT, BOTTOM)],
                3 => &[(RIGHT, LEFT)],
                4 => &[(TOP, RIGHT)],
                5 => &[(BOTTOM, LEFT), (TOP, RIGHT)],
                6 => &[(TOP, BOTTOM)],
                7 => &[(TOP, LEFT)],
                8 => &[(LEFT, TOP)],
                9 => &[(BOTTOM, TOP)],
                10 => &[(RIGHT, BOTTOM), (LEFT, TOP)],
                11 => &[(RIGHT, TOP)],
                12 => &[(LEFT, RIGHT)],
                13 => &[(BOTTOM, RIGHT)],
                14 => &[(LEFT, BOTTOM)],
                _ => &[],
            };
            // The corner at the left or lower end of each side.
            let half = |side: usize| {
                let is_first = mask & [1, 2, 8, 1][side] != 0;
                sides[side] * 2 + u32::from(!is_first)
            };
            for &(from, to) in links {
                self.next[half(from) as usize] = half(to);
            }
        }
    }

    fn rings(self) -> Outline {
        let Self { crossings, next, .. } = self;
        let mut ring_of = vec![NONE; next.len()];
        let mut rings: Vec<Ring> = Vec::new();
        let mut westmost: Vec<u32> = Vec::new();
        for start in 0..next.len() as u32 {
            if next[start as usize] == NONE || ring_of[start as usize] != NONE {
                continue;
            }
            let (mut points, mut half) = (Vec::new(), start);
            let mut west: Option<(u32, u32)> = None;
            while ring_of[half as usize] == NONE {
                ring_of[half as usize] = rings.len() as u32;
                points.push(half / 2);
                if let Some(column) = crossings[half as usize / 2].column
                    && west.is_none_or(|(least, _)| column < least)
                {
                    west = Some((column, half));
                }
                half = next[half as usize];
            }
            westmost.push(west.map_or(start, |(_, half)| half));
            let label = crossings[start as usize / 2].labels[start as usize % 2];
            rings.push(Ring { points, label, around: None });
        }
        // West of a hole lies its own ground: the ring on its other side is around the hole too, or a hole beside it.
        for (ring, i) in rings.iter_mut().zip(0..) {
            let mut outer = i;
            while westmost[outer as usize].is_multiple_of(2) {
                let before = crossings[westmost[outer as usize] as usize / 2].before;
                outer = ring_of[before as usize * 2 + 1];
            }
            ring.around = (outer != i).then_some(outer);
        }
        Outline { points: crossings.into_iter().map(|crossing| crossing.at).collect(), rings }
    }
}

/// Which of a row's corners are reached within a limit, the first in the lowest bit.
fn bits(row: &[f32], limit: f32) -> u16 {
    row.iter().enumerate().fold(0, |bits, (x, seconds)| bits | u16::from(*seconds <= limit) << x)
}
