//! How often what is tried again, and in which order tasks wait: the numbers and the arithmetic over them.

use std::collections::HashSet;

use crate::{
    failure::FailureClass,
    task::{FailureNote, Verdict},
    time::{Millis, Timestamp},
};

/// One step of priority moves a task ahead by this much waiting time.
pub const PRIORITY_STEP: Millis = Millis::from_secs(60);
/// A task goes ahead of those that came before it when its deadline is nearer than this.
pub const DEADLINE_LEAD: Millis = Millis::from_secs(15 * 60);

/// How often a task is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, whatever ended them.
    pub max_attempts: u32,
    /// Different workers whose prover failed on it, until it counts as poison.
    pub max_prover_failures: u32,
    /// How long a worker that failed a task does not get it again, while others may.
    pub same_worker_after: Millis,
    /// How long a worker that failed a task waits for it when there is no other: doubled by each failure of its own, up to
    /// [`Self::same_worker_after`].
    pub only_worker_after: Millis,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            max_prover_failures: 3,
            same_worker_after: Millis::from_secs(30),
            only_worker_after: Millis::from_secs(1),
        }
    }
}

impl RetryPolicy {
    /// What follows after `attempts` attempts, of which those in `failures` failed.
    pub fn judge(&self, attempts: u32, failures: &[FailureNote]) -> Verdict {
        let crashed_on: HashSet<_> = failures
            .iter()
            .filter(|note| note.class == FailureClass::Prover)
            .map(|note| note.worker)
            .collect();
        if crashed_on.len() >= self.max_prover_failures as usize {
            return Verdict::GiveUp(format!("the prover failed on {} different workers", crashed_on.len()));
        }
        if attempts >= self.max_attempts {
            return Verdict::GiveUp(format!("all {} attempts failed", self.max_attempts));
        }
        Verdict::Retry
    }

    /// How long a worker that failed a task `times` times is kept from it.
    pub fn kept_from(&self, times: usize, others: Others) -> Millis {
        match others {
            Others::Some => self.same_worker_after,
            Others::None => {
                let doubled = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX);
                let factor = 2_i64.saturating_pow(doubled);
                Millis(self.only_worker_after.0.saturating_mul(factor)).min(self.same_worker_after)
            }
        }
    }
}

/// Whether a task that a worker failed could go to somebody else meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Other workers serve its class.
    Some,
    /// The worker is the only one for it.
    None,
}

/// The place of a task among the ready ones of its class: a virtual time, lower first. It holds arrival, priority and
/// deadline, so nobody has to rewrite it while time passes.
pub fn rank(accepted_at: Timestamp, priority: i16, deadline: Timestamp) -> i64 {
    let by_arrival = accepted_at
        .0
        .saturating_sub(i64::from(priority).saturating_mul(PRIORITY_STEP.0));
    by_arrival.min(deadline.0.saturating_sub(DEADLINE_LEAD.0))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::WorkerId;

    fn note(worker: u128, class: FailureClass) -> FailureNote {
        FailureNote {
            worker: WorkerId(Uuid::from_u128(worker)),
            class,
            at: Timestamp(0),
        }
    }

    #[test]
    fn poison_needs_different_workers() {
        let policy = RetryPolicy::default();
        let same = [
            note(1, FailureClass::Prover),
            note(1, FailureClass::Prover),
            note(1, FailureClass::Prover),
        ];
        assert_eq!(policy.judge(3, &same), Verdict::Retry);
        let different = [
            note(1, FailureClass::Prover),
            note(2, FailureClass::Prover),
            note(3, FailureClass::Prover),
        ];
        assert!(matches!(policy.judge(3, &different), Verdict::GiveUp(_)));
    }

    #[test]
    fn attempts_are_bounded_at_the_edge() {
        let policy = RetryPolicy {
            max_attempts: 2,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.judge(1, &[note(1, FailureClass::Transient)]), Verdict::Retry);
        assert!(matches!(
            policy.judge(2, &[note(1, FailureClass::Transient)]),
            Verdict::GiveUp(_)
        ));
    }

    #[test]
    fn the_only_worker_is_kept_from_a_task_briefly_at_first_and_never_longer_than_one_of_many() {
        let policy = RetryPolicy::default();
        let alone: Vec<_> = [1, 2, 3, 5, 6, 64, 70, usize::MAX]
            .map(|times| policy.kept_from(times, Others::None).0 / 1000)
            .into();
        assert_eq!(alone, [1, 2, 4, 16, 30, 30, 30, 30]);
        assert_eq!(policy.kept_from(1, Others::Some), policy.same_worker_after);
    }

    #[test]
    fn rank_orders_by_arrival_then_priority_then_deadline() {
        let far = Timestamp(i64::MAX);
        assert!(rank(Timestamp(1), 0, far) < rank(Timestamp(2), 0, far));
        assert!(rank(Timestamp(2), 1, far) < rank(Timestamp(1), 0, far));
        let near = Timestamp(1_000_000);
        assert!(rank(Timestamp(900_000), 0, near) < rank(Timestamp(500_000), 0, far));
    }
}
