//! The life of one request of this door, as a pure state machine: what is to be done when something has changed or some time
//! has passed.
//!
//! Invariants: a step depends on nothing but the state and the time given; a request is given up for one reason only.

use std::time::{Duration, Instant};

use hierophant_core::ports::Stage;

use crate::settings::DoorSettings;

/// Where a request is, as far as its callers are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It waits for a worker.
    Queue,
    /// A worker has it, or its result is being checked.
    Worker,
}

/// Why a request is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Nobody waits for it.
    Abandoned,
    /// It waited for a worker for too long.
    QueueTime,
    /// One attempt took too long.
    ProofTime,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, until something changes or this time comes.
    WaitUntil(Instant),
    /// Give it up.
    GiveUp(GivenUp),
}

/// What is known of an open request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    place: Place,
    /// Since when it is there.
    since: Instant,
    /// Since when nobody waits for it.
    alone_since: Option<Instant>,
    /// Whether it was there before this process: those who wait for it are on their way back.
    found: bool,
}

impl Life {
    /// A request that was just accepted, with a caller.
    pub(crate) fn accepted(now: Instant) -> Self {
        Self {
            place: Place::Queue,
            since: now,
            alone_since: None,
            found: false,
        }
    }

    /// A request that this process found, without a caller yet.
    pub(crate) fn found(stage: Stage, now: Instant) -> Self {
        Self {
            place: place(stage).unwrap_or(Place::Worker),
            since: now,
            alone_since: Some(now),
            found: true,
        }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Notes how far it is now; says how long it had been in the queue, when it leaves that.
    pub(crate) fn at(&mut self, stage: Stage, now: Instant) -> Option<Duration> {
        let place = place(stage)?;
        if place == self.place {
            return None;
        }
        let queued = (self.place == Place::Queue).then(|| now.duration_since(self.since));
        self.place = place;
        self.since = now;
        queued
    }

    /// Notes how many wait for it now.
    pub(crate) fn waited_for_by(&mut self, callers: usize, now: Instant) {
        if callers == 0 {
            self.alone_since.get_or_insert(now);
        } else {
            self.alone_since = None;
            self.found = false;
        }
    }

    /// What is to be done.
    pub(crate) fn step(&self, settings: &DoorSettings, now: Instant) -> Step {
        let (limit, too_long) = match self.place {
            Place::Queue => (settings.queue_timeout, GivenUp::QueueTime),
            Place::Worker => (settings.proof_timeout, GivenUp::ProofTime),
        };
        let mut next = self.since + limit;
        if now >= next {
            return Step::GiveUp(too_long);
        }
        if let Some(alone) = self.alone_since {
            // What is queued has cost nothing yet.
            let grace = if self.place == Place::Queue && !self.found {
                Duration::ZERO
            } else {
                settings.grace
            };
            if now >= alone + grace {
                return Step::GiveUp(GivenUp::Abandoned);
            }
            next = next.min(alone + grace);
        }
        Step::WaitUntil(next)
    }
}

fn place(stage: Stage) -> Option<Place> {
    match stage {
        Stage::Queued => Some(Place::Queue),
        Stage::Proving(_) | Stage::Checking(_) => Some(Place::Worker),
        Stage::Ended => None,
    }
}

#[cfg(test)]
mod tests {
    use hierophant_domain::Timestamp;

    use super::*;

    const PROVING: Stage = Stage::Proving(Timestamp(0));

    fn settings() -> DoorSettings {
        DoorSettings {
            queue: 10,
            queue_timeout: Duration::from_mins(1),
            proof_timeout: Duration::from_mins(10),
            grace: Duration::from_secs(30),
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_queued_call_leaves_with_its_caller() {
        let start = Instant::now();
        let mut life = Life::accepted(start);
        assert_eq!(life.step(&settings(), start), Step::WaitUntil(after(start, 60)));
        life.waited_for_by(0, start);
        assert_eq!(life.step(&settings(), start), Step::GiveUp(GivenUp::Abandoned));
    }

    #[test]
    fn a_running_proof_goes_on_for_the_grace() {
        let start = Instant::now();
        let mut life = Life::accepted(start);
        assert_eq!(life.at(PROVING, after(start, 5)), Some(Duration::from_secs(5)));
        life.waited_for_by(0, after(start, 10));
        assert_eq!(
            life.step(&settings(), after(start, 39)),
            Step::WaitUntil(after(start, 40))
        );
        let mut joined = life;
        joined.waited_for_by(1, after(start, 39));
        assert_eq!(
            joined.step(&settings(), after(start, 41)),
            Step::WaitUntil(after(start, 605))
        );
        assert_eq!(
            life.step(&settings(), after(start, 40)),
            Step::GiveUp(GivenUp::Abandoned)
        );
    }

    #[test]
    fn what_was_found_waits_for_its_callers_even_while_it_is_queued() {
        let start = Instant::now();
        let mut life = Life::found(Stage::Queued, start);
        assert_eq!(life.step(&settings(), start), Step::WaitUntil(after(start, 30)));
        assert_eq!(
            life.step(&settings(), after(start, 30)),
            Step::GiveUp(GivenUp::Abandoned)
        );
        life.waited_for_by(1, after(start, 3));
        life.waited_for_by(0, after(start, 4));
        assert_eq!(
            life.step(&settings(), after(start, 4)),
            Step::GiveUp(GivenUp::Abandoned)
        );
    }

    #[test]
    fn time_in_the_queue_and_time_of_a_proof_are_counted_apart() {
        let start = Instant::now();
        let mut life = Life::accepted(start);
        assert_eq!(
            life.step(&settings(), after(start, 60)),
            Step::GiveUp(GivenUp::QueueTime)
        );
        assert_eq!(life.at(PROVING, after(start, 50)), Some(Duration::from_secs(50)));
        assert_eq!(life.at(Stage::Checking(Timestamp(0)), after(start, 100)), None);
        assert_eq!(
            life.step(&settings(), after(start, 649)),
            Step::WaitUntil(after(start, 650))
        );
        assert_eq!(
            life.step(&settings(), after(start, 650)),
            Step::GiveUp(GivenUp::ProofTime)
        );
        // A failed attempt brings it back into the queue, and the queue's time begins anew.
        assert_eq!(life.at(Stage::Queued, after(start, 640)), None);
        assert_eq!(
            life.step(&settings(), after(start, 650)),
            Step::WaitUntil(after(start, 700))
        );
        assert_eq!(life.at(Stage::Ended, after(start, 650)), None);
    }
}
