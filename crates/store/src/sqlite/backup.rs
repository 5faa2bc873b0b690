//! Copies of a database, made while another process works with it, and what can be checked of one.
//!
//! Invariants: nothing here writes to the database that is read, or keeps its owner from writing; a copy is the state of one moment,
//! checked and on stable storage before it is called made.
//!
//! Everything here blocks. Not here: the blobs beside the database (`hierophant_artifacts::mirror`).

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use hierophant_domain::{ArtifactId, Digest};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{connection, db, rows, schema};
use crate::{Result, StoreError};

/// Pages that are copied at once: 16 MiB.
const PAGES_AT_ONCE: i32 = 4096;
/// How long a page that somebody holds is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at such a page.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Problems that a check lists; more would be said by nobody who reads them.
const PROBLEMS_MAX: usize = 100;

/// A blob that a database says is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBlob {
    /// Its id.
    pub id: ArtifactId,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, where it is known.
    pub sha256: Option<Digest>,
    /// Whether its loss is made good by running its producer again.
    pub rebuildable: bool,
}

/// Copies the database `from` into the new file `to`.
///
/// # Errors
/// [`StoreError::NotFound`] without a database at `from`, [`StoreError::Refused`] when it is not the coordinator's or `to` exists,
/// [`StoreError::UnknownSchema`] for a newer release's, [`StoreError::Corrupt`] when the copy does not pass [`check`],
/// [`StoreError::Unavailable`] when files cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = open(from)?;
    if to.exists() {
        return Err(StoreError::Refused(format!("{} exists: name a new file", to.display())));
    }
    // One moment of the database for as long as this transaction reads.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(&source, &mut target)?;
        let mut waited: Option<Instant> = None;
        loop {
            match backup.step(PAGES_AT_ONCE)? {
                StepResult::Done => break,
                StepResult::More => waited = None,
                _ if waited.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                    return Err(StoreError::Unavailable(format!(
                        "{} is kept locked: try again",
                        from.display()
                    )));
                }
                _ => std::thread::sleep(AGAIN_AFTER),
            }
        }
    }
    // A file by itself: whoever opens it next makes its log.
    target.pragma_update(None, "journal_mode", "delete")?;
    drop(target);
    let problems = check(to)?;
    if !problems.is_empty() {
        return Err(StoreError::Corrupt(problems.join("; ")));
    }
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|error| StoreError::Unavailable(format!("{} could not be synced: {error}", to.display())))
}

/// What is wrong with a database: at most 100 sentences, none when it is whole.
///
/// # Errors
/// Those of [`copy`], where there is nothing that could be checked.
pub fn check(path: &Path) -> Result<Vec<String>> {
    let database = open(path)?;
    let sql = format!("PRAGMA integrity_check({PROBLEMS_MAX})");
    let said: Vec<String> = db::all(&database, &sql, [], |row| Ok(row.get(0)?))?;
    let mut problems: Vec<String> = said.into_iter().filter(|line| line != "ok").collect();
    let orphans: Vec<(String, Option<i64>, String)> = db::all(&database, "PRAGMA foreign_key_check", [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let left = PROBLEMS_MAX.saturating_sub(problems.len());
    problems.extend(orphans.into_iter().take(left).map(|(table, row, parent)| {
        format!(
            "row {} of {table} refers to nothing in {parent}",
            row.unwrap_or_default()
        )
    }));
    Ok(problems)
}

/// Tells `found` of every blob that a database says is whole, in the order of their ids.
///
/// # Errors
/// Those of [`copy`].
pub fn blobs(path: &Path, mut found: impl FnMut(ListedBlob)) -> Result<()> {
    let database = open(path)?;
    let mut statement =
        database.prepare("SELECT id, size, sha256, rebuildable FROM artifacts WHERE state = 1 ORDER BY id")?;
    let mut read = statement.query([])?;
    while let Some(row) = read.next()? {
        let sha256: Option<[u8; 32]> = row.get(2)?;
        found(ListedBlob {
            id: ArtifactId(rows::uuid(row, 0)?),
            size: rows::unsigned(row, 1)?,
            sha256: sha256.map(Digest),
            rebuildable: row.get(3)?,
        });
    }
    Ok(())
}

/// Opens a database for reading and looks at whose it is.
fn open(path: &Path) -> Result<Connection> {
    if !path.is_file() {
        return Err(StoreError::NotFound(format!(
            "there is no database at {}",
            path.display()
        )));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(connection::BUSY)?;
    schema::require_known(&connection)?;
    Ok(connection)
}
