//! A coordinator's core over a real store and real blobs in a temporary folder, by a clock that the case turns.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use hierophant_artifacts::{
    BlobSettings, BlobStore,
    http::{Credential, Gate as _},
};
use hierophant_core::{
    Core, CoreSettings,
    ports::{Clients as _, Operators as _, Registration, Submission, WorkerView},
};
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Name, Request, RequestId, RequestState, Requester, Timestamp, WorkerId,
    request::{Input, Limits, Outcome, ProgramRef},
    time::Millis,
};
use hierophant_store::{
    ManualClock, Store,
    sqlite::{SqliteOptions, SqliteStore},
};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    checker::{self, ScriptedChecker},
    wait::eventually,
};

/// When every case begins.
const START: Timestamp = Timestamp(1_800_000_000_000);

/// Someone who asks for proofs.
pub(crate) fn alice() -> Requester {
    Requester {
        door: Name::literal("door"),
        principal: b"alice".to_vec(),
    }
}

/// See the module's documentation.
pub(crate) struct Network {
    pub(crate) checker: Arc<ScriptedChecker>,
    pub(crate) settings: CoreSettings,
    pub(crate) options: SqliteOptions,
    clock: Arc<ManualClock>,
    dir: TempDir,
    live: Option<Live>,
    next_key: AtomicU64,
}

struct Live {
    core: Core,
    blobs: BlobStore,
    stop: CancellationToken,
    duties: TaskTracker,
}

