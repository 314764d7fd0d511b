//! carecircle's side of the agreement harness (`agreement/`): draws seeded places on a city's streets and walks between
//! them with the product's own crates.
//!
//! `agreement-walks CITY.osm.pbf < request.json > walks.json`; [`Request`] and [`Answer`] say what is in them.

use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::{EdgeId, Network, NetworkOptions, NodeId, Snap};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Sweep};
use carecircle_core::street::Access;
use carecircle_core::time::{Speed, WalkTime};
use carecircle_core::weights::{Direction, Way, Weights};
use carecircle_tests::dice::Dice;
use carecircle_tests::public_streets::PublicStreets;
use petgraph::visit::{EdgeRef, IntoEdges};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Write as _, stdin, stdout};
use std::path::Path;

/// How far a place given by hand or a facility may be from its street.
const SNAP_WITHIN_M: f64 = 250.0;

/// With fewer facilities than this on the map, places on streets stand in for them.
const ENOUGH_FACILITIES: usize = 20;

/// What to draw; every field may be left out.
struct Request {
    seed: u64,
    /// How many pairs to draw.
    pairs: usize,
    /// How many places to draw for the verdict, each within walking range of some facility.
    points: usize,
    /// How many places stand in for facilities where the map has none.
    facilities: usize,
    /// How far the two of a pair are apart as the crow flies, least and most.
    apart_m: [f64; 2],
    /// How far from a facility a place for the verdict is drawn at most, as the crow flies.
    around_m: f64,
    /// Pairs of places to walk instead of drawn ones.
    given: Vec<[[f64; 2]; 2]>,
    /// Whether to list the walkable ways, islands too.
    ways: bool,
}

