//! What there is of tiles, told to clients: tilesets and the tiling scheme (OGC API Tiles, Two Dimensional Tile Matrix Set
//! 2.0), TileJSON 3.0 for map libraries, and the operations for the API document.

use super::sheet::{MAX_ZOOM, THIN_BELOW};
use super::streets::STREET_PROPERTIES;
use super::{Answered, Layers, SCHEME, Steps, TileLayer, Tileset, bad_path, check_scheme, one_layer};
use crate::analysis::Snapshot;
use crate::app::App;
use crate::collections::{CRS84, Collection, ColumnType, license, link};
use crate::isochrones;
use crate::openapi::{content, forms, in_path, operation, parameter, with_page};
use crate::problem::ApiError;
use crate::reply::{Media, Reply};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use carecircle_formats::geojson;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The OGC conformance classes of tiles.
pub(crate) const CONFORMANCE: [&str; 9] = [
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
];

const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
const TILING_SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";
const TILING_SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const SCHEME_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
const WEB_MERCATOR: &str = "http://www.opengis.net/def/crs/EPSG/0/3857";

/// Half the side of the world in Web Mercator, metres.
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;

/// The link to a list of tilesets.
pub(crate) fn link_to_tilesets(href: &str) -> Value {
    link(TILESETS, Media::Json, "Vector tiles", href)
}

/// The description of the streets as a collection: it has no items, but tiles.
pub(crate) fn streets(snapshot: &Snapshot, base: &str) -> Value {
    let here = format!("{base}/collections/{}", TileLayer::Streets.id());
    let extent = snapshot.tiles.extent(TileLayer::Streets);
    json!({
        "id": TileLayer::Streets.id(),
        "title": TileLayer::Streets.title(),
        "description": TileLayer::Streets.description(),
        "dataType": "vector",
        "crs": [CRS84],
        "attribution": geojson::ATTRIBUTION,
        "links": [
            link("self", Media::Json, "This collection", here.clone()),
            link("alternate", Media::Html, "This collection, as a page", format!("{here}?f=html")),
            link_to_tilesets(&format!("{here}/tiles")),
            link("describedby", Media::Json, "TileJSON", format!("{base}/tiles/{}", TileLayer::Streets.id())),
            license(),
        ],
        "extent": { "spatial": { "bbox": [extent], "crs": CRS84 } },
    })
}

/// The routes of the documents about tiles.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/tiles", get(async |State(app), parts| list(&app, &parts, Layers::WHOLE, "/tiles").await))
        .route(
            "/tiles/{layers}",
            get(async |State(app), path: Steps<String>, parts| {
                let Path(name) = path.map_err(bad_path)?;
                if name == SCHEME {
                    return tileset(&app, &parts, Layers::WHOLE, "/tiles").await;
                }
                tilejson(&app, &parts, Layers::asked(&name)?).await
            }),
        )
        .route(
            "/collections/{c}/tiles",
            get(async |State(app), path: Steps<String>, parts| {
                let Path(layer) = path.map_err(bad_path)?;
                list(&app, &parts, one_layer(&layer)?, &format!("/collections/{layer}/tiles")).await
            }),
        )
        .route(
            "/collections/{c}/tiles/{tms}",
            get(async |State(app), path: Steps<(String, String)>, parts| {
                let Path((layer, scheme)) = path.map_err(bad_path)?;
                let layers = one_layer(&layer)?;
                check_scheme(&scheme)?;
                tileset(&app, &parts, layers, &format!("/collections/{layer}/tiles")).await
            }),
        )
        .route(
            "/isochrones/tiles",
            get(async |State(app), parts| list(&app, &parts, Layers::ISOCHRONES, "/isochrones/tiles").await),
        )
        .route(
            "/isochrones/tiles/{tms}",
            get(async |State(app), path: Steps<String>, parts| {
                let Path(scheme) = path.map_err(bad_path)?;
                check_scheme(&scheme)?;
                tileset(&app, &parts, Layers::ISOCHRONES, "/isochrones/tiles").await
            }),
        )
        .route("/tileMatrixSets", get(async |State(app), parts| schemes(&app, &parts).await))
        .route(
            "/tileMatrixSets/{tms}",
            get(async |State(app), path: Steps<String>, parts| {
                let Path(scheme) = path.map_err(bad_path)?;
                check_scheme(&scheme)?;
                self::scheme(&app, &parts).await
            }),
        )
}

