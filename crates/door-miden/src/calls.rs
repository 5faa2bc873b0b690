//! The open requests of this door, and how many wait for each.
//!
//! Invariant: a request is in the table exactly while its keeper runs, and counts as queued while its keeper says so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hierophant_domain::RequestId;
use tokio::sync::watch;

use crate::{ending::Ended, metric};

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    open: HashMap<RequestId, Arc<Watched>>,
    queued: usize,
}

/// What a keeper and those who wait for its request share.
#[derive(Debug)]
pub(crate) struct Watched {
    /// How many wait.
    pub(crate) callers: watch::Sender<usize>,
    /// How it ended.
    pub(crate) ended: watch::Sender<Option<Ended>>,
}

impl Watched {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            callers: watch::Sender::new(0),
            ended: watch::Sender::new(None),
        })
    }
}

/// One who waits. Dropped when the caller leaves.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Watched>);

impl Waiting {
    fn new(watched: Arc<Watched>) -> Self {
        watched.callers.send_modify(|callers| *callers += 1);
        Self(watched)
    }

    /// How it ended; `None` when its keeper is gone without a word.
    pub(crate) async fn end(&self) -> Option<Ended> {
        let mut ended = self.0.ended.subscribe();
        let told = ended.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.callers.send_modify(|callers| *callers -= 1);
    }
}

/// A place in the queue, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct QueuePlace(Arc<Calls>);

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        table.queued -= 1;
        metric::queue(table.queued);
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in a queue of `limit`; `None` when it is full.
    pub(crate) fn queue(self: &Arc<Self>, limit: usize) -> Option<QueuePlace> {
        let mut table = self.lock();
        if table.queued >= limit {
            return None;
        }
        table.queued += 1;
        metric::queue(table.queued);
        Some(QueuePlace(Arc::clone(self)))
    }

    /// Waits for a request: with its keeper if it has one, else `keep` is told to start one.
    pub(crate) fn wait_for(&self, id: RequestId, keep: impl FnOnce(Arc<Watched>)) -> Waiting {
        let (watched, new) = {
            let mut table = self.lock();
            let known = table.open.get(&id).map(Arc::clone);
            let new = known.is_none();
            let watched = known.unwrap_or_else(Watched::new);
            table.open.insert(id, Arc::clone(&watched));
            (watched, new)
        };
        let waiting = Waiting::new(Arc::clone(&watched));
        if new {
            keep(watched);
        }
        waiting
    }

    /// Puts a request that was found without a caller into the table; `None` if it is there.
    pub(crate) fn found(&self, id: RequestId) -> Option<Arc<Watched>> {
        let mut table = self.lock();
        if table.open.contains_key(&id) {
            return None;
        }
        let watched = Watched::new();
        table.open.insert(id, Arc::clone(&watched));
        Some(watched)
    }

    /// Takes a request out: its keeper ends.
    pub(crate) fn forget(&self, id: RequestId) {
        self.lock().open.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use hierophant_miden_api::Refusal;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_queue_has_its_limit_and_places_come_back() {
        let calls = Arc::new(Calls::default());
        let places: Vec<_> = (0..2).map_while(|_| calls.queue(2)).collect();
        assert_eq!(places.len(), 2);
        assert!(calls.queue(2).is_none());
        drop(places);
        assert!(calls.queue(2).is_some());
    }

    #[tokio::test]
    async fn one_keeper_serves_all_who_wait() {
        let calls = Calls::default();
        let id = RequestId(Uuid::from_u128(1));
        let mut kept = None;
        let first = calls.wait_for(id, |watched| kept = Some(watched));
        let second = calls.wait_for(id, |_| panic!("it has a keeper"));
        let watched = kept.expect("the first starts a keeper");
        assert_eq!(*watched.callers.borrow(), 2);
        drop(first);
        assert_eq!(*watched.callers.borrow(), 1);
        let ended = Err(Refusal::Failed("so".to_owned()));
        watched.ended.send_replace(Some(ended.clone()));
        assert_eq!(second.end().await, Some(ended));
        assert!(calls.found(id).is_none());
        calls.forget(id);
        assert!(calls.found(id).is_some());
    }
}
