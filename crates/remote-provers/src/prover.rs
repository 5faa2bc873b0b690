//! One attached prover: looks at it, is its worker towards the core, hands it leases. A task of its own, so that one that hangs
//! delays nobody else.
//!
//! What must stay true: it is a worker of the core only while it is healthy, or finishes what it has; every lease that the core
//! gave it is reported or was taken away; it ends only when it was detached and nothing is in its hands, or with the coordinator.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hierophant_core::ports::{AssignedTask, Assignment, WorkerBeat, Workers};
use hierophant_domain::{LeaseToken, WorkerId, attempt::Fence};
use hierophant_miden_api::client::{RemoteWorker, WorkerInfo};
use hierophant_store::Store;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Address, Options, RemoteProverSettings, View,
    check::{self, Finding},
    health::{Event, Health, Next, Pace},
    lease::{self, Answer, Then},
    metric, profile,
};

/// Whoever a prover stands before.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    pub(crate) workers: Arc<dyn Workers>,
    /// For its clock.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: RemoteProverSettings,
    pub(crate) stop: CancellationToken,
}

/// See the module.
pub(crate) struct Prover {
    coordinator: Coordinator,
    address: Address,
    options: Options,
    remote: RemoteWorker,
    leave: CancellationToken,
    view: Arc<Mutex<View>>,
    health: Health,
    membership: Membership,
    /// Leases in its hands. Each has a step under way: its call, or its report.
    held: HashMap<LeaseToken, Held>,
    steps: JoinSet<Step>,
    next_look: Instant,
    looking: bool,
    /// While it is given nothing more because it was busy, or not there.
    pause_until: Option<Instant>,
    /// A call found nobody there, and it was not looked at since.
    doubted: bool,
    detached: bool,
    proofs: u64,
}

/// What it is to the core.
enum Membership {
    /// No worker.
    Out,
    /// One that gets work.
    In(Session),
    /// One that gets no more and finishes what it has.
    Draining(Session),
}

struct Session {
    number: u64,
    assignments: mpsc::Receiver<Assignment>,
    beats: Interval,
}

struct Held {
    revoked: CancellationToken,
    /// Its call has ended: the fence has its last word, not a beat's answer.
    reporting: bool,
}

/// Something that was under way and has ended.
enum Step {
    Looked(Finding),
    Answered(LeaseToken, Answer),
    Reported(LeaseToken),
}

/// What a session brings.
enum Brought {
    Assignment(Option<Assignment>),
    Beat,
}

impl Prover {
    pub(crate) fn new(
        coordinator: Coordinator,
        address: Address,
        options: Options,
        remote: RemoteWorker,
        leave: CancellationToken,
        view: Arc<Mutex<View>>,
    ) -> Self {
        Self {
            coordinator,
            address,
            options,
            remote,
            leave,
            view,
            health: Health::Unknown,
            membership: Membership::Out,
            held: HashMap::new(),
            steps: JoinSet::new(),
            next_look: Instant::now(),
            looking: false,
            pause_until: None,
            doubted: false,
            detached: false,
            proofs: 0,
        }
    }

    /// Lives until it is detached and has nothing in hand, or the coordinator stops.
    pub(crate) async fn run(mut self) {
        let stop = self.coordinator.stop.clone();
        let leave = self.leave.clone();
        loop {
            self.show();
            if self.detached && self.held.is_empty() {
                self.leave("it was removed").await;
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {
                    self.steps.abort_all();
                    self.leave("the coordinator is stopping").await;
                    break;
                }
                () = leave.cancelled(), if !self.detached => {
                    tracing::info!(prover.address = %self.address, busy = self.held.len(), "remote prover is removed");
                    self.detached = true;
                    self.give_nothing_more().await;
                }
                () = sleep_until(self.next_look), if !self.looking && !self.detached => self.look(),
                () = at(self.pause_until), if self.pause_until.is_some() => self.resume().await,
                Some(step) = self.steps.join_next(), if !self.steps.is_empty() => match step {
                    Ok(step) => self.on_step(step).await,
                    Err(defect) => {
                        tracing::error!(prover.address = %self.address, "a remote prover's step broke: {defect}");
                        self.start_over(&format!("a defect here: {defect}")).await;
                    }
                },
                brought = brought(&mut self.membership) => match brought {
                    Brought::Assignment(assignment) => self.on_assignment(assignment).await,
                    Brought::Beat => self.beat().await,
                },
            }
        }
        metric::shown(&self.address, false, 0);
    }

    fn id(&self) -> WorkerId {
        profile::worker_id(&self.address)
    }

    fn show(&self) {
        let busy = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        (view.busy, view.proofs, view.leaving) = (busy, self.proofs, self.detached);
        view.show(&self.health);
        drop(view);
        let up = matches!(self.membership, Membership::In(_));
        metric::shown(&self.address, up, busy);
    }

    // ---- health ----

