//! Where callers and provers meet: callers leave a witness and wait, provers take the next one and bring an answer.
//!
//! What must stay true: every caller gets one answer, or goes; a witness is in memory only while it waits or is proved, and
//! never in a log; the lock is held for no await and no call out.
//!
//! Not here: the order of things ([`crate::queue`]), and how a proof is made ([`crate::seat`]).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hierophant_domain::TraceContext;
use hierophant_miden_api::{Kind, ProveCall, Refusal};
use hierophant_telemetry::{Kind as SpanKind, Span};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    queue::{Asked, Full, Id, Left, Limits, Queue},
    telemetry,
};

/// What a caller gets.
pub(crate) type Answer = Result<Bytes, Refusal>;

/// A proof to make.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) kind: Kind,
    pub(crate) witness: Bytes,
    /// Cancelled when nobody wants it any more.
    pub(crate) stop: CancellationToken,
    /// Of the first who asked.
    pub(crate) request_id: String,
    /// The trace of the first who asked.
    pub(crate) trace: Option<TraceContext>,
}

/// What belongs to a proof in hand besides its place in the queue.
#[derive(Debug)]
struct Paper {
    kind: Kind,
    witness: Bytes,
    answer: watch::Sender<Option<Answer>>,
    stop: CancellationToken,
    request_id: String,
    trace: Option<TraceContext>,
    /// Lasts while it waits.
    waiting: Option<Span>,
    asked: Instant,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    papers: HashMap<Id, Paper>,
    /// What a proof of each kind needs, in bytes. Known when a prover has said it.
    needs: BTreeMap<Kind, u64>,
}

/// See the module's comment.
#[derive(Debug)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    limits: Limits,
    timeout: Duration,
    /// Counts changes: whoever waits for one looks again.
    changed: watch::Sender<u64>,
    /// A grace has begun.
    graced: Notify,
}

