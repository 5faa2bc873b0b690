//! `prover-sp1`: executes, proves and verifies SP1 programs behind the prover protocol.
//!
//! Without a command it serves a host on stdin and stdout; `circuits` looks after the files of plonk and groth16. What
//! must stay true: stdout belongs to the protocol, stderr is the log, and the log never shows guest output or inputs.

mod allocator;
mod circuits;
mod execution;
mod executors;
mod faults;
mod inputs;
mod kinds;
mod manifest;
mod observer;
mod program;
mod progress;
mod proving;
mod service;
mod settings;
mod shared_memory;
mod verification;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tracing::{Level, Metadata};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{circuits::CircuitsError, manifest::Installed, observer::Observer, service::Sp1Prover};

/// Release, commit and the circuit version whose proofs are made and checked.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("PROVER_COMMIT"),
    ", circuits v6.1.0)"
);

/// Serves SP1 on the prover protocol: a host starts it and speaks to it on stdin and stdout.
#[derive(Debug, Parser)]
#[command(name = "prover-sp1", version = VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks after the circuit files that groth16 and plonk need.
    #[command(subcommand)]
    Circuits(Circuits),
}

#[derive(Debug, Subcommand)]
enum Circuits {
    /// Writes down the hashes of circuit files that you trust.
    Record(CircuitFiles),
    /// Compares the files with what was written down, and the verifying key with the one that clients have.
    Verify(CircuitFiles),
}

#[derive(Debug, clap::Args)]
struct CircuitFiles {
    /// groth16 or plonk; without it, each that is installed.
    kind: Option<String>,
    /// The folder; without it, where SP1 looks.
    #[arg(long, requires = "kind")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is closed too.
            let _ = writeln!(io::stderr(), "prover-sp1: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>) -> anyhow::Result<()> {
    match command {
        None => serve(),
        Some(Command::Circuits(Circuits::Record(files))) => circuits(files, Installed::record),
        Some(Command::Circuits(Circuits::Verify(files))) => circuits(files, Installed::verify),
    }
}

/// Does one thing with the circuit files of each kind that is meant, and says how it went.
fn circuits(files: CircuitFiles, one: impl Fn(&Installed) -> Result<String, CircuitsError>) -> anyhow::Result<()> {
    for installed in manifest::installed(files.kind.as_deref(), files.dir)? {
        writeln!(io::stdout(), "{}", one(&installed)?).context("cannot write to stdout")?;
    }
    Ok(())
}

fn serve() -> anyhow::Result<()> {
    let observer = Observer::default();
    start_log(observer.clone());
    if let Err(error) = allocator::set_up() {
        tracing::warn!("the allocator keeps its own settings, proofs take more memory: {error}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    hierophant_prover_protocol::prover::serve(Sp1Prover::new(runtime, observer))?;
    Ok(())
}

/// Two listeners: people read stderr, the observer hears progress and guest output. What each wants is fixed here and
/// not by the environment, because SP1 traces public values and guest output at the levels below warnings.
fn start_log(observer: Observer) {
    let log = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_filter(filter_fn(for_people));
    tracing_subscriber::registry()
        .with(log)
        .with(observer.with_filter(filter_fn(Observer::wants)))
        .init();
}

fn for_people(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("prover_sp1");
    metadata.is_event() && *metadata.level() <= if ours { Level::INFO } else { Level::WARN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_together() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
        assert!(VERSION.contains(sp1_engine::SP1_CIRCUIT_VERSION));
    }
}
