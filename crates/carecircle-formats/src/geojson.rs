//! GeoJSON out (RFC 7946): features of blocks, facilities, areas and isochrones, and the collections around them.
//!
//! Geometry is turned back to degrees and rounded once, when a [`Drawing`] is made; features are then put together from
//! bytes. Exterior rings run counter-clockwise, coordinates carry seven decimals at most, nothing depends on a hash map.

pub mod walks;

use crate::crs::Crs;
use carecircle_core::coverage::{Coverage, Reason, Tally};
use carecircle_core::demand::{Block, ChildrenFrom, Outline};
use carecircle_core::facility::{Facility, Status};
use carecircle_core::geometry::{LonLat, Point, Projection, Shape, round7};
use carecircle_core::isochrone::{self, Isochrone, Split};
use carecircle_core::network::Network;
use carecircle_core::opening::Opening;
use carecircle_core::other::OtherColumns;
use carecircle_core::policy::Policy;
use carecircle_core::profile::Profile;
use carecircle_core::study::{SitedFacility, Study};
use carecircle_core::time::WalkTime;
use geo::{LineString, Polygon, Winding};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::sync::Arc;

/// The credit that every file and answer carries.
pub const ATTRIBUTION: &str = "© OpenStreetMap contributors (ODbL)";

/// A geometry ready to be sent: its JSON and its box.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The GeoJSON geometry object, or `null` for an empty shape.
    pub json: Box<str>,
    /// West, south, east, north in degrees; an empty shape has none.
    pub bbox: Option<[f64; 4]>,
}

/// The drawings of everything in a study. They depend on no policy, so that each is made once.
#[derive(Debug)]
pub struct Drawings {
    /// In the order of the study's blocks.
    pub blocks: Arc<[Drawing]>,
    /// In the order of the study's facilities.
    pub facilities: Vec<Drawing>,
    /// In the order of the study's areas.
    pub areas: Arc<[Drawing]>,
}

impl Drawings {
    /// Draws a whole study.
    pub fn new(study: &Study) -> Self {
        let projection = study.network().projection();
        let blocks: Vec<Drawing> =
            study.demand().blocks.par_iter().map(|b| Drawing::outline(projection, &b.outline)).collect();
        let areas = study.areas();
        let areas: Vec<Drawing> =
            (0..areas.all().len()).into_par_iter().map(|i| Drawing::shape(projection, areas.shape(i))).collect();
        Self { blocks: blocks.into(), facilities: draw_facilities(study), areas: areas.into() }
    }

    /// Those of the same city with other facilities, where all else is drawn already.
    #[must_use]
    pub fn with_other_facilities(&self, study: &Study) -> Self {
        let (blocks, areas) = (Arc::clone(&self.blocks), Arc::clone(&self.areas));
        Self { blocks, facilities: draw_facilities(study), areas }
    }
}

fn draw_facilities(study: &Study) -> Vec<Drawing> {
    study.facilities().iter().map(|f| Drawing::place(f.facility.at)).collect()
}

/// Collects a geometry's text and box.
struct Pen {
    json: String,
    bbox: [i32; 4],
}

impl Pen {
    fn new(kind: &str) -> Self {
        Self { json: format!("{{\"type\":\"{kind}\",\"coordinates\":"), bbox: [i32::MAX, i32::MAX, i32::MIN, i32::MIN] }
    }

    fn place(&mut self, at: LonLat) {
        let [west, south, east, north] = self.bbox;
        self.bbox = [west.min(at.lon_e7), south.min(at.lat_e7), east.max(at.lon_e7), north.max(at.lat_e7)];
        self.json.push('[');
        push_degrees(&mut self.json, at.lon_e7);
        self.json.push(',');
        push_degrees(&mut self.json, at.lat_e7);
        self.json.push(']');
    }

    fn ring(&mut self, ring: &[LonLat]) {
        self.list(ring, |pen, &at| pen.place(at));
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.json.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.json.push(',');
            }
            each(self, item);
        }
        self.json.push(']');
    }

    fn finish(mut self) -> Drawing {
        self.json.push('}');
        let degrees = |e7: i32| f64::from(e7) / 1e7;
        Drawing { json: self.json.into(), bbox: Some(self.bbox.map(degrees)) }
    }
}

