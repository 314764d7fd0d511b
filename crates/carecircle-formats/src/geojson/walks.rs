//! Walks as features: the walk itself, the facilities that it leads to, and what a verdict rests on.

use super::{
    Drawing, circle_id, close_feature, credits, facility_head, open_feature, parameters, property, rounded_minutes,
    to_lonlat,
};
use carecircle_core::coverage::Reason;
use carecircle_core::explain::{ExplainedPoint, Explanation};
use carecircle_core::facility::{Eligibility, Refusal};
use carecircle_core::geometry::LonLat;
use carecircle_core::matrix::Walk;
use carecircle_core::network::Network;
use carecircle_core::policy::Policy;
use carecircle_core::route::{Leg, LegKind, Route};
use carecircle_core::study::{Door, Study};
use carecircle_core::time::WalkTime;
use carecircle_core::weights::Passage;
use serde_json::{Map, Value, json};

/// Why a block is not covered, in English and in Chinese.
pub fn reason_words(reason: Reason) -> [&'static str; 2] {
    match reason {
        Reason::NoFacility => ["No facility counts", "没有计入的机构"],
        Reason::NoStreet => ["No street near enough", "附近没有道路"],
        Reason::CutOff => ["No way on foot to a facility", "没有通往机构的步行路线"],
        Reason::NotEligible => ["A facility is near, but it does not count", "附近有机构，但未计入"],
        Reason::Gate => ["A private passage is in the way", "须经过私有通道"],
        Reason::TooFar => ["The walk is longer than the limit", "步行时间超过时限"],
    }
}

/// Why a facility does not count, in English and in Chinese.
pub fn refusal_words(refusal: Refusal) -> [&'static str; 2] {
    match refusal {
        Refusal::Kind => ["Its kind does not count", "机构类型不计入"],
        Refusal::Inclusive => ["It is not known to be inclusive (or not to be), as asked", "普惠情况不符或未知"],
        Refusal::Status => ["It has not reached the step asked for", "未达到所要求的登记备案状态"],
        Refusal::Places => ["It is not known to have so many places", "托位数不足或未知"],
        Refusal::Age => ["It does not take a child of this age, as far as is known", "不招收该月龄的儿童或未知"],
        Refusal::Vacancy => ["It is not known to have a place free", "没有空余托位或未知"],
        Refusal::Date => ["It is not open on that day", "该日期不营业"],
    }
}

/// What an answer says of itself that rests on a policy: credit, the extract's date, and the parameters.
pub fn about_policy(study: &Study, policy: &Policy, extract_date: Option<&str>) -> Map<String, Value> {
    let mut about = credits(extract_date);
    let mut parameters = parameters(study, policy);
    parameters["block_share"] = json!(policy.block_share);
    about.insert("parameters".to_owned(), parameters);
    about
}

fn minutes(time: WalkTime) -> Option<f64> {
    time.minutes().map(rounded_minutes)
}

/// Metres to the centimetre.
fn centimetres(metres: f64) -> f64 {
    (metres * 100.0).round() / 100.0
}

fn leg(network: &Network, leg: &Leg) -> Value {
    let gate = leg.gate.map(Passage::Gate).filter(|_| leg.kind == LegKind::Gate);
    let passage = gate.or(leg.way.map(Passage::Way));
    json!({
        "kind": leg.kind.name(),
        "osm": passage.map(|passage| network.passage_id(passage)),
        "private": leg.is_private,
        "metres": centimetres(leg.metres),
        "seconds": leg.time.seconds(),
        "first": leg.places[0],
        "last": leg.places[1],
    })
}

/// Takes a geometry to the coordinate system of an answer. Places among the properties stay in degrees.
pub type Redraw<'a> = &'a dyn Fn(&Drawing) -> Drawing;

