//! `miden-client-0-18`: a client of Miden 0.18 on the published crates, for tests and demonstrations.
//!
//! Transactions go through the published `RemoteTransactionProver`; no published client sends batches or blocks, so those
//! go as the node sends them. Every answer is verified here, with the published verifiers.

mod checks;
mod forge;
mod network;
mod rpc;
mod status;
mod work;

use std::process::ExitCode;

use miden_kit::client::{Command, Refused, finish, parse};

#[tokio::main]
async fn main() -> ExitCode {
    let command = parse(
        "miden-client-0-18",
        env!("CARGO_PKG_VERSION"),
        "A client of Miden 0.18: makes witnesses, has them proved, and verifies what comes back.",
    );
    // A refusal keeps its type; anything else is words.
    finish(
        Box::pin(run(command))
            .await
            .map_err(|error| match error.downcast::<Refused>() {
                Ok(refused) => refused.into(),
                Err(error) => error,
            }),
    )
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Witness(arguments) => work::witness(&arguments).await,
        Command::Prove(arguments) => network::prove(&arguments).await,
        Command::Raw(arguments) => network::raw(&arguments).await,
        Command::Status(arguments) => status::run(&arguments).await,
        Command::Local(arguments) => work::local(&arguments),
        Command::Verify(arguments) => work::verify(&arguments),
        Command::Forge(arguments) => forge::forge(&arguments),
    }
}
