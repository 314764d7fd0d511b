//! Vector tiles of the collections and of the streets: OGC API Tiles, and TileJSON.
//!
//! Shapes are laid on the grid of the world once per study, whatever is asked (see [`sheet`]); properties come from the
//! analysis asked for. A finished tile is kept compressed under a small key, and one that is there is answered with before
//! any route is looked for: see [`kept_tile`].

mod documents;
mod sheet;
mod streets;

use crate::Served;
use crate::analysis::{Analysis, Layer, Snapshot, around, joined, kept};
use crate::app::{App, bad_path};
use crate::circles::{self, Circles};
use crate::collections::Collection;
use crate::isochrones::{self, Isochrones};
use crate::mvt::{Columns, Kind, Layer as Writer};
use crate::problem::{ApiError, shortened};
use crate::query::{Query, named};
use crate::reply::{Media, Timing, fnv1a, gzipped, matches, names_any, takes_gzip};
use crate::work::Workers;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use carecircle_core::demand::Outline;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::Network;
use carecircle_core::policy::Policy;
use carecircle_core::street::Rank;
use carecircle_core::study::Study;
use carecircle_formats::geojson::Drawings;
use moka::policy::EvictionPolicy;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) use documents::{CONFORMANCE, add_schemas, link_to_schemes, link_to_tilesets, paths, streets};
pub(crate) use sheet::Sheet;
use sheet::{Draft, Limits, MAX_ZOOM, TileId, on_world};
use streets::{NEAR_FROM, StreetSheet, shown_from};

/// The one tiling scheme: EPSG:3857, each zoom twice as fine, rows from the north.
const SCHEME: &str = "WebMercatorQuad";

/// What a tile that is kept takes beside its body, and the tiles of a question beside its text.
const ENTRY: usize = 256;
const SET_ENTRY: usize = 2_048;

/// The id of the streets, which are a collection of tiles alone.
pub(crate) const STREETS: &str = "streets";

/// A layer of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TileLayer {
    Of(Collection),
    Streets,
    /// Around one place, by which its tiles stand alone: no other layer knows of a place, nor of more limits than one.
    Isochrones,
}

impl TileLayer {
    /// Every layer, as they follow each other in a tile.
    pub(crate) const ALL: [Self; 7] = [
        Self::Of(Collection::Blocks),
        Self::Of(Collection::Gaps),
        Self::Of(Collection::Facilities),
        Self::Of(Collection::Areas),
        Self::Of(Collection::Circles),
        Self::Streets,
        Self::Isochrones,
    ];

    fn id(self) -> &'static str {
        match self {
            Self::Of(collection) => collection.id(),
            Self::Streets => STREETS,
            Self::Isochrones => "isochrones",
        }
    }

    /// What it is a layer of: under this path stand its tilesets.
    fn path(self) -> String {
        match self {
            Self::Isochrones => "/isochrones".to_owned(),
            Self::Of(_) | Self::Streets => format!("/collections/{}", self.id()),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Of(collection) => collection.title(),
            Self::Streets => "Streets to walk on 步行道路",
            Self::Isochrones => "Isochrones around a place 步行等时圈",
        }
    }

    fn first_zoom(self) -> u8 {
        if self == Self::Streets { shown_from(Rank::Primary) } else { 0 }
    }
}

/// Some of the layers, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layers(u8);

impl Layers {
    /// What the tiles of the whole show: all but gaps, which blocks show already.
    const WHOLE: Self = Self(0b11_1101);

    /// All that may stand together.
    const ANY: Self = Self(0b11_1111);
    /// Isochrones, which stand alone.
    const ISOCHRONES: Self = Self(0b100_0000);

    fn of(layer: TileLayer) -> Self {
        Self(TileLayer::ALL.iter().zip(0..).filter(|(own, _)| **own == layer).map(|(_, place)| 1 << place).sum())
    }

