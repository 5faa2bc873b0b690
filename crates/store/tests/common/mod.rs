//! A SQLite database in a folder of its own.

use std::{path::PathBuf, sync::Arc};

use hierophant_store::{
    Clock, Store,
    conformance::{Backend, Settings},
    sqlite::{SqliteOptions, SqliteStore},
};

/// Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.path().join("hierophant.db")
    }
}

#[async_trait::async_trait]
impl Backend for Folder {
    async fn open(&self, settings: Settings, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let options = SqliteOptions {
            max_live_requests: settings.max_live_requests,
            max_live_requests_per_requester: settings.max_live_requests_per_requester,
            retry: settings.retry,
            strikes: settings.strikes,
            ..SqliteOptions::new(self.database())
        };
        Arc::new(SqliteStore::open(options, clock).expect("opens"))
    }
}
