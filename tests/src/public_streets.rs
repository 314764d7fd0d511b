//! Places drawn on a city's streets.

use crate::dice::Dice;
use carecircle_core::geometry::Point;
use carecircle_core::network::{EdgeId, Network, Snap};

/// Streets to draw places on, evenly by their length.
pub struct PublicStreets {
    edges: Vec<EdgeId>,
    /// Metres of the street up to and with each.
    upto_m: Vec<f64>,
}

impl PublicStreets {
    /// Those of a network that are public.
    pub fn of(network: &Network, is_public: impl Fn(EdgeId) -> bool) -> Self {
        let ids = (0..network.edges().len() as u32).map(EdgeId);
        let edges: Vec<EdgeId> = ids.filter(|&id| is_public(id)).collect();
        let mut sum = 0.0;
        let add = |id: &EdgeId| {
            sum += network.edge(*id).length_m;
            sum
        };
        let upto_m = edges.iter().map(add).collect();
        Self { edges, upto_m }
    }

    /// A place on one of them.
    ///
    /// # Panics
    /// When there is no street.
    pub fn draw(&self, network: &Network, dice: &mut Dice) -> Snap {
        let metres = dice.fraction() * self.upto_m.last().copied().unwrap_or_default();
        let i = self.upto_m.partition_point(|&upto| upto < metres).min(self.edges.len() - 1);
        let edge = self.edges[i];
        let length_m = network.edge(edge).length_m;
        let along_m = (metres - (self.upto_m[i] - length_m)).clamp(0.0, length_m);
        let bends: Vec<(Point, f64)> = network.geometry(edge).collect();
        let next = bends.partition_point(|&(_, m)| m < along_m).clamp(1, bends.len() - 1);
        let ((a, from_m), (b, to_m)) = (bends[next - 1], bends[next]);
        let at = a + (b - a) * if to_m > from_m { (along_m - from_m) / (to_m - from_m) } else { 0.0 };
        Snap { edge, along_m, offset_m: 0.0, at }
    }
}
