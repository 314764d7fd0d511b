//! carecircle's side of the comparison with its peers (`peers/`): does one piece of work after another on a city, and says
//! how long each took.
//!
//! `peers-ours CITY.osm.pbf`: a request a line on standard input, an answer a line on standard output, all JSON. Walks are
//! those of the profile `plain` at 4.8 km/h; nodes are known by their number in the network.
//!
//! | request | answer |
//! |---|---|
//! | `{"do":"draw","facilities":F,"origins":N,"seed":S}` | nodes on public streets: `facilities`, `scattered`, `every_third` |
//! | `{"do":"sweep","nodes":[…],"limit_ms":L,"write":FILE}` | the time to the nearest of the nodes, for each node |
//! | `{"do":"reach","nodes":[…],"limit_ms":L,"threads":T,"again_s":A,"prove":true}` | the nodes around each by itself, again and again for so many seconds |
//! | `{"do":"heap","network":PREFIX,"nodes":[…],"limit_ms":L,"each":true,"write":FILE}` | as `sweep`, or around each node by itself as `reach`, by a textbook's search on plain arrays |
//! | `{"do":"cells"}` | reach sets are found over cells from now on, as they are for very many origins; `bytes` are kept |
//! | `{"do":"isochrones","origins":N,"points":P,"within_m":W,"off_m":O,"limit_ms":L,"seed":S}` | `places`: polygons, and points around with their times |
//!
//! `seconds` is what the work took, without reading the request and without what proves it: `pairs` and `sum_ms`, how many
//! nodes are reached and the sum of their times. With `write` a file of each node's milliseconds, as 32-bit numbers, of which
//! the largest stands for never.

