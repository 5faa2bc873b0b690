//! Rows of requests: reading and writing them, accepting and ending.

use std::sync::Arc;

use hierophant_domain::{
    Execution, Failure, FailureClass, Request, RequestId, RequestState, Requester, TaskState, Timestamp, job,
    request::{ProgramRef, RequestEvent},
};
use rusqlite::{Connection, Row};

use super::{
    attempts,
    batch::Batch,
    db, keys, references,
    rows::{self, DetailsJson},
    tasks,
    totals::Change,
};
use crate::{Accepted, NewRequest, RequestStatus, Result, StoreError};

/// `SELECT` of what [`read`] reads, of `requests r` and `request_terms t`, and what follows.
macro_rules! select_requests {
    ($($rest:literal),*) => {
        concat!(
            "SELECT r.id, r.state, r.execution, r.execution_detail, r.accepted_at, r.deadline, r.updated_at, r.ended_at, \
             r.ending, t.door, t.principal, t.idempotency_key, t.system, t.kind, t.toolchain, t.program_id, \
             t.program_artifact, t.door_data, t.details ",
            $($rest),*
        )
    };
}
pub(super) use select_requests;

/// Loads a request.
pub(super) fn load(connection: &Connection, id: RequestId) -> Result<Option<Request>> {
    let sql = select_requests!("FROM requests r JOIN request_terms t ON t.id = r.id WHERE r.id = ?1");
    db::one(connection, sql, [id.as_bytes()], read)
}

