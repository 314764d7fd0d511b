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
use std::collections::{BTreeMap, BTreeSet};

/// A gate belongs to an outline that passes it this near, metres: a node of the outline itself, but for rounding.
const ON_OUTLINE_M: f64 = 1.0;

/// Land larger than this is a quarter of a town, whose few gates don't close it: 50 hectares, more than the largest
/// compounds hold.
const LARGEST_COMPOUND_M2: f64 = 500_000.0;

/// An outline of more corners than this is looked at no closer: grounds and compounds have a few dozen.
const MOST_SIDES: usize = 1_000;
/// From a home in a compound so many gates are tried, the nearest.
const MOST_GATES: usize = 16;
/// A facility is entered at so many places at most; a school has a handful.
const MOST_ENTRANCES: usize = 200;
/// Pieces of street compared with sides of one outline, at most.
const MOST_CROSSINGS_TRIED: usize = 5_000_000;

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

impl Entrance {
    /// Whether one comes in here, for whom `weights` are.
    fn is_open(&self, weights: &Weights) -> bool {
        self.closed.is_none_or(|gate| weights.opened().opens(Passage::Gate(gate)))
    }
}

/// Land behind gates: who lives inside leaves by its streets, or else by its gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Compound {
    /// Its outline on the plan.
    pub shape: Shape,
    /// The gates on its outline.
    pub gates: Vec<Entrance>,
}

/// The compounds of a study, and where facilities are entered.
#[derive(Debug)]
pub(crate) struct Doors {
    compounds: Vec<Compound>,
    /// By compound.
    areas_m2: Vec<f64>,
    index: ShapeIndex,
    snap_m: f64,
    closed: ClosedGates,
}

/// Closed gates on outlines of compounds and facilities, ascending: opening one opens doors.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClosedGates(Vec<u32>);

impl ClosedGates {
    fn of(entrances: impl Iterator<Item = Entrance>) -> Self {
        Self::default().and(entrances)
    }

    /// These, and those among some entrances.
    pub(crate) fn and(mut self, entrances: impl Iterator<Item = Entrance>) -> Self {
        self.0.extend(entrances.filter_map(|entrance| entrance.closed));
        self.0.sort_unstable();
        self
    }

    /// Whether opening these passages opens a door.
    pub(crate) fn change_with(&self, opened: Opened) -> bool {
        match opened {
            Opened::None | Opened::Only(Passage::Way(_)) => false,
            Opened::Only(Passage::Gate(gate)) => self.0.binary_search(&gate).is_ok(),
            Opened::All => !self.0.is_empty(),
        }
    }
}

/// The gates and entrances of a map, on the plan.
pub(crate) struct MapDoors {
    tree: RTree<GeomWithData<[f64; 2], usize>>,
    doors: Vec<MapDoor>,
    /// Places on streets where nobody passes: walls, and gates by their index into the network's.
    closed: RTree<GeomWithData<[f64; 2], Option<u32>>>,
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
        let closed_gates = || network.gates().iter().zip(0_u32..).filter(|(g, _)| g.access == Access::Closed);
        let closed: BTreeMap<[u64; 2], u32> = closed_gates().map(|(g, i)| (key(g.at), i)).collect();
        let walls = network.walls().iter().map(|at| GeomWithData::new([at.x, at.y], None));
        let shut = closed_gates().map(|(g, i)| GeomWithData::new([g.at.x, g.at.y], Some(i))).chain(walls);
        let door = |door: &place::Door| {
            let at = network.projection().project(door.at);
            let closed = closed.get(&key(at)).copied().filter(|_| door.is_closed);
            let is_shut = door.is_closed && closed.is_none();
            MapDoor { entrance: Entrance { at, closed }, is_gate: door.is_gate, is_shut }
        };
        let doors: Vec<MapDoor> = places.doors.iter().map(door).collect();
        let place = |(i, door): (usize, &MapDoor)| GeomWithData::new([door.entrance.at.x, door.entrance.at.y], i);
        let tree = RTree::bulk_load(doors.iter().enumerate().map(place).collect());
        Self { tree, doors, closed: RTree::bulk_load(shut.collect()) }
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
        let compounds = shapes
            .filter(|shape| sides(shape).count() <= MOST_SIDES && polygon::area_m2(shape) <= LARGEST_COMPOUND_M2)
            .filter_map(|shape| {
                let on_outline = map.on_outline(shape).into_iter();
                let gates: Vec<Entrance> =
                    on_outline.filter(|door| door.is_gate && !door.is_shut).map(|door| door.entrance).collect();
                (!gates.is_empty()).then(|| Compound { shape: shape.clone(), gates })
            });
        Self::of_compounds(compounds.collect(), snap_m)
    }

    pub(crate) fn of_compounds(compounds: Vec<Compound>, snap_m: f64) -> Self {
        let closed = ClosedGates::of(compounds.iter().flat_map(|c| c.gates.iter().copied()));
        let index = ShapeIndex::new(compounds.iter().map(|c| &c.shape));
        let areas_m2 = compounds.iter().map(|c| polygon::area_m2(&c.shape)).collect();
        Self { compounds, areas_m2, index, snap_m, closed }
    }

    /// The land behind gates.
    pub(crate) fn compounds(&self) -> &[Compound] {
        &self.compounds
    }

    /// The closed gates of compounds.
    pub(crate) fn closed(&self) -> &ClosedGates {
        &self.closed
    }

    /// Where walks from a point where people live begin, for whom `weights` are. Inside a compound they begin on the
    /// nearest street inside, or at its gates where there is none.
    pub(crate) fn of_home(&self, network: &Network, weights: &Weights, at: Point) -> Vec<Door> {
        let has_way_out = |i: &usize| self.compounds[*i].gates.iter().any(|gate| gate.is_open(weights));
        let area_m2 = |i: &usize| self.areas_m2[*i];
        let around = self.index.containing(at).filter(has_way_out);
        let smallest = around.min_by(|a, b| area_m2(a).total_cmp(&area_m2(b)).then(a.cmp(b)));
        let Some(smallest) = smallest else {
            return self.of_place(network, weights, at).into_iter().collect();
        };
        let compound = &self.compounds[smallest];
        let inside = |snap: &Snap| {
            // A street on the outline is inside too: a step from it towards the home is.
            let way = at - snap.at;
            let step = (ON_OUTLINE_M / way.x.hypot(way.y)).min(1.0);
            weights.is_snappable(snap.edge)
                && (self.index.holds(smallest, snap.at) || self.index.holds(smallest, snap.at + way * step))
        };
        if let Some(snap) = network.snap_where(at, self.snap_m, inside) {
            return vec![Door::new(at, 0.0, snap)];
        }
        let scale = network.projection().scale_at(at);
        let away_m = |gate: &Entrance| (gate.at.x - at.x).hypot(gate.at.y - at.y) / scale;
        let mut gates: Vec<&Entrance> = compound.gates.iter().filter(|gate| gate.is_open(weights)).collect();
        gates.sort_by(|a, b| away_m(a).total_cmp(&away_m(b)));
        gates.truncate(MOST_GATES);
        gates.into_iter().flat_map(|gate| self.of_entrance(network, weights, gate.at, away_m(gate))).collect()
    }

    /// Where walks to a facility end: at its entrances, else where it stands.
    pub(crate) fn of_facility(
        &self,
        network: &Network,
        weights: &Weights,
        entrances: &[Entrance],
        at: Point,
    ) -> Vec<Door> {
        let open = entrances.iter().filter(|entrance| entrance.is_open(weights));
        let doors: Vec<Door> = open.flat_map(|entrance| self.of_entrance(network, weights, entrance.at, 0.0)).collect();
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
        let mut doors = Vec::new();
        let mut ends = BTreeSet::new();
        for id in here {
            let snap = network.nearest_on_edge(id, nearest.at);
            let edge = network.edge(id);
            // Of streets of a kind that end at one node it is all the same which one is taken.
            let end = match snap.along_m {
                along_m if along_m <= 0.0 => Some(edge.from),
                along_m if along_m >= edge.length_m => Some(edge.to),
                _ => None,
            };
            let is_new = end.is_none_or(|node| ends.insert((node, weights.way(id))));
            if snap.offset_m < 1e-3 && is_new && doors.len() < MOST_GATES {
                doors.push(Door::new(at, beyond_m, Snap { offset_m: nearest.offset_m, ..snap }));
            }
        }
        if doors.is_empty() {
            doors.push(Door::new(at, beyond_m, nearest));
        }
        doors
    }
}

