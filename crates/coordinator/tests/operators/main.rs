//! What operators are handed beside the programs: the page for those who move from the Miden remote prover, the dashboard and the
//! alerts. They name only what exists, and the queries work.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dashboard;
mod metrics;
mod moving;
mod page;
mod prometheus;
mod work;

/// A file of the repository.
fn repository(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
