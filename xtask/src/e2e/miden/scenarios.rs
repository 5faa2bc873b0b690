//! What must hold, scenario by scenario.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use hierophant_testkit::{Launch, Process, try_wait_until};
use serde_json::Value;

use super::{
    line::Line,
    network::{Network, free_address, proved},
    upstream,
    witness::Wish,
};
use crate::{e2e::scenario::Report, env::Env};

/// The kinds, each with a proof that is quick.
const KINDS: [Wish; 3] = [Wish::Quick, Wish::Batch, Wish::Block];
/// How long a listening worker may take to be ready, and a remote prover to be seen as healthy.
const READY_WITHIN: Duration = Duration::from_mins(2);

pub(super) async fn all(env: &Env, line: Line, upstream: Option<&Path>, report: &mut Report) -> Result<()> {
    let mut network = Network::start(env, line, 2).await?;
    let url = network.url();
    report.run("statuses and health of the door", statuses(&network)).await;
    for wish in KINDS {
        let name = format!("the published client at the door: {}", wish.kind());
        report.run(&name, proof(&mut network, &url, wish)).await;
    }
    report
        .run("the same witness twice is proved once", joined(&mut network))
        .await;
    report
        .run(
            "a worker killed with SIGKILL while proving",
            worker_killed(&mut network),
        )
        .await;
    report
        .run(
            "the coordinator killed with SIGKILL while proving",
            coordinator_killed(&mut network),
        )
        .await;
    report.run("bad payloads", bad_payloads(&mut network)).await;
    for wish in KINDS {
        let name = format!("the published client at our listening worker: {}", wish.kind());
        report.run(&name, listening_worker(&mut network, wish)).await;
    }
    network.finish().await;
    let mut network = Network::start(env, line, 0).await?;
    let name = "our listening workers as remote provers, added and removed under load";
    report.run(name, added_and_removed(&mut network)).await;
    if let Some(program) = upstream {
        report
            .run(
                "upstream's workers as remote provers",
                upstream_workers(&mut network, program),
            )
            .await;
    }
    network.finish().await;
    Ok(())
}

async fn statuses(network: &Network) -> Result<String> {
    let events = network.client(&["status", "--url", &network.url()]).run().await?;
    let said = Value::from(events).to_string();
    ensure!(
        said.contains(&format!("{}.0+hierophant", network.line.as_str())),
        "the version: {said}"
    );
    Ok(said)
}

async fn proof(network: &mut Network, url: &str, wish: Wish) -> Result<String> {
    let seconds = network.proof(url, wish).await?;
    Ok(format!("verified by the client's own code after {seconds:.1} s"))
}

/// Two clients with the same bytes at once, and a third one afterwards. The bytes are sent as they are: a published client reads a
/// witness and may write it in another order.
async fn joined(network: &mut Network) -> Result<String> {
    let before = network.requests().await?;
    let witness = network.witness(Wish::Quick).await?;
    let asks = network.sends(&witness);
    try_join_all([asks.run(), asks.run()]).await?;
    asks.run().await?;
    let made = network.requests().await? - before;
    ensure!(made == 1, "one request was to be made for three callers, not {made}");
    let attempts = attempts(&network.newest_request().await?);
    ensure!(attempts == 1, "one attempt was to be made, not {attempts}");
    network.verifies(&witness).await?;
    Ok("one request and one attempt for three callers; the proof verifies".to_owned())
}

fn attempts(request: &Value) -> usize {
    request["attempts"].as_array().map_or(0, Vec::len)
}

