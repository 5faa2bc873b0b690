//! `prover-miden-0-18`: executes, proves and verifies transactions, batches and blocks of Miden's line 0.18 behind the
//! prover protocol.
//!
//! The protocol around the line, its options and its log are `miden-kit`'s; this crate is the line itself.

mod batch;
mod block;
mod host;
mod line;
mod transaction;

use std::process::ExitCode;

use crate::line::Miden018;

fn main() -> ExitCode {
    miden_kit::run::<Miden018>("prover-miden-0-18", env!("CARGO_PKG_VERSION"), "protocol crates 0.18.0")
}
