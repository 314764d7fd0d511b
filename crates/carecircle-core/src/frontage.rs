//! Which street the corners of the lattice front on: the nearest in sight.
//!
//! In sight means that the straight line to the street crosses no obstacle. None of it depends on where a walk begins or
//! ends, so blocks of the lattice are found once and kept with the city, for each choice of streets that points snap to. A
//! block is found from the streets and obstacles around it alone: it is the same whatever was asked for before.

use crate::geometry::Point;
use crate::isochrone::Drawing;
use crate::lattice::{CORNERS, Lattice, NONE, SIDE};
use crate::network::{EdgeId, Network, fraction_along};
use crate::sight::Sight;
use crate::weights::Weights;
use geo::Coord;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, PoisonError, RwLock};

/// Streets are looked for so far from a corner, metres: as deep as any drawing goes.
pub(crate) const REACH_M: f64 = *Drawing::DEPTH_M.end();
/// Of streets in one place the first counts, as in the verdict: what is nearer by less than this in single precision,
/// square metres, is as near.
pub(crate) const TIE_M2: f32 = 5e-3;
/// Segments are no longer than this, metres.
const LONGEST_M: f64 = 64.0;
/// Bends of a street that lie no farther than this from the straight line, metres, are not followed.
const STRAIGHT_M: f64 = 0.25;
/// So many bends in a row at most.
const MOST_SKIPPED: usize = 8;
/// Blocks along a side of a square that is found in one go.
const SQUARE: i64 = 16;
/// So many blocks are kept: some 50 MB, 1,900 square kilometres of city on the lattice of an ordinary pace.
const MOST_KEPT: usize = 32_768;

/// A straight line on the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Straight {
    from: Point,
    to: Point,
    /// 1 by the square of its length, 0 if it has none.
    inverse: f64,
}

impl Straight {
    pub(crate) fn new(from: Point, to: Point) -> Self {
        let d = to - from;
        let square = d.x * d.x + d.y * d.y;
        Self { from, to, inverse: if square > 0.0 { 1.0 / square } else { 0.0 } }
    }

    /// How far along it, 0 to 1, the point nearest to a place lies, that point, and the square of the metres to it.
    pub(crate) fn foot(&self, at: Point) -> (f64, Point, f64) {
        let (d, v) = (self.to - self.from, at - self.from);
        let t = ((v.x * d.x + v.y * d.y) * self.inverse).clamp(0.0, 1.0);
        let foot = self.from + d * t;
        (t, foot, (at.x - foot.x) * (at.x - foot.x) + (at.y - foot.y) * (at.y - foot.y))
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

/// Cuts a straight line into equal parts of [`LONGEST_M`] at most: where each starts and ends, 0 to 1.
pub(crate) fn cut(from: Point, to: Point) -> impl Iterator<Item = (f64, f64)> {
    let d = to - from;
    let parts = ((d.x * d.x + d.y * d.y).sqrt() / LONGEST_M).ceil().max(1.0);
    (0..parts as u32).map(f64::from).map(move |i| (i / parts, (i + 1.0) / parts))
}

/// A straight piece of a street.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Where it runs.
    pub(crate) line: Straight,
    /// Its edge, and which of its segments it is.
    pub(crate) id: (EdgeId, u32),
    /// Where it starts and ends, metres along the edge.
    pub(crate) metres: (f64, f64),
}

/// Cuts edges into segments.
pub(crate) struct Cutter<'a> {
    network: &'a Network,
    /// Bends of an edge, each with its metres along.
    bends: Vec<(Point, f64)>,
    /// Those passed over since the last of them.
    skipped: Vec<Point>,
}

impl<'a> Cutter<'a> {
    pub(crate) fn new(network: &'a Network) -> Self {
        Self { network, bends: Vec::new(), skipped: Vec::new() }
    }

    /// Adds an edge's segments to others, in order.
    pub(crate) fn cut(&mut self, edge: EdgeId, out: &mut Vec<Segment>) {
        self.find_bends(edge);
        let mut nth = 0;
        for pair in self.bends.windows(2) {
            let ((from, from_m), (to, to_m)) = (pair[0], pair[1]);
            let place = |t: f64| if t < 1.0 { from + (to - from) * t } else { to };
            let metres = |t: f64| if t < 1.0 { from_m + (to_m - from_m) * t } else { to_m };
            for (start, end) in cut(from, to) {
                let line = Straight::new(place(start), place(end));
                out.push(Segment { line, id: (edge, nth), metres: (metres(start), metres(end)) });
                nth += 1;
            }
        }
    }

