//! The other side of [`crate::http`], for workers: fetches and sends blobs through signed URLs, and repeats what may
//! go well the next time.
//!
//! What must stay true: a file at its destination is whole and has the size and SHA-256 that were expected; a download
//! that was cut off goes on where it stopped; tries are bounded, and counted anew only after real progress; the secrets
//! in URLs never reach an error text.

mod download;
mod upload;

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;
use hierophant_domain::Digest;
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use crate::blobs::{BoxError, Stored};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a refusal's text is kept, in bytes.
const REFUSAL_MAX_BYTES: usize = 1024;

/// Progress after which tries are counted anew, in bytes.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// How often and how fast a transfer is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries in a row without progress, the first included; at least 1.
    pub attempts: u32,
    /// Pause before the second try; doubled from try to try. Up to half of each pause is left out at random, so that
    /// workers do not come back together.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// How long the server may stand still before the try is given up.
    pub idle_timeout: Duration,
}

impl Default for Retry {
    /// 8 tries with pauses of 0.25 s to 10 s, 60 s of standing still: rides out a restart of the coordinator.
    fn default() -> Self {
        Self {
            attempts: 8,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

/// What a download must turn out to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Bytes, where known.
    pub size: Option<u64>,
    /// SHA-256, where known.
    pub sha256: Option<Digest>,
    /// Most bytes that are taken.
    pub limit_bytes: u64,
}

/// What an upload sends.
#[derive(Clone, Debug)]
pub enum Source {
    /// The content of this file, which must not change meanwhile.
    File(PathBuf),
    /// These bytes.
    Bytes(Bytes),
}

/// Why a transfer failed for good.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server said no, and would again.
    #[error("the server refused the transfer with status {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the server said to do.
        message: String,
    },
    /// The blob is larger than is taken.
    #[error("the artifact has more than the {limit} bytes that are accepted here")]
    TooLarge {
        /// Most bytes that are accepted.
        limit: u64,
    },
    /// What arrived is not what was expected or sent, twice.
    #[error("the artifact's size or SHA-256 is not the expected one: it was damaged, and must be made again")]
    Damaged,
    /// Every try failed.
    #[error("the transfer failed {attempts} times: check the network and the server")]
    GaveUp {
        /// Tries since the last progress.
        attempts: u32,
        /// Why the last one failed.
        source: BoxError,
    },
    /// The local file cannot be read or written.
    #[error("cannot read or write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Fetches and sends blobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TransferClient {
    http: reqwest::Client,
    retry: Retry,
}

/// What builds an HTTP client with the settings that transfers want: bounded time to connect, none for the whole transfer.
///
/// Sees to it that the process has a provider for TLS: the HTTP client brings none. One that was installed before stands.
pub fn http_builder() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT)
}

/// An HTTP client with those settings alone.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    http_builder().build()
}

/// How one try failed.
enum Failure {
    /// It would fail again.
    Final(TransferError),
    /// It may go well next time.
    Passing(BoxError),
    /// All bytes came, and are wrong. Once may be chance (another blob in between); twice is not.
    Damaged,
}

/// The server sent or took nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the server stood still")]
struct Stalled;

/// The server's answer asks for another try.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {0}: {1}")]
struct AskedToRepeat(StatusCode, String);

impl TransferClient {
    /// A client over an HTTP client, which brings its TLS and connection settings; see [`http_client`].
    pub fn new(http: reqwest::Client, retry: Retry) -> Self {
        Self { http, retry }
    }

    /// Fetches a blob into a file that appears at `destination` when it is whole and as expected, replacing what was
    /// there. It grows beside it, as `destination` with `.part` appended, which is removed on failure.
    pub async fn download(
        &self,
        url: &str,
        destination: &std::path::Path,
        expected: Expected,
    ) -> Result<Stored, TransferError> {
        download::download(self, url, destination, expected).await
    }

    /// Sends a blob, from its start on every try. Returns what the server has stored, which is what was sent.
    pub async fn upload(&self, url: &str, bearer: Option<&str>, source: Source) -> Result<Stored, TransferError> {
        upload::upload(self, url, bearer, source).await
    }
}

/// Counts tries and pauses between them.
struct Tries<'a> {
    retry: &'a Retry,
    failed: u32,
    damaged: bool,
    /// Most bytes that were ever received. Only more than that is progress, so that tries end whatever a server does.
    highest: u64,
}

impl<'a> Tries<'a> {
    fn new(retry: &'a Retry) -> Self {
        Self {
            retry,
            failed: 0,
            damaged: false,
            highest: 0,
        }
    }

    /// Waits for the next try, or says why there is none. `received` are the bytes that the next one need not move.
    async fn after(&mut self, failure: Failure, received: u64) -> Result<(), TransferError> {
        let source = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Damaged if self.damaged => return Err(TransferError::Damaged),
            Failure::Damaged => {
                self.damaged = true;
                return Ok(());
            }
            Failure::Passing(source) => source,
        };
        if received >= self.highest.saturating_add(PROGRESS_BYTES) {
            (self.failed, self.highest) = (0, received);
        }
        self.failed += 1;
        if self.failed >= self.retry.attempts {
            return Err(TransferError::GaveUp {
                attempts: self.failed,
                source,
            });
        }
        tracing::debug!(
            failed = self.failed,
            error = &*source as &dyn std::error::Error,
            "a transfer will be repeated"
        );
        let doubled = self.retry.first_pause.saturating_mul(1 << (self.failed - 1).min(16));
        tokio::time::sleep(
            doubled
                .min(self.retry.longest_pause)
                .mul_f64(rand::random_range(0.5..=1.0)),
        )
        .await;
        Ok(())
    }
}

/// A request's failure, without the URL: it holds the token.
fn passing(error: reqwest::Error) -> Failure {
    Failure::Passing(error.without_url().into())
}

/// Turns an answer that is no success into a failure.
async fn success(mut response: Response, idle: Duration) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let mut text = Vec::new();
    while text.len() < REFUSAL_MAX_BYTES {
        let Ok(Ok(Some(bytes))) = timeout(idle, response.chunk()).await else {
            break;
        };
        text.extend_from_slice(&bytes);
    }
    text.truncate(REFUSAL_MAX_BYTES);
    let message = String::from_utf8_lossy(&text).trim().to_owned();
    let passes = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    );
    if passes || status.is_server_error() {
        return Err(Failure::Passing(AskedToRepeat(status, message).into()));
    }
    Err(Failure::Final(TransferError::Refused {
        status: status.as_u16(),
        message,
    }))
}
