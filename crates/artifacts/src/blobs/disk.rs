//! Files and directories of the blob store. Everything here blocks.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hierophant_domain::ArtifactId;

use super::{BlobError, BlobSettings, Durability, Listed, Stored};
use crate::files::{SpaceFloor, Written, measure};

/// How long one look at the free space answers those who ask before they begin something: there may be thousands a second.
const LOOK_ANSWERS_FOR: Duration = Duration::from_millis(100);

/// The folder of whole blobs below a root.
pub(crate) fn blobs_below(root: &Path) -> PathBuf {
    root.join("blobs")
}

/// One of the 256 folders below that one.
pub(crate) fn shard_of(blobs: &Path, shard: u8) -> PathBuf {
    blobs.join(format!("{shard:02x}"))
}

/// The file of a blob below that folder.
pub(crate) fn place_of(blobs: &Path, id: ArtifactId) -> PathBuf {
    shard_of(blobs, id.as_bytes()[15]).join(id.to_string())
}

/// A root that this process has to itself.
#[derive(Debug)]
pub(super) struct Disk {
    blobs: PathBuf,
    incoming: PathBuf,
    floor: SpaceFloor,
    /// When the free space was looked at last, and how much there was.
    looked: Mutex<Option<(Instant, u64)>>,
    next_part: AtomicU64,
    /// Locked as long as it is open; the system releases it however the process ends.
    _lock: File,
}

impl Disk {
    pub(super) fn open(settings: &BlobSettings) -> Result<Self, BlobError> {
        let root = &settings.root;
        make_directory(root)?;
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(root.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => BlobError::InUse,
            TryLockError::Error(source) => BlobError::Io { source },
        })?;
        let disk = Self {
            blobs: blobs_below(root),
            incoming: root.join("incoming"),
            floor: SpaceFloor {
                directory: Arc::from(root.as_path()),
                min_free_bytes: settings.min_free_bytes,
            },
            looked: Mutex::default(),
            next_part: AtomicU64::new(0),
            _lock: lock,
        };
        make_directory(&disk.incoming)?;
        for shard in 0..=u8::MAX {
            make_directory(&disk.shard(shard))?;
        }
        // Made once and synced here, so that a write only needs to sync the shard that it links into.
        sync_directory(&disk.blobs)?;
        sync_directory(root)?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        disk.remove_leftovers()?;
        Ok(disk)
    }

    pub(super) fn floor(&self) -> &SpaceFloor {
        &self.floor
    }

    /// What the last look at the free space says about `more` bytes; `None` if it was too long ago.
    pub(super) fn recent_look(&self, more: u64) -> Option<io::Result<()>> {
        let (at, free) = (*self.looked.lock().unwrap_or_else(PoisonError::into_inner))?;
        (at.elapsed() < LOOK_ANSWERS_FOR).then(|| self.floor.check_against(free, more))
    }

    /// Looks at the free space, for `more` bytes and for whoever asks soon.
    pub(super) fn look(&self, more: u64) -> io::Result<()> {
        let free = self.floor.free()?;
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), free));
        self.floor.check_against(free, more)
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        let mut removed: u64 = 0;
        for entry in fs::read_dir(&self.incoming)? {
            fs::remove_file(entry?.path())?;
            removed += 1;
        }
        if removed > 0 {
            tracing::info!(removed, "removed what interrupted uploads had left");
        }
        Ok(())
    }

    fn shard(&self, shard: u8) -> PathBuf {
        shard_of(&self.blobs, shard)
    }

    fn directory_of(&self, id: ArtifactId) -> PathBuf {
        self.shard(id.as_bytes()[15])
    }

    pub(super) fn path_of(&self, id: ArtifactId) -> PathBuf {
        place_of(&self.blobs, id)
    }

    /// A new empty file for a blob of about `announced` bytes.
    pub(super) fn new_part(&self, announced: u64) -> Result<(File, Part), BlobError> {
        self.floor.check(announced)?;
        let number = self.next_part.fetch_add(1, Ordering::Relaxed);
        let path = self.incoming.join(number.to_string());
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        Ok((file, Part { path: Some(path) }))
    }

    /// Makes a written file the blob `id`, or returns what is already there.
    pub(super) fn publish(
        &self,
        written: &Written,
        part: &mut Part,
        id: ArtifactId,
        durability: Durability,
    ) -> Result<Stored, BlobError> {
        let durable = durability == Durability::Durable;
        if durable {
            written.file.sync_all()?;
        }
        let linked = fs::hard_link(part.path(), self.path_of(id));
        part.remove();
        let stored = match linked {
            Ok(()) => Stored {
                size: written.size,
                sha256: written.sha256,
            },
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.measure_blob(id, durable)?,
            Err(error) => return Err(error.into()),
        };
        if durable {
            sync_directory(&self.directory_of(id))?;
        }
        Ok(stored)
    }

    /// Size and digest of a blob that somebody else wrote, synced if this writer was promised so.
    fn measure_blob(&self, id: ArtifactId, durable: bool) -> Result<Stored, BlobError> {
        let (file, _) = self.open_blob(id)?;
        if durable {
            file.sync_all()?;
        }
        let (size, sha256) = measure(&file)?;
        Ok(Stored { size, sha256 })
    }

    pub(super) fn open_blob(&self, id: ArtifactId) -> Result<(File, u64), BlobError> {
        let file = File::open(self.path_of(id)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => BlobError::NotFound,
            _ => error.into(),
        })?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    pub(super) fn delete(&self, id: ArtifactId) -> Result<bool, BlobError> {
        match fs::remove_file(self.path_of(id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn list_shard(&self, shard: u8) -> Result<Vec<Listed>, BlobError> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(self.shard(shard))? {
            let entry = entry?;
            // Files with other names are not ours: left alone.
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match entry.metadata() {
                Ok(metadata) => listed.push(Listed {
                    id,
                    size: metadata.len(),
                    modified: metadata.modified()?,
                }),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listed)
    }
}

/// A file under `incoming/`, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    /// `None` once removed.
    path: Option<PathBuf>,
}

impl Part {
    fn path(&self) -> &Path {
        self.path.as_deref().expect("a part is published before it is removed")
    }

    /// Removes the file. What cannot be removed stays until the root is opened again.
    pub(super) fn remove(&mut self) {
        if let Some(path) = self.path.take() {
            remove(&path);
        }
    }
}

impl Drop for Part {
    /// Reached with a file only if a transfer was dropped halfway, on the runtime: removing a large file takes long.
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&path))),
            Err(_) => remove(&path),
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove an interrupted upload; the next start will try again");
    }
}

pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
