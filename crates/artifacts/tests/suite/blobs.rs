//! The blob store on a real directory: whole or not at all, first writer wins, nothing left behind.

use std::{io, path::Path};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hierophant_artifacts::{BlobError, BlobSettings, BlobStore, Durability, NewBlob, Stored};
use hierophant_domain::ArtifactId;

use crate::common::{content, files_in, new_id, sha256, wait_until};

const MIB: usize = 1024 * 1024;

async fn open(root: &Path) -> BlobStore {
    BlobStore::open(BlobSettings {
        root: root.to_owned(),
        min_free_bytes: 0,
    })
    .await
    .unwrap()
}

fn new_blob(id: ArtifactId, limit_bytes: u64) -> NewBlob {
    NewBlob {
        id,
        durability: Durability::Durable,
        limit_bytes,
        announced_bytes: None,
    }
}

async fn put(store: &BlobStore, new: NewBlob, bytes: &[u8]) -> Result<Stored, BlobError> {
    let pieces: Vec<io::Result<Bytes>> = bytes
        .chunks(70_001)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    store.put_stream(new, stream::iter(pieces)).await
}

fn is_empty(root: &Path) -> bool {
    files_in(&root.join("incoming")).is_empty()
        && files_in(&root.join("blobs"))
            .iter()
            .all(|shard| files_in(shard).is_empty())
}

/// Sizes around the edges of the chunks in which blobs are written and read.
#[tokio::test]
async fn what_is_stored_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for (seed, size) in [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5].into_iter().enumerate() {
        let (id, bytes) = (new_id(), content(size, seed as u64));
        let durability = if seed % 2 == 0 {
            Durability::Durable
        } else {
            Durability::Rebuildable
        };
        let new = NewBlob {
            durability,
            announced_bytes: Some(size as u64),
            ..new_blob(id, size as u64)
        };
        let stored = put(&store, new, &bytes).await.unwrap();
        assert_eq!(
            stored,
            Stored {
                size: size as u64,
                sha256: sha256(&bytes)
            }
        );
        assert_eq!(store.read(id, size as u64).await.unwrap(), bytes);
        assert_eq!(store.size(id).await.unwrap(), size as u64);
    }
    assert!(files_in(&directory.path().join("incoming")).is_empty());
}

#[tokio::test]
async fn parts_come_back_and_parts_beyond_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let (id, bytes) = (new_id(), content(2 * MIB + 3, 1));
    put(&store, new_blob(id, u64::MAX), &bytes).await.unwrap();
    let end = bytes.len() as u64;
    for range in [0..1, 0..end, MIB as u64 - 1..MIB as u64 + 1, end - 1..end, end..end] {
        let blob = store.get(id, Some(range.clone())).await.unwrap();
        assert_eq!(blob.size, end);
        let part: Vec<Bytes> = blob.stream.try_collect().await.unwrap();
        let expected = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(part.concat(), expected, "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "the case under test")]
    for range in [0..end + 1, end + 1..end + 1, 5..4] {
        assert!(matches!(store.get(id, Some(range)).await, Err(BlobError::Range { size }) if size == end));
    }
    assert!(matches!(store.read(id, end - 1).await, Err(BlobError::TooLarge { .. })));
}

/// So large that the end of it is written past the system's cache, and most of it read so.
#[tokio::test]
async fn large_blobs_come_back_whole_and_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let (id, bytes) = (new_id(), content(19 * MIB + 3, 3));
    let stored = put(&store, new_blob(id, u64::MAX), &bytes).await.unwrap();
    assert_eq!(stored.sha256, sha256(&bytes));
    let end = bytes.len() as u64;
    for range in [
        0..end,
        5..end - 1,
        15 * MIB as u64 - 1..16 * MIB as u64 + 1,
        end - 4..end,
    ] {
        let blob = store.get(id, Some(range.clone())).await.unwrap();
        let part: Vec<Bytes> = blob.stream.try_collect().await.unwrap();
        let expected = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(part.concat() == expected, "{range:?}");
    }
}

#[tokio::test]
async fn the_limit_is_met_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let bytes = content(MIB + 10, 2);
    let past = put(&store, new_blob(new_id(), bytes.len() as u64 - 1), &bytes).await;
    assert!(matches!(past, Err(BlobError::TooLarge { .. })), "{past:?}");
    let announced = NewBlob {
        announced_bytes: Some(11),
        ..new_blob(new_id(), 10)
    };
    assert!(matches!(
        put(&store, announced, b"").await,
        Err(BlobError::TooLarge { limit: 10 })
    ));
    assert!(is_empty(directory.path()));
    put(&store, new_blob(new_id(), bytes.len() as u64), &bytes)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let id = new_id();
    let start = stream::iter([Ok(Bytes::from(content(2 * MIB, 3)))]);
    let broken = start.chain(stream::iter([Err(io::Error::other("gone"))]));
    let result = store.put_stream(new_blob(id, u64::MAX), broken).await;
    assert!(matches!(result, Err(BlobError::CutOff { .. })), "{result:?}");
    assert!(is_empty(directory.path()));
    assert!(matches!(store.get(id, None).await, Err(BlobError::NotFound)));
}

