//! Where the ground is looked at: corners of squares that hang on the plan, not on an origin, in blocks, only where
//! something may be reached.

use crate::geometry::Point;
use geo::Coord;
use std::ops::RangeInclusive;

/// Corners along a side of a block: as many as a byte has bits.
pub(crate) const SIDE: usize = 8;
/// Corners of a block.
pub(crate) const CORNERS: usize = SIDE * SIDE;
/// No such block, piece or corner.
pub(crate) const NONE: u32 = u32::MAX;
/// The lattice's finest side at an ordinary pace, metres.
pub(crate) const PITCH_M: f64 = 30.0;
/// More corners than this, the box around them in blocks included, are never laid: the lattice grows coarser.
const MOST_CORNERS: usize = 16_000_000;
/// More cells than there are from the plan's centre.
const FAR_CELLS: f64 = 16_777_216.0;

/// Which corners there are.
#[derive(Debug)]
pub(crate) struct Lattice {
    /// The side of a cell.
    pub(crate) pitch: f64,
    /// Its first block.
    pub(crate) low: [i64; 2],
    /// Blocks east and north.
    pub(crate) size: [usize; 2],
    /// Slots by block, row by row.
    slots: Vec<u32>,
    /// Blocks by slot, row by row.
    pub(crate) blocks: Vec<[i64; 2]>,
}

impl Lattice {
    /// Lays corners over boxes and the cells of some places, and over what they enclose.
    pub(crate) fn over(boxes: &[[Point; 2]], centres: &[Point], pitch: f64) -> Self {
        let mut low = Coord { x: f64::INFINITY, y: f64::INFINITY };
        let mut high = Coord { x: f64::NEG_INFINITY, y: f64::NEG_INFINITY };
        let mut boxes: Vec<[Point; 2]> = boxes.iter().copied().chain(centres.iter().map(|&at| [at, at])).collect();
        for [a, b] in &boxes {
            low = Coord { x: low.x.min(a.x), y: low.y.min(a.y) };
            high = Coord { x: high.x.max(b.x), y: high.y.max(b.y) };
        }
        let mut pitch = pitch;
        let cells = boxes.len() - centres.len();
        loop {
            let beyond = Coord { x: pitch, y: pitch };
            for (cell, at) in boxes[cells..].iter_mut().zip(centres) {
                *cell = [*at - beyond, *at + beyond];
            }
            if let Some(lattice) = Self::with_pitch(&boxes, [low - beyond, high + beyond], pitch) {
                return lattice;
            }
            pitch *= 2.0;
        }
    }

