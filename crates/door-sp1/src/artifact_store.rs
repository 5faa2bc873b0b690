//! `artifact.ArtifactStore`: announcing uploads.

use hierophant_domain::Name;
use tonic::{Request, Response, Status};

use crate::{
    account,
    door::Door,
    ids,
    observe::observed,
    proto::artifact::{
        ArtifactType, CreateArtifactRequest, CreateArtifactResponse, artifact_store_server::ArtifactStore,
    },
    refusal,
};

/// Role of an uploaded executable.
pub(crate) const PROGRAM_ROLE: &str = "program";
/// Role of an uploaded input, private or not.
pub(crate) const STDIN_ROLE: &str = "input";

#[tonic::async_trait]
impl ArtifactStore for Door {
    async fn create_artifact(
        &self,
        request: Request<CreateArtifactRequest>,
    ) -> Result<Response<CreateArtifactResponse>, Status> {
        observed("CreateArtifact", create(self, request.into_inner())).await
    }
}

async fn create(door: &Door, request: CreateArtifactRequest) -> Result<CreateArtifactResponse, Status> {
    let by = account::recover(account::CREATE_ARTIFACT_MESSAGE, &request.signature).map_err(refusal::of_signature)?;
    let (role, private) = match ArtifactType::try_from(request.artifact_type) {
        Ok(ArtifactType::Program) => (PROGRAM_ROLE, false),
        Ok(ArtifactType::Stdin) => (STDIN_ROLE, false),
        Ok(ArtifactType::PrivateStdin) => (STDIN_ROLE, true),
        Ok(
            ArtifactType::UnspecifiedArtifactType
            | ArtifactType::Proof
            | ArtifactType::Transaction
            | ArtifactType::State
            | ArtifactType::Export,
        )
        | Err(_) => {
            return Err(Status::invalid_argument(format!(
                "artifact_type {} cannot be uploaded here; clients upload 1 (program), 2 (stdin) and 7 (private stdin)",
                request.artifact_type
            )));
        }
    };
    let created = door
        .clients
        .create_artifact(door.requester(by), Name::literal(role), private);
    let created = created.await.map_err(refusal::of_core)?;
    tracing::debug!(artifact.id = %created.id, requester = %by, role, private, "upload {} announced", created.id);
    Ok(CreateArtifactResponse {
        artifact_uri: ids::artifact_uri(created.id),
        artifact_presigned_url: created.put_url,
    })
}
