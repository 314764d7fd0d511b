//! Reads a file in three stages, last kind first, so that each stage knows what the next one needs: relations, then
//! ways, then nodes. Only what is kept takes memory.
//!
//! 1. Sorted files hold nodes, then ways, then relations. A search over blobs finds where each kind begins.
//! 2. Relations that matter are kept, with the ways that they are made of.
//! 3. Ways that matter, or that a relation needs, are kept with their nodes' ids.
//! 4. Of the nodes, coordinates of those needed are kept, and facilities.
//! 5. If a blob held a kind where it did not belong, the file is not sorted: every stage looks through every blob.
//!
//! Blobs are decoded in parallel and their harvests joined in the file's order, so that nothing depends on timing.

use crate::blob::{Blobs, decode};
use crate::index::{IdIndex, Seen, ascend, repeats, sorted};
use crate::merge::{Candidate, Source};
use crate::report::{ImportReport, ReadError, StreetCounts};
use crate::tags::{self, KeyTable, Spot, Tags, Uses, Walk, Walkable};
use crate::{Progress, ReadOptions};
use carecircle_core::facility::Facility;
use carecircle_core::geometry::LonLat;
use carecircle_core::place::Premises;
use osmpbf::{DenseNode, Node, PrimitiveBlock};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) use crate::wire::Kinds;

/// How a relation uses a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Outer,
    Inner,
    /// The role is empty: geometry decides.
    Open,
}

/// A relation that is kept.
#[derive(Debug)]
pub(crate) struct RelationFound {
    pub(crate) id: i64,
    number: u32,
    pub(crate) uses: Uses,
    /// How it is crossed on foot, if it is.
    pub(crate) walk: Option<Walk>,
    /// Whether nobody crosses its outline.
    pub(crate) is_obstacle: bool,
    /// Its ways in the order of the map.
    pub(crate) members: Vec<(i64, Role)>,
}

/// A way that is walked.
#[derive(Debug)]
pub(crate) struct StreetFound {
    pub(crate) id: i64,
    number: u32,
    pub(crate) walk: Walk,
    pub(crate) refs: Range<u32>,
}

/// A closed way that is of use.
#[derive(Debug)]
pub(crate) struct PolygonFound {
    pub(crate) id: i64,
    number: u32,
    pub(crate) uses: Uses,
    pub(crate) refs: Range<u32>,
}

/// A way that a relation needs.
#[derive(Debug)]
pub(crate) struct MemberFound {
    pub(crate) id: i64,
    number: u32,
    pub(crate) refs: Range<u32>,
}

/// A way that nobody crosses.
#[derive(Debug)]
struct ObstacleFound {
    number: u32,
    refs: Range<u32>,
}

/// A node on a street or outline that is more than a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpotFound {
    /// Its position in [`Harvest::places`].
    pub(crate) position: u32,
    pub(crate) id: i64,
    number: u32,
    pub(crate) spot: Spot,
}

/// All that the stages keep of a file.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    pub(crate) streets: Vec<StreetFound>,
    pub(crate) drawn: Drawn,
    /// By id.
    pub(crate) members: Vec<MemberFound>,
    /// The nodes of ways that nobody crosses, each way once.
    pub(crate) obstacles: Vec<Range<u32>>,
    /// The nodes of ways, as positions in `places`.
    pub(crate) refs: Vec<u32>,
    /// Where the nodes lie, by ascending node id; [`MISSING`] where the file does not tell.
    pub(crate) places: Vec<LonLat>,
    /// Nodes that are more than a place, by position.
    pub(crate) spots: Vec<SpotFound>,
}

/// What places are made of, each kind by id.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) relations: Vec<RelationFound>,
    pub(crate) polygons: Vec<PolygonFound>,
    /// Those that are nodes.
    pub(crate) facilities: Vec<Candidate<Facility>>,
    /// Those that are nodes.
    pub(crate) premises: Vec<Candidate<Premises>>,
}

/// The place of a node that the extract doesn't hold.
pub(crate) const MISSING: LonLat = LonLat { lon_e7: i32::MAX, lat_e7: i32::MAX };

/// What one block yields to one stage.
trait Yield: Default + Send {
    fn seen(&self) -> &Seen;
    /// Forgets the elements of these numbers, ascending: their ids stood earlier in the file.
    fn forget(&mut self, numbers: &[u32]);
}

