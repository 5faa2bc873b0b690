//! The trait, each method handed to the writer, a reader or the memory.

use std::sync::Arc;

use async_trait::async_trait;
use hierophant_domain::{
    ArtifactId, Attempt, Digest, Failure, LeaseToken, Name, Request, RequestId, Requester, TaskClass, Timestamp,
    WorkerId,
    attempt::{Delivery, Fence},
    job::{ExecutionVerdict, Verification},
    request::RequestEvent,
    time::Millis,
    worker::{Strike, WorkerProfile},
};
use tokio::sync::broadcast;

use super::{
    SqliteStore, artifacts, attempts, checks, keys, listing, programs, remote_provers, requests, tasks, workers,
};
use crate::{
    Accepted, ArtifactRow, BATCH_MAX, Beat, CheckClaim, ClaimOrder, Counts, ExecutionWork, Hint, HistoryRow, Leased,
    LiveLease, NewRequest, Presence, ProgramIdentity, ProgramRow, ReadyClass, RemoteProverRow, RequestFilter,
    RequestStatus, Result, Store, Undone, VerificationWork, WorkerRow,
};

impl SqliteStore {
    /// A request from memory, or from its row.
    async fn load_request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        if let Some(found) = self.shared.cache.get(id) {
            return Ok(Some(found));
        }
        let epoch = self.shared.cache.epoch();
        let found = self
            .readers
            .run(move |connection| requests::load(connection, id))
            .await?
            .map(Arc::new);
        if let Some(found) = &found {
            self.shared.cache.offer(epoch, Arc::clone(found));
        }
        Ok(found)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.shared.hints.subscribe()
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    async fn ping(&self) -> Result<()> {
        // Through the writer, and into a row and a commit: a disk that is full has to show here.
        self.writer.run(programs::ping).await
    }

    async fn accept(&self, new: NewRequest) -> Result<Accepted> {
        self.writer.run(|batch| requests::accept(batch, new)).await
    }

