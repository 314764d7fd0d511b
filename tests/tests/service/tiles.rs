//! OGC API Tiles, Part 1: Core, as its executable test suite (ets-ogcapi-tiles10) asserts it; and what OpenLayers, MapLibre
//! and GDAL need beside that.

use crate::client::{Answer, link};
use crate::town::town;
use serde_json::Value;
use std::collections::BTreeSet;

const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
const TILE: &str = "application/vnd.mapbox-vector-tile";
const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-";
const SCHEME: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";

fn get(path: &str, accept: &str) -> Answer {
    town().ask("GET", path, &[("Accept", accept)])
}

fn json(path: &str) -> Value {
    get(path, "application/json").ok()
}

/// The paths of the lists of tilesets that a document links to.
fn lists(document: &Value) -> Vec<String> {
    let links = document["links"].as_array().unwrap();
    let lists = links.iter().filter(|l| l["rel"].as_str().unwrap().starts_with(TILESETS));
    lists.map(|l| town().path(l["href"].as_str().unwrap()).to_owned()).collect()
}

/// Every list of tilesets that there is: of everything, and of each collection.
fn all_lists() -> Vec<String> {
    let mut out = lists(&json("/"));
    for collection in json("/collections")["collections"].as_array().unwrap() {
        let of_collection = lists(collection);
        assert_eq!(of_collection.len(), 1, "{}", collection["id"]);
        out.extend(of_collection);
    }
    out
}

fn tilesets(list: &str) -> Vec<Value> {
    json(list)["tilesets"].as_array().expect("a list of tilesets").clone()
}

/// The template of a tileset's tiles.
fn template(tileset: &Value) -> String {
    let links = tileset["links"].as_array().unwrap();
    let marks = ["{tileMatrix}", "{tileRow}", "{tileCol}"];
    let is_template = |href: &&str| marks.iter().all(|mark| href.contains(mark));
    let template = links.iter().filter_map(|l| l["href"].as_str()).find(is_template).expect("a template of tiles");
    town().path(template).to_owned()
}

fn fill(template: &str, [matrix, row, col]: [&str; 3]) -> String {
    template.replace("{tileMatrix}", matrix).replace("{tileRow}", row).replace("{tileCol}", col)
}

fn number(limits: &Value, name: &str) -> u64 {
    limits[name].as_u64().unwrap_or_else(|| panic!("{name}: {limits}"))
}

fn tile(path: &str) -> Answer {
    get(path, TILE)
}

#[test]
fn t01_conformance_declares_tiles() {
    let conforms = json("/conformance")["conformsTo"].as_array().unwrap().clone();
    for class in ["core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "mvt", "oas30"] {
        let class = format!("http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/{class}");
        assert!(conforms.contains(&Value::from(class.as_str())), "{class}");
    }
}

#[test]
fn t02_the_tiling_scheme_is_a_registered_one_and_stands_in_the_template() {
    for list in all_lists() {
        for tileset in tilesets(&list) {
            assert_eq!(tileset["tileMatrixSetURI"], SCHEME);
            assert!(template(&tileset).contains("/tiles/WebMercatorQuad"), "{list}");
        }
    }
}

#[test]
fn t03_every_tile_within_the_limits_is_there() {
    for list in all_lists() {
        for tileset in tilesets(&list) {
            let (template, mut connection) = (template(&tileset), town().connect());
            for limits in tileset["tileMatrixSetLimits"].as_array().unwrap() {
                let rows = number(limits, "minTileRow")..=number(limits, "maxTileRow");
                let cols = number(limits, "minTileCol")..=number(limits, "maxTileCol");
                let matrix = limits["tileMatrix"].as_str().unwrap();
                // Of many tiles, some.
                let some = |range: std::ops::RangeInclusive<u64>| {
                    let step = (range.end() - range.start()) / 3 + 1;
                    range.clone().step_by(step as usize).chain([*range.end()])
                };
                for row in some(rows) {
                    for col in some(cols.clone()) {
                        let path = fill(&template, [matrix, &row.to_string(), &col.to_string()]);
                        let answer = connection.ask("GET", &path, &[("Accept", TILE)]).unwrap();
                        assert_eq!((answer.status, answer.header("content-type")), (200, TILE), "{path}");
                        carecircle_tests::mvt::read(&answer.body);
                    }
                }
            }
        }
    }
}

#[test]
fn t04_a_tile_that_cannot_be_is_refused() {
    for list in all_lists() {
        for tileset in tilesets(&list) {
            for limits in tileset["tileMatrixSetLimits"].as_array().unwrap() {
                let matrix = limits["tileMatrix"].as_str().unwrap();
                tile(&fill(&template(&tileset), [matrix, "2147483647", "2147483647"])).problem(404);
            }
        }
    }
}

