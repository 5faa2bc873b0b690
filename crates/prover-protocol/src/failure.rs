//! Short ways to say why a call was not done. The classes and what a host does on each are in `proto/prover.proto`.

use crate::proto::{Failure, ProgramFault, failure::Class, program_fault::Cause};

/// Longest message of a failure, in bytes; what comes after is cut, so that a failure always fits its frame.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;

impl Failure {
    fn of(class: Class, message: impl Into<String>) -> Self {
        let mut message = message.into();
        truncate(&mut message, MAX_MESSAGE_BYTES);
        Self {
            class: class.into(),
            message,
            fault: None,
        }
    }

    /// An input cannot be decoded, or the call contradicts itself.
    pub fn input(message: impl Into<String>) -> Self {
        Self::of(Class::Input, message)
    }

    /// Might work elsewhere or later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::of(Class::Transient, message)
    }

    /// The prover is at fault: out of memory, no shared memory, a panic it survived.
    pub fn prover(message: impl Into<String>) -> Self {
        Self::of(Class::Prover, message)
    }

    /// The job was stopped because the host asked for it.
    pub fn cancelled() -> Self {
        Self::of(Class::Cancelled, "the job was cancelled")
    }

    /// The call, system or kind is not served by this process.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::of(Class::Unsupported, message)
    }

    /// The program failed or broke its limits.
    pub fn program(fault: ProgramFault) -> Self {
        Self {
            fault: Some(fault.clone()),
            ..Self::of(Class::Program, fault.message)
        }
    }
}

impl ProgramFault {
    /// Names how the program was at fault; `message` is for the client and never contains guest output.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            message: message.into(),
        }
    }
}

/// Returns the failure for a call that a prover does not answer.
pub fn unsupported(call: &str) -> Failure {
    Failure::unsupported(format!("this prover does not answer {call}"))
}

/// Cuts `text` to at most `limit` bytes at a character boundary.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
}
