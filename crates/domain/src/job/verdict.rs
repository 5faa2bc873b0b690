//! What the coordinator itself found out, by verifying a result or by running a program: this alone settles anything.

use super::{Conflict, Effects, end, give_up, revoke, unblock};
use crate::{
    attempt::{Attempt, AttemptState, Delivery},
    failure::{Failure, FailureClass},
    ids::WorkerId,
    policy::RetryPolicy,
    request::{Binding, Execution, Input, Outcome, Record, Request, RequestEvent},
    task::{FailureNote, Task, TaskEvent, TaskState, Verdict},
    time::Timestamp,
    worker::{Offence, Strike},
};

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
    /// What the client sent is at fault; the class is [`FailureClass::Program`], [`FailureClass::Input`] or
    /// [`FailureClass::PublicValues`].
    Fault(Failure, Record),
    /// It could not be done here (too long, too large); says why.
    Unchecked(String),
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
            let strike = Strike::new(Offence::InvalidProof, format!("its proof was refused: {reason}"));
            effects.strike = Some((attempt.worker, strike));
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
            effects.revoked = revoke(attempts, "its execution by the coordinator ended the request", now);
            Ok(effects)
        }
        ExecutionVerdict::Ended(record) => {
            request.execution = Execution::Executed(record);
            let mut effects = unblock(task)?;
            if disputed {
                let reason = "said that the program failed, which its execution here did not";
                effects.strike = last_blamer(task).map(|worker| (worker, Strike::new(Offence::FalseBlame, reason)));
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

fn last_blamer(task: &Task) -> Option<WorkerId> {
    task.failures
        .iter()
        .rev()
        .find(|note| note.class.blames_request())
        .map(|note| note.worker)
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
