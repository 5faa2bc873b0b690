//! The prover's side: implement [`Prover`], call [`serve`] from `main`.
//!
//! ```no_run
//! use hierophant_prover_protocol::{proto, prover};
//!
//! struct Demo;
//!
//! impl prover::Prover for Demo {
//!     fn hello(&self, _hello: &proto::Hello) -> Result<proto::HelloReply, proto::Failure> {
//!         Ok(proto::HelloReply {
//!             name: "prover-demo 0.1.0".into(),
//!             calls: vec!["setup".into()],
//!             max_jobs: 1,
//!             ..Default::default()
//!         })
//!     }
//! }
//!
//! fn main() -> Result<(), prover::ServeError> {
//!     prover::serve(Demo)
//! }
//! ```
//!
//! What must stay true: heartbeats come from a thread that waits for nothing but its own clock; a panic in a job costs
//! that call only; the host's pipes are touched by nobody else in the process.

mod context;
mod jobs;
mod outbox;
mod serve;
mod stdio;

pub use context::JobContext;
pub use serve::{ServeError, serve};

use crate::{
    failure::unsupported,
    proto::{
        Execute, ExecuteReply, Failure, Hello, HelloReply, Prove, ProveReply, Setup, SetupReply, Verify, VerifyReply,
    },
};

/// What a prover does. Every method may block; each call runs on a thread of its own kind, at most
/// [`HelloReply::max_jobs`] at once, and a panic in it is answered as `Failure.PROVER`.
///
/// [`HelloReply::calls`] must name what is overridden here, and "cancel" if jobs look at
/// [`JobContext::is_cancelled`].
pub trait Prover: Send + Sync + 'static {
    /// Gets ready for the role and says what this process serves. Called once; may take minutes in the role `PROVE`.
    /// `protocol` of the reply is filled in.
    fn hello(&self, hello: &Hello) -> Result<HelloReply, Failure>;

    /// Proves. Everything in the reply's outputs comes from [`JobContext::output`].
    fn prove(&self, job: &JobContext, call: Prove) -> Result<ProveReply, Failure> {
        let _ = (job, call);
        Err(unsupported("prove"))
    }

    /// Runs a program without proving it.
    fn execute(&self, job: &JobContext, call: Execute) -> Result<ExecuteReply, Failure> {
        let _ = (job, call);
        Err(unsupported("execute"))
    }

    /// Derives the verification key of a program.
    fn setup(&self, job: &JobContext, call: Setup) -> Result<SetupReply, Failure> {
        let _ = (job, call);
        Err(unsupported("setup"))
    }

    /// Checks a finished proof.
    fn verify(&self, job: &JobContext, call: Verify) -> Result<VerifyReply, Failure> {
        let _ = (job, call);
        Err(unsupported("verify"))
    }
}

/// Returns the largest resident memory of this process so far, in bytes, for [`Record`](crate::proto::Record); 0 where
/// the system does not tell.
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}
