//! The worker's loop: one owner of the leases, told by the link, the fleet, its jobs and the system.
//!
//! What must stay true: the loop never waits for a disk, a prover or the coordinator for long; no lease is forgotten but
//! by its job's end.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use hierophant_domain::LeaseToken;
use hierophant_worker_link::{
    client::{Event, Report},
    proto,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Ended, totals::Totals};
use crate::{
    held::Entry,
    http::Health,
    identity::Identity,
    job::{self, Workshop},
};

/// How long a drained worker waits for the coordinator to acknowledge results that are on disk.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);
/// How often the loop turns when nothing happens.
const TURN_EVERY: Duration = Duration::from_millis(100);
/// Events taken at once.
const EVENTS_BATCH: usize = 64;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
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
pub(super) struct Worker {
    pub(super) identity: Identity,
    pub(super) leases_max: usize,
    pub(super) totals: Totals,
    pub(super) drain_timeout: Duration,
    pub(super) workshop: Arc<Workshop>,
    pub(super) health: Arc<Health>,
    pub(super) jobs: JoinSet<LeaseToken>,
    pub(super) leases: HashMap<LeaseToken, Working>,
}

/// A lease with a job.
pub(super) struct Working {
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
    pub(super) async fn serve(
        &mut self,
        mut events: mpsc::Receiver<Event>,
        mut offers: watch::Receiver<u64>,
        mut signals: Signals,
    ) -> Ended {
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

    pub(super) fn resume(&mut self, token: LeaseToken, entry: Entry) {
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
