//! The ground around streets, on a lattice: which street a place belongs to, and when one gets there.
//!
//! A place belongs to the nearest street in sight of it, out to a depth. In sight means that the straight line to the
//! street crosses no obstacle. Ground without a street, a *pocket*, is reached when all around it is: at the latest
//! time of the places that it borders on. One that an obstacle borders, water say, is never reached, nor one that lies
//! open. All of this is the same for every limit.
//!
//! The lattice hangs on the plan, not on an origin, and is kept in blocks, only where something may be reached.

use crate::geometry::Point;
use crate::network::fraction_along;
use crate::obstacle::Obstacles;
use geo::Coord;
use std::ops::RangeInclusive;

/// Corners along a side of a block.
pub(crate) const SIDE: usize = 16;
/// Corners of a block.
pub(crate) const CORNERS: usize = SIDE * SIDE;
/// No such block, piece or corner.
pub(crate) const NONE: u32 = u32::MAX;
/// Marks the street of a corner that lies beyond its depth.
const AFAR: u32 = 1 << 31;
/// The lattice's finest side at an ordinary pace, metres.
pub(crate) const PITCH_M: f64 = 20.0;
/// More corners than this, the box around them in blocks included, are never laid: the lattice grows coarser.
const MOST_CORNERS: usize = 16_000_000;
/// Of streets in one place the first counts, as in the verdict: what is nearer by less than this in single precision,
/// square metres, is as near.
const TIE_M2: f32 = 5e-3;
/// The same between two streets, metres.
const TIE_M: f64 = 1e-6;
/// Pieces of street are no longer than this, metres.
const LONGEST_M: f64 = 64.0;
/// Rounding must not keep two lines that cross from a common cell, metres.
const HAIR_M: f64 = 1e-6;
/// More cells than there are from the plan's centre: what is added to round down without a call.
const FAR_CELLS: f64 = 16_777_216.0;
/// A sight line ends this far before the street, metres: a street drawn along an obstacle is in sight of both sides.
const ON_STREET_M: f64 = 0.05;

/// A straight piece of a street, with the times along it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    from: Point,
    to: Point,
    /// Seconds by way of its start, at its start and at its end, and whose they are; and by way of its end.
    by: [(f32, f32, u32); 2],
}

impl Piece {
    /// The way over a piece in seconds, at its start and at its end.
    pub(crate) fn new(from: Point, to: Point, by: [(f64, f64, u32); 2]) -> Self {
        Self { from, to, by: by.map(|(start, end, label)| (start as f32, end as f32, label)) }
    }

    /// A line between places that are reached so much later along it.
    pub(crate) fn line(from: Point, to: Point, seconds: (f64, f64), label: u32) -> Self {
        Self::new(from, to, [(seconds.0, seconds.1, label); 2])
    }

    /// Adds it to others, cut where it is long.
    pub(crate) fn cut_into(self, pieces: &mut Vec<Self>) {
        let d = self.to - self.from;
        let square = d.x * d.x + d.y * d.y;
        if square <= LONGEST_M * LONGEST_M {
            pieces.push(self);
            return;
        }
        let parts = (square.sqrt() / LONGEST_M).ceil();
        let at = |i: f64| if i >= parts { self.to } else { self.from + d * (i / parts) };
        for i in (0..parts as u32).map(f64::from) {
            let (start, end) = ((i / parts) as f32, ((i + 1.0) / parts) as f32);
            let by = self.by.map(|way| (between(way, start), between(way, end), way.2));
            pieces.push(Self { from: at(i), to: at(i + 1.0), by });
        }
    }

    /// The time at a fraction of its length, and whose it is.
    fn time(&self, t: f32) -> (f32, u32) {
        let [a, b] = self.by.map(|way| (between(way, t), way.2));
        if b.0 < a.0 || (b.0 <= a.0 && b.1 < a.1) { b } else { a }
    }

    /// The earliest time on it.
    pub(crate) fn earliest(&self) -> f32 {
        self.by.iter().map(|(start, end, _)| start.min(*end)).fold(f32::INFINITY, f32::min)
    }

