//! The types that a setting may have, read from TOML or from a text, and written back.

use std::{collections::BTreeMap, fmt::Debug, net::IpAddr, path::PathBuf};

use crate::raw::{Node, Raw, parse_inline};

/// Most items of a list or entries of a map.
pub const LIST_MAX_ITEMS: usize = 1024;

/// A type of setting.
pub trait Value: Sized + Clone + PartialEq + Debug {
    /// Whether a value must not be printed.
    const SECRET: bool = false;

    /// Name of the type in the reference.
    fn type_name() -> String;
    /// Reads it; a [`Raw::Text`] is what a variable or a flag gave.
    fn from_raw(raw: &Raw) -> Result<Self, Mismatch>;
    /// Writes it in the form that is read back; a secret is replaced.
    fn to_raw(&self) -> Raw;
    /// Writes it where it is only an example: there a secret is no secret.
    fn to_example(&self) -> Raw {
        self.to_raw()
    }
}

/// A value is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Completes "must be …".
    pub expected: String,
    /// More about this value; never a piece of it when it is a secret.
    pub reason: Option<String>,
}

impl Mismatch {
    /// A value that is not `expected`.
    pub fn of(expected: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            reason: None,
        }
    }

    /// Says more about the value.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }
}

impl Value for bool {
    fn type_name() -> String {
        "boolean".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        match raw {
            Raw::Bool(flag) => Ok(*flag),
            Raw::Text(text) if text == "true" => Ok(true),
            Raw::Text(text) if text == "false" => Ok(false),
            _ => Err(Mismatch::of("true or false")),
        }
    }

    fn to_raw(&self) -> Raw {
        Raw::Bool(*self)
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn type_name() -> String {
                "integer".to_owned()
            }

            fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
                let number: Option<i128> = match raw {
                    Raw::Integer(number) => Some(*number),
                    Raw::Text(text) => text.replace('_', "").parse().ok(),
                    _ => None,
                };
                number
                    .and_then(|number| number.try_into().ok())
                    .ok_or_else(|| Mismatch::of(format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX)))
            }

            fn to_raw(&self) -> Raw {
                // No integer type listed below is wider than 64 bits, so none saturates.
                Raw::Integer(i128::try_from(*self).unwrap_or(i128::MAX))
            }
        }
    )*};
}
whole_numbers!(u16, u32, u64, usize);

/// The text of a TOML string, a variable or a flag.
pub(crate) fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) | Raw::String(text) => Some(text),
        _ => None,
    }
}

impl Value for String {
    fn type_name() -> String {
        "string".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        text(raw).map(ToOwned::to_owned).ok_or_else(|| Mismatch::of("a string"))
    }

    fn to_raw(&self) -> Raw {
        Raw::String(self.clone())
    }
}

impl Value for PathBuf {
    fn type_name() -> String {
        "path".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        text(raw)
            .filter(|text| !text.is_empty())
            .map(Into::into)
            .ok_or_else(|| Mismatch::of("a path, not empty"))
    }

    fn to_raw(&self) -> Raw {
        // Read from a string, so nothing is lost.
        Raw::String(self.to_string_lossy().into_owned())
    }
}

impl Value for IpAddr {
    fn type_name() -> String {
        "IP address".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        text(raw)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Mismatch::of("an IP address such as \"127.0.0.1\" or \"::\""))
    }

    fn to_raw(&self) -> Raw {
        Raw::String(self.to_string())
    }
}

