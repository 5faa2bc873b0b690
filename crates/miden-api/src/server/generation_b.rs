//! Generation B: package `remote_prover`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::desk::Desk;
use crate::{
    WorkerStatus,
    proto::b::{
        self, Proof, ProofRequest, api_server::Api, proxy_status_api_server::ProxyStatusApi,
        worker_status_api_server::WorkerStatusApi,
    },
};

/// All three services.
#[derive(Clone, Debug)]
pub(super) struct GenerationB(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Api for GenerationB {
    async fn prove(&self, request: Request<ProofRequest>) -> Result<Response<Proof>, Status> {
        let (_, extensions, message) = request.into_parts();
        let kind = self.0.kind(message.proof_type)?;
        let payload = self.0.prove(kind, message.payload, &extensions).await?;
        Ok(Response::new(Proof { payload }))
    }
}

#[tonic::async_trait]
impl WorkerStatusApi for GenerationB {
    async fn status(&self, _: Request<()>) -> Result<Response<b::WorkerStatus>, Status> {
        Ok(Response::new(b::WorkerStatus {
            version: self.0.version(),
            supported_proof_type: self.0.supported(),
        }))
    }
}

#[tonic::async_trait]
impl ProxyStatusApi for GenerationB {
    async fn status(&self, _: Request<()>) -> Result<Response<b::ProxyStatus>, Status> {
        Ok(Response::new(b::ProxyStatus {
            version: self.0.version(),
            supported_proof_type: self.0.supported(),
            workers: self.0.workers().await?.into_iter().map(Into::into).collect(),
        }))
    }
}

impl From<WorkerStatus> for b::ProxyWorkerStatus {
    fn from(worker: WorkerStatus) -> Self {
        Self {
            name: worker.name,
            version: worker.version,
            status: worker.health.number(),
        }
    }
}
