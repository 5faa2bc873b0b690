//! Claims on checks: verifications of delivered results, and trusted executions.
//!
//! Invariant: a check is settled by the token that claimed it last, and by nobody once its request has ended.

use hierophant_domain::{
    Attempt, AttemptState, CheckToken, Name, Request, RequestId, RequestState, TaskId, TaskState,
    job::{self, ExecutionVerdict, Verification},
    time::Millis,
};

use rusqlite::Connection;

use super::{
    attempts,
    batch::Batch,
    db, references, requests, rows,
    tasks::{self, CheckRow, TaskRow},
    workers,
};
use crate::{BATCH_MAX, CheckClaim, ExecutionWork, Result, Undone, VerificationWork};

/// Makes claimed checks due at once. To be called when the database is opened: whoever claimed them is no more, and their
/// claims would hold for as long as a check may take.
pub(super) fn free_all(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "UPDATE tasks SET check_until = 0 WHERE state = 3 AND check_token IS NOT NULL; \
         UPDATE requests SET check_until = 0 WHERE state = 0 AND execution >= 3 AND check_token IS NOT NULL;",
    )?;
    Ok(())
}

/// See [`crate::Store::claim_verifications`].
pub(super) fn claim_verifications(
    batch: &mut Batch<'_>,
    systems: &[Name],
    n: usize,
    hold: Millis,
) -> Result<Vec<VerificationWork>> {
    let limit = n.min(BATCH_MAX);
    let mut found = Vec::new();
    for class in tasks::delivered_classes(batch.shared, systems) {
        let sql = tasks::select_tasks!(
            "WHERE class = ?1 AND state = 3 AND check_until <= ?2 ORDER BY check_until, request, id LIMIT ?3"
        );
        let due = db::all(batch.connection, sql, (class, batch.now.0, db::count(limit)), |row| {
            tasks::read(batch, row)
        })?;
        found.extend(due);
    }
    found.sort_by_key(|row| (row.check.until, row.task.request, row.task.id));
    found.truncate(limit);
    found
        .into_iter()
        .map(|row| claim_verification(batch, row, hold))
        .collect()
}

fn claim_verification(batch: &mut Batch<'_>, mut row: TaskRow, hold: Millis) -> Result<VerificationWork> {
    let task = &row.task;
    let delivered = delivered(batch, task.request, task.id)?;
    let (worker, delivery) = delivered
        .and_then(|attempt| Some((attempt.worker, attempt.delivery?)))
        .ok_or_else(|| db::corrupt(format_args!("the delivered task {} has no delivery", task.id)))?;
    let request = batch.existing_request(task.request)?;
    row.check = row.check.claimed(batch.now.plus(hold));
    let token = row.check.token.ok_or_else(|| db::corrupt("a claim without a token"))?;
    save_task_check(batch, &row)?;
    Ok(VerificationWork {
        request,
        task: row.task,
        worker,
        delivery,
        token,
        tries: row.check.tries,
    })
}

/// Saves the claim alone.
fn save_task_check(batch: &mut Batch<'_>, row: &TaskRow) -> Result<()> {
    batch.write_one(
        "UPDATE tasks SET check_token = ?3, check_until = ?4, check_tries = ?5 WHERE request = ?1 AND id = ?2",
        (
            row.task.request.as_bytes(),
            row.task.id.as_bytes(),
            row.check.token.as_ref().map(CheckToken::as_bytes),
            row.check.until.0,
            row.check.tries,
        ),
    )?;
    batch.jobs.task_written(row);
    Ok(())
}

/// The attempt whose result is to be verified.
fn delivered(batch: &mut Batch<'_>, request: RequestId, task: TaskId) -> Result<Option<Attempt>> {
    let attempts = &batch.existing_job(request, task)?.attempts;
    let delivered = attempts.iter().find(|attempt| attempt.state == AttemptState::Delivered);
    Ok(delivered.cloned())
}

/// The task whose verification is claimed, if the claim stands.
fn claimed_task(batch: &mut Batch<'_>, claim: CheckClaim, task: TaskId) -> Result<Option<TaskRow>> {
    let row = batch.job(claim.request, task)?.map(|job| &job.row);
    let claimed = row.filter(|row| row.task.state == TaskState::Delivered && row.check.token == Some(claim.token));
    Ok(claimed.cloned())
}

/// See [`crate::Store::settle_verification`].
pub(super) fn settle_verification(
    batch: &mut Batch<'_>,
    claim: CheckClaim,
    verification: Verification,
) -> Result<bool> {
    let Some(task) = claim.task else { return Ok(false) };
    let Some(mut row) = claimed_task(batch, claim, task)? else {
        return Ok(false);
    };
    let before = batch.existing_request(claim.request)?;
    let mut attempt = delivered(batch, claim.request, task)?
        .ok_or_else(|| db::corrupt(format_args!("the delivered task {task} has no delivery")))?;
    let (from, delivered_at) = (row.task.state, attempt.ended_at.unwrap_or(attempt.leased_at));
    let policy = batch.shared.options.retry;
    let mut request = Request::clone(&before);
    let effects = job::verified(
        &mut request,
        &mut row.task,
        &mut attempt,
        verification,
        &policy,
        batch.now,
    )?;
    row.check = CheckRow::free(batch.now);
    attempts::save(batch, &attempt)?;
    tasks::save(batch, from, &row)?;
    if attempt.state == AttemptState::Refused
        && let Some(delivery) = &attempt.delivery
    {
        references::drop_delivery(batch, &request, delivery)?;
    }
    if request != *before {
        requests::save(batch, &before, request)?;
    }
    if effects.good_work.is_some() {
        workers::good_work(batch, &attempt, delivered_at)?;
    }
    batch.follow(claim.request, effects)?;
    Ok(true)
}

