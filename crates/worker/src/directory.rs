//! The worker's data directory: identity, held results, and room for jobs and provers.
//!
//! Invariants: one process at a time uses a directory (it is locked while the value lives); nobody but this user may
//! enter it; what earlier processes left of jobs and provers is removed at the start.

use std::{
    fs::{self, File, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

/// Free space below which no input is fetched, in bytes: the worker's own files must still fit.
pub const FREE_BYTES_MIN: u64 = 64 << 20;

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("another worker uses {0}: give each worker a `data_directory` of its own")]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("cannot use the data directory {path}: {source}; check that it is writable, or set `data_directory`")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A locked data directory.
#[derive(Debug)]
pub struct DataDirectory {
    root: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes it where it is missing, locks it, and removes leftovers. Blocking.
    pub fn open(root: &Path) -> Result<Self, DirectoryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DirectoryError::Io { path, source }
        };
        let root = std::path::absolute(root).map_err(failed(root))?;
        let make = |path: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(failed(path))
        };
        make(&root)?;
        fs::set_permissions(&root, Permissions::from_mode(0o700)).map_err(failed(&root))?;
        let lock = File::create(root.join("lock")).map_err(failed(&root.join("lock")))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DirectoryError::InUse(root)),
            Err(errno) => return Err(failed(&root)(errno.into())),
        }
        let directory = Self { root, _lock: lock };
        for path in [directory.jobs(), directory.provers(), directory.held()] {
            make(&path)?;
        }
        for entry in fs::read_dir(directory.jobs()).map_err(failed(&directory.jobs()))? {
            let entry = entry.map_err(failed(&directory.jobs()))?.path();
            fs::remove_dir_all(&entry).map_err(failed(&entry))?;
        }
        let stale = hierophant_prover_protocol::host::remove_stale_scratch(&directory.provers());
        let stale = stale.map_err(failed(&directory.provers()))?;
        if stale > 0 {
            tracing::info!("removed what {stale} prover processes of an earlier run left behind");
        }
        Ok(directory)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes where the health server listens into `addresses.json`, for scripts that let the system choose a port.
    /// Blocking.
    pub fn announce(&self, http: SocketAddr) -> Result<(), DirectoryError> {
        let path = self.root.join("addresses.json");
        let text = serde_json::json!({ "http": http.to_string(), "pid": std::process::id() });
        write_whole(&path, text.to_string().as_bytes()).map_err(|source| DirectoryError::Io { path, source })
    }

    /// Where inputs of leases are fetched to.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Where provers have their private directories.
    pub fn provers(&self) -> PathBuf {
        self.root.join("provers")
    }

    /// Where results wait for the coordinator.
    pub fn held(&self) -> PathBuf {
        self.root.join("held")
    }
}

/// Bytes free for this user where `path` is.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Writes a file so that it appears whole or not at all, and survives power loss. Blocking.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_and_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("data");
        let first = DataDirectory::open(&root).unwrap();
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDirectory::open(&root), Err(DirectoryError::InUse(_))));
        fs::create_dir(first.jobs().join("left")).unwrap();
        fs::write(first.held().join("kept"), "x").unwrap();
        drop(first);
        let second = DataDirectory::open(&root).unwrap();
        assert!(!second.jobs().join("left").exists());
        assert!(second.held().join("kept").exists());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