/// Reads everything worth keeping.
pub(crate) fn harvest<S: Read + Seek + Send>(
    blobs: &Blobs<S>,
    options: &ReadOptions,
    report: &mut ImportReport,
) -> Result<Harvest, ReadError> {
    let reader = Reader::new(blobs, options);
    let all = 0..blobs.len();
    let relations = reader.first_reaching(Kinds::RELATIONS, all.clone())?;
    let ways = reader.first_reaching(Kinds::WAYS, 0..(relations + 1).min(all.end))?;
    let behind = |first: usize, kind: Kinds| first + usize::from(reader.known(first).is_some_and(|k| k.meets(kind)));
    let ranges = [relations..all.end, ways..behind(relations, Kinds::WAYS), 0..behind(ways, Kinds::NODES)];
    let sorted = reader.stages(&ranges, report)?;
    report.unsorted = !reader.in_order();
    if reader.all_in(&ranges) {
        return Ok(sorted);
    }
    drop(sorted);
    *report = ImportReport { unsorted: true, ..ImportReport::default() };
    reader.stages(&[all.clone(), all.clone(), all], report)
}

struct Reader<'a, S> {
    blobs: &'a Blobs<S>,
    options: &'a ReadOptions<'a>,
    /// The kinds in each blob, [`UNKNOWN`] until it is inflated.
    kinds: Vec<AtomicU8>,
    /// Blocks inflated for the search, or to be looked through by another stage soon.
    held: Mutex<BTreeMap<usize, Vec<u8>>>,
    bytes_total: u64,
    bytes_done: AtomicU64,
}

const UNKNOWN: u8 = u8::MAX;
/// Blocks held at a time, besides those of the search: a blob or two lie on the border between kinds.
const MAX_HELD: usize = 16;
/// Bytes inflated ahead: some hundred thousand nodes, a moment's work.
const AHEAD_BYTES: usize = 8 * 1024 * 1024;

impl<'a, S: Read + Seek + Send> Reader<'a, S> {
    fn new(blobs: &'a Blobs<S>, options: &'a ReadOptions<'a>) -> Self {
        Self {
            blobs,
            options,
            kinds: (0..blobs.len()).map(|_| AtomicU8::new(UNKNOWN)).collect(),
            held: Mutex::new(BTreeMap::new()),
            bytes_total: (0..blobs.len()).map(|blob| blobs.bytes(blob)).sum(),
            bytes_done: AtomicU64::new(0),
        }
    }

    fn known(&self, blob: usize) -> Option<Kinds> {
        let kinds = self.kinds.get(blob)?.load(Ordering::Relaxed);
        (kinds != UNKNOWN).then_some(Kinds(kinds))
    }

