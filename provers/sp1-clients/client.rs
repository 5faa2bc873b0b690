//! Registers a program, asks for a core proof, looks at the request's details, waits, verifies: with one release of the
//! stock SDK, in both of its modes.
//!
//! Only what every release from 6.1 on has is used, so that all of them are built from this one file.
//! `sp1-client-release RPC_URL ELF NUMBER`

use std::{error::Error, time::Duration};

use sp1_sdk::{
    Elf, ProveRequest as _, Prover as _, ProverClient, ProvingKey as _, SP1Stdin,
    network::{FulfillmentStrategy, NetworkMode},
};

/// A key that anybody may know. It identifies a requester in tests and protects nothing.
const TEST_PRIVATE_KEY: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rpc, elf, number] = arguments.as_slice() else {
        return Err("usage: sp1-client-release RPC_URL ELF NUMBER".into());
    };
    let elf = std::fs::read(elf)?;
    let number: u32 = number.parse()?;
    let modes = [(NetworkMode::Mainnet, FulfillmentStrategy::Auction), (NetworkMode::Reserved, FulfillmentStrategy::Hosted)];
    for (mode, strategy) in modes {
        let prover = ProverClient::builder().network_for(mode).rpc_url(rpc).private_key(TEST_PRIVATE_KEY).build().await;
        let key = prover.setup(Elf::from(elf.clone())).await.map_err(|error| error.to_string())?;
        let registered = prover.register_program(key.verifying_key(), key.elf()).await?;
        println!("{mode:?}: registered as {registered}");
        let mut stdin = SP1Stdin::new();
        stdin.write(&number);
        let request = prover.prove(&key, stdin).core().strategy(strategy).timeout(Duration::from_secs(3600));
        let id = request.request().await?;
        println!("{mode:?}: requested as {id}");
        // This decodes the details with the schema that this release takes.
        let details = prover.get_proof_request(id).await?;
        println!("{mode:?}: details {}", if details.is_some() { "decoded" } else { "missing" });
        let proof = prover.wait_proof(id, Some(Duration::from_secs(3600)), None).await?;
        prover.verify(&proof, key.verifying_key(), None)?;
        println!("{mode:?}: verified");
    }
    Ok(())
}
