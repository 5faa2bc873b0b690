//! Frames on their way to the host: anybody appends, one thread writes.
//!
//! What must stay true: frames are never torn or reordered; frames that queue up while a write is under way leave
//! together in the next one; a host that does not read holds up replies, never heartbeats or the reader.

use std::{
    io::Write,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    proto::Frame,
    wire::{self, MAX_FRAME_BYTES, WireError},
};

/// Bytes that may wait for the host; beyond it replies wait and events are dropped.
const CAPACITY_BYTES: usize = 4 * MAX_FRAME_BYTES;

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    closed: bool,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Something to write, or closed.
    filled: Condvar,
    /// Something was written.
    drained: Condvar,
}

impl Outbox {
    /// Sends a reply; waits while the host does not read.
    pub(super) fn send(&self, frame: &Frame) -> Result<(), WireError> {
        let mut state = self.lock();
        while state.waiting.len() > CAPACITY_BYTES && !state.closed {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.append(&mut state, frame)
    }

    /// Sends an event unless too much is waiting already; what waits is as good a sign of life.
    pub(super) fn offer(&self, frame: &Frame) {
        let mut state = self.lock();
        if state.waiting.len() <= CAPACITY_BYTES {
            // Events are small: they cannot be too large for a frame.
            let _ = self.append(&mut state, frame);
        }
    }

    fn append(&self, state: &mut State, frame: &Frame) -> Result<(), WireError> {
        if state.closed {
            return Ok(());
        }
        let first = state.waiting.is_empty();
        wire::encode(frame, &mut state.waiting)?;
        // Behind others the writer knows already, or looks again when it has written.
        if first && !state.writing {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Writes until closed or until the host's end is gone. Runs on its own thread.
    pub(super) fn write_to(&self, mut pipe: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.lock();
            state.writing = false;
            self.drained.notify_all();
            while state.waiting.is_empty() && !state.closed {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.waiting.is_empty() {
                return;
            }
            std::mem::swap(&mut state.waiting, &mut batch);
            state.writing = true;
            drop(state);
            if pipe.write_all(&batch).and_then(|()| pipe.flush()).is_err() {
                // The host's end is gone: so is everybody who would read a word about it.
                let mut state = self.lock();
                state.closed = true;
                state.writing = false;
                state.waiting.clear();
                self.drained.notify_all();
                return;
            }
            batch.clear();
        }
    }

    /// Takes no more frames, and waits until what there is was written, at most for `patience`.
    pub(super) fn close(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        state.closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
        while state.writing || !state.waiting.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .drained
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, except an allocation that fails, which aborts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
