//! What can be wrong with the file around its blocks: bits, borders, sizes, compression, order.

use std::io::Write;

use super::wire::{BLOB_LIMIT, Frame, Message, deflate, deflated_zeros, join};
use super::{Dice, Original};

/// Makes a file out of the original one and says how it differs.
pub(super) type Rewrite = fn(&Original, &mut Dice) -> (String, Vec<u8>);

/// Every rewrite by name.
pub(super) const REWRITES: [(&str, Rewrite); 18] = [
    ("bits of a length prefix", bits_of_a_length_prefix),
    ("bits of a header", bits_of_a_header),
    ("bits of a blob", bits_of_a_blob),
    ("bits of the content", bits_of_the_content),
    ("cut at a border", cut_at_a_border),
    ("cut inside", cut_inside),
    ("lying header length", lying_header_length),
    ("lying datasize", lying_datasize),
    ("lying raw_size", lying_raw_size),
    ("zlib bomb", zlib_bomb),
    ("swarm of nothings", swarm_of_nothings),
    ("unsupported compression", unsupported_compression),
    ("not a PBF", not_a_pbf),
    ("shuffled blobs", shuffled_blobs),
    ("duplicated blobs", duplicated_blobs),
    ("unknown kinds of blob", unknown_kinds_of_blob),
    ("odd file header", odd_file_header),
    ("garbage between blobs", garbage_between_blobs),
];

/// The original with one frame changed.
fn with_frame(original: &Original, at: usize, change: impl FnOnce(&mut Frame)) -> Vec<u8> {
    let mut frames = original.frames.clone();
    change(&mut frames[at]);
    join(&frames)
}

fn flip_bits(bytes: &mut [u8], dice: &mut Dice) -> usize {
    if bytes.is_empty() {
        return 0;
    }
    let count = dice.pick(&[1, 2, 16, 200]).min(bytes.len());
    let at = dice.below(bytes.len() + 1 - count);
    // Consecutive bytes: two flips can't undo each other.
    for byte in bytes.iter_mut().skip(at).take(count) {
        *byte ^= 1 << dice.below(8);
    }
    count
}

fn bits_of_a_length_prefix(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let start: usize = original.frames[..at].iter().map(Frame::size).sum();
    let mut file = join(&original.frames);
    let bit = dice.below(32);
    file[start + bit / 8] ^= 1 << (bit % 8);
    (format!("bit {bit} of frame {at}"), file)
}

fn bits_of_a_header(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let mut flips = 0;
    let file = with_frame(original, at, |frame| flips = flip_bits(&mut frame.header, dice));
    (format!("{flips} in frame {at}"), file)
}

fn bits_of_a_blob(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let mut flips = 0;
    let file = with_frame(original, at, |frame| flips = flip_bits(&mut frame.blob, dice));
    (format!("{flips} in frame {at}"), file)
}

fn bits_of_the_content(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let mut flips = 0;
    let file = with_frame(original, at, |frame| {
        let mut content = frame.content().unwrap_or_else(|| b"content".to_vec());
        flips = flip_bits(&mut content, dice);
        *frame = Frame::new(&frame.kind().unwrap_or_default(), &content);
    });
    (format!("{flips} in frame {at}, deflated again"), file)
}

fn cut_at_a_border(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let kept = dice.below(original.frames.len());
    let mut file = join(&original.frames[..kept]);
    let next = &original.frames[kept];
    // Behind the frame before, behind the length, or between the header and its blob.
    let more = dice.pick(&[0, 4, 4 + next.header.len()]);
    file.extend(&join(std::slice::from_ref(next))[..more]);
    (format!("after {kept} frames and {more} bytes"), file)
}

fn cut_inside(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut file = join(&original.frames);
    let kept = dice.below(file.len());
    file.truncate(kept);
    (format!("after {kept} bytes"), file)
}

fn lying_header_length(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let start: usize = original.frames[..at].iter().map(Frame::size).sum();
    let truth = original.frames[at].header.len() as u32;
    let lie = dice.pick(&[0, truth - 1, truth + 1, 64 << 10, (64 << 10) + 1, 1 << 31, u32::MAX, truth.swap_bytes()]);
    let mut file = join(&original.frames);
    file[start..start + 4].copy_from_slice(&lie.to_be_bytes());
    (format!("frame {at} says {lie} for {truth}"), file)
}