    fn look(&mut self) {
        self.looking = true;
        let (remote, line) = (self.remote.clone(), self.options.line);
        let timeout = self.coordinator.settings.connect_timeout;
        self.steps
            .spawn(async move { Step::Looked(check::look(&remote, line, timeout).await) });
    }

    async fn on_finding(&mut self, finding: Finding) {
        // Workers that prove on every core answer late; one whose call was not answered either is no such worker.
        let may_be_silent = !self.doubted && !self.held.is_empty() && matches!(self.health, Health::Healthy { .. });
        self.doubted = false;
        let event = match finding {
            Finding::Fit(info) => match self.enter(&info).await {
                Ok(()) => Event::Fit(info),
                Err(why) => Event::TurnedAway(why),
            },
            Finding::Silent(_) if may_be_silent => Event::Silent,
            Finding::Unfit(why) | Finding::Silent(why) => {
                metric::check_failed(&self.address);
                Event::Unfit(why)
            }
        };
        self.on_event(event).await;
    }

    async fn on_event(&mut self, event: Event) {
        let settings = &self.coordinator.settings;
        let pace = Pace {
            interval: settings.health_interval,
            unit: settings.back_off,
        };
        let before = std::mem::replace(&mut self.health, Health::Unknown);
        let was_healthy = matches!(before, Health::Healthy { .. });
        let next;
        (self.health, next) = before.on(event, self.coordinator.store.now(), pace);
        match next {
            Next::In(pause) => self.next_look = Instant::now() + pause,
            Next::AsPlanned => {}
        }
        match &self.health {
            Health::Unhealthy { reason, failures, .. } => {
                tracing::warn!(prover.address = %self.address, failures, "remote prover is unhealthy: {reason}");
                self.give_nothing_more().await;
            }
            Health::Healthy { info, .. } if !was_healthy => {
                tracing::info!(prover.address = %self.address, prover.kind = %info.kind, prover.version = info.version,
                    "remote prover is healthy");
            }
            Health::Healthy { .. } | Health::Unknown => {}
        }
    }

    // ---- towards the core ----

