//! The two ports of the core: [`Clients`], which front doors call, and [`Workers`], which adapters of workers call
//! (a dialled stream, a listening worker, a worker that polls over HTTP), and the one that the core calls:
//! [`Checker`], trusted checks in killable processes.
//!
//! Not here: any wire contract.

use std::sync::Arc;

use async_trait::async_trait;
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Door, Failure, Kind, LeaseToken, Limits, Name, Record, Request, RequestId, Requester,
    System, TaskClass, Timestamp, WorkerId,
    attempt::{Delivery, Fence},
    request::{Input, ProgramRef},
    time::Millis,
    worker::WorkerProfile,
};
use hierophant_store::{
    Accepted, ArtifactRow, Counts, HistoryRow, ProgramRow, RequestFilter, RequestStatus, WorkerRow,
};
use tokio::sync::mpsc;

use crate::error::CoreError;

/// Short for the ports' results.
pub type Result<T> = std::result::Result<T, CoreError>;

/// What front doors may do. Every method that changes something returns after it is durable.
#[async_trait]
pub trait Clients: Send + Sync + std::fmt::Debug + 'static {
    /// The store's time.
    fn now(&self) -> Timestamp;

    /// Announces a blob of `owner` and gives the URL to upload it to.
    async fn create_artifact(&self, owner: Requester, role: Name, private: bool) -> Result<CreatedArtifact>;

    /// A blob's row: whose it is, and whether it is complete.
    async fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>>;

    /// Finds a registered program of a door.
    async fn program(&self, door: Door, id: Vec<u8>) -> Result<Option<ProgramRow>>;

    /// Registers a program after checking that its executable really has the id that it is registered under.
    /// [`CoreError::Invalid`] when it has not, [`CoreError::Unavailable`] while the check goes on past 45 s.
    async fn register_program(&self, registration: Registration) -> Result<ProgramRow>;

    /// Accepts a request, or finds the one accepted before under the same key.
    async fn submit(&self, submission: Submission) -> Result<Accepted>;

    /// What status polls ask for. Cheap.
    async fn status(&self, id: RequestId) -> Result<Option<RequestStatus>>;

    /// The whole request.
    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>>;

    /// Requests that match, newest first.
    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>>;

    /// Cancels an open request of `by`. [`CoreError::NotAllowed`] for somebody else's; `Ok(false)` when it had ended.
    async fn cancel(&self, id: RequestId, by: Requester) -> Result<bool>;

    /// A URL that needs no other credentials under which an output of a fulfilled request can be read.
    fn output_url(&self, request: RequestId, name: &str, blob: &BlobRef) -> String;

    /// Why an open request waits, in words; `None` when it does not.
    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>>;

    /// A secret of this installation by name (32 bytes), made at first use.
    async fn secret(&self, name: &str) -> Result<[u8; 32]>;
}

/// An announced blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedArtifact {
    /// Its id.
    pub id: ArtifactId,
    /// Where to PUT it; carries its own secret.
    pub put_url: String,
}

/// A program to register.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Who registers it, by which door.
    pub owner: Requester,
    /// The proof system.
    pub system: System,
    /// The toolchain whose set-up gives the id.
    pub toolchain: Name,
    /// The id that clients know it by.
    pub id: Vec<u8>,
    /// The verification key as clients sent it; compared with the real one where it is not empty.
    pub vk: Vec<u8>,
    /// The executable; complete and the owner's.
    pub artifact: ArtifactId,
}

/// A request to accept.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Who asks, by which door.
    pub requester: Requester,
    /// What makes two submissions the same.
    pub idempotency_key: Vec<u8>,
    /// The proof system.
    pub system: System,
    /// The kind of proof.
    pub kind: Kind,
    /// The client's toolchain version.
    pub toolchain: Name,
    /// The program, where there is one.
    pub program: Option<ProgramRef>,
    /// Everything else that proving reads.
    pub inputs: Vec<Input>,
    /// What the client allows.
    pub limits: Limits,
    /// The hash of the public values that the client signed.
    pub expected_public_values: Option<Digest>,
    /// Whether only the owner and leases may read the inputs.
    pub private: bool,
    /// Whether the program is to be executed here too, beside proving.
    pub execute: bool,
    /// Higher goes first; 0 is usual.
    pub priority: i16,
    /// The deadline that the client named; the effective one is never earlier than accepted + `min_lifetime`.
    pub deadline: Timestamp,
    /// What the door wants to have back.
    pub door_data: Vec<u8>,
}

