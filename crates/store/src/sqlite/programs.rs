//! Rows of programs, of what set-up found, of secrets, and the row that a ping writes.

use hierophant_domain::{ArtifactId, Digest, Name, Requester};
use rand::Rng;
use rusqlite::Connection;

use super::{batch::Batch, db, keys, references, rows};
use crate::{ProgramIdentity, ProgramRow, Result};

/// Finds a program.
pub(super) fn load(connection: &Connection, door: &Name, id: &[u8]) -> Result<Option<ProgramRow>> {
    let sql = "SELECT principal, vk, artifact, created_at FROM programs WHERE door = ?1 AND id = ?2";
    db::one(connection, sql, (door.as_str(), id), |row| {
        Ok(ProgramRow {
            owner: Requester {
                door: door.clone(),
                principal: row.get(0)?,
            },
            id: id.to_vec(),
            vk: row.get(1)?,
            artifact: ArtifactId(rows::uuid(row, 2)?),
            created_at: rows::time(row, 3)?,
        })
    })
}

/// See [`crate::Store::register_program`]. A program refers to its executable for good.
pub(super) fn register(batch: &mut Batch<'_>, program: ProgramRow) -> Result<ProgramRow> {
    let door = &program.owner.door;
    if let Some(first) = load(batch.connection, door, &program.id)? {
        return Ok(first);
    }
    references::require_complete(batch, [&program.artifact])?;
    batch.write_one(
        "INSERT INTO programs (door, id, principal, vk, artifact, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            door.as_str(),
            &program.id,
            &program.owner.principal,
            &program.vk,
            program.artifact.as_bytes(),
            program.created_at.0,
        ),
    )?;
    references::take(batch, &keys::program(door, &program.id), program.artifact)?;
    Ok(program)
}

/// See [`crate::Store::remember_identity`].
pub(super) fn remember_identity(batch: &mut Batch<'_>, identity: &ProgramIdentity) -> Result<()> {
    batch.write_one(
        "INSERT OR REPLACE INTO identities (system, toolchain, executable, program_id, vk) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            identity.system.as_str(),
            identity.toolchain.as_str(),
            identity.executable.0,
            &identity.program_id,
            &identity.vk,
        ),
    )
}

/// See [`crate::Store::identity`].
pub(super) fn identity(
    connection: &Connection,
    system: &Name,
    toolchain: &Name,
    executable: Digest,
) -> Result<Option<ProgramIdentity>> {
    let sql = "SELECT program_id, vk FROM identities WHERE system = ?1 AND toolchain = ?2 AND executable = ?3";
    db::one(
        connection,
        sql,
        (system.as_str(), toolchain.as_str(), executable.0),
        |row| {
            Ok(ProgramIdentity {
                system: system.clone(),
                toolchain: toolchain.clone(),
                executable,
                program_id: row.get(0)?,
                vk: row.get(1)?,
            })
        },
    )
}

/// See [`crate::Store::ping`]: writes when it was asked last, which nobody reads.
pub(super) fn ping(batch: &mut Batch<'_>) -> Result<()> {
    batch.write_one("INSERT OR REPLACE INTO pings (id, at) VALUES (1, ?1)", [batch.now.0])
}

/// See [`crate::Store::secret`].
pub(super) fn secret(batch: &mut Batch<'_>, name: &str) -> Result<[u8; 32]> {
    let sql = "SELECT value FROM secrets WHERE name = ?1";
    if let Some(found) = db::one(batch.connection, sql, [name], |row| Ok(row.get::<_, [u8; 32]>(0)?))? {
        return Ok(found);
    }
    let mut made = [0; 32];
    rand::rng().fill_bytes(&mut made);
    batch.write_one("INSERT INTO secrets (name, value) VALUES (?1, ?2)", (name, made))?;
    Ok(made)
}
