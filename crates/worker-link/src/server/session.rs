//! One worker's stream, from its first message to its last. A single task owns everything about it.
//!
//! What must stay true: a report is acknowledged only after the core has taken it; one that the core cannot take now is
//! not answered, and the worker repeats it; the core hears of the end of every registered stream, once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use hierophant_core::{
    CoreError,
    ports::{Assignment, Session, WorkerBeat, Workers},
};
use hierophant_domain::{Failure, FailureClass, LeaseToken, attempt::Fence, worker::WorkerProfile};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{LinkSettings, REPORTS_IN_FLIGHT_MAX, read, write};
use crate::{
    proto::{self, FromWorker, ToWorker, from_worker::Message},
    tidy,
};

/// A connection that has not registered.
pub(super) struct Door {
    pub(super) workers: Arc<dyn Workers>,
    pub(super) settings: Arc<LinkSettings>,
    pub(super) shutdown: CancellationToken,
    pub(super) address: String,
    pub(super) outbound: mpsc::Sender<Result<ToWorker, Status>>,
}

/// How a stream ends.
struct End {
    reason: String,
    /// What the worker is told; `None` when it has hung up.
    tell: Option<bool>,
}

impl End {
    fn hung_up(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            tell: None,
        }
    }

    fn come_back(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            tell: Some(true),
        }
    }

    fn stay_away(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            tell: Some(false),
        }
    }
}

impl Door {
    /// Serves the stream to its end.
    pub(super) async fn serve(self, mut inbound: Streaming<FromWorker>, entering: OwnedSemaphorePermit) {
        let (profile, session) = match self.enter(&mut inbound).await {
            Ok(entered) => entered,
            Err(end) => {
                tracing::warn!(worker.address = %self.address, "a worker did not get in: {}", end.reason);
                return tell(&self.outbound, &end);
            }
        };
        drop(entering);
        let (worker, number) = (profile.id, session.number);
        tracing::info!(worker.id = %worker, worker.name = %profile.name, worker.address = %self.address,
            session = number, "worker registered");
        let (workers, outbound) = (Arc::clone(&self.workers), self.outbound.clone());
        let mut stream = Stream::new(self, profile, session.assignments);
        let end = stream.run(&mut inbound, session.heartbeat.0, &session.leases).await;
        tell(&outbound, &end);
        // A stream that ends well after the worker said that it drains is its good-bye.
        let good_bye = stream.profile.draining && stream.finished;
        tracing::info!(worker.id = %worker, session = number, good_bye, "worker's stream ended: {}", end.reason);
        workers.disconnected(worker, number, end.reason, good_bye).await;
    }

    async fn enter(&self, inbound: &mut Streaming<FromWorker>) -> Result<(WorkerProfile, Session), End> {
        let limit = self.settings.register_within;
        let first = tokio::select! {
            first = tokio::time::timeout(limit, inbound.message()) => first,
            () = self.shutdown.cancelled() => return Err(stopping()),
        };
        let register = match first {
            Err(_elapsed) => return Err(End::come_back(format!("no Register within {limit:?} of connecting"))),
            Ok(Err(status)) => return Err(End::hung_up(tidy(status.message()))),
            Ok(Ok(None)) => return Err(End::hung_up("it hung up without registering")),
            Ok(Ok(Some(FromWorker {
                message: Some(Message::Register(register)),
            }))) => register,
            Ok(Ok(Some(_))) => return Err(End::stay_away("the first message of a worker must be Register")),
        };
        let (profile, held) = read::register(register, self.address.clone()).map_err(End::stay_away)?;
        match self.workers.register(profile.clone(), held).await {
            Ok(session) => Ok((profile, session)),
            Err(error @ (CoreError::Invalid(_) | CoreError::NotAllowed(_) | CoreError::NotFound(_))) => {
                Err(End::stay_away(error.to_string()))
            }
            Err(error @ (CoreError::Unavailable(_) | CoreError::Full(_) | CoreError::Internal(_))) => {
                Err(End::come_back(error.to_string()))
            }
        }
    }
}

