//! What is computed once and answered from often: the study made ready to be served, and the analyses of it.
//!
//! Geometry is drawn once per study. An [`Analysis`] holds the rest of every feature as bytes, so that a page is put
//! together by copying. Analyses are kept in a cache bounded by their size; of many requests for the same one a single
//! one computes it.

use crate::Served;
use crate::circles::{Circles, CirclesKey};
use crate::collections::{Collection, Column};
use crate::cql2::{Cells, Place};
use crate::isochrones::Isochrones;
use crate::mvt;
use crate::problem::ApiError;
use crate::systems::System;
use crate::tiles::Tiles;
use crate::work::Workers;
use carecircle_core::coverage::{BlockStatus, Coverage, Verdict, Walkers};
use carecircle_core::facility::Eligibility;
use carecircle_core::geometry::LonLat;
use carecircle_core::isochrone;
use carecircle_core::opening::Openings;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::search::Search;
use carecircle_core::study::Study;
use carecircle_formats::extent;
use carecircle_formats::geojson::{self, Drawing, Drawings};
use carecircle_formats::profile;
use carecircle_formats::remark::Remark;
use geo::{BoundingRect, Coord, MultiPoint, MultiPolygon, Rect};
use moka::policy::EvictionPolicy;
use rayon::prelude::*;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A study ready to be served: drawn, indexed, with its own caches. Requests see one snapshot from beginning to end.
pub(crate) struct Snapshot {
    pub(crate) served: Arc<Served>,
    /// The id of the scenario that its facilities are of. What is kept is kept together with what is kept of the study as
    /// it is, and told from it by this.
    scenario: Option<Arc<str>>,
    /// The same study with the facilities of scenarios, by their ids.
    after: moka::sync::Cache<String, Arc<Snapshot>>,
    pub(crate) drawings: Drawings,
    ids: [Arc<BTreeMap<String, usize>>; 3],
    columns: [Vec<Column>; 4],
    /// Where the features of each layer are, once a filter asks.
    places: [Arc<OnceLock<Vec<Option<Place>>>>; 3],
    /// The box around all that a circle can reach.
    circles_extent: Option<[f64; 4]>,
    analyses: moka::future::Cache<AnalysisKey, Arc<Analysis>>,
    pub(crate) circles: moka::future::Cache<CirclesKey, Arc<Circles>>,
    /// By all that their question says, as text.
    pub(crate) isochrones: moka::future::Cache<String, Arc<Isochrones>>,
    /// Features drawn in other coordinate systems: a layer's by lots, once for each system.
    drawn: moka::sync::Cache<DrawnKey, Arc<[Drawing]>>,
    /// About as much memory as circles may take.
    pub(crate) circle_bytes: usize,
    pub(crate) tiles: Tiles,
    /// Finished bodies by everything that decides them.
    pub(crate) answers: moka::sync::Cache<String, axum::body::Bytes>,
    /// By scenario, and by all numbers of their profile, as text.
    walkers: moka::sync::Cache<(Option<Arc<str>>, String), Arc<Walkers>>,
    searches: Arc<Mutex<Vec<Search>>>,
}

/// Whose features, in which coordinate system, and which lot of them.
type DrawnKey = (Option<Arc<str>>, Layer, Box<str>, usize);

/// Each takes about as much memory as the network itself, but for those of a scenario beside those of the study as it is.
const PROFILES_KEPT: u64 = 12;

/// What a study with the facilities of a scenario takes, about: by itself, and for each facility.
const AFTER_BYTES: usize = 200_000;
const FACILITY_BYTES: usize = 1_000;

/// Where a collection's features come from: gaps are blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    Blocks,
    Facilities,
    Areas,
}

