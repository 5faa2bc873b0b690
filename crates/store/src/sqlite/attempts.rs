//! Rows of attempts, and the writes that carry a token.

use std::sync::Arc;

use hierophant_domain::{
    Attempt, AttemptState, Failure, LeaseToken, Request, RequestId, TaskClass, TaskId, Timestamp, WorkerId,
    attempt::{Delivery, Fence, Write},
    ids::AttemptId,
    job,
};
use rusqlite::{Connection, Row};

use super::{
    batch::Batch,
    db, references, requests, rows,
    tasks::{self, CheckRow, TaskRow},
    workers,
};
use crate::{BATCH_MAX, Beat, Result};

/// `SELECT` of what [`read`] reads, and what follows.
macro_rules! select_attempts {
    ($rest:literal) => {
        concat!(
            "SELECT a.request, a.task, a.id, a.worker, a.token, a.state, a.leased_at, a.lease_until, a.ended_at, a.delivery, \
             a.reason FROM attempts a ",
            $rest
        )
    };
}

/// When results may be verified that wait for a trusted execution.
pub(super) const NOT_YET: Timestamp = Timestamp(i64::MAX);

fn read(row: &Row<'_>) -> Result<Attempt> {
    let delivery = row.get_ref(9)?.as_str_or_null().map_err(db::corrupt)?;
    Ok(Attempt {
        request: RequestId(rows::uuid(row, 0)?),
        task: TaskId(rows::uuid(row, 1)?),
        id: AttemptId(rows::uuid(row, 2)?),
        worker: WorkerId(rows::uuid(row, 3)?),
        token: LeaseToken(rows::uuid(row, 4)?),
        state: rows::state(row, 5, AttemptState::from_code)?,
        leased_at: rows::time(row, 6)?,
        lease_until: rows::time(row, 7)?,
        ended_at: rows::maybe_time(row, 8)?,
        delivery: delivery.map(rows::delivery_from_json).transpose()?,
        reason: row.get(10)?,
    })
}

/// The attempt behind a token.
pub(super) fn load(connection: &Connection, token: LeaseToken) -> Result<Option<Attempt>> {
    db::one(
        connection,
        select_attempts!("WHERE token = ?1"),
        [token.as_bytes()],
        read,
    )
}

/// All attempts at a task, oldest first.
pub(super) fn load_all(connection: &Connection, request: RequestId, task: TaskId) -> Result<Vec<Attempt>> {
    let sql = select_attempts!("WHERE request = ?1 AND task = ?2 ORDER BY id");
    db::all(connection, sql, (request.as_bytes(), task.as_bytes()), read)
}

/// All attempts at a request, oldest first.
pub(super) fn of_request(connection: &Connection, request: RequestId) -> Result<Vec<Attempt>> {
    let sql = select_attempts!("WHERE request = ?1 ORDER BY leased_at, id");
    db::all(connection, sql, [request.as_bytes()], read)
}

/// The live leases of a worker.
pub(super) fn of_worker(connection: &Connection, worker: WorkerId) -> Result<Vec<Attempt>> {
    let sql = select_attempts!("WHERE worker = ?1 AND state <= 1 ORDER BY lease_until");
    db::all(connection, sql, [worker.as_bytes()], read)
}

/// Results of a request that were delivered and not verified.
pub(super) fn unverified_deliveries(connection: &Connection, request: RequestId) -> Result<Vec<Delivery>> {
    let sql = select_attempts!("WHERE request = ?1 AND state = 3");
    let attempts = db::all(connection, sql, [request.as_bytes()], read)?;
    Ok(attempts.into_iter().filter_map(|attempt| attempt.delivery).collect())
}

/// Writes a new attempt.
pub(super) fn insert(batch: &mut Batch<'_>, attempt: &Attempt) -> Result<()> {
    batch.write_one(
        "INSERT INTO attempts (request, task, id, worker, token, state, leased_at, lease_until) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            attempt.request.as_bytes(),
            attempt.task.as_bytes(),
            attempt.id.as_bytes(),
            attempt.worker.as_bytes(),
            attempt.token.as_bytes(),
            attempt.state.code(),
            attempt.leased_at.0,
            attempt.lease_until.0,
        ),
    )?;
    batch.jobs.attempt_written(attempt);
    batch.request_changed(attempt.request);
    Ok(())
}

/// Saves an attempt; its delivery is written once, by [`save_delivery`].
pub(super) fn save(batch: &mut Batch<'_>, attempt: &Attempt) -> Result<()> {
    write(batch, attempt)?;
    batch.request_changed(attempt.request);
    Ok(())
}

