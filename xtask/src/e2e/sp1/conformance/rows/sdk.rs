//! The rows that the stock SDK shows, on a network that replays real proofs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hierophant_testkit::try_wait_until;
use prost::Message as _;

use crate::e2e::{
    client::Conversation,
    sp1::conformance::{
        mocked::encoded_stdin,
        raw::{ASSIGNED, FULFILLED, UNEXECUTABLE, UNFULFILLABLE, now},
        replay,
        stock::{self, SOON, Stock, event, id_bytes, request_id, verified},
        tap::{self, Harm, Tap},
        wire,
    },
};

/// How long every worker is busy in row 32; the SDK's auction timeout is 30 s.
const BUSY: Duration = Duration::from_secs(65);
/// How long the proof of row 33 takes at least; the SDK gives a small program 300 s.
const LONG_PROOF: Duration = Duration::from_secs(305);
/// How long the coordinator is down in row 5, and with `--long`; a client bears less than 120 s.
const DOWN: Duration = Duration::from_secs(30);
const DOWN_LONG: Duration = Duration::from_secs(90);
/// Longest time in which a client that does not try again gives up.
const AT_ONCE: Duration = Duration::from_mins(1);

async fn tap(stock: &Stock) -> Result<Tap> {
    Tap::start(stock.cluster.grpc_proxy().address(), &stock.ledger).await
}

/// Row 5: killed, down for a while, started; the client awaits `prove` all the time.
///
/// Killed while the client polls and between two polls: the SDK gives up on a call that is open when its connection breaks (it
/// reads `Unknown: transport error` and asks again only where the code is another), so no server that is killed can help that one.
pub(in super::super) async fn restart(stock: &mut Stock, long: bool) -> Result<String> {
    let down = if long { DOWN_LONG } else { DOWN };
    // Directly: a proxy that accepts and then closes is no coordinator that restarts.
    let url = format!("http://{}", stock.cluster.pin_grpc());
    let client = stock
        .recorded(&url, Some("restart"))
        .with(&["--mode", "core", "--network", "auction", "--one-call"]);
    let client = client.start()?;
    stock.wait_for_work(2).await?;
    stock.wait_for_polls(2.0).await?;
    stock.cluster.kill9_coordinator();
    tokio::time::sleep(down).await;
    stock.cluster.start_coordinator().await;
    stock.release("restart")?;
    verified(&client.succeed().await?)?;
    let form = if long { "" } else { " (--long: 90 s)" };
    Ok(format!(
        "kill -9, {} s down, started: `prove` returned a verified proof{form}",
        down.as_secs()
    ))
}

/// Row 8: one input as 6.x and as 5.x upload it; what the program commits to is held against the same real proof.
pub(in super::super) async fn compressed_or_bare(stock: &Stock) -> Result<String> {
    let raw = stock.raw()?;
    let vk_hash = hex::decode(std::fs::read_to_string(replay::program_file(&stock.folder))?)?;
    let bare = encoded_stdin(&[&replay::NUMBER.to_le_bytes()]);
    let compressed = zstd::encode_all(bare.as_slice(), 3)?;
    for (body, what) in [(bare, "bare"), (compressed, "zstd")] {
        let stdin_uri = raw.upload(wire::STDIN, body).await?;
        let base = wire::base_body(now());
        let id = raw
            .request(&wire::BaseBody {
                vk_hash: vk_hash.clone(),
                mode: 1,
                stdin_uri,
                ..base
            })
            .await?;
        raw.wait_fulfilled(&id, SOON).await.context(what)?;
    }
    Ok("both were executed to the same public values, those of the recorded proof, and fulfilled".to_owned())
}

/// Row 12, through the SDK.
pub(in super::super) async fn registers(stock: &Stock) -> Result<String> {
    let tap = tap(stock).await?;
    submit_and_cancel(stock, &tap, "large-output").await?;
    let (asked, registered) = (tap.calls("GetProgram"), tap.calls("CreateProgram"));
    ensure!(
        asked.first().is_some_and(|call| call.reply.is_none()),
        "GetProgram found the program"
    );
    ensure!(registered.len() == 1, "{} registrations", registered.len());
    Ok("the SDK registers after the refusal".to_owned())
}

