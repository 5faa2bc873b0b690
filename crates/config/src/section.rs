//! A table of settings, and how its values are taken out of what was found.

use std::{collections::BTreeMap, fmt::Debug};

use crate::{
    layers::flatten,
    origin::Origin,
    problem::Problem,
    program::Program,
    raw::{Node, Raw},
    schema::{Key, Schema},
    value::{Mismatch, Value},
};

/// A struct of settings. Written by [`settings!`](crate::settings!), never by hand.
pub trait Section: Sized + Clone + Debug + PartialEq {
    /// Appends the keys below `path` ("" at the top).
    fn describe(path: &str, schema: &mut Schema);
    /// Takes the values below `path`. Problems go to the reader; a stand-in takes the place of a bad value.
    fn read(path: &str, reader: &mut Reader<'_>) -> Self;
    /// Appends every key below `path` with its value; secrets are replaced.
    fn write(&self, path: &str, entries: &mut Vec<Entry>);
    /// The defaults; a required key holds its example.
    fn initial() -> Self;

    /// All keys.
    fn schema() -> Schema {
        let mut schema = Schema::default();
        Self::describe("", &mut schema);
        schema
    }
}

/// A key with its value; none when it is optional and absent.
pub type Entry = (String, Option<Raw>);

/// A value and its source.
#[derive(Clone, Debug)]
pub struct Found {
    /// The value.
    pub node: Node,
    /// Its source; the line is in the node.
    pub source: Origin,
}

impl Found {
    /// Where exactly it stands.
    pub fn origin(&self) -> Origin {
        self.source.at(self.node.line)
    }
}

/// Hands out the values found and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(crate) found: BTreeMap<String, Found>,
    /// What stands before a path when it is shown: empty, or `provers[0].`.
    pub(crate) shown: String,
    pub(crate) program: &'a Program,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The value of a key, when it was given and is sound.
    pub(crate) fn take<T: Value>(&mut self, path: &str, check: impl Fn(&T) -> Result<(), String>) -> Option<T> {
        let found = self.found.get(path)?.clone();
        let expected = match T::from_raw(&found.node.raw) {
            Ok(value) => match check(&value) {
                Ok(()) => return Some(value),
                Err(constraint) => Mismatch {
                    expected: constraint,
                    reason: None,
                },
            },
            Err(mismatch) => mismatch,
        };
        let value = if T::SECRET {
            "a secret".to_owned()
        } else {
            found.node.raw.brief()
        };
        self.mismatch(path, &found, value, expected);
        None
    }

    /// The entries of a list of tables, when it was given and is one. Each has a place of its own.
    pub(crate) fn take_tables<S: Section>(&mut self, path: &str) -> Option<Vec<S>> {
        let found = self.found.get(path)?.clone();
        let raw = match &found.node.raw {
            Raw::Text(text) => crate::raw::parse_inline(text),
            other => Ok(other.clone()),
        };
        let tables = match raw.map(|raw| list_of_tables(&raw)) {
            Ok(Some(tables)) => tables,
            Ok(None) => {
                let brief = "something else".to_owned();
                self.mismatch(path, &found, brief, Mismatch::of("a list of tables"));
                return None;
            }
            Err(message) => {
                let brief = "a text that is not TOML".to_owned();
                self.mismatch(path, &found, brief, Mismatch::of("a list of tables").because(message));
                return None;
            }
        };
        let schema = S::schema();
        let entries = tables.into_iter().enumerate();
        Some(
            entries
                .map(|(index, table)| self.entry(path, index, &table, &found.source, &schema))
                .collect(),
        )
    }

    fn entry<S: Section>(
        &mut self,
        path: &str,
        index: usize,
        table: &BTreeMap<String, Node>,
        source: &Origin,
        schema: &Schema,
    ) -> S {
        let place = format!("{}{path}[{index}].", self.shown);
        let known_as = format!("{path}.");
        let found = flatten(table, schema, source, (&place, &known_as), self.program, self.problems);
        let mut reader = Reader {
            found,
            shown: place,
            program: self.program,
            problems: self.problems,
        };
        S::read("", &mut reader)
    }

    /// Notes that a required key is missing.
    pub(crate) fn missing(&mut self, path: &str, example: &Raw) {
        // A key inside an entry of a list of tables has no variable of its own.
        let variable = self.shown.is_empty().then(|| self.program.variable(path));
        let key = format!("{}{path}", self.shown);
        self.problems.push(Problem::Missing {
            key,
            variable,
            example: format!("{path} = {}", example.to_toml()),
        });
    }

    fn mismatch(&mut self, path: &str, found: &Found, value: String, mismatch: Mismatch) {
        let Mismatch { expected, reason } = mismatch;
        let key = format!("{}{path}", self.shown);
        self.problems.push(Problem::Invalid {
            key,
            at: found.origin(),
            value,
            expected,
            reason,
        });
    }
}

fn list_of_tables(raw: &Raw) -> Option<Vec<BTreeMap<String, Node>>> {
    let Raw::List(items) = raw else { return None };
    let tables = items.iter().map(|item| match &item.raw {
        Raw::Table(table) => Some(table.clone()),
        _ => None,
    });
    tables.collect()
}

/// The dotted path of `name` below `path`.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl Key {
    /// Doc comments keep the space after the slashes; the texts do not.
    pub(crate) fn lines(doc: &[&str]) -> Vec<String> {
        doc.iter().map(|line| line.trim().to_owned()).collect()
    }
}
