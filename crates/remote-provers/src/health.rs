//! Whether a prover gets work: what is known of it, as a function of what happens, without any I/O or clock.
//!
//! What must stay true: a prover is leased to only while it is [`Health::Healthy`]; one that is not is looked at less and
//! less often, never less than every 2^[`EXPONENT_MAX`] units of back-off; one good check makes it healthy again.

use std::time::Duration;

use hierophant_domain::Timestamp;
use hierophant_miden_api::client::WorkerInfo;

/// Failed checks after which the pause between two of them grows no more.
const EXPONENT_MAX: u32 = 9;

/// What is known of a prover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It was not looked at yet.
    Unknown,
    /// It is what it should be, and the core has taken it in.
    Healthy {
        /// Since when.
        since: Timestamp,
        /// What it says of itself.
        info: WorkerInfo,
    },
    /// It gets nothing.
    Unhealthy {
        /// Since when.
        since: Timestamp,
        /// Times that it was found so, in a row; at least 1.
        failures: u32,
        /// Why, in words.
        reason: String,
    },
}

/// What happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A check found it as it should be, and the core took it in.
    Fit(WorkerInfo),
    /// A check found that it is not.
    Unfit(String),
    /// A check was not answered in time while it proves for us: workers that prove on every core answer late.
    Silent,
    /// The core does not want it now.
    TurnedAway(String),
    /// A call found nobody there.
    Doubted,
}

/// When to look at it next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// After this time.
    In(Duration),
    /// When it was planned already.
    AsPlanned,
}

/// How often provers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Between checks of a healthy one.
    pub(crate) interval: Duration,
    /// The back-off's unit: a second.
    pub(crate) unit: Duration,
}

impl Pace {
    fn after(self, failures: u32) -> Duration {
        self.unit.saturating_mul(1 << failures.min(EXPONENT_MAX))
    }
}

impl Health {
    /// What follows from an event.
    pub(crate) fn on(self, event: Event, now: Timestamp, pace: Pace) -> (Self, Next) {
        match (self, event) {
            (Self::Healthy { since, .. }, Event::Fit(info)) => (Self::Healthy { since, info }, Next::In(pace.interval)),
            (Self::Unknown | Self::Unhealthy { .. }, Event::Fit(info)) => {
                (Self::Healthy { since: now, info }, Next::In(pace.interval))
            }
            (Self::Unknown | Self::Healthy { .. }, Event::Unfit(reason) | Event::TurnedAway(reason)) => {
                let sick = Self::Unhealthy {
                    since: now,
                    failures: 1,
                    reason,
                };
                (sick, Next::In(pace.after(1)))
            }
            (Self::Unhealthy { since, failures, .. }, Event::Unfit(reason) | Event::TurnedAway(reason)) => {
                let failures = failures.saturating_add(1);
                (
                    Self::Unhealthy {
                        since,
                        failures,
                        reason,
                    },
                    Next::In(pace.after(failures)),
                )
            }
            (same, Event::Silent) => (same, Next::In(pace.interval)),
            (same @ Self::Healthy { .. }, Event::Doubted) => (same, Next::In(Duration::ZERO)),
            (same @ (Self::Unknown | Self::Unhealthy { .. }), Event::Doubted) => (same, Next::AsPlanned),
        }
    }
}

#[cfg(test)]
mod tests {
    use hierophant_miden_api::Kind;

    use super::*;

    const PACE: Pace = Pace {
        interval: Duration::from_secs(10),
        unit: Duration::from_secs(1),
    };

    fn info(version: &str) -> WorkerInfo {
        WorkerInfo {
            version: version.to_owned(),
            kind: Kind::Transaction,
        }
    }

    fn unfit() -> Event {
        Event::Unfit("gone".to_owned())
    }

    fn secs(secs: u64) -> Next {
        Next::In(Duration::from_secs(secs))
    }

    #[test]
    fn the_pause_doubles_from_failure_to_failure_up_to_its_limit() {
        let mut health = Health::Unknown;
        for (number, pause) in (1..).zip([2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512]) {
            let next;
            (health, next) = health.on(unfit(), Timestamp(i64::from(number)), PACE);
            assert_eq!(next, secs(pause));
            let expected = Health::Unhealthy {
                since: Timestamp(1),
                failures: number,
                reason: "gone".to_owned(),
            };
            assert_eq!(health, expected);
        }
    }

    #[test]
    fn one_good_check_makes_it_healthy_and_forgets_its_failures() {
        let (sick, _) = Health::Unknown.on(unfit(), Timestamp(1), PACE);
        let (sick, _) = sick.on(Event::TurnedAway("struck".to_owned()), Timestamp(2), PACE);
        let (well, next) = sick.on(Event::Fit(info("0.15.2")), Timestamp(3), PACE);
        let expected = |version| Health::Healthy {
            since: Timestamp(3),
            info: info(version),
        };
        assert_eq!((well.clone(), next), (expected("0.15.2"), secs(10)));
        let (well, _) = well.on(Event::Fit(info("0.15.3")), Timestamp(4), PACE);
        assert_eq!(well, expected("0.15.3"), "since the first good one");
        assert_eq!(well.on(unfit(), Timestamp(5), PACE).1, secs(2));
    }

    #[test]
    fn a_prover_that_proves_may_be_silent() {
        let (well, _) = Health::Unknown.on(Event::Fit(info("0.15.2")), Timestamp(1), PACE);
        assert_eq!(well.clone().on(Event::Silent, Timestamp(2), PACE), (well, secs(10)));
    }

    #[test]
    fn a_doubt_hurries_the_check_of_a_healthy_one_only() {
        let (well, _) = Health::Unknown.on(Event::Fit(info("0.15.2")), Timestamp(1), PACE);
        assert_eq!(well.clone().on(Event::Doubted, Timestamp(2), PACE), (well, secs(0)));
        let (sick, _) = Health::Unknown.on(unfit(), Timestamp(1), PACE);
        assert_eq!(
            sick.clone().on(Event::Doubted, Timestamp(2), PACE),
            (sick, Next::AsPlanned)
        );
    }
}
