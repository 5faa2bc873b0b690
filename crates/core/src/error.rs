//! What the core says when it does not do what it was asked, by what the caller tells its client.

use hierophant_store::StoreError;

/// Why a call was refused or failed. The text is for the client and says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CoreError {
    /// Not now: the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// A limit is reached that waiting may or may not cure: the caller should have less in flight.
    #[error("{0}")]
    Full(String),
    /// The request itself can never be accepted.
    #[error("{0}")]
    Invalid(String),
    /// Something that it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// It is somebody else's.
    #[error("{0}")]
    NotAllowed(String),
    /// A defect here.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<StoreError> for CoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Unavailable(format!("{why}; try again")),
            StoreError::Full(why) => Self::Full(why),
            StoreError::NotFound(what) => Self::NotFound(what),
            StoreError::Refused(why) => Self::NotAllowed(why),
            StoreError::UnknownSchema { .. } | StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}
