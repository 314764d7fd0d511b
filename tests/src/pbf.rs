//! A small writer of OSM PBF files, so that every map in the tests is drawn by the tests.
//!
//! An [`OsmFile`] is nodes, ways and relations held in plain vectors; [`OsmFile::to_pbf`] turns it into the bytes of
//! an `.osm.pbf`. The same file always gives the same bytes. The protobuf wire format is written by hand: it takes a
//! varint and three kinds of field, which is less to carry than a code generator.
//!
//! Not here: reading (the importer under test does that, and an oracle that shared its code would prove nothing),
//! object versions and authors, and history files.
//!
//! ```
//! use carecircle_tests::pbf::{Compression, Node, OsmFile, Way};
//!
//! let file = OsmFile {
//!     nodes: vec![Node::metres(1, 0.0, 0.0, &[]), Node::metres(2, 100.0, 0.0, &[("barrier", "gate")])],
//!     ways: vec![Way::new(1, &[1, 2], &[("highway", "footway")])],
//!     ..OsmFile::default()
//! };
//! assert!(file.to_pbf(Compression::Zlib).len() > 100);
//! ```

use std::collections::HashMap;
use std::io::Write as _;

/// Entities in one data block: the number the PBF specification recommends.
const BLOCK_ENTITIES: usize = 8_000;

/// The extract's date when nothing else is said: 2025-06-01T00:00:00Z, in seconds since 1970.
pub const EXTRACT_DATE: i64 = 1_748_736_000;

/// Where [`Node::metres`] has its zero: (longitude, latitude) in 1e-7 degrees.
pub const ORIGIN_E7: (i32, i32) = (1_143_000_000, 309_000_000);

/// 1e-7 degrees of longitude in one metre at latitude 30.9 on the WGS 84 ellipsoid.
pub const LON_E7_PER_M: f64 = 104.5983;

/// 1e-7 degrees of latitude in one metre at latitude 30.9 on the WGS 84 ellipsoid.
pub const LAT_E7_PER_M: f64 = 90.1976;

/// Tags in the order in which they are written.
pub type Tags = Vec<(String, String)>;

/// Owned tags from literals.
pub fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A point of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The OSM id, unique among nodes.
    pub id: i64,
    /// Longitude in 1e-7 degrees, exact in the file.
    pub lon_e7: i32,
    /// Latitude in 1e-7 degrees, exact in the file.
    pub lat_e7: i32,
    /// What it is; mostly empty.
    pub tags: Tags,
}

impl Node {
    /// A node at a fixed-point position in 1e-7 degrees.
    pub fn new(id: i64, lon_e7: i32, lat_e7: i32, pairs: &[(&str, &str)]) -> Self {
        Self { id, lon_e7, lat_e7, tags: tags(pairs) }
    }

    /// A node at a position in degrees, rounded to 1e-7.
    pub fn degrees(id: i64, lon: f64, lat: f64, pairs: &[(&str, &str)]) -> Self {
        Self::new(id, (lon * 1e7).round() as i32, (lat * 1e7).round() as i32, pairs)
    }

    /// A node so many metres east and north of [`ORIGIN_E7`]; true to about 0.1 % within ten kilometres.
    pub fn metres(id: i64, east_m: f64, north_m: f64, pairs: &[(&str, &str)]) -> Self {
        let lon_e7 = ORIGIN_E7.0 + (east_m * LON_E7_PER_M).round() as i32;
        let lat_e7 = ORIGIN_E7.1 + (north_m * LAT_E7_PER_M).round() as i32;
        Self::new(id, lon_e7, lat_e7, pairs)
    }
}

/// A chain of nodes; a ring when the first is the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The OSM id, unique among ways.
    pub id: i64,
    /// The nodes it runs through, in order.
    pub refs: Vec<i64>,
    /// What it is.
    pub tags: Tags,
}

impl Way {
    /// A way through the given nodes.
    pub fn new(id: i64, refs: &[i64], pairs: &[(&str, &str)]) -> Self {
        Self { id, refs: refs.to_vec(), tags: tags(pairs) }
    }

