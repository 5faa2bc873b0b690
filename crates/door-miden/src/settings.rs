//! What the door can be told.

use std::time::Duration;

/// Limits of the door, the same for all its listeners.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// Calls that may wait for a worker at a time; one more is refused. At least 1.
    pub queue: usize,
    /// The longest that a call waits for a worker.
    pub queue_timeout: Duration,
    /// The longest that one attempt at a proof may take.
    pub proof_timeout: Duration,
    /// How long a proof that nobody waits for any more goes on, and how long a finished one is there for a caller who asks again.
    pub grace: Duration,
}

impl Default for DoorSettings {
    /// The queue and the time in it are those of upstream's proxy and worker.
    fn default() -> Self {
        Self {
            queue: 10,
            queue_timeout: Duration::from_mins(1),
            proof_timeout: Duration::from_mins(10),
            grace: Duration::from_secs(30),
        }
    }
}
