//! Small towns full of gates, as many as there are seeds.
//!
//! [`random_gated_town`] draws streets on an uneven grid of some 1.3 km and fills its fields: walled compounds with private,
//! locked and open gates, squares, footbridges with lifts, one-way paths, and quarters anybody may enter. A handful of
//! facilities stand just outside of gates, so that with a limit of some five minutes a gate often decides who gets there.
//!
//! The demo town is a district that looks like one; these are for properties that must hold of any town, and look like
//! none.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;
use crate::pbf::{Member, Node, OsmFile, Relation, Way};

/// Streets in each direction bound this many fields.
const FIELDS: usize = 6;
const FIELD_M: f64 = 205.0;
/// Crossings lie up to this far from the grid, east or west and north or south.
const UNEVEN_M: f64 = 9.0;
/// Between the street's middle and a wall.
const VERGE_M: f64 = 14.0;
/// No two facilities are closer than this, in a straight line.
const FACILITIES_APART_M: f64 = 380.0;

type Tags = &'static [(&'static str, &'static str)];

const PRIVATE_GATES: [Tags; 4] = [
    &[("barrier", "gate"), ("access", "private")],
    &[("barrier", "lift_gate"), ("foot", "residents")],
    &[("barrier", "swing_gate"), ("access", "destination"), ("locked", "yes")],
    &[("entrance", "yes"), ("access", "private")],
];
const CLOSED_GATES: [Tags; 4] = [
    &[("barrier", "gate"), ("locked", "yes")],
    &[("barrier", "gate"), ("access", "no")],
    &[("barrier", "kissing_gate"), ("access", "yes"), ("foot", "no")],
    &[("barrier", "wall")],
];
const OPEN_GATES: [Tags; 4] = [
    &[("barrier", "gate")],
    &[("barrier", "gate"), ("locked", "yes"), ("foot", "yes")],
    &[("barrier", "bollard")],
    &[("barrier", "entrance")],
];
const LANE: Tags = &[("highway", "service")];
const PATH: Tags = &[("highway", "footway")];
const PRIVATE_LANES: [Tags; 3] = [
    &[("highway", "service"), ("access", "private")],
    &[("highway", "footway"), ("foot", "permit")],
    &[("highway", "living_street"), ("access", "residents"), ("area", "no")],
];

/// A town that is the same for the same seed.
pub fn random_gated_town(seed: u64) -> OsmFile {
    let mut town = Town::new(seed);
    town.fill();
    town.draw_streets();
    town.open_facilities();
    town.file
}

/// What closes a way into a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Private,
    Closed,
    /// A gap in the wall.
    Missing,
}

/// A side of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    South,
    West,
    North,
    East,
}

/// A piece of street between two crossings: whether it leads east, then the crossing in its south or west.
type Street = (bool, usize, usize);

/// A rectangle in metres.
#[derive(Clone, Copy, Debug)]
struct Ground {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Ground {
    fn middle(self) -> (f64, f64) {
        (0.5 * (self.west + self.east), 0.5 * (self.south + self.north))
    }

    fn inset(self, m: f64) -> Self {
        Self { west: self.west + m, south: self.south + m, east: self.east - m, north: self.north - m }
    }

    fn has(self, (x, y): (f64, f64)) -> bool {
        (self.west..=self.east).contains(&x) && (self.south..=self.north).contains(&y)
    }

    fn corners(self) -> [(f64, f64); 4] {
        [(self.west, self.south), (self.east, self.south), (self.east, self.north), (self.west, self.north)]
    }
}

struct Town {
    file: OsmFile,
    dice: Dice,
    /// Metres east and north of each node, the first of them node 1.
    places: Vec<(f64, f64)>,
    crossings: Vec<i64>,
    /// Where something joins a street, by micrometres from its beginning.
    joints: BTreeMap<Street, BTreeMap<i64, i64>>,
    /// Streets that were built over.
    gone: BTreeSet<Street>,
    /// Where facilities would do.
    sites: Vec<(f64, f64)>,
    /// Where facilities do best: before closed gates, and at the ends of private ways.
    telling_sites: Vec<(f64, f64)>,
}

impl Town {
    fn new(seed: u64) -> Self {
        let mut town = Self {
            file: OsmFile::default(),
            dice: Dice(seed),
            places: Vec::new(),
            crossings: Vec::new(),
            joints: BTreeMap::new(),
            gone: BTreeSet::new(),
            sites: Vec::new(),
            telling_sites: Vec::new(),
        };
        for row in 0..=FIELDS {
            for column in 0..=FIELDS {
                let x = column as f64 * FIELD_M + town.within(-UNEVEN_M, UNEVEN_M);
                let y = row as f64 * FIELD_M + town.within(-UNEVEN_M, UNEVEN_M);
                let id = town.node((x, y), &[]);
                town.crossings.push(id);
            }
        }
        town
    }

