//! The store over SQLite: one file on a local disk, one process.
//!
//! One thread writes (`writer.rs`): it groups the operations of many callers into one transaction and answers them after its
//! commit (write-ahead log, `synchronous=FULL`). A few connections read. What is kept in memory (decoded requests, counts)
//! follows the commits and may be dropped at any moment; a lock file keeps a second process away.
//!
//! Not here: what a state change means (`hierophant_domain::job`), and what to do when (`hierophant-core`).

mod artifacts;
mod attempts;
pub mod backup;
mod batch;
mod cache;
mod checkpoint;
mod checks;
mod classes;
mod connection;
mod db;
mod jobs;
mod keys;
mod listing;
mod options;
mod programs;
mod readers;
mod references;
mod remote_provers;
mod requests;
mod rows;
mod schema;
mod shared;
mod store;
mod tasks;
mod totals;
mod workers;
mod writer;

use std::sync::Arc;

pub use options::SqliteOptions;
pub use schema::KNOWN_SCHEMA;

use crate::{Clock, Result};

/// The store over SQLite. Dropping it finishes what was handed in and closes the database.
#[derive(Debug)]
pub struct SqliteStore {
    // In this order they are closed: readers first, so that the writer's connection is the last one and tidies up.
    readers: readers::Readers,
    writer: writer::Writer,
    shared: Arc<shared::Shared>,
}

impl SqliteStore {
    /// Opens the database, or creates it, and brings its schema up to date. It blocks: not to be called on a runtime's
    /// thread that serves others.
    ///
    /// # Errors
    /// [`StoreError::UnknownSchema`](crate::StoreError::UnknownSchema) when a newer release made it,
    /// [`StoreError::Refused`](crate::StoreError::Refused) when another program did,
    /// [`StoreError::Unavailable`](crate::StoreError::Unavailable) when it cannot be used, for instance because another
    /// process does.
    pub fn open(options: SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let guard = connection::lock(&options.path)?;
        let mut connection = connection::writer(&options.path, options.max_database_bytes)?;
        schema::migrate(&mut connection)?;
        checks::free_all(&connection)?;
        let readers = readers::Readers::open(&options.path, options.readers)?;
        let shared = Arc::new(shared::Shared::load(&connection, options, clock)?);
        let writer = writer::Writer::start(connection, guard, Arc::clone(&shared))?;
        Ok(Self {
            readers,
            writer,
            shared,
        })
    }
}