/// The worker that proves is killed with its provers: the other one proves, and the client notices nothing.
async fn worker_killed(network: &mut Network) -> Result<String> {
    let witness = network.witness(Wish::Slow).await?;
    let asks = network.asks(&network.url(), "transaction", &witness);
    let conversation = asks.start()?;
    let busy = network.wait_until_proving().await?;
    let name = busy["name"].as_str().context("the worker's name")?.to_owned();
    let number = network.number_of(&name)?;
    network.cluster.worker(number).kill9();
    let seconds = proved(&conversation.succeed().await?)?;
    let attempts = attempts(&network.newest_request().await?);
    ensure!(attempts == 2, "two attempts were to be made, not {attempts}");
    network.cluster.worker(number).start();
    network.cluster.wait_for_workers(2, READY_WITHIN).await;
    Ok(format!("the other worker's proof verified after {seconds:.1} s"))
}

/// The proof goes on; the client's call is cut, and when it asks again it gets the proof of the same attempt.
async fn coordinator_killed(network: &mut Network) -> Result<String> {
    let before = network.requests().await?;
    let witness = network.witness(Wish::Slow).await?;
    let asks = network.sends(&witness);
    let conversation = asks.start()?;
    network.wait_until_proving().await?;
    network.cluster.kill9_coordinator();
    let cut = conversation.refused().await?;
    network.cluster.start_coordinator().await;
    network.cluster.wait_until_ready(Duration::from_secs(30)).await;
    asks.run().await?;
    let made = network.requests().await? - before;
    let attempts = attempts(&network.newest_request().await?);
    ensure!(
        made == 1,
        "the client was to join its first request, and {made} were made"
    );
    ensure!(attempts == 1, "one attempt was to be made, not {attempts}");
    network.verifies(&witness).await?;
    let code = &cut["code"];
    Ok(format!(
        "cut with {code}; asked again: the same request, one attempt, the proof verifies"
    ))
}

/// Each is refused with INVALID_ARGUMENT, and the network goes on.
async fn bad_payloads(network: &mut Network) -> Result<String> {
    let whole = std::fs::read(network.witness(Wish::Quick).await?)?;
    let batch = std::fs::read(network.witness(Wish::Batch).await?)?;
    let truncated = whole[..whole.len() / 2].to_vec();
    let trailing = [whole.as_slice(), b"more"].concat();
    let payloads = [
        ("garbage", vec![0xa5; 4096]),
        ("empty", Vec::new()),
        ("truncated", truncated),
        ("trailing", trailing),
        ("of another kind", batch),
    ];
    for (name, payload) in payloads {
        let file = network.cluster.folder().join("bad.witness");
        std::fs::write(&file, payload)?;
        let url = network.url();
        let arguments = [
            "raw",
            "--url",
            &url,
            "--kind",
            "0",
            "--payload",
            &file.to_string_lossy(),
        ];
        let said = network.client(&arguments).start()?.refused().await?;
        ensure!(said["code"] == "INVALID_ARGUMENT", "{name}: {said}");
    }
    network.proof(&network.url(), Wish::Quick).await?;
    Ok("garbage, empty, truncated, trailing, another kind: INVALID_ARGUMENT; the next proof verifies".to_owned())
}

/// `contemplant miden serve` by itself.
async fn listening_worker(network: &mut Network, wish: Wish) -> Result<String> {
    let worker = Listening::start(network, wish).await?;
    let url = format!("http://{}", worker.address);
    let seconds = network.proof(&url, wish).await?;
    worker.stop().await?;
    Ok(format!("verified by the client's own code after {seconds:.1} s"))
}

