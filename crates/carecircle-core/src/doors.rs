//! Where walks begin and end: at gates and entrances where a polygon has them on its outline, else where it stands.

use crate::geometry::{Point, Shape};
use crate::network::{EdgeId, Network, Snap};
use crate::place::{self, Places};
use crate::polygon::{self, ShapeIndex};
use crate::street::Access;
use crate::weights::{Opened, Passage, Weights};
use geo::Coord;
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};
use std::collections::BTreeMap;

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

/// A gate or entrance of something, on the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entrance {
    /// Where.
    pub at: Point,
    /// The gate that is closed here, an index into the network's gates; nobody comes in unless it is opened.
    pub closed: Option<u32>,
}

/// Land behind gates: who lives inside leaves by its streets, or else by its gates.
#[derive(Debug)]
struct Compound {
    shape: Shape,
    gates: Vec<Entrance>,
}

/// The compounds of a study, and where facilities are entered.
#[derive(Debug)]
pub(crate) struct Doors {
    compounds: Vec<Compound>,
    index: ShapeIndex,
    snap_m: f64,
    /// The closed gates on the outlines of compounds and facilities, ascending: opening one opens doors.
    closed_gates: Vec<u32>,
}

/// The gates and entrances of a map, on the plan.
pub(crate) struct MapDoors {
    tree: RTree<GeomWithData<[f64; 2], usize>>,
    doors: Vec<MapDoor>,
}

/// A gate or entrance of a map.
#[derive(Clone, Copy)]
struct MapDoor {
    entrance: Entrance,
    is_gate: bool,
    /// Whether nobody comes in, and nobody could: it is closed and on no street.
    is_shut: bool,
}

impl MapDoors {
    pub(crate) fn new(places: &Places, network: &Network) -> Self {
        let key = |at: Point| [at.x.to_bits(), at.y.to_bits()];
        let closed: BTreeMap<[u64; 2], u32> = network
            .gates()
            .iter()
            .zip(0..)
            .filter(|(g, _)| g.access == Access::Closed)
            .map(|(g, i)| (key(g.at), i))
            .collect();
        let door = |door: &place::Door| {
            let at = network.projection().project(door.at);
            let closed = closed.get(&key(at)).copied().filter(|_| door.is_closed);
            let is_shut = door.is_closed && closed.is_none();
            MapDoor { entrance: Entrance { at, closed }, is_gate: door.is_gate, is_shut }
        };
        let doors: Vec<MapDoor> = places.doors.iter().map(door).collect();
        let place = |(i, door): (usize, &MapDoor)| GeomWithData::new([door.entrance.at.x, door.entrance.at.y], i);
        Self { tree: RTree::bulk_load(doors.iter().enumerate().map(place).collect()), doors }
    }

