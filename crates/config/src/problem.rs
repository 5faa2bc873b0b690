//! What can be wrong with settings. Every message names the place and says what to do next; none holds a secret.

use std::{fmt, path::PathBuf};

use crate::origin::Origin;

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file named on the command line or in the environment is not there.
    #[error("no settings file at {}; write one with `{program} config init`, or correct the path", path.display())]
    NoFile {
        /// As it was named.
        path: PathBuf,
        /// Name of the program.
        program: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the settings file {}: {reason}", path.display())]
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file, a variable or a flag is longer than any setting needs.
    #[error("{what} is longer than {limit} bytes; shorten it")]
    TooLong {
        /// What is too long.
        what: String,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The file is not TOML.
    #[error("{at}: not valid TOML: {message}")]
    Syntax {
        /// File and line.
        at: Origin,
        /// What the parser said.
        message: String,
    },
    /// No key has this name.
    #[error("{at}: unknown key `{key}`{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// As it was given.
        key: String,
        /// Where it stands.
        at: Origin,
        /// The known key that it resembles most, if any does.
        nearest: Option<String>,
    },
    /// A variable with the program's prefix that stands for no key.
    #[error("unknown variable {name}{}", hint(nearest.as_deref()))]
    UnknownVariable {
        /// As it was given.
        name: String,
        /// The known variable that it resembles most, if any does.
        nearest: Option<String>,
    },
    /// The value is of the wrong type or out of range.
    #[error("{at}: `{key}` is {value}, but must be {expected}{}", reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    Invalid {
        /// Dotted path of the key.
        key: String,
        /// Where the value stands.
        at: Origin,
        /// The value, shortened; a secret is replaced.
        value: String,
        /// What would be right.
        expected: String,
        /// More about this value, when there is more.
        reason: Option<String>,
    },
    /// A key without a default that nobody gave.
    #[error("`{key}` is required; set it in the file{}, for example {example}", variable.as_deref().map(|v| format!(" or as {v}")).unwrap_or_default())]
    Missing {
        /// Dotted path of the key.
        key: String,
        /// The variable that sets it; none for keys in a list of tables.
        variable: Option<String>,
        /// A line of the file that would do.
        example: String,
    },
    /// A key or variable of an earlier generation of the program.
    #[error("{at}: `{old}` is no longer a setting: {instead}")]
    Replaced {
        /// The old name.
        old: String,
        /// Where it stands.
        at: Origin,
        /// What to do instead, a sentence.
        instead: &'static str,
    },
    /// Values that do not fit together.
    #[error("{message} ({})", places(keys))]
    Conflict {
        /// The keys concerned, with where their values came from.
        keys: Vec<(String, Origin)>,
        /// What does not fit, and what to do.
        message: String,
    },
    /// `--set` without a key or without `=`.
    #[error("--set {text} is not of the form key=value, for example --set log.format=json")]
    BadFlag {
        /// The part before any `=`.
        text: String,
    },
    /// Two flags give the same key.
    #[error("`{key}` is given twice on the command line, by {first} and {second}; keep one")]
    GivenTwice {
        /// Dotted path of the key.
        key: String,
        /// The first flag.
        first: Origin,
        /// The second flag.
        second: Origin,
    },
    /// A variable of ours holds bytes that are not UTF-8.
    #[error("the value of variable {name} is not valid UTF-8; settings are UTF-8 text")]
    NotUnicode {
        /// The variable.
        name: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|known| format!("; did you mean {known}?"))
        .unwrap_or_default()
}

fn places(keys: &[(String, Origin)]) -> String {
    let places: Vec<_> = keys.iter().map(|(key, at)| format!("`{key}`: {at}")).collect();
    places.join(", ")
}

/// All that is wrong, in the order found. Never empty.
#[derive(Debug)]
pub struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// Each problem.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            many => {
                write!(f, "{} problems in the settings:", many.len())?;
                for (index, problem) in many.iter().enumerate() {
                    write!(f, "\n  {}. {problem}", index + 1)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Problems {}
