//! The threads that run calls: started when needed, used again, at most `max_jobs`.
//!
//! What must stay true: a call counts as running from the moment it is accepted until just before its reply is queued,
//! so that a host which sends the next call on a reply never finds the prover full; while calls wait, a thread is about to
//! look for them or none is idle.
//!
//! One thread is woken at a time, and wakes the next if it leaves calls behind: short calls are then done by threads that
//! are awake, and a wake-up costs more than many of them.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Stack of a job's thread, in bytes. Only touched pages count; provers recurse deeply.
const STACK_BYTES: usize = 16 << 20;

/// A call that waits for its thread.
pub(super) type Work = Box<dyn FnOnce() + Send>;

struct Running {
    job_id: u64,
    cancelled: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    max_jobs: usize,
    /// By call id.
    running: HashMap<u64, Running>,
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    /// Whether an idle thread was woken that has not looked yet.
    waking: bool,
}

/// See the module's comment.
#[derive(Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
    queued: Condvar,
}

/// Why a call was not accepted.
#[derive(Debug)]
pub(super) enum Refused {
    /// As many calls as announced are running.
    Full,
    /// The call id is running already: the host broke the protocol.
    DuplicateCall,
    /// No thread could be started.
    Thread(io::Error),
}

impl Jobs {
    /// Sets how many calls may run at once.
    pub(super) fn set_max_jobs(&self, max_jobs: usize) {
        self.lock().max_jobs = max_jobs;
    }

    /// Returns whether any call runs.
    pub(super) fn any_running(&self) -> bool {
        !self.lock().running.is_empty()
    }

    /// Accepts a call and runs `work` on a thread of the pool; `cancelled` is raised by [`Self::cancel`].
    pub(super) fn start(
        self: &Arc<Self>,
        (job_id, call_id): (u64, u64),
        cancelled: Arc<AtomicBool>,
        work: Work,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.running.len() >= state.max_jobs {
            return Err(Refused::Full);
        }
        match state.running.entry(call_id) {
            Entry::Occupied(_) => return Err(Refused::DuplicateCall),
            Entry::Vacant(entry) => entry.insert(Running { job_id, cancelled }),
        };
        state.queue.push_back(work);
        if state.queue.len() > state.idle && state.threads < state.max_jobs {
            state.threads += 1;
            let jobs = Arc::clone(self);
            let spawned = thread::Builder::new()
                .name("job".into())
                .stack_size(STACK_BYTES)
                .spawn(move || jobs.work());
            if let Err(error) = spawned {
                state.threads -= 1;
                if state.threads == 0 {
                    state.queue.pop_back();
                    state.running.remove(&call_id);
                    return Err(Refused::Thread(error));
                }
            }
        }
        self.wake_one(&mut state);
        Ok(())
    }

    /// Marks a call as no longer running.
    pub(super) fn finish(&self, call_id: u64) {
        self.lock().running.remove(&call_id);
    }

    /// Raises the flag of every call of a job.
    pub(super) fn cancel(&self, job_id: u64) {
        for running in self.lock().running.values() {
            if running.job_id == job_id {
                running.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Wakes a thread for the calls that wait, unless one was woken or none is idle.
    fn wake_one(&self, state: &mut State) {
        if state.idle > 0 && !state.waking && !state.queue.is_empty() {
            state.waking = true;
            self.queued.notify_one();
        }
    }

    /// What a thread of the pool does for the rest of the process's life.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let work = loop {
                if let Some(work) = state.queue.pop_front() {
                    break work;
                }
                state.idle += 1;
                state = self.queued.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                state.waking = false;
            };
            self.wake_one(&mut state);
            drop(state);
            work();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; work runs outside it and catches its own panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Barrier, mpsc},
        time::Duration,
    };

    use super::*;

    const CALLS: usize = 8;
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Each call ends only when all have begun: in the second round by threads that were idle.
    #[test]
    fn calls_that_wait_for_each_other_all_run() {
        let jobs = Arc::new(Jobs::default());
        jobs.set_max_jobs(CALLS);
        for round in 0..2 {
            let (together, (ended, ends)) = (Arc::new(Barrier::new(CALLS)), mpsc::sync_channel(CALLS));
            for call in 0..CALLS as u64 {
                let id = round * CALLS as u64 + call;
                let (finishing, together, ended) = (Arc::clone(&jobs), Arc::clone(&together), ended.clone());
                let work = Box::new(move || {
                    together.wait();
                    finishing.finish(id);
                    ended.send(()).expect("the test waits");
                });
                jobs.start((id, id), Arc::default(), work).expect("there is room");
            }
            for _ in 0..CALLS {
                ends.recv_timeout(PATIENCE).expect("all calls run at once");
            }
        }
        assert!(!jobs.any_running());
    }
}