impl<T: Value> Value for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn type_name() -> String {
        format!("list of {}", T::type_name())
    }

    /// A variable or a flag gives a list as TOML (`["a", "b"]`) or, without brackets, separated by commas (`a,b`).
    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        let expected = || Mismatch::of(format!("a {}", Self::type_name()));
        let items = match raw {
            Raw::List(items) => items.clone(),
            Raw::Text(text) if text.trim_start().starts_with('[') => {
                match parse_inline(text).map_err(|message| expected().because(message))? {
                    Raw::List(items) => items,
                    _ => return Err(expected()),
                }
            }
            Raw::Text(text) if text.trim().is_empty() => Vec::new(),
            Raw::Text(text) => text
                .split(',')
                .map(|item| Node::unplaced(Raw::Text(item.trim().to_owned())))
                .collect(),
            _ => return Err(expected()),
        };
        if items.len() > LIST_MAX_ITEMS {
            return Err(Mismatch::of(format!("a list of at most {LIST_MAX_ITEMS} items")));
        }
        let read = items.iter().enumerate().map(|(index, item)| {
            T::from_raw(&item.raw)
                .map_err(|inner| expected().because(format!("item {index} must be {}", inner.expected)))
        });
        read.collect()
    }

    fn to_raw(&self) -> Raw {
        Raw::list(self.iter().map(Value::to_raw))
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    const SECRET: bool = T::SECRET;

    fn type_name() -> String {
        format!("table of {}", T::type_name())
    }

    /// A variable or a flag gives a table as TOML (`{ a = "b" }`).
    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        let expected = || Mismatch::of(format!("a {}", Self::type_name()));
        let parsed;
        let raw = match raw {
            Raw::Text(text) => {
                parsed = parse_inline(text).map_err(|message| expected().because(message))?;
                &parsed
            }
            other => other,
        };
        let Raw::Table(entries) = raw else {
            return Err(expected());
        };
        if entries.len() > LIST_MAX_ITEMS {
            return Err(Mismatch::of(format!("a table of at most {LIST_MAX_ITEMS} entries")));
        }
        let read = entries.iter().map(|(key, node)| match T::from_raw(&node.raw) {
            Ok(value) => Ok((key.clone(), value)),
            Err(inner) => {
                let more = inner.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                Err(expected().because(format!("`{key}` must be {}{more}", inner.expected)))
            }
        });
        read.collect()
    }

    fn to_raw(&self) -> Raw {
        Raw::Table(
            self.iter()
                .map(|(key, value)| (key.clone(), Node::unplaced(value.to_raw())))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn integers_reach_both_ends_and_not_beyond() {
        assert_eq!(u64::from_raw(&Raw::Integer(u64::MAX.into())), Ok(u64::MAX));
        assert_eq!(u64::from_raw(&text_of("18446744073709551615")), Ok(u64::MAX));
        assert_eq!(u64::from_raw(&text_of("1_000")), Ok(1000));
        assert!(u64::from_raw(&text_of("18446744073709551616")).is_err());
        assert!(u64::from_raw(&Raw::Integer(-1)).is_err());
        assert!(u16::from_raw(&text_of("65536")).is_err());
        assert!(u16::from_raw(&text_of("")).is_err());
        assert!(
            u16::from_raw(&Raw::String("1".into())).is_err(),
            "a TOML string is no number"
        );
        assert_eq!(u64::MAX.to_raw(), Raw::Integer(u64::MAX.into()));
    }

    #[test]
    fn lists_are_read_in_both_forms_and_bounded() {
        let both = Ok(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(Vec::from_raw(&text_of("a, b")), both);
        assert_eq!(Vec::from_raw(&text_of("['a', 'b']")), both);
        assert_eq!(Vec::<String>::from_raw(&text_of("")), Ok(Vec::new()));
        assert!(
            Vec::<u16>::from_raw(&text_of("1,x"))
                .unwrap_err()
                .reason
                .unwrap()
                .contains("item 1")
        );
        let items = |count| Raw::list(std::iter::repeat_n(Raw::Integer(1), count));
        assert!(Vec::<u16>::from_raw(&items(LIST_MAX_ITEMS)).is_ok());
        assert!(Vec::<u16>::from_raw(&items(LIST_MAX_ITEMS + 1)).is_err());
    }

    #[test]
    fn tables_are_read_from_a_text() {
        let map = BTreeMap::<String, u16>::from_raw(&text_of("{ a = 1 }")).unwrap();
        assert_eq!(map, [("a".to_owned(), 1)].into());
        assert!(BTreeMap::<String, u16>::from_raw(&text_of("a=1")).is_err());
        assert!(
            BTreeMap::<String, u16>::from_raw(&text_of("{ a = 'x' }"))
                .unwrap_err()
                .reason
                .unwrap()
                .contains("`a`")
        );
    }
}
