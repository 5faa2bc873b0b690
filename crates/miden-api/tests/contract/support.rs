//! A listener on a free loopback port, over a stub that proves nothing.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use hierophant_miden_api::{
    HealthHandle, Kind, Line, ProveCall, Proving, Refusal, ServerSettings, WorkerStatus,
    proto::{
        b::{ProofRequest, api_client::ApiClient},
        c::{ProveRequest, prove_request, prover_service_client::ProverServiceClient},
    },
    server,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, ToSocketAddrs},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint, server::TcpConnectInfo};
use tower::ServiceExt as _;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the stub does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers "proof of KIND: WITNESS".
    Prove,
    /// Refuses.
    Refuse(Refusal),
    /// Never answers.
    Hang,
}

#[derive(Debug)]
pub(crate) struct Stub {
    behaviour: Behaviour,
    workers: Vec<WorkerStatus>,
    running: watch::Sender<usize>,
    seen: Mutex<Vec<ProveCall>>,
    turned_away: Mutex<Vec<(Refusal, bool)>>,
}

impl Stub {
    pub(crate) fn new(behaviour: Behaviour) -> Arc<Self> {
        Self::with_workers(behaviour, Vec::new())
    }

    pub(crate) fn with_workers(behaviour: Behaviour, workers: Vec<WorkerStatus>) -> Arc<Self> {
        Arc::new(Self {
            behaviour,
            workers,
            running: watch::Sender::new(0),
            seen: Mutex::default(),
            turned_away: Mutex::default(),
        })
    }

    /// Every call that arrived.
    pub(crate) fn seen(&self) -> Vec<ProveCall> {
        self.seen.lock().unwrap().clone()
    }

    /// Every call that was refused before, and whether an excess began with it.
    pub(crate) fn turned_away(&self) -> Vec<(Refusal, bool)> {
        self.turned_away.lock().unwrap().clone()
    }

    /// Waits until so many calls run.
    pub(crate) async fn until_running(&self, count: usize) {
        let mut running = self.running.subscribe();
        tokio::time::timeout(PATIENCE, running.wait_for(|now| *now == count))
            .await
            .unwrap_or_else(|_| panic!("{count} calls were expected to run, and {:?} do", self.running.borrow()))
            .unwrap();
    }
}

/// Counts a call while it lives.
struct Running<'a>(&'a Stub);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

#[async_trait]
impl Proving for Stub {
    async fn prove(&self, call: ProveCall) -> Result<Bytes, Refusal> {
        self.seen.lock().unwrap().push(call.clone());
        self.running.send_modify(|running| *running += 1);
        let _running = Running(self);
        match &self.behaviour {
            Behaviour::Prove => Ok(proof_of(call.kind, &call.witness)),
            Behaviour::Refuse(refusal) => Err(refusal.clone()),
            Behaviour::Hang => std::future::pending().await,
        }
    }

    fn turned_away(&self, refusal: &Refusal, is_first: bool) {
        self.turned_away.lock().unwrap().push((refusal.clone(), is_first));
    }

    async fn workers(&self, _: Line) -> Vec<WorkerStatus> {
        self.workers.clone()
    }
}

pub(crate) fn proof_of(kind: Kind, witness: &[u8]) -> Bytes {
    [format!("proof of {kind}: ").as_bytes(), witness].concat().into()
}

/// A listener; it ends when this is dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) health: HealthHandle,
    _stop: DropGuard,
}

impl Listener {
    pub(crate) async fn start(stub: &Arc<Stub>, settings: ServerSettings) -> Self {
        let proving: Arc<dyn Proving> = Arc::<Stub>::clone(stub);
        let server = server(proving, settings).unwrap();
        let health = server.health();
        let (address, stop) = serve(server.into_router()).await;
        Self {
            address,
            health,
            _stop: stop,
        }
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn b(&self) -> ApiClient<Channel> {
        ApiClient::new(self.channel().await)
    }

    pub(crate) async fn c(&self) -> ProverServiceClient<Channel> {
        ProverServiceClient::new(self.channel().await)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Serves a router as the coordinator does.
pub(crate) async fn serve(router: axum::Router) -> (SocketAddr, DropGuard) {
    serve_on("127.0.0.1:0", router).await
}

pub(crate) async fn serve_on(address: impl ToSocketAddrs, router: axum::Router) -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let info = TcpConnectInfo {
                local_addr: None,
                remote_addr: Some(peer),
            };
            let service = router
                .clone()
                .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(info.clone());
                    request
                });
            let stop = stop.clone();
            tokio::spawn(stop.run_until_cancelled_owned(async move {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http2().max_concurrent_streams(4096);
                // How a connection ends is the client's business.
                let _ = builder
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            }));
        }
    }));
    (address, guard)
}

pub(crate) fn settings() -> ServerSettings {
    ServerSettings::new("0.1.0")
}

pub(crate) fn b_request(kind: i32, payload: impl Into<Bytes>) -> ProofRequest {
    ProofRequest {
        proof_type: kind,
        payload: payload.into(),
    }
}

pub(crate) fn c_request(witness: impl Into<Bytes>) -> ProveRequest {
    ProveRequest {
        request: Some(prove_request::Request::Transaction(witness.into())),
    }
}

/// A gRPC message with its five bytes in front.
pub(crate) fn frame(message: &impl prost::Message) -> Bytes {
    let body = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(body.len()).unwrap());
    frame.put_slice(&body);
    frame.freeze()
}
