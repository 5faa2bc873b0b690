//! Hierophant, the coordinator: the command line.
//!
//! Not here: what the coordinator is made of (`wiring`), and any of its work (`hierophant-core`).

mod checker;
mod cli;
mod doors;
mod logs;
mod servers;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "hierophant: {error:#}");
            ExitCode::FAILURE
        }
    }
}
