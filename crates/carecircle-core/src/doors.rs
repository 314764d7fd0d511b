//! Where walks begin and end: at gates and entrances where a polygon has them on its outline, else where it stands.

use crate::geometry::{Point, Projection, Shape};
use crate::network::{Network, Snap};
use crate::place::Places;
use crate::polygon::{self, ShapeIndex};
use crate::weights::Weights;
use geo::Coord;
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};

/// A gate belongs to an outline that passes it this near, metres: a node of the outline itself, but for rounding.
const ON_OUTLINE_M: f64 = 1.0;

/// Land larger than this is a quarter of a town, whose few gates don't close it: 50 hectares, more than the largest
/// compounds hold.
const LARGEST_COMPOUND_M2: f64 = 500_000.0;

/// Where a walk leaves the streets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Door {
    /// The place: a gate, an entrance, or the point itself.
    pub at: Point,
    /// Metres from the point that it serves, as the crow flies; 0 for the point itself.
    pub beyond_m: f64,
    /// Where it meets the network; the metres off the network include those beyond the door.
    pub snap: Snap,
}

impl Door {
    fn new(at: Point, beyond_m: f64, snap: Snap) -> Self {
        Self { at, beyond_m, snap: Snap { offset_m: snap.offset_m + beyond_m, ..snap } }
    }
}

/// Land behind gates: who lives inside leaves by its streets, or else by its gates.
#[derive(Debug)]
struct Compound {
    shape: Shape,
    gates: Vec<Point>,
}

/// The compounds of a study, and where facilities are entered.
#[derive(Debug)]
pub(crate) struct Doors {
    compounds: Vec<Compound>,
    index: ShapeIndex,
    snap_m: f64,
}

/// The gates and entrances of a map, on the plan.
pub(crate) struct MapDoors {
    tree: RTree<GeomWithData<[f64; 2], usize>>,
    doors: Vec<(Point, bool, bool)>,
}

impl MapDoors {
    pub(crate) fn new(places: &Places, projection: &Projection) -> Self {
        let doors: Vec<(Point, bool, bool)> =
            places.doors.iter().map(|d| (projection.project(d.at), d.is_gate, d.is_closed)).collect();
        let points = doors.iter().enumerate().map(|(i, (at, ..))| GeomWithData::new([at.x, at.y], i)).collect();
        Self { tree: RTree::bulk_load(points), doors }
    }

    /// The doors on an outline in the order of the map, each as its place, whether it is a gate, and whether it is
    /// closed.
    fn on_outline(&self, shape: &Shape) -> Vec<(Point, bool, bool)> {
        let Some(bounds) = polygon::bounds(shape) else { return Vec::new() };
        let (low, high) = (bounds.min(), bounds.max());
        let envelope = AABB::from_corners(
            [low.x - ON_OUTLINE_M, low.y - ON_OUTLINE_M],
            [high.x + ON_OUTLINE_M, high.y + ON_OUTLINE_M],
        );
        let mut near: Vec<usize> = self.tree.locate_in_envelope(envelope).map(|d| d.data).collect();
        near.sort_unstable();
        near.into_iter().map(|i| self.doors[i]).filter(|(at, ..)| is_on_outline(shape, *at)).collect()
    }
}

fn is_on_outline(shape: &Shape, at: Point) -> bool {
    sides(shape).any(|(a, b)| {
        let foot = a + (b - a) * crate::network::fraction_along(a, b, at);
        (at.x - foot.x).hypot(at.y - foot.y) <= ON_OUTLINE_M
    })
}

fn sides(shape: &Shape) -> impl Iterator<Item = (Point, Point)> + '_ {
    let rings = shape.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
    rings.flat_map(|ring| ring.0.windows(2).map(|pair| (pair[0], pair[1])))
}

