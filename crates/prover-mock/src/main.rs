//! A prover that proves nothing: it speaks the whole prover protocol for made-up proof systems, so that everything else
//! can be tested without one, its failures included.
//!
//! `prover-mock --system demo=v1:core,compressed:1000000` serves the system `demo`, toolchain `v1`, two kinds of a
//! million bytes each. `--system` may be repeated; a kind written `!core` is announced as unavailable. Without it there
//! is the system `mock`, toolchain `v1`, with the kinds `core` and `compressed`.
//!
//! A job has the input `program`, or `witness` in its place: then a proof is held against the witness when it is verified.
//!
//! What it does with a job is written in the job's own inputs, see `script.rs`; a proof is a few lines of text with a
//! checksum, see `proof.rs`, so that verifying truly accepts and refuses. What must stay true: equal inputs give equal
//! proofs, public values, cycles and program ids, in every process.

mod misbehave;
mod mock;
mod proof;
mod script;
mod systems;

use std::process::ExitCode;

use clap::Parser as _;
use hierophant_prover_protocol::prover;

use crate::{misbehave::HostPipe, mock::Mock, systems::SystemArg};

/// A prover that proves nothing, for tests of everything else.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Arguments {
    /// A system to serve: NAME=TOOLCHAIN:KIND[,KIND...][:MEMORY_BYTES]. May be repeated.
    #[arg(long = "system", default_value = "mock=v1:core,compressed")]
    systems: Vec<SystemArg>,
    /// Calls that may run at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_jobs: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before `serve` hides stdout: the script's garbage has to reach the host.
    let pipe = HostPipe::open();
    match prover::serve(Mock::new(arguments.systems, arguments.max_jobs, pipe)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prover-mock: {error}");
            ExitCode::FAILURE
        }
    }
}
