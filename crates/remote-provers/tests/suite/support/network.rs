//! A coordinator's core over a real store and real blobs in a temporary folder, with its remote provers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hierophant_artifacts::{BlobSettings, BlobStore};
use hierophant_core::{
    Core, CoreSettings,
    ports::{
        CheckError, CheckInput, CheckSource, Checker, Clients as _, ExecuteJob, ExecutionReport, Identity, Operators,
        Submission, VerifyJob, VerifyReport, WorkerView,
    },
};
use hierophant_domain::{
    BlobRef, Name, ProgramFault, Record, Request, RequestId, RequestState, Requester, RetryPolicy, System,
    TraceContext, WorkerId,
    request::{Input, Limits},
    time::Millis,
};
use hierophant_miden_api::{Health, Line};
use hierophant_remote_provers::{Address, Attached, Options, RemoteProverSettings, RemoteProvers, View};
use hierophant_store::{
    Store, SystemClock,
    sqlite::{SqliteOptions, SqliteStore},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::eventually;

/// The trace of every request.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The proof of a witness, in this suite.
pub(crate) fn proof_of(witness: &[u8]) -> Vec<u8> {
    [b"proof of ", witness].concat()
}

/// Times that do not keep tests waiting.
fn quick() -> RemoteProverSettings {
    RemoteProverSettings {
        health_interval: Duration::from_millis(50),
        connect_timeout: Duration::from_secs(10),
        proof_timeout: Duration::from_secs(20),
        back_off: Duration::from_millis(20),
        busy_pause: Duration::from_millis(50),
    }
}

/// See the module.
pub(crate) struct Network {
    pub(crate) looker: Arc<Looker>,
    pub(crate) settings: RemoteProverSettings,
    pub(crate) configured: Vec<(Address, Options)>,
    options: SqliteOptions,
    dir: TempDir,
    live: Option<Live>,
    next_key: AtomicU64,
}

struct Live {
    core: Core,
    provers: RemoteProvers,
    ended: JoinHandle<()>,
    stop: CancellationToken,
    duties: TaskTracker,
}

impl Network {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Self)) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let mut options = SqliteOptions::new(dir.path().join("state.sqlite"));
        options.retry = RetryPolicy {
            max_attempts: 4,
            only_worker_after: Millis(20),
            ..RetryPolicy::default()
        };
        let mut network = Self {
            looker: Arc::default(),
            settings: quick(),
            configured: Vec::new(),
            options,
            dir,
            live: None,
            next_key: AtomicU64::new(0),
        };
        change(&mut network);
        network.open().await;
        network
    }

    async fn open(&mut self) {
        let open = || async {
            let options = self.options.clone();
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options, Arc::new(SystemClock)));
            opened.await.expect("opening does not panic")
        };
        let store: Arc<dyn Store> = Arc::new(eventually("the database is free", open).await);
        let settings = BlobSettings {
            root: self.dir.path().join("artifacts"),
            min_free_bytes: 0,
        };
        let blobs = eventually("the blobs' folder is free", || BlobStore::open(settings.clone())).await;
        let core_settings = CoreSettings {
            heartbeat: Millis(200),
            ..CoreSettings::default()
        };
        let core = Core::new(Arc::clone(&store), blobs, self.looker.clone(), core_settings)
            .await
            .expect("the store gives secrets");
        let stop = CancellationToken::new();
        let duties = core.start(&stop);
        let workers = Arc::new(core.clone());
        let started = RemoteProvers::start(workers, store, self.settings, self.configured.clone(), stop.clone());
        let (provers, ended) = started.await.expect("the store reads");
        self.live = Some(Live {
            core,
            provers,
            ended,
            stop,
            duties,
        });
    }

    /// Stops the coordinator and starts another one over the same files.
    pub(crate) async fn restart(&mut self) {
        let live = self.live.take().expect("it lives");
        live.stop.cancel();
        live.ended.await.expect("the provers end well");
        live.duties.wait().await;
        drop((live.core, live.provers));
        self.open().await;
    }

    pub(crate) fn core(&self) -> &Core {
        &self.live.as_ref().expect("it lives").core
    }

    pub(crate) fn provers(&self) -> &RemoteProvers {
        &self.live.as_ref().expect("it lives").provers
    }

    pub(crate) async fn attach(&self, address: Address) {
        self.attach_with(address, Options::default()).await;
    }

    pub(crate) async fn attach_with(&self, address: Address, options: Options) {
        let attached = self.provers().add(address, options).await;
        assert_eq!(attached, Ok(Attached::New));
    }

    /// Attaches it and waits until it gets work.
    pub(crate) async fn attach_healthy(&self, address: Address) {
        self.attach(address.clone()).await;
        self.becomes(&address, Health::Healthy).await;
    }

    pub(crate) async fn view(&self, address: &Address) -> Option<View> {
        let views = self.provers().list().await.expect("it lives");
        views.into_iter().find(|view| view.address == *address)
    }

    pub(crate) async fn becomes(&self, address: &Address, health: Health) -> View {
        eventually(&format!("{address} is {health:?}"), || async {
            match self.view(address).await {
                Some(view) if view.health == health => Ok(view),
                other => Err(other),
            }
        })
        .await
    }

    /// Waits until nothing is known of a prover.
    pub(crate) async fn forgets(&self, address: &Address) {
        eventually(&format!("{address} is forgotten"), || async {
            self.view(address).await.map_or(Ok(()), Err)
        })
        .await;
    }

    /// The worker as operators see it among all.
    pub(crate) async fn worker(&self, worker: WorkerId) -> Option<WorkerView> {
        let views = self.core().workers(false, 0, 100).await.expect("the store reads");
        views.into_iter().find(|view| view.row.profile.id == worker)
    }

    /// Asks for the proof of a transaction.
    pub(crate) async fn ask(&self, witness: &str) -> RequestId {
        self.ask_for(witness, "transaction").await
    }

    pub(crate) async fn ask_for(&self, witness: &str, kind: &'static str) -> RequestId {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let core = self.core();
        let submission = Submission {
            requester: alice(),
            idempotency_key: key.to_be_bytes().to_vec(),
            system: Name::literal(Line::V0_15.system()),
            kind: Name::literal(kind),
            toolchain: Name::literal("0.15"),
            program: None,
            inputs: vec![Input {
                name: Name::literal("witness"),
                blob: BlobRef::Inline(witness.into()),
            }],
            limits: Limits::default(),
            expected_public_values: None,
            private: true,
            execute: true,
            priority: 0,
            deadline: hierophant_core::ports::Clients::now(core).plus(Millis::from_secs(3600)),
            door_data: Vec::new(),
            trace: TraceContext::parse(TRACE).ok(),
        };
        core.submit(submission).await.expect("accepted").request
    }

    pub(crate) async fn cancel(&self, id: RequestId) {
        assert!(self.core().cancel(id, alice()).await.expect("the store writes"));
    }

    async fn request(&self, id: RequestId) -> Arc<Request> {
        let found = hierophant_core::ports::Clients::request(self.core(), id).await;
        found.expect("the store reads").expect("it was accepted")
    }

    pub(crate) async fn ends(&self, id: RequestId, state: RequestState) -> Arc<Request> {
        eventually(&format!("the request ends as {state:?}"), || async {
            let request = self.request(id).await;
            if request.state == state {
                Ok(request)
            } else {
                let attempts = Operators::attempts(self.core(), id).await.expect("the store reads");
                Err((request.state, request.failure.clone(), attempts))
            }
        })
        .await
    }

    /// Waits until the proof of a witness is the request's, and says who proved it.
    pub(crate) async fn proved(&self, id: RequestId, witness: &str) -> WorkerId {
        let request = self.ends(id, RequestState::Fulfilled).await;
        let outcome = request.outcome.as_ref().expect("fulfilled with an outcome");
        let proof = outcome.artifacts.iter().find(|output| output.name.as_str() == "proof");
        let content = self.core().read_output(&proof.expect("a proof").blob, 1 << 20).await;
        assert_eq!(content.expect("it is here"), proof_of(witness.as_bytes()));
        let attempts = Operators::attempts(self.core(), id).await.expect("the store reads");
        attempts.last().expect("an attempt").worker
    }

    /// How often a request was tried.
    pub(crate) async fn attempts(&self, id: RequestId) -> Vec<hierophant_domain::Attempt> {
        Operators::attempts(self.core(), id).await.expect("the store reads")
    }
}

