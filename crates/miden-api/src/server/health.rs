//! `grpc.health.v1.Health`: one state for the whole listener, under the empty name and those of the services that prove.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

/// Sets a listener's health. Clones set the same.
#[derive(Clone, Debug)]
pub struct HealthHandle {
    serving: watch::Sender<bool>,
    names: Vec<&'static str>,
}

impl HealthHandle {
    pub(super) fn new(names: Vec<&'static str>) -> Self {
        Self {
            serving: watch::Sender::new(false),
            names,
        }
    }

    /// Says whether proofs are made: SERVING or NOT_SERVING. Whoever watches is told.
    pub fn serving(&self, serving: bool) {
        self.serving.send_replace(serving);
    }
}

/// The service.
#[derive(Debug)]
pub(super) struct Service(HealthHandle);

impl Service {
    pub(super) fn new(handle: &HealthHandle) -> Self {
        Self(handle.clone())
    }

    fn state(&self, request: &Request<HealthCheckRequest>) -> Result<watch::Receiver<bool>, Status> {
        let name = request.get_ref().service.as_str();
        if name.is_empty() || self.0.names.contains(&name) {
            Ok(self.0.serving.subscribe())
        } else {
            Err(Status::not_found("no service of this name is served here"))
        }
    }
}

fn answer(serving: bool) -> HealthCheckResponse {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let serving = *self.state(&request)?.borrow();
        Ok(Response::new(answer(serving)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let states = WatchStream::new(self.state(&request)?);
        Ok(Response::new(Box::pin(states.map(|serving| Ok(answer(serving))))))
    }
}
