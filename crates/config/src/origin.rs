//! Where a value came from.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The settings file.
    File {
        /// As it was named.
        path: Arc<Path>,
        /// From 1; 0 when the whole file is meant.
        line: usize,
    },
    /// A variable of the environment.
    Variable(Arc<str>),
    /// A flag of the command line, such as `--set`.
    Flag(Arc<str>),
}

impl Origin {
    /// The same source at a line of it; only a file has lines.
    pub(crate) fn at(&self, at: usize) -> Self {
        match self {
            Self::File { path, line } => Self::File {
                path: path.clone(),
                line: if at == 0 { *line } else { at },
            },
            Self::Default | Self::Variable(_) | Self::Flag(_) => self.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The origin of every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub(crate) BTreeMap<String, Origin>);

impl Origins {
    /// Where the value of a dotted key, such as `workers.max_strikes`, came from.
    pub fn of(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }
}
