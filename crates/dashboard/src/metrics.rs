//! The coordinator's metrics: their names, their help, and the gauges that are set for each scrape.
//!
//! Whoever counts an event elsewhere uses the name that is listed here, so that one table describes them all and the
//! manual can be held against it. No label has a value that a client can choose freely: doors, kinds and systems are
//! those of the configuration, reasons are enums.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use hierophant_core::{
    CoreError,
    ports::{Operators, WorkerView},
};
use hierophant_domain::{
    RequestState, TaskState,
    worker::{Liveness, Offence},
};
use hierophant_store::PAGE_MAX;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

/// Most workers counted for one scrape; beyond it `hierophant_workers` counts the latest seen only.
pub const WORKERS_COUNTED: usize = 10 * PAGE_MAX;
/// Most systems that workers are counted by. Workers say what they serve; those of further systems are counted by none.
pub const SYSTEMS_COUNTED: usize = 64;

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Grows only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution.
    Histogram,
}

/// A metric's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it measures.
    pub sort: Sort,
    /// What its values count.
    pub unit: Unit,
    /// A sentence for people.
    pub help: &'static str,
}

/// Open requests, and ended ones since the start; label `state`.
pub const REQUESTS: &str = "hierophant_requests";
/// Open tasks; label `state`.
pub const TASKS: &str = "hierophant_tasks";
/// Workers that are here; label `liveness`.
pub const WORKERS: &str = "hierophant_workers";
/// Workers that are here by what they serve; labels `system`, `state` (idle, busy, unhealthy). One that serves two counts twice.
pub const SYSTEM_WORKERS: &str = "hierophant_system_workers";
/// Tasks that workers can prove at once.
pub const WORKER_SLOTS: &str = "hierophant_worker_slots";
/// Leases in workers' hands.
pub const WORKER_LEASES: &str = "hierophant_worker_leases";
/// Workers that get no work because of their strikes.
pub const WORKERS_QUARANTINED: &str = "hierophant_workers_quarantined";
/// Strikes against workers since the start; label `reason`.
pub const STRIKES: &str = "hierophant_strikes_total";
/// Whether the store answered the last scrape.
pub const STORE_UP: &str = "hierophant_store_up";
pub use hierophant_core::metric::{ATTEMPTS, CHECK_SECONDS, PROOF_SECONDS, REQUESTS_ACCEPTED};

/// Every metric.
pub const ALL: [Metric; 13] = [
    gauge_of(
        REQUESTS,
        "Requests by state: open ones, and those that ended since the coordinator started.",
    ),
    gauge_of(TASKS, "Open tasks by state."),
    gauge_of(WORKERS, "Workers that are here, by liveness."),
    gauge_of(
        SYSTEM_WORKERS,
        "Workers that are here, by system that they serve and state: idle, busy, unhealthy.",
    ),
    gauge_of(
        WORKER_SLOTS,
        "Tasks that the workers that are here can prove at a time.",
    ),
    gauge_of(WORKER_LEASES, "Leases that workers hold, reservations included."),
    gauge_of(
        WORKERS_QUARANTINED,
        "Workers that get no work because of their strikes.",
    ),
    gauge_of(
        STORE_UP,
        "1 when the store could be counted for this scrape, 0 when its numbers here are old.",
    ),
    counter_of(
        STRIKES,
        "Strikes against workers since the coordinator started, by reason.",
    ),
    counter_of(REQUESTS_ACCEPTED, "Requests accepted, by door, system and kind."),
    counter_of(
        ATTEMPTS,
        "Attempts that ended by a word of their worker or of a verification, by system, kind and outcome.",
    ),
    seconds_of(
        CHECK_SECONDS,
        "Time that a check in the coordinator's own processes took, by system, check and outcome.",
    ),
    seconds_of(PROOF_SECONDS, "Time from acceptance to fulfilment, by system and kind."),
];

const fn gauge_of(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        sort: Sort::Gauge,
        unit: Unit::Count,
        help,
    }
}

const fn counter_of(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        sort: Sort::Counter,
        unit: Unit::Count,
        help,
    }
}

const fn seconds_of(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        sort: Sort::Histogram,
        unit: Unit::Seconds,
        help,
    }
}

