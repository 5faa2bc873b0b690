//! A prover that listens, of generation B, and has its proofs already.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use hierophant_miden_api::proto::b::{
    Proof, ProofRequest, WorkerStatus,
    api_server::{Api, ApiServer},
    worker_status_api_server::{WorkerStatusApi, WorkerStatusApiServer},
};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use super::{
    network::KIND,
    stub::{Proofs, Seen},
};
use crate::worker::nanoseconds;

/// What it says of itself: a version of its line.
const VERSION: &str = "0.15.2";

/// It. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    /// Host and port.
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Listening {
    /// Listens on a free port.
    pub(crate) async fn start(proofs: Proofs) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        let seen = Arc::default();
        let served = Served {
            proofs,
            seen: Arc::clone(&seen),
        };
        let server = Server::builder()
            .add_service(health)
            .add_service(ApiServer::new(served.clone()))
            .add_service(WorkerStatusApiServer::new(served))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        Ok(Self {
            address,
            seen,
            server: tokio::spawn(server),
        })
    }

    /// Stops it; what it did, in order.
    pub(crate) fn finish(self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone, Debug)]
struct Served {
    proofs: Proofs,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[tonic::async_trait]
impl Api for Served {
    async fn prove(&self, request: Request<ProofRequest>) -> Result<Response<Proof>, Status> {
        let came = nanoseconds();
        // The coordinator says which request it is.
        let id = request.metadata().get("x-request-id").and_then(|id| id.to_str().ok());
        let id = id.unwrap_or_default().to_owned();
        let hash = Sha256::digest(&request.get_ref().payload);
        let (payload, takes) = self
            .proofs
            .of(&hash)
            .map_err(|error| Status::internal(error.to_string()))?;
        tokio::time::sleep(takes).await;
        let seen = Seen {
            request: id,
            came,
            answered: nanoseconds(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        Ok(Response::new(Proof { payload }))
    }
}

#[tonic::async_trait]
impl WorkerStatusApi for Served {
    async fn status(&self, _: Request<()>) -> Result<Response<WorkerStatus>, Status> {
        Ok(Response::new(WorkerStatus {
            version: VERSION.to_owned(),
            supported_proof_type: KIND.number(),
        }))
    }
}
