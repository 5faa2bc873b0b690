//! Real inputs for the checks of proving.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{is_plain_name, proto::NamedBlob};

/// Most inputs of a case.
const MAX_INPUTS: usize = 16;

/// A job that the prover can do: a directory with
///
/// * `case.txt`: lines `system = NAME` and `kind = NAME`; `#` begins a comment;
/// * `inputs/`: one file per input, named like it (`program`, `stdin`, ...).
///
/// A job of some seconds is best: the checks of heartbeats and cancel need it to last longer than a heartbeat.
#[derive(Debug, Clone)]
pub struct Case {
    /// The proof system.
    pub system: String,
    /// The kind of proof.
    pub kind: String,
    /// Name and absolute path of each input.
    pub inputs: Vec<(String, PathBuf)>,
}

/// Why a case cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `case.txt` is not as it should be.
    #[error("{path}: {reason}")]
    Form {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

impl Case {
    /// Reads a case; blocking.
    pub fn load(directory: &Path) -> Result<Self, CaseError> {
        let path = directory.join("case.txt");
        let text = fs::read_to_string(&path).map_err(|source| CaseError::Io {
            path: path.clone(),
            source,
        })?;
        let (system, kind) = parse(&text).map_err(|reason| CaseError::Form { path, reason })?;
        let path = directory.join("inputs");
        let inputs = list(&path).map_err(|source| CaseError::Io {
            path: path.clone(),
            source,
        })?;
        if inputs.len() > MAX_INPUTS || !inputs.iter().any(|(name, _)| name == "program") {
            let reason = format!("expected the file program and at most {MAX_INPUTS} files");
            return Err(CaseError::Form { path, reason });
        }
        Ok(Self { system, kind, inputs })
    }

    /// All inputs, as files.
    pub(super) fn blobs(&self) -> Vec<NamedBlob> {
        let files = self.inputs.iter();
        files.map(|(name, path)| NamedBlob::file(name, path)).collect()
    }

    /// The program alone.
    pub(super) fn program(&self) -> Vec<NamedBlob> {
        let mut blobs = self.blobs();
        blobs.retain(|blob| blob.name == "program");
        blobs
    }
}

fn parse(text: &str) -> Result<(String, String), String> {
    let (mut system, mut kind) = (None, None);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("system", name)) if is_plain_name(name) => system = Some(name.to_owned()),
            Some(("kind", name)) if is_plain_name(name) => kind = Some(name.to_owned()),
            _ => return Err(format!("expected system = NAME or kind = NAME, not {line:?}")),
        }
    }
    Ok((
        system.ok_or("system = NAME is missing")?,
        kind.ok_or("kind = NAME is missing")?,
    ))
}

fn list(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && is_plain_name(&name) {
            inputs.push((name, std::path::absolute(entry.path())?));
        }
    }
    inputs.sort();
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_names_system_and_kind() {
        let parsed = parse("# a demo\nsystem = demo\nkind=core # small\n\n");
        assert_eq!(parsed, Ok(("demo".into(), "core".into())));
        assert!(parse("system = demo").unwrap_err().contains("kind"));
        assert!(parse("sistem = demo").unwrap_err().contains("sistem"));
    }
}
