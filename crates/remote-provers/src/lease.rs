//! One lease in a remote prover's hands: the call, and what is reported of it.
//!
//! What must stay true: a revoked lease's call is dropped, which cancels it at the prover; a result is reported until the core
//! has taken it or does not want it any more.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hierophant_core::{
    CoreError,
    ports::{AssignedTask, Workers},
};
use hierophant_domain::{
    Failure, FailureClass, LeaseToken, Name, WorkerId, attempt::Delivery, request::Record, time::Millis,
};
use hierophant_miden_api::{
    Kind,
    client::{CallContext, RemoteError, RemoteWorker},
};
use hierophant_telemetry::{Kind as SpanKind, Span};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Largest witness that is handed on, in bytes.
const WITNESS_MAX_BYTES: u64 = 64 << 20;
/// The input that holds the witness, and the output that holds the proof.
const WITNESS: &str = "witness";
const PROOF: &str = "proof";
/// Between two tries to report what the core could not take.
const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Something that may be a proof.
    Proof {
        /// As the prover sent it.
        content: Bytes,
        /// From the call to its answer.
        took: Duration,
    },
    /// None.
    Failed(Failed),
    /// The lease was taken away meanwhile.
    Dropped,
}

/// A call without a proof.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// For the core.
    pub(crate) failure: Failure,
    /// For metrics.
    pub(crate) outcome: &'static str,
    /// For the prover.
    pub(crate) then: Then,
}

/// What a failed call means for its prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    GoOn,
    /// It gets nothing more for a moment.
    Pause,
    /// The same, and it is looked at now.
    PauseAndLook,
}

/// Has a lease proved.
pub(crate) async fn prove(
    workers: &dyn Workers,
    remote: &RemoteWorker,
    task: &AssignedTask,
    proof_timeout: Duration,
    revoked: &CancellationToken,
) -> Answer {
    let work = async {
        let (kind, witness) = match prepare(workers, task).await {
            Ok(prepared) => prepared,
            Err(failed) => return Answer::Failed(failed),
        };
        let left = Duration::from_millis(u64::try_from(task.time_left.0).unwrap_or(0));
        let request = task.request.to_string();
        let span = Span::begin("remote-prover.call", SpanKind::Client, task.trace.as_ref());
        span.note("request.id", || request.clone());
        let context = CallContext {
            request_id: &request,
            trace: span.context(),
        };
        let began = Instant::now();
        match remote.prove(kind, witness, context, left.min(proof_timeout)).await {
            Ok(content) => Answer::Proof {
                content,
                took: began.elapsed(),
            },
            Err(error) => {
                span.failed(&error.to_string());
                Answer::Failed(failed(&error))
            }
        }
    };
    tokio::select! {
        answer = work => answer,
        () = revoked.cancelled() => Answer::Dropped,
    }
}

async fn prepare(workers: &dyn Workers, task: &AssignedTask) -> Result<(Kind, Bytes), Failed> {
    let unfit = |class, message: String| Failed {
        failure: Failure::new(class, message),
        outcome: "failed",
        then: Then::GoOn,
    };
    let kind = task.class.kind.as_str().parse::<Kind>();
    let kind = kind.map_err(|why| unfit(FailureClass::Prover, why))?;
    let witness = task.inputs.iter().find(|input| input.name.as_str() == WITNESS);
    let witness = witness.ok_or_else(|| {
        let message = format!("the task has no input {WITNESS:?}, which is all that remote provers take");
        unfit(FailureClass::Prover, message)
    })?;
    let read = workers.read_input(&witness.source, WITNESS_MAX_BYTES).await;
    let content = read.map_err(|error| {
        let class = match error {
            CoreError::Invalid(_) => FailureClass::Prover,
            CoreError::Unavailable(_)
            | CoreError::Full(_)
            | CoreError::NotFound(_)
            | CoreError::NotAllowed(_)
            | CoreError::Internal(_) => FailureClass::Transient,
        };
        unfit(class, format!("the witness cannot be handed on: {error}"))
    })?;
    Ok((kind, content))
}

/// What an answer without a proof means. A prover's word that the witness is at fault is only a word: the classes `Input` and
/// `Program` have the core run the witness in a process of its own, and that decides. A prover that blamed a good witness is
/// struck for it.
fn failed(error: &RemoteError) -> Failed {
    let (class, outcome, then) = match error {
        RemoteError::Busy(_) => (FailureClass::Transient, "busy", Then::Pause),
        RemoteError::Unreachable(_) => (FailureClass::Transient, "unreachable", Then::PauseAndLook),
        RemoteError::TimedOut(_) => (FailureClass::Transient, "timed_out", Then::PauseAndLook),
        RemoteError::Refused(_) => (FailureClass::Input, "refused", Then::GoOn),
        // INTERNAL is what a prover of this contract says of a witness that does not prove, and of its own troubles alike.
        RemoteError::Failed(_) => (FailureClass::Program, "failed", Then::GoOn),
        RemoteError::Other(_) => (FailureClass::Prover, "failed", Then::GoOn),
    };
    Failed {
        failure: Failure::new(class, error.to_string()),
        outcome,
        then,
    }
}

/// Reports a proof, until it is taken or not wanted.
pub(crate) async fn deliver(
    workers: Arc<dyn Workers>,
    worker: WorkerId,
    token: LeaseToken,
    content: Bytes,
    took: Duration,
) {
    let proving = Millis(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    let report = || async {
        let blob = workers.store_output(token, content.clone()).await?;
        let delivery = Delivery {
            outputs: vec![(Name::literal(PROOF), blob)],
            record: Record {
                proving,
                ..Record::default()
            },
        };
        workers.deliver(worker, token, delivery).await.map(|_| ())
    };
    insist(worker, report).await;
}

/// Reports a failure, until it is taken or not wanted.
pub(crate) async fn fail(workers: Arc<dyn Workers>, worker: WorkerId, token: LeaseToken, failure: Failure) {
    let report = || async { workers.fail(worker, token, failure.clone()).await.map(|_| ()) };
    insist(worker, report).await;
}

async fn insist<F: Future<Output = Result<(), CoreError>>>(worker: WorkerId, report: impl Fn() -> F) {
    loop {
        match report().await {
            Ok(()) => return,
            Err(error @ (CoreError::Invalid(_) | CoreError::NotFound(_) | CoreError::NotAllowed(_))) => {
                tracing::info!(worker.id = %worker, "a report of a remote prover's lease is not wanted: {error}");
                return;
            }
            Err(error @ (CoreError::Unavailable(_) | CoreError::Full(_) | CoreError::Internal(_))) => {
                tracing::warn!(worker.id = %worker, "a report of a remote prover's lease was not taken, it is repeated: {error}");
                sleep(REPORT_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_class() {
        let text = || "text".to_owned();
        for (error, class, then) in [
            (RemoteError::Busy(text()), FailureClass::Transient, Then::Pause),
            (
                RemoteError::Unreachable(text()),
                FailureClass::Transient,
                Then::PauseAndLook,
            ),
            (
                RemoteError::TimedOut(text()),
                FailureClass::Transient,
                Then::PauseAndLook,
            ),
            (RemoteError::Refused(text()), FailureClass::Input, Then::GoOn),
            (RemoteError::Failed(text()), FailureClass::Program, Then::GoOn),
            (RemoteError::Other(text()), FailureClass::Prover, Then::GoOn),
        ] {
            let failed = failed(&error);
            assert_eq!((failed.failure.class, failed.then), (class, then), "{error}");
            assert!(failed.failure.message.contains("text"));
        }
    }
}
