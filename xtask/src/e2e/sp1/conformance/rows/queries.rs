//! Rows 43 to 47 as bytes: details, listings, balances.

use alloy_primitives::U256;
use anyhow::{Context, Result, bail, ensure};
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, skip_field},
};
use tonic::Code;

use crate::e2e::sp1::conformance::{
    mocked::{BALANCE, Mocked, SOON},
    raw::{DETAILS, FULFILLED, LIST, Raw, refused},
    wire,
};

/// gRPC clients take replies up to this size.
const REPLY_BYTES_MAX: usize = 4 << 20;
/// Rows of the largest page.
const PAGE: usize = 100;
/// Addresses in the largest whitelist that is taken.
const WHITELIST: usize = 256;

/// Row 43 as bytes: details in each state, decoded with both schemas.
pub(in super::super) async fn schemas(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let pending = client
        .request(&mocked.auction(&client, "prove_ms=10000000").await?)
        .await?;
    let failed = client.request(&mocked.base(&client, "exit_code=1").await?).await?;
    client.wait(&failed, SOON).await?;
    let fulfilled = client.request(&mocked.base(&client, "").await?).await?;
    client.wait_fulfilled(&fulfilled, SOON).await?;
    for (id, status) in [(&pending, 2), (&failed, 4), (&fulfilled, FULFILLED)] {
        let base = client
            .base_details(id)
            .await
            .context("as SDK 5.2.4 and 6.4.0 decode it in Reserved mode")?;
        let auction = client
            .details(id)
            .await
            .context("as SDK 6.0 to 6.3 decode it in every mode")?;
        ensure!(
            base.fulfillment_status == status && auction.fulfillment_status == status,
            "{auction:?}"
        );
        let reply = client
            .send(DETAILS, wire::OneBytes { value: id.clone() }.encode_to_vec())
            .await?;
        let numbers = fields(&message_in(&reply)?)?;
        ensure!(
            !numbers.contains(&34) && !numbers.contains(&35),
            "fields 34 or 35 are there: {numbers:?}"
        );
    }
    client.cancel(&pending).await?;
    mocked.wait_until_idle().await?;
    Ok("pending, failed and fulfilled decode with both schemas; no field 34 or 35".to_owned())
}

/// The message in field 1 of a message.
fn message_in(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(wire::OneBytes::decode(bytes)?.value)
}

/// The field numbers of a message.
fn fields(mut bytes: &[u8]) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        let (number, wire_type): (u32, WireType) = decode_key(&mut bytes)?;
        skip_field(wire_type, number, &mut bytes, DecodeContext::default())?;
        numbers.push(number);
    }
    Ok(numbers)
}

/// Row 44.
pub(in super::super) async fn complete(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let before = super::super::raw::now();
    let id = client
        .request(&mocked.base(&client, "cycles=1234,gas=5678").await?)
        .await?;
    client.wait_fulfilled(&id, SOON).await?;
    let details = client.details(&id).await?;
    let in_time = (before..=before + SOON.as_secs()).contains(&details.created_at);
    ensure!(
        in_time && details.deadline > before && details.fulfillment_status == FULFILLED,
        "{details:?}"
    );
    ensure!(
        details.cycles == Some(1234) && details.gas_used == Some(5678),
        "{:?} {:?}",
        details.cycles,
        details.gas_used
    );
    Ok("created_at, fulfillment_status, cycles 1234, gas_used 5678, deadline".to_owned())
}

