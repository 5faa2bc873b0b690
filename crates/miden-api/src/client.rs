//! The caller's side, for those who hand work to provers that listen: upstream's workers of either generation, and ours.
//!
//! Owns one connection per worker, and what an answer means for whoever asked. Nothing a worker says is believed here beyond
//! its form: texts are cut and stripped of control characters, and a proof is not looked into.

mod error;

use std::time::Duration;

use bytes::Bytes;
use hierophant_domain::TraceContext;
use http::uri::{Authority, Uri};
use tonic::{
    Code, Request, Status,
    metadata::AsciiMetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

pub use error::{BadAddress, RemoteError};

use crate::{
    Generation, Kind,
    proto::{
        b::{self, api_client::ApiClient, worker_status_api_client::WorkerStatusApiClient},
        c::{
            self, prove_request, prove_response, prover_service_client::ProverServiceClient,
            worker_status_service_client::WorkerStatusServiceClient,
        },
    },
};

/// Largest proof that is taken from a worker, in bytes.
pub const ANSWER_BYTES: usize = 64 << 20;
/// Largest answer to a status or health call, in bytes.
const STATUS_BYTES: usize = 64 << 10;
/// Longest version that a worker may give itself, in bytes.
const VERSION_MAX: usize = 128;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A machine that is gone is noticed by TCP: first probe after, then between probes, and how many go unanswered.
const TCP_PROBE_AFTER: Duration = Duration::from_secs(30);
const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(10);
const TCP_PROBES: u32 = 3;
/// A process that hangs is noticed by HTTP/2 pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Upstream's 0.15 worker answers nothing at all while it proves, which its own timeout of 60 s does not bound.
const PING_TIMEOUT: Duration = Duration::from_mins(3);

/// A worker that listens. Clones share the connection, which is made when it is first needed, and again after it broke.
#[derive(Clone, Debug)]
pub struct RemoteWorker {
    channel: Channel,
    generation: Generation,
}

/// What a worker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its version, at most 128 bytes.
    pub version: String,
    /// What it proves.
    pub kind: Kind,
}

/// What goes with a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext<'a> {
    /// Sent as `x-request-id`.
    pub request_id: &'a str,
    /// Sent as `traceparent`.
    pub trace: Option<&'a TraceContext>,
}

impl RemoteWorker {
    /// Prepares for a worker at `address` ("host:port"). Connects to nothing yet. Needs a runtime.
    ///
    /// # Errors
    /// `address` is not of that form.
    pub fn connect_lazy(address: &str, generation: Generation) -> Result<Self, BadAddress> {
        let channel = Endpoint::from(uri(address)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(TCP_PROBE_AFTER))
            .tcp_keepalive_interval(Some(TCP_PROBE_INTERVAL))
            .tcp_keepalive_retries(Some(TCP_PROBES))
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .connect_lazy();
        Ok(Self { channel, generation })
    }

    /// Asks for version and kind. A worker of upstream's 0.15 line that proves may answer only when it is done.
    pub async fn status(&self, timeout: Duration) -> Result<WorkerInfo, RemoteError> {
        within(timeout, async {
            let (version, number) = match self.generation {
                Generation::B => {
                    let mut client =
                        WorkerStatusApiClient::new(self.channel.clone()).max_decoding_message_size(STATUS_BYTES);
                    let status = client.status(()).await?.into_inner();
                    (status.version, status.supported_proof_type)
                }
                Generation::C => {
                    let mut client =
                        WorkerStatusServiceClient::new(self.channel.clone()).max_decoding_message_size(STATUS_BYTES);
                    let status = client.status(c::WorkerStatusRequest {}).await?.into_inner();
                    (status.version, status.supported_proof_type)
                }
            };
            let kind = Kind::from_number(number).ok_or_else(|| {
                RemoteError::Other(format!("the worker says it proves kind {number}, which does not exist"))
            })?;
            Ok(WorkerInfo {
                version: error::text(&version, VERSION_MAX),
                kind,
            })
        })
        .await
    }

