//! How long it takes from a request's acceptance until a worker process has its lease, at a steady rate.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hierophant_core::ports::Clients as _;
use tokio::task::JoinSet;

use crate::{
    Options,
    core_life::{drain, load_worker},
    figure::{Target, figure, heading, percentile, say},
    host::{self, Host},
    machine::Machine,
    worker::{RECORD_BYTES, nanoseconds},
};

/// Requests a second.
const OFFERED: u64 = 500;
/// At most so many in all.
const MOST: u64 = 10_000;

/// What the submitter knows of one request: its id, and when submitting began and ended, in nanoseconds since 1970.
struct Submitted {
    id: [u8; 16],
    begun: u64,
    accepted: u64,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Handover: accepted to a worker that has the lease, 500 requests/s offered");
    Machine::measure().await?;
    let folder = tempfile::tempdir()?;
    let host = Host::start(folder.path(), &host::settings(folder.path(), &options.log)?).await?;
    let times = folder.path().join("times");
    let worker = load_worker(&host.grpc, Some(&times))?;
    host.workers(1).await?;
    let count = (options.seconds * OFFERED).min(MOST);
    let (submitted, took) = offer(&host, count).await?;
    drain(&host, count).await?;
    worker.finish().await?;
    let arrived = arrivals(&std::fs::read(times)?)?;
    let mut waits = Vec::new();
    let mut wholes = Vec::new();
    for request in &submitted {
        let at = *arrived.get(&request.id).context("a request was fulfilled by nobody")?;
        // The worker may have the lease before the submitter's task has woken.
        waits.push(Duration::from_nanos(at.saturating_sub(request.accepted)));
        wholes.push(Duration::from_nanos(at.saturating_sub(request.begun)));
    }
    waits.sort();
    wholes.sort();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let offered = count as f64 / took.as_secs_f64();
    say(&format!("   {count} requests, {offered:.0}/s offered"));
    ensure!(
        offered > 0.9 * 500.0,
        "the submitter did not keep its rate: the machine is too busy"
    );
    figure(
        "accepted to lease here, p50",
        percentile(&waits, 0.5),
        "ms",
        Target::AtMost(2.0),
    );
    figure(
        "accepted to lease here, p99",
        percentile(&waits, 0.99),
        "ms",
        Target::AtMost(10.0),
    );
    figure(
        "submitted (its fsync included) to lease here, p50",
        percentile(&wholes, 0.5),
        "ms",
        Target::None,
    );
    figure(
        "submitted (its fsync included) to lease here, p99",
        percentile(&wholes, 0.99),
        "ms",
        Target::None,
    );
    host.finish().await
}

/// Submits on a clock that does not wait for answers.
async fn offer(host: &Host, count: u64) -> Result<(Vec<Submitted>, Duration)> {
    let program = host.program().await?;
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / OFFERED));
    let (begun, mut calls) = (Instant::now(), JoinSet::new());
    for number in 0..count {
        tick.tick().await;
        let (core, submission) = (host.core.clone(), host.submission(program, number));
        calls.spawn(async move {
            let begun = nanoseconds();
            let accepted = core.submit(submission).await?;
            Ok::<_, hierophant_core::CoreError>(Submitted {
                id: *accepted.request.as_bytes(),
                begun,
                accepted: nanoseconds(),
            })
        });
    }
    let took = begun.elapsed();
    let submitted = calls.join_all().await.into_iter().collect::<Result<_, _>>()?;
    Ok((submitted, took))
}

fn arrivals(records: &[u8]) -> Result<HashMap<[u8; 16], u64>> {
    let mut arrived = HashMap::new();
    for record in records.chunks(RECORD_BYTES) {
        let (id, time) = record.split_at_checked(16).context("half a record")?;
        arrived.insert(id.try_into()?, u64::from_le_bytes(time.try_into()?));
    }
    Ok(arrived)
}
