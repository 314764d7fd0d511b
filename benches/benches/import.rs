//! From file to searchable network, beside what osmpbf alone needs to decode every element of the same file.

use carecircle_benches::{City, extracts, read, streets_of, study};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_osm::Extract;
use carecircle_osm::prepared::{self, Prepared, Source};
use criterion::{Criterion, criterion_group, criterion_main};
use osmpbf::{Element, ElementReader};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Cursor};

/// Looks at what every element holds, as any reader must: coordinates, references, tags.
fn look(element: &Element<'_>) -> u64 {
    match element {
        Element::Node(n) => n.nano_lat() as u64 ^ n.nano_lon() as u64 ^ n.tags().count() as u64,
        Element::DenseNode(n) => n.nano_lat() as u64 ^ n.nano_lon() as u64 ^ n.tags().count() as u64,
        Element::Way(w) => w.refs().fold(0, |sum, r| sum ^ r as u64) ^ w.tags().count() as u64,
        Element::Relation(r) => r.members().fold(0, |sum, m| sum ^ m.member_id as u64) ^ r.tags().count() as u64,
    }
}

fn import(c: &mut Criterion) {
    for (name, path) in extracts() {
        let mut group = c.benchmark_group(format!("import/{name}"));
        group.sample_size(20);
        let bytes = std::fs::read(&path).expect("an extract to measure on");
        group.bench_function("osmpbf decodes, one thread", |b| {
            b.iter(|| {
                let mut sum = 0;
                let reader = ElementReader::new(Cursor::new(&bytes));
                reader.for_each(|e| sum ^= look(&e)).expect("a sound extract");
                black_box(sum)
            });
        });
        group.bench_function("osmpbf decodes, all threads", |b| {
            b.iter(|| {
                let reader = ElementReader::new(Cursor::new(&bytes));
                let sum = reader.par_map_reduce(|e| look(&e), || 0, |a, b| a ^ b).expect("a sound extract");
                black_box(sum)
            });
        });
        group.bench_function("file to searchable network", |b| {
            b.iter(|| black_box(Network::build(&read(&path).streets, NetworkOptions::default())));
        });
        group.bench_function("read alone", |b| b.iter(|| black_box(read(&path))));
        let streets = read(&path).streets;
        group.bench_function("network alone", |b| {
            b.iter(|| black_box(Network::build(&streets, NetworkOptions::default())));
        });
        group.finish();
    }
}

/// What a start takes: the study of an extract, beside the same of what import made of it once.
fn start(c: &mut Criterion) {
    for (name, path) in extracts() {
        let mut group = c.benchmark_group(format!("start/{name}"));
        group.sample_size(10);
        group.bench_function("extract to study", |b| b.iter(|| black_box(study(&path))));
        let Extract { streets, places, report, header } = read(&path);
        let (network, built) = Network::build(&streets, NetworkOptions::default());
        let whole = Study::new(network, places.clone(), None, SNAP_WITHIN_M);
        let prepared = std::env::temp_dir().join(format!("carecircle-bench-{}.carecircle", std::process::id()));
        let file = BufWriter::new(File::create(&prepared).expect("a file to write"));
        let source = Source { name: name.clone(), fingerprint: 0 };
        let written = prepared::write(file, &source, (&header, &report), &places, &built, &whole);
        written.expect("room for the prepared city");
        let opened = || Prepared::open(&prepared).expect("a sound file");
        group.bench_function("prepared, its header", |b| b.iter(|| black_box(opened())));
        let network = || opened().network().expect("a sound network").0;
        group.bench_function("prepared, to network", |b| b.iter(|| black_box(network())));
        let study = || opened().study(network()).expect("a sound study");
        group.bench_function("prepared, to study", |b| b.iter(|| black_box(study())));
        group.finish();
        std::fs::remove_file(&prepared).expect("the file is still there");
    }
}

/// Towns have no file: what follows the reading.
fn build(c: &mut Criterion) {
    for name in City::names().iter().filter(|name| name.starts_with("10^")) {
        let mut group = c.benchmark_group(format!("import/{name}"));
        group.sample_size(10);
        let (streets, _) = streets_of(name);
        group.bench_function("network alone", |b| {
            b.iter(|| black_box(Network::build(&streets, NetworkOptions::default())));
        });
        group.finish();
    }
}

criterion_group!(benches, import, start, build);
criterion_main!(benches);