/// Writes 1e-7 degrees as a decimal number without trailing zeros.
fn push_degrees(out: &mut String, e7: i32) {
    use std::fmt::Write;
    let size = e7.unsigned_abs();
    let (whole, mut fraction) = (size / 10_000_000, size % 10_000_000);
    if e7 < 0 {
        out.push('-');
    }
    write!(out, "{whole}").expect("a string takes every write");
    if fraction > 0 {
        let mut digits = 7;
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        write!(out, ".{fraction:0digits$}").expect("a string takes every write");
    }
}

impl Drawing {
    pub(crate) fn place(at: LonLat) -> Self {
        let mut pen = Pen::new("Point");
        pen.place(at);
        pen.finish()
    }

    fn outline(projection: &Projection, outline: &Outline) -> Self {
        match outline {
            Outline::Point(at) => to_lonlat(projection, *at).map_or_else(Self::empty, Self::place),
            Outline::Shape(shape) => Self::shape(projection, shape),
        }
    }

    fn empty() -> Self {
        Self { json: "null".into(), bbox: None }
    }

    /// The same drawn in another system, east before north, its box too; `None` where that doesn't reach.
    pub fn in_crs(&self, crs: &Crs) -> Option<Self> {
        self.moved(crs, false)
    }

    /// The same drawn in another system, north before east; the box stays west, south, east, north.
    pub fn in_crs_north_first(&self, crs: &Crs) -> Option<Self> {
        self.moved(crs, true)
    }

    /// No other part of a drawing's text has digits or a minus than its coordinates, two by two up to a bracket.
    fn moved(&self, crs: &Crs, north_first: bool) -> Option<Self> {
        let Some(_) = self.bbox else { return Some(self.clone()) };
        let [mut west, mut south, mut east, mut north] = [f64::INFINITY, f64::INFINITY, -f64::INFINITY, -f64::INFINITY];
        let mut out = Vec::with_capacity(self.json.len() + self.json.len() / 4);
        let mut rest = &*self.json;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '-') {
            let (before, place) = rest.split_at(start);
            let (lon, lat) = place[..place.find(']')?].split_once(',')?;
            let [x, y] = place_in(crs, lon.parse().ok()?, lat.parse().ok()?)?;
            (west, south, east, north) = (west.min(x), south.min(y), east.max(x), north.max(y));
            out.extend_from_slice(before.as_bytes());
            let (first, second) = if north_first { (y, x) } else { (x, y) };
            push_json(&mut out, &first);
            out.push(b',');
            push_json(&mut out, &second);
            rest = &place[lon.len() + 1 + lat.len()..];
        }
        out.extend_from_slice(rest.as_bytes());
        let json = String::from_utf8(out).ok()?;
        Some(Self { json: json.into(), bbox: Some([west, south, east, north]) })
    }

    /// A line on the plan, drawn in degrees, place by place.
    fn line(projection: &Projection, line: &[Point]) -> Self {
        let mut pen = Pen::new("LineString");
        let places: Vec<LonLat> = line.iter().filter_map(|&at| to_lonlat(projection, at)).collect();
        pen.ring(&places);
        pen.finish()
    }

    /// A shape on the plan, drawn in degrees: a Polygon, or a MultiPolygon where there are several.
    pub fn shape(projection: &Projection, shape: &Shape) -> Self {
        let polygons: Vec<Vec<Vec<LonLat>>> = shape.0.iter().filter_map(|p| rings(projection, p)).collect();
        match &polygons[..] {
            [] => Self::empty(),
            [one] => {
                let mut pen = Pen::new("Polygon");
                pen.list(one, |pen, ring| pen.ring(ring));
                pen.finish()
            }
            several => {
                let mut pen = Pen::new("MultiPolygon");
                pen.list(several, |pen, polygon| pen.list(polygon, |pen, ring| pen.ring(ring)));
                pen.finish()
            }
        }
    }
}

/// A place in a system: degrees to seven decimals, metres to three.
pub fn place_in(crs: &Crs, lon: f64, lat: f64) -> Option<[f64; 2]> {
    let (x, y) = crs.from_wgs84(lon, lat)?;
    let digits = if crs.is_degrees() { 1e7 } else { 1e3 };
    Some([x, y].map(|v| (v * digits).round() / digits))
}

