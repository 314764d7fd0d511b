//! Extracts that no honest program writes: what a reader must survive, refuse or count, in bounded memory.
//!
//! A mutation is one [`framing`] rewrite of the file, or one [`content`] edit inside a block that is deflated again, so
//! that the damage gets past the checksums. Everything is drawn from a seed: a file that breaks a reader comes back by
//! its number. Which answer is right for which file is the reader's tests' business, not this module's.

mod content;
mod framing;
mod wire;

use crate::dice::Dice;
use content::{EDITS, Edit, Holding};
use framing::{REWRITES, Rewrite};
use wire::{Frame, Message, join, zigzag};

/// `count` mutated copies of a PBF file, each with a line that begins with its kind and says what was done.
///
/// Every kind in [`kinds`] gets its turn before one comes again. Files are made one at a time, and none is larger than
/// twice the original and 3 MiB, though some inflate to 2 GiB. An original that holds no way, relation or dense nodes to
/// damage is lent some.
pub fn mutations(original: &[u8], count: usize, seed: u64) -> impl Iterator<Item = (String, Vec<u8>)> {
    let original = Original::new(original);
    (0..count).map(move |number| {
        // A state of its own for each file: the hundredth is the same whether or not the others were made.
        let mut dice = Dice(Dice(seed).roll() ^ number as u64);
        let (name, mutation) = TURNS[number % TURNS.len()];
        let (what, file) = match mutation {
            Mutation::Rewrite(rewrite) => rewrite(&original, &mut dice),
            Mutation::Edit(holding, edit) => original.edited(holding, edit, &mut dice),
        };
        (format!("{name}: {what}"), file)
    })
}

/// The names of all kinds of mutation.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    TURNS.iter().map(|(name, _)| *name)
}

#[derive(Clone, Copy)]
enum Mutation {
    Rewrite(Rewrite),
    Edit(Holding, Edit),
}

/// All mutations in the order of their turns.
const TURNS: [(&str, Mutation); REWRITES.len() + EDITS.len()] = {
    let mut turns = [("", Mutation::Rewrite(REWRITES[0].1)); REWRITES.len() + EDITS.len()];
    let mut at = 0;
    while at < REWRITES.len() {
        turns[at] = (REWRITES[at].0, Mutation::Rewrite(REWRITES[at].1));
        at += 1;
    }
    while at < turns.len() {
        let (name, holding, edit) = EDITS[at - REWRITES.len()];
        turns[at] = (name, Mutation::Edit(holding, edit));
        at += 1;
    }
    turns
};

/// The file to be damaged, taken apart.
struct Original {
    file: Vec<u8>,
    /// At least a header and a block.
    frames: Vec<Frame>,
    /// The frames whose blocks hold dense nodes, ways, relations.
    holding: [Vec<usize>; 3],
}

const HOLDINGS: [Holding; 3] = [Holding::Dense, Holding::Ways, Holding::Relations];

impl Original {
    fn new(file: &[u8]) -> Self {
        let mut frames = wire::split(file);
        if frames.len() < 2 {
            frames = sample();
        }
        let mut holding = find(&frames);
        if holding.iter().any(Vec::is_empty) {
            frames.extend(sample().into_iter().skip(1));
            holding = find(&frames);
        }
        Self { file: file.to_vec(), frames, holding }
    }

    fn edited(&self, holding: Holding, edit: Edit, dice: &mut Dice) -> (String, Vec<u8>) {
        let holders = HOLDINGS.iter().zip(&self.holding).find(|(kind, _)| **kind == holding);
        let at = dice.pick(holders.expect("every kind is in the list").1);
        let mut frames = self.frames.clone();
        let mut block = frames[at].content().as_deref().and_then(Message::decode).expect("its entities were found");
        let what = edit(&mut block, dice);
        frames[at] = Frame::new("OSMData", &block.encode());
        (format!("{what}, frame {at}"), join(&frames))
    }
}

/// The frames that hold entities of each kind.
fn find(frames: &[Frame]) -> [Vec<usize>; 3] {
    let blocks: Vec<_> = frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.kind().as_deref() == Some("OSMData"))
        .filter_map(|(at, frame)| Some((at, Message::decode(&frame.content()?)?)))
        .collect();
    HOLDINGS.map(|holding| {
        let holds = |block: &Message| !content::entities(block, holding as u32).is_empty();
        blocks.iter().filter(|(_, block)| holds(block)).map(|(at, _)| *at).collect()
    })
}

