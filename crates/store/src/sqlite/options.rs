//! What can be chosen about a SQLite store.

use std::path::PathBuf;

use hierophant_domain::{RetryPolicy, time::Millis, worker::StrikePolicy};

/// Memory for decoded requests unless said otherwise, in bytes.
const CACHE_BYTES: usize = 128 * 1024 * 1024;

/// How a [`super::SqliteStore`] is opened, and its limits.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database's file; its folder must exist. Beside it lie `-wal`, `-shm` and `.lock`.
    pub path: PathBuf,
    /// Most open requests at once.
    pub max_live_requests: u64,
    /// Most open requests of one requester at once.
    pub max_live_requests_per_requester: u64,
    /// Most workers known, those gone included.
    pub max_workers: u64,
    /// How often a task is tried.
    pub retry: RetryPolicy,
    /// When strikes quarantine a worker.
    pub strikes: StrikePolicy,
    /// Memory for decoded requests, in bytes, about. Open and recently ended requests are served from it.
    pub cache_bytes: usize,
    /// Connections that read, beside the one that writes; at least 1.
    pub readers: usize,
    /// Largest database file, in bytes; at it the store answers `Unavailable`. `None`: as large as the disk allows.
    pub max_database_bytes: Option<u64>,
}

impl SqliteOptions {
    /// The defaults, for a database at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_live_requests: 100_000,
            max_live_requests_per_requester: 10_000,
            max_workers: 100_000,
            retry: RetryPolicy::default(),
            strikes: StrikePolicy {
                max_strikes: 3,
                quarantine: Millis::from_secs(3600),
            },
            cache_bytes: CACHE_BYTES,
            readers: 4,
            max_database_bytes: None,
        }
    }
}
