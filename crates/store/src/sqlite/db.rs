//! Small helpers over rusqlite: one row, all rows, and what its errors mean.

use rusqlite::{Connection, ErrorCode, Params, Row};

use crate::{Result, StoreError};

/// Reads the first row that a statement gives, if it gives one.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Reads all rows that a statement gives; the statement bounds how many.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A limit or an offset as SQL takes it.
pub(super) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Rows that cannot be read or contradict each other.
pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // What SQLite says of a row or of us; trying again would not help.
            None
            | Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::ApiMisuse
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::InternalMalfunction,
            ) => Self::Corrupt(error.to_string()),
            // What it says of the world: disk full, input or output failed, busy, no memory, not permitted ...
            Some(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(format!("a JSON column: {error}"))
    }
}

impl From<hierophant_domain::job::Conflict> for StoreError {
    fn from(conflict: hierophant_domain::job::Conflict) -> Self {
        Self::Corrupt(conflict.to_string())
    }
}
