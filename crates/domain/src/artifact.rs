//! References to stored blobs, and who may read them.

use serde::{Deserialize, Serialize};

use crate::ids::ArtifactId;

/// Results up to this size may live in a row instead of the artifact store, in bytes.
pub const INLINE_MAX_BYTES: usize = 64 * 1024;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 32 bytes; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A stored blob by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// The blob.
    pub id: ArtifactId,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobRef {
    /// In the artifact store.
    Artifact(ArtifactId),
    /// In the row itself; at most [`INLINE_MAX_BYTES`].
    Inline(Vec<u8>),
}

/// Who may read a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Whoever holds a signed URL.
    Signed,
    /// Only its owner, and a lease that needs it.
    Private,
}
