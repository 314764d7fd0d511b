//! The demo town on a port of its own.

use crate::client::{Answer, Connection};
use carecircle_core::network::{Network, NetworkOptions};
use carecircle_core::place::Places;
use carecircle_core::policy::Policy;
use carecircle_core::study::{SNAP_WITHIN_M, Study};
use carecircle_formats::columns::{self, Declared};
use carecircle_formats::table::Table;
use carecircle_osm::ReadOptions;
use carecircle_server::{Served, ServerOptions, serve};
use carecircle_tests::demo;
use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

static SERVED: LazyLock<Arc<Served>> = LazyLock::new(|| Arc::new(served("demo", 0)));

/// The town without the first so many of its facilities, under a revision.
pub(crate) fn served(revision: &str, without: usize) -> Served {
    served_with(revision, |places| _ = places.facilities.drain(..without))
}

/// The town with other facilities, under a revision.
pub(crate) fn served_with(revision: &str, edit: impl FnOnce(&mut Places)) -> Served {
    let file = |name: &str| demo::fixtures().join(name);
    let extract = carecircle_osm::read(&file("town.osm.pbf"), &ReadOptions::default()).unwrap();
    let (network, _) = Network::build(&extract.streets, NetworkOptions::default());
    let table = |name: &str| Table::read(&file(name)).unwrap();
    let declared = Declared::default();
    let mut places = extract.places;
    places.facilities = columns::facilities(&table("facilities.csv"), &declared).unwrap().used;
    edit(&mut places);
    places.areas = columns::areas(&table("areas.geojson"), &declared).unwrap().used;
    let blocks = columns::blocks(&table("blocks.geojson"), &declared).unwrap().used;
    Served {
        study: Study::new(network, places, Some(blocks), SNAP_WITHIN_M),
        title: "He'an demo town".to_owned(),
        extract_date: Some("2025-06-01T00:00:00Z".to_owned()),
        bounds: None,
        revision: revision.to_owned(),
        policy: Policy::default(),
    }
}

/// How many blocks, facilities and areas the town has.
pub(crate) fn sizes() -> [usize; 3] {
    let study = &SERVED.study;
    [study.demand().blocks.len(), study.facilities().len(), study.areas().all().len()]
}

/// A server on a thread of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Service {
    pub(crate) fn start(options: ServerOptions) -> Self {
        Self::with_send_buffer(options, None)
    }

    pub(crate) fn serving(served: Served) -> Self {
        Self::begin(Arc::new(served), ServerOptions::default(), None)
    }

    /// A server whose sockets take no more than about so many bytes that nobody has read yet.
    pub(crate) fn with_send_buffer(options: ServerOptions, bytes: Option<u32>) -> Self {
        Self::begin(Arc::clone(&SERVED), options, bytes)
    }

    fn begin(served: Arc<Served>, options: ServerOptions, bytes: Option<u32>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async {
                let socket = TcpSocket::new_v4()?;
                if let Some(bytes) = bytes {
                    socket.set_send_buffer_size(bytes)?;
                }
                socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let listener = socket.listen(1_024)?;
                tell.send(listener.local_addr()?).unwrap();
                serve(listener, served, options, async { _ = stopped.await }).await
            })
        });
        let address = told.recv().expect("the server listens");
        Self { address, stop, thread }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The path and query of a link to this service.
    pub(crate) fn path<'a>(&self, href: &'a str) -> &'a str {
        href.strip_prefix(&self.base()).unwrap_or_else(|| panic!("{href} is no absolute link to this service"))
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().ask(method, path, headers).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// One request with a body of JSON; `headers` end in line ends.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut connection = self.connect();
        connection.send(head + &body).unwrap();
        connection.answer(false).unwrap()
    }

    /// Stops a server that may have ended by itself, and says how it ended.
    pub(crate) fn stop_quietly(self) -> io::Result<()> {
        _ = self.stop.send(());
        self.thread.join().expect("the server does not panic")
    }

    /// Tells the server to stop.
    pub(crate) fn stop(self) -> JoinHandle<io::Result<()>> {
        self.stop.send(()).expect("the server runs");
        self.thread
    }
}

/// The server that all tests share which need no options of their own.
pub(crate) fn town() -> &'static Service {
    static TOWN: LazyLock<Service> = LazyLock::new(|| Service::start(ServerOptions::default()));
    &TOWN
}

/// A directory of its own, gone with it.
pub(crate) struct StateDir(pub(crate) std::path::PathBuf);

impl StateDir {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("carecircle-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn service(&self) -> Service {
        Service::start(ServerOptions { state_dir: Some(self.0.clone()), ..ServerOptions::default() })
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
