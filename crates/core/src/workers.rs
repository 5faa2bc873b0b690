//! What adapters of workers may do.

use std::collections::HashMap;

use async_trait::async_trait;
use hierophant_domain::{
    Failure, FailureClass, LeaseToken, WorkerId,
    attempt::{Delivery, Fence, OUTPUTS_MAX},
    worker::WorkerProfile,
};
use hierophant_store::{Beat, LiveLease, Presence};

use crate::{
    error::CoreError,
    ports::{Progress, Result, Session, WorkerBeat, Workers},
    service::Core,
    sessions::Held,
};

#[async_trait]
impl Workers for Core {
    async fn register(&self, profile: WorkerProfile, held: Vec<LeaseToken>) -> Result<Session> {
        let worker = profile.id;
        let row = self.0.store.register_worker(profile.clone()).await?;
        let until = self.now().plus(self.0.settings.link_grace);
        let leases = self.0.store.readopt(worker, held, until).await?;
        let mut kept = HashMap::new();
        for token in &leases {
            if let Some(lease) = self.0.store.lease(*token).await? {
                kept.insert(*token, adopted(&profile, &lease));
            }
        }
        let (number, assignments) = self.0.sessions.open(profile, kept, self.now());
        tracing::info!(
            worker.id = %worker, worker.name = row.profile.name, worker.version = row.profile.version,
            leases = leases.len(), "worker registered from {}", row.profile.address,
        );
        self.0.wake.dispatch.notify_one();
        Ok(Session { number, heartbeat: self.0.settings.heartbeat, leases, assignments })
    }

    async fn beat(&self, worker: WorkerId, beats: Vec<WorkerBeat>) -> Result<Vec<(LeaseToken, Fence)>> {
        let now = self.now();
        self.0.sessions.heard(worker, now);
        if beats.is_empty() {
            return Ok(Vec::new());
        }
        let until = now.plus(self.0.settings.link_grace);
        for beat in beats.iter().filter(|beat| beat.running) {
            self.0.sessions.started(worker, beat.token, now);
        }
        let beats = beats.iter().map(|beat| Beat { token: beat.token, running: beat.running, until }).collect();
        Ok(self.0.store.beat(worker, beats).await?)
    }

    fn progress(&self, worker: WorkerId, token: LeaseToken, progress: Progress) {
        let now = self.now();
        self.0.sessions.heard(worker, now);
        self.0.sessions.progress(worker, token, progress, now);
    }

    async fn deliver(&self, worker: WorkerId, token: LeaseToken, delivery: Delivery) -> Result<Fence> {
        if delivery.outputs.len() > OUTPUTS_MAX {
            return Err(CoreError::Invalid(format!("a result has at most {OUTPUTS_MAX} outputs")));
        }
        let fence = self.0.store.deliver(token, delivery).await?;
        Core::pass("result-delivered");
        self.let_go(worker, token);
        Ok(fence)
    }

    async fn fail(&self, worker: WorkerId, token: LeaseToken, failure: Failure) -> Result<Fence> {
        let failure = match failure.class {
            FailureClass::Program | FailureClass::Input | FailureClass::Transient | FailureClass::Prover => failure,
            // Nothing else is for a worker to say.
            FailureClass::InvalidProof | FailureClass::KeyLost | FailureClass::Cancelled | FailureClass::Deadline => {
                Failure { class: FailureClass::Prover, ..failure }
            }
        };
        tracing::warn!(worker.id = %worker, class = failure.class.as_str(), "attempt failed: {}", failure.message);
        let fence = self.0.store.fail(token, failure).await?;
        self.let_go(worker, token);
        Ok(fence)
    }

    async fn release(&self, worker: WorkerId, token: LeaseToken, reason: String) -> Result<Fence> {
        let fence = self.0.store.release(token, reason).await?;
        self.let_go(worker, token);
        Ok(fence)
    }

    async fn update(&self, profile: WorkerProfile) -> Result<()> {
        self.0.sessions.update(profile.clone());
        self.0.store.register_worker(profile).await?;
        self.0.wake.dispatch.notify_one();
        Ok(())
    }

    async fn drain(&self, worker: WorkerId) {
        let drained = self.0.sessions.with_profile(worker, |profile| {
            profile.draining = true;
            profile.clone()
        });
        if let Some(profile) = drained {
            tracing::info!(worker.id = %worker, "worker drains");
            if let Err(error) = self.0.store.register_worker(profile).await {
                tracing::warn!(worker.id = %worker, %error, "that the worker drains could not be stored");
            }
        }
    }

    async fn disconnected(&self, worker: WorkerId, session: u64, reason: String, good_bye: bool) {
        if !self.0.sessions.cut(worker, session) {
            return;
        }
        let presence = if good_bye {
            self.0.sessions.remove(worker);
            Presence::Gone
        } else {
            Presence::Cut
        };
        tracing::info!(worker.id = %worker, good_bye, "worker disconnected: {reason}");
        let stored = self.0.store.worker_presence(worker, presence, reason.clone()).await;
        let lapsed = if good_bye { self.0.store.lapse_worker(worker, reason).await.map(|_| ()) } else { Ok(()) };
        if let Err(error) = stored.and(lapsed) {
            tracing::warn!(worker.id = %worker, %error, "the end of a connection could not be stored");
        }
    }
}

impl Core {
    /// A lease is no longer in its worker's hands: the worker may have the next task.
    fn let_go(&self, worker: WorkerId, token: LeaseToken) {
        let now = self.now();
        self.0.sessions.heard(worker, now);
        self.0.sessions.let_go(worker, token);
        self.0.wake.dispatch.notify_one();
    }
}

fn adopted(profile: &WorkerProfile, lease: &LiveLease) -> Held {
    let class = hierophant_domain::TaskClass {
        role: hierophant_domain::Name::literal(crate::clients::PROVE),
        system: lease.request.system.clone(),
        kind: lease.request.kind.clone(),
        labels: std::collections::BTreeMap::new(),
    };
    let serving = profile.capabilities.iter().filter(|capability| capability.serves(&class));
    let needs = serving.map(|capability| capability.needs).min_by_key(|needs| needs.memory).unwrap_or_default();
    Held {
        class,
        needs,
        running: true,
        since: lease.attempt.leased_at,
        progress: None,
        progress_at: lease.attempt.leased_at,
    }
}