/// What adapters of workers may do. Whether a worker dials in, listens or polls is the adapter's business.
#[async_trait]
pub trait Workers: Send + Sync + std::fmt::Debug + 'static {
    /// Takes a worker in. `held` are the leases that it still has in hand or holds finished results of. The channel
    /// carries leases and revocations from now on, until the worker leaves or registers again (the newer one wins).
    async fn register(&self, profile: WorkerProfile, held: Vec<LeaseToken>) -> Result<Session>;

    /// Renews leases, with what each is doing.
    async fn beat(&self, worker: WorkerId, beats: Vec<WorkerBeat>) -> Result<Vec<(LeaseToken, Fence)>>;

    /// Takes progress of a lease. Never fails: progress is for people.
    fn progress(&self, worker: WorkerId, token: LeaseToken, progress: Progress);

    /// Takes a result. After `Ok` it is durable and may be acknowledged, whatever the fence says.
    async fn deliver(&self, worker: WorkerId, token: LeaseToken, delivery: Delivery) -> Result<Fence>;

    /// Takes a report of failure.
    async fn fail(&self, worker: WorkerId, token: LeaseToken, failure: Failure) -> Result<Fence>;

    /// Takes a lease back that was not started.
    async fn release(&self, worker: WorkerId, token: LeaseToken, reason: String) -> Result<Fence>;

    /// What the worker serves has changed.
    async fn update(&self, profile: WorkerProfile) -> Result<()>;

    /// The worker wants no more work.
    async fn drain(&self, worker: WorkerId);

    /// The connection of this session ended: without good-bye the worker keeps its leases for a while.
    async fn disconnected(&self, worker: WorkerId, session: u64, reason: String, good_bye: bool);
}

/// A worker's registration.
#[derive(Debug)]
pub struct Session {
    /// Tells this connection of the worker from an earlier one.
    pub number: u64,
    /// How often the worker is to beat.
    pub heartbeat: Millis,
    /// Of the leases that it named: those that are its own (again).
    pub leases: Vec<LeaseToken>,
    /// Leases and revocations. Closed when the worker has to go.
    pub assignments: mpsc::Receiver<Assignment>,
}

/// Something for a worker.
#[derive(Clone, Debug)]
pub enum Assignment {
    /// A task to do.
    Lease(Box<AssignedTask>),
    /// A lease that may do nothing any more.
    Revoke(LeaseToken, String),
    /// The worker has to go; the reason, and whether it may come back.
    Refuse(String, bool),
}

/// A leased task, with everything that its worker needs.
#[derive(Clone, Debug)]
pub struct AssignedTask {
    /// The right to write for it.
    pub token: LeaseToken,
    /// For logs.
    pub task: hierophant_domain::TaskId,
    /// For logs.
    pub request: RequestId,
    /// What to do.
    pub class: TaskClass,
    /// Inputs, the program among them under the name "program".
    pub inputs: Vec<AssignedInput>,
    /// What the client allows.
    pub limits: Limits,
    /// The program's id, empty where there is none.
    pub program_id: Vec<u8>,
    /// Until the request's deadline.
    pub time_left: Millis,
    /// Base of the URL for outputs: `{upload_url}/{artifact id}`.
    pub upload_url: String,
    /// Bearer token for them.
    pub upload_token: String,
}

/// An input and where to get it.
#[derive(Clone, Debug)]
pub struct AssignedInput {
    /// Its name.
    pub name: Name,
    /// The value itself, or a URL that needs no other credentials.
    pub source: InputSource,
    /// Its SHA-256 where it is known.
    pub sha256: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
}

/// Where a worker gets an input.
#[derive(Clone, Debug)]
pub enum InputSource {
    /// Here it is.
    Inline(Vec<u8>),
    /// A URL that needs no other credentials.
    Url(String),
}