/// The entrances of some grounds: gates and entrances on the outline, and where streets cross it or lead up to it; not where
/// nobody passes.
pub(crate) fn entrances(network: &Network, map: &MapDoors, grounds: &Shape) -> Vec<Entrance> {
    if sides(grounds).count() > MOST_SIDES {
        return Vec::new();
    }
    let on_outline = map.on_outline(grounds);
    let mut found: Vec<Entrance> = Vec::new();
    for entrance in on_outline.iter().filter(|d| !d.is_shut).map(|d| d.entrance) {
        if found.len() < MOST_ENTRANCES && !found.contains(&entrance) {
            found.push(entrance);
        }
    }
    let Some(bounds) = polygon::bounds(grounds) else { return found };
    let (low, high) = (bounds.min(), bounds.max());
    let shut: Vec<Point> = on_outline.iter().filter(|d| d.is_shut).map(|d| d.entrance.at).collect();
    let pieces = |id: EdgeId| {
        let bends = network.geometry(id).map(|(at, _)| at);
        let is_beside = |(a, b): &(Point, Point)| {
            a.x.max(b.x) < low.x || a.x.min(b.x) > high.x || a.y.max(b.y) < low.y || a.y.min(b.y) > high.y
        };
        bends.clone().zip(bends.skip(1)).filter(move |piece| !is_beside(piece))
    };
    let comes_near = |edge: &EdgeId| !network.edge(*edge).is_across() && pieces(*edge).next().is_some();
    let mut edges: Vec<EdgeId> = network.edges_near(low, high).filter(comes_near).collect();
    edges.sort_unstable();
    let sides: Vec<(Point, Point)> = sides(grounds).collect();
    let mut tried = 0;
    for id in edges {
        tried += pieces(id).count() * sides.len();
        if tried > MOST_CROSSINGS_TRIED {
            break;
        }
        let meetings = |piece| sides.iter().filter_map(move |side| meeting(piece, *side));
        for at in pieces(id).flat_map(meetings) {
            let is_near = |p: &Point| (p.x - at.x).hypot(p.y - at.y) <= ON_OUTLINE_M;
            if found.len() >= MOST_ENTRANCES || found.iter().any(|entrance| is_near(&entrance.at)) {
                continue;
            }
            let around = [[at.x - ON_OUTLINE_M, at.y - ON_OUTLINE_M], [at.x + ON_OUTLINE_M, at.y + ON_OUTLINE_M]];
            let closed = map.closed.locate_in_envelope(AABB::from_corners(around[0], around[1]));
            let mut closed: Vec<Option<u32>> = closed
                .filter(|place| is_near(&Coord { x: place.geom()[0], y: place.geom()[1] }))
                .map(|place| place.data)
                .collect();
            // A wall before a gate: what could not be opened decides.
            closed.sort_unstable();
            if closed.first() != Some(&None) && !shut.iter().any(is_near) {
                found.push(Entrance { at, closed: closed.first().copied().flatten() });
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