/// What a collection says of its coordinates where they are not WGS 84: a member `coordinate_system`, and for a system with
/// a number the `crs` of the GeoJSON of 2008, which GDAL and QGIS understand.
pub fn about_crs(about: &mut Map<String, Value>, crs: &Crs) {
    if *crs == Crs::wgs84() {
        return;
    }
    about.insert("coordinate_system".to_owned(), json!(crs.name()));
    if let Some(code) = crs.epsg() {
        let name = format!("urn:ogc:def:crs:EPSG::{code}");
        about.insert("crs".to_owned(), json!({"type": "name", "properties": {"name": name}}));
    }
}

fn to_lonlat(projection: &Projection, at: Point) -> Option<LonLat> {
    let (lon, lat) = projection.unproject(at);
    LonLat::from_degrees(lon, lat)
}

/// A polygon's rings in degrees, turned by the right-hand rule; `None` when nothing is left of its exterior.
fn rings(projection: &Projection, polygon: &Polygon<f64>) -> Option<Vec<Vec<LonLat>>> {
    let ring = |line: &LineString<f64>, counter_clockwise: bool| {
        let mut places: Vec<LonLat> = line.0.iter().filter_map(|&p| to_lonlat(projection, p)).collect();
        // Vertices closer than the rounding fall together.
        places.dedup();
        if line.is_ccw() != counter_clockwise {
            places.reverse();
        }
        (places.len() >= 4).then_some(places)
    };
    let mut out = vec![ring(polygon.exterior(), true)?];
    out.extend(polygon.interiors().iter().filter_map(|hole| ring(hole, false)));
    Some(out)
}

/// The start of a feature: type, id and geometry; its properties follow.
pub(crate) fn open_feature(out: &mut Vec<u8>, id: &str, drawing: &Drawing) {
    out.extend_from_slice(b"{\"type\":\"Feature\",\"id\":");
    push_json(out, &id);
    out.extend_from_slice(b",\"geometry\":");
    out.extend_from_slice(drawing.json.as_bytes());
    out.extend_from_slice(b",\"properties\":{");
}

fn push_json(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    serde_json::to_writer(out, value).expect("numbers and strings always serialise");
}

/// One property; `open_feature` comes before, so the first is `id`.
pub(crate) fn property(out: &mut Vec<u8>, name: &str, value: &impl serde::Serialize) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    push_json(out, &name);
    out.push(b':');
    push_json(out, value);
}

/// Columns that pass through, except where we have a property of that name ourselves.
fn pass_through(out: &mut Vec<u8>, other: &OtherColumns, own: &[&str]) {
    for (name, value) in other.iter().filter(|(name, _)| !own.contains(name)) {
        property(out, name, &value);
    }
}

pub(crate) fn close_feature(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}");
}

/// The properties of a block, in order.
pub const BLOCK_PROPERTIES: [&str; 14] = [
    "id",
    "name",
    "status",
    "covered_share",
    "minutes",
    "nearest_facility",
    "reason",
    "children",
    "demand",
    "area",
    "estimated_from",
    "population",
    "open_gate",
    "open_gate_children",
];

/// What an estimate of children rests on.
fn estimated_from(block: &Block) -> Option<&'static str> {
    (block.children_from == ChildrenFrom::Estimated).then_some(match block.population {
        Some(_) => "residents",
        None if block.from_land => "land",
        None => "floor",
    })
}

/// The passage that, open to the public, would cover most of a gap, and how many of its children more;
/// where that was asked for.
fn open_gate(study: &Study, coverage: &Coverage, i: usize) -> Option<(String, f64)> {
    let opening = &coverage.openings.passages[(*coverage.openings.best.get(i)?)?];
    let share = opening.share_of(i)?;
    let gained = study.demand().blocks[i].children * (share - coverage.verdicts[i].covered_share);
    Some((study.network().passage_id(opening.passage), gained))
}

/// Minutes to four decimals: the search counts milliseconds, 0.006 s is below what any map can tell.
pub(crate) fn rounded_minutes(minutes: f64) -> f64 {
    (minutes * 1e4).round() / 1e4
}