    fn named(list: &str) -> Option<Self> {
        let layers = list.split(',').try_fold(Self(0), |layers, name| {
            let layer = TileLayer::ALL.into_iter().find(|layer| layer.id() == name)?;
            Some(Self(layers.0 | Self::of(layer).0))
        });
        layers.filter(|layers| !layers.has(TileLayer::Isochrones) || *layers == Self::ISOCHRONES)
    }

    fn asked(list: &str) -> Result<Self, ApiError> {
        Self::named(list).ok_or_else(|| {
            let (list, ids) = (shortened(list), Self::ANY.names().replace(',', ", "));
            ApiError::not_found(format!(
                "there are no layers \"{list}\": name one or some of {ids}, or isochrones alone"
            ))
        })
    }

    fn iter(self) -> impl Iterator<Item = TileLayer> {
        TileLayer::ALL.into_iter().enumerate().filter(move |(i, _)| self.0 >> i & 1 == 1).map(|(_, layer)| layer)
    }

    fn names(self) -> String {
        self.iter().map(TileLayer::id).collect::<Vec<_>>().join(",")
    }

    fn has(self, layer: TileLayer) -> bool {
        self.0 & Self::of(layer).0 != 0
    }

    /// The parameters by which its features are computed.
    fn parameters(self) -> Vec<&'static str> {
        if self == Self::ISOCHRONES {
            return isochrones::Question::names().collect();
        }
        let collections = self.iter().filter_map(|layer| match layer {
            TileLayer::Of(collection) => Some(collection),
            TileLayer::Streets | TileLayer::Isochrones => None,
        });
        // Only circles have some of their own, and they know all others as well.
        collections.map(|c| c.parameters().collect::<Vec<_>>()).max_by_key(Vec::len).unwrap_or_default()
    }
}

/// The tiles of some layers for one question.
struct Tileset {
    /// By which its tiles are known while they are kept.
    number: u64,
    layers: Layers,
    /// The question in canonical form, with `?` before it; empty where nothing is asked but what the service answers by
    /// itself.
    query: String,
    policy: Policy,
    circles: Option<circles::Question>,
    isochrones: Option<isochrones::Question>,
    /// West, south, east, north in degrees.
    extent: [f64; 4],
    /// From the first zoom on.
    limits: Vec<Limits>,
}

impl Tileset {
    fn first_zoom(&self) -> u8 {
        self.layers.iter().map(TileLayer::first_zoom).min().unwrap_or_default()
    }

    fn holds(&self, tile: TileId) -> bool {
        let level = tile.zoom.checked_sub(self.first_zoom());
        level.and_then(|level| self.limits.get(usize::from(level))).is_some_and(|limits| limits.hold(tile))
    }

    /// The box around what its tiles show, as far as it is known without cutting them.
    async fn bounds(&self, snapshot: &Arc<Snapshot>, workers: &Workers) -> Result<[f64; 4], ApiError> {
        let Some(question) = &self.isochrones else { return Ok(self.extent) };
        let (isochrones, _) = snapshot.isochrones_of(workers, question.clone()).await?;
        Ok(isochrones.extent().unwrap_or(self.extent))
    }

    /// The tag of a tile: as of every answer, made of the revision and the question, not of the body.
    fn etag(&self, served: &Served, tile: TileId, gzip: bool) -> HeaderValue {
        let TileId { zoom, x, y } = tile;
        let (version, revision, layers, query) =
            (env!("CARGO_PKG_VERSION"), &served.revision, self.layers.names(), &self.query);
        let question = format!("{version} {revision} /tiles/{layers}/{zoom}/{x}/{y}{query}");
        let suffix = if gzip { "-gzip" } else { "" };
        let tag = format!("\"{:032x}{suffix}\"", fnv1a(question.as_bytes()));
        HeaderValue::from_str(&tag).expect("digits and letters are a header")
    }

