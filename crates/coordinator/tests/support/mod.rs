//! What the process tests share: clusters that serve SP1's contract on the mock prover, a raw client of that contract,
//! and the operator's pages.
//!
//! Must stay true: nothing here waits for a time to pass, every wait is for a condition with [`PATIENCE`]; a proof is
//! compared byte for byte with the only one that is right.

pub(crate) mod client;
pub(crate) mod mock;
pub(crate) mod operator;

use std::time::Duration;

use hierophant_testkit::Setup;

/// How long a condition may take to come about. Generous, because all tests run at once on whatever there is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A coordinator whose light prover is the mock, and that looks after its workers five times a second.
pub(crate) fn setup() -> Setup {
    Setup::default()
        .mock_prover(&mock::ARGUMENTS)
        .coordinator("workers.heartbeat_interval", "200ms")
        .coordinator("workers.heartbeat_timeout", "10s")
        .coordinator("workers.link_grace", "10s")
}
