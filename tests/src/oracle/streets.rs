//! Streets out of an extract, by the plainest reading of the walking rules.
//!
//! Owns what may be walked, in which direction, how long it is, and which streets hang together.
//! Knows nothing of facilities, snaps or searches.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use geo::{Distance, Geodesic, Point};
use osmpbf::{Element, ElementReader};
use petgraph::unionfind::UnionFind;

use super::Rules;

/// The `highway=` values that are walked.
const WALKED: [&str; 23] = [
    "footway",
    "path",
    "pedestrian",
    "steps",
    "corridor",
    "living_street",
    "residential",
    "service",
    "unclassified",
    "track",
    "tertiary",
    "secondary",
    "primary",
    "trunk",
    "tertiary_link",
    "secondary_link",
    "primary_link",
    "trunk_link",
    "cycleway",
    "bridleway",
    "road",
    "platform",
    "elevator",
];

/// An OSM node with its position in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// The OSM node id.
    pub id: i64,
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
}

/// An OSM way as the file has it: nothing filtered, nothing resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The OSM way id.
    pub id: i64,
    /// Node ids in order; they may name nodes that the file lacks.
    pub refs: Vec<i64>,
    /// Keys and values in file order.
    pub tags: Vec<(String, String)>,
}

impl Way {
    /// The value of the first tag with this key.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// All nodes and ways of a file, in file order, duplicates included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extract {
    /// Nodes, dense and plain alike.
    pub nodes: Vec<Node>,
    /// Ways.
    pub ways: Vec<Way>,
}

impl Extract {
    /// Reads a `.osm.pbf` file.
    pub fn open(path: impl AsRef<Path>) -> osmpbf::Result<Self> {
        Self::read(std::io::BufReader::new(std::fs::File::open(path)?))
    }

    /// Reads a `.osm.pbf` from any source.
    pub fn read(source: impl Read + Send) -> osmpbf::Result<Self> {
        // One correctly rounded division: a product with 1e-9 would push 180 degrees off the globe.
        let node =
            |id, nano_lon: i64, nano_lat: i64| Node { id, lon: nano_lon as f64 / 1e9, lat: nano_lat as f64 / 1e9 };
        let mut extract = Self::default();
        ElementReader::new(source).for_each(|element| match element {
            Element::Node(found) => extract.nodes.push(node(found.id(), found.nano_lon(), found.nano_lat())),
            Element::DenseNode(found) => extract.nodes.push(node(found.id(), found.nano_lon(), found.nano_lat())),
            Element::Way(way) => {
                let text = |index: u32| {
                    let bytes = way.raw_stringtable().get(index as usize)?;
                    Some(String::from_utf8_lossy(bytes).into_owned())
                };
                // Not `way.tags()`, which stops at the first broken string and so loses the good ones behind it.
                let tags = way.raw_tags().filter_map(|(key, value)| Some((text(key)?, text(value)?))).collect();
                extract.ways.push(Way { id: way.id(), refs: way.refs().collect(), tags });
            }
            Element::Relation(_) => {}
        })?;
        Ok(extract)
    }
}

/// How a way is used on foot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Footing {
    pub(super) forward: bool,
    pub(super) backward: bool,
    /// The whole crossing in seconds, when the way is a ferry.
    pub(super) ferry_s: Option<f64>,
}

/// How a way is used on foot; `None` when it is not.
pub(super) fn footing(way: &Way) -> Option<Footing> {
    let foot = way.tag("foot");
    if foot.or_else(|| way.tag("access")) == Some("no") {
        return None;
    }
    let invited = matches!(foot, Some("yes" | "designated" | "permissive" | "official"));
    if way.tag("motorroad") == Some("yes") && !invited {
        return None;
    }
    let ferry_s = if way.tag("highway").is_some_and(|value| WALKED.contains(&value)) {
        None
    } else if way.tag("route") == Some("ferry") {
        Some(way.tag("duration").and_then(duration_s)?)
    } else {
        return None;
    };
    // `oneway:foot` speaks of walkers in so many words, so it is asked before the conveyor.
    let (forward, backward) = match way.tag("oneway:foot") {
        Some("yes" | "1" | "true") => (true, false),
        Some("-1" | "reverse") => (false, true),
        _ => match way.tag("conveying") {
            Some("forward") => (true, false),
            Some("backward") => (false, true),
            _ => (true, true),
        },
    };
    Some(Footing { forward, backward, ferry_s })
}

