//! The test harness: a demo town, drawn streets, a PBF writer, oracles.

pub mod demo;
pub mod mutate;
pub mod oracle;
pub mod pbf;
pub mod streets;