    /// A closed way: the first node is repeated at the end.
    pub fn ring(id: i64, refs: &[i64], pairs: &[(&str, &str)]) -> Self {
        let mut way = Self::new(id, refs, pairs);
        way.refs.extend(refs.first());
        way
    }
}

/// The kind of thing a relation's member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A node.
    Node = 0,
    /// A way.
    Way = 1,
    /// Another relation.
    Relation = 2,
}

/// One member of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the id counts.
    pub kind: MemberKind,
    /// The member's OSM id.
    pub id: i64,
    /// Its role, often `outer`, `inner` or empty.
    pub role: String,
}

impl Member {
    /// A node member.
    pub fn node(id: i64, role: &str) -> Self {
        Self { kind: MemberKind::Node, id, role: role.to_owned() }
    }

    /// A way member.
    pub fn way(id: i64, role: &str) -> Self {
        Self { kind: MemberKind::Way, id, role: role.to_owned() }
    }

    /// A relation member.
    pub fn relation(id: i64, role: &str) -> Self {
        Self { kind: MemberKind::Relation, id, role: role.to_owned() }
    }
}

/// A group of things that mean something together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The OSM id, unique among relations.
    pub id: i64,
    /// The members, in order.
    pub members: Vec<Member>,
    /// What it is.
    pub tags: Tags,
}

impl Relation {
    /// A relation of the given members.
    pub fn new(id: i64, members: &[Member], pairs: &[(&str, &str)]) -> Self {
        Self { id, members: members.to_vec(), tags: tags(pairs) }
    }
}

/// How a file's blobs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Deflated, as nearly every published extract is.
    Zlib,
    /// As they are: no byte depends on a compressor.
    Raw,
}

/// A whole map, not yet written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsmFile {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All ways.
    pub ways: Vec<Way>,
    /// All relations.
    pub relations: Vec<Relation>,
    /// When the extract was cut, in seconds since 1970; none leaves the header without a date.
    pub timestamp: Option<i64>,
}

impl Default for OsmFile {
    fn default() -> Self {
        Self { nodes: Vec::new(), ways: Vec::new(), relations: Vec::new(), timestamp: Some(EXTRACT_DATE) }
    }
}

impl OsmFile {
    /// The bytes of the `.osm.pbf`: nodes, ways, relations, each sorted by id, as the header promises.
    pub fn to_pbf(&self, compression: Compression) -> Vec<u8> {
        let mut nodes: Vec<&Node> = self.nodes.iter().collect();
        let mut ways: Vec<&Way> = self.ways.iter().collect();
        let mut relations: Vec<&Relation> = self.relations.iter().collect();
        nodes.sort_by_key(|node| node.id);
        ways.sort_by_key(|way| way.id);
        relations.sort_by_key(|relation| relation.id);

        let mut out = Vec::new();
        write_blob(&mut out, "OSMHeader", &self.header(), compression);
        for chunk in nodes.chunks(BLOCK_ENTITIES) {
            write_blob(&mut out, "OSMData", &dense_block(chunk), compression);
        }
        for chunk in ways.chunks(BLOCK_ENTITIES) {
            write_blob(&mut out, "OSMData", &way_block(chunk), compression);
        }
        for chunk in relations.chunks(BLOCK_ENTITIES) {
            write_blob(&mut out, "OSMData", &relation_block(chunk), compression);
        }
        out
    }

    /// A `HeaderBlock` message.
    fn header(&self) -> Vec<u8> {
        let mut header = Message::default();
        if let Some(first) = self.nodes.first() {
            let start = (first.lon_e7, first.lon_e7, first.lat_e7, first.lat_e7);
            let (left, right, bottom, top) = self.nodes.iter().fold(start, |(l, r, b, t), node| {
                (l.min(node.lon_e7), r.max(node.lon_e7), b.min(node.lat_e7), t.max(node.lat_e7))
            });
            let mut bbox = Message::default();
            // The header's box is in nanodegrees whatever the blocks' granularity.
            for (field, e7) in [(1, left), (2, right), (3, top), (4, bottom)] {
                bbox.varint(field, zigzag(i64::from(e7) * 100));
            }
            header.bytes(1, &bbox.0);
        }
        header.bytes(4, b"OsmSchema-V0.6");
        header.bytes(4, b"DenseNodes");
        header.bytes(5, b"Sort.Type_then_ID");
        header.bytes(16, b"carecircle");
        if let Some(timestamp) = self.timestamp {
            header.varint(32, timestamp as u64);
        }
        header.0
    }
}

