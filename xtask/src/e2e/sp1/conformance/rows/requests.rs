//! Rows 20 to 29 as bytes: asking for proofs.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use prost::Message as _;
use tonic::Code;

use crate::e2e::sp1::conformance::{
    mocked::{Mocked, SOON, params},
    raw::{REQUEST_PROOF, Raw, refused},
    wire,
};

/// Requests at once.
const AT_ONCE: usize = 50;
/// The largest price that a client of a debug build can multiply: its buffer of 120 percent, then 1e9 in 64 bits.
const PRICE_MAX: u64 = 15_372_286_728;

/// Row 20.
pub(in super::super) async fn private(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let stdin_uri = client.upload(wire::PRIVATE_STDIN, mocked.stdin("")).await?;
    let base = wire::BaseBody {
        stdin_private: true,
        stdin_uri,
        ..mocked.base(&client, "").await?
    };
    let id = client.request(&base).await.context("field 12 as a number")?;
    client.wait_fulfilled(&id, SOON).await?;
    let stdin_uri = client.upload(wire::PRIVATE_STDIN, mocked.stdin("")).await?;
    let auction = wire::AuctionBody {
        stdin_private: true,
        stdin_uri,
        ..mocked.auction(&client, "").await?
    };
    let id = client.request(&auction).await.context("field 12 as bytes")?;
    ensure!(
        client.details(&id).await?.stdin_private,
        "the details do not say that the input is private"
    );
    client.wait_fulfilled(&id, SOON).await?;
    Ok("base with field 12 as a number, auction with field 12 as bytes: both proved".to_owned())
}

/// Row 21.
pub(in super::super) async fn terms(mocked: &Mocked) -> Result<String> {
    let found = params(&mocked.client()?).await?;
    for address in [&found.auctioneer, &found.executor, &found.verifier, &found.treasury] {
        ensure!(address.len() == 20, "an address of {} bytes", address.len());
    }
    let price: u64 = found.max_price_per_pgu.parse().context("max_price_per_pgu")?;
    let fee: u64 = found.base_fee.parse().context("base_fee")?;
    ensure!(found.domain.len() == 32, "a domain of {} bytes", found.domain.len());
    ensure!(
        price <= PRICE_MAX && fee <= PRICE_MAX,
        "a debug build would overflow: price {price}, fee {fee}"
    );
    let buffered = price.checked_mul(120).map(|price| price / 100);
    ensure!(
        buffered.and_then(|price| price.checked_mul(1_000_000_000)).is_some(),
        "the client's own arithmetic overflows"
    );
    Ok(format!(
        "four addresses of 20 bytes, price {price}, fee {fee}; the client's checked arithmetic does not overflow"
    ))
}

/// Row 22.
pub(in super::super) async fn provers(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    for flag in [0, 1] {
        let asked = wire::OneNumber { value: flag };
        let reply: wire::OneBytes = client.call("/network.ProverNetwork/GetProversByUptime", &asked).await?;
        ensure!(reply.value.is_empty(), "flag {flag} names provers");
    }
    Ok("OK and empty for both flags".to_owned())
}

/// Row 23.
pub(in super::super) async fn lengths(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    // Checked by the client itself for every request of this run.
    let base = client.request(&mocked.base(&client, "").await?).await?;
    let auction = client.request(&mocked.auction(&client, "").await?).await?;
    Ok(format!(
        "32 bytes each in both schemas: 0x{}…, 0x{}…",
        hex::encode(&base[..4]),
        hex::encode(&auction[..4])
    ))
}

/// Row 24: each release's own body and signature is understood and its tampered twin is not. Releases of other circuits
/// are refused for their version, after their signature was accepted.
pub(in super::super) async fn signatures(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let mut shown = Vec::new();
    for (release, version, v, served) in [
        ("4.2.1", "sp1-v4.0.0-rc.3", 27, false),
        ("5.0.7", "sp1-v5.0.0", 0, false),
        ("5.2.4", "sp1-v5.0.0", 27, false),
        ("6.1.0", "sp1-v6.1.0", 27, true),
        ("6.10.0", "sp1-v6.1.0", 27, true),
    ] {
        let body = body_of(mocked, &client, release, version).await?;
        let mut tampered = body.clone();
        let last = tampered.len() - 1;
        tampered[last] ^= 1;
        let signature = client.sign(&body, v);
        let envelope = wire::Envelope {
            format: 1,
            signature,
            body: Some(tampered),
        };
        let answer = client.call::<wire::SignedReply>(REQUEST_PROOF, &envelope).await;
        refused(answer, Code::Unauthenticated).with_context(|| format!("{release}, tampered"))?;
        let answer = client.request_signed(body, v).await;
        if served {
            answer.with_context(|| release.to_owned())?;
            shown.push(format!("{release} accepted"));
        } else {
            refused(answer, Code::FailedPrecondition).with_context(|| release.to_owned())?;
            shown.push(format!("{release} recognised, refused for its circuits only"));
        }
    }
    Ok(shown.join(", "))
}

