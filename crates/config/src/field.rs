//! What may stand behind a field in [`settings!`](crate::settings!): a value with a default, an optional or a required
//! one, a table, or a list of tables.

use std::{fmt, marker::PhantomData, ops::RangeInclusive};

use crate::{
    raw::Raw,
    schema::{GroupDoc, Key, Presence, Schema},
    section::{Entry, Reader, Section},
    value::Value,
};

/// How a field of type `T` is described, read and written.
pub trait Field<T> {
    /// Appends its key, or keys.
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema);
    /// Takes its value, or a stand-in when there is a problem.
    fn read(&self, path: &str, reader: &mut Reader<'_>) -> T;
    /// Appends its value.
    fn write(&self, value: &T, path: String, entries: &mut Vec<Entry>);
    /// What it holds when nobody gives it; of a required one, the example.
    fn initial(&self) -> T;
}

/// A value with what is allowed of it.
struct Checked<T> {
    check: Option<Check<T>>,
    also_variable: Option<&'static str>,
}

struct Check<T> {
    holds: Box<dyn Fn(&T) -> bool>,
    expected: String,
}

impl<T: Value> Checked<T> {
    const FREE: Self = Self {
        check: None,
        also_variable: None,
    };

    fn test(&self, value: &T) -> Result<(), String> {
        match &self.check {
            Some(check) if !(check.holds)(value) => Err(check.expected.clone()),
            _ => Ok(()),
        }
    }

    fn key(&self, path: String, doc: &[&str], presence: Presence) -> Key {
        Key {
            path,
            doc: Key::lines(doc),
            type_name: T::type_name(),
            constraint: self.check.as_ref().map(|check| check.expected.clone()),
            presence,
            secret: T::SECRET,
            also_variable: self.also_variable,
        }
    }
}

/// The methods that all kinds of leaves share.
macro_rules! constraints {
    ($kind:ident) => {
        impl<T: Value> $kind<T> {
            /// Allows only values for which `holds`; `expected` completes "must be …".
            #[must_use]
            pub fn check(mut self, expected: &str, holds: impl Fn(&T) -> bool + 'static) -> Self {
                self.checked.check = Some(Check {
                    holds: Box::new(holds),
                    expected: expected.to_owned(),
                });
                self
            }

            /// Lets a variable without our prefix set it too; that one wins over ours.
            #[must_use]
            pub fn also_variable(mut self, name: &'static str) -> Self {
                self.checked.also_variable = Some(name);
                self
            }
        }

        impl<T: Value + PartialOrd + 'static> $kind<T> {
            /// Allows only values within `range`, ends included.
            #[must_use]
            pub fn range(self, range: RangeInclusive<T>) -> Self {
                let expected = format!(
                    "from {} to {}",
                    range.start().to_raw().plain(),
                    range.end().to_raw().plain()
                );
                self.check(&expected, move |value| range.contains(value))
            }

            /// Allows only `least` and above.
            #[must_use]
            pub fn at_least(self, least: T) -> Self {
                self.check(&format!("at least {}", least.to_raw().plain()), move |value| {
                    *value >= least
                })
            }
        }

        impl<T> fmt::Debug for $kind<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($kind)).finish_non_exhaustive()
            }
        }
    };
}

/// A value with a default.
pub struct Leaf<T> {
    default: T,
    checked: Checked<T>,
}

/// A value that may be absent.
pub struct Optional<T> {
    example: T,
    absent: &'static str,
    checked: Checked<T>,
}

/// A value that must be given.
pub struct Required<T> {
    example: T,
    checked: Checked<T>,
}

/// A table of its own.
#[derive(Debug)]
pub struct Group<S>(PhantomData<S>);

/// A list of tables, empty by default.
#[derive(Debug)]
pub struct Tables<S>(PhantomData<S>);

constraints!(Leaf);
constraints!(Optional);
constraints!(Required);

/// A value with a default.
pub fn value<T: Value>(default: impl Into<T>) -> Leaf<T> {
    Leaf {
        default: default.into(),
        checked: Checked::FREE,
    }
}

