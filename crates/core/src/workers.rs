//! What adapters of workers may do.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_domain::{
    AttemptState, BlobRef, Failure, FailureClass, LeaseToken, Name, Timestamp, Visibility, WorkerId,
    attempt::{Delivery, Fence, OUTPUTS_MAX},
    worker::WorkerProfile,
};
use hierophant_store::{BATCH_MAX, Beat, LiveLease, Presence, WorkerRow};

use crate::{
    clients::class_of,
    error::CoreError,
    gate::OUTPUT,
    lost, metric,
    ports::{InputSource, Progress, Result, Session, WorkerBeat, Workers},
    service::Core,
    sessions::Held,
};

#[async_trait]
impl Workers for Core {
    async fn register(&self, profile: WorkerProfile, held: Vec<LeaseToken>) -> Result<Session> {
        let worker = profile.id;
        let row = self.0.store.register_worker(profile.clone()).await?;
        let leases = self.take_back(worker, &held).await?;
        self.free_forgotten(&row, &leases).await?;
        let mut kept = HashMap::new();
        for token in &leases {
            if let Some(lease) = self.0.store.lease(*token).await? {
                kept.insert(*token, adopted(self, &profile, &lease, self.now()));
            }
        }
        let (number, assignments) = self.0.sessions.open(profile, kept, self.now());
        tracing::info!(
            worker.id = %worker, worker.name = row.profile.name, worker.version = row.profile.version,
            leases = leases.len(), "worker registered from {}", row.profile.address,
        );
        self.0.wake.dispatch.notify_one();
        Ok(Session {
            number,
            heartbeat: self.0.settings.heartbeat,
            leases,
            assignments,
        })
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
        let mut answers = Vec::with_capacity(beats.len());
        for batch in beats.chunks(BATCH_MAX) {
            let batch = batch
                .iter()
                .map(|beat| Beat {
                    token: beat.token,
                    running: beat.running,
                    until,
                })
                .collect();
            answers.extend(self.0.store.beat(worker, batch).await?);
        }
        let mut gone = false;
        for (token, fence) in &answers {
            match fence {
                Fence::Pass | Fence::Repeated => self.0.sessions.renewed(worker, *token, now),
                Fence::Gone => {
                    self.0.sessions.let_go(worker, *token);
                    gone = true;
                }
            }
        }
        if gone {
            self.0.wake.dispatch.notify_one();
        }
        Ok(answers)
    }

    fn progress(&self, worker: WorkerId, token: LeaseToken, progress: Progress) {
        let now = self.now();
        self.0.sessions.heard(worker, now);
        self.0.sessions.progress(worker, token, progress, now);
    }

    async fn deliver(&self, worker: WorkerId, token: LeaseToken, delivery: Delivery) -> Result<Fence> {
        if delivery.outputs.len() > OUTPUTS_MAX {
            return Err(CoreError::Invalid(format!(
                "a result has at most {OUTPUTS_MAX} outputs"
            )));
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
            FailureClass::InvalidProof
            | FailureClass::PublicValues
            | FailureClass::Lost
            | FailureClass::KeyLost
            | FailureClass::Cancelled
            | FailureClass::Deadline => Failure {
                class: FailureClass::Prover,
                ..failure
            },
        };
        tracing::warn!(worker.id = %worker, class = failure.class.as_str(), "attempt failed: {}", failure.message);
        let lease = self.0.store.lease(token).await?;
        let fence = self.0.store.fail(token, failure).await?;
        if let (Fence::Pass, Some(lease)) = (fence, lease) {
            metric::attempt_ended(&lease.request, "failed");
            // It may have failed for what it could not get here. The report is taken in any case.
            if let Err(error) = lost::end_if_needed(self, &lease.request).await {
                tracing::warn!(request.id = %lease.request.id, %error, "its inputs could not be looked for");
            }
        }
        self.let_go(worker, token);
        Ok(fence)
    }

    async fn release(&self, worker: WorkerId, token: LeaseToken, reason: String) -> Result<Fence> {
        let fence = self.0.store.release(token, reason).await?;
        self.let_go(worker, token);
        Ok(fence)
    }

