//! Results that the coordinator does not have yet.
//!
//! A result that took effort is written to disk before it is reported, so that it survives the end of this process; the
//! others are written when they were not acknowledged within [`HOLD_AFTER`]. Writing each of thousands of tiny results a
//! second would cost more than making them again. Failures are kept in memory only: a lost one is a lapsed lease. Large outputs lie beside their result until they are uploaded.
//!
//! Layout: `held/<token>/entry` (a [`Entry`], written last) and its outputs, numbered.
//!
//! Invariants: an entry is removed only when its report was acknowledged or its lease revoked; there are at most
//! [`HELD_MAX`] on disk.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hierophant_domain::LeaseToken;
use hierophant_worker_link::{MESSAGE_MAX_BYTES, proto};
use prost::Message as _;

use crate::directory::write_whole;

/// Proving that took longer is held on disk before it is reported.
pub const EFFORT: Duration = Duration::from_secs(1);
/// How long an effortless result may be unacknowledged until it is held on disk too.
pub const HOLD_AFTER: Duration = Duration::from_millis(200);
/// Most results held on disk; more than any worker may have leases.
pub const HELD_MAX: usize = 4096;

/// What is written of a result.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The report, with the artifact ids of outputs that are not uploaded yet.
    #[prost(message, optional, tag = "1")]
    pub result: Option<proto::Result>,
    /// Outputs to upload first, numbered as they stand here.
    #[prost(message, repeated, tag = "2")]
    pub uploads: Vec<Upload>,
    /// Bearer token for them. Good for this lease alone.
    #[prost(string, tag = "3")]
    pub upload_token: String,
}

/// An output to upload.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Upload {
    /// Where to.
    #[prost(string, tag = "1")]
    pub url: String,
    /// The file's name beside the entry.
    #[prost(string, tag = "2")]
    pub file: String,
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Held {
    root: Arc<Path>,
    known: Arc<Mutex<HashMap<LeaseToken, Known>>>,
}

#[derive(Debug)]
struct Known {
    since: Instant,
    on_disk: bool,
    /// Kept until it is on disk.
    entry: Option<Entry>,
}

impl Held {
    /// Reads what earlier processes left in `root`; what cannot be read is logged and removed. Blocking.
    pub fn open(root: &Path) -> io::Result<(Self, Vec<(LeaseToken, Entry)>)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let token = name.and_then(|name| name.parse().ok()).map(LeaseToken);
            match (token, read(&path.join("entry"))) {
                (Some(token), Ok(entry)) if found.len() < HELD_MAX => found.push((token, entry)),
                (_, read) => {
                    // Without its entry, which is written last, a result was never complete.
                    let why = read
                        .err()
                        .map_or_else(|| "it is not a result".to_owned(), |error| error.to_string());
                    tracing::warn!("removing {}: {why}", path.display());
                    remove(&path);
                }
            }
        }
        let known = found.iter().map(|(token, _)| {
            (
                *token,
                Known {
                    since: Instant::now(),
                    on_disk: true,
                    entry: None,
                },
            )
        });
        Ok((
            Self {
                root: root.into(),
                known: Arc::new(Mutex::new(known.collect())),
            },
            found,
        ))
    }

    /// Makes the directory that outputs of a lease are moved into before [`Self::hold`]. Blocking.
    pub fn directory(&self, token: LeaseToken) -> io::Result<PathBuf> {
        let path = self.path(token);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    /// Removes the directory of a lease that ended without a result.
    pub async fn abandon(&self, token: LeaseToken) {
        self.forget(&[token]).await;
    }

    /// Takes a result. `at_once`: it is on disk when this returns; otherwise [`Self::sweep`] sees to it. What cannot be
    /// written is kept in memory and logged: the result is reported all the same.
    pub async fn hold(&self, token: LeaseToken, entry: Entry, at_once: bool) {
        let since = Instant::now();
        self.lock().insert(
            token,
            Known {
                since,
                on_disk: false,
                entry: Some(entry),
            },
        );
        if at_once {
            self.write(vec![token]).await;
        }
    }

    /// Writes results that have been waiting, or all of them. Returns how many results are known.
    pub async fn sweep(&self, all: bool) -> usize {
        let (due, count) = {
            let known = self.lock();
            let due =
                |known: &Known| !known.on_disk && known.entry.is_some() && (all || known.since.elapsed() >= HOLD_AFTER);
            (
                known
                    .iter()
                    .filter(|(_, k)| due(k))
                    .map(|(token, _)| *token)
                    .collect::<Vec<_>>(),
                known.len(),
            )
        };
        if !due.is_empty() {
            self.write(due).await;
        }
        count
    }

    /// Results that are settled: nothing of them is kept.
    pub async fn forget(&self, tokens: &[LeaseToken]) {
        let on_disk: Vec<PathBuf> = {
            let mut known = self.lock();
            // A directory without an entry has outputs only: its lease was revoked on the way.
            let on_disk = |token: &LeaseToken| known.remove(token).is_none_or(|known| known.on_disk);
            tokens
                .iter()
                .copied()
                .filter(on_disk)
                .map(|token| self.path(token))
                .collect()
        };
        if !on_disk.is_empty() {
            blocking(move || on_disk.iter().for_each(|path| remove(path))).await;
        }
    }

    /// How many results are known.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn write(&self, tokens: Vec<LeaseToken>) {
        let this = self.clone();
        blocking(move || {
            for token in tokens {
                this.write_one(token);
            }
        })
        .await;
    }

    fn write_one(&self, token: LeaseToken) {
        let entry = {
            let known = self.lock();
            if known.values().filter(|known| known.on_disk).count() >= HELD_MAX {
                tracing::error!("{HELD_MAX} results are held on disk: one more is kept in memory only");
                return;
            }
            known.get(&token).and_then(|known| known.entry.clone())
        };
        let Some(entry) = entry else { return };
        let written = self.directory(token).and_then(|directory| {
            for upload in &entry.uploads {
                File::open(directory.join(&upload.file))?.sync_all()?;
            }
            write_whole(&directory.join("entry"), &entry.encode_to_vec())?;
            File::open(&*self.root)?.sync_all()
        });
        if let Err(error) = written {
            tracing::error!(
                "a result is kept in memory only, it cannot be written to {}: {error}",
                self.root.display()
            );
        }
        let mut known = self.lock();
        if let Some(known) = known.get_mut(&token) {
            // Tried once; on disk or not, its directory is removed with it.
            (known.on_disk, known.entry) = (true, None);
            return;
        }
        drop(known);
        // It was settled while it was written.
        remove(&self.path(token));
    }

    fn path(&self, token: LeaseToken) -> PathBuf {
        self.root.join(token.0.simple().to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LeaseToken, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<Entry> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MESSAGE_MAX_BYTES as u64 * 2)
        .read_to_end(&mut bytes)?;
    let entry = Entry::decode(&bytes[..]).map_err(io::Error::other)?;
    let plain = |upload: &Upload| upload.file.bytes().all(|byte| byte.is_ascii_digit()) && !upload.file.is_empty();
    if entry.result.is_none() || !entry.uploads.iter().all(plain) {
        return Err(io::Error::other("it is not an entry"));
    }
    Ok(entry)
}