/// Writes the feature of block `i` with its verdict.
pub fn block_feature(out: &mut Vec<u8>, study: &Study, coverage: &Coverage, drawing: &Drawing, i: usize) {
    let block: &Block = &study.demand().blocks[i];
    let verdict = &coverage.verdicts[i];
    open_feature(out, &block.id, drawing);
    property(out, "id", &block.id);
    property(out, "name", &block.name);
    property(out, "status", &verdict.status.name());
    property(out, "covered_share", &verdict.covered_share);
    property(out, "minutes", &verdict.time.and_then(WalkTime::minutes).map(rounded_minutes));
    property(out, "nearest_facility", &verdict.nearest.map(|f| &study.facilities()[f].facility.id));
    property(out, "reason", &verdict.reason.map(Reason::name));
    property(out, "children", &block.children);
    property(out, "demand", &block.children_from.name());
    property(out, "area", &block.area.map(|a| &study.areas().all()[a].id));
    property(out, "estimated_from", &estimated_from(block));
    property(out, "population", &block.population);
    let (open_gate, gained) = open_gate(study, coverage, i).unzip();
    property(out, "open_gate", &open_gate);
    property(out, "open_gate_children", &gained);
    pass_through(out, &block.other, &BLOCK_PROPERTIES);
    close_feature(out);
}

/// The properties of a facility, in order.
pub const FACILITY_PROPERTIES: [&str; 23] = [
    "id",
    "name",
    "name_zh",
    "name_en",
    "kind",
    "status",
    "inclusive",
    "places",
    "places_infant",
    "places_toddler",
    "places_senior",
    "enrolled",
    "staff",
    "staff_certified",
    "health_manager",
    "min_months",
    "max_months",
    "opened",
    "closed",
    "counted",
    "snap_m",
    "entrances",
    "area",
];

/// What every feature of a facility says of it.
fn facility_head(out: &mut Vec<u8>, f: &Facility) {
    property(out, "id", &f.id);
    property(out, "name", &f.name);
    property(out, "name_zh", &f.name_zh);
    property(out, "name_en", &f.name_en);
    property(out, "kind", &f.kind.name());
    property(out, "status", &f.status.name());
    property(out, "inclusive", &f.inclusive);
    property(out, "places", &f.places);
}

/// What is known of a facility, but for its place and the columns that pass through.
pub(crate) fn facility_known(out: &mut Vec<u8>, f: &Facility) {
    facility_head(out, f);
    property(out, "places_infant", &f.places_infant);
    property(out, "places_toddler", &f.places_toddler);
    property(out, "places_senior", &f.places_senior);
    property(out, "enrolled", &f.enrolled);
    property(out, "staff", &f.staff);
    property(out, "staff_certified", &f.staff_certified);
    property(out, "health_manager", &f.health_manager);
    property(out, "min_months", &f.min_months);
    property(out, "max_months", &f.max_months);
    property(out, "opened", &f.opened.map(|day| day.to_string()));
    property(out, "closed", &f.closed.map(|day| day.to_string()));
}

/// Writes the feature of facility `i`: what is known of it, whether the policy counts it, how far off the street it is.
pub fn facility_feature(out: &mut Vec<u8>, study: &Study, coverage: &Coverage, drawing: &Drawing, i: usize) {
    let sited: &SitedFacility = &study.facilities()[i];
    let f = &sited.facility;
    open_feature(out, &f.id, drawing);
    facility_known(out, f);
    property(out, "counted", &coverage.eligible[i]);
    let nearest_m = sited.doors.iter().map(|door| door.snap.offset_m).reduce(f64::min);
    property(out, "snap_m", &nearest_m.map(|m| (m * 10.0).round() / 10.0));
    property(out, "entrances", &sited.entrances.len());
    property(out, "area", &sited.area.map(|a| &study.areas().all()[a].id));
    pass_through(out, &f.other, &FACILITY_PROPERTIES);
    close_feature(out);
}

/// The properties of an area, in order. The last two tell how sure the places of children are: the share of them that
/// footprints instead of floor areas would put into another block, and the share within the limit then.
pub const AREA_PROPERTIES: [&str; 21] = [
    "id",
    "name",
    "name_zh",
    "name_en",
    "level",
    "parent",
    "population",
    "under3",
    "communities",
    "kindergartens",
    "blocks",
    "covered",
    "partial",
    "uncovered",
    "children",
    "covered_children",
    "covered_share",
    "facilities",
    "unplaced_children",
    "moved_share",
    "covered_share_by_footprint",
];