    /// What its features are computed by, computed; and whether all of it was there.
    async fn find(&self, snapshot: &Arc<Snapshot>, workers: &Workers) -> Result<(Found, bool), ApiError> {
        let mut found = Found::default();
        let mut hits = [true; 3];
        let is_analysed = |layer| matches!(layer, TileLayer::Of(collection) if collection != Collection::Circles);
        if self.layers.iter().any(is_analysed) {
            let (analysis, hit) = snapshot.analysis(workers, self.policy.clone()).await?;
            (found.analysis, hits[0]) = (Some(analysis), hit);
        }
        if let Some(question) = &self.circles {
            let (circles, hit) = snapshot.circles_of(workers, question.clone()).await?;
            (found.circles, hits[1]) = (Some(circles), hit);
        }
        if let Some(question) = &self.isochrones {
            let (isochrones, hit) = snapshot.isochrones_of(workers, question.clone()).await?;
            (found.isochrones, hits[2]) = (Some(isochrones), hit);
        }
        Ok((found, hits == [true; 3]))
    }

    /// The bytes of a tile: its layers one after another.
    fn write(&self, snapshot: &Snapshot, found: &Found, tile: TileId) -> Vec<u8> {
        let mut out = Vec::new();
        for layer in self.layers.iter() {
            let name = layer.id();
            let draw = |sheet: &Sheet, columns: &Columns, wanted: &dyn Fn(usize) -> bool, out: &mut Vec<u8>| {
                let mut writer = Writer::new(name, columns);
                sheet.cut(tile, wanted, |i, kind, pen| writer.push(i, kind, pen));
                writer.finish(out);
            };
            match layer {
                TileLayer::Of(Collection::Circles) => {
                    let Some(circles) = &found.circles else { continue };
                    let (sheet, columns) = circles.in_tiles(snapshot);
                    draw(sheet, columns, &|_| true, &mut out);
                }
                TileLayer::Isochrones => {
                    let Some(isochrones) = &found.isochrones else { continue };
                    let (sheet, columns) = isochrones.in_tiles(snapshot);
                    draw(sheet, columns, &|_| true, &mut out);
                }
                TileLayer::Of(collection) => {
                    let (Some(analysis), Some(layer)) = (&found.analysis, collection.layer()) else { continue };
                    let columns = analysis.in_tiles(layer, snapshot.columns(collection));
                    let is_gap = |i: usize| analysis.gaps.binary_search(&i).is_ok();
                    let wanted = |i: usize| collection != Collection::Gaps || is_gap(i);
                    draw(snapshot.tiles.sheet(snapshot, layer), columns, &wanted, &mut out);
                }
                TileLayer::Streets => {
                    let StreetSheet { sheet, columns, from } = snapshot.tiles.streets(snapshot, tile.zoom);
                    draw(sheet, columns, &|i| tile.zoom >= from[i], &mut out);
                }
            }
        }
        out
    }
}

/// What the features of a tile are computed by.
#[derive(Default)]
struct Found {
    analysis: Option<Arc<Analysis>>,
    circles: Option<Arc<Circles>>,
    isochrones: Option<Arc<Isochrones>>,
}

/// Which tile of which question, and how it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    number: u64,
    tile: TileId,
    gzip: bool,
}

/// A tile as it is sent.
struct Ready {
    body: Bytes,
    etag: HeaderValue,
    gzip: bool,
}

impl Ready {
    /// The response; only that it is there already, where the client has it.
    fn respond(&self, headers: &HeaderMap, timing: Timing) -> Response {
        let is_known =
            headers.contains_key(IF_NONE_MATCH) && self.etag.to_str().is_ok_and(|etag| matches(headers, etag));
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.body.clone()) });
        response.extensions_mut().insert(timing);
        let out = response.headers_mut();
        out.reserve(16);
        if !is_known {
            out.insert(CONTENT_TYPE, HeaderValue::from_static(Media::Tile.name()));
            out.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            if self.gzip && !self.body.is_empty() {
                out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        out.insert(ETAG, self.etag.clone());
        // What is shown may be a minute old after a study was read anew.
        out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, must-revalidate"));
        out.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    }
}

