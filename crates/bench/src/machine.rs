//! What the machine itself can do: durable appends on the disk of the temporary folder, and exchanges over loopback. Measured
//! anew before each benchmark, because a shared machine is never twice the same.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{net::TcpListener as AsyncListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::figure::{Target, figure, heading, per_second, say};

/// For how long each figure is measured.
const SPAN: Duration = Duration::from_millis(700);
/// Bytes of one append.
const APPEND: usize = 4096;
/// Appends under one fsync, as a group commit has them.
const GROUP: u64 = 64;
/// Connections and calls in flight on each, for the empty gRPC calls: as the benchmarks have them.
const CONNECTIONS: usize = 4;
const LANES: usize = 32;

/// Its figures, all per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Appends of 4 KiB by one thread, each with an fsync.
    pub(crate) fsync_single: f64,
    /// Appends of 4 KiB with an fsync for each 64.
    pub(crate) fsync_group: f64,
    /// One byte there and back between two threads.
    pub(crate) ping_pong: f64,
    /// Empty unary gRPC calls, client and server on the cores that the benchmarks have.
    pub(crate) unary: f64,
}

impl Machine {
    /// Measures, for about three seconds.
    pub(crate) async fn measure() -> Result<Self> {
        let disk = tokio::task::spawn_blocking(|| Ok::<_, anyhow::Error>((appends(1)?, appends(GROUP)?, ping_pong()?)));
        let (fsync_single, fsync_group, ping_pong) = disk.await??;
        let measured = Self {
            fsync_single,
            fsync_group,
            ping_pong,
            unary: unary().await?,
        };
        say(&format!(
            "   this machine now: {:.0} fsync/s, {:.0} appends/s in groups of {GROUP}, {:.0} TCP ping-pongs/s, {:.0} empty gRPC \
             calls/s",
            measured.fsync_single, measured.fsync_group, measured.ping_pong, measured.unary
        ));
        Ok(measured)
    }
}

/// Prints what there is.
pub(crate) async fn run() -> Result<()> {
    heading("The machine");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    say(&format!("   {cores} cores"));
    let machine = Machine::measure().await?;
    figure(
        "appends of 4 KiB with an fsync each",
        machine.fsync_single,
        "/s",
        Target::None,
    );
    figure(
        "appends of 4 KiB, one fsync for 64",
        machine.fsync_group,
        "/s",
        Target::None,
    );
    figure("TCP ping-pong of one byte", machine.ping_pong, "/s", Target::None);
    figure(
        "empty gRPC calls, client and server here",
        machine.unary,
        "/s",
        Target::None,
    );
    Ok(())
}

fn appends(group: u64) -> Result<f64> {
    let mut file: File = tempfile::tempfile()?;
    let block = [7_u8; APPEND];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < SPAN {
        for _ in 0..group {
            file.write_all(&block)?;
        }
        file.sync_data()?;
        count += group;
    }
    Ok(per_second(count, begun.elapsed()))
}

fn ping_pong() -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut here = TcpStream::connect(listener.local_addr()?)?;
    let (mut there, _) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut byte = [0];
        while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
    });
    let (begun, mut count, mut byte) = (Instant::now(), 0, [1]);
    while begun.elapsed() < SPAN {
        here.write_all(&byte)?;
        here.read_exact(&mut byte)?;
        count += 1;
    }
    let rate = per_second(count, begun.elapsed());
    drop(here);
    let _ = echo.join();
    Ok(rate)
}

async fn unary() -> Result<f64> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    let listener = AsyncListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(
        tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(health)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let (begun, mut lanes) = (Instant::now(), JoinSet::new());
    for _ in 0..CONNECTIONS {
        let client = HealthClient::new(Endpoint::from_shared(url.clone())?.tcp_nodelay(true).connect().await?);
        for _ in 0..LANES {
            let mut client = client.clone();
            lanes.spawn(async move {
                let mut count = 0_u64;
                while begun.elapsed() < SPAN {
                    client.check(HealthCheckRequest::default()).await?;
                    count += 1;
                }
                Ok::<_, tonic::Status>(count)
            });
        }
    }
    let mut count = 0;
    for lane in lanes.join_all().await {
        count += lane?;
    }
    let rate = per_second(count, begun.elapsed());
    server.abort();
    Ok(rate)
}
