//! Two scenarios side by side, or a scenario beside the study as it is.

use crate::analysis::{Analysis, Layer, Snapshot};
use crate::app::App;
use crate::collections::{as_page, link, write_features};
use crate::openapi::{content, forms, in_query, operation, parameter, with_page};
use crate::problem::ApiError;
use crate::query::{POLICY_NAMES, Query, named};
use crate::reply::{Media, Reply, preferred};
use crate::summary::{Sheet, level};
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::place::AreaLevel;
use carecircle_formats::compare::{Analysed, changed_blocks, changed_feature, children_moved, total};
use carecircle_formats::{card, geojson};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const FORMS: [&str; 3] = ["geojson", "json", "html"];

/// One of the two.
type Side<'a> = (&'a Snapshot, &'a Analysis);

/// The parameters that both are analysed by.
fn names() -> impl Iterator<Item = &'static str> {
    POLICY_NAMES.into_iter().filter(|name| *name != "scenario")
}

/// Its part of the OpenAPI document.
pub(crate) fn paths() -> [(&'static str, Value); 1] {
    let scenario = |name: &str, which: &str| {
        let description = format!("The id of the scenario that {which}; without it the study as it is");
        in_query(name, &description, &json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }))
    };
    let mut parameters = vec![scenario("a", "is compared with"), scenario("b", "is compared"), parameter("by")];
    parameters.push(forms(&FORMS));
    parameters.extend(names().map(parameter));
    let answer = with_page(content("application/geo+json", "FeatureCollection"));
    let title =
        "Blocks that change from one scenario to another, children gained and lost, and indicators side by side";
    [("/compare", operation("getComparison", "scenarios", title, &parameters, &answer, &["400", "404"]))]
}

/// `GET /compare`
pub(crate) async fn compare(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["a", "b", "by", "f"].into_iter().chain(names()).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let media = match query.word("f", &FORMS)? {
        Some("html") => Media::Html,
        Some(_) => Media::GeoJson,
        None => preferred(&parts, &[Media::GeoJson, Media::Html]),
    };
    let now = app.snapshot();
    let level = level(&mut query, &now)?;
    let policy = query.policy(&now.served.policy)?;
    let question = format!("/compare{}", query.canonical());
    let mut reply = Reply::new(&now, &parts.headers, begun, media, &base, &question);
    let side = async |name: &'static str| match named(parts.uri.query(), name) {
        Some(id) => app.after(&now, name, id).await,
        None => Ok(Arc::clone(&now)),
    };
    let (a, b) = (side("a").await?, side("b").await?);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let (of_a, was_there) = a.analysis(&app.workers, policy.clone()).await?;
    let (of_b, was_there_too) = b.analysis(&app.workers, policy).await?;
    reply.analysed(was_there && was_there_too);
    let write = move || {
        let json = document((&a, &of_a), (&b, &of_b), level, &format!("{base}{question}"));
        Ok(if media == Media::Html { as_page(&question, &json) } else { json })
    };
    reply.write(&app, write).await
}

fn analysed((snapshot, analysis): Side<'_>) -> Analysed<'_> {
    (&snapshot.served.study, &analysis.coverage)
}

fn document(a: Side, b: Side, level: AreaLevel, here: &str) -> Vec<u8> {
    let (in_a, in_b) = (analysed(a), analysed(b));
    let changed = changed_blocks(in_a, in_b);
    let (gained, lost) = children_moved(in_a, in_b);
    let sheets = [a, b].map(|(snapshot, analysis)| Sheet::new(snapshot, analysis, level));
    let areas = sheets[0].rows(a.0).zip(sheets[1].rows(b.0)).map(|((_, area, of_a), (_, _, of_b))| {
        json!({ "id": area.id, "name": area.name, "a": card::figures_json(of_a), "b": card::figures_json(of_b) })
    });
    let [in_all_of_a, in_all_of_b] = [&sheets[0], &sheets[1]].map(|sheet| card::figures_json(&sheet.figures.total));
    let served = &a.0.served;
    let mut members = geojson::about(&served.study, in_a.1, served.extract_date.as_deref());
    if let Some(parameters) = members["parameters"].as_object_mut() {
        parameters.remove("scenario");
    }
    let own = [
        ("a", total(in_a)),
        ("b", total(in_b)),
        ("children_gained", json!(gained)),
        ("children_lost", json!(lost)),
        ("by", json!(level.name())),
        ("areas", areas.collect()),
        ("total", json!({ "a": in_all_of_a, "b": in_all_of_b })),
        ("numberReturned", json!(changed.len())),
        ("links", json!([link("self", Media::GeoJson, "This comparison", here)])),
    ];
    members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let drawings = a.0.drawings_of(Layer::Blocks);
    write_features(&members, &changed, |out, &i| changed_feature(out, in_a, in_b, &drawings[i], i))
}
