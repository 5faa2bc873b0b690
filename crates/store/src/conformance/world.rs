//! A store under test with a clock that the case turns, and the objects that cases are about.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hierophant_domain::{
    ArtifactId, BlobRef, Capability, Digest, Execution, Failure, FailureClass, Input, LeaseToken, Limits, Name,
    Outcome, Record, Request, RequestId, RequestState, Requester, Resources, RetryPolicy, TaskClass, TaskId, Timestamp,
    TraceContext, Visibility, WorkerId,
    attempt::{Delivery, Fence},
    job::{self, ExecutionVerdict, Verification},
    request::{Binding, ProgramRef, RequestEvent},
    time::Millis,
    worker::{StrikePolicy, WorkerProfile},
};
use uuid::Builder;

use super::{Backend, Settings, invariants};
use crate::{
    ArtifactRow, ClaimOrder, ExecutionWork, Leased, ManualClock, NewRequest, RequestFilter, Store, VerificationWork,
};

/// Where the clock stands at first.
const START: Timestamp = Timestamp(1_700_000_000_000);
/// How long leases and claims hold here.
pub(super) const HOLD: Millis = Millis(10_000);
/// How long after its acceptance a request's deadline is here.
pub(super) const DEADLINE: Millis = Millis(3_600_000);

/// A store under test.
pub struct World {
    backend: Box<dyn Backend>,
    /// What the store was opened with; changed before [`Self::reopen`].
    pub settings: Settings,
    /// The store's clock.
    pub clock: Arc<ManualClock>,
    store: Option<Arc<dyn Store>>,
    minted: AtomicU64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("settings", &self.settings)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// A worker's id by a small number.
pub fn worker_id(n: u8) -> WorkerId {
    WorkerId(Builder::from_random_bytes([n; 16]).into_uuid())
}

/// An idempotency key by a small number.
pub fn key(n: u64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

/// The class of the tasks here.
pub fn class() -> TaskClass {
    TaskClass {
        role: Name::literal("prove"),
        system: system(),
        kind: Name::literal("core"),
        labels: [].into(),
    }
}

/// The system of the requests here.
pub(super) fn system() -> Name {
    Name::literal("vm")
}

/// A requester by a name.
pub(super) fn requester(principal: &str) -> Requester {
    Requester {
        door: Name::literal("front"),
        principal: principal.as_bytes().to_vec(),
    }
}

/// A result that says `text`.
pub(super) fn delivery(text: &str) -> Delivery {
    let proof = (Name::literal("proof"), BlobRef::Inline(text.as_bytes().to_vec()));
    Delivery {
        outputs: vec![proof],
        record: record(u64::MAX),
    }
}

/// A record with `cycles`.
pub(super) fn record(cycles: u64) -> Record {
    Record {
        cycles: Some(cycles),
        public_values: Some(Digest([7; 32])),
        ..Record::default()
    }
}

/// A verification that went well.
pub(super) fn valid() -> Verification {
    Verification::Valid(Binding::ProofAlone, record(5))
}

/// A failure.
pub(super) fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "it broke")
}

impl World {
    /// A fresh one.
    pub async fn new(backend: Box<dyn Backend>) -> Self {
        let settings = Settings {
            max_live_requests: 1000,
            max_live_requests_per_requester: 1000,
            retry: RetryPolicy {
                max_attempts: 4,
                max_prover_failures: 2,
                same_worker_after: Millis(1000),
                only_worker_after: Millis(300),
            },
            strikes: StrikePolicy {
                max_strikes: 2,
                quarantine: Millis(60_000),
            },
        };
        let clock = Arc::new(ManualClock::at(START));
        let store = backend.open(settings, clock.clone()).await;
        Self {
            backend,
            settings,
            clock,
            store: Some(store),
            minted: AtomicU64::new(0),
        }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        self.store.as_deref().expect("it is open between two calls")
    }

