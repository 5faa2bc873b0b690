//! The workers that are connected to this coordinator, and what they hold: a cache for the scheduler and for people.
//!
//! Invariant: everything here can be rebuilt from registrations and from the store; losing it loses no lease.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use hierophant_domain::{LeaseToken, Resources, TaskClass, Timestamp, WorkerId, time::Millis, worker::WorkerProfile};
use hierophant_scheduler::WorkerView;
use tokio::sync::mpsc;

use crate::ports::{Assignment, Progress};

/// Assignments that wait for one worker's adapter. When it is full, nobody reads it and the worker is cut off.
pub(crate) const OUTBOX: usize = 1024;

/// The table of connected workers.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_number: u64,
    by_worker: HashMap<WorkerId, Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    profile: WorkerProfile,
    /// `None` once nobody reads it: its adapter finds the channel closed.
    outbox: Option<mpsc::Sender<Assignment>>,
    connected: bool,
    quarantined: bool,
    heard_at: Timestamp,
    held: HashMap<LeaseToken, Held>,
}

/// A lease in a worker's hands.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) class: TaskClass,
    pub(crate) needs: Resources,
    pub(crate) running: bool,
    pub(crate) since: Timestamp,
    /// When it was given or last renewed.
    pub(crate) renewed_at: Timestamp,
    pub(crate) progress: Option<Progress>,
    pub(crate) progress_at: Timestamp,
}

/// A lease that has gone on for too long, or without progress.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) worker: WorkerId,
    pub(crate) token: LeaseToken,
    pub(crate) reason: String,
}

