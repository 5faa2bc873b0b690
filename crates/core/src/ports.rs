//! The ports of the core: [`Clients`], which front doors call; [`Workers`], which adapters of workers call (a dialled stream, a
//! listening worker, a worker that polls over HTTP); [`Operators`], which pages call; and the one that the core calls:
//! [`Checker`], trusted checks in killable processes.
//!
//! Not here: any wire contract.

mod checker;
mod clients;
mod following;
mod operators;
mod workers;

pub use checker::{
    CheckError, CheckInput, CheckSource, Checker, ExecuteJob, ExecutionReport, Identity, VerifyJob, VerifyReport,
};
pub use clients::{Clients, CreatedArtifact, Registration, Stage, Submission};
pub use following::Following;
pub use operators::{Operators, WorkerView};
pub use workers::{AssignedInput, AssignedTask, Assignment, InputSource, Progress, Session, WorkerBeat, Workers};

/// Short for the ports' results.
pub type Result<T> = std::result::Result<T, crate::error::CoreError>;