impl Snapshot {
    /// Draws and indexes a study. Of `cache_bytes` an eighth is for finished answers, a sixteenth for drawings in other
    /// coordinate systems, one for isochrones, one for scenarios, three for tiles, a quarter for circles, the rest for
    /// analyses.
    pub(crate) fn new(served: Arc<Served>, cache_bytes: u64) -> Self {
        let study = &served.study;
        let drawings = Drawings::new(study);
        let ids = [
            index(study.demand().blocks.iter().map(|b| &b.id)),
            index(study.facilities().iter().map(|f| &f.facility.id)),
            index(study.areas().all().iter().map(|a| &a.id)),
        ];
        let columns = [
            Column::of(&Column::BLOCKS, study.demand().blocks.iter().map(|b| &b.other)),
            facility_columns(study),
            Column::of(&Column::AREAS, study.areas().all().iter().map(|a| &a.other)),
            Column::of(&Column::CIRCLES, std::iter::empty()),
        ];
        // Least recently used goes first: what was asked for once is answered from the cache the second time, however
        // popular the others are.
        let analyses = moka::future::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 4 / 1024)
            .weigher(|_, analysis: &Arc<Analysis>| u32::try_from(analysis.bytes / 1024 + 1).unwrap_or(u32::MAX))
            .build();
        let circles = moka::future::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 4 / 1024)
            .weigher(|_, circles: &Arc<Circles>| u32::try_from(circles.bytes / 1024 + 1).unwrap_or(u32::MAX))
            .build();
        let isochrones = moka::future::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 16)
            .weigher(|_, isochrones: &Arc<Isochrones>| u32::try_from(isochrones.bytes).unwrap_or(u32::MAX))
            .build();
        let drawn = moka::sync::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 16)
            .weigher(|_, lot: &Arc<[Drawing]>| {
                let bytes: usize = lot.iter().map(|drawing| drawing.json.len() + size_of_val(drawing)).sum();
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .build();
        let answers = moka::sync::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 8)
            .weigher(|key: &String, body: &axum::body::Bytes| u32::try_from(key.len() + body.len()).unwrap_or(u32::MAX))
            .build();
        let after = moka::sync::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 16)
            .weigher(|_, after: &Arc<Self>| {
                let facilities = after.served.study.facilities().len();
                u32::try_from(AFTER_BYTES + facilities * FACILITY_BYTES).unwrap_or(u32::MAX)
            })
            .build();
        let circles_extent = circles_extent(study);
        Self {
            scenario: None,
            after,
            tiles: Tiles::new(&served, &drawings, circles_extent, cache_bytes / 16 * 3),
            drawings,
            ids,
            columns,
            places: Default::default(),
            circles_extent,
            analyses,
            circles,
            isochrones,
            drawn,
            circle_bytes: usize::try_from(cache_bytes / 4).unwrap_or(usize::MAX),
            answers,
            walkers: moka::sync::Cache::new(PROFILES_KEPT),
            searches: Arc::default(),
            served,
        }
    }

    /// The same study with the facilities of a scenario, made by `make` from what is served where it isn't kept.
    pub(crate) fn after(
        &self,
        scenario: &str,
        make: impl FnOnce(&Self) -> Result<Study, ApiError>,
    ) -> Result<Arc<Self>, ApiError> {
        let new = || Ok(Arc::new(self.with_facilities_of(make(self)?, scenario)));
        self.after.try_get_with(scenario.to_owned(), new).map_err(|why: Arc<ApiError>| (*why).clone())
    }

    /// As [`Snapshot::after`], where it is kept.
    pub(crate) fn after_if_kept(&self, scenario: &str) -> Option<Arc<Self>> {
        self.after.get(scenario)
    }

    /// Lets the facilities of a scenario go.
    pub(crate) fn forget(&self, scenario: &str) {
        self.after.invalidate(scenario);
    }

    fn with_facilities_of(&self, study: Study, scenario: &str) -> Self {
        let Served { title, extract_date, bounds, revision, policy, .. } = &*self.served;
        let circles_extent = circles_extent(&study);
        let drawings = self.drawings.with_other_facilities(&study);
        let (mut ids, mut columns, mut places) = (self.ids.clone(), self.columns.clone(), self.places.clone());
        ids[Layer::Facilities as usize] = index(study.facilities().iter().map(|f| &f.facility.id));
        columns[Layer::Facilities as usize] = facility_columns(&study);
        places[Layer::Facilities as usize] = Arc::default();
        let served = Served {
            study,
            title: title.clone(),
            extract_date: extract_date.clone(),
            bounds: *bounds,
            revision: revision.clone(),
            policy: policy.clone(),
        };
        Self {
            scenario: Some(scenario.into()),
            after: moka::sync::Cache::new(0),
            tiles: self.tiles.with_other_facilities(&served, &drawings, circles_extent),
            drawings,
            ids,
            columns,
            places,
            circles_extent,
            analyses: self.analyses.clone(),
            circles: self.circles.clone(),
            isochrones: self.isochrones.clone(),
            drawn: self.drawn.clone(),
            circle_bytes: self.circle_bytes,
            answers: self.answers.clone(),
            walkers: self.walkers.clone(),
            searches: Arc::clone(&self.searches),
            served: Arc::new(served),
        }
    }

    /// The id of the scenario that its facilities are of; none for the study as it is.
    pub(crate) fn scenario(&self) -> Option<Arc<str>> {
        self.scenario.clone()
    }

    /// Refuses a place outside the city.
    pub(crate) fn check_inside(&self, at: LonLat) -> Result<(), Remark> {
        let Served { study, bounds, .. } = &*self.served;
        let around = bounds.or_else(|| extent::of_streets(study.network()));
        extent::check_inside(study.network(), around, study.snap_m(), (at, at))
    }

    /// The drawings of a layer, in the order of its features.
    pub(crate) fn drawings_of(&self, layer: Layer) -> &[Drawing] {
        match layer {
            Layer::Blocks => &self.drawings.blocks,
            Layer::Facilities => &self.drawings.facilities,
            Layer::Areas => &self.drawings.areas,
        }
    }

    /// Where the features of a layer are.
    pub(crate) fn places_of(&self, layer: Layer) -> &[Option<Place>] {
        self.places[layer as usize].get_or_init(|| Place::all(self.drawings_of(layer)))
    }

    /// Hands on the drawing of a feature in another coordinate system.
    pub(crate) fn with_drawing(&self, layer: Layer, system: &System, i: usize, take: impl FnOnce(&Drawing)) {
        const LOT: usize = 256;
        let scenario = self.scenario().filter(|_| layer == Layer::Facilities);
        let lot = self.drawn.get_with((scenario, layer, system.name().into(), i / LOT), || {
            let all = self.drawings_of(layer);
            let from = i / LOT * LOT;
            all[from..all.len().min(from + LOT)].iter().map(|drawing| system.draw(drawing)).collect()
        });
        take(&lot[i % LOT]);
    }

    /// The number of the feature of that id.
    pub(crate) fn index_of(&self, layer: Layer, id: &str) -> Option<usize> {
        self.ids[layer as usize].get(id).copied()
    }

    /// The properties of a collection's features.
    pub(crate) fn columns(&self, collection: Collection) -> &[Column] {
        &self.columns[collection.layer().map_or(self.columns.len() - 1, |layer| layer as usize)]
    }

    /// The box around a collection; `None` when it is empty.
    pub(crate) fn extent(&self, collection: Collection) -> Option<[f64; 4]> {
        let Some(layer) = collection.layer() else { return self.circles_extent };
        around(self.drawings_of(layer))
    }

    /// The analysis by a policy, and whether it was there already.
    pub(crate) async fn analysis(
        self: &Arc<Self>,
        workers: &Workers,
        mut policy: Policy,
    ) -> Result<(Arc<Analysis>, bool), ApiError> {
        // As for other questions than the service's own: what opening gates would do takes too long to find.
        policy.what_if_gates &= self.scenario.is_none();
        let (snapshot, key) = (Arc::clone(self), AnalysisKey::new(self, &policy));
        kept(&self.analyses, workers, key, move || Ok(Analysis::new(&snapshot, &policy))).await
    }

    /// Who walks by a profile. The last are kept: most requests come with the same.
    pub(crate) fn walkers(&self, profile: &Profile) -> Arc<Walkers> {
        let numbers = format!("{profile:?}");
        let plain = || Arc::new(Walkers::new(&self.served.study, profile));
        let Some(scenario) = self.scenario() else { return self.walkers.get_with((None, numbers), plain) };
        if let Some(known) = self.walkers.get(&(Some(Arc::clone(&scenario)), numbers.clone())) {
            return known;
        }
        let plain = self.walkers.get_with((None, numbers.clone()), plain);
        self.walkers.get_with((Some(scenario), numbers), || Arc::new(plain.among_other_facilities()))
    }

    /// Gets to know in advance who walks by the profiles that a query may name.
    pub(crate) fn prepare(&self) {
        for profile in profile::NAMES.iter().filter_map(|name| profile::named(name)) {
            self.walkers(&profile).prepare(&self.served.study);
        }
    }

    /// About how many bytes its caches hold.
    pub(crate) async fn kept_bytes(&self) -> [(&'static str, u64); 7] {
        // What has been put in or thrown out is counted later otherwise.
        self.answers.run_pending_tasks();
        self.drawn.run_pending_tasks();
        self.after.run_pending_tasks();
        self.analyses.run_pending_tasks().await;
        self.circles.run_pending_tasks().await;
        self.isochrones.run_pending_tasks().await;
        let (analyses, circles) = (self.analyses.weighted_size(), self.circles.weighted_size());
        [
            ("answers", self.answers.weighted_size()),
            ("analyses", analyses << 10),
            ("circles", circles << 10),
            ("isochrones", self.isochrones.weighted_size()),
            ("drawings", self.drawn.weighted_size()),
            ("scenarios", self.after.weighted_size()),
            ("tiles", self.tiles.kept_bytes().await),
        ]
    }

    /// Runs a search with scratch that is used again: as many are kept as ever worked at once.
    pub(crate) fn with_search<T>(&self, run: impl FnOnce(&mut Search) -> T) -> T {
        let pool = || self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pool().pop();
        let mut search = kept.unwrap_or_default();
        let out = run(&mut search);
        pool().push(search);
        out
    }
}

