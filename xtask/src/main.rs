//! Every routine of the repository by its name: `cargo xtask --help`.
//!
//! Owns the command line alone. Each routine is a module with `Args` and `run`; to add one, declare its module and
//! add one line to [`Routine`] and one to [`Routine::run`].

mod bench;
mod builds;
mod ci;
mod demo;
mod docs;
mod e2e;
mod env;
mod fmt;
mod guests;
mod lint;
mod process;
mod prover_conformance;
mod stage;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::env::Env;

/// Exit code when a person or the system ended the run (128 + SIGINT, as shells have it).
const EXIT_INTERRUPTED: u8 = 130;

/// Every routine of the Hierophant repository by its name.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    routine: Routine,
}

#[derive(Debug, Subcommand)]
enum Routine {
    /// Prove a program for real through the stock SDK, on a network started for it, and verify the proof.
    Demo(demo::Args),
    /// Format the workspace and the provers' workspaces.
    Fmt(fmt::Args),
    /// Check formatting, clippy without warnings, and what is in the dependency trees.
    Lint(lint::Args),
    /// Run all tests of the workspace and print how many there are of each kind.
    Test(test::Args),
    /// Prove for real with everything real, and check what must hold.
    E2e(e2e::Args),
    /// Build the guest programs anew, or compare them with the committed files.
    Guests(guests::Args),
    /// Write the pages and example files that are generated from the programs.
    Docs(docs::Args),
    /// Build a prover's workspace in release mode into the cache.
    BuildProver(builds::Args),
    /// Hold any prover executable against the prover protocol.
    ProverConformance(prover_conformance::Args),
    /// Measure the programs as they are run, beside what the machine itself can do.
    Bench(bench::Args),
    /// Run the stages of continuous integration.
    Ci(ci::Args),
}

impl Routine {
    fn run(&self, env: &Env) -> Result<()> {
        match self {
            Self::Demo(args) => demo::run(env, args),
            Self::Fmt(args) => fmt::run(env, args),
            Self::Lint(args) => lint::run(env, args),
            Self::Test(args) => test::run(env, args),
            Self::E2e(args) => e2e::run(env, args),
            Self::Guests(args) => guests::run(env, args),
            Self::Docs(args) => docs::run(env, args),
            Self::BuildProver(args) => builds::run(env, args),
            Self::ProverConformance(args) => prover_conformance::run(args),
            Self::Bench(args) => bench::run(env, args),
            Self::Ci(args) => ci::run(env, args),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // For TLS, of which the HTTP client brings none. Nothing was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = process::stop_children_on_interrupt().and_then(|()| cli.routine.run(&Env::discover()?));
    if process::interrupted() {
        eprintln!("interrupted: everything that was started has been stopped");
        return ExitCode::from(EXIT_INTERRUPTED);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
