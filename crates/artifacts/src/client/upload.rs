//! PUT, from the start on every try.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, stream};
use reqwest::{Body, Response, header};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::{Failure, Source, Stalled, TransferClient, TransferError, Tries, passing, success};
use crate::{
    blobs::Stored,
    files::{CHUNK_BYTES, FileReader, measure},
};
use hierophant_domain::Digest;

/// How much is handed to the connection at once, so that progress shows on slow lines too.
const PIECE_BYTES: usize = 64 * 1024;

/// See [`TransferClient::upload`].
pub(super) async fn upload(
    client: &TransferClient,
    url: &str,
    bearer: Option<&str>,
    source: Source,
) -> Result<Stored, TransferError> {
    let stored = measured(&source).await?;
    let mut tries = Tries::new(&client.retry);
    loop {
        match send(client, url, bearer, &source, stored).await {
            Ok(()) => return Ok(stored),
            // The server keeps nothing of a failed try: there is no progress.
            Err(failure) => tries.after(failure, 0).await?,
        }
    }
}

/// What will be sent; read once before, so that the server's answer can be compared with it.
async fn measured(source: &Source) -> Result<Stored, TransferError> {
    match source.clone() {
        Source::File(path) => {
            let opened = path.clone();
            let measured = spawn_blocking(move || measure(&File::open(opened)?)).await;
            let (size, sha256) = measured
                .map_err(io::Error::from)
                .flatten()
                .map_err(|source| TransferError::Io { path, source })?;
            Ok(Stored { size, sha256 })
        }
        Source::Bytes(bytes) if bytes.len() <= CHUNK_BYTES / 8 => Ok(measure_bytes(&bytes)),
        Source::Bytes(bytes) => Ok(spawn_blocking(move || measure_bytes(&bytes))
            .await
            .expect("hashing does not panic")),
    }
}

fn measure_bytes(bytes: &[u8]) -> Stored {
    Stored {
        size: bytes.len() as u64,
        sha256: Digest(Sha256::digest(bytes).into()),
    }
}

/// One try.
async fn send(
    client: &TransferClient,
    url: &str,
    bearer: Option<&str>,
    source: &Source,
    stored: Stored,
) -> Result<(), Failure> {
    let idle = client.retry.idle_timeout;
    let moved = Arc::new(AtomicU64::new(0));
    let body = match source {
        Source::Bytes(bytes) => Body::wrap_stream(pieces(Pieces::of(bytes.clone(), None, moved.clone()))),
        Source::File(path) => {
            let file = open(path).await.map_err(Failure::Final)?;
            let reader = FileReader::new(file, 0, stored.size);
            Body::wrap_stream(pieces(Pieces::of(Bytes::new(), Some(reader), moved.clone())))
        }
    };
    let mut request = client
        .http
        .put(url)
        .header(header::CONTENT_LENGTH, stored.size)
        .body(body);
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let response = watched(request.send(), &moved, idle).await?;
    let response = success(response, idle).await?;
    let etag = response.headers().get(header::ETAG);
    let wanted = format!("\"{}\"", hex::encode(stored.sha256.0));
    if etag.is_some_and(|etag| etag.as_bytes() != wanted.as_bytes()) {
        return Err(Failure::Damaged);
    }
    Ok(())
}

async fn open(path: &Path) -> Result<File, TransferError> {
    let opened = path.to_owned();
    let file = spawn_blocking(move || File::open(opened))
        .await
        .map_err(io::Error::from)
        .flatten();
    file.map_err(|source| TransferError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Gives a request up when the connection took nothing more for `idle`.
async fn watched(
    request: impl Future<Output = Result<Response, reqwest::Error>>,
    moved: &AtomicU64,
    idle: Duration,
) -> Result<Response, Failure> {
    let mut request = std::pin::pin!(request);
    let mut seen = 0;
    loop {
        tokio::select! {
            response = &mut request => return response.map_err(passing),
            () = tokio::time::sleep(idle) => {
                let now = moved.load(Ordering::Relaxed);
                if now == seen {
                    return Err(Failure::Passing(Stalled.into()));
                }
                seen = now;
            }
        }
    }
}

/// A body in small pieces, counting what the connection took.
struct Pieces {
    chunk: Bytes,
    reader: Option<FileReader>,
    moved: Arc<AtomicU64>,
}

impl Pieces {
    fn of(chunk: Bytes, reader: Option<FileReader>, moved: Arc<AtomicU64>) -> Self {
        Self { chunk, reader, moved }
    }
}

fn pieces(start: Pieces) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(start, |mut state| async move {
        if state.chunk.is_empty()
            && let Some(reader) = &mut state.reader
        {
            state.chunk = reader.next().await?.unwrap_or_default();
        }
        if state.chunk.is_empty() {
            return Ok(None);
        }
        let piece = state.chunk.split_to(state.chunk.len().min(PIECE_BYTES));
        state.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(Some((piece, state)))
    })
}
