//! Time: who is waited for, how long, and how the service ends.

use crate::client::{Connection, link};
use crate::town::{Service, sizes};
use carecircle_server::ServerOptions;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);
/// Long enough on any machine, short enough to wait for.
const LONG: Duration = Duration::from_secs(30);

/// A page that fits into no socket buffer of a [`small`] service.
const LARGE: &str = "/collections/blocks/items?limit=10000";

/// A service that notices early when nobody reads.
fn small(options: ServerOptions) -> Service {
    Service::with_send_buffer(options, Some(4 << 10))
}

/// A client that can hold little that it has not read.
fn reader(service: &Service) -> Connection {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.connect(service.address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    Connection::over(stream, service.address)
}

fn wait_until_deaf(service: std::net::SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(service).is_ok() {
        assert!(begun.elapsed() < LONG, "the server still accepts connections");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_request_being_computed_is_answered_before_the_end() {
    // One worker and no queue: whoever else asks is refused exactly while a request is under way.
    let options = ServerOptions { workers: 1, queue: 0, ..ServerOptions::default() };
    let service = Service::start(options);
    let mut probe = service.connect();
    for attempt in 0..200 {
        let mut asked = service.connect();
        asked.request("GET", &format!("/collections/gaps/items?limit=10000&minutes=15.{attempt:03}1"), &[]).unwrap();
        let busy = (0..20).any(|i| {
            let path = format!("/collections/gaps/items?minutes=16.{attempt:03}{i:02}1");
            probe.ask("GET", &path, &[]).unwrap().status == 503
        });
        if busy {
            let address = service.address;
            let thread = service.stop();
            let answer = asked.answer(false).expect("the answer comes before the end");
            assert_eq!(answer.ok()["numberReturned"], answer.ok()["numberMatched"]);
            thread.join().unwrap().unwrap();
            wait_until_deaf(address);
            return;
        }
        asked.answer(false).unwrap();
    }
    panic!("no request was ever under way");
}

#[test]
fn an_answer_being_read_is_finished_before_the_end() {
    let service = small(ServerOptions::default());
    let mut slow = reader(&service);
    slow.request("GET", LARGE, &[]).unwrap();
    // Its first byte is there, so the request is under way; the rest has no room yet.
    slow.socket().peek(&mut [0]).unwrap();
    let mut idle = service.connect();
    assert_eq!(idle.ask("GET", "/readyz", &[]).unwrap().text(), "ready\n");
    let address = service.address;
    let thread = service.stop();
    wait_until_deaf(address);
    assert_eq!(idle.rest(), b"", "idle connections are closed at once");
    assert_eq!(slow.answer(false).unwrap().features().len(), sizes()[0]);
    assert_eq!(slow.rest(), b"");
    thread.join().unwrap().unwrap();
}

#[test]
fn who_does_not_finish_is_cut_off() {
    let service = small(ServerOptions { drain_timeout: SHORT, ..ServerOptions::default() });
    let mut stuck = reader(&service);
    stuck.request("GET", LARGE, &[]).unwrap();
    stuck.socket().peek(&mut [0]).unwrap();
    service.stop().join().unwrap().unwrap();
    assert!(stuck.answer(false).is_err(), "the answer is not whole");
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let service = Service::start(ServerOptions { header_read_timeout: SHORT, ..ServerOptions::default() });
    let begun = Instant::now();
    let service = &service;
    let mut waiting: Vec<Connection> = ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-A: "]
        .iter()
        .flat_map(|head| {
            (0..5).map(move |_| {
                let mut connection = service.connect();
                connection.send(head).unwrap();
                connection
            })
        })
        .collect();
    // A byte now and then doesn't help.
    let mut dribbling = service.connect();
    dribbling.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: ").unwrap();
    while dribbling.send("b").is_ok() {
        assert!(begun.elapsed() < LONG, "a byte now and then keeps the connection open");
        sleep(Duration::from_millis(50));
    }
    assert_eq!(service.get("/healthz").text(), "ok\n");
    for connection in &mut waiting {
        let last = connection.rest();
        assert!(last.is_empty() || last.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&last));
    }
    // So are those who were answered once and then fell silent.
    let mut idle = service.connect();
    idle.ask("GET", "/healthz", &[]).unwrap();
    assert_eq!(idle.rest(), b"");
    assert!(begun.elapsed() >= SHORT);
}

#[test]
fn a_reader_who_takes_nothing_is_given_up_and_a_slow_one_is_not() {
    let service = small(ServerOptions { stall_timeout: SHORT, ..ServerOptions::default() });
    let mut stuck = reader(&service);
    stuck.request("GET", LARGE, &[]).unwrap();
    let mut slow = reader(&service);
    slow.request("GET", LARGE, &[]).unwrap();
    let mut taken = 0;
    let begun = Instant::now();
    let mut buffer = [0; 512];
    // Slower than the timeout as a whole, never so for one write.
    while begun.elapsed() < 3 * SHORT {
        taken += std::io::Read::read(&mut slow.socket(), &mut buffer).unwrap();
        sleep(Duration::from_millis(20));
    }
    let rest = slow.socket().try_clone().unwrap();
    rest.set_read_timeout(Some(SHORT)).unwrap();
    let whole = service.ask("HEAD", LARGE, &[]).header("content-length").parse::<usize>().unwrap();
    while taken <= whole {
        match std::io::Read::read(&mut slow.socket(), &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => taken += n,
        }
    }
    assert!(taken > whole, "{taken} bytes of more than {whole}");
    assert!(stuck.answer(false).is_err(), "who takes nothing gets no more");
    assert_eq!(service.get("/healthz").status, 200);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn silent_connections_make_room() {
    let service =
        Service::start(ServerOptions { max_connections: 20, header_read_timeout: LONG, ..ServerOptions::default() });
    let mut first = service.connect();
    assert_eq!(first.ask("GET", "/healthz", &[]).unwrap().text(), "ok\n");
    let silent: Vec<Connection> = ["", "GET / HTTP/1.1\r\nHost: a\r\nX-A: ", "GET / HTTP/1.1\r\n"]
        .iter()
        .cycle()
        .take(100)
        .map(|head| {
            let mut connection = service.connect();
            connection.send(head).unwrap();
            connection
        })
        .collect();
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(service.get("/healthz").text(), "ok\n");
        assert!(begun.elapsed() < LONG / 10, "nobody waits for the silent to time out: {:?}", begun.elapsed());
    }
    assert_eq!(first.rest(), b"", "who has been silent longest goes first");
    drop(silent);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn where_all_are_at_work_another_is_told_to_come_back() {
    let service = small(ServerOptions { max_connections: 2, ..ServerOptions::default() });
    let mut stuck = [reader(&service), reader(&service)];
    for connection in &mut stuck {
        connection.request("GET", LARGE, &[]).unwrap();
        connection.socket().peek(&mut [0]).unwrap();
    }
    let answer = service.get("/healthz");
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (503, Some(503)));
    assert_eq!(answer.header("retry-after"), "2");
    for connection in &mut stuck {
        assert_eq!(connection.answer(false).unwrap().features().len(), sizes()[0], "and nobody at work is cut off");
    }
    // What a client has read whole, the server may not have noticed yet.
    let begun = Instant::now();
    let mut answer = service.get("/healthz");
    while answer.status == 503 && begun.elapsed() < LONG {
        answer = service.get("/healthz");
    }
    assert_eq!(answer.text(), "ok\n", "who has been answered makes room");
    service.stop().join().unwrap().unwrap();
}

#[test]
fn what_takes_too_long_is_told_to_come_back() {
    let service = Service::start(ServerOptions { request_timeout: Duration::ZERO, ..ServerOptions::default() });
    // A timer may be late by a tick, in which a small town is judged.
    let mut answers = (0..100).map(|i| service.get(&format!("/collections/gaps/items?minutes=15.{i:02}1")));
    let answer = answers.find(|answer| answer.status != 200).expect("some take longer than a tick");
    answer.problem(503);
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
    assert_eq!(service.get("/healthz").status, 200);
    service.stop().join().unwrap().unwrap();
}

#[test]
fn links_start_with_the_public_address_where_there_is_one() {
    let public_url = Some("https://example.org/care/".to_owned());
    let service = Service::start(ServerOptions { public_url, ..ServerOptions::default() });
    for path in ["/", "/collections", "/collections/gaps/items?limit=1", "/conformance"] {
        let document = service.ask("GET", path, &[("Host", "inside:8015")]).ok();
        for rel in document["links"].as_array().unwrap() {
            let href = rel["href"].as_str().unwrap();
            assert!(href.starts_with("https://example.org/care/") || rel["rel"] == "license", "{href}");
        }
    }
    let page = service.get("/collections/gaps/items?limit=1").ok();
    let next = link(&page, "next").unwrap();
    assert_eq!(next, "https://example.org/care/collections/gaps/items?limit=1&offset=1&revision=demo");
    assert_eq!(service.get("/api").ok()["servers"][0]["url"], "https://example.org/care");
    service.stop().join().unwrap().unwrap();
    for bad in ["example.org", "ftp://example.org", "https://example.org/?a=b", "https://example.org/#a", "/care"] {
        let options = ServerOptions { public_url: Some(bad.to_owned()), ..ServerOptions::default() };
        assert!(Service::start(options).stop_quietly().is_err(), "{bad}");
    }
}
