//! The engine on towns of 10^4 to 10^6 nodes and on real extracts: nothing but searches inside the loop. Throughput is in
//! nodes settled, so that its inverse is the time for each.

use carecircle_benches::{City, towns};
use carecircle_core::isochrone::{Drawing, Source, isochrones};
use carecircle_core::matrix::{around_each, cut_into_cells, matrix};
use carecircle_core::nearest::Nearest;
use carecircle_core::network::{NodeId, Snap};
use carecircle_core::search::{Origin, Reach, Search, Sweep};
use carecircle_core::time::WalkTime;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// 1,200 m at 4.8 km/h.
const LIMIT: WalkTime = WalkTime::from_millis(900_000);
/// Origins of reach sets.
const ORIGINS: usize = 2_000;

fn engine(c: &mut Criterion) {
    for name in City::names() {
        let city = City::named(&name);
        let mut group = c.benchmark_group(format!("engine/{name}"));
        group.sample_size(10);
        sweep(&mut group, &city);
        reach_sets(&mut group, &city);
        many_to_many(&mut group, &city);
        isochrone(&mut group, &city);
        group.finish();
    }
}

/// From all facilities at once.
fn sweep(group: &mut BenchmarkGroup<'_, WallTime>, city: &City) {
    let (network, weights) = (city.study.network(), &city.weights);
    let mut search = Search::new();
    search.run(network, weights, &city.facilities, LIMIT);
    group.throughput(Throughput::Elements(search.settled().len() as u64));
    group.bench_function("sweep", |b| b.iter(|| search.run(network, weights, black_box(&city.facilities), LIMIT)));
    group.bench_function("sweep, kept", |b| {
        b.iter(|| black_box(Sweep::new(network, weights, black_box(&city.facilities), LIMIT)));
    });
}

/// From each of many nodes by itself: the nodes within the limit with their times, and the fractions of streets.
fn reach_sets(group: &mut BenchmarkGroup<'_, WallTime>, city: &City) {
    let (network, weights) = (city.study.network(), &city.weights);
    let mut search = Search::new();
    let at = |node: &NodeId| towns::at_node(network, weights, *node).expect("a public street");
    let scattered = towns::scattered(network, weights, ORIGINS, 2);
    let dense = towns::every_third(network, weights, ORIGINS, 2);
    let over_cells = weights.clone();
    group.throughput(Throughput::Elements(network.node_count() as u64));
    group.bench_function("cells", |b| {
        b.iter_batched(|| weights.clone(), |weights| cut_into_cells(network, &weights), BatchSize::LargeInput);
    });
    cut_into_cells(network, &over_cells);
    for (which, nodes) in [("scattered", scattered), ("every third node", dense)] {
        let origins: Vec<Snap> = nodes.iter().map(at).collect();
        // By all threads; RAYON_NUM_THREADS=1 for one.
        for (how, weights) in [("", weights), (", over cells", &over_cells)] {
            let all = || {
                let settled = AtomicU64::new(0);
                around_each(network, weights, &origins, LIMIT, |_, around| {
                    settled.fetch_add(around.nodes().count() as u64, Ordering::Relaxed);
                });
                settled.into_inner()
            };
            group.throughput(Throughput::Elements(all()));
            group.bench_function(format!("reach sets of 2,000, {which}{how}"), |b| b.iter(all));
        }
        group.bench_function(format!("streets reached from 2,000, {which}"), |b| {
            let mut reached = |at: &Snap| Reach::new(&mut search, network, weights, &[*at], LIMIT).stretches.len();
            b.iter(|| origins.iter().map(&mut reached).sum::<usize>());
        });
    }
}

/// The five nearest facilities of every node, and the walks from 2,000 nodes to all facilities, with their lengths.
fn many_to_many(group: &mut BenchmarkGroup<'_, WallTime>, city: &City) {
    let (study, network, weights) = (&city.study, city.study.network(), &city.weights);
    group.throughput(Throughput::Elements(1));
    group.bench_function("five nearest", |b| {
        b.iter(|| black_box(Nearest::new(network, weights, &city.facilities, 5, LIMIT)));
    });
    let source = |at| study.place_source(at, weights);
    let from = towns::scattered(network, weights, ORIGINS, 4);
    let from: Vec<Source> = from.into_iter().filter_map(|node| source(network.node_at(node))).collect();
    let to: Vec<Source> = city.facilities.iter().filter_map(|origin| source(origin.snap.at)).collect();
    group.bench_function("matrix of 2,000 and all facilities", |b| {
        b.iter(|| {
            let mut walks = 0;
            let told = matrix(network, weights, &from, &to, LIMIT, |_, row| {
                walks += row.len();
                Ok::<(), Infallible>(())
            });
            (told, walks)
        });
    });
}

/// The polygon around one place, of 20 in turn.
fn isochrone(group: &mut BenchmarkGroup<'_, WallTime>, city: &City) {
    let (study, weights) = (&city.study, &city.weights);
    let source = |origin: Origin| study.place_source(origin.snap.at, weights);
    let sources: Vec<Source> = towns::facilities(study.network(), 20, 3).into_iter().filter_map(source).collect();
    let mut search = Search::new();
    let mut next = sources.iter().cycle();
    group.throughput(Throughput::Elements(1));
    group.bench_function("isochrone", |b| {
        b.iter(|| {
            let source = next.next().expect("a place on a street");
            black_box(isochrones(&mut search, study, weights, source, &[LIMIT], &Drawing::default()))
        });
    });
}

criterion_group!(benches, engine);
criterion_main!(benches);