    /// The store, to be shared with other tasks; all of them are to be over before [`Self::reopen`].
    pub fn shared_store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().expect("it is open between two calls"))
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        drop(self.store.take());
        self.store = Some(self.backend.open(self.settings, self.clock.clone()).await);
    }

    /// Closes the store, opens it again, and finds everything as it was.
    pub async fn reopen_and_compare(&mut self) {
        let before = invariants::Picture::take(self.store()).await;
        self.reopen().await;
        let after = invariants::Picture::take(self.store()).await;
        assert_eq!(before, after, "a store that is opened again says the same");
        after.check();
    }

    /// Turns the clock.
    pub fn advance(&self, millis: i64) {
        self.clock.advance(Millis(millis));
    }

    fn mint(&self) -> uuid::Uuid {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.minted.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let now = u64::try_from(self.store().now().0).expect("after 1970");
        Builder::from_unix_timestamp_millis(now, &random).into_uuid()
    }

    /// A fresh artifact id.
    pub fn artifact_id(&self) -> ArtifactId {
        ArtifactId(self.mint())
    }

    /// An artifact that may be uploaded.
    pub async fn announce(&self, visibility: Visibility) -> ArtifactId {
        let id = self.artifact_id();
        let (owner, role) = (Some(requester("ann")), Name::literal("input"));
        let row = ArtifactRow::announced(id, owner, role, visibility, self.store().now());
        self.store().create_artifact(row).await.expect("announced");
        id
    }

    /// An artifact that is whole.
    pub async fn upload(&self, visibility: Visibility) -> ArtifactId {
        let id = self.announce(visibility).await;
        assert!(
            self.store()
                .complete_artifact(id, 3, Digest([1; 32]))
                .await
                .expect("completes")
        );
        id
    }

    /// A request as `change` makes it, with its first task; not accepted yet.
    pub fn new_request(&self, change: impl FnOnce(&mut Request)) -> NewRequest {
        let now = self.store().now();
        let id = RequestId(self.mint());
        let mut request = Request {
            id,
            requester: requester("ann"),
            idempotency_key: id.as_bytes().to_vec(),
            system: system(),
            kind: Name::literal("core"),
            toolchain: Name::literal("v1"),
            program: None,
            inputs: vec![Input {
                name: Name::literal("stdin"),
                blob: BlobRef::Inline(vec![0, 255, 7]),
            }],
            limits: Limits {
                cycles: Some(u64::MAX),
                gas: None,
            },
            expected_public_values: Some(Digest([9; 32])),
            trust: None,
            private: false,
            priority: 0,
            accepted_at: now,
            requested_deadline: now.plus(DEADLINE),
            deadline: now.plus(DEADLINE),
            door_data: vec![1, 2, 0],
            trace: TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").ok(),
            state: RequestState::Open,
            execution: Execution::NotWanted,
            updated_at: now,
            ended_at: None,
            outcome: None,
            failure: None,
        };
        change(&mut request);
        let class = TaskClass {
            kind: request.kind.clone(),
            ..class()
        };
        let task = job::root_task(&request, TaskId(self.mint()), class);
        NewRequest { request, task }
    }

    /// Accepts a request as `change` makes it.
    pub async fn accept(&self, change: impl FnOnce(&mut Request)) -> RequestId {
        let accepted = self.store().accept(self.new_request(change)).await.expect("accepted");
        assert!(!accepted.existed);
        accepted.request
    }

    /// Accepts a plain request.
    pub async fn accept_one(&self) -> RequestId {
        self.accept(|_| {}).await
    }

    /// What a worker says of itself.
    pub fn profile(n: u8) -> WorkerProfile {
        WorkerProfile {
            id: worker_id(n),
            name: format!("worker {n}"),
            version: "1".to_owned(),
            address: format!("10.0.0.{n}:9"),
            capabilities: vec![Capability {
                role: class().role,
                system: system(),
                kind: class().kind,
                labels: [].into(),
                needs: Resources {
                    memory: u64::MAX,
                    shared_memory: 1,
                    devices: 0,
                },
            }],
            capacity: Resources {
                memory: u64::MAX,
                shared_memory: 1,
                devices: 1,
            },
            slots: 1,
            prefetch: 1,
            draining: false,
        }
    }

    /// Registers a worker.
    pub async fn worker(&self, n: u8) -> WorkerId {
        self.store()
            .register_worker(Self::profile(n))
            .await
            .expect("registered")
            .profile
            .id
    }

    /// A wish for up to `limit` tasks of [`class`].
    pub fn order(worker: WorkerId, limit: usize, reserve: bool) -> ClaimOrder {
        ClaimOrder {
            worker,
            classes: vec![class()],
            nobody_else_serves: Vec::new(),
            limit,
            reserve,
            hold: HOLD,
        }
    }

    /// Claims up to `limit` tasks.
    pub async fn claim(&self, worker: WorkerId, limit: usize) -> Vec<Leased> {
        self.store()
            .claim(Self::order(worker, limit, false))
            .await
            .expect("claims")
    }

    /// Claims the one task that there is.
    pub async fn claim_one(&self, worker: WorkerId) -> Leased {
        let mut claimed = self.claim(worker, 2).await;
        assert_eq!(claimed.len(), 1, "one task is ready");
        claimed.remove(0)
    }

    /// Reserves the one task that there is.
    pub async fn reserve_one(&self, worker: WorkerId) -> Leased {
        let mut claimed = self.store().claim(Self::order(worker, 2, true)).await.expect("claims");
        assert_eq!(claimed.len(), 1, "one task is ready");
        claimed.remove(0)
    }

    /// Delivers a result.
    pub async fn deliver(&self, token: LeaseToken) -> Fence {
        self.store().deliver(token, delivery("proof")).await.expect("delivers")
    }

    /// Reports a failure.
    pub async fn fail(&self, token: LeaseToken, class: FailureClass) -> Fence {
        self.store().fail(token, failure(class)).await.expect("fails")
    }

    /// Claims verifications.
    pub async fn verifications(&self) -> Vec<VerificationWork> {
        self.store()
            .claim_verifications(vec![system()], 10, HOLD)
            .await
            .expect("claims")
    }

    /// Claims the one verification that there is.
    pub async fn verification(&self) -> VerificationWork {
        let mut works = self.verifications().await;
        assert_eq!(works.len(), 1, "one result waits");
        works.remove(0)
    }

    /// Settles a verification.
    pub async fn settle(&self, work: &VerificationWork, verification: Verification) -> bool {
        let claim = work.claim();
        self.store()
            .settle_verification(claim, verification)
            .await
            .expect("settles")
    }

    /// Claims executions.
    pub async fn executions(&self) -> Vec<ExecutionWork> {
        self.store()
            .claim_executions(vec![system()], 10, HOLD)
            .await
            .expect("claims")
    }

    /// Claims the one execution that there is.
    pub async fn execution(&self) -> ExecutionWork {
        let mut works = self.executions().await;
        assert_eq!(works.len(), 1, "one execution is wanted");
        works.remove(0)
    }

    /// Settles an execution.
    pub async fn executed(&self, work: &ExecutionWork, verdict: ExecutionVerdict) -> bool {
        let claim = work.claim();
        self.store().settle_execution(claim, verdict).await.expect("settles")
    }

    /// Cancels a request.
    pub async fn cancel(&self, id: RequestId) -> bool {
        let failure = failure(FailureClass::Cancelled);
        self.store()
            .end_request(id, RequestEvent::Cancelled, failure)
            .await
            .expect("ends")
    }

    /// Takes a request that is accepted and ready to its fulfilled end, by `worker`.
    pub async fn fulfil(&self, worker: WorkerId) -> RequestId {
        let leased = self.claim_one(worker).await;
        assert_eq!(self.deliver(leased.attempt.token).await, Fence::Pass);
        let work = self.verification().await;
        assert!(self.settle(&work, valid()).await);
        leased.request.id
    }

    /// The request as it is.
    pub async fn request(&self, id: RequestId) -> Arc<Request> {
        self.store().request(id).await.expect("reads").expect("is there")
    }

    /// The request's state.
    pub async fn state(&self, id: RequestId) -> RequestState {
        self.store().status(id).await.expect("reads").expect("is there").state
    }

    /// How many tasks are ready.
    pub async fn ready(&self) -> usize {
        self.store()
            .ready()
            .await
            .expect("reads")
            .iter()
            .map(|class| class.count)
            .sum()
    }

    /// A fulfilled request's outcome.
    pub async fn outcome(&self, id: RequestId) -> Outcome {
        self.request(id).await.outcome.clone().expect("fulfilled")
    }

    /// Ids of all requests that match, newest first.
    pub async fn list(&self, filter: RequestFilter) -> Vec<RequestId> {
        let found = self.store().list_requests(filter).await.expect("lists");
        found.iter().map(|request| request.id).collect()
    }

    /// Gives a request a program that is uploaded.
    pub async fn program(&self) -> ProgramRef {
        ProgramRef {
            id: vec![4; 32],
            artifact: self.upload(Visibility::Signed).await,
        }
    }
}