    async fn accepted(&self, requester: Requester, idempotency_key: Vec<u8>) -> Result<Option<RequestId>> {
        self.readers
            .run(move |connection| requests::accepted(connection, &keys::idempotency(&requester, &idempotency_key)))
            .await
    }

    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        self.load_request(id).await
    }

    async fn status(&self, id: RequestId) -> Result<Option<RequestStatus>> {
        Ok(self.load_request(id).await?.map(|request| requests::status(&request)))
    }

    async fn list_requests(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>> {
        self.readers
            .run(move |connection| listing::requests(connection, &filter))
            .await
    }

    async fn end_request(&self, id: RequestId, event: RequestEvent, failure: Failure) -> Result<bool> {
        self.writer
            .run(move |batch| requests::end(batch, id, event, failure))
            .await
    }

    async fn expire_requests(&self, n: usize) -> Result<Vec<RequestId>> {
        self.writer
            .run(move |batch| requests::expire(batch, n.min(BATCH_MAX)))
            .await
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.shared.totals().counts())
    }

    async fn claim(&self, order: ClaimOrder) -> Result<Vec<Leased>> {
        self.writer.run(move |batch| tasks::claim(batch, &order)).await
    }

    async fn beat(&self, worker: WorkerId, beats: Vec<Beat>) -> Result<Vec<(LeaseToken, Fence)>> {
        self.writer
            .run(move |batch| attempts::beat(batch, worker, &beats))
            .await
    }

    async fn deliver(&self, token: LeaseToken, delivery: Delivery) -> Result<Fence> {
        self.writer
            .run(move |batch| attempts::deliver(batch, token, delivery))
            .await
    }

    async fn fail(&self, token: LeaseToken, failure: Failure) -> Result<Fence> {
        self.writer
            .run(move |batch| attempts::fail(batch, token, &failure))
            .await
    }

    async fn release(&self, token: LeaseToken, reason: String) -> Result<Fence> {
        self.writer
            .run(move |batch| attempts::release(batch, token, &reason))
            .await
    }

    async fn readopt(&self, worker: WorkerId, tokens: Vec<LeaseToken>, until: Timestamp) -> Result<Vec<LeaseToken>> {
        self.writer
            .run(move |batch| attempts::readopt(batch, worker, &tokens, until))
            .await
    }

    async fn lapse_due(&self, n: usize) -> Result<usize> {
        self.writer
            .run(move |batch| attempts::lapse_due(batch, n.min(BATCH_MAX)))
            .await
    }

    async fn lapse_worker(&self, worker: WorkerId, reason: String) -> Result<usize> {
        self.writer
            .run(move |batch| attempts::lapse_worker(batch, worker, &reason))
            .await
    }

    async fn withdraw_reservations(&self, class: TaskClass, n: usize) -> Result<usize> {
        self.writer
            .run(move |batch| attempts::withdraw_reservations(batch, &class, n))
            .await
    }

    async fn ready(&self) -> Result<Vec<ReadyClass>> {
        Ok(tasks::ready(&self.shared))
    }

    async fn lease(&self, token: LeaseToken) -> Result<Option<LiveLease>> {
        let found = self
            .readers
            .run(move |connection| attempts::load(connection, token))
            .await?;
        let may_write = |attempt: &Attempt| {
            use hierophant_domain::attempt::Write;
            attempt.state.fence(Write::Deliver) == Fence::Pass
        };
        let Some(attempt) = found.filter(may_write) else {
            return Ok(None);
        };
        let request = self.load_request(attempt.request).await?;
        Ok(request.map(|request| LiveLease { attempt, request }))
    }

    async fn attempts(&self, request: RequestId) -> Result<Vec<Attempt>> {
        self.readers
            .run(move |connection| attempts::of_request(connection, request))
            .await
    }

    async fn claim_verifications(&self, systems: Vec<Name>, n: usize, hold: Millis) -> Result<Vec<VerificationWork>> {
        self.writer
            .run(move |batch| checks::claim_verifications(batch, &systems, n, hold))
            .await
    }

    async fn settle_verification(&self, claim: CheckClaim, verification: Verification) -> Result<bool> {
        self.writer
            .run(move |batch| checks::settle_verification(batch, claim, verification))
            .await
    }

    async fn claim_executions(&self, systems: Vec<Name>, n: usize, hold: Millis) -> Result<Vec<ExecutionWork>> {
        self.writer
            .run(move |batch| checks::claim_executions(batch, &systems, n, hold))
            .await
    }

    async fn settle_execution(&self, claim: CheckClaim, verdict: ExecutionVerdict) -> Result<bool> {
        self.writer
            .run(move |batch| checks::settle_execution(batch, claim, verdict))
            .await
    }

    async fn return_check(&self, claim: CheckClaim, how: Undone, after: Millis) -> Result<()> {
        self.writer
            .run(move |batch| checks::give_back(batch, claim, how, after))
            .await
    }

    async fn register_worker(&self, profile: WorkerProfile) -> Result<WorkerRow> {
        self.writer.run(move |batch| workers::register(batch, &profile)).await
    }

    async fn update_worker(&self, profile: WorkerProfile) -> Result<()> {
        self.writer.run(move |batch| workers::update(batch, &profile)).await
    }

    async fn worker_presence(&self, worker: WorkerId, presence: Presence, reason: String) -> Result<()> {
        self.writer
            .run(move |batch| workers::presence(batch, worker, presence, &reason))
            .await
    }

    async fn strike(&self, worker: WorkerId, strike: Strike) -> Result<Option<WorkerRow>> {
        self.writer
            .run(move |batch| workers::strike(batch, worker, strike))
            .await
    }

    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerRow>> {
        self.readers
            .run(move |connection| workers::list(connection, gone, offset, limit))
            .await
    }

    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>> {
        self.readers
            .run(move |connection| listing::history(connection, before, limit))
            .await
    }

    async fn attach(&self, prover: RemoteProverRow) -> Result<bool> {
        self.writer
            .run(move |batch| remote_provers::attach(batch, &prover))
            .await
    }

    async fn detach(&self, address: String) -> Result<bool> {
        self.writer
            .run(move |batch| remote_provers::detach(batch, &address))
            .await
    }

    async fn attached(&self) -> Result<Vec<RemoteProverRow>> {
        self.readers.run(remote_provers::attached).await
    }

    async fn register_program(&self, program: ProgramRow) -> Result<ProgramRow> {
        self.writer.run(|batch| programs::register(batch, program)).await
    }

    async fn program(&self, door: Name, id: Vec<u8>) -> Result<Option<ProgramRow>> {
        self.readers
            .run(move |connection| programs::load(connection, &door, &id))
            .await
    }

    async fn remember_identity(&self, identity: ProgramIdentity) -> Result<()> {
        self.writer
            .run(move |batch| programs::remember_identity(batch, &identity))
            .await
    }

    async fn identity(&self, system: Name, toolchain: Name, executable: Digest) -> Result<Option<ProgramIdentity>> {
        self.readers
            .run(move |connection| programs::identity(connection, &system, &toolchain, executable))
            .await
    }

    async fn create_artifact(&self, row: ArtifactRow) -> Result<()> {
        self.writer.run(move |batch| artifacts::create(batch, &row)).await
    }

    async fn complete_artifact(&self, id: ArtifactId, size: u64, sha256: Digest) -> Result<bool> {
        self.writer
            .run(move |batch| artifacts::complete(batch, id, size, sha256))
            .await
    }

    async fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>> {
        self.readers
            .run(move |connection| artifacts::load(connection, id))
            .await
    }

    async fn collectable(&self, older_than: Timestamp, n: usize) -> Result<Vec<ArtifactRow>> {
        self.writer
            .run(move |batch| artifacts::collectable(batch, older_than, n.min(BATCH_MAX)))
            .await
    }

    async fn forget_artifacts(&self, ids: Vec<ArtifactId>) -> Result<()> {
        self.writer.run(move |batch| artifacts::forget(batch, &ids)).await
    }

    async fn release_ended(&self, ended_before: Timestamp, n: usize) -> Result<usize> {
        self.writer
            .run(move |batch| requests::release_ended(batch, ended_before, n.min(BATCH_MAX)))
            .await
    }

    async fn secret(&self, name: String) -> Result<[u8; 32]> {
        self.writer.run(move |batch| programs::secret(batch, &name)).await
    }
}
