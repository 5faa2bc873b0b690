//! What never changes once it is there, kept in memory because every request of a busy program asks for it: rows of registered
//! programs, and sizes and digests of their complete blobs.
//!
//! Invariant: nothing here can be stale: a registration is never replaced, and a complete blob never changes. Losing any of
//! it costs a look-up. Not here: whether a blob is still there; whoever reads it finds out.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use hierophant_domain::{ArtifactId, Digest, Door};
use hierophant_store::{ArtifactState, ProgramRow, StoreError};

use crate::service::Core;

/// Most entries of one kind. A verification key may have some KiB; when there are more programs than this in use, look-ups
/// go to the store again.
const ENTRIES_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Known {
    programs: Memo<(Door, Vec<u8>), Arc<ProgramRow>>,
    blobs: Memo<ArtifactId, (u64, Digest)>,
}

/// A bounded map that is emptied when it is full.
#[derive(Debug)]
struct Memo<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: K, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= ENTRIES_MAX {
            map.clear();
        }
        map.insert(key, value);
    }
}

impl Core {
    /// A registered program.
    pub(crate) async fn known_program(&self, door: Door, id: Vec<u8>) -> Result<Option<Arc<ProgramRow>>, StoreError> {
        let key = (door, id);
        if let Some(row) = self.0.known.programs.get(&key) {
            return Ok(Some(row));
        }
        let row = self.0.store.program(key.0.clone(), key.1.clone()).await?.map(Arc::new);
        if let Some(row) = &row {
            self.0.known.programs.put(key, Arc::clone(row));
        }
        Ok(row)
    }

    /// Size and digest of a complete blob that many requests share.
    pub(crate) async fn known_blob(&self, id: ArtifactId) -> Result<Option<(u64, Digest)>, StoreError> {
        if let Some(known) = self.0.known.blobs.get(&id) {
            return Ok(Some(known));
        }
        let row = self
            .0
            .store
            .artifact(id)
            .await?
            .filter(|row| row.state == ArtifactState::Complete);
        let known = row.and_then(|row| Some((row.size, row.sha256?)));
        if let Some(known) = known {
            self.0.known.blobs.put(id, known);
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memo_is_emptied_and_goes_on() {
        let memo = Memo::default();
        for key in 0..ENTRIES_MAX {
            memo.put(key, key);
        }
        assert_eq!(memo.get(&0), Some(0));
        memo.put(ENTRIES_MAX, 7);
        assert_eq!((memo.get(&0), memo.get(&ENTRIES_MAX)), (None, Some(7)));
    }
}
