//! Bodies of requests: read where a route asks for one, run out beside the answer where none does.

use crate::app::App;
use crate::gate::Line;
use crate::problem::{ApiError, shortened};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use hyper::body::{Frame, SizeHint};
use std::future::poll_fn;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

/// So much of a body that nobody reads is taken in and forgotten; the connection of one who sends more is closed.
const FORGOTTEN_MAX: usize = 16 << 20;

type Framed = Option<Result<Frame<Bytes>, axum::Error>>;

/// The body of a request on its way to a route. What the route leaves of it runs out beside the answer: a connection
/// closed while its client still sends would take the answer along.
struct Incoming {
    body: Body,
    within: Duration,
    /// The client waits to be told to go on, and has not been.
    is_asking: bool,
    has_failed: bool,
    line: Option<Arc<Line>>,
}

/// Makes the body of a request one that may be left lying.
pub(crate) fn received(request: Request, within: Duration) -> Request {
    let is_asking = request.headers().contains_key(EXPECT);
    let line = request.extensions().get::<Arc<Line>>().cloned();
    let wrap = |body: Body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Incoming { body, within, is_asking, has_failed: false, line })
    };
    request.map(wrap)
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Framed> {
        self.is_asking = false;
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.has_failed |= matches!(frame, Poll::Ready(Some(Err(_))));
        if let Some(line) = &self.line {
            line.is_reading.store(frame.is_pending(), Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.is_reading.store(false, Relaxed);
        }
        // Who asks before sending gets the answer instead, and sends nothing.
        if self.is_asking || self.has_failed || self.body.is_end_stream() {
            return;
        }
        let mut body = take(&mut self.body);
        let run_out = async move {
            let mut left = FORGOTTEN_MAX;
            while let Some(Ok(frame)) = next_frame(&mut body).await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let within = self.within;
            runtime.spawn(async move { tokio::time::timeout(within, run_out).await });
        }
    }
}

async fn next_frame(body: &mut Body) -> Framed {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

/// Reads the body of a request that must be of one of the media types `taken`, whole.
///
/// # Errors
/// 415 for another media type, none, or a compressed body; 413 beyond the most bytes that the service takes; 408 when it
/// has not come in time.
pub(crate) async fn read(app: &App, request: Request, taken: &[&str]) -> Result<(Parts, Bytes), ApiError> {
    let (parts, mut body) = request.into_parts();
    check_type(&parts.headers, taken)?;
    let (most, within) = (app.options.body_max, app.options.body_timeout);
    let announced = text(&parts.headers, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(ApiError::body_too_large(most));
    }
    let whole = async {
        let mut bytes = Vec::new();
        while let Some(frame) = next_frame(&mut body).await {
            let frame =
                frame.map_err(|_| ApiError::bad_request("the body broke off, or is not framed as HTTP has it"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > most {
                    return Err(ApiError::body_too_large(most));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Bytes::from(bytes))
    };
    match tokio::time::timeout(within, whole).await {
        Ok(bytes) => Ok((parts, bytes?)),
        Err(_) => Err(ApiError::body_timeout(within)),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn check_type(headers: &HeaderMap, taken: &[&str]) -> Result<(), ApiError> {
    let wanted = taken.join(" or ");
    if let Some(encoding) = text(headers, CONTENT_ENCODING).filter(|e| !e.trim().eq_ignore_ascii_case("identity")) {
        let encoding = shortened(encoding);
        return Err(ApiError::unsupported_media(format!(
            "a body compressed by {encoding} is not read: send it as it is"
        )));
    }
    let given = text(headers, CONTENT_TYPE).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if taken.iter().any(|media| media.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(ApiError::unsupported_media(match essence {
        "" => format!("the body has no Content-Type: send {wanted}"),
        _ => format!("a body of type {} is not read here: send {wanted}", shortened(given)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerOptions;
    use crate::app::finished;
    use crate::tests::{BASE, Got, answer_of, app};
    use axum::Router;
    use axum::extract::State;
    use axum::http::Method;
    use axum::routing::get;

    /// A service with one more route, that gives back what it is sent.
    fn echo() -> Router {
        let options = ServerOptions {
            public_url: Some(BASE.to_owned()),
            body_max: 10,
            body_timeout: Duration::from_millis(50),
            ..ServerOptions::default()
        };
        let app = app(options);
        let back = async |State(app): State<Arc<App>>, request: Request| {
            read(&app, request, &["application/json", "text/plain"]).await.map(|(_, bytes)| bytes)
        };
        finished(Router::new().route("/echo", get(|| async { "got" }).post(back)), &app)
    }

    async fn post(body: Body, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::builder().method(Method::POST).uri("/echo").header("host", "a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer_of(&echo(), request.body(body).unwrap()).await
    }

    /// Comes in pieces, without a length.
    struct Pieces(Vec<&'static [u8]>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Framed> {
            // After an empty piece nothing comes.
            if self.0.last().is_some_and(|piece| piece.is_empty()) {
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_cap() {
        const JSON: (&str, &str) = ("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(post(Body::from("0123456789"), &[JSON]).await.body, b"0123456789");
        assert_eq!(post(Body::new(Pieces(vec![b"56789", b"01234"])), &[JSON]).await.body, b"0123456789");
        assert_eq!(post(Body::empty(), &[("content-type", "text/plain")]).await.body, b"");
        for got in [
            post(Body::from("0123456789a"), &[JSON, ("content-length", "11")]).await,
            post(Body::new(Pieces(vec![b"a", b"56789", b"01234"])), &[JSON]).await,
        ] {
            let detail = got.problem(413);
            assert!(detail.contains("10 bytes"), "{detail}");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let got = post(Body::new(Pieces(vec![b"", b"01"])), &[("content-type", "text/plain")]).await;
        got.problem(408);
        assert_eq!(got.header("connection"), "close");
    }

    #[tokio::test]
    async fn a_body_of_another_type_is_refused_by_name() {
        for headers in [
            &[][..],
            &[("content-type", "application/xml")],
            &[("content-type", "application/jsonp")],
            &[("content-type", "text/plain"), ("content-encoding", "gzip")],
        ] {
            let detail = post(Body::from("1"), headers).await.problem(415);
            assert!(detail.contains("application/json or text/plain") || detail.contains("gzip"), "{detail}");
        }
    }

    #[tokio::test]
    async fn each_route_says_which_methods_it_takes() {
        let asked = |method: &str| Request::builder().method(method).uri("/echo").header("host", "a");
        for (method, status) in [("OPTIONS", 204), ("PUT", 405), ("get", 405)] {
            let got = answer_of(&echo(), asked(method).body(Body::empty()).unwrap()).await;
            assert_eq!((got.status.as_u16(), got.header("allow")), (status, "GET, HEAD, POST, OPTIONS"), "{method}");
        }
        let got = answer_of(&echo(), asked("OPTIONS").body(Body::empty()).unwrap()).await;
        assert_eq!(got.header("access-control-allow-methods"), "GET, HEAD, POST, OPTIONS");
    }
}
