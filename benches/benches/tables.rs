//! A million rows of a register, from bytes to facilities and to blocks, beside what the csv crate takes to split them and
//! encoding_rs to decode them.

use carecircle_benches::registers::{ROWS, decode_and_split, register};
use carecircle_formats::columns::{self, Declared};
use carecircle_formats::table::Table;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use encoding_rs::{GB18030, UTF_8};
use std::hint::black_box;
use std::path::Path;

fn tables(c: &mut Criterion) {
    let text = register();
    let mut group = c.benchmark_group("tables");
    group.sample_size(10);
    for encoding in [UTF_8, GB18030] {
        let bytes = encoding.encode(&text).0;
        let table = || Table::from_csv(Path::new("register.csv"), &bytes).expect("a table");
        let of = |what: &str| BenchmarkId::new(what.to_owned(), encoding.name());
        group.bench_function(of("decoded and split"), |b| b.iter(|| black_box(decode_and_split(encoding, &bytes))));
        group.bench_function(of("table"), |b| b.iter(|| black_box(table())));
        let declared = Declared::default();
        group.bench_function(of("facilities"), |b| {
            let read = || {
                let table = table();
                (columns::facilities(&table, &declared).expect("facilities"), table)
            };
            b.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
        });
        group.bench_function(of("blocks"), |b| {
            let read = || {
                let table = table();
                (columns::blocks(&table, &declared).expect("blocks"), table)
            };
            b.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
        });
        let read = columns::facilities(&table(), &declared).expect("facilities");
        assert_eq!((read.used.len(), read.rejects.len(), read.doubts.len()), (ROWS as usize, 0, 0));
    }
    group.finish();
}

criterion_group!(benches, tables);
criterion_main!(benches);