/// Reads the columns of [`select_requests`].
pub(super) fn read(row: &Row<'_>) -> Result<Request> {
    let state = rows::state(row, 1, RequestState::from_code)?;
    let ending = row.get_ref(8)?.as_str_or_null().map_err(db::corrupt)?;
    let (outcome, failure) = match (state, ending) {
        (RequestState::Fulfilled, Some(text)) => (Some(rows::outcome_from_json(text)?), None),
        (RequestState::Failed | RequestState::Cancelled | RequestState::Expired, Some(text)) => {
            (None, Some(serde_json::from_str(text)?))
        }
        (RequestState::Open, None) => (None, None),
        (_, Some(_) | None) => return Err(db::corrupt("a request's ending does not fit its state")),
    };
    let program_artifact = rows::maybe_uuid(row, 16)?.map(hierophant_domain::ArtifactId);
    let program = match (row.get(15)?, program_artifact) {
        (Some(id), Some(artifact)) => Some(ProgramRef { id, artifact }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(db::corrupt("half a program")),
    };
    let details: DetailsJson = rows::json(row, 18)?;
    Ok(Request {
        id: RequestId(rows::uuid(row, 0)?),
        requester: Requester {
            door: rows::name(row, 9)?,
            principal: row.get(10)?,
        },
        idempotency_key: row.get(11)?,
        system: rows::name(row, 12)?,
        kind: rows::name(row, 13)?,
        toolchain: rows::name(row, 14)?,
        program,
        inputs: rows::inputs_from_json(details.inputs)?,
        limits: details.limits,
        expected_public_values: details.expected_public_values,
        trust: details.trust,
        private: details.private,
        priority: details.priority,
        accepted_at: rows::time(row, 4)?,
        requested_deadline: details.requested_deadline,
        deadline: rows::time(row, 5)?,
        door_data: row.get(17)?,
        trace: details.trace,
        state,
        execution: execution_from_columns(row, 2, 3)?,
        updated_at: rows::time(row, 6)?,
        ended_at: rows::maybe_time(row, 7)?,
        outcome,
        failure,
    })
}

/// The codes of [`Execution`] in rows, never reused; from 3 on it is still to be done, as the index has it.
fn execution_to_columns(execution: &Execution) -> Result<(u8, Option<String>)> {
    Ok(match execution {
        Execution::NotWanted => (0, None),
        Execution::Executed(record) => (1, Some(serde_json::to_string(record)?)),
        Execution::Unchecked(reason) => (2, Some(serde_json::to_string(reason)?)),
        Execution::Pending => (3, None),
        Execution::Disputed => (4, None),
    })
}

fn execution_from_columns(row: &Row<'_>, code: usize, detail: usize) -> Result<Execution> {
    match row.get(code)? {
        0 => Ok(Execution::NotWanted),
        1 => Ok(Execution::Executed(rows::json(row, detail)?)),
        2 => Ok(Execution::Unchecked(rows::json(row, detail)?)),
        3 => Ok(Execution::Pending),
        4 => Ok(Execution::Disputed),
        code => Err(db::corrupt(format_args!("the execution {code}"))),
    }
}

/// See [`crate::Store::accepted`].
pub(super) fn accepted(connection: &Connection, idempotency: &keys::Key) -> Result<Option<RequestId>> {
    let sql = "SELECT id FROM requests WHERE idempotency = ?1";
    db::one(connection, sql, [idempotency], |row| Ok(RequestId(rows::uuid(row, 0)?)))
}

/// See [`crate::Store::accept`].
pub(super) fn accept(batch: &mut Batch<'_>, new: NewRequest) -> Result<Accepted> {
    let NewRequest { request, task } = new;
    let idempotency = keys::idempotency(&request.requester, &request.idempotency_key);
    if let Some(request) = accepted(batch.connection, &idempotency)? {
        return Ok(Accepted { request, existed: true });
    }
    let fits = request.state == RequestState::Open
        && task.request == request.id
        && (task.state == TaskState::Ready || task.state == TaskState::Waiting);
    if !fits {
        return Err(StoreError::Refused(
            "a new request is open, and its first task is its own and not begun".to_owned(),
        ));
    }
    let requester = keys::requester(&request.requester);
    batch.check_room(&requester)?;
    let needed = references::of_terms(&request);
    references::require_complete(batch, &needed)?;
    batch.check_class(&task.class)?;
    insert(batch, &request, &idempotency, &requester)?;
    let class = batch.class_id(&task.class)?;
    tasks::insert(batch, &task, class)?;
    for artifact in needed {
        references::take(batch, request.id.as_bytes(), artifact)?;
    }
    batch.changed(Change::Request {
        requester,
        from: None,
        to: request.state,
    });
    if task.state == TaskState::Ready {
        batch.wake_ready();
    }
    if request.execution.is_pending() {
        batch.wake_execution();
    }
    let id = request.id;
    batch.remember(Arc::new(request));
    Ok(Accepted {
        request: id,
        existed: false,
    })
}

fn insert(batch: &mut Batch<'_>, request: &Request, idempotency: &keys::Key, requester: &keys::Key) -> Result<()> {
    let (execution, execution_detail) = execution_to_columns(&request.execution)?;
    let inserted = batch.write(
        "INSERT INTO requests (id, idempotency, requester, system, state, execution, execution_detail, accepted_at, deadline, \
         updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING",
        (
            request.id.as_bytes(),
            idempotency,
            requester,
            request.system.as_str(),
            request.state.code(),
            execution,
            execution_detail,
            request.accepted_at.0,
            request.deadline.0,
            request.updated_at.0,
        ),
    )?;
    if inserted == 0 {
        batch.wrote_nothing();
        return Err(StoreError::Refused(format!(
            "the id {} belongs to another request: mint a new one",
            request.id
        )));
    }
    let details = DetailsJson {
        inputs: rows::inputs_to_json(&request.inputs),
        limits: request.limits,
        expected_public_values: request.expected_public_values,
        trust: request.trust.clone(),
        private: request.private,
        priority: request.priority,
        requested_deadline: request.requested_deadline,
        trace: request.trace.clone(),
    };
    batch.write_one(
        "INSERT INTO request_terms (id, door, principal, idempotency_key, system, kind, toolchain, program_id, \
         program_artifact, door_data, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            request.id.as_bytes(),
            request.requester.door.as_str(),
            &request.requester.principal,
            &request.idempotency_key,
            request.system.as_str(),
            request.kind.as_str(),
            request.toolchain.as_str(),
            request.program.as_ref().map(|program| &program.id),
            request.program.as_ref().map(|program| program.artifact.as_bytes()),
            &request.door_data,
            serde_json::to_string(&details)?,
        ),
    )
}

/// Saves what changed of a request, and what follows when it has ended. Its attempts are saved before.
pub(super) fn save(batch: &mut Batch<'_>, before: &Request, request: Request) -> Result<()> {
    let (execution, execution_detail) = execution_to_columns(&request.execution)?;
    let ended = before.state == RequestState::Open && request.state != RequestState::Open;
    let ending = match (&request.outcome, &request.failure) {
        (Some(outcome), _) => Some(rows::outcome_to_json(outcome)?),
        (None, Some(failure)) => Some(serde_json::to_string(failure)?),
        (None, None) => None,
    };
    let holds = ended && !references::of_ended(&request).is_empty();
    // A claim on a check that is no longer this one is lost: the request has ended, or the verdict now decides a dispute.
    let claim_stands = !ended && before.execution == request.execution;
    batch.write_one(
        "UPDATE requests SET state = ?2, execution = ?3, execution_detail = ?4, updated_at = ?5, ended_at = ?6, ending = ?7, \
         holds = ?8, check_token = iif(?9, check_token, NULL), check_until = iif(?9, check_until, 0), \
         check_tries = iif(?9, check_tries, 0) WHERE id = ?1",
        (
            request.id.as_bytes(),
            request.state.code(),
            execution,
            execution_detail,
            request.updated_at.0,
            request.ended_at.map(|at| at.0),
            ending,
            holds,
            claim_stands,
        ),
    )?;
    if ended {
        let requester = keys::requester(&request.requester);
        batch.changed(Change::Request {
            requester,
            from: Some(before.state),
            to: request.state,
        });
        release_at_end(batch, &request)?;
    }
    batch.remember(Arc::new(request));
    Ok(())
}

