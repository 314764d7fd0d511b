//! Walking times between many places at once.

use crate::isochrone::Source;
use crate::network::Network;
use crate::search::{Origin, Sweep};
use crate::time::WalkTime;
use crate::weights::Weights;

/// A walk from one place to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    /// Where it ends, an index into the places given.
    pub to: usize,
    /// How long it takes.
    pub time: WalkTime,
    /// Its length in metres, those off the network included.
    pub metres: f64,
}

/// Tells for each place of `from`, in their order, the walks to places of `to` that take no longer than `limit`, by
/// `to`. Stops at the first error of `row`.
pub fn matrix<E>(
    network: &Network,
    weights: &Weights,
    from: &[Source],
    to: &[Source],
    limit: WalkTime,
    mut row: impl FnMut(usize, &[Walk]) -> Result<(), E>,
) -> Result<(), E> {
    let origins = |to: &Source| to.doors.iter().map(|d| Origin { snap: d.snap, label: 0 }).collect::<Vec<_>>();
    let sweeps: Vec<Sweep> = to.iter().map(|to| Sweep::new(network, weights, &origins(to), limit)).collect();
    for (number, from) in from.iter().enumerate() {
        let walk = |(to, sweep): (usize, &Sweep)| {
            let time = from.doors.iter().filter_map(|d| sweep.at(network, weights, &d.snap)).min()?.time;
            let metres = time.seconds() * weights.speed().kmh() / 3.6;
            (time <= limit).then_some(Walk { to, time, metres })
        };
        row(number, &sweeps.iter().enumerate().filter_map(walk).collect::<Vec<_>>())?;
    }
    Ok(())
}
