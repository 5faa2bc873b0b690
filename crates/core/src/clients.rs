//! What front doors may do.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_domain::{
    ArtifactId, Attempt, AttemptState, BlobRef, Door, Failure, FailureClass, Name, Request, RequestId, RequestState,
    Requester, TaskClass, TaskId, Timestamp, Visibility,
    job::root_task,
    request::{Execution, INPUTS_MAX, KEY_MAX_BYTES, RequestEvent},
};
use hierophant_scheduler::why_waiting;
use hierophant_store::{Accepted, ArtifactRow, NewRequest, ProgramRow, RequestFilter, RequestStatus};
use uuid::Uuid;

use crate::{
    error::CoreError,
    metric,
    ports::{Clients, CreatedArtifact, Following, Registration, Result, Stage, Submission},
    service::Core,
};

/// The role of tasks that make a proof.
const PROVE: &str = "prove";
/// The label that names the toolchain (circuit) version.
pub const TOOLCHAIN_LABEL: &str = "toolchain";
/// The label that tells proofs from mock proofs.
pub const PROOF_LABEL: &str = "proof";
/// What a proof that proves something is called under [`PROOF_LABEL`].
const REAL: &str = "real";
/// What a proof that proves nothing is called under [`PROOF_LABEL`].
pub(crate) const MOCK: &str = "mock";

#[async_trait]
impl Clients for Core {
    fn now(&self) -> Timestamp {
        Core::now(self)
    }

    async fn create_artifact(&self, owner: Requester, role: Name, private: bool) -> Result<CreatedArtifact> {
        let id = ArtifactId(Uuid::now_v7());
        let row = ArtifactRow::announced(id, Some(owner), role, visibility(private), Core::now(self));
        self.0.store.create_artifact(row).await?;
        Ok(CreatedArtifact {
            id,
            put_url: self.put_url(id),
        })
    }

    async fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>> {
        Ok(self.0.store.artifact(id).await?)
    }

    async fn program(&self, door: Door, id: Vec<u8>) -> Result<Option<ProgramRow>> {
        Ok(self.known_program(door, id).await?.map(|row| ProgramRow::clone(&row)))
    }

    async fn register_program(&self, registration: Registration) -> Result<ProgramRow> {
        crate::programs::register(self, registration).await
    }

    async fn submit(&self, submission: Submission) -> Result<Accepted> {
        let (requester, key) = (submission.requester.clone(), submission.idempotency_key.clone());
        match accept(self, submission).await {
            Ok(accepted) => Ok(accepted),
            // What would be refused now may have been accepted in its time.
            Err(refused) => match self.0.store.accepted(requester, key).await {
                Ok(Some(request)) => Ok(Accepted { request, existed: true }),
                Ok(None) | Err(_) => Err(refused),
            },
        }
    }

    async fn accepted(&self, requester: Requester, idempotency_key: Vec<u8>) -> Result<Option<RequestId>> {
        Ok(self.0.store.accepted(requester, idempotency_key).await?)
    }

    async fn status(&self, id: RequestId) -> Result<Option<RequestStatus>> {
        Ok(self.0.store.status(id).await?)
    }

    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        Ok(self.0.store.request(id).await?)
    }

    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>> {
        Ok(self.0.store.list_requests(filter).await?)
    }

    async fn cancel(&self, id: RequestId, by: Requester) -> Result<bool> {
        let request = self.0.store.request(id).await?;
        let request = request.ok_or_else(|| CoreError::NotFound(format!("there is no request {id}")))?;
        if request.requester != by {
            return Err(CoreError::NotAllowed(
                "only the account that made a request may cancel it".to_owned(),
            ));
        }
        let failure = Failure::new(FailureClass::Cancelled, "cancelled by its owner");
        let ended = self.0.store.end_request(id, RequestEvent::Cancelled, failure).await?;
        if ended {
            tracing::info!(request.id = %id, "request cancelled by its owner");
        }
        Ok(ended)
    }

    fn output_url(&self, request: RequestId, name: &str, blob: &BlobRef) -> String {
        self.read_url(request, name, blob)
    }

    async fn store_input(&self, owner: Requester, role: Name, private: bool, content: Bytes) -> Result<ArtifactId> {
        self.store_blob(Some(owner), role, visibility(private), content).await
    }

    async fn drop_input(&self, id: ArtifactId) -> Result<()> {
        self.drop_blob(id).await
    }

    async fn read_output(&self, blob: &BlobRef, limit_bytes: u64) -> Result<Bytes> {
        self.read_blob(blob, limit_bytes).await
    }

    async fn stage(&self, id: RequestId) -> Result<Option<Stage>> {
        let Some(request) = self.0.store.request(id).await? else {
            return Ok(None);
        };
        if request.state != RequestState::Open {
            return Ok(Some(Stage::Ended));
        }
        Ok(Some(stage_of(&self.0.store.attempts(id).await?)))
    }

    fn follow(&self, id: RequestId) -> Following {
        self.0.followers.follow(id)
    }

    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>> {
        reason(self, id).await
    }

    async fn secret(&self, name: &str) -> Result<[u8; 32]> {
        Ok(self.0.store.secret(name.to_owned()).await?)
    }
}

