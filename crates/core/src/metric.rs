//! What the core counts. Names are here; their help is with the pages that show them.
//!
//! No label has a value that a client chooses freely: doors and systems are configured, kinds are those that a door takes.

use std::time::Duration;

use hierophant_domain::{Request, System};

/// Requests accepted; labels `door`, `system`, `kind`.
pub const REQUESTS_ACCEPTED: &str = "hierophant_requests_accepted_total";
/// Attempts that ended by a word of their worker or of a verification; labels `system`, `kind`, `outcome` (won, refused, failed).
pub const ATTEMPTS: &str = "hierophant_attempts_total";
/// How long a check took; labels `system`, `check` (verify, execute, setup), `outcome` (answered, undone).
pub const CHECK_SECONDS: &str = "hierophant_check_duration_seconds";
/// From acceptance to fulfilment; labels `system`, `kind`.
pub const PROOF_SECONDS: &str = "hierophant_proof_duration_seconds";

pub(crate) fn accepted(request: &Request) {
    let labels = [
        ("door", request.requester.door.to_string()),
        ("system", request.system.to_string()),
        ("kind", request.kind.to_string()),
    ];
    metrics::counter!(REQUESTS_ACCEPTED, &labels).increment(1);
}

pub(crate) fn attempt_ended(request: &Request, outcome: &'static str) {
    let labels = [
        ("system", request.system.to_string()),
        ("kind", request.kind.to_string()),
        ("outcome", outcome.to_owned()),
    ];
    metrics::counter!(ATTEMPTS, &labels).increment(1);
}

pub(crate) fn check(system: &System, check: &'static str, answered: bool, took: Duration) {
    let outcome = if answered { "answered" } else { "undone" };
    let labels = [
        ("system", system.to_string()),
        ("check", check.to_owned()),
        ("outcome", outcome.to_owned()),
    ];
    metrics::histogram!(CHECK_SECONDS, &labels).record(took.as_secs_f64());
}

pub(crate) fn fulfilled(request: &Request, took: Duration) {
    let labels = [
        ("system", request.system.to_string()),
        ("kind", request.kind.to_string()),
    ];
    metrics::histogram!(PROOF_SECONDS, &labels).record(took.as_secs_f64());
}
