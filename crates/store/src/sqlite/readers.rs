//! Connections that only read, each used by one caller at a time on a thread that may block.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use crate::{Result, StoreError};

/// The pool. Callers wait for a free connection in the order in which they came.
#[derive(Debug)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens `n` connections, at least one.
    pub(super) fn open(path: &Path, n: usize) -> Result<Self> {
        let n = n.clamp(1, Semaphore::MAX_PERMITS);
        let free = (0..n).map(|_| connection::reader(path)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            free: Arc::new(Mutex::new(free)),
            permits: Arc::new(Semaphore::new(n)),
        })
    }

    /// Runs a read.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let free = Arc::clone(&self.free);
        let done = tokio::task::spawn_blocking(move || {
            let connection = free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .expect("a permit stands for a connection");
            let result = in_one_snapshot(&connection, read);
            free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        });
        done.await
            .map_err(|error| StoreError::Corrupt(format!("a read of the store did not end: {error}")))?
    }
}

/// All statements of one read see the same rows.
fn in_one_snapshot<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let snapshot = connection.unchecked_transaction()?;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(connection)))
        .unwrap_or_else(|_| Err(StoreError::Corrupt("a read of the store panicked".to_owned())));
    snapshot.finish()?;
    result
}
