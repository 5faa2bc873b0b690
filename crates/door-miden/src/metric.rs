//! What the door counts. Kinds and lines are few; no label has a value that a caller chooses.

use std::time::Duration;

use hierophant_miden_api::{Kind, Line, Refusal};

/// Calls that wait for a worker now.
pub const QUEUE: &str = "hierophant_miden_queue";
/// Seconds that calls waited for a worker; labels `line`, `kind`.
pub const QUEUE_SECONDS: &str = "hierophant_miden_queue_seconds";
/// Calls of Prove; labels `line`, `kind`.
pub const CALLS: &str = "hierophant_miden_calls_total";
/// Calls that joined a proof of the same witness; labels `line`, `kind`.
pub const JOINED: &str = "hierophant_miden_calls_joined_total";
/// Calls that were refused or failed; labels `line`, `kind`, `cause`.
pub const REFUSED: &str = "hierophant_miden_calls_refused_total";
/// Seconds from a call to its answer; labels `line`, `kind`, `outcome` (proved, refused, left).
pub const CALL_SECONDS: &str = "hierophant_miden_call_seconds";
/// Calls that were refused before their message was read, which are no part of `CALLS`; label `cause` (too_often, queue_full).
pub const TURNED_AWAY: &str = "hierophant_miden_calls_turned_away_total";
/// Times that a caller began to ask too often: its first refusal after a second without one.
pub const EXCESSES: &str = "hierophant_miden_rate_excesses_total";

/// Gauges, with their help.
pub const GAUGES: [(&str, &str); 1] = [(QUEUE, "Calls of Miden clients that wait for a worker now.")];
/// Counters, with their help.
pub const COUNTERS: [(&str, &str); 5] = [
    (CALLS, "Calls of Miden clients for a proof, by line and kind."),
    (
        JOINED,
        "Calls that joined a proof of the same witness, by line and kind.",
    ),
    (
        REFUSED,
        "Calls that were answered without a proof, by line, kind and cause.",
    ),
    (
        TURNED_AWAY,
        "Calls that were refused before their message was read, by cause.",
    ),
    (EXCESSES, "Times that a caller began to ask too often."),
];
/// Histograms of seconds, with their help and the upper bounds of their buckets.
pub const HISTOGRAMS: [(&str, &str, &[f64]); 2] = [
    (
        QUEUE_SECONDS,
        "Time that calls waited for a worker, by line and kind.",
        &BUCKETS,
    ),
    (
        CALL_SECONDS,
        "Time from a call to its answer, by line, kind and outcome.",
        &BUCKETS,
    ),
];
/// Seconds, from a refusal at once over the seconds of a transaction's proof to the minutes of the slowest block.
const BUCKETS: [f64; 14] = [
    0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
];

/// Describes all of them to the recorder, and shows those that have no labels at 0; call it once, after the recorder was installed.
pub fn describe() {
    for (name, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
    for (name, help) in COUNTERS {
        metrics::describe_counter!(name, help);
    }
    for (name, help, _) in HISTOGRAMS {
        metrics::describe_histogram!(name, metrics::Unit::Seconds, help);
    }
    queue(0);
    metrics::counter!(EXCESSES).increment(0);
}

fn labels(line: Line, kind: Kind) -> [(&'static str, &'static str); 2] {
    [("line", line.as_str()), ("kind", kind.as_str())]
}

pub(crate) fn called(line: Line, kind: Kind) {
    metrics::counter!(CALLS, &labels(line, kind)).increment(1);
}

pub(crate) fn joined(line: Line, kind: Kind) {
    metrics::counter!(JOINED, &labels(line, kind)).increment(1);
}

pub(crate) fn queue(waiting: usize) {
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    metrics::gauge!(QUEUE).set(f64::from(waiting));
}

pub(crate) fn left_queue(line: Line, kind: Kind, waited: Duration) {
    metrics::histogram!(QUEUE_SECONDS, &labels(line, kind)).record(waited.as_secs_f64());
}

/// A call is refused that has no kind yet.
pub(crate) fn turned_away(refusal: &Refusal, is_first: bool) {
    metrics::counter!(TURNED_AWAY, "cause" => cause(refusal)).increment(1);
    metrics::counter!(EXCESSES).increment(u64::from(is_first));
}

pub(crate) fn refused(line: Line, kind: Kind, refusal: &Refusal) {
    let [line, kind] = labels(line, kind);
    metrics::counter!(REFUSED, &[line, kind, ("cause", cause(refusal))]).increment(1);
}

fn cause(refusal: &Refusal) -> &'static str {
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

/// Measures a call until it is dropped: one that is not told its outcome was left by its caller.
#[derive(Debug)]
pub(crate) struct Measured {
    line: Line,
    kind: Kind,
    started: std::time::Instant,
    outcome: &'static str,
}

impl Measured {
    pub(crate) fn start(line: Line, kind: Kind) -> Self {
        called(line, kind);
        Self {
            line,
            kind,
            started: std::time::Instant::now(),
            outcome: "left",
        }
    }

    pub(crate) fn ended<T>(mut self, outcome: &Result<T, Refusal>) {
        self.outcome = match outcome {
            Ok(_) => "proved",
            Err(refusal) => {
                refused(self.line, self.kind, refusal);
                "refused"
            }
        };
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let [line, kind] = labels(self.line, self.kind);
        let labels = [line, kind, ("outcome", self.outcome)];
        metrics::histogram!(CALL_SECONDS, &labels).record(self.started.elapsed().as_secs_f64());
    }
}