/// Sizes that are not the true one.
fn lie(truth: usize, dice: &mut Dice) -> i64 {
    let truth = truth as i64;
    let limit = BLOB_LIMIT as i64;
    dice.pick(&[0, -1, truth - 1, truth + 1, truth / 2, truth * 2, limit, limit + 1, i32::MAX.into(), i32::MIN.into()])
}

fn lying_datasize(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let truth = original.frames[at].blob.len();
    let lie = lie(truth, dice);
    let file = with_frame(original, at, |frame| {
        let kind = frame.kind().unwrap_or_default();
        frame.header = Message::default().bytes(1, kind).varint(3, lie as u64).encode();
    });
    (format!("frame {at} says {lie} for {truth}"), file)
}

fn lying_raw_size(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let frame = &original.frames[at];
    let content = frame.content().unwrap_or_default();
    let lie = lie(content.len(), dice);
    let mut blob = Message::default().bytes(3, deflate(&content));
    let what = if dice.below(8) == 0 {
        "nothing".to_owned()
    } else {
        blob = blob.varint(2, lie as u64);
        lie.to_string()
    };
    let kind = frame.kind().unwrap_or_default();
    let file = with_frame(original, at, |frame| *frame = Frame::around(&kind, &blob));
    (format!("frame {at} says {what} for {}", content.len()), file)
}

fn zlib_bomb(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let mebibytes = dice.pick(&[1024, 2047]);
    let said = dice.pick(&[(mebibytes as i64) << 20, 1 << 20, BLOB_LIMIT as i64, 0, -1]);
    let kind = dice.pick(&["OSMData", "OSMHeader"]);
    let blob = Message::default().varint(2, said as u64).bytes(3, deflated_zeros(mebibytes));
    let at = if kind == "OSMHeader" { 0 } else { original.frames.len() / 2 };
    let file = with_frame(original, at, |frame| *frame = Frame::around(kind, &blob));
    (format!("{mebibytes} MiB of {kind} that say they are {said} bytes"), file)
}

/// A block just within the limit made of messages of two bytes, which take a hundred in memory.
fn swarm_of_nothings(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    // The swarming field, and the fields that it lies in from the outside inwards.
    let (what, nothing, around) = dice.pick(&[
        ("groups", &[2 << 3 | 2, 0][..], &[][..]),
        ("string tables", &[1 << 3 | 2, 0], &[]),
        ("strings", &[1 << 3 | 2, 0], &[1]),
        ("nodes", &[1 << 3 | 2, 0], &[2]),
        ("dense arrays", &[2 << 3 | 2, 0], &[2]),
        ("ways", &[3 << 3 | 2, 0], &[2]),
        ("relations", &[4 << 3 | 2, 0], &[2]),
        ("references", &[0], &[2, 3, 8]),
        ("dense ids", &[2], &[2, 2, 1]),
    ]);
    // Room for tags and lengths around it.
    let room = BLOB_LIMIT - 6 * around.len() - 1;
    let swarm = nothing.repeat(room / nothing.len());
    let content = around.iter().rev().fold(swarm, |inner, &field| Message::default().bytes(field, inner).encode());
    let mut frames = original.frames.clone();
    frames.push(Frame::new("OSMData", &content));
    (format!("{} {what}", room / nothing.len()), join(&frames))
}

fn unsupported_compression(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let (field, name) =
        dice.pick(&[(4, "lzma"), (5, "bzip2"), (6, "lz4"), (7, "zstd"), (8, "one to come"), (0, "none")]);
    let file = with_frame(original, at, |frame| {
        let content = frame.content().unwrap_or_default();
        let mut blob = Message::default().varint(2, content.len() as u64);
        if field > 0 {
            blob = blob.bytes(field, deflate(&content));
        }
        *frame = Frame::around(&frame.kind().unwrap_or_default(), &blob);
    });
    (format!("{name} in frame {at}"), file)
}

