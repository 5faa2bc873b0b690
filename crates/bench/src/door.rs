//! What the SP1 door takes in: signed requests alone, and whole conversations of clients, by the coordinator's own program.
//!
//! No worker is connected: what is accepted stays open, and the light prover runs each program beside, as it would.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use hierophant_door_sp1::proto::{artifact::ArtifactType, types::SignedRequest};
use hierophant_testkit::Node;
use tokio::task::JoinSet;
use toml::Value;

use crate::{
    Options,
    figure::{Target, figure, heading, per_second, percentile, rate, say},
    host,
    machine::Machine,
    made_up, process,
    sp1_client::{Client, MOCK_SYSTEM, body},
};

/// Connections, each with an account of its own, and calls in flight on each.
const CONNECTIONS: u8 = 4;
const LANES: usize = 32;
/// Inputs uploaded beforehand; each serves a core and a compressed request.
const INPUTS: usize = 8_000;
/// How long the coordinator may take to start and to end.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("SP1 door: requests accepted durably, every signature checked");
    let machine = Machine::measure().await?;
    for (execute, words) in [
        (false, "verify.max_cycles = 0"),
        (true, "each program run beside, as by default"),
    ] {
        say(&format!("   with {words}:"));
        let folder = tempfile::tempdir()?;
        let (mut node, grpc) = coordinator(folder.path(), options, execute).await?;
        let clients = clients(&grpc).await?;
        prepare_program(&clients[0]).await?;
        let signed = presigned(&clients).await?;
        requests(&machine, &clients, signed).await?;
        conversations(&machine, &clients, options).await?;
        node.terminate(PATIENCE).await;
    }
    Ok(())
}

/// Starts the coordinator's program with the mock prover in the place of the system's own. Gives its gRPC URL.
pub(crate) async fn coordinator(folder: &Path, options: &Options, execute: bool) -> Result<(Node, String)> {
    let mut node = Node::new("hierophant", process::beside("hierophant")?, folder.join("coordinator"));
    let mut settings = host::settings(folder, &options.log)?;
    settings.remove("data_directory");
    settings.insert("provers".to_owned(), Value::Array(vec![host::verifier(MOCK_SYSTEM)?]));
    for (key, value) in settings {
        node.set(&key, value);
    }
    if !execute {
        node.set("verify.max_cycles", 0);
    }
    let addresses = node.start_until_written("addresses.json", PATIENCE).await;
    let grpc = format!("http://{}", addresses["grpc"].as_str().unwrap_or_default());
    Ok((node, grpc))
}

async fn clients(grpc: &str) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for key in 1..=CONNECTIONS {
        clients.push(Client::connect(grpc, key).await?);
    }
    Ok(clients)
}

/// Uploads and registers the program that all ask for.
pub(crate) async fn prepare_program(client: &Client) -> Result<()> {
    let uri = client.upload(ArtifactType::Program, made_up::program()).await?;
    client.register(&made_up::PROGRAM_ID, uri).await
}

/// Uploads inputs and signs requests for them: for each client its own.
async fn presigned(clients: &[Client]) -> Result<Vec<Vec<SignedRequest>>> {
    let begun = Instant::now();
    let mut signed = Vec::new();
    for client in clients {
        let domain = client.domain().await?;
        let own = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(AtomicU64::new((INPUTS / clients.len()) as u64));
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            let (client, domain, own, left) = (client.clone(), domain.clone(), Arc::clone(&own), Arc::clone(&left));
            lanes.spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
                {
                    let uri = client.upload(ArtifactType::Stdin, vec![7; 200]).await?;
                    let requests = [1, 2].map(|mode| client.signed(&body(&domain, uri.clone(), mode, 7)));
                    own.lock().unwrap_or_else(PoisonError::into_inner).extend(requests);
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        for lane in lanes.join_all().await {
            lane?;
        }
        signed.push(std::mem::take(&mut *own.lock().unwrap_or_else(PoisonError::into_inner)));
    }
    say(&format!(
        "   {INPUTS} inputs uploaded and signed for in {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(signed)
}

async fn requests(machine: &Machine, clients: &[Client], signed: Vec<Vec<SignedRequest>>) -> Result<()> {
    let count: usize = signed.iter().map(Vec::len).sum();
    let (begun, mut lanes) = (Instant::now(), JoinSet::new());
    for (client, own) in clients.iter().zip(signed) {
        let own = Arc::new(Mutex::new(own));
        for _ in 0..LANES {
            let (client, own) = (client.clone(), Arc::clone(&own));
            lanes.spawn(async move {
                let mut taken: Vec<(Bytes, Duration)> = Vec::new();
                while let Some(request) = next(&own) {
                    let begun = Instant::now();
                    taken.push((client.request(request).await?, begun.elapsed()));
                }
                Ok::<_, anyhow::Error>(taken)
            });
        }
    }
    let mut taken = Vec::new();
    for lane in lanes.join_all().await {
        taken.extend(lane?);
    }
    let took = begun.elapsed();
    let mut ids: Vec<&Bytes> = taken.iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    ensure!(ids.len() == count, "{} requests of {count} were accepted", ids.len());
    rate(
        "RequestProof, signed beforehand",
        per_second(count as u64, took),
        Target::AtLeast(2_000.0),
        machine,
    );
    let mut times: Vec<Duration> = taken.iter().map(|(_, time)| *time).collect();
    times.sort();
    figure("its time, p50", percentile(&times, 0.5), "ms", Target::None);
    figure("its time, p99", percentile(&times, 0.99), "ms", Target::None);
    Ok(())
}

fn next(own: &Mutex<Vec<SignedRequest>>) -> Option<SignedRequest> {
    own.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// CreateArtifact, PUT, GetNonce, RequestProof, status; two signatures each, made while the clock runs.
async fn conversations(machine: &Machine, clients: &[Client], options: &Options) -> Result<()> {
    let span = Duration::from_secs(options.seconds);
    let (begun, mut lanes) = (Instant::now(), JoinSet::new());
    for client in clients {
        let domain = client.domain().await?;
        for _ in 0..LANES {
            let (client, domain) = (client.clone(), domain.clone());
            lanes.spawn(async move {
                let mut count = 0_u64;
                while begun.elapsed() < span {
                    let uri = client.upload(ArtifactType::Stdin, vec![7; 200]).await?;
                    let nonce = client.nonce().await?;
                    let id = client.request(client.signed(&body(&domain, uri, 1, nonce))).await?;
                    client.status(id).await?;
                    count += 1;
                }
                Ok::<_, anyhow::Error>(count)
            });
        }
    }
    let mut count = 0;
    for lane in lanes.join_all().await {
        count += lane?;
    }
    let rate_of = per_second(count, begun.elapsed());
    rate("whole conversations, signing included", rate_of, Target::None, machine);
    Ok(())
}
