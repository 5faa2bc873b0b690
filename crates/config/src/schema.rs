//! The description of all keys, which the checks and the generated texts share.

use crate::raw::Raw;

/// All keys of one program, or of one entry of a list of tables, in the order declared.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Every key.
    pub keys: Vec<Key>,
    /// Every table that holds keys.
    pub groups: Vec<GroupDoc>,
}

/// What a table is for.
#[derive(Clone, Debug)]
pub struct GroupDoc {
    /// Dotted path.
    pub path: String,
    /// Description, a line each.
    pub doc: Vec<String>,
}

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Dotted path, such as `workers.max_strikes`.
    pub path: String,
    /// Description, a line each.
    pub doc: Vec<String>,
    /// Name of the type, such as `duration`.
    pub type_name: String,
    /// Which values of the type are allowed, if not all.
    pub constraint: Option<String>,
    /// What holds when nobody gives it.
    pub presence: Presence,
    /// Whether its value must not be printed.
    pub secret: bool,
    /// A variable without our prefix that also sets it, and wins over ours.
    pub also_variable: Option<&'static str>,
}

/// What holds when nobody gives a key.
#[derive(Clone, Debug)]
pub enum Presence {
    /// This value.
    Default(Raw),
    /// What `absent` says.
    Optional {
        /// A value that would do.
        example: Raw,
        /// What happens without it.
        absent: &'static str,
    },
    /// The start is refused.
    Required {
        /// A value that would do.
        example: Raw,
    },
    /// An empty list; each entry is a table with these keys.
    Tables {
        /// The keys of an entry, relative to it.
        entry: Schema,
    },
}

impl Schema {
    /// The key with this dotted path.
    pub fn key(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// Whether keys stand below this path.
    pub(crate) fn is_group(&self, path: &str) -> bool {
        self.groups.iter().any(|group| group.path == path)
    }
}
