//! The real proofs of a run: made once by prover-sp1 behind a real network, kept for the rows that need a finished one.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    raw::{Ledger, Raw},
    replay,
    stock::{event, id_bytes, request_id, verified},
};
use crate::e2e::sp1::network::Network;

/// Longest the fulfilment may take to be seen after the client saw it.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Lets the stock SDK ask for a proof of a kind, verify it, and writes it down as the network gives it.
pub(super) async fn prove(network: &Network, folder: &Path, kind: &str, ledger: &Ledger) -> Result<String> {
    network.wait_for_kind(kind).await?;
    let number = replay::NUMBER.to_string();
    let contract = if kind == "core" { "hosted" } else { "auction" };
    let client = network
        .client("fibonacci")
        .with(&["--stdin-u32", &number, "--mode", kind, "--network", contract]);
    let events = client.run().await?;
    verified(&events)?;
    let id = id_bytes(&request_id(event(&events, "requested")?)?)?;
    let raw = Raw::new(&network.cluster.grpc_url(), 1, ledger)?;
    let status = raw.wait_fulfilled(&id, SEEN_WITHIN).await?;
    let (_, proof) = raw.get(&status.proof_uri.context("a URL")?).await?;
    let program = event(&events, "set_up")?["vk_hash"]
        .as_str()
        .context("the program's hash")?
        .to_owned();
    fs::create_dir_all(folder)?;
    fs::write(replay::program_file(folder), program)?;
    fs::write(replay::proof_file(folder, kind), &proof)?;
    let milliseconds = event(&events, "fulfilled")?["milliseconds"]
        .as_u64()
        .unwrap_or_default();
    Ok(format!(
        "{kind} ({contract}): verified by SDK 6.10.0 after {} s, {} bytes",
        milliseconds / 1000,
        proof.len()
    ))
}

/// The proof of a kind must have been recorded by an earlier run.
pub(super) fn found(folder: &Path, kind: &str) -> Result<String> {
    let file = replay::proof_file(folder, kind);
    ensure!(
        file.is_file() && replay::program_file(folder).is_file(),
        "{} is missing: run without --recorded first",
        file.display()
    );
    Ok(format!("{kind}: recorded by an earlier run (--recorded)"))
}