/// What is kept of tiles for a study; but for its own sets and sheets together with other facilities' of the same study.
pub(crate) struct Tiles {
    kept: moka::future::Cache<Key, Arc<Ready>>,
    /// By layers and question, as it was spelt and in canonical form. Questions that are let go are numbered anew.
    sets: moka::sync::Cache<String, Arc<Tileset>>,
    /// By their layers, for the question of the service itself. A set of none stands first.
    plain: Vec<Arc<Tileset>>,
    numbered: Arc<AtomicU64>,
    sheets: [Arc<OnceLock<Sheet>>; 3],
    /// As they are seen from afar, and near by.
    streets: [Arc<OnceLock<StreetSheet>>; 2],
}

impl Tiles {
    pub(crate) fn new(served: &Served, drawings: &Drawings, circles: Option<[f64; 4]>, cache_bytes: u64) -> Self {
        let plain = plain_sets(served, drawings, circles);
        Self {
            kept: moka::future::Cache::builder()
                .eviction_policy(EvictionPolicy::lru())
                .max_capacity(cache_bytes / 8 * 7)
                .weigher(|_, tile: &Arc<Ready>| u32::try_from(tile.body.len() + ENTRY).unwrap_or(u32::MAX))
                .build(),
            sets: moka::sync::Cache::builder()
                .eviction_policy(EvictionPolicy::lru())
                .max_capacity(cache_bytes / 8)
                .weigher(|question: &String, set: &Arc<Tileset>| {
                    u32::try_from(question.len() + set.query.len() + SET_ENTRY).unwrap_or(u32::MAX)
                })
                .build(),
            numbered: Arc::new(AtomicU64::new(plain.len() as u64)),
            plain,
            sheets: Default::default(),
            streets: Default::default(),
        }
    }

    /// Those of the same study with the facilities of a scenario, which every question names.
    pub(crate) fn with_other_facilities(
        &self,
        served: &Served,
        drawings: &Drawings,
        circles: Option<[f64; 4]>,
    ) -> Self {
        let mut sheets = self.sheets.clone();
        sheets[Layer::Facilities as usize] = Arc::default();
        Self {
            kept: self.kept.clone(),
            sets: self.sets.clone(),
            plain: plain_sets(served, drawings, circles),
            numbered: Arc::clone(&self.numbered),
            sheets,
            streets: self.streets.clone(),
        }
    }

    /// The tiles of layers for the question that a query asks, beside `f`.
    fn set(&self, snapshot: &Snapshot, layers: Layers, raw: Option<&str>, f: &str) -> Result<Arc<Tileset>, ApiError> {
        let plain = || Arc::clone(&self.plain[usize::from(layers.0)]);
        let has_plain = layers != Layers::ISOCHRONES;
        let raw = raw.unwrap_or_default();
        if raw.is_empty() && has_plain {
            return Ok(plain());
        }
        let spelling = format!("{f} {}?{raw}", layers.0);
        if let Some(set) = self.sets.get(&spelling) {
            return Ok(set);
        }
        let mut names = layers.parameters();
        names.push("f");
        let mut query = Query::parse(Some(raw), &names)?;
        query.word("f", &[f])?;
        let mut policy = snapshot.served.policy.clone();
        let (mut circles, mut isochrones) = (None, None);
        if layers == Layers::ISOCHRONES {
            isochrones = Some(isochrones::Question::read(&mut query, snapshot)?);
        } else {
            policy = query.policy(&policy)?;
        }
        if layers.has(TileLayer::Of(Collection::Circles)) {
            circles = Some(circles::Question::read(&mut query, policy.clone())?);
        }
        let canonical = query.with(&[("f", None)]);
        if canonical.is_empty() {
            return Ok(plain());
        }
        let set = self.sets.get_with(format!("{}{canonical}", layers.0), || {
            let Tileset { extent, limits, .. } = &*plain();
            let number = self.numbered.fetch_add(1, Ordering::Relaxed);
            let (extent, limits) = (*extent, limits.clone());
            Arc::new(Tileset { number, layers, query: canonical.clone(), policy, circles, isochrones, extent, limits })
        });
        self.sets.insert(spelling, Arc::clone(&set));
        Ok(set)
    }

