//! One transaction of the writer, shared by the operations of many callers.
//!
//! Invariants: an operation sees what the ones before it in the batch have written. Nothing that it does reaches the caches, the
//! counts or the hints before the commit; if that fails, the batch is dropped and nothing was changed. An operation that
//! returns an error has written nothing: if it has, the whole batch is given up.

use std::{collections::HashMap, sync::Arc};

use hierophant_domain::{Request, RequestId, TaskClass, TaskId, Timestamp, WorkerId, ids::LeaseToken, job::Effects};
use rusqlite::{Connection, Params};

use super::{
    attempts,
    classes::CLASSES_MAX,
    db,
    jobs::{Job, Jobs},
    keys::Key,
    requests,
    shared::Shared,
    tasks,
    totals::{Change, ClassId},
    workers::{self, GoodWork},
};
use crate::{Hint, Result, StoreError};

/// See the module's documentation.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) shared: &'a Shared,
    pub(super) jobs: &'a mut Jobs,
    /// When the operation in hand began, by the store's clock.
    pub(super) now: Timestamp,
    wrote: bool,
    requests: HashMap<RequestId, Arc<Request>>,
    classes: Vec<(ClassId, Arc<TaskClass>)>,
    changes: Vec<Change>,
    live: i64,
    live_by_requester: HashMap<Key, i64>,
    woken: Woken,
    hints: Vec<Hint>,
    /// Verified results by worker, written together by [`Self::settle_accounts`].
    pub(super) good_work: HashMap<WorkerId, GoodWork>,
}

/// Wake-ups that say the same each time: one of each is enough for a batch.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent wake-ups, not a state")]
struct Woken {
    ready: bool,
    delivered: bool,
    execution_wanted: bool,
    collectable: bool,
}

impl<'a> Batch<'a> {
    /// An empty one, in the transaction that `connection` has begun.
    pub(super) fn new(connection: &'a Connection, shared: &'a Shared, jobs: &'a mut Jobs) -> Self {
        Self {
            connection,
            shared,
            jobs,
            now: shared.clock.now(),
            wrote: false,
            requests: HashMap::new(),
            classes: Vec::new(),
            changes: Vec::new(),
            live: 0,
            live_by_requester: HashMap::new(),
            woken: Woken::default(),
            hints: Vec::new(),
            good_work: HashMap::new(),
        }
    }

    /// Begins the next operation.
    pub(super) fn begin_operation(&mut self) {
        self.wrote = false;
        self.now = self.shared.clock.now();
    }

    /// Whether the operation in hand has written something.
    pub(super) fn has_written(&self) -> bool {
        self.wrote
    }

