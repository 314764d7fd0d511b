//! The test harness: a demo town, a PBF writer, oracles.

pub mod demo;
pub mod mutate;
pub mod oracle;
pub mod pbf;
