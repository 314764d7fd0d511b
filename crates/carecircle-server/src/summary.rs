//! Indicators per area.

use crate::analysis::{Analysis, Snapshot};
use crate::app::App;
use crate::problem::ApiError;
use crate::query::{POLICY_NAMES, Query};
use crate::reply::{Media, Reply, preferred};
use axum::http::request::Parts;
use axum::response::Response;
use carecircle_core::indicators::{Figure, Figures, Indicator, Score};
use carecircle_core::place::{Area, AreaLevel};
use carecircle_formats::out::csv_cell;
use carecircle_formats::{card, geojson};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// `GET /summary`
pub(crate) async fn summary(app: Arc<App>, parts: Parts) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let snapshot = app.snapshot_for(&parts).await?;
    let base = app.base(&parts)?;
    let known: Vec<&str> = ["by", "f"].into_iter().chain(POLICY_NAMES).collect();
    let mut query = Query::parse(parts.uri.query(), &known)?;
    let media = match query.word("f", &["json", "csv"])? {
        Some("csv") => Media::Csv,
        Some(_) => Media::Json,
        None => preferred(&parts, &[Media::Json, Media::Csv]),
    };
    let level = level(&mut query, &snapshot)?;
    let policy = query.policy(&snapshot.served.policy)?;
    let question = format!("/summary{}", query.canonical());
    let mut reply = Reply::new(&snapshot, &parts.headers, begun, media, &base, &question);
    if let Some(response) = reply.early(&parts.headers) {
        return Ok(response);
    }
    let (analysis, hit) = snapshot.analysis(&app.workers, policy).await?;
    reply.analysed(hit);
    let write = move || {
        let sheet = Sheet::new(&snapshot, &analysis, level);
        Ok(match media {
            Media::Csv => sheet.csv(&snapshot, &analysis).into_bytes(),
            _ => sheet.json(&snapshot, &analysis, &format!("{base}{question}")).to_string().into_bytes(),
        })
    };
    reply.write(&app, write).await
}

/// The level that a query asks for, or else the largest that there is.
pub(crate) fn level(query: &mut Query, snapshot: &Snapshot) -> Result<AreaLevel, ApiError> {
    let level = match query.word("by", &AreaLevel::ALL.map(AreaLevel::name))? {
        Some(name) => AreaLevel::named(name),
        None => snapshot.served.study.areas().all().iter().map(|a| a.level).min(),
    };
    Ok(level.unwrap_or(AreaLevel::City))
}

/// The indicators of an analysis, by area of a level.
pub(crate) struct Sheet {
    level: AreaLevel,
    pub(crate) figures: Figures,
    scores: Vec<Score>,
}

impl Sheet {
    pub(crate) fn new(snapshot: &Snapshot, analysis: &Analysis, level: AreaLevel) -> Self {
        let (figures, scores) = Figures::with_scores(&snapshot.served.study, &analysis.coverage);
        Self { level, figures, scores }
    }

    /// The areas of the level with their indicators, each with its place among all.
    pub(crate) fn rows<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = (usize, &'a Area, &'a [Figure])> {
        let areas = snapshot.served.study.areas().all().iter().zip(&self.figures.areas).enumerate();
        areas.filter(|(_, (area, _))| area.level == self.level).map(|(i, (area, figures))| (i, area, &figures[..]))
    }

    fn json(&self, snapshot: &Snapshot, analysis: &Analysis, here: &str) -> Value {
        let served = &snapshot.served;
        let policy = &analysis.coverage.policy;
        let area = |(_, area, figures): (usize, &Area, &[Figure])| json!({ "id": area.id, "name": area.name, "indicators": card::figures_json(figures) });
        let mut out = geojson::about(&served.study, &analysis.coverage, served.extract_date.as_deref());
        let own = [
            ("by", json!(self.level.name())),
            ("minutes", json!(policy.minutes)),
            ("profile", json!(policy.profile.name)),
            ("speed_kmh", json!(policy.profile.speed.kmh())),
            ("areas", self.rows(snapshot).map(area).collect()),
            ("total", json!({ "indicators": card::figures_json(&self.figures.total) })),
            ("policy", card::policy_json(policy)),
            ("targets", card::targets_json(&served.study, &self.scores, |area| area.level == self.level)),
            ("links", json!([{ "rel": "self", "type": "application/json", "title": "This summary", "href": here }])),
        ];
        out.extend(own.map(|(name, value)| (name.to_owned(), value)));
        out.into()
    }

    /// The columns of the targets: bound, number and verdict of each, called by its indicator and the level of its sub-areas.
    /// Of several that are called the same, for other years, the later bear a number.
    fn target_heads(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for Score { target, .. } in &self.scores {
            let level = target.sub_areas.map(|level| format!("_{}", level.name())).unwrap_or_default();
            let name = format!("{}{level}", target.indicator.name());
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
            names.push(free.unwrap_or(name));
        }
        names.iter().flat_map(|name| ["bound", "target", "verdict"].map(|part| format!("{name}_{part}"))).collect()
    }

    /// One row per area and a last one, `total`; of each indicator value, numerator, denominator and what is missing, and what
    /// the policy's targets make of it.
    /// A table has no place but its rows for what it was computed with and from, so each row tells.
    fn csv(&self, snapshot: &Snapshot, analysis: &Analysis) -> String {
        let cell = |text: &str| csv_cell(text).into_owned();
        let policy = &analysis.coverage.policy;
        let about = [
            policy.minutes.to_string(),
            policy.profile.name.clone(),
            policy.profile.speed.kmh().to_string(),
            cell(snapshot.served.extract_date.as_deref().unwrap_or_default()),
            cell(geojson::ATTRIBUTION),
        ];
        let head =
            |i: &Indicator| ["", "_numerator", "_denominator", "_missing"].map(|part| format!("{}{part}", i.name()));
        let heads = Indicator::ALL.iter().flat_map(head).chain(self.target_heads()).collect::<Vec<_>>().join(",");
        let mut out = format!("level,id,name,{heads},minutes,profile,speed_kmh,extract_date,attribution\r\n");
        let rows = self
            .rows(snapshot)
            .map(|(i, area, figures)| (Some(i), self.level.name(), area.id.as_str(), area.name.as_deref(), figures));
        for (i, level, id, name, figures) in rows.chain([(None, "total", "", None, &self.figures.total[..])]) {
            let mut cells = vec![level.to_owned(), cell(id), cell(name.unwrap_or_default())];
            for figure in figures {
                let numbers = [figure.value(), card::known(figure.numerator), card::known(figure.denominator)];
                cells.extend(numbers.map(|n| n.map(|n| n.to_string()).unwrap_or_default()));
                cells.push(cell(&card::missing(figure).join("; ")));
            }
            for Score { target, total, areas } in &self.scores {
                let figure = i.map_or(total, |i| &areas[i]);
                let (bound, number) = target.goal.map(|goal| (goal.bound(), goal.value().to_string())).unzip();
                cells.extend([bound.unwrap_or_default().to_owned(), number.unwrap_or_default()]);
                cells.push(target.mark(figure).name().to_owned());
            }
            cells.extend_from_slice(&about);
            out += &cells.join(",");
            out += "\r\n";
        }
        out
    }
}
