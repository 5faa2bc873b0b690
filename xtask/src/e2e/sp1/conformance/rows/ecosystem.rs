//! Row 48: a proposer as op-succinct's, played.
//!
//! It asks for range proofs and then one that aggregates them, by submitting and polling with a loop of its own; splits a
//! range that is unexecutable, asks again for one that is unfulfillable, and cancels what nobody takes. Everything on a
//! connection per call and with the bodies of SDK 6.1.0, which it pins.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::e2e::sp1::conformance::{
    mocked::Mocked,
    raw::{FULFILLED, Raw, UNEXECUTABLE, UNFULFILLABLE, now},
    wire,
};

/// How it bounds each call.
const CALL_WITHIN: Duration = Duration::from_secs(15);
/// When it cancels a request that nobody has taken.
const AUCTION_TIMEOUT_SECS: u64 = 30;
/// Failures of a range, other than its program's, until it splits that too.
const FAILURES_MAX: u32 = 2;
/// More blocks than this in a range is too much for the program that the mock plays.
const BLOCKS_MAX: u64 = 2;
/// Compressed for ranges, Groth16 for the aggregation.
const RANGE_MODE: i32 = 2;
const AGGREGATION_MODE: i32 = 4;
/// HOSTED and AUCTION.
const STRATEGIES: [i32; 2] = [1, 3];

#[derive(Clone, Copy, Debug)]
struct Range {
    first: u64,
    last: u64,
    failures: u32,
}

#[derive(Debug, Default)]
struct Story {
    proved: Vec<(u64, u64)>,
    splits: u32,
    repeats: u32,
}

struct Proposer<'a> {
    mocked: &'a Mocked,
    client: Raw,
    strategy: i32,
}

/// Row 48.
pub(in super::super) async fn proposer(mocked: &Mocked) -> Result<String> {
    let mut shown = Vec::new();
    for strategy in STRATEGIES {
        let client = Raw::per_call(&mocked.cluster.grpc_url(), 48, &mocked.ledger)?;
        let proposer = Proposer {
            mocked,
            client,
            strategy,
        };
        let story = proposer
            .propose()
            .await
            .with_context(|| format!("strategy {strategy}"))?;
        let mut proved = story.proved.clone();
        proved.sort_unstable();
        ensure!(proved == [(1, 2), (3, 4), (5, 6)], "the ranges are {proved:?}");
        ensure!(story.splits == 1 && story.repeats == 1, "{story:?}");
        proposer.gives_up().await?;
        let name = if strategy == 1 { "HOSTED, base" } else { "AUCTION" };
        shown.push(name);
    }
    let both = shown.join(" and ");
    Ok(format!(
        "{both}: unexecutable range split, unfulfillable one asked again, cancelled one left, aggregated; by the mock"
    ))
}

impl Proposer<'_> {
    async fn propose(&self) -> Result<Story> {
        let mut story = Story::default();
        let range = |first, last| Range {
            first,
            last,
            failures: 0,
        };
        // The first is too large for its program; the prover of the second breaks down at first.
        let mut open = vec![range(1, 4), range(5, 6)];
        while let Some(range) = open.pop() {
            let script = script_of(range);
            let id = self.submit(&script, RANGE_MODE).await?;
            let (fulfillment, execution) = self.poll(&id).await?;
            match (fulfillment, execution) {
                (FULFILLED, _) => story.proved.push((range.first, range.last)),
                (UNFULFILLABLE, UNEXECUTABLE) => {
                    story.splits += 1;
                    let middle = u64::midpoint(range.first, range.last);
                    open.push(Range {
                        last: middle,
                        failures: 0,
                        ..range
                    });
                    open.push(Range {
                        first: middle + 1,
                        failures: 0,
                        ..range
                    });
                }
                (UNFULFILLABLE, _) if range.failures < FAILURES_MAX => {
                    story.repeats += 1;
                    open.push(Range {
                        failures: range.failures + 1,
                        ..range
                    });
                }
                other => bail!("range {range:?} ended as {other:?}"),
            }
        }
        let id = self.submit("", AGGREGATION_MODE).await?;
        let ended = self.poll(&id).await?;
        ensure!(ended.0 == FULFILLED, "the aggregation ended as {ended:?}");
        Ok(story)
    }

    /// It submits, finds that it no longer wants the proof, and cancels; the next poll must say that it is over.
    async fn gives_up(&self) -> Result<()> {
        let id = self.submit("prove_ms=10000000", RANGE_MODE).await?;
        bounded(self.client.cancel(&id)).await?;
        let ended = self.poll(&id).await?;
        ensure!(
            ended.0 == UNFULFILLABLE && ended.1 != UNEXECUTABLE,
            "the cancelled request ended as {ended:?}"
        );
        self.mocked.wait_until_idle().await
    }

    async fn submit(&self, script: &str, mode: i32) -> Result<Vec<u8>> {
        if self.strategy == 1 {
            let body = self.mocked.base(&self.client, script).await?;
            // Its own limits, without a simulation.
            let body = wire::BaseBody {
                mode,
                cycle_limit: 1_000_000_000_000,
                gas_limit: 1_000_000_000_000,
                ..body
            };
            return bounded(self.client.request(&body)).await;
        }
        let body = wire::AuctionBody {
            mode,
            ..self.mocked.auction(&self.client, script).await?
        };
        bounded(self.client.request(&body)).await
    }

    /// Its loop: status and details, each bounded; what it reads of them must be there.
    async fn poll(&self, id: &[u8]) -> Result<(i32, i32)> {
        let started = now();
        loop {
            let status = bounded(self.client.status(id)).await?;
            ensure!(
                status.deadline >= now(),
                "it would take the request for timed out: {status:?}"
            );
            let details = bounded(async {
                self.client
                    .details(id)
                    .await
                    .map_err(|error| tonic::Status::internal(format!("{error:#}")))
            })
            .await?;
            ensure!(
                details.created_at > 0 && details.created_at <= now(),
                "created_at is {}",
                details.created_at
            );
            let untaken = details.fulfillment_status < 2 && now() > details.created_at + AUCTION_TIMEOUT_SECS;
            ensure!(!untaken, "it would cancel: nobody has taken the request");
            if status.fulfillment_status >= FULFILLED {
                if let Some(url) = status
                    .proof_uri
                    .as_ref()
                    .filter(|_| status.fulfillment_status == FULFILLED)
                {
                    self.client.get(url).await?;
                }
                return Ok((status.fulfillment_status, status.execution_status));
            }
            ensure!(now() < started + 120, "no end after two minutes: {status:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn script_of(range: Range) -> String {
    if range.last - range.first >= BLOCKS_MAX {
        return "exit_code=1".to_owned();
    }
    if range.first == 5 && range.failures == 0 {
        "crash=kill".to_owned()
    } else {
        String::new()
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T> {
    Ok(tokio::time::timeout(CALL_WITHIN, call)
        .await
        .context("the call hung")??)
}
