//! A worker without a coordinator: it listens, and serves the Miden remote prover's contract with provers of its own.
//!
//! Clients reach it directly, as they reach upstream's worker. What must stay true: no proof is sent that a process which
//! did not make it has not verified; witnesses are never logged and lie on disk no longer than they are proved; whatever
//! a prover does, every caller gets an answer within its time; no prover outlives the worker.
//!
//! * [`Prover`]: the queue and the processes, behind the trait that the contract's server calls.
//! * [`run`]: the life of the worker, from its sockets to its drained end. [`Arguments`]: its command line.
//!
//! Not here: the contract (`hierophant-miden-api`), the protocol with provers (`hierophant-prover-protocol`). The manual
//! is `docs/miden-listening-worker.md`.

mod arguments;
mod call;
mod crew;
mod desk;
mod listener;
mod pages;
mod queue;
mod replaced;
mod run;
mod seat;
mod serve;
mod settings;
mod telemetry;

pub use arguments::{Arguments, BadArguments};
pub use crew::{Readiness, StartError};
pub use listener::Prover;
pub use replaced::replaced_variables;
pub use run::{ListenError, run};
pub use settings::{ProofSettings, ServingSettings, Settings};
