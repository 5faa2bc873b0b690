//! The core's port in memory: nothing is proved, states change when a test says so.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_core::{
    CoreError,
    ports::{Clients, CreatedArtifact, Following, Registration, Result, Stage, Submission},
};
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Door, Execution, Failure, FailureClass, Input, Name, Outcome, Record, Request,
    RequestId, RequestState, Requester, Timestamp, Visibility,
    request::{Binding, RequestEvent},
    time::Millis,
};
use hierophant_store::{Accepted, ArtifactRow, ArtifactState, PAGE_MAX, ProgramRow, RequestFilter, RequestStatus};
use uuid::Uuid;

/// The least time that this core gives a request.
pub(crate) const MIN_LIFETIME: Millis = Millis::from_secs(4 * 3600);

/// A core without store, workers or provers. Its clock stands still until a test moves it.
#[derive(Debug)]
pub(crate) struct FakeClients {
    state: Mutex<State>,
    next: AtomicU64,
    unavailable: AtomicBool,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    artifacts: HashMap<ArtifactId, ArtifactRow>,
    programs: HashMap<(Door, Vec<u8>), ProgramRow>,
    requests: Vec<Arc<Request>>,
    keys: HashMap<(Requester, Vec<u8>), RequestId>,
    submissions: u32,
}

impl Default for FakeClients {
    fn default() -> Self {
        let state = State {
            now: Timestamp(1_800_000_000_500),
            artifacts: HashMap::new(),
            programs: HashMap::new(),
            requests: Vec::new(),
            keys: HashMap::new(),
            submissions: 0,
        };
        Self {
            state: Mutex::new(state),
            next: AtomicU64::new(1),
            unavailable: AtomicBool::new(false),
        }
    }
}

impl FakeClients {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }

    fn id(&self) -> Uuid {
        Uuid::from_u128(
            0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(self.next.fetch_add(1, Ordering::Relaxed)),
        )
    }

    fn here(&self) -> Result<()> {
        if self.unavailable.load(Ordering::Relaxed) {
            return Err(CoreError::Unavailable(
                "the database cannot be reached; try again".to_owned(),
            ));
        }
        Ok(())
    }

    /// Unix seconds now.
    pub(crate) fn seconds(&self) -> u64 {
        self.state().now.unix_seconds()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: Millis) {
        let mut state = self.state();
        state.now = state.now.plus(span);
    }

    /// Cuts the store off, or not.
    pub(crate) fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::Relaxed);
    }

    /// The upload of a URI, which ends with its id.
    pub(crate) fn artifact_of(uri: &str) -> ArtifactId {
        uri.rsplit('/').next().expect("a last part").parse().expect("an id")
    }

    /// What the upload service does at the end of an upload. The digest is also what the program of it is known by.
    pub(crate) fn complete(&self, uri: &str, sha256: [u8; 32]) {
        let mut state = self.state();
        let row = state.artifacts.get_mut(&Self::artifact_of(uri)).expect("announced");
        (row.state, row.size, row.sha256) = (ArtifactState::Complete, 9, Some(Digest(sha256)));
    }

    /// The collector has taken an upload.
    pub(crate) fn collect(&self, uri: &str) {
        self.state().artifacts.remove(&Self::artifact_of(uri));
    }

    /// What the network itself stores.
    pub(crate) fn own_artifact(&self) -> ArtifactId {
        let id = ArtifactId(self.id());
        let mut state = self.state();
        let row = ArtifactRow {
            id,
            owner: None,
            role: Name::literal("output"),
            visibility: Visibility::Signed,
            rebuildable: false,
            sealing_key: None,
            state: ArtifactState::Complete,
            size: 9,
            sha256: Some(Digest([1; 32])),
            created_at: state.now,
        };
        state.artifacts.insert(id, row);
        id
    }

    /// How often something was submitted.
    pub(crate) fn submissions(&self) -> u32 {
        self.state().submissions
    }

    /// The only request, or the newest.
    pub(crate) fn newest(&self) -> Arc<Request> {
        Arc::clone(self.state().requests.last().expect("a request"))
    }

    /// Changes the newest request.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Request)) {
        let mut state = self.state();
        let now = state.now;
        let newest = Arc::make_mut(state.requests.last_mut().expect("a request"));
        newest.updated_at = now;
        change(newest);
    }

    /// A worker's proof was verified.
    pub(crate) fn fulfil(&self) {
        let proof = BlobRef::Artifact(self.own_artifact());
        let record = Record {
            cycles: Some(1_000),
            gas: Some(2_000),
            public_values: Some(Digest([9; 32])),
            ..Record::default()
        };
        let now = self.state().now;
        self.change(|request| {
            request.state = request.state.on(RequestEvent::Proved).expect("open");
            request.ended_at = Some(now);
            request.outcome = Some(Outcome {
                artifacts: vec![Input {
                    name: Name::literal("proof"),
                    blob: proof,
                }],
                record,
                binding: Binding::ProofAlone,
            });
        });
    }

    /// It ended without a proof.
    pub(crate) fn end(&self, event: RequestEvent, failure: Failure) {
        let now = self.state().now;
        self.change(|request| {
            request.state = request.state.on(event).expect("open");
            request.ended_at = Some(now);
            request.failure = Some(failure);
        });
    }
}

