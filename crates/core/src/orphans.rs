//! Blobs that no row knows: what a crash between storing a blob and noting it leaves behind.
//!
//! One of 256 shards is looked at a time, so that a store of millions of blobs costs a short look each minute. A blob counts as
//! left behind only when it is older than any upload can be.

use std::time::{Duration, SystemTime};

use crate::{error::CoreError, ports::Result, service::Core};

/// Older than this, a blob without a row is nobody's: its row was announced before its first byte, and an upload that stands still
/// is cut off within minutes.
const LEFT_BEHIND_AFTER: Duration = Duration::from_hours(24);

/// Removes what was left behind in one shard.
pub(crate) async fn remove(core: &Core, shard: u8) -> Result<()> {
    let unusable = |error: hierophant_artifacts::BlobError| CoreError::Unavailable(error.to_string());
    let listed = core.0.blobs.list_shard(shard).await.map_err(unusable)?;
    let now = SystemTime::now();
    for blob in listed {
        let age = now.duration_since(blob.modified).unwrap_or_default();
        if age >= LEFT_BEHIND_AFTER && core.0.store.artifact(blob.id).await?.is_none() {
            core.0.blobs.delete(blob.id).await.map_err(unusable)?;
            tracing::info!(artifact.id = %blob.id, bytes = blob.size, "a blob that no row knows was removed");
        }
    }
    Ok(())
}
