//! What a task needs and what a worker offers, in the same terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{Kind, Name, Role, System};

/// Most labels on a class or a capability.
pub const LABELS_MAX: usize = 16;

/// What a task needs of a worker, apart from space: the key by which ready tasks are indexed.
///
/// Prints as `role/system/kind?key=value&…` with keys in order; this text is the class's key in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskClass {
    /// What the worker does.
    pub role: Role,
    /// The proof system.
    pub system: System,
    /// The kind of proof.
    pub kind: Kind,
    /// What the worker's labels must contain: circuit version, protocol line, fork, enclave.
    pub labels: BTreeMap<Name, Name>,
}

/// Space of a worker or of a task, in bytes; devices by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// Resident memory.
    pub memory: u64,
    /// Shared memory (/dev/shm).
    pub shared_memory: u64,
    /// Accelerators.
    pub devices: u32,
}

/// A kind of task that a worker serves, and what one costs there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capability {
    /// What the worker does.
    pub role: Role,
    /// The proof system.
    pub system: System,
    /// The kind of proof.
    pub kind: Kind,
    /// What the worker has: circuit version and the like.
    pub labels: BTreeMap<Name, Name>,
    /// What one task takes at its peak.
    pub needs: Resources,
}

impl Capability {
    /// Whether a task of `class` can be served: same role, system and kind, and every label that it asks for.
    pub fn serves(&self, class: &TaskClass) -> bool {
        self.role == class.role
            && self.system == class.system
            && self.kind == class.kind
            && class
                .labels
                .iter()
                .all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

impl Resources {
    /// Whether `needs` fits into this.
    pub fn fits(&self, needs: &Self) -> bool {
        self.memory >= needs.memory && self.shared_memory >= needs.shared_memory && self.devices >= needs.devices
    }

    /// What is left after `used`; never below zero.
    #[must_use]
    pub fn minus(&self, used: &Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(used.memory),
            shared_memory: self.shared_memory.saturating_sub(used.shared_memory),
            devices: self.devices.saturating_sub(used.devices),
        }
    }

    /// Both together; saturates.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            memory: self.memory.saturating_add(other.memory),
            shared_memory: self.shared_memory.saturating_add(other.shared_memory),
            devices: self.devices.saturating_add(other.devices),
        }
    }
}

impl TaskClass {
    /// `system/kind`: what people read.
    pub fn title(&self) -> String {
        format!("{}/{}", self.system, self.kind)
    }

    /// Reads the key that [`Display`](std::fmt::Display) prints.
    pub fn parse(key: &str) -> Option<Self> {
        let (path, query) = key.split_once('?').unwrap_or((key, ""));
        let mut parts = path.split('/');
        let (role, system, kind) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let labels = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                pair.split_once('=')
                    .and_then(|(k, v)| Some((Name::new(k).ok()?, Name::new(v).ok()?)))
            })
            .collect::<Option<_>>()?;
        Some(Self {
            role: Name::new(role).ok()?,
            system: Name::new(system).ok()?,
            kind: Name::new(kind).ok()?,
            labels,
        })
    }
}

impl std::fmt::Display for TaskClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.role, self.system, self.kind)?;
        for (index, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(labels: &[(&'static str, &'static str)]) -> TaskClass {
        TaskClass {
            role: Name::literal("prove"),
            system: Name::literal("vm"),
            kind: Name::literal("core"),
            labels: labels
                .iter()
                .map(|(k, v)| (Name::literal(k), Name::literal(v)))
                .collect(),
        }
    }

    #[test]
    fn a_key_reads_back() {
        for labels in [&[][..], &[("toolchain", "v1")], &[("a", "1"), ("b", "2")]] {
            assert_eq!(TaskClass::parse(&class(labels).to_string()), Some(class(labels)));
        }
        for bad in ["", "a/b", "a/b/c/d", "a/b/c?x", "A/b/c"] {
            assert_eq!(TaskClass::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_label_asked_for_must_be_there() {
        let TaskClass {
            role,
            system,
            kind,
            labels,
        } = class(&[("toolchain", "v1"), ("extra", "x")]);
        let offer = Capability {
            role,
            system,
            kind,
            labels,
            needs: Resources::default(),
        };
        assert!(offer.serves(&class(&[])));
        assert!(offer.serves(&class(&[("toolchain", "v1")])));
        assert!(!offer.serves(&class(&[("toolchain", "v2")])));
        assert!(!offer.serves(&class(&[("enclave", "e")])));
    }
}