    async fn read_input(&self, source: &InputSource, limit_bytes: u64) -> Result<Bytes> {
        match source {
            InputSource::Inline(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            InputSource::Artifact { id, .. } => self.read_blob(&BlobRef::Artifact(*id), limit_bytes).await,
        }
    }

    async fn store_output(&self, token: LeaseToken, content: Bytes) -> Result<BlobRef> {
        self.lease_counts(token)
            .await
            .map_err(|denied| CoreError::NotAllowed(denied.to_string()))?;
        if content.len() as u64 <= self.0.settings.inline_bytes {
            return Ok(BlobRef::Inline(content.into()));
        }
        let stored = self.store_blob(None, Name::literal(OUTPUT), Visibility::Signed, content);
        stored.await.map(BlobRef::Artifact)
    }

    async fn update(&self, mut profile: WorkerProfile) -> Result<()> {
        // That it drains stays so until it registers again.
        profile.draining |= self
            .0
            .sessions
            .with_profile(profile.id, |before| before.draining)
            .unwrap_or(false);
        self.0.sessions.update(profile.clone());
        self.0.store.update_worker(profile).await?;
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
            if let Err(error) = self.0.store.update_worker(profile).await {
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
        let lapsed = if good_bye {
            self.0.store.lapse_worker(worker, reason).await.map(|_| ())
        } else {
            Ok(())
        };
        if let Err(error) = stored.and(lapsed) {
            tracing::warn!(worker.id = %worker, %error, "the end of a connection could not be stored");
        }
    }
}

impl Core {
    /// Gives a worker that is back the leases that it names, where they are its own still or again. They hold anew.
    async fn take_back(&self, worker: WorkerId, held: &[LeaseToken]) -> Result<Vec<LeaseToken>> {
        let until = self.now().plus(self.0.settings.link_grace);
        let mut leases = Vec::with_capacity(held.len());
        for batch in held.chunks(BATCH_MAX) {
            let kept = self.0.store.readopt(worker, batch.to_vec(), until).await?;
            // One that had not lapsed is not given longer by that: it is renewed.
            let beats = kept
                .iter()
                .map(|token| Beat {
                    token: *token,
                    running: false,
                    until,
                })
                .collect();
            self.0.store.beat(worker, beats).await?;
            leases.extend(kept);
        }
        Ok(leases)
    }

    /// Leases that a worker had and does not name any more are lost: others get their tasks now, not when they run out.
    async fn free_forgotten(&self, row: &WorkerRow, named: &[LeaseToken]) -> Result<()> {
        for attempt in row.leases.iter().filter(|attempt| !named.contains(&attempt.token)) {
            let reason = "its worker connected again without it";
            // Given by a coordinator that ended before it could tell, and never renewed: nobody tried anything.
            let unheard_of = !self.0.sessions.holds(row.profile.id, attempt.token)
                && attempt.lease_until == attempt.leased_at.plus(self.0.settings.link_grace);
            if attempt.state == AttemptState::Reserved || unheard_of {
                self.0.store.release(attempt.token, reason.to_owned()).await?;
            } else {
                self.0
                    .store
                    .fail(attempt.token, Failure::new(FailureClass::Transient, reason))
                    .await?;
            }
        }
        Ok(())
    }

    /// A lease is no longer in its worker's hands: the worker may have the next task.
    fn let_go(&self, worker: WorkerId, token: LeaseToken) {
        let now = self.now();
        self.0.sessions.heard(worker, now);
        self.0.sessions.let_go(worker, token);
        self.0.wake.dispatch.notify_one();
    }
}

fn adopted(core: &Core, profile: &WorkerProfile, lease: &LiveLease, now: Timestamp) -> Held {
    let class = class_of(core, &lease.request);
    let serving = profile
        .capabilities
        .iter()
        .filter(|capability| capability.serves(&class));
    let needs = serving
        .map(|capability| capability.needs)
        .min_by_key(|needs| needs.memory)
        .unwrap_or_default();
    Held {
        class,
        needs,
        running: lease.attempt.state == AttemptState::Running,
        since: lease.attempt.leased_at,
        renewed_at: now,
        progress: None,
        progress_at: lease.attempt.leased_at,
    }
}
