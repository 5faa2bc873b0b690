//! Blobs that were taken in whole and are gone or damaged since.
//!
//! Invariant: nobody is blamed for a blob that is not as it was taken in: before the client or a worker is, whoever would
//! blame them looks here. A request that needs such a blob ends with [`FailureClass::Lost`], and the operator is told.
//!
//! Not here: what was never uploaded, which is refused when the request is submitted.

use hierophant_artifacts::BlobError;
use hierophant_domain::{ArtifactId, BlobRef, Failure, FailureClass, Request, request::RequestEvent};
use hierophant_store::ArtifactState;

use crate::{error::CoreError, ports::Result, service::Core};

/// What the client and the operator are told.
pub(crate) fn sentence(id: ArtifactId) -> String {
    format!("the coordinator has lost the artifact {id}, which had been uploaded: upload it again, and ask anew")
}

/// The first blob that a request needs and that is not as it was taken in, in words.
pub(crate) async fn of_request(core: &Core, request: &Request) -> Result<Option<String>> {
    let program = request.program.iter().map(|program| program.artifact);
    let inputs = request.inputs.iter().filter_map(|input| match &input.blob {
        BlobRef::Artifact(id) => Some(*id),
        BlobRef::Inline(_) => None,
    });
    for id in program.chain(inputs) {
        if !is_whole(core, id).await? {
            return Ok(Some(sentence(id)));
        }
    }
    Ok(None)
}

/// Ends a request that needs something that was lost. `false` if it does not.
pub(crate) async fn end_if_needed(core: &Core, request: &Request) -> Result<bool> {
    match of_request(core, request).await? {
        Some(why) => end(core, request, why).await.map(|()| true),
        None => Ok(false),
    }
}

/// Ends a request that needs what was lost. If it had ended before, nobody needs it any more.
pub(crate) async fn end(core: &Core, request: &Request, why: String) -> Result<()> {
    let failure = Failure::new(FailureClass::Lost, why.clone());
    let ended = core
        .0
        .store
        .end_request(request.id, RequestEvent::Failed, failure)
        .await?;
    if ended {
        tracing::error!(request.id = %request.id, "{why}; look after the disk of the artifacts");
    }
    Ok(())
}

/// Whether a blob has a row that says that it is complete, and the size that the row says.
async fn is_whole(core: &Core, id: ArtifactId) -> Result<bool> {
    let row = core.0.store.artifact(id).await?;
    let Some(row) = row.filter(|row| row.state == ArtifactState::Complete) else {
        return Ok(false);
    };
    match core.0.blobs.size(id).await {
        Ok(size) => Ok(size == row.size),
        Err(BlobError::NotFound) => Ok(false),
        Err(error) => Err(CoreError::Unavailable(error.to_string())),
    }
}
