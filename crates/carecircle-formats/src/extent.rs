//! Whether places lie in a city, by the boxes around both.

use crate::remark;
use crate::remark::Remark;
use carecircle_core::geometry::{LonLat, Point};
use carecircle_core::network::Network;

/// A box in degrees: its south-western and its north-eastern corner.
pub type Extent = (LonLat, LonLat);

/// The box around all streets.
pub fn of_streets(network: &Network) -> Option<Extent> {
    let (low, high) = network.bounds()?;
    let corner = |at: Point| {
        let (lon, lat) = network.projection().unproject(at);
        LonLat::from_degrees(lon, lat)
    };
    corner(low).zip(corner(high))
}

/// Refuses what lies outside the city, by the box around it: beyond the city's own, and nearer to none of its streets than
/// `snap_m`. Where no box is known nothing lies outside.
///
/// # Errors
/// Where it lies.
pub fn check_inside(network: &Network, extent: Option<Extent>, snap_m: f64, (at, to): Extent) -> Result<(), Remark> {
    let Some((low, high)) = extent else { return Ok(()) };
    let meets = |of: fn(LonLat) -> i32| of(at) <= of(high) && of(to) >= of(low);
    if meets(|p| p.lon_e7) && meets(|p| p.lat_e7) {
        return Ok(());
    }
    let metres = network.nearest_m(network.projection().project(at)).unwrap_or(f64::INFINITY);
    if metres <= snap_m {
        return Ok(());
    }
    let (lon, lat, km) = (at.lon(), at.lat(), metres / 1_000.0);
    Err(if metres < 10_000_000.0 {
        remark!(
            "{lon:.5}, {lat:.5} lies outside the map, {km:.1} km from its nearest street",
            "{lon:.5}, {lat:.5} 在地图之外，距最近的街道 {km:.1} km"
        )
    } else {
        remark!("{lon:.5}, {lat:.5} lies outside the map", "{lon:.5}, {lat:.5} 在地图之外")
    })
}
