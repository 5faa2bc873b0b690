//! Contemplant: a worker of a Hierophant proof network. It dials the coordinator, supervises prover processes, and works
//! on the tasks that it is leased.
//!
//! What must stay true: a result that took effort survives the end of this process until the coordinator has it; no
//! prover outlives the worker; whatever a prover does ends in a report with a reason; a lease that is not started is
//! handed back rather than kept.
//!
//! * [`cli`]: the command line. [`worker`]: the life of a worker, from its start to its drained end.
//! * [`fleet`]: prover processes, kept warm. [`job`]: one lease, from its inputs to its report.
//! * [`held`]: results that the coordinator does not have yet. [`directory`], [`identity`]: what is kept on disk.
//! * [`http`]: health and metrics.
//!
//! Not here: the stream to the coordinator (`hierophant-worker-link`), the protocol with provers
//! (`hierophant-prover-protocol`), transfers of blobs (`hierophant-artifacts`).

pub mod cli;
pub mod directory;
pub mod fleet;
pub mod held;
pub mod http;
pub mod identity;
pub mod job;
mod names;
pub mod worker;

/// Release and commit, as the worker calls itself: "contemplant 0.1.0 (abc1234)".
pub const RELEASE: &str = concat!(
    "contemplant ",
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("HIEROPHANT_COMMIT"),
    ")"
);
