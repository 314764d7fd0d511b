//! Points, rectangles and chance for the drawing board: whole decimetres on a flat plan, bent into degrees at the end.
//!
//! Only additions, multiplications, divisions and square roots are used: their results are the same to the last bit on
//! every platform, which sines and logarithms do not promise.

use crate::dice::Dice;
use crate::pbf::{LAT_E7_PER_M, LON_E7_PER_M, ORIGIN_E7};

/// A point of the plan: decimetres east and north of its south-western corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pt {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// Shorthand for a point.
pub(super) const fn pt(x: i32, y: i32) -> Pt {
    Pt { x, y }
}

/// A point given in metres.
pub(super) const fn metres(x: i32, y: i32) -> Pt {
    Pt { x: x * 10, y: y * 10 }
}

impl Pt {
    /// The point a fraction `num / den` of the way to another.
    pub(super) fn towards(self, other: Pt, num: i32, den: i32) -> Pt {
        pt(self.x + (other.x - self.x) * num / den, self.y + (other.y - self.y) * num / den)
    }

    pub(super) fn shifted(self, dx: i32, dy: i32) -> Pt {
        pt(self.x + dx, self.y + dy)
    }

    /// Squared distance in square decimetres.
    pub(super) fn distance2(self, other: Pt) -> i64 {
        let (dx, dy) = (i64::from(self.x - other.x), i64::from(self.y - other.y));
        dx * dx + dy * dy
    }

    /// Where the point lies on the globe: (longitude, latitude) in 1e-7 degrees.
    ///
    /// The plan is drawn at right angles. Here the old town is twisted about its middle, the whole is bent, and then
    /// turned by six degrees, since no real town lies along the meridians.
    pub(super) fn to_e7(self) -> (i32, i32) {
        let x = f64::from(self.x) / 10.0 - 2970.0;
        let y = f64::from(self.y) / 10.0 - 2475.0;
        let (x, y) = twisted(x, y);
        let (across, up) = (x / 2970.0, y / 2475.0);
        let bent_x = x + 95.0 * up * up - 60.0 * across * up + 200.0 * (up - up * up * up);
        let bent_y = y + 130.0 * across * across + 45.0 * across * up + 160.0 * (across * across * across - across);
        let (cos, sin) = (0.994_521_895, 0.104_528_463);
        let east_m = bent_x * cos - bent_y * sin;
        let north_m = bent_x * sin + bent_y * cos;
        let lon = ORIGIN_E7.0 + (east_m * LON_E7_PER_M).round() as i32;
        let lat = ORIGIN_E7.1 + (north_m * LAT_E7_PER_M).round() as i32;
        (lon, lat)
    }
}

/// Turns what lies within thirteen hundred metres of the old town's middle, most at the middle and not at all at the rim.
fn twisted(x: f64, y: f64) -> (f64, f64) {
    const MIDDLE: (f64, f64) = (-30.0, 0.0);
    const RADIUS_M: f64 = 1300.0;
    let (dx, dy) = (x - MIDDLE.0, y - MIDDLE.1);
    let share = 1.0 - (dx * dx + dy * dy) / (RADIUS_M * RADIUS_M);
    if share <= 0.0 {
        return (x, y);
    }
    let sin = 0.34 * share * share;
    let cos = (1.0 - sin * sin).sqrt();
    (MIDDLE.0 + dx * cos - dy * sin, MIDDLE.1 + dx * sin + dy * cos)
}

/// A line with further points on its long pieces, so that they bend with the plan; the ends stay as they are.
pub(super) fn pliant(points: &[Pt]) -> Vec<Pt> {
    const LONGEST: f64 = 900.0;
    let mut dense: Vec<Pt> = points.first().copied().into_iter().collect();
    for ends in points.windows(2) {
        let pieces = ((ends[0].distance2(ends[1]) as f64).sqrt() / LONGEST) as i32 + 1;
        dense.extend((1..=pieces).map(|piece| ends[0].towards(ends[1], piece, pieces)));
    }
    dense
}

/// A side of a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    North,
    East,
    South,
    West,
}

impl Side {
    pub(super) const ALL: [Side; 4] = [Side::North, Side::East, Side::South, Side::West];
}

/// An upright rectangle, in decimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) west: i32,
    pub(super) south: i32,
    pub(super) east: i32,
    pub(super) north: i32,
}