fn alice() -> Requester {
    Requester {
        door: Name::literal("door"),
        principal: b"alice".to_vec(),
    }
}

/// Checks of the suite's proofs and witnesses: one that begins with "bad" does not prove, one that begins with "garbage" cannot
/// be read.
#[derive(Debug, Default)]
pub(crate) struct Looker {
    pub(crate) executed: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Checker for Looker {
    fn systems(&self) -> Vec<System> {
        vec![Name::literal(Line::V0_15.system())]
    }

    async fn set_up(&self, _: &System, _: CheckInput) -> Result<Identity, CheckError> {
        Err(CheckError::Input("no programs here".to_owned()))
    }

    async fn execute(&self, job: ExecuteJob) -> Result<ExecutionReport, CheckError> {
        let witness = read(&job.inputs, "witness")?;
        self.executed.lock().expect("no panic while held").push(witness.clone());
        if witness.starts_with(b"garbage") {
            return Err(CheckError::Input("it cannot be read".to_owned()));
        }
        let fault = witness.starts_with(b"bad");
        Ok(ExecutionReport {
            fault: fault.then(|| (ProgramFault::AbnormalExit, "it does not prove".to_owned())),
            record: Record::default(),
            public_values_hashes: Vec::new(),
        })
    }

    async fn verify(&self, job: VerifyJob) -> Result<VerifyReport, CheckError> {
        let (proof, witness) = (read(&job.inputs, "proof")?, read(&job.inputs, "witness")?);
        if proof == proof_of(&witness) {
            Ok(VerifyReport::Valid(None))
        } else {
            Ok(VerifyReport::Invalid("it proves something else".to_owned()))
        }
    }
}

fn read(inputs: &[CheckInput], name: &str) -> Result<Vec<u8>, CheckError> {
    let input = inputs.iter().find(|input| input.name.as_str() == name);
    match &input.ok_or_else(|| CheckError::Input(format!("no {name}")))?.source {
        CheckSource::Inline(bytes) => Ok(bytes.clone()),
        CheckSource::File(path) => std::fs::read(path).map_err(|error| CheckError::Unavailable(error.to_string())),
    }
}