    /// Runs a statement that writes; says how many rows it changed.
    pub(super) fn write(&mut self, sql: &str, params: impl Params) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(sql)?;
        // Before it runs: a statement that fails may have ended the transaction.
        self.wrote = true;
        Ok(statement.execute(params)?)
    }

    /// Takes back that the operation in hand has written: its one statement changed no row.
    pub(super) fn wrote_nothing(&mut self) {
        self.wrote = false;
    }

    /// Writes what the batch has gathered about workers: before their rows are read, and before the commit.
    pub(super) fn settle_accounts(&mut self) -> Result<()> {
        if self.good_work.is_empty() {
            return Ok(());
        }
        // It belongs to operations that have succeeded, not to the one in hand.
        let wrote = self.wrote;
        workers::write_good_work(self)?;
        self.wrote = wrote;
        Ok(())
    }

    /// Runs a statement that must change exactly one row.
    pub(super) fn write_one(&mut self, sql: &str, params: impl Params) -> Result<()> {
        match self.write(sql, params)? {
            1 => Ok(()),
            rows => Err(db::corrupt(format_args!("{rows} rows where there is one, by {sql}"))),
        }
    }

    /// A request as it is within this transaction.
    pub(super) fn request(&mut self, id: RequestId) -> Result<Option<Arc<Request>>> {
        if let Some(found) = self.requests.get(&id) {
            return Ok(Some(Arc::clone(found)));
        }
        if let Some(found) = self.shared.cache.get(id) {
            return Ok(Some(found));
        }
        let Some(found) = requests::load(self.connection, id)? else {
            return Ok(None);
        };
        let found = Arc::new(found);
        self.requests.insert(id, Arc::clone(&found));
        Ok(Some(found))
    }

    /// A request that a row refers to.
    pub(super) fn existing_request(&mut self, id: RequestId) -> Result<Arc<Request>> {
        self.request(id)?
            .ok_or_else(|| db::corrupt(format_args!("no request {id}, which a task belongs to")))
    }

    /// A task with its attempts as they are within this transaction.
    pub(super) fn job(&mut self, request: RequestId, task: TaskId) -> Result<Option<&Job>> {
        if self.jobs.get(request, task).is_none() {
            let Some(row) = tasks::load(self, request, task)? else {
                return Ok(None);
            };
            let attempts = attempts::load_all(self.connection, request, task)?;
            self.jobs.put(Job { row, attempts });
        }
        Ok(self.jobs.get(request, task))
    }

    /// A task that another row refers to.
    pub(super) fn existing_job(&mut self, request: RequestId, task: TaskId) -> Result<&Job> {
        self.job(request, task)?
            .ok_or_else(|| db::corrupt(format_args!("no task {task}, which an attempt is of")))
    }

    /// Takes a request as it was just written.
    pub(super) fn remember(&mut self, request: Arc<Request>) {
        self.requests.insert(request.id, request);
    }

    /// Takes a change of state for the counts.
    pub(super) fn changed(&mut self, change: Change) {
        if let Change::Request { requester, from, to } = change {
            let open = hierophant_domain::RequestState::Open;
            let by = i64::from(to == open) - i64::from(from == Some(open));
            self.live += by;
            *self.live_by_requester.entry(requester).or_default() += by;
        }
        self.changes.push(change);
    }

    /// Refuses one more open request where a limit is reached.
    pub(super) fn check_room(&self, requester: &Key) -> Result<()> {
        let options = &self.shared.options;
        let (all, theirs) = {
            let totals = self.shared.totals();
            (totals.live(), totals.live_of(requester))
        };
        let theirs_here = self.live_by_requester.get(requester).copied().unwrap_or(0);
        if all.saturating_add_signed(self.live) >= options.max_live_requests {
            return Err(StoreError::Full(format!(
                "{} requests are open, which is the limit: try again when some have ended",
                options.max_live_requests
            )));
        }
        if theirs.saturating_add_signed(theirs_here) >= options.max_live_requests_per_requester {
            return Err(StoreError::Full(format!(
                "this requester has {} open requests, which is the limit: try again when some have ended",
                options.max_live_requests_per_requester
            )));
        }
        Ok(())
    }

    /// Refuses a class that is new where the limit is reached.
    pub(super) fn check_class(&self, class: &TaskClass) -> Result<()> {
        if self.known_class(class).is_none() && self.shared.classes().len() + self.classes.len() >= CLASSES_MAX {
            return Err(StoreError::Full(format!(
                "{CLASSES_MAX} classes of tasks are known, which is the limit"
            )));
        }
        Ok(())
    }

    /// The number of a class, which gets one where it has none; after [`Self::check_class`].
    pub(super) fn class_id(&mut self, class: &TaskClass) -> Result<ClassId> {
        if let Some(id) = self.known_class(class) {
            return Ok(id);
        }
        self.write("INSERT INTO classes (key) VALUES (?1)", [class.to_string()])?;
        let id = self.connection.last_insert_rowid();
        self.classes.push((id, Arc::new(class.clone())));
        Ok(id)
    }

    /// The number of a class that has one.
    pub(super) fn known_class(&self, class: &TaskClass) -> Option<ClassId> {
        let here = || {
            self.classes
                .iter()
                .find(|(_, known)| **known == *class)
                .map(|(id, _)| *id)
        };
        self.shared.classes().id(class).or_else(here)
    }

    /// The class with a number.
    pub(super) fn class(&self, id: ClassId) -> Result<Arc<TaskClass>> {
        let here = || {
            self.classes
                .iter()
                .find(|(known, _)| *known == id)
                .map(|(_, class)| Arc::clone(class))
        };
        let found = self.shared.classes().class(id).or_else(here);
        found.ok_or_else(|| db::corrupt(format_args!("no class {id}, which a task has")))
    }

    /// Sees to what follows from an event: wake-ups, strikes, good work.
    pub(super) fn follow(&mut self, request: RequestId, effects: Effects) -> Result<()> {
        self.woken.ready |= effects.ready;
        self.woken.delivered |= effects.delivered;
        self.woken.execution_wanted |= effects.execution_wanted;
        if effects.ended {
            self.request_changed(request);
        }
        for (worker, token, reason) in effects.revoked {
            self.revoked(worker, token, &reason);
        }
        if let Some((worker, strike)) = effects.strike {
            workers::strike(self, worker, strike)?;
        }
        Ok(())
    }

    /// Wakes whoever gives out ready tasks.
    pub(super) fn wake_ready(&mut self) {
        self.woken.ready = true;
    }

    /// Wakes whoever does trusted executions.
    pub(super) fn wake_execution(&mut self) {
        self.woken.execution_wanted = true;
    }

    /// Wakes whoever collects artifacts.
    pub(super) fn wake_collector(&mut self) {
        self.woken.collectable = true;
    }

    /// Wakes whoever tells a worker that its lease is gone.
    pub(super) fn revoked(&mut self, worker: WorkerId, token: LeaseToken, reason: &str) {
        self.hint(Hint::Revoked {
            worker,
            token,
            reason: reason.into(),
        });
    }

    /// Wakes whoever follows a request: how far it is may be something else now.
    pub(super) fn request_changed(&mut self, request: RequestId) {
        self.hint(Hint::RequestChanged(request));
    }

    /// A wake-up, to be sent after the commit.
    pub(super) fn hint(&mut self, hint: Hint) {
        if self.hints.last() != Some(&hint) {
            self.hints.push(hint);
        }
    }

    /// After the commit: brings caches and counts up to date.
    pub(super) fn publish(self) -> Published {
        if !self.classes.is_empty() {
            let mut classes = self.shared.classes_mut();
            for (id, class) in self.classes {
                classes.add(id, class);
            }
        }
        self.shared.cache.committed(self.requests.into_values());
        {
            let mut totals = self.shared.totals();
            for change in self.changes {
                totals.apply(change);
            }
        }
        Published {
            woken: self.woken,
            hints: self.hints,
        }
    }
}

/// The wake-ups of a committed batch, to be sent after its callers have their answers.
pub(super) struct Published {
    woken: Woken,
    hints: Vec<Hint>,
}

impl Published {
    /// Sends them.
    pub(super) fn wake(self, shared: &Shared) {
        // Without a receiver nobody waits: then there is nobody to wake.
        let send = |hint| drop(shared.hints.send(hint));
        self.hints.into_iter().for_each(send);
        if self.woken.ready {
            send(Hint::Ready);
        }
        if self.woken.delivered {
            send(Hint::Delivered);
        }
        if self.woken.execution_wanted {
            send(Hint::ExecutionWanted);
        }
        if self.woken.collectable {
            send(Hint::Collectable);
        }
    }
}
