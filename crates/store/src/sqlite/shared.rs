//! What the writer, the readers and the callers of one store share: caches, counts and wake-ups, none of them the truth.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hierophant_domain::{RequestState, TaskState};
use rusqlite::Connection;
use tokio::sync::broadcast;

use super::{
    cache::RequestCache,
    classes::Classes,
    db,
    options::SqliteOptions,
    totals::{Change, Totals},
};
use crate::{Clock, Hint, Result};

/// Wake-ups kept for a slow receiver; one that lags further reads everything again, as every receiver must be able to.
const HINTS_KEPT: usize = 4096;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: SqliteOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cache: RequestCache,
    pub(super) hints: broadcast::Sender<Hint>,
    totals: Mutex<Totals>,
    classes: RwLock<Classes>,
}

impl Shared {
    /// Reads what is kept in memory from the rows: classes, and the open requests with their tasks by their index.
    pub(super) fn load(connection: &Connection, options: SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let classes = Classes::load(connection)?;
        let mut totals = Totals::default();
        let requesters = db::all(
            connection,
            "SELECT requester FROM requests WHERE state = 0",
            [],
            |row| Ok(row.get(0)?),
        )?;
        for requester in requesters {
            totals.apply(Change::Request {
                requester,
                from: None,
                to: RequestState::Open,
            });
        }
        let tasks = db::all(
            connection,
            "SELECT t.class, t.rank, t.state FROM requests r CROSS JOIN tasks t ON t.request = r.id WHERE r.state = 0",
            [],
            |row| {
                let state = TaskState::from_code(row.get(2)?).ok_or_else(|| db::corrupt("a task's state"))?;
                Ok(Change::Task {
                    class: row.get(0)?,
                    rank: row.get(1)?,
                    from: None,
                    to: state,
                })
            },
        )?;
        for change in tasks {
            totals.apply(change);
        }
        Ok(Self {
            cache: RequestCache::new(options.cache_bytes),
            hints: broadcast::Sender::new(HINTS_KEPT),
            totals: Mutex::new(totals),
            classes: RwLock::new(classes),
            options,
            clock,
        })
    }

    // A panic while one of these is held leaves it whole: each change is one call that does not fail half-way.

    /// The counts.
    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The classes.
    pub(super) fn classes(&self) -> RwLockReadGuard<'_, Classes> {
        self.classes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The classes, to be added to.
    pub(super) fn classes_mut(&self) -> RwLockWriteGuard<'_, Classes> {
        self.classes.write().unwrap_or_else(PoisonError::into_inner)
    }
}
