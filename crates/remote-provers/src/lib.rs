//! Listening Miden workers of others, attached to the coordinator: upstream's, older ones of the same contract, ours. An adapter
//! of the core's port `Workers` for workers that do not dial in.
//!
//! Owns which provers are attached (rows of the store, and those of the settings file), one task for each that looks at it and
//! hands it leases, and the operators' calls that attach and detach. What must stay true: only a prover that was just found fit
//! is a worker of the core; a prover that hangs delays nobody else; one that is removed gets nothing more and finishes what it
//! has; nothing that a prover says is believed: its proofs are verified like everybody's, and its word that a witness is at fault
//! calls for a trusted execution; a witness is never logged.
//!
//! Not here: the wire contract (`hierophant-miden-api`), and what becomes of a result (the core). `docs/remote-provers.md` is the
//! manual.

mod address;
mod check;
mod health;
mod http;
mod lease;
pub mod metric;
mod profile;
mod prover;
mod registry;
mod settings;
mod view;

pub use address::{Address, BadAddress};
pub use http::{OPERATOR_HEADER, PATH, router};
pub use registry::{Attached, ControlError, RemoteProvers, Removed};
pub use settings::{Options, RemoteProverSettings, SLOTS_MAX};
pub use view::View;
