//! Lines that nobody crosses but where a street does: banks of waters, railways, walls and fences.

use crate::geometry::Point;
use rstar::primitives::Line;
use rstar::{AABB, RTree};

/// Obstacles on the plan, found by place.
#[derive(Debug, Default)]
pub struct Obstacles {
    tree: RTree<Line<[f64; 2]>>,
}

impl Obstacles {
    /// Lays polylines on the plan, each as its corners; a ring repeats its first.
    pub fn new(lines: &[Vec<Point>]) -> Self {
        let sides = lines.iter().flat_map(|line| line.windows(2));
        let sides = sides.map(|pair| Line::new([pair[0].x, pair[0].y], [pair[1].x, pair[1].y])).collect();
        Self { tree: RTree::bulk_load(sides) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.size() == 0
    }

    /// The straight pieces of obstacles that come near a box on the plan, as both their ends.
    pub fn near(&self, low: Point, high: Point) -> impl Iterator<Item = (Point, Point)> + '_ {
        let found = self.tree.locate_in_envelope_intersecting(AABB::from_corners([low.x, low.y], [high.x, high.y]));
        let point = |[x, y]: [f64; 2]| Point { x, y };
        found.map(move |line| (point(line.from), point(line.to)))
    }
}