/// Row 13.
pub(in super::super) async fn second_run(stock: &Stock) -> Result<String> {
    let mut shown = Vec::new();
    for (uploads, registrations) in [(2, 1), (1, 0)] {
        let tap = tap(stock).await?;
        submit_and_cancel(stock, &tap, "print").await?;
        let found = (tap.calls("CreateArtifact").len(), tap.calls("CreateProgram").len());
        ensure!(
            found == (uploads, registrations),
            "{} uploads and {} registrations",
            found.0,
            found.1
        );
        shown.push(format!("{uploads} uploads, {registrations} registrations"));
    }
    Ok(format!("first run: {}; second: {} (the input)", shown[0], shown[1]))
}

async fn submit_and_cancel(stock: &Stock, tap: &Tap, guest: &str) -> Result<()> {
    let client = stock.client_at(guest, &tap.url()).with(&["--network", "reserved"]);
    let ask = ["--stdin-u32", "1", "--mode", "core", "--submit-only"];
    let events = client.clone().with(&ask).run().await?;
    let id = request_id(event(&events, "requested")?)?;
    stock.raw()?.cancel(&id_bytes(&id)?).await?;
    Ok(())
}

/// Row 17: what 6.x does where an application sets `SP1_PROVER=network` and the URL alone.
pub(in super::super) async fn auction(stock: &Stock) -> Result<String> {
    let tap = tap(stock).await?;
    let client = stock
        .recorded(&tap.url(), None)
        .with(&["--mode", "compressed", "--network", "auction", "--one-call"]);
    verified(&client.run().await?)?;
    let asked = asked(&tap)?;
    ensure!(
        asked.auctioneer.len() == 20 && asked.mode == 2,
        "the SDK sent {asked:?}"
    );
    let calls = [
        tap.calls("GetProofRequestParams").len(),
        tap.calls("GetProversByUptime").len(),
    ];
    ensure!(
        calls.iter().all(|&count| count >= 1),
        "the auction's calls were not made: {calls:?}"
    );
    Ok("`prove(..).compressed().await` in Mainnet mode, auction body: verified by the SDK (recorded proof)".to_owned())
}

/// Row 18.
pub(in super::super) async fn reserved(stock: &Stock) -> Result<String> {
    let tap = tap(stock).await?;
    let client = stock
        .recorded(&tap.url(), None)
        .with(&["--mode", "core", "--network", "reserved", "--one-call"]);
    verified(&client.run().await?)?;
    let asked = asked(&tap)?;
    ensure!(
        asked.auctioneer.is_empty() && tap.calls("GetProofRequestParams").is_empty(),
        "the SDK sent {asked:?}"
    );
    Ok("`prove(..).core().await` in Reserved mode, base body: verified by the SDK (recorded proof)".to_owned())
}

/// The last body that asked for a proof.
fn asked(tap: &Tap) -> Result<wire::AuctionBody> {
    let call = tap
        .calls("RequestProof")
        .pop()
        .context("no RequestProof went through")?;
    let envelope = wire::Envelope::decode(call.message)?;
    Ok(wire::AuctionBody::decode(envelope.body.context("a body")?.as_slice())?)
}

/// Row 19.
pub(in super::super) async fn hosted(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    let events = stock
        .recorded(&url, None)
        .with(&["--mode", "core", "--network", "hosted"])
        .run()
        .await?;
    verified(&events)?;
    let id = request_id(event(&events, "requested")?)?;
    let details = stock.details(&id, "reserved").await?;
    details.expect("cycle_limit", u64::MAX, "")?;
    details.expect("gas_limit", u64::MAX, "")?;
    Ok("`.hosted()`: verified (recorded proof); details give both limits back as 18446744073709551615".to_owned())
}

/// Row 20, through the SDK.
pub(in super::super) async fn private(stock: &Stock) -> Result<String> {
    for network in ["auction", "reserved"] {
        let url = stock.cluster.grpc_url();
        let client = stock
            .recorded(&url, None)
            .with(&["--mode", "core", "--network", network, "--private-stdin"]);
        verified(&client.run().await.with_context(|| network.to_owned())?)?;
    }
    Ok("the SDK's `.private_stdin(true)` in both modes: verified (recorded proof)".to_owned())
}

/// Row 25, through the SDK: one bit of its request is flipped on the way.
pub(in super::super) async fn tampered(stock: &Stock) -> Result<String> {
    let tap = tap(stock).await?;
    tap.harm("RequestProof", Harm::Tamper);
    let client = stock
        .recorded(&tap.url(), None)
        .with(&["--mode", "core", "--network", "auction", "--submit-only"]);
    let started = Instant::now();
    let mut conversation = client.start()?;
    conversation.wait_for("set_up").await?;
    let said = conversation.fail().await?;
    ensure!(tap.calls("RequestProof").len() == 1, "the SDK tried again");
    ensure!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
    Ok(format!("the SDK gives up at once: \"{said:.70}…\""))
}

