//! Moving bytes between async streams and files in large chunks, off the runtime.
//!
//! What must stay true: a reader or writer holds at most [`TRANSFER_CHUNKS_MAX`] chunks of [`CHUNK_BYTES`]; a blocking
//! thread is used only while there is a chunk to work on, so slow peers hold none; hashing and writing of one chunk run
//! side by side while the next chunk is collected.

use std::{fs::File, io, mem, os::unix::fs::FileExt as _, path::Path, sync::Arc};

use bytes::{Bytes, BytesMut};
use hierophant_domain::Digest;
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::past_cache;

/// How much is written, hashed or read at once: large enough that handing it to a blocking thread costs little beside
/// the work itself.
pub(crate) const CHUNK_BYTES: usize = 1024 * 1024;

/// Most chunks that one transfer holds: one collected, one worked on, and one in flight from or to the peer.
const TRANSFER_CHUNKS_MAX: usize = 3;

/// Memory that a transfer may hold, in bytes.
const TRANSFER_MEMORY_MAX: usize = 8 * 1024 * 1024;

const _: () = assert!(
    CHUNK_BYTES * TRANSFER_CHUNKS_MAX <= TRANSFER_MEMORY_MAX,
    "a transfer holds at most 8 MiB"
);

/// How often the free space is looked at during a transfer, in bytes written.
const SPACE_CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// The space that must stay free on a file system.
#[derive(Clone, Debug)]
pub(crate) struct SpaceFloor {
    /// A directory on the file system.
    pub(crate) directory: Arc<Path>,
    /// Bytes that must stay free.
    pub(crate) min_free_bytes: u64,
}

impl SpaceFloor {
    /// Fails with [`io::ErrorKind::StorageFull`] if `more` bytes would not leave the floor free. Blocks.
    pub(crate) fn check(&self, more: u64) -> io::Result<()> {
        self.check_against(self.free()?, more)
    }

    /// Bytes that are free there. Blocks.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&*self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// [`Self::check`] where `free` bytes were seen to be free.
    pub(crate) fn check_against(&self, free: u64, more: u64) -> io::Result<()> {
        if free < self.min_free_bytes.saturating_add(more) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// Writes a file front to back and hashes what it writes.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: Arc<File>,
    collected: BytesMut,
    /// Memory of a chunk that was written, for the next one.
    spare: BytesMut,
    size: u64,
    floor: Option<SpaceFloor>,
    /// Where writing past the system's cache begins.
    past_cache_from: u64,
    /// `None` only after a failure: nothing more can be written then.
    work: Option<Work>,
}

#[derive(Debug)]
enum Work {
    Idle(Box<Sha256>),
    Running(Bytes, JoinHandle<io::Result<()>>, JoinHandle<Box<Sha256>>),
}

/// A file that was written whole, still open and not synced.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: Arc<File>,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

impl FileWriter {
    /// Writes to `file`, which is empty.
    pub(crate) fn new(file: File, floor: Option<SpaceFloor>) -> Self {
        Self {
            file: Arc::new(file),
            collected: BytesMut::new(),
            spare: BytesMut::new(),
            size: 0,
            floor,
            past_cache_from: u64::MAX,
            work: Some(Work::Idle(Box::default())),
        }
    }

    /// Has what follows the first [`past_cache::FROM_BYTES`] written past the system's cache.
    pub(crate) fn past_cache(mut self) -> Self {
        self.past_cache_from = past_cache::FROM_BYTES;
        self
    }