/// Four callers after another while workers come and go: every call is answered with a proof.
async fn added_and_removed(network: &mut Network) -> Result<String> {
    let workers = [
        Listening::start(network, Wish::Quick).await?,
        Listening::start(network, Wish::Quick).await?,
    ];
    let [first, second] = workers.each_ref().map(|worker| worker.address.to_string());
    let line = network.line.as_str();
    network
        .operator(&["remote-prover", "add", &first, "--line", line])
        .await?;
    wait_until_healthy(network, &first).await?;
    let mut asking = Vec::new();
    for _ in 0..6 {
        let witness = network.witness(Wish::Quick).await?;
        asking.push(network.asks(&network.url(), "transaction", &witness).start()?);
    }
    network.wait_until_proving().await?;
    network
        .operator(&["remote-prover", "add", &second, "--line", line])
        .await?;
    wait_until_healthy(network, &second).await?;
    network.operator(&["remote-prover", "remove", &first]).await?;
    let all = try_join_all(asking.into_iter().map(crate::e2e::client::Conversation::succeed)).await?;
    for events in &all {
        proved(events)?;
    }
    let listed = network.operator(&["remote-prover", "list"]).await?;
    ensure!(
        !listed.contains(&first) && listed.contains(&second),
        "what is attached: {listed}"
    );
    network.operator(&["remote-prover", "remove", &second]).await?;
    for worker in workers {
        worker.stop().await?;
    }
    Ok(format!("{} callers, each proof verified", all.len()))
}

async fn upstream_workers(network: &mut Network, program: &Path) -> Result<String> {
    let folder = network.cluster.folder().to_owned();
    let mut transactions = upstream::Worker::start(program, "transaction", &folder).await?;
    let mut batches = upstream::Worker::start(program, "batch", &folder).await?;
    for worker in [&transactions, &batches] {
        let address = worker.address.to_string();
        network.operator(&["remote-prover", "add", &address]).await?;
        wait_until_healthy(network, &address).await?;
    }
    let url = network.url();
    let transaction = network.proof(&url, Wish::Quick).await?;
    let batch = network.proof(&url, Wish::Batch).await?;
    for worker in [&mut transactions, &mut batches] {
        network
            .operator(&["remote-prover", "remove", &worker.address.to_string()])
            .await?;
        worker.kill9();
    }
    Ok(format!(
        "transaction verified after {transaction:.1} s, batch after {batch:.1} s"
    ))
}

async fn wait_until_healthy(network: &Network, address: &str) -> Result<()> {
    try_wait_until(&format!("{address} is healthy"), READY_WITHIN, async || {
        let listed = network
            .json("/api/v1/remote-provers")
            .await
            .map_err(|error| error.to_string())?;
        let views = listed["remote_provers"].as_array().cloned().unwrap_or_default();
        let found = views.iter().find(|view| view["address"] == address);
        match found {
            Some(view) if view["health"] == "healthy" => Ok(()),
            _ => Err(listed.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// A `contemplant miden serve`.
struct Listening {
    process: Process,
    address: std::net::SocketAddr,
}

impl Listening {
    async fn start(network: &Network, wish: Wish) -> Result<Self> {
        let address = free_address()?;
        let folder = network.cluster.folder();
        let mut launch = Launch::new(
            &network.programs.join("contemplant"),
            &folder.join(format!("listening-{}.log", address.port())),
        );
        let prover = network.prover.to_string_lossy().into_owned();
        let port = address.port().to_string();
        let arguments = ["miden", "serve", "--localhost", "--kind", wish.kind(), "--port", &port];
        launch.arguments = arguments.iter().map(Into::into).collect();
        let line = network.line.as_str();
        let more = [
            "--line",
            line,
            "--prover",
            &prover,
            "--timeout",
            "10m",
            "--http-port",
            "0",
        ];
        launch.arguments.extend(more.iter().map(Into::into));
        let process = Process::start(&launch);
        let url = format!("http://{address}");
        try_wait_until("the listening worker serves", READY_WITHIN, async || {
            let events = network.client(&["status", "--url", &url]).run().await;
            let said = events.map_err(|error| error.to_string())?;
            let said = said.last().map(ToString::to_string).unwrap_or_default();
            if said.contains("\"SERVING\"") {
                Ok(())
            } else {
                Err(said)
            }
        })
        .await?;
        Ok(Self { process, address })
    }

    async fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(READY_WITHIN).await;
        ensure!(
            status.success(),
            "the listening worker ended with {status}: {}",
            self.process.log()
        );
        Ok(())
    }
}
