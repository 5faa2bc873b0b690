//! The life of a worker: starts everything, hands leases to jobs, and ends in order.
//!
//! One loop (`serve`) owns the leases. On the first SIGTERM or SIGINT the worker drains: it takes nothing more, hands back what it
//! has not begun, finishes and delivers what runs, and exits. On the second it kills its provers and exits at once;
//! the coordinator then leases their tasks to others.

mod serve;
mod totals;

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use hierophant_artifacts::client::{Retry, TransferClient};
use hierophant_config::settings::contemplant::Settings;
use hierophant_domain::LeaseToken;
use hierophant_telemetry::{BadTraces, Traces};
use hierophant_worker_link::{
    client::{ClientSettings, Event, Link, Report},
    proto,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    RELEASE,
    directory::{DataDirectory, DirectoryError},
    fleet::Fleet,
    held::{Entry, HOLD_AFTER, Held},
    http::{self, Health},
    identity::{Identity, IdentityError},
    job::Workshop,
};
use serve::{Signals, Worker};
use totals::Totals;

/// How often metrics are tidied.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was left undone.
    Finished,
    /// Work was cut off.
    Unfinished,
}

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// See there.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// See there.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The health server's port.
    #[error("cannot listen on {address}: {source}; set `listen` and `http_port`")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The authority's certificate.
    #[error("cannot use `ca_certificate` {path}: {why}")]
    Certificate {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
    /// Spans are to be exported and cannot be.
    #[error(transparent)]
    Traces(#[from] BadTraces),
    /// The system refuses something that every program needs.
    #[error("the worker cannot start: {0}")]
    System(String),
}

fn system(error: impl std::fmt::Display) -> WorkerError {
    WorkerError::System(error.to_string())
}

/// Works until it is told to stop.
pub fn run(settings: &Settings) -> Result<Ended, WorkerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system)?;
    let ended = runtime.block_on(live(settings));
    // What still runs are reads and removals of files: nothing to wait for.
    runtime.shutdown_background();
    ended
}

async fn live(settings: &Settings) -> Result<Ended, WorkerError> {
    // First, so that no signal is lost.
    let signals = Signals::listen().map_err(system)?;
    let metrics = PrometheusBuilder::new().install_recorder().map_err(system)?;
    let traces = Traces::start("contemplant", env!("CARGO_PKG_VERSION"))?;
    let directory = DataDirectory::open(&settings.data_directory)?;
    let identity = Identity::load(directory.root(), settings.name.as_deref())?;
    let found = Held::open(&directory.held());
    let (held, found) = found.map_err(|source| DirectoryError::Io {
        path: directory.held(),
        source,
    })?;
    let ca = certificate(settings)?;
    let transfers = TransferClient::new(http_client(ca.as_deref()).map_err(system)?, Retry::default());
    let address = settings.http_address();
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| WorkerError::Listen { address, source })?;
    let listens = listener.local_addr().map_err(system)?;
    directory.announce(listens)?;
    tracing::info!(worker.id = %identity.id, worker.name = %identity.name, coordinator = %settings.coordinator,
        http = %listens, "{RELEASE} starts");

    let fleet = Fleet::start(settings, &directory.provers());
    let totals = Totals::of(settings);
    // Before the first offer is made: a prover that gets ready in between is news.
    let offers = fleet.changes();
    let (link, events) = connect(settings, &identity, ca, totals.offer(&fleet), &found).map_err(system)?;
    let health = Arc::new(Health::new(identity.clone(), Arc::clone(&fleet)));
    let pages = tokio::spawn({
        let router = http::router(Arc::clone(&health), metrics.clone());
        async move { axum::serve(listener, router).await }
    });
    let workshop = Arc::new(Workshop {
        link,
        fleet,
        transfers,
        held,
        jobs: directory.jobs(),
        slots: Arc::new(Semaphore::new(settings.slots as usize)),
        draining: CancellationToken::new(),
    });
    let upkeep = tokio::spawn(upkeep(workshop.held.clone(), workshop.draining.clone(), metrics));
    let mut worker = Worker {
        identity,
        leases_max: leases_max(settings),
        totals,
        drain_timeout: settings.drain_timeout,
        workshop,
        health,
        jobs: JoinSet::new(),
        leases: HashMap::new(),
    };
    for (token, entry) in found {
        if !entry.uploads.is_empty() {
            worker.resume(token, entry);
        }
    }
    let ended = worker.serve(events, offers, signals).await;
    upkeep.abort();
    pages.abort();
    drop(directory);
    traces.stop().await;
    Ok(ended)
}

/// More leases than these are handed back: what may run and be prefetched, and as many that are being delivered.
fn leases_max(settings: &Settings) -> usize {
    2 * (settings.slots as usize + settings.prefetch as usize)
}

fn certificate(settings: &Settings) -> Result<Option<Vec<u8>>, WorkerError> {
    let Some(path) = &settings.ca_certificate else {
        return Ok(None);
    };
    let pem = std::fs::read(path).map_err(|error| WorkerError::Certificate {
        path: path.clone(),
        why: error.to_string(),
    })?;
    Ok(Some(pem))
}

/// The client for artifacts: it trusts what the link trusts.
fn http_client(ca: Option<&[u8]>) -> Result<reqwest::Client, reqwest::Error> {
    let builder = hierophant_artifacts::client::http_builder();
    match ca {
        None => builder,
        Some(pem) => builder.tls_certs_only([reqwest::Certificate::from_pem(pem)?]),
    }
    .build()
}

fn connect(
    settings: &Settings,
    identity: &Identity,
    ca_certificate: Option<Vec<u8>>,
    offered: proto::Capabilities,
    found: &[(LeaseToken, Entry)],
) -> io::Result<(Link, mpsc::Receiver<Event>)> {
    let client = ClientSettings {
        coordinator: settings.coordinator.to_string(),
        token: settings.token.clone(),
        ca_certificate,
        worker: identity.id,
        name: identity.name.clone(),
        version: RELEASE.to_owned(),
        reconnect_min: settings.reconnect.min,
        reconnect_max: settings.reconnect.max,
    };
    if !found.is_empty() {
        tracing::info!("{} results of an earlier run are held for the coordinator", found.len());
    }
    let (complete, uploading): (Vec<_>, Vec<_>) = found.iter().partition(|(_, entry)| entry.uploads.is_empty());
    let reports = complete
        .into_iter()
        .map(|(token, entry)| (*token, Report::Done(entry.result.clone().unwrap_or_default())));
    let uploading: Vec<_> = uploading.into_iter().map(|(token, _)| *token).collect();
    Link::start(client, offered, reports.collect(), &uploading)
}

/// Writes results that wait, and keeps the metrics tidy.
async fn upkeep(held: Held, draining: CancellationToken, metrics: metrics_exporter_prometheus::PrometheusHandle) {
    let mut sweep = tokio::time::interval(HOLD_AFTER / 2);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidy = Instant::now();
    loop {
        sweep.tick().await;
        let count = held.sweep(draining.is_cancelled()).await;
        if tidy.elapsed() >= UPKEEP_EVERY {
            tidy = Instant::now();
            metrics.run_upkeep();
            metrics::gauge!("contemplant_results_held").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }
}
