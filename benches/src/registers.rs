//! A register of a million rows, and what nobody who reads it does without.

use encoding_rs::Encoding;
use std::fmt::Write as _;

/// So many rows it has.
pub const ROWS: u32 = 1_000_000;

/// A register of ten columns, the same on every run.
pub fn register() -> String {
    let mut out = "编号,名称,经度,纬度,机构类型,备案状态,普惠,托位数,在托人数,职工数\n".to_owned();
    let kinds = ["托育机构", "幼儿园托班", "社区托育点", "用人单位"];
    for i in 0..ROWS {
        // Knuth's multiplicative hash: numbers without a pattern.
        let hash = i.wrapping_mul(2_654_435_761);
        let (lon, lat) = (f64::from(hash >> 12) * 1e-6 + 120.0, f64::from(hash & 0xf_ffff) * 1e-6 + 30.0);
        let (kind, places) = (kinds[(hash >> 8) as usize % 4], 10 + hash % 150);
        let (yes, enrolled) = (if hash & 64 == 0 { "是" } else { "否" }, places * (hash % 7) / 8);
        let staff = 3 + places / 5;
        _ = writeln!(out, "f{i},\"幼苗第{i}托育园\",{lon:.6},{lat:.6},{kind},已备案,{yes},{places},{enrolled},{staff}");
    }
    out
}

/// What nobody does without: text from bytes, and cells from text; tells how many cells there are.
///
/// # Panics
/// When the bytes are no CSV in that encoding.
pub fn decode_and_split(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes).expect("text");
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let (mut record, mut cells) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).expect("a record") {
        cells += record.len();
    }
    cells
}