    fn with_pitch(boxes: &[[Point; 2]], [low, high]: [Point; 2], pitch: f64) -> Option<Self> {
        let per_block = 1.0 / (pitch * SIDE as f64);
        // What is reached has corners all around; and all blocks have a rim of free ones.
        let block = |m: f64| round_down(m * per_block);
        let first = [block(low.x - pitch) - 1, block(low.y - pitch) - 1];
        let size = [(block(high.x + pitch) - first[0] + 2) as usize, (block(high.y + pitch) - first[1] + 2) as usize];
        if size[0].saturating_mul(size[1]) > MOST_CORNERS / 4 {
            return None;
        }
        let mut slots = vec![NONE; size[0] * size[1]];
        for [a, b] in boxes {
            let x = (block(a.x - pitch) - first[0]) as usize..=(block(b.x + pitch) - first[0]) as usize;
            for y in block(a.y - pitch) - first[1]..=block(b.y + pitch) - first[1] {
                slots[y as usize * size[0]..][x.clone()].fill(0);
            }
        }
        let outside = NONE - 1;
        let mut open = vec![0];
        slots[0] = outside;
        while let Some(at) = open.pop() {
            let (x, y) = (at % size[0], at / size[0]);
            let beside = [(x > 0, at.wrapping_sub(1)), (x + 1 < size[0], at + 1)];
            let above = [(y > 0, at.wrapping_sub(size[0])), (y + 1 < size[1], at + size[0])];
            for (_, next) in beside.into_iter().chain(above).filter(|(there, _)| *there) {
                if slots[next] == NONE {
                    slots[next] = outside;
                    open.push(next);
                }
            }
        }
        let mut blocks = Vec::new();
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot = if *slot == outside {
                NONE
            } else {
                blocks.push([first[0] + (i % size[0]) as i64, first[1] + (i / size[0]) as i64]);
                blocks.len() as u32 - 1
            };
        }
        (blocks.len() * CORNERS <= MOST_CORNERS).then_some(Self { pitch, low: first, size, slots, blocks })
    }

    /// Lays corners over some blocks.
    pub(crate) fn of(blocks: Vec<[i64; 2]>, pitch: f64) -> Self {
        let fold = |f: fn(i64, i64) -> i64| blocks.iter().copied().reduce(|a, b| [f(a[0], b[0]), f(a[1], b[1])]);
        let (low, high) = (fold(i64::min).unwrap_or_default(), fold(i64::max).unwrap_or_default());
        let size = [0, 1].map(|axis| (high[axis] - low[axis] + 1) as usize);
        let mut slots = vec![NONE; size[0] * size[1]];
        for (block, slot) in blocks.iter().zip(0..) {
            slots[(block[1] - low[1]) as usize * size[0] + (block[0] - low[0]) as usize] = slot;
        }
        Self { pitch, low, size, slots, blocks }
    }

    /// How many corners there are.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len() * CORNERS
    }

    /// Blocks from west to east.
    pub(crate) fn width(&self) -> usize {
        self.size[0]
    }

    /// How far east a block lies from the lattice's first.
    pub(crate) fn column(&self, slot: usize) -> usize {
        (self.blocks[slot][0] - self.low[0]) as usize
    }

    /// The slot of a block, or [`NONE`].
    pub(crate) fn slot(&self, [x, y]: [i64; 2]) -> u32 {
        let (x, y) = (x - self.low[0], y - self.low[1]);
        if x < 0 || y < 0 || x >= self.size[0] as i64 || y >= self.size[1] as i64 {
            return NONE;
        }
        self.slots[y as usize * self.size[0] + x as usize]
    }

    /// The place of a corner.
    pub(crate) fn place(&self, corner: usize) -> Point {
        let [x, y] = self.blocks[corner / CORNERS];
        let (column, row) = ((corner % SIDE) as i64, (corner % CORNERS / SIDE) as i64);
        Coord { x: (x * SIDE as i64 + column) as f64 * self.pitch, y: (y * SIDE as i64 + row) as f64 * self.pitch }
    }

    /// The corners to the right, above, to the left and below, [`NONE`] where there is none.
    pub(crate) fn beside(&self, corner: usize) -> [u32; 4] {
        let (slot, local) = (corner / CORNERS, corner % CORNERS);
        let (x, y) = (local % SIDE, local / SIDE);
        let [bx, by] = self.blocks[slot];
        let last = SIDE - 1;
        let other = |block: [i64; 2], local: usize| match self.slot(block) {
            NONE => NONE,
            slot => (slot as usize * CORNERS + local) as u32,
        };
        [
            if x < last { corner as u32 + 1 } else { other([bx + 1, by], local - last) },
            if y < last { (corner + SIDE) as u32 } else { other([bx, by + 1], local - last * SIDE) },
            if x > 0 { corner as u32 - 1 } else { other([bx - 1, by], local + last) },
            if y > 0 { (corner - SIDE) as u32 } else { other([bx, by - 1], local + last * SIDE) },
        ]
    }

    /// The corners of the cell that a place lies in.
    pub(crate) fn cell(&self, at: Point) -> impl Iterator<Item = usize> + '_ {
        let (x, y) = (round_down(at.x / self.pitch), round_down(at.y / self.pitch));
        [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].into_iter().filter_map(|(x, y)| {
            let side = SIDE as i64;
            let local = (y.rem_euclid(side) * side + x.rem_euclid(side)) as usize;
            match self.slot([x.div_euclid(side), y.div_euclid(side)]) {
                NONE => None,
                slot => Some(slot as usize * CORNERS + local),
            }
        })
    }

    /// The corners in a box: by slot, their columns and rows in the block.
    pub(crate) fn within(
        &self,
        [low, high]: [Point; 2],
        mut each: impl FnMut(usize, RangeInclusive<usize>, RangeInclusive<usize>),
    ) {
        let side = SIDE as i64;
        let per_metre = 1.0 / self.pitch;
        let range = |low: f64, high: f64| -round_down(-low * per_metre)..=round_down(high * per_metre);
        let local = |range: &RangeInclusive<i64>, block: i64| {
            let first = (range.start() - block * side).max(0) as usize;
            first..=(range.end() - block * side).min(side - 1) as usize
        };
        let (x, y) = (range(low.x, high.x), range(low.y, high.y));
        for by in y.start().div_euclid(side)..=y.end().div_euclid(side) {
            for bx in x.start().div_euclid(side)..=x.end().div_euclid(side) {
                let slot = self.slot([bx, by]);
                if slot != NONE {
                    each(slot as usize, local(&x, bx), local(&y, by));
                }
            }
        }
    }

    /// The box around all corners.
    pub(crate) fn bounds(&self) -> [Point; 2] {
        let side = self.pitch * SIDE as f64;
        let at = |i: [i64; 2]| Coord { x: i[0] as f64 * side, y: i[1] as f64 * side };
        [at(self.low), at([self.low[0] + self.size[0] as i64, self.low[1] + self.size[1] as i64])]
    }
}

/// A number of cells rounded down: quicker than a call.
pub(crate) fn round_down(cells: f64) -> i64 {
    (cells + FAR_CELLS) as i64 - FAR_CELLS as i64
}