/// Numbers by id; of several of one id the first.
fn index<'a>(ids: impl Iterator<Item = &'a String>) -> Arc<BTreeMap<String, usize>> {
    let mut index = BTreeMap::new();
    for (i, id) in ids.enumerate() {
        index.entry(id.clone()).or_insert(i);
    }
    Arc::new(index)
}

fn facility_columns(study: &Study) -> Vec<Column> {
    Column::of(&Column::FACILITIES, study.facilities().iter().map(|f| &f.facility.other))
}

/// The box around drawings; `None` when there is nothing to see.
pub(crate) fn around(drawings: &[Drawing]) -> Option<[f64; 4]> {
    drawings.iter().filter_map(|d| d.bbox).reduce(joined)
}

/// The box around two.
pub(crate) fn joined(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

/// What a cache keeps under a key, computed where it doesn't; and whether it was there.
pub(crate) async fn kept<K: Hash + Eq + Send + Sync + 'static, T: Send + Sync + 'static>(
    cache: &moka::future::Cache<K, Arc<T>>,
    workers: &Workers,
    key: K,
    compute: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<(Arc<T>, bool), ApiError> {
    if let Some(found) = cache.get(&key).await {
        return Ok((found, true));
    }
    let (cache, workers) = (cache.clone(), workers.clone());
    // A task of its own: when the client that asked first goes away, the others still get what is being computed.
    let asked = tokio::spawn(async move {
        let computed = async move { workers.run(compute).await?.map(Arc::new) };
        cache.try_get_with(key, computed).await
    });
    match asked.await {
        Ok(Ok(computed)) => Ok((computed, false)),
        Ok(Err(error)) => Err((*error).clone()),
        Err(error) => Err(ApiError::internal(error.to_string())),
    }
}

/// The box around all streets and facilities, and around what is drawn beside them.
fn circles_extent(study: &Study) -> Option<[f64; 4]> {
    let network = study.network();
    let streets = network.bounds().into_iter().flat_map(|(low, high)| [low, high]);
    let places: MultiPoint<f64> = streets.chain(study.facilities().iter().map(|f| f.at)).collect();
    let around = places.bounding_rect()?;
    let margin = Coord { x: 1.0, y: 1.0 } * (2.0 * isochrone::Drawing::DEPTH_M.end());
    let around = Rect::new(around.min() - margin, around.max() + margin);
    Drawing::shape(network.projection(), &MultiPolygon(vec![around.to_polygon()])).bbox
}

/// What an analysis depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AnalysisKey {
    scenario: Option<Arc<str>>,
    /// The policy's name tells all that no parameter changes.
    policy: String,
    minutes: u64,
    /// All numbers of the profile, as text.
    profile: String,
    what_if_gates: bool,
    eligibility: Eligibility,
}

impl AnalysisKey {
    pub(crate) fn new(snapshot: &Snapshot, policy: &Policy) -> Self {
        Self {
            scenario: snapshot.scenario(),
            policy: policy.name.clone(),
            minutes: policy.minutes.to_bits(),
            profile: format!("{:?}", policy.profile),
            what_if_gates: policy.what_if_gates,
            eligibility: policy.eligibility.clone(),
        }
    }
}

/// A coverage, and its features as bytes.
pub(crate) struct Analysis {
    /// The verdicts and sums; the walks of single demand points are let go.
    pub(crate) coverage: Coverage,
    layers: [Features; 3],
    /// The properties of each layer as tiles have them, read when a tile is first asked for.
    in_tiles: [OnceLock<mvt::Columns>; 3],
    /// Which blocks are not covered.
    pub(crate) gaps: Vec<usize>,
    /// About what it takes in memory.
    bytes: usize,
}

impl Analysis {
    fn new(snapshot: &Snapshot, policy: &Policy) -> Self {
        let study = &snapshot.served.study;
        let mut coverage = study.check_for(&snapshot.walkers(&policy.profile), policy);
        coverage.walks = Vec::new();
        let width = |layer: Layer| snapshot.columns[layer as usize].len();
        let layers = [
            Features::write(study.demand().blocks.len(), width(Layer::Blocks), |out, blank, i| {
                geojson::block_feature(out, study, &coverage, blank, i);
            }),
            Features::write(study.facilities().len(), width(Layer::Facilities), |out, blank, i| {
                geojson::facility_feature(out, study, &coverage, blank, i);
            }),
            Features::write(study.areas().all().len(), width(Layer::Areas), |out, blank, i| {
                geojson::area_feature(out, study, &coverage, blank, i);
            }),
        ];
        // What opening gates does stands in the features.
        coverage.openings = Openings::default();
        let is_gap = |(i, verdict): (usize, &Verdict)| (verdict.status != BlockStatus::Covered).then_some(i);
        let gaps: Vec<usize> = coverage.verdicts.iter().enumerate().filter_map(is_gap).collect();
        // In tiles the same properties take no more once again.
        let bytes = 2 * layers.iter().map(Features::bytes).sum::<usize>()
            + size_of_val(&gaps[..])
            + size_of_val(&coverage.verdicts[..])
            + size_of_val(&coverage.areas[..])
            + coverage.eligible.len();
        Self { coverage, layers, in_tiles: Default::default(), gaps, bytes }
    }

    /// The properties of a layer's features, as tiles have them.
    pub(crate) fn in_tiles(&self, layer: Layer, columns: &[Column]) -> &mvt::Columns {
        self.in_tiles[layer as usize].get_or_init(|| mvt::Columns::read(self.features(layer), columns))
    }

    /// The features of a layer.
    pub(crate) fn features(&self, layer: Layer) -> &Features {
        &self.layers[layer as usize]
    }
}

/// Features as bytes, without their geometry: that is the same in every analysis, and by far the larger part.
#[derive(Default)]
pub(crate) struct Features {
    bytes: Vec<u8>,
    /// Where the geometry of each belongs, and where each ends.
    spans: Vec<(usize, usize)>,
    /// Their properties by column, once a filter asks.
    cells: Box<[OnceLock<Cells>]>,
}

/// Where a feature written with a blank drawing wants its geometry. No id can hold this: its quotes would be escaped.
const GEOMETRY: &[u8] = b"\"geometry\":";
const BLANK: &[u8] = b"\"geometry\":,";

impl Features {
    /// Writes so many features with so many properties, each with a blank for its geometry.
    pub(crate) fn write(count: usize, width: usize, feature: impl Fn(&mut Vec<u8>, &Drawing, usize) + Sync) -> Self {
        const CHUNK: usize = 1_024;
        let blank = Drawing { json: "".into(), bbox: None };
        let chunks: Vec<Self> = (0..count.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut out = Self::default();
                for i in chunk * CHUNK..count.min((chunk + 1) * CHUNK) {
                    let start = out.bytes.len();
                    feature(&mut out.bytes, &blank, i);
                    let gap = find(&out.bytes[start..], BLANK).map_or(0, |at| start + at + GEOMETRY.len());
                    out.spans.push((gap, out.bytes.len()));
                }
                out
            })
            .collect();
        let mut out = Self {
            bytes: Vec::with_capacity(chunks.iter().map(|c| c.bytes.len()).sum()),
            spans: Vec::with_capacity(count),
            cells: (0..width).map(|_| OnceLock::new()).collect(),
        };
        for chunk in chunks {
            let base = out.bytes.len();
            out.bytes.extend_from_slice(&chunk.bytes);
            out.spans.extend(chunk.spans.iter().map(|(gap, end)| (base + gap, base + end)));
        }
        out
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// What they take in memory, once every column has been asked for.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&self.spans[..]) + self.cells.len() * self.len() * Cells::BYTES
    }

    /// A feature's bytes before and after its geometry.
    fn parts(&self, i: usize) -> (&[u8], &[u8]) {
        let start = if i == 0 { 0 } else { self.spans[i - 1].1 };
        let (gap, end) = self.spans[i];
        (&self.bytes[start..gap], &self.bytes[gap..end])
    }

    /// The JSON object of a feature's properties.
    pub(crate) fn properties(&self, i: usize) -> &[u8] {
        let (_, tail) = self.parts(i);
        let object = tail.strip_prefix(b",\"properties\":").and_then(|tail| tail.strip_suffix(b"}"));
        object.unwrap_or_default()
    }

    /// Appends a whole feature.
    pub(crate) fn push(&self, out: &mut Vec<u8>, drawing: &Drawing, i: usize) {
        let (head, tail) = self.parts(i);
        out.extend_from_slice(head);
        out.extend_from_slice(drawing.json.as_bytes());
        out.extend_from_slice(tail);
    }

    /// The values of the n-th column.
    pub(crate) fn cells(&self, n: usize, column: &Column) -> &Cells {
        self.cells[n].get_or_init(|| {
            let key = format!(",{}:", Value::from(column.name.as_str())).into_bytes();
            let chunk = |i| {
                let (_, tail) = self.parts(i);
                let span = property(tail, &key)?;
                Some((u32::try_from(span.start).ok()?, &tail[span]))
            };
            let spans: Vec<_> = (0..self.len()).into_par_iter().with_min_len(1_024).map(chunk).collect();
            Cells::read(column, spans.into_iter())
        })
    }

    /// The text that stands at a place of the i-th feature.
    pub(crate) fn text(&self, i: usize, (start, length): (u32, u32)) -> Cow<'_, str> {
        let (_, tail) = self.parts(i);
        let (start, end) = (start as usize, start as usize + length as usize);
        match std::str::from_utf8(&tail[start..end]) {
            Ok(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            _ => Cow::Owned(serde_json::from_slice(&tail[start - 1..=end]).unwrap_or_default()),
        }
    }
}

