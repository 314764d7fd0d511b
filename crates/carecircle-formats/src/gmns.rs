//! The network as tables of the General Modeling Network Specification (GMNS), so that other tools can do equal work.
//!
//! Owns what the columns mean. A link is one direction of an edge that the profile may walk, its `time_ms` what our own
//! search adds up; gates and lines across squares are links like others. Islands and closed streets keep their nodes, so
//! that a node's number is always the network's own.

use carecircle_core::network::{EdgeId, Network, NodeId};
use carecircle_core::route::LegKind;
use carecircle_core::time::WalkTime;
use carecircle_core::weights::{Direction, Way, Weights};
use std::io::{self, Write};

/// The version of the specification that the tables follow.
pub const VERSION: &str = "0.96";

/// The legs of a walk, by the number that they have in the ids of nodes and links.
const LEGS: [&str; 3] = ["public", "last", "first"];
const PUBLIC: u64 = 0;
const LAST: u64 = 1;
const FIRST: u64 = 2;

/// A network and its weights, to be written as tables.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// The streets.
    pub network: &'a Network,
    /// Who walks them.
    pub weights: &'a Weights,
    /// Whether a node that streets for the first and last leg meet at is written once for each leg, so that any shortest
    /// path is a walk: copy `leg × nodes + node` of node `node`, with legs 0 public, 1 last, 2 first.
    pub by_leg: bool,
}