/// The future is dropped while a large part is on the disk and the stream is silent.
#[tokio::test]
async fn a_dropped_upload_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let silent = stream::iter([Ok::<_, io::Error>(Bytes::from(content(3 * MIB, 4)))]).chain(stream::pending());
    let upload = tokio::spawn({
        let store = store.clone();
        async move { store.put_stream(new_blob(new_id(), u64::MAX), silent).await }
    });
    let incoming = directory.path().join("incoming");
    let written = || {
        files_in(&incoming)
            .iter()
            .any(|file| file.metadata().is_ok_and(|found| found.len() > 0))
    };
    wait_until("a part of the upload is on the disk", written).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    wait_until("the part is removed", || is_empty(directory.path())).await;
}

#[tokio::test]
async fn the_first_complete_writer_wins() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let (id, first, second) = (new_id(), content(MIB + 1, 5), content(100, 6));
    let stored = put(&store, new_blob(id, u64::MAX), &first).await.unwrap();
    assert_eq!(put(&store, new_blob(id, u64::MAX), &second).await.unwrap(), stored);
    assert_eq!(store.read(id, u64::MAX).await.unwrap(), first);
    assert!(files_in(&directory.path().join("incoming")).is_empty());
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let settings = BlobSettings {
        root: directory.path().to_owned(),
        min_free_bytes: u64::MAX,
    };
    let store = BlobStore::open(settings).await.unwrap();
    let error = put(&store, new_blob(new_id(), 10), b"content").await.unwrap_err();
    assert!(matches!(error, BlobError::Full) && error.is_retryable(), "{error:?}");
    for look in ["the first look", "one that the first answers for"] {
        assert!(matches!(store.check_space(0).await, Err(BlobError::Full)), "{look}");
    }
    assert!(is_empty(directory.path()));
}

/// The space is enough when the upload begins and not any more when it is looked at on the way: what is free now, less
/// 8 MiB, must stay free, and 64 MiB come unannounced.
#[tokio::test]
async fn a_disk_that_fills_up_on_the_way_keeps_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let stat = rustix::fs::statvfs(directory.path()).unwrap();
    let min_free_bytes = stat.f_bavail * stat.f_frsize - 8 * MIB as u64;
    let settings = BlobSettings {
        root: directory.path().to_owned(),
        min_free_bytes,
    };
    let store = BlobStore::open(settings).await.unwrap();
    let chunk = Bytes::from(content(MIB, 7));
    let error = store
        .put_stream(
            new_blob(new_id(), u64::MAX),
            stream::iter((0..512).map(|_| Ok::<_, io::Error>(chunk.clone()))),
        )
        .await
        .unwrap_err();
    assert!(matches!(error, BlobError::Full), "{error:?}");
    assert!(is_empty(directory.path()));
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_removed_at_open_and_blobs_stay() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let id = new_id();
    put(&store, new_blob(id, 10), b"whole").await.unwrap();
    drop(store);
    std::fs::write(directory.path().join("incoming/0"), b"half of a bl").unwrap();
    std::fs::write(directory.path().join("incoming/17"), b"").unwrap();
    let store = open(directory.path()).await;
    assert!(files_in(&directory.path().join("incoming")).is_empty());
    assert_eq!(store.read(id, 10).await.unwrap(), &b"whole"[..]);
}

#[tokio::test]
async fn a_root_has_one_user() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let settings = BlobSettings {
        root: directory.path().to_owned(),
        min_free_bytes: 0,
    };
    assert!(matches!(BlobStore::open(settings.clone()).await, Err(BlobError::InUse)));
    drop(store);
    BlobStore::open(settings).await.unwrap();
}

#[tokio::test]
async fn blobs_are_listed_and_deleted_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let (id, bytes) = (new_id(), content(2 * MIB, 8));
    put(&store, new_blob(id, u64::MAX), &bytes).await.unwrap();
    let shard = id.as_bytes()[15];
    let listed = store.list_shard(shard).await.unwrap();
    assert_eq!(
        listed.iter().map(|blob| (blob.id, blob.size)).collect::<Vec<_>>(),
        [(id, bytes.len() as u64)]
    );
    assert!(store.list_shard(shard.wrapping_add(1)).await.unwrap().is_empty());

    // Whoever reads it now reads it to its end.
    let reading = store.get(id, None).await.unwrap();
    assert!(store.delete(id).await.unwrap());
    let read: Vec<Bytes> = reading.stream.try_collect().await.unwrap();
    assert_eq!(read.concat(), bytes);
    assert!(!store.delete(id).await.unwrap());
    assert!(matches!(store.size(id).await, Err(BlobError::NotFound)));
}

/// Inputs may be private: no other user of the machine reads them.
#[tokio::test]
async fn only_this_user_reads_blobs() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("deep/root");
    let store = open(&root).await;
    let id = new_id();
    put(&store, new_blob(id, 10), b"secret").await.unwrap();
    let shard = root.join(format!("blobs/{:02x}", id.as_bytes()[15]));
    for (path, mode) in [
        (root.clone(), 0o700),
        (shard.clone(), 0o700),
        (shard.join(id.to_string()), 0o600),
    ] {
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }
}
