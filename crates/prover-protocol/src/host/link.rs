//! The calls that are open in one process, and the two tasks that move frames.
//!
//! What must stay true: an open call is in the table until its reply came or the process died, also when nobody waits
//! for it any more, because the process is busy with it; the table's lock is never held across an await or a callback.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStdin, ChildStdout},
    sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::Instant,
};

use super::{error::CallError, spec::ProgressSink};
use crate::{
    failure::{MAX_MESSAGE_BYTES, truncate},
    proto::{Call, Cancel, Event, Failure, Frame, Progress, call, event::Event as Told, frame, reply::Reply as Answer},
    wire::{self, FrameReader, WireError},
};

/// Frames that may wait for the process to read; callers wait beyond it.
pub(super) const QUEUED_FRAMES: usize = 256;

/// Longest name of a phase, in bytes; a prover's longer ones are cut.
const MAX_PHASE_BYTES: usize = 64;

/// What a caller waits for.
pub(super) type Waiting = oneshot::Receiver<Result<Answer, CallError>>;

/// An open call.
struct Open {
    job_id: u64,
    reply: oneshot::Sender<Result<Answer, CallError>>,
    progress: Option<ProgressSink>,
    /// Set when the call should end: the process is killed if it has not by then.
    end_by: Option<Instant>,
    /// The limit that the call broke.
    timed_out: Option<Duration>,
    /// The room that the call takes in the process.
    _room: Option<OwnedSemaphorePermit>,
}

struct Table {
    open: HashMap<u64, Open>,
    last_call: u64,
    last_heard: Instant,
    /// Why the host decided to kill the process. The first reason counts.
    doom: Option<CallError>,
    /// Why the process is gone.
    death: Option<CallError>,
}

/// What the handle, the supervisor and the reader of one process share.
pub(super) struct Link {
    table: Mutex<Table>,
    /// Wakes the supervisor: it has a reason to look again.
    pub(super) changed: Notify,
    cancel_grace: Duration,
}

/// What the supervisor finds when it looks.
pub(super) struct Outlook {
    /// Why the process must be killed.
    pub(super) doom: Option<CallError>,
    /// Whether any call is open.
    pub(super) busy: bool,
    /// When to look again at the latest.
    pub(super) next: Option<Instant>,
}

impl Link {
    pub(super) fn new(cancel_grace: Duration) -> Self {
        Self {
            table: Mutex::new(Table {
                open: HashMap::new(),
                last_call: 0,
                last_heard: Instant::now(),
                doom: None,
                death: None,
            }),
            changed: Notify::new(),
            cancel_grace,
        }
    }

