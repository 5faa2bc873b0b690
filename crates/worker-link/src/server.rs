//! The coordinator's end: a tonic service that adapts the core's port [`Workers`] to streams.
//!
//! Mount it with [`WorkerLinkService::into_server`] on a `tonic::transport::Server` (or its router) and cancel the token
//! given to [`WorkerLinkService::new`] *before* the server shuts down gracefully: open streams would hold that up.
//!
//! What must stay true: nobody gets as far as the core without the token, where one is configured; a connection that
//! does not register in time is cut; one stream holds at most [`REPORTS_IN_FLIGHT_MAX`] unanswered reports and
//! [`OUTBOUND_QUEUE`] unsent messages.

mod read;
mod session;
mod write;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use hierophant_config::types::Secret;
use hierophant_core::ports::Workers;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use crate::{
    MESSAGE_MAX_BYTES,
    proto::{
        FromWorker, ToWorker,
        worker_link_server::{WorkerLink, WorkerLinkServer},
    },
};

/// Reports of one worker that are with the core at once; more wait in the connection. It is what a group commit of the
/// store can take from one worker.
pub const REPORTS_IN_FLIGHT_MAX: usize = 256;
/// Messages queued for one worker. When it is full for [`LinkSettings::stall`], the worker is cut off.
pub const OUTBOUND_QUEUE: usize = 256;
/// Connections that have not registered yet.
pub const UNREGISTERED_MAX: usize = 256;

/// What the coordinator's end can be told.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// The token that workers must present; `None` takes anyone.
    pub token: Option<Secret>,
    /// Release of the coordinator, for the logs of workers.
    pub version: String,
    /// How long a connection may take to register.
    pub register_within: Duration,
    /// Silence after which a stream is cut; at least three of the core's heartbeats. Its worker keeps its leases for as long as the core says.
    pub silence: Duration,
    /// How long a worker may leave a full queue unread.
    pub stall: Duration,
}

impl LinkSettings {
    /// The usual times: 10 s to register, cut after 60 s of silence or 10 s of not reading.
    pub fn new(token: Option<Secret>, version: impl Into<String>) -> Self {
        Self {
            token,
            version: version.into(),
            register_within: Duration::from_secs(10),
            silence: Duration::from_mins(1),
            stall: Duration::from_secs(10),
        }
    }
}

/// The service. One per coordinator.
#[derive(Debug)]
pub struct WorkerLinkService {
    workers: Arc<dyn Workers>,
    settings: Arc<LinkSettings>,
    shutdown: CancellationToken,
    unregistered: Arc<Semaphore>,
}

impl WorkerLinkService {
    /// A service over `workers`. When `shutdown` is cancelled every stream ends with a reason that asks the worker to
    /// come back.
    pub fn new(workers: Arc<dyn Workers>, settings: LinkSettings, shutdown: CancellationToken) -> Self {
        Self {
            workers,
            settings: Arc::new(settings),
            shutdown,
            unregistered: Arc::new(Semaphore::new(UNREGISTERED_MAX)),
        }
    }

    /// The service with its message limits, to be added to a server.
    pub fn into_server(self) -> WorkerLinkServer<Self> {
        WorkerLinkServer::new(self)
            .max_decoding_message_size(MESSAGE_MAX_BYTES)
            .max_encoding_message_size(MESSAGE_MAX_BYTES)
    }

    fn authorize(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let Some(wanted) = &self.settings.token else {
            return Ok(());
        };
        let given = metadata.get("authorization").and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            // Comparing secrets takes the same time wherever they differ.
            Some(given) if Secret::new(given) == *wanted => Ok(()),
            Some(_) => Err(Status::unauthenticated(
                "the worker's token is not the coordinator's: set `token` of the worker to the coordinator's `worker_token`",
            )),
            None => Err(Status::unauthenticated(
                "this coordinator asks workers for a token: set `token` of the worker to the coordinator's `worker_token`",
            )),
        }
    }
}

#[tonic::async_trait]
impl WorkerLink for WorkerLinkService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<ToWorker, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<FromWorker>>) -> Result<Response<Self::OpenStream>, Status> {
        let address = request
            .remote_addr()
            .map_or_else(String::new, |address| address.to_string());
        self.authorize(request.metadata()).inspect_err(|refusal| {
            tracing::warn!(worker.address = %address, "refused a worker: {}", refusal.message());
        })?;
        let entering = Arc::clone(&self.unregistered).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted("too many workers are registering at once: come back in a few seconds")
        })?;
        // When it is full the session waits, for as long as a stall may take, and then ends.
        let (outbound, messages) = mpsc::channel(OUTBOUND_QUEUE);
        let door = session::Door {
            workers: Arc::clone(&self.workers),
            settings: Arc::clone(&self.settings),
            shutdown: self.shutdown.clone(),
            address,
            outbound,
        };
        tokio::spawn(door.serve(request.into_inner(), entering));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}
