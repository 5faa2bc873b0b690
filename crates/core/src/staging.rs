//! Brings blobs to where a check can read them.

use hierophant_artifacts::blobs::BlobError;
use hierophant_domain::BlobRef;

use crate::{
    ports::{CheckError, CheckSource},
    service::Core,
};

/// Where a check can read a blob. A blob that is gone can never be checked.
pub(crate) async fn stage(core: &Core, blob: &BlobRef) -> Result<CheckSource, CheckError> {
    match blob {
        BlobRef::Inline(bytes) => Ok(CheckSource::Inline(bytes.clone())),
        BlobRef::Artifact(id) => match core.0.blobs.local_file(*id).await {
            Ok(path) => Ok(CheckSource::File(path)),
            Err(BlobError::NotFound) => Err(CheckError::Input(format!("the artifact {id} is gone"))),
            Err(error) => Err(CheckError::Unavailable(error.to_string())),
        },
    }
}
