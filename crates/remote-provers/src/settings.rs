//! What an operator decides of remote provers.

use std::time::Duration;

use hierophant_miden_api::Line;

/// Most tasks that one prover is given at once.
pub const SLOTS_MAX: u32 = 1024;

/// How provers are looked at and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteProverSettings {
    /// Between two looks at a healthy prover.
    pub health_interval: Duration,
    /// How long a prover may take to answer a look.
    pub connect_timeout: Duration,
    /// How long one proof may take, from the call to its answer.
    pub proof_timeout: Duration,
    /// The unit of the pauses between looks at an unhealthy prover: 2, 4, 8 … 512 of it. A second, but for tests.
    pub back_off: Duration,
    /// How long a prover that said that it is busy, or was not there, is given nothing more.
    pub busy_pause: Duration,
}

impl Default for RemoteProverSettings {
    /// Upstream's proxy looked every 10 s and waited as long for a connection. The longest proofs take minutes.
    fn default() -> Self {
        Self {
            health_interval: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            proof_timeout: Duration::from_mins(10),
            back_off: Duration::from_secs(1),
            busy_pause: Duration::from_secs(2),
        }
    }
}

/// How one prover is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The line that it serves; which of the line's kinds, it says itself.
    pub line: Line,
    /// Tasks that it is given at once, 1 to [`SLOTS_MAX`].
    pub slots: u32,
}

impl Default for Options {
    /// One task at a time of line 0.15: what upstream's worker takes unless it is told otherwise.
    fn default() -> Self {
        Self {
            line: Line::V0_15,
            slots: 1,
        }
    }
}
