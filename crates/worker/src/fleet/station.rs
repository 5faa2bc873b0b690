//! One configured prover: its process now, and the supervisor that starts it again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use hierophant_domain::{Capability, TaskClass};
use hierophant_prover_protocol::host::{ProverProcess, ProverSpec};
use hierophant_worker_link::client::Backoff;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::offer;

/// First wait before a prover that died is started again; it doubles up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_millis(500);
/// Longest wait.
const RESTART_MAX: Duration = Duration::from_mins(5);
/// A process that lived this long was well, as is one that was given a job: the waiting begins anew.
const WELL_AFTER: Duration = Duration::from_mins(1);
/// Empty output directories kept for the next calls of a process.
const SPARE_DIRECTORIES_MAX: usize = 64;

/// What the prover is doing.
#[derive(Debug)]
enum Condition {
    Starting,
    Ready(Ready),
    Down(String),
    Stopped,
}

#[derive(Debug)]
struct Ready {
    process: ProverProcess,
    /// It got as far as being given a job. What a job does to it is the job's: how often that is tried is bounded by the
    /// coordinator, and others need not wait for it.
    booked: AtomicBool,
    capabilities: Vec<Capability>,
    jobs: u32,
    spare: Arc<Mutex<Vec<TempDir>>>,
}

/// A configured prover.
#[derive(Debug)]
pub(super) struct Station {
    spec: ProverSpec,
    kinds: Option<Vec<String>>,
    condition: Mutex<Condition>,
    open_jobs: Arc<AtomicU32>,
}

/// A prover for one job. Counts as busy until it is dropped.
#[derive(Debug)]
pub struct Booking {
    /// The process.
    pub process: ProverProcess,
    open_jobs: Arc<AtomicU32>,
    spare: Arc<Mutex<Vec<TempDir>>>,
}

impl Booking {
    /// An empty directory for the outputs of a call. Blocking, briefly.
    pub fn output_dir(&self) -> std::io::Result<TempDir> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| self.process.output_dir(), Ok)
    }

    /// Takes a directory back for a later call if it is still empty; making one for each small job would cost more than
    /// the job. Blocking, briefly.
    pub fn give_back(&self, directory: TempDir) {
        let empty = std::fs::read_dir(directory.path()).is_ok_and(|mut entries| entries.next().is_none());
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if empty && spare.len() < SPARE_DIRECTORIES_MAX {
            spare.push(directory);
        }
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.open_jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Station {
    pub(super) fn new(spec: ProverSpec, kinds: Option<Vec<String>>) -> Self {
        Self {
            spec,
            kinds,
            condition: Mutex::new(Condition::Starting),
            open_jobs: Arc::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it does now, in words.
    pub(super) fn condition(&self) -> String {
        match &*self.lock() {
            Condition::Starting => "starting".to_owned(),
            Condition::Ready(ready) => format!("ready: {}, process {}", ready.process.name(), ready.process.pid()),
            Condition::Down(why) => why.clone(),
            Condition::Stopped => "stopped".to_owned(),
        }
    }

    /// What a process that is ready can do, and how often at once.
    pub(super) fn offer(&self) -> Option<(Vec<Capability>, u32)> {
        match &*self.lock() {
            Condition::Ready(ready) => Some((ready.capabilities.clone(), ready.jobs)),
            Condition::Starting | Condition::Down(_) | Condition::Stopped => None,
        }
    }

    pub(super) fn serves(&self, class: &TaskClass) -> bool {
        match &*self.lock() {
            Condition::Ready(ready) => ready.process.is_alive() && ready.capabilities.iter().any(|c| c.serves(class)),
            Condition::Starting | Condition::Down(_) | Condition::Stopped => false,
        }
    }

    pub(super) fn open_jobs(&self) -> u32 {
        self.open_jobs.load(Ordering::Relaxed)
    }

    /// Takes the process for a job, if it is still ready.
    pub(super) fn book(self: &Arc<Self>) -> Option<Booking> {
        match &*self.lock() {
            Condition::Ready(ready) => {
                ready.booked.store(true, Ordering::Relaxed);
                self.open_jobs.fetch_add(1, Ordering::Relaxed);
                Some(Booking {
                    process: ready.process.clone(),
                    open_jobs: Arc::clone(&self.open_jobs),
                    spare: Arc::clone(&ready.spare),
                })
            }
            Condition::Starting | Condition::Down(_) | Condition::Stopped => None,
        }
    }

    fn has_been_booked(&self) -> bool {
        match &*self.lock() {
            Condition::Ready(ready) => ready.booked.load(Ordering::Relaxed),
            Condition::Starting | Condition::Down(_) | Condition::Stopped => false,
        }
    }

    /// Keeps a process running until told to stop.
    pub(super) async fn supervise(
        self: Arc<Self>,
        changed: watch::Sender<u64>,
        stopping: CancellationToken,
        killing: CancellationToken,
    ) {
        let mut backoff = Backoff::new(RESTART_MIN, RESTART_MAX);
        while !stopping.is_cancelled() {
            self.set(Condition::Starting, &changed);
            let started = Instant::now();
            let spawned = tokio::select! {
                spawned = ProverProcess::spawn(&self.spec) => spawned,
                // Dropped on its way, the process is asked to exit and killed if it does not.
                () = stopping.cancelled() => break,
            };
            let why = match spawned {
                Ok(process) => {
                    self.ready(process.clone(), &changed);
                    let ended = tokio::select! {
                        biased;
                        () = killing.cancelled() => { process.kill("the worker was told to stop at once").await; break }
                        () = stopping.cancelled() => {
                            tokio::select! {
                                _ = process.shutdown() => {}
                                () = killing.cancelled() => process.kill("the worker was told to stop at once").await,
                            }
                            break;
                        }
                        ended = process.gone() => ended,
                    };
                    if started.elapsed() >= WELL_AFTER || self.has_been_booked() {
                        backoff.reset();
                    }
                    ended.to_string()
                }
                Err(error) => causes(&error),
            };
            metrics::counter!("contemplant_prover_failures_total", "prover" => self.spec.name.clone()).increment(1);
            let wait = backoff.wait();
            tracing::error!(prover.name = %self.spec.name, "{why}; it is started again in {wait:.1?}");
            self.set(Condition::Down(why), &changed);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopping.cancelled() => break,
            }
        }
        self.set(Condition::Stopped, &changed);
    }

    fn ready(&self, process: ProverProcess, changed: &watch::Sender<u64>) {
        let (capabilities, sentences) = offer::read(process.hello(), self.kinds.as_deref());
        for sentence in sentences {
            tracing::warn!(prover.name = %self.spec.name, "{sentence}");
        }
        tracing::info!(prover.name = %self.spec.name, prover.pid = process.pid(), kinds = capabilities.len(),
            "{} is ready", process.name());
        let jobs = process.hello().max_jobs;
        self.set(
            Condition::Ready(Ready {
                process,
                booked: AtomicBool::new(false),
                capabilities,
                jobs,
                spare: Arc::default(),
            }),
            changed,
        );
    }

    fn set(&self, condition: Condition, changed: &watch::Sender<u64>) {
        *self.lock() = condition;
        changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with what caused it, on a line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
