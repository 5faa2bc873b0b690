//! Wake-ups: what may have changed. Lossy; the rows are the truth.

use hierophant_domain::{LeaseToken, RequestId, WorkerId};

/// Something to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Some class has a ready task.
    Ready,
    /// A result waits for verification.
    Delivered,
    /// A trusted execution is wanted.
    ExecutionWanted,
    /// A request has ended, an attempt at it has begun or changed, or its execution was settled.
    RequestChanged(RequestId),
    /// A worker's lease was taken away.
    Revoked {
        /// Whose.
        worker: WorkerId,
        /// Which.
        token: LeaseToken,
        /// Why.
        reason: std::sync::Arc<str>,
    },
    /// A blob is to go without waiting.
    Collectable,
    /// A worker's standing or presence changed.
    WorkerChanged(WorkerId),
}
