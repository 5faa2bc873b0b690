//! An attached prover as operators see it.

use hierophant_domain::{Timestamp, WorkerId};
use hierophant_miden_api::{Health as Word, Kind, Line};

use crate::{Address, Options, health::Health, profile::worker_id};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it listens.
    pub address: Address,
    /// The worker that it is to the core.
    pub worker: WorkerId,
    /// For people: its address.
    pub name: String,
    /// The line that it was attached for.
    pub line: Line,
    /// What it says that it proves; `None` until it was reached.
    pub kind: Option<Kind>,
    /// The version that it gave last; empty until it was reached.
    pub version: String,
    /// Whether it gets work.
    pub health: Word,
    /// Since when it is as `health` says; `None` while that is unknown.
    pub since: Option<Timestamp>,
    /// Why it is unhealthy, or that it is leaving.
    pub reason: Option<String>,
    /// Tasks that it is given at once.
    pub slots: u32,
    /// Tasks in its hands now.
    pub busy: u32,
    /// Proofs that it gave since the coordinator started.
    pub proofs: u64,
    /// Whether it is removed and only finishes what it has.
    pub leaving: bool,
    /// Whether the settings file names it.
    pub configured: bool,
}

impl View {
    /// One that nothing is known of.
    pub(crate) fn new(address: Address, options: Options, configured: bool) -> Self {
        Self {
            worker: worker_id(&address),
            name: address.to_string(),
            address,
            line: options.line,
            kind: None,
            version: String::new(),
            health: Word::Unknown,
            since: None,
            reason: None,
            slots: options.slots,
            busy: 0,
            proofs: 0,
            leaving: false,
            configured,
        }
    }

    /// Takes over what is known of its health.
    pub(crate) fn show(&mut self, health: &Health) {
        match health {
            Health::Unknown => {
                (self.health, self.since, self.reason) = (Word::Unknown, None, None);
            }
            Health::Healthy { since, info } => {
                (self.health, self.since, self.reason) = (Word::Healthy, Some(*since), None);
                self.kind = Some(info.kind);
                self.version.clone_from(&info.version);
            }
            Health::Unhealthy { since, reason, .. } => {
                (self.health, self.since, self.reason) = (Word::Unhealthy, Some(*since), Some(reason.clone()));
            }
        }
        if self.leaving {
            self.reason = Some("it is removed and finishes what it has".to_owned());
        }
    }

    /// The word for its health.
    pub fn word(&self) -> &'static str {
        match self.health {
            Word::Unknown => "unknown",
            Word::Healthy => "healthy",
            Word::Unhealthy => "unhealthy",
        }
    }
}
