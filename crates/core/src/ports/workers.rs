//! The port of adapters of workers: register, beat, deliver, fail, release.

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Failure, LeaseToken, Limits, Name, RequestId, TaskClass, TraceContext, WorkerId,
    attempt::{Delivery, Fence},
    time::Millis,
    worker::WorkerProfile,
};
use tokio::sync::mpsc;

use super::Result;

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

    /// Reads an input of a lease, of at most `limit_bytes`, for an adapter that hands it on itself.
    async fn read_input(&self, source: &InputSource, limit_bytes: u64) -> Result<Bytes>;

    /// Stores an output of a lease that its adapter took in itself, to be named in its delivery.
    async fn store_output(&self, token: LeaseToken, content: Bytes) -> Result<BlobRef>;

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
    /// Outputs up to this size are delivered inline, in bytes.
    pub inline_bytes: u64,
    /// Bytes to keep of what the program prints.
    pub guest_log_bytes: u64,
    /// Base of the URL for outputs: `{upload_url}/{artifact id}`.
    pub upload_url: String,
    /// Bearer token for them.
    pub upload_token: String,
    /// What is done for it is part of this trace.
    pub trace: Option<TraceContext>,
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
    /// A stored blob.
    Artifact {
        /// Its id, for adapters in this process.
        id: ArtifactId,
        /// A URL that needs no other credentials.
        url: String,
    },
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
