//! Situations drawn by hand: `fixtures/streets/`, one file of a few nodes each, with what is to be said of them.
//!
//! Reads the files and draws their maps. What the product makes of a map, and whether that is what the file expects, is
//! the suite's business. The format is told in `fixtures/streets/README.md`.

use crate::pbf::{Member, Node, OsmFile, Relation, Tags, Way};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Half the side of a house, metres.
const HALF_HOUSE_M: f64 = 5.0;

/// The folder with the drawings.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/streets")
}

/// The drawings of a folder, by file name: each as read, or why it can't be.
pub fn read_all(folder: &Path) -> io::Result<Vec<(String, Result<Drawing, String>)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let drawing = std::fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| Drawing::parse(&text));
        (name, drawing)
    };
    Ok(paths.into_iter().map(read).collect())
}

/// A few nodes and ways, and what is to be said of the blocks on them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// What a person sees in it: one sentence.
    pub shows: String,
    #[serde(deserialize_with = "by_id")]
    nodes: BTreeMap<i64, DrawnNode>,
    #[serde(default)]
    ways: Vec<DrawnWay>,
    #[serde(default)]
    relations: Vec<DrawnRelation>,
    #[serde(default)]
    houses: Vec<House>,
    /// Blocks that are points. When there are any they are all the blocks there are, as with a user's table.
    #[serde(default)]
    pub homes: Vec<Home>,
    /// What is to be said; never empty.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

/// Nodes by number: a key of TOML is a text.
fn by_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<i64, DrawnNode>, D::Error> {
    let nodes = BTreeMap::<String, DrawnNode>::deserialize(deserializer)?;
    let number = |id: &str| id.parse().map_err(|_| D::Error::custom(format!("node {id}: an id is a number")));
    nodes.into_iter().map(|(id, node)| Ok((number(&id)?, node))).collect()
}

/// Metres east and north of the drawing's origin.
pub type Place = [f64; 2];

#[derive(Debug, Deserialize)]
struct DrawnNode {
    at: Place,
    #[serde(flatten)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct DrawnWay {
    id: i64,
    nodes: Vec<i64>,
    #[serde(flatten)]
    tags: BTreeMap<String, String>,
}

/// A multipolygon.
#[derive(Debug, Deserialize)]
struct DrawnRelation {
    id: i64,
    outer: Vec<i64>,
    #[serde(default)]
    inner: Vec<i64>,
    #[serde(flatten)]
    tags: BTreeMap<String, String>,
}

/// A `building=house` ten metres square: a way of that id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct House {
    id: i64,
    at: Place,
}

/// A block that is a point.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// The block's id.
    pub id: String,
    /// Where everybody of it lives.
    pub at: Place,
    /// Children under three.
    #[serde(default = "ten")]
    pub children: f64,
}

fn ten() -> f64 {
    10.0
}

/// What is to be said of one block under one profile and limit. What is left out may be anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The block's id.
    pub block: String,
    /// Who walks.
    #[serde(default = "walk")]
    pub profile: String,
    /// The limit, minutes.
    #[serde(default = "fifteen")]
    pub limit: f64,
    /// The walk in minutes, true to half a percent or 0.02 minutes; or `"none"` for no walk at all.
    pub minutes: Option<Minutes>,
    /// The walk is not shorter than this, in minutes.
    pub minutes_min: Option<f64>,
    /// The walk is not longer than this, in minutes.
    pub minutes_max: Option<f64>,
    /// The block's status by name.
    pub status: Option<String>,
    /// Why it is not covered, by name.
    pub reason: Option<String>,
    /// The passage whose opening helps it most, by id; or `"none"`.
    pub open_gate: Option<String>,
}

fn walk() -> String {
    "walk".to_owned()
}

fn fifteen() -> f64 {
    15.0
}

/// A number of minutes, or the word `none`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum Minutes {
    /// So many.
    Number(f64),
    /// `"none"`.
    Word(String),
}

impl Expectation {
    /// What is wrong with these minutes of walking (`None` for no walk), if anything.
    pub fn objection_to(&self, found: Option<f64>) -> Option<String> {
        let within = |low: f64, high: f64| found.is_some_and(|found| (low..=high).contains(&found));
        let tolerance = |minutes: f64| f64::max(0.02, minutes * 0.005);
        let (holds, expected) = match (&self.minutes, self.minutes_min, self.minutes_max) {
            (Some(Minutes::Number(m)), ..) => (within(m - tolerance(*m), m + tolerance(*m)), format!("{m}")),
            (Some(Minutes::Word(word)), ..) => (found.is_none(), word.clone()),
            (None, None, None) => return None,
            (None, low, high) => {
                let (low, high) = (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY));
                (within(low, high), format!("{low} to {high}"))
            }
        };
        let found = found.map_or("none".to_owned(), |found| format!("{found:.3}"));
        (!holds).then(|| format!("minutes: expected {expected}, found {found}"))
    }

    fn says_nothing(&self) -> bool {
        let numbers = self.minutes.is_none() && self.minutes_min.is_none() && self.minutes_max.is_none();
        numbers && self.status.is_none() && self.reason.is_none() && self.open_gate.is_none()
    }
}