    /// Bends of less than [`STRAIGHT_M`] are none.
    fn find_bends(&mut self, id: EdgeId) {
        let Self { bends, skipped, .. } = self;
        bends.clear();
        skipped.clear();
        let mut last: Option<(Point, f64)> = None;
        for bend in self.network.geometry(id) {
            let Some(before) = last.replace(bend) else {
                bends.push(bend);
                continue;
            };
            let start = bends[bends.len() - 1].0;
            if before.1 <= 0.0 {
                continue;
            }
            skipped.push(before.0);
            let is_straight = skipped.len() <= MOST_SKIPPED
                && skipped.iter().all(|at| {
                    let foot = start + (bend.0 - start) * fraction_along(start, bend.0, *at);
                    let off = *at - foot;
                    off.x * off.x + off.y * off.y <= STRAIGHT_M * STRAIGHT_M
                });
            if !is_straight {
                bends.push(before);
                skipped.clear();
            }
        }
        bends.extend(last);
    }
}

/// Which street each corner of a block fronts on.
#[derive(Debug)]
pub(crate) struct Frontage {
    /// Those that any corner fronts on, in the order of edges.
    pub(crate) segments: Box<[Segment]>,
    /// By corner, which of them; [`Frontage::NOWHERE`] where none is within reach and in sight.
    pub(crate) owner: [u8; CORNERS],
    /// By corner, how far along the segment its nearest point lies, 0 to 1.
    pub(crate) along: [f32; CORNERS],
    /// By corner, the square of the metres to it.
    pub(crate) away: [f32; CORNERS],
    /// By row, a bit for each corner: whether an obstacle crosses the side to its right.
    pub(crate) barred_right: [u8; SIDE],
    /// The same of the side above it.
    pub(crate) barred_above: [u8; SIDE],
    /// By row, a bit for each corner: whether any obstacle is as near as a street may be.
    pub(crate) shaded: [u8; SIDE],
}

impl Frontage {
    /// The owner of a corner without a street.
    pub(crate) const NOWHERE: u8 = u8::MAX;
}

/// What frontages are found from.
pub(crate) struct Plan<'a> {
    pub(crate) network: &'a Network,
    /// They say which streets count.
    pub(crate) weights: &'a Weights,
    /// Over the blocks that are asked for, out to [`REACH_M`].
    pub(crate) sight: Option<&'a Sight>,
}

/// A block of a lattice: the bits of its pitch, and where it stands.
type Key = (u64, [i64; 2]);

/// The frontages found so far, for one choice of streets.
#[derive(Debug, Default)]
pub(crate) struct Frontages {
    kept: RwLock<HashMap<Key, Arc<Frontage>>>,
}

impl Frontages {
    /// Those of some blocks, by slot; what is not kept is found.
    pub(crate) fn of(&self, lattice: &Lattice, slots: Range<usize>, plan: &Plan) -> Vec<Arc<Frontage>> {
        let key = |slot: usize| -> Key { (lattice.pitch.to_bits(), lattice.blocks[slot]) };
        let first = slots.start;
        let mut out: Vec<Option<Arc<Frontage>>> = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            slots.clone().map(|slot| kept.get(&key(slot)).map(Arc::clone)).collect()
        };
        let mut missing: Vec<usize> = slots.filter(|slot| out[slot - first].is_none()).collect();
        let square = |slot: usize| lattice.blocks[slot].map(|i| i.div_euclid(SQUARE));
        missing.sort_by_key(|&slot| square(slot));
        for slots in missing.chunk_by(|&a, &b| square(a) == square(b)) {
            let blocks = slots.iter().map(|&slot| lattice.blocks[slot]).collect();
            let found = plan.find(&Lattice::of(blocks, lattice.pitch));
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() + slots.len() > MOST_KEPT {
                kept.clear();
            }
            for (&slot, frontage) in slots.iter().zip(found) {
                let frontage = Arc::new(frontage);
                kept.insert(key(slot), Arc::clone(&frontage));
                out[slot - first] = Some(frontage);
            }
        }
        out.into_iter().flatten().collect()
    }
}