/// A document about the tiles of some layers for the question that the query asks; it is written with the box around what
/// they show. `path` is its own.
async fn about(
    app: &Arc<App>,
    parts: &Parts,
    layers: Layers,
    path: &str,
    write: impl FnOnce(&Snapshot, &Tileset, [f64; 4], &str) -> Value + Send + 'static,
) -> Answered {
    let begun = Instant::now();
    let base = app.base(parts)?;
    let snapshot = app.snapshot_for(parts).await?;
    let set = snapshot.tiles.set(&snapshot, layers, parts.uri.query(), "json")?;
    let question = format!("{path}{}", set.query);
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, Media::Json, &base, &question);
    if let Some(response) = reply.early_if_answered(&parts.headers) {
        return Ok(response);
    }
    let bounds = set.bounds(&snapshot, &app.workers).await?;
    reply.write(app, move || Ok(write(&snapshot, &set, bounds, &base).to_string().into_bytes())).await
}

/// The tilesets at a path: there is one tiling scheme, so there is one.
async fn list(app: &Arc<App>, parts: &Parts, layers: Layers, path: &str) -> Answered {
    let here = path.to_owned();
    about(app, parts, layers, path, move |snapshot, set, bounds, base| {
        let own = link("self", Media::Json, "This list", format!("{base}{here}{}", set.query));
        json!({ "links": [own], "tilesets": [describe(snapshot, set, bounds, base, &here)] })
    })
    .await
}

/// A tileset at a path of tilesets.
async fn tileset(app: &Arc<App>, parts: &Parts, layers: Layers, path: &str) -> Answered {
    let here = path.to_owned();
    about(app, parts, layers, &format!("{path}/{SCHEME}"), move |snapshot, set, bounds, base| {
        let mut out = describe(snapshot, set, bounds, base, &here);
        out["layers"] = set.layers.iter().map(|layer| layer_of(snapshot, layer)).collect();
        out
    })
    .await
}

fn title(snapshot: &Snapshot, layers: Layers) -> String {
    let titles: Vec<&str> = layers.iter().map(TileLayer::title).collect();
    format!("{}: {}", snapshot.served.title, titles.join(", "))
}

