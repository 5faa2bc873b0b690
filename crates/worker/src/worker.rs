//! The life of a worker: starts everything, hands leases to jobs, and ends in order.
//!
//! One loop owns the leases. On the first SIGTERM or SIGINT the worker drains: it takes nothing more, hands back what it
//! has not begun, finishes and delivers what runs, and exits. On the second it kills its provers and exits at once;
//! the coordinator then leases their tasks to others.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use hierophant_artifacts::client::{Retry, TransferClient};
use hierophant_config::settings::contemplant::Settings;
use hierophant_domain::{LeaseToken, Resources};
use hierophant_worker_link::{
    client::{ClientSettings, Event, Link, Report},
    proto,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    RELEASE,
    directory::{DataDirectory, DirectoryError},
    fleet::Fleet,
    held::{Entry, HOLD_AFTER, Held},
    http::{self, Health},
    identity::{Identity, IdentityError},
    job::{self, Workshop},
};

/// How long a drained worker waits for the coordinator to acknowledge results that are on disk.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);
/// How often metrics are tidied.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often the loop turns when nothing happens.
const TURN_EVERY: Duration = Duration::from_millis(100);
/// Events taken at once.
const EVENTS_BATCH: usize = 64;
/// How long a connection to the artifact service may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    // An earlier installation means the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = PrometheusBuilder::new().install_recorder().map_err(system)?;
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
    let ended = worker.serve(events, signals).await;
    upkeep.abort();
    pages.abort();
    drop(directory);
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
    match ca {
        None => hierophant_artifacts::client::http_client(),
        Some(pem) => reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tls_certs_only([reqwest::Certificate::from_pem(pem)?])
            .build(),
    }
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

/// What the worker has in all.
#[derive(Clone, Copy, Debug)]
struct Totals {
    resources: Resources,
    slots: u32,
    prefetch: u32,
}

impl Totals {
    fn of(settings: &Settings) -> Self {
        let memory = settings
            .memory
            .map_or_else(machine_memory, hierophant_config::types::ByteSize::bytes);
        let shared = rustix::fs::statvfs("/dev/shm").map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        Self {
            resources: Resources {
                memory,
                shared_memory: shared,
                devices: 0,
            },
            slots: settings.slots,
            prefetch: settings.prefetch,
        }
    }

    /// What is told to the coordinator: what provers that are ready now can do, in as many slots as they have room for.
    fn offer(&self, fleet: &Fleet) -> proto::Capabilities {
        let offer = fleet.offer();
        metrics::gauge!("contemplant_provers_ready").set(f64::from(u32::try_from(offer.ready).unwrap_or(u32::MAX)));
        let name = |name: &hierophant_domain::Name| name.as_str().to_owned();
        let kinds = offer.capabilities.iter().map(|capability| proto::Capability {
            role: name(&capability.role),
            system: name(&capability.system),
            kind: name(&capability.kind),
            memory_bytes: capability.needs.memory,
            shared_memory_bytes: capability.needs.shared_memory,
            labels: capability
                .labels
                .iter()
                .map(|(key, value)| (name(key), name(value)))
                .collect(),
        });
        proto::Capabilities {
            kinds: kinds.collect(),
            memory_bytes: self.resources.memory,
            shared_memory_bytes: self.resources.shared_memory,
            slots: self.slots.min(offer.jobs.max(1)),
            prefetch: self.prefetch,
        }
    }
}

/// Memory that this process may use: the machine's, or less where its control group says so.
fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    group
        .and_then(|text| text.trim().parse().ok())
        .map_or(machine, |limit: u64| limit.min(machine))
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

/// The loop's state.
struct Worker {
    identity: Identity,
    leases_max: usize,
    totals: Totals,
    drain_timeout: Duration,
    workshop: Arc<Workshop>,
    health: Arc<Health>,
    jobs: JoinSet<LeaseToken>,
    leases: HashMap<LeaseToken, Working>,
}

/// A lease with a job.
struct Working {
    task: tokio::task::Id,
    cancel: CancellationToken,
}

/// How far draining is.
struct Draining {
    /// When work is cut off.
    until: Instant,
    /// When waiting for acknowledgements ends; set when nothing runs any more.
    acknowledged_by: Option<Instant>,
}