/// See [`crate::Store::claim_executions`].
pub(super) fn claim_executions(
    batch: &mut Batch<'_>,
    systems: &[Name],
    n: usize,
    hold: Millis,
) -> Result<Vec<ExecutionWork>> {
    let limit = n.min(BATCH_MAX);
    let sql = "SELECT id, check_until, check_tries FROM requests INDEXED BY requests_to_execute \
         WHERE state = 0 AND execution >= 3 AND system = ?1 AND check_until <= ?2 ORDER BY check_until, id LIMIT ?3";
    let mut found = Vec::new();
    for system in systems {
        let due = db::all(
            batch.connection,
            sql,
            (system.as_str(), batch.now.0, db::count(limit)),
            |row| {
                let check = CheckRow {
                    token: None,
                    until: rows::time(row, 1)?,
                    tries: row.get(2)?,
                };
                Ok((RequestId(rows::uuid(row, 0)?), check))
            },
        )?;
        found.extend(due);
    }
    found.sort_by_key(|(id, check)| (check.until, *id));
    found.dedup_by_key(|(id, _)| *id);
    found.truncate(limit);
    found
        .into_iter()
        .map(|(id, check)| claim_execution(batch, id, check, hold))
        .collect()
}

fn claim_execution(batch: &mut Batch<'_>, id: RequestId, check: CheckRow, hold: Millis) -> Result<ExecutionWork> {
    let request = batch.existing_request(id)?;
    let check = check.claimed(batch.now.plus(hold));
    let token = check.token.ok_or_else(|| db::corrupt("a claim without a token"))?;
    batch.write_one(
        "UPDATE requests SET check_token = ?2, check_until = ?3, check_tries = ?4 WHERE id = ?1",
        (id.as_bytes(), token.as_bytes(), check.until.0, check.tries),
    )?;
    Ok(ExecutionWork {
        request,
        token,
        tries: check.tries,
    })
}

/// Whether a claim on a request's execution stands.
fn holds_execution(batch: &Batch<'_>, claim: CheckClaim) -> Result<bool> {
    let sql = "SELECT check_token FROM requests WHERE id = ?1 AND state = 0 AND execution >= 3";
    let token = db::one(batch.connection, sql, [claim.request.as_bytes()], |row| {
        rows::maybe_uuid(row, 0)
    })?;
    Ok(token.flatten() == Some(claim.token.0))
}

/// See [`crate::Store::settle_execution`].
pub(super) fn settle_execution(batch: &mut Batch<'_>, claim: CheckClaim, verdict: ExecutionVerdict) -> Result<bool> {
    if claim.task.is_some() || !holds_execution(batch, claim)? {
        return Ok(false);
    }
    let before = batch.existing_request(claim.request)?;
    let mut request = Request::clone(&before);
    debug_assert_eq!(request.state, RequestState::Open, "the claim's row was open");
    let Some(mut row) = tasks::load_all(batch, claim.request)?
        .into_iter()
        .find(|row| !row.task.state.is_final())
    else {
        return Err(db::corrupt(format_args!(
            "the open request {} has no open task",
            claim.request
        )));
    };
    let mut attempts = attempts::load_all(batch.connection, claim.request, row.task.id)?;
    let (from, states) = (row.task.state, attempts::states(&attempts));
    let policy = batch.shared.options.retry;
    let effects = job::executed(&mut request, &mut row.task, &mut attempts, verdict, &policy, batch.now)?;
    if row.task.state == TaskState::Delivered {
        row.check = CheckRow::free(batch.now);
    }
    tasks::save(batch, from, &row)?;
    attempts::save_changed(batch, &states, &attempts)?;
    let ended = effects.ended;
    requests::save(batch, &before, request)?;
    if !ended {
        batch.request_changed(claim.request);
    }
    batch.follow(claim.request, effects)?;
    Ok(true)
}

/// See [`crate::Store::return_check`].
pub(super) fn give_back(batch: &mut Batch<'_>, claim: CheckClaim, how: Undone, after: Millis) -> Result<()> {
    let again = batch.now.plus(after);
    // Its claim counted it.
    let untried = match how {
        Undone::Tried => 0,
        Undone::NotNow => 1,
    };
    if let Some(task) = claim.task {
        if let Some(mut row) = claimed_task(batch, claim, task)? {
            row.check = CheckRow {
                token: None,
                until: again,
                tries: row.check.tries.saturating_sub(untried),
            };
            save_task_check(batch, &row)?;
        }
    } else if holds_execution(batch, claim)? {
        batch.write_one(
            "UPDATE requests SET check_token = NULL, check_until = ?2, check_tries = max(check_tries - ?3, 0) WHERE id = ?1",
            (claim.request.as_bytes(), again.0, untried),
        )?;
    }
    Ok(())
}
