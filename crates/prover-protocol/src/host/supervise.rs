//! Watches one prover process until it is gone, and cleans up behind it.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus, sync::Arc, time::Duration};

use rustix::process::{Pid, Signal};
use tokio::{
    process::Child,
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    error::{CallError, ExitHow},
    link::Link,
    memory::group_resident_bytes,
    scratch::Scratch,
};

/// How often memory is measured while a call is open. Half a second of a fast allocator is about a GiB.
const MEMORY_INTERVAL_BUSY: Duration = Duration::from_millis(500);

/// How often memory is measured while the process only waits.
const MEMORY_INTERVAL_IDLE: Duration = Duration::from_secs(5);

/// How long the pipes of a process that is gone are read on: what it wrote last is in them.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// How often it is asked whether they are empty.
const DRAIN_STEP: Duration = Duration::from_millis(2);

/// SIGKILL (signal(7)): what the kernel's out-of-memory killer sends.
const SIGKILL: i32 = 9;

/// Heartbeats of silence after which a process counts as hung. Contract: `proto/prover.proto`.
const HEARTBEATS_MISSED: u32 = 3;

pub(super) struct Supervisor {
    pub(super) child: Child,
    pub(super) pid: Pid,
    pub(super) link: Arc<Link>,
    pub(super) reader: JoinHandle<()>,
    pub(super) writer: JoinHandle<()>,
    pub(super) log: JoinHandle<()>,
    pub(super) heartbeat: Duration,
    pub(super) exit_grace: Duration,
    pub(super) memory_limit: Option<u64>,
    pub(super) scratch: Scratch,
    /// Closed when the process is gone: nobody waits for room in it any more.
    pub(super) room: Arc<Semaphore>,
    /// Set once everything is over.
    pub(super) gone: watch::Sender<bool>,
}

impl Supervisor {
    /// Returns when the process is gone, its calls are answered and its directory is removed.
    pub(super) async fn run(mut self) {
        let status = self.watch().await;
        // What the process started must not live on either. Its number cannot have been given to a new process group
        // in the microseconds since it was reaped.
        kill_group(self.pid);
        drain(&mut self.reader).await;
        self.writer.abort();
        drain(&mut self.log).await;
        self.link.died(classify(status));
        self.room.close();
        let scratch = self.scratch;
        // Removing may take long, and nothing depends on how it went.
        let _ = tokio::task::spawn_blocking(move || drop(scratch)).await;
        self.gone.send_replace(true);
    }

    async fn watch(&mut self) -> io::Result<ExitStatus> {
        let mut measuring: Option<JoinHandle<u64>> = None;
        let mut measured_at = Instant::now();
        let mut exit_by: Option<Instant> = None;
        let mut killed = false;
        let (mut reading, mut writing) = (true, true);
        let mut wake_at = Instant::now();
        loop {
            let now = Instant::now();
            if now.duration_since(wake_at) > self.heartbeat {
                // We slept ourselves (suspended, or starved): what the process sent may still be in its pipe.
                self.link.forgive_silence();
            }
            let outlook = self.link.look(now, self.heartbeat * HEARTBEATS_MISSED);
            if outlook.doom.is_some() && !killed {
                kill_group(self.pid);
                killed = true;
            }
            if exit_by.is_some_and(|by| by <= now) && !killed {
                self.link
                    .doom(CallError::Killed("it did not exit after its pipes were closed".into()));
                continue;
            }
            let interval = if outlook.busy {
                MEMORY_INTERVAL_BUSY
            } else {
                MEMORY_INTERVAL_IDLE
            };
            let may_measure = self.memory_limit.is_some() && measuring.is_none();
            if may_measure && measured_at + interval <= now {
                let group = self.pid.as_raw_nonzero().get();
                measuring = Some(tokio::task::spawn_blocking(move || group_resident_bytes(group)));
            }
            let tick = now + self.heartbeat.min(MEMORY_INTERVAL_BUSY);
            // Once killed there is nothing left to decide.
            let deadlines = [outlook.next, exit_by].into_iter().flatten();
            wake_at = deadlines.filter(|_| !killed).fold(tick, Instant::min);
            tokio::select! {
                biased;
                status = self.child.wait() => return status,
                _ = &mut self.reader, if reading => {
                    reading = false;
                    exit_by.get_or_insert_with(|| Instant::now() + self.exit_grace);
                }
                _ = &mut self.writer, if writing => {
                    writing = false;
                    exit_by.get_or_insert_with(|| Instant::now() + self.exit_grace);
                }
                () = self.link.changed.notified() => {}
                used = finished(&mut measuring) => {
                    measuring = None;
                    measured_at = Instant::now();
                    self.judge_memory(used);
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    fn judge_memory(&self, used_bytes: u64) {
        if let Some(limit_bytes) = self.memory_limit.filter(|limit| used_bytes > *limit) {
            self.link.doom(CallError::MemoryLimit {
                used_bytes,
                limit_bytes,
            });
        }
    }
}

/// Waits for the reader of a pipe, unless somebody outside the group holds the pipe open.
async fn drain(reader: &mut JoinHandle<()>) {
    let end = Instant::now() + DRAIN_PATIENCE;
    // Not awaited: a handle that has given its result must not be asked again.
    while !reader.is_finished() && Instant::now() < end {
        tokio::time::sleep(DRAIN_STEP).await;
    }
    reader.abort();
}

/// Waits for a measurement; for ever when none is under way.
async fn finished(measuring: &mut Option<JoinHandle<u64>>) -> u64 {
    match measuring {
        // A measurement that panicked found nothing.
        Some(handle) => handle.await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Kills the process and everything it started in its group.
fn kill_group(pid: Pid) {
    // Fails when nothing is left of the group, which is what is wanted.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
}

fn classify(status: io::Result<ExitStatus>) -> CallError {
    match status.map(|status| (status.signal(), status.code())) {
        Ok((Some(signal), _)) => CallError::Died {
            how: ExitHow::Signal(signal),
            memory_kill_suspected: signal == SIGKILL,
        },
        Ok((None, code)) => CallError::Died {
            how: ExitHow::Code(code.unwrap_or(-1)),
            memory_kill_suspected: false,
        },
        Err(error) => CallError::Killed(format!("its end could not be watched: {error}")),
    }
}
