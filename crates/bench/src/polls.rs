//! Status polls, start and memory of a coordinator that has a million requests stored, ten thousand of them open.

mod fill;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hierophant_testkit::Node;
use tokio::{
    task::JoinSet,
    time::{Instant as RuntimeInstant, interval_at},
};
use toml::Value;

use crate::{
    Options,
    figure::{Target, figure, heading, per_second, percentile, rate, say},
    host,
    machine::Machine,
    process,
    sp1_client::{Client, MOCK_SYSTEM},
};

/// Requests in all, and those of them that are open.
pub(crate) const STORED: usize = 1_000_000;
pub(crate) const OPEN: usize = 10_000;
/// Polls a second that are offered for the times.
const OFFERED: u64 = 20_000;
const CONNECTIONS: u8 = 4;
/// Calls in flight on each connection: for the rate, and for the times.
const LANES: usize = 32;
const PACED_LANES: u64 = 25;
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Polls: 1,000,000 requests stored, 10,000 open");
    let machine = Machine::measure().await?;
    let folder = cache(options)?;
    let ids = fill::filled(&folder).await?;
    let home = tempfile::tempdir()?;
    let mut node = coordinator(&home, &folder, options)?;
    let begun = Instant::now();
    let addresses = node.start_until_written("addresses.json", PATIENCE).await;
    figure(
        "start until both ports listen",
        begun.elapsed().as_secs_f64(),
        "s",
        Target::AtMost(1.0),
    );
    let pid = node.process().pid();
    figure(
        "memory after the start",
        process::memory_mib(pid, "VmRSS"),
        "MiB",
        Target::AtMost(200.0),
    );
    let grpc = format!("http://{}", addresses["grpc"].as_str().context("no gRPC address")?);
    let mut clients = Vec::new();
    for key in 1..=CONNECTIONS {
        clients.push(Client::connect(&grpc, key).await?);
    }
    check(&clients[0], &ids).await?;
    let used = (Instant::now(), process::processor_time(pid));
    unpaced(&machine, &clients, &ids, options).await?;
    let cores = process::processor_time(pid).saturating_sub(used.1).as_secs_f64() / used.0.elapsed().as_secs_f64();
    say(&format!("      coordinator: {cores:.2} cores"));
    paced(&clients, &ids, options).await?;
    figure(
        "memory after the polls",
        process::memory_mib(pid, "VmRSS"),
        "MiB",
        Target::AtMost(200.0),
    );
    figure(
        "memory at its highest",
        process::memory_mib(pid, "VmHWM"),
        "MiB",
        Target::None,
    );
    node.terminate(PATIENCE).await;
    Ok(())
}

fn cache(options: &Options) -> Result<PathBuf> {
    let folder = options.cache.clone();
    let folder = folder.context("name a folder for the generated database with --cache; `cargo xtask bench` does")?;
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The coordinator's program on the generated database.
fn coordinator(home: &tempfile::TempDir, database: &Path, options: &Options) -> Result<Node> {
    let mut node = Node::new(
        "hierophant",
        process::beside("hierophant")?,
        home.path().join("coordinator"),
    );
    let mut settings = host::settings(home.path(), &options.log)?;
    settings.remove("data_directory");
    settings.insert("provers".to_owned(), Value::Array(vec![host::verifier(MOCK_SYSTEM)?]));
    for (key, value) in settings {
        node.set(&key, value);
    }
    // Where the node looks for its addresses, which the coordinator writes into its data folder.
    let data = node.data();
    std::os::unix::fs::symlink(fill::data(database), data)?;
    Ok(node)
}

/// Every hundredth must be there and open.
async fn check(client: &Client, ids: &[Bytes]) -> Result<()> {
    for id in ids.iter().step_by(100) {
        let status = client.status(id.clone()).await?;
        ensure!(
            status.fulfillment_status == 2,
            "an open request has the status {}",
            status.fulfillment_status
        );
    }
    Ok(())
}

/// As fast as it goes.
async fn unpaced(machine: &Machine, clients: &[Client], ids: &[Bytes], options: &Options) -> Result<()> {
    let span = Duration::from_secs(options.seconds);
    let ids: Arc<[Bytes]> = ids.into();
    let (begun, mut lanes) = (Instant::now(), JoinSet::new());
    for (number, client) in clients.iter().enumerate() {
        for lane in 0..LANES {
            let (client, ids) = (client.clone(), Arc::clone(&ids));
            lanes.spawn(async move {
                let mut count = 0_u64;
                // 7919 is prime: every lane goes through all of them in an order of its own.
                let mut at = (number * LANES + lane) * 79;
                while begun.elapsed() < span {
                    at = (at + 7919) % ids.len();
                    client.status(ids[at].clone()).await?;
                    count += 1;
                }
                Ok::<_, tonic::Status>(count)
            });
        }
    }
    let mut count = 0;
    for lane in lanes.join_all().await {
        count += lane?;
    }
    rate(
        "status polls, 128 in flight",
        per_second(count, begun.elapsed()),
        Target::AtLeast(20_000.0),
        machine,
    );
    Ok(())
}

/// On a clock: times are counted from when a poll was due, so that a queue before the client shows.
async fn paced(clients: &[Client], ids: &[Bytes], options: &Options) -> Result<()> {
    let lanes_in_all = u64::from(CONNECTIONS) * PACED_LANES;
    let each = options.seconds * OFFERED / lanes_in_all;
    let period = Duration::from_micros(1_000_000 * lanes_in_all / OFFERED);
    let ids: Arc<[Bytes]> = ids.into();
    let start = RuntimeInstant::now() + Duration::from_millis(50);
    let mut lanes = JoinSet::new();
    for (number, client) in (0..).zip(clients) {
        for lane in 0..PACED_LANES {
            let (client, ids) = (client.clone(), Arc::clone(&ids));
            let offset = u32::try_from(number * PACED_LANES + lane)?;
            let mut tick = interval_at(start + period * offset / u32::try_from(lanes_in_all)?, period);
            lanes.spawn(async move {
                let (mut times, mut at) = (Vec::new(), offset as usize * 79);
                for _ in 0..each {
                    let due = tick.tick().await;
                    at = (at + 7919) % ids.len();
                    client.status(ids[at].clone()).await?;
                    times.push(due.elapsed());
                }
                Ok::<_, tonic::Status>(times)
            });
        }
    }
    let mut times = Vec::new();
    for lane in lanes.join_all().await {
        times.extend(lane?);
    }
    let took = start.elapsed();
    times.sort();
    say(&format!(
        "   {OFFERED} polls/s offered, {:.0}/s answered",
        per_second(times.len() as u64, took)
    ));
    figure(
        "their time from when they were due, p50",
        percentile(&times, 0.5),
        "ms",
        Target::None,
    );
    figure(
        "their time from when they were due, p99",
        percentile(&times, 0.99),
        "ms",
        Target::AtMost(5.0),
    );
    Ok(())
}
