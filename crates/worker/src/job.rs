//! One lease, from its inputs to its report.
//!
//! Steps: fetch inputs (others may be proved meanwhile) → wait for a free slot → wait for a prover → prove → hold the
//! result → upload large outputs → report. Cancelling at any step stops it and leaves nothing behind; before proving has
//! begun the lease can also be handed back.
//!
//! What must stay true: every lease ends in exactly one of a report, a release, or silence after it was revoked.

mod inputs;
mod outcome;
mod outputs;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hierophant_artifacts::client::TransferClient;
use hierophant_domain::{LeaseToken, TraceContext};
use hierophant_prover_protocol::{
    host::{CallOptions, ProgressSink},
    proto as prover,
};
use hierophant_telemetry::{Kind as SpanKind, Span};
use hierophant_worker_link::{
    client::{Lease, Link, Report},
    proto::{self, failure::Class},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::Fleet,
    held::{self, Held},
};

/// How long a lease that has a slot waits for a prover to get ready (one may be starting again) until it is handed back.
const PROVER_PATIENCE: Duration = Duration::from_mins(1);
/// Shortest time between two messages about the progress of one lease within a phase.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Least time that a job is given, whatever is left until its deadline: clocks and networks differ.
const TIME_MIN: Duration = Duration::from_secs(1);

/// What jobs share.
#[derive(Debug)]
pub struct Workshop {
    /// To the coordinator.
    pub link: Link,
    /// The provers.
    pub fleet: Arc<Fleet>,
    /// Fetches and sends blobs.
    pub transfers: TransferClient,
    /// Results on their way.
    pub held: Held,
    /// Where inputs are fetched to.
    pub jobs: PathBuf,
    /// One permit for each job that may run at once.
    pub slots: Arc<Semaphore>,
    /// Cancelled when no lease may be begun any more.
    pub draining: CancellationToken,
}

/// How a step ended a lease early.
enum Stop {
    /// It was revoked: silence.
    Cancelled,
    /// It goes back unstarted.
    Release(String),
    /// It failed.
    Failed(Class, String),
}

/// Works on a lease until it has ended here.
pub async fn run(workshop: Arc<Workshop>, lease: Box<Lease>, cancelled: CancellationToken) -> LeaseToken {
    let token = lease.token;
    let (system, kind) = (lease.class.system.to_string(), lease.class.kind.to_string());
    let began = Instant::now();
    let span = begin(&lease);
    let ended = tokio::select! {
        ended = work(&workshop, *lease, span.context()) => ended,
        () = cancelled.cancelled() => Err(Stop::Cancelled),
    };
    let outcome = match ended {
        Ok(()) => "done",
        Err(Stop::Cancelled) => {
            workshop.held.abandon(token).await;
            "revoked"
        }
        Err(Stop::Release(reason)) => {
            tracing::info!("handing the lease back: {reason}");
            workshop.link.release(token, reason).await;
            "released"
        }
        Err(Stop::Failed(class, message)) => {
            tracing::warn!(class = class.as_str_name(), "the task failed: {message}");
            span.failed(&message);
            workshop.held.abandon(token).await;
            workshop.link.report(token, Report::Failed(class, message)).await;
            "failed"
        }
    };
    span.note("outcome", || outcome);
    let labels = [("system", system), ("kind", kind), ("outcome", outcome.to_owned())];
    metrics::counter!("contemplant_tasks_total", &labels).increment(1);
    metrics::histogram!("contemplant_task_seconds", &labels).record(began.elapsed());
    token
}

/// Begins the span of a lease; that of whoever asked is its parent.
fn begin(lease: &Lease) -> Span {
    let parent = TraceContext::parse(&lease.rest.traceparent).ok();
    let span = Span::begin("prove", SpanKind::Consumer, parent.as_ref());
    span.note("request.id", || lease.request.to_string());
    span.note("task.id", || lease.task.to_string());
    span.note("system", || lease.class.system.to_string());
    span.note("kind", || lease.class.kind.to_string());
    span
}