impl Drawing {
    /// Reads a drawing, and looks whether it hangs together.
    pub fn parse(text: &str) -> Result<Self, String> {
        let drawing: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut ways = BTreeSet::new();
        let drawn_ways = drawing.ways.iter().map(|way| (way.id, way.nodes.as_slice()));
        for (id, nodes) in drawn_ways.chain(drawing.houses.iter().map(|house| (house.id, [].as_slice()))) {
            if let Some(node) = nodes.iter().find(|node| !drawing.nodes.contains_key(node)) {
                return Err(format!("way {id} runs through node {node}, which is not drawn"));
            }
            if !ways.insert(id) {
                return Err(format!("way {id} is drawn twice"));
            }
        }
        for relation in &drawing.relations {
            if let Some(way) = relation.outer.iter().chain(&relation.inner).find(|way| !ways.contains(way)) {
                return Err(format!("relation {} lists way {way}, which is not drawn", relation.id));
            }
        }
        for expectation in &drawing.expect {
            if expectation.says_nothing() {
                return Err(format!("of block {} nothing is expected", expectation.block));
            }
            if let Some(Minutes::Word(word)) = &expectation.minutes
                && word != "none"
            {
                return Err(format!("minutes = \"{word}\": a number, or \"none\""));
            }
        }
        if drawing.expect.is_empty() {
            return Err("nothing is expected".to_owned());
        }
        Ok(drawing)
    }

    /// The map.
    pub fn map(&self) -> OsmFile {
        let mut file = OsmFile::default();
        for (id, node) in &self.nodes {
            file.nodes.push(Node { tags: owned(&node.tags), ..place(*id, node.at) });
        }
        for way in &self.ways {
            file.ways.push(Way { id: way.id, refs: way.nodes.clone(), tags: owned(&way.tags) });
        }
        for house in &self.houses {
            let [east, north] = house.at;
            let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
            let ids: Vec<i64> = (1..=4).map(|corner| house.id * 1_000 + corner).collect();
            for (id, (x, y)) in ids.iter().zip(corners) {
                file.nodes.push(place(*id, [east + x * HALF_HOUSE_M, north + y * HALF_HOUSE_M]));
            }
            file.ways.push(Way::ring(house.id, &ids, &[("building", "house")]));
        }
        for relation in &self.relations {
            let outer = relation.outer.iter().map(|&way| Member::way(way, "outer"));
            let members: Vec<Member> =
                outer.chain(relation.inner.iter().map(|&way| Member::way(way, "inner"))).collect();
            let mut drawn = Relation::new(relation.id, &members, &[("type", "multipolygon")]);
            drawn.tags.extend(owned(&relation.tags));
            file.relations.push(drawn);
        }
        file
    }
}

fn owned(tags: &BTreeMap<String, String>) -> Tags {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A node without tags at a place.
fn place(id: i64, [east, north]: Place) -> Node {
    Node::metres(id, east, north, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        shows = "a street"
        nodes = { 1 = { at = [0, 0] }, 2 = { at = [80, 0.5], barrier = "gate" } }
        ways = [{ id = 1, nodes = [1, 2], highway = "path", "oneway:foot" = "yes" }]
        houses = [{ id = 7, at = [40, 40] }]
        relations = [{ id = 3, outer = [7], landuse = "residential" }]
        homes = [{ id = "home", at = [0, 10] }]
        expect = [{ block = "home", minutes = "none" }]
    "#;

    #[test]
    fn other_members_are_tags_and_a_house_has_four_corners() {
        let drawing = Drawing::parse(SOUND).unwrap();
        let map = drawing.map();
        assert_eq!(map.nodes.iter().map(|n| n.id).collect::<Vec<_>>(), [1, 2, 7_001, 7_002, 7_003, 7_004]);
        assert_eq!(map.nodes[1], Node::metres(2, 80.0, 0.5, &[("barrier", "gate")]));
        assert_eq!(map.ways[0], Way::new(1, &[1, 2], &[("highway", "path"), ("oneway:foot", "yes")]));
        assert_eq!(map.relations[0].tags, crate::pbf::tags(&[("type", "multipolygon"), ("landuse", "residential")]));
    }

    #[test]
    fn a_drawing_that_does_not_hang_together_is_refused() {
        let refused = |from: &str, to: &str| Drawing::parse(&SOUND.replace(from, to)).unwrap_err();
        assert_eq!(refused("nodes = [1, 2]", "nodes = [1, 3]"), "way 1 runs through node 3, which is not drawn");
        assert_eq!(refused("outer = [7]", "outer = [8]"), "relation 3 lists way 8, which is not drawn");
        assert_eq!(refused("id = 7", "id = 1"), "way 1 is drawn twice");
        assert_eq!(refused(", minutes = \"none\"", ""), "of block home nothing is expected");
        assert_eq!(refused("\"none\"", "\"few\""), "minutes = \"few\": a number, or \"none\"");
        assert_eq!(refused("[{ block = \"home\", minutes = \"none\" }]", "[]"), "nothing is expected");
        assert!(refused("block =", "blok =").contains("unknown field `blok`"));
    }

    #[test]
    fn minutes_are_true_to_half_a_percent() {
        let expectation = |minutes: &str| {
            let text = SOUND.replace("minutes = \"none\"", minutes);
            Drawing::parse(&text).unwrap().expect.remove(0)
        };
        assert_eq!(expectation("minutes = 10.0").objection_to(Some(10.04)), None);
        let objection = expectation("minutes = 10.0").objection_to(Some(10.06));
        assert_eq!(objection.as_deref(), Some("minutes: expected 10, found 10.060"));
        let objection = expectation("minutes_min = 3, minutes_max = 4").objection_to(None);
        assert_eq!(objection.as_deref(), Some("minutes: expected 3 to 4, found none"));
    }
}