/// Writes an attempt without a wake-up: one that merely holds for longer is no news.
fn write(batch: &mut Batch<'_>, attempt: &Attempt) -> Result<()> {
    batch.write_one(
        "UPDATE attempts SET state = ?4, lease_until = ?5, ended_at = ?6, reason = ?7 \
         WHERE request = ?1 AND task = ?2 AND id = ?3",
        (
            attempt.request.as_bytes(),
            attempt.task.as_bytes(),
            attempt.id.as_bytes(),
            attempt.state.code(),
            attempt.lease_until.0,
            attempt.ended_at.map(|at| at.0),
            &attempt.reason,
        ),
    )?;
    batch.jobs.attempt_written(attempt);
    Ok(())
}

fn forget(batch: &mut Batch<'_>, attempt: &Attempt) -> Result<()> {
    batch.write_one(
        "DELETE FROM attempts WHERE request = ?1 AND task = ?2 AND id = ?3",
        (
            attempt.request.as_bytes(),
            attempt.task.as_bytes(),
            attempt.id.as_bytes(),
        ),
    )?;
    batch.jobs.forget((attempt.request, attempt.task));
    Ok(())
}

fn save_delivery(batch: &mut Batch<'_>, attempt: &Attempt, delivery: &str) -> Result<()> {
    batch.write_one(
        "UPDATE attempts SET state = ?4, ended_at = ?5, delivery = ?6 WHERE request = ?1 AND task = ?2 AND id = ?3",
        (
            attempt.request.as_bytes(),
            attempt.task.as_bytes(),
            attempt.id.as_bytes(),
            attempt.state.code(),
            attempt.ended_at.map(|at| at.0),
            delivery,
        ),
    )?;
    batch.jobs.attempt_written(attempt);
    batch.request_changed(attempt.request);
    Ok(())
}

/// The states of attempts, to find out later which have changed.
pub(super) fn states(attempts: &[Attempt]) -> Vec<AttemptState> {
    attempts.iter().map(|attempt| attempt.state).collect()
}

/// Saves those whose state is another than it was.
pub(super) fn save_changed(batch: &mut Batch<'_>, before: &[AttemptState], attempts: &[Attempt]) -> Result<()> {
    for (attempt, _) in attempts
        .iter()
        .zip(before)
        .filter(|(attempt, before)| attempt.state != **before)
    {
        save(batch, attempt)?;
    }
    Ok(())
}

/// An attempt with the rows around it.
struct Held {
    attempt: Attempt,
    /// The other attempts at the task.
    others: Vec<Attempt>,
    task: TaskRow,
    request: Arc<Request>,
}

impl Held {
    fn other_live(&self) -> usize {
        self.others.iter().filter(|other| other.state.is_live()).count()
    }
}

/// Which task the attempt behind a token is at.
fn place(connection: &Connection, token: LeaseToken) -> Result<Option<(RequestId, TaskId)>> {
    let sql = "SELECT request, task FROM attempts WHERE token = ?1";
    db::one(connection, sql, [token.as_bytes()], |row| {
        Ok((RequestId(rows::uuid(row, 0)?), TaskId(rows::uuid(row, 1)?)))
    })
}

/// The attempt behind a token with the rows around it, if that write of it counts; else what the fence says.
fn hold(batch: &mut Batch<'_>, token: LeaseToken, write: Write) -> Result<std::result::Result<Held, Fence>> {
    let known = batch.jobs.place(token);
    let Some((request, task)) = known.map_or_else(|| place(batch.connection, token), |place| Ok(Some(place)))? else {
        return Ok(Err(Fence::Gone));
    };
    let job = batch.existing_job(request, task)?;
    let (of_token, others): (Vec<_>, Vec<_>) = job.attempts.iter().partition(|attempt| attempt.token == token);
    let [attempt] = of_token[..] else {
        return Err(db::corrupt(format_args!(
            "the token that led to the task {task} is of no one attempt at it"
        )));
    };
    let fence = attempt.state.fence(write);
    if fence != Fence::Pass {
        return Ok(Err(fence));
    }
    let (attempt, others) = (attempt.clone(), others.into_iter().cloned().collect());
    let task = job.row.clone();
    let request = batch.existing_request(request)?;
    Ok(Ok(Held {
        attempt,
        others,
        task,
        request,
    }))
}