fn visibility(private: bool) -> Visibility {
    if private {
        Visibility::Private
    } else {
        Visibility::Signed
    }
}

/// How far an open request is by its attempts.
fn stage_of(attempts: &[Attempt]) -> Stage {
    let furthest = |attempt: &Attempt| match attempt.state {
        AttemptState::Delivered => Some(Stage::Checking(attempt.ended_at.unwrap_or(attempt.leased_at))),
        AttemptState::Running => Some(Stage::Proving(attempt.leased_at)),
        AttemptState::Reserved
        | AttemptState::Lapsed
        | AttemptState::Won
        | AttemptState::Refused
        | AttemptState::Failed
        | AttemptState::Revoked
        | AttemptState::Withdrawn => None,
    };
    attempts.iter().rev().find_map(furthest).unwrap_or(Stage::Queued)
}

async fn accept(core: &Core, submission: Submission) -> Result<Accepted> {
    let new = admit(core, submission)?;
    // Its proof needs a place; what was accepted before is not affected.
    core.0.blobs.check_space(0).await.map_err(|error| {
        tracing::error!(%error, "a request was put off");
        CoreError::Unavailable("this network has no room for new requests now; try again later".to_owned())
    })?;
    let id = new.request.id;
    let request = new.request.clone();
    let accepted = core.0.store.accept(new).await?;
    if !accepted.existed {
        metric::accepted(&request);
        tracing::info!(request.id = %id, "request accepted");
    }
    Core::pass("request-accepted");
    Ok(accepted)
}

/// Builds the request and its first task, or says why it can never be accepted.
fn admit(core: &Core, submission: Submission) -> Result<NewRequest> {
    let too_long = |what: &str| CoreError::Invalid(format!("the {what} is longer than {KEY_MAX_BYTES} bytes"));
    if submission.inputs.len() > INPUTS_MAX {
        return Err(CoreError::Invalid(format!("a request has at most {INPUTS_MAX} inputs")));
    }
    if submission.idempotency_key.len() > KEY_MAX_BYTES || submission.requester.principal.len() > KEY_MAX_BYTES {
        return Err(too_long("key or principal"));
    }
    let now = Core::now(core);
    if submission.deadline <= now {
        return Err(CoreError::Invalid(
            "the deadline has already passed; send one in the future".to_owned(),
        ));
    }
    let execute = submission.execute && core.0.settings.execute_max_cycles > 0;
    let has_light_role = core.0.checker.systems().contains(&submission.system);
    let execution = match (execute, submission.execute && has_light_role) {
        (true, true) => Execution::Pending,
        (false, true) => {
            Execution::Unchecked("programs are not run here beside proving, by the operator's setting".to_owned())
        }
        (true | false, false) => Execution::NotWanted,
    };
    let request = Request {
        id: RequestId(Uuid::now_v7()),
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
        deadline: submission.deadline.max(now.plus(core.0.settings.min_lifetime)),
        door_data: submission.door_data,
        trace: submission.trace,
        state: RequestState::Open,
        execution,
        updated_at: now,
        ended_at: None,
        outcome: None,
        failure: None,
    };
    let class = class_of(core, &request);
    let task = root_task(&request, TaskId(Uuid::now_v7()), class);
    Ok(NewRequest { request, task })
}

/// What the worker that makes a request's proof must offer.
pub(crate) fn class_of(core: &Core, request: &Request) -> TaskClass {
    TaskClass {
        role: Name::literal(PROVE),
        system: request.system.clone(),
        kind: request.kind.clone(),
        labels: [
            (Name::literal(TOOLCHAIN_LABEL), request.toolchain.clone()),
            (
                Name::literal(PROOF_LABEL),
                Name::literal(if core.0.settings.mock { MOCK } else { REAL }),
            ),
        ]
        .into(),
    }
}

/// Why an open request waits.
pub(crate) async fn reason(core: &Core, id: RequestId) -> Result<Option<String>> {
    let Some(request) = core
        .0
        .store
        .request(id)
        .await?
        .filter(|request| request.state == RequestState::Open)
    else {
        return Ok(None);
    };
    let attempts = core.0.store.attempts(id).await?;
    if attempts
        .iter()
        .any(|attempt| attempt.state == hierophant_domain::AttemptState::Delivered)
    {
        return Ok(Some("its proof is here and waits for verification".to_owned()));
    }
    if attempts.iter().any(|attempt| attempt.state.is_live()) {
        return Ok(None);
    }
    if request.execution == Execution::Disputed {
        return Ok(Some(
            "a worker says that the program fails; it is being run here to find out".to_owned(),
        ));
    }
    let waiting = why_waiting(&class_of(core, &request), &core.0.sessions.views());
    Ok(waiting.or_else(|| {
        attempts
            .last()
            .and_then(|last| last.reason.clone())
            .map(|why| format!("the last attempt ended: {why}"))
    }))
}
