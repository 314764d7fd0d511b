//! `carecircle serve`: the same answers over HTTP.

use crate::bad_input;
use crate::inputs::{Inputs, tell_rejects};
use crate::output::complain;
use crate::timings::Timings;
use anyhow::{Context, Result};
use carecircle_formats::remark;
use carecircle_server::{Served, ServerOptions};
use clap::Args;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Where the server listens unless told otherwise: this machine alone can reach it.
const LISTEN: &str = "127.0.0.1:8015";

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    listen: String,
    /// What links in answers start with, where the server stands behind a proxy
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

impl Serve {
    /// What plain `carecircle` does: serve the demo town.
    pub(crate) fn demo() -> Self {
        Self { inputs: Inputs::default(), listen: LISTEN.to_owned(), public_url: None }
    }

    pub(crate) fn run(&self) -> Result<()> {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
        let address: SocketAddr =
            self.listen.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(|| {
                let given = &self.listen;
                bad_input(remark!(
                    "--listen {given}: an address and a port are wanted, as in {LISTEN}",
                    "--listen {given}：应为地址和端口，如 {LISTEN}"
                ))
            })?;
        let policy = self.inputs.policy()?;
        // The port first: a city takes seconds to read, a taken port should not.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .with_context(|| format!("cannot listen on {address}"))?;
        let mut timings = Timings::start();
        let city = self.inputs.load(&mut timings)?;
        tell_rejects(&city.rejected, self.inputs.lang());
        let served = Served {
            study: city.study,
            title: city.title,
            extract_date: city.extract_date,
            revision: self.inputs.revision(&policy)?,
            policy,
        };
        let options = ServerOptions { public_url: self.public_url.clone(), ..ServerOptions::default() };
        complain(&format!("carecircle serves {} on http://{}/", served.title, listener.local_addr()?));
        let result = runtime
            .block_on(carecircle_server::serve(listener, Arc::new(served), options, asked_to_stop()))
            .context("the server stopped");
        // A computation that nobody waits for any more must not hold up the exit.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }
}

/// Resolves on Ctrl-C, or on SIGTERM where there is such a thing.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    _ = interrupt.await;
}