/// Drops what an ended request needs no more: private inputs, and results that were not verified.
fn release_at_end(batch: &mut Batch<'_>, request: &Request) -> Result<()> {
    if request.private {
        let kept = references::of_ended(request);
        let inputs: Vec<_> = references::of_inputs(request)
            .filter(|input| !kept.contains(input))
            .collect();
        for input in inputs {
            references::drop(batch, request.id.as_bytes(), input)?;
        }
        batch.wake_collector();
    }
    if request.state != RequestState::Fulfilled {
        for delivery in attempts::unverified_deliveries(batch.connection, request.id)? {
            references::drop_delivery(batch, request, &delivery)?;
        }
    }
    Ok(())
}

/// See [`crate::Store::end_request`].
pub(super) fn end(batch: &mut Batch<'_>, id: RequestId, event: RequestEvent, failure: Failure) -> Result<bool> {
    let Some(before) = batch.request(id)? else {
        return Err(StoreError::NotFound(format!("there is no request {id}")));
    };
    if before.state != RequestState::Open {
        return Ok(false);
    }
    let mut request = Request::clone(&before);
    let mut held = tasks::load_all(batch, id)?;
    let mut jobs = Vec::with_capacity(held.len());
    for row in &held {
        jobs.push((row.task.clone(), attempts::load_all(batch.connection, id, row.task.id)?));
    }
    let attempts_before: Vec<_> = jobs.iter().map(|(_, attempts)| attempts::states(attempts)).collect();
    let effects = job::end_request(&mut request, &mut jobs, event, failure, batch.now)?;
    for ((row, (task, attempts)), states) in held.iter_mut().zip(jobs).zip(attempts_before) {
        let from = row.task.state;
        row.task = task;
        tasks::save(batch, from, row)?;
        attempts::save_changed(batch, &states, &attempts)?;
    }
    save(batch, &before, request)?;
    batch.follow(id, effects)?;
    Ok(true)
}

/// See [`crate::Store::expire_requests`].
pub(super) fn expire(batch: &mut Batch<'_>, n: usize) -> Result<Vec<RequestId>> {
    let sql = "SELECT id FROM requests WHERE state = 0 AND deadline <= ?1 ORDER BY deadline LIMIT ?2";
    let due = db::all(batch.connection, sql, (batch.now.0, db::count(n)), |row| {
        Ok(RequestId(rows::uuid(row, 0)?))
    })?;
    for id in &due {
        let failure = Failure::new(FailureClass::Deadline, "its deadline passed before it was proved");
        end(batch, *id, RequestEvent::DeadlinePassed, failure)?;
    }
    Ok(due)
}

/// See [`crate::Store::release_ended`].
pub(super) fn release_ended(batch: &mut Batch<'_>, ended_before: Timestamp, n: usize) -> Result<usize> {
    let sql = "SELECT id FROM requests WHERE holds = 1 AND ended_at < ?1 ORDER BY ended_at LIMIT ?2";
    let due = db::all(batch.connection, sql, (ended_before.0, db::count(n)), |row| {
        Ok(RequestId(rows::uuid(row, 0)?))
    })?;
    for id in &due {
        let request = batch.existing_request(*id)?;
        for artifact in references::of_ended(&request) {
            references::drop(batch, id.as_bytes(), artifact)?;
        }
        batch.write_one("UPDATE requests SET holds = 0 WHERE id = ?1", [id.as_bytes()])?;
    }
    Ok(due.len())
}

/// What status polls ask for.
pub(super) fn status(request: &Request) -> RequestStatus {
    let proof = request.outcome.as_ref().and_then(|outcome| {
        outcome
            .artifacts
            .iter()
            .find(|artifact| artifact.name.as_str() == "proof")
            .map(|artifact| artifact.blob.clone())
    });
    RequestStatus {
        id: request.id,
        state: request.state,
        execution: request.execution.clone(),
        deadline: request.deadline,
        ended_at: request.ended_at,
        proof,
        failure: request.failure.clone().map(Arc::new),
    }
}
