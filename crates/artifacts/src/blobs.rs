//! Storage of whole blobs by id, on the local disk.
//!
//! Layout below the root: `blobs/<xx>/<id>` for whole blobs, `incoming/<n>` for those being written, `lock` for the one
//! process that uses it. `<xx>` are the last two hex digits of the id: random in every UUID version, unlike the first
//! ones of a v7, which are its time.
//!
//! Invariants: what lies under `blobs/` is whole, and for [`Durability::Durable`] on stable storage before the writer is
//! told so (file synced, linked into place, directory synced); a link never replaces a blob, so the first complete
//! writer wins; a writer that fails removes its file, and whatever a killed process left in `incoming/` is removed when
//! the root is opened next.
//!
//! The files are written here and not through `object_store`'s `LocalFileSystem`: that publishes a multipart upload by a
//! rename that replaces an earlier blob, leaves its staged files beside the blobs when the process dies, syncs all blobs
//! or none, and knows no floor of free space. An S3 backend belongs behind the same methods, over `object_store`.

mod disk;
mod error;

use std::{
    ops::Range,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream};
use hierophant_domain::{ArtifactId, Digest};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use self::disk::Disk;
pub(crate) use self::disk::{blobs_below, make_directory, place_of, shard_of, sync_directory};
pub use self::error::{BlobError, BoxError};
use crate::files::{FileReader, FileWriter};

/// Where blobs lie and what must stay free there.
#[derive(Clone, Debug)]
pub struct BlobSettings {
    /// The directory. Made if it is not there; readable by this user alone.
    pub root: PathBuf,
    /// Bytes that must stay free on its file system. Concurrent uploads may go below it by 16 MiB each, because they
    /// look only that often.
    pub min_free_bytes: u64,
}

/// What a blob's loss would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// On stable storage before the writer is told that it is stored.
    Durable,
    /// Not synced: its producer can run again. After a power loss it may be gone or damaged, which readers notice by its
    /// size or SHA-256.
    Rebuildable,
}

/// A blob about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewBlob {
    /// Its id.
    pub id: ArtifactId,
    /// What its loss would mean.
    pub durability: Durability,
    /// Most bytes that are taken.
    pub limit_bytes: u64,
    /// Its size, where the writer said it. More than the limit, or more than there is room for, is refused at once.
    pub announced_bytes: Option<u64>,
}

/// A whole blob, as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: Digest,
}

/// The content of a blob, in chunks of at most 1 MiB.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, BlobError>> + Send>>;

/// A blob opened for reading. A deletion meanwhile does not disturb it.
pub struct Blob {
    /// Bytes of the whole blob.
    pub size: u64,
    /// The bytes asked for.
    pub stream: BlobStream,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A blob that lies there, for the search for those that nobody knows.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its id.
    pub id: ArtifactId,
    /// Bytes.
    pub size: u64,
    /// When its last byte was written.
    pub modified: SystemTime,
}

/// The blobs below one root. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobStore {
    disk: Arc<Disk>,
}

impl BlobStore {
    /// Opens a root, alone: [`BlobError::InUse`] while another process has it. Removes what interrupted uploads left.
    pub async fn open(settings: BlobSettings) -> Result<Self, BlobError> {
        let disk = blocking(move || Disk::open(&settings)).await?;
        Ok(Self { disk: Arc::new(disk) })
    }

