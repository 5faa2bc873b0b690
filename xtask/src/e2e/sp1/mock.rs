//! Mock mode: a network whose proofs prove nothing, asked by the stock SDK for each mode it has.
//!
//! Every answer for operators must say so. Not here: the network that proves, which is `network`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::network::Network;
use crate::env::Env;

/// Every mode that the SDK can ask for.
const MODES: [&str; 4] = ["core", "compressed", "plonk", "groth16"];
/// The guest's input, the same for every mode, so that all must commit to the same values.
const FIBONACCI_OF: &str = "20";

pub(super) async fn all_modes(env: &Env) -> Result<String> {
    let network = Network::start_mock(env).await;
    let outcome = each_mode(&network).await;
    network.finish().await;
    outcome
}

async fn each_mode(network: &Network) -> Result<String> {
    network.cluster.wait_for_workers(1, Duration::from_mins(1)).await;
    let mut committed = Vec::new();
    for (mode, contract) in MODES.iter().zip(["auction", "reserved"].iter().cycle()) {
        let client = network.client("fibonacci").with(&[
            "--stdin-u32",
            FIBONACCI_OF,
            "--mode",
            mode,
            "--network",
            contract,
            "--mock",
        ]);
        let events = client.run().await.with_context(|| format!("mode {mode}"))?;
        let verified = events.iter().find(|event| event["event"] == "verified");
        let verified = verified.with_context(|| format!("mode {mode}: the SDK's mock prover refused the proof"))?;
        committed.push(verified["public_values"].to_string());
        let request = network.newest_request().await?;
        ensure!(
            request["mock_mode"] == true && request["kind"] == *mode,
            "operators were to see a mock proof of kind {mode}: {request}"
        );
    }
    committed.dedup();
    ensure!(
        committed.len() == 1 && committed[0].len() > 2,
        "every mode was to commit to the same values: {committed:?}"
    );
    Ok(format!(
        "{}: verified by the SDK's mock prover, marked as mock",
        MODES.join(", ")
    ))
}
