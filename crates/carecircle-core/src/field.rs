//! The ground around streets, on a lattice: which street a place belongs to, and when one gets there.
//!
//! A place belongs to the nearest street in sight of it, out to a depth. In sight means that the straight line to the
//! street crosses no obstacle. Ground without a street, a *pocket*, is reached when all around it is: at the latest
//! time of the places that it borders on. One that an obstacle borders, water say, is never reached, nor one that lies
//! open. All of this is the same for every limit.
//!
//! The lattice hangs on the plan, not on an origin, and is kept in blocks, only where something may be reached.

use crate::geometry::Point;
use crate::lattice::{CORNERS, Lattice, NONE, SIDE};
use crate::sight::Sight;
use geo::Coord;
use std::ops::RangeInclusive;

/// Marks the street of a corner that lies beyond its depth.
const AFAR: u32 = 1 << 31;
/// Of streets in one place the first counts, as in the verdict: what is nearer by less than this in single precision,
/// square metres, is as near.
const TIE_M2: f32 = 5e-3;
/// The same between two streets, metres.
const TIE_M: f64 = 1e-6;
/// Pieces of street are no longer than this, metres.
const LONGEST_M: f64 = 64.0;

/// A straight piece of a street, with the times along it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    from: Point,
    to: Point,
    /// 1 by the square of its length, 0 if it has none.
    inverse: f64,
    /// Seconds by way of its start, at its start and at its end, and whose they are; and by way of its end.
    by: [(f32, f32, u32); 2],
}

impl Piece {
    /// The way over a piece in seconds, at its start and at its end.
    pub(crate) fn new(from: Point, to: Point, by: [(f64, f64, u32); 2]) -> Self {
        Self::between(from, to, by.map(|(start, end, label)| (start as f32, end as f32, label)))
    }

    fn between(from: Point, to: Point, by: [(f32, f32, u32); 2]) -> Self {
        let d = to - from;
        let square = d.x * d.x + d.y * d.y;
        Self { from, to, inverse: if square > 0.0 { 1.0 / square } else { 0.0 }, by }
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
            pieces.push(Self::between(at(i), at(i + 1.0), by));
        }
    }

    /// How far along it, 0 to 1, the point nearest to a place lies, and that point.
    fn foot(&self, at: Point) -> (f64, Point) {
        let (d, v) = (self.to - self.from, at - self.from);
        let t = ((v.x * d.x + v.y * d.y) * self.inverse).clamp(0.0, 1.0);
        (t, self.from + d * t)
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
    let later = end - start;
    if later.is_finite() {
        start + later * t
    } else if t <= 0.0 {
        start
    } else if t >= 1.0 {
        end
    } else {
        f32::INFINITY
    }
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

    /// When one gets to places on the side between two corners, and to whom.
    pub(crate) fn along(&self, corners: [usize; 2]) -> impl Fn(Point) -> (f32, u32) {
        let sight = |field: &Field| {
            let ends = corners.map(|corner| self.lattice.place(corner));
            self.sight.as_ref().filter(|sight| !field.is_open(sight, ends, corners))
        };
        let sights = (sight(&self.field), self.floor.as_ref().map(|floor| (floor, sight(floor))));
        move |at| {
            let (time, label) = self.field.at(sights.0, at, corners);
            let floor = sights.1.map_or(0.0, |(floor, sight)| floor.at(sight, at, corners).0);
            (time.max(floor), if self.is_shared() { label } else { 0 })
        }
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
        for (row, (hidden, mut asked)) in hidden.iter_mut().zip(sight.shaded(lattice, *depth)).enumerate() {
            while asked != 0 {
                let corner = row * SIDE + asked.trailing_zeros() as usize;
                asked &= asked - 1;
                if owner[corner] == NONE {
                    continue;
                }
                let at = lattice.place(corner);
                if sight.hides(at, pieces[owner[corner] as usize].foot(at).1) {
                    *hidden |= 1 << (corner % SIDE);
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
                let t = line.fraction(x, y);
                *seconds = piece.time(t).0 + line.away(x, y, t).sqrt() * self.seconds_per_metre;
            }
        }
    }

    /// The way from a place to a piece: metres, where it meets it, the time in all and to whom.
    fn way_to(&self, piece: u32, at: Point) -> (f64, Point, f32, u32) {
        let piece = &self.pieces[piece as usize];
        let (t, foot) = piece.foot(at);
        let away = ((at.x - foot.x) * (at.x - foot.x) + (at.y - foot.y) * (at.y - foot.y)).sqrt();
        let (time, label) = piece.time(t as f32);
        (away, foot, time + away as f32 * self.seconds_per_metre, label)
    }

    /// Whether no obstacle comes near the ways from the side between two corners to their streets.
    fn is_open(&self, sight: &Sight, [a, b]: [Point; 2], corners: [usize; 2]) -> bool {
        corners.map(|corner| self.owner[corner]).into_iter().filter(|&owner| owner != NONE).all(|owner| {
            let piece = &self.pieces[(owner & !AFAR) as usize];
            sight.is_clear([a, b, piece.foot(a).1, piece.foot(b).1])
        })
    }

    /// The time at a place on the side between two corners, by the nearer of their streets in sight; that of the pocket
    /// where neither has any. With it, whose it is.
    fn at(&self, sight: Option<&Sight>, at: Point, corners: [usize; 2]) -> (f32, u32) {
        let mut nearest: Option<(f64, f32, u32)> = None;
        let mut beyond: Option<(f64, f32, u32)> = None;
        let [a, b] = corners;
        let is_same = self.owner[a] == self.owner[b] && self.owner[a] & AFAR == 0;
        let in_order = if self.owner[a] <= self.owner[b] { [a, b] } else { [b, a] };
        let is_centre = |corner: usize| self.seconds[corner] <= 0.0;
        // Outside its cell a centre is like a street.
        let is_in_cell = is_centre(a) && is_centre(b);
        for &corner in &in_order[..2 - usize::from(is_same)] {
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
                        let is_beyond = away > self.depth && !is_in_cell;
                        if is_centre(corner) && (is_beyond || sight.is_some_and(|sight| sight.hides(at, foot))) {
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
        Self { x: from.x as f32, y: from.y as f32, dx, dy, inverse: piece.inverse as f32 }
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

/// What a corner that has no street begins with: the square of the metres that one must be nearer than.
fn out_of_depth(depth: f64) -> f32 {
    (depth * depth) as f32 + TIE_M2
}

/// So many corners of a row are told of a piece at once; a power of two.
const LANES: usize = 4;

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

    /// Tells some corners of a piece, in whole [`LANES`]. Counted from the block, so that a corner
    /// finds the same whatever else there is.
    fn spread(self, piece: &Piece, i: u32, columns: RangeInclusive<usize>, rows: RangeInclusive<usize>) {
        let line = Line::seen_from(self.low, piece);
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
        let asked = u16::MAX >> (u16::BITS as usize - 1 - columns.end()) & u16::MAX << columns.start();
        for row in rows {
            let mut left = lost[row] & asked;
            while left != 0 {
                let column = left.trailing_zeros() as usize;
                left &= left - 1;
                let at = self.low + Coord { x: column as f64, y: row as f64 } * self.pitch;
                let (_, foot) = piece.foot(at);
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
