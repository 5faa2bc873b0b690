//! How calls and processes end badly.

use std::{fmt, io, path::PathBuf, time::Duration};

use crate::proto::Failure;

/// How a process ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitHow {
    /// With a status, 0 to 255.
    Code(i32),
    /// By a signal that the host did not send.
    Signal(i32),
}

impl fmt::Display for ExitHow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exited with status {code}"),
            Self::Signal(signal) => write!(formatter, "was killed by signal {signal}"),
        }
    }
}

/// Why a call has no reply. After [`CallError::Failed`] the process lives on; after [`CallError::Timeout`] it may
/// ([`ProverProcess::is_alive`](super::ProverProcess::is_alive)); after all others it is gone.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The prover answered with a failure; its class says what to do.
    #[error("the prover refused: {}", .0.message)]
    Failed(Failure),
    /// The process ended by itself.
    #[error("the prover process {how}{}; its log says why", if *.memory_kill_suspected { ", probably by the system for want of memory" } else { "" })]
    Died {
        /// How.
        how: ExitHow,
        /// SIGKILL that the host did not send: usually the kernel's out-of-memory killer.
        memory_kill_suspected: bool,
    },
    /// The process used more memory than it may and was killed.
    #[error("the prover process used {used_bytes} bytes of memory, over its limit of {limit_bytes}; it was killed")]
    MemoryLimit {
        /// Resident memory of the process and its children, in bytes, when it was measured.
        used_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The process sent nothing for three heartbeats while a call was open, and was killed.
    #[error("the prover process was silent for {silent:?} with a call open; it was killed")]
    Hung {
        /// How long it was silent.
        silent: Duration,
    },
    /// The process broke the protocol and was killed.
    #[error("the prover broke the protocol: {0}; it was killed")]
    Protocol(String),
    /// The call took longer than it may.
    #[error("the call took longer than {limit:?}")]
    Timeout {
        /// The limit of this call.
        limit: Duration,
    },
    /// The host killed the process for another reason: asked to, or because another call would not end.
    #[error("the prover process was killed by its host: {0}")]
    Killed(String),
}

/// Why a prover could not be started. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No private directory.
    #[error("cannot make a scratch directory in {parent}; check that it exists and is writable")]
    Scratch {
        /// Where it was tried.
        parent: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The executable cannot be run.
    #[error("cannot start the prover {executable}; check the path and its permissions")]
    Start {
        /// What was tried.
        executable: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process did not answer hello well.
    #[error("the prover {name} did not answer hello{}", last_words(.log))]
    Hello {
        /// The prover's name.
        name: String,
        /// The end of its log.
        log: Vec<String>,
        /// What happened instead.
        source: CallError,
    },
    /// The answer to hello breaks the protocol's limits.
    #[error("the prover {name} answered hello with {reason}; it is built for another protocol")]
    HelloReply {
        /// The prover's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn last_words(log: &[String]) -> String {
    log.last()
        .map_or_else(String::new, |line| format!(" (last log line: {line})"))
}