fn stopping() -> End {
    End::come_back("the coordinator is stopping: come back when it is up again")
}

/// Says why the stream ends, if there is room: a worker that does not read cannot be told.
fn tell(outbound: &mpsc::Sender<Result<ToWorker, Status>>, end: &End) {
    if let Some(retry) = end.tell {
        let _ = outbound.try_send(Ok(write::refused(&end.reason, retry)));
    }
}

/// What a call to the core came to.
enum Settled {
    /// A report: what the fence said, or why the core did not take it.
    Report(LeaseToken, Result<Fence, CoreError>),
    /// A beat.
    Beat(Result<Vec<(LeaseToken, Fence)>, CoreError>),
    /// A change of the profile; the next may follow.
    Update(Result<(), CoreError>),
    /// Nothing that the worker waits for.
    Done,
}

/// Something of which one at a time is with the core, and of which only the latest counts.
struct Turn<T> {
    busy: bool,
    next: Option<T>,
}

impl<T> Turn<T> {
    fn new() -> Self {
        Self {
            busy: false,
            next: None,
        }
    }

    /// The next, if there is one and it is its turn.
    fn begin(&mut self) -> Option<T> {
        if self.busy {
            return None;
        }
        let next = self.next.take();
        self.busy = next.is_some();
        next
    }
}

/// A registered stream.
struct Stream {
    door: Door,
    profile: WorkerProfile,
    assignments: mpsc::Receiver<Assignment>,
    calls: FuturesUnordered<BoxFuture<'static, Settled>>,
    /// Tokens of reports that are with the core, and while a beat is with the core those that were: their leases have
    /// ended, so what the fence says to a beat of them is no news.
    reporting: HashSet<LeaseToken>,
    reported: HashSet<LeaseToken>,
    beats: Turn<Vec<WorkerBeat>>,
    updates: Turn<WorkerProfile>,
    heard: Instant,
    /// Whether the worker closed its side in order.
    finished: bool,
}

impl Stream {
    fn new(door: Door, profile: WorkerProfile, assignments: mpsc::Receiver<Assignment>) -> Self {
        Self {
            door,
            profile,
            assignments,
            calls: FuturesUnordered::new(),
            reporting: HashSet::new(),
            reported: HashSet::new(),
            beats: Turn::new(),
            updates: Turn::new(),
            heard: Instant::now(),
            finished: false,
        }
    }

    async fn run(&mut self, inbound: &mut Streaming<FromWorker>, heartbeat_ms: i64, leases: &[LeaseToken]) -> End {
        let registered = proto::Registered {
            heartbeat_ms: u32::try_from(heartbeat_ms.max(1)).unwrap_or(u32::MAX),
            leases: leases.iter().copied().map(write::bytes).collect(),
            version: self.door.settings.version.clone(),
        };
        let registered = write::frame(proto::to_worker::Message::Registered(registered));
        // A worker is not silent before it has missed a few of the heartbeats that were asked of it.
        let beats = Duration::from_millis(u64::try_from(heartbeat_ms).unwrap_or(1)).saturating_mul(3);
        let silence = self.door.settings.silence.max(beats);
        match self.send(registered).await {
            Ok(()) => self
                .converse(inbound, silence)
                .await
                .err()
                .unwrap_or_else(|| End::hung_up("the worker hung up")),
            Err(end) => end,
        }
    }

