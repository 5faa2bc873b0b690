//! What both generations do alike: whether a kind is served, the call itself, and the content of statuses.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use hierophant_telemetry::{Kind as SpanKind, Span};
use tonic::{Extensions, Status};

use crate::{Caller, Health, Kind, Line, ProveCall, Proving, Refusal, ServerSettings, WorkerStatus};

/// Most workers that `ProxyStatus` lists.
const WORKERS_MAX: usize = 1_000;
/// How long the list of workers may take.
const WORKERS_TIMEOUT: Duration = Duration::from_secs(2);

/// One generation's desk.
#[derive(Debug)]
pub(super) struct Desk {
    proving: Arc<dyn Proving>,
    line: Line,
    kinds: BTreeSet<Kind>,
    version: String,
}

impl Desk {
    pub(super) fn new(proving: Arc<dyn Proving>, line: Line, settings: &ServerSettings) -> Self {
        Self {
            proving,
            line,
            kinds: settings.kinds.clone(),
            // Upstream's proxies take a worker whose version is `~X.Y` of their own.
            version: format!("{line}.0+hierophant.{}", settings.version),
        }
    }

    /// The version that statuses name.
    pub(super) fn version(&self) -> String {
        self.version.clone()
    }

    /// The number of the kind that statuses name.
    pub(super) fn supported(&self) -> i32 {
        let first = self.kinds.first().expect("settings without a kind are refused");
        first.number()
    }

    /// The kind of a call, if it is served.
    pub(super) fn kind(&self, number: i32) -> Result<Kind, Refusal> {
        Kind::from_number(number)
            .filter(|kind| self.kinds.contains(kind))
            .ok_or_else(|| {
                let asked = Kind::from_number(number).map_or_else(|| number.to_string(), |kind| kind.to_string());
                Refusal::Unserved(format!("unsupported proof type {asked}: {}", self.served()))
            })
    }

    /// "served here: transaction, batch"
    pub(super) fn served(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        format!("served here: {}", names.join(", "))
    }

    /// Proves, as a span of the caller's trace.
    pub(super) async fn prove(&self, kind: Kind, witness: Bytes, extensions: &Extensions) -> Result<Bytes, Refusal> {
        let mut caller = extensions.get::<Caller>().cloned().unwrap_or_default();
        let span = Span::begin("miden.prove", SpanKind::Server, caller.trace.as_ref());
        span.note("miden.line", || self.line.as_str());
        span.note("miden.kind", || kind.as_str());
        span.note("miden.request_id", || caller.request_id.clone());
        caller.trace = span.context().cloned();
        tracing::debug!(%kind, line = %self.line, bytes = witness.len(), request_id = caller.request_id, "prove");
        let call = ProveCall {
            line: self.line,
            kind,
            witness,
            caller,
        };
        let answer = self.proving.prove(call).await;
        if let Err(refusal) = &answer {
            span.failed(&refusal.to_string());
        }
        answer
    }

    /// The workers for `ProxyStatus`.
    pub(super) async fn workers(&self) -> Result<Vec<WorkerStatus>, Status> {
        let mut workers = tokio::time::timeout(WORKERS_TIMEOUT, self.proving.workers(self.line))
            .await
            .map_err(|_| Status::unavailable("the list of workers takes too long; try again"))?;
        workers.truncate(WORKERS_MAX);
        Ok(workers)
    }
}

impl Health {
    /// The number in `WorkerHealthStatus`, the same in both generations.
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Unknown => 0,
            Self::Healthy => 1,
            Self::Unhealthy => 2,
        }
    }
}
