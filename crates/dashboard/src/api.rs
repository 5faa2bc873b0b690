//! What all JSON answers have in common: the mark of mock mode, the error envelope, and that nobody may cache them.

pub(crate) mod health;
pub(crate) mod history;
mod page;
pub(crate) mod requests;
mod show;
pub(crate) mod workers;

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hierophant_core::CoreError;
use serde::Serialize;

use crate::{App, BuildInfo};

/// Most characters of a caller's own text that an error message repeats.
const QUOTED_MAX_CHARS: usize = 64;

/// An answer as it is sent.
#[derive(Serialize)]
struct Marked<T> {
    /// Only there when it is true, and then first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mock_mode: bool,
    #[serde(flatten)]
    body: T,
}

/// The one form that errors have.
#[derive(Debug, Serialize)]
struct ErrorBody {
    /// For programs.
    code: &'static str,
    /// A sentence for people.
    message: String,
}

/// Why a call was not answered.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

/// Short for what handlers answer.
pub(crate) type Answer = std::result::Result<Response, Response>;

impl ApiError {
    /// A query that cannot be meant; `message` says what could.
    fn bad_query(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", message)
    }

    fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            body: ErrorBody { code, message },
        }
    }

    fn answer(self, info: &BuildInfo) -> Response {
        marked(info, self.status, self.body)
    }
}

impl From<CoreError> for ApiError {
    fn from(error: CoreError) -> Self {
        let (status, code) = match error {
            CoreError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            CoreError::Full(_) => (StatusCode::TOO_MANY_REQUESTS, "full"),
            CoreError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            CoreError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            CoreError::NotAllowed(_) => (StatusCode::FORBIDDEN, "not_allowed"),
            CoreError::Internal(_) => {
                tracing::error!(%error, "a page for operators could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        Self::new(status, code, error.to_string())
    }
}

/// A good answer.
fn good(app: &App, body: impl Serialize) -> Response {
    marked(&app.0.info, StatusCode::OK, body)
}

fn marked(info: &BuildInfo, status: StatusCode, body: impl Serialize) -> Response {
    let body = Marked {
        mock_mode: info.mock_mode,
        body,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// A caller's own text, short enough to be repeated.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(QUOTED_MAX_CHARS).collect::<String>())
}

/// Answers paths that nothing is at.
pub(crate) async fn unknown_path(State(app): State<App>, uri: Uri) -> Response {
    ApiError::not_found(format!(
        "there is nothing at {}; / lists what there is",
        quoted(uri.path())
    ))
    .answer(&app.0.info)
}

/// Answers methods that a path has not.
pub(crate) async fn wrong_method(State(app): State<App>, method: Method) -> Response {
    let message = format!(
        "{} cannot be used here; this page can only be read, with GET",
        quoted(method.as_str())
    );
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).answer(&app.0.info)
}
