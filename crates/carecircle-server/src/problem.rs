//! The one error of the service, and the RFC 9457 problem document that it becomes.
//!
//! A 4xx says what to change. A 5xx says nothing of the inside; what went wrong is kept for the log.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// The methods that a path takes which says nothing else.
pub(crate) const METHODS: &str = "GET, HEAD, OPTIONS";

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Its type, where a standard gives it one.
    kind: Option<&'static str>,
    /// What to change, for the client.
    detail: String,
    /// The parameter at fault.
    parameter: Option<String>,
    /// What happened, for the log only.
    pub(crate) cause: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into(), parameter: None, cause: None }
    }

    /// A request that cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A parameter that the resource does not know.
    pub(crate) fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let name = shortened(name);
        let detail = match known {
            [] => format!("unknown parameter \"{name}\": this resource takes none, leave it out"),
            _ => format!("unknown parameter \"{name}\": this resource takes {}", known.join(", ")),
        };
        Self { parameter: Some(name), ..Self::bad_request(detail) }
    }

    /// A value that a parameter does not take.
    pub(crate) fn bad_value(name: &str, value: &str, wanted: &str) -> Self {
        let detail = format!("parameter {name}: \"{}\" is not {wanted}", shortened(value));
        Self { parameter: Some(name.to_owned()), ..Self::bad_request(detail) }
    }

    /// A parameter that says something wrong.
    pub(crate) fn bad_parameter(name: &str, why: &str) -> Self {
        Self { parameter: Some(name.to_owned()), ..Self::bad_request(format!("parameter {name}: {why}")) }
    }

    /// Something wrong with a parameter whose name the text begins with.
    pub(crate) fn of_parameter(why: impl Into<String>) -> Self {
        let why = why.into();
        let name = why.split([' ', ':', ',', '[']).next().map(str::to_owned);
        Self { parameter: name, ..Self::bad_request(why) }
    }

    /// As a standard types it.
    pub(crate) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// What it tells the client.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Nothing of that name.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A method other than those that the resource takes.
    pub(crate) fn method_not_allowed(taken: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this resource takes {taken}"))
    }

    /// A body of more than `most` bytes.
    pub(crate) fn body_too_large(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {most} bytes: send less at once"))
    }

    /// A body that was not there `within` so long.
    pub(crate) fn body_timeout(within: Duration) -> Self {
        let detail = format!("the body was not there within {} seconds: send it faster, or less", within.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, detail)
    }

    /// What was here once.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, detail)
    }

    /// What cannot be done just now, since something like it is being done.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Without the right token.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Not for this client, whatever it sends.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// A body of a kind that is not read.
    pub(crate) fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// A well-formed question without an answer.
    pub(crate) fn unanswerable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// An address longer than `most` bytes.
    pub(crate) fn uri_too_long(most: usize) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, format!("the address is longer than {most} bytes: ask for less at once"))
    }

    /// Too much to do, or not ready.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Our own fault. The cause goes to the log, never to the client.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let detail = "the server failed to answer; the request id leads to its log";
        Self { cause: Some(cause.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail) }
    }

    /// An error for a status that some layer below answered with.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or("the request failed"))
    }

    /// As a job failed.
    pub(crate) fn of_job(code: Option<u16>, message: impl Into<String>) -> Self {
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message)
    }

    /// The problem document for a request by its path and id.
    pub(crate) fn render(&self, path: &str, request_id: &str) -> Response {
        let mut document = json!({
            "type": self.kind.unwrap_or("about:blank"),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": path,
            "request_id": request_id,
        });
        if let Some(parameter) = &self.parameter {
            document["parameter"] = json!(parameter);
        }
        let body = document.to_string();
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            // What was left of the body would be taken for the next request.
            StatusCode::REQUEST_TIMEOUT => _ = headers.insert(CONNECTION, HeaderValue::from_static("close")),
            StatusCode::UNAUTHORIZED => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("2")),
            _ => {}
        }
        response
    }
}

/// Only marks the response: path and request id are known further out, where [`ApiError::render`] is called.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a client sent, short enough to be sent back.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
