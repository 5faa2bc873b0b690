//! The port of front doors: announce, register, submit, look, cancel.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Door, Kind, Limits, Name, Request, RequestId, Requester, System, Timestamp,
    TraceContext,
    request::{Input, ProgramRef},
};
use hierophant_store::{Accepted, ArtifactRow, ProgramRow, RequestFilter, RequestStatus};

use super::{Following, Result};

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

    /// Accepts a request, or finds the one accepted before under the same key, even where it would now be refused.
    async fn submit(&self, submission: Submission) -> Result<Accepted>;

    /// The request that was accepted under a key, whatever has become of it: what a door looks for before it refuses what
    /// may be a repeated call.
    async fn accepted(&self, requester: Requester, idempotency_key: Vec<u8>) -> Result<Option<RequestId>>;

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

    /// Stores an input that the door took in itself: whole, durable and ready to be named in a submission.
    async fn store_input(&self, owner: Requester, role: Name, private: bool, content: Bytes) -> Result<ArtifactId>;

    /// Removes what [`Self::store_input`] stored and no request was accepted with.
    async fn drop_input(&self, id: ArtifactId) -> Result<()>;

    /// Reads an output of at most `limit_bytes` for a door that answers with it itself.
    async fn read_output(&self, blob: &BlobRef, limit_bytes: u64) -> Result<Bytes>;

    /// How far a request is; `None` if there is none.
    async fn stage(&self, id: RequestId) -> Result<Option<Stage>>;

    /// Follows a request: whoever is woken reads again. Follow first and read afterwards, then no change is missed.
    fn follow(&self, id: RequestId) -> Following;

    /// Why an open request waits, in words; `None` when it does not.
    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>>;

    /// A secret of this installation by name (32 bytes), made at first use.
    async fn secret(&self, name: &str) -> Result<[u8; 32]>;
}

/// How far a request is, as one who waits for it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No worker works on it.
    Queued,
    /// A worker works on it, since then.
    Proving(Timestamp),
    /// A result is here, since then, and being checked.
    Checking(Timestamp),
    /// It has ended: [`Clients::status`] says how.
    Ended,
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
    /// What is done for it is part of this trace.
    pub trace: Option<TraceContext>,
}
