//! How the door and a listening worker answer for themselves while every core proves: real proofs by both at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hierophant_miden_api::{
    client::{CallContext, RemoteWorker},
    proto::b::proxy_status_api_client::ProxyStatusApiClient,
};
use tokio::{
    task::JoinSet,
    time::{Instant as RuntimeInstant, interval_at},
};
use toml::Table;
use tonic::transport::Endpoint;

use super::{
    listening::Listening,
    network::{self, CALL_WITHIN, KIND, Network, PATIENCE},
    recorded::{Programs, Recorded},
};
use crate::{
    Options,
    figure::{Target, figure, heading, percentile, say},
    machine::Machine,
    process::{children, processor_time},
};

/// Callers of each, so that a proof follows another at once.
const CALLERS: usize = 2;
/// Witnesses of each caller.
const WITNESSES: usize = 4;
/// Between two questions of one kind, on a clock that does not wait.
const EVERY: Duration = Duration::from_millis(50);
/// The prover's name as the system has it, which is cut.
const PROVER: &str = "prover-miden-0-";

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Question {
    Status,
    Proxy,
    Health,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Miden: status and health while every core proves");
    Machine::measure().await?;
    let Some(programs) = Programs::find(options) else {
        return Ok(());
    };
    let count = u32::try_from(2 * CALLERS * WITNESSES)?;
    let pool = programs.pool(options, count).await?;
    let folder = tempfile::tempdir()?;
    let light = network::light(&programs.prover)?;
    let network = Network::start(folder.path(), options, light, Table::new()).await?;
    let mut worker = network.worker(folder.path(), &programs.prover)?;
    let listening = Listening::ours(folder.path(), &programs.prover).await?;
    network.workers(1).await?;
    let provers: Vec<u32> = [worker.process().pid(), listening.pid()]
        .iter()
        .flat_map(|pid| children(*pid, PROVER))
        .collect();
    let mut load = JoinSet::new();
    for (number, own) in pool.chunks(WITNESSES).enumerate() {
        let address = [&network.door, &listening.address][number % 2];
        load.spawn(prove(network::caller(address)?, own.to_vec()));
    }
    proving(&provers).await?;
    let (begun, used) = (Instant::now(), processor_times(&provers));
    measure(&network.door, &listening.address, options).await?;
    let took = begun.elapsed().as_secs_f64();
    // Nobody ends it but this: a caller that did has failed.
    if let Some(ended) = load.try_join_next() {
        ended??;
    }
    let cores = processor_times(&provers).saturating_sub(used).as_secs_f64() / took;
    figure("cores that proved meanwhile", cores, "", Target::None);
    load.shutdown().await;
    worker.terminate(PATIENCE).await;
    network.finish().await;
    Ok(())
}

/// Has its witnesses proved again and again.
async fn prove(caller: RemoteWorker, own: Vec<Recorded>) -> Result<()> {
    for recorded in own.iter().cycle() {
        caller
            .prove(KIND, recorded.witness.clone(), CallContext::default(), CALL_WITHIN)
            .await?;
    }
    Ok(())
}

fn processor_times(pids: &[u32]) -> Duration {
    pids.iter().copied().map(processor_time).sum()
}

/// Waits until each prover of both, its light role aside, has computed for a while.
async fn proving(pids: &[u32]) -> Result<()> {
    let before: Vec<Duration> = pids.iter().copied().map(processor_time).collect();
    hierophant_testkit::try_wait_until("provers that work", PATIENCE, async || {
        let worked = pids.iter().zip(&before);
        let worked = worked.filter(|(pid, before)| processor_time(**pid) > **before + Duration::from_millis(500));
        let count = worked.count();
        (count >= 2).then_some(()).ok_or_else(|| format!("{count} work"))
    })
    .await?;
    Ok(())
}

async fn measure(door: &str, listening: &str, options: &Options) -> Result<()> {
    let asked = [
        ("door: WorkerStatus", door, Question::Status),
        ("door: ProxyStatus", door, Question::Proxy),
        ("door: health", door, Question::Health),
        ("listening worker: WorkerStatus", listening, Question::Status),
        ("listening worker: health", listening, Question::Health),
    ];
    let mut asking = Vec::new();
    for (name, address, question) in asked {
        let task = tokio::spawn(ask(address.to_owned(), question, options.seconds));
        asking.push((name, task));
    }
    for (name, task) in asking {
        let mut times = task.await?.context(name)?;
        times.sort();
        say(&format!("   {name}, asked {} times", times.len()));
        figure("p50", percentile(&times, 0.5), "ms", Target::None);
        figure("p99", percentile(&times, 0.99), "ms", Target::AtMost(50.0));
    }
    Ok(())
}

/// Asks at a steady rate for so many seconds; times count from when each question was due.
async fn ask(address: String, question: Question, seconds: u64) -> Result<Vec<Duration>> {
    let worker = network::caller(&address)?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .connect()
        .await?;
    let mut proxy = ProxyStatusApiClient::new(channel);
    let begun = RuntimeInstant::now();
    let (mut clock, mut times) = (interval_at(begun, EVERY), Vec::new());
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = clock.tick().await;
        match question {
            Question::Status => {
                worker.status(PATIENCE).await?;
            }
            Question::Proxy => {
                let status = proxy.status(()).await?.into_inner();
                ensure!(!status.workers.is_empty(), "the door names no worker");
            }
            Question::Health => ensure!(worker.healthy(PATIENCE).await, "it says that it does not serve"),
        }
        times.push(due.elapsed());
    }
    Ok(times)
}
