//! What happens to a request, its tasks and their attempts together: every event of the network as one function that
//! changes the three consistently and returns what others must hear of it.
//!
//! Invariants: each function leaves request, task and attempts in agreement (a task is leased exactly while an attempt
//! of it is live; an ended request has no open task). A store loads the rows, calls one of these, and saves the rows
//! in one transaction: no other code changes a state.
//!
//! Here is what all events share, and how a request begins and is ended from outside. What happens to a lease is in `lease`, what
//! workers report in `report`, what the coordinator itself found in `verdict`.

mod lease;
mod report;
mod verdict;

pub use lease::{NewLease, beat, lapse, lease, readopt, withdraw};
pub use report::{deliver, fail};
pub use verdict::{ExecutionVerdict, Verification, executed, verified};

use crate::{
    attempt::{Attempt, AttemptState},
    failure::{Failure, FailureClass},
    ids::{LeaseToken, TaskId, WorkerId},
    names::Name,
    policy::{RetryPolicy, rank},
    request::{AlreadyEnded, Request, RequestEvent},
    task::{FailureNote, IllegalTaskEvent, Task, TaskEvent, TaskState, Verdict},
    time::Timestamp,
    worker::Strike,
};

/// What follows from an event outside the rows themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent wake-ups, not a state")]
pub struct Effects {
    /// A task of this class became ready.
    pub ready: bool,
    /// A result waits for verification.
    pub delivered: bool,
    /// A trusted execution is wanted.
    pub execution_wanted: bool,
    /// The request has ended.
    pub ended: bool,
    /// Leases that were taken away, to be told to their workers.
    pub revoked: Vec<(WorkerId, LeaseToken, String)>,
    /// A strike against a worker.
    pub strike: Option<(WorkerId, Strike)>,
    /// A verified result by this worker.
    pub good_work: Option<WorkerId>,
}

/// The rows did not agree with each other: a broken invariant, not a caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The task cannot take the event.
    #[error(transparent)]
    Task(#[from] IllegalTaskEvent),
    /// The request has ended while a task of it was open.
    #[error(transparent)]
    Request(#[from] AlreadyEnded),
}

/// The only task of a request that is not split.
pub const ROOT_KEY: &str = "root";

/// The first task of a request. `class` says what a worker must offer.
pub fn root_task(request: &Request, id: TaskId, class: crate::capability::TaskClass) -> Task {
    Task {
        id,
        request: request.id,
        key: Name::literal(ROOT_KEY),
        class,
        rank: rank(request.accepted_at, request.priority, request.deadline),
        state: TaskState::Ready,
        waits_for: 0,
        attempts: 0,
        failures: Vec::new(),
    }
}

/// Ends a request from outside: its owner cancelled it, or its deadline passed. `jobs` are its open tasks, each with its live
/// attempts.
pub fn end_request(
    request: &mut Request,
    jobs: &mut [(Task, Vec<Attempt>)],
    event: RequestEvent,
    failure: Failure,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    request.state = request.state.on(event)?;
    request.ended_at = Some(now);
    request.updated_at = now;
    let mut effects = Effects {
        ended: true,
        ..Effects::default()
    };
    for (task, attempts) in jobs {
        if !task.state.is_final() {
            task.state = task.state.on(TaskEvent::Revoked)?;
        }
        effects.revoked.extend(revoke(attempts, &failure.message, now));
    }
    request.failure = Some(failure);
    Ok(effects)
}

fn end(attempt: &mut Attempt, state: AttemptState, reason: &str, now: Timestamp) {
    attempt.state = state;
    attempt.ended_at = Some(now);
    if !reason.is_empty() {
        attempt.reason = Some(reason.to_owned());
    }
}

fn revoke(attempts: &mut [Attempt], reason: &str, now: Timestamp) -> Vec<(WorkerId, LeaseToken, String)> {
    let open = attempts
        .iter_mut()
        .filter(|attempt| attempt.state.is_live() || attempt.state == AttemptState::Lapsed);
    open.map(|attempt| {
        end(attempt, AttemptState::Revoked, reason, now);
        (attempt.worker, attempt.token, reason.to_owned())
    })
    .collect()
}

fn hand_back(task: &mut Task, other_live: usize) -> Result<Effects, Conflict> {
    if other_live > 0 || task.state != TaskState::Leased {
        return Ok(Effects::default());
    }
    task.state = task.state.on(TaskEvent::Returned)?;
    Ok(Effects {
        ready: true,
        ..Effects::default()
    })
}

fn unblock(task: &mut Task) -> Result<Effects, Conflict> {
    if task.state != TaskState::Waiting || task.waits_for > 0 {
        // Nothing was blocked, but a delivered result may have waited for the verdict.
        return Ok(Effects {
            delivered: task.state == TaskState::Delivered,
            ..Effects::default()
        });
    }
    task.state = task.state.on(TaskEvent::Unblocked)?;
    Ok(Effects {
        ready: true,
        ..Effects::default()
    })
}

#[expect(clippy::too_many_arguments, reason = "the rows of one event, by name at each call")]
fn retry(
    request: &mut Request,
    task: &mut Task,
    worker: WorkerId,
    class: FailureClass,
    message: &str,
    other_live: usize,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    let verdict = task.note_failure(FailureNote { worker, class, at: now }, policy);
    match (verdict, other_live) {
        (Verdict::Retry, _) | (Verdict::GiveUp(_), 1..) => hand_back(task, other_live),
        (Verdict::GiveUp(why), 0) => give_up(
            request,
            task,
            &Failure::new(class, format!("{why}; the last one: {message}")),
            now,
        ),
    }
}

fn give_up(request: &mut Request, task: &mut Task, failure: &Failure, now: Timestamp) -> Result<Effects, Conflict> {
    task.state = task.state.on(TaskEvent::GivenUp)?;
    request.state = request.state.on(RequestEvent::Failed)?;
    request.ended_at = Some(now);
    request.updated_at = now;
    request.failure = Some(failure.clone());
    Ok(Effects {
        ended: true,
        ..Effects::default()
    })
}

#[cfg(test)]
mod tests;
