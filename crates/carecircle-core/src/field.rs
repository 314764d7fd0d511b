//! The ground around streets, on a lattice: which street a place belongs to, and when one gets there.
//!
//! A place belongs to the street that it fronts on, out to a depth, or to a way from the street to the door where that is
//! nearer. Ground without a street, a *pocket*, is reached when all around it is: at the latest time of the places that it
//! borders on. One that an obstacle borders, water say, is never reached, nor one that lies open. All of this is the same
//! for every limit.

use crate::frontage::{Frontage, Plan, REACH_M, TIE_M2, beyond};
use crate::geometry::Point;
use crate::lattice::{CORNERS, Lattice, NONE, SIDE};
use crate::sight::Sight;
use crate::study::Study;
use crate::walked::{Piece, Walked};
use std::cmp::Ordering;

/// Marks the street of a corner that lies beyond its depth.
const AFAR: u32 = 1 << 31;
/// Of streets in one place the first counts, as in the verdict: what is nearer by less than this, metres, is as near.
const TIE_M: f64 = 1e-6;
/// So many blocks are made into a field at once.
const AT_ONCE: usize = 4096;

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
    /// The ground around the streets of a walker, so many metres deep; with a floor, no place is reached earlier than by
    /// that.
    pub(crate) fn new(
        study: &Study,
        lattice: Lattice,
        streets: &Walked,
        floor: Option<&Walked>,
        depth: f64,
        is_shared: bool,
    ) -> Self {
        let sight = Sight::over(&lattice, study.obstacles(), REACH_M);
        let field = |walked| Field::new(study, &lattice, sight.as_ref(), walked, depth);
        let (mut field, floor) = (field(streets), floor.map(field));
        let mut labels = Vec::new();
        if is_shared {
            field.share_pockets(&lattice);
            labels = (0..lattice.len()).map(|corner| field.label(&lattice, corner)).collect();
        }
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
        let sight = |field: &Field| self.sight.as_ref().filter(|sight| !field.is_open(sight, &self.lattice, corners));
        let sights = (sight(&self.field), self.floor.as_ref().map(|floor| (floor, sight(floor))));
        move |at| {
            let (time, label) = self.field.at(sights.0, at, corners);
            let floor = sights.1.map_or(0.0, |(floor, sight)| floor.at(sight, at, corners).0);
            (time.max(floor), if self.is_shared() { label } else { 0 })
        }
    }
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
    obstacles: Barred,
    /// Centres that don't see their whole cell.
    hidden: Vec<(Point, u32)>,
}

/// Where obstacles stand, a bit for each corner, by row.
#[derive(Debug, Default)]
struct Barred {
    /// Across the side to the right.
    right: Vec<u8>,
    /// Across the side above.
    above: Vec<u8>,
    /// As near as a street may be.
    near: Vec<u8>,
}

impl Barred {
    fn bit(rows: &[u8], corner: usize) -> bool {
        rows[corner / SIDE] >> (corner % SIDE) & 1 != 0
    }

    /// Whether an obstacle crosses the side from a corner to one of those [`Lattice::beside`] it.
    fn bars(&self, corner: usize, side: usize, beside: usize) -> bool {
        match side {
            0 => Self::bit(&self.right, corner),
            1 => Self::bit(&self.above, corner),
            2 => Self::bit(&self.right, beside),
            _ => Self::bit(&self.above, beside),
        }
    }
}

impl Field {
    fn new(study: &Study, lattice: &Lattice, sight: Option<&Sight>, walked: &Walked, depth: f64) -> Self {
        let weights = walked.weights;
        let mut field = Self {
            pieces: Vec::new(),
            depth,
            seconds_per_metre: (3.6 / weights.speed().kmh()) as f32,
            owner: Vec::with_capacity(lattice.len()),
            seconds: Vec::with_capacity(lattice.len()),
            obstacles: Barred::default(),
            hidden: Vec::new(),
        };
        // By corner, the square of the metres to the nearest street.
        let mut nearest = Vec::with_capacity(lattice.len());
        let (frontages, plan) = (study.frontages(weights), Plan { network: study.network(), weights, sight });
        for start in (0..lattice.blocks.len()).step_by(AT_ONCE) {
            let slots = start..(start + AT_ONCE).min(lattice.blocks.len());
            for frontage in frontages.of(lattice, slots, &plan) {
                field.add_block(&frontage, walked, &mut nearest);
            }
        }
        let first = field.pieces.len();
        for way_in in &walked.ways_in {
            field.add_way_in(lattice, sight, way_in.clone(), &mut nearest);
        }
        field.fill_pockets(lattice);
        // The cell that somebody stands in is reached, as far as they see it, whatever streets are nearer.
        for &(at, way_in) in &walked.centres {
            let centre = (at, (first + way_in) as u32);
            if !field.settle(lattice, sight, centre) {
                field.hidden.push(centre);
            }
        }
        field
    }

