//! Requests over a socket: gaps that were asked for before, a page of them, an isochrone.

use carecircle_benches::{extracts, study};
use carecircle_core::policy::Policy;
use carecircle_server::{Served, ServerOptions, serve};
use criterion::{Criterion, criterion_group, criterion_main};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// One connection that is kept open.
struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket of our own");
        Self { stream: BufReader::new(stream), body: Vec::new() }
    }

    /// Asks for a path; the body's length.
    fn get(&mut self, path: &str) -> usize {
        write!(self.stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("the server answers");
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).expect("a whole body");
        length
    }
}

fn http(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (name, path) in extracts() {
        let served = Served {
            study: study(&path),
            title: name.clone(),
            extract_date: None,
            bounds: None,
            revision: "bench".to_owned(),
            policy: Policy::default(),
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(serve(listener, Arc::new(served), ServerOptions::default(), std::future::pending()));
        let mut client = Client::connect(address);
        let origin = {
            client.get("/collections/facilities/items?limit=1");
            let text = String::from_utf8_lossy(&client.body).into_owned();
            text.split("\"id\":\"").nth(1).and_then(|t| t.split('"').next()).expect("a facility").to_owned()
        };
        let isochrone = format!("/isochrones?facility={origin}&minutes=5,10,15");
        let mut group = c.benchmark_group(format!("http/{name}"));
        for (what, path) in [
            ("all gaps again", "/collections/gaps/items?minutes=15&limit=10000"),
            ("ten gaps again", "/collections/gaps/items?minutes=15&limit=10"),
            ("isochrones again", isochrone.as_str()),
        ] {
            client.get(path);
            group.bench_function(what, |b| b.iter(|| client.get(path)));
        }
        let mut asked = 0;
        group.bench_function("ten gaps of a limit never asked for", |b| {
            b.iter(|| {
                asked += 1;
                client.get(&format!("/collections/gaps/items?minutes={}&limit=10", 5.0 + f64::from(asked) * 1e-5))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, http);
criterion_main!(benches);