    /// Enters a call into the table and returns its number.
    pub(super) fn open(
        &self,
        job_id: u64,
        progress: Option<ProgressSink>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(u64, Waiting), CallError> {
        let (reply, waiting) = oneshot::channel();
        let mut table = self.lock();
        if let Some(death) = table.death.as_ref().or(table.doom.as_ref()) {
            return Err(death.clone());
        }
        if table.open.is_empty() {
            // An idle process owes no heartbeats: silence is counted from here. The supervisor looks often enough by
            // itself to be spared a wake-up for every call.
            table.last_heard = Instant::now();
        }
        table.last_call += 1;
        let call_id = table.last_call;
        let open = Open {
            job_id,
            reply,
            progress,
            end_by: None,
            timed_out: None,
            _room: room,
        };
        table.open.insert(call_id, open);
        Ok((call_id, waiting))
    }

    /// Starts the grace period of one call; `limit` is the time limit that it broke, if that is why. Returns its job.
    pub(super) fn end_call(&self, call_id: u64, limit: Option<Duration>) -> Option<u64> {
        let end_by = Instant::now() + self.cancel_grace;
        let mut table = self.lock();
        let open = table.open.get_mut(&call_id)?;
        open.end_by.get_or_insert(end_by);
        open.timed_out = open.timed_out.or(limit);
        self.changed.notify_one();
        Some(open.job_id)
    }

    /// Takes a call that was never sent out of the table.
    pub(super) fn forget(&self, call_id: u64) {
        self.lock().open.remove(&call_id);
    }

    /// Starts the grace period of every call of a job; `false` when it has none.
    pub(super) fn end_job(&self, job_id: u64) -> bool {
        let end_by = Instant::now() + self.cancel_grace;
        let mut table = self.lock();
        let mut any = false;
        for open in table.open.values_mut().filter(|open| open.job_id == job_id) {
            open.end_by.get_or_insert(end_by);
            any = true;
        }
        self.changed.notify_one();
        any
    }

    /// Makes the frame that asks the process to stop a job.
    pub(super) fn cancel_frame(&self, job_id: u64) -> Frame {
        let mut table = self.lock();
        table.last_call += 1;
        call_frame(0, table.last_call, call::Call::Cancel(Cancel { job_id }))
    }

    /// Decides that the process must be killed.
    pub(super) fn doom(&self, why: CallError) {
        self.lock().doom.get_or_insert(why);
        self.changed.notify_one();
    }

    /// Forgives silence until now: the host itself was not running.
    pub(super) fn forgive_silence(&self) {
        self.lock().last_heard = Instant::now();
    }

    /// Looks for calls that do not end and for silence.
    pub(super) fn look(&self, now: Instant, patience: Duration) -> Outlook {
        let mut table = self.lock();
        let ends = table.open.values().filter_map(|open| open.end_by).min();
        let busy = !table.open.is_empty();
        let hung_at = busy.then(|| table.last_heard + patience);
        let overdue = ends
            .is_some_and(|end| end <= now)
            .then(|| CallError::Killed("a call did not end within the grace period after its cancel".into()));
        let hung = hung_at.is_some_and(|at| at <= now).then(|| CallError::Hung {
            silent: now.duration_since(table.last_heard),
        });
        if table.doom.is_none() {
            table.doom = hung.or(overdue);
        }
        Outlook {
            doom: table.doom.clone(),
            busy,
            next: ends.into_iter().chain(hung_at).min(),
        }
    }

    /// Ends every open call: the process is gone because of `natural`, unless the host had decided to kill it.
    pub(super) fn died(&self, natural: CallError) {
        let open = {
            let mut table = self.lock();
            let death = table.doom.clone().unwrap_or(natural);
            table.death = Some(death);
            std::mem::take(&mut table.open)
        };
        let death = self.death().expect("set just before and never unset");
        for open in open.into_values() {
            let why = match (&death, open.timed_out, open.end_by) {
                (CallError::Killed(_), Some(limit), _) => CallError::Timeout { limit },
                (CallError::Killed(_), None, Some(_)) => CallError::Failed(Failure::cancelled()),
                _ => death.clone(),
            };
            // A caller that went away needs no answer.
            let _ = open.reply.send(Err(why));
        }
    }

    /// Why the process is gone.
    pub(super) fn death(&self) -> Option<CallError> {
        self.lock().death.clone()
    }

    /// Whether the process is neither gone nor about to be.
    pub(super) fn is_alive(&self) -> bool {
        let table = self.lock();
        table.death.is_none() && table.doom.is_none()
    }

    /// Calls that are open.
    pub(super) fn open_calls(&self) -> usize {
        self.lock().open.len()
    }

    fn heard(&self, frame: Frame) -> Result<(), String> {
        match frame.body {
            Some(frame::Body::Reply(reply)) => self.answered(frame.call_id, frame.job_id, reply.reply),
            Some(frame::Body::Event(event)) => {
                self.told(frame.job_id, event);
                Ok(())
            }
            Some(frame::Body::Call(_)) => Err("it calls its host, which protocol 1 does not have".into()),
            None => Ok(()),
        }
    }

    fn answered(&self, call_id: u64, job_id: u64, answer: Option<Answer>) -> Result<(), String> {
        let mut table = self.lock();
        table.last_heard = Instant::now();
        let Some(open) = table.open.remove(&call_id) else {
            let issued = (1..=table.last_call).contains(&call_id);
            let to_cancel = matches!(answer, Some(Answer::Cancel(_) | Answer::Failure(_)));
            // Replies to cancels are not waited for.
            return if issued && to_cancel {
                Ok(())
            } else {
                Err(format!("it answers call {call_id}, which is not open"))
            };
        };
        drop(table);
        let answer = match answer {
            _ if job_id != open.job_id => Err(format!("it answers call {call_id} under another job")),
            None => Err(format!("its reply to call {call_id} is of an unknown kind")),
            Some(answer) => Ok(answer),
        };
        let outcome = answer
            .clone()
            .map_err(CallError::Protocol)
            .and_then(|answer| match (answer, open.timed_out) {
                (Answer::Failure(failure), Some(limit)) if is_cancelled(&failure) => Err(CallError::Timeout { limit }),
                (Answer::Failure(mut failure), _) => {
                    truncate(&mut failure.message, MAX_MESSAGE_BYTES);
                    Err(CallError::Failed(failure))
                }
                (answer, _) => Ok(answer),
            });
        // A caller that went away needs no answer.
        let _ = open.reply.send(outcome);
        answer.map(|_| ())
    }

    fn told(&self, job_id: u64, event: Event) {
        let sinks: Vec<ProgressSink> = {
            let mut table = self.lock();
            table.last_heard = Instant::now();
            let of_job = table.open.values().filter(|open| open.job_id == job_id);
            match &event.event {
                Some(Told::Progress(_)) => of_job.filter_map(|open| open.progress.clone()).collect(),
                Some(Told::Heartbeat(_)) | None => return,
            }
        };
        if let Some(Told::Progress(progress)) = event.event {
            let progress = clean(progress);
            for sink in sinks {
                sink.tell(progress.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_cancelled(failure: &Failure) -> bool {
    failure.class() == crate::proto::failure::Class::Cancelled
}

/// Brings a prover's word about its progress into the limits of the contract.
fn clean(mut progress: Progress) -> Progress {
    truncate(&mut progress.phase, MAX_PHASE_BYTES);
    if progress.phase.contains(char::is_control) {
        progress.phase = progress.phase.replace(char::is_control, " ");
    }
    progress.overall_bp = progress.overall_bp.min(10_000);
    progress
}

/// Wraps a call.
pub(super) fn call_frame(job_id: u64, call_id: u64, call: call::Call) -> Frame {
    Frame {
        job_id,
        call_id,
        body: Some(frame::Body::Call(Call { call: Some(call) })),
    }
}

/// Reads frames until the process closes its stdout. An error has doomed the process.
pub(super) async fn read(link: Arc<Link>, stdout: ChildStdout) {
    let mut frames = FrameReader::new(stdout);
    loop {
        let error = match frames.read_async().await {
            Ok(Some(frame)) => match link.heard(frame) {
                Ok(()) => continue,
                Err(error) => error,
            },
            // What the pipe's end means depends on how the process goes on to exit.
            Ok(None) | Err(WireError::Io(_) | WireError::Truncated) => return,
            Err(error) => error.to_string(),
        };
        link.doom(CallError::Protocol(error));
        return;
    }
}

/// Writes frames until nobody can send any, the process is to exit, or its stdin is gone; then closes its stdin.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut frames: mpsc::Receiver<Frame>,
    mut closing: watch::Receiver<bool>,
) {
    let mut batch = Vec::with_capacity(QUEUED_FRAMES);
    let mut bytes = Vec::new();
    loop {
        tokio::select! {
            biased;
            // Ends also when the sender is dropped, which the handle and the supervisor hold together.
            _ = closing.wait_for(|closing| *closing) => return,
            count = frames.recv_many(&mut batch, QUEUED_FRAMES) => if count == 0 { return },
        }
        bytes.clear();
        for frame in batch.drain(..) {
            // Frames were measured before they were queued.
            let _ = wire::encode(&frame, &mut bytes);
        }
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return,
            written = stdin.write_all(&bytes) => if written.is_err() { return },
        }
    }
}