/// Row 45.
pub(in super::super) async fn filters(mocked: &Mocked) -> Result<String> {
    let client = mocked.client_with(45)?;
    mocked.register(&client, 0x45).await?;
    let mut ids = Vec::new();
    for (vk_hash, script) in [(0xab, ""), (0xab, "exit_code=1"), (0x45, "")] {
        let body = wire::BaseBody {
            vk_hash: vec![vk_hash; 32],
            ..mocked.base(&client, script).await?
        };
        let id = client.request(&body).await?;
        client.wait(&id, SOON).await?;
        ids.push(id);
    }
    let mine = wire::Filter {
        requester: Some(client.address()),
        ..wire::Filter::default()
    };
    let created = client.details(&ids[0]).await?.created_at;
    let last = client.details(&ids[2]).await?.created_at;
    for (what, filter, expected) in [
        ("requester", mine.clone(), vec![2, 1, 0]),
        (
            "status",
            wire::Filter {
                fulfillment_status: Some(4),
                ..mine.clone()
            },
            vec![1],
        ),
        (
            "execution",
            wire::Filter {
                execution_status: Some(3),
                ..mine.clone()
            },
            vec![1],
        ),
        (
            "cause",
            wire::Filter {
                execute_fail_cause: Some(1),
                ..mine.clone()
            },
            vec![1],
        ),
        (
            "vk_hash",
            wire::Filter {
                vk_hash: Some(vec![0x45; 32]),
                ..mine.clone()
            },
            vec![2],
        ),
        (
            "version",
            wire::Filter {
                version: Some("sp1-v6.1.0".to_owned()),
                ..mine.clone()
            },
            vec![2, 1, 0],
        ),
        (
            "other version",
            wire::Filter {
                version: Some("sp1-v5.0.0".to_owned()),
                ..mine.clone()
            },
            vec![],
        ),
        (
            "from and to",
            wire::Filter {
                from: Some(created),
                to: Some(last + 1),
                ..mine.clone()
            },
            vec![2, 1, 0],
        ),
        (
            "to before",
            wire::Filter {
                to: Some(created),
                ..mine.clone()
            },
            vec![],
        ),
        (
            "from after",
            wire::Filter {
                from: Some(last + 1),
                ..mine.clone()
            },
            vec![],
        ),
        (
            "limit",
            wire::Filter {
                limit: Some(2),
                ..mine.clone()
            },
            vec![2, 1],
        ),
        (
            "page 1",
            wire::Filter {
                limit: Some(2),
                page: Some(1),
                ..mine.clone()
            },
            vec![2, 1],
        ),
        (
            "page 2",
            wire::Filter {
                limit: Some(2),
                page: Some(2),
                ..mine.clone()
            },
            vec![0],
        ),
        (
            "mode",
            wire::Filter {
                mode: Some(1),
                ..mine.clone()
            },
            vec![],
        ),
    ] {
        let found: Vec<_> = client
            .list(&filter)
            .await?
            .into_iter()
            .map(|request| request.request_id)
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|index: usize| ids[index].clone()).collect();
        ensure!(
            found == expected,
            "{what}: {} rows, {} expected",
            found.len(),
            expected.len()
        );
    }
    let everybody = |limit| wire::Filter {
        limit: Some(limit),
        ..wire::Filter::default()
    };
    let over = match client.list(&everybody(101)).await {
        Ok(rows) if rows.len() <= PAGE => format!("limit 101 gives {} rows", rows.len()),
        Ok(rows) => bail!("limit 101 gave {} rows", rows.len()),
        Err(status) => format!("limit 101 is refused ({:?})", status.code()),
    };
    refused(
        client.list(&wire::Filter { page: Some(0), ..mine }).await,
        Code::InvalidArgument,
    )
    .context("page 0")?;
    Ok(format!(
        "requester, statuses, cause, vk_hash, version, from, to, limit, page, mode; {over}; page 0 refused"
    ))
}

/// Row 46.
pub(in super::super) async fn balance(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let asked = wire::OneBytes {
        value: client.address(),
    };
    let reply: wire::OneText = client.call("/network.ProverNetwork/GetBalance", &asked).await?;
    let amount: U256 = reply.value.parse().context("not a number of 256 bits")?;
    ensure!(amount == U256::MAX && reply.value == BALANCE, "the balance is {amount}");
    Ok("2^256 - 1 comes whole and parses".to_owned())
}

/// Row 47: the largest page of the largest rows, beside the largest reply of the whole run.
pub(in super::super) async fn sizes(mocked: &Mocked) -> Result<String> {
    let client = mocked.client_with(47)?;
    for _ in 0..PAGE {
        large_request(mocked, &client).await?;
    }
    let filter = wire::Filter {
        requester: Some(client.address()),
        limit: Some(100),
        ..wire::Filter::default()
    };
    let page = client.send(LIST, filter.encode_to_vec()).await?;
    let rows = wire::Listing::decode(&page[..])?.requests;
    ensure!(
        rows.len() == PAGE && rows[0].whitelist.len() == WHITELIST,
        "{} rows",
        rows.len()
    );
    let largest = mocked.ledger.told().largest_bytes;
    ensure!(largest < REPLY_BYTES_MAX, "a reply of {largest} bytes");
    Ok(format!(
        "{PAGE} rows with {WHITELIST} addresses each: {} bytes; largest reply so far {largest} bytes",
        page.len()
    ))
}

async fn large_request(mocked: &Mocked, client: &Raw) -> Result<()> {
    let whitelist = (0..WHITELIST).map(|_| vec![0xff; 20]).collect();
    let body = wire::AuctionBody {
        whitelist,
        ..mocked.auction(client, "").await?
    };
    client.request(&body).await?;
    Ok(())
}