impl Desk {
    /// `timeout` is what a caller may wait in all.
    pub(crate) fn new(limits: Limits, timeout: Duration) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queue: Queue::new(limits),
                papers: HashMap::new(),
                needs: BTreeMap::new(),
            }),
            limits,
            timeout,
            changed: watch::Sender::new(0),
            graced: Notify::new(),
        }
    }

    /// Sets what a proof of each kind needs.
    pub(crate) fn set_needs(&self, needs: BTreeMap<Kind, u64>) {
        self.change(|inner| inner.needs = needs);
    }

    /// A caller's whole call. Dropped when the caller goes.
    pub(crate) async fn prove(&self, call: ProveCall) -> Answer {
        let deadline = Instant::now() + self.timeout;
        let digest = call.digest().await;
        let (mut place, mut answer) = self.take_place((call.kind, digest), call)?;
        let answered = answer.wait_for(Option::is_some);
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(|| Err(gone())),
            // Its proof was dropped without an answer, which only the end of this worker does.
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                if let Some(id) = place.id.take() {
                    self.change(|inner| {
                        let left = inner.queue.give_up(id);
                        inner.follow(id, left);
                    });
                }
                Err(timed_out(self.timeout))
            }
        }
    }

    fn take_place(
        &self,
        key: (Kind, [u8; 32]),
        call: ProveCall,
    ) -> Result<(Place<'_>, watch::Receiver<Option<Answer>>), Refusal> {
        let (id, answer) = self.change(|inner| {
            let answer = match inner.queue.ask(key).map_err(|full| self.refuse(full))? {
                Asked::Joined(id) => (id, inner.papers.get(&id).map(|paper| paper.answer.subscribe())),
                Asked::New(id) => {
                    let (sender, answer) = watch::channel(None);
                    let paper = Paper {
                        kind: call.kind,
                        witness: call.witness,
                        answer: sender,
                        stop: CancellationToken::new(),
                        request_id: call.caller.request_id,
                        waiting: Some(Span::begin("queue", SpanKind::Internal, call.caller.trace.as_ref())),
                        trace: call.caller.trace,
                        asked: Instant::now(),
                    };
                    inner.papers.insert(id, paper);
                    (id, Some(answer))
                }
            };
            Ok(answer)
        })?;
        let place = Place {
            desk: self,
            id: Some(id),
        };
        Ok((place, answer.expect("what is in the queue has its paper")))
    }

    fn refuse(&self, full: Full) -> Refusal {
        let capacity = self.limits.capacity;
        match full {
            Full::Capacity => Refusal::QueueFull(format!(
                "the proof queue is full: {capacity} proofs are in hand; try again later"
            )),
            Full::Callers => Refusal::QueueFull(format!(
                "the proof queue is full: {} calls wait for this very proof",
                crate::queue::CALLERS_MAX
            )),
            Full::Draining => gone(),
        }
    }

    /// Waits for the next proof to make.
    pub(crate) async fn next(&self) -> Job {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(job) = self.begin() {
                return job;
            }
            // The sender is a part of the desk.
            let _ = changes.changed().await;
        }
    }

    fn begin(&self) -> Option<Job> {
        let mut inner = self.lock();
        let Inner { queue, papers, needs } = &mut *inner;
        // Before a prover has said what proofs need, none is ready to take one.
        let id = queue.begin(|kind| needs.get(&kind).copied().unwrap_or(u64::MAX))?;
        let paper = papers.get_mut(&id).expect("what is in the queue has its paper");
        telemetry::begun(paper.kind, paper.asked.elapsed());
        drop(paper.waiting.take());
        let job = Job {
            id,
            kind: paper.kind,
            witness: std::mem::take(&mut paper.witness),
            stop: paper.stop.clone(),
            request_id: paper.request_id.clone(),
            trace: paper.trace.clone(),
        };
        telemetry::in_hand(queue.waiting(), queue.running());
        Some(job)
    }

    /// Hands in the answer of a proof that was begun; its process is idle again or gone.
    pub(crate) fn end(&self, id: Id, answer: Answer) {
        self.change(|inner| {
            let kept = inner.queue.end(id, answer.is_ok());
            if let Some(paper) = inner.papers.get(&id) {
                paper.answer.send_replace(Some(answer));
            }
            if !kept {
                inner.papers.remove(&id);
            }
        });
    }

    /// Ends graces. Runs for as long as the desk is open.
    pub(crate) async fn watch_graces(self: Arc<Self>) {
        loop {
            let next = self.lock().queue.next_expiry();
            let over = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.change(|inner| {
                    for (id, left) in inner.queue.expire(Instant::now()) {
                        inner.follow(id, left);
                    }
                }),
                () = self.graced.notified() => {}
            }
        }
    }

    /// Takes nothing new from now on.
    pub(crate) fn drain(&self) {
        self.change(|inner| inner.queue.drain());
    }

    /// Waits until nobody waits for anything.
    pub(crate) async fn idle(&self) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if self.lock().queue.is_idle() {
                return;
            }
            let _ = changes.changed().await;
        }
    }

    /// Answers all who still wait, and stops what runs.
    pub(crate) fn close(&self) {
        self.change(|inner| {
            inner.queue.drain();
            for paper in inner.papers.values() {
                paper.answer.send_if_modified(|answer| {
                    let open = answer.is_none();
                    answer.get_or_insert_with(|| Err(gone()));
                    open
                });
                paper.stop.cancel();
            }
        });
    }

    /// How many wait, and how many are being proved.
    pub(crate) fn in_hand(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.queue.waiting(), inner.queue.running())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = {
            let mut inner = self.lock();
            let changed = change(&mut inner);
            telemetry::in_hand(inner.queue.waiting(), inner.queue.running());
            changed
        };
        self.changed.send_modify(|version| *version += 1);
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Does what follows from somebody's leaving.
    fn follow(&mut self, id: Id, left: Left) {
        match left {
            Left::Nothing | Left::Later => {}
            Left::Forget => drop(self.papers.remove(&id)),
            Left::Stop => {
                if let Some(paper) = self.papers.get(&id) {
                    paper.stop.cancel();
                }
            }
        }
    }
}

/// A caller's place; given up when it is dropped.
struct Place<'a> {
    desk: &'a Desk,
    /// `None` once it was given up in another way.
    id: Option<Id>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        self.desk.change(|inner| {
            let left = inner.queue.leave(id, Instant::now());
            inner.follow(id, left);
        });
        self.desk.graced.notify_one();
    }
}

/// The answer to a caller whose time is over.
pub(crate) fn timed_out(timeout: Duration) -> Refusal {
    let timeout = hierophant_config::types::format_duration(timeout);
    Refusal::TimedOut(format!(
        "the timeout of {timeout} expired before the proof was made; try again when there is less to do"
    ))
}

fn gone() -> Refusal {
    Refusal::Unavailable("this worker is shutting down; ask another, or ask again later".into())
}