/// Row 26, through the SDK.
pub(in super::super) async fn lost_reply(stock: &Stock) -> Result<String> {
    let tap = tap(stock).await?;
    tap.harm("RequestProof", Harm::LoseReply);
    let client = stock
        .recorded(&tap.url(), None)
        .with(&["--mode", "core", "--network", "auction"]);
    let events = client.run().await?;
    verified(&events)?;
    let calls = tap.calls("RequestProof");
    ensure!(calls.len() == 2, "{} times asked", calls.len());
    ensure!(
        calls[0].message != calls[1].message,
        "the repetition is the same as the first"
    );
    let (first, second) = (tap::request_id(&calls[0])?, tap::request_id(&calls[1])?);
    ensure!(first == second, "the SDK's retry made a second request");
    Ok("the SDK's own retry, with another nonce, got the id of the reply that was lost".to_owned())
}

/// Row 32.
pub(in super::super) async fn busy(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    let mode = ["--mode", "core", "--network", "auction", "--one-call"];
    let first = stock.recorded(&url, Some("busy")).with(&mode).start()?;
    stock.wait_for_work(2).await?;
    let started = Instant::now();
    let tap = tap(stock).await?;
    let waiting = stock.recorded(&tap.url(), None).with(&mode).start()?;
    try_wait_until("the request in the queue", SOON, async || {
        if tap.calls("GetProofRequestStatus").is_empty() {
            Err("no status was asked for".to_owned())
        } else {
            Ok(())
        }
    })
    .await?;
    tokio::time::sleep(BUSY).await;
    let last = tap.calls("GetProofRequestStatus").pop().context("no status")?;
    let status = wire::StatusResponse::decode(last.reply.context("an answer")?)?;
    ensure!(
        status.fulfillment_status == ASSIGNED,
        "the waiting request is {status:?}"
    );
    stock.release("busy")?;
    verified(&first.succeed().await?)?;
    verified(&waiting.succeed().await?)?;
    ensure!(tap.calls("CancelRequest").is_empty(), "the SDK cancelled");
    Ok(format!(
        "every slot taken for {} s, ASSIGNED all the time, no CancelRequest, then verified",
        started.elapsed().as_secs()
    ))
}

/// A proof that takes long, begun at the start of the run.
pub(in super::super) struct Long {
    started: Instant,
    tap: Tap,
    client: Conversation,
}

/// Begins row 33.
pub(in super::super) async fn begin_long(stock: &Stock) -> Result<Long> {
    let tap = tap(stock).await?;
    let client =
        stock
            .recorded(&tap.url(), Some("long"))
            .with(&["--mode", "core", "--network", "auction", "--one-call"]);
    let client = client.start()?;
    stock.wait_for_work(1).await?;
    Ok(Long {
        started: Instant::now(),
        tap,
        client,
    })
}

/// Row 33.
pub(in super::super) async fn end_long(stock: &Stock, long: Result<Long>) -> Result<String> {
    let long = long?;
    let left = LONG_PROOF.saturating_sub(long.started.elapsed());
    println!("   waiting {} s more", left.as_secs());
    tokio::time::sleep(left).await;
    stock.release("long")?;
    verified(&long.client.succeed().await?)?;
    let took = long.started.elapsed().as_secs();
    let deadline = asked(&long.tap)?.deadline;
    ensure!(deadline < now(), "the SDK's own deadline {deadline} is not past");
    Ok(format!(
        "proof after {took} s, the SDK had asked for it {} s earlier: verified (recorded proof)",
        now() - deadline
    ))
}

