//! What changes between two analyses of a city that differ by its facilities: `a` before, `b` after.

use crate::geojson::{Drawing, close_feature, open_feature, property, rounded_minutes};
use carecircle_core::coverage::{Coverage, Reason, Verdict};
use carecircle_core::study::Study;
use carecircle_core::time::WalkTime;
use serde_json::{Value, json};

/// An analysis, and what it is of.
pub type Analysed<'a> = (&'a Study, &'a Coverage);

/// The blocks whose verdict, walk or nearest facility is another, in order.
pub fn changed_blocks(a: Analysed, b: Analysed) -> Vec<usize> {
    let told = |(study, coverage): Analysed<'_>, i: usize| {
        let Verdict { status, covered_share, time, nearest, reason } = coverage.verdicts[i];
        // Of two that are equally far either may be told.
        let nearest = nearest.map(|f| study.facilities()[f].facility.id.clone());
        (status, covered_share.to_bits(), time, nearest, reason)
    };
    (0..a.1.verdicts.len()).filter(|&i| told(a, i) != told(b, i)).collect()
}

/// Children who come within the limit, and those who are no longer.
pub fn children_moved(a: Analysed, b: Analysed) -> (f64, f64) {
    let blocks = a.0.demand().blocks.iter().zip(a.1.verdicts.iter().zip(&b.1.verdicts));
    blocks.fold((0.0, 0.0), |(gained, lost), (block, (a, b))| {
        let children = block.children * (b.covered_share - a.covered_share);
        (gained + children.max(0.0), lost + (-children).max(0.0))
    })
}

/// What one of them amounts to.
pub fn total((study, coverage): Analysed) -> Value {
    let total = &coverage.total;
    let [covered, partial, uncovered] = total.by_status;
    json!({
        "scenario": study.scenario,
        "facilities": total.facilities,
        "facilities_counted": total.eligible,
        "blocks_covered": covered,
        "blocks_partial": partial,
        "blocks_uncovered": uncovered,
        "children": total.children,
        "covered_children": total.covered,
        "covered_share": total.covered_share(),
    })
}

/// A block as a feature that tells both.
pub fn changed_feature(out: &mut Vec<u8>, a: Analysed, b: Analysed, drawing: &Drawing, i: usize) {
    let block = &a.0.demand().blocks[i];
    open_feature(out, &block.id, drawing);
    property(out, "id", &block.id);
    property(out, "name", &block.name);
    property(out, "area", &block.area.map(|area| &a.0.areas().all()[area].id));
    property(out, "children", &block.children);
    let gained = block.children * (b.1.verdicts[i].covered_share - a.1.verdicts[i].covered_share);
    property(out, "children_gained", &(gained + 0.0));
    for ((study, coverage), end) in [(a, "a"), (b, "b")] {
        let verdict = &coverage.verdicts[i];
        let mut tell = |name: &str, value: Value| property(out, &format!("{name}_{end}"), &value);
        tell("status", json!(verdict.status.name()));
        tell("covered_share", json!(verdict.covered_share));
        tell("minutes", json!(verdict.time.and_then(WalkTime::minutes).map(rounded_minutes)));
        tell("nearest_facility", json!(verdict.nearest.map(|f| &study.facilities()[f].facility.id)));
        tell("reason", json!(verdict.reason.map(Reason::name)));
    }
    close_feature(out);
}