/// A small file of our own: a header, a block of nodes, a block of ways and relations.
fn sample() -> Vec<Frame> {
    let strings = ["", "highway", "residential", "type", "multipolygon", "outer", "building", "yes"];
    let table = strings.iter().fold(Message::default(), |table, text| table.bytes(1, *text));
    let block = |group: Message| Message::default().bytes(1, table.encode()).bytes(2, group.encode()).encode();
    let deltas = |values: &[i64]| values.iter().map(|&value| zigzag(value)).collect::<Vec<_>>();

    let info = Message::default()
        .packed(1, &[1; 4])
        .packed(2, &deltas(&[1_700_000_000, 0, 0, 0]))
        .packed(3, &deltas(&[1, 0, 0, 0]))
        .packed(4, &deltas(&[1, 0, 0, 0]))
        .packed(5, &deltas(&[0; 4]));
    let dense = Message::default()
        .packed(1, &deltas(&[1, 1, 1, 1]))
        .bytes(5, info.encode())
        .packed(8, &deltas(&[470_200_000, 0, 20_000, 0]))
        .packed(9, &deltas(&[288_300_000, 20_000, 0, -20_000]))
        .packed(10, &[6, 7, 0, 0, 0, 0]);
    let way = |id: u64, key: u64, value: u64| {
        Message::default()
            .varint(1, id)
            .packed(2, &[key])
            .packed(3, &[value])
            .packed(8, &deltas(&[1, 1, 1, 1, -3]))
            .encode()
    };
    let relation = Message::default()
        .varint(1, 30)
        .packed(2, &[3, 6])
        .packed(3, &[4, 7])
        .packed(8, &[5, 0])
        .packed(9, &deltas(&[11, -1]))
        .packed(10, &[1, 1]);

    let header = Message::default().bytes(4, "OsmSchema-V0.6").bytes(4, "DenseNodes").bytes(16, "carecircle-tests");
    let nodes = Message::default().bytes(2, dense.encode());
    let lines = Message::default().bytes(3, way(10, 1, 2)).bytes(3, way(11, 6, 7)).bytes(4, relation.encode());
    vec![
        Frame::new("OSMHeader", &header.encode()),
        Frame::new("OSMData", &block(nodes)),
        Frame::new("OSMData", &block(lines)),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;
    use crate::oracle::Extract;

    const MEBIBYTE: usize = 1 << 20;

    #[test]
    fn framing_and_fields_come_back_as_they_were() {
        let file = join(&sample());
        let frames = wire::split(&file);
        assert_eq!(join(&frames), file);
        assert_eq!(frames, sample());
        for frame in &frames {
            let content = frame.content().unwrap();
            let message = Message::decode(&content).unwrap();
            assert_eq!(message.encode(), content);
            assert_eq!(Frame::new(&frame.kind().unwrap(), &content), *frame);
        }
    }

    #[test]
    fn the_sample_is_a_file_that_others_read() {
        let extract = Extract::read(&join(&sample())[..]).unwrap();
        let ids: Vec<_> = extract.nodes.iter().map(|node| node.id).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        assert!((extract.nodes[2].lon - 28.832).abs() < 1e-9 && (extract.nodes[2].lat - 47.022).abs() < 1e-9);
        assert_eq!(extract.ways.len(), 2);
        assert_eq!(extract.ways[0].refs, [1, 2, 3, 4, 1]);
        assert_eq!(extract.ways[0].tag("highway"), Some("residential"));
    }

    #[test]
    fn every_kind_occurs_several_times_in_two_hundred_small_files() {
        let file = join(&sample());
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (what, mutated) in mutations(&file, 200, 5) {
            assert_ne!(mutated, file, "{what}");
            assert!(mutated.len() < 3 * MEBIBYTE, "{what}: {} bytes", mutated.len());
            *counts.entry(what.split(':').next().unwrap().to_owned()).or_default() += 1;
        }
        for kind in kinds() {
            assert!(counts[kind] >= 4, "{kind}");
        }
        assert_eq!(counts.len(), kinds().count(), "no two kinds share a name");
    }

    #[test]
    fn the_same_seed_gives_the_same_files() {
        let file = join(&sample());
        let few = |seed| mutations(&file, kinds().count(), seed).collect::<Vec<_>>();
        let (once, again, other) = (few(1), few(1), few(2));
        assert!(once == again);
        let same = once.iter().zip(&other).filter(|(left, right)| left.1 == right.1).count();
        assert!(same < once.len() / 4, "{same} files do not depend on the seed");
    }

    #[test]
    fn a_file_without_frames_is_lent_some() {
        for nothing in [&b""[..], b"not a PBF", &join(&sample()[..1])] {
            assert_eq!(mutations(nothing, kinds().count(), 3).count(), kinds().count());
        }
    }

    #[test]
    fn the_bomb_inflates_to_what_it_claims() {
        let bomb = wire::deflated_zeros(40);
        let mut zeros = Vec::new();
        flate2::read::ZlibDecoder::new(&bomb[..]).read_to_end(&mut zeros).unwrap();
        assert_eq!(zeros.len(), 40 * MEBIBYTE);
        assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
    }
}
