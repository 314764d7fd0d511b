//! The test harness: a demo town, a PBF writer, oracles.

/// A district that does not exist, drawn from a plan.
pub mod demo;
/// Extracts that no honest program writes.
pub mod mutate;
/// The slow, obvious truth about walking times.
pub mod oracle;
/// A writer of small OSM PBF files.
pub mod pbf;
