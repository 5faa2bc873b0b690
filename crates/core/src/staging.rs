//! Brings blobs to where a check can read them.

use hierophant_artifacts::blobs::BlobError;
use hierophant_domain::{BlobRef, Request};

use crate::{
    lost,
    ports::{CheckError, CheckInput, CheckSource},
    service::Core,
};

/// Where a check can read a blob that was taken in whole.
pub(crate) async fn stage(core: &Core, blob: &BlobRef) -> Result<CheckSource, CheckError> {
    match blob {
        BlobRef::Inline(bytes) => Ok(CheckSource::Inline(bytes.clone())),
        BlobRef::Artifact(id) => match core.0.blobs.local_file(*id).await {
            Ok(path) => Ok(CheckSource::File(path)),
            Err(BlobError::NotFound) => Err(CheckError::Lost(lost::sentence(*id))),
            Err(error) => Err(CheckError::Unavailable(error.to_string())),
        },
    }
}

/// The inputs of a request, as a check reads them.
pub(crate) async fn inputs(core: &Core, request: &Request) -> Result<Vec<CheckInput>, CheckError> {
    let mut staged = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        staged.push(CheckInput {
            name: input.name.clone(),
            source: stage(core, &input.blob).await?,
        });
    }
    Ok(staged)
}
