//! Lines that nobody crosses but where a street does: banks of waters, railways, walls and fences.

use crate::geometry::{Point, Projection};
use crate::place::Polylines;
use geo::Coord;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

/// Obstacles on the plan, found by place.
#[derive(Debug, Default)]
pub struct Obstacles {
    corners: Vec<Point>,
    runs: RTree<Run>,
}

/// The box around a few pieces of a line in a row, with the numbers of their first and last corner.
type Run = GeomWithData<Rectangle<[f64; 2]>, (u32, u32)>;

/// Pieces that share a box: lines are walked along quicker than a tree is climbed.
const PIECES: usize = 8;

impl Obstacles {
    /// Lays lines on the plan.
    pub fn new(projection: &Projection, lines: &Polylines) -> Self {
        let (mut corners, mut runs) = (Vec::new(), Vec::new());
        for line in lines.iter() {
            let start = corners.len();
            corners.extend(line.iter().map(|&at| projection.project(at)));
            let last = corners.len() - 1;
            for first in (start..last).step_by(PIECES) {
                let end = (first + PIECES).min(last);
                let (low, high) = bounds(&corners[first..=end]);
                let around = Rectangle::from_corners([low.x, low.y], [high.x, high.y]);
                runs.push(Run::new(around, (first as u32, end as u32)));
            }
        }
        Self { corners, runs: RTree::bulk_load(runs) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.corners.is_empty()
    }

    /// The straight pieces of obstacles whose own box meets a box on the plan, as both their ends.
    pub fn near(&self, low: Point, high: Point) -> impl Iterator<Item = (Point, Point)> + '_ {
        let around = AABB::from_corners([low.x, low.y], [high.x, high.y]);
        let runs = self.runs.locate_in_envelope_intersecting(around);
        let pieces = runs.flat_map(|run| {
            let (first, last) = run.data;
            self.corners[first as usize..=last as usize].windows(2).map(|ends| (ends[0], ends[1]))
        });
        pieces.filter(move |&(a, b)| {
            a.x.min(b.x) <= high.x && a.x.max(b.x) >= low.x && a.y.min(b.y) <= high.y && a.y.max(b.y) >= low.y
        })
    }
}

/// The corners of the box around some points.
fn bounds(points: &[Point]) -> (Point, Point) {
    let none = (Coord { x: f64::INFINITY, y: f64::INFINITY }, Coord { x: f64::NEG_INFINITY, y: f64::NEG_INFINITY });
    points.iter().fold(none, |(low, high), p| {
        (Coord { x: low.x.min(p.x), y: low.y.min(p.y) }, Coord { x: high.x.max(p.x), y: high.y.max(p.y) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::LonLat;

    fn place(step: i32) -> LonLat {
        // A spiral: pieces of every direction, many of them long.
        let (turn, out) = (f64::from(step) * 0.7, f64::from(step) * 9e-5);
        LonLat::from_degrees(28.8 + out * turn.cos(), 47.0 + out * turn.sin()).unwrap()
    }

    #[test]
    fn what_is_near_is_what_a_look_at_every_piece_finds() {
        let projection = Projection::new(place(0));
        let mut lines = Polylines::default();
        let spiral: Vec<LonLat> = (0..100).map(place).collect();
        spiral.chunks(9).for_each(|line| lines.push(line));
        lines.push(&spiral);
        lines.push(&[place(3), place(3)]);
        let obstacles = Obstacles::new(&projection, &lines);
        let by_place = |a: &(Point, Point), b: &(Point, Point)| {
            let key = |(a, b): &(Point, Point)| [a.x, a.y, b.x, b.y];
            key(a).partial_cmp(&key(b)).unwrap()
        };
        let mut found_any = 0;
        for step in 0..100 {
            let middle = projection.project(place(step));
            let half = f64::from(step);
            let (low, high) =
                (Point { x: middle.x - half, y: middle.y - 2.0 * half }, Point { x: middle.x + half, y: middle.y });
            let mut found: Vec<_> = obstacles.near(low, high).collect();
            let pieces = lines.iter().flat_map(|line| line.windows(2));
            let mut expected: Vec<_> = pieces
                .map(|ends| (projection.project(ends[0]), projection.project(ends[1])))
                .filter(|(a, b)| {
                    let (low_end, high_end) = bounds(&[*a, *b]);
                    low_end.x <= high.x && high_end.x >= low.x && low_end.y <= high.y && high_end.y >= low.y
                })
                .collect();
            found.sort_by(by_place);
            expected.sort_by(by_place);
            assert_eq!(found, expected);
            found_any += found.len();
        }
        assert!(found_any > 100);
    }

    #[test]
    fn where_there_is_none_none_is_near() {
        let obstacles = Obstacles::new(&Projection::new(place(0)), &Polylines::default());
        assert!(obstacles.is_empty());
        let far = Point { x: 1e9, y: 1e9 };
        assert_eq!(obstacles.near(-far, far).count(), 0);
    }
}
