//! The life of a listening worker.
//!
//! It listens before its prover is ready, so that health can be asked; it says so when calls are served; at the first
//! SIGTERM or SIGINT it takes no more of them, finishes those in hand, and ends; at the second it ends at once. Health and
//! statuses are answered to the end.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hierophant_miden_api::{BadSettings, Generation, HealthHandle, RateLimit, ServerSettings, server};
use hierophant_telemetry::{BadTraces, Traces};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Prover, Settings, StartError,
    crew::causes,
    pages::Pages,
    serve::{self, BindError},
    settings::ServingSettings,
    telemetry,
};

/// How long answers may take to reach their callers at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often metrics are tidied.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why a worker cannot listen and prove.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A port cannot be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No proof can be made.
    #[error("{}", causes(.0))]
    Start(#[from] StartError),
    /// Nothing would be served.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// The file for the addresses.
    #[error("cannot write --address-file {path}: {source}")]
    AddressFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Spans are to be exported and cannot be.
    #[error(transparent)]
    Traces(#[from] BadTraces),
    /// The system refuses something that every program needs.
    #[error("the worker cannot start: {0}")]
    System(String),
}

fn system(error: impl std::fmt::Display) -> ListenError {
    ListenError::System(error.to_string())
}

/// Listens and proves until it is told to stop. `release` is the program's name and version, `version` the version
/// alone, for statuses.
///
/// # Errors
/// When it cannot begin. Once it has begun, it ends well.
pub fn run(settings: Settings, release: &'static str, version: &'static str) -> Result<(), ListenError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system)?;
    let ended = runtime.block_on(live(settings, release, version));
    runtime.shutdown_timeout(LAST_WORDS);
    ended
}

async fn live(settings: Settings, release: &'static str, version: &'static str) -> Result<(), ListenError> {
    // First, so that no signal is lost.
    let mut signals = Signals::listen().map_err(system)?;
    let metrics = telemetry::install().map_err(system)?;
    let traces = Traces::start("contemplant", version)?;
    let Settings { proofs, serving } = settings;
    let contract = server_settings(&proofs, &serving, version);
    let (listener, address) = serve::bind(serving.listen, "callers", "--port").await?;
    let (http_listener, http) = serve::bind(serving.http, "health and metrics", "--http-port").await?;
    if let Some(path) = &serving.address_file {
        announce(path, address, http).map_err(|source| ListenError::AddressFile {
            path: path.clone(),
            source,
        })?;
    }
    tracing::info!(grpc = %address, %http, line = %proofs.line, "{release} listens");

    let prover = Arc::new(Prover::new(proofs)?);
    let server = server(Arc::clone(&prover) as _, contract)?;
    let draining = CancellationToken::new();
    let pages = Pages {
        release,
        prover: Arc::clone(&prover),
        draining: draining.clone(),
        metrics: metrics.clone(),
    };
    let (stop, upkeep) = (CancellationToken::new(), tokio::spawn(upkeep(metrics)));
    let health = tokio::spawn(tell_health(server.health(), pages.clone()));
    let contract = tokio::spawn(serve::serve(listener, server.into_router(), stop.clone(), LAST_WORDS));
    let http = tokio::spawn(serve::serve(http_listener, pages.router(), stop.clone(), LAST_WORDS));

    let started = tokio::select! {
        started = prover.start() => Some(started),
        () = signals.next() => None,
    };
    if let Some(Ok(())) = started {
        signals.next().await;
        tracing::info!("told to stop: calls in hand are finished");
        draining.cancel();
        drain(&prover, serving.drain_timeout, &mut signals).await;
    }
    draining.cancel();
    prover.end().await;
    stop.cancel();
    finish([contract, http]).await;
    health.abort();
    upkeep.abort();
    traces.stop().await;
    tracing::info!("ended");
    started.transpose()?;
    Ok(())
}

/// Waits until all callers have their answers, as long as there is time and no second signal.
async fn drain(prover: &Prover, timeout: Duration, signals: &mut Signals) {
    tokio::select! {
        () = prover.drain() => {}
        () = tokio::time::sleep(timeout) => {
            tracing::warn!("calls are still in hand after {timeout:?}: they are answered without a proof");
        }
        () = signals.next() => tracing::warn!("told to stop a second time: calls in hand are answered without a proof"),
    }
}

async fn finish(servers: [JoinHandle<()>; 2]) {
    for server in servers {
        // It ends by itself, within its grace.
        let _ = server.await;
    }
}

/// What is served by the contract.
fn server_settings(proofs: &crate::ProofSettings, serving: &ServingSettings, version: &str) -> ServerSettings {
    let pinned = |generation| Some(proofs.line).filter(|line| line.generation() == generation);
    ServerSettings {
        generation_b: pinned(Generation::B),
        generation_c: pinned(Generation::C),
        kinds: proofs.kinds.iter().copied().collect(),
        max_message_bytes: serving.message_bytes,
        rate: serving.rate_limit.map(|per_second| RateLimit { per_second }),
        trusted_proxies: serving.trusted_proxies.clone(),
        // There are no workers behind this one.
        proxy_status: false,
        ..ServerSettings::new(version)
    }
}

/// Keeps the contract's health what the pages say.
async fn tell_health(health: HealthHandle, pages: Pages) {
    let mut readiness = pages.prover.readiness();
    let mut served = false;
    loop {
        readiness.borrow_and_update();
        let ready = pages.ready();
        if ready.is_ok() != served {
            served = ready.is_ok();
            health.serving(served);
            match ready {
                Ok(()) => tracing::info!("calls are served"),
                Err(why) => tracing::warn!("calls are not served: {why}"),
            }
        }
        tokio::select! {
            changed = readiness.changed() => if changed.is_err() { return },
            () = pages.draining.cancelled(), if !pages.draining.is_cancelled() => {}
        }
    }
}

/// Writes where this worker listens, whole.
fn announce(path: &Path, grpc: SocketAddr, http: SocketAddr) -> io::Result<()> {
    let text = serde_json::json!({ "grpc": grpc.to_string(), "http": http.to_string(), "pid": std::process::id() });
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(parent.unwrap_or_else(|| Path::new(".")))?;
    io::Write::write_all(&mut file, text.to_string().as_bytes())?;
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        metrics.run_upkeep();
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
