//! Why a blob cannot be stored or read.

use std::io;

/// Any error, as a cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a blob cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing is stored under this id.
    #[error("no blob is stored under this id")]
    NotFound,
    /// More bytes than are taken here.
    #[error("the blob has more than the {limit} bytes that are accepted here")]
    TooLarge {
        /// Most bytes that are accepted.
        limit: u64,
    },
    /// The range asked for does not lie within the blob.
    #[error("the blob has only {size} bytes")]
    Range {
        /// Bytes of the whole blob.
        size: u64,
    },
    /// The disk is full, or would leave less free than configured. Worth repeating when space was freed.
    #[error("the disk for artifacts is full: free space there, or lower the space that must stay free")]
    Full,
    /// The stream ended with an error before the blob was whole. Worth repeating from the start.
    #[error("the upload was cut off before it was whole")]
    CutOff {
        /// What the stream said.
        source: BoxError,
    },
    /// Another process has the directory open.
    #[error("the directory of artifacts is in use by another process: stop it, or configure another directory")]
    InUse,
    /// The disk failed.
    #[error("the disk for artifacts failed")]
    Io {
        /// What it said.
        source: io::Error,
    },
}

impl BlobError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full | Self::CutOff { .. } | Self::InUse | Self::Io { .. } => true,
            Self::NotFound | Self::TooLarge { .. } | Self::Range { .. } => false,
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full
        } else {
            Self::Io { source }
        }
    }
}