    /// About how many bytes are kept of tiles, and of the questions that they are known by.
    pub(crate) async fn kept_bytes(&self) -> u64 {
        self.kept.run_pending_tasks().await;
        self.sets.run_pending_tasks();
        self.kept.weighted_size() + self.sets.weighted_size()
    }

    /// The box around the tiles of a layer.
    fn extent(&self, layer: TileLayer) -> [f64; 4] {
        self.plain[usize::from(Layers::of(layer).0)].extent
    }

    fn sheet(&self, snapshot: &Snapshot, layer: Layer) -> &Sheet {
        let study = &snapshot.served.study;
        self.sheets[layer as usize].get_or_init(|| sheet_of(study, layer))
    }

    fn streets(&self, snapshot: &Snapshot, zoom: u8) -> &StreetSheet {
        let (network, [far, near]) = (snapshot.served.study.network(), &self.streets);
        if zoom < NEAR_FROM {
            far.get_or_init(|| StreetSheet::far(network))
        } else {
            near.get_or_init(|| StreetSheet::near(network))
        }
    }
}

/// The tiles of every choice of layers, for the question of the service itself.
fn plain_sets(served: &Served, drawings: &Drawings, circles: Option<[f64; 4]>) -> Vec<Arc<Tileset>> {
    let blocks = around(&drawings.blocks);
    let extents = [
        blocks,
        blocks,
        around(&drawings.facilities),
        around(&drawings.areas),
        circles,
        extent_of(served.study.network()),
        // As far as anybody can walk.
        circles,
    ];
    let of = |layers: u8| {
        let own = (0..extents.len()).filter(|i| layers >> i & 1 == 1).filter_map(|i| extents[i]).reduce(joined);
        // Where a layer is empty its tiles are, all over the study; and with nothing at all, the world's.
        own.or_else(|| extents.into_iter().flatten().reduce(joined)).unwrap_or([-180.0, -85.0, 180.0, 85.0])
    };
    let plain = (0..1 << TileLayer::ALL.len()).map(|layers| {
        let (extent, layers) = (of(layers), Layers(layers));
        let circles = layers.has(TileLayer::Of(Collection::Circles));
        let mut set = Tileset {
            number: u64::from(layers.0),
            layers,
            query: String::new(),
            policy: served.policy.clone(),
            circles: circles.then(|| circles::Question::plain(&served.policy)),
            isochrones: None,
            extent,
            limits: Vec::new(),
        };
        set.limits = (set.first_zoom()..=MAX_ZOOM).map(|zoom| Limits::of(extent, zoom)).collect();
        Arc::new(set)
    });
    plain.collect()
}

/// The box around all streets: that of the plan, whose sides are bent on the globe.
fn extent_of(network: &Network) -> Option<[f64; 4]> {
    const STEPS: i32 = 64;
    const MARGIN_M: f64 = 10.0;
    let (low, high) = network.bounds()?;
    let around = [low.x - MARGIN_M, low.y - MARGIN_M, high.x + MARGIN_M, high.y + MARGIN_M];
    let on_sides = |step: i32| {
        let part = f64::from(step) / f64::from(STEPS);
        let [west, south, east, north] = around;
        let (x, y) = (west + part * (east - west), south + part * (north - south));
        [Point { x, y: south }, Point { x, y: north }, Point { x: west, y }, Point { x: east, y }]
    };
    let degrees = (0..=STEPS).flat_map(on_sides).map(|at| network.projection().unproject(at));
    degrees.map(|(lon, lat)| [lon, lat, lon, lat]).reduce(joined)
}

