//! What an import left open, measured: lengths by class, points off the streets, the extract's edge, doubtful gaps.

use super::cells::Cells;
use crate::inputs::City;
use carecircle_core::coverage::{BlockStatus, Coverage, Reason};
use carecircle_core::demand::{Block, DemandPoint};
use carecircle_core::geometry::{LonLat, Point, geodesic_m, round7};
use carecircle_core::network::EdgeId;
use carecircle_core::street::{Access, StreetClass};
use rayon::prelude::*;

/// Everything that the report tells, in whichever form.
pub(super) struct Findings<'a> {
    pub(super) city: &'a City,
    pub(super) coverage: &'a Coverage,
    pub(super) lengths: Lengths,
    /// Facilities by id, then demand points block by block.
    pub(super) off_street: Vec<OffStreet<'a>>,
    pub(super) cells: Cells,
    pub(super) extent: Option<Extent>,
    pub(super) children: Children,
    pub(super) gaps: Gaps,
}

/// How long the network is, islands not counted.
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lengths {
    pub(super) footway_m: f64,
    pub(super) steps_m: f64,
    pub(super) lift_m: f64,
    pub(super) street_m: f64,
    pub(super) ferry_m: f64,
    /// Of all but ferries: for those who live or have business there only.
    pub(super) destination_only_m: f64,
    /// Of all but ferries: walked in one direction only.
    pub(super) one_way_m: f64,
}

impl Lengths {
    /// Metres of ways for people on foot for each metre of street.
    pub(super) fn footways_per_street(&self) -> Option<f64> {
        (self.street_m > 0.0).then(|| (self.footway_m + self.steps_m) / self.street_m)
    }
}

/// Whose point it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Facility,
    Demand,
}

/// A point that met no street near enough.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OffStreet<'a> {
    pub(super) layer: Layer,
    /// The facility's id, or that of the block.
    pub(super) id: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) at: Point,
    pub(super) lon: f64,
    pub(super) lat: f64,
    /// Metres to the nearest street of the network; `None` when it has no street at all.
    pub(super) street_m: Option<f64>,
    /// Children under three at a demand point.
    pub(super) children: Option<f64>,
}

/// The box that the extract covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) south_west: LonLat,
    pub(super) north_east: LonLat,
    /// Whether the file says so; otherwise it is the box around the streets.
    pub(super) from_file: bool,
}

/// Where the children live whose walks rest on doubtful ground.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Children {
    pub(super) all: f64,
    /// At demand points off the streets.
    pub(super) off_street: f64,
    /// In blocks of which nothing but the size of the land is known.
    pub(super) from_land: f64,
    /// In no area.
    pub(super) no_area: f64,
    /// In cells whose footpaths are probably not mapped.
    pub(super) marked_cells: f64,
    /// Nearer to the extract's edge than the policy's walk is long.
    pub(super) near_edge: f64,
}

impl Children {
    /// A part of all children.
    pub(super) fn share(&self, part: f64) -> Option<f64> {
        (self.all > 0.0).then(|| part / self.all)
    }
}

/// Blocks that aren't covered, and which of them may be the map's fault.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gaps {
    pub(super) all: usize,
    /// Mostly in cells whose footpaths are probably not mapped.
    pub(super) marked_cells: usize,
    /// Off every street.
    pub(super) no_street: usize,
    /// On streets without connection to a facility.
    pub(super) cut_off: usize,
    /// Mostly nearer to the extract's edge than the policy's walk is long.
    pub(super) near_edge: usize,
    /// Any of these.
    pub(super) any: usize,
    /// Children in all gaps.
    pub(super) children: f64,
    /// Children in gaps with any of these.
    pub(super) children_any: f64,
}

impl<'a> Findings<'a> {
    pub(super) fn of(city: &'a City, coverage: &'a Coverage) -> Self {
        let study = &city.study;
        let cells = Cells::measure(study);
        let extent = Extent::of(city);
        let off_street = off_street(city);
        let walk_m = coverage.policy.minutes * coverage.policy.profile.speed.kmh() * 1_000.0 / 60.0;
        let near_edge: Vec<bool> = study
            .demand()
            .points
            .par_iter()
            .map(|p| extent.is_some_and(|e| e.inside_m(study.network().projection().unproject(p.at)) < walk_m))
            .collect();
        let (mut children, mut gaps) =
            (Children { no_area: coverage.outside.children, ..Children::default() }, Gaps::default());
        for (block, verdict) in study.demand().blocks.iter().zip(&coverage.verdicts) {
            let own = block.points.start as usize..block.points.end as usize;
            let near_edge = weigh(study.demand().points_of(block), &near_edge[own], |_, &near| near);
            let marked = weigh(study.demand().points_of(block), study.demand().points_of(block), |p, _| {
                cells.is_marked(study, p.at)
            });
            children.all += block.children;
            children.near_edge += block.children * near_edge;
            children.marked_cells += block.children * marked;
            children.from_land += if block.from_land { block.children } else { 0.0 };
            if verdict.status == BlockStatus::Covered {
                continue;
            }
            let (marked, near_edge) = (marked > 0.5, near_edge > 0.5);
            let no_street = verdict.reason == Some(Reason::NoStreet);
            let cut_off = verdict.reason == Some(Reason::CutOff);
            let any = marked || near_edge || no_street || cut_off;
            gaps.all += 1;
            gaps.marked_cells += usize::from(marked);
            gaps.near_edge += usize::from(near_edge);
            gaps.no_street += usize::from(no_street);
            gaps.cut_off += usize::from(cut_off);
            gaps.any += usize::from(any);
            gaps.children += block.children;
            gaps.children_any += if any { block.children } else { 0.0 };
        }
        // Not `sum`: of nothing it is -0.
        children.off_street = off_street.iter().filter_map(|p| p.children).fold(0.0, |sum, c| sum + c);
        Self { city, coverage, lengths: lengths(city), off_street, cells, extent, children, gaps }
    }

