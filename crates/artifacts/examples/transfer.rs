//! Measures how fast blobs are stored beside a plain write and sync, and how much memory a transfer takes.
//!
//! `cargo run --release --example transfer -- [MiB] [directory]`: stores as many MiB (512 unless told) five times in turn
//! with plain writes of 1 MiB, then sends them over HTTP on this machine both ways, with client and server in this process.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use hierophant_artifacts::{
    BlobSettings, BlobStore, Durability, NewBlob, Stored,
    client::{Expected, Retry, Source, TransferClient, http_client},
    http::{Credential, Denied, Gate, HttpLimits, PutPermit, router},
};
use hierophant_domain::ArtifactId;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use uuid::Uuid;

const MIB: usize = 1024 * 1024;
const ROUNDS: usize = 5;

/// Lets everything in and remembers the last blob.
#[derive(Default)]
struct OpenGate(Mutex<Option<Stored>>);

#[async_trait]
impl Gate for OpenGate {
    async fn may_put(&self, _: ArtifactId, _: &Credential) -> Result<PutPermit, Denied> {
        Ok(PutPermit {
            limit_bytes: u64::MAX,
            durability: Durability::Durable,
            already: None,
        })
    }

    async fn stored(&self, _: ArtifactId, _: &Credential, stored: Stored) -> Result<(), Denied> {
        *self.0.lock().expect("nobody panics with it") = Some(stored);
        Ok(())
    }

    async fn may_get(&self, _: ArtifactId, _: &Credential) -> Result<Stored, Denied> {
        let stored = *self.0.lock().expect("nobody panics with it");
        stored.ok_or_else(|| Denied::NotFound("upload first".into()))
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for people")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mib: usize = arguments
        .next()
        .map_or(Ok(512), |text| text.parse())
        .context("the first argument is a number")?;
    let below = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let directory = tempfile::tempdir_in(below)?;
    let root = directory.path().join("artifacts");
    let blobs = BlobStore::open(BlobSettings {
        root,
        min_free_bytes: 0,
    })
    .await?;
    let chunk = Bytes::from((0..=250_u8).cycle().take(MIB).collect::<Vec<u8>>());

    for round in 1..=ROUNDS {
        let plain = plain_write(&directory.path().join("plain"), &chunk, mib)?;
        let stored = store(&blobs, &chunk, mib).await?;
        let hash = hash(&chunk, mib);
        println!(
            "round {round}: plain write and sync {plain:.0} MiB/s, SHA-256 alone {hash:.0} MiB/s, stored {stored:.0} MiB/s"
        );
    }
    transfer(blobs, directory.path(), &chunk, mib).await
}

fn speed(mib: usize, start: Instant) -> f64 {
    f64::from(u32::try_from(mib).expect("less than 4 PiB")) / start.elapsed().as_secs_f64()
}

fn plain_write(path: &Path, chunk: &[u8], mib: usize) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut file = File::create(path)?;
    for _ in 0..mib {
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    let speed = speed(mib, start);
    std::fs::remove_file(path)?;
    Ok(speed)
}

/// What no store that hashes on one thread can exceed.
fn hash(chunk: &[u8], mib: usize) -> f64 {
    let start = Instant::now();
    let mut hasher = Sha256::new();
    (0..mib).for_each(|_| hasher.update(chunk));
    std::hint::black_box(hasher.finalize());
    speed(mib, start)
}

async fn store(blobs: &BlobStore, chunk: &Bytes, mib: usize) -> anyhow::Result<f64> {
    let id = ArtifactId(Uuid::new_v4());
    let new = NewBlob {
        id,
        durability: Durability::Durable,
        limit_bytes: u64::MAX,
        announced_bytes: None,
    };
    // As the network would bring it.
    let pieces = (0..mib * 4).map(|_| Ok::<_, std::io::Error>(chunk.slice(..MIB / 4)));
    let start = Instant::now();
    blobs.put_stream(new, stream::iter(pieces)).await?;
    let speed = speed(mib, start);
    blobs.delete(id).await?;
    Ok(speed)
}

#[expect(clippy::print_stdout, reason = "a program for people")]
async fn transfer(blobs: BlobStore, directory: &Path, chunk: &[u8], mib: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/artifacts/{}", listener.local_addr()?, Uuid::new_v4());
    let routes = router(Arc::new(OpenGate::default()), blobs, HttpLimits::default());
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = TransferClient::new(http_client()?, Retry::default());
    let sent = directory.join("sent");
    let mut file = File::create(&sent)?;
    for _ in 0..mib {
        file.write_all(chunk)?;
    }

    let before = peak_memory_kib()?;
    let start = Instant::now();
    let stored = client.upload(&url, None, Source::File(sent)).await?;
    println!(
        "upload: {:.0} MiB/s, the file read twice by the client",
        speed(mib, start)
    );
    let start = Instant::now();
    let expected = Expected {
        size: Some(stored.size),
        sha256: Some(stored.sha256),
        limit_bytes: stored.size,
    };
    client.download(&url, &directory.join("received"), expected).await?;
    println!("download: {:.0} MiB/s, not synced by the client", speed(mib, start));
    let grown = peak_memory_kib()? - before;
    println!("peak memory of client and server together grew by {grown} KiB for {mib} MiB each way");
    serving.abort();
    Ok(())
}

/// The most memory that this process ever had, in KiB.
fn peak_memory_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("Linux says VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
