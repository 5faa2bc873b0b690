//! What the network adds to a proof: one caller after another against a prover that has its proofs already, and where the time
//! goes.
//!
//! The caller, the prover and the coordinator share one clock, so their times can be put in a row. The coordinator's are whole
//! milliseconds, cut off: half a millisecond is added to each.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hierophant_miden_api::client::{CallContext, RemoteWorker};
use jiff::Timestamp;
use serde_json::Value as Json;
use toml::{Table, Value, toml};

use super::{
    network::{self, CALL_WITHIN, KIND, Network, SYSTEM},
    recorded::{POOL, Programs, Recorded},
    remote::Listening,
    stub::{Proofs, Seen, Stub},
};
use crate::{
    Options,
    figure::{Target, figure, heading, percentile, say},
    machine::Machine,
    worker::nanoseconds,
};

/// Calls before measuring.
const WARM_UP: usize = 32;
/// Calls that a percentile of 99 needs at least, however slow they are.
const CALLS_MIN: usize = 200;
/// Half of the coordinator's unit of time, in nanoseconds.
const HALF_UNIT: u64 = 500_000;
/// What happens between a call and its answer, in order.
const STEPS: [&str; 6] = [
    "called to accepted: message read, witness stored",
    "accepted to leased",
    "leased to the prover's having it",
    "the prover's: until its result is sent or uploaded",
    "result sent to fulfilled: stored, verified",
    "fulfilled to answered: proof read, sent",
];

/// A call, in nanoseconds since 1970.
struct Call {
    called: u64,
    answered: u64,
}

/// Through a worker that dials in.
pub(crate) async fn dialled(options: &Options) -> Result<()> {
    heading("Miden door: a call to its verified proof, by a worker that answers at once");
    let machine = Machine::measure().await?;
    let Some((pool, proofs, light)) = prepared(options).await? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let network = Network::start(folder.path(), options, light, Table::new()).await?;
    let stub = Stub::start(&network.grpc, "stub", proofs)?;
    network.workers(1).await?;
    let calls = calls(&network.caller()?, &pool, options).await?;
    let seen = stub.finish().await?;
    print(&machine, &network, &calls, &seen).await?;
    network.finish().await;
    Ok(())
}

/// Through a prover that listens.
pub(crate) async fn remote(options: &Options) -> Result<()> {
    heading("Miden door: the same through a remote prover");
    let machine = Machine::measure().await?;
    let Some((pool, proofs, light)) = prepared(options).await? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let prover = Listening::start(proofs).await?;
    let mut attached = toml! { line = "0.15" };
    attached.insert("address".to_owned(), prover.address.as_str().into());
    let more = Table::from_iter([("remote_provers".to_owned(), vec![Value::Table(attached)].into())]);
    let network = Network::start(folder.path(), options, light, more).await?;
    network.workers(1).await?;
    let calls = calls(&network.caller()?, &pool, options).await?;
    print(&machine, &network, &calls, &prover.finish()).await?;
    network.finish().await;
    Ok(())
}

async fn prepared(options: &Options) -> Result<Option<(Vec<Recorded>, Proofs, Value)>> {
    let Some(programs) = Programs::find(options) else {
        return Ok(None);
    };
    let (pool, proofs) = (programs.pool(options, POOL).await?, Proofs::default());
    for recorded in &pool {
        proofs.know(&recorded.witness, recorded.proof.clone(), Duration::ZERO);
    }
    Ok(Some((pool, proofs, network::light(&programs.prover)?)))
}

/// One after another, on one connection, each answer held against the proof that was recorded.
async fn calls(caller: &RemoteWorker, pool: &[Recorded], options: &Options) -> Result<Vec<Call>> {
    let (span, mut begun, mut calls) = (Duration::from_secs(options.seconds), Instant::now(), Vec::new());
    while calls.len() < WARM_UP + CALLS_MIN || begun.elapsed() < span {
        if calls.len() == WARM_UP {
            begun = Instant::now();
        }
        let recorded = &pool[calls.len() % pool.len()];
        let called = nanoseconds();
        let context = CallContext::default();
        let proof = caller
            .prove(KIND, recorded.witness.clone(), context, CALL_WITHIN)
            .await?;
        let answered = nanoseconds();
        ensure!(proof == recorded.proof, "another proof came back");
        calls.push(Call { called, answered });
    }
    Ok(calls)
}

