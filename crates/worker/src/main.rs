//! Contemplant, the worker: the command line.
//!
//! Not here: anything that it does (the library beside this file).

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    contemplant::cli::Cli::parse().run()
}
