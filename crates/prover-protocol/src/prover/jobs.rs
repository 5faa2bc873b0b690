//! The threads that run calls: started when needed, used again, at most `max_jobs`.
//!
//! What must stay true: a call counts as running from the moment it is accepted until just before its reply is queued,
//! so that a host which sends the next call on a reply never finds the prover full.

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
        self.queued.notify_one();
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
            };
            drop(state);
            work();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; work runs outside it and catches its own panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
