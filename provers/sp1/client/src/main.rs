//! `sp1-client`: asks a prover network for proofs exactly as applications do, with the stock `sp1-sdk`.
//!
//! Owns no protocol of its own: whatever it sends, the published SDK sent. What must stay true: stdout carries one JSON
//! event per line and nothing else; the exit status is 0 only if everything asked for was done, and a proof that was
//! waited for was accepted by the SDK's `verify`.

mod events;
mod local;
mod mangle;
mod network;
mod request;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::events::Event;

/// Asks for SP1 proofs with the stock SDK. Prints one JSON event per line to stdout, words for people to stderr.
#[derive(Debug, Parser)]
#[command(name = "sp1-client", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    network: network::NetworkArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Proves on this machine with the SDK's own CPU prover, to compare times.
    Local(local::LocalArguments),
    /// Makes a forged proof out of a real one, for tests of those who must refuse it.
    Mangle(mangle::MangleArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, network } = Arguments::parse();
    let result = match command {
        None => Box::pin(network::run(network)).await,
        Some(Command::Local(arguments)) => Box::pin(local::run(arguments)).await,
        Some(Command::Mangle(arguments)) => mangle::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Event::Error {
                message: format!("{error:#}"),
            }
            .print();
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_together() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