fn describe(snapshot: &Snapshot, set: &Tileset, [west, south, east, north]: [f64; 4], base: &str, path: &str) -> Value {
    let limits: Vec<Value> = set
        .limits
        .iter()
        .zip(set.first_zoom()..)
        .map(|(limits, zoom)| {
            json!({
                "tileMatrix": zoom.to_string(),
                "minTileRow": limits.y[0], "maxTileRow": limits.y[1],
                "minTileCol": limits.x[0], "maxTileCol": limits.x[1],
            })
        })
        .collect();
    let query = &set.query;
    let here = format!("{base}{path}/{SCHEME}");
    let mut tiles =
        link("item", Media::Tile, "The tiles", format!("{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}{query}"));
    tiles["templated"] = json!(true);
    let scheme = format!("{base}/tileMatrixSets/{SCHEME}");
    let tilejson = format!("{base}/tiles/{}{query}", set.layers.names());
    json!({
        "title": title(snapshot, set.layers),
        "attribution": geojson::ATTRIBUTION,
        "dataType": "vector",
        "crs": WEB_MERCATOR,
        "tileMatrixSetId": SCHEME,
        "tileMatrixSetURI": SCHEME_URI,
        "tileMatrixSetLimits": limits,
        "boundingBox": { "lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84 },
        "links": [
            link("self", Media::Json, "This tileset", format!("{here}{query}")),
            tiles,
            link(TILING_SCHEME, Media::Json, SCHEME, scheme),
            link("describedby", Media::Json, "TileJSON", tilejson),
            license(),
        ],
    })
}

/// The properties of a layer's features and the JSON types that they have.
fn properties(snapshot: &Snapshot, layer: TileLayer) -> Vec<(String, ColumnType)> {
    match layer {
        TileLayer::Of(collection) => {
            snapshot.columns(collection).iter().map(|column| (column.name.clone(), column.holds)).collect()
        }
        TileLayer::Streets => STREET_PROPERTIES.map(|name| (name.to_owned(), ColumnType::Text)).into(),
        TileLayer::Isochrones => isochrones::PROPERTIES.map(|(name, holds)| (name.to_owned(), holds)).into(),
    }
}

/// A layer of a tileset, as OGC describes it.
fn layer_of(snapshot: &Snapshot, layer: TileLayer) -> Value {
    let properties = properties(snapshot, layer).into_iter().map(|(name, holds)| (name, holds.schema().into()));
    let properties: Map<String, Value> = properties.collect();
    let dimension = match layer {
        TileLayer::Of(Collection::Facilities) => 0,
        TileLayer::Streets => 1,
        TileLayer::Of(_) | TileLayer::Isochrones => 2,
    };
    json!({
        "id": layer.id(),
        "title": layer.title(),
        "description": layer.description(),
        "dataType": "vector",
        "geometryDimension": dimension,
        "minTileMatrix": layer.first_zoom().to_string(),
        "maxTileMatrix": MAX_ZOOM.to_string(),
        "propertiesSchema": { "type": "object", "properties": properties },
    })
}

/// TileJSON 3.0 (<https://github.com/mapbox/tilejson-spec/tree/master/3.0.0>).
async fn tilejson(app: &Arc<App>, parts: &Parts, layers: Layers) -> Result<Response, ApiError> {
    about(app, parts, layers, &format!("/tiles/{}", layers.names()), |snapshot, set, bounds, base| {
        let vector_layers: Vec<Value> = set
            .layers
            .iter()
            .map(|layer| {
                let kind = |holds| match holds {
                    ColumnType::Text | ColumnType::Day => "String",
                    ColumnType::Number | ColumnType::Integer => "Number",
                    ColumnType::Truth => "Boolean",
                };
                let fields = properties(snapshot, layer).into_iter().map(|(name, holds)| (name, json!(kind(holds))));
                json!({
                    "id": layer.id(),
                    "description": layer.description(),
                    "minzoom": layer.first_zoom(),
                    "maxzoom": MAX_ZOOM,
                    "fields": fields.collect::<Map<String, Value>>(),
                })
            })
            .collect();
        let [west, south, east, north] = bounds;
        let names = set.layers.names();
        json!({
            "tilejson": "3.0.0",
            "name": title(snapshot, set.layers),
            "attribution": geojson::ATTRIBUTION,
            "scheme": "xyz",
            "tiles": [format!("{base}/tiles/{names}/{{z}}/{{x}}/{{y}}{}", set.query)],
            "minzoom": set.first_zoom(),
            "maxzoom": MAX_ZOOM,
            "bounds": bounds,
            "center": [f64::midpoint(west, east), f64::midpoint(south, north), THIN_BELOW],
            "vector_layers": vector_layers,
        })
    })
    .await
}

impl TileLayer {
    fn description(self) -> &'static str {
        match self {
            Self::Of(collection) => collection.description(),
            Self::Streets => {
                "The walkable network by rank: primary from zoom 6 on, secondary from 8, tertiary and ferry from 10, link from \
                 11, street from 12, service from 13, path from 14. From 12 on way by way; below, all roads of a rank are one."
            }
            Self::Isochrones => {
                "From where a place is reached on foot, or with direction=from what is reached from it: one polygon for each \
                 of minutes, the longest first, so that the shorter are painted over it."
            }
        }
    }
}

/// `GET /tileMatrixSets`
async fn schemes(app: &Arc<App>, parts: &Parts) -> Answered {
    app.document(parts, Media::Json, |_, base| {
        let here = format!("{base}/tileMatrixSets");
        let own = link("self", Media::Json, SCHEME, format!("{here}/{SCHEME}"));
        let scheme = json!({ "id": SCHEME, "title": SCHEME, "uri": SCHEME_URI, "crs": WEB_MERCATOR, "links": [own] });
        json!({ "links": [link("self", Media::Json, "This list", here)], "tileMatrixSets": [scheme] })
    })
    .await
}