/// Writes the feature of area `i` with its sums.
pub fn area_feature(out: &mut Vec<u8>, study: &Study, coverage: &Coverage, drawing: &Drawing, i: usize) {
    let area = &study.areas().all()[i];
    let tally: &Tally = &coverage.areas[i];
    open_feature(out, &area.id, drawing);
    property(out, "id", &area.id);
    property(out, "name", &area.name);
    property(out, "name_zh", &area.name_zh);
    property(out, "name_en", &area.name_en);
    property(out, "level", &area.level.name());
    property(out, "parent", &study.areas().parents()[i].map(|p| &study.areas().all()[p].id));
    property(out, "population", &area.population);
    property(out, "under3", &area.under3);
    property(out, "communities", &area.communities);
    property(out, "kindergartens", &area.kindergartens);
    property(out, "blocks", &tally.blocks);
    property(out, "covered", &tally.by_status[0]);
    property(out, "partial", &tally.by_status[1]);
    property(out, "uncovered", &tally.by_status[2]);
    property(out, "children", &tally.children);
    property(out, "covered_children", &tally.covered);
    property(out, "covered_share", &tally.covered_share());
    property(out, "facilities", &tally.eligible);
    let balance = &study.demand().allocation.areas[i];
    property(out, "unplaced_children", &balance.unplaced);
    property(out, "moved_share", &balance.moved_share);
    property(out, "covered_share_by_footprint", &coverage.shares_by_footprint[i]);
    pass_through(out, &area.other, &AREA_PROPERTIES);
    close_feature(out);
}

/// The id of a band's feature. It holds no dot: some clients take one for the end of the path.
pub fn isochrone_id(minutes: f64) -> String {
    format!("{minutes}min").replace('.', "-")
}

/// Writes the feature of one isochrone band.
pub fn isochrone_feature(out: &mut Vec<u8>, projection: &Projection, isochrone: &Isochrone, id: &str, speed_kmh: f64) {
    band_feature(out, &Drawing::shape(projection, &isochrone.shape), isochrone.limit, id, speed_kmh);
}

/// As [`isochrone_feature`], drawn already.
pub fn band_feature(out: &mut Vec<u8>, drawing: &Drawing, limit: WalkTime, id: &str, speed_kmh: f64) {
    open_feature(out, id, drawing);
    property(out, "id", &id);
    property(out, "minutes", &limit.minutes());
    property(out, "speed_kmh", &speed_kmh);
    close_feature(out);
}

/// The id of the feature of a facility's circle within so many minutes, or of all facilities' together.
pub fn circle_id(facility: Option<&str>, minutes: f64) -> String {
    let band = isochrone_id(minutes);
    facility.map_or_else(|| band.clone(), |facility| format!("{facility}-{band}"))
}

/// The properties of a circle, in order.
pub const CIRCLE_PROPERTIES: [&str; 6] = ["id", "minutes", "facility", "facility_name", "profile", "speed_kmh"];

/// Writes the feature of the circle around facility `facility`, or around all together, within a limit.
pub fn circle_feature(
    out: &mut Vec<u8>,
    study: &Study,
    profile: &Profile,
    drawing: &Drawing,
    id: &str,
    (facility, limit): (Option<usize>, WalkTime),
) {
    let facility = facility.map(|f| &study.facilities()[f].facility);
    open_feature(out, id, drawing);
    property(out, "id", &id);
    property(out, "minutes", &limit.minutes());
    property(out, "facility", &facility.map(|f| &f.id));
    property(out, "facility_name", &facility.and_then(|f| f.name.as_ref()));
    property(out, "profile", &profile.name);
    property(out, "speed_kmh", &profile.speed.kmh());
    close_feature(out);
}

/// What circles say of themselves: credit, the extract's date, the parameters that they were drawn with, and how many
/// facilities count. `minutes` are those of the policy, or a list.
pub fn about_circles(
    study: &Study,
    policy: &Policy,
    minutes: &Value,
    split: Split,
    drawing: &isochrone::Drawing,
    extract_date: Option<&str>,
) -> Map<String, Value> {
    let mut parameters = parameters(study, policy);
    parameters["minutes"].clone_from(minutes);
    parameters["split"] = json!(split.name());
    parameters["depth_m"] = json!(drawing.depth_m);
    parameters["tolerance_m"] = json!(drawing.tolerance_m);
    let counted = study.facilities().iter().filter(|f| policy.eligibility.admits(&f.facility)).count();
    let mut about = credits(extract_date);
    about.insert("parameters".to_owned(), parameters);
    about.insert("facilities".to_owned(), json!(counted));
    about
}

