//! What a worker reports of a lease: a result, or that it failed. Neither is believed here.

use super::{Conflict, Effects, end, give_up, retry, revoke};
use crate::{
    attempt::{Attempt, AttemptState, Delivery, Fence, Write},
    failure::{Failure, FailureClass},
    policy::RetryPolicy,
    request::{Execution, Request},
    task::{FailureNote, Task, TaskEvent, TaskState, Verdict},
    time::Timestamp,
    worker::{Offence, Strike},
};

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
    if !failure.class.blames_request() {
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
            effects.strike = Some((attempt.worker, Strike::new(Offence::FalseBlame, reason)));
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
