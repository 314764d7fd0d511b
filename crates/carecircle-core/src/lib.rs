//! Streets, walking time, search, reach, isochrones and coverage: the pure core of carecircle.
//!
//! Pure means: no files, no sockets, no async, no JSON, no map tags. Data goes in as [`street::Streets`] and
//! [`place::Places`], becomes a [`study::Study`], and comes out as a [`coverage::Coverage`] or an
//! [`isochrone::Isochrone`].

pub mod allocation;
pub mod area;
pub mod array;
mod cells;
mod contour;
pub mod coverage;
pub mod demand;
mod doors;
pub mod explain;
pub mod facility;
mod field;
mod frontage;
pub mod geometry;
pub mod indicators;
pub mod isochrone;
mod land;
mod lattice;
mod layout;
pub mod matrix;
pub mod nearest;
pub mod network;
pub mod obstacle;
pub mod opening;
pub mod other;
pub mod place;
mod plaza;
pub mod policy;
pub mod polygon;
pub mod population;
pub mod profile;
mod queue;
pub mod route;
pub mod search;
mod sight;
mod simplify;
pub mod siting;
pub mod street;
pub mod study;
pub mod time;
mod walked;
pub mod weights;
pub mod whatif;
