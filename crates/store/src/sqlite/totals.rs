//! Counts in memory: requests and tasks by state, open requests by requester, ready tasks by class and rank.
//!
//! Invariant: they say what was last committed. Each batch collects its changes and applies them after its commit; they are
//! counted again from the rows when the store is opened. Their size follows the open requests.

use std::collections::{BTreeMap, HashMap};

use hierophant_domain::{RequestState, TaskState, worker::Offence};

use super::keys::Key;
use crate::Counts;

/// The number of a class in the table of classes.
pub(super) type ClassId = i64;

/// A change of state that a batch has made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// A request came (`from` is `None`) or changed its state.
    Request {
        /// Whose.
        requester: Key,
        /// Before.
        from: Option<RequestState>,
        /// After.
        to: RequestState,
    },
    /// A task came (`from` is `None`) or changed its state.
    Task {
        /// Its class.
        class: ClassId,
        /// Its rank.
        rank: i64,
        /// Before.
        from: Option<TaskState>,
        /// After.
        to: TaskState,
    },
    /// A worker was struck.
    Strike(Offence),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Totals {
    requests: [u64; 5],
    tasks: [u64; 7],
    strikes: [u64; Offence::ALL.len()],
    live_by_requester: HashMap<Key, u64>,
    ready: HashMap<ClassId, BTreeMap<i64, usize>>,
    delivered: HashMap<ClassId, usize>,
}

impl Totals {
    /// Takes one change.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Request { requester, from, to } => self.request_changed(requester, from, to),
            Change::Strike(offence) => self.strikes[offence.place()] += 1,
            Change::Task { class, rank, from, to } => {
                if let Some(from) = from.filter(|from| !from.is_final()) {
                    let count = &mut self.tasks[usize::from(from.code())];
                    *count = count.saturating_sub(1);
                    self.task_left(class, rank, from);
                }
                if !to.is_final() {
                    self.tasks[usize::from(to.code())] += 1;
                }
                match to {
                    TaskState::Ready => *self.ready.entry(class).or_default().entry(rank).or_default() += 1,
                    TaskState::Delivered => *self.delivered.entry(class).or_default() += 1,
                    TaskState::Waiting
                    | TaskState::Leased
                    | TaskState::Done
                    | TaskState::Failed
                    | TaskState::Revoked => {}
                }
            }
        }
    }

    fn request_changed(&mut self, requester: Key, from: Option<RequestState>, to: RequestState) {
        if from == Some(to) {
            return;
        }
        self.requests[usize::from(to.code())] += 1;
        if to == RequestState::Open {
            *self.live_by_requester.entry(requester).or_default() += 1;
        }
        if from == Some(RequestState::Open) {
            let open = &mut self.requests[usize::from(RequestState::Open.code())];
            *open = open.saturating_sub(1);
            subtract_one(&mut self.live_by_requester, &requester);
        }
    }

    fn task_left(&mut self, class: ClassId, rank: i64, from: TaskState) {
        match from {
            TaskState::Ready => {
                if let Some(ranks) = self.ready.get_mut(&class) {
                    if let Some(count) = ranks.get_mut(&rank) {
                        *count -= 1;
                        if *count == 0 {
                            ranks.remove(&rank);
                        }
                    }
                    if ranks.is_empty() {
                        self.ready.remove(&class);
                    }
                }
            }
            TaskState::Delivered => {
                if let Some(count) = self.delivered.get_mut(&class) {
                    *count -= 1;
                    if *count == 0 {
                        self.delivered.remove(&class);
                    }
                }
            }
            TaskState::Waiting | TaskState::Leased | TaskState::Done | TaskState::Failed | TaskState::Revoked => {}
        }
    }

    /// For metrics.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests,
            tasks: self.tasks,
            strikes: self.strikes,
        }
    }

    /// Open requests.
    pub(super) fn live(&self) -> u64 {
        self.requests[usize::from(RequestState::Open.code())]
    }

    /// Open requests of one requester.
    pub(super) fn live_of(&self, requester: &Key) -> u64 {
        self.live_by_requester.get(requester).copied().unwrap_or(0)
    }

    /// Classes with ready tasks: class, how many, lowest rank.
    pub(super) fn ready(&self) -> Vec<(ClassId, usize, i64)> {
        let summary = |(class, ranks): (&ClassId, &BTreeMap<i64, usize>)| {
            let (first, _) = ranks.first_key_value()?;
            Some((*class, ranks.values().sum(), *first))
        };
        self.ready.iter().filter_map(summary).collect()
    }

    /// Classes with delivered tasks.
    pub(super) fn delivered(&self) -> Vec<ClassId> {
        self.delivered.keys().copied().collect()
    }
}

fn subtract_one(counts: &mut HashMap<Key, u64>, key: &Key) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
