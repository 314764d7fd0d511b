//! The test harness: a demo town, small towns by the dozen, drawn streets, a PBF writer, oracles.

pub mod demo;
pub mod dice;
pub mod mutate;
pub mod mvt;
pub mod oracle;
pub mod pbf;
pub mod public_streets;
pub mod streets;
pub mod towns;