async fn print(machine: &Machine, network: &Network, calls: &[Call], seen: &[Seen]) -> Result<()> {
    ensure!(
        calls.len() == seen.len(),
        "{} calls were proved {} times",
        calls.len(),
        seen.len()
    );
    let mut times = Vec::new();
    let mut steps: [Vec<Duration>; STEPS.len()] = Default::default();
    for (call, seen) in calls.iter().zip(seen).skip(WARM_UP) {
        times.push(Duration::from_nanos(call.answered - call.called));
        for (step, took) in steps.iter_mut().zip(row(network, call, seen).await?) {
            step.push(took);
        }
    }
    times.sort();
    say(&format!("   {} calls, one after another", times.len()));
    let median = percentile(&times, 0.5);
    figure("call to answer, p50", median, "ms", Target::AtMost(10.0));
    figure("call to answer, p90", percentile(&times, 0.9), "ms", Target::None);
    figure(
        "call to answer, p99",
        percentile(&times, 0.99),
        "ms",
        Target::AtMost(30.0),
    );
    say(&format!(
        "      p50 = {:.1} × fsync alone, {:.0} × TCP ping-pong",
        median / 1000.0 * machine.fsync_single,
        median / 1000.0 * machine.ping_pong
    ));
    say("      where it goes, in ms:                                         mean     p99");
    for (words, mut step) in STEPS.into_iter().zip(steps) {
        step.sort();
        say(&format!(
            "      {words:<56} {:>9.2} {:>7.1}",
            mean(&step),
            percentile(&step, 0.99)
        ));
    }
    say(&format!("      {:<56} {:>9.2}", "in all", mean(&times)));
    checks(network).await
}

/// How long each of [`STEPS`] took. One that ended before it began, by the clock's unit, took nothing.
async fn row(network: &Network, call: &Call, seen: &Seen) -> Result<[Duration; STEPS.len()]> {
    let request = network.page(&format!("/requests/{}", seen.request)).await?;
    let attempts = request["attempts"].as_array().context("no attempts")?;
    ensure!(attempts.len() == 1, "a request had {} attempts", attempts.len());
    let times = [
        call.called,
        stamp(&request["accepted_at"])?,
        stamp(&attempts[0]["leased_at"])?,
        seen.came,
        seen.answered,
        stamp(&request["ended_at"])?,
        call.answered,
    ];
    let mut took = [Duration::ZERO; STEPS.len()];
    for (took, pair) in took.iter_mut().zip(times.windows(2)) {
        *took = Duration::from_nanos(pair[1].saturating_sub(pair[0]));
    }
    Ok(took)
}

/// A time of the coordinator's pages, in nanoseconds since 1970.
fn stamp(text: &Json) -> Result<u64> {
    let at: Timestamp = text.as_str().context("a time is missing")?.parse()?;
    Ok(u64::try_from(at.as_nanosecond())? + HALF_UNIT)
}

/// What the light role had to do, which runs beside the steps.
async fn checks(network: &Network) -> Result<()> {
    let system = format!("system=\"{SYSTEM}\"");
    for (check, words) in [
        ("execute", "a witness executed by the light role, beside the steps"),
        ("verify", "a proof verified by the light role, within the fifth step"),
    ] {
        let labels = [system.as_str(), &format!("check=\"{check}\"")];
        let sum = network.metric("hierophant_check_duration_seconds_sum", &labels).await?;
        let count = network
            .metric("hierophant_check_duration_seconds_count", &labels)
            .await?;
        ensure!(count > 0.0, "the light role never had to {check}");
        say(&format!("      {words:<56} {:>9.2}", sum / count * 1000.0));
    }
    Ok(())
}

fn mean(times: &[Duration]) -> f64 {
    let count = u32::try_from(times.len().max(1)).unwrap_or(u32::MAX);
    (times.iter().sum::<Duration>() / count).as_secs_f64() * 1000.0
}