    fn below(&mut self, bound: usize) -> usize {
        self.dice.below(bound)
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.below(1 << 20) as f64 / f64::from(1 << 20))
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }

    fn node(&mut self, (x, y): (f64, f64), tags: &[(&str, &str)]) -> i64 {
        self.places.push((x, y));
        let id = self.places.len() as i64;
        self.file.nodes.push(Node::metres(id, x, y, tags));
        id
    }

    fn place(&self, node: i64) -> (f64, f64) {
        self.places[node as usize - 1]
    }

    fn way(&mut self, refs: &[i64], tags: &[(&str, &str)]) -> i64 {
        let id = self.file.ways.len() as i64 + 1;
        self.file.ways.push(Way::new(id, refs, tags));
        id
    }

    fn ring(&mut self, corners: &[(f64, f64)], tags: &[(&str, &str)]) -> i64 {
        let mut refs: Vec<i64> = corners.iter().map(|&corner| self.node(corner, &[])).collect();
        refs.push(refs[0]);
        self.way(&refs, tags)
    }

    fn crossing(&self, column: usize, row: usize) -> i64 {
        self.crossings[row * (FIELDS + 1) + column]
    }

    fn ends((eastward, column, row): Street) -> [(usize, usize); 2] {
        [(column, row), if eastward { (column + 1, row) } else { (column, row + 1) }]
    }

    /// The node of a street that lies at a coordinate: metres east on a street that leads east, else metres north.
    fn joint(&mut self, street: Street, coordinate: f64) -> i64 {
        let [from, to] = Self::ends(street).map(|(column, row)| self.place(self.crossing(column, row)));
        let fraction =
            if street.0 { (coordinate - from.0) / (to.0 - from.0) } else { (coordinate - from.1) / (to.1 - from.1) };
        let key = (fraction * 1e6) as i64;
        if let Some(&node) = self.joints.get(&street).and_then(|joints| joints.get(&key)) {
            return node;
        }
        let node = self.node((from.0 + fraction * (to.0 - from.0), from.1 + fraction * (to.1 - from.1)), &[]);
        self.joints.entry(street).or_default().insert(key, node);
        node
    }

    /// What walls and squares of some fields may take: a rectangle clear of the streets around.
    fn ground(&self, column: usize, row: usize, rows: usize) -> Ground {
        let along = |column: usize| (row..=row + rows).map(move |row| self.place(self.crossing(column, row)));
        let corner = |column: usize, row: usize| self.place(self.crossing(column, row));
        Ground {
            west: along(column).map(|place| place.0).fold(f64::MIN, f64::max),
            south: corner(column, row).1.max(corner(column + 1, row).1),
            east: along(column + 1).map(|place| place.0).fold(f64::MAX, f64::min),
            north: corner(column, row + rows).1.min(corner(column + 1, row + rows).1),
        }
        .inset(VERGE_M)
    }

    /// Gives every field a use: first what each town must have, then what the dice say.
    fn fill(&mut self) {
        let mut free: Vec<(usize, usize)> =
            (0..FIELDS * FIELDS).map(|field| (field % FIELDS, field / FIELDS)).collect();
        self.shuffle(&mut free);
        let mut number = 0;
        while let Some((column, row)) = free.pop() {
            match number {
                0 => self.l_shaped_square(column, row),
                1 => self.square_with_fountain(column, row),
                2 | 3 => self.footbridge(column, row, number == 2),
                4 | 5 => self.one_way_path(column, row),
                6..=21 => {
                    // Half of the compounds also take the field in their north, with the street between.
                    let north = free
                        .iter()
                        .position(|&field| field == (column, row + 1))
                        .filter(|_| number % 2 == 0 || number % 5 == 4);
                    if let Some(north) = north {
                        free.remove(north);
                        self.gone.insert((true, column, row + 1));
                    }
                    self.compound((column, row), 1 + usize::from(north.is_some()), number % 5);
                }
                _ => self.open_quarter(column, row),
            }
            number += 1;
        }
    }

