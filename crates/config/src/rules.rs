//! Checks that concern several keys at once.

use crate::{origin::Origins, problem::Problem};

/// Collects what does not fit together. A rule about a key that already has a problem of its own is skipped: its value
/// is then only a stand-in, and a second complaint would mislead.
#[derive(Debug)]
pub struct Rules<'a> {
    pub(crate) problems: &'a mut Vec<Problem>,
    pub(crate) origins: &'a Origins,
}

impl Rules<'_> {
    /// Reports `message` unless `holds`. `keys` are all the keys that the rule looked at, as dotted paths.
    pub fn require(&mut self, holds: bool, keys: &[&str], message: &str) {
        if holds || keys.iter().any(|key| self.is_broken(key)) {
            return;
        }
        let keys = keys
            .iter()
            .map(|key| ((*key).to_owned(), self.origins.of(key)))
            .collect();
        self.problems.push(Problem::Conflict {
            keys,
            message: message.to_owned(),
        });
    }

    fn is_broken(&self, wanted: &str) -> bool {
        self.problems.iter().any(|problem| match problem {
            Problem::Invalid { key, .. } | Problem::Missing { key, .. } | Problem::GivenTwice { key, .. } => {
                key == wanted
            }
            Problem::NoFile { .. }
            | Problem::Unreadable { .. }
            | Problem::TooLong { .. }
            | Problem::Syntax { .. }
            | Problem::UnknownKey { .. }
            | Problem::UnknownVariable { .. }
            | Problem::Replaced { .. }
            | Problem::Conflict { .. }
            | Problem::BadFlag { .. }
            | Problem::NotUnicode { .. } => false,
        })
    }
}
