//! A lease from its beginning until it is over without a result: given, renewed, lapsed, given back.

use super::{Conflict, Effects, end, hand_back, retry};
use crate::{
    attempt::{Attempt, AttemptState, Fence, Write},
    failure::FailureClass,
    ids::{AttemptId, LeaseToken, WorkerId},
    policy::RetryPolicy,
    request::Request,
    task::{FailureNote, Task, TaskEvent, TaskState},
    time::Timestamp,
};

/// What a new lease is given.
#[derive(Clone, Copy, Debug)]
pub struct NewLease {
    /// The attempt's id.
    pub attempt: AttemptId,
    /// The right to write for it.
    pub token: LeaseToken,
    /// Who gets it.
    pub worker: WorkerId,
    /// Now.
    pub now: Timestamp,
    /// Until when it holds unless renewed.
    pub until: Timestamp,
    /// Whether it is only a reservation.
    pub reserved: bool,
}

/// Leases a ready task.
pub fn lease(task: &mut Task, new: &NewLease) -> Result<Attempt, Conflict> {
    task.state = task.state.on(TaskEvent::Leased)?;
    if !new.reserved {
        task.attempts = task.attempts.saturating_add(1);
    }
    Ok(Attempt {
        id: new.attempt,
        task: task.id,
        request: task.request,
        worker: new.worker,
        token: new.token,
        state: if new.reserved {
            AttemptState::Reserved
        } else {
            AttemptState::Running
        },
        leased_at: new.now,
        lease_until: new.until,
        ended_at: None,
        delivery: None,
        reason: None,
    })
}

/// Renews a lease. `running`: its worker has begun to work on it, so that a reservation counts as an attempt from now.
pub fn beat(task: &mut Task, attempt: &mut Attempt, running: bool, until: Timestamp) -> Fence {
    let fence = attempt.state.fence(Write::Beat);
    if fence == Fence::Pass {
        attempt.lease_until = until.max(attempt.lease_until);
        if running && attempt.state == AttemptState::Reserved {
            attempt.state = AttemptState::Running;
            task.attempts = task.attempts.saturating_add(1);
        }
    }
    fence
}

/// Takes a lease back from a worker that no longer beats. It may still deliver.
pub fn lapse(
    request: &mut Request,
    task: &mut Task,
    attempt: &mut Attempt,
    other_live: usize,
    reason: &str,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    if !attempt.state.is_live() {
        return Ok(Effects::default());
    }
    let started = attempt.state == AttemptState::Running;
    end(attempt, AttemptState::Lapsed, reason, now);
    attempt.ended_at = None;
    if started {
        retry(
            request,
            task,
            attempt.worker,
            FailureClass::Transient,
            reason,
            other_live,
            policy,
            now,
        )
    } else {
        hand_back(task, other_live)
    }
}

/// Gives a lapsed lease back to its worker, if nobody else has the task.
pub fn readopt(task: &mut Task, attempt: &mut Attempt, until: Timestamp) -> bool {
    if attempt.state == AttemptState::Lapsed && task.state == TaskState::Ready {
        task.state = TaskState::Leased;
        attempt.lease_until = until;
        attempt.reason = None;
        // It was no failure after all. A lease that lapsed before it was started was not noted as one: it is a reservation again.
        let lapsed = |note: &FailureNote| {
            note.worker == attempt.worker && note.class == FailureClass::Transient && note.at >= attempt.leased_at
        };
        attempt.state = match task.failures.iter().rposition(lapsed) {
            Some(index) => {
                task.failures.remove(index);
                AttemptState::Running
            }
            None => AttemptState::Reserved,
        };
    }
    attempt.state.is_live()
}

/// Takes back a lease that was not started: its worker hands it back, or a reservation goes to an idle worker.
/// It does not count as an attempt.
pub fn withdraw(
    task: &mut Task,
    attempt: &mut Attempt,
    other_live: usize,
    reason: &str,
    now: Timestamp,
) -> Result<(Fence, Effects), Conflict> {
    let fence = attempt.state.fence(Write::Release);
    if fence != Fence::Pass {
        return Ok((fence, Effects::default()));
    }
    if attempt.state == AttemptState::Running {
        task.attempts = task.attempts.saturating_sub(1);
    }
    end(attempt, AttemptState::Withdrawn, reason, now);
    Ok((fence, hand_back(task, other_live)?))
}
