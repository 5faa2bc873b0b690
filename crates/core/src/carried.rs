//! Blobs that an adapter in this process carries itself: doors whose calls bring the input and take the proof, workers that
//! cannot fetch and upload by themselves.
//!
//! Invariant: what is stored here is whole, durable and has its row before its id is given out.

use bytes::Bytes;
use hierophant_artifacts::{BlobError, Durability};
use hierophant_domain::{ArtifactId, BlobRef, Name, Requester, Visibility};
use hierophant_store::{ArtifactRow, ArtifactState};
use uuid::Uuid;

use crate::{error::CoreError, lost, ports::Result, service::Core};

impl Core {
    /// Stores a blob with its row.
    pub(crate) async fn store_blob(
        &self,
        owner: Option<Requester>,
        role: Name,
        visibility: Visibility,
        content: Bytes,
    ) -> Result<ArtifactId> {
        let id = ArtifactId(Uuid::now_v7());
        // The blob first: what a crash leaves then is one without a row, which is looked for.
        let stored = self.0.blobs.put_bytes(id, Durability::Durable, content).await;
        let stored = stored.map_err(unusable)?;
        let row = ArtifactRow {
            state: ArtifactState::Complete,
            size: stored.size,
            sha256: Some(stored.sha256),
            ..ArtifactRow::announced(id, owner, role, visibility, self.now())
        };
        if let Err(error) = self.0.store.create_artifact(row).await {
            self.0.blobs.delete(id).await.map_err(unusable)?;
            return Err(error.into());
        }
        Ok(id)
    }

    /// Removes a blob that nothing refers to, and its row.
    pub(crate) async fn drop_blob(&self, id: ArtifactId) -> Result<()> {
        self.0.blobs.delete(id).await.map_err(unusable)?;
        Ok(self.0.store.forget_artifacts(vec![id]).await?)
    }

    /// Reads a blob that was stored whole.
    pub(crate) async fn read_blob(&self, blob: &BlobRef, limit_bytes: u64) -> Result<Bytes> {
        match blob {
            BlobRef::Inline(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            BlobRef::Artifact(id) => self.0.blobs.read(*id, limit_bytes).await.map_err(|error| match error {
                BlobError::NotFound => CoreError::NotFound(lost::sentence(*id)),
                error => unusable(error),
            }),
        }
    }
}

fn unusable(error: BlobError) -> CoreError {
    match error {
        BlobError::TooLarge { limit } => CoreError::Invalid(format!("it has more than {limit} bytes")),
        error => CoreError::Unavailable(error.to_string()),
    }
}