/// A value that may be absent: `absent` says what happens then, `example` is shown in the example file.
pub fn optional<T: Value>(example: impl Into<T>, absent: &'static str) -> Optional<T> {
    Optional {
        example: example.into(),
        absent,
        checked: Checked::FREE,
    }
}

/// A value that must be given; `example` is shown in the example file.
pub fn required<T: Value>(example: impl Into<T>) -> Required<T> {
    Required {
        example: example.into(),
        checked: Checked::FREE,
    }
}

/// A table of its own.
pub fn group<S: Section>() -> Group<S> {
    Group(PhantomData)
}

/// A list of tables, empty by default.
pub fn tables<S: Section>() -> Tables<S> {
    Tables(PhantomData)
}

impl<T: Value> Field<T> for Leaf<T> {
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema) {
        schema
            .keys
            .push(self.checked.key(path, doc, Presence::Default(self.default.to_raw())));
    }

    fn read(&self, path: &str, reader: &mut Reader<'_>) -> T {
        reader
            .take(path, |value| self.checked.test(value))
            .unwrap_or_else(|| self.default.clone())
    }

    fn write(&self, value: &T, path: String, entries: &mut Vec<Entry>) {
        entries.push((path, Some(value.to_raw())));
    }

    fn initial(&self) -> T {
        self.default.clone()
    }
}

impl<T: Value> Field<Option<T>> for Optional<T> {
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema) {
        let presence = Presence::Optional {
            example: self.example.to_example(),
            absent: self.absent,
        };
        schema.keys.push(self.checked.key(path, doc, presence));
    }

    fn read(&self, path: &str, reader: &mut Reader<'_>) -> Option<T> {
        reader.take(path, |value| self.checked.test(value))
    }

    fn write(&self, value: &Option<T>, path: String, entries: &mut Vec<Entry>) {
        entries.push((path, value.as_ref().map(Value::to_raw)));
    }

    fn initial(&self) -> Option<T> {
        None
    }
}

impl<T: Value> Field<T> for Required<T> {
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema) {
        let presence = Presence::Required {
            example: self.example.to_example(),
        };
        schema.keys.push(self.checked.key(path, doc, presence));
    }

    fn read(&self, path: &str, reader: &mut Reader<'_>) -> T {
        if !reader.found.contains_key(path) {
            reader.missing(path, &self.example.to_example());
        }
        reader
            .take(path, |value| self.checked.test(value))
            .unwrap_or_else(|| self.example.clone())
    }

    fn write(&self, value: &T, path: String, entries: &mut Vec<Entry>) {
        entries.push((path, Some(value.to_raw())));
    }

    fn initial(&self) -> T {
        self.example.clone()
    }
}

impl<S: Section> Field<S> for Group<S> {
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema) {
        schema.groups.push(GroupDoc {
            path: path.clone(),
            doc: Key::lines(doc),
        });
        S::describe(&path, schema);
    }

    fn read(&self, path: &str, reader: &mut Reader<'_>) -> S {
        S::read(path, reader)
    }

    fn write(&self, value: &S, path: String, entries: &mut Vec<Entry>) {
        value.write(&path, entries);
    }

    fn initial(&self) -> S {
        S::initial()
    }
}

impl<S: Section> Field<Vec<S>> for Tables<S> {
    fn describe(&self, path: String, doc: &[&str], schema: &mut Schema) {
        schema.keys.push(Key {
            path,
            doc: Key::lines(doc),
            type_name: "list of tables".to_owned(),
            constraint: None,
            presence: Presence::Tables { entry: S::schema() },
            secret: false,
            also_variable: None,
        });
    }

    fn read(&self, path: &str, reader: &mut Reader<'_>) -> Vec<S> {
        reader.take_tables(path).unwrap_or_default()
    }

    fn write(&self, value: &Vec<S>, path: String, entries: &mut Vec<Entry>) {
        let table = |section: &S| {
            let mut inner = Vec::new();
            section.write("", &mut inner);
            let given = inner
                .into_iter()
                .filter_map(|(key, raw)| Some((key, crate::Node::unplaced(raw?))));
            Raw::Table(given.collect())
        };
        entries.push((path, Some(Raw::list(value.iter().map(table)))));
    }

    fn initial(&self) -> Vec<S> {
        Vec::new()
    }
}
