//! Named points at which a test may kill the coordinator. Without the cargo feature `failpoints` they are nothing.
//!
//! With it, `FAILPOINT=name` aborts the process the first time that it comes by `name`: no destructor runs,
//! as if it had been killed. The name has no prefix of ours: variables with one are settings, and unknown ones are
//! refused. Every point that is reached says so on stderr, so that a test can see which were hit.

/// The points, in the order in which one request comes by them.
pub const POINTS: [&str; 11] = [
    "artifact-written",
    "artifact-stored",
    "program-registered",
    "request-accepted",
    "lease-claimed",
    "lease-given",
    "program-executed",
    "result-delivered",
    "result-acknowledged",
    "proof-verified",
    "request-fulfilled",
];

/// Comes by a point.
#[cfg(feature = "failpoints")]
pub fn pass(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "an unlisted fail point: {name}");
    if std::env::var("FAILPOINT").is_ok_and(|chosen| chosen == name) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "failpoint hit: {name}");
        std::process::abort();
    }
}

/// Comes by a point: nothing happens in a build without the feature.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn pass(_name: &'static str) {}
