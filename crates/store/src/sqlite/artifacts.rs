//! Rows of artifacts, and what the collector may take.
//!
//! Invariant: an artifact is marked as going only while nobody refers to it, and from then on nobody can.

use hierophant_domain::{ArtifactId, Digest, Requester, Timestamp, Visibility};
use rusqlite::{Connection, Row};

use super::{batch::Batch, db, rows};
use crate::{ArtifactRow, ArtifactState, Result, StoreError};

/// `SELECT` of what [`read`] reads, and what follows.
macro_rules! select_artifacts {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner_door, owner_principal, role, visibility, rebuildable, sealing_key, state, size, sha256, \
             created_at FROM artifacts ",
            $rest
        )
    };
}

fn state_code(state: ArtifactState) -> u8 {
    match state {
        ArtifactState::Announced => 0,
        ArtifactState::Complete => 1,
        ArtifactState::Going => 2,
    }
}

fn visibility_code(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Signed => 0,
        Visibility::Private => 1,
    }
}

fn read(row: &Row<'_>) -> Result<ArtifactRow> {
    let owner = match (rows::maybe_name(row, 1)?, row.get(2)?) {
        (Some(door), Some(principal)) => Some(Requester { door, principal }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(db::corrupt("half an owner")),
    };
    let sha256: Option<[u8; 32]> = row.get(9)?;
    Ok(ArtifactRow {
        id: ArtifactId(rows::uuid(row, 0)?),
        owner,
        role: rows::name(row, 3)?,
        visibility: rows::state(row, 4, |code| {
            [Visibility::Signed, Visibility::Private]
                .get(usize::from(code))
                .copied()
        })?,
        rebuildable: row.get(5)?,
        sealing_key: rows::maybe_name(row, 6)?,
        state: rows::state(row, 7, |code| {
            [ArtifactState::Announced, ArtifactState::Complete, ArtifactState::Going]
                .get(usize::from(code))
                .copied()
        })?,
        size: rows::unsigned(row, 8)?,
        sha256: sha256.map(Digest),
        created_at: rows::time(row, 10)?,
    })
}

/// See [`crate::Store::artifact`].
pub(super) fn load(connection: &Connection, id: ArtifactId) -> Result<Option<ArtifactRow>> {
    db::one(connection, select_artifacts!("WHERE id = ?1"), [id.as_bytes()], read)
}

/// See [`crate::Store::create_artifact`].
pub(super) fn create(batch: &mut Batch<'_>, row: &ArtifactRow) -> Result<()> {
    let inserted = batch.write(
        "INSERT INTO artifacts (id, owner_door, owner_principal, role, visibility, rebuildable, sealing_key, state, size, \
         sha256, created_at, loose) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1) ON CONFLICT (id) DO NOTHING",
        (
            row.id.as_bytes(),
            row.owner.as_ref().map(|owner| owner.door.as_str()),
            row.owner.as_ref().map(|owner| &owner.principal),
            row.role.as_str(),
            visibility_code(row.visibility),
            row.rebuildable,
            row.sealing_key.as_ref().map(hierophant_domain::Name::as_str),
            state_code(row.state),
            row.size.cast_signed(),
            row.sha256.map(|digest| digest.0),
            row.created_at.0,
        ),
    )?;
    if inserted == 0 {
        batch.wrote_nothing();
        return Err(StoreError::Refused(format!(
            "there is an artifact {} already: mint a new id",
            row.id
        )));
    }
    Ok(())
}

/// See [`crate::Store::complete_artifact`].
pub(super) fn complete(batch: &mut Batch<'_>, id: ArtifactId, size: u64, sha256: Digest) -> Result<bool> {
    match load(batch.connection, id)?.map(|row| row.state) {
        Some(ArtifactState::Announced) => {
            batch.write_one(
                "UPDATE artifacts SET state = 1, size = ?2, sha256 = ?3 WHERE id = ?1",
                (id.as_bytes(), size.cast_signed(), sha256.0),
            )?;
            Ok(true)
        }
        Some(ArtifactState::Complete) => Ok(false),
        Some(ArtifactState::Going) => Err(StoreError::NotFound(format!("the artifact {id} is being removed"))),
        None => Err(StoreError::NotFound(format!("there is no artifact {id}"))),
    }
}

/// See [`crate::Store::collectable`]. `loose > 0` is said as the index says it, or it would not serve. Those that are going already come first: whoever marked them may have died since.
pub(super) fn collectable(batch: &mut Batch<'_>, older_than: Timestamp, n: usize) -> Result<Vec<ArtifactRow>> {
    let mut found = db::all(
        batch.connection,
        select_artifacts!("INDEXED BY artifacts_loose WHERE loose > 0 AND loose = 3 LIMIT ?1"),
        [db::count(n)],
        read,
    )?;
    let at_once =
        select_artifacts!("INDEXED BY artifacts_loose WHERE loose > 0 AND loose = 2 ORDER BY created_at LIMIT ?1");
    take_unreferenced(batch, n, &mut found, |batch, room| {
        db::all(batch.connection, at_once, [db::count(room)], read)
    })?;
    let old = select_artifacts!(
        "INDEXED BY artifacts_loose WHERE loose > 0 AND loose = 1 AND created_at < ?2 ORDER BY created_at LIMIT ?1"
    );
    take_unreferenced(batch, n, &mut found, |batch, room| {
        db::all(batch.connection, old, (db::count(room), older_than.0), read)
    })?;
    Ok(found)
}

/// Looks at candidates until `n` are found or none is left: marks what nobody refers to, and puts the others off until
/// somebody lets go of them.
fn take_unreferenced(
    batch: &mut Batch<'_>,
    n: usize,
    found: &mut Vec<ArtifactRow>,
    candidates: impl Fn(&Batch<'_>, usize) -> Result<Vec<ArtifactRow>>,
) -> Result<()> {
    while found.len() < n {
        let next = candidates(batch, n - found.len())?;
        if next.is_empty() {
            return Ok(());
        }
        for mut row in next {
            let sql = "SELECT 1 FROM artifact_refs WHERE artifact = ?1 LIMIT 1";
            let needed = db::one(batch.connection, sql, [row.id.as_bytes()], |_| Ok(()))?.is_some();
            if needed {
                batch.write_one("UPDATE artifacts SET loose = 0 WHERE id = ?1", [row.id.as_bytes()])?;
            } else {
                batch.write_one(
                    "UPDATE artifacts SET loose = 3, state = 2 WHERE id = ?1",
                    [row.id.as_bytes()],
                )?;
                row.state = ArtifactState::Going;
                found.push(row);
            }
        }
    }
    Ok(())
}

/// See [`crate::Store::forget_artifacts`]. Only those that are going: anything else is still wanted.
pub(super) fn forget(batch: &mut Batch<'_>, ids: &[ArtifactId]) -> Result<()> {
    for id in ids {
        batch.write("DELETE FROM artifacts WHERE id = ?1 AND state = 2", [id.as_bytes()])?;
    }
    Ok(())
}