impl Worker {
    /// Serves until drained or forced.
    async fn serve(&mut self, mut events: mpsc::Receiver<Event>, mut signals: Signals) -> Ended {
        let mut offers = self.workshop.fleet.changes();
        let mut turn = tokio::time::interval(TURN_EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining: Option<Draining> = None;
        let mut batch = Vec::with_capacity(EVENTS_BATCH);
        loop {
            tokio::select! {
                taken = events.recv_many(&mut batch, EVENTS_BATCH) => {
                    if taken == 0 {
                        tracing::error!("the link to the coordinator has ended");
                        return self.force().await;
                    }
                    self.hear(&mut batch).await;
                }
                Some(ended) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => self.ended(ended).await,
                Ok(()) = offers.changed() => self.offer(&mut offers).await,
                _ = turn.tick() => {}
                () = signals.next() => {
                    if draining.is_some() {
                        tracing::warn!("told to stop a second time: provers are killed");
                        return self.force().await;
                    }
                    self.drain().await;
                    draining = Some(Draining { until: Instant::now() + self.drain_timeout, acknowledged_by: None });
                }
            }
            self.health.turned(self.leases.len(), self.workshop.held.len());
            if let Some(draining) = &mut draining
                && let Some(ended) = self.drained(draining)
            {
                return match ended {
                    Ended::Finished => self.finish(&mut signals).await,
                    Ended::Unfinished => self.force().await,
                };
            }
        }
    }

    async fn hear(&mut self, batch: &mut Vec<Event>) {
        let mut settled = Vec::new();
        for event in batch.drain(..) {
            match event {
                Event::Lease(lease) => self.lease(lease).await,
                Event::Acknowledged(token) => settled.push(token),
                Event::Revoked(token, reason) => {
                    tracing::info!("a lease is gone: {reason}");
                    match self.leases.get(&token) {
                        Some(working) => working.cancel.cancel(),
                        None => settled.push(token),
                    }
                }
                Event::Connected(version) => {
                    tracing::info!(coordinator.version = %version, "registered with the coordinator");
                    self.health.connection(Ok(version));
                }
                Event::Disconnected(reason) => {
                    tracing::warn!("not connected to the coordinator: {reason}");
                    self.health.connection(Err(reason));
                }
                Event::Refused(reason) => {
                    tracing::error!("the coordinator refuses this worker: {reason}");
                    self.health.connection(Err(format!("refused: {reason}")));
                }
            }
        }
        if !settled.is_empty() {
            self.workshop.held.forget(&settled).await;
        }
    }

    async fn lease(&mut self, lease: Box<hierophant_worker_link::client::Lease>) {
        let token = lease.token;
        if self.leases.contains_key(&token) {
            return;
        }
        if self.leases.len() >= self.leases_max {
            self.workshop
                .link
                .release(token, "the worker holds as many leases as it can")
                .await;
            return;
        }
        let span = tracing::info_span!("task", worker.id = %self.identity.id, request.id = %lease.request,
            task.id = %lease.task, class = %lease.class);
        let cancel = CancellationToken::new();
        let job = job::run(Arc::clone(&self.workshop), lease, cancel.clone()).instrument(span);
        let task = self.jobs.spawn(job).id();
        self.leases.insert(token, Working { task, cancel });
    }

    fn resume(&mut self, token: LeaseToken, entry: Entry) {
        let cancel = CancellationToken::new();
        let job = job::resume(Arc::clone(&self.workshop), token, entry, cancel.clone());
        let task = self.jobs.spawn(job).id();
        self.leases.insert(token, Working { task, cancel });
    }

    async fn ended(&mut self, ended: Result<(tokio::task::Id, LeaseToken), tokio::task::JoinError>) {
        match ended {
            Ok((_, token)) => {
                self.leases.remove(&token);
            }
            Err(error) => {
                let task = error.id();
                let Some(token) = self
                    .leases
                    .iter()
                    .find(|(_, working)| working.task == task)
                    .map(|(token, _)| *token)
                else {
                    return;
                };
                self.leases.remove(&token);
                tracing::error!("a job ended by a defect of the worker: {error}");
                let why = "the worker has a defect; its log has details".to_owned();
                self.workshop
                    .link
                    .report(token, Report::Failed(proto::failure::Class::Transient, why))
                    .await;
            }
        }
    }

    async fn offer(&self, offers: &mut watch::Receiver<u64>) {
        offers.borrow_and_update();
        self.workshop
            .link
            .capabilities(self.totals.offer(&self.workshop.fleet))
            .await;
    }

    async fn drain(&self) {
        tracing::info!(
            "draining: {} leases in hand; a second signal stops at once",
            self.leases.len()
        );
        self.health.draining();
        self.workshop.draining.cancel();
        self.workshop.link.drain().await;
    }

    /// Whether draining is over, and how.
    fn drained(&self, draining: &mut Draining) -> Option<Ended> {
        let now = Instant::now();
        if !self.leases.is_empty() {
            if now < draining.until {
                return None;
            }
            tracing::error!(
                "{} tasks were not finished within `drain_timeout` and are cut off",
                self.leases.len()
            );
            return Some(Ended::Unfinished);
        }
        let held = self.workshop.held.len();
        let by = *draining.acknowledged_by.get_or_insert(now + ACKNOWLEDGE_WITHIN);
        if held > 0 && now < by {
            return None;
        }
        if held > 0 {
            tracing::warn!(
                "{held} results are not acknowledged: they are kept and sent when this worker is started again"
            );
        }
        Some(Ended::Finished)
    }

    async fn finish(&mut self, signals: &mut Signals) -> Ended {
        let workshop = Arc::clone(&self.workshop);
        tokio::select! {
            () = async { tokio::join!(workshop.fleet.stop(), workshop.link.close()); } => {
                tracing::info!("drained");
                Ended::Finished
            }
            () = signals.next() => self.force().await,
        }
    }

    async fn force(&mut self) -> Ended {
        // Jobs first: they must not report the death of their provers as a failure.
        self.jobs.shutdown().await;
        self.workshop.held.sweep(true).await;
        tokio::join!(self.workshop.fleet.kill(), self.workshop.link.close());
        Ended::Unfinished
    }
}
