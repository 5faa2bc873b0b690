//! The two ways in which workers are attached to the port `Workers`, as cases see them.
//!
//! *Streaming*: assignments go to the worker as they come. *Polling*: they wait in a mailbox until the worker asks, the adapter
//! keeps its leases alive, and hours pass before a result comes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use hierophant_core::ports::{Assignment, WorkerBeat, Workers as _};
use hierophant_domain::{LeaseToken, WorkerId, time::Millis};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{
    network::Network,
    wait::{PATIENCE, eventually},
};

/// How long a polling worker proves.
const POLLING_PROOF: Millis = Millis::from_secs(2 * 3600);
/// How often a polling adapter beats for its workers.
const POLLING_BEAT: Millis = Millis::from_secs(60);

/// One worker's end of the port.
#[async_trait]
pub(crate) trait Adapter: Send + Sync + Sized + 'static {
    /// Takes over the channel of a session.
    fn attach(assignments: mpsc::Receiver<Assignment>) -> Self;

    /// What comes next; `None` when the worker has to go.
    async fn next(&mut self) -> Option<Assignment>;

    /// Lets the time pass that a worker of this kind takes for a proof.
    async fn prove(&self, network: &Network, worker: WorkerId, token: LeaseToken);
}

/// Assignments as they come.
#[derive(Debug)]
pub(crate) struct Streaming(mpsc::Receiver<Assignment>);

#[async_trait]
impl Adapter for Streaming {
    fn attach(assignments: mpsc::Receiver<Assignment>) -> Self {
        Self(assignments)
    }

    async fn next(&mut self) -> Option<Assignment> {
        timeout(PATIENCE, self.0.recv())
            .await
            .expect("nothing came from the core")
    }

    async fn prove(&self, network: &Network, worker: WorkerId, token: LeaseToken) {
        beat(network, worker, token).await;
    }
}

/// Assignments in a mailbox.
#[derive(Debug)]
pub(crate) struct Polling {
    mailbox: Arc<Mutex<Mailbox>>,
    collector: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Mailbox {
    waiting: VecDeque<Assignment>,
    closed: bool,
}

impl Polling {
    /// One call of the worker: what there is for it now.
    fn poll(&self) -> Result<Option<Assignment>, &'static str> {
        let mut mailbox = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        match mailbox.waiting.pop_front() {
            Some(assignment) => Ok(Some(assignment)),
            None if mailbox.closed => Ok(None),
            None => Err("an empty mailbox"),
        }
    }
}

#[async_trait]
impl Adapter for Polling {
    fn attach(mut assignments: mpsc::Receiver<Assignment>) -> Self {
        let mailbox = Arc::new(Mutex::new(Mailbox::default()));
        let collected = Arc::clone(&mailbox);
        let collector = tokio::spawn(async move {
            while let Some(assignment) = assignments.recv().await {
                collected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .waiting
                    .push_back(assignment);
            }
            collected.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        });
        Self { mailbox, collector }
    }

    async fn next(&mut self) -> Option<Assignment> {
        eventually("an assignment in the mailbox", || std::future::ready(self.poll())).await
    }

    async fn prove(&self, network: &Network, worker: WorkerId, token: LeaseToken) {
        beat(network, worker, token).await;
        for _ in 0..POLLING_PROOF.0 / POLLING_BEAT.0 {
            network.advance(POLLING_BEAT);
            beat(network, worker, token).await;
        }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.collector.abort();
    }
}

async fn beat(network: &Network, worker: WorkerId, token: LeaseToken) {
    network
        .core()
        .beat(worker, vec![WorkerBeat { token, running: true }])
        .await
        .expect("the store takes beats");
}