async fn work(workshop: &Arc<Workshop>, lease: Lease, trace: Option<&TraceContext>) -> Result<(), Stop> {
    let step = |name| Span::begin(name, SpanKind::Internal, trace);
    let deadline = Instant::now() + Duration::from_millis(lease.rest.deadline_ms).max(TIME_MIN);
    let mut lease = lease;
    let prepare = async {
        let fetching = step("fetch inputs");
        let inputs = inputs::fetch(workshop, &mut lease).await?;
        drop(fetching);
        let _waiting = step("wait for a prover");
        // Closed never; a permit goes back when the job ends, in whichever way.
        let slot = Arc::clone(&workshop.slots)
            .acquire_owned()
            .await
            .map_err(|_| Stop::Cancelled)?;
        let booking = workshop.fleet.book(&lease.class, PROVER_PATIENCE).await;
        Ok((inputs, slot, booking.map_err(|none| Stop::Release(none.to_string()))?))
    };
    let (inputs, slot, booking) = tokio::select! {
        ready = prepare => ready?,
        () = workshop.draining.cancelled() => return Err(Stop::Release("the worker is draining".into())),
    };
    workshop.link.running(lease.token).await;
    metrics::gauge!("contemplant_tasks_running").increment(1.0);
    let running = Running;

    let directory = booking
        .output_dir()
        .map_err(|error| Stop::Failed(Class::Transient, format!("the worker cannot make a directory: {error}")))?;
    let call = prover::Prove {
        system: lease.class.system.to_string(),
        kind: lease.class.kind.to_string(),
        inputs: inputs.blobs.clone(),
        limits: Some(prover::Limits {
            cycles: lease.rest.cycle_limit,
            gas: lease.rest.gas_limit,
            guest_log_bytes: lease.rest.guest_log_bytes,
        }),
        output_dir: directory.path().to_string_lossy().into_owned(),
        program_id: std::mem::take(&mut lease.rest.program_id),
        mock: crate::fleet::wants_mock(&lease.class.labels),
    };
    let began = Instant::now();
    let proving = Arc::new(step("prover"));
    proving.note("prover.pid", || i64::from(booking.process.pid()));
    let options = CallOptions {
        timeout: Some(deadline.saturating_duration_since(began).max(TIME_MIN)),
        progress: Some(progress_sink(workshop.link.clone(), lease.token, Arc::clone(&proving))),
    };
    tracing::debug!(
        prover.name = booking.process.name(),
        prover.pid = booking.process.pid(),
        "proving"
    );
    let answered = booking.process.call(booking.process.new_job(), call, options).await;
    drop((running, slot, inputs));
    if let Err(error) = &answered {
        proving.failed(&error.to_string());
    }
    drop(proving);
    let reply = answered.map_err(|error| outcome::failure(&error))?;
    let effort = began.elapsed();
    if effort >= held::EFFORT {
        tracing::info!(seconds = effort.as_secs_f64(), "proved");
    } else {
        // Thousands a second would drown all else.
        tracing::debug!(seconds = effort.as_secs_f64(), "proved");
    }

    let _delivering = step("deliver");
    let entry = outputs::collect(workshop, &lease, reply, directory.path()).await?;
    booking.give_back(directory);
    drop(booking);
    let must_upload = !entry.uploads.is_empty();
    let at_once = must_upload || effort >= held::EFFORT || workshop.draining.is_cancelled();
    workshop.held.hold(lease.token, entry.clone(), at_once).await;
    deliver(workshop, lease.token, entry).await
}

/// Uploads what a held result refers to and reports it. For results of earlier processes too.
pub async fn resume(
    workshop: Arc<Workshop>,
    token: LeaseToken,
    entry: held::Entry,
    cancelled: CancellationToken,
) -> LeaseToken {
    let ended = tokio::select! {
        ended = deliver(&workshop, token, entry) => ended,
        () = cancelled.cancelled() => Err(Stop::Cancelled),
    };
    match ended {
        Ok(()) => {}
        Err(Stop::Cancelled | Stop::Release(_)) => workshop.held.abandon(token).await,
        Err(Stop::Failed(class, message)) => {
            tracing::warn!("a held result cannot be delivered: {message}");
            workshop.held.abandon(token).await;
            workshop.link.report(token, Report::Failed(class, message)).await;
        }
    }
    token
}

async fn deliver(workshop: &Workshop, token: LeaseToken, entry: held::Entry) -> Result<(), Stop> {
    if !entry.uploads.is_empty() {
        workshop.link.finished(token).await;
        outputs::upload(workshop, token, &entry).await?;
    }
    workshop
        .link
        .report(token, Report::Done(entry.result.unwrap_or_default()))
        .await;
    Ok(())
}

/// Passes progress on: each phase at once, within a phase not more often than people can read. `span` tells of phases only.
fn progress_sink(link: Link, token: LeaseToken, span: Arc<Span>) -> ProgressSink {
    let last: Mutex<Option<(String, Instant)>> = Mutex::new(None);
    ProgressSink::new(move |progress| {
        let now = Instant::now();
        {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let same = last.as_ref().is_some_and(|(phase, told)| {
                *phase == progress.phase && now.duration_since(*told) < PROGRESS_EVERY && progress.overall_bp < 10_000
            });
            if same {
                return;
            }
            if last.as_ref().is_none_or(|(phase, _)| *phase != progress.phase) {
                span.event(progress.phase.clone());
            }
            *last = Some((progress.phase.clone(), now));
        }
        link.progress(proto::Progress {
            lease: token.as_bytes().to_vec(),
            phase: progress.phase,
            done: progress.done,
            total: progress.total,
            overall_bp: progress.overall_bp,
        });
    })
}

/// Counts a running job until it is dropped.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        metrics::gauge!("contemplant_tasks_running").decrement(1.0);
    }
}