/// Seconds of a `duration=` value: `MM`, `HH:MM`, `HH:MM:SS` or `PT…H…M…S`; `None` when unreadable or zero.
pub(super) fn duration_s(text: &str) -> Option<f64> {
    let whole = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse::<f64>().ok() } else { None }
    };
    let text = text.trim();
    let seconds = if let Some(mut rest) = text.strip_prefix("PT") {
        let mut sum = 0.0;
        for (unit, unit_s) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
            if let Some((digits, behind)) = rest.split_once(unit) {
                sum += whole(digits)? * unit_s;
                rest = behind;
            }
        }
        if !rest.is_empty() {
            return None;
        }
        sum
    } else {
        match text.split(':').collect::<Vec<_>>()[..] {
            [minutes] => whole(minutes)? * 60.0,
            [hours, minutes] => whole(hours)? * 3600.0 + whole(minutes)? * 60.0,
            [hours, minutes, seconds] => whole(hours)? * 3600.0 + whole(minutes)? * 60.0 + whole(seconds)?,
            _ => return None,
        }
    };
    (seconds > 0.0 && seconds.is_finite()).then_some(seconds)
}

/// A straight piece of a way between two neighbouring nodes.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) way: i64,
    /// The place of the first node in the way's list of references.
    pub(super) index: usize,
    /// Indexes into [`Streets::places`].
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) length_m: f64,
    /// From one end to the other.
    pub(super) seconds: f64,
    pub(super) forward: bool,
    pub(super) backward: bool,
    pub(super) ferry: bool,
    /// Whether points may snap here: no ferry, no island.
    pub(super) snappable: bool,
}

/// Every walkable segment of an extract.
#[derive(Clone, Debug)]
pub(super) struct Streets {
    /// (lon, lat) in degrees of every node that a walkable way uses.
    pub(super) places: Vec<(f64, f64)>,
    pub(super) segments: Vec<Segment>,
}

impl Streets {
    pub(super) fn new(extract: &Extract, rules: &Rules) -> Self {
        let mut positions: HashMap<i64, (f64, f64)> = HashMap::with_capacity(extract.nodes.len());
        for node in &extract.nodes {
            // A place off the globe, or none at all (NaN), is no place: the file might as well not have the node.
            if node.lon.abs() <= 180.0 && node.lat.abs() <= 90.0 {
                positions.entry(node.id).or_insert((node.lon, node.lat));
            }
        }
        let mut streets = Self { places: Vec::new(), segments: Vec::new() };
        let mut place_of: HashMap<i64, usize> = HashMap::new();
        let mut seen = HashSet::new();
        for way in &extract.ways {
            if !seen.insert(way.id) {
                continue;
            }
            let Some(footing) = footing(way) else { continue };
            let first = streets.segments.len();
            for (index, pair) in way.refs.windows(2).enumerate() {
                if pair[0] == pair[1] {
                    continue;
                }
                let (Some(&start), Some(&end)) = (positions.get(&pair[0]), positions.get(&pair[1])) else { continue };
                let mut place = |id: i64, at: (f64, f64)| {
                    *place_of.entry(id).or_insert_with(|| {
                        streets.places.push(at);
                        streets.places.len() - 1
                    })
                };
                let (from, to) = (place(pair[0], start), place(pair[1], end));
                let length_m = Geodesic.distance(Point::from(start), Point::from(end));
                streets.segments.push(Segment {
                    way: way.id,
                    index,
                    from,
                    to,
                    length_m,
                    seconds: length_m / rules.metres_per_second(),
                    forward: footing.forward,
                    backward: footing.backward,
                    ferry: footing.ferry_s.is_some(),
                    snappable: footing.ferry_s.is_none(),
                });
            }
            if let Some(crossing_s) = footing.ferry_s {
                share_out(crossing_s, &mut streets.segments[first..]);
            }
        }
        streets.set_islands_aside(rules.island_m);
        streets
    }