fn not_a_pbf(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let what = dice.pick(&["empty", "one byte", "text", "XML", "gzip", "random", "zeros", "ones", "only newlines"]);
    let file = match what {
        "empty" => Vec::new(),
        "one byte" => vec![dice.roll() as u8],
        "text" => b"id,name,lon,lat\n1,Sunflower,28.83,47.02\n".repeat(40),
        "XML" => b"<?xml version='1.0'?>\n<osm version=\"0.6\"><node id=\"1\" lat=\"47\" lon=\"28\"/></osm>\n".to_vec(),
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&original.file).expect("writing to memory does not fail");
            encoder.finish().expect("writing to memory does not fail")
        }
        "random" => (0..100_000).map(|_| dice.roll() as u8).collect(),
        "zeros" => vec![0; 100_000],
        "ones" => vec![0xff; 100_000],
        _ => vec![b'\n'; 1000],
    };
    (what.to_owned(), file)
}

fn shuffled_blobs(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut frames = original.frames.clone();
    let how = dice.pick(&["behind the header", "header and all", "backwards"]);
    match how {
        "behind the header" => dice.shuffle(&mut frames[1..]),
        "header and all" => dice.shuffle(&mut frames),
        _ => frames.reverse(),
    }
    // A short file may come out as it went in.
    if frames == original.frames {
        frames.rotate_left(1);
    }
    (how.to_owned(), join(&frames))
}

fn duplicated_blobs(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut frames = original.frames.clone();
    let how = dice.pick(&["one", "all", "the header", "the first block at the end"]);
    match how {
        "one" => {
            let at = dice.below(frames.len());
            frames.insert(at, frames[at].clone());
        }
        "all" => frames.extend_from_within(..),
        "the header" => frames.insert(1, frames[0].clone()),
        _ => frames.push(frames[1.min(frames.len() - 1)].clone()),
    }
    (how.to_owned(), join(&frames))
}

fn unknown_kinds_of_blob(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len());
    let kind = dice.pick(&["OSMFuture", "", "osmdata", "OSMData\0", "OSMHeader", "OSMData"]);
    let mut file = with_frame(original, at, |frame| {
        frame.header = Message::default().bytes(1, kind).varint(3, frame.blob.len() as u64).encode();
    });
    // Where the frame was of that kind already, one of another kind follows.
    if original.frames[at].kind().as_deref() == Some(kind) {
        Frame::new("OSMFuture", b"anything").write(&mut file);
    }
    (format!("{kind:?} on frame {at}"), file)
}

fn odd_file_header(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let how = dice.pick(&["missing", "empty", "at the end", "asks for the unknown", "history", "a box inside out"]);
    let mut frames = original.frames.clone();
    let features = |features: &[&str]| {
        features.iter().fold(Message::default(), |header, feature| header.bytes(4, *feature)).encode()
    };
    match how {
        "missing" => drop(frames.remove(0)),
        "empty" => frames[0] = Frame::new("OSMHeader", &[]),
        "at the end" => frames.rotate_left(1),
        "asks for the unknown" => frames[0] = Frame::new("OSMHeader", &features(&["OsmSchema-V0.6", "Telepathy"])),
        "history" => frames[0] = Frame::new("OSMHeader", &features(&["OsmSchema-V0.6", "HistoricalInformation"])),
        _ => {
            // Left, right, top, bottom: each as far on the wrong side as a number goes.
            let inside_out = [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX - 1];
            let corners =
                (1..).zip(inside_out).fold(Message::default(), |corners, (n, value)| corners.varint(n, value));
            let header = Message::default().bytes(1, corners.encode()).bytes(4, "OsmSchema-V0.6");
            frames[0] = Frame::new("OSMHeader", &header.encode());
        }
    }
    (how.to_owned(), join(&frames))
}

fn garbage_between_blobs(original: &Original, dice: &mut Dice) -> (String, Vec<u8>) {
    let at = dice.below(original.frames.len() + 1);
    let count = dice.pick(&[1, 3, 4, 5, 1000]);
    let mut file = join(&original.frames[..at]);
    file.extend((0..count).map(|_| dice.roll() as u8));
    file.extend(join(&original.frames[at..]));
    (format!("{count} bytes before frame {at}"), file)
}