#[test]
fn t05_the_landing_page_leads_to_tilesets_with_limits_and_a_template() {
    let landing = json("/");
    let lists = lists(&landing);
    assert!(!lists.is_empty());
    for list in lists {
        assert!(list.contains("/tiles"), "{list}");
        let tilesets = tilesets(&list);
        assert!(!tilesets.is_empty());
        for tileset in tilesets {
            assert_eq!(
                (&tileset["tileMatrixSetId"], &tileset["tileMatrixSetURI"]),
                (&"WebMercatorQuad".into(), &SCHEME.into())
            );
            let limits = tileset["tileMatrixSetLimits"].as_array().unwrap();
            assert!(!limits.is_empty());
            for limits in limits {
                assert!(limits["tileMatrix"].is_string());
                assert!(number(limits, "minTileRow") <= number(limits, "maxTileRow"));
                assert!(number(limits, "minTileCol") <= number(limits, "maxTileCol"));
            }
            template(&tileset);
        }
    }
}

#[test]
fn t06_the_limits_are_where_tiles_end() {
    for list in all_lists() {
        for tileset in tilesets(&list) {
            let limits = &tileset["tileMatrixSetLimits"][0];
            let matrix = limits["tileMatrix"].as_str().unwrap();
            let (row, col) = (number(limits, "maxTileRow"), number(limits, "minTileCol").to_string());
            let at = |row: u64| fill(&template(&tileset), [matrix, &row.to_string(), &col]);
            assert_eq!(tile(&at(row)).status, 200, "{list}");
            tile(&at(row + 1)).problem(404);
        }
    }
}

#[test]
fn t07_collections_lead_to_tilesets_that_describe_themselves() {
    for collection in json("/collections")["collections"].as_array().unwrap() {
        for list in lists(collection) {
            assert!(list.ends_with("/tiles"), "{list}");
            for tileset in tilesets(&list) {
                let links = tileset["links"].as_array().unwrap();
                assert!(links.iter().any(|l| l["rel"] == "self" && l["type"] == "application/json"));
                let own = json(town().path(&link(&tileset, "self").unwrap()));
                assert_eq!(template(&own), template(&tileset));
                assert_eq!(own["tileMatrixSetLimits"], tileset["tileMatrixSetLimits"]);
                assert_eq!(own["layers"][0]["id"], collection["id"]);
            }
        }
    }
}

#[test]
fn t08_the_api_has_operations_that_get_tiles() {
    let api = get("/api", OPENAPI).ok();
    let operations: BTreeSet<&str> =
        api["paths"].as_object().unwrap().values().filter_map(|item| item["get"]["operationId"].as_str()).collect();
    for id in ["dataset.getTile", "blocks.getTile", "streets.getTile", "layers.getTile"] {
        assert!(operations.contains(id), "{id}");
    }
}

#[test]
fn openlayers_finds_tiles_by_their_type_and_the_scheme_by_its_relation() {
    for list in all_lists() {
        for tileset in tilesets(&list) {
            let links = tileset["links"].as_array().unwrap();
            assert!(links.iter().any(|l| l["rel"] == "item" && l["type"] == TILE));
            let scheme = link(&tileset, "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme").unwrap();
            let scheme = json(town().path(&scheme));
            assert!(scheme["crs"].is_string() && scheme["orderedAxes"].is_array());
            let matrices = scheme["tileMatrices"].as_array().unwrap();
            for (zoom, matrix) in matrices.iter().enumerate() {
                assert_eq!(matrix["id"], zoom.to_string());
                assert_eq!(matrix["matrixWidth"], 1_u32 << zoom);
                for member in ["cellSize", "scaleDenominator", "pointOfOrigin", "tileWidth", "tileHeight"] {
                    assert!(!matrix[member].is_null(), "{member}");
                }
            }
        }
    }
}

#[test]
fn maplibre_gets_tilejson_tiles_and_304() {
    let document = json("/tiles/blocks,facilities,streets");
    let [west, south, east, north] = [0, 1, 2, 3].map(|i| document["bounds"][i].as_f64().unwrap());
    let zoom = 14_u32;
    let side = f64::from(1 << zoom);
    let x = (f64::midpoint(west, east) / 360.0 + 0.5) * side;
    let y = (0.5 - f64::midpoint(south, north).to_radians().tan().asinh() / std::f64::consts::TAU) * side;
    let template = document["tiles"][0].as_str().unwrap();
    let fill = |mark: &str, value: f64, text: String| text.replace(mark, &(value as u32).to_string());
    let path = fill("{z}", f64::from(zoom), fill("{x}", x, fill("{y}", y, town().path(template).to_owned())));
    let headers = [("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate, br, zstd")];
    let answer = town().ask("GET", &path, &headers);
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let mut tile = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut tile).unwrap();
    let layers = carecircle_tests::mvt::read(&tile);
    assert!(layers.iter().any(|layer| layer.name == "blocks" && layer.extent == 4_096));
    let known = [headers[0], headers[1], ("If-None-Match", answer.header("etag"))];
    let again = town().ask("GET", &path, &known);
    assert_eq!((again.status, again.header("etag")), (304, answer.header("etag")));
    // A browser shows whatever is refused to the page as well.
    assert_eq!(town().get("/tiles/blocks/3/7/7").header("access-control-allow-origin"), "*");
}