    async fn converse(&mut self, inbound: &mut Streaming<FromWorker>, limit: Duration) -> Result<(), End> {
        let shutdown = self.door.shutdown.clone();
        let silence = tokio::time::sleep(limit);
        tokio::pin!(silence);
        loop {
            // While the core has all it may have of this worker, the connection is not read: the worker waits.
            let reading = self.calls.len() < REPORTS_IN_FLIGHT_MAX;
            // Every branch is safe to drop: each takes something out of a queue, or nothing.
            tokio::select! {
                message = inbound.message(), if reading => match message {
                    Ok(Some(message)) => self.hear(message).await?,
                    Ok(None) => {
                        self.finished = true;
                        return self.settle_all().await;
                    }
                    Err(status) => return Err(End::hung_up(format!("the connection broke: {}", tidy(status.message())))),
                },
                Some(settled) = self.calls.next(), if !self.calls.is_empty() => {
                    if !reading {
                        self.heard = Instant::now();
                    }
                    self.answer(settled).await?;
                }
                assignment = self.assignments.recv() => self.assign(assignment).await?,
                () = silence.as_mut(), if reading => {
                    if self.heard.elapsed() >= limit {
                        return Err(End::come_back(format!("nothing was heard of the worker for {limit:?}")));
                    }
                    silence.as_mut().reset(self.heard + limit);
                }
                () = shutdown.cancelled() => return Err(stopping()),
            }
        }
    }

