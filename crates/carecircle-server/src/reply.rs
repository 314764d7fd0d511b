//! From a checked question to a response: which representation, its ETag, 304, gzip, and what it cost.
//!
//! The ETag is made of the revision, the canonical question, the representation and its encoding, not of the body: a
//! client that has the answer is told so before any work. For the same reason an answer holds nothing of the moment
//! that it was written at.

use crate::analysis::Snapshot;
use crate::app::App;
use crate::download;
use crate::problem::ApiError;
use crate::systems::System;
use crate::work::Workers;
use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    GeoJson,
    OpenApi,
    Schema,
    Html,
    Csv,
    GeoJsonSeq,
    FlatGeobuf,
    Tile,
}

impl Media {
    /// The media type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GeoJson => "application/geo+json",
            Self::OpenApi => "application/vnd.oai.openapi+json;version=3.0",
            Self::Schema => "application/schema+json",
            Self::Html => "text/html; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::GeoJsonSeq => "application/geo+json-seq",
            Self::FlatGeobuf => "application/flatgeobuf",
            Self::Tile => "application/vnd.mapbox-vector-tile",
        }
    }

    fn essence(self) -> &'static str {
        self.name().split(';').next().unwrap_or_default()
    }
}

/// `Cache-Control` of what is computed from the study: asked for again soon, it is there without a request; later, and
/// after every reload, it is asked for by its ETag.
const ANALYSED: &str = "public, max-age=10, must-revalidate";

/// `Cache-Control` of documents about the service.
const DOCUMENT: &str = "public, max-age=60, must-revalidate";