impl Network {
    /// One that runs, with the defaults.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// One that runs, with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut CoreSettings, &mut SqliteOptions)) -> Self {
        let mut network = Self::prepare(change);
        network.open().await;
        network
    }

    /// One that does not run yet.
    pub(crate) fn prepare(change: impl FnOnce(&mut CoreSettings, &mut SqliteOptions)) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        // As short as it can be, for deadlines that a case chooses.
        let mut settings = CoreSettings {
            min_lifetime: Millis(1),
            ..CoreSettings::default()
        };
        let mut options = SqliteOptions::new(dir.path().join("state.sqlite"));
        change(&mut settings, &mut options);
        Self {
            checker: Arc::default(),
            settings,
            options,
            clock: Arc::new(ManualClock::at(START)),
            dir,
            live: None,
            next_key: AtomicU64::new(0),
        }
    }

    /// Opens store and blobs and starts the duties.
    pub(crate) async fn open(&mut self) {
        self.open_idle().await;
        let live = self.live.as_mut().expect("just opened");
        live.duties = live.core.start(&live.stop);
    }

    /// Opens store and blobs; no background duty runs.
    pub(crate) async fn open_idle(&mut self) {
        let store = self.open_store().await;
        let settings = BlobSettings {
            root: self.dir.path().join("artifacts"),
            min_free_bytes: 0,
        };
        let blobs = eventually("the blobs' folder is free", || BlobStore::open(settings.clone())).await;
        let checker = Arc::clone(&self.checker);
        let core = Core::new(store, blobs.clone(), checker, self.settings.clone())
            .await
            .expect("the store gives secrets");
        self.live = Some(Live {
            core,
            blobs,
            stop: CancellationToken::new(),
            duties: TaskTracker::new(),
        });
    }

    async fn open_store(&self) -> Arc<dyn Store> {
        // The store of before is closed when its last user lets go of it.
        let open = || async {
            let (options, clock) = (self.options.clone(), Arc::clone(&self.clock));
            tokio::task::spawn_blocking(move || SqliteStore::open(options, clock))
                .await
                .expect("opening does not panic")
        };
        Arc::new(eventually("the database is free", open).await)
    }

    /// Drops everything that the coordinator has in memory, wherever it is, and opens the same files again.
    pub(crate) async fn restart(&mut self) {
        self.die().await;
        self.open().await;
    }

    /// Drops everything that the coordinator has in memory, wherever it is.
    pub(crate) async fn die(&mut self) {
        let live = self.live.take().expect("it lives");
        live.stop.cancel();
        live.duties.close();
        live.duties.wait().await;
    }

    pub(crate) fn core(&self) -> &Core {
        &self.live.as_ref().expect("it lives").core
    }

    pub(crate) fn blobs(&self) -> &BlobStore {
        &self.live.as_ref().expect("it lives").blobs
    }

    pub(crate) fn advance(&self, by: Millis) {
        self.clock.advance(by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        hierophant_core::ports::Clients::now(self.core())
    }

    /// A request that nobody has made before.
    pub(crate) fn ask(&self) -> Ask<'_> {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let stdin = Input {
            name: Name::literal("stdin"),
            blob: BlobRef::Inline(b"seven".to_vec()),
        };
        let submission = Submission {
            requester: alice(),
            idempotency_key: key.to_be_bytes().to_vec(),
            system: checker::system(),
            kind: Name::literal("core"),
            toolchain: Name::literal("v1"),
            program: None,
            inputs: vec![stdin],
            limits: Limits::default(),
            expected_public_values: None,
            private: false,
            execute: false,
            priority: 0,
            deadline: self.now().plus(Millis::from_secs(10 * 3600)),
            door_data: Vec::new(),
            trace: None,
        };
        Ask {
            network: self,
            submission,
        }
    }

    /// Waits until time has been looked at since this call: leases that ran out are taken back, workers that fell silent
    /// are gone (one look later at the latest).
    pub(crate) async fn time_is_looked_at(&self) {
        for _ in 0..2 {
            let mut canary = self.ask().kind("canary");
            canary.submission.deadline = self.now().plus(Millis(1));
            let canary = canary.submit().await;
            self.advance(Millis(1));
            self.ends(canary, RequestState::Expired).await;
        }
    }

    /// Turns the clock on in small steps until `done`: for what is tried again after seconds of the store's time, and
    /// looked for every second of real time.
    pub(crate) async fn nudge_until(&self, what: &str, done: impl Fn() -> bool) {
        let mut steps = 0;
        while !done() {
            assert!(steps < 60, "{what}: not within {steps} s of the store's time");
            self.advance(Millis::from_secs(1));
            steps += 1;
            for _ in 0..100 {
                if done() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    }

    /// Makes a request with nothing special about it.
    pub(crate) async fn submit(&self) -> RequestId {
        self.ask().submit().await
    }

    pub(crate) async fn request(&self, id: RequestId) -> Arc<Request> {
        hierophant_core::ports::Clients::request(self.core(), id)
            .await
            .expect("the store reads")
            .expect("it was accepted")
    }

    pub(crate) async fn state(&self, id: RequestId) -> RequestState {
        self.core()
            .status(id)
            .await
            .expect("the store reads")
            .expect("it was accepted")
            .state
    }

    /// Why a request waits.
    pub(crate) async fn reason(&self, id: RequestId) -> Option<String> {
        hierophant_core::ports::Clients::waiting_reason(self.core(), id)
            .await
            .expect("the store reads")
    }

    /// Waits until a request has ended so.
    pub(crate) async fn ends(&self, id: RequestId, as_state: RequestState) -> Arc<Request> {
        eventually(&format!("the request ends as {as_state:?}"), || async {
            let request = self.request(id).await;
            if request.state == as_state {
                Ok(request)
            } else {
                Err((request.state, request.failure.clone()))
            }
        })
        .await
    }

    /// Waits until a request is fulfilled.
    pub(crate) async fn fulfilled(&self, id: RequestId) -> Outcome {
        self.ends(id, RequestState::Fulfilled)
            .await
            .outcome
            .clone()
            .expect("fulfilled with an outcome")
    }

    /// A worker as operators see it.
    pub(crate) async fn view(&self, worker: WorkerId) -> WorkerView {
        for gone in [false, true] {
            let views = self.core().workers(gone, 0, 100).await.expect("the store reads");
            if let Some(view) = views.into_iter().find(|view| view.row.profile.id == worker) {
                return view;
            }
        }
        panic!("no row of {worker}");
    }

    /// Waits until a worker has this many strikes.
    pub(crate) async fn strikes(&self, worker: WorkerId, strikes: u32) {
        eventually(&format!("{worker} has {strikes} strikes"), || async {
            let found = self.view(worker).await.row.standing.strikes;
            if found == strikes { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// Announces and uploads a blob of alice.
    pub(crate) async fn upload(&self, role: &'static str, private: bool, bytes: &'static [u8]) -> ArtifactId {
        let core = self.core();
        let created = core
            .create_artifact(alice(), Name::literal(role), private)
            .await
            .expect("announced");
        let credential = token_in(&created.put_url);
        core.may_put(created.id, &credential)
            .await
            .expect("it was announced to alice");
        self.put(created.id, &credential, bytes).await;
        created.id
    }

    /// Stores bytes as the artifact service does after it was permitted.
    pub(crate) async fn put(&self, id: ArtifactId, credential: &Credential, bytes: &'static [u8]) {
        let permit = self.core().may_put(id, credential).await.expect("permitted");
        let stored = self
            .blobs()
            .put_bytes(id, permit.durability, Bytes::from_static(bytes))
            .await
            .expect("stored");
        self.core()
            .stored(id, credential, stored)
            .await
            .expect("the store takes it");
    }

    /// Waits until a blob is gone, with its row.
    pub(crate) async fn collected(&self, blob: ArtifactId) {
        eventually("the blob is collected", || async {
            let (row, bytes) = (
                self.core().artifact(blob).await.expect("the store reads"),
                self.blobs().size(blob).await,
            );
            if row.is_none() && bytes.is_err() {
                Ok(())
            } else {
                Err((row, bytes.is_ok()))
            }
        })
        .await;
    }

    /// A registration of the program with these bytes, under its real id.
    pub(crate) async fn registration(&self, program: &'static [u8]) -> Registration {
        Registration {
            owner: alice(),
            system: checker::system(),
            toolchain: Name::literal("v1"),
            id: checker::program_id(program),
            vk: checker::program_vk(program),
            artifact: self.upload("program", false, program).await,
        }
    }
}

/// The token in a URL that carries its own credentials.
pub(crate) fn token_in(url: &str) -> Credential {
    let (_, token) = url.split_once("?token=").expect("the URL carries a token");
    Credential::Url(token.to_owned())
}

/// A request about to be made.
pub(crate) struct Ask<'a> {
    network: &'a Network,
    pub(crate) submission: Submission,
}

impl Ask<'_> {
    /// Run the program here too.
    pub(crate) fn executed(mut self) -> Self {
        self.submission.execute = true;
        self
    }

    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.submission.kind = Name::literal(kind);
        self
    }

    pub(crate) fn cycles(mut self, limit: u64) -> Self {
        self.submission.limits.cycles = Some(limit);
        self
    }

    pub(crate) fn expecting(mut self, public_values: Digest) -> Self {
        self.submission.expected_public_values = Some(public_values);
        self
    }

    pub(crate) fn program(mut self, id: Vec<u8>, artifact: ArtifactId) -> Self {
        self.submission.program = Some(ProgramRef { id, artifact });
        self
    }

    pub(crate) fn input(mut self, artifact: ArtifactId) -> Self {
        self.submission.inputs = vec![Input {
            name: Name::literal("stdin"),
            blob: BlobRef::Artifact(artifact),
        }];
        self
    }

    pub(crate) fn private(mut self) -> Self {
        self.submission.private = true;
        self
    }

    pub(crate) async fn submit(self) -> RequestId {
        let accepted = self.network.core().submit(self.submission).await.expect("accepted");
        assert!(!accepted.existed);
        accepted.request
    }
}
