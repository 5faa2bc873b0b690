//! What happens to a request, its tasks and their attempts together: every event of the network as one function that
//! changes the three consistently and returns what others must hear of it.
//!
//! Invariants: each function leaves request, task and attempts in agreement (a task is leased exactly while an attempt
//! of it is live; an ended request has no open task). A store loads the rows, calls one of these, and saves the rows
//! in one transaction: no other code changes a state.

use crate::{
    attempt::{Attempt, AttemptState, Delivery, Fence, Write},
    failure::{Failure, FailureClass},
    ids::{AttemptId, LeaseToken, TaskId, WorkerId},
    names::Name,
    policy::{RetryPolicy, rank},
    request::{AlreadyEnded, Binding, Execution, Input, Outcome, Record, Request, RequestEvent},
    task::{FailureNote, IllegalTaskEvent, Task, TaskEvent, TaskState, Verdict},
    time::Timestamp,
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
    /// A strike against a worker, with the reason.
    pub strike: Option<(WorkerId, String)>,
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

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The proof is the right one; what it is held in place by, and what is known of the run.
    Valid(Binding, Record),
    /// It is not; the sentence says how.
    Invalid(String),
    /// It could not be found out, time and again; tried elsewhere without a strike.
    Impossible(String),
}

/// What a trusted execution found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionVerdict {
    /// The program ended well within its limits.
    Ended(Record),
    /// The program or its input is at fault; the class is [`FailureClass::Program`] or [`FailureClass::Input`].
    Fault(Failure, Record),
    /// It could not be done here (too long, too large); says why.
    Unchecked(String),
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

/// Takes a result. `others` are the task's other live attempts, which have lost the race.
pub fn deliver(
    task: &mut Task,
    attempt: &mut Attempt,
    others: &mut [Attempt],
    delivery: Delivery,
    now: Timestamp,
) -> Result<(Fence, Effects), Conflict> {
    let fence = attempt.state.fence(Write::Deliver);
    if fence != Fence::Pass {
        return Ok((fence, Effects::default()));
    }
    if task.state.is_final() || task.state == TaskState::Delivered {
        end(attempt, AttemptState::Revoked, "another attempt was first", now);
        return Ok((Fence::Gone, Effects::default()));
    }
    task.state = task.state.on(TaskEvent::Delivered)?;
    end(attempt, AttemptState::Delivered, "", now);
    attempt.delivery = Some(delivery);
    let revoked = revoke(others, "another attempt was first", now);
    Ok((
        Fence::Pass,
        Effects {
            delivered: true,
            revoked,
            ..Effects::default()
        },
    ))
}

