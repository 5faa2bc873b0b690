//! Generation C: package `miden.remote_prover.v1`.

use std::sync::Arc;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use super::desk::Desk;
use crate::{
    Kind, WorkerStatus,
    proto::c::{
        self, ProveRequest, ProveResponse, ProxyStatusRequest, ProxyStatusResponse, WorkerStatusRequest,
        WorkerStatusResponse, prove_request, prove_response, prover_service_server::ProverService,
        proxy_status_service_server::ProxyStatusService, worker_status_service_server::WorkerStatusService,
    },
};

/// All three services.
#[derive(Clone, Debug)]
pub(super) struct GenerationC(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl ProverService for GenerationC {
    async fn prove(&self, request: Request<ProveRequest>) -> Result<Response<ProveResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let Some(asked) = message.request else {
            let served = self.0.served();
            return Err(Status::invalid_argument(format!("the request is empty: {served}")));
        };
        let (kind, witness) = split(asked);
        let kind = self.0.kind(kind.number())?;
        let proof = self.0.prove(kind, witness, &extensions).await?;
        Ok(Response::new(ProveResponse {
            proof: Some(join(kind, proof)),
        }))
    }
}

#[tonic::async_trait]
impl WorkerStatusService for GenerationC {
    async fn status(&self, _: Request<WorkerStatusRequest>) -> Result<Response<WorkerStatusResponse>, Status> {
        Ok(Response::new(WorkerStatusResponse {
            version: self.0.version(),
            supported_proof_type: self.0.supported(),
        }))
    }
}

#[tonic::async_trait]
impl ProxyStatusService for GenerationC {
    async fn status(&self, _: Request<ProxyStatusRequest>) -> Result<Response<ProxyStatusResponse>, Status> {
        Ok(Response::new(ProxyStatusResponse {
            version: self.0.version(),
            supported_proof_type: self.0.supported(),
            workers: self.0.workers().await?.into_iter().map(Into::into).collect(),
        }))
    }
}

fn split(request: prove_request::Request) -> (Kind, Bytes) {
    match request {
        prove_request::Request::Transaction(witness) => (Kind::Transaction, witness),
        prove_request::Request::Batch(witness) => (Kind::Batch, witness),
        prove_request::Request::Block(witness) => (Kind::Block, witness),
    }
}

fn join(kind: Kind, proof: Bytes) -> prove_response::Proof {
    match kind {
        Kind::Transaction => prove_response::Proof::Transaction(proof),
        Kind::Batch => prove_response::Proof::Batch(proof),
        Kind::Block => prove_response::Proof::Block(proof),
    }
}

impl From<WorkerStatus> for c::ProxyWorkerStatus {
    fn from(worker: WorkerStatus) -> Self {
        Self {
            name: worker.name,
            version: worker.version,
            status: worker.health.number(),
        }
    }
}