/// `Cache-Control` of what holds for the moment only.
pub(crate) const NEVER_KEPT: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// A document that holds for the moment only.
pub(crate) fn as_json(status: StatusCode, document: &Value) -> Response {
    (status, [NEVER_KEPT, (CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    parse: Duration,
    analysis: Duration,
    write: Duration,
    /// Whether the answer, or at least its analysis, was there already; `None` where nothing is ever kept.
    hit: Option<bool>,
}

impl Timing {
    /// Of an answer that was there already, or of one that took so long to write.
    pub(crate) fn of(hit: bool, write: Duration) -> Self {
        Self { write, hit: Some(hit), ..Self::default() }
    }

    /// Whether the answer, or at least its analysis, was there already.
    pub(crate) fn hit(&self) -> Option<bool> {
        self.hit
    }

    /// The value of `Server-Timing`, milliseconds.
    pub(crate) fn header(&self, total: Duration) -> String {
        let mut out = String::with_capacity(112);
        out.push_str(match self.hit {
            Some(true) => "cache;desc=hit, ",
            Some(false) => "cache;desc=miss, ",
            None => "",
        });
        let stages =
            [("parse", self.parse), (", analysis", self.analysis), (", write", self.write), (", total", total)];
        for (name, time) in stages {
            // By whole numbers: every answer carries this.
            let us = time.as_micros();
            write!(out, "{name};dur={}.{:03}", us / 1_000, us % 1_000).expect("a string takes every write");
        }
        out
    }
}

/// A question that has been checked, on its way to be answered.
pub(crate) struct Reply {
    snapshot: Arc<Snapshot>,
    media: Media,
    gzip: bool,
    /// The coordinate system of its features, where it has any.
    content_crs: Option<HeaderValue>,
    /// The client has an answer, whichever, and wants another only if there is one at all.
    has_any: bool,
    /// Everything that decides the bytes.
    key: String,
    etag: String,
    timing: Timing,
    begun: Instant,
    cache_control: &'static str,
}

impl Reply {
    /// A reply to a question in its canonical form: `question` is path and query. `begun` is when parsing began.
    pub(crate) fn new(
        snapshot: &Arc<Snapshot>,
        headers: &HeaderMap,
        begun: Instant,
        media: Media,
        base: &str,
        question: &str,
    ) -> Self {
        let gzip = takes_gzip(headers);
        let plain =
            format!("{} {} {base}{question} {}", env!("CARGO_PKG_VERSION"), snapshot.served.revision, media.name());
        // By convention the tag of a compressed body is that of the plain one with a suffix.
        let suffix = if gzip { "-gzip" } else { "" };
        let etag = format!("\"{:032x}{suffix}\"", fnv1a(plain.as_bytes()));
        let key = plain + suffix;
        let timing = Timing { parse: begun.elapsed(), ..Timing::default() };
        Self {
            snapshot: Arc::clone(snapshot),
            media,
            gzip,
            content_crs: None,
            has_any: false,
            key,
            etag,
            timing,
            begun: Instant::now(),
            cache_control: ANALYSED,
        }
    }

    /// Says in which coordinate system its features are.
    pub(crate) fn in_system(mut self, system: &System) -> Self {
        self.content_crs = HeaderValue::from_str(&format!("<{}>", system.name())).ok();
        self
    }

    /// Says that this is a document, which changes with the study and the program alone.
    pub(crate) fn document(self) -> Self {
        Self { cache_control: DOCUMENT, ..self }
    }

    /// The response, where no work is needed: the client has the answer, or we do.
    pub(crate) fn early(&self, headers: &HeaderMap) -> Option<Response> {
        if matches(headers, &self.etag) {
            return Some(self.not_modified());
        }
        let body = self.snapshot.answers.get(&self.key)?;
        let mut response = self.finish(body);
        response.extensions_mut().insert(Timing { hit: Some(true), ..self.timing });
        Some(response)
    }

    /// As [`Reply::early`], of a question that there may be no answer to: whoever has any has to wait until there is one.
    pub(crate) fn early_if_answered(&mut self, headers: &HeaderMap) -> Option<Response> {
        self.has_any = names_any(headers);
        if self.has_any { None } else { self.early(headers) }
    }

    fn not_modified(&self) -> Response {
        let mut response = self.respond(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().remove(CONTENT_ENCODING);
        response
    }

    /// Marks the end of the analysis.
    pub(crate) fn analysed(&mut self, hit: bool) {
        self.timing.analysis = self.begun.elapsed();
        self.timing.hit = Some(hit);
        self.begun = Instant::now();
    }

    /// Writes the body of what has been found, off the async threads, keeps it, and responds.
    pub(crate) async fn write(
        self,
        app: &App,
        body: impl FnOnce() -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        self.find_and_write(app, &app.writers, body).await
    }

    /// As [`Reply::write`], where it has to be found yet: by those who do such work.
    pub(crate) async fn find_and_write(
        mut self,
        app: &App,
        workers: &Workers,
        body: impl FnOnce() -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let gzip = self.gzip;
        // Kept without the room that a vector has to spare, which the cache would not count.
        let kept = |bytes: Vec<u8>| Bytes::from(bytes.into_boxed_slice());
        let job = move || body().map(|bytes| kept(if gzip { gzipped(&bytes) } else { bytes }));
        let body = workers.run(job).await??;
        self.timing.write = self.begun.elapsed();
        self.timing.hit.get_or_insert(false);
        if (body.len() as u64) < app.options.cache_bytes / 32 {
            self.snapshot.answers.insert(self.key.clone(), body.clone());
        }
        let timing = self.timing;
        let mut response = if self.has_any { self.not_modified() } else { self.finish(body) };
        response.extensions_mut().insert(timing);
        Ok(response)
    }

    /// Responds with a body that is written while the client reads; `name` is that of the file where somebody keeps it. Only
    /// so many are written at once.
    pub(crate) fn stream(
        self,
        app: &App,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let busy = |_| ApiError::unavailable("others are downloading: ask again in a moment, or read page by page");
        let place = Arc::clone(&app.downloads).try_acquire_owned().map_err(busy)?;
        let (mut pieces, body) = download::pieces();
        let gzip = self.gzip;
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let written = if gzip {
                let mut encoder = GzEncoder::new(&mut pieces, FAST);
                write(&mut encoder).and_then(|()| encoder.finish().map(|_| ()))
            } else {
                write(&mut pieces)
            };
            pieces.end(written);
        });
        let mut response = self.respond(body);
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            response.headers_mut().insert(CONTENT_DISPOSITION, value);
        }
        Ok(response)
    }

    fn finish(&self, body: Bytes) -> Response {
        let length = HeaderValue::from(body.len());
        let mut response = self.respond(Body::from(body));
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }

    fn respond(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        response.extensions_mut().insert(self.timing);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media.name()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(ETAG, etag);
        }
        if let Some(system) = &self.content_crs {
            headers.insert("content-crs", system.clone());
        }
        if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if self.media == Media::Html {
            // Everything is inside the page; it fetches from here only.
            let policy = "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; \
                          style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
            headers.insert("content-security-policy", HeaderValue::from_static(policy));
            headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
        }
        response
    }
}

