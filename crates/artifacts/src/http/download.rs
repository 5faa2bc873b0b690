//! GET and HEAD: sends a blob, or one range of it.

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use hierophant_domain::{ArtifactId, Digest};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Credential, Denied, Service,
    range::{Wanted, wanted},
};
use crate::blobs::{BlobError, BlobStream, Stored};

/// How much is handed to the connection at once: a slow peer makes progress with every piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that wait for the connection; when it is full, reading waits.
const PIECES_WAITING: usize = 16;

/// Answers a GET or HEAD.
pub(super) async fn get(
    service: Service,
    id: Result<ArtifactId, Denied>,
    credential: Credential,
    request: &Parts,
) -> Result<Response, Denied> {
    let id = id?;
    let stored = service.gate.may_get(id, &credential).await?;
    let size = service.blobs.size(id).await?;
    if size != stored.size {
        tracing::error!(artifact.id = %id, size, noted = stored.size, "an artifact is damaged");
        return Err(Denied::NotFound(
            "the artifact was damaged and is lost: make it again".into(),
        ));
    }
    let wanted = wanted(range_header(request, &stored), size);
    let range = match &wanted {
        Wanted::Whole => 0..size,
        Wanted::Part(range) => range.clone(),
        Wanted::Nothing => return Ok(unsatisfiable(size)),
    };
    let body = if request.method == Method::HEAD {
        Body::empty()
    } else {
        let turn = service.turn(&service.downloads).await?;
        let blob = service.blobs.get(id, Some(range.clone())).await?;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        let idle = service.limits.idle_timeout;
        tokio::spawn(async move {
            let _turn = turn;
            // A peer that stands still loses its place and the file; its connection ends when it asks for more.
            pump(blob.stream, sender, idle).await;
        });
        Body::from_stream(pieces(receiver, range.end - range.start))
    };
    Ok(answer(&stored, wanted, &range, body))
}

/// The ETag of a blob: its SHA-256 in hex, quoted.
pub(super) fn etag(sha256: Digest) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", hex::encode(sha256.0))).expect("hex in quotes is a header value")
}

/// The Range header, if it is meant for this very content (RFC 9110, 13.1.5).
fn range_header<'a>(request: &'a Parts, stored: &Stored) -> Option<&'a str> {
    let condition = request.headers.get(header::IF_RANGE);
    if condition.is_some_and(|condition| condition != etag(stored.sha256)) {
        return None;
    }
    request.headers.get(header::RANGE)?.to_str().ok()
}

fn answer(stored: &Stored, wanted: Wanted, range: &Range<u64>, body: Body) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // Private, and no proxy may compress what clients read as it is.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-transform")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, etag(stored.sha256)),
        (header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start)),
    ];
    let mut response = (headers, body).into_response();
    if let Wanted::Part(range) = wanted {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size);
        response
            .headers_mut()
            .insert(header::CONTENT_RANGE, header_value(content_range));
    }
    response
}

fn unsatisfiable(size: u64) -> Response {
    let content_range = (header::CONTENT_RANGE, header_value(format!("bytes */{size}")));
    let text = format!("the artifact has {size} bytes: ask for a range within them\n");
    (StatusCode::RANGE_NOT_SATISFIABLE, [content_range], text).into_response()
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("words and numbers are a header value")
}

/// Moves a blob into the channel, until its end, an error, or a reader that is gone or stands still.
async fn pump(mut blob: BlobStream, sender: mpsc::Sender<Result<Bytes, BlobError>>, idle: std::time::Duration) {
    while let Some(chunk) = blob.next().await {
        let mut rest = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a download failed");
                let _ = timeout(idle, sender.send(Err(error))).await;
                return;
            }
        };
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let Ok(Ok(())) = timeout(idle, sender.send(Ok(piece))).await else {
                return;
            };
        }
    }
}

/// The body that the channel carries. Ends with an error if the channel ends before `left` bytes came, so that the
/// connection is cut instead of closed as if all were there.
fn pieces(
    receiver: mpsc::Receiver<Result<Bytes, BlobError>>,
    left: u64,
) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
    stream::unfold((receiver, left), |(mut receiver, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = receiver.recv().await.unwrap_or_else(|| {
            Err(BlobError::CutOff {
                source: "the reader stood still".into(),
            })
        });
        let left = piece.as_ref().map_or(0, |piece| left - piece.len() as u64);
        Some((piece, (receiver, left)))
    })
}
