//! Whose fault the end of an execution was: the program's, the input's or ours.
//!
//! Contract: the causes are those of the prover protocol, which clients of SP1's network know by the same names. Every
//! error of SP1's executor is mapped by name; what is not certainly the program's fault is ours.

use hierophant_prover_protocol::proto::{Failure, ProgramFault, program_fault::Cause};
use sp1_core_executor::ExecutionError;

use crate::shared_memory;

/// How an execution ended when it did not end well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The program is at fault.
    Program(ProgramFault),
    /// Somebody else is.
    Failure(Failure),
}

/// What is known beside SP1's error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// What the executor's process said itself.
    pub(crate) executor_lines: &'a [String],
    /// The cycle limit, if the execution was ended because it outran the time that the limit allows.
    pub(crate) overran: Option<u64>,
    /// Resident memory at which the executor's process is killed.
    pub(crate) executor_memory_bytes: u64,
}

/// Judges an error of SP1's executor.
pub(crate) fn judge(error: &ExecutionError, known: Circumstances<'_>) -> End {
    let program = |cause, message: String| End::Program(ProgramFault::new(cause, message));
    match error {
        ExecutionError::InvalidMemoryAccess(..)
        | ExecutionError::InvalidMemoryAccessUntrustedProgram(_)
        | ExecutionError::InstructionNotFound() => {
            program(Cause::InvalidMemoryAccess, format!("the program failed: {error}"))
        }
        ExecutionError::UnsupportedSyscall(_) => {
            program(Cause::UnsupportedSyscall, format!("the program failed: {error}"))
        }
        ExecutionError::Breakpoint() => program(Cause::Breakpoint, "the program hit a breakpoint".into()),
        ExecutionError::ExceededCycleLimit(_) | ExecutionError::UnconstrainedCycleLimitExceeded(_) => {
            program(Cause::CycleLimit, "the program exceeded its cycle limit".into())
        }
        ExecutionError::InvalidSyscallUsage(_) => {
            program(Cause::InvalidSyscallUsage, format!("the program failed: {error}"))
        }
        ExecutionError::Unimplemented() => program(
            Cause::Unimplemented,
            "the program ran into an instruction that is none, or into a breakpoint".into(),
        ),
        ExecutionError::EndInUnconstrained() => program(
            Cause::EndInUnconstrained,
            "the program ended in unconstrained mode".into(),
        ),
        ExecutionError::UnexpectedExitCode(code) => non_zero_exit(u64::from(*code)),
        ExecutionError::UnhandledTrap(_) | ExecutionError::TooMuchMemory() => {
            program(Cause::AbnormalExit, format!("the program failed: {error}"))
        }
        ExecutionError::KilledByMemoryMonitor(mib) => End::Failure(Failure::prover(format!(
            "the execution took {mib} MiB of memory, more than {} bytes (option executor_memory_bytes)",
            known.executor_memory_bytes
        ))),
        ExecutionError::ChildKilled() => match known.overran {
            Some(limit) => overran(limit),
            None => End::Failure(Failure::prover(
                "the process that ran the program was killed from outside, most likely because the machine ran out of \
                 memory",
            )),
        },
        ExecutionError::InvalidShardingState() => {
            End::Failure(Failure::prover(format!("the executor failed: {error}")))
        }
        ExecutionError::Other(text) => other(text, known),
    }
}

/// The program ended with an exit code that is not 0.
pub(crate) fn non_zero_exit(code: u64) -> End {
    End::Program(ProgramFault::new(
        Cause::NonZeroExit,
        format!("the program ended with exit code {code}"),
    ))
}

/// The program used more cycles than it may.
pub(crate) fn cycle_limit(cycles: u64, limit: u64) -> End {
    End::Program(ProgramFault::new(
        Cause::CycleLimit,
        format!("the program took {cycles} cycles, its limit is {limit}"),
    ))
}

/// The program used more gas than it may.
pub(crate) fn gas_limit(gas: u64, limit: u64) -> End {
    End::Program(ProgramFault::new(
        Cause::GasLimit,
        format!("the program took {gas} gas, its limit is {limit}"),
    ))
}

