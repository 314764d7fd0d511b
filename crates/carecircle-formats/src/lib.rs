//! Reads and writes what people exchange: tables, GeoJSON, policy files.

pub mod card;
pub mod columns;
pub mod compare;
pub mod crs;
pub mod extent;
pub mod geojson;
pub mod gmns;
pub mod headers;
pub mod out;
pub mod policy;
pub mod profile;
pub mod raster;
pub mod remark;
pub mod scenario;
pub mod siting;
pub mod survey;
pub mod table;
mod values;