/// `GET /tileMatrixSets/WebMercatorQuad`: the registered one, down to its last zoom.
async fn scheme(app: &Arc<App>, parts: &Parts) -> Answered {
    app.document(parts, Media::Json, |_, base| {
        let matrix = |zoom: u32| {
            let side = f64::from(1_u32 << zoom);
            let cell_m = 2.0 * HALF_WORLD_M / 256.0 / side;
            json!({
                "id": zoom.to_string(),
                // A pixel of the standard screen is 0.28 mm wide.
                "scaleDenominator": cell_m / 0.000_28,
                "cellSize": cell_m,
                "cornerOfOrigin": "topLeft",
                "pointOfOrigin": [-HALF_WORLD_M, HALF_WORLD_M],
                "matrixWidth": 1_u32 << zoom,
                "matrixHeight": 1_u32 << zoom,
                "tileWidth": 256,
                "tileHeight": 256,
            })
        };
        json!({
            "id": SCHEME,
            "title": "Google Maps Compatible for the World",
            "uri": SCHEME_URI,
            "crs": WEB_MERCATOR,
            "orderedAxes": ["X", "Y"],
            "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
            "tileMatrices": (0..=24).map(matrix).collect::<Vec<_>>(),
            "links": [link("self", Media::Json, "This tiling scheme", format!("{base}/tileMatrixSets/{SCHEME}"))],
        })
    })
    .await
}

/// The link to the tiling schemes.
pub(crate) fn link_to_schemes(base: &str) -> Value {
    link(TILING_SCHEMES, Media::Json, "Tiling schemes", format!("{base}/tileMatrixSets"))
}

/// The operations on tiles, as the API document has them.
pub(crate) fn paths() -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let whole = whole_numbers([("tileMatrix", MAX_ZOOM.into()), ("tileRow", u32::MAX), ("tileCol", u32::MAX)]);
    let xyz = whole_numbers([("z", MAX_ZOOM.into()), ("x", u32::MAX), ("y", u32::MAX)]);
    let layers_named = {
        let ids: Vec<&str> = Layers::ANY.iter().map(TileLayer::id).collect();
        let items = json!({ "type": "string", "enum": ids });
        in_path("layers", &json!({ "type": "array", "minItems": 1, "items": items }))
    };
    let asked = |layers: Layers, f: &'static str, before: &[Value]| {
        // Isochrones have several limits.
        let declared = |name| if layers == Layers::ISOCHRONES && name == "minutes" { "bands" } else { name };
        let own = layers.parameters().into_iter().map(|name| parameter(declared(name)));
        before.iter().cloned().chain([forms(&[f])]).chain(own).collect::<Vec<Value>>()
    };
    let errors = |layers: Layers| {
        let may_be_too_much = layers.has(TileLayer::Of(Collection::Circles)) || layers.has(TileLayer::Isochrones);
        if may_be_too_much { &["400", "404", "422"][..] } else { &["400", "404"][..] }
    };
    let mut add = |path: String, id: &str, text: &str, parameters: &[Value], answer: &Value, errors: &[&str]| {
        out.push((path, operation(id, "tiles", text, parameters, answer, errors)));
    };
    let tile = json!({ Media::Tile.name(): { "schema": { "type": "string", "format": "binary" } } });
    let object = |schema: &str| content("application/json", schema);
    let dataset = std::iter::once(("/tiles".to_owned(), "dataset", "Everything but gaps", Layers::WHOLE));
    let collections = TileLayer::ALL.into_iter().map(|layer| {
        let layers = Layers::of(layer);
        (format!("{}/tiles", layer.path()), layer.id(), layer.title(), layers)
    });
    for (path, id, text, layers) in dataset.chain(collections) {
        let about = asked(layers, "json", &[]);
        let bad = if layers == Layers::ISOCHRONES { errors(layers) } else { &["400"] };
        add(path.clone(), &format!("{id}.getTileSetsList"), text, &about, &object("TileSets"), bad);
        let path = format!("{path}/{SCHEME}");
        add(path.clone(), &format!("{id}.getTileSet"), text, &about, &object("TileSet"), bad);
        let path = format!("{path}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}");
        add(path, &format!("{id}.getTile"), text, &asked(layers, "mvt", &whole), &tile, errors(layers));
    }
    let named = [layers_named.clone()];
    let text = "TileJSON of some layers";
    add(
        "/tiles/{layers}".to_owned(),
        "getTileJson",
        text,
        &asked(Layers::WHOLE, "json", &named),
        &object("TileJson"),
        &["400", "404"],
    );
    let isochrones = Layers::ISOCHRONES;
    add(
        "/tiles/isochrones".to_owned(),
        "isochrones.getTileJson",
        "TileJSON of the isochrones around a place",
        &asked(isochrones, "json", &[]),
        &object("TileJson"),
        errors(isochrones),
    );
    add(
        "/tiles/isochrones/{z}/{x}/{y}".to_owned(),
        "isochrones.byColumn.getTile",
        "A tile of the isochrones around a place",
        &asked(isochrones, "mvt", &xyz),
        &tile,
        errors(isochrones),
    );
    let steps: Vec<Value> = named.into_iter().chain(xyz).collect();
    add(
        "/tiles/{layers}/{z}/{x}/{y}".to_owned(),
        "layers.getTile",
        "A tile of some layers",
        &asked(Layers::WHOLE, "mvt", &steps),
        &tile,
        errors(Layers::WHOLE),
    );
    let json_format = [forms(&["json", "html"])];
    add(
        "/tileMatrixSets".to_owned(),
        "getTileMatrixSetsList",
        "Tiling schemes",
        &json_format,
        &with_page(object("TileMatrixSets")),
        &["400"],
    );
    add(
        format!("/tileMatrixSets/{SCHEME}"),
        "getTileMatrixSet",
        "The tiling scheme",
        &json_format,
        &with_page(object("TileMatrixSet")),
        &["400"],
    );
    out
}