    /// The block of a blob, inflated now or before.
    fn block(&self, blob: usize) -> Result<(Vec<u8>, Kinds), ReadError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&blob);
        if let (Some(block), Some(kinds)) = (held, self.known(blob)) {
            return Ok((block, kinds));
        }
        let (block, kinds) = self.blobs.block(blob)?;
        if self.kinds[blob].swap(kinds.0, Ordering::Relaxed) == UNKNOWN {
            let bytes = self.blobs.bytes(blob);
            let bytes_done = self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if let Some(progress) = self.options.progress {
                progress(Progress { bytes_done, bytes_total: self.bytes_total });
            }
        }
        Ok((block, kinds))
    }

    /// Keeps an inflated block for whoever asks next.
    fn hold(&self, blob: usize, block: Vec<u8>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(blob, block);
    }

    /// Inflates the first blobs of a range, a few megabytes, while another thread joins what it has.
    fn read_ahead(&self, range: &Range<usize>) {
        let mut bytes = 0;
        for blob in range.clone() {
            if bytes > AHEAD_BYTES || self.known(blob).is_some() {
                continue;
            }
            // An error shows again when the blob's turn comes.
            let Ok((block, _)) = self.block(blob) else { return };
            bytes += block.len();
            self.hold(blob, block);
        }
    }

    /// The first blob in `range` that holds `kind` or a later one, if the file is sorted; the range's end if none does.
    /// As many blobs are probed at a time as there are threads.
    fn first_reaching(&self, kind: Kinds, range: Range<usize>) -> Result<usize, ReadError> {
        let Range { start: mut low, end: mut high } = range;
        while low < high {
            let probes = rayon::current_num_threads().clamp(1, 8).min(high - low);
            let at = |i: usize| low + (high - low) * (i + 1) / (probes + 1);
            let found: Vec<Result<Kinds, ReadError>> = (0..probes)
                .into_par_iter()
                .map(|i| {
                    let blob = at(i);
                    if let Some(kinds) = self.known(blob) {
                        return Ok(kinds);
                    }
                    let (block, kinds) = self.block(blob)?;
                    self.hold(blob, block);
                    Ok(kinds)
                })
                .collect();
            let (mut next_low, mut next_high) = (low, high);
            for (i, kinds) in found.into_iter().enumerate() {
                if kinds?.reaches(kind) {
                    next_high = at(i);
                    break;
                }
                next_low = at(i) + 1;
            }
            (low, high) = (next_low, next_high);
        }
        Ok(low)
    }

    /// Whether nothing lay outside the range that was looked through for it.
    fn all_in(&self, ranges: &[Range<usize>; 3]) -> bool {
        let kinds = [Kinds::RELATIONS, Kinds::WAYS, Kinds::NODES];
        (0..self.kinds.len()).all(|blob| {
            let found = self.known(blob).unwrap_or(Kinds::NONE);
            kinds.iter().zip(ranges).all(|(&kind, range)| !found.meets(kind) || range.contains(&blob))
        })
    }

    /// Whether no kind of element stood before one that belongs before it, as far as blobs tell.
    fn in_order(&self) -> bool {
        let mut highest = 0;
        self.kinds.iter().map(|kinds| kinds.load(Ordering::Relaxed)).filter(|&k| k != UNKNOWN && k != 0).all(|kinds| {
            let lowest = kinds & kinds.wrapping_neg();
            let ordered = lowest >= highest;
            highest = highest.max(1 << kinds.ilog2());
            ordered
        })
    }

    /// Looks through the blobs of a range for elements of one kind. Yields come in the file's order.
    fn stage<T: Yield>(
        &self,
        range: &Range<usize>,
        kind: Kinds,
        look: impl Fn(&PrimitiveBlock) -> T + Sync,
    ) -> Result<Vec<T>, ReadError> {
        let yields: Vec<Result<T, ReadError>> = range
            .clone()
            .into_par_iter()
            .map(|blob| {
                if self.known(blob).is_some_and(|kinds| !kinds.meets(kind)) {
                    return Ok(T::default());
                }
                let (block, kinds) = self.block(blob)?;
                let decoded = kinds.meets(kind).then(|| decode(&block, self.blobs.offset(blob)));
                let crowded = || self.held.lock().unwrap_or_else(PoisonError::into_inner).len() >= MAX_HELD;
                if kinds.precedes(kind) && !crowded() {
                    self.hold(blob, block);
                } else {
                    drop(block);
                }
                decoded.map_or_else(|| Ok(T::default()), |block| block.map(|block| look(&block)))
            })
            .collect();
        // The first error in the file, whichever thread was first.
        yields.into_iter().collect()
    }

    /// As [`Reader::stage`], without elements whose id stood earlier in the file; also how many of those there were.
    fn unique<T: Yield>(
        &self,
        range: &Range<usize>,
        kind: Kinds,
        look: impl Fn(&PrimitiveBlock, Seen) -> T + Sync,
    ) -> Result<(Vec<T>, u64), ReadError> {
        let yields = self.stage(range, kind, |block| look(block, Seen::new(false)))?;
        if ascend(yields.iter().map(Yield::seen)) {
            return Ok((yields, 0));
        }
        drop(yields);
        let mut yields = self.stage(range, kind, |block| look(block, Seen::new(true)))?;
        let repeats = repeats(yields.iter().map(Yield::seen));
        for same in repeats.chunk_by(|a, b| a.0 == b.0) {
            let numbers: Vec<u32> = same.iter().map(|(_, number)| *number).collect();
            yields[same[0].0 as usize].forget(&numbers);
        }
        Ok((yields, repeats.len() as u64))
    }

    fn stages(&self, ranges: &[Range<usize>; 3], report: &mut ImportReport) -> Result<Harvest, ReadError> {
        let mut harvest = Harvest::default();
        let (relations, repeated) = self.unique(&ranges[0], Kinds::RELATIONS, look_at_relations)?;
        report.duplicate_ids += repeated;
        for mut found in relations {
            report.relations += u64::from(found.seen.count);
            harvest.drawn.relations.append(&mut found.relations);
        }
        harvest.drawn.relations.sort_by_key(|relation| relation.id);
        let wanted = harvest.drawn.relations.iter().flat_map(|r| r.members.iter().map(|m| m.0)).collect();
        let wanted = IdIndex::new(vec![sorted(wanted)]);

        let (ways, repeated) =
            self.unique(&ranges[1], Kinds::WAYS, |block, seen| look_at_ways(block, seen, &wanted))?;
        report.duplicate_ids += repeated;
        let (wanted, ()) = rayon::join(|| join_ways(ways, &mut harvest, report), || self.read_ahead(&ranges[2]));
        let wanted = wanted?;

        let (nodes, repeated) =
            self.unique(&ranges[2], Kinds::NODES, |block, seen| look_at_nodes(block, seen, &wanted))?;
        report.duplicate_ids += repeated;
        harvest.places = vec![MISSING; wanted.len()];
        for mut found in nodes {
            report.nodes += u64::from(found.seen.count);
            report.bad_coordinates += found.bad_coordinates;
            for (position, place) in found.places {
                let slot = &mut harvest.places[position as usize];
                if *slot == MISSING {
                    *slot = place;
                }
            }
            harvest.drawn.facilities.extend(found.facilities.drain(..).map(|(_, facility)| facility));
            harvest.drawn.premises.extend(found.premises.drain(..).map(|(_, premises)| premises));
            harvest.spots.append(&mut found.spots);
        }
        harvest.spots.sort_by_key(|found| found.position);
        Ok(harvest)
    }
}

