//! Artifacts over HTTP: `PUT`, `GET` and `HEAD` on `/artifacts/{id}`.
//!
//! The contract with clients that this keeps: a PUT needs no Content-Type and knows no limit but the permit's; it may be
//! repeated, whole or after a cut-off, on the same URL; a body is sent as it is stored, without Content-Encoding. Clients
//! that upload repeat only on 504 and 408, so whatever is worth repeating has one of those, never 503.
//!
//! What must stay true: nothing is answered 200 before the gate has noted the blob; a transfer runs in a task of its own,
//! so that a client that leaves cannot stop it between the two; the number of transfers, their memory and the time that
//! a peer may stand still are bounded.
//!
//! Not here: who may do what, which is the [`Gate`]'s word; TLS and listening, which are the coordinator's.

mod body;
mod download;
mod gate;
mod range;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::get,
};
use hierophant_domain::ArtifactId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub use self::gate::{Credential, Denied, Gate, PutPermit};
use crate::{blobs::BlobStore, tokens::TOKEN_MAX_CHARS};

/// Bounds of the transfers.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Most uploads at once. Each holds at most 8 MiB.
    pub uploads_max: usize,
    /// Most downloads at once. Each holds at most 8 MiB.
    pub downloads_max: usize,
    /// How long a transfer waits for its turn before it is answered 504.
    pub wait_max: Duration,
    /// How long a peer may stand still before its transfer is cut off. Less than 4 KiB in this time is standing still.
    pub idle_timeout: Duration,
}

impl Default for HttpLimits {
    /// 64 transfers each way (at most 1 GiB together), 30 s for a turn, 60 s of standing still.
    fn default() -> Self {
        Self {
            uploads_max: 64,
            downloads_max: 64,
            wait_max: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

/// What every handler needs.
#[derive(Clone)]
struct Service {
    gate: Arc<dyn Gate>,
    blobs: BlobStore,
    limits: HttpLimits,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    /// Refused uploads whose rest is still read; see [`body::linger`].
    lingering: Arc<Semaphore>,
}

/// The routes `/artifacts/{id}`, to be merged or nested where the URLs given out point to.
pub fn router(gate: Arc<dyn Gate>, blobs: BlobStore, limits: HttpLimits) -> Router {
    let service = Service {
        gate,
        blobs,
        limits,
        uploads: Arc::new(Semaphore::new(limits.uploads_max)),
        downloads: Arc::new(Semaphore::new(limits.downloads_max)),
        lingering: Arc::new(Semaphore::new(body::LINGERING_MAX)),
    };
    Router::new()
        .route("/artifacts/{id}", get(serve_get).put(serve_put))
        .with_state(service)
}

async fn serve_put(
    State(service): State<Service>,
    Path(id): Path<String>,
    Query(query): Query<UrlQuery>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let credential = Credential::of(query.token, &parts.headers);
    upload::put(service, parse_id(&id), credential, &parts.headers, body).await
}

/// GET, and HEAD, whose body axum leaves out.
async fn serve_get(
    State(service): State<Service>,
    Path(id): Path<String>,
    Query(query): Query<UrlQuery>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let credential = Credential::of(query.token, &parts.headers);
    match download::get(service, parse_id(&id), credential, &parts).await {
        Ok(response) => response,
        Err(denied) => denied.into_response(),
    }
}

#[derive(serde::Deserialize)]
struct UrlQuery {
    token: Option<String>,
}

impl Credential {
    /// The URL's token before the header: a presigned URL is complete, whatever a client adds to it.
    fn of(token: Option<String>, headers: &HeaderMap) -> Self {
        let short = |secret: &str| secret.len() <= TOKEN_MAX_CHARS;
        let bearer = || {
            let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?;
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim().to_owned())
        };
        match (token, bearer()) {
            (Some(token), _) if short(&token) => Self::Url(token),
            (None, Some(secret)) if short(&secret) => Self::Bearer(secret),
            _ => Self::None,
        }
    }
}

/// Only the form in which ids are given out.
fn parse_id(text: &str) -> Result<ArtifactId, Denied> {
    let id: Option<ArtifactId> = text.parse().ok();
    id.filter(|id| id.to_string() == text).ok_or_else(|| {
        Denied::NotFound("this is not the id of an artifact: use the URL exactly as it was given".into())
    })
}

impl Service {
    /// Waits for a turn among the transfers of one direction.
    async fn turn(&self, turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Denied> {
        let turn = timeout(self.limits.wait_max, turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Denied::Retry("too many transfers are running: repeat the request".into()))?;
        Ok(turn.expect("the semaphore is never closed"))
    }
}
