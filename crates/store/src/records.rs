//! Rows and arguments of the store, as its callers see them. Each says what bounds it.

use std::sync::Arc;

use hierophant_domain::{
    ArtifactId, Attempt, CheckToken, Digest, LeaseToken, Name, Request, RequestId, RequestState, Requester, Task,
    TaskClass, Timestamp, Visibility, WorkerId,
    attempt::Delivery,
    failure::Failure,
    request::Execution,
    worker::{Liveness, Offence, Standing, WorkerProfile},
};

use crate::CheckClaim;

/// Longest page that a listing returns.
pub const PAGE_MAX: usize = 100;
/// Most tasks in one claim, beats in one call, or rows in one sweep.
pub const BATCH_MAX: usize = 256;

/// A request to accept, with its first task.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The request, open.
    pub request: Request,
    /// Its first task.
    pub task: Task,
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The request: the new one, or the one that was there.
    pub request: RequestId,
    /// Whether it had been accepted before.
    pub existed: bool,
}

/// What status polls need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStatus {
    /// The request.
    pub id: RequestId,
    /// How far it is.
    pub state: RequestState,
    /// What the trusted execution says.
    pub execution: Execution,
    /// The deadline that counts.
    pub deadline: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The artifact named "proof", of a fulfilled request.
    pub proof: Option<hierophant_domain::BlobRef>,
    /// Why it was not fulfilled.
    pub failure: Option<Arc<Failure>>,
}

/// Which requests to list. Every field that is set must match.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Only of this door.
    pub door: Option<Name>,
    /// Only of this requester.
    pub requester: Option<Requester>,
    /// Only in one of these states; empty: any.
    pub states: Vec<RequestState>,
    /// Only for this program.
    pub program: Option<Vec<u8>>,
    /// Only of this kind.
    pub kind: Option<Name>,
    /// Only of this toolchain.
    pub toolchain: Option<Name>,
    /// Accepted at or after.
    pub accepted_from: Option<Timestamp>,
    /// Accepted before.
    pub accepted_to: Option<Timestamp>,
    /// Deadline at or after.
    pub deadline_from: Option<Timestamp>,
    /// Rows to pass over.
    pub offset: usize,
    /// Rows to return; at most [`PAGE_MAX`].
    pub limit: usize,
}

/// How many there are of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by state code, index [`RequestState::code`]. Ended ones since the store was opened.
    pub requests: [u64; 5],
    /// Open tasks by state code.
    pub tasks: [u64; 7],
    /// Strikes since the store was opened, index [`Offence::place`].
    pub strikes: [u64; Offence::ALL.len()],
}

/// A worker's wish for tasks.
#[derive(Clone, Debug)]
pub struct ClaimOrder {
    /// Who.
    pub worker: WorkerId,
    /// The classes that it may be given, from those that [`crate::Store::ready`] named.
    pub classes: Vec<TaskClass>,
    /// Those of them that nobody else serves: what the worker failed of these comes back to it sooner
    /// ([`hierophant_domain::RetryPolicy::kept_from`]).
    pub nobody_else_serves: Vec<TaskClass>,
    /// How many in all; at most [`BATCH_MAX`].
    pub limit: usize,
    /// Whether these are reservations to be prefetched.
    pub reserve: bool,
    /// How long the leases hold.
    pub hold: hierophant_domain::time::Millis,
}

/// A task just leased, with what its worker needs.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The attempt, with its token.
    pub attempt: Attempt,
    /// The task.
    pub task: Task,
    /// Its request.
    pub request: Arc<Request>,
}

/// What a worker says about one lease.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Which.
    pub token: LeaseToken,
    /// Whether work on it has begun.
    pub running: bool,
    /// Until when the lease is to hold.
    pub until: Timestamp,
}

/// Ready tasks of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyClass {
    /// The class.
    pub class: TaskClass,
    /// How many.
    pub count: usize,
    /// The lowest rank among them.
    pub first_rank: i64,
}

/// A lease that holds, or may still deliver.
#[derive(Clone, Debug)]
pub struct LiveLease {
    /// The attempt.
    pub attempt: Attempt,
    /// Its request.
    pub request: Arc<Request>,
}

/// A delivered result to verify.
#[derive(Clone, Debug)]
pub struct VerificationWork {
    /// The request with its settled execution.
    pub request: Arc<Request>,
    /// The task.
    pub task: Task,
    /// Whose result.
    pub worker: WorkerId,
    /// The result.
    pub delivery: Delivery,
    /// The right to settle it.
    pub token: CheckToken,
    /// How often it was tried, this time included.
    pub tries: u32,
}

