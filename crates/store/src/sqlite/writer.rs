//! The thread that writes: it takes the operations that wait, runs them in one transaction, commits, and only then answers
//! their callers.
//!
//! Invariants: one thread and one connection write. An answer that says success follows the commit. While a commit waits for
//! the disk, the next operations gather, so a batch grows with the load and no operation waits for a timer.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{batch::Batch, checkpoint::Checkpoints, jobs::Jobs, shared::Shared};
use crate::{Result, StoreError};

/// Operations that may wait; beyond it their callers wait to hand theirs in.
const QUEUE: usize = 4096;
/// Most operations in one transaction, so that the first one does not wait for too many others.
const BATCH: usize = 512;

/// Answers a caller: with the operation's own result, or with why the commit failed.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// What became of an operation before the commit.
struct Ran {
    answer: Answer,
    /// Why the whole batch has to be given up, if it has.
    abort: Option<StoreError>,
}

/// Runs in a batch, or hears why there is none.
type Operation = Box<dyn FnOnce(Result<&mut Batch<'_>>) -> Ran + Send>;

/// The callers' end. When it is dropped, the thread finishes what waits and ends.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It owns `connection`, and `guard` for as long.
    pub(super) fn start(mut connection: Connection, guard: File, shared: Arc<Shared>) -> Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let checkpoints = Checkpoints::start(&shared.options.path, &mut connection)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let database = run(&connection, &shared, waiting, checkpoints);
                drop(connection);
                drop(database);
                drop(guard);
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Has an operation run and committed. If the caller goes away meanwhile, it runs all the same.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Batch<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (caller, answer) = oneshot::channel();
        let operation: Operation = Box::new(move |batch| {
            let (result, abort) = match batch {
                Ok(batch) => attempt(batch, operation),
                Err(error) => (Err(error), None),
            };
            let answer = move |committed: Result<()>| {
                let answer = match (committed, result) {
                    (Ok(()), result) => result,
                    // Its own error says more than that of the batch.
                    (Err(_), Err(own)) => Err(own),
                    (Err(error), Ok(_)) => Err(error),
                };
                // A caller that went away does not need the answer.
                drop(caller.send(answer));
            };
            Ran {
                answer: Box::new(answer),
                abort,
            }
        });
        let stopped = || StoreError::Unavailable("the store is closed".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(operation).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It ends after the operations that were handed in; a panic of it was reported where it happened.
            drop(thread.join());
        }
    }
}

fn run(
    connection: &Connection,
    shared: &Shared,
    mut waiting: mpsc::Receiver<Operation>,
    mut checkpoints: Checkpoints,
) -> Arc<File> {
    let mut operations = Vec::with_capacity(BATCH);
    let mut jobs = Jobs::default();
    while let Some(first) = waiting.blocking_recv() {
        operations.push(first);
        while operations.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            operations.push(next);
        }
        let mut rest = operations.drain(..);
        while rest.len() > 0 {
            transact(connection, shared, &mut jobs, &mut rest);
            checkpoints.committed(connection);
        }
    }
    checkpoints.stop()
}

/// Runs one operation; the second part says why the batch cannot go on, if it cannot.
fn attempt<T>(
    batch: &mut Batch<'_>,
    operation: impl FnOnce(&mut Batch<'_>) -> Result<T>,
) -> (Result<T>, Option<StoreError>) {
    batch.begin_operation();
    let result = catch_unwind(AssertUnwindSafe(|| operation(batch)))
        .unwrap_or_else(|_| Err(StoreError::Corrupt("an operation of the store panicked".to_owned())));
    // SQLite ends the transaction itself on some errors: then what was written is gone already.
    let broken = batch.has_written() || batch.connection.is_autocommit();
    let abort = result.as_ref().err().filter(|_| broken).cloned();
    (result, abort)
}

/// Runs operations in one transaction, up to the first one that breaks it.
fn transact(
    connection: &Connection,
    shared: &Shared,
    jobs: &mut Jobs,
    operations: &mut impl Iterator<Item = Operation>,
) {
    let mut answers: Vec<Answer> = Vec::with_capacity(BATCH);
    let mut batch = Batch::new(connection, shared, jobs);
    let mut outcome = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
    for operation in operations {
        let ran = operation(outcome.as_ref().map(|()| &mut batch).map_err(Clone::clone));
        answers.push(ran.answer);
        if let Some(error) = ran.abort {
            let why = format!("another change in the same transaction failed, try again: {error}");
            outcome = Err(StoreError::Unavailable(why));
            break;
        }
    }
    // Whatever the cause of a commit that fails, nothing of the batch is there.
    let outcome = outcome.and_then(|()| batch.settle_accounts()).and_then(|()| {
        connection
            .execute_batch("COMMIT")
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    });
    match outcome {
        Ok(()) => {
            let published = batch.publish();
            for answer in answers {
                answer(Ok(()));
            }
            published.wake(shared);
        }
        Err(error) => {
            jobs.clear();
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "a transaction of the store could not be rolled back");
            }
            tracing::error!(%error, operations = answers.len(), "a batch of the store was given up");
            for answer in answers {
                answer(Err(error.clone()));
            }
        }
    }
}
