//! What must hold, scenario by scenario.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{forged, network::Network};
use crate::e2e::scenario::Report;

/// Longest core proof waited for, on a slow machine that does other things too.
const CORE_WITHIN: Duration = Duration::from_mins(15);

/// How often the progress of a core proof must rise, after the coordinator was killed, for people to see that it goes on.
const RISES_MIN: usize = 5;

pub(super) async fn all(network: &mut Network, report: &mut Report, core_only: bool) {
    report.run("the prover gets ready", ready(network)).await;
    report
        .run(
            "core, auction client, coordinator killed meanwhile",
            survives_kill(network),
        )
        .await;
    if core_only {
        return;
    }
    report
        .run(
            "guest that exits with code 1",
            guest_fault(network, "exit-one", &[], "HaltWithNonZeroExitCode"),
        )
        .await;
    let spin = [
        "--skip-simulation",
        "--cycle-limit",
        "100000",
        "--gas-limit",
        "1000000000",
    ];
    report
        .run(
            "guest that exceeds its cycle limit",
            guest_fault(network, "spin", &spin, "ExceededCycleLimit"),
        )
        .await;
    report
        .run(
            "guest that reads past its input",
            guest_fault(
                network,
                "read-past",
                &["--skip-simulation"],
                "UnspecifiedExecutionFailureCause",
            ),
        )
        .await;
    report
        .run("forged proofs are refused by the light role", forged::refused(network))
        .await;
    report.run("compressed, reserved client", compressed(network)).await;
    // Last: a proof on CPU is stopped by ending its prover, which then prepares its keys anew.
    report.run("cancel while proving", cancel(network)).await;
}

async fn ready(network: &mut Network) -> Result<String> {
    network.wait_for_kind("core").await?;
    let pids = network.proving_processes();
    ensure!(pids.len() == 1, "one prover process was to prove, not {pids:?}");
    Ok(format!("prover-sp1 is process {}", pids[0]))
}

/// The coordinator is killed with SIGKILL while the proof is made. The same prover process goes on, proving is started
/// once, and the client notices nothing.
async fn survives_kill(network: &mut Network) -> Result<String> {
    let before = network.proving_processes();
    let client = network
        .client("fibonacci")
        .with(&["--stdin-u32", "20", "--mode", "core", "--network", "auction"]);
    let proof = network.cluster.folder().join("fibonacci-core.bin");
    let mut conversation = client.with(&["--save-proof", &proof.to_string_lossy()]).start()?;
    conversation.wait_for("requested").await?;
    let work = network.wait_for_progress(10.0, CORE_WITHIN).await?;
    println!("   killing the coordinator at {}", work["progress"]);
    network.cluster.kill9_coordinator();
    network.cluster.start_coordinator().await;
    network.cluster.wait_until_ready(Duration::from_secs(30)).await;
    let (events, rises) = network.rises_during(conversation.succeed()).await;
    ensure!(
        events?.iter().any(|event| event["event"] == "verified"),
        "the client's own verify did not accept the proof"
    );
    ensure!(
        rises >= RISES_MIN,
        "progress rose {rises} times, and was to rise {RISES_MIN} times"
    );
    let request = network.newest_request().await?;
    let attempts = request["attempts"].as_array().map_or(0, Vec::len);
    ensure!(attempts == 1, "one attempt was to be made, not {attempts}: {request}");
    let after = network.proving_processes();
    ensure!(before == after, "the prover process was {before:?} and is {after:?}");
    let binding = &request["outcome"]["binding"];
    ensure!(
        binding == "trusted_execution",
        "the public values were to be held against the trusted execution: {request}"
    );
    let seconds = &request["outcome"]["prover_seconds"];
    Ok(format!(
        "verified; one attempt by process {}, progress rose {rises} times after the restart, proving took {seconds} s",
        after[0]
    ))
}

async fn guest_fault(network: &Network, guest: &str, arguments: &[&str], cause: &str) -> Result<String> {
    let client = network
        .client(guest)
        .with(&["--mode", "core", "--network", "auction", "--stdin-u32", "1"])
        .with(arguments);
    let mut conversation = client.start()?;
    let requested = conversation.wait_for("requested").await?;
    let message = conversation.fail().await?;
    ensure!(
        message.to_lowercase().contains("unexecutable"),
        "the SDK was to say that it is unexecutable: {message}"
    );
    let id = requested["request_id"].as_str().context("an id")?;
    let details = details(network, guest, id).await?;
    ensure!(
        details.contains(&format!("execute_fail_cause: {cause}")),
        "the cause was to be {cause}: {details}"
    );
    ensure!(
        details.contains("execution_status: Unexecutable"),
        "the execution was to be unexecutable: {details}"
    );
    let request = network.newest_request().await?;
    let why = request["failure"]["message"]
        .as_str()
        .context("a reason for the operator")?;
    Ok(format!("unexecutable, cause {cause}; the operator sees: {why}"))
}

/// What the stock SDK prints of a request's details.
async fn details(network: &Network, guest: &str, id: &str) -> Result<String> {
    let events = network
        .client(guest)
        .with(&["--network", "auction", "--details", id])
        .run()
        .await?;
    let details = events
        .iter()
        .find(|event| event["event"] == "details")
        .context("the client printed no details")?;
    Ok(details["details"]
        .as_str()
        .context("the details are a text")?
        .to_owned())
}

async fn cancel(network: &Network) -> Result<String> {
    let client = network.client("fibonacci");
    let ask = client.clone().with(&[
        "--stdin-u32",
        "21",
        "--mode",
        "core",
        "--network",
        "auction",
        "--submit-only",
    ]);
    let events = ask.run().await?;
    let requested = events
        .iter()
        .find(|event| event["event"] == "requested")
        .context("the request's id")?;
    let id = requested["request_id"].as_str().context("an id")?;
    network.wait_for_progress(1.0, CORE_WITHIN).await?;
    client.with(&["--network", "auction", "--cancel", id]).run().await?;
    let details = details(network, "fibonacci", id).await?;
    ensure!(
        details.contains("fulfillment_status: Unfulfillable"),
        "the status was to be UNFULFILLABLE: {details}"
    );
    network.wait_until_idle(Duration::from_secs(30)).await?;
    network.wait_for_kind("core").await?;
    Ok("unfulfillable at once, the worker is idle again".to_owned())
}

async fn compressed(network: &mut Network) -> Result<String> {
    network.wait_for_kind("compressed").await?;
    let arguments = ["--stdin-u32", "20", "--mode", "compressed", "--network", "reserved"];
    let events = network.client("fibonacci").with(&arguments).run().await?;
    ensure!(
        events.iter().any(|event| event["event"] == "verified"),
        "the client's own verify did not accept the proof"
    );
    let request = network.newest_request().await?;
    Ok(format!(
        "verified; proving took {} s",
        request["outcome"]["prover_seconds"]
    ))
}
