//! Whole collections as files: as many features as match, whatever the format, and other tools read them.

use crate::client::{Answer, Connection, ids};
use crate::town::town;
use carecircle_formats::table::Table;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

/// An answer; where others download as many files as may be at once, after a while.
fn get(path: &str, accept: &str) -> Answer {
    let mut answers = (0..100).map(|_| town().ask("GET", path, &[("Accept", accept)]));
    let came = answers.find(|answer| {
        let is_busy = answer.status == 503;
        if is_busy {
            sleep(Duration::from_millis(100));
        }
        !is_busy
    });
    came.expect("a place within ten seconds")
}

const COLLECTIONS: [&str; 5] = ["blocks", "gaps", "facilities", "areas", "circles"];

/// The ids in a file, read as any table is.
fn ids_in(name: &str, bytes: &[u8]) -> Vec<String> {
    let path = std::env::temp_dir().join(format!("carecircle-download-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let table = Table::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let id = table.columns.iter().position(|column| column == "id").unwrap();
    table.rows().map(|row| row.cells().find(|(at, _)| *at == id).unwrap().1.to_owned()).collect()
}

#[test]
fn every_format_holds_what_matches() {
    for collection in COLLECTIONS {
        for query in ["minutes=9", "minutes=9&bbox=116.0,39.0,116.31,40.5", "minutes=9&limit=3&offset=1"] {
            let path = format!("/collections/{collection}/items?{query}");
            let all = if query.contains("limit") { path.clone() } else { format!("{path}&limit=10000") };
            let mut wanted = ids(&get(&all, "*/*").features());
            for (form, media) in [
                ("csv", "text/csv; charset=utf-8"),
                ("geojsonseq", "application/geo+json-seq"),
                ("fgb", "application/flatgeobuf"),
            ] {
                let answer = get(&format!("{path}&f={form}"), "*/*");
                assert_eq!((answer.status, answer.header("content-type")), (200, media), "{path}");
                let ending = if form == "geojsonseq" { "geojsons" } else { form };
                let file = format!("{collection}.{ending}");
                assert!(answer.header("content-disposition").contains(&file));
                if wanted.is_empty() {
                    continue;
                }
                let mut found = ids_in(&file, &answer.body);
                if form == "fgb" {
                    // Its rows stand as its index has them.
                    found.sort();
                    wanted.sort();
                }
                assert_eq!(found, wanted, "{path} as {form}");
            }
        }
    }
}

#[test]
fn a_sequence_holds_the_features_of_the_pages() {
    let pages = get("/collections/gaps/items?limit=10000", "*/*").features();
    let answer = get("/collections/gaps/items", "application/geo+json-seq");
    let text = String::from_utf8(answer.body).unwrap();
    let features: Vec<Value> =
        text.split('\u{1e}').skip(1).map(|feature| serde_json::from_str(feature).unwrap()).collect();
    assert_eq!(features, pages);
}

#[test]
fn a_download_comes_compressed_and_once() {
    let mut client = Connection::open(town().address);
    let path = "/collections/blocks/items?f=csv";
    let mut ask = |headers: &[(&str, &str)]| loop {
        let answer = client.ask("GET", path, headers).unwrap();
        if answer.status != 503 {
            return answer;
        }
        sleep(Duration::from_millis(100));
    };
    let plain = ask(&[]);
    let packed = ask(&[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let again = ask(&[("If-None-Match", plain.header("etag"))]);
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[test]
fn who_leaves_a_download_leaves_room_for_others() {
    let path = "/collections/blocks/items?f=fgb";
    for _ in 0..60 {
        let mut client = Connection::open(town().address);
        client.request("GET", path, &[]).unwrap();
    }
    let answer = get(path, "*/*");
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"fgb"));
}
