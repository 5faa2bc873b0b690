//! An attempt: one lease of one task, a row of its own, and what its token may still do.
//!
//! Invariants: every write of an attempt carries its token. A lapsed attempt may deliver, and nothing else unless its
//! worker is back before the task is leased again. A revoked one may do nothing.

use serde::{Deserialize, Serialize};

use crate::{
    artifact::BlobRef,
    ids::{AttemptId, LeaseToken, RequestId, TaskId, WorkerId},
    names::Name,
    request::Record,
    time::Timestamp,
};

/// Most outputs of one attempt.
pub const OUTPUTS_MAX: usize = 32;

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Leased ahead of time: its worker fetches the inputs while it proves another task.
    Reserved,
    /// Its worker works on it.
    Running,
    /// Its lease ran out. It may still deliver.
    Lapsed,
    /// Its result is durable and not verified yet.
    Delivered,
    /// Its result was verified and is the task's. Final.
    Won,
    /// Its result did not verify. Final.
    Refused,
    /// Its worker gave it up. Final.
    Failed,
    /// Taken away: cancelled, quarantined, or another attempt was first. Final.
    Revoked,
    /// A reservation taken back before it was started; not counted. Final.
    Withdrawn,
}

/// What a token wants to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Renew the lease, or report progress: the attempt is being worked on.
    Beat,
    /// Deliver a result.
    Deliver,
    /// Report a failure.
    Fail,
    /// Hand the lease back unstarted.
    Release,
}

/// What the fence says to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// It counts.
    Pass,
    /// It has been done before: say so again and change nothing.
    Repeated,
    /// It does not count; the worker is told that the lease is gone.
    Gone,
}

impl AttemptState {
    /// Whether a write of this attempt counts.
    pub fn fence(self, write: Write) -> Fence {
        use AttemptState as S;
        match (self, write) {
            (S::Reserved | S::Running, Write::Beat | Write::Deliver | Write::Fail | Write::Release)
            | (S::Lapsed, Write::Deliver) => Fence::Pass,
            (S::Delivered | S::Won | S::Refused, Write::Deliver)
            | (S::Failed, Write::Fail)
            | (S::Withdrawn, Write::Release) => Fence::Repeated,
            (S::Lapsed | S::Delivered | S::Won | S::Refused, Write::Beat | Write::Fail | Write::Release)
            | (S::Failed, Write::Beat | Write::Deliver | Write::Release)
            | (S::Withdrawn, Write::Beat | Write::Deliver | Write::Fail)
            | (S::Revoked, Write::Beat | Write::Deliver | Write::Fail | Write::Release) => Fence::Gone,
        }
    }

    /// Whether it holds its task.
    pub fn is_live(self) -> bool {
        match self {
            Self::Reserved | Self::Running => true,
            Self::Lapsed
            | Self::Delivered
            | Self::Won
            | Self::Refused
            | Self::Failed
            | Self::Revoked
            | Self::Withdrawn => false,
        }
    }

    /// The number in rows. Never reused.
    pub fn code(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::Running => 1,
            Self::Lapsed => 2,
            Self::Delivered => 3,
            Self::Won => 4,
            Self::Refused => 5,
            Self::Failed => 6,
            Self::Revoked => 7,
            Self::Withdrawn => 8,
        }
    }

    /// Reads [`Self::code`].
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Reserved,
            Self::Running,
            Self::Lapsed,
            Self::Delivered,
            Self::Won,
            Self::Refused,
            Self::Failed,
            Self::Revoked,
            Self::Withdrawn,
        ]
        .into_iter()
        .find(|state| state.code() == code)
    }
}

/// What a worker says it has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Outputs by name; at most [`OUTPUTS_MAX`].
    pub outputs: Vec<(Name, BlobRef)>,
    /// What the prover measured.
    pub record: Record,
}

/// One lease of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The task.
    pub task: TaskId,
    /// The task's request.
    pub request: RequestId,
    /// Whose.
    pub worker: WorkerId,
    /// The right to write for it.
    pub token: LeaseToken,
    /// How far it is.
    pub state: AttemptState,
    /// When it was leased.
    pub leased_at: Timestamp,
    /// When its lease ends unless it is renewed.
    pub lease_until: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it delivered.
    pub delivery: Option<Delivery>,
    /// Why it ended as it did, in words.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_token_may_do_nothing_and_a_lapsed_one_only_deliver() {
        for write in [Write::Beat, Write::Deliver, Write::Fail, Write::Release] {
            assert_eq!(AttemptState::Revoked.fence(write), Fence::Gone);
            let lapsed = if write == Write::Deliver {
                Fence::Pass
            } else {
                Fence::Gone
            };
            assert_eq!(AttemptState::Lapsed.fence(write), lapsed);
        }
    }

    #[test]
    fn a_repeated_delivery_is_acknowledged_again() {
        for state in [AttemptState::Delivered, AttemptState::Won, AttemptState::Refused] {
            assert_eq!(state.fence(Write::Deliver), Fence::Repeated);
        }
    }

    #[test]
    fn codes_read_back() {
        for code in 0..9 {
            assert_eq!(AttemptState::from_code(code).expect("known").code(), code);
        }
        assert_eq!(AttemptState::from_code(9), None);
    }
}
