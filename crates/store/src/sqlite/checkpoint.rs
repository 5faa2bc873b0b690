//! Moves what is in the write-ahead log into the database.
//!
//! That reads and writes thousands of pages and waits for two syncs: done by the writer, every caller would wait tens of
//! milliseconds for it, several times a second under load. So a thread of its own does most of it while the writer goes on,
//! brings it to stable storage, too, and the writer does the rest, which is little: the log begins anew only when all of it was
//! moved.
//!
//! Invariants: one checkpoint runs at a time. The log grows beyond [`LOG_PAGES_MAX`] by one transaction at most, unless somebody
//! reads an old state of the database all the while: then it cannot begin anew.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, DEFAULT_NAME, wal::CheckpointMode};

use super::connection;
use crate::{Result, StoreError};

/// Pages of the log from which on they are moved: the same pages are written often, and the move costs two syncs, so it should
/// not come with every commit.
const CHECKPOINT_PAGES: usize = 8_000;
/// Pages of the log at which the writer waits until they are moved.
const LOG_PAGES_MAX: usize = 4 * CHECKPOINT_PAGES;

/// The writer's end of the thread.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Of the log, after the last commit.
    pages: Arc<AtomicUsize>,
    begin: Option<SyncSender<()>>,
    ended: Receiver<()>,
    running: bool,
    thread: Option<JoinHandle<()>>,
    /// The database, for syncs. Closing it drops the locks that this process has on it: see [`Self::stop`].
    database: Arc<File>,
}

impl Checkpoints {
    /// Starts the thread for the log of `writer`, whose own checkpoints end with that.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> Result<Self> {
        let pages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut _, pages| {
            counted.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = connection::mover(path)?;
        let database = File::open(path).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let database = Arc::new(database);
        let synced = Arc::clone(&database);
        let ((begin, begins), (end, ended)) = (sync_channel(1), sync_channel(1));
        let thread = std::thread::Builder::new()
            .name("store-mover".to_owned())
            .spawn(move || {
                while let Ok(()) = begins.recv() {
                    checkpoint(&connection);
                    // SQLite itself syncs the database only when all of the log was moved.
                    if let Err(error) = synced.sync_data() {
                        tracing::warn!(%error, "the database could not be synced; the next checkpoint does it");
                    }
                    if end.send(()).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread for checkpoints: {error}")))?;
        Ok(Self {
            pages,
            begin: Some(begin),
            ended,
            running: false,
            thread: Some(thread),
            database,
        })
    }

    /// To be called after each commit of the writer, when its callers have their answers.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if self.running {
            match self.ended.try_recv() {
                Err(TryRecvError::Empty) if pages < LOG_PAGES_MAX => return,
                // Whether it ends or is gone, the writer does what is left.
                Err(TryRecvError::Empty) => drop(self.ended.recv()),
                Ok(()) | Err(TryRecvError::Disconnected) => {}
            }
            self.running = false;
            checkpoint(writer);
        } else if pages >= CHECKPOINT_PAGES {
            self.running = self.begin.as_ref().is_some_and(|begin| begin.send(()).is_ok());
        }
    }

    /// Ends the thread. What it returns is to be dropped after the last connection.
    pub(super) fn stop(mut self) -> Arc<File> {
        drop(self.begin.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported where it happened.
            drop(thread.join());
        }
        self.database
    }
}

/// Moves what nobody needs where it is. Failing costs nothing but space: the next one moves it.
fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::PASSIVE) {
        tracing::warn!(%error, "the write-ahead log could not be moved into the database; it grows until it can");
    }
}
