//! Uploads and downloads of a gibibyte against what `dd` with an fsync reaches on the same disk, and the memory that they take.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use hierophant_core::ports::Clients as _;
use hierophant_domain::{ArtifactId, BlobRef, Name, RequestId};
use uuid::Uuid;

use crate::{
    Options,
    figure::{Target, figure, heading, say},
    host::{self, Host},
    process::{self, OwnChild},
};

const GIB: u64 = 1 << 30;
const MIB: f64 = 1024.0 * 1024.0;
/// Transfers at once for the memory of one.
const AT_ONCE: u64 = 8;
/// Bytes handed to the connection at once by the client.
const PIECE: usize = 256 * 1024;
/// Rounds of each, of which the best counts.
const ROUNDS: usize = 2;
/// Longest that one round may take.
const ROUND_WITHIN: Duration = Duration::from_mins(2);
/// What must be left on the disk.
const FREE_AFTERWARDS: u64 = 2 * GIB;

/// The client's end, in a process of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct MoveArgs {
    /// Where to.
    #[arg(long)]
    url: String,
    /// So many bytes: sent with PUT, or expected of a GET.
    #[arg(long)]
    bytes: u64,
    /// Sends; gets otherwise.
    #[arg(long)]
    put: bool,
}

/// Moves and counts.
pub(crate) async fn move_bytes(args: MoveArgs) -> Result<()> {
    let http = hierophant_testkit::http_client();
    if args.put {
        let piece = Bytes::from(pattern());
        let pieces = args.bytes / PIECE as u64;
        let body = stream::iter((0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
        let request = http.put(&args.url).header("content-length", pieces * PIECE as u64);
        let reply = request.body(reqwest::Body::wrap_stream(body)).send().await?;
        ensure!(reply.status().is_success(), "refused: {}", reply.text().await?);
        return Ok(());
    }
    let reply = http.get(&args.url).send().await?.error_for_status()?;
    let mut pieces = reply.bytes_stream();
    let mut count = 0;
    while let Some(piece) = pieces.next().await {
        count += piece?.len() as u64;
    }
    ensure!(count == args.bytes, "{count} bytes came, not {}", args.bytes);
    Ok(())
}

/// Bytes that no disk takes for nothing.
fn pattern() -> Vec<u8> {
    (0_u32..)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .take(PIECE)
        .collect()
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Transfers: 1 GiB up and down, against dd with fsync");
    let folder = tempfile::tempdir()?;
    let needed = (ROUNDS as u64 * 2 + 2) * GIB + FREE_AFTERWARDS;
    let free = rustix::fs::statvfs(folder.path()).map(|found| found.f_bavail * found.f_frsize)?;
    if free < needed {
        say(&format!(
            "   skipped: {} GiB are needed on the disk, {} GiB are free",
            needed >> 30,
            free >> 30
        ));
        return Ok(());
    }
    let host = Host::start(folder.path(), &host::settings(folder.path(), &options.log)?).await?;
    // First: later the process keeps memory of earlier transfers, and a peak would hide in it.
    let (id, url) = announced(&host).await?;
    let put = peak(&[(url, true)], GIB).await?;
    // With everything that the process takes for the first time, whatever the number of transfers.
    figure("memory of the first PUT", put, "MiB", Target::None);
    let read = host
        .core
        .output_url(RequestId(Uuid::nil()), "any", &BlobRef::Artifact(id));
    figure(
        "memory of one GET",
        peak(&[(read, false)], GIB).await?,
        "MiB",
        Target::AtMost(8.0),
    );
    let mut many = Vec::new();
    for _ in 0..AT_ONCE {
        many.push((announced(&host).await?.1, true));
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = peak(&many, GIB / AT_ONCE).await? / AT_ONCE as f64;
    figure("memory of each of 8 PUTs at once", each, "MiB", Target::AtMost(8.0));
    let (mut disk, mut up, mut down) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        disk = disk.max(dd(folder.path())?);
        let (id, url) = announced(&host).await?;
        up = up.max(timed(&url, true).await?);
        down = down.max(
            timed(
                &host
                    .core
                    .output_url(RequestId(Uuid::nil()), "any", &BlobRef::Artifact(id)),
                false,
            )
            .await?,
        );
        disk = disk.max(dd(folder.path())?);
    }
    figure("dd with fsync", disk, "MiB/s", Target::None);
    figure("PUT, durable when answered", up, "MiB/s", Target::None);
    figure("  of dd", 100.0 * up / disk, "%", Target::AtLeast(80.0));
    figure("GET", down, "MiB/s", Target::None);
    figure("  of dd", 100.0 * down / disk, "%", Target::AtLeast(80.0));
    host.finish().await
}

async fn announced(host: &Host) -> Result<(ArtifactId, String)> {
    let created = host
        .core
        .create_artifact(Host::requester(), Name::literal("input"), false)
        .await?;
    Ok((created.id, created.put_url))
}

/// MiB a second of one transfer of a GiB.
async fn timed(url: &str, put: bool) -> Result<f64> {
    let begun = Instant::now();
    let mut child = start(url, put, GIB)?;
    child.ended(ROUND_WITHIN).await?;
    Ok(1024.0 / begun.elapsed().as_secs_f64())
}

fn start(url: &str, put: bool, bytes: u64) -> Result<OwnChild> {
    let mut arguments = vec![
        "move".to_owned(),
        "--url".to_owned(),
        url.to_owned(),
        "--bytes".to_owned(),
        bytes.to_string(),
    ];
    arguments.extend(put.then(|| "--put".to_owned()));
    OwnChild::start(&arguments)
}

/// How much more memory than before this process has at its highest, in MiB, while transfers run.
async fn peak(transfers: &[(String, bool)], bytes: u64) -> Result<f64> {
    let own = std::process::id();
    process::reset_peak(own)?;
    let before = process::memory_mib(own, "VmRSS");
    let children = transfers
        .iter()
        .map(|(url, put)| start(url, *put, bytes))
        .collect::<Result<Vec<_>>>()?;
    for mut child in children {
        child.ended(ROUND_WITHIN).await?;
    }
    Ok(process::memory_mib(own, "VmHWM") - before)
}

/// MiB a second of `dd` writing a GiB with an fsync at its end.
fn dd(folder: &Path) -> Result<f64> {
    let file = folder.join("dd");
    let begun = Instant::now();
    let output = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M", "count=1024", "conv=fsync"])
        .arg(format!("of={}", file.display()))
        .output()
        .context("dd cannot be run")?;
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "dd failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::remove_file(file)?;
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let mib = GIB as f64 / MIB;
    Ok(mib / took.as_secs_f64())
}
