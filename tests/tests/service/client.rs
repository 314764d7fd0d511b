//! An HTTP/1.1 client that sends what it is told, byte for byte, and gives back what came.

use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes so long, however slow the machine: a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(1);

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body of a good answer.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Checks that this is a problem document (RFC 9457) of that status and gives its detail.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("access-control-allow-origin"), "*");
        let document = self.json();
        assert_eq!(document["status"], status);
        for member in ["type", "title", "detail", "instance"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {document}");
        }
        document["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// The features of a collection.
    pub(crate) fn features(&self) -> Vec<Value> {
        let page = self.ok();
        assert_eq!(page["type"], "FeatureCollection");
        page["features"].as_array().expect("features are an array").clone()
    }
}

/// A connection that is kept between requests.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts connections");
        Self::over(stream, address)
    }

    pub(crate) fn over(stream: TcpStream, address: SocketAddr) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), host: address.to_string() }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request without a body.
    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            _ = write!(head, "Host: {}\r\n", self.host);
        }
        for (name, value) in headers {
            _ = write!(head, "{name}: {value}\r\n");
        }
        self.send(head + "\r\n")
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.request(method, path, headers)?;
        self.answer(method == "HEAD")
    }

    /// Reads one response; `to_head` has no body whatever its length says.
    pub(crate) fn answer(&mut self, to_head: bool) -> io::Result<Answer> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let status_line = self.line()?;
        let mut words = status_line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|s| s.parse().ok()).ok_or_else(|| broken(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { version, status, headers, body: Vec::new() };
        if !(to_head || status == 204 || status == 304) {
            if answer.header("transfer-encoding") == "chunked" {
                answer.body = self.chunks()?;
            } else {
                // Every other answer is written whole before its first byte leaves.
                let length = answer.header("content-length").parse().map_err(|_| broken("no content length"))?;
                answer.body = vec![0; length];
                self.stream.read_exact(&mut answer.body)?;
            }
        }
        Ok(answer)
    }

    /// A body that came in pieces; one that ends early is an error.
    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            let start = out.len();
            out.resize(start + length, 0);
            self.stream.read_exact(&mut out[start..])?;
            self.line()?;
            if length == 0 {
                return Ok(out);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Everything until the server closes. A reset is a way to close as well.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.stream.read_to_end(&mut out) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("the server keeps the connection open")
            }
            _ => out,
        }
    }
}

/// The target of the link with that relation.
pub(crate) fn link(document: &Value, rel: &str) -> Option<String> {
    let links = document["links"].as_array().expect("there are links");
    links.iter().find(|l| l["rel"] == rel).and_then(|l| l["href"].as_str()).map(str::to_owned)
}

pub(crate) fn ids(features: &[Value]) -> Vec<String> {
    features.iter().map(|f| f["id"].as_str().expect("ids are strings").to_owned()).collect()
}

/// The geometry of a feature; a null one is empty.
pub(crate) fn geometry(feature: &Value) -> geo::Geometry {
    let position = |p: &Value| Coord {
        x: p[0].as_f64().expect("positions are numbers"),
        y: p[1].as_f64().expect("positions are numbers"),
    };
    let list = |v: &Value| v.as_array().expect("coordinates are arrays").clone();
    let polygon = |rings: &Value| {
        let mut rings = list(rings).into_iter().map(|ring| LineString(list(&ring).iter().map(position).collect()));
        Polygon::new(rings.next().expect("a polygon has an outer ring"), rings.collect())
    };
    let coordinates = &feature["geometry"]["coordinates"];
    match feature["geometry"]["type"].as_str() {
        Some("Point") => geo::Point(position(coordinates)).into(),
        Some("Polygon") => MultiPolygon(vec![polygon(coordinates)]).into(),
        Some("MultiPolygon") => MultiPolygon(list(coordinates).iter().map(polygon).collect()).into(),
        None => MultiPolygon(Vec::new()).into(),
        Some(other) => panic!("no {other} is expected here"),
    }
}

/// The geometry of a feature that is an area.
pub(crate) fn polygons(feature: &Value) -> MultiPolygon {
    match geometry(feature) {
        geo::Geometry::MultiPolygon(polygons) => polygons,
        other => panic!("an area is expected, not {other:?}"),
    }
}