use carecircle_benches::{City, read, towns};
use carecircle_core::geometry::Point;
use carecircle_core::isochrone::{Drawing, isochrones};
use carecircle_core::matrix::{around_each, cut_into_cells};
use carecircle_core::network::{Network, NetworkOptions, NodeId, Snap};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Origin, Search, Sweep};
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_core::time::{Speed, WalkTime};
use carecircle_core::weights::{Way, Weights};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let file = std::env::args().nth(1).ok_or("usage: peers-ours CITY.osm.pbf < requests")?;
    let extract = read(Path::new(&file));
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let weights = network.weigh(&Profile::plain(Speed::POLICY));
    let study = Study::new(network, extract.places, None, SNAP_WITHIN_M);
    let city = City { name: file, study, weights, facilities: Vec::new() };
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let request = Request(serde_json::from_str(&line?)?);
        let answer = match request.0["do"].as_str() {
            Some("draw") => draw(&city, &request)?,
            Some("sweep") => sweep(&city, &request)?,
            Some("heap") => heap(&request)?,
            Some("cells") => cells(&city),
            Some("reach") => reach(&city, &request)?,
            Some("isochrones") => draw_isochrones(&city, &request)?,
            _ => return Err("no such work".into()),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

struct Request(Value);

impl Request {
    fn number(&self, key: &str) -> Result<f64> {
        self.0[key].as_f64().ok_or_else(|| format!("{key} is wanted").into())
    }

    fn limit(&self) -> Result<WalkTime> {
        Ok(WalkTime::from_millis(self.number("limit_ms")? as u32))
    }

    /// The nodes asked about, as places; each one's label is its position.
    fn origins(&self, city: &City) -> Result<Vec<Origin>> {
        let nodes = self.0["nodes"].as_array().ok_or("nodes are wanted")?;
        let origin = |(node, label): (&Value, u32)| {
            let node = NodeId(node.as_u64()? as u32);
            Some(Origin { snap: towns::at_node(city.study.network(), &city.weights, node)?, label })
        };
        let origins: Option<Vec<Origin>> = nodes.iter().zip(0..).map(origin).collect();
        Ok(origins.ok_or("a node that is on no public street")?)
    }

    fn write(&self, numbers: impl Iterator<Item = u32>) -> Result<()> {
        if let Some(path) = self.0["write"].as_str() {
            std::fs::write(path, numbers.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    }
}

fn draw(city: &City, request: &Request) -> Result<Value> {
    let (network, weights) = (city.study.network(), &city.weights);
    let (facilities, origins) = (request.number("facilities")? as usize, request.number("origins")? as usize);
    let seed = request.number("seed")? as u64;
    let plain = |nodes: Vec<NodeId>| nodes.into_iter().map(|node| node.0).collect::<Vec<u32>>();
    Ok(json!({
        "nodes": network.node_count(),
        "facilities": plain(towns::scattered(network, weights, facilities, seed)),
        "scattered": plain(towns::scattered(network, weights, origins, seed + 1)),
        "every_third": plain(towns::every_third(network, weights, usize::MAX / 3, seed)),
    }))
}

fn sweep(city: &City, request: &Request) -> Result<Value> {
    let (network, weights) = (city.study.network(), &city.weights);
    let (origins, limit) = (request.origins(city)?, request.limit()?);
    let mut search = Search::new();
    search.run(network, weights, black_box(&origins), limit);
    let start = Instant::now();
    search.run(network, weights, black_box(&origins), limit);
    let seconds = start.elapsed().as_secs_f64();
    // Of all the legs that a walk may be on the quickest: a walk along a private way may begin on any.
    let time = |node| search.arrival(NodeId(node), Way::Destination).map_or(WalkTime::NEVER, |arrival| arrival.time);
    let times = || (0..network.node_count() as u32).map(time);
    request.write(times().map(WalkTime::millis))?;
    let reached: Vec<u64> = times().filter(|&t| t != WalkTime::NEVER).map(|t| u64::from(t.millis())).collect();
    Ok(json!({ "seconds": seconds, "pairs": reached.len(), "sum_ms": reached.iter().sum::<u64>() }))
}

/// A network as plain arrays: the arcs of a row are those from `first[row]` to `first[row + 1]`.
struct Arrays {
    first: Vec<u32>,
    to: Vec<u32>,
    ms: Vec<u32>,
    /// By row, its node: nodes are copied.
    node: Vec<u32>,
}

impl Arrays {
    /// Reads the arrays of a network that is not ours: 32-bit numbers in a file each, whose names begin alike.
    fn read(prefix: &str) -> Result<Self> {
        let read = |name: &str| -> Result<Vec<u32>> {
            let bytes = std::fs::read(format!("{prefix}.{name}"))?;
            Ok(bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number)).collect())
        };
        Ok(Self { first: read("first")?, to: read("to")?, ms: read("ms")?, node: read("node")? })
    }
}

/// Dijkstra's algorithm with a binary heap, as a textbook has it.
#[derive(Default)]
struct Textbook {
    best: Vec<u32>,
    reached: Vec<u32>,
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

impl Textbook {
    fn search(&mut self, on: &Arrays, rows: &[u32], limit_ms: u32) {
        for row in self.reached.drain(..) {
            self.best[row as usize] = u32::MAX;
        }
        self.best.resize(on.node.len(), u32::MAX);
        for &row in rows {
            self.best[row as usize] = 0;
            self.reached.push(row);
            self.heap.push(Reverse((0, row)));
        }
        while let Some(Reverse((ms, row))) = self.heap.pop() {
            if ms > self.best[row as usize] {
                continue;
            }
            let arcs = on.first[row as usize] as usize..on.first[row as usize + 1] as usize;
            for (&to, &more) in on.to[arcs.clone()].iter().zip(&on.ms[arcs]) {
                let (later, best) = (ms + more, &mut self.best[to as usize]);
                if later < *best && later <= limit_ms {
                    if *best == u32::MAX {
                        self.reached.push(to);
                    }
                    *best = later;
                    self.heap.push(Reverse((later, to)));
                }
            }
        }
    }

    /// The nodes that were reached, each by the nearest of its copies.
    fn nodes(&self, on: &Arrays) -> Vec<(u32, u32)> {
        let time = |&row: &u32| (on.node[row as usize], self.best[row as usize]);
        let mut nodes: Vec<(u32, u32)> = self.reached.iter().map(time).collect();
        nodes.sort_unstable();
        nodes.dedup_by_key(|(node, _)| *node);
        nodes
    }
}

fn heap(request: &Request) -> Result<Value> {
    let arrays = Arrays::read(request.0["network"].as_str().ok_or("a network is wanted")?)?;
    let nodes = request.0["nodes"].as_array().ok_or("nodes are wanted")?;
    let rows: Vec<u32> = nodes.iter().filter_map(|node| Some(node.as_u64()? as u32)).collect();
    let limit_ms = request.limit()?.millis();
    let searches: Vec<&[u32]> = if request.0["each"] == true { rows.chunks(1).collect() } else { vec![&rows] };
    let mut textbook = Textbook::default();
    let (mut pairs, mut sum_ms) = (0, 0);
    for rows in &searches {
        textbook.search(&arrays, rows, limit_ms);
        let nodes = textbook.nodes(&arrays);
        pairs += nodes.len();
        sum_ms += nodes.iter().map(|(_, ms)| u64::from(*ms)).sum::<u64>();
    }
    let start = Instant::now();
    for rows in &searches {
        textbook.search(black_box(&arrays), rows, limit_ms);
    }
    let seconds = start.elapsed().as_secs_f64();
    request.write(textbook.best.iter().copied())?;
    Ok(json!({ "seconds": seconds, "pairs": pairs, "sum_ms": sum_ms }))
}

/// What it takes to search over cells.
fn cells(city: &City) -> Value {
    // What every search needs is made before.
    city.weights.scan(city.study.network());
    let start = Instant::now();
    let bytes = cut_into_cells(city.study.network(), &city.weights);
    json!({ "seconds": start.elapsed().as_secs_f64(), "bytes": bytes })
}

fn reach(city: &City, request: &Request) -> Result<Value> {
    let (network, weights) = (city.study.network(), &city.weights);
    let (origins, limit) = (request.origins(city)?, request.limit()?);
    let threads = request.0["threads"].as_u64().unwrap_or(1).max(1) as usize;
    let again_s = request.0["again_s"].as_f64().unwrap_or(0.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let snaps: Vec<_> = origins.iter().map(|origin| origin.snap).collect();
    let (settled, sum_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
    let all = || {
        around_each(network, weights, &snaps, limit, |_, around| {
            let (count, sum) =
                around.nodes().fold((0, 0), |(count, sum), (_, time)| (count + 1, sum + u64::from(time.millis())));
            settled.fetch_add(count, Ordering::Relaxed);
            sum_ms.fetch_add(sum, Ordering::Relaxed);
        });
    };
    let (passes, seconds) = pool.install(|| {
        // Once unmeasured: what others have left in the caches is their work.
        let start = Instant::now();
        all();
        let passes = (again_s / start.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
        let start = Instant::now();
        (0..passes).for_each(|_| all());
        (passes, start.elapsed().as_secs_f64() / passes as f64)
    });
    black_box(sum_ms);
    let mut answer = json!({ "seconds": seconds, "settled": settled.into_inner() / (passes + 1) });
    if request.0["prove"] == true {
        let (pairs, sum_ms) = proof(&city.weights, network, &snaps, limit);
        answer["pairs"] = pairs.into();
        answer["sum_ms"] = sum_ms.into();
    }
    Ok(answer)
}

/// How many nodes lie around all origins, and the sum of their times: a node is as far as the nearest of its copies.
fn proof(weights: &Weights, network: &Network, snaps: &[Snap], limit: WalkTime) -> (usize, u64) {
    let (pairs, sum_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
    around_each(network, weights, snaps, limit, |_, around| {
        let mut nodes: Vec<(NodeId, WalkTime)> = around.nodes().collect();
        nodes.sort_unstable();
        nodes.dedup_by_key(|(node, _)| *node);
        pairs.fetch_add(nodes.len(), Ordering::Relaxed);
        sum_ms.fetch_add(nodes.iter().map(|(_, time)| u64::from(time.millis())).sum(), Ordering::Relaxed);
    });
    (pairs.into_inner(), sum_ms.into_inner())
}

/// Polygons around places on streets; and points drawn evenly around each, those near a street, with the seconds from there
/// to the place, `null` for no route.
fn draw_isochrones(city: &City, request: &Request) -> Result<Value> {
    let (study, weights) = (&city.study, &city.weights);
    let network = study.network();
    let (limit, seed) = (request.limit()?, request.number("seed")? as u64);
    let (points, within_m, off_m) =
        (request.number("points")? as usize, request.number("within_m")?, request.number("off_m")?);
    let degrees = |at: Point| <[f64; 2]>::from(network.projection().unproject(at));
    let mut dice = towns::Dice(seed + 1);
    let mut search = Search::new();
    let mut places = Vec::new();
    for origin in towns::facilities(network, request.number("origins")? as usize, seed) {
        let at = origin.snap.at;
        let Some(source) = study.place_source(at, weights) else { continue };
        let start = Instant::now();
        let drawn = black_box(isochrones(&mut search, study, weights, &source, &[limit], &Drawing::default()));
        let seconds = start.elapsed().as_secs_f64();
        let rings = |shape: carecircle_core::geometry::LonLatShape| -> Vec<Vec<Vec<[f64; 2]>>> {
            let ring = |line: &geo::LineString| line.coords().map(|c| [c.x, c.y]).collect();
            shape.iter().map(|p| std::iter::once(p.exterior()).chain(p.interiors()).map(ring).collect()).collect()
        };
        let polygon = drawn.first().map(|one| rings(network.projection().unproject_shape(&one.shape)));

        let doors: Vec<Origin> = source.doors.iter().map(|door| Origin { snap: door.snap, label: 0 }).collect();
        let sweep = Sweep::new(network, weights, &doors, WalkTime::NEVER);
        let mut around = Vec::new();
        for _ in 0..points {
            let (sin, cos) = (std::f64::consts::TAU * dice.fraction()).sin_cos();
            let off = within_m * dice.fraction().sqrt();
            let point = at + Point { x: cos * off, y: sin * off };
            if let Some(snap) = network.snap_for(weights, point, off_m) {
                let time = sweep.at(network, weights, &snap).map(|arrival| arrival.time.seconds());
                around.push(json!([degrees(point), time]));
            }
        }
        places.push(json!({ "at": degrees(at), "seconds": seconds, "polygon": polygon, "points": around }));
    }
    Ok(json!({ "places": places }))
}
