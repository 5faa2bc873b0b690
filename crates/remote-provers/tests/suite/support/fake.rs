//! A prover that listens, of generation B, and does as it is told. It has a runtime of its own, so that it can die as a process
//! does: all at once, with its connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use hierophant_miden_api::proto::b::{
    Proof, ProofRequest, WorkerStatus,
    api_server::{Api, ApiServer},
    worker_status_api_server::{WorkerStatusApi, WorkerStatusApiServer},
};
use hierophant_remote_provers::Address;
use tokio::{net::TcpListener, runtime::Runtime, sync::Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// What it does with a call to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prove {
    /// Proves.
    Well,
    /// Proves once [`Fake::let_go`] was called.
    WhenLetGo,
    /// Says that it is busy.
    Busy,
    /// Never answers.
    Hang,
    /// Breaks the stream off.
    BreakOff,
    /// Says that it cannot read the witness.
    Refuse,
    /// Says that proving failed.
    Fail,
    /// Answers with something that is no proof.
    Forge,
}

/// What it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// This version and this kind.
    It(&'static str, i32),
    /// Nothing, for ever.
    Nothing,
}

#[derive(Debug)]
struct Script {
    prove: Mutex<Prove>,
    says: Mutex<Says>,
    gate: Semaphore,
    calls: AtomicUsize,
    in_flight: AtomicUsize,
    /// `x-request-id` of the last call.
    request_id: Mutex<String>,
    trace: Mutex<String>,
}

/// See the module.
pub(crate) struct Fake {
    script: Arc<Script>,
    address: SocketAddr,
    runtime: Option<Runtime>,
    health: Option<tonic_health::server::HealthReporter>,
}

impl Fake {
    /// One that listens, serves transactions of 0.15 and does this with them.
    pub(crate) fn start(prove: Prove) -> Self {
        let mut fake = Self::not_yet();
        fake.does(prove);
        fake.listen();
        fake
    }

    /// One that does not listen yet.
    pub(crate) fn not_yet() -> Self {
        // The port is free again at once: nobody connected to it.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let script = Script {
            prove: Mutex::new(Prove::Well),
            says: Mutex::new(Says::It("0.15.2", 0)),
            gate: Semaphore::new(0),
            calls: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            request_id: Mutex::default(),
            trace: Mutex::default(),
        };
        Self {
            script: Arc::new(script),
            address: probe.local_addr().expect("bound"),
            runtime: None,
            health: None,
        }
    }

    /// Begins to listen.
    pub(crate) fn listen(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (reporter, health) = tonic_health::server::health_reporter();
        let (script, address) = (Served(Arc::clone(&self.script)), self.address);
        let guard = runtime.enter();
        let listener = std::net::TcpListener::bind(address).expect("its port is free");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        drop(guard);
        runtime.spawn(async move {
            let server = Server::builder()
                .add_service(health)
                .add_service(ApiServer::new(script.clone()))
                .add_service(WorkerStatusApiServer::new(script));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await
        });
        (self.runtime, self.health) = (Some(runtime), Some(reporter));
    }

    /// Dies as by SIGKILL.
    pub(crate) fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.address.to_string().parse().expect("an address")
    }

    pub(crate) fn does(&self, prove: Prove) {
        *self.script.prove.lock().expect("no panic while held") = prove;
    }

    pub(crate) fn says(&self, says: Says) {
        *self.script.says.lock().expect("no panic while held") = says;
    }

    /// Says by its health service whether it serves.
    pub(crate) async fn serves(&self, serves: bool) {
        let status = if serves {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        let reporter = self.health.as_ref().expect("it listens");
        reporter.set_service_status("", status).await;
    }

    /// Lets one call of [`Prove::WhenLetGo`] end.
    pub(crate) fn let_go(&self) {
        self.script.gate.add_permits(1);
    }

    /// Calls to prove that came.
    pub(crate) fn calls(&self) -> usize {
        self.script.calls.load(Ordering::SeqCst)
    }

    /// Calls to prove that are neither answered nor dropped.
    pub(crate) fn in_flight(&self) -> usize {
        self.script.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn trace(&self) -> String {
        self.script.trace.lock().expect("no panic while held").clone()
    }

    pub(crate) fn request_id(&self) -> String {
        self.script.request_id.lock().expect("no panic while held").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.die();
    }
}

#[derive(Clone)]
struct Served(Arc<Script>);

/// Counts a call for as long as it lives.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl Api for Served {
    async fn prove(&self, request: Request<ProofRequest>) -> Result<Response<Proof>, Status> {
        let script = &self.0;
        script.calls.fetch_add(1, Ordering::SeqCst);
        script.in_flight.fetch_add(1, Ordering::SeqCst);
        let _in_flight = InFlight(&script.in_flight);
        let told = |name: &str, slot: &Mutex<String>| {
            let value = request.metadata().get(name).and_then(|value| value.to_str().ok());
            value
                .unwrap_or_default()
                .clone_into(&mut slot.lock().expect("no panic while held"));
        };
        told("x-request-id", &script.request_id);
        told("traceparent", &script.trace);
        let step = *script.prove.lock().expect("no panic while held");
        match step {
            Prove::Well => {}
            Prove::WhenLetGo => script.gate.acquire().await.expect("never closed").forget(),
            Prove::Busy => return Err(Status::resource_exhausted("proof queue is full")),
            Prove::Hang => std::future::pending().await,
            Prove::BreakOff => panic!("told to break the stream off"),
            Prove::Refuse => return Err(Status::invalid_argument("failed to decode request: ")),
            Prove::Fail => return Err(Status::internal("failed to prove: out of luck")),
            Prove::Forge => {
                return Ok(Response::new(Proof {
                    payload: b"no proof".to_vec().into(),
                }));
            }
        }
        let proof = super::network::proof_of(&request.into_inner().payload);
        Ok(Response::new(Proof { payload: proof.into() }))
    }
}

#[tonic::async_trait]
impl WorkerStatusApi for Served {
    async fn status(&self, _: Request<()>) -> Result<Response<WorkerStatus>, Status> {
        let says = self.0.says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match says {
            Says::It(version, kind) => Ok(Response::new(WorkerStatus {
                version: version.to_owned(),
                supported_proof_type: kind,
            })),
            Says::Nothing => std::future::pending().await,
        }
    }
}
