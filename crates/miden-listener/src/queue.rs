//! Which proofs are waited for and which run, as a pure state: time comes in, nothing else goes out.
//!
//! What must stay true: proofs begin in the order in which they were asked for; the same witness is in hand once, however
//! many ask; a proof that nobody waits for any more leaves at once if it waits, and is stopped after a grace if it runs;
//! no more than [`Limits::capacity`] are in hand, as many again may be kept for the rest of their grace, and those that run
//! need no more memory together than [`Limits::memory_bytes`].
//!
//! Not here: witnesses, answers and processes ([`crate::desk`]).

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use hierophant_miden_api::Kind;
use tokio::time::Instant;

/// Most callers that wait for one proof. Each costs a connection; more than these are no retries any more.
pub(crate) const CALLERS_MAX: usize = 1024;

/// What may be in hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Proofs that wait or run, at least 1.
    pub(crate) capacity: usize,
    /// Memory that running proofs may need together.
    pub(crate) memory_bytes: u64,
    /// How long a running proof goes on when nobody waits for it.
    pub(crate) abandon_grace: Duration,
}

/// What is proved: calls with the same key get the same proof.
pub(crate) type Key = (Kind, [u8; 32]);

/// A proof in hand. Numbers rise in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u64);

/// Where a proof stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In the queue.
    Waiting,
    /// Being proved.
    Running,
    /// Being proved, and nobody waits: it is stopped at this time.
    Abandoned(Instant),
    /// Told to stop; its process still has the memory.
    Stopping,
    /// Proved while nobody waited: kept until this time for one who asks again.
    Kept(Instant),
}

#[derive(Debug)]
struct Job {
    key: Key,
    callers: usize,
    needs: u64,
    stage: Stage,
}

/// Why nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many are in hand as may be.
    Capacity,
    /// As many wait for this very proof as may.
    Callers,
    /// Nothing new is taken before the end.
    Draining,
}

/// How a call was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The proof is new.
    New(Id),
    /// It is waited for, or runs, or was just made.
    Joined(Id),
}

/// What follows when a caller goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Others wait for it, or it had an answer already.
    Nothing,
    /// Nobody waits for it: forget it.
    Forget,
    /// Nobody waits for it: stop it.
    Stop,
    /// Nobody waits for it: look again when its grace is over.
    Later,
}

