//! Hierophant, the coordinator: the program.
//!
//! Not here: anything else; see the library beside it.

use std::process::ExitCode;

use clap::Parser as _;
use hierophant_coordinator::cli::Cli;

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