    /// The box around it, and so far beyond.
    pub(crate) fn bounds(&self, beyond: f64) -> [Point; 2] {
        let (a, b) = (self.from, self.to);
        [
            Coord { x: a.x.min(b.x) - beyond, y: a.y.min(b.y) - beyond },
            Coord { x: a.x.max(b.x) + beyond, y: a.y.max(b.y) + beyond },
        ]
    }
}

/// The time at a fraction of a piece. Against its direction a street leads nowhere but from its end.
fn between((start, end, _): (f32, f32, u32), t: f32) -> f32 {
    if t <= 0.0 {
        start
    } else if t >= 1.0 {
        end
    } else if start < f32::INFINITY && end < f32::INFINITY {
        start + (end - start) * t
    } else {
        f32::INFINITY
    }
}

/// Which corners there are.
#[derive(Debug)]
pub(crate) struct Lattice {
    /// The side of a cell.
    pub(crate) pitch: f64,
    low: [i64; 2],
    size: [usize; 2],
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
        let block = |m: f64| (m * per_block).floor() as i64;
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
    fn cell(&self, at: Point) -> impl Iterator<Item = usize> + '_ {
        let (x, y) = ((at.x / self.pitch).floor() as i64, (at.y / self.pitch).floor() as i64);
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
    fn within(
        &self,
        [low, high]: [Point; 2],
        mut each: impl FnMut(usize, RangeInclusive<usize>, RangeInclusive<usize>),
    ) {
        let side = SIDE as i64;
        let range = |low: f64, high: f64| (low / self.pitch).ceil() as i64..=(high / self.pitch).floor() as i64;
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

/// What stands in the way of sight lines, by the lattice's cells.
#[derive(Debug)]
pub(crate) struct Sight {
    lines: Vec<(Point, Point)>,
    cell: f64,
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
            cell: lattice.pitch,
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
            let (line, cell) = (sight.lines[i], sight.cell);
            cells(line, cell, |x, y| {
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

    /// Whether anything stands in or beside a block.
    fn is_near(&self, [x, y]: [i64; 2]) -> bool {
        let slot = |x, y| self.block(x, y).map_or(NONE, |block| self.slots[block]);
        (y - 1..=y + 1).any(|y| (x - 1..=x + 1).any(|x| slot(x, y) != NONE))
    }

    /// Whether an obstacle crosses a straight line, a short one. Touching its ends is not crossing.
    pub(crate) fn is_blocked(&self, from: Point, to: Point) -> bool {
        let side = SIDE as i64;
        let index = |m: f64| ((m / self.cell) + FAR_CELLS) as i64 - FAR_CELLS as i64;
        let (left, right) = (index(from.x.min(to.x) - HAIR_M), index(from.x.max(to.x) + HAIR_M));
        for y in index(from.y.min(to.y) - HAIR_M)..=index(from.y.max(to.y) + HAIR_M) {
            let mut x = left;
            while x <= right {
                let block_x = x.div_euclid(side);
                let last = right.min(block_x * side + side - 1);
                let slot = self.block(block_x, y.div_euclid(side)).map_or(NONE, |block| self.slots[block]);
                if slot != NONE {
                    let row = slot as usize * CORNERS + (y.rem_euclid(side) * side) as usize;
                    let cells = row + (x - block_x * side) as usize..=row + (last - block_x * side) as usize;
                    let entries = self.first[*cells.start()] as usize..self.first[*cells.end() + 1] as usize;
                    let mut lines = self.entries[entries].iter().map(|&line| self.lines[line as usize]);
                    if lines.any(|line| crosses((from, to), line)) {
                        return true;
                    }
                }
                x = last + 1;
            }
        }
        false
    }

    /// Whether a street is hidden from a place, its foot on it the nearest.
    fn hides(&self, at: Point, foot: Point) -> bool {
        let way = foot - at;
        // Not `hypot`: nothing here can overflow, and this is asked at every corner.
        let away = (way.x * way.x + way.y * way.y).sqrt();
        away > ON_STREET_M && self.is_blocked(at, at + way * (1.0 - ON_STREET_M / away))
    }
}

/// Tries the cells that a line passes, and some that it only touches, until one is `enough`.
fn cells((a, b): (Point, Point), side: f64, mut enough: impl FnMut(i64, i64) -> bool) -> bool {
    let (a, b) = if a.y <= b.y { (a, b) } else { (b, a) };
    let index = |m: f64| (m / side).floor() as i64;
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

/// When one gets to each corner of a lattice, and to whom.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Which corners there are.
    pub(crate) lattice: Lattice,
    sight: Option<Sight>,
    field: Field,
    /// By corner, whose it is; empty where nobody asks.
    labels: Vec<u32>,
    /// Nobody gets anywhere earlier than by this.
    floor: Option<Field>,
}

impl Ground {
    /// The ground around the streets of a walker; with a floor, no place is reached earlier than by that.
    pub(crate) fn new(
        lattice: Lattice,
        sight: Option<Sight>,
        streets: Around,
        floor: Option<Around>,
        is_shared: bool,
    ) -> Self {
        let mut field = Field::new(&lattice, sight.as_ref(), streets);
        let mut labels = Vec::new();
        if is_shared {
            field.share_pockets(&lattice);
            labels = (0..lattice.len()).map(|corner| field.label(&lattice, corner)).collect();
        }
        let floor = floor.map(|floor| Field::new(&lattice, sight.as_ref(), floor));
        if let Some(floor) = &floor {
            for (here, there) in field.seconds.iter_mut().zip(&floor.seconds) {
                *here = here.max(*there);
            }
        }
        Self { lattice, sight, field, labels, floor }
    }

    /// The centres that don't see their whole cell.
    pub(crate) fn hidden_centres(&self) -> Vec<(Point, u32)> {
        self.field.hidden.clone()
    }

    /// Takes the whole cells of centres for them, seen or not.
    pub(crate) fn settle(&mut self, centres: &[(Point, u32)]) {
        for &centre in centres {
            self.field.settle(&self.lattice, None, centre);
        }
    }

    /// By corner, when one gets there.
    pub(crate) fn seconds(&self) -> &[f32] {
        &self.field.seconds
    }

    /// Whose a corner is: 0 where nobody asks.
    pub(crate) fn label(&self, corner: usize) -> u32 {
        self.labels.get(corner).copied().unwrap_or(0)
    }

    /// Whether corners are told apart by whose they are.
    pub(crate) fn is_shared(&self) -> bool {
        !self.labels.is_empty()
    }

    /// When one gets to a place on the side between two corners, and to whom.
    pub(crate) fn at(&self, at: Point, corners: [usize; 2]) -> (f32, u32) {
        let (time, label) = self.field.at(self.sight.as_ref(), at, corners);
        let floor = self.floor.as_ref().map_or(0.0, |floor| floor.at(self.sight.as_ref(), at, corners).0);
        (time.max(floor), if self.is_shared() { label } else { 0 })
    }
}

/// The streets that a field is made from.
#[derive(Debug)]
pub(crate) struct Around {
    /// All of them, those out of reach too.
    pub(crate) pieces: Vec<Piece>,
    /// Places where one is there at once, each with the piece that leads from it.
    pub(crate) centres: Vec<(Point, u32)>,
    /// How far off a street a place still belongs to it, metres.
    pub(crate) depth: f64,
    /// Of the walk off the street.
    pub(crate) seconds_per_metre: f64,
}

/// Walking times at the lattice's corners, for one walker.
#[derive(Debug)]
struct Field {
    pieces: Vec<Piece>,
    depth: f64,
    seconds_per_metre: f32,
    /// By corner: the piece of street that it belongs to; [`AFAR`] is added where that lies beyond the depth.
    owner: Vec<u32>,
    /// By corner.
    seconds: Vec<f32>,
    /// Centres that don't see their whole cell.
    hidden: Vec<(Point, u32)>,
}

impl Field {
    fn new(lattice: &Lattice, sight: Option<&Sight>, around: Around) -> Self {
        let Around { pieces, centres, depth, seconds_per_metre } = around;
        let mut field = Self {
            pieces,
            depth,
            seconds_per_metre: seconds_per_metre as f32,
            owner: vec![NONE; lattice.len()],
            // To begin with, the square of the metres to the nearest street.
            seconds: vec![out_of_depth(depth); lattice.len()],
            hidden: Vec::new(),
        };
        field.find_owners(lattice, sight);
        field.find_times(lattice);
        field.fill_pockets(lattice, sight);
        // The cell that somebody stands in is reached, as far as they see it, whatever streets are nearer.
        for centre in centres {
            if !field.settle(lattice, sight, centre) {
                field.hidden.push(centre);
            }
        }
        field
    }

    /// Takes the corners of a centre's cell for it that are in its sight; whether that is all of them.
    fn settle(&mut self, lattice: &Lattice, sight: Option<&Sight>, (at, piece): (Point, u32)) -> bool {
        let mut is_whole = true;
        for corner in lattice.cell(at) {
            let is_taken = self.owner[corner] != NONE && self.owner[corner] & AFAR != 0;
            if sight.is_some_and(|sight| sight.hides(lattice.place(corner), at)) {
                is_whole = false;
            } else if !is_taken {
                self.owner[corner] = piece | AFAR;
                self.seconds[corner] = 0.0;
            }
        }
        is_whole
    }

    fn find_owners(&mut self, lattice: &Lattice, sight: Option<&Sight>) {
        let Self { pieces, depth, owner, seconds, .. } = self;
        for (piece, i) in pieces.iter().zip(0..) {
            lattice.within(piece.bounds(*depth), |slot, columns, rows| {
                Block::of(lattice, slot, seconds, owner).spread(piece, i, columns, rows);
            });
        }
        let Some(sight) = sight else { return };
        // Where the nearest street is hidden, another may be in sight.
        let beyond = out_of_depth(*depth);
        let mut hidden = vec![0_u16; lattice.len() / SIDE];
        for slot in (0..lattice.blocks.len()).filter(|&slot| sight.is_near(lattice.blocks[slot])) {
            for corner in slot * CORNERS..(slot + 1) * CORNERS {
                if owner[corner] == NONE {
                    continue;
                }
                let at = lattice.place(corner);
                let piece = &pieces[owner[corner] as usize];
                let foot = piece.from + (piece.to - piece.from) * fraction_along(piece.from, piece.to, at);
                if sight.hides(at, foot) {
                    hidden[corner / SIDE] |= 1 << (corner % SIDE);
                    owner[corner] = NONE;
                    seconds[corner] = beyond;
                }
            }
        }
        if hidden.iter().all(|row| *row == 0) {
            return;
        }
        for (piece, i) in pieces.iter().zip(0..) {
            lattice.within(piece.bounds(*depth), |slot, columns, rows| {
                let hidden = &hidden[slot * SIDE..(slot + 1) * SIDE];
                Block::of(lattice, slot, seconds, owner).spread_in_sight(piece, i, columns, rows, hidden, sight);
            });
        }
    }

    fn find_times(&mut self, lattice: &Lattice) {
        let pitch = lattice.pitch as f32;
        for (slot, seconds) in self.seconds.chunks_exact_mut(CORNERS).enumerate() {
            let low = lattice.place(slot * CORNERS);
            let owners = &self.owner[slot * CORNERS..];
            for (local, (seconds, &owner)) in seconds.iter_mut().zip(owners).enumerate() {
                if owner == NONE {
                    *seconds = f32::INFINITY;
                    continue;
                }
                let piece = &self.pieces[owner as usize];
                let line = Line::seen_from(low, piece);
                let (x, y) = ((local % SIDE) as f32 * pitch, (local / SIDE) as f32 * pitch);
                // It still holds the square of the metres to the street.
                let away = seconds.sqrt();
                *seconds = piece.time(line.fraction(x, y)).0 + away * self.seconds_per_metre;
            }
        }
    }

    /// The way from a place to a piece: metres, where it meets it, the time in all and to whom.
    fn way_to(&self, piece: u32, at: Point) -> (f64, Point, f32, u32) {
        let piece = &self.pieces[piece as usize];
        let t = fraction_along(piece.from, piece.to, at);
        let foot = piece.from + (piece.to - piece.from) * t;
        let away = ((at.x - foot.x) * (at.x - foot.x) + (at.y - foot.y) * (at.y - foot.y)).sqrt();
        let (time, label) = piece.time(t as f32);
        (away, foot, time + away as f32 * self.seconds_per_metre, label)
    }

    /// The time at a place on the side between two corners, by the nearer of their streets in sight; that of the pocket
    /// where neither has any. With it, whose it is.
    fn at(&self, sight: Option<&Sight>, at: Point, corners: [usize; 2]) -> (f32, u32) {
        let mut nearest: Option<(f64, f32, u32)> = None;
        let mut beyond: Option<(f64, f32, u32)> = None;
        let [a, b] = corners;
        for corner in if self.owner[a] <= self.owner[b] { [a, b] } else { [b, a] } {
            let owner = self.owner[corner];
            let is_nearer =
                |away: f64, than: Option<(f64, f32, u32)>| than.is_none_or(|(least, ..)| away < least - TIE_M);
            if owner & AFAR == 0 {
                let (away, foot, time, label) = self.way_to(owner, at);
                let is_within = away <= self.depth && is_nearer(away, nearest);
                if is_within && !sight.is_some_and(|sight| sight.hides(at, foot)) {
                    nearest = Some((away, time, label));
                }
            } else {
                let (away, label) = match owner {
                    NONE => (f64::INFINITY, NONE),
                    owner => {
                        let (away, foot, _, label) = self.way_to(owner & !AFAR, at);
                        let is_centre = self.seconds[corner] <= 0.0;
                        if is_centre && sight.is_some_and(|sight| sight.hides(at, foot)) {
                            continue;
                        }
                        (away, label)
                    }
                };
                if is_nearer(away, beyond) {
                    let time = beyond.map_or(f32::INFINITY, |(_, time, _)| time).min(self.seconds[corner]);
                    beyond = Some((away, time, label));
                }
            }
        }
        nearest.or(beyond).map_or((f32::INFINITY, NONE), |(_, time, label)| (time, label))
    }

    /// Whose a corner is.
    fn label(&self, lattice: &Lattice, corner: usize) -> u32 {
        match self.owner[corner] {
            NONE => NONE,
            owner => self.way_to(owner & !AFAR, lattice.place(corner)).3,
        }
    }

    /// Gives the corners of pockets the street that is next to them, so that they are somebody's.
    fn share_pockets(&mut self, lattice: &Lattice) {
        let is_filled =
            |field: &Self, corner: usize| field.owner[corner] == NONE && field.seconds[corner] < f32::INFINITY;
        let mut next: Vec<(usize, u32)> = Vec::new();
        for corner in (0..lattice.len()).filter(|&corner| is_filled(self, corner)) {
            let owners = lattice.beside(corner).into_iter().filter(|&beside| beside != NONE);
            let owner = owners.map(|beside| self.owner[beside as usize]).find(|&owner| owner != NONE);
            next.extend(owner.map(|owner| (corner, owner | AFAR)));
        }
        while !next.is_empty() {
            let mut after = Vec::new();
            for &(corner, owner) in &next {
                if self.owner[corner] == NONE {
                    self.owner[corner] = owner;
                    let beside = lattice.beside(corner).map(|beside| beside as usize);
                    after.extend(beside.into_iter().filter(|&b| is_filled(self, b)).map(|beside| (beside, owner)));
                }
            }
            next = after;
        }
    }

    /// Gives the corners of pockets their times: the latest of what is around. A pocket is what hangs together along sides
    /// that no obstacle crosses; one that an obstacle parts from its surroundings is never reached.
    fn fill_pockets(&mut self, lattice: &Lattice, sight: Option<&Sight>) {
        let pockets = Pockets::of(lattice, sight, &self.owner);
        let mut latest = vec![0.0_f32; pockets.runs.len()];
        for (run, corners) in pockets.runs.iter().enumerate() {
            let ends = [corners.start, corners.end - 1].map(|corner| lattice.beside(corner as usize));
            let lies_open = ends[0].contains(&NONE) || ends[1].contains(&NONE);
            latest[pockets.root(run)] += if lies_open { f32::INFINITY } else { 0.0 };
        }
        for (run, corners) in pockets.runs.iter().enumerate() {
            let root = pockets.root(run);
            for corner in corners.clone() {
                if latest[root] == f32::INFINITY {
                    break;
                }
                let guard = sight.filter(|sight| sight.is_near(lattice.blocks[corner as usize / CORNERS]));
                for next in lattice.beside(corner as usize) {
                    let seconds = self.seconds[next as usize];
                    let is_owned = self.owner[next as usize] != NONE;
                    let [from, to] = [corner, next].map(|corner| lattice.place(corner as usize));
                    let is_parted = guard.is_some_and(|sight| {
                        (is_owned || pockets.root(pockets.run_of(next)) != root) && sight.is_blocked(from, to)
                    });
                    latest[root] = match (is_parted, is_owned) {
                        (true, _) => f32::INFINITY,
                        (false, true) => latest[root].max(seconds),
                        (false, false) => latest[root],
                    };
                }
            }
        }
        for (run, corners) in pockets.runs.iter().enumerate() {
            let seconds = latest[pockets.root(run)];
            if seconds < f32::INFINITY {
                self.seconds[corners.start as usize..corners.end as usize].fill(seconds);
            }
        }
    }
}

/// Ground without a street.
struct Pockets {
    /// Runs of corners, within a row of a block each.
    runs: Vec<std::ops::Range<u32>>,
    /// By row of a block, the first of its runs, and the end of the last.
    first: Vec<u32>,
    /// By run, another of its pocket that comes no later.
    parent: Vec<u32>,
}

impl Pockets {
    fn of(lattice: &Lattice, sight: Option<&Sight>, owner: &[u32]) -> Self {
        let guard = |corner: usize| sight.filter(|sight| sight.is_near(lattice.blocks[corner / CORNERS]));
        let is_barred = |sight: Option<&Sight>, a: usize, b: usize| {
            sight.is_some_and(|sight| sight.is_blocked(lattice.place(a), lattice.place(b)))
        };
        let mut runs = Vec::new();
        let mut first = Vec::with_capacity(owner.len() / SIDE + 1);
        for (row, owners) in owner.chunks_exact(SIDE).enumerate() {
            first.push(runs.len() as u32);
            let sight = guard(row * SIDE);
            let mut x = 0;
            while x < SIDE {
                if owners[x] != NONE {
                    x += 1;
                    continue;
                }
                let start = row * SIDE + x;
                x += 1;
                while x < SIDE && owners[x] == NONE && !is_barred(sight, row * SIDE + x - 1, row * SIDE + x) {
                    x += 1;
                }
                runs.push(start as u32..(row * SIDE + x) as u32);
            }
        }
        first.push(runs.len() as u32);
        let parent = (0..runs.len() as u32).collect();
        let mut pockets = Self { runs, first, parent };
        for run in 0..pockets.runs.len() {
            let corners = pockets.runs[run].clone();
            let (start, end) = (corners.start as usize, corners.end as usize);
            let sight = guard(start);
            let [right, ..] = lattice.beside(end - 1);
            if end % SIDE == 0
                && right != NONE
                && owner[right as usize] == NONE
                && !is_barred(sight, end - 1, right as usize)
            {
                pockets.join(run, pockets.run_of(right));
            }
            let [_, above, ..] = lattice.beside(start);
            if above == NONE {
                continue;
            }
            let shift = above as usize - start;
            let row = above as usize / SIDE;
            for other in pockets.first[row]..pockets.first[row + 1] {
                let over = &pockets.runs[other as usize];
                let mut both = start.max((over.start as usize).saturating_sub(shift))
                    ..end.min((over.end as usize).saturating_sub(shift));
                if both.any(|corner| !is_barred(sight, corner, corner + shift)) {
                    pockets.join(run, other as usize);
                }
            }
        }
        pockets
    }

    /// The run of a corner without a street.
    fn run_of(&self, corner: u32) -> usize {
        let row = corner as usize / SIDE;
        let runs = &self.runs[self.first[row] as usize..self.first[row + 1] as usize];
        self.first[row] as usize + runs.partition_point(|run| run.end <= corner)
    }

    fn root(&self, run: usize) -> usize {
        let mut root = run;
        while self.parent[root] as usize != root {
            root = self.parent[root] as usize;
        }
        root
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (first, last) = (a.min(b), a.max(b));
        self.parent[last] = first as u32;
    }
}

/// A piece of street as seen from a corner nearby, in single precision.
struct Line {
    x: f32,
    y: f32,
    dx: f32,
    dy: f32,
    /// 1 by the square of its length.
    inverse: f32,
}

impl Line {
    fn seen_from(low: Point, piece: &Piece) -> Self {
        let (from, along) = (piece.from - low, piece.to - piece.from);
        let (dx, dy) = (along.x as f32, along.y as f32);
        let square = dx * dx + dy * dy;
        Self { x: from.x as f32, y: from.y as f32, dx, dy, inverse: if square > 0.0 { 1.0 / square } else { 0.0 } }
    }

    /// How far along it, 0 to 1, the point nearest to a place lies.
    fn fraction(&self, x: f32, y: f32) -> f32 {
        (((x - self.x) * self.dx + (y - self.y) * self.dy) * self.inverse).clamp(0.0, 1.0)
    }
}

/// What a corner that has no street begins with: the square of the metres that one must be nearer than.
fn out_of_depth(depth: f64) -> f32 {
    (depth * depth) as f32 + TIE_M2
}

/// The corners of a block, to be told of pieces of street.
struct Block<'a> {
    low: Point,
    pitch: f64,
    /// By corner, the square of the metres to the nearest piece.
    nearest: &'a mut [f32],
    owner: &'a mut [u32],
}

impl<'a> Block<'a> {
    fn of(lattice: &Lattice, slot: usize, nearest: &'a mut [f32], owner: &'a mut [u32]) -> Self {
        let corners = slot * CORNERS..(slot + 1) * CORNERS;
        Self {
            low: lattice.place(slot * CORNERS),
            pitch: lattice.pitch,
            nearest: &mut nearest[corners.clone()],
            owner: &mut owner[corners],
        }
    }

    /// Tells some corners of a piece. Counted from the block, so that a corner finds the same whatever else there is.
    fn spread(self, piece: &Piece, i: u32, columns: RangeInclusive<usize>, rows: RangeInclusive<usize>) {
        let line = Line::seen_from(self.low, piece);
        let pitch = self.pitch as f32;
        let (start, end) = (*columns.start(), *columns.end() + 1);
        for row in rows {
            let y = row as f32 * pitch;
            let nearest = &mut self.nearest[row * SIDE..][start..end];
            let owner = &mut self.owner[row * SIDE..][start..end];
            for ((nearest, owner), column) in nearest.iter_mut().zip(owner).zip(start as i32..) {
                let x = column as f32 * pitch;
                let t = line.fraction(x, y);
                let (away_x, away_y) = (x - line.x - t * line.dx, y - line.y - t * line.dy);
                let away = away_x * away_x + away_y * away_y;
                let is_nearer = away + TIE_M2 < *nearest;
                *nearest = if is_nearer { away } else { *nearest };
                *owner = if is_nearer { i } else { *owner };
            }
        }
    }

    /// Tells those corners of a piece that lost another, if it is in sight.
    fn spread_in_sight(
        self,
        piece: &Piece,
        i: u32,
        columns: RangeInclusive<usize>,
        rows: RangeInclusive<usize>,
        lost: &[u16],
        sight: &Sight,
    ) {
        for row in rows {
            for column in columns.clone().filter(|column| lost[row] >> column & 1 == 1) {
                let at = self.low + Coord { x: column as f64, y: row as f64 } * self.pitch;
                let foot = piece.from + (piece.to - piece.from) * fraction_along(piece.from, piece.to, at);
                let away = ((at.x - foot.x) * (at.x - foot.x) + (at.y - foot.y) * (at.y - foot.y)) as f32;
                let corner = row * SIDE + column;
                if away + TIE_M2 < self.nearest[corner] && !sight.hides(at, foot) {
                    self.nearest[corner] = away;
                    self.owner[corner] = i;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{LonLat, Projection};
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
