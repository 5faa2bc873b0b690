//! A core that remembers what it was told and says what a test wants, behind the real service on a real port.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part"
)]

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_core::{
    CoreError,
    ports::{AssignedInput, AssignedTask, Assignment, InputSource, Progress, Session, WorkerBeat, Workers},
};
use hierophant_domain::{
    BlobRef, Failure, LeaseToken, Limits, Millis, Name, RequestId, TaskClass, TaskId, WorkerId,
    attempt::{Delivery, Fence},
    worker::WorkerProfile,
};
use hierophant_testkit::CutableProxy;
use hierophant_worker_link::server::{LinkSettings, WorkerLinkService};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest wait for anything in a test.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// What the core was told.
#[derive(Clone, Debug)]
pub enum Call {
    Registered(Box<WorkerProfile>, Vec<LeaseToken>),
    Beat(Vec<WorkerBeat>),
    Progress(LeaseToken, Progress),
    Delivered(LeaseToken, Delivery),
    Failed(LeaseToken, Failure),
    Released(LeaseToken, String),
    Updated(Box<WorkerProfile>),
    Drained,
    Disconnected {
        session: u64,
        reason: String,
        good_bye: bool,
    },
}

/// The core.
#[derive(Debug, Default)]
pub struct Fake {
    calls: Mutex<Vec<Call>>,
    told: Notify,
    assignments: Mutex<Option<mpsc::Sender<Assignment>>>,
    sessions: AtomicU64,
    /// Results cannot be stored.
    pub down: AtomicBool,
    /// Leases that a registration does not get back.
    pub gone: Mutex<HashSet<LeaseToken>>,
    pub heartbeat_ms: AtomicU64,
}

