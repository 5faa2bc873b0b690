//! Tasks in hand with their attempts, in memory: a request is written at each of five steps, and what one step wrote the next
//! need not read and decode again.
//!
//! Invariants: an entry says what the rows say, as the transaction in hand sees them. So whatever writes a row of a task or an
//! attempt says so here, and after a batch that failed nothing is kept. One thread, the writer, has it. It may be emptied at any
//! moment.

use std::collections::HashMap;

use hierophant_domain::{Attempt, BlobRef, LeaseToken, RequestId, TaskId};

use super::tasks::TaskRow;

/// Most tasks. Those that wait are passed through it, too: when there are more, what is read is read from rows.
const TASKS_MAX: usize = 4096;
/// Largest delivery that is kept, in bytes: together they take some MiB.
const DELIVERY_BYTES_MAX: usize = 4096;

/// Which task.
type Place = (RequestId, TaskId);

/// A task and all attempts at it, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) row: TaskRow,
    pub(super) attempts: Vec<Attempt>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_place: HashMap<Place, Job>,
    by_token: HashMap<LeaseToken, Place>,
}

impl Jobs {
    /// A task that is here.
    pub(super) fn get(&self, request: RequestId, task: TaskId) -> Option<&Job> {
        self.by_place.get(&(request, task))
    }

    /// Which task the attempt behind a token is at, if it is here.
    pub(super) fn place(&self, token: LeaseToken) -> Option<Place> {
        self.by_token.get(&token).copied()
    }

    /// Takes a task as its rows are.
    pub(super) fn put(&mut self, job: Job) {
        if self.by_place.len() >= TASKS_MAX {
            self.clear();
        }
        let place = (job.row.task.request, job.row.task.id);
        let tokens = job.attempts.iter().map(|attempt| (attempt.token, place));
        self.by_token.extend(tokens);
        self.by_place.insert(place, job);
    }

    /// The row of a task was written.
    pub(super) fn task_written(&mut self, row: &TaskRow) {
        let place = (row.task.request, row.task.id);
        if row.task.state.is_final() {
            self.forget(place);
        } else if let Some(job) = self.by_place.get_mut(&place) {
            job.row = row.clone();
        }
    }

    /// The row of an attempt was written.
    pub(super) fn attempt_written(&mut self, attempt: &Attempt) {
        let place = (attempt.request, attempt.task);
        let Some(job) = self.by_place.get_mut(&place) else {
            return;
        };
        if delivered_bytes(attempt) > DELIVERY_BYTES_MAX {
            self.forget(place);
            return;
        }
        if let Some(known) = job.attempts.iter_mut().find(|known| known.id == attempt.id) {
            known.clone_from(attempt);
        } else {
            job.attempts.push(attempt.clone());
            self.by_token.insert(attempt.token, place);
        }
    }

    /// Leaves a task to its rows.
    pub(super) fn forget(&mut self, place: Place) {
        for attempt in self.by_place.remove(&place).into_iter().flat_map(|job| job.attempts) {
            self.by_token.remove(&attempt.token);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.by_place.clear();
        self.by_token.clear();
    }
}

fn delivered_bytes(attempt: &Attempt) -> usize {
    let outputs = attempt.delivery.iter().flat_map(|delivery| &delivery.outputs);
    outputs
        .map(|(_, blob)| match blob {
            BlobRef::Inline(bytes) => bytes.len(),
            BlobRef::Artifact(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use hierophant_domain::{
        Name, Record, Task, TaskClass, TaskState, Timestamp, WorkerId,
        attempt::{AttemptState, Delivery},
        ids::AttemptId,
    };
    use uuid::Uuid;

    use super::*;
    use crate::sqlite::tasks::CheckRow;

    fn row(n: u128) -> TaskRow {
        let name = Name::literal;
        TaskRow {
            task: Task {
                id: TaskId(Uuid::from_u128(n)),
                request: RequestId(Uuid::from_u128(n)),
                key: name("root"),
                class: TaskClass {
                    role: name("prove"),
                    system: name("vm"),
                    kind: name("core"),
                    labels: [].into(),
                },
                rank: 0,
                state: TaskState::Leased,
                waits_for: 0,
                attempts: 1,
                failures: Vec::new(),
            },
            class: 1,
            check: CheckRow::free(Timestamp(0)),
        }
    }

    fn attempt(n: u128) -> Attempt {
        Attempt {
            id: AttemptId(Uuid::from_u128(n)),
            task: TaskId(Uuid::from_u128(n)),
            request: RequestId(Uuid::from_u128(n)),
            worker: WorkerId(Uuid::from_u128(n)),
            token: LeaseToken(Uuid::from_u128(n)),
            state: AttemptState::Running,
            leased_at: Timestamp(1),
            lease_until: Timestamp(2),
            ended_at: None,
            delivery: None,
            reason: None,
        }
    }

    fn leased(jobs: &mut Jobs, n: u128) {
        jobs.put(Job {
            row: row(n),
            attempts: Vec::new(),
        });
        jobs.attempt_written(&attempt(n));
    }

    #[test]
    fn an_attempt_is_found_by_its_token_until_its_task_has_ended() {
        let mut jobs = Jobs::default();
        leased(&mut jobs, 1);
        let (request, task) = jobs.place(attempt(1).token).expect("is here");
        assert_eq!(
            jobs.get(request, task).map(|job| job.attempts.clone()),
            Some(vec![attempt(1)])
        );
        let mut ended = row(1);
        ended.task.state = TaskState::Done;
        jobs.task_written(&ended);
        assert!(jobs.place(attempt(1).token).is_none() && jobs.get(request, task).is_none());
    }

    #[test]
    fn what_is_large_or_too_many_is_left_to_the_rows() {
        let mut jobs = Jobs::default();
        leased(&mut jobs, 0);
        let mut delivered = attempt(0);
        let outputs = vec![(Name::literal("proof"), BlobRef::Inline(vec![0; DELIVERY_BYTES_MAX + 1]))];
        let record = Record::default();
        delivered.delivery = Some(Delivery { outputs, record });
        jobs.attempt_written(&delivered);
        assert!(jobs.by_place.is_empty() && jobs.by_token.is_empty());
        for n in 0..=TASKS_MAX as u128 {
            leased(&mut jobs, n);
        }
        assert_eq!((jobs.by_place.len(), jobs.by_token.len()), (1, 1));
    }
}
