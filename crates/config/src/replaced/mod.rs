//! Names of an earlier generation of the programs, and of programs that ours take the place of. A start that finds one is refused
//! with what to do instead: a value that is silently without effect would be worse than none.

pub mod contemplant;
pub mod hierophant;
pub mod miden;

/// A name that is no longer a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The old name.
    pub old: Old,
    /// What to do instead: a clause that follows a colon.
    pub instead: &'static str,
}

/// Where an old name stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// A dotted key of the file; keys in a list of tables without an index: `provers.vm`.
    Key(&'static str),
    /// A variable of the environment, in full.
    Variable(&'static str),
}

/// An old key.
const fn old_key(old: &'static str, instead: &'static str) -> Replaced {
    Replaced {
        old: Old::Key(old),
        instead,
    }
}

/// An old variable.
const fn old_variable(old: &'static str, instead: &'static str) -> Replaced {
    Replaced {
        old: Old::Variable(old),
        instead,
    }
}

/// The names that a program refuses: tables of several generations.
pub type Tables = &'static [&'static [Replaced]];

fn find(tables: Tables, is_it: impl Fn(&Old) -> bool) -> Option<&'static Replaced> {
    tables.iter().copied().flatten().find(|replaced| is_it(&replaced.old))
}

pub(crate) fn key(tables: Tables, name: &str) -> Option<&'static Replaced> {
    find(tables, |old| matches!(old, Old::Key(old) if *old == name))
}

pub(crate) fn variable(tables: Tables, name: &str) -> Option<&'static Replaced> {
    find(tables, |old| matches!(old, Old::Variable(old) if *old == name))
}

/// Whether old keys stood below this path.
pub(crate) fn is_table(tables: Tables, path: &str) -> bool {
    let is_below = |old: &str| old.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    find(tables, |old| matches!(old, Old::Key(old) if is_below(old))).is_some()
}
