//! Tiles and the documents about them.
