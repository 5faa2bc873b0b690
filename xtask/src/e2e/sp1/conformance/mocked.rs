//! A network whose prover is the mock posing as the real one: for everything that needs no real proof.
//!
//! What a request does to its prover is written in its own input (see the mock's script).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use hierophant_testkit::{Binaries, Cluster, Setup, try_wait_until};

use super::{
    raw::{Ledger, Raw, now},
    wire,
};
use crate::env::{Env, Workspace};

/// The largest number of 256 bits: the balance that clients are told.
pub(super) const BALANCE: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
/// How long a mock proof that is to be there soon may take, on a machine that does other things too.
pub(super) const SOON: Duration = Duration::from_mins(2);
/// Kinds of proof that the mock serves.
const SYSTEM: &str = "sp1=v6.1.0:core,compressed,plonk,groth16";
/// The account that most rows ask with.
const USUAL_KEY: u8 = 1;
/// The program of most rows, by the byte that its hash repeats.
pub(super) const PROGRAM: u8 = 0xab;

#[derive(Debug)]
pub(super) struct Mocked {
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger,
    inputs: AtomicU64,
}

impl Mocked {
    pub(super) async fn start(env: &Env, ledger: &Ledger) -> Result<Self> {
        let modes: Vec<toml::Value> = ["core", "compressed", "plonk", "groth16"]
            .map(toml::Value::from)
            .to_vec();
        let setup = Setup::default()
            .binaries(Binaries::in_folder(env.target(&Workspace::Main).join("debug")))
            .mock_prover(&["--system", SYSTEM])
            .coordinator("sp1.modes", modes)
            .coordinator("sp1.balance", BALANCE)
            .coordinator("retry.max_attempts", 3)
            .coordinator("workers.max_strikes", 1000);
        let mut cluster = Cluster::start(setup).await;
        cluster.add_worker(&[("slots", 4.into())]).await;
        cluster.wait_for_workers(1, Duration::from_mins(1)).await;
        let mocked = Self {
            cluster,
            ledger: ledger.clone(),
            inputs: AtomicU64::new(0),
        };
        mocked.register(&mocked.client()?, PROGRAM).await?;
        Ok(mocked)
    }

    /// The usual account.
    pub(super) fn client(&self) -> Result<Raw> {
        self.client_with(USUAL_KEY)
    }

    /// An account of its own.
    pub(super) fn client_with(&self, key: u8) -> Result<Raw> {
        Raw::new(&self.cluster.grpc_url(), key, &self.ledger)
    }

    /// Registers the program whose hash repeats this byte.
    pub(super) async fn register(&self, client: &Raw, id: u8) -> Result<()> {
        let uri = client.upload(wire::PROGRAM, program(id)).await?;
        client.create_program(&[id; 32], &verification_key(id), &uri).await?;
        Ok(())
    }

    /// An input that no other request has, with a script for the mock.
    pub(super) fn stdin(&self, script: &str) -> Vec<u8> {
        let number = self.inputs.fetch_add(1, Ordering::SeqCst);
        let comma = if script.is_empty() { "" } else { "," };
        encoded_stdin(&[format!("mock:log=input-{number}{comma}{script};").as_bytes()])
    }

    /// A request as Reserved mode sends it, its input uploaded.
    pub(super) async fn base(&self, client: &Raw, script: &str) -> Result<wire::BaseBody> {
        let stdin_uri = client.upload(wire::STDIN, self.stdin(script)).await?;
        Ok(wire::BaseBody {
            nonce: client.nonce().await?,
            stdin_uri,
            ..wire::base_body(now())
        })
    }

    /// A request as Mainnet mode sends it after a simulation that it was told to skip, its input uploaded.
    pub(super) async fn auction(&self, client: &Raw, script: &str) -> Result<wire::AuctionBody> {
        let params = params(client).await?;
        let stdin_uri = client.upload(wire::STDIN, self.stdin(script)).await?;
        Ok(wire::AuctionBody {
            nonce: client.nonce().await?,
            stdin_uri,
            domain: params.domain,
            auctioneer: params.auctioneer,
            executor: params.executor,
            verifier: params.verifier,
            treasury: params.treasury,
            public_values_hash: None,
            ..wire::auction_body(now())
        })
    }

    /// A request as operators see it.
    pub(super) async fn seen_by_operators(&self, id: &[u8]) -> Result<serde_json::Value> {
        // The first 16 bytes of a request's id on the wire are its id inside.
        let hex = hex::encode(id.get(..16).context("an id of 32 bytes")?);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        self.cluster
            .json(&format!("/requests/{parts}"))
            .await
            .map_err(anyhow::Error::msg)
    }

    /// Waits until the worker has nothing in hand.
    pub(super) async fn wait_until_idle(&self) -> Result<()> {
        try_wait_until("an idle worker", SOON, async || {
            let page = self.cluster.json("/contemplants").await?;
            let work = page["workers"][0]["working_on"].as_array();
            if work.is_some_and(Vec::is_empty) {
                Ok(())
            } else {
                Err(page.to_string())
            }
        })
        .await?;
        Ok(())
    }
}

/// What the network wants auction bodies to say.
pub(super) async fn params(client: &Raw) -> Result<wire::Params> {
    let mode = wire::OneNumber { value: 2 };
    Ok(client
        .call("/network.ProverNetwork/GetProofRequestParams", &mode)
        .await?)
}

/// A program that the mock takes for one of this hash.
pub(super) fn program(id: u8) -> Vec<u8> {
    bare(format!("mock:program_id={};", hex::encode([id; 32])).as_bytes())
}

/// bincode of bytes.
pub(super) fn bare(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// bincode of an input with these items: items, read pointer, no proofs.
pub(super) fn encoded_stdin(items: &[&[u8]]) -> Vec<u8> {
    let mut encoded = (items.len() as u64).to_le_bytes().to_vec();
    for item in items {
        encoded.extend(bare(item));
    }
    encoded.extend([0; 16]);
    encoded
}

/// The verification key that the mock finds for it.
fn verification_key(id: u8) -> Vec<u8> {
    [&b"mock-vk:"[..], &[id; 32]].concat()
}
