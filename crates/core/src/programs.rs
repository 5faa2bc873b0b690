//! Programs under the ids that their executables really have.
//!
//! Set-up is done once per executable: the result is kept by the blob's SHA-256, and callers that come while it goes on wait
//! for the same one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hierophant_domain::{BlobRef, Digest, Name, System};
use hierophant_store::{ArtifactState, ProgramIdentity, ProgramRow};
use tokio::sync::watch;

use crate::{
    error::CoreError,
    ports::{CheckError, CheckInput, Registration, Result},
    service::Core,
    staging,
};

/// How long a registration waits for its check before the client is told to come back. Clients give a call 60 s.
const PATIENCE: Duration = Duration::from_secs(45);
/// Set-ups that go on at once; more are refused for now.
const SET_UPS_MAX: usize = 64;

type Found = std::result::Result<ProgramIdentity, CoreError>;
type Key = (System, Name, Digest);

/// Set-ups that go on.
#[derive(Debug, Default)]
pub(crate) struct SetUps(Arc<Mutex<HashMap<Key, watch::Receiver<Option<Found>>>>>);

/// Registers a program after checking its id.
pub(crate) async fn register(core: &Core, registration: Registration) -> Result<ProgramRow> {
    let row = core.0.store.artifact(registration.artifact).await?;
    let row = row
        .filter(|row| row.owner.as_ref() == Some(&registration.owner) && row.state == ArtifactState::Complete)
        .ok_or_else(|| {
            CoreError::NotFound(
                "the program has not been uploaded under this URI by this account; upload it first".to_owned(),
            )
        })?;
    let digest = row
        .sha256
        .ok_or_else(|| CoreError::Internal("a complete artifact has no digest".to_owned()))?;
    let identity = identity(core, &registration, digest).await?;
    if identity.program_id != registration.id {
        return Err(CoreError::Invalid(
            "the uploaded ELF has another verification key than the one it is registered under; register it with the key of \
             this very ELF"
                .to_owned(),
        ));
    }
    if !registration.vk.is_empty() && registration.vk != identity.vk {
        return Err(CoreError::Invalid(
            "the verification key sent is not that of the uploaded ELF".to_owned(),
        ));
    }
    let program = ProgramRow {
        owner: registration.owner,
        id: registration.id,
        vk: identity.vk,
        artifact: registration.artifact,
        created_at: core.now(),
    };
    let registered = core.0.store.register_program(program).await?;
    Core::pass("program-registered");
    Ok(registered)
}

async fn identity(core: &Core, registration: &Registration, digest: Digest) -> Found {
    let (system, toolchain) = (registration.system.clone(), registration.toolchain.clone());
    if let Some(known) = core.0.store.identity(system.clone(), toolchain.clone(), digest).await? {
        return Ok(known);
    }
    let mut found = join_or_start(core, registration, (system, toolchain, digest))?;
    let waited = tokio::time::timeout(PATIENCE, found.wait_for(Option::is_some)).await;
    match waited {
        Ok(Ok(found)) => found
            .clone()
            .unwrap_or_else(|| Err(CoreError::Internal("a set-up ended without a result".to_owned()))),
        Ok(Err(_)) => Err(CoreError::Unavailable(
            "the check of the program was interrupted; try again".to_owned(),
        )),
        Err(_) => Err(CoreError::Unavailable(
            "the program is still being checked; try again in a moment".to_owned(),
        )),
    }
}

fn join_or_start(core: &Core, registration: &Registration, key: Key) -> Result<watch::Receiver<Option<Found>>> {
    let mut going = core.0.set_ups.0.lock().expect("no holder of the set-up table panics");
    if let Some(found) = going.get(&key) {
        return Ok(found.clone());
    }
    if going.len() >= SET_UPS_MAX {
        return Err(CoreError::Unavailable(
            "too many programs are being checked; try again in a moment".to_owned(),
        ));
    }
    let (tell, found) = watch::channel(None);
    going.insert(key.clone(), found.clone());
    let (core, blob) = (core.clone(), BlobRef::Artifact(registration.artifact));
    tokio::spawn(async move {
        let result = set_up(&core, &key, &blob).await;
        core.0
            .set_ups
            .0
            .lock()
            .expect("no holder of the set-up table panics")
            .remove(&key);
        let _ = tell.send(Some(result));
    });
    Ok(found)
}

async fn set_up(core: &Core, key: &Key, blob: &BlobRef) -> Found {
    let (system, toolchain, executable) = key.clone();
    let failed = |error: CheckError| match error {
        CheckError::Input(why) => CoreError::Invalid(why),
        CheckError::Lost(why) => {
            tracing::error!("{why}; look after the disk of the artifacts");
            CoreError::NotFound(why)
        }
        CheckError::Died(why) | CheckError::Unavailable(why) => {
            CoreError::Unavailable(format!("the program could not be checked now: {why}; try again"))
        }
    };
    // One that ended between its caller's look and the start of this one is not repeated.
    if let Some(known) = core
        .0
        .store
        .identity(system.clone(), toolchain.clone(), executable)
        .await?
    {
        return Ok(known);
    }
    let source = staging::stage(core, blob).await.map_err(failed)?;
    let program = CheckInput {
        name: Name::literal("program"),
        source,
    };
    let identity = core.0.checker.set_up(&system, program).await.map_err(failed)?;
    let found = ProgramIdentity {
        system,
        toolchain,
        executable,
        program_id: identity.program_id,
        vk: identity.vk,
    };
    core.0.store.remember_identity(found.clone()).await?;
    Ok(found)
}
