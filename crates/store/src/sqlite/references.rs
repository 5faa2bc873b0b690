//! Who needs which artifact.
//!
//! Invariants: an open request refers to its program and inputs, and to the outputs of a result that is delivered or won. What it
//! refers to can be told from its own rows, so references are found by artifact only. A private request lets go of its inputs in
//! the transaction that ends it.

use std::collections::BTreeSet;

use hierophant_domain::{ArtifactId, BlobRef, Request, attempt::Delivery};

use super::{batch::Batch, db, keys::Key};
use crate::{Result, StoreError};

/// The program and inputs of a request that are artifacts.
pub(super) fn of_terms(request: &Request) -> BTreeSet<ArtifactId> {
    let program = request.program.iter().map(|program| program.artifact);
    program.chain(of_inputs(request)).collect()
}

/// The inputs of a request that are artifacts.
pub(super) fn of_inputs(request: &Request) -> impl Iterator<Item = ArtifactId> {
    request.inputs.iter().filter_map(|input| artifact(&input.blob))
}

/// The outputs of a result that are artifacts.
pub(super) fn of_delivery(delivery: &Delivery) -> BTreeSet<ArtifactId> {
    delivery.outputs.iter().filter_map(|(_, blob)| artifact(blob)).collect()
}

/// What an ended request still refers to.
pub(super) fn of_ended(request: &Request) -> BTreeSet<ArtifactId> {
    let mut held: BTreeSet<_> = request.program.iter().map(|program| program.artifact).collect();
    if !request.private {
        held.extend(of_inputs(request));
    }
    if let Some(outcome) = &request.outcome {
        held.extend(outcome.artifacts.iter().filter_map(|output| artifact(&output.blob)));
    }
    held
}

fn artifact(blob: &BlobRef) -> Option<ArtifactId> {
    match blob {
        BlobRef::Artifact(id) => Some(*id),
        BlobRef::Inline(_) => None,
    }
}

/// Refuses artifacts that are not whole.
pub(super) fn require_complete<'a>(
    batch: &Batch<'_>,
    artifacts: impl IntoIterator<Item = &'a ArtifactId>,
) -> Result<()> {
    for id in artifacts {
        let sql = "SELECT state FROM artifacts WHERE id = ?1";
        let state = db::one(batch.connection, sql, [id.as_bytes()], |row| Ok(row.get::<_, u8>(0)?))?;
        let missing = match state {
            Some(1) => continue,
            Some(0) => "is not uploaded yet: upload it first",
            Some(_) => "is being removed: upload it again",
            None => "is not there: upload it first",
        };
        return Err(StoreError::NotFound(format!("the artifact {id} {missing}")));
    }
    Ok(())
}

/// Takes a reference, or leaves the one that is there.
pub(super) fn take(batch: &mut Batch<'_>, holder: &Key, artifact: ArtifactId) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO artifact_refs (artifact, holder) VALUES (?1, ?2)";
    batch.write(sql, (artifact.as_bytes(), holder))?;
    Ok(())
}

/// Drops a reference, if it is there, and has the collector look: at once if the artifact is private, else when it is old.
pub(super) fn drop(batch: &mut Batch<'_>, holder: &Key, artifact: ArtifactId) -> Result<()> {
    let sql = "DELETE FROM artifact_refs WHERE artifact = ?1 AND holder = ?2";
    if batch.write(sql, (artifact.as_bytes(), holder))? > 0 {
        let sql = "UPDATE artifacts SET loose = CASE WHEN state = 2 THEN 3 WHEN visibility = 1 THEN 2 ELSE 1 END WHERE id = ?1";
        batch.write(sql, [artifact.as_bytes()])?;
    }
    Ok(())
}

/// Drops what a request refers to only for a result that was refused or is not wanted any more.
pub(super) fn drop_delivery(batch: &mut Batch<'_>, request: &Request, delivery: &Delivery) -> Result<()> {
    let needed = of_terms(request);
    for artifact in of_delivery(delivery).difference(&needed) {
        drop(batch, request.id.as_bytes(), *artifact)?;
    }
    Ok(())
}