    /// The points off the streets of one layer, the farthest first.
    pub(super) fn off_street_of(&self, layer: Layer) -> Vec<&OffStreet<'a>> {
        let mut points: Vec<&OffStreet> = self.off_street.iter().filter(|p| p.layer == layer).collect();
        let metres = |p: &OffStreet| p.street_m.unwrap_or(f64::INFINITY);
        points.sort_by(|a, b| metres(b).total_cmp(&metres(a)));
        points
    }
}

/// The part of a block's children for whom something holds.
fn weigh<T>(points: &[DemandPoint], what: &[T], holds: impl Fn(&DemandPoint, &T) -> bool) -> f64 {
    points.iter().zip(what).filter(|(p, w)| holds(p, w)).map(|(p, _)| p.weight).sum()
}

fn lengths(city: &City) -> Lengths {
    let mut out = Lengths::default();
    for edge in city.study.network().edges().iter().filter(|edge| !edge.is_across() && edge.gate().is_none()) {
        let sum = match edge.class {
            StreetClass::Footway => &mut out.footway_m,
            StreetClass::Steps => &mut out.steps_m,
            StreetClass::Elevator => &mut out.lift_m,
            StreetClass::Street => &mut out.street_m,
            StreetClass::Ferry => {
                out.ferry_m += edge.length_m;
                continue;
            }
        };
        *sum += edge.length_m;
        if edge.access == Access::Destination {
            out.destination_only_m += edge.length_m;
        }
        if !(edge.forward && edge.backward) {
            out.one_way_m += edge.length_m;
        }
    }
    out
}

/// Every facility and demand point that did not snap.
fn off_street(city: &City) -> Vec<OffStreet<'_>> {
    let (study, network) = (&city.study, city.study.network());
    let place = |layer, id, name, at, children| {
        let (lon, lat) = network.projection().unproject(at);
        OffStreet { layer, id, name, at, lon: round7(lon), lat: round7(lat), street_m: network.nearest_m(at), children }
    };
    let facilities = study.facilities().par_iter().filter(|f| f.doors.is_empty()).map(|sited| {
        let facility = &sited.facility;
        let off = place(Layer::Facility, &facility.id, facility.name.as_deref(), sited.at, None);
        OffStreet { lon: facility.at.lon(), lat: facility.at.lat(), ..off }
    });
    let mut out: Vec<OffStreet> = facilities.collect();
    let homes: Vec<(&Block, &DemandPoint)> = (study.demand().blocks.iter())
        .flat_map(|b| study.demand().points_of(b).iter().filter(|p| p.doors.is_empty()).map(move |p| (b, p)))
        .collect();
    out.par_extend(homes.into_par_iter().map(|(block, point)| {
        place(Layer::Demand, &block.id, block.name.as_deref(), point.at, Some(block.children * point.weight))
    }));
    out
}

impl Extent {
    /// The box that the file says, else the one around the streets.
    fn of(city: &City) -> Option<Self> {
        if let Some(bounds) = city.bounds {
            return Some(Self { south_west: bounds.south_west, north_east: bounds.north_east, from_file: true });
        }
        let network = city.study.network();
        let ends = (0..network.edges().len()).filter_map(|i| network.geometry(EdgeId(i as u32)).next());
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for (at, _) in ends {
            let (lon, lat) = network.projection().unproject(at);
            low = [low[0].min(lon), low[1].min(lat)];
            high = [high[0].max(lon), high[1].max(lat)];
        }
        let south_west = LonLat::from_degrees(low[0], low[1])?;
        let north_east = LonLat::from_degrees(high[0], high[1])?;
        Some(Self { south_west, north_east, from_file: false })
    }

    /// Metres from a place inside to the nearest side; 0 outside.
    fn inside_m(&self, (lon, lat): (f64, f64)) -> f64 {
        let (low, high) = (self.south_west, self.north_east);
        let Some(at) = LonLat::from_degrees(lon, lat) else { return 0.0 };
        if at.lon_e7 < low.lon_e7 || at.lon_e7 > high.lon_e7 || at.lat_e7 < low.lat_e7 || at.lat_e7 > high.lat_e7 {
            return 0.0;
        }
        let sides = [
            LonLat { lon_e7: low.lon_e7, ..at },
            LonLat { lon_e7: high.lon_e7, ..at },
            LonLat { lat_e7: low.lat_e7, ..at },
            LonLat { lat_e7: high.lat_e7, ..at },
        ];
        sides.into_iter().map(|side| geodesic_m(at, side)).fold(f64::INFINITY, f64::min)
    }
}