/// Fast rather than small: coordinates hardly shrink further, and somebody waits.
const FAST: Compression = Compression::new(3);

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), FAST);
    encoder.write_all(bytes).expect("a vector takes every write");
    encoder.finish().expect("a vector takes every write")
}

/// FNV-1a with 128 bits (Fowler, Noll, Vo: draft-eastlake-fnv): stable across versions of the compiler.
pub(crate) fn fnv1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// The texts between the commas of all lines of a header.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Whether `If-None-Match` names the tag, by weak comparison.
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    listed(headers, IF_NONE_MATCH).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether `If-None-Match` names every tag there may be.
pub(crate) fn names_any(headers: &HeaderMap) -> bool {
    listed(headers, IF_NONE_MATCH).any(|tag| tag == "*")
}

/// An item of `Accept` or `Accept-Encoding` and its weight.
fn weighed(item: &str) -> (&str, f32) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    (name, quality.and_then(|q| q.parse().ok()).unwrap_or(1.0))
}

pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let weight = |wanted: &str| {
        listed(headers, ACCEPT_ENCODING).map(weighed).find(|(n, _)| n.eq_ignore_ascii_case(wanted)).map(|(_, q)| q)
    };
    let gzip = weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= weight("identity").unwrap_or(0.0)
}

/// How much a client wants a media type: the most specific range that names it decides.
fn appetite(headers: &HeaderMap, media: Media) -> f32 {
    let essence = media.essence();
    let family = essence.split('/').next().unwrap_or_default();
    let ranges = listed(headers, ACCEPT).map(weighed).filter_map(|(range, quality)| {
        let specific = if range.eq_ignore_ascii_case(essence) {
            2
        } else if range.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family)) {
            1
        } else if range == "*/*" {
            0
        } else {
            return None;
        };
        Some((specific, quality))
    });
    ranges.max_by_key(|(specific, _)| *specific).map_or(0.0, |(_, quality)| quality)
}

/// The representation that a client prefers; of equally welcome ones, and where none is named, the first.
pub(crate) fn preferred(parts: &Parts, offered: &[Media]) -> Media {
    let mut best = (offered[0], appetite(&parts.headers, offered[0]));
    for &media in &offered[1..] {
        let wanted = appetite(&parts.headers, media);
        if wanted > best.1 {
            best = (media, wanted);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(name: HeaderName, value: &str) -> Parts {
        Request::builder().header(name, value).body(()).unwrap().into_parts().0
    }

    #[test]
    fn html_goes_to_those_who_prefer_it() {
        let chosen = |accept: &str| preferred(&parts(ACCEPT, accept), &[Media::Json, Media::Html]);
        assert_eq!(chosen("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Media::Html);
        assert_eq!(chosen("text/*;q=0.9, application/json;q=0.8"), Media::Html);
        for json in [
            "*/*",
            "",
            "application/json",
            "text/html;q=0.5, application/json",
            "text/html, application/json",
            "image/png",
            "text/html;q=0, */*",
        ] {
            assert_eq!(chosen(json), Media::Json, "{json}");
        }
    }

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        let takes = |value: &str| takes_gzip(&parts(ACCEPT_ENCODING, value).headers);
        for yes in ["gzip", "gzip, deflate, br, zstd", "deflate, GZIP;q=0.5", "*", "identity;q=0.2, gzip;q=0.8"] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "br", "*;q=0", "gzip;q=0.1, identity"] {
            assert!(!takes(no), "{no}");
        }
    }

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let matched = |value: &str| matches(&parts(IF_NONE_MATCH, value).headers, "\"a-gzip\"");
        for yes in ["*", "\"a-gzip\"", "W/\"a-gzip\"", "\"b\", W/\"a-gzip\""] {
            assert!(matched(yes), "{yes}");
        }
        for no in ["\"a\"", "a-gzip", ""] {
            assert!(!matched(no), "{no}");
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
