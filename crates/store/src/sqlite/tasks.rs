//! Rows of tasks, and leasing them.

use std::collections::BTreeSet;

use hierophant_domain::{
    CheckToken, Name, Others, RequestId, Task, TaskClass, TaskId, TaskState, Timestamp, WorkerId,
    job::{self, NewLease},
};
use rusqlite::Row;

use super::{
    attempts,
    batch::Batch,
    db,
    jobs::Job,
    keys, rows,
    shared::Shared,
    totals::{Change, ClassId},
    workers,
};
use crate::{BATCH_MAX, ClaimOrder, Leased, ReadyClass, Result, StoreError};

/// Ready tasks of one class that a claim looks at beyond those that it takes: those that the worker failed lately.
const PASSED_OVER_MAX: usize = 1024;

/// A task with what its row has beside it.
#[derive(Clone, Debug)]
pub(super) struct TaskRow {
    pub(super) task: Task,
    pub(super) class: ClassId,
    pub(super) check: CheckRow,
}

/// A claim on a check, as it stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckRow {
    /// Who may settle it.
    pub(super) token: Option<CheckToken>,
    /// From when on it may be claimed (again).
    pub(super) until: Timestamp,
    /// How often it was tried.
    pub(super) tries: u32,
}

impl CheckRow {
    /// Nobody has it; it may be claimed from `until` on.
    pub(super) fn free(until: Timestamp) -> Self {
        Self {
            token: None,
            until,
            tries: 0,
        }
    }

    /// Claimed.
    pub(super) fn claimed(self, until: Timestamp) -> Self {
        Self {
            token: Some(keys::check_token()),
            until,
            tries: self.tries.saturating_add(1),
        }
    }
}

/// `SELECT` of what [`read`] reads, and what follows.
macro_rules! select_tasks {
    ($rest:literal) => {
        concat!(
            "SELECT request, id, key, class, rank, state, waits_for, attempts, failures, check_token, check_until, check_tries \
             FROM tasks ",
            $rest
        )
    };
}
pub(super) use select_tasks;

/// Reads the columns of [`select_tasks`].
pub(super) fn read(batch: &Batch<'_>, row: &Row<'_>) -> Result<TaskRow> {
    let class: ClassId = row.get(3)?;
    let task = Task {
        request: RequestId(rows::uuid(row, 0)?),
        id: TaskId(rows::uuid(row, 1)?),
        key: rows::name(row, 2)?,
        class: TaskClass::clone(&*batch.class(class)?),
        rank: row.get(4)?,
        state: rows::state(row, 5, TaskState::from_code)?,
        waits_for: row.get(6)?,
        attempts: row.get(7)?,
        failures: rows::maybe_json(row, 8)?.unwrap_or_default(),
    };
    let check = CheckRow {
        token: rows::maybe_uuid(row, 9)?.map(CheckToken),
        until: rows::time(row, 10)?,
        tries: row.get(11)?,
    };
    Ok(TaskRow { task, class, check })
}

/// Loads one task from its row; usually it is known already: `Batch::job`.
pub(super) fn load(batch: &Batch<'_>, request: RequestId, id: TaskId) -> Result<Option<TaskRow>> {
    let sql = select_tasks!("WHERE request = ?1 AND id = ?2");
    db::one(batch.connection, sql, (request.as_bytes(), id.as_bytes()), |row| {
        read(batch, row)
    })
}

/// A task that another row refers to.
pub(super) fn existing(batch: &mut Batch<'_>, request: RequestId, id: TaskId) -> Result<TaskRow> {
    Ok(batch.existing_job(request, id)?.row.clone())
}

/// Loads all tasks of a request.
pub(super) fn load_all(batch: &Batch<'_>, request: RequestId) -> Result<Vec<TaskRow>> {
    db::all(
        batch.connection,
        select_tasks!("WHERE request = ?1"),
        [request.as_bytes()],
        |row| read(batch, row),
    )
}

/// Writes a new task.
pub(super) fn insert(batch: &mut Batch<'_>, task: &Task, class: ClassId) -> Result<()> {
    batch.write_one(
        "INSERT INTO tasks (request, id, key, class, rank, state, waits_for, attempts, failures) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            task.request.as_bytes(),
            task.id.as_bytes(),
            task.key.as_str(),
            class,
            task.rank,
            task.state.code(),
            task.waits_for,
            task.attempts,
            failures_to_json(task)?,
        ),
    )?;
    batch.changed(Change::Task {
        class,
        rank: task.rank,
        from: None,
        to: task.state,
    });
    let row = TaskRow {
        task: task.clone(),
        class,
        check: CheckRow::free(Timestamp(0)),
    };
    let attempts = Vec::new();
    batch.jobs.put(Job { row, attempts });
    Ok(())
}