    fn set_islands_aside(&mut self, island_m: f64) {
        let mut parts = UnionFind::<usize>::new(self.places.len());
        for segment in &self.segments {
            parts.union(segment.from, segment.to);
        }
        let part_of = parts.into_labeling();
        let mut part_m = vec![0.0; self.places.len()];
        for segment in self.segments.iter().filter(|segment| !segment.ferry) {
            part_m[part_of[segment.from]] += segment.length_m;
        }
        // In the order of the segments, so that of two equals the one that the file names first stays.
        let mut largest = None;
        for part in self.segments.iter().filter(|segment| !segment.ferry).map(|segment| part_of[segment.from]) {
            if largest.is_none_or(|best: usize| part_m[part] > part_m[best]) {
                largest = Some(part);
            }
        }
        for segment in &mut self.segments {
            let part = part_of[segment.from];
            segment.snappable &= Some(part) == largest || part_m[part] >= island_m;
        }
    }
}

/// Shares a ferry's crossing over its segments by length, evenly when they have none.
fn share_out(crossing_s: f64, segments: &mut [Segment]) {
    let total_m: f64 = segments.iter().map(|segment| segment.length_m).sum();
    let count = segments.len() as f64;
    for segment in segments {
        segment.seconds = if total_m > 0.0 { crossing_s * segment.length_m / total_m } else { crossing_s / count };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(tags: &[(&str, &str)]) -> Way {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Way { id: 1, refs: vec![], tags }
    }

    fn directions(tags: &[(&str, &str)]) -> Option<(bool, bool)> {
        footing(&way(tags)).map(|footing| (footing.forward, footing.backward))
    }

    #[test]
    fn tags_decide_what_is_walked() {
        for (tags, open) in [
            (&[("highway", "footway")][..], true),
            (&[("highway", "trunk")], true),
            (&[("highway", "motorway")], false),
            (&[("highway", "construction")], false),
            (&[("building", "yes")], false),
            (&[("highway", "trunk"), ("motorroad", "yes")], false),
            (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "designated")], true),
            (&[("highway", "trunk"), ("motorroad", "yes"), ("foot", "private")], false),
            (&[("highway", "path"), ("foot", "no")], false),
            (&[("highway", "path"), ("access", "no")], false),
            (&[("highway", "path"), ("access", "no"), ("foot", "yes")], true),
            (&[("highway", "path"), ("access", "yes"), ("foot", "no")], false),
            (&[("highway", "service"), ("access", "private")], true),
            (&[("highway", "pedestrian"), ("area", "yes")], true),
            (&[("route", "ferry")], false),
            (&[("route", "ferry"), ("duration", "0")], false),
            (&[("route", "ferry"), ("duration", "10")], true),
            (&[("route", "ferry"), ("duration", "10"), ("foot", "no")], false),
        ] {
            assert_eq!(footing(&way(tags)).is_some(), open, "{tags:?}");
        }
    }

    #[test]
    fn only_tags_about_walkers_make_a_street_one_way() {
        let path = ("highway", "path");
        assert_eq!(directions(&[path, ("oneway", "yes")]), Some((true, true)));
        assert_eq!(directions(&[path, ("oneway:foot", "yes")]), Some((true, false)));
        assert_eq!(directions(&[path, ("oneway:foot", "-1")]), Some((false, true)));
        assert_eq!(directions(&[path, ("conveying", "forward")]), Some((true, false)));
        assert_eq!(directions(&[path, ("conveying", "backward")]), Some((false, true)));
        assert_eq!(directions(&[path, ("conveying", "yes")]), Some((true, true)));
    }

    #[test]
    fn durations_are_read_in_four_notations() {
        for (text, seconds) in [
            ("20", Some(1200.0)),
            ("1:05", Some(3900.0)),
            ("00:10:30", Some(630.0)),
            ("PT1H2M3S", Some(3723.0)),
            ("PT90M", Some(5400.0)),
            ("PT", None),
            ("PT5M3H", None),
            ("0:00", None),
            ("", None),
            ("-5", None),
            ("1:2:3:4", None),
            ("soon", None),
        ] {
            assert_eq!(duration_s(text), seconds, "{text}");
        }
    }
}
