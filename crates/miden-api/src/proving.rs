//! Who proves, as the services see them.

use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_domain::TraceContext;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::{Kind, Line};

/// Longest text of a refusal on the wire, in bytes: it travels in a header, of which clients take 16 KiB.
const TEXT_MAX: usize = 2 << 10;
/// Witnesses up to this size are hashed where they arrive (a quarter of a millisecond), larger ones beside the runtime.
const HASHED_AT_ONCE_BYTES: usize = 256 << 10;

/// Whoever makes proofs for the services.
#[async_trait]
pub trait Proving: Send + Sync + std::fmt::Debug + 'static {
    /// Proves. Dropped when the caller leaves or its time is over.
    async fn prove(&self, call: ProveCall) -> Result<Bytes, Refusal>;

    /// Told of a call that is refused before its message is read, for counting: its caller asks too often, or too many calls are
    /// in hand. `is_first` says that its caller was not refused for its rate within the second before.
    fn turned_away(&self, refusal: &Refusal, is_first: bool) {
        let _ = (refusal, is_first);
    }

    /// The workers that `ProxyStatus` lists: at most 1,000.
    async fn workers(&self, line: Line) -> Vec<WorkerStatus>;
}

/// One call of `Prove`.
#[derive(Clone, Debug)]
pub struct ProveCall {
    /// The line that the listener is pinned to for the caller's generation.
    pub line: Line,
    /// What is to be proved: one of the kinds that the listener serves.
    pub kind: Kind,
    /// The witness as it arrived. Private.
    pub witness: Bytes,
    /// Who calls.
    pub caller: Caller,
}

impl ProveCall {
    /// Names what is asked: SHA-256 over line, kind and witness. Two calls of one name may have one proof.
    ///
    /// # Panics
    /// Only where the runtime is being shut down under a large witness.
    pub async fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.line.system());
        hasher.update([0]);
        hasher.update(self.kind.as_str());
        hasher.update([0]);
        let witness = self.witness.clone();
        let hash = move || hasher.chain_update(witness).finalize().into();
        if self.witness.len() <= HASHED_AT_ONCE_BYTES {
            return hash();
        }
        let hashed = tokio::task::spawn_blocking(hash).await;
        hashed.expect("hashing does not panic and is not cancelled")
    }
}

/// What is known of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Its address, through the proxies that are trusted.
    pub address: Option<IpAddr>,
    /// Its `x-request-id`, or one made here: at most 64 visible ASCII characters.
    pub request_id: String,
    /// The trace that what is done for it belongs to: named by the caller with a sound W3C `traceparent`, or begun here.
    pub trace: Option<TraceContext>,
}

/// A worker in `ProxyStatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its health.
    pub health: Health,
}

/// A worker's health, as the network's monitors read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not known yet.
    Unknown,
    /// It takes work.
    Healthy,
    /// It gets no work.
    Unhealthy,
}

/// Why a call is not answered with a proof. The text is for the caller and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The witness cannot be read as one of this kind and line.
    #[error("{0}")]
    Undecodable(String),
    /// The kind is not served.
    #[error("{0}")]
    Unserved(String),
    /// As many wait as may wait.
    #[error("{0}")]
    QueueFull(String),
    /// The caller asks too often.
    #[error("{0}")]
    TooOften(String),
    /// It waited in the queue for as long as it may, or was proved for as long as it may.
    #[error("{0}")]
    TimedOut(String),
    /// The witness was read and does not prove, or every try failed.
    #[error("{0}")]
    Failed(String),
    /// Not now: no worker, no room, or shutting down.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Refusal> for Status {
    /// The codes that upstream's worker has for the same situations: clients tell them apart by nothing else.
    fn from(refusal: Refusal) -> Self {
        let mut message = refusal.to_string();
        message.truncate(message.floor_char_boundary(TEXT_MAX));
        match refusal {
            Refusal::Undecodable(_) | Refusal::Unserved(_) => Self::invalid_argument(message),
            Refusal::QueueFull(_) | Refusal::TooOften(_) => Self::resource_exhausted(message),
            Refusal::TimedOut(_) => Self::cancelled(message),
            Refusal::Failed(_) => Self::internal(message),
            Refusal::Unavailable(_) => Self::unavailable(message),
        }
    }
}