impl Rect {
    pub(super) fn around(centre: Pt, width: i32, height: i32) -> Rect {
        Rect {
            west: centre.x - width / 2,
            south: centre.y - height / 2,
            east: centre.x + width / 2,
            north: centre.y + height / 2,
        }
    }

    pub(super) fn width(self) -> i32 {
        self.east - self.west
    }

    pub(super) fn height(self) -> i32 {
        self.north - self.south
    }

    pub(super) fn centre(self) -> Pt {
        pt(i32::midpoint(self.west, self.east), i32::midpoint(self.south, self.north))
    }

    pub(super) fn inset(self, by: i32) -> Rect {
        self.inset_sides([by; 4])
    }

    /// Moves the sides inwards, in the order of [`Side::ALL`].
    pub(super) fn inset_sides(self, [north, east, south, west]: [i32; 4]) -> Rect {
        Rect { west: self.west + west, south: self.south + south, east: self.east - east, north: self.north - north }
    }

    pub(super) fn overlaps(self, other: Rect) -> bool {
        self.west < other.east && other.west < self.east && self.south < other.north && other.south < self.north
    }

    /// The corners anticlockwise from the south-west, the first not repeated.
    pub(super) fn ring(self) -> Vec<Pt> {
        let Rect { west, south, east, north } = self;
        vec![pt(west, south), pt(east, south), pt(east, north), pt(west, north)]
    }

    /// The point on a side, `permille` of the way along it from the west or the south.
    pub(super) fn on_side(self, side: Side, permille: i32) -> Pt {
        let x = self.west + self.width() * permille / 1000;
        let y = self.south + self.height() * permille / 1000;
        match side {
            Side::North => pt(x, self.north),
            Side::East => pt(self.east, y),
            Side::South => pt(x, self.south),
            Side::West => pt(self.west, y),
        }
    }

    /// Cut by an upright line `permille` of the way from the west, leaving a gap.
    pub(super) fn split_x(self, permille: i32, gap: i32) -> (Rect, Rect) {
        let cut = self.west + self.width() * permille / 1000;
        (Rect { east: cut - gap / 2, ..self }, Rect { west: cut + gap / 2, ..self })
    }

    /// Cut by a level line `permille` of the way from the south, leaving a gap.
    pub(super) fn split_y(self, permille: i32, gap: i32) -> (Rect, Rect) {
        let cut = self.south + self.height() * permille / 1000;
        (Rect { north: cut - gap / 2, ..self }, Rect { south: cut + gap / 2, ..self })
    }
}

/// Puts a point that lies on an upright or level side of a ring between the ends of that side.
pub(super) fn insert_on_ring(ring: &mut Vec<Pt>, p: Pt) {
    if ring.contains(&p) {
        return;
    }
    let side = (0..ring.len()).find(|&i| {
        let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
        let upright = a.x == b.x && p.x == a.x && (a.y.min(b.y)..=a.y.max(b.y)).contains(&p.y);
        let level = a.y == b.y && p.y == a.y && (a.x.min(b.x)..=a.x.max(b.x)).contains(&p.x);
        upright || level
    });
    ring.insert(side.expect("a gate is drawn on the outline it opens") + 1, p);
}

/// The convex hull, anticlockwise, the first point not repeated.
pub(super) fn hull(points: &[Pt]) -> Vec<Pt> {
    let turns_left =
        |a: Pt, b: Pt, c: Pt| i64::from(b.x - a.x) * i64::from(c.y - a.y) > i64::from(b.y - a.y) * i64::from(c.x - a.x);
    let mut sorted = points.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let chain = |points: &mut dyn Iterator<Item = Pt>| {
        let mut chain: Vec<Pt> = Vec::new();
        for p in points {
            while chain.len() >= 2 && !turns_left(chain[chain.len() - 2], chain[chain.len() - 1], p) {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut ring = chain(&mut sorted.iter().copied());
    ring.extend(chain(&mut sorted.iter().rev().copied()));
    ring
}

/// Chance in whole numbers.
#[derive(Clone, Debug)]
pub(super) struct Prng(Dice);

impl Prng {
    /// A stream of its own for each place, so that a change in one leaves the others as they were.
    pub(super) fn new(seed: u64, place: usize) -> Self {
        let mut dice = Dice(seed ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.roll();
        Self(dice)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + ((self.0.roll() >> 33) % (i64::from(high - low) + 1) as u64) as i32
    }

    pub(super) fn percent(&mut self, chance: i32) -> bool {
        self.between(0, 99) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as i32 - 1) as usize]
    }
}