impl Fake {
    pub fn new() -> Arc<Self> {
        let fake = Self::default();
        fake.heartbeat_ms.store(100, Ordering::Relaxed);
        Arc::new(fake)
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
        self.told.notify_waiters();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until `find` finds something among the calls.
    pub async fn wait_for<T>(&self, what: &str, find: impl Fn(&[Call]) -> Option<T>) -> T {
        let search = async {
            loop {
                let told = self.told.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if let Some(found) = find(&self.calls.lock().unwrap()) {
                    return found;
                }
                told.await;
            }
        };
        if let Ok(found) = tokio::time::timeout(PATIENCE, search).await {
            return found;
        }
        let calls = self.calls();
        let calls: Vec<_> = calls.iter().filter(|call| !matches!(call, Call::Beat(_))).collect();
        panic!("no {what} within {PATIENCE:?}; the core was told {calls:#?}")
    }

    pub async fn registration(&self, number: usize) -> (WorkerProfile, Vec<LeaseToken>) {
        self.wait_for(&format!("registration {number}"), |calls| {
            let mut registrations = calls.iter().filter_map(|call| match call {
                Call::Registered(profile, leases) => Some((profile.as_ref().clone(), leases.clone())),
                _ => None,
            });
            registrations.nth(number - 1)
        })
        .await
    }

    pub async fn delivery(&self, token: LeaseToken) -> Delivery {
        self.wait_for("delivery", |calls| {
            calls.iter().find_map(|call| match call {
                Call::Delivered(of, delivery) if *of == token => Some(delivery.clone()),
                _ => None,
            })
        })
        .await
    }

    pub async fn failure(&self, token: LeaseToken) -> Failure {
        self.wait_for("failure", |calls| {
            calls.iter().find_map(|call| match call {
                Call::Failed(of, failure) if *of == token => Some(failure.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Waits until the lease is beaten as running, or as reserved.
    pub async fn beaten(&self, token: LeaseToken, running: bool) {
        self.wait_for("heartbeat", |calls| {
            calls.iter().find_map(|call| match call {
                Call::Beat(beats) => beats
                    .iter()
                    .find(|beat| beat.token == token && beat.running == running)
                    .map(|_| ()),
                _ => None,
            })
        })
        .await;
    }

    pub async fn disconnection(&self, number: u64) -> (String, bool) {
        self.wait_for("disconnection", |calls| {
            calls.iter().find_map(|call| match call {
                Call::Disconnected {
                    session,
                    reason,
                    good_bye,
                } if *session == number => Some((reason.clone(), *good_bye)),
                _ => None,
            })
        })
        .await
    }

    /// Waits until the worker serves a kind.
    pub async fn serves(&self, kind: &str) {
        self.wait_for("capability", |calls| {
            let last = calls.iter().rev().find_map(|call| match call {
                Call::Registered(profile, _) | Call::Updated(profile) => Some(profile),
                _ => None,
            })?;
            last.capabilities
                .iter()
                .any(|capability| capability.kind.as_str() == kind)
                .then_some(())
        })
        .await;
    }

    pub fn sender(&self) -> mpsc::Sender<Assignment> {
        self.assignments
            .lock()
            .unwrap()
            .clone()
            .expect("a worker is registered")
    }

    pub async fn assign(&self, assignment: Assignment) {
        self.sender().send(assignment).await.expect("the session is there");
    }

    /// Leases a task of `mock/core` to the worker.
    pub async fn lease(&self, inputs: Vec<AssignedInput>) -> LeaseToken {
        let task = task(inputs);
        let token = task.token;
        self.assign(Assignment::Lease(Box::new(task))).await;
        token
    }
}

#[async_trait]
impl Workers for Fake {
    async fn register(&self, profile: WorkerProfile, held: Vec<LeaseToken>) -> Result<Session, CoreError> {
        let (sender, assignments) = mpsc::channel(64);
        let older = self.assignments.lock().unwrap().replace(sender);
        if let Some(older) = older {
            let _ = older.try_send(Assignment::Refuse("the worker registered anew".into(), true));
        }
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let leases = {
            let gone = self.gone.lock().unwrap();
            held.iter().copied().filter(|token| !gone.contains(token)).collect()
        };
        self.note(Call::Registered(Box::new(profile), held));
        let heartbeat = Millis(i64::try_from(self.heartbeat_ms.load(Ordering::Relaxed)).unwrap());
        Ok(Session {
            number,
            heartbeat,
            leases,
            assignments,
        })
    }

    async fn beat(&self, _: WorkerId, beats: Vec<WorkerBeat>) -> Result<Vec<(LeaseToken, Fence)>, CoreError> {
        let gone = self.gone.lock().unwrap().clone();
        let fence = |beat: &WorkerBeat| {
            (
                beat.token,
                if gone.contains(&beat.token) {
                    Fence::Gone
                } else {
                    Fence::Pass
                },
            )
        };
        let fences = beats.iter().map(fence).collect();
        self.note(Call::Beat(beats));
        Ok(fences)
    }

    fn progress(&self, _: WorkerId, token: LeaseToken, progress: Progress) {
        self.note(Call::Progress(token, progress));
    }

    async fn deliver(&self, _: WorkerId, token: LeaseToken, delivery: Delivery) -> Result<Fence, CoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(CoreError::Unavailable("the store is away; try again".into()));
        }
        let repeated = self
            .calls()
            .iter()
            .any(|call| matches!(call, Call::Delivered(of, _) if *of == token));
        self.note(Call::Delivered(token, delivery));
        Ok(if repeated { Fence::Repeated } else { Fence::Pass })
    }

    async fn fail(&self, _: WorkerId, token: LeaseToken, failure: Failure) -> Result<Fence, CoreError> {
        self.note(Call::Failed(token, failure));
        Ok(Fence::Pass)
    }

    async fn release(&self, _: WorkerId, token: LeaseToken, reason: String) -> Result<Fence, CoreError> {
        self.note(Call::Released(token, reason));
        Ok(Fence::Pass)
    }

    async fn read_input(&self, _: &InputSource, _: u64) -> Result<Bytes, CoreError> {
        unreachable!("workers on the link fetch for themselves")
    }

    async fn store_output(&self, _: LeaseToken, _: Bytes) -> Result<BlobRef, CoreError> {
        unreachable!("workers on the link upload for themselves")
    }

    async fn update(&self, profile: WorkerProfile) -> Result<(), CoreError> {
        self.note(Call::Updated(Box::new(profile)));
        Ok(())
    }

    async fn drain(&self, _: WorkerId) {
        self.note(Call::Drained);
    }

    async fn disconnected(&self, _: WorkerId, session: u64, reason: String, good_bye: bool) {
        self.note(Call::Disconnected {
            session,
            reason,
            good_bye,
        });
    }
}

/// An inline input.
pub fn inline(name: &'static str, bytes: impl Into<Vec<u8>>) -> AssignedInput {
    let bytes = bytes.into();
    AssignedInput {
        name: Name::literal(name),
        size: bytes.len() as u64,
        sha256: None,
        source: InputSource::Inline(bytes),
    }
}

/// A task of the system and kind that the mock prover serves by itself.
pub fn task(inputs: Vec<AssignedInput>) -> AssignedTask {
    AssignedTask {
        token: LeaseToken(Uuid::new_v4()),
        task: TaskId(Uuid::now_v7()),
        request: RequestId(Uuid::now_v7()),
        class: TaskClass {
            role: Name::literal("prove"),
            system: Name::literal("mock"),
            kind: Name::literal("core"),
            labels: BTreeMap::from([(Name::literal("toolchain"), Name::literal("v1"))]),
        },
        inputs,
        limits: Limits::default(),
        program_id: Vec::new(),
        time_left: Millis::from_secs(300),
        inline_bytes: 64 * 1024,
        guest_log_bytes: 64 * 1024,
        upload_url: "http://127.0.0.1:1/artifacts".into(),
        upload_token: "upload".into(),
        trace: None,
    }
}

/// The real service over a fake core.
#[derive(Debug)]
pub struct Coordinator {
    pub core: Arc<Fake>,
    pub address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Coordinator {
    pub async fn start(core: &Arc<Fake>, change: impl FnOnce(&mut LinkSettings)) -> Self {
        let mut settings = LinkSettings::new(None, "hierophant-test 1");
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let service = WorkerLinkService::new(Arc::clone(core) as Arc<dyn Workers>, settings, shutdown.clone());
        let stopped = shutdown.clone();
        let server = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service.into_server())
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped.cancelled_owned())
                .await
                .unwrap();
        });
        Self {
            core: Arc::clone(core),
            address,
            shutdown,
            server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops in order; must not be held up by open streams.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.server)
            .await
            .expect("streams hold the server up")
            .unwrap();
    }
}

/// Ends all connections of a proxy; new ones go to `target`.
pub fn cut(proxy: &CutableProxy, target: Option<SocketAddr>) {
    proxy.cut();
    proxy.retarget(target);
    proxy.mend();
}