/// Takes a worker's word that it failed. It never ends the request as the program's or the input's fault: that word
/// calls for a trusted execution.
pub fn fail(
    request: &mut Request,
    task: &mut Task,
    attempt: &mut Attempt,
    other_live: usize,
    failure: &Failure,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<(Fence, Effects), Conflict> {
    let fence = attempt.state.fence(Write::Fail);
    if fence != Fence::Pass {
        return Ok((fence, Effects::default()));
    }
    end(attempt, AttemptState::Failed, &failure.message, now);
    let blames_program = match failure.class {
        FailureClass::Program | FailureClass::Input => true,
        FailureClass::Transient
        | FailureClass::Prover
        | FailureClass::InvalidProof
        | FailureClass::KeyLost
        | FailureClass::Cancelled
        | FailureClass::Deadline => false,
    };
    if !blames_program {
        return Ok((
            fence,
            retry(
                request,
                task,
                attempt.worker,
                failure.class,
                &failure.message,
                other_live,
                policy,
                now,
            )?,
        ));
    }
    match &request.execution {
        Execution::Executed(_) => {
            let reason = format!(
                "said that the program failed ({}), which its execution here did not",
                failure.message
            );
            let mut effects = retry(
                request,
                task,
                attempt.worker,
                FailureClass::Prover,
                &reason,
                other_live,
                policy,
                now,
            )?;
            effects.strike = Some((attempt.worker, reason));
            Ok((fence, effects))
        }
        Execution::NotWanted => {
            let effects = retry(
                request,
                task,
                attempt.worker,
                FailureClass::Prover,
                &failure.message,
                other_live,
                policy,
                now,
            )?;
            Ok((fence, effects))
        }
        Execution::Pending | Execution::Disputed | Execution::Unchecked(_) => {
            let verdict = task.note_failure(
                FailureNote {
                    worker: attempt.worker,
                    class: failure.class,
                    at: now,
                },
                policy,
            );
            if let (Verdict::GiveUp(why), 0) = (verdict, other_live) {
                let message = format!("{why}; the last one said: {}", failure.message);
                return Ok((
                    fence,
                    give_up(request, task, &Failure::new(FailureClass::Prover, message), now)?,
                ));
            }
            request.execution = Execution::Disputed;
            request.updated_at = now;
            if other_live == 0 {
                task.state = task.state.on(TaskEvent::Blocked)?;
            }
            Ok((
                fence,
                Effects {
                    execution_wanted: true,
                    ..Effects::default()
                },
            ))
        }
    }
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

/// Settles a delivered result.
pub fn verified(
    request: &mut Request,
    task: &mut Task,
    attempt: &mut Attempt,
    verification: Verification,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    match verification {
        Verification::Valid(binding, record) => {
            task.state = task.state.on(TaskEvent::Verified)?;
            end(attempt, AttemptState::Won, "", now);
            let delivery = attempt.delivery.clone().unwrap_or_else(|| Delivery {
                outputs: Vec::new(),
                record: Record::default(),
            });
            request.state = request.state.on(RequestEvent::Proved)?;
            request.ended_at = Some(now);
            request.updated_at = now;
            request.outcome = Some(Outcome {
                artifacts: delivery
                    .outputs
                    .into_iter()
                    .map(|(name, blob)| Input { name, blob })
                    .collect(),
                record,
                binding,
            });
            Ok(Effects {
                ended: true,
                good_work: Some(attempt.worker),
                ..Effects::default()
            })
        }
        Verification::Invalid(reason) => {
            end(attempt, AttemptState::Refused, &reason, now);
            let mut effects = refuse(
                request,
                task,
                attempt.worker,
                FailureClass::InvalidProof,
                &reason,
                policy,
                now,
            )?;
            effects.strike = Some((attempt.worker, format!("its proof was refused: {reason}")));
            Ok(effects)
        }
        Verification::Impossible(reason) => {
            end(attempt, AttemptState::Refused, &reason, now);
            refuse(
                request,
                task,
                attempt.worker,
                FailureClass::Transient,
                &reason,
                policy,
                now,
            )
        }
    }
}

/// Settles a trusted execution. `attempts` are the live ones of `task`.
pub fn executed(
    request: &mut Request,
    task: &mut Task,
    attempts: &mut [Attempt],
    verdict: ExecutionVerdict,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    let disputed = request.execution == Execution::Disputed;
    request.updated_at = now;
    match verdict {
        ExecutionVerdict::Fault(failure, record) => {
            request.execution = Execution::Executed(record);
            let mut effects = give_up(request, task, &failure, now)?;
            effects.revoked = revoke(attempts, "the program is at fault", now);
            Ok(effects)
        }
        ExecutionVerdict::Ended(record) => {
            request.execution = Execution::Executed(record);
            let mut effects = unblock(task)?;
            if disputed {
                effects.strike = last_blamer(task).map(|worker| {
                    (
                        worker,
                        "said that the program failed, which its execution here did not".to_owned(),
                    )
                });
            }
            Ok(effects)
        }
        ExecutionVerdict::Unchecked(reason) => {
            request.execution = Execution::Unchecked(reason.clone());
            match (disputed, last_blamer(task)) {
                (true, Some(worker)) if task.state == TaskState::Waiting => {
                    // Nobody can say who is right: it counts as the prover's failure, so that it ends.
                    task.failures.pop();
                    let verdict = task.note_failure(
                        FailureNote {
                            worker,
                            class: FailureClass::Prover,
                            at: now,
                        },
                        policy,
                    );
                    match verdict {
                        Verdict::Retry => unblock(task),
                        Verdict::GiveUp(why) => {
                            let message = format!("{why}; the program could not be run here to find out: {reason}");
                            give_up(request, task, &Failure::new(FailureClass::Prover, message), now)
                        }
                    }
                }
                (true | false, _) => unblock(task),
            }
        }
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

fn last_blamer(task: &Task) -> Option<WorkerId> {
    let blames = |class| matches!(class, FailureClass::Program | FailureClass::Input);
    task.failures
        .iter()
        .rev()
        .find(|note| blames(note.class))
        .map(|note| note.worker)
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

fn refuse(
    request: &mut Request,
    task: &mut Task,
    worker: WorkerId,
    class: FailureClass,
    reason: &str,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effects, Conflict> {
    match task.note_failure(FailureNote { worker, class, at: now }, policy) {
        Verdict::Retry => {
            task.state = task.state.on(TaskEvent::Refused)?;
            Ok(Effects {
                ready: true,
                ..Effects::default()
            })
        }
        Verdict::GiveUp(why) => give_up(
            request,
            task,
            &Failure::new(class, format!("{why}; the last one: {reason}")),
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
