//! Rows 31, 34, 37 to 39, 41 and 42 as bytes: what becomes of a request.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tonic::Code;

use crate::e2e::sp1::conformance::{
    mocked::{Mocked, SOON},
    raw::{ASSIGNED, FULFILLED, UNEXECUTABLE, UNFULFILLABLE, now, refused},
    wire,
};

/// Turns of the race between FULFILLED and the proof.
const RACES: usize = 20;

/// Row 31.
pub(in super::super) async fn at_once(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    for turn in 0..RACES {
        let id = client.request(&mocked.base(&client, "").await?).await?;
        let status = client.status(&id).await.with_context(|| format!("turn {turn}"))?;
        ensure!(
            [ASSIGNED, FULFILLED].contains(&status.fulfillment_status),
            "the first status is {status:?}"
        );
    }
    Ok(format!("{RACES} requests, each with a status in the next call"))
}

/// Row 34.
pub(in super::super) async fn race(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let mut bytes = 0;
    for turn in 0..RACES {
        let id = client.request(&mocked.base(&client, "").await?).await?;
        let status = client.wait_fulfilled(&id, SOON).await?;
        let url = status.proof_uri.context("FULFILLED without a URL")?;
        let (headers, proof) = client.get(&url).await.with_context(|| format!("turn {turn}"))?;
        let announced = headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        ensure!(
            announced == Some(proof.len()),
            "{announced:?} bytes announced, {} came",
            proof.len()
        );
        ensure!(
            proof.starts_with(b"mock-proof-1\n") && proof.ends_with(b"\n"),
            "the proof is not whole"
        );
        bytes += proof.len();
    }
    Ok(format!(
        "{RACES} proofs, each read whole right after the first FULFILLED ({bytes} bytes)"
    ))
}

/// Row 37 as bytes: both limits in both schemas, at the edge and beyond it.
pub(in super::super) async fn limits(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    for (cycle_limit, gas_limit, cause) in [(999, 2000, 5), (1000, 1999, 9), (1000, 2000, 0)] {
        let body = wire::BaseBody {
            cycle_limit,
            gas_limit,
            ..mocked.base(&client, "cycles=1000,gas=2000").await?
        };
        let id = client.request(&body).await?;
        let status = client.wait(&id, SOON).await?;
        let details = client.details(&id).await?;
        let fine = if cause == 0 {
            status.fulfillment_status == FULFILLED
        } else {
            status.fulfillment_status == UNFULFILLABLE && status.execution_status == UNEXECUTABLE
        };
        ensure!(
            fine && details.execute_fail_cause == cause,
            "limits {cycle_limit} and {gas_limit}: {status:?}, {details:?}"
        );
    }
    Ok("one beyond the limit: causes 5 and 9; at the limit: fulfilled".to_owned())
}

/// Row 38.
pub(in super::super) async fn crash(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let once = mocked.cluster.folder().join("crashed-once");
    let id = client
        .request(
            &mocked
                .base(&client, &format!("crash=kill,once={}", once.display()))
                .await?,
        )
        .await?;
    let status = client.wait_fulfilled(&id, SOON).await?;
    ensure!(once.is_file(), "the prover never crashed");
    let attempts = mocked.seen_by_operators(&id).await?["attempts"]
        .as_array()
        .map_or(0, Vec::len);
    ensure!(attempts >= 2, "{attempts} attempts were made");
    ensure!(status.execution_status != UNEXECUTABLE, "{status:?}");
    let id = client.request(&mocked.base(&client, "crash=kill").await?).await?;
    let status = client.wait(&id, SOON).await?;
    let details = client.details(&id).await?;
    let blameless = status.execution_status != UNEXECUTABLE && details.execute_fail_cause == 0;
    ensure!(
        status.fulfillment_status == UNFULFILLABLE && blameless,
        "{status:?}, {details:?}"
    );
    let why = String::from_utf8(details.error_trace.unwrap_or_default())?;
    Ok(format!(
        "killed once: fulfilled by attempt {attempts}; killed always: UNFULFILLABLE, execution {}, \"{why:.70}\"",
        status.execution_status
    ))
}

/// Row 39: evaluated as SDK 6.1.0 does, whose first look is at the deadline.
pub(in super::super) async fn late(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let mut body = mocked.base(&client, "prove_ms=5000").await?;
    body.deadline = now() + 3;
    let id = client.request(&body).await?;
    let mut polls = 0;
    let status = loop {
        let status = client.status(&id).await?;
        polls += 1;
        ensure!(
            now() <= status.deadline,
            "SDK 6.1.0 would say that the request timed out: {status:?}"
        );
        if status.fulfillment_status == FULFILLED {
            break status;
        }
        ensure!(polls < 600, "not fulfilled: {status:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let late = now().saturating_sub(body.deadline);
    ensure!(late > 0, "the proof was there before the deadline");
    Ok(format!(
        "fulfilled {late} s after its own deadline; the reply's is {} s ahead",
        status.deadline - now()
    ))
}

/// Row 41.
pub(in super::super) async fn unknown(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    for id in [[0; 32], [0xff; 32]] {
        refused(client.status(&id).await, Code::NotFound)?;
    }
    Ok("NotFound".to_owned())
}

/// Row 42 as bytes.
pub(in super::super) async fn cancel(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let id = client
        .request(&mocked.base(&client, "prove_ms=10000000").await?)
        .await?;
    refused(mocked.client_with(42)?.cancel(&id).await, Code::PermissionDenied)?;
    let status = client.status(&id).await?;
    ensure!(
        status.fulfillment_status == ASSIGNED,
        "another account's cancellation did something: {status:?}"
    );
    client.cancel(&id).await?;
    let status = client.status(&id).await?;
    ensure!(
        status.fulfillment_status == UNFULFILLABLE && status.execution_status != UNEXECUTABLE,
        "{status:?}"
    );
    mocked.wait_until_idle().await?;
    client.cancel(&id).await.context("the owner, again")?;
    Ok(
        "another key: PermissionDenied, nothing happens; the owner: UNFULFILLABLE at once, the worker is idle"
            .to_owned(),
    )
}
