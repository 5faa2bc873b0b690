//! Registered programs. The core checks that an executable really has the hash that it is registered under, so that a
//! program found here may be used by everybody.

use alloy_primitives::hex;
use bytes::Bytes;
use hierophant_core::ports::Registration;
use tonic::Status;

use crate::{
    artifact_store::PROGRAM_ROLE,
    door::{self, Door},
    ids::{self, HASH_BYTES},
    proto::types::{
        CreateProgramRequestBody, CreateProgramResponse, Empty, GetProgramRequest, GetProgramResponse, Program,
        SignedRequest,
    },
    refusal,
};

/// Longest verification key taken, in bytes: those of 6.x have 104, those of 5.x some KiB.
const VK_MAX_BYTES: usize = 64 * 1024;

/// Finds a program. `NotFound` makes clients register it.
pub(crate) async fn get(door: &Door, request: GetProgramRequest) -> Result<GetProgramResponse, Status> {
    vk_hash(&request.vk_hash)?;
    let found = door
        .clients
        .program(door.name.clone(), request.vk_hash.to_vec())
        .await
        .map_err(refusal::of_core)?;
    let row = found
        .ok_or_else(|| Status::not_found("this program is not registered here; register it with CreateProgram"))?;
    Ok(GetProgramResponse {
        program: Some(Program {
            vk_hash: row.id.into(),
            vk: row.vk.into(),
            program_uri: ids::artifact_uri(row.artifact),
            name: None,
            owner: row.owner.principal.into(),
            created_at: row.created_at.unix_seconds(),
        }),
    })
}

/// Registers a program; one that is there already is fine.
pub(crate) async fn create(door: &Door, envelope: SignedRequest) -> Result<CreateProgramResponse, Status> {
    let signed = door::open(envelope)?;
    let tx_hash = ids::tx_hash(&signed.body);
    let body: CreateProgramRequestBody = door::decoded(signed.body)?;
    vk_hash(&body.vk_hash)?;
    if body.vk.len() > VK_MAX_BYTES {
        return Err(Status::invalid_argument(format!(
            "a verification key of {} bytes is none; those of {} have 104",
            body.vk.len(),
            door.settings.toolchain
        )));
    }
    let upload = door
        .upload(&body.program_uri, signed.by, PROGRAM_ROLE, "program_uri")
        .await?;
    let registration = Registration {
        owner: door.requester(signed.by),
        system: door.system.clone(),
        toolchain: door.settings.toolchain.clone(),
        id: body.vk_hash.to_vec(),
        vk: body.vk.to_vec(),
        artifact: upload.id,
    };
    door.clients
        .register_program(registration)
        .await
        .map_err(refusal::of_core)?;
    let program = hex::encode_prefixed(&body.vk_hash);
    tracing::info!(program.id = program, artifact.id = %upload.id, requester = %signed.by, "program {program} registered");
    Ok(CreateProgramResponse {
        tx_hash: Bytes::copy_from_slice(&tx_hash),
        body: Some(Empty {}),
    })
}

/// Refuses what cannot be a vk hash.
pub(crate) fn vk_hash(bytes: &[u8]) -> Result<(), Status> {
    if bytes.len() == HASH_BYTES {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!(
            "a vk_hash has 32 bytes, not {}",
            bytes.len()
        )))
    }
}