/// See [`crate::Store::beat`].
pub(super) fn beat(batch: &mut Batch<'_>, worker: WorkerId, beats: &[Beat]) -> Result<Vec<(LeaseToken, Fence)>> {
    workers::seen(batch, worker)?;
    let mut answers = Vec::with_capacity(beats.len().min(BATCH_MAX));
    for beat in beats.iter().take(BATCH_MAX) {
        let fence = match load(batch.connection, beat.token)? {
            Some(attempt) if attempt.worker == worker => renew(batch, attempt, beat)?,
            Some(_) | None => Fence::Gone,
        };
        answers.push((beat.token, fence));
    }
    Ok(answers)
}

fn renew(batch: &mut Batch<'_>, mut attempt: Attempt, beat: &Beat) -> Result<Fence> {
    let fence = attempt.state.fence(Write::Beat);
    if fence != Fence::Pass {
        return Ok(fence);
    }
    let (until, state) = (attempt.lease_until, attempt.state);
    let mut task = tasks::existing(batch, attempt.request, attempt.task)?;
    let (task_state, counted) = (task.task.state, task.task.attempts);
    let fence = job::beat(&mut task.task, &mut attempt, beat.running, beat.until);
    if attempt.state != state {
        save(batch, &attempt)?;
    } else if attempt.lease_until != until {
        write(batch, &attempt)?;
    }
    if task.task.attempts != counted {
        tasks::save(batch, task_state, &task)?;
    }
    Ok(fence)
}

/// See [`crate::Store::deliver`].
pub(super) fn deliver(batch: &mut Batch<'_>, token: LeaseToken, delivery: Delivery) -> Result<Fence> {
    let mut held = match hold(batch, token, Write::Deliver)? {
        Ok(held) => held,
        Err(fence) => return Ok(fence),
    };
    let outputs = references::of_delivery(&delivery);
    let json = rows::delivery_to_json(&delivery)?;
    let (states, from, was) = (states(&held.others), held.task.task.state, held.attempt.state);
    let (fence, effects) = job::deliver(
        &mut held.task.task,
        &mut held.attempt,
        &mut held.others,
        delivery,
        batch.now,
    )?;
    if fence == Fence::Pass {
        references::require_complete(batch, &outputs)?;
        let may_be_verified = if held.request.execution.is_pending() {
            NOT_YET
        } else {
            batch.now
        };
        held.task.check = CheckRow::free(may_be_verified);
        tasks::save(batch, from, &held.task)?;
        save_delivery(batch, &held.attempt, &json)?;
        save_changed(batch, &states, &held.others)?;
        for output in outputs {
            references::take(batch, held.request.id.as_bytes(), output)?;
        }
    } else if held.attempt.state != was {
        save(batch, &held.attempt)?;
    }
    batch.follow(held.request.id, effects)?;
    Ok(fence)
}

/// See [`crate::Store::fail`].
pub(super) fn fail(batch: &mut Batch<'_>, token: LeaseToken, failure: &Failure) -> Result<Fence> {
    let mut held = match hold(batch, token, Write::Fail)? {
        Ok(held) => held,
        Err(fence) => return Ok(fence),
    };
    let other_live = held.other_live();
    let (from, policy) = (held.task.task.state, batch.shared.options.retry);
    let mut request = Request::clone(&held.request);
    let (fence, effects) = job::fail(
        &mut request,
        &mut held.task.task,
        &mut held.attempt,
        other_live,
        failure,
        &policy,
        batch.now,
    )?;
    save_all(batch, from, &held, request)?;
    batch.follow(held.request.id, effects)?;
    Ok(fence)
}

/// See [`crate::Store::release`].
pub(super) fn release(batch: &mut Batch<'_>, token: LeaseToken, reason: &str) -> Result<Fence> {
    let mut held = match hold(batch, token, Write::Release)? {
        Ok(held) => held,
        Err(fence) => return Ok(fence),
    };
    let (from, other_live) = (held.task.task.state, held.other_live());
    let (fence, effects) = job::withdraw(&mut held.task.task, &mut held.attempt, other_live, reason, batch.now)?;
    tasks::save(batch, from, &held.task)?;
    save(batch, &held.attempt)?;
    // However often a task is handed back, only the last time says why it waits.
    for before in held
        .others
        .iter()
        .filter(|other| other.state == AttemptState::Withdrawn)
    {
        forget(batch, before)?;
    }
    batch.follow(held.request.id, effects)?;
    Ok(fence)
}