    /// Walls around homes. A spine leads north, and ribs lead from it to the gates in the west and east.
    fn compound(&mut self, (column, row): (usize, usize), rows: usize, kind: usize) {
        use Gate::{Closed, Missing, Open, Private};
        let ground = self.ground(column, row, rows);
        let (west, east) = match kind {
            // A way through that only one gate stops.
            0 => (Open, Private),
            1 => (Closed, Missing),
            // A back gate that nobody opens.
            2 => (Private, Closed),
            // Nothing inside says that it is private.
            3 => (Private, Private),
            // The way through is private by itself.
            _ => (Missing, Missing),
        };
        let (west, east) = if self.below(2) == 0 { (west, east) } else { (east, west) };
        let lanes = match kind {
            0 | 1 | 3 => LANE,
            2 => self.one_of(&[LANE, PRIVATE_LANES[0], PRIVATE_LANES[1]]),
            _ => self.one_of(&PRIVATE_LANES),
        };

        let spine_x = ground.middle().0 + self.within(-15.0, 15.0);
        let mut spine: Vec<(f64, i64)> = Vec::new();
        let mut doors: BTreeMap<Side, i64> = BTreeMap::new();
        let mut ribs = Vec::new();
        let mut through = Vec::new();
        let first_y = ground.south + self.within(0.25, 0.75) * (ground.north - ground.south);
        let straight = kind == 4 || self.below(2) == 0;
        let second_y = if straight { first_y } else { ground.south + ground.north - first_y };
        for (side, gate, y) in [(Side::West, west, first_y), (Side::East, east, second_y)] {
            let (wall_x, street_column) =
                if side == Side::West { (ground.west, column) } else { (ground.east, column + 1) };
            let upper = rows == 2 && y > self.place(self.crossing(street_column, row + 1)).1;
            let street = self.joint((false, street_column, row + usize::from(upper)), y);
            let y = self.place(street).1;
            let at_spine = spine.iter().find(|&&(other, _)| (other - y).abs() < 1.0).map(|&(_, node)| node);
            let at_spine = at_spine.unwrap_or_else(|| {
                let node = self.node((spine_x, y), &[]);
                spine.push((y, node));
                node
            });
            let door = self.gate((wall_x, y), gate);
            doors.insert(side, door);
            if kind == 4 {
                self.way(&[door, street], PATH);
                through.extend([door, at_spine]);
                // Homes by the street, for which the way through would be a short cut; a facility twice as often as elsewhere.
                let front_x = if side == Side::West { wall_x + 10.0 } else { wall_x - 10.0 };
                self.homes(&[(front_x, y - 48.0), (front_x, y - 34.0), (front_x, y + 34.0), (front_x, y + 48.0)]);
                self.site_at_gate(street, true);
                self.site_at_gate(street, true);
            } else {
                self.lead_in(&[at_spine, door, street], lanes, gate);
            }
            ribs.push((spine_x.min(wall_x), spine_x.max(wall_x), y));
        }
        if let &[west, at_spine, east, _] = &through[..] {
            self.way(&[west, at_spine, east], lanes);
        }
        for (side, wall_y, street_row, end_y) in [
            (Side::South, ground.south, row, ground.south + 20.0),
            (Side::North, ground.north, row + rows, ground.north - 20.0),
        ] {
            let gate = match (kind, self.below(4)) {
                (2 | 3, 0) | (_, 1) => Private,
                (_, 2) => Closed,
                _ => {
                    let end = self.node((spine_x, end_y), &[]);
                    spine.push((end_y, end));
                    continue;
                }
            };
            let street = self.joint((true, column, street_row), spine_x);
            let door = self.gate((spine_x, wall_y), gate);
            let inside = self.node((spine_x, end_y), &[]);
            spine.push((end_y, inside));
            doors.insert(side, door);
            self.lead_in(&[inside, door, street], lanes, gate);
            // Now and then three paths meet at a gate.
            if self.below(4) == 0 {
                let aside = self.joint((true, column, street_row), spine_x - 30.0);
                self.way(&[door, aside], PATH);
            }
        }
        spine.sort_by(|left, right| left.0.total_cmp(&right.0));
        let spine_nodes: Vec<i64> = spine.iter().map(|&(_, node)| node).collect();
        self.way(&spine_nodes, lanes);

        self.wall(ground, &doors, rows);
        let spine_ends = (spine[0].0, spine[spine.len() - 1].0);
        let mut homes: Vec<(f64, f64)> = Vec::new();
        let mut y = spine_ends.0 + 12.0;
        while y < spine_ends.1 {
            homes.extend([(spine_x - 18.0, y), (spine_x + 18.0, y)]);
            y += 34.0;
        }
        for (low, high, y) in ribs.iter().copied() {
            let x = 0.5 * (low + high);
            homes.extend([(x, y - 16.0), (x, y + 16.0)]);
        }
        let clear = |&(x, y): &(f64, f64)| {
            ribs.iter().all(|&(.., rib_y)| (y - rib_y).abs() > 9.0) && ground.inset(12.0).has((x, y))
        };
        homes.retain(clear);
        self.homes(&homes);
        // A facility among the homes, where the walk ends on private ground.
        if self.below(8) == 0 {
            self.sites.push((spine_x + 5.0, 0.5 * (spine_ends.0 + spine_ends.1)));
        }
    }

