//! A proof request: what a client asked for, and how it ended.
//!
//! Invariant: a request leaves [`RequestState::Open`] exactly once, and what it ended as never changes. Its program,
//! inputs, limits and owner never change at all.

use serde::{Deserialize, Serialize};

use crate::{
    artifact::{BlobRef, Digest},
    failure::Failure,
    ids::{ArtifactId, RequestId},
    names::{Door, Kind, Name, System},
    time::{Millis, Timestamp},
    trace::TraceContext,
};

/// Most inputs of one request.
pub const INPUTS_MAX: usize = 64;
/// Longest opaque principal or idempotency key, in bytes.
pub const KEY_MAX_BYTES: usize = 256;

/// Who asked: an opaque principal, as the door that checked it names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requester {
    /// The contract by which the principal was established.
    pub door: Door,
    /// What the door knows them by; at most [`KEY_MAX_BYTES`].
    pub principal: Vec<u8>,
}

/// A named input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The name that the proof system's prover documents.
    pub name: Name,
    /// Where the value is. It may be another request's output.
    pub blob: BlobRef,
}

/// The program to prove, under the name that clients know it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRef {
    /// The vk hash or image id, as the door's clients send it; at most [`KEY_MAX_BYTES`].
    pub id: Vec<u8>,
    /// The executable.
    pub artifact: ArtifactId,
}

/// What the client allows its program. `None` is no limit; `u64::MAX` is a legal limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Cycles, inclusive.
    pub cycles: Option<u64>,
    /// Gas, inclusive.
    pub gas: Option<u64>,
}

/// What is known of a run of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Cycles run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Gas used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    /// The program's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// SHA-256 of the public values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_values: Option<Digest>,
    /// How long proving alone took, as the prover says.
    #[serde(default)]
    pub proving: Millis,
    /// Largest resident memory of the prover, in bytes.
    #[serde(default)]
    pub peak_memory: u64,
}

/// What the coordinator's own trusted execution says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// Not asked for: the system or kind has none.
    NotWanted,
    /// To be done beside proving.
    Pending,
    /// A worker says that the program is at fault: to be done whatever it costs, and decides.
    Disputed,
    /// Ended well.
    Executed(Record),
    /// Could not be done; says why. The public values are bound by the proof alone.
    Unchecked(String),
}

impl Execution {
    /// Whether a trusted execution is still to come.
    pub fn is_pending(&self) -> bool {
        match self {
            Self::Pending | Self::Disputed => true,
            Self::NotWanted | Self::Executed(_) | Self::Unchecked(_) => false,
        }
    }
}

/// What holds the public values of a fulfilled request in place, from strongest to weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The coordinator ran the program itself and found the same.
    TrustedExecution,
    /// The client signed their hash and the proof has it.
    ClientHash,
    /// Nothing but the proof.
    ProofAlone,
}

/// What a fulfilled request gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Proof, public values, guest log ... by name.
    pub artifacts: Vec<Input>,
    /// Cycles, gas, times.
    pub record: Record,
    /// What the public values were held against.
    pub binding: Binding,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Accepted, and its tasks are waiting, running or being verified. Left by verification, failure, its owner or its
    /// deadline. After a crash: nothing to do, its tasks' rows go on.
    Open,
    /// A verified proof is there. Final.
    Fulfilled,
    /// Will not be proved; the failure says why. Final.
    Failed,
    /// Its owner took it back. Final.
    Cancelled,
    /// Its deadline passed. Final.
    Expired,
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// Its last task's result was verified.
    Proved,
    /// A task of it failed for good, or a trusted execution found a fault.
    Failed,
    /// Its owner took it back.
    Cancelled,
    /// Its deadline passed.
    DeadlinePassed,
}

/// An event that changes nothing any more, because the request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has already ended as {0:?}")]
pub struct AlreadyEnded(pub RequestState);

impl RequestState {
    /// The next state.
    pub fn on(self, event: RequestEvent) -> Result<Self, AlreadyEnded> {
        match (self, event) {
            (Self::Open, RequestEvent::Proved) => Ok(Self::Fulfilled),
            (Self::Open, RequestEvent::Failed) => Ok(Self::Failed),
            (Self::Open, RequestEvent::Cancelled) => Ok(Self::Cancelled),
            (Self::Open, RequestEvent::DeadlinePassed) => Ok(Self::Expired),
            (
                Self::Fulfilled | Self::Failed | Self::Cancelled | Self::Expired,
                RequestEvent::Proved | RequestEvent::Failed | RequestEvent::Cancelled | RequestEvent::DeadlinePassed,
            ) => Err(AlreadyEnded(self)),
        }
    }

    /// The number in rows. Never reused.
    pub fn code(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Fulfilled => 1,
            Self::Failed => 2,
            Self::Cancelled => 3,
            Self::Expired => 4,
        }
    }

    /// Reads [`Self::code`].
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Open,
            Self::Fulfilled,
            Self::Failed,
            Self::Cancelled,
            Self::Expired,
        ]
        .into_iter()
        .find(|state| state.code() == code)
    }
}

/// What a client asked for, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Who asked, and by which contract.
    pub requester: Requester,
    /// The door's choice of what makes two submissions the same; at most [`KEY_MAX_BYTES`].
    pub idempotency_key: Vec<u8>,
    /// The proof system.
    pub system: System,
    /// The kind of proof.
    pub kind: Kind,
    /// The client's toolchain (circuit) version.
    pub toolchain: Name,
    /// The program, where the system has programs.
    pub program: Option<ProgramRef>,
    /// Everything else that proving reads.
    pub inputs: Vec<Input>,
    /// What the client allows.
    pub limits: Limits,
    /// The hash of the public values that the client signed, if it did.
    pub expected_public_values: Option<Digest>,
    /// The label that its plaintext may enter, for requests that are private to an enclave.
    pub trust: Option<Name>,
    /// Whether its inputs may be read by nobody but its owner and the leases that need them.
    pub private: bool,
    /// Higher goes first; 0 is usual.
    pub priority: i16,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The deadline that the client named.
    pub requested_deadline: Timestamp,
    /// The deadline that counts.
    pub deadline: Timestamp,
    /// What the door wants to have back; not read by anybody else.
    pub door_data: Vec<u8>,
    /// The trace that it belongs to, if its client or an exporter has one.
    pub trace: Option<TraceContext>,
    /// How far it is.
    pub state: RequestState,
    /// What the coordinator's own execution says.
    pub execution: Execution,
    /// When something about it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// With [`RequestState::Fulfilled`].
    pub outcome: Option<Outcome>,
    /// With the other ends.
    pub failure: Option<Failure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [RequestEvent; 4] = [
        RequestEvent::Proved,
        RequestEvent::Failed,
        RequestEvent::Cancelled,
        RequestEvent::DeadlinePassed,
    ];

    #[test]
    fn an_end_is_final() {
        for first in EVENTS {
            let ended = RequestState::Open.on(first).expect("an open request ends");
            for second in EVENTS {
                assert_eq!(ended.on(second), Err(AlreadyEnded(ended)));
            }
        }
    }

    #[test]
    fn codes_read_back_and_differ() {
        for code in 0..5 {
            assert_eq!(RequestState::from_code(code).expect("known").code(), code);
        }
        assert_eq!(RequestState::from_code(5), None);
    }
}
