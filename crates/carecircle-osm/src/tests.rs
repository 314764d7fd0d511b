//! Whole small files through the reader. The files are written here, byte by byte.

use crate::wire::push_varint;
use crate::{Extract, ReadError, ReadOptions, read_from};
use carecircle_core::facility::Kind;
use carecircle_core::geometry::{LonLat, geodesic_m};
use carecircle_core::network::{EdgeId, Network, NetworkOptions};
use carecircle_core::place::{AreaLevel, Home, PremisesKind};
use carecircle_core::street::{Access, Rank, StreetClass};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicU64, Ordering};

type TagList = &'static [(&'static str, &'static str)];

fn bytes_field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    push_varint(out, number << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number_field(out: &mut Vec<u8>, number: u64, value: u64) {
    push_varint(out, number << 3);
    push_varint(out, value);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn packed(values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    values.into_iter().for_each(|value| push_varint(&mut out, value));
    out
}

fn deltas(values: &[i64]) -> Vec<u8> {
    let mut last = 0;
    packed(values.iter().map(|&value| zigzag(value - std::mem::replace(&mut last, value))))
}

/// A block of elements under construction.
#[derive(Default)]
struct Block {
    strings: Vec<String>,
    nodes: Vec<(i64, i64, i64, TagList)>,
    dense: bool,
    groups: Vec<Vec<u8>>,
}

impl Block {
    fn string(&mut self, text: &str) -> u64 {
        let at = self.strings.iter().position(|s| s == text).unwrap_or_else(|| {
            self.strings.push(text.to_owned());
            self.strings.len() - 1
        });
        at as u64 + 1
    }

    fn tag_fields(&mut self, out: &mut Vec<u8>, tags: TagList) {
        let keys: Vec<u64> = tags.iter().map(|(key, _)| self.string(key)).collect();
        let values: Vec<u64> = tags.iter().map(|(_, value)| self.string(value)).collect();
        bytes_field(out, 2, &packed(keys));
        bytes_field(out, 3, &packed(values));
    }

    /// A node at steps of 1e-7 degrees.
    fn node(mut self, id: i64, lon_e7: i64, lat_e7: i64, tags: TagList) -> Self {
        self.nodes.push((id, lon_e7, lat_e7, tags));
        self
    }

    fn dense(mut self) -> Self {
        self.dense = true;
        self
    }

    fn way(mut self, id: i64, refs: &[i64], tags: TagList) -> Self {
        let mut way = Vec::new();
        number_field(&mut way, 1, id as u64);
        self.tag_fields(&mut way, tags);
        bytes_field(&mut way, 8, &deltas(refs));
        let mut group = Vec::new();
        bytes_field(&mut group, 3, &way);
        self.groups.push(group);
        self
    }

    fn relation(mut self, id: i64, members: &[(i64, &str)], tags: TagList) -> Self {
        let mut relation = Vec::new();
        number_field(&mut relation, 1, id as u64);
        self.tag_fields(&mut relation, tags);
        let roles: Vec<u64> = members.iter().map(|(_, role)| self.string(role)).collect();
        bytes_field(&mut relation, 8, &packed(roles));
        bytes_field(&mut relation, 9, &deltas(&members.iter().map(|(id, _)| *id).collect::<Vec<_>>()));
        bytes_field(&mut relation, 10, &packed(members.iter().map(|_| 1)));
        let mut group = Vec::new();
        bytes_field(&mut group, 4, &relation);
        self.groups.push(group);
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        let nodes = std::mem::take(&mut self.nodes);
        let mut group = Vec::new();
        if self.dense {
            let mut tags = Vec::new();
            for (_, _, _, list) in &nodes {
                for (key, value) in *list {
                    tags.extend([self.string(key), self.string(value)]);
                }
                tags.push(0);
            }
            let column =
                |pick: fn(&(i64, i64, i64, TagList)) -> i64| deltas(&nodes.iter().map(pick).collect::<Vec<_>>());
            let mut dense = Vec::new();
            bytes_field(&mut dense, 1, &column(|n| n.0));
            bytes_field(&mut dense, 8, &column(|n| n.2));
            bytes_field(&mut dense, 9, &column(|n| n.1));
            bytes_field(&mut dense, 10, &packed(tags));
            bytes_field(&mut group, 2, &dense);
        } else {
            for (id, lon, lat, tags) in nodes {
                let mut node = Vec::new();
                number_field(&mut node, 1, zigzag(id));
                self.tag_fields(&mut node, tags);
                number_field(&mut node, 8, zigzag(lat));
                number_field(&mut node, 9, zigzag(lon));
                bytes_field(&mut group, 1, &node);
            }
        }
        let mut table = Vec::new();
        bytes_field(&mut table, 1, b"");
        self.strings.iter().for_each(|s| bytes_field(&mut table, 1, s.as_bytes()));
        let mut block = Vec::new();
        bytes_field(&mut block, 1, &table);
        bytes_field(&mut block, 2, &group);
        self.groups.iter().for_each(|group| bytes_field(&mut block, 2, group));
        block
    }
}

fn frame(kind: &str, blob: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    bytes_field(&mut header, 1, kind.as_bytes());
    number_field(&mut header, 3, blob.len() as u64);
    let mut out = (header.len() as u32).to_be_bytes().to_vec();
    out.extend(header);
    out.extend_from_slice(blob);
    out
}

fn zlib_blob(content: &[u8], declared: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    let mut blob = Vec::new();
    number_field(&mut blob, 2, declared);
    bytes_field(&mut blob, 3, &encoder.finish().unwrap());
    blob
}

fn data(content: &[u8]) -> Vec<u8> {
    frame("OSMData", &zlib_blob(content, content.len() as u64))
}

fn header(features: &[&str]) -> Vec<u8> {
    let mut block = Vec::new();
    let mut bounds = Vec::new();
    for (number, degrees) in [(1, 9_i64), (2, 10), (3, 48), (4, 47)] {
        number_field(&mut bounds, number, zigzag(degrees * 1_000_000_000));
    }
    bytes_field(&mut block, 1, &bounds);
    for feature in features {
        bytes_field(&mut block, 4, feature.as_bytes());
    }
    bytes_field(&mut block, 16, b"by hand");
    number_field(&mut block, 32, 1_700_000_000);
    let mut blob = Vec::new();
    bytes_field(&mut blob, 1, &block);
    frame("OSMHeader", &blob)
}

fn file(blocks: impl IntoIterator<Item = Block>) -> Vec<u8> {
    let mut out = header(&["OsmSchema-V0.6", "DenseNodes"]);
    blocks.into_iter().for_each(|block| out.extend(data(&block.bytes())));
    out
}

fn read(bytes: Vec<u8>) -> Result<Extract, ReadError> {
    read_from(Cursor::new(bytes), &ReadOptions::default())
}

fn extract(blocks: impl IntoIterator<Item = Block>) -> Extract {
    read(file(blocks)).unwrap()
}

/// A row of nodes 1 to `n`, a thousandth of a degree apart.
fn row(n: i64) -> Block {
    (1..=n).fold(Block::default().dense(), |block, id| block.node(id, 95_000_000 + id * 10_000, 470_000_000, &[]))
}

/// Nodes `first` to `first + 3`: a square around a place.
fn square(block: Block, first: i64, lon: i64, lat: i64, half: i64) -> Block {
    [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        .into_iter()
        .zip(first..)
        .fold(block, |block, ((x, y), id)| block.node(id, lon + x * half, lat + y * half, &[]))
}

fn closed(first: i64) -> [i64; 5] {
    [first, first + 1, first + 2, first + 3, first]
}

#[test]
fn roads_keep_the_ranks_that_their_classes_do_not_tell() {
    let extract = extract([
        row(4),
        Block::default()
            .way(10, &[1, 2], &[("highway", "residential")])
            .way(20, &[2, 3], &[("highway", "primary")])
            .way(30, &[3, 4], &[("highway", "footway")])
            .way(40, &[1, 2, 3, 1], &[("highway", "service"), ("area", "yes")]),
    ]);
    assert_eq!(extract.streets.ranks, [(20, Rank::Primary), (40, Rank::Service)]);
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let mut ranks: Vec<(i64, Rank)> =
        (0..network.edges().len() as u32).map(|i| (network.edge(EdgeId(i)).way(), network.rank(EdgeId(i)))).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let wanted = [(10, Rank::Street), (20, Rank::Primary), (30, Rank::Path), (40, Rank::Service)];
    assert_eq!(ranks, wanted);
}

#[test]
fn ways_that_share_a_node_share_a_point() {
    let extract = extract([
        row(5).node(9, 0, 0, &[("highway", "crossing")]),
        Block::default()
            .way(10, &[1, 2, 3], &[("highway", "footway")])
            .way(20, &[3, 4], &[("highway", "steps"), ("access", "private")])
            .way(30, &[4, 5], &[("highway", "motorway")])
            .way(40, &[4, 5], &[("waterway", "river")]),
    ]);
    let streets = &extract.streets;
    assert_eq!(streets.points.len(), 4, "only places on streets");
    assert_eq!(streets.points[0], LonLat { lon_e7: 95_010_000, lat_e7: 470_000_000 });
    assert_eq!(streets.refs, [0, 1, 2, 2, 3]);
    assert_eq!(streets.ways.len(), 2);
    assert_eq!((streets.ways[1].id, streets.ways[1].class), (20, StreetClass::Steps));
    assert_eq!((streets.ways[1].refs.clone(), streets.ways[1].access), (3..5, Access::Destination));
    assert_eq!(streets.ranks, [], "their classes tell");
    let report = &extract.report;
    assert_eq!((report.nodes, report.ways, report.relations, report.unsorted), (6, 4, 0, false));
    assert_eq!((report.streets.walkable, report.streets.motorways, report.streets.destination_only), (2, 1, 1));
    assert_eq!(extract.header.date, Some(1_700_000_000));
    assert_eq!(extract.header.writing_program.as_deref(), Some("by hand"));
    assert_eq!(extract.header.bounds.map(|b| b.south_west), LonLat::from_degrees(9.0, 47.0));
}

#[test]
fn a_file_may_hold_nothing() {
    let extract = read(header(&[])).unwrap();
    assert!(extract.streets.ways.is_empty() && extract.places.facilities.is_empty());
}

#[test]
fn missing_nodes_cut_a_way_and_its_timetable() {
    let extract = extract([
        row(6),
        Block::default().way(1, &[1, 2, 99, 3, 98, 4, 5, 6], &[("route", "ferry"), ("duration", "00:09")]).way(
            2,
            &[99, 1],
            &[("highway", "path")],
        ),
    ]);
    let ways = &extract.streets.ways;
    assert_eq!(ways.iter().map(|w| (w.id, w.refs.clone())).collect::<Vec<_>>(), [(1, 0..2), (1, 2..5)]);
    let length = |a: usize, b: usize| geodesic_m(extract.streets.points[a], extract.streets.points[b]);
    assert!((ways[0].duration_s.unwrap() - 540.0 * length(0, 1) / (length(0, 1) * 3.0)).abs() < 0.5);
    assert!((ways[0].duration_s.unwrap() + ways[1].duration_s.unwrap() - 540.0).abs() < 1e-9);
    let counts = extract.report.streets;
    assert_eq!((counts.missing_nodes, counts.cut, counts.too_short, counts.ferries), (3, 1, 1, 1));
}

#[test]
fn coordinates_off_the_earth_count_as_missing() {
    let off = |dense: bool| {
        let nodes = row(2).node(3, 1_900_000_000, 0, &[]).node(4, 0, i64::MAX / 500, &[]);
        let nodes = if dense { nodes } else { Block { dense: false, ..nodes } };
        extract([nodes, Block::default().way(1, &[1, 2, 3, 4], &[("highway", "path")])])
    };
    for extract in [off(true), off(false)] {
        assert_eq!((extract.report.bad_coordinates, extract.report.streets.missing_nodes), (2, 2));
        assert_eq!(extract.streets.refs, [0, 1]);
    }
}

#[test]
fn the_first_of_elements_with_one_id_counts() {
    let extract = extract([
        row(3).node(2, 0, 0, &[("amenity", "childcare")]),
        Block::default().way(7, &[1, 2], &[("highway", "path")]),
        Block::default().way(7, &[2, 3], &[("highway", "steps")]).way(8, &[2, 3], &[("highway", "path")]),
    ]);
    assert_eq!(extract.report.duplicate_ids, 2);
    assert!(extract.places.facilities.is_empty());
    let ways: Vec<_> = extract.streets.ways.iter().map(|w| (w.id, w.class)).collect();
    assert_eq!(ways, [(7, StreetClass::Footway), (8, StreetClass::Footway)]);
    assert_eq!(extract.streets.points[1].lon_e7, 95_020_000);
}

#[test]
fn order_in_the_file_changes_nothing_but_the_report() {
    let nodes = || square(row(30), 100, 95_000_000, 470_000_000, 5_000);
    let ways = || Block::default().way(1, &[1, 2, 3], &[("highway", "path")]).way(2, &closed(100), &[]);
    let relations =
        || Block::default().relation(5, &[(2, "outer")], &[("type", "multipolygon"), ("landuse", "residential")]);
    let sorted = extract([nodes(), ways(), relations()]);
    assert_eq!(sorted.places.residential.len(), 1);
    assert!(!sorted.report.unsorted);
    let orders = [
        [relations(), ways(), nodes()],
        [ways(), nodes(), relations()],
        [relations(), nodes(), ways()],
        [nodes(), relations(), ways()],
    ];
    for order in orders {
        let mut unsorted = extract(order);
        assert!(std::mem::take(&mut unsorted.report.unsorted));
        assert_eq!(unsorted, sorted);
    }
    let mut one_block = nodes();
    one_block = one_block.way(1, &[1, 2, 3], &[("highway", "path")]).way(2, &closed(100), &[]);
    one_block = one_block.relation(5, &[(2, "outer")], &[("type", "multipolygon"), ("landuse", "residential")]);
    assert_eq!(extract([one_block]), sorted);
}

#[test]
fn many_blocks_are_searched_for_where_kinds_begin() {
    for (nodes, ways, relations) in [(40, 1, 0), (1, 40, 1), (13, 7, 3), (0, 5, 0), (3, 0, 9)] {
        let node = |i: i64| Block::default().dense().node(i + 1, i * 1_000, 0, &[("amenity", "childcare")]);
        let way = |i: i64| Block::default().way(i + 1, &[1, 2], &[("highway", "path")]);
        let relation = |i: i64| Block::default().relation(i + 1, &[], &[("type", "multipolygon"), ("building", "yes")]);
        let all = (0..nodes).map(node).chain((0..ways).map(way)).chain((0..relations).map(relation));
        let extract = extract(all);
        let report = &extract.report;
        assert_eq!((report.nodes, report.ways, report.relations), (nodes as u64, ways as u64, relations as u64));
        assert_eq!(extract.places.facilities.len(), nodes as usize);
        assert!(!report.unsorted);
    }
}

#[test]
fn facilities_are_nodes_closed_ways_and_relations() {
    let nodes = Block::default().dense().node(1, 95_000_000, 470_000_000, &[("amenity", "childcare"), ("name", "A")]);
    let nodes = square(nodes, 10, 96_000_000, 470_000_000, 1_000);
    let nodes = square(nodes, 20, 97_000_000, 470_000_000, 1_000);
    let nodes = square(nodes, 30, 97_000_000, 470_000_000, 500).node(
        50,
        96_000_500,
        470_000_000,
        &[("amenity", "kindergarten"), ("name", "B")],
    );
    let extract = extract([
        nodes,
        Block::default()
            .way(1, &closed(10), &[("amenity", "kindergarten"), ("capacity", "60")])
            .way(2, &closed(20), &[])
            .way(3, &closed(30), &[])
            .way(4, &[10, 11, 12], &[("amenity", "kindergarten")]),
        Block::default()
            .relation(3, &[(2, "outer"), (3, "inner")], &[("type", "multipolygon"), ("amenity", "childcare")])
            .relation(4, &[(77, "outer")], &[("type", "multipolygon"), ("amenity", "childcare")]),
    ]);
    let found: Vec<_> =
        extract.places.facilities.iter().map(|f| (f.id.as_str(), f.kind, f.name.as_deref(), f.places)).collect();
    assert_eq!(
        found,
        [
            ("n1", Kind::Nursery, Some("A"), None),
            ("w1", Kind::Kindergarten, Some("B"), Some(60)),
            ("r3", Kind::Nursery, None, None)
        ]
    );
    assert_eq!(extract.places.facilities[1].at, LonLat { lon_e7: 96_000_000, lat_e7: 470_000_000 });
    let merged = &extract.report.merged;
    let merged: Vec<_> = merged.iter().map(|m| (m.kept.as_str(), m.dropped.as_str())).collect();
    assert_eq!(merged, [("w1", "n50"), ("w1", "w4")], "way 4 is not closed, and a facility all the same");
    let lost: Vec<_> = extract.report.lost.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(lost, ["r4"], "of relation 4 the extract holds nothing");
    let counts = extract.report.polygons;
    assert_eq!((counts.unclosed, counts.not_assembled, counts.missing_members), (1, 1, 1));
    assert_eq!(extract.places.other_use.len(), 2);
}

/// Id, kind and name of an extract's premises.
fn premises(extract: &Extract) -> Vec<(&str, PremisesKind, Option<&str>)> {
    extract.places.premises.iter().map(|p| (p.id.as_str(), p.kind, p.name.as_deref())).collect()
}

#[test]
fn premises_are_nodes_closed_ways_and_relations() {
    use PremisesKind::{CommunityCentre, FormerKindergarten, PublicBuilding, School};
    let school: TagList = &[("amenity", "school"), ("name", "A")];
    let nodes = Block::default().dense().node(1, 95_000_000, 470_000_000, &[("amenity", "community_centre")]);
    let nodes = nodes.node(2, 95_100_000, 470_000_000, &[("disused:amenity", "kindergarten")]);
    let nodes = nodes.node(3, 96_000_500, 470_000_000, school);
    let nodes = nodes.node(4, 96_002_000, 470_000_000, &[("amenity", "library")]);
    let nodes = nodes.node(5, 96_000_600, 470_000_000, &[("amenity", "kindergarten"), ("office", "government")]);
    let nodes = square(nodes, 10, 96_000_000, 470_000_000, 1_000);
    let nodes = square(nodes, 20, 97_000_000, 470_000_000, 1_000);
    let nodes = square(nodes, 30, 97_000_000, 470_000_000, 500);
    let nodes = square(nodes, 40, 96_500_000, 470_000_000, 500);
    let extract = extract([
        nodes,
        Block::default()
            .way(1, &closed(10), &[("amenity", "school")])
            .way(2, &closed(20), &[("building", "civic")])
            .way(3, &closed(30), &[])
            .way(4, &closed(40), &[("building", "public"), ("amenity", "toilets")])
            .way(5, &[10, 11, 12], &[("amenity", "townhall")])
            .way(6, &[77, 78, 77], &[("amenity", "townhall")]),
        Block::default().relation(
            3,
            &[(2, "outer"), (3, "inner")],
            &[("type", "multipolygon"), ("amenity", "townhall"), ("name", "B")],
        ),
    ]);
    let wanted = [
        ("n1", CommunityCentre, None),
        ("n2", FormerKindergarten, None),
        ("n4", PublicBuilding, None),
        ("w1", School, Some("A")),
        ("w5", PublicBuilding, None),
        ("r3", PublicBuilding, Some("B")),
    ];
    assert_eq!(premises(&extract), wanted, "way 6 is nowhere, way 2 the outline of relation 3, node 5 a kindergarten");
    let counts = extract.report.premises;
    assert_eq!((counts.merged, counts.lost), (2, 1));
    assert!(extract.report.merged.is_empty() && extract.report.lost.is_empty(), "they are no facilities");
    let at = |id: &str| extract.places.premises.iter().find(|p| p.id == id).unwrap().at;
    assert_eq!(at("w1"), LonLat { lon_e7: 96_000_000, lat_e7: 470_000_000 });
    let in_ring = at("r3").lon_e7.abs_diff(97_000_000).max(at("r3").lat_e7.abs_diff(470_000_000));
    assert!((500..=1_000).contains(&in_ring), "not in the yard: {:?}", at("r3"));
}

#[test]
fn one_word_in_a_block_is_enough() {
    let nodes: [TagList; 7] = [
        &[("amenity", "school")],
        &[("amenity", "community_centre")],
        &[("amenity", "townhall")],
        &[("amenity", "library")],
        &[("amenity", "public_building")],
        &[("disused:amenity", "childcare")],
        &[("office", "government"), ("admin_level", "8")],
    ];
    for tags in nodes {
        let extract = extract([Block::default().dense().node(1, 95_000_000, 470_000_000, tags)]);
        assert_eq!(premises(&extract).len(), 1, "{tags:?}");
    }
}

#[test]
fn premises_cut_by_the_edge_stand_where_the_extract_has_them() {
    let extract = extract([
        row(3),
        Block::default().way(1, &[1, 2, 3, 99, 1], &[("amenity", "school")]),
        Block::default().relation(
            2,
            &[(1, "outer"), (98, "outer")],
            &[("type", "multipolygon"), ("amenity", "library")],
        ),
    ]);
    assert_eq!(premises(&extract), [("w1", PremisesKind::School, None), ("r2", PremisesKind::PublicBuilding, None)]);
    let places: Vec<LonLat> = extract.places.premises.iter().map(|p| p.at).collect();
    assert!(places.iter().all(|at| (95_010_000..=95_030_000).contains(&at.lon_e7)), "{places:?}");
}

#[test]
fn homes_and_residential_land_come_with_their_outlines() {
    let nodes = square(Block::default().dense(), 10, 96_000_000, 470_000_000, 1_000);
    let nodes = square(nodes, 20, 97_000_000, 470_000_000, 1_000);
    let extract = extract([
        nodes,
        Block::default()
            .way(1, &closed(10), &[("building", "apartments"), ("building:levels", "5;6")])
            .way(2, &closed(20), &[("landuse", "residential"), ("name", "Old town")])
            .way(3, &[20, 22, 21, 23, 20], &[("landuse", "residential")])
            .way(4, &closed(20), &[("building", "yes"), ("shop", "yes")]),
        Block::default().relation(9, &[(2, "outer")], &[("type", "multipolygon"), ("landuse", "residential")]),
    ]);
    let building = extract.places.buildings[0];
    assert_eq!(extract.places.buildings.len(), 1);
    assert_eq!((building.home, building.levels), (Home::Certain, Some(5.0)));
    assert_eq!(building.at, LonLat { lon_e7: 96_000_000, lat_e7: 470_000_000 });
    assert!((building.footprint_m2 - 338.3).abs() < 1.0, "{}", building.footprint_m2);
    let residential: Vec<_> = extract.places.residential.iter().map(|r| (r.id.as_str(), r.shape.0.len())).collect();
    assert_eq!(residential, [("w3", 2), ("r9", 1)], "a way says nothing beside its relation; a bow tie is two");
    assert_eq!((extract.report.polygons.mended, extract.report.polygons.repeated), (1, 1));
}

#[test]
fn an_area_that_the_edge_cuts_is_reported_by_name() {
    let nodes = square(Block::default().dense(), 10, 96_000_000, 470_000_000, 1_000);
    let boundary: TagList = &[("boundary", "administrative"), ("admin_level", "8")];
    let extract = extract([
        nodes,
        Block::default().way(1, &[10, 11, 12], boundary).way(2, &[10, 13, 12], boundary),
        Block::default()
            .relation(
                1,
                &[(1, "outer"), (2, "outer")],
                &[
                    ("type", "boundary"),
                    ("boundary", "administrative"),
                    ("admin_level", "6"),
                    ("name", "Whole"),
                    ("population", "1200"),
                ],
            )
            .relation(
                2,
                &[(1, "outer"), (3, "outer")],
                &[("type", "boundary"), ("boundary", "administrative"), ("admin_level", "8"), ("name", "Cut")],
            ),
    ]);
    let areas = &extract.places.areas;
    assert_eq!(areas.len(), 1);
    assert_eq!((areas[0].id.as_str(), areas[0].level, areas[0].population), ("r1", AreaLevel::District, Some(1_200.0)));
    assert_eq!(&areas[0].other["admin_level"], "6");
    let clipped = &extract.report.clipped;
    assert_eq!((clipped.len(), clipped[0].id.as_str(), clipped[0].name.as_deref()), (1, "r2", Some("Cut")));
}

#[test]
fn reading_tells_how_far_it_is() {
    let (most, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |p: crate::Progress| {
        most.fetch_max(p.bytes_done, Ordering::Relaxed);
        total.store(p.bytes_total, Ordering::Relaxed);
    };
    let bytes = file([row(3), Block::default().way(1, &[1, 2], &[("highway", "path")])]);
    read_from(Cursor::new(bytes), &ReadOptions { progress: Some(&progress) }).unwrap();
    assert!(most.load(Ordering::Relaxed) > 0);
    assert_eq!(most.into_inner(), total.into_inner());
}

/// A header, and where the next blob begins.
fn head() -> (Vec<u8>, u64) {
    let head = header(&["OsmSchema-V0.6"]);
    let end = head.len() as u64;
    (head, end)
}

fn with_blob(blob: &[u8]) -> (Result<Extract, ReadError>, u64) {
    let (mut bytes, end) = head();
    bytes.extend(frame("OSMData", blob));
    (read(bytes), end)
}

#[test]
fn what_is_no_extract_is_told() {
    for bytes in [&b""[..], b"\0\0", b"<?xml version='1.0'?><osm/>", b"\0\0\0\x08garbage!"] {
        assert!(matches!(read(bytes.to_vec()), Err(ReadError::NotPbf)), "{bytes:?}");
    }
    assert!(matches!(read(data(&row(1).bytes())), Err(ReadError::NotPbf)), "the header comes first");
}

#[test]
fn every_cut_through_a_file_is_an_error_at_the_blob_that_is_cut() {
    let whole = file([row(3), Block::default().way(1, &[1, 2], &[("highway", "path")])]);
    let first = header(&["OsmSchema-V0.6", "DenseNodes"]).len();
    let second = first + data(&row(3).bytes()).len();
    for cut in 0..whole.len() {
        match read(whole[..cut].to_vec()) {
            Ok(_) => assert!(cut == first || cut == second),
            Err(ReadError::Truncated { offset }) => {
                let blob = [0, first, second].into_iter().filter(|start| *start < cut).max();
                assert_eq!(Some(offset as usize), blob);
            }
            Err(ReadError::NotPbf) => assert!(cut < first),
            Err(other) => panic!("{cut}: {other}"),
        }
    }
}

#[test]
fn sizes_that_lie_are_found_out() {
    let content = row(3).bytes();
    for declared in [1, content.len() as u64 - 1, content.len() as u64 + 1] {
        let (result, at) = with_blob(&zlib_blob(&content, declared));
        match result {
            Err(ReadError::WrongSize { offset, declared: d, actual }) => {
                assert_eq!((offset, d, actual), (at, declared, content.len() as u64));
            }
            other => panic!("{other:?}"),
        }
    }
    let (result, at) = with_blob(&zlib_blob(&content, 1 << 40));
    assert!(matches!(result, Err(ReadError::TooLarge { offset, .. }) if offset == at));
    let (result, at) = with_blob(&zlib_blob(&vec![0; 40 << 20], 10));
    assert!(matches!(result, Err(ReadError::TooLarge { offset, .. }) if offset == at));
    let (mut bytes, at) = head();
    bytes.extend([0, 0, 0, 13, 0x0a, 7]);
    bytes.extend(b"OSMData");
    bytes.extend([0x18, 0xff, 0xff, 0x7f]);
    assert!(
        matches!(read(bytes), Err(ReadError::Malformed { offset, .. } | ReadError::Truncated { offset }) if offset == at)
    );
}

#[test]
fn compression_other_than_zlib_is_named() {
    for (number, expected) in [(4, "lzma"), (5, "bzip2"), (6, "lz4"), (7, "zstd")] {
        let mut blob = Vec::new();
        number_field(&mut blob, 2, 100);
        bytes_field(&mut blob, number, b"whatever");
        let (result, at) = with_blob(&blob);
        match result {
            Err(ReadError::UnsupportedCompression { offset, name }) => assert_eq!((offset, name), (at, expected)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn required_features_that_are_unknown_are_named() {
    match read(header(&["OsmSchema-V0.6", "HistoricalInformation"])) {
        Err(ReadError::UnsupportedFeature { offset: 0, name }) => assert_eq!(name, "HistoricalInformation"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bombs_and_broken_blocks_are_errors_at_their_blob() {
    let bomb = [0x12, 0x00].repeat(8 << 20);
    let (result, at) = with_blob(&zlib_blob(&bomb, bomb.len() as u64));
    assert!(matches!(result, Err(ReadError::TooLarge { offset, what: "groups", .. }) if offset == at));
    let (result, at) = with_blob(&zlib_blob(b"\x12\xff\x01garbage", 10));
    assert!(matches!(result, Err(ReadError::Malformed { offset, .. }) if offset == at));
    let mut blob = Vec::new();
    bytes_field(&mut blob, 3, b"not zlib at all");
    let (result, at) = with_blob(&blob);
    assert!(matches!(result, Err(ReadError::Malformed { offset, .. }) if offset == at));
    let (result, at) = with_blob(b"");
    assert!(matches!(result, Err(ReadError::Malformed { offset, .. }) if offset == at));
}

#[test]
fn no_flipped_byte_makes_the_reader_panic() {
    let block = square(row(6), 100, 95_000_000, 470_000_000, 5_000)
        .way(1, &[1, 2, 3], &[("highway", "path")])
        .way(2, &closed(100), &[("amenity", "kindergarten"), ("building", "yes")])
        .relation(5, &[(2, "outer")], &[("type", "multipolygon"), ("landuse", "residential")])
        .bytes();
    for at in 0..block.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut broken = block.clone();
            broken[at] ^= bits;
            // Any answer will do.
            let _ = with_blob(&zlib_blob(&broken, broken.len() as u64));
        }
    }
}

/// The longitudes of the obstacles of an extract, each in thousandths of a degree east of [`row`]'s start.
fn obstacles(extract: &Extract) -> Vec<Vec<i32>> {
    let steps = |line: &[LonLat]| line.iter().map(|at| (at.lon_e7 - 95_000_000) / 10_000).collect();
    extract.places.obstacles.iter().map(steps).collect()
}

#[test]
fn what_nobody_crosses_is_kept_as_lines() {
    let extract = extract([
        row(12),
        Block::default()
            .way(1, &[1, 2, 3], &[("waterway", "river")])
            .way(2, &[3, 4], &[("waterway", "river"), ("tunnel", "yes")])
            .way(3, &[4, 5], &[("railway", "rail")])
            .way(4, &[5, 6], &[("railway", "rail"), ("bridge", "yes")])
            .way(5, &[6, 7], &[("railway", "tram")])
            .way(6, &[7, 8], &[("barrier", "wall")])
            .way(7, &[8, 9], &[("barrier", "wall"), ("highway", "footway")])
            .way(8, &[9, 10, 11, 9], &[("leisure", "park"), ("barrier", "fence")])
            .way(9, &[11, 12], &[("highway", "motorway")]),
    ]);
    assert_eq!(obstacles(&extract), [vec![1, 2, 3], vec![4, 5], vec![7, 8], vec![9, 10, 11, 9], vec![11, 12]]);
    let streets: Vec<i64> = extract.streets.ways.iter().map(|way| way.id).collect();
    assert_eq!(streets, [7], "a wall that people walk on is a street");
}

#[test]
fn banks_and_islands_of_a_water_are_the_ways_of_its_relation() {
    const WATER: TagList = &[("type", "multipolygon"), ("natural", "water")];
    const CULVERT: TagList = &[("type", "multipolygon"), ("natural", "water"), ("tunnel", "yes")];
    let nodes = square(square(row(4), 100, 95_500_000, 470_000_000, 40_000), 200, 95_500_000, 470_000_000, 10_000);
    let ways = || {
        Block::default()
            .way(1, &[100, 101, 102], &[])
            .way(2, &[102, 103, 100], &[("barrier", "wall")])
            .way(3, &closed(200), &[("landuse", "forest")])
            .way(4, &[1, 2], &[])
            .way(5, &[3, 4], &[])
    };
    let members = [(1, "outer"), (2, "outer"), (3, "inner"), (4, "main_stream"), (6, "outer")];
    let drawn = extract([
        nodes,
        ways(),
        Block::default().relation(7, &members, WATER).relation(8, &members, WATER).relation(
            9,
            &[(5, "outer")],
            CULVERT,
        ),
    ]);
    assert_eq!(obstacles(&drawn), [vec![46, 54, 54], vec![54, 46, 46], vec![49, 51, 51, 49, 49]]);
}

#[test]
fn bad_obstacles_cost_nothing_but_themselves() {
    let often: Vec<i64> = [vec![1; 2_000], vec![2; 2_000], vec![1; 2_000]].concat();
    let extract = extract([
        square(row(9), 100, 95_500_000, 470_000_000, 40_000),
        Block::default()
            .way(1, &often, &[("barrier", "fence")])
            .way(2, &[3; 2_000], &[("barrier", "fence")])
            .way(3, &[99, 4, 98, 5, 6, 97, 97, 7, 8, 9, 96], &[("railway", "rail")])
            .way(4, &[100, 102, 101, 103, 100], &[("natural", "water")])
            .way(5, &[], &[("natural", "coastline")])
            .way(6, &[98, 99], &[("natural", "coastline")]),
    ]);
    assert_eq!(obstacles(&extract), [vec![1, 2, 1], vec![5, 6], vec![7, 8, 9], vec![46, 54, 54, 46, 46]]);
}