/// Puts the ways of all blocks together and replaces node ids by positions in the set of all that are needed, which it
/// returns.
fn join_ways(
    mut blocks: Vec<WayYield>,
    harvest: &mut Harvest,
    report: &mut ImportReport,
) -> Result<IdIndex, ReadError> {
    let total: usize = blocks.iter().map(|b| b.refs.len()).sum();
    if u32::try_from(total).is_err() {
        return Err(ReadError::TooLarge { offset: 0, what: "places of all ways", limit: u64::from(u32::MAX) });
    }
    let needed = IdIndex::new(blocks.iter_mut().map(|block| std::mem::take(&mut block.needed)).collect());
    harvest.refs = vec![0; total];
    let mut slots = Vec::with_capacity(blocks.len());
    let mut rest = harvest.refs.as_mut_slice();
    for block in &blocks {
        let (slot, behind) = rest.split_at_mut(block.refs.len());
        slots.push((block, slot));
        rest = behind;
    }
    slots.into_par_iter().for_each(|(block, slot)| needed.positions(&block.refs, slot));
    let mut shift = 0;
    for block in blocks {
        let length = block.refs.len() as u32;
        let moved = |refs: Range<u32>| refs.start + shift..refs.end + shift;
        harvest.streets.extend(block.streets.into_iter().map(|f| StreetFound { refs: moved(f.refs.clone()), ..f }));
        harvest
            .drawn
            .polygons
            .extend(block.polygons.into_iter().map(|f| PolygonFound { refs: moved(f.refs.clone()), ..f }));
        harvest.members.extend(block.members.into_iter().map(|f| MemberFound { refs: moved(f.refs.clone()), ..f }));
        harvest.obstacles.extend(block.obstacles.into_iter().map(|f| moved(f.refs)));
        report.ways += u64::from(block.seen.count);
        report.polygons.unclosed += block.unclosed;
        report.streets.add(block.left_out);
        shift += length;
    }
    harvest.streets.sort_by_key(|found| found.id);
    harvest.drawn.polygons.sort_by_key(|found| found.id);
    harvest.members.sort_by_key(|found| found.id);
    let outlines = harvest.drawn.relations.iter().filter(|relation| relation.is_obstacle);
    for (way, _) in outlines.flat_map(|relation| &relation.members) {
        if let Ok(member) = harvest.members.binary_search_by_key(way, |member| member.id) {
            harvest.obstacles.push(harvest.members[member].refs.clone());
        }
    }
    // Two waters share a bank, and a wall may stand on it.
    harvest.obstacles.sort_unstable_by_key(|refs| (refs.start, refs.end));
    harvest.obstacles.dedup();
    Ok(needed)
}

#[derive(Default)]
struct RelationYield {
    seen: Seen,
    relations: Vec<RelationFound>,
}

impl Yield for RelationYield {
    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn forget(&mut self, numbers: &[u32]) {
        self.relations.retain(|found| numbers.binary_search(&found.number).is_err());
    }
}

