//! A whole city judged: one sweep, a verdict per block; and the study put together before it.

use carecircle_benches::{extracts, read, study};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_formats::geojson::Drawings;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn coverage(c: &mut Criterion) {
    for (name, path) in extracts() {
        let mut group = c.benchmark_group(format!("coverage/{name}"));
        group.sample_size(20);
        let extract = read(&path);
        group.bench_function("study put together", |b| {
            b.iter_batched(
                || (Network::build(&extract.streets, NetworkOptions::default()).0, extract.places.clone()),
                |(network, places)| black_box(Study::new(network, places, None, SNAP_WITHIN_M)),
                BatchSize::LargeInput,
            );
        });
        let study = study(&path);
        group.bench_function("check", |b| b.iter(|| black_box(study.check(&Policy::default()))));
        group.bench_function("drawings", |b| b.iter(|| black_box(Drawings::new(&study))));
        group.finish();
    }
}

criterion_group!(benches, coverage);
criterion_main!(benches);
