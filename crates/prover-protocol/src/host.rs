//! The host's side: starts, supervises and ends prover processes. Used by workers and by the coordinator.
//!
//! [`ProverProcess::spawn`] gives a process that has answered hello; [`ProverProcess::call`] sends it calls, as many at
//! once as it announced. What must stay true: every call ends, with a reply or with a [`CallError`] that says how the
//! process died; a process never outlives its handles (it is asked to go, then killed with its children); its
//! scratch directory goes with it. If the host itself is killed, the prover finds its stdin closed and exits.
//! `PR_SET_PDEATHSIG` is deliberately not used: it fires when the *thread* that started the child ends, and threads of
//! an async runtime come and go.

mod calls;
mod error;
mod link;
pub(crate) mod log;
mod memory;
pub(crate) mod process;
mod scratch;
mod spec;
mod supervise;

pub use calls::HostCall;
pub use error::{CallError, ExitHow, SpawnError};
pub use process::ProverProcess;
pub use scratch::{Scratch, remove_stale_scratch};
pub use spec::{CallOptions, INHERITED_ENVIRONMENT, ProgressSink, ProverSpec};