fn look_at_relations(block: &PrimitiveBlock, seen: Seen) -> RelationYield {
    let strings = block.raw_stringtable();
    let keys = KeyTable::new(strings);
    let mut out = RelationYield { seen, ..RelationYield::default() };
    let mut tags = Tags::default();
    for relation in block.groups().flat_map(|group| group.relations()) {
        let number = out.seen.note(relation.id());
        gather(&mut tags, &keys, strings, relation.raw_tags().map(|(k, v)| (k as usize, v as usize)));
        if !tags.may_matter() {
            continue;
        }
        let uses = tags::relation_uses(&tags);
        let walk = tags::walkable_relation(&tags);
        let is_obstacle = walk.is_none() && tags::is_obstacle_relation(&tags);
        if uses.is_none() && walk.is_none() && !is_obstacle {
            continue;
        }
        let members = relation
            .members()
            .filter(|member| member.member_type == osmpbf::RelMemberType::Way)
            .filter_map(|member| {
                let role = match usize::try_from(member.role_sid).ok().and_then(|i| strings.get(i))?.as_slice() {
                    b"outer" | b"exclave" => Role::Outer,
                    b"inner" | b"enclave" => Role::Inner,
                    b"" => Role::Open,
                    _ => return None,
                };
                Some((member.member_id, role))
            })
            .collect();
        out.relations.push(RelationFound { id: relation.id(), number, uses, walk, is_obstacle, members });
    }
    out
}

#[derive(Default)]
struct WayYield {
    seen: Seen,
    refs: Vec<i64>,
    /// The ids in `refs`, sorted, each once.
    needed: Vec<i64>,
    streets: Vec<StreetFound>,
    polygons: Vec<PolygonFound>,
    members: Vec<MemberFound>,
    obstacles: Vec<ObstacleFound>,
    unclosed: u64,
    left_out: StreetCounts,
}

impl Yield for WayYield {
    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn forget(&mut self, numbers: &[u32]) {
        let stays = |number: u32| numbers.binary_search(&number).is_err();
        self.streets.retain(|found| stays(found.number));
        self.polygons.retain(|found| stays(found.number));
        self.members.retain(|found| stays(found.number));
        self.obstacles.retain(|found| stays(found.number));
    }
}

fn look_at_ways(block: &PrimitiveBlock, seen: Seen, wanted: &IdIndex) -> WayYield {
    let strings = block.raw_stringtable();
    let keys = KeyTable::new(strings);
    let mut wanted = wanted.cursor();
    let mut out = WayYield { seen, ..WayYield::default() };
    let mut tags = Tags::default();
    for way in block.groups().flat_map(|group| group.ways()) {
        let id = way.id();
        let number = out.seen.note(id);
        gather(&mut tags, &keys, strings, way.raw_tags().map(|(k, v)| (k as usize, v as usize)));
        let is_member = wanted.find(id).is_some();
        if !is_member && !tags.may_matter() {
            continue;
        }
        let left_out = &mut out.left_out;
        let mut walk = None;
        match tags::walkable(&tags) {
            Walkable::Yes(found) => walk = Some(found),
            Walkable::NoStreet => {}
            Walkable::ClosedToFoot => left_out.closed_to_foot += 1,
            Walkable::UseSidepath => left_out.use_sidepath += 1,
            Walkable::Motorway => left_out.motorways += 1,
            Walkable::Motorroad => left_out.motorroads += 1,
            Walkable::NotBuilt => left_out.not_built += 1,
            Walkable::OtherHighway => left_out.other_highways += 1,
            Walkable::FerryWithoutDuration => left_out.ferries_without_duration += 1,
        }
        let mut uses = tags::uses(&tags);
        if !uses.is_none() && !is_closed(way.raw_refs()) {
            // A piece of a boundary carries the boundary's tags.
            out.unclosed += u64::from(uses.area.is_none());
            // A facility is one however badly its grounds are drawn, and so are premises.
            uses = Uses { facility: uses.facility, premises: uses.premises, ..Uses::default() };
        }
        let is_obstacle = walk.is_none() && tags::is_obstacle(&tags);
        if !is_member && walk.is_none() && uses.is_none() && !is_obstacle {
            continue;
        }
        let start = out.refs.len() as u32;
        out.refs.extend(way.refs());
        let refs = start..out.refs.len() as u32;
        if let Some(walk) = walk {
            out.streets.push(StreetFound { id, number, walk, refs: refs.clone() });
        }
        if !uses.is_none() {
            out.polygons.push(PolygonFound { id, number, uses, refs: refs.clone() });
        }
        if is_obstacle {
            out.obstacles.push(ObstacleFound { number, refs: refs.clone() });
        }
        if is_member {
            out.members.push(MemberFound { id, number, refs });
        }
    }
    out.needed = sorted(out.refs.clone());
    out
}

