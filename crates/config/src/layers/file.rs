//! The settings file: which one, reading it with a bound, and sorting its values by key.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{Layers, file_origin, unknown_key};
use crate::{
    origin::Origin,
    problem::Problem,
    program::Program,
    raw::{Node, Raw, parse_document},
    schema::Schema,
    section::{Found, join},
    value::Mismatch,
};

/// Largest settings file, in bytes.
pub const FILE_MAX_BYTES: usize = 1024 * 1024;

/// The file to read and its content; none when there is none or it cannot be read.
pub(super) fn choose(layers: &Layers, program: &Program, problems: &mut Vec<Problem>) -> Option<(PathBuf, String)> {
    let variable = program.file_variable();
    let from_variable = layers
        .environment
        .iter()
        .find(|(name, _)| *name == *variable)
        .map(|(_, path)| path.into());
    let (path, must_exist) = match layers.file.clone().or(from_variable) {
        Some(path) => (path, true),
        None => (layers.directory.join(program.default_file), false),
    };
    match read_bounded(&path) {
        Ok(content) if content.len() > FILE_MAX_BYTES => {
            problems.push(Problem::TooLong {
                what: path.display().to_string(),
                limit: FILE_MAX_BYTES,
            });
            None
        }
        Ok(content) => Some((path, content)),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            problems.push(Problem::NoFile {
                path,
                program: program.name,
            });
            None
        }
        Err(reason) => {
            problems.push(Problem::Unreadable { path, reason });
            None
        }
    }
}

/// One byte more than allowed at most, so that the caller sees that there is more.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut content = Vec::new();
    File::open(path)?
        .take(FILE_MAX_BYTES as u64 + 1)
        .read_to_end(&mut content)?;
    if content.len() > FILE_MAX_BYTES {
        // The cut may have split a character; only the length counts now.
        return Ok(String::from_utf8_lossy(&content).into_owned());
    }
    String::from_utf8(content).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

/// The values of a file by key.
pub(super) fn read(
    path: &Path,
    text: &str,
    schema: &Schema,
    program: &Program,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Found> {
    let source = file_origin(path);
    match parse_document(text) {
        Ok(table) => flatten(&table, schema, &source, ("", ""), program, problems),
        Err(errors) => {
            let errors = errors.into_iter();
            problems.extend(errors.map(|error| Problem::Syntax {
                at: source.at(error.line),
                message: error.message,
            }));
            BTreeMap::new()
        }
    }
}

/// Sorts the values of a table by the keys of `schema`; what belongs to none becomes a problem. Inside an entry of a
/// list of tables, `shown` stands before a key where it is shown (`provers[0].`) and `known_as` where it is looked up
/// among the replaced ones (`provers.`); both are empty at the top.
pub(crate) fn flatten(
    table: &BTreeMap<String, Node>,
    schema: &Schema,
    source: &Origin,
    (shown, known_as): (&str, &str),
    program: &Program,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let mut pending: Vec<(String, &Node)> = table.iter().rev().map(|(key, node)| (key.clone(), node)).collect();
    while let Some((path, node)) = pending.pop() {
        let at = source.at(node.line);
        let old = format!("{known_as}{path}");
        let goes_deeper = schema.is_group(&path) || crate::replaced::is_table(program.replaced, &old);
        match &node.raw {
            _ if schema.key(&path).is_some() => {
                found.insert(
                    path,
                    Found {
                        node: node.clone(),
                        source: source.clone(),
                    },
                );
            }
            Raw::Table(inner) if goes_deeper => {
                pending.extend(inner.iter().rev().map(|(key, node)| (join(&path, key), node)));
            }
            other if schema.is_group(&path) => {
                let Mismatch { expected, reason } = Mismatch::of("a table");
                problems.push(Problem::Invalid {
                    key: format!("{shown}{path}"),
                    at,
                    value: other.brief(),
                    expected,
                    reason,
                });
            }
            _ => problems.push(unknown_key(
                &format!("{shown}{path}"),
                (&old, shown),
                at,
                schema,
                program,
            )),
        }
    }
    found
}