/// Adds the schemas of the documents about tiles.
pub(crate) fn add_schemas(schemas: &mut Value) {
    let links = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Link" } });
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number" });
    let whole = json!({ "type": "integer", "minimum": 0 });
    schemas["TileSets"] = json!({
        "type": "object", "required": ["tilesets"],
        "properties": {
            "links": links,
            "tilesets": { "type": "array", "items": { "$ref": "#/components/schemas/TileSet" } },
        },
    });
    schemas["TileSet"] = json!({
        "type": "object", "required": ["dataType", "crs", "tileMatrixSetURI", "links"],
        "properties": {
            "title": text, "attribution": text, "crs": text, "tileMatrixSetId": text, "tileMatrixSetURI": text,
            "dataType": { "type": "string", "enum": ["vector"] },
            "tileMatrixSetLimits": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["tileMatrix", "minTileRow", "maxTileRow", "minTileCol", "maxTileCol"],
                    "properties": {
                        "tileMatrix": text, "minTileRow": whole, "maxTileRow": whole,
                        "minTileCol": whole, "maxTileCol": whole,
                    },
                },
            },
            "boundingBox": { "type": "object" },
            "layers": { "type": "array", "items": { "type": "object", "required": ["id", "dataType"] } },
            "links": links,
        },
    });
    schemas["TileMatrixSets"] = json!({
        "type": "object", "required": ["tileMatrixSets"],
        "properties": { "links": links, "tileMatrixSets": { "type": "array", "items": { "type": "object" } } },
    });
    schemas["TileMatrixSet"] = json!({
        "type": "object", "required": ["id", "crs", "tileMatrices"],
        "properties": {
            "id": text, "title": text, "uri": text, "crs": text, "links": links,
            "tileMatrices": { "type": "array", "items": { "type": "object" } },
        },
    });
    schemas["TileJson"] = json!({
        "type": "object", "required": ["tilejson", "tiles", "vector_layers"],
        "properties": {
            "tilejson": text, "name": text, "attribution": text, "scheme": text,
            "tiles": { "type": "array", "items": text },
            "minzoom": whole, "maxzoom": whole,
            "bounds": { "type": "array", "items": number, "minItems": 4, "maxItems": 4 },
            "center": { "type": "array", "items": number, "minItems": 3, "maxItems": 3 },
            "vector_layers": { "type": "array", "items": { "type": "object", "required": ["id", "fields"] } },
        },
    });
}

/// Whole numbers in a path, each with the largest that is understood.
fn whole_numbers(steps: [(&str, u32); 3]) -> [Value; 3] {
    let schema = |most: u32| json!({ "type": "integer", "minimum": 0, "maximum": most });
    steps.map(|(name, most)| in_path(name, &schema(most)))
}
