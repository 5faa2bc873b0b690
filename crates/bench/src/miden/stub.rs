//! A worker that dials in and has its proofs already. Many of them share this process; each has the worker link's own thread.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use hierophant_core::{PROOF_LABEL, TOOLCHAIN_LABEL};
use hierophant_domain::WorkerId;
use hierophant_worker_link::{
    client::{ClientSettings, Event, Lease, Link, Report},
    proto,
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc::Receiver, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::network::{KIND, SYSTEM, TOOLCHAIN};
use crate::worker::nanoseconds;

/// Proofs by the SHA-256 of their witness. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proofs(Arc<Mutex<HashMap<Vec<u8>, Known>>>);

/// A proof, and how long it takes.
type Known = (Bytes, Duration);

impl Proofs {
    /// From now on a witness is answered with this proof, after so long.
    pub(crate) fn know(&self, witness: &[u8], proof: Bytes, takes: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(Sha256::digest(witness).to_vec(), (proof, takes));
    }

    /// What there is for the witness of this hash.
    pub(crate) fn of(&self, sha256: &[u8]) -> Result<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(sha256).cloned().context("a witness came that was not sent")
    }
}

/// One proof by a stub: of which request, and when it came and was answered, in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) request: String,
    pub(crate) came: u64,
    pub(crate) answered: u64,
}

/// A worker of one slot that holds nothing beyond.
#[derive(Debug)]
pub(crate) struct Stub {
    stop: CancellationToken,
    ended: JoinHandle<Result<Vec<Seen>>>,
}

impl Stub {
    /// Dials the coordinator at this URL.
    pub(crate) fn start(grpc: &str, name: &str, proofs: Proofs) -> Result<Self> {
        let settings = ClientSettings {
            coordinator: grpc.to_owned(),
            token: None,
            ca_certificate: None,
            worker: WorkerId(Uuid::new_v4()),
            name: name.to_owned(),
            version: "bench".to_owned(),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(1),
        };
        let (link, events) = Link::start(settings, capabilities(), Vec::new(), &[])?;
        let stop = CancellationToken::new();
        let working = work(link, events, proofs, stop.clone());
        Ok(Self {
            stop,
            ended: tokio::spawn(working),
        })
    }

    /// Stops it; what it did, in order.
    pub(crate) async fn finish(self) -> Result<Vec<Seen>> {
        self.stop.cancel();
        self.ended.await?
    }
}

async fn work(link: Link, mut events: Receiver<Event>, proofs: Proofs, stop: CancellationToken) -> Result<Vec<Seen>> {
    let (http, mut seen) = (hierophant_testkit::http_client(), Vec::new());
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.cancelled() => break,
        };
        match event {
            Some(Event::Lease(lease)) => {
                let came = nanoseconds();
                link.running(lease.token).await;
                let (proof, takes) = proofs.of(witness_hash(&lease)?)?;
                tokio::time::sleep(takes).await;
                let result = result(&http, &lease, proof).await?;
                link.report(lease.token, Report::Done(result)).await;
                seen.push(Seen {
                    request: lease.request.to_string(),
                    came,
                    answered: nanoseconds(),
                });
            }
            // One that is revoked was begun all the same.
            Some(Event::Connected(_) | Event::Acknowledged(_) | Event::Revoked(..)) => {}
            Some(Event::Disconnected(why) | Event::Refused(why)) => bail!("a stub: {why}"),
            None => bail!("the link ended by itself"),
        }
    }
    link.drain().await;
    link.close().await;
    Ok(seen)
}

fn witness_hash(lease: &Lease) -> Result<&[u8]> {
    let input = lease.rest.inputs.iter().find(|input| input.name == "witness");
    Ok(&input.context("a lease without a witness")?.sha256)
}

/// As the worker program does it: within the report what is small, else uploaded before.
async fn result(http: &reqwest::Client, lease: &Lease, proof: Bytes) -> Result<proto::Result> {
    let at = if proof.len() as u64 <= lease.rest.inline_bytes {
        proto::output::At::Inline(proof.to_vec())
    } else {
        let id = Uuid::now_v7();
        let url = format!("{}/{id}", lease.rest.upload_url.trim_end_matches('/'));
        let put = http.put(url).bearer_auth(&lease.rest.upload_token).body(proof);
        let answer = put.send().await?;
        ensure!(
            answer.status().is_success(),
            "the proof was not taken: {}",
            answer.text().await?
        );
        proto::output::At::ArtifactId(id.into_bytes().to_vec())
    };
    Ok(proto::Result {
        outputs: vec![proto::Output {
            name: "proof".to_owned(),
            at: Some(at),
        }],
        proving_ms: 1,
        ..Default::default()
    })
}

fn capabilities() -> proto::Capabilities {
    proto::Capabilities {
        kinds: vec![proto::Capability {
            role: "prove".to_owned(),
            system: SYSTEM.to_owned(),
            kind: KIND.as_str().to_owned(),
            labels: [(TOOLCHAIN_LABEL, TOOLCHAIN), (PROOF_LABEL, "real")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..Default::default()
        }],
        memory_bytes: 1 << 30,
        shared_memory_bytes: 0,
        slots: 1,
        prefetch: 0,
    }
}