/// Describes all metrics to the recorder; call it once, after the recorder was installed.
pub fn describe() {
    for metric in ALL {
        match metric.sort {
            Sort::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Sort::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Sort::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// Sets the gauges, and what the store counts, from what it says now. `router` does so for each scrape of `/metrics`.
pub async fn observe(operators: &dyn Operators) -> Result<(), CoreError> {
    let counts = operators.counts().await?;
    for (code, count) in counts.requests.iter().enumerate() {
        let state = u8::try_from(code).ok().and_then(RequestState::from_code);
        if let Some(state) = state {
            gauge!(REQUESTS, "state" => request_word(state)).set(float(*count));
        }
    }
    for (code, count) in counts.tasks.iter().enumerate() {
        let state = u8::try_from(code).ok().and_then(TaskState::from_code);
        if let Some(state) = state.filter(|state| !state.is_final()) {
            gauge!(TASKS, "state" => task_word(state)).set(float(*count));
        }
    }
    for offence in Offence::ALL {
        counter!(STRIKES, "reason" => offence.as_str()).absolute(counts.strikes[offence.place()]);
    }
    Tally::of(operators).await?.set();
    Ok(())
}

/// Says whether [`observe`] could do its work.
pub(crate) fn store_answered(up: bool) {
    gauge!(STORE_UP).set(if up { 1.0 } else { 0.0 });
}

/// Workers, counted.
#[derive(Default)]
struct Tally {
    alive: u64,
    stale: u64,
    quarantined: u64,
    slots: u64,
    leases: u64,
    systems: BTreeMap<String, Systems>,
}

/// Workers of one system.
#[derive(Clone, Copy, Default)]
struct Systems {
    idle: u64,
    busy: u64,
    unhealthy: u64,
}

/// Systems that were ever counted, as the recorder's series are: those without a worker now are shown at 0.
static SYSTEMS_SEEN: Mutex<BTreeMap<String, Systems>> = Mutex::new(BTreeMap::new());

impl Tally {
    async fn of(operators: &dyn Operators) -> Result<Self, CoreError> {
        let now = operators.now();
        let mut tally = Self::default();
        let mut counted = 0;
        while counted < WORKERS_COUNTED {
            let page = operators.workers(false, counted, PAGE_MAX).await?;
            for view in &page {
                match view.row.liveness {
                    Liveness::Alive => tally.alive += 1,
                    Liveness::Stale => tally.stale += 1,
                    Liveness::Gone => continue,
                }
                let is_trusted = view.row.standing.is_trusted(now);
                tally.quarantined += u64::from(!is_trusted);
                tally.count_systems(view, is_trusted);
                tally.slots += u64::from(view.row.profile.slots);
                tally.leases += view.row.leases.len() as u64;
            }
            counted += page.len();
            if page.len() < PAGE_MAX {
                break;
            }
        }
        Ok(tally)
    }

    fn count_systems(&mut self, view: &WorkerView, is_trusted: bool) {
        let capabilities = view.row.profile.capabilities.iter();
        let mut served: Vec<&str> = capabilities.map(|capability| capability.system.as_str()).collect();
        served.sort_unstable();
        served.dedup();
        for system in served {
            if !self.systems.contains_key(system) && self.systems.len() >= SYSTEMS_COUNTED {
                continue;
            }
            let workers = self.systems.entry(system.to_owned()).or_default();
            if view.row.liveness != Liveness::Alive || !is_trusted {
                workers.unhealthy += 1;
            } else if view.row.leases.is_empty() {
                workers.idle += 1;
            } else {
                workers.busy += 1;
            }
        }
    }

    fn set_systems(&self) {
        let mut seen = SYSTEMS_SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        for workers in seen.values_mut() {
            *workers = Systems::default();
        }
        for (system, workers) in &self.systems {
            if seen.contains_key(system) || seen.len() < SYSTEMS_COUNTED {
                seen.insert(system.clone(), *workers);
            }
        }
        for (system, workers) in seen.iter() {
            for (state, count) in [
                ("idle", workers.idle),
                ("busy", workers.busy),
                ("unhealthy", workers.unhealthy),
            ] {
                gauge!(SYSTEM_WORKERS, "system" => system.clone(), "state" => state).set(float(count));
            }
        }
    }

    fn set(&self) {
        self.set_systems();
        gauge!(WORKERS, "liveness" => "alive").set(float(self.alive));
        gauge!(WORKERS, "liveness" => "stale").set(float(self.stale));
        gauge!(WORKERS_QUARANTINED).set(float(self.quarantined));
        gauge!(WORKER_SLOTS).set(float(self.slots));
        gauge!(WORKER_LEASES).set(float(self.leases));
    }
}

fn float(count: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and counts here are far below 2^53"
    )]
    let float = count as f64;
    float
}

fn request_word(state: RequestState) -> &'static str {
    match state {
        RequestState::Open => "open",
        RequestState::Fulfilled => "fulfilled",
        RequestState::Failed => "failed",
        RequestState::Cancelled => "cancelled",
        RequestState::Expired => "expired",
    }
}

fn task_word(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Ready => "ready",
        TaskState::Leased => "leased",
        TaskState::Delivered => "delivered",
        TaskState::Done => "done",
        TaskState::Failed => "failed",
        TaskState::Revoked => "revoked",
    }
}