impl Plan<'_> {
    /// The frontages of a lattice's blocks.
    fn find(&self, lattice: &Lattice) -> Vec<Frontage> {
        let segments = self.segments_near(lattice);
        let mut nearest = vec![beyond(REACH_M); lattice.len()];
        let mut owner = vec![NONE; lattice.len()];
        for (segment, i) in segments.iter().zip(0..) {
            lattice.within(segment.line.bounds(REACH_M), |slot, columns, rows| {
                Block::of(lattice, slot, &mut nearest, &mut owner).spread(&segment.line, i, columns, rows);
            });
        }
        let shaded = self.sight.map(|sight| sight.shaded(lattice, REACH_M));
        if let (Some(sight), Some(shaded)) = (self.sight, &shaded) {
            look_past_obstacles(lattice, sight, shaded, &segments, &mut nearest, &mut owner);
        }
        let frontage = |slot: usize| {
            let owners = &owner[slot * CORNERS..(slot + 1) * CORNERS];
            let mut used: Vec<u32> = owners.iter().copied().filter(|&owner| owner != NONE).collect();
            used.sort_unstable();
            used.dedup();
            let mut out = Frontage {
                segments: used.iter().map(|&i| segments[i as usize]).collect(),
                owner: [Frontage::NOWHERE; CORNERS],
                along: [0.0; CORNERS],
                away: [0.0; CORNERS],
                barred_right: [0; SIDE],
                barred_above: [0; SIDE],
                shaded: [0; SIDE],
            };
            let low = lattice.place(slot * CORNERS);
            for (local, &owner) in owners.iter().enumerate().filter(|(_, owner)| **owner != NONE) {
                let line = Line::seen_from(low, &segments[owner as usize].line);
                let (x, y) =
                    ((local % SIDE) as f32 * lattice.pitch as f32, (local / SIDE) as f32 * lattice.pitch as f32);
                out.owner[local] = used.partition_point(|&used| used < owner) as u8;
                out.along[local] = line.fraction(x, y);
                out.away[local] = line.away(x, y, out.along[local]);
            }
            if let (Some(sight), Some(shaded)) = (self.sight, &shaded) {
                out.shaded.copy_from_slice(&shaded[slot * SIDE..(slot + 1) * SIDE]);
                for corner in bits_of(&out.shaded) {
                    let at = lattice.place(slot * CORNERS + corner);
                    let is_barred = |x: f64, y: f64| sight.is_blocked(at, at + Coord { x, y } * lattice.pitch);
                    out.barred_right[corner / SIDE] |= u8::from(is_barred(1.0, 0.0)) << (corner % SIDE);
                    out.barred_above[corner / SIDE] |= u8::from(is_barred(0.0, 1.0)) << (corner % SIDE);
                }
            }
            out
        };
        (0..lattice.blocks.len()).map(frontage).collect()
    }

    /// The segments of all streets near a lattice that points snap to, in the order of edges: of two in the same place
    /// always the same one counts.
    fn segments_near(&self, lattice: &Lattice) -> Vec<Segment> {
        let beyond = Coord { x: REACH_M, y: REACH_M };
        let [low, high] = lattice.bounds();
        let (low, high) = (low - beyond, high + beyond);
        let near = self.network.edges_near(low, high);
        let mut edges: Vec<EdgeId> = near.filter(|edge| self.weights.is_snappable(*edge)).collect();
        edges.sort_unstable();
        // A long road through the woods is cut far beyond the lattice.
        let is_near = |segment: &Segment| {
            let [a, b] = segment.line.bounds(0.0);
            b.x >= low.x && b.y >= low.y && a.x <= high.x && a.y <= high.y
        };
        let (mut segments, mut of_edge) = (Vec::with_capacity(2 * edges.len()), Vec::new());
        let mut cutter = Cutter::new(self.network);
        for edge in edges {
            cutter.cut(edge, &mut of_edge);
            segments.extend(of_edge.drain(..).filter(is_near));
        }
        segments
    }
}

/// Where the nearest street is hidden, another may be in sight.
fn look_past_obstacles(
    lattice: &Lattice,
    sight: &Sight,
    shaded: &[u8],
    segments: &[Segment],
    nearest: &mut [f32],
    owner: &mut [u32],
) {
    let mut hidden = vec![0_u8; shaded.len()];
    for corner in bits_of(shaded) {
        let at = lattice.place(corner);
        if owner[corner] != NONE && sight.hides(at, segments[owner[corner] as usize].line.foot(at).1) {
            hidden[corner / SIDE] |= 1 << (corner % SIDE);
            owner[corner] = NONE;
            nearest[corner] = beyond(REACH_M);
        }
    }
    if hidden.iter().all(|row| *row == 0) {
        return;
    }
    for (segment, i) in segments.iter().zip(0..) {
        lattice.within(segment.line.bounds(REACH_M), |slot, columns, rows| {
            let hidden = &hidden[slot * SIDE..(slot + 1) * SIDE];
            Block::of(lattice, slot, nearest, owner).spread_in_sight(&segment.line, i, columns, rows, hidden, sight);
        });
    }
}