/// Where the JSON text of a property stands in the end of a feature. `key` is the name as it stands in JSON between a comma
/// and a colon, both included: no string can hold that, its quotes would be escaped.
fn property(tail: &[u8], key: &[u8]) -> Option<Range<usize>> {
    // The first property follows a brace; every key but that one is found with its comma.
    let at = find(tail, key).or_else(|| {
        let open = find(tail, b"{")?;
        tail[open + 1..].starts_with(&key[1..]).then_some(open)
    })?;
    let start = at + key.len();
    let value = &tail[start..];
    let length = if value.first() == Some(&b'"') {
        let mut escaped = false;
        let close = value[1..].iter().position(|&b| {
            let closes = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            closes
        });
        close? + 2
    } else {
        value.iter().position(|b| matches!(b, b',' | b'}'))?
    };
    Some(start..start + length)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|&b| b == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_whatever_the_strings_hold() {
        let tail = r#","properties":{"id":"a","name":"x,\"status\":\\","status":"covered","share":0.5,"reason":null}}"#;
        let texts = [format!("{{\"type\":\"Feature\",\"id\":\"\\\"geometry\\\":,\",\"geometry\":{tail}")];
        let features = Features::write(1, 0, |out, _, i| out.extend_from_slice(texts[i].as_bytes()));
        let get = |name: &str| {
            let (_, tail) = features.parts(0);
            let value = property(tail, format!(",\"{name}\":").as_bytes());
            value.map(|span| String::from_utf8(tail[span].to_vec()).unwrap())
        };
        assert_eq!(get("id").as_deref(), Some("\"a\""));
        assert_eq!(get("name").as_deref(), Some(r#""x,\"status\":\\""#));
        assert_eq!(get("status").as_deref(), Some("\"covered\""));
        assert_eq!(get("share").as_deref(), Some("0.5"));
        assert_eq!(get("reason").as_deref(), Some("null"));
        assert_eq!(get("other"), None);
        let mut whole = Vec::new();
        features.push(&mut whole, &Drawing { json: "null".into(), bbox: None }, 0);
        serde_json::from_slice::<serde_json::Value>(&whole).unwrap();
    }
}
