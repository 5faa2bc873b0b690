//! Whoever proves, as the services see it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_miden_api::{Line, ProveCall, Proving, Refusal, WorkerStatus};
use tokio::sync::watch;

use crate::{
    crew::{Crew, Readiness, StartError},
    desk::Desk,
    queue::Limits,
    settings::ProofSettings,
    telemetry,
};

/// A bounded queue with provers behind it.
#[derive(Debug)]
pub struct Prover {
    desk: Arc<Desk>,
    crew: Arc<Crew>,
}

impl Prover {
    /// Makes one that takes calls and proves nothing yet. Removes what killed workers left behind. Blocking.
    pub fn new(settings: ProofSettings) -> Result<Self, StartError> {
        let limits = Limits {
            capacity: settings.capacity.max(1),
            memory_bytes: settings.memory_bytes,
            abandon_grace: settings.abandon_grace,
        };
        let desk = Arc::new(Desk::new(limits, settings.timeout));
        let crew = Arc::new(Crew::new(Arc::clone(&desk), settings)?);
        Ok(Self { desk, crew })
    }

    /// Waits until the first prover process is ready, then proves. An error is for good: the prover cannot be started,
    /// or does not do what is to be served.
    pub async fn start(&self) -> Result<(), StartError> {
        self.crew.start().await?;
        let (desk, ending) = (Arc::clone(&self.desk), self.crew.ending.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = desk.watch_graces() => {}
                () = ending.cancelled() => {}
            }
        });
        Ok(())
    }

    /// Tells whether proofs can be made, whenever that changes.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.crew.readiness()
    }

    /// How many proofs wait, and how many are being made.
    pub fn in_hand(&self) -> (usize, usize) {
        self.desk.in_hand()
    }

    /// Takes no new call from now on, and waits until all callers have their answers.
    pub async fn drain(&self) {
        self.desk.drain();
        self.desk.idle().await;
    }

    /// Answers who still waits, kills the provers, and waits until none is left.
    pub async fn end(&self) {
        self.desk.close();
        self.crew.end().await;
    }
}

#[async_trait]
impl Proving for Prover {
    async fn prove(&self, call: ProveCall) -> Result<Bytes, Refusal> {
        telemetry::called(call.kind);
        let answer = self.desk.prove(call).await;
        if let Err(refusal) = &answer {
            telemetry::refused(refusal);
        }
        answer
    }

    async fn workers(&self, _line: Line) -> Vec<WorkerStatus> {
        Vec::new()
    }
}