impl Tables<'_> {
    /// Writes `node.csv`: by `node_id`.
    pub fn nodes(&self, out: &mut impl Write) -> io::Result<()> {
        let network = self.network;
        out.write_all(b"node_id,x_coord,y_coord,node_type,ctrl_type")?;
        out.write_all(if self.by_leg { b",parent_node_id,leg\n" } else { b"\n" })?;
        let traits = self.traits();
        let count = network.node_count() as u64;
        let legs = if self.by_leg { [PUBLIC, LAST, FIRST].as_slice() } else { &[PUBLIC] };
        for &leg in legs {
            for (node, traits) in (0..).zip(&traits).filter(|(_, t)| leg == PUBLIC || t.has_destination) {
                let (lon, lat) = network.projection().unproject(network.node_at(NodeId(node)));
                let id = leg * count + u64::from(node);
                write!(out, "{id},{lon:.7},{lat:.7},{},{}", traits.node_type(), traits.ctrl_type())?;
                match (self.by_leg, leg) {
                    (false, _) => writeln!(out)?,
                    (true, PUBLIC) => writeln!(out, ",,{}", LEGS[0])?,
                    (true, _) => writeln!(out, ",{node},{}", LEGS[leg as usize])?,
                }
            }
        }
        Ok(())
    }

    /// Writes `link.csv`: by `link_id`.
    pub fn links(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"link_id,from_node_id,to_node_id,directed,dir_flag,length,facility_type,allowed_uses,")?;
        out.write_all(b"time_ms,access,way,")?;
        out.write_all(if self.by_leg { b"leg,geometry\n" } else { b"geometry\n" })?;
        if !self.by_leg {
            return self.streets(out, PUBLIC, |_| true);
        }
        self.streets(out, PUBLIC, |way| way == Way::Public)?;
        self.streets(out, LAST, |way| way == Way::Destination)?;
        self.streets(out, FIRST, |way| way == Way::Destination)?;
        self.transfers(out)
    }

    /// The links of one leg: those of edges that may be used in a way that is `wanted`.
    fn streets(&self, out: &mut impl Write, leg: u64, wanted: impl Fn(Way) -> bool) -> io::Result<()> {
        let (nodes, arcs) = (self.network.node_count() as u64, self.network.edges().len() as u64 * 2);
        for (i, edge) in self.network.edges().iter().enumerate() {
            let id = EdgeId(i as u32);
            let way = self.weights.way(id);
            let access = match way {
                Way::Public => "public",
                Way::Destination => "destination",
                Way::Closed => continue,
            };
            for direction in [Direction::Forward, Direction::Backward].into_iter().filter(|_| wanted(way)) {
                let time = self.weights.edge(id, direction);
                if time == WalkTime::NEVER {
                    continue;
                }
                let (link, ends) = match direction {
                    Direction::Forward => (i as u64 * 2, [edge.from, edge.to]),
                    Direction::Backward => (i as u64 * 2 + 1, [edge.to, edge.from]),
                };
                let [from, to] = ends.map(|node| leg * nodes + u64::from(node.0));
                let link = leg * arcs + link;
                write!(out, "{link},{from},{to},true,1,{:.3},{},walk,", edge.length_m, LegKind::of(edge).name())?;
                write!(out, "{},{access},", time.millis())?;
                // A link through a gate is part of no way.
                if edge.way() != 0 {
                    write!(out, "{}", edge.way())?;
                }
                if self.by_leg {
                    write!(out, ",{}", LEGS[leg as usize])?;
                }
                self.geometry(out, id, direction)?;
            }
        }
        Ok(())
    }

    /// The last column of a link: empty where it has no length.
    fn geometry(&self, out: &mut impl Write, id: EdgeId, direction: Direction) -> io::Result<()> {
        if self.network.edge(id).length_m <= 0.0 {
            return out.write_all(b",\n");
        }
        let mut line: Vec<(f64, f64)> =
            self.network.geometry(id).map(|(at, _)| self.network.projection().unproject(at)).collect();
        if direction == Direction::Backward {
            line.reverse();
        }
        out.write_all(b",\"LINESTRING (")?;
        for (i, (lon, lat)) in line.iter().enumerate() {
            write!(out, "{}{lon:.7} {lat:.7}", if i == 0 { "" } else { ", " })?;
        }
        out.write_all(b")\"\n")
    }

    /// Where a walk goes over from the first leg to public streets, and from these to the last leg.
    fn transfers(&self, out: &mut impl Write) -> io::Result<()> {
        let (nodes, arcs) = (self.network.node_count() as u64, self.network.edges().len() as u64 * 2);
        let traits = self.traits();
        for (nth, from_leg, to_leg) in [(0, FIRST, PUBLIC), (1, PUBLIC, LAST)] {
            for (node, _) in (0..).zip(&traits).filter(|(_, traits)| traits.has_destination) {
                let link = LEGS.len() as u64 * arcs + nth * nodes + node;
                let (from, to) = (from_leg * nodes + node, to_leg * nodes + node);
                writeln!(out, "{link},{from},{to},true,1,0.000,transfer,walk,0,public,,transfer,")?;
            }
        }
        Ok(())
    }

    /// Writes `config.csv`: the units, and the coordinate system.
    pub fn config(&self, out: &mut impl Write, name: &str) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record([
            "dataset_name",
            "short_length",
            "long_length",
            "speed",
            "crs",
            "geometry_field_format",
            "version_number",
            "id_type",
        ])?;
        writer.write_record([name, "m", "m", "km/h", "EPSG:4326", "WKT", VERSION, "integer"])?;
        writer.flush()
    }

    /// Writes `use_definition.csv`: the one use that links are for.
    pub fn uses(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"use,persons_per_vehicle,pce,description\nwalk,1,0,on foot\n")
    }

    fn traits(&self) -> Vec<NodeTraits> {
        let mut out = vec![NodeTraits::default(); self.network.node_count()];
        for (i, edge) in self.network.edges().iter().enumerate() {
            let is_destination = self.weights.way(EdgeId(i as u32)) == Way::Destination;
            for (node, stops) in [edge.from, edge.to].into_iter().zip(edge.stops) {
                let node = &mut out[node.index()];
                node.streets = node.streets.saturating_add(1);
                node.is_gate |= edge.gate().is_some();
                node.is_lift |= stops.lift();
                node.has_signals |= stops.signals();
                node.has_destination |= is_destination;
            }
        }
        out
    }
}

/// What is to be said of a node.
#[derive(Clone, Copy, Default)]
struct NodeTraits {
    /// Edges that end here.
    streets: u8,
    is_gate: bool,
    is_lift: bool,
    has_signals: bool,
    /// Whether a street for the first and last leg ends here.
    has_destination: bool,
}

impl NodeTraits {
    fn node_type(self) -> &'static str {
        match self {
            Self { is_gate: true, .. } => "gate",
            Self { is_lift: true, .. } => "lift",
            Self { streets: 3.., .. } => "intersection",
            _ => "",
        }
    }

    fn ctrl_type(self) -> &'static str {
        if self.has_signals { "signal" } else { "" }
    }
}
