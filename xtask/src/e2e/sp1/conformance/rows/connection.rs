//! Rows 2 to 4: how clients connect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use hierophant_testkit::try_wait_until;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

use crate::e2e::sp1::conformance::{
    mocked::{Mocked, SOON},
    raw::{ASSIGNED, Raw},
    wire,
};

/// Time between two looks of an SDK at a status.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Looks that one client takes in an hour.
const POLLS_OF_AN_HOUR: u32 = 1800;
/// Sockets that may be left after polling, for what else the coordinator does.
const SOCKETS_BESIDE: usize = 16;

/// Row 2.
pub(in super::super) async fn one_url(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    client.announce(wire::STDIN, 54).await?;
    client.nonce().await?;
    Ok(
        "CreateArtifact and GetNonce on one connection, asked with gzip and zstd accepted, answered uncompressed"
            .to_owned(),
    )
}

/// Row 3: a channel as the SDK sets it up, idle for a while; the next call must go over the same connection.
pub(in super::super) async fn idle(mocked: &Mocked, long: bool) -> Result<String> {
    let idle = if long {
        Duration::from_mins(10)
    } else {
        Duration::from_mins(1)
    };
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let address = mocked.cluster.grpc_proxy().address();
    // The SDK's own settings from 6.2.4 on.
    let channel = Endpoint::from_shared(mocked.cluster.grpc_url())?
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(15))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .connect_with_connector_lazy(tower::service_fn(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { TcpStream::connect(address).await.map(TokioIo::new) }
        }));
    let client = mocked.client()?.on(channel);
    client.nonce().await?;
    tokio::time::sleep(idle).await;
    client.nonce().await?;
    let connections = connections.load(Ordering::SeqCst);
    ensure!(
        connections == 1,
        "the idle connection was lost: {connections} were made"
    );
    let form = if long {
        ""
    } else {
        " (short form: --long takes 10 minutes)"
    };
    Ok(format!(
        "{} s idle with the SDK's pings every 15 s, next call on the same connection{form}",
        idle.as_secs()
    ))
}

/// Row 4: a connection for each call, as SDK 5.2.4 and 6.1.0 have it.
pub(in super::super) async fn connection_per_call(mocked: &mut Mocked, long: bool) -> Result<String> {
    let client = mocked.client()?;
    let id = client
        .request(&mocked.base(&client, "prove_ms=10000000").await?)
        .await?;
    let poller = Raw::per_call(&mocked.cluster.grpc_url(), 1, &mocked.ledger)?;
    let coordinator = mocked.cluster.coordinator().process().pid();
    let before = open_files(coordinator);
    for poll in 0..POLLS_OF_AN_HOUR {
        let status = poller.status(&id).await?;
        ensure!(
            status.fulfillment_status == ASSIGNED,
            "poll {poll} was answered {status:?}"
        );
        if long {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    let after = try_wait_until("the end of the pollers' connections", SOON, async || {
        let now = open_files(coordinator);
        if now <= before + SOCKETS_BESIDE {
            Ok(now)
        } else {
            Err(format!("{now} files open, {before} before"))
        }
    })
    .await?;
    client.cancel(&id).await?;
    mocked.wait_until_idle().await?;
    let form = if long {
        "in an hour"
    } else {
        "as fast as they go (short form: --long takes an hour)"
    };
    Ok(format!(
        "{POLLS_OF_AN_HOUR} polls, a connection each, {form}; the coordinator's open files: {before} before, {after} after"
    ))
}

/// Open files of a process, sockets among them.
fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}