    fn gate(&mut self, at: (f64, f64), gate: Gate) -> i64 {
        let tags = match gate {
            Gate::Open => self.one_of(&OPEN_GATES),
            Gate::Private => self.one_of(&PRIVATE_GATES),
            Gate::Closed => self.one_of(&CLOSED_GATES),
            Gate::Missing => &[],
        };
        self.node(at, tags)
    }

    /// From inside over the gate to the street: one way when nothing about it changes at the gate, else two.
    fn lead_in(&mut self, nodes: &[i64; 3], lanes: Tags, gate: Gate) {
        if lanes == LANE {
            self.way(nodes, LANE);
        } else {
            self.way(&nodes[..2], lanes);
            self.way(&nodes[1..], PATH);
        }
        self.site_at_gate(nodes[2], matches!(gate, Gate::Closed | Gate::Private));
    }

    fn site_at_gate(&mut self, street: i64, telling: bool) {
        let (x, y) = self.place(street);
        let site = (x + self.within(-6.0, 6.0), y + self.within(-6.0, 6.0));
        if telling { &mut self.telling_sites } else { &mut self.sites }.push(site);
    }

    /// The outline of a compound through its doors; the map knows some as residential ground and some as mere walls.
    fn wall(&mut self, ground: Ground, doors: &BTreeMap<Side, i64>, rows: usize) {
        let corners = ground.corners().map(|corner| self.node(corner, &[]));
        let mut refs = Vec::new();
        for (corner, side) in corners.into_iter().zip([Side::South, Side::East, Side::North, Side::West]) {
            refs.push(corner);
            refs.extend(doors.get(&side));
        }
        refs.push(corners[0]);
        match self.below(4) {
            0 => self.way(&refs, &[("barrier", "wall")]),
            1 if rows == 1 => self.way(&refs, &[("landuse", "residential")]),
            _ => self.way(&refs, &[("landuse", "residential"), ("barrier", "fence")]),
        };
    }

    fn homes(&mut self, middles: &[(f64, f64)]) {
        for &(x, y) in middles {
            if self.below(5) > 0 {
                let walls = Ground { west: x - 8.0, south: y - 5.0, east: x + 8.0, north: y + 5.0 };
                let levels = self.one_of(&["3", "6", "11", "18"]);
                self.ring(&walls.corners(), &[("building", "apartments"), ("building:levels", levels)]);
            }
        }
    }

    /// A quarter without walls, and a path through it.
    fn open_quarter(&mut self, column: usize, row: usize) {
        let ground = self.ground(column, row, 1);
        let x = ground.middle().0;
        let (south, north) = (self.joint((true, column, row), x), self.joint((true, column, row + 1), x));
        self.way(&[south, north], PATH);
        if self.below(2) == 0 {
            self.ring(&ground.corners(), &[("landuse", "residential")]);
        }
        let rows: Vec<f64> = (0..4).map(|i| ground.south + 25.0 + 38.0 * f64::from(i)).collect();
        let homes: Vec<_> = rows.iter().flat_map(|&y| [(x - 18.0, y), (x + 18.0, y)]).collect();
        self.homes(&homes);
        let site = self.place(south);
        self.sites.push((site.0 + 9.0, site.1 + 4.0));
    }

    /// A square of the form of an L, with a path to it in the west and in the north.
    fn l_shaped_square(&mut self, column: usize, row: usize) {
        let ground = self.ground(column, row, 1);
        let (x, y) = ground.middle();
        let (west, north) = (self.joint((false, column, row), y - 30.0), self.joint((true, column, row + 1), x + 40.0));
        let outline = [
            (ground.west, ground.south),
            (ground.east, ground.south),
            (ground.east, ground.north),
            (x + 40.0, ground.north),
            (x, ground.north),
            (x, y),
            (ground.west, y),
            (ground.west, y - 30.0),
        ];
        let mut refs: Vec<i64> = outline.iter().map(|&corner| self.node(corner, &[])).collect();
        refs.push(refs[0]);
        self.way(&refs, &[("highway", "pedestrian"), ("area", "yes")]);
        self.way(&[west, refs[7]], PATH);
        self.way(&[refs[3], north], PATH);
        self.homes(&[(ground.west + 30.0, ground.north - 25.0), (ground.west + 30.0, ground.north - 50.0)]);
    }

