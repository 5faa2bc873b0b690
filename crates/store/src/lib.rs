//! Durable state: one trait, its backends, and the conformance suite that each of them passes.
//!
//! Invariants of every backend: a method that returns `Ok` has its changes on stable storage; every change of a state
//! goes through `hierophant_domain::job` inside one transaction; leases and claims are compared with the store's clock only;
//! hints may be lost, so whoever is woken reads again.
//!
//! Not here: blobs (`hierophant-artifacts`), and what to do when (`hierophant-core`).

mod clock;
mod error;
mod hint;
mod records;
pub mod sqlite;

#[cfg(feature = "conformance")]
#[expect(clippy::missing_panics_doc, reason = "a test case that fails panics")]
pub mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use hierophant_domain::{
    ArtifactId, CheckToken, Digest, Failure, LeaseToken, Name, Request, RequestId, Requester, TaskClass, TaskId,
    Timestamp, WorkerId,
    attempt::{Delivery, Fence},
    job::{ExecutionVerdict, Verification},
    request::RequestEvent,
    time::Millis,
    worker::{Strike, WorkerProfile},
};
use tokio::sync::broadcast;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::StoreError;
pub use hint::Hint;
pub use records::*;

/// Short for a store's result.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Everything that must survive. See the crate's documentation for what holds of every backend.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Wake-ups from now on. Lossy: a receiver that lags reads everything again.
    fn hints(&self) -> broadcast::Receiver<Hint>;

    /// The store's clock: the only one that leases and claims are compared with.
    fn now(&self) -> Timestamp;

    /// Reads and writes nothing of value; fails when the store cannot be used now.
    async fn ping(&self) -> Result<()>;

    // ---- requests ----

    /// Makes a request and its first task durable, or finds the one already accepted under the same (requester,
    /// idempotency key). Takes references on its artifacts. [`StoreError::Full`] when the limit on live requests is reached,
    /// [`StoreError::NotFound`] when an input artifact is not complete.
    async fn accept(&self, new: NewRequest) -> Result<Accepted>;

    /// The request accepted under a (requester, idempotency key), whatever has become of it.
    async fn accepted(&self, requester: Requester, idempotency_key: Vec<u8>) -> Result<Option<RequestId>>;

    /// The whole request.
    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>>;

    /// What status polls ask for, from memory where it is there.
    async fn status(&self, id: RequestId) -> Result<Option<RequestStatus>>;

    /// Requests that match, newest first, at most [`PAGE_MAX`].
    async fn list_requests(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>>;

    /// Ends an open request from outside (cancel). `false` if it had ended before.
    async fn end_request(&self, id: RequestId, event: RequestEvent, failure: Failure) -> Result<bool>;

    /// Ends up to `n` open requests whose deadline has passed; says which.
    async fn expire_requests(&self, n: usize) -> Result<Vec<RequestId>>;

    /// Counts by state, for metrics.
    async fn counts(&self) -> Result<Counts>;

    // ---- tasks, attempts, leases ----

    /// Leases up to `order.limit` ready tasks of the classes asked for, lowest rank first, in one atomic step. Tasks that
    /// the worker failed lately are passed over.
    async fn claim(&self, order: ClaimOrder) -> Result<Vec<Leased>>;

    /// Renews leases and takes progress. Says for each what the fence says.
    async fn beat(&self, worker: WorkerId, beats: Vec<Beat>) -> Result<Vec<(LeaseToken, Fence)>>;

    /// Takes a result. On `Pass` and `Repeated` it is durable and may be acknowledged.
    async fn deliver(&self, token: LeaseToken, delivery: Delivery) -> Result<Fence>;

    /// Takes a worker's report of failure.
    async fn fail(&self, token: LeaseToken, failure: Failure) -> Result<Fence>;

    /// Takes a lease back that was not started. Of such attempts a task keeps the last.
    async fn release(&self, token: LeaseToken, reason: String) -> Result<Fence>;

    /// Gives a returning worker its lapsed leases back where nobody else has the task. Returns those that it holds.
    async fn readopt(&self, worker: WorkerId, tokens: Vec<LeaseToken>, until: Timestamp) -> Result<Vec<LeaseToken>>;

    /// Takes back up to `n` leases that ran out.
    async fn lapse_due(&self, n: usize) -> Result<usize>;

    /// Takes back all leases of a worker that is gone.
    async fn lapse_worker(&self, worker: WorkerId, reason: String) -> Result<usize>;

    /// Takes back up to `n` reservations of a class, so that an idle worker can have them.
    async fn withdraw_reservations(&self, class: TaskClass, n: usize) -> Result<usize>;

    /// Ready tasks by class.
    async fn ready(&self) -> Result<Vec<ReadyClass>>;

    /// The live lease behind a token, for the artifact service and the link.
    async fn lease(&self, token: LeaseToken) -> Result<Option<LiveLease>>;

    /// Attempts of a request, oldest first: who tried and how it went.
    async fn attempts(&self, request: RequestId) -> Result<Vec<hierophant_domain::Attempt>>;

    // ---- checks ----

    /// Claims up to `n` delivered results of the systems named whose trusted execution is settled or not wanted.
    async fn claim_verifications(&self, systems: Vec<Name>, n: usize, hold: Millis) -> Result<Vec<VerificationWork>>;

    /// Settles a claimed verification. `false` if the claim was lost meanwhile.
    async fn settle_verification(&self, claim: CheckClaim, verification: Verification) -> Result<bool>;

    /// Claims up to `n` wanted executions of the systems named.
    async fn claim_executions(&self, systems: Vec<Name>, n: usize, hold: Millis) -> Result<Vec<ExecutionWork>>;

    /// Settles a claimed execution. `false` if the claim was lost meanwhile.
    async fn settle_execution(&self, claim: CheckClaim, verdict: ExecutionVerdict) -> Result<bool>;

    /// Gives a claimed check back undone, to be claimed again after `after`.
    async fn return_check(&self, claim: CheckClaim, how: Undone, after: Millis) -> Result<()>;

    // ---- workers ----

    /// Makes a registration over a new connection durable. [`StoreError::Refused`] while the worker is quarantined.
    async fn register_worker(&self, profile: WorkerProfile) -> Result<WorkerRow>;

    /// Notes what a registered worker now says of itself over the connection that it has. [`StoreError::NotFound`] for an
    /// unknown one.
    async fn update_worker(&self, profile: WorkerProfile) -> Result<()>;

    /// Notes that a worker was heard of (or is cut off, or left), with the reason for people.
    async fn worker_presence(&self, worker: WorkerId, presence: Presence, reason: String) -> Result<()>;

    /// One strike. Returns the row; quarantine follows from the policy.
    async fn strike(&self, worker: WorkerId, strike: Strike) -> Result<Option<WorkerRow>>;

    /// Workers, latest seen first: those here, or those gone; at most [`PAGE_MAX`] from `offset`.
    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerRow>>;

    /// Fulfilled requests with who proved them, newest first; at most [`PAGE_MAX`], before `before`.
    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>>;

    // ---- remote provers ----

    /// Remembers a remote prover. `false` when its address is known: nothing changes then. [`StoreError::Full`] when
    /// [`REMOTE_PROVERS_MAX`] are attached, [`StoreError::Refused`] when the address is too long.
    async fn attach(&self, prover: RemoteProverRow) -> Result<bool>;

    /// Forgets a remote prover. `false` when there is none under this address.
    async fn detach(&self, address: String) -> Result<bool>;

    /// Every attached remote prover, the oldest first.
    async fn attached(&self) -> Result<Vec<RemoteProverRow>>;

    // ---- programs ----

    /// Registers a program under its id; the same id again is the same program, first registration wins.
    async fn register_program(&self, program: ProgramRow) -> Result<ProgramRow>;

    /// Finds a program by door and id.
    async fn program(&self, door: Name, id: Vec<u8>) -> Result<Option<ProgramRow>>;

    /// Remembers what set-up found for an executable.
    async fn remember_identity(&self, identity: ProgramIdentity) -> Result<()>;

    /// What set-up found for an executable earlier.
    async fn identity(&self, system: Name, toolchain: Name, executable: Digest) -> Result<Option<ProgramIdentity>>;

    // ---- artifacts ----

    /// Announces a blob that somebody may now upload.
    async fn create_artifact(&self, row: ArtifactRow) -> Result<()>;

    /// Notes that a blob is whole: size and digest. The first complete writer wins; `false` if there was one before.
    async fn complete_artifact(&self, id: ArtifactId, size: u64, sha256: Digest) -> Result<bool>;

    /// A blob's row.
    async fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>>;

    /// Up to `n` blobs that nothing refers to, older than `older_than`, or private ones whose request has ended; their rows
    /// are marked as going, and can no longer be referred to.
    async fn collectable(&self, older_than: Timestamp, n: usize) -> Result<Vec<ArtifactRow>>;

    /// Removes rows of blobs that are gone.
    async fn forget_artifacts(&self, ids: Vec<ArtifactId>) -> Result<()>;

    /// Drops the references of requests that ended before `ended_before`.
    async fn release_ended(&self, ended_before: Timestamp, n: usize) -> Result<usize>;

    // ---- the rest ----

    /// A secret of this installation by name, made at first use (32 random bytes).
    async fn secret(&self, name: String) -> Result<[u8; 32]>;
}

/// How a claimed check was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It was begun and gave no answer: it counts as a try.
    Tried,
    /// It could not be begun: it does not count.
    NotNow,
}

/// Which claimed check is settled or given back.
#[derive(Clone, Copy, Debug)]
pub struct CheckClaim {
    /// What is checked.
    pub request: RequestId,
    /// For verifications: the task. Executions have none.
    pub task: Option<TaskId>,
    /// The right to settle it.
    pub token: CheckToken,
}
