//! The private directory of a prover process, or of a host's own files that must not outlive it.
//!
//! Each is locked while its host lives, so that what a killed host left behind can be told from what is in use.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

/// How names of scratch directories begin.
const PREFIX: &str = "prover-";

/// A directory that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    /// Held locked for as long as the host lives.
    _lock: File,
}

impl Scratch {
    /// Makes a directory in `parent` that only this user may enter. Blocking, briefly.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(std::path::absolute(parent)?)?;
        let lock = File::open(directory.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { directory, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes scratch directories in `parent` that hosts left behind when they were killed; returns how many. Blocking:
/// call it at start. Directories of living hosts are locked and stay.
pub fn remove_stale_scratch(parent: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let directory = File::open(entry.path())?;
        if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            fs::remove_dir_all(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_without_a_living_host_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let live = Scratch::new(parent.path()).unwrap();
        fs::create_dir_all(parent.path().join("prover-stale/deep")).unwrap();
        fs::create_dir(parent.path().join("somebody-else")).unwrap();
        assert_eq!(remove_stale_scratch(parent.path()).unwrap(), 1);
        assert!(live.path().exists());
        assert!(parent.path().join("somebody-else").exists());
        assert!(!parent.path().join("prover-stale").exists());
        let mode = fs::metadata(live.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