/// A worker that was not heard of for too long.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) worker: WorkerId,
    pub(crate) reason: String,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder of the session table panics")
    }

    /// Opens a session; an earlier one of the same worker ends, and its leases stay the worker's.
    pub(crate) fn open(
        &self,
        profile: WorkerProfile,
        held: HashMap<LeaseToken, Held>,
        now: Timestamp,
    ) -> (u64, mpsc::Receiver<Assignment>) {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let mut table = self.lock();
        table.next_number += 1;
        let number = table.next_number;
        let entry = Entry {
            number,
            outbox: Some(outbox),
            connected: true,
            quarantined: false,
            heard_at: now,
            held,
            profile,
        };
        let before = table.by_worker.insert(entry.profile.id, entry);
        if let Some(mut before) = before {
            before.send(Assignment::Refuse(
                "the same worker has connected again".to_owned(),
                false,
            ));
        }
        (number, inbox)
    }

    /// Replaces what a worker says of itself.
    pub(crate) fn update(&self, profile: WorkerProfile) {
        if let Some(entry) = self.lock().by_worker.get_mut(&profile.id) {
            entry.profile = profile;
        }
    }

    /// Changes a worker's profile.
    pub(crate) fn with_profile<T>(&self, worker: WorkerId, change: impl FnOnce(&mut WorkerProfile) -> T) -> Option<T> {
        self.lock()
            .by_worker
            .get_mut(&worker)
            .map(|entry| change(&mut entry.profile))
    }

    /// Marks a session as cut off. `false` if it is not the worker's present one.
    pub(crate) fn cut(&self, worker: WorkerId, number: u64) -> bool {
        let mut table = self.lock();
        match table.by_worker.get_mut(&worker).filter(|entry| entry.number == number) {
            Some(entry) => {
                entry.connected = false;
                true
            }
            None => false,
        }
    }

    /// Forgets a worker.
    pub(crate) fn remove(&self, worker: WorkerId) {
        self.lock().by_worker.remove(&worker);
    }

    /// Gives a worker nothing more.
    pub(crate) fn quarantine(&self, worker: WorkerId) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker) {
            entry.quarantined = true;
        }
    }

    /// Forgets a worker and tells it to go. The end of its connection is no news then.
    pub(crate) fn dismiss(&self, worker: WorkerId, reason: &str) {
        if let Some(mut entry) = self.lock().by_worker.remove(&worker) {
            entry.send(Assignment::Refuse(reason.to_owned(), false));
        }
    }

    /// Notes that a worker was heard of.
    pub(crate) fn heard(&self, worker: WorkerId, now: Timestamp) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker) {
            entry.heard_at = now;
        }
    }

    /// Gives a worker a lease. `false` when it cannot be told: nobody reads its outbox (it is cut off then), or it is gone.
    pub(crate) fn assign(&self, worker: WorkerId, token: LeaseToken, held: Held, assignment: Assignment) -> bool {
        let mut table = self.lock();
        let Some(entry) = table.by_worker.get_mut(&worker).filter(|entry| entry.connected) else {
            return false;
        };
        if !entry.send(assignment) {
            return false;
        }
        entry.held.insert(token, held);
        true
    }

    /// Takes a lease away from a worker and tells it.
    pub(crate) fn revoke(&self, worker: WorkerId, token: LeaseToken, reason: &str) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker) {
            entry.held.remove(&token);
            entry.send(Assignment::Revoke(token, reason.to_owned()));
        }
    }

    /// Notes that a lease is no longer in its worker's hands.
    pub(crate) fn let_go(&self, worker: WorkerId, token: LeaseToken) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker) {
            entry.held.remove(&token);
        }
    }

    /// Whether this coordinator knows that a worker has a lease.
    pub(crate) fn holds(&self, worker: WorkerId, token: LeaseToken) -> bool {
        self.lock()
            .by_worker
            .get(&worker)
            .is_some_and(|entry| entry.held.contains_key(&token))
    }

    /// Notes that a lease was renewed.
    pub(crate) fn renewed(&self, worker: WorkerId, token: LeaseToken, now: Timestamp) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker)
            && let Some(held) = entry.held.get_mut(&token)
        {
            held.renewed_at = now;
        }
    }

    /// Lets go of leases that were not renewed for longer than they hold: their workers have forgotten them. Says how many.
    pub(crate) fn let_go_forgotten(&self, hold: Millis, now: Timestamp) -> usize {
        let mut forgotten = 0;
        for entry in self.lock().by_worker.values_mut() {
            let before = entry.held.len();
            entry.held.retain(|_, held| now.since(held.renewed_at) <= hold);
            forgotten += before - entry.held.len();
        }
        forgotten
    }

    /// Notes that work on a lease has begun.
    pub(crate) fn started(&self, worker: WorkerId, token: LeaseToken, now: Timestamp) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker)
            && let Some(held) = entry.held.get_mut(&token).filter(|held| !held.running)
        {
            held.running = true;
            held.since = now;
            held.progress_at = now;
        }
    }

    /// Notes progress. What is worse than what was said before is passed over.
    pub(crate) fn progress(&self, worker: WorkerId, token: LeaseToken, progress: Progress, now: Timestamp) {
        if let Some(entry) = self.lock().by_worker.get_mut(&worker)
            && let Some(held) = entry.held.get_mut(&token)
        {
            let best = held.progress.as_ref().map_or(0, |before| before.overall_bp);
            if progress.overall_bp > best || held.progress.is_none() {
                held.progress_at = now;
            }
            if progress.overall_bp >= best {
                held.progress = Some(progress);
            }
        }
    }

    /// What was last heard of a lease's progress.
    pub(crate) fn progress_of(&self, worker: WorkerId, token: LeaseToken) -> Option<Progress> {
        self.lock().by_worker.get(&worker)?.held.get(&token)?.progress.clone()
    }

    /// The picture that the scheduler plans with.
    pub(crate) fn views(&self) -> Vec<WorkerView> {
        self.lock().by_worker.values().map(Entry::view).collect()
    }

    /// Classes of which somebody holds a reservation.
    pub(crate) fn reserved_classes(&self) -> Vec<TaskClass> {
        let table = self.lock();
        let held = table.by_worker.values().flat_map(|entry| entry.held.values());
        held.filter(|held| !held.running)
            .map(|held| held.class.clone())
            .collect()
    }

    /// Leases that have gone on for longer than `longest`, or `without` progress; a limit of zero is none.
    pub(crate) fn overdue(&self, longest: Millis, without: Millis, now: Timestamp) -> Vec<Overdue> {
        let table = self.lock();
        let all = table
            .by_worker
            .iter()
            .flat_map(|(worker, entry)| entry.held.iter().map(move |held| (*worker, held)));
        all.filter(|(_, (_, held))| held.running)
            .filter_map(|(worker, (token, held))| {
                let reason = if longest.0 > 0 && now.since(held.since) >= longest {
                    format!("its proof took longer than {} minutes", longest.0 / 60_000)
                } else if without.0 > 0 && now.since(held.progress_at) >= without {
                    format!("its proof made no progress for {} minutes", without.0 / 60_000)
                } else {
                    return None;
                };
                Some(Overdue {
                    worker,
                    token: *token,
                    reason,
                })
            })
            .collect()
    }

    /// Workers not heard of for `gone_after`.
    pub(crate) fn silent(&self, gone_after: Millis, now: Timestamp) -> Vec<Silent> {
        let table = self.lock();
        let silent = table
            .by_worker
            .iter()
            .filter(|(_, entry)| now.since(entry.heard_at) >= gone_after);
        silent
            .map(|(worker, entry)| {
                let how = if entry.connected {
                    "no heartbeat"
                } else {
                    "network disconnected"
                };
                Silent {
                    worker: *worker,
                    reason: format!("{how} for {} s", gone_after.0 / 1000),
                }
            })
            .collect()
    }

    /// Workers that were heard of.
    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        self.lock().by_worker.keys().copied().collect()
    }
}