fn overran(limit: u64) -> End {
    End::Program(ProgramFault::new(
        Cause::CycleLimit,
        format!("the program ran far longer than its limit of {limit} cycles takes, without an end"),
    ))
}

/// The executor's process ended without a cause of its own. What it said before may name one; the guest cannot forge
/// those lines, its own are marked.
fn other(text: &str, known: Circumstances<'_>) -> End {
    // Signal 7, SIGBUS: a page of shared memory could not be had.
    if text.contains("signal: Some(7)") || text.contains("signal: 7,") {
        return End::Failure(shared_memory::full());
    }
    if !text.contains("crashed") && !text.contains("terminated abnormally") {
        return End::Failure(Failure::prover(format!("the executor failed: {text}")));
    }
    if let Some(limit) = known.overran {
        return overran(limit);
    }
    let said = |phrase: &str| known.executor_lines.iter().any(|line| line.contains(phrase));
    let (cause, message) = if said("hint input stream exhausted") {
        (Cause::AbnormalExit, "the program read more input than there is")
    } else if said("hint input stream read length mismatch") {
        (
            Cause::AbnormalExit,
            "the program read an input with another length than it has",
        )
    } else if said("not aligned") {
        (
            Cause::InvalidMemoryAccess,
            "the program passed an address that is not aligned",
        )
    } else if said("not allowed for this syscall: HALT") {
        (Cause::EndInUnconstrained, "the program ended in unconstrained mode")
    } else if said("Unconstrained mode is not allowed") {
        (
            Cause::InvalidSyscallUsage,
            "the program made a system call in unconstrained mode",
        )
    } else if said("invalid syscall number") {
        (
            Cause::UnsupportedSyscall,
            "the program made a system call that does not exist",
        )
    } else {
        (
            Cause::AbnormalExit,
            "the program ended abnormally, without a cause that the executor knows",
        )
    };
    End::Program(ProgramFault::new(cause, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error, what the executor said, the limit that was overrun; and the cause, if it is the program's fault.
    type Case<'a> = (&'a ExecutionError, &'a [&'a str], Option<u64>, Option<Cause>);

    fn judged(error: &ExecutionError, lines: &[&str], overran: Option<u64>) -> Option<Cause> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let known = Circumstances {
            executor_lines: &lines,
            overran,
            executor_memory_bytes: 1,
        };
        match judge(error, known) {
            End::Program(fault) => Some(fault.cause()),
            End::Failure(_) => None,
        }
    }

    #[test]
    fn only_what_is_the_programs_fault_is_called_so() {
        let crashed = ExecutionError::Other(
            "Child native executor crashed, details: CrashDetails { signal: 6, addr: 0, operation: 0 }".into(),
        );
        let full =
            ExecutionError::Other("Child native executor terminated abnormally, code: None, signal: Some(7)".into());
        let spawn = ExecutionError::Other("failed to spawn child process: no".into());
        let cases: [Case<'_>; 11] = [
            (&ExecutionError::Breakpoint(), &[], None, Some(Cause::Breakpoint)),
            (
                &ExecutionError::UnexpectedExitCode(3),
                &[],
                None,
                Some(Cause::NonZeroExit),
            ),
            (&ExecutionError::ChildKilled(), &[], None, None),
            (&ExecutionError::ChildKilled(), &[], Some(5), Some(Cause::CycleLimit)),
            (&ExecutionError::KilledByMemoryMonitor(9), &[], None, None),
            (&crashed, &[], None, Some(Cause::AbnormalExit)),
            (
                &crashed,
                &["Unconstrained mode is not allowed for this syscall: COMMIT"],
                None,
                Some(Cause::InvalidSyscallUsage),
            ),
            (
                &crashed,
                &["Unconstrained mode is not allowed for this syscall: HALT"],
                None,
                Some(Cause::EndInUnconstrained),
            ),
            (
                &crashed,
                &["invalid syscall number: 9"],
                None,
                Some(Cause::UnsupportedSyscall),
            ),
            (&full, &[], None, None),
            (&spawn, &[], None, None),
        ];
        for (error, lines, overran, expected) in cases {
            assert_eq!(judged(error, lines, overran), expected, "{error} {lines:?}");
        }
    }
}