impl VerificationWork {
    /// What it is settled or given back by.
    pub fn claim(&self) -> CheckClaim {
        CheckClaim {
            request: self.request.id,
            task: Some(self.task.id),
            token: self.token,
        }
    }
}

/// A trusted execution to do.
#[derive(Clone, Debug)]
pub struct ExecutionWork {
    /// The request.
    pub request: Arc<Request>,
    /// The right to settle it.
    pub token: CheckToken,
    /// How often it was tried, this time included.
    pub tries: u32,
}

impl ExecutionWork {
    /// What it is settled or given back by.
    pub fn claim(&self) -> CheckClaim {
        CheckClaim {
            request: self.request.id,
            task: None,
            token: self.token,
        }
    }
}

/// Whether a worker is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Heard of.
    Here,
    /// Its connection is cut; it may be back.
    Cut,
    /// Gone.
    Gone,
}

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    /// What it said of itself.
    pub profile: WorkerProfile,
    /// Whether it is there.
    pub liveness: Liveness,
    /// Its strikes.
    pub standing: Standing,
    /// The last strikes' reasons, newest first; at most 8.
    pub strike_reasons: Vec<(Timestamp, String)>,
    /// First registration.
    pub first_seen: Timestamp,
    /// Start of its present (or last) connection.
    pub connected_at: Timestamp,
    /// Last heard of.
    pub last_seen: Timestamp,
    /// Why it was dropped, when it is gone.
    pub gone_reason: Option<String>,
    /// Verified results.
    pub proofs: u64,
    /// Milliseconds from lease to delivery, summed over verified results.
    pub proving_ms_total: u64,
    /// The leases that it has.
    pub leases: Vec<Attempt>,
}

/// A fulfilled request and who proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The request.
    pub request: Arc<Request>,
    /// The worker's id.
    pub worker: WorkerId,
    /// The worker's name then.
    pub worker_name: String,
    /// Where it dialled from.
    pub worker_address: String,
    /// When it got the lease that won.
    pub leased_at: Timestamp,
    /// When it delivered.
    pub delivered_at: Timestamp,
}

/// A registered program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRow {
    /// Who registered it, and by which door.
    pub owner: Requester,
    /// The id that its clients know it by.
    pub id: Vec<u8>,
    /// The verification key, as the door's clients sent it.
    pub vk: Vec<u8>,
    /// The executable.
    pub artifact: ArtifactId,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What set-up found for an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramIdentity {
    /// The proof system.
    pub system: Name,
    /// The toolchain version whose set-up it was.
    pub toolchain: Name,
    /// SHA-256 of the uploaded blob.
    pub executable: Digest,
    /// The id that the executable really has.
    pub program_id: Vec<u8>,
    /// Its verification key.
    pub vk: Vec<u8>,
}

/// Longest address of an attached remote prover, in bytes: `host:port`.
pub const REMOTE_PROVER_ADDRESS_MAX_BYTES: usize = 255;
/// Most remote provers attached at a time.
pub const REMOTE_PROVERS_MAX: usize = 1000;

/// A prover that listens, attached by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteProverRow {
    /// Where it listens, `host:port`; at most [`REMOTE_PROVER_ADDRESS_MAX_BYTES`].
    pub address: String,
    /// The proof system that it serves.
    pub system: Name,
    /// Tasks that it is given at once.
    pub slots: u32,
    /// When it was attached.
    pub added_at: Timestamp,
}

/// How far a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactState {
    /// May be uploaded.
    Announced,
    /// Whole and readable.
    Complete,
    /// Being removed.
    Going,
}

/// A blob's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// Whose it is; `None` for what the network itself makes.
    pub owner: Option<Requester>,
    /// What it is: "program", "input", "output".
    pub role: Name,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether its loss can be made good by running its producer again.
    pub rebuildable: bool,
    /// The key that its content is sealed with, where it is.
    pub sealing_key: Option<Name>,
    /// How far it is.
    pub state: ArtifactState,
    /// Bytes, once complete.
    pub size: u64,
    /// SHA-256, once complete.
    pub sha256: Option<Digest>,
    /// When it was announced.
    pub created_at: Timestamp,
}

impl ArtifactRow {
    /// A blob that may now be uploaded: synced where it is stored, and sealed with no key.
    pub fn announced(
        id: ArtifactId,
        owner: Option<Requester>,
        role: Name,
        visibility: Visibility,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            owner,
            role,
            visibility,
            rebuildable: false,
            sealing_key: None,
            state: ArtifactState::Announced,
            size: 0,
            sha256: None,
            created_at,
        }
    }
}
