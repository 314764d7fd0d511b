//! Edits of a city's coverage, one at a time, totals per area included; beside them the sweep that they save. The example
//! `whatif-figures` tells the 99th percentile too.

use carecircle_benches::{extracts, settled, towns};
use carecircle_core::geometry::Point;
use carecircle_core::policy::Policy;
use carecircle_core::time::WalkTime;
use carecircle_core::whatif::CoverageState;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn edits(c: &mut Criterion) {
    let real = extracts().into_iter().map(|(name, _)| (name, 100));
    for (name, facilities) in real.chain([("10^6".to_owned(), 1_000)]) {
        let study = settled(&name, facilities);
        let drawn = towns::facilities(study.network(), 1_000, 3).into_iter();
        let places: Vec<Point> = drawn.map(|origin| origin.snap.at + Point { x: 6.0, y: -8.0 }).collect();
        let mut state = CoverageState::new(&study, &Policy::default());
        let mut group = c.benchmark_group(format!("whatif/{name}"));
        group.sample_size(20);
        let mut next = (0..facilities as u32).cycle().zip(places.iter().cycle());
        group.bench_function("close and open", |b| {
            b.iter(|| {
                let (label, _) = next.next().expect("a facility");
                black_box(state.close(label) && state.open(label));
            });
        });
        let candidate = state.open_at(places[0]);
        group.bench_function("move anywhere", |b| {
            b.iter(|| black_box(state.move_to(candidate, *next.next().expect("a place").1)));
        });
        for (what, other) in [("a second less or more", 899_000), ("a fifth less or more", 720_000)] {
            let mut limits = [900_000, other].map(WalkTime::from_millis).into_iter().cycle();
            group.bench_function(format!("another limit, {what}"), |b| {
                b.iter(|| state.set_limit(limits.next().expect("a limit")));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, edits);
criterion_main!(benches);