    /// Bytes taken so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes bytes. They are copied, so that small pieces of large network buffers do not keep those alive. After an
    /// error, or when dropped before it is done, the writer is of no more use.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.collected.capacity() == 0 {
                // A small blob costs its own size; the first piece of a large one asks for the whole chunk.
                self.collected = if self.size == 0 {
                    BytesMut::with_capacity(bytes.len().min(CHUNK_BYTES))
                } else {
                    past_cache::memory(CHUNK_BYTES)
                };
            }
            let room = CHUNK_BYTES - self.collected.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.collected.extend_from_slice(now);
            self.size += now.len() as u64;
            bytes = later;
            if self.collected.len() == CHUNK_BYTES {
                self.hand_over().await?;
            }
        }
        Ok(())
    }

    /// Writes what is left and returns the file.
    pub(crate) async fn finish(mut self) -> io::Result<Written> {
        if !self.collected.is_empty() {
            self.hand_over().await?;
        }
        let hasher = self.settle().await?;
        let sha256 = Digest((*hasher).finalize().into());
        Ok(Written {
            file: self.file,
            size: self.size,
            sha256,
        })
    }

    /// Waits for the chunk before, then starts on the collected one.
    async fn hand_over(&mut self) -> io::Result<()> {
        let mut hasher = self.settle().await?;
        let at = self.size - self.collected.len() as u64;
        let past_cache = at >= self.past_cache_from;
        let chunk = mem::replace(&mut self.collected, mem::take(&mut self.spare)).freeze();
        let looks_at_space = self.size % SPACE_CHECK_BYTES < CHUNK_BYTES as u64;
        let floor = self.floor.clone().filter(|_| looks_at_space);
        let (file, written, hashed) = (self.file.clone(), chunk.clone(), chunk.clone());
        let writing = spawn_blocking(move || {
            if let Some(floor) = floor {
                floor.check(written.len() as u64)?;
            }
            if past_cache {
                past_cache::write_all_at(&file, &written, at)
            } else {
                file.write_all_at(&written, at)
            }
        });
        let hashing = spawn_blocking(move || {
            hasher.update(&hashed);
            hasher
        });
        self.work = Some(Work::Running(chunk, writing, hashing));
        Ok(())
    }

    /// Waits for the chunk being worked on.
    async fn settle(&mut self) -> io::Result<Box<Sha256>> {
        match self.work.take() {
            None => Err(io::Error::other("the file failed before")),
            Some(Work::Idle(hasher)) => Ok(hasher),
            Some(Work::Running(chunk, writing, hashing)) => {
                let (written, hasher) = tokio::join!(writing, hashing);
                written??;
                // The memory's pages are there: those of fresh memory would be cleared first.
                if past_cache::is_aligned(&chunk)
                    && let Ok(mut memory) = chunk.try_into_mut()
                {
                    memory.clear();
                    self.spare = memory;
                }
                Ok(hasher?)
            }
        }
    }
}

/// Reads a part of a file front to back.
#[derive(Debug)]
pub(crate) struct FileReader {
    file: Arc<File>,
    position: u64,
    end: u64,
    past_cache: bool,
}

impl FileReader {
    /// Reads the bytes from `position` up to `end`. What is beyond [`past_cache::FROM_BYTES`] was written past the system's
    /// cache; a reader of more than that goes past it, too.
    pub(crate) fn new(file: File, position: u64, end: u64) -> Self {
        Self {
            file: Arc::new(file),
            position,
            end,
            past_cache: end.saturating_sub(position) > past_cache::FROM_BYTES,
        }
    }

    /// The next chunk; `None` at the end. Fails with [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let (file, position, length) = (self.file.clone(), self.position, left.min(CHUNK_BYTES));
        let past_cache = self.past_cache;
        let chunk = spawn_blocking(move || {
            if past_cache {
                return past_cache::read_exact_at(&file, length, position);
            }
            let mut chunk = vec![0; length];
            file.read_exact_at(&mut chunk, position)?;
            Ok(Bytes::from(chunk))
        })
        .await??;
        self.position += length as u64;
        Ok(Some(chunk))
    }
}

/// Size and SHA-256 of a file. Blocks.
pub(crate) fn measure(file: &File) -> io::Result<(u64, Digest)> {
    let (mut hasher, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        let length = file.read_at(&mut chunk, size)?;
        if length == 0 {
            return Ok((size, Digest(hasher.finalize().into())));
        }
        hasher.update(&chunk[..length]);
        size += length as u64;
    }
}
