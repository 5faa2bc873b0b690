//! A task: the piece of a request that one worker leases.
//!
//! Invariant: [`TaskState::Done`], [`TaskState::Failed`] and [`TaskState::Revoked`] are final. A task is
//! [`TaskState::Leased`] exactly while at least one attempt of it is live.

use serde::{Deserialize, Serialize};

use crate::{
    capability::TaskClass,
    failure::FailureClass,
    ids::{RequestId, TaskId, WorkerId},
    names::Name,
    policy::{Others, RetryPolicy},
    time::Timestamp,
};

/// Most failures remembered of one task; retry policies are bounded by it.
pub const FAILURES_MAX: usize = 64;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for tasks before it, or for the trusted execution that a worker's word has called for.
    Waiting,
    /// May be leased.
    Ready,
    /// In at least one worker's hands.
    Leased,
    /// Its result is durable and waits for verification.
    Delivered,
    /// Its result was verified. Final.
    Done,
    /// Will not be done. Final.
    Failed,
    /// Not wanted any more: its request ended without it. Final.
    Revoked,
}

/// What may happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    /// What it waited for is there.
    Unblocked,
    /// It has to wait for a verdict of the trusted execution.
    Blocked,
    /// A worker has taken it.
    Leased,
    /// No attempt is live any more.
    Returned,
    /// A result is durable.
    Delivered,
    /// The result was verified.
    Verified,
    /// The result was refused, and it may be tried again.
    Refused,
    /// Retries are used up, or a final fault was found.
    GivenUp,
    /// Its request ended.
    Revoked,
}

/// An event that does not fit the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {state:?} task cannot take {event:?}")]
pub struct IllegalTaskEvent {
    /// Where the task is.
    pub state: TaskState,
    /// What was to happen.
    pub event: TaskEvent,
}

impl TaskState {
    /// The next state.
    pub fn on(self, event: TaskEvent) -> Result<Self, IllegalTaskEvent> {
        use TaskEvent as E;
        use TaskState as S;
        match (self, event) {
            (S::Waiting, E::Unblocked) | (S::Leased, E::Returned) | (S::Delivered, E::Refused) => Ok(S::Ready),
            (S::Ready | S::Leased, E::Blocked) => Ok(S::Waiting),
            (S::Ready | S::Leased, E::Leased) => Ok(S::Leased),
            // A lapsed lease may deliver while the task waits or is with somebody else.
            (S::Waiting | S::Ready | S::Leased, E::Delivered) => Ok(S::Delivered),
            (S::Delivered, E::Verified) => Ok(S::Done),
            (S::Waiting | S::Ready | S::Leased | S::Delivered, E::GivenUp) => Ok(S::Failed),
            (S::Waiting | S::Ready | S::Leased | S::Delivered, E::Revoked) => Ok(S::Revoked),
            (S::Waiting, E::Blocked | E::Leased | E::Returned | E::Verified | E::Refused)
            | (S::Ready, E::Unblocked | E::Returned | E::Verified | E::Refused)
            | (S::Leased, E::Unblocked | E::Verified | E::Refused)
            | (S::Delivered, E::Unblocked | E::Blocked | E::Leased | E::Returned | E::Delivered)
            | (
                S::Done | S::Failed | S::Revoked,
                E::Unblocked
                | E::Blocked
                | E::Leased
                | E::Returned
                | E::Delivered
                | E::Verified
                | E::Refused
                | E::GivenUp
                | E::Revoked,
            ) => Err(IllegalTaskEvent { state: self, event }),
        }
    }

    /// Whether nothing can happen to it any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Revoked => true,
            Self::Waiting | Self::Ready | Self::Leased | Self::Delivered => false,
        }
    }

    /// The number in rows. Never reused.
    pub fn code(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Ready => 1,
            Self::Leased => 2,
            Self::Delivered => 3,
            Self::Done => 4,
            Self::Failed => 5,
            Self::Revoked => 6,
        }
    }

    /// Reads [`Self::code`].
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Waiting,
            Self::Ready,
            Self::Leased,
            Self::Delivered,
            Self::Done,
            Self::Failed,
            Self::Revoked,
        ]
        .into_iter()
        .find(|state| state.code() == code)
    }
}

/// One failed attempt, as retries count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNote {
    /// Whose attempt.
    pub worker: WorkerId,
    /// What kind of failure.
    pub class: FailureClass,
    /// When.
    pub at: Timestamp,
}

/// A piece of a request that one worker leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The request that it is part of.
    pub request: RequestId,
    /// Unique within the request's graph; submitting a child again under the same key finds this task.
    pub key: Name,
    /// What a worker must offer.
    pub class: TaskClass,
    /// The order among ready tasks of its class: lower goes first. Fixed when it becomes ready.
    pub rank: i64,
    /// How far it is.
    pub state: TaskState,
    /// Tasks before it that are not done.
    pub waits_for: u32,
    /// Attempts so far, withdrawn reservations not counted.
    pub attempts: u32,
    /// Why attempts failed, oldest first; at most [`FAILURES_MAX`].
    pub failures: Vec<FailureNote>,
}

/// What follows a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task goes back to the ready ones.
    Retry,
    /// The task has failed for good, for the reason given.
    GiveUp(String),
}

impl Task {
    /// Notes a failed attempt and decides what follows.
    pub fn note_failure(&mut self, note: FailureNote, policy: &RetryPolicy) -> Verdict {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(note);
        }
        policy.judge(self.attempts, &self.failures)
    }

    /// Whether `worker` should not have the task now, because it failed it lately.
    pub fn avoids(&self, worker: WorkerId, others: Others, now: Timestamp, policy: &RetryPolicy) -> bool {
        let mut its = self
            .failures
            .iter()
            .filter(|note| note.worker == worker && note.class.keeps_away())
            .rev()
            .peekable();
        let Some(latest) = its.peek().map(|note| note.at) else {
            return false;
        };
        now.since(latest) < policy.kept_from(its.count(), others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [TaskState; 7] = [
        TaskState::Waiting,
        TaskState::Ready,
        TaskState::Leased,
        TaskState::Delivered,
        TaskState::Done,
        TaskState::Failed,
        TaskState::Revoked,
    ];
    const EVENTS: [TaskEvent; 9] = [
        TaskEvent::Unblocked,
        TaskEvent::Blocked,
        TaskEvent::Leased,
        TaskEvent::Returned,
        TaskEvent::Delivered,
        TaskEvent::Verified,
        TaskEvent::Refused,
        TaskEvent::GivenUp,
        TaskEvent::Revoked,
    ];

    #[test]
    fn final_states_take_nothing_and_open_ones_can_always_be_ended() {
        for state in STATES {
            for event in EVENTS {
                assert!(!(state.is_final() && state.on(event).is_ok()), "{state:?} {event:?}");
            }
            if !state.is_final() {
                assert_eq!(state.on(TaskEvent::GivenUp), Ok(TaskState::Failed));
                assert_eq!(state.on(TaskEvent::Revoked), Ok(TaskState::Revoked));
            }
        }
    }

    #[test]
    fn only_a_delivered_result_can_be_verified() {
        for state in STATES {
            assert_eq!(
                state.on(TaskEvent::Verified).is_ok(),
                state == TaskState::Delivered,
                "{state:?}"
            );
        }
    }

    #[test]
    fn codes_read_back() {
        for state in STATES {
            assert_eq!(TaskState::from_code(state.code()), Some(state));
        }
        assert_eq!(TaskState::from_code(7), None);
    }
}
