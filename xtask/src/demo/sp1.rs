//! SP1: a Fibonacci guest, asked for by the stock SDK.

use std::{path::Path, process::Command};

use anyhow::Result;
use serde_json::json;

use super::{
    Sp1, asked, build_programs,
    network::{Network, Purpose},
    step,
};
use crate::{
    builds,
    env::{Env, Workspace},
};

pub(super) fn run(env: &Env, args: &Sp1, folder: &Path) -> Result<()> {
    build_programs(env)?;
    step("Building the SP1 prover and a client on the stock SDK (10 to 20 minutes the first time)");
    builds::prover(env, "sp1")?;
    let purpose = Purpose {
        system: "sp1",
        prover: "sp1",
        coordinator: json!({}),
    };
    let network = Network::start(env, folder, &purpose)?;
    let (grpc, http) = (network.grpc()?, network.http()?);
    println!("   clients: NETWORK_RPC_URL={grpc}\n   operators: {http}/");
    network.wait_for_prover(&args.mode)?;
    step(&format!("Asking for a {} proof with the stock sp1-sdk", args.mode));
    let client = env
        .target(&Workspace::Prover("sp1".to_owned()))
        .join("release/sp1-client");
    let mut command = Command::new(client);
    command.args(["--rpc", &grpc, "--mode", &args.mode, "--network", "auction"]);
    command
        .arg("--elf")
        .arg(env.root().join("guests/sp1/elf/fibonacci.elf"));
    command.args(["--stdin-u32", &args.n.to_string()]);
    asked(&mut command, http, "verified")?;
    network.stop()?;
    println!("\nverified\n");
    println!("What to do next:");
    println!("  - point your own program at a network of yours: NETWORK_RPC_URL=http://127.0.0.1:9000");
    println!("  - set one up for good: docs/getting-started.md");
    println!("  - see what is served of the SP1 network's contract: docs/door-sp1.md");
    Ok(())
}
