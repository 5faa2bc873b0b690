//! A bounded pool of light prover processes: trusted checks of untrusted programs and proofs.
//!
//! Processes start when they are needed, stay for the next call, and are replaced with back-off when they went badly.
//! What must stay true: at most [`PoolConfig::processes`] processes, plus one for suspects; at most
//! [`PoolConfig::queue`] calls wait; a call that kills its process costs the other calls in it a second try in a
//! process of their own, never their answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, TryAcquireError},
    time::Instant,
};

use crate::{
    host::{CallError, CallOptions, HostCall, ProverProcess, ProverSpec, SpawnError},
    proto::HelloReply,
};

/// Bounds of a [`LightPool`].
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Most processes, at least 1.
    pub processes: usize,
    /// Most calls at once in one process; also bounded by what it announces. 1 isolates calls from each other.
    pub calls_per_process: usize,
    /// Most calls that wait for a process; beyond it [`PoolError::Busy`].
    pub queue: usize,
    /// Pause before a process that went badly is replaced; doubles with every failure in a row.
    pub backoff_first: Duration,
    /// Longest such pause.
    pub backoff_max: Duration,
}

impl Default for PoolConfig {
    /// Two processes, one call each, 1,024 waiting, back-off from 100 ms to 30 s.
    fn default() -> Self {
        Self {
            processes: 2,
            calls_per_process: 1,
            queue: 1024,
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// Why the pool has no reply.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PoolError {
    /// The queue is full; try again later.
    #[error("all light provers are busy and {queue} calls are waiting; try again later")]
    Busy {
        /// The limit of the queue.
        queue: usize,
    },
    /// No process can be started; others may have the same trouble.
    #[error("no light prover can be started")]
    Start(#[source] Arc<SpawnError>),
    /// The call itself ended badly.
    #[error(transparent)]
    Call(#[from] CallError),
    /// [`LightPool::shutdown`] was called.
    #[error("the pool of light provers is shut down")]
    Closed,
}

/// What a pool is doing, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// Processes that are there.
    pub processes: usize,
    /// Calls in them.
    pub running: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Processes that went badly since the start.
    pub replaced: u64,
}

#[derive(Default)]
struct Slot {
    process: Option<ProverProcess>,
    running: usize,
    failures: u32,
    not_before: Option<Instant>,
}

/// See the module's comment. Cheap to clone.
#[derive(Clone)]
pub struct LightPool {
    inner: Arc<Inner>,
}

struct Inner {
    spec: ProverSpec,
    config: PoolConfig,
    /// Room for calls in processes.
    room: Semaphore,
    /// Room for calls that run or wait.
    admission: Semaphore,
    slots: Mutex<Vec<Slot>>,
    /// One per slot: only one caller starts its process.
    starting: Vec<tokio::sync::Mutex<()>>,
    /// Held while a suspect call runs in a process of its own.
    suspect: tokio::sync::Mutex<()>,
    replaced: Mutex<u64>,
}

impl std::fmt::Debug for LightPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LightPool")
            .field("prover", &self.inner.spec.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl LightPool {
    /// Makes a pool; starts nothing yet.
    pub fn new(spec: ProverSpec, mut config: PoolConfig) -> Self {
        config.processes = config.processes.max(1);
        config.calls_per_process = config.calls_per_process.max(1);
        let capacity = config.processes * config.calls_per_process;
        Self {
            inner: Arc::new(Inner {
                room: Semaphore::new(capacity),
                admission: Semaphore::new(capacity + config.queue),
                slots: Mutex::new((0..config.processes).map(|_| Slot::default()).collect()),
                starting: (0..config.processes).map(|_| tokio::sync::Mutex::default()).collect(),
                suspect: tokio::sync::Mutex::default(),
                replaced: Mutex::new(0),
                spec,
                config,
            }),
        }
    }

    /// Makes a call in one of the processes. `timeout` limits the call itself; time in the queue comes on top and is
    /// bounded by the calls ahead. Dropping the future cancels the call.
    pub async fn call<C: HostCall + Clone>(&self, call: C, timeout: Duration) -> Result<C::Reply, PoolError> {
        let _admitted = self.inner.admission.try_acquire().map_err(|error| match error {
            TryAcquireError::Closed => PoolError::Closed,
            TryAcquireError::NoPermits => PoolError::Busy {
                queue: self.inner.config.queue,
            },
        })?;
        let (error, company) = {
            let _room = self.inner.room.acquire().await.map_err(|_| PoolError::Closed)?;
            let seat = self.take_seat();
            let process = self.process(seat.slot).await?;
            let job = process.new_job();
            let options = CallOptions::within(timeout);
            match process.call(job, call.clone(), options).await {
                Ok(reply) => {
                    self.went_well(seat.slot);
                    return Ok(reply);
                }
                Err(CallError::Failed(failure)) => {
                    self.went_well(seat.slot);
                    return Err(CallError::Failed(failure).into());
                }
                Err(error) => {
                    self.went_badly(seat.slot, &process);
                    (error, self.inner.config.calls_per_process > 1)
                }
            }
        };
        // Alone in its process the call itself is at fault, and a timeout is always its own.
        if !company || matches!(error, CallError::Timeout { .. }) {
            return Err(error.into());
        }
        self.call_alone(call, timeout).await
    }

    /// What the provers announce; starts a process if there is none.
    pub async fn hello(&self) -> Result<HelloReply, PoolError> {
        let _room = self.inner.room.acquire().await.map_err(|_| PoolError::Closed)?;
        let seat = self.take_seat();
        Ok(self.process(seat.slot).await?.hello().clone())
    }

    /// What the pool is doing now.
    pub fn status(&self) -> PoolStatus {
        let inner = &self.inner;
        let capacity = inner.config.processes * inner.config.calls_per_process;
        let slots = self.slots();
        let running = slots.iter().map(|slot| slot.running).sum::<usize>();
        let admitted = (capacity + inner.config.queue) - inner.admission.available_permits();
        PoolStatus {
            processes: slots
                .iter()
                .filter(|slot| slot.process.as_ref().is_some_and(ProverProcess::is_alive))
                .count(),
            running,
            waiting: admitted.saturating_sub(running),
            replaced: *lock(&inner.replaced),
        }
    }

    /// Refuses further calls and ends all processes; calls in them fail.
    pub async fn shutdown(&self) {
        self.inner.admission.close();
        self.inner.room.close();
        let processes: Vec<_> = self.slots().iter_mut().filter_map(|slot| slot.process.take()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for process in processes {
            tasks.spawn(async move { process.shutdown().await });
        }
        tasks.join_all().await;
    }

    /// Runs a call that was in a process when it died: alone, so that the answer is about this call.
    async fn call_alone<C: HostCall>(&self, call: C, timeout: Duration) -> Result<C::Reply, PoolError> {
        let _one_at_a_time = self.inner.suspect.lock().await;
        let process = ProverProcess::spawn(&self.inner.spec)
            .await
            .map_err(|error| PoolError::Start(Arc::new(error)))?;
        let reply = process
            .call(process.new_job(), call, CallOptions::within(timeout))
            .await;
        process.shutdown().await;
        Ok(reply?)
    }

    /// Takes a place: an idle process first, then an empty slot, then the process with the fewest calls, then a slot
    /// that is in back-off. The caller holds a permit of `room`, so that there is one.
    fn take_seat(&self) -> Seat<'_> {
        let now = Instant::now();
        let mut slots = self.slots();
        let slot = (0..slots.len())
            .filter(|index| slots[*index].running < self.inner.config.calls_per_process)
            .min_by_key(|index| {
                let slot = &slots[*index];
                let alive = slot.process.as_ref().is_some_and(ProverProcess::is_alive);
                let waits = slot.not_before.is_some_and(|at| at > now);
                let rank = match (alive, slot.running) {
                    (true, 0) => 0,
                    (false, 0) if !waits => 1,
                    (true, _) => 2,
                    (false, _) if !waits => 3,
                    (false, _) => 4,
                };
                (rank, slot.running)
            })
            .expect("a permit of `room` is a free place in a slot");
        slots[slot].running += 1;
        drop(slots);
        Seat { pool: self, slot }
    }

    /// Returns the slot's process, starting it if need be.
    async fn process(&self, slot: usize) -> Result<ProverProcess, PoolError> {
        if let Some(process) = self.live(slot) {
            return Ok(process);
        }
        let _starting = self.inner.starting[slot].lock().await;
        if let Some(process) = self.live(slot) {
            return Ok(process);
        }
        let not_before = self.slots()[slot].not_before;
        if let Some(at) = not_before {
            tokio::time::sleep_until(at).await;
        }
        if self.inner.room.is_closed() {
            return Err(PoolError::Closed);
        }
        match ProverProcess::spawn(&self.inner.spec).await {
            Ok(process) => {
                self.slots()[slot].process = Some(process.clone());
                Ok(process)
            }
            Err(error) => {
                self.back_off(&mut self.slots()[slot]);
                Err(PoolError::Start(Arc::new(error)))
            }
        }
    }

    fn live(&self, slot: usize) -> Option<ProverProcess> {
        let slots = self.slots();
        let process = slots[slot].process.as_ref();
        process.filter(|process| process.is_alive()).cloned()
    }

    fn went_well(&self, slot: usize) {
        let mut slots = self.slots();
        slots[slot].failures = 0;
        slots[slot].not_before = None;
    }

    /// Lets go of a process that died under a call, once for all calls that it took along.
    fn went_badly(&self, slot: usize, process: &ProverProcess) {
        if process.is_alive() {
            // It obeyed the cancel after a timeout: nothing is wrong with it.
            return;
        }
        let mut slots = self.slots();
        let slot = &mut slots[slot];
        let current = slot.process.as_ref().map(ProverProcess::pid);
        if current == Some(process.pid()) {
            slot.process = None;
            self.back_off(slot);
        }
    }

    fn back_off(&self, slot: &mut Slot) {
        let config = &self.inner.config;
        let factor = 1_u32 << slot.failures.min(16);
        let pause = config.backoff_first.saturating_mul(factor).min(config.backoff_max);
        slot.failures = slot.failures.saturating_add(1);
        slot.not_before = Some(Instant::now() + pause);
        *lock(&self.inner.replaced) += 1;
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        lock(&self.inner.slots)
    }
}

/// A place in a slot, given back when dropped.
struct Seat<'a> {
    pool: &'a LightPool,
    slot: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.pool.slots()[self.slot].running -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of the pool's locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
