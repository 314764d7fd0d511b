//! What is computed once and answered from often: the study made ready to be served, and the analyses of it.
//!
//! Geometry is drawn once per study. An [`Analysis`] holds the rest of every feature as bytes, so that a page is put
//! together by copying. Analyses are kept in a cache bounded by their size; of many requests for the same one a single
//! one computes it.

use crate::Served;
use crate::circles::{Circles, CirclesKey};
use crate::collections::{Collection, Column};
use crate::problem::ApiError;
use crate::work::Workers;
use carecircle_core::coverage::{BlockStatus, Coverage, Verdict, Walkers};
use carecircle_core::facility::Eligibility;
use carecircle_core::isochrone;
use carecircle_core::network::EdgeId;
use carecircle_core::opening::Openings;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::search::Search;
use carecircle_core::study::Study;
use carecircle_formats::geojson::{self, Drawing, Drawings};
use carecircle_formats::profile;
use geo::{BoundingRect, Coord, MultiPoint, MultiPolygon, Rect};
use moka::policy::EvictionPolicy;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A study ready to be served: drawn, indexed, with its own caches. Requests see one snapshot from beginning to end.
pub(crate) struct Snapshot {
    pub(crate) served: Arc<Served>,
    pub(crate) drawings: Drawings,
    ids: [BTreeMap<String, usize>; 3],
    columns: [Vec<Column>; 4],
    /// The box around all that a circle can reach.
    circles_extent: Option<[f64; 4]>,
    analyses: moka::future::Cache<AnalysisKey, Arc<Analysis>>,
    pub(crate) circles: moka::future::Cache<CirclesKey, Arc<Circles>>,
    /// About as much memory as circles may take.
    pub(crate) circle_bytes: usize,
    /// Finished bodies by everything that decides them.
    pub(crate) answers: moka::sync::Cache<String, axum::body::Bytes>,
    /// By all numbers of their profile, as text.
    walkers: moka::sync::Cache<String, Arc<Walkers>>,
    searches: Mutex<Vec<Search>>,
}

/// Each takes about as much memory as the network itself.
const PROFILES_KEPT: u64 = 8;

/// Where a collection's features come from: gaps are blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Blocks,
    Facilities,
    Areas,
}

impl Snapshot {
    /// Draws and indexes a study. A quarter of `cache_bytes` is for finished answers, another for circles, the rest for
    /// analyses.
    pub(crate) fn new(served: Arc<Served>, cache_bytes: u64) -> Self {
        let study = &served.study;
        let drawings = Drawings::new(study);
        let index = |ids: &mut dyn Iterator<Item = &String>| {
            let mut index = BTreeMap::new();
            for (i, id) in ids.enumerate() {
                index.entry(id.clone()).or_insert(i);
            }
            index
        };
        let ids = [
            index(&mut study.demand().blocks.iter().map(|b| &b.id)),
            index(&mut study.facilities().iter().map(|f| &f.facility.id)),
            index(&mut study.areas().all().iter().map(|a| &a.id)),
        ];
        let columns = [
            Column::of(&Column::BLOCKS, study.demand().blocks.iter().map(|b| &b.other)),
            Column::of(&Column::FACILITIES, study.facilities().iter().map(|f| &f.facility.other)),
            Column::of(&Column::AREAS, study.areas().all().iter().map(|a| &a.other)),
            Column::of(&Column::CIRCLES, std::iter::empty()),
        ];
        // Least recently used goes first: what was asked for once is answered from the cache the second time, however
        // popular the others are.
        let analyses = moka::future::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 2 / 1024)
            .weigher(|_, analysis: &Arc<Analysis>| u32::try_from(analysis.bytes / 1024 + 1).unwrap_or(u32::MAX))
            .build();
        let circles = moka::future::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 4 / 1024)
            .weigher(|_, circles: &Arc<Circles>| u32::try_from(circles.bytes / 1024 + 1).unwrap_or(u32::MAX))
            .build();
        let answers = moka::sync::Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(cache_bytes / 4)
            .weigher(|key: &String, body: &axum::body::Bytes| u32::try_from(key.len() + body.len()).unwrap_or(u32::MAX))
            .build();
        Self {
            drawings,
            ids,
            columns,
            circles_extent: circles_extent(study),
            analyses,
            circles,
            circle_bytes: usize::try_from(cache_bytes / 4).unwrap_or(usize::MAX),
            answers,
            walkers: moka::sync::Cache::new(PROFILES_KEPT),
            searches: Mutex::new(Vec::new()),
            served,
        }
    }

    /// The drawings of a layer, in the order of its features.
    pub(crate) fn drawings_of(&self, layer: Layer) -> &[Drawing] {
        match layer {
            Layer::Blocks => &self.drawings.blocks,
            Layer::Facilities => &self.drawings.facilities,
            Layer::Areas => &self.drawings.areas,
        }
    }

    /// The place of the feature of that id.
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
        let boxes = self.drawings_of(layer).iter().filter_map(|d| d.bbox);
        boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
    }

    /// The analysis by a policy, and whether it was there already.
    pub(crate) async fn analysis(
        self: &Arc<Self>,
        workers: &Workers,
        policy: Policy,
    ) -> Result<(Arc<Analysis>, bool), ApiError> {
        let (snapshot, key) = (Arc::clone(self), AnalysisKey::new(&policy));
        kept(&self.analyses, workers, key, move || Ok(Analysis::new(&snapshot, &policy))).await
    }

    /// Who walks by a profile. The last are kept: most requests come with the same.
    pub(crate) fn walkers(&self, profile: &Profile) -> Arc<Walkers> {
        self.walkers.get_with(format!("{profile:?}"), || Arc::new(Walkers::new(&self.served.study, profile)))
    }

    /// Gets to know in advance who walks by the profiles that a query may name.
    pub(crate) fn prepare(&self) {
        for profile in profile::NAMES.iter().filter_map(|name| profile::named(name)) {
            self.walkers(&profile).prepare(&self.served.study);
        }
    }

    /// About how many bytes its caches hold.
    pub(crate) fn kept_bytes(&self) -> [(&'static str, u64); 3] {
        let (analyses, circles) = (self.analyses.weighted_size(), self.circles.weighted_size());
        [("answers", self.answers.weighted_size()), ("analyses", analyses << 10), ("circles", circles << 10)]
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
    let edges = 0..network.edges().len() as u32;
    let streets = edges.flat_map(|edge| network.geometry(EdgeId(edge)).map(|(at, _)| at));
    let places: MultiPoint<f64> = streets.chain(study.facilities().iter().map(|f| f.at)).collect();
    let around = places.bounding_rect()?;
    let margin = Coord { x: 1.0, y: 1.0 } * (2.0 * isochrone::Drawing::DEPTH_M.end());
    let around = Rect::new(around.min() - margin, around.max() + margin);
    Drawing::shape(network.projection(), &MultiPolygon(vec![around.to_polygon()])).bbox
}

/// What an analysis depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AnalysisKey {
    /// The policy's name tells all that no parameter changes.
    policy: String,
    minutes: u64,
    /// All numbers of the profile, as text.
    profile: String,
    what_if_gates: bool,
    eligibility: Eligibility,
}

