//! Streets, walking time, search, reach, isochrones and coverage: the pure core of carecircle.
//!
//! Pure means: no files, no sockets, no async, no JSON, no map tags. Data goes in as [`Streets`], [`Places`] and
//! [`Facility`]s, and comes out as a [`Coverage`] or an [`Isochrone`].

pub mod area;
pub mod coverage;
pub mod demand;
pub mod facility;
pub mod geometry;
pub mod isochrone;
pub mod network;
pub mod place;
pub mod policy;
pub mod polygon;
pub mod profile;
pub mod search;
pub mod street;
pub mod study;
pub mod time;