/// Clients of this contract upload, poll and download by themselves.
const CARRIES_NOTHING: &str = "this door carries no blobs and waits for nothing";

#[async_trait]
impl Clients for FakeClients {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn create_artifact(&self, owner: Requester, role: Name, private: bool) -> Result<CreatedArtifact> {
        self.here()?;
        let id = ArtifactId(self.id());
        let mut state = self.state();
        let row = ArtifactRow {
            id,
            owner: Some(owner),
            role,
            visibility: if private {
                Visibility::Private
            } else {
                Visibility::Signed
            },
            rebuildable: false,
            sealing_key: None,
            state: ArtifactState::Announced,
            size: 0,
            sha256: None,
            created_at: state.now,
        };
        state.artifacts.insert(id, row);
        Ok(CreatedArtifact {
            id,
            put_url: format!("http://127.0.0.1:9/put/{id}?token=secret"),
        })
    }

    async fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>> {
        self.here()?;
        Ok(self.state().artifacts.get(&id).cloned())
    }

    async fn program(&self, door: Door, id: Vec<u8>) -> Result<Option<ProgramRow>> {
        self.here()?;
        Ok(self.state().programs.get(&(door, id)).cloned())
    }

    async fn register_program(&self, registration: Registration) -> Result<ProgramRow> {
        self.here()?;
        let mut state = self.state();
        let row = state
            .artifacts
            .get(&registration.artifact)
            .filter(|row| row.owner.as_ref() == Some(&registration.owner));
        let digest = row
            .and_then(|row| row.sha256)
            .ok_or_else(|| CoreError::NotFound("no such upload".to_owned()))?;
        if digest.0[..] != registration.id[..] {
            return Err(CoreError::Invalid(
                "the uploaded ELF has another verification key".to_owned(),
            ));
        }
        let created_at = state.now;
        let program = ProgramRow {
            owner: registration.owner.clone(),
            id: registration.id.clone(),
            vk: registration.vk,
            artifact: registration.artifact,
            created_at,
        };
        let kept = state
            .programs
            .entry((registration.owner.door, registration.id))
            .or_insert(program);
        Ok(kept.clone())
    }

    async fn submit(&self, submission: Submission) -> Result<Accepted> {
        self.here()?;
        let id = RequestId(self.id());
        let mut state = self.state();
        state.submissions += 1;
        let key = (submission.requester.clone(), submission.idempotency_key.clone());
        if let Some(request) = state.keys.get(&key) {
            return Ok(Accepted {
                request: *request,
                existed: true,
            });
        }
        state.keys.insert(key, id);
        let now = state.now;
        state.requests.push(Arc::new(Request {
            id,
            requester: submission.requester,
            idempotency_key: submission.idempotency_key,
            system: submission.system,
            kind: submission.kind,
            toolchain: submission.toolchain,
            program: submission.program,
            inputs: submission.inputs,
            limits: submission.limits,
            expected_public_values: submission.expected_public_values,
            trust: None,
            private: submission.private,
            priority: submission.priority,
            accepted_at: now,
            requested_deadline: submission.deadline,
            deadline: submission.deadline.max(now.plus(MIN_LIFETIME)),
            door_data: submission.door_data,
            trace: submission.trace,
            state: RequestState::Open,
            execution: if submission.execute {
                Execution::Pending
            } else {
                Execution::NotWanted
            },
            updated_at: now,
            ended_at: None,
            outcome: None,
            failure: None,
        }));
        Ok(Accepted {
            request: id,
            existed: false,
        })
    }

