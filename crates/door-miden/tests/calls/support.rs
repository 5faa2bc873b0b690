//! A door over a real core, store and blobs in a temporary folder, a checker that reads witnesses as texts, and a worker that
//! proves when it is told to.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_artifacts::{BlobSettings, BlobStore};
use hierophant_core::{
    Core, CoreSettings,
    ports::{
        AssignedTask, Assignment, CheckError, CheckInput, CheckSource, Checker, Clients as _, ExecuteJob,
        ExecutionReport, Identity, Session, VerifyJob, VerifyReport, WorkerBeat, Workers as _,
    },
};
use hierophant_domain::{
    Capability, Digest, Failure, FailureClass, Name, ProgramFault, Record, Request, Resources, System, WorkerId,
    attempt::{Delivery, Fence},
    worker::WorkerProfile,
};
use hierophant_door_miden::{DOOR, Door, DoorSettings};
use hierophant_miden_api::{Caller, Kind, Line, ProveCall, Proving as _, Refusal};
use hierophant_store::{
    RequestFilter, SystemClock,
    sqlite::{SqliteOptions, SqliteStore},
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Longest wait for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const SYSTEM: &str = "miden-0.15";

/// A witness that cannot be decoded begins so, and one that does not prove so.
pub(crate) const GARBAGE: &str = "garbage";
pub(crate) const FAULTY: &str = "faulty";

pub(crate) struct Network {
    dir: TempDir,
    pub(crate) settings: DoorSettings,
    live: Option<Live>,
}

struct Live {
    core: Core,
    door: Door,
    stop: CancellationToken,
    duties: TaskTracker,
}

/// Limits that a test reaches only where it means to.
pub(crate) fn patient() -> DoorSettings {
    DoorSettings {
        queue: 100,
        queue_timeout: PATIENCE * 2,
        proof_timeout: PATIENCE * 2,
        grace: PATIENCE * 2,
    }
}

impl Network {
    pub(crate) async fn start(settings: DoorSettings) -> Self {
        let mut network = Self {
            dir: TempDir::new().unwrap(),
            settings,
            live: None,
        };
        network.open().await;
        network
    }

    pub(crate) async fn open(&mut self) {
        let options = SqliteOptions::new(self.dir.path().join("state.sqlite"));
        let store = eventually("the database is free", async || {
            let options = options.clone();
            let opened = tokio::task::spawn_blocking(|| SqliteStore::open(options, Arc::new(SystemClock)));
            opened.await.unwrap().ok()
        })
        .await;
        let blobs = eventually("the blobs' folder is free", async || {
            let root = self.dir.path().join("artifacts");
            BlobStore::open(BlobSettings {
                root,
                min_free_bytes: 0,
            })
            .await
            .ok()
        })
        .await;
        let core = Core::new(Arc::new(store), blobs, Arc::new(Reader), CoreSettings::default())
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let duties = core.start(&stop);
        let shared = Arc::new(core.clone());
        let door = Door::open(shared.clone(), shared, None, self.settings.clone(), stop.clone())
            .await
            .unwrap();
        self.live = Some(Live {
            core,
            door,
            stop,
            duties,
        });
    }

    /// An orderly stop: calls that are open are told.
    pub(crate) fn stop(&self) {
        self.live().stop.cancel();
    }

    /// Drops everything that is in memory.
    pub(crate) async fn close(&mut self) {
        let Live {
            core,
            door,
            stop,
            duties,
        } = self.live.take().expect("it lives");
        stop.cancel();
        drop((core, door));
        duties.wait().await;
    }

    fn live(&self) -> &Live {
        self.live.as_ref().expect("it lives")
    }

    pub(crate) fn core(&self) -> &Core {
        &self.live().core
    }

    /// What the door makes and keeps.
    pub(crate) fn in_hand(&self) -> usize {
        self.live().door.in_hand()
    }

    /// A call, as a task of its own: aborting it is what a caller's leaving is.
    pub(crate) fn call(&self, witness: &str) -> JoinHandle<Result<Bytes, Refusal>> {
        let (door, call) = (self.live().door.clone(), call(witness));
        tokio::spawn(async move { door.prove(call).await })
    }

    /// The door's requests, newest first.
    pub(crate) async fn requests(&self) -> Vec<Arc<Request>> {
        let filter = RequestFilter {
            door: Some(Name::literal(DOOR)),
            limit: 100,
            ..RequestFilter::default()
        };
        self.core().list(filter).await.unwrap()
    }

    /// Waits until the door's requests are as `wanted`.
    pub(crate) async fn until_requests<T>(&self, what: &str, wanted: impl Fn(&[Arc<Request>]) -> Option<T>) -> T {
        eventually(what, async || wanted(&self.requests().await)).await
    }

    /// Waits until a first request is accepted.
    pub(crate) async fn until_accepted(&self) {
        self.until_requests("it is accepted", |requests| (requests.len() == 1).then_some(()))
            .await;
    }

    /// Files among the stored blobs.
    pub(crate) fn blobs(&self) -> usize {
        let shards = std::fs::read_dir(self.dir.path().join("artifacts/blobs"))
            .into_iter()
            .flatten();
        shards
            .flatten()
            .map(|shard| std::fs::read_dir(shard.path()).into_iter().flatten().count())
            .sum()
    }
}

pub(crate) fn call(witness: &str) -> ProveCall {
    ProveCall {
        line: Line::V0_15,
        kind: Kind::Transaction,
        witness: Bytes::copy_from_slice(witness.as_bytes()),
        caller: Caller::default(),
    }
}

/// The proof of a witness.
pub(crate) fn proof(witness: &str) -> Bytes {
    format!("proof of {witness}").into_bytes().into()
}

/// Waits until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A worker of one slot.
pub(crate) struct Worker {
    core: Core,
    id: WorkerId,
    session: Session,
}

impl Worker {
    pub(crate) async fn join(network: &Network, number: u128) -> Self {
        let capability = Capability {
            role: Name::literal("prove"),
            system: Name::literal(SYSTEM),
            kind: Name::literal("transaction"),
            labels: [
                (Name::literal("toolchain"), Name::literal("0.15")),
                (Name::literal("proof"), Name::literal("real")),
            ]
            .into(),
            needs: Resources::default(),
        };
        let id = WorkerId(Uuid::from_u128(number));
        let profile = WorkerProfile {
            id,
            name: format!("worker-{number}"),
            version: "1.0.0".to_owned(),
            address: "127.0.0.1".to_owned(),
            capabilities: vec![capability],
            capacity: Resources::default(),
            slots: 1,
            prefetch: 0,
            draining: false,
        };
        let core = network.core().clone();
        let session = core.register(profile, Vec::new()).await.unwrap();
        Self { core, id, session }
    }

    /// The next assignment.
    pub(crate) async fn next(&mut self) -> Assignment {
        let next = tokio::time::timeout(PATIENCE, self.session.assignments.recv()).await;
        next.expect("an assignment comes").expect("it is not sent away")
    }

    /// The next lease; it is being worked on from now on.
    pub(crate) async fn lease(&mut self) -> AssignedTask {
        let Assignment::Lease(task) = self.next().await else {
            panic!("a lease was to come");
        };
        let beat = WorkerBeat {
            token: task.token,
            running: true,
        };
        self.core.beat(self.id, vec![beat]).await.unwrap();
        *task
    }

    /// Waits until a lease is revoked.
    pub(crate) async fn revoked(&mut self, task: &AssignedTask) {
        loop {
            if let Assignment::Revoke(token, _) = self.next().await
                && token == task.token
            {
                return;
            }
        }
    }

    /// Proves a lease.
    pub(crate) async fn prove(&self, task: &AssignedTask) -> Fence {
        let witness = self.core.read_input(&task.inputs[0].source, 1 << 20).await.unwrap();
        let made = proof(std::str::from_utf8(&witness).unwrap());
        let delivery = Delivery {
            outputs: vec![(
                Name::literal("proof"),
                self.core.store_output(task.token, made).await.unwrap(),
            )],
            record: Record::default(),
        };
        self.core.deliver(self.id, task.token, delivery).await.unwrap()
    }

    /// Says that a lease failed.
    pub(crate) async fn fail(&self, task: &AssignedTask, class: FailureClass) {
        self.core
            .fail(self.id, task.token, Failure::new(class, "so"))
            .await
            .unwrap();
    }
}

/// A light role that reads witnesses as texts.
#[derive(Debug)]
struct Reader;

fn text_of(inputs: &[CheckInput], name: &str) -> String {
    let input = inputs
        .iter()
        .find(|input| input.name.as_str() == name)
        .expect("the input is given");
    let bytes = match &input.source {
        CheckSource::Inline(bytes) => bytes.clone(),
        CheckSource::File(path) => std::fs::read(path).expect("it is readable"),
    };
    String::from_utf8(bytes).expect("a text")
}

fn digest(text: &str) -> Digest {
    Digest(Sha256::digest(text).into())
}

#[async_trait]
impl Checker for Reader {
    fn systems(&self) -> Vec<System> {
        vec![Name::literal(SYSTEM)]
    }

    async fn set_up(&self, _: &System, _: CheckInput) -> Result<Identity, CheckError> {
        Err(CheckError::Input("no programs".to_owned()))
    }

    async fn execute(&self, job: ExecuteJob) -> Result<ExecutionReport, CheckError> {
        assert_eq!(job.kind.as_str(), "transaction");
        let witness = text_of(&job.inputs, "witness");
        if witness.starts_with(GARBAGE) {
            return Err(CheckError::Input("it is no transaction".to_owned()));
        }
        let fault = witness
            .starts_with(FAULTY)
            .then(|| (ProgramFault::AbnormalExit, "the note's script fails".to_owned()));
        Ok(ExecutionReport {
            fault,
            record: Record {
                public_values: Some(digest(&witness)),
                ..Record::default()
            },
            public_values_hashes: Vec::new(),
        })
    }

    async fn verify(&self, job: VerifyJob) -> Result<VerifyReport, CheckError> {
        let (made, witness) = (text_of(&job.inputs, "proof"), text_of(&job.inputs, "witness"));
        assert_eq!(
            job.public_values,
            Some(digest(&witness)),
            "held against the trusted execution"
        );
        if made.as_bytes() == proof(&witness) {
            Ok(VerifyReport::Valid(job.public_values))
        } else {
            Ok(VerifyReport::Invalid("it is of another witness".to_owned()))
        }
    }
}
