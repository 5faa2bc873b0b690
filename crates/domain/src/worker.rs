//! A worker as the coordinator knows it: who it is, whether it is there, and how far it is trusted.
//!
//! Invariant: "not heard of lately" (stale) is not "gone": a stale worker keeps its leases, a gone one does not.

use serde::{Deserialize, Serialize};

use crate::{
    capability::{Capability, Resources},
    ids::WorkerId,
    time::{Millis, Timestamp},
};

/// Longest name of a worker, in bytes.
pub const WORKER_NAME_MAX_BYTES: usize = 128;
/// Most capabilities of one worker.
pub const CAPABILITIES_MAX: usize = 256;

/// Whether a worker is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Heard of within its heartbeat interval or a few of them.
    Alive,
    /// Silent for a while, or its connection is cut: it keeps what it has and gets nothing new.
    Stale,
    /// Silent for too long, or it said good-bye.
    Gone,
}

/// When silence means what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessPolicy {
    /// How often a worker beats.
    pub heartbeat: Millis,
    /// Silence after which it is gone.
    pub gone_after: Millis,
}

impl LivenessPolicy {
    /// What a silence of `silent` means: alive up to three missed heartbeats.
    pub fn judge(&self, silent: Millis) -> Liveness {
        if silent.0 >= self.gone_after.0 {
            Liveness::Gone
        } else if silent.0 > self.heartbeat.0.saturating_mul(3) {
            Liveness::Stale
        } else {
            Liveness::Alive
        }
    }
}

/// What counts against a worker. Good work takes strikes back; at the limit it is quarantined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Strikes now.
    pub strikes: u32,
    /// Until when the worker gets no work.
    pub quarantined_until: Option<Timestamp>,
}

/// When strikes mean what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrikePolicy {
    /// Strikes at which a worker is quarantined; at least 1.
    pub max_strikes: u32,
    /// How long.
    pub quarantine: Millis,
}

impl Standing {
    /// One strike more. At the limit the worker is quarantined, and comes back with one strike less than the limit.
    #[must_use]
    pub fn strike(self, now: Timestamp, policy: &StrikePolicy) -> Self {
        let strikes = self.strikes.saturating_add(1).min(policy.max_strikes);
        if strikes < policy.max_strikes {
            return Self { strikes, ..self };
        }
        Self {
            strikes: policy.max_strikes.saturating_sub(1),
            quarantined_until: Some(now.plus(policy.quarantine)),
        }
    }

    /// A verified result takes one strike back.
    #[must_use]
    pub fn good_work(self) -> Self {
        Self {
            strikes: self.strikes.saturating_sub(1),
            ..self
        }
    }

    /// Whether the worker may get work.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        self.quarantined_until.is_none_or(|until| now >= until)
    }
}

/// What a strike is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// A result that does not verify.
    InvalidProof,
    /// It blamed a program or an input that is not at fault.
    FalseBlame,
    /// It took too long, or made no progress.
    TooSlow,
}

impl Offence {
    /// Every one, each at the place [`Self::place`] says.
    pub const ALL: [Self; 3] = [Self::InvalidProof, Self::FalseBlame, Self::TooSlow];

    /// Its place in [`Self::ALL`].
    pub fn place(self) -> usize {
        match self {
            Self::InvalidProof => 0,
            Self::FalseBlame => 1,
            Self::TooSlow => 2,
        }
    }

    /// The word used in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidProof => "invalid_proof",
            Self::FalseBlame => "false_blame",
            Self::TooSlow => "too_slow",
        }
    }
}

/// A strike against a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// What for.
    pub offence: Offence,
    /// A sentence for the worker and the operator.
    pub reason: String,
}

impl Strike {
    /// One with its reason.
    pub fn new(offence: Offence, reason: impl Into<String>) -> Self {
        Self {
            offence,
            reason: reason.into(),
        }
    }
}

/// What a worker says of itself when it registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerProfile {
    /// Stable across reconnects and restarts.
    pub id: WorkerId,
    /// For people; not unique; at most [`WORKER_NAME_MAX_BYTES`].
    pub name: String,
    /// Release and commit.
    pub version: String,
    /// Where it dials from.
    pub address: String,
    /// What it serves; at most [`CAPABILITIES_MAX`].
    pub capabilities: Vec<Capability>,
    /// What it has in all.
    pub capacity: Resources,
    /// Tasks that it runs at once.
    pub slots: u32,
    /// Tasks that it may hold beyond those.
    pub prefetch: u32,
    /// Whether it wants no more work.
    pub draining: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIKES: StrikePolicy = StrikePolicy {
        max_strikes: 3,
        quarantine: Millis(1000),
    };

    #[test]
    fn the_third_strike_quarantines_and_good_work_takes_one_back() {
        let now = Timestamp(0);
        let twice = Standing::default().strike(now, &STRIKES).strike(now, &STRIKES);
        assert_eq!((twice.strikes, twice.is_trusted(now)), (2, true));
        assert_eq!(twice.good_work().strikes, 1);
        let out = twice.strike(now, &STRIKES);
        assert!(!out.is_trusted(Timestamp(999)));
        assert!(out.is_trusted(Timestamp(1000)));
        assert!(!out.strike(Timestamp(2000), &STRIKES).is_trusted(Timestamp(2999)));
    }

    #[test]
    fn each_offence_has_its_place() {
        for (place, offence) in Offence::ALL.into_iter().enumerate() {
            assert_eq!(offence.place(), place);
        }
    }

    #[test]
    fn silence_has_three_meanings() {
        let policy = LivenessPolicy {
            heartbeat: Millis(10),
            gone_after: Millis(100),
        };
        assert_eq!(policy.judge(Millis(30)), Liveness::Alive);
        assert_eq!(policy.judge(Millis(31)), Liveness::Stale);
        assert_eq!(policy.judge(Millis(99)), Liveness::Stale);
        assert_eq!(policy.judge(Millis(100)), Liveness::Gone);
    }
}