/// See the module's comment.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    jobs: BTreeMap<Id, Job>,
    by_key: HashMap<Key, Id>,
    last: u64,
    draining: bool,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            jobs: BTreeMap::new(),
            by_key: HashMap::new(),
            last: 0,
            draining: false,
        }
    }

    /// Somebody asks for a proof.
    pub(crate) fn ask(&mut self, key: Key) -> Result<Asked, Full> {
        if let Some(id) = self.by_key.get(&key).copied() {
            let job = self.jobs.get_mut(&id).expect("a key in the table has its job");
            if job.callers >= CALLERS_MAX {
                return Err(Full::Callers);
            }
            job.callers += 1;
            if let Stage::Abandoned(_) = job.stage {
                job.stage = Stage::Running;
            }
            return Ok(Asked::Joined(id));
        }
        if self.draining {
            return Err(Full::Draining);
        }
        if self.in_hand() >= self.limits.capacity {
            return Err(Full::Capacity);
        }
        self.last += 1;
        let id = Id(self.last);
        let job = Job {
            key,
            callers: 1,
            needs: 0,
            stage: Stage::Waiting,
        };
        self.jobs.insert(id, job);
        self.by_key.insert(key, id);
        Ok(Asked::New(id))
    }

    /// A caller has gone away.
    pub(crate) fn leave(&mut self, id: Id, now: Instant) -> Left {
        match self.one_caller_less(id) {
            None | Some(Stage::Stopping | Stage::Abandoned(_) | Stage::Kept(_)) => Left::Nothing,
            Some(Stage::Waiting) => {
                self.remove(id);
                Left::Forget
            }
            Some(Stage::Running) => {
                self.set(id, Stage::Abandoned(now + self.limits.abandon_grace));
                Left::Later
            }
        }
    }

    /// A caller's time is over: who waited for as long as it may would wait as long again.
    pub(crate) fn give_up(&mut self, id: Id) -> Left {
        match self.one_caller_less(id) {
            None | Some(Stage::Stopping | Stage::Kept(_)) => Left::Nothing,
            Some(Stage::Waiting) => {
                self.remove(id);
                Left::Forget
            }
            Some(Stage::Running | Stage::Abandoned(_)) => {
                self.stop(id);
                Left::Stop
            }
        }
    }

    /// Takes the next proof to run, if memory allows. The first in the queue is never overtaken.
    pub(crate) fn begin(&mut self, needs: impl Fn(Kind) -> u64) -> Option<Id> {
        let used: u64 = self
            .jobs
            .values()
            .filter(|job| has_memory(job.stage))
            .fold(0, |sum, job| sum.saturating_add(job.needs));
        let (id, job) = self.jobs.iter_mut().find(|(_, job)| job.stage == Stage::Waiting)?;
        let needs = needs(job.key.0);
        if used.saturating_add(needs) > self.limits.memory_bytes {
            return None;
        }
        (job.needs, job.stage) = (needs, Stage::Running);
        Some(*id)
    }

    /// A proof has ended; `keep` when it may be given to one who asks again. Returns whether it is kept.
    pub(crate) fn end(&mut self, id: Id, keep: bool) -> bool {
        if let Some(Stage::Abandoned(until)) = self.stage(id)
            && keep
            && self.count(|stage| matches!(stage, Stage::Kept(_))) < self.limits.capacity
        {
            self.set(id, Stage::Kept(until));
            return true;
        }
        self.remove(id);
        false
    }

    /// When [`Queue::expire`] has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.jobs.values().filter_map(expiry).min()
    }

    /// Proofs whose grace is over: those to stop, and those to forget.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<(Id, Left)> {
        let over = |job: &Job| expiry(job).is_some_and(|until| until <= now);
        let ids: Vec<Id> = self
            .jobs
            .iter()
            .filter(|(_, job)| over(job))
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter()
            .map(|id| {
                let left = if let Some(Stage::Kept(_)) = self.stage(id) {
                    self.remove(id);
                    Left::Forget
                } else {
                    self.stop(id);
                    Left::Stop
                };
                (id, left)
            })
            .collect()
    }

    /// Takes nothing new from now on.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.values().all(|job| job.callers == 0)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.count(|stage| stage == Stage::Waiting)
    }

    /// How many are being proved.
    pub(crate) fn running(&self) -> usize {
        self.count(has_memory)
    }

    fn in_hand(&self) -> usize {
        self.count(|stage| matches!(stage, Stage::Waiting | Stage::Running | Stage::Abandoned(_)))
    }

    fn count(&self, counts: impl Fn(Stage) -> bool) -> usize {
        self.jobs.values().filter(|job| counts(job.stage)).count()
    }

    /// Counts a caller out; the stage when it was the last.
    fn one_caller_less(&mut self, id: Id) -> Option<Stage> {
        let job = self.jobs.get_mut(&id)?;
        job.callers = job.callers.saturating_sub(1);
        (job.callers == 0).then_some(job.stage)
    }

    fn stage(&self, id: Id) -> Option<Stage> {
        self.jobs.get(&id).map(|job| job.stage)
    }

    fn set(&mut self, id: Id, stage: Stage) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stage = stage;
        }
    }

    /// Nobody may join it any more: whoever asks for the same begins anew.
    fn stop(&mut self, id: Id) {
        self.set(id, Stage::Stopping);
        self.forget_key(id);
    }

    fn remove(&mut self, id: Id) {
        self.forget_key(id);
        self.jobs.remove(&id);
    }

    fn forget_key(&mut self, id: Id) {
        if let Some(job) = self.jobs.get(&id)
            && self.by_key.get(&job.key) == Some(&id)
        {
            self.by_key.remove(&job.key);
        }
    }
}

/// Whether a proof in this stage has a process at work.
fn has_memory(stage: Stage) -> bool {
    matches!(stage, Stage::Running | Stage::Abandoned(_) | Stage::Stopping)
}

/// When a proof in this stage is over.
fn expiry(job: &Job) -> Option<Instant> {
    match job.stage {
        Stage::Abandoned(until) | Stage::Kept(until) => Some(until),
        Stage::Waiting | Stage::Running | Stage::Stopping => None,
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