/// The credit, and the extract's date.
pub(crate) fn credits(extract_date: Option<&str>) -> Map<String, Value> {
    let mut credits = Map::new();
    credits.insert("attribution".to_owned(), json!(ATTRIBUTION));
    credits.insert("extract_date".to_owned(), json!(extract_date));
    credits
}

/// The limit, who walks, and which facilities count.
pub(crate) fn parameters(study: &Study, policy: &Policy) -> Value {
    let eligibility = &policy.eligibility;
    let mut out = json!({
        "policy": policy.name,
        "minutes": policy.minutes,
        "profile": policy.profile.name,
        "speed_kmh": policy.profile.speed.kmh(),
        "signal_delay_s": policy.profile.signal_s,
        "profile_numbers": profile_numbers(&policy.profile),
        "snap_m": study.snap_m(),
        "island_m": study.network().options().island_m,
        "kinds": if eligibility.kinds.is_empty() { json!("all") } else {
            json!(eligibility.kinds.iter().map(|k| k.name()).collect::<Vec<_>>())
        },
        "inclusive": eligibility.inclusive,
        "facility_status": eligibility.status.map(Status::name),
        "min_places": eligibility.min_places,
        "child_months": eligibility.child_months,
        "with_vacancy": eligibility.with_vacancy,
        "on": eligibility.on.map(|day| day.to_string()),
    });
    if let Some(scenario) = &study.scenario {
        out["scenario"] = json!(scenario);
    }
    out
}

/// What every answer says of itself: credit, the extract's date, and the parameters it was computed with.
pub fn about(study: &Study, coverage: &Coverage, extract_date: Option<&str>) -> Map<String, Value> {
    let policy = &coverage.policy;
    let mut parameters = parameters(study, policy);
    parameters["what_if_gates"] = json!(policy.what_if_gates);
    parameters["block_share"] = json!(policy.block_share);
    if study.demand().blocks.iter().any(|b| b.children_from.name() == "estimated") {
        use carecircle_core::demand::{FLOOR_M2_PER_RESIDENT, UNDER3_PER_RESIDENT, UNKNOWN_LEVELS};
        parameters["estimate"] = json!({
            "under3_per_resident": UNDER3_PER_RESIDENT,
            "floor_m2_per_resident": FLOOR_M2_PER_RESIDENT,
            "land_m2_per_resident": study.demand().land_m2_per_resident,
            "levels_where_unknown": UNKNOWN_LEVELS,
        });
    }
    let mut about = credits(extract_date);
    about.insert("parameters".to_owned(), parameters);
    if let Some(children) = children(study) {
        about.insert("children".to_owned(), children);
    }
    if !coverage.openings.passages.is_empty() {
        about.insert("openings".to_owned(), openings(study, coverage));
    }
    about
}

/// Where the numbers of children come from, and whom of those given no block holds; nothing where blocks or estimates tell
/// of all.
fn children(study: &Study) -> Option<Value> {
    let allocation = &study.demand().allocation;
    let [_, shared, gridded, _] = allocation.by_source;
    if shared <= 0.0 && gridded <= 0.0 && allocation.grid.is_none() && allocation.unplaced <= 0.0 {
        return None;
    }
    let by_source = ChildrenFrom::ALL.iter().zip(allocation.by_source);
    let mut out: Map<String, Value> = by_source.map(|(from, n)| (from.name().to_owned(), json!(n))).collect();
    out.insert("unplaced".to_owned(), json!(allocation.unplaced));
    out.insert("moved_share".to_owned(), json!(allocation.moved_share));
    if let Some(grid) = allocation.grid {
        let balance = json!({
            "given": grid.given,
            "placed": grid.placed,
            "beyond_extract": grid.beyond,
            "unplaced": grid.unplaced,
            "overruled": grid.overruled,
        });
        out.insert("population_grid".to_owned(), balance);
    }
    Some(Value::Object(out))
}

