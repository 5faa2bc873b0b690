//! `miden-client-0-15`: has Miden 0.15 proved exactly as applications do, with the published client crates.
//!
//! Owns no protocol of its own: what `prove` sends, `miden-remote-prover-client` 0.15.2 sent. What must stay true is in
//! `miden_kit::client`.

mod files;
mod forge;
mod prove;
mod raw;
mod status;
mod verify;
mod wire;

use std::process::ExitCode;

use miden_kit::client::{Command, finish, parse};

#[tokio::main]
async fn main() -> ExitCode {
    let about = "Has Miden 0.15 proved with the published client. Prints one JSON event per line to stdout.";
    let command = parse(env!("CARGO_BIN_NAME"), env!("CARGO_PKG_VERSION"), about);
    finish(match command {
        Command::Witness(arguments) => Box::pin(files::witness(arguments)).await,
        Command::Prove(arguments) => Box::pin(prove::remote(arguments)).await,
        Command::Local(arguments) => Box::pin(prove::local(arguments)).await,
        Command::Raw(arguments) => raw::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Forge(arguments) => forge::run(&arguments),
    })
}
