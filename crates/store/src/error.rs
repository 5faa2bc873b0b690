//! What can go wrong in a store, by what its caller would do differently.

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used now (disk full, database gone, shutting down): try again later, nothing was changed.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// A limit is reached: try again when there is less.
    #[error("{0}")]
    Full(String),
    /// Something that was referred to is not there, or not complete.
    #[error("{0}")]
    NotFound(String),
    /// Not allowed now; the reason is for whoever asked.
    #[error("{0}")]
    Refused(String),
    /// The database was made by a release that this one does not know.
    #[error(
        "the database has schema {found}, and this release knows {known}: run the release that made it, or a newer one"
    )]
    UnknownSchema {
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// Rows contradict each other or cannot be read: a defect; nothing was changed.
    #[error("the store holds something that it cannot hold: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full(_) => true,
            Self::NotFound(_) | Self::Refused(_) | Self::UnknownSchema { .. } | Self::Corrupt(_) => false,
        }
    }
}
