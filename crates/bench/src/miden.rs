//! The Miden door: what it adds to a proof, how it feeds workers, and how it answers while every core proves. The coordinator
//! is its own program with the real light role of line 0.15 wherever that takes part in what is measured.
//!
//! Not here: how long proofs take by themselves, which is the prover's.

mod capacity;
mod delays;
mod listening;
mod network;
mod pair;
mod recorded;
mod remote;
mod statuses;
mod stub;

pub(crate) use capacity::run as capacity;
pub(crate) use delays::{dialled, remote};
pub(crate) use pair::run as pair;
pub(crate) use statuses::run as statuses;
