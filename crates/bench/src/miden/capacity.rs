//! Whether the door keeps workers busy: 64 callers on 8 workers that take 2 seconds each, the time that a worker that is free
//! waits for its next, and what callers who leave the queue cost.
//!
//! The workers are stubs and the light role is the mock prover's: the machine has nothing else to do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use hierophant_miden_api::client::{CallContext, RemoteWorker};
use tokio::task::JoinSet;
use toml::Table;

use super::{
    network::{CALL_WITHIN, KIND, Network, SYSTEM, TOOLCHAIN},
    stub::{Proofs, Seen, Stub},
};
use crate::{
    Options,
    figure::{Target, figure, heading, per_second, percentile, say},
    host,
    machine::Machine,
    made_up,
    worker::nanoseconds,
};

/// Workers, and what each takes for a proof.
const WORKERS: u32 = 8;
const TAKES: Duration = Duration::from_secs(2);
/// Callers, and the calls that each makes one after another. All of them fill the workers a whole number of times.
const CALLERS: u32 = 64;
const CALLS: u32 = 2;
/// Calls that are left while they wait, behind proofs that take so long that all can come and go meanwhile.
const ABANDONED: u32 = 100;
const HELD: Duration = Duration::from_secs(10);
/// Bytes of a witness: those of a wallet's transaction.
const WITNESS_BYTES: usize = 174_360;

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Miden door: 64 callers on 8 workers that take 2 s each");
    Machine::measure().await?;
    let folder = tempfile::tempdir()?;
    let light = host::verifier(&format!("{SYSTEM}={TOOLCHAIN}:{KIND}"))?;
    let network = Network::start(folder.path(), options, light, Table::new()).await?;
    let proofs = Proofs::default();
    let mut witnesses = Witnesses {
        proofs: proofs.clone(),
        made: 0,
    };
    let stubs = stubs(&network, &proofs)?;
    network.workers(WORKERS as usize).await?;
    let took = throughput(&network, &mut witnesses).await?;
    let mut next = Vec::new();
    for stub in stubs {
        next.extend(waits(&stub.finish().await?));
    }
    print(took, next)?;
    abandoned(&network, &proofs, &mut witnesses).await?;
    network.finish().await;
    Ok(())
}

fn stubs(network: &Network, proofs: &Proofs) -> Result<Vec<Stub>> {
    let names = (0..WORKERS).map(|number| format!("stub-{number}"));
    names
        .map(|name| Stub::start(&network.grpc, &name, proofs.clone()))
        .collect()
}

/// Witnesses of the mock prover's kind, no two alike.
struct Witnesses {
    proofs: Proofs,
    made: u32,
}

impl Witnesses {
    /// One whose proof takes so long.
    fn next(&mut self, takes: Duration) -> Bytes {
        self.made += 1;
        let witness = made_up::witness(self.made, WITNESS_BYTES);
        let proof = made_up::proof_of_witness(SYSTEM, KIND.as_str(), TOOLCHAIN, &witness);
        self.proofs.know(&witness, proof.into(), takes);
        witness.into()
    }
}

async fn call(caller: &RemoteWorker, witness: Bytes) -> Result<()> {
    caller.prove(KIND, witness, CallContext::default(), CALL_WITHIN).await?;
    Ok(())
}