    /// Takes what is with the core to its end after the worker has closed its side.
    async fn settle_all(&mut self) -> Result<(), End> {
        while let Some(settled) = self.calls.next().await {
            self.answer(settled).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, message: FromWorker) -> Result<(), End> {
        self.heard = Instant::now();
        let worker = self.profile.id;
        let workers = Arc::clone(&self.door.workers);
        match message.message {
            Some(Message::Heartbeat(heartbeat)) => {
                let running = read::tokens(&heartbeat.leases).map_err(End::come_back)?;
                let reserved = read::tokens(&heartbeat.reserved).map_err(End::come_back)?;
                let beat = |running| move |token| WorkerBeat { token, running };
                self.beats.next = Some(
                    running
                        .into_iter()
                        .map(beat(true))
                        .chain(reserved.into_iter().map(beat(false)))
                        .collect(),
                );
                self.beat();
            }
            Some(Message::Progress(progress)) => {
                let token = read::token(&progress.lease).map_err(End::come_back)?;
                workers.progress(worker, token, read::progress(&progress));
            }
            Some(Message::Result(result)) => return self.result(result).await,
            Some(Message::Failure(failure)) => {
                let token = read::token(&failure.lease).map_err(End::come_back)?;
                self.fail(token, read::failure(&failure));
            }
            Some(Message::Release(release)) => {
                let token = read::token(&release.lease).map_err(End::come_back)?;
                let reason = tidy(&release.reason);
                self.calls.push(Box::pin(async move {
                    // A lease that cannot be handed back now runs out by itself: the worker does not renew it.
                    if let Err(error) = workers.release(worker, token, reason).await {
                        tracing::warn!(worker.id = %worker, "a lease was not taken back: {error}");
                    }
                    Settled::Done
                }));
            }
            Some(Message::Draining(proto::Draining {})) => {
                self.profile.draining = true;
                self.calls.push(Box::pin(async move {
                    workers.drain(worker).await;
                    Settled::Done
                }));
            }
            Some(Message::Capabilities(offered)) => {
                read::capabilities(&mut self.profile, &offered).map_err(End::come_back)?;
                self.updates.next = Some(self.profile.clone());
                self.update();
            }
            Some(Message::Register(_)) => return Err(End::come_back("a worker registers once on a stream")),
            // A newer worker may know more; what it says then is not needed here.
            None => {}
        }
        Ok(())
    }

    async fn result(&mut self, result: proto::Result) -> Result<(), End> {
        let token = read::token(&result.lease).map_err(End::come_back)?;
        match read::delivery(result) {
            Ok(delivery) => {
                let (workers, worker) = (Arc::clone(&self.door.workers), self.profile.id);
                self.report(
                    token,
                    Box::pin(async move { workers.deliver(worker, token, delivery).await }),
                );
                Ok(())
            }
            Err(reason) => {
                // It would be no better the next time: the attempt has failed and the worker is to forget the result.
                let failure = Failure::new(
                    FailureClass::Prover,
                    format!("the worker sent a malformed result: {reason}"),
                );
                tracing::warn!(worker.id = %self.profile.id, "{}", failure.message);
                let refusal = write::revoked(token, &failure.message);
                self.fail(token, failure);
                self.send(refusal).await
            }
        }
    }

    fn fail(&mut self, token: LeaseToken, failure: Failure) {
        let (workers, worker) = (Arc::clone(&self.door.workers), self.profile.id);
        self.report(
            token,
            Box::pin(async move { workers.fail(worker, token, failure).await }),
        );
    }

    fn report(&mut self, token: LeaseToken, call: BoxFuture<'static, Result<Fence, CoreError>>) {
        self.reporting.insert(token);
        if self.beats.busy {
            self.reported.insert(token);
        }
        self.calls
            .push(Box::pin(async move { Settled::Report(token, call.await) }));
    }

    fn beat(&mut self) {
        let Some(mut beats) = self.beats.begin() else { return };
        beats.retain(|beat| !self.reporting.contains(&beat.token));
        self.reported.clear();
        let (workers, worker) = (Arc::clone(&self.door.workers), self.profile.id);
        self.calls.push(Box::pin(
            async move { Settled::Beat(workers.beat(worker, beats).await) },
        ));
    }

    fn update(&mut self) {
        let Some(profile) = self.updates.begin() else { return };
        let workers = Arc::clone(&self.door.workers);
        self.calls
            .push(Box::pin(async move { Settled::Update(workers.update(profile).await) }));
    }

    async fn answer(&mut self, settled: Settled) -> Result<(), End> {
        match settled {
            Settled::Report(token, outcome) => {
                self.reporting.remove(&token);
                match outcome {
                    Ok(Fence::Pass | Fence::Repeated) => {
                        self.send(write::acknowledged(token)).await?;
                        hierophant_core::failpoint::pass("result-acknowledged");
                        Ok(())
                    }
                    Ok(Fence::Gone) => self.send(write::revoked(token, "the lease had ended")).await,
                    Err(error @ (CoreError::Invalid(_) | CoreError::NotFound(_) | CoreError::NotAllowed(_))) => {
                        self.send(write::revoked(token, &error.to_string())).await
                    }
                    Err(error @ (CoreError::Unavailable(_) | CoreError::Full(_) | CoreError::Internal(_))) => {
                        tracing::warn!(worker.id = %self.profile.id, "a report was not taken, the worker repeats it: {error}");
                        Ok(())
                    }
                }
            }
            Settled::Beat(outcome) => {
                self.beats.busy = false;
                match outcome {
                    Ok(fences) => {
                        for (token, fence) in fences {
                            if fence == Fence::Gone && !self.reported.contains(&token) {
                                self.send(write::revoked(token, "the lease had ended")).await?;
                            }
                        }
                    }
                    Err(error) => tracing::warn!(worker.id = %self.profile.id, "a heartbeat was not taken: {error}"),
                }
                self.beat();
                Ok(())
            }
            Settled::Update(outcome) => {
                self.updates.busy = false;
                if let Err(error) = outcome {
                    return Err(End::come_back(format!(
                        "the worker's capabilities were not taken: {error}"
                    )));
                }
                self.update();
                Ok(())
            }
            Settled::Done => Ok(()),
        }
    }

    async fn assign(&mut self, assignment: Option<Assignment>) -> Result<(), End> {
        match assignment {
            Some(Assignment::Lease(task)) => self.send(write::lease(*task)).await,
            Some(Assignment::Revoke(token, reason)) => self.send(write::revoked(token, &reason)).await,
            Some(Assignment::Refuse(reason, true)) => Err(End::come_back(reason)),
            Some(Assignment::Refuse(reason, false)) => Err(End::stay_away(reason)),
            None => Err(End::come_back("the coordinator has closed this session")),
        }
    }

    async fn send(&mut self, message: ToWorker) -> Result<(), End> {
        let limit: Duration = self.door.settings.stall;
        match self.door.outbound.send_timeout(Ok(message), limit).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::hung_up("the connection broke")),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(End::hung_up(format!("the worker did not read for {limit:?}")))
            }
        }
    }
}
