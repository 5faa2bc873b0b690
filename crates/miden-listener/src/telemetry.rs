//! The metrics, named in one place.

use std::time::Duration;

use hierophant_miden_api::{Kind, Refusal};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const WAITING: &str = "contemplant_miden_queue_depth";
const RUNNING: &str = "contemplant_miden_proofs_running";
const QUEUE_SECONDS: &str = "contemplant_miden_queue_seconds";
const PROOFS: &str = "contemplant_miden_proofs_total";
const PROOF_SECONDS: &str = "contemplant_miden_proof_seconds";
const REFUSED: &str = "contemplant_miden_refused_total";
const CALLS: &str = "contemplant_miden_calls_total";
const RETRIES: &str = "contemplant_miden_retries_total";

/// Upper bounds of time in the queue, in seconds: from none to the longest timeout that makes sense.
const QUEUE_BUCKETS: &[f64] = &[
    0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
];
/// Upper bounds of a proof's time, in seconds: transactions take seconds, and the slowest proofs 20 minutes.
const PROOF_BUCKETS: &[f64] = &[
    0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
];

/// Installs the recorder of this process, with the buckets of this worker's histograms.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let buckets = [(QUEUE_SECONDS, QUEUE_BUCKETS), (PROOF_SECONDS, PROOF_BUCKETS)];
    let builder = buckets
        .into_iter()
        .try_fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
        })?;
    let handle = builder.install_recorder()?;
    metrics::describe_gauge!(WAITING, "Proofs that wait for a prover");
    metrics::describe_gauge!(RUNNING, "Proofs that are being made");
    metrics::describe_histogram!(QUEUE_SECONDS, "Time from a proof's first call to its begin");
    metrics::describe_counter!(PROOFS, "Proofs that were begun and have ended, by result");
    metrics::describe_histogram!(PROOF_SECONDS, "Time from a proof's begin to its end, by result");
    metrics::describe_counter!(CALLS, "Calls of Prove that reached the queue");
    metrics::describe_counter!(REFUSED, "Calls of Prove that were answered without a proof, by cause");
    metrics::describe_counter!(RETRIES, "Proofs that were tried again in a fresh process");
    in_hand(0, 0);
    Ok(handle)
}

/// How many proofs wait and run.
pub(crate) fn in_hand(waiting: usize, running: usize) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!(WAITING).set(number(waiting));
    metrics::gauge!(RUNNING).set(number(running));
}

/// A proof has waited for so long and begins.
pub(crate) fn begun(kind: Kind, waited: Duration) {
    metrics::histogram!(QUEUE_SECONDS, "kind" => kind.as_str()).record(waited);
}

/// A proof has ended.
pub(crate) fn ended(kind: Kind, result: &'static str, took: Duration) {
    let labels = [("kind", kind.as_str()), ("result", result)];
    metrics::counter!(PROOFS, &labels).increment(1);
    metrics::histogram!(PROOF_SECONDS, &labels).record(took);
}

/// A proof is tried again.
pub(crate) fn retried(kind: Kind) {
    metrics::counter!(RETRIES, "kind" => kind.as_str()).increment(1);
}

/// A call has come.
pub(crate) fn called(kind: Kind) {
    metrics::counter!(CALLS, "kind" => kind.as_str()).increment(1);
}

/// A call is answered without a proof.
pub(crate) fn refused(refusal: &Refusal) {
    metrics::counter!(REFUSED, "cause" => cause(refusal)).increment(1);
}

/// A refusal in one word, for metrics and logs.
pub(crate) fn cause(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Undecodable(_) => "undecodable",
        Refusal::Unserved(_) => "unserved",
        Refusal::QueueFull(_) => "queue_full",
        Refusal::TooOften(_) => "too_often",
        Refusal::TimedOut(_) => "timed_out",
        Refusal::Failed(_) => "failed",
        Refusal::Unavailable(_) => "unavailable",
    }
}