/// What is told of a walk: its time and length, and its legs, each with the first and the last position that it leads over.
fn route_properties(out: &mut Vec<u8>, network: &Network, route: &Route) {
    property(out, "minutes", &minutes(route.time()));
    property(out, "seconds", &route.time().seconds());
    property(out, "metres", &centimetres(route.metres()));
    property(out, "legs", &route.legs.iter().map(|of| leg(network, of)).collect::<Vec<_>>());
}

/// Writes the feature of a walk, to a facility where it leads to one.
pub fn route_feature(out: &mut Vec<u8>, study: &Study, route: &Route, to_facility: Option<usize>, redraw: Redraw) {
    let network = study.network();
    open_feature(out, "route", &redraw(&Drawing::line(network.projection(), &route.line)));
    property(out, "id", &"route");
    property(out, "to_facility", &to_facility.map(|f| &study.facilities()[f].facility.id));
    route_properties(out, network, route);
    close_feature(out);
}

/// What a parent asks of a facility.
fn facility_properties(out: &mut Vec<u8>, study: &Study, walk: &Walk, policy: &Policy) {
    let f = &study.facilities()[walk.to].facility;
    facility_head(out, f);
    property(out, "places_free", &f.vacant().map(|vacant| vacant.max(0.0)));
    property(out, "minutes", &minutes(walk.time));
    property(out, "metres", &centimetres(walk.metres));
    property(out, "within", &(walk.time <= policy.limit()));
}

/// Writes the feature of a facility that is walked to.
pub fn nearest_feature(out: &mut Vec<u8>, study: &Study, walk: &Walk, policy: &Policy, redraw: Redraw) {
    let f = &study.facilities()[walk.to].facility;
    open_feature(out, &f.id, &redraw(&Drawing::place(f.at)));
    facility_properties(out, study, walk, policy);
    close_feature(out);
}

/// Words in two languages.
fn words(words: [&str; 2]) -> Value {
    json!({ "en": words[0], "zh": words[1] })
}

/// What is said of a block that is explained: its verdict, and the numbers that make it.
pub fn explained_block(study: &Study, policy: &Policy, block: usize, explanation: &Explanation) -> Value {
    let (block, verdict) = (&study.demand().blocks[block], &explanation.verdict);
    let inside = explanation.points.iter().filter(|point| point.reason.is_none());
    let weight = |point: &ExplainedPoint| study.demand().points[point.point].weight;
    json!({
        "id": block.id,
        "name": block.name,
        "status": verdict.status.name(),
        "covered_share": verdict.covered_share,
        "minutes": verdict.time.and_then(minutes),
        "nearest_facility": verdict.nearest.map(|f| &study.facilities()[f].facility.id),
        "reason": verdict.reason.map(Reason::name),
        "reason_words": verdict.reason.map(|reason| words(reason_words(reason))),
        "children": block.children,
        "covered_children": block.children * verdict.covered_share,
        "demand": block.children_from.name(),
        "points": explanation.points.len(),
        "points_inside": inside.clone().count(),
        "weight": explanation.points.iter().map(weight).sum::<f64>(),
        "weight_inside": inside.map(weight).sum::<f64>(),
        "share_needed": policy.block_share,
        "minutes_allowed": policy.minutes,
    })
}

/// Writes the feature of a block that is explained; `told` is what [`explained_block`] says.
pub fn explained_block_feature(out: &mut Vec<u8>, study: &Study, block: usize, told: &Value, redraw: Redraw) {
    let drawing = Drawing::outline(study.network().projection(), &study.demand().blocks[block].outline);
    open_feature(out, "block", &redraw(&drawing));
    property(out, "feature", &"block");
    for (name, value) in told.as_object().into_iter().flatten() {
        property(out, name, value);
    }
    close_feature(out);
}

fn snap(network: &Network, door: &Door) -> Value {
    let edge = network.edge(door.snap.edge);
    let at = to_lonlat(network.projection(), door.snap.at);
    json!({
        "lon": at.map(LonLat::lon),
        "lat": at.map(LonLat::lat),
        "street": network.passage_id(Passage::Way(edge.way())),
        "kind": LegKind::of(edge).name(),
        "metres_off": centimetres(door.snap.offset_m),
        "metres_to_gate": (door.beyond_m > 0.0).then(|| centimetres(door.beyond_m)),
    })
}