impl Doors {
    /// Compounds are those of `shapes` that have a gate on their outline.
    pub(crate) fn new<'a>(shapes: impl Iterator<Item = &'a Shape>, map: &MapDoors, snap_m: f64) -> Self {
        let compounds: Vec<Compound> = shapes
            .filter(|shape| polygon::area_m2(shape) <= LARGEST_COMPOUND_M2)
            .filter_map(|shape| {
                let gates: Vec<Point> =
                    map.on_outline(shape).into_iter().filter(|d| d.1 && !d.2).map(|d| d.0).collect();
                (!gates.is_empty()).then(|| Compound { shape: shape.clone(), gates })
            })
            .collect();
        let index = ShapeIndex::new(compounds.iter().map(|c| &c.shape));
        Self { compounds, index, snap_m }
    }

    /// Where walks from a point where people live begin, for whom `weights` are. Inside a compound they begin on the
    /// nearest street inside, or at its gates where there is none.
    pub(crate) fn of_home(&self, network: &Network, weights: &Weights, at: Point) -> Vec<Door> {
        let smallest = self.index.containing(at).min_by(|a, b| {
            let area = |i: &usize| polygon::area_m2(&self.compounds[*i].shape);
            area(a).total_cmp(&area(b)).then(a.cmp(b))
        });
        let Some(compound) = smallest.map(|i| &self.compounds[i]) else {
            return self.of_place(network, weights, at, 0.0).into_iter().collect();
        };
        let inside = |snap: &Snap| {
            weights.is_snappable(snap.edge)
                && (polygon::contains(&compound.shape, snap.at) || is_on_outline(&compound.shape, snap.at))
        };
        if let Some(snap) = network.snap_where(at, self.snap_m, inside) {
            return vec![Door::new(at, 0.0, snap)];
        }
        let scale = network.projection().scale_at(at);
        let by_gate = |gate: &Point| {
            let beyond_m = (gate.x - at.x).hypot(gate.y - at.y) / scale;
            self.of_place(network, weights, *gate, beyond_m)
        };
        compound.gates.iter().filter_map(by_gate).collect()
    }

    /// Where walks to a facility end: at its entrances, else where it stands.
    pub(crate) fn of_facility(
        &self,
        network: &Network,
        weights: &Weights,
        entrances: &[Point],
        at: Point,
    ) -> Vec<Door> {
        let by_entrance = entrances.iter().filter_map(|&entrance| self.of_place(network, weights, entrance, 0.0));
        let doors: Vec<Door> = by_entrance.collect();
        if doors.is_empty() { self.of_place(network, weights, at, 0.0).into_iter().collect() } else { doors }
    }

    fn of_place(&self, network: &Network, weights: &Weights, at: Point, beyond_m: f64) -> Option<Door> {
        network.snap_for(weights, at, self.snap_m).map(|snap| Door::new(at, beyond_m, snap))
    }
}

/// The entrances of some grounds: gates and entrances on the outline, and where streets cross it or lead up to it; not where
/// nobody passes.
pub(crate) fn entrances(network: &Network, map: &MapDoors, grounds: &Shape) -> Vec<Point> {
    let on_outline = map.on_outline(grounds);
    let mut found: Vec<Point> = on_outline.iter().filter(|d| !d.2).map(|d| d.0).collect();
    let Some(bounds) = polygon::bounds(grounds) else { return found };
    let (low, high) = (bounds.min(), bounds.max());
    let closed: Vec<Point> = network
        .closed()
        .filter(|p| (low.x - ON_OUTLINE_M..=high.x + ON_OUTLINE_M).contains(&p.x))
        .chain(on_outline.iter().filter(|d| d.2).map(|d| d.0))
        .collect();
    let mut edges: Vec<_> = network.edges_near(low, high).collect();
    edges.sort_unstable();
    for id in edges {
        let line: Vec<Point> = network.geometry(id).map(|(at, _)| at).collect();
        for piece in line.windows(2) {
            for side in sides(grounds) {
                let Some(at) = meeting((piece[0], piece[1]), side) else { continue };
                let is_near = |p: &Point| (p.x - at.x).hypot(p.y - at.y) <= ON_OUTLINE_M;
                if !closed.iter().any(is_near) && !found.iter().any(is_near) {
                    found.push(at);
                }
            }
        }
    }
    found
}

/// Where two lines meet, their ends included; parallel ones don't.
fn meeting((a, b): (Point, Point), (c, d): (Point, Point)) -> Option<Point> {
    let cross = |u: Coord<f64>, v: Coord<f64>| u.x * v.y - u.y * v.x;
    let (u, v, w) = (b - a, d - c, c - a);
    let across = cross(u, v);
    let (t, s) = (cross(w, v) / across, cross(w, u) / across);
    // Rounding must not keep a path that ends on the outline from meeting it.
    let within = -1e-6..=1.0 + 1e-6;
    (across != 0.0 && within.contains(&t) && within.contains(&s)).then(|| a + u * t)
}