/// A body with the fields that a release sends, and with its kind of upload.
async fn body_of(mocked: &Mocked, client: &Raw, release: &str, version: &str) -> Result<Vec<u8>> {
    let plain = mocked.stdin("");
    let body = if release.starts_with('6') {
        zstd::encode_all(plain.as_slice(), 3)?
    } else {
        plain
    };
    let stdin_uri = client.upload(wire::STDIN, body).await?;
    let version = version.to_owned();
    // Up to 5.0 there is one schema; 5.2.4 and 6.x in Mainnet mode send the auction's.
    if release.starts_with("4.") || release.starts_with("5.0") {
        let min_auction_period = u64::from(release.starts_with("5."));
        let base = mocked.base(client, "").await?;
        return Ok(wire::BaseBody {
            version,
            stdin_uri,
            min_auction_period,
            ..base
        }
        .encode_to_vec());
    }
    let auction = mocked.auction(client, "").await?;
    Ok(wire::AuctionBody {
        version,
        stdin_uri,
        ..auction
    }
    .encode_to_vec())
}

/// Row 25, as bytes.
pub(in super::super) async fn tampered(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let body = mocked.base(&client, "").await?.encode_to_vec();
    let signature = client.sign(&body, 27);
    let mut damaged = Vec::new();
    for at in [0, 31, 32, 63] {
        let mut other = signature.clone();
        other[at] ^= 1;
        damaged.push((other, body.clone(), "a signature"));
    }
    damaged.push((signature[..64].to_vec(), body.clone(), "a short signature"));
    damaged.push((Vec::new(), body.clone(), "no signature"));
    let mut other = body.clone();
    other[1] ^= 1;
    damaged.push((signature, other, "a body"));
    let count = damaged.len();
    for (signature, body, what) in damaged {
        let envelope = wire::Envelope {
            format: 1,
            signature,
            body: Some(body),
        };
        let answer = client.call::<wire::SignedReply>(REQUEST_PROOF, &envelope).await;
        refused(answer, Code::Unauthenticated).context(what)?;
    }
    Ok(format!(
        "{count} damaged envelopes: Unauthenticated, which no client repeats"
    ))
}

/// Row 26, as bytes: the network has the request, and the client does not know.
pub(in super::super) async fn lost_reply(mocked: &Mocked) -> Result<String> {
    let client = mocked.client_with(26)?;
    let mut body = mocked.base(&client, "prove_ms=600000").await?;
    let proxy = mocked.cluster.grpc_proxy();
    let lost_before = proxy.replies_lost();
    proxy.lose_next_reply();
    let first = client.request(&body).await;
    ensure!(
        first.is_err() && proxy.replies_lost() == lost_before + 1,
        "the reply was to be lost: {first:?}"
    );
    body.nonce = client.nonce().await?;
    let again = client.request(&body).await?;
    body.nonce += 1;
    let third = client.request(&body).await?;
    ensure!(again == third, "two repetitions got two ids");
    let filter = wire::Filter {
        requester: Some(client.address()),
        ..wire::Filter::default()
    };
    let listed = client.list(&filter).await?;
    ensure!(
        listed.len() == 1 && listed[0].request_id == again,
        "{} requests are listed",
        listed.len()
    );
    client.cancel(&again).await?;
    mocked.wait_until_idle().await?;
    Ok(
        "first reply swallowed at a proxy; two repetitions with new nonces got one id, one request is listed"
            .to_owned(),
    )
}

/// Row 27.
pub(in super::super) async fn at_once(mocked: &Mocked) -> Result<String> {
    let client = mocked.client_with(27)?;
    let started = Instant::now();
    let asks = (0..AT_ONCE).map(|_| async {
        let body = mocked.base(&client, "").await?;
        anyhow::Ok(client.request(&body).await?)
    });
    let ids: BTreeSet<Vec<u8>> = try_join_all(asks).await?.into_iter().collect();
    ensure!(ids.len() == AT_ONCE, "{} ids for {AT_ONCE} requests", ids.len());
    let took = started.elapsed();
    for id in &ids {
        client.wait_fulfilled(id, SOON).await?;
    }
    Ok(format!(
        "{AT_ONCE} uploads and requests accepted in {:.1} s, all fulfilled",
        took.as_secs_f64()
    ))
}

/// Row 28.
pub(in super::super) async fn versions(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let mut said = String::new();
    for version in [
        "sp1-v6.0.0",
        "sp1-v5.0.0",
        "sp1-v4.0.0-rc.3",
        "v6.1.0",
        "",
        "garbage\u{7}",
    ] {
        let body = wire::BaseBody {
            version: version.to_owned(),
            ..mocked.base(&client, "").await?
        };
        let started = Instant::now();
        said =
            refused(client.request(&body).await, Code::FailedPrecondition).with_context(|| format!("{version:?}"))?;
        ensure!(
            said.contains("sp1-v6.1.0"),
            "the refusal of {version:?} does not name the supported version: {said}"
        );
        ensure!(started.elapsed() < SOON, "the refusal took long");
    }
    Ok(format!("six others refused at once, the last with \"{said:.90}…\""))
}

/// Row 29.
pub(in super::super) async fn unregistered(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let body = wire::BaseBody {
        vk_hash: vec![0x29; 32],
        ..mocked.base(&client, "").await?
    };
    let said = refused(client.request(&body).await, Code::FailedPrecondition)?;
    Ok(format!("FailedPrecondition, which no client repeats: \"{said:.60}…\""))
}
