//! The report for programs: every list whole, every number as it was measured. `docs/import-report.md` says what each
//! member means; names don't change.

use super::cells::{CELL_M2, LEAST_CELLS, LEAST_MEDIAN, LEAST_SHORTFALL_M, LEAST_STREET_M, MARKED_UNDER, PEERS};
use super::findings::{Extent, Findings, Layer, OffStreet};
use super::trust::{Judgement, Scale};
use carecircle_core::geometry::{Point, round7};
use carecircle_core::place::PremisesKind;
use carecircle_core::study::Study;
use carecircle_formats::geojson;
use carecircle_osm::PremisesCounts;
use serde_json::{Value, json};

/// The whole report.
pub(super) fn report(findings: &Findings, judgements: &[Judgement]) -> Value {
    let city = findings.city;
    let (import, network, study) = (&city.import, &city.network, &city.study);
    let lonlat = |at: Point| {
        let (lon, lat) = study.network().projection().unproject(at);
        (round7(lon), round7(lat))
    };
    let mut about = geojson::about(study, findings.coverage, city.extract_date.as_deref());
    let islands: Vec<Value> = network
        .islands
        .iter()
        .map(|island| {
            let (lon, lat) = lonlat(island.at);
            json!({ "way": island.way, "lon": lon, "lat": lat, "length_m": island.length_m })
        })
        .collect();
    let named = |id: &str, name: &Option<String>| json!({ "id": id, "name": name });
    let merged: Vec<Value> = import
        .merged
        .iter()
        .filter(|_| city.map_facilities)
        .map(|m| json!({ "dropped": m.dropped, "kept": m.kept, "name": m.name, "reason": m.reason }))
        .collect();
    let rejected: Vec<Value> = city
        .rejected
        .iter()
        .map(|r| json!({ "layer": r.layer, "table": r.table.name(), "rows": r.rejects.len() }))
        .collect();
    let demand = &study.demand().report;
    let (streets, polygons, lengths) = (&import.streets, &import.polygons, &findings.lengths);
    let gaps = &findings.gaps;
    let members = json!({
        "title": city.title,
        "file": {
            "nodes": import.nodes,
            "ways": import.ways,
            "relations": import.relations,
            "unsorted": import.unsorted,
            "duplicate_ids": import.duplicate_ids,
            "bad_coordinates": import.bad_coordinates,
            "extent": findings.extent.as_ref().map(extent),
        },
        "judgements": judgements.iter().map(judgement).collect::<Vec<_>>(),
        "gaps": {
            "blocks": study.demand().blocks.len(),
            "not_covered": gaps.all,
            "doubtful": gaps.any,
            "paths_probably_unmapped": gaps.marked_cells,
            "near_edge": gaps.near_edge,
            "no_street": gaps.no_street,
            "cut_off": gaps.cut_off,
            "children_not_covered_blocks": gaps.children,
            "children_doubtful_blocks": gaps.children_any,
        },
        "streets": {
            "length_m": {
                "footway": lengths.footway_m,
                "steps": lengths.steps_m,
                "lift": lengths.lift_m,
                "street": lengths.street_m,
                "ferry": lengths.ferry_m,
                "destination_only": lengths.destination_only_m,
                "one_way": lengths.one_way_m,
            },
            "ways": {
                "walkable": streets.walkable,
                "ferries": streets.ferries,
                "destination_only": streets.destination_only,
                "conditional": streets.conditional,
                "one_way": streets.one_way,
                "squares": streets.squares,
                "sidewalks_apart": streets.sidewalks_apart,
                "cut": streets.cut,
                "missing_nodes": streets.missing_nodes,
            },
            "left_out": {
                "closed_to_foot": streets.closed_to_foot,
                "use_sidepath": streets.use_sidepath,
                "squares_lost": streets.squares_lost,
                "motorways": streets.motorways,
                "motorroads": streets.motorroads,
                "not_built": streets.not_built,
                "other_highways": streets.other_highways,
                "ferries_without_duration": streets.ferries_without_duration,
                "too_short": streets.too_short,
                "one_place_only": network.degenerate_ways,
            },
            "nodes": {
                "private_gates": import.spots.private_gates,
                "closed_gates": import.spots.closed_gates,
                "walls": import.spots.walls,
                "conditional": import.spots.conditional,
                "raised_kerbs": import.spots.raised_kerbs,
                "signals": import.spots.signals,
                "lifts": import.spots.lifts,
            },
            "network": { "nodes": network.nodes, "edges": network.edges, "components": network.components },
        },
        "islands": { "count": network.islands.len(), "length_m": network.islands_m().abs(), "list": islands },
        "off_street": {
            "facilities": findings.off_street_of(Layer::Facility).into_iter().map(off_street).collect::<Vec<_>>(),
            "demand_points": findings.off_street_of(Layer::Demand).into_iter().map(off_street).collect::<Vec<_>>(),
        },
        "facilities": {
            "count": study.facilities().len(),
            "merged": merged,
            "lost": import.lost.iter().filter(|_| city.map_facilities).map(|l| named(&l.id, &l.name)).collect::<Vec<_>>(),
        },
        "premises": premises(study, import.premises),
        "areas": {
            "count": study.areas().all().len(),
            "clipped": import.clipped.iter().filter(|_| city.map_areas).map(|c| named(&c.id, &c.name)).collect::<Vec<_>>(),
        },
        "polygons": {
            "unclosed": polygons.unclosed,
            "missing_nodes": polygons.missing_nodes,
            "missing_members": polygons.missing_members,
            "open_rings": polygons.open_rings,
            "stray_holes": polygons.stray_holes,
            "degenerate": polygons.degenerate,
            "not_assembled": polygons.not_assembled,
            "tangled": polygons.tangled,
            "mended": polygons.mended,
            "repeated": polygons.repeated,
        },
        "homes": {
            "count": demand.homes,
            "with_levels": demand.homes_with_levels,
            "certain": demand.homes_certain,
            "assumed": demand.homes - demand.homes_certain,
            "in_cells": demand.homes_in_cells,
            "not_homes": demand.not_homes,
        },
        "residential_land": {
            "cut": demand.polygons_cut,
            "empty": demand.empty_pieces,
            "too_large": demand.polygons_too_large,
            "beyond_extract": demand.beyond_extract,
        },
        "children": {
            "all": findings.children.all,
            "off_street": findings.children.off_street,
            "from_land": findings.children.from_land,
            "no_area": findings.children.no_area,
            "paths_probably_unmapped": findings.children.marked_cells,
            "near_edge": findings.children.near_edge,
        },
        "footways": footways(findings),
        "tables": rejected,
    });
    if let Value::Object(members) = members {
        about.extend(members);
    }
    Value::Object(about)
}

