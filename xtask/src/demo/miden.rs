//! Miden: a wallet's transaction, asked for by the published client.

use std::{path::Path, process::Command};

use anyhow::Result;
use serde_json::json;

use super::{
    Miden, asked, build_programs,
    network::{Network, Purpose},
    step,
};
use crate::{builds, env::Env, process};

pub(super) fn run(env: &Env, args: &Miden, folder: &Path) -> Result<()> {
    let line = args.line;
    build_programs(env)?;
    step(&format!(
        "Building the prover of Miden {} and a client on the published crates (7 to 20 minutes the first time)",
        line.as_str()
    ));
    builds::prover(env, line.prover())?;
    let purpose = Purpose {
        system: line.system(),
        prover: line.prover(),
        coordinator: json!({ "miden": { "listeners": [{ "port": 0, "lines": [line.as_str()] }] } }),
    };
    let network = Network::start(env, folder, &purpose)?;
    let (url, http) = (network.miden()?, network.http()?);
    println!("   clients: remote prover {url}\n   operators: {http}/");
    network.wait_for_prover("transaction")?;
    step("Making a wallet's transaction on a mock chain");
    let witness = folder.join("transaction.witness");
    let mut command = Command::new(line.client(env));
    command
        .args(["witness", "--kind", "transaction", "--wallet", "ecdsa", "--out"])
        .arg(&witness);
    process::run(&mut command)?;
    step("Asking for its proof with the published client");
    let mut command = Command::new(line.client(env));
    command
        .args(["prove", "--url", &url, "--kind", "transaction", "--witness"])
        .arg(&witness);
    asked(&mut command, http, "proved")?;
    network.stop()?;
    println!("\nverified\n");
    println!("What to do next:");
    println!("  - point a wallet, a node or miden-client at a network of yours: its remote prover's URL is the door's");
    println!("  - set one up for good: docs/getting-started.md and docs/door-miden.md");
    println!("  - come from upstream's worker or proxy: docs/moving-from-miden-remote-prover.md");
    Ok(())
}