impl Entry {
    /// Puts something into the outbox. When that is full or closed nobody reads it: the worker is cut off.
    fn send(&mut self, assignment: Assignment) -> bool {
        let sent = self
            .outbox
            .as_ref()
            .is_some_and(|outbox| outbox.try_send(assignment).is_ok());
        if !sent {
            self.outbox = None;
            self.connected = false;
        }
        sent
    }

    fn view(&self) -> WorkerView {
        let (running, mut reserved): (Vec<&Held>, Vec<&Held>) = self.held.values().partition(|held| held.running);
        // Reservations begin by themselves in slots that are free, oldest first: their space is spoken for.
        reserved.sort_by_key(|held| held.since);
        let slots = self.profile.slots as usize;
        let beginning = reserved.iter().take(slots.saturating_sub(running.len()));
        let used = running.iter().chain(beginning);
        WorkerView {
            id: self.profile.id,
            capabilities: self.profile.capabilities.clone(),
            capacity: self.profile.capacity,
            used: used.fold(Resources::default(), |sum, held| sum.plus(&held.needs)),
            slots,
            running: running.len(),
            prefetch: self.profile.prefetch as usize,
            reserved: reserved.len(),
            reachable: self.connected,
            draining: self.profile.draining,
            quarantined: self.quarantined,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn profile() -> WorkerProfile {
        WorkerProfile {
            id: WorkerId(Uuid::from_u128(1)),
            name: "worker".to_owned(),
            version: "1.0.0".to_owned(),
            address: "127.0.0.1".to_owned(),
            capabilities: Vec::new(),
            capacity: Resources::default(),
            slots: 2,
            prefetch: 1,
            draining: false,
        }
    }

    fn held(memory: u64, running: bool, since: i64) -> Held {
        Held {
            class: TaskClass {
                role: hierophant_domain::Name::literal("prove"),
                system: hierophant_domain::Name::literal("vm"),
                kind: hierophant_domain::Name::literal("core"),
                labels: std::collections::BTreeMap::new(),
            },
            needs: Resources {
                memory,
                ..Resources::default()
            },
            running,
            since: Timestamp(since),
            renewed_at: Timestamp(since),
            progress: None,
            progress_at: Timestamp(since),
        }
    }

    #[test]
    fn a_worker_whose_outbox_is_full_is_cut_off() {
        let sessions = Sessions::default();
        let (_, mut inbox) = sessions.open(profile(), HashMap::new(), Timestamp(0));
        let token = LeaseToken(Uuid::nil());
        for _ in 0..OUTBOX {
            sessions.revoke(profile().id, token, "cancelled");
        }
        assert!(sessions.views()[0].reachable);
        sessions.revoke(profile().id, token, "cancelled");
        assert!(!sessions.views()[0].reachable);
        assert_eq!(std::iter::from_fn(|| inbox.try_recv().ok()).count(), OUTBOX);
        assert_eq!(inbox.try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn space_is_spoken_for_by_what_runs_and_by_what_is_about_to_begin() {
        let sessions = Sessions::default();
        let leases = [held(1, true, 0), held(10, false, 1), held(100, false, 2)];
        let leases = (1..).map(|n| LeaseToken(Uuid::from_u128(n))).zip(leases).collect();
        let (_, _inbox) = sessions.open(profile(), leases, Timestamp(0));
        let view = &sessions.views()[0];
        assert_eq!((view.running, view.reserved, view.used.memory), (1, 2, 11));
        assert_eq!((view.free_slots(), view.room()), (0, 0));
    }

    #[test]
    fn a_lease_that_nobody_renews_is_let_go_at_its_end() {
        let sessions = Sessions::default();
        let token = LeaseToken(Uuid::from_u128(1));
        let (_, _inbox) = sessions.open(profile(), [(token, held(1, true, 0))].into(), Timestamp(0));
        sessions.renewed(profile().id, token, Timestamp(5));
        assert_eq!(sessions.let_go_forgotten(Millis(10), Timestamp(15)), 0);
        assert_eq!(sessions.let_go_forgotten(Millis(10), Timestamp(16)), 1);
        assert_eq!(sessions.views()[0].used.memory, 0);
    }
}