/// See [`crate::Store::withdraw_reservations`]. The newest go first: their workers would come to them last.
pub(super) fn withdraw_reservations(batch: &mut Batch<'_>, class: &TaskClass, n: usize) -> Result<usize> {
    let Some(class) = batch.known_class(class) else {
        return Ok(0);
    };
    let sql = "SELECT a.token, a.worker FROM attempts a INDEXED BY attempts_reserved \
         CROSS JOIN tasks t ON t.request = a.request AND t.id = a.task \
         WHERE a.state = 0 AND t.class = ?1 ORDER BY a.leased_at DESC LIMIT ?2";
    let limit = db::count(n.min(BATCH_MAX));
    let found = db::all(batch.connection, sql, (class, limit), |row| {
        Ok((LeaseToken(rows::uuid(row, 0)?), WorkerId(rows::uuid(row, 1)?)))
    })?;
    let reason = "an idle worker can begin at once";
    for (token, worker) in &found {
        release(batch, *token, reason)?;
        batch.revoked(*worker, *token, reason);
    }
    Ok(found.len())
}

/// See [`crate::Store::readopt`].
pub(super) fn readopt(
    batch: &mut Batch<'_>,
    worker: WorkerId,
    tokens: &[LeaseToken],
    until: Timestamp,
) -> Result<Vec<LeaseToken>> {
    let mut kept = Vec::new();
    for token in tokens.iter().take(BATCH_MAX) {
        let Some(mut attempt) = load(batch.connection, *token)?.filter(|attempt| attempt.worker == worker) else {
            continue;
        };
        let mut task = tasks::existing(batch, attempt.request, attempt.task)?;
        let (from, was) = (task.task.state, attempt.state);
        if job::readopt(&mut task.task, &mut attempt, until) {
            kept.push(*token);
        }
        if attempt.state != was {
            tasks::save(batch, from, &task)?;
            save(batch, &attempt)?;
        }
    }
    Ok(kept)
}

/// See [`crate::Store::lapse_due`]. Each worker's earliest ends are looked up in the index by worker: one seek for each
/// worker that holds a lease.
pub(super) fn lapse_due(batch: &mut Batch<'_>, n: usize) -> Result<usize> {
    let sql = "WITH RECURSIVE holders(worker) AS ( \
             SELECT min(worker) FROM attempts INDEXED BY attempts_live WHERE state <= 1 \
             UNION ALL \
             SELECT (SELECT min(a.worker) FROM attempts a INDEXED BY attempts_live \
                     WHERE a.state <= 1 AND a.worker > holders.worker) \
             FROM holders WHERE holders.worker IS NOT NULL \
         ) \
         SELECT a.token FROM holders CROSS JOIN attempts a INDEXED BY attempts_live \
         ON a.worker = holders.worker AND a.state <= 1 AND a.lease_until <= ?1 LIMIT ?2";
    let due = db::all(batch.connection, sql, (batch.now.0, db::count(n)), |row| {
        Ok(LeaseToken(rows::uuid(row, 0)?))
    })?;
    for token in &due {
        lapse(batch, *token, "its lease ran out without a word from the worker")?;
    }
    Ok(due.len())
}

/// See [`crate::Store::lapse_worker`].
pub(super) fn lapse_worker(batch: &mut Batch<'_>, worker: WorkerId, reason: &str) -> Result<usize> {
    let tokens: Vec<_> = of_worker(batch.connection, worker)?
        .iter()
        .map(|attempt| attempt.token)
        .collect();
    for token in &tokens {
        lapse(batch, *token, reason)?;
    }
    Ok(tokens.len())
}

fn lapse(batch: &mut Batch<'_>, token: LeaseToken, reason: &str) -> Result<()> {
    // What may beat is live, and only that lapses.
    let Ok(mut held) = hold(batch, token, Write::Beat)? else {
        return Ok(());
    };
    let other_live = held.other_live();
    let (from, policy) = (held.task.task.state, batch.shared.options.retry);
    let mut request = Request::clone(&held.request);
    let effects = job::lapse(
        &mut request,
        &mut held.task.task,
        &mut held.attempt,
        other_live,
        reason,
        &policy,
        batch.now,
    )?;
    save_all(batch, from, &held, request)?;
    batch.follow(held.request.id, effects)
}

/// Saves an attempt and its task, and the request where it has changed.
fn save_all(batch: &mut Batch<'_>, from: hierophant_domain::TaskState, held: &Held, request: Request) -> Result<()> {
    save(batch, &held.attempt)?;
    tasks::save(batch, from, &held.task)?;
    if request != *held.request {
        requests::save(batch, &held.request, request)?;
    }
    Ok(())
}
