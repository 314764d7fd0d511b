//! A `.osm.pbf` as it stands: nothing filtered, nothing resolved.
//!
//! Knows nothing of walking. A test may also make an [`Extract`] by hand.

use std::io::Read;
use std::path::Path;

use osmpbf::{Element, ElementReader, RelMemberType};

/// Keys and values in file order.
pub type Tags = Vec<(String, String)>;

/// The value of the first tag with this key.
pub(super) fn tag<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

/// An OSM node with its position in degrees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The OSM node id.
    pub id: i64,
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
    /// Mostly empty.
    pub tags: Tags,
}

/// An OSM way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The OSM way id.
    pub id: i64,
    /// Node ids in order; they may name nodes that the file lacks.
    pub refs: Vec<i64>,
    /// Keys and values in file order.
    pub tags: Tags,
}

impl Way {
    /// The value of the first tag with this key.
    pub fn tag(&self, key: &str) -> Option<&str> {
        tag(&self.tags, key)
    }
}

/// A way that a relation names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The OSM way id; the file may lack the way.
    pub way: i64,
    /// `outer`, `inner`, or something else.
    pub role: String,
}

/// An OSM relation, of its members only the ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// The OSM relation id.
    pub id: i64,
    /// In file order.
    pub members: Vec<Member>,
    /// Keys and values in file order.
    pub tags: Tags,
}

/// All nodes, ways and relations of a file, in file order, duplicates included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extract {
    /// Nodes, dense and plain alike.
    pub nodes: Vec<Node>,
    /// Ways.
    pub ways: Vec<Way>,
    /// Relations.
    pub relations: Vec<Relation>,
}

impl Extract {
    /// Reads a `.osm.pbf` file.
    pub fn open(path: impl AsRef<Path>) -> osmpbf::Result<Self> {
        Self::read(std::io::BufReader::new(std::fs::File::open(path)?))
    }

    /// Reads a `.osm.pbf` from any source.
    pub fn read(source: impl Read + Send) -> osmpbf::Result<Self> {
        let mut extract = Self::default();
        ElementReader::new(source).for_each(|element| match element {
            Element::Node(node) => {
                let tags = text_tags(node.raw_stringtable(), node.raw_tags());
                extract.nodes.push(node_at(node.id(), node.nano_lon(), node.nano_lat(), tags));
            }
            Element::DenseNode(node) => {
                // The reader shows no string table here, so that a broken string hides the tags behind it.
                let tags = node.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                extract.nodes.push(node_at(node.id(), node.nano_lon(), node.nano_lat(), tags));
            }
            Element::Way(way) => {
                let tags = text_tags(way.raw_stringtable(), way.raw_tags());
                extract.ways.push(Way { id: way.id(), refs: way.refs().collect(), tags });
            }
            Element::Relation(relation) => {
                let ways = relation.members().filter(|member| member.member_type == RelMemberType::Way);
                let member = |member: osmpbf::RelMember| Member {
                    way: member.member_id,
                    role: member.role().unwrap_or_default().to_owned(),
                };
                let members = ways.map(member).collect();
                let tags = text_tags(relation.raw_stringtable(), relation.raw_tags());
                extract.relations.push(Relation { id: relation.id(), members, tags });
            }
        })?;
        Ok(extract)
    }
}

fn node_at(id: i64, nano_lon: i64, nano_lat: i64, tags: Tags) -> Node {
    // One correctly rounded division: a product with 1e-9 would push 180 degrees off the globe.
    Node { id, lon: nano_lon as f64 / 1e9, lat: nano_lat as f64 / 1e9, tags }
}

/// Tags by their places in a block's strings. The reader's own iterator stops at the first broken string and so loses
/// the good ones behind it.
fn text_tags(strings: &[Vec<u8>], pairs: impl Iterator<Item = (u32, u32)>) -> Tags {
    let text = |index: u32| Some(String::from_utf8_lossy(strings.get(index as usize)?).into_owned());
    pairs.filter_map(|(key, value)| Some((text(key)?, text(value)?))).collect()
}