/// Whether a way's delta-coded references return to their start after three places or more.
fn is_closed(deltas: &[i64]) -> bool {
    deltas.len() >= 4 && deltas[1..].iter().fold(0_i64, |sum, delta| sum.wrapping_add(*delta)) == 0
}

#[derive(Default)]
struct NodeYield {
    seen: Seen,
    places: Vec<(u32, LonLat)>,
    facilities: Vec<(u32, Candidate<Facility>)>,
    premises: Vec<(u32, Candidate<Premises>)>,
    spots: Vec<SpotFound>,
    bad_coordinates: u64,
}

impl Yield for NodeYield {
    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn forget(&mut self, numbers: &[u32]) {
        // Of places, the first to come fills the slot.
        let stays = |number: u32| numbers.binary_search(&number).is_err();
        self.facilities.retain(|(number, _)| stays(*number));
        self.premises.retain(|(number, _)| stays(*number));
        self.spots.retain(|found| stays(found.number));
    }
}

fn look_at_nodes(block: &PrimitiveBlock, seen: Seen, wanted: &IdIndex) -> NodeYield {
    let strings = block.raw_stringtable();
    let is_word = |s: &Vec<u8>| tags::is_facility_value(s) || tags::is_premises_value(s) || Spot::is_word(s);
    let keys = strings.iter().any(is_word).then(|| KeyTable::new(strings));
    let mut wanted = wanted.cursor();
    let mut out = NodeYield { seen, ..NodeYield::default() };
    let mut tags = Tags::default();
    let mut look = |id: i64, nano_lon: i64, nano_lat: i64, raw_tags: &mut dyn Iterator<Item = (usize, usize)>| {
        let number = out.seen.note(id);
        let position = wanted.find(id);
        let (mut facility, mut premises) = (None, None);
        if let Some(keys) = &keys {
            gather(&mut tags, keys, strings, raw_tags);
            if !tags.is_empty() {
                if tags.may_matter() {
                    (facility, premises) = (tags::facility(&tags), tags::premises(&tags));
                }
                let spot = tags::spot(&tags);
                if let Some(position) = position.filter(|_| spot != Spot::default()) {
                    out.spots.push(SpotFound { position, id, number, spot });
                }
            }
        }
        if position.is_none() && facility.is_none() && premises.is_none() {
            return;
        }
        let Some(place) = place(nano_lon, nano_lat) else {
            out.bad_coordinates += 1;
            return;
        };
        if let Some(position) = position {
            out.places.push((position, place));
        }
        let node = Source::Node(id);
        out.facilities.extend(facility.map(|facility| (number, Candidate::new(node, place, facility, Vec::new()))));
        out.premises.extend(premises.map(|premises| (number, Candidate::new(node, place, premises, Vec::new()))));
    };
    for group in block.groups() {
        for node in group.dense_nodes() {
            let mut raw_tags = DenseNode::raw_tags(&node).map(|(k, v)| (k as usize, v as usize));
            look(node.id(), node.nano_lon(), node.nano_lat(), &mut raw_tags);
        }
        for node in group.nodes() {
            let mut raw_tags = Node::raw_tags(&node).map(|(k, v)| (k as usize, v as usize));
            look(node.id(), node.nano_lon(), node.nano_lat(), &mut raw_tags);
        }
    }
    out
}

/// The place at nanodegrees, if it lies on the earth.
fn place(nano_lon: i64, nano_lat: i64) -> Option<LonLat> {
    const DEGREE: i64 = 1_000_000_000;
    let on_earth = nano_lon.unsigned_abs() <= 180 * DEGREE as u64 && nano_lat.unsigned_abs() <= 90 * DEGREE as u64;
    let e7 = |nano: i64| ((nano + 50).div_euclid(100)) as i32;
    on_earth.then(|| LonLat { lon_e7: e7(nano_lon), lat_e7: e7(nano_lat) })
}

/// Collects the tags that some rule reads.
fn gather<'a>(tags: &mut Tags<'a>, keys: &KeyTable, strings: &'a [Vec<u8>], raw: impl Iterator<Item = (usize, usize)>) {
    tags.clear();
    for (key, value) in raw {
        if let (Some(key), Some(value)) = (keys.key(key), strings.get(value)) {
            tags.push(key, value);
        }
    }
}
