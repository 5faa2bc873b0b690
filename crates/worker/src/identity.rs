//! Who this worker is: an id that is kept, and a name for people.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hierophant_domain::WorkerId;
use uuid::Uuid;

use crate::{directory::write_whole, names};

/// Why the worker does not know who it is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file holds something else.
    #[error("{0} does not hold a worker's identity: restore it, or remove it to make this a new worker")]
    Malformed(PathBuf),
    /// It cannot be read or written.
    #[error("cannot read or write {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Who this worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Stable across restarts.
    pub id: WorkerId,
    /// For people.
    pub name: String,
}

impl Identity {
    /// Reads the identity in `root`, or makes and keeps one: a random id, and a random name for when none is configured.
    /// Blocking.
    pub fn load(root: &Path, configured: Option<&str>) -> Result<Self, IdentityError> {
        let path = root.join("identity");
        let failed = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("{}\n{}\n", Uuid::now_v7(), names::random());
                write_whole(&path, text.as_bytes()).map_err(failed)?;
                text
            }
            Err(error) => return Err(failed(error)),
        };
        let mut lines = text.lines();
        let id = lines.next().and_then(|line| line.parse().ok());
        let kept = lines.next().filter(|name| !name.is_empty() && name.len() <= 64);
        match (id, kept) {
            (Some(id), Some(kept)) => Ok(Self {
                id,
                name: configured.unwrap_or(kept).to_owned(),
            }),
            _ => Err(IdentityError::Malformed(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_kept_and_a_configured_name_wins() {
        let root = tempfile::tempdir().unwrap();
        let first = Identity::load(root.path(), None).unwrap();
        assert_eq!(Identity::load(root.path(), None).unwrap(), first);
        let named = Identity::load(root.path(), Some("attic")).unwrap();
        assert_eq!((named.id, named.name.as_str()), (first.id, "attic"));
        assert_eq!(Identity::load(root.path(), None).unwrap(), first);
    }

    #[test]
    fn a_damaged_identity_is_not_replaced_silently() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("identity"), "nonsense").unwrap();
        assert!(matches!(
            Identity::load(root.path(), None),
            Err(IdentityError::Malformed(_))
        ));
    }
}
