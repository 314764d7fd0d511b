//! A million rows of a register, from bytes to facilities and to blocks, beside what the csv crate takes to split them and
//! encoding_rs to decode them.

use carecircle_formats::columns::{self, Declared};
use carecircle_formats::table::Table;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use encoding_rs::{Encoding, GB18030, UTF_8};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

const ROWS: u32 = 1_000_000;

/// A register of ten columns, the same on every run.
fn register() -> String {
    let mut out = "编号,名称,经度,纬度,机构类型,备案状态,普惠,托位数,在托人数,地址\n".to_owned();
    let kinds = ["托育机构", "幼儿园托班", "社区托育点", "用人单位"];
    for i in 0..ROWS {
        // Knuth's multiplicative hash: numbers without a pattern.
        let hash = i.wrapping_mul(2_654_435_761);
        let (lon, lat) = (f64::from(hash >> 12) * 1e-6 + 120.0, f64::from(hash & 0xf_ffff) * 1e-6 + 30.0);
        let (kind, places) = (kinds[(hash >> 8) as usize % 4], 10 + hash % 150);
        let (yes, enrolled) = (if hash & 64 == 0 { "是" } else { "否" }, places * (hash % 7) / 8);
        _ = writeln!(
            out,
            "f{i},幼苗第{i}托育园,{lon:.6},{lat:.6},{kind},已备案,{yes},{places},{enrolled},\"建设路{}号, {}室\"",
            hash % 900,
            hash % 77
        );
    }
    out
}

/// What nobody does without: text from bytes, and cells from text.
fn decode_and_split(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes).expect("text");
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let (mut record, mut cells) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).expect("a record") {
        cells += record.len();
    }
    cells
}

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