    /// A square around a fountain: a multipolygon of two open pieces and a hole, with a path on each of three sides.
    fn square_with_fountain(&mut self, column: usize, row: usize) {
        let ground = self.ground(column, row, 1);
        let (x, y) = ground.middle();
        let [sw, se, ne, nw] = ground.corners().map(|corner| self.node(corner, &[]));
        let south = self.node((x - 20.0, ground.south), &[]);
        let east = self.node((ground.east, y + 10.0), &[]);
        let west = self.node((ground.west, y), &[]);
        let one = self.way(&[west, sw, south, se, east], &[]);
        let two = self.way(&[west, nw, ne, east], &[]);
        let basin = Ground { west: x - 25.0, south: y - 20.0, east: x + 25.0, north: y + 20.0 };
        let hole = self.ring(&basin.corners(), &[("amenity", "fountain")]);
        let members = [Member::way(one, "outer"), Member::way(hole, "inner"), Member::way(two, "outer")];
        let tags = [("type", "multipolygon"), ("highway", "pedestrian")];
        self.file.relations.push(Relation::new(1, &members, &tags));
        for (entry, street, coordinate) in [
            (south, (true, column, row), x - 20.0),
            (east, (false, column + 1, row), y + 10.0),
            (west, (false, column, row), y),
        ] {
            let street = self.joint(street, coordinate);
            self.way(&[entry, street], PATH);
        }
    }

    /// A path across the field that takes a lift on its way: a node of the path, or a short way of its own.
    fn footbridge(&mut self, column: usize, row: usize, node: bool) {
        let ground = self.ground(column, row, 1);
        let (x, y) = ground.middle();
        let (west, east) = (self.joint((false, column, row), y), self.joint((false, column + 1, row), y));
        let lift: &[(&str, &str)] = &[("highway", "elevator")];
        let below = self.node((x - 40.0, y), if node { lift } else { &[] });
        if node {
            self.way(&[west, below, east], PATH);
        } else {
            let above = self.node((x - 37.0, y), &[]);
            self.way(&[west, below], PATH);
            self.way(&[below, above], lift);
            self.way(&[above, east], PATH);
        }
        let homes = [(x - 60.0, y - 15.0), (x + 20.0, y - 15.0), (x + 20.0, y + 15.0), (x + 55.0, y + 15.0)];
        self.homes(&homes);
    }

    /// A short cut between opposite crossings that is walked in one direction only.
    fn one_way_path(&mut self, column: usize, row: usize) {
        let (from, to) = (self.crossing(column, row), self.crossing(column + 1, row + 1));
        let (x, y) = self.ground(column, row, 1).middle();
        let middle = self.node((x, y), &[]);
        let direction = self.one_of(&["yes", "-1"]);
        self.way(&[from, middle, to], &[("highway", "footway"), ("oneway:foot", direction)]);
        self.homes(&[(x - 25.0, y + 15.0), (x + 25.0, y - 15.0), (x - 60.0, y + 40.0), (x + 60.0, y - 40.0)]);
    }

    /// The streets through all that joins them; few of those that nothing joins are missing.
    fn draw_streets(&mut self) {
        for row in 0..=FIELDS {
            for column in 0..=FIELDS {
                for street in [(true, column, row), (false, column, row)] {
                    let beyond = if street.0 { column == FIELDS } else { row == FIELDS };
                    if beyond || self.gone.contains(&street) {
                        continue;
                    }
                    let [from, to] = Self::ends(street).map(|(column, row)| self.crossing(column, row));
                    let joints: Vec<i64> =
                        self.joints.get(&street).into_iter().flat_map(|joints| joints.values().copied()).collect();
                    if joints.is_empty() && self.below(10) == 0 {
                        continue;
                    }
                    let refs = [&[from], &joints[..], &[to]].concat();
                    self.way(&refs, &[("highway", "residential")]);
                }
            }
        }
    }

    fn open_facilities(&mut self) {
        let mut open: Vec<(f64, f64)> = Vec::new();
        let mut sites = std::mem::take(&mut self.telling_sites);
        self.shuffle(&mut sites);
        sites.append(&mut self.sites);
        for site in sites {
            let apart = |other: &(f64, f64)| (other.0 - site.0).hypot(other.1 - site.1) > FACILITIES_APART_M;
            if open.len() < 5 && open.iter().all(apart) {
                open.push(site);
                self.node(site, &[("amenity", "childcare")]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
