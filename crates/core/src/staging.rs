//! Brings blobs to where a check can read them.

use hierophant_artifacts::blobs::BlobError;
use hierophant_domain::BlobRef;

use crate::{
    lost,
    ports::{CheckError, CheckSource},
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
