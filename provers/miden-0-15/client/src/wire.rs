//! Calls of generation B that the published client does not make, and how a refusal is told.

use std::{error::Error, time::Duration};

use anyhow::Context as _;
use miden_kit::client::Refused;
use tonic::{Code, Status, transport::Channel};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, reason = "generated")]
mod generated {
    pub mod remote_prover {
        tonic::include_proto!("remote_prover");
    }
    pub mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}

pub(crate) use generated::{
    health::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient},
    remote_prover::{
        ProofRequest, ProofType, WorkerHealthStatus, api_client::ApiClient,
        proxy_status_api_client::ProxyStatusApiClient, worker_status_api_client::WorkerStatusApiClient,
    },
};

/// Longest that a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a connection on which a call may take `timeout`.
pub(crate) async fn connect(url: &str, timeout: Duration) -> anyhow::Result<Channel> {
    Channel::from_shared(url.to_owned())
        .with_context(|| format!("{url} is no address; give http://host:port"))?
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .with_context(|| format!("cannot connect to {url}"))
}

/// gRPC's name of a code, as its specification writes it.
pub(crate) fn code_name(code: Code) -> String {
    let name = match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    };
    name.to_owned()
}

/// A refusal in our words.
pub(crate) fn refused(status: &Status) -> Refused {
    Refused {
        code: code_name(status.code()),
        message: status.message().to_owned(),
    }
}

/// Finds the refusal in what the published client says of it.
pub(crate) fn find_refusal(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if let Some(status) = found.downcast_ref::<Status>() {
            return refused(status).into();
        }
        cause = found.source();
    }
    error.into()
}