fn sheet_of(study: &Study, layer: Layer) -> Sheet {
    let projection = study.network().projection();
    let place = |feature: u32, at: LonLat| Draft {
        feature,
        kind: Kind::Point,
        rings: vec![vec![on_world(at.lon(), at.lat())]],
    };
    match layer {
        Layer::Facilities => {
            Sheet::new(study.facilities().iter().zip(0..).map(|(f, i)| place(i, f.facility.at)).collect())
        }
        Layer::Areas => {
            let areas = study.areas();
            Sheet::of_shapes(projection, (0..areas.all().len()).map(|i| (i, areas.shape(i))))
        }
        Layer::Blocks => Sheet::new(
            study
                .demand()
                .blocks
                .iter()
                .zip(0..)
                .flat_map(|(block, i)| match &block.outline {
                    Outline::Shape(shape) => Sheet::drafts(projection, i, shape),
                    Outline::Point(at) => {
                        let (lon, lat) = projection.unproject(*at);
                        LonLat::from_degrees(lon, lat).map(|at| place(i, at)).into_iter().collect()
                    }
                })
                .collect(),
        ),
    }
}

type Answered = Result<Response, ApiError>;
type Steps<T> = Result<Path<T>, PathRejection>;

/// The routes of tiles and of the documents about them.
pub(crate) fn routes() -> Router<Arc<App>> {
    let scheme_first = "/collections/{c}/tiles/{tms}/{z}/{y}/{x}";
    documents::routes()
        .route(
            scheme_first,
            get(async |State(app), path: Steps<(String, String, String, String, String)>, parts: Parts| {
                let Path((layer, scheme, z, y, x)) = path.map_err(bad_path)?;
                let layers = one_layer(&layer)?;
                check_scheme(&scheme)?;
                tile(&app, &parts, layers, tile_id([&z, &x, &y])?).await
            }),
        )
        .route(
            "/isochrones/tiles/{tms}/{z}/{y}/{x}",
            get(async |State(app), path: Steps<(String, String, String, String)>, parts: Parts| {
                let Path((scheme, z, y, x)) = path.map_err(bad_path)?;
                check_scheme(&scheme)?;
                tile(&app, &parts, Layers::ISOCHRONES, tile_id([&z, &x, &y])?).await
            }),
        )
        .route(
            "/tiles/WebMercatorQuad/{z}/{y}/{x}",
            get(async |State(app), path: Steps<(String, String, String)>, parts: Parts| {
                let Path((z, y, x)) = path.map_err(bad_path)?;
                tile(&app, &parts, Layers::WHOLE, tile_id([&z, &x, &y])?).await
            }),
        )
        .route(
            "/tiles/{layers}/{z}/{x}/{y}",
            get(async |State(app), path: Steps<(String, String, String, String)>, parts: Parts| {
                let Path((layers, z, x, y)) = path.map_err(bad_path)?;
                tile(&app, &parts, Layers::asked(&layers)?, tile_id([&z, &x, &y])?).await
            }),
        )
}

fn one_layer(id: &str) -> Result<Layers, ApiError> {
    let named = if id.contains(',') { None } else { Layers::named(id) };
    named.filter(|named| *named != Layers::ISOCHRONES).ok_or_else(|| {
        let ids = Layers::ANY.names().replace(',', ", ");
        ApiError::not_found(format!("there are no tiles of \"{}\": there are those of {ids}", shortened(id)))
    })
}

fn check_scheme(id: &str) -> Result<(), ApiError> {
    if id == SCHEME {
        return Ok(());
    }
    Err(ApiError::not_found(format!("there is no tile matrix set \"{}\": there is {SCHEME}", shortened(id))))
}

/// The tile of a zoom, column and row, as they stand in a path.
fn read_tile([zoom, x, y]: [&str; 3]) -> Option<TileId> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let zoom = u8::try_from(number(zoom)?).ok().filter(|zoom| *zoom <= MAX_ZOOM)?;
    Some(TileId { zoom, x: number(x)?, y: number(y)? })
}