impl Request {
    fn from_json(text: &str) -> Result<Self, Box<dyn Error>> {
        let value: Value = serde_json::from_str(text)?;
        let number = |key: &str, default: f64| value[key].as_f64().unwrap_or(default);
        Ok(Self {
            seed: value["seed"].as_u64().unwrap_or(1),
            pairs: number("pairs", 500.0) as usize,
            points: number("points", 2_000.0) as usize,
            facilities: number("facilities", 100.0) as usize,
            apart_m: [number("nearest_m", 300.0), number("farthest_m", 2_000.0)],
            around_m: number("around_m", 1_500.0),
            given: match value.get("given") {
                Some(given) => serde_json::from_value(given.clone())?,
                None => Vec::new(),
            },
            ways: value["ways"].as_bool().unwrap_or(false),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: agreement-walks CITY.osm.pbf < request.json")?;
    let request = Request::from_json(&std::io::read_to_string(stdin())?)?;
    let extract = carecircle_osm::read(Path::new(&file), &carecircle_osm::ReadOptions::default())?;
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let city = City { weights: weigh(&network), network };
    let mut dice = Dice(request.seed);
    let streets = PublicStreets::of(&city.network, |edge| city.is_public(edge));

    let pairs: Vec<[Snap; 2]> = if request.given.is_empty() {
        (0..request.pairs).filter_map(|_| city.draw_pair(&streets, &request, &mut dice)).collect()
    } else {
        request.given.iter().filter_map(|&[a, b]| Some([city.snap_degrees(a)?, city.snap_degrees(b)?])).collect()
    };
    let ways = extract.streets.ways.iter().filter(|_| request.ways);
    let ways: Vec<(i64, &str)> = ways.map(|way| (way.id, access_name(way.access))).collect();
    let mut facilities: Vec<(String, Snap)> = extract
        .places
        .facilities
        .iter()
        .filter_map(|f| Some((f.id.clone(), city.snap(f.at)?)))
        .filter(|(_, snap)| city.is_public(snap.edge))
        .collect();
    let from_map = facilities.len() >= ENOUGH_FACILITIES;
    if !from_map {
        facilities =
            (0..request.facilities).map(|i| (format!("drawn{i}"), streets.draw(&city.network, &mut dice))).collect();
    }
    let snaps: Vec<Snap> = facilities.iter().map(|(_, snap)| on_street(*snap)).collect();
    let wanted = if request.given.is_empty() { request.points } else { 0 };
    let points: Vec<Snap> = (0..wanted).filter_map(|_| city.draw_point(&snaps, &request, &mut dice)).collect();

    let answer = json!({
        "pairs": pairs.iter().map(|pair| city.walk_pair(pair)).collect::<Vec<_>>(),
        "facilities": facilities
            .iter()
            .map(|(id, snap)| json!({ "id": id, "at": city.degrees(snap.at), "offset_m": snap.offset_m }))
            .collect::<Vec<_>>(),
        "facilities_from_map": from_map,
        "points": city.nearest(&points, &snaps, request.around_m),
        "ways": ways,
    });
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    writeln!(out)?;
    Ok(())
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::Public => "yes",
        Access::Destination => "destination",
        Access::Closed => "no",
    }
}

/// The profile `plain`: one speed, nothing costs extra. Metres are its seconds times its speed.
fn weigh(network: &Network) -> Weights {
    network.weigh(&Profile::plain(Speed::POLICY))
}

/// Walks from everywhere to one place.
fn sweep_to(city: &City, end: Snap) -> Sweep {
    Sweep::new(&city.network, &city.weights, &[Origin { snap: end, label: 0 }], WalkTime::NEVER)
}

/// The time of the walk that a sweep found from a place, `None` where there is no route.
fn time_from(city: &City, sweep: &Sweep, start: &Snap) -> Option<WalkTime> {
    sweep.at(&city.network, &city.weights, start).map(|arrival| arrival.time)
}

/// The same meeting point, with no metres off the street.
fn on_street(snap: Snap) -> Snap {
    Snap { offset_m: 0.0, ..snap }
}

/// A network with the times of the profile that is compared.
struct City {
    network: Network,
    weights: Weights,
}

impl City {
    fn snap(&self, at: LonLat) -> Option<Snap> {
        self.network.snap(self.network.projection().project(at), SNAP_WITHIN_M)
    }

    fn snap_degrees(&self, [lon, lat]: [f64; 2]) -> Option<Snap> {
        self.snap(LonLat::from_degrees(lon, lat)?)
    }

    /// Whether a comparison may begin on a street: nobody argues about who may walk there, and other engines know it.
    fn is_public(&self, edge: EdgeId) -> bool {
        self.weights.way(edge) == Way::Public && self.weights.is_snappable(edge) && !self.network.edge(edge).is_across()
    }

    fn degrees(&self, at: Point) -> [f64; 2] {
        let (lon, lat) = self.network.projection().unproject(at);
        [(lon * 1e7).round() / 1e7, (lat * 1e7).round() / 1e7]
    }

    fn metres(&self, time: WalkTime) -> f64 {
        time.seconds() * self.weights.speed().kmh() / 3.6
    }

    /// A place on a public street so far from `from` as the crow flies; `None` when the throw lands elsewhere.
    fn draw_around(&self, from: Point, metres: [f64; 2], dice: &mut Dice) -> Option<Snap> {
        let distance = metres[0] + (metres[1] - metres[0]) * dice.fraction();
        let (sin, cos) = (std::f64::consts::TAU * dice.fraction()).sin_cos();
        let snap = self.network.snap(from + Point { x: cos * distance, y: sin * distance }, SNAP_WITHIN_M)?;
        let apart = (snap.at - from).x.hypot((snap.at - from).y);
        let fits = self.is_public(snap.edge) && (metres[0]..=metres[1]).contains(&apart);
        fits.then(|| on_street(snap))
    }

    fn draw_pair(&self, streets: &PublicStreets, request: &Request, dice: &mut Dice) -> Option<[Snap; 2]> {
        (0..1_000).find_map(|_| {
            let start = streets.draw(&self.network, dice);
            self.draw_around(start.at, request.apart_m, dice).map(|end| [start, end])
        })
    }

    fn draw_point(&self, facilities: &[Snap], request: &Request, dice: &mut Dice) -> Option<Snap> {
        (0..1_000).find_map(|_| {
            let facility = facilities[dice.below(facilities.len())];
            self.draw_around(facility.at, [0.0, request.around_m], dice)
        })
    }

    /// `metres` with the way to and from the street, `street_m` without, and the route that was walked.
    fn walk_pair(&self, [start, end]: &[Snap; 2]) -> Value {
        let (on_start, on_end) = (on_street(*start), on_street(*end));
        let sweep = sweep_to(self, on_end);
        let street_m = time_from(self, &sweep, &on_start).map(|time| self.metres(time));
        let legs = street_m.and_then(|_| self.route(&sweep, &on_start, &on_end));
        let mut line: Vec<[f64; 2]> = Vec::new();
        let mut ways: Vec<i64> = Vec::new();
        let mut route_m = 0.0;
        for leg in legs.iter().flatten() {
            line.extend(self.leg_points(*leg).into_iter().map(|at| self.degrees(at)));
            ways.push(self.network.edge(leg.edge).way());
            route_m += (leg.to_m - leg.from_m).abs();
        }
        line.dedup();
        ways.dedup();
        let off_m = start.offset_m + end.offset_m;
        json!({
            "from": self.degrees(start.at),
            "to": self.degrees(end.at),
            "crow_m": (start.at - end.at).x.hypot((start.at - end.at).y),
            "metres": street_m.map(|m| m + off_m),
            "street_m": street_m,
            "route_m": legs.is_some().then_some(route_m),
            "line": line,
            "ways": ways,
        })
    }

    /// The walk that a sweep to `end` found, between places on public streets: from node to node, always along an edge that
    /// loses exactly its own time.
    fn route(&self, sweep: &Sweep, start: &Snap, end: &Snap) -> Option<Vec<Leg>> {
        let network = &self.network;
        let total = time_from(self, sweep, start)?;
        let first = network.edge(start.edge);
        let straight = Leg { edge: start.edge, from_m: start.along_m, to_m: end.along_m };
        if start.edge == end.edge && self.leg_time(straight) == total {
            return Some(vec![straight]);
        }
        let left = |node: NodeId| sweep.at_node(node, Way::Public).map_or(WalkTime::NEVER, |arrival| arrival.time);
        let out = [(first.from, 0.0, first.backward), (first.to, first.length_m, first.forward)];
        let (mut node, leg) = out.into_iter().find_map(|(node, to_m, open)| {
            let leg = Leg { edge: start.edge, from_m: start.along_m, to_m };
            ((open || leg.is_nothing()) && self.leg_time(leg) + left(node) == total).then_some((node, leg))
        })?;
        let mut legs = vec![leg];
        let last = network.edge(end.edge);
        let mut seen = BTreeSet::new();
        loop {
            let home = [(last.from, 0.0, last.forward), (last.to, last.length_m, last.backward)];
            let home = home.into_iter().find_map(|(at, from_m, open)| {
                let leg = Leg { edge: end.edge, from_m, to_m: end.along_m };
                (at == node && (open || leg.is_nothing()) && self.leg_time(leg) == left(node)).then_some(leg)
            });
            if let Some(leg) = home {
                legs.push(leg);
                return Some(legs);
            }
            if !seen.insert(node) {
                return None;
            }
            let (next, leg) = IntoEdges::edges(network, node).find_map(|arc| {
                let (id, next) = (*arc.weight(), arc.target());
                let edge = network.edge(id);
                let whole = if edge.from == node && edge.forward { (0.0, edge.length_m) } else { (edge.length_m, 0.0) };
                let direction = if whole.0 <= 0.0 { Direction::Forward } else { Direction::Backward };
                let fits = self.weights.way(id) == Way::Public
                    && !seen.contains(&next)
                    && self.weights.edge(id, direction) + left(next) == left(node);
                fits.then_some((next, Leg { edge: id, from_m: whole.0, to_m: whole.1 }))
            })?;
            legs.push(leg);
            node = next;
        }
    }

    fn leg_time(&self, leg: Leg) -> WalkTime {
        self.weights.part((leg.edge, self.network.edge(leg.edge)), leg.from_m, leg.to_m)
    }

    /// The bends of part of an edge, its ends included, in the direction that it is walked.
    fn leg_points(&self, leg: Leg) -> Vec<Point> {
        let (low, high) = (leg.from_m.min(leg.to_m), leg.from_m.max(leg.to_m));
        let bends: Vec<(Point, f64)> = self.network.geometry(leg.edge).collect();
        let at = |metres: f64| {
            let next = bends.partition_point(|&(_, along)| along < metres).clamp(1, bends.len() - 1);
            let ((a, start), (b, end)) = (bends[next - 1], bends[next]);
            a + (b - a) * if end > start { (metres - start) / (end - start) } else { 0.0 }
        };
        let mut points = vec![at(low)];
        points.extend(bends.iter().filter(|&&(_, along)| low < along && along < high).map(|&(point, _)| point));
        points.push(at(high));
        if leg.to_m < leg.from_m {
            points.reverse();
        }
        points
    }

    /// For each place the metres to every facility in range: crow-fly metres are the least that a walk can be.
    fn nearest(&self, points: &[Snap], facilities: &[Snap], around_m: f64) -> Vec<Value> {
        let mut walks: Vec<Vec<(usize, Option<f64>)>> = vec![Vec::new(); points.len()];
        for (label, &facility) in facilities.iter().enumerate() {
            let near = |p: &Snap| (p.at - facility.at).x.hypot((p.at - facility.at).y) <= around_m;
            let sweep = sweep_to(self, facility);
            for (point, walks) in points.iter().zip(&mut walks).filter(|(p, _)| near(p)) {
                walks.push((label, time_from(self, &sweep, point).map(|time| self.metres(time))));
            }
        }
        // What the product itself answers: one sweep from all facilities.
        let origins: Vec<Origin> = facilities.iter().zip(0..).map(|(&snap, label)| Origin { snap, label }).collect();
        let all = Sweep::new(&self.network, &self.weights, &origins, WalkTime::NEVER);
        let place = |(point, walks): (&Snap, Vec<_>)| {
            let nearest_m = time_from(self, &all, point).map(|time| self.metres(time));
            json!({ "at": self.degrees(point.at), "nearest_m": nearest_m, "metres": walks })
        };
        points.iter().zip(walks).map(place).collect()
    }
}

/// Part of an edge, walked from one of its metres to another.
#[derive(Clone, Copy)]
struct Leg {
    edge: EdgeId,
    from_m: f64,
    to_m: f64,
}

impl Leg {
    /// Standing at an end of the edge, which takes no direction.
    fn is_nothing(self) -> bool {
        (self.to_m - self.from_m).abs() <= 0.0
    }
}