    fn add_block(&mut self, frontage: &Frontage, walked: &Walked, nearest: &mut Vec<f32>) {
        let first = self.pieces.len();
        self.pieces.extend(frontage.segments.iter().map(|segment| walked.piece(segment)));
        let too_far = beyond(self.depth);
        for ((&owner, &along), &away) in frontage.owner.iter().zip(&frontage.along).zip(&frontage.away) {
            if owner == Frontage::NOWHERE || away + TIE_M2 >= too_far {
                self.owner.push(NONE);
                self.seconds.push(f32::INFINITY);
                nearest.push(too_far);
            } else {
                let owner = first + usize::from(owner);
                self.owner.push(owner as u32);
                self.seconds.push(self.pieces[owner].time(along).0 + away.sqrt() * self.seconds_per_metre);
                nearest.push(away);
            }
        }
        self.obstacles.right.extend_from_slice(&frontage.barred_right);
        self.obstacles.above.extend_from_slice(&frontage.barred_above);
        self.obstacles.near.extend_from_slice(&frontage.shaded);
    }

    /// Gives the corners to a way in that are nearer to it than to any street.
    fn add_way_in(&mut self, lattice: &Lattice, sight: Option<&Sight>, piece: Piece, nearest: &mut [f32]) {
        lattice.within(piece.line.bounds(self.depth), |slot, columns, rows| {
            for corner in rows.flat_map(|row| columns.clone().map(move |column| slot * CORNERS + row * SIDE + column)) {
                let at = lattice.place(corner);
                let (t, foot, away) = piece.line.foot(at);
                let away = away as f32;
                let is_shaded = || Barred::bit(&self.obstacles.near, corner);
                if away + TIE_M2 < nearest[corner] && !sight.is_some_and(|sight| is_shaded() && sight.hides(at, foot)) {
                    nearest[corner] = away;
                    self.owner[corner] = self.pieces.len() as u32;
                    self.seconds[corner] = piece.time(t as f32).0 + away.sqrt() * self.seconds_per_metre;
                }
            }
        });
        self.pieces.push(piece);
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

    /// The way from a place to a piece: metres, where it meets it, the time in all and to whom.
    fn way_to(&self, piece: u32, at: Point) -> (f64, Point, f32, u32) {
        let piece = &self.pieces[piece as usize];
        let (t, foot, square) = piece.line.foot(at);
        let away = square.sqrt();
        let (time, label) = piece.time(t as f32);
        (away, foot, time + away as f32 * self.seconds_per_metre, label)
    }

    /// Whether no obstacle comes near the ways from the side between two corners to their streets.
    fn is_open(&self, sight: &Sight, lattice: &Lattice, corners: [usize; 2]) -> bool {
        if corners.iter().all(|&corner| !Barred::bit(&self.obstacles.near, corner)) {
            return true;
        }
        let [a, b] = corners.map(|corner| lattice.place(corner));
        corners.map(|corner| self.owner[corner]).into_iter().filter(|&owner| owner != NONE).all(|owner| {
            let line = &self.pieces[(owner & !AFAR) as usize].line;
            sight.is_clear([a, b, line.foot(a).1, line.foot(b).1])
        })
    }

    /// Which of two corners' streets comes first.
    fn in_order(&self, a: usize, b: usize) -> Ordering {
        let order = |corner: usize| match self.owner[corner] {
            NONE => (NONE, NONE),
            owner => self.pieces[(owner & !AFAR) as usize].order,
        };
        if self.owner[a] == self.owner[b] { Ordering::Equal } else { order(a).cmp(&order(b)) }
    }

    /// The time at a place on the side between two corners, by the nearer of their streets in sight; that of the pocket
    /// where neither has any. With it, whose it is.
    fn at(&self, sight: Option<&Sight>, at: Point, corners: [usize; 2]) -> (f32, u32) {
        let mut nearest: Option<(f64, f32, u32)> = None;
        let mut beyond: Option<(f64, f32, u32)> = None;
        let [a, b] = corners;
        let order = self.in_order(a, b);
        let is_same = order.is_eq() && self.owner[a] & AFAR == 0 && self.owner[b] & AFAR == 0;
        let in_order = if order.is_le() { [a, b] } else { [b, a] };
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
    fn fill_pockets(&mut self, lattice: &Lattice) {
        let pockets = Pockets::of(lattice, &self.obstacles, &self.owner);
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
                for (side, next) in lattice.beside(corner as usize).into_iter().enumerate() {
                    let seconds = self.seconds[next as usize];
                    let is_owned = self.owner[next as usize] != NONE;
                    let is_parted = self.obstacles.bars(corner as usize, side, next as usize)
                        && (is_owned || pockets.root(pockets.run_of(next)) != root);
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
    fn of(lattice: &Lattice, obstacles: &Barred, owner: &[u32]) -> Self {
        let mut runs = Vec::new();
        let mut first = Vec::with_capacity(owner.len() / SIDE + 1);
        for (row, owners) in owner.chunks_exact(SIDE).enumerate() {
            first.push(runs.len() as u32);
            let mut x = 0;
            while x < SIDE {
                if owners[x] != NONE {
                    x += 1;
                    continue;
                }
                let start = row * SIDE + x;
                x += 1;
                while x < SIDE && owners[x] == NONE && obstacles.right[row] >> (x - 1) & 1 == 0 {
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
            let [right, ..] = lattice.beside(end - 1);
            if end % SIDE == 0
                && right != NONE
                && owner[right as usize] == NONE
                && !Barred::bit(&obstacles.right, end - 1)
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
                if both.any(|corner| !Barred::bit(&obstacles.above, corner)) {
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
