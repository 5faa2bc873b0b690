//! The questions that a transfer asks the rest of the coordinator, and how a "no" looks on the wire.

use async_trait::async_trait;
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hierophant_domain::ArtifactId;

use crate::blobs::{BlobError, Durability, Stored};

/// What a client or worker shows. Not checked yet: [`crate::Signer::check`] does that.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The `token` of the URL.
    Url(String),
    /// The secret of `authorization: Bearer …`.
    Bearer(String),
    /// Neither, or one that is too long for any token.
    None,
}

/// Never prints the secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "Url(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::None => "None",
        })
    }
}

impl Credential {
    /// The token, wherever it came from.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Url(token) | Self::Bearer(token) => Some(token),
            Self::None => None,
        }
    }
}

/// Leave to upload.
#[derive(Clone, Copy, Debug)]
pub struct PutPermit {
    /// Most bytes that are taken.
    pub limit_bytes: u64,
    /// How the blob is stored.
    pub durability: Durability,
    /// The blob, if the id is complete already: the body is then read and dropped, and the answer is 200.
    pub already: Option<Stored>,
}

/// Why a transfer may not be. The text is a sentence that says what to do; it is the body of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential, or one that does not hold: 401.
    #[error("{0}")]
    Unauthorized(String),
    /// The credential does not allow this: 403.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such artifact, or it is not complete: 404.
    #[error("{0}")]
    NotFound(String),
    /// More bytes than are taken: 413.
    #[error("{0}")]
    TooLarge(String),
    /// The peer stood still: 408, which clients repeat.
    #[error("{0}")]
    Stalled(String),
    /// Whatever may go well when repeated (store away, disk full, too many transfers): 504, because the clients of the
    /// contracts we serve repeat on that and not on 503.
    #[error("{0}")]
    Retry(String),
}

impl Denied {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Retry(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let headers = [
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        ];
        (self.status(), headers, format!("{self}\n")).into_response()
    }
}

impl From<BlobError> for Denied {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NotFound => Self::NotFound("the artifact is not here any more".into()),
            BlobError::TooLarge { limit } => Self::TooLarge(format!("at most {limit} bytes are accepted: send less")),
            BlobError::CutOff { .. } => Self::Stalled("the upload was cut off: send it again".into()),
            BlobError::Full => {
                tracing::error!("an upload was put off: the disk for artifacts is full");
                Self::Retry("the server has no room for artifacts now: send it again later".into())
            }
            BlobError::Range { .. } | BlobError::InUse | BlobError::Io { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "a transfer failed");
                Self::Retry("the server could not read or write the artifact: repeat the request".into())
            }
        }
    }
}

/// Decides over transfers and notes what was stored. Implemented by whoever knows the rows.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Whether an upload of `id` may begin.
    async fn may_put(&self, id: ArtifactId, credential: &Credential) -> Result<PutPermit, Denied>;

    /// Notes that `id` is whole; when this returns, it is so durably. May be called more than once for an id, always with
    /// what really lies there. A blob whose noting is refused stays on the disk without a row; see
    /// [`crate::BlobStore::list_shard`].
    async fn stored(&self, id: ArtifactId, credential: &Credential, stored: Stored) -> Result<(), Denied>;

    /// Whether `id` may be read, and what it is. Only complete blobs may.
    async fn may_get(&self, id: ArtifactId, credential: &Credential) -> Result<Stored, Denied>;
}
