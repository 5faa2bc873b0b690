//! How connections are opened, and the lock that keeps a second process away.

use std::{fs::File, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{Result, StoreError};

/// Statements kept prepared per connection: more than there are.
const STATEMENTS: usize = 256;
/// How long a connection waits for another one's lock. Only checkpoints and tools of the operator hold one.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Pages in memory, in KiB, of the connection that writes: the ends of the tables, which are written all the time, and the upper
/// pages of the indices. More costs more than it saves: most commits go through all pages in memory, and what is not here the
/// system has in its own cache.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// To this the write-ahead log is cut after a checkpoint, in bytes.
const LOG_KEPT_BYTES: i64 = 64 * 1024 * 1024;

/// Takes the lock beside the database, which is held until the file is dropped: caches and counts in memory are right only
/// while nobody else writes.
pub(super) fn lock(path: &Path) -> Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!(
            "the lock {} cannot be opened: {error}",
            Path::new(&beside).display()
        ))
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "another process uses {}: stop it first, or name another file",
            path.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The connection that writes.
pub(super) fn writer(path: &Path, max_database_bytes: Option<u64>) -> Result<Connection> {
    let connection = Connection::open(path)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    if let Some(bytes) = max_database_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(connection)
}

/// A connection that moves the write-ahead log into the database, and nothing else.
pub(super) fn mover(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it a statement with `LIMIT ?` is planned anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}
