//! From a call to the request that answers it: joined where there is one of the same witness, else made.

use std::time::Instant;

use hierophant_core::ports::Submission;
use hierophant_domain::{
    BlobRef, Input, Kind as KindName, Limits, Name, Request, RequestId, RequestState, Requester, Timestamp,
    time::Millis,
};
use hierophant_miden_api::{ProveCall, Refusal};
use hierophant_store::RequestFilter;

use crate::{
    calls::{QueuePlace, Waiting},
    door::{DOOR, Door, WITNESS},
    ending::{self, Ended},
    keeper::Kept,
    life::Life,
    metric,
};

/// What answers a call.
pub(crate) enum Answer {
    /// A request that is open.
    Wait(Waiting),
    /// One that had ended with a proof not long ago.
    There(Ended),
}

/// Finds or makes the request that answers a call.
pub(crate) async fn answer(door: &Door, call: &ProveCall) -> Result<Answer, Refusal> {
    let requester = requester(call).await;
    let latest = latest(door, &requester).await?;
    match &latest {
        Some(request) if request.state == RequestState::Open => {
            metric::joined(call.line, call.kind);
            Ok(Answer::Wait(
                door.wait_for(request.id, || kept(call, &requester, request.id, None)),
            ))
        }
        Some(request) if is_fresh(door, request) => {
            let proof = request.outcome.as_ref().and_then(|outcome| {
                let named = outcome
                    .artifacts
                    .iter()
                    .find(|artifact| artifact.name.as_str() == "proof");
                named.map(|artifact| artifact.blob.clone())
            });
            metric::joined(call.line, call.kind);
            Ok(Answer::There(
                proof.ok_or_else(|| Refusal::Failed("the result has no proof".to_owned())),
            ))
        }
        Some(_) | None => {
            let (tasks, after) = (door.keeping.tasks.clone(), latest.map(|request| request.id));
            let (door, call) = (door.clone(), call.clone());
            // A task of its own: whoever leaves now must not leave a request behind that nobody keeps.
            let made = tasks.spawn(async move { make(&door, &call, requester, after).await });
            made.await.unwrap_or_else(|_| {
                Err(Refusal::Unavailable(
                    "the request could not be made; send it again".to_owned(),
                ))
            })
        }
    }
}

/// A witness is known by its bytes: whoever has it may have its proof. No two kinds or lines share a name.
async fn requester(call: &ProveCall) -> Requester {
    Requester {
        door: Name::literal(DOOR),
        principal: call.digest().await.to_vec(),
    }
}

/// The latest request of a witness.
async fn latest(door: &Door, requester: &Requester) -> Result<Option<std::sync::Arc<Request>>, Refusal> {
    let filter = RequestFilter {
        requester: Some(requester.clone()),
        limit: 1,
        ..RequestFilter::default()
    };
    let found = door.keeping.clients.list(filter).await.map_err(ending::of_core)?;
    Ok(found.into_iter().next())
}

/// Whether a fulfilled request may still answer a caller who asks again.
fn is_fresh(door: &Door, request: &Request) -> bool {
    let grace = Millis::from(door.keeping.settings.grace);
    let now: Timestamp = door.keeping.clients.now();
    request.state == RequestState::Fulfilled && request.ended_at.is_some_and(|ended| now.since(ended) < grace)
}

/// Makes a request. `after`: the latest one of the same witness, which has ended; two callers who both saw it make one.
async fn make(
    door: &Door,
    call: &ProveCall,
    requester: Requester,
    after: Option<RequestId>,
) -> Result<Answer, Refusal> {
    let clients = &door.keeping.clients;
    let limit = door.keeping.settings.queue;
    let place = door.keeping.calls.queue(limit).ok_or_else(|| {
        Refusal::QueueFull(format!(
            "proof queue is full: {limit} calls wait for a worker; try again later"
        ))
    })?;
    let role = Name::literal("input");
    let stored = clients
        .store_input(requester.clone(), role, true, call.witness.clone())
        .await;
    let witness = stored.map_err(ending::of_core)?;
    let submission = submission(door, call, requester.clone(), after, BlobRef::Artifact(witness));
    let accepted = clients.submit(submission).await;
    let existed = accepted.as_ref().map_or(true, |accepted| accepted.existed);
    if accepted.as_ref().is_ok_and(|accepted| accepted.existed) {
        metric::joined(call.line, call.kind);
    }
    if existed && let Err(error) = clients.drop_input(witness).await {
        tracing::warn!(artifact.id = %witness, %error, "a witness that nobody needs could not be removed; it will be collected");
    }
    let id = accepted.map_err(ending::of_core)?.request;
    Ok(Answer::Wait(
        door.wait_for(id, || kept(call, &requester, id, Some(place))),
    ))
}

fn kept(call: &ProveCall, requester: &Requester, id: RequestId, place: Option<QueuePlace>) -> Kept {
    Kept {
        id,
        requester: requester.clone(),
        line: call.line,
        kind: call.kind,
        life: Life::accepted(Instant::now()),
        place,
    }
}

fn submission(
    door: &Door,
    call: &ProveCall,
    requester: Requester,
    after: Option<RequestId>,
    witness: BlobRef,
) -> Submission {
    let settings = &door.keeping.settings;
    let time = Millis::from(settings.queue_timeout)
        .0
        .saturating_add(Millis::from(settings.proof_timeout).0);
    Submission {
        requester,
        idempotency_key: after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec()),
        system: Name::literal(call.line.system()),
        kind: KindName::literal(call.kind.as_str()),
        toolchain: Name::literal(call.line.as_str()),
        program: None,
        inputs: vec![Input {
            name: Name::literal(WITNESS),
            blob: witness,
        }],
        limits: Limits::default(),
        expected_public_values: None,
        private: true,
        execute: true,
        priority: 0,
        deadline: door.keeping.clients.now().plus(Millis(time)),
        door_data: Vec::new(),
        trace: call.caller.trace.clone(),
    }
}