/// The corners that have a bit in their row.
fn bits_of(rows: &[u8]) -> impl Iterator<Item = usize> + '_ {
    rows.iter().enumerate().flat_map(|(row, &bits)| {
        (0..SIDE).filter(move |column| bits >> column & 1 != 0).map(move |column| row * SIDE + column)
    })
}

/// The square of the metres that a street must be nearer than to be within so many, with room for ties.
pub(crate) fn beyond(metres: f64) -> f32 {
    (metres * metres) as f32 + TIE_M2
}

/// A straight line as seen from a corner nearby, in single precision.
struct Line {
    x: f32,
    y: f32,
    dx: f32,
    dy: f32,
    /// 1 by the square of its length.
    inverse: f32,
}

impl Line {
    fn seen_from(low: Point, line: &Straight) -> Self {
        let (from, along) = (line.from - low, line.to - line.from);
        let (dx, dy) = (along.x as f32, along.y as f32);
        Self { x: from.x as f32, y: from.y as f32, dx, dy, inverse: line.inverse as f32 }
    }

    /// How far along it, 0 to 1, the point nearest to a place lies.
    fn fraction(&self, x: f32, y: f32) -> f32 {
        let t = ((x - self.x) * self.dx + (y - self.y) * self.dy) * self.inverse;
        // Not `clamp`: this compiles to one instruction each.
        let t = if t > 0.0 { t } else { 0.0 };
        if t < 1.0 { t } else { 1.0 }
    }

    /// The square of the metres from a place to it, so far along.
    fn away(&self, x: f32, y: f32, t: f32) -> f32 {
        let (away_x, away_y) = (x - self.x - t * self.dx, y - self.y - t * self.dy);
        away_x * away_x + away_y * away_y
    }
}

/// So many corners of a row are told of a segment at once; a power of two.
const LANES: usize = 4;

/// The corners of a block, to be told of segments.
struct Block<'a> {
    low: Point,
    pitch: f64,
    /// By corner, the square of the metres to the nearest segment.
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

    /// Tells some corners of a segment, in whole [`LANES`]. Counted from the block, so that a corner finds the same
    /// whatever else there is.
    fn spread(self, line: &Straight, i: u32, columns: RangeInclusive<usize>, rows: RangeInclusive<usize>) {
        let line = Line::seen_from(self.low, line);
        let pitch = self.pitch as f32;
        let (start, end) = (columns.start() & !(LANES - 1), (columns.end() | (LANES - 1)) + 1);
        for row in rows {
            let y = row as f32 * pitch;
            let nearest = &mut self.nearest[row * SIDE..][start..end];
            let owner = &mut self.owner[row * SIDE..][start..end];
            for ((nearest, owner), column) in nearest.iter_mut().zip(owner).zip(start as i32..) {
                let x = column as f32 * pitch;
                let away = line.away(x, y, line.fraction(x, y));
                *owner = if away + TIE_M2 < *nearest { i } else { *owner };
                *nearest = if away < *nearest { away } else { *nearest };
            }
        }
    }

    /// Tells those corners of a segment that lost another, if it is in sight.
    fn spread_in_sight(
        self,
        line: &Straight,
        i: u32,
        columns: RangeInclusive<usize>,
        rows: RangeInclusive<usize>,
        lost: &[u8],
        sight: &Sight,
    ) {
        let asked = u8::MAX >> (u8::BITS as usize - 1 - columns.end()) & u8::MAX << columns.start();
        for row in rows {
            let mut left = lost[row] & asked;
            while left != 0 {
                let column = left.trailing_zeros() as usize;
                left &= left - 1;
                let at = self.low + Coord { x: column as f64, y: row as f64 } * self.pitch;
                let (_, foot, away) = line.foot(at);
                let away = away as f32;
                let corner = row * SIDE + column;
                if away + TIE_M2 < self.nearest[corner] && !sight.hides(at, foot) {
                    self.nearest[corner] = away;
                    self.owner[corner] = i;
                }
            }
        }
    }
}
