//! A value before it has a type: read from TOML with its line, or a text from the environment or the command line.
//!
//! Integers are kept as `i128`, so that every `u64` survives; TOML's own `i64` would lose the upper half.

use std::{collections::BTreeMap, fmt};

use toml::{Spanned, de::DeTable, de::DeValue};

/// Longest text that a problem quotes, in characters; the rest is cut.
const QUOTED_MAX_CHARS: usize = 80;

/// A value without a type yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// As it came from a variable or a flag: its type decides how it is read.
    Text(String),
    /// A TOML string.
    String(String),
    /// A TOML integer.
    Integer(i128),
    /// A TOML float.
    Float(f64),
    /// A TOML boolean.
    Bool(bool),
    /// What no setting takes: a date, or an integer beyond 128 bits. As written.
    Other(String),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
}

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub raw: Raw,
    /// Line in the file, from 1; 0 when it is not from a file.
    pub line: usize,
}

/// What is wrong with a TOML text. It never holds a piece of the text, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Raw {
    /// A list of values without lines.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().map(Node::unplaced).collect())
    }

    /// The value as TOML on one line.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Text(text) | Self::String(text) => quoted(text),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::Bool(flag) => flag.to_string(),
            Self::Other(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| item.raw.to_toml()).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Table(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, node)| format!("{} = {}", bare_or_quoted(key), node.raw.to_toml()))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// The value as a word in a sentence: a string without its quotes.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            other => other.to_toml(),
        }
    }

    /// The value as JSON, for output that programs read.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::String(text) | Self::Other(text) => text.clone().into(),
            Self::Integer(number) => u64::try_from(*number)
                .map(Into::into)
                .or_else(|_| i64::try_from(*number).map(Into::into))
                .unwrap_or_else(|_| number.to_string().into()),
            Self::Float(number) => (*number).into(),
            Self::Bool(flag) => (*flag).into(),
            Self::List(items) => items.iter().map(|item| item.raw.to_json()).collect(),
            Self::Table(entries) => entries
                .iter()
                .map(|(key, node)| (key.clone(), node.raw.to_json()))
                .collect(),
        }
    }

    /// A short form for problems: scalars as written, cut when long; of lists and tables only what they are.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Text(_) | Self::String(_) | Self::Integer(_) | Self::Float(_) | Self::Bool(_) | Self::Other(_) => {
                cut(&self.to_toml())
            }
        }
    }
}

impl Node {
    /// A value that is not from a file.
    pub fn unplaced(raw: Raw) -> Self {
        Self { raw, line: 0 }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_toml())
    }
}

/// Reads a whole TOML file; the errors are all that the parser finds.
pub(crate) fn parse_document(text: &str) -> Result<BTreeMap<String, Node>, Vec<SyntaxError>> {
    let lines = LineEnds::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| lines.line(span.start));
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| SyntaxError {
                line: place(error),
                message: error.message().to_owned(),
            })
            .collect();
        errors.sort_by_key(|error| error.line);
        return Err(errors);
    }
    Ok(from_table(table.get_ref(), &lines))
}

/// Reads one TOML value, as a variable or a flag may give for a list or a table.
pub(crate) fn parse_inline(text: &str) -> Result<Raw, String> {
    let document = parse_document(&format!("value = {text}"))
        .map_err(|errors| errors.first().map_or_else(String::new, |error| error.message.clone()))?;
    let mut values = document.into_iter();
    match (values.next(), values.next()) {
        (Some((key, node)), None) if key == "value" => Ok(node.without_lines().raw),
        _ => Err("more than one value".to_owned()),
    }
}

impl Node {
    fn without_lines(self) -> Self {
        let raw = match self.raw {
            Raw::List(items) => Raw::List(items.into_iter().map(Self::without_lines).collect()),
            Raw::Table(entries) => Raw::Table(
                entries
                    .into_iter()
                    .map(|(key, node)| (key, node.without_lines()))
                    .collect(),
            ),
            scalar => scalar,
        };
        Self::unplaced(raw)
    }
}

fn from_table(table: &DeTable<'_>, lines: &LineEnds) -> BTreeMap<String, Node> {
    let entries = table.iter();
    entries
        .map(|(key, value)| {
            let line = lines.line(key.span().start);
            (
                key.get_ref().to_string(),
                Node {
                    raw: from_value(value, lines),
                    line,
                },
            )
        })
        .collect()
}

fn from_value(value: &Spanned<DeValue<'_>>, lines: &LineEnds) -> Raw {
    match value.get_ref() {
        DeValue::String(string) => Raw::String(string.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Raw::Other(number.to_string()), Raw::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Raw::Other(number.to_string()), Raw::Float),
        DeValue::Boolean(flag) => Raw::Bool(*flag),
        DeValue::Datetime(date) => Raw::Other(date.to_string()),
        DeValue::Array(items) => Raw::List(
            items
                .iter()
                .map(|item| Node {
                    raw: from_value(item, lines),
                    line: lines.line(item.span().start),
                })
                .collect(),
        ),
        DeValue::Table(table) => Raw::Table(from_table(table, lines)),
    }
}

/// Where the lines of a text end, so that finding the line of an offset does not read the text again.
struct LineEnds(Vec<usize>);

impl LineEnds {
    fn of(text: &str) -> Self {
        Self(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect(),
        )
    }

    /// The line of an offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

/// A TOML basic string. JSON's escapes are all legal in TOML, which forbids only DEL besides.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn bare_or_quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { quoted(key) }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_u64_and_lines_survive() {
        let document = parse_document("a = 18446744073709551615\n[b]\nc = 0xFFFF_FFFF_FFFF_FFFF\n").unwrap();
        assert_eq!(
            document["a"],
            Node {
                raw: Raw::Integer(u64::MAX.into()),
                line: 1
            }
        );
        let Raw::Table(b) = &document["b"].raw else {
            panic!("{document:?}")
        };
        assert_eq!(
            b["c"],
            Node {
                raw: Raw::Integer(u64::MAX.into()),
                line: 3
            }
        );
    }

    #[test]
    fn an_inline_value_is_one_value() {
        assert_eq!(
            parse_inline("[1, 'x']"),
            Ok(Raw::list([Raw::Integer(1), Raw::String("x".into())]))
        );
        assert!(parse_inline("1\nother = 2").is_err());
        assert!(parse_inline("[1").is_err());
        assert!(parse_inline("").is_err());
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        for open in ["[", "{ a = "] {
            assert!(parse_inline(&open.repeat(100_000)).is_err());
        }
        // Dotted keys nest as well; what they nest is dropped again without harm.
        for deep in [
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
        ] {
            assert!(parse_document(&deep).is_err());
        }
        let inside = format!("[{}a]\n{}a = 1", "a.".repeat(70), "a.".repeat(70));
        let _ = parse_document(&inside);
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["", "plain", "quote \" back \\ line\nfeed \u{7f} \u{1} ü"] {
            assert_eq!(
                parse_inline(&Raw::String(text.into()).to_toml()),
                Ok(Raw::String(text.into()))
            );
        }
        let table = Raw::Table([("a b".to_owned(), Node::unplaced(Raw::Bool(true)))].into());
        assert_eq!(parse_inline(&table.to_toml()), Ok(table));
    }

    #[test]
    fn long_values_are_cut_when_quoted() {
        assert_eq!(Raw::Other("x".repeat(80)).brief().chars().count(), 80);
        assert_eq!(Raw::Other("x".repeat(81)).brief(), format!("{}…", "x".repeat(80)));
    }
}