    /// Stores a stream under an id, whole or not at all. If the id is taken, returns what is stored there, which nobody
    /// replaces. If the future is dropped, nothing stays behind, but for a blob that was already whole.
    pub async fn put_stream<S, E>(&self, new: NewBlob, stream: S) -> Result<Stored, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<BoxError>,
    {
        let too_large = || BlobError::TooLarge { limit: new.limit_bytes };
        let announced = new.announced_bytes.unwrap_or(0);
        if announced > new.limit_bytes {
            return Err(too_large());
        }
        let disk = self.disk.clone();
        let (file, mut part) = blocking(move || disk.new_part(announced)).await?;
        let mut stream = pin!(stream);
        let mut writer = FileWriter::new(file, Some(self.disk.floor().clone())).past_cache();
        let received = async {
            while let Some(bytes) = stream.next().await {
                let bytes = bytes.map_err(|source| BlobError::CutOff { source: source.into() })?;
                if new.limit_bytes - writer.size() < bytes.len() as u64 {
                    return Err(too_large());
                }
                writer.write(&bytes).await?;
            }
            Ok(writer.finish().await?)
        }
        .await;
        let disk = self.disk.clone();
        blocking(move || match received {
            Ok(written) => disk.publish(&written, &mut part, new.id, new.durability),
            Err(error) => {
                part.remove();
                Err(error)
            }
        })
        .await
    }

    /// Stores bytes that are in memory.
    pub async fn put_bytes(&self, id: ArtifactId, durability: Durability, bytes: Bytes) -> Result<Stored, BlobError> {
        let size = bytes.len() as u64;
        let new = NewBlob {
            id,
            durability,
            limit_bytes: size,
            announced_bytes: Some(size),
        };
        self.put_stream(new, stream::iter([Ok::<_, BoxError>(bytes)])).await
    }

    /// Opens a blob, or the part of it in `range`, which must lie within it ([`BlobError::Range`]).
    pub async fn get(&self, id: ArtifactId, range: Option<Range<u64>>) -> Result<Blob, BlobError> {
        let disk = self.disk.clone();
        let (file, size) = blocking(move || disk.open_blob(id)).await?;
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(BlobError::Range { size });
        }
        let reader = FileReader::new(file, range.start, range.end);
        let stream = stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|chunk| (chunk, reader)))
        });
        Ok(Blob {
            size,
            stream: stream.boxed(),
        })
    }

    /// Reads a blob of at most `limit` bytes into memory.
    pub async fn read(&self, id: ArtifactId, limit: u64) -> Result<Bytes, BlobError> {
        let Blob { size, mut stream } = self.get(id, None).await?;
        if size > limit {
            return Err(BlobError::TooLarge { limit });
        }
        let mut content = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            content.extend_from_slice(&chunk?);
        }
        Ok(content.freeze())
    }

    /// Bytes of a blob.
    pub async fn size(&self, id: ArtifactId) -> Result<u64, BlobError> {
        let disk = self.disk.clone();
        Ok(blocking(move || disk.open_blob(id)).await?.1)
    }

    /// The file of a whole blob, for a process on this machine that reads it by path. Read-only; it lasts as long as the
    /// blob.
    pub async fn local_file(&self, id: ArtifactId) -> Result<PathBuf, BlobError> {
        let disk = self.disk.clone();
        blocking(move || {
            disk.open_blob(id)?;
            Ok(disk.path_of(id))
        })
        .await
    }

    /// Removes a blob; `false` if there was none.
    pub async fn delete(&self, id: ArtifactId) -> Result<bool, BlobError> {
        let disk = self.disk.clone();
        blocking(move || disk.delete(id)).await
    }

    /// The blobs whose id ends in this byte. Going through all 256 values finds every blob; those that have no row and
    /// are older than any transfer were left by a process that died between storing a blob and noting it.
    pub async fn list_shard(&self, shard: u8) -> Result<Vec<Listed>, BlobError> {
        let disk = self.disk.clone();
        blocking(move || disk.list_shard(shard)).await
    }

    /// [`BlobError::Full`] if a blob of `bytes` would not leave the configured space free, as it was at most 100 ms ago.
    pub async fn check_space(&self, bytes: u64) -> Result<(), BlobError> {
        if let Some(answer) = self.disk.recent_look(bytes) {
            return Ok(answer?);
        }
        let disk = self.disk.clone();
        blocking(move || Ok(disk.look(bytes)?)).await
    }
}

/// Runs blocking work on the pool made for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    spawn_blocking(work)
        .await
        .map_err(|error| BlobError::Io { source: error.into() })?
}
