//! Which lines nobody on foot crosses.

use super::street::{Walkable, walkable};
use super::{Key, Tags};

/// Whether nobody on foot crosses the line of a way, or the outline of a multipolygon, but where a street does. A street
/// itself is never an obstacle.
///
/// | line | but for |
/// |---|---|
/// | walls that nobody gets over, also round a building or grounds | |
/// | banks of lakes, basins, docks and broad rivers; coastlines | dry for part of the year; under ground |
/// | rivers and canals drawn as a line (a stream, ditch or drain is stepped over) | dry for part of the year; under ground |
/// | railways of their own (people cross a tram's tracks anywhere; a monorail hangs) | out of use; on a bridge, since people pass below; in a tunnel |
/// | motorways and motorroads | on a bridge; in a tunnel |
/// | cliffs | |
pub(crate) fn is_obstacle(tags: &Tags) -> bool {
    // A layer below zero alone says too little: mappers give it to any water that a bridge crosses.
    let is_below = tags.set(Key::Tunnel).is_some() || tags.is(Key::Location, "underground");
    let is_level = || !is_below && tags.set(Key::Bridge).is_none();
    tags.get(Key::Barrier).is_some_and(is_wall)
        || tags.is(Key::Natural, "cliff")
        || (is_water(tags) && !is_below && tags.set(Key::Covered).is_none() && tags.set(Key::Intermittent).is_none())
        || (is_track(tags) && is_level())
        || (matches!(walkable(tags), Walkable::Motorway | Walkable::Motorroad) && is_level())
}

/// Whether nobody on foot crosses the outline of a relation: what it says holds for all ways that it is drawn with.
pub(crate) fn is_obstacle_relation(tags: &Tags) -> bool {
    tags.is(Key::Type, "multipolygon") && is_obstacle(tags)
}

/// Whether a barrier is one that nobody gets over. A grown hedge is no more walked through than a fence is. Guard rails,
/// chains, blocks and kerbs are stepped over, and a ditch is too.
pub(super) fn is_wall(barrier: &str) -> bool {
    matches!(barrier, "wall" | "fence" | "hedge" | "city_wall" | "retaining_wall")
}

fn is_water(tags: &Tags) -> bool {
    matches!(tags.get(Key::Natural), Some("water" | "coastline"))
        || matches!(tags.get(Key::Landuse), Some("reservoir" | "basin" | "salt_pond" | "aquaculture"))
        || matches!(tags.get(Key::Waterway), Some("river" | "canal" | "riverbank" | "dock" | "tidal_channel"))
}

fn is_track(tags: &Tags) -> bool {
    let is_in_use = tags.set(Key::Disused).is_none() && tags.set(Key::Abandoned).is_none();
    let kinds = ["rail", "light_rail", "subway", "narrow_gauge", "funicular", "preserved"];
    is_in_use && tags.get(Key::Railway).is_some_and(|railway| kinds.contains(&railway))
}