/// Saves a task that was in the state `from`.
pub(super) fn save(batch: &mut Batch<'_>, from: TaskState, row: &TaskRow) -> Result<()> {
    let task = &row.task;
    batch.write_one(
        "UPDATE tasks SET state = ?3, attempts = ?4, failures = ?5, check_token = ?6, check_until = ?7, check_tries = ?8 \
         WHERE request = ?1 AND id = ?2",
        (
            task.request.as_bytes(),
            task.id.as_bytes(),
            task.state.code(),
            task.attempts,
            failures_to_json(task)?,
            row.check.token.as_ref().map(CheckToken::as_bytes),
            row.check.until.0,
            row.check.tries,
        ),
    )?;
    batch.jobs.task_written(row);
    if from != task.state {
        batch.changed(Change::Task {
            class: row.class,
            rank: task.rank,
            from: Some(from),
            to: task.state,
        });
    }
    Ok(())
}

fn failures_to_json(task: &Task) -> Result<Option<String>> {
    if task.failures.is_empty() {
        Ok(None)
    } else {
        Ok(Some(serde_json::to_string(&task.failures)?))
    }
}

/// See [`crate::Store::claim`].
pub(super) fn claim(batch: &mut Batch<'_>, order: &ClaimOrder) -> Result<Vec<Leased>> {
    let Some(standing) = workers::standing(batch.connection, order.worker)? else {
        return Err(StoreError::NotFound(format!(
            "no worker {} is registered",
            order.worker
        )));
    };
    if !standing.is_trusted(batch.now) {
        return Ok(Vec::new());
    }
    let limit = order.limit.min(BATCH_MAX);
    let mut found = Vec::new();
    for class in order.classes.iter().collect::<BTreeSet<_>>() {
        let Some(known) = batch.known_class(class) else {
            continue;
        };
        let others = if order.nobody_else_serves.contains(class) {
            Others::None
        } else {
            Others::Some
        };
        found.extend(first_ready(batch, known, (order.worker, others), limit)?);
    }
    found.sort_by_key(|row| (row.task.rank, row.task.request, row.task.id));
    found.truncate(limit);
    found.into_iter().map(|row| lease(batch, row, order)).collect()
}

/// The first ready tasks of a class that the worker may have.
fn first_ready(
    batch: &Batch<'_>,
    class: ClassId,
    (worker, others): (WorkerId, Others),
    limit: usize,
) -> Result<Vec<TaskRow>> {
    let sql = select_tasks!("WHERE class = ?1 AND state = 1 ORDER BY rank, request, id LIMIT ?2");
    let mut statement = batch.connection.prepare_cached(sql)?;
    let mut rows = statement.query((class, db::count(limit + PASSED_OVER_MAX)))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let task = read(batch, row)?;
        if !task.task.avoids(worker, others, batch.now, &batch.shared.options.retry) {
            found.push(task);
        }
    }
    Ok(found)
}

fn lease(batch: &mut Batch<'_>, mut row: TaskRow, order: &ClaimOrder) -> Result<Leased> {
    let request = batch.existing_request(row.task.request)?;
    let new = NewLease {
        attempt: keys::attempt_id(batch.now),
        token: keys::lease_token(batch.now),
        worker: order.worker,
        now: batch.now,
        until: batch.now.plus(order.hold),
        reserved: order.reserve,
    };
    let from = row.task.state;
    let attempt = job::lease(&mut row.task, &new)?;
    save(batch, from, &row)?;
    attempts::insert(batch, &attempt)?;
    Ok(Leased {
        attempt,
        task: row.task,
        request,
    })
}

/// See [`crate::Store::ready`].
pub(super) fn ready(shared: &Shared) -> Vec<ReadyClass> {
    let summary = shared.totals().ready();
    let classes = shared.classes();
    let named = summary.into_iter().filter_map(|(id, count, first_rank)| {
        Some(ReadyClass {
            class: TaskClass::clone(&*classes.class(id)?),
            count,
            first_rank,
        })
    });
    let mut ready: Vec<_> = named.collect();
    ready.sort_by(|a, b| (a.first_rank, &a.class).cmp(&(b.first_rank, &b.class)));
    ready
}

/// The numbers of the classes that have delivered tasks and are of one of these systems.
pub(super) fn delivered_classes(shared: &Shared, systems: &[Name]) -> Vec<ClassId> {
    let delivered = shared.totals().delivered();
    let classes = shared.classes();
    let of_systems = |id: &ClassId| classes.class(*id).is_some_and(|class| systems.contains(&class.system));
    delivered.into_iter().filter(of_systems).collect()
}