/// What a worker says about one lease.
#[derive(Clone, Copy, Debug)]
pub struct WorkerBeat {
    /// Which.
    pub token: LeaseToken,
    /// Whether work on it has begun.
    pub running: bool,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// A word for people.
    pub phase: String,
    /// Steps done of the phase.
    pub done: u64,
    /// Steps of the phase; 0 where not known.
    pub total: u64,
    /// Of the whole task, 0 to 10,000.
    pub overall_bp: u32,
}

/// Trusted checks, in processes that can be killed. Files named are readable by the check only.
#[async_trait]
pub trait Checker: Send + Sync + std::fmt::Debug + 'static {
    /// The systems that this checker has a light role for.
    fn systems(&self) -> Vec<System>;

    /// Derives the id and the verification key of a program.
    async fn set_up(&self, system: &System, program: CheckInput) -> std::result::Result<Identity, CheckError>;

    /// Runs a program. `fresh`: in a process that has done nothing else.
    async fn execute(&self, job: ExecuteJob) -> std::result::Result<ExecutionReport, CheckError>;

    /// Checks a proof.
    async fn verify(&self, job: VerifyJob) -> std::result::Result<VerifyReport, CheckError>;
}

/// An input of a check.
#[derive(Clone, Debug)]
pub struct CheckInput {
    /// The name that the prover documents.
    pub name: Name,
    /// The value.
    pub source: CheckSource,
}

/// Where a check's input is.
#[derive(Clone, Debug)]
pub enum CheckSource {
    /// Here it is; small.
    Inline(Vec<u8>),
    /// A readable file.
    File(std::path::PathBuf),
}

/// What set-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id as clients send it.
    pub program_id: Vec<u8>,
    /// The verification key as clients send it.
    pub vk: Vec<u8>,
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct ExecuteJob {
    /// The proof system.
    pub system: System,
    /// "program", "stdin" ...
    pub inputs: Vec<CheckInput>,
    /// The client's limits, and the checker's own maximum already applied.
    pub limits: Limits,
    /// In a process that has done nothing else.
    pub fresh: bool,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    /// How the program was at fault, if it was.
    pub fault: Option<(hierophant_domain::ProgramFault, String)>,
    /// What is known of the run.
    pub record: Record,
}

/// A proof to check.
#[derive(Clone, Debug)]
pub struct VerifyJob {
    /// The proof system.
    pub system: System,
    /// The kind that was asked for.
    pub kind: Kind,
    /// "proof" and "program" or "vk".
    pub inputs: Vec<CheckInput>,
    /// The id that the proof must be for.
    pub program_id: Vec<u8>,
    /// What the public values must hash to.
    pub public_values: Option<Digest>,
    /// The toolchain version that the proof must carry.
    pub toolchain: Name,
}

/// What a check of a proof found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyReport {
    /// It is right; the SHA-256 of its public values.
    Valid(Option<Digest>),
    /// It is not.
    Invalid(String),
}

/// Why a check was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The input is at fault and can never be checked.
    #[error("{0}")]
    Input(String),
    /// The process died, hung or ran over its memory or time: the check itself may be at fault.
    #[error("the check did not end well: {0}")]
    Died(String),
    /// Not now (no process free, no such system): to be tried again.
    #[error("the check cannot be done now: {0}")]
    Unavailable(String),
}

/// What operators may see.
#[async_trait]
pub trait Operators: Send + Sync + std::fmt::Debug + 'static {
    /// The store's time.
    fn now(&self) -> Timestamp;
    /// Workers here, or gone; newest first.
    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerView>>;
    /// Fulfilled requests with who proved them, newest first.
    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>>;
    /// Requests that match, newest first.
    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>>;
    /// The whole request.
    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>>;
    /// Attempts of a request, oldest first: who tried and how it went.
    async fn attempts(&self, id: RequestId) -> Result<Vec<hierophant_domain::Attempt>>;
    /// Why an open request waits.
    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>>;
    /// How many requests and tasks there are in which state, for metrics.
    async fn counts(&self) -> Result<Counts>;
    /// What is in the way of serving; empty when all is well.
    async fn readiness(&self) -> Vec<String>;
}

/// A worker as operators see it.
#[derive(Clone, Debug)]
pub struct WorkerView {
    /// Its row.
    pub row: WorkerRow,
    /// The tasks that it works on, with the requests and the progress last heard of.
    pub working_on: Vec<(hierophant_domain::Attempt, Arc<Request>, Option<Progress>)>,
}
