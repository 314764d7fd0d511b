//! The walkable network as a layer: way by way near by, roads of a rank as one from afar.

use super::sheet::{Draft, Sheet, on_world};
use crate::mvt::{Columns, Kind};
use carecircle_core::geometry::{Point, Projection};
use carecircle_core::network::{Edge, EdgeId, Network, NodeId};
use carecircle_core::street::{Access, Rank};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// From this zoom on streets are shown way by way; below it roads of a rank are one.
pub(super) const NEAR_FROM: u8 = 12;

/// The zoom from which on streets of a rank are shown: none looks like more than a web there.
pub(super) const fn shown_from(rank: Rank) -> u8 {
    match rank {
        Rank::Primary => 6,
        Rank::Secondary => 8,
        Rank::Tertiary | Rank::Ferry => 10,
        Rank::Link => 11,
        Rank::Street => NEAR_FROM,
        Rank::Service => 13,
        Rank::Path => 14,
    }
}

/// The walkable network as a layer.
pub(super) struct StreetSheet {
    pub(super) sheet: Sheet,
    pub(super) columns: Columns,
    /// From which zoom on each is shown.
    pub(super) from: Vec<u8>,
}

/// Whether an edge is drawn: neither lines across squares, which the map doesn't have, nor links through gates.
fn is_drawn(edge: &Edge) -> bool {
    !edge.is_across() && edge.gate().is_none()
}

impl StreetSheet {
    /// The streets way by way.
    pub(super) fn near(network: &Network) -> Self {
        let mut edges: Vec<(i64, EdgeId)> = network
            .edges()
            .iter()
            .zip(0..)
            .filter(|(edge, _)| is_drawn(edge))
            .map(|(edge, i)| (edge.way(), EdgeId(i)))
            .collect();
        edges.sort_unstable();
        let mut out = StreetDrafts::default();
        for of_way in edges.chunk_by(|a, b| a.0 == b.0) {
            let mut lines: Vec<Vec<Point>> = Vec::new();
            for &(_, edge) in of_way {
                let mut places: Vec<Point> = network.geometry(edge).map(|(at, _)| at).collect();
                match lines.last_mut() {
                    Some(line) if line.last() == places.first() => line.extend(places.drain(1..)),
                    Some(line) if line.last() == places.last() => line.extend(places.drain(..).rev().skip(1)),
                    _ => lines.push(places),
                }
            }
            let (way, first) = of_way[0];
            let id = if way < 0 { format!("r{}", -way) } else { format!("w{way}") };
            out.push(network, id, first, &lines);
        }
        out.finish()
    }

    /// The roads that are seen from afar, all of one rank as one, joined end to end: way by way the short ones would be less
    /// than a pixel, and leave gaps.
    pub(super) fn far(network: &Network) -> Self {
        let mut alike: BTreeMap<(Rank, Access), Vec<EdgeId>> = BTreeMap::new();
        for (edge, i) in network.edges().iter().zip(0..).filter(|(edge, _)| is_drawn(edge)) {
            let rank = network.rank(EdgeId(i));
            if shown_from(rank) < NEAR_FROM {
                alike.entry((rank, edge.access)).or_default().push(EdgeId(i));
            }
        }
        let mut out = StreetDrafts::default();
        for ((rank, access), edges) in alike {
            let id = match access {
                Access::Public => rank.name().to_owned(),
                _ => format!("{}-{}", rank.name(), access_name(access)),
            };
            out.push(network, id, edges[0], &end_to_end(network, &edges));
        }
        out.finish()
    }
}

/// Streets on their way to a sheet.
#[derive(Default)]
struct StreetDrafts {
    drafts: Vec<Draft>,
    rows: Vec<[Cow<'static, str>; STREET_PROPERTIES.len()]>,
    from: Vec<u8>,
}

impl StreetDrafts {
    /// Adds some lines of streets like this one.
    fn push(&mut self, network: &Network, id: String, like: EdgeId, lines: &[Vec<Point>]) {
        let feature = self.rows.len() as u32;
        let projection = network.projection();
        self.drafts.extend(lines.iter().map(|line| Draft {
            feature,
            kind: Kind::Line,
            rings: vec![line.iter().map(|&at| world(projection, at)).collect()],
        }));
        let (edge, rank) = (network.edge(like), network.rank(like));
        self.rows.push([id.into(), edge.class.name().into(), rank.name().into(), access_name(edge.access).into()]);
        self.from.push(shown_from(rank));
    }

    fn finish(self) -> StreetSheet {
        let columns = Columns::of_text(&STREET_PROPERTIES, &self.rows);
        StreetSheet { sheet: Sheet::new(self.drafts), columns, from: self.from }
    }
}

/// Edges joined to lines from where they end, or more than two of them meet, to the next such place.
fn end_to_end(network: &Network, edges: &[EdgeId]) -> Vec<Vec<Point>> {
    let mut at_node: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (i, &edge) in edges.iter().enumerate() {
        let edge = network.edge(edge);
        for end in [edge.from, edge.to] {
            at_node.entry(end).or_default().push(i);
        }
    }
    let mut is_drawn = vec![false; edges.len()];
    let mut lines = Vec::new();
    let ends = at_node.iter().filter(|(_, met)| met.len() != 2);
    let starts = ends.flat_map(|(&node, met)| met.iter().map(move |&i| (node, i)));
    // What is left then goes round.
    let rounds = edges.iter().enumerate().map(|(i, &edge)| (network.edge(edge).from, i));
    for (mut node, start) in starts.chain(rounds) {
        let mut next = Some(start).filter(|&i| !is_drawn[i]);
        let mut line: Vec<Point> = Vec::new();
        while let Some(i) = next {
            is_drawn[i] = true;
            let edge = network.edge(edges[i]);
            let mut places: Vec<Point> = network.geometry(edges[i]).map(|(at, _)| at).collect();
            if edge.from == node {
                node = edge.to;
            } else {
                places.reverse();
                node = edge.from;
            }
            line.extend(places.into_iter().skip(usize::from(!line.is_empty())));
            let met = &at_node[&node];
            next = met.iter().copied().find(|&i| met.len() == 2 && !is_drawn[i]);
        }
        lines.extend(Some(line).filter(|line| !line.is_empty()));
    }
    lines
}

fn access_name(access: Access) -> &'static str {
    if access == Access::Public { "public" } else { "destination" }
}

/// The properties of a street: all text.
pub(super) const STREET_PROPERTIES: [&str; 4] = ["id", "class", "rank", "access"];

fn world(projection: &Projection, at: Point) -> [i32; 2] {
    let (lon, lat) = projection.unproject(at);
    on_world(lon, lat)
}