/// A protobuf message as it grows.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u32, value: u64) {
        push_varint(&mut self.0, u64::from(field) << 3);
        push_varint(&mut self.0, value);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        push_varint(&mut self.0, u64::from(field) << 3 | 2);
        push_varint(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn packed(&mut self, field: u32, values: impl IntoIterator<Item = u64>) {
        let mut packed = Vec::new();
        for value in values {
            push_varint(&mut packed, value);
        }
        self.bytes(field, &packed);
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small magnitudes of either sign become small numbers, so that they take few bytes.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The differences from one value to the next, as protobuf's `sint64`.
fn deltas(values: impl IntoIterator<Item = i64>) -> impl Iterator<Item = u64> {
    values.into_iter().scan(0, |last, value| {
        let delta = value - *last;
        *last = value;
        Some(zigzag(delta))
    })
}

/// A block's strings; index 0 is the empty string, which ends a dense node's tags.
struct Strings<'a> {
    all: Vec<&'a str>,
    index: HashMap<&'a str, u64>,
}

impl<'a> Strings<'a> {
    fn new() -> Self {
        Self { all: vec![""], index: HashMap::from([("", 0)]) }
    }

    fn id(&mut self, text: &'a str) -> u64 {
        *self.index.entry(text).or_insert_with(|| {
            self.all.push(text);
            self.all.len() as u64 - 1
        })
    }

    fn tags(&mut self, message: &mut Message, tags: &'a Tags) {
        if !tags.is_empty() {
            message.packed(2, tags.iter().map(|(key, _)| self.id(key)).collect::<Vec<_>>());
            message.packed(3, tags.iter().map(|(_, value)| self.id(value)).collect::<Vec<_>>());
        }
    }

    /// A `PrimitiveBlock` of one group. Granularity (100 nanodegrees) and offsets (zero) are the format's defaults.
    fn block(&self, group: &Message) -> Vec<u8> {
        let mut table = Message::default();
        for text in &self.all {
            table.bytes(1, text.as_bytes());
        }
        let mut block = Message::default();
        block.bytes(1, &table.0);
        block.bytes(2, &group.0);
        block.varint(17, 100);
        block.0
    }
}

fn dense_block(nodes: &[&Node]) -> Vec<u8> {
    let mut strings = Strings::new();
    let mut dense = Message::default();
    dense.packed(1, deltas(nodes.iter().map(|node| node.id)));
    dense.packed(8, deltas(nodes.iter().map(|node| i64::from(node.lat_e7))));
    dense.packed(9, deltas(nodes.iter().map(|node| i64::from(node.lon_e7))));
    if nodes.iter().any(|node| !node.tags.is_empty()) {
        let mut keys_and_values = Vec::new();
        for node in nodes {
            for (key, value) in &node.tags {
                keys_and_values.push(strings.id(key));
                keys_and_values.push(strings.id(value));
            }
            keys_and_values.push(0);
        }
        dense.packed(10, keys_and_values);
    }
    let mut group = Message::default();
    group.bytes(2, &dense.0);
    strings.block(&group)
}

fn way_block(ways: &[&Way]) -> Vec<u8> {
    let mut strings = Strings::new();
    let mut group = Message::default();
    for way in ways {
        let mut message = Message::default();
        message.varint(1, way.id as u64);
        strings.tags(&mut message, &way.tags);
        message.packed(8, deltas(way.refs.iter().copied()));
        group.bytes(3, &message.0);
    }
    strings.block(&group)
}

fn relation_block(relations: &[&Relation]) -> Vec<u8> {
    let mut strings = Strings::new();
    let mut group = Message::default();
    for relation in relations {
        let mut message = Message::default();
        message.varint(1, relation.id as u64);
        strings.tags(&mut message, &relation.tags);
        message.packed(8, relation.members.iter().map(|member| strings.id(&member.role)).collect::<Vec<_>>());
        message.packed(9, deltas(relation.members.iter().map(|member| member.id)));
        message.packed(10, relation.members.iter().map(|member| member.kind as u64));
        group.bytes(4, &message.0);
    }
    strings.block(&group)
}

/// A length, a `BlobHeader` and a `Blob`.
fn write_blob(out: &mut Vec<u8>, kind: &str, payload: &[u8], compression: Compression) {
    let mut blob = Message::default();
    match compression {
        Compression::Raw => blob.bytes(1, payload),
        Compression::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(payload).expect("writing to memory does not fail");
            blob.varint(2, payload.len() as u64);
            blob.bytes(3, &encoder.finish().expect("writing to memory does not fail"));
        }
    }
    let mut header = Message::default();
    header.bytes(1, kind.as_bytes());
    header.varint(3, blob.0.len() as u64);
    out.extend_from_slice(&(header.0.len() as u32).to_be_bytes());
    out.extend_from_slice(&header.0);
    out.extend_from_slice(&blob.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_and_zigzag_follow_the_protobuf_examples() {
        let mut out = Vec::new();
        push_varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert_eq!(zigzag(i64::MIN), u64::MAX);
    }

    #[test]
    fn the_same_file_gives_the_same_bytes_in_any_order_of_its_entities() {
        let a = Node::metres(1, 0.0, 0.0, &[]);
        let b = Node::metres(2, 50.0, 0.0, &[("barrier", "gate")]);
        let one = OsmFile { nodes: vec![a.clone(), b.clone()], ..OsmFile::default() };
        let other = OsmFile { nodes: vec![b, a], ..OsmFile::default() };
        assert_eq!(one.to_pbf(Compression::Zlib), other.to_pbf(Compression::Zlib));
        assert_ne!(one.to_pbf(Compression::Zlib), one.to_pbf(Compression::Raw));
    }

    #[test]
    fn an_independent_reader_finds_what_was_written() {
        let file = OsmFile {
            nodes: vec![
                Node::degrees(7, -70.123_456_7, -33.5, &[]),
                Node::degrees(3, 114.3, 30.9, &[("name", "和安"), ("barrier", "gate")]),
            ],
            ways: vec![Way::ring(5, &[3, 7], &[("landuse", "residential")])],
            relations: vec![Relation::new(2, &[Member::way(5, "outer"), Member::node(3, "")], &[("type", "site")])],
            ..OsmFile::default()
        };
        let mut lines = Vec::new();
        let bytes = file.to_pbf(Compression::Raw);
        let reader = osmpbf::ElementReader::new(bytes.as_slice());
        reader
            .for_each(|element| {
                lines.push(match element {
                    osmpbf::Element::DenseNode(node) => {
                        let at = (node.decimicro_lon(), node.decimicro_lat());
                        format!("node {} {at:?} {:?}", node.id(), node.tags().collect::<Vec<_>>())
                    }
                    osmpbf::Element::Node(node) => format!("plain node {}", node.id()),
                    osmpbf::Element::Way(way) => {
                        let refs: Vec<i64> = way.refs().collect();
                        format!("way {} {refs:?} {:?}", way.id(), way.tags().collect::<Vec<_>>())
                    }
                    osmpbf::Element::Relation(relation) => {
                        let member =
                            |m: osmpbf::RelMember| format!("{:?} {} {:?}", m.member_type, m.member_id, m.role());
                        let members: Vec<String> = relation.members().map(member).collect();
                        format!("relation {} {}", relation.id(), members.join(", "))
                    }
                });
            })
            .expect("the file can be read");
        let expected = [
            r#"node 3 (1143000000, 309000000) [("name", "和安"), ("barrier", "gate")]"#,
            "node 7 (-701234567, -335000000) []",
            r#"way 5 [3, 7, 3] [("landuse", "residential")]"#,
            r#"relation 2 Way 5 Ok("outer"), Node 3 Ok("")"#,
        ];
        assert_eq!(lines, expected);
    }
}