    async fn accepted(&self, requester: Requester, idempotency_key: Vec<u8>) -> Result<Option<RequestId>> {
        self.here()?;
        Ok(self.state().keys.get(&(requester, idempotency_key)).copied())
    }

    async fn status(&self, id: RequestId) -> Result<Option<RequestStatus>> {
        Ok(self.request(id).await?.map(|request| RequestStatus {
            id,
            state: request.state,
            execution: request.execution.clone(),
            deadline: request.deadline,
            ended_at: request.ended_at,
            proof: request.outcome.as_ref().and_then(|outcome| {
                outcome
                    .artifacts
                    .iter()
                    .find(|output| output.name.as_str() == "proof")
                    .map(|output| output.blob.clone())
            }),
            failure: request.failure.clone().map(Arc::new),
        }))
    }

    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        self.here()?;
        Ok(self.state().requests.iter().find(|request| request.id == id).cloned())
    }

    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>> {
        self.here()?;
        assert!(filter.limit <= PAGE_MAX, "the port's limit on pages");
        let state = self.state();
        let matching = state.requests.iter().rev().filter(|request| matches(&filter, request));
        Ok(matching.skip(filter.offset).take(filter.limit).cloned().collect())
    }

    async fn cancel(&self, id: RequestId, by: Requester) -> Result<bool> {
        let request = self
            .request(id)
            .await?
            .ok_or_else(|| CoreError::NotFound("there is no such request".to_owned()))?;
        if request.requester != by {
            return Err(CoreError::NotAllowed(
                "only the account that made a request may cancel it".to_owned(),
            ));
        }
        if request.state != RequestState::Open {
            return Ok(false);
        }
        self.end(
            RequestEvent::Cancelled,
            Failure::new(FailureClass::Cancelled, "cancelled by its owner"),
        );
        Ok(true)
    }

    fn output_url(&self, request: RequestId, name: &str, _: &BlobRef) -> String {
        format!("http://127.0.0.1:9/outputs/{request}/{name}?token=secret")
    }

    async fn store_input(&self, _: Requester, _: Name, _: bool, _: Bytes) -> Result<ArtifactId> {
        unreachable!("{CARRIES_NOTHING}")
    }

    async fn drop_input(&self, _: ArtifactId) -> Result<()> {
        unreachable!("{CARRIES_NOTHING}")
    }

    async fn read_output(&self, _: &BlobRef, _: u64) -> Result<Bytes> {
        unreachable!("{CARRIES_NOTHING}")
    }

    async fn stage(&self, _: RequestId) -> Result<Option<Stage>> {
        unreachable!("{CARRIES_NOTHING}")
    }

    fn follow(&self, _: RequestId) -> Following {
        unreachable!("{CARRIES_NOTHING}")
    }

    async fn waiting_reason(&self, _: RequestId) -> Result<Option<String>> {
        Ok(None)
    }

    async fn secret(&self, name: &str) -> Result<[u8; 32]> {
        self.here()?;
        assert_eq!(name, "door-sp1/request-ids");
        Ok([0x42; 32])
    }
}

fn matches(filter: &RequestFilter, request: &Request) -> bool {
    filter.door.as_ref().is_none_or(|door| request.requester.door == *door)
        && filter
            .requester
            .as_ref()
            .is_none_or(|requester| request.requester == *requester)
        && (filter.states.is_empty() || filter.states.contains(&request.state))
        && filter
            .program
            .as_ref()
            .is_none_or(|id| request.program.as_ref().is_some_and(|program| program.id == *id))
        && filter.kind.as_ref().is_none_or(|kind| request.kind == *kind)
        && filter
            .toolchain
            .as_ref()
            .is_none_or(|toolchain| request.toolchain == *toolchain)
        && filter.accepted_from.is_none_or(|from| request.accepted_at >= from)
        && filter.accepted_to.is_none_or(|to| request.accepted_at < to)
        && filter.deadline_from.is_none_or(|from| request.deadline >= from)
}
