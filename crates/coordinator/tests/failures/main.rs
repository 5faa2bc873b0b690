//! What can go wrong, each with a defined outcome: real programs, a raw client, the mock prover.
//!
//! In every test nothing acknowledged is lost, nothing wrong is fulfilled, the client sees the right status and a
//! sentence, and the operator sees the reason. `docs/failures.md` has a row for each; a test here holds it to that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod forgeries;
mod manual;
mod points;
mod programs;
mod provers;
mod restarts;
mod secrets;
mod submissions;
mod time;
mod uploads;
mod workers;