/// From the first call to the last answer.
async fn throughput(network: &Network, witnesses: &mut Witnesses) -> Result<Duration> {
    let mut asking = Vec::new();
    for _ in 0..CALLERS {
        let own: Vec<Bytes> = (0..CALLS).map(|_| witnesses.next(TAKES)).collect();
        asking.push((network.caller()?, own));
    }
    let (begun, mut callers) = (Instant::now(), JoinSet::new());
    for (caller, own) in asking {
        callers.spawn(async move {
            for witness in own {
                call(&caller, witness).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    for answered in callers.join_all().await {
        answered?;
    }
    Ok(begun.elapsed())
}

/// From each proof of a worker to its next.
fn waits(seen: &[Seen]) -> Vec<Duration> {
    let pairs = seen.windows(2);
    pairs
        .map(|pair| Duration::from_nanos(pair[1].came.saturating_sub(pair[0].answered)))
        .collect()
}

fn print(took: Duration, mut next: Vec<Duration>) -> Result<()> {
    let count = CALLERS * CALLS;
    ensure!(
        next.len() == (count - WORKERS) as usize,
        "{} proofs followed another, not {}",
        next.len(),
        count - WORKERS
    );
    next.sort();
    let capacity = f64::from(WORKERS) / TAKES.as_secs_f64();
    let measured = per_second(u64::from(count), took);
    say(&format!("   {count} proofs in {:.2} s", took.as_secs_f64()));
    figure("proofs", measured, "/s", Target::None);
    figure(
        "of what the workers can do",
        measured / capacity * 100.0,
        "%",
        Target::AtLeast(95.0),
    );
    figure(
        "a worker's result sent to its next start, p50",
        percentile(&next, 0.5),
        "ms",
        Target::None,
    );
    figure(
        "a worker's result sent to its next start, p99",
        percentile(&next, 0.99),
        "ms",
        Target::AtMost(20.0),
    );
    Ok(())
}

/// Workers are busy, callers queue up behind and leave, others stay: who works on what. They leave as soon as the door counts them
/// all, so that some are being accepted at that time.
async fn abandoned(network: &Network, proofs: &Proofs, witnesses: &mut Witnesses) -> Result<()> {
    let stubs = stubs(network, proofs)?;
    network.workers(WORKERS as usize).await?;
    let (mut staying, mut leaving) = (JoinSet::new(), JoinSet::new());
    ask(network, &mut staying, (0..WORKERS).map(|_| witnesses.next(HELD)))?;
    busy(network, WORKERS).await?;
    ask(network, &mut leaving, (0..ABANDONED).map(|_| witnesses.next(TAKES)))?;
    network.queued(ABANDONED).await?;
    leaving.shutdown().await;
    network.queued(0).await?;
    let left = nanoseconds();
    ask(network, &mut staying, (0..WORKERS).map(|_| witnesses.next(TAKES)))?;
    for answered in staying.join_all().await {
        answered?;
    }
    let mut seen = Vec::new();
    for stub in stubs {
        seen.extend(stub.finish().await?);
    }
    ensure!(
        seen.iter().all(|seen| seen.answered > left),
        "the machine is too slow for this: a worker was free before all callers had come and gone"
    );
    let (begun, stayed) = (u32::try_from(seen.len())?, 2 * WORKERS);
    say(&format!(
        "   {ABANDONED} callers left the queue, {stayed} stayed: {begun} proofs were begun"
    ));
    figure(
        "proofs begun for callers who had left",
        f64::from(begun) - f64::from(stayed),
        "",
        Target::AtMost(0.0),
    );
    Ok(())
}

fn ask(network: &Network, callers: &mut JoinSet<Result<()>>, witnesses: impl Iterator<Item = Bytes>) -> Result<()> {
    for witness in witnesses {
        let caller = network.caller()?;
        callers.spawn(async move { call(&caller, witness).await });
    }
    Ok(())
}

/// Waits until so many workers work and nobody waits.
async fn busy(network: &Network, count: u32) -> Result<()> {
    hierophant_testkit::try_wait_until("busy workers", super::network::PATIENCE, async || {
        let page = network.page("/contemplants").await.map_err(|error| error.to_string())?;
        let workers = page["workers"].as_array().map_or(&[][..], Vec::as_slice);
        let works = workers
            .iter()
            .filter_map(|worker| worker["working_on"].as_array())
            .filter(|work| !work.is_empty());
        let there = works.count() == count as usize;
        there.then_some(()).ok_or_else(|| page.to_string())
    })
    .await?;
    network.queued(0).await
}
