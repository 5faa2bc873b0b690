//! Short names that come from outside: proof systems, kinds, roles, doors, workers.
//!
//! A [`Name`] is 1 to 64 characters of `a-z 0-9 . _ -`, so that it is safe in a key, a label, a path and a log line.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
pub const NAME_MAX_BYTES: usize = 64;

/// A short lower-case word; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {NAME_MAX_BYTES} characters of a-z, 0-9, '.', '_' and '-', not {0:?}")]
pub struct BadName(String);

/// A proof system, such as a zkVM.
pub type System = Name;
/// A kind of proof within a system.
pub type Kind = Name;
/// What a worker does with a task.
pub type Role = Name;
/// A wire contract that clients speak.
pub type Door = Name;

impl Name {
    /// Checks and takes a text.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let fine = !text.is_empty()
            && text.len() <= NAME_MAX_BYTES
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if fine {
            Ok(Self(text.into()))
        } else {
            Err(BadName(text.chars().take(NAME_MAX_BYTES).collect()))
        }
    }

    /// Takes a name that is written in the program.
    ///
    /// # Panics
    /// When the literal is not a name: a mistake in the program, found by its first test.
    pub fn literal(text: &'static str) -> Self {
        Self::new(text).expect("a name written in the program is well formed")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_their_edges() {
        assert!(Name::new(&"a".repeat(NAME_MAX_BYTES)).is_ok());
        assert!(Name::new(&"a".repeat(NAME_MAX_BYTES + 1)).is_err());
        for bad in ["", "A", "a b", "a/b", "ä", "a\n"] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Name::new("groth16").expect("fine").as_str(), "groth16");
    }
}