fn remove(path: &Path) {
    let removed = fs::remove_dir_all(path);
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("cannot remove {}: {error}", path.display());
    }
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(panic) = tokio::task::spawn_blocking(work).await {
        tracing::error!("writing held results failed: {panic}");
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn token(n: u128) -> LeaseToken {
        LeaseToken(Uuid::from_u128(n))
    }

    fn entry(uploads: &[&str]) -> Entry {
        let upload = |file: &&str| Upload {
            url: "http://127.0.0.1:1/artifacts/x".into(),
            file: (*file).into(),
        };
        Entry {
            result: Some(proto::Result {
                cycles: Some(7),
                ..Default::default()
            }),
            uploads: uploads.iter().map(upload).collect(),
            upload_token: "t".into(),
        }
    }

    fn on_disk(root: &Path) -> usize {
        fs::read_dir(root).unwrap().count()
    }

    #[tokio::test]
    async fn what_took_effort_is_on_disk_at_once_and_read_by_the_next_process() {
        let root = tempfile::tempdir().unwrap();
        let (held, found) = Held::open(root.path()).unwrap();
        assert!(found.is_empty());
        let directory = held.directory(token(1)).unwrap();
        fs::write(directory.join("0"), "large").unwrap();
        held.hold(token(1), entry(&["0"]), true).await;
        let (again, found) = Held::open(root.path()).unwrap();
        assert_eq!(found, [(token(1), entry(&["0"]))]);
        again.forget(&[token(1)]).await;
        assert_eq!(on_disk(root.path()), 0);
    }

    #[tokio::test]
    async fn effortless_results_are_written_only_when_they_wait() {
        let root = tempfile::tempdir().unwrap();
        let (held, _) = Held::open(root.path()).unwrap();
        held.hold(token(1), entry(&[]), false).await;
        held.forget(&[token(1)]).await;
        held.hold(token(2), entry(&[]), false).await;
        assert_eq!(held.sweep(true).await, 1);
        assert_eq!(on_disk(root.path()), 1);
        held.forget(&[token(2)]).await;
        assert!(held.is_empty() && on_disk(root.path()) == 0);
    }

    #[tokio::test]
    async fn incomplete_results_are_removed_at_the_start() {
        let root = tempfile::tempdir().unwrap();
        let (held, _) = Held::open(root.path()).unwrap();
        fs::write(held.directory(token(1)).unwrap().join("0"), "outputs without an entry").unwrap();
        fs::write(held.directory(token(2)).unwrap().join("entry"), "not an entry").unwrap();
        fs::create_dir(root.path().join("nonsense")).unwrap();
        held.hold(token(3), entry(&["../../etc/passwd"]), false).await;
        fs::write(
            held.directory(token(3)).unwrap().join("entry"),
            entry(&["../x"]).encode_to_vec(),
        )
        .unwrap();
        assert!(Held::open(root.path()).unwrap().1.is_empty());
        assert_eq!(on_disk(root.path()), 0);
    }
}