    /// Makes it a worker that gets work, or says why the core does not want it.
    async fn enter(&mut self, info: &WorkerInfo) -> Result<(), String> {
        let profile = profile::of(&self.address, self.options.line, self.slots(), info);
        if matches!(self.membership, Membership::In(_)) {
            let known = matches!(&self.health, Health::Healthy { info: known, .. } if known == info);
            let updated = if known {
                Ok(())
            } else {
                self.coordinator.workers.update(profile).await
            };
            return updated.map_err(|error| error.to_string());
        }
        let holds = self.held.keys().copied().collect();
        let session = self.coordinator.workers.register(profile, holds).await;
        let session = session.map_err(|error| format!("the coordinator does not take it: {error}"))?;
        for (token, held) in &self.held {
            if !session.leases.contains(token) {
                held.revoked.cancel();
            }
        }
        let every = Duration::from_millis(u64::try_from(session.heartbeat.0).unwrap_or(1).max(1));
        let mut beats = interval(every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.membership = Membership::In(Session {
            number: session.number,
            assignments: session.assignments,
            beats,
        });
        Ok(())
    }

    /// Slots that it has now: while it pauses, those that it uses.
    fn slots(&self) -> u32 {
        let in_use = self.held.values().filter(|held| !held.reporting).count();
        match self.pause_until {
            Some(_) => u32::try_from(in_use).unwrap_or(u32::MAX).min(self.options.slots),
            None => self.options.slots,
        }
    }

    /// It gets no more work, and leaves as soon as nothing is in its hands.
    async fn give_nothing_more(&mut self) {
        match std::mem::replace(&mut self.membership, Membership::Out) {
            Membership::In(session) => {
                self.coordinator.workers.drain(self.id()).await;
                self.membership = Membership::Draining(session);
            }
            same @ (Membership::Out | Membership::Draining(_)) => self.membership = same,
        }
        self.leave_if_idle().await;
    }

    async fn leave_if_idle(&mut self) {
        if self.held.is_empty() && matches!(self.membership, Membership::Draining(_)) {
            let reason = match &self.health {
                Health::Unhealthy { reason, .. } => reason.clone(),
                Health::Unknown | Health::Healthy { .. } => "it was removed".to_owned(),
            };
            self.leave(&reason).await;
        }
    }

    /// It is no worker any more; what it still holds is taken back by the core.
    async fn leave(&mut self, reason: &str) {
        match std::mem::replace(&mut self.membership, Membership::Out) {
            Membership::In(session) | Membership::Draining(session) => {
                let workers = &self.coordinator.workers;
                workers
                    .disconnected(self.id(), session.number, reason.to_owned(), true)
                    .await;
            }
            Membership::Out => {}
        }
    }

    async fn beat(&mut self) {
        let running = self.held.iter().filter(|(_, held)| !held.reporting);
        let beats = running
            .map(|(token, _)| WorkerBeat {
                token: *token,
                running: true,
            })
            .collect();
        match self.coordinator.workers.beat(self.id(), beats).await {
            Ok(fences) => {
                for (token, fence) in fences {
                    if let (Fence::Gone, Some(held)) = (fence, self.held.get(&token)) {
                        held.revoked.cancel();
                    }
                }
            }
            Err(error) => {
                tracing::warn!(prover.address = %self.address, "a remote prover's heartbeat was not taken: {error}");
            }
        }
    }

    async fn on_assignment(&mut self, assignment: Option<Assignment>) {
        let turned_away = match assignment {
            Some(Assignment::Lease(task)) => return self.begin(*task),
            Some(Assignment::Revoke(token, reason)) => {
                if let Some(held) = self.held.get(&token) {
                    tracing::info!(prover.address = %self.address, "a remote prover's lease was taken away: {reason}");
                    held.revoked.cancel();
                }
                return;
            }
            Some(Assignment::Refuse(reason, _)) => reason,
            None => "the coordinator has closed its session".to_owned(),
        };
        self.start_over(&turned_away).await;
    }

    /// The core does not want it now: everything in its hands is dropped, and it comes back after a while.
    async fn start_over(&mut self, reason: &str) {
        self.steps = JoinSet::new();
        self.held.clear();
        self.looking = false;
        self.leave(reason).await;
        self.on_event(Event::TurnedAway(reason.to_owned())).await;
    }

    // ---- leases ----

    fn begin(&mut self, task: AssignedTask) {
        let revoked = CancellationToken::new();
        let held = Held {
            revoked: revoked.clone(),
            reporting: false,
        };
        self.held.insert(task.token, held);
        let (workers, remote) = (Arc::clone(&self.coordinator.workers), self.remote.clone());
        let limit = self.coordinator.settings.proof_timeout;
        self.steps.spawn(async move {
            let answer = lease::prove(workers.as_ref(), &remote, &task, limit, &revoked).await;
            Step::Answered(task.token, answer)
        });
    }

    async fn on_step(&mut self, step: Step) {
        match step {
            Step::Looked(finding) => {
                self.looking = false;
                // One that was detached meanwhile must not become a worker again.
                if !self.detached {
                    self.on_finding(finding).await;
                }
            }
            Step::Answered(token, answer) => self.on_answer(token, answer).await,
            Step::Reported(token) => self.forget(token).await,
        }
    }

    async fn on_answer(&mut self, token: LeaseToken, answer: Answer) {
        let (workers, worker) = (Arc::clone(&self.coordinator.workers), self.id());
        if let Some(held) = self.held.get_mut(&token) {
            held.reporting = true;
        }
        match answer {
            Answer::Proof { content, took } => {
                metric::called(&self.address, "proof");
                self.proofs += 1;
                self.steps.spawn(async move {
                    lease::deliver(workers, worker, token, content, took).await;
                    Step::Reported(token)
                });
            }
            Answer::Failed(failed) => {
                metric::called(&self.address, failed.outcome);
                match failed.then {
                    Then::GoOn => {}
                    Then::Pause => self.pause().await,
                    Then::PauseAndLook => {
                        self.doubted = true;
                        self.pause().await;
                        self.on_event(Event::Doubted).await;
                    }
                }
                // Only now: the core gives its slot away as soon as it hears of the failure.
                self.steps.spawn(async move {
                    lease::fail(workers, worker, token, failed.failure).await;
                    Step::Reported(token)
                });
            }
            Answer::Dropped => {
                metric::called(&self.address, "dropped");
                self.forget(token).await;
            }
        }
    }

    async fn forget(&mut self, token: LeaseToken) {
        self.held.remove(&token);
        self.leave_if_idle().await;
    }

    /// It is given nothing more for a moment.
    async fn pause(&mut self) {
        self.pause_until = Some(Instant::now() + self.coordinator.settings.busy_pause);
        self.tell_slots().await;
    }

    /// The pause is over, unless it is still doubted that anybody is there.
    async fn resume(&mut self) {
        if self.doubted {
            self.pause_until = Some(Instant::now() + self.coordinator.settings.busy_pause);
            return;
        }
        self.pause_until = None;
        self.tell_slots().await;
    }

    async fn tell_slots(&mut self) {
        let (Membership::In(_), Health::Healthy { info, .. }) = (&self.membership, &self.health) else {
            return;
        };
        let profile = profile::of(&self.address, self.options.line, self.slots(), info);
        if let Err(error) = self.coordinator.workers.update(profile).await {
            tracing::warn!(prover.address = %self.address, "a remote prover's slots were not taken: {error}");
            // Told again: else it would keep too few.
            self.pause_until = Some(Instant::now() + self.coordinator.settings.busy_pause);
        }
    }
}

/// What the session brings next; nothing without one.
async fn brought(membership: &mut Membership) -> Brought {
    match membership {
        Membership::In(session) | Membership::Draining(session) => tokio::select! {
            assignment = session.assignments.recv() => Brought::Assignment(assignment),
            _ = session.beats.tick() => Brought::Beat,
        },
        Membership::Out => pending().await,
    }
}

/// At a time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
