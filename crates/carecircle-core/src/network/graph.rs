//! The network as a petgraph graph: directed, an arc for each direction that an edge may be walked in.
//!
//! petgraph's own algorithms run on `&Network` by these traits, in walking direction, or on `Reversed(&network)` against
//! it. A node's weight is its place, an arc's weight the edge that it walks.

use super::{EdgeId, Network, NodeId};
use crate::geometry::Point;
use crate::weights::Direction;
use petgraph::Directed;
use petgraph::visit::{
    Data, EdgeCount, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoEdgesDirected, IntoNeighbors,
    IntoNeighborsDirected, IntoNodeIdentifiers, NodeCompactIndexable, NodeCount, NodeIndexable, Visitable,
};
use std::collections::HashSet;

/// An edge, walked in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArcRef<'a> {
    edge: &'a EdgeId,
    direction: Direction,
    source: NodeId,
    target: NodeId,
}

impl EdgeRef for ArcRef<'_> {
    type NodeId = NodeId;
    type EdgeId = (EdgeId, Direction);
    type Weight = EdgeId;

    fn source(&self) -> NodeId {
        self.source
    }

    fn target(&self) -> NodeId {
        self.target
    }

    fn weight(&self) -> &EdgeId {
        self.edge
    }

    fn id(&self) -> (EdgeId, Direction) {
        (*self.edge, self.direction)
    }
}

/// The arcs that leave a node, or those that lead to it.
#[derive(Clone, Debug)]
pub struct ArcsAt<'a> {
    network: &'a Network,
    node: NodeId,
    which: petgraph::Direction,
    edges: std::slice::Iter<'a, EdgeId>,
    /// A loop leads back both ways.
    second: Option<ArcRef<'a>>,
}

impl<'a> Iterator for ArcsAt<'a> {
    type Item = ArcRef<'a>;

    fn next(&mut self) -> Option<ArcRef<'a>> {
        while self.second.is_none() {
            let id = self.edges.next()?;
            let edge = self.network.edge(*id);
            let arc = |direction, source, target, open: bool| {
                let here = if self.which == petgraph::Outgoing { source } else { target };
                (open && here == self.node).then_some(ArcRef { edge: id, direction, source, target })
            };
            let forward = arc(Direction::Forward, edge.from, edge.to, edge.forward);
            self.second = arc(Direction::Backward, edge.to, edge.from, edge.backward);
            if forward.is_some() {
                return forward;
            }
        }
        self.second.take()
    }
}

/// The nodes at the other ends of arcs.
#[derive(Clone, Debug)]
pub struct Neighbours<'a>(ArcsAt<'a>);

impl Iterator for Neighbours<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let arc = self.0.next()?;
        Some(if self.0.which == petgraph::Outgoing { arc.target } else { arc.source })
    }
}

/// All arcs, by the node that they leave.
#[derive(Clone, Debug)]
pub struct AllArcs<'a> {
    at: ArcsAt<'a>,
}

impl<'a> Iterator for AllArcs<'a> {
    type Item = ArcRef<'a>;

    fn next(&mut self) -> Option<ArcRef<'a>> {
        loop {
            if let Some(arc) = self.at.next() {
                return Some(arc);
            }
            let next = self.at.node.index() + 1;
            if next >= self.at.network.node_count() {
                return None;
            }
            self.at = self.at.network.arcs_at(NodeId(next as u32), petgraph::Outgoing);
        }
    }
}

impl Network {
    fn arcs_at(&self, node: NodeId, which: petgraph::Direction) -> ArcsAt<'_> {
        let edges = if node.index() < self.node_count() { self.edges_at(node) } else { &[] };
        ArcsAt { network: self, node, which, edges: edges.iter(), second: None }
    }
}

impl GraphBase for Network {
    type NodeId = NodeId;
    type EdgeId = (EdgeId, Direction);
}

impl GraphProp for Network {
    type EdgeType = Directed;
}

impl Data for Network {
    type NodeWeight = Point;
    type EdgeWeight = EdgeId;
}

impl NodeCount for Network {
    fn node_count(&self) -> usize {
        Self::node_count(self)
    }
}

impl EdgeCount for Network {
    fn edge_count(&self) -> usize {
        self.edges().iter().map(|edge| usize::from(edge.forward) + usize::from(edge.backward)).sum()
    }
}

impl NodeIndexable for Network {
    fn node_bound(&self) -> usize {
        Self::node_count(self)
    }

    fn to_index(&self, node: NodeId) -> usize {
        node.index()
    }

    fn from_index(&self, i: usize) -> NodeId {
        NodeId(i as u32)
    }
}

impl NodeCompactIndexable for Network {}

impl Visitable for Network {
    type Map = HashSet<NodeId>;

    fn visit_map(&self) -> Self::Map {
        HashSet::new()
    }

    fn reset_map(&self, map: &mut Self::Map) {
        map.clear();
    }
}

impl IntoNodeIdentifiers for &Network {
    type NodeIdentifiers = std::iter::Map<std::ops::Range<u32>, fn(u32) -> NodeId>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        (0..Network::node_count(self) as u32).map(NodeId)
    }
}

impl<'a> IntoEdgeReferences for &'a Network {
    type EdgeRef = ArcRef<'a>;
    type EdgeReferences = AllArcs<'a>;

    fn edge_references(self) -> AllArcs<'a> {
        AllArcs { at: self.arcs_at(NodeId(0), petgraph::Outgoing) }
    }
}

impl<'a> IntoNeighbors for &'a Network {
    type Neighbors = Neighbours<'a>;

    fn neighbors(self, node: NodeId) -> Neighbours<'a> {
        Neighbours(self.arcs_at(node, petgraph::Outgoing))
    }
}

impl<'a> IntoNeighborsDirected for &'a Network {
    type NeighborsDirected = Neighbours<'a>;

    fn neighbors_directed(self, node: NodeId, which: petgraph::Direction) -> Neighbours<'a> {
        Neighbours(self.arcs_at(node, which))
    }
}

impl<'a> IntoEdges for &'a Network {
    type Edges = ArcsAt<'a>;

    fn edges(self, node: NodeId) -> ArcsAt<'a> {
        self.arcs_at(node, petgraph::Outgoing)
    }
}

impl<'a> IntoEdgesDirected for &'a Network {
    type EdgesDirected = ArcsAt<'a>;

    fn edges_directed(self, node: NodeId, which: petgraph::Direction) -> ArcsAt<'a> {
        self.arcs_at(node, which)
    }
}