/// Row 35.
pub(in super::super) async fn bytes(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    let events = stock
        .recorded(&url, None)
        .with(&["--mode", "core", "--network", "reserved"])
        .run()
        .await?;
    verified(&events)?;
    let id = id_bytes(&request_id(event(&events, "requested")?)?)?;
    let raw = stock.raw()?;
    let status = raw.status(&id).await?;
    let (headers, proof) = raw.get(&status.proof_uri.context("a URL")?).await?;
    ensure!(
        !headers.contains_key(http::header::CONTENT_ENCODING),
        "Content-Encoding is {headers:?}"
    );
    ensure!(proof.starts_with(&[0; 4]), "the tag is not that of a core proof");
    ensure!(
        proof.ends_with(b"\x06\0\0\0\0\0\0\0v6.1.0"),
        "it does not end with the version"
    );
    let recorded = std::fs::read(replay::proof_file(&stock.folder, "core"))?;
    ensure!(proof == recorded, "the bytes are not those that the prover gave");
    Ok(format!(
        "{} bytes of bincode as the prover gave them, no Content-Encoding, sp1_version v6.1.0, decoded by the SDK",
        proof.len()
    ))
}

/// Row 36.
pub(in super::super) async fn panic(stock: &Stock) -> Result<String> {
    let started = Instant::now();
    let (said, details) = unexecutable(stock, "exit-one", &[]).await?;
    details.expect("execute_fail_cause", 1, "HaltWithNonZeroExitCode")?;
    Ok(format!(
        "\"{said:.60}…\" {} s after the client's start; cause 1, execution 3",
        started.elapsed().as_secs()
    ))
}

/// Row 37, through the SDK.
pub(in super::super) async fn limits(stock: &Stock) -> Result<String> {
    let cycles = [
        "--skip-simulation",
        "--cycle-limit",
        "100000",
        "--gas-limit",
        "1000000000",
    ];
    let (_, details) = unexecutable(stock, "spin", &cycles).await?;
    details.expect("execute_fail_cause", 5, "ExceededCycleLimit")?;
    let gas = [
        "--skip-simulation",
        "--cycle-limit",
        "100000000",
        "--gas-limit",
        "10",
        "--stdin-u32",
        "7",
    ];
    let (_, details) = unexecutable(stock, "fibonacci", &gas).await?;
    details.expect("execute_fail_cause", 9, "ExceededGasLimit")?;
    Ok("the SDK, with real executions: causes 5 and 9".to_owned())
}

async fn unexecutable(stock: &Stock, guest: &str, arguments: &[&str]) -> Result<(String, stock::Details)> {
    let client = stock
        .client(guest)
        .with(&["--mode", "core", "--network", "auction"])
        .with(arguments);
    let mut conversation = client.start()?;
    let requested = conversation.wait_for("requested").await?;
    let said = conversation.fail().await?;
    ensure!(said.contains("unexecutable"), "the SDK said {said:?}");
    let details = stock.details(&request_id(&requested)?, "auction").await?;
    details.expect("execution_status", 3, "Unexecutable")?;
    Ok((said, details))
}

/// Rows 42 and 43, through the SDK: details of a request that is pending, cancelled, and of one that is fulfilled.
pub(in super::super) async fn cancel_and_details(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    let held = stock
        .recorded(&url, Some("never"))
        .with(&["--mode", "core", "--network", "auction"]);
    let events = held.with(&["--submit-only"]).run().await?;
    let id = request_id(event(&events, "requested")?)?;
    stock.wait_for_work(2).await?;
    for network in ["auction", "reserved"] {
        stock
            .details(&id, network)
            .await?
            .expect("fulfillment_status", 2, "Assigned")?;
    }
    stock
        .client("fibonacci")
        .with(&["--network", "auction", "--cancel", &id])
        .run()
        .await?;
    for network in ["auction", "reserved"] {
        stock
            .details(&id, network)
            .await?
            .expect("fulfillment_status", 4, "Unfulfillable")?;
    }
    let status = stock.raw()?.status(&id_bytes(&id)?).await?;
    ensure!(
        status.fulfillment_status == UNFULFILLABLE && status.execution_status != UNEXECUTABLE,
        "{status:?}"
    );
    stock.wait_for_work(1).await?;
    Ok("the SDK's cancel: UNFULFILLABLE at once, the prover stops; its details decode in both modes, pending and failed".to_owned())
}

/// Row 43, the rest.
pub(in super::super) async fn details_fulfilled(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    let events = stock
        .recorded(&url, None)
        .with(&["--mode", "core", "--network", "auction"])
        .run()
        .await?;
    let id = request_id(event(&events, "requested")?)?;
    let number = u64::from(FULFILLED.unsigned_abs());
    for network in ["auction", "reserved"] {
        stock
            .details(&id, network)
            .await?
            .expect("fulfillment_status", number, "Fulfilled")?;
    }
    Ok("fulfilled, decoded by SDK 6.10.0 in both modes".to_owned())
}