    /// The doors on an outline, in the order of the map.
    fn on_outline(&self, shape: &Shape) -> Vec<MapDoor> {
        let Some(bounds) = polygon::bounds(shape) else { return Vec::new() };
        let (low, high) = (bounds.min(), bounds.max());
        let envelope = AABB::from_corners(
            [low.x - ON_OUTLINE_M, low.y - ON_OUTLINE_M],
            [high.x + ON_OUTLINE_M, high.y + ON_OUTLINE_M],
        );
        let mut near: Vec<usize> = self.tree.locate_in_envelope(envelope).map(|d| d.data).collect();
        near.sort_unstable();
        near.into_iter().map(|i| self.doors[i]).filter(|door| is_on_outline(shape, door.entrance.at)).collect()
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
                let on_outline = map.on_outline(shape).into_iter();
                let gates: Vec<Entrance> =
                    on_outline.filter(|door| door.is_gate && !door.is_shut).map(|door| door.entrance).collect();
                (!gates.is_empty()).then(|| Compound { shape: shape.clone(), gates })
            })
            .collect();
        let index = ShapeIndex::new(compounds.iter().map(|c| &c.shape));
        let closed_gates = compounds.iter().flat_map(|c| &c.gates).filter_map(|gate| gate.closed).collect();
        let mut doors = Self { compounds, index, snap_m, closed_gates };
        doors.closed_gates.sort_unstable();
        doors
    }

    /// Takes note of the closed gates of facilities.
    pub(crate) fn add_closed(&mut self, entrances: impl Iterator<Item = Entrance>) {
        self.closed_gates.extend(entrances.filter_map(|entrance| entrance.closed));
        self.closed_gates.sort_unstable();
    }

    /// Whether opening these passages opens a door of a compound or facility.
    pub(crate) fn change_with(&self, opened: Opened) -> bool {
        match opened {
            Opened::None | Opened::Only(Passage::Way(_)) => false,
            Opened::Only(Passage::Gate(gate)) => self.closed_gates.binary_search(&gate).is_ok(),
            Opened::All => !self.closed_gates.is_empty(),
        }
    }

    /// Where walks from a point where people live begin, for whom `weights` are. Inside a compound they begin on the
    /// nearest street inside, or at its gates where there is none.
    pub(crate) fn of_home(&self, network: &Network, weights: &Weights, at: Point) -> Vec<Door> {
        let is_open = |gate: &Entrance| gate.closed.is_none_or(|gate| weights.opened().opens(Passage::Gate(gate)));
        let around = self.index.containing(at).filter(|&i| self.compounds[i].gates.iter().any(is_open));
        let smallest = around.min_by(|a, b| {
            let area = |i: &usize| polygon::area_m2(&self.compounds[*i].shape);
            area(a).total_cmp(&area(b)).then(a.cmp(b))
        });
        let Some(compound) = smallest.map(|i| &self.compounds[i]) else {
            return self.of_place(network, weights, at).into_iter().collect();
        };
        let inside = |snap: &Snap| {
            weights.is_snappable(snap.edge)
                && (polygon::contains(&compound.shape, snap.at) || is_on_outline(&compound.shape, snap.at))
        };
        if let Some(snap) = network.snap_where(at, self.snap_m, inside) {
            return vec![Door::new(at, 0.0, snap)];
        }
        let scale = network.projection().scale_at(at);
        let by_gate = |gate: &Entrance| {
            let beyond_m = (gate.at.x - at.x).hypot(gate.at.y - at.y) / scale;
            self.of_entrance(network, weights, gate.at, beyond_m)
        };
        compound.gates.iter().filter(|gate| is_open(gate)).flat_map(by_gate).collect()
    }

    /// Where walks to a facility end: at its entrances, else where it stands.
    pub(crate) fn of_facility(
        &self,
        network: &Network,
        weights: &Weights,
        entrances: &[Entrance],
        at: Point,
    ) -> Vec<Door> {
        let is_open =
            |entrance: &&Entrance| entrance.closed.is_none_or(|gate| weights.opened().opens(Passage::Gate(gate)));
        let by_entrance = |entrance: &Entrance| self.of_entrance(network, weights, entrance.at, 0.0);
        let doors: Vec<Door> = entrances.iter().filter(is_open).flat_map(by_entrance).collect();
        if doors.is_empty() { self.of_place(network, weights, at).into_iter().collect() } else { doors }
    }

    fn of_place(&self, network: &Network, weights: &Weights, at: Point) -> Option<Door> {
        network.snap_for(weights, at, self.snap_m).map(|snap| Door::new(at, 0.0, snap))
    }

    /// Whoever stands at a gate may go either way: every street that ends there is a door.
    fn of_entrance(&self, network: &Network, weights: &Weights, at: Point, beyond_m: f64) -> Vec<Door> {
        let Some(nearest) = network.snap_for(weights, at, self.snap_m) else { return Vec::new() };
        let is_there = |edge: &EdgeId| weights.is_snappable(*edge);
        let mut here: Vec<EdgeId> = network.edges_near(nearest.at, nearest.at).filter(is_there).collect();
        here.sort_unstable();
        let equally_near = |edge: EdgeId| {
            let snap = network.nearest_on_edge(edge, nearest.at);
            (snap.offset_m < 1e-3).then_some(Snap { offset_m: nearest.offset_m, ..snap })
        };
        let mut snaps: Vec<Snap> = here.into_iter().filter_map(equally_near).collect();
        if snaps.is_empty() {
            snaps.push(nearest);
        }
        snaps.into_iter().map(|snap| Door::new(at, beyond_m, snap)).collect()
    }
}

/// The entrances of some grounds: gates and entrances on the outline, and where streets cross it or lead up to it; not where
/// nobody passes.
pub(crate) fn entrances(network: &Network, map: &MapDoors, grounds: &Shape) -> Vec<Entrance> {
    let on_outline = map.on_outline(grounds);
    let mut found: Vec<Entrance> = on_outline.iter().filter(|d| !d.is_shut).map(|d| d.entrance).collect();
    let Some(bounds) = polygon::bounds(grounds) else { return found };
    let (low, high) = (bounds.min(), bounds.max());
    let is_near_box = |p: &Point| (low.x - ON_OUTLINE_M..=high.x + ON_OUTLINE_M).contains(&p.x);
    let walls: Vec<Point> = network.walls().iter().copied().filter(is_near_box).collect();
    let closed: Vec<(u32, Point)> = network
        .gates()
        .iter()
        .zip(0..)
        .filter(|(gate, _)| gate.access == Access::Closed && is_near_box(&gate.at))
        .map(|(gate, i)| (i, gate.at))
        .collect();
    let shut: Vec<Point> = on_outline.iter().filter(|d| d.is_shut).map(|d| d.entrance.at).collect();
    let mut edges: Vec<EdgeId> = network.edges_near(low, high).filter(|edge| !network.edge(*edge).across).collect();
    edges.sort_unstable();
    for id in edges {
        let line: Vec<Point> = network.geometry(id).map(|(at, _)| at).collect();
        for piece in line.windows(2) {
            for side in sides(grounds) {
                let Some(at) = meeting((piece[0], piece[1]), side) else { continue };
                let is_near = |p: &Point| (p.x - at.x).hypot(p.y - at.y) <= ON_OUTLINE_M;
                let is_known = found.iter().any(|entrance| is_near(&entrance.at));
                if !is_known && !walls.iter().chain(&shut).any(is_near) {
                    let gate = closed.iter().find(|(_, at)| is_near(at)).map(|(gate, _)| *gate);
                    found.push(Entrance { at, closed: gate });
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
