//! A worker process for load: speaks the real worker link over TCP and answers every lease at once with the same small proof.
//! It ends when its standard input does, so that it cannot outlive whoever started it.

use std::{
    io::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use hierophant_core::{PROOF_LABEL, TOOLCHAIN_LABEL};
use hierophant_domain::WorkerId;
use hierophant_worker_link::{
    client::{ClientSettings, Event, Link, Report},
    proto,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use crate::made_up;

/// Bytes of one record of `--times`: the request's id, and when its lease was here, in nanoseconds since 1970.
pub(crate) const RECORD_BYTES: usize = 24;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The coordinator's gRPC.
    #[arg(long)]
    coordinator: String,
    /// Tasks at a time.
    #[arg(long)]
    slots: u32,
    /// Leases held beyond those.
    #[arg(long)]
    prefetch: u32,
    /// Where it writes when which request's lease came.
    #[arg(long)]
    times: Option<PathBuf>,
}

/// Works until standard input ends.
pub(crate) async fn run(args: Args) -> Result<()> {
    let settings = ClientSettings {
        coordinator: args.coordinator,
        token: None,
        ca_certificate: None,
        worker: WorkerId(Uuid::new_v4()),
        name: format!("bench-{}", std::process::id()),
        version: "bench".to_owned(),
        reconnect_min: Duration::from_millis(100),
        reconnect_max: Duration::from_secs(1),
    };
    let (link, mut events) = Link::start(settings, capabilities(args.slots, args.prefetch), Vec::new(), &[])?;
    let mut stdin = tokio::io::stdin();
    let result = result();
    let mut times = Vec::new();
    let mut byte = [0];
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = stdin.read(&mut byte) => break,
        };
        match event {
            Some(Event::Lease(lease)) => {
                if args.times.is_some() {
                    times.extend_from_slice(lease.request.as_bytes());
                    times.extend_from_slice(&nanoseconds().to_le_bytes());
                }
                link.report(lease.token, Report::Done(result.clone())).await;
            }
            Some(Event::Connected(_) | Event::Acknowledged(_)) => {}
            Some(Event::Disconnected(why) | Event::Refused(why) | Event::Revoked(_, why)) => {
                let _ = writeln!(std::io::stderr(), "bench worker: {why}");
            }
            None => bail!("the link ended by itself"),
        }
    }
    if let Some(file) = args.times {
        std::fs::write(&file, times).with_context(|| format!("cannot write {}", file.display()))?;
    }
    link.drain().await;
    link.close().await;
    Ok(())
}

/// Nanoseconds since 1970: the one clock that all processes of a machine share.
pub(crate) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn capabilities(slots: u32, prefetch: u32) -> proto::Capabilities {
    proto::Capabilities {
        kinds: vec![proto::Capability {
            role: "prove".to_owned(),
            system: made_up::SYSTEM.to_owned(),
            kind: made_up::KIND.to_owned(),
            labels: [(TOOLCHAIN_LABEL, made_up::TOOLCHAIN), (PROOF_LABEL, "real")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..Default::default()
        }],
        memory_bytes: 1 << 30,
        shared_memory_bytes: 0,
        slots,
        prefetch,
    }
}

fn result() -> proto::Result {
    let output = |name: &str, bytes: Vec<u8>| proto::Output {
        name: name.to_owned(),
        at: Some(proto::output::At::Inline(bytes)),
    };
    proto::Result {
        outputs: vec![
            output(
                "proof",
                made_up::proof(made_up::SYSTEM, made_up::KIND, made_up::TOOLCHAIN),
            ),
            output("public_values", made_up::PUBLIC_VALUES.to_vec()),
        ],
        cycles: Some(1000),
        proving_ms: 1,
        public_values_sha256: Sha256::digest(made_up::PUBLIC_VALUES).to_vec(),
        ..Default::default()
    }
}
