//! The order that puts near places near each other.

use crate::geometry::Point;

/// A Hilbert curve through 65,536 × 65,536 squares.
pub(super) struct Curve {
    low: Point,
    squares_per_metre: f64,
}

impl Curve {
    const ORDER: u32 = 16;

    pub(super) fn around(points: impl Iterator<Item = Point>) -> Self {
        let (mut low, mut high) = (Point { x: f64::MAX, y: f64::MAX }, Point { x: f64::MIN, y: f64::MIN });
        for p in points {
            low = Point { x: low.x.min(p.x), y: low.y.min(p.y) };
            high = Point { x: high.x.max(p.x), y: high.y.max(p.y) };
        }
        let side = (high.x - low.x).max(high.y - low.y).max(1.0);
        Self { low, squares_per_metre: f64::from((1 << Self::ORDER) - 1) / side }
    }

    /// How far along the curve a place lies: quarter by quarter, each turned so that the next begins where it ends.
    pub(super) fn position(&self, at: Point) -> u32 {
        let mut x = ((at.x - self.low.x) * self.squares_per_metre) as u32;
        let mut y = ((at.y - self.low.y) * self.squares_per_metre) as u32;
        let mut position = 0;
        for bit in (0..Self::ORDER).rev() {
            let (right, top) = ((x >> bit) & 1, (y >> bit) & 1);
            position = position << 2 | ((3 * right) ^ top);
            if top == 0 {
                if right == 1 {
                    (x, y) = (!x, !y);
                }
                (x, y) = (y, x);
            }
        }
        position
    }
}
