//! Rows of attached remote provers.

use rusqlite::{Connection, Row};

use super::{batch::Batch, db, rows};
use crate::{REMOTE_PROVER_ADDRESS_MAX_BYTES, REMOTE_PROVERS_MAX, RemoteProverRow, Result, StoreError};

fn read(row: &Row<'_>) -> Result<RemoteProverRow> {
    Ok(RemoteProverRow {
        address: row.get(0)?,
        system: rows::name(row, 1)?,
        slots: row.get(2)?,
        added_at: rows::time(row, 3)?,
    })
}

/// See [`crate::Store::attach`].
pub(super) fn attach(batch: &mut Batch<'_>, prover: &RemoteProverRow) -> Result<bool> {
    if prover.address.len() > REMOTE_PROVER_ADDRESS_MAX_BYTES {
        return Err(StoreError::Refused(format!(
            "an address has at most {REMOTE_PROVER_ADDRESS_MAX_BYTES} bytes"
        )));
    }
    let known = "SELECT 1 FROM remote_provers WHERE address = ?1";
    if db::one(batch.connection, known, [&prover.address], |_| Ok(()))?.is_some() {
        return Ok(false);
    }
    let attached: Option<i64> = db::one(batch.connection, "SELECT count(*) FROM remote_provers", [], |row| {
        Ok(row.get(0)?)
    })?;
    if attached.unwrap_or(0) >= db::count(REMOTE_PROVERS_MAX) {
        return Err(StoreError::Full(format!(
            "{REMOTE_PROVERS_MAX} remote provers are attached, which is the most: remove one first"
        )));
    }
    batch.write_one(
        "INSERT INTO remote_provers (address, system, slots, added_at) VALUES (?1, ?2, ?3, ?4)",
        (&prover.address, prover.system.as_str(), prover.slots, prover.added_at.0),
    )?;
    Ok(true)
}

/// See [`crate::Store::detach`].
pub(super) fn detach(batch: &mut Batch<'_>, address: &str) -> Result<bool> {
    let removed = batch.write("DELETE FROM remote_provers WHERE address = ?1", [address])?;
    if removed == 0 {
        batch.wrote_nothing();
    }
    Ok(removed > 0)
}

/// See [`crate::Store::attached`].
pub(super) fn attached(connection: &Connection) -> Result<Vec<RemoteProverRow>> {
    let sql = "SELECT address, system, slots, added_at FROM remote_provers ORDER BY added_at, address LIMIT ?1";
    db::all(connection, sql, [db::count(REMOTE_PROVERS_MAX)], read)
}
