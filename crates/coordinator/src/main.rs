//! Hierophant, the coordinator: the program.
//!
//! Not here: anything else; see the library beside it.

use std::process::ExitCode;

use clap::Parser as _;
use hierophant_coordinator::cli::Cli;

/// Every request is allocated by one thread and freed by another, at which the system's allocator spends a tenth of the
/// coordinator's time (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "hierophant: {error:#}");
            ExitCode::FAILURE
        }
    }
}
