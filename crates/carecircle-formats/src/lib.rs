//! Reads and writes what people exchange: tables, GeoJSON, policy files.

pub mod geojson;
