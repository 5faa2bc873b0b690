//! `prover-miden-0-15`: executes, proves and verifies Miden 0.15 behind the prover protocol.
//!
//! The protocol, options and log are `miden-kit`'s; what the line 0.15 does is here. What must stay true: stdout belongs to
//! the protocol, stderr is the log, and the log never shows what a witness holds.

mod batch;
mod block;
mod code;
mod decoding;
mod host;
mod line;
mod transaction;

use std::process::ExitCode;

fn main() -> ExitCode {
    miden_kit::run::<line::Line015>(
        env!("CARGO_BIN_NAME"),
        env!("CARGO_PKG_VERSION"),
        "protocol crates 0.15.3",
    )
}
