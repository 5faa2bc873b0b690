//! Merges the layers: defaults, file, environment, flags. A stronger layer replaces the whole value of a key; lists and
//! tables of values are not merged item by item.

mod environment;
mod file;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use file::FILE_MAX_BYTES;
pub(crate) use file::flatten;

use crate::{
    nearest::nearest,
    origin::{Origin, Origins},
    problem::{Problem, Problems},
    program::{Program, Settings},
    raw::{Node, Raw},
    rules::Rules,
    schema::Schema,
    section::{Found, Reader},
};

/// Longest value of a variable or a flag, in bytes.
pub const TEXT_MAX_BYTES: usize = 64 * 1024;

/// What is given beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    file: Option<PathBuf>,
    directory: PathBuf,
    environment: Vec<(OsString, OsString)>,
    flags: Vec<GivenFlag>,
}

#[derive(Clone, Debug)]
struct GivenFlag {
    flag: &'static str,
    /// The key and its value; only a text when it could not be split.
    given: Result<(String, String), String>,
}

/// Settings with the origin of each.
#[derive(Clone, Debug)]
pub struct Loaded<S> {
    /// The values.
    pub settings: S,
    /// Where each came from.
    pub origins: Origins,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
}

impl Layers {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file named by `--config`; it must exist. None looks for the variable `…_CONFIG`, whose file must exist too,
    /// then for the default file in the working directory, which need not.
    #[must_use]
    pub fn file(mut self, path: Option<PathBuf>) -> Self {
        self.file = path;
        self
    }

    /// Looks for the default file here instead of in the working directory.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = path.into();
        self
    }

    /// The variables to read.
    #[must_use]
    pub fn environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self
    }

    /// The variables of this process.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self.environment(std::env::vars_os())
    }

    /// One `--set key=value`.
    #[must_use]
    pub fn set(mut self, text: &str) -> Self {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let given = match pair {
            Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
            None => Err(text.split('=').next().unwrap_or_default().to_owned()),
        };
        self.flags.push(GivenFlag { flag: "--set", given });
        self
    }

    /// A flag with a name of its own, such as `--http-port`, that stands for a key. None when it was not given.
    #[must_use]
    pub fn flag(mut self, flag: &'static str, key: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.push(GivenFlag {
                flag,
                given: Ok((key.to_owned(), value.to_string())),
            });
        }
        self
    }
}

/// Merges the layers and checks everything. The error holds every problem, not only the first.
pub fn load<S: Settings>(layers: &Layers) -> Result<Loaded<S>, Problems> {
    let program = S::PROGRAM;
    let schema = S::schema();
    let mut problems = Vec::new();
    let mut found = BTreeMap::new();

    let file = file::choose(layers, &program, &mut problems);
    if let Some((path, text)) = &file {
        found.extend(file::read(path, text, &schema, &program, &mut problems));
    }
    found.extend(environment::read(&layers.environment, &schema, &program, &mut problems));
    found.extend(read_flags(&layers.flags, &schema, &program, &mut problems));

    let origins = Origins(found.iter().map(|(key, found)| (key.clone(), found.origin())).collect());
    let mut reader = Reader {
        found,
        shown: String::new(),
        program: &program,
        problems: &mut problems,
    };
    let settings = S::read("", &mut reader);
    settings.rules(&mut Rules {
        problems: &mut problems,
        origins: &origins,
    });

    if problems.is_empty() {
        Ok(Loaded {
            settings,
            origins,
            file: file.map(|(path, _)| path),
        })
    } else {
        Err(Problems(problems))
    }
}

fn read_flags(
    flags: &[GivenFlag],
    schema: &Schema,
    program: &Program,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for GivenFlag { flag, given } in flags {
        let source = Origin::Flag((*flag).into());
        let (key, value) = match given {
            Ok(pair) => pair,
            Err(text) => {
                problems.push(Problem::BadFlag { text: text.clone() });
                continue;
            }
        };
        if schema.key(key).is_none() {
            problems.push(unknown_key(key, (key, ""), source, schema, program));
            continue;
        }
        if let Some(first) = found.get(key) {
            let first = first.source.clone();
            problems.push(Problem::GivenTwice {
                key: key.clone(),
                first,
                second: source,
            });
            continue;
        }
        if let Some(text) = text_node(value, &format!("the value of `{key}` on the command line"), problems) {
            found.insert(key.clone(), Found { node: text, source });
        }
    }
    found
}

/// A text of bounded length.
fn text_node(text: &str, what: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    if text.len() > TEXT_MAX_BYTES {
        problems.push(Problem::TooLong {
            what: what.to_owned(),
            limit: TEXT_MAX_BYTES,
        });
        return None;
    }
    Some(Node::unplaced(Raw::Text(text.to_owned())))
}

/// The problem of a key that is not known: replaced by something, or mistyped. `old` is the name under which the table
/// of replaced keys knows it, `shown_before` what stands before the keys of `schema` when they are shown.
fn unknown_key(
    shown: &str,
    (old, shown_before): (&str, &str),
    at: Origin,
    schema: &Schema,
    program: &Program,
) -> Problem {
    if let Some(replaced) = crate::replaced::key(program.replaced, old) {
        return Problem::Replaced {
            old: shown.to_owned(),
            at,
            instead: replaced.instead,
        };
    }
    let local = shown.strip_prefix(shown_before).unwrap_or(shown);
    let keys = schema.keys.iter().map(|key| key.path.as_str());
    let known = keys.chain(schema.groups.iter().map(|group| group.path.as_str()));
    let nearest = nearest(local, known).map(|best| match best.rsplit_once('.') {
        Some((table, _)) if shown_before.is_empty() => format!("`{best}` (in table [{table}])"),
        _ => format!("`{shown_before}{best}`"),
    });
    Problem::UnknownKey {
        key: shown.to_owned(),
        at,
        nearest,
    }
}

/// The path as shared by all origins of one file.
fn file_origin(path: &Path) -> Origin {
    Origin::File {
        path: path.into(),
        line: 0,
    }
}
