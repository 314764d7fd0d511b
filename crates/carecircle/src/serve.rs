//! `carecircle serve`: the same answers over HTTP.

use crate::inputs::{Inputs, changed, tell_rejects};
use crate::log::{Log, LogFormat};
use crate::output::complain;
use crate::timings::Timings;
use crate::{bad_input, bad_input_for, told};
use anyhow::{Context, Result};
use carecircle_formats::remark;
use carecircle_server::{Net, Reloader, Served, ServerOptions, Trusted, affordable_connections};
use clap::Args;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the server listens unless told otherwise: this machine alone can reach it.
const LISTEN: &str = "127.0.0.1:8015";
/// The default of `--cache-mb`.
const CACHE_MB: u64 = 128;

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    listen: String,
    /// Listen even where other machines can reach the service
    #[arg(long)]
    public: bool,
    /// What links in answers start with, where the server stands behind a proxy
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Believe what Forwarded and X-Forwarded-Proto, -Host and -Prefix say of links: everybody's, or only those of proxies at
    /// these addresses (10.0.0.7,fd00::/8)
    #[arg(long, value_name = "PROXIES", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    trust_forwarded: Option<String>,
    /// A file with the token that whoever asks for a reload has to send; without it, only this machine may
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// About how much memory analyses and answers may take, megabytes
    #[arg(long, value_name = "MB", default_value_t = CACHE_MB, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    cache_mb: u64,
    /// Connections open at once [default: what the limit of open files allows, at most 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// Where jobs, their results and scenarios are kept across a restart; without it they are gone then
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// What is told on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log: LogFormat,
}

impl Serve {
    /// What plain `carecircle` does: serve the demo town.
    pub(crate) fn demo() -> Self {
        Self {
            inputs: Inputs::default(),
            listen: LISTEN.to_owned(),
            public: false,
            public_url: None,
            trust_forwarded: None,
            admin_token_file: None,
            cache_mb: CACHE_MB,
            max_connections: None,
            state_dir: None,
            log: LogFormat::default(),
        }
    }

    pub(crate) fn run(&self) -> Result<()> {
        let address = self.address()?;
        let inputs = self.inputs.clone();
        let reloader = Reloader::new(move |served| next(&inputs, served).map_err(|why| told(&why, inputs.lang())));
        let options = ServerOptions { reloader: Some(reloader.clone()), ..self.options()? };
        // What is wrong with it should be told before a port is taken.
        self.inputs.policy()?;
        let log = Log::start(self.log);
        // The port first: a city takes seconds to read, a taken port should not.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .with_context(|| format!("cannot listen on {address}"))?;
        {
            let _inside = runtime.enter();
            reload_on_hangup(reloader)?;
        }
        let served = read(&self.inputs)?;
        complain(&format!("carecircle serves {} on http://{}/", served.title, listener.local_addr()?));
        let result = runtime
            .block_on(carecircle_server::serve(listener, Arc::new(served), options, asked_to_stop()))
            .context("the server stopped");
        // A computation that nobody waits for any more must not hold up the exit.
        runtime.shutdown_timeout(Duration::from_secs(1));
        log.end();
        result
    }

    /// Where to listen: beyond this machine only when that is wanted.
    fn address(&self) -> Result<SocketAddr> {
        let given = &self.listen;
        let found = given.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = found.ok_or_else(|| {
            bad_input(remark!(
                "--listen {given}: an address and a port are wanted, as in {LISTEN}",
                "--listen {given}：应为地址和端口，如 {LISTEN}"
            ))
        })?;
        if self.public || address.ip().to_canonical().is_loopback() {
            return Ok(address);
        }
        Err(bad_input(remark!(
            "--listen {given}: other machines could reach the service there; if they should, add --public",
            "--listen {given}：其他机器将能访问此服务；如确需如此，请加 --public"
        )))
    }

    fn options(&self) -> Result<ServerOptions> {
        let default = ServerOptions::default();
        if let Some(dir) = &self.state_dir {
            let shown = dir.display();
            std::fs::create_dir_all(dir).map_err(|e| {
                let why = remark!(
                    "--state-dir {shown}: no directory can be made there",
                    "--state-dir {shown}：无法创建该目录"
                );
                bad_input_for(why, e)
            })?;
        }
        Ok(ServerOptions {
            state_dir: self.state_dir.clone(),
            public_url: self.public_url.clone(),
            trusted: self.trusted()?,
            admin_token: self.admin_token_file.as_deref().map(token).transpose()?,
            cache_bytes: self.cache_mb << 20,
            max_connections: match self.max_connections.map(|given| given as usize) {
                None => default.max_connections,
                Some(given) => match affordable_connections() {
                    Some(most) if given > most => {
                        return Err(bad_input(remark!(
                            "--max-connections {given}: this process may open files for {most}; raise that limit (ulimit -n, \
                             LimitNOFILE) or take fewer",
                            "--max-connections {given}：此进程可打开的文件只够 {most} 个连接；请提高该限制（ulimit \
                             -n、LimitNOFILE）或减少连接数"
                        )));
                    }
                    _ => given,
                },
            },
            ..default
        })
    }

    fn trusted(&self) -> Result<Trusted> {
        let given = match self.trust_forwarded.as_deref() {
            None => return Ok(Trusted::Nobody),
            Some("all") => return Ok(Trusted::Everybody),
            Some(given) => given,
        };
        let proxies: Result<Vec<Net>, String> = given.split(',').map(|net| net.trim().parse()).collect();
        proxies.map(Trusted::Proxies).map_err(|why| bad_input(format!("--trust-forwarded={given}: {why}")))
    }
}

/// The token in a file: what it holds, without the blanks around it.
fn token(path: &Path) -> Result<String> {
    const LEAST: usize = 16;
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| bad_input_for(remark!("cannot read the token in {shown}", "无法读取 {shown} 中的令牌"), e))?;
    let token = text.trim();
    if token.len() < LEAST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad_input(remark!(
            "--admin-token-file {shown}: it should hold a token of at least {LEAST} letters, digits and signs of ASCII, \
             without blanks",
            "--admin-token-file {shown}：应含一个不少于 {LEAST} 个 ASCII 字母、数字或符号、不带空白的令牌"
        )));
    }
    Ok(token.to_owned())
}

/// Reads the inputs, all of one moment.
fn read(inputs: &Inputs) -> Result<Served> {
    let policy = inputs.policy()?;
    let revision = inputs.revision(&policy)?;
    let city = inputs.load(&mut Timings::start())?;
    tell_rejects(&city.rejected, inputs.lang());
    if inputs.revision(&policy)? != revision {
        return Err(bad_input(changed()));
    }
    let bounds = city.bounds.map(|bounds| (bounds.south_west, bounds.north_east));
    Ok(Served { study: city.study, title: city.title, extract_date: city.extract_date, bounds, revision, policy })
}

/// What there is to serve next; nothing where the inputs still make what is served.
fn next(inputs: &Inputs, served: &str) -> Result<Option<Served>> {
    if inputs.revision(&inputs.policy()?)? == served {
        return Ok(None);
    }
    read(inputs).map(Some)
}

/// Reloads on SIGHUP, where there is such a thing.
fn reload_on_hangup(reloader: Reloader) -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                reloader.ask();
            }
        });
    }
    #[cfg(not(unix))]
    drop(reloader);
    Ok(())
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
