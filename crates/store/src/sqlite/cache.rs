//! Decoded requests in memory, bounded: what status polls and the writer read.
//!
//! Invariant: what is in here is what was last committed. Only the writer replaces an entry, after its commit; a reader adds
//! one only where nothing was committed since it read. It may be emptied at any moment.
//!
//! It holds two generations. When the young one is full, it becomes the old one and the old one is dropped; what is asked for
//! moves back into the young one. So what is used stays, at the cost of one lookup.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use hierophant_domain::{BlobRef, Request, RequestId};

/// What a request takes beside its variable parts, in bytes, about.
const BASE_WEIGHT: usize = 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct RequestCache {
    /// Weight of one generation.
    capacity: usize,
    inner: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<RequestId, Arc<Request>>,
    old: HashMap<RequestId, Arc<Request>>,
    young_weight: usize,
    /// Counts commits.
    epoch: u64,
}

impl RequestCache {
    /// Holds about `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            capacity: (bytes / 2).max(BASE_WEIGHT),
            inner: Mutex::default(),
        }
    }

    /// The request as last committed, if it is here.
    pub(super) fn get(&self, id: RequestId) -> Option<Arc<Request>> {
        let mut inner = self.lock();
        if let Some(found) = inner.young.get(&id) {
            return Some(Arc::clone(found));
        }
        let found = inner.old.remove(&id)?;
        self.insert(&mut inner, Arc::clone(&found));
        Some(found)
    }

    /// The number of the last commit: to be taken before a read whose result is offered to [`Self::offer`].
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Adds what a reader found, unless something was committed since `epoch`.
    pub(super) fn offer(&self, epoch: u64, request: Arc<Request>) {
        let mut inner = self.lock();
        if inner.epoch == epoch && !inner.young.contains_key(&request.id) {
            inner.old.remove(&request.id);
            self.insert(&mut inner, request);
        }
    }

    /// Takes what was just committed.
    pub(super) fn committed(&self, requests: impl Iterator<Item = Arc<Request>>) {
        let mut inner = self.lock();
        inner.epoch += 1;
        for request in requests {
            inner.old.remove(&request.id);
            self.insert(&mut inner, request);
        }
    }

    fn insert(&self, inner: &mut Generations, request: Arc<Request>) {
        inner.young_weight = inner.young_weight.saturating_add(weight(&request));
        if let Some(before) = inner.young.insert(request.id, request) {
            inner.young_weight = inner.young_weight.saturating_sub(weight(&before));
        }
        if inner.young_weight > self.capacity {
            inner.old = std::mem::take(&mut inner.young);
            inner.young_weight = 0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        // Every change of it is complete before the guard goes; a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(request: &Request) -> usize {
    let outputs = request.outcome.iter().flat_map(|outcome| &outcome.artifacts);
    let inline: usize = request
        .inputs
        .iter()
        .chain(outputs)
        .map(|input| match &input.blob {
            BlobRef::Artifact(_) => 64,
            BlobRef::Inline(bytes) => bytes.len(),
        })
        .sum();
    BASE_WEIGHT + inline + request.door_data.len()
}