/// What an answer says of itself that rests on streets and a profile alone.
pub fn about_walks(network: &Network, profile: &Profile, extract_date: Option<&str>) -> Map<String, Value> {
    let mut about = Map::new();
    about.insert("attribution".to_owned(), json!(ATTRIBUTION));
    about.insert("extract_date".to_owned(), json!(extract_date));
    let parameters = json!({
        "profile": profile.name,
        "speed_kmh": profile.speed.kmh(),
        "signal_delay_s": profile.signal_s,
        "profile_numbers": profile_numbers(profile),
        "island_m": network.options().island_m,
    });
    about.insert("parameters".to_owned(), parameters);
    about
}

/// The numbers of a profile besides its speed: a file of one's own may hold any. Paces are times the flat one, null where
/// it can't be walked.
fn profile_numbers(profile: &Profile) -> Value {
    let [_, cobbled, loose, soft] = profile.surfaces;
    json!({
        "steps_up": profile.steps.up,
        "steps_down": profile.steps.down,
        "ramp_up": profile.steps_with_ramp.up,
        "ramp_down": profile.steps_with_ramp.down,
        "escalator": profile.escalator,
        "cobbled": cobbled,
        "loose": loose,
        "soft": soft,
        "up_per_percent": profile.slope.up_per_percent,
        "down_per_percent": profile.slope.down_per_percent,
        "steepest_percent": profile.slope.steepest_percent,
        "raised_kerb_s": profile.raised_kerb_s,
        "lift_s": profile.lift_s,
    })
}

/// What opening each gate or private way alone would do for the whole city, the one that gains most first; `blocks` are
/// those whose share changes, covered ones among them.
fn openings(study: &Study, coverage: &Coverage) -> Value {
    let network = study.network();
    let opening = |opening: &Opening| {
        let (lon, lat) = network.projection().unproject(network.passage_at(opening.passage));
        json!({
            "id": network.passage_id(opening.passage),
            "lon": round7(lon),
            "lat": round7(lat),
            "children": opening.children,
            "blocks": opening.shares.len(),
        })
    };
    coverage.openings.passages.iter().map(opening).collect()
}

/// Writes a FeatureCollection around features that are already JSON, with further members before them.
pub fn write_collection(
    out: &mut impl Write,
    members: &Map<String, Value>,
    features: impl Iterator<Item = impl AsRef<[u8]>>,
) -> io::Result<()> {
    out.write_all(b"{\"type\":\"FeatureCollection\"")?;
    for (name, value) in members {
        write!(out, ",{}:{value}", Value::from(name.as_str()))?;
    }
    out.write_all(b",\"features\":[")?;
    for (i, feature) in features.enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        out.write_all(feature.as_ref())?;
    }
    out.write_all(b"\n]}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_in_another_system_is_the_same_but_for_its_numbers() {
        let drawn = Drawing {
            json: r#"{"type":"Polygon","coordinates":[[[-8.6,41.15],[116.3000001,-0.5],[0,1]],[[1,2]]]}"#.into(),
            bbox: Some([-8.6, -0.5, 116.300_000_1, 41.15]),
        };
        assert_eq!(
            &*drawn.in_crs_north_first(&Crs::wgs84()).unwrap().json,
            r#"{"type":"Polygon","coordinates":[[[41.15,-8.6],[-0.5,116.3000001],[1.0,0.0]],[[2.0,1.0]]]}"#
        );
        let mercator = drawn.in_crs(&Crs::of_epsg(3857).unwrap()).unwrap();
        assert!(mercator.json.starts_with(r#"{"type":"Polygon","coordinates":[[[-957347.621,"#), "{}", mercator.json);
        assert!(mercator.bbox.unwrap()[2] > 12_946_456.0);
        assert_eq!(Drawing::empty().in_crs(&Crs::gcj02()), Some(Drawing::empty()));
    }

    #[test]
    fn degrees_carry_no_needless_digit() {
        let text = |e7| {
            let mut out = String::new();
            push_degrees(&mut out, e7);
            out
        };
        assert_eq!(text(1_163_000_000), "116.3");
        assert_eq!(text(-5_000_001), "-0.5000001");
        assert_eq!(text(0), "0");
        assert_eq!(text(10), "0.000001");
    }
}