fn tile_id(steps: [&str; 3]) -> Result<TileId, ApiError> {
    read_tile(steps).ok_or_else(|| {
        let [zoom, x, y] = steps.map(shortened);
        ApiError::not_found(format!(
            "there is no tile of zoom {zoom}, column {x}, row {y}: zooms go from 0 to {MAX_ZOOM}, and all three are whole \
             numbers"
        ))
    })
}

/// The layers and the tile that a path asks for, if it is one of a tile in its plainest form.
fn address(path: &str) -> Option<(Layers, TileId)> {
    let mut steps = path.strip_prefix('/')?.split('/');
    let (layers, by_row) = match (steps.next()?, steps.next()?) {
        ("tiles", SCHEME) => (Layers::WHOLE, true),
        ("isochrones", "tiles") if steps.next()? == SCHEME => (Layers::ISOCHRONES, true),
        ("tiles", layers) => (Layers::named(layers)?, false),
        ("collections", layer) if (steps.next()?, steps.next()?) == ("tiles", SCHEME) => (one_layer(layer).ok()?, true),
        _ => return None,
    };
    let (zoom, second, third) = (steps.next()?, steps.next()?, steps.next()?);
    if steps.next().is_some() {
        return None;
    }
    let (x, y) = if by_row { (third, second) } else { (second, third) };
    Some((layers, read_tile([zoom, x, y])?))
}

/// A tile that is kept, without looking for its route.
pub(crate) async fn kept_tile(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let (layers, tile) = address(uri.path())?;
    if named(uri.query(), "scenario").is_some() {
        // It may be forgotten.
        return None;
    }
    let snapshot = app.snapshot();
    let tiles = &snapshot.tiles;
    let number = match uri.query().filter(|raw| !raw.is_empty()) {
        None => u64::from(layers.0),
        Some(raw) => tiles.sets.get(&format!("mvt {}?{raw}", layers.0))?.number,
    };
    let key = Key { number, tile, gzip: takes_gzip(headers) };
    let ready = tiles.kept.get(&key).await?;
    Some(ready.respond(headers, Timing::of(true, Duration::ZERO)))
}

/// A tile, made where it isn't kept.
async fn tile(app: &Arc<App>, parts: &Parts, layers: Layers, tile: TileId) -> Answered {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(parts).await?;
    let set = snapshot.tiles.set(&snapshot, layers, parts.uri.query(), "mvt")?;
    if !set.holds(tile) {
        let (from, [west, south, east, north]) = (set.first_zoom(), set.extent);
        return Err(ApiError::not_found(format!(
            "this tile lies outside of {}: they go from zoom {from} to {MAX_ZOOM}, from {west} to {east} degrees east and \
             from {south} to {north} degrees north",
            set.layers.names()
        )));
    }
    let gzip = takes_gzip(&parts.headers);
    let etag = set.etag(&snapshot.served, tile, gzip);
    // Around a place there may be none.
    let is_there = set.isochrones.is_none() || !names_any(&parts.headers);
    if is_there
        && parts.headers.contains_key(IF_NONE_MATCH)
        && etag.to_str().is_ok_and(|etag| matches(&parts.headers, etag))
    {
        let known = Ready { body: Bytes::new(), etag, gzip };
        return Ok(known.respond(&parts.headers, Timing::default()));
    }
    let (found, was_there) = set.find(&snapshot, &app.workers).await?;
    let key = Key { number: set.number, tile, gzip };
    let write = {
        let snapshot = Arc::clone(&snapshot);
        move || {
            let bytes = set.write(&snapshot, &found, tile);
            let bytes = if gzip && !bytes.is_empty() { gzipped(&bytes) } else { bytes };
            Ok(Ready { body: Bytes::from(bytes.into_boxed_slice()), etag, gzip })
        }
    };
    let (ready, hit) = kept(&snapshot.tiles.kept, &app.cutters, key, write).await?;
    Ok(ready.respond(&parts.headers, Timing::of(hit || was_there, begun.elapsed())))
}