/// Writes the feature of the n-th demand point of a block that is explained; `is_shown` tells whether the walk is shown
/// that begins there.
pub fn explained_point_feature(
    out: &mut Vec<u8>,
    study: &Study,
    children: f64,
    (n, explained): (usize, &ExplainedPoint),
    is_shown: bool,
    redraw: Redraw,
) {
    let (network, point) = (study.network(), &study.demand().points[explained.point]);
    let place = to_lonlat(network.projection(), point.at).map_or_else(Drawing::empty, Drawing::place);
    let facility = |label: u32| &study.facilities()[label as usize].facility.id;
    open_feature(out, &format!("point-{n}"), &redraw(&place));
    property(out, "feature", &"point");
    property(out, "point", &n);
    property(out, "shown", &is_shown);
    property(out, "weight", &point.weight);
    property(out, "children", &(children * point.weight));
    property(out, "within", &explained.reason.is_none());
    property(out, "minutes", &explained.walk.and_then(|walk| minutes(walk.time)));
    property(out, "nearest_facility", &explained.walk.map(|walk| facility(walk.label)));
    property(out, "reason", &explained.reason.map(Reason::name));
    let other = explained.any.filter(|any| explained.walk.is_none_or(|walk| walk.label != any.label));
    property(out, "nearer_not_counted", &other.map(|any| facility(any.label)));
    property(out, "nearer_not_counted_minutes", &other.and_then(|any| minutes(any.time)));
    property(out, "snaps", &explained.doors.iter().map(|door| snap(network, door)).collect::<Vec<_>>());
    close_feature(out);
}

/// Writes the feature of a facility around a block that is explained, and why it does not count.
pub fn explained_facility_feature(out: &mut Vec<u8>, study: &Study, walk: &Walk, policy: &Policy, redraw: Redraw) {
    let f = &study.facilities()[walk.to].facility;
    let Policy { eligibility, .. } = policy;
    open_feature(out, &format!("facility-{}", f.id), &redraw(&Drawing::place(f.at)));
    property(out, "feature", &"facility");
    facility_properties(out, study, walk, policy);
    property(out, "counted", &eligibility.admits(f));
    property(out, "not_counted_because", &refusals(eligibility, study, walk.to));
    close_feature(out);
}

fn refusals(eligibility: &Eligibility, study: &Study, facility: usize) -> Vec<Value> {
    let refusals = eligibility.refusals(&study.facilities()[facility].facility);
    let told = refusals.map(|refusal| {
        let mut told = words(refusal_words(refusal));
        told["condition"] = json!(refusal.name());
        told
    });
    told.collect()
}

/// Writes the feature of the walk shown in an explanation.
pub fn explained_route_feature(
    out: &mut Vec<u8>,
    study: &Study,
    route: &Route,
    (point, facility): (usize, usize),
    redraw: Redraw,
) {
    let network = study.network();
    open_feature(out, "route", &redraw(&Drawing::line(network.projection(), &route.line)));
    property(out, "feature", &"route");
    property(out, "from_point", &point);
    property(out, "to_facility", &study.facilities()[facility].facility.id);
    route_properties(out, network, route);
    close_feature(out);
}

/// Writes the feature of one band around the point of that id, of several.
pub fn point_band_feature(out: &mut Vec<u8>, drawing: &Drawing, limit: WalkTime, point: &str, speed_kmh: f64) {
    let id = circle_id(Some(point), limit.minutes().unwrap_or_default());
    open_feature(out, &id, drawing);
    property(out, "id", &id);
    property(out, "point", &point);
    property(out, "minutes", &limit.minutes());
    property(out, "speed_kmh", &speed_kmh);
    close_feature(out);
}
