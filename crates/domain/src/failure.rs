//! Whose fault a failure is, and what is said about it. The class alone decides what happens next.

use serde::{Deserialize, Serialize};

/// Longest message kept of a failure, in bytes; the rest is cut.
pub const MESSAGE_MAX_BYTES: usize = 2048;

/// Decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The guest program failed or broke its limits: final, the client's fault. Believed only from a trusted execution.
    Program,
    /// An input cannot be decoded: final. Believed only from a trusted execution.
    Input,
    /// Might work elsewhere or later: retried, bounded.
    Transient,
    /// The prover crashed, ran out of memory or hung: retried on another worker, until enough different workers failed.
    Prover,
    /// The result did not verify: the worker gets a strike, another worker gets the task.
    InvalidProof,
    /// The program gives other public values than those whose hash its client signed: final. Believed only from a trusted
    /// execution.
    PublicValues,
    /// The coordinator has lost an input that it had taken in whole: final, nobody else's fault. Said by the coordinator alone.
    Lost,
    /// A sealed input whose key is gone: final, never silent.
    KeyLost,
    /// The owner cancelled.
    Cancelled,
    /// The deadline passed.
    Deadline,
}

impl FailureClass {
    /// The word used in rows, labels and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Input => "input",
            Self::Transient => "transient",
            Self::Prover => "prover",
            Self::InvalidProof => "invalid_proof",
            Self::PublicValues => "public_values",
            Self::Lost => "lost",
            Self::KeyLost => "key_lost",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }

    /// Whether it blames what the client sent: for a worker's word alone, a trusted execution has to find the same.
    pub fn blames_request(self) -> bool {
        match self {
            Self::Program | Self::Input => true,
            Self::Transient
            | Self::Prover
            | Self::InvalidProof
            | Self::PublicValues
            | Self::Lost
            | Self::KeyLost
            | Self::Cancelled
            | Self::Deadline => false,
        }
    }

    /// Whether a worker that failed a task so is kept from it for a while.
    pub fn keeps_away(self) -> bool {
        match self {
            Self::Program | Self::Input | Self::Transient | Self::Prover | Self::InvalidProof | Self::KeyLost => true,
            Self::PublicValues | Self::Lost | Self::Cancelled | Self::Deadline => false,
        }
    }
}

/// How a program was at fault. Generic for virtual machines; a door maps it to its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramFault {
    /// Halted with another exit code than 0.
    NonZeroExit,
    /// Touched memory that it may not.
    InvalidMemoryAccess,
    /// Called something that the machine does not have.
    UnsupportedSyscall,
    /// Hit a breakpoint.
    Breakpoint,
    /// Ran more cycles than the client allowed.
    CycleLimit,
    /// Called the machine with wrong arguments.
    InvalidSyscallUsage,
    /// Used something that the machine does not implement.
    Unimplemented,
    /// Ended inside an unconstrained block.
    EndInUnconstrained,
    /// Used more gas than the client allowed.
    GasLimit,
    /// Ended abnormally without a cause of its own.
    AbnormalExit,
}

/// A failure with its reason in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Decides what happens next.
    pub class: FailureClass,
    /// With [`FailureClass::Program`]: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ProgramFault>,
    /// A sentence for the client and the operator; at most [`MESSAGE_MAX_BYTES`].
    pub message: String,
}

impl Failure {
    /// A failure of `class`; a longer message is cut at a character.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.len() > MESSAGE_MAX_BYTES {
            let cut = (0..=MESSAGE_MAX_BYTES)
                .rev()
                .find(|&i| message.is_char_boundary(i))
                .unwrap_or(0);
            message.truncate(cut);
        }
        Self {
            class,
            fault: None,
            message,
        }
    }

    /// A program fault.
    pub fn program(fault: ProgramFault, message: impl Into<String>) -> Self {
        Self {
            fault: Some(fault),
            ..Self::new(FailureClass::Program, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let failure = Failure::new(FailureClass::Prover, "ä".repeat(MESSAGE_MAX_BYTES));
        assert_eq!(failure.message.len(), MESSAGE_MAX_BYTES);
        let odd = Failure::new(FailureClass::Prover, format!("a{}", "ä".repeat(MESSAGE_MAX_BYTES)));
        assert_eq!(odd.message.len(), MESSAGE_MAX_BYTES - 1);
    }
}