impl AnalysisKey {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
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
        let layers = [
            Features::write(study.demand().blocks.len(), |out, blank, i| {
                geojson::block_feature(out, study, &coverage, blank, i);
            }),
            Features::write(study.facilities().len(), |out, blank, i| {
                geojson::facility_feature(out, study, &coverage, blank, i);
            }),
            Features::write(study.areas().all().len(), |out, blank, i| {
                geojson::area_feature(out, study, &coverage, blank, i);
            }),
        ];
        // What opening gates does stands in the features.
        coverage.openings = Openings::default();
        let is_gap = |(i, verdict): (usize, &Verdict)| (verdict.status != BlockStatus::Covered).then_some(i);
        let gaps: Vec<usize> = coverage.verdicts.iter().enumerate().filter_map(is_gap).collect();
        let bytes = layers.iter().map(Features::bytes).sum::<usize>()
            + size_of_val(&gaps[..])
            + size_of_val(&coverage.verdicts[..])
            + size_of_val(&coverage.areas[..])
            + coverage.eligible.len();
        Self { coverage, layers, gaps, bytes }
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
}

/// Where a feature written with a blank drawing wants its geometry. No id can hold this: its quotes would be escaped.
const GEOMETRY: &[u8] = b"\"geometry\":";
const BLANK: &[u8] = b"\"geometry\":,";

impl Features {
    /// Writes so many features, each with a blank for its geometry.
    pub(crate) fn write(count: usize, feature: impl Fn(&mut Vec<u8>, &Drawing, usize) + Sync) -> Self {
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

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&self.spans[..])
    }

    /// A feature's bytes before and after its geometry.
    fn parts(&self, i: usize) -> (&[u8], &[u8]) {
        let start = if i == 0 { 0 } else { self.spans[i - 1].1 };
        let (gap, end) = self.spans[i];
        (&self.bytes[start..gap], &self.bytes[gap..end])
    }

    /// Appends a whole feature.
    pub(crate) fn push(&self, out: &mut Vec<u8>, drawing: &Drawing, i: usize) {
        let (head, tail) = self.parts(i);
        out.extend_from_slice(head);
        out.extend_from_slice(drawing.json.as_bytes());
        out.extend_from_slice(tail);
    }

    /// The JSON text of a property. `key` is the name as it stands in JSON between a comma and a colon, both included:
    /// no string can hold that, its quotes would be escaped.
    pub(crate) fn property(&self, i: usize, key: &[u8]) -> Option<&[u8]> {
        let (_, tail) = self.parts(i);
        // The first property follows a brace; every key but that one is found with its comma.
        let at = find(tail, key).or_else(|| {
            let open = find(tail, b"{")?;
            tail[open + 1..].starts_with(&key[1..]).then_some(open)
        })?;
        let value = &tail[at + key.len()..];
        let end = if value.first() == Some(&b'"') {
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
        Some(&value[..end])
    }
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
        let features = Features::write(1, |out, _, i| out.extend_from_slice(texts[i].as_bytes()));
        let get = |name: &str| {
            let value = features.property(0, format!(",\"{name}\":").as_bytes());
            value.map(|v| String::from_utf8(v.to_vec()).unwrap())
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