    /// Whether the worker says that it serves; where it has no health service, whether it tells its status.
    pub async fn healthy(&self, timeout: Duration) -> bool {
        let mut client = HealthClient::new(self.channel.clone()).max_decoding_message_size(STATUS_BYTES);
        let check = async {
            match client.check(HealthCheckRequest::default()).await {
                Ok(answer) => answer.into_inner().status() == ServingStatus::Serving,
                Err(refusal) if matches!(refusal.code(), Code::Unimplemented | Code::NotFound) => {
                    self.status(timeout).await.is_ok()
                }
                Err(_) => false,
            }
        };
        tokio::time::timeout(timeout, check).await.unwrap_or(false)
    }

    /// Has `witness` proved. The worker is told how long it may take; dropped, the call is cancelled.
    pub async fn prove(
        &self,
        kind: Kind,
        witness: Bytes,
        context: CallContext<'_>,
        timeout: Duration,
    ) -> Result<Bytes, RemoteError> {
        within(timeout, async {
            match self.generation {
                Generation::B => {
                    let message = b::ProofRequest {
                        proof_type: kind.number(),
                        payload: witness,
                    };
                    let mut client = ApiClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES);
                    let proof = client.prove(request(message, context, timeout)).await?;
                    Ok(proof.into_inner().payload)
                }
                Generation::C => {
                    let message = c::ProveRequest {
                        request: Some(question(kind, witness)),
                    };
                    let mut client =
                        ProverServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES);
                    let answer = client.prove(request(message, context, timeout)).await?;
                    proof(kind, answer.into_inner().proof)
                }
            }
        })
        .await
    }
}

/// The address as a URI.
fn uri(address: &str) -> Result<Uri, BadAddress> {
    let bad = || BadAddress(error::text(address, VERSION_MAX));
    let authority: Authority = address.parse().map_err(|_| bad())?;
    let port = authority.port_u16().filter(|port| *port != 0);
    if port.is_none() || authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(bad());
    }
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/");
    uri.build().map_err(|_| bad())
}

async fn within<T>(timeout: Duration, call: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    tokio::time::timeout(timeout, call)
        .await
        .unwrap_or_else(|_| Err(RemoteError::TimedOut(format!("no answer within {timeout:?}"))))
}

fn request<T>(message: T, context: CallContext<'_>, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    let values = [
        ("x-request-id", Some(context.request_id)),
        ("traceparent", context.trace.map(TraceContext::as_str)),
    ];
    for (name, value) in values {
        // An id that no header can carry is not worth a proof.
        if let Some(value) = value.and_then(|value| AsciiMetadataValue::try_from(value).ok()) {
            request.metadata_mut().insert(name, value);
        }
    }
    request
}

fn question(kind: Kind, witness: Bytes) -> prove_request::Request {
    match kind {
        Kind::Transaction => prove_request::Request::Transaction(witness),
        Kind::Batch => prove_request::Request::Batch(witness),
        Kind::Block => prove_request::Request::Block(witness),
    }
}

/// The proof of the kind that was asked for.
fn proof(kind: Kind, answer: Option<prove_response::Proof>) -> Result<Bytes, RemoteError> {
    match (kind, answer) {
        (Kind::Transaction, Some(prove_response::Proof::Transaction(proof)))
        | (Kind::Batch, Some(prove_response::Proof::Batch(proof)))
        | (Kind::Block, Some(prove_response::Proof::Block(proof))) => Ok(proof),
        (_, Some(_)) => Err(RemoteError::Failed(format!(
            "the worker answered with another kind than {kind}"
        ))),
        (_, None) => Err(RemoteError::Failed("the worker's answer is empty".to_owned())),
    }
}

impl From<Status> for RemoteError {
    fn from(status: Status) -> Self {
        error::classify(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for good in ["10.0.0.1:50051", "prover.example:1", "[::1]:65535", "localhost:50051"] {
            assert_eq!(uri(good).unwrap().authority().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "host",
            "host:",
            ":50051",
            "host:0",
            "host:65536",
            "http://host:1",
            "a@host:1",
            "host:1/x",
            "h st:1",
        ] {
            assert!(uri(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_proof_of_another_kind_is_no_answer() {
        let batch = || Some(prove_response::Proof::Batch(Bytes::from_static(b"proof")));
        assert_eq!(proof(Kind::Batch, batch()), Ok(Bytes::from_static(b"proof")));
        assert!(matches!(proof(Kind::Block, batch()), Err(RemoteError::Failed(_))));
        assert!(matches!(proof(Kind::Batch, None), Err(RemoteError::Failed(_))));
    }
}