/// By kind, then those that came to nothing.
fn premises(study: &Study, counts: PremisesCounts) -> Value {
    let of_kind = |kind: &PremisesKind| (kind.name().to_owned(), study.premises_of(*kind).count() as u64);
    let nothing = [("merged", counts.merged), ("lost", counts.lost)].map(|(name, n)| (name.to_owned(), n));
    PremisesKind::ALL.iter().map(of_kind).chain(nothing).collect()
}

fn extent(extent: &Extent) -> Value {
    let (low, high) = (extent.south_west, extent.north_east);
    json!({
        "west": low.lon(), "south": low.lat(), "east": high.lon(), "north": high.lat(),
        "from": if extent.from_file { "file" } else { "streets" },
    })
}

fn judgement(judgement: &Judgement) -> Value {
    let (better, good, poor) = match judgement.scale {
        Scale::LessIsBetter(good, poor) => ("less", good, poor),
        Scale::MoreIsBetter(good, poor) => ("more", good, poor),
    };
    json!({
        "topic": judgement.topic,
        "mark": judgement.mark.name(),
        "value": judgement.value,
        "better": better,
        "good": good,
        "poor": poor,
        "figure": { "en": judgement.figure.en, "zh": judgement.figure.zh },
        "why": { "en": judgement.why.en, "zh": judgement.why.zh },
    })
}

fn off_street(point: &OffStreet) -> Value {
    let mut out = json!({
        "name": point.name,
        "lon": point.lon,
        "lat": point.lat,
        "street_m": point.street_m,
    });
    match point.layer {
        Layer::Facility => out["id"] = json!(point.id),
        Layer::Demand => {
            out["block"] = json!(point.id);
            out["children"] = json!(point.children);
        }
    }
    out
}

fn footways(findings: &Findings) -> Value {
    let cells = &findings.cells;
    let list: Vec<Value> = cells
        .all
        .iter()
        .map(|cell| {
            let bounds = cells.grid.bounds(cell.tile);
            json!({
                "id": cells.id(cell),
                "bbox": [
                    round7(bounds.min().x), round7(bounds.min().y), round7(bounds.max().x), round7(bounds.max().y)
                ],
                "children": cell.children,
                "points": cell.points,
                "footway_m": cell.footway_m,
                "street_m": cell.street_m,
                "footway_per_street": cell.ratio(),
                "expected": cell.expected,
                "standing": cell.standing.name(),
            })
        })
        .collect();
    json!({
        "per_street": findings.lengths.footways_per_street(),
        "per_street_around_homes": cells.footways_per_street(),
        "cells_compared": cells.compared,
        "spread": cells.spread.map(|s| json!({
            "least": s.least, "quarter": s.quarter, "median": s.median,
            "three_quarters": s.three_quarters, "most": s.most,
        })),
        "rule": {
            "largest_cell_m2": CELL_M2,
            "least_street_m": LEAST_STREET_M,
            "least_cells": LEAST_CELLS,
            "peers": PEERS,
            "least_median": LEAST_MEDIAN,
            "marked_under": MARKED_UNDER,
            "least_shortfall_m": LEAST_SHORTFALL_M,
        },
        "cells": list,
    })
}
